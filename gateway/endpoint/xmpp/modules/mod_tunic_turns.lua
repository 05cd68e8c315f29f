-- mod_tunic_turns: who asks for what was said before waits for a turn.
--
-- A question to an archive (XEP-0313) has two hundred bytes, and its answer up to
-- 256 KB (mod_storage_tunic), which this server makes in the thread in which it does
-- everything else. So the askers take turns: all names of a friend's box are one
-- asker, each user here is another. All questions together have a tenth of this
-- server's time at most. Nobody is answered before the last answer has left for
-- the most part, so that who asks and does not read fills no memory. Who has many
-- questions waiting already is told to wait (RFC 6120, 8.3.3.18).
--
-- A room also says what was said to who comes in: to one asker so often, and
-- not while the answer before is still on its way.

module:set_global();

local jid = require "util.jid";
local now = require "util.time".monotonic;
local st = require "util.stanza";
local party = module:require "tunic_party";

local xmlns = "urn:xmpp:mam:2";
local rest = 9; -- times as long as an answer took
local most_waiting = 16; -- questions of one asker
local longest = 4096; -- bytes of a question, whose name for itself stands in each message of the answer
local patience = 60; -- seconds that a question waits
local most_unread = 256 * 1024; -- bytes
local most_unacked = 100; -- stanzas (XEP-0198)
local entries = 20; -- into rooms, at once; one more each second

local asked = module:shared("/*/tunic/asked"); -- cut: the store had more for this page

-- stream is the one on which an address gets its answers from a host, nil if there is none.
local function stream(host, address)
	local of = jid.host(address);
	if prosody.hosts[of] then return prosody.full_sessions[address]; end
	return prosody.hosts[host].s2sout[of];
end

-- unread is how much waits in a connection (net.server_epoll: a text, a list of
-- them, or a buffer that knows its length).
local function unread(conn)
	local waiting = conn.writebuffer or "";
	if type(waiting) == "string" then return #waiting; end
	if waiting.length then return waiting:length(); end
	local n = 0;
	for _, text in ipairs(waiting) do n = n + #text; end
	return n;
end

-- clogged says of an asker that what was said before is still on its way.
local function clogged(host, address)
	local session = stream(host, address);
	if not session then return false; end -- the answer opens one
	local open = session.conn and (session.type == "c2s" or session.type == "s2sout");
	local sent = session.outgoing_stanza_queue; -- mod_smacks keeps it until the client has it
	return not open or unread(session.conn) > most_unread or sent and sent:count_unacked() > most_unacked;
end

local order, waiting = {}, {}; -- the askers in turn; the questions of each
local free = 0; -- when the next question may be answered

local function refuse(q)
	q.origin.send(st.error_reply(q.stanza, "wait", "resource-constraint", "Too many questions at once: ask again later"));
end

-- through is the asker's session for the time of an answer. A page that the store
-- has cut is not the last one, whatever Prosody makes of its length.
local function through(origin)
	return setmetatable({ send = function (stanza)
		local fin = asked.cut and stanza.name == "iq" and stanza:get_child("fin", xmlns);
		if fin then fin.attr.complete = nil; end
		return origin.send(stanza);
	end }, { __index = origin, __newindex = origin });
end

local function answer(q)
	local began = now();
	asked.cut = false;
	local done, taken = pcall(module.fire_event, module:context(q.host), q.name, { origin = through(q.origin), stanza = q.stanza, tunic_turn = true });
	if not done then module:log("error", "a question was not answered: %s", taken); end
	if not taken or not done then q.origin.send(st.error_reply(q.stanza, "cancel", done and "service-unavailable" or "internal-server-error")); end
	free = now() + rest * (now() - began);
end

-- first takes the first question of an asker out of the list.
local function first(who)
	local q = table.remove(waiting[who], 1);
	if not waiting[who][1] then waiting[who] = nil; end
	return q;
end

-- take returns the next question that can be answered, and has its asker be the
-- last in turn. Questions that nobody waits for go.
local function take()
	for i, who in ipairs(order) do
		local q = waiting[who][1];
		local late = now() - q.since > patience;
		if q.origin.destroyed or late or not clogged(q.host, q.stanza.attr.from) then
			table.remove(order, i);
			first(who);
			if waiting[who] then order[#order + 1] = who; end
			if q.origin.destroyed then return take(); end
			if late then refuse(q); return take(); end
			return q;
		end
	end
end

-- serve answers what can be answered now, and returns when to come back for the rest.
local function serve()
	while order[1] do
		if now() < free then return free - now(); end
		local q = take();
		if not q then return order[1] and 0.1 or nil; end -- seconds; all are clogged
		answer(q);
	end
end

local timer = false;

local function serve_later()
	local later = serve();
	timer = later ~= nil;
	return later;
end

local function ask(host, name, event)
	if event.tunic_turn then return; end
	local who = party(event.stanza.attr.from);
	local q = { host = host, name = name, origin = event.origin, stanza = event.stanza, since = now() };
	if #tostring(q.stanza) > longest then
		q.origin.send(st.error_reply(q.stanza, "modify", "policy-violation", "This question is too long"));
		return true;
	end
	if waiting[who] and #waiting[who] >= most_waiting then
		refuse(q);
		return true;
	end
	if not waiting[who] then
		waiting[who], order[#order + 1] = {}, who;
	end
	table.insert(waiting[who], q);
	local later = serve();
	if later and not timer then
		timer = true;
		module:add_timer(later, serve_later);
	end
	return true;
end

local came = {}; -- into rooms: how often each asker may come yet, and since when

local function may_enter(who)
	local c = came[who] or { left = entries, at = now() };
	came[who] = c;
	c.left, c.at = math.min(entries, c.left + now() - c.at), now();
	if c.left < 1 then return false; end
	c.left = c.left - 1;
	return true;
end

local function enter(host, event)
	if may_enter(party(event.to)) and not clogged(host, event.to) then return; end
	return true; -- nothing of what was said
end

local names = { ["local"] = { "iq-set/self/"..xmlns..":query", "iq-get/self/"..xmlns..":metadata" },
	component = { "iq-set/bare/"..xmlns..":query" } };

local function divide(host)
	local context = module:context(host);
	for _, name in ipairs(names[prosody.hosts[host].type] or {}) do
		context:hook(name, function (event) return ask(host, name, event); end, 1000);
	end
	context:hook("muc-get-history", function (event) return enter(host, event); end, 1000);
end

for host in pairs(prosody.hosts) do divide(host); end
module:hook("host-activated", divide, 1000);
