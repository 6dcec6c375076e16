/* SPDX-License-Identifier: MIT */
/*
 * watch.h - the detectors of an attempt (M19): pure questions, asked by src/core/watch.c.
 *
 * All times count from the start of the attempt or from its last sign of life: what a step waited
 * before, for agents, permits, rates or people, is no part of them. (That waiting was counted as
 * running is a bug often made: LearningCircuit/local-deep-research issue 5014.)
 *
 * A detector fires once an attempt, at the first round at or after its threshold. The estimate of
 * LATE is that of Zaharia et al., "Improving MapReduce Performance in Heterogeneous Environments"
 * (OSDI 2008), section 4: progress so far goes on at its own rate.
 */
#ifndef SWARM_DISPATCH_WATCH_H
#define SWARM_DISPATCH_WATCH_H

#include "../base/checked.h"
#include "table.h"

/* What a detector found; detector 0: nothing. */
struct finding {
    uint64_t threshold;
    uint64_t observed;
    uint32_t detector; /* SWARM_DETECT_* */
};

/* Detectors fire once an attempt: whoever was told decides, and is not told again. */
static inline bool watch_has_fired(const struct pulse *pulse, uint32_t detector) {
    SWARM_ASSERT(detector < 32);
    return ((pulse->fired >> detector) & 1u) != 0;
}

static inline struct finding finding_of(uint32_t detector, uint64_t threshold, uint64_t observed) {
    struct finding finding = {threshold, observed, detector};

    SWARM_ASSERT(detector < 32);
    return finding;
}

/* Thousandths of a token a second since the window began. */
static inline uint64_t watch_rate_milli(const struct pulse *pulse, uint64_t now_ns) {
    uint64_t tokens = pulse->tokens_seen - pulse->window_tokens, rate = UINT64_MAX;

    SWARM_ASSERT(now_ns > pulse->window_ns);
    (void)checked_mul_div(tokens, UINT64_C(1000000000000), now_ns - pulse->window_ns, &rate);
    return rate;
}

/* When the running time will have ended, in ns from the start, if it goes on as it did. */
static inline uint64_t watch_estimate_ns(const swarm_watch_spec *spec, const struct pulse *pulse,
                                         uint64_t elapsed_ns) {
    uint64_t estimate = UINT64_MAX;

    SWARM_ASSERT(pulse->tokens_seen != 0);
    (void)checked_mul_div(elapsed_ns, spec->tokens_expected, pulse->tokens_seen, &estimate);
    return estimate > elapsed_ns ? estimate : elapsed_ns;
}

/* What progress tells by itself; `most` repetitions in a row. */
static inline struct finding watch_on_progress(const swarm_watch_spec *spec,
                                               const struct pulse *pulse, uint32_t most,
                                               uint64_t elapsed_ns) {
    if (spec->repeat_max != SWARM_NONE && most >= spec->repeat_max &&
        !watch_has_fired(pulse, SWARM_DETECT_REPEAT)) {
        return finding_of(SWARM_DETECT_REPEAT, spec->repeat_max, most);
    }
    if (spec->late_ns != SWARM_NEVER && pulse->tokens_seen != 0 &&
        !watch_has_fired(pulse, SWARM_DETECT_LATE)) {
        uint64_t estimate = watch_estimate_ns(spec, pulse, elapsed_ns);

        if (estimate > spec->late_ns) {
            return finding_of(SWARM_DETECT_LATE, spec->late_ns, estimate);
        }
    }
    return finding_of(SWARM_DETECT_NONE, 0, 0);
}

/* What has passed with time; asked again until it finds nothing. */
static inline struct finding watch_on_time(const swarm_watch_spec *spec, const struct pulse *pulse,
                                           uint64_t start_ns, uint64_t now_ns) {
    uint64_t silent_ns = now_ns - pulse->last_ns;

    SWARM_ASSERT(pulse->last_ns >= start_ns);
    SWARM_ASSERT(now_ns >= pulse->last_ns);
    if (silent_ns >= spec->lease_ns && !watch_has_fired(pulse, SWARM_DETECT_LEASE)) {
        return finding_of(SWARM_DETECT_LEASE, spec->lease_ns, silent_ns);
    }
    if (silent_ns >= spec->idle_timeout_ns && !watch_has_fired(pulse, SWARM_DETECT_IDLE)) {
        return finding_of(SWARM_DETECT_IDLE, spec->idle_timeout_ns, silent_ns);
    }
    if (spec->rate_min_milli != 0 && pulse->window_ns != 0 &&
        now_ns - pulse->window_ns >= spec->rate_window_ns &&
        !watch_has_fired(pulse, SWARM_DETECT_RATE)) {
        uint64_t rate = watch_rate_milli(pulse, now_ns);

        if (rate < spec->rate_min_milli) {
            return finding_of(SWARM_DETECT_RATE, spec->rate_min_milli, rate);
        }
    }
    return finding_of(SWARM_DETECT_NONE, 0, 0);
}

static inline uint64_t watch_sooner(const struct pulse *pulse, uint32_t detector, uint64_t from_ns,
                                    uint64_t after_ns, uint64_t than_ns) {
    uint64_t at_ns = saturating_add64(from_ns, after_ns);

    return !watch_has_fired(pulse, detector) && at_ns < than_ns ? at_ns : than_ns;
}

/* When the attempt must be looked at next, or SWARM_NEVER. */
static inline uint64_t watch_next(const swarm_watch_spec *spec, const struct pulse *pulse) {
    uint64_t at_ns = SWARM_NEVER;

    at_ns = watch_sooner(pulse, SWARM_DETECT_LEASE, pulse->last_ns, spec->lease_ns, at_ns);
    at_ns = watch_sooner(pulse, SWARM_DETECT_IDLE, pulse->last_ns, spec->idle_timeout_ns, at_ns);
    if (spec->rate_min_milli != 0 && pulse->window_ns != 0) {
        at_ns =
            watch_sooner(pulse, SWARM_DETECT_RATE, pulse->window_ns, spec->rate_window_ns, at_ns);
    }
    return at_ns;
}

#endif
