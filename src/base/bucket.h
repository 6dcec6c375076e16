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

/* A limit of so much in so long: requests a minute, tokens a minute. Time is an argument, so it
 * works the same in virtual time. */
struct bucket {
    /* Credit that flows in during one ns, both numbers reduced; 0: this is not a bucket. */
    uint64_t units;
    /* Credit that one token is worth: the reduced period. At least 1 in a bucket. */
    uint64_t period;
    /* Credit of `burst` tokens, 1 .. BUCKET_FULL_MAX: more does not gather. */
    uint64_t full;
    /* What could be spent at at_ns, -2 BUCKET_FULL_MAX .. full; below 0 it is a debt. */
    int64_t credit;
    /* The time that `credit` is about. Never later than a `now` that is given. */
    uint64_t at_ns;
};

/* Greatest common divisor. Without it, credit for a thousand million tokens a minute would have no
 * room in 64 bits (tests/test_rate.c). */
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
    SWARM_ASSERT(divisor != 0);
    bucket->units = units / divisor;
    bucket->period = period_ns / divisor;
    bucket->full = full;
    bucket->credit = (int64_t)full;
    bucket->at_ns = now_ns;
    SWARM_ASSERT(bucket->full >= bucket->period);
    return true;
}

/* Credit that `tokens` are worth, at most twice BUCKET_FULL_MAX: more than any bucket holds, so
 * such a wish is refused or becomes the largest debt, and no sum with it leaves int64_t. */
static inline int64_t bucket_worth(const struct bucket *bucket, uint64_t tokens) {
    uint64_t worth;
    SWARM_ASSERT(bucket->units != 0);

    if (!checked_mul64(tokens, bucket->period, &worth) || worth > 2 * BUCKET_FULL_MAX) {
        worth = 2 * BUCKET_FULL_MAX;
    }
    return (int64_t)worth;
}

/* Time from at_ns until the credit is `wanted`, rounded up: rounded down, the caller would come
 * back one ns early, find too little and be sent away for 0 ns, for ever. */
static inline uint64_t bucket_time(const struct bucket *bucket, int64_t wanted) {
    uint64_t missing = (uint64_t)(wanted - bucket->credit);
    SWARM_ASSERT(bucket->units != 0);

    return wanted <= bucket->credit ? 0 : missing / bucket->units + (missing % bucket->units != 0);
}

/* Lets flow in what has since at_ns. Whether it runs over is decided by times and not by credit:
 * since * units may overflow after a long pause, the time until full cannot. */
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
    SWARM_ASSERT(bucket->units != 0);
    return bucket_worth(bucket, tokens) <= (int64_t)bucket->full;
}

/* Whether `tokens` can be taken now without debt. It brings the bucket up to now_ns and takes
 * nothing: several limits are asked first, and only then is from all of them taken. */
static inline bool bucket_has(struct bucket *bucket, uint64_t tokens, uint64_t now_ns) {
    bucket_refill(bucket, now_ns);
    return bucket_worth(bucket, tokens) <= bucket->credit;
}

/* When `tokens` will be there if nobody takes any. Ask only for what fits (bucket_holds): for more
 * the answer would be a time at which there is still not enough. */
static inline uint64_t bucket_when(const struct bucket *bucket, uint64_t tokens) {
    SWARM_ASSERT(bucket_holds(bucket, tokens));
    return saturating_add64(bucket->at_ns, bucket_time(bucket, bucket_worth(bucket, tokens)));
}

/* Takes tokens, into debt if need be: what an answer really used is known only when it comes, and
 * it counts all the same. The debt stops at -2 BUCKET_FULL_MAX, so that sums stay in range. */
static inline void bucket_take(struct bucket *bucket, uint64_t tokens) {
    int64_t worth = bucket_worth(bucket, tokens), floor = -2 * (int64_t)BUCKET_FULL_MAX;

    SWARM_ASSERT(worth >= 0);
    bucket->credit = bucket->credit < floor + worth ? floor : bucket->credit - worth;
    SWARM_ASSERT(bucket->credit >= floor);
}

/* Gives tokens back that were taken and not used, at the time of the last look. What does not fit
 * is gone: it would have run over in the meantime. */
static inline void bucket_give(struct bucket *bucket, uint64_t tokens) {
    int64_t worth = bucket_worth(bucket, tokens), room = (int64_t)bucket->full - bucket->credit;

    SWARM_ASSERT(room >= 0);
    bucket->credit += worth < room ? worth : room;
}

#endif
