#!/usr/bin/env python3
"""Write the tables of docs/urls.md from what `clusterctl urls --json` says, which is the parser's own table. With --check, say whether
they are current."""
import functools
import json
import os
import re
import subprocess
import sys

sys.path[:0] = [__file__.rpartition("/")[0] or "."]
from doctools import ROOT, duration, main  # noqa: E402

PAGE = "docs/urls.md"
COMMAND = "python3 tests/docs/urls.py"


@functools.lru_cache(maxsize=None)
def rows():
    """The objects that the tool prints, of the sources as they are."""
    subprocess.run(["make", "-s", "build/clusterctl"], cwd=ROOT, check=True, timeout=600, stdout=subprocess.DEVNULL)
    done = subprocess.run([os.path.join(ROOT, "build", "clusterctl"), "urls", "--json"], capture_output=True, text=True, timeout=60,
                          check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def schemes():
    return [row for row in rows() if row["type"] == "scheme"]


def options(scheme=None):
    """Those of one scheme, or those that every scheme has."""
    return [row for row in rows() if row["type"] == "option" and (scheme in row["schemes"] if scheme else not row["schemes"])]


def takes(row):
    if " or ".join(row["choices"]) == row["takes"]:
        return " or ".join("`%s`" % word for word in row["choices"])
    return re.sub(r"'(\S)'", r"`\1`", row["takes"])


def table(head, lines):
    return "\n".join(["| %s |" % " | ".join(head), "|%s" % ("---|" * len(head))]
                     + ["| %s |" % " | ".join(cell.replace("|", "\\|") for cell in line) for line in lines])


def fallback(text):
    """A default that can be written as a value is shown as one."""
    return "`%s`" % text if re.fullmatch(r"\*|\d+%?|on|off|auto|optional|libcluster|limit_members", text) else text


def seconds(value):
    return duration(round(value * 10**9))


def defaults(row):
    """What the source of a scheme does where its URL does not say otherwise."""
    pushed, hears = row["scheme"] == "push", row["max_age"] is not None
    return ["`%s:`" % row["scheme"],
            seconds(row["interval"]) if row["interval"] else "none: the program publishes" if pushed else "one round",
            str(row["misses"] or "does not count"),
            seconds(row["max_age"]) if hears else "never",
            seconds(row["timeout"]) if row["timeout"] else "does not apply"]


def of_options(found):
    return table(["option", "takes", "default", "what it is for"],
                 [["`%s=`" % o["option"], takes(o), fallback(o["default"]), o["help"]] for o in found])


def regions():
    found = {
        "schemes": table(["URL", "what it does"],
                         [["[`%s:%s`](#%s)" % (row["scheme"], row["target"], row["scheme"]), row["help"]] for row in schemes()]),
        "defaults": table(["scheme", "`interval=`", "`misses=`", "`max-age=`", "`timeout=`"], [defaults(row) for row in schemes()]),
        "common": of_options(options()),
    }
    for row in schemes():
        own = options(row["scheme"])
        found["of-" + row["scheme"]] = of_options(own) if own else "No options beside the common ones."
    return found


if __name__ == "__main__":
    sys.exit(main(COMMAND, PAGE, regions, sys.argv[1:]))
