-- mod_tunic_queue: messages for another box wait until that box has them.
--
-- Prosody gives a message back to its sender when the other server cannot be
-- reached. Boxes at home are off at night, so this module keeps every message
-- that a person would miss: it is written to the store before it is routed, and
-- removed when a ping that was sent after it on the same stream has been answered
-- (RFC 6120, 10.1: the other side works through a stream in order).
--
-- What is sent a second time, because the link broke before the answer came,
-- the other side's module recognises by the id that ours gave it. So a message
-- between two boxes arrives once, in order, and survives kill -9 of either.
--
-- Options: tunic_queue_days (5), tunic_queue_retry (seconds between tries at first, 60),
-- tunic_queue_items and tunic_queue_bytes (what may wait for one box). Each sender
-- may have as much waiting as is free, so that one who fills the queue leaves half
-- of it to others, two leave a third.

local datetime = require "util.datetime";
local new_id = require "util.id".medium;
local jid_bare = require "util.jid".bare;
local st = require "util.stanza";
local datamanager = require "core.storagemanager".olddm; -- what the store "internal" writes with
local modulemanager = require "core.modulemanager";
local destroy_session = require "core.s2smanager".destroy_session;

local host = module.host;
local queue = module:open_store("tunic_queue", "archive");
local seen = module:open_store("tunic_seen", "archive");

local keep = module:get_option_number("tunic_queue_days", 5) * 86400;
local retry = module:get_option_number("tunic_queue_retry", 60);
local max_items = module:get_option_number("tunic_queue_items", 2000);
local max_bytes = module:get_option_number("tunic_queue_bytes", 8 * 1024 * 1024);

local xmlns = "urn:tunic:queue:0";
local ping_timeout = 60; -- seconds; a stream over Tor that needs longer is dead
local ping_delay = 0.5; -- seconds; one ping answers for a burst
local dial_timeout = 125; -- seconds; tor itself gives up after 120 (SocksTimeout)
local longest_rest = 900; -- seconds, between two dials of a box that is away and of which nothing is new
local places = 6; -- boxes that are dialled at a time for what was there before
local remembered = 500; -- ids of each other box; up to twice as many are in the store
local longest_id = 64; -- bytes; ours have 18, and whoever sends longer ones does not want them remembered

-- boxes holds, for each host that something waits for:
--   items, bytes  what is in the store
--   of            the same for each sender
--   sent          how many of them went out on session
--   session       the stream that they went out on, nil if that is gone
--   asking        when the ping that is under way was sent, nil if none is
--   rest, later   how long a box that is away rests, and until when; nil: it was there last
local boxes = {};

-- mend makes a list of a store readable after a power cut, which may leave a
-- part of the item that was written last, or zeros in its place. It goes.
local function mend(store, name)
	local items, err = datamanager.list_load(name, host, store);
	if items or not err then return; end
	local path = datamanager.getpath(name, host, store, "list");
	local file = io.open(path, "rb");
	local text = file and file:read("a") or "";
	if file then file:close(); end
	os.remove(datamanager.getpath(name, host, store, "lidx")); -- Prosody makes another
	module:log("warn", "a list that a power cut has left was mended");
	return datamanager.store_raw(path, text:match("^(.*%);\n)") or "");
end

local function mend_all(store)
	local names = {};
	for name in datamanager.users(host, store, "list") do names[#names + 1] = name; end
	for _, name in ipairs(names) do mend(store, name); end
end

mend_all("tunic_queue");
mend_all("tunic_seen");

local function size(stanza)
	return #tostring(stanza);
end

-- add counts a message for a box, and for its sender.
local function add(box, stanza)
	local from = jid_bare(stanza.attr.from) or "";
	box.of[from] = box.of[from] or { items = 0, bytes = 0 };
	for _, sum in ipairs { box, box.of[from] } do
		sum.items, sum.bytes = sum.items + 1, sum.bytes + size(stanza);
	end
end

-- waits counts what is in the store for a box.
local function waits(to, box)
	box.items, box.bytes, box.of = 0, 0, {};
	for _, stanza in queue:find(to) do add(box, stanza); end
	return box;
end

-- drop removes the n oldest messages for a box from the store.
local function drop(to, n)
	local box = boxes[to];
	if n >= box.items then
		queue:delete(to);
		boxes[to] = nil;
		return;
	end
	queue:delete(to, { truncate = box.items - n });
	waits(to, box);
	box.sent = math.max(box.sent - n, 0);
end

-- wanted reports whether a person would miss the stanza. Rooms have archives of
-- their own, and typing notices are of no use later.
local function wanted(stanza)
	if stanza.name ~= "message" or not stanza.attr.to then return false; end
	local kind = stanza.attr.type or "normal";
	if kind ~= "chat" and kind ~= "normal" then return false; end
	return stanza:get_child("body")
		or stanza:get_child("encrypted", "eu.siacs.conversations.axolotl")
		or stanza:get_child("encrypted", "urn:xmpp:omemo:2")
		or stanza:get_child("received", "urn:xmpp:receipts")
		or stanza:get_child("x", "jabber:x:conference")
		or stanza:find("{http://jabber.org/protocol/muc#user}x/invite");
end

-- stream returns the stream to a box if stanzas can be sent on it now.
local function stream(to)
	local session = prosody.hosts[host].s2sout[to];
	return session and session.type == "s2sout" and session or nil;
end

local function fail(stanza, kind, condition, text)
	module:send(st.error_reply(stanza, kind, condition, text));
end

-- marked returns a copy that carries the id by which the other side knows it.
local function marked(stanza, id)
	local copy = st.clone(stanza);
	copy:tag("queued", { xmlns = xmlns, id = id }):up();
	return copy;
end

local ask;

-- hand sends everything that has not gone out on this stream yet.
local function hand(to, session)
	local box = boxes[to];
	if box.session ~= session then
		box.session, box.sent = session, 0;
	end
	local n, from = 0, box.sent;
	for id, stanza, when in queue:find(to) do
		n = n + 1;
		if n > from then
			stanza = marked(stanza, id);
			stanza:tag("delay", { xmlns = "urn:xmpp:delay", from = host, stamp = datetime.datetime(when) }):up();
			session.sends2s(stanza);
		end
	end
	box.items, box.sent = n, n;
	module:log("info", "%d kept messages were sent", n - from);
end

-- refusal takes "I do not know pings" for the answer that it is.
local function refusal(err)
	if err.condition ~= "service-unavailable" and err.condition ~= "feature-not-implemented" then
		error(err);
	end
end

-- ask sends a ping, which also opens a stream if there is none.
function ask(to)
	local box = boxes[to];
	if not box or box.asking then return; end
	box.asking = os.time();
	local session = stream(to);
	if session and box.session ~= session then hand(to, session); end
	local sent = box.sent;
	local ping = st.iq({ type = "get", from = host, to = to, id = new_id() }):tag("ping", { xmlns = "urn:xmpp:ping" });
	local answer = module:send_iq(ping, nil, session and ping_timeout or dial_timeout);
	answer:catch(refusal):next(function ()
		if boxes[to] ~= box then return; end
		box.asking = nil;
		if session and box.session == session then drop(to, sent); end
		ask(to); -- for what is left, or for a stream that is there only now
	end):catch(function (err)
		if boxes[to] ~= box then return; end
		box.asking = nil;
		module:log("debug", "no answer to a ping: %s", err);
		if session and stream(to) == session then
			session:close(); -- it takes and does not answer
		end
	end);
end

local function ask_soon(to)
	module:add_timer(ping_delay, function () ask(to); end);
end

local function full(box, stanza)
	local mine = box.of[jid_bare(stanza.attr.from)] or { items = 0, bytes = 0 };
	return mine.items >= max_items - box.items or mine.bytes + size(stanza) > max_bytes - box.bytes;
end

-- give_back removes the n oldest messages for a box and tells their senders.
local function give_back(to, n, condition, text)
	local old = {};
	for _, stanza in queue:find(to) do
		if #old == n then break; end
		old[#old + 1] = stanza;
	end
	drop(to, n);
	for _, stanza in ipairs(old) do fail(stanza, "cancel", condition, text); end
end

-- expire gives messages back that have waited too long.
local function expire(to)
	local n = 0;
	for _, _, when in queue:find(to) do
		if os.time() - when < keep then break; end
		n = n + 1;
	end
	if n > 0 and boxes[to].sent == 0 then
		give_back(to, n, "remote-server-timeout", "That box was not reached for days; the message was not delivered.");
	end
end

-- mod_onions reads its map when it is loaded; the streams that are up go on.
local map = module:get_option("onions_map", {});
local strangers = "This box is not connected with that one.";

module:hook("route/remote", function (event)
	local stanza, to = event.stanza, event.to_host;
	if event.from_host ~= host or not wanted(stanza) then return; end
	local box = boxes[to] or { items = 0, bytes = 0, sent = 0, of = {} };
	if full(box, stanza) then
		fail(stanza, "wait", "resource-constraint", "Too much waits for that box already.");
		return true;
	end
	local id, err = queue:append(to, nil, stanza, os.time(), stanza.attr.from);
	if not id then
		module:log("error", "a message could not be kept: %s", err);
		fail(stanza, "wait", "internal-server-error", "This box could not keep the message.");
		return true;
	end
	boxes[to] = box;
	local session = stream(to);
	local through = session and (box.session == session and box.sent == box.items or box.items == 0);
	add(box, stanza);
	if through then
		box.session, box.sent = session, box.items;
		session.sends2s(marked(stanza, id));
		ask_soon(to);
	else
		ask(to);
	end
	return true;
end, 300); -- before mod_onions (200), which opens streams

module:hook("s2sout-established", function (event)
	local to, session = event.session.to_host, event.session;
	if not boxes[to] then return; end
	boxes[to].rest, boxes[to].later = nil, nil;
	hand(to, session);
	ask_soon(to);
end);

module:hook("s2sout-destroyed", function (event)
	local box = boxes[event.session.to_host];
	if box and box.session == event.session then
		box.session, box.sent, box.asking = nil, 0, nil;
	end
end);

-- give_up ends a stream that has not come about.
local function give_up(to)
	local session = prosody.hosts[host].s2sout[to];
	if session and session.type == "s2sout_unauthed" then
		if session.conn then session.conn:close(); end
		destroy_session(session, "no answer");
	end
	if boxes[to] then boxes[to].asking = nil; end
end

-- unstick is for mod_onions, which does not notice when tor closes the connection
-- before it has answered.
local function unstick(to)
	local asking = boxes[to].asking;
	if asking and os.time() - asking > dial_timeout then give_up(to); end
end

local function attend(to)
	unstick(to);
	expire(to);
	if boxes[to] then ask(to); end
end

-- rested reports whether a box that is away is to be dialled although nobody has a
-- reason to think that it is back: less and less often, and a few at a time.
local function rested(to)
	local dialled, box = 0, boxes[to];
	for other, b in pairs(boxes) do
		if b.asking and not stream(other) then dialled = dialled + 1; end
	end
	if dialled >= places or os.time() < (box.later or 0) then return false; end
	box.rest = math.min(2 * (box.rest or retry / 2), longest_rest);
	box.later = os.time() + box.rest * (0.75 + math.random() / 2);
	return true;
end

-- look_after is attend when nothing is new.
local function look_after(to)
	unstick(to);
	expire(to);
	if boxes[to] and (stream(to) or not boxes[to].asking and rested(to)) then ask(to); end
end

local function waiting()
	local names = {};
	for to in pairs(boxes) do names[#names + 1] = to; end
	return names;
end

-- Their box speaks to us, so it is there.
module:hook("s2sin-established", function (event)
	local from = event.session.from_host;
	if boxes[from] and not stream(from) then
		module:add_timer(1, function () if boxes[from] then attend(from); end end);
	end
end);

local function follow_map()
	local now = module:get_option("onions_map", {});
	local same = true;
	for to, onion in pairs(now) do same = same and map[to] == onion; end
	for to in pairs(map) do
		if not now[to] then
			same = false;
			if boxes[to] then give_back(to, boxes[to].items, "remote-server-not-found", strangers); end
		end
	end
	map = now;
	if not same then modulemanager.reload(host, "onions"); end
end

-- What tor dials while the other box is only just coming back uses what it knew of
-- the box before, and hangs until the daemon or tor gives it up; a dial some seconds later does not.
-- So a box that has come back is dialled again some times, with more patience each time. No other
-- box is, and no dial is given up that is younger than the patience of the moment.
local patience = { 6, 12, 24, 48 }; -- seconds
local came = module:get_option("tunic_came", {}); -- when each box has come back

local function redial(to, age)
	local box = boxes[to];
	if box and not stream(to) and not (box.asking and os.time() - box.asking < age) then
		give_up(to);
		attend(to);
	end
end

-- step is, for each box that is being dialled again, whose patience is next. It
-- has one timer, however often it says hello.
local step = {};

local function redial_often(to)
	redial(to, patience[1]);
	local running = step[to];
	step[to] = 1;
	if running then return; end
	module:add_timer(patience[1], function ()
		local n = step[to];
		redial(to, patience[n]);
		step[to] = n + 1 < #patience and n + 1 or nil;
		return step[to] and patience[n + 1];
	end);
end

-- The daemon reloads us when a friend's box has come back, or the list of friends
-- is another one.
module:hook_global("config-reloaded", function ()
	follow_map();
	local now = module:get_option("tunic_came", {});
	for to, moment in pairs(now) do
		if came[to] ~= moment then redial_often(to); end
	end
	came = now;
end);

-- arrived drops what came a second time. The ids are written once the message
-- itself is in the archive: a kill -9 in between may repeat it, not lose it.
-- Each is one line more in the store, which is written whole once in 500.
-- known holds, for each box that has sent something:
--   ids, has    the last ids in order, and whether one is among them
--   fresh       those that are not in the store yet
--   stored      how many are
local known = {};

local function remember(box, id)
	box.ids[#box.ids + 1], box.has[id] = id, true;
	if #box.ids > remembered then box.has[table.remove(box.ids, 1)] = nil; end
end

local function known_of(from)
	local box = known[from];
	if box then return box; end
	box = { ids = {}, has = {}, fresh = {}, stored = 0 };
	known[from] = box;
	for _, item in seen:find(from) do
		remember(box, item.attr.id);
		box.stored = box.stored + 1;
	end
	return box;
end

local function write_ids()
	for from, box in pairs(known) do
		for _, id in ipairs(box.fresh) do
			seen:append(from, nil, st.stanza("seen", { id = id }), os.time(), "");
			box.stored = box.stored + 1;
		end
		box.fresh = {};
		if box.stored >= 2 * remembered then
			seen:delete(from, { truncate = remembered });
			box.stored = remembered;
		end
	end
end

local function note(from, id)
	local box = known_of(from);
	if box.has[id] then return false; end
	remember(box, id);
	box.fresh[#box.fresh + 1] = id;
	module:add_timer(0, write_ids); -- for what is not archived
	return true;
end

module:hook("archive-message-added", write_ids);

local function arrived(event)
	local origin, stanza = event.origin, event.stanza;
	local mark = stanza:get_child("queued", xmlns);
	if not mark then return; end
	stanza:maptags(function (tag)
		if tag.name == "queued" and tag.attr.xmlns == xmlns then return nil; end
		return tag;
	end);
	local id = mark.attr.id;
	if origin.type == "s2sin" and origin.from_host and id and #id <= longest_id then
		return not note(origin.from_host, id) or nil;
	end
end

for _, name in ipairs { "message/bare", "message/full", "message/host" } do
	module:hook(name, arrived, 1000);
end

-- What an earlier process kept.
for to in queue:users() do
	local box = waits(to, { sent = 0 });
	if box.items > 0 then boxes[to] = box; end
end

module:add_timer(2, function ()
	for _, to in ipairs(waiting()) do
		if map[to] then
			look_after(to);
		else -- forgotten while we were away
			give_back(to, boxes[to].items, "remote-server-not-found", strangers);
		end
	end
	return retry * (0.75 + math.random() / 2);
end);
