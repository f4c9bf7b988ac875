#!/usr/bin/env python3
"""The long tests: `make soak`, `make soak N=600`. Every fuzz target under libFuzzer for N seconds (default 60), the simulator
with 10 N seeds, split brain with 170 N, fault injection, optimised, unit tests under valgrind, rolling restarts of examples/kv.c, links
that are held for long. New inputs stay in build/soak/. The exit status is 1 if anything failed."""
import glob
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "cli"), os.path.join(HERE, "examples")]
sys.dont_write_bytecode = True
import deps  # noqa: E402
from tools import CHECKED, ROOT, SANITIZERS, Failure, Skip, built, compile_c, has_implementation, kill_all, run, tool  # noqa: E402

OPTIMISED = ["-O2" if flag == "-O1" else flag for flag in CHECKED]


def fuzz(path, seconds):
    name = os.path.basename(path)[5:-2]
    found = os.path.dirname(built("..", "soak", name, "corpus", "x"))
    binary = compile_c("clang", built("soak", "fuzz_" + name), path,
                       ["-std=c99", "-g", "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all", "-I.",
                        "-Itests"])
    done = run([binary, "-max_total_time=%d" % seconds, "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
                "-artifact_prefix=" + os.path.dirname(found) + "/", found, "tests/fuzz/corpus/" + name],
               timeout=seconds * 2 + 120, env=SANITIZERS)
    if done.code or done.late:
        raise Failure(done.describe())
    runs = [line.split()[-1] for line in done.output.split("\n") if "number_of_executed_units" in line]
    return "%s inputs" % (runs[0] if runs else "?")


def program(path, folder, arguments, seconds):
    sources = [path] if has_implementation(path) else [path, "tests/build/implementation.c"]
    name = os.path.basename(path)[:-2]
    binary = compile_c("gcc", built("soak", folder + "-" + name), sources, [*OPTIMISED, "-I.", "-Itests"], ["-lcmocka"])
    done = run([binary, *arguments], timeout=seconds * 4 + 600, env=SANITIZERS)
    if done.code or done.late:
        raise Failure(done.describe())
    return done.output.strip().split("\n")[-1]


def valgrind(path, _):
    binary = compile_c("gcc", built("soak", "valgrind-" + os.path.basename(path)[:-2]), path,
                       ["-std=c99", "-g", "-O1", "-Itests"], ["-lcmocka"])
    done = run(["valgrind", "-q", "--error-exitcode=9", "--leak-check=full", "--track-fds=no", binary], timeout=1200)
    if done.code or done.late:
        raise Failure(done.describe())
    return "clean"


def rolling(seconds):
    """Servers of a cache, restarted one after the other under load."""
    from kvtools import rolling_soak
    tool("redis-benchmark")
    return rolling_soak(compile_c("gcc", built("soak", "kv"), "examples/kv.c", ["-std=c99", "-O2", "-I.", "-DCLUSTER_IMPLEMENTATION"]), seconds)


def unittests(path, _):
    done = run([sys.executable or "python3", "tests/run.py", "--unittest", path], timeout=600)
    if done.code or done.late:
        raise Failure(done.describe())
    return "held"


SEEDS = {"tests/sim/split_brain.c": 170}  # for each second of N, where a seed takes little time


def jobs(seconds):
    for path in sorted(glob.glob("tests/interop/soak_*.py")):
        yield path, lambda p=path: unittests(p, seconds)
    yield "examples/kv.c, rolling restart", lambda: rolling(seconds)
    for path in sorted(glob.glob("tests/sim/*.c")):
        yield path, lambda p=path: program(p, "sim", ["--seeds", str(seconds * SEEDS.get(p, 10))], seconds * 10)
    for path in sorted(glob.glob("tests/faults/*.c")):
        yield path, lambda p=path: program(p, "faults", [], seconds)
    for path in sorted(glob.glob("tests/unit/test_*.c")):
        yield path + ", valgrind", lambda p=path: valgrind(p, seconds)
    for path in sorted(glob.glob("tests/fuzz/fuzz_*.c")):
        yield path, lambda p=path: fuzz(p, seconds)


def main():
    if len(sys.argv) > 2 or (len(sys.argv) == 2 and not sys.argv[1].isdigit()):
        print("tests/soak.py: N is a number of seconds, as in `make soak N=600`", file=sys.stderr)
        return 2
    os.chdir(ROOT)
    seconds = int(sys.argv[1]) if len(sys.argv) == 2 else 60
    lacking = deps.install(["soak"], print)
    if lacking:
        print(lacking)
    failed = 0
    try:
        for name, job in jobs(seconds):
            began = time.monotonic()
            print("%-40s " % name, end="", flush=True)
            try:
                print("%s, %.0f s" % (job(), time.monotonic() - began), flush=True)
            except Skip as skip:
                print("skipped: %s" % skip)
            except Failure as failure:
                print("FAILED\n%s" % failure, flush=True)
                failed += 1
    except KeyboardInterrupt:
        kill_all()
        return 130
    print("%d failed" % failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
