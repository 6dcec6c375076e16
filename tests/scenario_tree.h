/* SPDX-License-Identifier: MIT */
/*
 * scenario_tree.h - cancel: a tree of a million steps that grows from one, cancelled at its root.
 *
 * The root and two levels of call steps add a hundred steps each, the last of them agent steps.
 * After a minute of virtual time 300 agents are at work, and the root's subtree is cancelled.
 */
#ifndef SWARM_TESTS_SCENARIO_TREE_H
#define SWARM_TESTS_SCENARIO_TREE_H

#include "scenario.h"

enum {
    TREE_BRANCHES = 100,
    TREE_LEVELS = 3,
    TREE_CALLS = 1 + 100 + 100 * 100,
    TREE_NODES = TREE_CALLS + 100 * 100 * 100,
    TREE_AGENTS = 300,
};

struct tree {
    swarm_function expand;
};

/* The argument is the level: at level 1 agent steps are added. */
static inline swarm_outcome tree_expand(void *context, const swarm_call *call,
                                        uint64_t *out_value) {
    const struct tree *tree = context;
    swarm_plan *plan = swarm_call_plan(call);
    swarm_step_spec spec = {.argument = call->argument - 1};
    if (call->argument > 1) {
        spec.function = tree->expand;
    }
    for (uint32_t i = 0; i < TREE_BRANCHES; ++i) {
        (void)swarm_step_add(plan, &spec);
    }
    *out_value = TREE_BRANCHES;
    return SWARM_OUTCOME_OK;
}

static inline bool tree_open(struct scenario *s) {
    swarm_mock_model model = {
        .kind = SWARM_MOCK_LOGNORMAL, .mean_ns = 10 * SECOND, .sigma_ppm = 700000};
    swarm_mock_spec mock = {.size = sizeof mock,
                            .seed = s->seed,
                            .models = &model,
                            .models_count = 1,
                            .inflight_max = TREE_AGENTS,
                            .scripts_max = SWARM_NONE};
    swarm_config config = {.seed = s->seed,
                           .log_bytes = 1 << 22,
                           .runs_max = 1,
                           .steps_max = TREE_NODES + 1,
                           .edges_max = 64,
                           .tracked_max = TREE_NODES + 1,
                           .delays_max = 1,
                           .inputs_max = 1,
                           .demands_max = TREE_CALLS + 1, /* one a plan until it is applied */
                           .scopes_max = TREE_CALLS + 1,
                           .plans_max = TREE_CALLS + 1};
    struct engine_need need = {&config, &mock, 1};
    return engine_open(&s->engine, &need, &s->error);
}

/* Nothing keeps this log: it would be 40 MB, and what counts is what the backend was given. */
static inline swarm_status tree_drive(struct scenario *s, uint64_t until_ns) {
    return swarm_sim_drive(s->engine.sw, &(swarm_drive_options){.until_ns = until_ns});
}

static inline bool tree_play(struct scenario *s) {
    swarm *sw = s->engine.sw;
    struct tree tree = {swarm_function_add(sw, "expand", tree_expand, &tree)};
    swarm_profile_spec profile = {.name = "worker", .backend = s->engine.backend};
    swarm_agent_add(sw, swarm_profile_add(sw, &profile), TREE_AGENTS);
    swarm_run run = swarm_run_open(sw, &(swarm_run_spec){.flags = SWARM_RUN_GROWING});
    swarm_plan *plan = swarm_plan_open(sw, run);
    swarm_step root =
        swarm_step_add(plan, &(swarm_step_spec){.function = tree.expand, .argument = TREE_LEVELS});
    swarm_error error = {.text = NULL};
    swarm_status status = swarm_plan_commit(plan, &error);
    status = status != SWARM_OK ? status : swarm_run_close(sw, run);
    status = status != SWARM_OK ? status : tree_drive(s, 60 * SECOND);
    if (status != SWARM_E_TIMED_OUT) {
        return scenario_fail(s, status, error.text);
    }
    swarm_mock_stats before, after;
    swarm_run_report report;
    swarm_mock_stats_get(s->engine.mock, &before);
    status = swarm_subtree_cancel(sw, root);
    status = status != SWARM_OK ? status : tree_drive(s, SWARM_NEVER);
    status = status != SWARM_OK ? status : swarm_run_report_get(sw, run, &report);
    status = status != SWARM_OK ? status : swarm_run_check(sw, run, &error);
    if (status != SWARM_OK) {
        return scenario_fail(s, status, error.text);
    }
    swarm_mock_stats_get(s->engine.mock, &after);
    if (report.steps != TREE_NODES || report.ok + report.cancelled != TREE_NODES) {
        return scenario_fail(s, SWARM_E_FAILED, "the tree did not grow");
    }
    scenario_add(s, "nodes", report.steps);
    scenario_add(s, "dispatched_after_cancel", after.submitted - before.submitted);
    scenario_add(s, "dispatched_before", before.submitted);
    scenario_add(s, "cancelled", report.cancelled);
    return true;
}

static inline bool play_cancel(struct scenario *s) {
    if (!tree_open(s)) {
        return false;
    }
    bool good = tree_play(s);
    engine_close(&s->engine);
    return good;
}

#endif
