/* SPDX-License-Identifier: MIT */
/*
 * slots.h - which entries of an array are free: the owner's own free list.
 *
 * Never-used slots are given out first, in ascending order, and returned ones after that, last
 * returned first. So init touches no memory, a plan built at the start lies in order, and a slot
 * that was just given back is the last to come again while fresh ones remain, which lets stale
 * handles be noticed for longest.
 *
 * Invariant: a slot below `fresh` is either on the free list or taken; a taken slot's link is its
 * own index, so that giving back twice is caught. Slots from `fresh` on were never touched.
 *
 * Memory: 4 bytes a slot, the caller's array. Threads: one owner; pool.h is the shared one.
 */
#ifndef SWARM_BASE_SLOTS_H
#define SWARM_BASE_SLOTS_H

#include "check.h"

/* A pool of `capacity` numbers. Whoever keeps records has an array beside, indexed by them. */
struct slots {
    /* A slot's link: itself while it is taken, else the next free one or NONE32. */
    uint32_t *links;
    uint32_t capacity; /* below NONE32 */
    uint32_t fresh;    /* the lowest slot that was never given out */
    uint32_t free;     /* head of the list of returned slots */
    uint32_t used;     /* taken and not given back */
};

/* All free, in O(1). The array need not be cleared. */
static inline void slots_init(struct slots *slots, uint32_t *links, uint32_t capacity) {
    SWARM_ASSERT(links != NULL || capacity == 0);
    SWARM_ASSERT(capacity < NONE32);
    slots->links = links;
    slots->capacity = capacity;
    slots->fresh = 0;
    slots->free = NONE32;
    slots->used = 0;
}

/* Whether the slot is somebody's. Any number may be asked: what comes out of a handle is looked at
 * here first. */
static inline bool slots_taken(const struct slots *slots, uint32_t slot) {
    return slot < slots->fresh && slots->links[slot] == slot;
}

/* A slot for the caller, or NONE32 when all are taken. O(1). */
static inline uint32_t slots_take(struct slots *slots) {
    uint32_t slot;

    if (slots->fresh < slots->capacity) {
        slot = slots->fresh++;
    } else if (slots->free != NONE32) {
        slot = slots->free;
        slots->free = slots->links[slot];
    } else {
        SWARM_ASSERT(slots->used == slots->capacity);
        return NONE32;
    }
    slots->links[slot] = slot;
    slots->used++;
    SWARM_ASSERT(slots->used <= slots->fresh);
    return slot;
}

/* Gives a slot back: once, and by whoever took it. O(1). */
static inline void slots_give(struct slots *slots, uint32_t slot) {
    SWARM_ASSERT(slots_taken(slots, slot));
    SWARM_ASSERT(slots->used != 0);
    slots->links[slot] = slots->free;
    slots->free = slot;
    slots->used--;
    SWARM_ASSERT(!slots_taken(slots, slot));
}

/* The free list holds exactly what is not taken; for asserts. O(free slots). */
static inline bool slots_invariant(const struct slots *slots) {
    uint32_t free_count = 0;

    for (uint32_t slot = slots->free; slot != NONE32; slot = slots->links[slot]) {
        if (slot >= slots->fresh || slots->links[slot] == slot || free_count == slots->fresh) {
            return false; /* untouched, taken, or a cycle */
        }
        free_count++;
    }
    return slots->fresh <= slots->capacity && slots->used + free_count == slots->fresh;
}

#endif
