/* SPDX-License-Identifier: MIT */
/*
 * event_loop.c - swarm in a program that has its own epoll loop, with a backend of its own and
 * without a single thread of swarm's.
 *
 * Three agent steps and a call step behind two of them:
 *     echo   is answered through a pipe, by the loop itself
 *     tool   is answered by another thread, which reports progress first: each report keeps it from
 *            being taken for hung, and wakes the loop through an eventfd
 *     hung   is cancelled as soon as echo is done; its answer comes late, is billed and not used
 * The order of work in a pass is the one to copy: work, advance, write the log, acknowledge, take.
 *
 *     cc -O2 -I. docs/examples/event_loop.c src/all.c -pthread -o event_loop && ./event_loop
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "swarm.h"

enum { ECHO, TOOL, HUNG, JOIN, STEPS }; /* the argument of each step */

struct loop {
    swarm *sw;
    swarm_step steps[STEPS];
    swarm_attempt attempts[STEPS];
    int epoll, wake, alarm, late, pipe[2];
    pthread_t tool;
    int reports;
    uint64_t log_bytes;
};

/* ---- The backend --------------------------------------------------------------------------- */

static void answer(struct loop *loop, int step, uint64_t value) {
    swarm_completion completion = {
        .attempt = loop->attempts[step], .usage = {.cost_nano = 5}, .result = {.value = value}};

    swarm_complete(loop->sw, &completion); /* STALE or DUPLICATE would be no error either */
}

static void *run_tool(void *context) {
    struct loop *loop = context;

    for (int piece = 1; piece <= 3; piece++) { /* from any thread, at any time */
        loop->reports += swarm_progress(loop->sw, loop->attempts[TOOL], 100, 25, 0) == SWARM_OK;
    }
    answer(loop, TOOL, 20);
    return NULL;
}

static void arm(int timer, uint64_t at_ns) {
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(at_ns / 1000000000),
                                           .tv_nsec = (int32_t)(at_ns % 1000000000)}};

    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL); /* all zero: off */
}

static uint64_t now(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static bool begin(struct loop *loop, const swarm_request *request) {
    loop->attempts[request->argument] = request->attempt;
    switch (request->argument) {
    case ECHO:
        return write(loop->pipe[1], "!", 1) == 1;
    case TOOL:
        return pthread_create(&loop->tool, NULL, run_tool, loop) == 0;
    default:
        return true; /* never answers by itself */
    }
}

static bool carry_out(struct loop *loop, const swarm_request *request) {
    if (request->kind == SWARM_REQUEST_START) {
        return begin(loop, request);
    }
    if (request->kind == SWARM_REQUEST_CANCEL) {
        arm(loop->late, now() + 1000000); /* an answer is still owed: it comes 1 ms late */
    }
    return true; /* RELEASE: this backend lends no bytes */
}

/* ---- The loop ------------------------------------------------------------------------------ */

/* One pass; *out_busy says whether it changed anything. */
static bool pass(struct loop *loop, bool *out_busy) {
    static unsigned char frames[65536];
    swarm_request requests[8];
    uint32_t calls = swarm_work(loop->sw, 0, 64), count;
    swarm_status status = swarm_advance(loop->sw, now(), out_busy);
    size_t size = swarm_log_read(loop->sw, frames, sizeof frames, NULL);

    loop->log_bytes += size; /* a program that wants to resume writes and syncs them here */
    if ((status != SWARM_OK && status != SWARM_E_AGAIN) ||
        swarm_log_acknowledge(loop->sw) != SWARM_OK) {
        return false;
    }
    count = swarm_take(loop->sw, requests, 8);
    for (uint32_t i = 0; i < count; i++) {
        if (!carry_out(loop, &requests[i])) {
            return false;
        }
    }
    *out_busy = *out_busy || calls != 0 || count != 0 || status == SWARM_E_AGAIN;
    return true;
}

static bool handle(struct loop *loop, int file) {
    uint64_t word;
    bool good = read(file, &word, sizeof word) > 0; /* pipe, eventfd and timerfd alike */

    if (file == loop->pipe[0]) {
        answer(loop, ECHO, 10);
        return good && swarm_step_cancel(loop->sw, loop->steps[HUNG]) == SWARM_OK;
    }
    if (file == loop->late) {
        answer(loop, HUNG, 30);
    }
    return good;
}

/* Sleeps until a file is ready or the swarm wants to be advanced. */
static bool sleep_and_handle(struct loop *loop) {
    struct epoll_event events[4];
    uint64_t deadline_ns = swarm_next_deadline(loop->sw);
    int count;

    arm(loop->alarm, deadline_ns == SWARM_NEVER ? 0 : deadline_ns == 0 ? 1 : deadline_ns);
    count = epoll_wait(loop->epoll, events, 4, -1);
    for (int i = 0; i < count; i++) {
        if (!handle(loop, events[i].data.fd)) {
            return false;
        }
    }
    return count > 0;
}

static bool run(struct loop *loop) {
    swarm_stats stats;
    bool busy = true;

    for (;;) {
        if (!pass(loop, &busy) || swarm_stats_get(loop->sw, &stats) != SWARM_OK) {
            return false;
        }
        if (!busy && stats.open == 0 && stats.inflight == 0) {
            return true;
        }
        if (!busy && !sleep_and_handle(loop)) {
            return false;
        }
    }
}

/* ---- Setting up ---------------------------------------------------------------------------- */

static void wakeup(void *context) {
    const struct loop *loop = context;
    uint64_t one = 1;

    if (write(loop->wake, &one, sizeof one) < 0) {
        return; /* the counter is full: the loop will wake anyway */
    }
}

static bool watch(const struct loop *loop, int file) {
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = file}};

    return file >= 0 && epoll_ctl(loop->epoll, EPOLL_CTL_ADD, file, &event) == 0;
}

static bool open_files(struct loop *loop) {
    loop->epoll = epoll_create1(0);
    loop->wake = eventfd(0, EFD_NONBLOCK);
    loop->alarm = timerfd_create(CLOCK_MONOTONIC, 0);
    loop->late = timerfd_create(CLOCK_MONOTONIC, 0);
    return pipe(loop->pipe) == 0 && watch(loop, loop->pipe[0]) && watch(loop, loop->wake) &&
           watch(loop, loop->alarm) && watch(loop, loop->late);
}

static swarm_outcome join(void *context, const swarm_call *call, uint64_t *out_value) {
    swarm_result left, right;

    (void)context;
    if (swarm_call_input(call, 0, &left) != SWARM_OK ||
        swarm_call_input(call, 1, &right) != SWARM_OK) {
        return SWARM_OUTCOME_TERMINAL;
    }
    *out_value = left.value + right.value;
    return SWARM_OUTCOME_OK;
}

static swarm_status plan_steps(struct loop *loop, swarm_run run) {
    swarm_plan *plan = swarm_plan_open(loop->sw, run);
    swarm_step_spec last = {.function = swarm_function_add(loop->sw, "join", join, NULL),
                            .flags = SWARM_STEP_INPUTS};

    for (uint64_t i = 0; i < JOIN; i++) {
        swarm_watch_spec watch = {.idle_timeout_ns = 60000000000}; /* a minute without progress */

        loop->steps[i] = swarm_step_add(plan, &(swarm_step_spec){.argument = i, .watch = &watch});
    }
    loop->steps[JOIN] = swarm_step_add(plan, &last);
    swarm_edge_add(plan, loop->steps[ECHO], loop->steps[JOIN], 0);
    swarm_edge_add(plan, loop->steps[TOOL], loop->steps[JOIN], 0);
    return swarm_plan_commit(plan, NULL);
}

static bool report(const struct loop *loop, swarm_run run) {
    static const char *const names[] = {"echo", "tool", "hung", "join"};
    swarm_run_report account;
    swarm_step_info info;

    for (int i = 0; i < STEPS; i++) {
        if (swarm_step_status(loop->sw, loop->steps[i], &info) != SWARM_OK) {
            return false;
        }
        printf("%s: %s, value %" PRIu64 "\n", names[i],
               info.state == SWARM_STEP_OK ? "ok" : "cancelled", info.result.value);
    }
    if (swarm_run_report_get(loop->sw, run, &account) != SWARM_OK) {
        return false;
    }
    printf("late answers: %" PRIu64 ", cost: %" PRIu64 "\n", account.fenced,
           account.usage.cost_nano);
    return loop->log_bytes != 0;
}

int main(void) {
    static struct loop loop;
    swarm_backend own = {.size = sizeof own, .name = "own"}; /* no functions: we take requests */
    swarm_config config = {.size = sizeof config,
                           .version = SWARM_VERSION,
                           .host = swarm_host_default(), /* for its memory */
                           .wakeup = wakeup,
                           .wakeup_context = &loop};
    swarm_profile_spec profile = {.name = "anything"};

    if (!open_files(&loop) || swarm_new(&config, &loop.sw) != SWARM_OK) {
        return 1;
    }
    profile.backend = swarm_backend_add(loop.sw, &own);
    swarm_agent_add(loop.sw, swarm_profile_add(loop.sw, &profile), 3);
    swarm_run only = swarm_run_open(loop.sw, NULL);
    swarm_status status = plan_steps(&loop, only);
    if (status != SWARM_OK || !run(&loop) || !report(&loop, only)) {
        fprintf(stderr, "event_loop: %s\n", swarm_status_text(status));
        return 1;
    }
    pthread_join(loop.tool, NULL);
    printf("progress reports of tool: %d\n", loop.reports);
    return swarm_free(loop.sw) != SWARM_OK;
}
