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
from clitools import PATIENCE, Running, ctl, environment, free_port, until
from exampletools import example
from kvtools import (BUS, Benchmark, Between, Client, Cluster, ClusterClient, Reply, fill, is_free, missing, rolling_restart, server_port,
                     slot_of)
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
        cls.cluster = Cluster(cls.program, cls.folder, 4, routers=1, QUORUM=2, LINGER=30, **SANITIZERS)
        cls.addClassCleanup(cls.cluster.__exit__)
        for number in range(3):
            cls.cluster.start(number)
        cls.cluster.start(3, ROUTER=1)
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
                (("PING",), b"PONG"), (("GET", "none"), None),
                (("SET", "{a}1", "one"), b"OK"), (("SET", "{a}2", b"\r\n\0\xff"), b"OK"), (("GET", "{a}2"), b"\r\n\0\xff"),
                (("EXISTS", "{a}1"), 1), (("EXISTS", "{a}3"), 0), (("DEL", "{a}1"), 1), (("DEL", "{a}3"), 0), (("INCR", "n"), 1), (("INCR", "n"), 2), (("GET", "n"), b"2"), (("DEL", "n"), 1),
                (("SET", "n", "-1"), b"OK"), (("INCR", "n"), 0), (("SET", "", ""), b"OK"), (("GET", ""), b""), (("DEL", ""), 1),
                (("COMMAND",), []), (("CONFIG", "GET", "save"), [b"", b""])):
            self.assertEqual(c.ask(*words), wanted, words)
        for words, sentence in (
                (("NONE",), "ERR unknown command"), (("GET",), "ERR unknown"), (("SET", "a", "b", "EX", "1"), "ERR unknown"),
                (("DEL", "a", "b"), "ERR unknown"), (("CLUSTER", "FAILOVER"), "ERR unknown"), (("",), "ERR unknown")):
            reply = c.ask(*words)
            self.assertIsInstance(reply, Reply, words)
            self.assertTrue(str(reply).startswith(sentence), (words, reply))
        for value in b"x", b"1 ", b"9" * 19, b"-", b"", b"1\0":
            c.ask("SET", "n", value)
            self.assertIn("not an integer", str(c.ask("INCR", "n")))
        c.ask("DEL", "n")
        c.ask("DEL", "{a}2")

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
        for key in [b"", b"a", b"{}x", b"x{}", b"{x", b"a{b}c{d}", b"a{{b}}", bytes(range(256)), *(b"key%d" % i for i in range(100))]:
            slot = slot_of(key)
            for c in clients:
                reply = c.ask("EXISTS", key)
                self.assertEqual(str(reply), "0" if c.port == owners[slot] else "MOVED %d 127.0.0.1:%d" % (slot, owners[slot]))
        lines = [line.split() for line in clients[0].ask("CLUSTER", "NODES").decode().splitlines()]
        self.assertEqual(len(lines), 4)
        self.assertEqual([line[1] for line in lines if "myself" in line[2]], ["127.0.0.1:%d@%d" % (self.ports[0], self.ports[0] + BUS)])
        self.assertTrue(all(re.fullmatch("[0-9a-f]{40}", line[0]) for line in lines))
        self.assertEqual(len(set(line[0] for line in lines)), 4)

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

    def test_link_breaks_while_a_shard_goes(self):
        """Before it arrives, or when it is taken and the giver does not hear of it: each shard is at one of the two, and no key is lost."""
        keys = {}
        for i in range(20000):
            keys.setdefault(slot_of(b"k%d" % i) // 16, b"k%d" % i)
        asked = []

        def give(shard):
            asked.append(shard)
            return {1: "lose", 2: "mute"}.get(len(asked), "pass")
        with Cluster(self.program, self.make_folder(), 2, **SANITIZERS) as two:
            between = Between(two.ports[1] + BUS, give)
            self.addCleanup(between.listener.close)
            between.start()
            with open(two.file, "w", encoding="ascii") as out:
                out.write("kv1@127.0.0.1 port=%d\n" % between.port)
            two.start(0)
            with Client(two.ports[0]) as c:
                until(lambda: c.info("CLUSTER", "INFO")["cluster_state"] == "ok", "it has all shards")
                for shard in range(1024):
                    self.assertEqual(c.ask("SET", keys[shard], keys[shard]), b"OK")
                two.start(1, url="static:kv0@127.0.0.1?port=1", QUORUM=2)  # it does not get through, and is dialled
                two.settled()
                self.assertEqual(asked[0], asked[1])
                self.assertNotEqual(asked[1], asked[2])
                self.assertGreater(two.shards(1), 300)
                with Client(two.ports[1]) as other:
                    for shard in range(1024):
                        replies = [client.ask("GET", keys[shard]) for client in (c, other)]
                        self.assertIn(keys[shard], replies)
                        self.assertIn("MOVED", "%s %s" % tuple(replies))
            for server in two.servers.values():
                self.assertFalse(any("dropped" in line for line in server.lines), server.story())

    def test_taker_is_killed_while_a_shard_goes(self):
        """The giver has it again, with its keys."""
        with Cluster(self.program, self.make_folder(), 2, **SANITIZERS) as two:
            killed = threading.Event()

            def give(_):
                two.servers[1].signal(signal.SIGKILL)
                killed.set()
                return "lose"
            between = Between(two.ports[1] + BUS, give)
            self.addCleanup(between.listener.close)
            between.start()
            with open(two.file, "w", encoding="ascii") as out:
                out.write("kv1@127.0.0.1 port=%d\n" % between.port)
            two.start(0)
            two.settled()
            fill(two.ports[:1], 5000)
            two.start(1, url="static:kv0@127.0.0.1?port=1", QUORUM=2)
            self.assertTrue(killed.wait(PATIENCE), "a shard went")
            two.servers.pop(1).__exit__()
            two.settled()
            self.assertEqual(missing(two.ports[:1], 5000), [])

    def make_folder(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        return folder

    # ---- bad input

    def test_command_line(self):
        taken = socket.create_server(("127.0.0.1", server_port()))
        self.addCleanup(taken.close)
        port, good = server_port(), "a@127.0.0.1"
        for arguments, options, code, sentence in (
                ((), {}, 2, "usage: COOKIE"), ((good,), {}, 2, "usage: COOKIE"), (("a", "static:"), {}, 2, "usage: COOKIE"),
                ((good, "static:"), {"PORT": 60000}, 2, "wrong value of PORT"), ((good, "static:"), {"PORT": None}, 2, "wrong value of PORT"),
                ((good, "static:"), {"QUORUM": 65}, 2, "wrong value of QUORUM"), ((good, "static:"), {"QUORUM": "2x"}, 2, "wrong value of QUORUM"),
                ((good, "gosip:"), {}, 2, "unknown scheme 'gosip'"), ((good, "file:x?intervall=1s"), {}, 2, "did you mean 'interval'"),
                ((good, "static:"), {"COOKIE": None}, 2, "options.cookie"), (("a@host.example", "static:"), {}, 2, "options.listen"),
                (("a@192.0.2.1", "static:"), {}, 3, "an IP address of this host, port %d" % port),
                ((good, "static:"), {"PORT": taken.getsockname()[1]}, 3, "an IP address of this host, port")):
            done = subprocess.run([self.program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, cwd=ROOT,
                                  env=environment(**{"COOKIE": "kv-test", "PORT": port, "ERL_EPMD_PORT": free_port(), **SANITIZERS, **options}))
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
            self.assertIn(sentence, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_malformed(self):
        """A sentence, and the connection is closed; nobody else notices."""
        for data in (
                b"POST / HTTP/1.1\r\n\r\n", b"PING\r\n", b"*0\r\n", b"*-1\r\n", b"*65\r\n", b"*" + b"9" * 30 + b"\r\n", b"*x\r\n", b"*1\rx\n",
                b"*+1\r\n", b"* 1\r\n", b"*\r\n", b"*1\n", b"*1\r\n$-1\r\n", b"*1\r\n$1048577\r\n", b"*1\r\n$99999999999999999999\r\n",
                b"*1\r\n+PING\r\n", b"*1\r\n$4\r\nPINGxx", b"\0" * 100, b"*3\r\n" + (b"$1048576\r\n" + b"x" * 1048576 + b"\r\n") * 2):
            c = self.client(self.ports[0])
            try:
                c.socket.sendall(data)
            except ConnectionError:
                pass  # it was refused before its end
            self.assertIn("ERR Protocol error", str(c.reply()), data[:40])
            try:
                self.assertEqual(c.socket.recv(1), b"", data[:40])
            except ConnectionResetError:
                pass  # bytes that it did not want to read
        self.assertEqual(self.client(self.ports[0]).ask("PING"), b"PONG")

    # ---- other nodes

    def ctl(self, command, *words):
        """As a node that knows the cookie."""
        path = os.path.join(self.folder, "cookie")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as out:
            out.write("kv-test")
        return ctl(command, "kv0@127.0.0.1", *words, "--cookie-file", path, "--node", "test@127.0.0.1", ERL_EPMD_PORT=self.cluster.env["ERL_EPMD_PORT"])

    def test_other_nodes(self):
        """Who knows the cookie asks as clients do; what is no command, and no shard, changes nothing."""
        self.assertEqual(self.ctl("call", "kv", "run", r'[<<"*1\r\n$4\r\nPING\r\n">>]').out, '[<<"+PONG\\r\\n">>]\n')
        self.assertRegex(self.ctl("call", "kv", "run", r'[<<"*2\r\n$3\r\nGET\r\n$4\r\nnone\r\n">>]').out, r"\$-1|MOVED \d+ 127.0.0.1:\d+|<<>>")
        if shutil.which("erl"):
            said = subprocess.run(["erl", "-noshell", "-hidden", "-name", "erl@127.0.0.1", "-setcookie", "kv-test", "-eval",
                                   r"""io:format("~s", rpc:call('kv0@127.0.0.1', kv, run, [<<"*1\r\n$4\r\nPING\r\n">>])), halt()."""],
                                  capture_output=True, timeout=60, stdin=subprocess.DEVNULL,
                                  env=environment(ERL_EPMD_PORT=self.cluster.env["ERL_EPMD_PORT"])).stdout
            self.assertEqual(said, b"+PONG\r\n")
        for words in (("call", "kv", "run", "[]"), ("call", "kv", "run", "[1]"), ("call", "kv", "run", '[<<"*1">>]'), ("call", "kv", "give", "[]"),
                      ("call", "kv", "give", '[<<"">>]'), ("call", "kv", "give", r'[<<"*2\r\n$1\r\n0\r\n">>]'), ("call", "kv", "none", '[<<"">>]'),
                      ("call", "kv", "state", '[<<"">>]'), ("call", "kv", "state", '[<<"9 x">>]'), ("call", "kv", "state", "[[]]")):
            self.ctl(*words)
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
        with Cluster(self.program, self.make_folder(), 1, MEMORY=1, **SANITIZERS) as one:
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
            with socket.create_connection(("127.0.0.1", self.ports[0]), timeout=60) as s:
                s.sendall(data)
                said = b""
                while not said.endswith(b"\n\n"):
                    more = s.recv(1 << 16)
                    if not more:
                        break
                    said += more
                return said
        with open(os.path.join(ROOT, "examples/kv/kv.html"), "rb") as page:
            text = page.read()
        for request in b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /x HTTP/1.1\r\n\r\n", b"G\r\n\r\n", b"G" + b"x" * 9000:
            self.assertTrue(ask(request).endswith(text), request[:20])
        said = ask(b"GET /events HTTP/1.1\r\n\r\n")
        self.assertIn(b"text/event-stream", said)
        self.assertIn(b"\ndata: server kv0@127.0.0.1 up ", said)

    def test_page(self):
        """In Chromium: the picture follows a server that leaves, and comes back."""
        chromium = shutil.which("chromium")
        if not chromium:
            self.skipTest("no chromium")
        with Browser(chromium) as browser:
            browser.open("http://127.0.0.1:%d/" % self.ports[0])
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
            self.cluster.start(2)
            self.cluster.settled()
            browser.until('[...document.querySelectorAll("#servers tr")].filter(tr => tr.cells[1].textContent == "up").length == 3')
            browser.until('document.getElementById("sum").textContent.startsWith("all 1024")')
            self.assertFalse(browser.value("document.documentElement.scrollWidth > innerWidth"))
            browser.screenshot(os.path.join(ROOT, "build", "tests", "kv.png"))
            self.assertEqual(browser.problems, [])

    # ---- make kv

    def test_make_kv(self):
        port = next(p for p in range(20011, 22000, 10) if all(is_free(p + i + k) for i in (0, 1, 2) for k in (0, BUS)))
        with Running("kv", "PORT=%d" % port, "CFLAGS=-O0", program="make") as make:
            make.line(lambda line: line.startswith("Ctrl-C"))
            until(lambda: sum("shards begin here" in line for line in make.lines) == 3, "all three have shards")
            with Client(port) as client:
                until(lambda: client.info("CLUSTER", "INFO")["cluster_state"] == "ok", "each shard has its server")
            os.killpg(make.process.pid, signal.SIGINT)
            make.end()
            until(make.group_is_gone, "all of it has ended")


class Sources(unittest.TestCase):
    def test_short(self):
        """An evening's reading: at most 900 lines of C, blank lines and comments among them, and no line is over-long."""
        text = ""
        for path in SOURCES:
            with open(os.path.join(ROOT, path), encoding="ascii") as f:
                text += f.read()
        self.assertLessEqual(text.count("\n"), 900)
        self.assertLessEqual(max(map(len, text.splitlines())), 140)


def resident(pid):
    """Bytes of memory that a process has."""
    with open("/proc/%d/statm" % pid, encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    unittest.main()
