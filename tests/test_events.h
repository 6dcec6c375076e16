/* SPDX-License-Identifier: MIT */
/*
 * test_events.h - looking for events in the log of a rig (test_dispatch.h).
 */
#ifndef SWARM_TESTS_TEST_EVENTS_H
#define SWARM_TESTS_TEST_EVENTS_H

#include "test_dispatch.h"

/* The n-th event of a kind, from 0, about a step (SWARM_NEVER: any); false when there is none. */
static inline bool event_find(const struct rig *rig, uint32_t kind, uint64_t step, uint32_t n,
                              swarm_event *out_event) {
    swarm_log_cursor cursor = {0};
    swarm_event event;

    while (swarm_event_next(rig->log, rig->log_size, &cursor, &event) == SWARM_OK) {
        if (event.kind == kind && (step == SWARM_NEVER || event.step == step) && n-- == 0) {
            *out_event = event;
            return true;
        }
    }
    return false;
}

static inline uint32_t event_count(const struct rig *rig, uint32_t kind, uint64_t step) {
    swarm_event event;
    uint32_t count = 0;

    while (event_find(rig, kind, step, count, &event)) {
        count++;
    }
    return count;
}

/* The last event of a kind about a step; all zero when there is none. */
static inline swarm_event event_last(const struct rig *rig, uint32_t kind, uint64_t step) {
    swarm_event event = {0};
    uint32_t count = event_count(rig, kind, step);

    CHECK(count != 0);
    if (count != 0) {
        (void)event_find(rig, kind, step, count - 1, &event);
    }
    return event;
}

#endif
