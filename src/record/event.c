/* SPDX-License-Identifier: MIT */
/*
 * event.c - reading a log: swarm_event_next, one event a call.
 *
 * The reader has no state but the cursor, which the caller may copy, keep or make from nothing. It
 * works on any bytes: every length is checked before it is used, and the answer tells the three
 * ends apart: MISSING is a clean end, AGAIN a frame that is cut (more may come), CORRUPT anything
 * that no writer wrote. Fields and kinds that it does not know are skipped by their lengths.
 *
 * Invariant: offset <= end <= size in a cursor that is given back, and an error leaves it alone.
 * Cost: O(bytes); a frame's checksum is computed once, when it is entered.
 * Threads: pure.
 */
#include <string.h>

#include "../base/crc32.h"
#include "log.h"

static uint32_t get32(const unsigned char *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t get64(const unsigned char *at) {
    return (uint64_t)get32(at) | (uint64_t)get32(at + 4) << 32;
}

/* A varint in at .. end: the byte behind it, or null when it is cut or longer than 64 bits. */
static const unsigned char *get_varint(const unsigned char *at, const unsigned char *end,
                                       uint64_t *out_value) {
    uint64_t value = 0;

    SWARM_ASSERT(at <= end);
    for (uint32_t shift = 0; shift < 64 && at < end; shift += 7) {
        uint64_t digit = *at & 0x7fu;

        if (shift == 63 && digit > 1) {
            return NULL;
        }
        value |= digit << shift;
        if ((*at++ & 0x80u) == 0) {
            *out_value = value;
            return at;
        }
    }
    return NULL;
}

/* Enters the frame at cursor->offset. The magic is looked at first, as far as there are bytes:
 * three wrong bytes at the end of a file are no frame that is cut. */
static swarm_status frame_enter(const unsigned char *bytes, size_t size, swarm_log_cursor *cursor) {
    uint64_t left = size - cursor->offset, length;
    const unsigned char *at;

    SWARM_ASSERT(cursor->offset <= size);
    if (left == 0) {
        return SWARM_E_MISSING; /* `bytes` may be null */
    }
    at = bytes + cursor->offset;
    if (memcmp(at, LOG_MAGIC, left < 4 ? (size_t)left : 4) != 0) {
        return SWARM_E_CORRUPT;
    }
    if (left < LOG_HEADER) {
        return SWARM_E_AGAIN;
    }
    length = get32(at + 8);
    if (left - LOG_HEADER < length) {
        return SWARM_E_AGAIN;
    }
    if (crc32c(0, at + 8, (size_t)(LOG_HEADER - 8 + length)) != get32(at + 4)) {
        return SWARM_E_CORRUPT;
    }
    if ((get32(at + 12) & UINT16_MAX) != SWARM_TRACE_VERSION) {
        return SWARM_E_MISMATCH;
    }
    if (get64(at + 16) != cursor->frame + 1) {
        return SWARM_E_CORRUPT; /* frames are numbered without gaps */
    }
    cursor->frame++;
    cursor->now_ns = get64(at + 24);
    cursor->offset += LOG_HEADER;
    cursor->end = cursor->offset + length;
    return SWARM_OK;
}

/* Head and fields of one event. What stands behind the eighth field is of a later version. */
static bool event_decode(const unsigned char *at, const unsigned char *end, swarm_event *event) {
    uint64_t kind, step;

    SWARM_ASSERT(at <= end);
    at = get_varint(at, end, &kind);
    at = at == NULL || kind > UINT32_MAX ? NULL : get_varint(at, end, &event->run);
    at = at == NULL ? NULL : get_varint(at, end, &step);
    if (at == NULL) {
        return false;
    }
    event->kind = (uint32_t)kind;
    event->step = step - 1; /* 0 becomes SWARM_NEVER */
    for (event->fields = 0; at < end && event->fields < LOG_FIELDS_MAX; event->fields++) {
        at = get_varint(at, end, &event->field[event->fields]);
        if (at == NULL) {
            return false;
        }
    }
    return true;
}

swarm_status swarm_event_next(const void *bytes, size_t size, swarm_log_cursor *cursor,
                              swarm_event *out_event) {
    const unsigned char *base = bytes;
    swarm_event event = {0};
    swarm_log_cursor c;
    swarm_status status;
    uint64_t length;

    if ((bytes == NULL && size != 0) || cursor == NULL || out_event == NULL ||
        cursor->offset > size || cursor->end > size) {
        return SWARM_E_INVALID;
    }
    c = *cursor;
    while (c.offset >= c.end) { /* an empty frame takes at least its header: bounded by size */
        status = frame_enter(base, size, &c);
        if (status != SWARM_OK) {
            return status;
        }
    }
    const unsigned char *at = get_varint(base + c.offset, base + c.end, &length);

    if (at == NULL || length > (uint64_t)(base + c.end - at) ||
        !event_decode(at, at + length, &event)) {
        return SWARM_E_CORRUPT;
    }
    c.offset = (uint64_t)(at - base) + length;
    event.frame = c.frame;
    event.now_ns = c.now_ns;
    *cursor = c;
    *out_event = event;
    return SWARM_OK;
}
