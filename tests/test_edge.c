/* SPDX-License-Identifier: MIT */
/*
 * Edges with rules: kinds, conditions, what a failed or skipped predecessor does, with delays, into
 * joins, from earlier plans; and every combination against a table.
 */
#include "test_dispatch.h"

static const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
static const swarm_run_spec *const both_kinds[] = {NULL, &growing};

struct pair {
    swarm_run run;
    swarm_step from, to;
};

static const swarm_step_spec reader = {.flags = SWARM_STEP_INPUTS};

/* from -> to; ordinals 0 and 1. */
static struct rig *pair_new(struct pair *pair, swarm_edge_spec edge, const swarm_run_spec *spec) {
    struct rig *rig = rig_new(NULL, 4);
    swarm_plan *plan = rig_plan(rig, spec, &pair->run);

    pair->from = rig_step(plan);
    pair->to = swarm_step_add(plan, &reader);
    CHECK_EQ(swarm_edge_add_with(plan, pair->from, pair->to, &edge), SWARM_OK);
    rig_commit(plan);
    CHECK_EQ(swarm_run_close(rig->sw, pair->run), SWARM_OK);
    rig_at(rig, 0);
    return rig;
}

static void pair_end(struct rig *rig, struct pair *pair) {
    rig_finish(rig);
    rig_check_run(rig, pair->run);
    rig_free(rig);
}

static void answer_with(struct rig *rig, uint64_t ordinal, swarm_result result) {
    const swarm_completion completion = {.attempt = rig_start_of(rig, ordinal)->attempt,
                                         .result = result};

    CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
    rig_settle(rig);
}

static uint32_t events_of(const struct rig *rig, uint32_t kind, swarm_event *out_event) {
    swarm_log_cursor cursor = {0};
    swarm_event event;
    uint32_t count = 0;

    while (swarm_event_next(rig->log, rig->log_size, &cursor, &event) == SWARM_OK) {
        if (event.kind == kind) {
            *out_event = event;
            count++;
        }
    }
    return count;
}

TEST(a_branch_is_taken_or_its_step_is_skipped) {
    for (uint32_t branch = 0; branch < 6; branch++) {
        struct rig *rig = rig_new(NULL, 4);
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, both_kinds[branch % 2], &run);
        swarm_step from = rig_step(plan), way[3];
        swarm_event event = {0};

        for (uint32_t i = 0; i < 3; i++) {
            const swarm_edge_spec edge = {.when = SWARM_WHEN_BRANCH, .value = i};

            way[i] = swarm_step_add(plan, &reader);
            CHECK_EQ(swarm_edge_add_with(plan, from, way[i], &edge), SWARM_OK);
        }
        rig_commit(plan);
        CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
        rig_at(rig, 0);
        answer_with(rig, 0, (swarm_result){.branch = branch, .confidence_ppm = 5});
        for (uint32_t i = 0; i < 3; i++) {
            CHECK_EQ(rig_state(rig, way[i]), i == branch ? SWARM_STEP_RUNNING : SWARM_STEP_SKIPPED);
            CHECK_EQ(rig_info(rig, way[i]).reason, i == branch ? SWARM_OK : SWARM_E_DEPENDS);
        }
        CHECK_EQ(events_of(rig, SWARM_EVENT_BRANCH, &event), 1);
        CHECK_EQ(event.field[0], branch);
        CHECK_EQ(event.field[1], 5);
        CHECK_EQ(event.field[2], branch < 3);
        CHECK_EQ(event.field[3], branch < 3 ? 2 : 3);
        CHECK_EQ(events_of(rig, SWARM_EVENT_EDGE_RULE, &event), 3);
        rig_finish(rig);
        rig_check_run(rig, run);
        rig_free(rig);
    }
}

TEST(confidence_is_at_least_the_value) {
    for (uint32_t confidence = 899999; confidence <= 900001; confidence++) {
        struct pair pair;
        const swarm_edge_spec edge = {.when = SWARM_WHEN_CONFIDENT, .value = 900000};
        struct rig *rig = pair_new(&pair, edge, NULL);

        answer_with(rig, 0, (swarm_result){.confidence_ppm = confidence});
        CHECK_EQ(rig_state(rig, pair.to),
                 confidence < 900000 ? SWARM_STEP_SKIPPED : SWARM_STEP_RUNNING);
        pair_end(rig, &pair);
    }
}

/* How `from` ends in the table below. */
enum { ENDS_OK, ENDS_NOT_TAKEN, ENDS_FAILED, ENDS_GARBAGE, ENDS_CANCELLED, ENDS_SKIPPED, ENDS };

/* 0 -> 1 -> 2, the second edge with rules; 1 ends in the given way. */
static void check_rule(const swarm_run_spec *spec, swarm_edge_spec edge, uint32_t how) {
    bool lost = how != ENDS_OK, by_skip = how == ENDS_NOT_TAKEN || how == ENDS_SKIPPED;
    uint32_t rule = by_skip ? edge.on_skip : edge.on_failure;
    bool goes = !lost || edge.kind == SWARM_EDGE_SOFT || rule != SWARM_EDGE_CASCADE;
    struct rig *rig = rig_new(NULL, 4);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, spec, &run);
    swarm_step head = rig_step(plan), from = rig_step(plan), to = swarm_step_add(plan, &reader);
    swarm_result result = {.value = 99};

    if (how == ENDS_NOT_TAKEN) {
        edge.when = SWARM_WHEN_BRANCH;
        edge.value = 8;
    }
    CHECK_EQ(swarm_edge_add(plan, head, from, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add_with(plan, from, to, &edge), SWARM_OK);
    rig_commit(plan);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_at(rig, 0);
    rig_answer(rig, 0, how == ENDS_SKIPPED ? SWARM_OUTCOME_TERMINAL : SWARM_OUTCOME_OK);
    if (how == ENDS_CANCELLED) {
        CHECK_EQ(swarm_step_cancel(rig->sw, from), SWARM_OK);
        rig_settle(rig);
    } else if (how != ENDS_SKIPPED) {
        const swarm_completion completion = {.attempt = rig_start_of(rig, 1)->attempt,
                                             .outcome = how == ENDS_FAILED ? SWARM_OUTCOME_TERMINAL
                                                        : how == ENDS_GARBAGE
                                                            ? SWARM_OUTCOME_GARBAGE
                                                            : SWARM_OUTCOME_OK,
                                             .result = {.value = 5}};

        CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
        rig_settle(rig);
    }
    while (!goes ? false : rig_state(rig, to) == SWARM_STEP_PENDING && rig_next(rig)) {
    }
    CHECK_EQ(rig_state(rig, to), goes ? SWARM_STEP_RUNNING : SWARM_STEP_SKIPPED);
    if (goes && edge.kind == SWARM_EDGE_DATA) {
        swarm_status wanted = how == ENDS_FAILED      ? SWARM_E_FAILED
                              : how == ENDS_GARBAGE   ? SWARM_E_GARBAGE
                              : how == ENDS_CANCELLED ? SWARM_E_FENCED
                                                      : SWARM_E_DEPENDS;

        CHECK_EQ(rig_start_of(rig, 2)->inputs, 1);
        CHECK_EQ(swarm_input(rig->sw, to, 0, &result),
                 lost && rule == SWARM_EDGE_HOLE ? wanted : SWARM_OK);
        if (!lost) {
            CHECK_EQ(result.value, 5);
        } else if (how != ENDS_NOT_TAKEN) {
            CHECK_EQ(result.value, rule == SWARM_EDGE_HOLE ? 99 : 0);
        }
    } else if (goes) {
        CHECK_EQ(rig_start_of(rig, 2)->inputs, 0);
    }
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(every_rule_for_every_end) {
    for (uint32_t at = 0; at < 2u * 2 * 9 * 2 * ENDS && !test_failed(); at++) {
        uint32_t rest = at;
        swarm_edge_spec edge = {0};

        edge.kind = rest % 2;
        rest /= 2;
        edge.delay_ns = rest % 2 != 0 ? 30 : 0;
        rest /= 2;
        edge.on_failure = rest % 3;
        edge.on_skip = rest / 3 % 3;
        rest /= 9;
        check_rule(both_kinds[rest % 2], edge, rest / 2);
    }
    for (uint32_t how = 0; how < ENDS; how++) {
        if (how != ENDS_NOT_TAKEN) { /* a soft edge has no condition */
            check_rule(both_kinds[how % 2], (swarm_edge_spec){.kind = SWARM_EDGE_SOFT}, how);
        }
    }
}

TEST(inputs_are_those_of_data_edges) {
    struct rig *rig = rig_new(NULL, 4);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_step from[3], to;
    swarm_result result;

    for (uint32_t i = 0; i < 3; i++) {
        from[i] = rig_step(plan);
    }
    to = swarm_step_add(plan, &reader);
    for (uint32_t i = 0; i < 3; i++) {
        const swarm_edge_spec edge = {.kind = 2 - i};

        CHECK_EQ(swarm_edge_add_with(plan, from[i], to, &edge), SWARM_OK);
    }
    rig_commit(plan);
    rig_at(rig, 0);
    for (uint32_t i = 0; i < 3; i++) {
        answer_with(rig, i, (swarm_result){.value = 10 + i});
    }
    CHECK_EQ(rig_start_of(rig, 3)->inputs, 1);
    CHECK_EQ(swarm_input(rig->sw, to, 0, &result), SWARM_OK);
    CHECK_EQ(result.value, 12);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(rules_hold_for_steps_that_had_ended) {
    struct rig *rig = rig_new(NULL, 4);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_step ok = rig_step(plan), failed = rig_step(plan), to[4];
    const swarm_edge_spec edges[4] = {{.when = SWARM_WHEN_BRANCH, .value = 3},
                                      {.when = SWARM_WHEN_BRANCH, .value = 4},
                                      {.on_failure = SWARM_EDGE_HOLE},
                                      {.on_failure = SWARM_EDGE_CASCADE, .delay_ns = 9}};
    swarm_result result;

    rig_commit(plan);
    rig_at(rig, 0);
    answer_with(rig, 0, (swarm_result){.branch = 3});
    rig_answer(rig, 1, SWARM_OUTCOME_TERMINAL);
    plan = swarm_plan_open(rig->sw, run);
    for (uint32_t i = 0; i < 4; i++) {
        to[i] = swarm_step_add(plan, &reader);
        CHECK_EQ(swarm_edge_add_with(plan, i < 2 ? ok : failed, to[i], &edges[i]), SWARM_OK);
    }
    rig_commit(plan);
    rig_settle(rig);
    CHECK_EQ(rig_state(rig, to[0]), SWARM_STEP_RUNNING);
    CHECK_EQ(rig_state(rig, to[1]), SWARM_STEP_SKIPPED);
    CHECK_EQ(rig_state(rig, to[2]), SWARM_STEP_RUNNING);
    CHECK_EQ(swarm_input(rig->sw, to[2], 0, &result), SWARM_E_FAILED);
    CHECK_EQ(rig_state(rig, to[3]), SWARM_STEP_SKIPPED);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(into_a_join_rules_say_what_counts) {
    for (uint32_t rule = 0; rule < 3; rule++) {
        struct rig *rig = rig_new(NULL, 4);
        const swarm_join_spec join = {.need = 2, .failed_max = SWARM_ZERO32};
        const swarm_edge_spec edge = {.on_failure = rule};
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, both_kinds[rule % 2], &run);
        swarm_step from[3], to;
        swarm_result result;

        for (uint32_t i = 0; i < 3; i++) {
            from[i] = rig_step(plan);
        }
        to = swarm_step_add(plan, &(swarm_step_spec){.join = &join});
        for (uint32_t i = 0; i < 3; i++) {
            CHECK_EQ(swarm_edge_add_with(plan, from[i], to, &edge), SWARM_OK);
        }
        rig_commit(plan);
        CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
        rig_at(rig, 0);
        rig_answer(rig, 0, SWARM_OUTCOME_TERMINAL);
        CHECK_EQ(rig_state(rig, to),
                 rule == SWARM_EDGE_CASCADE ? SWARM_STEP_FAILED : SWARM_STEP_PENDING);
        rig_answer(rig, 1, SWARM_OUTCOME_OK);
        CHECK_EQ(rig_state(rig, to), rule == SWARM_EDGE_CASCADE ? SWARM_STEP_FAILED
                                     : rule == SWARM_EDGE_AS_OK ? SWARM_STEP_RUNNING
                                                                : SWARM_STEP_PENDING);
        rig_answer(rig, 2, SWARM_OUTCOME_OK);
        if (rule != SWARM_EDGE_CASCADE) {
            CHECK_EQ(rig_state(rig, to), SWARM_STEP_RUNNING);
            CHECK_EQ(swarm_input(rig->sw, to, 0, &result),
                     rule == SWARM_EDGE_AS_OK ? SWARM_OK : SWARM_E_FAILED);
        }
        rig_finish(rig);
        rig_check_run(rig, run);
        rig_free(rig);
    }
}

TEST(of_repeated_edges_the_first_rules_count) {
    struct rig *rig = rig_new(NULL, 4);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step from = rig_step(plan), to = rig_step(plan);
    const swarm_edge_spec first = {.when = SWARM_WHEN_BRANCH, .value = 1, .delay_ns = 10};
    const swarm_edge_spec second = {.when = SWARM_WHEN_BRANCH, .value = 2, .delay_ns = 70};

    CHECK_EQ(swarm_edge_add(plan, from, to, 40), SWARM_OK);
    CHECK_EQ(swarm_edge_add_with(plan, from, to, &first), SWARM_OK);
    CHECK_EQ(swarm_edge_add_with(plan, from, to, &second), SWARM_OK);
    CHECK_EQ(swarm_edge_add_with(plan, from, to, NULL), SWARM_OK);
    rig_commit(plan);
    rig_at(rig, 0);
    answer_with(rig, 0, (swarm_result){.branch = 1});
    CHECK(rig_next(rig));
    CHECK_EQ(rig->now_ns, 70);
    CHECK_EQ(rig_state(rig, to), SWARM_STEP_RUNNING);
    CHECK_EQ(rig_report(rig, run).edges_repeated, 3);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(a_static_run_decides_again) {
    struct pair pair;
    const swarm_edge_spec edge = {
        .when = SWARM_WHEN_BRANCH, .value = 1, .on_skip = SWARM_EDGE_HOLE};
    struct rig *rig = pair_new(&pair, edge, NULL);
    swarm_result result;

    for (uint32_t branch = 0; branch < 4; branch++) {
        answer_with(rig, 0, (swarm_result){.branch = branch, .value = 6});
        CHECK_EQ(swarm_input(rig->sw, pair.to, 0, &result),
                 branch == 1 ? SWARM_OK : SWARM_E_DEPENDS);
        rig_answer(rig, 1, SWARM_OUTCOME_OK);
        rig_check_run(rig, pair.run);
        CHECK_EQ(swarm_run_again(rig->sw, pair.run), SWARM_OK);
        rig_settle(rig);
    }
    pair_end(rig, &pair);
}

static swarm_outcome nothing(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    *out_value = call->argument;
    return SWARM_OUTCOME_OK;
}

TEST(bad_rules_are_refused) {
    static const swarm_edge_spec bad[] = {
        {.kind = 3},
        {.when = 3},
        {.on_failure = 3},
        {.on_skip = 3},
        {.reserved = 1},
        {.value = 1},
        {.when = SWARM_WHEN_CONFIDENT, .value = 1000001},
        {.kind = SWARM_EDGE_SOFT, .when = SWARM_WHEN_BRANCH},
        {.kind = SWARM_EDGE_SOFT, .on_failure = SWARM_EDGE_HOLE},
    };
    const swarm_config config = {.delays_max = 1};
    struct rig *rig = rig_new(&config, 1);
    swarm_function function = swarm_function_add(rig->sw, "nothing", nothing, NULL);
    const swarm_edge_spec soft = {.kind = SWARM_EDGE_SOFT};
    swarm_run run = swarm_run_open(rig->sw, &growing);
    swarm_error error;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0] + 3; i++) {
        swarm_plan *plan = swarm_plan_open(rig->sw, run);
        swarm_step a = rig_step(plan), b = rig_step(plan);
        swarm_step plain = swarm_call_add(plan, function, 0);
        swarm_step join = swarm_step_add(plan, &(swarm_step_spec){.join = &(swarm_join_spec){0}});
        size_t other = i - sizeof bad / sizeof bad[0];
        swarm_status wanted = SWARM_E_INVALID;

        if (i < sizeof bad / sizeof bad[0]) {
            (void)swarm_edge_add_with(plan, a, b, &bad[i]);
        } else if (other == 0) {
            (void)swarm_edge_add_with(plan, plain, b, &soft);
        } else if (other == 1) {
            (void)swarm_edge_add_with(plan, a, join, &soft);
        } else {
            CHECK_EQ(swarm_edge_add_with(plan, a, b, &soft), SWARM_OK);
            CHECK_EQ(swarm_edge_add_with(plan, b, a, &soft), SWARM_E_FULL);
            wanted = SWARM_E_FULL;
        }
        CHECK_EQ(swarm_plan_commit(plan, &error), wanted);
        CHECK_EQ(error.status, wanted);
        CHECK_EQ(error.index, wanted == SWARM_E_FULL ? 5 : 4);
    }
    rig_free(rig);
}

TEST(a_soft_cycle_is_a_cycle) {
    struct rig *rig = rig_new(NULL, 1);
    const swarm_edge_spec soft = {.kind = SWARM_EDGE_SOFT};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step a = rig_step(plan), b = rig_step(plan);
    swarm_error error;

    CHECK_EQ(swarm_edge_add_with(plan, a, b, &soft), SWARM_OK);
    CHECK_EQ(swarm_edge_add_with(plan, b, a, &soft), SWARM_OK);
    CHECK_EQ(swarm_plan_commit(plan, &error), SWARM_E_CYCLE);
    CHECK_EQ(swarm_edge_add_with(NULL, a, b, &soft), SWARM_E_INVALID);
    rig_free(rig);
}

TEST_MAIN()
