/* SPDX-License-Identifier: MIT */
/*
 * response.h - HTTP/1.1 responses (RFC 9112), read strictly and incrementally.
 *
 *     STATUS_LINE -> FIELDS -> (COUNTED | SIZE <-> CHUNK, CHUNK_END ... TRAILERS | TO_END) -> DONE
 *
 * Whatever two readers could understand differently is refused (request smuggling, RFC 9112 11.2):
 * a length beside chunks, two lengths, any transfer coding but one `chunked`, folded or LF-ended
 * lines, a blank before a colon, control characters, signs and prefixes in sizes. A connection is
 * fit for reuse only after a response whose end was marked and which nothing followed.
 *
 * Lines lie in the caller's bytes when a feed holds them whole; a part of one waits in `line`. All
 * limits are in `limits`; what a peer sends as framing must not outweigh what it frames (four to
 * one after the first 100 KiB).
 *
 * Invariant: `remaining` bytes of the body are to come in COUNTED and CHUNK; `line_size` is not 0
 * only between two feeds.
 *
 * Memory: the caller's struct and line. Threads: one a struct. Loops consume a byte a turn.
 */
#ifndef SWARM_HTTP_RESPONSE_H
#define SWARM_HTTP_RESPONSE_H

#include "swarm_http.h"

#include "bytes.h"

enum { PART_NONE = 0, PART_STATUS, PART_FIELD, PART_HEAD, PART_BODY, PART_END, PART_ERROR };

enum {
    RESPONSE_STATUS_LINE = 0,
    RESPONSE_FIELDS,
    RESPONSE_SIZE, /* the line before a chunk */
    RESPONSE_CHUNK,
    RESPONSE_CHUNK_CR,
    RESPONSE_CHUNK_LF,
    RESPONSE_TRAILERS,
    RESPONSE_COUNTED,
    RESPONSE_TO_END,
    RESPONSE_ENDING, /* complete, END not yet said */
    RESPONSE_DONE,
    RESPONSE_BROKEN
};

#define INTERIM_MAX 8u               /* heads of 1xx before the answer */
#define FRAMING_FREE (100u * 1024u)  /* bytes of chunk framing that are always allowed */
#define LENGTH_MAX (UINT64_MAX >> 1) /* of a body or a chunk */

struct response {
    uint8_t *line; /* line_max bytes for lines that a feed does not hold whole */
    uint64_t remaining;
    uint64_t framing; /* bytes that were not body, in a chunked body */
    uint64_t carried; /* bytes of body */
    uint32_t line_max;
    uint32_t line_size; /* bytes in `line` */
    uint32_t head_max;
    uint32_t head_size; /* of the head, or of the trailers */
    uint32_t fields_max;
    uint32_t fields;
    uint32_t problem; /* SWARM_HTTP_PROBLEM_*, when broken */
    uint16_t status;
    uint8_t state;
    uint8_t minor; /* of the version */
    uint8_t interim;
    bool begun; /* a byte of it has come */
    bool has_length;
    bool chunked;
    bool close; /* the peer said so */
    bool ended_by_close;
    bool poisoned;
};

struct part {
    const uint8_t *name; /* FIELD; with name_size */
    const uint8_t *bytes;
    size_t name_size;
    size_t size; /* of bytes: a field's value, a run of the body */
    uint32_t kind;
};

static inline void response_begin(struct response *response) {
    uint8_t *line = response->line;
    uint32_t line_max = response->line_max, head_max = response->head_max,
             fields_max = response->fields_max;

    memset(response, 0, sizeof *response);
    response->line = line;
    response->line_max = line_max;
    response->head_max = head_max;
    response->fields_max = fields_max;
}

static inline void response_break(struct response *response, struct part *part, uint32_t problem) {
    response->state = RESPONSE_BROKEN;
    response->problem = problem;
    response->poisoned = true;
    part->kind = PART_ERROR;
}

/* Whether a complete response leaves the connection fit for another one. */
static inline bool response_reusable(const struct response *response) {
    return response->state == RESPONSE_DONE && !response->poisoned && !response->close &&
           !response->ended_by_close && response->minor == 1;
}

/* ---- Fields -------------------------------------------------------------------------------- */

static inline bool is_name_byte(uint8_t byte) {
    bool letter = lower(byte) >= 'a' && lower(byte) <= 'z', digit = byte >= '0' && byte <= '9';

    return letter || digit || (byte != 0 && strchr("!#$%&'*+-.^_`|~", (char)byte) != NULL);
}

/* Field content: visible characters, blanks, tabs, and what is beyond ASCII. */
static inline bool is_content(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if ((bytes[i] < 0x20 && bytes[i] != '\t') || bytes[i] == 0x7F) {
            return false;
        }
    }
    return true;
}

static inline bool is_blank(uint8_t byte) {
    return byte == ' ' || byte == '\t';
}

/* Digits only, at least one. */
static inline bool read_length(const uint8_t *bytes, size_t size, uint64_t *out_length) {
    uint64_t length = 0;

    for (size_t i = 0; i < size; i++) {
        uint64_t digit = bytes[i] - (uint64_t)'0';

        if (digit > 9 || length > (LENGTH_MAX - digit) / 10) {
            return false;
        }
        length = length * 10 + digit;
    }
    *out_length = length;
    return size != 0;
}

/* Looks for a word in a list with commas. */
static inline bool list_has(const uint8_t *bytes, size_t size, const char *word) {
    size_t start = 0;

    for (size_t i = 0; i <= size; i++) {
        if (i == size || bytes[i] == ',') {
            size_t first = start, last = i;

            while (first < last && is_blank(bytes[first])) {
                first++;
            }
            while (last > first && is_blank(bytes[last - 1])) {
                last--;
            }
            if (is_text(bytes + first, last - first, word)) {
                return true;
            }
            start = i + 1;
        }
    }
    return false;
}

/* What the field means for the framing; false when it may not be. */
static inline bool response_field_framing(struct response *response, const struct part *field) {
    if (is_text(field->name, field->name_size, "content-length")) {
        bool good =
            !response->has_length && read_length(field->bytes, field->size, &response->remaining);

        response->has_length = true;
        return good;
    }
    if (is_text(field->name, field->name_size, "transfer-encoding")) {
        bool good = !response->chunked && is_text(field->bytes, field->size, "chunked");

        response->chunked = true;
        return good;
    }
    if (is_text(field->name, field->name_size, "connection")) {
        response->close = response->close || list_has(field->bytes, field->size, "close");
    }
    return true;
}

/* Splits a field line; false when it is malformed. */
static inline bool field_split(const uint8_t *line, size_t size, struct part *field) {
    size_t name = 0, last = size;

    while (name < size && is_name_byte(line[name])) {
        name++;
    }
    if (name == 0 || name == size || line[name] != ':') {
        return false; /* a folded line has no name either */
    }
    field->name = line;
    field->name_size = name++;
    while (name < size && is_blank(line[name])) {
        name++;
    }
    while (last > name && is_blank(line[last - 1])) {
        last--;
    }
    field->bytes = line + name;
    field->size = last - name;
    return is_content(field->bytes, field->size);
}

/* ---- Lines --------------------------------------------------------------------------------- */

/* HTTP/1.0 or 1.1, a blank, three digits, and perhaps a blank and a reason. */
static inline bool response_status_line(struct response *response, const uint8_t *line,
                                        size_t size) {
    uint32_t status = 0;

    if (size < 12 || memcmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') ||
        line[8] != ' ') {
        return false;
    }
    for (size_t i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9') {
            return false;
        }
        status = status * 10 + (line[i] - (uint32_t)'0');
    }
    response->minor = (uint8_t)(line[7] - '0');
    response->status = (uint16_t)status;
    return status >= 100 && status != 101 && (size == 12 || line[12] == ' ') &&
           is_content(line + 12, size - 12);
}

/* The body's framing, when the head is complete (RFC 9112 6.3). */
static inline void response_head_ends(struct response *response, struct part *part) {
    part->kind = PART_HEAD;
    response->head_size = 0;
    if (response->status < 200) {
        uint8_t interim = (uint8_t)(response->interim + 1);

        response_begin(response);
        response->interim = interim;
        response->begun = true;
        part->kind = PART_NONE;
        if (interim > INTERIM_MAX) {
            response_break(response, part, SWARM_HTTP_PROBLEM_LIMIT);
        }
    } else if (response->chunked && response->has_length) {
        response_break(response, part, SWARM_HTTP_PROBLEM_HEAD);
    } else if (response->status == 204 || response->status == 304) {
        response->state = RESPONSE_ENDING;
    } else if (response->chunked) {
        response->state = RESPONSE_SIZE;
    } else if (response->has_length) {
        response->state = response->remaining != 0 ? RESPONSE_COUNTED : RESPONSE_ENDING;
    } else {
        response->state = RESPONSE_TO_END;
        response->ended_by_close = true;
    }
}

/* A line of the head or of the trailers. */
static inline void response_field(struct response *response, const uint8_t *line, size_t size,
                                  struct part *part) {
    bool trailer = response->state == RESPONSE_TRAILERS;

    if (size == 0 && trailer) {
        response->state = RESPONSE_ENDING;
    } else if (size == 0) {
        response_head_ends(response, part);
    } else if (!field_split(line, size, part)) {
        response_break(response, part, SWARM_HTTP_PROBLEM_HEAD);
    } else if (++response->fields > response->fields_max) {
        response_break(response, part, SWARM_HTTP_PROBLEM_LIMIT);
    } else if (!trailer) {
        if (!response_field_framing(response, part)) {
            response_break(response, part, SWARM_HTTP_PROBLEM_HEAD);
        } else {
            part->kind = response->status >= 200 ? PART_FIELD : PART_NONE;
        }
    }
}

/* Bytes of a quoted string at the beginning of `at`; 0 when it is not closed. */
static inline size_t quoted_size(const uint8_t *at, size_t size) {
    size_t i = 1;

    while (i < size && at[i] != '"') {
        i += at[i] == '\\' ? 2 : 1;
    }
    return i < size ? i + 1 : 0;
}

/* Chunk extensions: `;name`, `;name=token`, `;name="text"`, any number (RFC 9112 7.1.1). They mean
 * nothing here, but what does not read like one may hide a line from another reader. */
static inline bool is_extensions(const uint8_t *at, size_t size) {
    size_t i = 0;

    while (i < size) {
        size_t name = ++i, quoted;

        if (at[name - 1] != ';') {
            return false;
        }
        while (i < size && is_name_byte(at[i])) {
            i++;
        }
        if (i == name) {
            return false;
        }
        if (i < size && at[i] == '=') {
            name = ++i;
            quoted = i < size && at[i] == '"' ? quoted_size(at + i, size - i) : 0;
            i += quoted;
            while (quoted == 0 && i < size && is_name_byte(at[i])) {
                i++;
            }
            if (i == name) {
                return false;
            }
        }
    }
    return is_content(at, size);
}

/* 1 to 16 hexadecimal digits, then nothing or extensions. */
static inline void response_chunk_size(struct response *response, const uint8_t *line, size_t size,
                                       struct part *part) {
    uint64_t length = 0;
    size_t i = 0;

    while (i < size && i < 17 && hex_digit(line[i]) < 16) {
        length = length << 4 | hex_digit(line[i++]);
    }
    if (i == 0 || i > 16 || length > LENGTH_MAX || !is_extensions(line + i, size - i)) {
        response_break(response, part, SWARM_HTTP_PROBLEM_CHUNK);
        return;
    }
    response->remaining = length;
    response->state = length != 0 ? RESPONSE_CHUNK : RESPONSE_TRAILERS;
}

static inline void response_line(struct response *response, const uint8_t *line, size_t size,
                                 struct part *part) {
    if (response->state == RESPONSE_SIZE) {
        response_chunk_size(response, line, size, part);
    } else if (response->state != RESPONSE_STATUS_LINE) {
        response_field(response, line, size, part);
    } else if (size == 0) {
        return; /* an empty line before the status line hides nothing; some servers send one */
    } else if (response_status_line(response, line, size)) {
        response->state = RESPONSE_FIELDS;
        part->kind = response->status >= 200 ? PART_STATUS : PART_NONE;
    } else {
        response_break(response, part, SWARM_HTTP_PROBLEM_HEAD);
    }
}

/* Counts a line's bytes against what its place allows. */
static inline bool response_room(struct response *response, size_t size) {
    if (response->state == RESPONSE_SIZE) {
        response->framing += size;
        return response->framing <= FRAMING_FREE || response->carried >= response->framing / 4;
    }
    response->head_size += (uint32_t)size;
    return response->head_size <= response->head_max;
}

static inline uint32_t response_line_problem(const struct response *response) {
    return response->state == RESPONSE_SIZE ? SWARM_HTTP_PROBLEM_CHUNK : SWARM_HTTP_PROBLEM_HEAD;
}

/* Whether the part of a line at hand may become one. What cannot is refused at once: a peer that
 * speaks something else might wait for us. */
static inline bool response_may_become(const struct response *response) {
    if (response->state == RESPONSE_STATUS_LINE) {
        return memcmp(response->line, "HTTP/1.",
                      response->line_size < 7 ? response->line_size : 7) == 0;
    }
    return response->state == RESPONSE_SIZE ? hex_digit(response->line[0]) < 16
                                            : is_name_byte(response->line[0]);
}

/* Keeps a part of a line. */
static inline void response_keep(struct response *response, const uint8_t *at, size_t size,
                                 struct part *part) {
    if (size > response->line_max - response->line_size || !response_room(response, size)) {
        response_break(response, part, SWARM_HTTP_PROBLEM_LIMIT);
        return;
    }
    memcpy(response->line + response->line_size, at, size);
    response->line_size += (uint32_t)size;
    if (response->line[0] != '\r' && !response_may_become(response)) {
        response_break(response, part, response_line_problem(response));
    }
}

/* Consumes a line, or a part of it. Returns the bytes consumed. */
static inline size_t response_take_line(struct response *response, const uint8_t *at, size_t size,
                                        struct part *part) {
    const uint8_t *found = memchr(at, '\n', size), *line = at;
    size_t used = found != NULL ? (size_t)(found - at) + 1 : size, line_size = used;

    if (found == NULL || response->line_size != 0) {
        response_keep(response, at, used, part);
        line = response->line;
        line_size = response->line_size;
    } else if (used > response->line_max || !response_room(response, used)) {
        response_break(response, part, SWARM_HTTP_PROBLEM_LIMIT);
    }
    if (found == NULL || part->kind == PART_ERROR) {
        return used;
    }
    response->line_size = 0;
    if (line_size < 2 || line[line_size - 2] != '\r') {
        response_break(response, part, response_line_problem(response)); /* a bare LF */
    } else {
        response_line(response, line, line_size - 2, part);
    }
    return used;
}

/* ---- Interface ----------------------------------------------------------------------------- */

/* A run of the body lies at `at`; response_take consumes it. */
static inline void response_body(struct response *response, const uint8_t *at, size_t size,
                                 struct part *part) {
    part->kind = PART_BODY;
    part->bytes = at;
    part->size = response->state != RESPONSE_TO_END && size > response->remaining
                     ? (size_t)response->remaining
                     : size;
}

static inline size_t response_byte(struct response *response, uint8_t byte, struct part *part) {
    if (byte != (response->state == RESPONSE_CHUNK_CR ? '\r' : '\n')) {
        response_break(response, part, SWARM_HTTP_PROBLEM_CHUNK);
        return 0;
    }
    response->framing++;
    response->state = response->state == RESPONSE_CHUNK_CR ? RESPONSE_CHUNK_LF : RESPONSE_SIZE;
    return 1;
}

static inline bool response_in_body(const struct response *response) {
    return response->state == RESPONSE_CHUNK || response->state == RESPONSE_COUNTED ||
           response->state == RESPONSE_TO_END;
}

/* Framing: everything but the body's bytes. */
static size_t response_frame(struct response *response, const uint8_t *bytes, size_t size,
                             struct part *part) {
    size_t used = 0;

    part->kind = PART_NONE;
    while (part->kind == PART_NONE) {
        if (response->state == RESPONSE_ENDING) {
            response->state = RESPONSE_DONE;
            part->kind = PART_END;
        } else if (response->state == RESPONSE_BROKEN) {
            part->kind = PART_ERROR;
        } else if (used == size) {
            break;
        } else if (response->state == RESPONSE_DONE) {
            response->poisoned = true;
            return size;
        } else if (response_in_body(response)) {
            response_body(response, bytes + used, size - used, part);
        } else if (response->state == RESPONSE_CHUNK_CR || response->state == RESPONSE_CHUNK_LF) {
            used += response_byte(response, bytes[used], part);
        } else {
            used += response_take_line(response, bytes + used, size - used, part);
        }
    }
    return used;
}

/* Consumes framing and returns how much. Stops behind a status line, a field or the head; at a run
 * of the body, which response_take consumes; at the end, which needs no byte; at an error. */
static inline size_t response_next(struct response *response, const uint8_t *bytes, size_t size,
                                   struct part *part) {
    response->begun = response->begun || size != 0;
    if (size != 0 && response_in_body(response)) { /* nearly always */
        response_body(response, bytes, size, part);
        return 0;
    }
    return response_frame(response, bytes, size, part);
}

/* Consumes `size` bytes of the body. */
static inline void response_take(struct response *response, size_t size) {
    response->carried += size;
    if (response->state == RESPONSE_TO_END) {
        return;
    }
    response->remaining -= size;
    if (response->remaining == 0) {
        response->state = response->state == RESPONSE_CHUNK ? RESPONSE_CHUNK_CR : RESPONSE_ENDING;
    }
}

/* The peer has closed. END when that ends the body, ERROR when it cuts the response short. */
static inline void response_end(struct response *response, struct part *part) {
    part->kind = PART_NONE;
    if (response->state == RESPONSE_TO_END) {
        response->state = RESPONSE_DONE;
        part->kind = PART_END;
    } else if (response->state < RESPONSE_ENDING) {
        response_break(response, part, SWARM_HTTP_PROBLEM_CUT);
    }
}

#endif
