/* Teaches: who came and who went, between two lists of names. Everything else here is about getting the second list.
 *
 *     cc -std=c99 -DCLUSTER_IMPLEMENTATION -o 01_diff examples/01_diff.c && ./01_diff
 */
#include "../cluster.h"
#include <stdio.h>

int main(void)
{
    static const char *const before[] = {"a@h1", "b@h2", "c@h3"};
    static const char *const after[] = {"c@h3", "d@h4", "a@h1", "d@h4"}; /* any order, and a name twice */
    /* a mark for each name of `before`, and of `after` */
    unsigned char left[3], joined[4];
    int i;
    if (cluster_diff(before, 3, after, 4, left, joined) < 0)
        return 3;
    for (i = 0; i < 3; i++)
        if (left[i])
            printf("- %s\n", before[i]);
    for (i = 0; i < 4; i++)
        if (joined[i])
            printf("+ %s\n", after[i]);
    return 0;
}

/* Exercise: read the two lists from the command line, with "--" between them. What should an empty second list mean: that all
 * went, or that nobody could be asked? Example 4 has an answer. */
