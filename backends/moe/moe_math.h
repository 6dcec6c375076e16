/* SPDX-License-Identifier: MIT */
/*
 * moe_math.h - the few functions of mathematics that the model needs, in plain arithmetic.
 *
 * Nothing is linked at run time, and answers must not depend on the machine: so exp, log, sine and
 * square root are made of additions, multiplications and bit patterns of IEEE 754 doubles, each
 * rounded once. Contraction into fused operations is switched off for the whole unit (below); with
 * it, two compilers would give two models.
 *
 * Accuracy: about 1e-15 relative for exp and log, 1e-12 absolute for sine and cosine of the angles
 * of positions below 2^24. Pure functions, any thread.
 * Source: argument reduction in two or three parts after Cody and Waite, Software Manual for the
 * Elementary Functions (1980), chapters 5, 6 and 8; series of Taylor and of the area tangent.
 */
#ifndef SWARM_MOE_MATH_H
#define SWARM_MOE_MATH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "moe_bits.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

#define LOG2_OF_E 1.44269504088896340736
#define LN2_HIGH 6.93147180369123816490e-01 /* 33 bits: n * LN2_HIGH is exact */
#define LN2_LOW 1.90821492927058770002e-10
#define HALF_PI_HIGH 1.57079632673412561417e+00 /* 33 bits */
#define HALF_PI_MIDDLE 6.07710050630396597660e-11
#define HALF_PI_LOW 2.02226624879595063154e-21
#define TWO_OVER_PI 6.36619772367581382433e-01

static inline double double_of_bits(uint64_t bits) {
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint64_t bits_of_double(double value) {
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The nearest integer of a value below 2^31. */
static inline int32_t nearest(double value) {
    return (int32_t)(value < 0 ? value - 0.5 : value + 0.5);
}

/* Times 2^n, for |n| below 2,000: in two steps, so that subnormal results are reached. */
static inline double scaled(double value, int32_t n) {
    int32_t half = n / 2;

    return value * double_of_bits((uint64_t)(uint32_t)(half + 1023) << 52) *
           double_of_bits((uint64_t)(uint32_t)(n - half + 1023) << 52);
}

static inline double exponential(double x) {
    static const double inverse_factorials[] = {1.0 / 6227020800.0,
                                                1.0 / 479001600.0,
                                                1.0 / 39916800.0,
                                                1.0 / 3628800.0,
                                                1.0 / 362880.0,
                                                1.0 / 40320.0,
                                                1.0 / 5040.0,
                                                1.0 / 720.0,
                                                1.0 / 120.0,
                                                1.0 / 24.0,
                                                1.0 / 6.0,
                                                0.5,
                                                1.0,
                                                1.0};
    double sum = 0, rest;
    int32_t n;

    if (!(x > -745.0)) {
        return x < 0 ? 0.0 : x; /* what is not a number stays one */
    }
    if (x > 709.0) {
        return double_of_bits(UINT64_C(0x7ff) << 52);
    }
    n = nearest(x * LOG2_OF_E);
    rest = (x - n * LN2_HIGH) - n * LN2_LOW;
    for (uint32_t i = 0; i < sizeof inverse_factorials / sizeof inverse_factorials[0]; i++) {
        sum = sum * rest + inverse_factorials[i];
    }
    return scaled(sum, n);
}

/* Of a normal number above 0. */
static inline double logarithm(double x) {
    uint64_t bits = bits_of_double(x);
    int32_t n = (int32_t)(bits >> 52) - 1023;
    double m = double_of_bits((bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1023) << 52);
    double s, square, sum = 0;

    if (m > 1.41421356237309504880) {
        m = m / 2;
        n++;
    }
    s = (m - 1) / (m + 1);
    square = s * s;
    for (int32_t i = 25; i >= 1; i -= 2) {
        sum = sum * square + 1.0 / i;
    }
    return n * LN2_HIGH + (n * LN2_LOW + 2 * s * sum);
}

/* Of x >= 0; by Newton's iteration for its inverse, which needs no division. */
static inline double square_root(double x) {
    double inverse;

    if (!(x > 0) || bits_of_double(x) >> 52 == 0x7ff) {
        return x;
    }
    inverse = double_of_bits(UINT64_C(0x5fe6eb50c7b537a9) - (bits_of_double(x) >> 1));
    for (uint32_t i = 0; i < 5; i++) {
        inverse = inverse * (1.5 - 0.5 * x * inverse * inverse);
    }
    return x * inverse;
}

/* Sine and cosine of 0 <= x < 2^30. */
static inline void sine_cosine(double x, double *out_sine, double *out_cosine) {
    int32_t n = nearest(x * TWO_OVER_PI);
    double rest = ((x - n * HALF_PI_HIGH) - n * HALF_PI_MIDDLE) - n * HALF_PI_LOW;
    double square = rest * rest, sine = 1, cosine = 1;

    for (int32_t i = 18; i >= 2; i -= 2) {
        sine = 1 - sine * square / (i * (i + 1));
        cosine = 1 - cosine * square / (i * (i - 1));
    }
    sine = sine * rest;
    *out_sine = n & 1 ? cosine : sine;
    *out_cosine = n & 1 ? sine : cosine;
    *out_sine = n & 2 ? -*out_sine : *out_sine;
    *out_cosine = (n + 1) & 2 ? -*out_cosine : *out_cosine;
}

static inline float sigmoid(float x) {
    return (float)(1.0 / (1.0 + exponential(-(double)x)));
}

static inline float silu(float x) {
    return (float)(x / (1.0 + exponential(-(double)x)));
}

#endif
