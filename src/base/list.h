/* SPDX-License-Identifier: MIT */
/*
 * list.h - doubly linked list of slots, by index: queues, and members that leave from the middle.
 *
 * The links lie in an array of the caller's that several lists may share; a slot is in one list of
 * that array at most. First in first out is list_append and list_take.
 *
 * Invariant: `first` has no previous, `last` no next, and neighbours name each other; an empty list
 * has NONE32 in both. A slot in no list is its own `previous`, so list_contains is one load.
 *
 * Memory: 8 bytes a slot, the caller's. Threads: one owner.
 */
#ifndef SWARM_BASE_LIST_H
#define SWARM_BASE_LIST_H

#include "check.h"

/* A slot's neighbours. `next` is NONE32 for the last, `previous` for the first. */
struct list_link {
    uint32_t next, previous;
};

/* Both ends, or NONE32 twice. Eight bytes: a record may have several lists. */
struct list {
    uint32_t first, last;
};

/* Empty. Slots that were in it keep their links: init a list that is used again when it is
 * empty. */
static inline void list_init(struct list *list) {
    list->first = list->last = NONE32;
}

/* Before a slot's first use. */
static inline void list_link_init(struct list_link *links, uint32_t slot) {
    SWARM_ASSERT(slot != NONE32);
    links[slot].next = NONE32;
    links[slot].previous = slot;
}

/* Whether the slot is in some list of this array; in which one the caller knows. */
static inline bool list_contains(const struct list_link *links, uint32_t slot) {
    return links[slot].previous != slot;
}

/* Puts a slot behind the last. O(1). */
static inline void list_append(struct list *list, struct list_link *links, uint32_t slot) {
    SWARM_ASSERT(slot != NONE32);
    SWARM_ASSERT(!list_contains(links, slot));
    links[slot].next = NONE32;
    links[slot].previous = list->last;
    *(list->last != NONE32 ? &links[list->last].next : &list->first) = slot;
    list->last = slot;
    SWARM_ASSERT(list_contains(links, slot));
    SWARM_ASSERT(list->first != NONE32);
}

/* Takes a slot out of this list, wherever it stands. O(1). A slot at an end of another list would
 * be noticed here; one in the middle of another list would not. */
static inline void list_remove(struct list *list, struct list_link *links, uint32_t slot) {
    uint32_t next = links[slot].next, previous = links[slot].previous;

    SWARM_ASSERT(list_contains(links, slot));
    SWARM_ASSERT(previous != NONE32 || list->first == slot);
    SWARM_ASSERT(next != NONE32 || list->last == slot);
    *(previous != NONE32 ? &links[previous].next : &list->first) = next;
    *(next != NONE32 ? &links[next].previous : &list->last) = previous;
    list_link_init(links, slot);
    SWARM_ASSERT((list->first == NONE32) == (list->last == NONE32));
}

/* Takes the first slot out; NONE32 when there is none. */
static inline uint32_t list_take(struct list *list, struct list_link *links) {
    uint32_t slot = list->first;

    if (slot != NONE32) {
        list_remove(list, links, slot);
    }
    return slot;
}

/* Both ways agree and there is no cycle; for asserts. capacity is the size of the array of
 * links. */
static inline bool list_invariant(const struct list *list, const struct list_link *links,
                                  uint32_t capacity) {
    uint32_t previous = NONE32, count = 0;
    SWARM_ASSERT(capacity != NONE32);

    for (uint32_t slot = list->first; slot != NONE32; slot = links[slot].next) {
        if (slot >= capacity || links[slot].previous != previous || count == capacity) {
            return false;
        }
        previous = slot;
        count++;
    }
    return list->last == previous;
}

#endif
