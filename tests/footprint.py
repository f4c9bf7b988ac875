#!/usr/bin/env python3
"""Measure what the library costs: docs/footprint.md. With --check, say whether that is still true and within the limits; with
--fragments, print where the code goes, as far as the compiler does not mix the fragments.

Sizes are of the object that gcc makes at -Os on x86-64: the text column of size(1), which counts code, constants and the
tables that unwind the stack, and the constant tables of addresses beside it.
"""
import functools
import os
import platform
import re
import resource
import statistics
import sys
import textwrap

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from tools import ROOT, Failure, Skip, built, compile_c, must, once  # noqa: E402

sys.path.insert(0, ROOT)
import amalgamate  # noqa: E402

PAGE = os.path.join(ROOT, "docs", "footprint.md")
GOAL = 40 * 1024
# What a part may add to the whole: the bytes of text that go with its CLUSTER_NO_<PART>. A part that is new gets a row here, and
# the rest does not pay for it.
LIMITS = {
    "EPMD_SERVER": 4 * 1024 + 768,
    # where it stands, with what epmd:, http and dials have of it, rounded up; it only goes down, and is to reach 16 KiB
    "DNS": 23 * 1024 + 512,
    "CONNECT": 36 * 1024 + 384,  # with links to Erlang nodes, which go with it
    "ERLANG": 24 * 1024,
    "MAP": 15 * 1024 + 768,  # what finds a place in any zones without looking at all nodes is new
    "REFERENCE": 4 * 1024 + 768,  # the words of every option: it grows with them
    "RING": 12 * 1024 + 512,
    "TERM": 16 * 1024 + 512,
    "HTTP": 31 * 1024 + 128,  # with all that stands on it
    "HOSTS": 1 * 1024 + 768,
}
REST = 70 * 1024 + 640  # the whole without those parts: where it stands, rounded up; it only goes down
TOLERANCE = 0.02
COLUMNS = ["text", "code", "constants", "unwind", "addresses"]

HEAD = """\
# What it costs

For those who count bytes: how large the object is, and what each part of it costs that can be left out.

Written by `make footprint`: bytes of the object that `gcc -c -Os -std=c99` makes on x86-64, gcc {gcc}. `text` is that column
of `size`: `code`, `constants`, and `unwind`, the tables by which a debugger or a C++ exception finds its way up the stack. A
build with `-fno-asynchronous-unwind-tables` has none of these: there it is `code` and `constants`. `addresses` are constant
tables of pointers (`.data.rel.ro`), which `size` counts as data. Nothing in the object is writable. `compile` is processor time.

The goal is a text of {goal} bytes for the whole; it is not reached yet. The tests see to it that what has no limit of its own
below does not grow past {rest} together.
"""


@once
def measured(preset, without):
    """What `measure` says, measured once in a run."""
    return measure("-".join(("check", preset) + without), preset, without)


def measure(name, preset, without, times=1):
    """Lines and bytes of the header without these parts, text of its object, median seconds of processor time to compile it."""
    path = built("footprint", name, "cluster.h")
    must([sys.executable, "amalgamate.py", "--preset", preset, "--without", ",".join(without), "-o", path])
    argv = ["-c", "-Os", "-std=c99", "-I" + os.path.dirname(path), "tests/build/implementation.c"]
    out, seconds = path[:-2] + ".o", []
    for _ in range(times):
        began = resource.getrusage(resource.RUSAGE_CHILDREN)
        compile_c("gcc", out, [], argv)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime)
    with open(path, encoding="ascii") as f:
        header = f.read()
    return dict(sections(out), lines=header.count("\n"), bytes=len(header), seconds=statistics.median(seconds))


def sections(path):
    """The bytes of an object by use; `text` is the column of that name of size(1)."""
    sizes = {"code": r"\.text", "constants": r"\.rodata", "unwind": r"\.eh_frame", "addresses": r"\.data\.rel\.ro"}
    rows = [line.split() for line in must(["size", "-A", path]).split("\n")]
    found = {use: sum(int(row[1]) for row in rows if len(row) == 3 and re.match(start, row[0])) for use, start in sizes.items()}
    found["text"] = int(must(["size", path]).split("\n")[1].split()[0])
    return found


def fragments():
    """Bytes of code by fragment, without inlining, the largest first."""
    path = built("footprint", "line", "cluster.h")
    must([sys.executable, "amalgamate.py", "--line", "-o", path])
    out = compile_c("gcc", path[:-2] + ".o", [], ["-c", "-g", "-Os", "-fno-inline", "-std=c99", "-I" + os.path.dirname(path),
                                                  "tests/build/implementation.c"])
    sizes = {}
    symbols = must(["nm", "-S", "-l", out], timeout=120)
    for size, name in re.findall(r"^\S+ (\S+) [tT] \S+\t.*?(src/[\w/]+\.h):\d+$", symbols, re.M):
        sizes[name] = sizes.get(name, 0) + int(size, 16)
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print("%7d  %s" % (size, name))
    print("%7d" % sum(sizes.values()))


def builds():
    """Every build of the page: its key, preset, parts left out."""
    yield "all", "all", []
    for preset in amalgamate.PRESETS:
        if preset != "all":
            yield preset, preset, []
    for part in amalgamate.PARTS:
        yield "without-" + part, "all", [part]
    yield "without-every", "all", list(amalgamate.PARTS)
    yield "rest", "all", list(LIMITS)


def page(sizes):
    gcc = must(["gcc", "-dumpfullversion"]).strip()
    lines = [HEAD.format(goal=GOAL, rest=REST, gcc=gcc)]
    columns = COLUMNS + ["bytes", "lines"]
    lines += ["| build | text | code | constants | unwind | addresses | header | lines | compile |", "|---" + "|--:" * 8 + "|"]
    for key, label in [("all", "whole")] + [(p, "`--preset %s`" % p) for p in amalgamate.PRESETS if p != "all"]:
        size = sizes[key]
        lines.append("| %s | %s | %.1f s |" % (label, " | ".join(str(size[c]) for c in columns), size["seconds"]))
    kept = ["`%s` keeps %s" % (preset, ", ".join(part for part in amalgamate.PARTS if part not in left_out and part != "POSIX"))
            for preset, left_out in amalgamate.PRESETS.items() if preset != "all"]
    lines += ["", textwrap.fill("All builds have `static:` and `push:`. Of the parts below %s." % "; ".join(kept), 124), ""]
    lines += ["A part is left out by its switch, `#define CLUSTER_NO_DNS` before the `#include` of the file that has the implementation, or of",
              "the text too, by `python3 amalgamate.py --preset dns` or `--without DNS,HTTP`, with `-o` and where to write.",
              "", "What each switch saves, in the same columns. `limit` is what the tests let the part have of `text`. A switch takes with it",
              "what stands on its part, and leaves what others use too: the rows do not add up.", "",
              "| switch | leaves out | %s | limit |" % " | ".join(COLUMNS), "|---|---" + "|--:" * (len(COLUMNS) + 1) + "|"]

    def saved(key):
        return " | ".join(str(sizes["all"][c] - sizes[key][c]) for c in COLUMNS)
    for part, what in amalgamate.PARTS.items():
        lines.append("| `CLUSTER_NO_%s` | %s | %s | %s |" % (part, what, saved("without-" + part), LIMITS.get(part, "")))
    lines.append("| every one | | %s | |" % saved("without-every"))
    lines.append("| none of those with a limit: what is left | | %s | %d |" % (" | ".join(str(sizes["rest"][c]) for c in COLUMNS), REST))
    return "\n".join(lines) + "\n"


def figures(text):
    """(row, column) -> number, for all numbers of the tables but the times."""
    found = {}
    for line in text.split("\n"):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|"):
            found.update({(cells[0], i): int(cell) for i, cell in enumerate(cells) if re.fullmatch(r"-?\d+", cell)})
    return found


def on_x86_64():
    if platform.machine() != "x86_64":
        raise Skip("the figures are of x86-64, this is " + platform.machine())


def measure_all():
    on_x86_64()
    return {key: measure(key, preset, without, 3 if key in amalgamate.PRESETS else 1) for key, preset, without in builds()}


def within(what, text, limit):
    if text > limit:
        raise Failure("%s has %d bytes of text at -Os; the limit is %d: take something out" % (what, text, limit))


def part_is_within(part):
    if part not in amalgamate.PARTS:
        raise Failure("LIMITS names %s, which is no part of amalgamate.py" % part)
    within(part, measured("all", ())["text"] - measured("all", (part,))["text"], LIMITS[part])


def rest_is_within():
    within("what has no limit of its own", measured("all", tuple(LIMITS))["text"], REST)


def is_current():
    try:
        with open(PAGE, encoding="utf-8") as f:
            written = f.read()
    except FileNotFoundError:
        raise Failure("docs/footprint.md: there is none: run `make footprint` and commit it")
    on_x86_64()
    sizes = {key: measured(preset, tuple(without)) for key, preset, without in builds()}
    now, then = figures(page(sizes)), figures(written)
    whole = sizes["all"]["text"]
    wrong = ["%s, column %d: written %s, measured %s" % (*key, then.get(key, "nothing"), now.get(key, "nothing"))
             for key in sorted(set(now) | set(then))
             if key not in now or key not in then or abs(now[key] - then[key]) > TOLERANCE * max(whole, now[key])]
    if wrong:
        version = re.search(r"gcc (\d[\d.]*\d)\b", written)
        here = must(["gcc", "-dumpfullversion"]).strip()
        if version and version.group(1).split(".")[0] != here.split(".")[0]:
            raise Skip("written with gcc %s, this is %s" % (version.group(1), here))
        raise Failure("docs/footprint.md is not true any more:\n%s\nrun `make footprint` and commit it" % "\n".join(wrong))


def jobs():
    def build(preset, without):
        return lambda: measured(preset, tuple(without)) and None
    return ([("build: " + key, build(preset, without)) for key, preset, without in builds()]
            + [("%s is within %d bytes" % (part, limit), functools.partial(part_is_within, part)) for part, limit in LIMITS.items()]
            + [("the rest is within %d bytes" % REST, rest_is_within), ("docs/footprint.md is true", is_current)])


def main():
    os.chdir(ROOT)
    try:
        if sys.argv[1:] == ["--check"]:
            for _, job in jobs():
                job()
        elif sys.argv[1:] == ["--fragments"]:
            fragments()
        elif sys.argv[1:]:
            print(__doc__.strip() + "\n\nusage: tests/footprint.py [--check | --fragments]", file=sys.stderr)
            return 2
        else:
            text = page(measure_all())
            with open(PAGE, "w", encoding="utf-8") as f:
                f.write(text)
            print(text, end="")
    except (Failure, Skip) as problem:
        print("tests/footprint.py: %s" % problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
