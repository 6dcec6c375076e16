/* SPDX-License-Identifier: MIT */
/*
 * sse.h - server-sent events (WHATWG HTML, section 9.2.6), incremental at every byte.
 *
 * There is no line buffer. A field's name is compared byte by byte with "data"; the value of a data
 * line is handed out as runs of the caller's bytes, and everything else (comments, event, id,
 * retry, unknown fields) is passed over: what kind of event it is, its JSON says itself, and
 * `event:` may come after `data:`. Lines end with LF, CR or CRLF; a CR that is the last byte of a
 * feed swallows an LF at the beginning of the next one. One byte order mark may lead.
 *
 * Invariant: `data` says whether the event at hand has a data line, `join` that the LF between two
 * data lines is still to be handed out.
 *
 * Memory: the caller's struct. Threads: one a struct. Each loop consumes a byte or more a turn.
 */
#ifndef SWARM_HTTP_SSE_H
#define SWARM_HTTP_SSE_H

#include "bytes.h"

enum { SSE_NONE = 0, SSE_DATA = 1, SSE_EVENT = 2 };

/* Where a line stands. */
enum { SSE_LINE = 0, SSE_NAME, SSE_SPACE, SSE_VALUE, SSE_IGNORED };

/* How far the end of a line is looked for at once: a bound, so that many short lines in one feed
 * cost no more than their bytes. */
#define SSE_WINDOW 2048u

struct sse {
    uint8_t state;
    uint8_t matched; /* bytes of the name that are those of "data" */
    uint8_t mark;    /* bytes of a byte order mark seen; 3: past it */
    bool return_seen;
    bool data;
    bool join;
};

struct sse_part {
    const uint8_t *bytes; /* DATA: a run that sse_take consumes */
    size_t size;
    uint32_t kind;
};

static inline bool is_line_end(uint8_t byte) {
    return byte == '\n' || byte == '\r';
}

/* A line has a value of a data field, which may be empty. */
static inline void sse_data_begins(struct sse *sse) {
    sse->join = sse->data;
    sse->data = true;
}

static inline void sse_line_ends(struct sse *sse, uint8_t byte, struct sse_part *part) {
    if (sse->state == SSE_LINE && sse->data) {
        part->kind = SSE_EVENT;
        sse->data = false;
        sse->join = false;
    } else if (sse->state == SSE_NAME && sse->matched == 4) {
        sse_data_begins(sse);
    }
    sse->state = SSE_LINE;
    sse->return_seen = byte == '\r';
}

/* One byte of the beginning of a line. */
static inline void sse_name(struct sse *sse, uint8_t byte) {
    if (sse->state == SSE_LINE) {
        sse->state = SSE_NAME;
        sse->matched = 0;
    }
    if (byte == ':') {
        sse->state = sse->matched == 4 ? SSE_SPACE : SSE_IGNORED;
        if (sse->matched == 4) {
            sse_data_begins(sse);
        }
    } else if (sse->matched < 4 && byte == (uint8_t) "data"[sse->matched]) {
        sse->matched++;
    } else {
        sse->state = SSE_IGNORED;
    }
}

/* Bytes of the line before its end, or of the feed, or of the window. */
static inline size_t sse_run(const uint8_t *at, const uint8_t *end) {
    size_t size = (size_t)(end - at), i = 0;
    const uint8_t *found;

    if (size < 8) { /* drips: two calls would cost more than the bytes */
        while (i < size && !is_line_end(at[i])) {
            i++;
        }
        return i;
    }
    size = size > SSE_WINDOW ? SSE_WINDOW : size;
    found = memchr(at, '\n', size);
    size = found != NULL ? (size_t)(found - at) : size;
    found = memchr(at, '\r', size);
    return found != NULL ? (size_t)(found - at) : size;
}

/* A byte of the mark at the stream's beginning. False when it belongs to the first line; a part of
 * a mark makes the line's name an unknown one. */
static inline bool sse_mark(struct sse *sse, uint8_t byte) {
    static const uint8_t MARK[] = {0xEF, 0xBB, 0xBF};

    if (byte == MARK[sse->mark]) {
        sse->mark++;
        return true;
    }
    if (sse->mark != 0) {
        sse->state = SSE_IGNORED;
    }
    sse->mark = 3;
    return false;
}

/* Anything but the value of a data line; returns the bytes consumed. */
static inline size_t sse_byte(struct sse *sse, const uint8_t *at, const uint8_t *end,
                              struct sse_part *part) {
    bool swallowed = sse->return_seen && *at == '\n';

    sse->return_seen = false;
    if (swallowed || (sse->mark < 3 && sse_mark(sse, *at))) {
        return 1;
    }
    if (is_line_end(*at)) {
        sse_line_ends(sse, *at, part);
        return 1;
    }
    if (sse->state == SSE_IGNORED) {
        return sse_run(at, end);
    }
    if (sse->state == SSE_SPACE) {
        sse->state = SSE_VALUE;
        return *at == ' ' ? 1 : 0;
    }
    sse_name(sse, *at);
    return 1;
}

/* Whether a byte lies within a line that is passed over: then it changes nothing. */
static inline bool sse_ignores(const struct sse *sse, uint8_t byte) {
    return sse->state == SSE_IGNORED && sse->mark == 3 && !sse->return_seen && !is_line_end(byte);
}

/* Consumes what is not data and returns how much. Stops at a run of data, which sse_take consumes,
 * or behind the blank line that ends an event. */
static inline size_t sse_next(struct sse *sse, const uint8_t *bytes, size_t size,
                              struct sse_part *part) {
    const uint8_t *at = bytes, *end = bytes + size;

    part->kind = SSE_NONE;
    while (part->kind == SSE_NONE) {
        if (sse->join) {
            part->kind = SSE_DATA;
            part->bytes = (const uint8_t *)"\n";
            part->size = 1;
        } else if (at == end) {
            break;
        } else if (sse->state == SSE_VALUE && !is_line_end(*at)) {
            part->kind = SSE_DATA;
            part->bytes = at;
            part->size = 1 + sse_run(at + 1, end);
        } else {
            at += sse_byte(sse, at, end, part);
        }
    }
    return (size_t)(at - bytes);
}

/* Consumes `size` bytes of the run at hand; returns how many of them were the caller's. */
static inline size_t sse_take(struct sse *sse, size_t size) {
    bool joined = sse->join && size != 0;

    sse->join = sse->join && !joined;
    return joined ? 0 : size;
}

#endif
