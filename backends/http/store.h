/* SPDX-License-Identifier: MIT */
/*
 * store.h - answers that are lent to the swarm until their RELEASE, in one block.
 *
 * Answers are held for as long as somebody may read them, often until a run ends, in any number and
 * size; so they don't stay in the places of attempts. Blocks lie one behind the other, each with
 * its size and whether it is used in front of it; a block is found by walking on from where the
 * last one was given (next fit: Knuth, TAOCP volume 1, 2.5), free neighbours are joined on the way.
 *
 * Invariant: the blocks' sizes add up to the capacity, and each is a multiple of 16.
 *
 * Memory: the caller's, aligned to 16. Threads: one a struct. Loops run over the blocks.
 */
#ifndef SWARM_HTTP_STORE_H
#define SWARM_HTTP_STORE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define STORE_HEADER 16u

struct store {
    unsigned char *bytes;
    size_t capacity;
    size_t next; /* where the search goes on */
};

struct store_block {
    uint64_t size; /* header included */
    uint64_t used;
};

static inline struct store_block store_at(const struct store *store, size_t at) {
    struct store_block block;

    memcpy(&block, store->bytes + at, sizeof block);
    return block;
}

static inline void store_put(struct store *store, size_t at, uint64_t size, uint64_t used) {
    struct store_block block = {size, used};

    memcpy(store->bytes + at, &block, sizeof block);
}

static inline void store_begin(struct store *store, unsigned char *bytes, size_t capacity) {
    *store = (struct store){.bytes = bytes, .capacity = capacity / 16 * 16};
    if (store->capacity > STORE_HEADER) {
        store_put(store, 0, store->capacity, 0);
    }
}

/* The free block at `at`, joined with the free ones behind it. */
static inline size_t store_join(struct store *store, size_t at) {
    size_t size = (size_t)store_at(store, at).size;

    while (at + size < store->capacity && store_at(store, at + size).used == 0) {
        size += (size_t)store_at(store, at + size).size;
    }
    store->next = store->next > at && store->next < at + size ? at : store->next;
    store_put(store, at, size, 0);
    return size;
}

/* A block for `size` bytes; SIZE_MAX when there is none. */
static inline size_t store_take(struct store *store, size_t size) {
    size_t need = (size + STORE_HEADER + 15) / 16 * 16, walked = 0, at = store->next;

    if (size >= store->capacity || store->capacity <= STORE_HEADER) {
        return SIZE_MAX;
    }
    while (walked <= 2 * store->capacity) {
        struct store_block block = store_at(store, at);
        size_t room = block.used != 0 ? 0 : store_join(store, at);

        if (room >= need) {
            if (room > need) {
                store_put(store, at + need, room - need, 0);
            }
            store_put(store, at, need, 1);
            store->next = at + need < store->capacity ? at + need : 0;
            return at + STORE_HEADER;
        }
        room = block.used != 0 ? (size_t)block.size : room;
        walked += room;
        at = at + room < store->capacity ? at + room : 0;
    }
    return SIZE_MAX;
}

/* Gives a block back. */
static inline void store_give(struct store *store, size_t at) {
    struct store_block block = store_at(store, at - STORE_HEADER);

    store_put(store, at - STORE_HEADER, block.size, 0);
}

#endif
