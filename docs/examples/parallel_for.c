/* SPDX-License-Identifier: MIT */
/*
 * parallel_for.c - a loop and a reduction over 1,000,000 call steps, on three threads.
 *
 * Twice: as one RANGE step, which costs one slot, is stolen in halves and adds up the values of
 * its calls by itself; and as 1,000,000 steps of their own in front of one that adds up. Call steps
 * need no agent and no backend.
 *
 *     cc -O2 -I. docs/examples/parallel_for.c src/all.c -pthread -o parallel_for && ./parallel_for
 */
#include <inttypes.h>
#include <stdio.h>

#include "swarm.h"

#define COUNT 1000000u
#define WORKERS 3u

/* A sum for each worker, 64 bytes apart: no two threads write to one cache line. */
struct sums {
    uint64_t of_worker[WORKERS][8];
};

static swarm_outcome square(void *context, const swarm_call *call, uint64_t *out_value) {
    struct sums *sums = context;

    *out_value = call->argument * call->argument;
    sums->of_worker[call->worker][0] += *out_value;
    return SWARM_OUTCOME_OK;
}

/* The order of additions does not matter, so the result is the same for any number of workers. */
static swarm_outcome add_up(void *context, const swarm_call *call, uint64_t *out_value) {
    struct sums *sums = context;

    (void)call;
    for (uint32_t i = 0; i < WORKERS; i++) {
        *out_value += sums->of_worker[i][0];
        sums->of_worker[i][0] = 0;
    }
    return SWARM_OUTCOME_OK;
}

/* Commits the plan, drives it on this thread and two more, prints the value of its last step. */
static int finish(swarm *sw, swarm_plan *plan, swarm_step last, const char *name) {
    swarm_drive_options options = {.workers = WORKERS - 1};
    swarm_error error = {0};
    swarm_step_info info;
    swarm_status status = swarm_plan_commit(plan, &error);

    if (status == SWARM_OK) {
        status = swarm_drive(sw, &options);
    }
    if (status == SWARM_OK) {
        status = swarm_step_status(sw, last, &info);
    }
    if (status != SWARM_OK) {
        fprintf(stderr, "%s: %s %s\n", name, swarm_status_text(status),
                error.text != NULL ? error.text : "");
        return 1;
    }
    printf("%s: %" PRIu64 "\n", name, info.result.value);
    return 0;
}

static int as_range(swarm *sw, swarm_function body) {
    swarm_plan *plan = swarm_plan_open(sw, swarm_run_open(sw, NULL));

    return finish(sw, plan, swarm_range_add(plan, body, 0, COUNT), "one range");
}

static int as_steps(swarm *sw, swarm_function body, swarm_function reduction) {
    swarm_plan *plan = swarm_plan_open(sw, swarm_run_open(sw, NULL));
    swarm_step last = swarm_call_add(plan, reduction, 0);

    for (uint64_t i = 0; i < COUNT; i++) {
        swarm_edge_add(plan, swarm_call_add(plan, body, i), last, 0);
    }
    return finish(sw, plan, last, "a million steps");
}

int main(void) {
    static struct sums sums;
    swarm_config config = {.size = sizeof config,
                           .version = SWARM_VERSION,
                           .host = swarm_host_default(),
                           .flags = SWARM_CONFIG_STATIC,
                           .workers_max = WORKERS,
                           .steps_max = COUNT + 2,
                           .edges_max = COUNT,
                           .tracked_max = 16};
    swarm *sw = NULL;
    int failed;

    if (swarm_new(&config, &sw) != SWARM_OK) {
        return 1;
    }
    swarm_function body = swarm_function_add(sw, "square", square, &sums);
    swarm_function reduction = swarm_function_add(sw, "add up", add_up, &sums);
    failed = as_range(sw, body);
    sums = (struct sums){0};
    failed += as_steps(sw, body, reduction);
    return failed + (swarm_free(sw) != SWARM_OK);
}
