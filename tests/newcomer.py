#!/usr/bin/env python3
"""What a newcomer does first, in a fresh Debian root with nothing but a compiler, make and python3: the commands of README.md as they
stand, one event loop, one binding. `make newcomer`; it needs root, debootstrap and a network, so it is no part of `make test`.
--root DIR takes a root that is there."""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGES = "gcc,libc6-dev,make,python3"


def readme_blocks(language):
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
        return re.findall(r"^```%s\n(.*?)^```$" % language, f.read(), re.S | re.M)


def first_comment(path):
    """The command lines in the first comment of an example."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        lines = re.findall(r"^ \*     (.*)$", f.read().partition("*/")[0], re.M)
    return [part.strip() for line in lines for part in line.split("&&")]


def steps():
    """(command, what its output has to contain); those that would go on for ever are ended after a while."""
    commands = [line.partition("#")[0].strip() for line in readme_blocks("sh")[0].splitlines()]
    assert commands[0] == "make run", commands
    yield commands[0], "shards"
    yield "touch src/api.h && make PYTHON=none", "taken as it is"
    session = next(block for block in readme_blocks("console") if "watch.c" in block)
    yield re.search(r"^\$ (cc .*)$", session, re.M).group(1), ""
    yield "printf 'a@h\\n' > nodes.txt", ""
    yield "timeout 2 ./watch file:nodes.txt || true", "+ a@h"
    build, run = first_comment("examples/loops/epoll.c")[:2]
    yield build, ""
    yield "timeout 2 %s || true" % run.replace("epmd:localhost", "file:nodes.txt"), "+ a@h"
    yield "make lib", ""
    yield "examples/bindings/python/place.py", "shards move"
    yield "make install PREFIX=/usr/local", ""
    yield "clusterctl list file:nodes.txt", "a@h"


def main():
    arguments = sys.argv[1:]
    if arguments and (len(arguments) != 2 or arguments[0] != "--root"):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("tests/newcomer.py: it takes root, to make a root of its own", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory() as folder:
        root = arguments[1] if arguments else os.path.join(folder, "root")
        if not arguments:
            subprocess.run(["debootstrap", "--variant=minbase", "--include=" + PACKAGES, "bookworm", root], check=True)
        subprocess.run(["rm", "-rf", root + "/work"], check=True)
        os.makedirs(root + "/work")
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "x", "-C", root + "/work"], input=archive, check=True)
        subprocess.run(["mount", "-t", "proc", "proc", root + "/proc"], check=True)
        try:
            for command, wanted in steps():
                done = subprocess.run(["chroot", root, "sh", "-c", "cd /work && " + command], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900,
                                      env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root"})
                print("%s  %s" % ("ok    " if done.returncode == 0 and wanted in done.stdout else "FAILED", command), flush=True)
                if done.returncode or wanted not in done.stdout:
                    print(done.stdout)
                    return 1
        finally:
            subprocess.run(["umount", root + "/proc"], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
