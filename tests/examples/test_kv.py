"""examples/kv.c under sanitizers: what clients of Redis see, a rolling restart under load in which every reply is checked, a server that
is killed, bad input and slow clients, the page in a real browser, and `make kv`."""
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from chromium import Browser
from clitools import Running, environment, free_port, until
from exampletools import example
from kvtools import Benchmark, Client, Cluster, ClusterClient, FakeServer, Reply, fill, missing, rolling_restart, slot_of
from tools import ROOT, SANITIZERS, Failure, Skip

SOURCES = ["examples/kv.c", *sorted(glob.glob(os.path.join(ROOT, "examples/kv/*.h")))]


class Kv(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        try:
            cls.program = example("examples/kv.c", "kv-test")
        except Skip as skip:
            raise unittest.SkipTest(str(skip))
        except Failure as failure:
            raise AssertionError(str(failure))
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.cluster = Cluster(cls.program, cls.folder, 4, "--quorum", "2", "--linger", "30", **SANITIZERS)
        cls.addClassCleanup(cls.cluster.__exit__)
        cls.web = free_port()
        for number in range(3):
            cls.cluster.start(number, *(["--web", str(cls.web)] if number == 0 else []))
        cls.cluster.start(3, "--weight", "0", "--route", "forward")
        cls.cluster.settled()

    def setUp(self):
        self.ports = self.cluster.ports[:3]
        self.router = self.cluster.ports[3]

    def client(self, port):
        client = Client(port)
        self.addCleanup(client.close)
        return client

    # ---- what clients see

    def test_commands(self):
        """At the router, as at a single server."""
        c = self.client(self.router)
        for words, wanted in (
                (("PING",), b"PONG"), (("ping", "x"), b"x"), (("ECHO", "hello"), b"hello"), (("GET", "none"), None),
                (("SET", "{a}1", "one"), b"OK"), (("SET", "{a}2", b"\r\n\0\xff"), b"OK"), (("GET", "{a}2"), b"\r\n\0\xff"),
                (("EXISTS", "{a}1", "{a}2", "{a}3"), 2),
                (("DEL", "{a}1", "{a}3"), 1), (("INCR", "n"), 1), (("INCR", "n"), 2), (("GET", "n"), b"2"), (("DEL", "n"), 1),
                (("SET", "n", "-1"), b"OK"), (("INCR", "n"), 0), (("SET", "", ""), b"OK"), (("GET", ""), b""), (("DEL", ""), 1),
                (("CLUSTER", "KEYSLOT", "{user1000}.following"), 3443), (("CLUSTER", "KEYSLOT", "123456789"), 12739),
                (("COMMAND",), []), (("CONFIG", "GET", "save"), []), (("DBSIZE",), 0), (("CLIENT", "SETINFO", "x", "y"), b"OK")):
            self.assertEqual(c.ask(*words), wanted, words)
        for key in b"", b"a", b"{}x", b"x{}", b"{x", b"a{b}c{d}", b"a{{b}}", bytes(range(256)):
            self.assertEqual(c.ask("CLUSTER", "KEYSLOT", key), slot_of(key), key)
        for words, sentence in (
                (("NONE",), "ERR unknown command"), (("GET",), "ERR wrong number"), (("SET", "a", "b", "EX", "1"), "ERR wrong number"),
                (("DEL", "a", "b"), "CROSSSLOT"), (("CLUSTER", "FAILOVER"), "ERR this server knows CLUSTER"),
                (("SET", "k" * 5000, "v"), "ERR the key is longer"), (("KV", "BEGIN", "0"), "ERR this server does not take")):
            reply = c.ask(*words)
            self.assertIsInstance(reply, Reply, words)
            self.assertTrue(str(reply).startswith(sentence), (words, reply))
        for value in b"x", b"1 ", b"9" * 19, b"-", b"", b"1\0":
            c.ask("SET", "n", value)
            self.assertIn("not an integer", str(c.ask("INCR", "n")))
        c.ask("DEL", "n")
        c.ask("DEL", "{a}2")
        c.send("QUIT")
        self.assertEqual((c.reply(), c.socket.recv(1)), (b"OK", b""))

    def test_pipelines(self):
        """Replies come in the order of the commands, those of other servers among them, however the bytes were cut."""
        c = self.client(self.router)
        words = [(b"SET", b"p%d" % i, b"v%d" % i * (i % 50)) for i in range(300)] + [(b"GET", b"p%d" % i) for i in range(300)]
        data = b"".join(b"*%d\r\n" % len(w) + b"".join(b"$%d\r\n%s\r\n" % (len(x), x) for x in w) for w in words)
        threading.Thread(target=lambda: [c.socket.sendall(data[i:i + 701]) for i in range(0, len(data), 701)]).start()
        self.assertEqual([c.reply() for _ in words], [b"OK"] * 300 + [b"v%d" % i * (i % 50) for i in range(300)])
        for i in range(300):
            c.ask("DEL", "p%d" % i)

    def test_slots(self):
        """Every server has the same table, in which each slot has the server that answers for it; all others say MOVED."""
        clients = [self.client(port) for port in self.ports]
        tables = [sorted((first, last, owner[1]) for first, last, owner in c.ask("CLUSTER", "SLOTS")) for c in clients]
        self.assertEqual(tables[0], tables[1])
        self.assertEqual(tables[0], tables[2])
        owners = {slot: port for first, last, port in tables[0] for slot in range(first, last + 1)}
        self.assertEqual(sorted(owners), list(range(16384)))
        self.assertEqual(set(owners.values()), set(self.ports))
        for i in range(100):
            key = "key%d" % i
            slot = slot_of(key.encode())
            for c in clients:
                reply = c.ask("EXISTS", key)
                self.assertEqual(str(reply), "0" if c.port == owners[slot] else "MOVED %d 127.0.0.1:%d" % (slot, owners[slot]))
        lines = [line.split() for line in clients[0].ask("CLUSTER", "NODES").decode().splitlines()]
        self.assertEqual(len(lines), 4)
        self.assertEqual([line[0] for line in lines if "myself" in line[2]], [clients[0].ask("CLUSTER", "MYID").decode()])
        self.assertTrue(all(re.fullmatch("[0-9a-f]{40}", line[0]) for line in lines))

    def test_redis_cli(self):
        if not shutil.which("redis-cli"):
            self.skipTest("no redis-cli: package redis-tools")
        said = subprocess.run(["redis-cli", "-c", "-p", str(self.ports[0])], capture_output=True, text=True, timeout=60,
                              input="".join("SET cli%d v%d\nGET cli%d\nDEL cli%d\n" % (i, i, i, i) for i in range(50))).stdout
        lines = [line for line in said.splitlines() if not line.startswith("-> ")]
        self.assertEqual(lines, [line for i in range(50) for line in ("OK", "v%d" % i, "1")])
        done = subprocess.run(["redis-benchmark", "--cluster", "-p", str(self.ports[0]), "-t", "set,get,incr,ping_mbulk", "-n", "2000", "-r", "100",
                               "-P", "4", "--csv"], capture_output=True, text=True, timeout=120)
        self.assertEqual((done.returncode, len(re.findall('^"[A-Z]', done.stdout, re.M))), (0, 4), done.stdout + done.stderr)
        self.assertNotIn("rror", done.stdout + done.stderr)

    # ---- servers that come and go

    def test_rolling_restart(self):
        """Each of the three: no reply is wrong, no key is lost, for clients that are redirected and for those of the router."""
        benchmark = Benchmark(self.router, 2000) if shutil.which("redis-benchmark") else None
        if benchmark:
            benchmark.start()
        seen = rolling_restart(self.cluster, (1, 2, 0), 2000)
        if benchmark:
            benchmark.end()
        self.assertGreater(seen["redirects"], 0)
        with Client(self.ports[1]) as client:
            self.assertGreater(int(client.info("INFO")["kv_moved"]), 0)
        with Client(self.router) as client:
            self.assertEqual(int(client.info("INFO")["kv_shards"]), 0)

    def test_killed(self):
        """Its keys are gone, and nobody else's; its shards are served again, and it gets them back when it returns."""
        fill(self.ports, 1000)
        with Client(self.ports[2]) as client:
            its = set(i for i in range(1000) if client.ask("GET", "still:%d" % i) == b"value %d" % i)
        self.assertGreater(len(its), 100)
        with self.cluster.servers.pop(2) as server:
            server.signal(signal.SIGKILL)
        with Client(self.router) as client:  # who asks for one of them now waits until somebody has its shard
            self.assertIsNone(client.ask("GET", "still:%d" % min(its)))
        self.cluster.settled()
        self.assertEqual(set(missing(self.ports[:2], 1000)), its)
        self.assertTrue(any("their server is gone, with its keys" in line for n in (0, 1) for line in self.cluster.servers[n].lines))
        self.cluster.start(2)
        self.cluster.settled()
        self.assertEqual(set(missing(self.ports, 1000)), its)
        client = ClusterClient(self.ports)
        self.addCleanup(client.close)
        for i in range(1000):
            client.ask("DEL", b"still:%d" % i)

    def test_link_breaks_at_the_last_step(self):
        """TAKE is not answered: the shard rests until the taker says what it has. If it has it, it is there; if not, no key is lost."""
        keys = {}
        for i in range(20000):
            keys.setdefault(slot_of(b"k%d" % i) // 16, b"k%d" % i)
        asked = []

        def take(shard, epoch):
            asked.append(shard)
            if len(asked) == 2:
                fake.claims[shard] = epoch + 1
            return None if len(asked) < 3 else b"-ERR no more\r\n"
        fake = FakeServer(take)
        self.addCleanup(fake.listener.close)
        with Cluster(self.program, self.make_folder(), 1, more="fake@127.0.0.1 port=%d\n" % fake.port, **SANITIZERS) as one:
            one.start(0)
            with Client(one.ports[0]) as c:
                until(lambda: c.info("CLUSTER", "INFO")["cluster_state"] == "ok", "it has all shards")
                for shard in range(64):
                    self.assertEqual(c.ask("SET", keys[shard], keys[shard]), b"OK")
                fake.start()
                until(lambda: len(asked) >= 3, "it was tried again")
                self.assertEqual(asked[0], asked[1])
                self.assertNotEqual(asked[1], asked[2])
                for shard in range(64):
                    reply = c.ask("GET", keys[shard])
                    if shard == asked[1]:
                        self.assertEqual(str(reply), "MOVED %d 127.0.0.1:%d" % (slot_of(keys[shard]), fake.port))
                    else:
                        self.assertEqual(reply, keys[shard])
            one.stop(0, signal.SIGINT)

    def make_folder(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        return folder

    # ---- bad input

    def test_command_line(self):
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        port, good = str(free_port()), ["--node", "a@127.0.0.1", "--port"]
        for arguments, code, sentence in (
                ([], 2, "usage: kv"), ([*good, port], 2, "usage: kv"), ([*good, "70000", "static:"], 2, "no such number: 70000"),
                ([*good, port, "--route", "x", "static:"], 2, "wrong option or value: --route"),
                ([*good, port, "--quorum", "65", "static:"], 2, "no such number: 65"),
                ([*good, port, "gosip:"], 2, "unknown scheme 'gosip'"), ([*good, port, "file:x?intervall=1s"], 2, "did you mean 'interval'"),
                (["--node", "a", "--port", port, "static:"], 2, "takes NAME@HOST"),
                (["--node", "a@host.example", "--port", port, "static:"], 2, "has to be the IP address"),
                (["--node", "a@192.0.2.1", "--port", port, "static:"], 3, "cannot listen on 192.0.2.1"),
                ([*good, str(taken.getsockname()[1]), "static:"], 3, "choose another port"),
                ([*good, port, "--web", str(taken.getsockname()[1]), "static:"], 3, "choose another port")):
            done = subprocess.run([self.program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, cwd=ROOT,
                                  env=environment(**SANITIZERS))
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
            self.assertIn(sentence, done.stderr)
            if "usage" not in sentence:
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_malformed(self):
        """A sentence, and the connection is closed; nobody else notices."""
        for data, sentence in (
                (b"GET / HTTP/1.1\r\n\r\n", "expected an array"), (b"PING\r\n", "expected an array"), (b"*0\r\n", "multibulk length"),
                (b"*-1\r\n", "multibulk length"), (b"*1025\r\n", "multibulk length"), (b"*" + b"9" * 30 + b"\r\n", "expected an array"),
                (b"*x\r\n", "expected an array"), (b"*1\rx", "expected an array"), (b"*1\r\n$-1\r\n", "bulk length"),
                (b"*1\r\n$1048577\r\n", "bulk length"), (b"*1\r\n$99999999999999999999\r\n", "bulk length"), (b"*1\r\n+PING\r\n", "bulk length"),
                (b"*1\r\n$4\r\nPINGxx", "does not end"), (b"\0" * 100, "expected an array"),
                (b"*3\r\n" + (b"$1048576\r\n" + b"x" * 1048576 + b"\r\n") * 2, "too long")):
            c = self.client(self.ports[0])
            try:
                c.socket.sendall(data)
            except ConnectionError:
                pass  # it was refused before its end
            reply = c.reply()
            self.assertIn(sentence, str(reply), data[:40])
            try:
                self.assertEqual(c.socket.recv(1), b"", data[:40])
            except ConnectionResetError:
                pass  # bytes that it did not want to read
        self.assertEqual(self.client(self.ports[0]).ask("PING"), b"PONG")

    def test_not_a_server(self):
        """Somebody who says KV and is no server changes nothing."""
        c = self.client(self.ports[0])
        kv1, has = "kv1@127.0.0.1 ", "1 1024 1 0 5 "
        for words in ((), ("STATE",), ("STATE", ""), ("STATE", "x"), ("STATE", "x@127.0.0.1 " + has), ("STATE", kv1), ("STATE", kv1 + "1 512 1 0 5 "),
                      ("STATE", kv1 + "1 1024 1 x 5 "), ("STATE", "kv0@127.0.0.1 " + has + "0:99999,"), ("BEGIN", "1024"),
                      ("BEGIN", "-1"), ("PUT", "0", "a", "b"), ("TAKE", "0", "1"), ("TAKE", "0")):
            reply = c.ask("KV", *words)
            self.assertTrue(isinstance(reply, Reply) or reply.startswith(b"kv0@127.0.0.1 "), words)
        self.cluster.settled()

    def test_slow_clients(self):
        """One that does not read, one that sends half a command, one that asks for much at once: memory is bounded, others are served."""
        value, c = b"x" * 1000000, self.client(self.router)
        self.assertEqual(c.ask("SET", "{slow}", value), b"OK")
        owner = next(port for port in self.ports if not isinstance(self.client(port).ask("EXISTS", "{slow}"), Reply))
        for port in owner, self.router:
            pid = self.cluster.servers[self.cluster.ports.index(port)].process.pid
            before = resident(pid)
            slow = self.client(port)
            slow.socket.settimeout(1)
            sent = 0
            try:
                while sent < 200000:
                    sent += slow.socket.send(b"*2\r\n$3\r\nGET\r\n$6\r\n{slow}\r\n" * 1000)
            except socket.timeout:
                pass
            half = self.client(port)
            half.socket.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048576\r\nx")
            self.assertEqual(self.client(port).ask("PING"), b"PONG")
            self.assertLess(resident(pid) - before, 100 << 20)  # it asked for gigabytes
        self.assertEqual(c.ask("DEL", "{slow}"), 1)

    def test_alone(self):
        """A quorum of 1 and no others: it has all shards, and memory for so much. Drained, it has nobody to give them to, and says so."""
        with Cluster(self.program, self.make_folder(), 1, "--memory", "1", **SANITIZERS) as one:
            one.start(0)
            one.settled()
            with Client(one.ports[0]) as c:
                self.assertEqual(c.ask("SET", "a", b"x" * 700000), b"OK")
                self.assertIn("OOM", str(c.ask("SET", "b", b"x" * 700000)))
                self.assertEqual((c.ask("DEL", "a"), c.ask("SET", "b", b"x" * 700000)), (1, b"OK"))
            self.assertTrue(any("1024 shards with 1 keys end here" in line for line in one.stop(0).lines))

    # ---- the page

    def test_web(self):
        def ask(data):
            with socket.create_connection(("127.0.0.1", self.web), timeout=60) as s:
                s.sendall(data)
                said = b""
                while not said.endswith(b"]}\n\n"):
                    more = s.recv(1 << 16)
                    if not more:
                        break
                    said += more
                return said
        self.assertTrue(ask(b"GET / HTTP/1.1\r\n\r\n").endswith(open(os.path.join(ROOT, "examples/kv/kv.html"), "rb").read()))
        self.assertIn(b"text/event-stream", ask(b"GET /events HTTP/1.1\r\n\r\n"))
        for request in b"GET /x HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n", b"\r\n\r\n", b"x" * 9000:
            self.assertTrue(ask(request).startswith(b"HTTP/1.1 404"), request[:20])

    def test_page(self):
        """In Chromium: the picture follows a server that leaves, and comes back."""
        chromium = shutil.which("chromium")
        if not chromium:
            self.skipTest("no chromium")
        with Browser(chromium) as browser:
            browser.open("http://127.0.0.1:%d/" % self.web)
            browser.until('document.querySelectorAll("#servers tr").length == 4')
            browser.until('document.getElementById("sum").textContent == "all 1024 shards are where they should be"')
            cells = browser.value('[...document.querySelectorAll("#servers tr")].map(tr => [...tr.cells].map(td => td.textContent))')
            states = {row[0]: row[1] for row in cells}
            self.assertEqual(states, {"kv0@127.0.0.1": "up", "kv1@127.0.0.1": "up", "kv2@127.0.0.1": "up", "kv3@127.0.0.1": "router"})
            self.assertEqual(sum(int(row[2]) for row in cells), 1024)
            colours = browser.value('''(() => { const d = document.getElementById("map").getContext("2d").getImageData(0, 0, 768, 192).data;
                const seen = new Set(); for (let i = 0; i < 1024; i++) { const p = ((Math.floor(i / 64) * 12 + 5) * 768 + i % 64 * 12 + 5) * 4;
                seen.add(d.slice(p, p + 3).join()); } return seen.size; })()''')
            self.assertEqual(colours, 3)
            self.cluster.stop(2)
            browser.until('[...document.querySelectorAll("#servers tr")].some(tr => tr.innerText.includes("kv2") && /down|leaving/.test(tr.innerText)'
                          ' && tr.cells[2].textContent == "0")')
            browser.until('document.getElementById("log").textContent.includes("kv2@127.0.0.1 leaves")')
            self.cluster.start(2)
            self.cluster.settled()
            browser.until('[...document.querySelectorAll("#servers tr")].filter(tr => tr.cells[1].textContent == "up").length == 3')
            browser.until('document.getElementById("sum").textContent.startsWith("all 1024")')
            self.assertFalse(browser.value("document.documentElement.scrollWidth > innerWidth"))
            browser.screenshot(os.path.join(ROOT, "build", "tests", "kv.png"))
            self.assertEqual(browser.problems, [])

    # ---- make kv

    def test_make_kv(self):
        port = next(p for p in range(20011, 30000, 10) if all(map(is_free, (p, p + 1, p + 2, p + 1000, p + 1001, p + 1002))))
        with Running("kv", "PORT=%d" % port, "CFLAGS=-O0", program="make") as make:
            make.line(lambda line: line.startswith("Ctrl-C"))
            until(lambda: sum("shards begin here" in line for line in make.lines) == 3, "all three have shards")
            self.assertEqual(Client(port).info("CLUSTER", "INFO")["cluster_state"], "ok")
            os.killpg(make.process.pid, signal.SIGINT)
            make.end()
            self.assertEqual(sum(line.endswith("has left") for line in make.lines), 3, make.story())
            until(make.group_is_gone, "all of it has ended")


class Sources(unittest.TestCase):
    def test_short(self):
        """An evening's reading."""
        lines = []
        for path in SOURCES:
            with open(os.path.join(ROOT, path), encoding="ascii") as f:
                lines.append(f.read().count("\n"))
        self.assertLessEqual(sum(lines), 2000)


def is_free(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False


def resident(pid):
    """Bytes of memory that a process has."""
    with open("/proc/%d/statm" % pid, encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    unittest.main()
