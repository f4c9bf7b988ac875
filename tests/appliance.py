#!/usr/bin/env python3
"""How large examples/appliance.c is and what memory it takes: the rows of docs/appliance.md. With --write they go there."""
import functools
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from tools import ROOT, STRICT, built, compile_c, must, tool  # noqa: E402

PAGE = os.path.join(ROOT, "docs", "appliance.md")
MACHINES = {"x86-64, musl": ("musl-gcc", None), "32-bit ARM, glibc": ("arm-linux-gnueabihf-gcc", "qemu-arm"),
            "s390x (big-endian), glibc": ("s390x-linux-gnu-gcc", "qemu-s390x")}
COUNTS = (2, 128)
FLAGS = ["-std=c99", "-Os", "-fno-asynchronous-unwind-tables", *STRICT]  # there is nobody to unwind for


@functools.lru_cache(maxsize=None)
def build(machine):
    compiler = MACHINES[machine][0]
    return compile_c(compiler, built("appliance", compiler), "examples/appliance.c", [*FLAGS, "-static", "-s"])


def own_bytes(machine):
    """What it adds to the C library: code and constants of its object, with those of the library in it."""
    compiler = MACHINES[machine][0]
    out = compile_c(compiler, built("appliance", compiler + ".o"), "examples/appliance.c", [*FLAGS, "-fno-pie", "-c"])
    text, data = must(["size", out]).split("\n")[1].split()[:2]
    return int(text) + int(data)


def command(machine, *arguments):
    emulator = MACHINES[machine][1]
    return [*([tool(emulator)] if emulator else []), build(machine), *arguments]


def heartbeat(name):
    """A gossip packet as libcluster makes them."""
    return b"heartbeat::\x83\x74\0\0\0\1\x77\x04node\x77" + struct.pack("B", len(name)) + name.encode()


class Appliance:
    """One at work: a file with some nodes, and gossip on a port of its own, where the rest is announced."""

    def __init__(self, machine, listed, prefix=()):
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "nodes")
        with open(path, "w", encoding="ascii") as out:
            out.writelines("n%03d@10.0.1.%d\n" % (i, i) for i in range(listed))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        url = "gossip:255.255.255.255:%d?broadcast=on&announce=off&limit=128" % self.port
        self.process = subprocess.Popen([*prefix, *command(machine, "box@10.0.0.7", "file:" + path, url)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.patience = threading.Timer(60, self.process.kill)
        self.patience.start()

    def until(self, wanted):
        """Read lines until one begins like this."""
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if self.lines[-1].startswith(wanted):
                return self.lines[-1]
        raise AssertionError("it ended before `%s`:\n%s\n%s" % (wanted, "\n".join(self.lines), self.process.stderr.read()))

    def announce(self, name):
        self.socket.sendto(heartbeat(name), ("127.0.0.1", self.port))

    def status(self, field):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))

    def end(self):
        """Exit status and last line."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=60)
        self.patience.cancel()
        self.socket.close()
        self.folder.cleanup()
        return self.process.returncode, (self.lines + out.splitlines())[-1], err


def measure():
    """file bytes, and for each count of members: peak KiB resident, and bytes of the buffer."""
    machine, found = "x86-64, musl", {}
    found["file"] = os.path.getsize(build(machine))
    for count in COUNTS:
        box = Appliance(machine, count - 1)
        box.until("map ")
        resident = box.status("VmHWM")
        _, last, _ = box.end()
        found[count] = resident, int(re.fullmatch(r"memory (\d+) of \d+", last).group(1))
    return found


def rows():
    found = measure()
    lines = ["| what | |", "|---|--:|", "| the binary, static, with musl, x86-64 | %d bytes |" % found["file"]]
    lines += ["| code and constants beside the C library's, %s | %d bytes |" % (machine.rpartition(",")[0], own_bytes(machine))
              for machine in MACHINES]
    for count in COUNTS:
        lines.append("| peak memory of the process with %d members | %d KiB |" % (count, found[count][0]))
        lines.append("| of it from the program's own buffer | %d bytes |" % found[count][1])
    return "\n".join(lines) + "\n"


def main():
    if sys.argv[1:] not in ([], ["--write"]):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    os.chdir(ROOT)
    text = rows()
    print(text, end="")
    if sys.argv[1:]:
        with open(PAGE, encoding="utf-8") as f:
            page = f.read()
        with open(PAGE, "w", encoding="utf-8") as f:
            f.write(re.sub(r"(<!-- begin appliance[^>]*-->\n).*?(<!-- end appliance -->)", lambda m: m.group(1) + text + m.group(2), page,
                           flags=re.S))
    return 0


if __name__ == "__main__":
    must(["make", "-s", "cluster.h"], cwd=ROOT)
    sys.exit(main())
