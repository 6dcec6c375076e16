/* SPDX-License-Identifier: MIT */
/*
 * simtest.c - a test of your own orchestrator: what happens if the i-th reply fails, for every i?
 *
 * `orchestrate` stands for your program. It is run once to count the replies, then once for each
 * reply with exactly that one failing. Nothing waits, nothing is random: a failure that is found
 * has a number, and comes again with it.
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

/* Runs it with reply `fail` failing; returns how many steps did not end OK, or -1. */
static int64_t trial(uint64_t fail, swarm_outcome outcome, uint64_t *out_replies) {
    static unsigned char memory[16384];
    swarm_config config = {
        .size = sizeof config, .version = SWARM_VERSION, .host = swarm_host_default()};
    swarm_profile_spec profile = {.name = "searcher"};
    swarm_mock *mock = swarm_mock_new(NULL, memory, sizeof memory);
    swarm_mock_stats stats = {0};
    swarm_run_report report = {0};
    swarm *sw = NULL;
    bool good =
        swarm_mock_fail_nth(mock, fail, outcome) == SWARM_OK && swarm_new(&config, &sw) == SWARM_OK;

    profile.backend = swarm_backend_add(sw, swarm_mock_backend(mock));
    swarm_agent_add(sw, swarm_profile_add(sw, &profile), 3);
    swarm_run run = orchestrate(sw);
    good = good && swarm_sim_drive(sw, NULL) == SWARM_OK;
    good = good && swarm_run_check(sw, run, NULL) == SWARM_OK;
    good = good && swarm_run_report_get(sw, run, &report) == SWARM_OK;
    good = good && swarm_mock_stats_get(mock, &stats) == SWARM_OK;
    good = good && swarm_free(sw) == SWARM_OK;
    *out_replies = stats.answers;
    return good ? (int64_t)(report.steps - report.ok) : -1;
}

int main(void) {
    uint64_t replies, count, survived = 0, lost = 0;

    if (trial(SWARM_NEVER, SWARM_OUTCOME_LOST, &replies) != 0) {
        return 1;
    }
    for (uint64_t i = 0; i < replies; i++) {
        survived += trial(i, SWARM_OUTCOME_TRANSIENT, &count) == 0;
        lost += trial(i, SWARM_OUTCOME_TERMINAL, &count) > 0;
    }
    printf("%" PRIu64 " replies: survives the loss of any: %s; notices a terminal error: %s\n",
           replies, survived == replies ? "yes" : "no", lost == replies ? "yes" : "no");
    return survived != replies || lost != replies;
}
