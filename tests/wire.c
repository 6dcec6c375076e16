/* SPDX-License-Identifier: MIT */
/*
 * wire.c - what the HTTP backend makes of bytes, for scripts to check.
 *
 *     wire decode [--dialect chat|anthropic] [--no-stream] [--feed whole|1|N|random:SEED] FILE
 *     wire json FILE          exit status 0: accepted, 1: refused
 *     wire response FILE      a raw response
 *     wire request --model M --messages FILE.json [--tools FILE.json] [--set key=json]...
 *
 * Results are one line of JSON. Wrong usage, or a file that can't be read, exits 2.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../backends/http/bytes.h"
#include "../backends/http/response.h"
#include "../backends/http/swarm_http.h"

struct bytes {
    char *at;
    size_t size;
};

static void fail(const char *text) {
    fprintf(stderr, "wire: %s\n", text);
    exit(2);
}

static void usage(void) {
    fail("usage: wire decode [--dialect chat|anthropic] [--no-stream]"
         " [--feed whole|1|N|random:SEED] FILE | wire json FILE | wire response FILE |"
         " wire request --model M --messages FILE.json [--tools FILE.json] [--set key=json]...");
}

static struct bytes file_read(const char *path) {
    FILE *file = fopen(path, "rb");
    struct bytes bytes = {NULL, 0};
    size_t room = 4096, got;

    if (file == NULL) {
        fail("can't read the file");
    }
    bytes.at = malloc(room);
    while (bytes.at != NULL &&
           (got = fread(bytes.at + bytes.size, 1, room - bytes.size, file)) != 0) {
        bytes.size += got;
        if (bytes.size == room) {
            room *= 2;
            bytes.at = realloc(bytes.at, room);
        }
    }
    if (bytes.at == NULL || ferror(file) != 0) {
        fail("can't read the file");
    }
    fclose(file);
    return bytes;
}

/* ---- Output -------------------------------------------------------------------------------- */

static swarm_http_writer output;

static void put(const char *text) {
    swarm_http_write(&output, text, strlen(text));
}

static void put_string(const void *bytes, size_t size) {
    swarm_http_write_string(&output, bytes, size);
}

static void put_number(uint64_t number) {
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, number);
    put(number == SWARM_NEVER ? "null" : text);
}

static void output_begin(size_t size) {
    output.capacity = size * 8 + 4096;
    output.bytes = malloc(output.capacity);
    if (output.bytes == NULL) {
        fail("no memory");
    }
}

static void output_end(void) {
    put("\n");
    fwrite(output.bytes, 1, output.size, stdout);
    free(output.bytes);
}

/* ---- Feeding ------------------------------------------------------------------------------- */

struct feed {
    size_t step;   /* bytes a feed; 0: random */
    uint64_t seed; /* of random sizes */
    uint64_t draws;
};

static struct feed feed_read(const char *text) {
    struct feed feed = {.step = SIZE_MAX};
    char *end = NULL;

    if (strcmp(text, "whole") == 0) {
        return feed;
    }
    if (strncmp(text, "random:", 7) == 0) {
        feed.step = 0;
        feed.seed = strtoull(text + 7, &end, 10);
    } else {
        feed.step = strtoull(text, &end, 10);
    }
    if (end == NULL || *end != '\0' || end == text || (feed.step == 0 && text[0] != 'r')) {
        usage();
    }
    return feed;
}

static size_t feed_size(struct feed *feed, size_t left) {
    size_t size = feed->step;

    if (size == 0) {
        uint64_t draw = swarm_random(feed->seed, 1, feed->draws++);

        size = 1 + (size_t)((draw >> 8) % (1u << (draw % 12)));
    }
    return size < left ? size : left;
}

/* ---- decode -------------------------------------------------------------------------------- */

struct decoded {
    swarm_http_turn *turn;
    swarm_http_event end;
    swarm_http_event usage;
    char finish[64];
    char type[64];
    char code[64];
    bool ended;
};

static void text_copy(char *to, size_t room, const char *bytes, size_t size) {
    size = size < room - 1 ? size : room - 1;
    memcpy(to, bytes, size);
    to[size] = '\0';
}

static void decoded_add(struct decoded *decoded, const swarm_http_event *event) {
    (void)swarm_http_turn_add(decoded->turn, event);
    if (event->kind == SWARM_HTTP_USAGE) {
        decoded->usage = *event;
    } else if (event->kind == SWARM_HTTP_FINISH) {
        text_copy(decoded->finish, sizeof decoded->finish, event->bytes, event->size);
    } else if (event->kind == SWARM_HTTP_END) {
        decoded->end = *event;
        decoded->ended = true;
        text_copy(decoded->type, sizeof decoded->type, event->bytes, event->size);
        text_copy(decoded->code, sizeof decoded->code, event->name, event->name_size);
    }
}

static void decode_all(swarm_http_wire *wire, struct bytes body, struct feed feed,
                       struct decoded *decoded) {
    swarm_http_event event;

    for (size_t at = 0; at < body.size && !decoded->ended;) {
        size_t size = feed_size(&feed, body.size - at);

        /* A copy of exactly these bytes: reading beyond them would show. */
        char *copy = malloc(size);
        size_t used = 0;

        if (copy == NULL) {
            fail("no memory");
        }
        memcpy(copy, body.at + at, size);
        do {
            used += swarm_http_wire_input(wire, copy + used, size - used, &event);
            decoded_add(decoded, &event);
        } while (event.kind != SWARM_HTTP_NONE);
        free(copy);
        at += size;
    }
    while (!decoded->ended) {
        swarm_http_wire_end(wire, &event);
        decoded_add(decoded, &event);
    }
}

static void put_channel(const swarm_http_turn *turn, uint32_t channel, uint32_t slot) {
    size_t size = swarm_http_turn_text(turn, channel, slot, NULL, 0);
    char *text = malloc(size + 1);

    if (text == NULL) {
        fail("no memory");
    }
    swarm_http_turn_text(turn, channel, slot, text, size);
    put_string(text, size);
    free(text);
}

static void put_calls(const swarm_http_turn *turn, bool blocks) {
    const char *before = "";

    put(",\"tool_calls\":[");
    for (uint32_t slot = 0; slot < swarm_http_turn_slots(turn); slot++) {
        if (blocks && swarm_http_turn_text(turn, SWARM_HTTP_NAME, slot, NULL, 0) == 0) {
            continue;
        }
        put(before);
        put("{\"id\":");
        put_channel(turn, SWARM_HTTP_ID, slot);
        put(",\"name\":");
        put_channel(turn, SWARM_HTTP_NAME, slot);
        put(",\"arguments\":");
        if (blocks && swarm_http_turn_text(turn, SWARM_HTTP_ARGUMENTS, slot, NULL, 0) == 0) {
            put("\"{}\""); /* a call without arguments has an empty object, never nothing */
        } else {
            put_channel(turn, SWARM_HTTP_ARGUMENTS, slot);
        }
        put("}");
        before = ",";
    }
    put("]");
}

static void put_error(const struct decoded *decoded) {
    const char *text = swarm_http_problem_text(decoded->end.problem);

    put(",\"error\":");
    if (decoded->end.problem == SWARM_HTTP_PROBLEM_NONE ||
        decoded->end.problem == SWARM_HTTP_PROBLEM_EMPTY) {
        put("null");
        return;
    }
    put("{\"problem\":");
    put_string(text, strlen(text));
    put(",\"message\":");
    put_channel(decoded->turn, SWARM_HTTP_ERROR, SWARM_NONE);
    put(",\"type\":");
    put_string(decoded->type, strlen(decoded->type));
    put(",\"code\":");
    put_string(decoded->code, strlen(decoded->code));
    put("}");
}

static void decoded_print(const struct decoded *decoded, bool stream, bool blocks) {
    bool good = decoded->end.problem == SWARM_HTTP_PROBLEM_NONE ||
                decoded->end.problem == SWARM_HTTP_PROBLEM_EMPTY;

    put(good                           ? "{\"status\":\"ok\""
        : decoded->end.incomplete != 0 ? "{\"status\":\"incomplete\""
                                       : "{\"status\":\"error\"");
    put(",\"content\":");
    put_channel(decoded->turn, SWARM_HTTP_CONTENT, SWARM_NONE);
    put(",\"reasoning\":");
    put_channel(decoded->turn, SWARM_HTTP_REASONING, SWARM_NONE);
    put_calls(decoded->turn, blocks);
    put(",\"finish_reason\":");
    if (decoded->finish[0] == '\0') {
        put("null");
    } else {
        put_string(decoded->finish, strlen(decoded->finish));
    }
    put(",\"usage\":{\"prompt_tokens\":");
    put_number(decoded->usage.input_tokens);
    put(",\"completion_tokens\":");
    put_number(decoded->usage.output_tokens);
    put(",\"cached_tokens\":");
    put_number(decoded->usage.cached_tokens);
    put("},\"done\":");
    put(decoded->end.done != 0 ? "true" : stream ? "false" : "null");
    put_error(decoded);
    put("}");
}

static int decode(int count, char **arguments) {
    static uint64_t memory[8192];
    swarm_http_wire *wire = swarm_http_wire_new(NULL, memory, sizeof memory);
    uint32_t dialect = SWARM_HTTP_CHAT, flags = SWARM_HTTP_BODY_ONLY;
    struct decoded decoded = {.usage = {.input_tokens = SWARM_NEVER,
                                        .cached_tokens = SWARM_NEVER,
                                        .output_tokens = SWARM_NEVER}};
    struct feed feed = {.step = SIZE_MAX};
    const char *path = NULL;
    struct bytes body;
    void *room;

    for (int i = 0; i < count; i++) {
        const char *value = i + 1 < count ? arguments[i + 1] : "";

        if (strcmp(arguments[i], "--dialect") == 0) {
            dialect = strcmp(value, "anthropic") == 0 ? SWARM_HTTP_ANTHROPIC : SWARM_HTTP_CHAT;
            i += dialect == SWARM_HTTP_ANTHROPIC || strcmp(value, "chat") == 0 ? 1 : count;
        } else if (strcmp(arguments[i], "--no-stream") == 0) {
            flags |= SWARM_HTTP_PLAIN;
        } else if (strcmp(arguments[i], "--feed") == 0) {
            feed = feed_read(value);
            i++;
        } else if (arguments[i][0] == '-' || path != NULL) {
            usage();
        } else {
            path = arguments[i];
        }
        if (i >= count) {
            usage();
        }
    }
    if (path == NULL) {
        usage();
    }
    body = file_read(path);
    room = malloc(body.size * 16 + 4096);
    decoded.turn = swarm_http_turn_new(room, body.size * 16 + 4096);
    if (decoded.turn == NULL || wire == NULL) {
        fail("no memory");
    }
    swarm_http_wire_begin(wire, dialect, flags);
    decode_all(wire, body, feed, &decoded);
    output_begin(body.size);
    decoded_print(&decoded, (flags & SWARM_HTTP_PLAIN) == 0, dialect == SWARM_HTTP_ANTHROPIC);
    output_end();
    free(room);
    free(body.at);
    return 0;
}

/* ---- json, response ------------------------------------------------------------------------ */

static int json(const char *path) {
    struct bytes text = file_read(path);
    swarm_http_json state;
    swarm_http_token token = {0};
    swarm_status status;

    swarm_http_json_begin(&state, 0);
    for (size_t at = 0; at < text.size && token.kind != SWARM_HTTP_JSON_ERROR;) {
        at += swarm_http_json_next(&state, text.at + at, text.size - at, &token);
    }
    status = swarm_http_json_end(&state);
    free(text.at);
    return status == SWARM_OK ? 0 : 1;
}

static void put_hex(const uint8_t *bytes, size_t size) {
    static const char DIGITS[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        swarm_http_write(&output, &DIGITS[bytes[i] >> 4], 1);
        swarm_http_write(&output, &DIGITS[bytes[i] & 15], 1);
    }
}

/* Reads one response; writes its fields and keeps its body. Returns the bytes consumed. */
static size_t response_read(struct response *response, struct bytes raw, struct bytes *body) {
    struct part part = {0};
    size_t at = 0;
    const char *before = "";

    while (part.kind != PART_END && part.kind != PART_ERROR) {
        at += response_next(response, (uint8_t *)raw.at + at, raw.size - at, &part);
        if (part.kind == PART_NONE) {
            response_end(response, &part);
        } else if (part.kind == PART_FIELD) {
            put(before);
            put("[");
            put_string(part.name, part.name_size);
            put(",");
            put_string(part.bytes, part.size);
            put("]");
            before = ",";
        } else if (part.kind == PART_BODY) {
            memcpy(body->at + body->size, part.bytes, part.size);
            body->size += part.size;
            at += part.size;
            response_take(response, part.size);
        }
    }
    return at;
}

static int response(const char *path) {
    struct bytes raw = file_read(path), body = {malloc(raw.size + 1), 0};
    struct response response = {.line_max = 8192, .head_max = 32768, .fields_max = 100};
    uint8_t line[8192];
    const char *text;
    size_t used;

    response.line = line;
    response_begin(&response);
    output_begin(raw.size);
    if (body.at == NULL) {
        fail("no memory");
    }
    put("{\"headers\":[");
    used = response_read(&response, raw, &body);
    put("],\"status\":");
    put_number(response.status);
    put(",\"body\":\"");
    put_hex((uint8_t *)body.at, body.size);
    put("\",\"reusable\":");
    put(response_reusable(&response) && used == raw.size ? "true" : "false");
    put(",\"error\":");
    text = swarm_http_problem_text(response.problem);
    if (response.state == RESPONSE_DONE) {
        put("null");
    } else {
        put_string(text, strlen(text));
    }
    put("}");
    output_end();
    free(body.at);
    free(raw.at);
    return 0;
}

/* ---- request ------------------------------------------------------------------------------- */

enum { MEMBERS_MAX = 64 };

/* A file's text, ended by a zero byte; one inside it would hide the rest. */
static char *text_read(const char *path) {
    struct bytes bytes = file_read(path);
    char *text = realloc(bytes.at, bytes.size + 1);

    if (text == NULL || memchr(text, 0, bytes.size) != NULL) {
        fail("no text");
    }
    text[bytes.size] = '\0';
    return text;
}

/* key=json, split in place. */
static swarm_http_member member_read(char *text) {
    char *equals = strchr(text, '=');

    if (equals == NULL || equals == text) {
        usage();
    }
    *equals = '\0';
    return (swarm_http_member){.key = text, .json = equals + 1};
}

static int request(int count, char **arguments) {
    static swarm_http_member members[MEMBERS_MAX];
    swarm_http_request request = {.host = "localhost", .members = members};
    const char *messages = NULL, *tools = NULL;
    char *messages_text, *tools_text = NULL;
    swarm_status status;

    for (int i = 0; i < count; i += 2) {
        if (i + 1 == count) {
            usage();
        } else if (strcmp(arguments[i], "--model") == 0) {
            request.model = arguments[i + 1];
        } else if (strcmp(arguments[i], "--messages") == 0) {
            messages = arguments[i + 1];
        } else if (strcmp(arguments[i], "--tools") == 0) {
            tools = arguments[i + 1];
        } else if (strcmp(arguments[i], "--set") == 0 && request.members_count < MEMBERS_MAX) {
            members[request.members_count++] = member_read(arguments[i + 1]);
        } else {
            usage();
        }
    }
    if (request.model == NULL || messages == NULL) {
        usage();
    }
    messages_text = text_read(messages);
    if (tools != NULL) {
        tools_text = text_read(tools);
    }
    request.messages_json = messages_text;
    request.tools_json = tools_text;
    status = swarm_http_request_write(&request, &output);
    if (status == SWARM_E_TOO_BIG) { /* the first call had no room: it said how much it takes */
        output_begin(output.size);
        output.size = 0;
        status = swarm_http_request_write(&request, &output);
    }
    if (status != SWARM_OK) {
        fprintf(stderr, "wire: refused: %s\n", swarm_status_text(status));
    } else {
        fwrite(output.bytes, 1, output.size, stdout);
    }
    free(output.bytes);
    free(messages_text);
    free(tools_text);
    return status == SWARM_OK ? 0 : 1;
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";

    if (strcmp(what, "decode") == 0) {
        return decode(count - 2, arguments + 2);
    }
    if (strcmp(what, "json") == 0 && count == 3) {
        return json(arguments[2]);
    }
    if (strcmp(what, "response") == 0 && count == 3) {
        return response(arguments[2]);
    }
    if (strcmp(what, "request") == 0) {
        return request(count - 2, arguments + 2);
    }
    usage();
    return 2;
}
