/*
 * Binary logarithms in integers, for weighted rendezvous: libm's differ from one C library to the next. Owns nothing.
 */
#ifndef CLU_PLACE_LOGARITHM_H
#define CLU_PLACE_LOGARITHM_H

#include "../base/hash.h"

#define CLU_LOG_BITS 10
#define CLU_LOG_SIZE ((1u << CLU_LOG_BITS) + 1)
#define CLU_LOG_ONE (UINT64_C(1) << 56)

/* table[i]: log2(1 + i / 1024) in 2^-56. A number's logarithm has its bits one by one: squared it has them one place further
 * left, and it is halved when that gives 2 or more. */
CLU_FN void clu_log_table(uint64_t table[CLU_LOG_SIZE])
{
    size_t i;
    for (i = 0; i + 1 < CLU_LOG_SIZE; i++) {
        uint64_t x = (UINT64_C(1) << 63) + ((uint64_t)i << (63 - CLU_LOG_BITS)), bit, sum = 0; /* 1..2 in 2^-63 */
        for (bit = CLU_LOG_ONE >> 1; bit; bit >>= 1) {
            uint64_t low = x, high = x;
            clu_multiply(&low, &high);
            if (high >> 63) {
                sum |= bit;
                x = high;
            } else {
                x = high << 1 | low >> 63;
            }
        }
        table[i] = sum;
    }
    table[i] = CLU_LOG_ONE;
}

/* -log2(x / 2^64) in 2^-56, for an odd x: above 0, at most 2^62. A straight line between two entries of the table. */
CLU_FN uint64_t clu_log_of(const uint64_t *table, uint64_t x)
{
    uint64_t whole = CLU_LOG_ONE, rest, step;
    size_t i;
#if defined(__GNUC__) || defined(__clang__)
    const int zeros = __builtin_clzll(x);
    whole += (uint64_t)zeros << 56;
    x <<= zeros;
#else
    for (; !(x >> 63); x <<= 1)
        whole += CLU_LOG_ONE;
#endif
    x <<= 1; /* the first 1 is known */
    i = (size_t)(x >> (64 - CLU_LOG_BITS));
    rest = x << CLU_LOG_BITS;
    step = table[i + 1] - table[i];
    clu_multiply(&rest, &step);
    return whole - table[i] - step;
}

#endif
