/* SPDX-License-Identifier: MIT */
/*
 * rival.c - several attempts of one step at once: a hedge against slow ones (X4).
 *
 * A step that wants another attempt while one is in flight stays in its queue, or enters it again,
 * and is started like any other: it needs an agent, permits, budget. The first OK wins; the others
 * are given up in the same round, one an operation, billed and fenced. An attempt that fails while
 * a rival is in flight is forgotten: the step fails with its last one.
 *
 * Dean and Barroso, "The Tail at Scale" (CACM 56(2), 2013), hedged requests: a second request after
 * the 95th percentile, which costs a few percent of load and cuts the tail.
 */
#include "../base/quantile.h"
#include "guard.h"

void swarm__rival_link(struct dispatch *d, uint32_t tracked, uint32_t index) {
    struct tracked *step = &d->tracked[tracked];
    struct guard *guard = step->guard == NONE32 ? NULL : &d->guards[step->guard];

    d->attempts[index].sibling = step->attempt;
    step->attempt = index;
    if (guard != NULL && (guard->has & GUARD_VOTE) != 0 && guard->tried_count < GUARD_TRIED_MAX) {
        guard->tried[guard->tried_count++] = d->attempts[index].agent;
    }
}

void swarm__rival_unlink(struct dispatch *d, uint32_t tracked, uint32_t index) {
    uint32_t *link = &d->tracked[tracked].attempt;

    while (*link != index) {
        SWARM_ASSERT(*link != NONE32);
        link = &d->attempts[*link].sibling;
    }
    *link = d->attempts[index].sibling;
    d->attempts[index].sibling = NONE32;
    wait_end(&d->waits, index);
}

/* Into the list of those that are to be given up. Its START must not be handed out any more. */
void swarm__rivals_drop(swarm *sw, uint32_t tracked, swarm_status reason) {
    struct dispatch *d = &sw->dispatch;

    while (d->tracked[tracked].attempt != NONE32) {
        uint32_t index = d->tracked[tracked].attempt;

        swarm__rival_unlink(d, tracked, index);
        d->attempts[index].tracked = NONE32;
        d->attempts[index].wants &= ~(uint32_t)ATTEMPT_WANTS_START;
        d->attempts[index].reason = reason;
        d->attempts[index].sibling = sw->round.rivals;
        sw->round.rivals = index;
        d->runs[d->tracked[tracked].run].inflight--;
        d->runs[d->tracked[tracked].run].dropping++;
    }
    swarm__demand_wake(d, wait_of_run(d, d->tracked[tracked].run));
    swarm__rival_unwanted(sw, tracked);
}

void swarm__rival_one(swarm *sw) {
    uint32_t index = sw->round.rivals;
    struct attempt *attempt = &sw->dispatch.attempts[index];

    SWARM_ASSERT(index != NONE32);
    SWARM_ASSERT(!attempt->settled);
    sw->round.rivals = attempt->sibling;
    attempt->sibling = NONE32;
    sw->dispatch.runs[attempt->run].dropping--;
    swarm__attempt_fence(sw, index, attempt->reason);
}

/* ---- wanting another attempt */

void swarm__rival_unwanted(swarm *sw, uint32_t tracked) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];

    if (step->guard != NONE32 && d->guards[step->guard].wants != 0) {
        d->guards[step->guard].wants = 0;
        if (step->state == SWARM_STEP_RUNNING) {
            swarm__demand_remove(d, tracked);
        }
    }
}

void swarm__rivals_gone(swarm *sw, uint32_t tracked) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];

    if (!swarm__votes(d, step)) {
        swarm__rival_unwanted(sw, tracked);
    } else if (d->guards[step->guard].wants != 0) {
        d->guards[step->guard].wants--; /* which READY stands for */
        step->state = SWARM_STEP_READY;
        swarm__guard_arm(sw, tracked);
    }
}

void swarm__start_refused(swarm *sw, uint32_t tracked, uint32_t state, swarm_status reason) {
    const struct tracked *step = &sw->dispatch.tracked[tracked];
    const struct guard *guard = step->guard == NONE32 ? NULL : &sw->dispatch.guards[step->guard];

    if (guard != NULL && (guard->has & GUARD_VOTE) != 0 &&
        (step->state == SWARM_STEP_RUNNING || guard->cast + guard->failed != 0)) {
        swarm__vote_refused(sw, tracked);
    } else if (sw->dispatch.tracked[tracked].state == SWARM_STEP_RUNNING) {
        swarm__rival_unwanted(sw, tracked); /* the one in flight goes on */
    } else {
        swarm__step_fails(sw, tracked, state, reason);
    }
}

bool swarm__rival_started(struct dispatch *d, struct tracked *step) {
    struct guard *guard = step->guard == NONE32 ? NULL : &d->guards[step->guard];

    if (guard == NULL || step->state != SWARM_STEP_RUNNING) {
        return guard != NULL && guard->wants != 0;
    }
    SWARM_ASSERT(guard->wants != 0);
    guard->extra++;
    guard->wants--;
    return guard->wants != 0;
}

uint32_t swarm__tries(const struct dispatch *d, const struct tracked *step) {
    return step->attempts - (step->guard == NONE32 ? 0 : d->guards[step->guard].extra);
}

void swarm__rivals_afresh(swarm *sw, struct tracked *step) {
    SWARM_ASSERT(step->attempt == NONE32);
    if (step->guard != NONE32) {
        uint32_t tracked = (uint32_t)(step - sw->dispatch.tracked);

        sw->dispatch.guards[step->guard].extra = 0;
        if (heap_contains(sw->dispatch.ready_nodes, tracked)) {
            swarm__demand_remove(&sw->dispatch, tracked); /* for a ballot that is not needed */
        }
        swarm__vote_release(sw, tracked);
        swarm__recovery_again(sw, step);
    }
}

/* ---- hedges */

/* Whether the profile has learned what the hedge wants to know. */
static bool has_learned(const struct profile *profile, uint32_t samples, uint32_t quantile_ppm) {
    return profile->times.total >= samples &&
           quantile_known(&profile->times, quantile_ppm, profile->inflight);
}

/* The running time after which it is due; SWARM_NEVER as long as that is not known. */
static uint64_t threshold(struct profile *profile, const swarm_hedge_spec *hedge) {
    if (hedge->after_ns != SWARM_NEVER) {
        return hedge->after_ns;
    }
    if (!has_learned(profile, hedge->samples_min, hedge->quantile_ppm)) {
        if (hedge->samples_min < profile->hedge_samples) { /* who waits for the least */
            profile->hedge_samples = hedge->samples_min;
        }
        if (hedge->quantile_ppm < profile->hedge_ppm) {
            profile->hedge_ppm = hedge->quantile_ppm;
        }
        return SWARM_NEVER;
    }
    return quantile_at(&profile->times, hedge->quantile_ppm, profile->inflight);
}

void swarm__hedge_begin(swarm *sw, uint32_t tracked) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];
    struct guard *guard = &d->guards[step->guard];
    uint64_t after_ns;

    if ((guard->has & GUARD_HEDGE) == 0 || guard->hedged) {
        return;
    }
    after_ns = threshold(&d->profiles[d->agents[step->agent].profile], &guard->hedge);
    guard->wake_ns = saturating_add64(step->start_ns, after_ns);
}

/* Enough samples are in for somebody: steps in flight look again. */
static void look_again(swarm *sw, uint32_t profile) {
    struct dispatch *d = &sw->dispatch;

    for (uint32_t i = 0; i < d->attempts_free.fresh; i++) {
        const struct attempt *attempt = &d->attempts[i];
        uint32_t tracked = attempt->tracked;

        if (slots_taken(&d->attempts_free, i) && tracked != NONE32 &&
            d->agents[attempt->agent].profile == profile && d->tracked[tracked].guard != NONE32 &&
            d->guards[d->tracked[tracked].guard].wake_ns == SWARM_NEVER) {
            swarm__hedge_begin(sw, tracked);
            swarm__guard_arm(sw, tracked);
        }
    }
}

void swarm__hedge_learn(swarm *sw, const struct attempt *attempt) {
    uint32_t index = sw->dispatch.agents[attempt->agent].profile;
    struct profile *profile = &sw->dispatch.profiles[index];

    quantile_add(&profile->times, sw->now_ns - attempt->start_ns);
    if (profile->hedge_ppm <= MILLION &&
        has_learned(profile, profile->hedge_samples, profile->hedge_ppm)) {
        profile->hedge_samples = SWARM_NONE;
        profile->hedge_ppm = SWARM_NONE;
        look_again(sw, index);
    }
}

/* Whether one more keeps within the share of the run's steps that have begun. */
static bool within_share(const struct run *run, const swarm_hedge_spec *hedge) {
    uint64_t most = 0;

    (void)checked_mul_div(run->begun, hedge->share_max_ppm, MILLION, &most);
    return run->report.hedges < most;
}

void swarm__hedge(swarm *sw, uint32_t tracked, uint32_t detector) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];
    struct guard *guard = &d->guards[step->guard];
    struct run *run = &d->runs[step->run];
    bool allowed = within_share(run, &guard->hedge);
    uint64_t fields[6] = {detector,
                          guard->wake_ns == SWARM_NEVER ? SWARM_NEVER
                                                        : guard->wake_ns - step->start_ns,
                          sw->now_ns - step->start_ns,
                          run->report.hedges,
                          guard->hedge.share_max_ppm,
                          allowed};

    SWARM_ASSERT(step->state == SWARM_STEP_RUNNING);
    if (guard->hedged || (guard->has & GUARD_HEDGE) == 0) {
        return;
    }
    guard->hedged = true;
    guard->wake_ns = SWARM_NEVER;
    swarm__log(sw, SWARM_EVENT_HEDGE, step->run, step->ordinal, fields);
    if (allowed) {
        run->report.hedges++;
        guard->wants = 1;
        guard->wanted_ns = sw->now_ns;
        swarm__demand_push(d, tracked);
    }
    swarm__guard_arm(sw, tracked);
}
