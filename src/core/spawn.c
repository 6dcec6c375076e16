/* SPDX-License-Identifier: MIT */
/*
 * spawn.c - what call steps may add: no task that is already being delegated above them, and not
 * faster than their run allows (M33).
 *
 * A scope remembers the task by which it came about: what the agent was asked to do, and what was
 * required of it, whose answer the call step expanded. Scopes stay as long as one below them does,
 * so the way up is whole also when the steps on it have long been let go of; that is why a pair of
 * agents that hand each other the same task is seen however often they do. Looked at when a plan is
 * applied; only plans that have a task, or whose run has a spawn limit, are.
 */
#include "../dispatch/recover.h"
#include "guard.h"

/* What the step is asked to do and what that requires, in one number; 0: it has no task. */
static uint64_t task_of(const struct dispatch *d, const struct tracked *step) {
    uint32_t demand = step->demand;

    if (step->guard == NONE32 || d->guards[step->guard].task == 0) {
        return 0;
    }
    if (demand == NONE32) { /* a function recovers it */
        demand = d->recoveries[step->guard].demands[0];
    }
    return hash_mix64(d->demands[demand].digest, d->guards[step->guard].task);
}

/* The task that the step passes on: its own, or that of the last of its inputs that has one. */
static uint64_t task_passed(const swarm *sw, uint32_t slot) {
    const struct dispatch *d = &sw->dispatch;
    const struct tracked *step;
    uint64_t task;

    if (!graph_has(&sw->graph, slot, GRAPH_TRACKED)) {
        return 0;
    }
    step = &d->tracked[tracked_of(&sw->graph, slot)];
    task = task_of(d, step);
    for (uint32_t cell = step->inputs_first; cell != NONE32; cell = d->inputs[cell].next) {
        uint32_t from = d->inputs[cell].slot & INPUT_SLOT;
        uint64_t of_input = graph_has(&sw->graph, from, GRAPH_TRACKED)
                                ? task_of(d, &d->tracked[tracked_of(&sw->graph, from)])
                                : 0;

        task = of_input != 0 ? of_input : task;
    }
    return task;
}

static void spawn_refuse(swarm_plan *plan, swarm_status status, uint32_t slot, uint64_t what) {
    uint64_t fields[3] = {(uint64_t)(-(int64_t)status), 0, what};

    swarm__graph_plan_fail(&plan->graph, status,
                           status == SWARM_E_CYCLE
                               ? "plan: the same task is being delegated above it"
                               : "plan: the run's spawn does not allow so many steps so fast");
    plan->graph.error.index = SWARM_NONE;
    if (slot != NONE32) {
        plan->graph.error.step = swarm__graph_plan_index(&plan->graph, slot);
        fields[1] = plan->graph.error.step + 1;
    }
    swarm__log(plan->sw, SWARM_EVENT_REFUSE, plan->run,
               swarm__graph_ordinal(&plan->sw->graph, plan->graph.caller), fields);
}

/* Whether a scope, from this one upwards, came about by the task. */
static bool is_delegated(const struct graph *graph, uint32_t scope, uint64_t task) {
    while (scope != NONE32 && graph->scopes[scope].task != task) {
        scope = graph->scopes[scope].parent;
    }
    return scope != NONE32;
}

bool swarm__spawn_admit(swarm_plan *plan) {
    swarm *sw = plan->sw;
    struct dispatch *d = &sw->dispatch;
    struct bucket *rate = &d->runs[plan->run].spawn;
    uint64_t passed;

    if (plan->graph.caller == NONE32) {
        return true;
    }
    if (rate->units != 0 && !bucket_has(rate, plan->graph.count, sw->now_ns)) {
        spawn_refuse(plan, SWARM_E_LIMIT, NONE32, plan->graph.count);
        return false;
    }
    passed = plan->guards == 0 ? 0 : task_passed(sw, plan->graph.caller);
    for (uint32_t slot = NONE32;
         plan->guards != 0 && swarm__graph_plan_step(&plan->graph, &slot);) {
        const struct tracked *step = plan_tracked(plan, slot);
        uint64_t task = step == NULL ? 0 : task_of(d, step);

        if (task != 0 && (task == passed || is_delegated(&sw->graph, plan->graph.scope, task))) {
            spawn_refuse(plan, SWARM_E_CYCLE, slot, d->guards[step->guard].task);
            return false;
        }
    }
    return true;
}

void swarm__spawn_enter(swarm_plan *plan, uint32_t scope) {
    struct bucket *rate = &plan->sw->dispatch.runs[plan->run].spawn;

    plan->sw->graph.scopes[scope].task = task_passed(plan->sw, plan->graph.caller);
    if (rate->units != 0) {
        bucket_take(rate, plan->graph.count);
    }
}
