/* SPDX-License-Identifier: MIT */
/*
 * moe_json.h - reads JSON out of the caller's bytes, one token at a time.
 *
 * A pull reader for config.json and for the header of a safetensors file, both of which may be
 * hostile: nothing outside `size` is read, nesting is limited to DEPTH_MAX, whatever breaks the
 * grammar of RFC 8259 gives JSON_BAD from then on, and each call moves forward by at least a byte.
 * Texts are slices of the caller's bytes, escapes left as they are (no name that is looked for has
 * any). After the last token the reader gives JSON_END.
 *
 * Invariant: `depth` containers are open; bit i of `objects` says that the i-th is an object.
 * No memory, any thread, a reader is for one thread at a time.
 */
#ifndef SWARM_MOE_JSON_H
#define SWARM_MOE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define JSON_DEPTH_MAX 32u

enum json_kind {
    JSON_END,
    JSON_OBJECT,
    JSON_OBJECT_END,
    JSON_ARRAY,
    JSON_ARRAY_END,
    JSON_KEY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
    JSON_BAD
};

struct json_token {
    const unsigned char *text; /* of a key, string or number, without quotes */
    size_t size;
    enum json_kind kind;
};

enum json_state { EXPECT_VALUE, EXPECT_FIRST, EXPECT_KEY, EXPECT_COMMA };

struct json {
    const unsigned char *bytes;
    size_t size;
    size_t at;
    uint64_t objects;
    uint32_t depth;
    enum json_state state;
    bool is_done; /* the outermost value has ended */
};

static inline struct json json_begin(const void *bytes, size_t size) {
    return (struct json){.bytes = bytes, .size = size, .state = EXPECT_VALUE};
}

static inline void json_skip_space(struct json *json) {
    while (json->at < json->size && memchr(" \t\r\n", json->bytes[json->at], 4) != NULL) {
        json->at++;
    }
}

static inline struct json_token json_bad(struct json *json) {
    json->size = 0; /* every later call ends here, too */
    json->is_done = false;
    return (struct json_token){.kind = JSON_BAD};
}

/* The byte at the reader, 0 at the end. */
static inline unsigned char json_peek(const struct json *json) {
    return json->at < json->size ? json->bytes[json->at] : 0;
}

/* A string; the reader stands on its first quote. */
static inline struct json_token json_string(struct json *json, enum json_kind kind) {
    size_t first = ++json->at;

    for (; json->at < json->size; json->at++) {
        unsigned char byte = json->bytes[json->at];

        if (byte == '"') {
            return (struct json_token){json->bytes + first, json->at++ - first, kind};
        }
        if (byte == '\\') {
            json->at++; /* what is escaped is never the end */
        } else if (byte < 0x20) {
            break;
        }
    }
    return json_bad(json);
}

static inline uint32_t json_digits(struct json *json) {
    uint32_t count = 0;

    while (json_peek(json) >= '0' && json_peek(json) <= '9') {
        json->at++;
        count++;
    }
    return count;
}

static inline struct json_token json_number(struct json *json) {
    size_t first = json->at;
    bool is_good, is_zero;

    json->at += json_peek(json) == '-';
    is_zero = json_peek(json) == '0';
    is_good = is_zero ? json_digits(json) == 1 : json_digits(json) != 0;
    if (json_peek(json) == '.') {
        json->at++;
        is_good = json_digits(json) != 0 && is_good;
    }
    if (json_peek(json) == 'e' || json_peek(json) == 'E') {
        json->at++;
        json->at += json_peek(json) == '-' || json_peek(json) == '+';
        is_good = json_digits(json) != 0 && is_good;
    }
    return is_good ? (struct json_token){json->bytes + first, json->at - first, JSON_NUMBER}
                   : json_bad(json);
}

static inline struct json_token json_word(struct json *json) {
    static const struct {
        const char *text;
        enum json_kind kind;
    } words[] = {{"true", JSON_TRUE}, {"false", JSON_FALSE}, {"null", JSON_NULL}};

    for (uint32_t i = 0; i < 3; i++) {
        size_t size = strlen(words[i].text);

        if (json->size - json->at >= size &&
            memcmp(json->bytes + json->at, words[i].text, size) == 0) {
            json->at += size;
            return (struct json_token){NULL, 0, words[i].kind};
        }
    }
    return json_bad(json);
}

/* What follows a whole value. */
static inline void json_value_done(struct json *json) {
    json->is_done = json->depth == 0;
    json->state = EXPECT_COMMA;
}

static inline struct json_token json_open(struct json *json, bool is_object) {
    if (json->depth == JSON_DEPTH_MAX) {
        return json_bad(json);
    }
    json->at++;
    json->objects &= ~(UINT64_C(1) << json->depth);
    json->objects |= (uint64_t)is_object << json->depth++;
    json->state = EXPECT_FIRST;
    return (struct json_token){NULL, 0, is_object ? JSON_OBJECT : JSON_ARRAY};
}

static inline bool json_in_object(const struct json *json) {
    return json->depth != 0 && (json->objects >> (json->depth - 1) & 1) != 0;
}

static inline struct json_token json_close(struct json *json) {
    bool is_object = json_in_object(json);

    if (json->depth == 0 || json_peek(json) != (is_object ? '}' : ']')) {
        return json_bad(json);
    }
    json->at++;
    json->depth--;
    json_value_done(json);
    return (struct json_token){NULL, 0, is_object ? JSON_OBJECT_END : JSON_ARRAY_END};
}

static inline struct json_token json_value(struct json *json) {
    struct json_token token;
    unsigned char byte = json_peek(json);

    if (byte == '{' || byte == '[') {
        return json_open(json, byte == '{');
    }
    token = byte == '"'                                   ? json_string(json, JSON_STRING)
            : byte == '-' || (byte >= '0' && byte <= '9') ? json_number(json)
                                                          : json_word(json);
    if (token.kind != JSON_BAD) {
        json_value_done(json);
    }
    return token;
}

/* A key and its colon. */
static inline struct json_token json_key(struct json *json) {
    struct json_token token = json_peek(json) == '"' ? json_string(json, JSON_KEY) : json_bad(json);

    json_skip_space(json);
    if (token.kind == JSON_BAD || json_peek(json) != ':') {
        return json_bad(json);
    }
    json->at++;
    json->state = EXPECT_VALUE;
    return token;
}

/* The next token. */
static inline struct json_token json_next(struct json *json) {
    json_skip_space(json);
    if (json->is_done) {
        return json->at == json->size ? (struct json_token){.kind = JSON_END} : json_bad(json);
    }
    if (json->state == EXPECT_COMMA || json->state == EXPECT_FIRST) {
        bool is_first = json->state == EXPECT_FIRST;

        if (json_peek(json) == '}' || json_peek(json) == ']') {
            return json_close(json);
        }
        if (!is_first && json_peek(json) != ',') {
            return json_bad(json);
        }
        json->at += !is_first;
        json_skip_space(json);
        json->state = json_in_object(json) ? EXPECT_KEY : EXPECT_VALUE;
    }
    return json->state == EXPECT_KEY ? json_key(json) : json_value(json);
}

/* Reads over the value whose first token is given. False when the text is bad. */
static inline bool json_skip(struct json *json, struct json_token first) {
    uint32_t depth = json->depth;

    if (first.kind == JSON_OBJECT || first.kind == JSON_ARRAY) {
        while (json->depth >= depth && first.kind != JSON_BAD) {
            first = json_next(json);
        }
    }
    return first.kind != JSON_BAD;
}

static inline bool json_is(struct json_token token, const char *text) {
    return token.size == strlen(text) && memcmp(token.text, text, token.size) == 0;
}

/* A number's value. Exact for up to 19 digits without exponent, and to the nearest for numbers as
 * people write them (1e-05, 2.827): one division or multiplication of exact values. */
static inline double json_double(struct json_token token) {
    double value = 0, scale = 1;
    int32_t exponent = 0, written = 0;
    bool is_fraction = false, is_negative = false;
    size_t i = token.text[0] == '-';

    for (; i < token.size && token.text[i] != 'e' && token.text[i] != 'E'; i++) {
        if (token.text[i] == '.') {
            is_fraction = true;
        } else {
            value = value * 10 + (token.text[i] - '0');
            exponent -= is_fraction;
        }
    }
    if (i < token.size) {
        i++;
        is_negative = token.text[i] == '-';
        i += token.text[i] == '-' || token.text[i] == '+';
        for (; i < token.size && written < 10000; i++) {
            written = written * 10 + (token.text[i] - '0');
        }
        exponent += is_negative ? -written : written;
    }
    exponent = exponent > 400 ? 400 : exponent < -400 ? -400 : exponent;
    for (int32_t n = exponent < 0 ? -exponent : exponent; n != 0; n--) {
        scale *= 10;
    }
    value = exponent < 0 ? value / scale : value * scale;
    return token.text[0] == '-' ? -value : value;
}

/* A number without fraction (32 or 32.0) below 2^53; false otherwise. */
static inline bool json_integer(struct json_token token, uint64_t *out_value) {
    double value = token.kind == JSON_NUMBER ? json_double(token) : -1;

    if (!(value >= 0 && value < 9007199254740992.0)) {
        return false;
    }
    *out_value = (uint64_t)value;
    return (double)*out_value == value;
}

#endif
