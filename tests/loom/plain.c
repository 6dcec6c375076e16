/* SPDX-License-Identifier: MIT */
/*
 * plain.c - plain data: races, and memory that is free; and the names of places.
 *
 * An access must come after the last write by another thread, a write after the reads as well, in
 * the order that the views of loom.c make (FastTrack, Flanagan and Freund, PLDI 2009). Views of
 * seq_cst fences pass no such order on: a fence alone synchronises with nothing.
 *
 * The code under test is compiled for the thread sanitizer; here stands what its instrumented
 * accesses call. Copies of structures that gcc makes by calling memcpy are not seen.
 */
#include "engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TABLE 32768u /* a power of two above twice the places touched in an execution */

/* Plain data: one entry for 4 bytes, or for a smaller datum. */
struct shadow {
    uintptr_t key;
    uint64_t execution;
    uint32_t writer, write;       /* thread and clock of the last write; 0: none */
    uint32_t reads[LOOM_THREADS]; /* clock of the last read of each thread */
    bool poisoned;
};

static struct shadow shadows[TABLE];
static struct {
    const void *place;
    const char *name;
} names[64];
static uint32_t names_count;
static uint64_t execution;
static bool poisons;

void loom_plain_begin(void) {
    execution++;
    poisons = false;
    names_count = 0;
}

/* ---- names, for listings */

void loom_name(const void *place, const char *name) {
    if (names_count < sizeof names / sizeof names[0]) {
        names[names_count].place = place;
        names[names_count++].name = name;
    }
}

void loom_place_text(const void *place, char *text, size_t size) {
    const char *name = "?";
    uintptr_t best = UINTPTR_MAX;

    for (uint32_t i = 0; i < names_count; i++) {
        uintptr_t behind = (uintptr_t)place - (uintptr_t)names[i].place;

        if (behind < best) {
            best = behind;
            name = names[i].name;
        }
    }
    if (best == UINTPTR_MAX || best > 65536) {
        (void)snprintf(text, size, "%p", place);
    } else {
        (void)snprintf(text, size, best == 0 ? "%s" : "%s+%" PRIuPTR, name, best);
    }
}

/* ---- accesses */

static struct shadow *shadow_of(uintptr_t key) {
    uint32_t at = (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 40) & (TABLE - 1);

    while (shadows[at].execution == execution && shadows[at].key != key) {
        at = (at + 1) & (TABLE - 1);
    }
    if (shadows[at].execution != execution) {
        memset(&shadows[at], 0, sizeof shadows[at]);
        shadows[at].execution = execution;
        shadows[at].key = key;
    }
    return &shadows[at];
}

bool loom_is_poisoned(const void *place) {
    return poisons && shadow_of((uintptr_t)place & ~(uintptr_t)3)->poisoned;
}

void loom_poison(const void *place, size_t size) {
    poisons = true;
    for (uintptr_t at = (uintptr_t)place; at < (uintptr_t)place + size; at += 4) {
        shadow_of(at & ~(uintptr_t)3)->poisoned = true;
    }
}

void loom_unpoison(const void *place, size_t size) {
    for (uintptr_t at = (uintptr_t)place; at < (uintptr_t)place + size; at += 4) {
        shadow_of(at & ~(uintptr_t)3)->poisoned = false;
    }
}

static void race(uintptr_t key, const char *what, uint32_t one, uint32_t other) {
    char where[48], text[128];

    loom_place_text((const void *)(key & ~(uintptr_t)1), where, sizeof where);
    (void)snprintf(text, sizeof text, "%s of %s by thread %" PRIu32 ", and by %" PRIu32, what,
                   where, one, other);
    loom_fail("race", text);
}

static void plain(uintptr_t key, bool write, const struct loom_clock *clock) {
    struct shadow *shadow = shadow_of(key);
    const uint32_t *now = clock->now;

    if (shadow->poisoned) {
        loom_fail("poison", write ? "free memory is written" : "free memory is read");
    }
    if (shadow->write > now[shadow->writer]) {
        race(key, write ? "write" : "read", clock->thread, shadow->writer);
    }
    if (!write) {
        shadow->reads[clock->thread] = now[clock->thread];
        return;
    }
    for (uint32_t t = 0; t < clock->threads; t++) {
        if (shadow->reads[t] > now[t]) {
            race(key, "write", clock->thread, t);
        }
    }
    shadow->writer = clock->thread;
    shadow->write = now[clock->thread];
}

static void plain_access(const void *place, size_t size, bool write) {
    const struct loom_clock *clock = loom_clock(place);
    uintptr_t at = (uintptr_t)place;

    if (clock == NULL) {
        return;
    }
    if (size < 4) { /* its own entry, marked by an odd key outside of the others' */
        plain((at << 1) | 1, write, clock);
        return;
    }
    for (uintptr_t end = at + size; at < end; at += 4) {
        plain(at & ~(uintptr_t)3, write, clock);
    }
}

/* ---- the thread sanitizer's runtime, as the instrumented code calls it */

#define PLAIN(size)                                                                                \
    void plain_read##size(const void *place) __asm__("__tsan_read" #size);                         \
    void plain_write##size(const void *place) __asm__("__tsan_write" #size);                       \
    void plain_loose_read##size(const void *place) __asm__("__tsan_unaligned_read" #size);         \
    void plain_loose_write##size(const void *place) __asm__("__tsan_unaligned_write" #size);       \
    void plain_read##size(const void *place) {                                                     \
        plain_access(place, size, false);                                                          \
    }                                                                                              \
    void plain_write##size(const void *place) {                                                    \
        plain_access(place, size, true);                                                           \
    }                                                                                              \
    void plain_loose_read##size(const void *place) {                                               \
        plain_access(place, size, false);                                                          \
    }                                                                                              \
    void plain_loose_write##size(const void *place) {                                              \
        plain_access(place, size, true);                                                           \
    }

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void plain_begin(void) __asm__("__tsan_init");
void plain_enter(const void *caller) __asm__("__tsan_func_entry");
void plain_leave(const void *caller) __asm__("__tsan_func_exit");
void plain_read_range(const void *place, size_t size) __asm__("__tsan_read_range");
void plain_write_range(const void *place, size_t size) __asm__("__tsan_write_range");
void *plain_copy(void *to, const void *from, size_t size) __asm__("__tsan_memcpy");
void *plain_move(void *to, const void *from, size_t size) __asm__("__tsan_memmove");
void *plain_fill(void *to, int value, size_t size) __asm__("__tsan_memset");

void plain_begin(void) {
}

void plain_enter(const void *caller) {
    (void)caller;
}

void plain_leave(const void *caller) {
    (void)caller;
}

void plain_read_range(const void *place, size_t size) {
    plain_access(place, size, false);
}

void plain_write_range(const void *place, size_t size) {
    plain_access(place, size, true);
}

void *plain_copy(void *to, const void *from, size_t size) {
    plain_access(from, size, false);
    plain_access(to, size, true);
    return memcpy(to, from, size);
}

void *plain_move(void *to, const void *from, size_t size) {
    plain_access(from, size, false);
    plain_access(to, size, true);
    return memmove(to, from, size);
}

void *plain_fill(void *to, int value, size_t size) {
    plain_access(to, size, true);
    return memset(to, value, size);
}
