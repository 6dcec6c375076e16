/* SPDX-License-Identifier: MIT */
/*
 * planlog.c - what a plan is in the log: all that a resume needs to add it again.
 *
 *     PLAN
 *     [NEED... [CHARGE] DEMAND] STEP [option...]   each step, in the order of the ordinals
 *     EDGE [EDGE_RULE]                   each edge, behind all steps, so that a reader knows both;
 *                                        those into steps of earlier plans last
 *
 * Options are events of the step: OPTIONS, ACCESS with its READs, GUARDs, and those of its shape.
 * A demand stands in front of the first step of the plan that has it, and again in the next plan:
 * what is in the log of a plan depends on that plan alone, not on which demands are still alive.
 * The same walk measures the plan before it is applied, and writes it after.
 *
 * Threads: the turn.
 */
#include "charge.h"
#include "guard.h"

/* The walk: to the log, or, when it only measures, to a sum. */
struct plan_writer {
    const swarm_plan *plan;
    uint64_t first; /* the plan's first ordinal */
    uint64_t bytes;
    bool measures;
};

static void plan_put(struct plan_writer *writer, uint32_t kind, uint64_t step,
                     const uint64_t *fields) {
    swarm *sw = writer->plan->sw;

    if (writer->measures) {
        writer->bytes += swarm__log_size(sw, kind, writer->plan->run, step, fields);
    } else {
        swarm__log(sw, kind, writer->plan->run, step, fields);
    }
}

/* The ordinal that a step has, or gets with this plan. */
static uint64_t ordinal_of(const struct plan_writer *writer, uint32_t slot) {
    const swarm_plan *plan = writer->plan;
    const struct graph *graph = plan->graph.graph;

    if (plan->graph.is_static) {
        return writer->first + (slot - plan->graph.first);
    }
    return graph_has(graph, slot, GRAPH_STAGED) ? writer->first + graph->lineage[slot]
                                                : swarm__graph_ordinal(graph, slot);
}

static bool demand_is_trivial(const struct demand *demand) {
    uint64_t skills = 0;

    for (uint32_t i = 0; i < SKILL_WORDS; i++) {
        skills |= demand->skills.word[i];
    }
    return skills == 0 && !demand->unknown_skill && demand->needs_count == 0 &&
           demand->agent == NONE32 && demand->charge == NONE32 && demand->capability == NONE32 &&
           !demand->leaves;
}

/* By their names, ascending: which bit a skill has depends on who named it first. */
static void put_skills(struct plan_writer *writer, uint64_t ordinal, const struct skill_set *set) {
    const struct dispatch *d = &writer->plan->sw->dispatch;
    uint64_t skill[3] = {NEED_SKILL, swarm__skill_above(d, set, 0), 0};

    for (; skill[1] != 0; skill[1] = swarm__skill_above(d, set, skill[1])) {
        plan_put(writer, SWARM_EVENT_NEED, ordinal, skill);
    }
}

static void put_demand(struct plan_writer *writer, uint64_t ordinal, struct demand *demand) {
    if (demand->logged == writer->plan->sw->plans_logged || demand_is_trivial(demand)) {
        return;
    }
    demand->logged = writer->plan->sw->plans_logged;
    for (uint32_t i = 0; i < demand->needs_count; i++) {
        uint64_t need[3] = {NEED_PERMIT, (uint64_t)demand->needs[i].permit + 1,
                            demand->needs[i].units};

        plan_put(writer, SWARM_EVENT_NEED, ordinal, need);
    }
    put_skills(writer, ordinal, &demand->skills);
    if (demand->charge != NONE32) {
        uint64_t charge[7];

        swarm__charge_tell(&writer->plan->sw->dispatch, demand->charge, charge);
        plan_put(writer, SWARM_EVENT_CHARGE, ordinal, charge);
    }

    uint64_t fields[3] = {demand->digest, demand->agent == NONE32 ? 0 : (uint64_t)demand->agent + 1,
                          demand->unknown_skill};

    plan_put(writer, SWARM_EVENT_DEMAND, ordinal, fields);
}

static void put_options(struct plan_writer *writer, uint64_t ordinal, const struct tracked *step) {
    const swarm_retry *retry = &step->retry;
    uint64_t fields[8] = {step->queue_timeout_ns + 1, /* SWARM_NEVER becomes 0 */
                          step->run_timeout_ns + 1,
                          retry->backoff_ns,
                          retry->backoff_max_ns,
                          retry->attempts_max,
                          retry->jitter_ppm,
                          step->payload_size,
                          0};

    if (fields[0] == 0 && fields[1] == 0 && step->payload_size == 0 && retry->attempts_max == 1 &&
        retry->backoff_ns == BACKOFF_NS && retry->backoff_max_ns == BACKOFF_MAX_NS &&
        retry->jitter_ppm == 0) {
        return;
    }
    if (step->payload_size != 0) {
        fields[7] = writer->measures || step->payload == NULL /* in a replay: not there yet */
                        ? swarm__replay_payload(writer->plan->sw)
                        : hash_bytes64(step->payload, step->payload_size);
    }
    plan_put(writer, SWARM_EVENT_OPTIONS, ordinal, fields);
}

static void put_access(struct plan_writer *writer, uint64_t ordinal, uint32_t index) {
    const struct state *state = &writer->plan->sw->dispatch.state;
    const struct access *access = &state->accesses[index];
    uint32_t cell = access->reads;
    uint64_t fields[4] = {access->isolation, access->on_conflict,
                          access->branch == NONE32 ? 0 : (uint64_t)access->branch + 1,
                          access->reads_count};

    plan_put(writer, SWARM_EVENT_ACCESS, ordinal, fields);
    while (cell != NONE32) {
        uint64_t keys[LOG_FIELDS_MAX] = {0};

        for (uint32_t i = 0; i < LOG_FIELDS_MAX && cell != NONE32; i++) {
            keys[i] = state->cells[cell].effect.key;
            cell = state->cells[cell].next;
        }
        plan_put(writer, SWARM_EVENT_READ, ordinal, keys);
    }
}

/* What hangs on the step, behind its STEP. Of guards and shapes the room is estimated. */
static void put_extras(struct plan_writer *writer, uint64_t ordinal, const struct tracked *step) {
    swarm *sw = writer->plan->sw;

    put_options(writer, ordinal, step);
    if (step->access != NONE32) {
        put_access(writer, ordinal, step->access);
    }
    if (writer->measures) {
        writer->bytes +=
            step->guard == NONE32
                ? 0
                : (uint64_t)swarm__guard_events(&sw->dispatch, step->guard) * LOG_EVENT_MAX;
        return;
    }
    swarm__guard_log(sw, step, ordinal);
    swarm__shape_log(sw, step, ordinal);
}

static void put_step(struct plan_writer *writer, uint32_t slot) {
    swarm *sw = writer->plan->sw;
    const struct tracked *step = plan_tracked(writer->plan, slot);
    uint64_t ordinal = ordinal_of(writer, slot);
    uint32_t kind = ATOMIC_LOAD(&sw->graph.kind[slot], relaxed);
    uint64_t fields[8] = {0};

    if (step == NULL || step->demand == NONE32) {
        fields[0] = sw->function_names[kind_function(kind)];
        fields[2] = step == NULL ? sw->graph.argument[slot] : step->argument;
        if ((kind_flags(kind) & GRAPH_RANGE) !=
            0) { /* its argument is a place, which is nobody's */
            fields[1] = sw->graph.ranges[fields[2]].count;
            fields[2] = sw->graph.ranges[fields[2]].first;
        }
    } else {
        put_demand(writer, ordinal, &sw->dispatch.demands[step->demand]);
        fields[1] = sw->dispatch.demands[step->demand].digest;
        fields[2] = step->argument;
        fields[5] = step->order_key;
    }
    if (step == NULL) {
        fields[7] = (kind_flags(kind) & GRAPH_RANGE) != 0 ? STEP_RANGE : STEP_PLAIN;
    } else {
        fields[3] = step->key;
        fields[4] = step->priority;
        fields[6] = step->estimate_ns;
        fields[7] = step->flags | (uint64_t)(step->capability + 1) << STEP_CAPABILITY;
    }
    plan_put(writer, SWARM_EVENT_STEP, ordinal, fields);
    if (step != NULL) {
        put_extras(writer, ordinal, step);
    }
}

/* The record of a marked edge of this plan, or null: marked twice, it may have become plain. */
const struct delay *swarm__plan_mark(const swarm_plan *plan, uint32_t from, uint32_t to) {
    const struct dispatch *d = &plan->sw->dispatch;
    uint32_t list = plan_tracked(plan, from)->delays_first;
    uint32_t delay = swarm__delay_find(d, list, plan_tracked(plan, to)->ordinal);

    return delay == NONE32 ? NULL : &d->delays[delay];
}

static void put_edge(struct plan_writer *writer, const struct delay *edge, uint64_t from,
                     uint64_t to) {
    bool timed = edge != NULL && (edge->rules & EDGE_TIMED) != 0;
    uint64_t fields[6] = {from, timed ? 1 + edge->delay_ns : 0};

    plan_put(writer, SWARM_EVENT_EDGE, to, fields);
    if (edge != NULL && (edge->rules & EDGE_RULES) != 0) {
        fields[1] = edge_kind(edge);
        fields[2] = edge_when(edge);
        fields[3] = edge->value;
        fields[4] = edge_on_failure(edge);
        fields[5] = edge_on_skip(edge);
        plan_put(writer, SWARM_EVENT_EDGE_RULE, to, fields);
    }
}

void swarm__edge_log(const swarm_plan *plan, const struct delay *edge, uint64_t from, uint64_t to) {
    struct plan_writer writer = {plan, 0, 0, false};

    put_edge(&writer, edge, from, to);
}

static void put_edges(struct plan_writer *writer, uint32_t slot) {
    uint32_t cursor = NONE32, from;
    bool marked;

    while (swarm__graph_plan_incoming(&writer->plan->graph, slot, &cursor, &from, &marked)) {
        put_edge(writer, marked ? swarm__plan_mark(writer->plan, from, slot) : NULL,
                 ordinal_of(writer, from), ordinal_of(writer, slot));
    }
}

/* Edges whose rules the log will tell. */
static uint32_t rules_count(const swarm_plan *plan) {
    const struct dispatch *d = &plan->sw->dispatch;
    uint32_t count = 0;

    for (uint32_t at = plan->delays; at != NONE32; at = d->delays[at].next) {
        count += (d->delays[at].rules & EDGE_RULES) != 0;
    }
    return count;
}

/* Before the plan is checked, its edges are only counted: each as large as any of them can be. */
static void measure_edges(struct plan_writer *writer) {
    const struct graph_plan *graph = &writer->plan->graph;
    uint64_t last = writer->first + graph->count;
    uint64_t largest[2] = {last, writer->plan->delays == NONE32 ? 0 : SWARM_NEVER};

    writer->bytes += graph->edges * (uint64_t)swarm__log_size(writer->plan->sw, SWARM_EVENT_EDGE,
                                                              writer->plan->run, last, largest);
}

/* Over the shape and the functions. */
static uint64_t graph_digest(const struct plan_writer *writer, uint32_t edges) {
    const swarm *sw = writer->plan->sw;
    const struct graph_plan *graph = &writer->plan->graph;
    uint64_t digest = hash_mix64(hash_mix64(writer->first, graph->count), edges);

    for (uint32_t slot = NONE32; swarm__graph_plan_step(graph, &slot);) {
        uint32_t kind = ATOMIC_LOAD(&sw->graph.kind[slot], relaxed);
        bool is_agent = (kind_flags(kind) & GRAPH_AGENT) != 0;

        digest = hash_mix64(digest, is_agent ? 0 : sw->function_names[kind_function(kind)]);
    }
    return digest;
}

static void put_plan(struct plan_writer *writer) {
    swarm *sw = writer->plan->sw;
    const struct graph_plan *graph = &writer->plan->graph;
    uint32_t edges = graph->edges - graph->repeated;
    const struct run *run = &sw->dispatch.runs[writer->plan->run];
    uint64_t fields[7] = {run->report.plan_version,
                          writer->first,
                          graph->count,
                          edges,
                          SWARM_NEVER,
                          sw->graph.scopes[graph->scope].ordinal + 1, /* NEVER becomes 0 */
                          graph->repeated};

    sw->plans_logged++;
    if (!writer->measures) {
        fields[4] = graph_digest(writer, edges);
    }
    plan_put(writer, SWARM_EVENT_PLAN, SWARM_NEVER, fields);
    if (graph->tracked == 0 && !graph->is_walked) {
        return; /* plain call steps are nobody's business but the workers' */
    }
    for (uint32_t slot = NONE32; swarm__graph_plan_step(graph, &slot);) {
        put_step(writer, slot);
    }
    if (writer->measures) {
        writer->bytes += (uint64_t)swarm__shapes_count(writer->plan) * SHAPE_EVENTS * LOG_EVENT_MAX;
        writer->bytes += (uint64_t)rules_count(writer->plan) * LOG_EVENT_MAX;
        writer->bytes += (uint64_t)writer->plan->lates_count * 2 * LOG_EVENT_MAX;
        measure_edges(writer);
        return;
    }
    for (uint32_t slot = NONE32; swarm__graph_plan_step(graph, &slot);) {
        put_edges(writer, slot);
    }
}

void swarm__plan_log(const swarm_plan *plan, uint64_t first) {
    struct plan_writer writer = {plan, first, 0, false};

    if (plan->sw->log.enabled) {
        put_plan(&writer);
    }
}

/* The effects of the call step that brought the plan: they are applied with it. */
static uint64_t bytes_of_caller(const swarm_plan *plan) {
    swarm *sw = plan->sw;
    uint32_t caller = plan->graph.caller, tracked;

    if (caller == NONE32 || !graph_has(&sw->graph, caller, GRAPH_TRACKED)) {
        return 0;
    }
    tracked = tracked_of(&sw->graph, caller);
    return sw->dispatch.tracked[tracked].access == NONE32
               ? 0
               : swarm__effects_bytes(sw, *swarm__effects_of(sw, tracked));
}

/* A few events more than the plan's go with it: what brought it, its effects, and the end of that.
 * What a call step brought is asked once, before the event that says so. */
bool swarm__plan_room(swarm_plan *plan, bool *out_never) {
    swarm *sw = plan->sw;
    struct plan_writer writer = {plan, 0, 3u * LOG_EVENT_MAX, true};

    *out_never = false;
    if (!sw->log.enabled || plan->has_room) {
        return true;
    }
    writer.bytes += bytes_of_caller(plan);
    if (plan->graph.error.status == SWARM_OK && plan->run != NONE32 &&
        plan->graph.count + plan->lates_count != 0) {
        writer.first = sw->dispatch.runs[plan->run].ordinal_next;
        put_plan(&writer);
    }
    plan->has_room = swarm__log_reserve_bytes(&sw->log, sw->now_ns, writer.bytes, out_never);
    return plan->has_room;
}
