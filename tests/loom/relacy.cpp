// SPDX-License-Identifier: MIT
//
// relacy.cpp - the deque and the event count, from the same source, under another model checker:
// Relacy (Vyukov; Debian's relacy-dev). It knows C++11's release sequences, and races on VAR.
//
// Usage: relacy [executions]. TAP.
#include <relacy/relacy.hpp>

#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "relacy_atomic.h"

#include "../../src/base/stack.h"
#include "../../src/graph/deque.h"
#include "../../src/graph/park.h"

static const uint32_t items = 3;

// The owner pushes three and takes two, two thieves steal one each: each item once.
template <uint64_t capacity>
struct deque_suite : rl::test_suite<deque_suite<capacity>, 3> {
    struct deque deque;
    atomic_u64 cells[capacity];
    rl::var<uint32_t> payload[items];
    uint32_t got[items];

    void before() {
        for (uint32_t i = 0; i < items; i++) {
            got[i] = 0;
        }
        for (uint64_t i = 0; i < capacity; i++) {
            ATOMIC_STORE(&cells[i], 77, relaxed);
        }
        deque_init(&deque, cells, capacity, 0);
    }

    void keep(uint64_t item) {
        RL_ASSERT(item < items);
        if (item >= items) {
            return; // the assertion does not
        }
        RL_ASSERT(payload[item](RL_INFO).load() == item + 100);
        RL_ASSERT(got[item]++ == 0);
    }

    void thread(unsigned index) {
        uint64_t item;

        if (index != 0) {
            if (deque_steal(&deque, &item) == DEQUE_ITEM) {
                keep(item);
            }
            return;
        }
        for (uint32_t i = 0; i < items; i++) {
            payload[i](RL_INFO).store(i + 100);
            if (!deque_push(&deque, i)) {
                keep(i);
            }
        }
        for (uint32_t i = 0; i < 2; i++) {
            if (deque_take(&deque, &item)) {
                keep(item);
            }
        }
    }

    void after() {
        uint64_t item;

        while (deque_take(&deque, &item)) {
            keep(item);
        }
        for (uint32_t i = 0; i < items; i++) {
            RL_ASSERT(got[i] == 1);
        }
    }
};

// A sleeper that only compares: it goes round until the word differs, which Relacy's fair scheduler
// allows; a lost wake-up is then a livelock, which it reports.
static void spin_wait(void *, const void *address, uint32_t expected, uint64_t) {
    const atomic_u32 *word = static_cast<const atomic_u32 *>(address);

    while (ATOMIC_LOAD(word, relaxed) == expected) {
        ATOMIC_PAUSE();
    }
}

static void no_wake(void *, const void *, uint32_t) {
}

// Two waiters want one piece of work each, two notifiers bring one each.
struct park_suite : rl::test_suite<park_suite, 4> {
    struct park park;
    struct park_host host;
    atomic_u32 work;
    rl::var<uint32_t> payload;

    void before() {
        park_init(&park, UINT32_MAX);
        host.context = NULL;
        host.wait = spin_wait;
        host.wake = no_wake;
        ATOMIC_STORE(&work, 0, relaxed);
    }

    bool take() {
        uint32_t there = ATOMIC_LOAD(&work, relaxed);

        while (there != 0) {
            if (ATOMIC_CAS_WEAK(&work, &there, there - 1, acquire, relaxed)) {
                return true;
            }
        }
        return false;
    }

    void thread(unsigned index) {
        if (index >= 2) {
            ATOMIC_ADD(&work, 1u, release);
            park_notify_one(&park, &host);
            return;
        }
        while (!take()) {
            uint32_t ticket = park_prepare(&park);

            if (ATOMIC_LOAD(&work, relaxed) != 0) {
                park_cancel(&park);
            } else {
                park_commit(&park, &host, ticket, PARK_FOREVER);
            }
        }
    }

    void after() {
        RL_ASSERT(park_invariant(&park));
    }
};

template <typename suite>
static bool judge(unsigned number, const char *name, unsigned long executions) {
    rl::test_params params;
    bool good;

    params.output_stream = params.progress_stream = &std::cerr; // not among the TAP
    params.iteration_count = executions;
    params.search_type = rl::random_scheduler_type;
    good = rl::simulate<suite>(params);
    std::printf("%s %u - %s\n", good ? "ok" : "not ok", number, name);
    return good;
}

int main(int argc, char **argv) {
    unsigned long executions = argc > 1 ? std::strtoul(argv[1], NULL, 10) : 200000;
    bool good = judge<deque_suite<1> >(1, "relacy_deque_1", executions);

    good = judge<deque_suite<2> >(2, "relacy_deque_2", executions) && good;
    good = judge<deque_suite<4> >(3, "relacy_deque_4", executions) && good;
    good = judge<park_suite>(4, "relacy_park", executions) && good;
    std::printf("1..4\n");
    return good ? 0 : 1;
}
