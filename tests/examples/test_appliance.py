"""The appliance: no heap, the same on small and big-endian machines, bounded by its one buffer, and as large as its page says."""
import os
import re
import shutil
import subprocess
import unittest

import appliance
from tools import ROOT, Failure, Skip, built, compile_c


def on(machine):
    try:
        for program in filter(None, appliance.MACHINES[machine]):
            if not shutil.which(program):
                raise unittest.SkipTest("no " + program)
        return appliance.build(machine)
    except Skip as skip:
        raise unittest.SkipTest(str(skip))
    except Failure as failure:
        raise AssertionError(str(failure))


class Machines(unittest.TestCase):
    def test_the_same_everywhere(self):
        """Names out of packets and files, and the placement on them, do not depend on the machine."""
        stories = {}
        for machine in appliance.MACHINES:
            with self.subTest(machine=machine):
                on(machine)
                box = appliance.Appliance(machine, 3)
                first = box.until("map ")
                box.announce("late@10.0.2.1")
                box.until("+ late@10.0.2.1")
                second = box.until("map ")
                code, last, errors = box.end()
                self.assertEqual((code, errors), (0, ""))
                self.assertRegex(last, r"^memory \d+ of 131072$")
                self.assertEqual({"+ box@10.0.0.7", "+ n000@10.0.1.0", "+ n001@10.0.1.1", "+ n002@10.0.1.2", "+ late@10.0.2.1"},
                                 {line for line in box.lines if line[0] == "+"})
                stories[machine] = first, second
        self.assertLessEqual(len(set(stories.values())), 1, stories)


class Memory(unittest.TestCase):
    MUSL = "x86-64, musl"

    def test_no_heap(self):
        """From its first instruction on it asks the system for no memory."""
        if not shutil.which("strace"):
            self.skipTest("no strace")
        on(self.MUSL)
        log = os.path.join(ROOT, "build", "tests", "appliance", "strace")
        box = appliance.Appliance(self.MUSL, 100, ["strace", "-f", "-e", "trace=execve,brk,mmap,mremap", "-o", log])
        box.until("map ")
        subprocess.run(["pkill", "-TERM", "-P", str(box.process.pid)], check=True)
        self.assertEqual(box.process.wait(60), 0)
        box.process.communicate()
        box.patience.cancel()
        with open(log, encoding="utf-8") as f:
            calls = re.findall(r"^\d+ +(\w+)\(", f.read(), re.M)
        self.assertEqual(calls, ["execve"])

    def test_the_buffer_bounds_it(self):
        """With little memory it does not start; with more nodes than it has room for it goes on with those that it has."""
        on(self.MUSL)
        small = compile_c("musl-gcc", built("appliance", "small"), "examples/appliance.c", ["-std=c99", "-static", "-DMEMORY=1024"])
        done = subprocess.run([small, "box@10.0.0.7", "static:a@10.0.0.1"], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (3, 1), done.stderr)
        box = appliance.Appliance(self.MUSL, 127)
        box.until("map ")
        for i in range(300):
            box.announce("more%d@10.0.3.%d" % (i, i % 250))
        box.announce("x" * 200 + "@10.0.0.1")
        code, last, _ = box.end()
        self.assertEqual(code, 0)
        self.assertRegex(last, "^memory ")
        self.assertFalse(any(line.startswith("+ more") for line in box.lines))

    def test_bad_input(self):
        on(self.MUSL)
        program = appliance.build(self.MUSL)
        with open("/dev/full", "wb") as full:
            for arguments, stdout, code, sentence in (([], None, 2, "it takes its own name and sources"),
                                                      (["box", "static:"], None, 2, "no node name"),
                                                      (["box@10.0.0.7", "dns:x"], None, 2, "unknown scheme 'dns'"),
                                                      (["box@10.0.0.7", "static:"], full, 3, "the output cannot be written")):
                done = subprocess.run([program, *arguments], stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60)
                self.assertEqual((done.returncode, done.stderr.count("\n")), (code, 1), done.stderr)
                self.assertIn(sentence, done.stderr)

    def test_the_page_is_not_far_off(self):
        """docs/appliance.md: written by `python3 tests/appliance.py --write`; a quarter more or less is still told as it is there."""
        for machine in appliance.MACHINES:
            on(machine)
        with open(appliance.PAGE, encoding="utf-8") as f:
            written = re.search(r"<!-- begin appliance[^>]*-->\n(.*?)<!-- end", f.read(), re.S).group(1)
        now = appliance.rows()
        self.assertEqual(re.sub(r"\d+ (bytes|KiB)", "", written), re.sub(r"\d+ (bytes|KiB)", "", now))
        for then, measured in zip(re.findall(r"(\d+) (?:bytes|KiB)", written), re.findall(r"(\d+) (?:bytes|KiB)", now)):
            self.assertLess(abs(int(then) - int(measured)), 0.25 * int(then), now)


if __name__ == "__main__":
    unittest.main()
