#!/usr/bin/env python3
"""The same on asyncio, with other tasks beside it: examples/bindings/python/watch_asyncio.py epmd:localhost. Ends on a signal."""
import asyncio
import signal
import sys

import cluster
import watch


async def follow(c):
    async for event in c.watch():
        watch.say(event)


async def run():
    with cluster.Cluster() as c:
        if not watch.ask(c, sys.argv[1:]):
            return 2
        task = asyncio.create_task(follow(c))
        for number in signal.SIGINT, signal.SIGTERM:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return 0


if __name__ == "__main__":
    sys.exit(watch.guarded(lambda: asyncio.run(run())))
