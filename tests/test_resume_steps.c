/* SPDX-License-Identifier: MIT */
/*
 * Resume: what makes a step more than a start and an answer. See test_resume_cut.h.
 */
#include "test_resume_cut.h"

/* ---- structure */

static void edges_begin(struct world *world) {
    swarm_plan *plan = open_run(world, 1, 0);
    swarm_step from[4];

    for (uint32_t i = 0; i < 24; i++) {
        swarm_step step = agent_step(plan, i);

        for (uint32_t k = 0; i >= 4 && k < 3; k++) {
            swarm_edge_spec edge = {.kind = (i + k) % 3, .delay_ns = k == 1 ? 33 : 0};

            if (edge.kind != SWARM_EDGE_SOFT) {
                edge.when = i % 3;
                edge.value = edge.when == SWARM_WHEN_BRANCH      ? 1
                             : edge.when == SWARM_WHEN_CONFIDENT ? 500000
                                                                 : 0;
                edge.on_failure = k;
                edge.on_skip = (k + 1) % 3;
            }
            CHECK_EQ(swarm_edge_add_with(plan, from[(i + k) % 4], step, &edge), SWARM_OK);
        }
        from[i % 4] = step;
    }
    commit(plan);
}

static void joins_begin(struct world *world) {
    swarm_plan *plan = open_run(world, 1, 0);
    const swarm_join_spec any = {.need = 2, .flags = SWARM_JOIN_CANCEL_LOSERS};
    const swarm_join_spec few = {.need = 3, .failed_max = 1, .garbage_max = SWARM_ZERO32};
    const swarm_join_spec all = {.failed_max = 2};
    const swarm_join_spec *const joins[] = {&any, &few, &all};

    for (uint32_t i = 0; i < 9; i++) {
        swarm_step join = swarm_step_add(
            plan, &(swarm_step_spec){.join = joins[i % 3],
                                     .function = i % 2 == 0 ? world->reduce : (swarm_function){0}});

        for (uint32_t k = 0; k < 5; k++) {
            CHECK_EQ(swarm_edge_add(plan, agent_step(plan, 10 * i + k), join, 0), SWARM_OK);
        }
    }
    commit(plan);
}

static void skips_begin(struct world *world) {
    swarm_plan *plan = open_run(world, 1, SWARM_RUN_GROWING);
    const swarm_skip_spec skip = {.confidence_ppm = 400000};
    const swarm_edge_spec soft = {.kind = SWARM_EDGE_SOFT};

    for (uint32_t i = 0; i < 12; i++) {
        swarm_step draft = agent_step(plan, i);
        swarm_step check = swarm_step_add(plan, &(swarm_step_spec){.skip = &skip});
        swarm_step use = agent_step(plan, 50 + i);

        CHECK_EQ(swarm_edge_add(plan, draft, check, 0), SWARM_OK);
        CHECK_EQ(swarm_edge_add_with(plan, check, use, &soft), SWARM_OK);
    }
    commit(plan);
}

static void skips_act(struct world *world, uint32_t n) {
    if (n == 3) {
        CHECK_EQ(swarm_run_close(world->sw, swarm_run_find(world->sw, 1)), SWARM_OK);
    } else {
        for (uint32_t i = 9; i < 12; i++) {
            (void)swarm_step_skip(world->sw, find(world, 1, 50 + i - 4 * n));
        }
    }
}

static void loops_begin(struct world *world) {
    swarm_plan *plan = open_run(world, 1, SWARM_RUN_GROWING);
    const swarm_loop_spec until = {.iterations_max = 5, .until = SWARM_WHEN_BRANCH, .value = 2};
    const swarm_loop_spec times = {.iterations_max = 3};

    for (uint32_t i = 0; i < 6; i++) {
        swarm_step step =
            swarm_step_add(plan, &(swarm_step_spec){.argument = i,
                                                    .loop = &until,
                                                    .retry = {.attempts_max = 2, .backoff_ns = 5}});
        swarm_step body = swarm_step_add(
            plan, &(swarm_step_spec){.function = world->expand, .argument = i, .loop = &times});

        CHECK_EQ(swarm_edge_add(plan, step, body, 0), SWARM_OK);
    }
    commit(plan);
    CHECK_EQ(swarm_run_close(world->sw, swarm_run_find(world->sw, 1)), SWARM_OK);
}

static void lates_begin(struct world *world) {
    swarm_plan *plan = open_run(world, 1, SWARM_RUN_GROWING);
    const swarm_join_spec some = {.need = 2, .failed_max = 4};

    for (uint32_t i = 0; i < 8; i++) {
        swarm_step step = swarm_step_add(
            plan,
            &(swarm_step_spec){.argument = i,
                               .key = 100 + i,
                               .join = i % 2 == 0 ? &some : NULL,
                               .flags = SWARM_STEP_OPEN | (i % 3 == 0 ? SWARM_STEP_INPUTS : 0u)});

        CHECK_EQ(swarm_edge_add(plan, agent_step(plan, 20 + i), step, 600 + 100 * i), SWARM_OK);
        CHECK_EQ(swarm_edge_add(plan, agent_step(plan, 30 + i), step, 900), SWARM_OK);
    }
    commit(plan);
}

static void lates_act(struct world *world, uint32_t n) {
    swarm_plan *plan = swarm_plan_open(world->sw, swarm_run_find(world->sw, 1));
    const swarm_edge_spec hole = {.kind = SWARM_EDGE_DATA, .on_failure = SWARM_EDGE_HOLE};
    swarm_step_info info;

    for (uint32_t i = 4 * n; i < 8; i++) {
        swarm_step to = find(world, 1, i), from = agent_step(plan, 60 + 10 * n + i);

        CHECK_EQ(swarm_step_status(world->sw, to, &info), SWARM_OK);
        if (info.state == SWARM_STEP_PENDING) {
            CHECK_EQ(i % 2 == 0 ? swarm_edge_add(plan, from, to, 0)
                                : swarm_edge_add_with(plan, from, to, &hole),
                     SWARM_OK);
        }
    }
    if (swarm_plan_commit(plan, NULL) != SWARM_OK) { /* a join was decided meanwhile */
        plan = swarm_plan_open(world->sw, swarm_run_find(world->sw, 1));
        (void)agent_step(plan, 90 + n);
        commit(plan);
    }
    if (n == 1) {
        CHECK_EQ(swarm_run_close(world->sw, swarm_run_find(world->sw, 1)), SWARM_OK);
    }
}

/* ---- attempts */

static void votes_begin(struct world *world) {
    swarm_plan *plan = open_run(world, 1, 0);

    for (uint32_t i = 0; i < 12; i++) {
        const swarm_vote_spec vote = {.count = 5,
                                      .quorum = 3,
                                      .start = 2 + i % 4,
                                      .distinct = i % 2 * SWARM_VOTE_AGENTS,
                                      .tie_break = i % 3,
                                      .flags = i % 5 == 0 ? SWARM_VOTE_ALL : 0};

        CHECK(swarm_step_add(plan, &(swarm_step_spec){.argument = i, .vote = &vote}).id != 0);
    }
    commit(plan);
}

static void hedges_begin(struct world *world) {
    swarm_plan *plan = open_run(world, 1, 0);

    for (uint32_t i = 0; i < 40; i++) {
        const swarm_hedge_spec hedge = {.after_ns = i % 2 == 0 ? 500 : 0,
                                        .quantile_ppm = 600000,
                                        .samples_min = 5,
                                        .share_max_ppm = 400000};

        CHECK(
            swarm_step_add(plan, &(swarm_step_spec){.argument = i,
                                                    .hedge = &hedge,
                                                    .retry = {.attempts_max = 3, .backoff_ns = 10}})
                .id != 0);
    }
    commit(plan);
}

static void watches_begin(struct world *world) {
    swarm_plan *plan = open_run(world, 1, 0);

    for (uint32_t i = 0; i < 32; i++) {
        swarm_watch_spec watch = {.idle_timeout_ns = i % 4 == 0 ? 90 : 0,
                                  .lease_ns = i % 4 == 1 ? 95 : 0,
                                  .deadline_ns = i % 5 == 0 ? 2500 : 0,
                                  .late_ns = i % 4 == 2 ? 700 : 0,
                                  .tokens_expected = 100,
                                  .rate_min_milli = i % 4 == 3 ? 40 : 0,
                                  .rate_window_ns = 300,
                                  .confidence_min_ppm = i % 3 == 0 ? 300000 : 0,
                                  .repeat_max = i % 3 == 1 ? 4 : 0,
                                  .notes = i % 7 == 0 ? 1u << SWARM_DETECT_REPEAT : 0};

        CHECK(
            swarm_step_add(plan, &(swarm_step_spec){.argument = i,
                                                    .watch = &watch,
                                                    .run_timeout_ns = i % 6 == 0 ? 800 : 0,
                                                    .queue_timeout_ns = i % 9 == 0 ? 3000 : 0,
                                                    .retry = {.attempts_max = 3, .backoff_ns = 10}})
                .id != 0);
    }
    commit(plan);
}

static void asks_begin(struct world *world) {
    swarm_plan *plan = open_run(world, 1, 0);

    for (uint32_t i = 0; i < 24; i++) {
        const swarm_ask_spec ask = {.timeout_ns = 900,
                                    .reminder_ns = 350,
                                    .value = 4,
                                    .day_ns = 1000,
                                    .open_ns = i % 5 == 0 ? 100 : 0,
                                    .close_ns = i % 5 == 0 ? 800 : 0,
                                    .kind = i % 2 * SWARM_ASK_APPROVE,
                                    .on_timeout = i % 3};
        swarm_step step = swarm_step_add(
            plan,
            &(swarm_step_spec){.argument = i,
                               .ask = &ask,
                               .retry = {.attempts_max = i % 2 == 0 ? 3 : 1, .backoff_ns = 10}});

        CHECK_EQ(swarm_edge_add(plan, step, agent_step(plan, 50 + i), 0), SWARM_OK);
    }
    commit(plan);
}

/* ---- each of them, cut at every frame */

TEST(edges_survive) {
    static const struct mechanism mechanism = {"edges",
                                               edges_begin,
                                               NULL,
                                               0,
                                               {.transient = 20, .terminal = 20, .more = sure},
                                               0,
                                               {SWARM_EVENT_EDGE_RULE, SWARM_EVENT_BRANCH}};

    survive(&mechanism);
}

TEST(joins_survive) {
    static const struct mechanism mechanism = {"joins",
                                               joins_begin,
                                               NULL,
                                               0,
                                               {.transient = 10, .terminal = 20},
                                               0,
                                               {SWARM_EVENT_JOIN, SWARM_EVENT_FENCED}};

    survive(&mechanism);
}

TEST(skips_survive) {
    static const struct mechanism mechanism = {"skips",        skips_begin, skips_act,         4,
                                               {.more = sure}, 0,           {SWARM_EVENT_SKIP}};

    survive(&mechanism);
}

TEST(loops_survive) {
    static const struct mechanism mechanism = {
        "loops", loops_begin, NULL, 0, {.transient = 20}, 0, {SWARM_EVENT_LOOP}};

    survive(&mechanism);
}

TEST(late_edges_survive) {
    static const struct mechanism mechanism = {
        "late edges", lates_begin, lates_act, 2, {.terminal = 20}, 0, {SWARM_EVENT_JOIN_SPEC}};

    survive(&mechanism);
}

TEST(votes_survive) {
    static const struct mechanism mechanism = {
        "votes", votes_begin, NULL, 0, {.transient = 15, .more = sure}, 0, {SWARM_EVENT_VOTE}};

    survive(&mechanism);
}

TEST(hedges_survive) {
    static const struct mechanism mechanism = {
        "hedges", hedges_begin, NULL, 0, {.transient = 10}, 0, {SWARM_EVENT_HEDGE}};

    survive(&mechanism);
}

TEST(watches_survive) {
    static const struct mechanism mechanism = {
        "watches",
        watches_begin,
        NULL,
        0,
        {.transient = 5, .silent = 20, .progress_ns = 60, .more = sure},
        0,
        {SWARM_EVENT_PROGRESS, SWARM_EVENT_DETECT}};

    survive(&mechanism);
}

TEST(asks_survive) {
    static const struct mechanism mechanism = {
        "asks",
        asks_begin,
        NULL,
        0,
        {.pauses = 60},
        0,
        {SWARM_EVENT_ASK, SWARM_EVENT_ANSWER, SWARM_EVENT_DETECT, SWARM_EVENT_RESULT}};

    survive(&mechanism);
}

TEST_MAIN()
