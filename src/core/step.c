/* SPDX-License-Identifier: MIT */
/*
 * step.c - a step's way through its states, and what its end causes.
 *
 * PENDING -> READY <-> HELD -> RUNNING -> a terminal state, which never changes. A step that ends
 * while it still waits for others (cancelled) tells its successors only when the last of those has
 * ended too: until then their edges lead to it.
 */
#include "guard.h"

/* Fields of each kind of event, as swarm.h lists them. */
static const unsigned char field_counts[] = {
    [SWARM_EVENT_RUN_OPEN] = 8,
    [SWARM_EVENT_PLAN] = 7,
    [SWARM_EVENT_STEP] = 8,
    [SWARM_EVENT_EDGE] = 2,
    [SWARM_EVENT_READY] = 1,
    [SWARM_EVENT_START] = 4,
    [SWARM_EVENT_DONE] = 8,
    [SWARM_EVENT_RETRY] = 3,
    [SWARM_EVENT_END] = 2,
    [SWARM_EVENT_GIVE_UP] = 4,
    [SWARM_EVENT_FENCED] = 8,
    [SWARM_EVENT_HOLD] = 2,
    [SWARM_EVENT_CANCEL] = 2,
    [SWARM_EVENT_CLOSE] = 1,
    [SWARM_EVENT_RUN_END] = 7,
    [SWARM_EVENT_LIMITS] = 2,
    [SWARM_EVENT_PROGRESS] = 7,
    [SWARM_EVENT_DETECT] = 5,
    [SWARM_EVENT_GUARD] = 8,
    [SWARM_EVENT_HEDGE] = 6,
    [SWARM_EVENT_VOTE] = 8,
    [SWARM_EVENT_RECOVER] = 7,
    [SWARM_EVENT_ASK] = 5,
    [SWARM_EVENT_ANSWER] = 8,
    [SWARM_EVENT_JOIN_SPEC] = 6,
    [SWARM_EVENT_JOIN] = 7,
    [SWARM_EVENT_EDGE_RULE] = 6,
    [SWARM_EVENT_BRANCH] = 4,
    [SWARM_EVENT_SKIP_SPEC] = 1,
    [SWARM_EVENT_SKIP] = 3,
    [SWARM_EVENT_LOOP_SPEC] = 3,
    [SWARM_EVENT_LOOP] = 5,
    [SWARM_EVENT_OVER] = 2,
    /* of limits */
    [SWARM_EVENT_BUDGET] = 4,
    [SWARM_EVENT_BUDGET_LIMIT] = 7,
    [SWARM_EVENT_RESERVE] = 8,
    [SWARM_EVENT_SETTLE] = 8,
    [SWARM_EVENT_LACK] = 5,
    [SWARM_EVENT_BUDGET_CLOSE] = 1,
    [SWARM_EVENT_GOVERN] = 4,
    [SWARM_EVENT_BREAKER] = 8,
    [SWARM_EVENT_BREAKER_RESET] = 1,
    [SWARM_EVENT_CHARGE] = 7,
    [SWARM_EVENT_GOVERNOR] = 7,
    /* of the record */
    [SWARM_EVENT_COMMAND] = 1,
    [SWARM_EVENT_SETUP] = 4,
    [SWARM_EVENT_DEMAND] = 3,
    [SWARM_EVENT_NEED] = 3,
    [SWARM_EVENT_OPTIONS] = 8,
    [SWARM_EVENT_RESULT] = 6,
    [SWARM_EVENT_CALL] = 2,
    [SWARM_EVENT_RUN_OPTIONS] = 1,
    /* of state */
    [SWARM_EVENT_PUT] = 4,
    [SWARM_EVENT_CONFLICT] = 5,
    [SWARM_EVENT_STATE_BRANCH] = 3,
    [SWARM_EVENT_NOTE] = 6,
    [SWARM_EVENT_ACCESS] = 4,
    [SWARM_EVENT_READ] = 8,
    [SWARM_EVENT_EFFECT] = 5,
    /* of what call steps add */
    [SWARM_EVENT_REFUSE] = 3,
    [SWARM_EVENT_SPAWN] = 3,
    /* of waiting */
    [SWARM_EVENT_WAIT] = 4,
    [SWARM_EVENT_DEADLOCK] = 6,
    [SWARM_EVENT_DEADLINE] = 1,
};

static uint32_t fields_of(uint32_t kind) {
    SWARM_ASSERT(kind < sizeof field_counts);
    return kind < sizeof field_counts ? field_counts[kind] : 0;
}

uint32_t swarm__log_size(const swarm *sw, uint32_t kind, uint32_t run, uint64_t step,
                         const uint64_t *fields) {
    struct log_head head = {0, step, kind, fields_of(kind)};

    head.run = run == NONE32 ? 0 : sw->dispatch.runs[run].number;
    return swarm__log_event_size(&head, fields);
}

void swarm__log_round(swarm *sw) {
    const struct log_head head = {0, SWARM_NEVER, SWARM_EVENT_ROUND, 0};

    if (!sw->round.marked && sw->round.phase == ROUND_APPLY) {
        sw->round.marked = true;
        swarm__log_event(&sw->log, NULL, &head, NULL);
    }
}

/* Writes an event of a run, or, with NONE32, of the swarm. */
void swarm__log(swarm *sw, uint32_t kind, uint32_t run, uint64_t step, const uint64_t *fields) {
    struct log_head head = {0, step, kind, fields_of(kind)};

    if (!sw->log.enabled) {
        return;
    }
    swarm__log_round(sw);
    head.run = run == NONE32 ? 0 : sw->dispatch.runs[run].number;
    swarm__log_event(&sw->log, run == NONE32 ? NULL : &sw->streams[run], &head, fields);
}

/* The list is linked through `pending`: a step on it is ready, and nobody counts it down. */
void swarm__woken_push(swarm *sw, uint32_t slot, bool poisoned) {
    uint32_t item = slot | (poisoned ? ITEM_POISONED : 0);

    ATOMIC_STORE(&sw->graph.pending[slot], NONE32, relaxed);
    if (sw->round.woken_last == NONE32) {
        sw->round.woken_first = item;
    } else {
        ATOMIC_STORE(&sw->graph.pending[sw->round.woken_last & ~ITEM_POISONED], item, relaxed);
    }
    sw->round.woken_last = item;
}

/* Call steps wait here until the frame that tells why is safe. */
void swarm__call_hold(swarm *sw, uint32_t slot) {
    SWARM_ASSERT(!graph_has(&sw->graph, slot, GRAPH_AGENT));
    if (graph_has(&sw->graph, slot, GRAPH_TRACKED)) {
        swarm__access_begin(sw, tracked_of(&sw->graph, slot));
    }
    if (!sw->log.enabled) {
        sw->round.released = true;
        swarm__graph_release(&sw->graph, slot, slot);
        return;
    }
    ATOMIC_STORE(&sw->graph.pending[slot], NONE32, relaxed);
    if (sw->round.held_last == NONE32) {
        sw->round.held_first = slot;
    } else {
        graph_chain(&sw->graph, sw->round.held_last, slot);
    }
    sw->round.held_last = slot;
    sw->round.held_frame = sw->log.used <= LOG_HEADER ? sw->log.number - 1 : sw->log.number;
}

void swarm__release_held(swarm *sw) {
    if (sw->round.held_first != NONE32 && log_is_safe(&sw->log, sw->round.held_frame)) {
        sw->round.released = true;
        swarm__graph_release(&sw->graph, sw->round.held_first, sw->round.held_last);
        sw->round.held_first = NONE32;
        sw->round.held_last = NONE32;
    }
}

void swarm__step_ready(swarm *sw, uint32_t tracked) {
    order_key(&sw->dispatch, tracked, sw->dispatch.ready_sequence);
    swarm__step_ready_again(sw, tracked);
}

/* Its key is still there: a queue's node is the step's own. */
void swarm__step_ready_again(swarm *sw, uint32_t tracked) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];
    uint64_t sequence = d->ready_sequence++;

    SWARM_ASSERT(step->demand != NONE32);
    SWARM_ASSERT(!state_is_terminal(step->state));
    step->state = SWARM_STEP_READY;
    step->ready_ns = sw->now_ns;
    swarm__log(sw, SWARM_EVENT_READY, step->run, step->ordinal, &sequence);
    if (swarm__votes(d, step)) {
        swarm__vote_ready(d, tracked);
    }
    swarm__demand_push(d, tracked);
    if (step->guard != NONE32) {
        swarm__guard_arm(sw, tracked);
    } else if (step->queue_timeout_ns != SWARM_NEVER) {
        timer_arm(d, tracked, saturating_add64(sw->now_ns, step->queue_timeout_ns), step->ordinal);
    }
}

static void count_end(swarm_run_report *report, uint32_t state) {
    report->ok += state == SWARM_STEP_OK;
    report->failed += state == SWARM_STEP_FAILED;
    report->timed_out += state == SWARM_STEP_TIMED_OUT;
    report->cancelled += state == SWARM_STEP_CANCELLED;
    report->skipped += state == SWARM_STEP_SKIPPED;
    report->budget += state == SWARM_STEP_BUDGET;
}

/* A call step that a worker has, or that is queued for one, is finished when it comes back. */
bool swarm__step_with_worker(const struct tracked *step) {
    return step->demand == NONE32 && step->state == SWARM_STEP_READY;
}

/* The books of an end: state, event, counts. */
static void record_end(swarm *sw, uint32_t tracked, uint32_t state, swarm_status reason) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];
    uint64_t fields[2] = {state, (uint64_t)(-(int64_t)reason)};

    SWARM_ASSERT(state_is_terminal(state));
    SWARM_ASSERT(!state_is_terminal(step->state));
    SWARM_ASSERT(step->attempt == NONE32);
    if (step->demand != NONE32 && heap_contains(d->ready_nodes, tracked)) {
        swarm__demand_remove(d, tracked);
    }
    if (step->state == SWARM_STEP_HELD && d->runs[step->run].asks != 0) {
        swarm__ask_close(sw, tracked);
    }
    if (step->guard != NONE32) {
        swarm__vote_release(sw, tracked);
    }
    timer_disarm(d, tracked);
    step->state = state;
    step->reason = reason;
    step->end_ns = sw->now_ns;
    d->runs[step->run].report.end_ns = sw->now_ns;
    count_end(&d->runs[step->run].report, state);
    swarm__log(sw, SWARM_EVENT_END, step->run, step->ordinal, fields);
}

void swarm__step_end(swarm *sw, uint32_t tracked, uint32_t state, swarm_status reason) {
    struct tracked *step = &sw->dispatch.tracked[tracked];
    bool pending = step->state == SWARM_STEP_PENDING, with_worker = swarm__step_with_worker(step);

    record_end(sw, tracked, state, reason);
    if (pending && swarm__step_joins(&sw->dispatch, tracked)) {
        swarm__join_abandon(sw, tracked);
    } else if (!pending && !with_worker) {
        swarm__step_finish(sw, tracked);
    }
}

/* Successors in ascending order; those that became ready are dealt with in this order. `step` is
 * its record, or null. */
static void tell_successors(swarm *sw, uint32_t slot, bool poison, const struct tracked *step) {
    struct graph_walk walk;
    uint32_t to, what, delays = step == NULL ? NONE32 : step->delays_first;

    swarm__graph_finish(&sw->graph, slot, poison, &walk);
    for (what = swarm__graph_finish_next(&walk, &to); what != 0;
         what = swarm__graph_finish_next(&walk, &to)) {
        if (what == WALK_DELAYED) {
            SWARM_ASSERT(step != NULL); /* plan.c: such edges join tracked steps */
            swarm__edge_ended(sw, step, to, &delays);
        } else {
            swarm__woken_push(sw, to, what == WALK_POISONED);
        }
    }
}

static void inputs_let_go(swarm *sw, struct tracked *step) {
    struct dispatch *d = &sw->dispatch;

    if (graph_has(&sw->graph, step->slot, GRAPH_STATIC)) {
        return; /* kept: the run may be started again */
    }
    for (uint32_t cell = step->inputs_first; cell != NONE32;) {
        uint32_t next = d->inputs[cell].next;

        swarm__step_unref(sw, d->inputs[cell].slot & INPUT_SLOT);
        slots_give(&d->inputs_free, cell);
        cell = next;
    }
    step->inputs_first = NONE32;
    step->inputs_count = 0;
}

/* Tells the graph that a step has ended; returns the step whose continuation it was, or NONE32. */
static uint32_t finish(swarm *sw, uint32_t slot, uint32_t state, uint64_t value) {
    bool is_tracked = graph_has(&sw->graph, slot, GRAPH_TRACKED);
    struct tracked *step = is_tracked ? &sw->dispatch.tracked[tracked_of(&sw->graph, slot)] : NULL;
    uint32_t caller;

    sw->graph.output[slot] = value;
    kind_state_set(&sw->graph, slot, state);
    if (is_tracked && step->delays_first != NONE32) {
        swarm__branch_log(sw, step);
    }
    tell_successors(sw, slot, state != SWARM_STEP_OK, step);
    if (is_tracked) {
        SWARM_ASSERT(!step->finished);
        step->finished = true;
        if (step->readers == 0) {
            inputs_let_go(sw, step);
        }
    }
    swarm__graph_ended(&sw->graph, slot);
    caller = swarm__graph_caller(&sw->graph, slot);
    swarm__step_unref(sw, slot);
    return caller;
}

/* The caller of a continuation ends as that did, unless it has been cancelled meanwhile. */
static void end_caller(swarm *sw, uint32_t slot, uint32_t state, uint64_t value) {
    uint32_t above;

    if (graph_has(&sw->graph, slot, GRAPH_TRACKED)) {
        uint32_t tracked = tracked_of(&sw->graph, slot);
        swarm_status reason = SWARM_E_DEPENDS;

        if (!state_is_terminal(sw->dispatch.tracked[tracked].state)) {
            if (state == SWARM_STEP_OK &&
                swarm__loop_again(sw, tracked, &sw->dispatch.tracked[tracked].result, &reason)) {
                swarm__loop_call(sw, tracked);
                return;
            }
            if (swarm__recover_call(sw, tracked, &state)) {
                return;
            }
            if (state == SWARM_STEP_OK) { /* a loop's reason stands */
                reason = reason == SWARM_E_DEPENDS ? SWARM_OK : reason;
                value = sw->dispatch.tracked[tracked].result.value;
            }
            record_end(sw, tracked, state, reason);
        }
        state = sw->dispatch.tracked[tracked].state;
    } else {
        count_end(&sw->dispatch.runs[sw->graph.scopes[sw->graph.scope[slot]].run].report, state);
    }
    above = finish(sw, slot, state, value);
    SWARM_ASSERT(above == NONE32); /* a continuation knows the first caller: no chains */
    (void)above;
}

/* A continuation's result becomes its caller's, which gives the bytes back when nobody reads
 * them any more. The continuation keeps the numbers, and gives back what the caller had lent, which
 * nobody will read. */
static void hand_result(swarm *sw, struct tracked *from) {
    uint32_t caller = swarm__graph_caller(&sw->graph, from->slot);
    struct tracked *to, before;

    if (caller == NONE32 || !graph_has(&sw->graph, caller, GRAPH_TRACKED)) {
        return;
    }
    to = &sw->dispatch.tracked[tracked_of(&sw->graph, caller)];
    if (state_is_terminal(to->state) ||
        (from->state != SWARM_STEP_OK && swarm__recovers(&sw->dispatch, to))) {
        return; /* cancelled, or it goes on: nobody will read it */
    }
    if (swarm__step_loops(&sw->dispatch, tracked_of(&sw->graph, caller))) {
        to->result = from->result; /* a loop's results have no bytes: those stay where they are */
        to->result.bytes = NULL;
        to->result.size = 0;
        to->outcome = from->outcome;
        return;
    }
    before = *to;
    to->result = from->result;
    to->outcome = from->outcome;
    to->lent = from->lent;
    to->backend = from->backend;
    from->lent = before.lent;
    from->backend = before.backend;
    from->result.bytes = before.result.bytes;
    from->result.size = before.result.size;
    from->result.release = before.lent ? before.result.release : from->result.release;
}

void swarm__step_finish(swarm *sw, uint32_t tracked) {
    struct tracked *step = &sw->dispatch.tracked[tracked];
    uint64_t value = step->result.value;
    uint32_t state = step->state, caller;

    hand_result(sw, step);
    caller = finish(sw, step->slot, state, value);
    if (caller != NONE32) {
        end_caller(sw, caller, state, value);
    }
}

/* A plain call step that ends in the turn: it failed, or brought a plan. */
void swarm__plain_end(swarm *sw, uint32_t slot, uint32_t state, uint64_t value) {
    struct run *run = &sw->dispatch.runs[sw->graph.scopes[sw->graph.scope[slot]].run];
    uint32_t caller = swarm__graph_caller(&sw->graph, slot);

    if (caller != NONE32 && graph_has(&sw->graph, caller, GRAPH_TRACKED)) {
        sw->dispatch.tracked[tracked_of(&sw->graph, caller)].result.value = value;
    }

    count_end(&run->report, state);
    run->report.end_ns = sw->now_ns;
    caller = finish(sw, slot, state, value);
    if (caller != NONE32) {
        end_caller(sw, caller, state, value);
    }
}

/* Nobody refers to the slot any more. */
void swarm__step_recycle(swarm *sw, uint32_t slot) {
    if (graph_has(&sw->graph, slot, GRAPH_TRACKED)) {
        swarm__step_free(sw, tracked_of(&sw->graph, slot));
    }
    swarm__graph_recycle(&sw->graph, slot);
}

uint32_t swarm__step_find(const swarm *sw, swarm_step step) {
    const struct graph *graph = &sw->graph;
    uint32_t slot = swarm__graph_find(graph, step);
    const struct span *span;

    if (slot == NONE32 || !graph_has(graph, slot, GRAPH_STATIC)) {
        return slot == NONE32 || graph_has(graph, slot, GRAPH_STAGED) ? NONE32 : slot;
    }
    span = &graph->steps.spans[graph->scopes[graph->scope[slot]].run];
    return slot - span->first < span->count ? slot : NONE32; /* empty until the plan is applied */
}

void swarm__step_unref(swarm *sw, uint32_t slot) {
    if (swarm__graph_unref(&sw->graph, slot)) {
        swarm__step_recycle(sw, slot);
    }
}

void swarm__step_read(swarm *sw, uint32_t tracked) {
    swarm__graph_ref(&sw->graph, sw->dispatch.tracked[tracked].slot);
    sw->dispatch.tracked[tracked].readers++;
}

void swarm__step_read_end(swarm *sw, uint32_t tracked) {
    struct tracked *step = &sw->dispatch.tracked[tracked];

    SWARM_ASSERT(step->readers != 0);
    if (--step->readers == 0 && step->finished) {
        inputs_let_go(sw, step);
    }
    swarm__step_unref(sw, step->slot);
}

/* Delays that run go on without the step that they left: somebody waits for them. */
static void delays_let_go(struct dispatch *d, struct tracked *step) {
    for (uint32_t at = step->delays_first; at != NONE32;) {
        uint32_t next = d->delays[at].next;

        if (heap_contains(d->timer_nodes, timer_of_delay(d, at))) {
            d->delays[at].from = NONE32;
        } else {
            pool_push(&d->delays_pool, at);
        }
        at = next;
    }
    step->delays_first = NONE32;
}

/* The record itself goes when a lent result has been given back. */
void swarm__step_free(swarm *sw, uint32_t tracked) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];
    struct run *run = &d->runs[step->run];

    SWARM_ASSERT(step->attempt == NONE32);
    if (sw->round.sweep == tracked && sw->round.sweep_agent == NONE32) {
        sw->round.sweep = step->run_next;
    }
    timer_disarm(d, tracked);
    if (step->key != 0) {
        key_remove(d, tracked);
    }
    if (step->demand != NONE32) {
        swarm__demand_unref(d, step->demand);
    }
    swarm__scopes_orphan(sw, step);
    if (step->guard != NONE32) {
        swarm__guard_free(d, step->guard);
        step->guard = NONE32;
    }
    delays_let_go(d, step);
    swarm__shape_let_go(d, step);
    swarm__access_free(d, &step->access);
    run_unlink(d, run, tracked);
    if (step->lent) {
        step->unwanted = true;
        step->run = NONE32;       /* which may be gone before the release is taken */
        if (run->releases == 0) { /* else swarm_run_again has asked for all of them */
            release_request(d, tracked);
        }
    } else {
        pool_push(&d->tracked_pool, tracked);
    }
}

/* A scope in which nothing is left: a root may be the end of its run, others go back. */
static void scope_empty(swarm *sw, uint32_t index) {
    struct scope *scope = &sw->graph.scopes[index];
    struct run *run = &sw->dispatch.runs[scope->run];

    SWARM_ASSERT(index < sw->scopes_fresh);
    run->report.end_ns = sw->now_ns; /* workers look at no clock */
    if (index < sw->config.runs_max) {
        run->quiet = true;
        sw->round.runs_quiet = true;
        return;
    }
    run->report.ok += ATOMIC_LOAD(&scope->ok, relaxed);
    run->report.skipped += ATOMIC_LOAD(&scope->skipped, relaxed);
    run->report.cancelled += ATOMIC_LOAD(&scope->stopped, relaxed);
    run->report.steps += ATOMIC_LOAD(&scope->added, relaxed);
    if (scope->creator != NONE32) {
        struct tracked *creator = &sw->dispatch.tracked[tracked_of(&sw->graph, scope->creator)];

        /* In a loop it may have another one by now. */
        creator->scope_own = creator->scope_own == index ? NONE32 : creator->scope_own;
        scope->creator = NONE32;
    }
    scope->next = sw->scopes_free;
    sw->scopes_free = index;
}

void swarm__scopes_take(swarm *sw) {
    for (uint32_t scope = swarm__graph_take_quiet(&sw->graph); scope != NONE32;
         scope = swarm__graph_take_quiet(&sw->graph)) {
        scope_empty(sw, scope);
    }
}

/* Deals with the scopes that became empty, runs in the order of their slots, since workers find
 * them in any order. One run an operation; false when there is none. */
bool swarm__scopes_collect(swarm *sw) {
    swarm__scopes_take(sw);
    for (uint32_t i = 0; sw->round.runs_quiet && i < sw->config.runs_max; i++) {
        if (sw->dispatch.runs[i].quiet) {
            sw->dispatch.runs[i].quiet = false;
            swarm__run_check_end(sw, i);
            return true;
        }
    }
    sw->round.runs_quiet = false;
    return false;
}

static void woken_tracked(swarm *sw, uint32_t slot, bool poisoned) {
    uint32_t tracked = tracked_of(&sw->graph, slot);
    struct tracked *step = &sw->dispatch.tracked[tracked];
    bool cancelled = swarm__scope_is_cancelled(&sw->graph, sw->graph.scope[slot]);

    if (state_is_terminal(step->state)) { /* it was cancelled while it waited */
        swarm__step_finish(sw, tracked);
        return;
    }
    if (cancelled || poisoned) {
        record_end(sw, tracked, cancelled ? SWARM_STEP_CANCELLED : SWARM_STEP_SKIPPED,
                   cancelled ? SWARM_OK : SWARM_E_DEPENDS);
        swarm__step_finish(sw, tracked);
        return;
    }
    if (swarm__step_joins(&sw->dispatch, tracked) && !swarm__join_goes(sw, tracked)) {
        bool plain = sw->dispatch.shapes[step->shape].is_plain;

        record_end(sw, tracked, plain ? SWARM_STEP_SKIPPED : SWARM_STEP_FAILED, SWARM_E_DEPENDS);
        swarm__step_finish(sw, tracked);
        return;
    }
    if (step->holes && !swarm__step_joins(&sw->dispatch, tracked)) {
        swarm__inputs_mark(sw, tracked); /* a join's are marked when it is decided */
    }
    if (swarm__step_skips(sw, tracked)) {
        record_end(sw, tracked, SWARM_STEP_SKIPPED, SWARM_OK);
        swarm__step_finish(sw, tracked);
    } else if (swarm__guard_asks(sw, step)) {
        swarm__ask_step(sw, tracked);
    } else if (step->demand != NONE32) {
        swarm__step_ready(sw, tracked);
    } else {
        step->state = SWARM_STEP_READY;
        step->ready_ns = sw->now_ns;
        swarm__call_hold(sw, slot);
    }
}

void swarm__woken_one(swarm *sw) {
    uint32_t item = sw->round.woken_first, slot = item & ~ITEM_POISONED;
    bool poisoned = (item & ITEM_POISONED) != 0;

    SWARM_ASSERT(item != NONE32);
    sw->round.woken_first = ATOMIC_LOAD(&sw->graph.pending[slot], relaxed);
    if (sw->round.woken_first == NONE32) {
        sw->round.woken_last = NONE32;
    }
    if (graph_has(&sw->graph, slot, GRAPH_TRACKED)) {
        woken_tracked(sw, slot, poisoned);
    } else {
        swarm__call_hold(sw, slot); /* a worker skips it if it is spoilt */
    }
}
