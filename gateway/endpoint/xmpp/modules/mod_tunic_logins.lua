-- mod_tunic_logins: who guesses passwords has to wait.
--
-- The rule is that of submission (throttle.go of gateway/endpoint/smtp): a device may
-- get a password wrong so often in so long. An account at which many devices
-- guess is slow for those that have not logged in to it before, and never for
-- others, so that nobody is locked out by somebody else's guesses. serve gives
-- each device one address, whatever addresses it has, and the same one for good. Which
-- have logged in to an account is kept in a store, written when another one does.

local base64 = require "util.encodings".base64;
local nodeprep = require "util.encodings".stringprep.nodeprep;
local st = require "util.stanza";

local xmlns = "urn:ietf:params:xml:ns:xmpp-sasl";
local of_device, of_account = 10, 50;
local reset = 600; -- seconds
local most_known = 16; -- devices of an account, those that logged in latest
local longest = 64; -- bytes of an account's name
local longest_words = 2048; -- of a login, in base64; Prosody's own patterns and named() take the square of it

local tries = {}; -- { count, since } of each device and account
local store = module:open_store("tunic_logins"); -- of each account, a list of addresses, the latest last

local function over(id, limit)
	local now = os.time();
	for k, f in pairs(tries) do
		if now - f.since > reset then tries[k] = nil; end
	end
	return tries[id] and tries[id].count >= limit;
end

local function fail(id)
	tries[id] = tries[id] or { count = 0, since = os.time() };
	tries[id].count = tries[id].count + 1;
end

local function known_of(account)
	return #account <= longest and store:get(account) or {};
end

local function knows(account, ip)
	for _, known in ipairs(known_of(account)) do
		if known == ip then return true; end
	end
end

local function remember(account, ip)
	local before, known = known_of(account), {};
	if #account > longest or before[#before] == ip then return; end
	for _, other in ipairs(before) do
		if other ~= ip then known[#known + 1] = other; end
	end
	known[#known + 1] = ip;
	if #known > most_known then table.remove(known, 1); end
	local ok, err = store:set(account, known);
	if not ok then module:log("error", "a device could not be remembered: %s", err); end
end

-- named is the account in the first words of a login: PLAIN (RFC 4616) or SCRAM (RFC 5802).
local function named(mechanism, text)
	local words = text and base64.decode(text) or "";
	local name = mechanism == "PLAIN" and words:match("^[^%z]*%z([^%z]*)") or words:match("^[pny]=?[^,]*,[^,]*,m?=?[^,]*,?n=([^,]*),r=") or ""; -- as util.sasl.scram does
	return nodeprep(name) or name;
end

local function check(event)
	local session, words = event.origin, event.stanza[1];
	if session.type ~= "c2s_unauthed" then return; end
	if words and (type(words) ~= "string" or #words > longest_words) then
		session.sasl_handler = nil;
		session.send(st.stanza("failure", { xmlns = xmlns }):tag("malformed-request"):up());
		return true;
	end
	if event.stanza.name == "auth" then
		session.tunic_account = named(event.stanza.attr.mechanism, words);
	end
	local account, ip, text = session.tunic_account or "", session.ip or "", nil;
	if over("device "..ip, of_device) then
		text = "Too many wrong passwords from this device: try again in ten minutes";
	elseif over("account "..account, of_account) and not knows(account, ip) then
		text = "Too many wrong passwords for this account: try again in ten minutes";
	end
	if not text then return; end
	session.sasl_handler = nil;
	session.send(st.stanza("failure", { xmlns = xmlns }):tag("temporary-auth-failure"):up():text_tag("text", text));
	return true;
end

module:hook("stanza/"..xmlns..":auth", check, 100);
module:hook("stanza/"..xmlns..":response", check, 100);

module:hook("authentication-failure", function (event)
	local session = event.session;
	fail("device "..(session.ip or ""));
	fail("account "..(session.tunic_account or ""));
end);

module:hook("authentication-success", function (event)
	local session = event.session;
	if session.username and session.ip then remember(session.username, session.ip); end
end);
