"""list, watch and wait, on sources that need no network."""
import json
import os
import pty
import signal
import subprocess
import tempfile
import unittest

from clitools import ROOT, TOOL, CtlTest, Running, ctl, environment


class Lists(CtlTest):
    def test_static_is_sorted_and_once(self):
        self.expect(ctl("list", "static:b@h2,a@h1,b@h2"), 0, "a@h1\nb@h2\n")

    def test_several_sources_make_one_list(self):
        self.expect(ctl("list", "static:b@h", "static:a@h,b@h"), 0, "a@h\nb@h\n")

    def test_the_empty_answer_is_status_1(self):
        self.expect(ctl("list", "static:"), 1, "", "no member: ")

    def test_the_empty_url_adds_nothing(self):
        self.expect(ctl("list", ""), 1, "", "no member: an empty URL ")
        self.expect(ctl("list", "", "static:a@h"), 0, "a@h\n")

    def test_the_own_node_is_left_out(self):
        self.expect(ctl("list", "static:a@h,b@h", "--node", "a@h"), 0, "b@h\n")
        self.expect(ctl("list", "static:a@h", "--node", "a@h"), 1, "", "no member: ")

    def test_options_after_and_before(self):
        self.expect(ctl("list", "--node=a@h", "static:a@h,b@h"), 0, "b@h\n")
        self.expect(ctl("list", "--", "static:a@h"), 0, "a@h\n")

    def test_json(self):
        outcome = ctl("list", "static:b@h2,a@h1?port=9100&zone=eu", "--json")
        self.expect(outcome, 0)
        self.assertEqual([o["node"] for o in outcome.objects], ["a@h1", "b@h2"])
        first = outcome.objects[0]
        self.assertEqual((first["type"], first["host"], first["port"], first["zone"]), ("member", "h1", 9100, "eu"))
        self.assertEqual((first["role"], first["address"], first["weight"], first["draining"]), (None, None, 1, False))

    def test_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "nodes")
            with open(path, "w", encoding="utf-8") as out:
                out.write("b@h2\na@h1\n")
            self.expect(ctl("list", "file:" + path), 0, "a@h1\nb@h2\n")

    def test_every_source_failed_is_status_3(self):
        self.expect(ctl("list", "file:/nowhere/nodes"), 3, "", "file:/nowhere/nodes failed: ")

    def test_one_of_two_failed(self):
        self.expect(ctl("list", "static:a@h", "file:/nowhere/nodes"), 0, "a@h\n", "file:/nowhere/nodes failed: ")
        self.expect(ctl("list", "static:", "file:/nowhere/nodes"), 1, "", "file:/nowhere/nodes failed: ")


class Watches(CtlTest):
    def test_lines_and_until(self):
        outcome = ctl("watch", "static:a@h1,b@h2", "--until", "2")
        self.expect(outcome, 0)
        self.assertEqual([line for line in outcome.lines if line[0] in "+-~"], ["+ a@h1", "+ b@h2"])
        self.assertIn("source static:a@h1,b@h2 answer", outcome.lines)

    def test_for_alone_ends_with_0(self):
        self.expect(ctl("watch", "static:a@h", "--for", "50ms"), 0)

    def test_for_with_until_not_reached_ends_with_1(self):
        outcome = ctl("watch", "static:a@h", "--until", "2", "--for", "50ms")
        self.expect(outcome, 1)
        self.assertIn("+ a@h", outcome.lines)

    def test_the_own_node_is_neither_printed_nor_counted(self):
        outcome = ctl("watch", "static:a@h,b@h", "--node", "a@h", "--until", "2", "--for", "50ms")
        self.expect(outcome, 1)
        self.assertIn("+ b@h", outcome.lines)
        self.assertNotIn("+ a@h", outcome.lines)
        self.expect(ctl("watch", "static:a@h,b@h", "--node", "a@h", "--until", "1"), 0)

    def test_status_lines(self):
        outcome = ctl("watch", "static:a@h,b@h", "--node", "c@h", "--quorum", "3", "--for", "50ms")
        self.expect(outcome, 0)
        self.assertIn("status ready 3/3", outcome.lines)

    def test_a_warning_goes_to_stderr(self):
        self.expect(ctl("watch", "static:a@host", "--node", "b@10.0.0.1", "--for", "50ms"), 0, None, "has a long name")

    def test_a_failed_source_says_why(self):
        outcome = ctl("watch", "file:/nowhere/nodes", "--for", "50ms")
        self.expect(outcome, 0)
        self.assertRegex(outcome.out, r"(?m)^source file:/nowhere/nodes failed .+")

    def test_a_file_that_changes(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "nodes")

            def write(text):
                with open(path + ".new", "w", encoding="utf-8") as out:
                    out.write(text)
                os.rename(path + ".new", path)

            write("a@h\nb@h\n")
            with Running("watch", "file:%s?interval=50ms&port=1" % path) as watch:
                watch.line("+ a@h")
                watch.line("+ b@h")
                write("b@h\nc@h\n")
                lines = [watch.line(lambda line: line[0] in "+-") for _ in range(2)]
                self.assertEqual(sorted(lines), ["+ c@h", "- a@h"])
                watch.signal(signal.SIGTERM)
                self.assertEqual(watch.end(), 0)

    def test_more_than_the_queue_holds_is_printed_all_the_same(self):
        count = 6000
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "nodes")
            with open(path, "w", encoding="utf-8") as out:
                out.writelines("n%05d@h\n" % i for i in range(count))
            outcome = ctl("watch", "file:" + path, "--until", str(count))
            self.expect(outcome, 0)
            joined = [line for line in outcome.lines if line.startswith("+ ")]
            self.assertEqual(joined, ["+ n%05d@h" % i for i in range(count)])

    def test_a_change_says_from_what_to_what(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "nodes")
            with open(path, "w", encoding="utf-8") as out:
                out.write("")
            # the first source is the better one: when it begins to list a@h its port and zone count
            with Running("watch", "file:%s?interval=50ms&port=9100&zone=eu" % path, "static:a@h") as watch:
                watch.line("+ a@h")
                with open(path, "w", encoding="utf-8") as out:
                    out.write("a@h\n")
                line = watch.line(lambda text: text.startswith("~ "))
                self.assertEqual(line, "~ a@h port 0 -> 9100, zone - -> eu")

    def test_interrupted_ends_well(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with Running("watch", "static:a@h") as watch:
                watch.line("+ a@h")
                watch.signal(number)
                self.assertEqual(watch.end(), 0)
                self.assertEqual(watch.errors, [])

    def test_interrupted_before_until_is_a_negative_answer(self):
        with Running("watch", "static:a@h", "--until", "2") as watch:
            watch.line("+ a@h")
            watch.signal(signal.SIGINT)
            self.assertEqual(watch.end(), 1)

    def test_json(self):
        outcome = ctl("watch", "static:a@h?port=7", "file:/nowhere/nodes", "--for", "50ms", "--json")
        self.expect(outcome, 0)
        by_type = {}
        for o in outcome.objects:
            by_type.setdefault(o["type"], []).append(o)
        self.assertEqual([(o["node"], o["port"], o["revision"]) for o in by_type["join"]], [("a@h", 7, 1)])
        states = {o["url"]: o["state"] for o in by_type["source"]}
        self.assertEqual(states, {"static:a@h?port=7": "answer", "file:/nowhere/nodes": "failed"})
        self.assertTrue(by_type["status"])

    def test_colour_on_a_terminal_only(self):
        def on_terminal(**env):
            ours, theirs = pty.openpty()
            process = subprocess.Popen([TOOL, "watch", "static:a@h", "--until", "1"], stdout=theirs, stdin=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE, cwd=ROOT, env=environment(**env))
            os.close(theirs)
            said = b""
            while True:
                try:
                    more = os.read(ours, 4096)
                except OSError:
                    break
                if not more:
                    break
                said += more
            os.close(ours)
            process.communicate(timeout=60)
            return said

        self.assertIn(b"\033[32m+ a@h", on_terminal(TERM="xterm"))
        self.assertNotIn(b"\033", on_terminal(TERM="dumb"))
        self.assertNotIn(b"\033", on_terminal(TERM="xterm", NO_COLOR="1"))
        self.assertNotIn("\033", ctl("watch", "static:a@h", "--until", "1", TERM="xterm").out)


class Waits(CtlTest):
    def test_runs_the_command_when_ready(self):
        self.expect(ctl("wait", "static:a@h,b@h", "--quorum", "3", "--", "echo", "--ready", "now"), 0, "--ready now\n")

    def test_the_commands_status_is_its_own(self):
        self.assertEqual(ctl("wait", "static:a@h", "--quorum", "1", "--", "sh", "-c", "exit 7").code, 7)

    def test_too_few_in_time(self):
        self.expect(ctl("wait", "static:a@h", "--quorum", "3", "--for", "50ms", "--", "echo", "no"), 1, "",
                    "2 of 3 nodes are there after 50ms")

    def test_says_which_source_failed(self):
        self.expect(ctl("wait", "file:/nowhere/nodes", "--quorum", "2", "--for", "50ms", "--", "true"), 1, "",
                    "file:/nowhere/nodes failed: ")

    def test_no_such_command(self):
        self.expect(ctl("wait", "static:a@h", "--quorum", "1", "--", "/nowhere/program"), 3, "", "cannot run /nowhere/program")

    def test_interrupted_does_not_run_it(self):
        with Running("wait", "static:a@h", "--quorum", "9", "--", "echo", "no") as wait:
            wait.until_it_catches(signal.SIGINT)
            wait.signal(signal.SIGINT)
            self.assertEqual(wait.end(), 1)
            self.assertEqual(wait.lines, [])

    def test_a_node_that_appears_later(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "nodes")
            with open(path, "w", encoding="utf-8") as out:
                out.write("a@h\n")
            with Running("wait", "file:%s?interval=50ms" % path, "--quorum", "3", "--json", "--", "echo", "go") as wait:
                with open(path, "a", encoding="utf-8") as out:
                    out.write("b@h\n")
                self.assertEqual(wait.end(), 0)
                self.assertEqual(json.loads(wait.lines[0]), {"type": "ready", "members": 2, "quorum": 3})
                self.assertEqual(wait.lines[1:], ["go"])


if __name__ == "__main__":
    unittest.main()
