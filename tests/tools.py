"""What the test scripts share: running programs with a time limit, compiling, and the results of test cases."""
import concurrent.futures
import functools
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "tests")

STRICT = "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror".split()
# Of many programs that each run for a moment it is the compiler that takes the time.
QUICK = "-std=c99 -g1 -O0 -fsanitize=address,undefined -fno-sanitize-recover=all -Wall -Wextra -Werror".split()
CHECKED = "-std=c99 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -Wall -Wextra -Werror".split()
SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1"}

# Which Debian package has a program; deps.py fills it.
PACKAGE_OF = {}


class Skip(Exception):
    """This case cannot run here. The text says why."""


class Failure(Exception):
    """This case failed. The text is all that there is to know."""


class Result:
    def __init__(self, name, status="passed", detail="", count=1):
        self.name, self.status, self.detail, self.count = name, status, detail, count


class Done:
    def __init__(self, argv, code, output, seconds, late):
        self.argv, self.code, self.output, self.seconds, self.late = argv, code, output, seconds, late

    def describe(self):
        if self.late:
            end = "still ran after %.0f s and was killed" % self.seconds
        elif self.code < 0:
            end = "killed by " + signal.Signals(-self.code).name
        else:
            end = "exit status %d" % self.code
        return "$ %s\n%s%s" % (shlex.join(self.argv), self.output and self.output.rstrip() + "\n", end)


_running = set()
_lock = threading.Lock()


def kill_all():
    """End every program that is still running here, with its children."""
    with _lock:
        for process in list(_running):
            _kill(process)


def _kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)  # its own session: the process and what it started
    except ProcessLookupError:
        pass


def run(argv, timeout=60, env=None, stdin=None, cwd=ROOT):
    """Run a program to its end, or kill it and its children at the time limit. Both outputs are joined."""
    began = time.monotonic()
    process = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                               env=dict(os.environ, **env) if env else None)
    with _lock:
        _running.add(process)
    late = False
    try:
        output, _ = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        late = True
        _kill(process)
        output, _ = process.communicate()
    finally:
        with _lock:
            _running.discard(process)
    return Done(argv, process.returncode, output.decode("utf-8", "replace"), time.monotonic() - began, late)


def must(argv, **more):
    """Run a program that has to succeed; its output."""
    done = run(argv, **more)
    if done.code != 0 or done.late:
        raise Failure(done.describe())
    return done.output


def tool(name):
    """The path of a program, or Skip."""
    path = shutil.which(name)
    if not path:
        raise Skip("no %s%s" % (name, ": package " + PACKAGE_OF[name] if name in PACKAGE_OF else ""))
    return path


def once(function):
    """The function, called once for each list of arguments, whichever job asks first; the others wait for it and get the same, be
    it a result or an exception."""
    guard, calls = threading.Lock(), {}

    @functools.wraps(function)
    def asked(*arguments):
        with guard:
            first = arguments not in calls
            call = calls.setdefault(arguments, concurrent.futures.Future())
        if first:
            try:
                call.set_result(function(*arguments))
            except Exception as problem:
                call.set_exception(problem)
        return call.result()
    return asked


def built(*name):
    """A path below build/tests/, its folder made."""
    path = os.path.join(BUILD, *name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def compile_c(compiler, out, sources, flags=(), libraries=(), quiet=True):
    """Compile, and link unless -c or -fsyntax-only is among the flags. A word from the compiler is a failure too."""
    sources = [sources] if isinstance(sources, str) else list(sources)
    argv = [tool(compiler), *flags, *sources, *(["-o", out] if out else []), *libraries]
    done = run(argv, timeout=240)
    if done.code != 0 or done.late or (quiet and done.output.strip()):
        raise Failure(done.describe())
    return out


def has_implementation(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return re.search(r"^\s*#\s*define\s+CLUSTER_IMPLEMENTATION\b", f.read(), re.M) is not None


def cmocka_results(name, done):
    """The cases of a test program, from what cmocka prints, or from a last line `N passed, N failed`. A crash is a failure of
    the case that ran."""
    results, current = [], None
    summary = re.search(r"^(\d+) passed, (\d+) failed$", done.output, re.M)
    if summary and int(summary.group(1)):
        results.append(Result(name, count=int(summary.group(1))))
    if summary and int(summary.group(2)):
        results.append(Result(name, "failed", count=int(summary.group(2))))
    for line in done.output.split("\n"):
        found = re.match(r"\[\s*(RUN|OK|FAILED|SKIPPED|ERROR)\s*\] (.+)$", line)
        if not found or "test(s)" in line:
            continue
        word, case = found.groups()
        if word == "RUN":
            current = case
            continue
        if case != current:
            continue  # the list of failures at the end
        status = {"OK": "passed", "SKIPPED": "skipped"}.get(word, "failed")
        results.append(Result("%s: %s" % (name, case), status, "the program says so" if status == "skipped" else ""))
        current = None
    if current:
        results.append(Result("%s: %s" % (name, current), "failed"))
    said = sum(r.status == "failed" for r in results)
    if (done.code != 0 or done.late) and not said:
        results.append(Result(name, "failed"))
    if not results:
        results.append(Result(name, "failed", done.describe() + "\nno case was run"))
    first = next((r for r in results if r.status == "failed"), None)
    if first and not first.detail:
        first.detail = done.describe()
    return results
