"""phash2 of thousands of random terms, in every form in which they may be written, against a real erl."""
import os
import random
import re
import shutil
import subprocess
import tempfile
import unittest

from interoptools import HERE, ROOT, lacks

WHY = lacks("escript", "erl", "cc")

NOT_SUPPORTED = "-14"

# A term in hex a line: its hash in four ranges, or the error.
PROGRAM = r"""
#define CLUSTER_IMPLEMENTATION
#include "cluster.h"
#include <stdio.h>

int main(void)
{
    static const uint64_t ranges[] = {0, UINT64_C(1) << 32, UINT32_MAX, 16};
    static char line[1 << 20];
    static unsigned char term[1 << 19];
    while (fgets(line, sizeof line, stdin)) {
        size_t size, i;
        unsigned byte;
        for (size = 0; sscanf(line + 2 * size, "%2x", &byte) == 1; size++)
            term[size] = (unsigned char)byte;
        for (i = 0; i < 4; i++) {
            uint32_t hash;
            int result = cluster_phash2(term, size, ranges[i], &hash);
            if (result)
                printf(" %d", result);
            else
                printf(" %u", (unsigned)hash);
        }
        printf("\n");
    }
    return 0;
}
"""


@unittest.skipIf(WHY, WHY)
class Phash2(unittest.TestCase):
    def test_random_terms(self):
        seed = random.randrange(1 << 30)
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        source, program = os.path.join(folder, "phash2.c"), os.path.join(folder, "phash2")
        with open(source, "w", encoding="utf-8") as file:
            file.write(PROGRAM)
        subprocess.run(["cc", "-std=c99", "-O1", "-I" + ROOT, "-o", program, source], check=True, timeout=300)
        asked = subprocess.run(["escript", os.path.join(HERE, "phash2_terms.erl"), str(seed), "6000"], capture_output=True,
                               text=True, timeout=300, check=True, env=dict(os.environ, ERL_CRASH_DUMP=os.devnull))
        rows = [re.fullmatch(r"(refused|\d+ \d+ \d+ \d+) (.*)", line).groups() for line in asked.stdout.splitlines()]
        pairs = [(answer.split(), form) for answer, forms in rows for form in forms.split()]
        done = subprocess.run([program], input="".join(form + "\n" for _, form in pairs), capture_output=True, text=True,
                              timeout=300, check=True)
        ours = done.stdout.splitlines()
        self.assertEqual(len(ours), len(pairs))
        self.assertGreater(len(pairs), 8000)
        for (answer, form), line in zip(pairs, ours):
            expected = answer if answer != ["refused"] else [NOT_SUPPORTED] * 4
            self.assertEqual(line.split(), expected, "seed %d, %s" % (seed, form))


if __name__ == "__main__":
    unittest.main()
