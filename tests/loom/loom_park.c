/* SPDX-License-Identifier: MIT */
/*
 * loom_park.c - the event count under the model of C11 memory: nobody sleeps while there is work.
 *
 * Waiters look, announce themselves, look again and sleep. Work is a counter with plain data behind
 * it. A lost wake-up is a deadlock: nobody else will come. Waits may end without cause, and timed
 * ones at any time.
 */
#include "loom_atomic.h"

#include "../../src/base/mailbox.h"
#include "../../src/base/stack.h"
#include "../../src/graph/deque.h"
#include "../../src/graph/park.h"

static const struct park_host host = {NULL, loom_wait, loom_wake};
static struct park park;
static atomic_u32 work, ended;
static uint32_t payload;
static struct stack stack;
static struct mailbox mailbox;
static struct deque deque;
static atomic_u32 links[4];
static atomic_u64 cells[4];

static void begin(void) {
    park_init(&park, UINT32_MAX); /* the epoch comes round */
    ATOMIC_STORE(&work, 0, relaxed);
    ATOMIC_STORE(&ended, 0, relaxed);
    payload = 0;
    stack_init(&stack, links, 4);
    mailbox_init(&mailbox, links, 4);
    deque_init(&deque, cells, 4, 0);
    loom_name(&park.epoch, "epoch");
    loom_name(&park.waiters, "waiters");
    loom_name(&work, "work");
    loom_name(&ended, "ended");
    loom_name(&payload, "payload");
}

static bool work_take(void) {
    uint32_t there = ATOMIC_LOAD(&work, relaxed);

    while (there != 0) {
        if (ATOMIC_CAS_WEAK(&work, &there, there - 1, acquire, relaxed)) {
            return true;
        }
    }
    return false;
}

static void work_put(void) {
    (void)ATOMIC_ADD(&work, 1, release);
    park_notify_one(&park, &host);
}

/* Takes one piece of work, however long that takes. */
static void work_one(uint64_t timeout_ns) {
    while (!work_take()) {
        uint32_t ticket = park_prepare(&park);

        if (ATOMIC_LOAD(&work, relaxed) != 0) { /* the second look */
            park_cancel(&park);
        } else {
            (void)park_commit(&park, &host, ticket, timeout_ns);
        }
    }
}

static void check(void) {
    LOOM_CHECK(park_invariant(&park));
}

/* ---- as much work as waiters */

static void two_two(uint32_t thread) {
    if (thread < 2) {
        work_one(PARK_FOREVER);
    } else {
        work_put();
    }
}

static void one_three(uint32_t thread) {
    if (thread == 0) {
        for (uint32_t i = 0; i < 3; i++) {
            work_one(PARK_FOREVER);
        }
    } else {
        work_put();
    }
}

/* A third one, who never sleeps, takes the work and puts it back. */
static void taken_meanwhile(uint32_t thread) {
    if (thread == 0) {
        work_one(PARK_FOREVER);
    } else if (thread == 1) {
        if (work_take()) {
            work_put();
        }
    } else {
        work_put();
    }
}

/* ---- a waiter whose time is up uses a wake-up, and leaves; it looks once more before */

static void timed(uint32_t thread) {
    if (thread == 0) {
        work_one(PARK_FOREVER);
        ATOMIC_STORE(&ended, 1, release);
    } else if (thread == 1) {
        uint32_t ticket = park_prepare(&park);

        if (ATOMIC_LOAD(&work, relaxed) == 0) {
            (void)park_commit(&park, &host, ticket, 5);
        } else {
            park_cancel(&park);
        }
        if (ATOMIC_LOAD(&work, relaxed) != 0) {
            park_notify_one(&park, &host); /* the next one, for this one leaves */
        }
    } else {
        work_put();
    }
}

/* The same with one that found something else at its second look. */
static void cancelled(uint32_t thread) {
    if (thread == 1) {
        (void)park_prepare(&park);
        park_cancel(&park);
        if (ATOMIC_LOAD(&work, relaxed) != 0) {
            park_notify_one(&park, &host);
        }
    } else {
        timed(thread);
    }
}

/* ---- the end concerns all */

static void all(uint32_t thread) {
    if (thread == 2) {
        payload = 7;
        ATOMIC_STORE(&ended, 1, release);
        park_notify_all(&park, &host);
        return;
    }
    while (ATOMIC_LOAD(&ended, acquire) == 0) {
        uint32_t ticket = park_prepare(&park);

        if (ATOMIC_LOAD(&ended, relaxed) != 0) {
            park_cancel(&park);
        } else {
            (void)park_commit(&park, &host, ticket, PARK_FOREVER);
        }
    }
    LOOM_CHECK(payload == 7);
}

/* ---- who sees the epoch raised sees what was written before, by the epoch alone */

static void seen_by_commit(uint32_t thread) {
    if (thread == 0) {
        uint32_t ticket = park_prepare(&park);

        if (park_commit(&park, &host, ticket, 5)) {
            LOOM_CHECK(payload == 7);
        }
    } else {
        payload = 7;
        park_notify_all(&park, &host);
    }
}

static void seen_by_ticket(uint32_t thread) {
    if (thread == 0) {
        uint32_t first = park_prepare(&park), second = park_prepare(&park);

        if (second != first) {
            LOOM_CHECK(payload == 7);
        }
        park_cancel(&park);
        park_cancel(&park);
    } else {
        payload = 7;
        park_notify_all(&park, &host);
    }
}

/* ---- nobody waits: nobody is told */

static void quiet(uint32_t thread) {
    (void)thread;
    park_notify_one(&park, &host);
    (void)park_prepare(&park);
    park_cancel(&park);
    park_notify_one(&park, &host);
}

static void quiet_check(void) {
    check();
    LOOM_CHECK(ATOMIC_LOAD(&park.epoch, relaxed) == UINT32_MAX);
}

/* ---- the looks that stand between prepare and commit in the library, each for itself */

enum { LOOK_STACK, LOOK_DEQUE, LOOK_MAILBOX };

static bool look(void) {
    return loom_size() == LOOK_STACK   ? !stack_looks_empty(&stack)
           : loom_size() == LOOK_DEQUE ? !deque_looks_empty(&deque)
                                       : !mailbox_looks_empty(&mailbox);
}

static bool look_take(void) {
    uint64_t item;

    return loom_size() == LOOK_STACK   ? stack_take_all(&stack) != NONE32
           : loom_size() == LOOK_DEQUE ? deque_steal(&deque, &item) == DEQUE_ITEM
                                       : mailbox_take(&mailbox) != NONE32;
}

static void look_run(uint32_t thread) {
    if (thread == 1) {
        payload = 7;
        if (loom_size() == LOOK_STACK) {
            stack_push(&stack, 1);
        } else if (loom_size() == LOOK_DEQUE) {
            (void)deque_push(&deque, 1);
        } else {
            mailbox_push(&mailbox, 1);
        }
        park_notify_one(&park, &host);
        return;
    }
    while (!look_take()) {
        uint32_t ticket = park_prepare(&park);

        if (look()) {
            park_cancel(&park);
            ATOMIC_PAUSE(); /* a push may not be through yet */
        } else {
            (void)park_commit(&park, &host, ticket, PARK_FOREVER);
        }
    }
    LOOM_CHECK(payload == 7);
}

#define CLIENT(program, count, bound, executions)                                                  \
    {                                                                                              \
        .name = "park_" #program, .setup = begin, .run = program, .check = check,                  \
        .threads = count, .preemptions = bound, .first = 500000, .random = executions              \
    }
#define LOOKS(place)                                                                               \
    {                                                                                              \
        .name = "park_" #place, .setup = begin, .run = look_run, .check = check, .threads = 2,     \
        .size = place, .preemptions = 3, .random = 50000                                           \
    }

static const struct loom_client clients[] = {
    CLIENT(two_two, 4, 2, 400000),
    CLIENT(one_three, 4, 2, 400000),
    CLIENT(taken_meanwhile, 3, 3, 200000),
    CLIENT(timed, 3, 3, 400000),
    CLIENT(cancelled, 3, 3, 300000),
    CLIENT(all, 3, 3, 200000),
    CLIENT(seen_by_commit, 2, 3, 50000),
    CLIENT(seen_by_ticket, 2, 3, 50000),
    {.name = "park_quiet", .setup = begin, .run = quiet, .check = quiet_check, .threads = 1},
    LOOKS(LOOK_STACK),
    LOOKS(LOOK_DEQUE),
    LOOKS(LOOK_MAILBOX),
};

int main(int argc, char **argv) {
    return loom_main(argc, argv, clients, sizeof clients / sizeof clients[0]);
}
