/* SPDX-License-Identifier: MIT */
/*
 * stack.h - shared stack that is only ever taken whole: the overflow of the deques.
 *
 * Any thread pushes one node or a chain of them; any thread takes everything there is by one
 * exchange. Nodes are indices linked through the caller's array: a step that overflowed is linked
 * through its own slot, so a push needs no memory and cannot fail.
 *
 * Why there is no ABA: nobody ever pops a single node, so no CAS depends on a link that it read. A
 * push compares only the head, and whatever node stands there, linking to it is right. (Treiber,
 * IBM RJ 5118, 1986, without its pop.)
 *
 * Invariant: a node is on one stack at most; its link belongs to the pusher until the push, to the
 * taker from the take on.
 *
 * Memory: 4 bytes a node, the caller's. Threads: any may push, take and look. A push is lock-free,
 * a take wait-free.
 */
#ifndef SWARM_BASE_STACK_H
#define SWARM_BASE_STACK_H

#include "atomic.h"

/* Head and links; a node's link means something only while the node is on a stack or in a chain
 * that was taken. */
struct stack {
    atomic_u32 head;
    uint32_t nodes; /* size of the array of links */
    atomic_u32 *links;
};

static inline void stack_init(struct stack *stack, atomic_u32 *links, uint32_t nodes) {
    SWARM_ASSERT(links != NULL || nodes == 0);
    SWARM_ASSERT(nodes < NONE32);
    ATOMIC_STORE(&stack->head, NONE32, relaxed); /* published by whatever starts the threads */
    stack->nodes = nodes;
    stack->links = links;
}

/* For building a chain to push, by the thread that owns both nodes. */
static inline void stack_link(struct stack *stack, uint32_t from, uint32_t to) {
    SWARM_ASSERT(from < stack->nodes);
    SWARM_ASSERT(to < stack->nodes);
    ATOMIC_STORE(&stack->links[from], to, relaxed); /* published by the push of the chain */
}

/* Pushes nodes that stack_link has joined, first to last. */
static inline void stack_push_chain(struct stack *stack, uint32_t first, uint32_t last) {
    uint32_t head = ATOMIC_LOAD(&stack->head, relaxed); /* a guess: the CAS checks it */

    SWARM_ASSERT(first < stack->nodes);
    SWARM_ASSERT(last < stack->nodes);
    do { /* goes round again only when another thread got its nodes in */
        SWARM_ASSERT(head != first);
        ATOMIC_STORE(&stack->links[last], head, relaxed);
        /* Release: the nodes' contents and links, to the exchange of stack_take_all (mutant
         * STACKRLX). Later pushes are read-modify-writes and carry this release on. */
    } while (!ATOMIC_CAS_WEAK(&stack->head, &head, first, release, relaxed));
}

/* Pushes one node. The caller owned it and must not touch it after: somebody may have taken it. */
static inline void stack_push(struct stack *stack, uint32_t node) {
    stack_push_chain(stack, node, node);
}

/* The first node of all that were pushed, newest first, or NONE32. */
static inline uint32_t stack_take_all(struct stack *stack) {
    /* Acquire: pairs with the release CAS of every push that is taken (mutant TAKERLX). */
    return ATOMIC_EXCHANGE(&stack->head, NONE32, acquire);
}

/* The node after this one in a chain that was taken. Read it before the node goes anywhere else. */
static inline uint32_t stack_next(const struct stack *stack, uint32_t node) {
    SWARM_ASSERT(node < stack->nodes);
    return ATOMIC_LOAD(&stack->links[node], relaxed); /* came with the exchange of the take */
}

/* A hint; exact enough for the second look before sleeping, where a seq_cst fence stands before it
 * and the pusher's notify has the other one (park.h). */
static inline bool stack_looks_empty(const struct stack *stack) {
    return ATOMIC_LOAD(&stack->head, relaxed) == NONE32;
}

#endif
