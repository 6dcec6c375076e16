/* SPDX-License-Identifier: MIT */
/*
 * Resume: limits, tenants, state keys, calls and cancels. See test_resume_cut.h.
 */
#include "test_resume_cut.h"

/* ---- limits */

static void budgets_begin(struct world *world) {
    static const char *const skills[] = {"write"};
    const swarm_budget_spec root = {.name = "root", .limit = {.output_tokens = 2500}};
    swarm_budget_spec part = {.name = "part",
                              .parent = swarm_budget_add(world->sw, &root),
                              .limit = {.cost_nano = 2600},
                              .policy = SWARM_BUDGET_DEGRADE};
    swarm_charge_spec charge = {.budget = swarm_budget_add(world->sw, &part),
                                .reserve = {.output_tokens = 100}};
    swarm_run_spec spec = {.key = 1, .seed = 71, .flags = SWARM_RUN_GROWING, .charge = &charge};
    swarm_plan *plan;
    swarm_charge_spec stop = {.reserve = {.steps = 1, .output_tokens = 60}};

    part = (swarm_budget_spec){
        .name = "stop", .parent = part.parent, .limit = {.steps = 5}, .policy = SWARM_BUDGET_STOP};
    stop.budget = swarm_budget_add(world->sw, &part);
    plan = swarm_plan_open(world->sw, swarm_run_open(world->sw, &spec));
    for (uint32_t i = 0; i < 20; i++) {
        swarm_step step =
            swarm_step_add(plan, &(swarm_step_spec){.argument = i,
                                                    .skills = skills,
                                                    .skills_count = i % 3 == 0,
                                                    .charge = i % 4 == 1 ? &stop : NULL,
                                                    .retry = {.attempts_max = 2, .backoff_ns = 5}});

        if (i % 5 == 0) {
            swarm_step more =
                swarm_step_add(plan, &(swarm_step_spec){.function = world->expand, .argument = i});

            CHECK_EQ(swarm_edge_add(plan, step, more, 0), SWARM_OK);
        }
    }
    commit(plan);
}

static void budgets_act(struct world *world, uint32_t n) {
    swarm_amounts more = {.output_tokens = 2500 + 4000 * n};
    swarm_budget_spec spec = {.name = "other", .limit = {.steps = 3}};

    CHECK_EQ(swarm_budget_limit(world->sw, swarm_budget_find(world->sw, "root"), &more), SWARM_OK);
    if (n == 1) {
        CHECK(swarm_budget_add(world->sw, &spec).id != 0);
    } else if (n == 2) {
        CHECK_EQ(swarm_budget_close(world->sw, swarm_budget_find(world->sw, "other")), SWARM_OK);
        CHECK_EQ(swarm_run_close(world->sw, swarm_run_find(world->sw, 1)), SWARM_OK);
    }
}

static void limits_begin(struct world *world) {
    swarm_plan *plan = open_run(world, 1, SWARM_RUN_GROWING);
    const swarm_governor_spec governor = {
        .confirm_ns = 10, .hold_ns = SWARM_ZERO, .cut_ns = 100, .first = 2, .most = 6};

    CHECK_EQ(swarm_governor_set(world->sw, world->backend, &governor), SWARM_OK);
    for (uint32_t i = 0; i < 60; i++) {
        const swarm_need need = {.permit = world->permit, .units = 1 + i % 4};

        CHECK(swarm_step_add(plan, &(swarm_step_spec){.argument = i,
                                                      .needs = &need,
                                                      .needs_count = i % 2,
                                                      .priority = i % 3,
                                                      .retry = {.backoff_ns = 30}})
                  .id != 0);
    }
    commit(plan);
}

static void limits_act(struct world *world, uint32_t n) {
    const swarm_governor_spec governor = {.confirm_ns = 5, .hold_ns = 10, .first = 4};

    if (n == 0) {
        CHECK_EQ(swarm_governor_set(world->sw, world->backend, NULL), SWARM_OK);
    } else if (n == 1) {
        limit_more(world);
        CHECK_EQ(swarm_governor_set(world->sw, world->backend, &governor), SWARM_OK);
    } else {
        CHECK_EQ(swarm_run_close(world->sw, swarm_run_find(world->sw, 1)), SWARM_OK);
    }
}

static void tenants_begin(struct world *world) {
    for (uint32_t i = 0; i < RUNS; i++) {
        const swarm_run_spec spec = {.key = i + 1,
                                     .seed = 31 + i,
                                     .tenant = tenants[i % 2],
                                     .order = SWARM_ORDER_DEADLINE,
                                     .deadline_ns = i == 0 ? 0 : 900000 / i};
        swarm_plan *plan = swarm_plan_open(world->sw, swarm_run_open(world->sw, &spec));

        for (uint32_t k = 0; k < 16; k++) {
            CHECK(swarm_step_add(plan, &(swarm_step_spec){.argument = k,
                                                          .estimate_ns = 100 + 50 * k,
                                                          .retry = {.attempts_max = 2}})
                      .id != 0);
        }
        commit(plan);
    }
}

/* ---- state */

static void writes(const swarm_request *request, swarm_completion *completion) {
    static swarm_effect effects[3];

    effects[0] = (swarm_effect){
        .kind = SWARM_EFFECT_PUT, .key = drawn(request, 11, 4), .value = request->ordinal};
    effects[1] = (swarm_effect){.kind = SWARM_EFFECT_NOTE, .key = 7, .bytes = 20, .tokens = 9};
    effects[2] = (swarm_effect){.kind = SWARM_EFFECT_CONCLUDE, .key = 8, .bytes = 5};
    completion->effects = request->argument % 4 == 3 ? effects + 1 : effects;
    completion->effects_count = request->argument % 4 == 3 ? 2 : 3;
    completion->result.digest = 1 + drawn(request, 10, 2);
}

static void states_begin(struct world *world) {
    swarm_plan *plan = open_run(world, 1, SWARM_RUN_GROWING);
    static const uint64_t keys[10] = {0, 1, 2, 3, 10, 11, 12, 13, 14, 15};
    const swarm_vote_spec vote = {.count = 3, .quorum = 2};

    for (uint32_t i = 0; i < 24; i++) {
        const swarm_state_spec state = {.reads = keys + i % 3,
                                        .reads_count = i % 5 == 0 ? 9 - i % 3 : 2,
                                        .isolation = i % 3,
                                        .on_conflict =
                                            i % 8 == 7 ? SWARM_CONFLICT_FAIL : i / 2 % 3};
        const swarm_state_spec call = {.reads = keys,
                                       .reads_count = 2,
                                       .isolation = SWARM_ISOLATION_SERIALIZABLE,
                                       .on_conflict = SWARM_CONFLICT_LAST_WRITER};
        swarm_step step = swarm_step_add(
            plan,
            &(swarm_step_spec){.argument = i,
                               .key = 100 + i,
                               .state = i % 4 == 3 ? NULL : &state,
                               .vote = i % 8 == 3 ? &vote : NULL,
                               .retry = {.attempts_max = i % 8 == 3 ? 1 : 4, .backoff_ns = 10}});

        CHECK_EQ(swarm_edge_add(plan, step,
                                swarm_step_add(plan, &(swarm_step_spec){.function = touch_function,
                                                                        .argument = i,
                                                                        .state = &call}),
                                0),
                 SWARM_OK);
    }
    commit(plan);
}

static swarm_branch branches[3]; /* their handles are the same in every life */

static void states_act(struct world *world, uint32_t n) {
    swarm_run run = swarm_run_find(world->sw, 1);
    swarm_state_value value = {.key = 50 + n, .value = n};
    const swarm_branch none = {0};
    swarm_state_spec state = {.branch = branches[0]};
    swarm_plan *plan;

    if (n == 0) {
        branches[0] = swarm_branch_open(world->sw, run, none);
        branches[1] = swarm_branch_open(world->sw, run, branches[0]);
        CHECK_EQ(swarm_state_put(world->sw, run, branches[1], &value), SWARM_OK);
    } else if (n == 1) {
        plan = swarm_plan_open(world->sw, run);
        CHECK(swarm_step_add(plan, &(swarm_step_spec){.state = &state}).id != 0);
        commit(plan);
    } else if (n == 2) {
        CHECK_EQ(swarm_branch_merge(world->sw, branches[1], NULL, 0, NULL), SWARM_OK);
        CHECK_EQ(swarm_state_put(world->sw, run, none, &value), SWARM_OK);
        branches[2] = swarm_branch_open(world->sw, run, none);
    } else if (n == 6) {
        swarm_status status = swarm_branch_merge(world->sw, branches[0], NULL, 0, NULL);

        CHECK(status == SWARM_OK || status == SWARM_E_CONFLICT);
        CHECK_EQ(swarm_branch_drop(world->sw, branches[2]), SWARM_OK);
    } else if (n == 7) {
        CHECK_EQ(swarm_run_close(world->sw, run), SWARM_OK);
    } else {
        CHECK_EQ(swarm_state_put(world->sw, run, none, &value), SWARM_OK);
    }
}

/* ---- calls */

static void calls_begin(struct world *world) {
    swarm_plan *plan = open_run(world, 1, SWARM_RUN_GROWING | SWARM_RUN_DURABLE);
    swarm_step first = swarm_call_add(plan, world->reduce, 1);
    swarm_step range = swarm_range_add(plan, durable_function, 10, 50);

    CHECK_EQ(swarm_edge_add(plan, first, range, 0), SWARM_OK);
    for (uint32_t i = 0; i < 10; i++) {
        swarm_step more = swarm_call_add(plan, world->expand, i);

        CHECK_EQ(swarm_edge_add(plan, range, more, 0), SWARM_OK);
        CHECK_EQ(swarm_edge_add(plan, first, more, 0), SWARM_OK);
    }
    commit(plan);
    plan = open_run(world, 2, SWARM_RUN_DURABLE);
    first = swarm_call_add(plan, world->reduce, 2);
    CHECK_EQ(swarm_edge_add(plan, first, swarm_call_add(plan, world->reduce, 3), 0), SWARM_OK);
    commit(plan);
}

static void calls_act(struct world *world, uint32_t n) {
    swarm_run run = swarm_run_find(world->sw, 1);
    swarm_plan *plan = swarm_plan_open(world->sw, run);

    CHECK(swarm_call_add(plan, spread_function, 2).id != 0);
    CHECK(swarm_call_add(plan, world->expand, 2 * n).id != 0);
    commit(plan);
    if (n == 2) {
        CHECK_EQ(swarm_run_close(world->sw, run), SWARM_OK);
    }
}

static void caps_begin(struct world *world) {
    const swarm_run_spec spec = {
        .key = 1, .seed = 7, .steps_max = 30, .flags = SWARM_RUN_GROWING | SWARM_RUN_DURABLE};
    swarm_plan *plan = swarm_plan_open(world->sw, swarm_run_open(world->sw, &spec));

    for (uint32_t i = 0; i < 12; i++) {
        swarm_step step = agent_step(plan, i);

        if (i == 7) {
            CHECK_EQ(swarm_edge_add(plan, step, swarm_call_add(plan, spread_function, 4), 0),
                     SWARM_OK);
        }
    }
    commit(plan);
}

static void cancels_begin(struct world *world) {
    for (uint32_t i = 0; i < 2; i++) {
        swarm_plan *plan = open_run(world, i + 1, SWARM_RUN_GROWING * (1 - i));

        for (uint32_t k = 0; k < 16; k++) {
            swarm_step step = agent_step(plan, k);
            swarm_step more = step;

            if (i == 0) {
                more = swarm_step_add(
                    plan,
                    &(swarm_step_spec){.function = world->expand, .key = 200 + k, .argument = k});
            } else {
                more = agent_step(plan, 50 + k);
            }
            CHECK_EQ(swarm_edge_add(plan, step, more, 0), SWARM_OK);
        }
        commit(plan);
    }
}

static void cancels_act(struct world *world, uint32_t n) {
    swarm *sw = world->sw;
    swarm_run run = swarm_run_find(sw, 1);
    swarm_agent agent = {agents.id + 1};

    if (n == 0) {
        CHECK_EQ(swarm_step_cancel(sw, find(world, 1, 3)), SWARM_OK);
        CHECK_EQ(swarm_agent_cancel(sw, agent), SWARM_OK);
    } else if (n == 2) {
        CHECK_EQ(swarm_subtree_cancel(sw, swarm_step_find(sw, run, 200)), SWARM_OK);
        CHECK_EQ(swarm_agent_withdraw(sw, agent), SWARM_OK);
    } else if (n == 3) {
        CHECK_EQ(swarm_run_cancel(sw, swarm_run_find(sw, 2)), SWARM_OK);
        CHECK_EQ(swarm_run_close(sw, run), SWARM_OK);
    }
}

/* ---- each of them, cut at every frame */

TEST(budgets_survive) {
    static const struct mechanism mechanism = {
        "budgets",
        budgets_begin,
        budgets_act,
        3,
        {.transient = 10},
        0,
        {SWARM_EVENT_LACK, SWARM_EVENT_SETTLE, SWARM_EVENT_BUDGET_CLOSE, SWARM_EVENT_CHARGE}};

    survive(&mechanism);
}

TEST(limits_survive) {
    static const struct mechanism mechanism = {"limits",
                                               limits_begin,
                                               limits_act,
                                               3,
                                               {.throttled = 20},
                                               0,
                                               {SWARM_EVENT_GOVERN, SWARM_EVENT_GOVERNOR}};

    survive(&mechanism);
}

TEST(tenants_survive) {
    static const struct mechanism mechanism = {
        "tenants", tenants_begin, NULL, 0, {.transient = 10}, 0, {SWARM_EVENT_RUN_OPTIONS}};

    survive(&mechanism);
}

TEST(state_survive) {
    static const struct mechanism mechanism = {
        "state",
        states_begin,
        states_act,
        8,
        {.transient = 5, .more = writes},
        0,
        {SWARM_EVENT_CONFLICT, SWARM_EVENT_EFFECT, SWARM_EVENT_NOTE, SWARM_EVENT_STATE_BRANCH}};

    survive(&mechanism);
}

TEST(calls_survive) {
    static const struct mechanism mechanism = {"calls",           calls_begin, calls_act,         3,
                                               {.transient = 10}, 0,           {SWARM_EVENT_CALL}};

    survive(&mechanism);
}

TEST(caps_survive) {
    static const struct mechanism mechanism = {
        "caps", caps_begin, NULL, 0, {.transient = 10}, 0, {SWARM_EVENT_OVER}};

    survive(&mechanism);
}

TEST(cancels_survive) {
    static const struct mechanism mechanism = {"cancels",
                                               cancels_begin,
                                               cancels_act,
                                               4,
                                               {.silent = 20},
                                               0,
                                               {SWARM_EVENT_CANCEL, SWARM_EVENT_FENCED}};

    survive(&mechanism);
}

TEST_MAIN()
