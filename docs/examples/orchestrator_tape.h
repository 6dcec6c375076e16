/* SPDX-License-Identifier: MIT */
/*
 * orchestrator_tape.h - a transport that records another one, and one that plays the record back.
 *
 * An exchange is kept under the hash of its request's body, so that a replay finds it in whatever
 * order requests come; heads, and with them keys, are not on the tape. In the file:
 *
 *     tape HASH MILLISECONDS SIZE LF, then SIZE bytes of response, LF
 *
 * A replay gives the whole response after so many milliseconds of virtual time. Equal requests are
 * answered with the next exchange of that hash, the last one again and again.
 *
 * Memory: the tape of a replay is read whole. Threads: one.
 */
#ifndef SWARM_EXAMPLES_ORCHESTRATOR_TAPE_H
#define SWARM_EXAMPLES_ORCHESTRATOR_TAPE_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/http/swarm_http.h"

#define TAPE_LINES 64
#define TAPE_EXCHANGES 1024

/* A connection: the request that is being sent, the response that comes. */
struct tape_line {
    char head[2048]; /* the end of the head is looked for here */
    size_t head_size;
    uint64_t body_size; /* from Content-Length */
    uint64_t body_seen;
    uint64_t hash;
    uint64_t start_ns;
    uint64_t end_ns; /* of the last byte that came */
    char *response;  /* recording */
    size_t response_size;
    uint32_t exchange; /* replaying: 1 + index */
    size_t given;
    bool open;
    bool whole; /* the request is complete */
};

struct tape_exchange {
    uint64_t hash;
    uint64_t milliseconds;
    const char *bytes;
    size_t size;
    bool used;
};

struct tape {
    struct tape_line lines[TAPE_LINES];
    struct tape_exchange exchanges[TAPE_EXCHANGES];
    swarm_http_transport inner; /* recording */
    FILE *file;
    char *bytes; /* replaying */
    uint32_t count;
};

/* ---- Requests ------------------------------------------------------------------------------ */

/* Looks at bytes of a request that are being sent. */
static inline void tape_request(struct tape_line *line, const char *bytes, size_t size,
                                uint64_t now_ns) {
    for (size_t i = 0; i < size; i++) {
        const char *length;

        if (line->body_size != 0) {
            line->hash = (line->hash ^ (uint8_t)bytes[i]) * 0x100000001B3u; /* FNV-1a */
            line->body_seen++;
            continue;
        }
        if (line->head_size < sizeof line->head - 1) {
            line->head[line->head_size++] = bytes[i];
            line->head[line->head_size] = '\0';
        }
        if (line->head_size > 4 && strcmp(line->head + line->head_size - 4, "\r\n\r\n") == 0) {
            length = strstr(line->head, "Content-Length: ");
            line->body_size = length != NULL ? strtoull(length + 16, NULL, 10) : 1;
            line->hash = 0xCBF29CE484222325u;
        }
    }
    if (line->body_size != 0 && line->body_seen == line->body_size && !line->whole) {
        line->whole = true;
        line->start_ns = now_ns;
    }
}

/* ---- Recording ----------------------------------------------------------------------------- */

/* Writes the exchange of a connection, when there is one, and begins the next. */
static inline void tape_flush(struct tape *tape, struct tape_line *line) {
    bool open = line->open;

    if (line->whole && line->response_size != 0) {
        fprintf(tape->file, "tape %016" PRIx64 " %" PRIu64 " %zu\n", line->hash,
                (line->end_ns - line->start_ns) / 1000000, line->response_size);
        fwrite(line->response, 1, line->response_size, tape->file);
        fputc('\n', tape->file);
    }
    free(line->response);
    memset(line, 0, sizeof *line);
    line->open = open;
}

static inline uint64_t record_open(void *context, const char *host, uint64_t now_ns) {
    struct tape *tape = context;
    uint64_t number = tape->inner.open(tape->inner.context, host, now_ns);

    if (number < TAPE_LINES) {
        memset(&tape->lines[number], 0, sizeof tape->lines[number]);
        tape->lines[number].open = true;
    }
    return number;
}

static inline size_t record_send(void *context, uint64_t connection, const void *bytes, size_t size,
                                 uint64_t now_ns) {
    struct tape *tape = context;
    struct tape_line *line = &tape->lines[connection];
    size_t sent = tape->inner.send(tape->inner.context, connection, bytes, size, now_ns);

    if (sent != 0 && sent != SIZE_MAX) {
        if (line->response_size != 0) {
            tape_flush(tape, line); /* the connection is used again */
        }
        tape_request(line, bytes, sent, now_ns);
    }
    return sent;
}

static inline size_t record_recv(void *context, uint64_t connection, void *buffer, size_t capacity,
                                 uint64_t now_ns) {
    struct tape *tape = context;
    struct tape_line *line = &tape->lines[connection];
    size_t size = tape->inner.recv(tape->inner.context, connection, buffer, capacity, now_ns);

    if (size != 0 && size != SIZE_MAX) {
        line->end_ns = now_ns;
        char *more = realloc(line->response, line->response_size + size);

        if (more != NULL) {
            memcpy(more + line->response_size, buffer, size);
            line->response = more;
            line->response_size += size;
        }
    }
    return size;
}

static inline void record_close(void *context, uint64_t connection) {
    struct tape *tape = context;

    tape_flush(tape, &tape->lines[connection]);
    tape->lines[connection].open = false;
    tape->inner.close(tape->inner.context, connection);
}

static inline bool tape_record(struct tape *tape, const char *path,
                               swarm_http_transport *transport) {
    tape->inner = *transport;
    tape->file = fopen(path, "wb");
    *transport = (swarm_http_transport){.size = sizeof *transport,
                                        .context = tape,
                                        .open = record_open,
                                        .send = record_send,
                                        .recv = record_recv,
                                        .close = record_close};
    return tape->file != NULL;
}

/* ---- Replaying ----------------------------------------------------------------------------- */

static inline uint64_t replay_open(void *context, const char *host, uint64_t now_ns) {
    struct tape *tape = context;

    (void)host;
    (void)now_ns;
    for (uint64_t i = 0; i < TAPE_LINES; i++) {
        if (!tape->lines[i].open) {
            memset(&tape->lines[i], 0, sizeof tape->lines[i]);
            tape->lines[i].open = true;
            return i;
        }
    }
    return SWARM_NEVER;
}

/* The exchange for a request: one that was not used before, else the last of its hash. */
static inline uint32_t tape_find(struct tape *tape, uint64_t hash) {
    uint32_t found = 0;

    for (uint32_t i = 0; i < tape->count; i++) {
        if (tape->exchanges[i].hash == hash) {
            found = i + 1;
            if (!tape->exchanges[i].used) {
                tape->exchanges[i].used = true;
                return found;
            }
        }
    }
    return found;
}

static inline size_t replay_send(void *context, uint64_t connection, const void *bytes, size_t size,
                                 uint64_t now_ns) {
    struct tape *tape = context;
    struct tape_line *line = &tape->lines[connection];

    if (line->exchange != 0) { /* the next request on this connection */
        memset(line, 0, sizeof *line);
        line->open = true;
    }
    tape_request(line, bytes, size, now_ns);
    if (line->whole) {
        line->exchange = tape_find(tape, line->hash);
        if (line->exchange == 0) {
            fprintf(stderr, "replay: this request is not on the tape\n");
            return SIZE_MAX;
        }
    }
    return size;
}

static inline uint64_t replay_due(const struct tape *tape, const struct tape_line *line) {
    return line->start_ns + tape->exchanges[line->exchange - 1].milliseconds * 1000000;
}

static inline size_t replay_recv(void *context, uint64_t connection, void *buffer, size_t capacity,
                                 uint64_t now_ns) {
    struct tape *tape = context;
    struct tape_line *line = &tape->lines[connection];
    const struct tape_exchange *exchange;
    size_t size;

    if (line->exchange == 0) {
        return line->whole ? SIZE_MAX : 0;
    }
    if (now_ns < replay_due(tape, line)) {
        return 0;
    }
    exchange = &tape->exchanges[line->exchange - 1];
    size = exchange->size - line->given;
    size = size < capacity ? size : capacity;
    memcpy(buffer, exchange->bytes + line->given, size);
    line->given += size;
    return size;
}

static inline void replay_close(void *context, uint64_t connection) {
    ((struct tape *)context)->lines[connection].open = false;
}

static inline uint64_t replay_next(void *context) {
    struct tape *tape = context;
    uint64_t due = SWARM_NEVER;

    for (uint32_t i = 0; i < TAPE_LINES; i++) {
        const struct tape_line *line = &tape->lines[i];

        if (line->open && line->exchange != 0 &&
            line->given < tape->exchanges[line->exchange - 1].size) {
            uint64_t when = replay_due(tape, line);

            due = when < due ? when : due;
        }
    }
    return due;
}

/* Reads the lines of a tape that is in memory. */
static inline bool tape_index(struct tape *tape, size_t size) {
    size_t at = 0;

    while (at < size && tape->count < TAPE_EXCHANGES) {
        struct tape_exchange *exchange = &tape->exchanges[tape->count];
        int used = 0;

        if (sscanf(tape->bytes + at, "tape %" SCNx64 " %" SCNu64 " %zu%n", &exchange->hash,
                   &exchange->milliseconds, &exchange->size, &used) != 3) {
            return false;
        }
        at += (size_t)used + 1;
        if (at > size || exchange->size > size - at) {
            return false;
        }
        exchange->bytes = tape->bytes + at;
        at += exchange->size + 1;
        tape->count++;
    }
    return true;
}

static inline bool tape_replay(struct tape *tape, const char *path,
                               swarm_http_transport *transport) {
    FILE *file = fopen(path, "rb");
    size_t size = 0, room = (size_t)1 << 24;

    tape->bytes = file != NULL ? calloc(1, room + 1) : NULL;
    if (tape->bytes != NULL) {
        size = fread(tape->bytes, 1, room, file);
    }
    if (file != NULL) {
        fclose(file);
    }
    *transport = (swarm_http_transport){.size = sizeof *transport,
                                        .context = tape,
                                        .open = replay_open,
                                        .send = replay_send,
                                        .recv = replay_recv,
                                        .close = replay_close,
                                        .next = replay_next};
    return tape->bytes != NULL && tape_index(tape, size);
}

static inline void tape_end(struct tape *tape) {
    if (tape->file != NULL) {
        fclose(tape->file);
    }
    free(tape->bytes);
}

#endif
