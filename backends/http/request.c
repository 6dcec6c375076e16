/* SPDX-License-Identifier: MIT */
/*
 * request.c - messages and tools to the bytes of a request, for both dialects.
 *
 * The body is written twice by the same code: once without room, to know Content-Length, then after
 * the head. Nothing that comes from outside reaches the head unchecked: host, path and keys hold
 * visible ASCII only, so no field and no line can be injected; what reaches the body goes through
 * the JSON writer, or was read by the strict tokenizer first.
 *
 * Memory: the caller's writer. Threads: pure functions. Loops run over what the caller gave.
 */
#include "swarm_http.h"

#include <string.h>

#include "bytes.h"

#define ANTHROPIC_TOKENS 32000u

/* What differs between the dialects in the head. */
static const struct {
    const char *path;
    const char *key_field;
    const char *more;
} HEADS[] = {
    [SWARM_HTTP_CHAT] = {"/v1/chat/completions", "Authorization: Bearer ", ""},
    [SWARM_HTTP_ANTHROPIC] = {"/v1/messages", "x-api-key: ", "anthropic-version: 2023-06-01\r\n"},
};

static void put(swarm_http_writer *writer, const char *text) {
    swarm_http_write(writer, text, strlen(text));
}

static void put_string(swarm_http_writer *writer, const char *text) {
    swarm_http_write_string(writer, text, strlen(text));
}

static void put_number(swarm_http_writer *writer, uint64_t number) {
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    swarm_http_write(writer, digits + at, sizeof digits - at);
}

/* ---- Checking ------------------------------------------------------------------------------ */

/* Visible ASCII, at least one. */
static bool is_head_text(const char *text) {
    size_t size = strlen(text);

    for (size_t i = 0; i < size; i++) {
        if (text[i] <= 0x20 || text[i] >= 0x7F) {
            return false;
        }
    }
    return size != 0;
}

static bool is_host(const char *text) {
    size_t size = strlen(text);

    for (size_t i = 0; i < size; i++) {
        uint8_t byte = lower((uint8_t)text[i]);

        if (!((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
              strchr(".-:[]_", (char)byte) != NULL)) {
            return false;
        }
    }
    return size != 0;
}

/* Whether a text is one JSON document that begins with this token. */
static bool is_json(const char *text, size_t size, uint32_t kind) {
    swarm_http_json json;
    swarm_http_token token = {0};
    size_t at = 0;

    swarm_http_json_begin(&json, 0);
    at += swarm_http_json_next(&json, text, size, &token);
    if (token.kind != kind && kind != SWARM_HTTP_JSON_NONE) {
        return false;
    }
    if (token.kind == SWARM_HTTP_JSON_OBJECT || token.kind == SWARM_HTTP_JSON_ARRAY) {
        swarm_http_json_skip(&json);
    }
    while (at < size && token.kind != SWARM_HTTP_JSON_ERROR) {
        at += swarm_http_json_next(&json, text + at, size - at, &token);
    }
    return swarm_http_json_end(&json) == SWARM_OK;
}

static bool is_json_text(const char *text, uint32_t kind) {
    return text == NULL || is_json(text, strlen(text), kind);
}

static size_t text_size(const swarm_http_message *message) {
    return message->size != 0 || message->text == NULL ? message->size : strlen(message->text);
}

static swarm_status message_check(const swarm_http_message *message) {
    if (message->role > SWARM_HTTP_TURN || (message->text == NULL && message->parts_count == 0) ||
        (message->parts_count != 0 && message->parts == NULL) ||
        (message->role == SWARM_HTTP_TOOL && message->call == NULL)) {
        return SWARM_E_INVALID;
    }
    for (uint32_t i = 0; i < message->parts_count; i++) {
        const swarm_http_part *part = &message->parts[i];

        if (part->kind > SWARM_HTTP_PART_VIDEO_LINK || part->bytes == NULL ||
            ((part->kind == SWARM_HTTP_PART_IMAGE || part->kind == SWARM_HTTP_PART_VIDEO) &&
             part->media == NULL)) {
            return SWARM_E_INVALID;
        }
    }
    return message->role != SWARM_HTTP_TURN ||
                   is_json(message->text, text_size(message), SWARM_HTTP_JSON_OBJECT)
               ? SWARM_OK
               : SWARM_E_GARBAGE;
}

static bool extras_are_json(const swarm_http_request *request) {
    for (uint32_t i = 0; i < request->members_count; i++) {
        if (request->members[i].json == NULL ||
            !is_json_text(request->members[i].json, SWARM_HTTP_JSON_NONE)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < request->tools_count; i++) {
        if (!is_json_text(request->tools[i].parameters, SWARM_HTTP_JSON_OBJECT)) {
            return false;
        }
    }
    return is_json_text(request->messages_json, SWARM_HTTP_JSON_ARRAY) &&
           is_json_text(request->tools_json, SWARM_HTTP_JSON_ARRAY);
}

/* No key twice: servers differ in which one they would take. */
static bool members_are_apart(const swarm_http_request *request) {
    for (uint32_t i = 0; i < request->members_count; i++) {
        const char *key = request->members[i].key;

        if (key == NULL || strcmp(key, "model") == 0 || strcmp(key, "messages") == 0) {
            return false;
        }
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(key, request->members[j].key) == 0) {
                return false;
            }
        }
    }
    return true;
}

static swarm_status request_check(const swarm_http_request *request) {
    if (request->dialect > SWARM_HTTP_ANTHROPIC || request->host == NULL ||
        !is_host(request->host) || request->model == NULL ||
        (request->path != NULL && (request->path[0] != '/' || !is_head_text(request->path))) ||
        (request->key != NULL && !is_head_text(request->key)) ||
        (request->idempotency != NULL && !is_head_text(request->idempotency)) ||
        (request->messages_json == NULL && request->messages_count == 0)) {
        return SWARM_E_INVALID;
    }
    for (uint32_t i = 0; request->messages_json == NULL && i < request->messages_count; i++) {
        swarm_status status = message_check(&request->messages[i]);

        if (status != SWARM_OK) {
            return status;
        }
    }
    for (uint32_t i = 0; i < request->tools_count; i++) {
        if (request->tools[i].name == NULL) {
            return SWARM_E_INVALID;
        }
    }
    if (!members_are_apart(request)) {
        return SWARM_E_INVALID;
    }
    return extras_are_json(request) ? SWARM_OK : SWARM_E_GARBAGE;
}

/* ---- Parts --------------------------------------------------------------------------------- */

/* RFC 4648 4. */
static void put_base64(swarm_http_writer *writer, const uint8_t *bytes, size_t size) {
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t word = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0u) |
                        (left > 2 ? bytes[i + 2] : 0u);
        char text[4] = {DIGITS[word >> 18], DIGITS[word >> 12 & 63u],
                        left > 1 ? DIGITS[word >> 6 & 63u] : '=',
                        left > 2 ? DIGITS[word & 63u] : '='};

        swarm_http_write(writer, text, 4);
    }
}

/* {"type":"image_url","image_url":{"url":...}}, and the same for a video. */
static void put_chat_part(swarm_http_writer *writer, const swarm_http_part *part) {
    bool image = part->kind == SWARM_HTTP_PART_IMAGE || part->kind == SWARM_HTTP_PART_IMAGE_LINK;

    if (part->kind == SWARM_HTTP_PART_TEXT) {
        put(writer, "{\"type\":\"text\",\"text\":");
        swarm_http_write_string(writer, part->bytes, part->size);
        put(writer, "}");
        return;
    }
    put(writer, image ? "{\"type\":\"image_url\",\"image_url\":{\"url\":"
                      : "{\"type\":\"video_url\",\"video_url\":{\"url\":");
    if (part->kind == SWARM_HTTP_PART_IMAGE || part->kind == SWARM_HTTP_PART_VIDEO) {
        put(writer, "\"data:");
        swarm__http_write_escaped(writer, part->media, strlen(part->media));
        put(writer, ";base64,");
        put_base64(writer, part->bytes, part->size);
        put(writer, "\"");
    } else {
        swarm_http_write_string(writer, part->bytes, part->size);
    }
    put(writer, "}}");
}

static void put_block_part(swarm_http_writer *writer, const swarm_http_part *part) {
    if (part->kind == SWARM_HTTP_PART_TEXT) {
        put_chat_part(writer, part);
    } else if (part->kind == SWARM_HTTP_PART_IMAGE) {
        put(writer, "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":");
        put_string(writer, part->media);
        put(writer, ",\"data\":\"");
        put_base64(writer, part->bytes, part->size);
        put(writer, "\"}}");
    } else {
        put(writer, "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":");
        swarm_http_write_string(writer, part->bytes, part->size);
        put(writer, "}}");
    }
}

/* A message's content: a string, or an array of parts. */
static void put_content(swarm_http_writer *writer, const swarm_http_message *message,
                        uint32_t dialect) {
    if (message->parts_count == 0) {
        swarm_http_write_string(writer, message->text, text_size(message));
        return;
    }
    for (uint32_t i = 0; i < message->parts_count; i++) {
        put(writer, i == 0 ? "[" : ",");
        if (dialect == SWARM_HTTP_ANTHROPIC) {
            put_block_part(writer, &message->parts[i]);
        } else {
            put_chat_part(writer, &message->parts[i]);
        }
    }
    put(writer, "]");
}

/* ---- Messages ------------------------------------------------------------------------------ */

static void put_chat_message(swarm_http_writer *writer, const swarm_http_message *message) {
    static const char *const ROLES[] = {"user", "system", "assistant", "tool"};

    if (message->role == SWARM_HTTP_TURN) {
        swarm_http_write(writer, message->text, text_size(message));
        return;
    }
    put(writer, "{\"role\":");
    put_string(writer, ROLES[message->role]);
    if (message->role == SWARM_HTTP_TOOL) {
        put(writer, ",\"tool_call_id\":");
        put_string(writer, message->call);
    }
    put(writer, ",\"content\":");
    put_content(writer, message, SWARM_HTTP_CHAT);
    put(writer, "}");
}

static void put_result(swarm_http_writer *writer, const swarm_http_message *message) {
    put(writer, "{\"type\":\"tool_result\",\"tool_use_id\":");
    put_string(writer, message->call);
    put(writer, ",\"content\":");
    put_content(writer, message, SWARM_HTTP_ANTHROPIC);
    put(writer, "}");
}

/* Anthropic's messages: results of calls are blocks of one user message, system texts stand apart.
 * */
static void put_block_messages(swarm_http_writer *writer, const swarm_http_request *request) {
    const char *before = "[";
    uint32_t last = SWARM_HTTP_SYSTEM;

    for (uint32_t i = 0; i < request->messages_count; i++) {
        const swarm_http_message *message = &request->messages[i];

        if (message->role == SWARM_HTTP_SYSTEM) {
            continue;
        }
        if (last == SWARM_HTTP_TOOL && message->role != SWARM_HTTP_TOOL) {
            put(writer, "]}");
        }
        put(writer, last == SWARM_HTTP_TOOL && message->role == SWARM_HTTP_TOOL ? "" : before);
        if (message->role == SWARM_HTTP_TOOL) {
            put(writer, last == SWARM_HTTP_TOOL ? "," : "{\"role\":\"user\",\"content\":[");
            put_result(writer, message);
        } else if (message->role == SWARM_HTTP_TURN) {
            swarm_http_write(writer, message->text, text_size(message));
        } else {
            put(writer, message->role == SWARM_HTTP_USER ? "{\"role\":\"user\",\"content\":"
                                                         : "{\"role\":\"assistant\",\"content\":");
            put_content(writer, message, SWARM_HTTP_ANTHROPIC);
            put(writer, "}");
        }
        last = message->role;
        before = ",";
    }
    put(writer, last == SWARM_HTTP_TOOL ? "]}]" : before[0] == '[' ? "[]" : "]");
}

static void put_messages(swarm_http_writer *writer, const swarm_http_request *request) {
    if (request->messages_json != NULL) {
        put(writer, request->messages_json);
        return;
    }
    if (request->dialect == SWARM_HTTP_ANTHROPIC) {
        put_block_messages(writer, request);
        return;
    }
    for (uint32_t i = 0; i < request->messages_count; i++) {
        put(writer, i == 0 ? "[" : ",");
        put_chat_message(writer, &request->messages[i]);
    }
    put(writer, "]");
}

/* Anthropic's system member: all system messages as text blocks. */
static void put_system(swarm_http_writer *writer, const swarm_http_request *request) {
    const char *before = ",\"system\":[";

    for (uint32_t i = 0; request->messages_json == NULL && i < request->messages_count; i++) {
        const swarm_http_message *message = &request->messages[i];
        swarm_http_part text = {.bytes = message->text, .size = text_size(message)};

        for (uint32_t j = 0; message->role == SWARM_HTTP_SYSTEM &&
                             j < (message->parts_count != 0 ? message->parts_count : 1);
             j++) {
            put(writer, before);
            put_block_part(writer, message->parts_count != 0 ? &message->parts[j] : &text);
            before = ",";
        }
    }
    put(writer, before[1] != '\0' ? "" : "]");
}

/* ---- The body ------------------------------------------------------------------------------ */

static void put_tool(swarm_http_writer *writer, const swarm_http_tool *tool, bool chat) {
    put(writer, chat ? "{\"type\":\"function\",\"function\":{\"name\":" : "{\"name\":");
    put_string(writer, tool->name);
    if (tool->description != NULL) {
        put(writer, ",\"description\":");
        put_string(writer, tool->description);
    }
    put(writer, chat ? ",\"parameters\":" : ",\"input_schema\":");
    put(writer,
        tool->parameters != NULL ? tool->parameters : "{\"type\":\"object\",\"properties\":{}}");
    put(writer, chat ? "}}" : "}");
}

static void put_tools(swarm_http_writer *writer, const swarm_http_request *request) {
    if (request->tools_json != NULL) {
        put(writer, request->tools_json);
        return;
    }
    for (uint32_t i = 0; i < request->tools_count; i++) {
        put(writer, i == 0 ? "[" : ",");
        put_tool(writer, &request->tools[i], request->dialect == SWARM_HTTP_CHAT);
    }
    put(writer, "]");
}

/* Begins a member that is written by itself; false when the caller has one of that name. */
static bool own(swarm_http_writer *writer, const swarm_http_request *request, const char *key) {
    for (uint32_t i = 0; i < request->members_count; i++) {
        if (strcmp(request->members[i].key, key) == 0) {
            return false;
        }
    }
    put(writer, ",");
    put_string(writer, key);
    put(writer, ":");
    return true;
}

static void put_defaults(swarm_http_writer *writer, const swarm_http_request *request) {
    bool chat = request->dialect == SWARM_HTTP_CHAT;
    uint64_t tokens = request->tokens_max == 0 && !chat ? ANTHROPIC_TOKENS : request->tokens_max;

    if (own(writer, request, "stream")) {
        put(writer, "true");
        if (chat && own(writer, request, "stream_options")) {
            put(writer, "{\"include_usage\":true}");
        }
    }
    if (tokens != 0 && own(writer, request, chat ? "max_completion_tokens" : "max_tokens")) {
        put_number(writer, tokens);
    }
    if (chat && (request->flags & SWARM_HTTP_KEEP_THINKING) != 0 &&
        own(writer, request, "thinking")) {
        put(writer, "{\"type\":\"enabled\",\"keep\":\"all\"}");
    }
    if ((request->tools_count != 0 || request->tools_json != NULL) &&
        own(writer, request, "tools")) {
        put_tools(writer, request);
    }
    if (!chat) {
        put_system(writer, request);
    }
}

static void put_body(swarm_http_writer *writer, const swarm_http_request *request) {
    put(writer, "{\"model\":");
    put_string(writer, request->model);
    put(writer, ",\"messages\":");
    put_messages(writer, request);
    put_defaults(writer, request);
    for (uint32_t i = 0; i < request->members_count; i++) {
        put(writer, ",");
        put_string(writer, request->members[i].key);
        put(writer, ":");
        put(writer, request->members[i].json);
    }
    put(writer, "}");
}

static void put_head(swarm_http_writer *writer, const swarm_http_request *request, size_t size) {
    const char *path = request->path != NULL ? request->path : HEADS[request->dialect].path;

    put(writer, "POST ");
    put(writer, path);
    put(writer, " HTTP/1.1\r\nHost: ");
    put(writer, request->host);
    put(writer, "\r\n");
    if (request->key != NULL) {
        put(writer, HEADS[request->dialect].key_field);
        put(writer, request->key);
        put(writer, "\r\n");
    }
    put(writer, HEADS[request->dialect].more);
    if (request->idempotency != NULL) {
        put(writer, "Idempotency-Key: ");
        put(writer, request->idempotency);
        put(writer, "\r\n");
    }
    put(writer, "Content-Type: application/json\r\nAccept: text/event-stream, application/json\r\n"
                "Accept-Encoding: identity\r\nContent-Length: ");
    put_number(writer, size);
    put(writer, "\r\n\r\n");
}

swarm_status swarm_http_request_write(const swarm_http_request *request,
                                      swarm_http_writer *writer) {
    swarm_http_writer dry = {0};
    swarm_status status = request_check(request);

    if (status != SWARM_OK) {
        return status;
    }
    put_body(&dry, request);
    if (dry.problem != 0) {
        return SWARM_E_GARBAGE;
    }
    put_head(writer, request, dry.size);
    put_body(writer, request);
    return writer->size <= writer->capacity ? SWARM_OK : SWARM_E_TOO_BIG;
}
