"""Terms as text, thousands of random ones: what a real erl prints is read as the term it is of, and what is printed here erl reads
as that term, byte for byte as it would have printed it."""
import os
import random
import shutil
import subprocess
import tempfile
import unittest

from interoptools import HERE, ROOT, lacks

WHY = lacks("escript", "erl", "cc")

# `p HEX`: the term as text. `r TEXT`: the term in hex.
PROGRAM = r"""
#define CLUSTER_IMPLEMENTATION
#include "cluster.h"
#include <stdio.h>

int main(void)
{
    static char line[1 << 20], text[1 << 20];
    static unsigned char term[1 << 19];
    while (fgets(line, sizeof line, stdin)) {
        size_t size, i;
        unsigned byte;
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == 'p') {
            for (size = 0; sscanf(line + 2 + 2 * size, "%2x", &byte) == 1; size++)
                term[size] = (unsigned char)byte;
            printf("%s\n", cluster_term_print(term, size, text, sizeof text) ? text : "no term");
        } else if (cluster_term_parse(line + 2, term, sizeof term, &size)) {
            printf("%s\n", cluster_term_why(line + 2, NULL));
        } else {
            for (i = 0; i < size; i++)
                printf("%02X", term[i]);
            printf("\n");
        }
    }
    return 0;
}
"""


def erl(*arguments, text=None):
    done = subprocess.run(["escript", os.path.join(HERE, "term_texts.erl"), *arguments], input=text, capture_output=True,
                          encoding="utf-8", timeout=300, check=True,
                          env=dict(os.environ, ERL_CRASH_DUMP=os.devnull))
    return done.stdout.split("\n")[:-1]


@unittest.skipIf(WHY, WHY)
class Terms(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        source, cls.program = os.path.join(cls.folder, "terms.c"), os.path.join(cls.folder, "terms")
        with open(source, "w", encoding="utf-8") as file:
            file.write(PROGRAM)
        subprocess.run(["cc", "-std=c99", "-O1", "-I" + ROOT, "-o", cls.program, source], check=True, timeout=300)

    def ours(self, mode, rows):
        done = subprocess.run([self.program], input="".join("%s %s\n" % (mode, row) for row in rows), capture_output=True,
                              encoding="utf-8", timeout=300, check=True)
        lines = done.stdout.split("\n")[:-1]
        self.assertEqual(len(lines), len(rows))
        return lines

    def test_random_terms(self):
        seed = random.randrange(1 << 30)
        rows = [line.split("\t", 2) for line in erl(str(seed), "6000")]
        self.assertEqual(len(rows), 6000)
        self.assertGreater(sum(row[0] == "=" for row in rows), 3000)
        printed = self.ours("p", [term for _, term, _ in rows])
        verdicts = erl("read", text="".join("%s\t%s\n" % (row[1], text) for row, text in zip(rows, printed)))
        self.assertEqual(len(verdicts), len(rows))
        for row, text, verdict in zip(rows, printed, verdicts):
            self.assertEqual(verdict, "same", "seed %d, %s, printed %s" % (seed, row[1], text))
        for (_, term, text), back in zip(rows, self.ours("r", printed)):
            self.assertEqual(back, term, "seed %d, %s" % (seed, text))
        read = [row for row in rows if row[0] != "-" and self.readable(row[2])]
        for (_, term, text), back in zip(read, self.ours("r", [row[2] for row in read])):
            self.assertEqual(back, term, "seed %d, %s" % (seed, text))
        self.assertGreater(len(read), 4000)

    @staticmethod
    def readable(text):
        """Not an integer of more than 4096 bits in base 10."""
        run = most = 0
        for c in text:
            run = run + 1 if c.isdigit() else 0
            most = max(most, run)
        return most <= 1233


if __name__ == "__main__":
    unittest.main()
