/* SPDX-License-Identifier: MIT */
/*
 * graph.c - the graph's memory, its beginning, and what must hold while nobody works on it.
 *
 * All arrays are carved once from the swarm's block; nothing here depends on the number of steps
 * but their size: slots and cells that were never used are never touched, and counters say how far
 * use has come (space.h). What growing runs need besides is not there when the configuration has
 * none.
 *
 * Threads: one, before any other.
 */
#include "../base/hash.h"
#include "worker.h"

/* Measures or carves; the pointer means something in the second run only. */
#define TAKE(arena, count, type) ((type *)arena_take(arena, count, sizeof(type), _Alignof(type)))

/* The arrays of steps and edges, hot ones first. growing is 0 without growing runs: arrays of
 * none. */
static void layout_steps(struct graph *graph, struct arena *arena) {
    uint32_t steps = graph->sizes.steps, growing = graph->sizes.growing ? steps : 0;

    graph->pending = TAKE(arena, steps, atomic_u32);
    graph->in_degree = TAKE(arena, steps, uint32_t);
    graph->link = TAKE(arena, steps, atomic_u64);
    graph->argument = TAKE(arena, steps, uint64_t);
    graph->output = TAKE(arena, steps, uint64_t);
    graph->kind = TAKE(arena, steps, atomic_u32);
    graph->scope = TAKE(arena, steps, uint32_t);
    graph->lineage = TAKE(arena, growing, uint64_t);
    graph->caller = TAKE(arena, growing, atomic_u32);
    graph->refs = TAKE(arena, growing, atomic_u32);
    graph->edge_to = TAKE(arena, graph->sizes.edges, uint32_t);
    graph->edge_next = TAKE(arena, graph->sizes.edges, atomic_u32);
    graph->roots_end = TAKE(arena, graph->sizes.runs, uint32_t);
    graph->steps.spans = TAKE(arena, graph->sizes.runs, struct span);
    graph->edges.spans = TAKE(arena, graph->sizes.runs, struct span);
}

/* Scopes, functions and ranges: few, so their order does not matter. */
static void layout_pools(struct graph *graph, struct arena *arena) {
    uint32_t scopes = graph->sizes.runs + graph->sizes.scopes;

    graph->scopes = TAKE(arena, scopes, struct scope);
    graph->quiet_links = TAKE(arena, scopes, atomic_u32);
    graph->functions = TAKE(arena, graph->sizes.functions, struct graph_function);
    graph->ranges = TAKE(arena, graph->sizes.ranges, struct graph_range);
    graph->range_links = TAKE(arena, graph->sizes.ranges, atomic_u32);
}

/* Workers come first and by whole cache lines: each writes its own record with every step. Deques'
 * cells are pointers into the block and must be set in the second run only. */
void swarm__graph_layout(struct graph *graph, struct arena *arena,
                         const struct graph_sizes *sizes) {
    uint32_t workers = sizes->workers;
    bool carves = arena->base != NULL;

    SWARM_ASSERT(sizes->steps <= GRAPH_SLOT);
    SWARM_ASSERT(sizes->workers != 0);
    SWARM_ASSERT(sizes->runs != 0);
    SWARM_ASSERT(sizes->edges <= INT32_MAX - 1);
    SWARM_ASSERT(sizes->deque_size != 0 && (sizes->deque_size & (sizes->deque_size - 1)) == 0);
    graph->sizes = *sizes;
    graph->workers =
        (struct worker *)arena_take(arena, workers, sizeof(struct worker), ATOMIC_LINE);
    for (uint32_t i = 0; i < workers; i++) {
        atomic_u64 *cells =
            (atomic_u64 *)arena_take(arena, sizes->deque_size, sizeof(atomic_u64), ATOMIC_LINE);

        if (carves && !arena->failed) {
            graph->workers[i].deque.cells = cells;
        }
    }
    layout_steps(graph, arena);
    layout_pools(graph, arena);
}

/* A worker that is outside and has nothing in hand. Its counts are of scope 0, and none. */
static void start_worker(struct graph *graph, uint32_t index) {
    struct worker *worker = &graph->workers[index];
    static const struct call_frame empty;

    SWARM_ASSERT(index < graph->sizes.workers);
    deque_init(&worker->deque, worker->deque.cells, graph->sizes.deque_size, 0);
    worker->graph = graph;
    worker->frame = empty;
    worker->frame.graph = graph;
    worker->frame.call.sw = (swarm *)graph->hooks.context;
    worker->frame.call.worker = index;
    worker->random = mix64(index + HASH_GOLDEN) | 1; /* xorshift: never 0 */
    worker->ended = worker->skipped = worker->stopped = worker->freed = 0;
    worker->scope = 0;
    worker->scope_at = graph->scopes;
    worker->span_first = worker->span_count = 0;
    stock_init(&worker->slots);
    stock_init(&worker->cells);
    worker->index = index;
    worker->inside = false;
    worker->ran = 0;
}

/* Pools, stack and mailbox are linked through arrays that steps use otherwise: a step is in one of
 * them, or counts its predecessors, and never both (graph.h, pending). */
void swarm__graph_start(struct graph *graph, const struct graph_hooks *hooks,
                        const swarm_host *host) {
    const struct graph_sizes *sizes = &graph->sizes;

    SWARM_ASSERT(hooks->context != NULL);
    graph->hooks = *hooks;
    graph->parks = host != NULL && host->wait != NULL && host->wake != NULL;
    graph->park_host.context = graph->parks ? host->context : NULL;
    graph->park_host.wait = graph->parks ? host->wait : NULL;
    graph->park_host.wake = graph->parks ? host->wake : NULL;
    space_init(&graph->steps, graph->pending, sizes->steps, graph->steps.spans, sizes->runs);
    space_init(&graph->edges, graph->edge_next, sizes->edges, graph->edges.spans, sizes->runs);
    graph->steps.growing = graph->edges.growing = sizes->growing;
    pool_init(&graph->ranges_free, graph->range_links, sizes->ranges);
    stack_init(&graph->overflow, graph->pending, sizes->steps);
    stack_init(&graph->quiet, graph->quiet_links, sizes->runs + sizes->scopes);
    mailbox_init(&graph->posts, graph->pending, sizes->steps);
    park_init(&graph->park, 0);
    graph->quiet_taken = NONE32;
    stock_init(&graph->turn_slots);
    stock_init(&graph->turn_cells);
    ATOMIC_STORE(&graph->touched, 0, relaxed); /* all published by whatever starts the threads */
    ATOMIC_STORE(&graph->live, 0, relaxed);
    ATOMIC_STORE(&graph->live_turn, 0, relaxed);
    ATOMIC_STORE(&graph->active, 0, relaxed);
    for (uint32_t i = 0; i < sizes->runs + sizes->scopes; i++) {
        ATOMIC_STORE(&graph->scopes[i].queued, 0, relaxed);
    }
    for (uint32_t i = 0; i < sizes->functions; i++) {
        graph->functions[i].function = NULL;
        graph->functions[i].context = NULL;
    }
    for (uint32_t i = 0; i < sizes->workers; i++) {
        start_worker(graph, i);
    }
}

void swarm__graph_function_set(struct graph *graph, uint32_t index, swarm_call_function *function,
                               void *context) {
    SWARM_ASSERT(index < graph->sizes.functions);
    SWARM_ASSERT(function != NULL);
    graph->functions[index].function = function;
    graph->functions[index].context = context;
}

/* ---- invariants */

/* Nobody is inside, and nobody took anything home: counts are flushed, stocks returned. */
static bool invariant_workers(const struct graph *graph) {
    bool good = (uint32_t)ATOMIC_LOAD(&graph->active, acquire) == 0;

    for (uint32_t i = 0; i < graph->sizes.workers; i++) {
        const struct worker *worker = &graph->workers[i];

        good = good && deque_invariant(&worker->deque);
        good = good && worker->ended == 0 && worker->skipped == 0 && worker->stopped == 0 &&
               worker->freed == 0 && worker->slots.count == 0 && worker->cells.count == 0;
    }
    return good;
}

/* A slot in a run's span is a static step of that run, and its row begins and ends in the run's own
 * cells. */
static bool invariant_step(const struct graph *graph, uint32_t run, uint32_t slot) {
    const struct span *cells = &graph->edges.spans[run];
    uint32_t first = graph_unmarked(link_first(ATOMIC_LOAD(&graph->link[slot], relaxed)));

    SWARM_ASSERT(slot < graph->sizes.steps);
    if (!graph_has(graph, slot, GRAPH_STATIC) || graph->scopes[graph->scope[slot]].run != run) {
        return false;
    }
    while (first != NONE32 && first >= cells->first && first < span_end(cells) &&
           (graph->edge_to[first] & GRAPH_LAST) == 0) {
        first++;
    }
    return first == NONE32 || (first >= cells->first && first < span_end(cells));
}

/* All static runs. O(steps + edges). */
static bool invariant_regions(const struct graph *graph) {
    bool good = true;

    for (uint32_t run = 0; run < graph->sizes.runs; run++) {
        const struct span *span = &graph->steps.spans[run];

        for (uint32_t i = 0; i < span->count; i++) {
            good = good && invariant_step(graph, run, span->first + i);
        }
    }
    return good;
}

bool swarm__graph_invariant(const struct graph *graph) {
    uint32_t ranges;

    return invariant_workers(graph) && space_invariant(&graph->steps) &&
           space_invariant(&graph->edges) && pool_invariant(&graph->ranges_free, &ranges) &&
           invariant_regions(graph);
}
