/* SPDX-License-Identifier: MIT */
/*
 * random.h - random numbers as a function of (seed, stream, n).
 *
 * Nothing is stored: draw number n of a stream is computed, not advanced to. So a new fault model,
 * which takes a stream of its own, shifts no draw of another, and any draw can be made again from
 * the log (design.md, section 6). Streams are named: hash_text64("mock.latency"), mixed with an
 * agent's or step's number by hash_mix64.
 *
 * Construction: the key is (seed, stream), mixed; the draw is SplitMix64's sequence from that key
 * (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014), mixed a
 * second time with the key. The second round is there because two SplitMix streams with the same
 * increment are one sequence at two places; keyed once more, they are unrelated. The counter-based
 * form follows Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011).
 *
 * Write one draw a statement: the order in which arguments are evaluated is not specified in C.
 * Threads: pure functions.
 */
#ifndef SWARM_BASE_RANDOM_H
#define SWARM_BASE_RANDOM_H

#include "hash.h"

static inline uint64_t random_draw(uint64_t seed, uint64_t stream, uint64_t n) {
    uint64_t key = hash_mix64(seed, stream);

    return mix64(mix64(key + (n + 1) * HASH_GOLDEN) ^ key);
}

/* A draw brought down to 0 .. bound - 1: the high word of draw * bound (Lemire, "Fast Random
 * Integer Generation in an Interval", ACM TOMACS 29(1), 2019, section 3). Values differ in
 * probability by at most 2^-64: rejection would make the number of draws depend on their values. */
static inline uint64_t random_below(uint64_t draw, uint64_t bound) {
    uint64_t high;

    SWARM_ASSERT(bound != 0);
    (void)wide_multiply(draw, bound, &high);
    SWARM_ASSERT(high < bound || bound == 0);
    return high;
}

#endif
