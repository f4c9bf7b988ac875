/*
 * Jump consistent hashing (Lamping and Veach): a bucket for a key from nothing but their number, which may change at its end
 * only. Owns nothing, never allocates.
 */
#ifndef CLU_PLACE_JUMP_H
#define CLU_PLACE_JUMP_H

#include "../base/hash.h"

/* The whole part of times * (2^31 / by) in IEEE 754 doubles: quotient and product are rounded to 53 bits, to nearest. In
 * integers, since neither every machine nor every compiler flag keeps to those doubles. by: 1 to 2^31, times: below 2^33. */
CLU_FN uint64_t clu_jump_product(uint64_t times, uint64_t by)
{
    unsigned shift = 32, bits;
    uint64_t quotient, rest, high, whole = (times << 31) / by;
    rest = (times << 31) - whole * by;
    if (rest > times >> 20 && by - rest > times >> 20) /* too far from a whole number for any rounding to reach it */
        return whole;
    while (!(by >> (shift - 1)))
        shift--;
    quotient = (UINT64_C(1) << (shift + 30)) / by;
    rest = ((UINT64_C(1) << (shift + 30)) - quotient * by) << 22;
    quotient = quotient << 22 | rest / by;
    rest = 2 * (rest % by);
    quotient += rest > by || (rest == by && (quotient & 1)); /* 53 bits, of which these were: */
    shift += 21;
    high = times;
    clu_multiply(&quotient, &high);
    whole = high << (64 - shift) | quotient >> shift;
    rest = quotient & ((UINT64_C(1) << shift) - 1);
    /* Only a fraction that is all ones can be rounded up to the next whole number. No bucket has more than 32 bits. */
    if (rest >> (shift - 22) < (1 << 22) - 1 || whole >> 32)
        return whole;
    for (bits = shift; whole >> (bits - shift); bits++)
        continue;
    return bits < 54 ? whole : whole + ((rest + (UINT64_C(1) << (bits - 54))) >> shift);
}

CLUSTER_DEF uint32_t cluster_jump(uint64_t key, uint32_t buckets)
{
    uint64_t bucket = 0, next = 0;
    while (next < buckets) {
        bucket = next;
        key = key * UINT64_C(2862933555777941757) + 1;
        next = clu_jump_product(bucket + 1, (key >> 33) + 1);
    }
    return buckets ? (uint32_t)bucket : CLUSTER_NOBODY;
}

#endif
