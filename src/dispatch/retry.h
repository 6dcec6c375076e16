/* SPDX-License-Identifier: MIT */
/*
 * retry.h - whether and when a failed attempt is followed by another one (the formula stands at
 * swarm_retry in swarm.h; exponential backoff with jitter as in Metcalfe and Boggs 1976).
 */
#ifndef SWARM_DISPATCH_RETRY_H
#define SWARM_DISPATCH_RETRY_H

#include "../base/checked.h"
#include "../base/random.h"
#include "table.h"

#define BACKOFF_NS UINT64_C(1000000000) /* defaults */
#define BACKOFF_MAX_NS UINT64_C(60000000000)

/* Named streams of a run's seed. */
enum { STREAM_JITTER = 1 };

static inline bool outcome_is_retried(uint32_t outcome) {
    return outcome == SWARM_OUTCOME_TRANSIENT || outcome == SWARM_OUTCOME_GARBAGE ||
           outcome == SWARM_OUTCOME_LOST || outcome == SWARM_OUTCOME_TIMED_OUT;
}

/* min(backoff * 2^(n-1), max), without overflow: n doublings at most 64. */
static inline uint64_t backoff_base(const swarm_retry *retry, uint32_t n) {
    uint64_t wait = retry->backoff_ns;

    SWARM_ASSERT(n != 0);

    for (uint32_t i = 1; i < n && wait < retry->backoff_max_ns && i < 64; i++) {
        wait = wait > UINT64_MAX / 2 ? UINT64_MAX : wait * 2;
    }
    return wait < retry->backoff_max_ns ? wait : retry->backoff_max_ns;
}

/* Wait after counted attempt `n` of the step. The draw depends on step and attempt only. */
static inline uint64_t backoff_ns(const struct tracked *step, uint64_t seed, uint32_t n) {
    uint64_t base = backoff_base(&step->retry, n);
    uint64_t spread = 0, drawn;

    SWARM_ASSERT(step->retry.jitter_ppm <= MILLION);
    (void)checked_mul_div(base, step->retry.jitter_ppm, MILLION, &spread); /* at most base */
    if (spread == 0) {
        return base;
    }
    drawn = random_draw(seed, STREAM_JITTER, hash_mix64(step->ordinal, n));
    return saturating_add64(base - spread, random_below(drawn, saturating_add64(spread, spread)));
}

#endif
