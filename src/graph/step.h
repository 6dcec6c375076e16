/* SPDX-License-Identifier: MIT */
/*
 * step.h - what plan.c, link.c, step.c, worker.c and range.c share: the life of one step.
 *
 * A growing step's slot goes through: taken (refs 1, GRAPH_STAGED) - linked - started (guard gone)
 * - ready (pending 0) - run - ended (link CLOSED, state terminal) - refs 0 - generation raised -
 * pool. A static step's slot goes through: taken - started - ready - run - ended, again and again,
 * until its region is freed and the generation raised.
 *
 * Who may touch what: while pending counts, anybody who holds an edge may count it down, and nobody
 * does anything else. The one that brings it to 0 owns the step, hands it on through deque,
 * overflow or mailbox, and whoever runs it owns it until it ends. After that only its output, its
 * state and its closed link are read.
 *
 * Threads: any, under that rule.
 */
#ifndef SWARM_GRAPH_STEP_H
#define SWARM_GRAPH_STEP_H

#include "graph.h"

#define GRAPH_ROW_MAX 64 /* successors that a worker counts down in one go */

/* Flags that say what became of a step. */
#define GRAPH_PAST ((uint32_t)(GRAPH_CROSSED | GRAPH_SPOILT | GRAPH_STOPPED))

/* The word link[]: generation above, first successor below. One word, so that a push on the list
 * compares the generation as well: a recycled step cannot get an edge of its predecessor in the
 * slot. */
static inline uint64_t link_word(uint32_t generation, uint32_t first) {
    return (uint64_t)generation << 32 | first;
}

static inline uint32_t link_generation(uint64_t word) {
    return (uint32_t)(word >> 32);
}

static inline uint32_t link_first(uint64_t word) {
    return (uint32_t)word;
}

/* The generation after this one; 0 would make the null handle. */
static inline uint32_t generation_after(uint32_t generation) {
    SWARM_ASSERT(generation != 0);
    return generation != UINT32_MAX ? generation + 1 : 1;
}

/* Whether a state (SWARM_STEP_...) is an end: the step will not change any more. */
static inline bool state_is_terminal(uint32_t state) {
    return state >= SWARM_STEP_OK;
}

/* Relaxed: who reads a step's kind owns the step or came to it by an acquire, of deque, mailbox or
 * closed list. Reads that depend on nothing else say so and acquire. */
static inline uint32_t graph_kind(const struct graph *graph, uint32_t slot) {
    return ATOMIC_LOAD(&graph->kind[slot], relaxed);
}

static inline bool graph_has(const struct graph *graph, uint32_t slot, uint32_t flag) {
    return (kind_flags(graph_kind(graph, slot)) & flag) != 0;
}

/* One more flag in kind: the turn's, while it looks for deadlocks. The step can't end; its output[]
 * is a link then. */
#define GRAPH_STUCK 2048u

/* By whoever may touch the step alone: a load and a store, no locked operation. */
static inline void graph_flag_set(struct graph *graph, uint32_t slot, uint32_t flag) {
    SWARM_ASSERT(flag != 0 && flag != GRAPH_KEEP); /* KEEP is never stored */
    ATOMIC_STORE(&graph->kind[slot], graph_kind(graph, slot) | flag << 20, relaxed);
}

static inline void graph_flag_clear(struct graph *graph, uint32_t slot, uint32_t flag) {
    ATOMIC_STORE(&graph->kind[slot], graph_kind(graph, slot) & ~(flag << 20), relaxed);
}

/* The function that a worker will call for it. The same. */
static inline void graph_function_set(struct graph *graph, uint32_t slot, uint32_t function) {
    SWARM_ASSERT(function < graph->sizes.functions);
    ATOMIC_STORE(&graph->kind[slot], (graph_kind(graph, slot) & ~0xffffu) | function, relaxed);
}

static inline void graph_signal(struct graph *graph) {
    if (graph->hooks.signal != NULL) {
        graph->hooks.signal(graph->hooks.context);
    }
}

/* What graph_drop returns for the one caller that made the step ready; 0 for all others. The marks
 * of pending come along: GRAPH_POISON, GRAPH_TURN. */
#define DROP_READY 1u

/* One predecessor less, or a guard and `count - 1` predecessors. */
static inline uint32_t graph_drop(struct graph *graph, uint32_t slot, uint32_t count, bool poison) {
    atomic_u32 *pending = &graph->pending[slot];
    uint32_t before;

    SWARM_ASSERT(slot < graph->sizes.steps);
    SWARM_ASSERT(count != 0);
    /* The elision: whoever finds exactly what it brings is the last one and need not write. Nobody
     * can raise the count any more: no edge is added into a step that was linked. (Late edges lead
     * into steps that wait behind a gate, which dispatch alone counts; docs/design.md, section 10.)
     * Acquire: pairs with the release of the other predecessors' subtraction below: their outputs
     * are visible to the step (mutant ELRLX). */
    before = ATOMIC_LOAD(pending, acquire);
    if ((before & GRAPH_COUNT) != count) {
        if (poison) {
            /* Comes before the subtraction, which carries it to whoever is last. */
            (void)ATOMIC_OR(pending, GRAPH_POISON, relaxed);
        }
        /* Release: what this predecessor wrote; acquire: what the others did (mutant DEPRLX). */
        before = ATOMIC_SUB(pending, count, acq_rel);
        SWARM_ASSERT((before & GRAPH_COUNT) >= count);
        if ((before & GRAPH_COUNT) != count) {
            return 0;
        }
    }
    before |= poison ? GRAPH_POISON : 0;
    if ((before & GRAPH_POISON) != 0) {
        graph_flag_set(graph, slot, GRAPH_SPOILT);
    }
    return (before & ~GRAPH_COUNT) | DROP_READY;
}

/* What a step that waits for `count` others and is run where its flags say begins with. */
static inline uint32_t graph_pending_of(uint32_t kind, uint32_t count) {
    SWARM_ASSERT(count <= GRAPH_COUNT);
    return count | ((kind_flags(kind) & GRAPH_AGENT) != 0 ? GRAPH_TURN : 0);
}

/* ---- references of growing steps */

/* Keeps a step from being recycled. False: it has been, or is another step by now. */
static inline bool graph_pin_slot(struct graph *graph, uint32_t slot) {
    uint32_t refs = ATOMIC_LOAD(&graph->refs[slot], relaxed);

    while (refs != 0) {
        /* Acquire: pairs with the release store of graph_plan_add, so that the generation read
         * after it is not older than the reference that was taken (mutant PINRLX). */
        if (ATOMIC_CAS_WEAK(&graph->refs[slot], &refs, refs + 1, acquire, relaxed)) {
            return true;
        }
    }
    return false;
}

/* True when that was the last one. */
static inline bool graph_drop_ref(struct graph *graph, uint32_t slot) {
    /* Release: this thread's last touch of the step; acquire: everybody else's, before the slot is
     * given to somebody new (mutant REFRLX). */
    uint32_t before = ATOMIC_SUB(&graph->refs[slot], 1, acq_rel);

    SWARM_ASSERT(before != 0);
    return before == 1;
}

/* Makes a slot that nobody refers to ready for the pool. The generation is raised first (mutant
 * GENLATE). False: it would come round, and the slot is retired: nothing ever refers to it again.
 * */
static inline bool graph_slot_clear(struct graph *graph, uint32_t slot) {
    uint32_t generation = link_generation(ATOMIC_LOAD(&graph->link[slot], relaxed));

    SWARM_ASSERT(ATOMIC_LOAD(&graph->refs[slot], relaxed) == 0);
    SWARM_ASSERT(generation != 0);
    /* Published by the pool's push and pop; stale handles compare it (mutant NOGEN). */
    ATOMIC_STORE(&graph->link[slot], link_word(generation + 1, NONE32), relaxed);
    return generation != UINT32_MAX;
}

/* The turn's part of the count of live steps: one writer, so it needs no locked addition. */
static inline void graph_live_add(struct graph *graph, uint64_t count) {
    uint64_t before = ATOMIC_LOAD(&graph->live_turn, relaxed);

    ATOMIC_STORE(&graph->live_turn, before + count, relaxed);
}

/* ---- plans */

/* A plan without a caller is the owner's: filled in the turn, it uses what the turn has in hand. */
static inline struct stock *plan_slots(struct graph_plan *plan) {
    return plan->caller == NONE32 ? &plan->graph->turn_slots : &plan->steps_stock;
}

static inline struct stock *plan_cells(struct graph_plan *plan) {
    return plan->caller == NONE32 ? &plan->graph->turn_cells : &plan->cells_stock;
}

/* The step after this one in order of adding, or NONE32 behind the last. */
static inline uint32_t plan_next(const struct graph_plan *plan, uint32_t slot) {
    if (slot == plan->last) {
        return NONE32;
    }
    return plan->is_static ? slot + 1 : plan->graph->in_degree[slot];
}

/* ---- shared between the .c files */

/* Posts a step to the turn and says so. */
void swarm__graph_post(struct graph *graph, uint32_t slot);
/* A scope's count reached 0. */
void swarm__scope_emptied(struct graph *graph, uint32_t scope);
/* Sorts a list of cells by the steps that they name: older ones first, then by lineage. */
uint32_t swarm__graph_cells_sort(struct graph *graph, uint32_t head);
/* Gives a list of cells back. */
void swarm__graph_cells_free(struct graph *graph, uint32_t head);
/* Gives back what a plan took and did not use. */
void swarm__graph_plan_trim(struct graph_plan *plan);

/* ---- range steps */

/* A live range step. A growing one gives its record back when it ends; a static one keeps it. */
struct graph_range {
    uint64_t first, count;
    atomic_u64 next;    /* calls below it are claimed: 0..count */
    atomic_u64 sum;     /* of the values */
    atomic_u64 failed;  /* smallest index that failed << 4 | outcome; SWARM_NEVER: none */
    atomic_u32 holders; /* copies of the step's item in deques and hands */
};

#define RANGE_COUNT_MAX (UINT64_C(1) << 59)

/* Makes a range's record, or makes it fresh for another run. */
void swarm__range_reset(struct graph_range *range);
/* Gives the record of a range step back. */
void swarm__range_free(struct graph *graph, uint32_t slot);

#endif
