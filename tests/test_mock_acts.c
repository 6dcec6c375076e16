/* SPDX-License-Identifier: MIT */
/*
 * test_mock_acts.c - what an attempt of the simulated backend does: scripts, failing answers,
 * duplicates, cancels, late answers, prices, limits, and the order of it all.
 */
#include "test_mock_fake.h"

static const swarm_completion *answer(uint32_t index) {
    static const swarm_completion none = {.outcome = UINT32_MAX};

    CHECK(index < fake.count);
    return index < fake.count ? &fake.answers[index] : &none;
}

/* Everything that was lent must come back. */
static void give_back_all(void) {
    for (uint32_t i = 0; i < fake.count; i++) {
        if (fake.answers[i].result.bytes != NULL) {
            table->release(table->context, &fake.answers[i].result);
        }
    }
}

/* ---- Scripts ------------------------------------------------------------------------------- */

TEST(fail_twice_then_answer) {
    static const swarm_mock_turn turns[] = {
        {.outcome = SWARM_OUTCOME_TRANSIENT, .latency_ns = 10},
        {.outcome = SWARM_OUTCOME_GARBAGE, .latency_ns = SWARM_ZERO},
        {.result = {.bytes = "yes", .size = 3, .value = 42, .digest = 77, .branch = 2}},
    };

    begin(NULL);
    CHECK_EQ(swarm_mock_script(mock, 0, 8, turns, 3), SWARM_OK);
    CHECK_EQ(submit(8, 1), SWARM_OK);
    CHECK_EQ(deadline(), 10);
    poll_at(10);
    CHECK_EQ(answer(0)->outcome, SWARM_OUTCOME_TRANSIENT);
    CHECK_EQ(answer(0)->result.value, 0);
    CHECK_EQ(submit(8, 2), SWARM_OK);
    poll_at(10);
    CHECK_EQ(answer(1)->outcome, SWARM_OUTCOME_GARBAGE);
    CHECK_EQ(submit(8, 3), SWARM_OK);
    CHECK_EQ(deadline(), SECOND + 10); /* the model's */
    poll_at(SECOND + 10);
    CHECK_EQ(answer(2)->outcome, SWARM_OUTCOME_OK);
    CHECK(memcmp(answer(2)->result.bytes, "yes", 3) == 0);
    CHECK_EQ(answer(2)->result.value, 42);
    CHECK_EQ(answer(2)->result.digest, 77);
    CHECK_EQ(answer(2)->result.branch, 2);
    CHECK_EQ(submit(8, 4), SWARM_OK); /* the script is used up */
    poll_at(3 * SECOND);
    CHECK_EQ(answer(3)->result.value, 1008);
}

TEST(a_script_stands_against_the_models_faults) {
    static const swarm_mock_turn turn = {.latency_ns = 3};
    const swarm_mock_model model = {.failure_ppm = 1000000, .stall_ppm = 1000000};

    begin_model(&model);
    CHECK_EQ(swarm_mock_script(mock, 0, 8, &turn, 1), SWARM_OK);
    submit(8, 1);
    poll_at(3);
    CHECK_EQ(answer(0)->outcome, SWARM_OUTCOME_OK);
}

TEST(scripts_are_found_by_run_and_step) {
    static const swarm_mock_turn any = {.latency_ns = 1}, mine = {.latency_ns = 2},
                                 other = {.latency_ns = 3};
    swarm_mock_spec spec = {.size = sizeof spec, .scripts_max = 3};

    begin(&spec);
    CHECK_EQ(swarm_mock_script(mock, 0, 8, &any, 1), SWARM_OK);
    CHECK_EQ(swarm_mock_script(mock, 6, 8, &other, 1), SWARM_OK);
    submit(8, 1);
    CHECK_EQ(deadline(), 1);
    poll_at(1);
    CHECK_EQ(swarm_mock_script(mock, 5, 8, &mine, 1), SWARM_OK); /* our run's key */
    fake.now_ns = 0;
    fake.answered[33] = false;
    submit(8, 1);
    CHECK_EQ(deadline(), 2);
    poll_at(2);
    CHECK_EQ(swarm_mock_script(mock, 5, 8, &other, 1), SWARM_OK); /* replaces */
    CHECK_EQ(swarm_mock_script(mock, 5, 9, &other, 1), SWARM_E_FULL);
    fake.now_ns = 0;
    fake.answered[33] = false;
    submit(8, 1);
    CHECK_EQ(deadline(), 3);
    spec.scripts_max = SWARM_NONE;
    begin(&spec);
    CHECK_EQ(swarm_mock_script(mock, 5, 9, &other, 1), SWARM_E_FULL);
}

TEST(uncounted_turns_are_turns) {
    static const swarm_mock_turn turns[] = {{.outcome = SWARM_OUTCOME_THROTTLED},
                                            {.outcome = SWARM_OUTCOME_REFUSED},
                                            {.outcome = SWARM_OUTCOME_LOST},
                                            {.outcome = SWARM_OUTCOME_OK}};
    static const uint32_t numbers[] = {1, 1, 1, 2};

    begin(NULL);
    CHECK_EQ(swarm_mock_script(mock, 0, 8, turns, 4), SWARM_OK);
    for (uint32_t again = 0; again < 3; again++) { /* the last time in another run */
        for (uint32_t i = 0; i < 4; i++) {
            swarm_request request = start(8, numbers[i]);
            uint64_t until_ns;

            request.epoch = again == 2 ? i + 9 : i;
            request.run.id = again == 2 ? 2 : 1;
            fake.answered[request.attempt.id] = false;
            CHECK_EQ(table->submit(mock, fake_swarm(), &request, &until_ns), SWARM_OK);
            poll_at(fake.now_ns + SECOND);
            CHECK_EQ(answer(4 * again + i)->outcome, turns[i].outcome);
        }
    }
}

TEST(throttling_is_drawn_anew) {
    const swarm_mock_model model = {.throttle_ppm = 900000};
    swarm_request request = start(1, 1);
    uint64_t until_ns;

    begin_model(&model);
    for (request.epoch = 0; request.epoch < 200; request.epoch++) {
        fake.answered[request.attempt.id] = false;
        CHECK_EQ(table->submit(mock, fake_swarm(), &request, &until_ns), SWARM_OK);
        poll_at(fake.now_ns + SECOND);
    }
    CHECK(stats().ok >= 8 && stats().ok <= 35);
}

TEST(throttling_says_when) {
    static const swarm_mock_turn turns[] = {
        {.outcome = SWARM_OUTCOME_THROTTLED, .latency_ns = 5},
        {.outcome = SWARM_OUTCOME_THROTTLED, .latency_ns = 5, .retry_after_ns = 700},
        {.outcome = SWARM_OUTCOME_REFUSED, .latency_ns = 5, .retry_after_ns = SWARM_ZERO},
    };
    const swarm_mock_model model = {.throttle_ppm = 1000000, .retry_after_ns = 9 * SECOND};
    swarm_request request = start(8, 1);
    uint64_t until_ns;

    begin_model(&model);
    CHECK_EQ(swarm_mock_script(mock, 0, 8, turns, 3), SWARM_OK);
    for (request.epoch = 0; request.epoch < 3; request.epoch++) {
        fake.now_ns = 0;
        fake.answered[request.attempt.id] = false;
        table->submit(mock, fake_swarm(), &request, &until_ns);
        poll_at(6);
    }
    CHECK_EQ(answer(0)->until_ns, 5 + 9 * SECOND);
    CHECK_EQ(answer(1)->until_ns, 705);
    CHECK_EQ(answer(2)->until_ns, 5);
    CHECK_EQ(answer(2)->outcome, SWARM_OUTCOME_REFUSED);
    fake.now_ns = 100;
    submit(9, 1);
    CHECK_EQ(deadline(), 100); /* throttled at once */
    poll_at(100);
    CHECK_EQ(answer(3)->outcome, SWARM_OUTCOME_THROTTLED);
    CHECK_EQ(answer(3)->until_ns, 100 + 9 * SECOND);
}

TEST(the_nth_answer_fails) {
    begin(NULL);
    for (uint64_t fail = 0; fail < 6; fail++) {
        begin(NULL);
        CHECK_EQ(swarm_mock_fail_nth(mock, 5 - fail, SWARM_OUTCOME_LOST), SWARM_OK);
        CHECK_EQ(swarm_mock_fail_nth(mock, fail, SWARM_OUTCOME_TERMINAL), SWARM_OK);
        for (uint64_t i = 0; i < 5; i++) {
            submit(i, 1);
        }
        poll_at(SECOND);
        for (uint32_t i = 0; i < 5; i++) {
            bool hit = i == fail;

            CHECK_EQ(answer(i)->outcome, hit ? SWARM_OUTCOME_TERMINAL : SWARM_OUTCOME_OK);
            CHECK_EQ(answer(i)->result.value, hit ? 0 : 1000 + i);
        }
        CHECK_EQ(stats().answers, 5);
        CHECK_EQ(stats().ok, fail < 5 ? 4 : 5);
    }
    begin(NULL);
    CHECK_EQ(swarm_mock_fail_nth(mock, 0, SWARM_OUTCOME_LOST), SWARM_OK);
    CHECK_EQ(swarm_mock_fail_nth(mock, SWARM_NEVER, SWARM_OUTCOME_LOST), SWARM_OK);
    submit(0, 1);
    poll_at(SECOND);
    CHECK_EQ(answer(0)->outcome, SWARM_OUTCOME_OK);
}

/* ---- What is said -------------------------------------------------------------------------- */

struct speaker {
    uint32_t said, taken_back;
    uint64_t last_word;
    swarm_outcome outcome;
};

static swarm_outcome speak(void *context, const swarm_request *request, swarm_result *out_result) {
    struct speaker *speaker = context;

    speaker->said++;
    CHECK_EQ(request->kind, SWARM_REQUEST_START);
    CHECK_EQ(out_result->value, request->argument);
    out_result->bytes = "words";
    out_result->size = 5;
    out_result->release = request->ordinal;
    return speaker->outcome;
}

static void take_back(void *context, const swarm_result *result) {
    struct speaker *speaker = context;

    speaker->taken_back++;
    speaker->last_word = result->release;
    CHECK(memcmp(result->bytes, "words", 5) == 0);
}

static uint32_t second_of_two(void *context, const swarm_request *request) {
    (void)context;
    return (uint32_t)request->ordinal + 3; /* modulo 2 */
}

TEST(a_callback_speaks_for_the_agent) {
    struct speaker speaker = {0};
    swarm_mock_spec spec = {
        .size = sizeof spec, .answer = speak, .release = take_back, .context = &speaker};

    begin(&spec);
    submit(1, 1);
    submit(2, 1);
    CHECK_EQ(speaker.said, 0); /* only when it answers */
    cancel(2, 1);
    poll_at(0);
    poll_at(SECOND);
    CHECK_EQ(speaker.said, 1);
    CHECK_EQ(stats().lent, 1);
    CHECK_EQ(stats().released, 0);
    give_back_all();
    CHECK_EQ(stats().released, 1);
    CHECK_EQ(speaker.taken_back, 1);
    CHECK_EQ(speaker.last_word, 1);
    speaker.outcome = SWARM_OUTCOME_GARBAGE;
    submit(3, 1);
    poll_at(2 * SECOND);
    CHECK_EQ(answer(2)->outcome, SWARM_OUTCOME_GARBAGE);
    CHECK(answer(2)->result.bytes == NULL);
    CHECK_EQ(stats().lent, 1);
}

TEST(nothing_is_lent_that_was_not_taken) {
    struct speaker speaker = {0};
    swarm_mock_spec spec = {.size = sizeof spec, .answer = speak, .context = &speaker};

    begin(&spec);
    fake.refuse = SWARM_E_STALE;
    submit(1, 1);
    poll_at(SECOND);
    fake.refuse = SWARM_E_INVALID;
    submit(2, 1);
    poll_at(3 * SECOND);
    CHECK_EQ(stats().lent, 0);
    CHECK_EQ(stats().stale, 1);
    CHECK_EQ(stats().rejected, 1);
    CHECK_EQ(stats().inflight, 0);
}

TEST(models_are_chosen) {
    static const swarm_mock_model models[] = {{.mean_ns = 10}, {.mean_ns = 20}};
    swarm_mock_spec spec = {.size = sizeof spec, .models = models, .models_count = 2};

    begin(&spec);
    submit(1, 1);
    CHECK_EQ(deadline(), 10);
    spec.flags = SWARM_MOCK_BY_ARGUMENT;
    begin(&spec);
    submit(1, 1); /* argument 1001 */
    CHECK_EQ(deadline(), 20);
    spec.choose = second_of_two;
    begin(&spec);
    submit(1, 1);
    CHECK_EQ(deadline(), 10);
    submit(2, 1);
    poll_at(10);
    CHECK_EQ(deadline(), 20);
}

/* ---- Duplicates, cancels ------------------------------------------------------------------- */

TEST(an_answer_may_come_twice) {
    struct speaker speaker = {0};
    const swarm_mock_model model = {.duplicate_ppm = 1000000, .price = {.fixed_nano = 7}};
    swarm_mock_spec spec = {.size = sizeof spec,
                            .models = &model,
                            .models_count = 1,
                            .answer = speak,
                            .context = &speaker};

    begin(&spec);
    submit(4, 1);
    poll_at(SECOND);
    CHECK_EQ(fake.count, 2);
    CHECK(memcmp(answer(0), answer(1), sizeof(swarm_completion)) == 0);
    CHECK_EQ(speaker.said, 1);
    CHECK_EQ(stats().answers, 1);
    CHECK_EQ(stats().duplicates, 1);
    CHECK_EQ(stats().lent, 1);
    CHECK_EQ(stats().stale, 0);
    CHECK_EQ(stats().rejected, 0);
    CHECK_EQ(stats().inflight, 0);
    CHECK_EQ(stats().usage.cost_nano, 7);
    CHECK_EQ(deadline(), SWARM_NEVER);
}

TEST(a_cancel_is_answered) {
    const swarm_mock_model model = {
        .cancel_latency_ns = 30, .output_tokens = 100, .input_tokens = 9};

    begin_model(&model);
    submit(1, 1);
    fake.now_ns = SECOND / 4;
    cancel(1, 1);
    cancel(1, 1); /* twice is as good as once */
    CHECK_EQ(deadline(), SECOND / 4 + 30);
    fake.now_ns += 10;
    cancel(1, 1);
    CHECK_EQ(deadline(), SECOND / 4 + 30);
    poll_at(SECOND / 4 + 30);
    CHECK_EQ(fake.count, 1);
    CHECK_EQ(answer(0)->outcome, SWARM_OUTCOME_CANCELLED);
    CHECK_EQ(answer(0)->result.value, 0);
    CHECK_EQ(answer(0)->usage.input_tokens, 9);
    CHECK_EQ(answer(0)->usage.output_tokens, 25); /* a quarter of the time */
    CHECK_EQ(stats().cancels, 1);
    CHECK_EQ(stats().cancelled, 1);
    cancel(1, 1); /* nobody there any more */
    cancel(77, 1);
    CHECK_EQ(stats().cancels, 1);
    CHECK_EQ(stats().inflight, 0);
}

TEST(of_a_completion_and_a_cancel_at_one_time_the_completion_wins) {
    begin(NULL);
    submit(1, 1);
    fake.now_ns = SECOND;
    cancel(1, 1);
    poll_at(SECOND);
    CHECK_EQ(answer(0)->outcome, SWARM_OUTCOME_OK);
    CHECK_EQ(stats().late, 0);
}

TEST(a_late_answer_is_full) {
    swarm_mock_model model = {.late_ppm = 1000000, .late_ns = 500, .output_tokens = 100};

    begin_model(&model);
    submit(1, 1);
    submit(2, 1);
    fake.now_ns = 100;
    cancel(1, 1);
    CHECK_EQ(deadline(), 600);
    poll_at(600);
    CHECK_EQ(answer(0)->outcome, SWARM_OUTCOME_OK);
    CHECK_EQ(answer(0)->result.value, 1001);
    CHECK_EQ(answer(0)->usage.output_tokens, 100);
    CHECK_EQ(stats().late, 1);
    poll_at(SECOND);
    CHECK_EQ(fake.count, 2); /* the other one was not cancelled, and is not late */
    CHECK_EQ(stats().late, 1);
    model.late_ns = SWARM_ZERO;
    begin_model(&model);
    submit(1, 1);
    cancel(1, 1);
    CHECK_EQ(deadline(), 0);
}

TEST(a_stalled_attempt_waits_for_its_cancel) {
    const swarm_mock_model model = {.stall_ppm = 1000000, .output_tokens = 100, .input_tokens = 3};

    begin_model(&model);
    submit(1, 1);
    CHECK_EQ(deadline(), SWARM_NEVER);
    poll_at(SWARM_NEVER - 1);
    CHECK_EQ(fake.count, 0);
    CHECK_EQ(stats().inflight, 1);
    fake.now_ns = 50;
    cancel(1, 1);
    CHECK_EQ(deadline(), 50);
    poll_at(50);
    CHECK_EQ(answer(0)->outcome, SWARM_OUTCOME_CANCELLED);
    CHECK_EQ(answer(0)->usage.input_tokens, 3);
    CHECK_EQ(answer(0)->usage.output_tokens, 0);
    CHECK_EQ(stats().stalled, 1);
}

TEST(a_stalled_attempt_may_answer_late) {
    static const swarm_mock_turn turn = {.flags = SWARM_MOCK_STALL | SWARM_MOCK_LATE};

    begin(NULL);
    CHECK_EQ(swarm_mock_script(mock, 0, 1, &turn, 1), SWARM_OK);
    submit(1, 1);
    cancel(1, 1);
    poll_at(SECOND);
    CHECK_EQ(answer(0)->outcome, SWARM_OUTCOME_OK);
    CHECK_EQ(stats().late, 1);
}

TEST(a_deaf_attempt_ignores_cancels) {
    swarm_mock_model model = {.flags = SWARM_MOCK_DEAF};

    begin_model(&model);
    submit(1, 1);
    cancel(1, 1);
    CHECK_EQ(deadline(), SECOND);
    poll_at(SECOND);
    CHECK_EQ(answer(0)->outcome, SWARM_OUTCOME_OK);
    CHECK_EQ(stats().cancels, 0);
    model.stall_ppm = 1000000;
    begin_model(&model);
    for (uint64_t i = 0; i < 900; i++) { /* more than there are places: the lost take none */
        CHECK_EQ(submit(i, 1), SWARM_OK);
        cancel(i, 1);
    }
    CHECK_EQ(stats().lost, 900);
    CHECK_EQ(stats().stalled, 900);
    CHECK_EQ(stats().inflight, 0);
    CHECK_EQ(deadline(), SWARM_NEVER);
}

/* ---- Prices -------------------------------------------------------------------------------- */

TEST(prices_add_up) {
    static const swarm_mock_turn turns[] = {{.outcome = SWARM_OUTCOME_OK},
                                            {.outcome = SWARM_OUTCOME_GARBAGE},
                                            {.outcome = SWARM_OUTCOME_TRANSIENT},
                                            {.outcome = SWARM_OUTCOME_THROTTLED}};
    const swarm_mock_model model = {
        .input_tokens = 1000,
        .output_tokens = 200,
        .cached_ppm = 250000,
        .price = {.fixed_nano = 5, .input_nano = 600, .cached_nano = 100, .output_nano = 2500}};
    const uint64_t cost = 5 + 750 * 600 + 250 * 100 + 200 * 2500;

    begin_model(&model);
    CHECK_EQ(swarm_mock_script(mock, 0, 1, turns, 4), SWARM_OK);
    for (uint32_t number = 1; number <= 4; number++) {
        submit(1, number);
    }
    poll_at(SECOND);
    for (uint32_t i = 0; i < 4; i++) {
        const swarm_usage *usage = &answer(i)->usage;

        CHECK_EQ(usage->input_tokens, i < 2 ? 1000 : 0);
        CHECK_EQ(usage->cached_tokens, i < 2 ? 250 : 0);
        CHECK_EQ(usage->output_tokens, i < 2 ? 200 : 0);
        CHECK_EQ(usage->cost_nano, i < 2 ? cost : 0);
    }
    CHECK_EQ(stats().usage.cost_nano, 2 * cost);
    CHECK_EQ(stats().usage.input_tokens, 2000);
    CHECK_EQ(stats().overflows, 0);
}

TEST(a_price_that_does_not_fit_is_said_and_flagged) {
    const uint64_t most = UINT64_MAX;
    const struct {
        swarm_mock_price price;
        uint64_t cost, overflows;
    } cases[] = {
        {{.output_nano = most / 2}, most - 1, 0},
        {{.output_nano = most / 2 + 1}, most, 1},
        {{.fixed_nano = most}, most, 0},
        {{.fixed_nano = most, .output_nano = 1}, most, 1},
        {{.input_nano = most / 3, .output_nano = 1}, most, 1}, /* 3 * (most / 3) is most itself */
        {{.fixed_nano = 1, .cached_nano = most}, 1, 0},
    };
    const swarm_mock_model tokens = {.input_tokens = 3, .output_tokens = 2};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        swarm_mock_model model = tokens;

        model.price = cases[i].price;
        begin_model(&model);
        submit(1, 1);
        submit(2, 1);
        poll_at(SECOND);
        CHECK_EQ(answer(0)->usage.cost_nano, cases[i].cost);
        CHECK_EQ(stats().overflows, 2 * cases[i].overflows);
    }
}

/* ---- Limits, order ------------------------------------------------------------------------- */

TEST(a_full_backend_says_again) {
    swarm_mock_spec spec = {.size = sizeof spec, .inflight_max = 2, .again_ns = 5 * SECOND};
    swarm_request third = start(3, 1);
    uint64_t until_ns = 0;

    begin(&spec);
    fake.now_ns = 100;
    submit(1, 1);
    submit(2, 1);
    CHECK_EQ(table->submit(mock, fake_swarm(), &third, &until_ns), SWARM_E_AGAIN);
    CHECK_EQ(until_ns, SECOND + 100); /* when the first place is free */
    CHECK_EQ(stats().refused, 1);
    poll_at(SECOND + 100);
    CHECK_EQ(fake.count, 2);
    CHECK_EQ(table->submit(mock, fake_swarm(), &third, &until_ns), SWARM_OK);
    CHECK_EQ(stats().submitted, 3);
    CHECK_EQ(stats().inflight, 1);
}

TEST(a_full_backend_that_stalls_still_names_a_time) {
    const swarm_mock_model model = {.stall_ppm = 1000000};
    swarm_mock_spec spec = {.size = sizeof spec,
                            .inflight_max = 1,
                            .again_ns = 40,
                            .models = &model,
                            .models_count = 1};
    swarm_request second = start(2, 1);
    uint64_t until_ns = 0;

    begin(&spec);
    fake.now_ns = 100;
    submit(1, 1);
    CHECK_EQ(table->submit(mock, fake_swarm(), &second, &until_ns), SWARM_E_AGAIN);
    CHECK_EQ(until_ns, 140);
}

TEST(or_it_takes_and_refuses) {
    swarm_mock_spec spec = {.size = sizeof spec, .inflight_max = 1, .flags = SWARM_MOCK_REFUSE};

    begin(&spec);
    submit(1, 1);
    CHECK_EQ(submit(2, 1), SWARM_OK);
    CHECK_EQ(answer(0)->outcome, SWARM_OUTCOME_REFUSED);
    CHECK_EQ(answer(0)->until_ns, SECOND);
    CHECK_EQ(answer(0)->attempt.id, 9);
    CHECK_EQ(stats().refused, 1);
    CHECK_EQ(stats().submitted, 1);
    CHECK_EQ(stats().answers, 0);
}

TEST(answers_of_one_time_come_in_order) {
    static const swarm_mock_turn now = {.latency_ns = SWARM_ZERO};
    static const uint64_t ids[] = {4 * 1 + 1, 4 * 1 + 2, 4 * 2 + 1,
                                   4 * 5 + 1, 4 * 5 + 3, 4 * 9 + 1};

    begin(NULL);
    CHECK_EQ(swarm_mock_script(mock, 0, 7, &now, 1), SWARM_OK);
    submit(9, 1);
    submit(5, 3);
    submit(1, 2);
    submit(2, 1);
    submit(1, 1);
    submit(5, 1);
    submit(7, 1);
    CHECK_EQ(deadline(), 0);
    poll_at(0);
    CHECK_EQ(fake.count, 1); /* no time at all: the next poll */
    poll_at(SECOND);
    for (uint32_t i = 0; i < 6; i++) {
        CHECK_EQ(answer(i + 1)->attempt.id, ids[i]);
    }
}

TEST(the_end_of_time_is_never_reached) {
    static const swarm_mock_turn turns[] = {{.latency_ns = SWARM_NEVER}, {.latency_ns = 1000}};

    begin(NULL);
    CHECK_EQ(swarm_mock_script(mock, 0, 1, turns, 2), SWARM_OK);
    fake.now_ns = SWARM_NEVER - 500;
    submit(1, 1);
    submit(1, 2);
    CHECK_EQ(deadline(), SWARM_NEVER);
    poll_at(SWARM_NEVER);
    CHECK_EQ(fake.count, 0);
    fake.now_ns = SWARM_NEVER - 5;
    cancel(1, 1);
    poll_at(SWARM_NEVER - 1);
    CHECK_EQ(fake.count, 1);
}

/* ---- Against a naive model ----------------------------------------------------------------- */

struct naive {
    uint64_t due_ns, ordinal, sequence;
    uint32_t number;
    bool open, cancelled, stalled;
};

static struct naive naive[1000];

static bool naive_before(const struct naive *a, const struct naive *b) {
    if (a->due_ns != b->due_ns) {
        return a->due_ns < b->due_ns;
    }
    if (a->ordinal != b->ordinal) {
        return a->ordinal < b->ordinal;
    }
    return a->number != b->number ? a->number < b->number : a->sequence < b->sequence;
}

/* The one that answers next at this time, or null. */
static struct naive *naive_next(uint32_t count, uint64_t now_ns) {
    struct naive *best = NULL;

    for (uint32_t i = 0; i < count; i++) {
        struct naive *one = &naive[i];

        if (one->open && one->due_ns <= now_ns && (best == NULL || naive_before(one, best))) {
            best = one;
        }
    }
    return best;
}

static uint64_t naive_latency(void *context, const swarm_request *request) {
    (void)context;
    return request->argument;
}

static void naive_submit(uint32_t index) {
    struct naive *one = &naive[index];
    swarm_request request = start(0, 0);
    uint64_t until_ns;

    one->ordinal = test_below(20);
    one->number = (uint32_t)test_below(3);
    one->sequence = index;
    one->stalled = test_below(10) == 0;
    one->due_ns = one->stalled ? SWARM_NEVER : fake.now_ns + test_below(30);
    one->open = true;
    one->cancelled = false;
    request.attempt.id = index;
    request.ordinal = one->ordinal;
    request.number = one->number;
    request.argument = one->due_ns - (one->stalled ? 0 : fake.now_ns);
    CHECK_EQ(table->submit(mock, fake_swarm(), &request, &until_ns), SWARM_OK);
}

static void naive_cancel(uint32_t count) {
    uint32_t index = (uint32_t)test_below(count);
    struct naive *one = &naive[index];
    swarm_request request = {.attempt = {index}, .kind = SWARM_REQUEST_CANCEL};

    table->cancel(mock, fake_swarm(), &request);
    if (one->open && !one->cancelled && one->due_ns > fake.now_ns) {
        one->cancelled = true;
        one->due_ns = fake.now_ns + 7;
    }
}

static void naive_poll(uint32_t count) {
    uint32_t at = fake.count;
    struct naive *one;

    poll_at(fake.now_ns + test_below(12));
    while ((one = naive_next(count, fake.now_ns)) != NULL) {
        CHECK_EQ(answer(at)->attempt.id, (uint64_t)(one - naive));
        CHECK_EQ(answer(at)->outcome, one->cancelled ? SWARM_OUTCOME_CANCELLED : SWARM_OUTCOME_OK);
        one->open = false;
        at++;
    }
    CHECK_EQ(fake.count, at);
}

TEST(random_acts_agree_with_a_naive_model) {
    const swarm_mock_model model = {.kind = SWARM_MOCK_CALLBACK, .cancel_latency_ns = 7};
    swarm_mock_spec spec = {
        .size = sizeof spec, .models = &model, .models_count = 1, .latency = naive_latency};

    for (uint32_t round = 0; round < 50 && !test_failed(); round++) {
        uint32_t count = 0;

        begin(&spec);
        while (count < 900 && !test_failed()) {
            uint64_t dice = test_below(10);

            if (dice < 6 || count == 0) {
                naive_submit(count++);
            } else if (dice < 8) {
                naive_cancel(count);
            } else {
                naive_poll(count);
            }
        }
        CHECK_EQ(stats().submitted, count);
        CHECK_EQ(stats().answers + stats().inflight, count);
    }
}

/* Every entry in flight is in exactly one chain, its own. */
static void check_chains(void) {
    uint64_t count = 0;

    for (uint32_t i = 0; i < mock->spec.inflight_max; i++) {
        for (uint32_t at = mock->buckets[i]; at != NONE && count < 100; count++) {
            CHECK(bucket_of(mock, mock->entries[at].request.attempt) == &mock->buckets[i]);
            CHECK(entry_find(mock, mock->entries[at].request.attempt) == &mock->entries[at]);
            at = mock->entries[at].next;
        }
    }
    CHECK_EQ(count, stats().inflight);
}

TEST(few_places_are_used_over_and_over) {
    swarm_mock_spec spec = {.size = sizeof spec, .inflight_max = 3};

    begin(&spec);
    for (uint64_t i = 0; i < 900 && !test_failed(); i++) {
        bool room = stats().inflight < 3;

        CHECK_EQ(submit(i, 1), room ? SWARM_OK : SWARM_E_AGAIN);
        if (test_below(3) == 0) {
            cancel(test_below(i + 1), 1);
        }
        check_chains();
        poll_at(fake.now_ns + test_below(SECOND));
        check_chains();
    }
    CHECK(stats().answers > 500);
}

TEST_MAIN()
