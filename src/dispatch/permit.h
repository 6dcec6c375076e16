/* SPDX-License-Identifier: MIT */
/*
 * permit.h - named semaphores and rates, acquired all or none (M29): hold-and-wait cannot arise.
 *
 * A permit is a semaphore, or, with a bucket, a rate: units of a rate are taken at the start and
 * flow back with time; what an attempt took and did not use is given back when it is settled, what
 * it used beyond that is owed. A permit belongs to the demands that list it, or to a backend, and
 * then to every attempt that goes there.
 *
 * A demand with a better key that was overtaken at a permit bypass_max times SAVES: until it has
 * started, nobody else gets units of that permit, so that small demands can't starve a large one.
 * Nobody begins to save that needs a permit for which another one saves: so those that save don't
 * wait for each other in a circle, of which the last to begin would be such a one.
 * Invariant: permit.saver names a demand with ready steps, whose `saves` names the permit.
 */
#ifndef SWARM_DISPATCH_PERMIT_H
#define SWARM_DISPATCH_PERMIT_H

#include "table.h"

static inline bool permit_is_rate(const struct permit *permit) {
    return permit->bucket.units != 0;
}

/* Whether this many units can ever be had at once. */
static inline bool permit_holds(const struct permit *permit, uint64_t units) {
    return permit_is_rate(permit) ? bucket_holds(&permit->bucket, units)
                                  : units <= permit->capacity;
}

/* Whether they can be had now. A rate is brought up to now_ns by the question. */
static inline bool permit_has(struct permit *permit, uint64_t units, uint64_t now_ns) {
    return permit_is_rate(permit) ? bucket_has(&permit->bucket, units, now_ns)
                                  : units <= permit->capacity - permit->used;
}

/* Takes them; the caller has asked, in the same round and of all that the demand needs. */
static inline void permit_take_units(struct permit *permit, uint64_t units) {
    SWARM_ASSERT(permit->used <= permit->capacity || permit_is_rate(permit));
    if (permit_is_rate(permit)) {
        bucket_take(&permit->bucket, units);
    } else {
        SWARM_ASSERT(units <= permit->capacity - permit->used);
        permit->used += units;
    }
}

/* The index of the first need that the demand lacks, or NONE32. */
static inline uint32_t permit_lacking(struct dispatch *d, uint32_t index, uint64_t now_ns) {
    const struct demand *demand = &d->demands[index];

    for (uint32_t i = 0; i < demand->needs_count; i++) {
        struct permit *permit = &d->permits[demand->needs[i].permit];

        if ((permit->saver != NONE32 && permit->saver != index) ||
            !permit_has(permit, demand->needs[i].units, now_ns)) {
            return i;
        }
    }
    return NONE32;
}

/* All needs of a demand at once: none is held while another is waited for. */
static inline void permit_take(struct dispatch *d, const struct demand *demand) {
    for (uint32_t i = 0; i < demand->needs_count; i++) {
        permit_take_units(&d->permits[demand->needs[i].permit], demand->needs[i].units);
    }
}

/* What an attempt used of what a rate counts; `taken` where its answer says nothing about it. */
static inline uint64_t permit_used(const struct permit *permit, const swarm_completion *answer,
                                   uint64_t taken) {
    const swarm_usage *usage = &answer->usage;
    uint64_t used;

    if (answer->outcome == SWARM_OUTCOME_REFUSED) {
        return 0; /* it was never begun */
    }
    switch (permit->measure) {
    case SWARM_MEASURE_INPUT:
        used = usage->input_tokens;
        break;
    case SWARM_MEASURE_OUTPUT:
        used = usage->output_tokens;
        break;
    case SWARM_MEASURE_TOKENS:
        used = saturating_add64(usage->input_tokens, usage->output_tokens);
        break;
    default:
        return taken; /* a request is one, however it ends; retries are taken elsewhere */
    }
    return used == 0 && answer->outcome != SWARM_OUTCOME_THROTTLED ? taken : used;
}

/* The other side of permit_take_units, when the attempt is settled. */
static inline void permit_settle_units(struct permit *permit, const swarm_completion *answer,
                                       uint64_t taken, uint64_t now_ns) {
    uint64_t used;

    if (!permit_is_rate(permit)) {
        SWARM_ASSERT(permit->used >= taken);
        permit->used -= taken;
        return;
    }
    bucket_refill(&permit->bucket, now_ns);
    used = permit_used(permit, answer, taken);
    if (used > taken) {
        bucket_take(&permit->bucket, used - taken);
    } else {
        bucket_give(&permit->bucket, taken - used);
    }
}

/* Whoever waits for these permits must be woken. */
static inline void permit_give(struct dispatch *d, const struct demand *demand,
                               const swarm_completion *answer, uint64_t now_ns) {
    for (uint32_t i = 0; i < demand->needs_count; i++) {
        permit_settle_units(&d->permits[demand->needs[i].permit], answer, demand->needs[i].units,
                            now_ns);
    }
}

/* Nobody saves for this permit any more. */
static inline void permit_saved(struct dispatch *d, uint32_t permit) {
    uint32_t saver = d->permits[permit].saver;

    SWARM_ASSERT(saver != NONE32);
    d->demands[saver].saves = NONE32;
    d->demands[saver].bypassed = 0;
    d->permits[permit].saver = NONE32;
}

/* Whether another demand saves for something that this one needs. */
static inline bool permit_is_saved(const struct dispatch *d, uint32_t index) {
    const struct demand *demand = &d->demands[index];

    for (uint32_t i = 0; i < demand->needs_count; i++) {
        uint32_t saver = d->permits[demand->needs[i].permit].saver;

        if (saver != NONE32 && saver != index) {
            return true;
        }
    }
    return false;
}

/* A step whose key stands in `node` took units of the permit: those in the waiting list that begins
 * with `waiting` and would have gone first have been overtaken. */
static inline void permit_overtaken(struct dispatch *d, uint32_t permit, uint32_t waiting,
                                    const struct heap_node *node) {
    for (uint32_t at = waiting; at != NONE32; at = d->demands[at].next) {
        struct demand *demand = &d->demands[at];

        if (!heap_before(&d->ready_nodes[demand->ready], node)) {
            continue;
        }
        demand->bypassed++;
        if (demand->bypassed >= d->permits[permit].bypass_max && demand->saves == NONE32 &&
            !permit_is_saved(d, at)) {
            d->permits[permit].saver = at;
            demand->saves = permit;
        }
    }
}

#endif
