#!/usr/bin/env python3
"""Print who joins and who leaves: `make lib`, then examples/bindings/python/watch.py epmd:localhost. Ends on a signal."""
import os
import signal
import sys

import cluster
import cluster_h as h

MARKS = {h.CLUSTER_JOIN: "+", h.CLUSTER_LEAVE: "-", h.CLUSTER_CHANGE: "~"}


def say(event):
    if event.type in MARKS:
        print(MARKS[event.type], event.member.name, flush=True)
    elif event.type == h.CLUSTER_SOURCE:
        print("source", event.source.url, event.text if event.error else "answers", flush=True)
    else:
        print(cluster.event_name(event.type), event.text, flush=True)


def ask(c, urls):
    """Add the sources. False after a sentence."""
    if not urls:
        print("watch: name a source, as in: %s epmd:localhost" % sys.argv[0], file=sys.stderr)
        return False
    try:
        for url in urls:
            c.discover(url)
    except cluster.Error as error:
        print("watch: %s" % error, file=sys.stderr)
        return False
    return True


def main():
    ended = []
    with cluster.Cluster() as c:
        if not ask(c, sys.argv[1:]):
            return 2
        for number in signal.SIGINT, signal.SIGTERM:
            signal.signal(number, lambda *_: ended.append(True))
        while not ended:
            for event in c.events():
                say(event)
            c.poll(0.2)  # a signal is seen between two polls
    return 0


def guarded(program):
    """The program's exit status; 3 after a sentence when its output cannot be written."""
    try:
        return program()
    except OSError as error:
        print("watch: the output cannot be written: %s" % error.strerror, file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 3


if __name__ == "__main__":
    sys.exit(guarded(main))
