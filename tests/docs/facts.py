#!/usr/bin/env python3
"""Write the line of facts in README.md from what is measured. With --check, say whether it still holds: figures may be off by
a twentieth, all else must be as it is."""
import os
import platform
import re
import subprocess
import sys
import tempfile

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]
from doctools import ROOT, compiler, grouped, main, read, write_regions  # noqa: E402

PAGE = "README.md"
COMMAND = "python3 tests/docs/facts.py"
TOLERANCE = 0.05


def run(*argv):
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True).stdout


def text_size(flags):
    """Of the object with the whole library: code, constants, unwind tables."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "cluster.o")
        run(compiler(), "-c", *flags, "-DCLUSTER_IMPLEMENTATION", "-x", "c", "cluster.h", "-o", out)
        return int(run("size", out).split("\n")[1].split()[0])


def libraries():
    """What a program with the whole library is linked with."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "program")
        run(compiler(), "-std=c99", "-Wpedantic", "-Werror", "examples/watch.c", "-o", out)
        return re.findall(r"NEEDED.*\[(.*?)\]", run("readelf", "-d", out))


def regions():
    licence = read("LICENSE").split(" ")[0]
    lines = grouped(round(len(read("cluster.h").split("\n")), -2))
    needs = [name for name in libraries() if not name.startswith(("libc.so", "ld-"))]
    if needs:
        raise AssertionError("a program with cluster.h needs more than libc: " + ", ".join(needs))
    size = round(text_size(["-Os", "-std=c99"]) / 1024) if platform.machine() == "x86_64" else 0
    return {"facts": "%s licence · C99, and C++11 · one header of %s lines · a %d KiB object (`-Os`, x86-64) · needs libc and POSIX "
                     "sockets, nothing else" % (licence, lines, size)}


def numbers(text):
    return [int(number.replace(",", "")) for number in re.findall(r"(?<![\w-])\d[\d,]*(?= lines| KiB)", text)]


def near(page, wanted, check, command):
    """As write_regions, but figures that are near enough are current."""
    if check:
        written = re.search(r"<!-- begin facts[^>]*-->\n(.*?)\n<!-- end facts -->", read(page), re.S)
        then, now = (written.group(1) if written else ""), wanted["facts"]
        pairs = list(zip(numbers(then), numbers(now)))
        if (re.sub(r"\d[\d,]* (lines|KiB)", "", then) == re.sub(r"\d[\d,]* (lines|KiB)", "", now) and len(pairs) == 2
                and all(b == 0 or abs(a - b) <= TOLERANCE * b for a, b in pairs)):
            return ""
    return write_regions(page, wanted, check, command)


if __name__ == "__main__":
    sys.exit(main(COMMAND, PAGE, regions, sys.argv[1:], near))
