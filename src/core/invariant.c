/* SPDX-License-Identifier: MIT */
/*
 * invariant.c - what must hold between two rounds, over all records. For builds with asserts:
 * tests, simulation, fuzzing. It looks at the tables from outside, and so says again what table.h
 * promises.
 */
#include "guard.h"

#if defined(SWARM_ASSERTS)

#define FULL_LOOK_MAX 256u   /* with more attempts than this only some rounds are looked at */
#define FULL_LOOK_EVERY 256u /* rounds */

static bool wants_more(const struct dispatch *d, const struct tracked *step) {
    return step->guard != NONE32 && d->guards[step->guard].wants != 0 &&
           step->state == SWARM_STEP_RUNNING;
}

/* Attempts in flight of a step. */
static uint32_t attempts_of(const struct dispatch *d, const struct tracked *step) {
    uint32_t count = 0;

    for (uint32_t at = step->attempt; at != NONE32; at = d->attempts[at].sibling) {
        count++;
    }
    return count;
}

static bool is_among(const struct dispatch *d, uint32_t tracked, uint32_t attempt) {
    uint32_t at = d->tracked[tracked].attempt;

    while (at != NONE32 && at != attempt) {
        at = d->attempts[at].sibling;
    }
    return at != NONE32;
}

/* A tracked step is where its state says, and nowhere else. */
static void step_holds(const struct dispatch *d, uint32_t tracked) {
    const struct tracked *step = &d->tracked[tracked];
    bool is_agent = step->demand != NONE32, running = step->state == SWARM_STEP_RUNNING;

    SWARM_ASSERT(step->state <= SWARM_STEP_BUDGET);
    SWARM_ASSERT(running == (step->attempt != NONE32));
    SWARM_ASSERT((is_agent && (step->state == SWARM_STEP_READY || wants_more(d, step))) ==
                 heap_contains(d->ready_nodes, tracked));
    for (uint32_t at = step->attempt; at != NONE32; at = d->attempts[at].sibling) {
        SWARM_ASSERT(d->attempts[at].tracked == tracked);
        SWARM_ASSERT(d->attempts[at].epoch <= step->epoch);
    }
    if (step->state == SWARM_STEP_HELD && d->runs[step->run].asks == 0) {
        SWARM_ASSERT(heap_contains(d->timer_nodes, tracked));
    }
    if (state_is_terminal(step->state)) {
        SWARM_ASSERT(!heap_contains(d->timer_nodes, tracked));
    } else {
        SWARM_ASSERT(!step->finished);
        SWARM_ASSERT(step->reason == SWARM_OK);
    }
}

struct held {
    uint64_t attempts;   /* that hold an agent */
    uint64_t of_permits; /* units, of all permits together */
};

/* Attempts that are not settled hold an agent and their permits. */
static struct held attempts_hold(const struct dispatch *d) {
    struct held held = {0, 0};

    for (uint32_t i = 0; i < d->attempts_free.fresh; i++) {
        const struct attempt *attempt = &d->attempts[i];

        if (!slots_taken(&d->attempts_free, i) || attempt->settled) {
            continue;
        }
        held.attempts++;
        SWARM_ASSERT(d->agents[attempt->agent].inflight != 0);
        SWARM_ASSERT(attempt->tracked == NONE32 || is_among(d, attempt->tracked, i));
        for (uint32_t k = 0; k < d->demands[attempt->demand].needs_count; k++) {
            const struct permit *permit = &d->permits[d->demands[attempt->demand].needs[k].permit];

            held.of_permits +=
                permit_is_rate(permit) ? 0 : d->demands[attempt->demand].needs[k].units;
        }
    }
    return held;
}

/* Semaphores of backends: a unit for each of their attempts. */
static uint64_t backends_hold(const struct dispatch *d, uint64_t attempts) {
    uint64_t inflight = 0, units = 0;

    for (uint32_t i = 0; i < d->backends_count; i++) {
        inflight += d->backends[i].inflight;
        for (uint32_t at = d->backends[i].limits; at != NONE32; at = d->permits[at].next) {
            SWARM_ASSERT(d->permits[at].backend == i);
            units += permit_is_rate(&d->permits[at]) ? 0 : d->backends[i].inflight;
        }
    }
    SWARM_ASSERT(inflight == attempts);
    return units;
}

static void agents_hold(const struct dispatch *d, uint64_t attempts) {
    uint64_t inflight = 0;

    for (uint32_t i = 0; i < ATOMIC_LOAD(&d->agents_count, relaxed); i++) {
        const struct agent *agent = &d->agents[i];
        uint32_t most = d->profiles[agent->profile].inflight_max;

        SWARM_ASSERT(agent->inflight <= most);
        SWARM_ASSERT(heap_contains(d->agent_nodes, i) ==
                     (!agent->withdrawn && !agent->shut && agent->inflight < most));
        inflight += agent->inflight;
    }
    SWARM_ASSERT(inflight == attempts);
}

static void permits_hold(const struct dispatch *d, uint64_t units) {
    uint64_t used = 0;

    for (uint32_t i = 0; i < ATOMIC_LOAD(&d->permits_count, relaxed); i++) {
        SWARM_ASSERT(d->permits[i].used <= d->permits[i].capacity);
        used += d->permits[i].used;
    }
    SWARM_ASSERT(used == units);
}

static void run_holds(const struct dispatch *d, const struct run *run) {
    uint32_t previous = NONE32, inflight = 0;

    SWARM_ASSERT(!run->ended || run->closed);
    for (uint32_t at = run->first; at != NONE32; at = d->tracked[at].run_next) {
        SWARM_ASSERT(d->tracked[at].run_previous == previous);
        SWARM_ASSERT(previous == NONE32 || d->tracked[previous].ordinal < d->tracked[at].ordinal);
        step_holds(d, at);
        inflight += attempts_of(d, &d->tracked[at]);
        previous = at;
    }
    SWARM_ASSERT(run->last == previous);
    SWARM_ASSERT(run->inflight == inflight);
    SWARM_ASSERT(run->inflight <= run->inflight_max);
}

void swarm__invariant(const swarm *sw) {
    const struct dispatch *d = &sw->dispatch;
    struct held held;

    if (d->attempts_free.used > FULL_LOOK_MAX && sw->round.number % FULL_LOOK_EVERY != 0) {
        return;
    }
    held = attempts_hold(d);
    agents_hold(d, held.attempts);
    permits_hold(d, held.of_permits + backends_hold(d, held.attempts));
    swarm__budget_invariant(d);
    swarm__demand_invariant(d);
    for (uint32_t i = 0; i < sw->config.runs_max; i++) {
        if (ATOMIC_LOAD(&d->runs[i].generation, relaxed) % 2 == 1) {
            run_holds(d, &d->runs[i]);
        }
    }
}

#endif
