/* SPDX-License-Identifier: MIT */
/*
 * mock_draw.h - random numbers of a given distribution, in integers.
 *
 * Each function maps one 64-bit draw to one number by inversion (Devroye, "Non-Uniform Random
 * Variate Generation", 1986, II.2): it is monotone in the draw's quantile, so that equal draws
 * compare policies on equal luck, and takes exactly one draw, so that streams never shift. Tables
 * of the normal quantile, log2 and exp2 (mock_tables.h) are read with linear interpolation. Fixed
 * point has 24 bits after the point. Results that do not fit are UINT64_MAX.
 *
 * Memory: none. Threads: pure functions. Loops: at most the 64 bits of a word.
 */
#ifndef SWARM_MOCK_DRAW_H
#define SWARM_MOCK_DRAW_H

#include <stdbool.h>
#include <stdint.h>

#include "mock_tables.h"

#define PPM 1000000u
#define ONE24 (1u << 24)  /* fixed point: 24 bits after the point */
#define LN2_30 744261118u /* ln 2, 30 bits after the point */
#define LOG2E_24 24204406 /* 1 / ln 2, 24 bits */

/* ---- Arithmetic ---------------------------------------------------------------------------- */

static inline uint64_t saturating_add(uint64_t a, uint64_t b) {
    return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

/* The high word of a * b; the low one is a * b. */
static inline uint64_t multiply_high(uint64_t a, uint64_t b) {
    uint64_t low = (a & UINT32_MAX) * (b & UINT32_MAX);
    uint64_t cross = (a >> 32) * (b & UINT32_MAX) + (low >> 32);
    uint64_t middle = (a & UINT32_MAX) * (b >> 32) + (cross & UINT32_MAX);

    return (a >> 32) * (b >> 32) + (cross >> 32) + (middle >> 32);
}

/* a * b / 2^shift, rounded down; UINT64_MAX when it does not fit. shift is below 64. */
static inline uint64_t multiply_shift(uint64_t a, uint64_t b, uint32_t shift) {
    uint64_t high = multiply_high(a, b), low = a * b;

    if (high >> shift != 0) {
        return UINT64_MAX;
    }
    return shift == 0 ? low : high << (64 - shift) | low >> shift;
}

/* a * b / c, rounded down; UINT64_MAX when it does not fit. c is not 0. */
static inline uint64_t multiply_divide(uint64_t a, uint64_t b, uint64_t c) {
    uint64_t high = multiply_high(a, b), low = a * b;

    if (high == 0) {
        return low / c;
    }
    if (high >= c) {
        return UINT64_MAX;
    }
    for (int bit = 0; bit < 64; bit++) { /* Warren, "Hacker's Delight", 9-4 */
        uint64_t carry = high >> 63;

        high = high << 1 | low >> 63;
        low <<= 1;
        if (carry != 0 || high >= c) {
            high -= c;
            low |= 1;
        }
    }
    return low;
}

static inline uint64_t multiply_divide_up(uint64_t a, uint64_t b, uint64_t c) {
    uint64_t quotient = multiply_divide(a, b, c);
    bool exact = quotient * c == a * b; /* the remainder is below c: its low word decides */

    return exact ? quotient : saturating_add(quotient, 1);
}

/* ---- Distributions ------------------------------------------------------------------------- */

/* A rising table of 128 segments at x of 24 bits. */
static inline uint64_t interpolate(const uint32_t *table, uint32_t x) {
    uint32_t at = x >> 17;
    uint64_t rest = x & ((1u << 17) - 1);

    return table[at] + ((table[at + 1] - table[at]) * rest >> 17);
}

/* value * 2^(exponent / 2^24), at most UINT64_MAX; |exponent| is below 100 * 2^24. */
static inline uint64_t times_power(uint64_t value, int64_t exponent) {
    uint64_t biased = (uint64_t)(exponent + 128 * (int64_t)ONE24);
    uint64_t mantissa = interpolate(exp2_table, (uint32_t)(biased & (ONE24 - 1)));
    uint32_t whole = (uint32_t)(biased >> 24);

    if (whole <= 128 + 30) {
        uint32_t down = 128 + 30 - whole;

        return down > 63 ? 0 : multiply_shift(value, mantissa, down);
    }
    value = multiply_shift(value, mantissa, 0);
    whole -= 128 + 30;
    return value <= UINT64_MAX >> whole ? value << whole : UINT64_MAX;
}

/* Leading zeros of a word, at most `most`. */
static inline uint32_t leading_zeros(uint64_t word, uint32_t most) {
    uint32_t count = 0;

    while (count < most && (word >> 63) == 0) {
        word <<= 1;
        count++;
    }
    return count;
}

/* The draw's normal quantile, times 2^24: its lowest bit is the sign, the others the tail. */
static inline int64_t normal_quantile(uint64_t draw) {
    uint64_t tail = draw & ~(uint64_t)1;
    uint32_t zeros = leading_zeros(tail, NORMAL_OCTAVES);
    int64_t z = normal_table[0];

    if (zeros < NORMAL_OCTAVES) {
        uint64_t mantissa = tail << zeros;
        uint32_t at = (NORMAL_OCTAVES - 1 - zeros) * NORMAL_STEPS + (mantissa >> 58 & 31);
        uint64_t rest = mantissa >> 34 & (ONE24 - 1);

        z = normal_table[at] - (int64_t)((normal_table[at] - normal_table[at + 1]) * rest >> 24);
    }
    return (draw & 1) != 0 ? z : -z;
}

/* -log2 of the draw as a fraction of 2^64, times 2^24: from 0 to 64 * 2^24. */
static inline uint64_t minus_log2(uint64_t draw) {
    uint32_t zeros = leading_zeros(draw, 63);
    uint32_t fraction = (uint32_t)(draw << zeros >> 39 & (ONE24 - 1));

    return ((uint64_t)(zeros + 1) << 24) - interpolate(log2_table, fraction);
}

static inline uint64_t draw_uniform(uint64_t draw, uint64_t low, uint64_t high) {
    uint64_t span = high > low ? high - low : 0;

    return span == UINT64_MAX ? draw : low + multiply_high(draw, span + 1);
}

static inline uint64_t draw_exponential(uint64_t draw, uint64_t mean) {
    return multiply_shift(mean, minus_log2(draw) * LN2_30 >> 30, 24);
}

/* mean * exp(sigma * z - sigma^2 / 2): the shift makes `mean` the mean, not the median. */
static inline uint64_t draw_lognormal(uint64_t draw, uint64_t mean, uint64_t sigma_ppm) {
    int64_t shift = (int64_t)((sigma_ppm * sigma_ppm / 1000) * ONE24 / (2000u * (uint64_t)PPM));
    int64_t power = (int64_t)sigma_ppm * normal_quantile(draw) / (int64_t)PPM - shift;

    return times_power(mean, power * LOG2E_24 / (int64_t)ONE24);
}

/* b * U^(-1/alpha), b chosen so that the mean is right. */
static inline uint64_t draw_pareto(uint64_t draw, uint64_t mean, uint64_t alpha_ppm) {
    uint64_t least = multiply_divide(mean, alpha_ppm - PPM, alpha_ppm);

    return times_power(least, (int64_t)(minus_log2(draw) * PPM / alpha_ppm));
}

#endif
