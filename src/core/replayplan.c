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
#include "../dispatch/recover.h"
#include "charge.h"
#include "guard.h"

#include <string.h>

struct plan_reader {
    swarm *sw;
    swarm_plan *plan;
    uint32_t *slots; /* by index in the plan */
    uint64_t first;
    size_t at; /* behind the event at hand */
    uint32_t run, count, steps;
};

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
        !permit_holds(&d->permits[event->field[1] - 1], event->field[2])) {
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

static bool again_charge(swarm *sw, const swarm_event *event) {
    struct replay_demand *wanted = &sw->resume.wanted;

    if (wanted->is_set) {
        static const struct replay_demand none;

        *wanted = none;
    }
    swarm__charge_again(&sw->dispatch, event->field, &wanted->charge);
    return wanted->charge.budget.id != 0;
}

/* The same, from a demand that is there. */
static void charge_copy(const struct dispatch *d, uint32_t charge, swarm_charge_spec *out_spec) {
    uint64_t fields[1 + SPENDS];

    if (charge != NONE32) {
        swarm__charge_tell(d, charge, fields);
        swarm__charge_again(d, fields, out_spec);
    }
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
            charge_copy(d, demand->charge, &wanted->charge);
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

static uint32_t or_zero32(uint64_t value) {
    return value == 0 ? SWARM_ZERO32 : (uint32_t)value;
}

static swarm_function function_named(const swarm *sw, uint64_t name) {
    swarm_function function = {0};
    uint32_t count = ATOMIC_LOAD(&sw->functions_count, relaxed);

    for (uint32_t i = 0; i < count && function.id == 0; i++) {
        function.id = sw->function_names[i] == name ? (uint64_t)i + 1 : 0;
    }
    return function;
}

/* A step's spec, with room for all that hangs on it. */
struct step_again {
    swarm_step_spec spec;
    swarm_join_spec join;
    swarm_skip_spec skip;
    swarm_loop_spec loop;
    swarm_watch_spec watch;
    swarm_ask_spec ask;
    swarm_hedge_spec hedge;
    swarm_vote_spec vote;
    swarm_recovery_spec recovery;
    swarm_fallback fallbacks[FALLBACKS_MAX];
    swarm_charge_spec charges[FALLBACKS_MAX];
    uint64_t budget; /* number of that which the last fallback charges */
    swarm_state_spec state;
    uint64_t reads[READS_MAX];
    uint32_t reads_count;
    uint64_t payload_size;
};

static void options_take(struct step_again *again, const uint64_t *fields) {
    swarm_step_spec *spec = &again->spec;

    spec->queue_timeout_ns = or_zero64(fields[0] - 1);
    spec->run_timeout_ns = or_zero64(fields[1] - 1);
    spec->retry.backoff_ns = or_zero64(fields[2]);
    spec->retry.backoff_max_ns = or_zero64(fields[3]);
    spec->retry.attempts_max = (uint32_t)fields[4];
    spec->retry.jitter_ppm = (uint32_t)fields[5];
    again->payload_size = fields[6];
}

static bool access_take(struct plan_reader *reader, struct step_again *again,
                        const uint64_t *fields) {
    if (fields[3] > READS_MAX ||
        !swarm__branch_numbered(reader->sw, fields[2], &again->state.branch)) {
        return false;
    }
    again->state.isolation = (uint32_t)fields[0];
    again->state.on_conflict = (uint32_t)fields[1];
    again->state.reads_count = (uint32_t)fields[3];
    again->state.reads = again->reads;
    again->spec.state = &again->state;
    return true;
}

static void reads_take(struct step_again *again, const uint64_t *fields) {
    for (uint32_t i = 0; i < LOG_FIELDS_MAX && again->reads_count < READS_MAX; i++) {
        again->reads[again->reads_count++] = fields[i];
    }
}

static void watch_take(struct step_again *again, const uint64_t *fields) {
    swarm_watch_spec *watch = &again->watch;

    if (fields[0] == 1) {
        watch->idle_timeout_ns = or_zero64(fields[1]);
        watch->lease_ns = or_zero64(fields[2]);
        watch->deadline_ns = or_zero64(fields[3]);
        watch->late_ns = or_zero64(fields[4]);
        watch->tokens_expected = fields[5];
        watch->rate_min_milli = fields[6];
        watch->rate_window_ns = fields[7];
    } else {
        watch->size_min = fields[1];
        watch->confidence_min_ppm = (uint32_t)fields[2];
        watch->repeat_max = (uint32_t)fields[3];
        watch->notes = (uint32_t)fields[4];
    }
    again->spec.watch = watch;
}

static void ask_take(struct step_again *again, const uint64_t *fields) {
    swarm_ask_spec *ask = &again->ask;

    if (fields[0] == 3) {
        ask->timeout_ns = or_zero64(fields[1]);
        ask->reminder_ns = or_zero64(fields[2]);
        ask->day_ns = fields[3];
        ask->open_ns = fields[4];
        ask->close_ns = fields[5];
        ask->value = fields[6];
    } else {
        ask->kind = (uint32_t)fields[1];
        ask->on_timeout = (uint32_t)fields[2];
    }
    again->spec.ask = ask;
}

static void recovery_take(struct plan_reader *reader, struct step_again *again,
                          const uint64_t *fields) {
    swarm_recovery_spec *recovery = &again->recovery;

    recovery->fallbacks = again->fallbacks;
    recovery->reassign_max = (uint32_t)fields[1];
    recovery->split = function_named(reader->sw, fields[2]);
    recovery->regenerate = function_named(reader->sw, fields[3]);
    recovery->value = fields[4];
    recovery->flags = (uint32_t)fields[5];
    again->spec.recovery = recovery;
}

static bool fallback_take(struct plan_reader *reader, struct step_again *again,
                          const uint64_t *fields) {
    uint32_t index = again->recovery.fallbacks_count;

    if (index == FALLBACKS_MAX) {
        return false;
    }
    swarm__replay_profile(reader->sw, fields[1]);
    again->fallbacks[index].profile.id = fields[1];
    again->fallbacks[index].attempts_max = (uint32_t)fields[2];
    again->recovery.fallbacks_count++;
    again->budget = fields[3];
    return true;
}

static bool fallback_charge_take(struct plan_reader *reader, struct step_again *again,
                                 const uint64_t *fields) {
    uint32_t index = again->recovery.fallbacks_count - 1;
    uint64_t charge[1 + SPENDS] = {again->budget};

    if (index >= FALLBACKS_MAX) {
        return false;
    }
    memcpy(charge + 1, fields + 1, SPENDS * sizeof *charge);
    swarm__charge_again(&reader->sw->dispatch, charge, &again->charges[index]);
    again->fallbacks[index].charge = &again->charges[index];
    return true;
}

static bool guard_take(struct plan_reader *reader, struct step_again *again,
                       const uint64_t *fields) {
    switch (fields[0]) {
    case 1:
    case 2:
        watch_take(again, fields);
        return true;
    case 3:
    case 4:
        ask_take(again, fields);
        return true;
    case 5:
        again->hedge.after_ns = or_zero64(fields[1]);
        again->hedge.quantile_ppm = (uint32_t)fields[2];
        again->hedge.samples_min = (uint32_t)fields[3];
        again->hedge.share_max_ppm = (uint32_t)fields[4];
        again->spec.hedge = &again->hedge;
        return true;
    case 6:
        again->vote.count = (uint32_t)fields[1];
        again->vote.quorum = (uint32_t)fields[2];
        again->vote.start = (uint32_t)fields[3];
        again->vote.distinct = (uint32_t)fields[4];
        again->vote.tie_break = (uint32_t)fields[5];
        again->vote.flags = (uint32_t)fields[6];
        again->spec.vote = &again->vote;
        return true;
    case 7:
        recovery_take(reader, again, fields);
        return true;
    case 8:
        return fallback_take(reader, again, fields);
    case 9:
        return fallback_charge_take(reader, again, fields);
    case 10:
        again->spec.task = fields[1];
        return true;
    default:
        return false;
    }
}

/* An OPEN step has one without having been given one. */
static void join_take(struct step_again *again, const uint64_t *fields) {
    if ((fields[5] & 2u) == 0) {
        again->join.need = (fields[5] & 1u) != 0 ? 0 : or_zero32(fields[0]);
        again->join.failed_max = or_zero32(fields[1]);
        again->join.garbage_max = or_zero32(fields[2]);
        again->join.flags = (uint32_t)fields[3];
        again->spec.join = &again->join;
    }
}

static void loop_take(struct step_again *again, const uint64_t *fields) {
    again->loop.iterations_max = (uint32_t)fields[0];
    again->loop.until = (uint32_t)fields[1];
    again->loop.value = (uint32_t)fields[2];
    again->spec.loop = &again->loop;
}

/* Takes an event behind a STEP into its spec. False: it is none of the step's, or says nonsense. */
static bool option_take(struct plan_reader *reader, struct step_again *again,
                        const swarm_event *event) {
    switch (event->kind) {
    case SWARM_EVENT_OPTIONS:
        options_take(again, event->field);
        return true;
    case SWARM_EVENT_ACCESS:
        return access_take(reader, again, event->field);
    case SWARM_EVENT_READ:
        reads_take(again, event->field);
        return true;
    case SWARM_EVENT_GUARD:
        return guard_take(reader, again, event->field);
    case SWARM_EVENT_JOIN_SPEC:
        join_take(again, event->field);
        return true;
    case SWARM_EVENT_SKIP_SPEC:
        again->skip.confidence_ppm = (uint32_t)event->field[0];
        again->spec.skip = &again->skip;
        return true;
    case SWARM_EVENT_LOOP_SPEC:
        loop_take(again, event->field);
        return true;
    default:
        return false;
    }
}

static void step_options(struct plan_reader *reader, struct step_again *again) {
    swarm_event event;
    size_t size;

    while (swarm__replay_peek(reader->sw, reader->at, &event, &size) &&
           option_take(reader, again, &event)) {
        reader->at += size;
    }
}

static swarm_step tracked_again_add(struct plan_reader *reader, const swarm_event *event) {
    swarm *sw = reader->sw;
    struct step_again again = {
        .spec = {.argument = event->field[2],
                 .key = event->field[3],
                 .priority = (uint32_t)event->field[4],
                 .order_key = event->field[5],
                 .estimate_ns = event->field[6],
                 .flags = (uint32_t)event->field[7] & ((1u << STEP_CAPABILITY) - 1),
                 .capability = {event->field[7] >> STEP_CAPABILITY}}};
    swarm_step_spec *spec = &again.spec;
    swarm_step step = {0};

    if (event->field[0] != 0) {
        spec->function = function_named(sw, event->field[0]);
        if (spec->function.id == 0) {
            return step;
        }
    } else if (!demand_choose(sw, reader->run, event->field[1])) {
        return step;
    } else if (sw->resume.wanted.charge.budget.id != 0) {
        spec->charge = &sw->resume.wanted.charge;
    }
    step_options(reader, &again);
    if (spec->function.id != 0) { /* it has none of these, and they are default */
        spec->queue_timeout_ns = spec->run_timeout_ns = 0;
        spec->retry.attempts_max = 0;
    }
    step = swarm_step_add(reader->plan, spec);
    if (step.id != 0) {
        uint32_t slot = swarm__graph_find(&sw->graph, step);

        sw->dispatch.tracked[tracked_of(&sw->graph, slot)].payload_size =
            (size_t)again.payload_size;
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
    bool is_plain = event->field[1] == 0;
    swarm_event rule;
    size_t size;

    if (swarm__replay_peek(reader->sw, reader->at, &rule, &size) &&
        rule.kind == SWARM_EVENT_EDGE_RULE) {
        reader->at += size;
        is_plain = false;
        spec.kind = (uint32_t)rule.field[1];
        spec.when = (uint32_t)rule.field[2];
        spec.value = (uint32_t)rule.field[3];
        spec.on_failure = (uint32_t)rule.field[4];
        spec.on_skip = (uint32_t)rule.field[5];
    }
    return swarm_edge_add_with(reader->plan, from, to, is_plain ? NULL : &spec) == SWARM_OK;
}

/* ---- the plan */

static bool again_plan_event(struct plan_reader *reader, const swarm_event *event) {
    switch (event->kind) {
    case SWARM_EVENT_NEED:
        return again_need(reader->sw, event);
    case SWARM_EVENT_CHARGE:
        return again_charge(reader->sw, event);
    case SWARM_EVENT_DEMAND:
        return again_demand(reader->sw, event);
    case SWARM_EVENT_STEP:
        return again_step(reader, event);
    case SWARM_EVENT_EDGE:
        return again_edge(reader, event);
    default:
        return false;
    }
}

/* The edge that comes next, into a step of an earlier plan: nothing counts them. */
static bool late_edge_next(const struct plan_reader *reader, swarm_event *out_event,
                           size_t *out_size) {
    return swarm__replay_peek(reader->sw, reader->at, out_event, out_size) &&
           out_event->kind == SWARM_EVENT_EDGE;
}

static bool plan_fill(struct plan_reader *reader, uint64_t edges, uint64_t repeated) {
    swarm_event event, last = {.kind = 0};
    size_t size;

    while (reader->steps < reader->count || edges != 0) {
        if (!swarm__replay_peek(reader->sw, reader->at, &event, &size)) {
            return false;
        }
        reader->at += size;
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
    while (late_edge_next(reader, &event, &size)) {
        reader->at += size;
        if (!again_edge(reader, &event)) {
            return false;
        }
    }
    return true;
}

/* Whether its steps are in the log. */
static bool plan_is_told(const swarm *sw, const swarm_event *plan, size_t at) {
    swarm_event event;
    size_t size;

    return plan->field[2] == 0 ||
           (swarm__replay_peek(sw, at, &event, &size) &&
            (event.kind == SWARM_EVENT_STEP || event.kind == SWARM_EVENT_NEED ||
             event.kind == SWARM_EVENT_CHARGE || event.kind == SWARM_EVENT_DEMAND));
}

void swarm__replay_plan(swarm *sw, uint32_t run) {
    struct resume *resume = &sw->resume;
    struct plan_reader reader = {.sw = sw, .run = run};
    size_t room = (resume->used + 3) & ~(size_t)3;
    swarm_event event;
    swarm_error error = {.text = NULL};

    if (run == NONE32 || !swarm__replay_peek(sw, 0, &event, &reader.at) || event.field[5] != 0) {
        swarm__resume_fail(sw, SWARM_E_MISMATCH, "resume: a plan of no run, or another program's");
        return;
    }
    if (room > resume->capacity || event.field[2] > (resume->capacity - room) / 4) {
        swarm__resume_fail(sw, SWARM_E_FULL, "resume: raise config.log_bytes");
        return;
    }
    if (!plan_is_told(sw, &event, reader.at)) {
        swarm__resume_fail(sw, SWARM_E_UNSUPPORTED,
                           "resume: a plan of plain call steps: open its run SWARM_RUN_DURABLE");
        return;
    }
    reader.first = event.field[1];
    reader.count = (uint32_t)event.field[2];
    reader.slots = (uint32_t *)(void *)(resume->bytes + room);
    reader.plan = swarm_plan_open(sw, run_handle(&sw->dispatch, run));
    if (!plan_fill(&reader, event.field[3], event.field[6])) {
        swarm_error why = reader.plan->graph.error;

        (void)swarm_plan_drop(reader.plan);
        swarm__resume_fail(sw, why.status == SWARM_OK ? SWARM_E_MISMATCH : why.status,
                           why.status == SWARM_OK
                               ? "resume: a plan does not fit: another function, permit or budget"
                               : why.text);
    } else if (swarm_plan_commit(reader.plan, &error) != SWARM_OK) {
        swarm__resume_fail(sw, error.status, error.text);
    }
}
