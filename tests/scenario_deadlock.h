/* SPDX-License-Identifier: MIT */
/*
 * scenario_deadlock.h - deadlock: cycles planted in plans, and circles closed while steps run.
 *
 * Seeded: a random graph with one chain of it closed by an edge back, half of them in one plan,
 * half by an edge of a second plan into an OPEN step; each must be refused.
 * Injected: twelve steps run, each with a permit and an agent of its own; of some of them, in a
 * random circle, each comes to wait for the next one: for its step, for a step behind it, for its
 * permit or for its agent. Others wait too, and close nothing. What is told before the last link of
 * the circle is there is a false alarm; then it must be told at that instant.
 */
#ifndef SWARM_TESTS_SCENARIO_DEADLOCK_H
#define SWARM_TESTS_SCENARIO_DEADLOCK_H

#include "scenario.h"

enum { DEAD_WORLDS = 500, DEAD_STEPS = 30, DEAD_RUNNING = 12 };

struct dead {
    swarm *sw;
    swarm_run run;
    swarm_agent agent;
    struct draws draws;
    uint64_t now_ns, told; /* DEADLOCK events so far, all of them at their time */
    bool late;             /* some came at another time */
    swarm_step steps[DEAD_RUNNING];
    swarm_permit permits[DEAD_RUNNING];
    swarm_attempt attempts[DEAD_RUNNING];
    unsigned char log[1 << 18];
    size_t log_size;
    swarm_log_cursor cursor;
    swarm_status status;
};

static inline uint32_t dead_below(struct dead *d, uint32_t bound) {
    return (uint32_t)(draw_even(&d->draws) * bound);
}

/* One instant; the log is read, and starts are taken. */
static inline void dead_advance(struct dead *d) {
    swarm_request requests[16];
    swarm_event event;
    bool changed = true;
    uint32_t count;
    while (changed && d->status == SWARM_OK) {
        d->status = swarm_advance(d->sw, d->now_ns, &changed);
        d->log_size +=
            swarm_log_read(d->sw, d->log + d->log_size, sizeof d->log - d->log_size, NULL);
        (void)swarm_log_acknowledge(d->sw);
        while ((count = swarm_take(d->sw, requests, 16)) != 0) {
            for (uint32_t i = 0; i < count; ++i) {
                if (requests[i].kind == SWARM_REQUEST_START && requests[i].ordinal < DEAD_RUNNING) {
                    d->attempts[requests[i].ordinal] = requests[i].attempt;
                }
            }
        }
    }
    while (swarm_event_next(d->log, d->log_size, &d->cursor, &event) == SWARM_OK) {
        if (event.kind == SWARM_EVENT_DEADLOCK) {
            d->told += 1;
            d->late = d->late || event.now_ns != d->now_ns;
        }
    }
}

static inline bool dead_open(struct scenario *s, struct dead *d, uint64_t seed) {
    static const swarm_mock_model model = {.kind = SWARM_MOCK_LOGNORMAL, .mean_ns = 1};
    swarm_mock_spec mock = {.size = sizeof mock, .models = &model, .models_count = 1};
    swarm_config config = {
        .seed = seed, .steps_max = 128, .shapes_max = 64, .flags = SWARM_CONFIG_LATE_EDGES};
    struct engine_need need = {&config, &mock, 1};
    memset(d, 0, sizeof *d);
    d->draws = (struct draws){seed, 9, 0};
    if (!engine_open(&s->engine, &need, &s->error)) {
        return false;
    }
    d->sw = s->engine.sw;
    swarm_backend hand = {.size = sizeof hand, .name = "hand"};
    swarm_profile_spec profile = {.name = "worker", .backend = swarm_backend_add(d->sw, &hand)};
    d->agent = swarm_agent_add(d->sw, swarm_profile_add(d->sw, &profile), DEAD_RUNNING);
    d->run = swarm_run_open(d->sw, &(swarm_run_spec){.flags = SWARM_RUN_GROWING});
    return true;
}

static inline void dead_close(struct scenario *s, struct dead *d) {
    (void)swarm_run_cancel(d->sw, d->run);
    dead_advance(d);
    d->now_ns += 11 * SECOND; /* nobody answers the cancels: their grace passes */
    dead_advance(d);
    engine_close(&s->engine);
}

/* ---- Cycles in plans ------------------------------------------------------------------------ */

static inline swarm_status dead_seed(struct dead *d, bool late) {
    swarm_plan *plan = swarm_plan_open(d->sw, d->run);
    swarm_step steps[DEAD_STEPS];
    swarm_step_spec spec = {.flags = SWARM_STEP_OPEN};
    uint32_t first = 1 + dead_below(d, DEAD_STEPS - 10), at = first;
    for (uint32_t i = 0; i < DEAD_STEPS; ++i) {
        steps[i] = swarm_step_add(plan, i == 0 ? NULL : &spec);
        if (i != 0) {
            (void)swarm_edge_add(plan, steps[dead_below(d, i)], steps[i], 0);
        }
    }
    for (uint32_t next = first; next < DEAD_STEPS; next += 1 + dead_below(d, 6)) {
        (void)(next == first || swarm_edge_add(plan, steps[at], steps[next], 0));
        at = next;
    }
    if (late) {
        (void)swarm_plan_commit(plan, NULL);
        plan = swarm_plan_open(d->sw, d->run);
    }
    (void)swarm_edge_add(plan, steps[at], steps[first], 0);
    return swarm_plan_commit(plan, NULL);
}

/* ---- Circles while steps run ----------------------------------------------------------------- */

static inline void dead_start(struct dead *d) {
    swarm_plan *plan = swarm_plan_open(d->sw, d->run);
    for (uint32_t i = 0; i < DEAD_RUNNING; ++i) {
        char name[16];
        snprintf(name, sizeof name, "permit %u", i);
        d->permits[i] = swarm_permit_add(d->sw, name, 1);
        swarm_need need = {d->permits[i], 1};
        d->steps[i] = swarm_step_add(
            plan, &(swarm_step_spec){.needs = &need, .needs_count = 1, .agent = {d->agent.id + i}});
    }
    d->status = swarm_plan_commit(plan, NULL);
    dead_advance(d);
}

/* `from` comes to wait for `to`, in one of four ways. */
static inline void dead_link(struct dead *d, uint32_t from, uint32_t to) {
    swarm_plan *plan = swarm_plan_open(d->sw, d->run);
    swarm_need need = {d->permits[to], 1};
    swarm_step step = d->steps[to];
    switch (dead_below(d, 4)) {
    case 0:
        step = swarm_step_add(plan, &(swarm_step_spec){.needs = &need, .needs_count = 1});
        break;
    case 1:
        step = swarm_step_add(plan, &(swarm_step_spec){.agent = {d->agent.id + to}});
        break;
    case 2:
        step = swarm_step_add(plan, NULL);
        (void)swarm_edge_add(plan, d->steps[to], step, 0);
        break;
    default:
        break;
    }
    d->status = swarm_plan_commit(plan, NULL);
    d->now_ns += 1;
    if (d->status == SWARM_OK) {
        d->status = swarm_attempt_wait(d->sw, d->attempts[from], step);
    }
    dead_advance(d);
}

/* Whether the circle was told in time; *alarms are those that were not due. */
static inline bool dead_inject(struct dead *d, uint64_t *alarms) {
    uint32_t order[DEAD_RUNNING], length = 2 + dead_below(d, DEAD_RUNNING - 3);
    for (uint32_t i = 0; i < DEAD_RUNNING; ++i) {
        uint32_t at = dead_below(d, i + 1);
        order[i] = order[at];
        order[at] = i;
    }
    dead_start(d);
    for (uint32_t i = length; i + 1 < DEAD_RUNNING; ++i) { /* each on one that stands before it */
        dead_link(d, order[i], order[dead_below(d, i)]);
    }
    for (uint32_t i = 0; i + 1 < length; ++i) {
        dead_link(d, order[i], order[i + 1]);
    }
    *alarms += d->told;
    d->told = 0;
    dead_link(d, order[length - 1], order[0]);
    return d->told >= length && !d->late;
}

static inline bool play_deadlock(struct scenario *s) {
    static struct dead dead;
    uint64_t refused = 0, reported = 0, alarms = 0;
    swarm_status status = SWARM_OK;
    for (uint32_t i = 0; i < DEAD_WORLDS && status == SWARM_OK; ++i) {
        if (!dead_open(s, &dead, s->seed + i)) {
            return false;
        }
        refused += dead_seed(&dead, i % 2 != 0) == SWARM_E_CYCLE;
        dead_close(s, &dead);
        if (!dead_open(s, &dead, s->seed + i)) {
            return false;
        }
        reported += dead_inject(&dead, &alarms);
        status = dead.status;
        dead_close(s, &dead);
    }
    scenario_add(s, "seeded", DEAD_WORLDS);
    scenario_add(s, "refused", refused);
    scenario_add(s, "runtime_injected", DEAD_WORLDS);
    scenario_add(s, "reported_same_tick", reported);
    scenario_add(s, "false_positives", alarms);
    return status == SWARM_OK || scenario_fail(s, status, NULL);
}

#endif
