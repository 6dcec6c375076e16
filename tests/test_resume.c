/* SPDX-License-Identifier: MIT */
/*
 * Resume: the log of a fleet is cut, fed to a new swarm, and driven on. Nothing is lost, run twice
 * or charged twice, and what comes of it is what would have come without the cut: the same log,
 * byte for byte.
 */
#include "test_resume.h"

#include "../src/base/crc32.h"

#define LAYERS 150u

static struct tape whole, tape_of_rest;
static struct world world_one;

static const struct manner manner = {.transient = 5, .throttled = 2, .terminal = 1};

/* ---- call steps */

static swarm_outcome reduce(void *context, const swarm_call *call, uint64_t *out_value) {
    uint64_t sum = call->argument;

    (void)context;
    for (uint32_t i = 0; i < call->inputs; i++) {
        swarm_result input = {0};

        CHECK_EQ(swarm_call_input(call, i, &input), SWARM_OK);
        sum = hash_mix64(sum, input.value);
    }
    *out_value = sum;
    return call->argument % 11 == 10 ? SWARM_OUTCOME_TERMINAL : SWARM_OUTCOME_OK;
}

static swarm_outcome expand(void *context, const swarm_call *call, uint64_t *out_value) {
    const struct world *world = context;
    swarm_plan *plan = swarm_call_plan(call);
    static const char *const skills[] = {"write"};
    swarm_step before = {0};

    for (uint64_t i = 0; i < 3 + call->argument % 3; i++) {
        swarm_step step = swarm_step_add(
            plan, &(swarm_step_spec){.skills = skills,
                                     .skills_count = (uint32_t)(i % 2),
                                     .argument = i,
                                     .retry = {.attempts_max = 3, .backoff_ns = 10}});

        if (before.id != 0) {
            (void)swarm_edge_add(plan, before, step, 0);
        }
        before = swarm_call_add(plan, world->reduce, i);
        (void)swarm_edge_add(plan, step, before, 0);
    }
    *out_value = call->argument;
    return SWARM_OUTCOME_OK;
}

/* ---- setup and the work */

static void world_open(struct world *world, struct tape *tape, uint64_t log_bytes) {
    const swarm_config config = {.size = sizeof config,
                                 .version = SWARM_VERSION,
                                 .host = swarm_host_default(),
                                 .log_bytes = log_bytes,
                                 .cancel_grace_ns = 300};
    const swarm_backend backend = world_backend(world);
    static const char *const skills[] = {"write", "read"};
    swarm_profile_spec profile = {.name = "both", .skills = skills, .skills_count = 2};

    memset(world, 0, offsetof(struct world, pending));
    world->tape = tape;
    world->manner = &manner;
    CHECK_EQ(swarm_new(&config, &world->sw), SWARM_OK);
    world->backend = swarm_backend_add(world->sw, &backend);
    profile.backend = world->backend;
    CHECK(swarm_agent_add(world->sw, swarm_profile_add(world->sw, &profile), 20).id != 0);
    profile.name = "plain";
    profile.skills_count = 0;
    CHECK(swarm_agent_add(world->sw, swarm_profile_add(world->sw, &profile), 10).id != 0);
    world->permit = swarm_permit_add(world->sw, "desk", 7);
    world->reduce = swarm_function_add(world->sw, "reduce", reduce, world);
    world->expand = swarm_function_add(world->sw, "expand", expand, world);
    CHECK_EQ(swarm_fault(world->sw, NULL), SWARM_OK);
}

static void layer_add(struct world *world, swarm_plan *plan, uint64_t layer, swarm_step *gate,
                      bool grows) {
    static const char *const skills[] = {"write"};
    const swarm_need need = {.permit = world->permit, .units = 2};
    swarm_step next = swarm_step_add(plan, &(swarm_step_spec){.function = world->reduce,
                                                              .argument = layer,
                                                              .key = 1000 + layer,
                                                              .flags = SWARM_STEP_INPUTS});

    for (uint64_t i = 0; i < 20; i++) {
        swarm_step_spec spec = {.argument = i, .priority = (uint32_t)(i % 3)};
        swarm_step step;

        if (i % 4 == 1) {
            spec.skills = skills;
            spec.skills_count = 1;
        }
        if (i % 5 == 2) {
            spec.needs = &need;
            spec.needs_count = 1;
            spec.queue_timeout_ns = 4000;
        }
        spec.run_timeout_ns = i % 3 == 0 ? 900 : 0;
        spec.retry = (swarm_retry){.attempts_max = 4, .backoff_ns = 20, .jitter_ppm = 500000};
        step = swarm_step_add(plan, &spec);
        if (gate->id != 0 && layer % 4 != 3) {
            CHECK_EQ(swarm_edge_add(plan, *gate, step, i % 6 == 0 ? 70 : 0), SWARM_OK);
        }
        if (i < 2) {
            CHECK_EQ(swarm_edge_add(plan, step, next, 0), SWARM_OK);
        }
        if (grows && i == 7) {
            swarm_step more = swarm_step_add(
                plan, &(swarm_step_spec){.function = world->expand, .argument = layer});

            CHECK_EQ(swarm_edge_add(plan, step, more, 0), SWARM_OK);
        }
    }
    *gate = next;
}

static void work_begin(struct world *world) {
    swarm_run_spec spec = {.key = 1, .seed = 11, .order = SWARM_ORDER_HOPS};
    swarm_run run = swarm_run_open(world->sw, &spec);
    swarm_plan *plan = swarm_plan_open(world->sw, run);
    swarm_step gate = {0};

    for (uint64_t i = 0; i < LAYERS; i++) {
        layer_add(world, plan, i, &gate, false);
    }
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    spec = (swarm_run_spec){.key = 2, .seed = 12, .flags = SWARM_RUN_GROWING};
    run = swarm_run_open(world->sw, &spec);
    plan = swarm_plan_open(world->sw, run);
    gate.id = 0;
    for (uint64_t i = 0; i < LAYERS / 4; i++) {
        layer_add(world, plan, i, &gate, true);
    }
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    CHECK_EQ(swarm_run_close(world->sw, run), SWARM_OK);
}

static swarm_run_report report_of(struct world *world, uint64_t key) {
    swarm_run run = swarm_run_find(world->sw, key);
    swarm_run_report report = {0};

    CHECK_EQ(swarm_run_report_get(world->sw, run, &report), SWARM_OK);
    CHECK_EQ(swarm_run_check(world->sw, run, NULL), SWARM_OK);
    return report;
}

static uint64_t output_of(struct world *world, uint64_t run, uint64_t key) {
    swarm_step_info info = {0};
    swarm_step step = swarm_step_find(world->sw, swarm_run_find(world->sw, run), key);

    CHECK_EQ(swarm_step_status(world->sw, step, &info), SWARM_OK);
    return hash_mix64(info.result.value, info.state);
}

static swarm_run_report reports[2];
static uint64_t outputs[LAYERS];

static void make_whole(uint64_t log_bytes) {
    struct world *world = &world_one;

    whole.size = 0;
    world_open(world, &whole, log_bytes);
    work_begin(world);
    CHECK_EQ(world_drive(world), SWARM_OK);
    reports[0] = report_of(world, 1);
    reports[1] = report_of(world, 2);
    for (uint64_t i = 0; i < LAYERS; i++) {
        outputs[i] = output_of(world, 1, 1000 + i);
    }
    world_close(world);
}

/* The second run is there and closed: the owner had done all that it does. */
static bool is_all_there(struct world *world) {
    swarm_run_report report;
    swarm_run run = swarm_run_find(world->sw, 2);

    return swarm_run_report_get(world->sw, run, &report) == SWARM_OK &&
           report.state != SWARM_RUN_OPEN;
}

/* Resumed at this boundary, the rest is what it would have been. */
static void resume_at(size_t size, uint64_t log_bytes) {
    struct world *world = &world_one;
    uint64_t good = 0;

    tape_of_rest.size = 0;
    world_open(world, &tape_of_rest, log_bytes);
    CHECK_EQ(feed(world, SWARM_RESUME, whole.bytes, size, &good), SWARM_OK);
    CHECK(good <= size);
    if (!is_all_there(world)) { /* its owner would go on with it first */
        world->tape->size = 0;
        (void)world_drive(world);
        world_close(world);
        return;
    }
    CHECK_EQ(world_drive(world), SWARM_OK);
    for (uint64_t run = 1; run <= 2; run++) {
        swarm_run_report report = report_of(world, run);

        CHECK(memcmp(&report, &reports[run - 1], sizeof report) == 0);
    }
    for (uint64_t i = 0; i < LAYERS; i++) {
        CHECK_EQ(output_of(world, 1, 1000 + i), outputs[i]);
    }
    CHECK_EQ(good + tape_of_rest.size, whole.size);
    CHECK(memcmp(tape_of_rest.bytes, whole.bytes + good, tape_of_rest.size) == 0);
    world_close(world);
}

TEST(a_whole_log_is_replayed) {
    struct world *world = &world_one;
    uint64_t good = 0;

    make_whole(0);
    world_open(world, &tape_of_rest, 0);
    CHECK_EQ(feed(world, SWARM_REPLAY, whole.bytes, whole.size, &good), SWARM_OK);
    CHECK_EQ(good, whole.size);
    for (uint64_t run = 1; run <= 2; run++) {
        swarm_run_report report = report_of(world, run);

        CHECK(memcmp(&report, &reports[run - 1], sizeof report) == 0);
    }
    CHECK_EQ(world->submits, 0);
    world_close(world);
}

/* At a sample of the boundaries; --long takes all. */
TEST(resumed_anywhere_the_rest_is_the_same) {
    size_t at = 0, frames = 0, sample = test_long ? 1 : 499;

    make_whole(0);
    CHECK(reports[0].attempts > reports[0].ok);
    CHECK(reports[0].fenced > 10);
    CHECK(reports[1].ok > 100);
    for (; at < whole.size; at += frame_size(whole.bytes + at), frames++) {
        if ((frames + test_below(3)) % sample == 0 || frames < 3) {
            resume_at(at, 0);
        }
    }
    CHECK_EQ(at, whole.size);
    CHECK(frames > 500);
    resume_at(whole.size, 0);
}

/* Small rings: rounds and plans are spread over many frames. */
TEST(resumed_with_a_small_ring) {
    size_t at = 0, frames = 0;

    make_whole(300000);
    for (; at < whole.size; at += frame_size(whole.bytes + at), frames++) {
        if (frames % 1499 == 0 || frames < 6) {
            resume_at(at, 300000);
        }
    }
}

/* Whatever is cut off, what counts ends with a frame. */
TEST(a_cut_anywhere_ends_with_a_frame) {
    struct world *world = &world_one;
    size_t boundary = 0, next = 0, from;

    make_whole(0);
    for (; next + 3000 < whole.size / 3; next += frame_size(whole.bytes + next)) {
        boundary = next;
    }
    from = boundary;
    boundary = next;
    for (size_t size = next; size < next + 400; size++) {
        uint64_t good = 0;

        if (size == boundary + frame_size(whole.bytes + boundary)) {
            boundary = size;
        }
        world_open(world, &tape_of_rest, 0);
        CHECK_EQ(feed(world, SWARM_REPLAY, whole.bytes, size, &good), SWARM_OK);
        CHECK_EQ(good, boundary);
        world_close(world);
    }
    CHECK(boundary > from);
}

/* One byte changed: what stands behind it must not be believed. */
TEST(damage_in_the_middle_is_refused_and_at_the_end_is_cut) {
    struct world *world = &world_one;
    static unsigned char copy[LOG_MAX];
    size_t last = 0;

    make_whole(0);
    for (size_t at = 0; at < whole.size; at += frame_size(whole.bytes + at)) {
        last = at;
    }
    for (uint32_t i = 0; i < 60; i++) {
        size_t at =
            i < 30 ? (size_t)test_below(last) : last + (size_t)test_below(whole.size - last);
        uint64_t good = 0;
        swarm_status status;

        memcpy(copy, whole.bytes, whole.size);
        copy[at] ^= (unsigned char)(1u << test_below(8));
        world_open(world, &tape_of_rest, 0);
        status = feed(world, SWARM_RESUME, copy, whole.size, &good);
        CHECK_EQ(status, at < last ? SWARM_E_CORRUPT : SWARM_OK);
        CHECK(good <= at);
        CHECK(at < last || good == last);
        world->tape->size = 0;
        if (status == SWARM_OK) {
            CHECK_EQ(world_drive(world), SWARM_OK);
        }
        world_close(world);
    }
}

/* Bytes that pass the checksum and say something else: a status, and nothing worse. */
TEST(sealed_nonsense_is_refused) {
    struct world *world = &world_one;
    static unsigned char copy[LOG_MAX];
    uint32_t refused = 0;

    make_whole(0);
    for (uint32_t i = 0; i < 400; i++) {
        size_t at = 0, size = 0, part = (size_t)test_below(whole.size);
        uint64_t good = 0;
        uint32_t crc;

        while (at + frame_size(whole.bytes + at) < part) {
            at += frame_size(whole.bytes + at);
        }
        if (i % 2 == 0) {
            at = 0; /* the setup and the plans */
        }
        size = frame_size(whole.bytes + at);
        memcpy(copy, whole.bytes, whole.size);
        for (uint64_t k = 0; k <= test_below(3); k++) {
            size_t place = at + HEADER + (size_t)test_below(size - HEADER);

            copy[place] = (unsigned char)(test_below(2) == 0 ? test_random() : test_below(60));
        }
        crc = crc32c(0, copy + at + 8, size - 8);
        for (uint32_t k = 0; k < 4; k++) {
            copy[at + 4 + k] = (unsigned char)(crc >> (8 * k));
        }
        world_open(world, &tape_of_rest, 0);
        refused += feed(world, SWARM_RESUME, copy, whole.size, &good) != SWARM_OK;
        world_close(world);
    }
    CHECK(refused > 300);
}

static swarm_status replayed_with(void (*change)(struct world *)) {
    struct world *world = &world_one;
    swarm_status status;
    uint64_t good;

    world_open(world, &tape_of_rest, 0);
    change(world);
    status = feed(world, SWARM_REPLAY, whole.bytes, whole.size, &good);
    world_close(world);
    return status;
}

static void change_nothing(struct world *world) {
    (void)world;
}

static void change_more(struct world *world) { /* agents that the log does not know of */
    const swarm_profile_spec profile = {.name = "more", .backend = world->backend};

    CHECK(swarm_agent_add(world->sw, swarm_profile_add(world->sw, &profile), 5).id != 0);
}

TEST(another_setup_is_a_mismatch) {
    struct world *world = &world_one;
    const swarm_config config = {
        .size = sizeof config, .version = SWARM_VERSION, .host = swarm_host_default()};
    uint64_t good;

    make_whole(0);
    CHECK_EQ(replayed_with(change_nothing), SWARM_OK);
    CHECK_EQ(replayed_with(change_more), SWARM_OK);
    world_open(world, &tape_of_rest, 0);
    CHECK(swarm_run_open(world->sw, NULL).id != 0); /* it has begun something else */
    CHECK_EQ(swarm_resume_feed(world->sw, SWARM_RESUME, whole.bytes, 100), SWARM_E_BUSY);
    world_close(world);
    CHECK_EQ(swarm_new(&config, &world->sw), SWARM_OK); /* nothing is set up */
    CHECK_EQ(feed(world, SWARM_RESUME, whole.bytes, whole.size, &good), SWARM_E_MISMATCH);
    world_close(world);
}

/* What had ended is there, and nothing is left to do. */
TEST(a_finished_run_stays_finished) {
    struct world *world = &world_one;
    uint64_t good = 0;

    make_whole(0);
    tape_of_rest.size = 0;
    world_open(world, &tape_of_rest, 0);
    CHECK_EQ(feed(world, SWARM_RESUME, whole.bytes, whole.size, &good), SWARM_OK);
    CHECK_EQ(world_drive(world), SWARM_OK);
    CHECK_EQ(world->submits, 0);
    CHECK_EQ(tape_of_rest.size, 0);
    for (uint64_t run = 1; run <= 2; run++) {
        CHECK_EQ(swarm_run_forget(world->sw, swarm_run_find(world->sw, run)), SWARM_OK);
    }
    world_close(world);
}

TEST_MAIN()
