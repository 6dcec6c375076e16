/* SPDX-License-Identifier: MIT */
/*
 * replayplan.c - an owner's plan, added again from its events (planlog.c wrote them).
 *
 * The plan is filled through the public calls and committed; what the commit writes is compared
 * with the events that were read. Requirements are known by digests, so a step's demand is filled
 * here; payloads are not in the log.
 *
 * Memory: which slot a step of the plan got is noted behind the bytes that were fed.
 * Threads: the turn.
 */
#include "core.h"

#include <string.h>

struct plan_reader {
    swarm *sw;
    swarm_plan *plan;
    uint32_t *slots; /* by index in the plan */
    uint64_t first;
    size_t at; /* behind the event at hand */
    uint32_t run, count, steps;
};

bool swarm__replay_plan_whole(const swarm *sw, size_t at) {
    swarm_event event;
    size_t size;
    uint64_t steps, edges;

    if (!swarm__replay_peek(sw, at, &event, &size)) {
        return false;
    }
    steps = event.field[2];
    edges = event.field[3];
    for (at += size; steps + edges != 0; at += size) {
        if (!swarm__replay_peek(sw, at, &event, &size)) {
            return false;
        }
        if (event.kind == SWARM_EVENT_STEP) {
            steps -= steps != 0;
        } else if (event.kind == SWARM_EVENT_EDGE) {
            edges -= edges != 0;
        } else if (event.kind != SWARM_EVENT_NEED && event.kind != SWARM_EVENT_DEMAND &&
                   event.kind != SWARM_EVENT_OPTIONS && event.kind != SWARM_EVENT_GUARD &&
                   event.kind != SWARM_EVENT_EDGE_RULE) {
            return true; /* a plan of plain steps: it has no more */
        }
    }
    return true;
}

/* ---- requirements */

static bool again_need(swarm *sw, const swarm_event *event) {
    struct demand *demand = &sw->resume.wanted.demand;
    struct dispatch *d = &sw->dispatch;
    uint32_t skill;

    if (sw->resume.wanted.is_set) {
        static const struct replay_demand none;

        sw->resume.wanted = none;
    }
    if (event->field[0] == NEED_SKILL && event->field[1] != 0) {
        skill = swarm__skill_wish(d, event->field[1]);
        if (skill != NONE32) {
            set_add(&demand->skills, skill);
        }
        return skill != NONE32;
    }
    if (event->field[0] != NEED_PERMIT || !permit_exists(d, event->field[1]) ||
        demand->needs_count == NEEDS_MAX || event->field[2] == 0 ||
        event->field[2] > d->permits[event->field[1] - 1].capacity) {
        return false;
    }
    demand->needs[demand->needs_count].permit = (uint32_t)event->field[1] - 1;
    demand->needs[demand->needs_count].units = event->field[2];
    demand->needs_count++;
    return true;
}

static bool again_demand(swarm *sw, const swarm_event *event) {
    struct replay_demand *wanted = &sw->resume.wanted;
    uint32_t agents = ATOMIC_LOAD(&sw->dispatch.agents_count, relaxed);

    agents = agents > sw->resume.agents ? agents : sw->resume.agents;
    if (event->field[1] > agents) {
        return false;
    }
    if (wanted->is_set) {
        static const struct replay_demand none;

        *wanted = none;
    }
    wanted->demand.digest = event->field[0];
    wanted->demand.agent = event->field[1] == 0 ? NONE32 : (uint32_t)event->field[1] - 1;
    wanted->demand.unknown_skill = event->field[2] != 0;
    wanted->is_set = true;
    return true;
}

/* The demand of this digest that the next step has: read just now, empty, or of a step before. */
static bool demand_choose(swarm *sw, uint32_t run, uint64_t digest) {
    struct dispatch *d = &sw->dispatch;
    struct replay_demand *wanted = &sw->resume.wanted;
    static const struct replay_demand none;

    if (wanted->is_set && wanted->demand.digest == digest) {
        return true;
    }
    *wanted = none;
    wanted->demand.digest = digest;
    wanted->demand.agent = NONE32;
    wanted->is_set = true;
    if (digest == hash_mix64(0, (uint64_t)NONE32 + 1)) {
        return true;
    }
    for (uint32_t i = 0; i < sw->config.demands_max; i++) {
        const struct demand *demand = &d->demands[i];

        if (demand->interned && demand->digest == digest && demand->run == run) {
            wanted->demand = *demand;
            return true;
        }
    }
    return false;
}

void swarm__replay_demand(swarm *sw, struct demand *demand) {
    const struct demand *wanted = &sw->resume.wanted.demand;

    SWARM_ASSERT(sw->resume.wanted.is_set);
    demand->skills = wanted->skills;
    demand->digest = wanted->digest;
    demand->needs_count = wanted->needs_count;
    memcpy(demand->needs, wanted->needs, sizeof demand->needs);
    demand->unknown_skill = wanted->unknown_skill;
    demand->agent = wanted->agent;
}

/* ---- steps */

static uint64_t or_zero64(uint64_t value) {
    return value == 0 ? SWARM_ZERO : value;
}

static void options_fill(swarm_step_spec *spec, const swarm_event *event) {
    spec->queue_timeout_ns = or_zero64(event->field[0] - 1);
    spec->run_timeout_ns = or_zero64(event->field[1] - 1);
    spec->retry.backoff_ns = or_zero64(event->field[2]);
    spec->retry.backoff_max_ns = or_zero64(event->field[3]);
    spec->retry.attempts_max = (uint32_t)event->field[4];
    spec->retry.jitter_ppm = (uint32_t)event->field[5];
}

static swarm_function function_named(const swarm *sw, uint64_t name) {
    swarm_function function = {0};
    uint32_t count = ATOMIC_LOAD(&sw->functions_count, relaxed);

    for (uint32_t i = 0; i < count && function.id == 0; i++) {
        function.id = sw->function_names[i] == name ? (uint64_t)i + 1 : 0;
    }
    return function;
}

static swarm_step tracked_again_add(struct plan_reader *reader, const swarm_event *event) {
    swarm *sw = reader->sw;
    swarm_step_spec spec = {.argument = event->field[2],
                            .key = event->field[3],
                            .priority = (uint32_t)event->field[4],
                            .order_key = event->field[5],
                            .estimate_ns = event->field[6],
                            .flags = (uint32_t)event->field[7] & ((1u << STEP_CAPABILITY) - 1),
                            .capability = {event->field[7] >> STEP_CAPABILITY}};
    swarm_step step = {0};
    swarm_event next;
    size_t size;
    uint64_t payload_size = 0;

    if (event->field[0] != 0) {
        spec.function = function_named(sw, event->field[0]);
        if (spec.function.id == 0) {
            return step;
        }
    } else if (!demand_choose(sw, reader->run, event->field[1])) {
        return step;
    }
    if (swarm__replay_peek(sw, reader->at, &next, &size) && next.kind == SWARM_EVENT_OPTIONS) {
        reader->at += size;
        options_fill(&spec, &next);
        payload_size = next.field[6];
    }
    if (spec.function.id != 0) { /* it has none of these, and they are default */
        spec.queue_timeout_ns = spec.run_timeout_ns = 0;
        spec.retry.attempts_max = 0;
    }
    step = swarm_step_add(reader->plan, &spec);
    if (step.id != 0) {
        uint32_t slot = swarm__graph_find(&sw->graph, step);

        sw->dispatch.tracked[tracked_of(&sw->graph, slot)].payload_size = (size_t)payload_size;
    }
    return step;
}

static bool again_step(struct plan_reader *reader, const swarm_event *event) {
    uint64_t flags = event->field[7];
    swarm_step step;

    if (reader->steps == reader->count || event->step != reader->first + reader->steps) {
        return false;
    }
    if ((flags & (STEP_PLAIN | STEP_RANGE)) == 0) {
        step = tracked_again_add(reader, event);
    } else {
        swarm_function function = function_named(reader->sw, event->field[0]);

        step = (flags & STEP_RANGE) != 0
                   ? swarm_range_add(reader->plan, function, event->field[2], event->field[1])
                   : swarm_call_add(reader->plan, function, event->field[2]);
    }
    if (step.id == 0) {
        return false;
    }
    reader->slots[reader->steps++] = swarm__graph_find(&reader->sw->graph, step);
    return true;
}

/* ---- edges */

static swarm_step step_numbered(struct plan_reader *reader, uint64_t ordinal) {
    swarm *sw = reader->sw;
    swarm_step none = {0};
    uint32_t slot;

    if (ordinal - reader->first < reader->steps) {
        slot = reader->slots[ordinal - reader->first];
    } else {
        slot = ordinal < reader->first ? swarm__replay_slot(sw, reader->run, ordinal) : NONE32;
    }
    return slot == NONE32 ? none : swarm__graph_handle(&sw->graph, slot);
}

static bool again_edge(struct plan_reader *reader, const swarm_event *event) {
    swarm_step from = step_numbered(reader, event->field[0]);
    swarm_step to = step_numbered(reader, event->step);
    swarm_edge_spec spec = {.delay_ns = event->field[1] == 0 ? 0 : or_zero64(event->field[1] - 1)};
    swarm_event rule;
    size_t size;

    if (swarm__replay_peek(reader->sw, reader->at, &rule, &size) &&
        rule.kind == SWARM_EVENT_EDGE_RULE) {
        reader->at += size;
        spec.kind = (uint32_t)rule.field[1];
        spec.when = (uint32_t)rule.field[2];
        spec.value = (uint32_t)rule.field[3];
        spec.on_failure = (uint32_t)rule.field[4];
        spec.on_skip = (uint32_t)rule.field[5];
    }
    return swarm_edge_add_with(reader->plan, from, to, &spec) == SWARM_OK;
}

/* ---- the plan */

static bool again_plan_event(struct plan_reader *reader, const swarm_event *event) {
    switch (event->kind) {
    case SWARM_EVENT_NEED:
        return again_need(reader->sw, event);
    case SWARM_EVENT_DEMAND:
        return again_demand(reader->sw, event);
    case SWARM_EVENT_STEP:
        return again_step(reader, event);
    case SWARM_EVENT_EDGE:
        return again_edge(reader, event);
    default:
        swarm__resume_fail(reader->sw, SWARM_E_UNSUPPORTED,
                           "resume: a step has an option that is not replayed yet");
        return false;
    }
}

static bool plan_fill(struct plan_reader *reader, uint64_t edges, uint64_t repeated) {
    swarm_event event, last = {.kind = 0};
    size_t size;

    while (reader->steps < reader->count || edges != 0) {
        size_t at = reader->at;

        if (!swarm__replay_peek(reader->sw, at, &event, &size)) {
            return false;
        }
        reader->at = at + size;
        if (!again_plan_event(reader, &event)) {
            return false;
        }
        if (event.kind == SWARM_EVENT_EDGE) {
            last = event;
            edges--;
        }
    }
    for (; repeated != 0 && last.kind != 0; repeated--) { /* which one it was makes no difference */
        if (!again_edge(reader, &last)) {
            return false;
        }
    }
    return true;
}

void swarm__replay_plan(swarm *sw, uint32_t run) {
    struct resume *resume = &sw->resume;
    struct plan_reader reader = {.sw = sw, .run = run};
    size_t room = (resume->used + 3) & ~(size_t)3;
    swarm_event event;
    swarm_error error = {.text = NULL};

    if (run == NONE32 || !swarm__replay_peek(sw, 0, &event, &reader.at) || event.field[5] != 0 ||
        event.field[2] > (resume->capacity - room) / 4 || room > resume->capacity) {
        swarm__resume_fail(sw, SWARM_E_MISMATCH, "resume: raise config.log_bytes, or another log");
        return;
    }
    reader.first = event.field[1];
    reader.count = (uint32_t)event.field[2];
    reader.slots = (uint32_t *)(void *)(resume->bytes + room);
    reader.plan = swarm_plan_open(sw, run_handle(&sw->dispatch, run));
    if (!plan_fill(&reader, event.field[3], event.field[6])) {
        (void)swarm_plan_drop(reader.plan);
        swarm__resume_fail(sw, SWARM_E_MISMATCH,
                           "resume: a plan does not fit: another function, permit, skill or limit");
    } else if (swarm_plan_commit(reader.plan, &error) != SWARM_OK) {
        swarm__resume_fail(sw, error.status, error.text);
    }
}
