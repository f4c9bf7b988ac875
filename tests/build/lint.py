"""Layout, static analysis and house rules."""
import os
import re
import shutil

from tools import ROOT, Failure, built, must, run, tool

C_FOLDERS = ["src", "examples", "tests"]


def files(folders, *endings):
    found = []
    for folder in folders:
        for at, below, names in os.walk(os.path.join(ROOT, folder)):
            below[:] = sorted(name for name in below if name not in ("corpus", "vectors", "__pycache__"))
            found += [os.path.relpath(os.path.join(at, name), ROOT) for name in sorted(names) if name.endswith(endings)]
    return found


def layout(folder):
    def job():
        paths = files([folder], ".c", ".h")
        if not paths:
            return
        done = run([tool("clang-format"), "--dry-run", "-Werror", *paths], timeout=120)
        lines = re.findall(r"^(\S+:\d+):\d+: error: code should be clang-formatted", done.output, re.M)
        if lines:
            raise Failure("run `make format`; it changes:\n" + "\n".join(dict.fromkeys(lines)))
        if done.code != 0 or done.late:
            raise Failure(done.describe())
    return "clang-format " + folder, job


def clang_tidy():
    """On the header as a file of its own: the analyser follows no path into what is included."""
    copy = shutil.copy(os.path.join(ROOT, "cluster.h"), built("lint", "cluster.c"))
    done = run([tool("clang-tidy"), "--quiet", copy, "--", "-std=c99", "-DCLUSTER_IMPLEMENTATION"], timeout=400)
    if done.code != 0 or done.late:
        raise Failure(done.describe().replace(copy, "cluster.h"))


def cppcheck():
    done = run([tool("cppcheck"), "--quiet", "--std=c99", "--enable=warning,performance,portability", "--error-exitcode=1",
                "--inline-suppr", "--suppress=missingIncludeSystem", "--suppress=normalCheckLevelMaxBranches",
                "--library=posix",
                "-D__linux__", "-D__GNUC__=12", "-DCLOCK_MONOTONIC=1", "-DIP_MULTICAST_TTL=33", "-I.",
                "tests/build/implementation.c"], timeout=400)
    if done.code != 0 or done.late:
        raise Failure(done.describe())


def python_syntax():
    paths = files(["tests", "examples"], ".py") + ["amalgamate.py"]
    for path in paths:
        with open(os.path.join(ROOT, path), "rb") as f:
            try:
                compile(f.read(), path, "exec")
            except SyntaxError as error:
                raise Failure("%s:%s: %s" % (path, error.lineno, error.msg))


def shell_syntax():
    for path in files(C_FOLDERS + ["docs"], ".sh") + [".ci/run"]:
        must(["bash" if path == ".ci/run" else "sh", "-n", path])


def house_rules():
    """What no tool above looks for."""
    wrong = []
    for path in files(C_FOLDERS, ".c", ".h", ".py"):
        with open(os.path.join(ROOT, path), encoding="utf-8") as f:
            lines = f.read().split("\n")
        if lines[-1] or len(lines) > 1 and not lines[-2]:
            wrong.append("%s:%d: end the file with one newline" % (path, len(lines)))
        for number, line in enumerate(lines, 1):
            if line != line.rstrip() or "\t" in line:
                wrong.append("%s:%d: a tab, or blanks at the end" % (path, number))
            if re.search(r"\b(TO" "DO|FIX" r"ME|XX" r"X)\b", line):
                wrong.append("%s:%d: do it, or write down that it is not done where users look" % (path, number))
    if wrong:
        raise Failure("\n".join(wrong))


def jobs():
    return [("clang-tidy", clang_tidy), ("cppcheck", cppcheck), *map(layout, C_FOLDERS), ("python syntax", python_syntax),
            ("shell syntax", shell_syntax), ("house rules", house_rules)]
