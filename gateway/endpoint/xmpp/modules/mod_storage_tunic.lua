-- mod_storage_tunic: what is kept for somebody is divided among those who wrote it.
--
-- Prosody bounds an archive by a number of messages, of any size: whoever writes
-- most pushes out the words of others, fills the disk, and makes a file that no
-- longer fits into memory. Here each store has a bound in bytes too, and when it is
-- full, who has most of it gives up the oldest quarter of that: the words of a
-- friend's box count together, those of each user here for themselves. Nobody
-- else loses anything.
--
-- It is a driver of storage in front of "internal", in whose files everything is
-- kept as before; it needs storage_archive_item_limit out of the way.
--
-- Option: tunic_files_bytes (what the files of all users may take).

local storagemanager = require "core.storagemanager";
local jid = require "util.jid";
local st = require "util.stanza";

local host = module.host;
local files = storagemanager.olddm;
local internal = storagemanager.load_driver(host, "internal");

local MB = 1024 * 1024;
local bounds = {
	archive = { items = 10000, bytes = 8 * MB };
	muc_log = { items = 10000, bytes = 8 * MB };
	offline = { items = 2000, bytes = 2 * MB };
	uploads = { items = 10000, bytes = module:get_option_number("tunic_files_bytes", 2048 * MB) };
};

-- party is who an address counts for.
local function party(address)
	local bare, of = jid.bare(address), jid.host(address);
	if not of or prosody.hosts[of] then return bare or ""; end
	return (of:gsub("^rooms%.", ""));
end

-- author is who has written what is to be kept in a store.
local author = {};

function author.archive(_, stanza) return party(stanza.attr.from); end
author.offline = author.archive;
function author.uploads(_, _, with) return with; end

-- In a room people have nicknames, as many as they like; so who it was is kept
-- with the words, and nobody is shown it.
local mark = "tunic-by";

function author.muc_log(room, stanza)
	local muc = prosody.hosts[host].modules.muc;
	local open = muc and muc.get_room_from_jid(jid.join(room, host));
	local occupant = open and open._occupants[stanza.attr.from];
	return party(occupant and occupant.bare_jid or stanza.attr.from);
end

-- weigh is about how many bytes an item takes in its file, for much less than
-- writing it would cost.
local function weigh(tag)
	local bytes = 60 + #tag.name;
	for k, v in pairs(tag.attr) do bytes = bytes + #k + #tostring(v) + 12; end
	for _, child in ipairs(tag) do
		if type(child) == "string" then
			local _, escaped = child:gsub('[%c"\\]', "%0");
			bytes = bytes + #child + 3 * escaped;
		else
			bytes = bytes + weigh(child);
		end
	end
	return bytes;
end

-- kept is the author of what is in the files, and its size.
local function kept(store, item)
	if store == "uploads" then return item.with, tonumber(item.attr.size) or 0; end
	local by = store == "muc_log" and item.attr[mark]; -- elsewhere it is what the sender says
	return by or party(item.attr.from), weigh(item);
end

-- discard ends what belongs to an item beside its line in the store.
local function discard(store, item)
	if store == "uploads" then os.remove(files.getpath(item.key, host, "http_file_share", "bin")); end
end

-- known holds for each store and owner what all have of it, and each: items and bytes.
local known = {};

local function name_of(store, user) return store.."/"..(user or ""); end

local function nothing() return { items = 0, bytes = 0, of = {} }; end

local function count(share, who, bytes)
	local has = share.of[who] or { items = 0, bytes = 0 };
	share.of[who] = has;
	for _, sum in ipairs { share, has } do
		sum.items, sum.bytes = sum.items + 1, sum.bytes + bytes;
	end
end

local function shares(store, user)
	local key = name_of(store, user);
	if not known[key] then
		known[key] = nothing();
		for _, item in ipairs(files.list_load(user, host, store) or {}) do
			count(known[key], kept(store, item));
		end
	end
	return known[key];
end

-- greediest is who has most of the bound, of either kind.
local function greediest(share, bound)
	local found, most = nil, -1;
	for who, has in pairs(share.of) do
		local part = math.max(has.items / bound.items, has.bytes / bound.bytes);
		if part > most or part == most and who < found then found, most = who, part; end
	end
	return found, share.of[found];
end

-- give_up removes the oldest quarter of what somebody has in a store, and
-- returns whether that was anything.
local function give_up(store, user, who, has)
	local left, share = {}, nothing();
	local items, bytes = math.ceil(has.items / 4), has.bytes / 4;
	local gone, size_gone = {}, 0;
	for _, item in ipairs(files.list_load(user, host, store) or {}) do
		local by, size = kept(store, item);
		if by == who and (#gone < items or size_gone < bytes) then
			gone[#gone + 1], size_gone = item, size_gone + size;
		else
			left[#left + 1] = item;
			count(share, by, size);
		end
	end
	known[name_of(store, user)] = nil; -- unless the files say so
	if #gone == 0 or not files.list_store(user, host, store, left) then return false; end
	for _, item in ipairs(gone) do discard(store, item); end
	known[name_of(store, user)] = share;
	module:log("info", "%s is full: who had most of it gave up %d items", store, #gone);
	return true;
end

local function full(share, bound, size)
	return share.items >= bound.items or share.items > 0 and share.bytes + size > bound.bytes;
end

local shared = {};

function shared:append(user, key, stanza, when, with)
	local store, bound = self.store, bounds[self.store];
	local who = author[store](user, stanza, with);
	local item = st.preserialize(st.clone(stanza));
	item.with = with;
	local _, size = kept(store, item);
	while full(shares(store, user), bound, size) do
		local who_most, has = greediest(shares(store, user), bound);
		if not give_up(store, user, who_most, has) then break; end
	end
	if store == "muc_log" then
		stanza = st.clone(stanza);
		stanza.attr[mark] = who;
	end
	local id, err = self.inner.append(self, user, key, stanza, when, with);
	if id then count(shares(store, user), who, size); end
	return id, err;
end

function shared:find(user, query)
	local iter, total = self.inner.find(self, user, query);
	if not iter or self.store ~= "muc_log" then return iter, total; end
	return function ()
		local id, stanza, when, with = iter();
		if stanza then stanza.attr[mark] = nil; end
		return id, stanza, when, with;
	end, total;
end

function shared:delete(user, query)
	known[name_of(self.store, user)] = nil;
	return self.inner.delete(self, user, query);
end

-- Methods of the inner store know their files by self.store alone.
local mt = { __index = function (store, name)
	return shared[name] or rawget(store, "inner")[name];
end };

local driver = {};

function driver:open(store, kind) -- luacheck: ignore 212/self
	local inner, err = internal:open(store, kind);
	if not inner or kind ~= "archive" or not bounds[store] then return inner, err; end
	return setmetatable({ store = store, type = kind, inner = inner }, mt);
end

function driver:stores(user) return internal:stores(user); end -- luacheck: ignore 212/self

function driver:purge(user) -- luacheck: ignore 212/self
	known = {};
	return internal:purge(user);
end

module:provides("storage", driver);
