#!/usr/bin/env python3
"""Write the table of docs/troubleshooting.md from the checks that `clusterctl doctor --checks --json` prints. With --check, say whether
it is current."""
import json
import os
import subprocess
import sys

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]
from doctools import ROOT, main  # noqa: E402
from urls import table  # noqa: E402

PAGE = "docs/troubleshooting.md"
COMMAND = "python3 tests/docs/doctor.py"


def checks():
    subprocess.run(["make", "-s", "build/clusterctl"], cwd=ROOT, check=True, timeout=600, stdout=subprocess.DEVNULL)
    done = subprocess.run([os.path.join(ROOT, "build", "clusterctl"), "doctor", "--checks", "--json"], capture_output=True, text=True,
                          timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def regions():
    return {"checks": table(["what you see", "check", "what it asks", "what to do"],
                            [[row["symptom"] or "", "`%s`" % row["check"], row["asks"], row["mend"]] for row in checks()])}


if __name__ == "__main__":
    sys.exit(main(COMMAND, PAGE, regions, sys.argv[1:]))
