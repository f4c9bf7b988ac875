#!/usr/bin/env python3
"""Call a function on every node that a source finds, as rpc:multicall does: `make lib`, then
examples/bindings/python/call.py me@127.0.0.1 COOKIE epmd:127.0.0.1 erlang node. Prints a node and its result a line."""
import sys

import cluster
import cluster_h as h


def call_all(c, url, function):
    """How many nodes did not answer."""
    waiting, answered, lost = {}, False, 0
    c.discover(url)
    while True:
        for e in c.events():
            if e.type == h.CLUSTER_JOIN and e.member.name != c.name:
                waiting[c.call(e.member.name, *function)] = e.member.name
            elif e.type == h.CLUSTER_REPLY:
                print(waiting.pop(e.request), cluster.term_text(e.term) if e.term else e.text, flush=True)
                lost += e.error != 0
            elif e.type == h.CLUSTER_SOURCE:  # behind the JOINs of its round
                answered = True
                if e.error:
                    raise cluster.Error(e.error, e.text)
        if answered and not waiting:
            return lost
        c.poll()


def main(argv):
    if len(argv) not in (5, 6):
        print("call: say who you are: call.py NAME@HOST COOKIE URL MODULE FUNCTION ['[ARGUMENTS]']", file=sys.stderr)
        return 2
    try:
        with cluster.Cluster(node=argv[0], cookie=argv[1]) as c:
            return 1 if call_all(c, argv[2], argv[3:]) else 0
    except cluster.Error as error:
        print("call: %s" % error, file=sys.stderr)
        return 2 if error.code == h.CLUSTER_E_INVALID else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
