/* SPDX-License-Identifier: MIT */
/*
 * bench_dispatch.c - what dispatch costs: agent steps in virtual time, the mock backend included.
 *
 *     fleet      300 agents, 4,000 steps in 300 chains, lognormal latencies, no log
 *     fleet-log  the same with the event log
 *     window-1m  1,000,000 such steps through the same agents, at most 4,000 of them live
 *
 * A run is built, driven to its end and forgotten within one measured iteration; the swarm stays.
 */
#include <stdlib.h>

#include "backends/mock/swarm_mock.h"
#include "swarm.h"
#include "benchmark.h"

enum { AGENTS = 300, STEPS = 4000, BATCH = 1000, WINDOW_STEPS = 1000000 };

struct fleet {
    swarm *sw;
    void *memory; /* of the mock */
    const char *fault;
};

static bool fleet_open(struct fleet *fleet, uint64_t log_bytes) {
    static const swarm_mock_model model = {
        .kind = SWARM_MOCK_LOGNORMAL, .mean_ns = 10000000000, .sigma_ppm = 700000};
    const swarm_mock_spec spec = {.size = sizeof spec,
                                  .models = &model,
                                  .models_count = 1,
                                  .inflight_max = 2 * AGENTS,
                                  .seed = 1};
    const swarm_config config = {.size = sizeof config,
                                 .version = SWARM_VERSION,
                                 .host = swarm_host_default(),
                                 .log_bytes = log_bytes,
                                 .workers_max = 1};
    size_t size = swarm_mock_memory_size(&spec);
    swarm_profile_spec worker = {.name = "worker"};
    swarm_mock *mock;

    fleet->fault = "no memory";
    fleet->sw = NULL;
    fleet->memory = malloc(size);
    mock = fleet->memory == NULL ? NULL : swarm_mock_new(&spec, fleet->memory, size);
    if (mock == NULL || swarm_new(&config, &fleet->sw) != SWARM_OK) {
        return false;
    }
    worker.backend = swarm_backend_add(fleet->sw, swarm_mock_backend(mock));
    return swarm_agent_add(fleet->sw, swarm_profile_add(fleet->sw, &worker), AGENTS).id != 0;
}

static void fleet_close(struct fleet *fleet) {
    (void)swarm_free(fleet->sw);
    free(fleet->memory);
}

/* One plan of `count` steps in AGENTS chains. */
static bool add_chains(struct fleet *fleet, swarm_run run, uint32_t count, uint32_t flags) {
    const swarm_step_spec spec = {.flags = flags};
    swarm_plan *plan = swarm_plan_open(fleet->sw, run);
    swarm_step last[AGENTS];

    for (uint32_t i = 0; i < count; i++) {
        swarm_step step = swarm_step_add(plan, &spec);

        if (i >= AGENTS) {
            (void)swarm_edge_add(plan, last[i % AGENTS], step, 0);
        }
        last[i % AGENTS] = step;
    }
    fleet->fault = "the plan was refused";
    return swarm_plan_commit(plan, NULL) == SWARM_OK;
}

/* All steps ended well; then the run goes. */
static bool run_over(struct fleet *fleet, swarm_run run, uint64_t steps) {
    swarm_run_report report;

    fleet->fault = "not every step ended OK";
    return swarm_run_report_get(fleet->sw, run, &report) == SWARM_OK && report.ok == steps &&
           report.steps == steps && swarm_run_forget(fleet->sw, run) == SWARM_OK;
}

static bool run_static(struct fleet *fleet) {
    swarm_run run = swarm_run_open(fleet->sw, NULL);

    return add_chains(fleet, run, STEPS, 0) && swarm_sim_drive(fleet->sw, NULL) == SWARM_OK &&
           run_over(fleet, run, STEPS);
}

/* Adds a batch whenever there is room in the window. */
static bool run_window(struct fleet *fleet) {
    const swarm_run_spec spec = {.flags = SWARM_RUN_GROWING};
    const swarm_drive_options instant = {.flags = SWARM_DRIVE_INSTANT};
    swarm_run run = swarm_run_open(fleet->sw, &spec);
    swarm_status status = SWARM_E_AGAIN;
    swarm_stats stats;
    uint32_t added = 0;

    while (status == SWARM_E_AGAIN) {
        (void)swarm_stats_get(fleet->sw, &stats);
        for (; added < WINDOW_STEPS && stats.steps_live + BATCH <= STEPS; added += BATCH) {
            if (!add_chains(fleet, run, BATCH, SWARM_STEP_DETACHED)) {
                return false;
            }
            stats.steps_live += BATCH;
        }
        if (added == WINDOW_STEPS) {
            (void)swarm_run_close(fleet->sw, run);
        }
        status = swarm_sim_drive(fleet->sw, added == WINDOW_STEPS ? NULL : &instant);
    }
    return status == SWARM_OK && run_over(fleet, run, WINDOW_STEPS);
}

struct bench {
    const char *name;
    bool (*run)(struct fleet *fleet);
    uint64_t steps;
    uint64_t log_bytes;
};

static void body(benchmark_state *state, void *context) {
    const struct bench *bench = context;
    struct fleet fleet;
    bool good = fleet_open(&fleet, bench->log_bytes);

    while (good && benchmark_keep_running(state)) {
        good = bench->run(&fleet);
    }
    if (!good) {
        benchmark_fail(state, fleet.fault);
    }
    benchmark_set_steps(state, bench->steps);
    fleet_close(&fleet);
}

int main(int argc, char **argv) {
    static struct bench benches[] = {
        {"fleet/swarm/1", run_static, STEPS, SWARM_NEVER},
        {"fleet-log/swarm/1", run_static, STEPS, 1 << 22},
        {"window-1m/swarm/1", run_window, WINDOW_STEPS, SWARM_NEVER},
    };

    for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++) {
        const benchmark_spec spec = {.name = benches[i].name, .body = body, .context = &benches[i]};

        benchmark_add(&spec);
    }
    return benchmark_main(argc, argv);
}
