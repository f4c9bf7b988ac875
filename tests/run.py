#!/usr/bin/env python3
"""The test runner: `make test`, or `make test T=unit,cli`, `make test T=unit/url`, `make test T=list`.

Each part yields jobs, each job the results of its cases. The last line is `N passed, N failed`, with `, N skipped` when
something could not run here; the exit status is 1 if anything failed. With CI=true a skip is a failure. DEPS=none installs
nothing.
"""
import difflib
import glob
import importlib.util
import json
import os
import re
import signal
import sys
import threading
import time
import traceback
import unittest

TESTS = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [TESTS, os.path.join(TESTS, "build")]
sys.dont_write_bytecode = True

import deps  # noqa: E402
import exampletools  # noqa: E402
from tools import (CHECKED, QUICK, ROOT, SANITIZERS, STRICT, Failure, Result, Skip, built, cmocka_results, compile_c,  # noqa: E402
                   has_implementation, kill_all, must, once, run, tool)

WORKERS = min(2, os.cpu_count() or 1)
CI = os.environ.get("CI") == "true"
PYTHON = sys.executable or "python3"


def names(pattern):
    return sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, pattern), recursive=True))


def stem(path):
    return os.path.splitext(os.path.basename(path))[0]


# ---- jobs: a name and a function that returns results, or nothing when its one case passed ------------------------------


# Tests that run once more with c-ares behind the resolver
WITH_CARES = ["tests/unit/test_resolver.c", "tests/unit/test_dns_source.c"]


def program(path, part, flags, before=(), arguments=(), seconds=300, cares=False):
    """A C test program, under the address and undefined-behaviour sanitizers."""
    name = stem(path) + (" with c-ares" if cares else "")

    def job():
        if cares and not os.path.exists("/usr/include/ares.h"):
            raise Skip("no libc-ares-dev")
        sources = [path, *before]
        if part not in ("unit", "fuzz") and not has_implementation(path):
            sources.append("tests/build/implementation.c")
        libraries = (["-lcmocka"] if part != "fuzz" else []) + (["-lcares"] if cares else [])
        out = compile_c("gcc", built(part, name.replace(" ", "-")), sources,
                        (QUICK if part in ("unit", "fuzz") else CHECKED) + flags + (["-DCLUSTER_USE_CARES"] if cares else []), libraries)
        return cmocka_results(name, run([out, *arguments], timeout=seconds, env=SANITIZERS))
    return name, job


def python_tests(path, seconds=300):
    """A file of unittest cases, in a process of its own that says each result on a line of JSON."""
    def job():
        done = run([PYTHON, os.path.join(TESTS, "run.py"), "--unittest", path], timeout=seconds)
        results, said = [], []
        for line in done.output.split("\n"):
            if line.startswith("\x1e"):
                case, status, detail = json.loads(line[1:])
                results.append(Result("%s: %s" % (stem(path), case), status, detail))
            else:
                said.append(line)
        broken = any(r.status == "failed" for r in results)
        if done.late or (done.code != 0 and not broken) or not results:
            done.output = "\n".join(said)
            results.append(Result(stem(path), "failed", done.describe() + ("" if results else "\nno case was run")))
        return results
    return stem(path), job


class Reporter(unittest.TestResult):
    def _say(self, test, status, detail=""):
        name = test.id().split(".", 1)[-1] if hasattr(test, "id") else str(test)
        print("\x1e" + json.dumps([name, status, detail]), flush=True)

    def startTest(self, test):
        super().startTest(test)
        self.sub_failures = []

    def addSuccess(self, test):
        self._say(test, "passed")

    def addError(self, test, err):
        super().addError(test, err)
        self._say(test, "failed", self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._say(test, "failed", self.failures[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._say(test, "skipped", reason)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.sub_failures.append("%s\n%s" % (subtest, "".join(traceback.format_exception(*err))))

    def stopTest(self, test):
        if self.sub_failures:
            self._say(test, "failed", "\n".join(self.sub_failures))
        super().stopTest(test)


def run_unittest(path):
    """The other end of python_tests."""
    full = os.path.join(ROOT, path)
    sys.path[:0] = [os.path.dirname(full), os.path.join(TESTS, "cli")]
    spec = importlib.util.spec_from_file_location(stem(path), full)
    module = importlib.util.module_from_spec(spec)
    sys.modules[stem(path)] = module
    spec.loader.exec_module(module)
    outcome = unittest.defaultTestLoader.loadTestsFromModule(module).run(Reporter())
    return 0 if outcome.wasSuccessful() else 1


# ---- parts --------------------------------------------------------------------------------------------------------------


def part_deps():
    def job(row):
        def check():
            if not deps.present(row[1]):
                raise Skip("package %s is not there (%s)" % (row[0], row[2]))
        return row[0], check
    return [job(row) for row in deps.needed([part.name for part in PARTS])]


def part_amalgamate():
    def current():
        must([PYTHON, "amalgamate.py", "--check"])
    return [("cluster.h is current", current), python_tests("tests/build/test_amalgamate.py")]


def part_lint():
    import lint
    return lint.jobs()


def part_compile():
    import matrix
    return matrix.jobs()


def part_symbols():
    import symbols
    return symbols.jobs()


def part_unit():
    return ([program(path, "unit", ["-Itests"]) for path in names("tests/unit/test_*.c")]
            + [program(path, "unit", ["-Itests"], cares=True) for path in WITH_CARES + names("tests/cares/test_*.c")])


def part_cross():
    import cross
    return cross.jobs()


def part_memory():
    import cross
    return cross.memory_jobs()


@once
def build_tool():
    # cluster.h as it is, whatever src/ says: that it is current is a test of its own
    must(["make", "-s", "-o", "amalgamate.py", "-o", "LICENSE", "FRAGMENTS=", "build/clusterctl"], timeout=300)


def part_cli():
    return [python_tests(path) for path in names("tests/cli/test_*.py")]


def part_interop():
    return [python_tests(path) for path in names("tests/interop/test_*.py")]


def part_sim():
    return [program(path, "sim", ["-I.", "-Itests"]) for path in names("tests/sim/*.c")]


def part_faults():
    return [program(path, "faults", ["-I.", "-Itests"]) for path in names("tests/faults/*.c")]


def part_fuzz():
    jobs = []
    for path in names("tests/fuzz/fuzz_*.c"):
        corpus = "tests/fuzz/corpus/" + stem(path).replace("fuzz_", "", 1)
        jobs.append(program(path, "fuzz", ["-I.", "-Itests"], ["tests/fuzz/replay.c"], [corpus]))
    return jobs


def part_examples():
    def job(path):
        def compiles():
            exampletools.example(path, stem(path))
        return stem(path), compiles
    own_tests = r"examples/(kv\.c|gateway\.c|loops/|bindings/|vendoring/|\d\d_)"  # those build what they run
    return ([job(path) for path in names("examples/**/*.c") if not re.match(own_tests, path)]
            + [python_tests(path) for path in names("tests/examples/test_*.py")])


def part_bench():
    """Benchmarks build; those that can judge something that is no time are run for it."""
    def job(path):
        def compiles():
            flags, libraries = exampletools.needs(path)
            sources = [path] if has_implementation(path) or "../src/" in text else [path, "tests/build/implementation.c"]
            out = compile_c("gcc", built("bench", stem(path)), sources, ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror",
                                                                         "-I.", *flags], libraries)
            if "--check" in text:
                must([out, "--check"], timeout=300)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        return stem(path), compiles
    return [job(path) for path in names("tests/bench/*.c")]


def part_docs():
    return [python_tests(path) for path in names("tests/docs/test_*.py")]


def part_footprint():
    import footprint
    return footprint.jobs()


CORES, LINE = "cores", "line"  # as many jobs at once as there are cores; one after the other, beside those, since they mostly wait


class Part:
    def __init__(self, name, what, jobs, prepare=None, lane=CORES, phase=0):
        self.name, self.what, self.jobs, self.prepare, self.lane, self.phase = name, what, jobs, prepare, lane, phase
        self.results, self.seconds, self.left = [], 0.0, 0

    def prepared(self, job):
        def both():
            self.prepare()
            return job()
        return both if self.prepare else job


PARTS = [
    Part("deps", "the packages that the tests need", part_deps),
    Part("amalgamate", "cluster.h is current; amalgamate.py refuses what it must", part_amalgamate),
    Part("lint", "layout, static analysis, house rules", part_lint),
    Part("compile", "compilers, standards, switches", part_compile),
    Part("symbols", "what the object exports, imports and may write", part_symbols),
    Part("unit", "every fragment, under sanitizers", part_unit),
    Part("cross", "unit tests on 32-bit and big-endian machines", part_cross),
    Part("memory", "unit tests under the memory sanitizer", part_memory),
    Part("sim", "many handles on a virtual network", part_sim),
    Part("faults", "failing every allocation and every hook", part_faults),
    Part("fuzz", "the corpora of all fuzz targets", part_fuzz),
    Part("examples", "every example builds; some are run", part_examples, build_tool, phase=1),
    Part("bench", "every benchmark builds; goals that are no times", part_bench, lane=LINE, phase=2),
    Part("cli", "clusterctl", part_cli, build_tool, LINE),
    Part("interop", "against the real thing", part_interop, build_tool, LINE),
    Part("docs", "the programs in README and docs", part_docs, build_tool, phase=1),
    Part("footprint", "docs/footprint.md is true; the size limit", part_footprint),
]


# ---- the run ------------------------------------------------------------------------------------------------------------


def choose(wanted):
    """The parts to run, each with the beginnings of the job names that were asked for (none: all jobs)."""
    if not wanted:
        return [(part, []) for part in PARTS]
    chosen = {}
    known = [part.name for part in PARTS]
    for word in filter(None, wanted.replace(" ", ",").split(",")):
        name, _, job = word.partition("/")
        found = [part for part in PARTS if part.name == name] or [part for part in PARTS if part.name.startswith(name)]
        if not found:
            close = difflib.get_close_matches(name, known, 3) or known
            print("tests/run.py: there is no part `%s`; near it: %s. T=list lists them all." % (name, ", ".join(close)),
                  file=sys.stderr)
            sys.exit(2)
        for part in found:
            filters = chosen.setdefault(part, [])
            if job:
                filters.append(job)
    return [(part, chosen[part]) for part in PARTS if part in chosen]


def perform(name, job):
    """All results of a job, whatever it does."""
    try:
        return job() or [Result(name)]
    except Skip as skip:
        return [Result(name, "skipped", str(skip))]
    except Failure as failure:
        return [Result(name, "failed", str(failure))]
    except Exception:  # a mistake in the tests themselves must not end the run
        return [Result(name, "failed", traceback.format_exc())]


def jobs_of(part, filters):
    jobs = part.jobs()
    if not filters:
        return jobs
    found = [job for job in jobs if any(f in job[0] for f in filters)]
    if not found:
        print("tests/run.py: %s has no job like `%s`; it has: %s"
              % (part.name, ",".join(filters), ", ".join(name for name, _ in jobs)), file=sys.stderr)
        sys.exit(2)
    return found


class Run:
    """All jobs of the chosen parts: phase after phase, in each the lanes side by side. A part is reported when its last job is done."""

    def __init__(self, chosen):
        self.lock, self.totals, self.running, self.done = threading.Lock(), {"passed": 0, "failed": 0, "skipped": 0}, [], 0
        self.live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self.queues = {}
        self.count = 0
        for part, filters in chosen:
            jobs = jobs_of(part, filters)
            part.left = len(jobs)
            self.count += len(jobs)
            self.queues.setdefault(part.phase, {CORES: [], LINE: []})[part.lane] += [(part, *job) for job in jobs]

    def whole(self):
        for _, lanes in sorted(self.queues.items()):
            threads = [threading.Thread(target=self.lane, args=(lanes[name],))
                       for name, width in ((CORES, WORKERS), (LINE, 1)) for _ in range(width if lanes[name] else 0)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return self.totals

    def lane(self, jobs):
        while True:
            with self.lock:
                if not jobs:
                    return
                part, name, job = jobs.pop(0)
                self.running.append("%s/%s" % (part.name, name))
                self.show()
            began = time.monotonic()
            results = perform(name, part.prepared(job))
            with self.lock:
                self.running.remove("%s/%s" % (part.name, name))
                self.done += 1
                part.results += results
                part.seconds += time.monotonic() - began
                part.left -= 1
                if part.left == 0:
                    self.clear()
                    report(part, part.results, part.seconds, self.totals)
                self.show()

    def clear(self):
        if self.live:
            print("\r\033[K", end="", flush=True)

    def show(self):
        if self.live:
            width = os.get_terminal_size().columns - 1
            print("\r\033[K" + ("%d of %d: %s" % (self.done, self.count, ", ".join(self.running)))[:width], end="", flush=True)


def report(part, results, seconds, totals):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for result in results:
        if result.status == "skipped" and CI:
            result.status, result.detail = "failed", "skipped, which CI=true forbids: " + result.detail
        counts[result.status] += result.count
    print("%-11s %5d passed%s%s%8.1f s" % (part.name, counts["passed"],
                                           ", %d failed" % counts["failed"] if counts["failed"] else "",
                                           ", %d skipped" % counts["skipped"] if counts["skipped"] else "", seconds))
    shown = {}
    for result in results:
        if result.status == "failed":
            print("  FAILED %s/%s" % (part.name, result.name))
            command, _, rest = result.detail.rstrip().partition("\n")
            if rest and rest in shown:
                print("    %s\n    the same as %s" % (command, shown[rest]))
                continue
            shown[rest] = result.name
            print("\n".join("    " + line for line in result.detail.rstrip().split("\n")))
        elif result.status == "skipped":
            print("  skipped %s/%s: %s" % (part.name, result.name, result.detail))
    sys.stdout.flush()
    for status in counts:
        totals[status] += counts[status]


def interrupted(number, frame):
    kill_all()
    print("\ntests/run.py: interrupted", file=sys.stderr, flush=True)
    os._exit(130)


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--unittest":
        return run_unittest(sys.argv[2])
    if any(word in ("-h", "--help") for word in sys.argv[1:]):
        print(__doc__.strip())
        return 0
    wanted = ",".join(sys.argv[1:])
    if wanted == "list":
        for part in PARTS:
            print("%-11s %s" % (part.name, part.what))
        return 0
    chosen = choose(wanted)
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    os.chdir(ROOT)
    began = time.monotonic()
    concerned = [part.name for part, _ in chosen]
    if "deps" in concerned:
        concerned = [part.name for part in PARTS]
    lacking = deps.install(concerned, lambda text: print(text, flush=True))
    if lacking:
        print(lacking, flush=True)
    totals = Run(chosen).whole()
    print("in %.0f s" % (time.monotonic() - began))
    print("%d passed, %d failed%s" % (totals["passed"], totals["failed"],
                                      ", %d skipped" % totals["skipped"] if totals["skipped"] else ""))
    return 1 if totals["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
