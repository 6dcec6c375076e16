/* SPDX-License-Identifier: MIT */
/*
 * deadlock.c - attempts that wait for steps, and circles of steps that wait for each other (M27).
 *
 * What is acquired here is acquired at once or not at all, so a circle can only close through an
 * attempt that holds something (agent, permits, reservation) while it waits for a step, as a
 * coordinator does that has handed a part of its work to others. Its backend says so.
 *
 * The look: at first every attempt that waits counts as STUCK. Stuck are then the steps that run by
 * stuck attempts alone, those that are ready and lack what stuck attempts hold, and whatever
 * waits for a stuck step (all its edges for an AND; for a join, when neither what has arrived nor
 * what may still come can decide it). An attempt whose step is not among them can go on; it is
 * struck off, and again, until nothing changes. Who is left is in a deadlock: the reduction of a
 * graph of resources (Holt, "Some deadlock properties of computer systems", ACM Computing Surveys
 * 4(3), 1972), run from its other end, for what is stuck is little and a step does not know its
 * predecessors. Whatever may still happen by itself counts as way out: a timer that is armed, a
 * backoff, an answer, a rate, a held backend, a governor, a budget's higher limit.
 *
 * Each stuck step names one that it waits for, so to follow them leads into a circle. It is told in
 * the log, and the attempt in it that was started last is given up. That may leave others.
 *
 * What lies behind a stuck step has not started, so the turn may walk it, as in late.c; but not
 * plain call steps of a plan that a worker links: he may still be at it, so circles that close
 * through those are not found. Nobody who never waits pays more than a look at a counter.
 */
#include "../dispatch/charge.h"
#include "guard.h"

#define TOLD_AT_ONCE 7u /* events of an operation */

/* Why a step that could start as far as steps go can't: what lacks, and a stuck attempt that has
 * it. */
struct lacking {
    uint64_t id;
    uint32_t kind;   /* SWARM_WAITS_*; 0: nothing lacks */
    uint32_t holder; /* or NONE32 */
};

/* ---- stuck attempts */

/* The next stuck attempt, by place; begin with NONE32. */
static bool stuck_next(const struct dispatch *d, uint32_t *cursor) {
    for (uint32_t i = *cursor == NONE32 ? 0 : *cursor + 1; i < d->attempts_free.fresh; i++) {
        if (bits_has(d->waits.stuck, i)) {
            *cursor = i;
            return true;
        }
    }
    return false;
}

/* Places are not the same in each process: the order in which things are told is by ordinal. */
static bool tells_first(const struct dispatch *d, uint32_t a, uint32_t b) {
    const struct attempt *x = &d->attempts[a], *y = &d->attempts[b];
    uint64_t run_x = d->runs[x->run].number, run_y = d->runs[y->run].number;

    if (run_x != run_y) {
        return run_x < run_y;
    }
    return x->ordinal != y->ordinal ? x->ordinal < y->ordinal : x->number < y->number;
}

/* Notes a stuck attempt as one that holds what lacks. */
static void held_by(const struct dispatch *d, struct lacking *out, uint32_t attempt) {
    if (out->holder == NONE32 || tells_first(d, attempt, out->holder)) {
        out->holder = attempt;
    }
}

/* ---- what a demand lacks because stuck attempts have it */

static uint64_t units_held(const struct dispatch *d, uint32_t attempt, uint32_t permit) {
    const struct demand *demand = &d->demands[d->attempts[attempt].demand];

    if (d->permits[permit].backend == d->attempts[attempt].backend) {
        return 1;
    }
    for (uint32_t i = 0; i < demand->needs_count; i++) {
        if (demand->needs[i].permit == permit) {
            return demand->needs[i].units;
        }
    }
    return 0;
}

static bool lacks_units(const struct dispatch *d, uint32_t permit, uint64_t units,
                        struct lacking *out) {
    uint64_t held = 0;

    out->holder = NONE32;
    for (uint32_t i = NONE32; stuck_next(d, &i);) {
        uint64_t part = units_held(d, i, permit);

        held += part;
        if (part != 0) {
            held_by(d, out, i);
        }
    }
    out->kind = SWARM_WAITS_PERMIT;
    out->id = (uint64_t)permit + 1;
    return !permit_is_rate(&d->permits[permit]) && held + units > d->permits[permit].capacity;
}

/* Whether stuck attempts fill the agents of a profile, or the one that is wanted. */
static bool lacks_room(const struct dispatch *d, uint32_t profile, uint32_t wanted,
                       struct lacking *out) {
    uint64_t agents = wanted == NONE32 ? d->profiles[profile].agents : 1, held = 0;

    for (uint32_t i = NONE32; stuck_next(d, &i);) {
        uint32_t agent = d->attempts[i].agent;

        if (wanted == NONE32 ? d->agents[agent].profile == profile && !d->agents[agent].withdrawn
                             : agent == wanted) {
            held++;
            held_by(d, out, i);
        }
    }
    return held >= agents * d->profiles[profile].inflight_max;
}

/* Whether every profile that could do it is full, or its backend. Nobody at all is another matter:
 * such a step ends. */
static bool lacks_agent(struct dispatch *d, uint32_t index, struct lacking *out) {
    const struct skill_set *fits = swarm__demand_profiles(d, index);
    uint32_t wanted = d->demands[index].agent;
    struct lacking found = {0, 0, NONE32};

    if (wanted != NONE32 && d->agents[wanted].withdrawn) {
        return false;
    }
    for (uint32_t p = 0; p < d->profiles_count; p++) {
        bool full;

        if (!set_has(fits, p) || d->profiles[p].agents == 0) {
            continue;
        }
        found.kind = SWARM_WAITS_AGENT;
        found.id = wanted == NONE32 ? 0 : (uint64_t)wanted + 1;
        full = lacks_room(d, p, wanted, &found);
        for (uint32_t at = d->backends[d->profiles[p].backend].limits; at != NONE32 && !full;
             at = d->permits[at].next) {
            full = lacks_units(d, at, 1, &found);
        }
        if (!full) {
            return false;
        }
    }
    *out = found;
    return found.kind != 0;
}

static bool lacks_place(const struct dispatch *d, uint32_t index, struct lacking *out) {
    const struct run *run = &d->runs[d->demands[index].run];
    uint32_t of_run = 0, count = 0;
    struct lacking whole = {0, SWARM_WAITS_ATTEMPT, NONE32};

    out->holder = NONE32;
    for (uint32_t i = NONE32; stuck_next(d, &i); count++) {
        held_by(d, &whole, i);
        if (d->attempts[i].run == d->demands[index].run) {
            held_by(d, out, i);
            of_run++;
        }
    }
    out->kind = SWARM_WAITS_RUN;
    out->id = run->number;
    if (of_run >= run->inflight_max) {
        return true;
    }
    *out = whole;
    return count >= d->attempts_free.capacity;
}

/* What stuck attempts have reserved of a budget, and below it. */
static uint64_t reserved_held(const struct dispatch *d, uint32_t budget, uint32_t dimension,
                              struct lacking *out) {
    uint64_t held = 0;

    out->holder = NONE32;
    for (uint32_t i = NONE32; stuck_next(d, &i);) {
        uint32_t charge = d->demands[d->attempts[i].demand].charge, at;

        at = charge == NONE32 ? NONE32 : budget_find(d, d->charges[charge].budget);
        while (at != NONE32 && at != budget) {
            at = d->budgets[at].parent;
        }
        if (at != NONE32) {
            held += dimension == SPEND_COST ? d->tickets[i].cost_nano
                                            : d->charges[charge].reserve[dimension];
            held_by(d, out, i);
        }
    }
    return held;
}

/* A budget that is exhausted without them is the caller's affair. */
static bool lacks_budget(const struct dispatch *d, const struct charge *charge,
                         struct lacking *out) {
    for (uint32_t at = budget_find(d, charge->budget); at != NONE32; at = d->budgets[at].parent) {
        const struct budget *budget = &d->budgets[at];

        for (uint32_t i = 0; i < SPENDS; i++) {
            uint64_t used = saturating_add64(budget->spent[i], charge->reserve[i]);

            if (budget->limit[i] == SWARM_NEVER || used > budget->limit[i]) {
                continue;
            }
            if (reserved_held(d, at, i, out) > budget->limit[i] - used) {
                out->kind = SWARM_WAITS_BUDGET;
                out->id = budget->number;
                return true;
            }
        }
    }
    return false;
}

/* Whether no step with this demand can start as long as stuck attempts are. */
static bool demand_lacks(struct dispatch *d, uint32_t index, struct lacking *out) {
    const struct demand *demand = &d->demands[index];

    if (lacks_place(d, index, out) || lacks_agent(d, index, out)) {
        return true;
    }
    for (uint32_t i = 0; i < demand->needs_count; i++) {
        if (lacks_units(d, demand->needs[i].permit, demand->needs[i].units, out)) {
            return true;
        }
    }
    if (demand->charge != NONE32 && lacks_budget(d, &d->charges[demand->charge], out)) {
        return true;
    }
    out->kind = 0;
    out->holder = NONE32;
    return false;
}

/* ---- stuck steps */

/* The attempt of a running step to follow: the first, if all are stuck and no timer can end one. */
static uint32_t stuck_attempt(const struct dispatch *d, const struct tracked *step) {
    uint32_t first = NONE32;

    for (uint32_t at = step->attempt; at != NONE32; at = d->attempts[at].sibling) {
        if (!bits_has(d->waits.stuck, at) ||
            heap_contains(d->timer_nodes, timer_of_attempt(d, at))) {
            return NONE32;
        }
        first = first == NONE32 || tells_first(d, at, first) ? at : first;
    }
    return first;
}

/* Whether a step, of which this is all that is asked, can't start or go on, and why: as what lacks,
 * or, for one that runs, the attempt to follow. */
static bool is_stuck_itself(struct dispatch *d, uint32_t tracked, struct lacking *out) {
    const struct tracked *step = &d->tracked[tracked];
    bool queued = step->demand != NONE32 && heap_contains(d->ready_nodes, tracked);

    out->kind = 0;
    if (step->demand == NONE32 || heap_contains(d->timer_nodes, tracked)) {
        return false;
    }
    if (step->state == SWARM_STEP_RUNNING) {
        uint32_t first = stuck_attempt(d, step);

        if (first == NONE32 || (queued && !demand_lacks(d, step->demand, out))) {
            return false;
        }
        out->kind = SWARM_WAITS_STEP;
        out->holder = first;
        return true;
    }
    return step->state == SWARM_STEP_READY && demand_lacks(d, step->demand, out);
}

/* Whether a join can't be decided without the edges that come from stuck steps. */
static bool join_is_stuck(const struct join *join) {
    uint32_t left = join->edges - join_count(join) - join->stuck;
    struct join ok = *join, failed = *join, garbage = *join;

    SWARM_ASSERT(join->stuck <= join->edges - join_count(join));
    ok.ok += left;
    failed.failed += left;
    garbage.garbage += left;
    return join_judge(&ok) == JOIN_WAITS && join_judge(&failed) == JOIN_WAITS &&
           join_judge(&garbage) == JOIN_WAITS;
}

static void mark_stuck(swarm *sw, uint32_t slot) {
    struct waits *waits = &sw->dispatch.waits;

    if (graph_has(&sw->graph, slot, GRAPH_STUCK)) {
        return;
    }
    graph_flag_set(&sw->graph, slot, GRAPH_STUCK);
    sw->graph.output[slot] = NONE32;
    if (waits->stuck_first == NONE32) {
        waits->stuck_first = slot;
    } else {
        sw->graph.output[waits->stuck_last] = slot;
    }
    waits->stuck_last = slot;
}

static uint32_t stuck_behind(const swarm *sw, uint32_t slot) {
    return (uint32_t)sw->graph.output[slot];
}

static void unmark_all(swarm *sw) {
    for (uint32_t at = sw->dispatch.waits.stuck_first, next; at != NONE32; at = next) {
        next = stuck_behind(sw, at);
        graph_flag_clear(&sw->graph, at, GRAPH_STUCK);
        sw->graph.output[at] = 0;
    }
    sw->dispatch.waits.stuck_first = NONE32;
}

/* A step of a plan that workers link: one of them may be at it, and it has no place in the order in
 * which circles are told. */
static bool is_of_worker(const swarm *sw, uint32_t slot) {
    /* Acquire: pairs with the release store of graph_plan_link: lineage. */
    uint32_t kind = ATOMIC_LOAD(&sw->graph.kind[slot], acquire);

    return (kind_flags(kind) & GRAPH_STAGED) != 0 ||
           swarm__graph_ordinal(&sw->graph, slot) == SWARM_NEVER;
}

/* An edge from a stuck step. */
static void mark_successor(swarm *sw, uint32_t to) {
    struct dispatch *d = &sw->dispatch;

    if (is_of_worker(sw, to)) {
        return;
    }
    if (graph_has(&sw->graph, to, GRAPH_TRACKED) &&
        swarm__step_joins(d, tracked_of(&sw->graph, to))) {
        struct join *join = &d->shapes[d->tracked[tracked_of(&sw->graph, to)].shape].join;

        if (join->verdict != JOIN_WAITS) {
            return;
        }
        join->stuck++;
        if (!join_is_stuck(join)) {
            return;
        }
    }
    mark_stuck(sw, to);
}

static void mark_behind(swarm *sw, uint32_t slot) {
    uint32_t cursor = NONE32, edge, caller = swarm__graph_caller(&sw->graph, slot);

    while ((edge = swarm__graph_successor(&sw->graph, slot, &cursor)) != NONE32) {
        mark_successor(sw, edge & GRAPH_SLOT);
    }
    if (caller != NONE32) {
        mark_stuck(sw, caller); /* it ends with its continuation */
    }
}

/* Steps that are stuck by themselves. */
static void mark_roots(swarm *sw, const struct run *run) {
    struct dispatch *d = &sw->dispatch;

    for (uint32_t at = run->first; at != NONE32; at = d->tracked[at].run_next) {
        struct lacking lacking;

        if (swarm__step_joins(d, at)) {
            d->shapes[d->tracked[at].shape].join.stuck = 0;
        }
        if (is_stuck_itself(d, at, &lacking)) {
            mark_stuck(sw, d->tracked[at].slot);
        }
    }
}

/* And whatever waits for those: the list grows while it is walked. */
static void mark_steps(swarm *sw) {
    unmark_all(sw);
    for (uint32_t i = 0; i < sw->config.runs_max; i++) {
        if (ATOMIC_LOAD(&sw->dispatch.runs[i].generation, relaxed) % 2 == 1) {
            mark_roots(sw, &sw->dispatch.runs[i]);
        }
    }
    for (uint32_t at = sw->dispatch.waits.stuck_first; at != NONE32; at = stuck_behind(sw, at)) {
        mark_behind(sw, at);
    }
}

/* ---- the look */

static bool any_stuck(const struct dispatch *d) {
    uint32_t cursor = NONE32;

    return stuck_next(d, &cursor);
}

/* The slot of the step that an attempt waits for, or NONE32 when that has ended. */
static uint32_t target_of(const swarm *sw, uint32_t attempt) {
    uint32_t slot = swarm__graph_find(&sw->graph, sw->dispatch.waits.for_step[attempt]);

    if (slot == NONE32 || !graph_has(&sw->graph, slot, GRAPH_TRACKED)) {
        return NONE32;
    }
    return state_is_terminal(sw->dispatch.tracked[tracked_of(&sw->graph, slot)].state) ? NONE32
                                                                                       : slot;
}

/* All that wait for something that has not ended. */
static void suspect(swarm *sw) {
    struct dispatch *d = &sw->dispatch;

    bits_clear(d->waits.stuck, sw->config.inflight_max);
    for (uint32_t i = 0; i < d->attempts_free.fresh && d->waits.count != 0; i++) {
        if (!slots_taken(&d->attempts_free, i) || d->waits.for_step[i].id == 0) {
            continue;
        }
        if (target_of(sw, i) == NONE32) {
            wait_end(&d->waits, i);
        } else {
            bits_set(d->waits.stuck, i);
        }
    }
}

/* Strikes off those whose step has another way to end, and those that wait for a step that is at
 * work: for that nothing else must be looked at. */
static bool strike_busy(swarm *sw) {
    struct dispatch *d = &sw->dispatch;
    bool any = false;

    for (uint32_t i = NONE32; stuck_next(d, &i);) {
        uint32_t tracked = tracked_of(&sw->graph, target_of(sw, i));
        uint32_t state = d->tracked[tracked].state;
        bool at_work = state == SWARM_STEP_RUNNING || state == SWARM_STEP_HELD;
        struct lacking lacking;

        if (!is_stuck_itself(d, d->attempts[i].tracked, &lacking) ||
            (at_work && !is_stuck_itself(d, tracked, &lacking))) {
            bits_unset(d->waits.stuck, i);
            any = true;
        }
    }
    return any;
}

static bool strike_free(swarm *sw) {
    struct dispatch *d = &sw->dispatch;
    bool any = false;

    mark_steps(sw);
    for (uint32_t i = NONE32; stuck_next(d, &i);) {
        if (!graph_has(&sw->graph, target_of(sw, i), GRAPH_STUCK)) {
            bits_unset(d->waits.stuck, i);
            any = true;
        }
    }
    return any;
}

/* Whether there is a deadlock: attempts and steps that are in it are marked. */
static bool look(swarm *sw) {
    suspect(sw);
    while (any_stuck(&sw->dispatch) && (strike_busy(sw) || strike_free(sw))) {
    }
    if (!any_stuck(&sw->dispatch)) {
        unmark_all(sw);
        return false;
    }
    return true;
}

/* ---- the circle */

/* Of a stuck step that waits for others: the one with the smallest ordinal that is stuck too. */
static uint32_t predecessor(const swarm *sw, uint32_t slot) {
    uint64_t best = SWARM_NEVER;
    uint32_t found = NONE32;

    for (uint32_t s = sw->dispatch.waits.stuck_first; s != NONE32; s = stuck_behind(sw, s)) {
        uint32_t cursor = NONE32, edge;
        uint64_t ordinal;
        bool leads;

        leads = swarm__graph_caller(&sw->graph, s) == slot;
        while (!leads && (edge = swarm__graph_successor(&sw->graph, s, &cursor)) != NONE32) {
            leads = (edge & GRAPH_SLOT) == slot;
        }
        ordinal = swarm__graph_ordinal(&sw->graph, s);
        if (leads && (found == NONE32 || ordinal < best)) {
            best = ordinal;
            found = s;
        }
    }
    return found;
}

/* The step that a stuck one waits for, and by what. */
static uint32_t waits_for(swarm *sw, uint32_t slot, struct lacking *out) {
    struct dispatch *d = &sw->dispatch;
    uint32_t next;

    out->kind = 0;
    if (graph_has(&sw->graph, slot, GRAPH_TRACKED) &&
        is_stuck_itself(d, tracked_of(&sw->graph, slot), out)) {
        next = out->kind == SWARM_WAITS_STEP ? target_of(sw, out->holder)
                                             : d->tracked[d->attempts[out->holder].tracked].slot;
        out->id = out->kind == SWARM_WAITS_STEP ? 0 : out->id;
        return next;
    }
    out->kind = SWARM_WAITS_EDGE;
    out->id = 0;
    return predecessor(sw, slot);
}

static bool stands_first(const swarm *sw, uint32_t a, uint32_t b) {
    const struct graph *graph = &sw->graph;
    uint64_t run_a = sw->dispatch.runs[graph->scopes[graph->scope[a]].run].number;
    uint64_t run_b = sw->dispatch.runs[graph->scopes[graph->scope[b]].run].number;

    return run_a != run_b ? run_a < run_b
                          : swarm__graph_ordinal(graph, a) < swarm__graph_ordinal(graph, b);
}

static void begin_with_smallest(swarm *sw, uint32_t slot) {
    struct waits *waits = &sw->dispatch.waits;
    struct lacking lacking;

    waits->first = slot;
    for (uint32_t i = 0; i < waits->length; i++) {
        slot = waits_for(sw, slot, &lacking);
        waits->first = stands_first(sw, slot, waits->first) ? slot : waits->first;
    }
    waits->at = waits->first;
    waits->place = 0;
}

/* Where following leads round and round, and how long that is (Brent, "An improved Monte Carlo
 * factorization algorithm", BIT 20, 1980, section 2: no marks are needed). */
static void find_circle(swarm *sw) {
    struct dispatch *d = &sw->dispatch;
    struct waits *waits = &d->waits;
    struct lacking lacking;
    uint32_t first = NONE32, slow, fast, power = 1;

    for (uint32_t i = NONE32; stuck_next(d, &i);) {
        first = first == NONE32 || tells_first(d, i, first) ? i : first;
    }
    slow = d->tracked[d->attempts[first].tracked].slot;
    fast = waits_for(sw, slow, &lacking);
    waits->length = 1;
    while (slow != fast) {
        if (waits->length == power) {
            slow = fast;
            power *= 2;
            waits->length = 0;
        }
        fast = waits_for(sw, fast, &lacking);
        waits->length++;
    }
    begin_with_smallest(sw, fast);
}

/* The attempt of the circle that was started last: least is lost with it. */
static uint32_t youngest(swarm *sw) {
    struct dispatch *d = &sw->dispatch;
    uint32_t at = d->waits.first, found = NONE32;

    for (uint32_t i = 0; i < d->waits.length; i++) {
        struct lacking lacking;
        uint32_t next = waits_for(sw, at, &lacking), attempt = lacking.holder;

        if (lacking.kind == SWARM_WAITS_STEP &&
            (found == NONE32 || d->attempts[attempt].start_ns > d->attempts[found].start_ns ||
             (d->attempts[attempt].start_ns == d->attempts[found].start_ns &&
              tells_first(d, found, attempt)))) {
            found = attempt;
        }
        at = next;
    }
    SWARM_ASSERT(found != NONE32);
    return found;
}

static void tell_some(swarm *sw) {
    struct waits *waits = &sw->dispatch.waits;

    for (uint32_t i = 0; i < TOLD_AT_ONCE && waits->place < waits->length; i++) {
        struct lacking lacking;
        uint32_t next = waits_for(sw, waits->at, &lacking);
        const struct scope *here = &sw->graph.scopes[sw->graph.scope[waits->at]];
        const struct scope *there = &sw->graph.scopes[sw->graph.scope[next]];
        uint64_t fields[6] = {waits->place,
                              waits->length,
                              lacking.kind,
                              lacking.id,
                              sw->dispatch.runs[there->run].number,
                              swarm__graph_ordinal(&sw->graph, next) + 1};

        swarm__log(sw, SWARM_EVENT_DEADLOCK, here->run, swarm__graph_ordinal(&sw->graph, waits->at),
                   fields);
        waits->at = next;
        waits->place++;
    }
}

/* Its step is tried again under its retry rules, or ends with this reason. */
static void give_up(swarm *sw, uint32_t attempt) {
    struct dispatch *d = &sw->dispatch;
    uint32_t tracked = d->attempts[attempt].tracked;
    struct tracked *step = &d->tracked[tracked];

    if (step->attempt == attempt && d->attempts[attempt].sibling == NONE32 &&
        swarm__tries(d, step) >= step->retry.attempts_max) {
        swarm__attempt_give_up(sw, tracked, SWARM_E_DEADLOCK);
        step->outcome = SWARM_OUTCOME_TRANSIENT;
        swarm__step_end(sw, tracked, SWARM_STEP_FAILED, SWARM_E_DEADLOCK);
    } else {
        swarm__attempt_lost(sw, attempt, SWARM_E_DEADLOCK, SWARM_OUTCOME_TRANSIENT);
    }
}

bool swarm__deadlock_one(swarm *sw) {
    struct waits *waits = &sw->dispatch.waits;
    uint32_t victim;

    if (waits->at == NONE32) {
        waits->due = waits->due && !sw->draining && look(sw);
        if (!waits->due) {
            return false;
        }
        find_circle(sw);
    }
    if (waits->place < waits->length) {
        tell_some(sw);
        return true;
    }
    victim = youngest(sw);
    waits->at = NONE32;
    unmark_all(sw);
    give_up(sw, victim);
    return true;
}

/* ---- the caller's call */

/* The attempt of the handle, if it is in flight for its step; or NONE32. */
static uint32_t waiter_of(const swarm *sw, swarm_attempt handle) {
    const struct dispatch *d = &sw->dispatch;
    uint32_t index = (uint32_t)handle.id - 1;

    if (index >= d->attempts_free.fresh || !slots_taken(&d->attempts_free, index) ||
        attempt_generation(d, index) != handle.id >> 32) {
        return NONE32;
    }
    return d->attempts[index].settled || d->attempts[index].tracked == NONE32 ? NONE32 : index;
}

static void wait_begin(swarm *sw, uint32_t index, swarm_step step, uint32_t slot) {
    struct dispatch *d = &sw->dispatch;
    const struct attempt *attempt = &d->attempts[index];
    uint64_t fields[4] = {attempt->number, attempt->epoch, 0, 0};

    if (slot != NONE32) {
        fields[2] = d->runs[sw->graph.scopes[sw->graph.scope[slot]].run].number;
        fields[3] = swarm__graph_ordinal(&sw->graph, slot);
        d->waits.for_step[index] = step;
        d->waits.count++;
        d->waits.due = true;
    }
    swarm__log(sw, SWARM_EVENT_WAIT, attempt->run, attempt->ordinal, fields);
}

swarm_status swarm_attempt_wait(swarm *sw, swarm_attempt attempt, swarm_step step) {
    uint32_t index, slot = NONE32;

    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    index = waiter_of(sw, attempt);
    if (index != NONE32 && step.id != 0) {
        slot = swarm__step_find(sw, step);
    }
    if (index == NONE32 || (step.id != 0 && slot == NONE32)) {
        return SWARM_E_STALE;
    }
    if (slot != NONE32 && (!graph_has(&sw->graph, slot, GRAPH_TRACKED) ||
                           tracked_of(&sw->graph, slot) == sw->dispatch.attempts[index].tracked)) {
        return SWARM_E_INVALID;
    }
    if (!swarm__owner_may_log(sw)) {
        return SWARM_E_AGAIN;
    }
    wait_end(&sw->dispatch.waits, index);
    wait_begin(sw, index, step, slot);
    return SWARM_OK;
}
