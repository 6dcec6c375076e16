/* SPDX-License-Identifier: MIT */
/*
 * test_vote.c - votes: n attempts of one step, a quorum, early stop, distinct agents (M16, M33).
 */
#include "test_events.h"

#include "../src/dispatch/vote.h"

static struct rig *voted(const swarm_vote_spec *vote, uint32_t agents, swarm_step *out_step,
                         swarm_run *out_run) {
    struct rig *rig = rig_new(NULL, agents);
    swarm_plan *plan = rig_plan(rig, NULL, out_run);

    *out_step = swarm_step_add(plan, &(swarm_step_spec){.vote = vote});
    CHECK(out_step->id != 0);
    rig_commit(plan);
    rig_at(rig, 0);
    return rig;
}

/* The attempt with this number answers: bytes of that name, this digest and confidence. */
static void cast(struct rig *rig, uint32_t number, swarm_outcome outcome, uint64_t digest,
                 uint32_t confidence_ppm) {
    swarm_completion completion = {.outcome = outcome, .usage = {.cost_nano = 1}};

    for (uint32_t i = 0; i < rig->count; i++) {
        const swarm_request *request = &rig->requests[i];

        if (request->kind == SWARM_REQUEST_START && request->number == number) {
            completion.attempt = request->attempt;
        }
    }
    if (outcome == SWARM_OUTCOME_OK) {
        completion.result = (swarm_result){.bytes = "b",
                                           .size = 1,
                                           .release = number,
                                           .digest = digest,
                                           .confidence_ppm = confidence_ppm};
    }
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

static void end(struct rig *rig, swarm_run run) {
    rig_finish(rig);
    rig_at(rig, rig->now_ns + 100 * SECOND);
    rig_check_run(rig, run);
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(swarm_drain(rig->sw), SWARM_OK);
    rig_free(rig);
}

TEST(the_quorum_ends_the_vote_and_the_losers_in_one_instant) {
    const swarm_vote_spec vote = {.count = 5, .quorum = 3};
    swarm_run run;
    swarm_step step;
    struct rig *rig = voted(&vote, 5, &step, &run);
    swarm_event event;

    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 5);
    rig_at(rig, 1);
    cast(rig, 4, SWARM_OUTCOME_OK, 7, 0);
    cast(rig, 1, SWARM_OUTCOME_OK, 8, 0);
    cast(rig, 2, SWARM_OUTCOME_OK, 7, 0);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_RELEASE), 0); /* each may still win */
    rig_at(rig, 9);
    cast(rig, 5, SWARM_OUTCOME_OK, 7, 0);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    CHECK_EQ(rig_info(rig, step).result.release, 2); /* the earliest attempt of the class */
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 1);
    CHECK_EQ(event_last(rig, SWARM_EVENT_GIVE_UP, 0).now_ns, 9);
    event = event_last(rig, SWARM_EVENT_VOTE, 0);
    CHECK_EQ(event.field[0], 1);
    CHECK_EQ(event.field[1], 2);
    CHECK_EQ(event.field[2], 7);
    CHECK_EQ(event.field[3], 3);
    CHECK_EQ(event.field[4], 4);
    CHECK_EQ(releases(rig, 1) + releases(rig, 4) + releases(rig, 5), 3);
    CHECK_EQ(releases(rig, 2), 0);
    cast(rig, 3, SWARM_OUTCOME_OK, 8, 0); /* late: recorded, billed, never counted */
    CHECK_EQ(rig_report(rig, run).fenced, 1);
    CHECK_EQ(rig_report(rig, run).usage.cost_nano, 5);
    CHECK_EQ(releases(rig, 3), 1);
    CHECK_EQ(rig_info(rig, step).result.release, 2);
    end(rig, run);
}

TEST(no_quorum_as_soon_as_none_can_reach_it) {
    const swarm_vote_spec vote = {.count = 5, .quorum = 4};
    swarm_run run;
    swarm_step step;
    struct rig *rig = voted(&vote, 5, &step, &run);

    cast(rig, 1, SWARM_OUTCOME_OK, 7, 0);
    cast(rig, 2, SWARM_OUTCOME_OK, 8, 0);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING); /* 1 + 3 */
    cast(rig, 3, SWARM_OUTCOME_TRANSIENT, 0, 0);        /* a failure counts against the count */
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_FAILED);
    CHECK_EQ(rig_info(rig, step).reason, SWARM_E_NO_QUORUM);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 2);
    CHECK_EQ(event_last(rig, SWARM_EVENT_VOTE, 0).field[0], 3);
    CHECK_EQ(releases(rig, 1) + releases(rig, 2), 2);
    end(rig, run);
}

TEST(a_tie_break_takes_the_largest_class_or_the_surest_answer) {
    static const struct {
        uint32_t tie_break, winner;
    } rows[] = {{SWARM_TIE_FIRST, 2}, {SWARM_TIE_BEST, 1}};

    for (uint32_t i = 0; i < 2; i++) {
        const swarm_vote_spec vote = {
            .count = 3, .quorum = 3, .tie_break = rows[i].tie_break, .flags = SWARM_VOTE_ALL};
        swarm_run run;
        swarm_step step;
        struct rig *rig = voted(&vote, 3, &step, &run);

        cast(rig, 3, SWARM_OUTCOME_OK, 8, 100);
        cast(rig, 2, SWARM_OUTCOME_OK, 8, 100);
        cast(rig, 1, SWARM_OUTCOME_OK, 7, 900);
        CHECK_EQ(rig_info(rig, step).result.release, rows[i].winner);
        CHECK_EQ(event_last(rig, SWARM_EVENT_VOTE, 0).field[0], 2);
        end(rig, run);
    }
}

TEST(without_digests_values_are_compared) {
    const swarm_vote_spec vote = {.count = 3, .quorum = 2};
    swarm_run run;
    swarm_step step;
    struct rig *rig = voted(&vote, 3, &step, &run);

    for (uint32_t i = 0; i < 3; i++) {
        const uint64_t values[] = {5, 6, 6};
        const swarm_completion completion = {.attempt = rig->requests[i].attempt,
                                             .result = {.value = values[i]}};

        CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
        rig_settle(rig);
    }
    CHECK_EQ(rig_info(rig, step).result.value, 6);
    end(rig, run);
}

TEST(few_agents_vote_one_after_the_other) {
    const swarm_vote_spec vote = {.count = 5, .quorum = 3};
    swarm_run run;
    swarm_step step;
    struct rig *rig = voted(&vote, 1, &step, &run);

    for (uint32_t i = 1; i <= 3; i++) {
        CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), i);
        cast(rig, i, SWARM_OUTCOME_OK, 7, 0);
    }
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 3); /* early stop: two never start */
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    end(rig, run);
}

TEST(three_at_once_then_one_at_a_time) {
    const swarm_vote_spec vote = {.count = 5, .quorum = 3, .start = 3};
    swarm_run run;
    swarm_step step;
    struct rig *rig = voted(&vote, 9, &step, &run);

    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 3);
    cast(rig, 1, SWARM_OUTCOME_OK, 7, 0);
    cast(rig, 2, SWARM_OUTCOME_OK, 8, 0);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 3);
    cast(rig, 3, SWARM_OUTCOME_OK, 7, 0);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 4);
    cast(rig, 4, SWARM_OUTCOME_OK, 8, 0);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 5);
    cast(rig, 5, SWARM_OUTCOME_OK, 8, 0);
    CHECK_EQ(rig_info(rig, step).result.release, 2);
    CHECK_EQ(rig_report(rig, run).retries, 0);
    end(rig, run);
}

TEST(distinct_agents_never_vote_twice) {
    const swarm_vote_spec vote = {.count = 3, .quorum = 3, .distinct = SWARM_VOTE_AGENTS};
    struct rig *rig = rig_new(NULL, 0);
    swarm_profile_spec wide = {.name = "wide", .backend = rig->backend, .inflight_max = 9};
    swarm_run run;
    swarm_plan *plan;
    swarm_step first, second;

    CHECK(swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &wide), 3).id != 0);
    plan = rig_plan(rig, NULL, &run);
    first = swarm_step_add(plan, &(swarm_step_spec){.vote = &vote});
    second = rig_step(plan);
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(rig_count_of(rig, SWARM_REQUEST_START, 0), 3);
    CHECK(rig->requests[0].agent.id != rig->requests[1].agent.id);
    CHECK(rig->requests[0].agent.id != rig->requests[2].agent.id);
    CHECK(rig->requests[1].agent.id != rig->requests[2].agent.id);
    CHECK_EQ(rig_state(rig, second), SWARM_STEP_RUNNING);
    rig_finish(rig);
    CHECK_EQ(rig_state(rig, first), SWARM_STEP_OK);
    end(rig, run);
}

TEST(too_few_distinct_agents_count_as_failed) {
    const swarm_vote_spec vote = {.count = 3, .quorum = 2, .distinct = SWARM_VOTE_AGENTS};
    swarm_run run;
    swarm_step step;
    struct rig *rig = voted(&vote, 2, &step, &run);

    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 2);
    cast(rig, 1, SWARM_OUTCOME_OK, 7, 0);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_RUNNING);
    cast(rig, 2, SWARM_OUTCOME_OK, 8, 0);
    CHECK_EQ(rig_info(rig, step).reason, SWARM_E_NO_QUORUM);
    CHECK_EQ(event_last(rig, SWARM_EVENT_VOTE, 0).field[5], 1);
    end(rig, run);
}

TEST(a_pinned_agent_can_be_one_distinct_voter_only) {
    const swarm_vote_spec vote = {.count = 2, .quorum = 2, .distinct = SWARM_VOTE_AGENTS};
    struct rig *rig = rig_new(NULL, 3);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step step =
        swarm_step_add(plan, &(swarm_step_spec){.vote = &vote, .agent = {2}, .argument = 1});

    rig_commit(plan);
    rig_settle(rig);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_FAILED); /* the quorum is out of reach at once */
    CHECK_EQ(rig_info(rig, step).reason, (uint64_t)(int64_t)SWARM_E_NO_QUORUM);
    end(rig, run);
}

TEST(a_vote_in_a_loop_wants_no_more_of_the_ballots_before) {
    const swarm_vote_spec vote = {.count = 2, .quorum = 1};
    const swarm_loop_spec loop = {.iterations_max = 3};
    struct rig *rig = rig_new(NULL, 1); /* the second ballot waits for the agent */
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.vote = &vote, .loop = &loop});

    rig_commit(plan);
    rig_settle(rig);
    rig_finish(rig);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 3); /* one a time round */
    end(rig, run);
}

TEST(distinct_backends_are_distinct) {
    const swarm_vote_spec vote = {.count = 2, .quorum = 2, .distinct = SWARM_VOTE_BACKENDS};
    const swarm_backend table = {.size = sizeof table, .name = "other"};
    struct rig *rig = rig_new(NULL, 4);
    swarm_profile_spec other = {.name = "other", .cost = 900};
    swarm_run run;
    swarm_plan *plan;

    other.backend = swarm_backend_add(rig->sw, &table);
    CHECK(swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &other), 1).id != 0);
    plan = rig_plan(rig, NULL, &run);
    (void)swarm_step_add(plan, &(swarm_step_spec){.vote = &vote});
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 2);
    CHECK(rig->requests[0].backend.id != rig->requests[1].backend.id);
    end(rig, run);
}

TEST(a_throttled_voter_is_asked_again_and_costs_no_vote) {
    const swarm_vote_spec vote = {.count = 2, .quorum = 2};
    swarm_run run;
    swarm_step step;
    struct rig *rig = voted(&vote, 2, &step, &run);

    cast(rig, 1, SWARM_OUTCOME_OK, 7, 0);
    rig->now_ns = 5;
    cast(rig, 2, SWARM_OUTCOME_THROTTLED, 0, 0);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_READY);
    rig_at(rig, 5 + SECOND);
    cast(rig, rig_start_of(rig, 0)->number, SWARM_OUTCOME_OK, 7, 0);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
    end(rig, run);
}

TEST(a_cancel_gives_all_ballots_back) {
    const swarm_vote_spec vote = {.count = 3, .quorum = 3};
    swarm_run run;
    swarm_step step;
    struct rig *rig = voted(&vote, 3, &step, &run);

    cast(rig, 1, SWARM_OUTCOME_OK, 7, 0);
    cast(rig, 2, SWARM_OUTCOME_OK, 7, 0);
    CHECK_EQ(swarm_step_cancel(rig->sw, step), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_CANCELLED);
    CHECK_EQ(releases(rig, 1) + releases(rig, 2), 2);
    end(rig, run);
}

TEST(a_drain_does_not_wait_for_ballots) {
    const swarm_vote_spec vote = {.count = 2, .quorum = 2};
    swarm_run run;
    swarm_step step;
    struct rig *rig = voted(&vote, 1, &step, &run);

    CHECK_EQ(swarm_drain(rig->sw), SWARM_E_AGAIN);
    cast(rig, 1, SWARM_OUTCOME_OK, 7, 0);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 1);
    CHECK_EQ(swarm_drain(rig->sw), SWARM_OK);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_READY);
    rig_free(rig);
}

TEST(absurd_votes_are_refused_when_the_step_is_added) {
    const swarm_vote_spec bad[] = {{.count = 0, .quorum = 1},
                                   {.count = 3, .quorum = 0},
                                   {.count = 3, .quorum = 4},
                                   {.count = 17, .quorum = 2},
                                   {.count = 3, .quorum = 2, .start = 4},
                                   {.count = 3, .quorum = 2, .distinct = 4},
                                   {.count = 3, .quorum = 2, .tie_break = 3},
                                   {.count = 3, .quorum = 2, .flags = 2}};
    struct rig *rig = rig_new(NULL, 1);

    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, NULL, &run);
        swarm_error error = {0};

        CHECK_EQ(swarm_step_add(plan, &(swarm_step_spec){.vote = &bad[i]}).id, 0);
        CHECK_EQ(swarm_plan_commit(plan, &error), SWARM_E_INVALID);
        CHECK(strncmp(error.text, "vote:", 5) == 0);
        CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
        rig_at(rig, i);
    }
    rig_free(rig);
}

TEST(ballots_write_no_state) {
    const swarm_vote_spec vote = {.count = 3, .quorum = 2};
    const swarm_state_spec state = {0};
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);

    CHECK_EQ(swarm_step_add(plan, &(swarm_step_spec){.vote = &vote, .state = &state}).id, 0);
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_E_INVALID);
    rig_free(rig);
}

/* Stopping early never changes the result: against counting all ballots at the end. */
TEST(an_early_decision_is_the_one_that_all_ballots_would_make) {
    for (uint32_t round = 0; round < 20000; round++) {
        swarm_vote_spec spec = {.count = 1 + (uint32_t)test_below(7)};
        struct ballot ballots[VOTE_MAX], so_far[VOTE_MAX];
        uint32_t most = 0, cast_count = 0, failed = 0;
        struct tally tally = {0, NONE32, 0};
        bool fails[VOTE_MAX];

        spec.quorum = 1 + (uint32_t)test_below(spec.count);
        for (uint32_t i = 0; i < spec.count; i++) {
            ballots[i] = (struct ballot){test_below(3), 0, i + 1};
            fails[i] = test_below(5) == 0;
        }
        for (uint32_t i = 0; i < spec.count; i++) {
            uint32_t votes = 0;

            for (uint32_t k = 0; k < spec.count; k++) {
                votes += !fails[k] && !fails[i] && ballots[k].class == ballots[i].class;
            }
            most = votes > most ? votes : most;
        }
        for (uint32_t i = 0; i < spec.count && tally.decision == VOTE_OPEN; i++) {
            failed += fails[i];
            if (!fails[i]) {
                so_far[cast_count++] = ballots[i];
            }
            tally = vote_count(&spec, so_far, cast_count, failed);
        }
        CHECK(tally.decision != VOTE_OPEN);
        CHECK_EQ(tally.decision == VOTE_NO_QUORUM, most < spec.quorum);
    }
}

TEST_MAIN()
