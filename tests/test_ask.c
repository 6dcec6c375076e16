/* SPDX-License-Identifier: MIT */
/*
 * test_ask.c - questions: PAUSE, steps that ask, tokens, people who answer late (M11, M43).
 */
#include "test_events.h"

#include "../src/dispatch/ask.h"
#include "crew.h"

/* The last ASK of a step, or null. */
static const swarm_request *ask_of(const struct rig *rig, uint64_t ordinal) {
    for (uint32_t i = rig->count; i-- != 0;) {
        if (rig->requests[i].kind == SWARM_REQUEST_ASK && rig->requests[i].ordinal == ordinal) {
            return &rig->requests[i];
        }
    }
    CHECK(false);
    return &rig->requests[0];
}

static swarm_status reply(struct rig *rig, uint64_t ordinal, swarm_outcome outcome,
                          uint64_t value) {
    swarm_status status = swarm_answer(rig->sw, ask_of(rig, ordinal)->token, outcome,
                                       &(swarm_result){.value = value});

    rig_settle(rig);
    return status;
}

static void pause_with(struct rig *rig, uint64_t ordinal, const char *question) {
    swarm_completion completion = {.attempt = rig_start_of(rig, ordinal)->attempt,
                                   .outcome = SWARM_OUTCOME_PAUSE,
                                   .result = {.bytes = question, .size = 3, .release = 77}};

    CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
    rig_settle(rig);
}

static uint32_t releases(const struct rig *rig, uint64_t release) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < rig->count; i++) {
        count += rig->requests[i].kind == SWARM_REQUEST_RELEASE &&
                 rig->requests[i].result.release == release;
    }
    return count;
}

/* Two steps in a row and one beside them, one agent. */
struct line {
    struct rig *rig;
    swarm_run run;
    swarm_step first, second, beside;
};

static struct line line_of(const swarm_step_spec *spec) {
    struct line line = {.rig = rig_new(NULL, 1)};
    swarm_plan *plan = rig_plan(line.rig, NULL, &line.run);

    line.first = swarm_step_add(plan, spec);
    line.second = swarm_step_add(plan, &(swarm_step_spec){.flags = SWARM_STEP_INPUTS});
    line.beside = swarm_step_add(plan, &(swarm_step_spec){.order_key = 9});
    CHECK_EQ(swarm_edge_add(plan, line.first, line.second, 0), SWARM_OK);
    rig_commit(plan);
    rig_at(line.rig, 0);
    return line;
}

static void line_end(struct line *line) {
    rig_finish(line->rig);
    rig_at(line->rig, line->rig->now_ns + 100 * SECOND);
    rig_check_run(line->rig, line->run);
    CHECK_EQ(swarm_run_forget(line->rig->sw, line->run), SWARM_OK);
    rig_free(line->rig);
}

TEST(a_paused_step_holds_nothing_and_goes_on_with_the_answer) {
    struct line line = line_of(NULL);
    struct rig *rig = line.rig;
    swarm_result input = {0};

    rig_at(rig, 3);
    pause_with(rig, 0, "why");
    CHECK_EQ(rig_state(rig, line.first), SWARM_STEP_HELD);
    CHECK_EQ(rig_info(rig, line.first).held, SWARM_HELD_ANSWER);
    CHECK_EQ(rig_state(rig, line.beside), SWARM_STEP_RUNNING); /* with the only agent */
    CHECK_EQ(rig_state(rig, line.second), SWARM_STEP_PENDING);
    CHECK_EQ(ask_of(rig, 0)->ask, SWARM_ASK_PAUSE);
    CHECK_EQ(ask_of(rig, 0)->asked, 1);
    CHECK_EQ(ask_of(rig, 0)->payload_size, 3);
    CHECK(memcmp(ask_of(rig, 0)->payload, "why", 3) == 0);
    CHECK_EQ(releases(rig, 77), 0);
    rig_at(rig, 1000);
    CHECK_EQ(reply(rig, 0, SWARM_OUTCOME_OK, 42), SWARM_OK);
    CHECK_EQ(rig_state(rig, line.first), SWARM_STEP_OK);
    CHECK_EQ(rig_info(rig, line.first).result.value, 42);
    CHECK_EQ(rig_info(rig, line.first).flags, SWARM_INFO_ANSWERED);
    CHECK_EQ(rig_count_of(rig, SWARM_REQUEST_START, 0), 1); /* not executed again */
    CHECK_EQ(releases(rig, 77), 1);
    rig_answer(rig, 2, SWARM_OUTCOME_OK);
    CHECK_EQ(swarm_input(rig->sw, rig_start_of(rig, 1)->step, 0, &input), SWARM_OK);
    CHECK_EQ(input.value, 42);
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_report(rig, line.run).answers, 1);
    CHECK_EQ(rig_report(rig, line.run).running_ns, 3 + 997); /* 0 to 3, and beside: no waiting */
    line_end(&line);
}

TEST(a_second_answer_is_a_duplicate_and_what_was_altered_answers_nothing) {
    struct line line = line_of(NULL);
    struct rig *rig = line.rig;
    swarm_token token;

    pause_with(rig, 0, "why");
    token = ask_of(rig, 0)->token;
    for (uint32_t bit = 0; bit < 256; bit++) {
        token.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        CHECK_EQ(swarm_answer(rig->sw, token, SWARM_OUTCOME_OK, NULL), SWARM_E_STALE);
        token.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    CHECK_EQ(swarm_answer(rig->sw, token, SWARM_OUTCOME_OK, NULL), SWARM_OK);
    CHECK_EQ(swarm_answer(rig->sw, token, SWARM_OUTCOME_OK, NULL), SWARM_E_DUPLICATE);
    rig_settle(rig);
    CHECK_EQ(swarm_answer(rig->sw, token, SWARM_OUTCOME_OK, NULL), SWARM_E_DUPLICATE);
    rig_finish(rig);
    CHECK_EQ(swarm_answer(rig->sw, token, SWARM_OUTCOME_OK, NULL), SWARM_E_DUPLICATE);
    CHECK_EQ(rig_report(rig, line.run).answers, 1);
    line_end(&line);
}

TEST(the_token_of_a_cancelled_step_is_stale) {
    struct line line = line_of(NULL);
    struct rig *rig = line.rig;

    pause_with(rig, 0, "why");
    CHECK_EQ(swarm_step_cancel(rig->sw, line.first), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_state(rig, line.first), SWARM_STEP_CANCELLED);
    CHECK_EQ(releases(rig, 77), 1);
    CHECK_EQ(reply(rig, 0, SWARM_OUTCOME_OK, 1), SWARM_E_STALE);
    CHECK_EQ(event_count(rig, SWARM_EVENT_ANSWER, 0), 0);
    line_end(&line);
}

/* Answer and cancel meet in one round: like a completion, the answer wins. */
TEST(an_answer_in_the_instant_of_a_cancel_wins) {
    struct line line = line_of(NULL);
    struct rig *rig = line.rig;

    pause_with(rig, 0, "why");
    CHECK_EQ(swarm_run_cancel(rig->sw, line.run), SWARM_OK);
    CHECK_EQ(reply(rig, 0, SWARM_OUTCOME_OK, 5), SWARM_OK);
    CHECK_EQ(rig_state(rig, line.first), SWARM_STEP_OK);
    CHECK_EQ(rig_state(rig, line.second), SWARM_STEP_CANCELLED);
    line_end(&line);
}

TEST(a_question_leaves_only_when_its_frame_is_safe) {
    struct line line = line_of(NULL);
    struct rig *rig = line.rig;

    rig->hold_log = true;
    pause_with(rig, 0, "why");
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_ASK), 0);
    rig->hold_log = false;
    rig_settle(rig);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_ASK), 1);
    CHECK_EQ(reply(rig, 0, SWARM_OUTCOME_OK, 5), SWARM_OK);
    line_end(&line);
}

TEST(the_answer_s_bytes_are_given_back_once) {
    struct line line = line_of(NULL);
    struct rig *rig = line.rig;
    const swarm_result result = {.bytes = "yes", .size = 3, .release = 88};

    pause_with(rig, 0, "why");
    CHECK_EQ(swarm_answer(rig->sw, ask_of(rig, 0)->token, SWARM_OUTCOME_OK, &result), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(releases(rig, 88), 0); /* it is the step's result: readers may come */
    rig_finish(rig);
    CHECK_EQ(swarm_run_forget(rig->sw, line.run), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(releases(rig, 88), 1);
    CHECK_EQ(releases(rig, 77), 1);
    rig_free(rig);
}

TEST(a_question_that_is_to_be_tried_again_is_asked_again_and_counted) {
    const swarm_ask_spec ask = {.kind = SWARM_ASK_APPROVE};
    const swarm_step_spec spec = {.ask = &ask,
                                  .retry = {.attempts_max = 2, .backoff_ns = SWARM_ZERO}};
    struct line line = line_of(&spec);
    struct rig *rig = line.rig;

    CHECK_EQ(reply(rig, 0, SWARM_OUTCOME_TRANSIENT, 0), SWARM_OK);
    CHECK_EQ(rig_count_of(rig, SWARM_REQUEST_ASK, 0), 2);
    CHECK_EQ(rig_count_of(rig, SWARM_REQUEST_START, 0), 0); /* nobody does it */
    CHECK_EQ(reply(rig, 0, SWARM_OUTCOME_TRANSIENT, 0), SWARM_OK);
    CHECK_EQ(rig_state(rig, line.first), SWARM_STEP_FAILED);
    CHECK_EQ(rig_state(rig, line.second), SWARM_STEP_SKIPPED);
    rig_finish(rig);
    rig_check_run(rig, line.run);
    rig_free(rig);
}

TEST(no_is_a_failure_and_try_again_is_another_attempt) {
    const swarm_step_spec spec = {.retry = {.attempts_max = 2, .backoff_ns = SWARM_ZERO}};
    struct line line = line_of(&spec);
    struct rig *rig = line.rig;
    const swarm_result lent = {.bytes = "no", .size = 2, .release = 99};

    pause_with(rig, 0, "one");
    CHECK_EQ(reply(rig, 0, SWARM_OUTCOME_TRANSIENT, 0), SWARM_OK);
    rig_answer(rig, 2, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_start_of(rig, 0)->number, 2);
    pause_with(rig, 0, "two");
    CHECK_EQ(swarm_answer(rig->sw, ask_of(rig, 0)->token, SWARM_OUTCOME_TERMINAL, &lent), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(releases(rig, 99), 1); /* not the step's result: given back at once */
    CHECK_EQ(rig_state(rig, line.first), SWARM_STEP_FAILED);
    CHECK_EQ(rig_info(rig, line.first).outcome, SWARM_OUTCOME_TERMINAL);
    CHECK_EQ(rig_state(rig, line.second), SWARM_STEP_SKIPPED);
    line_end(&line);
}

/* ---- steps that are questions */

TEST(a_step_that_is_a_question_needs_no_agent) {
    const swarm_ask_spec ask = {.kind = SWARM_ASK_APPROVE};
    const swarm_step_spec spec = {.ask = &ask, .payload = "ship?", .payload_size = 5, .key = 7};
    struct rig *rig = rig_new(NULL, 0);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &(swarm_run_spec){.key = 5}, &run);
    swarm_step step = swarm_step_add(plan, &spec);

    rig_commit(plan);
    rig_at(rig, 10);
    CHECK_EQ(rig_report(rig, run).state, SWARM_RUN_PAUSED);
    CHECK_EQ(swarm_run_check(rig->sw, run, NULL), SWARM_E_PAUSED);
    CHECK_EQ(ask_of(rig, 0)->ask, SWARM_ASK_APPROVE);
    CHECK_EQ(ask_of(rig, 0)->step_key, 7);
    CHECK_EQ(ask_of(rig, 0)->run_key, 5);
    CHECK_EQ(ask_of(rig, 0)->payload_size, 5);
    CHECK_EQ(ask_of(rig, 0)->timeout_ns, SWARM_NEVER);
    CHECK_EQ(ask_of(rig, 0)->backend.id, 0);
    CHECK_EQ(reply(rig, 0, SWARM_OUTCOME_OK, 1), SWARM_OK);
    CHECK_EQ(rig_info(rig, step).result.value, 1);
    CHECK_EQ(rig_info(rig, step).attempts, 0);
    rig_check_run(rig, run);
    rig_free(rig);
}

static swarm_step question(struct rig **out_rig, swarm_run *out_run, const swarm_ask_spec *ask) {
    struct rig *rig = rig_new(NULL, 0);
    swarm_plan *plan = rig_plan(rig, NULL, out_run);
    swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.ask = ask});

    rig_commit(plan);
    rig_at(rig, 100);
    *out_rig = rig;
    return step;
}

TEST(nobody_answers) {
    static const struct {
        uint32_t on_timeout, state, action;
    } rows[] = {{SWARM_ASK_FAIL, SWARM_STEP_TIMED_OUT, SWARM_ACTION_END},
                {SWARM_ASK_SKIP, SWARM_STEP_SKIPPED, SWARM_ACTION_SKIP},
                {SWARM_ASK_VALUE, SWARM_STEP_OK, SWARM_ACTION_FALLBACK}};

    for (uint32_t i = 0; i < 3; i++) {
        const swarm_ask_spec ask = {.kind = SWARM_ASK_KINDS,
                                    .timeout_ns = 50,
                                    .value = 13,
                                    .on_timeout = rows[i].on_timeout};
        swarm_run run;
        struct rig *rig;
        swarm_step step = question(&rig, &run, &ask);

        CHECK_EQ(ask_of(rig, 0)->timeout_ns, 50);
        rig_at(rig, 149);
        CHECK_EQ(rig_state(rig, step), SWARM_STEP_HELD);
        rig_at(rig, 150);
        CHECK_EQ(rig_state(rig, step), rows[i].state);
        CHECK_EQ(rig_info(rig, step).result.value, i == 2 ? 13 : 0);
        CHECK_EQ(event_last(rig, SWARM_EVENT_DETECT, 0).field[0], SWARM_DETECT_ANSWER);
        CHECK_EQ(event_last(rig, SWARM_EVENT_DETECT, 0).field[1], 50);
        CHECK_EQ(event_last(rig, SWARM_EVENT_DETECT, 0).field[3], rows[i].action);
        CHECK_EQ(reply(rig, 0, SWARM_OUTCOME_OK, 1), SWARM_E_STALE);
        CHECK_EQ(rig_report(rig, run).answers, 0);
        rig_check_run(rig, run);
        rig_free(rig);
    }
}

TEST(an_answer_in_the_instant_of_its_timeout_wins) {
    const swarm_ask_spec ask = {.kind = SWARM_ASK_APPROVE, .timeout_ns = 50};
    swarm_run run;
    struct rig *rig;
    swarm_step step = question(&rig, &run, &ask);

    rig->now_ns = 150;
    CHECK_EQ(reply(rig, 0, SWARM_OUTCOME_OK, 4), SWARM_OK);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(reminders_go_on_until_the_answer) {
    const swarm_ask_spec ask = {.kind = SWARM_ASK_APPROVE, .reminder_ns = 10, .timeout_ns = 35};
    swarm_run run;
    struct rig *rig;
    swarm_step step = question(&rig, &run, &ask);
    swarm_token token = ask_of(rig, 0)->token;

    rig_at(rig, 110);
    rig_at(rig, 120);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_ASK), 3);
    CHECK_EQ(ask_of(rig, 0)->asked, 3);
    CHECK(memcmp(&ask_of(rig, 0)->token, &token, sizeof token) == 0);
    CHECK_EQ(swarm_next_deadline(rig->sw), 130);
    rig_at(rig, 130);
    CHECK_EQ(swarm_next_deadline(rig->sw), 135);
    CHECK_EQ(reply(rig, 0, SWARM_OUTCOME_OK, 4), SWARM_OK);
    CHECK_EQ(rig_report(rig, run).answers, 1); /* reminders are no interventions */
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(a_deadline_counts_open_hours_only) {
    const swarm_ask_spec ask = {
        .kind = SWARM_ASK_APPROVE, .timeout_ns = 60, .day_ns = 240, .open_ns = 90, .close_ns = 170};
    swarm_run run;
    struct rig *rig;
    swarm_step step = question(&rig, &run, &ask); /* at 100: 70 open ones are left */

    CHECK_EQ(swarm_next_deadline(rig->sw), 160);
    CHECK_EQ(reply(rig, 0, SWARM_OUTCOME_OK, 4), SWARM_OK);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    CHECK_EQ(swarm_run_again(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(swarm_next_deadline(rig->sw), 160);
    rig->now_ns = 160;
    CHECK_EQ(reply(rig, 0, SWARM_OUTCOME_OK, 4), SWARM_OK);
    CHECK_EQ(swarm_run_again(rig->sw, run), SWARM_OK);
    rig_settle(rig); /* at 160: 10 today, 50 from 330 on */
    CHECK_EQ(swarm_next_deadline(rig->sw), 380);
    rig_at(rig, 380);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_TIMED_OUT);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* Against counting ns by ns. */
static uint64_t open_after_slowly(const swarm_ask_spec *spec, uint64_t now, uint64_t wait) {
    while (wait != 0) {
        uint64_t hour = now % spec->day_ns;
        bool open =
            spec->open_ns == spec->close_ns ||
            (spec->open_ns < spec->close_ns ? hour >= spec->open_ns && hour < spec->close_ns
                                            : hour >= spec->open_ns || hour < spec->close_ns);

        wait -= open;
        now++;
    }
    return now;
}

TEST(open_hours_are_those_that_one_counts) {
    for (uint32_t i = 0; i < 20000; i++) {
        swarm_ask_spec spec = {.day_ns = 1 + test_below(20)};
        uint64_t now = test_below(50), wait = 1 + test_below(60);

        spec.open_ns = test_below(spec.day_ns);
        spec.close_ns = test_below(spec.day_ns);
        CHECK_EQ(open_after(&spec, now, wait), open_after_slowly(&spec, now, wait));
    }
    const swarm_ask_spec far = {.day_ns = 24, .open_ns = 1, .close_ns = 2};

    CHECK_EQ(open_after(&far, 5, SWARM_NEVER), SWARM_NEVER);
    CHECK_EQ(open_after(&far, 5, SWARM_NEVER - 1), SWARM_NEVER);
    CHECK_EQ(open_after(&far, SWARM_NEVER - 1, 9), SWARM_NEVER);
}

/* ---- bad input, limits */

TEST(absurd_questions_are_refused_when_the_step_is_added) {
    const swarm_ask_spec bad[] = {
        {.kind = SWARM_ASK_PAUSE},     {.on_timeout = SWARM_ASK_VALUE + 1},
        {.day_ns = 10, .open_ns = 10}, {.day_ns = 10, .close_ns = 11},
        {.open_ns = UINT64_MAX},       {.reminder_ns = SWARM_ZERO}};
    struct rig *rig = rig_new(NULL, 1);

    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, NULL, &run);
        swarm_error error = {0};

        CHECK_EQ(swarm_step_add(plan, &(swarm_step_spec){.ask = &bad[i]}).id, 0);
        CHECK_EQ(swarm_plan_commit(plan, &error), SWARM_E_INVALID);
        CHECK(strncmp(error.text, "ask:", 4) == 0);
        CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
        rig_at(rig, i);
    }
    rig_free(rig);
}

TEST(a_question_without_a_place_fails_its_step) {
    const swarm_config config = {.asks_max = 1};
    const swarm_ask_spec ask = {.kind = SWARM_ASK_APPROVE};
    struct rig *rig = rig_new(&config, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step first = swarm_step_add(plan, &(swarm_step_spec){.ask = &ask});
    swarm_step second = swarm_step_add(plan, &(swarm_step_spec){.ask = &ask});
    swarm_step third = rig_step(plan);

    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(rig_state(rig, first), SWARM_STEP_HELD);
    CHECK_EQ(rig_info(rig, second).reason, SWARM_E_FULL);
    pause_with(rig, 2, "why");
    CHECK_EQ(rig_info(rig, third).reason, SWARM_E_FULL);
    CHECK_EQ(releases(rig, 77), 1);
    CHECK_EQ(reply(rig, 0, SWARM_OUTCOME_OK, 1), SWARM_OK);
    CHECK_EQ(swarm_answer(rig->sw, ask_of(rig, 0)->token, SWARM_OUTCOME_OK, NULL),
             SWARM_E_DUPLICATE);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* ---- call steps */

static swarm_outcome ask_first(void *context, const swarm_call *call, uint64_t *out_value) {
    const swarm_result result = {.bytes = "how", .size = 3, .release = 55};

    *(uint32_t *)context += 1;
    *out_value = 1;
    (void)swarm_call_output(call, &result); /* a plain one has none */
    return SWARM_OUTCOME_PAUSE;
}

TEST(a_call_step_may_ask_too) {
    struct rig *rig = rig_new(NULL, 1);
    uint32_t calls = 0;
    swarm_function function = swarm_function_add(rig->sw, "ask", ask_first, &calls);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step first = swarm_step_add(plan, &(swarm_step_spec){.function = function});
    swarm_step second = swarm_step_add(plan, &(swarm_step_spec){.function = function});
    swarm_step plain = swarm_call_add(plan, function, 0); /* has no record to wait with */
    swarm_step then = rig_step(plan);

    CHECK_EQ(swarm_edge_add(plan, first, then, 0), SWARM_OK);
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(rig_state(rig, plain), SWARM_STEP_FAILED);
    CHECK_EQ(rig_state(rig, first), SWARM_STEP_HELD);
    CHECK(memcmp(ask_of(rig, 0)->payload, "how", 3) == 0);
    CHECK_EQ(reply(rig, 0, SWARM_OUTCOME_OK, 8), SWARM_OK);
    CHECK_EQ(reply(rig, 1, SWARM_OUTCOME_TERMINAL, 8), SWARM_OK);
    CHECK_EQ(rig_info(rig, first).result.value, 8);
    CHECK_EQ(rig_state(rig, second), SWARM_STEP_FAILED);
    CHECK_EQ(rig_state(rig, then), SWARM_STEP_RUNNING);
    CHECK_EQ(calls, 3);
    CHECK_EQ(releases(rig, 55), 2);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* ---- driving */

struct desk {
    swarm_request asked[4];
    uint32_t count;
    bool answers;
};

static void at_desk(void *context, swarm *sw, const swarm_request *request) {
    struct desk *desk = context;

    desk->asked[desk->count++ % 4] = *request;
    if (desk->answers && request->kind == SWARM_REQUEST_ASK) {
        CHECK_EQ(swarm_answer(sw, request->token, SWARM_OUTCOME_OK, NULL), SWARM_OK);
    }
}

static swarm *one_question(const swarm_ask_spec *ask) {
    const swarm_config config = {
        .size = sizeof config, .version = SWARM_VERSION, .host = swarm_host_default()};
    swarm *sw = NULL;
    swarm_plan *plan;

    CHECK_EQ(swarm_new(&config, &sw), SWARM_OK);
    plan = swarm_plan_open(sw, swarm_run_open(sw, NULL));
    (void)swarm_step_add(plan, &(swarm_step_spec){.ask = ask});
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    return sw;
}

TEST(a_drive_pauses_when_only_answers_are_left) {
    const swarm_ask_spec ask = {
        .kind = SWARM_ASK_APPROVE, .timeout_ns = 3600 * SECOND, .reminder_ns = 600 * SECOND};
    struct desk desk = {.count = 0};
    swarm_drive_options options = {.ask = at_desk, .ask_context = &desk};
    swarm *sw = one_question(&ask);

    CHECK_EQ(swarm_drive(sw, NULL), SWARM_E_PAUSED); /* at once: it does not wait an hour */
    CHECK_EQ(swarm_drive(sw, &options), SWARM_E_PAUSED);
    CHECK_EQ(desk.count, 1);
    CHECK_EQ(swarm_answer(sw, desk.asked[0].token, SWARM_OUTCOME_OK, NULL), SWARM_OK);
    CHECK_EQ(swarm_drive(sw, &options), SWARM_OK);
    CHECK_EQ(swarm_free(sw), SWARM_OK);
}

TEST(a_question_is_kept_for_swarm_take_when_the_drive_has_nobody_to_ask) {
    const swarm_ask_spec ask = {.kind = SWARM_ASK_APPROVE};
    swarm *sw = one_question(&ask);
    swarm_request request = {0};

    CHECK_EQ(swarm_sim_drive(sw, NULL), SWARM_E_PAUSED);
    CHECK_EQ(swarm_take(sw, &request, 1), 1);
    CHECK_EQ(request.kind, SWARM_REQUEST_ASK);
    CHECK_EQ(swarm_answer(sw, request.token, SWARM_OUTCOME_OK, NULL), SWARM_OK);
    CHECK_EQ(swarm_sim_drive(sw, NULL), SWARM_OK);
    CHECK_EQ(swarm_free(sw), SWARM_OK);
}

TEST(in_virtual_time_reminders_and_timeouts_come) {
    const swarm_ask_spec ask = {
        .kind = SWARM_ASK_APPROVE, .timeout_ns = 3600 * SECOND, .reminder_ns = 600 * SECOND};
    struct desk desk = {.count = 0};
    swarm_drive_options options = {.ask = at_desk, .ask_context = &desk};
    swarm *sw = one_question(&ask);

    CHECK_EQ(swarm_sim_drive(sw, &options), SWARM_OK);
    CHECK_EQ(desk.count, 6); /* 0, 600, .. 3000 s */
    CHECK_EQ(swarm_free(sw), SWARM_OK);
}

TEST(a_drive_that_waits_gets_the_answer) {
    const swarm_ask_spec ask = {.kind = SWARM_ASK_APPROVE};
    struct desk desk = {.answers = true};
    swarm_drive_options options = {.ask = at_desk, .ask_context = &desk, .flags = SWARM_DRIVE_WAIT};
    swarm *sw = one_question(&ask);

    CHECK_EQ(swarm_drive(sw, &options), SWARM_OK);
    CHECK_EQ(desk.count, 1);
    CHECK_EQ(swarm_free(sw), SWARM_OK);
}

/* ---- threads */

struct race {
    swarm *sw;
    swarm_token tokens[64];
    atomic_u32 won[64];
};

static void answer_all(void *context, uint32_t member) {
    struct race *race = context;

    for (uint32_t i = 0; i < 64; i++) {
        swarm_status status = swarm_answer(race->sw, race->tokens[i], SWARM_OUTCOME_OK,
                                           &(swarm_result){.value = member});

        CHECK(status == SWARM_OK || status == SWARM_E_DUPLICATE);
        if (status == SWARM_OK) {
            (void)ATOMIC_ADD(&race->won[i], 1 + (member << 8), relaxed);
        }
    }
}

TEST(of_many_threads_one_answers) {
    const swarm_config config = {.guards_max = 64, .asks_max = 64};
    const swarm_ask_spec ask = {.kind = SWARM_ASK_JUDGE};
    struct rig *rig = rig_new(&config, 0);
    static struct race race;
    swarm_step steps[64];
    swarm_run run;
    swarm_plan *plan;

    if (CREW_ALONE != NULL) {
        SKIP(CREW_ALONE);
    }
    plan = rig_plan(rig, NULL, &run);
    for (uint32_t i = 0; i < 64; i++) {
        steps[i] = swarm_step_add(plan, &(swarm_step_spec){.ask = &ask});
    }
    rig_commit(plan);
    rig_at(rig, 1);
    memset(&race, 0, sizeof race);
    race.sw = rig->sw;
    for (uint32_t i = 0; i < 64; i++) {
        race.tokens[i] = ask_of(rig, i)->token;
    }
    CHECK(crew_run(4, answer_all, &race));
    rig_settle(rig);
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t won = ATOMIC_LOAD(&race.won[i], relaxed);

        CHECK_EQ(won & 0xff, 1);
        CHECK_EQ(rig_info(rig, steps[i]).result.value, won >> 8);
    }
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST_MAIN()
