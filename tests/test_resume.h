/* SPDX-License-Identifier: MIT */
/*
 * test_resume.h - a world that a swarm can be killed in.
 *
 * Its log is on a tape, and its backend knows attempts by (run key, ordinal, number, epoch) alone,
 * and answers at times and with results that depend on nothing else. So a process that resumes the
 * log meets the same world, and what comes of it must be what would have come without the cut: the
 * same log, byte for byte.
 */
#ifndef SWARM_TESTS_TEST_RESUME_H
#define SWARM_TESTS_TEST_RESUME_H

#include "test_dispatch.h"

#include "../src/base/random.h"

#define LOG_MAX (2u << 20)
#define PENDING_MAX 1024u
#define HEADER 32u

struct pending {
    swarm_request request;
    uint64_t due_ns;
    uint64_t told_ns; /* progress up to this time has been reported */
};

struct tape {
    size_t size;
    unsigned char bytes[LOG_MAX];
};

struct world;

/* How its attempts go, in per cent; the rest ends OK. */
struct manner {
    uint32_t transient, throttled, terminal, pauses, silent; /* the last: never answered */
    uint64_t progress_ns;                                    /* reported this often; 0: never */
    void (*more)(const swarm_request *request, swarm_completion *completion);
};

struct world {
    swarm *sw;
    struct tape *tape;
    const struct manner *manner;
    uint64_t submits, stop_after; /* frames until the writer refuses; 0: never */
    uint64_t frames;
    uint64_t began_ns; /* what was due by then has been reported before the cut */
    uint32_t count;
    struct pending pending[PENDING_MAX];
    swarm_backend_id backend;
    swarm_function reduce, expand;
    swarm_permit permit;
};

/* ---- a backend without a memory of its own */

static inline uint64_t drawn(const swarm_request *request, uint64_t what, uint64_t bound) {
    uint64_t name = hash_mix64(hash_mix64(request->ordinal, request->number), request->epoch);

    return random_below(random_draw(request->run_seed, what, name), bound);
}

static inline swarm_status world_submit(void *context, swarm *sw, const swarm_request *request,
                                        uint64_t *out_until_ns) {
    struct world *world = context;
    struct pending *pending = &world->pending[world->count++];

    (void)sw;
    (void)out_until_ns;
    CHECK(world->count < PENDING_MAX);
    pending->request = *request;
    pending->due_ns = request->now_ns + 100 + drawn(request, 1, 1000);
    if (drawn(request, 5, 100) < world->manner->silent) {
        pending->due_ns = request->now_ns + 100 * SECOND;
    }
    pending->told_ns = request->now_ns > world->began_ns ? request->now_ns : world->began_ns;
    world->submits++;
    return SWARM_OK;
}

/* An attempt that was given up before the cut: its answer comes as if nothing had happened. */
static inline void world_cancel(void *context, swarm *sw, const swarm_request *request) {
    struct world *world = context;
    uint64_t until_ns;
    uint32_t i = 0;

    while (i < world->count && world->pending[i].request.attempt.id != request->attempt.id) {
        i++;
    }
    if (i == world->count) {
        (void)world_submit(context, sw, request, &until_ns);
    }
}

/* When something is to be heard of it next. */
static inline uint64_t pending_next(const struct world *world, const struct pending *pending) {
    uint64_t every = world->manner->progress_ns, told;

    if (every == 0 || pending->due_ns - pending->request.now_ns > SECOND) {
        return pending->due_ns; /* one that says nothing */
    }
    told = pending->told_ns - pending->request.now_ns;
    told = pending->request.now_ns + (told / every + 1) * every;
    return told < pending->due_ns ? told : pending->due_ns;
}

static inline uint64_t world_deadline(void *context) {
    const struct world *world = context;
    uint64_t first = SWARM_NEVER;

    for (uint32_t i = 0; i < world->count; i++) {
        uint64_t next = pending_next(world, &world->pending[i]);

        first = next < first ? next : first;
    }
    return first;
}

static inline void world_answer(struct world *world, const swarm_request *request,
                                uint64_t now_ns) {
    const struct manner *manner = world->manner;
    uint64_t luck = drawn(request, 2, 100), bound = manner->transient;
    swarm_completion completion = {.attempt = request->attempt};
    swarm_status status;

    if (luck < bound) {
        completion.outcome = SWARM_OUTCOME_TRANSIENT;
    } else if (luck < (bound += manner->throttled)) {
        completion.outcome = SWARM_OUTCOME_THROTTLED;
        completion.until_ns = now_ns + 50;
    } else if (luck < (bound += manner->terminal)) {
        completion.outcome = SWARM_OUTCOME_TERMINAL;
    } else if (luck < bound + manner->pauses) {
        completion.outcome = SWARM_OUTCOME_PAUSE;
    }
    completion.usage.output_tokens = 1 + drawn(request, 3, 100);
    completion.usage.cost_nano = 7 * completion.usage.output_tokens;
    completion.result.value = drawn(request, 4, UINT64_MAX);
    completion.result.branch = (uint32_t)(completion.result.value % 3);
    if (manner->more != NULL) {
        manner->more(request, &completion);
    }
    status = swarm_complete(world->sw, &completion);
    CHECK(status == SWARM_OK || status == SWARM_E_STALE); /* its grace was over */
}

static inline void world_poll(void *context, swarm *sw, uint64_t now_ns) {
    struct world *world = context;

    for (uint32_t i = 0; i < world->count;) {
        struct pending *pending = &world->pending[i];
        uint64_t next = pending_next(world, pending);

        if (next > now_ns) {
            i++;
        } else if (next == pending->due_ns) {
            world_answer(world, &pending->request, now_ns);
            world->pending[i] = world->pending[--world->count];
        } else {
            pending->told_ns = next;
            (void)swarm_progress(sw, pending->request.attempt, 10, 3,
                                 drawn(&pending->request, next, 2));
        }
    }
}

static inline bool world_write(void *context, const void *bytes, size_t size) {
    struct world *world = context;

    if (world->stop_after != 0 && world->frames == world->stop_after) {
        return false;
    }
    if (world->tape->size + size > LOG_MAX) {
        test_fail(__FILE__, __LINE__, "the tape is full");
        return false;
    }
    world->frames++;
    memcpy(world->tape->bytes + world->tape->size, bytes, size);
    world->tape->size += size;
    return true;
}

/* A question: answered at once, when it is asked again, or never. */
static inline void world_ask(void *context, swarm *sw, const swarm_request *request) {
    swarm_result result = {.value = 5 * request->ordinal, .key = 77, .branch = 1};

    (void)context;
    if (request->kind == SWARM_REQUEST_ASK &&
        (request->ordinal / 2 % 4 < request->asked || request->timeout_ns == SWARM_NEVER)) {
        CHECK_EQ(
            swarm_answer(sw, request->token,
                         request->ordinal % 5 == 4 ? SWARM_OUTCOME_TRANSIENT : SWARM_OUTCOME_OK,
                         &result),
            SWARM_OK);
    }
}

static inline size_t frame_size(const unsigned char *at) {
    return HEADER + ((size_t)at[8] | (size_t)at[9] << 8 | (size_t)at[10] << 16);
}

static inline swarm_status feed(struct world *world, uint32_t mode, const unsigned char *bytes,
                                size_t size, uint64_t *out_good) {
    swarm_status status = SWARM_OK;
    size_t at = 0;

    while (status == SWARM_OK && at < size) {
        size_t part = 1 + (size_t)test_below(20000);

        part = part < size - at ? part : size - at;
        status = swarm_resume_feed(world->sw, mode, bytes + at, part);
        at += part;
    }
    return swarm_resume_end(world->sw, out_good);
}

static inline swarm_status world_drive_until(struct world *world, uint64_t until_ns) {
    const swarm_drive_options options = {
        .write = world_write, .write_context = world, .until_ns = until_ns, .ask = world_ask};

    return swarm_sim_drive(world->sw, &options);
}

static inline swarm_status world_drive(struct world *world) {
    return world_drive_until(world, 0);
}

/* Attempts that were cancelled may be in flight when all runs have ended: their grace passes. */
static inline void world_settle(struct world *world) {
    static unsigned char bytes[1 << 16];
    swarm_request requests[64];
    swarm_stats stats;

    CHECK_EQ(swarm_stats_get(world->sw, &stats), SWARM_OK);
    for (uint32_t i = 1; i < 99 && swarm_drain(world->sw) == SWARM_E_AGAIN; i++) {
        (void)swarm_advance(world->sw, stats.now_ns + i * 200 * SECOND, NULL);
        while (swarm_log_read(world->sw, bytes, sizeof bytes, NULL) != 0) {
        }
        (void)swarm_log_acknowledge(world->sw);
        while (swarm_take(world->sw, requests, 64) != 0) {
        }
    }
}

static inline void world_close(struct world *world) {
    world_settle(world);
    CHECK_EQ(swarm_free(world->sw), SWARM_OK);
}

static inline swarm_backend world_backend(struct world *world) {
    const swarm_backend backend = {.size = sizeof backend,
                                   .name = "world",
                                   .context = world,
                                   .submit = world_submit,
                                   .cancel = world_cancel,
                                   .poll = world_poll,
                                   .deadline = world_deadline};

    return backend;
}

#endif
