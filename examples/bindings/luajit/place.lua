-- Who owns a key, and what moves when a node goes: `make lib`, then luajit examples/bindings/luajit/place.lua
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local cluster = require("cluster")

local before = assert(cluster.map({"app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.3"}, {shards = 1024}))
local after = assert(cluster.map({"app@10.0.0.1", "app@10.0.0.2"}, {shards = 1024}))
print(("user:42 is in shard %d, on %s"):format(before:shard("user:42"), before:owner("user:42")))
for _, node in ipairs(before:loads()) do
    print(("%s has %d shards"):format(node.name, node.shards))
end
local moves = before:plan(after)
print(("without the third %d shards move, the first of them shard %d to %s"):format(#moves, moves[1].shard, moves[1].to))
