#!/usr/bin/env python3
"""Who owns a key, and what moves when a node goes: `make lib`, then examples/bindings/python/place.py."""
import cluster

NODES = ["app@10.0.0.1", "app@10.0.0.2", "app@10.0.0.3"]

before, after = cluster.Map(NODES, shards=1024), cluster.Map(NODES[:2], shards=1024)
print("user:42 is in shard %d, on %s" % (before.shard(b"user:42"), before.owner(b"user:42")))
for name, load in before.loads().items():
    print("%s has %d shards" % (name, load))
moves = before.plan(after)
print("without the third %d shards move, the first of them shard %d to %s" % (len(moves), moves[0].shard, moves[0].target))
