"""A C node that others link to: real Erlang nodes ping it, send to it, watch it, call it and are called; C with C; epmd."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from interoptools import HERE, LOOPBACK, Epmd, Node, compiled, ctl, free_port, lacks, until
from clitools import Running

WHY = lacks("epmd", "erl")
C = "c@" + LOOPBACK
SAY = "P = fun(X) -> io:format(\"= ~0p~n\", [X]) end, "


@unittest.skipIf(WHY, WHY)
class Nodes(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.epmd = Epmd()
        self.addCleanup(self.epmd.kill)

    def c_node(self, *more, name=C, cookie="interop", listen=LOOPBACK + ":0", registered=True):
        node = Running("node", "--node", name, "--cookie", cookie, "--listen", listen, *more, ERL_EPMD_PORT=self.epmd.port)
        self.addCleanup(node.__exit__)
        node.port = int(node.line(lambda line: line.startswith("listen ")).split()[1])
        if registered:
            until(lambda: name.partition("@")[0] in self.epmd.names(), "%s is registered" % name)
        return node

    def erlang(self, script, *flags, name="n@" + LOOPBACK, end=True):
        """A node that runs a script, and what the script said by P."""
        node = Node(self.epmd, name, None, *flags, "-eval", "spawn(fun() -> %s%s P(done) end)." % (SAY, script))
        self.addCleanup(node.close)
        if end:
            until(lambda: "= done" in node.running.lines, "the script is over:\n" + node.running.story())
        return node

    def said(self, node):
        return [line[2:] for line in node.running.lines if line.startswith("= ")][:-1]

    def ctl(self, *arguments, cookie="interop"):
        return ctl(*arguments, "--cookie", cookie, ERL_EPMD_PORT=self.epmd.port)

    def test_echo(self):
        c = self.c_node("--register", "drill", "--echo")
        node = self.erlang("""P(net_adm:ping('%(c)s')), P({nodes(), nodes(hidden)}),
            {drill, '%(c)s'} ! {self(), hello}, P(receive A -> A after 9000 -> none end),
            {drill, '%(c)s'} ! {self(), {[1, 2.5], #{k => <<"v">>}}}, P(receive B -> B after 9000 -> none end),""" % {"c": C})
        self.assertEqual(self.said(node), ["pong", "{[],['%s']}" % C, "hello", "{[1,2.5],#{k => <<\"v\">>}}"])
        self.assertIn("up n@" + LOOPBACK, c.lines)
        self.assertRegex(c.line(lambda line: line.startswith("message ")), r"^message n@127.0.0.1 drill \{#Pid<.*>,hello\}$")

    def test_large_messages(self):
        self.c_node("--register", "drill", "--echo")
        node = self.erlang("""lists:foreach(fun(Size) -> X = binary:copy(<<"x">>, Size),
            {drill, '%s'} ! {self(), X}, P(receive X -> Size after 60000 -> none end) end, [1 bsl 20, 1 bsl 26]),""" % C)
        self.assertEqual(self.said(node), ["1048576", "67108864"])

    def test_watched_and_linked(self):
        c = self.c_node("--register", "drill")
        node = self.erlang("""M = fun(T) -> R = monitor(process, T), receive {'DOWN', R, _, _, W} -> W after 500 -> alive end end,
            P(M({drill, '%(c)s'})), P(M({nobody, '%(c)s'})), P(M({net_kernel, '%(c)s'})), P(M({rex, '%(c)s'})),
            monitor_node('%(c)s', true), P(ready), receive {nodedown, N} -> P(N) after 20000 -> P(none) end,""" % {"c": C}, end=False)
        until(lambda: "= ready" in node.running.lines, "it watches")
        c.signal(signal.SIGKILL)
        until(lambda: "= done" in node.running.lines, "it hears of the end")
        self.assertEqual(self.said(node), ["alive", "noproc", "alive", "alive", "ready", "'%s'" % C])

    def test_calls_into_it(self):
        c = self.c_node()
        node = self.erlang("""P(rpc:call('%(c)s', cluster, status, [])), P(erpc:call('%(c)s', cluster, members, [])),
            P(is_list(rpc:call('%(c)s', cluster, stats, []))), P(rpc:block_call('%(c)s', cluster, status, [])),
            P(element(1, element(2, element(2, rpc:call('%(c)s', m, f, [1]))))),
            P(catch try erpc:call('%(c)s', m, f, [x]) catch error:{exception, undef, _} -> undefined end),
            P(rpc:cast('%(c)s', m, f, ["cast"])), """ % {"c": C})
        self.assertEqual(self.said(node), ["{ready,1,1}", "[{'%s',self},{'n@%s',up}]" % (C, LOOPBACK), "true", "{ready,1,1}",
                                           "undef", "undefined", "true"])
        for line in ("m:f/1 [1]", "m:f/1 [x]", 'm:f/1 ["cast"]'):
            c.line("call n@%s %s" % (LOOPBACK, line))

    def test_calls_out_of_it(self):
        node = self.erlang("register(box, self()), P(ready), P(receive X -> X after 20000 -> none end),", end=False)
        call = self.ctl("call", node.name, "erlang", "node")
        self.assertEqual((call.code, call.out), (0, "'%s'\n" % node.name))
        self.assertEqual(self.ctl("call", node.name, "lists", "sum", "[[1,2,3]]").out, "6\n")
        failed = self.ctl("call", node.name, "no", "such", "[]")
        self.assertEqual(failed.code, 1)
        self.assertTrue(failed.out.startswith("{badrpc,"))
        late = self.ctl("call", node.name, "timer", "sleep", "[60000]", "--for", "200ms")
        self.assertEqual(late.code, 1)
        self.assertIn("no answer in time", late.err)
        self.assertEqual(self.ctl("send", node.name, "box", "{hello,\"you\"}").code, 0)
        until(lambda: "= done" in node.running.lines, "the message came")
        self.assertEqual(self.said(node), ["ready", '{hello,"you"}'])
        self.assertEqual(self.ctl("send", "nobody@" + LOOPBACK, "box", "x").code, 1)

    def test_c_with_c(self):
        one = self.c_node("--echo")
        self.c_node(name="d@" + LOOPBACK)
        self.assertEqual(self.ctl("ping", C).out, "pong\n")
        self.assertIn("cookie", self.ctl("ping", C, cookie="other").out)
        self.assertEqual(self.ctl("call", C, "cluster", "status").out, "{ready,1,1}\n")
        self.assertEqual(self.ctl("send", C, "c", "[1,2]").code, 0)
        one.line(lambda line: line.startswith("message clusterctl-") and line.endswith(" c [1,2]"))
        watch = Running("watch", "epmd:" + self.epmd.at, "--node", "e@" + LOOPBACK, "--connect", "erlang", "--cookie", "interop",
                        "--until", "2", ERL_EPMD_PORT=self.epmd.port)
        self.addCleanup(watch.__exit__)
        self.assertEqual(watch.end(), 0)

    def test_all_dial_all(self):
        # Each finds and dials the others, who dial it: every pair ends with one link.
        names = ["%s%d@%s" % ("abz"[i % 3], i, LOOPBACK) for i in range(6)]
        running = []
        for name in names:
            running.append(Running("watch", "epmd:%s?interval=100ms" % self.epmd.at, "--node", name, "--connect", "erlang", "--cookie",
                                   "interop", "--listen", LOOPBACK + ":0", ERL_EPMD_PORT=self.epmd.port))
            self.addCleanup(running[-1].__exit__)

        def linked():
            for name in names:
                asked = self.ctl("call", name, "cluster", "members")
                if asked.code or sum("'%s',up" % other in asked.out for other in names) != len(names) - 1:
                    return False
            return True
        until(linked, "each is linked to each")

    def test_it_dials_a_node_that_dials_it(self):
        c = Running("watch", "epmd:%s?interval=100ms" % self.epmd.at, "--node", C, "--connect", "erlang", "--cookie", "interop",
                    "--listen", LOOPBACK + ":0", ERL_EPMD_PORT=self.epmd.port)
        self.addCleanup(c.__exit__)
        until(lambda: "c" in self.epmd.names(), "it is registered")
        for name in ("a@" + LOOPBACK, "z@" + LOOPBACK):
            node = self.erlang("P(net_adm:ping('%s')), P(nodes(hidden))," % C, name=name)
            self.assertEqual(self.said(node), ["pong", "['%s']" % C])
            c.line("up " + name)

    def test_a_program_on_ei(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        out = os.path.join(folder, "ei_drill")
        compiled = subprocess.run(["cc", "-o", out, os.path.join(HERE, "ei_drill.c"), "-lei", "-lpthread"], capture_output=True,
                                  text=True, timeout=300)
        if compiled.returncode:
            self.skipTest("no ei here: " + compiled.stderr[:200])
        c = self.c_node("--register", "drill", "--echo")
        done = subprocess.run([out, "drill_ei", "interop", C, "drill"], capture_output=True, text=True, timeout=60,
                              env=dict(os.environ, ERL_EPMD_PORT=str(self.epmd.port)))
        self.assertEqual((done.returncode, done.stdout), (0, "echo hello\nstatus ready 1\n"), done.stderr)
        c.line("up drill_ei@" + LOOPBACK)

    def test_wrong_cookie(self):
        c = self.c_node(cookie="other")
        node = self.erlang("P(net_adm:ping('%s'))," % C)
        self.assertEqual(self.said(node), ["pang"])
        until(lambda: any("its cookie is another one: n@" in line for line in c.errors), "it says so")

    def test_epmd_is_started_again(self):
        self.c_node()
        self.epmd.kill()
        self.epmd.start()
        until(lambda: "c" in self.epmd.names(), "it registers again")
        self.assertEqual(self.ctl("ping", C).out, "pong\n")

    def test_ports_of_a_range(self):
        first = free_port()
        taken = socket.create_server((LOOPBACK, first))
        self.addCleanup(taken.close)
        c = self.c_node(listen="%s:%d-%d" % (LOOPBACK, first, min(first + 20, 65535)))
        self.assertTrue(first < c.port <= first + 20)

    def test_its_name_is_taken(self):
        self.c_node()
        other = Running("node", "--node", C, "--cookie", "interop", "--listen", LOOPBACK + ":0", ERL_EPMD_PORT=self.epmd.port)
        self.addCleanup(other.__exit__)
        until(lambda: any("own name is registered" in line for line in other.errors), "it says so")

    def test_a_node_that_stops_reading(self):
        # So much waits for it, and no more; once it goes on, all of that arrives.
        node = self.erlang("register(box, self()), P(ready), "
                           "P((fun F(N) -> receive <<_:65536/binary>> -> F(N + 1); done -> N end end)(0)),", end=False)
        until(lambda: "= ready" in node.running.lines, "it waits for messages")
        flood = Running(C, "interop", node.name, program=compiled("flood"), stdin=subprocess.PIPE, ERL_EPMD_PORT=self.epmd.port)
        self.addCleanup(flood.__exit__)
        self.addCleanup(flood.process.stdin.close)
        flood.line("up")
        node.running.signal(signal.SIGSTOP)
        self.addCleanup(lambda: node.running.process.poll() is None and node.running.signal(signal.SIGCONT))
        flood.process.stdin.write(b"go\n")
        flood.process.stdin.flush()
        count = flood.line(lambda line: line.startswith("try again")).split()[-1]
        node.running.signal(signal.SIGCONT)
        flood.line("writable")
        self.assertEqual(flood.end(), 0)
        until(lambda: "= done" in node.running.lines, "it has all messages")
        self.assertEqual(self.said(node), ["ready", count])
        self.assertTrue(int(count) > 16)

    def test_a_node_without_a_name(self):
        own = "c@" + socket.gethostname().partition(".")[0]
        c = self.c_node(name=own)
        home = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, home, ignore_errors=True)
        node = Running("-noinput", "-sname", "undefined", "-setcookie", "interop", "-start_epmd", "false", "-eval",
                       "spawn(fun() -> true = net_kernel:connect_node('%(c)s'), io:format(\"~s ~p~n\", [node(), "
                       "rpc:call('%(c)s', cluster, members, [])]) end)." % {"c": own}, program="erl", HOME=home,
                       ERL_EPMD_PORT=self.epmd.port, ERL_CRASH_DUMP=os.devnull, ERL_AFLAGS=None, ERL_FLAGS=None, ERL_ZFLAGS=None)
        self.addCleanup(node.__exit__)
        name, members = node.line(lambda line: "@" in line).split()
        self.assertRegex(name, "^[0-9]+@")
        self.assertEqual(sorted(members.strip("[]{}").split("},{")), sorted(["%s,self" % own, "'%s',up" % name]))
        c.line("up " + name)

    def named(self, nodes, cookie="interop"):
        c = Running("undefined@" + LOOPBACK, cookie, "static:" + ",".join(nodes), program=compiled("named"),
                    ERL_EPMD_PORT=self.epmd.port)
        self.addCleanup(c.__exit__)
        return c

    def test_it_is_given_its_name(self):
        a = self.erlang("""register(box, self()), P(ready), receive {Pid, hello} ->
            N = node(Pid), P(N), P({nodes(), nodes(hidden)}), Pid ! {to, pid}, {drill, N} ! {to, name}, P(net_adm:ping(N)),
            P(rpc:call(N, cluster, members, [])), P(erpc:call(N, m, f, [x])), R = monitor(process, {drill, N}), P(watches),
            receive {'DOWN', R, _, _, W} -> P(W) after 20000 -> P(none) end end,""", end=False)
        until(lambda: "= ready" in a.running.lines, "it has its box")
        c = self.named([a.name])
        own = c.line(lambda line: line.startswith("up " + a.name)).split()[3]
        self.assertRegex(own, "^[0-9A-Z]+@127.0.0.1$")
        for line in ("message %s {to,pid}", "message %s {to,name}", "call %s [x]"):
            c.line(line % a.name)
        until(lambda: "= watches" in a.running.lines, "it watches")
        c.signal(signal.SIGKILL)
        until(lambda: "= done" in a.running.lines, "it hears of the end")
        self.assertEqual(self.said(a), ["ready", "'%s'" % own, "{[],['%s']}" % own, "pong", "[{'n@127.0.0.1',up}]", "[x]", "watches",
                                        "noconnection"])

    def test_its_name_goes_with_who_gave_it(self):
        nodes = {name: self.erlang("", name=name) for name in ("n@" + LOOPBACK, "o@" + LOOPBACK)}
        c = self.named(nodes)

        def ups():
            lines = [c.line(lambda line: line.startswith("up ")).split() for _ in nodes]
            self.assertEqual(sorted(words[1] for words in lines), sorted(nodes))
            self.assertEqual(len({words[3] for words in lines}), 1)
            return lines[0][1], lines[0][3]
        giver, name = ups()
        for node in nodes:
            self.assertEqual(self.ctl("call", node, "erlang", "nodes", "[hidden]").out.count(name), 1)
        self.assertEqual(self.ctl("ping", giver, "--node", "undefined@" + LOOPBACK).out, "pong\n")
        nodes[giver].kill()
        other = [node for node in nodes if node != giver][0]
        c.line("down %s the own name ended with the link that gave it" % other)
        c.line(lambda line: line.startswith("down %s " % giver))
        second = c.line(lambda line: line.startswith("up " + other)).split()[3]
        self.assertNotEqual(second, name)
        until(lambda: giver.partition("@")[0] not in self.epmd.names(), "its name is free")
        nodes[giver] = self.erlang("", name=giver)
        self.assertEqual(c.line(lambda line: line.startswith("up " + giver)).split()[3], second)

    def test_named_by_nobody(self):
        node = self.erlang("")
        c = self.named([node.name], cookie="other")
        c.line("down %s its cookie is another one" % node.name)
        refused = self.ctl("node", "--node", "undefined@" + LOOPBACK)
        self.assertEqual(refused.code, 2)
        self.assertIn("NAME@HOST, not undefined@HOST", refused.err)

    @unittest.skipUnless(shutil.which("elixir"), "no elixir here")
    def test_an_elixir_node(self):
        c = self.c_node("--register", "drill", "--echo")
        script = ("Node.connect(:\"%(c)s\") |> IO.inspect(); IO.inspect(Node.list(:hidden)); send({:drill, :\"%(c)s\"}, {self(), :hello}); "
                  "receive do x -> IO.inspect(x) after 20000 -> IO.puts(\"none\") end; "
                  "IO.inspect(:erpc.call(:\"%(c)s\", :cluster, :status, []))" % {"c": C})
        home = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, home, ignore_errors=True)
        elixir = Running("--name", "x@" + LOOPBACK, "--cookie", "interop", "--erl",
                         "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}", "-e", script, program="elixir", HOME=home,
                         ERL_EPMD_PORT=self.epmd.port, ERL_AFLAGS=None, ERL_FLAGS=None, ERL_ZFLAGS=None)
        self.addCleanup(elixir.__exit__)
        self.assertEqual(elixir.end(), 0, elixir.story())
        self.assertEqual(elixir.lines, ["true", '[:"%s"]' % C, ":hello", "{:ready, 1, 1}"])
        c.line("up x@" + LOOPBACK)

    def test_fifty_nodes(self):
        c = self.c_node()
        for i in range(49):
            peer = Running("node", "--node", "p%d@%s" % (i, LOOPBACK), "--cookie", "interop", "--listen", LOOPBACK + ":0",
                           ERL_EPMD_PORT=self.epmd.port)
            self.addCleanup(peer.__exit__)
        until(lambda: len(self.epmd.names()) == 50, "all are registered")
        watch = Running("watch", "epmd:" + self.epmd.at, "--node", "hub@" + LOOPBACK, "--connect", "erlang", "--cookie", "interop",
                        "--until", "50", ERL_EPMD_PORT=self.epmd.port)
        self.addCleanup(watch.__exit__)
        self.assertEqual(watch.end(), 0)
        c.line("up hub@" + LOOPBACK)

    def test_ticks_hold(self):
        c = self.c_node()
        node = self.erlang("P(net_adm:ping('%s')), receive after 8000 -> P(nodes(hidden)) end," % C, "-kernel", "net_ticktime", "4")
        self.assertEqual(self.said(node), ["pong", "['%s']" % C])
        self.assertFalse([line for line in c.lines if line.startswith("down ")])


if __name__ == "__main__":
    unittest.main()
