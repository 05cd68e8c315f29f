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
-- kept as before, but read and written a part at a time (tunic_lists); it needs
-- storage_archive_item_limit out of the way.
--
-- Option: tunic_files_bytes (what the files of all users may take).

local storagemanager = require "core.storagemanager";
local datetime = require "util.datetime";
local jid = require "util.jid";
local new_id = require "util.id".medium;
local now = require "util.time".now;
local serialize = require "util.serialization".serialize;
local st = require "util.stanza";
local lists = module:require "tunic_lists";
local party = module:require "tunic_party";

local host = module.host;
local files = storagemanager.olddm;
local internal = storagemanager.load_driver(host, "internal");
local asked = module:shared("/*/tunic/asked"); -- cut: see page

local MB = 1024 * 1024;
local bounds = {
	archive = { items = 10000, bytes = 8 * MB };
	muc_log = { items = 10000, bytes = 8 * MB };
	offline = { items = 2000, bytes = 2 * MB };
	uploads = { items = 10000, bytes = module:get_option_number("tunic_files_bytes", 2048 * MB) };
};
local largest_page = 256 * 1024; -- bytes

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

-- describe says whose an item in the files is, and its size if that is not its text's.
function lists.describe(store, item)
	if store == "uploads" then return item.with or "", tonumber(item.attr.size) or 0; end
	local by = store == "muc_log" and item.attr[mark]; -- elsewhere it is what the sender says
	return by or party(item.attr.from);
end

local function upload_path(key, ext) return files.getpath(key, host, "http_file_share", ext); end

-- discard ends what belongs to an item beside its line in the store.
local function discard(store, entry)
	if store == "uploads" then os.remove(upload_path(entry.key, "bin")); end
end

-- sweep removes files that have no line in the list of uploads: a crash came
-- between the two, or the line went while the file was on its way. Nobody could
-- fetch them, and nothing would count or end them.
local function sweep()
	local list, err = lists.open(nil, "uploads");
	if not list then
		module:log("error", "which uploads have no owner is not known: %s", err);
		return;
	end
	local has, n = {}, 0;
	for _, entry in ipairs(list.entries) do has[entry.key] = true; end
	for key in files.users(host, "http_file_share", "bin") do
		if not has[key] and os.remove(upload_path(key, "bin")) then n = n + 1; end
	end
	if n > 0 then module:log("info", "%d uploads that had no owner were removed", n); end
end

-- sweep_parts removes what had come of files when an earlier process ended: Prosody
-- gives them their name when they are there whole.
local function sweep_parts()
	for key in files.users(host, "http_file_share", "bin~") do os.remove(upload_path(key, "bin~")); end
end

local function sweep_always()
	sweep_parts();
	sweep();
	module:add_timer(86400, function () sweep(); return 86400; end);
end

-- greediest is who has most of the bound, of either kind.
local function greediest(list, bound)
	local found, most = nil, -1;
	for who, has in pairs(list.of) do
		local part = math.max(has.items / bound.items, has.bytes / bound.bytes);
		if part > most or part == most and who < found then found, most = who, part; end
	end
	return found, list.of[found];
end

-- give_up removes the oldest quarter of what somebody has in a list, and returns
-- what is left.
local function give_up(list, who, has)
	local left, gone, size_gone = {}, {}, 0;
	local items, bytes = math.ceil(has.items / 4), has.bytes / 4;
	for _, entry in ipairs(list.entries) do
		if entry.by == who and (#gone < items or size_gone < bytes) then
			gone[#gone + 1], size_gone = entry, size_gone + entry.size;
		else
			left[#left + 1] = entry;
		end
	end
	local shorter, err = lists.keep(list, left);
	if not shorter then return nil, err; end
	for _, entry in ipairs(gone) do discard(list.store, entry); end
	module:log("info", "%s is full: who had most of it gave up %d items", list.store, #gone);
	return shorter;
end

local function full(list, bound, size)
	return list.all.items >= bound.items or list.all.items > 0 and list.all.bytes + size > bound.bytes;
end

-- without returns a list that has no item of that key.
local function without(list, key)
	local left = {};
	for _, entry in ipairs(list.entries) do
		if entry.key ~= key then left[#left + 1] = entry; end
	end
	if #left == #list.entries then return list; end
	return lists.keep(list, left);
end

-- wrapped is an item as it stands in a file.
local function wrapped(store, user, key, stanza, when, with)
	local item = st.preserialize(st.clone(stanza));
	item.key, item.when, item.with = key or new_id(), when or now(), with;
	item.attr.stamp = datetime.datetime(item.when);
	if store == "muc_log" then item.attr[mark] = author.muc_log(user, stanza); end
	return item, "item("..serialize(item)..");\n";
end

local shared = {};

function shared:append(user, key, stanza, when, with)
	local store, bound = self.store, bounds[self.store];
	local list, err = lists.open(user, store);
	if list and key then list, err = without(list, key); end
	local item, text = wrapped(store, user, key, stanza, when, with);
	local _, size = lists.describe(store, item);
	while list and full(list, bound, size or #text) do
		list, err = give_up(list, greediest(list, bound));
	end
	if not list then return nil, err; end
	local ok, problem = lists.add(list, item, text);
	return ok and item.key, problem;
end

local function set_of(keys)
	local set = {};
	for _, key in ipairs(keys) do set[key] = true; end
	return set;
end

-- matching are the entries that a question is about, oldest first.
local function matching(list, query)
	local ids, found = query.ids and set_of(query.ids), {};
	for _, e in ipairs(list.entries) do
		if (not query.key or e.key == query.key) and (not ids or ids[e.key]) and (not query.with or e.with == query.with)
		and (not query.start or e.when >= query.start) and (not query["end"] or e.when <= query["end"]) then
			found[#found + 1] = e;
		end
	end
	return found;
end

local function place(entries, key)
	for i, entry in ipairs(entries) do
		if entry.key == key then return i; end
	end
end

-- page is the part of the entries that is returned: those after one and before
-- another, so many, and no more bytes than one asker shall have at once.
local function page(entries, query)
	local first, last = 1, #entries;
	if query.after then
		local at = place(entries, query.after);
		if not at and not query.reverse then return nil, "item-not-found"; end
		first = (at or 0) + 1;
	end
	if query.before then
		local at = place(entries, query.before);
		if not at and query.reverse then return nil, "item-not-found"; end
		last = (at or #entries + 1) - 1;
	end
	local from, to, step = first, last, 1;
	if query.reverse then from, to, step = last, first, -1; end
	local found, bytes = {}, 0;
	for i = from, to, step do
		if query.limit and #found >= query.limit then break; end
		bytes = bytes + entries[i].length;
		if query.limit and bytes > largest_page and #found > 0 then
			asked.cut = true;
			break;
		end
		found[#found + 1] = entries[i];
	end
	return found;
end

function shared:find(user, query)
	query = query or {};
	local list, err = lists.open(user, self.store);
	if not list then return nil, err; end
	local all = matching(list, query);
	local entries, problem = page(all, query);
	if not entries then return nil, problem; end
	local iter, unread = lists.read(list, entries);
	if not iter then return nil, unread; end
	return function ()
		local item, entry = iter();
		if not item then return; end
		item.key, item.when, item.with = nil, nil, nil;
		item.attr.stamp, item.attr.stamp_legacy = nil, nil;
		if self.store == "muc_log" then item.attr[mark] = nil; end
		return entry.key, st.deserialize(item), entry.when, entry.with;
	end, query.total and #all or nil;
end

-- doomed are the entries that a question deletes: all but the newest so many, if
-- it says how many.
local function doomed(list, query)
	local found = matching(list, query);
	if not query.truncate then return found; end
	local some = {};
	for i, entry in ipairs(found) do
		local age = query.reverse and i or #found + 1 - i;
		if age > query.truncate then some[#some + 1] = entry; end
	end
	return some;
end

function shared:delete(user, query)
	local list, err = lists.open(user, self.store);
	if not list then return nil, err; end
	local gone, left = {}, {};
	for _, entry in ipairs(doomed(list, query or {})) do gone[entry] = true; end
	for _, entry in ipairs(list.entries) do
		if not gone[entry] then left[#left + 1] = entry; end
	end
	local n = #list.entries - #left;
	if n == 0 then return 0; end
	list, err = lists.keep(list, left);
	return list and n, err;
end

-- Methods of the inner store know their files by self.store alone.
local mt = { __index = function (store, name)
	return shared[name] or rawget(store, "inner")[name];
end };

local driver = {};

function driver:open(store, kind) -- luacheck: ignore 212/self
	local inner, err = internal:open(store, kind);
	if not inner or kind ~= "archive" or not bounds[store] then return inner, err; end
	if store == "uploads" then sweep_always(); end -- mod_http_file_share opens it once, before anybody uploads
	return setmetatable({ store = store, type = kind, inner = inner }, mt);
end

function driver:stores(user) return internal:stores(user); end -- luacheck: ignore 212/self
function driver:purge(user) return internal:purge(user); end -- luacheck: ignore 212/self

module:provides("storage", driver);
