/* SPDX-License-Identifier: MIT */
/*
 * test_resume_cut.h - every mechanism survives a resume.
 *
 * Each has a run that uses it, with what its owner does on the way; its log is cut at every frame
 * boundary, fed to a new swarm, and driven to the end, the owner going on where the log ends. The
 * rest of the log must be the same, byte for byte: so nothing is lost, done twice or charged twice.
 * What had been answered is not asked of the backend again.
 */
#ifndef SWARM_TESTS_TEST_RESUME_CUT_H
#define SWARM_TESTS_TEST_RESUME_CUT_H

#include "test_resume.h"

#define ACT_NS 400u /* the owner acts every so many ns */
#define RUNS 3u

/* What the owner does n-th, from 0, and the run; `what` says why the test would be dull. */
struct mechanism {
    const char *name;
    void (*begin)(struct world *world);
    void (*act)(struct world *world, uint32_t n);
    uint32_t acts;
    struct manner manner;
    uint64_t log_bytes;
    uint32_t seen[4]; /* kinds of events that the log must have */
};

static struct tape whole, tape_of_rest;
static struct world world_one;
static const struct mechanism *now;
static uint64_t act_frames[16];
static swarm_run_report reports[RUNS];

/* ---- the world */

static inline swarm_outcome reduce(void *context, const swarm_call *call, uint64_t *out_value) {
    uint64_t sum = call->argument;

    (void)context;
    for (uint32_t i = 0; i < call->inputs; i++) {
        swarm_result input = {0};

        if (swarm_call_input(call, i, &input) == SWARM_OK) {
            sum = hash_mix64(sum, input.value);
        }
    }
    *out_value = sum;
    return SWARM_OUTCOME_OK;
}

/* Adds agent steps that charge what the run says, and a continuation in a loop. */
static inline swarm_outcome expand(void *context, const swarm_call *call, uint64_t *out_value) {
    const struct world *world = context;
    swarm_plan *plan = swarm_call_plan(call);
    swarm_step last = swarm_step_add(
        plan, &(swarm_step_spec){.function = world->reduce, .flags = SWARM_STEP_INPUTS});

    for (uint64_t i = 0; i < 3; i++) {
        swarm_step step = swarm_step_add(
            plan, &(swarm_step_spec){.argument = i, .retry = {.attempts_max = 3, .backoff_ns = 9}});

        (void)swarm_edge_add(plan, step, last, 0);
    }
    if (call->iteration != 0) {
        (void)swarm_plan_continue(plan, last);
    }
    *out_value = call->argument;
    return SWARM_OUTCOME_OK;
}

/* Adds plain call steps, more and more of them. */
static inline swarm_outcome spread(void *context, const swarm_call *call, uint64_t *out_value) {
    swarm_function *functions = context;
    swarm_plan *plan = call->argument == 0 ? NULL : swarm_call_plan(call);

    for (uint64_t i = 0; i < 3 && plan != NULL; i++) {
        (void)swarm_call_add(plan, functions[0], call->argument - 1);
    }
    *out_value = call->argument;
    return SWARM_OUTCOME_OK;
}

/* Reads two keys and writes one. */
static inline swarm_outcome touch(void *context, const swarm_call *call, uint64_t *out_value) {
    swarm_state_value value = {0};
    swarm_effect put = {.kind = SWARM_EFFECT_PUT, .key = 2};

    (void)context;
    CHECK_EQ(swarm_state_input(call->sw, call->step, 0, &value), SWARM_OK);
    put.value = value.value + call->argument;
    CHECK_EQ(swarm_call_effects(call, &put, 1), SWARM_OK);
    *out_value = put.value;
    return SWARM_OUTCOME_OK;
}

static swarm_function touch_function, spread_function, durable_function;
static swarm_tenant tenants[2];
static swarm_agent agents;

static inline void limit_more(struct world *world) {
    const swarm_limit_spec spec = {.name = "tpm",
                                   .backend = world->backend,
                                   .units = 100,
                                   .period_ns = 1000,
                                   .burst = 300,
                                   .measure = SWARM_MEASURE_OUTPUT};

    CHECK(swarm_limit_add(world->sw, &spec).id != 0);
}

static inline void world_limits(struct world *world, uint32_t acts) {
    const swarm_limit_spec rate = {
        .name = "rpm", .backend = world->backend, .units = 40, .period_ns = 1000, .burst = 5};
    const swarm_limit_spec desk = {.name = "desk", .capacity = 4, .bypass_max = 3};

    CHECK(swarm_limit_add(world->sw, &rate).id != 0);
    world->permit = swarm_limit_add(world->sw, &desk);
    if (acts > 1) {
        limit_more(world);
    }
}

/* `acts`: what its owner has set up before the cut, he sets up again. */
static inline void world_open(struct world *world, struct tape *tape, uint32_t acts) {
    const swarm_config config = {.size = sizeof config,
                                 .version = SWARM_VERSION,
                                 .host = swarm_host_default(),
                                 .log_bytes = now->log_bytes,
                                 .flags = SWARM_CONFIG_LATE_EDGES,
                                 .steps_max = 2048,
                                 .cancel_grace_ns = 300};
    const swarm_backend backend = world_backend(world);
    static const char *const skills[] = {"write"};
    const swarm_price dear = {.output_nano = 9}, cheap = {.output_nano = 7};
    swarm_profile_spec profile = {.name = "able", .skills = skills, .skills_count = 1};

    memset(world, 0, offsetof(struct world, pending));
    world->tape = tape;
    world->manner = &now->manner;
    CHECK_EQ(swarm_new(&config, &world->sw), SWARM_OK);
    world->backend = swarm_backend_add(world->sw, &backend);
    profile.backend = world->backend;
    profile.price = &dear;
    agents = swarm_agent_add(world->sw, swarm_profile_add(world->sw, &profile), 4);
    profile = (swarm_profile_spec){.name = "plain", .backend = world->backend, .price = &cheap};
    profile.notebook_tokens_max = 60;
    CHECK(swarm_agent_add(world->sw, swarm_profile_add(world->sw, &profile), 4).id != 0);
    world->reduce = swarm_function_add(world->sw, "reduce", reduce, world);
    world->expand = swarm_function_add(world->sw, "expand", expand, world);
    touch_function = swarm_function_add(world->sw, "touch", touch, NULL);
    spread_function = swarm_function_add(world->sw, "spread", spread, &spread_function);
    durable_function = swarm_function_add(world->sw, "reduce too", reduce, NULL);
    for (uint32_t i = 0; i < 2; i++) {
        const swarm_tenant_spec tenant = {
            .name = i == 0 ? "one" : "two", .weight = 1 + 2 * i, .runs = i};

        tenants[i].id = 0;
        if (strcmp(now->name, "tenants") == 0) {
            tenants[i] = swarm_tenant_add(world->sw, &tenant);
        }
    }
    if (strcmp(now->name, "limits") == 0) {
        world_limits(world, acts);
    }
    CHECK_EQ(swarm_fault(world->sw, NULL), SWARM_OK);
}

/* ---- whole, and cut */

/* Drives, the owner acting at its times; OK or what else the end of it is. */
static inline swarm_status run_from(struct world *world, uint32_t act, uint64_t *frames) {
    for (uint32_t n = act; n < now->acts; n++) {
        (void)world_drive_until(world, (n + 1) * (uint64_t)ACT_NS);
        if (frames != NULL) {
            frames[n] = world->frames + 1; /* what it does stands in the next one */
        }
        now->act(world, n);
    }
    return world_drive(world);
}

static inline swarm_run_report report_of(struct world *world, uint64_t key) {
    swarm_run_report report = {0};
    swarm_run run = swarm_run_find(world->sw, key);

    if (run.id != 0) {
        CHECK_EQ(swarm_run_report_get(world->sw, run, &report), SWARM_OK);
        CHECK_EQ(report.state, SWARM_RUN_ENDED);
    }
    return report;
}

static inline bool tape_has(const struct tape *tape, uint32_t kind) {
    swarm_log_cursor cursor = {0};
    swarm_event event = {0};

    while (swarm_event_next(tape->bytes, tape->size, &cursor, &event) == SWARM_OK) {
        if (event.kind == kind) {
            return true;
        }
    }
    return kind == 0;
}

/* The frame of the first round: before it the owner was still setting up. */
static inline uint64_t frame_of_round(void) {
    swarm_log_cursor cursor = {0};
    swarm_event event = {0};

    while (swarm_event_next(whole.bytes, whole.size, &cursor, &event) == SWARM_OK &&
           event.kind != SWARM_EVENT_ROUND) {
    }
    return event.frame;
}

static inline void make_whole(void) {
    struct world *world = &world_one;

    whole.size = 0;
    world_open(world, &whole, 0);
    now->begin(world);
    CHECK_EQ(swarm_fault(world->sw, NULL), SWARM_OK);
    CHECK_EQ(run_from(world, 0, act_frames), SWARM_OK);
    for (uint32_t i = 0; i < RUNS; i++) {
        reports[i] = report_of(world, i + 1);
    }
    for (uint32_t i = 0; i < 4; i++) {
        if (!tape_has(&whole, now->seen[i])) {
            printf("# %s: no event %s\n", now->name, swarm_event_text(now->seen[i]));
            CHECK(false);
        }
    }
    world_close(world);
}

/* Attempts in flight at the cut, which are handed out again: started, less answered or settled. */
static inline uint64_t in_flight(size_t size, uint64_t *out_now) {
    swarm_log_cursor cursor = {0};
    swarm_event event;
    uint64_t count = 0;

    *out_now = 0;
    while (swarm_event_next(whole.bytes, size, &cursor, &event) == SWARM_OK) {
        count += event.kind == SWARM_EVENT_START;
        count -= event.kind == SWARM_EVENT_DONE || event.kind == SWARM_EVENT_FENCED;
        *out_now = event.now_ns;
    }
    return count;
}

static inline uint64_t starts(const struct tape *tape, size_t from) {
    swarm_log_cursor cursor = {0};
    swarm_event event;
    uint64_t count = 0;

    while (swarm_event_next(tape->bytes, tape->size, &cursor, &event) == SWARM_OK) {
        count += event.kind == SWARM_EVENT_START && cursor.offset > from;
    }
    return count;
}

/* Where the rest of the log is another one. */
static inline void show_difference(size_t good) {
    swarm_log_cursor cursor = {0};
    swarm_event event = {0};
    size_t at = 0;

    while (at < tape_of_rest.size && tape_of_rest.bytes[at] == whole.bytes[good + at]) {
        at++;
    }
    while (swarm_event_next(whole.bytes, whole.size, &cursor, &event) == SWARM_OK &&
           cursor.offset <= good + at) {
    }
    printf("# %s: another %s of step %lld in frame %llu\n", now->name, swarm_event_text(event.kind),
           (long long)event.step, (unsigned long long)event.frame);
}

/* Whether what stands behind the cut was not of the round before it. */
static inline bool is_between_rounds(size_t size) {
    swarm_log_cursor cursor = {0};
    swarm_event event = {0};

    while (swarm_event_next(whole.bytes, whole.size, &cursor, &event) == SWARM_OK &&
           cursor.offset <= size) {
    }
    switch (event.kind) {
    case SWARM_EVENT_ROUND:
    case SWARM_EVENT_RUN_OPEN:
    case SWARM_EVENT_BUDGET:
    case SWARM_EVENT_BUDGET_LIMIT:
    case SWARM_EVENT_BUDGET_CLOSE:
    case SWARM_EVENT_STATE_BRANCH:
        return true;
    case SWARM_EVENT_PLAN:
        return event.field[5] == 0;
    case SWARM_EVENT_SKIP:
        return event.field[0] == 2;
    case SWARM_EVENT_PUT:
        return event.step == SWARM_NEVER;
    default:
        return cursor.offset <= size;
    }
}

static inline void check_same(size_t good) {
    for (uint32_t i = 0; i < RUNS; i++) {
        swarm_run_report report = report_of(&world_one, i + 1);

        CHECK(memcmp(&report, &reports[i], sizeof report) == 0);
    }
    CHECK_EQ(good + tape_of_rest.size, whole.size);
    CHECK(memcmp(tape_of_rest.bytes, whole.bytes + good, tape_of_rest.size) == 0);
    if (test_failed()) {
        show_difference(good);
    }
}

static inline void resume_at(size_t size, uint64_t frames) {
    struct world *world = &world_one;
    uint64_t good = 0, flying;
    uint32_t act = 0;

    tape_of_rest.size = 0;
    while (act < now->acts && act_frames[act] <= frames) {
        act++;
    }
    world_open(world, &tape_of_rest, act);
    flying = in_flight(size, &world->began_ns);
    if (feed(world, SWARM_RESUME, whole.bytes, size, &good) != SWARM_OK) {
        swarm_error error = {0};

        CHECK(swarm_fault(world->sw, &error) != SWARM_OK);
        printf("# %s, %zu: %s, frame %u, event %s of step %lld\n", now->name, size, error.text,
               error.index, swarm_event_text((uint32_t)error.other), (long long)error.step);
        CHECK(false);
        world_close(world);
        return;
    }
    CHECK(good <= size);
    if (frames < frame_of_round()) {
        world_close(world);
        return;
    }
    CHECK_EQ(good, size);
    CHECK_EQ(run_from(world, act, NULL), SWARM_OK);
    if (is_between_rounds(size)) {
        check_same((size_t)good);
    }
    for (uint32_t i = 0; i < RUNS; i++) { /* what the rest of a round brought may come later */
        CHECK_EQ(report_of(world, i + 1).steps, reports[i].steps);
    }
    CHECK(world->submits <= flying + starts(&whole, good));
    world_close(world);
}

static inline void survive(const struct mechanism *mechanism) {
    uint64_t frames = 0, good = 0;
    struct world *world = &world_one;

    now = mechanism;
    make_whole();
    if (test_failed()) {
        printf("# %s: not even whole\n", now->name);
        return;
    }
    for (size_t at = 0; at < whole.size && !test_failed(); frames++) {
        if (at != 0) {
            resume_at(at, frames);
            if (test_failed()) {
                printf("# %s: cut behind frame %u\n", now->name, (unsigned)frames);
            }
        }
        at += frame_size(whole.bytes + at);
    }
    world_open(world, &tape_of_rest, now->acts);
    CHECK_EQ(feed(world, SWARM_REPLAY, whole.bytes, whole.size, &good), SWARM_OK);
    CHECK_EQ(good, whole.size);
    world_close(world);
    CHECK(frames >= 5);
}

/* ---- plans */

static inline swarm_plan *open_run(struct world *world, uint64_t key, uint32_t flags) {
    const swarm_run_spec spec = {.key = key, .seed = 70 + key, .flags = flags};

    return swarm_plan_open(world->sw, swarm_run_open(world->sw, &spec));
}

static inline swarm_step agent_step(swarm_plan *plan, uint64_t argument) {
    return swarm_step_add(plan, &(swarm_step_spec){.argument = argument,
                                                   .key = 100 + argument,
                                                   .retry = {.attempts_max = 4, .backoff_ns = 20}});
}

static inline void commit(swarm_plan *plan) {
    swarm_error error = {0};

    CHECK_EQ(swarm_plan_commit(plan, &error), SWARM_OK);
    if (error.status != SWARM_OK) {
        printf("# %s\n", error.text);
    }
}

static inline swarm_step find(struct world *world, uint64_t run, uint64_t argument) {
    return swarm_step_find(world->sw, swarm_run_find(world->sw, run), 100 + argument);
}

static inline void sure(const swarm_request *request, swarm_completion *completion) {
    completion->result.confidence_ppm = (uint32_t)drawn(request, 9, 1000001);
    completion->result.digest = 1 + drawn(request, 10, 2);
}

#endif
