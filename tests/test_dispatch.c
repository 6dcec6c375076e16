/* SPDX-License-Identifier: MIT */
/*
 * Which ready step goes first, to whom, and what it waits for: orders, routing, agents that come
 * and go, permits, limits of runs, edges with a delay.
 */
#include "test_dispatch.h"

static const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};

static swarm_run_spec ordered(uint32_t order) {
    const swarm_run_spec spec = {.order = order};

    return spec;
}

static swarm_step step_with(swarm_plan *plan, swarm_step_spec spec) {
    swarm_step step = swarm_step_add(plan, &spec);

    CHECK(step.id != 0);
    return step;
}

/* Six independent steps with keys, estimates and priorities, one agent: the order of starts. */
static void check_order(uint32_t order, const char *wanted) {
    static const uint64_t keys[] = {5, 1, 5, 0, 1, 9};
    static const uint64_t estimates[] = {10, 40, 10, 20, 40, 30};
    const swarm_run_spec spec = ordered(order);
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &spec, &run);

    for (uint32_t i = 0; i < 6; i++) {
        (void)step_with(plan, (swarm_step_spec){.order_key = keys[i], .estimate_ns = estimates[i]});
    }
    rig_commit(plan);
    rig_at(rig, 0);
    rig_finish(rig);
    rig_check_order(rig, wanted);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(orders_of_ready_steps) {
    check_order(SWARM_ORDER_FIFO, "0 1 2 3 4 5");
    check_order(SWARM_ORDER_LIFO, "5 4 3 2 1 0");
    check_order(SWARM_ORDER_HOPS, "0 1 2 3 4 5");
    check_order(SWARM_ORDER_CRITICAL, "1 4 5 3 0 2");
    check_order(SWARM_ORDER_KEY, "3 1 4 0 2 5");
    check_order(SWARM_ORDER_KEY_ID, "3 1 4 0 2 5");
}

/* 0 alone; 1 -> 3 -> 4; 2 -> 4: what became ready when, and how far from the end. */
static void check_graph_order(uint32_t order, uint64_t delay_ns, const char *wanted) {
    const swarm_run_spec spec = ordered(order);
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &spec, &run);
    swarm_step step[5];

    for (uint32_t i = 0; i < 5; i++) {
        step[i] = step_with(
            plan, (swarm_step_spec){.estimate_ns = i == 0 ? 25 : 10, .order_key = i == 3 ? 0 : 7});
    }
    CHECK_EQ(swarm_edge_add(plan, step[1], step[3], 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, step[3], step[4], 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, step[2], step[4], delay_ns), SWARM_OK);
    rig_commit(plan);
    rig_at(rig, 0);
    while (rig->seen < rig->count || rig_next(rig)) {
        rig_finish(rig);
    }
    rig_check_order(rig, wanted);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(orders_of_graphs) {
    check_graph_order(SWARM_ORDER_FIFO, 0, "0 1 2 3 4");
    check_graph_order(SWARM_ORDER_LIFO, 0, "2 1 3 4 0");
    check_graph_order(SWARM_ORDER_HOPS, 0, "1 2 3 0 4");
    check_graph_order(SWARM_ORDER_CRITICAL, 0, "1 0 2 3 4");
    check_graph_order(SWARM_ORDER_CRITICAL, 100, "2 1 0 3 4"); /* a delay lengthens the way */
    check_graph_order(SWARM_ORDER_HOPS, 100, "1 2 3 0 4");     /* in time, not in steps */
    check_graph_order(SWARM_ORDER_KEY, 0, "0 1 3 2 4");
    check_graph_order(SWARM_ORDER_KEY_ID, 0, "0 1 3 2 4");
}

TEST(equal_keys_by_readiness_or_by_ordinal) {
    for (uint32_t order = SWARM_ORDER_KEY; order <= SWARM_ORDER_KEY_ID; order++) {
        const swarm_run_spec spec = ordered(order);
        struct rig *rig = rig_new(NULL, 1);
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, &spec, &run);
        swarm_step first = rig_step(plan), late = rig_step(plan);

        (void)rig_step(plan);
        (void)rig_step(plan);
        CHECK_EQ(swarm_edge_add(plan, first, late, 0), SWARM_OK);
        rig_commit(plan);
        rig_at(rig, 0);
        rig_finish(rig);
        /* Step 1 becomes ready after 2 and 3 and has the smaller ordinal. */
        rig_check_order(rig, order == SWARM_ORDER_KEY ? "0 2 3 1" : "0 1 2 3");
        rig_free(rig);
    }
}

TEST(priority_goes_before_every_order) {
    for (uint32_t order = SWARM_ORDER_FIFO; order <= SWARM_ORDER_KEY_ID; order++) {
        const swarm_run_spec spec = ordered(order);
        struct rig *rig = rig_new(NULL, 1);
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, &spec, &run);

        for (uint32_t i = 0; i < 4; i++) {
            (void)step_with(plan, (swarm_step_spec){.priority = i == 2   ? 255
                                                                : i == 1 ? 1
                                                                         : 0,
                                                    .order_key = i == 2 ? 99 : 1});
        }
        rig_commit(plan);
        rig_at(rig, 0);
        rig_finish(rig);
        rig_check_order(rig, order == SWARM_ORDER_LIFO ? "2 1 3 0" : "2 1 0 3");
        rig_free(rig);
    }
}

/* ---- routing */

static swarm_profile profile_add(struct rig *rig, const char *name, const char *const *skills,
                                 uint32_t count, uint32_t cost) {
    const swarm_profile_spec spec = {.name = name,
                                     .skills = skills,
                                     .skills_count = count,
                                     .backend = rig->backend,
                                     .inflight_max = 2,
                                     .cost = cost};
    swarm_profile profile = swarm_profile_add(rig->sw, &spec);

    CHECK(profile.id != 0);
    return profile;
}

static uint64_t agent_of(const struct rig *rig, uint64_t ordinal) {
    const swarm_request *start = rig_start_of(rig, ordinal);

    return start == NULL ? 0 : start->agent.id;
}

TEST(routing_by_surplus_skills_load_cost_and_id) {
    static const char *const one[] = {"write"}, *const two[] = {"write", "search"};
    struct rig *rig = rig_new(NULL, 0);
    swarm_profile both = profile_add(rig, "both", two, 2, 0);
    swarm_profile dear = profile_add(rig, "dear", one, 1, 999);
    swarm_profile cheap = profile_add(rig, "cheap", one, 1, 1);
    swarm_run run;
    swarm_plan *plan;
    static const uint64_t wanted[] = {4, 5, 3, 1, 2, 4, 5, 3, 1, 2};

    CHECK_EQ(swarm_agent_add(rig->sw, both, 2).id, 1);
    CHECK_EQ(swarm_agent_add(rig->sw, dear, 1).id, 3);
    CHECK_EQ(swarm_agent_add(rig->sw, cheap, 2).id, 4);
    plan = rig_plan(rig, NULL, &run);
    for (uint32_t i = 0; i < 11; i++) {
        (void)step_with(plan, (swarm_step_spec){.skills = one, .skills_count = 1});
    }
    rig_commit(plan);
    rig_at(rig, 0);
    /* Scores: 4, 5: -1; 3: -999; 1, 2: -1000 for the surplus; then each has one in flight. */
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 10);
    for (uint64_t i = 0; i < 10; i++) {
        CHECK_EQ(agent_of(rig, i), wanted[i]);
    }
    rig_answer(rig, 7, SWARM_OUTCOME_OK); /* of agent 3: the last step waited for anybody */
    CHECK_EQ(agent_of(rig, 10), 3);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(equal_scores_go_to_the_smaller_id) {
    struct rig *rig = rig_new(NULL, 0);
    swarm_profile first = profile_add(rig, "first", NULL, 0, 5);
    swarm_profile second = profile_add(rig, "second", NULL, 0, 5);
    swarm_run run;
    swarm_plan *plan;

    CHECK_EQ(swarm_agent_add(rig->sw, second, 1).id, 1);
    CHECK_EQ(swarm_agent_add(rig->sw, first, 1).id, 2);
    plan = rig_plan(rig, NULL, &run);
    for (uint32_t i = 0; i < 4; i++) {
        (void)rig_step(plan);
    }
    rig_commit(plan);
    rig_at(rig, 0);
    for (uint64_t i = 0; i < 4; i++) {
        CHECK_EQ(agent_of(rig, i), 1 + i % 2);
    }
    rig_finish(rig);
    rig_free(rig);
}

TEST(skills_are_all_required) {
    static const char *const two[] = {"write", "search"}, *const third[] = {"paint"};
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step both, unknown, after;

    CHECK_EQ(swarm_agent_add(rig->sw, profile_add(rig, "w", two, 1, 0), 1).id, 2);
    CHECK_EQ(swarm_agent_add(rig->sw, profile_add(rig, "ws", two, 2, 0), 1).id, 3);
    both = step_with(plan, (swarm_step_spec){.skills = two, .skills_count = 2});
    unknown = step_with(plan, (swarm_step_spec){.skills = third, .skills_count = 1});
    after = rig_step(plan);
    CHECK_EQ(swarm_edge_add(plan, unknown, after, 0), SWARM_OK);
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(agent_of(rig, 0), 3);
    CHECK_EQ(rig_state(rig, unknown), SWARM_STEP_FAILED); /* never a silent queue */
    CHECK_EQ(rig_info(rig, unknown).reason, SWARM_E_NO_AGENT);
    CHECK_EQ(rig_info(rig, unknown).attempts, 0);
    CHECK_EQ(rig_state(rig, after), SWARM_STEP_SKIPPED);
    CHECK_EQ(rig_info(rig, after).reason, SWARM_E_DEPENDS);
    rig_finish(rig);
    CHECK_EQ(rig_state(rig, both), SWARM_STEP_OK);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(pinned_steps_wait_for_their_agent_alone) {
    struct rig *rig = rig_new(NULL, 3);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    const swarm_agent second = {2};

    (void)step_with(plan, (swarm_step_spec){.agent = second});
    (void)step_with(plan, (swarm_step_spec){.agent = second});
    (void)rig_step(plan);
    rig_commit(plan);
    rig_at(rig, 0);
    rig_check_order(rig, "0 2");
    CHECK_EQ(agent_of(rig, 0), 2);
    CHECK_EQ(agent_of(rig, 2), 1);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(agent_of(rig, 1), 2);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(agents_come_and_go_while_steps_wait) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    const swarm_agent first = {1};
    swarm_step pinned;

    (void)rig_step(plan);
    (void)rig_step(plan);
    pinned = step_with(plan, (swarm_step_spec){.agent = first});
    rig_commit(plan);
    rig_at(rig, 0);
    rig_check_order(rig, "0");
    CHECK_EQ(swarm_agent_add(rig->sw, rig->profile, 1).id, 2);
    rig_at(rig, 1);
    rig_check_order(rig, "0 1");
    CHECK_EQ(swarm_agent_withdraw(rig->sw, first), SWARM_OK);
    rig_at(rig, 2);
    CHECK_EQ(rig_info(rig, pinned).reason, SWARM_E_NO_AGENT); /* it would wait for ever */
    rig_answer(rig, 0, SWARM_OUTCOME_OK);                     /* what the agent has goes on */
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    rig_check_run(rig, run);
    CHECK_EQ(rig_report(rig, run).ok, 2);
    rig_free(rig);
}

TEST(nobody_left_is_no_queue) {
    struct rig *rig = rig_new(NULL, 2);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);

    for (uint32_t i = 0; i < 4; i++) {
        (void)rig_step(plan);
    }
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(swarm_agent_withdraw(rig->sw, (swarm_agent){1}), SWARM_OK);
    rig_at(rig, 1);
    CHECK_EQ(rig_report(rig, run).failed, 0); /* the other one may still take them */
    CHECK_EQ(swarm_agent_withdraw(rig->sw, (swarm_agent){2}), SWARM_OK);
    rig_at(rig, 2);
    CHECK_EQ(rig_report(rig, run).failed, 2);
    rig_finish(rig);
    rig_check_run(rig, run);
    CHECK_EQ(rig_report(rig, run).ok, 2);
    rig_free(rig);
}

TEST(agents_account_for_their_time) {
    struct rig *rig = rig_new(NULL, 2);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    uint64_t attempts = 0, busy_ns = 0;

    for (uint32_t i = 0; i < 3; i++) {
        (void)rig_step(plan);
    }
    rig_commit(plan);
    rig_at(rig, 10);
    rig->now_ns = 17;
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    rig->now_ns = 40;
    CHECK_EQ(rig_post(rig, 2, SWARM_OUTCOME_OK), SWARM_OK);
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    CHECK_EQ(swarm_agent_usage(rig->sw, (swarm_agent){1}, &attempts, &busy_ns), SWARM_OK);
    CHECK_EQ(attempts, 2);
    CHECK_EQ(busy_ns, 7 + 23);
    CHECK_EQ(swarm_agent_usage(rig->sw, (swarm_agent){2}, &attempts, &busy_ns), SWARM_OK);
    CHECK_EQ(attempts, 1);
    CHECK_EQ(busy_ns, 30);
    CHECK_EQ(rig_report(rig, run).running_ns, 60);
    CHECK_EQ(rig_report(rig, run).queued_ns, 7);
    CHECK_EQ(rig_report(rig, run).end_ns, 40);
    rig_free(rig);
}

/* ---- permits and limits */

TEST(permits_are_taken_all_or_none) {
    struct rig *rig = rig_new(NULL, 9);
    swarm_permit disk = swarm_permit_add(rig->sw, "disk", 3);
    swarm_permit net = swarm_permit_add(rig->sw, "net", 2);
    const swarm_need big[] = {{disk, 2}, {net, 1}}, small[] = {{disk, 1}}, wide[] = {{net, 2}};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);

    (void)step_with(plan, (swarm_step_spec){.needs = big, .needs_count = 2});   /* 0 */
    (void)step_with(plan, (swarm_step_spec){.needs = big, .needs_count = 2});   /* 1: no disk */
    (void)step_with(plan, (swarm_step_spec){.needs = small, .needs_count = 1}); /* 2: passes it */
    (void)step_with(plan, (swarm_step_spec){.needs = wide, .needs_count = 1});  /* 3: no net */
    (void)rig_step(plan);                                                       /* 4 */
    (void)step_with(plan, (swarm_step_spec){.needs = small, .needs_count = 1}); /* 5: no disk */
    rig_commit(plan);
    rig_at(rig, 0);
    rig_check_order(rig, "0 2 4");
    rig_answer(rig, 2, SWARM_OUTCOME_OK); /* one unit of disk: enough for 5, not for 1 */
    rig_check_order(rig, "0 2 4 5");
    rig_answer(rig, 0, SWARM_OUTCOME_OK); /* disk 2, net 2: 1 goes first, and takes net from 3 */
    rig_check_order(rig, "0 2 4 5 1");
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    rig_check_order(rig, "0 2 4 5 1 3");
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(a_failed_attempt_gives_its_permits_back) {
    struct rig *rig = rig_new(NULL, 2);
    swarm_permit lock = swarm_permit_add(rig->sw, "lock", 1);
    const swarm_need need[] = {{lock, 1}};
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);

    (void)step_with(plan, (swarm_step_spec){.needs = need,
                                            .needs_count = 1,
                                            .retry = {.attempts_max = 2, .backoff_ns = 100}});
    (void)step_with(plan, (swarm_step_spec){.needs = need, .needs_count = 1});
    rig_commit(plan);
    rig_at(rig, 0);
    rig_answer(rig, 0, SWARM_OUTCOME_TRANSIENT); /* a step in backoff holds nothing */
    rig_check_order(rig, "0 1");
    rig_at(rig, 100);
    rig_check_order(rig, "0 1");
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    rig_check_order(rig, "0 1 0");
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(a_permit_is_shared_by_runs) {
    struct rig *rig = rig_new(NULL, 4);
    swarm_permit lock = swarm_permit_add(rig->sw, "lock", 1);
    const swarm_need need[] = {{lock, 1}};
    swarm_run runs[2];

    for (uint32_t i = 0; i < 2; i++) {
        swarm_plan *plan = rig_plan(rig, NULL, &runs[i]);

        (void)step_with(plan, (swarm_step_spec){.needs = need, .needs_count = 1, .key = 7 + i});
        rig_commit(plan);
    }
    rig_at(rig, 0);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 1);
    CHECK_EQ(rig->requests[0].step_key, 7);
    rig_finish(rig);
    CHECK_EQ(rig_count(rig, SWARM_REQUEST_START), 2);
    rig_check_run(rig, runs[0]);
    rig_check_run(rig, runs[1]);
    rig_free(rig);
}

TEST(inflight_max_of_a_run_lets_others_pass) {
    const swarm_run_spec narrow = {.inflight_max = 2};
    struct rig *rig = rig_new(NULL, 4);
    swarm_run runs[2];

    for (uint32_t i = 0; i < 2; i++) {
        swarm_plan *plan = rig_plan(rig, i == 0 ? &narrow : NULL, &runs[i]);

        for (uint32_t k = 0; k < 4; k++) {
            (void)step_with(plan, (swarm_step_spec){.key = 1 + 10 * i + k});
        }
        rig_commit(plan);
    }
    rig_at(rig, 0);
    CHECK_EQ(rig->count, 4);
    CHECK_EQ(rig->requests[1].step_key, 2);
    CHECK_EQ(rig->requests[2].step_key, 11); /* run 0 has two in flight */
    rig_finish(rig);
    rig_check_run(rig, runs[0]);
    rig_check_run(rig, runs[1]);
    rig_free(rig);
}

TEST(attempts_max_of_a_run_is_a_limit) {
    const swarm_run_spec spec = {.attempts_max = 2};
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &spec, &run);
    swarm_step last = {0};

    for (uint32_t i = 0; i < 3; i++) {
        last = rig_step(plan);
    }
    rig_commit(plan);
    rig_at(rig, 0);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_info(rig, last).state, SWARM_STEP_READY); /* the agent is busy */
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_info(rig, last).reason, SWARM_E_LIMIT);
    rig_check_run(rig, run);
    CHECK_EQ(rig_report(rig, run).attempts, 2);
    rig_free(rig);
}

/* A START that nobody took is cancelled: its place in the table of attempts is free only when it
 * has left the queue, and who waits for the place must be looked at then. */
TEST(the_table_of_attempts_is_waited_for) {
    const swarm_config config = {.inflight_max = 1};
    struct rig *rig = rig_new(&config, 3);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step first = rig_step(plan);

    (void)rig_step(plan);
    rig_commit(plan);
    rig->hold_takes = true;
    rig->now_ns = 0;
    CHECK(rig_pass(rig));
    CHECK_EQ(swarm_step_cancel(rig->sw, first), SWARM_OK);
    CHECK(rig_pass(rig));
    rig->hold_takes = false;
    rig_settle(rig);
    rig_check_order(rig, "1");
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* ---- edges with a delay */

TEST(a_delay_counts_from_the_end) {
    struct rig *rig = rig_new(NULL, 2);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step a = rig_step(plan), b = rig_step(plan), c = rig_step(plan);

    CHECK_EQ(swarm_edge_add(plan, a, c, 30), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, a, c, 100), SWARM_OK); /* repeated: the longer counts */
    CHECK_EQ(swarm_edge_add(plan, a, c, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, b, c, 10), SWARM_OK);
    rig_commit(plan);
    rig_at(rig, 0);
    rig->now_ns = 5;
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    rig->now_ns = 94;
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    CHECK_EQ(swarm_next_deadline(rig->sw), 104);
    rig_at(rig, 103);
    CHECK_EQ(rig_state(rig, c), SWARM_STEP_PENDING);
    rig_at(rig, 104);
    CHECK_EQ(rig_state(rig, c), SWARM_STEP_PENDING); /* b's is over, a's comes one later */
    rig_at(rig, 105);
    CHECK_EQ(rig_state(rig, c), SWARM_STEP_RUNNING);
    CHECK_EQ(rig_info(rig, c).ready_ns, 105);
    CHECK_EQ(rig_report(rig, run).edges, 2);
    CHECK_EQ(rig_report(rig, run).edges_repeated, 2);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* Delays of 0 fire after all completions of the instant and before its dispatch: a step behind one
 * becomes ready after every step behind a plain edge, and is started in the same round. */
TEST(a_delay_of_zero_comes_after_the_completions) {
    struct rig *rig = rig_new(NULL, 4);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step a = rig_step(plan), b = rig_step(plan);
    swarm_step timed = rig_step(plan), plain = rig_step(plan), timed_too = rig_step(plan);
    swarm_stats before, after;

    CHECK_EQ(swarm_edge_add(plan, b, timed_too, SWARM_ZERO), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, a, timed, SWARM_ZERO), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, b, plain, 0), SWARM_OK);
    rig_commit(plan);
    rig_at(rig, 0);
    rig->now_ns = 9;
    CHECK_EQ(rig_post(rig, 1, SWARM_OUTCOME_OK), SWARM_OK);
    CHECK_EQ(rig_post(rig, 0, SWARM_OUTCOME_OK), SWARM_OK);
    CHECK_EQ(swarm_stats_get(rig->sw, &before), SWARM_OK);
    CHECK(rig_pass(rig));
    CHECK_EQ(swarm_stats_get(rig->sw, &after), SWARM_OK);
    CHECK_EQ(after.rounds, before.rounds + 1);
    rig_check_order(rig, "0 1 3 2 4"); /* one round; the timers among themselves by ordinal */
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

/* Answers of one instant are applied by ordinal, in whatever order they came. */
TEST(answers_of_one_instant_are_sorted) {
    enum { COUNT = 37 };
    struct rig *rig = rig_new(NULL, COUNT);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step steps[2 * COUNT];

    for (uint32_t i = 0; i < 2 * COUNT; i++) {
        steps[i] = rig_step(plan);
        if (i >= COUNT) {
            CHECK_EQ(swarm_edge_add(plan, steps[i - COUNT], steps[i], 0), SWARM_OK);
        }
    }
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(rig->count, COUNT);
    for (uint64_t i = 0; i < COUNT; i++) {
        CHECK_EQ(rig_post(rig, i * 11 % COUNT, SWARM_OUTCOME_OK), SWARM_OK);
    }
    rig_at(rig, 1);
    CHECK_EQ(rig->count, 2 * COUNT);
    for (uint32_t i = 0; i < rig->count; i++) {
        CHECK_EQ(rig->requests[i].ordinal, i);
    }
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(a_failure_does_not_wait_for_the_delay) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, NULL, &run);
    swarm_step a = rig_step(plan), b = rig_step(plan);

    CHECK_EQ(swarm_edge_add(plan, a, b, 1000), SWARM_OK);
    rig_commit(plan);
    rig_at(rig, 0);
    rig_answer(rig, 0, SWARM_OUTCOME_TERMINAL);
    CHECK_EQ(rig_state(rig, b), SWARM_STEP_SKIPPED);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(a_late_delay_counts_from_the_end_too) {
    struct rig *rig = rig_new(NULL, 4);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_step a = rig_step(plan), b, c;

    rig_commit(plan);
    rig_at(rig, 0);
    rig->now_ns = 10;
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    rig_at(rig, 50);
    plan = swarm_plan_open(rig->sw, run);
    b = rig_step(plan);
    c = rig_step(plan);
    CHECK_EQ(swarm_edge_add(plan, a, b, 100), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, a, c, 5), SWARM_OK); /* over long ago */
    rig_commit(plan);
    rig_at(rig, 50);
    CHECK_EQ(rig_state(rig, c), SWARM_STEP_RUNNING);
    CHECK_EQ(rig_state(rig, b), SWARM_STEP_PENDING);
    rig_at(rig, 109);
    CHECK_EQ(rig_state(rig, b), SWARM_STEP_PENDING);
    rig_at(rig, 110);
    CHECK_EQ(rig_state(rig, b), SWARM_STEP_RUNNING);
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_finish(rig);
    rig_check_run(rig, run);
    rig_free(rig);
}

TEST(a_delay_outlives_the_step_that_it_left) {
    for (uint32_t forgotten = 0; forgotten < 2; forgotten++) {
        struct rig *rig = rig_new(NULL, 1);
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, &growing, &run);
        swarm_step a =
            step_with(plan, (swarm_step_spec){.flags = forgotten == 0 ? SWARM_STEP_DETACHED : 0});
        swarm_step b = rig_step(plan);

        CHECK_EQ(swarm_edge_add(plan, a, b, 50), SWARM_OK);
        rig_commit(plan);
        CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
        rig_at(rig, 0);
        rig_answer(rig, 0, SWARM_OUTCOME_OK);
        CHECK_EQ(swarm_step_forget(rig->sw, a), forgotten == 0 ? SWARM_E_STALE : SWARM_OK);
        rig_at(rig, 50);
        CHECK_EQ(rig_state(rig, b), SWARM_STEP_RUNNING);
        rig_finish(rig);
        rig_check_run(rig, run);
        rig_free(rig);
    }
}

static swarm_outcome nothing(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    *out_value = call->argument;
    return SWARM_OUTCOME_OK;
}

/* A step that lives long has many late successors with a delay, and their slots go to others. */
TEST(delays_of_a_long_lived_step_are_used_once) {
    const swarm_config config = {.delays_max = 3};
    struct rig *rig = rig_new(&config, 1);
    swarm_function function = swarm_function_add(rig->sw, "nothing", nothing, NULL);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);
    swarm_step root = rig_step(plan);

    rig_commit(plan);
    rig_at(rig, 0);
    rig_answer(rig, 0, SWARM_OUTCOME_OK);
    for (uint64_t i = 1; i < 40; i++) {
        swarm_step step;

        plan = swarm_plan_open(rig->sw, run);
        step = step_with(plan, (swarm_step_spec){.flags = SWARM_STEP_DETACHED});
        CHECK_EQ(swarm_edge_add(plan, root, step, rig->now_ns + 2), SWARM_OK);
        rig_commit(plan);
        rig_at(rig, rig->now_ns + 1);
        CHECK_EQ(rig_state(rig, step), SWARM_STEP_PENDING);
        rig_at(rig, rig->now_ns + 1);
        rig_finish(rig);
        plan = swarm_plan_open(rig->sw, run); /* takes the slot, with a wild argument */
        (void)swarm_call_add(plan, function, UINT64_MAX - i);
        rig_commit(plan);
        rig_settle(rig);
    }
    CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
    rig_settle(rig);
    rig_check_run(rig, run);
    CHECK_EQ(rig_report(rig, run).ok, 1 + 2 * 39);
    rig_free(rig);
}

TEST_MAIN()
