"""Programs of C among real Erlang nodes: a PubSub's topic, and the drills, which print what docs/drills.md shows."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.path[:0] = [os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs")]
from doctools import blocks  # noqa: E402
from exampletools import example  # noqa: E402
from interoptools import LOOPBACK, ROOT, Epmd, EtcdServer, Node, Running, ctl, lacks, until  # noqa: E402
from dnstools import Machine  # noqa: E402
from tools import SANITIZERS  # noqa: E402

WHY = lacks("epmd", "erl", "erlc")


class Program(Running):
    """An example at work; what is said to it goes to its standard input."""

    def __init__(self, path, *arguments, **env):
        super().__init__(*arguments, program=path, COOKIE="interop", **SANITIZERS, **env)

    def stop(self):
        """Its exit status after it was asked to end: with it goes what the sanitizers have to say."""
        self.signal(signal.SIGTERM)
        return self.end()


@unittest.skipIf(WHY, WHY)
class Mixed(unittest.TestCase):
    """An epmd and a folder of its own, with Erlang modules that were compiled there."""
    maxDiff = None
    modules = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.epmd = Epmd()
        cls.addClassCleanup(cls.epmd.kill)
        for path in cls.modules:
            subprocess.run(["erlc", "-Werror", "-o", cls.folder, os.path.join(ROOT, path)], check=True, timeout=120)

    def node(self, name, script):
        """An Erlang node once its script is over; it lives on."""
        node = Node(self.epmd, name + "@" + LOOPBACK, None, "-pa", self.folder, "-eval",
                    "%s, io:format(\"ready~n\")." % script)
        self.addCleanup(node.close)
        until(lambda: "ready" in node.running.lines, "the script is over:\n" + node.running.story())
        return node

    def evaluate(self, node, module, function, arguments):
        done = self.ctl("call", node.name, module, function, arguments)
        self.assertEqual(done.code, 0, done.err)
        return done.out.rstrip("\n")

    def ctl(self, *arguments):
        return ctl(*arguments, "--cookie", "interop", ERL_EPMD_PORT=self.epmd.port)

    def start(self, path, *arguments, **more):
        program = Program(path, *arguments, **dict({"ERL_EPMD_PORT": self.epmd.port}, **more))
        self.addCleanup(program.__exit__)
        return program


class Network:
    """A switch of its own, 10.77.0.254, and nodes on it, each with an epmd: namespaces, which touch nothing outside."""

    def __init__(self):
        self.processes = []
        self.prefix = self.space()
        self.inside(self.prefix, "ip link set lo up", "ip link add br0 type bridge", "ip address add 10.77.0.254/24 dev br0",
                    "ip link set br0 up")

    def run(self, *command):
        self.processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
        return self.processes[-1]

    def space(self):
        process = self.run("unshare", "--net", "sh", "-c", "echo up; exec cat")
        process.stdout.readline()
        return ("nsenter", "--target", str(process.pid), "--net")

    @staticmethod
    def inside(prefix, *commands):
        subprocess.run([*prefix, "sh", "-ec", "\n".join(commands)], check=True, capture_output=True, timeout=60)

    def node(self, i):
        prefix = self.space()
        self.inside(self.prefix, "ip link add v%d type veth peer name eth0 netns %s" % (i, prefix[2]),
                    "ip link set v%d master br0 up" % i)
        self.inside(prefix, "ip link set lo up", "ip address add 10.77.0.%d/24 dev eth0" % i, "ip link set eth0 up")
        self.run(*prefix, "epmd")
        until(lambda: ctl("names", "10.77.0.%d" % i, prefix=prefix).code == 0, "epmd answers")
        return prefix

    def link(self, i, state):
        self.inside(self.prefix, "ip link set v%d %s" % (i, state))

    def close(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


class PubSub(Mixed):
    modules = ["tests/interop/pg_pubsub.erl"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = example("examples/pubsub.c", "pubsub")

    def setUp(self):
        self.read, self.write = os.pipe()
        self.addCleanup(os.close, self.read)

    def pubsub(self, name="c"):
        program = Program(self.program, "%s@%s" % (name, LOOPBACK), "epmd:%s?interval=100ms" % self.epmd.at, "MyApp.PubSub", "room:1",
                          stdin=self.read, ERL_EPMD_PORT=self.epmd.port)
        self.addCleanup(program.__exit__)
        return program

    def say(self, text):
        os.write(self.write, text.encode())

    def broadcast(self, node, group, topic, message):
        self.evaluate(node, "pg_pubsub", "broadcast", "[%d, <<\"%s\">>, %s]" % (group, topic, message))

    def member(self, program, node, pool):
        """Once it is a member of all groups there, once each."""
        for number in range(1, pool + 1):
            group = "'Elixir.MyApp.PubSub.Adapter%s'" % ("_%d" % number if number > 1 else "")
            until(lambda: self.evaluate(node, "pg", "get_members", "['Elixir.Phoenix.PubSub', %s]" % group).count("#Pid") == 2,
                  "it is a member of " + group + program.story())

    def test_both_ways_and_through_restarts(self):
        a, b = self.node("a", "pg_pubsub:start(1)"), self.node("b", "pg_pubsub:start(3)")
        c = self.pubsub()
        self.member(c, a, 1)
        self.member(c, b, 3)
        self.broadcast(a, 1, "room:1", "{hello, 1}")
        c.line("a@127.0.0.1: {hello,1}")
        self.broadcast(b, 1, "room:2", "other")
        for group in (1, 2, 3):
            self.broadcast(b, group, "room:1", "[{group, %d}, \"a, b\", #{k => <<\"]\">>}]" % group)
        self.say("{said, [<<\"x\">>]}\nno term\n1, 2\n")
        for node in (a, b):
            node.running.line("= <<\"room:1\">> {said,[<<\"x\">>]}")
        until(lambda: sum("no term" in line for line in c.errors) == 2, "it says what is wrong")
        b.kill()
        until(lambda: any(line.startswith("down b@") for line in c.errors), "it is down")
        b = self.node("b", "pg_pubsub:start(2)")
        self.member(c, b, 2)
        self.broadcast(b, 2, "room:1", "back")
        self.say("{said, 2}\n")
        os.close(self.write)
        for node in (a, b):
            node.running.line("= <<\"room:1\">> {said,2}")
        self.assertEqual(c.end(), 0, c.story())
        self.assertEqual(c.lines, ["a@127.0.0.1: {hello,1}"] + [
            "b@127.0.0.1: [{group,%d},\"a, b\",#{k => <<\"]\">>}]" % group for group in (1, 2, 3)] + ["b@127.0.0.1: back"])
        self.assertFalse([line for node in (a, b) for line in node.running.lines if "wrong" in line])

    def test_pg_comes_later_and_is_started_again(self):
        a = self.node("a", "ok")
        c = self.pubsub()
        self.addCleanup(os.close, self.write)
        until(lambda: any(line.startswith("up a@") for line in c.errors), "it is linked")
        self.evaluate(a, "pg_pubsub", "start", "[1]")
        self.member(c, a, 1)
        self.evaluate(a, "pg_pubsub", "stop", "[]")
        self.evaluate(a, "pg_pubsub", "start", "[1]")
        self.member(c, a, 1)
        self.broadcast(a, 1, "room:1", "1")
        c.line("a@127.0.0.1: 1")
        self.evaluate(a, "erlang", "disconnect_node", "['c@127.0.0.1']")  # with the link goes the membership
        until(lambda: sum(line.startswith("up a@") for line in c.errors) == 2, "it is linked again")
        self.member(c, a, 1)
        self.broadcast(a, 1, "room:1", "2")
        c.line("a@127.0.0.1: 2")
        self.assertEqual(c.stop(), 0, c.story())


class Drills(Mixed):
    modules = ["examples/drills/drill.erl"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.url = "epmd:%s?interval=100ms" % cls.epmd.at

    def drill(self, name, *arguments, **more):
        return self.start(example("examples/drills/%s.c" % name, "drill-" + name), *arguments, **more)

    def shows(self, program, session):
        """It has printed what docs/drills.md shows, in whatever order. Numbers are others each time where these are measured."""
        block, = (block for block in blocks("docs/drills.md") if (block.mark("session") or "").split(",")[0] == session)
        measured = block.mark("session").endswith(", measured")

        def plain(line):
            return re.sub(r"(^| +)[\d.]+(?= |$)", " N", line) if measured else line
        for line in block.text.splitlines()[1:]:
            until(lambda: plain(line) in map(plain, program.lines), "%s is printed:\n%s" % (line, program.story()))

    def test_what_is_wrong_is_said(self):
        for name in sorted(name[:-2] for name in os.listdir(os.path.join(ROOT, "examples", "drills")) if name[0].isdigit()):
            path = example("examples/drills/%s.c" % name, "drill-" + name)
            for arguments in ([], ["a@127.0.0.1", "epmd:127.0.0.1", "1", "2", "3", "4", "5"][:{"1": 2, "3": 3, "6": 3}.get(name[0], 4)]):
                done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=60,
                                      env={key: value for key, value in dict(os.environ, **SANITIZERS).items() if key != "COOKIE"})
                with self.subTest(name=name, arguments=arguments):
                    self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1), done.stderr)
                    self.assertIn("cookie, as in COOKIE=secret" if arguments else "COOKIE=secret ./%s " % name, done.stderr)
        a = self.drill("1_call", "a@localhost", self.url)
        self.assertEqual((a.end(), a.lines, len(a.errors)), (2, [], 1))
        self.assertIn("behind its '@' stands an address of this host, as in a@127.0.0.1", a.errors[0])

    def test_1_call(self):
        a = self.drill("1_call", "a@" + LOOPBACK, self.url)
        b = self.drill("1_call", "b@" + LOOPBACK, self.url)
        for one, own, other in ((a, "a", "b"), (b, "b", "a")):
            one.line("up %s@127.0.0.1" % other)
            hashed = self.ctl("call", other + "@" + LOOPBACK, "erlang", "phash2", "[{hello, '%s@127.0.0.1'}]" % own).out.strip()
            until(lambda: "the answer is %s, as it is here" % hashed in one.lines, one.story)
            until(lambda: "%s@127.0.0.1 calls erlang:phash2/1 with [{hello,'%s@127.0.0.1'}]" % (other, other) in one.lines, one.story)
        self.shows(a, "drill 1")
        n = self.node("n", "ok")
        a.line("up n@127.0.0.1")
        a.line(lambda line: re.match(r"the answer is \d+, as it is here$", line))
        term = "[{[1, 2.5, x], <<\"b\">>}]"
        self.assertEqual(self.evaluate(n, "rpc", "call", "['a@127.0.0.1', erlang, phash2, %s]" % term),
                         self.evaluate(n, "erlang", "phash2", term))
        self.assertIn("undef", self.ctl("call", n.name, "rpc", "call", "['a@127.0.0.1', erlang, phash3, %s]" % term).out)
        for one in (a, b):
            self.assertEqual(one.stop(), 0, one.story())

    def test_2_dispatcher(self):
        keys = ["user:%d" % i for i in range(1, 9)]
        workers = {name: self.node(name, "drill:worker()") for name in "ab"}
        one, two = (self.drill("2_dispatcher", "%s@%s" % (name, LOOPBACK), self.url + "&role=worker", "2", *keys)
                    for name in ("d1", "d2"))

        def owners(program):
            return {key: node for key, node in re.findall(r"^(user:\d): shard \d+ (?:on|moved from \S+ to) (\S+)$",
                                                          "\n".join(program.lines), re.M)}
        for program in (one, two):
            until(lambda: len(owners(program)) == len(keys), program.story)
        before = owners(one)
        self.assertEqual(owners(two), before)
        maps = [[line for line in program.lines if line.startswith("2 workers; map ")] for program in (one, two)]
        self.assertEqual(maps, [maps[0]] * 2, one.story() + two.story())
        until(lambda: all(sum(line.endswith(": " + key) for line in workers[before[key][0]].running.lines) > 4 for key in keys),
              "each key comes again and again")
        for name, worker in workers.items():
            came = {line.split(": ")[1] for line in worker.running.lines if line.startswith("'%s@" % name)}
            self.assertEqual(came, {key for key in keys if before[key] == worker.name})
        self.assertFalse([line for line in one.lines if " moved" in line])
        c = Running("node", "--node", "c@" + LOOPBACK, "--cookie", "interop", "--listen", LOOPBACK + ":0", "--register", "worker",
                    ERL_EPMD_PORT=self.epmd.port)
        self.addCleanup(c.__exit__)
        for program in (one, two):
            program.line(lambda line: re.match(r"3 workers now: \d+ of 4096 shards moved$", line))
            until(lambda: "c@127.0.0.1" in owners(program).values(), program.story())
        after = owners(one)
        until(lambda: owners(two) == after, "both say the same")
        for key in keys:
            self.assertTrue(after[key] in (before[key], "c@127.0.0.1"), "only to the new one")
            if after[key] == "c@127.0.0.1":
                c.line(lambda line: line.endswith("worker {work,<<\"%s\">>}" % key))
        c.signal(signal.SIGKILL)
        for program in (one, two):
            program.line("down c@127.0.0.1")
            until(lambda: owners(program) == before, "back where they were")
            self.shows(program, "drill 2")
            self.assertEqual(program.stop(), 0, program.story())

    def test_3_node_loss(self):
        workers = {name: self.node(name, "ok") for name in "ab"}
        workers["c"] = self.drill("3_node_loss", "worker", "c@" + LOOPBACK)
        d = self.drill("3_node_loss", "d@" + LOOPBACK, self.url + "&role=worker", "3")
        first = d.line(lambda line: line.startswith("map "))
        shards = [int(number) for number in re.findall(r"@\S+ (\d+)", first)]
        self.assertEqual((len(shards), sum(shards)), (3, 4096))
        self.assertLessEqual(max(shards), 4096 / 3 * 1.06)
        workers["b"].kill()
        lost = d.line(lambda line: line.endswith(" jobs were under way on b@127.0.0.1"))
        d.line(lambda line: line.startswith("map ") and "b@" not in line)
        d.line("they are done elsewhere")
        self.node("b", "ok")
        d.line(first)
        workers["c"].signal(signal.SIGKILL)
        d.line(lambda line: line.startswith("map ") and "c@" not in line)
        d.line("they are done elsewhere")
        c = self.drill("3_node_loss", "worker", "c@" + LOOPBACK)
        d.line(first)
        self.shows(d, "drill 3")
        self.assertEqual(d.stop(), 0, d.story())
        self.assertEqual(c.stop(), 0, c.story())
        jobs, done, wrong, repeated = map(int, re.findall(r"\d+", d.lines[-1]))
        self.assertEqual((jobs, wrong), (done, 0))
        self.assertGreater(done, 100)
        self.assertGreaterEqual(repeated, int(lost.split()[0]))

    def test_4_wire_load(self):
        chart = os.path.join(self.folder, "load.svg")
        m = self.drill("4_wire_load", "m@" + LOOPBACK, self.url, "3", chart)
        until(lambda: "m" in self.epmd.names(), "it is registered")
        c = self.drill("4_wire_load", "send", "c@" + LOOPBACK, "m@" + LOOPBACK)
        self.node("a", "drill:load('m@127.0.0.1', 30)")
        self.assertEqual(m.end(), 0, m.story())
        self.assertEqual(c.stop(), 0, c.story())
        said = {line.split()[0]: [float(value) for value in line.split()[1:]] for line in m.lines if re.match(r"\w+ +[\d.]+ ", line)}
        self.assertEqual(sorted(said), ["heartbeat", "orders", "presence"], m.story())
        for topic, size in (("orders", 217), ("presence", 5018)):
            messages, messages95, total, total95 = said[topic]
            self.assertTrue(0 < messages <= messages95)
            self.assertAlmostEqual(total / messages, size, delta=size / 20)  # the average has but one decimal
        self.assertIn(said["presence"][1], (4, 8))
        drawn = xml.etree.ElementTree.parse(chart).getroot()
        lines = [element.get("points").split() for element in drawn.iter() if element.tag.endswith("polyline")]
        self.assertEqual([len(points) for points in lines], [3] * 6)
        self.shows(m, "drill 4")

    def test_4_many_topics_and_an_early_end(self):
        """What there is no room for is counted together, long names by their beginning, and averages are of the time that was."""
        chart = os.path.join(self.folder, "many.svg")
        m = self.drill("4_wire_load", "m@" + LOOPBACK, self.url, "600", chart)
        until(lambda: "m" in self.epmd.names(), "it is registered")
        self.node("a", """T = fun(Topic) -> {load, 'm@127.0.0.1'} ! {Topic, x} end, [T(burst) || _ <- lists:seq(1, 3000)],
            [T(list_to_atom(lists:duplicate(40, 233))) || _ <- lists:seq(1, 3000)], T('<&>'), [T(N) || N <- lists:seq(1, 3000)],
            rpc:call('m@127.0.0.1', cluster, status, [])""")  # which is answered behind the others
        self.assertEqual(m.stop(), 0, m.story())
        said = {line.rsplit(None, 4)[0]: float(line.split()[-4]) for line in m.lines
                if re.search(r" +[\d.]+ +\d+ +[\d.]+ +\d+$", line)}
        self.assertEqual(list(said), ["burst", "\u00e9" * 11, "'<&>'", "1", "2", "others"], m.story())
        self.assertGreater(said["burst"], 3000 / 120)
        self.assertEqual(said["burst"], said["\u00e9" * 11])
        drawn = [element.text for element in xml.etree.ElementTree.parse(chart).getroot().iter() if element.tag.endswith("}text")]
        self.assertLessEqual(set(said), set(drawn))

    def test_4_nothing_came(self):
        chart = os.path.join(self.folder, "none.svg")
        m = self.drill("4_wire_load", "m@" + LOOPBACK, self.url, "600", chart)
        until(lambda: "m" in self.epmd.names(), "it is registered")
        self.assertEqual(m.stop(), 1, m.story())
        self.assertEqual(m.errors, ["no message came"])
        self.assertFalse(os.path.exists(chart))

    def test_6_global(self):
        a, b = self.node("a", "drill:svc(7)"), self.node("b", "pong = net_adm:ping('a@127.0.0.1')")
        until(lambda: "{svc,7} is at 'a@127.0.0.1'" in a.running.lines, a.running.story())
        until(lambda: self.evaluate(b, "global", "whereis_name", "[{svc, 7}]").startswith("#Pid"), "all know it")
        self.evaluate(b, "drill", "svc", "[7]")
        plain = Running("node", "--node", "c@" + LOOPBACK, "--cookie", "interop", "--listen", LOOPBACK + ":0",
                        ERL_EPMD_PORT=self.epmd.port)  # one that has no global
        self.addCleanup(plain.__exit__)
        c = self.drill("6_global", "d@" + LOOPBACK, self.url, "7")
        c.line("{svc,7} answers from 'a@127.0.0.1'")
        a.kill()
        c.line("{svc,7} answers from 'b@127.0.0.1'")
        self.shows(c, "drill 6")
        self.node("a", "pong = net_adm:ping('b@127.0.0.1'), global:sync(), drill:svc(7)")
        c.line("up a@127.0.0.1")
        b.kill()
        c.line("{svc,7} answers from 'a@127.0.0.1'")
        self.assertEqual(c.stop(), 0, c.story())

    # ---- 5: split brain --------------------------------------------------------------------------------------------------

    def store(self):
        """Where the store is; at the end no write in it has a lower token than one before, and each has an id of its own."""
        path = os.path.join(self.folder, self.id() + ".store")

        def judge():
            with open(path, encoding="ascii") as lines:
                writes = [[int(word) for word in line.split()] for line in lines]
            self.assertEqual([token for token, _, _ in writes], sorted(token for token, _, _ in writes))
            self.assertEqual(len({number for _, number, _ in writes}), len(writes))
        self.addCleanup(judge)
        return path

    def token(self, program):
        """Under which it wrote last; 0: it did not."""
        return max([int(line.split()[-1]) for line in program.lines if line.startswith("writes under token ")], default=0)

    def successor(self, n):
        """Which of the others writes now, in place of the first: its index."""
        old = self.token(n[0])
        until(lambda: max(map(self.token, n[1:])) > old, "another one has the lease")
        return 1 if self.token(n[1]) > self.token(n[2]) else 2

    @unittest.skipIf(lacks("etcd"), lacks("etcd"))
    def test_5_a_writer_is_paused(self):
        etcd, store = EtcdServer(), self.store()
        self.addCleanup(etcd.close)
        with open(store, "w", encoding="ascii") as writes:
            writes.write("1 9 0\n1 8 70")  # the second one was never written to its end
        names = ["n%d@%s" % (i, LOOPBACK) for i in (1, 2, 3)]
        a = self.node("a", "ok")
        n = []
        for name in names:
            n.append(self.drill("5_split_brain", name, "static:" + ",".join(names), etcd.at, store, "60s"))
            if len(n) == 1:
                n[0].line(lambda line: line.startswith("writes under token "))

        def add(i, number, amount):
            return self.evaluate(a, "rpc", "call", "['%s', drill, add, [{%d, %d}]]" % (names[i], number, amount))

        def reads(i, wanted):
            until(lambda: self.evaluate(a, "rpc", "call", "['%s', drill, read, []]" % names[i]) == wanted,
                  wanted + "\n" + n[i].story())
        for program in n:
            program.line(lambda line: line.startswith("READY: "))
        until(lambda: add(0, 10, 100) == "done", "it writes\n" + n[0].story())
        self.assertIn("badrpc", self.ctl("call", names[0], "drill", "add", "[{14, x}]").out)
        self.assertEqual((add(1, 11, 20), add(1, 11, 20), add(2, 10, 100)), ("buffered",) * 3)
        for i in range(3):
            reads(i, "{120,fresh}")
        n[0].signal(signal.SIGSTOP)
        new = self.successor(n)
        until(lambda: add(new, 12, 3) == "done", "it writes\n" + n[new].story())
        self.assertEqual(self.evaluate(a, "rpc", "cast", "['%s', drill, add, [{13, 4000}]]" % names[0]), "true")
        n[0].signal(signal.SIGCONT)
        n[0].line("refused: token %d, and the store has seen %d" % (self.token(n[0]), self.token(n[new])))
        for i in range(3):
            reads(i, "{4123,fresh}")
        for number, amount in ((13, 4000), (12, 3), (11, 20), (10, 100)):  # all of it again, elsewhere and in another order
            add(3 - new, number, amount)
        reads(3 - new, "{4123,fresh}")
        for program in n:
            self.assertEqual(program.stop(), 0, program.story())

    @unittest.skipIf(Machine.lack() or lacks("etcd"), Machine.lack() or lacks("etcd"))
    def test_5_the_network_is_cut(self):
        hub = Network()
        self.addCleanup(hub.close)
        nodes = [hub.node(i) for i in (1, 2, 3)]
        etcd, store = EtcdServer("10.77.0.254", hub.prefix), self.store()
        self.addCleanup(etcd.close)
        names = ["n%d@10.77.0.%d" % (i, i) for i in (1, 2, 3)]
        n = []
        for name, prefix in zip(names, nodes):
            n.append(self.drill("5_split_brain", name, "static:" + ",".join(names), etcd.at, store, "4s", prefix=prefix,
                                ERL_EPMD_PORT=None))
            if len(n) == 1:
                n[0].line(lambda line: line.startswith("writes under token "))

        def call(prefix, i, function, arguments="[]"):
            done = ctl("call", names[i], "drill", function, arguments, "--cookie", "interop", prefix=prefix)
            return done.out.strip() or done.err

        def reads(prefix, i, wanted):
            until(lambda: call(prefix, i, "read") == wanted, wanted + "\n" + n[i].story())
        for program in n:
            program.line(lambda line: line.startswith("READY: "))
        until(lambda: call(hub.prefix, 0, "add", "[{10, 100}]") == "done", "it writes\n" + n[0].story())
        reads(hub.prefix, 1, "{100,fresh}")
        reads(hub.prefix, 2, "{100,fresh}")
        hub.link(1, "down")
        n[0].line("DEGRADED: 1 of 3 nodes, balance 100 (stale), 0 to be written")
        new = self.successor(n)
        self.assertEqual(call(nodes[0], 0, "add", "[{11, 20}]"), "buffered")
        until(lambda: call(hub.prefix, new, "add", "[{12, 3}]") == "done", "it writes\n" + n[new].story())
        reads(hub.prefix, 3 - new, "{103,fresh}")
        self.assertEqual(call(nodes[0], 0, "read"), "{100,stale}")
        hub.link(1, "up")
        n[0].line(lambda line: re.match("READY: [23] of 3 nodes, balance 103, 1 to be written", line))
        for i in range(3):
            reads(hub.prefix, i, "{123,fresh}")
        self.shows(n[0], "drill 5")
        for program in n:
            self.assertEqual(program.stop(), 0, program.story())


if __name__ == "__main__":
    unittest.main()
