"""Every loop of examples/loops/ runs the same story: joins and leaves of three kinds of sources, sockets that come and go many
times a second, answers that are cut or never come, bursts beyond a step's budget, rest, signals, and bad input."""
import glob
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from clitools import FakeEpmd, Running, free_port, until
from exampletools import example
from tools import ROOT, SANITIZERS, Failure, Skip

HERE = "tests/examples/"
LOOPS = sorted(os.path.basename(path)[:-2] for path in glob.glob(os.path.join(ROOT, "examples/loops/*.c")))
MORE = {"kqueue": ["-DKQUEUE_HERE", "-I" + HERE + "kqueue"]}


def heartbeat(name):
    """A gossip packet as libcluster makes them."""
    return b"heartbeat::\x83\x74\0\0\0\1\x77\x04node\x77" + struct.pack("B", len(name)) + name.encode()


class CountingEpmd(FakeEpmd):
    """It counts connections."""
    accepted = 0

    def get_request(self):
        self.accepted += 1
        return super().get_request()


class Loop:
    """The cases; one class for each loop below."""
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        try:
            cls.program = example("examples/loops/%s.c" % cls.loop, "loop-" + cls.loop, HERE + "frugal.c",
                                  "-Wl,--wrap=cluster_create", *MORE.get(cls.loop, []))
        except Skip as skip:
            raise unittest.SkipTest(str(skip))
        except Failure as failure:
            raise AssertionError(str(failure))
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)

    def start(self, *urls):
        return Running(*urls, program=self.program, **SANITIZERS)

    def ends_cleanly(self, watch, number):
        watch.signal(number)
        self.assertEqual((watch.end(), watch.errors), (0, []), watch.story())

    @staticmethod
    def members(watch):
        """What its lines add up to."""
        found = set()
        for line in watch.lines:
            if line[:2] == "+ ":
                assert line[2:] not in found, "joined twice: " + line
                found.add(line[2:])
            elif line[:2] == "- ":
                found.remove(line[2:])
        return found

    def has(self, watch, *names):
        until(lambda: watch.process.poll() is not None or self.members(watch) == set(names), "members are " + " ".join(names))
        self.assertEqual(self.members(watch), set(names), watch.story())

    def write(self, *names):
        path = os.path.join(self.folder, "nodes")
        with open(path + ".new", "w", encoding="ascii") as out:
            out.writelines(name + "\n" for name in names)
        os.replace(path + ".new", path)
        return path

    def test_the_story(self):
        path, port = self.write("a@h", "b@h"), free_port(socket.SOCK_DGRAM)
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sender.close)
        epmds = []
        for i in range(6):
            epmds.append(CountingEpmd({"x%d" % i: 9000 + i}))
            self.addCleanup(epmds[i].__exit__)
        fixed = ["x%d@127.0.0.1" % i for i in range(6)]
        url = "epmd:%s?interval=10ms&misses=1&timeout=300ms" % ",".join("127.0.0.1:%d" % epmd.port for epmd in epmds)
        with self.start("file:%s?interval=10ms" % path, url, "gossip:233.252.1.32:%d?if=lo&max-age=0" % port) as watch:
            # joins and leaves
            self.has(watch, "a@h", "b@h", *fixed)
            self.write("a@h", "c@h")
            self.has(watch, "a@h", "c@h", *fixed)
            # sockets come and go
            for i in range(12):
                epmds[i % 6].names = {"x%d" % (i % 6): 9000, "y": 9100} if i % 2 else {"x%d" % (i % 6): 9000}
                self.has(watch, "a@h", "c@h", *fixed, *(["y@127.0.0.1"] if i % 2 else []))
                epmds[i % 6].names = {"x%d" % (i % 6): 9000}
            self.has(watch, "a@h", "c@h", *fixed)
            # more datagrams at once than a step reads
            for burst in range(10):
                for i in range(30):
                    sender.sendto(heartbeat("g%d@10.0.0.%d" % (burst, i)), ("127.0.0.1", port))
            heard = ["g%d@10.0.0.%d" % (burst, i) for burst in range(10) for i in range(30)]
            until(lambda: watch.process.poll() is not None or sum(line.startswith("+ g") for line in watch.lines) > 100, "they are heard")
            # an answer that is cut, one that does not come, and nobody there: nobody leaves
            before = self.members(watch)
            for mode in "cut", "mute":
                epmds[3].mode = mode
                watch.line(lambda line: line.startswith("source epmd:") and not line.endswith(" answers"))
                epmds[3].mode = "good"
                watch.line(lambda line: line.startswith("source epmd:") and line.endswith(" answers"))
            epmds[3].shutdown()
            epmds[3].server_close()
            watch.line(lambda line: line.startswith("source epmd:") and "refused" in line)
            self.assertLessEqual(before, self.members(watch), watch.story())
            epmds[3] = CountingEpmd({"x3": 9003}, port=epmds[3].port)
            self.addCleanup(epmds[3].__exit__)
            watch.line(lambda line: line.startswith("source epmd:") and line.endswith(" answers"))
            # hundreds of sockets have been there, few are
            until(lambda: sum(epmd.accepted for epmd in epmds) > 400, "sockets come and go")
            self.assertLess(len(os.listdir("/proc/%d/fd" % watch.process.pid)), 100)
            # leaves, the end
            self.write("z@h")
            until(lambda: {"a@h", "c@h"}.isdisjoint(self.members(watch)), "the last leave")
            self.assertLessEqual({name for name in self.members(watch) if name[0] == "g"}, set(heard))
            self.ends_cleanly(watch, signal.SIGTERM)

    def test_rest(self):
        """With nothing due it does not run at all."""
        with self.start("static:a@h", "push:later", "static:b@h") as watch:
            self.has(watch, "a@h", "b@h")
            self.until_at_rest(watch.process.pid)
            self.ends_cleanly(watch, signal.SIGINT)

    @staticmethod
    def until_at_rest(pid):
        def sample():
            with open("/proc/%d/status" % pid, encoding="ascii") as lines:
                return [line for line in lines if "ctxt_switches" in line]

        def rests():
            before = sample()
            time.sleep(0.1)
            return sample() == before
        until(rests, "it rests")

    def test_signals_at_once(self):
        """A signal before anything else was done."""
        with self.start("epmd:127.0.0.1:1?interval=10ms") as watch:
            watch.line(lambda line: line.startswith("status"))
            self.ends_cleanly(watch, signal.SIGTERM)

    def test_bad_input(self):
        full = open("/dev/full", "wb")
        self.addCleanup(full.close)
        for arguments, stdout, code, sentence in (
                ([], None, 2, "watch: name a source"),
                (["edmp:localhost"], None, 2, "watch: unknown scheme 'edmp'"),
                (["static:a@h", "file:x?intervall=1s"], None, 2, "did you mean 'interval'"),
                (["static:a@h"], full, 3, "watch: the output cannot be written")):
            done = subprocess.run([self.program, *arguments], stdin=subprocess.DEVNULL, stdout=stdout or subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=60, env=dict(os.environ, **SANITIZERS), cwd=ROOT)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(sentence, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_no_descriptors(self):
        """Where the loop cannot get what it needs, it says so. select needs nothing; GLib, libev and libevent end the process."""
        if self.loop in ("select", "glib", "libev", "libevent"):
            return
        done = subprocess.run([self.program, "static:a@h"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              env=dict(os.environ, NO_DESCRIPTORS="1", ASAN_OPTIONS="detect_leaks=0"))
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        self.assertIn("watch: ", done.stderr)

    def test_what_a_source_cannot_do(self):
        """No file, no permission to read a directory as one, no network: a sentence, and the others go on."""
        with self.start("file:%s/none?interval=10ms" % self.folder, "file:%s" % self.folder, "static:a@h") as watch:
            until(lambda: sum("source file:" in line and "answers" not in line for line in watch.lines) >= 2, "both failed")
            self.has(watch, "a@h")
            self.ends_cleanly(watch, signal.SIGTERM)


class Sources(unittest.TestCase):
    def test_short(self):
        for path in glob.glob(os.path.join(ROOT, "examples/loops/*.[ch]")):
            with open(path, encoding="ascii") as lines:
                self.assertLessEqual(len(lines.readlines()), 120, path)

    def test_without_kqueue(self):
        if sys.platform.startswith("linux"):
            done = subprocess.run([example("examples/loops/kqueue.c", "no-kqueue"), "static:a@h"], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr.count("take epoll.c")), (3, 1))


for _loop in LOOPS:
    globals()["Loop_" + _loop] = type("Loop_" + _loop, (Loop, unittest.TestCase), {"loop": _loop})

if __name__ == "__main__":
    unittest.main()
