/* SPDX-License-Identifier: MIT */
/*
 * scenario_governor.h - governor: 300 steps, and a backend that turns away what is above a limit.
 *
 * The limit, 50, 64, 100 or 300 attempts in flight, is found by trying, or known from the start:
 * the optimum. Steps take LN(120 s, .7) or LN(20 s, .7), and start first come, first served. Of
 * these eight worlds the one with the largest makespan for its optimum counts; of the starts that
 * were turned away the most of any run.
 */
#ifndef SWARM_TESTS_SCENARIO_GOVERNOR_H
#define SWARM_TESTS_SCENARIO_GOVERNOR_H

#include "scenario.h"

enum { GOVERNOR_SEEDS = 10, GOVERNOR_STEPS = 300, GOVERNOR_LIMITS = 4, GOVERNOR_MEANS = 2 };

/* The backend, and whether its limit is known. */
struct governor_world {
    uint64_t mean_ns;
    uint32_t limit;
    bool known;
};

/* Over the block: makespan in ms, and the most starts turned away in one run. */
struct governor_sums {
    uint64_t makespan, rejected;
};

static inline bool governor_play(struct scenario *s, uint64_t seed,
                                 const struct governor_world *world, struct governor_sums *sums) {
    swarm *sw = s->engine.sw;
    swarm_limit_spec limit = {
        .name = "known", .backend = s->engine.backend, .capacity = world->limit};
    swarm_mock_stats stats = {0};
    swarm_run_report report = {0};
    if (world->known) {
        swarm_limit_add(sw, &limit);
    } else {
        /* this backend turns away at once: what is there a ns later was accepted */
        swarm_governor_set(sw, s->engine.backend, &(swarm_governor_spec){.confirm_ns = 1});
    }
    swarm_run run = swarm_run_open(sw, &(swarm_run_spec){.seed = seed});
    swarm_plan *plan = swarm_plan_open(sw, run);
    for (uint32_t i = 0; i < GOVERNOR_STEPS; ++i) {
        swarm_step_add(plan, NULL);
    }
    if (!world_commit(s, plan) || !world_drive(s) ||
        !world_report(s, run, GOVERNOR_STEPS, &report)) {
        return false;
    }
    swarm_mock_stats_get(s->engine.mock, &stats);
    sums->makespan += (report.end_ns - report.start_ns) / MS;
    sums->rejected = stats.refused > sums->rejected ? stats.refused : sums->rejected;
    return true;
}

static inline bool governor_block(struct scenario *s, const struct governor_world *world,
                                  struct governor_sums *sums) {
    swarm_mock_model model = {
        .kind = SWARM_MOCK_LOGNORMAL, .mean_ns = world->mean_ns, .sigma_ppm = 700000};
    bool good = true;
    for (uint64_t i = 0; i < GOVERNOR_SEEDS && good; ++i) {
        swarm_mock_spec mock = {.models = &model,
                                .inflight_max = world->limit,
                                .again_ns = 1,
                                .flags = SWARM_MOCK_REFUSE};
        swarm_config config = {.seed = s->seed + i};
        good = world_open(s, &config, &mock, GOVERNOR_STEPS);
        if (good) {
            good = governor_play(s, s->seed + i, world, sums);
            engine_close(&s->engine);
        }
    }
    sums->makespan /= GOVERNOR_SEEDS;
    return good;
}

static inline bool play_governor(struct scenario *s) {
    static const uint64_t means[GOVERNOR_MEANS] = {120 * SECOND, 20 * SECOND};
    static const uint32_t limits[GOVERNOR_LIMITS] = {50, 64, 100, 300};
    uint64_t makespan = 0, optimum = 1, rejected = 0;
    for (uint32_t i = 0; i < GOVERNOR_MEANS * GOVERNOR_LIMITS; ++i) {
        struct governor_world world = {.mean_ns = means[i / GOVERNOR_LIMITS],
                                       .limit = limits[i % GOVERNOR_LIMITS]};
        struct governor_sums found = {0}, best = {0};
        if (!governor_block(s, &world, &found)) {
            return false;
        }
        world.known = true;
        if (!governor_block(s, &world, &best)) {
            return false;
        }
        if (found.makespan * optimum > makespan * best.makespan) {
            makespan = found.makespan;
            optimum = best.makespan;
        }
        rejected = found.rejected > rejected ? found.rejected : rejected;
    }
    scenario_add(s, "makespan", makespan);
    scenario_add(s, "optimum", optimum);
    scenario_add(s, "rejected", rejected);
    return true;
}

#endif
