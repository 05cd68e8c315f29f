-- mod_tunic_friends: this server speaks with the boxes of friends, and with nobody else.
--
-- Prosody lets each host and component speak with the whole network: it asks the
-- DNS for any domain that calls itself one, and takes stanzas on a stream for
-- every host here, whichever was asked for. This module stands before all of
-- them, those that come later too: what is not from a host of onions_map is
-- dropped before Prosody reads it, and nothing is sent to one that is not in it.
-- A change of the map ends streams in both directions.
--
-- Hosts without mod_onions (shared files) speak with no other server at all.

module:set_global();

local add_filter_hook = require "util.filters".add_filter_hook;
local add_filter = require "util.filters".add_filter;
local is_loaded = require "core.modulemanager".is_loaded;
local prepped_split = require "util.jid".prepped_split;
local st = require "util.stanza";

local map = module:get_option("onions_map", {});
local strangers = "This box is not connected with that one.";

local function host_of(jid)
	local _, host = prepped_split(jid);
	return host;
end

local function speaks(host)
	return host and prosody.hosts[host] and is_loaded(host, "onions");
end

local function refuse(session)
	session:close({ condition = "not-authorized", text = strangers });
end

-- Names that come before anybody is known have no from: they only encrypt the
-- stream. Everything else names who speaks, dialback too (XEP-0220).
local unnamed = { ["urn:ietf:params:xml:ns:xmpp-tls"] = true, ["http://etherx.jabber.org/streams"] = true };

local function incoming(stanza, session)
	local xmlns = stanza.attr.xmlns;
	if unnamed[xmlns] then return stanza; end
	local from, to = stanza.attr.from and host_of(stanza.attr.from), stanza.attr.to and host_of(stanza.attr.to);
	if from and map[from] and speaks(to) then return stanza; end
	module:log("info", "a stream was ended: no friend's box speaks there");
	refuse(session);
	return nil;
end

-- Answers to what we have asked come on streams of ours; nothing else does
-- without s2s_bidi.
local function answers(stanza, session)
	local name = stanza.name;
	if stanza.attr.xmlns == nil and (name == "message" or name == "presence" or name == "iq") then
		refuse(session);
		return nil;
	end
	return stanza;
end

add_filter_hook(function (session)
	if session.type == "s2sin_unauthed" or session.type == "s2sin" then
		add_filter(session, "stanzas/in", incoming, 1000);
	elseif session.type == "s2sout_unauthed" or session.type == "s2sout" then
		add_filter(session, "stanzas/in", answers, 1000);
	end
end);

local function friend(session)
	for host in pairs(session.hosts or {}) do
		if not map[host] then return false; end
	end
	return map[session.from_host] ~= nil;
end

module:hook("s2sin-established", function (event)
	if not friend(event.session) then refuse(event.session); end
end, 1000);

-- A tag that comes in pieces is read by the other box only when as much again has
-- come (reparse deferral of expat 2.6 and of what Debian has repaired): one user's
-- long tag would hold up everybody's messages to that box.
local longest_tag = 4096;
local long_tags = "This has a longer name or attribute than other boxes take.";

local function too_long(stanza)
	local size = #stanza.name;
	for name, value in pairs(stanza.attr) do size = size + #name + #value; end
	if size > longest_tag then return true; end
	for _, child in ipairs(stanza.tags) do
		if too_long(child) then return true; end
	end
	return false;
end

local unanswered = { error = true, result = true, unavailable = true };

local function guard(host)
	module:context(host):hook("route/remote", function (event)
		local stanza = event.stanza;
		local kind, condition, text = "cancel", "remote-server-not-found", strangers;
		if map[event.to_host] and speaks(event.from_host) then
			if not too_long(stanza) then return; end
			kind, condition, text = "modify", "policy-violation", long_tags;
		end
		if not stanza.attr.xmlns and not unanswered[stanza.attr.type] then
			module:context(host):send(st.error_reply(stanza, kind, condition, text));
		end
		return true;
	end, 1000);
end

for host in pairs(prosody.hosts) do guard(host); end
module:hook("host-activated", guard, 1000);

module:hook("config-reloaded", function ()
	map = module:get_option("onions_map", {});
	for session in pairs(prosody.incoming_s2s) do
		if session.from_host and not friend(session) then refuse(session); end
	end
	for _, host in pairs(prosody.hosts) do
		for to, session in pairs(host.s2sout or {}) do
			if not map[to] then session:close(); end
		end
	end
end, 1000);
