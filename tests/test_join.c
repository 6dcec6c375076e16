/* SPDX-License-Identifier: MIT */
/*
 * Joins other than AND: all, any, k of n; when they go on, when they fail, who loses, what they
 * read; late results; and a random test against a model that counts by hand.
 */
#include "test_dispatch.h"

#define MANY 5u

static const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};

struct fan {
    swarm_run run;
    swarm_step from[MANY], join;
};

/* MANY steps, and one that joins them; its ordinal is MANY. */
static struct rig *fan_new(struct fan *fan, swarm_join_spec join, const swarm_run_spec *spec) {
    struct rig *rig = rig_new(NULL, MANY + 1);
    swarm_plan *plan = rig_plan(rig, spec, &fan->run);

    for (uint32_t i = 0; i < MANY; i++) {
        fan->from[i] = rig_step(plan);
    }
    fan->join = swarm_step_add(plan, &(swarm_step_spec){.join = &join});
    for (uint32_t i = 0; i < MANY; i++) {
        CHECK_EQ(swarm_edge_add(plan, fan->from[i], fan->join, 0), SWARM_OK);
    }
    rig_commit(plan);
    (void)swarm_run_close(rig->sw, fan->run);
    rig_at(rig, 0);
    return rig;
}

static void fan_end(struct rig *rig, struct fan *fan) {
    rig_finish(rig);
    rig_check_run(rig, fan->run);
    rig_free(rig);
}

static bool started(const struct rig *rig, uint64_t ordinal) {
    return rig_start_of(rig, ordinal) != NULL;
}

/* Events of a kind in the log; the last one in *out_event. */
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

static const swarm_run_spec *const both_kinds[] = {NULL, &growing};

TEST(the_kth_ok_starts_the_step_in_its_instant) {
    for (uint32_t kind = 0; kind < 2; kind++) {
        for (uint32_t need = 1; need <= MANY; need++) {
            struct fan fan;
            struct rig *rig = fan_new(&fan, (swarm_join_spec){.need = need}, both_kinds[kind]);
            swarm_event event = {0};

            for (uint32_t i = 0; i < need; i++) {
                CHECK(!started(rig, MANY));
                rig->now_ns = 10 * (i + 1);
                rig_answer(rig, MANY - 1 - i, SWARM_OUTCOME_OK);
            }
            CHECK(started(rig, MANY));
            CHECK_EQ(rig_info(rig, fan.join).start_ns, 10 * need);
            CHECK_EQ(events_of(rig, SWARM_EVENT_JOIN, &event), 1);
            CHECK_EQ(event.field[0], 1);
            CHECK_EQ(event.field[1], need);
            CHECK_EQ(event.field[2], MANY);
            CHECK_EQ(event.field[3], need);
            CHECK_EQ(event.now_ns, 10 * need);
            fan_end(rig, &fan);
        }
    }
}

TEST(all_is_the_default) {
    struct fan fan;
    struct rig *rig = fan_new(&fan, (swarm_join_spec){0}, NULL);

    for (uint32_t i = 0; i < MANY; i++) {
        CHECK(!started(rig, MANY));
        rig_answer(rig, i, SWARM_OUTCOME_OK);
    }
    CHECK(started(rig, MANY));
    fan_end(rig, &fan);
}

TEST(a_need_of_none_starts_at_once) {
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct fan fan;
        struct rig *rig = fan_new(&fan, (swarm_join_spec){.need = SWARM_ZERO32}, both_kinds[kind]);
        swarm_result result;

        CHECK(started(rig, MANY));
        CHECK_EQ(rig_start_of(rig, MANY)->inputs, MANY);
        CHECK_EQ(swarm_input(rig->sw, fan.join, 0, &result), SWARM_E_FENCED);
        fan_end(rig, &fan);
    }
}

/* A reducer over nothing gives its empty value. */
static swarm_outcome sum(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    for (uint32_t i = 0; i < call->inputs; i++) {
        swarm_result input;

        if (swarm_call_input(call, i, &input) == SWARM_OK) {
            *out_value += input.value;
        }
    }
    return SWARM_OUTCOME_OK;
}

/* The join has ended, its run too, and one of its edges is still under way. */
TEST(delays_that_nobody_waits_for_pass_with_the_run) {
    const swarm_join_spec join = {.need = SWARM_ZERO32};

    for (uint32_t flags = 0; flags <= SWARM_RUN_GROWING; flags++) {
        struct rig *rig = rig_new(NULL, 2);
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, &(swarm_run_spec){.flags = flags}, &run);
        swarm_step from = rig_step(plan);
        swarm_step to = swarm_step_add(plan, &(swarm_step_spec){.join = &join});

        CHECK_EQ(swarm_edge_add(plan, from, to, SECOND), SWARM_OK);
        rig_commit(plan);
        CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
        rig_settle(rig);
        rig_finish(rig);
        rig_check_run(rig, run);
        if (flags == 0) {
            CHECK_EQ(swarm_run_again(rig->sw, run), SWARM_OK);
            CHECK_EQ(swarm_next_deadline(rig->sw), 0); /* steps are ready; no delay of before */
            rig_settle(rig);
            rig_finish(rig);
        }
        CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
        rig_settle(rig);
        CHECK_EQ(swarm_next_deadline(rig->sw), SWARM_NEVER);
        rig_free(rig);
    }
}

TEST(a_join_of_nothing_starts_at_once_and_again) {
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct rig *rig = rig_new(NULL, 1);
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, both_kinds[kind], &run);
        swarm_step step = swarm_step_add(
            plan, &(swarm_step_spec){.join = &(swarm_join_spec){0},
                                     .function = swarm_function_add(rig->sw, "sum", sum, NULL)});

        rig_commit(plan);
        CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
        rig_at(rig, 0);
        CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
        if (kind == 0) {
            CHECK_EQ(swarm_run_again(rig->sw, run), SWARM_OK);
            rig_at(rig, 1);
            CHECK_EQ(rig_state(rig, step), SWARM_STEP_OK);
            CHECK_EQ(rig_info(rig, step).end_ns, 1);
        }
        rig_check_run(rig, run);
        rig_free(rig);
    }
}

TEST(losers_are_cancelled_in_the_same_instant) {
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct fan fan;
        struct rig *rig =
            fan_new(&fan, (swarm_join_spec){.need = 2, .flags = SWARM_JOIN_CANCEL_LOSERS},
                    both_kinds[kind]);

        rig_answer(rig, 3, SWARM_OUTCOME_OK);
        rig->now_ns = 7;
        rig_answer(rig, 1, SWARM_OUTCOME_OK);
        for (uint32_t i = 0; i < MANY; i++) {
            bool won = i == 3 || i == 1;

            CHECK_EQ(rig_state(rig, fan.from[i]), won ? SWARM_STEP_OK : SWARM_STEP_CANCELLED);
            CHECK_EQ(rig_count_of(rig, SWARM_REQUEST_CANCEL, i), won ? 0 : 1);
            if (!won) {
                CHECK_EQ(rig_info(rig, fan.from[i]).end_ns, 7);
            }
        }
        CHECK(started(rig, MANY));
        rig_answer(rig, 0, SWARM_OUTCOME_OK); /* late: recorded, not used */
        CHECK_EQ(rig_state(rig, fan.from[0]), SWARM_STEP_CANCELLED);
        CHECK_EQ(rig_report(rig, fan.run).fenced, 1);
        fan_end(rig, &fan);
    }
}

TEST(of_a_completion_and_the_join_in_one_instant_the_completion_wins) {
    struct fan fan;
    struct rig *rig =
        fan_new(&fan, (swarm_join_spec){.need = 1, .flags = SWARM_JOIN_CANCEL_LOSERS}, NULL);
    swarm_result result;

    CHECK_EQ(rig_post(rig, 4, SWARM_OUTCOME_OK), SWARM_OK);
    CHECK_EQ(rig_post(rig, 2, SWARM_OUTCOME_OK), SWARM_OK); /* the smaller ordinal counts */
    rig_settle(rig);
    CHECK_EQ(rig_state(rig, fan.from[4]), SWARM_STEP_OK);
    CHECK_EQ(swarm_input(rig->sw, fan.join, 2, &result), SWARM_OK);
    CHECK_EQ(swarm_input(rig->sw, fan.join, 4, &result), SWARM_E_FENCED);
    fan_end(rig, &fan);
}

TEST(losers_go_on_without_the_flag_and_change_nothing) {
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct fan fan;
        struct rig *rig = fan_new(&fan, (swarm_join_spec){.need = 1}, both_kinds[kind]);
        swarm_result result = {0};
        swarm_event event;

        rig_answer(rig, 2, SWARM_OUTCOME_OK);
        CHECK(started(rig, MANY));
        rig_answer(rig, 0, SWARM_OUTCOME_OK);
        rig_answer(rig, 1, SWARM_OUTCOME_TERMINAL);
        CHECK_EQ(rig_state(rig, fan.from[0]), SWARM_STEP_OK);
        CHECK_EQ(rig_count(rig, SWARM_REQUEST_CANCEL), 0);
        CHECK_EQ(rig_start_of(rig, MANY)->inputs, MANY);
        for (uint32_t i = 0; i < MANY; i++) {
            CHECK_EQ(swarm_input(rig->sw, fan.join, i, &result),
                     i == 2 ? SWARM_OK : SWARM_E_FENCED);
        }
        rig_answer(rig, MANY, SWARM_OUTCOME_OK);
        CHECK_EQ(rig_state(rig, fan.join), SWARM_STEP_OK);
        if (kind == 1) {
            CHECK_EQ(swarm_step_forget(rig->sw, fan.join), SWARM_OK);
        }
        rig_answer(rig, 3, SWARM_OUTCOME_OK); /* its edge leads to a step that is gone */
        rig_answer(rig, 4, SWARM_OUTCOME_OK);
        CHECK_EQ(events_of(rig, SWARM_EVENT_JOIN, &event), 1);
        rig_check_run(rig, fan.run);
        rig_free(rig);
    }
}

TEST(out_of_reach_it_fails_at_that_moment) {
    for (uint32_t need = 1; need <= MANY; need++) {
        struct fan fan;
        struct rig *rig =
            fan_new(&fan, (swarm_join_spec){.need = need, .flags = SWARM_JOIN_CANCEL_LOSERS},
                    both_kinds[need % 2]);
        swarm_event event = {0};

        for (uint32_t i = 0; i + need <= MANY; i++) {
            CHECK_EQ(rig_state(rig, fan.join), SWARM_STEP_PENDING);
            rig->now_ns = i + 1;
            rig_answer(rig, i, SWARM_OUTCOME_TERMINAL);
        }
        CHECK_EQ(rig_state(rig, fan.join), SWARM_STEP_FAILED);
        CHECK_EQ(rig_info(rig, fan.join).reason, SWARM_E_DEPENDS);
        CHECK_EQ(rig_info(rig, fan.join).end_ns, MANY - need + 1);
        CHECK_EQ(events_of(rig, SWARM_EVENT_JOIN, &event), 1);
        CHECK_EQ(event.field[0], 2);
        CHECK_EQ(event.field[4], MANY - need + 1);
        for (uint32_t i = MANY - need + 1; i < MANY; i++) {
            CHECK_EQ(rig_state(rig, fan.from[i]), SWARM_STEP_CANCELLED);
        }
        CHECK(!started(rig, MANY));
        fan_end(rig, &fan);
    }
}

TEST(garbage_is_counted_apart) {
    for (uint32_t garbage = 0; garbage < 2; garbage++) {
        struct fan fan;
        const swarm_join_spec join = {
            .need = 1, .failed_max = 1, .garbage_max = garbage != 0 ? SWARM_ZERO32 : 0};
        struct rig *rig = fan_new(&fan, join, NULL);
        swarm_event event = {0};

        rig_answer(rig, 0, SWARM_OUTCOME_TERMINAL);
        CHECK_EQ(rig_state(rig, fan.join), SWARM_STEP_PENDING);
        rig_answer(rig, 1, SWARM_OUTCOME_GARBAGE);
        if (garbage == 0) {
            CHECK_EQ(rig_state(rig, fan.join), SWARM_STEP_PENDING);
            rig_answer(rig, 2, SWARM_OUTCOME_TERMINAL);
        }
        CHECK_EQ(rig_state(rig, fan.join), SWARM_STEP_FAILED);
        CHECK_EQ(events_of(rig, SWARM_EVENT_JOIN, &event), 1);
        CHECK_EQ(event.field[0], garbage != 0 ? 4 : 3);
        CHECK_EQ(event.field[5], 1);
        fan_end(rig, &fan);
    }
}

TEST(skipped_and_cancelled_ones_are_missing) {
    struct rig *rig = rig_new(NULL, 4);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step head = rig_step(plan), skipped = rig_step(plan), other = rig_step(plan);
    const swarm_join_spec join = {.need = 2, .failed_max = SWARM_ZERO32};
    swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.join = &join});
    swarm_event event = {0};

    CHECK_EQ(swarm_edge_add(plan, head, skipped, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, head, step, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, skipped, step, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, other, step, 0), SWARM_OK);
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(swarm_step_cancel(rig->sw, other), SWARM_OK);
    rig_settle(rig);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_PENDING);
    CHECK_EQ(swarm_step_cancel(rig->sw, skipped), SWARM_OK); /* pending: its edge is not over */
    rig_settle(rig);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_PENDING);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(rig, step), SWARM_STEP_FAILED);
    CHECK_EQ(events_of(rig, SWARM_EVENT_JOIN, &event), 1);
    CHECK_EQ(event.field[0], 2);
    CHECK_EQ(event.field[6], 2);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(holes_tell_their_reason_in_the_order_of_the_plan) {
    struct fan fan;
    struct rig *rig = fan_new(&fan, (swarm_join_spec){.need = 1}, &growing);
    swarm_result result = {.value = 77};

    rig_answer(rig, 4, SWARM_OUTCOME_TERMINAL);
    rig_answer(rig, 3, SWARM_OUTCOME_GARBAGE);
    CHECK_EQ(swarm_step_cancel(rig->sw, fan.from[2]), SWARM_OK);
    rig_settle(rig);
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    CHECK_EQ(swarm_input(rig->sw, fan.join, 0, &result), SWARM_E_FENCED); /* not ended */
    CHECK_EQ(swarm_input(rig->sw, fan.join, 2, &result), SWARM_E_FENCED); /* cancelled */
    CHECK_EQ(swarm_input(rig->sw, fan.join, 3, &result), SWARM_E_GARBAGE);
    CHECK_EQ(swarm_input(rig->sw, fan.join, 4, &result), SWARM_E_FAILED);
    CHECK_EQ(result.value, 77);
    CHECK_EQ(swarm_input(rig->sw, fan.join, 1, &result), SWARM_OK);
    CHECK_EQ(result.value, 0);
    CHECK_EQ(swarm_input(rig->sw, fan.join, 5, &result), SWARM_E_INVALID);
    fan_end(rig, &fan);
}

TEST(a_join_that_is_cancelled_tells_its_successors_at_once) {
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct rig *rig = rig_new(NULL, 4);
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, both_kinds[kind], &run);
        swarm_step a = rig_step(plan), after;
        swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.join = &(swarm_join_spec){0}});

        after = rig_step(plan);
        CHECK_EQ(swarm_edge_add(plan, a, step, 0), SWARM_OK);
        CHECK_EQ(swarm_edge_add(plan, step, after, 0), SWARM_OK);
        rig_commit(plan);
        CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
        rig_at(rig, 0);
        CHECK_EQ(swarm_step_cancel(rig->sw, step), SWARM_OK);
        rig_settle(rig);
        CHECK_EQ(rig_state(rig, step), SWARM_STEP_CANCELLED);
        CHECK_EQ(rig_state(rig, after), SWARM_STEP_SKIPPED);
        rig_finish(rig);
        rig_check_run(rig, run);
        rig_free(rig);
    }
}

TEST(a_delay_counts_when_it_is_over) {
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct rig *rig = rig_new(NULL, 4);
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, both_kinds[kind], &run);
        swarm_step a = rig_step(plan), b = rig_step(plan);
        const swarm_join_spec join = {.need = 1};
        swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.join = &join});
        swarm_result result;

        CHECK_EQ(swarm_edge_add(plan, a, step, 100), SWARM_OK);
        CHECK_EQ(swarm_edge_add(plan, b, step, 50), SWARM_OK);
        rig_commit(plan);
        CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
        rig_at(rig, 0);
        rig_answer(rig, 0, SWARM_OUTCOME_OK);
        CHECK(!started(rig, 2));
        rig->now_ns = 10;
        rig_answer(rig, 1, SWARM_OUTCOME_OK);
        CHECK(rig_next(rig));
        CHECK_EQ(rig->now_ns, 60);
        CHECK(started(rig, 2));
        CHECK_EQ(swarm_input(rig->sw, step, 0, &result), SWARM_E_FENCED);
        CHECK_EQ(swarm_input(rig->sw, step, 1, &result), SWARM_OK);
        rig_answer(rig, 2, SWARM_OUTCOME_OK);
        CHECK(rig_next(rig)); /* the other delay leads nowhere any more */
        rig_check_run(rig, run);
        rig_free(rig);
    }
}

TEST(predecessors_of_an_earlier_plan_count_as_they_ended) {
    struct rig *rig = rig_new(NULL, 4);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_step ok = rig_step(plan), failed = rig_step(plan), open = rig_step(plan), any, all;
    const swarm_join_spec one = {.need = 1};

    rig_commit(plan);
    rig_at(rig, 0);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    rig_answer(rig, 1, SWARM_OUTCOME_TERMINAL);
    plan = swarm_plan_open(rig->sw, run);
    any = swarm_step_add(plan, &(swarm_step_spec){.join = &one});
    all = swarm_step_add(plan, &(swarm_step_spec){.join = &(swarm_join_spec){0}});
    for (uint32_t i = 0; i < 2; i++) {
        swarm_step to = i == 0 ? any : all;

        CHECK_EQ(swarm_edge_add(plan, ok, to, 0), SWARM_OK);
        CHECK_EQ(swarm_edge_add(plan, failed, to, 0), SWARM_OK);
        CHECK_EQ(swarm_edge_add(plan, open, to, 0), SWARM_OK);
    }
    rig_commit(plan);
    rig_settle(rig);
    CHECK(started(rig, 3));
    CHECK_EQ(rig_state(rig, all), SWARM_STEP_FAILED);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(a_static_run_joins_again) {
    struct fan fan;
    struct rig *rig =
        fan_new(&fan, (swarm_join_spec){.need = 1, .flags = SWARM_JOIN_CANCEL_LOSERS}, NULL);
    swarm_result result;

    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    rig_finish(rig);
    rig_check_run(rig, fan.run);
    CHECK_EQ(swarm_run_again(rig->sw, fan.run), SWARM_OK);
    rig->seen = rig->count;
    rig_at(rig, 100);
    CHECK_EQ(rig_state(rig, fan.join), SWARM_STEP_PENDING);
    rig_answer(rig, 4, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(rig, fan.join), SWARM_STEP_RUNNING);
    CHECK_EQ(swarm_input(rig->sw, fan.join, 0, &result), SWARM_E_FENCED);
    CHECK_EQ(swarm_input(rig->sw, fan.join, 4, &result), SWARM_OK);
    fan_end(rig, &fan);
}

TEST(bad_joins_are_refused) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_function function = swarm_function_add(rig->sw, "sum", sum, NULL);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_error error = {0};
    swarm_step a, step;

    a = rig_step(plan);
    step = swarm_step_add(plan, &(swarm_step_spec){.join = &(swarm_join_spec){.need = 2}});
    CHECK_EQ(swarm_edge_add(plan, a, step, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, a, step, 0), SWARM_OK); /* repeated: counts once */
    CHECK_EQ(swarm_plan_commit(plan, &error), SWARM_E_INVALID);
    CHECK_EQ(error.step, 1);
    plan = swarm_plan_open(rig->sw, run);
    CHECK_EQ(swarm_step_add(plan, &(swarm_step_spec){.join = &(swarm_join_spec){.flags = 2}}).id,
             0);
    CHECK_EQ(swarm_plan_commit(plan, &error), SWARM_E_INVALID);
    plan = swarm_plan_open(rig->sw, run);
    a = swarm_call_add(plan, function, 0);
    step = swarm_step_add(plan, &(swarm_step_spec){.join = &(swarm_join_spec){0}});
    CHECK_EQ(swarm_edge_add(plan, a, step, 0), SWARM_E_INVALID);
    CHECK_EQ(swarm_plan_commit(plan, &error), SWARM_E_INVALID);
    CHECK_EQ(error.index, 2);
    rig_free(rig);
}

TEST(joins_come_back_to_their_pool) {
    const swarm_config config = {.shapes_max = 2};
    struct rig *rig = rig_new(&config, 1);
    const swarm_step_spec spec = {.join = &(swarm_join_spec){0}};
    swarm_run run;
    swarm_error error;

    for (uint32_t round = 0; round < 5; round++) {
        swarm_plan *plan = rig_plan(rig, round % 2 == 0 ? NULL : &growing, &run);

        CHECK(swarm_step_add(plan, &spec).id != 0);
        CHECK(swarm_step_add(plan, &spec).id != 0);
        if (round == 3) {
            CHECK_EQ(swarm_step_add(plan, &spec).id, 0);
            CHECK_EQ(swarm_plan_commit(plan, &error), SWARM_E_FULL);
        } else {
            rig_commit(plan);
        }
        CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
        rig_settle(rig);
        rig_finish(rig);
        CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
    }
    rig_free(rig);
}

/* ---- against a model */

#define MODEL_STEPS 24u

struct model {
    uint32_t edges[MODEL_STEPS]; /* bit i: waits for step i */
    uint32_t need[MODEL_STEPS], failed_max[MODEL_STEPS];
    uint32_t state[MODEL_STEPS]; /* SWARM_STEP_PENDING, RUNNING or terminal */
};

static uint32_t bits(uint32_t set) {
    uint32_t count = 0;

    for (; set != 0; set &= set - 1) {
        count++;
    }
    return count;
}

static uint32_t ended(const struct model *model, uint32_t state) {
    uint32_t set = 0;

    for (uint32_t i = 0; i < MODEL_STEPS; i++) {
        set |= (uint32_t)(model->state[i] == state) << i;
    }
    return set;
}

/* What step i does now, by the words of swarm.h. */
static uint32_t model_state(const struct model *model, uint32_t i) {
    uint32_t in = model->edges[i], ok = bits(in & ended(model, SWARM_STEP_OK));
    uint32_t failed = bits(in & ended(model, SWARM_STEP_FAILED));

    if (ok >= model->need[i]) {
        return SWARM_STEP_RUNNING;
    }
    return failed > model->failed_max[i] || bits(in) - failed < model->need[i] ? SWARM_STEP_FAILED
                                                                               : SWARM_STEP_PENDING;
}

static void model_settle(struct model *model) {
    bool changed = true;

    while (changed) {
        changed = false;
        for (uint32_t i = 0; i < MODEL_STEPS; i++) {
            if (model->state[i] == SWARM_STEP_PENDING) {
                model->state[i] = model_state(model, i);
                changed = changed || model->state[i] != SWARM_STEP_PENDING;
            }
        }
    }
}

static void model_plan(struct model *model, swarm_plan *plan, swarm_step *steps) {
    memset(model, 0, sizeof *model);
    for (uint32_t i = 0; i < MODEL_STEPS; i++) {
        swarm_join_spec join;

        for (uint32_t k = 0; k < i; k++) {
            model->edges[i] |= (uint32_t)(test_below(3) == 0) << k;
        }
        model->need[i] = (uint32_t)test_below(bits(model->edges[i]) + 1);
        model->failed_max[i] = (uint32_t)test_below(4);
        join.need = model->need[i] == 0 ? SWARM_ZERO32 : model->need[i];
        join.failed_max = model->failed_max[i] == 0 ? SWARM_ZERO32 : model->failed_max[i];
        join.garbage_max = join.flags = 0;
        steps[i] = swarm_step_add(plan, &(swarm_step_spec){.join = &join});
        for (uint32_t k = 0; k < i; k++) {
            if ((model->edges[i] >> k & 1) != 0) {
                CHECK_EQ(swarm_edge_add(plan, steps[k], steps[i], 0), SWARM_OK);
            }
        }
    }
}

static void model_compare(const struct model *model, struct rig *rig, const swarm_step *steps) {
    for (uint32_t i = 0; i < MODEL_STEPS; i++) {
        CHECK_EQ(rig_state(rig, steps[i]), model->state[i]);
    }
}

TEST(random_joins_as_a_model_says) {
    for (uint32_t round = 0; round < 200 && !test_failed(); round++) {
        struct rig *rig = rig_new(NULL, MODEL_STEPS);
        struct model model;
        swarm_step steps[MODEL_STEPS];
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, both_kinds[round % 2], &run);

        model_plan(&model, plan, steps);
        rig_commit(plan);
        CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
        rig_at(rig, 0);
        model_settle(&model);
        model_compare(&model, rig, steps);
        while (ended(&model, SWARM_STEP_RUNNING) != 0 && !test_failed()) {
            uint32_t i = (uint32_t)test_below(MODEL_STEPS);
            bool fails = test_below(3) == 0;

            if (model.state[i] == SWARM_STEP_RUNNING) {
                rig->now_ns++;
                rig_answer(rig, i, fails ? SWARM_OUTCOME_TERMINAL : SWARM_OUTCOME_OK);
                model.state[i] = fails ? SWARM_STEP_FAILED : SWARM_STEP_OK;
                model_settle(&model);
                model_compare(&model, rig, steps);
            }
        }
        rig_check_run(rig, run);
        rig_free(rig);
    }
}

TEST_MAIN()
