/* SPDX-License-Identifier: MIT */
/*
 * json.c - the strict incremental JSON tokenizer of swarm_http.h (RFC 8259).
 *
 * One state a byte boundary: every function below is entered with the state that it is named
 * after, consumes what it can of [at, end) and leaves the next state. What a token may not leave
 * behind in the caller's bytes (half a character, an escape) is kept in `scratch`.
 *
 *     VALUE -> (STRING | NUMBER | LITERAL | FIRST_VALUE | FIRST_KEY) -> AFTER -> ... -> ENDED
 *     KEY -> STRING (in_key) -> COLON -> VALUE
 *
 * Invariants: `objects` has a bit for each open container, `depth` of them. Fragments hold whole
 * characters only, so that what was handed out before an error does not depend on how the bytes
 * were split. A token that is skipped changes the same state as one that is handed out.
 *
 * Memory: the caller's struct, its size independent of the document. Threads: one a struct. Each
 * loop consumes a byte a turn.
 */
#include "swarm_http.h"

#include <string.h>

#include "bytes.h"
#include "dialect.h"

enum {
    VALUE = 0,
    FIRST_VALUE, /* after [: a value or ] */
    FIRST_KEY,   /* after {: a key or } */
    KEY,         /* after a comma in an object */
    COLON,
    AFTER, /* after a value inside a container */
    STRING,
    ESCAPE,    /* after a backslash */
    HEX,       /* the digits of \uXXXX */
    CHARACTER, /* inside a character of several bytes */
    NUMBER,
    LITERAL,
    ENDED, /* white space only */
    BROKEN
};

/* Where a number stands. */
enum {
    START = 0,
    MINUS,    /* needs a digit */
    ZERO,     /* may end */
    INTEGER,  /* may end */
    POINT,    /* needs a digit */
    FRACTION, /* may end */
    EXPONENT, /* needs a sign or digit */
    SIGN,     /* needs a digit */
    POWER     /* may end */
};

#define NO_SKIP UINT32_MAX
#define REPLACEMENT 0xFFFDu

static const char *const LITERALS[] = {"true", "false", "null"};

static bool is_white(uint8_t byte) {
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static void break_off(swarm_http_json *json, swarm_http_token *token, uint32_t problem) {
    json->state = BROKEN;
    json->problem = problem;
    token->kind = SWARM_HTTP_JSON_ERROR;
    token->value = problem;
    token->size = 0;
}

static void give(const swarm_http_json *json, swarm_http_token *token, uint32_t kind) {
    if (json->skip == NO_SKIP) {
        token->kind = kind;
    }
}

static void give_bytes(const swarm_http_json *json, swarm_http_token *token, const uint8_t *bytes,
                       size_t size) {
    if (json->skip == NO_SKIP && size != 0) {
        token->kind = json->in_key != 0 ? SWARM_HTTP_JSON_KEY : SWARM_HTTP_JSON_STRING;
        token->bytes = (const char *)bytes;
        token->size = size;
    }
}

/* A value has ended at the present depth; a skipped one is reported by SKIPPED. */
static void value_ended(swarm_http_json *json, swarm_http_token *token) {
    json->state = json->depth != 0 ? AFTER : ENDED;
    if (json->skip != NO_SKIP && json->depth <= json->skip) {
        json->skip = NO_SKIP;
        token->kind = SWARM_HTTP_JSON_SKIPPED;
    }
}

static void container_begins(swarm_http_json *json, swarm_http_token *token, bool object) {
    if (json->depth >= json->depth_max) {
        break_off(json, token, SWARM_HTTP_PROBLEM_DEPTH);
        return;
    }
    json->objects = json->objects << 1 | (object ? 1u : 0u);
    json->depth++;
    json->state = object ? FIRST_KEY : FIRST_VALUE;
    give(json, token, object ? SWARM_HTTP_JSON_OBJECT : SWARM_HTTP_JSON_ARRAY);
}

static void container_ends(swarm_http_json *json, swarm_http_token *token, bool object) {
    if (((json->objects & 1u) != 0) != object) {
        break_off(json, token, SWARM_HTTP_PROBLEM_JSON);
        return;
    }
    json->objects >>= 1;
    json->depth--;
    give(json, token, object ? SWARM_HTTP_JSON_OBJECT_END : SWARM_HTTP_JSON_ARRAY_END);
    value_ended(json, token);
}

static void string_begins(swarm_http_json *json, bool key) {
    json->state = STRING;
    json->in_key = key ? 1u : 0u;
    if (key || !json->carry) {
        json->high = 0;
    }
}

static void number_begins(swarm_http_json *json) {
    json->state = NUMBER;
    json->number = START;
    json->integer = 1;
    json->value = 0;
}

/* The first byte of a value. False when it stays: a number is read from its first byte. */
static bool value_begins(swarm_http_json *json, swarm_http_token *token, uint8_t byte) {
    if (byte == '"') {
        string_begins(json, false);
    } else if (byte == '{' || byte == '[') {
        container_begins(json, token, byte == '{');
    } else if (byte == '-' || (byte >= '0' && byte <= '9')) {
        number_begins(json);
        return false;
    } else if (byte == 't' || byte == 'f' || byte == 'n') {
        json->state = LITERAL;
        json->literal = byte == 't' ? 0u : byte == 'f' ? 1u : 2u;
        json->count = 1;
    } else {
        break_off(json, token, SWARM_HTTP_PROBLEM_JSON);
    }
    return json->state != BROKEN;
}

/* ---- Structure ----------------------------------------------------------------------------- */

/* One byte between values. False when it is not consumed. */
static bool structure(swarm_http_json *json, swarm_http_token *token, uint8_t byte) {
    bool in_object = (json->objects & 1u) != 0;

    if (json->state == COLON && byte == ':') {
        json->state = VALUE;
    } else if (json->state == AFTER && byte == ',') {
        json->state = in_object ? KEY : VALUE;
    } else if (json->state == AFTER && (byte == '}' || byte == ']')) {
        container_ends(json, token, byte == '}');
    } else if (json->state == FIRST_KEY && byte == '}') {
        container_ends(json, token, true);
    } else if (json->state == FIRST_VALUE && byte == ']') {
        container_ends(json, token, false);
    } else if ((json->state == KEY || json->state == FIRST_KEY) && byte == '"') {
        string_begins(json, true);
    } else if (json->state == VALUE || json->state == FIRST_VALUE) {
        return value_begins(json, token, byte);
    } else {
        break_off(json, token, SWARM_HTTP_PROBLEM_JSON);
    }
    return json->state != BROKEN;
}

static const uint8_t *between(swarm_http_json *json, const uint8_t *at, const uint8_t *end,
                              swarm_http_token *token) {
    while (at < end && is_white(*at)) {
        at++;
    }
    if (at < end && structure(json, token, *at)) {
        at++;
    }
    return at;
}

static const uint8_t *literal(swarm_http_json *json, const uint8_t *at, const uint8_t *end,
                              swarm_http_token *token) {
    const char *text = LITERALS[json->literal];

    while (at < end && text[json->count] != '\0') {
        if (*at != (uint8_t)text[json->count]) {
            break_off(json, token, SWARM_HTTP_PROBLEM_JSON);
            return at;
        }
        at++;
        json->count++;
    }
    if (text[json->count] == '\0') {
        give(json, token, SWARM_HTTP_JSON_TRUE + json->literal);
        value_ended(json, token);
    }
    return at;
}

/* ---- Numbers ------------------------------------------------------------------------------- */

static void count_digit(swarm_http_json *json, uint8_t byte) {
    uint64_t digit = byte - (uint64_t)'0';

    if (json->value > (UINT64_MAX - digit) / 10) {
        json->integer = 0;
    } else {
        json->value = json->value * 10 + digit;
    }
}

static const uint8_t AFTER_DIGIT[] = {INTEGER,  INTEGER, ZERO,  INTEGER, FRACTION,
                                      FRACTION, POWER,   POWER, POWER};

/* Takes one more byte of a number; false when it is not part of it. */
static bool number_takes(swarm_http_json *json, uint8_t byte) {
    bool digit = byte >= '0' && byte <= '9';
    uint8_t now = json->number;

    if (digit && now != ZERO) {
        json->number = AFTER_DIGIT[now];
        if (json->number == INTEGER) {
            count_digit(json, byte);
            json->number = now != INTEGER && byte == '0' ? ZERO : INTEGER;
        }
        return true;
    }
    if (byte == '-' && now == START) {
        json->number = MINUS;
        json->integer = 0;
        return true;
    }
    if (byte == '.' && (now == ZERO || now == INTEGER)) {
        json->number = POINT;
        json->integer = 0;
        return true;
    }
    if ((byte == 'e' || byte == 'E') && (now == ZERO || now == INTEGER || now == FRACTION)) {
        json->number = EXPONENT;
        json->integer = 0;
        return true;
    }
    if ((byte == '+' || byte == '-') && now == EXPONENT) {
        json->number = SIGN;
        return true;
    }
    return false;
}

static bool number_may_end(const swarm_http_json *json) {
    return json->number == ZERO || json->number == INTEGER || json->number == FRACTION ||
           json->number == POWER;
}

static void number_ends(swarm_http_json *json, swarm_http_token *token) {
    token->flags |= SWARM_HTTP_JSON_FINAL | (json->integer != 0 ? SWARM_HTTP_JSON_INTEGER : 0u);
    token->value = json->value;
    value_ended(json, token);
}

static const uint8_t *number(swarm_http_json *json, const uint8_t *at, const uint8_t *end,
                             swarm_http_token *token) {
    const uint8_t *start = at;

    while (at < end && number_takes(json, *at)) {
        at++;
    }
    if (at < end && at == start && !number_may_end(json)) {
        break_off(json, token, SWARM_HTTP_PROBLEM_JSON);
        return at;
    }
    token->bytes = (const char *)start;
    token->size = (size_t)(at - start);
    if (at > start || at < end) {
        give(json, token, SWARM_HTTP_JSON_NUMBER);
    }
    if (at < end && number_may_end(json)) { /* else it is refused when the byte is seen again */
        number_ends(json, token);
    }
    return at;
}

/* ---- Strings ------------------------------------------------------------------------------- */

/* Hands out what is in scratch. */
static void give_scratch(swarm_http_json *json, swarm_http_token *token) {
    give_bytes(json, token, json->scratch, json->scratch_size);
    json->scratch_size = 0;
}

static void keep_code(swarm_http_json *json, uint32_t code) {
    json->scratch_size =
        (uint8_t)(json->scratch_size + utf8_encode(code, json->scratch + json->scratch_size));
}

/* A high surrogate that found no partner becomes U+FFFD. */
static void keep_lone(swarm_http_json *json) {
    if (json->high != 0) {
        keep_code(json, REPLACEMENT);
        json->high = 0;
        json->replaced++;
    }
}

static const uint8_t *string_ends(swarm_http_json *json, const uint8_t *at,
                                  swarm_http_token *token) {
    if (json->high != 0 && (json->in_key != 0 || !json->carry)) {
        keep_lone(json);
        give_scratch(json, token);
        return at; /* the quote is seen again */
    }
    if (json->in_key != 0) {
        give(json, token, SWARM_HTTP_JSON_KEY);
        json->state = COLON;
        json->in_key = 0;
    } else {
        give(json, token, SWARM_HTTP_JSON_STRING);
        value_ended(json, token);
    }
    token->flags |= SWARM_HTTP_JSON_FINAL;
    return at + 1;
}

/* A character of several bytes that [at, end) does not hold whole. */
static const uint8_t *character_begins(swarm_http_json *json, const uint8_t *at, const uint8_t *end,
                                       swarm_http_token *token) {
    json->state = CHARACTER;
    json->scratch_size = 0;
    for (; at < end && json->state == CHARACTER; at++) {
        json->scratch[json->scratch_size] = *at;
        if (!utf8_goes_on(json->scratch, json->scratch_size)) {
            break_off(json, token, SWARM_HTTP_PROBLEM_UTF8);
            return at;
        }
        json->scratch_size++;
    }
    return at;
}

static const uint8_t *character(swarm_http_json *json, const uint8_t *at, const uint8_t *end,
                                swarm_http_token *token) {
    uint32_t need = utf8_need(json->scratch[0]);

    while (at < end && json->scratch_size < need) {
        json->scratch[json->scratch_size] = *at;
        if (!utf8_goes_on(json->scratch, json->scratch_size)) {
            break_off(json, token, SWARM_HTTP_PROBLEM_UTF8);
            return at;
        }
        json->scratch_size++;
        at++;
    }
    if (json->scratch_size == need) {
        json->state = STRING;
        give_scratch(json, token);
    }
    return at;
}

/* What stands behind a run of ordinary characters, when nothing precedes it in this call. */
static const uint8_t *string_special(swarm_http_json *json, const uint8_t *at, const uint8_t *end,
                                     swarm_http_token *token) {
    if (*at == '"') {
        return string_ends(json, at, token);
    }
    if (*at == '\\') {
        json->state = ESCAPE;
        return at + 1;
    }
    if (json->high != 0) {
        keep_lone(json);
        give_scratch(json, token);
        return at;
    }
    if (*at < 0x20) {
        break_off(json, token, SWARM_HTTP_PROBLEM_JSON);
        return at;
    }
    return character_begins(json, at, end, token);
}

static const uint8_t *string(swarm_http_json *json, const uint8_t *at, const uint8_t *end,
                             swarm_http_token *token) {
    const uint8_t *start = at;

    if (json->high == 0) {
        at += is_plain(*at) ? 1 : 0;
        at = at < end && (at > start || *at >= 0x80) ? plain_run(at, end) : at;
    }
    if (at == start) {
        return string_special(json, at, end, token);
    }
    give_bytes(json, token, start, (size_t)(at - start));
    if (at < end && *at == '"') { /* the usual case: the rest of the string in one token */
        at = string_ends(json, at, token);
    }
    return at;
}

static const uint8_t *escape(swarm_http_json *json, const uint8_t *at, const uint8_t *end,
                             swarm_http_token *token) {
    static const char FROM[] = "\"\\/bfnrt", TO[] = "\"\\/\b\f\n\r\t";
    const char *found = *at != 0 ? strchr(FROM, (char)*at) : NULL;

    (void)end;
    if (*at == 'u') {
        json->state = HEX;
        json->count = 0;
        json->code = 0;
        return at + 1;
    }
    keep_lone(json);
    if (found == NULL) {
        /* What was owed is handed out first; the byte is refused when it is seen again. */
        if (json->scratch_size != 0 && json->skip == NO_SKIP) {
            give_scratch(json, token);
            return at;
        }
        break_off(json, token, SWARM_HTTP_PROBLEM_JSON);
        return at;
    }
    keep_code(json, (uint8_t)TO[found - FROM]);
    json->state = STRING;
    give_scratch(json, token);
    return at + 1;
}

/* The four digits of an escape are there. */
static void unicode(swarm_http_json *json, swarm_http_token *token) {
    uint32_t code = json->code;
    bool high = code >= 0xD800 && code < 0xDC00, low = code >= 0xDC00 && code < 0xE000;

    json->state = STRING;
    if (low && json->high != 0) {
        keep_code(json, 0x10000u + ((json->high - 0xD800u) << 10) + (code - 0xDC00u));
        json->high = 0;
    } else {
        keep_lone(json);
        if (high) {
            json->high = (uint16_t)code;
        } else {
            keep_code(json, low ? REPLACEMENT : code);
            json->replaced += low ? 1u : 0u;
        }
    }
    give_scratch(json, token);
}

static const uint8_t *hex(swarm_http_json *json, const uint8_t *at, const uint8_t *end,
                          swarm_http_token *token) {
    while (at < end && json->count < 4) {
        uint32_t digit = hex_digit(*at);

        if (digit > 15) {
            if (json->high != 0) {
                keep_lone(json);
                give_scratch(json, token);
                return at;
            }
            break_off(json, token, SWARM_HTTP_PROBLEM_JSON);
            return at;
        }
        json->code = (uint16_t)(((uint32_t)json->code << 4) | digit);
        json->count++;
        at++;
    }
    if (json->count == 4) {
        unicode(json, token);
    }
    return at;
}

/* ---- Interface ----------------------------------------------------------------------------- */

static const uint8_t *step(swarm_http_json *json, const uint8_t *at, const uint8_t *end,
                           swarm_http_token *token) {
    switch (json->state) {
    case STRING:
        return string(json, at, end, token);
    case ESCAPE:
        return escape(json, at, end, token);
    case HEX:
        return hex(json, at, end, token);
    case CHARACTER:
        return character(json, at, end, token);
    case NUMBER:
        return number(json, at, end, token);
    case LITERAL:
        return literal(json, at, end, token);
    default:
        return between(json, at, end, token);
    }
}

void swarm_http_json_begin(swarm_http_json *json, uint32_t depth_max) {
    memset(json, 0, sizeof *json);
    json->depth_max = depth_max == 0 || depth_max > 64 ? 64 : depth_max;
    json->skip = NO_SKIP;
}

bool swarm__http_json_passes(const swarm_http_json *json, uint8_t byte) {
    return json->state == STRING && json->skip != NO_SKIP && json->high == 0 && is_plain(byte);
}

size_t swarm_http_json_next(swarm_http_json *json, const void *bytes, size_t size,
                            swarm_http_token *out_token) {
    const uint8_t *at = bytes, *end = at + size;

    *out_token = (swarm_http_token){.bytes = ""};
    if (json->state == BROKEN) {
        break_off(json, out_token, json->problem);
        return 0;
    }
    if (size == 0) {
        return 0;
    }
    do {
        at = step(json, at, end, out_token);
    } while (at < end && out_token->kind == SWARM_HTTP_JSON_NONE);
    return (size_t)(at - (const uint8_t *)bytes);
}

void swarm_http_json_skip(swarm_http_json *json) {
    bool just_begun = json->state == FIRST_KEY || json->state == FIRST_VALUE;

    if (json->state < ENDED && json->skip == NO_SKIP) {
        json->skip = just_begun ? json->depth - 1 : json->depth;
    }
}

swarm_status swarm_http_json_end(const swarm_http_json *json) {
    bool number_stands = json->state == NUMBER && json->depth == 0 && number_may_end(json);

    if (json->state == BROKEN) {
        return SWARM_E_GARBAGE;
    }
    return json->state == ENDED || number_stands ? SWARM_OK : SWARM_E_AGAIN;
}

/* ---- Members ------------------------------------------------------------------------------- */

/* The value behind a key: a string decoded, anything else as it stands. */
static size_t member_value(const char *text, size_t size, swarm_http_writer *writer) {
    swarm_http_json json;
    swarm_http_token token;
    size_t at = 0, used;
    bool string_value, colon = false;

    while (at < size && (is_white((uint8_t)text[at]) || (text[at] == ':' && !colon))) {
        colon = colon || text[at] == ':';
        at++;
    }
    string_value = colon && at < size && text[at] == '"';
    swarm_http_json_begin(&json, 0);
    used = at + swarm_http_json_next(&json, text + at, size - at, &token);
    if (token.kind == SWARM_HTTP_JSON_OBJECT || token.kind == SWARM_HTTP_JSON_ARRAY) {
        swarm_http_json_skip(&json);
        used += swarm_http_json_next(&json, text + used, size - used, &token);
    }
    while (string_value && token.kind == SWARM_HTTP_JSON_STRING) {
        swarm_http_write(writer, token.bytes, token.size);
        if ((token.flags & SWARM_HTTP_JSON_FINAL) != 0) {
            return writer->size;
        }
        used += swarm_http_json_next(&json, text + used, size - used, &token);
    }
    if (string_value || !colon || swarm_http_json_end(&json) != SWARM_OK) {
        return SIZE_MAX;
    }
    swarm_http_write(writer, text + at, used - at);
    return writer->size;
}

/* Reads one more fragment of a key against `key`; *found is SIZE_MAX once they differ. */
static void key_goes_on(const swarm_http_token *token, const char *key, size_t *found) {
    size_t at = *found;
    bool same = at != SIZE_MAX && strlen(key) - at >= token->size &&
                memcmp(key + at, token->bytes, token->size) == 0;

    *found = same ? at + token->size : SIZE_MAX;
}

size_t swarm_http_json_member(const char *text, size_t size, const char *key, char *buffer,
                              size_t capacity) {
    swarm_http_writer writer = {.bytes = buffer, .capacity = capacity};
    swarm_http_json json;
    swarm_http_token token;
    size_t found = 0, at;

    swarm_http_json_begin(&json, 0);
    at = swarm_http_json_next(&json, text, size, &token);
    while (token.kind != SWARM_HTTP_JSON_NONE && token.kind != SWARM_HTTP_JSON_ERROR &&
           token.kind != SWARM_HTTP_JSON_OBJECT_END && token.kind != SWARM_HTTP_JSON_ARRAY) {
        if (token.kind == SWARM_HTTP_JSON_KEY) {
            key_goes_on(&token, key, &found);
        }
        if (token.kind == SWARM_HTTP_JSON_KEY && (token.flags & SWARM_HTTP_JSON_FINAL) != 0) {
            if (found == strlen(key)) {
                return member_value(text + at, size - at, &writer);
            }
            found = 0;
            swarm_http_json_skip(&json);
        }
        at += swarm_http_json_next(&json, text + at, size - at, &token);
    }
    return SIZE_MAX;
}

/* ---- Writing ------------------------------------------------------------------------------- */

void swarm_http_write(swarm_http_writer *writer, const void *bytes, size_t size) {
    size_t room = writer->size < writer->capacity ? writer->capacity - writer->size : 0;

    if (room != 0 && size != 0) {
        memcpy(writer->bytes + writer->size, bytes, size < room ? size : room);
    }
    writer->size = size > SIZE_MAX - writer->size ? SIZE_MAX : writer->size + size;
}

/* A character that stands not for itself in a string. */
static void write_escape(swarm_http_writer *writer, uint8_t byte) {
    static const char DIGITS[] = "0123456789abcdef", FROM[] = "\"\\\b\f\n\r\t", TO[] = "\"\\bfnrt";
    const char *found = byte != 0 ? strchr(FROM, (char)byte) : NULL;
    char text[6] = {'\\', 'u', '0', '0', DIGITS[byte >> 4], DIGITS[byte & 15]};

    if (found != NULL) {
        text[1] = TO[found - FROM];
    }
    swarm_http_write(writer, text, found != NULL ? 2 : 6);
}

void swarm__http_write_escaped(swarm_http_writer *writer, const void *bytes, size_t size) {
    const uint8_t *at = bytes, *end = at + size;

    while (at < end) {
        const uint8_t *stop = plain_run(at, end);

        swarm_http_write(writer, at, (size_t)(stop - at));
        at = stop;
        if (at < end && *at >= 0x80) {
            swarm_http_write(writer, "\xEF\xBF\xBD", 3);
            writer->problem = SWARM_HTTP_PROBLEM_UTF8;
        } else if (at < end) {
            write_escape(writer, *at);
        }
        at += at < end ? 1 : 0;
    }
}

void swarm_http_write_string(swarm_http_writer *writer, const void *bytes, size_t size) {
    swarm_http_write(writer, "\"", 1);
    swarm__http_write_escaped(writer, bytes, size);
    swarm_http_write(writer, "\"", 1);
}
