/* SPDX-License-Identifier: MIT */
/*
 * turn.c - collects events into the assistant's turn, and writes it as the message that goes back.
 *
 * The memory holds SEGMENTS in the order of their arrival: a word with channel and slot, a word
 * with the size, the bytes. A fragment that continues the last segment lengthens it, so a text
 * without interruptions is one segment. What belongs to the entry at hand has the slot OPEN until
 * BIND names it. Nothing is moved when calls are interleaved; reading a channel walks all segments.
 *
 * Invariant: segments lie without gaps in [0, used); those from `entry` on may be OPEN, none
 * before.
 *
 * Memory: the caller's block. Threads: one a turn. Each loop runs over segments, slots or bytes.
 */
#include "swarm_http.h"

#include <string.h>

#include "bytes.h"

#define OPEN 0xFFFFFFu    /* slot of a segment whose entry has not ended */
#define DROPPED 0xFFFFFEu /* slot of what belongs to nobody */
#define HEADER 8u         /* bytes before a segment's text */

struct swarm_http_turn {
    unsigned char *bytes;
    size_t capacity;
    size_t used;
    size_t entry; /* where the segments of the entry at hand begin */
    size_t last;  /* the last segment; SIZE_MAX: none that may be continued */
    uint32_t slots;
    uint16_t full;
    uint16_t renamed; /* reasoning came as "reasoning" */
};

struct segment {
    uint32_t channel;
    uint32_t slot;
    uint32_t size;
};

static struct segment segment_at(const swarm_http_turn *turn, size_t at) {
    uint32_t words[2];

    memcpy(words, turn->bytes + at, HEADER);
    return (struct segment){.channel = words[0] >> 24, .slot = words[0] & 0xFFFFFFu, words[1]};
}

static void segment_put(swarm_http_turn *turn, size_t at, struct segment segment) {
    uint32_t words[2] = {segment.channel << 24 | segment.slot, segment.size};

    memcpy(turn->bytes + at, words, HEADER);
}

swarm_http_turn *swarm_http_turn_new(void *memory, size_t size) {
    unsigned char *base = memory;
    size_t shift = (16 - (uintptr_t)base % 16) % 16;
    swarm_http_turn *turn;

    if (memory == NULL || size < 256) {
        return NULL;
    }
    turn = (void *)(base + shift);
    memset(turn, 0, sizeof *turn);
    turn->bytes = base + shift + sizeof *turn;
    turn->capacity = size - shift - sizeof *turn;
    turn->capacity = turn->capacity < UINT32_MAX ? turn->capacity : UINT32_MAX;
    turn->last = SIZE_MAX;
    return turn;
}

/* ---- Adding -------------------------------------------------------------------------------- */

static swarm_status add_text(swarm_http_turn *turn, const swarm_http_event *event) {
    struct segment segment = {.channel = event->channel,
                              .slot = event->slot != SWARM_NONE ? event->slot : OPEN,
                              .size = 0};
    bool goes_on = false;

    if (turn->last != SIZE_MAX) {
        struct segment last = segment_at(turn, turn->last);

        goes_on = last.channel == segment.channel && last.slot == segment.slot;
        segment = goes_on ? last : segment;
    }
    if (event->size > turn->capacity - turn->used ||
        (!goes_on && HEADER > turn->capacity - turn->used - event->size)) {
        turn->full = 1;
        return SWARM_E_TOO_BIG;
    }
    if (!goes_on) {
        turn->last = turn->used;
        turn->used += HEADER;
    }
    memcpy(turn->bytes + turn->used, event->bytes, event->size);
    turn->used += event->size;
    segment.size += (uint32_t)event->size;
    segment_put(turn, turn->last, segment);
    return SWARM_OK;
}

/* The entry's segments belong to `slot`. Text that belongs to no entry is of no slot. */
static void bind(swarm_http_turn *turn, uint32_t slot) {
    for (size_t at = turn->entry; at < turn->used;) {
        struct segment segment = segment_at(turn, at);

        if (segment.slot == OPEN) {
            segment.slot = slot != SWARM_NONE ? slot : DROPPED;
            segment_put(turn, at, segment);
        }
        at += HEADER + segment.size;
    }
    turn->entry = turn->used;
    turn->last = SIZE_MAX;
    if (slot != SWARM_NONE && slot >= turn->slots) {
        turn->slots = slot + 1;
    }
}

swarm_status swarm_http_turn_add(swarm_http_turn *turn, const swarm_http_event *event) {
    if (turn->full != 0 && (event->kind == SWARM_HTTP_TEXT || event->kind == SWARM_HTTP_BIND)) {
        return SWARM_E_TOO_BIG;
    }
    if (event->kind == SWARM_HTTP_TEXT) {
        turn->renamed = (event->flags & SWARM_HTTP_RENAMED) != 0 ? 1 : turn->renamed;
        return add_text(turn, event);
    }
    if (event->kind == SWARM_HTTP_BIND) {
        bind(turn, event->slot);
    }
    return SWARM_OK;
}

/* ---- Reading ------------------------------------------------------------------------------- */

static bool is_of(const struct segment *segment, uint32_t channel, uint32_t slot) {
    return segment->channel == channel && segment->slot != DROPPED &&
           (slot == SWARM_NONE || segment->slot == slot);
}

uint32_t swarm_http_turn_slots(const swarm_http_turn *turn) {
    return turn->slots;
}

size_t swarm_http_turn_text(const swarm_http_turn *turn, uint32_t channel, uint32_t slot,
                            char *buffer, size_t capacity) {
    swarm_http_writer writer = {.bytes = buffer, .capacity = capacity};

    for (size_t at = 0; at < turn->used;) {
        struct segment segment = segment_at(turn, at);

        if (is_of(&segment, channel, slot)) {
            swarm_http_write(&writer, turn->bytes + at + HEADER, segment.size);
        }
        at += HEADER + segment.size;
    }
    return writer.size;
}

static bool has_text(const swarm_http_turn *turn, uint32_t channel, uint32_t slot) {
    return swarm_http_turn_text(turn, channel, slot, NULL, 0) != 0;
}

/* ---- Writing ------------------------------------------------------------------------------- */

static void write_text(swarm_http_writer *writer, const char *text) {
    swarm_http_write(writer, text, strlen(text));
}

/* A string, put together from its segments: each holds whole characters, so their escaped forms
 * join. */
static void write_channel(const swarm_http_turn *turn, uint32_t channel, uint32_t slot,
                          swarm_http_writer *writer) {
    write_text(writer, "\"");
    for (size_t at = 0; at < turn->used;) {
        struct segment segment = segment_at(turn, at);

        if (is_of(&segment, channel, slot)) {
            swarm__http_write_escaped(writer, turn->bytes + at + HEADER, segment.size);
        }
        at += HEADER + segment.size;
    }
    write_text(writer, "\"");
}

/* Whether a call's arguments are one JSON object. */
static bool arguments_are_json(const swarm_http_turn *turn, uint32_t slot) {
    swarm_http_json json;
    swarm_http_token token = {0};
    bool object = false, first = true;

    swarm_http_json_begin(&json, 0);
    for (size_t at = 0; at < turn->used;) {
        struct segment segment = segment_at(turn, at);
        const unsigned char *bytes = turn->bytes + at + HEADER;

        at += HEADER + segment.size;
        for (size_t used = 0; is_of(&segment, SWARM_HTTP_ARGUMENTS, slot) && used < segment.size;) {
            used += swarm_http_json_next(&json, bytes + used, segment.size - used, &token);
            object = object || (first && token.kind == SWARM_HTTP_JSON_OBJECT);
            first = first && token.kind == SWARM_HTTP_JSON_NONE;
            if (token.kind == SWARM_HTTP_JSON_ERROR) {
                return false;
            }
        }
    }
    return object && swarm_http_json_end(&json) == SWARM_OK;
}

bool swarm_http_turn_valid(const swarm_http_turn *turn, uint32_t slot) {
    return arguments_are_json(turn, slot);
}

/* The text of a channel as it stands: arguments that are known to be JSON. */
static void write_raw(const swarm_http_turn *turn, uint32_t slot, swarm_http_writer *writer) {
    for (size_t at = 0; at < turn->used;) {
        struct segment segment = segment_at(turn, at);

        if (is_of(&segment, SWARM_HTTP_ARGUMENTS, slot)) {
            swarm_http_write(writer, turn->bytes + at + HEADER, segment.size);
        }
        at += HEADER + segment.size;
    }
}

static swarm_status write_calls(const swarm_http_turn *turn, swarm_http_writer *writer) {
    swarm_status status = SWARM_OK;
    const char *before = ",\"tool_calls\":[";

    for (uint32_t slot = 0; slot < turn->slots; slot++) {
        write_text(writer, before);
        write_text(writer, "{\"id\":");
        write_channel(turn, SWARM_HTTP_ID, slot, writer);
        write_text(writer, ",\"type\":\"function\",\"function\":{\"name\":");
        write_channel(turn, SWARM_HTTP_NAME, slot, writer);
        write_text(writer, ",\"arguments\":");
        write_channel(turn, SWARM_HTTP_ARGUMENTS, slot, writer);
        write_text(writer, "}}");
        status = arguments_are_json(turn, slot) ? status : SWARM_E_GARBAGE;
        before = ",";
    }
    write_text(writer, turn->slots != 0 ? "]" : "");
    return status;
}

static swarm_status write_chat(const swarm_http_turn *turn, swarm_http_writer *writer) {
    swarm_status status;

    write_text(writer, "{\"role\":\"assistant\",\"content\":");
    if (turn->slots != 0 && !has_text(turn, SWARM_HTTP_CONTENT, SWARM_NONE)) {
        write_text(writer, "null");
    } else {
        write_channel(turn, SWARM_HTTP_CONTENT, SWARM_NONE, writer);
    }
    if (has_text(turn, SWARM_HTTP_REASONING, SWARM_NONE)) {
        write_text(writer, turn->renamed != 0 ? ",\"reasoning\":" : ",\"reasoning_content\":");
        write_channel(turn, SWARM_HTTP_REASONING, SWARM_NONE, writer);
    }
    if (has_text(turn, SWARM_HTTP_REFUSAL, SWARM_NONE)) {
        write_text(writer, ",\"refusal\":");
        write_channel(turn, SWARM_HTTP_REFUSAL, SWARM_NONE, writer);
    }
    status = write_calls(turn, writer);
    write_text(writer, "}");
    return status;
}

/* A block of a kind that has one text. */
static void write_block(const swarm_http_turn *turn, uint32_t channel, uint32_t slot,
                        swarm_http_writer *writer) {
    static const char *const NAMES[] = {
        [SWARM_HTTP_CONTENT] = "{\"type\":\"text\",\"text\":",
        [SWARM_HTTP_REASONING] = "{\"type\":\"thinking\",\"thinking\":",
        [SWARM_HTTP_REDACTED] = "{\"type\":\"redacted_thinking\",\"data\":",
    };

    write_text(writer, NAMES[channel]);
    write_channel(turn, channel, slot, writer);
    if (channel == SWARM_HTTP_REASONING) {
        write_text(writer, ",\"signature\":");
        write_channel(turn, SWARM_HTTP_SIGNATURE, slot, writer);
    }
    write_text(writer, "}");
}

static swarm_status write_use(const swarm_http_turn *turn, uint32_t slot,
                              swarm_http_writer *writer) {
    bool json = arguments_are_json(turn, slot);

    write_text(writer, "{\"type\":\"tool_use\",\"id\":");
    write_channel(turn, SWARM_HTTP_ID, slot, writer);
    write_text(writer, ",\"name\":");
    write_channel(turn, SWARM_HTTP_NAME, slot, writer);
    write_text(writer, ",\"input\":");
    if (json) {
        write_raw(turn, slot, writer);
    } else {
        write_text(writer, "{}");
    }
    write_text(writer, "}");
    return json || !has_text(turn, SWARM_HTTP_ARGUMENTS, slot) ? SWARM_OK : SWARM_E_GARBAGE;
}

static swarm_status write_blocks(const swarm_http_turn *turn, swarm_http_writer *writer) {
    static const uint32_t KINDS[] = {SWARM_HTTP_CONTENT, SWARM_HTTP_REASONING, SWARM_HTTP_REDACTED};
    swarm_status status = SWARM_OK;
    const char *before = "";

    write_text(writer, "{\"role\":\"assistant\",\"content\":[");
    for (uint32_t slot = 0; slot < turn->slots; slot++) {
        for (uint32_t i = 0; i < 3; i++) {
            if (has_text(turn, KINDS[i], slot)) {
                write_text(writer, before);
                write_block(turn, KINDS[i], slot, writer);
                before = ",";
            }
        }
        if (has_text(turn, SWARM_HTTP_NAME, slot)) {
            write_text(writer, before);
            status = write_use(turn, slot, writer) == SWARM_OK ? status : SWARM_E_GARBAGE;
            before = ",";
        }
    }
    write_text(writer, "]}");
    return status;
}

swarm_status swarm_http_turn_write(const swarm_http_turn *turn, uint32_t dialect,
                                   swarm_http_writer *writer) {
    return dialect == SWARM_HTTP_ANTHROPIC ? write_blocks(turn, writer) : write_chat(turn, writer);
}
