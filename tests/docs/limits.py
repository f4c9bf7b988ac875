#!/usr/bin/env python3
"""Write the table of docs/limits.md from the code. With --check, say whether it is current."""
import os
import sys

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]
from doctools import duration, grouped, main, values  # noqa: E402
from urls import table  # noqa: E402

PAGE = "docs/limits.md"
COMMAND = "python3 tests/docs/limits.py"


def size(number):
    for unit, bytes_ in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= bytes_ and number % bytes_ == 0:
            return "%d %s" % (number // bytes_, unit)
    return "%s bytes" % grouped(number)


def power(number):
    return "2^%d" % (number.bit_length() - 1)


# what, the value in C, how to write it, the setting, what happens beyond
ROWS = [
    ("members of a handle", "DEFAULT(table.limit)", grouped, "`limit_members`", "the round that lists more fails; more that are heard are dropped"),
    ("members of one source", "CLU_HEARD_LIMIT", lambda n: "%s for `gossip:`, else `limit_members`" % grouped(n), "`limit=`",
     "as above"),
    ("new names that are heard, at once and each second", "CLU_HEARD_BURST", grouped, "fixed", "the rest is dropped"),
    ("events that wait", "DEFAULT(loop.events.limit)", grouped, "`limit_events`, at least 2", "`CLUSTER_RESYNC`; a question is refused with `CLUSTER_E_AGAIN`"),
    ("descriptors at a time", "DEFAULT(loop.watch_limit)", grouped, "`limit_watches`", "the round that needs more fails"),
    ("descriptors that wait for their close", "CLU_RETIRED_MAX", grouped, "fixed", "no new one until some are closed"),
    ("I/O calls of a step", "DEFAULT(loop.budget)", grouped, "`limit_budget`", "the rest is done in the next step, which is due at once"),
    ("I/O calls of a step's timers, in any case", "CLU_TIMER_BUDGET", grouped, "fixed", "the same"),
    ("a URL", "CLU_URL_MAX", size, "fixed", "`CLUSTER_E_INVALID`: use several sources, or `file:`"),
    ("a node's name", "CLU_NAME_MAX", size, "fixed", "it is no node name"),
    ("the shortest `interval=`", "10 * CLU_MS", duration, "fixed", "`CLUSTER_E_INVALID`"),
    ("a question to epmd", "CLU_TIMEOUT", duration, "fixed", "it is answered with `CLUSTER_E_TIMEOUT`"),
    ("an epmd's list of names", "CLU_EPMD_NAMES_MAX", size, "fixed", "the round fails"),
    ("names registered with an epmd that is served", "CLU_EPMD_NAMES", grouped, "fixed", "the name is refused"),
    ("streams to it that have not registered", "CLU_EPMD_STREAMS", grouped, "fixed", "the oldest is closed"),
    ("the time of such a stream", "CLU_EPMD_PATIENCE", duration, "fixed", "it is closed"),
    ("a request to it", "CLU_EPMD_REQUEST_MAX", size, "fixed", "it is closed without an answer"),
    ("containers of a term within each other, as text", "CLUSTER_TERM_DEPTH", grouped, "fixed", "the term is refused"),
    ("a term's text that is read", "CLU_TERM_TEXT_MAX", size, "fixed", "`CLUSTER_E_LIMIT`"),
    ("an integer in a term's text, but in base 16", "32 * CLU_BIG_WORDS", lambda n: grouped(n) + " bits", "fixed", "`CLUSTER_E_LIMIT`"),
    ("a file that is read", "CLU_FILE_MAX", size, "fixed", "the round fails"),
    ("the head of a response by HTTP, the line of a chunk, all trailers", "CLU_HTTP_LINES", size, "fixed", "the round fails"),
    ("its body", "CLU_HTTP_ANSWER", size, "`cluster_request.answer_size`", "the round fails"),
    ("of a body in one step", "CLU_HTTP_STEP", size, "fixed", "the rest is read in the next step, which is due at once"),
    ("interim responses before one", "CLU_HTTP_INTERIM", grouped, "fixed", "the round fails"),
    ("connecting to one address of a web server", "CLU_HTTP_CONNECT", duration, "fixed", "the next address is tried"),
    ("requests of a source under way", "CLUSTER_FETCH_SLOTS", grouped, "fixed", "`CLUSTER_E_INVALID`"),
    ("a gossip packet that is read", "CLU_GOSSIP_DATAGRAM", size, "fixed", "it is dropped"),
    ("dials at a time", "DEFAULT(mesh.dials.limit)", grouped, "`limit_dials`", "the others wait for their turn"),
    ("a dial, with the handshake", "CLU_DIAL_DEADLINE", duration, "fixed", "`CLUSTER_DOWN`, and it is tried again"),
    ("dials that begin in one step", "CLU_DIAL_STEP", grouped, "fixed", "the rest begins in the next step, which is due at once"),
    ("a packet of the handshake", "CLU_HANDSHAKE_MAX", size, "fixed", "the dial fails"),
    ("a packet of a node", "DEFAULT(mesh.links.limit_packet)", lambda n: "64 MiB and %s" % size(n - (64 << 20)), "`limit_packet`",
     "the link ends; nothing is allocated for it"),
    ("bytes that wait for a node", "DEFAULT(mesh.links.limit_output)", size, "`limit_output`",
     "it is not read until it took them"),
    ("the cookie", "CLU_COOKIE_MAX", size, "fixed", "`CLUSTER_E_INVALID`"),
    ("links that others make, at a time", "CLU_LISTEN_HALVES", grouped, "fixed", "the oldest gives way"),
    ("calls of others that wait for an answer", "CLU_SERVED_MAX", grouped, "fixed", "they are refused: `system_limit`"),
    ("a call, unless it says otherwise", "CLU_CALL_TIME", duration, "`timeout_ns`", "it is answered with `CLUSTER_E_TIMEOUT`"),
    ("a ping", "CLU_ASK_TIME", duration, "fixed", "it is answered with `CLUSTER_E_TIMEOUT`"),
    ("zone and role of the own node", "CLU_OWN_ATTRIBUTE", size, "fixed", "`CLUSTER_E_INVALID`"),
    ("zone and role in a gossip packet", "CLU_GOSSIP_ATTRIBUTE - 1", size, "fixed", "the packet is dropped"),
    ("gossip nodes whose last packet is remembered", "CLU_GOSSIP_PEERS", grouped, "fixed", "of two that share a place the last one is"),
    ("the clock of a new gossip node may be off by", "CLU_GOSSIP_SKEW", duration, "fixed", "its authenticated packets are dropped"),
    ("silence for a node that announces nothing by gossip", "CLU_GOSSIP_SILENCE", duration, "fixed", "it joins the group anew"),
    ("own gossip packets that may be missing", "CLU_GOSSIP_UNHEARD", grouped, "fixed", "the source fails, until one comes back"),
    ("addresses of this host that `name@auto` looks at", "CLU_OWN_ADDRESSES", grouped, "fixed", "the others are not considered"),
    ("nodes of a map", "CLU_MAP_NODES", grouped, "fixed", "`CLUSTER_E_LIMIT`"),
    ("shards of a map", "CLU_MAP_SHARDS", power, "`cluster_map_options.shards`, 4,096 unless set", "`CLUSTER_E_INVALID`"),
    ("nodes of a ring", "CLU_RING_NODES", grouped, "fixed", "`CLUSTER_E_LIMIT`"),
    ("points of a ring", "CLU_RING_POINTS", power, "fixed", "`CLUSTER_E_LIMIT`"),
    ("overrides of a ring", "CLU_RING_OVERRIDES", power, "fixed", "`CLUSTER_E_LIMIT`"),
    ("owners of a shard", "CLU_MAP_REPLICAS", grouped, "`cluster_map_options.replicas`, 1 unless set", "`CLUSTER_E_INVALID`"),
    ("the weight of a node in a map", "CLU_WEIGHT_MAX", grouped, "`cluster_node.weight`", "`CLUSTER_E_INVALID`; a member's is cut to it"),
    ("the sentence of an error", "sizeof(((struct clu_loop *)0)->error) - 1", size, "fixed", "it is cut"),
    ("the sentence of a source", "sizeof(((struct cluster_source *)0)->why) - 1", size, "fixed", "it is cut"),
    ("memory", "0", lambda n: "what the allocator gives", "`allocator`", "`CLUSTER_E_MEMORY`; in a step it is tried again"),
]


def regions():
    asked = values([row[1] for row in ROWS])
    return {"limits": table(["what", "limit", "setting", "beyond it"],
                            [[what, write(asked[expression]), setting, beyond] for what, expression, write, setting, beyond in ROWS])}


if __name__ == "__main__":
    sys.exit(main(COMMAND, PAGE, regions, sys.argv[1:]))
