/* SPDX-License-Identifier: MIT */
/*
 * worker.h - one worker index: its deque, its call frame, its counts; and the small moves that
 * worker.c, range.c and step.c share.
 *
 * Items in a deque are 64-bit words: the slot of a ready step; or, with bit 63, a part of a static
 * step's row of successors that is still to be counted down: 31 bits count, one bit poison, 31 bits
 * first cell. Such a part needs no pin: the successors in it are open, so the run has not ended and
 * its region stays.
 *
 * Threads: a worker's fields belong to the thread that is inside graph_work with its index; only
 * the deque is shared.
 */
#ifndef SWARM_GRAPH_WORKER_H
#define SWARM_GRAPH_WORKER_H

#include "step.h"

#define ITEM_ROW (UINT64_C(1) << 63)
#define ITEM_POISON (UINT64_C(1) << 31)

/* One worker index. A line apart from the next, for the counts change with every step. */
struct worker {
    /* Items that wait: this worker pushes and takes, all others steal. */
    struct deque deque;
    struct graph *graph;
    /* Of the call that runs, or clear: plan, result and `broken` are null between calls. */
    struct call_frame frame;
    uint64_t random;  /* state of the generator that chooses victims */
    uint64_t ended;   /* steps of `scope` that ended here and are still in its open count */
    uint64_t skipped; /* of these: not run, by why; the others went well */
    uint64_t stopped;
    uint64_t freed;            /* slots that are gone and still in graph->live */
    struct scope *scope_at;    /* &graph->scopes[scope] */
    struct stock slots, cells; /* to be given back */
    uint32_t scope;            /* whose steps the counts are of */
    uint32_t span_first;       /* slots of that scope, when it is a static run's */
    uint32_t span_count;
    uint32_t index;
    bool inside;  /* some thread is in graph_work with this index */
    uint32_t ran; /* steps run in this call of graph_work */
    unsigned char apart[ATOMIC_LINE];
};

/* Itself or an ancestor; at most depth_max of them. */
static inline bool graph_scope_cancelled(const struct graph *graph, uint32_t scope) {
    SWARM_ASSERT(scope != NONE32);
    do {
        /* Relaxed: a cancel is a wish of the turn; what was ready before may just have begun. */
        if (ATOMIC_LOAD(&graph->scopes[scope].cancelled, relaxed) != 0) {
            return true;
        }
        scope = graph->scopes[scope].parent;
    } while (scope != NONE32);
    return false;
}

/* The step itself, or its scope. */
static inline bool graph_step_cancelled(const struct graph *graph, uint32_t slot) {
    return graph_has(graph, slot, GRAPH_STOPPED) ||
           graph_scope_cancelled(graph, graph->scope[slot]);
}

/* After work was published: wakes a worker that sleeps. */
static inline void graph_notify(struct graph *graph) {
    if (graph->parks) {
        park_notify_one(&graph->park, &graph->park_host);
    }
}

/* Closes a growing step's list and returns its first cell, NONE32, or GRAPH_CLOSED when it was
 * closed before. Release: state and output, to who finds it closed; acquire: the cells that were
 * pushed. Pairs with the CAS and loads of link_older (mutants CLOSE, CLOSERLX). */
static inline uint32_t graph_close(struct graph *graph, uint32_t slot) {
    SWARM_ASSERT(!graph_has(graph, slot, GRAPH_STATIC)); /* rows have no word to close */
    uint32_t generation = link_generation(ATOMIC_LOAD(&graph->link[slot], relaxed));

    return link_first(
        ATOMIC_EXCHANGE(&graph->link[slot], link_word(generation, GRAPH_CLOSED), acq_rel));
}

/* The first cell without the mark in its highest bit: of a list that has edges with delays, or of a
 * long row. */
static inline uint32_t graph_unmarked(uint32_t first) {
    return first == NONE32 ? first : first & ~GRAPH_DELAYED;
}

static inline bool graph_is_marked(uint32_t first) {
    return first != NONE32 && (first & GRAPH_DELAYED) != 0;
}

/* Offers a copy of a range step's item to thieves. False: the deque is full. */
bool swarm__worker_offer(struct worker *worker, uint32_t slot);
/* Subtracts what has ended from the scope. */
void swarm__worker_flush(struct worker *worker);
void swarm__worker_frame(struct worker *worker, uint32_t slot, uint64_t argument);
/* Fills the frame and calls the step's function. */
swarm_outcome swarm__worker_call(struct worker *worker, uint32_t slot, uint64_t argument,
                                 uint64_t *out_value);
/* A step's function came back: applies its plan, then ends it, or hands it to the turn. Returns
 * what to run next, or NONE32. */
uint32_t swarm__worker_settle(struct worker *worker, uint32_t slot, swarm_outcome outcome,
                              uint64_t value);
/* The same for a step that must not run, or not go on. */
uint32_t swarm__worker_stop(struct worker *worker, uint32_t slot, bool cancelled);
/* Runs a range step, or helps with it. */
uint32_t swarm__range_run(struct worker *worker, uint32_t slot);

#endif
