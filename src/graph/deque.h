/* SPDX-License-Identifier: MIT */
/*
 * deque.h - a worker's work-stealing deque of 64-bit items.
 *
 * The owner pushes and takes at the bottom, last in first out; any other thread steals from the
 * top. Paper: Chase and Lev, "Dynamic Circular Work-Stealing Deque" (SPAA 2005); orders after Le,
 * Pop, Cohen, Zappa Nardelli, "Correct and Efficient Work-Stealing for Weak Memory Models" (PPoPP
 * 2013), in the form without fences on the owner's side, checked exhaustively under RC11:
 *
 *     push   release store of bottom
 *     take   seq_cst store of bottom, then seq_cst load of top
 *     steal  acquire top, seq_cst fence, acquire bottom, then seq_cst CAS of top
 *
 * Take and steal are the two sides of Dekker's question "did the other see me?" for the last item:
 * take has seq_cst on both accesses, steal a fence between its two. Every store of bottom is a
 * release, so a thief that reads any of them sees every cell that was pushed before it.
 *
 * The array is the caller's and never changes: a full deque refuses, and the caller has an overflow
 * (stack.h). So there is no resize race, and a capacity of 1 is legal.
 *
 * Invariant: 0 <= bottom - top <= capacity as signed difference, but for one moment of the owner's
 * take, where it may be -1. Indices are 64 bits and only grow, apart from that step back; they are
 * compared by difference, so they may start anywhere and pass 2^63 and 2^64.
 *
 * Memory: 8 bytes a cell, the caller's. Threads: push and take by one owner; steal and look by all.
 */
#ifndef SWARM_GRAPH_DEQUE_H
#define SWARM_GRAPH_DEQUE_H

#include "../base/atomic.h"

struct deque {
    /* Index of the oldest item. Raised by the CAS that takes it: of thieves, and of the owner for
     * the last one. */
    atomic_u64 top;
    unsigned char apart[ATOMIC_LINE - sizeof(atomic_u64)];
    /* Index behind the newest item. The owner alone writes it; thieves read. */
    atomic_u64 bottom;
    /* Capacity - 1; a cell's place is its index under this mask. Fixed, as is the array. */
    uint64_t mask;
    atomic_u64 *cells;
    unsigned char apart_next[ATOMIC_LINE - sizeof(atomic_u64) - 2 * sizeof(uint64_t)];
};

enum deque_result {
    DEQUE_EMPTY, /* nothing to steal */
    DEQUE_LOST,  /* another thread was faster: there may be more */
    DEQUE_ITEM,
};

/* Items from top to bottom; negative during an owner's take of nothing. */
static inline int64_t deque_count(uint64_t top, uint64_t bottom) {
    return (int64_t)(bottom - top);
}

/* capacity is a power of two; tests choose start_index, everybody else gives 0. */
static inline void deque_init(struct deque *deque, atomic_u64 *cells, uint64_t capacity,
                              uint64_t start_index) {
    SWARM_ASSERT(cells != NULL);
    SWARM_ASSERT(capacity != 0);
    SWARM_ASSERT((capacity & (capacity - 1)) == 0);
    deque->mask = capacity - 1;
    deque->cells = cells;
    /* Published by whatever starts the threads. */
    ATOMIC_STORE(&deque->top, start_index, relaxed);
    ATOMIC_STORE(&deque->bottom, start_index, relaxed);
}

/* The owner's. False when it is full. */
static inline bool deque_push(struct deque *deque, uint64_t item) {
    uint64_t bottom = ATOMIC_LOAD(&deque->bottom, relaxed); /* the owner's own */
    /* Acquire: pairs with the thief's CAS of top. Its read of the cell lies before that CAS, so
     * the cell may be written again. */
    uint64_t top = ATOMIC_LOAD(&deque->top, acquire);

    SWARM_ASSERT(deque_count(top, bottom) >= 0);
    if (deque_count(top, bottom) > (int64_t)deque->mask) {
        return false; /* mutants FULL+1, FULL-1 */
    }
    ATOMIC_STORE(&deque->cells[bottom & deque->mask], item, relaxed); /* mutant WRAP */
    /* Release: the cell and what the item stands for; pairs with the acquire load of bottom in
     * deque_steal (mutant PUSH). */
    ATOMIC_STORE(&deque->bottom, bottom + 1, release);
    return true;
}

/* The last item, or none, is left: decides between the owner and the thieves by a CAS of top. */
static inline bool deque_take_last(struct deque *deque, uint64_t top, uint64_t bottom) {
    /* seq_cst: one order of all CASes of top, so exactly one of owner and thieves gets the item
     * (mutant LAST: a plain store here). */
    bool won = top == bottom && ATOMIC_CAS(&deque->top, &top, top + 1, seq_cst, relaxed);

    /* The step back is taken back. Release although nothing is new: a thief that reads this store
     * must still see the cells of earlier pushes (mutant PUSHREL is about such a store). */
    ATOMIC_STORE(&deque->bottom, bottom + 1, release);
    return won;
}

/* The owner's. False when it is empty, or a thief got the last item. */
static inline bool deque_take(struct deque *deque, uint64_t *out_item) {
    uint64_t bottom = ATOMIC_LOAD(&deque->bottom, relaxed) - 1;
    uint64_t top = ATOMIC_LOAD(&deque->top, relaxed);

    if (deque_count(top, bottom) < 0) {
        return false; /* early look: top only grows, so it is empty, and nobody need be told */
    }
    /* seq_cst store, then seq_cst load: pairs with the fence of deque_steal. Either the thief sees
     * the lower bottom, or this load sees its CAS of top (mutants TAKE-ST, TAKE-LD, XCHG). Being a
     * release too, the store keeps earlier pushes visible through it (mutant PUSHREL). */
    ATOMIC_STORE(&deque->bottom, bottom, seq_cst);
    top = ATOMIC_LOAD(&deque->top, seq_cst);
    if (deque_count(top, bottom) <= 0 && !deque_take_last(deque, top, bottom)) {
        return false;
    }
    *out_item = ATOMIC_LOAD(&deque->cells[bottom & deque->mask], relaxed); /* the owner wrote it */
    return true;
}

/* Any thread's but the owner's. *out_item is set with DEQUE_ITEM only. */
static inline enum deque_result deque_steal(struct deque *deque, uint64_t *out_item) {
    /* Acquire: pairs with the CASes of top by other thieves and the owner, so that bottom is not
     * older than what they saw. */
    uint64_t top = ATOMIC_LOAD(&deque->top, acquire);
    uint64_t bottom = ATOMIC_LOAD(&deque->bottom, relaxed);
    uint64_t item;

    if (deque_count(top, bottom) <= 0) {
        return DEQUE_EMPTY; /* early look: spares the fence */
    }
    /* Pairs with the seq_cst store and load of deque_take (mutants STEAL, STEALMIX). */
    ATOMIC_FENCE(seq_cst);
    /* Acquire: pairs with the release store of deque_push: cell and payload. */
    bottom = ATOMIC_LOAD(&deque->bottom, acquire);
    if (deque_count(top, bottom) <= 0) {
        return DEQUE_EMPTY;
    }
    item = ATOMIC_LOAD(&deque->cells[top & deque->mask], relaxed); /* nonsense if the CAS fails */
    /* seq_cst: pairs with the load and CAS of top in deque_take (mutant CASRLX), and as a release
     * with the load of top in deque_push: this thief has read the cell. */
    if (!ATOMIC_CAS(&deque->top, &top, top + 1, seq_cst, relaxed)) {
        return DEQUE_LOST;
    }
    *out_item = item;
    return DEQUE_ITEM;
}

/* A hint for any thread. Before sleeping it is exact enough, because a seq_cst fence stands before
 * it and the pusher's notify has the other one (park.h). Top first, acquire: an older top with a
 * newer bottom can only show too many items, never too few. */
static inline bool deque_looks_empty(const struct deque *deque) {
    uint64_t top = ATOMIC_LOAD(&deque->top, acquire);

    return deque_count(top, ATOMIC_LOAD(&deque->bottom, relaxed)) <= 0;
}

/* While nobody works on the deque. */
static inline bool deque_invariant(const struct deque *deque) {
    int64_t count =
        deque_count(ATOMIC_LOAD(&deque->top, relaxed), ATOMIC_LOAD(&deque->bottom, relaxed));

    return count >= 0 && count <= (int64_t)deque->mask + 1;
}

#endif
