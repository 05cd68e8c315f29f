-- tunic_lists: the lists of Prosody's store "internal", read a part at a time.
--
-- Prosody reads a list whole for each question, and writes it whole when one item
-- goes: for a full archive that is a second in which it does nothing else. Here
-- each list that is used has an index in memory: where in the file an item is, and
-- what it is found by. A question then reads the items that it returns, and what is
-- left of a list is copied as bytes, which takes some milliseconds.
--
-- The files stay as they were (util.datamanager): a line that begins with "item("
-- is the beginning of one, for line breaks in texts are written as "\n".

local datamanager = require "core.storagemanager".olddm;
local envload = require "util.envload".envload;
local lfs = require "lfs";

local host = module.host;
local most_indexed = 200000; -- items and lists in memory, with some 300 bytes each
local block = 65536;

local lists, indexed, used = {}, 0, 0;

local M = {};

-- describe says of an item, for a store, whose it is and what size it counts
-- with, nil for that of its text.
function M.describe(store, item) -- luacheck: ignore 212
	return "";
end

local function parse(text)
	local item;
	local chunk, err = envload(text, "=list", { item = function (i) item = i; end });
	if not chunk then return nil, err; end
	local ok, problem = pcall(chunk);
	return ok and item or nil, problem;
end

local function sums() return { items = 0, bytes = 0 }; end

local function count(list, entry)
	local has = list.of[entry.by] or sums();
	list.of[entry.by] = has;
	for _, sum in ipairs { list.all, has } do
		sum.items, sum.bytes = sum.items + 1, sum.bytes + entry.size;
	end
end

local function note(list, item, at, length)
	local by, size = M.describe(list.store, item);
	local entry = { at = at, length = length, key = item.key, when = item.when, with = item.with, by = by, size = size or length };
	list.entries[#list.entries + 1] = entry;
	count(list, entry);
	indexed = indexed + 1;
end

local function forget(list)
	if lists[list.path] ~= list then return; end
	lists[list.path] = nil;
	indexed = indexed - 1 - #list.entries;
end

-- make_room forgets the indexes that were not used for longest.
local function make_room(except)
	while indexed > most_indexed do
		local oldest;
		for _, list in pairs(lists) do
			if list ~= except and (not oldest or list.used < oldest.used) then oldest = list; end
		end
		if not oldest then return; end
		forget(oldest);
	end
end

-- index reads a whole list. A power cut may have left a part of the last item,
-- or zeros in its place: returns whether it has not.
local function index(list, text)
	local whole = text:sub(-3) == ");\n" and text or text:match("^(.*%);\n)") or "";
	local at = 1;
	while at <= #whole do
		local next_at = (whole:find("\nitem(", at, true) or #whole) + 1;
		local chunk = whole:sub(at, next_at - 1);
		local item, err = parse(chunk);
		if item then
			note(list, item, at - 1, #chunk);
		elseif tostring(err):find("not enough memory", 1, true) then
			return nil, err;
		else
			module:log("warn", "an item of a list cannot be read and is left out");
		end
		at = next_at;
	end
	return #whole == #text;
end

local function empty(user, store)
	return { store = store, user = user, path = datamanager.getpath(user, host, store, "list"), length = 0, entries = {}, all = sums(), of = {} };
end

local function read_all(path)
	local file, err, errno = io.open(path, "rb");
	if not file then return errno == 2 and "" or nil, err; end -- ENOENT
	local text = file:read("a");
	file:close();
	return text;
end

-- open returns the list of a user, which has
--   entries  its items, oldest first: key, when, with, by (whose), size, length
--   all, of  items and bytes of all, and of each
function M.open(user, store)
	local path = datamanager.getpath(user, host, store, "list");
	local list = lists[path];
	used = used + 1;
	if list and list.length == (lfs.attributes(path, "size") or 0) then
		list.used = used;
		return list;
	end
	if list then forget(list); end
	local text, err = read_all(path);
	if not text then return nil, err; end
	list = empty(user, store);
	list.length, list.used = #text, used;
	os.remove(datamanager.getpath(user, host, store, "lidx")); -- Prosody 13's own index
	lists[path], indexed = list, indexed + 1;
	local whole, problem = index(list, text);
	if whole == nil then
		forget(list);
		return nil, problem;
	end
	make_room(list);
	if whole == false then return M.keep(list, list.entries); end
	return list;
end

-- copy passes bytes on from one file to another.
local function copy(from, to, at, length)
	from:seek("set", at);
	while length > 0 do
		local text = from:read(math.min(block, length));
		if not text then return nil, "the list is shorter than it was"; end
		local ok, err = to:write(text);
		if not ok then return nil, err; end
		length = length - #text;
	end
	return true;
end

-- copy_entries copies neighbours at once, and returns how long the copy is.
local function copy_entries(entries, from, to)
	local at, length, total = 0, 0, 0;
	for _, entry in ipairs(entries) do
		if entry.at ~= at + length then
			local ok, err = copy(from, to, at, length);
			if not ok then return nil, err; end
			at, length = entry.at, 0;
		end
		length, total = length + entry.length, total + entry.length;
	end
	local ok, err = copy(from, to, at, length);
	return ok and total, err;
end

local function write_copy(list, entries, path)
	local from, err = io.open(list.path, "rb");
	if not from then return nil, err; end
	local to, problem = io.open(path, "wb");
	if not to then from:close(); return nil, problem; end
	local total, failed = copy_entries(entries, from, to);
	from:close();
	local ok, unwritten = to:close();
	return total and ok and total, failed or unwritten;
end

-- keep leaves nothing but these entries in a list, and returns what it is then.
function M.keep(list, entries)
	forget(list);
	local copied = list.path.."~";
	local total, err = write_copy(list, entries, copied);
	local ok = total;
	if total == 0 then
		os.remove(copied);
		os.remove(list.path);
	elseif total then
		ok, err = os.rename(copied, list.path);
	end
	if not ok then
		module:log("error", "a list could not be written: %s", err);
		os.remove(copied);
		return nil, err;
	end
	local now = empty(list.user, list.store);
	now.length, now.used = total, list.used;
	local at = 0;
	for _, entry in ipairs(entries) do
		entry.at, at = at, at + entry.length;
		now.entries[#now.entries + 1] = entry;
		count(now, entry);
	end
	lists[now.path], indexed = now, indexed + 1 + #entries;
	return now;
end

-- add writes one more item, which text says.
function M.add(list, item, text)
	local ok, at = datamanager.append_raw(list.user, host, list.store, "list", text);
	if not ok then
		forget(list);
		return nil, at;
	end
	at = type(at) == "number" and at or 0;
	note(list, item, at, #text);
	list.length = at + #text;
	return true;
end

-- read returns the next item of those entries with each call, and its entry.
function M.read(list, entries)
	if not entries[1] then return function () end; end
	local file, err = io.open(list.path, "rb");
	if not file then return nil, err; end
	local texts = {};
	for i, entry in ipairs(entries) do
		file:seek("set", entry.at);
		texts[i] = file:read(entry.length);
	end
	file:close();
	local i = 0;
	return function ()
		i = i + 1;
		return texts[i] and parse(texts[i]), entries[i];
	end;
end

return M;
