/* SPDX-License-Identifier: MIT */
/*
 * trace.h - a run as its log tells it: steps, edges, attempts, agents, money, as arrays.
 *
 * A trace is made in one pass over the events (trace.c), and then put in order once (path.c): edges
 * by both ends, a topological order of the executed graph, the longest paths, the chain of causes.
 * What is asked of it afterwards (metrics.c) and the pictures (view.h and what includes it) only
 * read it.
 *
 * Steps have an index here: those with STEP events, in the order of their ordinals. Plans of plain
 * call steps alone have none and are left out: they cost no agent's time. So the memory is
 * proportional to the log, whatever the log claims.
 *
 * Invariant: whatever the bytes, every index in these arrays is in range or NONE32; trace_read
 * refuses the rest.
 *
 * Memory: one block, the caller's; the log is not needed afterwards. Threads: made by one, then
 * read only.
 */
#ifndef SWARM_RECORD_TRACE_H
#define SWARM_RECORD_TRACE_H

#include "../../swarm.h"
#include "../base/arena.h"

/* Weighs: it ended OK, so its weight counts and its edges join the executed graph. */
struct trace_step {
    uint64_t ordinal;
    uint64_t key;
    uint64_t argument;
    uint64_t added_ns;
    uint64_t ready_ns;    /* the last time */
    uint64_t end_ns;      /* 0 and `ended` false: it has not */
    uint64_t released_ns; /* first ready; or when its join went on; SWARM_NEVER: not yet */
    uint64_t queued_ns;   /* READY to START, summed over attempts */
    uint64_t backoff_ns;  /* a failed attempt to the next READY */
    uint64_t running_ns;  /* attempts that ran to an end: its weight in time */
    uint64_t head;        /* longest path before it; the path through it is head + running + tail */
    uint64_t tail;
    uint64_t reserved_nano; /* by its latest attempt */
    uint32_t head_steps;    /* the same in steps: attempts that ran to an end */
    uint32_t weight_steps;
    uint32_t plan;  /* index of the plan that added it */
    uint32_t state; /* SWARM_STEP_*: PENDING until it ended */
    uint32_t attempts;
    uint32_t last;                 /* attempt: the last that was started, or NONE32 */
    uint32_t open;                 /* attempts without an answer: list by `next_open` */
    uint32_t winner;               /* attempt, or NONE32 */
    uint32_t in_first, in_count;   /* edges that lead here */
    uint32_t out_first, out_count; /* places in trace.out */
    uint32_t cause;                /* the step whose end made it ready, or NONE32 */
    uint32_t place;                /* in the topological order */
    uint32_t ended;                /* number of its END among all, from 1; 0: none */
    uint32_t ends_as; /* its continuation: who waits for this step waits for that one; or NONE32 */
    bool is_call;
    bool is_turn;  /* a coordinator's: a plan came of it */
    bool executed; /* ended OK */
    bool used;     /* leads to a result */
    bool is_result;
};

enum { TRACE_SPAWN = 15 }; /* kind of the edge from the step that added a plan */

struct trace_edge {
    uint64_t delay_ns;
    uint32_t from, to; /* steps */
    uint32_t kind;     /* SWARM_EDGE_*, or TRACE_SPAWN */
    bool executed;     /* part of the executed graph */
};

enum {
    ATTEMPT_RUNNING, /* without an answer at the end of the log */
    ATTEMPT_DONE,
    ATTEMPT_GIVEN_UP, /* superseded; answered or not */
};

struct trace_attempt {
    swarm_usage usage;
    uint64_t ready_ns; /* of its step */
    uint64_t start_ns;
    uint64_t end_ns;   /* given up: then; answered later: that is freed_ns */
    uint64_t freed_ns; /* when its agent had it no more */
    uint64_t number;
    uint64_t epoch;
    uint32_t step;
    uint32_t agent; /* index; its id while the log is read */
    uint32_t lane;  /* place at its agent, from 0: attempts of one lane never overlap */
    uint32_t outcome;
    uint32_t reason; /* given up: minus the status */
    uint32_t state;  /* ATTEMPT_* */
    uint32_t previous, next_open;
    bool counts; /* ran to an end: OK, or a failure that was not a refusal or a cancel */
    bool wins;   /* its step ended OK by it */
    bool again;  /* it went well, and a loop ran its step once more */
};

struct trace_plan {
    uint64_t now_ns;
    uint64_t version;
    uint64_t first; /* ordinal */
    uint64_t count;
    uint32_t step_first; /* index of its first step that has one */
    uint32_t step_count;
    uint32_t creator; /* step, or NONE32 */
    uint32_t turn;    /* the agent step whose output the creator expanded, or NONE32 */
};

struct trace_agent {
    uint64_t id;
    uint64_t profile; /* id, or 0: unknown */
    swarm_agent_metrics metrics;
    uint32_t lanes;
    uint32_t lane_first; /* number of its first lane among all */
    bool plans;          /* its profile ran a coordinator's turn */
};

/* Something to show: a detector, a hold, a budget that lacked, a cancel. */
struct trace_note {
    uint64_t now_ns;
    uint64_t field[4];
    uint32_t kind; /* SWARM_EVENT_* */
    uint32_t step; /* or NONE32 */
};

/* Agents that joined at once: `count` ids from `first` on. */
struct trace_crew {
    uint64_t first, count, profile;
};

/* What is held by attempts in flight, and what has been paid, after a change. */
struct trace_money {
    uint64_t now_ns;
    uint64_t reserved_nano;
    uint64_t spent_nano;
};

/* A budget at the end of the log, what is below it included. */
struct trace_budget {
    swarm_usage limit; /* SWARM_NEVER: none */
    swarm_usage spent;
    uint64_t reserved_nano;
    uint32_t above; /* index, or NONE32 */
};

/* What there is room for: counted by a first pass. */
struct trace_counts {
    uint64_t steps, edges, attempts, plans, notes, money, budgets, crews;
};

struct swarm_trace {
    struct trace_step *steps;
    struct trace_edge *edges;    /* by `to` */
    struct trace_edge *unsorted; /* as they are read */
    uint32_t *out;               /* edges by `from` */
    uint32_t *order;             /* executed steps, topologically */
    uint32_t *scratch;           /* twice the steps, or the attempts: for one call at a time */
    uint64_t *waits;             /* of the attempts, sorted; before that their agents' ids */
    struct trace_attempt *attempts;
    uint32_t *chain; /* the chain of causes, from its start */
    struct trace_plan *plans;
    struct trace_agent *agents; /* by id */
    struct trace_note *notes;
    struct trace_money *money;
    struct trace_budget *budgets;
    struct trace_crew *crews; /* by id */
    swarm_metrics metrics;
    uint64_t run;
    uint64_t seed, key;
    uint64_t start_ns, end_ns; /* first plan, last end (or event, while the run goes on) */
    uint64_t events;
    uint64_t digest; /* of the run's events: ids of spans derive from it */
    uint32_t step_count, edge_count, attempt_count, plan_count, agent_count, note_count;
    uint32_t money_count, budget_count, crew_count, order_count, chain_count, lane_count;
    struct trace_counts room;
    uint32_t ends;
    uint32_t final; /* the last agent step to end OK, or NONE32 */
    bool ended;
};

/* Index of the step with this ordinal, or NONE32. */
uint32_t swarm__trace_find(const swarm_trace *trace, uint64_t ordinal);

/* Ascending, in place. */
void swarm__trace_sort(uint64_t *items, uint32_t count);

/* Makes the agents that attempts name, by id; attempts, which had ids, then have their indices. */
void swarm__trace_agents(swarm_trace *trace);

/* Orders edges and steps, finds paths, causes and lanes. False: the edges close a cycle. */
bool swarm__trace_order(swarm_trace *trace, const swarm_trace_spec *spec);

/* Fills trace->metrics and those of the agents. */
void swarm__trace_measure(swarm_trace *trace);

/* Edges that another path replaces; SWARM_NEVER when counting them would take too long. */
uint64_t swarm__trace_redundant(const swarm_trace *trace);
/* Marks the steps that lie on every longest path, in `on`: one a step. */
void swarm__trace_indispensable(const swarm_trace *trace, uint32_t *on);

/* part * 10^6 / whole, rounded down; 0 for a whole of 0, and at most UINT64_MAX. */
static inline uint64_t trace_ppm(uint64_t part, uint64_t whole) {
    uint64_t ratio;

    if (whole == 0) {
        return 0;
    }
    return checked_mul_div(part, 1000000, whole, &ratio) ? ratio : UINT64_MAX;
}

#endif
