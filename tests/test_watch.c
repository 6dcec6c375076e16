/* SPDX-License-Identifier: MIT */
/*
 * test_watch.c - progress of attempts and the detectors that feed on it (M19, X7).
 */
#include "test_events.h"

#include "crew.h"

/* A run of one step with this watch; `agents` agents. */
static struct rig *watched(const swarm_step_spec *spec, swarm_step *out_step, swarm_run *out_run) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_plan *plan = rig_plan(rig, NULL, out_run);

    *out_step = swarm_step_add(plan, spec);
    rig_commit(plan);
    rig_at(rig, 0);
    return rig;
}

static swarm_attempt attempt_of(const struct rig *rig, uint64_t ordinal) {
    const swarm_request *start = rig_start_of(rig, ordinal);
    const swarm_attempt none = {0};

    CHECK(start != NULL);
    return start == NULL ? none : start->attempt;
}

static void beat(struct rig *rig, uint64_t now_ns, uint64_t bytes, uint64_t tokens) {
    CHECK_EQ(swarm_progress(rig->sw, attempt_of(rig, 0), bytes, tokens, 0), SWARM_OK);
    rig_at(rig, now_ns);
}

static void check_detect(const struct rig *rig, uint32_t detector, uint64_t threshold,
                         uint64_t observed, uint32_t action) {
    swarm_event event = event_last(rig, SWARM_EVENT_DETECT, 0);

    CHECK_EQ(event.field[0], detector);
    CHECK_EQ(event.field[1], threshold);
    CHECK_EQ(event.field[2], observed);
    CHECK_EQ(event.field[3], action);
}

static void end(struct rig *rig, swarm_run run, swarm_step step, uint32_t state) {
    CHECK_EQ(rig_state(rig, step), state);
    rig_finish(rig);
    rig_at(rig, rig->now_ns + 100 * SECOND);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(progress_is_taken_only_from_attempts_in_flight) {
    swarm_run run;
    swarm_step step;
    struct rig *rig = watched(NULL, &step, &run);
    swarm_attempt attempt = attempt_of(rig, 0), bad = {attempt.id ^ (UINT64_C(1) << 32)};

    CHECK_EQ(swarm_progress(NULL, attempt, 1, 1, 1), SWARM_E_INVALID);
    CHECK_EQ(swarm_progress(rig->sw, (swarm_attempt){0}, 1, 1, 1), SWARM_E_STALE);
    CHECK_EQ(swarm_progress(rig->sw, bad, 1, 1, 1), SWARM_E_STALE);
    CHECK_EQ(swarm_progress(rig->sw, (swarm_attempt){UINT64_MAX}, 1, 1, 1), SWARM_E_STALE);
    CHECK_EQ(swarm_progress(rig->sw, attempt, 1, 1, 1), SWARM_OK);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(swarm_progress(rig->sw, attempt, 1, 1, 1), SWARM_E_STALE);
    end(rig, run, step, SWARM_STEP_OK);
}

TEST(progress_before_the_start_was_taken_is_stale) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_attempt guess = {UINT64_C(1) << 32 | 1}; /* slot 0, first generation */

    (void)rig_step(plan);
    rig_commit(plan);
    rig->hold_takes = true;
    rig_at(rig, 0);
    CHECK_EQ(swarm_progress(rig->sw, guess, 0, 0, 0), SWARM_E_STALE);
    rig->hold_takes = false;
    rig_at(rig, 1);
    CHECK_EQ(attempt_of(rig, 0).id, guess.id);
    CHECK_EQ(swarm_progress(rig->sw, guess, 0, 0, 0), SWARM_OK);
    rig_finish(rig);
    rig_free(rig);
}

TEST(reports_between_two_rounds_are_one_event_with_their_sums) {
    swarm_run run;
    swarm_step step;
    struct rig *rig = watched(NULL, &step, &run);
    swarm_event event = {0};

    for (uint64_t i = 1; i <= 100; i++) {
        CHECK_EQ(swarm_progress(rig->sw, attempt_of(rig, 0), i, 2, 0), SWARM_OK);
    }
    rig_at(rig, 5);
    CHECK_EQ(event_count(rig, SWARM_EVENT_PROGRESS, 0), 1);
    event = event_last(rig, SWARM_EVENT_PROGRESS, 0);
    CHECK_EQ(event.now_ns, 5);
    CHECK_EQ(event.field[0], 1);
    CHECK_EQ(event.field[2], 5050);
    CHECK_EQ(event.field[3], 200);
    beat(rig, 6, UINT64_MAX, 0);
    CHECK_EQ(event_last(rig, SWARM_EVENT_PROGRESS, 0).field[2], (UINT64_C(1) << 48) - 1);
    rig_at(rig, 7);
    CHECK_EQ(event_count(rig, SWARM_EVENT_PROGRESS, 0), 2);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    end(rig, run, step, SWARM_STEP_OK);
}

TEST(an_idle_attempt_is_given_up_at_the_threshold) {
    const swarm_watch_spec watch = {.idle_timeout_ns = 10};
    swarm_run run;
    swarm_step step;
    struct rig *rig = watched(&(swarm_step_spec){.watch = &watch}, &step, &run);

    CHECK_EQ(swarm_next_deadline(rig->sw), 10);
    rig_at(rig, 9);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    rig_at(rig, 10);
    check_detect(rig, SWARM_DETECT_IDLE, 10, 10, SWARM_ACTION_GIVE_UP);
    CHECK_EQ(rig_info(rig, step).reason, SWARM_E_TIMED_OUT);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 1);
    end(rig, run, step, SWARM_STEP_TIMED_OUT);
}

TEST(a_heartbeat_a_byte_or_a_token_keeps_it_alive) {
    const swarm_watch_spec watch = {.idle_timeout_ns = 10};
    swarm_run run;
    swarm_step step;
    struct rig *rig = watched(&(swarm_step_spec){.watch = &watch}, &step, &run);

    beat(rig, 9, 0, 0);
    beat(rig, 18, 1, 0);
    beat(rig, 28, 0, 1); /* in the very instant of the threshold: progress wins */
    rig_at(rig, 37);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    rig_at(rig, 38);
    check_detect(rig, SWARM_DETECT_IDLE, 10, 10, SWARM_ACTION_GIVE_UP);
    end(rig, run, step, SWARM_STEP_TIMED_OUT);
}

TEST(an_answer_in_the_instant_of_a_detector_wins) {
    const swarm_watch_spec watch = {.idle_timeout_ns = 10};
    swarm_run run;
    swarm_step step;
    struct rig *rig =
        watched(&(swarm_step_spec){.watch = &watch, .run_timeout_ns = 10}, &step, &run);

    rig->now_ns = 10;
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(event_count(rig, SWARM_EVENT_DETECT, 0), 0);
    rig_at(rig, 50);
    CHECK_EQ(event_count(rig, SWARM_EVENT_DETECT, 0), 0);
    end(rig, run, step, SWARM_STEP_OK);
}

TEST(time_in_the_queue_is_not_running_time) {
    const swarm_watch_spec watch = {.idle_timeout_ns = 10, .lease_ns = 20};
    const swarm_step_spec spec = {.watch = &watch, .run_timeout_ns = 30};
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step first = swarm_step_add(plan, NULL), second = swarm_step_add(plan, &spec);

    rig_commit(plan);
    rig_at(rig, 0);
    rig_at(rig, 1000);
    CHECK_EQ(rig_state(rig, second), SWARM_STEP_READY);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    rig_at(rig, 1009);
    CHECK_EQ(rig_state(rig, second), SWARM_STEP_RUNNING);
    CHECK_EQ(event_count(rig, SWARM_EVENT_DETECT, SWARM_NEVER), 0);
    CHECK_EQ(swarm_next_deadline(rig->sw), 1010);
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    end(rig, run, first, SWARM_STEP_OK);
}

TEST(backoff_is_not_running_time_and_each_attempt_starts_afresh) {
    const swarm_watch_spec watch = {.idle_timeout_ns = 10};
    const swarm_step_spec spec = {.watch = &watch, .retry = {.attempts_max = 2, .backoff_ns = 500}};
    swarm_run run;
    swarm_step step;
    struct rig *rig = watched(&spec, &step, &run);

    beat(rig, 5, 7, 7);
    rig_at(rig, 15);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_HELD);
    CHECK_EQ(swarm_complete(rig->sw, &(swarm_completion){.attempt = attempt_of(rig, 0)}), SWARM_OK);
    rig_at(rig, 514);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_HELD);
    rig_at(rig, 515);
    CHECK_EQ(rig_start_of(rig, 0)->number, 2);
    CHECK_EQ(swarm_next_deadline(rig->sw), 525);
    beat(rig, 524, 1, 0);
    CHECK_EQ(event_last(rig, SWARM_EVENT_PROGRESS, 0).field[2], 1); /* not the first one's 7 */
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    end(rig, run, step, SWARM_STEP_OK);
}

TEST(a_lost_lease_is_lost_and_not_timed_out) {
    const swarm_watch_spec watch = {.lease_ns = 10, .idle_timeout_ns = 20};
    swarm_run run;
    swarm_step step;
    struct rig *rig = watched(&(swarm_step_spec){.watch = &watch}, &step, &run);

    rig_at(rig, 10);
    check_detect(rig, SWARM_DETECT_LEASE, 10, 10, SWARM_ACTION_GIVE_UP);
    CHECK_EQ(rig_info(rig, step).outcome, SWARM_OUTCOME_LOST);
    end(rig, run, step, SWARM_STEP_FAILED);
}

TEST(saying_the_same_thing_too_often_is_garbage) {
    const swarm_watch_spec watch = {.repeat_max = 3};
    swarm_run run;
    swarm_step step;
    struct rig *rig = watched(&(swarm_step_spec){.watch = &watch}, &step, &run);
    const uint64_t said[] = {5, 5, 6, 5, 5, 0}; /* never three in a row; 0 says nothing */

    for (uint32_t i = 0; i < 6; i++) {
        CHECK_EQ(swarm_progress(rig->sw, attempt_of(rig, 0), 1, 1, said[i]), SWARM_OK);
        rig_at(rig, i);
    }
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    /* Three in a row and then another, all between two rounds: seen all the same. */
    CHECK_EQ(swarm_progress(rig->sw, attempt_of(rig, 0), 1, 1, 5), SWARM_OK);
    CHECK_EQ(swarm_progress(rig->sw, attempt_of(rig, 0), 1, 1, 9), SWARM_OK);
    rig_at(rig, 20);
    check_detect(rig, SWARM_DETECT_REPEAT, 3, 3, SWARM_ACTION_GIVE_UP);
    CHECK_EQ(rig_info(rig, step).outcome, SWARM_OUTCOME_GARBAGE);
    end(rig, run, step, SWARM_STEP_FAILED);
}

TEST(too_few_tokens_a_second_after_the_first_one) {
    const swarm_watch_spec watch = {.rate_min_milli = 2000, .rate_window_ns = 10 * SECOND};
    swarm_run run;
    swarm_step step;
    struct rig *rig = watched(&(swarm_step_spec){.watch = &watch}, &step, &run);

    rig_at(rig, 100 * SECOND); /* a long prompt is not slow output */
    beat(rig, 100 * SECOND, 0, 50);
    beat(rig, 105 * SECOND, 0, 19);
    rig_at(rig, 110 * SECOND - 1);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    rig_at(rig, 110 * SECOND);
    check_detect(rig, SWARM_DETECT_RATE, 2000, 1900, SWARM_ACTION_GIVE_UP);
    end(rig, run, step, SWARM_STEP_TIMED_OUT);
}

TEST(enough_tokens_a_second_are_measured_once) {
    const swarm_watch_spec watch = {.rate_min_milli = 2000}; /* window: 10 s */
    swarm_run run;
    swarm_step step;
    struct rig *rig = watched(&(swarm_step_spec){.watch = &watch}, &step, &run);

    beat(rig, SECOND, 0, 1);
    beat(rig, 2 * SECOND, 0, 20);
    CHECK_EQ(swarm_next_deadline(rig->sw), 11 * SECOND);
    rig_at(rig, 11 * SECOND);
    CHECK_EQ(swarm_next_deadline(rig->sw), SWARM_NEVER);
    CHECK_EQ(event_count(rig, SWARM_EVENT_DETECT, 0), 0);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    end(rig, run, step, SWARM_STEP_OK);
}

TEST(an_attempt_that_will_be_late_is_noted_while_it_runs) {
    const swarm_watch_spec watch = {.late_ns = 100 * SECOND, .tokens_expected = 1000};
    swarm_run run;
    swarm_step step;
    struct rig *rig = watched(&(swarm_step_spec){.watch = &watch}, &step, &run);

    beat(rig, 10 * SECOND, 0, 100); /* on the way to 100 s: not above */
    CHECK_EQ(event_count(rig, SWARM_EVENT_DETECT, 0), 0);
    beat(rig, 20 * SECOND, 0, 60);
    check_detect(rig, SWARM_DETECT_LATE, 100 * SECOND, 125 * SECOND, SWARM_ACTION_NOTE);
    beat(rig, 30 * SECOND, 0, 1);
    CHECK_EQ(event_count(rig, SWARM_EVENT_DETECT, 0), 1);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    end(rig, run, step, SWARM_STEP_OK);
}

TEST(the_deadline_counts_waits_retries_and_all) {
    const swarm_watch_spec watch = {.deadline_ns = 100};
    const swarm_step_spec spec = {.watch = &watch, .retry = {.attempts_max = 9, .backoff_ns = 90}};
    swarm_run run;
    swarm_step step;
    struct rig *rig = watched(&spec, &step, &run);

    rig_at(rig, 20);
    rig_answer(rig, 0, SWARM_OUTCOME_TRANSIENT);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_HELD);
    rig_at(rig, 99);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_HELD);
    rig_at(rig, 100);
    check_detect(rig, SWARM_DETECT_DEADLINE, 100, 100, SWARM_ACTION_END);
    end(rig, run, step, SWARM_STEP_TIMED_OUT);
}

TEST(the_deadline_of_a_running_step_gives_its_attempt_up) {
    const swarm_watch_spec watch = {.deadline_ns = 100};
    swarm_run run;
    swarm_step step;
    struct rig *rig = watched(&(swarm_step_spec){.watch = &watch}, &step, &run);

    rig_at(rig, 100);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 1);
    end(rig, run, step, SWARM_STEP_TIMED_OUT);
}

TEST(the_step_s_own_limits_are_detectors_too) {
    const swarm_watch_spec watch = {.deadline_ns = 1000};
    const swarm_step_spec spec = {.watch = &watch, .queue_timeout_ns = 50, .run_timeout_ns = 70};
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step first = swarm_step_add(plan, &spec), second = swarm_step_add(plan, &spec);

    rig_commit(plan);
    rig_at(rig, 0);
    rig_at(rig, 50);
    CHECK_EQ(rig_state(rig, second), SWARM_STEP_TIMED_OUT);
    CHECK_EQ(event_last(rig, SWARM_EVENT_DETECT, 1).field[0], SWARM_DETECT_QUEUE);
    rig_at(rig, 70);
    check_detect(rig, SWARM_DETECT_RUN, 70, 70, SWARM_ACTION_GIVE_UP);
    end(rig, run, first, SWARM_STEP_TIMED_OUT);
}

TEST(a_noted_detector_only_writes_its_event) {
    const swarm_watch_spec watch = {.idle_timeout_ns = 10, .notes = 1u << SWARM_DETECT_IDLE};
    swarm_run run;
    swarm_step step;
    struct rig *rig = watched(&(swarm_step_spec){.watch = &watch}, &step, &run);

    rig_at(rig, 10);
    check_detect(rig, SWARM_DETECT_IDLE, 10, 10, SWARM_ACTION_NOTE);
    rig_at(rig, 1000);
    CHECK_EQ(event_count(rig, SWARM_EVENT_DETECT, 0), 1); /* once an attempt */
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    end(rig, run, step, SWARM_STEP_OK);
}

TEST(a_result_that_is_too_small_or_unsure_is_garbage) {
    const swarm_watch_spec watch = {.size_min = 3, .confidence_min_ppm = 600000};
    const swarm_step_spec spec = {.watch = &watch,
                                  .retry = {.attempts_max = 4, .backoff_ns = SWARM_ZERO}};
    const swarm_result said[] = {
        {.bytes = "ab", .size = 2, .confidence_ppm = 1000000, .release = 1},
        {.bytes = "abc", .size = 3, .confidence_ppm = 599999, .release = 2},
        {.bytes = "abc", .size = 3, .confidence_ppm = 600000, .release = 3}};
    swarm_run run;
    swarm_step step;
    struct rig *rig = watched(&spec, &step, &run);

    for (uint32_t i = 0; i < 3; i++) {
        swarm_completion completion = {.attempt = attempt_of(rig, 0), .result = said[i]};

        CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
        rig_at(rig, rig->now_ns + 1);
        CHECK_EQ(event_count(rig, SWARM_EVENT_DETECT, 0), i == 2 ? 2 : i + 1);
        CHECK_EQ(rig_count(rig, SWARM_REQUEST_RELEASE), i == 2 ? 2 : i + 1); /* given back */
    }
    check_detect(rig, SWARM_DETECT_VALIDATOR, 600000, 599999, SWARM_ACTION_GIVE_UP);
    CHECK_EQ(rig_info(rig, step).result.release, 3);
    CHECK_EQ(rig_info(rig, step).attempts, 3);
    end(rig, run, step, SWARM_STEP_OK);
}

TEST(absurd_watches_are_refused_when_the_step_is_added) {
    const swarm_watch_spec bad[] = {{.confidence_min_ppm = 1000001},
                                    {.notes = 1u << 10},
                                    {.reserved = 1},
                                    {.repeat_max = 1},
                                    {.repeat_max = 256},
                                    {.late_ns = 5}};
    struct rig *rig = rig_new(NULL, 1);

    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, NULL, &run);
        swarm_error error = {0};

        (void)rig_step(plan);
        CHECK_EQ(swarm_step_add(plan, &(swarm_step_spec){.watch = &bad[i]}).id, 0);
        CHECK_EQ(swarm_plan_commit(plan, &error), SWARM_E_INVALID);
        CHECK_EQ(error.index, 1);
        CHECK(strncmp(error.text, "watch:", 6) == 0);
        CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
        rig_at(rig, i);
    }
    rig_free(rig);
}

TEST(guards_are_a_pool_and_go_back_with_their_steps) {
    const swarm_config config = {.guards_max = 2};
    const swarm_watch_spec watch = {.idle_timeout_ns = 10};
    const swarm_step_spec spec = {.watch = &watch, .flags = SWARM_STEP_DETACHED};
    const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
    struct rig *rig = rig_new(&config, 2);
    swarm_run run = swarm_run_open(rig->sw, &growing);

    for (uint32_t i = 0; i < 10; i++) {
        swarm_plan *plan = swarm_plan_open(rig->sw, run);
        swarm_error error = {0};

        (void)swarm_step_add(plan, &spec);
        (void)swarm_step_add(plan, &spec);
        if (i % 2 == 0) {
            CHECK_EQ(swarm_step_add(plan, &spec).id, 0);
            CHECK_EQ(swarm_plan_commit(plan, &error), SWARM_E_FULL);
            CHECK(strstr(error.text, "guards_max") != NULL);
        } else {
            rig_commit(plan);
            rig_settle(rig);
            rig_finish(rig);
        }
    }
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(a_run_that_is_run_again_watches_afresh) {
    const swarm_watch_spec watch = {.deadline_ns = 100};
    swarm_run run;
    swarm_step step;
    struct rig *rig = watched(&(swarm_step_spec){.watch = &watch}, &step, &run);

    rig_at(rig, 90);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(swarm_run_again(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    rig_at(rig, 150);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    CHECK_EQ(swarm_next_deadline(rig->sw), 190);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    end(rig, run, step, SWARM_STEP_OK);
}

TEST(the_options_stand_in_the_log) {
    const swarm_watch_spec watch = {.idle_timeout_ns = 11, .tokens_expected = 12, .repeat_max = 13};
    swarm_run run;
    swarm_step step;
    struct rig *rig = watched(&(swarm_step_spec){.watch = &watch}, &step, &run);
    swarm_event event = {0};

    CHECK(event_find(rig, SWARM_EVENT_GUARD, 0, 0, &event));
    CHECK_EQ(event.field[0], 1);
    CHECK_EQ(event.field[1], 11);
    CHECK_EQ(event.field[2], SWARM_NEVER);
    CHECK_EQ(event.field[5], 12);
    CHECK(event_find(rig, SWARM_EVENT_GUARD, 0, 1, &event));
    CHECK_EQ(event.field[0], 2);
    CHECK_EQ(event.field[3], 13);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    end(rig, run, step, SWARM_STEP_OK);
}

/* ---- threads */

#define POSTERS 3u
#define SHORT_STEPS 100u

struct posters {
    struct rig *rig;
    swarm_run run;
    atomic_u64 handle; /* of the attempt of the moment */
    atomic_u64 taken;
    atomic_u32 stop;
    uint64_t logged;
};

/* Not until nothing changes: others report all the time. */
static void few_passes(struct rig *rig, uint64_t now_ns) {
    rig->now_ns = now_ns;
    for (uint32_t i = 0; i < 4; i++) {
        (void)rig_pass(rig);
    }
}

/* One step after the other, all of their attempts in one slot. */
static void short_steps(struct posters *all) {
    struct rig *rig = all->rig;

    for (uint64_t i = 0; i < SHORT_STEPS; i++) {
        swarm_plan *plan = swarm_plan_open(rig->sw, all->run);

        (void)swarm_step_add(plan, &(swarm_step_spec){.flags = SWARM_STEP_DETACHED});
        rig_commit(plan);
        few_passes(rig, 10 * i + 1);
        /* Release: pairs with the acquire of post. */
        ATOMIC_STORE(&all->handle, attempt_of(rig, i).id, release);
        for (uint64_t k = 2; k < 9; k++) {
            few_passes(rig, 10 * i + k);
        }
        CHECK_EQ(rig_post(rig, i, SWARM_OUTCOME_OK), SWARM_OK);
        few_passes(rig, 10 * i + 9);
        if (event_count(rig, SWARM_EVENT_PROGRESS, i) != 0) {
            all->logged += event_last(rig, SWARM_EVENT_PROGRESS, i).field[2];
        }
    }
    ATOMIC_STORE(&all->stop, 1, release); /* pairs with the acquire of post */
}

static void post(void *context, uint32_t member) {
    struct posters *all = context;

    if (member == 0) {
        short_steps(all);
    }
    while (ATOMIC_LOAD(&all->stop, acquire) == 0) {
        swarm_attempt attempt = {ATOMIC_LOAD(&all->handle, acquire)};

        if (swarm_progress(all->rig->sw, attempt, 1, 1, member) == SWARM_OK) {
            (void)ATOMIC_ADD(&all->taken, 1, relaxed);
        }
    }
}

/* What is logged was posted, once, and for the attempt that it was meant for. */
TEST(threads_report_while_attempts_come_and_go) {
    const swarm_config config = {.inflight_max = 1};
    const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
    static struct posters all;

    if (CREW_ALONE != NULL) {
        SKIP(CREW_ALONE);
    }
    memset(&all, 0, sizeof all);
    all.rig = rig_new(&config, 1);
    all.run = swarm_run_open(all.rig->sw, &growing);
    CHECK(crew_run(POSTERS + 1, post, &all));
    /* Reports in the last round of an attempt come too late to be looked at. */
    CHECK(all.logged <= ATOMIC_LOAD(&all.taken, relaxed));
    CHECK_EQ(swarm_run_close(all.rig->sw, all.run), SWARM_OK);
    rig_at(all.rig, 100000);
    rig_check_run(all.rig, all.run);
    rig_free(all.rig);
}

TEST_MAIN()
