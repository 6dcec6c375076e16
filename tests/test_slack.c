/* SPDX-License-Identifier: MIT */
/*
 * Runs ordered by slack: what has time goes to slow and cheap agents, what has none does not.
 */
#include "test_dispatch.h"

enum { FAST = 1, CHEAP = 2 };

/* One fast agent, and one that takes twice as long and wins by its score. */
static struct rig *rig_slack(void) {
    struct rig *rig = rig_new(NULL, 0);
    swarm_profile_spec fast = {.name = "fast", .backend = rig->backend, .cost = 500};
    swarm_profile_spec cheap = {
        .name = "cheap", .backend = rig->backend, .cost = 100, .slow_ppm = 2000000};

    CHECK_EQ(swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &fast), 1).id, FAST);
    CHECK_EQ(swarm_agent_add(rig->sw, swarm_profile_add(rig->sw, &cheap), 1).id, CHEAP);
    return rig;
}

static void replay(struct rig *rig) {
    static unsigned char log[RIG_LOG];
    size_t size = rig->log_size, good = 0;

    memcpy(log, rig->log, size);
    rig_free(rig);
    rig = rig_slack();
    CHECK_EQ(swarm_resume_feed(rig->sw, SWARM_REPLAY, log, size), SWARM_OK);
    CHECK_EQ(swarm_resume_end(rig->sw, &good), SWARM_OK);
    CHECK_EQ(good, size);
    rig_free(rig);
}

/* Who gets the first and the second of two steps of 100 ns; 0: it waits. */
static void check_two(uint64_t deadline_ns, uint64_t first, uint64_t second) {
    struct rig *rig = rig_slack();
    const swarm_run_spec spec = {.order = SWARM_ORDER_SLACK, .deadline_ns = deadline_ns};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &spec, &run);
    const swarm_request *start;

    for (uint32_t i = 0; i < 2; i++) {
        CHECK(swarm_step_add(plan, &(swarm_step_spec){.estimate_ns = 100}).id != 0);
    }
    rig_commit(plan);
    rig_settle(rig);
    start = rig_start_of(rig, 0);
    CHECK_EQ(start == NULL ? 0 : start->agent.id, first);
    start = rig_start_of(rig, 1);
    CHECK_EQ(start == NULL ? 0 : start->agent.id, second);
    rig_finish(rig);
    rig_check_run(rig, run);
    replay(rig);
}

TEST(what_has_time_goes_to_the_cheap_one) {
    check_two(0, CHEAP, FAST);   /* no deadline */
    check_two(260, CHEAP, FAST); /* 1.3 times 200 */
    check_two(259, FAST, CHEAP); /* the fast one is busy, and 200 will do */
    check_two(200, FAST, CHEAP);
    check_two(199, FAST, 0); /* it would be late: it waits for the fast one */
    check_two(1, FAST, 0);   /* late in any case: no plan is refused, and nobody waits for ever */
}

TEST(the_whole_way_counts) {
    struct rig *rig = rig_slack();
    const swarm_run_spec spec = {.order = SWARM_ORDER_SLACK, .deadline_ns = 600};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &spec, &run);
    swarm_step last = {0};

    for (uint32_t i = 0; i < 3; i++) {
        swarm_step step = swarm_step_add(plan, &(swarm_step_spec){.estimate_ns = 100});

        CHECK(i == 0 || swarm_edge_add(plan, last, step, 0) == SWARM_OK);
        last = step;
    }
    rig_commit(plan);
    rig_settle(rig);
    CHECK_EQ(rig_start_of(rig, 0)->agent.id, FAST); /* 780 are too many */
    rig_at(rig, 50);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_start_of(rig, 1)->agent.id, CHEAP); /* 50 + 520 */
    rig_at(rig, 450);
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_start_of(rig, 2)->agent.id, FAST); /* it took longer than was thought */
    rig_finish(rig);
    rig_check_run(rig, run);
    replay(rig);
}

TEST(without_a_fast_one_the_slow_one_does_it) {
    struct rig *rig = rig_slack();
    const swarm_run_spec spec = {.order = SWARM_ORDER_SLACK, .deadline_ns = 1};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &spec, &run);

    CHECK_EQ(swarm_agent_withdraw(rig->sw, (swarm_agent){FAST}), SWARM_OK);
    CHECK(swarm_step_add(plan, &(swarm_step_spec){.estimate_ns = 100}).id != 0);
    rig_commit(plan);
    rig_settle(rig);
    CHECK_EQ(rig_start_of(rig, 0)->agent.id, CHEAP);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST_MAIN()
