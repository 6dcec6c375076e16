/* SPDX-License-Identifier: MIT */
/*
 * test_campaign.c - campaigns: choices are drawn once and played again, failing trials shrink to
 * the smallest, and each fault point has its turn.
 */
#include "test.h"

#include "../backends/mock/swarm_mock.h"

static unsigned char memory[1u << 16];

static swarm_campaign_spec spec_of(const char *(*trial)(void *, swarm_trial *), void *context) {
    return (swarm_campaign_spec){.size = sizeof(swarm_campaign_spec),
                                 .trial = trial,
                                 .context = context,
                                 .memory = memory,
                                 .memory_size = sizeof memory};
}

/* Fails when some of up to 40 numbers below 1,000 is 77 or more. */
static const char *one_is_large(void *context, swarm_trial *trial) {
    uint64_t count = swarm_trial_choose(trial, 41);
    bool large = false;

    (void)context;
    for (uint64_t i = 0; i < count; i++) {
        large = swarm_trial_choose(trial, 1000) >= 77 || large;
    }
    return large ? "large" : NULL;
}

TEST(a_failing_trial_shrinks_to_the_smallest_and_plays_again) {
    swarm_campaign_spec spec = spec_of(one_is_large, NULL);
    swarm_campaign_report report;
    char line[32];

    CHECK_EQ(swarm_campaign_run(&spec, &report), SWARM_E_FAILED);
    CHECK(strcmp(report.choices, "1.4d") == 0); /* one number, and it is 77 */
    CHECK(strcmp(report.text, "large") == 0);
    CHECK_EQ(report.choices_count, 2);
    CHECK(report.shrinks != 0);
    snprintf(line, sizeof line, "%s", report.choices);
    spec.choices = line;
    CHECK_EQ(swarm_campaign_run(&spec, &report), SWARM_E_FAILED);
    CHECK_EQ(report.trials, 1);
    spec.choices = "1.4c";
    CHECK_EQ(swarm_campaign_run(&spec, &report), SWARM_OK);
    CHECK(report.text == NULL);
}

static const char *with_points(void *context, swarm_trial *trial) {
    uint64_t *failed = context;

    for (uint64_t i = 0; i < 5; i++) {
        failed[i] += swarm_trial_fails(trial);
    }
    return failed[3] == 2 ? "the fourth, twice" : NULL;
}

TEST(each_fault_point_fails_once) {
    uint64_t failed[5] = {0};
    swarm_campaign_spec spec = spec_of(with_points, failed);
    swarm_campaign_report report;

    spec.flags = SWARM_CAMPAIGN_EACH;
    spec.seeds = 1;
    CHECK_EQ(swarm_campaign_run(&spec, &report), SWARM_OK);
    CHECK_EQ(report.trials, 6); /* the last one has no point left */
    CHECK_EQ(report.points, 5);
    for (uint32_t i = 0; i < 5; i++) {
        CHECK_EQ(failed[i], 1);
    }
    spec.choices = "0.0.0.1";
    CHECK_EQ(swarm_campaign_run(&spec, &report), SWARM_E_FAILED);
}

static const char *twice(void *context, swarm_trial *trial) {
    uint64_t first[20];
    bool fails = swarm_trial_fails(trial);

    (void)context;
    for (uint32_t i = 0; i < 20; i++) {
        first[i] = swarm_trial_choose(trial, 1u << i);
    }
    swarm_trial_again(trial);
    if (swarm_trial_fails(trial) != fails) {
        return "another fault";
    }
    for (uint32_t i = 0; i < 20; i++) {
        if (swarm_trial_choose(trial, 1u << i) != first[i]) {
            return "another number";
        }
    }
    return NULL;
}

TEST(played_again_a_trial_chooses_the_same) {
    swarm_campaign_spec spec = spec_of(twice, NULL);
    swarm_campaign_report report;

    CHECK_EQ(swarm_campaign_run(&spec, &report), SWARM_OK);
    CHECK_EQ(report.trials, 1000);
    spec.flags = SWARM_CAMPAIGN_EACH;
    CHECK_EQ(swarm_campaign_run(&spec, &report), SWARM_OK);
}

static const char *often(void *context, swarm_trial *trial) {
    uint64_t *count = context;

    *count += swarm_trial_chance(trial, 250000);
    CHECK(!swarm_trial_chance(trial, 0));
    CHECK(swarm_trial_chance(trial, 1000000));
    CHECK_EQ(swarm_trial_choose(trial, 0), 0);
    CHECK_EQ(swarm_trial_choose(trial, 1), 0);
    return NULL;
}

TEST(a_chance_is_what_it_says) {
    uint64_t count = 0;
    swarm_campaign_spec spec = spec_of(often, &count);
    swarm_campaign_report report;

    spec.seeds = 10000;
    CHECK_EQ(swarm_campaign_run(&spec, &report), SWARM_OK);
    CHECK(count > 2300 && count < 2700); /* five standard deviations are 217 */
}

TEST(absurd_campaigns_are_refused) {
    swarm_campaign_spec spec = spec_of(one_is_large, NULL);
    swarm_campaign_report report;
    static const char *const bad[] = {
        "", ".", "1.", ".1", "1..2", "x", "1 2", "G", "11111111111111111"};

    CHECK_EQ(swarm_campaign_run(NULL, &report), SWARM_E_INVALID);
    CHECK_EQ(swarm_campaign_run(&spec, NULL), SWARM_E_INVALID);
    for (uint32_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        spec.choices = bad[i];
        CHECK_EQ(swarm_campaign_run(&spec, &report), SWARM_E_INVALID);
    }
    spec.choices = NULL;
    spec.memory_size = 7;
    CHECK_EQ(swarm_campaign_run(&spec, &report), SWARM_E_FULL);
    spec.memory_size = 200; /* a few choices, and zeros behind them */
    CHECK_EQ(swarm_campaign_run(&spec, &report), SWARM_E_FAILED);
    spec.size = 1;
    CHECK_EQ(swarm_campaign_run(&spec, &report), SWARM_E_INVALID);
    CHECK_EQ(swarm_trial_choose(NULL, 5), 0);
    CHECK(!swarm_trial_fails(NULL));
    swarm_trial_again(NULL);
}

TEST_MAIN()
