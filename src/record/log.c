/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <string.h>

#include "../base/crc32.h"

#define FRAME_MAX 65536u

/* An eighth of the ring: a reader that lags holds the writer up late, and frames stay small. */
static uint32_t frame_capacity(uint64_t bytes) {
    SWARM_ASSERT(bytes != SWARM_NEVER);
    return bytes / 8 < FRAME_MAX ? (uint32_t)(bytes / 8) : FRAME_MAX;
}

void swarm__log_layout(struct log *log, struct arena *arena, uint64_t bytes) {
    log->enabled = bytes != SWARM_NEVER;
    if (log->enabled) {
        log->ring.bytes = arena_take(arena, bytes, 1, 8);
        log->frame = arena_take(arena, frame_capacity(bytes), 1, 8);
    }
}

/* An empty log. Numbers begin at 1, so that 0 can say "no frame" in whoever waits for one. */
void swarm__log_start(struct log *log, uint64_t bytes) {
    SWARM_ASSERT(!log->enabled || log->ring.bytes != NULL);
    if (log->enabled) {
        ring_init(&log->ring, log->ring.bytes, (size_t)bytes);
        log->capacity = frame_capacity(bytes);
        log->crc_quick = crc32c_has_quick();
    }
    log->used = 0;
    log->stream = NULL;
    log->hashed = 0;
    log->now_ns = 0;
    log->number = 1;
    log->read = 0;
    log->safe = 0;
    log->events = 0;
    log->pending = 0;
    log->taken = 0;
    log->expect = log->expect_end = NULL;
    log->replaying = log->differs = log->unfinished = false;
    hash128_init(&log->hash, SWARM_TRACE_VERSION);
}

/* Little-endian by hand: the same bytes on every machine. */
static void put32(unsigned char *at, uint32_t value) {
    for (uint32_t i = 0; i < 4; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
}

static void put64(unsigned char *at, uint64_t value) {
    put32(at, (uint32_t)value);
    put32(at + 4, (uint32_t)(value >> 32));
}

/* Hashes what the stream's run has in the open frame and was not hashed. Put off until another run
 * writes or the frame closes: the hash is fast over many bytes at once, and slow over ten. */
void swarm__log_flush(struct log *log) {
    struct log_stream *stream = log->stream;
    unsigned char now[8];

    SWARM_ASSERT(stream == NULL || log->hashed <= log->used);
    if (stream == NULL || log->hashed == log->used) {
        return;
    }
    if (stream->now_ns != log->now_ns) {
        stream->now_ns = log->now_ns;
        put64(now, log->now_ns);
        hash128_add(&stream->hash, now, sizeof now);
    }
    hash128_add(&stream->hash, log->frame + log->hashed, log->used - log->hashed);
    log->hashed = log->used;
}

/* Seals the open frame and moves it into the ring; what was not sealed nobody can read. The copy
 * costs less than it spares: hash and checksum run over memory that is warm and in one piece. */
bool swarm__log_close(struct log *log) {
    unsigned char *record;

    if (log->replaying) {
        return true;
    }

    if (!log->enabled || log->used <= LOG_HEADER) {
        log->used = 0; /* no events, no frame: a round in which nothing happened leaves no trace */
        return true;
    }
    record = ring_reserve(&log->ring, log->used);
    if (record == NULL) {
        return false;
    }
    swarm__log_flush(log);
    log->stream = NULL;
    memcpy(log->frame, LOG_MAGIC, 4);
    put32(log->frame + 8, log->used - LOG_HEADER);
    put32(log->frame + 12, SWARM_TRACE_VERSION | (log->unfinished ? LOG_UNFINISHED << 16 : 0));
    put64(log->frame + 16, log->number);
    put64(log->frame + 24, log->now_ns);
    put32(log->frame + 4, log->crc_quick ? crc32c_quick(0, log->frame + 8, log->used - 8)
                                         : crc32c(0, log->frame + 8, log->used - 8));
    memcpy(record, log->frame, log->used);
    SWARM_ASSERT(log->used <= log->capacity);
    ring_commit(&log->ring, log->used);
    hash128_add(&log->hash, log->frame, log->used);
    log->pending += log->used;
    log->number++;
    log->used = 0;
    return true;
}

/* Asked before anything is decided: a full ring stops the round between two operations, and never
 * inside of one. Then writing cannot fail. */
bool swarm__log_reserve(struct log *log, uint64_t now_ns, uint32_t events) {
    if (!log->enabled || log->replaying) {
        return true;
    }
    SWARM_ASSERT(events * LOG_EVENT_MAX <= log->capacity - LOG_HEADER);
    if (log->used != 0 &&
        (log->now_ns != now_ns || log->capacity - log->used < events * LOG_EVENT_MAX) &&
        !swarm__log_close(log)) {
        return false;
    }
    /* The frame must be sure of its place: closing it must not fail for ever. */
    if (log->used == 0) {
        if (ring_space(&log->ring) < log->capacity) {
            return false;
        }
        log->used = LOG_HEADER;
        log->now_ns = now_ns;
    }
    return true;
}

/* For a plan, whose events may fill many frames, but must not be written in part. The frames must
 * lie whole on either side of the ring's wrap, hence the two quotients and no sum of bytes. */
bool swarm__log_reserve_bytes(struct log *log, uint64_t now_ns, uint64_t bytes, bool *out_never) {
    uint64_t frame = log->capacity, payload, frames, room;

    *out_never = false;
    if (!log->enabled || log->replaying) {
        return true;
    }
    payload = frame - LOG_HEADER - LOG_EVENT_MAX; /* the last event may not fit */
    SWARM_ASSERT(payload != 0 && payload < frame);
    frames = bytes / payload + 1;
    if (frames > log->ring.capacity / (frame + RING_HEAD)) {
        *out_never = true;
        return false;
    }
    if (!swarm__log_close(log)) {
        return false;
    }
    room = ring_room_behind(&log->ring) / (frame + RING_HEAD) +
           ring_room_in_front(&log->ring) / (frame + RING_HEAD);
    return frames <= room && swarm__log_reserve(log, now_ns, 1);
}

/* LEB128: seven bits a byte, lowest first, the top bit says that more follow. Ten bytes at most. */
static unsigned char *put_varint(unsigned char *at, uint64_t value) {
    while (value >= 0x80) {
        *at++ = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    *at++ = (unsigned char)value;
    return at;
}

/* How many bytes put_varint takes. */
static uint32_t varint_size(uint64_t value) {
    uint32_t size = 1;

    for (; value >= 0x80; value >>= 7) {
        size++;
        SWARM_ASSERT(size <= 10);
    }
    return size;
}

/* Fields at the end that are 0 are left out: a reader takes what it does not find for 0. */
static uint32_t fields_used(const struct log_head *head, const uint64_t *fields) {
    uint32_t count = head->count;

    SWARM_ASSERT(count <= LOG_FIELDS_MAX);
    while (count != 0 && fields[count - 1] == 0) {
        count--;
    }
    return count;
}

uint32_t swarm__log_event_size(const struct log_head *head, const uint64_t *fields) {
    uint32_t size = 1 + varint_size(head->kind) + varint_size(head->run);
    uint32_t count = fields_used(head, fields);

    size += varint_size(head->step + 1);
    for (uint32_t i = 0; i < count; i++) {
        size += varint_size(fields[i]);
    }
    return size;
}

/* Its bytes behind `at`, which has room for LOG_EVENT_MAX; the end. */
static unsigned char *put_event(unsigned char *at, const struct log_head *head,
                                const uint64_t *fields) {
    unsigned char *start = at;
    uint32_t count = fields_used(head, fields);

    at = put_varint(at + 1, head->kind);
    at = put_varint(at, head->run);
    at = put_varint(at, head->step + 1); /* SWARM_NEVER becomes 0 */
    for (uint32_t i = 0; i < count; i++) {
        at = put_varint(at, fields[i]);
    }
    SWARM_ASSERT(at - start <= (ptrdiff_t)LOG_EVENT_MAX);
    start[0] = (unsigned char)(at - start - 1); /* below 128: a varint of one byte */
    return at;
}

/* What is decided again must be what was decided then: the same bytes. */
static void expect_event(struct log *log, struct log_stream *stream, const struct log_head *head,
                         const uint64_t *fields) {
    unsigned char event[LOG_EVENT_MAX], now[8];
    size_t size = (size_t)(put_event(event, head, fields) - event);

    SWARM_ASSERT(log->replaying);
    if (log->differs || (size_t)(log->expect_end - log->expect) < size ||
        memcmp(log->expect, event, size) != 0) {
        log->differs = true;
        return;
    }
    log->expect += size;
    log->events++;
    if (stream == NULL) {
        return;
    }
    if (stream->now_ns != log->now_ns) {
        stream->now_ns = log->now_ns;
        put64(now, log->now_ns);
        hash128_add(&stream->hash, now, sizeof now);
    }
    hash128_add(&stream->hash, event, size);
}

/* Cannot fail: room was reserved. O(bytes of the event); hash and checksum come with the frame. */
void swarm__log_event(struct log *log, struct log_stream *stream, const struct log_head *head,
                      const uint64_t *fields) {
    SWARM_ASSERT(log->enabled);
    SWARM_ASSERT(head->count <= LOG_FIELDS_MAX);
    if (log->replaying) {
        expect_event(log, stream, head, fields);
        return;
    }
    if (log->capacity - log->used < LOG_EVENT_MAX) { /* only while a plan is written: reserved */
        bool closed;

        log->unfinished = true;
        closed = swarm__log_close(log) && swarm__log_reserve(log, log->now_ns, 1);
        log->unfinished = false;
        SWARM_ASSERT(closed);
        (void)closed;
    }
    if (stream != log->stream) {
        swarm__log_flush(log);
        log->stream = stream;
        log->hashed = log->used;
    }
    log->used = (uint32_t)(put_event(log->frame + log->used, head, fields) - log->frame);
    log->events++;
    SWARM_ASSERT(log->used <= log->capacity);
}

/* As many whole frames as fit. When not even the first does, *out_needed says how much it takes. */
size_t swarm__log_read(struct log *log, void *buffer, size_t size, size_t *out_needed) {
    unsigned char *at = buffer;
    size_t total = 0, next;

    SWARM_ASSERT(buffer != NULL || size == 0);
    if (!log->enabled) {
        return 0;
    }
    for (next = ring_next_size(&log->ring); next != 0 && next <= size - total;
         next = ring_next_size(&log->ring)) {
        (void)ring_read(&log->ring, at + total, next);
        total += next;
        log->taken += next;
        log->read++;
    }
    if (out_needed != NULL && total == 0) {
        *out_needed = next;
    }
    return total;
}

size_t swarm__log_peek(const struct log *log, const void **out_bytes) {
    size_t size = log->enabled ? ring_next_size(&log->ring) : 0;

    SWARM_ASSERT(size == 0 || size >= LOG_HEADER);
    if (size != 0) {
        *out_bytes = log->ring.bytes + log->ring.read + RING_HEAD;
    }
    return size;
}

/* What was peeked at counts as read. The bytes are the ring's again. */
void swarm__log_skip(struct log *log, size_t size) {
    SWARM_ASSERT(size == ring_next_size(&log->ring));
    SWARM_ASSERT(log->read + 1 < log->number);
    ring_skip(&log->ring, size);
    log->taken += size;
    log->read++;
}

/* Everything that was read is safe: STARTs behind it may be handed out. All of it at once, since
 * frames are read in order and a writer that failed reads no more. */
void swarm__log_acknowledge(struct log *log) {
    SWARM_ASSERT(log->taken <= log->pending);
    SWARM_ASSERT(log->safe <= log->read);
    log->safe = log->read;
    log->pending -= log->taken;
    log->taken = 0;
}
