/* SPDX-License-Identifier: MIT */
/*
 * arena.h - the layout of the one memory block.
 *
 * The function that lays out a swarm runs twice with the same code: over an arena without a block,
 * which only measures, and over the block, which carves it. So the size that is promised and the
 * size that is used cannot differ.
 *
 * Invariant: offsets do not depend on the block's address. arena_init skips to the next multiple of
 * ARENA_ALIGN, and arena_size asks for that much more: any block will do, also malloc's.
 * Failure is sticky: after an overflow, or a block too small, every take gives NULL, and one look
 * at `failed` at the end is enough. Memory is handed out as it was, not zeroed.
 *
 * Threads: one owner.
 */
#ifndef SWARM_BASE_ARENA_H
#define SWARM_BASE_ARENA_H

#include "check.h"
#include "checked.h"

#define ARENA_ALIGN 64 /* the largest alignment served: a cache line */

struct arena {
    /* Where the bytes come from. NULL: only measure, and no take may be written through. */
    unsigned char *base; /* NULL: only measure */
    /* Bytes that may be taken, counted from `base`; SIZE_MAX while measuring. */
    uint64_t capacity;
    /* Bytes taken so far, gaps of alignment included: the offset at which the next take looks. */
    uint64_t used;
    /* Sticky. From then on `used` no longer moves, so a later size would be a lie: see
     * arena_size. */
    bool failed;
};

/* Begins the first of the two runs: every take answers NULL and is counted. */
static inline void arena_measure(struct arena *arena) {
    arena->base = NULL;
    arena->capacity = SIZE_MAX;
    arena->used = 0;
    arena->failed = false;
}

/* Begins the second run, over `size` bytes that the caller keeps. A block too small for the skip
 * fails here already, and the arena then has no room at all: no address outside of it is formed. */
static inline void arena_init(struct arena *arena, void *block, size_t size) {
    size_t skip = (size_t)((0 - (uintptr_t)block) % ARENA_ALIGN);

    SWARM_ASSERT(block != NULL);
    arena->failed = skip > size;
    arena->base = arena->failed ? (unsigned char *)block : (unsigned char *)block + skip;
    arena->capacity = arena->failed ? 0 : size - skip;
    arena->used = 0;
    SWARM_ASSERT(arena->failed || (uintptr_t)arena->base % ARENA_ALIGN == 0);
    SWARM_ASSERT(arena->capacity <= size);
}

/* Room for count things of `size` bytes at a multiple of `align`; NULL while measuring and after a
 * failure. A count of 0 takes nothing but the alignment. Sizes come from the caller's config, so
 * each sum and product is checked: 32-bit targets overflow with sizes that 64-bit ones serve. */
static inline void *arena_take(struct arena *arena, uint64_t count, uint64_t size, uint64_t align) {
    uint64_t bytes, start, end;

    SWARM_ASSERT(align != 0);
    SWARM_ASSERT(align <= ARENA_ALIGN);
    SWARM_ASSERT(arena->used <= arena->capacity);
    if (arena->failed || !checked_mul64(count, size, &bytes) ||
        !checked_align_up(arena->used, align, &start) || !checked_add64(start, bytes, &end) ||
        end > arena->capacity) {
        arena->failed = true;
        return NULL;
    }
    arena->used = end;
    SWARM_ASSERT(start % align == 0);
    return arena->base != NULL ? arena->base + (size_t)start : NULL;
}

/* The size of a block that the same takes fit into, wherever it lies: hence the room for the skip.
 * False after a failure. */
static inline bool arena_size(const struct arena *arena, size_t *out_size) {
    uint64_t size;

    SWARM_ASSERT(out_size != NULL);
    if (arena->failed || !checked_add64(arena->used, ARENA_ALIGN - 1, &size) || size > SIZE_MAX) {
        return false;
    }
    *out_size = (size_t)size;
    return true;
}

#endif
