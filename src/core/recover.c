/* SPDX-License-Identifier: MIT */
/*
 * recover.c - recovery of a step whose attempts fail: another agent, smaller steps, a new plan,
 * another profile, a given value (M20), and so cascades of profiles (M14).
 *
 * SPLIT and REGENERATE make the agent step a call step for a while: a worker calls the function in
 * its place, with the step's inputs, and the plan that it brings continues the step as that of any
 * call step does. So the graph needs no edge moved. A stage that falls back to an agent makes it an
 * agent step again.
 */
#include "../dispatch/recover.h"
#include "breaker.h"
#include "charge.h"
#include "gate.h"
#include "guard.h"

#define RECOVERY_FIELDS 8u

bool swarm__recovers(const struct dispatch *d, const struct tracked *step) {
    return step->guard != NONE32 && (d->guards[step->guard].has & GUARD_RECOVERY) != 0;
}

/* ---- adding */

static const char *fallback_fault(const swarm_plan *plan, const swarm_recovery_spec *spec,
                                  swarm_status *out_status) {
    for (uint32_t i = 0; i < spec->fallbacks_count; i++) {
        if (spec->fallbacks[i].reserved != 0) {
            return "recovery: a fallback's reserved is not 0";
        }
        if (spec->fallbacks[i].profile.id == 0 ||
            spec->fallbacks[i].profile.id > plan->sw->config.profiles_max) {
            *out_status = SWARM_E_STALE;
            return "recovery: no such profile to fall back on";
        }
    }
    return NULL;
}

static const char *recovery_fault(const swarm_plan *plan, const swarm_step_spec *step,
                                  swarm_status *out_status) {
    const swarm_recovery_spec *spec = step->recovery;
    const uint32_t both = SWARM_RECOVERY_ENDS_VALUE | SWARM_RECOVERY_KEEPS_LAST;

    *out_status = SWARM_E_INVALID;
    if ((spec->fallbacks == NULL && spec->fallbacks_count != 0) ||
        spec->fallbacks_count > FALLBACKS_MAX || spec->reassign_max > REASSIGN_MAX ||
        spec->flags >= both || spec->reserved != 0) {
        return "recovery: fallbacks_count above 4 or without its array, reassign_max above 16, or "
               "unknown flags, or both";
    }
    if (step->vote != NULL || (step->ask != NULL && step->ask->kind != SWARM_ASK_NONE)) {
        return "recovery: not for a vote, nor for a step that is a question";
    }
    if ((spec->split.id != 0 || spec->regenerate.id != 0) &&
        (plan->graph.is_static || step->loop != NULL)) {
        return "recovery: split and regenerate need a growing run, and a step without a loop";
    }
    if ((spec->split.id != 0 && !swarm__function_exists(plan->sw, spec->split)) ||
        (spec->regenerate.id != 0 && !swarm__function_exists(plan->sw, spec->regenerate))) {
        *out_status = SWARM_E_MISSING;
        return "recovery: no such function";
    }
    return fallback_fault(plan, spec, out_status);
}

/* What the step requires of an agent of the profile: its permits, and what it reserves. */
static uint32_t fallback_demand(swarm_plan *plan, const swarm_step_spec *spec, uint32_t tracked,
                                uint32_t level) {
    const swarm_fallback *fallback = &spec->recovery->fallbacks[level];
    struct dispatch *d = &plan->sw->dispatch;
    const struct demand *own = &d->demands[d->tracked[tracked].demand];
    uint32_t demand = swarm__demand_new(d);

    if (demand == NONE32) {
        swarm__graph_plan_fail(&plan->graph, SWARM_E_FULL, "recovery: raise config.demands_max");
        return NONE32;
    }
    for (uint32_t i = 0; i < own->needs_count; i++) {
        d->demands[demand].needs[i] = own->needs[i];
    }
    d->demands[demand].needs_count = own->needs_count;
    d->demands[demand].capability = own->capability;
    d->demands[demand].profile = (uint32_t)fallback->profile.id - 1;
    d->demands[demand].leaves = level + 1 < spec->recovery->fallbacks_count ||
                                (spec->recovery->flags & SWARM_RECOVERY_ENDS_VALUE) != 0;
    if (!swarm__charge_fill(plan, fallback->charge != NULL ? fallback->charge : spec->charge,
                            demand)) {
        swarm__demand_discard(d, demand);
        return NONE32;
    }
    swarm__demand_seal(d, demand, plan->run);
    return plan->graph.caller == NONE32 ? swarm__demand_intern(d, demand)
                                        : swarm__demand_share(d, NONE32, demand);
}

static uint32_t function_of(swarm_function function) {
    return function.id == 0 ? NONE32 : (uint32_t)function.id - 1;
}

static void recovery_fill(struct recovery *r, const swarm_recovery_spec *spec) {
    static const struct recovery none;

    *r = none;
    for (uint32_t i = 0; i <= FALLBACKS_MAX; i++) {
        r->demands[i] = NONE32;
    }
    for (uint32_t i = 0; i < spec->fallbacks_count; i++) {
        uint32_t most = spec->fallbacks[i].attempts_max;

        r->profiles[i] = (uint32_t)spec->fallbacks[i].profile.id - 1;
        r->attempts_max[i] = most == 0 ? 1 : most;
    }
    r->fallbacks = spec->fallbacks_count;
    r->split = function_of(spec->split);
    r->regenerate = function_of(spec->regenerate);
    r->value = spec->value;
    r->reassign_max = spec->reassign_max;
    r->flags = spec->flags;
    recovery_reset(r);
}

bool swarm__recovery_new(swarm_plan *plan, const swarm_step_spec *spec, uint32_t tracked) {
    struct dispatch *d = &plan->sw->dispatch;
    struct recovery *r = &d->recoveries[d->tracked[tracked].guard];
    swarm_status status;
    const char *fault = recovery_fault(plan, spec, &status);

    if (fault != NULL) {
        d->guards[d->tracked[tracked].guard].has &= ~(uint32_t)GUARD_RECOVERY;
        swarm__graph_plan_fail(&plan->graph, status, fault);
        return false;
    }
    recovery_fill(r, spec->recovery);
    for (uint32_t i = 0; i < r->fallbacks; i++) {
        r->demands[1 + i] = fallback_demand(plan, spec, tracked, i);
        if (r->demands[1 + i] == NONE32) {
            return false;
        }
    }
    return true;
}

bool swarm__recoveries_admit(swarm_plan *plan) {
    const struct dispatch *d = &plan->sw->dispatch;

    for (uint32_t at = plan->guards != 0 ? plan->records : NONE32; at != NONE32;
         at = d->tracked[at].run_next) {
        const struct recovery *r;

        if (!swarm__recovers(d, &d->tracked[at])) {
            continue;
        }
        r = &d->recoveries[d->tracked[at].guard];
        for (uint32_t i = 0; i < r->fallbacks; i++) {
            if (r->profiles[i] >= d->profiles_count) {
                swarm__graph_plan_fail(&plan->graph, SWARM_E_STALE,
                                       "recovery: no such profile to fall back on");
                return false;
            }
            if (!swarm__charge_fits(plan, r->demands[1 + i])) {
                return false;
            }
        }
    }
    return true;
}

void swarm__recovery_enter(struct dispatch *d, const struct tracked *step) {
    struct recovery *r;

    if (!swarm__recovers(d, step)) {
        return;
    }
    r = &d->recoveries[step->guard];
    r->demands[0] = step->demand;
    swarm__demand_ref(d, step->demand);
    for (uint32_t i = 1; i <= r->fallbacks; i++) {
        if (!d->demands[r->demands[i]].interned) {
            r->demands[i] = swarm__demand_intern(d, r->demands[i]);
        }
    }
}

void swarm__recovery_free(struct dispatch *d, uint32_t guard) {
    for (uint32_t i = 0; i <= FALLBACKS_MAX; i++) {
        swarm__demand_let_go(d, d->recoveries[guard].demands[i]);
    }
}

/* ---- the log */

uint32_t swarm__recovery_events(const struct dispatch *d, uint32_t guard) {
    return 1 + 2 * d->recoveries[guard].fallbacks;
}

static uint64_t name_of(const swarm *sw, uint32_t function) {
    return function == NONE32 ? 0 : sw->function_names[function];
}

void swarm__recovery_log(swarm *sw, const struct tracked *step, uint64_t ordinal) {
    const struct dispatch *d = &sw->dispatch;
    const struct recovery *r = &d->recoveries[step->guard];
    uint64_t fields[RECOVERY_FIELDS] = {
        7,        r->reassign_max, name_of(sw, r->split), name_of(sw, r->regenerate),
        r->value, r->flags,        r->fallbacks};

    swarm__log(sw, SWARM_EVENT_GUARD, step->run, ordinal, fields);
    for (uint32_t i = 0; i < r->fallbacks; i++) {
        uint32_t charge = d->demands[r->demands[1 + i]].charge;
        uint64_t level[RECOVERY_FIELDS] = {8, (uint64_t)r->profiles[i] + 1, r->attempts_max[i]};
        uint64_t spends[RECOVERY_FIELDS] = {9};

        if (charge != NONE32) {
            level[3] = d->budgets[budget_find(d, d->charges[charge].budget)].number;
        }
        swarm__log(sw, SWARM_EVENT_GUARD, step->run, ordinal, level);
        for (uint32_t k = 0; charge != NONE32 && k < SPENDS; k++) {
            spends[1 + k] = d->charges[charge].reserve[k];
        }
        if (charge != NONE32) {
            swarm__log(sw, SWARM_EVENT_GUARD, step->run, ordinal, spends);
        }
    }
}

/* ---- choosing */

void swarm__recovery_blame(struct dispatch *d, uint32_t tracked, uint32_t agent) {
    const struct tracked *step = &d->tracked[tracked];
    struct guard *guard;

    if (!swarm__recovers(d, step)) {
        return;
    }
    guard = &d->guards[step->guard];
    for (uint32_t i = 0; i < guard->tried_count; i++) {
        if (guard->tried[i] == agent) {
            return;
        }
    }
    if (guard->tried_count == GUARD_TRIED_MAX) { /* of so many the oldest may be asked again */
        guard->tried_count--;
        for (uint32_t i = 0; i < guard->tried_count; i++) {
            guard->tried[i] = guard->tried[i + 1];
        }
    }
    guard->tried[guard->tried_count++] = agent;
}

bool swarm__recovery_avoids(const struct dispatch *d, const struct tracked *step) {
    return swarm__recovers(d, step) && d->recoveries[step->guard].stage == SWARM_RECOVERY_REASSIGN;
}

/* Whether an agent in service that has not failed the step fits it. */
static bool others_fit(struct dispatch *d, const struct tracked *step) {
    const struct guard *guard = &d->guards[step->guard];
    uint32_t demand = d->recoveries[step->guard].demands[0];
    const struct skill_set *fits = swarm__demand_profiles(d, demand);

    for (uint32_t p = 0; p < d->profiles_count && d->demands[demand].agent == NONE32; p++) {
        uint32_t left = set_has(fits, p) ? d->profiles[p].agents : 0;

        for (uint32_t i = 0; i < guard->tried_count && left != 0; i++) {
            const struct agent *agent = &d->agents[guard->tried[i]];

            left -= agent->profile == p && !agent->withdrawn;
        }
        if (left != 0) {
            return true;
        }
    }
    return false;
}

/* Retries that the step's place in the chain still allows; *out_n: the how many-th this would be.
 */
static bool retry_is_left(const struct dispatch *d, const struct tracked *step, uint32_t *out_n) {
    const struct recovery *r;

    *out_n = swarm__tries(d, step);
    if (!swarm__recovers(d, step)) {
        return *out_n < step->retry.attempts_max;
    }
    r = &d->recoveries[step->guard];
    if (r->stage == SWARM_RECOVERY_FALLBACK) {
        *out_n = r->count;
        return r->count < r->attempts_max[r->level - 1];
    }
    return r->stage == SWARM_RECOVERY_RETRY && *out_n < step->retry.attempts_max;
}

/* A limit of the backend refused the retry. */
static void log_no_retry(swarm *sw, const struct tracked *step, uint32_t n, uint32_t permit) {
    uint64_t fields[7] = {SWARM_RECOVERY_RETRY,
                          step->outcome,
                          (uint64_t)(-(int64_t)SWARM_E_LIMIT),
                          step->attempts,
                          n,
                          step->retry.attempts_max - 1,
                          (uint64_t)permit + 1};

    swarm__log(sw, SWARM_EVENT_RECOVER, step->run, step->ordinal, fields);
}

bool swarm__recovery_retries(swarm *sw, uint32_t tracked, uint32_t *out_n) {
    struct dispatch *d = &sw->dispatch;
    const struct tracked *step = &d->tracked[tracked];
    uint32_t permit;

    if (!outcome_is_retried(step->outcome) || !retry_is_left(d, step, out_n)) {
        return false;
    }
    permit = step->agent == NONE32 ? NONE32 : swarm__gate_retry(sw, step->agent);
    if (permit != NONE32) {
        log_no_retry(sw, step, *out_n, permit);
        return false;
    }
    if (swarm__recovers(d, step)) {
        d->recoveries[step->guard].count++;
    }
    return true;
}

bool swarm__recovery_keeps(swarm *sw, uint32_t tracked) {
    struct dispatch *d = &sw->dispatch;
    const struct tracked *step = &d->tracked[tracked];
    struct recovery *r = &d->recoveries[step->guard];
    uint32_t n;

    if (!swarm__recovers(d, step) || (r->flags & SWARM_RECOVERY_KEEPS_LAST) == 0 ||
        step->attempt != NONE32 || retry_is_left(d, step, &n) ||
        recovery_next(r, SWARM_OUTCOME_GARBAGE, others_fit(d, step)) != SWARM_RECOVERY_NONE) {
        return false;
    }
    r->info |= SWARM_INFO_LOW_CONFIDENCE;
    return true;
}

uint32_t swarm__recovery_info(const struct dispatch *d, const struct tracked *step) {
    return swarm__recovers(d, step) && step->state == SWARM_STEP_OK
               ? d->recoveries[step->guard].info
               : 0;
}

/* ---- going on */

/* The step's demand from now on; NONE32: it is a call step. */
static void demand_use(struct dispatch *d, struct tracked *step, uint32_t demand) {
    SWARM_ASSERT(step->attempt == NONE32);
    if (demand != NONE32) {
        swarm__demand_ref(d, demand);
    }
    if (step->demand != NONE32) {
        swarm__demand_unref(d, step->demand);
    }
    step->demand = demand;
}

static void go_on_with_agent(swarm *sw, uint32_t tracked, uint32_t demand, bool alone) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];

    if (step->demand == NONE32) {
        graph_flag_clear(&sw->graph, step->slot, GRAPH_CROSSED);
        graph_flag_set(&sw->graph, step->slot, GRAPH_AGENT);
    }
    demand_use(d, step, demand);
    if (alone) { /* who passes over agents must not keep others waiting */
        step->demand = swarm__demand_own(d, step->demand);
    }
    step->epoch++;
    swarm__step_ready(sw, tracked);
}

static void go_on_with_call(swarm *sw, uint32_t tracked, uint32_t function) {
    struct tracked *step = &sw->dispatch.tracked[tracked];

    graph_flag_clear(&sw->graph, step->slot, GRAPH_AGENT | GRAPH_CROSSED);
    graph_function_set(&sw->graph, step->slot, function);
    demand_use(&sw->dispatch, step, NONE32);
    step->epoch++;
    step->state = SWARM_STEP_READY;
    step->ready_ns = sw->now_ns;
    swarm__guard_arm(sw, tracked);
    swarm__call_hold(sw, step->slot);
}

static void log_recover(swarm *sw, const struct tracked *step, swarm_status reason) {
    const struct recovery *r = &sw->dispatch.recoveries[step->guard];
    uint64_t fields[7] = {r->stage,       step->outcome, (uint64_t)(-(int64_t)reason),
                          step->attempts, r->count,      1};

    switch (r->stage) {
    case SWARM_RECOVERY_REASSIGN:
        fields[5] = r->reassign_max;
        break;
    case SWARM_RECOVERY_SPLIT:
        fields[6] = name_of(sw, r->split);
        break;
    case SWARM_RECOVERY_REGENERATE:
        fields[6] = name_of(sw, r->regenerate);
        break;
    case SWARM_RECOVERY_FALLBACK:
        fields[4] = r->level;
        fields[5] = r->fallbacks;
        fields[6] = (uint64_t)r->profiles[r->level - 1] + 1;
        break;
    default:
        fields[6] = r->value;
        break;
    }
    swarm__log(sw, SWARM_EVENT_RECOVER, step->run, step->ordinal, fields);
}

static void value_give(const struct recovery *r, struct tracked *step) {
    const swarm_result given = {.value = r->value};

    step->result = given;
    step->outcome = SWARM_OUTCOME_OK;
}

/* No attempt failed: none could be started. */
static bool reason_is_of_start(swarm_status reason) {
    return reason == SWARM_E_NO_AGENT || reason == SWARM_E_BUDGET || reason == SWARM_E_LIMIT ||
           reason == SWARM_E_QUOTA;
}

/* Goes on to the next stage, which is returned; with VALUE or NONE the step has come to its end,
 * which is the caller's matter. */
static uint32_t recover(swarm *sw, uint32_t tracked, swarm_outcome outcome, swarm_status reason) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];
    struct recovery *r = &d->recoveries[step->guard];
    uint32_t stage = recovery_next(r, outcome, reason == SWARM_OK && others_fit(d, step));

    if (stage == SWARM_RECOVERY_NONE) {
        return stage;
    }
    if (heap_contains(d->ready_nodes, tracked)) {
        swarm__demand_remove(d, tracked);
    }
    recovery_enter(r, stage);
    log_recover(sw, step, reason);
    if (stage == SWARM_RECOVERY_VALUE) {
        value_give(r, step);
    } else if (stage == SWARM_RECOVERY_SPLIT || stage == SWARM_RECOVERY_REGENERATE) {
        go_on_with_call(sw, tracked, stage == SWARM_RECOVERY_SPLIT ? r->split : r->regenerate);
    } else {
        go_on_with_agent(sw, tracked, r->demands[r->level], stage == SWARM_RECOVERY_REASSIGN);
    }
    return stage;
}

void swarm__step_fails(swarm *sw, uint32_t tracked, uint32_t state, swarm_status reason) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];
    uint32_t stage = SWARM_RECOVERY_NONE;

    if (swarm__recovers(d, step) && reason_is_of_start(reason)) {
        stage = recover(sw, tracked, SWARM_OUTCOME_LOST, reason);
    } else if (swarm__recovers(d, step)) {
        d->recoveries[step->guard].outcome = step->outcome;
        stage = recover(sw, tracked, step->outcome, SWARM_OK);
    }
    if (stage == SWARM_RECOVERY_VALUE) {
        swarm__step_end(sw, tracked, SWARM_STEP_OK, SWARM_OK);
    } else if (stage == SWARM_RECOVERY_NONE) {
        swarm__step_end(sw, tracked, state, reason);
    }
}

bool swarm__recovery_leaves(swarm *sw, uint32_t tracked) {
    struct dispatch *d = &sw->dispatch;
    const struct tracked *step = &d->tracked[tracked];

    if (!swarm__recovers(d, step) || swarm__breaker_holds(sw, tracked) != SWARM_HELD_QUOTA) {
        return false;
    }
    if (step->state == SWARM_STEP_RUNNING) { /* no hedge then: those behind it may fall back */
        swarm__rival_unwanted(sw, tracked);
        return true;
    }
    if (step->state != SWARM_STEP_READY ||
        recovery_next(&d->recoveries[step->guard], SWARM_OUTCOME_LOST, false) ==
            SWARM_RECOVERY_NONE) {
        return false;
    }
    swarm__step_fails(sw, tracked, SWARM_STEP_FAILED, SWARM_E_QUOTA);
    return true;
}

bool swarm__recover_call(swarm *sw, uint32_t tracked, uint32_t *state) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];
    uint32_t stage;

    SWARM_ASSERT(!state_is_terminal(step->state));
    if (!swarm__recovers(d, step) || step->demand != NONE32 || *state == SWARM_STEP_OK ||
        graph_has(&sw->graph, step->slot, GRAPH_STOPPED) ||
        swarm__scope_is_cancelled(&sw->graph, sw->graph.scope[step->slot])) {
        return false;
    }
    step->plan_status = SWARM_OK;
    step->outcome = d->recoveries[step->guard].outcome;
    stage = recover(sw, tracked, step->outcome, SWARM_OK);
    *state = stage == SWARM_RECOVERY_VALUE ? SWARM_STEP_OK : *state;
    return stage != SWARM_RECOVERY_VALUE && stage != SWARM_RECOVERY_NONE;
}

void swarm__recovery_again(swarm *sw, struct tracked *step) {
    struct dispatch *d = &sw->dispatch;

    if (swarm__recovers(d, step)) {
        recovery_reset(&d->recoveries[step->guard]);
        d->guards[step->guard].tried_count = 0;
        if (step->demand == NONE32) {
            graph_flag_clear(&sw->graph, step->slot, GRAPH_CROSSED);
            graph_flag_set(&sw->graph, step->slot, GRAPH_AGENT);
        }
        demand_use(d, step, d->recoveries[step->guard].demands[0]);
    }
}
