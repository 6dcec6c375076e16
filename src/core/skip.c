/* SPDX-License-Identifier: MIT */
/*
 * skip.c - steps that are not needed when others are sure enough (M15), and swarm_step_skip.
 *
 * A skip is an end like any other: what it means to a successor is said by the edge. A step that
 * somebody needs strictly is not skipped. The commit refuses such an edge within a plan; here the
 * successors that have come since are looked at.
 */
#include "core.h"

/* Whether a skip would skip somebody else. */
static bool is_needed(const swarm *sw, const struct tracked *step) {
    const struct dispatch *d = &sw->dispatch;
    uint32_t cursor = NONE32, edge;

    while ((edge = swarm__graph_successor(&sw->graph, step->slot, &cursor)) != NONE32) {
        uint32_t to = edge & GRAPH_SLOT, tracked, record;
        bool cascades;

        if ((edge & GRAPH_DELAYED) == 0) {
            return true;
        }
        tracked = tracked_of(&sw->graph, to);
        record = swarm__delay_find(d, step->delays_first, d->tracked[tracked].ordinal);
        cascades = record == NONE32 || edge_cascades(&d->delays[record]);
        if (swarm__step_joins(d, tracked)) {
            cascades = cascades && join_hangs(&d->shapes[d->tracked[tracked].shape].join);
        }
        if (cascades) {
            return true;
        }
    }
    return false;
}

/* The smallest confidence among what came in; 0 when nothing did. */
static uint32_t confidence_of(const swarm *sw, const struct tracked *step) {
    const struct dispatch *d = &sw->dispatch;
    uint32_t least = 0;
    bool any = false;

    for (uint32_t cell = step->inputs_first; cell != NONE32; cell = d->inputs[cell].next) {
        uint32_t slot = d->inputs[cell].slot, confidence = 0;

        if ((slot & INPUT_HOLE) != 0) {
            continue;
        }
        if (graph_has(&sw->graph, slot, GRAPH_TRACKED)) {
            confidence = d->tracked[tracked_of(&sw->graph, slot)].result.confidence_ppm;
        }
        least = any && least < confidence ? least : confidence;
        any = true;
    }
    return least;
}

bool swarm__step_skips(swarm *sw, uint32_t tracked) {
    const struct tracked *step = &sw->dispatch.tracked[tracked];
    uint32_t threshold = step->shape == NONE32 ? 0 : sw->dispatch.shapes[step->shape].skip_ppm;
    uint64_t fields[3] = {1, threshold, 0};

    if (threshold == 0) {
        return false;
    }
    fields[2] = confidence_of(sw, step);
    if (fields[2] < threshold || is_needed(sw, step)) {
        return false;
    }
    swarm__log(sw, SWARM_EVENT_SKIP, step->run, step->ordinal, fields);
    return true;
}

static swarm_status skip_check(swarm *sw, swarm_step step, uint32_t *out_tracked) {
    uint32_t slot;

    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    slot = swarm__step_find(sw, step);
    if (slot == NONE32) {
        return SWARM_E_STALE;
    }
    if (!graph_has(&sw->graph, slot, GRAPH_TRACKED)) {
        return SWARM_E_INVALID;
    }
    *out_tracked = tracked_of(&sw->graph, slot);
    if (state_is_terminal(sw->dispatch.tracked[*out_tracked].state)) {
        return SWARM_E_STARTED;
    }
    return is_needed(sw, &sw->dispatch.tracked[*out_tracked]) ? SWARM_E_DEPENDS : SWARM_OK;
}

swarm_status swarm_step_skip(swarm *sw, swarm_step handle) {
    uint64_t fields[3] = {2, 0, 0};
    uint32_t tracked;
    swarm_status status = skip_check(sw, handle, &tracked);
    const struct tracked *step;

    if (status != SWARM_OK) {
        return status;
    }
    if (!swarm__owner_may_log(sw)) {
        return SWARM_E_AGAIN;
    }
    step = &sw->dispatch.tracked[tracked];
    swarm__log(sw, SWARM_EVENT_SKIP, step->run, step->ordinal, fields);
    if (step->state == SWARM_STEP_RUNNING || swarm__step_with_worker(step)) {
        swarm__step_stop(sw, step->slot, false);
    } else {
        swarm__step_end(sw, tracked, SWARM_STEP_SKIPPED, SWARM_OK);
    }
    return SWARM_OK;
}
