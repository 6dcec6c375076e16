/* SPDX-License-Identifier: MIT */
/*
 * test_limits.h - a swarm with little room, a mock, one agent, one function and one permit, for
 * test_limits.c and test_limits_log.c.
 */
#ifndef SWARM_TESTS_TEST_LIMITS_H
#define SWARM_TESTS_TEST_LIMITS_H

#include "test.h"

#include "../backends/mock/swarm_mock.h"

#define SECOND UINT64_C(1000000000)
#define AGAIN_AND_AGAIN 50 /* times that a pool is filled and emptied */

static unsigned char mock_memory[1u << 20];

struct house {
    swarm *sw;
    swarm_mock *mock;
    swarm_backend_id backend;
    swarm_profile profile;
    swarm_function function;
    swarm_permit permit;
    swarm_error error;
    uint64_t calls;
};

static inline swarm_outcome count_call(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    *out_value = call->argument;
    return SWARM_OUTCOME_OK;
}

static inline swarm_config small(void) {
    swarm_config config = {.size = sizeof config,
                           .version = SWARM_VERSION,
                           .host = swarm_host_default(),
                           .steps_max = 256,
                           .edges_max = 1024,
                           .tracked_max = 256,
                           .demands_max = 8,
                           .agents_max = 16};

    return config;
}

static inline void house_open(struct house *h, swarm_config config) {
    swarm_profile_spec profile = {.name = "profile"};

    memset(h, 0, sizeof *h);
    h->mock = swarm_mock_new(NULL, mock_memory, sizeof mock_memory);
    CHECK_EQ(swarm_new(&config, &h->sw), SWARM_OK);
    h->backend = profile.backend = swarm_backend_add(h->sw, swarm_mock_backend(h->mock));
    h->profile = swarm_profile_add(h->sw, &profile);
    CHECK(swarm_agent_add(h->sw, h->profile, 1).id != 0);
    h->function = swarm_function_add(h->sw, "function", count_call, h);
    h->permit = swarm_permit_add(h->sw, "permit", 100);
    CHECK_EQ(swarm_fault(h->sw, NULL), SWARM_OK);
}

static inline void house_close(struct house *h) {
    CHECK_EQ(swarm_drain(h->sw), SWARM_OK);
    CHECK_EQ(swarm_free(h->sw), SWARM_OK);
}

static inline swarm_run growing(struct house *h) {
    const swarm_run_spec spec = {.flags = SWARM_RUN_GROWING};

    return swarm_run_open(h->sw, &spec);
}

/* Ends the run, wants all of it OK, and forgets it. */
static inline void run_out(struct house *h, swarm_run run, uint64_t steps) {
    swarm_run_report report = {0};

    CHECK_EQ(swarm_run_close(h->sw, run), SWARM_OK);
    CHECK_EQ(swarm_sim_drive(h->sw, NULL), SWARM_OK);
    CHECK_EQ(swarm_run_report_get(h->sw, run, &report), SWARM_OK);
    CHECK_EQ(report.steps, steps);
    CHECK_EQ(report.ok, steps);
    CHECK_EQ(swarm_run_forget(h->sw, run), SWARM_OK);
}

static inline uint64_t live_steps(struct house *h) {
    swarm_stats stats = {0};

    CHECK_EQ(swarm_stats_get(h->sw, &stats), SWARM_OK);
    return stats.steps_live;
}

/* The last refusal was this one and its text names the field. */
static inline void check_refused(const swarm_error *error, swarm_status status, const char *field) {
    CHECK_EQ(error->status, status);
    CHECK(error->text != NULL && strstr(error->text, field) != NULL);
    if (error->text == NULL || strstr(error->text, field) == NULL) {
        printf("# %s is not in: %s\n", field, error->text == NULL ? "(null)" : error->text);
    }
}

static inline void check_fault(struct house *h, const char *field) {
    swarm_error error = {0};

    CHECK_EQ(swarm_fault(h->sw, &error), SWARM_E_FULL);
    check_refused(&error, SWARM_E_FULL, field);
}

#endif
