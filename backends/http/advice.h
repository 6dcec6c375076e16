/* SPDX-License-Identifier: MIT */
/*
 * advice.h - what a response's fields advise about the next request.
 *
 *     Retry-After: 2 | 2.5 | Sun, 06 Nov 1994 08:49:37 GMT     (RFC 9110 10.2.3; the fraction is
 *     retry-after-ms: 2500                                      what some servers send)
 *     x-should-retry: true | false
 *     Keep-Alive: timeout=5, max=100
 *
 * The last three are no standard, but what clients and servers of this kind agree on. A value that
 * does not read as one of these advises nothing.
 *
 * Memory: the caller's struct. Threads: pure functions. Each loop consumes a byte a turn.
 */
#ifndef SWARM_HTTP_ADVICE_H
#define SWARM_HTTP_ADVICE_H

#include "bytes.h"
#include "endpoint.h"

enum { RETRY_UNSAID = 0, RETRY_YES, RETRY_NO };

struct advice {
    uint64_t retry_ns; /* from now; 0: not said */
    uint64_t keep_ns;  /* how long an idle connection stays; SWARM_NEVER: not said */
    uint64_t keep_max; /* requests on it; SWARM_NEVER: not said */
    uint32_t retry;    /* RETRY_* */
    bool exact;        /* retry_ns came in milliseconds: it goes before Retry-After */
};

static inline bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

/* "12" or "12.5" in units of unit_ns; false when it is no number. Huge ones are cut. */
static inline bool read_decimal(const char *bytes, size_t size, uint64_t unit_ns,
                                uint64_t *out_ns) {
    uint64_t whole = 0, fraction = 0, scale = unit_ns;
    size_t i = 0;

    while (i < size && is_digit(bytes[i])) {
        whole = whole < SWARM_NEVER / 1000 ? whole * 10 + (uint64_t)(bytes[i] - '0') : whole;
        i++;
    }
    if (i == 0) {
        return false;
    }
    if (i < size && bytes[i] == '.') {
        i++;
        while (i < size && is_digit(bytes[i])) {
            scale /= 10;
            fraction += scale * (uint64_t)(bytes[i] - '0');
            i++;
        }
    }
    *out_ns = whole > (SWARM_NEVER / 2) / unit_ns ? SWARM_NEVER / 2 : whole * unit_ns + fraction;
    return i == size;
}

/* Digits at a place of a date. */
static inline uint64_t date_digits(const char *bytes, uint32_t count, bool *good) {
    uint64_t value = 0;

    for (uint32_t i = 0; i < count; i++) {
        *good = *good && is_digit(bytes[i]);
        value = value * 10 + (uint64_t)(uint8_t)(bytes[i] - '0');
    }
    return value;
}

/* Days from 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms"). */
static inline uint64_t date_days(uint64_t year, uint64_t month, uint64_t day) {
    uint64_t of_march = month > 2 ? month - 3 : month + 9;
    uint64_t years = month > 2 ? year : year - 1;
    uint64_t of_year = (153 * of_march + 2) / 5 + day - 1;

    return years * 365 + years / 4 - years / 100 + years / 400 + of_year - 719468;
}

/* IMF-fixdate, the one form that servers may send; seconds since 1970. */
static inline bool read_date(const char *bytes, size_t size, uint64_t *out_seconds) {
    static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    uint64_t day, month = 0, year, seconds;
    bool good = size == 29 && memcmp(bytes + 25, " GMT", 4) == 0;

    if (!good) {
        return false;
    }
    for (uint32_t i = 0; i < 12; i++) {
        month = memcmp(bytes + 8, MONTHS + 3 * (size_t)i, 3) == 0 ? i + 1 : month;
    }
    day = date_digits(bytes + 5, 2, &good);
    year = date_digits(bytes + 12, 4, &good);
    seconds = date_digits(bytes + 17, 2, &good) * 3600 + date_digits(bytes + 20, 2, &good) * 60 +
              date_digits(bytes + 23, 2, &good);
    if (!good || month == 0 || day == 0 || day > 31 || year < 1970) {
        return false;
    }
    *out_seconds = date_days(year, month, day) * 86400 + seconds;
    return true;
}

/* A number behind "word=" in a list. */
static inline uint64_t read_parameter(const char *bytes, size_t size, const char *word) {
    size_t length = strlen(word);

    for (size_t i = 0; i + length < size; i++) {
        if (is_text(bytes + i, length, word)) {
            uint64_t value = 0;
            size_t digits = 0;

            while (i + length + digits < size && digits < 18 &&
                   is_digit(bytes[i + length + digits])) {
                value = value * 10 + (uint64_t)(bytes[i + length + digits] - '0');
                digits++;
            }
            return digits != 0 ? value : SWARM_NEVER;
        }
    }
    return SWARM_NEVER;
}

/* unix_ns: the wall clock now; 0: unknown, then dates advise nothing. */
static inline void advice_retry(struct advice *advice, const swarm_http_event *field,
                                uint64_t unix_ns) {
    uint64_t ns = 0, seconds = 0, now = unix_ns / SECOND_NS;

    if (advice->exact) {
        return;
    }
    if (read_decimal(field->bytes, field->size, SECOND_NS, &ns)) {
        advice->retry_ns = ns;
    } else if (unix_ns != 0 && read_date(field->bytes, field->size, &seconds) && seconds > now) {
        advice->retry_ns = (seconds - now) * SECOND_NS;
    }
}

static inline void advice_field(struct advice *advice, const swarm_http_event *field,
                                uint64_t unix_ns) {
    uint64_t ns = 0;

    if (is_text(field->name, field->name_size, "retry-after")) {
        advice_retry(advice, field, unix_ns);
    } else if (is_text(field->name, field->name_size, "retry-after-ms")) {
        if (read_decimal(field->bytes, field->size, 1000000, &ns)) {
            advice->retry_ns = ns;
            advice->exact = true;
        }
    } else if (is_text(field->name, field->name_size, "x-should-retry")) {
        advice->retry = is_text(field->bytes, field->size, "true")    ? RETRY_YES
                        : is_text(field->bytes, field->size, "false") ? RETRY_NO
                                                                      : RETRY_UNSAID;
    } else if (is_text(field->name, field->name_size, "keep-alive")) {
        uint64_t timeout = read_parameter(field->bytes, field->size, "timeout=");

        advice->keep_ns = timeout < SWARM_NEVER / SECOND_NS ? timeout * SECOND_NS : SWARM_NEVER;
        advice->keep_max = read_parameter(field->bytes, field->size, "max=");
    }
}

#endif
