/* SPDX-License-Identifier: MIT */
/*
 * Advice before a run: the width against the definition, tried for every width; the mode by hand.
 */
#include "test.h"

#include "../swarm.h"

/* ---- width */

/* What M13 says, in other words: the largest W with c*W*W <= work, clamped. */
static uint32_t width_by_definition(const swarm_width_spec *spec) {
    uint64_t upper = UINT32_MAX, best = 0;

    if (spec->work_ns == 0) {
        return 1;
    }
    upper = spec->slots != 0 && spec->slots < upper ? spec->slots : upper;
    upper = spec->agents_max != 0 && spec->agents_max < upper ? spec->agents_max : upper;
    for (uint64_t w = 1; w <= upper; w++) {
        bool cheap = spec->agent_ns == 0 || w * w * spec->agent_ns <= spec->work_ns;
        bool parallel = (w - 1) * spec->span_ns < spec->work_ns;

        if (!cheap || !parallel) {
            break;
        }
        best = w;
    }
    return best == 0 ? 1 : (uint32_t)best;
}

TEST(width_is_what_the_definition_says) {
    for (uint32_t i = 0; i < 20000; i++) {
        swarm_width_spec spec = {.work_ns = test_below(2000), .agent_ns = test_below(40)};
        swarm_width_advice advice = {0};

        spec.span_ns = spec.work_ns == 0 ? 0 : 1 + test_below(spec.work_ns);
        spec.slots = (uint32_t)test_below(30);
        spec.agents_max = (uint32_t)test_below(30);
        CHECK_EQ(swarm_width_advise(&spec, &advice), SWARM_OK);
        CHECK_EQ(advice.width, width_by_definition(&spec));
        CHECK_EQ(advice.expected_ns,
                 (spec.work_ns + advice.width - 1) / advice.width + spec.agent_ns * advice.width);
        CHECK(advice.text != NULL);
        if (test_failed()) {
            return;
        }
    }
}

static swarm_width_advice width(swarm_width_spec spec) {
    swarm_width_advice advice = {0};

    CHECK_EQ(swarm_width_advise(&spec, &advice), SWARM_OK);
    return advice;
}

TEST(width_names_its_bound) {
    swarm_width_advice advice = width((swarm_width_spec){0});

    CHECK(advice.width == 1 && advice.bound == SWARM_WIDTH_NO_WORK && advice.expected_ns == 0);
    advice = width((swarm_width_spec){.work_ns = 100, .span_ns = 1, .agent_ns = 4});
    CHECK(advice.width == 5 && advice.bound == SWARM_WIDTH_COST && advice.expected_ns == 40);
    advice = width((swarm_width_spec){.work_ns = 100, .span_ns = 30, .agent_ns = 1});
    CHECK(advice.width == 4 && advice.bound == SWARM_WIDTH_PARALLELISM);
    advice = width((swarm_width_spec){.work_ns = 100, .span_ns = 1, .slots = 3, .agents_max = 9});
    CHECK(advice.width == 3 && advice.bound == SWARM_WIDTH_SLOTS);
    advice = width((swarm_width_spec){.work_ns = 100, .span_ns = 1, .slots = 9, .agents_max = 3});
    CHECK(advice.width == 3 && advice.bound == SWARM_WIDTH_AGENTS);
    advice = width((swarm_width_spec){.work_ns = 5, .span_ns = 5, .agent_ns = 100});
    CHECK(advice.width == 1 && advice.bound == SWARM_WIDTH_PARALLELISM);
    advice = width((swarm_width_spec){.work_ns = SWARM_NEVER, .span_ns = 1});
    CHECK_EQ(advice.width, UINT32_MAX);
    CHECK_EQ(advice.expected_ns, SWARM_NEVER / UINT32_MAX);
    advice = width((swarm_width_spec){.work_ns = SWARM_NEVER, .span_ns = 1, .agent_ns = 1});
    CHECK_EQ(advice.width, UINT32_MAX); /* floor(sqrt(2^64 - 1)) */
}

/* ---- modes */

static swarm_mode_advice mode(swarm_mode_features features) {
    swarm_mode_advice advice = {0};

    CHECK_EQ(swarm_mode_advise(&features, &advice), SWARM_OK);
    CHECK(advice.text != NULL);
    return advice;
}

static void mode_is(swarm_mode_features features, uint32_t expected, uint32_t reason) {
    swarm_mode_advice advice = mode(features);

    CHECK_EQ(advice.mode.mode, expected);
    CHECK_EQ(advice.reason, reason);
}

TEST(the_lightest_mode_that_fits) {
    mode_is((swarm_mode_features){0}, SWARM_MODE_INSTANT, SWARM_MODE_BY_NOTHING);
    mode_is((swarm_mode_features){.flags = SWARM_MODE_REASONING}, SWARM_MODE_THINKING,
            SWARM_MODE_BY_REASONING);
    mode_is((swarm_mode_features){.flags = SWARM_MODE_TOOLS}, SWARM_MODE_AGENT,
            SWARM_MODE_BY_TOOLS);
    mode_is((swarm_mode_features){.steps = 2, .flags = SWARM_MODE_REASONING}, SWARM_MODE_AGENT,
            SWARM_MODE_BY_STEPS);
    mode_is((swarm_mode_features){.steps = 1500, .span_steps = 1}, SWARM_MODE_AGENT,
            SWARM_MODE_BY_STEPS);
    mode_is((swarm_mode_features){.steps = 1501, .span_steps = 1}, SWARM_MODE_SWARM,
            SWARM_MODE_BY_CAP);
    mode_is((swarm_mode_features){.context_tokens = 9, .context_max = 8}, SWARM_MODE_SWARM,
            SWARM_MODE_BY_CONTEXT);
    mode_is((swarm_mode_features){.context_tokens = 8, .context_max = 8}, SWARM_MODE_INSTANT,
            SWARM_MODE_BY_NOTHING);
}

TEST(a_deadline_calls_for_a_swarm_only_where_it_helps) {
    swarm_mode_features job = {.steps = 100, .span_steps = 10, .step_ns = 5, .deadline_ns = 499};
    swarm_mode_advice advice = mode(job);

    CHECK_EQ(advice.mode.mode, SWARM_MODE_SWARM);
    CHECK_EQ(advice.reason, SWARM_MODE_BY_DEADLINE);
    CHECK(advice.observed == 500 && advice.threshold == 499 && advice.width.width == 10);
    job.deadline_ns = 500;
    mode_is(job, SWARM_MODE_AGENT, SWARM_MODE_BY_STEPS);
    job.deadline_ns = 499;
    job.span_steps = 0; /* a chain: nobody could be faster */
    mode_is(job, SWARM_MODE_AGENT, SWARM_MODE_BY_STEPS);
    job.span_steps = 10;
    job.agents_max = 1;
    mode_is(job, SWARM_MODE_AGENT, SWARM_MODE_BY_STEPS);
}

TEST(presets) {
    static const swarm_mode expected[] = {{1, SWARM_MODE_INSTANT, 1, 0, 0},
                                          {1, SWARM_MODE_THINKING, 1, 0, 1},
                                          {1500, SWARM_MODE_AGENT, 1, 0, 1},
                                          {4000, SWARM_MODE_SWARM, 300, 1, 1}};

    for (uint32_t i = 0; i < 4; i++) {
        swarm_mode preset;

        CHECK_EQ(swarm_mode_preset(i + 1, &preset), SWARM_OK);
        CHECK(memcmp(&preset, &expected[i], sizeof preset) == 0);
    }
}

TEST_MAIN()
