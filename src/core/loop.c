/* SPDX-License-Identifier: MIT */
/*
 * loop.c - a step that is done again until its result says that it is enough (M5).
 *
 * The graph sees one step: its successors are told when the loop has ended, so the graph stays
 * acyclic whatever an iteration does. An iteration of a call step may bring a plan with a
 * continuation; then that one's result is the iteration's.
 */
#include "core.h"

enum { LOOP_AGAIN = 1, LOOP_ENOUGH = 2, LOOP_LIMIT = 3 };

bool swarm__loop_again(swarm *sw, uint32_t tracked, const swarm_result *result,
                       swarm_status *out_reason) {
    struct dispatch *d = &sw->dispatch;
    const struct tracked *step = &d->tracked[tracked];
    struct loop *loop;
    uint64_t fields[5] = {LOOP_AGAIN, 0, result->branch, result->confidence_ppm, result->value};

    *out_reason = SWARM_OK;
    if (!swarm__step_loops(d, tracked)) {
        return false;
    }
    loop = &d->shapes[step->shape].loop;
    SWARM_ASSERT(loop->iteration < loop->iterations_max);
    fields[1] = ++loop->iteration;
    if (loop->until != SWARM_WHEN_ALWAYS && result_meets(result, loop->until, loop->value)) {
        fields[0] = LOOP_ENOUGH;
    } else if (loop->iteration == loop->iterations_max) {
        fields[0] = LOOP_LIMIT;
        *out_reason = loop->until != SWARM_WHEN_ALWAYS ? SWARM_E_LIMIT : SWARM_OK;
    }
    swarm__log(sw, SWARM_EVENT_LOOP, step->run, step->ordinal, fields);
    return fields[0] == LOOP_AGAIN;
}

uint32_t swarm__loop_iteration(const struct dispatch *d, uint32_t tracked) {
    return swarm__step_loops(d, tracked) ? d->shapes[d->tracked[tracked].shape].loop.iteration + 1
                                         : 0;
}

void swarm__loop_call(swarm *sw, uint32_t tracked) {
    struct tracked *step = &sw->dispatch.tracked[tracked];

    SWARM_ASSERT(step->demand == NONE32);
    SWARM_ASSERT(!state_is_terminal(step->state));
    graph_flag_clear(&sw->graph, step->slot, GRAPH_CROSSED);
    step->ready_ns = sw->now_ns;
    swarm__call_hold(sw, step->slot);
}
