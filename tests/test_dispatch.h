/* SPDX-License-Identifier: MIT */
/*
 * test_dispatch.h - a bench for dispatch: a swarm with one backend that the test plays by hand.
 *
 * rig_at(&rig, time) makes passes at that time until nothing changes: call steps, a round, the log
 * (kept whole in rig.log), the requests (kept whole in rig.requests). The test then answers starts
 * by the step's ordinal and goes on to a later time. Nothing happens behind its back.
 */
#ifndef SWARM_TESTS_TEST_DISPATCH_H
#define SWARM_TESTS_TEST_DISPATCH_H

#include "test.h"

#include "../swarm.h"

#define SECOND UINT64_C(1000000000)
#define RIG_REQUESTS 8192u
#define RIG_LOG (1u << 21)
#define RIG_PASSES 100000u

struct rig {
    swarm *sw;
    swarm_backend_id backend;
    swarm_profile profile; /* without skills, one attempt at a time */
    uint64_t now_ns;
    uint32_t count;  /* of requests */
    uint32_t seen;   /* requests that the test has looked at */
    bool hold_log;   /* neither read nor acknowledge */
    bool hold_takes; /* do not take requests */
    size_t log_size;
    swarm_request requests[RIG_REQUESTS];
    unsigned char log[RIG_LOG];
};

/* One for all tests: it is large. */
static struct rig rig_one;

static inline void rig_free(struct rig *rig) {
    CHECK_EQ(swarm_free(rig->sw), SWARM_OK);
    rig->sw = NULL;
}

/* A swarm with `agents` agents of a profile without skills. config may be null. */
static inline struct rig *rig_new(const swarm_config *config, uint32_t agents) {
    struct rig *rig = &rig_one;
    swarm_config c = {0};
    const swarm_backend backend = {.size = sizeof backend, .name = "hand"};
    swarm_profile_spec plain = {.name = "plain"};

    memset(rig, 0, offsetof(struct rig, requests));
    if (config != NULL) {
        c = *config;
    }
    c.size = sizeof c;
    c.version = SWARM_VERSION;
    c.host = swarm_host_default();
    CHECK_EQ(swarm_new(&c, &rig->sw), SWARM_OK);
    rig->backend = swarm_backend_add(rig->sw, &backend);
    plain.backend = rig->backend;
    rig->profile = swarm_profile_add(rig->sw, &plain);
    if (agents != 0) {
        CHECK(swarm_agent_add(rig->sw, rig->profile, agents).id != 0);
    }
    CHECK_EQ(swarm_fault(rig->sw, NULL), SWARM_OK);
    return rig;
}

static inline bool rig_read(struct rig *rig) {
    size_t needed = 0, size;

    if (rig->hold_log) {
        return false;
    }
    size = swarm_log_read(rig->sw, rig->log + rig->log_size, RIG_LOG - rig->log_size, &needed);
    CHECK_EQ(needed, 0);
    rig->log_size += size;
    CHECK_EQ(swarm_log_acknowledge(rig->sw), SWARM_OK);
    return size != 0;
}

static inline bool rig_take(struct rig *rig) {
    uint32_t count = rig->hold_takes ? 0
                                     : swarm_take(rig->sw, rig->requests + rig->count,
                                                  RIG_REQUESTS - rig->count);

    rig->count += count;
    CHECK(rig->count < RIG_REQUESTS);
    return count != 0;
}

/* One pass; true when it changed something. */
static inline bool rig_pass(struct rig *rig) {
    bool changed = false, any = swarm_work(rig->sw, 0, 1000) != 0;
    swarm_status status = swarm_advance(rig->sw, rig->now_ns, &changed);

    while (status == SWARM_E_AGAIN && !rig->hold_log) {
        CHECK(rig_read(rig));
        status = swarm_advance(rig->sw, rig->now_ns, &changed);
    }
    any = rig_read(rig) || any;
    any = rig_take(rig) || any;
    return any || changed;
}

static inline void rig_settle(struct rig *rig) {
    uint32_t passes = 0;

    while ((rig_pass(rig) || (!rig->hold_log && swarm_next_deadline(rig->sw) == 0)) &&
           passes < RIG_PASSES) {
        passes++;
    }
    CHECK(passes < RIG_PASSES);
}

/* Goes to a time and does all that happens at it. */
static inline void rig_at(struct rig *rig, uint64_t now_ns) {
    rig->now_ns = now_ns;
    rig_settle(rig);
}

/* Goes to the next deadline; false when there is none. */
static inline bool rig_next(struct rig *rig) {
    uint64_t next = swarm_next_deadline(rig->sw);

    if (next == SWARM_NEVER) {
        return false;
    }
    rig_at(rig, next > rig->now_ns ? next : rig->now_ns);
    return true;
}

/* The last START of the step with this ordinal, or null. */
static inline const swarm_request *rig_start_of(const struct rig *rig, uint64_t ordinal) {
    for (uint32_t i = rig->count; i-- != 0;) {
        if (rig->requests[i].kind == SWARM_REQUEST_START && rig->requests[i].ordinal == ordinal) {
            return &rig->requests[i];
        }
    }
    return NULL;
}

static inline uint32_t rig_count(const struct rig *rig, uint32_t kind) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < rig->count; i++) {
        count += rig->requests[i].kind == kind;
    }
    return count;
}

/* Requests of a kind about a step. */
static inline uint32_t rig_count_of(const struct rig *rig, uint32_t kind, uint64_t ordinal) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < rig->count; i++) {
        count += rig->requests[i].kind == kind && rig->requests[i].ordinal == ordinal;
    }
    return count;
}

/* Answers the last start of a step; nothing is applied yet. */
static inline swarm_status rig_post(struct rig *rig, uint64_t ordinal, swarm_outcome outcome) {
    const swarm_request *start = rig_start_of(rig, ordinal);
    swarm_completion completion = {.outcome = outcome};

    CHECK(start != NULL);
    if (start == NULL) {
        return SWARM_E_MISSING;
    }
    completion.attempt = start->attempt;
    completion.usage.cost_nano = 1;
    return swarm_complete(rig->sw, &completion);
}

/* Answers and does all that follows at this time. */
static inline void rig_answer(struct rig *rig, uint64_t ordinal, swarm_outcome outcome) {
    CHECK_EQ(rig_post(rig, ordinal, outcome), SWARM_OK);
    rig_settle(rig);
}

/* Ordinals of all starts so far, in order, as text: "0 2 1". */
static inline const char *rig_order(const struct rig *rig) {
    static char text[4096];
    size_t used = 0;

    text[0] = 0;
    for (uint32_t i = 0; i < rig->count && used + 24 < sizeof text; i++) {
        if (rig->requests[i].kind == SWARM_REQUEST_START) {
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%" PRIu64,
                                     used == 0 ? "" : " ", rig->requests[i].ordinal);
        }
    }
    return text;
}

/* Checks the order of all starts so far. */
static inline void rig_check_order(const struct rig *rig, const char *wanted) {
    const char *order = rig_order(rig);

    CHECK(strcmp(order, wanted) == 0);
    if (strcmp(order, wanted) != 0) {
        printf("# started: %s; wanted: %s\n", order, wanted);
    }
}

/* Answers OK whatever is in flight, oldest first, one a time of 1 ns, until nothing is. */
static inline void rig_finish(struct rig *rig) {
    for (; rig->seen < rig->count; rig->seen++) {
        swarm_completion completion = {.attempt = rig->requests[rig->seen].attempt};

        if (rig->requests[rig->seen].kind == SWARM_REQUEST_START &&
            swarm_complete(rig->sw, &completion) == SWARM_OK) {
            rig_at(rig, rig->now_ns + 1);
        }
    }
}

/* Answers with THROTTLED or REFUSED until a time. */
static inline void rig_hold(struct rig *rig, uint64_t ordinal, swarm_outcome outcome,
                            uint64_t until_ns) {
    const swarm_request *start = rig_start_of(rig, ordinal);
    swarm_completion completion = {.outcome = outcome, .until_ns = until_ns};

    CHECK(start != NULL);
    if (start != NULL) {
        completion.attempt = start->attempt;
        CHECK_EQ(swarm_complete(rig->sw, &completion), SWARM_OK);
        rig_settle(rig);
    }
}

static inline swarm_step_info rig_info(struct rig *rig, swarm_step step) {
    swarm_step_info info = {0};

    CHECK_EQ(swarm_step_status(rig->sw, step, &info), SWARM_OK);
    return info;
}

static inline uint32_t rig_state(struct rig *rig, swarm_step step) {
    return rig_info(rig, step).state;
}

static inline swarm_run_report rig_report(struct rig *rig, swarm_run run) {
    swarm_run_report report = {0};

    CHECK_EQ(swarm_run_report_get(rig->sw, run, &report), SWARM_OK);
    return report;
}

/* The six outcomes of a run that has ended add up. */
static inline void rig_check_run(struct rig *rig, swarm_run run) {
    swarm_run_report r = rig_report(rig, run);

    CHECK_EQ(r.state, SWARM_RUN_ENDED);
    CHECK_EQ(r.ok + r.failed + r.timed_out + r.cancelled + r.skipped + r.budget, r.steps);
    CHECK_EQ(swarm_run_check(rig->sw, run, NULL), SWARM_OK);
}

/* A plan for a fresh run. */
static inline swarm_plan *rig_plan(struct rig *rig, const swarm_run_spec *spec,
                                   swarm_run *out_run) {
    *out_run = swarm_run_open(rig->sw, spec);
    CHECK(out_run->id != 0);
    return swarm_plan_open(rig->sw, *out_run);
}

/* An agent step with all defaults. */
static inline swarm_step rig_step(swarm_plan *plan) {
    swarm_step step = swarm_step_add(plan, NULL);

    CHECK(step.id != 0);
    return step;
}

static inline void rig_commit(swarm_plan *plan) {
    swarm_error error = {0};

    CHECK_EQ(swarm_plan_commit(plan, &error), SWARM_OK);
}

#endif
