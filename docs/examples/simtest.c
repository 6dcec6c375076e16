/* SPDX-License-Identifier: MIT */
/*
 * simtest.c - a test of your own orchestrator: what happens if the i-th reply fails, for every i?
 *
 * `orchestrate` stands for your program. It is played once for each reply with exactly that one
 * failing. Nothing waits, nothing is random: a failure that is found is made as small as possible,
 * and its line of choices plays it again.
 *
 *     cc -O2 -I. docs/examples/simtest.c src/all.c backends/mock/mock.c -pthread \
 *        -o simtest && ./simtest
 */
#include <inttypes.h>
#include <stdio.h>

#include "backends/mock/swarm_mock.h"
#include "swarm.h"

/* ---- Your orchestrator: five searches, then a summary -------------------------------------- */

static swarm_run orchestrate(swarm *sw) {
    swarm_run run = swarm_run_open(sw, NULL);
    swarm_plan *plan = swarm_plan_open(sw, run);
    swarm_step_spec spec = {.payload = "search", .retry = {.attempts_max = 2}};
    swarm_step summary = swarm_step_add(plan, &spec);

    for (int i = 0; i < 5; i++) {
        swarm_edge_add(plan, swarm_step_add(plan, &spec), summary, 0);
    }
    swarm_plan_commit(plan, NULL);
    return run;
}

/* ---- Its test ------------------------------------------------------------------------------ */

static swarm_outcome failure; /* what a reply says that fails */

/* Plays it once. Which reply fails, and how long each takes, is up to the trial. */
static const char *trial(void *context, swarm_trial *trial) {
    static unsigned char memory[16384];
    swarm_config config = {
        .size = sizeof config, .version = SWARM_VERSION, .host = swarm_host_default()};
    swarm_mock_model model = {.failure = failure, .mean_ns = 1 + swarm_trial_choose(trial, 99)};
    swarm_mock_spec spec = {
        .size = sizeof spec, .models = &model, .models_count = 1, .trial = trial};
    swarm_mock *mock = swarm_mock_new(&spec, memory, sizeof memory);
    swarm_profile_spec profile = {.name = "searcher"};
    swarm_run_report report = {0};
    swarm *sw = NULL;

    (void)context;
    if (swarm_new(&config, &sw) != SWARM_OK) {
        return "no memory";
    }
    profile.backend = swarm_backend_add(sw, swarm_mock_backend(mock));
    swarm_agent_add(sw, swarm_profile_add(sw, &profile), 3);
    swarm_run run = orchestrate(sw);
    bool ended = swarm_sim_drive(sw, NULL) == SWARM_OK &&
                 swarm_run_check(sw, run, NULL) == SWARM_OK &&
                 swarm_run_report_get(sw, run, &report) == SWARM_OK;
    ended = swarm_free(sw) == SWARM_OK && ended;
    return !ended ? "it does not end" : report.ok != report.steps ? "a step is lost" : NULL;
}

/* Each reply fails once, with everything else as it was. */
static swarm_campaign_report campaign(swarm_outcome outcome, const char *choices) {
    static unsigned char memory[65536];
    swarm_campaign_report report = {0};
    swarm_campaign_spec spec = {.size = sizeof spec,
                                .trial = trial,
                                .choices = choices,
                                .memory = memory,
                                .memory_size = sizeof memory,
                                .flags = SWARM_CAMPAIGN_EACH};

    failure = outcome;
    swarm_campaign_run(&spec, &report);
    return report;
}

int main(int count, char **arguments) {
    swarm_campaign_report good = campaign(SWARM_OUTCOME_TRANSIENT, NULL);
    uint64_t replies = good.points;
    swarm_campaign_report bad = campaign(SWARM_OUTCOME_TERMINAL, count > 1 ? arguments[1] : NULL);

    printf("%" PRIu64 " replies: survives the loss of any: %s\n", replies,
           good.text == NULL ? "yes" : good.text);
    printf("a terminal error: %s; again: simtest %s\n", bad.text == NULL ? "unnoticed" : bad.text,
           bad.choices == NULL ? "" : bad.choices);
    return good.text != NULL || bad.text == NULL;
}
