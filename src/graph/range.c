/* SPDX-License-Identifier: MIT */
/*
 * range.c - range steps: one step, many calls, shared by all workers that are free.
 *
 * The step's item may exist several times. Who takes one claims a chunk of calls, puts a copy of
 * the item into its deque for a thief if there is more, and claims until nothing is left. Chunks
 * shrink with what is left: left / (4 * workers), at least one, so that the workers end together
 * whatever single calls cost (guided self-scheduling: Polychronopoulos and Kuck, IEEE Trans.
 * Comput. C-36(12), 1987; the factor after Tzen and Ni's and Cilk's practice).
 *
 * `holders` counts the copies in deques and hands. Each holder lets go when nothing is left to
 * claim; the last one ends the step. So no copy outlives the range (mutant HOLDERS: ending at the
 * last call instead), and the last one sees all sums and failures.
 *
 * Memory: a record a range from a pool; a static range keeps it until its region is freed. Threads:
 * any number of workers.
 */
#include "worker.h"

/* Calls of one claim at most: between claims a cancel is looked for. */
#define RANGE_CHUNK_MAX 4096

/* By who takes the record, or by the last holder of a static one: nobody else knows it then, so all
 * of it is relaxed. One holder: the item that will make the step run. */
void swarm__range_reset(struct graph_range *range) {
    SWARM_ASSERT(range->count <= RANGE_COUNT_MAX);
    ATOMIC_STORE(&range->next, 0, relaxed); /* published with the step */
    ATOMIC_STORE(&range->sum, 0, relaxed);
    ATOMIC_STORE(&range->failed, SWARM_NEVER, relaxed);
    ATOMIC_STORE(&range->holders, 1, relaxed);
}

void swarm__range_free(struct graph *graph, uint32_t slot) {
    uint32_t index = (uint32_t)graph->argument[slot];

    SWARM_ASSERT(graph_has(graph, slot, GRAPH_RANGE));
    SWARM_ASSERT(index < graph->sizes.ranges);
    graph_flag_clear(graph, slot, GRAPH_RANGE); /* so that nobody does it twice */
    pool_push(&graph->ranges_free, index);
}

/* Claims calls [*out_first, *out_first + result); 0 when none is left. Lock-free: a claim is lost
 * only to another claim. O(workers * log(count)) claims in all, from the shrinking chunks. */
static uint64_t range_claim(struct graph *graph, struct graph_range *range, uint64_t *out_first) {
    /* Relaxed: calls need no order among each other; what they wrote goes out through `holders`. */
    uint64_t next = ATOMIC_LOAD(&range->next, relaxed);

    while (next < range->count) {
        uint64_t left = range->count - next;
        uint64_t chunk = left / (4 * (uint64_t)graph->sizes.workers);

        chunk = chunk != 0 ? chunk : 1;
        chunk = chunk < RANGE_CHUNK_MAX ? chunk : RANGE_CHUNK_MAX;
        SWARM_ASSERT(chunk <= left);
        if (ATOMIC_CAS_WEAK(&range->next, &next, next + chunk, relaxed, relaxed)) {
            *out_first = next;
            return chunk;
        }
    }
    return 0;
}

/* Keeps the smallest index that failed, so that the outcome is the same for any number of workers.
 * Relaxed, all of it: goes out through `holders`. */
static void range_fail(struct graph_range *range, uint64_t index, swarm_outcome outcome) {
    uint64_t failed = ATOMIC_LOAD(&range->failed, relaxed);
    uint64_t here = index << 4 | (outcome & 15u);

    SWARM_ASSERT(outcome != SWARM_OUTCOME_OK);
    SWARM_ASSERT(index < range->count);
    while (here < failed && !ATOMIC_CAS_WEAK(&range->failed, &failed, here, relaxed, relaxed)) {
    }
}

/* Runs a chunk of calls. The sum wraps, as unsigned sums do, whatever the order: it is the same for
 * any division into chunks. One addition a chunk: relaxed, it goes out through `holders`. */
static void range_chunk(struct worker *worker, uint32_t slot, uint64_t first, uint64_t count) {
    struct graph_range *range = &worker->graph->ranges[worker->graph->argument[slot]];
    uint64_t sum = 0;

    SWARM_ASSERT(count <= range->count - first);
    for (uint64_t index = first; index < first + count; index++) {
        uint64_t value;
        swarm_outcome outcome = swarm__worker_call(worker, slot, range->first + index, &value);

        if (outcome == SWARM_OUTCOME_OK) {
            sum += value;
        } else {
            range_fail(range, index, outcome);
        }
    }
    (void)ATOMIC_ADD(&range->sum, sum, relaxed);
}

/* Offers a copy to thieves. The copy is counted before it can be found. It never goes to the
 * overflow: a slot is linked there once at most. */
static void range_offer(struct worker *worker, struct graph_range *range, uint32_t slot) {
    if (worker->graph->sizes.workers == 1 || ATOMIC_LOAD(&range->next, relaxed) >= range->count) {
        return;
    }
    /* Relaxed: this thread holds one, so it is not the last, and the deque publishes the copy. */
    (void)ATOMIC_ADD(&range->holders, 1, relaxed);
    if (!swarm__worker_offer(worker, slot)) {
        (void)ATOMIC_SUB(&range->holders, 1, relaxed); /* no room; this thread still holds one */
    }
}

/* Claims and runs until nothing is left or the step is cancelled. Offers one copy, not one a
 * worker: each thief offers the next, so the copies spread like the wakes. */
static void range_work(struct worker *worker, struct graph_range *range, uint32_t slot) {
    struct graph *graph = worker->graph;
    uint64_t first = 0, count = range_claim(graph, range, &first);

    if (count != 0) {
        range_offer(worker, range, slot);
    }
    worker->frame.is_range = true;
    while (count != 0) {
        range_chunk(worker, slot, first, count);
        count = graph_step_cancelled(graph, slot) ? 0 : range_claim(graph, range, &first);
    }
    worker->frame.is_range = false;
}

/* By the last holder, whose acquire has shown it all that the others did. */
static uint32_t range_end(struct worker *worker, struct graph_range *range, uint32_t slot) {
    struct graph *graph = worker->graph;
    uint64_t failed = ATOMIC_LOAD(&range->failed, relaxed);
    uint64_t sum = ATOMIC_LOAD(&range->sum, relaxed);
    bool complete = ATOMIC_LOAD(&range->next, relaxed) >= range->count && range->count != 0;
    bool cancelled = graph_step_cancelled(graph, slot);
    bool spoilt = graph_has(graph, slot, GRAPH_SPOILT);

    SWARM_ASSERT(ATOMIC_LOAD(&range->holders, relaxed) == 0);
    complete = complete || (range->count == 0 && !cancelled && !spoilt);
    if (graph_has(graph, slot, GRAPH_STATIC)) {
        swarm__range_reset(range);
    } else {
        swarm__range_free(graph, slot);
    }
    if (!complete) {
        return swarm__worker_stop(worker, slot, cancelled);
    }
    swarm__worker_frame(worker, slot,
                        range->first); /* for `leave`: its last call may be long past */
    return failed == SWARM_NEVER
               ? swarm__worker_settle(worker, slot, SWARM_OUTCOME_OK, sum)
               : swarm__worker_settle(worker, slot, (swarm_outcome)(failed & 15u), 0);
}

/* A holder that finds the step spoilt or cancelled does nothing but let go: the last one
 * decides. */
uint32_t swarm__range_run(struct worker *worker, uint32_t slot) {
    struct graph *graph = worker->graph;
    struct graph_range *range = &graph->ranges[graph->argument[slot]];

    SWARM_ASSERT(ATOMIC_LOAD(&range->holders, relaxed) != 0); /* this thread's own */
    if (!graph_has(graph, slot, GRAPH_SPOILT) && !graph_step_cancelled(graph, slot)) {
        range_work(worker, range, slot);
    }
    /* Release: this holder's calls, sums and failures; acquire: those of the others, for the last
     * (mutant HOLDRLX). */
    if (ATOMIC_SUB(&range->holders, 1, acq_rel) != 1) {
        return NONE32;
    }
    return range_end(worker, range, slot);
}
