/* SPDX-License-Identifier: MIT */
/*
 * bucket.h - token bucket with exact integer arithmetic.
 *
 * `units` tokens flow in during each `period` of ns, at most `burst` gather. Credit is kept in
 * tokens times period (both divided by their greatest common divisor first), so what flows in
 * during t ns is t times units, a whole number: nothing is rounded, and however often the bucket is
 * looked at, the same times give the same credit. Credit may go below zero: a debt, when more was
 * used than taken; then nothing is there until it has flowed in.
 *
 * Invariant: credit <= full.
 *
 * After the leaky bucket as a meter (Turner, "New Directions in Communications", IEEE
 * Communications Magazine 24(10), 1986). Memory: the struct. Threads: one owner.
 */
#ifndef SWARM_BASE_BUCKET_H
#define SWARM_BASE_BUCKET_H

#include "checked.h"

#define BUCKET_FULL_MAX (UINT64_C(1) << 61) /* so that sums of two stay within int64_t */

struct bucket {
    uint64_t units;  /* a ns times period; 0: not a bucket */
    uint64_t period; /* credit that a token is worth */
    uint64_t full;   /* credit of burst tokens */
    int64_t credit;
    uint64_t at_ns; /* when it was that */
};

static inline uint64_t bucket_divisor(uint64_t a, uint64_t b) {
    while (b != 0) { /* Euclid: at most 93 rounds */
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* Full at time now_ns. False, and nothing done, when the numbers are too large or one is 0. */
static inline bool bucket_init(struct bucket *bucket, uint64_t units, uint64_t period_ns,
                               uint64_t burst, uint64_t now_ns) {
    uint64_t divisor = bucket_divisor(units, period_ns), full;

    if (units == 0 || period_ns == 0 || burst == 0 ||
        !checked_mul64(burst, period_ns / divisor, &full) || full > BUCKET_FULL_MAX ||
        units / divisor > BUCKET_FULL_MAX) {
        return false;
    }
    bucket->units = units / divisor;
    bucket->period = period_ns / divisor;
    bucket->full = full;
    bucket->credit = (int64_t)full;
    bucket->at_ns = now_ns;
    return true;
}

/* Credit that `tokens` are worth, at most twice BUCKET_FULL_MAX. */
static inline int64_t bucket_worth(const struct bucket *bucket, uint64_t tokens) {
    uint64_t worth;

    if (!checked_mul64(tokens, bucket->period, &worth) || worth > 2 * BUCKET_FULL_MAX) {
        worth = 2 * BUCKET_FULL_MAX;
    }
    return (int64_t)worth;
}

/* Time from at_ns until the credit is `wanted`, rounded up. */
static inline uint64_t bucket_time(const struct bucket *bucket, int64_t wanted) {
    uint64_t missing = (uint64_t)(wanted - bucket->credit);

    return wanted <= bucket->credit ? 0 : missing / bucket->units + (missing % bucket->units != 0);
}

/* Lets flow in what has since at_ns. */
static inline void bucket_refill(struct bucket *bucket, uint64_t now_ns) {
    uint64_t since = now_ns - bucket->at_ns;

    SWARM_ASSERT(now_ns >= bucket->at_ns);
    if (since >= bucket_time(bucket, (int64_t)bucket->full)) {
        bucket->credit = (int64_t)bucket->full;
    } else { /* less than what is missing: no overflow */
        bucket->credit += (int64_t)(since * bucket->units);
    }
    bucket->at_ns = now_ns;
    SWARM_ASSERT(bucket->credit <= (int64_t)bucket->full);
}

/* Whether `tokens` can ever be taken at once. */
static inline bool bucket_holds(const struct bucket *bucket, uint64_t tokens) {
    return bucket_worth(bucket, tokens) <= (int64_t)bucket->full;
}

static inline bool bucket_has(struct bucket *bucket, uint64_t tokens, uint64_t now_ns) {
    bucket_refill(bucket, now_ns);
    return bucket_worth(bucket, tokens) <= bucket->credit;
}

/* When `tokens` will be there if nobody takes any; they fit. */
static inline uint64_t bucket_when(const struct bucket *bucket, uint64_t tokens) {
    return saturating_add64(bucket->at_ns, bucket_time(bucket, bucket_worth(bucket, tokens)));
}

/* Takes tokens, into debt if need be; the debt stops at -2 BUCKET_FULL_MAX. */
static inline void bucket_take(struct bucket *bucket, uint64_t tokens) {
    int64_t worth = bucket_worth(bucket, tokens), floor = -2 * (int64_t)BUCKET_FULL_MAX;

    bucket->credit = bucket->credit < floor + worth ? floor : bucket->credit - worth;
}

/* Gives tokens back that were taken and not used; what does not fit is gone. */
static inline void bucket_give(struct bucket *bucket, uint64_t tokens) {
    int64_t worth = bucket_worth(bucket, tokens), room = (int64_t)bucket->full - bucket->credit;

    bucket->credit += worth < room ? worth : room;
}

#endif
