/* SPDX-License-Identifier: MIT */
/*
 * resume.c - a log is fed, in pieces of any size: frames are found, checked, and replayed.
 *
 * Resume is replay: the inputs in the log (plans, answers, commands, times) are given to the
 * transition again, which decides again; each event that it writes must be the one in the log, byte
 * for byte. What is in the log is therefore known exactly, and nothing else has to be stored: not
 * permits, not timers, not random streams. Call steps are run again. Attempts that were in flight
 * are in flight again, with the same number and epoch, and their START is handed out once more.
 *
 * A frame that is cut or damaged ends the log if no good one follows it; else the log is damaged.
 * Frames that an operation goes through count together: half a plan was never applied.
 *
 * Memory: the log's own ring holds what was fed until it is replayed. Threads: the turn.
 */
#include "gate.h"

#include <string.h>

#include "../base/crc32.h"

enum { FRAME_CUT, FRAME_BAD, FRAME_GOOD };

static uint32_t load32(const unsigned char *at) {
    return (uint32_t)(hash_load64(at) & UINT32_MAX);
}

void swarm__resume_fail(swarm *sw, swarm_status status, const char *text) {
    struct resume *resume = &sw->resume;
    swarm_event event;
    size_t size;

    if (resume->state != RESUME_FEEDING) {
        return;
    }
    swarm__refuse(&resume->error, status, text);
    resume->error.index = resume->frames < SWARM_NONE ? (uint32_t)resume->frames : SWARM_NONE;
    if (swarm__replay_peek(sw, 0, &event, &size)) {
        resume->error.step = event.step;
        resume->error.other = event.kind;
    }
    resume->state = RESUME_FAILED;
    sw->fault = resume->error;
}

bool swarm__resume_only_looked(const swarm *sw) {
    return sw->resume.state == RESUME_FAILED ||
           (sw->resume.state == RESUME_DONE && sw->resume.mode == SWARM_REPLAY);
}

/* ---- begin */

static bool is_fresh(const swarm *sw) {
    return sw->runs_opened == 0 && sw->round.number == 0 && sw->log.number == 1 &&
           sw->log.used == 0 && sw->round.phase == ROUND_IDLE;
}

/* Agents, profiles, tenants, limits and governors come into service where the log says so. */
static void setup_aside(swarm *sw) {
    struct dispatch *d = &sw->dispatch;

    sw->resume.agents = ATOMIC_LOAD(&d->agents_count, relaxed);
    sw->resume.profiles = d->profiles_count;
    sw->resume.tenants = d->tenants_count;
    for (uint32_t i = 0; i < d->profiles_count; i++) {
        d->profiles[i].free = NONE32;
        d->profiles[i].agents = 0;
    }
    d->profiles_count = 0;
    d->tenants_count = 0;
    swarm__gates_aside(d);
    ATOMIC_STORE(&d->agents_count, 0, relaxed); /* nobody else may be in a call */
}

static swarm_status feed_begin(swarm *sw, uint32_t mode) {
    struct resume *resume = &sw->resume;

    if (!is_fresh(sw)) {
        return SWARM_E_BUSY;
    }
    if (!sw->log.enabled) {
        return SWARM_E_UNSUPPORTED;
    }
    memset(resume, 0, sizeof *resume);
    resume->bytes = sw->log.ring.bytes;
    resume->capacity = sw->log.ring.capacity;
    resume->mode = mode;
    resume->state = RESUME_FEEDING;
    resume->posts = NONE32;
    resume->near = NONE32;
    resume->hash = sw->log.hash;
    sw->log.replaying = true;
    sw->log.safe = SWARM_NEVER; /* all of it is */
    setup_aside(sw);
    return SWARM_OK;
}

/* ---- frames */

/* What begins at `at`. */
static int frame_look(const struct resume *resume, size_t at) {
    const unsigned char *frame = resume->bytes + at;
    size_t left = resume->used - at;
    uint32_t length;

    if (memcmp(frame, LOG_MAGIC, left < 4 ? left : 4) != 0) {
        return FRAME_BAD;
    }
    if (left < LOG_HEADER) {
        return FRAME_CUT;
    }
    length = load32(frame + 8);
    if (length > resume->capacity - LOG_HEADER) {
        return FRAME_BAD;
    }
    if (left - LOG_HEADER < length) {
        return FRAME_CUT;
    }
    return crc32c(0, frame + 8, (size_t)(LOG_HEADER - 8) + length) == load32(frame + 4) ? FRAME_GOOD
                                                                                        : FRAME_BAD;
}

static void bytes_drop(struct resume *resume, size_t at, size_t size) {
    memmove(resume->bytes + at, resume->bytes + at + size, resume->used - at - size);
    resume->used -= size;
}

/* Behind a bad frame: whether a good one follows. `all`: no more bytes will come. */
static void scan(swarm *sw, bool all) {
    struct resume *resume = &sw->resume;
    size_t at = resume->events;

    for (; at < resume->used; at++) {
        int look = frame_look(resume, at);

        if (look == FRAME_CUT && !all) {
            break;
        }
        if (look == FRAME_GOOD && hash_load64(resume->bytes + at + 16) > resume->frames) {
            swarm__resume_fail(sw, SWARM_E_CORRUPT, "resume: a good frame follows a bad one");
            return;
        }
    }
    bytes_drop(resume, resume->events, at - resume->events);
}

/* Its events are put behind those that wait, and replayed unless the last operation goes on. */
static void frame_take(swarm *sw) {
    struct resume *resume = &sw->resume;
    const unsigned char *frame = resume->bytes + resume->events;
    uint32_t length = load32(frame + 8);
    uint32_t version = load32(frame + 12);
    uint64_t number = hash_load64(frame + 16), now_ns = hash_load64(frame + 24);

    if ((version & ~(LOG_UNFINISHED << 16)) != SWARM_TRACE_VERSION) {
        swarm__resume_fail(sw, SWARM_E_MISMATCH, "resume: the log has another trace version");
        return;
    }
    if (number != resume->frames + 1 || now_ns < sw->log.now_ns ||
        (resume->events != 0 && now_ns != sw->log.now_ns)) {
        swarm__resume_fail(sw, SWARM_E_CORRUPT, "resume: frames are missing or out of order");
        return;
    }
    hash128_add(&sw->log.hash, frame, LOG_HEADER + length);
    resume->frames++;
    resume->offset += LOG_HEADER + (uint64_t)length;
    sw->log.number = number;
    sw->log.now_ns = now_ns;
    bytes_drop(resume, resume->events, LOG_HEADER);
    resume->events += length;
    if (version != SWARM_TRACE_VERSION) {
        return; /* the next frame has the rest */
    }
    sw->log.expect = resume->bytes;
    sw->log.expect_end = resume->bytes + resume->events;
    swarm__replay_events(sw);
    if (resume->state == RESUME_FEEDING) {
        SWARM_ASSERT(sw->log.expect == sw->log.expect_end);
        bytes_drop(resume, 0, resume->events);
        resume->events = 0;
        resume->good = resume->offset;
        resume->good_frames = resume->frames;
        resume->hash = sw->log.hash;
    }
}

static void frames(swarm *sw) {
    struct resume *resume = &sw->resume;

    while (resume->state == RESUME_FEEDING && !resume->torn && resume->used != resume->events) {
        int look = frame_look(resume, resume->events);

        if (look == FRAME_CUT) {
            return;
        }
        if (look == FRAME_GOOD) {
            frame_take(sw);
        } else {
            resume->torn = true;
            bytes_drop(resume, resume->events, 1);
        }
    }
    if (resume->torn) {
        scan(sw, false);
    }
}

swarm_status swarm_resume_feed(swarm *sw, uint32_t mode, const void *bytes, size_t size) {
    struct resume *resume;
    const unsigned char *from = bytes;
    swarm_status status = SWARM_OK;

    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    resume = &sw->resume;
    if ((bytes == NULL && size != 0) || (mode != SWARM_RESUME && mode != SWARM_REPLAY) ||
        (resume->state != RESUME_NONE && resume->mode != mode)) {
        return SWARM_E_INVALID;
    }
    if (resume->state == RESUME_NONE) {
        status = feed_begin(sw, mode);
    }
    while (status == SWARM_OK && resume->state == RESUME_FEEDING && size != 0) {
        size_t part = resume->capacity - resume->used;

        part = part < size ? part : size;
        if (part == 0) {
            swarm__resume_fail(sw, SWARM_E_FULL, "resume: raise config.log_bytes");
            break;
        }
        memcpy(resume->bytes + resume->used, from, part);
        resume->used += part;
        from += part;
        size -= part;
        frames(sw);
    }
    if (status != SWARM_OK) {
        return status;
    }
    return resume->state == RESUME_FAILED ? resume->error.status
           : resume->state == RESUME_DONE ? SWARM_E_BUSY
                                          : SWARM_OK;
}

/* ---- end */

/* What the caller has set up and the log does not know of: new from now on. */
static void setup_back(swarm *sw) {
    struct dispatch *d = &sw->dispatch;
    uint32_t at = ATOMIC_LOAD(&d->agents_count, relaxed);

    swarm__replay_tenant(sw, sw->resume.tenants);
    for (uint32_t i = sw->logged.permits; i < ATOMIC_LOAD(&d->permits_count, relaxed); i++) {
        swarm__limit_again(d, i);
    }
    swarm__governors_back(d);
    swarm__replay_profile(sw, sw->resume.profiles);
    while (at < sw->resume.agents) {
        uint32_t profile = d->agents[at].profile, count = 1;
        swarm_error error;

        while (at + count < sw->resume.agents && d->agents[at + count].profile == profile) {
            count++;
        }
        if (swarm__agent_add(d, profile, count, &error) == NONE32) {
            return;
        }
        swarm__agents_changed(d, at);
        at += count;
    }
}

/* The log goes on where the last whole frame ends. */
static void log_live(swarm *sw) {
    struct resume *resume = &sw->resume;
    struct log *log = &sw->log;

    log->hash = resume->hash;
    log->number = resume->good_frames + 1;
    log->read = log->safe = resume->good_frames;
    log->pending = log->taken = 0;
    log->used = 0;
    log->stream = NULL;
    log->hashed = 0;
    log->replaying = false;
    ring_init(&log->ring, log->ring.bytes, log->ring.capacity);
}

/* A swarm that is not to go on starts nothing, and can be freed. */
static void stop(swarm *sw) {
    struct dispatch *d = &sw->dispatch;

    sw->draining = true;
    while (d->requests_first != NONE32) {
        swarm__replay_unqueue(d, d->requests_first);
    }
}

swarm_status swarm_resume_end(swarm *sw, uint64_t *out_good_bytes) {
    struct resume *resume;

    if (!swarm__owned(sw)) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_BUSY;
    }
    resume = &sw->resume;
    if (resume->state == RESUME_NONE || resume->state == RESUME_DONE) {
        if (resume->state == RESUME_NONE && out_good_bytes != NULL) {
            *out_good_bytes = 0; /* an empty log: there is nothing to go on with */
        }
        return resume->state == RESUME_NONE ? SWARM_OK : SWARM_E_INVALID;
    }
    if (resume->state == RESUME_FEEDING && resume->used != resume->events) {
        bytes_drop(resume, resume->events, resume->torn ? 0 : 1);
        scan(sw, true);
    }
    if (resume->state == RESUME_FEEDING) {
        resume->state = RESUME_DONE;
        sw->draining = false;
        sw->drain_logged = false;
    }
    log_live(sw);
    setup_back(sw);
    swarm__release_held(sw);
    sw->round.released = true;
    sw->round.runs_quiet = true;
    swarm__signal(sw);
    if (resume->state == RESUME_FAILED || resume->mode == SWARM_REPLAY) {
        stop(sw);
    } else if (sw->round.phase != ROUND_IDLE) {
        (void)swarm_advance(sw, sw->now_ns, NULL); /* the round that was cut goes on */
    }
    if (out_good_bytes != NULL) {
        *out_good_bytes = resume->good;
    }
    return resume->state == RESUME_FAILED ? resume->error.status : SWARM_OK;
}
