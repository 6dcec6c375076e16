/* SPDX-License-Identifier: MIT */
/*
 * Durations of steps that are learned by label: what counts, for whom, and what it does to the
 * critical path first.
 */
#include "test_dispatch.h"

static const swarm_run_spec critical = {.order = SWARM_ORDER_CRITICAL};

static swarm_step labelled(swarm_plan *plan, uint64_t label, uint64_t estimate_ns) {
    swarm_step step =
        swarm_step_add(plan, &(swarm_step_spec){.order_key = label, .estimate_ns = estimate_ns});

    CHECK(step.id != 0);
    return step;
}

/* Runs one step with this label for so long, and forgets the run. */
static void teach(struct rig *rig, uint64_t label, uint64_t ns, swarm_outcome outcome) {
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &critical, &run);

    (void)labelled(plan, label, 0);
    rig_commit(plan);
    rig_settle(rig);
    rig->now_ns += ns;
    rig_answer(rig, 0, outcome);
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    rig->count = rig->seen = 0;
}

/* The order in which one agent takes two steps. */
static void check_first(struct rig *rig, const swarm_step_spec *a, const swarm_step_spec *b,
                        uint64_t first) {
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &critical, &run);

    CHECK(swarm_step_add(plan, a).id != 0);
    CHECK(swarm_step_add(plan, b).id != 0);
    rig_commit(plan);
    rig_settle(rig);
    CHECK_EQ(rig->count, 1);
    CHECK_EQ(rig->requests[0].ordinal, first);
    rig_answer(rig, rig->requests[0].ordinal, SWARM_OUTCOME_TERMINAL); /* teaches nothing */
    rig_answer(rig, rig->requests[1].ordinal, SWARM_OUTCOME_TERMINAL);
    CHECK_EQ(swarm_run_forget(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    rig->count = rig->seen = 0;
}

#define LABEL(label, estimate)                                                                     \
    &(swarm_step_spec) {                                                                           \
        .order_key = label, .estimate_ns = estimate                                                \
    }

TEST(the_mean_of_what_ended_well_is_the_estimate) {
    struct rig *rig = rig_new(NULL, 1);

    check_first(rig, LABEL(1, 0), LABEL(2, 0), 0); /* nothing is known yet */
    check_first(rig, LABEL(1, 0), LABEL(0, 2), 1); /* a label that is not known counts as 1 ns */
    teach(rig, 7, 100, SWARM_OUTCOME_OK);
    teach(rig, 7, 201, SWARM_OUTCOME_OK);
    teach(rig, 7, 9000, SWARM_OUTCOME_TERMINAL);
    check_first(rig, LABEL(0, 149), LABEL(7, 0), 1); /* 150.5, rounded down */
    check_first(rig, LABEL(0, 151), LABEL(7, 0), 0);
    check_first(rig, LABEL(0, 150), LABEL(7, 140), 0); /* who gives an estimate means it */
    check_first(rig, LABEL(8, 0), LABEL(7, 0), 1);
    rig_free(rig);
}

TEST(it_adds_up_along_the_way) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan;
    swarm_step first, second;

    teach(rig, 1, 10, SWARM_OUTCOME_OK);
    teach(rig, 2, 25, SWARM_OUTCOME_OK);
    plan = rig_plan(rig, &critical, &run);
    (void)labelled(plan, 2, 0);
    first = labelled(plan, 1, 0); /* three times 10 */
    second = labelled(plan, 1, 0);
    CHECK_EQ(swarm_edge_add(plan, first, second, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, second, labelled(plan, 1, 0), 0), SWARM_OK);
    rig_commit(plan);
    rig_settle(rig);
    rig_finish(rig);
    rig_check_order(rig, "1 0 2 3");
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(of_profiles_that_fit) {
    struct rig *rig = rig_new(NULL, 0);
    const char *const skills[] = {"fast"};
    swarm_profile_spec fast = {
        .name = "fast", .backend = rig->backend, .skills = skills, .skills_count = 1};
    swarm_agent slow = swarm_agent_add(rig->sw, rig->profile, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &critical, &run);

    CHECK(swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &fast), 1).id == 2);
    (void)swarm_step_add(plan, &(swarm_step_spec){.order_key = 5, .agent = slow});
    (void)swarm_step_add(plan, &(swarm_step_spec){.order_key = 5, .agent = {2}});
    rig_commit(plan);
    rig_settle(rig);
    rig->now_ns = 10;
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    rig->now_ns = 1000;
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    rig->count = rig->seen = 0;
    CHECK_EQ(swarm_agent_withdraw(rig->sw, slow), SWARM_OK);
    /* Both know 5: 505 on the whole, 10 with the skill. */
    check_first(rig, LABEL(0, 400), LABEL(5, 0), 1);
    check_first(rig, &(swarm_step_spec){.estimate_ns = 400, .skills = skills, .skills_count = 1},
                &(swarm_step_spec){.order_key = 5, .skills = skills, .skills_count = 1}, 0);
    check_first(rig, &(swarm_step_spec){.estimate_ns = 9, .skills = skills, .skills_count = 1},
                &(swarm_step_spec){.order_key = 5, .skills = skills, .skills_count = 1}, 1);
    rig_free(rig);
}

TEST(other_orders_and_further_labels_teach_nothing) {
    static const swarm_config one = {.labels_max = 1};
    static const swarm_run_spec by_key = {.order = SWARM_ORDER_KEY};
    struct rig *rig = rig_new(&one, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &by_key, &run);

    (void)labelled(plan, 1, 0);
    rig_commit(plan);
    rig_settle(rig);
    rig->now_ns += 500;
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    rig->count = rig->seen = 0;
    check_first(rig, LABEL(0, 2), LABEL(1, 0), 0);
    teach(rig, 3, 50, SWARM_OUTCOME_OK);
    teach(rig, 4, 500, SWARM_OUTCOME_OK); /* there was room for one */
    check_first(rig, LABEL(0, 2), LABEL(4, 0), 0);
    check_first(rig, LABEL(0, 2), LABEL(3, 0), 1);
    rig_free(rig);
}

TEST(a_replay_learns_the_same) {
    static unsigned char log[RIG_LOG];
    struct rig *rig = rig_new(NULL, 1);
    size_t size, good = 0;

    teach(rig, 7, 100, SWARM_OUTCOME_OK);
    check_first(rig, LABEL(0, 99), LABEL(7, 0), 1);
    size = rig->log_size;
    memcpy(log, rig->log, size);
    rig_free(rig);
    rig = rig_new(NULL, 1);
    CHECK_EQ(swarm_resume_feed(rig->sw, SWARM_REPLAY, log, size), SWARM_OK);
    CHECK_EQ(swarm_resume_end(rig->sw, &good), SWARM_OK);
    CHECK_EQ(good, size);
    rig_free(rig);
}

TEST_MAIN()
