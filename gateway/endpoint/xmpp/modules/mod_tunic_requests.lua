-- mod_tunic_requests: a friend's box asks a user for so many contacts, and no more.
--
-- Each request to see somebody's presence (RFC 6121, 3.1.3) waits in the roster
-- of the user who is asked, as it came, until it is answered. A box can invent
-- as many names as it likes to ask in.

local jid = require "util.jid";
local load_roster = require "core.rostermanager".load_roster;

local most = 32; -- from one box, waiting
local largest = 4096; -- bytes; a name and a picture's digest have some hundreds
local deepest = 16; -- elements in each other; a roster with 190 could not be written

local function too_deep(tag, left)
	if left == 0 then return true; end
	for child in tag:childtags() do
		if too_deep(child, left - 1) then return true; end
	end
end

local function ask(event)
	local stanza = event.stanza;
	local from = jid.host(stanza.attr.from);
	if stanza.attr.type ~= "subscribe" or prosody.hosts[from] then return; end
	local user = jid.node(stanza.attr.to);
	local roster = user and load_roster(user, module.host);
	local waiting = roster and roster[false] and roster[false].pending or {};
	if too_deep(stanza, deepest) then return true; end
	local n = #tostring(stanza) > largest and most or 0;
	for address in pairs(waiting) do
		if jid.host(address) == from then n = n + 1; end
	end
	if n >= most and not waiting[jid.bare(stanza.attr.from)] then return true; end
end

module:hook("presence/bare", ask, 1000);
module:hook("presence/full", ask, 1000);
