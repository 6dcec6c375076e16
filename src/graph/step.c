/* SPDX-License-Identifier: MIT */
/*
 * step.c - how steps end in the turn; scopes, references, what workers post.
 *
 * A growing step's end is one exchange of its link: it takes the list of successors and leaves
 * GRAPH_CLOSED. Whoever wants to add an edge later finds that and takes the edge as satisfied
 * (graph_plan_link). State and output are written before it, so they are visible to whoever sees
 * it.
 *
 * A scope's open count is raised by plans and lowered in heaps by workers, one by one by the turn.
 * Who brings it to 0 puts the scope on the quiet stack, unless `queued` says that it is there. The
 * turn takes it off, clears `queued` and then looks at the count: both are read-modify-writes, so
 * of a turn that clears and a worker that finds it set the worker came first, and the turn sees its
 * count of 0.
 *
 * Memory: none. Threads: as graph.h says.
 */
#include "step.h"
#include "worker.h"

/* ---- scopes */

void swarm__scope_open(struct graph *graph, uint32_t scope, uint32_t run, uint32_t parent,
                       uint64_t ordinal) {
    struct scope *at = &graph->scopes[scope];

    SWARM_ASSERT(scope < graph->sizes.runs + graph->sizes.scopes);
    SWARM_ASSERT((parent == NONE32) == (scope < graph->sizes.runs));
    SWARM_ASSERT(parent != scope);
    ATOMIC_STORE(&at->open, 0, relaxed); /* all published with the first step of the scope */
    ATOMIC_STORE(&at->ok, 0, relaxed);
    ATOMIC_STORE(&at->skipped, 0, relaxed);
    ATOMIC_STORE(&at->stopped, 0, relaxed);
    ATOMIC_STORE(&at->added, 0, relaxed);
    ATOMIC_STORE(&at->cancelled, 0, relaxed);
    /* `queued` stays as it is: a root may still be on the quiet stack from its last run. */
    at->run = run;
    at->parent = parent;
    at->depth = parent != NONE32 ? graph->scopes[parent].depth + 1 : 0;
    at->creator = NONE32;
    at->ordinal = ordinal;
    at->next = NONE32;
    at->reserved = 0;
    if (parent != NONE32) {
        (void)ATOMIC_ADD(&graph->scopes[parent].open, 1, relaxed); /* its creator is open as well */
    }
}

bool swarm__scope_is_cancelled(const struct graph *graph, uint32_t scope) {
    return graph_scope_cancelled(graph, scope);
}

void swarm__scope_emptied(struct graph *graph, uint32_t scope) {
    /* Acquire and release: pairs with the exchange of graph_take_quiet; see above (mutant QUEUED).
     */
    if (ATOMIC_EXCHANGE(&graph->scopes[scope].queued, 1, acq_rel) == 0) {
        stack_push(&graph->quiet, scope);
    }
}

static void scope_count_out(struct graph *graph, uint32_t scope) {
    /* Release: what was done in the scope; acquire: by all others, for who finds it empty. */
    uint64_t before = ATOMIC_SUB(&graph->scopes[scope].open, 1, acq_rel);

    SWARM_ASSERT(before != 0);
    if (before == 1) {
        swarm__scope_emptied(graph, scope);
    }
}

void swarm__graph_ended(struct graph *graph, uint32_t slot) {
    scope_count_out(graph, graph->scope[slot]);
}

uint32_t swarm__graph_take_quiet(struct graph *graph) {
    for (;;) { /* ends with the stack: only this thread refills it while calls are quiet */
        uint32_t scope = graph->quiet_taken;
        uint32_t parent;

        if (scope == NONE32) {
            if (stack_looks_empty(&graph->quiet)) {
                return NONE32;
            }
            scope = stack_take_all(&graph->quiet);
        }
        graph->quiet_taken = stack_next(&graph->quiet, scope); /* before it may be pushed again */
        /* Acquire: the count of whoever found it queued; release: our reading of its link, to the
         * next pusher. Pairs with the exchange of scope_emptied (mutant QUEUED). */
        (void)ATOMIC_EXCHANGE(&graph->scopes[scope].queued, 0, acq_rel);
        /* Acquire: pairs with the workers' release subtraction. */
        if (ATOMIC_LOAD(&graph->scopes[scope].open, acquire) != 0) {
            continue; /* got steps again, or is on the stack once more */
        }
        parent = graph->scopes[scope].parent;
        if (parent != NONE32) {
            scope_count_out(graph, parent);
        }
        return scope;
    }
}

/* ---- ends */

uint32_t swarm__graph_caller(const struct graph *graph, uint32_t slot) {
    return graph_has(graph, slot, GRAPH_CONTINUES) ? ATOMIC_LOAD(&graph->caller[slot], relaxed)
                                                   : NONE32;
}

/* The successors of a growing step; those that a worker left behind because of their delays. */
static uint32_t finish_close(struct graph *graph, uint32_t slot) {
    uint32_t head = graph_close(graph, slot);

    if (head == GRAPH_CLOSED) {
        SWARM_ASSERT(graph_has(graph, slot, GRAPH_CROSSED));
        head = (uint32_t)graph->argument[slot];
    }
    return swarm__graph_cells_sort(graph, graph_unmarked(head));
}

void swarm__graph_finish(struct graph *graph, uint32_t slot, bool poison,
                         struct graph_walk *out_walk) {
    uint32_t kind = graph_kind(graph, slot);
    uint32_t flags = kind_flags(kind) & ~(uint32_t)GRAPH_SPOILT;
    uint32_t state = kind_state(kind);

    if (!state_is_terminal(state)) {
        state = poison ? SWARM_STEP_FAILED : SWARM_STEP_OK;
    }
    SWARM_ASSERT(poison == (state != SWARM_STEP_OK));
    out_walk->graph = graph;
    out_walk->slot = slot;
    out_walk->poison = poison;
    out_walk->is_static = (flags & GRAPH_STATIC) != 0;
    ATOMIC_STORE(&graph->kind[slot], kind_function(kind) | state << 16 | flags << 20, relaxed);
    if (out_walk->is_static) {
        out_walk->cell = graph_unmarked(link_first(ATOMIC_LOAD(&graph->link[slot], relaxed)));
        return;
    }
    if ((flags & GRAPH_RANGE) != 0) {
        swarm__range_free(graph, slot); /* no worker had it */
    }
    out_walk->cell = finish_close(graph, slot);
}

/* The next successor's cell as an edge; NONE32 at the end. Growing cells go back one by one. */
static uint32_t finish_cell(struct graph_walk *walk) {
    struct graph *graph = walk->graph;
    uint32_t cell = walk->cell, edge;

    if (cell == NONE32) {
        return NONE32;
    }
    edge = graph->edge_to[cell];
    if (walk->is_static) {
        walk->cell = (edge & GRAPH_LAST) != 0 ? NONE32 : cell + 1;
    } else {
        walk->cell = ATOMIC_LOAD(&graph->edge_next[cell], relaxed);
        space_drop(&graph->edges, &graph->turn_cells, cell);
    }
    return edge;
}

uint32_t swarm__graph_finish_next(struct graph_walk *walk, uint32_t *out_to) {
    uint32_t edge;

    while ((edge = finish_cell(walk)) != NONE32) {
        uint32_t ready;

        *out_to = edge & GRAPH_SLOT;
        if ((edge & GRAPH_DELAYED) != 0) {
            return WALK_DELAYED;
        }
        ready = graph_drop(walk->graph, *out_to, 1, walk->poison);
        if (ready != 0) {
            return (ready & GRAPH_POISON) != 0 ? WALK_POISONED : WALK_READY;
        }
    }
    return 0;
}

uint32_t swarm__graph_successor(const struct graph *graph, uint32_t slot, uint32_t *cursor) {
    bool is_static = graph_has(graph, slot, GRAPH_STATIC);
    uint32_t cell = *cursor, edge;

    if (cell == GRAPH_CLOSED) {
        return NONE32;
    }
    if (cell == NONE32) {
        /* Acquire: pairs with the release CAS of link_older, for the cells. */
        cell = link_first(ATOMIC_LOAD(&graph->link[slot], acquire));
        cell = cell == GRAPH_CLOSED ? NONE32 : graph_unmarked(cell);
    }
    if (cell == NONE32) {
        *cursor = GRAPH_CLOSED;
        return NONE32;
    }
    edge = graph->edge_to[cell];
    if (is_static) {
        *cursor = (edge & GRAPH_LAST) != 0 ? GRAPH_CLOSED : cell + 1;
    } else {
        cell = ATOMIC_LOAD(&graph->edge_next[cell], relaxed);
        *cursor = cell == NONE32 ? GRAPH_CLOSED : cell;
    }
    return edge & (GRAPH_SLOT | GRAPH_DELAYED);
}

bool swarm__graph_count_down(struct graph *graph, uint32_t slot, bool poison, bool *out_poisoned) {
    uint32_t ready = graph_drop(graph, slot, 1, poison);

    *out_poisoned = (ready & GRAPH_POISON) != 0;
    return ready != 0;
}

void swarm__graph_cells_free(struct graph *graph, uint32_t head) {
    uint32_t last = head, next;

    if (head == NONE32) {
        return;
    }
    while ((next = ATOMIC_LOAD(&graph->edge_next[last], relaxed)) != NONE32) {
        last = next;
    }
    pool_push_chain(&graph->edges.pool, head, last);
}

/* ---- references */

void swarm__graph_ref(struct graph *graph, uint32_t slot) {
    if (!graph_has(graph, slot, GRAPH_STATIC)) {
        /* Relaxed: the caller has a reference, or the turn, so it is above 0. */
        uint32_t before = ATOMIC_ADD(&graph->refs[slot], 1, relaxed);

        SWARM_ASSERT(before != 0);
        (void)before;
    }
}

bool swarm__graph_unref(struct graph *graph, uint32_t slot) {
    return !graph_has(graph, slot, GRAPH_STATIC) && graph_drop_ref(graph, slot);
}

void swarm__graph_recycle(struct graph *graph, uint32_t slot) {
    graph_live_add(graph, UINT64_MAX); /* one less */
    if (graph_slot_clear(graph, slot)) {
        space_drop(&graph->steps, &graph->turn_slots, slot);
    }
}

/* Whoever is last recycles the step or, tracked, posts it. */
void swarm__graph_unpin(struct graph *graph, uint32_t slot) {
    if (graph_has(graph, slot, GRAPH_STATIC) || !graph_drop_ref(graph, slot)) {
        return;
    }
    if (graph_has(graph, slot, GRAPH_TRACKED)) {
        swarm__graph_post(graph, slot); /* dispatch has a record to give back */
    } else {
        (void)ATOMIC_SUB(&graph->live, 1, relaxed); /* a figure, not a message */
        if (graph_slot_clear(graph, slot)) {
            space_give(&graph->steps, slot);
        }
    }
}

/* ---- between the turn and the workers */

void swarm__graph_release(struct graph *graph, uint32_t first, uint32_t last) {
    SWARM_ASSERT(first != NONE32);
    stack_push_chain(&graph->overflow, first, last);
    graph_notify(graph);
    graph_signal(graph);
}

void swarm__graph_post(struct graph *graph, uint32_t slot) {
    mailbox_push(&graph->posts, slot);
    graph_signal(graph); /* after the push: mutant LINKLATE */
}

uint32_t swarm__graph_take_posted(struct graph *graph, uint32_t *out_what) {
    uint32_t slot = mailbox_take(&graph->posts);
    uint32_t flags;

    if (slot == NONE32) {
        return NONE32;
    }
    flags = kind_flags(graph_kind(graph, slot));
    if ((flags & GRAPH_STATIC) == 0 && ATOMIC_LOAD(&graph->refs[slot], relaxed) == 0) {
        *out_what = GRAPH_POSTED_UNUSED;
    } else if ((flags & GRAPH_CROSSED) != 0) {
        *out_what = GRAPH_POSTED_ENDED;
    } else {
        *out_what = (flags & GRAPH_SPOILT) != 0 ? GRAPH_POSTED_SPOILT : GRAPH_POSTED_READY;
    }
    return slot;
}

bool swarm__graph_has_posted(const struct graph *graph) {
    return ATOMIC_LOAD(&graph->posts.head, relaxed) != NONE32 || !stack_looks_empty(&graph->quiet);
}

void swarm__graph_wake_all(struct graph *graph) {
    if (graph->parks) {
        park_notify_all(&graph->park, &graph->park_host);
    }
}

uint64_t swarm__graph_live(const struct graph *graph) {
    return ATOMIC_LOAD(&graph->live, relaxed) + ATOMIC_LOAD(&graph->live_turn, relaxed);
}
