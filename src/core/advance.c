/* SPDX-License-Identifier: MIT */
/*
 * advance.c - the round (design, section 6).
 */
#include "../dispatch/ask.h"
#include "charge.h"
#include "breaker.h"
#include "guard.h"
#include "gate.h"

#define SORT_LISTS 32

static bool is_command(uint32_t item) {
    return (item & ITEM_COMMAND) == ITEM_COMMAND;
}

static bool is_pulse(uint32_t item) {
    return (item & (ITEM_PULSE | ITEM_POISONED)) == ITEM_PULSE;
}

static bool is_answer(uint32_t item) {
    return (item & (ITEM_ANSWER | ITEM_POISONED)) == ITEM_ANSWER;
}

struct arrival_key {
    uint64_t kind, ordinal, run, rest;
};

/* 0 completions and answers, 1 ready steps, 2 progress; commands by theirs. A plain call step that
 * dispatch has not seen stands behind the step that it descends from, by its lineage. */
static struct arrival_key key_of(const swarm *sw, uint32_t item) {
    const struct dispatch *d = &sw->dispatch;
    const struct graph *graph = &sw->graph;
    uint32_t slot = item & ~(ITEM_ATTEMPT | ITEM_POISONED), kind;
    struct arrival_key key = {0, 0, 0, 0};

    if (is_command(item)) {
        const struct command *command = &sw->commands[item & ITEM_INDEX];

        key.kind = command->kind;
        key.ordinal = command->ordinal;
        key.run = command->run;
        return key;
    }
    if (is_answer(item)) {
        const struct ask *ask = &sw->asks[item & ITEM_INDEX];

        key.ordinal = ask->ordinal;
        key.run = ask->run_number;
        key.rest = ask_sequence(ask);
        return key;
    }
    if ((item & ITEM_ATTEMPT) != 0) {
        const struct attempt *attempt = &d->attempts[item & ITEM_INDEX];

        key.kind = is_pulse(item) ? 2 : 0;
        key.ordinal = attempt->ordinal;
        key.run = d->runs[attempt->run].number;
        key.rest = (uint64_t)attempt->number << 32 | attempt->epoch;
        return key;
    }
    kind = ATOMIC_LOAD(&graph->kind[slot], relaxed);
    key.kind = (kind_flags(kind) & GRAPH_AGENT) != 0;
    key.ordinal = swarm__graph_ordinal(graph, slot);
    key.run = d->runs[graph->scopes[graph->scope[slot]].run].number;
    if (key.ordinal == SWARM_NEVER) {
        key.ordinal = graph->scopes[graph->scope[slot]].ordinal;
        key.rest = graph->lineage[slot];
    }
    return key;
}

static bool before(const swarm *sw, uint32_t a, uint32_t b) {
    struct arrival_key x = key_of(sw, a), y = key_of(sw, b);

    if (x.kind != y.kind) {
        return x.kind < y.kind;
    }
    if (x.ordinal != y.ordinal) {
        return x.ordinal < y.ordinal;
    }
    return x.run != y.run ? x.run < y.run : x.rest < y.rest;
}

/* Where an item that is no step keeps its link. */
static uint32_t *link_of(const swarm *sw, uint32_t item) {
    uint32_t index = item & ITEM_INDEX;

    if (is_command(item)) {
        return &sw->commands[index].next;
    }
    if (is_answer(item)) {
        return &sw->asks[index].arrived_next;
    }
    return is_pulse(item) ? &sw->dispatch.pulses[index].next
                          : &sw->dispatch.attempts[index].arrived_next;
}

uint32_t swarm__item_next(const swarm *sw, uint32_t item) {
    return (item & ITEM_ATTEMPT) != 0
               ? *link_of(sw, item)
               : ATOMIC_LOAD(&sw->graph.pending[item & ~ITEM_POISONED], relaxed);
}

void swarm__item_link(swarm *sw, uint32_t item, uint32_t next) {
    if ((item & ITEM_ATTEMPT) != 0) {
        *link_of(sw, item) = next;
    } else {
        ATOMIC_STORE(&sw->graph.pending[item & ~ITEM_POISONED], next, relaxed);
    }
}

static uint32_t merge(swarm *sw, uint32_t a, uint32_t b) {
    uint32_t first = NONE32, last = NONE32;

    while (a != NONE32 || b != NONE32) {
        bool from_b = a == NONE32 || (b != NONE32 && before(sw, b, a));
        uint32_t item = from_b ? b : a;

        if (from_b) {
            b = swarm__item_next(sw, b);
        } else {
            a = swarm__item_next(sw, a);
        }
        if (last == NONE32) {
            first = item;
        } else {
            swarm__item_link(sw, last, item);
        }
        last = item;
    }
    if (last != NONE32) {
        swarm__item_link(sw, last, NONE32);
    }
    return first;
}

/* Bottom-up merge sort of a list: lists[i] holds 2^i items or none. */
static uint32_t sort(swarm *sw, uint32_t items) {
    uint32_t lists[SORT_LISTS], sorted = NONE32;

    if (items == NONE32 || swarm__item_next(sw, items) == NONE32) {
        return items; /* mostly one thing happens at a time */
    }
    for (uint32_t i = 0; i < SORT_LISTS; i++) {
        lists[i] = NONE32;
    }
    while (items != NONE32) {
        uint32_t carry = items, i = 0;

        items = swarm__item_next(sw, items);
        swarm__item_link(sw, carry, NONE32);
        for (; i < SORT_LISTS - 1 && lists[i] != NONE32; i++) {
            carry = merge(sw, lists[i], carry);
            lists[i] = NONE32;
        }
        lists[i] = lists[i] == NONE32 ? carry : merge(sw, lists[i], carry);
    }
    for (uint32_t i = 0; i < SORT_LISTS; i++) {
        sorted = lists[i] == NONE32 ? sorted : merge(sw, lists[i], sorted);
    }
    return sorted;
}

static uint32_t collect_attempts(swarm *sw, uint32_t list) {
    for (uint32_t index = mailbox_take(&sw->attempts_box); index != NONE32;
         index = mailbox_take(&sw->attempts_box)) {
        swarm__item_link(sw, index | ITEM_ATTEMPT, list);
        list = index | ITEM_ATTEMPT;
    }
    return list;
}

static uint32_t collect_pulses(swarm *sw, uint32_t list) {
    for (uint32_t index = mailbox_take(&sw->pulses_box); index != NONE32;
         index = mailbox_take(&sw->pulses_box)) {
        if (swarm__pulse_collected(sw, index)) {
            swarm__item_link(sw, index | ITEM_PULSE, list);
            list = index | ITEM_PULSE;
        }
    }
    return list;
}

static uint32_t collect_answers(swarm *sw, uint32_t list) {
    for (uint32_t index = mailbox_take(&sw->asks_box); index != NONE32;
         index = mailbox_take(&sw->asks_box)) {
        swarm__item_link(sw, index | ITEM_ANSWER, list);
        list = index | ITEM_ANSWER;
    }
    return list;
}

static uint32_t collect_commands(swarm *sw) {
    uint32_t list = NONE32;

    for (uint32_t index = mailbox_take(&sw->commands_box); index != NONE32;
         index = mailbox_take(&sw->commands_box)) {
        swarm__command_collected(sw, index);
        swarm__item_link(sw, index | ITEM_COMMAND, list);
        list = index | ITEM_COMMAND;
    }
    return list;
}

/* A slot that nobody refers to any more is recycled at once: nothing depends on when. */
uint32_t swarm__round_slots(swarm *sw, uint32_t list) {
    uint32_t what;

    for (uint32_t slot = swarm__graph_take_posted(&sw->graph, &what); slot != NONE32;
         slot = swarm__graph_take_posted(&sw->graph, &what)) {
        if (what == GRAPH_POSTED_UNUSED) {
            swarm__step_recycle(sw, slot);
            continue;
        }
        slot |= what == GRAPH_POSTED_SPOILT ? ITEM_POISONED : 0;
        swarm__item_link(sw, slot, list);
        list = slot;
    }
    return list;
}

static void round_begin(swarm *sw, uint64_t now_ns) {
    uint32_t list;

    sw->now_ns = now_ns > sw->now_ns ? now_ns : sw->now_ns;
    /* Acquire: what was posted before PENDING was set; pairs with the release of swarm__signal. The
     * flag goes down before the look, so a post that the look misses raises it again. */
    (void)ATOMIC_AND(&sw->turn, ~TURN_PENDING, acquire);
    sw->round.commands = sort(sw, collect_commands(sw));
    list = collect_answers(sw, collect_pulses(sw, collect_attempts(sw, NONE32)));
    sw->round.arrivals = sort(sw, swarm__round_slots(sw, swarm__replay_posts(sw, list)));
    sw->round.phase = ROUND_APPLY;
    sw->round.changed = false;
    sw->round.acted = false;
    sw->round.caps_seen = !sw->caps;
    sw->round.marked = false;
}

/* A worker is not in the log: that it came, and when, is. */
static void log_call(swarm *sw, uint32_t slot) {
    const struct graph *graph = &sw->graph;
    const struct scope *scope = &graph->scopes[graph->scope[slot]];
    uint64_t ordinal = swarm__graph_ordinal(graph, slot), fields[2] = {0, 0};

    if (ordinal == SWARM_NEVER) {
        fields[0] = graph->lineage[slot];
        fields[1] = scope->ordinal + 1;
    }
    swarm__log(sw, SWARM_EVENT_CALL, scope->run, ordinal, fields);
}

/* Room in the log for the effects of a call step without a plan. */
static bool call_room(swarm *sw, uint32_t slot) {
    uint32_t tracked;

    if (!graph_has(&sw->graph, slot, GRAPH_TRACKED)) {
        return true;
    }
    tracked = tracked_of(&sw->graph, slot);
    return sw->dispatch.tracked[tracked].access == NONE32 ||
           swarm__effects_room(sw, *swarm__effects_of(sw, tracked));
}

/* An attempt that was answered or reported progress, or a question that was answered; false when
 * there is no room for effects. */
static bool attempt_arrival(swarm *sw, uint32_t item) {
    uint32_t index = item & ITEM_INDEX;

    if (!is_pulse(item) && !is_answer(item) &&
        !swarm__effects_room(sw, sw->dispatch.attempts[index].effects)) {
        return false;
    }
    sw->round.arrivals = swarm__item_next(sw, item);
    if (is_pulse(item)) {
        swarm__pulse_applied(sw, index);
    } else if (is_answer(item)) {
        swarm__ask_answered(sw, index);
    } else {
        swarm__attempt_answered(sw, index);
    }
    return true;
}

/* False when the log has no room for the plan that a call step brought, or for its effects. */
static bool arrival_one(swarm *sw) {
    uint32_t item = sw->round.arrivals, slot = item & ~(ITEM_ATTEMPT | ITEM_POISONED);
    bool spoilt = (item & ITEM_ATTEMPT) == 0 && (item & ITEM_POISONED) != 0, never;
    swarm_plan *plan;

    if ((item & ITEM_ATTEMPT) != 0) {
        return attempt_arrival(sw, item);
    }
    plan = swarm__plan_of_call(sw, slot);
    if (plan != NULL && !swarm__plan_room(plan, &never) && !never) {
        return false;
    }
    if (plan == NULL && !call_room(sw, slot)) {
        return false;
    }
    sw->round.arrivals = swarm__item_next(sw, item);
    log_call(sw, slot);
    if (graph_has(&sw->graph, slot, GRAPH_AGENT)) {
        swarm__woken_push(sw, slot, spoilt);
    } else if (graph_has(&sw->graph, slot, GRAPH_TRACKED)) {
        swarm__call_returned(sw, slot, spoilt);
    } else {
        swarm__plain_returned(sw, slot);
    }
    return true;
}

static void timer_of_step(swarm *sw, uint32_t tracked) {
    struct tracked *step = &sw->dispatch.tracked[tracked];

    if (step->guard != NONE32 && swarm__guard_timer(sw, tracked)) {
        return;
    }
    if (step->state == SWARM_STEP_RUNNING) {
        swarm__attempt_give_up(sw, tracked, SWARM_E_TIMED_OUT);
        swarm__attempt_failed(sw, tracked, SWARM_OUTCOME_TIMED_OUT);
    } else if (step->state == SWARM_STEP_HELD && swarm__guard_asks(sw, step)) {
        swarm__ask_step(sw, tracked); /* a question is asked again: it has no agent to start */
    } else if (step->state == SWARM_STEP_HELD) {
        swarm__step_ready(sw, tracked);
    } else {
        SWARM_ASSERT(step->state == SWARM_STEP_READY);
        swarm__step_end(sw, tracked, SWARM_STEP_TIMED_OUT, SWARM_E_TIMED_OUT);
    }
}

/* A growing step's delay is used once: its record goes back, for `to` will be gone some day and its
 * slot another step's. A static one's is kept: the run may be started again. */
static void delay_is_over(swarm *sw, uint32_t delay) {
    struct dispatch *d = &sw->dispatch;
    uint32_t from = d->delays[delay].from, *link;

    if (graph_has(&sw->graph, d->delays[delay].to, GRAPH_STATIC)) {
        return;
    }
    if (from != NONE32 && (d->delays[delay].rules & EDGE_RULES) != 0) {
        return; /* its rules say what the input is worth */
    }
    if (from != NONE32) { /* and not let go of meanwhile */
        link = &d->tracked[tracked_of(&sw->graph, from)].delays_first;
        while (*link != delay) {
            link = &d->delays[*link].next;
        }
        *link = d->delays[delay].next;
    }
    pool_push(&d->delays_pool, delay);
}

static void timer_of_edge(swarm *sw, uint32_t delay) {
    uint32_t to = sw->dispatch.delays[delay].to;

    delay_is_over(sw, delay);
    swarm__edge_arrived(sw, to, EDGE_OK);
}

/* An edge of this run whose delay is under way; NONE32: none. */
static uint32_t delay_under_way(const swarm *sw, uint32_t run) {
    const struct dispatch *d = &sw->dispatch;
    uint32_t first = timer_of_delay(d, 0), last = first + sw->config.delays_max;

    for (uint32_t at = d->timers; at != NONE32; at = heap_walk(d->timer_nodes, d->timers, at)) {
        if (at >= first && at < last &&
            d->tracked[tracked_of(&sw->graph, d->delays[at - first].to)].run == run) {
            return at - first;
        }
    }
    return NONE32;
}

/* A join that went on does not wait for its last edges, nor does the run's end for their delays:
 * they pass now, before the slots are another's. */
void swarm__delays_pass(swarm *sw, uint32_t run) {
    uint32_t delay = delay_under_way(sw, run);

    SWARM_ASSERT(sw->dispatch.runs[run].ended);
    for (; delay != NONE32; delay = delay_under_way(sw, run)) {
        timer_disarm(&sw->dispatch, timer_of_delay(&sw->dispatch, delay));
        timer_of_edge(sw, delay);
    }
}

/* Of an attempt in flight: it is watched. Of one that was given up: its grace. */
static void timer_of_try(swarm *sw, uint32_t attempt) {
    if (sw->dispatch.attempts[attempt].tracked != NONE32) {
        swarm__watch_timer(sw, attempt);
    } else {
        swarm__attempt_grace_over(sw, attempt);
    }
}

static void timer_one(swarm *sw) {
    struct dispatch *d = &sw->dispatch;
    uint32_t timer = heap_pop(d->timer_nodes, &d->timers);

    if (timer < timer_of_attempt(d, 0)) {
        timer_of_step(sw, timer);
    } else if (timer < timer_of_delay(d, 0)) {
        timer_of_try(sw, timer - timer_of_attempt(d, 0));
    } else if (timer < timer_of_backend(d, 0)) {
        timer_of_edge(sw, timer - timer_of_delay(d, 0));
    } else if (timer == timer_of_breakers(d)) {
        swarm__breaker_agents_due(sw);
    } else if (timer >= timer_of_permit(d, 0)) {
        swarm__gate_timer(sw, timer - timer_of_permit(d, 0));
    } else {
        d->backends[timer - timer_of_backend(d, 0)].held_until = 0;
        swarm__breaker_backend_due(sw, timer - timer_of_backend(d, 0));
        swarm__demand_wake(d, WAIT_BACKEND);
        swarm__demand_wake(d, WAIT_AGENT);
    }
}

static bool timer_is_due(const swarm *sw) {
    uint32_t top = heap_top(sw->dispatch.timer_nodes, &sw->dispatch.timers);

    return top != NONE32 && sw->dispatch.timer_nodes[top].first <= sw->now_ns;
}

/* The waiting list for what the head of the demand lacks, or NONE32. */
static uint32_t lacking(swarm *sw, uint32_t demand, uint32_t run) {
    struct dispatch *d = &sw->dispatch;

    if (d->runs[run].inflight >= d->runs[run].inflight_max) {
        return wait_of_run(d, run);
    }
    if (d->attempts_free.used == d->attempts_free.capacity) {
        return WAIT_ATTEMPT;
    }
    return d->demands[demand].needs_count == 0 ? NONE32 : swarm__gate_lacking(sw, demand);
}

/* A demand for which no agent can be picked now waits for what it lacks. */
void swarm__set_aside(swarm *sw, uint32_t demand, uint32_t why) {
    struct dispatch *d = &sw->dispatch;
    uint32_t pinned = d->demands[demand].agent;

    SWARM_ASSERT(why == PICK_BUSY || why == PICK_HELD);
    if (why == PICK_HELD) {
        swarm__demand_wait(d, demand, WAIT_BACKEND);
    } else {
        swarm__demand_wait(d, demand, pinned == NONE32 ? WAIT_AGENT : wait_of_agent(d, pinned));
    }
}

/* A drain is in the log where it first keeps a step from being started. */
static void drain_log(swarm *sw, bool matters) {
    uint64_t drain = SWARM_COMMAND_DRAIN;

    if (sw->draining && matters && !sw->drain_logged) {
        sw->drain_logged = true;
        swarm__log(sw, SWARM_EVENT_COMMAND, NONE32, SWARM_NEVER, &drain);
    }
}

/* Starts the next ready step, or sets aside a demand that cannot start. False when none is left. */
static bool dispatch_one(swarm *sw) {
    struct dispatch *d = &sw->dispatch;
    uint32_t demand = swarm__demand_next(d), head, list, agent, why;
    int64_t score = 0;

    if (demand == NONE32 || sw->draining) {
        drain_log(sw, demand != NONE32);
        return false;
    }
    head = d->demands[demand].ready;
    list = lacking(sw, demand, d->tracked[head].run);
    if (list != NONE32) {
        swarm__demand_wait(d, demand, list);
        return true;
    }
    agent = d->tracked[head].guard != NONE32 ? swarm__rival_pick(sw, head, &score, &why)
            : d->runs[d->tracked[head].run].order == SWARM_ORDER_SLACK
                ? swarm__slack_pick(sw, head, &score, &why)
                : swarm__gate_pick(sw, demand, swarm__demand_profiles(d, demand), &score, &why);
    if (agent != NONE32 && d->runs[d->tracked[head].run].order == SWARM_ORDER_PREFIX) {
        agent = swarm__agent_prefer(d, demand, d->tracked[head].order_key, agent, &score);
    }
    if (agent == NONE32 && why != PICK_NOBODY) {
        if (why != PICK_HELD || d->quotas == 0 || !swarm__recovery_leaves(sw, head)) {
            swarm__set_aside(sw, demand, why);
        }
    } else if (agent == NONE32) {
        swarm__start_refused(sw, head, SWARM_STEP_FAILED, SWARM_E_NO_AGENT);
    } else if (d->runs[d->tracked[head].run].report.attempts >=
               d->runs[d->tracked[head].run].attempts_max) {
        swarm__start_refused(sw, head, SWARM_STEP_FAILED, SWARM_E_LIMIT);
    } else if (d->demands[demand].charge == NONE32 ||
               swarm__charge_admit(sw, head, &agent, &score)) {
        swarm__attempt_start(sw, head, agent, score);
    }
    return true;
}

/* Whether something will be applied, or started: then what was set up since the last round goes
 * into the log before it. */
static bool has_work(const swarm *sw) {
    const struct round *round = &sw->round;

    return round->rivals != NONE32 || round->woken_first != NONE32 || round->arrivals != NONE32 ||
           round->sweep != NONE32 || round->commands != NONE32 || timer_is_due(sw) ||
           swarm__deadlock_due(sw) ||
           (!sw->draining && swarm__demand_next(&sw->dispatch) != NONE32);
}

enum { DONE, NO_ROOM, THROUGH };

/* One operation, in the order of the kinds. */
static int operation(swarm *sw) {
    struct round *round = &sw->round;

    if (!sw->log.replaying && has_work(sw) && swarm__setup_log(sw)) {
        return DONE;
    }
    if (round->rivals != NONE32) {
        swarm__rival_one(sw);
    } else if (round->woken_first != NONE32) {
        swarm__woken_one(sw);
    } else if (round->arrivals != NONE32) {
        if (!arrival_one(sw)) {
            return NO_ROOM;
        }
    } else if (round->sweep != NONE32) {
        swarm__sweep_one(sw);
    } else if (round->losers_first != NONE32) {
        swarm__loser_one(sw);
    } else if (timer_is_due(sw)) {
        timer_one(sw);
    } else if (round->commands != NONE32) {
        swarm__command_one(sw);
    } else if (swarm__deadlock_due(sw) && swarm__deadlock_one(sw)) {
        /* the circle is told, or broken */
    } else if ((!sw->log.replaying && (swarm__caps_look(sw) || swarm__scopes_collect(sw))) ||
               dispatch_one(sw)) {
        round->changed = true;
        return DONE;
    } else {
        return THROUGH;
    }
    round->changed = true;
    round->acted = true;
    sw->dispatch.waits.due = true;
    return DONE;
}

bool swarm__round_operation(swarm *sw) {
    return operation(sw) == DONE;
}

bool swarm__round_before_commands(const swarm *sw) {
    const struct round *round = &sw->round;

    return round->woken_first != NONE32 || round->sweep != NONE32 ||
           round->losers_first != NONE32 || timer_is_due(sw);
}

void swarm__round_commands(swarm *sw) {
    SWARM_ASSERT(sw->round.commands == NONE32);
    sw->round.commands = sort(sw, collect_commands(sw));
}

/* A round that changed something is in the log, also when no event says what: a resume goes through
 * the same rounds. */
static void round_through(swarm *sw) {
    if (sw->round.acted && sw->log.enabled) {
        swarm__log_round(sw);
    }
    sw->round.phase = ROUND_CLOSE;
}

static void round_end(swarm *sw) {
    struct gauges *g = &sw->gauges;

    sw->round.phase = ROUND_IDLE;
    sw->round.number++;
    /* Relaxed: gauges for any thread, each for itself. */
    ATOMIC_STORE(&g->now_ns, sw->now_ns, relaxed);
    ATOMIC_STORE(&g->rounds, sw->round.number, relaxed);
    ATOMIC_STORE(&g->open, sw->runs_open, relaxed);
    ATOMIC_STORE(&g->ready, sw->dispatch.ready_count, relaxed);
    ATOMIC_STORE(&g->inflight, attempts_open(&sw->dispatch), relaxed);
    ATOMIC_STORE(&g->started, sw->started, relaxed);
    ATOMIC_STORE(&g->events, sw->log.events, relaxed);
    ATOMIC_STORE(&g->log_pending, sw->log.pending, relaxed);
#if defined(SWARM_ASSERTS)
    swarm__invariant(sw);
#endif
}

swarm_status swarm_advance(swarm *sw, uint64_t now_ns, bool *out_changed) {
    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    if (sw->round.phase == ROUND_IDLE) {
        round_begin(sw, now_ns);
    }
    while (sw->round.phase == ROUND_APPLY) {
        int what =
            swarm__log_reserve(&sw->log, sw->now_ns, round_events(sw)) ? operation(sw) : NO_ROOM;

        if (what == NO_ROOM) {
            return SWARM_E_AGAIN;
        }
        if (what == THROUGH) {
            round_through(sw);
        }
    }
    if (!swarm__log_close(&sw->log)) {
        return SWARM_E_AGAIN;
    }
    if (out_changed != NULL) {
        *out_changed = sw->round.changed;
    }
    round_end(sw);
    return SWARM_OK;
}

bool swarm__round_pending(const swarm *sw) {
    /* Acquire: pairs with the release of swarm__signal, so that what was posted is found. */
    return (ATOMIC_LOAD(&sw->turn, acquire) & TURN_PENDING) != 0 || sw->round.phase != ROUND_IDLE ||
           sw->round.woken_first != NONE32 || sw->round.runs_quiet || swarm__deadlock_due(sw) ||
           (!sw->draining && swarm__demand_next(&sw->dispatch) != NONE32);
}

uint64_t swarm_next_deadline(swarm *sw) {
    uint32_t top;

    if (!swarm__owned(sw)) {
        return SWARM_NEVER;
    }
    if (swarm__round_pending(sw)) {
        return 0;
    }
    top = heap_top(sw->dispatch.timer_nodes, &sw->dispatch.timers);
    return top == NONE32 ? SWARM_NEVER : sw->dispatch.timer_nodes[top].first;
}
