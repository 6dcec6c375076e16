/* SPDX-License-Identifier: MIT */
/*
 * Edges into steps of earlier plans: when they count, when they come too late, and the cycles that
 * they would close; against a naive search.
 */
#include "test_dispatch.h"

static const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
static const swarm_config late_config = {.flags = SWARM_CONFIG_LATE_EDGES};
static const swarm_step_spec open_step = {.flags = SWARM_STEP_OPEN | SWARM_STEP_INPUTS};

/* A growing run with steps 0 and 1, which run, and an OPEN step 2 that waits for 0. */
struct bench {
    struct rig *rig;
    swarm_run run;
    swarm_step first, second, open;
};

static struct bench bench_new(void) {
    struct bench b = {.rig = rig_new(&late_config, 8)};
    swarm_plan *plan = rig_plan(b.rig, &growing, &b.run);

    b.first = rig_step(plan);
    b.second = rig_step(plan);
    b.open = swarm_step_add(plan, &open_step);
    CHECK_EQ(swarm_edge_add(plan, b.first, b.open, 0), SWARM_OK);
    rig_commit(plan);
    rig_at(b.rig, 0);
    return b;
}

static void bench_end(struct bench *b) {
    CHECK_EQ(swarm_run_close(b->rig->sw, b->run), SWARM_OK);
    rig_settle(b->rig);
    rig_finish(b->rig);
    rig_check_run(b->rig, b->run);
    rig_free(b->rig);
}

static swarm_status edge_late(struct bench *b, swarm_step from, swarm_step to,
                              swarm_error *out_error) {
    swarm_plan *plan = swarm_plan_open(b->rig->sw, b->run);

    CHECK_EQ(swarm_edge_add(plan, from, to, 0), SWARM_OK);
    return swarm_plan_commit(plan, out_error);
}

TEST(an_open_step_waits_for_what_came_later) {
    struct bench b = bench_new();
    swarm_plan *plan = swarm_plan_open(b.rig->sw, b.run);
    swarm_step added = rig_step(plan);
    swarm_result result;

    CHECK_EQ(swarm_edge_add(plan, b.second, b.open, 0), SWARM_OK); /* an older one */
    CHECK_EQ(swarm_edge_add(plan, added, b.open, 0), SWARM_OK);    /* and a new one */
    CHECK_EQ(swarm_edge_add(plan, added, b.open, 0), SWARM_OK);    /* repeated */
    rig_commit(plan);
    rig_settle(b.rig);
    CHECK_EQ(rig_report(b.rig, b.run).edges, 3);
    CHECK_EQ(rig_report(b.rig, b.run).edges_repeated, 1);
    rig_answer(b.rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(b.rig, b.open), SWARM_STEP_PENDING);
    rig_answer(b.rig, 3, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(b.rig, b.open), SWARM_STEP_PENDING);
    rig_answer(b.rig, 1, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(b.rig, b.open), SWARM_STEP_RUNNING);
    CHECK_EQ(rig_start_of(b.rig, 2)->inputs, 3);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(swarm_input(b.rig->sw, b.open, i, &result), SWARM_OK);
    }
    bench_end(&b);
}

TEST(from_a_step_that_has_ended_it_counts_at_once) {
    for (uint32_t fails = 0; fails < 2; fails++) {
        struct bench b = bench_new();

        rig_answer(b.rig, 1, fails != 0 ? SWARM_OUTCOME_TERMINAL : SWARM_OUTCOME_OK);
        CHECK_EQ(edge_late(&b, b.second, b.open, NULL), SWARM_OK);
        rig_settle(b.rig);
        CHECK_EQ(rig_state(b.rig, b.open), fails != 0 ? SWARM_STEP_SKIPPED : SWARM_STEP_PENDING);
        rig_answer(b.rig, 0, SWARM_OUTCOME_OK);
        CHECK_EQ(rig_state(b.rig, b.open), fails != 0 ? SWARM_STEP_SKIPPED : SWARM_STEP_RUNNING);
        bench_end(&b);
    }
}

TEST(rules_and_delays_come_along) {
    struct bench b = bench_new();
    swarm_plan *plan = swarm_plan_open(b.rig->sw, b.run);
    const swarm_edge_spec spec = {.delay_ns = 50, .on_failure = SWARM_EDGE_HOLE};
    swarm_step added = rig_step(plan);
    swarm_result result;

    CHECK_EQ(swarm_edge_add_with(plan, b.second, b.open, &spec), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, added, b.open, 80), SWARM_OK);
    rig_commit(plan);
    rig_settle(b.rig);
    rig_answer(b.rig, 1, SWARM_OUTCOME_TERMINAL);
    rig_answer(b.rig, 0, SWARM_OUTCOME_OK);
    rig_answer(b.rig, 3, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(b.rig, b.open), SWARM_STEP_PENDING);
    CHECK(rig_next(b.rig));
    CHECK_EQ(b.rig->now_ns, 80);
    CHECK_EQ(rig_state(b.rig, b.open), SWARM_STEP_RUNNING);
    CHECK_EQ(swarm_input(b.rig->sw, b.open, 1, &result), SWARM_E_FAILED);
    CHECK_EQ(swarm_input(b.rig->sw, b.open, 2, &result), SWARM_OK);
    bench_end(&b);
}

TEST(a_join_of_k_takes_more_candidates) {
    struct rig *rig = rig_new(&late_config, 8);
    struct bench b = {.rig = rig};
    swarm_plan *plan = rig_plan(rig, &growing, &b.run);
    const swarm_join_spec two = {.need = 2};
    swarm_step a = rig_step(plan), c = rig_step(plan), d = rig_step(plan);
    swarm_step join =
        swarm_step_add(plan, &(swarm_step_spec){.flags = SWARM_STEP_OPEN, .join = &two});

    CHECK_EQ(swarm_edge_add(plan, a, join, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, c, join, 0), SWARM_OK);
    rig_commit(plan);
    rig_at(rig, 0);
    CHECK_EQ(edge_late(&b, d, join, NULL), SWARM_OK);
    rig_settle(rig);
    rig_answer(rig, 0, SWARM_OUTCOME_TERMINAL); /* two of three are left */
    CHECK_EQ(rig_state(rig, join), SWARM_STEP_PENDING);
    rig_answer(rig, 1, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(rig, join), SWARM_STEP_PENDING);
    rig_answer(rig, 2, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(rig, join), SWARM_STEP_RUNNING);
    bench_end(&b);
}

TEST(too_late_is_started_and_closed_is_frozen) {
    struct bench b = bench_new();
    swarm_plan *plan;
    swarm_error error = {0};
    swarm_step shut;

    plan = swarm_plan_open(b.rig->sw, b.run);
    shut = rig_step(plan);
    CHECK_EQ(swarm_edge_add(plan, b.second, shut, 0), SWARM_OK);
    rig_commit(plan);
    plan = swarm_plan_open(b.rig->sw, b.run);
    CHECK_EQ(swarm_edge_add(plan, b.first, shut, 0), SWARM_E_FROZEN);
    CHECK_EQ(swarm_plan_drop(plan), SWARM_OK);
    rig_answer(b.rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(b.rig, b.open), SWARM_STEP_RUNNING);
    CHECK_EQ(edge_late(&b, b.second, b.open, &error), SWARM_E_STARTED);
    CHECK_EQ(error.step, 2);
    CHECK_EQ(error.other, 1);
    rig_answer(b.rig, 2, SWARM_OUTCOME_OK);
    CHECK_EQ(edge_late(&b, b.second, b.open, &error), SWARM_E_STARTED);
    plan = swarm_plan_open(b.rig->sw, b.run);
    CHECK_EQ(swarm_edge_add(plan, b.open, b.open, 0), SWARM_E_CYCLE);
    CHECK_EQ(swarm_plan_drop(plan), SWARM_OK);
    bench_end(&b);
}

TEST(a_cancelled_open_step_takes_no_more) {
    struct bench b = bench_new();

    CHECK_EQ(swarm_step_cancel(b.rig->sw, b.open), SWARM_OK);
    rig_settle(b.rig);
    CHECK_EQ(edge_late(&b, b.second, b.open, NULL), SWARM_E_STARTED);
    bench_end(&b);
}

TEST(open_needs_its_configuration_and_a_growing_run) {
    struct rig *rig = rig_new(NULL, 1);
    swarm_run run;
    swarm_plan *plan = rig_plan(rig, &growing, &run);

    CHECK_EQ(swarm_step_add(plan, &open_step).id, 0);
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_E_INVALID);
    rig_free(rig);
    rig = rig_new(&late_config, 1);
    plan = rig_plan(rig, NULL, &run);
    CHECK_EQ(swarm_step_add(plan, &open_step).id, 0);
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_E_INVALID);
    rig_free(rig);
}

/* 0 runs; OPEN 1 .. 4 each wait for it. */
static struct bench open_four(swarm_step *steps) {
    struct bench b = {.rig = rig_new(&late_config, 8)};
    swarm_plan *plan = rig_plan(b.rig, &growing, &b.run);

    steps[0] = rig_step(plan);
    for (uint32_t i = 1; i < 5; i++) {
        steps[i] = swarm_step_add(plan, &open_step);
        CHECK_EQ(swarm_edge_add(plan, steps[0], steps[i], 0), SWARM_OK);
    }
    rig_commit(plan);
    rig_at(b.rig, 0);
    return b;
}

TEST(a_cycle_is_refused_with_two_of_its_steps) {
    swarm_step s[5];
    struct bench b = open_four(s);
    swarm_error error = {0};

    CHECK_EQ(edge_late(&b, s[4], s[3], NULL), SWARM_OK);
    CHECK_EQ(edge_late(&b, s[3], s[1], NULL), SWARM_OK);
    CHECK_EQ(edge_late(&b, s[1], s[4], &error), SWARM_E_CYCLE);
    CHECK_EQ(error.step, 4);
    CHECK_EQ(error.other, 1);
    CHECK_EQ(edge_late(&b, s[1], s[2], NULL), SWARM_OK); /* nothing was left behind */
    CHECK_EQ(edge_late(&b, s[2], s[3], &error), SWARM_E_CYCLE);
    rig_answer(b.rig, 0, SWARM_OUTCOME_OK);
    bench_end(&b);
    CHECK(b.rig->count >= 5);
}

TEST(edges_of_one_plan_that_close_a_cycle_together) {
    swarm_step s[5];
    struct bench b = open_four(s);
    swarm_plan *plan = swarm_plan_open(b.rig->sw, b.run);
    swarm_error error = {0};

    CHECK_EQ(swarm_edge_add(plan, s[1], s[2], 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, s[2], s[1], 0), SWARM_OK);
    CHECK_EQ(swarm_plan_commit(plan, &error), SWARM_E_CYCLE);
    CHECK_EQ(rig_report(b.rig, b.run).edges, 4); /* all or nothing */
    CHECK_EQ(edge_late(&b, s[2], s[1], NULL), SWARM_OK);
    CHECK_EQ(edge_late(&b, s[1], s[2], NULL), SWARM_E_CYCLE);
    bench_end(&b);
}

TEST(a_cycle_through_new_steps_is_refused) {
    for (uint32_t way = 0; way < 3; way++) {
        swarm_step s[5], x, y;
        struct bench b = open_four(s);
        swarm_plan *plan = swarm_plan_open(b.rig->sw, b.run);

        x = rig_step(plan);
        y = rig_step(plan);
        CHECK_EQ(swarm_edge_add(plan, s[1], x, 0), SWARM_OK); /* 1 -> x -> y -> 2 */
        CHECK_EQ(swarm_edge_add(plan, x, y, 0), SWARM_OK);
        CHECK_EQ(swarm_edge_add(plan, y, s[2], 0), SWARM_OK);
        if (way == 0) { /* -> 1 */
            CHECK_EQ(swarm_edge_add(plan, y, s[1], 0), SWARM_OK);
        } else if (way == 1) { /* 2 -> 1 */
            CHECK_EQ(swarm_edge_add(plan, s[2], s[1], 0), SWARM_OK);
        }
        CHECK_EQ(swarm_plan_commit(plan, NULL), way < 2 ? SWARM_E_CYCLE : SWARM_OK);
        if (way == 2) {
            CHECK_EQ(edge_late(&b, s[2], s[1], NULL), SWARM_E_CYCLE);
        }
        rig_settle(b.rig);
        bench_end(&b);
    }
}

static swarm_outcome add_edge(void *context, const swarm_call *call, uint64_t *out_value) {
    const swarm_step *steps = context;
    swarm_plan *plan = swarm_call_plan(call);

    *out_value = 0;
    CHECK_EQ(swarm_edge_add(plan, steps[call->argument / 10], steps[call->argument % 10], 0),
             SWARM_OK);
    return SWARM_OUTCOME_OK;
}

TEST(a_call_step_adds_late_edges) {
    swarm_step s[5];
    struct bench b = open_four(s);
    swarm_function function = swarm_function_add(b.rig->sw, "add edge", add_edge, s);
    swarm_plan *plan = swarm_plan_open(b.rig->sw, b.run);
    swarm_step good = swarm_call_add(plan, function, 12), bad = swarm_call_add(plan, function, 21);

    CHECK_EQ(swarm_edge_add(plan, good, bad, 0), SWARM_OK);
    rig_commit(plan);
    rig_settle(b.rig);
    CHECK_EQ(rig_state(b.rig, good), SWARM_STEP_OK);
    CHECK_EQ(rig_state(b.rig, bad), SWARM_STEP_FAILED);
    rig_answer(b.rig, 0, SWARM_OUTCOME_OK);
    CHECK_EQ(rig_state(b.rig, s[1]), SWARM_STEP_RUNNING);
    CHECK_EQ(rig_state(b.rig, s[2]), SWARM_STEP_PENDING);
    bench_end(&b);
}

/* ---- against a naive search */

#define NODES 40u

struct model {
    bool edge[NODES][NODES];
    swarm_step steps[NODES];
    uint32_t count;
};

static bool reaches(const struct model *model, uint32_t from, uint32_t to) {
    bool seen[NODES] = {false};
    uint32_t stack[NODES], depth = 1;

    stack[0] = from;
    seen[from] = true;
    while (depth != 0) {
        uint32_t at = stack[--depth];

        if (at == to) {
            return true;
        }
        for (uint32_t next = 0; next < model->count; next++) {
            if (model->edge[at][next] && !seen[next]) {
                seen[next] = true;
                stack[depth++] = next;
            }
        }
    }
    return false;
}

/* A plan with a few new steps, in any order, and a few edges; true when the model has no cycle. */
static bool model_plan(struct model *model, swarm_plan *plan) {
    uint32_t first = model->count, fresh = (uint32_t)test_below(3), edges;
    bool acyclic = true;

    for (uint32_t i = 0; i < fresh && model->count < NODES; i++) {
        model->steps[model->count] = swarm_step_add(plan, &open_step);
        CHECK_EQ(swarm_edge_add(plan, model->steps[0], model->steps[model->count], 0), SWARM_OK);
        model->edge[0][model->count++] = true;
    }
    edges = 1 + (uint32_t)test_below(4);
    for (uint32_t i = 0; i < edges; i++) {
        uint32_t from = 1 + (uint32_t)test_below(model->count - 1);
        uint32_t to = 1 + (uint32_t)test_below(model->count - 1);

        if (first > 1 && test_below(2) == 0) {
            to = 1 + (uint32_t)test_below(first - 1);
        }
        if (from != to) {
            acyclic = acyclic && !reaches(model, to, from);
            model->edge[from][to] = true;
            CHECK_EQ(swarm_edge_add(plan, model->steps[from], model->steps[to], 0), SWARM_OK);
        }
    }
    return acyclic;
}

TEST(random_plans_as_a_naive_search_says) {
    uint32_t refused = 0, rounds = test_long ? 4000 : 150;

    for (uint32_t round = 0; round < rounds && !test_failed(); round++) {
        struct bench b = {.rig = rig_new(&late_config, 4)};
        struct model model = {.count = 2};
        swarm_plan *plan = rig_plan(b.rig, &growing, &b.run);

        model.steps[0] = rig_step(plan);
        model.steps[1] = swarm_step_add(plan, &open_step);
        CHECK_EQ(swarm_edge_add(plan, model.steps[0], model.steps[1], 0), SWARM_OK);
        model.edge[0][1] = true;
        rig_commit(plan);
        rig_at(b.rig, 0);
        for (uint32_t i = 0; i < 60; i++) {
            struct model before = model;
            bool acyclic;

            plan = swarm_plan_open(b.rig->sw, b.run);
            acyclic = model_plan(&model, plan);
            CHECK_EQ(swarm_plan_commit(plan, NULL), acyclic ? SWARM_OK : SWARM_E_CYCLE);
            if (!acyclic) {
                model = before;
                refused++;
            }
            rig_settle(b.rig);
        }
        rig_answer(b.rig, 0, SWARM_OUTCOME_OK);
        b.rig->seen = 1;
        bench_end(&b);
        CHECK_EQ(rig_count(b.rig, SWARM_REQUEST_START), model.count); /* none was left waiting */
    }
    CHECK(refused > rounds);
}

static swarm_outcome continues(void *context, const swarm_call *call, uint64_t *out_value) {
    swarm_plan *plan = swarm_call_plan(call);
    swarm_step open = swarm_step_add(
        plan, &(swarm_step_spec){.flags = SWARM_STEP_OPEN | SWARM_STEP_KEPT, .key = 7});
    swarm_step last = swarm_step_add(plan, NULL);

    (void)context;
    (void)out_value;
    CHECK_EQ(swarm_edge_add(plan, swarm_step_add(plan, NULL), open, 0), SWARM_OK);
    CHECK_EQ(swarm_edge_add(plan, open, last, 0), SWARM_OK);
    CHECK_EQ(swarm_plan_continue(plan, last), SWARM_OK);
    return SWARM_OUTCOME_OK;
}

TEST(a_cycle_through_a_continuation_is_one) {
    struct bench b = {.rig = rig_new(&late_config, 8)};
    swarm_function function = swarm_function_add(b.rig->sw, "continues", continues, NULL);
    swarm_plan *plan = rig_plan(b.rig, &growing, &b.run);
    swarm_step call = swarm_call_add(plan, function, 0), after = rig_step(plan);

    CHECK_EQ(swarm_edge_add(plan, call, after, 0), SWARM_OK);
    rig_commit(plan);
    rig_settle(b.rig);
    b.open = swarm_step_find(b.rig->sw, b.run, 7);
    CHECK(b.open.id != 0);
    CHECK_EQ(edge_late(&b, after, b.open, NULL),
             SWARM_E_CYCLE); /* call waits for what it brought */
    bench_end(&b);
}

TEST_MAIN()
