-- cluster.h for LuaJIT: handles, events, Erlang nodes, placement. The declarations are in cluster_h.lua, which is generated. The library is
-- libcluster.so: `make lib` builds it, CLUSTER_LIBRARY names another place.
local ffi = require("ffi")
local h = require("cluster_h")

local function load()
    local found, library = pcall(ffi.load, os.getenv("CLUSTER_LIBRARY") or "build/libcluster.so")
    if not found then
        found, library = pcall(ffi.load, "cluster")
    end
    if not found then
        error("there is no libcluster.so: run `make lib`, or name it in CLUSTER_LIBRARY", 0)
    end
    if bit.rshift(library.cluster_version(), 8) ~= bit.rshift(h.VERSION, 8) then
        error("libcluster.so is of another version than cluster_h.lua", 0)
    end
    return library
end

local lib = load()
local M = {h = h, lib = lib}

-- A struct that the caller fills: zeroed, with its size, and these fields. Strings live as long as the returned table of anchors.
local function struct(kind, values, anchors)
    local made = ffi.new(kind)
    made.size = ffi.sizeof(kind)
    for name, value in pairs(values or {}) do
        made[name] = value
        anchors[#anchors + 1] = value
    end
    return made
end

-- Nodes as an array: names, or tables of the fields of struct cluster_node.
local function nodes_of(list, anchors)
    local nodes = ffi.new("struct cluster_node[?]", math.max(#list, 1))
    for i, node in ipairs(list) do
        nodes[i - 1] = struct("struct cluster_node", type(node) == "table" and node or {name = node}, anchors)
    end
    return nodes
end

local function text(pointer)
    return pointer ~= nil and ffi.string(pointer) or nil
end

-- ---- terms: text in Erlang's syntax here, bytes of the external format there ----------------------------------------------

-- A term's bytes, or nil and a sentence.
function M.term(source)
    local size = ffi.new("size_t[1]")
    lib.cluster_term_parse(source, nil, 0, size)
    local out = ffi.new("char[?]", math.max(tonumber(size[0]), 1))
    if lib.cluster_term_parse(source, out, size[0], size) < 0 then
        return nil, ffi.string(lib.cluster_term_why(source, nil))
    end
    return ffi.string(out, size[0])
end

-- The text of a term's bytes, nil where they are none.
function M.term_text(bytes)
    local size = tonumber(lib.cluster_term_print(bytes, #bytes, nil, 0))
    local out = ffi.new("char[?]", size + 1)
    lib.cluster_term_print(bytes, #bytes, out, size + 1)
    return size > 0 and ffi.string(out, size) or nil
end

-- ---- handles ------------------------------------------------------------------------------------------------------------

local Cluster = {}
Cluster.__index = Cluster

-- A handle, or nil and a sentence. options: the fields of struct cluster_options.
function M.create(options)
    local anchors, sentence, out = {}, ffi.new("char[256]"), ffi.new("struct cluster *[1]")
    local made = struct("struct cluster_options", options, anchors)
    made.error, made.error_size = sentence, 256
    if lib.cluster_create(out, made) < 0 then
        return nil, ffi.string(sentence)
    end
    return setmetatable({c = ffi.gc(out[0], lib.cluster_destroy)}, Cluster)
end

function Cluster:close()
    if self.c ~= nil then
        lib.cluster_destroy(ffi.gc(self.c, nil))
        self.c = nil
    end
end

-- A source, or nil and a sentence.
function Cluster:discover(url)
    local out = ffi.new("struct cluster_source *[1]")
    if lib.cluster_discover(self.c, url, out) < 0 then
        return nil, ffi.string(lib.cluster_last_error(self.c))
    end
    return out[0]
end

-- For push: sources: the complete list. true, or nil and a sentence.
function Cluster:publish(source, list)
    local anchors = {}
    if lib.cluster_source_publish(source, nodes_of(list, anchors), #list) < 0 then
        return nil, ffi.string(lib.cluster_last_error(self.c))
    end
    return true, #anchors
end

-- for event in c:events() do: what happened, as tables.
function Cluster:events()
    return function()
        local e = lib.cluster_next_event(self.c)
        if e == nil then
            return nil
        end
        local event = {type = e.type, error = e.error, state = e.state, count = e.count, text = ffi.string(e.text)}
        event.request = tonumber(e.request)
        if e.term ~= nil then
            event.term = M.term_text(ffi.string(e.term, e.term_size))
        end
        if e.member ~= nil then
            event.member = {name = ffi.string(e.member.name), address = ffi.string(e.member.address), port = e.member.port}
        end
        if e.source ~= nil then
            event.url = ffi.string(lib.cluster_source_url(e.source))
        end
        return event
    end
end

-- poll(2) and one step; nil: until something is due. With a loop of your own: lib.cluster_watches, lib.cluster_step.
function Cluster:poll(milliseconds)
    return lib.cluster_poll(self.c, milliseconds or -1) == 0
end

function Cluster:members()
    local names = {}
    for i = 0, tonumber(lib.cluster_member_count(self.c)) - 1 do
        names[#names + 1] = ffi.string(lib.cluster_member_at(self.c, i).name)
    end
    return names
end

-- ---- Erlang nodes: terms are text. What returns a request is answered by a REPLY with it ---------------------------------

-- The request (true of a call without one), or nil and a sentence.
local function outcome(self, result, request)
    if result < 0 then
        return nil, ffi.string(lib.cluster_last_error(self.c))
    end
    return request and tonumber(request[0]) or true
end

function Cluster:ping(node)
    local request = ffi.new("uint64_t[1]")
    return outcome(self, lib.cluster_ping(self.c, node, request), request)
end

-- As rpc:call does.
function Cluster:call(node, module, func, arguments)
    local request, bytes, why = ffi.new("uint64_t[1]"), M.term(arguments or "[]")
    if not bytes then
        return nil, why
    end
    return outcome(self, lib.cluster_call(self.c, node, module, func, bytes, #bytes, 0, request), request)
end

function Cluster:monitor(node, process)
    local request = ffi.new("uint64_t[1]")
    return outcome(self, lib.cluster_monitor(self.c, node, process, request), request)
end

function Cluster:send(node, process, message)
    local bytes, why = M.term(message)
    if not bytes then
        return nil, why
    end
    return outcome(self, lib.cluster_send(self.c, node, process, bytes, #bytes))
end

-- Have a process of this name: what is sent to it comes as MESSAGE.
function Cluster:register(process)
    return outcome(self, lib.cluster_register(self.c, process))
end

function Cluster:answer(request, result)
    local bytes, why = M.term(result)
    if not bytes then
        return nil, why
    end
    return outcome(self, lib.cluster_answer(self.c, request, bytes, #bytes))
end

function Cluster:drain(on)
    return outcome(self, lib.cluster_drain(self.c, on and 1 or 0))
end

-- Withdraw what was announced of the own node; LEFT says when that is done.
function Cluster:leave(milliseconds)
    local request = ffi.new("uint64_t[1]")
    return outcome(self, lib.cluster_leave(self.c, milliseconds or 5000, request), request)
end

-- ---- placement ----------------------------------------------------------------------------------------------------------

local Map = {}
Map.__index = Map

-- A map, or nil and a sentence. options: the fields of struct cluster_map_options.
function M.map(list, options)
    local anchors, out = {}, ffi.new("struct cluster_map *[1]")
    local made = struct("struct cluster_map_options", options, anchors)
    if lib.cluster_map_build(out, nodes_of(list, anchors), #list, made) < 0 then
        return nil, "these nodes make no map: names must be unique, shards a power of two"
    end
    return setmetatable({m = ffi.gc(out[0], lib.cluster_map_free)}, Map), #anchors
end

function Map:node(index)
    return text(lib.cluster_map_node(self.m, index))
end

function Map:shard(key)
    return lib.cluster_map_shard(self.m, key, #key)
end

function Map:owner(key)
    return self:node(lib.cluster_map_owner(self.m, key, #key))
end

-- Names and shards, in order.
function Map:loads()
    local loads = {}
    for i = 0, lib.cluster_map_nodes(self.m) - 1 do
        loads[#loads + 1] = {name = self:node(i), shards = lib.cluster_map_node_load(self.m, i)}
    end
    return loads
end

-- What moves from this map to another one.
function Map:plan(after)
    local count = tonumber(lib.cluster_map_plan(self.m, after.m, nil, 0))
    local moves, found = ffi.new("struct cluster_move[?]", math.max(count, 1)), {}
    lib.cluster_map_plan(self.m, after.m, moves, count)
    for i = 0, count - 1 do
        found[#found + 1] = {shard = moves[i].shard, from = self:node(moves[i].from), to = after:node(moves[i].to)}
    end
    return found
end

local Ring = {}
Ring.__index = Ring

-- A ring or router as another system has it: "libring", "ketama" ..., or nil and a sentence. Give the nodes in the order in which that
-- one got them. options: the fields of struct cluster_ring_options.
function M.ring(kind, list, options)
    local anchors, out = {}, ffi.new("struct cluster_ring *[1]")
    local made = struct("struct cluster_ring_options", options, anchors)
    local result = lib.cluster_ring_build(out, kind, nodes_of(list, anchors), #list, made)
    if result < 0 then
        return nil, result == h.E_UNSUPPORTED and "there is no such kind of ring" or "these nodes make no such ring"
    end
    return setmetatable({r = ffi.gc(out[0], lib.cluster_ring_free)}, Ring), #anchors
end

function Ring:owner(key)
    return text(lib.cluster_ring_node(self.r, lib.cluster_ring_owner(self.r, key, #key)))
end

function Ring:owners(key, count)
    local found, names = ffi.new("uint32_t[?]", math.max(count, 1)), {}
    for i = 0, tonumber(lib.cluster_ring_owners(self.r, key, #key, found, count)) - 1 do
        names[#names + 1] = text(lib.cluster_ring_node(self.r, found[i]))
    end
    return names
end

return M
