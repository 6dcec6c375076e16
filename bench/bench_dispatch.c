/* SPDX-License-Identifier: MIT */
/*
 * bench_dispatch.c - what dispatch costs: agent steps in virtual time, the mock backend included.
 *
 *     fleet      300 agents, 4,000 steps in 300 chains, lognormal latencies, no log
 *     fleet-log  the same with the event log
 *     window-1m  1,000,000 such steps through the same agents, at most 4,000 of them live
 *     window-100m  100,000,000 of them through 1,000,000 agents, at most 1,000,000 live; once. The
 *                counter bytes is the memory of swarm and mock
 *
 * A run is built, driven to its end and forgotten within one measured iteration; the swarm stays.
 */
#include <stdlib.h>

#include "backends/mock/swarm_mock.h"
#include "swarm.h"
#include "benchmark.h"

enum { AGENTS = 300, STEPS = 4000, MILLION = 1000000 };

struct fleet;

struct bench {
    const char *name;
    bool (*run)(struct fleet *fleet);
    uint32_t agents;
    uint32_t live;  /* steps at once */
    uint32_t batch; /* steps a plan, where they come in several */
    uint64_t steps;
    uint64_t log_bytes;
};

struct fleet {
    const struct bench *bench;
    swarm *sw;
    void *memory;     /* of the mock */
    swarm_step *last; /* an agent's chain */
    size_t bytes;     /* of swarm and mock */
    const char *fault;
};

static bool fleet_open(struct fleet *fleet, const struct bench *bench) {
    static const swarm_mock_model model = {
        .kind = SWARM_MOCK_LOGNORMAL, .mean_ns = 10000000000, .sigma_ppm = 700000};
    const swarm_mock_spec spec = {.size = sizeof spec,
                                  .models = &model,
                                  .models_count = 1,
                                  .inflight_max = 2 * bench->agents,
                                  .seed = 1};
    const swarm_config config = {.size = sizeof config,
                                 .version = SWARM_VERSION,
                                 .host = swarm_host_default(),
                                 .log_bytes = bench->log_bytes,
                                 .workers_max = 1,
                                 .steps_max = bench->live + bench->batch,
                                 .tracked_max = bench->live + bench->batch,
                                 .edges_max = bench->live + bench->batch,
                                 .agents_max = bench->agents,
                                 .inflight_max = bench->agents};
    size_t size = swarm_mock_memory_size(&spec);
    swarm_profile_spec worker = {.name = "worker"};
    swarm_mock *mock;

    *fleet = (struct fleet){.bench = bench, .fault = "no memory"};
    fleet->memory = malloc(size);
    fleet->last = calloc(bench->agents, sizeof *fleet->last);
    mock = fleet->memory == NULL ? NULL : swarm_mock_new(&spec, fleet->memory, size);
    if (mock == NULL || fleet->last == NULL || swarm_new(&config, &fleet->sw) != SWARM_OK ||
        swarm_memory_size(&config, &fleet->bytes) != SWARM_OK) {
        return false;
    }
    fleet->bytes += size;
    worker.backend = swarm_backend_add(fleet->sw, swarm_mock_backend(mock));
    return swarm_agent_add(fleet->sw, swarm_profile_add(fleet->sw, &worker), bench->agents).id != 0;
}

static void fleet_close(struct fleet *fleet) {
    (void)swarm_free(fleet->sw);
    free(fleet->memory);
    free(fleet->last);
}

/* One plan of `count` steps, a chain an agent. */
static bool add_chains(struct fleet *fleet, swarm_run run, uint32_t count, uint32_t flags) {
    const swarm_step_spec spec = {.flags = flags};
    swarm_plan *plan = swarm_plan_open(fleet->sw, run);
    uint32_t agents = fleet->bench->agents;

    for (uint32_t i = 0; i < count; i++) {
        swarm_step step = swarm_step_add(plan, &spec);

        if (i >= agents) {
            (void)swarm_edge_add(plan, fleet->last[i % agents], step, 0);
        }
        fleet->last[i % agents] = step;
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
    const struct bench *bench = fleet->bench;
    swarm_run run = swarm_run_open(fleet->sw, &spec);
    swarm_status status = SWARM_E_AGAIN;
    swarm_stats stats;
    uint64_t added = 0;

    while (status == SWARM_E_AGAIN) {
        (void)swarm_stats_get(fleet->sw, &stats);
        for (; added < bench->steps && stats.steps_live + bench->batch <= bench->live;
             added += bench->batch) {
            if (!add_chains(fleet, run, bench->batch, SWARM_STEP_DETACHED)) {
                return false;
            }
            stats.steps_live += bench->batch;
        }
        if (added == bench->steps) {
            (void)swarm_run_close(fleet->sw, run);
        }
        status = swarm_sim_drive(fleet->sw, added == bench->steps ? NULL : &instant);
    }
    return status == SWARM_OK && run_over(fleet, run, bench->steps);
}

static void body(benchmark_state *state, void *context) {
    const struct bench *bench = context;
    struct fleet fleet;
    bool good = fleet_open(&fleet, bench);

    while (good && benchmark_keep_running(state)) {
        good = bench->run(&fleet);
    }
    if (!good) {
        benchmark_fail(state, fleet.fault);
    }
    benchmark_set_steps(state, bench->steps);
    benchmark_set_counter(state, "bytes", (double)fleet.bytes);
    fleet_close(&fleet);
}

int main(int argc, char **argv) {
    static struct bench benches[] = {
        {"fleet/swarm/1", run_static, AGENTS, STEPS, 0, STEPS, SWARM_NEVER},
        {"fleet-log/swarm/1", run_static, AGENTS, STEPS, 0, STEPS, 1 << 22},
        {"window-1m/swarm/1", run_window, AGENTS, STEPS, 1000, MILLION, SWARM_NEVER},
        {"window-100m/swarm/1", run_window, MILLION, MILLION, 10000, 100 * (uint64_t)MILLION,
         SWARM_NEVER},
    };

    for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++) {
        const benchmark_spec spec = {.name = benches[i].name,
                                     .body = body,
                                     .context = &benches[i],
                                     .iterations = benches[i].agents == MILLION ? 1 : 0};

        benchmark_add(&spec);
    }
    return benchmark_main(argc, argv);
}
