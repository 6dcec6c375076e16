/* SPDX-License-Identifier: MIT */
/*
 * cancel.c - cancels: posted by any thread, applied by the round, after what completed at the same
 * time. While one is posted and not applied, swarm_take hands out no START.
 *
 * A cancel of more than one step marks its scope, at which workers look before each call step, and
 * then sweeps over the run's tracked steps, one an operation: a run of any size fits any log ring.
 */
#include "core.h"

static swarm_status command_post(swarm *sw, uint32_t kind, uint64_t id) {
    uint32_t index = pool_pop(&sw->commands_pool);

    if (index == NONE32) {
        return SWARM_E_FULL;
    }
    SHARED_WRITE(sw->commands[index].kind, kind);
    SHARED_WRITE(sw->commands[index].id, id);
    /* Release: pairs with the acquire load of swarm_take, which then starts nothing. */
    (void)ATOMIC_ADD(&sw->commands_open, 1, release);
    mailbox_push(&sw->commands_box, index);
    swarm__signal(sw);
    return SWARM_OK;
}

swarm_status swarm_step_cancel(swarm *sw, swarm_step step) {
    if (sw == NULL) {
        return SWARM_E_INVALID;
    }
    return swarm__step_find(sw, step) == NONE32 ? SWARM_E_STALE
                                                : command_post(sw, CANCEL_STEP, step.id);
}

swarm_status swarm_subtree_cancel(swarm *sw, swarm_step step) {
    if (sw == NULL) {
        return SWARM_E_INVALID;
    }
    return swarm__step_find(sw, step) == NONE32 ? SWARM_E_STALE
                                                : command_post(sw, CANCEL_SUBTREE, step.id);
}

swarm_status swarm_agent_cancel(swarm *sw, swarm_agent agent) {
    if (sw == NULL) {
        return SWARM_E_INVALID;
    }
    return agent_exists(&sw->dispatch, agent.id) ? command_post(sw, CANCEL_AGENT, agent.id)
                                                 : SWARM_E_STALE;
}

swarm_status swarm_run_cancel(swarm *sw, swarm_run run) {
    if (sw == NULL) {
        return SWARM_E_INVALID;
    }
    return run_find(&sw->dispatch, run) == NONE32 ? SWARM_E_STALE
                                                  : command_post(sw, CANCEL_RUN, run.id);
}

static void cancel_one(swarm *sw, uint32_t tracked) {
    struct tracked *step = &sw->dispatch.tracked[tracked];

    SWARM_ASSERT(step->run < sw->config.runs_max);
    if (state_is_terminal(step->state)) {
        return;
    }
    if (step->attempt != NONE32) {
        swarm__attempt_give_up(sw, tracked, SWARM_OK);
    }
    swarm__step_end(sw, tracked, SWARM_STEP_CANCELLED, SWARM_OK);
}

/* A step has one scope of its own, or, in a loop, one an iteration whose steps have not ended. */
static bool scope_is_of(const swarm *sw, uint32_t scope, const struct tracked *step) {
    return scope == step->scope_own ||
           (swarm__step_loops(&sw->dispatch, tracked_of(&sw->graph, step->slot)) &&
            sw->graph.scopes[scope].creator == step->slot);
}

/* The scopes in use that a step with this record may have made. */
static uint32_t scopes_first(const swarm *sw, const struct tracked *step, uint32_t *out_end) {
    bool loops = swarm__step_loops(&sw->dispatch, tracked_of(&sw->graph, step->slot));
    bool none = step->scope_own == NONE32;

    *out_end = loops ? sw->scopes_fresh : none ? 0 : step->scope_own + 1;
    return loops ? sw->config.runs_max : none ? 0 : step->scope_own;
}

bool swarm__scopes_cancel(swarm *sw, const struct tracked *step) {
    uint32_t end;
    bool any = false;

    for (uint32_t at = scopes_first(sw, step, &end); at < end; at++) {
        if (scope_is_of(sw, at, step)) {
            /* Relaxed: workers may see it late; the turn starts nothing of it from now on. */
            ATOMIC_STORE(&sw->graph.scopes[at].cancelled, 1, relaxed);
            any = true;
        }
    }
    return any;
}

void swarm__scopes_orphan(swarm *sw, const struct tracked *step) {
    uint32_t end;

    for (uint32_t at = scopes_first(sw, step, &end); at < end; at++) {
        if (scope_is_of(sw, at, step)) {
            sw->graph.scopes[at].creator = NONE32;
        }
    }
}

void swarm__step_stop(swarm *sw, uint32_t slot, bool subtree) {
    struct graph *graph = &sw->graph;
    uint32_t kind = ATOMIC_LOAD(&graph->kind[slot], relaxed);
    struct tracked *step;

    /* For swarm_call_cancelled, and for a worker that has not begun it. */
    (void)ATOMIC_OR(&graph->kind[slot], (uint32_t)GRAPH_STOPPED << 20, relaxed);
    if ((kind_flags(kind) & GRAPH_TRACKED) == 0) {
        return;
    }
    step = &sw->dispatch.tracked[tracked_of(graph, slot)];
    if (subtree && swarm__scopes_cancel(sw, step)) {
        sw->round.sweep = sw->dispatch.runs[step->run].first;
        sw->round.sweep_agent = NONE32;
    }
    cancel_one(sw, tracked_of(graph, slot));
}

void swarm__run_stop(swarm *sw, uint32_t index) {
    struct run *run = &sw->dispatch.runs[index];
    uint64_t cancelled = 1;

    if (run->cancelled || run->ended) {
        return;
    }
    run->cancelled = true;
    run->closed = true;
    run->report.state = SWARM_RUN_CLOSED;
    swarm__log(sw, SWARM_EVENT_CLOSE, index, SWARM_NEVER, &cancelled);
    ATOMIC_STORE(&sw->graph.scopes[index].cancelled, 1, relaxed);
    sw->round.sweep = run->first;
    sw->round.sweep_agent = NONE32;
    swarm__run_check_end(sw, index);
}

static void cancel_agent(swarm *sw, uint32_t agent) {
    sw->round.sweep = 0;
    sw->round.sweep_agent = agent;
}

/* The run that the command is about, for its event; the id that it logs. */
static uint32_t command_run(swarm *sw, const struct command *command, uint64_t *out_id) {
    swarm_run run = {command->id};
    swarm_step step = {command->id};
    uint32_t slot;

    *out_id = command->id;
    if (command->kind == CANCEL_AGENT) {
        return NONE32;
    }
    if (command->kind == CANCEL_RUN) {
        uint32_t index = run_find(&sw->dispatch, run);

        *out_id = index == NONE32 ? 0 : sw->dispatch.runs[index].number;
        return index;
    }
    slot = swarm__graph_find(&sw->graph, step);
    *out_id = slot == NONE32 ? 0 : swarm__graph_ordinal(&sw->graph, slot);
    return slot == NONE32 ? NONE32 : sw->graph.scopes[sw->graph.scope[slot]].run;
}

/* What it is sorted by: call steps that run side by side may post cancels in any order. */
void swarm__command_collected(swarm *sw, uint32_t index) {
    struct command *command = &sw->commands[index];
    uint32_t run = command_run(sw, command, &command->ordinal);

    command->run = run == NONE32 ? 0 : sw->dispatch.runs[run].number;
}

/* Applies the next command. What became stale since it was posted has ended: nothing to do. */
void swarm__command_one(swarm *sw) {
    uint32_t index = sw->round.commands & ~ITEM_COMMAND;
    struct command command = sw->commands[index];
    uint64_t fields[2] = {command.kind, 0};
    uint32_t run = command_run(sw, &command, &fields[1]);

    sw->round.commands = command.next;
    pool_push(&sw->commands_pool, index);
    (void)ATOMIC_SUB(&sw->commands_open, 1, relaxed); /* the turn's own look comes later */
    if (run == NONE32 && command.kind != CANCEL_AGENT) {
        return;
    }
    swarm__log(sw, SWARM_EVENT_CANCEL, run, SWARM_NEVER, fields);
    if (command.kind == CANCEL_RUN) {
        swarm__run_stop(sw, run);
    } else if (command.kind == CANCEL_AGENT) {
        cancel_agent(sw, (uint32_t)command.id - 1);
    } else {
        swarm_step step = {command.id};
        uint32_t slot = swarm__graph_pin(&sw->graph, step); /* a worker may be ending it */

        if (slot != NONE32) {
            swarm__step_stop(sw, slot, command.kind == CANCEL_SUBTREE);
            swarm__graph_unpin(&sw->graph, slot);
        }
    }
}

static void sweep_attempt(swarm *sw) {
    struct dispatch *d = &sw->dispatch;
    uint32_t index = sw->round.sweep++;
    struct attempt *attempt = &d->attempts[index];

    if (slots_taken(&d->attempts_free, index) && attempt->agent == sw->round.sweep_agent &&
        !attempt->settled && attempt->tracked != NONE32) {
        swarm__attempt_lost(sw, index, SWARM_OK, SWARM_OUTCOME_LOST);
    }
    if (sw->round.sweep == sw->config.inflight_max) {
        sw->round.sweep = NONE32;
        sw->round.sweep_agent = NONE32;
    }
}

/* Edges with a delay whose time has not come: what they lead to has been cancelled with the
 * rest, and must not keep the run from ending until then. */
static void delays_cut(swarm *sw, const struct tracked *step) {
    struct dispatch *d = &sw->dispatch;

    for (uint32_t at = step->delays_first; at != NONE32; at = d->delays[at].next) {
        uint32_t to = d->delays[at].to;

        if (!heap_contains(d->timer_nodes, timer_of_delay(d, at)) ||
            !swarm__scope_is_cancelled(&sw->graph, sw->graph.scope[to])) {
            continue;
        }
        timer_disarm(d, timer_of_delay(d, at));
        swarm__edge_arrived(sw, to, EDGE_MISSING);
    }
}

/* One step, or attempt, of the cancel under way. */
void swarm__sweep_one(swarm *sw) {
    uint32_t tracked = sw->round.sweep;
    struct tracked *step = &sw->dispatch.tracked[tracked];

    if (sw->round.sweep_agent != NONE32) {
        sweep_attempt(sw);
        return;
    }
    sw->round.sweep = step->run_next;
    if (swarm__scope_is_cancelled(&sw->graph, sw->graph.scope[step->slot])) {
        delays_cut(sw, step);
        cancel_one(sw, tracked);
    }
}
