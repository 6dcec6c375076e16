/* SPDX-License-Identifier: MIT */
/*
 * test_http.h - feeds a wire in pieces and writes what it says as one line, fragments joined.
 *
 *     verdict content=... reasoning=... refusal=... call(id name arguments)... finish=...
 *     usage=input/output/cached error=...
 *
 * The verdict is ok, incomplete or error, with the problem's number and the outcome. Whatever is
 * empty is left out, so that expectations in tables are short.
 */
#ifndef SWARM_TESTS_TEST_HTTP_H
#define SWARM_TESTS_TEST_HTTP_H

#include "../backends/http/swarm_http.h"
#include "test.h"

struct pieces {
    size_t first;  /* size of the first feed; 0: `step` */
    size_t step;   /* size of the others; 0: random */
    uint64_t seed; /* of random sizes */
    uint32_t dialect;
    uint32_t flags;
};

struct heard {
    char line[1 << 17];
    size_t size;
    uint32_t status;
    uint32_t problem;
    uint32_t ends; /* END events: must be 1 */
    swarm_outcome outcome;
    bool idle; /* fit for reuse */
};

static void heard_add(struct heard *heard, const char *text, size_t size) {
    size_t room = sizeof heard->line - 1 - heard->size;

    size = size < room ? size : room;
    memcpy(heard->line + heard->size, text, size);
    heard->size += size;
    heard->line[heard->size] = '\0';
}

static void heard_text(struct heard *heard, const char *text) {
    heard_add(heard, text, strlen(text));
}

static void heard_channel(struct heard *heard, const swarm_http_turn *turn, const char *name,
                          uint32_t channel, uint32_t slot) {
    static char text[1 << 16];
    size_t size = swarm_http_turn_text(turn, channel, slot, text, sizeof text);

    if (size != 0) {
        heard_text(heard, name);
        heard_add(heard, text, size < sizeof text ? size : sizeof text);
    }
}

static void heard_usage(struct heard *heard, const char *before, uint64_t tokens) {
    char text[32];

    snprintf(text, sizeof text, "%" PRIu64, tokens);
    heard_text(heard, before);
    heard_text(heard, tokens == SWARM_NEVER ? "?" : text);
}

/* What is told behind the turn's texts. */
struct told {
    swarm_http_event usage;
    char finish[64];
    bool used;
};

static void heard_write(struct heard *heard, const swarm_http_turn *turn, const struct told *told) {
    char text[64];

    snprintf(text, sizeof text, "%s",
             heard->problem == 0 || heard->problem == SWARM_HTTP_PROBLEM_EMPTY ? "ok"
             : heard->problem == SWARM_HTTP_PROBLEM_CUT ||
                     heard->problem == SWARM_HTTP_PROBLEM_UNFINISHED
                 ? "incomplete"
                 : "error");
    heard_text(heard, text);
    heard_channel(heard, turn, " content=", SWARM_HTTP_CONTENT, SWARM_NONE);
    heard_channel(heard, turn, " reasoning=", SWARM_HTTP_REASONING, SWARM_NONE);
    heard_channel(heard, turn, " refusal=", SWARM_HTTP_REFUSAL, SWARM_NONE);
    for (uint32_t slot = 0; slot < swarm_http_turn_slots(turn); slot++) {
        if (swarm_http_turn_text(turn, SWARM_HTTP_NAME, slot, NULL, 0) +
                swarm_http_turn_text(turn, SWARM_HTTP_ARGUMENTS, slot, NULL, 0) !=
            0) {
            heard_text(heard, " call(");
            heard_channel(heard, turn, "", SWARM_HTTP_ID, slot);
            heard_channel(heard, turn, " ", SWARM_HTTP_NAME, slot);
            heard_channel(heard, turn, " ", SWARM_HTTP_ARGUMENTS, slot);
            heard_text(heard, ")");
        }
    }
    if (told->finish[0] != '\0') {
        heard_text(heard, " finish=");
        heard_text(heard, told->finish);
    }
    if (told->used) {
        heard_usage(heard, " usage=", told->usage.input_tokens);
        heard_usage(heard, "/", told->usage.output_tokens);
        heard_usage(heard, "/", told->usage.cached_tokens);
    }
    heard_channel(heard, turn, " error=", SWARM_HTTP_ERROR, SWARM_NONE);
}

static void heard_event(struct heard *heard, struct told *told, const swarm_http_event *event) {
    switch (event->kind) {
    case SWARM_HTTP_HEAD:
        heard->status = event->status;
        break;
    case SWARM_HTTP_USAGE:
        told->usage = *event;
        told->used = true;
        break;
    case SWARM_HTTP_FINISH:
        snprintf(told->finish, sizeof told->finish, "%.*s", (int)event->size, event->bytes);
        break;
    case SWARM_HTTP_END:
        heard->problem = event->problem;
        heard->outcome = event->outcome;
        heard->status = event->status;
        heard->ends++;
        break;
    case SWARM_HTTP_IDLE:
        heard->idle = true;
        break;
    case SWARM_HTTP_CLOSE:
        heard->idle = false; /* bytes that nobody asked for */
        break;
    default:
        break;
    }
}

static size_t piece_size(const struct pieces *pieces, uint64_t *draws, size_t at, size_t left) {
    size_t size = at == 0 && pieces->first != 0 ? pieces->first : pieces->step;

    if (size == 0) {
        uint64_t draw = swarm_random(pieces->seed, 7, (*draws)++);

        size = 1 + (size_t)((draw >> 8) % (1u << (draw % 11)));
    }
    return size < left ? size : left;
}

/* Feeds all of `bytes`, then the end of the connection. */
static void hear(const char *bytes, size_t size, const struct pieces *pieces, struct heard *heard) {
    static uint64_t memory[2048], room[1 << 15];
    static const swarm_http_limits limits = {.line_max = 4096};
    swarm_http_wire *wire = swarm_http_wire_new(&limits, memory, sizeof memory);
    swarm_http_turn *turn = swarm_http_turn_new(room, sizeof room);
    swarm_http_event event = {0};
    struct told told = {0};
    uint64_t draws = 0;
    bool idle;

    memset(heard, 0, offsetof(struct heard, line) + 1);
    heard->size = 0;
    heard->status = heard->problem = heard->ends = 0;
    heard->outcome = 0;
    heard->idle = false;
    swarm_http_wire_begin(wire, pieces->dialect, pieces->flags);
    for (size_t at = 0, feed; at < size; at += feed) {
        char *copy;
        size_t used = 0;

        feed = piece_size(pieces, &draws, at, size - at);
        copy = malloc(feed);
        memcpy(copy, bytes + at, feed);
        do {
            used += swarm_http_wire_input(wire, copy + used, feed - used, &event);
            (void)swarm_http_turn_add(turn, &event);
            heard_event(heard, &told, &event);
        } while (event.kind != SWARM_HTTP_NONE);
        CHECK_EQ(used, feed);
        free(copy);
    }
    idle = heard->idle; /* the end of the connection does not count */
    do {
        swarm_http_wire_end(wire, &event);
        (void)swarm_http_turn_add(turn, &event);
        heard_event(heard, &told, &event);
    } while (event.kind != SWARM_HTTP_NONE);
    heard->idle = idle;
    CHECK_EQ(heard->ends, 1);
    heard_write(heard, turn, &told);
}

static struct heard heard_whole, heard_pieces;

static void same_in_piece(const char *bytes, size_t size, const struct pieces *pieces,
                          const char *name) {
    hear(bytes, size, pieces, &heard_pieces);
    if (strcmp(heard_whole.line, heard_pieces.line) != 0 ||
        heard_whole.problem != heard_pieces.problem || heard_whole.idle != heard_pieces.idle) {
        char text[256];

        snprintf(text, sizeof text, "%s: first %zu step %zu seed %" PRIu64, name, pieces->first,
                 pieces->step, pieces->seed);
        test_fail(__FILE__, __LINE__, text);
    }
}

/* Hears it whole, byte by byte, cut in two at (up to) `cuts` places, and in random pieces. */
static void hear_in_pieces(const char *bytes, size_t size, struct pieces pieces, const char *name) {
    size_t cuts = test_long ? size : 400, stride = size <= cuts ? 1 : size / cuts;

    pieces.step = SIZE_MAX;
    hear(bytes, size, &pieces, &heard_whole);
    pieces.step = 1;
    same_in_piece(bytes, size, &pieces, name);
    pieces.step = SIZE_MAX;
    for (size_t cut = 1; cut < size && !test_failed(); cut += stride) {
        pieces.first = cut;
        same_in_piece(bytes, size, &pieces, name);
    }
    pieces.step = pieces.first = 0;
    for (uint64_t seed = 0; seed < (test_long ? 1000u : 20u) && !test_failed(); seed++) {
        pieces.seed = seed;
        same_in_piece(bytes, size, &pieces, name);
    }
}

#endif
