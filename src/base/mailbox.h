/* SPDX-License-Identifier: MIT */
/*
 * mailbox.h - many producers, one consumer; a push is wait-free.
 *
 * A push exchanges the head for its node and then publishes the link to what stood there before.
 * Between the two the chain has a gap: the node is reachable, but what lies behind it is not yet
 * known. The consumer takes the whole chain by exchanging the head for NONE32, walks it from the
 * newest node, and keeps its place in `cursor`. At a gap it stops, in front of that node, and goes
 * on there at the next call: nothing is lost, because everything behind the gap belongs to the
 * chain that it took. It delivers a node only after its link is there: the link is the producer's
 * last touch, so from then on the node may be used again.
 *
 * Whoever signals the consumer does it after mailbox_push has returned, so a consumer that stopped
 * at a gap is called again (mutant LINKLATE).
 *
 * Order: newest first within one taken chain, chains in the order taken. It is not the order of
 * arrival, and it depends on timing: the consumer sorts by a key of its own.
 *
 * Invariant: a node is in one mailbox at most, and its link is MAILBOX_GAP exactly while its
 * producer stands between exchange and link.
 *
 * After Vyukov's multi-producer queue (1024cores.net, "Intrusive MPSC node-based queue"), turned
 * round so that the consumer takes all at once and no stub node is needed.
 *
 * Memory: 4 bytes a node, the caller's; cannot be full. Threads: any may push; one may take.
 */
#ifndef SWARM_BASE_MAILBOX_H
#define SWARM_BASE_MAILBOX_H

#include "atomic.h"

#define MAILBOX_GAP (NONE32 - 1)

struct mailbox {
    atomic_u32 head; /* newest node; all threads */
    unsigned char apart[ATOMIC_LINE - sizeof(atomic_u32)];
    uint32_t cursor; /* next node of the chain that was taken; the consumer's */
    uint32_t nodes;  /* size of the array of links */
    atomic_u32 *links;
};

static inline void mailbox_init(struct mailbox *mailbox, atomic_u32 *links, uint32_t nodes) {
    SWARM_ASSERT(links != NULL || nodes == 0);
    SWARM_ASSERT(nodes <= MAILBOX_GAP);
    ATOMIC_STORE(&mailbox->head, NONE32, relaxed); /* published by whatever starts the threads */
    mailbox->cursor = NONE32;
    mailbox->nodes = nodes;
    mailbox->links = links;
}

/* The first half of a push: from here on the consumer can reach the node. */
static inline uint32_t mailbox_push_begin(struct mailbox *mailbox, uint32_t node) {
    SWARM_ASSERT(node < mailbox->nodes);
    /* Relaxed: the exchange below publishes it. */
    ATOMIC_STORE(&mailbox->links[node], MAILBOX_GAP, relaxed);
    /* Release: the node's contents and its gap mark, to the exchange of mailbox_take (mutant
     * MAILRLX); later exchanges are read-modify-writes and carry it on. */
    return ATOMIC_EXCHANGE(&mailbox->head, node, release);
}

/* The second half: the producer's last touch of the node. */
static inline void mailbox_push_end(struct mailbox *mailbox, uint32_t node, uint32_t behind) {
    SWARM_ASSERT(behind != node);
    /* Release: pairs with the acquire load of the link in mailbox_take: whatever a producer does
     * between the two steps comes before the node's next use. Contents and gap mark have come with
     * the exchange, and nothing is done in between here, so this is the stronger order, kept (known
     * survivor MAILLINK). */
    ATOMIC_STORE(&mailbox->links[node], behind, release);
}

/* Puts a node in. The caller owns it before and must not touch it after; it is in no mailbox.
 * Wait-free: two stores and an exchange, whoever else does what. */
static inline void mailbox_push(struct mailbox *mailbox, uint32_t node) {
    uint32_t behind = mailbox_push_begin(mailbox, node);

    mailbox_push_end(mailbox, node, behind);
}

/* The consumer's: a node, or NONE32 when there is none or a producer is between its two steps. */
static inline uint32_t mailbox_take(struct mailbox *mailbox) {
    uint32_t node = mailbox->cursor, behind;
    SWARM_ASSERT(node == NONE32 || node < mailbox->nodes);

    if (node == NONE32) {
        /* Relaxed: a miss costs a call, and no data is read because of it. */
        if (ATOMIC_LOAD(&mailbox->head, relaxed) == NONE32) {
            return NONE32; /* early look: spares the exchange; the signal brings us back */
        }
        /* Acquire: pairs with the release exchange of every push in the chain. */
        node = ATOMIC_EXCHANGE(&mailbox->head, NONE32, acquire);
        SWARM_ASSERT(node != NONE32); /* nobody else takes */
    }
    /* Acquire: pairs with the release store of mailbox_push_end. */
    behind = ATOMIC_LOAD(&mailbox->links[node], acquire);
    if (behind == MAILBOX_GAP) {
        mailbox->cursor = node;
        return NONE32;
    }
    mailbox->cursor = behind;
    return node;
}

/* The consumer's hint. False while it stands at a gap: there is something to come back for. Before
 * sleeping it needs a seq_cst fence in front, which park.h brings. */
static inline bool mailbox_looks_empty(const struct mailbox *mailbox) {
    return mailbox->cursor == NONE32 && ATOMIC_LOAD(&mailbox->head, relaxed) == NONE32;
}

#endif
