/* SPDX-License-Identifier: MIT */
/*
 * trace.c - one pass over a log: events into arrays.
 *
 * The pass runs twice with the same code, as a layout does: first it only counts, then it fills.
 * A log is foreign bytes. Whatever an event refers to is looked up; what is not there makes the log
 * CORRUPT, and searches are bounded (OPEN_MAX), so that no log costs more than in proportion.
 */
#include <string.h>

#include "../base/hash.h"
#include "trace.h"

#define OPEN_MAX 256u /* attempts of one step without an answer */
/* Indices are 32 bits and sums of two of them must be, too. */
#define ROOM_MAX (UINT32_MAX / 4)

/* ---- counting */

/* Decisions to show at their time: what detectors, joins, budgets and cancels did. */
static bool is_note(uint32_t kind) {
    switch (kind) {
    case SWARM_EVENT_HOLD:
    case SWARM_EVENT_CANCEL:
    case SWARM_EVENT_JOIN:
    case SWARM_EVENT_DETECT:
    case SWARM_EVENT_LACK:
        return true;
    default:
        return false;
    }
}

/* What an event will need when it is filled in. Must count at least what on_event appends: the fill
 * trusts it. */
static void count_event(struct trace_counts *counts, const swarm_event *event) {
    switch (event->kind) {
    case SWARM_EVENT_PLAN:
        counts->plans++;
        break;
    case SWARM_EVENT_STEP:
        counts->steps++;
        counts->edges++; /* from the step that added it */
        break;
    case SWARM_EVENT_EDGE:
        counts->edges++;
        break;
    case SWARM_EVENT_START:
        counts->attempts++;
        break;
    case SWARM_EVENT_DONE:
    case SWARM_EVENT_FENCED:
        counts->money++;
        break;
    case SWARM_EVENT_BUDGET:
        counts->budgets++;
        break;
    case SWARM_EVENT_RESERVE:
    case SWARM_EVENT_SETTLE:
        counts->money++;
        break;
    case SWARM_EVENT_SETUP:
        counts->crews++;
        break;
    default:
        counts->notes += is_note(event->kind);
        break;
    }
}

/* Whether the run that is read sees it: its own events, and those of the swarm as a whole. */
static bool is_ours(const swarm_trace_spec *spec, const swarm_event *event) {
    uint64_t run = spec->run == 0 ? 1 : spec->run;

    return event->run == run || event->run == 0;
}

/* The first pass. A log that is cut is told as far as it goes; any other fault is the caller's to
 * know. */
static swarm_status count_all(const swarm_trace_spec *spec, struct trace_counts *counts) {
    swarm_log_cursor cursor = {0};
    swarm_event event;
    swarm_status status = swarm_event_next(spec->log, spec->log_size, &cursor, &event);
    bool found = false;

    memset(counts, 0, sizeof *counts);
    for (; status == SWARM_OK;
         status = swarm_event_next(spec->log, spec->log_size, &cursor, &event)) {
        found = found || (is_ours(spec, &event) && event.run != 0);
        if (is_ours(spec, &event)) {
            count_event(counts, &event);
        }
    }
    if (status != SWARM_E_MISSING && status != SWARM_E_AGAIN) {
        return status;
    }
    if (counts->steps > ROOM_MAX || counts->edges > ROOM_MAX || counts->attempts > ROOM_MAX ||
        counts->notes > ROOM_MAX || counts->money > ROOM_MAX || counts->plans > ROOM_MAX ||
        counts->budgets > ROOM_MAX || counts->crews > ROOM_MAX) {
        return SWARM_E_TOO_BIG;
    }
    return found ? SWARM_OK : SWARM_E_MISSING;
}

/* ---- memory */

#define TRACE_TAKE(arena, count, type) arena_take(arena, count, sizeof(type), sizeof(uint64_t))

/* All arrays at their largest, in the order of the counts. Must not look at anything but the
 * counts: it runs once to measure and once to carve. */
static void trace_layout(swarm_trace *trace, struct arena *arena,
                         const struct trace_counts *counts) {
    uint64_t scratch = 2 * counts->steps;

    scratch = scratch > counts->attempts ? scratch : counts->attempts;
    trace->room = *counts;
    trace->steps = TRACE_TAKE(arena, counts->steps, struct trace_step);
    trace->edges = TRACE_TAKE(arena, counts->edges, struct trace_edge);
    trace->unsorted = TRACE_TAKE(arena, counts->edges, struct trace_edge);
    trace->attempts = TRACE_TAKE(arena, counts->attempts, struct trace_attempt);
    trace->plans = TRACE_TAKE(arena, counts->plans, struct trace_plan);
    trace->agents = TRACE_TAKE(arena, counts->attempts, struct trace_agent);
    trace->notes = TRACE_TAKE(arena, counts->notes, struct trace_note);
    trace->money = TRACE_TAKE(arena, counts->money, struct trace_money);
    trace->budgets = TRACE_TAKE(arena, counts->budgets, struct trace_budget);
    trace->crews = TRACE_TAKE(arena, counts->crews, struct trace_crew);
    trace->waits = TRACE_TAKE(arena, 2 * counts->attempts, uint64_t);
    trace->out = TRACE_TAKE(arena, counts->edges, uint32_t);
    trace->order = TRACE_TAKE(arena, counts->steps, uint32_t);
    trace->chain = TRACE_TAKE(arena, counts->steps, uint32_t);
    trace->scratch = TRACE_TAKE(arena, scratch, uint32_t);
}

/* ---- steps, plans, edges */

uint32_t swarm__trace_find(const swarm_trace *trace, uint64_t ordinal) {
    uint32_t low = 0, high = trace->step_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (trace->steps[middle].ordinal < ordinal) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < trace->step_count && trace->steps[low].ordinal == ordinal ? low : NONE32;
}

/* What a new RUN_OPEN leaves behind: a run that is played again begins anew. */
static void on_run_open(swarm_trace *trace, const swarm_event *event) {
    trace->key = event->field[0];
    trace->seed = event->field[1];
    trace->step_count = 0;
    trace->edge_count = 0;
    trace->attempt_count = 0;
    trace->plan_count = 0;
    trace->note_count = 0;
    trace->money_count = 0;
    trace->ends = 0;
    trace->ended = false;
}

/* PLAN: what follows are its steps and edges, until the next one. */
static bool on_plan(swarm_trace *trace, const swarm_event *event) {
    struct trace_plan *plan = &trace->plans[trace->plan_count];

    SWARM_ASSERT(trace->plan_count < trace->room.plans);
    if (trace->plan_count == 0) {
        trace->start_ns = event->now_ns;
        trace->end_ns = event->now_ns;
    }
    *plan = (struct trace_plan){.now_ns = event->now_ns,
                                .version = event->field[0],
                                .first = event->field[1],
                                .count = event->field[2],
                                .step_first = trace->step_count,
                                .creator = NONE32,
                                .turn = NONE32};
    if (event->field[5] != 0) { /* a plain call step may have no events of its own */
        plan->creator = swarm__trace_find(trace, event->field[5] - 1);
    }
    trace->plan_count++;
    return true;
}

/* STEP: ordinals must rise, for steps are found by bisection; a log where they do not is not
 * ours. */
static bool on_step(swarm_trace *trace, const swarm_event *event) {
    uint32_t index = trace->step_count;
    struct trace_step *step = &trace->steps[index];

    SWARM_ASSERT(index < trace->room.steps);
    if (trace->plan_count == 0 || event->step == SWARM_NEVER ||
        (index != 0 && trace->steps[index - 1].ordinal >= event->step)) {
        return false;
    }
    memset(step, 0, sizeof *step);
    step->ordinal = event->step;
    step->is_call = event->field[0] != 0;
    step->argument = event->field[2];
    step->key = event->field[3];
    step->added_ns = event->now_ns;
    step->released_ns = SWARM_NEVER;
    step->plan = trace->plan_count - 1;
    step->last = NONE32;
    step->open = NONE32;
    step->winner = NONE32;
    step->cause = NONE32;
    step->ends_as = NONE32;
    trace->step_count++;
    trace->plans[step->plan].step_count++;
    if (trace->plans[step->plan].creator != NONE32) {
        trace->unsorted[trace->edge_count++] = (struct trace_edge){
            .from = trace->plans[step->plan].creator, .to = index, .kind = TRACE_SPAWN};
    }
    return true;
}

/* Index of the step that an edge comes from: one of the plan at hand may stand behind its
 * successor, and has its place already; an older one may be a plain call step, without events:
 * NONE32. */
static uint32_t edge_source(const swarm_trace *trace, uint64_t ordinal) {
    const struct trace_plan *plan = &trace->plans[trace->plan_count - 1];

    SWARM_ASSERT(trace->plan_count != 0);
    if (ordinal < plan->first || ordinal - plan->first >= plan->count) {
        return swarm__trace_find(trace, ordinal);
    }
    return ordinal - plan->first < ROOM_MAX - plan->step_first
               ? plan->step_first + (uint32_t)(ordinal - plan->first)
               : NONE32;
}

/* EDGE: its end is a step that has been told, its beginning may come later in the same plan. */
static bool on_edge(swarm_trace *trace, const swarm_event *event) {
    struct trace_edge edge = {.to = swarm__trace_find(trace, event->step)};

    SWARM_ASSERT(trace->edge_count < trace->room.edges);
    if (edge.to == NONE32) {
        return false; /* also before the first plan */
    }
    edge.from = edge_source(trace, event->field[0]);
    edge.delay_ns = event->field[1] == 0 ? 0 : event->field[1] - 1;
    if (edge.from != NONE32) {
        trace->unsorted[trace->edge_count++] = edge;
    }
    return true;
}

/* Follows its edge. */
static void on_edge_rule(swarm_trace *trace, const swarm_event *event) {
    struct trace_edge *edge;

    if (trace->edge_count == 0) {
        return;
    }
    edge = &trace->unsorted[trace->edge_count - 1];
    if (edge->kind != TRACE_SPAWN && edge->to == swarm__trace_find(trace, event->step) &&
        edge->from == edge_source(trace, event->field[0])) {
        edge->kind = (uint32_t)event->field[1] & 3;
    }
}

/* What edges name is there, now that all of it has been read. */
static bool edges_are_whole(const swarm_trace *trace) {
    for (uint32_t i = 0; i < trace->edge_count; i++) {
        if (trace->unsorted[i].from >= trace->step_count ||
            trace->unsorted[i].from == trace->unsorted[i].to) {
            return false;
        }
    }
    return true;
}

/* ---- attempts */

/* A new point of the curves: something was reserved (1), given back (-1) or paid (0). */
static void money_enter(swarm_trace *trace, uint64_t now_ns, int64_t what, uint64_t nano) {
    struct trace_money point = {.now_ns = now_ns};

    SWARM_ASSERT(trace->money_count < trace->room.money);
    SWARM_ASSERT(what >= -1 && what <= 1);
    if (trace->money_count != 0) {
        point = trace->money[trace->money_count - 1];
    }
    point.now_ns = now_ns;
    if (what > 0) {
        point.reserved_nano = saturating_add64(point.reserved_nano, nano);
    } else if (what < 0) {
        point.reserved_nano -= nano < point.reserved_nano ? nano : point.reserved_nano;
    } else {
        point.spent_nano = saturating_add64(point.spent_nano, nano);
    }
    trace->money[trace->money_count++] = point;
}

/* Also a step of no events may become ready: a plain call step. */
static void on_ready(struct trace_step *step, const swarm_trace *trace, uint64_t now_ns) {
    if (step->attempts == 0) {
        step->released_ns = now_ns < step->released_ns ? now_ns : step->released_ns;
    } else {
        uint64_t end_ns = trace->attempts[step->last].end_ns; /* 0 while it runs */

        step->backoff_ns = saturating_add64(step->backoff_ns, end_ns == 0 ? 0 : now_ns - end_ns);
    }
    step->ready_ns = now_ns;
}

/* START: an attempt opens at the front of its step's list of open ones, where hedges are few. */
static bool on_start(swarm_trace *trace, const swarm_event *event) {
    uint32_t index = swarm__trace_find(trace, event->step), number = trace->attempt_count;
    struct trace_attempt *attempt = &trace->attempts[number];
    struct trace_step *step;

    SWARM_ASSERT(number < trace->room.attempts);
    if (index == NONE32 || event->field[2] == 0 || event->field[2] > UINT32_MAX) {
        return false;
    }
    step = &trace->steps[index];
    *attempt = (struct trace_attempt){.ready_ns = step->ready_ns,
                                      .start_ns = event->now_ns,
                                      .number = event->field[0],
                                      .epoch = event->field[1],
                                      .step = index,
                                      .agent = (uint32_t)event->field[2],
                                      .previous = step->last,
                                      .next_open = step->open};
    step->queued_ns = saturating_add64(step->queued_ns, event->now_ns - step->ready_ns);
    step->attempts++;
    step->last = number;
    step->open = number;
    trace->attempt_count++;
    return true;
}

/* The open attempt of the event's step with its number and epoch, or NONE32. */
static uint32_t attempt_find(const swarm_trace *trace, const swarm_event *event,
                             uint32_t *out_before) {
    uint32_t index = swarm__trace_find(trace, event->step);
    uint32_t at = index == NONE32 ? NONE32 : trace->steps[index].open;

    *out_before = NONE32;
    for (uint32_t i = 0; i < OPEN_MAX && at != NONE32; i++) {
        if (trace->attempts[at].number == event->field[0] &&
            trace->attempts[at].epoch == event->field[1]) {
            return at;
        }
        *out_before = at;
        at = trace->attempts[at].next_open;
    }
    return NONE32;
}

/* Ran to an end: it says something about the work, and was not sent away or called off. */
static bool outcome_counts(uint64_t outcome) {
    return outcome != SWARM_OUTCOME_THROTTLED && outcome != SWARM_OUTCOME_REFUSED &&
           outcome != SWARM_OUTCOME_CANCELLED;
}

/* DONE and FENCED: the agent is free again, and the bill is there. */
static bool on_answer(swarm_trace *trace, const swarm_event *event) {
    uint32_t before, at = attempt_find(trace, event, &before);
    struct trace_attempt *attempt;

    if (at == NONE32) {
        return false;
    }
    attempt = &trace->attempts[at];
    SWARM_ASSERT(attempt->step < trace->step_count);
    if (before == NONE32) {
        trace->steps[attempt->step].open = attempt->next_open;
    } else {
        trace->attempts[before].next_open = attempt->next_open;
    }
    attempt->freed_ns = event->now_ns;
    attempt->usage =
        (swarm_usage){event->field[3], event->field[4], event->field[5], event->field[6]};
    if (attempt->state == ATTEMPT_RUNNING) {
        attempt->state = ATTEMPT_DONE;
        attempt->outcome = (uint32_t)event->field[2];
        attempt->end_ns = event->now_ns;
        attempt->counts = event->kind == SWARM_EVENT_DONE && outcome_counts(event->field[2]);
    }
    money_enter(trace, event->now_ns, 0, event->field[6]);
    return true;
}

/* GIVE_UP: superseded, but its agent works on until it answers, so it stays in the open list. */
static bool on_give_up(swarm_trace *trace, const swarm_event *event) {
    uint32_t before, at = attempt_find(trace, event, &before);
    struct trace_attempt *attempt;

    if (at == NONE32 || trace->attempts[at].state != ATTEMPT_RUNNING) {
        return false;
    }
    attempt = &trace->attempts[at];
    attempt->state = ATTEMPT_GIVEN_UP;
    attempt->end_ns = event->now_ns;
    attempt->reason = event->field[2] > INT32_MAX ? 0 : (uint32_t)event->field[2];
    /* 0: a cancel; and one that nobody had taken yet did not run. */
    attempt->counts = attempt->reason != 0 && event->field[3] != 0;
    attempt->outcome = attempt->counts ? SWARM_OUTCOME_TIMED_OUT : SWARM_OUTCOME_CANCELLED;
    return true;
}

/* Which attempt won: the last that was answered OK. Earlier ones with OK were votes that lost. */
static void find_winner(swarm_trace *trace, struct trace_step *step) {
    SWARM_ASSERT(step->winner == NONE32);
    for (uint32_t at = step->last; at != NONE32; at = trace->attempts[at].previous) {
        struct trace_attempt *attempt = &trace->attempts[at];
        bool ok = attempt->state == ATTEMPT_DONE && attempt->outcome == SWARM_OUTCOME_OK;

        attempt->wins = ok && step->winner == NONE32;
        attempt->counts = attempt->counts && (!ok || attempt->wins || attempt->again);
        step->winner = attempt->wins ? at : step->winner;
        if (attempt->counts) {
            step->weight_steps++;
            step->running_ns =
                saturating_add64(step->running_ns, attempt->end_ns - attempt->start_ns);
        }
    }
}

/* A loop goes on: what went well so far was an iteration, and no vote that lost. */
static void on_loop(swarm_trace *trace, const swarm_event *event) {
    uint32_t index = swarm__trace_find(trace, event->step);

    if (index != NONE32 && event->field[0] == 1 && trace->steps[index].last != NONE32) {
        trace->attempts[trace->steps[index].last].again = true;
    }
}

/* END: the verdict on a step, once. Its attempts are weighed now, for no more will count. */
static bool on_end(swarm_trace *trace, const swarm_event *event) {
    uint32_t index = swarm__trace_find(trace, event->step);
    struct trace_step *step;

    if (index == NONE32) {
        return true; /* of a plan of plain call steps */
    }
    step = &trace->steps[index];
    if (step->state >= SWARM_STEP_OK || event->field[0] < SWARM_STEP_OK ||
        event->field[0] > UINT32_MAX) {
        return false; /* once, and terminal */
    }
    step->state = (uint32_t)event->field[0];
    step->end_ns = event->now_ns;
    step->ended = ++trace->ends;
    if (step->state == SWARM_STEP_OK) {
        step->executed = true;
        find_winner(trace, step);
    }
    trace->end_ns = event->now_ns;
    return true;
}

/* ---- the rest */

/* Anything else to show at its time. A join that went on was released then, and not by its last
 * edge. */
static void on_note(swarm_trace *trace, const swarm_event *event) {
    struct trace_note note = {.now_ns = event->now_ns, .kind = event->kind, .step = NONE32};

    SWARM_ASSERT(trace->note_count < trace->room.notes);
    if (event->step != SWARM_NEVER) {
        note.step = swarm__trace_find(trace, event->step);
    }
    if (note.step != NONE32 && event->kind == SWARM_EVENT_JOIN && event->field[0] == 1) {
        trace->steps[note.step].released_ns = event->now_ns;
    }
    memcpy(note.field, event->field, sizeof note.field);
    trace->notes[trace->note_count++] = note;
}

/* Numbered from 1 as they are added; one that is above another comes before it. */
static bool on_budget(swarm_trace *trace, const swarm_event *event) {
    struct trace_budget *budget = &trace->budgets[trace->budget_count];

    SWARM_ASSERT(trace->budget_count < trace->room.budgets);
    if (event->field[0] != trace->budget_count + UINT64_C(1) ||
        event->field[2] > trace->budget_count) {
        return false;
    }
    memset(budget, 0, sizeof *budget);
    budget->limit = (swarm_usage){SWARM_NEVER, SWARM_NEVER, SWARM_NEVER, SWARM_NEVER};
    budget->above = event->field[2] == 0 ? NONE32 : (uint32_t)event->field[2] - 1;
    trace->budget_count++;
    return true;
}

/* In the order of the dimensions: steps, input, cached, output, cost, time. */
static bool on_budget_limit(swarm_trace *trace, const swarm_event *event) {
    if (event->field[0] == 0 || event->field[0] > trace->budget_count) {
        return false;
    }
    trace->budgets[event->field[0] - 1].limit =
        (swarm_usage){event->field[2], event->field[3], event->field[4], event->field[5]};
    return true;
}

static void usage_add(swarm_usage *sum, const uint64_t *fields) {
    sum->input_tokens = saturating_add64(sum->input_tokens, fields[0]);
    sum->cached_tokens = saturating_add64(sum->cached_tokens, fields[1]);
    sum->output_tokens = saturating_add64(sum->output_tokens, fields[2]);
    sum->cost_nano = saturating_add64(sum->cost_nano, fields[3]);
}

/* RESERVE and SETTLE: of a budget and of all above it. A SETTLE gives back what the step's latest
 * attempt had reserved. */
static bool on_charge(swarm_trace *trace, const swarm_event *event) {
    uint32_t index = swarm__trace_find(trace, event->step), at;
    bool reserves = event->kind == SWARM_EVENT_RESERVE;
    uint64_t held;

    if (event->field[1] == 0 || event->field[1] > trace->budget_count || index == NONE32) {
        return false;
    }
    if (reserves) {
        trace->steps[index].reserved_nano = event->field[6];
    }
    held = trace->steps[index].reserved_nano;
    for (at = (uint32_t)event->field[1] - 1; at != NONE32; at = trace->budgets[at].above) {
        struct trace_budget *budget = &trace->budgets[at];

        if (reserves) {
            budget->reserved_nano = saturating_add64(budget->reserved_nano, held);
        } else {
            budget->reserved_nano -= held < budget->reserved_nano ? held : budget->reserved_nano;
            usage_add(&budget->spent, event->field + 3);
        }
    }
    trace->steps[index].reserved_nano = reserves ? held : 0;
    money_enter(trace, event->now_ns, reserves ? (int64_t)1 : -1, held);
    return true;
}

/* Agents join in the order of their ids. */
static bool on_setup(swarm_trace *trace, const swarm_event *event) {
    struct trace_crew *crew = &trace->crews[trace->crew_count];

    SWARM_ASSERT(trace->crew_count < trace->room.crews);
    if (event->field[0] != 3) { /* something else than agents */
        return true;
    }
    *crew = (struct trace_crew){event->field[1], event->field[3], event->field[2]};
    trace->crew_count++;
    return crew->first != 0 && crew->first <= UINT32_MAX && crew->count != 0 &&
           crew->count <= UINT32_MAX &&
           (crew == trace->crews || crew[-1].first + crew[-1].count <= crew->first);
}

/* Events of the plan: steps and edges. */
static bool on_graph_event(swarm_trace *trace, const swarm_event *event) {
    switch (event->kind) {
    case SWARM_EVENT_RUN_OPEN:
        on_run_open(trace, event);
        return true;
    case SWARM_EVENT_PLAN:
        return on_plan(trace, event);
    case SWARM_EVENT_STEP:
        return on_step(trace, event);
    case SWARM_EVENT_EDGE:
        return on_edge(trace, event);
    case SWARM_EVENT_EDGE_RULE:
        on_edge_rule(trace, event);
        return true;
    default:
        if (is_note(event->kind)) {
            on_note(trace, event);
        }
        return true;
    }
}

/* One event. False: it refers to something that is not there, or comes twice: CORRUPT. */
static bool on_event(swarm_trace *trace, const swarm_event *event) {
    uint32_t index;

    switch (event->kind) {
    case SWARM_EVENT_READY:
        index = swarm__trace_find(trace, event->step);
        if (index != NONE32) {
            on_ready(&trace->steps[index], trace, event->now_ns);
        }
        return true;
    case SWARM_EVENT_START:
        return on_start(trace, event);
    case SWARM_EVENT_DONE:
    case SWARM_EVENT_FENCED:
        return on_answer(trace, event);
    case SWARM_EVENT_GIVE_UP:
        return on_give_up(trace, event);
    case SWARM_EVENT_END:
        return on_end(trace, event);
    case SWARM_EVENT_BUDGET:
        return on_budget(trace, event);
    case SWARM_EVENT_BUDGET_LIMIT:
        return on_budget_limit(trace, event);
    case SWARM_EVENT_RESERVE:
    case SWARM_EVENT_SETTLE:
        return on_charge(trace, event);
    case SWARM_EVENT_LOOP:
        on_loop(trace, event);
        return true;
    case SWARM_EVENT_SETUP:
        return on_setup(trace, event);
    case SWARM_EVENT_RUN_END:
        trace->ended = true;
        return true;
    default:
        return on_graph_event(trace, event);
    }
}

/* ---- a trace */

/* An attempt without an answer goes on to the end of the log; a plain call step whose end is not
 * logged went well if its run has ended. */
static void close_open_ends(swarm_trace *trace, uint64_t now_ns) {
    for (uint32_t i = 0; i < trace->attempt_count; i++) {
        struct trace_attempt *attempt = &trace->attempts[i];

        attempt->end_ns = attempt->state == ATTEMPT_RUNNING ? now_ns : attempt->end_ns;
        attempt->freed_ns = attempt->freed_ns == 0 ? now_ns : attempt->freed_ns;
    }
    for (uint32_t i = 0; i < trace->step_count; i++) {
        struct trace_step *step = &trace->steps[i];

        if (step->is_call && step->state < SWARM_STEP_OK && trace->ended) {
            step->state = SWARM_STEP_OK;
            step->executed = true;
            step->end_ns = step->ready_ns;
        }
        if (step->released_ns == SWARM_NEVER && step->state >= SWARM_STEP_OK) {
            step->released_ns = step->end_ns; /* a call step: it took no time */
        }
    }
    trace->end_ns = trace->ended || now_ns < trace->end_ns ? trace->end_ns : now_ns;
}

/* Ids of spans must differ between runs and be the same for the same run, without a source of
 * chance: they derive from this. */
static uint64_t digest_event(uint64_t digest, const swarm_event *event) {
    digest = hash_mix64(digest, event->kind);
    digest = hash_mix64(digest, event->now_ns);
    digest = hash_mix64(digest, event->step);
    for (uint32_t i = 0; i < event->fields && i < 8; i++) {
        digest = hash_mix64(digest, event->field[i]);
    }
    return digest;
}

/* The second pass. The first found the log good, so reading ends only at its end. */
static swarm_status trace_fill(swarm_trace *trace, const swarm_trace_spec *spec) {
    swarm_log_cursor cursor = {0};
    swarm_event event;
    uint64_t now_ns = 0;

    while (swarm_event_next(spec->log, spec->log_size, &cursor, &event) == SWARM_OK) {
        if (is_ours(spec, &event)) {
            trace->events++;
            trace->digest = digest_event(trace->digest, &event);
            now_ns = event.now_ns < now_ns ? now_ns : event.now_ns;
            event.now_ns = now_ns; /* a log whose time runs back is not believed */
            if (!on_event(trace, &event)) {
                return SWARM_E_CORRUPT;
            }
        }
    }
    if (!edges_are_whole(trace)) {
        return SWARM_E_CORRUPT;
    }
    close_open_ends(trace, now_ns);
    swarm__trace_agents(trace);
    return SWARM_OK;
}

static bool spec_is_good(const swarm_trace_spec *spec) {
    return spec != NULL && (spec->log != NULL || spec->log_size == 0) &&
           (spec->results != NULL || spec->results_count == 0);
}

/* Counts and lays out; the trace itself lies at the beginning of its block. */
static swarm_status trace_measure(const swarm_trace_spec *spec, struct arena *arena,
                                  struct trace_counts *counts) {
    swarm_status status = spec_is_good(spec) ? count_all(spec, counts) : SWARM_E_INVALID;
    swarm_trace trace;

    if (status == SWARM_OK) {
        (void)TRACE_TAKE(arena, 1, swarm_trace);
        trace_layout(&trace, arena, counts);
    }
    return status;
}

swarm_status swarm_trace_memory_size(const swarm_trace_spec *spec, size_t *out_bytes) {
    struct trace_counts counts;
    struct arena arena;
    swarm_status status;

    if (out_bytes == NULL) {
        return SWARM_E_INVALID;
    }
    arena_measure(&arena);
    status = trace_measure(spec, &arena, &counts);
    if (status == SWARM_OK && !arena_size(&arena, out_bytes)) {
        status = SWARM_E_TOO_BIG;
    }
    return status;
}

swarm_status swarm_trace_new(const swarm_trace_spec *spec, void *memory, size_t size,
                             swarm_trace **out_trace) {
    struct trace_counts counts;
    struct arena arena;
    swarm_trace *trace;
    swarm_status status;

    if (memory == NULL || out_trace == NULL) {
        return SWARM_E_INVALID;
    }
    arena_measure(&arena);
    status = trace_measure(spec, &arena, &counts);
    if (status != SWARM_OK) {
        return status;
    }
    arena_init(&arena, memory, size);
    trace = TRACE_TAKE(&arena, 1, swarm_trace);
    if (trace != NULL) {
        memset(trace, 0, sizeof *trace);
        trace_layout(trace, &arena, &counts);
    }
    if (trace == NULL || arena.failed) {
        return SWARM_E_FULL;
    }
    trace->run = spec->run == 0 ? 1 : spec->run;
    status = trace_fill(trace, spec);
    if (status == SWARM_OK && !swarm__trace_order(trace, spec)) {
        status = SWARM_E_CORRUPT;
    }
    if (status == SWARM_OK) {
        swarm__trace_measure(trace);
        *out_trace = trace;
    }
    return status;
}
