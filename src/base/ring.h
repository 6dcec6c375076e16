/* SPDX-License-Identifier: MIT */
/*
 * ring.h - a byte ring of whole records, one owner: the log on its way out.
 *
 * A writer reserves room for the largest record that may come, builds it in place, and commits what
 * it used; or abandons it and nothing happened. A reader copies out as many whole records as fit,
 * which frees their room.
 *
 * A record is contiguous, so it can be written, checked and hashed as plain bytes. One that does
 * not fit behind the last goes to the start, and `wrap` remembers where the bytes before it end.
 * (Cooke, "The Bip Buffer", 2003.) A size of 4 bytes stands before each record, outside of what the
 * reader gets.
 *
 * Invariant: the records lie in read .. write, or, while wrap is set, in read .. wrap and then
 * 0 .. write with write <= read. An empty ring starts again at 0: a record of up to
 * capacity - RING_HEAD bytes is certain to fit once all has been read.
 *
 * Memory: the caller's block. Threads: one owner.
 */
#ifndef SWARM_BASE_RING_H
#define SWARM_BASE_RING_H

#include <string.h>

#include "check.h"

#define RING_HEAD 4
#define RING_NO_WRAP SIZE_MAX

struct ring {
    /* The caller's block; ring_init says which. */
    unsigned char *bytes;
    size_t capacity;
    /* Offset of the oldest record, and of the byte behind the newest one. */
    size_t read, write;
    /* Where the records before the wrap end; RING_NO_WRAP while all lie in one piece. */
    size_t wrap;
    /* Where the open reservation's head will stand: `write`, or 0. Means nothing without one. */
    size_t place;
    /* Bytes of the open reservation, 0 when none is open. */
    size_t reserved;
};

/* Empty, over a block of any alignment: heads are copied and not cast. */
static inline void ring_init(struct ring *ring, void *bytes, size_t capacity) {
    SWARM_ASSERT(bytes != NULL || capacity == 0);
    SWARM_ASSERT(capacity < RING_NO_WRAP);
    ring->bytes = (unsigned char *)bytes;
    ring->capacity = capacity;
    ring->read = ring->write = 0;
    ring->wrap = RING_NO_WRAP;
    ring->place = ring->reserved = 0;
}

static inline bool ring_empty(const struct ring *ring) {
    return ring->read == ring->write && ring->wrap == RING_NO_WRAP;
}

/* Bytes with head that fit behind the last record, and at the start. After the wrap there is one
 * gap only, and it lies behind the last record: it may be filled up to `read`, for with `wrap` set
 * read == write does not mean empty. */
static inline size_t ring_room_behind(const struct ring *ring) {
    return (ring->wrap == RING_NO_WRAP ? ring->capacity : ring->read) - ring->write;
}

static inline size_t ring_room_in_front(const struct ring *ring) {
    return ring->wrap == RING_NO_WRAP ? ring->read : 0;
}

/* The largest record that ring_reserve would accept now. */
static inline size_t ring_space(const struct ring *ring) {
    size_t behind = ring_room_behind(ring), front = ring_room_in_front(ring);
    size_t room = behind > front ? behind : front;

    room = room > RING_HEAD ? room - RING_HEAD : 0;
    return room < UINT32_MAX ? room : UINT32_MAX; /* the head has 32 bits */
}

/* Room for one record of up to `size` bytes, at least 1, or NULL when the ring is too full. One
 * reservation may be open at a time. */
static inline unsigned char *ring_reserve(struct ring *ring, size_t size) {
    SWARM_ASSERT(ring->reserved == 0);
    SWARM_ASSERT(size != 0);
    if (size > ring_space(ring)) {
        return NULL;
    }
    ring->place = size + RING_HEAD <= ring_room_behind(ring) ? ring->write : 0;
    ring->reserved = size;
    return ring->bytes + ring->place + RING_HEAD;
}

/* Gives the reservation up: no byte that a reader may see has changed. */
static inline void ring_abandon(struct ring *ring) {
    SWARM_ASSERT(ring->reserved != 0);
    ring->reserved = 0;
}

/* Makes the first `size` bytes of the reservation a record. Only here does the wrap take place: a
 * reservation at the start that is abandoned must not leave a gap behind. The reader may have read
 * since the reservation. */
static inline void ring_commit(struct ring *ring, size_t size) {
    uint32_t head = (uint32_t)size;

    SWARM_ASSERT(size != 0);
    SWARM_ASSERT(size <= ring->reserved);
    memcpy(ring->bytes + ring->place, &head, RING_HEAD);
    if (ring->place != ring->write) {
        SWARM_ASSERT(ring->place == 0 && ring->wrap == RING_NO_WRAP);
        if (ring->read == ring->write) {
            ring->read = 0; /* all was read meanwhile: nothing is left to wrap behind */
        } else {
            ring->wrap = ring->write;
        }
    }
    ring->write = ring->place + RING_HEAD + size;
    ring->reserved = 0;
    SWARM_ASSERT(ring->write <= ring->capacity);
}

/* Bytes of the oldest record, 0 when there is none. */
static inline size_t ring_next_size(const struct ring *ring) {
    uint32_t head;

    if (ring_empty(ring)) {
        return 0;
    }
    memcpy(&head, ring->bytes + ring->read, RING_HEAD);
    SWARM_ASSERT(head != 0);
    return head;
}

/* Behind the oldest record; an empty ring starts again at its beginning, unless a reservation
 * already has its place. */
static inline void ring_skip(struct ring *ring, size_t size) {
    SWARM_ASSERT(!ring_empty(ring));
    SWARM_ASSERT(size != 0);
    ring->read += RING_HEAD + size;
    if (ring->read == ring->wrap) {
        ring->read = 0;
        ring->wrap = RING_NO_WRAP;
    }
    if (ring_empty(ring) && ring->reserved == 0) {
        ring->read = ring->write = 0;
    }
}

/* Copies whole records, oldest first, one directly behind the other, and frees them. The number of
 * bytes; 0 when there is no record or the first does not fit. */
static inline size_t ring_read(struct ring *ring, void *out, size_t capacity) {
    size_t copied = 0, size = ring_next_size(ring);

    while (size != 0 && size <= capacity - copied) { /* each round takes a record */
        memcpy((unsigned char *)out + copied, ring->bytes + ring->read + RING_HEAD, size);
        copied += size;
        SWARM_ASSERT(copied <= capacity);
        ring_skip(ring, size);
        size = ring_next_size(ring);
    }
    return copied;
}

/* The offsets are in order; for asserts. O(1): it does not walk the records. */
static inline bool ring_invariant(const struct ring *ring) {
    bool wrapped = ring->wrap != RING_NO_WRAP;
    bool ordered = wrapped ? ring->write <= ring->read && ring->read < ring->wrap &&
                                 ring->wrap <= ring->capacity
                           : ring->read <= ring->write && ring->write <= ring->capacity;
    bool placed =
        ring->reserved == 0 || ring->place == ring->write || (ring->place == 0 && !wrapped);

    return ordered && placed;
}

#endif
