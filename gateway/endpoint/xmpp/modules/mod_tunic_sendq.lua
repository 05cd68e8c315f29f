-- mod_tunic_sendq: what waits for a stream that mod_onions opens, in the form
-- that Prosody 13 reads.
--
-- mod_onions keeps the stanza for which it opens a stream as Prosody 0.12 did,
-- in a list of texts and replies. Prosody 13 has a queue of stanzas there
-- (util.queue), and an error where it meets the list: the stream comes about, and
-- nothing is sent on it. So this module lets mod_onions open the stream and then
-- puts the stanza into a queue. Prosody 0.12 does not load it.

local queue = require "util.queue";
local st = require "util.stanza";

local size = module:get_option_number("tunic_sendq_size", 1024); -- stanzas

-- bounce tells the senders of what waits that the other box was not reached
-- (RFC 6120, 8.3). Answers and what is no stanza of a client's get no answer.
local function bounce(session, reason)
	local waiting = session.sendq;
	session.sendq = nil;
	if not waiting then return; end
	local names = { message = true, presence = true, iq = true };
	for stanza in waiting:consume() do
		local kind = stanza.attr.type;
		if not stanza.attr.xmlns and names[stanza.name] and kind ~= "error" and kind ~= "result" then
			module:send(st.error_reply(stanza, "cancel", "remote-server-not-found", type(reason) == "string" and reason or nil));
		end
	end
end

local opening = false;

module:hook("route/remote", function (event)
	local streams = prosody.hosts[event.from_host].s2sout;
	if opening or event.from_host ~= module.host or streams[event.to_host] then return; end
	opening = true;
	local done, result = pcall(module.fire_event, module, "route/remote", event); -- mod_onions takes it
	opening = false;
	if not done then error(result, 0); end
	local session = streams[event.to_host];
	if session and session.sendq and not session.sendq.push then
		session.sendq, session.bounce_sendq = queue.new(size), bounce;
		session.sendq:push(st.clone(event.stanza));
	end
	return result;
end, 250); -- after mod_tunic_queue (300 and more), before mod_onions (200)
