/* SPDX-License-Identifier: MIT */
/*
 * pool.h - shared free list of slots, lock-free.
 *
 * Returned slots form a stack; its head is one 64-bit word {tag, index}, the links lie in the
 * caller's array. Slots that were never used come from the counter `fresh`, in ascending order, so
 * init touches no memory. Returned ones are preferred: they are warm, and the memory that a process
 * ever touches stays at its high-water mark.
 *
 * ABA: a pop reads head A and its link B, then compares the head. Without a tag, A may meanwhile
 * have been popped, B as well, and A pushed again: the CAS would succeed and put B, which has an
 * owner, back on the list (mutant NOTAG). Every pop raises the tag, and each such story contains
 * one, so the word differs. It repeats after exactly 2^32 pops within one stalled pop, with the
 * same index on top: accepted. (Treiber, IBM RJ 5118, 1986; the counter: IBM System/370 Principles
 * of Operation, appendix on compare-and-swap.)
 *
 * Invariant: each slot has one owner, or lies on the list once, or is at or above `fresh`.
 *
 * Memory: 4 bytes a slot, the caller's. Threads: any. Lock-free: a loop goes round only when
 * another thread got its operation in.
 */
#ifndef SWARM_BASE_POOL_H
#define SWARM_BASE_POOL_H

#include "atomic.h"

/* The head has a line to itself: every pop and push writes it, and the rest is only read. */
struct pool {
    atomic_u64 head; /* tag in the high half, index in the low half */
    unsigned char apart[ATOMIC_LINE - sizeof(atomic_u64)];
    atomic_u32 fresh; /* the lowest slot that was never given out */
    uint32_t capacity;
    atomic_u32 *links;
};

static inline uint64_t pool_word(uint32_t tag, uint32_t index) {
    return (uint64_t)tag << 32 | index;
}

static inline uint32_t pool_word_tag(uint64_t word) {
    return (uint32_t)(word >> 32);
}

static inline uint32_t pool_word_index(uint64_t word) {
    return (uint32_t)word;
}

/* All slots free, and none of them touched: the links cost nothing until they are used. */
static inline void pool_init(struct pool *pool, atomic_u32 *links, uint32_t capacity) {
    SWARM_ASSERT(links != NULL || capacity == 0);
    SWARM_ASSERT(capacity < NONE32);
    /* Both published by whatever starts the threads. */
    ATOMIC_STORE(&pool->head, pool_word(0, NONE32), relaxed);
    ATOMIC_STORE(&pool->fresh, 0, relaxed);
    pool->capacity = capacity;
    pool->links = links;
}

/* A slot that nobody had before; it carries no message, so no order is needed. CAS and not add: a
 * counter that went on counting past the end would come round. */
static inline uint32_t pool_pop_fresh(struct pool *pool) {
    uint32_t fresh = ATOMIC_LOAD(&pool->fresh, relaxed); /* a guess: the CAS checks it */

    while (fresh < pool->capacity) {
        if (ATOMIC_CAS_WEAK(&pool->fresh, &fresh, fresh + 1, relaxed, relaxed)) {
            return fresh;
        }
    }
    return NONE32;
}

/* A slot of the caller's own, or NONE32 when all are taken. Its contents are those that the last
 * owner left. */
static inline uint32_t pool_pop(struct pool *pool) {
    /* Acquire, here and where the CAS fails: pairs with the release CAS of pool_push_chain, which
     * makes the link readable, and the slot's last contents (mutant POPRLX). Pops in between are
     * read-modify-writes and carry that release on. */
    uint64_t head = ATOMIC_LOAD(&pool->head, acquire);

    while (pool_word_index(head) != NONE32) {
        uint32_t slot = pool_word_index(head);
        uint32_t next = ATOMIC_LOAD(&pool->links[slot], relaxed); /* stale if the CAS fails */

        SWARM_ASSERT(slot < pool->capacity);
        /* Where it succeeds, the word is the one that was loaded, tag and all, and acquire adds
         * nothing: the stronger order is kept (known survivor of POPRLX). */
        if (ATOMIC_CAS_WEAK(&pool->head, &head, pool_word(pool_word_tag(head) + 1, next), acquire,
                            acquire)) {
            return slot;
        }
    }
    return pool_pop_fresh(pool);
}

/* For building a chain to push, by the thread that owns both slots. */
static inline void pool_link(struct pool *pool, uint32_t from, uint32_t to) {
    SWARM_ASSERT(from < pool->capacity);
    SWARM_ASSERT(to < pool->capacity);
    ATOMIC_STORE(&pool->links[from], to, relaxed); /* published by the push of the chain */
}

/* Returns slots that pool_link has joined, first to last. */
static inline void pool_push_chain(struct pool *pool, uint32_t first, uint32_t last) {
    uint64_t head = ATOMIC_LOAD(&pool->head, relaxed); /* a guess: the CAS checks it */

    SWARM_ASSERT(first < pool->capacity);
    SWARM_ASSERT(last < pool->capacity);
    do {
        SWARM_ASSERT(pool_word_index(head) != first);
        ATOMIC_STORE(&pool->links[last], pool_word_index(head), relaxed);
        /* Release: the links, and the last owner's reads and writes of the slots, before the
         * acquire of pool_pop (mutant FREERLX). */
    } while (!ATOMIC_CAS_WEAK(&pool->head, &head, pool_word(pool_word_tag(head), first), release,
                              relaxed));
}

/* Returns one slot. Whatever the caller wrote in it before is seen by its next owner. */
static inline void pool_push(struct pool *pool, uint32_t slot) {
    pool_push_chain(pool, slot, slot);
}

/* While nobody else works on the pool: the list is sound. out_free, which may be null, gets the
 * number of slots that could be popped. */
static inline bool pool_invariant(const struct pool *pool, uint32_t *out_free) {
    uint32_t fresh = ATOMIC_LOAD(&pool->fresh, relaxed);
    uint32_t slot = pool_word_index(ATOMIC_LOAD(&pool->head, relaxed));
    uint32_t count = 0;

    for (; slot != NONE32; slot = ATOMIC_LOAD(&pool->links[slot], relaxed)) {
        if (slot >= fresh || count == fresh) {
            return false; /* never given out, or a cycle */
        }
        count++;
    }
    if (out_free != NULL) {
        *out_free = count + (pool->capacity - fresh);
    }
    return fresh <= pool->capacity;
}

#endif
