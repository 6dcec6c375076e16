/* SPDX-License-Identifier: MIT
 *
 * replay_text.h: errors, growing arrays, and lines, words and numbers of untrusted text.
 *
 * Nothing here trusts a byte: numbers are checked against a limit as they are read, text that
 * goes into an error is cut and cleaned, nothing is allocated on the word of a header. Reading
 * is one pass: time is proportional to the text, however long its lines.
 *
 * Invariant of a scan: word <= line_end <= at <= end; line counts the lines begun.
 */
#ifndef REPLAY_TEXT_H
#define REPLAY_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    INPUT_TEXT_MAX = 200,
};

/* Bytes of the input's text; not terminated. */
struct slice {
    const char *at;
    size_t size;
};

struct input_error {
    const char *status; /* "SWARM_E_...", null while all is well */
    uint64_t line;      /* 1 for the first; 0: the file as a whole */
    char text[INPUT_TEXT_MAX];
};

/* The text from the next line on, and the unread rest of the current one. */
struct scan {
    const char *at;
    const char *end;
    const char *word;
    const char *line_end;
    uint32_t line;
    bool text_lines; /* plans: a '#' inside a line is text */
    struct input_error *error;
};

/* ---- Errors ---------------------------------------------------------------------------- */

/* Keeps the first error; always false, so that readers can return it. */
static inline bool input_fail(struct input_error *error, const char *status, uint64_t line,
                              const char *format, ...) {
    if (error->status != NULL) {
        return false;
    }
    error->status = status;
    error->line = line;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    for (char *c = error->text; *c != '\0'; ++c) { /* hostile bytes end in terminals and JSON */
        if (*c < 0x20 || *c > 0x7e) {
            *c = '?';
        }
    }
    return false;
}

static inline bool input_out_of_memory(struct input_error *error, uint64_t line) {
    return input_fail(error, "SWARM_E_FULL", line, "out of memory");
}

/* ---- Arrays that grow ------------------------------------------------------------------ */

/* Room for one more item; null leaves the array as it was. */
static inline void *array_room(void *items, uint32_t count, uint32_t *room, size_t item_bytes) {
    if (count < *room) {
        return items;
    }
    uint32_t next = *room == 0 ? 16 : *room * 2;
    if (*room > UINT32_MAX / 2 || (size_t)next > SIZE_MAX / item_bytes) {
        return NULL;
    }
    void *grown = realloc(items, next * item_bytes);
    if (grown != NULL) {
        *room = next;
    }
    return grown;
}

/* calloc that never asks for zero bytes: null always means out of memory. */
static inline void *array_new(size_t count, size_t item_bytes) {
    return calloc(count == 0 ? 1 : count, item_bytes);
}

/* ---- Lines and words ------------------------------------------------------------------- */

static inline bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next line that is neither blank nor a comment; false at the end of the text. */
static inline bool scan_line(struct scan *scan) {
    while (scan->at < scan->end) {
        const char *end = memchr(scan->at, '\n', (size_t)(scan->end - scan->at));
        const char *word = scan->at;
        scan->at = end == NULL ? scan->end : end + 1;
        scan->line_end = end == NULL ? scan->end : end;
        scan->line += 1;
        while (word < scan->line_end && is_blank(*word)) {
            ++word;
        }
        scan->word = word;
        if (word < scan->line_end && *word != '#') {
            return true;
        }
    }
    scan->word = scan->line_end = scan->end;
    return false;
}

/* The next word of the line; false where the line, or what counts of it, has ended. */
static inline bool scan_word(struct scan *scan, struct slice *out_word) {
    const char *at = scan->word;
    while (at < scan->line_end && is_blank(*at)) {
        ++at;
    }
    if (at == scan->line_end || (*at == '#' && !scan->text_lines)) {
        scan->word = scan->line_end;
        return false;
    }
    const char *begin = at;
    while (at < scan->line_end && !is_blank(*at)) {
        ++at;
    }
    *out_word = (struct slice){begin, (size_t)(at - begin)};
    scan->word = at;
    return true;
}

static inline bool slice_is(struct slice slice, const char *text) {
    return slice.size == strlen(text) && memcmp(slice.at, text, slice.size) == 0;
}

static inline int slice_shown(struct slice slice) /* for "%.*s" */
{
    return slice.size > 40 ? 40 : (int)slice.size;
}

static inline bool scan_need_line(struct scan *scan, const char *what) {
    return scan_line(scan) || input_fail(scan->error, "SWARM_E_INVALID", scan->line,
                                         "the file ends early: expected %s", what);
}

static inline bool scan_need_word(struct scan *scan, const char *what, struct slice *out_word) {
    return scan_word(scan, out_word) || input_fail(scan->error, "SWARM_E_INVALID", scan->line,
                                                   "the line ends early: expected %s", what);
}

static inline bool scan_keyword(struct scan *scan, const char *keyword) {
    struct slice word = {scan->word, 0};
    if (!scan_need_word(scan, keyword, &word)) {
        return false;
    }
    return slice_is(word, keyword) ||
           input_fail(scan->error, "SWARM_E_INVALID", scan->line, "expected %s, found %.*s",
                      keyword, slice_shown(word), word.at);
}

static inline bool scan_line_done(struct scan *scan) {
    struct slice word = {scan->word, 0};
    return !scan_word(scan, &word) ||
           input_fail(scan->error, "SWARM_E_INVALID", scan->line, "unexpected at end of line: %.*s",
                      slice_shown(word), word.at);
}

static inline bool scan_file_done(struct scan *scan) {
    struct slice word = {scan->end, 0};
    if (!scan_line(scan)) {
        return true;
    }
    scan_word(scan, &word);
    return input_fail(scan->error, "SWARM_E_INVALID", scan->line,
                      "unexpected after the last record: %.*s", slice_shown(word), word.at);
}

static inline bool slice_number(struct slice word, uint64_t max, uint64_t *out_value) {
    uint64_t value = 0;
    for (size_t i = 0; i < word.size; ++i) {
        uint64_t digit = (uint64_t)(word.at[i] - '0');
        if (value > (max - digit) / 10) { /* max is 9 or more */
            return false;
        }
        value = value * 10 + digit;
    }
    *out_value = value;
    return true;
}

static inline bool slice_is_digits(struct slice word) {
    for (size_t i = 0; i < word.size; ++i) {
        if (word.at[i] < '0' || word.at[i] > '9') {
            return false;
        }
    }
    return word.size > 0;
}

/* A whole number from 0 to max. */
static inline bool scan_number(struct scan *scan, const char *what, uint64_t max, uint64_t *out) {
    struct slice word = {scan->word, 0};
    *out = 0;
    if (!scan_need_word(scan, what, &word)) {
        return false;
    }
    if (!slice_is_digits(word)) {
        return input_fail(scan->error, "SWARM_E_INVALID", scan->line,
                          "%s must be a whole number, 0 or more, found %.*s", what,
                          slice_shown(word), word.at);
    }
    return slice_number(word, max, out) ||
           input_fail(scan->error, "SWARM_E_OVERFLOW", scan->line, "%s is above %llu: %.*s", what,
                      (unsigned long long)max, slice_shown(word), word.at);
}

static inline bool scan_u32(struct scan *scan, const char *what, uint32_t *out) {
    uint64_t value;
    if (!scan_number(scan, what, UINT32_MAX, &value)) {
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

/* A number that may also be -1, which stands for none: given as UINT32_MAX. */
static inline bool scan_u32_or_none(struct scan *scan, const char *what, uint32_t *out) {
    struct scan ahead = *scan;
    struct slice word = {scan->word, 0};
    if (scan_word(&ahead, &word) && slice_is(word, "-1")) {
        scan->word = ahead.word;
        *out = UINT32_MAX;
        return true;
    }
    return scan_u32(scan, what, out);
}

/* Rows come by id: that is how a duplicate, a gap and an absurd count are all seen at once. */
static inline bool scan_in_order(struct scan *scan, const char *what, uint32_t id,
                                 uint32_t expected) {
    if (id == expected) {
        return true;
    }
    return id < expected
               ? input_fail(scan->error, "SWARM_E_DUPLICATE", scan->line, "%s %u twice", what, id)
               : input_fail(scan->error, "SWARM_E_INVALID", scan->line,
                            "expected %s %u, found %u: they stand by id, none left out", what,
                            expected, id);
}

#endif
