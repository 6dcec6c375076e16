/* SPDX-License-Identifier: MIT */
/*
 * crew.h - a handful of threads that begin together: the stress half of the tests of shared
 * structures. They meet at a barrier, because threads that start one after the other run one after
 * the other, and then a test of sharing shares nothing.
 *
 * CREW_ALONE says why this build has nobody to share with, or is NULL; such tests skip.
 */
#ifndef SWARM_TESTS_CREW_H
#define SWARM_TESTS_CREW_H

#include "../src/base/atomic.h"

#if defined(__STDC_NO_ATOMICS__)
#define CREW_ALONE "this compiler has no atomics, so the library has one worker"
#else
#define CREW_ALONE NULL
#endif

#include <pthread.h>
#include <sched.h>

#define CREW_MAX 8

struct crew {
    void (*work)(void *context, uint32_t member);
    void *context;
    uint32_t count;
    atomic_u32 here;
};

struct crew_member {
    struct crew *crew;
    uint32_t member;
    pthread_t thread;
};

static inline void *crew_start(void *argument) {
    struct crew_member *self = (struct crew_member *)argument;
    struct crew *crew = self->crew;

    (void)ATOMIC_ADD(&crew->here, 1, relaxed);
    while (ATOMIC_LOAD(&crew->here, relaxed) < crew->count) {
        sched_yield(); /* there may be fewer cores than members */
    }
    crew->work(crew->context, self->member);
    return NULL;
}

/* Runs work(context, 0 .. count - 1) on as many threads and waits for all. False if the machine
 * would not give them. */
static inline bool crew_run(uint32_t count, void (*work)(void *context, uint32_t member),
                            void *context) {
    struct crew crew;
    struct crew_member members[CREW_MAX];
    uint32_t started = 0;

    crew.work = work;
    crew.context = context;
    crew.count = count;
    ATOMIC_STORE(&crew.here, 0, relaxed); /* published by pthread_create */
    for (uint32_t i = 0; i < count && started == i; i++) {
        members[i].crew = &crew;
        members[i].member = i;
        started += pthread_create(&members[i].thread, NULL, crew_start, &members[i]) == 0;
    }
    /* Without all of them the barrier would never open. */
    (void)ATOMIC_ADD(&crew.here, count - started, relaxed);
    for (uint32_t i = 0; i < started; i++) {
        (void)pthread_join(members[i].thread, NULL);
    }
    return started == count;
}

#endif
