/* SPDX-License-Identifier: MIT */
/*
 * job_system.c - swarm in a program that has its own job system.
 *
 * Below stands the smallest of them: threads that take jobs from a queue. Its one job here is
 * `help`: it borrows a worker index, runs call steps until there are none, and gives it back.
 * The main thread holds the turn; each pass posts as many jobs as there are free indices, helps
 * too, and sleeps when there is nothing to do until swarm's `wakeup` or a job that has helped says
 * so.
 *
 *     cc -O2 -I. docs/examples/job_system.c src/all.c -pthread -o job_system && ./job_system
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "swarm.h"

#define THREADS 3u
#define COUNT 100000u

/* ---- The caller's job system --------------------------------------------------------------- */

struct jobs {
    pthread_mutex_t lock;
    pthread_cond_t posted, changed;
    pthread_t threads[THREADS];
    swarm *sw;
    uint32_t queued;      /* jobs to help */
    uint32_t indices;     /* worker indices 1.. that are free, as bits */
    bool woken, stopping; /* woken: something has happened since the main thread looked */
};

/* Runs call steps as a borrowed worker. Called and left with the lock held. */
static void help(struct jobs *jobs) {
    uint32_t worker = 1;
    bool helped = false;

    while ((jobs->indices >> worker & 1) == 0) {
        worker++; /* no more jobs run at once than there are indices */
    }
    jobs->indices &= ~(1u << worker);
    pthread_mutex_unlock(&jobs->lock);
    while (swarm_work(jobs->sw, worker, 1000) != 0) {
        helped = true;
    }
    pthread_mutex_lock(&jobs->lock);
    jobs->indices |= 1u << worker;
    jobs->woken = jobs->woken || helped; /* what it has finished may end the run */
    pthread_cond_signal(&jobs->changed);
}

static void *run_jobs(void *context) {
    struct jobs *jobs = context;

    pthread_mutex_lock(&jobs->lock);
    while (!jobs->stopping) {
        if (jobs->queued == 0) {
            pthread_cond_wait(&jobs->posted, &jobs->lock);
        } else {
            jobs->queued--;
            help(jobs);
        }
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

static void wakeup(void *context) {
    struct jobs *jobs = context;

    pthread_mutex_lock(&jobs->lock);
    jobs->woken = true;
    pthread_cond_signal(&jobs->changed);
    pthread_mutex_unlock(&jobs->lock);
}

static void post_help(struct jobs *jobs) {
    pthread_mutex_lock(&jobs->lock);
    jobs->queued = THREADS;
    pthread_cond_broadcast(&jobs->posted);
    pthread_mutex_unlock(&jobs->lock);
}

static void sleep_until_woken(struct jobs *jobs) {
    pthread_mutex_lock(&jobs->lock);
    while (!jobs->woken) {
        pthread_cond_wait(&jobs->changed, &jobs->lock);
    }
    jobs->woken = false;
    pthread_mutex_unlock(&jobs->lock);
}

static void stop(struct jobs *jobs) {
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    pthread_cond_broadcast(&jobs->posted);
    pthread_mutex_unlock(&jobs->lock);
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(jobs->threads[i], NULL);
    }
}

/* ---- Driving ------------------------------------------------------------------------------- */

/* One pass of the owner; false when nothing was to do. */
static bool pass(swarm *sw) {
    uint32_t calls = swarm_work(sw, 0, 100);
    bool changed = false;
    swarm_status status = swarm_advance(sw, 0, &changed); /* no timers here, so no clock */

    return calls != 0 || changed || status == SWARM_E_AGAIN;
}

static bool drive(struct jobs *jobs) {
    swarm_stats stats;

    for (;;) {
        post_help(jobs);
        while (pass(jobs->sw)) {
        }
        if (swarm_stats_get(jobs->sw, &stats) != SWARM_OK) {
            return false;
        }
        if (stats.open == 0) {
            return true;
        }
        sleep_until_woken(jobs);
    }
}

/* ---- The work ------------------------------------------------------------------------------ */

static swarm_outcome divisors(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    for (uint64_t i = 1; i * i <= call->argument; i++) {
        if (call->argument % i == 0) {
            *out_value += i * i == call->argument ? 1 : 2;
        }
    }
    return SWARM_OUTCOME_OK;
}

int main(void) {
    static struct jobs jobs = {.lock = PTHREAD_MUTEX_INITIALIZER,
                               .posted = PTHREAD_COND_INITIALIZER,
                               .changed = PTHREAD_COND_INITIALIZER,
                               .indices = ((1u << THREADS) - 1) << 1};
    swarm_config config = {.size = sizeof config,
                           .version = SWARM_VERSION,
                           .host = swarm_host_default(), /* for its memory */
                           .wakeup = wakeup,
                           .wakeup_context = &jobs,
                           .workers_max = THREADS + 1,
                           .log_bytes = SWARM_NEVER};
    swarm_step_info info;

    if (swarm_new(&config, &jobs.sw) != SWARM_OK) {
        return 1;
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        if (pthread_create(&jobs.threads[i], NULL, run_jobs, &jobs) != 0) {
            return 1;
        }
    }
    swarm_function function = swarm_function_add(jobs.sw, "divisors", divisors, NULL);
    swarm_plan *plan = swarm_plan_open(jobs.sw, swarm_run_open(jobs.sw, NULL));
    swarm_step sum = swarm_range_add(plan, function, 1, COUNT);
    swarm_status status = swarm_plan_commit(plan, NULL);
    if (status == SWARM_OK && !drive(&jobs)) {
        status = SWARM_E_STALLED;
    }
    stop(&jobs);
    if (status == SWARM_OK) {
        status = swarm_step_status(jobs.sw, sum, &info);
    }
    if (status != SWARM_OK) {
        fprintf(stderr, "job_system: %s\n", swarm_status_text(status));
        return 1;
    }
    printf("divisors of the numbers up to %u: %" PRIu64 "\n", COUNT, info.result.value);
    return swarm_free(jobs.sw) != SWARM_OK;
}
