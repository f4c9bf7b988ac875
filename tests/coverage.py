#!/usr/bin/env python3
"""Line and branch coverage of src/ by the unit tests: a table, and build/coverage/index.html."""
import concurrent.futures
import glob
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import deps  # noqa: E402
from tools import ROOT, Failure, Skip, compile_c, must, run, tool  # noqa: E402

OUT = os.path.join(ROOT, "build", "coverage")


def measure(path):
    """Build one test with counters and run it; True: it passed."""
    base = os.path.join(OUT, "run", os.path.basename(path)[:-2])
    flags = ["-std=c99", "-g", "-O0", "--coverage", "-fprofile-abs-path", "-Itests", "-I."]
    compile_c("gcc", base + ".o", path, ["-c", *flags])
    compile_c("gcc", base, base + ".o", ["--coverage"], ["-lcmocka"])
    done = run([base], timeout=240)
    if done.code:
        print(done.describe(), file=sys.stderr)
    return done.code == 0


def main():
    os.chdir(ROOT)
    lacking = deps.install(["coverage"], print)
    try:
        tool("gcovr")
        shutil.rmtree(OUT, ignore_errors=True)
        os.makedirs(os.path.join(OUT, "run"))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            passed = list(pool.map(measure, sorted(glob.glob("tests/unit/test_*.c"))))
        common = ["gcovr", "--root", ROOT, "--filter", "src/", "--exclude-throw-branches",
                  os.path.join(OUT, "run")]
        json = os.path.join(OUT, "coverage.json")
        must([*common, "--json", json], timeout=300)
        again = ["gcovr", "--root", ROOT, "--add-tracefile", json]
        must([*again, "--html-details", os.path.join(OUT, "index.html")], timeout=300)
        print(must(again, timeout=300))
        print(must([*again, "--branches"], timeout=300))
        print("build/coverage/index.html has every line")
    except (Failure, Skip) as problem:
        print("tests/coverage.py: %s %s" % (problem, lacking), file=sys.stderr)
        return 1
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
