/* SPDX-License-Identifier: MIT */
/*
 * log.h - the event log on its way out: events into frames, frames into a ring (design, section 7).
 *
 * On the wire, all integers little-endian:
 *     frame   "SWL1"  crc32c:4  length:4  trace version:2  flags:2  number:8  now_ns:8  payload
 *             crc over everything behind it; length of the payload; number from 1 without gaps
 *     event   length  kind  run  step + 1 (0: none)  field...       each a varint (LEB128)
 * Fields at the end that are 0 are not written.
 * A reader skips kinds that it does not know by the length, and fields behind those it knows.
 *
 * Events of one time are gathered in the open frame, which is closed when the round ends or when it
 * is full. What one operation writes may need several frames: all but the last are flagged as
 * UNFINISHED, for they count together: half an operation was never done. A closed frame goes into
 * the ring whole; there is no room when the reader lags, and then nothing is written at all:
 * log_reserve says so before an event is decided.
 * Two hashes run along: the log's over whole frames, and each run's over its events and their
 * times.
 * A run's events are hashed in one piece for as long as no other run interrupts them.
 *
 * Threads: the turn.
 */
#ifndef SWARM_RECORD_LOG_H
#define SWARM_RECORD_LOG_H

#include "../../swarm.h"
#include "../base/arena.h"
#include "../base/hash.h"
#include "../base/ring.h"

#define LOG_HEADER 32u
#define LOG_EVENT_MAX 104u /* length, kind, run, step and 8 fields, as varints */
#define LOG_FIELDS_MAX 8u
#define LOG_MAGIC "SWL1"
#define LOG_UNFINISHED 1u /* flag of a frame: its last operation goes on in the next one */

/* The hash of a run: over its events, and over each new time before the events of that time. */
struct log_stream {
    struct hash128 hash;
    uint64_t now_ns; /* the last time that went in */
};

/* What stands before an event's fields. */
struct log_head {
    uint64_t run;
    uint64_t step;
    uint32_t kind;
    uint32_t count; /* fields */
};

/* One for a swarm. All of it is the turn's; reading and acknowledging are the owner's calls, which
 * have the turn. Invariants: safe <= read < number; taken <= pending; hashed <= used <=
 * capacity. */
struct log {
    /* Closed frames on their way out, a record each. */
    struct ring ring;
    struct log_stream *stream; /* whose events since `hashed` are not in its hash yet, or null */
    uint32_t hashed;           /* offset in the open frame */
    unsigned char *frame;      /* the open one, header first */
    uint32_t capacity;         /* of frame */
    uint32_t used;             /* 0: none is open */
    uint64_t now_ns;           /* of the open frame */
    uint64_t number;           /* of the open frame, or of the next one */
    uint64_t read;             /* the last frame that was read out */
    uint64_t safe;             /* the last frame that was acknowledged */
    /* Written or compared so far. */
    uint64_t events;
    uint64_t pending; /* bytes in closed frames that are not acknowledged */
    uint64_t taken;   /* of these, bytes that were read out */
    /* Over all closed frames: what swarm_stats gives as the hash of the log. */
    struct hash128 hash;
    const unsigned char *expect, *expect_end; /* of a log that is being replayed: what comes next */
    bool enabled;
    bool crc_quick;  /* the processor has an instruction for the checksum */
    bool replaying;  /* events are compared with what is expected, and not written */
    bool differs;    /* one was another one */
    bool unfinished; /* the frame is closed in the middle of an operation */
};

/* Takes the memory: nothing when bytes is SWARM_NEVER. */
void swarm__log_layout(struct log *log, struct arena *arena, uint64_t bytes);
void swarm__log_start(struct log *log, uint64_t bytes);

/* Makes sure that `events` events of time now_ns can be written: false when the ring is full. */
bool swarm__log_reserve(struct log *log, uint64_t now_ns, uint32_t events);
/* The same for a plan: this many bytes of events in a row. *out_never: not even an empty ring. */
bool swarm__log_reserve_bytes(struct log *log, uint64_t now_ns, uint64_t bytes, bool *out_never);

/* The bytes of an event. */
uint32_t swarm__log_event_size(const struct log_head *head, const uint64_t *fields);
/* Writes an event of the reserved time, or, in a replay, compares it with what is expected. A
 * stream of null is for events of no run. */
void swarm__log_event(struct log *log, struct log_stream *stream, const struct log_head *head,
                      const uint64_t *fields);

/* Brings the hash of the run whose events came last up to date. */
void swarm__log_flush(struct log *log);

/* Closes the open frame: false when the ring has no room for it. */
bool swarm__log_close(struct log *log);

size_t swarm__log_read(struct log *log, void *buffer, size_t size, size_t *out_needed);
/* The same without a copy: size of the oldest frame, 0 when there is none; then it is skipped. */
size_t swarm__log_peek(const struct log *log, const void **out_bytes);
void swarm__log_skip(struct log *log, size_t size);

/* What was read is safe. */
void swarm__log_acknowledge(struct log *log);

/* Whether everything up to this frame is safe. */
static inline bool log_is_safe(const struct log *log, uint64_t frame) {
    return !log->enabled || frame <= log->safe;
}

#endif
