/* SPDX-License-Identifier: MIT */
/*
 * loom_core.c - the whole library under the model of C11 memory: answers, cancels and timeouts of
 * one attempt; the turn; a drive that sleeps, alone and with a worker.
 *
 * Everything goes through swarm.h; src/all.c is compiled beside it. A swarm is made anew for each
 * execution, in the same block. A thread of the host is a thread of the client that waits to be
 * started.
 */
#include <string.h>

#include "loom_atomic.h"

#include "../../swarm.h"

#define BLOCK_BYTES 524288
#define TIMEOUT_NS 100
#define PATIENCE_NS 50

static unsigned char block[BLOCK_BYTES] __attribute__((aligned(64)));
static swarm *sw;
static swarm_run run;
static swarm_step step;
static swarm_request request; /* the START that is to be answered */
static swarm_status answered[3];
static uint32_t guarded, starts, releases;
static uint64_t now_ns;
static atomic_u32 told, taken, ran;
static swarm_function function;

/* ---- the host */

static struct {
    atomic_u32 state; /* 0; 1 started, 2 ended; 3 nobody will start it */
    void *(*entry)(void *argument);
    void *argument;
} started;

static uint64_t host_now(void *context) {
    (void)context;
    return 1;
}

static bool host_start(void *context, void *(*entry)(void *), void *argument, uint64_t *out_id) {
    (void)context;
    started.entry = entry;
    started.argument = argument;
    *out_id = 1;
    ATOMIC_STORE(&started.state, 1, release);
    return true;
}

static void host_join(void *context, uint64_t id) {
    (void)context;
    (void)id;
    while (ATOMIC_LOAD(&started.state, acquire) != 2) {
        ATOMIC_PAUSE();
    }
}

static void be_started(void) {
    while (ATOMIC_LOAD(&started.state, acquire) == 0) {
        ATOMIC_PAUSE();
    }
    if (ATOMIC_LOAD(&started.state, acquire) == 1) {
        (void)started.entry(started.argument);
        ATOMIC_STORE(&started.state, 2, release);
    }
}

static const swarm_host host = {.size = sizeof host,
                                .clock = host_now,
                                .thread_start = host_start,
                                .thread_join = host_join,
                                .wait = loom_wait,
                                .wake = loom_wake};

/* ---- a backend that leaves its answers to other threads */

static swarm_status backend_submit(void *context, swarm *at, const swarm_request *asked,
                                   uint64_t *out_until_ns) {
    (void)context;
    (void)at;
    (void)out_until_ns;
    request = *asked;
    ATOMIC_STORE(&told, 1, release);
    return SWARM_OK;
}

static void backend_release(void *context, const swarm_result *result) {
    (void)context;
    (void)result;
    releases++;
}

static swarm_outcome call_ran(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    *out_value = call->argument;
    (void)ATOMIC_ADD(&ran, 1, relaxed);
    return SWARM_OUTCOME_OK;
}

/* ---- the state */

static void begin(void) {
    const swarm_config config = {.size = sizeof config,
                                 .version = SWARM_VERSION,
                                 .host = &host,
                                 .memory = block,
                                 .memory_size = sizeof block,
                                 .log_bytes = SWARM_NEVER,
                                 .cancel_grace_ns = PATIENCE_NS,
                                 .workers_max = 2,
                                 .runs_max = 1,
                                 .steps_max = 8,
                                 .edges_max = 8,
                                 .tracked_max = 4,
                                 .agents_max = 2,
                                 .profiles_max = 1,
                                 .skills_max = 1,
                                 .permits_max = 1,
                                 .demands_max = 2,
                                 .backends_max = 1,
                                 .functions_max = 1,
                                 .inflight_max = 2,
                                 .scopes_max = 1,
                                 .plans_max = 1,
                                 .ranges_max = 1,
                                 .commands_max = 2};
    const swarm_backend backend = {
        .size = sizeof backend, .name = "b", .submit = backend_submit, .release = backend_release};
    swarm_profile_spec profile = {.name = "p"};

    LOOM_CHECK(swarm_new(&config, &sw) == SWARM_OK);
    profile.backend = swarm_backend_add(sw, &backend);
    LOOM_CHECK(swarm_agent_add(sw, swarm_profile_add(sw, &profile), 2).id != 0);
    function = swarm_function_add(sw, "f", call_ran, NULL);
    LOOM_CHECK(swarm_fault(sw, NULL) == SWARM_OK);
    memset(answered, 0xff, sizeof answered);
    guarded = starts = releases = 0;
    now_ns = 1;
    ATOMIC_STORE(&told, 0, relaxed);
    ATOMIC_STORE(&taken, 0, relaxed);
    ATOMIC_STORE(&ran, 0, relaxed);
    ATOMIC_STORE(&started.state, 0, relaxed);
    loom_name(sw, "sw");
    loom_name(block, "block");
    loom_name(&told, "told");
}

static void agent_step(uint32_t attempts_max) {
    const swarm_step_spec spec = {.run_timeout_ns = TIMEOUT_NS,
                                  .retry = {.attempts_max = attempts_max, .backoff_ns = 1}};
    swarm_plan *plan;

    run = swarm_run_open(sw, NULL);
    plan = swarm_plan_open(sw, run);
    step = swarm_step_add(plan, &spec);
    LOOM_CHECK(swarm_plan_commit(plan, NULL) == SWARM_OK);
}

/* Advances to a time and takes what is asked for. */
static void pass(uint64_t time_ns) {
    swarm_request requests[4];
    uint32_t count;

    now_ns = time_ns > now_ns ? time_ns : now_ns;
    LOOM_CHECK(swarm_advance(sw, now_ns, NULL) == SWARM_OK);
    count = swarm_take(sw, requests, 4);
    for (uint32_t i = 0; i < count; i++) {
        starts += requests[i].kind == SWARM_REQUEST_START;
        releases += requests[i].kind == SWARM_REQUEST_RELEASE;
        request = requests[i].kind == SWARM_REQUEST_START ? requests[i] : request;
    }
}

static void respond(uint32_t who, swarm_attempt attempt, uint64_t value) {
    const swarm_completion completion = {.attempt = attempt,
                                         .outcome = SWARM_OUTCOME_OK,
                                         .result = {.value = value, .bytes = &block, .size = 1}};

    answered[who] = swarm_complete(sw, &completion);
}

/* ---- one attempt: two answers against a timeout and its grace */

static void attempt(void) {
    begin();
    agent_step(loom_size());
    pass(1);
    LOOM_CHECK(starts == 1);
}

static swarm_attempt first_attempt;

static void attempt_setup(void) {
    attempt();
    first_attempt = request.attempt;
}

static void attempt_run(uint32_t thread) {
    if (thread != 0) {
        respond(thread, first_attempt, thread);
        return;
    }
    pass(TIMEOUT_NS + 1);               /* given up, if nobody has answered */
    pass(TIMEOUT_NS + PATIENCE_NS + 2); /* its place is free, maybe another attempt's */
    pass(TIMEOUT_NS + PATIENCE_NS + 1000);
}

/* Of all answers at most one was taken over, and gets exactly one RELEASE. */
static void attempt_check(void) {
    swarm_step_info info;
    uint32_t taken_over = 0;

    for (uint32_t i = 0; i < 5; i++) {
        pass(now_ns + 2 * TIMEOUT_NS + PATIENCE_NS);
    }
    for (uint32_t i = 1; i < 3; i++) {
        LOOM_CHECK(answered[i] == SWARM_OK || answered[i] == SWARM_E_DUPLICATE ||
                   answered[i] == SWARM_E_STALE);
        taken_over += answered[i] == SWARM_OK;
    }
    LOOM_CHECK(taken_over <= 1);
    LOOM_CHECK(swarm_step_status(sw, step, &info) == SWARM_OK);
    LOOM_CHECK(info.state == SWARM_STEP_OK || info.state == SWARM_STEP_TIMED_OUT);
    if (info.state == SWARM_STEP_OK) { /* a result is that of an answer that was taken over */
        LOOM_CHECK(info.result.value < 3 && answered[info.result.value] == SWARM_OK);
        LOOM_CHECK(info.attempts == 1);
        taken_over--; /* it is the step's until the run is let go of */
    }
    LOOM_CHECK(releases == taken_over);
    LOOM_CHECK(swarm_run_forget(sw, run) == SWARM_OK);
}

/* ---- a cancel: when it has returned, nothing is started any more */

static void cancel_setup(void) {
    begin();
    agent_step(1);
}

static void cancel_run_thread(uint32_t thread) {
    if (thread == 1) {
        LOOM_CHECK(swarm_run_cancel(sw, run) == SWARM_OK);
        ATOMIC_STORE(&told, 1, release);
        return;
    }
    LOOM_CHECK(swarm_advance(sw, 1, NULL) == SWARM_OK);
    guarded = ATOMIC_LOAD(&told, acquire);
    if (swarm_take(sw, &request, 1) == 1 && request.kind == SWARM_REQUEST_START) {
        LOOM_CHECK(guarded == 0);
    }
}

static void cancel_check(void) {
    swarm_run_report report;

    for (uint32_t i = 0; i < 4; i++) {
        pass(now_ns + (i == 0 ? 0 : TIMEOUT_NS + PATIENCE_NS)); /* timers come before cancels */
    }
    LOOM_CHECK(swarm_run_report_get(sw, run, &report) == SWARM_OK);
    LOOM_CHECK(report.state == SWARM_RUN_ENDED);
    LOOM_CHECK(report.cancelled == 1);
}

/* ---- the turn: one owner at a time, and whoever posts is heard */

static void turn_setup(void) {
    begin();
    agent_step(1);
    pass(1);
    LOOM_CHECK(swarm_turn_end(sw) == SWARM_OK);
}

static void turn_run(uint32_t thread) {
    if (thread == 2) {
        respond(2, request.attempt, 2);
        return;
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (swarm_turn_begin(sw) == SWARM_OK) {
            guarded++;
            LOOM_CHECK(swarm_advance(sw, 2, NULL) == SWARM_OK);
            LOOM_CHECK(swarm_turn_end(sw) == SWARM_OK);
        }
    }
}

static void turn_check(void) {
    swarm_step_info info;
    swarm_stats stats;

    LOOM_CHECK(guarded != 0);
    LOOM_CHECK(answered[2] == SWARM_OK);
    LOOM_CHECK(swarm_turn_begin(sw) == SWARM_OK);
    LOOM_CHECK(swarm_stats_get(sw, &stats) == SWARM_OK);
    LOOM_CHECK(stats.open == 0 || swarm_next_deadline(sw) == 0);
    LOOM_CHECK(swarm_advance(sw, 2, NULL) == SWARM_OK);
    LOOM_CHECK(swarm_step_status(sw, step, &info) == SWARM_OK);
    LOOM_CHECK(info.state == SWARM_STEP_OK && info.result.value == 2);
}

/* ---- a drive that sleeps: an answer, and a cancel, wake it */

static void drive_setup(void) {
    begin();
    agent_step(1);
    LOOM_CHECK(loom_size() != 2 || swarm_run_close(sw, run) == SWARM_OK);
}

static void drive_run(uint32_t thread) {
    if (thread == 0) {
        LOOM_CHECK(swarm_drive(sw, NULL) == SWARM_OK);
    } else if (thread == 1) {
        while (ATOMIC_LOAD(&told, acquire) == 0 && ATOMIC_LOAD(&taken, acquire) == 0) {
            ATOMIC_PAUSE();
        }
        if (ATOMIC_LOAD(&told, acquire) != 0) {
            respond(1, request.attempt, 1);
        }
    } else {
        LOOM_CHECK(swarm_run_cancel(sw, run) == SWARM_OK);
        ATOMIC_STORE(&taken, 1, release);
    }
}

static void drive_check(void) {
    swarm_run_report report;

    LOOM_CHECK(swarm_run_report_get(sw, run, &report) == SWARM_OK);
    LOOM_CHECK(report.state == SWARM_RUN_ENDED && report.ok + report.cancelled == 1);
}

/* ---- a drive with a worker: call steps in a row, by the clock and in virtual time */

static void worker_setup(void) {
    swarm_plan *plan;
    swarm_step before = {0};

    begin();
    run = swarm_run_open(sw, NULL);
    plan = swarm_plan_open(sw, run);
    for (uint32_t i = 0; i < loom_size(); i++) {
        swarm_step next = swarm_call_add(plan, function, i);

        if (before.id != 0 && i != 2) { /* the third one is free */
            LOOM_CHECK(swarm_edge_add(plan, before, next, 0) == SWARM_OK);
        }
        before = next;
    }
    LOOM_CHECK(swarm_plan_commit(plan, NULL) == SWARM_OK);
}

static void worker_drive(swarm_status (*drive)(swarm *, const swarm_drive_options *)) {
    const swarm_drive_options options = {.workers = 1};

    LOOM_CHECK(drive(sw, &options) == SWARM_OK);
    LOOM_CHECK(ATOMIC_LOAD(&ran, relaxed) == loom_size());
}

static void worker_run(uint32_t thread) {
    if (thread == 1) {
        be_started();
    } else {
        worker_drive(swarm_drive);
    }
}

static void worker_sim_run(uint32_t thread) {
    if (thread == 1) {
        be_started();
    } else {
        worker_drive(swarm_sim_drive);
    }
}

static void worker_check(void) {
    swarm_run_report report;

    LOOM_CHECK(swarm_run_report_get(sw, run, &report) == SWARM_OK);
    LOOM_CHECK(report.state == SWARM_RUN_ENDED && report.ok == loom_size());
    LOOM_CHECK(swarm_run_forget(sw, run) == SWARM_OK);
    LOOM_CHECK(swarm_free(sw) == SWARM_OK);
}

#define CORE(named, setups, runs, judge, count, parameter)                                         \
    {                                                                                              \
        .name = "core_" named, .setup = setups, .run = runs, .check = judge, .threads = count,     \
        .size = parameter, .preemptions = 2, .stale = 4, .first = 15000, .random = 15000           \
    }

static const struct loom_client clients[] = {
    CORE("attempt", attempt_setup, attempt_run, attempt_check, 3, 1),
    CORE("attempt_again", attempt_setup, attempt_run, attempt_check, 3, 2),
    CORE("cancel", cancel_setup, cancel_run_thread, cancel_check, 2, 0),
    CORE("turn", turn_setup, turn_run, turn_check, 3, 0),
    CORE("drive_answer", drive_setup, drive_run, drive_check, 2, 0),
    CORE("drive_cancel", drive_setup, drive_run, drive_check, 3, 0),
    CORE("worker_one", worker_setup, worker_run, worker_check, 2, 1),
    CORE("worker", worker_setup, worker_run, worker_check, 2, 4),
    CORE("worker_sim", worker_setup, worker_sim_run, worker_check, 2, 4),
};

int main(int argc, char **argv) {
    return loom_main(argc, argv, clients, sizeof clients / sizeof clients[0]);
}
