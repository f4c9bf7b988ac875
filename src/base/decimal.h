/*
 * Naturals of up to 4096 bits, and on them the exact ways between decimal digits and IEEE 754's binary64: the double that is
 * nearest to a decimal, and the shortest decimal that reads back as a double. Integer arithmetic alone: no libm, no stdio,
 * no locale. Never allocates.
 */
#ifndef CLU_BASE_DECIMAL_H
#define CLU_BASE_DECIMAL_H

#include "platform.h"

#define CLU_BIG_WORDS 128
#define CLU_DOUBLE_DIGITS 17 /* no double needs more to read back */

/* The words in use, the lowest first; the last of them is not 0. */
struct clu_big {
    uint32_t count;
    uint32_t word[CLU_BIG_WORDS];
};

/* b * factor + add. False: it does not fit, and b is lost. */
CLU_CALLED bool clu_big_scale(struct clu_big *b, uint32_t factor, uint32_t add)
{
    uint64_t carry = add;
    uint32_t i;
    for (i = 0; i < b->count; i++) {
        carry += (uint64_t)b->word[i] * factor;
        b->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry && i == CLU_BIG_WORDS)
        return false;
    if (carry)
        b->word[b->count++] = (uint32_t)carry;
    return true;
}

/* b * base^exponent. */
CLU_CALLED bool clu_big_power(struct clu_big *b, uint32_t base, int64_t exponent)
{
    for (; exponent > 0; exponent--)
        if (!clu_big_scale(b, base, 0))
            return false;
    return true;
}

CLU_CALLED void clu_big_set(struct clu_big *b, uint64_t value)
{
    b->word[0] = (uint32_t)value;
    b->word[1] = (uint32_t)(value >> 32);
    b->count = b->word[1] ? 2 : b->word[0] != 0;
}

CLU_FN void clu_big_trim(struct clu_big *b)
{
    while (b->count && !b->word[b->count - 1])
        b->count--;
}

/* Less than, equal to, or greater than 0, as a is to b. */
CLU_CALLED int clu_big_compare(const struct clu_big *a, const struct clu_big *b)
{
    uint32_t i = a->count;
    if (i != b->count)
        return i < b->count ? -1 : 1;
    while (i--)
        if (a->word[i] != b->word[i])
            return a->word[i] < b->word[i] ? -1 : 1;
    return 0;
}

/* a - b, where b is no more than a. */
CLU_CALLED void clu_big_subtract(struct clu_big *a, const struct clu_big *b)
{
    uint64_t borrow = 0;
    uint32_t i;
    for (i = 0; i < a->count; i++) {
        borrow = (uint64_t)a->word[i] - (i < b->count ? b->word[i] : 0) - borrow;
        a->word[i] = (uint32_t)borrow;
        borrow = borrow >> 63;
    }
    clu_big_trim(a);
}

/* How a + b is to c. */
CLU_CALLED int clu_big_compare_sum(const struct clu_big *a, const struct clu_big *b, const struct clu_big *c)
{
    struct clu_big rest = *c;
    if (clu_big_compare(a, c) > 0)
        return 1;
    clu_big_subtract(&rest, a);
    return clu_big_compare(b, &rest);
}

/* The remainder of b by a divisor; b becomes the quotient. */
CLU_FN uint32_t clu_big_divide(struct clu_big *b, uint32_t divisor)
{
    uint64_t rest = 0;
    uint32_t i = b->count;
    while (i--) {
        rest = rest << 32 | b->word[i];
        b->word[i] = (uint32_t)(rest / divisor);
        rest %= divisor;
    }
    clu_big_trim(b);
    return (uint32_t)rest;
}

CLU_FN int clu_big_bits(const struct clu_big *b)
{
    uint32_t top = b->count ? b->word[b->count - 1] : 0;
    int bits = (int)(b->count * 32);
    for (; b->count && !(top >> 31); top <<= 1)
        bits--;
    return bits;
}

/* The double nearest to n * 10^exponent, of two that are as near the even one. False: it is beyond the largest. n, which is
 * below 2^2600, is lost. */
CLU_FN bool clu_double_of(struct clu_big *n, int64_t exponent, double *out)
{
    struct clu_big d;
    uint64_t mantissa = 0;
    int scale, bits, order;
    *out = 0;
    /* 2^2600 is less than 10^783, and less than 10^-324 is less than half of the smallest. */
    if (!n->count || exponent < -1110)
        return true;
    clu_big_set(&d, 1);
    if (!clu_big_power(n, 10, exponent) || !clu_big_power(&d, 10, -exponent))
        return false;
    scale = clu_big_bits(n) - clu_big_bits(&d);
    if (scale > 1024)
        return false;
    if (!clu_big_power(n, 2, -scale) || !clu_big_power(&d, 2, scale))
        return false;
    if (clu_big_compare(n, &d) < 0) {
        (void)clu_big_scale(n, 2, 0);
        scale--;
    }
    /* Now n / d is at least 1 and less than 2, the value is that times 2^scale. */
    bits = scale < -1022 ? 53 + 1022 + scale : 53;
    if (bits < 0)
        return true;
    for (; bits; bits--) {
        mantissa <<= 1;
        if (clu_big_compare(n, &d) >= 0) {
            clu_big_subtract(n, &d);
            mantissa++;
        }
        (void)clu_big_scale(n, 2, 0);
    }
    order = clu_big_compare(n, &d);
    mantissa += order > 0 || (order == 0 && (mantissa & 1));
    if (scale > -1022)
        mantissa += (uint64_t)(scale + 1022) << 52;
    if (mantissa >> 52 >= 0x7ff)
        return false;
    memcpy(out, &mantissa, sizeof *out);
    return true;
}

CLU_CALLED void clu_big_tenfold(struct clu_big *b, unsigned count)
{
    while (count)
        (void)clu_big_scale(&b[--count], 10, 0);
}

/* The digits of the shortest decimal that reads back as this double, which is finite and more than 0; of those as short the one
 * that is nearest to it. The value is 0.DIGITS * 10^*place. Returns how many there are. (Steele and White's algorithm.) */
CLU_FN unsigned clu_double_digits(double value, char digits[CLU_DOUBLE_DIGITS], int *place)
{
    struct clu_big b[3], s, *r = &b[0], *low = &b[1], *high = &b[2]; /* r / s is what is left of the value; low / s and high / s
                                                                        are half of the way to its neighbours */
    unsigned count = 0;
    uint64_t bits, mantissa;
    int exponent, even, order;
    bool down, up;
    memcpy(&bits, &value, sizeof bits);
    exponent = (int)(bits >> 52 & 0x7ff);
    mantissa = bits & ((UINT64_C(1) << 52) - 1);
    clu_big_set(r, (mantissa | (uint64_t)(exponent != 0) << 52) << 1);
    clu_big_set(&s, 2);
    clu_big_set(low, 1);
    exponent -= exponent != 0;
    (void)clu_big_power(r, 2, exponent - 1074);
    (void)clu_big_power(low, 2, exponent - 1074);
    (void)clu_big_power(&s, 2, 1074 - exponent);
    *high = *low;
    if (!mantissa && exponent) { /* a power of two: its lower neighbour is nearer */
        (void)clu_big_scale(high, 2, 0);
        (void)clu_big_scale(r, 2, 0);
        (void)clu_big_scale(&s, 2, 0);
    }
    even = !(mantissa & 1); /* what is half way reads as the even one */
    for (*place = 0; clu_big_compare_sum(r, high, &s) + even > 0; ++*place)
        clu_big_tenfold(&s, 1);
    for (clu_big_tenfold(b, 3); clu_big_compare_sum(r, high, &s) + even <= 0; clu_big_tenfold(b, 3))
        --*place;
    for (;; clu_big_tenfold(b, 3)) {
        digits[count] = '0';
        for (; clu_big_compare(r, &s) >= 0; digits[count]++)
            clu_big_subtract(r, &s);
        down = clu_big_compare(r, low) - even < 0;
        up = clu_big_compare_sum(r, high, &s) + even > 0;
        if (down || up)
            break;
        count++;
    }
    order = clu_big_compare_sum(r, r, &s);
    if (up && (!down || order > 0 || (order == 0 && (digits[count] & 1))))
        digits[count]++;
    return count + 1;
}

#endif
