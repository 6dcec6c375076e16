/* SPDX-License-Identifier: MIT */
/*
 * chrome.c - a run as Chrome trace JSON, for Perfetto and chrome://tracing.
 *
 * One process, one thread a lane: slices of a lane never overlap, as the format demands of complete
 * events ("X"). Dependencies are flows ("s", "f") between slices, counters ("C") say how many
 * attempts run and what has been spent, metadata ("M") names and sorts. Times are microseconds,
 * written with integers. Format: "Trace Event Format", Google 2016.
 */
#include "view.h"

static void chrome_begin(struct view *view, const char *phase, uint64_t lane) {
    swarm__view_item(view);
    swarm__view_text(view, "\n{\"ph\":\"");
    swarm__view_text(view, phase);
    swarm__view_text(view, "\",\"pid\":1,\"tid\":");
    swarm__view_number(view, lane);
}

static void field_us(struct view *view, const char *name, uint64_t ns) {
    swarm__view_text(view, ",\"");
    swarm__view_text(view, name);
    swarm__view_text(view, "\":");
    swarm__view_us(view, ns);
}

static void field_number(struct view *view, const char *name, uint64_t number) {
    swarm__view_text(view, ",\"");
    swarm__view_text(view, name);
    swarm__view_text(view, "\":");
    swarm__view_number(view, number);
}

static void field_text(struct view *view, const char *name, const char *text) {
    swarm__view_text(view, ",\"");
    swarm__view_text(view, name);
    swarm__view_text(view, "\":\"");
    swarm__view_json(view, text);
    swarm__view_text(view, "\"");
}

static void name_lanes(struct view *view) {
    const swarm_trace *trace = view->trace;

    chrome_begin(view, "M", 0);
    swarm__view_text(view, ",\"name\":\"process_name\",\"args\":{\"name\":\"run ");
    swarm__view_number(view, trace->run);
    swarm__view_text(view, "\"}}");
    for (uint32_t a = 0; a < trace->agent_count; a++) {
        const char *name = swarm__view_agent_name(view, a);

        for (uint32_t lane = 0; lane < trace->agents[a].lanes; lane++) {
            uint64_t number = UINT64_C(1) + trace->agents[a].lane_first + lane;

            chrome_begin(view, "M", number);
            swarm__view_text(view, ",\"name\":\"thread_name\",\"args\":{\"name\":\"");
            swarm__view_json(view, name == NULL ? "agent" : name);
            swarm__view_text(view, " ");
            swarm__view_number(view, trace->agents[a].id);
            swarm__view_text(view, lane == 0 ? "\"}}" : " (more)\"}}");
            chrome_begin(view, "M", number);
            swarm__view_text(view, ",\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":");
            swarm__view_number(view, number);
            swarm__view_text(view, "}}");
        }
    }
}

static uint64_t lane_of(const swarm_trace *trace, const struct trace_attempt *attempt) {
    return UINT64_C(1) + trace->agents[attempt->agent].lane_first + attempt->lane;
}

static void chrome_attempt(struct view *view, const struct trace_attempt *attempt) {
    const swarm_trace *trace = view->trace;
    const char *name = swarm__view_step_name(view, attempt->step);

    chrome_begin(view, "X", lane_of(trace, attempt));
    field_text(view, "name", name == NULL ? "step" : name);
    field_text(view, "cat", attempt->wins ? "won" : attempt->counts ? "failed" : "waste");
    field_us(view, "ts", attempt->start_ns);
    field_us(view, "dur", attempt->freed_ns - attempt->start_ns);
    swarm__view_text(view, ",\"args\":{\"ordinal\":");
    swarm__view_number(view, trace->steps[attempt->step].ordinal);
    field_number(view, "attempt", attempt->number);
    field_text(view, "outcome", swarm_outcome_text(attempt->outcome));
    field_us(view, "queued_us", attempt->start_ns - attempt->ready_ns);
    field_number(view, "input_tokens", attempt->usage.input_tokens);
    field_number(view, "cached_tokens", attempt->usage.cached_tokens);
    field_number(view, "output_tokens", attempt->usage.output_tokens);
    field_number(view, "cost_nano", attempt->usage.cost_nano);
    swarm__view_text(view, "}}");
}

/* The first attempt of a step, where a flow may arrive. */
static uint32_t first_attempt(const swarm_trace *trace, uint32_t step) {
    uint32_t at = trace->steps[step].last;

    while (at != NONE32 && trace->attempts[at].previous != NONE32) {
        at = trace->attempts[at].previous;
    }
    return at;
}

/* Between agent steps only: a call step has no slice. */
static void chrome_flow(struct view *view, uint32_t number) {
    const swarm_trace *trace = view->trace;
    const struct trace_edge *edge = &trace->edges[number];
    uint32_t from = trace->steps[edge->from].winner, to = first_attempt(trace, edge->to);

    if (!edge->executed || from == NONE32 || to == NONE32) {
        return;
    }
    chrome_begin(view, "s", lane_of(trace, &trace->attempts[from]));
    field_number(view, "id", number);
    swarm__view_text(view, ",\"name\":\"edge\",\"cat\":\"edge\"");
    field_us(view, "ts", trace->attempts[from].start_ns);
    swarm__view_text(view, "}");
    chrome_begin(view, "f", lane_of(trace, &trace->attempts[to]));
    field_number(view, "id", number);
    swarm__view_text(view, ",\"bp\":\"e\",\"name\":\"edge\",\"cat\":\"edge\"");
    field_us(view, "ts", trace->attempts[to].start_ns);
    swarm__view_text(view, "}");
}

static void chrome_counter(struct view *view, const char *name, uint64_t now_ns, uint64_t value) {
    chrome_begin(view, "C", 0);
    field_text(view, "name", name);
    field_us(view, "ts", now_ns);
    swarm__view_text(view, ",\"args\":{\"value\":");
    swarm__view_number(view, value);
    swarm__view_text(view, "}}");
}

/* Starts stand in the order of time; ends are sorted behind the waits since the measuring. */
static void chrome_running(struct view *view) {
    const swarm_trace *trace = view->trace;
    const uint64_t *ends = trace->waits + trace->attempt_count;
    uint32_t started = 0, ended = 0;

    while (ended < trace->attempt_count) {
        bool starts =
            started < trace->attempt_count && trace->attempts[started].start_ns < ends[ended];
        uint64_t now_ns = starts ? trace->attempts[started].start_ns : ends[ended];

        started += starts;
        ended += !starts;
        chrome_counter(view, "running", now_ns, started > ended ? started - ended : 0);
    }
}

void swarm__view_chrome(struct view *view) {
    const swarm_trace *trace = view->trace;

    swarm__view_text(view, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
    name_lanes(view);
    for (uint32_t i = 0; i < trace->attempt_count; i++) {
        chrome_attempt(view, &trace->attempts[i]);
    }
    for (uint32_t i = 0; i < trace->edge_count; i++) {
        chrome_flow(view, i);
    }
    chrome_running(view);
    for (uint32_t i = 0; i < trace->money_count; i++) {
        chrome_counter(view, "spent_nano", trace->money[i].now_ns, trace->money[i].spent_nano);
        chrome_counter(view, "reserved_nano", trace->money[i].now_ns,
                       trace->money[i].reserved_nano);
    }
    swarm__view_text(view, "\n]}\n");
}
