"""What the tests of examples/kv.c share: servers, a client that checks every reply, and the rolling restart. By itself, at full length:

    make build/kv && PYTHONPATH=tests/cli python3 tests/examples/kvtools.py build/kv 60
"""
import binascii
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from clitools import Running, free_port, until

PATIENCE = 60


class Reply(Exception):
    """An error as the server said it."""


BUS = 10000  # from the port for clients to that for servers


def server_port():
    """One that is free, and so is that for servers. Neither is one that the system gives to whoever asks for any, nor was it given before."""
    while True:
        port = _next_port[0] = 12000 + (_next_port[0] + 7 - 12000) % 10000
        if all(is_free(p) for p in (port, port + BUS)):
            return port


_next_port = [12000 + os.getpid() * 31 % 10000]


def is_free(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False


def slot_of(key):
    """As Redis has it: CRC-16/XMODEM of the key, or of what stands in its first braces."""
    begin = key.find(b"{")
    end = key.find(b"}", begin + 1)
    return binascii.crc_hqx(key[begin + 1:end] if begin >= 0 and end > begin + 1 else key, 0) % 16384


class Client:
    """A connection to one server."""

    def __init__(self, port, accepted=None):
        self.port = port
        self.socket = accepted or socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, *words):
        words = [word.encode() if isinstance(word, str) else word for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed by the server at %s" % self.port)
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            return Reply(rest.decode())
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        assert kind == b"*", line
        return [self.reply() for _ in range(int(rest))]

    def ask(self, *words):
        self.send(*words)
        return self.reply()

    def info(self, *words):
        """A text of `name:value` lines as a dictionary."""
        return dict(line.split(":", 1) for line in self.ask(*words).decode().split("\r\n") if ":" in line)


class Between(threading.Thread):
    """Between two servers' ports for servers: what one dials passes on to the other, but for what the test says of shards that are given.
    give(shard) is asked for each: "pass", "lose" (hang up before it is passed on) or "mute" (pass it on, hang up instead of its answer)."""

    def __init__(self, port, give):
        super().__init__(daemon=True)
        self.to, self.give = port, give
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self):
        while True:
            try:
                near = self.listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", self.to))
            except ConnectionRefusedError:
                near.close()
                continue
            except OSError:
                return  # it was closed
            state = {"mute": False, "ends": 0}
            for source, sink in (near, far), (far, near):
                threading.Thread(target=self.carry, args=(source, sink, source is near, state), daemon=True).start()

    def carry(self, source, sink, asks, state):
        """Packets have 2 bytes of length in the handshake, then 4. A shard that is given is kv:give of one binary."""
        width = 2
        try:
            with source.makefile("rb") as stream:
                while True:
                    head = stream.read(width)
                    body = stream.read(int.from_bytes(head, "big"))
                    given = re.search(rb"give.{0,16}\*2\r\n\$4\r\n([0-9]{4})\r\n", body, re.S) if width == 4 else None
                    what = self.give(int(given.group(1))) if given and asks else "pass"
                    if len(head) < width or what == "lose" or (state["mute"] and not asks and body):
                        break
                    state["mute"] |= what == "mute"
                    sink.sendall(head + body)
                    if width == 2 and body[:1] in (b"r", b"a"):  # the last two of the handshake, one from each side
                        width = 4
        except OSError:
            pass
        for end in source, sink:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        state["ends"] += 1
        if state["ends"] == 2:
            source.close()
            sink.close()


class ClusterClient:
    """As the clients of a Redis cluster do it: a table of slots, read again whenever a server says MOVED, and now and then. It tries nothing
    again but what was MOVED: anything else than the reply raises."""

    def __init__(self, ports):
        self.links, self.slots, self.redirects = {}, {}, 0
        self.learn(ports[0])

    def link(self, port):
        if port not in self.links:
            self.links[port] = Client(port)
        return self.links[port]

    def learn(self, port):
        self.learned = time.monotonic()
        for first, last, owner in self.link(port).ask("CLUSTER", "SLOTS"):
            self.slots.update(dict.fromkeys(range(first, last + 1), owner[1]))
        for port in set(self.links) - set(self.slots.values()):
            self.links.pop(port).close()  # it owns nothing, and may go any time

    def ask(self, command, key, *more):
        if time.monotonic() - self.learned > 0.3:
            self.learn(self.slots[0])
        port = self.slots[slot_of(key)]
        for _ in range(20):
            reply = self.link(port).ask(command, key, *more)
            if not (isinstance(reply, Reply) and str(reply).startswith("MOVED ")):
                if isinstance(reply, Reply):
                    raise reply
                return reply
            self.redirects += 1
            port = int(str(reply).rpartition(":")[2])
            self.learn(port)
        raise AssertionError("sent round in circles for %r" % key)

    def close(self):
        for link in self.links.values():
            link.close()


class Cluster:
    """Servers on this machine that find each other by a file, which names the ports for servers; the last ones are routers, and not in it."""

    def __init__(self, program, folder, count, routers=0, **env):
        self.program, self.env = program, dict(env, COOKIE="kv-test", ERL_EPMD_PORT=free_port())
        self.ports = [server_port() for _ in range(count)]
        self.file = os.path.join(folder, "nodes")
        self.url = "file:%s?interval=100ms" % self.file
        self.servers, self.own = {}, {}
        with open(self.file, "w", encoding="ascii") as out:
            out.writelines("kv%d@127.0.0.1 port=%d\n" % (number, port + BUS) for number, port in enumerate(self.ports[:count - routers]))

    def start(self, number, url=None, **options):
        """With options of its own, which it keeps when it is started again."""
        options = self.own.setdefault(number, options)
        self.servers[number] = Running("kv%d@127.0.0.1" % number, url or self.url, program=self.program,
                                       **{**self.env, "PORT": self.ports[number], **options})
        self.servers[number].line(lambda line: "answers at" in line)

    def stop(self, number, how=signal.SIGTERM):
        server = self.servers.pop(number)
        with server:
            server.signal(how)
            assert (server.end(), server.errors) == (0, []), server.story()
        return server

    def settled(self):
        """Does every server that runs see all the others, and each shard with its server, where it should be?"""
        def settles():
            for number in self.servers:
                states, shards = picture(self.ports[number])
                if len(states) - states.count("down") != len(self.servers) or any("-" in (holder, want) or holder != want for holder, want in shards):
                    return False
            return True
        until(settles, "the shards are where they should be\n" + "\n".join(server.story() for server in self.servers.values()))

    def shards(self, number):
        with Client(self.ports[number]) as client:
            return int(client.info("INFO")["kv_shards"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers.values():
            server.__exit__()


def picture(port):
    """What a server shows to a browser: the states of the members, and of each shard its server and the one that should be; "-" is nobody."""
    with Client(port) as client:
        client.socket.sendall(b"GET /events HTTP/1.1\r\n\r\n")
        assert client.file.readline() == b"HTTP/1.1 200 OK\r\n"
        while client.file.readline() != b"\r\n":
            pass
        lines = [line.decode().split()[1:] for line in iter(client.file.readline, b"\n")]
    return [line[2] for line in lines[:-1]], [tuple(pair.split("/")) for pair in lines[-1][1:]]


class Load(threading.Thread):
    """Writes, reads and counts keys of its own, and checks every reply. `wrong` has the first that was not as it should be."""

    def __init__(self, client, name, keys):
        super().__init__(daemon=True)
        self.client, self.prefix, self.keys = client, name, keys
        self.wrong, self.requests, self.done = None, 0, threading.Event()
        self.written, self.counts = {}, {}

    def expect(self, wanted, *words):
        got = self.client.ask(*words)
        self.requests += 1
        if got != wanted:
            raise AssertionError("%r gave %r in place of %r" % (words, got, wanted))

    def run(self):
        number = 0
        try:
            while not self.done.is_set():
                number += 1
                key = b"%s:%d" % (self.prefix.encode(), number * 7919 % self.keys)
                value = b"%d " % number * (number % 40)
                self.expect(self.written.get(key), "GET", key)
                self.expect(b"OK", "SET", key, value)
                self.written[key] = value
                self.expect(self.counts.get(key, 0) + 1, "INCR", key + b":count")
                self.counts[key] = self.counts.get(key, 0) + 1
                if number % 10 == 0:
                    self.expect(1, "DEL", key)
                    del self.written[key]
        except Exception as error:  # it is looked at when the thread has ended
            self.wrong = error

    def end(self):
        """Stop, and read every key back. How many there are."""
        self.done.set()
        self.join(PATIENCE)
        if self.wrong:
            raise AssertionError("after %d requests: %r" % (self.requests, self.wrong)) from self.wrong
        for key, value in self.written.items():
            self.expect(value, "GET", key)
        for key, value in self.counts.items():
            self.expect(b"%d" % value, "GET", key + b":count")
        self.client.close()
        return len(self.written) + len(self.counts)


def fill(ports, count):
    """Keys that nobody touches again."""
    client = ClusterClient(ports)
    for i in range(count):
        assert client.ask("SET", b"still:%d" % i, b"value %d" % i) == b"OK"
    client.close()


def missing(ports, count):
    client = ClusterClient(ports)
    lost = [i for i in range(count) if client.ask("GET", b"still:%d" % i) != b"value %d" % i]
    client.close()
    return lost


class Benchmark(threading.Thread):
    """redis-benchmark at one server, again and again. It ends with the first reply that is an error, or connection that breaks: `wrong`."""

    def __init__(self, port, requests, *options):
        super().__init__(daemon=True)
        self.command = ["redis-benchmark", "-p", str(port), "-t", "set,get,incr", "-n", str(requests), "-r", "5000", "-c", "20", "--csv",
                        *options]
        self.requests, self.wrong, self.outputs, self.each = 0, None, [], requests
        self.done = threading.Event()

    def run(self):
        while not self.done.is_set() and self.wrong is None:
            done = subprocess.run(self.command, capture_output=True, text=True, timeout=PATIENCE * 10)
            self.outputs.append(done.stdout)
            if done.returncode or done.stdout.count("\n") != 4 or "rror" in done.stdout + done.stderr:
                self.wrong = done.stdout + done.stderr
            self.requests += 3 * self.each

    def end(self):
        self.done.set()
        self.join(PATIENCE * 10)
        assert self.wrong is None, "after %d requests: %s" % (self.requests, self.wrong)


def rolling_restart(cluster, numbers, keys, threads=2):
    """Each of these servers in turn is drained, stopped, started, and gets its shards back, all under load. What was seen, in numbers."""
    fill(cluster.ports, keys)
    loads = [Load(ClusterClient(cluster.ports), "load%d-%d" % (i, time.monotonic_ns()), 500) for i in range(threads)]
    began = time.monotonic()
    for load in loads:
        load.start()
    for number in numbers:
        left = cluster.stop(number)
        assert any("drains" in line for line in left.lines) and not any("end here" in line for line in left.lines), left.story()
        cluster.settled()
        cluster.start(number)
        cluster.settled()
        assert cluster.shards(number) > 0
    seconds = time.monotonic() - began
    checked = sum(load.end() for load in loads)
    lost = missing(cluster.ports, keys)
    assert not lost, "%d of %d keys are lost, the first is %d" % (len(lost), keys, lost[0])
    return {"seconds": seconds, "requests": sum(load.requests for load in loads), "keys": keys + checked,
            "redirects": sum(load.client.redirects for load in loads)}


def random_restarts(cluster, numbers, seconds, seed):
    """Servers drain and leave, and others start, in any order and without waiting for the shards to be where they should; clients of the
    last server, which only routes, see nothing of it. How many left or started."""
    chance, count, end = random.Random(seed), 0, time.monotonic() + seconds
    loads = [Load(Client(cluster.ports[-1]), "random%d-%d" % (i, time.monotonic_ns()), 500) for i in range(3)]
    for load in loads:
        load.start()
    while time.monotonic() < end:
        here = [number for number in numbers if number in cluster.servers]
        away = [number for number in numbers if number not in cluster.servers]
        if away and (len(here) < 3 or chance.random() < 0.5):
            cluster.start(chance.choice(away))
        else:
            cluster.stop(chance.choice(here))
        time.sleep(chance.choice((0, 0, 0.1, 1)))
        count += 1
    for load in loads:
        load.end()
    for number in numbers:
        if number not in cluster.servers:
            cluster.start(number)
    cluster.settled()
    return count


def rolling_soak(program, seconds):
    """Five servers and a router: rolling restarts for so long, under redis-benchmark at the router and two clients that check every reply;
    then restarts at random. What was seen, in one line."""
    folder = tempfile.mkdtemp()
    total, began = {}, time.monotonic()
    try:
        with Cluster(os.path.abspath(program), folder, 6, routers=1, QUORUM=3, LINGER=30) as cluster:
            for number in range(5):
                cluster.start(number)
            cluster.start(5, ROUTER=1)
            cluster.settled()
            benchmark = Benchmark(cluster.ports[5], 20000)
            benchmark.start()
            rounds = 0
            while not rounds or time.monotonic() - began < seconds:
                for name, number in rolling_restart(cluster, range(5), 20000).items():
                    total[name] = total.get(name, 0) + number
                rounds += 1
            benchmark.end()
            changes = random_restarts(cluster, range(5), seconds, seconds)
    finally:
        shutil.rmtree(folder)
    return ("%d rolling restarts of 5 servers in %.0f s: %d requests of redirected clients, %d redirects, %d requests of redis-benchmark "
            "through the router; none failed, %d keys read back, none lost; the same with %d starts and ends at random"
            % (rounds, total["seconds"], total["requests"], total["redirects"], benchmark.requests, total["keys"], changes))


if __name__ == "__main__":
    print(rolling_soak(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1))
