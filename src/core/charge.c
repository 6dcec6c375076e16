/* SPDX-License-Identifier: MIT */
/*
 * charge.c - budgets as the caller sees them, and as an attempt meets them: admitted, reserved,
 * settled (M39, M40).
 *
 * A step that does not fit waits as long as an attempt in flight may give something back. When
 * nothing can, as the limits stand, the policy of the budget that lacks decides.
 */
#include "charge.h"
#include "guard.h"

#include "gate.h"
#include "guard.h"

#include <string.h>

#define LACK_LATER 0u /* as the action of a LACK event; the policies follow */

/* ---- what a step reserves */

/* Null, or what is wrong with the charge. The turn also compares with limits, which may change. */
const char *swarm__charge_fault(const struct dispatch *d, const struct charge *charge,
                                swarm_status *out_status) {
    uint32_t index = budget_find(d, charge->budget);

    *out_status = SWARM_E_STALE;
    if (index == NONE32) {
        return "step: no such budget";
    }
    *out_status = SWARM_E_BUDGET;
    for (uint32_t at = index; at != NONE32; at = d->budgets[at].parent) {
        for (uint32_t i = 0; i < SPENDS; i++) {
            if (charge->reserve[i] > d->budgets[at].limit[i]) {
                return "step: it reserves more than the limit of a budget";
            }
        }
    }
    return NULL;
}

static void reserve_fill(uint64_t out[SPENDS], const swarm_amounts *amounts) {
    memcpy(out, amounts, sizeof *amounts);
    for (uint32_t i = 0; i < SPENDS; i++) {
        out[i] = out[i] == SWARM_ZERO ? 0 : out[i];
    }
    out[SPEND_STEPS] = amounts->steps == 0 ? 1 : out[SPEND_STEPS];
}

static void charge_tell(const struct dispatch *d, swarm_budget handle,
                        const uint64_t reserve[SPENDS], uint64_t out[1 + SPENDS]) {
    uint32_t budget = budget_find(d, handle);

    out[0] = budget == NONE32 ? 0 : d->budgets[budget].number;
    memcpy(out + 1, reserve, SPENDS * sizeof *reserve);
}

void swarm__charge_tell(const struct dispatch *d, uint32_t charge, uint64_t out[1 + SPENDS]) {
    charge_tell(d, d->charges[charge].budget, d->charges[charge].reserve, out);
}

void swarm__charge_tell_run(const struct dispatch *d, const struct run *run,
                            uint64_t out[1 + SPENDS]) {
    uint64_t reserve[SPENDS];

    reserve_fill(reserve, &run->charge.reserve);
    charge_tell(d, run->charge.budget, reserve, out);
}

void swarm__charge_again(const struct dispatch *d, const uint64_t fields[1 + SPENDS],
                         swarm_charge_spec *out_spec) {
    uint32_t budget = swarm__budget_numbered(d, fields[0]);
    uint64_t reserve[SPENDS];
    static const swarm_budget none;

    for (uint32_t i = 0; i < SPENDS; i++) {
        reserve[i] = fields[1 + i] == 0 ? SWARM_ZERO : fields[1 + i];
    }
    memcpy(&out_spec->reserve, reserve, sizeof reserve);
    out_spec->budget = budget == NONE32 ? none : budget_handle(d, budget);
}

/* The charge of a step, its own or its run's, as part of its private demand. */
bool swarm__charge_fill(swarm_plan *plan, const swarm_charge_spec *spec, uint32_t demand) {
    struct dispatch *d = &plan->sw->dispatch;
    const struct run *run = &d->runs[plan->run];
    swarm_status status;
    const char *fault = NULL;
    uint32_t index;

    if (spec == NULL && run->charge.budget.id == 0) {
        return true;
    }
    spec = spec == NULL ? &run->charge : spec;
    index = pool_pop(&d->charges_pool);
    if (index == NONE32) {
        swarm__graph_plan_fail(&plan->graph, SWARM_E_FULL, "step: raise config.charges_max");
        return false;
    }
    d->charges[index].budget = spec->budget;
    d->charges[index].told = 0;
    reserve_fill(d->charges[index].reserve, &spec->reserve);
    d->demands[demand].charge = index;
    if (plan->graph.caller == NONE32) { /* else the turn looks, when the plan is applied */
        fault = swarm__charge_fault(d, &d->charges[index], &status);
    }
    if (fault != NULL) {
        swarm__graph_plan_fail(&plan->graph, status, fault);
    }
    return fault == NULL;
}

bool swarm__charge_fits(swarm_plan *plan, uint32_t demand) {
    const struct dispatch *d = &plan->sw->dispatch;
    uint32_t charge = demand == NONE32 ? NONE32 : d->demands[demand].charge;
    swarm_status status;
    const char *fault =
        charge == NONE32 ? NULL : swarm__charge_fault(d, &d->charges[charge], &status);

    if (fault != NULL) {
        swarm__graph_plan_fail(&plan->graph, status, fault);
    }
    return fault == NULL;
}

/* The charges of a call step's plan, before it is applied. */
bool swarm__charges_fit(swarm_plan *plan) {
    const struct dispatch *d = &plan->sw->dispatch;

    if (plan->graph.caller == NONE32 || plan->graph.tracked == 0) {
        return true;
    }
    for (uint32_t at = plan->records; at != NONE32; at = d->tracked[at].run_next) {
        if (!swarm__charge_fits(plan, d->tracked[at].demand)) {
            return false;
        }
    }
    return true;
}

/* ---- admission */

static void amounts_of(const struct dispatch *d, const struct charge *charge, uint32_t profile,
                       uint64_t out[SPENDS]) {
    memcpy(out, charge->reserve, sizeof charge->reserve);
    if (charge->reserve[SPEND_COST] == 0) {
        out[SPEND_COST] = swarm__price_of(&d->profiles[profile].price, charge->reserve);
    }
}

static void tell_lack(swarm *sw, uint32_t head, const struct lack *lack, uint32_t action) {
    struct dispatch *d = &sw->dispatch;
    const struct tracked *step = &d->tracked[head];
    struct charge *charge = &d->charges[d->demands[step->demand].charge];
    uint32_t told = 1 + action + 8 * (lack->dimension + SPENDS * lack->budget);
    uint64_t fields[5] = {d->budgets[lack->budget].number, lack->dimension + UINT64_C(1),
                          lack->needed, lack->available, action};

    if (charge->told != told || action > SWARM_BUDGET_WAIT) {
        charge->told = told;
        swarm__log(sw, SWARM_EVENT_LACK, step->run, step->ordinal, fields);
    }
}

/* The agent of another profile, whose prices fit what is left; NONE32 with the reason. */
static uint32_t degrade(swarm *sw, uint32_t demand, int64_t *out_score, uint32_t *out_why) {
    struct dispatch *d = &sw->dispatch;
    const struct charge *charge = &d->charges[d->demands[demand].charge];
    struct skill_set fits = d->demands[demand].profiles;
    uint64_t amounts[SPENDS];
    struct lack lack;

    for (uint32_t p = 0; p < d->profiles_count; p++) {
        if (set_has(&fits, p)) {
            amounts_of(d, charge, p, amounts);
            if (swarm__budget_fit(d, budget_find(d, charge->budget), amounts, &lack) == FIT_NEVER) {
                set_remove(&fits, p);
            }
        }
    }
    return swarm__gate_pick(sw, demand, &fits, out_score, out_why);
}

/* Nothing in flight can make it fit: what the budget says. True: with another agent it may. */
static bool exhausted(swarm *sw, uint32_t head, const struct lack *lack, uint32_t *agent,
                      int64_t *score) {
    struct dispatch *d = &sw->dispatch;
    uint32_t demand = d->tracked[head].demand, policy = d->budgets[lack->budget].policy, why;

    tell_lack(sw, head, lack, policy);
    if (policy == SWARM_BUDGET_WAIT) {
        swarm__demand_wait(d, demand, wait_of_budget(d, lack->budget));
        return false;
    }
    if (policy == SWARM_BUDGET_DEGRADE) {
        *agent = degrade(sw, demand, score, &why);
        if (*agent != NONE32) {
            return true;
        }
        if (why != PICK_NOBODY) {
            swarm__set_aside(sw, demand, why);
            return false;
        }
    }
    swarm__start_refused(sw, head, SWARM_STEP_BUDGET, SWARM_E_BUDGET);
    return false;
}

static int fit_with(const struct dispatch *d, const struct charge *charge, uint32_t agent,
                    struct lack *out_lack) {
    uint64_t amounts[SPENDS];

    amounts_of(d, charge, d->agents[agent].profile, amounts);
    return swarm__budget_fit(d, budget_find(d, charge->budget), amounts, out_lack);
}

/* Whether the head of a demand may start with this agent as far as its budgets go. If not, it has
 * been set aside or has ended. Its budget may name another agent. */
bool swarm__charge_admit(swarm *sw, uint32_t head, uint32_t *agent, int64_t *score) {
    struct dispatch *d = &sw->dispatch;
    uint32_t demand = d->tracked[head].demand;
    const struct charge *charge = &d->charges[d->demands[demand].charge];
    struct lack lack;
    int fit = fit_with(d, charge, *agent, &lack);

    if (fit == FIT_NEVER) {
        if (!exhausted(sw, head, &lack, agent, score)) {
            return false;
        }
        fit = fit_with(d, charge, *agent, &lack);
        SWARM_ASSERT(fit != FIT_NEVER); /* it was picked among those that fit, some day */
    }
    if (fit == FIT_LATER) {
        tell_lack(sw, head, &lack, LACK_LATER);
        swarm__demand_wait(d, demand, wait_of_budget(d, lack.budget));
    }
    return fit == FIT_NOW;
}

/* ---- reserved at the start, settled when the backend is done */

static void ticket_amounts(const struct dispatch *d, uint32_t attempt, uint64_t out[SPENDS]) {
    const struct charge *charge = &d->charges[d->demands[d->attempts[attempt].demand].charge];

    memcpy(out, charge->reserve, sizeof charge->reserve);
    out[SPEND_COST] = d->tickets[attempt].cost_nano;
}

static void tell_amounts(swarm *sw, uint32_t kind, uint32_t attempt, uint64_t flags,
                         const uint64_t amounts[SPENDS]) {
    struct dispatch *d = &sw->dispatch;
    const struct attempt *a = &d->attempts[attempt];
    const struct charge *charge = &d->charges[d->demands[a->demand].charge];
    uint64_t number = d->budgets[budget_find(d, charge->budget)].number;
    uint64_t fields[8] = {a->number,
                          number,
                          flags,
                          amounts[SPEND_INPUT],
                          amounts[SPEND_CACHED],
                          amounts[SPEND_OUTPUT],
                          amounts[SPEND_COST],
                          amounts[SPEND_RUNNING]};

    swarm__log(sw, kind, a->run, a->ordinal, fields);
}

/* The attempt's START has been decided: it was admitted in this operation. */
void swarm__charge_reserve(swarm *sw, uint32_t attempt) {
    struct dispatch *d = &sw->dispatch;
    const struct attempt *a = &d->attempts[attempt];
    uint32_t profile = d->agents[a->agent].profile;
    struct charge *charge = &d->charges[d->demands[a->demand].charge];
    uint64_t amounts[SPENDS];

    amounts_of(d, charge, profile, amounts);
    d->tickets[attempt].cost_nano = amounts[SPEND_COST];
    d->tickets[attempt].price = d->profiles[profile].price;
    charge->told = 0;
    swarm__budget_reserve(d, budget_find(d, charge->budget), amounts);
    tell_amounts(sw, SWARM_EVENT_RESERVE, attempt, 0, amounts);
}

/* What the attempt used, by what its backend reports. Answers that must have cost something and
 * report nothing cost what was reserved. */
static uint64_t used_amounts(swarm *sw, uint32_t attempt, const uint64_t reserved[SPENDS],
                             uint64_t out[SPENDS]) {
    const struct attempt *a = &sw->dispatch.attempts[attempt];
    const struct ticket *ticket = &sw->dispatch.tickets[attempt];
    const swarm_usage *usage = &a->answer.usage;
    uint32_t outcome = a->answer.outcome;
    bool silent =
        (usage->input_tokens | usage->cached_tokens | usage->output_tokens | usage->cost_nano) == 0;

    memset(out, 0, SPENDS * sizeof *out);
    if (outcome == SWARM_OUTCOME_REFUSED || outcome == SWARM_OUTCOME_THROTTLED) {
        return 0;
    }
    out[SPEND_STEPS] = reserved[SPEND_STEPS];
    out[SPEND_INPUT] = usage->input_tokens;
    out[SPEND_CACHED] = usage->cached_tokens;
    out[SPEND_OUTPUT] = usage->output_tokens;
    out[SPEND_COST] = usage->cost_nano;
    if (!silent && usage->cost_nano == 0 && price_is_set(&ticket->price)) {
        out[SPEND_COST] = swarm__price_of(&ticket->price, out);
    }
    out[SPEND_RUNNING] = sw->now_ns - a->start_ns;
    if (silent && (outcome == SWARM_OUTCOME_OK || outcome == SWARM_OUTCOME_GARBAGE ||
                   outcome == SWARM_OUTCOME_LOST)) {
        memcpy(&out[SPEND_INPUT], &reserved[SPEND_INPUT], 4 * sizeof *out);
        return SWARM_SETTLE_ESTIMATE;
    }
    return 0;
}

/* Once an attempt: when it is settled, however that came about. */
void swarm__charge_settle(swarm *sw, uint32_t attempt) {
    struct dispatch *d = &sw->dispatch;
    const struct charge *charge = &d->charges[d->demands[d->attempts[attempt].demand].charge];
    uint32_t budget = budget_find(d, charge->budget);
    uint64_t reserved[SPENDS], used[SPENDS], flags;

    ticket_amounts(d, attempt, reserved);
    flags = used_amounts(sw, attempt, reserved, used);
    if (swarm__budget_settle(d, budget, reserved, used)) {
        flags |= SWARM_SETTLE_EXCEEDED;
    }
    tell_amounts(sw, SWARM_EVENT_SETTLE, attempt, flags, used);
    for (uint32_t at = budget; at != NONE32; at = d->budgets[at].parent) {
        swarm__demand_wake(d, wait_of_budget(d, at));
    }
}

/* ---- the caller's calls */

static void log_limits(swarm *sw, uint32_t index) {
    const struct budget *budget = &sw->dispatch.budgets[index];
    uint64_t fields[7] = {budget->number};

    memcpy(fields + 1, budget->limit, sizeof budget->limit);
    swarm__log(sw, SWARM_EVENT_BUDGET_LIMIT, NONE32, SWARM_NEVER, fields);
}

static void limit_fill(struct budget *budget, const swarm_amounts *limit) {
    uint64_t given[SPENDS];

    memcpy(given, limit, sizeof given);
    for (uint32_t i = 0; i < SPENDS; i++) {
        if (given[i] != 0) {
            budget->limit[i] = given[i] == SWARM_ZERO ? 0 : given[i];
        }
    }
}

swarm_amounts swarm__budget_limits(const uint64_t fields[1 + SPENDS]) {
    uint64_t limit[SPENDS];
    swarm_amounts amounts;

    for (uint32_t i = 0; i < SPENDS; i++) {
        limit[i] = fields[1 + i] == 0 ? SWARM_ZERO : fields[1 + i];
    }
    memcpy(&amounts, limit, sizeof amounts);
    return amounts;
}

static swarm_status budget_fault(swarm *sw, uint64_t name, const swarm_budget_spec *spec,
                                 const char **out_text) {
    const struct dispatch *d = &sw->dispatch;
    uint32_t parent = budget_find(d, spec->parent);

    *out_text = "budget: no such parent";
    if (parent == NONE32 && spec->parent.id != 0) {
        return SWARM_E_STALE;
    }
    *out_text = "budget: the tree is 16 deep";
    if (parent != NONE32 && d->budgets[parent].depth == BUDGET_DEPTH) {
        return SWARM_E_DEPTH;
    }
    *out_text = "budget: the name is taken";
    if (swarm__budget_named(d, name) != NONE32) {
        return SWARM_E_DUPLICATE;
    }
    *out_text = "budget: read out the log and advance first";
    return swarm__owner_may_log(sw) ? SWARM_OK : SWARM_E_AGAIN;
}

swarm_budget swarm__budget_open(swarm *sw, uint64_t name, const swarm_budget_spec *spec) {
    static const swarm_budget none;
    const char *text;
    swarm_status status = budget_fault(sw, name, spec, &text);
    uint32_t index = NONE32;
    struct budget *budget;

    if (status == SWARM_OK) {
        index = swarm__budget_new(&sw->dispatch, name, budget_find(&sw->dispatch, spec->parent));
        status = index == NONE32 ? SWARM_E_FULL : SWARM_OK;
        text = "budget: raise config.budgets_max, or close some";
    }
    if (status != SWARM_OK) {
        swarm__fault(sw, status, text);
        return none;
    }
    budget = &sw->dispatch.budgets[index];
    budget->policy = spec->policy == 0 ? SWARM_BUDGET_WAIT : spec->policy;
    limit_fill(budget, &spec->limit);

    uint64_t fields[4] = {budget->number, name, 0, budget->policy};

    fields[2] = budget->parent == NONE32 ? 0 : sw->dispatch.budgets[budget->parent].number;
    swarm__log(sw, SWARM_EVENT_BUDGET, NONE32, SWARM_NEVER, fields);
    log_limits(sw, index);
    return budget_handle(&sw->dispatch, index);
}

swarm_budget swarm_budget_add(swarm *sw, const swarm_budget_spec *spec) {
    static const swarm_budget none;

    if (!swarm__owned(sw)) {
        return none;
    }
    if (spec == NULL || spec->name == NULL || spec->policy > SWARM_BUDGET_DEGRADE ||
        spec->reserved != 0) {
        swarm__fault(sw, SWARM_E_INVALID,
                     "budget: null, no name, an unknown policy, or reserved is not 0");
        return none;
    }
    return swarm__budget_open(sw, hash_text64(spec->name), spec);
}

swarm_budget swarm_budget_find(swarm *sw, const char *name) {
    static const swarm_budget none;
    uint32_t index = NONE32;

    if (swarm__owned(sw) && name != NULL) {
        index = swarm__budget_named(&sw->dispatch, hash_text64(name));
    }
    return index == NONE32 ? none : budget_handle(&sw->dispatch, index);
}

static swarm_status budget_check(swarm *sw, swarm_budget handle, uint32_t *out_index) {
    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    *out_index = budget_find(&sw->dispatch, handle);
    return *out_index == NONE32 ? SWARM_E_STALE : SWARM_OK;
}

swarm_status swarm_budget_limit(swarm *sw, swarm_budget handle, const swarm_amounts *limit) {
    uint32_t index;
    swarm_status status = budget_check(sw, handle, &index);

    if (status != SWARM_OK || limit == NULL) {
        return status != SWARM_OK ? status : SWARM_E_INVALID;
    }
    if (!swarm__owner_may_log(sw)) {
        return SWARM_E_AGAIN;
    }
    limit_fill(&sw->dispatch.budgets[index], limit);
    log_limits(sw, index);
    swarm__demand_wake(&sw->dispatch, wait_of_budget(&sw->dispatch, index));
    return SWARM_OK;
}

swarm_status swarm_budget_close(swarm *sw, swarm_budget handle) {
    uint32_t index;
    swarm_status status = budget_check(sw, handle, &index);

    if (status != SWARM_OK) {
        return status;
    }
    if (sw->dispatch.budgets[index].references != 0) {
        return SWARM_E_BUSY;
    }
    if (!swarm__owner_may_log(sw)) {
        return SWARM_E_AGAIN;
    }
    swarm__log(sw, SWARM_EVENT_BUDGET_CLOSE, NONE32, SWARM_NEVER,
               &sw->dispatch.budgets[index].number);
    swarm__budget_free(&sw->dispatch, index);
    return SWARM_OK;
}

swarm_status swarm_budget_get(swarm *sw, swarm_budget handle, swarm_budget_info *out_info) {
    uint32_t index;
    swarm_status status = budget_check(sw, handle, &index);
    const struct budget *budget;

    if (status != SWARM_OK || out_info == NULL) {
        return status != SWARM_OK ? status : SWARM_E_INVALID;
    }
    budget = &sw->dispatch.budgets[index];
    memcpy(&out_info->limit, budget->limit, sizeof budget->limit);
    memcpy(&out_info->spent, budget->spent, sizeof budget->spent);
    memcpy(&out_info->reserved, budget->reserved, sizeof budget->reserved);
    out_info->exceeded = budget->exceeded;
    return SWARM_OK;
}
