/* SPDX-License-Identifier: MIT */
/*
 * checked.h - arithmetic on numbers that a caller gave.
 *
 * Every sum, product and alignment of a configured or foreign number passes through here, so that
 * an overflow becomes a status and never a small allocation or a negative budget. Each function
 * returns whether the result is exact; when it is not, *out is left alone.
 *
 * The wide helpers give the 128-bit product of two words. wide_multiply_limbs is portable and is
 * always compiled and tested; wide_multiply takes the compiler's 128-bit type where there is one
 * (one instruction on 64-bit machines). Both give the same bits, so hashes and draws do not depend
 * on the choice. SWARM_NO_INT128 forces the portable one.
 *
 * Source: Warren, "Hacker's Delight", 2nd edition, 8-2 (product by limbs) and 9-4 (shift and
 * subtract division).
 * Threads: pure functions.
 */
#ifndef SWARM_BASE_CHECKED_H
#define SWARM_BASE_CHECKED_H

#include "check.h"

/* The low word of a * b is returned, the high one goes to *out_high. */
static inline uint64_t wide_multiply_limbs(uint64_t a, uint64_t b, uint64_t *out_high) {
    uint64_t a_low = a & UINT32_MAX, a_high = a >> 32;
    uint64_t b_low = b & UINT32_MAX, b_high = b >> 32;
    uint64_t low = a_low * b_low;
    uint64_t cross = a_high * b_low + (low >> 32); /* cannot overflow: (2^32-1)^2 + 2^32-1 < 2^64 */
    uint64_t middle = a_low * b_high + (cross & UINT32_MAX);

    *out_high = a_high * b_high + (cross >> 32) + (middle >> 32);
    return (middle << 32) | (low & UINT32_MAX);
}

#if defined(__SIZEOF_INT128__) && !defined(SWARM_NO_INT128)
__extension__ typedef unsigned __int128 wide_u128;

static inline uint64_t wide_multiply(uint64_t a, uint64_t b, uint64_t *out_high) {
    wide_u128 product = (wide_u128)a * b;

    *out_high = (uint64_t)(product >> 64);
    return (uint64_t)product;
}
#else
static inline uint64_t wide_multiply(uint64_t a, uint64_t b, uint64_t *out_high) {
    return wide_multiply_limbs(a, b, out_high);
}
#endif

/* (high:low) / divisor, rounded down. A quotient bit each round; the rare path of mul_div only. */
static inline uint64_t wide_divide(uint64_t high, uint64_t low, uint64_t divisor) {
    SWARM_ASSERT(divisor != 0);
    SWARM_ASSERT(high < divisor); /* else the quotient has more than 64 bits */
    for (int bit = 0; bit < 64; bit++) {
        uint64_t carry = high >> 63;

        high = (high << 1) | (low >> 63);
        low <<= 1;
        if (carry != 0 || high >= divisor) {
            high -= divisor; /* with a carry the true value is 2^64 + high: the wrap is exact */
            low |= 1;
        }
    }
    SWARM_ASSERT(high < divisor);
    return low;
}

/* The checked family: true and the result, or false and *out untouched, so that a caller who adds
 * up several sizes may keep the last good one. The test comes before the operation and asks for the
 * room that is left: it cannot wrap itself. */
static inline bool checked_add32(uint32_t a, uint32_t b, uint32_t *out) {
    if (b > UINT32_MAX - a) {
        return false;
    }
    *out = a + b;
    return true;
}

static inline bool checked_add64(uint64_t a, uint64_t b, uint64_t *out) {
    if (b > UINT64_MAX - a) {
        return false;
    }
    *out = a + b;
    return true;
}

static inline bool checked_sub32(uint32_t a, uint32_t b, uint32_t *out) {
    if (b > a) {
        return false;
    }
    *out = a - b;
    return true;
}

static inline bool checked_sub64(uint64_t a, uint64_t b, uint64_t *out) {
    if (b > a) {
        return false;
    }
    *out = a - b;
    return true;
}

static inline bool checked_mul32(uint32_t a, uint32_t b, uint32_t *out) {
    uint64_t product = (uint64_t)a * b;

    if (product > UINT32_MAX) {
        return false;
    }
    *out = (uint32_t)product;
    return true;
}

static inline bool checked_mul64(uint64_t a, uint64_t b, uint64_t *out) {
    uint64_t high;
    uint64_t low = wide_multiply(a, b, &high);

    if (high != 0) {
        return false;
    }
    *out = low;
    return true;
}

/* a * b / c, rounded down, with the product in full width: prices per million tokens, shares of a
 * budget, parts per million of a duration. False for c = 0 and for a quotient above 64 bits. */
static inline bool checked_mul_div(uint64_t a, uint64_t b, uint64_t c, uint64_t *out) {
    uint64_t high;
    uint64_t low = wide_multiply(a, b, &high);

    SWARM_ASSERT(out != NULL);
    if (high >= c) { /* covers c = 0 */
        return false;
    }
    *out = high == 0 ? low / c : wide_divide(high, low, c);
    return true;
}

/* The next multiple of align, a power of two. */
static inline bool checked_align_up(uint64_t value, uint64_t align, uint64_t *out) {
    SWARM_ASSERT(align != 0);
    SWARM_ASSERT((align & (align - 1)) == 0);
    if (value > UINT64_MAX - (align - 1)) {
        return false;
    }
    *out = (value + align - 1) & ~(align - 1);
    SWARM_ASSERT(*out >= value);
    SWARM_ASSERT(*out - value < align);
    return true;
}

/* Stops at the end of time: now + timeout must not become a moment in the past. */
static inline uint64_t saturating_add64(uint64_t a, uint64_t b) {
    return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

#endif
