/* SPDX-License-Identifier: MIT */
/*
 * test_logs.h - logs written by hand, for tests of what reads them.
 *
 * The format is that of src/record/log.h, written once more: a frame for each event, so that times
 * may change from one to the next.
 */
#ifndef SWARM_TESTS_TEST_LOGS_H
#define SWARM_TESTS_TEST_LOGS_H

#include "test.h"

#include "../src/base/crc32.h"
#include "../swarm.h"

#define LOGS_MAX (1u << 19)

struct test_log {
    unsigned char bytes[LOGS_MAX];
    size_t size;
    uint64_t frames;
};

static inline size_t log_number(unsigned char *at, uint64_t value) {
    size_t n = 0;

    for (; value >= 128; value >>= 7) {
        at[n++] = (unsigned char)(value | 128);
    }
    at[n++] = (unsigned char)value;
    return n;
}

static inline void log_word(unsigned char *at, uint64_t value, size_t n) {
    for (size_t i = 0; i < n; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
}

/* An event of run 1; step SWARM_NEVER: of none. */
struct test_event {
    uint64_t now, order, step, fields[8];
    uint32_t kind, count;
};

static inline void log_event(struct test_log *log, const struct test_event *e) {
    unsigned char event[128], *frame = log->bytes + log->size;
    size_t n = 0;

    n += log_number(event + n, e->kind);
    n += log_number(event + n, 1);
    n += log_number(event + n, e->step + 1);
    for (uint32_t i = 0; i < e->count; i++) {
        n += log_number(event + n, e->fields[i]);
    }
    if (log->size + 33 + n > LOGS_MAX) {
        test_fail(__FILE__, __LINE__, "the log is full");
        return;
    }
    memcpy(frame, "SWL1", 4);
    log_word(frame + 8, n + 1, 4);
    log_word(frame + 12, SWARM_TRACE_VERSION, 4);
    log_word(frame + 16, ++log->frames, 8);
    log_word(frame + 24, e->now, 8);
    frame[32] = (unsigned char)n;
    memcpy(frame + 33, event, n);
    log_word(frame + 4, crc32c(0, frame + 8, 25 + n), 4);
    log->size += 33 + n;
}

#define TEST_EVENT(now_ns, event_order, event_kind, ordinal, ...)                                  \
    &(const struct test_event) {                                                                   \
        .now = now_ns, .order = event_order, .kind = event_kind, .step = ordinal,                  \
        .fields = {__VA_ARGS__},                                                                   \
        .count = sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)                        \
    }
#define LOG_EVENT(log, now_ns, kind, step, ...)                                                    \
    log_event(log, TEST_EVENT(now_ns, 0, kind, step, __VA_ARGS__))

#endif
