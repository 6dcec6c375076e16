/* SPDX-License-Identifier: MIT */
/*
 * engine.h - a swarm with one function and one run, as the benches of call steps use it.
 *
 * Threads: the driver's; the function runs on all workers.
 */
#ifndef SWARM_BENCH_ENGINE_H
#define SWARM_BENCH_ENGINE_H

#include <string.h>

#include "swarm.h"

struct engine {
    swarm *sw;
    swarm_function function;
    swarm_run run;
    uint32_t threads;
};

/* The least that holds `steps` and `edges`; deques and functions as by default. */
static inline swarm_config config_for(uint32_t steps, uint32_t edges, uint32_t threads,
                                      uint32_t flags) {
    const swarm_config config = {.size = sizeof config,
                                 .version = SWARM_VERSION,
                                 .host = swarm_host_default(),
                                 .log_bytes = SWARM_NEVER,
                                 .flags = flags,
                                 .workers_max = threads,
                                 .runs_max = 1,
                                 .steps_max = steps,
                                 .edges_max = edges,
                                 .tracked_max = 1,
                                 .agents_max = 1,
                                 .profiles_max = 1,
                                 .skills_max = 1,
                                 .permits_max = 1,
                                 .demands_max = 1,
                                 .backends_max = 1,
                                 .scopes_max = 1,
                                 .plans_max = threads,
                                 .ranges_max = 1,
                                 .commands_max = 1};

    return config;
}

static inline bool engine_open(struct engine *engine, const swarm_config *config,
                               swarm_call_function *function, void *context) {
    memset(engine, 0, sizeof *engine);
    engine->threads = config->workers_max;
    if (swarm_new(config, &engine->sw) != SWARM_OK) {
        return false;
    }
    engine->function = swarm_function_add(engine->sw, "body", function, context);
    return engine->function.id != 0;
}

static inline bool engine_drive(struct engine *engine) {
    const swarm_drive_options options = {.workers = engine->threads - 1};

    return swarm_drive(engine->sw, &options) == SWARM_OK;
}

static inline bool engine_ran(struct engine *engine, uint64_t steps) {
    swarm_run_report report;

    return swarm_run_report_get(engine->sw, engine->run, &report) == SWARM_OK &&
           report.state == SWARM_RUN_ENDED && report.ok == steps && report.steps == steps;
}

#endif
