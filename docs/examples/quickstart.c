/* SPDX-License-Identifier: MIT */
/*
 * quickstart.c - three steps, one agent, virtual time.
 *
 *     cc -O2 -I. docs/examples/quickstart.c src/all.c backends/mock/mock.c -pthread && ./a.out
 *
 * The agent is simulated: it answers each step after one second. Nothing waits for that second.
 * Calls that return a handle need no check of their own: a null handle may be passed on, and the
 * commit reports the first error.
 */
#include <inttypes.h>
#include <stdio.h>

#include "backends/mock/swarm_mock.h"
#include "swarm.h"

int main(void) {
    static unsigned char memory[4096];
    swarm_config config = {
        .size = sizeof config, .version = SWARM_VERSION, .host = swarm_host_default()};
    swarm *sw = NULL;
    swarm_step_info info;
    if (swarm_new(&config, &sw) != SWARM_OK)
        return 1;
    swarm_profile_spec writer = {
        .name = "writer",
        .backend =
            swarm_backend_add(sw, swarm_mock_backend(swarm_mock_new(NULL, memory, sizeof memory)))};
    swarm_agent_add(sw, swarm_profile_add(sw, &writer), 1);
    swarm_plan *plan = swarm_plan_open(sw, swarm_run_open(sw, NULL));
    swarm_step outline = swarm_step_add(plan, &(swarm_step_spec){.payload = "outline"});
    swarm_step draft = swarm_step_add(plan, &(swarm_step_spec){.payload = "draft"});
    swarm_step review = swarm_step_add(plan, &(swarm_step_spec){.payload = "review"});
    swarm_edge_add(plan, outline, draft, 0);
    swarm_edge_add(plan, draft, review, 0);
    if (swarm_plan_commit(plan, NULL) != SWARM_OK || swarm_sim_drive(sw, NULL) != SWARM_OK ||
        swarm_step_status(sw, review, &info) != SWARM_OK)
        return 1;
    printf("step %" PRIu64 " was done by agent %" PRIu64 "\nafter %" PRIu64 " s, in no time: %s\n",
           info.ordinal, info.agent.id, info.end_ns / 1000000000, swarm_status_text(info.reason));
    return swarm_free(sw) != SWARM_OK;
}
