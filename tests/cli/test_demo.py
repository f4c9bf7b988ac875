"""clusterctl demo: the story to its end, interrupted, on a terminal, without a network, with a guest."""
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time
import unittest

from clitools import ROOT, TOOL, CtlTest, Running, ctl, environment, free_port, until

NODES = ["red@127.0.0.1", "green@127.0.0.1", "blue@127.0.0.1"]
SHARDS = 256


def meeting_place():
    """A group and port of this test alone, so that tests and demos beside it are not disturbed."""
    return "239.76.67.2:%d" % free_port(socket.SOCK_DGRAM, neighbours=2)


class Story(CtlTest):
    def test_piped(self):
        outcome = ctl("demo", "--group", meeting_place())
        self.expect(outcome, 0)
        said = outcome.out
        self.assertIn("all see each other and place the 256 shards alike", said)
        self.assertIn("killed blue", said)
        self.assertRegex(said, r"blue left: \d+ of 256 shards moved")
        self.assertIn("started blue again", said)
        self.assertRegex(said, r"blue joined: \d+ of 256 shards moved")
        self.assertRegex(outcome.lines[-1], r"done in \d+\.\d s$")
        rows = re.findall(r"^ +(\w+@\S+) +(\d+) shards, (\d) members: ([\w ]+)(.*)$", said, re.M)
        self.assertEqual([row[0] for row in rows], NODES + NODES[:2] + NODES)
        for few in (rows[:3], rows[3:5], rows[5:]):
            self.assertEqual(sum(int(row[1]) for row in few), SHARDS)
            self.assertEqual({row[2] for row in few}, {str(len(few))})
        for row in rows[3:5]:
            self.assertRegex(row[4], r"; took over \d+ from blue")
        self.assertRegex(rows[7][4], r"; took over \d+ from (red|green)")
        self.assertNotIn("\033", said)

    def test_json(self):
        outcome = ctl("demo", "--json", "--group", meeting_place())
        self.expect(outcome, 0)
        objects = outcome.objects
        steps = [o for o in objects if o["type"] == "step"]
        self.assertEqual([o["step"] for o in steps], ["formed", "left", "returned"])
        for step in steps:
            alive = NODES[:2] if step["step"] == "left" else NODES
            self.assertEqual([n["node"] for n in step["nodes"]], alive)
            for node in step["nodes"]:
                self.assertEqual(sorted(node["members"]), sorted(alive))
            self.assertEqual(sum(n["shards"] for n in step["nodes"]), SHARDS)
        formed = {n["node"]: n["shards"] for n in steps[0]["nodes"]}
        self.assertEqual(formed, {n["node"]: n["shards"] for n in steps[2]["nodes"]})
        taken = sum(t["shards"] for n in steps[1]["nodes"] for t in n["took"] if t["from"] == NODES[2])
        self.assertEqual(taken, formed[NODES[2]])
        kill = [o for o in objects if o["type"] == "kill"]
        self.assertEqual([o["node"] for o in kill], NODES[2:])
        leaves = {(o["at"], o["node"]) for o in objects if o["type"] == "leave"}
        self.assertTrue({(NODES[0], NODES[2]), (NODES[1], NODES[2])} <= leaves)
        self.assertEqual((objects[-1]["type"], objects[-1]["status"]), ("end", 0))
        times = [o["time"] for o in objects]
        self.assertEqual(times, sorted(times))

    def test_a_second_demo_at_the_same_place_is_refused(self):
        place = meeting_place()
        with Running("demo", "--stay", "--json", "--group", place) as demo:
            demo.object(type="start")
            self.expect(ctl("demo", "--group", place), 3, "", "a demo runs here already")

    def test_output_that_nobody_reads_ends_it(self):
        demo = subprocess.Popen([TOOL, "demo", "--stay", "--json", "--group", meeting_place()], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), start_new_session=True)
        self.assertEqual(json.loads(demo.stdout.readline())["type"], "start")
        demo.stdout.close()
        self.assertEqual((demo.wait(60), demo.stderr.read()), (3, b""))
        demo.stderr.close()
        with self.assertRaises(ProcessLookupError):
            os.killpg(demo.pid, 0)


class Beside(CtlTest):
    """Other commands meet the nodes of a demo."""

    def test_watch_and_list_by_gossip(self):
        place = meeting_place()
        url = "gossip:%s?if=127.0.0.1&ttl=0&interval=600ms&max-age=1500ms" % place
        with Running("demo", "--stay", "--json", "--group", place) as demo:
            demo.object(type="step", step="returned")
            self.expect(ctl("list", url), 0, "".join(sorted(node + "\n" for node in NODES)))
            with Running("watch", url) as watch:
                self.assertEqual({watch.line(lambda line: line[0] == "+") for _ in NODES}, {"+ " + node for node in NODES})
                demo.signal(signal.SIGINT)
                self.assertEqual({watch.line(lambda line: line[0] == "-") for _ in NODES}, {"- " + node for node in NODES})
        self.expect(ctl("list", url), 1, "", "no member: ")


class Leaving(CtlTest):
    """Who ends in good order is gone at once, for those who would wait an hour otherwise."""

    def test_an_interrupted_watch_withdraws_its_node(self):
        url = "gossip:%s?if=127.0.0.1&ttl=0&interval=300ms&max-age=1h&announce=on&secret=s" % meeting_place()
        with Running("watch", url, "--node", "a@127.0.0.1") as stays, Running("watch", url, "--node", "b@127.0.0.1") as goes:
            stays.line("+ b@127.0.0.1")
            goes.line("+ a@127.0.0.1")
            goes.signal(signal.SIGTERM)
            self.assertEqual((goes.end(), goes.errors), (0, []))
            stays.line("- b@127.0.0.1")


class Interrupted(CtlTest):
    def test_no_process_is_left(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number), Running("demo", "--group", meeting_place()) as demo:
                demo.line(lambda line: "started blue" in line)
                demo.signal(number)
                self.assertEqual(demo.end(), 3)
                self.assertEqual(demo.errors, ["clusterctl: interrupted before the demo was over"])
                self.assertTrue(demo.group_is_gone())

    def test_the_terminals_interrupt_reaches_all_and_ends_well(self):
        with Running("demo", "--stay", "--json", "--group", meeting_place()) as demo:
            demo.object(type="step", step="returned")
            os.killpg(demo.process.pid, signal.SIGINT)
            self.assertEqual(demo.end(), 0)
            self.assertEqual(demo.errors, [])
            self.assertTrue(demo.group_is_gone())

    def test_killed_it_takes_its_nodes_along(self):
        with Running("demo", "--json", "--group", meeting_place()) as demo:
            demo.object(type="start", node=NODES[2])
            demo.signal(signal.SIGKILL)
            demo.process.wait()
            until(demo.group_is_gone, "no process is left")

    def test_a_node_that_dies_by_another_hand(self):
        with Running("demo", "--json", "--group", meeting_place()) as demo:
            pid = demo.object(type="start", node=NODES[0])["pid"]
            os.kill(pid, signal.SIGTERM)
            self.assertEqual(demo.end(), 3)
            self.assertEqual(demo.errors, ["clusterctl: red@127.0.0.1 ended before its time: signal 15"])
            self.assertTrue(demo.group_is_gone())


class Stays(CtlTest):
    def test_a_guest_comes_and_is_killed(self):
        place = meeting_place()
        with Running("demo", "--stay", "--json", "--group", place) as demo:
            demo.object(type="step", step="returned")
            with Running("demo", "--join", "--json", "--group", place) as guest:
                started = guest.object(type="start")
                name = started["node"]
                self.assertEqual(name, "guest-%d@127.0.0.1" % started["pid"])
                for node in NODES:
                    demo.object(type="join", node=name)
                owned = demo.object(type="step", step="settled")
                self.assertTrue(all(name in n["members"] for n in owned["nodes"]))
                self.assertLess(sum(n["shards"] for n in owned["nodes"]), SHARDS)
                os.kill(started["pid"], signal.SIGKILL)
                self.assertEqual(guest.end(), 0)
            demo.object(type="leave", node=name)
            settled = demo.object(type="step", step="settled")
            self.assertEqual(sum(n["shards"] for n in settled["nodes"]), SHARDS)
            demo.signal(signal.SIGINT)
            self.assertEqual(demo.end(), 0)
            self.assertTrue(demo.group_is_gone())

    def test_a_killed_node_comes_back(self):
        with Running("demo", "--stay", "--json", "--group", meeting_place()) as demo:
            pid = demo.object(type="start", node=NODES[1])["pid"]
            demo.object(type="step", step="returned")
            os.kill(pid, signal.SIGKILL)
            demo.object(type="lost", node=NODES[1])
            again = demo.object(type="start", node=NODES[1])["pid"]
            self.assertNotEqual(pid, again)
            demo.object(type="join", node=NODES[1])

    def test_a_guest_alone_says_so_and_ends_when_asked(self):
        with Running("demo", "--join", "--group", meeting_place()) as guest:
            guest.line(lambda line: "nobody else is there yet" in line)
            guest.signal(signal.SIGTERM)
            self.assertEqual(guest.end(), 0)
            self.assertTrue(guest.group_is_gone())


class Screen:
    """clusterctl on a pseudo-terminal."""

    def __init__(self, *arguments, rows=30, columns=100, **env):
        self.ours, theirs = pty.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen([TOOL, *arguments], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, cwd=ROOT,
                                        env=environment(**{"TERM": "xterm", **env}), start_new_session=True)
        os.close(theirs)
        self.said = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        """More of what it draws; False at its end."""
        try:
            more = os.read(self.ours, 65536)
        except OSError:
            return False
        self.said += more
        return bool(more)

    def read_until(self, wanted):
        end = time.monotonic() + 60
        while wanted not in self.said:
            if time.monotonic() > end or not self.read():
                raise AssertionError("%r was not drawn:\n%r" % (wanted, self.said[-4000:]))

    def finish(self):
        while self.read():
            pass
        os.close(self.ours)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err.decode()

    def text(self):
        return self.said.decode("utf-8", "replace")

    def frames(self):
        """Each picture, its lines without colours."""
        pictures = self.text().split("\033[?25l")[1:]
        return [re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", picture).replace("\r", "").split("\n") for picture in pictures]


class Terminal(CtlTest):
    def test_a_live_picture(self):
        screen = Screen("demo", "--group", meeting_place())
        code, err = screen.finish()
        self.assertEqual((code, err), (0, ""))
        text = screen.text()
        self.assertTrue(text.rstrip().endswith("\033[?25h\033[0m"), repr(text[-200:]))
        self.assertIn("\033[91m", text)
        self.assertIn("\u2588" * 3, re.sub(r"\033\[[0-9;]*m", "", text))
        frames = screen.frames()
        self.assertGreater(len(frames), 10)
        for frame in frames:
            self.assertLessEqual(len(frame), 30)
            for line in frame:
                self.assertLess(len(line), 100)
        last = "\n".join(frames[-1])
        for word in ("red", "green", "blue", "done in", "all nodes agree"):
            self.assertIn(word, last)
        self.assertTrue(any("killed" in line for frame in frames for line in frame if "blue" in line))

    def test_letters_where_there_is_no_colour(self):
        screen = Screen("demo", "--group", meeting_place(), NO_COLOR="1")
        screen.read_until(b"all nodes agree")
        screen.process.send_signal(signal.SIGINT)
        self.assertEqual(screen.finish()[0], 3)
        self.assertNotIn("\033[9", screen.text())
        cells = [line for line in screen.frames()[-1] if re.fullmatch(r" [rgbRGB]{64}", line)]
        self.assertEqual(len(cells), SHARDS // 64)

    def test_it_follows_the_size(self):
        screen = Screen("demo", "--stay", "--group", meeting_place(), rows=40, columns=140)
        screen.read_until("\u2588".encode())
        mark = len(screen.said)
        screen.resize(20, 60)
        screen.process.send_signal(signal.SIGWINCH)
        while b"\033[H\033[2J" not in screen.said[mark:]:
            self.assertTrue(screen.read())
        mark = screen.said.index(b"\033[H\033[2J", mark)
        while screen.said.count(b"\033[?25l", mark) < 3:
            self.assertTrue(screen.read())
        screen.process.send_signal(signal.SIGINT)
        self.assertEqual(screen.finish(), (0, ""))
        screen.said = screen.said[mark:]
        for frame in screen.frames():
            self.assertLessEqual(len(frame), 20)
            for line in frame:
                self.assertLess(len(line), 60)

    def test_interrupted_it_gives_the_cursor_back(self):
        screen = Screen("demo", "--group", meeting_place())
        screen.read_until(b"\033[?25l")
        screen.process.send_signal(signal.SIGINT)
        code, err = screen.finish()
        self.assertEqual((code, err), (3, "clusterctl: interrupted before the demo was over\n"))
        self.assertTrue(screen.text().rstrip().endswith("\033[?25h\033[0m"))

    def test_suspended_it_gives_the_cursor_back_too(self):
        screen = Screen("demo", "--stay", "--group", meeting_place())
        screen.read_until(b"all nodes agree")
        screen.process.send_signal(signal.SIGTSTP)
        screen.read_until(b"\033[?25h")
        _, status = os.waitpid(screen.process.pid, os.WUNTRACED)
        self.assertTrue(os.WIFSTOPPED(status))
        screen.said = b""
        screen.process.send_signal(signal.SIGCONT)
        screen.read_until(b"all nodes agree")
        screen.process.send_signal(signal.SIGINT)
        self.assertEqual(screen.finish(), (0, ""))

    def test_plain_lines_on_a_dumb_or_tiny_terminal(self):
        for options in ({"TERM": "dumb"}, {"rows": 5}, {"columns": 20}):
            screen = Screen("demo", "--group", meeting_place(), **options)
            self.assertEqual(screen.finish(), (0, ""))
            self.assertNotIn("\033", screen.text())
            self.assertIn("blue left", screen.text())


SWALLOW = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/socket.h>
ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length)
{
    ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    if (to && to->sa_family == AF_INET && ntohl(((const struct sockaddr_in *)to)->sin_addr.s_addr) >> 28 == 14)
        return (ssize_t)size;
    *(void **)&real = dlsym(RTLD_NEXT, "sendto");
    return real(fd, data, size, flags, to, length);
}
"""


class Deaf(CtlTest):
    """Multicast packets are taken and go nowhere, as a firewall has it."""

    def test_it_goes_over_to_broadcast(self):
        with tempfile.TemporaryDirectory() as folder:
            source, shim = os.path.join(folder, "swallow.c"), os.path.join(folder, "swallow.so")
            with open(source, "w", encoding="ascii") as out:
                out.write(SWALLOW)
            subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True, timeout=60)
            outcome = ctl("demo", "--json", "--group", meeting_place(), LD_PRELOAD=shim)
        self.expect(outcome, 0)
        fallback = [o for o in outcome.objects if o["type"] == "fallback"]
        self.assertEqual([o["to"] for o in fallback], ["broadcast"])
        self.assertIn("do not come back", fallback[0]["why"])
        self.assertEqual([o["step"] for o in outcome.objects if o["type"] == "step"], ["formed", "left", "returned"])


def namespace_works():
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        return False
    return subprocess.run(["unshare", "-n", "true"], stderr=subprocess.DEVNULL).returncode == 0


@unittest.skipUnless(namespace_works(), "no network namespaces here: they need root, unshare and ip")
class NoNetwork(CtlTest):
    """In a network namespace of its own, where not even loopback is up. The usual meeting place is free there."""
    UP = "ip link set lo up; "

    def test_loopback_is_brought_up(self):
        outcome = ctl("demo", prefix=["unshare", "-n"])
        self.expect(outcome, 0)
        self.assertIn("the loopback interface was down: brought it up", outcome.out)
        self.assertNotIn("broadcast", outcome.out)

    def test_loopback_is_up(self):
        outcome = ctl("demo", "--json", prefix=["unshare", "-n", "sh", "-c", self.UP + "exec \"$@\"", "sh"])
        self.expect(outcome, 0)
        self.assertFalse({"loopback", "fallback"} & {o["type"] for o in outcome.objects})

    def test_without_multicast_it_goes_over_to_broadcast(self):
        no_groups = self.UP + "echo 0 > /proc/sys/net/ipv4/igmp_max_memberships; exec \"$@\""
        prefix = ["unshare", "-n", "sh", "-c", no_groups, "sh"]
        outcome = ctl("demo", prefix=prefix)
        self.expect(outcome, 0)
        self.assertEqual(outcome.out.count("meeting by broadcast"), 1)
        self.assertIn("blue left", outcome.out)
        outcome = ctl("demo", "--json", prefix=prefix)
        self.expect(outcome, 0)
        self.assertEqual([o["to"] for o in outcome.objects if o["type"] == "fallback"], ["broadcast"])

    def test_a_guest_goes_over_to_broadcast_too(self):
        both = self.UP + ("echo 0 > /proc/sys/net/ipv4/igmp_max_memberships; "
                          "\"$1\" demo --join --json > /dev/null & exec \"$1\" demo --stay --json")
        with Running("-c", both, "sh", TOOL, program="/bin/sh", prefix=["unshare", "-n"]) as demo:
            demo.line(lambda line: json.loads(line)["type"] == "join" and json.loads(line)["node"].startswith("guest-"))

    @unittest.skipUnless(shutil.which("setpriv"), "no setpriv here: package util-linux has it")
    def test_loopback_that_may_not_be_changed(self):
        nobody = ["unshare", "-n", "setpriv", "--reuid", "65534", "--clear-groups"]
        self.expect(ctl("demo", prefix=nobody), 3, "", "run `ip link set lo up` as root")


if __name__ == "__main__":
    unittest.main()
