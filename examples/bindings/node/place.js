// Who owns a key, and what moves when a node goes. addon.c says how the addon is built; then
// node examples/bindings/node/place.js
"use strict";
const { Placement } = require("./cluster.js");

const names = ["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.3"];
const before = new Placement(names, { shards: 1024 });
const after = new Placement(names.slice(0, 2), { shards: 1024 });
console.log(`user:42 is in shard ${before.shard("user:42")}, on ${before.owner("user:42")}`);
for (const node of before.nodes) console.log(`${node.name} has ${node.shards} shards`);
const moves = before.plan(after);
console.log(`without the third ${moves.length} shards move, the first of them shard ${moves[0].shard} to ${moves[0].to}`);
