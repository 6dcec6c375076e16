/* SPDX-License-Identifier: MIT */
/*
 * Random plans with random faults against a naive model. The model knows the plan and sees only
 * requests, answers and the states at the end; it does not know how dispatch works:
 *   - no START of a step before all its predecessors have ended OK and their delays have passed;
 *   - never more in flight than agents, permits and the run allow; a START fits its skills;
 *   - attempts are numbered from 1, with rising epochs, and each is answered or fenced once;
 *   - every step ends in exactly one terminal state, with a reason, and the six counts add up;
 *   - a step is SKIPPED only if a predecessor did not end OK, and OK only if all did;
 *   - all bytes that were lent come back once.
 * Seeds: RANDOM_SEEDS by default, ten times as many with --long.
 */
#include "test_dispatch.h"

#define RANDOM_SEEDS 400u
#define STEPS_MAX 60u
#define EDGES_MAX 200u
#define FLIGHT_MAX 64u

static uint64_t chaos_seed, chaos_draws;

static uint64_t below(uint64_t bound) {
    return random_below(random_draw(chaos_seed, 1, chaos_draws++), bound);
}

static bool chance(uint32_t percent) {
    return below(100) < percent;
}

struct model_edge {
    uint32_t from, to;
    uint64_t delay_ns;
    bool timed;
};

struct model_step {
    swarm_step handle;
    uint64_t end_ns; /* when it was answered OK */
    uint32_t skill;  /* 0: none */
    uint32_t units;  /* of the permit */
    uint32_t number, epoch;
    uint32_t starts;
    bool is_call, ran, ok, detached, forgotten;
};

struct flight {
    swarm_attempt attempt;
    uint32_t step;
    uint64_t agent;
    uint32_t units;
    uint64_t until_ns; /* given up: when the grace is over */
    bool cancelled;    /* a CANCEL was seen: given up */
    bool silent;       /* will never be answered */
};

struct model {
    struct rig *rig;
    swarm_run run;
    swarm_run_spec spec;
    swarm_function function;
    struct model_step steps[STEPS_MAX];
    struct model_edge edges[EDGES_MAX];
    struct flight flights[FLIGHT_MAX];
    uint32_t steps_count, edges_count, flights_count;
    uint32_t agents, permits, faults; /* faults: percent */
    uint32_t lent, released, seen;
    uint64_t usage, grace_ns;
    bool cancelled; /* some cancel was posted */
};

static struct model model;
static char bytes[1];
static const char *const skills[] = {"none", "write", "paint"};

static swarm_outcome model_call(void *context, const swarm_call *call, uint64_t *out_value) {
    struct model_step *step = &model.steps[call->argument];

    (void)context;
    CHECK(step->is_call);
    CHECK(!step->ran); /* each step once */
    step->ran = true;
    for (uint32_t i = 0; i < model.edges_count; i++) {
        if (model.edges[i].to == call->argument) {
            CHECK(model.steps[model.edges[i].from].ok);
        }
    }
    *out_value = call->argument;
    step->ok = !(model.faults != 0 && chance(model.faults / 2));
    step->end_ns = model.rig->now_ns;
    return step->ok ? SWARM_OUTCOME_OK : SWARM_OUTCOME_TERMINAL;
}

/* ---- making it */

static void model_setup(void) {
    static const uint32_t faults[] = {0, 5, 30};
    swarm_config config = {.cancel_grace_ns = 1 + below(300), .inflight_max = FLIGHT_MAX};
    swarm_profile_spec spec = {0};

    memset(&model, 0, sizeof model);
    config.log_bytes = chance(50) ? 32768 : chance(50) ? SWARM_NEVER : 0;
    model.grace_ns = config.cancel_grace_ns;
    model.agents = 1 + (uint32_t)below(6);
    model.permits = 1 + (uint32_t)below(4);
    model.faults = faults[below(3)];
    model.rig = rig_new(&config, model.agents);
    (void)swarm_permit_add(model.rig->sw, "permit", model.permits);
    spec.name = "skilled";
    spec.skills = &skills[1];
    spec.skills_count = 1;
    spec.backend = model.rig->backend;
    CHECK(swarm_agent_add(model.rig->sw, swarm_profile_add(model.rig->sw, &spec), 2).id != 0);
    model.function = swarm_function_add(model.rig->sw, "call", model_call, NULL);
    model.spec.order = (uint32_t)below(6);
    model.spec.flags = chance(50) ? SWARM_RUN_GROWING : 0;
    model.spec.inflight_max = chance(30) ? 1 + (uint32_t)below(3) : 0;
    model.spec.seed = chaos_seed;
}

static swarm_step model_add(swarm_plan *plan, uint32_t index) {
    struct model_step *step = &model.steps[index];
    const swarm_need need = {{1}, 1 + below(model.permits)};
    swarm_step_spec spec = {.argument = index,
                            .order_key = below(5),
                            .estimate_ns = below(100),
                            .priority = (uint32_t)below(3)};

    step->is_call = chance(30);
    step->detached = model.spec.flags != 0 && chance(20);
    spec.flags = step->detached ? SWARM_STEP_DETACHED : 0;
    if (step->is_call) {
        spec.function = model.function;
        return swarm_step_add(plan, &spec);
    }
    spec.retry.attempts_max = 1 + (uint32_t)below(4);
    spec.retry.backoff_ns = chance(30) ? SWARM_ZERO : 1 + below(50);
    spec.retry.jitter_ppm = (uint32_t)below(1000000);
    spec.queue_timeout_ns = chance(10) ? 1 + below(200) : 0;
    spec.run_timeout_ns = model.faults != 0 || chance(10) ? 1 + below(300) : 0;
    step->skill = chance(20) ? 1 : model.faults != 0 && chance(3) ? 2 : 0;
    if (step->skill != 0) {
        spec.skills = &skills[step->skill];
        spec.skills_count = 1;
    }
    if (chance(25)) {
        step->units = (uint32_t)need.units;
        spec.needs = &need;
        spec.needs_count = 1;
    }
    return swarm_step_add(plan, &spec);
}

static void model_edge_add(swarm_plan *plan, uint32_t from, uint32_t to) {
    struct model_edge *edge = &model.edges[model.edges_count];
    bool timed = chance(25);
    uint64_t delay_ns = timed ? below(60) : 0;

    if (model.edges_count == EDGES_MAX || model.steps[from].handle.id == 0) {
        return;
    }
    CHECK_EQ(swarm_edge_add(plan, model.steps[from].handle, model.steps[to].handle,
                            !timed          ? 0
                            : delay_ns == 0 ? SWARM_ZERO
                                            : delay_ns),
             SWARM_OK);
    edge->from = from;
    edge->to = to;
    edge->delay_ns = delay_ns;
    edge->timed = timed;
    model.edges_count++;
}

/* Steps from the model's count up to `count`; edges from any older or own one that still has a
 * handle. */
static void model_grow(uint32_t count) {
    swarm_plan *plan = swarm_plan_open(model.rig->sw, model.run);
    uint32_t first = model.steps_count;
    swarm_status status;

    for (uint32_t i = first; i < count; i++) {
        model.steps[i].handle = model_add(plan, i);
        CHECK(model.steps[i].handle.id != 0);
        for (uint32_t k = (uint32_t)below(4); i != 0 && k != 0; k--) {
            model_edge_add(plan, (uint32_t)below(i), i);
        }
    }
    model.steps_count = count;
    status = swarm_plan_commit(plan, NULL);
    while (status == SWARM_E_AGAIN) {
        CHECK(rig_read(model.rig));
        status = swarm_plan_commit(plan, NULL);
    }
    CHECK_EQ(status, SWARM_OK);
    for (uint32_t i = 0; i < count; i++) { /* handles that the next plan may not use */
        if (model.steps[i].detached) {
            model.steps[i].handle.id = 0;
        }
    }
}

/* ---- watching it */

static void check_start(const swarm_request *request) {
    struct model_step *step = &model.steps[request->ordinal];
    uint64_t now_ns = model.rig->now_ns;

    CHECK(request->ordinal < model.steps_count);
    CHECK_EQ(request->argument, request->ordinal);
    CHECK(!step->is_call && !step->ok);
    CHECK(request->number == step->number || request->number == step->number + 1);
    CHECK(step->starts == 0 || request->number > step->number || request->epoch > step->epoch);
    CHECK(step->skill == 0 || request->agent.id > model.agents);
    CHECK(step->skill != 2);
    step->number = request->number;
    step->epoch = request->epoch;
    step->starts++;
    for (uint32_t i = 0; i < model.edges_count; i++) {
        const struct model_edge *edge = &model.edges[i];

        if (edge->to == request->ordinal) {
            CHECK(model.steps[edge->from].ok);
            CHECK(now_ns >= model.steps[edge->from].end_ns + edge->delay_ns);
        }
    }
}

static void check_flight(void) {
    uint32_t units = 0, open = 0;

    for (uint32_t i = 0; i < model.flights_count; i++) {
        units += model.flights[i].units;
        open += !model.flights[i].cancelled;
        for (uint32_t k = 0; k < i; k++) {
            CHECK(model.flights[i].agent != model.flights[k].agent); /* one at a time each */
        }
    }
    CHECK(units <= model.permits);
    CHECK(model.spec.inflight_max == 0 || open <= model.spec.inflight_max);
}

static struct flight *flight_of(swarm_attempt attempt) {
    for (uint32_t i = 0; i < model.flights_count; i++) {
        if (model.flights[i].attempt.id == attempt.id) {
            return &model.flights[i];
        }
    }
    return NULL;
}

static void flight_drop(struct flight *flight) {
    *flight = model.flights[--model.flights_count];
}

/* Attempts that were given up and whose grace is over hold nothing any more. */
static void flights_expire(void) {
    for (uint32_t i = model.flights_count; i-- != 0;) {
        struct flight *flight = &model.flights[i];

        if (flight->cancelled && flight->until_ns <= model.rig->now_ns) {
            flight_drop(flight);
        }
    }
}

static void watch_one(const swarm_request *request) {
    struct flight *flight = flight_of(request->attempt);

    switch (request->kind) {
    case SWARM_REQUEST_START:
        CHECK(flight == NULL);
        check_start(request);
        CHECK(model.flights_count < FLIGHT_MAX);
        flight = &model.flights[model.flights_count++];
        flight->attempt = request->attempt;
        flight->step = (uint32_t)request->ordinal;
        flight->agent = request->agent.id;
        flight->units = model.steps[request->ordinal].units;
        flight->cancelled = false;
        flight->silent = model.faults != 0 && chance(5);
        break;
    case SWARM_REQUEST_CANCEL:
        CHECK(flight == NULL || !flight->cancelled);
        if (flight != NULL) {
            flight->cancelled = true;
            flight->until_ns = model.rig->now_ns + model.grace_ns;
        }
        break;
    default:
        CHECK(request->result.bytes == bytes);
        model.released++;
        break;
    }
}

/* ---- playing it */

static swarm_outcome draw_outcome(void) {
    return model.faults == 0 || !chance(model.faults) ? SWARM_OUTCOME_OK : (swarm_outcome)below(10);
}

static void answer_one(uint32_t index) {
    struct flight flight = model.flights[index];
    struct model_step *step = &model.steps[flight.step];
    swarm_completion completion = {
        .attempt = flight.attempt, .outcome = draw_outcome(), .usage = {.cost_nano = 1}};

    if (completion.outcome >= SWARM_OUTCOME_REFUSED ||
        completion.outcome == SWARM_OUTCOME_THROTTLED) {
        completion.until_ns = model.rig->now_ns + 1 + below(40);
    } else if (chance(30)) {
        completion.result.bytes = bytes;
        completion.result.size = 1;
        model.lent++;
    }
    CHECK_EQ(swarm_complete(model.rig->sw, &completion), SWARM_OK);
    CHECK_EQ(swarm_complete(model.rig->sw, &completion), SWARM_E_DUPLICATE);
    model.usage++;
    if (completion.outcome == SWARM_OUTCOME_OK && !flight.cancelled) {
        CHECK(!step->ok);
        step->ok = true;
        step->end_ns = model.rig->now_ns;
    }
    flight_drop(&model.flights[index]);
}

static void cancel_something(void) {
    swarm_step step = model.steps[below(model.steps_count)].handle;
    swarm_status status = SWARM_OK;

    model.cancelled = true;
    switch (below(8)) {
    case 0:
        status = swarm_run_cancel(model.rig->sw, model.run);
        break;
    case 1:
    case 2:
        status = swarm_agent_cancel(model.rig->sw, (swarm_agent){1 + below(model.agents)});
        break;
    default:
        if (step.id != 0) {
            status = swarm_step_cancel(model.rig->sw, step);
        }
        break;
    }
    CHECK_EQ(status, SWARM_OK);
}

static void watch(void) {
    rig_settle(model.rig);
    for (; model.seen < model.rig->count; model.seen++) {
        const swarm_request *request = &model.rig->requests[model.seen];

        watch_one(request);
    }
    flights_expire();
    check_flight();
}

/* One moment: some answers, perhaps a cancel, perhaps more steps; then all that follows. */
static void moment(uint32_t steps) {
    uint64_t next = swarm_next_deadline(model.rig->sw);
    uint64_t step_ns = 1 + below(30);

    for (uint32_t i = model.flights_count; i-- != 0;) {
        if (!model.flights[i].silent && chance(40)) {
            answer_one(i);
        }
    }
    if (model.faults > 5 && model.steps_count != 0 && chance(5)) {
        cancel_something();
    }
    watch();
    if (steps > model.steps_count && chance(40) &&
        rig_report(model.rig, model.run).state == SWARM_RUN_OPEN) {
        uint64_t more = 1 + below(8);

        model_grow(model.steps_count + more < steps ? model.steps_count + (uint32_t)more : steps);
    }
    watch();
    next = swarm_next_deadline(model.rig->sw);
    next = next > model.rig->now_ns && next < model.rig->now_ns + step_ns
               ? next
               : model.rig->now_ns + step_ns;
    model.rig->now_ns = next;
}

/* ---- the end */

static void check_step(uint32_t index) {
    const struct model_step *step = &model.steps[index];
    swarm_step_info info;
    bool all_ok = true;

    if (step->handle.id == 0) {
        return;
    }
    info = rig_info(model.rig, step->handle);
    for (uint32_t i = 0; i < model.edges_count; i++) {
        all_ok = all_ok && (model.edges[i].to != index || model.steps[model.edges[i].from].ok);
    }
    CHECK(info.state >= SWARM_STEP_OK);
    CHECK_EQ(info.ordinal, index);
    CHECK_EQ(info.state == SWARM_STEP_OK, step->ok);
    CHECK(info.state != SWARM_STEP_OK || all_ok);
    CHECK(info.state != SWARM_STEP_SKIPPED || !all_ok);
    CHECK(info.state != SWARM_STEP_CANCELLED || model.cancelled || model.faults != 0);
    CHECK_EQ(info.reason != SWARM_OK,
             info.state != SWARM_STEP_OK && info.state != SWARM_STEP_CANCELLED);
    CHECK(all_ok || !step->ran);
}

static void check_end(void) {
    swarm_run_report report = rig_report(model.rig, model.run);
    swarm_stats stats;

    rig_check_run(model.rig, model.run);
    CHECK_EQ(report.steps, model.steps_count);
    CHECK_EQ(report.edges + report.edges_repeated, model.edges_count);
    CHECK_EQ(report.usage.cost_nano, model.usage);
    if (model.faults == 0) {
        CHECK_EQ(report.failed + report.cancelled, 0);
    }
    for (uint32_t i = 0; i < model.steps_count; i++) {
        check_step(i);
    }
    CHECK_EQ(swarm_run_forget(model.rig->sw, model.run), SWARM_OK);
    watch();
    CHECK_EQ(model.released, model.lent);
    CHECK_EQ(swarm_stats_get(model.rig->sw, &stats), SWARM_OK);
    CHECK_EQ(stats.steps_live, 0);
    CHECK_EQ(stats.inflight, 0);
    CHECK_EQ(stats.ready, 0);
    CHECK_EQ(stats.log_pending, 0);
    rig_free(model.rig);
}

static void one_seed(uint64_t seed) {
    uint32_t steps, moments = 0;

    chaos_seed = seed;
    chaos_draws = 0;
    model_setup();
    steps = 1 + (uint32_t)below(STEPS_MAX);
    model.run = swarm_run_open(model.rig->sw, &model.spec);
    model_grow(model.spec.flags == 0 ? steps : (uint32_t)below(steps + 1));
    while (moments++ < 20000) {
        bool open = rig_report(model.rig, model.run).state == SWARM_RUN_OPEN;

        if (open && model.steps_count == steps) {
            CHECK_EQ(swarm_run_close(model.rig->sw, model.run), SWARM_OK);
        }
        if (rig_report(model.rig, model.run).state == SWARM_RUN_ENDED && model.flights_count == 0) {
            break;
        }
        moment(steps);
        if (moments % 16 == 0) { /* quota comes back */
            (void)swarm_breaker_reset(model.rig->sw, model.rig->backend);
        }
        if (moments > 300) { /* faults stop: what is healthy must end */
            model.faults = 0;
            for (uint32_t i = 0; i < model.flights_count; i++) {
                model.flights[i].silent = false;
            }
        }
        if (test_failed()) {
            break;
        }
    }
    CHECK(moments < 20000);
    if (moments > 300) {
        model.faults = 1; /* there were some */
    }
    if (!test_failed()) {
        watch();
        check_end();
    }
}

TEST(random_plans_with_random_faults) {
    uint64_t seeds = test_long ? 10 * RANDOM_SEEDS : RANDOM_SEEDS;

    for (uint64_t seed = 0; seed < seeds && !test_failed(); seed++) {
        one_seed(test_seed * 1000003 + seed);
        if (test_failed()) {
            printf("# seed %" PRIu64 " of --seed %" PRIu64 "\n", seed, test_seed);
        }
    }
}

TEST_MAIN()
