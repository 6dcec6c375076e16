/* SPDX-License-Identifier: MIT */
/*
 * otlp.c - a run as OpenTelemetry spans, in the JSON form of OTLP.
 *
 * The run is a span, each attempt one below it. Names of attributes follow the semantic conventions
 * for generative AI; they are still in development, so the version stands in schemaUrl and the
 * names in this file alone. Ids derive from the run's events: equal seeds give equal bytes. All
 * 64-bit integers are strings, as protobuf's JSON mapping wants.
 */
#include "../base/hash.h"
#include "view.h"

#define SCHEMA "https://opentelemetry.io/schemas/gen-ai/1.37.0"

enum { STATUS_OK = 1, STATUS_ERROR = 2, KIND_INTERNAL = 1, KIND_CLIENT = 3 };

static uint64_t otlp_id(const swarm_trace *trace, uint64_t number) {
    uint64_t id = hash_mix64(trace->digest, number);

    return id == 0 ? 1 : id; /* all zeros is no id */
}

static void attribute_text(struct view *view, const char *key, const char *text) {
    swarm__view_item(view);
    swarm__view_text(view, "{\"key\":\"");
    swarm__view_text(view, key);
    swarm__view_text(view, "\",\"value\":{\"stringValue\":\"");
    swarm__view_json(view, text);
    swarm__view_text(view, "\"}}");
}

static void attribute_number(struct view *view, const char *key, uint64_t number) {
    swarm__view_item(view);
    swarm__view_text(view, "{\"key\":\"");
    swarm__view_text(view, key);
    swarm__view_text(view, "\",\"value\":{\"intValue\":\"");
    swarm__view_number(view, number < INT64_MAX ? number : INT64_MAX);
    swarm__view_text(view, "\"}}");
}

static void attribute_id(struct view *view, const char *key, uint64_t number) {
    swarm__view_item(view);
    swarm__view_text(view, "{\"key\":\"");
    swarm__view_text(view, key);
    swarm__view_text(view, "\",\"value\":{\"stringValue\":\"");
    swarm__view_number(view, number);
    swarm__view_text(view, "\"}}");
}

static void otlp_ids(struct view *view, uint64_t number, uint64_t parent) {
    const swarm_trace *trace = view->trace;

    swarm__view_text(view, "\n{\"traceId\":\"");
    swarm__view_hex(view, hash_mix64(trace->digest, trace->seed), 16);
    swarm__view_hex(view, otlp_id(trace, SWARM_NEVER), 16);
    swarm__view_text(view, "\",\"spanId\":\"");
    swarm__view_hex(view, otlp_id(trace, number), 16);
    if (parent != SWARM_NEVER) {
        swarm__view_text(view, "\",\"parentSpanId\":\"");
        swarm__view_hex(view, otlp_id(trace, parent), 16);
    }
    swarm__view_text(view, "\",");
}

static void otlp_times(struct view *view, uint64_t start_ns, uint64_t end_ns) {
    uint64_t epoch = view->spec->epoch_ns;

    swarm__view_text(view, ",\"startTimeUnixNano\":\"");
    swarm__view_number(view, saturating_add64(epoch, start_ns));
    swarm__view_text(view, "\",\"endTimeUnixNano\":\"");
    swarm__view_number(view, saturating_add64(epoch, end_ns));
    swarm__view_text(view, "\",\"attributes\":[");
    view->more = false;
}

static void otlp_end(struct view *view, bool good, const char *message) {
    swarm__view_text(view, ",\"status\":{\"code\":");
    swarm__view_number(view, good ? STATUS_OK : STATUS_ERROR);
    if (!good) {
        swarm__view_text(view, ",\"message\":\"");
        swarm__view_json(view, message);
        swarm__view_text(view, "\"");
    }
    swarm__view_text(view, "}}");
}

static void put_run(struct view *view) {
    const swarm_trace *trace = view->trace;
    const swarm_metrics *m = &trace->metrics;

    otlp_ids(view, 0, SWARM_NEVER);
    swarm__view_text(view, "\"name\":\"invoke_workflow\",\"kind\":");
    swarm__view_number(view, KIND_INTERNAL);
    otlp_times(view, trace->start_ns, trace->end_ns);
    attribute_text(view, "gen_ai.operation.name", "invoke_workflow");
    attribute_text(view, "gen_ai.provider.name", "swarm");
    attribute_id(view, "gen_ai.conversation.id", trace->key);
    attribute_number(view, "gen_ai.usage.input_tokens", m->usage.input_tokens);
    attribute_number(view, "gen_ai.usage.output_tokens", m->usage.output_tokens);
    attribute_number(view, "gen_ai.usage.cache_read.input_tokens", m->usage.cached_tokens);
    attribute_number(view, "swarm.critical_steps", m->span_steps);
    swarm__view_text(view, "]");
    otlp_end(view, m->ok == m->steps, "not every step ended ok");
}

/* The attempt before it, where it failed. */
static void put_links(struct view *view, const struct trace_attempt *attempt) {
    const swarm_trace *trace = view->trace;

    if (attempt->previous != NONE32) {
        swarm__view_text(view, ",\"links\":[{\"traceId\":\"");
        swarm__view_hex(view, hash_mix64(trace->digest, trace->seed), 16);
        swarm__view_hex(view, otlp_id(trace, SWARM_NEVER), 16);
        swarm__view_text(view, "\",\"spanId\":\"");
        swarm__view_hex(view, otlp_id(trace, UINT64_C(1) + attempt->previous), 16);
        swarm__view_text(view, "\",\"attributes\":[");
        view->more = false;
        attribute_text(view, "swarm.link", "retry");
        swarm__view_text(view, "]}]");
    }
}

static void put_attempt_span(struct view *view, uint32_t number) {
    const swarm_trace *trace = view->trace;
    const struct trace_attempt *attempt = &trace->attempts[number];
    const struct trace_step *step = &trace->steps[attempt->step];
    const char *name = swarm__view_step_name(view, attempt->step);
    const char *agent = swarm__view_agent_name(view, attempt->agent);
    bool good = attempt->state == ATTEMPT_DONE && attempt->outcome == SWARM_OUTCOME_OK;

    swarm__view_text(view, ",");
    otlp_ids(view, UINT64_C(1) + number, 0);
    swarm__view_text(view, "\"name\":\"invoke_agent ");
    swarm__view_json(view, agent == NULL ? "agent" : agent);
    swarm__view_text(view, "\",\"kind\":");
    swarm__view_number(view, KIND_CLIENT);
    otlp_times(view, attempt->start_ns, attempt->freed_ns);
    attribute_text(view, "gen_ai.operation.name", step->is_turn ? "plan" : "invoke_agent");
    attribute_text(view, "gen_ai.provider.name", "swarm");
    attribute_id(view, "gen_ai.agent.id", trace->agents[attempt->agent].id);
    attribute_text(view, "gen_ai.agent.name", agent == NULL ? "agent" : agent);
    attribute_id(view, "gen_ai.conversation.id", trace->key);
    attribute_number(view, "gen_ai.usage.input_tokens", attempt->usage.input_tokens);
    attribute_number(view, "gen_ai.usage.output_tokens", attempt->usage.output_tokens);
    attribute_number(view, "gen_ai.usage.cache_read.input_tokens", attempt->usage.cached_tokens);
    if (!good) {
        attribute_text(view, "error.type", swarm_outcome_text(attempt->outcome));
    }
    attribute_number(view, "swarm.step", step->ordinal);
    attribute_number(view, "swarm.attempt", attempt->number);
    attribute_number(view, "swarm.queued_ns", attempt->start_ns - attempt->ready_ns);
    if (name != NULL) {
        attribute_text(view, "swarm.step.name", name);
    }
    swarm__view_text(view, "]");
    put_links(view, attempt);
    otlp_end(view, good, swarm_outcome_text(attempt->outcome));
}

void swarm__view_otlp(struct view *view) {
    swarm__view_text(view, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    attribute_text(view, "service.name", "swarm");
    swarm__view_text(view, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"swarm\",\"version\":\"");
    swarm__view_number(view, SWARM_VERSION >> 16);
    swarm__view_text(view, ".");
    swarm__view_number(view, SWARM_VERSION >> 8 & 255);
    swarm__view_text(view, ".");
    swarm__view_number(view, SWARM_VERSION & 255);
    swarm__view_text(view, "\"},\"spans\":[");
    put_run(view);
    for (uint32_t i = 0; i < view->trace->attempt_count; i++) {
        put_attempt_span(view, i);
    }
    swarm__view_text(view, "\n],\"schemaUrl\":\"" SCHEMA "\"}]}]}\n");
}
