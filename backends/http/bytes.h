/* SPDX-License-Identifier: MIT */
/*
 * bytes.h - what all parts of this backend do with bytes: UTF-8, hexadecimal digits, runs of
 * ordinary characters, text without case.
 *
 * UTF-8 is that of RFC 3629, table 3-7 of the Unicode standard: no overlong forms, no surrogates,
 * nothing above U+10FFFF.
 *
 * Memory: none. Threads: pure functions. Each loop consumes a byte or more a turn.
 */
#ifndef SWARM_HTTP_BYTES_H
#define SWARM_HTTP_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "swarm_http.h"

/* Appends the inside of a JSON string; parts that hold whole characters may be joined. (json.c) */
void swarm__http_write_escaped(swarm_http_writer *writer, const void *bytes, size_t size);

/* Bytes of the character that this byte begins; 0 when it begins none. */
static inline uint32_t utf8_need(uint8_t lead) {
    return lead < 0x80                    ? 1
           : lead >= 0xC2 && lead <= 0xDF ? 2
           : lead >= 0xE0 && lead <= 0xEF ? 3
           : lead >= 0xF0 && lead <= 0xF4 ? 4
                                          : 0;
}

/* Whether bytes[index] may stand there, after the valid bytes[0..index-1]. */
static inline bool utf8_goes_on(const uint8_t *bytes, uint32_t index) {
    uint8_t byte = bytes[index], low = 0x80, high = 0xBF;

    if (index == 0) {
        return utf8_need(byte) != 0;
    }
    if (index == 1) {
        low = bytes[0] == 0xE0 ? 0xA0 : bytes[0] == 0xF0 ? 0x90 : 0x80;
        high = bytes[0] == 0xED ? 0x9F : bytes[0] == 0xF4 ? 0x8F : 0xBF;
    }
    return byte >= low && byte <= high;
}

/* Bytes of the whole valid character at `at`; 0 when it is invalid or not all there. */
static inline uint32_t utf8_whole(const uint8_t *at, const uint8_t *end) {
    uint32_t need = utf8_need(*at);

    if (need > (size_t)(end - at)) {
        return 0;
    }
    for (uint32_t i = 1; i < need; i++) {
        if (!utf8_goes_on(at, i)) {
            return 0;
        }
    }
    return need;
}

/* Writes a code point; returns its bytes, 1 to 4. */
static inline uint32_t utf8_encode(uint32_t code, uint8_t *out) {
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xC0u | code >> 6);
        out[1] = (uint8_t)(0x80u | (code & 0x3Fu));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xE0u | code >> 12);
        out[1] = (uint8_t)(0x80u | (code >> 6 & 0x3Fu));
        out[2] = (uint8_t)(0x80u | (code & 0x3Fu));
        return 3;
    }
    out[0] = (uint8_t)(0xF0u | code >> 18);
    out[1] = (uint8_t)(0x80u | (code >> 12 & 0x3Fu));
    out[2] = (uint8_t)(0x80u | (code >> 6 & 0x3Fu));
    out[3] = (uint8_t)(0x80u | (code & 0x3Fu));
    return 4;
}

/* How many of the next eight bytes, from the first, stand for themselves in a JSON string and are
 * ASCII. The classic test for a zero byte (Mycroft 1987): a byte's top bit says "special"; it may
 * err only above one that is. */
static inline uint32_t plain_eight(const uint8_t *at) {
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t word = at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24 |
                    (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 | (uint64_t)at[6] << 48 |
                    (uint64_t)at[7] << 56; /* one load where bytes lie so */
    uint64_t quote = word ^ (ones * 0x22), slash = word ^ (ones * 0x5C);
    uint64_t found = (word | (word - ones * 0x20) | (quote - ones) | (slash - ones)) & tops;

    if (found == 0) {
        return 8;
    }
    /* Below the lowest bit found lie a lowest bit of each plain byte, and of the special one. */
    return (uint32_t)(((((found & (0 - found)) - 1) & ones) * ones) >> 56) - 1;
}

/* Whether this byte stands for itself in a JSON string, as one character. */
static inline bool is_plain(uint8_t byte) {
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* The end of the run of whole characters from `at` that need no escape in a JSON string. */
static inline const uint8_t *plain_run(const uint8_t *at, const uint8_t *end) {
    uint32_t size = 1;

    while (at < end && size != 0) {
        size = end - at >= 8 ? plain_eight(at) : is_plain(*at) ? 1 : 0;
        at += size;
        if (size < 8 && at < end && *at >= 0x80) {
            size = utf8_whole(at, end);
            at += size;
        } else if (size != 8 && end - at >= 8) {
            size = 0; /* stopped by something special */
        }
    }
    return at;
}

static inline uint32_t hex_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9'   ? byte - (uint32_t)'0'
           : byte >= 'a' && byte <= 'f' ? byte - (uint32_t)'a' + 10u
           : byte >= 'A' && byte <= 'F' ? byte - (uint32_t)'A' + 10u
                                        : 16u;
}

static inline uint8_t lower(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

/* Whether the bytes are this lower-case text, in any case. */
static inline bool is_text(const void *bytes, size_t size, const char *text) {
    const uint8_t *at = bytes;

    if (size != strlen(text)) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (lower(at[i]) != (uint8_t)text[i]) {
            return false;
        }
    }
    return true;
}

#endif
