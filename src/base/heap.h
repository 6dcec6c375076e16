/* SPDX-License-Identifier: MIT */
/*
 * heap.h - intrusive pairing heap: the ready queues and the timers.
 *
 * A heap is one uint32_t, the index of its smallest node, or NONE32. Its nodes lie in an array of
 * the caller's, which several heaps may share; a node is in one heap at most.
 *
 * Order: lexicographic by (rank, first, second), smallest first. Give each node a key of its own
 * (an ordinal as `second`): the order is then total, and pops do not depend on the history of the
 * heap, which is what a replay needs.
 *
 * Shape: `child` is the first of a node's children, `sibling` the next child of the same parent,
 * `previous` the sibling before, or the parent for a first child. The root is its own `previous`; a
 * node in no heap has NONE32 there, so heap_contains is one load.
 *
 * Invariant: no child is before its parent. heap_invariant walks all of it without recursion.
 *
 * Cost: push, merge and a look at the top O(1), pop and remove O(log n) amortised. Paper: Fredman,
 * Sedgewick, Sleator, Tarjan, "The Pairing Heap: A New Form of Self-Adjusting Heap", Algorithmica 1
 * (1986), the two-pass variant of section 2. It moves no data, which a d-ary array heap does, and
 * removes an inner node by its index alone: what cancel and disarmed timers need.
 *
 * Memory: 32 bytes a node, the caller's. Threads: one owner.
 */
#ifndef SWARM_BASE_HEAP_H
#define SWARM_BASE_HEAP_H

#include "check.h"

/* A member of a heap: key and links. Whoever keeps more about it has an array beside. */
struct heap_node {
    /* The key: rank decides, then first, then second. Set while the node is in no heap, and not
     * touched while it is in one: the heap would not notice. */
    uint64_t first, second;
    uint32_t rank;
    /* Indices of nodes; see Shape above. */
    uint32_t child, sibling, previous;
};

static_assert(sizeof(struct heap_node) == 32, "two nodes a cache line");

/* Before a node's first use. The key is the caller's to set, while the node is in no heap. */
static inline void heap_node_init(struct heap_node *nodes, uint32_t index) {
    SWARM_ASSERT(index != NONE32);
    nodes[index].child = NONE32;
    nodes[index].sibling = NONE32;
    nodes[index].previous = NONE32;
}

/* Whether the node is in a heap, any heap: which one only its owner knows. */
static inline bool heap_contains(const struct heap_node *nodes, uint32_t index) {
    SWARM_ASSERT(index != NONE32);
    return nodes[index].previous != NONE32;
}

/* The smallest node, which stays; NONE32 when there is none. */
static inline uint32_t heap_top(const struct heap_node *nodes, const uint32_t *root) {
    SWARM_ASSERT(*root == NONE32 || nodes[*root].previous == *root);
    (void)nodes;
    return *root;
}

/* Which words decide can be predicted; which of the two is smaller cannot. So that answer is a
 * value here and in heap_link, and never a branch: a quarter less time in a queue of 300 timers. */
static inline bool heap_before(const struct heap_node *a, const struct heap_node *b) {
    uint64_t x = a->first, y = b->first;

    if (a->rank != b->rank) {
        x = a->rank;
        y = b->rank;
    } else if (x == y) {
        x = a->second;
        y = b->second;
    }
    return x < y;
}

/* Makes the later of two roots the first child of the other, which is returned; its own sibling and
 * previous are left to the caller. */
static inline uint32_t heap_link(struct heap_node *nodes, uint32_t a, uint32_t b) {
    uint32_t swap = (a ^ b) & (0 - (uint32_t)heap_before(&nodes[b], &nodes[a]));
    uint32_t winner = a ^ swap, loser = b ^ swap;
    uint32_t child = nodes[winner].child;

    SWARM_ASSERT(a != b);
    if (child != NONE32) {
        nodes[child].previous = loser;
    }
    nodes[loser].sibling = child;
    nodes[loser].previous = winner;
    nodes[winner].child = loser;
    return winner;
}

/* The one place that makes a root, so that its mark (it is its own `previous`) is never
 * forgotten. */
static inline void heap_set_root(struct heap_node *nodes, uint32_t *root, uint32_t index) {
    *root = index;
    if (index != NONE32) {
        nodes[index].sibling = NONE32;
        nodes[index].previous = index;
    }
}

/* Two passes over a list of siblings: pairs from left to right, kept on a stack through `sibling`,
 * then the stack into one tree from right to left. Bounded by the number of siblings. */
static inline uint32_t heap_merge_siblings(struct heap_node *nodes, uint32_t first) {
    uint32_t pairs = NONE32, merged;

    while (first != NONE32) {
        uint32_t tree = first, other = nodes[tree].sibling;

        first = NONE32;
        if (other != NONE32) {
            SWARM_ASSERT(other != tree);
            first = nodes[other].sibling;
            tree = heap_link(nodes, tree, other);
        }
        nodes[tree].sibling = pairs;
        pairs = tree;
    }
    merged = pairs;
    if (merged != NONE32) {
        pairs = nodes[merged].sibling;
    }
    while (pairs != NONE32) {
        uint32_t next = nodes[pairs].sibling;

        merged = heap_link(nodes, merged, pairs);
        pairs = next;
    }
    return merged;
}

/* Puts a node in, whose key is set. O(1): it becomes the root, or the root's first child. */
static inline void heap_push(struct heap_node *nodes, uint32_t *root, uint32_t index) {
    SWARM_ASSERT(index != NONE32);
    SWARM_ASSERT(!heap_contains(nodes, index));
    SWARM_ASSERT(nodes[index].child == NONE32); /* since heap_node_init, or the way out */
    heap_set_root(nodes, root, *root == NONE32 ? index : heap_link(nodes, *root, index));
    SWARM_ASSERT(heap_contains(nodes, index));
}

/* Takes the smallest node out; NONE32 when there is none. The root's children become one tree again
 * here, in two passes: this is where the work that pushes put off is done. */
static inline uint32_t heap_pop(struct heap_node *nodes, uint32_t *root) {
    uint32_t top = *root;

    if (top == NONE32) {
        return NONE32;
    }
    SWARM_ASSERT(nodes[top].previous == top);
    heap_set_root(nodes, root, heap_merge_siblings(nodes, nodes[top].child));
    heap_node_init(nodes, top);
    SWARM_ASSERT(!heap_contains(nodes, top));
    return top;
}

/* Takes any node of this heap out: its family is cut off, and the node's children, as one tree,
 * meet the root. The caller knows the heap; a node of another one would take its subtree along. */
static inline void heap_remove(struct heap_node *nodes, uint32_t *root, uint32_t index) {
    struct heap_node *node = &nodes[index];
    uint32_t orphans;

    SWARM_ASSERT(heap_contains(nodes, index));
    if (index == *root) {
        (void)heap_pop(nodes, root);
        return;
    }
    SWARM_ASSERT(node->previous != index); /* else it is the root of another heap */
    if (nodes[node->previous].child == index) {
        nodes[node->previous].child = node->sibling;
    } else {
        nodes[node->previous].sibling = node->sibling;
    }
    if (node->sibling != NONE32) {
        nodes[node->sibling].previous = node->previous;
    }
    orphans = heap_merge_siblings(nodes, node->child);
    if (orphans != NONE32) {
        heap_set_root(nodes, root, heap_link(nodes, *root, orphans));
    }
    heap_node_init(nodes, index);
    SWARM_ASSERT(!heap_contains(nodes, index));
}

/* The next node of a walk in depth-first order, or NONE32. It climbs from a last sibling by going
 * left to the first one, whose `previous` is the parent: each family is crossed twice, so a whole
 * walk is linear, and it needs no stack. */
static inline uint32_t heap_walk(const struct heap_node *nodes, uint32_t root, uint32_t at) {
    SWARM_ASSERT(heap_contains(nodes, at));
    if (nodes[at].child != NONE32) {
        return nodes[at].child;
    }
    while (at != root && nodes[at].sibling == NONE32) {
        uint32_t previous = nodes[at].previous;

        while (nodes[previous].child != at) {
            at = previous;
            previous = nodes[at].previous;
        }
        at = previous;
    }
    return at != root ? nodes[at].sibling : NONE32;
}

/* Whether the links agree with each other and no child is before its parent. capacity is the size
 * of the array; out_count, which may be null, gets the number of nodes. A family is checked before
 * the walk enters it, and each node has one `previous`: what was checked is a tree, so the walk
 * ends on any input. */
static inline bool heap_invariant(const struct heap_node *nodes, uint32_t root, uint32_t capacity,
                                  uint32_t *out_count) {
    uint32_t count = 0;

    if (root != NONE32 &&
        (root >= capacity || nodes[root].previous != root || nodes[root].sibling != NONE32)) {
        return false;
    }
    for (uint32_t at = root; at != NONE32; at = heap_walk(nodes, root, at)) {
        uint32_t left = at;

        count++;
        SWARM_ASSERT(count <= capacity);
        for (uint32_t child = nodes[at].child; child != NONE32; child = nodes[child].sibling) {
            if (child >= capacity || nodes[child].previous != left ||
                heap_before(&nodes[child], &nodes[at])) {
                return false;
            }
            left = child;
        }
    }
    if (out_count != NULL) {
        *out_count = count;
    }
    return true;
}

#endif
