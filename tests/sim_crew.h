/* SPDX-License-Identifier: MIT */
/*
 * sim_crew.h - who runs the call steps of a simulated trial: the thread of the trial as one worker
 * or as several in turn, or threads that work until all are quiet and then wait at a gate.
 */
#ifndef SWARM_TESTS_SIM_CREW_H
#define SWARM_TESTS_SIM_CREW_H

#include <pthread.h>

#include "sim_world.h"

/* Works as every worker until none finds anything. True when there was any. */
static inline bool crew_work(struct world *w) {
    uint32_t done, all = 0;

    do {
        done = 0;
        for (uint32_t i = 0; i < w->variant.workers; i++) {
            done += swarm_work(w->sw, i, w->variant.workers == 1 ? 100 : 1 + i);
        }
        all += done;
    } while (done != 0);
    return all != 0;
}

#endif
