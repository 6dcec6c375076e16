/* SPDX-License-Identifier: MIT */
/*
 * link.c - making a checked plan live, and static regions.
 *
 * Static: rows get their final form, then the steps without incoming edges are handed out. No guard
 * is needed: whoever has predecessors becomes ready through them, and nothing is added later.
 * Growing, three phases. Link: each staged cell is turned from {from} at the successor into {to}
 * and pushed on the predecessor's list; inside the plan by plain stores, nobody else has a hold
 * there; on older steps by CAS. A list that is found closed counts as satisfied: output[] sums
 * these, and remembers if such a step did not end OK. Publish: GRAPH_STAGED goes, so other plans
 * may name the step. Start: guard and satisfied edges are subtracted at once. Until then the count
 * is above 0, so the step can't start, finish and be recycled under the builder (mutant NOGUARD).
 * Only steps without predecessors in the plan need a guard: all others wait for one of those.
 *
 * Invariant: pending = predecessors whose lists still hold an edge to the step, plus satisfied
 * edges not yet subtracted, plus the guard. The scope's open count is raised before the first step
 * can run, and before the step that brought the plan is counted out (mutant DONEFIRST).
 *
 * Memory: none. Threads: whoever fills the plan; regions: the turn.
 */
#include "../base/hash.h"
#include "step.h"

#define WALK_END GRAPH_CLOSED /* cursors: behind the last step */

/* output[] between link and start: satisfied edges in the lower half, then one bit for a step that
 * was needed and had not ended OK, then the next step with a guard. */
#define LINK_POISON (UINT64_C(1) << 32)
#define LINK_NEXT_SHIFT 33

/* ---- static */

/* Gives a row its final form: a mark at its last cell, which repeated edges may have moved forward,
 * and its length where that is more than a worker counts down in one go. */
static uint32_t link_row(struct graph_plan *plan, uint32_t start, uint32_t end) {
    struct graph *graph = plan->graph;

    if (start == end) {
        return NONE32;
    }
    while (graph->edge_to[end - 1] == NONE32) {
        end--;
    }
    SWARM_ASSERT(start < end);
    graph->edge_to[end - 1] |= GRAPH_LAST;
    if (end - start <= GRAPH_ROW_MAX) {
        return start;
    }
    ATOMIC_STORE(&graph->edge_next[start], end - start, relaxed);
    SWARM_ASSERT((start & GRAPH_LONG) == 0); /* the mark is free: cells are below 2^31 */
    return start | GRAPH_LONG;
}

/* Gives all steps their final words and makes the claim the run's span. Nobody knows a handle of
 * these steps outside the turn yet, so relaxed does; the release of the first start publishes
 * it. */
static void link_static(struct graph_plan *plan) {
    struct graph *graph = plan->graph;
    uint32_t run = graph->scopes[plan->scope].run, start = plan->cells.first;

    graph->roots_end[run] = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        uint32_t slot = plan->first + i, in_degree = graph->in_degree[slot];
        uint64_t word = ATOMIC_LOAD(&graph->link[slot], relaxed);
        uint32_t end = link_first(word);

        ATOMIC_STORE(&graph->link[slot],
                     link_word(link_generation(word), link_row(plan, start, end)), relaxed);
        ATOMIC_STORE(&graph->pending[slot], graph_pending_of(graph_kind(graph, slot), in_degree),
                     relaxed);
        graph->output[slot] = 0;
        graph->roots_end[run] = in_degree == 0 ? slot + 1 : graph->roots_end[run];
        start = end;
    }
    space_claim_keep(&graph->steps, &plan->steps, run);
    space_claim_keep(&graph->edges, &plan->cells, run);
}

/* The next step of a region without incoming edges. roots_end bounds the walk: in a long chain the
 * roots are at the front, and nobody looks through the rest. */
static bool link_roots(const struct graph *graph, uint32_t run, uint32_t *cursor,
                       uint32_t *out_slot) {
    while (*cursor < graph->roots_end[run]) {
        uint32_t slot = (*cursor)++;
        SWARM_ASSERT(slot >= graph->steps.spans[run].first);

        if (graph->in_degree[slot] == 0) {
            *out_slot = slot;
            return true;
        }
    }
    *cursor = WALK_END;
    return false;
}

/* ---- growing */

/* The word of a list with one more cell in front; the mark stays once there is an edge with a
 * delay, for a worker that ends the step must leave those to the turn. */
static uint64_t link_pushed(uint64_t word, uint32_t cell, bool delayed) {
    SWARM_ASSERT((cell & GRAPH_DELAYED) == 0);
    uint32_t first = link_first(word);
    bool marked = first != NONE32 && (first & GRAPH_DELAYED) != 0;

    return link_word(link_generation(word), cell | (delayed || marked ? GRAPH_DELAYED : 0));
}

/* The cell behind the one that link_pushed puts in front. */
static uint32_t link_behind(uint64_t word) {
    uint32_t first = link_first(word);

    SWARM_ASSERT(first != GRAPH_CLOSED);
    return first != NONE32 ? first & ~GRAPH_DELAYED : NONE32;
}

/* Inside the plan: the predecessor is not published yet, so plain stores do, and the order of the
 * list is the builder's alone. */
static void link_own(struct graph *graph, uint32_t from, uint32_t cell, bool delayed) {
    uint64_t word = ATOMIC_LOAD(&graph->link[from], relaxed);

    SWARM_ASSERT(graph_has(graph, from, GRAPH_STAGED));
    ATOMIC_STORE(&graph->edge_next[cell], link_behind(word), relaxed);
    ATOMIC_STORE(&graph->link[from], link_pushed(word, cell, delayed), relaxed);
}

/* An edge from a step of an earlier plan, which runs or ends elsewhere at this moment; it is
 * pinned, so it is still that step. False when it had ended: the cell is the caller's.
 * Lock-free. */
static bool link_older(struct graph *graph, uint32_t from, uint32_t cell, bool delayed) {
    /* Acquire, here and when the CAS fails: pairs with the release exchange of graph_close; a step
     * that is found closed shows its state and its output (mutant CLOSERLX). */
    uint64_t word = ATOMIC_LOAD(&graph->link[from], acquire);

    while (link_first(word) != GRAPH_CLOSED) {
        ATOMIC_STORE(&graph->edge_next[cell], link_behind(word), relaxed);
        /* Release: the cell, before the acquire exchange of graph_close walks it (mutant LISTRLX).
         */
        if (ATOMIC_CAS_WEAK(&graph->link[from], &word, link_pushed(word, cell, delayed), release,
                            acquire)) {
            return true;
        }
    }
    return false;
}

bool swarm__graph_link_late(struct graph *graph, uint32_t from, uint32_t to, uint32_t cell) {
    SWARM_ASSERT(from != to);
    SWARM_ASSERT(to <= GRAPH_SLOT);
    graph->edge_to[cell] = to | GRAPH_DELAYED;
    return link_older(graph, from, cell, true);
}

/* An edge whose predecessor had ended: link_older has acquired its state. Returns what it adds to
 * the step's satisfied edges; an edge with a delay adds nothing, for dispatch counts it later. */
static uint64_t link_satisfied(struct graph *graph, uint32_t from, uint32_t to, bool delayed) {
    uint32_t state = kind_state(graph_kind(graph, from));

    SWARM_ASSERT(state_is_terminal(state));
    if (delayed && graph->hooks.late != NULL) {
        graph->hooks.late(graph->hooks.context, from, to);
        return 0;
    }
    return state != SWARM_STEP_OK ? LINK_POISON + 1 : 1;
}

/* Puts a step on the list of those that graph_plan_start starts. */
static void link_guarded(struct graph_plan *plan, uint32_t slot, uint64_t satisfied) {
    SWARM_ASSERT(satisfied >> LINK_NEXT_SHIFT == 0);
    struct graph *graph = plan->graph;

    graph->output[slot] = satisfied;
    if (plan->guarded_last == NONE32) {
        plan->guarded_first = slot;
    } else {
        graph->output[plan->guarded_last] |= (uint64_t)slot << LINK_NEXT_SHIFT;
    }
    plan->guarded_last = slot;
}

/* A step with a predecessor in its plan has no guard: that one, or one behind it, has, so it cannot
 * become ready before the start. It is not touched after this. */
static void link_unguarded(struct graph *graph, uint32_t slot, uint64_t satisfied) {
    uint32_t ready = 0;

    graph->output[slot] = 0;
    if (satisfied != 0) {
        ready = graph_drop(graph, slot, (uint32_t)satisfied, satisfied >= LINK_POISON);
    }
    SWARM_ASSERT(ready == 0);
    (void)ready;
}

/* Turns each staged cell {from}, at the successor, into {to}, at the predecessor. A cell whose
 * predecessor had ended is given back. The unpin comes last: until then the step may not go. */
static void link_edges(struct graph_plan *plan, uint32_t to) {
    struct graph *graph = plan->graph;
    uint32_t cell = (uint32_t)graph->output[to];
    uint64_t satisfied = 0;
    bool guarded = true;

    while (cell != NONE32) {
        uint32_t next = ATOMIC_LOAD(&graph->edge_next[cell], relaxed);
        uint32_t edge = graph->edge_to[cell], from = edge & GRAPH_SLOT;
        bool delayed = (edge & GRAPH_DELAYED) != 0;

        SWARM_ASSERT(from != to);
        graph->edge_to[cell] = to | (edge & GRAPH_DELAYED);
        if ((edge & GRAPH_OLDER) == 0) {
            link_own(graph, from, cell, delayed);
            guarded = false;
        } else {
            if (!link_older(graph, from, cell, delayed)) {
                uint64_t more = link_satisfied(graph, from, to, delayed);

                satisfied = (satisfied | (more & LINK_POISON)) + (more & ~LINK_POISON);
                space_drop(&graph->edges, plan_cells(plan), cell);
            }
            swarm__graph_unpin(graph, from);
        }
        cell = next;
    }
    if (guarded) {
        link_guarded(plan, to, satisfied);
    } else {
        link_unguarded(graph, to, satisfied);
    }
}

/* Whose continuation it is; a chain of them is kept short: all point to the first caller. */
static void link_continuation(struct graph_plan *plan) {
    struct graph *graph = plan->graph;
    uint32_t caller = plan->caller, origin = swarm__graph_caller(graph, caller);

    SWARM_ASSERT(caller != NONE32);
    SWARM_ASSERT(origin != plan->continuation);
    SWARM_ASSERT(plan->continuation != caller);
    plan->deferred = origin == NONE32;
    if (plan->deferred) {
        origin = caller;
    } else {
        graph_flag_clear(graph, caller, GRAPH_CONTINUES);
    }
    ATOMIC_STORE(&graph->caller[plan->continuation], origin, relaxed);
    graph_flag_set(graph, plan->continuation, GRAPH_CONTINUES);
}

/* The two passes may not be one: a step that is published could be given an edge by another plan
 * while its own list is still built by plain stores. */
static void link_growing(struct graph_plan *plan, uint64_t ordinal) {
    struct graph *graph = plan->graph;
    bool is_mixed = ordinal == SWARM_NEVER;
    uint64_t parent = is_mixed ? graph->lineage[plan->caller] : 0;

    for (uint32_t slot = plan->first; slot != NONE32; slot = plan_next(plan, slot)) {
        link_edges(plan, slot);
    }
    if (plan->continuation != NONE32) {
        link_continuation(plan);
    }
    for (uint32_t slot = plan->first; slot != NONE32; slot = plan_next(plan, slot)) {
        uint64_t index = graph->lineage[slot];
        uint32_t kind = graph_kind(graph, slot) & ~((uint32_t)GRAPH_STAGED << 20);

        graph->lineage[slot] = is_mixed ? GRAPH_MIXED | hash_mix64(parent, index) : ordinal + index;
        /* Release: pairs with the acquire load of plan_edge_older (mutant KINDRLX). */
        ATOMIC_STORE(&graph->kind[slot], kind, release);
    }
}

/* Counts come first: once the list of an older step holds an edge to this plan, its steps may run
 * and be counted out. The count of live steps has two halves, so that the turn, which links most
 * plans, needs no locked addition. */
void swarm__graph_plan_link(struct graph_plan *plan, uint64_t ordinal) {
    struct graph *graph = plan->graph;

    SWARM_ASSERT(plan->error.status == SWARM_OK);
    SWARM_ASSERT(!plan->is_static || ordinal == 0);
    SWARM_ASSERT(ordinal != SWARM_NEVER || plan->caller != NONE32);
    SWARM_ASSERT(plan->caller != NONE32 || plan->continuation == NONE32);
    /* Relaxed: who counts these steps out got them from the plan's start, later. */
    (void)ATOMIC_ADD(&graph->scopes[plan->scope].open, plan->count, relaxed);
    if (plan->caller == NONE32) {
        graph_live_add(graph, plan->count);
    } else {
        (void)ATOMIC_ADD(&graph->live, plan->count, relaxed);
    }
    if (plan->is_static) {
        link_static(plan);
    } else {
        link_growing(plan, ordinal);
        swarm__graph_plan_trim(plan);
    }
}

/* ---- start */

/* Drops one guard, and the edges that were satisfied, in one subtraction. Not 0: the step is
 * ready. */
static uint32_t link_release_guard(struct graph *graph, uint32_t slot) {
    uint64_t satisfied = graph->output[slot];

    graph->output[slot] = 0; /* the builder's last touch is the count below (mutant TOUCH) */
    return graph_drop(graph, slot, (uint32_t)satisfied + 1, (satisfied & LINK_POISON) != 0);
}

/* A cursor of a static plan is a slot, of a growing one the next guarded step; both end at
 * WALK_END, which is no slot. No allocation and no list: the caller comes back for each. */
bool swarm__graph_plan_start(struct graph_plan *plan, uint32_t *cursor, uint32_t *out_slot,
                             bool *out_poisoned) {
    struct graph *graph = plan->graph;

    SWARM_ASSERT(plan->error.status == SWARM_OK);
    if (*cursor == NONE32) {
        *cursor = plan->is_static ? plan->first : plan->guarded_first;
    }
    if (*cursor == NONE32) {
        return false; /* an empty plan */
    }
    if (plan->is_static) {
        *out_poisoned = false;
        return link_roots(graph, graph->scopes[plan->scope].run, cursor, out_slot);
    }
    while (*cursor != WALK_END) {
        uint32_t slot = *cursor, ready;

        /* Before the drop: afterwards the step may be gone, and its slot somebody else's. */
        *cursor = slot != plan->guarded_last ? (uint32_t)(graph->output[slot] >> LINK_NEXT_SHIFT)
                                             : WALK_END;
        ready = link_release_guard(graph, slot);
        if (ready != 0) {
            *out_poisoned = (ready & GRAPH_POISON) != 0;
            *out_slot = slot;
            return true;
        }
    }
    return false;
}

/* ---- regions */

/* A sealed run again without building it again: one pass over two arrays, and rows, arguments and
 * in_degree stay. The run must have ended, so that nobody counts any of these steps down; relaxed,
 * for workers get the steps by the start that follows. */
void swarm__graph_region_reset(struct graph *graph, uint32_t run) {
    const struct span span = graph->steps.spans[run];
    SWARM_ASSERT(run < graph->sizes.runs);
    SWARM_ASSERT(ATOMIC_LOAD(&graph->scopes[run].open, relaxed) == 0);
    const uint32_t *in_degree = graph->in_degree;
    atomic_u32 *kinds = graph->kind, *pending = graph->pending;

    for (uint32_t slot = span.first; slot < span_end(&span); slot++) {
        uint32_t kind = ATOMIC_LOAD(&kinds[slot], relaxed) & ~(GRAPH_PAST << 20);

        ATOMIC_STORE(&kinds[slot], kind_with_state(kind, SWARM_STEP_PENDING), relaxed);
        ATOMIC_STORE(&pending[slot], graph_pending_of(kind, in_degree[slot]), relaxed);
    }
    (void)ATOMIC_ADD(&graph->scopes[run].open, span.count, relaxed);
}

/* Roots in ascending order, one a call; see graph_plan_start. */
bool swarm__graph_region_start(struct graph *graph, uint32_t run, uint32_t *cursor,
                               uint32_t *out_slot) {
    *cursor = *cursor == NONE32 ? graph->steps.spans[run].first : *cursor;
    return link_roots(graph, run, cursor, out_slot);
}

/* Every handle of the run is stale after this. Nobody may be inside: a worker that still held one
 * of the slots would end a step of the next run. */
void swarm__graph_region_free(struct graph *graph, uint32_t run) {
    const struct span *span = &graph->steps.spans[run];

    SWARM_ASSERT(run < graph->sizes.runs);
    for (uint32_t slot = span->first; slot < span_end(span); slot++) {
        uint32_t generation = link_generation(ATOMIC_LOAD(&graph->link[slot], relaxed));

        if (graph_has(graph, slot, GRAPH_RANGE)) {
            swarm__range_free(graph, slot);
        }
        ATOMIC_STORE(&graph->link[slot], link_word(generation_after(generation), NONE32), relaxed);
    }
    graph_live_add(graph, 0 - (uint64_t)span->count);
    space_span_free(&graph->steps, run);
    space_span_free(&graph->edges, run);
}
