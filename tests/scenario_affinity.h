/* SPDX-License-Identifier: MIT */
/*
 * scenario_affinity.h - affinity: sessions on workers that keep prompts, with a long queue behind.
 *
 * 300 sessions of 13 steps; 8 workers of 8 slots, each of which keeps the contexts of the 8
 * sessions that it worked for last. The prompt of step k has 6,000 shared tokens, which are always
 * there, and 1,500 * k of the session's own: a hit is all but the last 1,500, a miss the shared
 * ones. A step takes LN(8 s, .7) and a second for 3,000 missed tokens. 100,000 other steps became
 * ready after the first of the sessions and wait behind them; it is played until one of them
 * begins.
 *
 * hit_ppm counts tokens of the sessions. decision_ns is what a round costs a start, wall clock, the
 * median over pieces of a hundred rounds; the only value here that is not the same each time.
 */
#ifndef SWARM_TESTS_SCENARIO_AFFINITY_H
#define SWARM_TESTS_SCENARIO_AFFINITY_H

#include "scenario.h"

enum {
    AFFINITY_SESSIONS = 300,
    AFFINITY_STEPS = 13,
    AFFINITY_OTHERS = 100000,
    AFFINITY_WORKERS = 8,
    AFFINITY_SLOTS = 8,
    AFFINITY_KEPT = 8,
    AFFINITY_PIECE = 100,
};

struct affinity {
    swarm *sw;
    swarm_run run;
    uint64_t seed;
    uint64_t kept[AFFINITY_WORKERS][AFFINITY_KEPT]; /* contexts, by last use */
    uint64_t hits, tokens, begun, queued, queued_least;
    uint64_t spent_ns, starts, rounds; /* of the piece at hand */
    struct sample decisions;
};

/* Whether the worker has the context; from now on it has. */
static inline bool affinity_use(uint64_t *kept, uint64_t context) {
    uint32_t at = 0;
    while (at + 1 < AFFINITY_KEPT && kept[at] != context) {
        at += 1;
    }
    bool hit = kept[at] == context;
    memmove(kept + 1, kept, at * sizeof *kept);
    kept[0] = context;
    return hit;
}

/* The world: asked once for each start. The argument is 1 + 16 * session + step; the others' are
 * above. */
static inline uint64_t affinity_latency(void *context, const swarm_request *request) {
    struct affinity *a = context;
    uint64_t step = (request->argument - 1) % 16, session = (request->argument - 1) / 16;
    struct draws d = {a->seed, 11, 2 * request->argument};
    bool hit = affinity_use(a->kept[request->agent.id - 1], session + 1);
    uint64_t prompt = 6000 + 1500 * step;
    uint64_t cached = hit && step > 0 ? prompt - 1500 : 6000;
    if (session < AFFINITY_SESSIONS) {
        a->hits += cached;
        a->tokens += prompt;
        a->begun += 1;
    }
    return draw_time(&d, 8, 0.7) + (prompt - cached) * SECOND / 3000;
}

static inline swarm_status affinity_plan(struct affinity *a) {
    swarm_plan *plan = swarm_plan_open(a->sw, a->run);
    for (uint32_t s = 0; s < AFFINITY_SESSIONS; ++s) {
        swarm_step last = {0};
        for (uint32_t k = 0; k < AFFINITY_STEPS; ++k) {
            swarm_step step = swarm_step_add(
                plan, &(swarm_step_spec){.argument = 1 + 16 * s + k, .order_key = s + 1});
            if (k > 0) {
                swarm_edge_add(plan, last, step, 0);
            }
            last = step;
        }
    }
    for (uint32_t i = 0; i < AFFINITY_OTHERS; ++i) {
        uint64_t own = AFFINITY_SESSIONS + i;
        swarm_step_add(plan, &(swarm_step_spec){.argument = 1 + 16 * own, .order_key = own + 1});
    }
    return swarm_plan_commit(plan, NULL);
}

/* ---- Driving by hand: so the rounds can be timed --------------------------------------------- */

static inline void affinity_hand_out(struct affinity *a, const swarm_backend *backend) {
    swarm_request requests[64];
    uint32_t count;
    while ((count = swarm_take(a->sw, requests, 64)) != 0) {
        for (uint32_t i = 0; i < count; ++i) {
            uint64_t until_ns;
            if (requests[i].kind == SWARM_REQUEST_START) {
                (void)backend->submit(backend->context, a->sw, &requests[i], &until_ns);
                a->starts += 1;
            }
        }
    }
}

static inline bool affinity_round(struct affinity *a, uint64_t now_ns) {
    static unsigned char log[1 << 16];
    const swarm_host *host = swarm_host_default();
    uint64_t from_ns = host->clock(host->context);
    bool changed = false;
    (void)swarm_advance(a->sw, now_ns, &changed);
    a->spent_ns += host->clock(host->context) - from_ns;
    while (swarm_log_read(a->sw, log, sizeof log, NULL) != 0) {
    }
    (void)swarm_log_acknowledge(a->sw);
    return changed;
}

static inline void affinity_piece(struct affinity *a) {
    swarm_stats stats;
    (void)swarm_stats_get(a->sw, &stats);
    a->queued = stats.ready;
    a->queued_least = stats.ready < AFFINITY_OTHERS ? a->queued_least : stats.ready;
    if (++a->rounds == AFFINITY_PIECE) {
        (void)(a->starts == 0 || sample_add(&a->decisions, a->spent_ns / a->starts));
        a->rounds = a->starts = a->spent_ns = 0;
    }
}

/* Until no session waits for its first slot: from then on the others are at work too. */
static inline void affinity_drive(struct affinity *a, const swarm_backend *backend) {
    uint64_t now_ns = 0, own, theirs;
    while (a->queued >= AFFINITY_OTHERS) {
        backend->poll(backend->context, a->sw, now_ns);
        while (affinity_round(a, now_ns)) {
            affinity_hand_out(a, backend);
            affinity_piece(a);
        }
        own = swarm_next_deadline(a->sw);
        theirs = backend->deadline(backend->context);
        now_ns = own < theirs ? own : theirs;
    }
}

static inline bool affinity_play(struct scenario *s, struct affinity *a) {
    const swarm_backend *backend = swarm_mock_backend(s->engine.mock);
    swarm_profile_spec profile = {.name = "worker",
                                  .backend = s->engine.backend,
                                  .inflight_max = AFFINITY_SLOTS,
                                  .prefixes_max = AFFINITY_KEPT};
    a->sw = s->engine.sw;
    swarm_agent_add(a->sw, swarm_profile_add(a->sw, &profile), AFFINITY_WORKERS);
    a->run = swarm_run_open(a->sw, &(swarm_run_spec){.order = SWARM_ORDER_PREFIX});
    swarm_status status = affinity_plan(a);
    if (status != SWARM_OK) {
        return scenario_fail(s, status, NULL);
    }
    affinity_drive(a, backend);
    (void)swarm_run_cancel(a->sw, a->run);
    status = swarm_sim_drive(a->sw, NULL);
    return status == SWARM_OK || scenario_fail(s, status, NULL);
}

static inline bool play_affinity(struct scenario *s) {
    static struct affinity a;
    a = (struct affinity){.seed = s->seed, .queued = SWARM_NEVER};
    swarm_mock_model model = {.kind = SWARM_MOCK_CALLBACK};
    swarm_mock_spec mock = {.size = sizeof mock,
                            .models = &model,
                            .models_count = 1,
                            .latency = affinity_latency,
                            .context = &a,
                            .scripts_max = SWARM_NONE};
    swarm_config config = {.log_bytes = 1 << 24, .steps_max = 110000, .tracked_max = 110000};
    struct engine_need need = {&config, &mock, 1};
    if (!engine_open(&s->engine, &need, &s->error)) {
        return false;
    }
    bool good = affinity_play(s, &a);
    engine_close(&s->engine);
    scenario_add(s, "hit_ppm", ratio_ppm(a.hits, a.tokens));
    scenario_add(s, "decision_ns", sample_median(&a.decisions));
    scenario_add(s, "queued", a.queued_least);
    scenario_add(s, "begun", a.begun);
    free(a.decisions.items);
    return good;
}

#endif
