/* SPDX-License-Identifier: MIT */
/*
 * breaker.h - whether a backend or an agent has failed so often that it is left alone (M32).
 *
 * Circuit breakers as in Nygard, "Release It!" (2nd edition 2018, section 5.2): closed, open for a
 * while, then half open with one probe that decides. The moving average is exponential with weight
 * 1/16; as long as there are fewer answers it is their mean, so that the first ones don't weigh too
 * little. Fixed point, in millionths.
 *
 * Memory: one record a backend, then one an agent. Threads: the turn.
 */
#ifndef SWARM_DISPATCH_BREAKER_H
#define SWARM_DISPATCH_BREAKER_H

#include "table.h"

#define BREAKER_WEIGHT 16u

struct breaker {
    uint64_t until_ns;    /* OPEN: when it is tried again; SWARM_NEVER: when the owner says so */
    uint32_t failing_ppm; /* moving average */
    uint32_t samples;
    uint32_t state;   /* SWARM_BREAKER_* */
    uint32_t probe;   /* HALF_OPEN: the attempt that decides, or NONE32 */
    uint32_t outcome; /* OPEN: what opened it */
};

static inline uint32_t breaker_of_agent(const struct dispatch *d, uint32_t agent) {
    return d->config->backends_max + agent;
}

/* The timer of the first agent's that opened. */
static inline uint32_t timer_of_breakers(const struct dispatch *d) {
    return timer_of_governor(d, d->config->backends_max);
}

static inline bool breaker_is_of_agent(const struct dispatch *d, uint32_t index) {
    return index >= d->config->backends_max;
}

/* Closed, and nothing is known. */
static inline void breaker_reset(struct breaker *b) {
    static const struct breaker fresh = {.probe = NONE32};

    *b = fresh;
}

static inline bool outcome_is_failure(swarm_outcome outcome) {
    return outcome == SWARM_OUTCOME_TRANSIENT || outcome == SWARM_OUTCOME_TERMINAL ||
           outcome == SWARM_OUTCOME_GARBAGE || outcome == SWARM_OUTCOME_LOST ||
           outcome == SWARM_OUTCOME_TIMED_OUT;
}

/* One answer more. */
static inline void breaker_count(struct breaker *b, bool failed) {
    uint32_t weight, difference;

    b->samples += b->samples != UINT32_MAX;
    weight = b->samples < BREAKER_WEIGHT ? b->samples : BREAKER_WEIGHT;
    difference = failed ? MILLION - b->failing_ppm : b->failing_ppm;
    b->failing_ppm += failed ? difference / weight : 0 - difference / weight;
    SWARM_ASSERT(b->failing_ppm <= MILLION);
}

static inline bool breaker_trips(const struct breaker *b, const swarm_breaker_spec *spec) {
    SWARM_ASSERT(spec->failure_ppm != 0);
    return b->samples >= spec->samples_min && b->failing_ppm >= spec->failure_ppm;
}

static inline bool breaker_lacks_quota(const struct breaker *b) {
    return b->state == SWARM_BREAKER_OPEN && b->outcome == SWARM_OUTCOME_QUOTA;
}

#endif
