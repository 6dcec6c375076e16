/* SPDX-License-Identifier: MIT */
/*
 * growth.c - a graph that grows while it runs: a merge sort of 1,000,000 numbers.
 *
 * A step that finds its part too large adds two steps for the halves and one that merges them, and
 * makes the merge its CONTINUATION: whoever waits for the step then waits for the merge. So
 * recursion needs neither a stack nor a waiting thread, and any number of workers may help.
 * A call step has one 64-bit argument; here it holds where a part begins and how long it is.
 *
 *     cc -O2 -I. docs/examples/growth.c src/all.c -pthread -o growth && ./growth
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swarm.h"

#define COUNT 1000000u
#define SMALL 2000u

struct sorter {
    uint32_t numbers[COUNT], scratch[COUNT];
    swarm_function sort, merge;
};

static uint64_t part(uint64_t first, uint64_t count) {
    return first << 32 | count;
}

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static swarm_outcome sort(void *context, const swarm_call *call, uint64_t *out_value) {
    struct sorter *sorter = context;
    uint64_t first = call->argument >> 32, count = call->argument & UINT32_MAX, half = count / 2;

    (void)out_value;
    if (count <= SMALL) {
        qsort(sorter->numbers + first, count, sizeof(uint32_t), compare);
        return SWARM_OUTCOME_OK;
    }
    swarm_plan *plan = swarm_call_plan(call); /* applied when this call returns OK */
    swarm_step left = swarm_call_add(plan, sorter->sort, part(first, half));
    swarm_step right = swarm_call_add(plan, sorter->sort, part(first + half, count - half));
    swarm_step merge = swarm_call_add(plan, sorter->merge, call->argument);
    swarm_edge_add(plan, left, merge, 0);
    swarm_edge_add(plan, right, merge, 0);
    swarm_plan_continue(plan, merge);
    return SWARM_OUTCOME_OK;
}

static swarm_outcome merge(void *context, const swarm_call *call, uint64_t *out_value) {
    struct sorter *sorter = context;
    uint64_t first = call->argument >> 32, count = call->argument & UINT32_MAX;
    uint64_t i = first, j = first + count / 2, middle = j, end = first + count;

    for (uint64_t k = first; k < end; k++) {
        bool left = i < middle && (j == end || sorter->numbers[i] <= sorter->numbers[j]);

        sorter->scratch[k] = sorter->numbers[left ? i++ : j++];
    }
    memcpy(sorter->numbers + first, sorter->scratch + first, count * sizeof(uint32_t));
    *out_value = count; /* of the last merge, this is what the whole sort says */
    return SWARM_OUTCOME_OK;
}

static bool sorted(const struct sorter *sorter) {
    for (uint32_t i = 1; i < COUNT; i++) {
        if (sorter->numbers[i - 1] > sorter->numbers[i]) {
            return false;
        }
    }
    return true;
}

/* Runs one sort of everything, on this thread and two more. */
static swarm_status run(swarm *sw, struct sorter *sorter, swarm_step_info *out_info) {
    swarm_run_spec spec = {.flags = SWARM_RUN_GROWING};
    swarm_drive_options options = {.workers = 2};
    swarm_run run = swarm_run_open(sw, &spec);
    swarm_plan *plan = swarm_plan_open(sw, run);
    swarm_step all = swarm_call_add(plan, sorter->sort, part(0, COUNT));
    swarm_status status = swarm_plan_commit(plan, NULL);

    if (status == SWARM_OK) {
        status = swarm_run_close(sw, run); /* no more plans from here; its steps may still add */
    }
    if (status == SWARM_OK) {
        status = swarm_drive(sw, &options);
    }
    return status == SWARM_OK ? swarm_step_status(sw, all, out_info) : status;
}

int main(void) {
    static struct sorter sorter;
    swarm_config config = {
        .size = sizeof config, .version = SWARM_VERSION, .host = swarm_host_default()};
    swarm *sw = NULL;
    swarm_step_info info;
    swarm_status status = swarm_new(&config, &sw);

    if (status == SWARM_OK) {
        sorter.sort = swarm_function_add(sw, "sort", sort, &sorter);
        sorter.merge = swarm_function_add(sw, "merge", merge, &sorter);
        for (uint32_t i = 0; i < COUNT; i++) {
            sorter.numbers[i] = (uint32_t)swarm_random(1, 0, i);
        }
        status = run(sw, &sorter, &info);
    }
    if (status != SWARM_OK) {
        fprintf(stderr, "growth: %s\n", swarm_status_text(status));
        return 1;
    }
    printf("%" PRIu64 " numbers, %s\n", info.result.value, sorted(&sorter) ? "sorted" : "unsorted");
    return swarm_free(sw) != SWARM_OK;
}
