/* SPDX-License-Identifier: MIT */
/*
 * recover.h - what follows a failed attempt of a step, from retry to fallback (M20, M14).
 *
 * The stages are a chain that is gone through once, forwards: whichever way attempts fail, their
 * number is bounded by the sum of the stages' counts. How an attempt ended says which stages can
 * help at all: another agent helps against a sick endpoint, smaller steps do not.
 *
 * `demands` holds what the step requires, and what it requires on each level of fallback; one
 * reference each, besides the one that the step has to the demand in use.
 *
 * Memory: one record a guard, used where that has GUARD_RECOVERY. Threads: as for guards.
 */
#ifndef SWARM_DISPATCH_RECOVER_H
#define SWARM_DISPATCH_RECOVER_H

#include "table.h"

#define FALLBACKS_MAX 4u
#define REASSIGN_MAX 16u

struct recovery {
    uint64_t value;
    uint32_t demands[1 + FALLBACKS_MAX]; /* the step's own, then those of its fallbacks */
    uint32_t profiles[FALLBACKS_MAX];
    uint32_t attempts_max[FALLBACKS_MAX];
    uint32_t fallbacks; /* their number */
    uint32_t split;     /* functions, or NONE32 */
    uint32_t regenerate;
    uint32_t reassign_max;
    uint32_t flags;   /* SWARM_RECOVERY_ENDS_VALUE and following */
    uint32_t stage;   /* SWARM_RECOVERY_*: where it stands */
    uint32_t count;   /* how often it has begun this stage; in FALLBACK attempts of this level */
    uint32_t level;   /* of fallback, from 1; 0: none */
    uint32_t info;    /* SWARM_INFO_*: what is special about the result */
    uint32_t outcome; /* of the last attempt that failed */
};

/* Back to the beginning; the demand in use is the caller's matter. */
static inline void recovery_reset(struct recovery *r) {
    r->stage = SWARM_RECOVERY_RETRY;
    r->count = 0;
    r->level = 0;
    r->info = 0;
}

/* Whether a stage may help after such an end. */
static inline bool recovery_helps(uint32_t stage, swarm_outcome outcome) {
    bool is_steps_fault = outcome == SWARM_OUTCOME_GARBAGE || outcome == SWARM_OUTCOME_TIMED_OUT ||
                          outcome == SWARM_OUTCOME_TERMINAL;
    bool is_failure =
        is_steps_fault || outcome == SWARM_OUTCOME_TRANSIENT || outcome == SWARM_OUTCOME_LOST;

    return stage == SWARM_RECOVERY_SPLIT || stage == SWARM_RECOVERY_REGENERATE ? is_steps_fault
                                                                               : is_failure;
}

/* Whether the chain, from where it stands, has this stage still before it. */
static inline bool recovery_has(const struct recovery *r, uint32_t stage, bool others) {
    bool is_new = stage > r->stage;

    switch (stage) {
    case SWARM_RECOVERY_REASSIGN:
        return others && (is_new || r->stage == stage) && (is_new ? 0 : r->count) < r->reassign_max;
    case SWARM_RECOVERY_SPLIT:
        return is_new && r->split != NONE32;
    case SWARM_RECOVERY_REGENERATE:
        return is_new && r->regenerate != NONE32;
    case SWARM_RECOVERY_FALLBACK:
        return r->level < r->fallbacks;
    default:
        SWARM_ASSERT(stage == SWARM_RECOVERY_VALUE);
        return is_new && (r->flags & SWARM_RECOVERY_ENDS_VALUE) != 0;
    }
}

/* The stage that follows when there is no retry; SWARM_RECOVERY_NONE: the step fails. `others`: an
 * agent that has not failed it could do it. */
static inline uint32_t recovery_next(const struct recovery *r, swarm_outcome outcome, bool others) {
    SWARM_ASSERT(r->stage >= SWARM_RECOVERY_RETRY);
    SWARM_ASSERT(r->level <= r->fallbacks);
    for (uint32_t stage = SWARM_RECOVERY_REASSIGN; stage <= SWARM_RECOVERY_VALUE; stage++) {
        if (recovery_helps(stage, outcome) && recovery_has(r, stage, others)) {
            return stage;
        }
    }
    return SWARM_RECOVERY_NONE;
}

/* Goes on to it. */
static inline void recovery_enter(struct recovery *r, uint32_t stage) {
    bool goes_on = stage == r->stage && stage != SWARM_RECOVERY_FALLBACK;

    SWARM_ASSERT(stage >= r->stage);
    r->count = goes_on ? r->count + 1 : 1;
    r->level += stage == SWARM_RECOVERY_FALLBACK;
    r->stage = stage;
    r->info |= stage >= SWARM_RECOVERY_FALLBACK ? SWARM_INFO_FALLBACK : 0;
}

#endif
