-- tunic_party: who an address counts for, wherever something is divided.

local jid = require "util.jid";

-- All names of a friend's box are one, in its rooms too; each user here is.
return function (address)
	local bare, of = jid.bare(address), jid.host(address);
	if not of or prosody.hosts[of] then return bare or ""; end
	return (of:gsub("^rooms%.", ""));
end
