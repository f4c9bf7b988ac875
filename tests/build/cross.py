"""The unit tests of everything that is pure computation, on a 32-bit and on a big-endian machine under qemu; and all unit
tests under clang's memory sanitizer. Both without cmocka's library: shim/cmocka.h stands in for it."""
import glob
import os
import re

from tools import ROOT, built, cmocka_results, compile_c, must, run, tool

SHIM = ["-std=c99", "-g1", "-O1", "-Itests/build/shim", "-Itests", "-Wall", "-Werror", "-Wno-unused"]
MACHINES = {"i386": "i686-linux-gnu-gcc", "s390x": "s390x-linux-gnu-gcc"}
PURE = {"api.h", "base", "wire", "member", "place"}


def unit_tests():
    return sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "tests/unit/test_*.c")))


def name_of(path):
    return os.path.basename(path)[:-2]


def is_pure(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return set(re.findall(r'#include "\.\./\.\./src/([^/"]+)', f.read())) <= PURE


def on_machine(path, machine):
    def job():
        name = "%s-%s" % (name_of(path), machine)
        emulator = tool("qemu-" + machine)
        out = compile_c(MACHINES[machine], built("cross", name), path, ["-static", *SHIM])
        return cmocka_results(name, run([emulator, out], timeout=240))
    return "%s-%s" % (name_of(path), machine), job


def whole_on_machine(machine):
    """The amalgamation with a small program, which makes a handle there."""
    def job():
        sources = ["tests/build/%s.c" % name for name in ("implementation", "declarations", "program")]
        out = compile_c(MACHINES[machine], built("cross", "program-" + machine), sources, ["-static", "-std=c99", "-O1", "-I."])
        must([tool("qemu-" + machine), out])
    return "program-" + machine, job


def jobs():
    return ([on_machine(path, machine) for path in unit_tests() if is_pure(path) for machine in MACHINES]
            + [whole_on_machine(machine) for machine in MACHINES])


def under_memory_sanitizer(path):
    def job():
        out = compile_c("clang", built("memory", name_of(path)), path,
                        ["-fsanitize=memory", "-fsanitize-memory-track-origins", "-fno-omit-frame-pointer", *SHIM, "-O0"])
        return cmocka_results(name_of(path), run([out], timeout=240))
    return name_of(path), job


def memory_jobs():
    return [under_memory_sanitizer(path) for path in unit_tests()]
