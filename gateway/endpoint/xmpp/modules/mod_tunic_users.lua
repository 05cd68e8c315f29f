-- mod_tunic_users: logs out whom tunic has removed, or given another password.
--
-- The box writes the files of the accounts and has Prosody reload its
-- configuration. A session keeps what proved its password; when the account
-- says something else, or is gone, the session ends.

local accounts = module:open_store("accounts");
local host = prosody.hosts[module.host];

local function proof(user)
	local account = accounts:get(user);
	return account and account.stored_key;
end

module:hook("resource-bind", function (event)
	event.session.tunic_proof = proof(event.session.username);
end);

module:hook_global("config-reloaded", function ()
	local gone = {};
	for user, entry in pairs(host.sessions) do
		local now = proof(user);
		for _, session in pairs(entry.sessions) do
			if session.tunic_proof ~= now then
				table.insert(gone, session);
			end
		end
	end
	for _, session in ipairs(gone) do
		session.log("info", "logged out: the account is gone or has another password");
		session:close({ condition = "not-authorized", text = "The account is gone or has another password" });
	end
end);
