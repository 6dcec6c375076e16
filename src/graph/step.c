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

/* Makes a scope fresh. The turn takes a record that nobody counts any more; workers learn of it by
 * the first step of it that they get, so everything here is relaxed. */
void swarm__scope_open(struct graph *graph, uint32_t scope, uint32_t run, uint32_t parent,
                       uint64_t ordinal) {
    struct scope *at = &graph->scopes[scope];

    SWARM_ASSERT(scope < graph->sizes.runs + graph->sizes.scopes);
    SWARM_ASSERT((parent == NONE32) == (scope < graph->sizes.runs));
    SWARM_ASSERT(parent != scope);
    SWARM_ASSERT(parent == NONE32 || graph->scopes[parent].run == run);
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
    at->task = 0;
    at->capability = NONE32;
    at->ordinal = ordinal;
    at->next = NONE32;
    if (parent != NONE32) {
        (void)ATOMIC_ADD(&graph->scopes[parent].open, 1, relaxed); /* its creator is open as well */
    }
}

bool swarm__scope_is_cancelled(const struct graph *graph, uint32_t scope) {
    return graph_scope_cancelled(graph, scope);
}

/* Puts a scope on the quiet stack, once: `queued` decides who does. Any thread. */
void swarm__scope_emptied(struct graph *graph, uint32_t scope) {
    /* Acquire and release: pairs with the exchange of graph_take_quiet; see above (mutant QUEUED).
     */
    if (ATOMIC_EXCHANGE(&graph->scopes[scope].queued, 1, acq_rel) == 0) {
        stack_push(&graph->quiet, scope);
    }
}

/* One open thing less, by the turn. Workers do the same for many at once (worker_flush). */
static void scope_count_out(struct graph *graph, uint32_t scope) {
    /* Release: what was done in the scope; acquire: by all others, for who finds it empty. */
    uint64_t before = ATOMIC_SUB(&graph->scopes[scope].open, 1, acq_rel);

    SWARM_ASSERT(before != 0);
    if (before == 1) {
        swarm__scope_emptied(graph, scope);
    }
}

/* The turn counts a step out last of all: a scope that is empty may be used again. */
void swarm__graph_ended(struct graph *graph, uint32_t slot) {
    SWARM_ASSERT(state_is_terminal(kind_state(graph_kind(graph, slot))));
    scope_count_out(graph, graph->scope[slot]);
}

/* Chains are taken whole and handed out one by one; quiet_taken is the rest, the turn's own. */
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
        SWARM_ASSERT(parent != scope);
        if (parent != NONE32) {
            scope_count_out(graph, parent);
        }
        return scope;
    }
}

/* ---- ends */

/* Relaxed: caller[] of a linked step is written by who owns its plan, before the step may run. */
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

/* The state is stored before the list is closed: who finds it closed reads the state (link_older).
 * A state that was set before wins: CANCELLED and TIMED_OUT are poison as FAILED is. */
void swarm__graph_finish(struct graph *graph, uint32_t slot, bool poison,
                         struct graph_walk *out_walk) {
    uint32_t kind = graph_kind(graph, slot);
    uint32_t flags = kind_flags(kind) & ~(uint32_t)GRAPH_SPOILT;
    uint32_t state = kind_state(kind);

    if (!state_is_terminal(state)) {
        state = poison ? SWARM_STEP_FAILED : SWARM_STEP_OK;
    }
    SWARM_ASSERT(poison == (state != SWARM_STEP_OK));
    SWARM_ASSERT((flags & GRAPH_STAGED) == 0);
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
    SWARM_ASSERT((edge & GRAPH_SLOT) != walk->slot);
    if (walk->is_static) {
        walk->cell = (edge & GRAPH_LAST) != 0 ? NONE32 : cell + 1;
    } else {
        walk->cell = ATOMIC_LOAD(&graph->edge_next[cell], relaxed);
        space_drop(&graph->edges, &graph->turn_cells, cell);
    }
    return edge;
}

/* The walk can stop after each successor and go on later: the caller may have no room in its
 * log. */
uint32_t swarm__graph_finish_next(struct graph_walk *walk, uint32_t *out_to) {
    uint32_t edge;

    SWARM_ASSERT(walk->graph != NULL);
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

/* A look by the turn while the step is open: pushes of other threads come in front of what is
 * walked and are missed, which is right for what was asked before them. */
uint32_t swarm__graph_successor(const struct graph *graph, uint32_t slot, uint32_t *cursor) {
    bool is_static = graph_has(graph, slot, GRAPH_STATIC);
    uint32_t cell = *cursor, edge;
    SWARM_ASSERT(slot < graph->sizes.steps);

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

/* For edges that dispatch counts itself: delays that have passed, gates of joins and late edges. */
bool swarm__graph_count_down(struct graph *graph, uint32_t slot, bool poison, bool *out_poisoned) {
    SWARM_ASSERT(slot < graph->sizes.steps);
    uint32_t ready = graph_drop(graph, slot, 1, poison);

    *out_poisoned = (ready & GRAPH_POISON) != 0;
    return ready != 0;
}

/* One CAS for the whole list, at the price of a walk to its end. */
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

/* One more reference, by who holds one already or has the turn: it cannot be the first. */
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

/* The turn's way back to the pool, through its stock: no locked operation a step. */
void swarm__graph_recycle(struct graph *graph, uint32_t slot) {
    SWARM_ASSERT(!graph_has(graph, slot, GRAPH_STATIC));
    graph_live_add(graph, UINT64_MAX); /* one less */
    if (graph_slot_clear(graph, slot)) {
        space_drop(&graph->steps, &graph->turn_slots, slot);
    }
}

/* Whoever is last recycles the step or, tracked, posts it. */
void swarm__graph_unpin(struct graph *graph, uint32_t slot) {
    SWARM_ASSERT(slot < graph->sizes.steps);
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

/* Published by the push's release; then a worker is woken, and then who sleeps outside of park. */
void swarm__graph_release(struct graph *graph, uint32_t first, uint32_t last) {
    SWARM_ASSERT(first != NONE32);
    SWARM_ASSERT(last != NONE32);
    stack_push_chain(&graph->overflow, first, last);
    graph_notify(graph);
    graph_signal(graph);
}

/* A step to the turn. The caller owned it and does not touch it after. */
void swarm__graph_post(struct graph *graph, uint32_t slot) {
    SWARM_ASSERT(slot < graph->sizes.steps);
    mailbox_push(&graph->posts, slot);
    graph_signal(graph); /* after the push: mutant LINKLATE */
}

/* What happened is read off the step itself: a post carries a slot and nothing else. The mailbox's
 * acquire makes the flags those of the poster, so relaxed loads do. */
uint32_t swarm__graph_take_posted(struct graph *graph, uint32_t *out_what) {
    uint32_t slot = mailbox_take(&graph->posts);
    uint32_t flags;

    if (slot == NONE32) {
        return NONE32;
    }
    flags = kind_flags(graph_kind(graph, slot));
    SWARM_ASSERT((flags & GRAPH_STAGED) == 0);
    if ((flags & GRAPH_STATIC) == 0 && ATOMIC_LOAD(&graph->refs[slot], relaxed) == 0) {
        *out_what = GRAPH_POSTED_UNUSED;
    } else if ((flags & GRAPH_CROSSED) != 0) {
        *out_what = GRAPH_POSTED_ENDED;
    } else {
        *out_what = (flags & GRAPH_SPOILT) != 0 ? GRAPH_POSTED_SPOILT : GRAPH_POSTED_READY;
    }
    return slot;
}

/* A hint for who considers sleeping. Relaxed: the poster signals after its push, so a look that
 * came too early is followed by another. */
bool swarm__graph_has_posted(const struct graph *graph) {
    return ATOMIC_LOAD(&graph->posts.head, relaxed) != NONE32 || !stack_looks_empty(&graph->quiet);
}

void swarm__graph_wake_all(struct graph *graph) {
    if (graph->parks) {
        park_notify_all(&graph->park, &graph->park_host);
    }
}

/* A figure, not a message: two relaxed loads of two moments. While threads work it may be off by
 * what they have in hand. */
uint64_t swarm__graph_live(const struct graph *graph) {
    return ATOMIC_LOAD(&graph->live, relaxed) + ATOMIC_LOAD(&graph->live_turn, relaxed);
}
