/* SPDX-License-Identifier: MIT */
/*
 * path.c - a trace put in order: edges by both ends, a topological order, longest paths, causes.
 *
 * Each is one pass over steps and edges. Longest paths grow with the order: when a step's turn
 * comes all that it waited for is settled, so each completion costs its out-degree.
 *
 * Which edges belong to the executed graph stands at swarm_trace in swarm.h. A step with a
 * continuation ends with it: its edges then come from there.
 */
#include <string.h>

#include "trace.h"

#define VISITS_MAX (UINT64_C(1) << 27) /* about a second */
#define LANES_MAX 1024u /* attempts of one agent at once that get lanes of their own */

/* ---- the graph */

/* Among what a step added, the last that ended before the step did: ends come at once unless there
 * is a continuation to wait for. */
static void find_continuations(swarm_trace *trace) {
    for (uint32_t p = 0; p < trace->plan_count; p++) {
        const struct trace_plan *plan = &trace->plans[p];
        struct trace_step *creator;

        if (plan->creator == NONE32) {
            continue;
        }
        creator = &trace->steps[plan->creator];
        for (uint32_t i = 0; i < plan->step_count; i++) {
            uint32_t at = plan->step_first + i, ended = trace->steps[at].ended;

            if (ended != 0 && ended < creator->ended &&
                (creator->ends_as == NONE32 || trace->steps[creator->ends_as].ended < ended)) {
                creator->ends_as = at;
            }
        }
    }
}

/* Where an edge really comes from. Ends grow along the way from continuation to caller, so this
 * ends. */
static uint32_t source_of(const swarm_trace *trace, const struct trace_edge *edge) {
    uint32_t from = edge->from;
    const struct trace_plan *plan = &trace->plans[trace->steps[edge->to].plan];

    SWARM_ASSERT(edge->to < trace->step_count);
    if (edge->kind == TRACE_SPAWN || plan->creator == edge->from) {
        return from;
    }
    while (trace->steps[from].ends_as != NONE32) {
        SWARM_ASSERT(trace->steps[trace->steps[from].ends_as].ended < trace->steps[from].ended);
        from = trace->steps[from].ends_as;
    }
    return from == edge->to ? edge->from : from;
}

/* A join may have gone on before this predecessor ended. */
static bool edge_is_executed(const swarm_trace *trace, const struct trace_edge *edge) {
    const struct trace_step *from = &trace->steps[edge->from], *to = &trace->steps[edge->to];

    if (edge->kind == TRACE_SPAWN) {
        return from->executed && to->executed;
    }
    return from->executed && to->executed && edge->kind != SWARM_EDGE_SOFT &&
           from->end_ns <= to->released_ns;
}

/* Counting sort by `to`, stable. */
static void edges_sort(swarm_trace *trace) {
    uint32_t first = 0;

    SWARM_ASSERT(trace->step_count != 0 || trace->edge_count == 0);
    for (uint32_t e = 0; e < trace->edge_count; e++) {
        trace->steps[trace->unsorted[e].to].in_count++;
    }
    for (uint32_t v = 0; v < trace->step_count; v++) {
        trace->steps[v].in_first = first;
        first += trace->steps[v].in_count;
        trace->steps[v].in_count = 0;
    }
    for (uint32_t e = 0; e < trace->edge_count; e++) {
        struct trace_step *to = &trace->steps[trace->unsorted[e].to];

        trace->edges[to->in_first + to->in_count++] = trace->unsorted[e];
    }
}

/* Moves beginnings to continuations, then sorts places of edges by `from`, as edges_sort does. */
static void edges_link(swarm_trace *trace) {
    uint32_t first = 0;

    for (uint32_t e = 0; e < trace->edge_count; e++) {
        struct trace_edge *edge = &trace->edges[e];

        edge->from = source_of(trace, edge);
        SWARM_ASSERT(edge->from != edge->to);
        edge->executed = edge_is_executed(trace, edge);
        trace->steps[edge->from].out_count++;
    }
    for (uint32_t v = 0; v < trace->step_count; v++) {
        trace->steps[v].out_first = first;
        first += trace->steps[v].out_count;
        trace->steps[v].out_count = 0;
    }
    for (uint32_t e = 0; e < trace->edge_count; e++) {
        struct trace_step *from = &trace->steps[trace->edges[e].from];

        trace->out[from->out_first + from->out_count++] = e;
    }
}

/* ---- longest paths */

/* What `v` hands on to those behind it; returns how many of them are ready now. */
static void hand_on(swarm_trace *trace, uint32_t v, uint32_t *missing) {
    const struct trace_step *step = &trace->steps[v];
    uint64_t path = saturating_add64(step->head, step->running_ns);
    uint32_t steps = step->head_steps + step->weight_steps;

    for (uint32_t i = 0; i < step->out_count; i++) {
        const struct trace_edge *edge = &trace->edges[trace->out[step->out_first + i]];
        struct trace_step *to = &trace->steps[edge->to];

        if (edge->executed) {
            SWARM_ASSERT(missing[edge->to] != 0);
            to->head = path > to->head ? path : to->head;
            to->head_steps = steps > to->head_steps ? steps : to->head_steps;
            if (--missing[edge->to] == 0) {
                to->place = trace->order_count;
                trace->order[trace->order_count++] = edge->to;
            }
        }
    }
}

/* Kahn, "Topological Sorting of Large Networks", CACM 5(11), 1962. False: a cycle. */
static bool find_heads(swarm_trace *trace) {
    uint32_t *missing = trace->scratch, executed = 0;

    SWARM_ASSERT(trace->order_count == 0);
    for (uint32_t v = 0; v < trace->step_count; v++) {
        struct trace_step *step = &trace->steps[v];

        missing[v] = 0;
        for (uint32_t i = 0; i < step->in_count; i++) {
            missing[v] += trace->edges[step->in_first + i].executed;
        }
        executed += step->executed;
        if (step->executed && missing[v] == 0) {
            step->place = trace->order_count;
            trace->order[trace->order_count++] = v;
        }
    }
    for (uint32_t i = 0; i < trace->order_count; i++) {
        hand_on(trace, trace->order[i], missing);
    }
    return trace->order_count == executed;
}

/* The longest path behind each step, in the opposite order: what follows is settled first. */
static void find_tails(swarm_trace *trace) {
    SWARM_ASSERT(trace->order_count <= trace->step_count);
    for (uint32_t i = trace->order_count; i != 0; i--) {
        struct trace_step *step = &trace->steps[trace->order[i - 1]];

        for (uint32_t k = 0; k < step->out_count; k++) {
            const struct trace_edge *edge = &trace->edges[trace->out[step->out_first + k]];
            const struct trace_step *to = &trace->steps[edge->to];
            uint64_t path = saturating_add64(to->tail, to->running_ns);

            step->tail = edge->executed && path > step->tail ? path : step->tail;
        }
    }
}

/* ---- causes */

/* What a step waited for last: the predecessor (or the plan) that was there latest. */
static void find_causes(swarm_trace *trace) {
    for (uint32_t v = 0; v < trace->step_count; v++) {
        struct trace_step *step = &trace->steps[v];
        uint64_t latest = 0;

        for (uint32_t i = 0; i < step->in_count; i++) {
            const struct trace_edge *edge = &trace->edges[step->in_first + i];
            uint64_t there =
                edge->kind == TRACE_SPAWN
                    ? step->added_ns
                    : saturating_add64(trace->steps[edge->from].end_ns, edge->delay_ns);

            if (edge->executed && (step->cause == NONE32 || there > latest)) {
                latest = there;
                step->cause = edge->from;
            }
        }
    }
}

/* From the step that ended last back to where it began; then turned round. */
static void find_chain(swarm_trace *trace) {
    uint32_t last = NONE32;

    SWARM_ASSERT(trace->chain_count == 0);
    for (uint32_t v = 0; v < trace->step_count; v++) {
        if (trace->steps[v].executed &&
            (last == NONE32 || trace->steps[v].ended > trace->steps[last].ended)) {
            last = v;
        }
    }
    for (uint32_t at = last; at != NONE32 && trace->chain_count < trace->order_count;
         at = trace->steps[at].cause) {
        trace->chain[trace->chain_count++] = at;
    }
    for (uint32_t i = 0; i < trace->chain_count / 2; i++) {
        uint32_t step = trace->chain[i];

        trace->chain[i] = trace->chain[trace->chain_count - 1 - i];
        trace->chain[trace->chain_count - 1 - i] = step;
    }
}

/* ---- who planned, and what was wanted */

/* Agents of one profile are one role: another of them may take the coordinator's next turn. */
static bool same_role(const struct trace_agent *a, const struct trace_agent *b) {
    return a->id == b->id || (a->profile != 0 && a->profile == b->profile);
}

/* The last agent step that the adding call step waited for, through other call steps. */
static uint32_t find_turn(const swarm_trace *trace, uint32_t creator) {
    uint32_t at = creator;

    for (uint32_t i = 0; i < trace->step_count && at != NONE32; i++) {
        if (!trace->steps[at].is_call) {
            return at;
        }
        at = trace->steps[at].cause;
    }
    return NONE32;
}

/* Whose output became plans. All agents of that role count as coordinators, for the stages. */
static void find_coordinators(swarm_trace *trace) {
    for (uint32_t p = 0; p < trace->plan_count; p++) {
        struct trace_plan *plan = &trace->plans[p];

        plan->turn = plan->creator == NONE32 ? NONE32 : find_turn(trace, plan->creator);
        if (plan->turn == NONE32 || trace->steps[plan->turn].winner == NONE32) {
            plan->turn = NONE32;
            continue;
        }
        trace->steps[plan->turn].is_turn = true;
        SWARM_ASSERT(!trace->steps[plan->turn].is_call);
        trace->agents[trace->attempts[trace->steps[plan->turn].winner].agent].plans = true;
    }
    for (uint32_t a = 0; a < trace->agent_count; a++) {
        for (uint32_t b = 0; b < trace->agent_count && trace->agents[a].plans; b++) {
            trace->agents[b].plans =
                trace->agents[b].plans || same_role(&trace->agents[a], &trace->agents[b]);
        }
    }
}

/* What was wanted: the caller's list, or else the last agent step that ended OK. */
static void find_results(swarm_trace *trace, const swarm_trace_spec *spec) {
    uint32_t last = NONE32;

    trace->final = NONE32;
    for (uint32_t v = 0; v < trace->step_count; v++) {
        const struct trace_step *step = &trace->steps[v];

        if (step->executed && (last == NONE32 || step->ended > trace->steps[last].ended)) {
            last = v;
        }
        if (step->winner != NONE32 &&
            (trace->final == NONE32 || step->ended > trace->steps[trace->final].ended)) {
            trace->final = v;
        }
    }
    last = trace->final != NONE32 ? trace->final : last;
    if (spec->results == NULL && last != NONE32) {
        trace->steps[last].is_result = true;
    }
    for (size_t i = 0; i < spec->results_count; i++) {
        uint32_t index = swarm__trace_find(trace, spec->results[i]);

        if (index != NONE32) {
            trace->steps[index].is_result = true;
        }
    }
}

/* Backwards from the results, along data and along who added what. */
static void find_used(swarm_trace *trace) {
    for (uint32_t i = trace->order_count; i != 0; i--) {
        struct trace_step *step = &trace->steps[trace->order[i - 1]];

        step->used = step->is_result;
        for (uint32_t k = 0; k < step->out_count && !step->used; k++) {
            const struct trace_edge *edge = &trace->edges[trace->out[step->out_first + k]];

            step->used =
                edge->executed && edge->kind != SWARM_EDGE_CONTROL && trace->steps[edge->to].used;
        }
    }
}

/* ---- lanes */

/* Attempts of one agent in lanes where none overlaps: each takes the first that is free. */
static void agent_lanes(swarm_trace *trace, struct trace_agent *agent, const uint32_t *attempts,
                        uint32_t count) {
    uint64_t *free_ns = trace->waits;

    SWARM_ASSERT(agent->lanes == 0);
    for (uint32_t i = 0; i < count; i++) {
        struct trace_attempt *attempt = &trace->attempts[attempts[i]];
        uint32_t lane = 0;

        while (lane < agent->lanes && free_ns[lane] > attempt->start_ns) {
            lane++;
        }
        lane = lane < LANES_MAX ? lane : LANES_MAX - 1;
        agent->lanes = lane < agent->lanes ? agent->lanes : lane + 1;
        SWARM_ASSERT(agent->lanes <= LANES_MAX);
        free_ns[lane] = attempt->freed_ns;
        attempt->lane = lane;
    }
    agent->lane_first = trace->lane_count;
    trace->lane_count += agent->lanes;
}

/* Groups attempts by agent in the scratch; places of agents stand at the end of `waits`. */
static void find_lanes(swarm_trace *trace) {
    uint64_t *first = trace->waits + trace->attempt_count;
    uint32_t at = 0;

    for (uint32_t a = 0; a < trace->agent_count; a++) {
        first[a] = 0;
    }
    for (uint32_t i = 0; i < trace->attempt_count; i++) {
        first[trace->attempts[i].agent]++;
    }
    for (uint32_t a = 0; a < trace->agent_count; a++) {
        uint32_t count = (uint32_t)first[a];

        first[a] = at;
        at += count;
    }
    for (uint32_t i = 0; i < trace->attempt_count; i++) {
        trace->scratch[first[trace->attempts[i].agent]++] = i;
    }
    at = 0;
    for (uint32_t a = 0; a < trace->agent_count; a++) {
        agent_lanes(trace, &trace->agents[a], trace->scratch + at, (uint32_t)first[a] - at);
        at = (uint32_t)first[a];
    }
}

/* Each pass needs what those before it found: the order of these lines is part of the algorithm. */
bool swarm__trace_order(swarm_trace *trace, const swarm_trace_spec *spec) {
    find_continuations(trace);
    edges_sort(trace);
    edges_link(trace);
    if (!find_heads(trace)) {
        return false;
    }
    find_tails(trace);
    find_causes(trace);
    find_chain(trace);
    find_coordinators(trace);
    find_results(trace, spec);
    find_used(trace);
    find_lanes(trace);
    return true;
}

/* ---- questions about all paths */

/* Marks of one round: a predecessor, one with two edges, an ancestor of a predecessor. */
enum { MARK_ONCE, MARK_TWICE, MARK_ANCESTOR, MARKS };

/* The distinct predecessors of v onto the stack; the earliest place among them. */
static uint32_t mark_predecessors(const swarm_trace *trace, const struct trace_step *step,
                                  uint32_t round, uint32_t *out_depth) {
    uint32_t *mark = trace->scratch, *stack = trace->scratch + trace->step_count;
    uint32_t earliest = UINT32_MAX;

    *out_depth = 0;
    for (uint32_t i = 0; i < step->in_count; i++) {
        const struct trace_edge *edge = &trace->edges[step->in_first + i];
        uint32_t place = trace->steps[edge->from].place;

        if (edge->executed && mark[edge->from] >= round) {
            mark[edge->from] = round + MARK_TWICE;
        } else if (edge->executed) {
            mark[edge->from] = round + MARK_ONCE;
            stack[(*out_depth)++] = edge->from;
            earliest = place < earliest ? place : earliest;
        }
    }
    return earliest;
}

/* All ancestors of the `depth` steps on the stack that do not stand before `earliest`. */
static void mark_ancestors(const swarm_trace *trace, uint32_t round, uint32_t depth,
                           uint32_t earliest, uint64_t *visits) {
    uint32_t *mark = trace->scratch, *stack = trace->scratch + trace->step_count;

    SWARM_ASSERT(earliest != UINT32_MAX);
    while (depth != 0 && *visits < VISITS_MAX) {
        const struct trace_step *at = &trace->steps[stack[--depth]];

        *visits += UINT64_C(1) + at->in_count;
        for (uint32_t i = 0; i < at->in_count; i++) {
            const struct trace_edge *edge = &trace->edges[at->in_first + i];

            if (edge->executed && trace->steps[edge->from].place >= earliest &&
                mark[edge->from] != round + MARK_ANCESTOR) {
                if (mark[edge->from] < round) { /* predecessors have been on the stack */
                    stack[depth++] = edge->from;
                    SWARM_ASSERT(depth <= trace->step_count);
                }
                mark[edge->from] = round + MARK_ANCESTOR;
            }
        }
    }
}

/* Edges into v, of those that somebody added, that another path replaces. */
static uint64_t redundant_into(const swarm_trace *trace, uint32_t v, uint64_t *visits) {
    const struct trace_step *step = &trace->steps[v];
    uint32_t round = MARKS * (step->place + 1), depth;
    uint32_t earliest = mark_predecessors(trace, step, round, &depth);
    uint64_t found = 0;

    if (depth > 1) {
        mark_ancestors(trace, round, depth, earliest, visits);
    }
    for (uint32_t i = 0; i < step->in_count; i++) {
        const struct trace_edge *edge = &trace->edges[step->in_first + i];

        found += edge->executed && edge->kind != TRACE_SPAWN &&
                 trace->scratch[edge->from] != round + MARK_ONCE;
    }
    return found;
}

/* The edges that a transitive reduction would drop (Aho, Garey, Ullman, "The Transitive Reduction
 * of a Directed Graph", SIAM J. Comput. 1(2), 1972). Worst case O(steps * edges), hence the
 * bound. */
uint64_t swarm__trace_redundant(const swarm_trace *trace) {
    uint64_t found = 0, visits = 0;

    memset(trace->scratch, 0, trace->step_count * sizeof *trace->scratch);
    for (uint32_t i = 0; i < trace->order_count && visits < VISITS_MAX; i++) {
        found += redundant_into(trace, trace->order[i], &visits);
    }
    return visits < VISITS_MAX ? found : SWARM_NEVER;
}

/*
 * In a topological order every longest path that avoids v jumps over its place: with an edge whose
 * ends are both on longest paths and next to each other there, or by beginning behind v or ending
 * before it. So v is on all of them if nothing jumps. Jumps are counted by differences.
 */
void swarm__trace_indispensable(const swarm_trace *trace, uint32_t *on) {
    uint64_t span = trace->metrics.span_ns;
    uint32_t *jumps = trace->scratch, sum = 0;

    SWARM_ASSERT(on == trace->scratch + trace->step_count);
    memset(trace->scratch, 0, 2 * (size_t)trace->step_count * sizeof *trace->scratch);
    for (uint32_t v = 0; v < trace->step_count && span != 0; v++) {
        const struct trace_step *step = &trace->steps[v];
        uint64_t path = step->head + step->running_ns;

        on[v] = step->executed && path + step->tail == span;
        jumps[0] += on[v] && step->head == 0; /* begins here: jumps over all before */
        if (on[v] && step->head == 0) {
            jumps[step->place]--;
        }
        if (on[v] && step->tail == 0 && step->place + 1 < trace->step_count) {
            jumps[step->place + 1]++; /* ends here: jumps over all behind */
        }
        for (uint32_t k = 0; k < step->out_count && on[v]; k++) {
            const struct trace_edge *edge = &trace->edges[trace->out[step->out_first + k]];
            const struct trace_step *to = &trace->steps[edge->to];

            if (edge->executed && to->head == path && path + to->running_ns + to->tail == span) {
                jumps[step->place + 1]++;
                jumps[to->place]--;
            }
        }
    }
    for (uint32_t i = 0; i < trace->order_count; i++) {
        sum += jumps[i];
        on[trace->order[i]] = on[trace->order[i]] && sum == 0;
    }
}
