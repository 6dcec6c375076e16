/* SPDX-License-Identifier: MIT */
/*
 * test_mock_sim.c - the simulated backend under the real library, in virtual time: what it promises
 * (nothing lost, nothing lent for ever, the same again) must hold from end to end.
 */
#include "test.h"

#include "../backends/mock/swarm_mock.h"

#define SECOND ((uint64_t)1000000000)

static unsigned char memory[1u << 20];

/* A swarm with one mock and one run. */
struct scene {
    swarm *sw;
    swarm_mock *mock;
    swarm_run run;
    swarm_run_report report;
    swarm_mock_stats stats;
};

static bool scene_open(struct scene *scene, const swarm_mock_spec *spec, uint32_t agents) {
    swarm_config config = {
        .size = sizeof config, .version = SWARM_VERSION, .host = swarm_host_default()};
    swarm_profile_spec profile = {.name = "agent"};
    swarm_run_spec run = {.key = 5, .seed = 3};

    memset(scene, 0, sizeof *scene);
    scene->mock = swarm_mock_new(spec, memory, sizeof memory);
    CHECK(scene->mock != NULL);
    CHECK_EQ(swarm_new(&config, &scene->sw), SWARM_OK);
    profile.backend = swarm_backend_add(scene->sw, swarm_mock_backend(scene->mock));
    CHECK(swarm_agent_add(scene->sw, swarm_profile_add(scene->sw, &profile), agents).id != 0);
    scene->run = swarm_run_open(scene->sw, &run);
    return scene->run.id != 0;
}

/* `count` steps; each waits for the one `width` before it. */
static void scene_plan(struct scene *scene, uint32_t count, uint32_t width,
                       const swarm_step_spec *spec) {
    static swarm_step steps[4096];
    swarm_plan *plan = swarm_plan_open(scene->sw, scene->run);

    CHECK(count <= 4096);
    for (uint32_t i = 0; i < count; i++) {
        swarm_step_spec own = *spec;

        own.argument = i;
        steps[i] = swarm_step_add(plan, &own);
        if (i >= width) {
            swarm_edge_add(plan, steps[i - width], steps[i], 0);
        }
    }
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
}

static void scene_look(struct scene *scene) {
    CHECK_EQ(swarm_run_report_get(scene->sw, scene->run, &scene->report), SWARM_OK);
    CHECK_EQ(swarm_mock_stats_get(scene->mock, &scene->stats), SWARM_OK);
}

/* Drives to the end; checks what must always hold, and leaves the figures in the scene. */
static void scene_drive(struct scene *scene) {
    swarm_status status = swarm_sim_drive(scene->sw, NULL);

    if (status == SWARM_E_PAUSED) { /* without quota: it is charged, and it goes on */
        CHECK_EQ(swarm_breaker_reset(scene->sw, (swarm_backend_id){1}), SWARM_OK);
        status = swarm_sim_drive(scene->sw, NULL);
    }
    CHECK_EQ(status, SWARM_OK);
    CHECK_EQ(swarm_run_check(scene->sw, scene->run, NULL), SWARM_OK);
    scene_look(scene);
    CHECK_EQ(scene->report.ok + scene->report.failed + scene->report.timed_out +
                 scene->report.cancelled + scene->report.skipped + scene->report.budget,
             scene->report.steps);
    CHECK_EQ(scene->stats.rejected, 0);
    CHECK_EQ(scene->stats.stale, 0);
    CHECK_EQ(scene->stats.submitted,
             scene->stats.answers + scene->stats.inflight + scene->stats.lost);
    CHECK_EQ(scene->report.usage.cost_nano, scene->stats.usage.cost_nano);
    CHECK_EQ(scene->report.usage.output_tokens, scene->stats.usage.output_tokens);
}

/* Lets time pass until nothing is in flight: late answers come, what never answers is given up. */
static void scene_drain(struct scene *scene) {
    for (int i = 0; i < 1000 && swarm_drain(scene->sw) == SWARM_E_AGAIN; i++) {
        CHECK_EQ(swarm_sim_drive(scene->sw, NULL), SWARM_OK);
    }
    CHECK_EQ(swarm_drain(scene->sw), SWARM_OK);
}

/* Forgets the run and frees the swarm: all that was lent comes back. */
static void scene_close(struct scene *scene) {
    scene_drain(scene);
    CHECK_EQ(swarm_run_forget(scene->sw, scene->run), SWARM_OK);
    CHECK_EQ(swarm_sim_drive(scene->sw, NULL), SWARM_OK);
    CHECK_EQ(swarm_mock_stats_get(scene->mock, &scene->stats), SWARM_OK);
    CHECK_EQ(scene->stats.released, scene->stats.lent);
    CHECK_EQ(swarm_free(scene->sw), SWARM_OK);
}

static swarm_outcome speak(void *context, const swarm_request *request, swarm_result *out_result) {
    (void)context;
    out_result->bytes = "words";
    out_result->size = 5;
    out_result->digest = request->ordinal;
    return SWARM_OUTCOME_OK;
}

static swarm_mock_spec spec_of(const swarm_mock_model *model) {
    swarm_mock_spec spec = {
        .size = sizeof spec, .models = model, .models_count = 1, .seed = 11, .answer = speak};

    return spec;
}

static const swarm_mock_model soup = {.kind = SWARM_MOCK_LOGNORMAL,
                                      .mean_ns = 10 * SECOND,
                                      .sigma_ppm = 700000,
                                      .failure_ppm = 50000,
                                      .garbage_ppm = 20000,
                                      .throttle_ppm = 50000,
                                      .stall_ppm = 10000,
                                      .duplicate_ppm = 200000,
                                      .late_ppm = 500000,
                                      .late_ns = 3 * SECOND,
                                      .cancel_latency_ns = SECOND,
                                      .input_tokens = 1000,
                                      .output_tokens = 200,
                                      .output_sigma_ppm = 500000,
                                      .cached_ppm = 300000,
                                      .price = {1, 2, 3, 4}};
static const swarm_step_spec patient = {
    .run_timeout_ns = 60 * SECOND,
    .retry = {.attempts_max = 12, .backoff_ns = SECOND, .jitter_ppm = 200000}};

TEST(every_fault_at_once_and_all_ends_well) {
    swarm_mock_spec spec = spec_of(&soup);
    struct scene scene;

    scene_open(&scene, &spec, 30);
    scene_plan(&scene, 2000, 40, &patient);
    scene_drive(&scene);
    CHECK_EQ(scene.report.ok, 2000);
    CHECK(scene.report.retries > 100);
    CHECK(scene.stats.duplicates > 300);
    CHECK(scene.stats.stalled > 10);
    CHECK(scene.stats.lent > 2000 - 1);
    scene_close(&scene);
}

static swarm_run_report soup_report(const swarm_mock_spec *spec) {
    struct scene scene;

    scene_open(&scene, spec, 30);
    scene_plan(&scene, 500, 40, &patient);
    scene_drive(&scene);
    scene_close(&scene);
    return scene.report;
}

TEST(the_same_again) {
    swarm_mock_spec spec = spec_of(&soup);
    swarm_run_report first = soup_report(&spec), second = soup_report(&spec), third;

    CHECK(memcmp(&first, &second, sizeof first) == 0);
    CHECK(first.hash[0] != 0);
    spec.seed++;
    third = soup_report(&spec);
    CHECK(third.hash[0] != first.hash[0]);
    CHECK(third.end_ns != first.end_ns);
}

TEST(a_fault_without_effect_leaves_the_hash) {
    swarm_mock_model model = {.kind = SWARM_MOCK_EXPONENTIAL, .mean_ns = SECOND};
    swarm_mock_spec spec = spec_of(&model);
    swarm_run_report first = soup_report(&spec), second;

    model.late_ppm = 1000000; /* nothing is cancelled here */
    model.late_ns = 5;
    model.duplicate_ppm = 1000000; /* a second answer changes nothing */
    second = soup_report(&spec);
    CHECK_EQ(first.hash[0], second.hash[0]);
    CHECK_EQ(first.hash[1], second.hash[1]);
}

TEST(throttling_delays_and_costs_no_attempt) {
    const swarm_mock_model model = {.throttle_ppm = 500000, .retry_after_ns = SECOND / 10};
    const swarm_step_spec once = {.retry = {.attempts_max = 1}};
    swarm_mock_spec spec = spec_of(&model);
    struct scene scene;

    scene_open(&scene, &spec, 4);
    scene_plan(&scene, 100, 4, &once);
    scene_drive(&scene);
    CHECK_EQ(scene.report.ok, 100);
    CHECK_EQ(scene.report.retries, 0);
    CHECK(scene.stats.answers > 150);
    scene_close(&scene);
}

TEST(a_small_backend_is_waited_for) {
    const swarm_mock_model model = {.mean_ns = SECOND};
    const swarm_step_spec once = {.retry = {.attempts_max = 1}};
    swarm_mock_spec spec = spec_of(&model);

    spec.inflight_max = 2;
    for (uint32_t flags = 0; flags <= SWARM_MOCK_REFUSE; flags += SWARM_MOCK_REFUSE) {
        struct scene scene;

        spec.flags = flags;
        scene_open(&scene, &spec, 10);
        scene_plan(&scene, 20, 20, &once);
        scene_drive(&scene);
        CHECK_EQ(scene.report.ok, 20);
        CHECK_EQ(scene.report.end_ns, 10 * SECOND); /* two at a time */
        CHECK_EQ(scene.report.retries, 0);
        CHECK(scene.stats.refused > 0);
        CHECK_EQ(scene.stats.submitted, 20);
        scene_close(&scene);
    }
}

TEST(what_never_answers_is_given_up) {
    static const swarm_mock_turn turns[] = {{.flags = SWARM_MOCK_STALL | SWARM_MOCK_DEAF}};
    const swarm_step_spec twice = {.run_timeout_ns = SECOND, .retry = {.attempts_max = 2}};
    const swarm_mock_model model = {.mean_ns = SECOND / 2};
    swarm_mock_spec spec = spec_of(&model);
    struct scene scene;

    scene_open(&scene, &spec, 2);
    CHECK_EQ(swarm_mock_script(scene.mock, 5, 1, turns, 1), SWARM_OK);
    scene_plan(&scene, 4, 4, &twice);
    CHECK_EQ(swarm_sim_drive(scene.sw, NULL), SWARM_OK);
    scene_look(&scene);
    CHECK_EQ(scene.report.ok, 4);
    CHECK_EQ(scene.report.retries, 1);
    CHECK_EQ(scene.stats.lost, 1);
    scene_close(&scene);
}

TEST(late_answers_of_a_cancelled_run_are_billed) {
    const swarm_mock_model model = {
        .mean_ns = 10 * SECOND, .late_ppm = 1000000, .late_ns = SECOND, .price = {.fixed_nano = 7}};
    swarm_drive_options until = {.until_ns = 5 * SECOND};
    swarm_mock_spec spec = spec_of(&model);
    struct scene scene;

    scene_open(&scene, &spec, 3);
    scene_plan(&scene, 6, 6, &patient);
    CHECK_EQ(swarm_sim_drive(scene.sw, &until), SWARM_E_TIMED_OUT);
    CHECK_EQ(swarm_run_cancel(scene.sw, scene.run), SWARM_OK);
    scene_drain(&scene);
    scene_look(&scene);
    CHECK_EQ(scene.report.cancelled, 6);
    CHECK_EQ(scene.report.fenced, 3);
    CHECK_EQ(scene.report.usage.cost_nano, 21);
    CHECK_EQ(scene.stats.late, 3);
    scene_close(&scene);
}

TEST(any_reply_may_fail) {
    const swarm_mock_model model = {.kind = SWARM_MOCK_UNIFORM};
    const swarm_step_spec twice = {.retry = {.attempts_max = 2}};
    swarm_mock_spec spec = spec_of(&model);
    struct scene scene;
    uint64_t replies;

    scene_open(&scene, &spec, 3);
    scene_plan(&scene, 20, 4, &twice);
    scene_drive(&scene);
    scene_close(&scene);
    replies = scene.stats.answers;
    CHECK_EQ(replies, 20);
    for (swarm_outcome outcome = 1; outcome <= SWARM_OUTCOME_REFUSED; outcome++) {
        for (uint64_t i = 0; i < replies && !test_failed(); i++) {
            scene_open(&scene, &spec, 3);
            CHECK_EQ(swarm_mock_fail_nth(scene.mock, i, outcome), SWARM_OK);
            scene_plan(&scene, 20, 4, &twice);
            scene_drive(&scene);
            scene_close(&scene);
        }
    }
}

TEST(a_script_is_played_in_full) {
    static const swarm_mock_turn turns[] = {
        {.outcome = SWARM_OUTCOME_TRANSIENT, .latency_ns = SECOND},
        {.outcome = SWARM_OUTCOME_THROTTLED, .latency_ns = SECOND, .retry_after_ns = 4 * SECOND},
        {.outcome = SWARM_OUTCOME_GARBAGE, .latency_ns = SECOND},
        {.latency_ns = SECOND}};
    const swarm_step_spec three = {.retry = {.attempts_max = 3, .backoff_ns = 10 * SECOND}};
    swarm_mock_spec spec = {.size = sizeof spec};
    struct scene scene;

    scene_open(&scene, &spec, 1);
    CHECK_EQ(swarm_mock_script(scene.mock, 0, 0, turns, 4), SWARM_OK);
    scene_plan(&scene, 1, 1, &three);
    scene_drive(&scene);
    CHECK_EQ(scene.report.ok, 1);
    CHECK_EQ(scene.report.attempts, 3);
    /* 1, backoff 10, 1, throttled 4, 1, backoff 20, 1 */
    CHECK_EQ(scene.report.end_ns, 38 * SECOND);
    scene_close(&scene);
}

TEST(real_time_works_too) {
    const swarm_mock_model model = {.kind = SWARM_MOCK_UNIFORM, .mean_ns = 200000};
    swarm_mock_spec spec = spec_of(&model);
    struct scene scene;

    scene_open(&scene, &spec, 4);
    scene_plan(&scene, 12, 4, &patient);
    CHECK_EQ(swarm_drive(scene.sw, NULL), SWARM_OK);
    scene_look(&scene);
    CHECK_EQ(scene.report.ok, 12);
    CHECK_EQ(swarm_run_forget(scene.sw, scene.run), SWARM_OK);
    CHECK_EQ(swarm_drive(scene.sw, NULL), SWARM_OK);
    CHECK_EQ(swarm_free(scene.sw), SWARM_OK);
    CHECK_EQ(swarm_mock_stats_get(scene.mock, &scene.stats), SWARM_OK);
    CHECK_EQ(scene.stats.released, scene.stats.lent);
}

TEST_MAIN()
