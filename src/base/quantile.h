/* SPDX-License-Identifier: MIT */
/*
 * quantile.h - learned quantiles of times: a histogram with eight buckets to each power of two.
 *
 * A bucket's width is an eighth of its lower bound at most, so a quantile is off by less than that
 * wherever the samples lie; within a bucket they count as evenly spread. Times below 8,192 ns and
 * above 2^52 ns share the outermost buckets. When QUANTILE_TOTAL_MAX samples are in, all counts are
 * halved: the newest half of what was learned weighs most. (Bucket scheme as in HdrHistogram by
 * Tene, with three bits of precision.)
 *
 * Memory: 658 bytes, the caller's. Threads: one owner.
 */
#ifndef SWARM_BASE_QUANTILE_H
#define SWARM_BASE_QUANTILE_H

#include "check.h"

#define QUANTILE_UNIT_BITS 10u /* times are counted in units of 1,024 ns */
#define QUANTILE_TOP_BITS 42u  /* of a time in units, at most */
#define QUANTILE_BUCKETS ((QUANTILE_TOP_BITS - 1u) * 8u)
#define QUANTILE_TOTAL_MAX 4096u

/* What is known about the times of one profile: enough to say "slower than 95 % of the others". */
struct quantile {
    /* Samples in all buckets together: 0 .. QUANTILE_TOTAL_MAX. Fits a bucket's uint16_t. */
    uint32_t total;
    /* Samples whose time lies in quantile_floor(i) .. quantile_floor(i + 1) - 1. */
    uint16_t count[QUANTILE_BUCKETS];
};

/* The bucket of a time. Below 8 units each has its own; above, the highest set bit chooses the
 * power of two, and the three bits behind it choose one of its eight. The search for that bit is a
 * loop of at most 38 rounds, once an answer: no builtin of some compilers is needed. */
static inline uint32_t quantile_bucket(uint64_t time_ns) {
    uint64_t units = time_ns >> QUANTILE_UNIT_BITS;
    uint32_t bits = 0;

    if (units >> QUANTILE_TOP_BITS != 0) {
        return QUANTILE_BUCKETS - 1;
    }
    while (units >> bits > 15) {
        SWARM_ASSERT(bits < QUANTILE_TOP_BITS);
        bits++;
    }
    return units < 8 ? (uint32_t)units : (bits + 1) * 8 + ((uint32_t)(units >> bits) & 7u);
}

/* Lower bound of a bucket, in ns. */
static inline uint64_t quantile_floor(uint32_t bucket) {
    SWARM_ASSERT(bucket <= QUANTILE_BUCKETS);
    if (bucket < 8) {
        return (uint64_t)bucket << QUANTILE_UNIT_BITS;
    }
    return (uint64_t)(8 + bucket % 8) << (bucket / 8 - 1 + QUANTILE_UNIT_BITS);
}

/* Learns the time of one answer. Halving at the limit forgets slowly, without a clock: a profile
 * that is asked seldom keeps what it knows. */
static inline void quantile_add(struct quantile *q, uint64_t time_ns) {
    SWARM_ASSERT(q->total <= QUANTILE_TOTAL_MAX);
    if (q->total == QUANTILE_TOTAL_MAX) {
        q->total = 0;
        for (uint32_t i = 0; i < QUANTILE_BUCKETS; i++) {
            q->count[i] = (uint16_t)(q->count[i] / 2);
            q->total += q->count[i];
        }
    }
    q->count[quantile_bucket(time_ns)]++;
    q->total++;
    SWARM_ASSERT(q->total <= QUANTILE_TOTAL_MAX);
}

/* How many samples stay below or at the quantile, when `more` larger ones are still to come. */
static inline uint64_t quantile_rank(const struct quantile *q, uint32_t share_ppm, uint32_t more) {
    uint64_t all = (uint64_t)q->total + more, rank = (all * share_ppm + 999999) / 1000000;

    SWARM_ASSERT(share_ppm <= 1000000);
    SWARM_ASSERT(rank <= all);
    return rank == 0 ? 1 : rank;
}

/* Whether it is known already. Times that have not ended yet are longer than those that have, as
 * far as anybody knows: without them the quantile of a fresh fleet would be that of its fastest. */
static inline bool quantile_known(const struct quantile *q, uint32_t share_ppm, uint32_t more) {
    return quantile_rank(q, share_ppm, more) <= q->total;
}

/* The time that this share of the samples stayed below or at; 0 when it is not known. */
static inline uint64_t quantile_at(const struct quantile *q, uint32_t share_ppm, uint32_t more) {
    uint64_t rank = quantile_rank(q, share_ppm, more), before = 0;

    for (uint32_t i = 0; i < QUANTILE_BUCKETS && rank <= q->total; i++) {
        if (before + q->count[i] >= rank) {
            uint64_t floor = quantile_floor(i), width = quantile_floor(i + 1) - floor;

            SWARM_ASSERT(rank > before);
            SWARM_ASSERT(q->count[i] != 0);
            return floor + width * (rank - before) / q->count[i];
        }
        before += q->count[i];
    }
    return 0;
}

#endif
