/* SPDX-License-Identifier: MIT */
/*
 * loom_deque.c - the work-stealing deque under the model of C11 memory.
 *
 * The owner runs a little program of pushes (p) and takes (t), thieves steal. Each item comes out
 * exactly once, and whoever has it sees what was written for it. An item that finds no room stays
 * with the owner. Capacities 1, 2 and 4; indices that pass 2^64.
 *
 * The shapes matter: a mutant of the deque that one of them misses is found by another (see
 * docs/verification.md).
 */
#include "loom_atomic.h"

#include "../../src/graph/deque.h"

#define ITEMS 8
#define CELLS 4

static struct deque deque;
static atomic_u64 cells[CELLS];
static uint32_t payload[ITEMS];    /* plain: written before the push, read by who gets the item */
static uint32_t got[4][ITEMS + 1]; /* each thread's own, last its number of items */
static const char *program;
static uint32_t steals, pushed;

static void keep(uint32_t thread, uint64_t item) {
    LOOM_CHECK(item < ITEMS);
    LOOM_CHECK(payload[item] == item + 100);
    got[thread][item]++;
}

static void begin(const char *owner, uint32_t thief_steals, uint64_t start) {
    program = owner;
    steals = thief_steals;
    pushed = 0;
    for (uint32_t i = 0; i < ITEMS; i++) {
        payload[i] = 0;
        for (uint32_t t = 0; t < 4; t++) {
            got[t][i] = 0;
        }
    }
    for (uint32_t i = 0; i < CELLS; i++) {
        ATOMIC_STORE(&cells[i], 77, relaxed);
    }
    deque_init(&deque, cells, loom_size(), start);
    loom_name(&deque.top, "top");
    loom_name(&deque.bottom, "bottom");
    loom_name(cells, "cells");
    loom_name(payload, "payload");
}

static void own(void) {
    for (const char *op = program; *op != 0; op++) {
        uint64_t item;

        if (*op == 'p') {
            payload[pushed] = pushed + 100;
            if (!deque_push(&deque, pushed)) {
                keep(0, pushed);
            }
            pushed++;
        } else if (deque_take(&deque, &item)) {
            keep(0, item);
        }
    }
}

static void thieve(uint32_t thread) {
    for (uint32_t i = 0; i < steals; i++) {
        uint64_t item;

        if (deque_steal(&deque, &item) == DEQUE_ITEM) {
            keep(thread, item);
        }
    }
}

static void run(uint32_t thread) {
    if (thread == 0) {
        own();
    } else {
        thieve(thread);
    }
}

static void drain(void) {
    uint64_t item;

    LOOM_CHECK(deque_invariant(&deque));
    while (deque_take(&deque, &item)) {
        keep(0, item);
    }
    LOOM_CHECK(deque_looks_empty(&deque));
    for (uint32_t i = 0; i < pushed; i++) {
        LOOM_CHECK(got[0][i] + got[1][i] + got[2][i] + got[3][i] == 1);
    }
}

static void two_one(void) {
    begin("ppt", 1, 0);
}

static void three_two(void) {
    begin("ppptt", 1, UINT64_MAX - 1);
}

static void take_empty(void) {
    begin("pttpp", 2, UINT64_MAX);
}

static void round_again(void) {
    begin("ppptptpt", 2, ((uint64_t)1 << 63) - 2);
}

/* A full deque whose only item was taken has room again; what looked empty was. */
static void brim(void) {
    begin("ppp", 2, 0);
}

/* ---- a full deque refuses, and not before it is full */

static void exact_run(uint32_t thread) {
    (void)thread;
    for (; pushed < loom_size(); pushed++) {
        payload[pushed] = pushed + 100;
        LOOM_CHECK(deque_push(&deque, pushed));
    }
    LOOM_CHECK(!deque_push(&deque, pushed));
}

static void exact(void) {
    begin("", 0, UINT64_MAX);
}

/* ---- the hint before sleeping: top and bottom read one after the other never hide an item */

static atomic_u32 told;

static void hint(void) {
    begin("", 1, 5);
    ATOMIC_STORE(&told, 0, relaxed);
    loom_name(&told, "told");
}

static void hint_run(uint32_t thread) {
    if (thread == 0) {
        payload[0] = 100;
        (void)deque_push(&deque, 0);
        payload[1] = 101;
        (void)deque_push(&deque, 1);
        pushed = 2;
        ATOMIC_STORE(&told, 1, release);
    } else if (thread == 1) {
        thieve(1);
    } else if (ATOMIC_LOAD(&told, acquire) == 1) {
        LOOM_CHECK(!deque_looks_empty(&deque)); /* one thief cannot have taken both */
    }
}

#define SHAPE(shape, capacity, thieves, bound, most, executions)                                   \
    {                                                                                              \
        .name = "deque_" #shape "_" #capacity, .setup = shape, .run = run, .check = drain,         \
        .threads = 1 + (thieves), .size = capacity, .preemptions = bound, .first = most,           \
        .random = executions                                                                       \
    }

#define EXACT(capacity)                                                                            \
    {                                                                                              \
        .name = "deque_exact_" #capacity, .setup = exact, .run = exact_run, .check = drain,        \
        .threads = 1, .size = capacity                                                             \
    }

static const struct loom_client clients[] = {
    SHAPE(two_one, 1, 2, 3, 2000000, 300000),
    SHAPE(two_one, 2, 2, 3, 2000000, 300000),
    SHAPE(two_one, 4, 2, 3, 2000000, 300000),
    SHAPE(three_two, 1, 2, 2, 1000000, 300000),
    SHAPE(three_two, 2, 2, 2, 1000000, 300000),
    SHAPE(three_two, 4, 2, 2, 1000000, 300000),
    SHAPE(take_empty, 1, 2, 2, 1000000, 500000),
    SHAPE(take_empty, 2, 2, 2, 1000000, 500000),
    SHAPE(take_empty, 4, 2, 2, 1000000, 500000),
    SHAPE(round_again, 1, 1, 3, 1000000, 300000),
    SHAPE(round_again, 2, 2, 1, 1000000, 500000),
    SHAPE(brim, 1, 1, 3, 1000000, 100000),
    SHAPE(brim, 2, 1, 3, 1000000, 100000),
    EXACT(1),
    EXACT(2),
    EXACT(4),
    {.name = "deque_hint",
     .setup = hint,
     .run = hint_run,
     .check = drain,
     .threads = 3,
     .size = 4,
     .preemptions = 3,
     .random = 100000},
};

int main(int argc, char **argv) {
    return loom_main(argc, argv, clients, sizeof clients / sizeof clients[0]);
}
