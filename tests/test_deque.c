/* SPDX-License-Identifier: MIT */
/*
 * test_deque.c - the work-stealing deque, alone against an array and under threads.
 *
 * Threads show what an x86 machine and the thread sanitizer can show; orders weaker than that are
 * for the model checker. What is asserted: each item comes out exactly once, with what it stands
 * for visible; capacities 1 and 2 filled to the brim; indices that pass 2^32, 2^63 and 2^64.
 */
#include "test.h"

#include "../src/graph/deque.h"
#include "crew.h"

static const uint64_t starts[] = {0, ((uint64_t)1 << 32) - 3, ((uint64_t)1 << 63) - 3,
                                  UINT64_MAX - 2};
#define STARTS (sizeof starts / sizeof starts[0])

/* ---- alone ----------------------------------------------------------------------------------- */

#define MODEL_MAX 64

struct deque_model {
    uint64_t items[MODEL_MAX];
    size_t count;
};

static void deque_step(struct deque *deque, struct deque_model *model, uint64_t capacity,
                       uint64_t item) {
    uint64_t out = 77;

    switch (test_below(4)) {
    case 0:
        if (model->count != 0) {
            CHECK(deque_take(deque, &out));
            CHECK_EQ(out, model->items[--model->count]);
        } else {
            CHECK(!deque_take(deque, &out));
            CHECK_EQ(out, 77);
        }
        break;
    case 1:
        if (model->count != 0) {
            CHECK_EQ(deque_steal(deque, &out), DEQUE_ITEM);
            CHECK_EQ(out, model->items[0]);
            memmove(model->items, model->items + 1, --model->count * sizeof model->items[0]);
        } else {
            CHECK_EQ(deque_steal(deque, &out), DEQUE_EMPTY);
            CHECK_EQ(out, 77);
        }
        break;
    default:
        CHECK_EQ(deque_push(deque, item), model->count < capacity);
        if (model->count < capacity) {
            model->items[model->count++] = item;
        }
        break;
    }
}

TEST(deque_agrees_with_an_array) {
    static atomic_u64 cells[MODEL_MAX];

    for (uint64_t capacity = 1; capacity <= MODEL_MAX; capacity *= 2) {
        for (size_t s = 0; s < STARTS && !test_failed(); s++) {
            struct deque_model model;
            struct deque deque;

            model.count = 0;
            deque_init(&deque, cells, capacity, starts[s]);
            for (int step = 0; step < 4000 && !test_failed(); step++) {
                deque_step(&deque, &model, capacity, test_random());
                CHECK(deque_invariant(&deque));
                CHECK_EQ(deque_looks_empty(&deque), model.count == 0);
            }
        }
    }
}

TEST(deque_full_to_the_brim_and_empty_again) {
    atomic_u64 cells[8];

    for (uint64_t capacity = 1; capacity <= 8; capacity *= 2) {
        for (size_t s = 0; s < STARTS; s++) {
            struct deque deque;
            uint64_t out = 0;

            deque_init(&deque, cells, capacity, starts[s]);
            for (int round = 0; round < 5; round++) {
                CHECK(!deque_take(&deque, &out)); /* a take of nothing must not spoil the push */
                for (uint64_t i = 0; i < capacity; i++) {
                    CHECK(deque_push(&deque, 100 + i));
                }
                CHECK(!deque_push(&deque, 999));
                CHECK_EQ(deque_steal(&deque, &out), DEQUE_ITEM); /* oldest to the thief */
                CHECK_EQ(out, 100);
                CHECK(deque_push(&deque, 500));
                CHECK(!deque_push(&deque, 999));
                CHECK(deque_take(&deque, &out)); /* newest to the owner */
                CHECK_EQ(out, 500);
                for (uint64_t i = 1; i < capacity; i++) {
                    CHECK(deque_take(&deque, &out));
                    CHECK_EQ(out, 100 + capacity - i);
                }
                CHECK(deque_looks_empty(&deque));
                CHECK(deque_invariant(&deque));
            }
        }
    }
}

/* A thief that read top, bottom and cell, and then slept while its item was taken and others came,
 * must lose: done by hand, one step of deque_steal at a time. */
TEST(deque_sleeping_thief_loses) {
    atomic_u64 cells[1];
    struct deque deque;
    uint64_t out = 0, top;

    deque_init(&deque, cells, 1, 0);
    CHECK(deque_push(&deque, 1));
    top = ATOMIC_LOAD(&deque.top, acquire);
    CHECK(deque_take(&deque, &out));
    CHECK(deque_push(&deque, 2)); /* the same cell, one item again: only the index tells */
    CHECK(!ATOMIC_CAS(&deque.top, &top, top + 1, seq_cst, relaxed));
    CHECK(deque_take(&deque, &out));
    CHECK_EQ(out, 2);
}

/* The owner stands between its two accesses of take, with bottom one step back. */
TEST(deque_thief_sees_the_owner_step_back) {
    atomic_u64 cells[2];

    for (size_t s = 0; s < STARTS; s++) {
        struct deque deque;
        uint64_t out = 77;

        deque_init(&deque, cells, 2, starts[s]);
        ATOMIC_STORE(&deque.bottom, starts[s] - 1, seq_cst); /* a take of nothing */
        CHECK_EQ(deque_steal(&deque, &out), DEQUE_EMPTY);
        CHECK(deque_looks_empty(&deque));
        ATOMIC_STORE(&deque.bottom, starts[s], seq_cst);
        CHECK(deque_push(&deque, 5));
        ATOMIC_STORE(&deque.bottom, starts[s], seq_cst); /* a take of the only item */
        CHECK_EQ(deque_steal(&deque, &out), DEQUE_EMPTY);
        CHECK(deque_looks_empty(&deque));
        CHECK_EQ(out, 77);
    }
}

TEST(deque_invariant_sees_damage) {
    atomic_u64 cells[2];
    struct deque deque;

    deque_init(&deque, cells, 2, 10);
    CHECK(deque_invariant(&deque));
    ATOMIC_STORE(&deque.bottom, 12, relaxed);
    CHECK(deque_invariant(&deque));
    ATOMIC_STORE(&deque.bottom, 13, relaxed);
    CHECK(!deque_invariant(&deque));
    ATOMIC_STORE(&deque.bottom, 9, relaxed);
    CHECK(!deque_invariant(&deque));
}

/* ---- under threads --------------------------------------------------------------------------- */

#define ITEMS 60000
#define CELLS_MAX 64

struct contest {
    struct deque deque;
    atomic_u64 cells[CELLS_MAX];
    atomic_u32 seen[ITEMS];
    uint64_t payload[ITEMS]; /* plain: written before the push, read by whoever gets the item */
    atomic_u32 pushed_all;
    uint32_t burst; /* how many items the owner pushes before it takes again */
};

static struct contest contest;

static void contest_got(uint64_t item) {
    if (item >= ITEMS) {
        test_fail(__FILE__, __LINE__, "an item that nobody pushed");
        return;
    }
    CHECK_EQ(SHARED_READ(contest.payload[item]), item * 3 + 1);
    CHECK_EQ(ATOMIC_ADD(&contest.seen[item], 1, relaxed), 0);
}

static void contest_own(void) {
    uint64_t item;

    for (uint64_t i = 0; i < ITEMS; i++) {
        SHARED_WRITE(contest.payload[i], i * 3 + 1);
        while (!deque_push(&contest.deque, i)) { /* to the brim, then the owner makes room */
            if (deque_take(&contest.deque, &item)) {
                contest_got(item);
            }
        }
        if (i % contest.burst == 0) {
            while (deque_take(&contest.deque, &item)) { /* down to the last item, against thieves */
                contest_got(item);
            }
        }
    }
    while (deque_take(&contest.deque, &item)) {
        contest_got(item);
    }
    /* Release: pairs with the thieves' acquire: what they see empty now stays empty. */
    ATOMIC_STORE(&contest.pushed_all, 1, release);
}

static void contest_work(void *context, uint32_t member) {
    (void)context;
    if (member == 0) {
        contest_own();
        return;
    }
    for (;;) {
        bool last = ATOMIC_LOAD(&contest.pushed_all, acquire) != 0;
        uint64_t item = UINT64_MAX;
        enum deque_result result = deque_steal(&contest.deque, &item);

        if (result == DEQUE_ITEM) {
            contest_got(item);
        } else {
            CHECK_EQ(item, UINT64_MAX);
            if (last && result == DEQUE_EMPTY) {
                return;
            }
            sched_yield();
        }
    }
}

static void contest_run(uint64_t capacity, uint64_t start, uint32_t thieves, uint32_t burst) {
    deque_init(&contest.deque, contest.cells, capacity, start);
    contest.burst = burst;
    ATOMIC_STORE(&contest.pushed_all, 0, relaxed);
    for (size_t i = 0; i < ITEMS; i++) {
        ATOMIC_STORE(&contest.seen[i], 0, relaxed);
        contest.payload[i] = 0;
    }
    CHECK(crew_run(thieves + 1, contest_work, NULL));
    for (size_t i = 0; i < ITEMS; i++) {
        CHECK_EQ(ATOMIC_LOAD(&contest.seen[i], relaxed), 1);
    }
    CHECK(deque_looks_empty(&contest.deque));
    CHECK(deque_invariant(&contest.deque));
}

TEST(deque_each_item_once_under_thieves) {
    if (CREW_ALONE != NULL) {
        SKIP(CREW_ALONE);
    }
    for (uint64_t capacity = 1; capacity <= CELLS_MAX && !test_failed(); capacity *= 8) {
        for (uint32_t thieves = 1; thieves <= 3 && !test_failed(); thieves++) {
            contest_run(capacity, starts[thieves % STARTS] - ITEMS / 2, thieves, 5);
        }
    }
    contest_run(2, UINT64_MAX - ITEMS / 2, 1, 1); /* each item is the last one: push, take, steal */
    contest_run(2, UINT32_MAX - ITEMS / 2, 3, 1);
}

TEST_MAIN()
