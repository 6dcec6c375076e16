/* SPDX-License-Identifier: MIT */
/*
 * drive.c - the loops: by the host's clock, and in virtual time.
 *
 * Both go round the same pass: poll the backends, run call steps, advance, read out and acknowledge
 * the log, hand out requests. In virtual time the clock moves to the next deadline only when a pass
 * changed nothing and no call step is ready or running; so the number of workers, and how fast they
 * are, cannot be seen in the log.
 */
#include "guard.h"

#define REQUESTS_AT_ONCE 16u
#define WORK_AT_ONCE 4096u
#define IDLE_NS UINT64_C(10000000000) /* a parked worker looks up this often, for no reason */
#define QUIET_SPINS 256u
#define QUIET_WAIT_NS UINT64_C(50000)

struct drive {
    swarm *sw;
    const swarm_drive_options *options;
    uint32_t workers; /* indices in use: the caller's 0, and one a thread or simulated thread */
    bool is_threaded;
};

/* ---- backends and the log */

static void answer(swarm *sw, swarm_attempt attempt, swarm_outcome outcome, uint64_t until_ns) {
    const swarm_completion completion = {
        .attempt = attempt, .outcome = outcome, .until_ns = until_ns};

    (void)swarm_complete(sw, &completion); /* a backend that answered before it refused wins */
}

static void submit(swarm *sw, const swarm_backend *backend, const swarm_request *request) {
    uint64_t until_ns = 0;
    swarm_status status = SWARM_E_UNSUPPORTED;

    if (backend->submit != NULL) {
        status = backend->submit(backend->context, sw, request, &until_ns);
    }
    if (status == SWARM_E_AGAIN) {
        /* Without a time it would be refused again at once, for ever. */
        until_ns = until_ns > sw->now_ns ? until_ns : saturating_add64(sw->now_ns, 1);
        answer(sw, request->attempt, SWARM_OUTCOME_REFUSED, until_ns);
    } else if (status != SWARM_OK) {
        answer(sw, request->attempt, SWARM_OUTCOME_TERMINAL, 0);
    }
}

static void hand_out(struct drive *drive, const swarm_request *request) {
    const swarm_drive_options *options = drive->options;
    const swarm_backend *backend;
    swarm *sw = drive->sw;

    if (request->backend.id == 0 || request->kind == SWARM_REQUEST_ASK) {
        if (options->ask != NULL) { /* else bytes of a call step: nobody here knows their owner */
            options->ask(options->ask_context, sw, request);
        }
        return;
    }
    backend = &sw->dispatch.backends[request->backend.id - 1].table;
    if (request->kind == SWARM_REQUEST_START) {
        submit(sw, backend, request);
    } else if (request->kind == SWARM_REQUEST_CANCEL && backend->cancel != NULL) {
        backend->cancel(backend->context, sw, request);
    } else if (request->kind == SWARM_REQUEST_RELEASE && backend->release != NULL) {
        backend->release(backend->context, &request->result);
    }
}

/* True when there were any. */
static bool pump_requests(struct drive *drive) {
    swarm_request requests[REQUESTS_AT_ONCE];
    bool with_asks = drive->options->ask != NULL;
    uint32_t count = swarm__take(drive->sw, requests, REQUESTS_AT_ONCE, with_asks);
    bool any = count != 0;

    while (count != 0) {
        for (uint32_t i = 0; i < count; i++) {
            hand_out(drive, &requests[i]);
        }
        count = swarm__take(drive->sw, requests, REQUESTS_AT_ONCE, with_asks);
    }
    return any;
}

/* False when the writer refused. */
static bool pump_log(struct drive *drive) {
    swarm *sw = drive->sw;
    const void *bytes;
    size_t size;

    if (sw->round.phase == ROUND_IDLE) {
        (void)swarm__log_close(&sw->log);
    }
    for (size = swarm__log_peek(&sw->log, &bytes); size != 0;
         size = swarm__log_peek(&sw->log, &bytes)) {
        if (drive->options->write != NULL &&
            !drive->options->write(drive->options->write_context, bytes, size)) {
            return false;
        }
        swarm__log_skip(&sw->log, size);
    }
    swarm__log_acknowledge(&sw->log);
    ATOMIC_STORE(&sw->gauges.log_pending, sw->log.pending, relaxed); /* a gauge */
    swarm__release_held(sw);
    return true;
}

static void poll_backends(swarm *sw, uint64_t now_ns) {
    for (uint32_t i = 0; i < sw->dispatch.backends_count; i++) {
        const swarm_backend *backend = &sw->dispatch.backends[i].table;

        if (backend->poll != NULL) {
            backend->poll(backend->context, sw, now_ns);
        }
    }
}

static uint64_t backends_deadline(swarm *sw) {
    uint64_t next = SWARM_NEVER;

    for (uint32_t i = 0; i < sw->dispatch.backends_count; i++) {
        const swarm_backend *backend = &sw->dispatch.backends[i].table;
        uint64_t due =
            backend->deadline != NULL ? backend->deadline(backend->context) : SWARM_NEVER;

        next = due < next ? due : next;
    }
    return next;
}

static uint64_t next_deadline(swarm *sw) {
    uint64_t own = swarm_next_deadline(sw), next = backends_deadline(sw);

    return own < next ? own : next;
}

/* A whole round, with the log read out as often as it is full. */
static swarm_status round_at(struct drive *drive, uint64_t now_ns, bool *out_changed) {
    swarm_status status = swarm_advance(drive->sw, now_ns, out_changed);

    while (status == SWARM_E_AGAIN) {
        uint64_t read = drive->sw->log.read;

        if (!pump_log(drive) || drive->sw->log.read == read) {
            return SWARM_E_AGAIN; /* refused, or reading out does not help */
        }
        status = swarm_advance(drive->sw, now_ns, out_changed);
    }
    return pump_log(drive) ? status : SWARM_E_AGAIN;
}

uint32_t swarm_work(swarm *sw, uint32_t worker, uint32_t max) {
    return sw == NULL ? 0 : swarm__graph_work(&sw->graph, worker, max);
}

/* ---- threads */

bool swarm__wanted(void *context) {
    swarm *sw = context;

    /* Acquire: pairs with the release store of threads_stop. */
    return ATOMIC_LOAD(&sw->stopping, acquire) != 0;
}

static void *thread_main(void *argument) {
    struct drive_thread *thread = argument;
    swarm *sw = thread->sw;

    while (!swarm__wanted(sw)) {
        if (swarm__graph_work(&sw->graph, thread->index, WORK_AT_ONCE) == 0) {
            swarm__signal_quiet(sw);
            swarm__graph_park(&sw->graph, IDLE_NS);
        }
    }
    return NULL;
}

static void threads_stop(struct drive *drive, uint32_t count) {
    swarm *sw = drive->sw;

    ATOMIC_STORE(&sw->stopping, 1, release); /* pairs with the acquire of swarm__wanted */
    swarm__graph_wake_all(&sw->graph);
    for (uint32_t i = 0; i < count; i++) {
        sw->host->thread_join(sw->host->context, sw->threads[i].id);
    }
    ATOMIC_STORE(&sw->stopping, 0, relaxed); /* nobody is left who looks */
}

static swarm_status threads_start(struct drive *drive) {
    swarm *sw = drive->sw;

    for (uint32_t i = 0; drive->is_threaded && i + 1 < drive->workers; i++) {
        sw->threads[i].sw = sw;
        sw->threads[i].index = i + 1;
        if (!sw->host->thread_start(sw->host->context, thread_main, &sw->threads[i],
                                    &sw->threads[i].id)) {
            threads_stop(drive, i);
            return SWARM_E_UNSUPPORTED;
        }
    }
    return SWARM_OK;
}

static bool host_has_threads(const swarm_host *host) {
    return host != NULL && host->thread_start != NULL && host->thread_join != NULL &&
           host->wait != NULL && host->wake != NULL;
}

static swarm_status drive_begin(struct drive *drive, swarm *sw,
                                const swarm_drive_options *options) {
    static const swarm_drive_options defaults;

    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    if (sw->driving) {
        return SWARM_E_BUSY; /* from a call step or a backend of the drive under way */
    }
    drive->sw = sw;
    drive->options = options == NULL ? &defaults : options;
    if (drive->options->workers >= sw->config.workers_max ||
        drive->options->flags > (SWARM_DRIVE_INSTANT | SWARM_DRIVE_WAIT)) {
        return SWARM_E_INVALID;
    }
    drive->workers = drive->options->workers + 1;
    drive->is_threaded = drive->workers > 1 && host_has_threads(sw->host);
    return SWARM_OK;
}

static void drive_end(struct drive *drive) {
    if (drive->is_threaded) {
        threads_stop(drive, drive->workers - 1);
    }
    drive->sw->driving = false;
}

/* ---- virtual time */

/* Runs call steps until none is ready or running. */
static void work_until_quiet(struct drive *drive) {
    swarm *sw = drive->sw;
    uint32_t spins = 0;

    if (!sw->round.released) {
        return; /* only the turn releases call steps, and others come from those */
    }
    sw->round.released = false;
    do {
        for (uint32_t w = 0; w < (drive->is_threaded ? 1 : drive->workers); w++) {
            while (swarm__graph_work(&sw->graph, w, WORK_AT_ONCE) != 0) {
                spins = 0;
            }
        }
        if (drive->is_threaded && ++spins > QUIET_SPINS) {
            uint32_t ticket = park_prepare(&sw->bell);

            if (swarm__graph_quiet(&sw->graph)) {
                park_cancel(&sw->bell);
                return;
            }
            (void)park_commit(&sw->bell, &sw->bell_host, ticket, QUIET_WAIT_NS);
        }
        ATOMIC_PAUSE();
    } while (!swarm__graph_quiet(&sw->graph));
}

/* One pass at now_ns; sets *out_acted when it did something. */
static swarm_status sim_pass(struct drive *drive, uint64_t now_ns, bool *out_acted) {
    swarm_status status;
    bool changed = false;

    poll_backends(drive->sw, now_ns);
    work_until_quiet(drive);
    status = round_at(drive, now_ns, &changed);
    if (status != SWARM_OK) {
        return status;
    }
    *out_acted = pump_requests(drive) || changed || *out_acted;
    return SWARM_OK;
}

/* Whether there is nothing to drive any more: all runs have ended, or a drain has let all attempts
 * end. Only a drain waits for attempts that were given up. */
static bool is_over(const swarm *sw) {
    return sw->draining ? attempts_open(&sw->dispatch) == 0 : sw->runs_open == 0;
}

static swarm_status how_it_ended(const swarm *sw) {
    return sw->runs_open == 0 ? SWARM_OK : SWARM_E_STALLED;
}

static swarm_status sim_loop(struct drive *drive, uint64_t now_ns, uint64_t until_ns) {
    swarm *sw = drive->sw;
    bool acted = false;

    for (;;) {
        swarm_status status = sim_pass(drive, now_ns, &acted);
        uint64_t next;

        if (status != SWARM_OK) {
            return status;
        }
        next = next_deadline(sw);
        if (next <= now_ns || sw->round.released) {
            continue; /* more at this instant */
        }
        if (is_over(sw)) {
            return how_it_ended(sw);
        }
        if (next == SWARM_NEVER) {
            return sw->asks_open + sw->dispatch.quotas != 0 ? SWARM_E_PAUSED : SWARM_E_STALLED;
        }
        if (next > until_ns) {
            status = now_ns < until_ns ? sim_pass(drive, until_ns, &acted) : SWARM_OK;
            return status == SWARM_OK ? SWARM_E_TIMED_OUT : status;
        }
        if ((drive->options->flags & SWARM_DRIVE_INSTANT) != 0 && acted) {
            return SWARM_E_AGAIN;
        }
        now_ns = next;
    }
}

static uint64_t until_of(const swarm_drive_options *options) {
    return options->until_ns == 0            ? SWARM_NEVER
           : options->until_ns == SWARM_ZERO ? 0
                                             : options->until_ns;
}

/* Time does not run backwards, so zero and the default are both the last time. */
static uint64_t start_of(const swarm *sw, const swarm_drive_options *options) {
    bool is_last = options->start_ns == SWARM_ZERO || options->start_ns < sw->now_ns;

    return is_last ? sw->now_ns : options->start_ns;
}

swarm_status swarm_sim_drive(swarm *sw, const swarm_drive_options *options) {
    struct drive drive = {0};
    swarm_status status = drive_begin(&drive, sw, options);

    if (status == SWARM_OK) {
        status = threads_start(&drive);
    }
    if (status != SWARM_OK) {
        return status;
    }
    sw->driving = true;
    status = sim_loop(&drive, start_of(sw, drive.options), until_of(drive.options));
    drive_end(&drive);
    return status;
}

/* ---- the host's clock */

/* Sleeps until something is posted, at most until the deadline. While other workers run call steps
 * this thread only naps: what they make ready rings no bell, and half of it should be stolen. So it
 * does if they were `quiet` only after this pass had asked: the next one may be the last. */
static void sleep_until(struct drive *drive, uint64_t now_ns, uint64_t deadline_ns, bool quiet) {
    swarm *sw = drive->sw;
    uint64_t most_ns = deadline_ns == SWARM_NEVER ? PARK_FOREVER : deadline_ns - now_ns;
    uint32_t ticket;

    if (deadline_ns <= now_ns || sw->bell_host.wait == NULL) {
        return;
    }
    ticket = park_prepare(&sw->bell);
    if (!quiet || !swarm__graph_quiet(&sw->graph)) {
        most_ns = drive->is_threaded && most_ns > QUIET_WAIT_NS ? QUIET_WAIT_NS : most_ns;
        most_ns = drive->is_threaded ? most_ns : 0;
    }
    if (most_ns == 0 || swarm__round_pending(sw) ||
        (ATOMIC_LOAD(&sw->turn, relaxed) & TURN_WANTED) != 0) {
        park_cancel(&sw->bell);
        return;
    }
    (void)park_commit(&sw->bell, &sw->bell_host, ticket, most_ns);
}

/* Lets another thread have the turn if one asked for it, and takes it back. True when it did: then
 * anything may have happened, also a round whose requests nobody has taken. */
static bool yield_turn(swarm *sw) {
    if ((ATOMIC_LOAD(&sw->turn, relaxed) & TURN_WANTED) == 0) {
        return false;
    }
    (void)swarm_turn_end(sw);
    if (sw->bell_host.wait != NULL) {
        sw->bell_host.wait(sw->bell_host.context, &sw->turn,
                           ATOMIC_LOAD(&sw->turn, relaxed) & ~TURN_HELD, QUIET_WAIT_NS);
    }
    while (swarm_turn_begin(sw) != SWARM_OK) {
        ATOMIC_PAUSE();
    }
    return true;
}

/* Whether nothing is left that could move a run, once the workers were seen quiet: only then can no
 * worker post any more, and what was posted before is seen. The other way round one may post and
 * leave in between. */
static bool is_stalled(const struct drive *drive, uint64_t deadline_ns) {
    const swarm *sw = drive->sw;
    bool waits = (drive->options->flags & SWARM_DRIVE_WAIT) != 0 && sw->dispatch.quotas != 0;

    return deadline_ns == SWARM_NEVER && sw->asks_open == 0 && !waits &&
           attempts_open(&sw->dispatch) == 0 && !swarm__round_pending(sw);
}

/* Whether, once the workers were seen quiet, only answers can move anything: then there is no
 * reason to keep the process. */
static bool is_paused(struct drive *drive) {
    swarm *sw = drive->sw;

    return sw->asks_open != 0 && (drive->options->flags & SWARM_DRIVE_WAIT) == 0 &&
           attempts_open(&sw->dispatch) == 0 && !swarm__round_pending(sw) &&
           backends_deadline(sw) == SWARM_NEVER && swarm__ask_is_all(sw);
}

/* One look a pass says whether workers are quiet: with one for each question, a worker that leaves
 * in between would make the answers disagree, and an ended run stall, or the drive oversleep its
 * end. */
static swarm_status real_loop(struct drive *drive, uint64_t until_ns) {
    swarm *sw = drive->sw;

    for (;;) {
        uint64_t now_ns = sw->host->clock(sw->host->context), deadline_ns;
        bool changed = false, worked, quiet;
        swarm_status status;

        poll_backends(sw, now_ns);
        worked = swarm__graph_work(&sw->graph, 0, WORK_AT_ONCE) != 0;
        status = round_at(drive, now_ns, &changed);
        if (status != SWARM_OK) {
            return status;
        }
        changed = pump_requests(drive) || changed || worked;
        quiet = !changed && swarm__graph_quiet(&sw->graph);
        if (quiet && is_over(sw)) {
            return how_it_ended(sw);
        }
        if (now_ns >= until_ns) {
            return SWARM_E_TIMED_OUT;
        }
        changed = yield_turn(sw) || changed;
        deadline_ns = changed ? 0 : next_deadline(sw);
        if (quiet && !changed && is_stalled(drive, deadline_ns)) {
            return sw->dispatch.quotas != 0 ? SWARM_E_PAUSED : SWARM_E_STALLED;
        }
        if (quiet && !changed && is_paused(drive)) {
            return SWARM_E_PAUSED;
        }
        if ((drive->options->flags & SWARM_DRIVE_INSTANT) != 0) {
            return SWARM_E_AGAIN;
        }
        sleep_until(drive, now_ns, deadline_ns < until_ns ? deadline_ns : until_ns, quiet);
    }
}

swarm_status swarm_drive(swarm *sw, const swarm_drive_options *options) {
    struct drive drive = {0};
    swarm_status status = drive_begin(&drive, sw, options);

    if (status != SWARM_OK) {
        return status;
    }
    if (sw->host == NULL || sw->host->clock == NULL || (drive.workers > 1 && !drive.is_threaded)) {
        return SWARM_E_UNSUPPORTED;
    }
    status = threads_start(&drive);
    if (status != SWARM_OK) {
        return status;
    }
    sw->driving = true;
    status = real_loop(&drive, until_of(drive.options));
    drive_end(&drive);
    return status;
}
