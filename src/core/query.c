/* SPDX-License-Identifier: MIT */
/*
 * query.c - what may be asked of steps, runs, agents and the swarm; and letting go of a step.
 */
#include "breaker.h"
#include "guard.h"

#include <string.h>

static swarm_status step_check(swarm *sw, swarm_step step, uint32_t *out_slot) {
    if (sw == NULL) {
        return SWARM_E_INVALID;
    }
    if (!swarm__owned(sw)) {
        return SWARM_E_BUSY;
    }
    *out_slot = swarm__graph_find(&sw->graph, step);
    return *out_slot == NONE32 ? SWARM_E_STALE : SWARM_OK;
}

static void info_of_plain(const swarm *sw, uint32_t slot, swarm_step_info *info) {
    /* Acquire: pairs with the release store of worker_end, so that the output is there. */
    info->state = kind_state(ATOMIC_LOAD(&sw->graph.kind[slot], acquire));
    info->reason = info->state == SWARM_STEP_SKIPPED  ? SWARM_E_DEPENDS
                   : info->state == SWARM_STEP_FAILED ? SWARM_E_FAILED
                                                      : SWARM_OK;
    if (info->state == SWARM_STEP_OK) {
        info->result.value = sw->graph.output[slot];
    } else if (info->state == SWARM_STEP_FAILED) {
        info->plan_status =
            swarm__plain_refusal(sw->graph.output[slot], &info->outcome, &info->plan_index);
    }
}

static void info_of_tracked(const struct tracked *step, swarm_step_info *info) {
    info->state = step->state;
    info->reason = step->reason;
    /* A call step's is its worker's until it has come back. */
    info->outcome = step->demand != NONE32 || step->finished ? step->outcome : SWARM_OUTCOME_OK;
    info->attempts = step->attempts;
    info->agent.id = step->agent == NONE32 ? 0 : (uint64_t)step->agent + 1;
    info->ready_ns = step->ready_ns;
    info->start_ns = step->start_ns;
    info->end_ns = step->end_ns;
    info->flags = step->answered ? SWARM_INFO_ANSWERED : 0;
    if (step->state == SWARM_STEP_OK) {
        info->result = step->result;
    } else if (step->state == SWARM_STEP_FAILED && step->plan_status != SWARM_OK) {
        info->plan_status = step->plan_status;
        info->plan_index = step->plan_index;
    }
}

/* A step that breakers hold stands in its queue. */
static void info_of_hold(swarm *sw, uint32_t tracked, swarm_step_info *info) {
    if (info->state == SWARM_STEP_HELD) {
        info->held = swarm__ask_of(sw, tracked) != NONE32 ? SWARM_HELD_ANSWER : SWARM_HELD_BACKOFF;
    } else if (info->state == SWARM_STEP_READY) {
        info->held = swarm__breaker_holds(sw, tracked);
        info->state = info->held != SWARM_HELD_NONE ? SWARM_STEP_HELD : info->state;
    }
}

swarm_status swarm_step_status(swarm *sw, swarm_step step, swarm_step_info *out_info) {
    uint32_t slot;
    swarm_status status = step_check(sw, step, &slot);

    if (status != SWARM_OK || out_info == NULL) {
        return status != SWARM_OK ? status : SWARM_E_INVALID;
    }
    memset(out_info, 0, sizeof *out_info);
    out_info->ordinal = swarm__graph_ordinal(&sw->graph, slot);
    if (graph_has(&sw->graph, slot, GRAPH_TRACKED)) {
        info_of_tracked(&sw->dispatch.tracked[tracked_of(&sw->graph, slot)], out_info);
        out_info->flags |= swarm__recovery_info(
            &sw->dispatch, &sw->dispatch.tracked[tracked_of(&sw->graph, slot)]);
        info_of_hold(sw, tracked_of(&sw->graph, slot), out_info);
    } else {
        info_of_plain(sw, slot, out_info);
    }
    return SWARM_OK;
}

swarm_step swarm_step_find(swarm *sw, swarm_run handle, uint64_t key) {
    const swarm_step none = {0};
    uint32_t run = swarm__owned(sw) ? run_find(&sw->dispatch, handle) : NONE32;
    uint32_t tracked = run == NONE32 ? NONE32 : key_find(&sw->dispatch, run, key);

    return tracked == NONE32 ? none
                             : swarm__graph_handle(&sw->graph, sw->dispatch.tracked[tracked].slot);
}

swarm_status swarm_step_forget(swarm *sw, swarm_step step) {
    uint32_t slot;
    swarm_status status = step_check(sw, step, &slot);
    uint64_t forget = SWARM_COMMAND_FORGET_STEP;
    bool last;

    if (status != SWARM_OK) {
        return status;
    }
    if (swarm__step_find(sw, step) == NONE32) {
        return SWARM_E_STALE; /* its plan is not applied yet */
    }
    if (graph_has(&sw->graph, slot, GRAPH_STATIC)) {
        return SWARM_E_FROZEN;
    }
    if (!graph_let_go(&sw->graph, slot, &last)) {
        return SWARM_E_STALE; /* detached, or forgotten before */
    }
    /* Without room it is not in the log: a resumed swarm keeps the step as long as its run. */
    if (swarm__graph_ordinal(&sw->graph, slot) != SWARM_NEVER &&
        swarm__log_reserve(&sw->log, sw->now_ns, 2)) {
        swarm__log(sw, SWARM_EVENT_COMMAND, sw->graph.scopes[sw->graph.scope[slot]].run,
                   swarm__graph_ordinal(&sw->graph, slot), &forget);
    }
    if (last) {
        swarm__step_recycle(sw, slot);
    }
    return SWARM_OK;
}

swarm_status swarm_step_payload(swarm *sw, swarm_step step, const void *payload,
                                size_t payload_size) {
    uint32_t slot;
    swarm_status status = step_check(sw, step, &slot);
    struct tracked *tracked;

    if (status != SWARM_OK) {
        return status;
    }
    if (!graph_has(&sw->graph, slot, GRAPH_AGENT) || (payload == NULL && payload_size != 0)) {
        return SWARM_E_INVALID;
    }
    tracked = &sw->dispatch.tracked[tracked_of(&sw->graph, slot)];
    tracked->payload = payload;
    tracked->payload_size = payload_size;
    return SWARM_OK;
}

swarm_status swarm_stats_get(swarm *sw, swarm_stats *out_stats) {
    const struct gauges *g;

    if (sw == NULL || out_stats == NULL) {
        return SWARM_E_INVALID;
    }
    g = &sw->gauges;
    /* Relaxed: each counter is right for itself. */
    out_stats->now_ns = ATOMIC_LOAD(&g->now_ns, relaxed);
    out_stats->rounds = ATOMIC_LOAD(&g->rounds, relaxed);
    out_stats->open = ATOMIC_LOAD(&g->open, relaxed);
    out_stats->ready = ATOMIC_LOAD(&g->ready, relaxed);
    out_stats->inflight = ATOMIC_LOAD(&g->inflight, relaxed);
    out_stats->started = ATOMIC_LOAD(&g->started, relaxed);
    out_stats->events = ATOMIC_LOAD(&g->events, relaxed);
    out_stats->log_pending = ATOMIC_LOAD(&g->log_pending, relaxed);
    out_stats->steps_live = swarm__graph_live(&sw->graph);
    out_stats->memory = sw->memory;
    return SWARM_OK;
}

swarm_status swarm_agent_usage(swarm *sw, swarm_agent agent, uint64_t *out_attempts,
                               uint64_t *out_busy_ns) {
    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    if (!agent_exists(&sw->dispatch, agent.id)) {
        return SWARM_E_STALE;
    }
    if (out_attempts == NULL || out_busy_ns == NULL) {
        return SWARM_E_INVALID;
    }
    *out_attempts = sw->dispatch.agents[agent.id - 1].attempts;
    *out_busy_ns = sw->dispatch.agents[agent.id - 1].busy_ns;
    return SWARM_OK;
}

/* Whether something may still happen without the caller. */
static bool can_move(swarm *sw) {
    /* Quiet first: a worker that is seen to have left is seen to have posted. */
    return !swarm__graph_quiet(&sw->graph) || swarm__round_pending(sw) ||
           attempts_open(&sw->dispatch) != 0 || sw->dispatch.timers != NONE32 ||
           sw->round.held_first != NONE32;
}

static uint32_t first_waiting(const struct dispatch *d, const struct run *run) {
    uint32_t at = run->first;

    while (at != NONE32 && state_is_terminal(d->tracked[at].state)) {
        at = d->tracked[at].run_next;
    }
    return at;
}

/* The first step that waits for quota, or NONE32. */
static uint32_t first_shut(swarm *sw, const struct run *run) {
    uint32_t at = run->first;

    while (at != NONE32 && (sw->dispatch.tracked[at].state != SWARM_STEP_READY ||
                            swarm__breaker_holds(sw, at) != SWARM_HELD_QUOTA)) {
        at = sw->dispatch.tracked[at].run_next;
    }
    return at;
}

/* Why a step waits when nothing moves any more. */
static const char *stall_text(const struct dispatch *d, uint32_t waiting) {
    uint32_t demand = waiting == NONE32 ? NONE32 : d->tracked[waiting].demand;
    uint32_t list = demand == NONE32 || d->tracked[waiting].state != SWARM_STEP_READY
                        ? NONE32
                        : d->demands[demand].list;

    if (list == NONE32) {
        return "run: nothing can move this step any more";
    }
    if (list >= wait_of_budget(d, 0)) {
        return "run: this step waits for its budget; raise it with swarm_budget_limit";
    }
    return list == WAIT_AGENT ? "run: this step waits for an agent; add one that fits"
                              : "run: this step waits for a permit, rate or agent that never comes";
}

swarm_status swarm_run_check(swarm *sw, swarm_run handle, swarm_error *out_error) {
    uint32_t index, waiting;
    swarm_run_report report;
    swarm_status status;

    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    status = swarm_run_report_get(sw, handle, &report);
    if (status != SWARM_OK) {
        return status;
    }
    index = run_find(&sw->dispatch, handle);
    waiting = first_waiting(&sw->dispatch, &sw->dispatch.runs[index]);
    if (report.state == SWARM_RUN_ENDED && waiting == NONE32 &&
        report.ok + report.failed + report.timed_out + report.cancelled + report.skipped +
                report.budget ==
            report.steps) {
        return sw->dispatch.runs[index].limited ? SWARM_E_LIMIT : SWARM_OK;
    }
    if (can_move(sw)) {
        return SWARM_E_AGAIN;
    }
    if (report.state == SWARM_RUN_PAUSED) {
        waiting = first_shut(sw, &sw->dispatch.runs[index]);
        if (out_error != NULL && waiting != NONE32) {
            swarm__refuse(out_error, SWARM_E_PAUSED,
                          "run: the account of this step's backend is exhausted");
            out_error->step = sw->dispatch.tracked[waiting].ordinal;
        }
        return SWARM_E_PAUSED;
    }
    if (out_error != NULL) {
        swarm__refuse(out_error, SWARM_E_STALLED,
                      report.state == SWARM_RUN_OPEN && waiting == NONE32
                          ? "run: open, with nothing to do; commit a plan, or close it"
                          : stall_text(&sw->dispatch, waiting));
        out_error->step = waiting == NONE32 ? SWARM_NEVER : sw->dispatch.tracked[waiting].ordinal;
    }
    return SWARM_E_STALLED;
}

uint64_t swarm_random(uint64_t seed, uint64_t stream, uint64_t n) {
    return random_draw(seed, stream, n);
}

size_t swarm_log_read(swarm *sw, void *buffer, size_t size, size_t *out_needed) {
    if (out_needed != NULL) {
        *out_needed = 0;
    }
    if (!swarm__owned(sw) || (buffer == NULL && size != 0)) {
        return 0;
    }
    if (sw->round.phase == ROUND_IDLE) {
        (void)swarm__log_close(&sw->log); /* what the owner's calls wrote; it has its room */
    }
    return swarm__log_read(&sw->log, buffer, size, out_needed);
}

swarm_status swarm_log_acknowledge(swarm *sw) {
    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    swarm__log_acknowledge(&sw->log);
    ATOMIC_STORE(&sw->gauges.log_pending, sw->log.pending, relaxed); /* a gauge */
    swarm__release_held(sw);
    return SWARM_OK;
}
