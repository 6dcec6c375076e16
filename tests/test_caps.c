/* SPDX-License-Identifier: MIT */
/* Steps that workers add beyond a run's steps_max: seen when calls are quiet, whoever ran them. */
#include "test_dispatch.h"

static swarm_outcome spread(void *context, const swarm_call *call, uint64_t *out_value) {
    const swarm_function *function = context;

    *out_value = call->argument;
    for (uint32_t i = 0; i < 2 && call->argument != 0; i++) {
        (void)swarm_call_add(swarm_call_plan(call), *function, call->argument - 1);
    }
    return SWARM_OUTCOME_OK;
}

TEST(steps_that_workers_add_beyond_the_cap_end_the_run) {
    for (uint32_t over = 0; over < 2; over++) {
        const swarm_run_spec capped = {.flags = SWARM_RUN_GROWING, .steps_max = 32 - over};
        struct rig *rig = rig_new(NULL, 1);
        static swarm_function function;
        swarm_run run;
        swarm_plan *plan = rig_plan(rig, &capped, &run);
        swarm_step agent;

        function = swarm_function_add(rig->sw, "spread", spread, &function);
        (void)swarm_call_add(plan, function, 4); /* 31 in all */
        agent = rig_step(plan);
        rig_commit(plan);
        rig_at(rig, 0);
        CHECK_EQ(rig_state(rig, agent), over != 0 ? SWARM_STEP_CANCELLED : SWARM_STEP_RUNNING);
        CHECK_EQ(swarm_run_close(rig->sw, run), SWARM_OK);
        rig_settle(rig);
        rig_finish(rig);
        CHECK_EQ(rig_report(rig, run).steps, 32);
        CHECK_EQ(rig_report(rig, run).state, SWARM_RUN_ENDED);
        CHECK_EQ(swarm_run_check(rig->sw, run, NULL), over != 0 ? SWARM_E_LIMIT : SWARM_OK);
        rig_free(rig);
    }
}

TEST_MAIN()
