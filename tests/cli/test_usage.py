"""clusterctl's command line: help, version, and what it says to a wrong one."""
import os
import subprocess
import unittest

from clitools import ROOT, TOOL, CtlTest, ctl, environment

COMMANDS = ["demo", "watch", "wait", "list", "names", "port", "resolve", "ping", "send", "call", "node", "epmd", "owner", "plan",
            "map", "hash", "doctor", "urls", "help"]


class Help(CtlTest):
    def test_help_names_every_command(self):
        for arguments in (["help"], ["--help"], ["-h"]):
            with self.subTest(arguments):
                outcome = ctl(*arguments)
                self.expect(outcome, 0)
                for name in COMMANDS:
                    self.assertIn("\n  %s " % name, outcome.out)

    def test_each_command_has_help(self):
        for name in COMMANDS:
            with self.subTest(name):
                for arguments in (["help", name], [name, "--help"], [name, "-h"]):
                    outcome = ctl(*arguments)
                    self.expect(outcome, 0)
                    self.assertTrue(outcome.out.startswith("clusterctl %s " % name), outcome.out)

    def test_help_is_no_wider_than_a_terminal(self):
        for arguments in [["help"]] + [["help", name] for name in COMMANDS]:
            for line in ctl(*arguments).lines:
                self.assertLessEqual(len(line), 120, line)

    def test_help_as_json(self):
        objects = ctl("help", "--json").objects
        self.assertEqual([o["name"] for o in objects], COMMANDS)
        self.assertEqual({o["type"] for o in objects}, {"command"})

    def test_version(self):
        outcome = ctl("--version")
        self.expect(outcome, 0)
        self.assertRegex(outcome.out, r"^clusterctl \d+\.\d+\.\d+\n$")
        version = outcome.out.split()[1]
        self.assertEqual(ctl("--version", "--json").objects, [{"type": "version", "version": version}])

    def test_nothing_at_all_is_a_usage_error_with_the_help(self):
        outcome = ctl()
        self.assertEqual((outcome.code, outcome.out), (2, ""))
        self.assertIn("  demo ", outcome.err)


class Wrong(CtlTest):
    CASES = [
        # arguments, what the sentence contains
        (["lsit", "static:a@h"], "there is no command lsit: did you mean list?"),
        (["wacth"], "did you mean watch?"),
        (["dem"], "did you mean demo?"),
        (["frobnicate"], "there is no command frobnicate: see `clusterctl help`"),
        (["help", "owner2"], "did you mean owner?"),
        (["--json", "list"], "begin with a command"),
        (["list"], "`list` needs more: clusterctl list URL..."),
        (["watch"], "`watch` needs more"),
        (["resolve"], "`resolve` needs more"),
        (["resolve", "a..b"], "labels"),
        (["resolve", "a", "--type", "mx"], "a+aaaa a aaaa srv cname ptr txt"),
        (["resolve", "a", "--server", "nowhere"], "ADDRESS:PORT"),
        (["port"], "`port` needs more: clusterctl port NODE"),
        (["port", "a@h", "b@h"], "`port` has no use for \"b@h\""),
        (["names", "a", "b"], "`names` has no use for \"b\""),
        (["demo", "now"], "`demo` has no use for \"now\""),
        (["watch", "static:a@h", "--unitl", "2"], "there is no option --unitl: did you mean --until?"),
        (["watch", "static:a@h", "--qourum=2"], "did you mean --quorum?"),
        (["watch", "static:a@h", "--zzz"], "there is no option --zzz: see `clusterctl help watch`"),
        (["list", "static:a@h", "--until", "2"], "`list` takes no --until"),
        (["watch", "static:a@h", "-n"], "there is no option -n: options are long"),
        (["watch", "static:a@h", "--until"], "--until needs a value: --until N"),
        (["watch", "static:a@h", "--until", "two"], "--until takes a whole number, not \"two\""),
        (["watch", "static:a@h", "--until", "-1"], "--until takes a whole number, not \"-1\""),
        (["watch", "static:a@h", "--until", "4294967296"], "--until takes a whole number"),
        (["watch", "static:a@h", "--until", "1", "--until", "2"], "--until is given twice"),
        (["watch", "static:a@h", "--for", "10"], "--for takes a duration such as 500ms, 10s or 2m, not \"10\""),
        (["watch", "static:a@h", "--for", "s"], "--for takes a duration"),
        (["watch", "static:a@h", "--for", "1x"], "--for takes a duration"),
        (["watch", "static:a@h", "--for", "999999999h"], "--for takes a duration"),
        (["watch", "static:a@h", "--json=yes"], "--json takes no value"),
        (["watch", "statik:a@h"], "static"),
        (["list", "static:a@h?intervall=5s"], "interval"),
        (["list", "no url at all"], "clusterctl: "),
        (["list", "static:a@h", "--node", "nobody"], "@"),
        (["watch", "static:a@h", "--connect", "erlang"], "links to Erlang nodes need options.node (--node)"),
        (["watch", "static:a@h", "--connect", "elixir"], "options.connect takes"),
        (["watch", "static:a@h", "--node", "c@h", "--connect", "erlang", "--cookie", ""], "--cookie takes a cookie"),
        (["ping", "a@h", "--cookie", "c", "--cookie-file", "f"], "keep one"),
        (["ping", "a", "--cookie", "c"], "the node is no NAME@HOST"),
        (["watch", "static:a@h", "--listen=127.0.0.1:0"], "links to Erlang nodes need options.node (--node)"),
        (["watch", "static:a@h", "--node", "c@h", "--cookie", "c", "--listen=x"], "options.listen takes ADDRESS:PORT"),
        (["node", "--cookie", "c"], "a node needs --node NAME@HOST"),
        (["send", "a@h", "p", "{a", "--cookie", "c"], "no term: "),
        (["call", "a@h", "m", "f", "a", "--cookie", "c"], "a list of arguments"),
        (["list", "static:a@h", "--cookie-file", "f"], "`list` takes no --cookie-file"),
        (["owner", "--nodes", "a", "--kind", "jump", "--replicas", "2", "k"], "--replicas does not go with jump"),
        (["owner", "--nodes", "a", "--kind", "jump", "--weights", "2", "k"], "--weights does not go with jump"),
        (["wait", "static:a@h", "--", "true"], "`wait` needs --quorum N"),
        (["wait", "static:a@h", "--quorum", "0", "--", "true"], "--quorum 0 waits for nothing"),
        (["wait", "static:a@h", "--quorum", "1"], "`wait` needs the command to run at the end"),
        (["wait", "static:a@h", "--quorum", "1", "--"], "`wait` needs the command to run at the end"),
        (["wait", "--quorum", "1", "--", "true"], "`wait` needs more"),
        (["epmd", "--port", "0"], "--port takes 1 to 65535"),
        (["epmd", "--port", "65536"], "--port takes 1 to 65535"),
        (["epmd", "--address", "here"], "--address takes an IP address of this host"),
        (["epmd", "4369"], "`epmd` has no use for"),
        (["demo", "--stay", "--join"], "leave out --stay"),
        (["demo", "--group", "somewhere"], "--group takes ADDRESS:PORT"),
        (["demo", "--group", "10.0.0.1:5000"], "no IPv4 multicast address"),
        (["demo", "--group", "239.1.1.1:0"], "--group takes ADDRESS:PORT"),
        (["demo", "--group", "239.1.1.1:65535"], "--group takes ADDRESS:PORT"),
    ]

    def test_each_gets_status_2_and_a_sentence(self):
        for arguments, sentence in self.CASES:
            with self.subTest(" ".join(arguments)):
                self.expect(ctl(*arguments), 2, "", sentence)

    def test_a_secret_is_not_repeated(self):
        outcome = ctl("list", "gossip:?secret=sesame&nonsense=1")
        self.assertEqual(outcome.code, 2)
        self.assertNotIn("sesame", outcome.err)


class Output(CtlTest):
    def test_a_full_disk_is_status_3(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full here: it stands for a full disk")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([TOOL, "list", "static:a@h"], stdout=full, stderr=subprocess.PIPE, cwd=ROOT,
                                  env=environment(), timeout=60)
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"cannot write to standard output", done.stderr)


if __name__ == "__main__":
    unittest.main()
