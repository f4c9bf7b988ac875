"""docs/dns.md: its numbers are those of the code, and every bad input that it lists has a test named after it."""
import glob
import os
import re
import sys
import unittest

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__))]
import dns  # noqa: E402
from doctools import ROOT, read, write_regions  # noqa: E402

LAST = 44


def listed():
    """The bad inputs of the page, by number."""
    table = read(dns.PAGE).partition("<!-- bad input -->")[2].partition("\n\n")[0]
    return {int(number): what for number, what in re.findall(r"^\| (\d+) \| ([^|]+) \|", table, re.M)}


def run_tests():
    """The tests bad_NN_... that a program of tests/unit/ has and runs: how many, by number."""
    found = {}
    for path in sorted(glob.glob(os.path.join(ROOT, "tests", "unit", "test_*.c"))):
        text = read(os.path.relpath(path, ROOT))
        written = set(re.findall(r"^static void (bad_\d\d_\w+)\(void \*\*state\)$", text, re.M))
        run = set(re.findall(r"\bcmocka_unit_test\((bad_\d\d_\w+)\)", text))
        if written != run:
            raise AssertionError("%s: not run: %s; not there: %s" % (path, sorted(written - run), sorted(run - written)))
        for name in run:
            found[int(name[4:6])] = found.get(int(name[4:6]), 0) + 1
    return found


class Page(unittest.TestCase):
    maxDiff = None

    def test_numbers(self):
        self.assertEqual(write_regions(dns.PAGE, dns.regions(), True, dns.COMMAND), "")

    def test_the_list_is_whole(self):
        self.assertEqual(sorted(listed()), list(range(1, LAST + 1)))

    def test_every_bad_input_has_its_test(self):
        found, wanted = run_tests(), listed()
        lacking = ["%d: %s" % (number, wanted[number].strip()) for number in sorted(set(wanted) - set(found))]
        self.assertEqual(lacking, [], "no test bad_NN_... in tests/unit/ for these")
        self.assertEqual(sorted(set(found) - set(wanted)), [], "tests of numbers that the page does not have")


if __name__ == "__main__":
    unittest.main()
