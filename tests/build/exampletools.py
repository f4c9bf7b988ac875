"""What the tests of examples share: the library's object under sanitizers, built once for all of them, and examples built as their own `cc` lines
say, with that object in place of -DCLUSTER_IMPLEMENTATION."""
import hashlib
import os
import re
import threading

from tools import ROOT, STRICT, Skip, built, compile_c, has_implementation, must, run, tool

SANITIZED = ["-std=c99", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


_one = threading.Lock()


def implementation():
    """Named by what it is made of, so that the next process finds it."""
    made_of = hashlib.sha256(repr((SANITIZED, must(["gcc", "--version"]))).encode())
    with open(os.path.join(ROOT, "cluster.h"), "rb") as f:
        made_of.update(f.read())
    out = built("examples", "implementation-%s.o" % made_of.hexdigest()[:16])
    with _one:
        if not os.path.exists(out):
            own = "%s.%d.o" % (out[:-2], os.getpid())
            compile_c("gcc", own, "tests/build/implementation.c", ["-c", "-I.", *SANITIZED])
            os.replace(own, out)
    return out


def needs(path):
    """What the own `cc` line of an example or benchmark asks for beyond this repository: flags and libraries; Skip where they are not
    there."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        line = next((line for line in f if re.search(r"\bcc .*(examples|bench)/", line)), "")
    flags, libraries = ["-pthread"] if "-pthread" in line else [], re.findall(r"(?<=\s)-l\S+", line)
    for name in re.findall(r"pkg-config --cflags --libs ([\w.+-]+)", line):
        if run([tool("pkg-config"), "--exists", name]).code != 0:
            raise Skip("no library " + name)
        flags += must(["pkg-config", "--cflags", name]).split()
        libraries += must(["pkg-config", "--libs", name]).split()
    for library in libraries:
        if run(["gcc", "-shared", "-o", os.devnull, "-x", "c", os.devnull, library]).code != 0:
            raise Skip("no library " + library)
    return flags, libraries


def example(path, name, *more):
    """The program of an example, under sanitizers, without a warning."""
    flags, libraries = needs(path)
    sources = [path] if has_implementation(path) else [path, implementation()]
    return compile_c("gcc", built("examples", name), sources, [*SANITIZED, *STRICT, "-I.", *flags, *more], libraries)
