/* SPDX-License-Identifier: MIT */
/*
 * replayowner.c - what the owner did between two rounds, done again from its events.
 *
 * Each goes through the call that the owner made, or what stands behind it, which writes the events
 * again. Handles are not in a log: runs, budgets and branches are found by their numbers. What the
 * call refuses now, though it was done then, shows as a missing event.
 *
 * Threads: the turn.
 */
#include "charge.h"

static uint64_t or_zero(uint64_t value) {
    return value == 0 ? SWARM_ZERO : value;
}

/* ---- runs */

/* What stands behind the RUN_OPEN: its options, its charge, how fast it may grow. */
static void open_options(swarm *sw, swarm_run_spec *spec, swarm_charge_spec *charge,
                         swarm_spawn_spec *spawn) {
    swarm_event event;
    size_t at, size;
    bool more = swarm__replay_peek(sw, 0, &event, &at);

    for (; more && swarm__replay_peek(sw, at, &event, &size); at += size) {
        if (event.kind == SWARM_EVENT_RUN_OPTIONS) {
            swarm__replay_tenant(sw, event.field[0]);
            spec->tenant.id = event.field[0];
        } else if (event.kind == SWARM_EVENT_DEADLINE) {
            spec->deadline_ns = event.field[0];
        } else if (event.kind == SWARM_EVENT_CHARGE && event.step == SWARM_NEVER) {
            swarm__charge_again(&sw->dispatch, event.field, charge);
            spec->charge = charge;
        } else if (event.kind == SWARM_EVENT_SPAWN) {
            const swarm_spawn_spec given = {event.field[0], event.field[1], event.field[2]};

            *spawn = given;
            spec->spawn = spawn;
        } else {
            more = false;
        }
    }
}

static void again_open(swarm *sw, const swarm_event *event) {
    swarm_charge_spec charge;
    swarm_spawn_spec spawn;
    swarm_run_spec spec = {.key = event->field[0],
                           .seed = event->field[1],
                           .order = (uint32_t)event->field[2],
                           .flags = (uint32_t)event->field[3],
                           .steps_max = or_zero(event->field[4]),
                           .attempts_max = or_zero(event->field[5]),
                           .depth_max = (uint32_t)event->field[6],
                           .inflight_max = (uint32_t)event->field[7]};

    open_options(sw, &spec, &charge, &spawn);
    if (swarm_run_open(sw, &spec).id == 0) {
        swarm_error error = {.text = NULL};
        swarm_status status = swarm_fault(sw, &error);

        swarm__resume_fail(sw, status, error.text);
    }
}

static void again_skip(swarm *sw, const swarm_event *event, uint32_t run) {
    uint32_t slot = swarm__replay_slot(sw, run, event->step);

    if (slot != NONE32) {
        (void)swarm_step_skip(sw, swarm__graph_handle(&sw->graph, slot));
    }
}

static void again_step_forget(swarm *sw, const swarm_event *event, uint32_t run) {
    uint32_t slot = swarm__replay_slot(sw, run, event->step);

    if (slot != NONE32) {
        (void)swarm_step_forget(sw, swarm__graph_handle(&sw->graph, slot));
    }
}

/* Drains don't end rounds: where one first matters is in the middle of it. */
static void again_drain(swarm *sw) {
    const unsigned char *at = sw->log.expect;

    sw->draining = true;
    while (sw->log.expect == at && !sw->log.differs && swarm__round_operation(sw)) {
    }
}

static void again_command(swarm *sw, const swarm_event *event, uint32_t run) {
    sw->resume.posts = swarm__round_slots(sw, sw->resume.posts);
    swarm__replay_sweep(sw);
    if (event->field[0] == SWARM_COMMAND_AGAIN) {
        (void)swarm_run_again(sw, run_handle(&sw->dispatch, run));
    } else {
        (void)swarm_run_forget(sw, run_handle(&sw->dispatch, run));
    }
}

/* ---- budgets */

/* Its limits stand behind it. */
static void again_budget(swarm *sw, const swarm_event *event) {
    uint32_t parent = swarm__budget_numbered(&sw->dispatch, event->field[2]);
    swarm_budget_spec spec = {.policy = (uint32_t)event->field[3]};
    swarm_event limits;
    size_t at, size;

    if (event->field[1] == 0 || event->field[3] > SWARM_BUDGET_DEGRADE ||
        (event->field[2] != 0 && parent == NONE32) || !swarm__replay_peek(sw, 0, &limits, &at) ||
        !swarm__replay_peek(sw, at, &limits, &size) || limits.kind != SWARM_EVENT_BUDGET_LIMIT) {
        return;
    }
    if (parent != NONE32) {
        spec.parent = budget_handle(&sw->dispatch, parent);
    }
    spec.limit = swarm__budget_limits(limits.field);
    (void)swarm__budget_open(sw, event->field[1], &spec);
}

static void again_limit(swarm *sw, const swarm_event *event) {
    uint32_t budget = swarm__budget_numbered(&sw->dispatch, event->field[0]);
    swarm_amounts limit = swarm__budget_limits(event->field);

    if (budget != NONE32) {
        (void)swarm_budget_limit(sw, budget_handle(&sw->dispatch, budget), &limit);
    }
}

static void again_budget_close(swarm *sw, const swarm_event *event) {
    uint32_t budget = swarm__budget_numbered(&sw->dispatch, event->field[0]);

    if (budget != NONE32) {
        (void)swarm_budget_close(sw, budget_handle(&sw->dispatch, budget));
    }
}

/* ---- state */

static void again_put(swarm *sw, const swarm_event *event, uint32_t run) {
    swarm_state_value value = {.key = event->field[0], .value = event->field[1]};
    swarm_branch branch;

    if (swarm__branch_numbered(sw, event->field[3], &branch)) {
        value.version = swarm__state_version(sw, run, event->field[3], value.key);
        (void)swarm_state_put(sw, run_handle(&sw->dispatch, run), branch, &value);
    }
}

static void again_branch(swarm *sw, const swarm_event *event, uint32_t run) {
    swarm_branch branch;

    if (event->field[0] == 1) {
        if (swarm__branch_numbered(sw, event->field[2], &branch)) {
            (void)swarm_branch_open(sw, run_handle(&sw->dispatch, run), branch);
        }
    } else if (swarm__branch_numbered(sw, event->field[1], &branch)) {
        (void)(event->field[0] == 2 ? swarm_branch_merge(sw, branch, NULL, 0, NULL)
                                    : swarm_branch_drop(sw, branch));
    }
}

/* ---- waits */

static void again_wait(swarm *sw, const swarm_event *event, uint32_t run) {
    uint32_t index = swarm__replay_attempt(sw, event, run);
    uint32_t other = swarm__replay_run(sw, event->field[2]);
    uint32_t slot = other == NONE32 ? NONE32 : swarm__replay_slot(sw, other, event->field[3]);
    swarm_step step = {0};

    if (slot != NONE32) {
        step = swarm__graph_handle(&sw->graph, slot);
    }
    if (index != NONE32) {
        (void)swarm_attempt_wait(sw, attempt_handle(&sw->dispatch, index), step);
    }
}

/* ---- the one place */

/* Whether the owner wrote it, and not a round. */
static bool is_owners(const swarm_event *event) {
    switch (event->kind) {
    case SWARM_EVENT_RUN_OPEN:
    case SWARM_EVENT_LIMITS:
    case SWARM_EVENT_COMMAND:
    case SWARM_EVENT_BUDGET:
    case SWARM_EVENT_BUDGET_LIMIT:
    case SWARM_EVENT_BUDGET_CLOSE:
    case SWARM_EVENT_STATE_BRANCH:
    case SWARM_EVENT_WAIT:
    case SWARM_EVENT_BREAKER_RESET:
        return true;
    case SWARM_EVENT_CLOSE:
        return event->field[0] == 0; /* else by a cancel */
    case SWARM_EVENT_SKIP:
        return event->field[0] == 2;
    case SWARM_EVENT_PUT:
        return event->step == SWARM_NEVER;
    default:
        return false;
    }
}

static void again_of_run(swarm *sw, const swarm_event *event, uint32_t run) {
    switch (event->kind) {
    case SWARM_EVENT_CLOSE:
        (void)swarm_run_close(sw, run_handle(&sw->dispatch, run));
        return;
    case SWARM_EVENT_LIMITS:
        (void)swarm_run_limits(sw, run_handle(&sw->dispatch, run), or_zero(event->field[0]),
                               or_zero(event->field[1]));
        return;
    case SWARM_EVENT_COMMAND:
        again_command(sw, event, run);
        return;
    case SWARM_EVENT_STATE_BRANCH:
        again_branch(sw, event, run);
        return;
    case SWARM_EVENT_SKIP:
        again_skip(sw, event, run);
        return;
    case SWARM_EVENT_PUT:
        again_put(sw, event, run);
        return;
    case SWARM_EVENT_WAIT:
        again_wait(sw, event, run);
        return;
    default:
        return; /* it says a run, and is about none */
    }
}

bool swarm__replay_owner(swarm *sw, const swarm_event *event) {
    uint32_t run = swarm__replay_run(sw, event->run);

    if (!is_owners(event)) {
        return false;
    }
    if (event->kind == SWARM_EVENT_COMMAND && event->field[0] == SWARM_COMMAND_DRAIN) {
        again_drain(sw);
        return true;
    }
    if (event->kind == SWARM_EVENT_COMMAND && event->field[0] == SWARM_COMMAND_FORGET_STEP) {
        if (run != NONE32) {
            again_step_forget(sw, event, run);
        }
        return true; /* in the middle of a round too */
    }
    swarm__replay_round_finish(sw, event);
    if (event->kind == SWARM_EVENT_RUN_OPEN) {
        again_open(sw, event);
    } else if (event->kind == SWARM_EVENT_BUDGET) {
        again_budget(sw, event);
    } else if (event->kind == SWARM_EVENT_BUDGET_LIMIT) {
        again_limit(sw, event);
    } else if (event->kind == SWARM_EVENT_BUDGET_CLOSE) {
        again_budget_close(sw, event);
    } else if (event->kind == SWARM_EVENT_BREAKER_RESET) {
        (void)swarm_breaker_reset(sw, (swarm_backend_id){event->field[0]});
    } else if (run != NONE32) {
        again_of_run(sw, event, run);
    }
    return true;
}
