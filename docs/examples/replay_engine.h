/* SPDX-License-Identifier: MIT
 *
 * replay_engine.h: a swarm, its simulated agents and its log, for one run after the other.
 *
 *     struct engine engine = {0};
 *     struct engine_need need = {&config, &mock, workers};
 *     if (engine_open(&engine, &need, &error)) {
 *         ... add agents and steps to engine.sw ...
 *         engine_drive(&engine, SWARM_NEVER, &error);
 *         ... read engine.log ...
 *         engine_close(&engine);
 *     }
 *     engine_free(&engine);
 *
 * Memory: the swarm and the mock live in two blocks that only grow and are kept from run to run, so
 * that a thousand small runs cost a thousand set-ups and no more. The log of the latest run stays
 * readable until the next engine_open.
 * spent_ns is the wall time between engine_enter and engine_leave: plans filled and committed, and
 * the drive, with everything that it calls (the mock, call steps, the copying of the log).
 */
#ifndef REPLAY_ENGINE_H
#define REPLAY_ENGINE_H

#include "backends/mock/swarm_mock.h"
#include "replay_text.h"
#include "swarm.h"

enum {
    ENGINE_ALIGN = 64,
    ENGINE_LOG_FIRST = 1 << 20, /* bytes kept for the log before it has any */
};

/* Memory that is kept; as large as it has ever been needed. */
struct engine_block {
    void *bytes;
    size_t size;
};

struct engine_log {
    unsigned char *bytes;
    size_t size;
    size_t room;
};

struct engine {
    swarm *sw;
    swarm_mock *mock;
    swarm_backend_id backend; /* the mock's */
    struct engine_block swarm_block, mock_block;
    struct engine_log log;
    uint64_t entered_ns;
    uint64_t spent_ns;
    uint32_t workers;
};

/* What a run wants; config->memory is filled in here. */
struct engine_need {
    swarm_config *config;
    const swarm_mock_spec *mock;
    uint32_t workers; /* that run call steps, the caller included */
};

/* ---- Errors ---------------------------------------------------------------------------- */

static inline const char *status_name(swarm_status status) {
    static const char *const names[] = {
        "SWARM_OK",          "SWARM_E_INVALID",  "SWARM_E_STALE",       "SWARM_E_MISSING",
        "SWARM_E_DUPLICATE", "SWARM_E_CYCLE",    "SWARM_E_DEPTH",       "SWARM_E_LIMIT",
        "SWARM_E_FULL",      "SWARM_E_AGAIN",    "SWARM_E_BUSY",        "SWARM_E_STARTED",
        "SWARM_E_FROZEN",    "SWARM_E_NO_AGENT", "SWARM_E_FENCED",      "SWARM_E_TIMED_OUT",
        "SWARM_E_STALLED",   "SWARM_E_DEPENDS",  "SWARM_E_TOO_BIG",     "SWARM_E_GARBAGE",
        "SWARM_E_CORRUPT",   "SWARM_E_MISMATCH", "SWARM_E_UNSUPPORTED", "SWARM_E_OVERFLOW",
        "SWARM_E_FAILED",    "SWARM_E_BUDGET",   "SWARM_E_PAUSED",      "SWARM_E_CONFLICT",
        "SWARM_E_NO_QUORUM", "SWARM_E_DEADLOCK", "SWARM_E_QUOTA",       "SWARM_E_DENIED",
    };
    bool known = status <= 0 && status > -(swarm_status)(sizeof names / sizeof names[0]);
    return known ? names[-status] : "SWARM_E_INVALID";
}

/* Keeps what the library says; always false. `text` may be null. */
static inline bool engine_fail(struct input_error *error, swarm_status status, const char *text) {
    return input_fail(error, status_name(status), 0, "%s",
                      text != NULL ? text : swarm_status_text(status));
}

/* ---- Memory ---------------------------------------------------------------------------- */

static inline bool engine_block_grow(struct engine_block *block, size_t size) {
    if (size <= block->size) {
        return true;
    }
    if (size > SIZE_MAX - ENGINE_ALIGN) {
        return false;
    }
    free(block->bytes);
    block->size = (size + ENGINE_ALIGN - 1) / ENGINE_ALIGN * ENGINE_ALIGN;
    block->bytes = aligned_alloc(ENGINE_ALIGN, block->size);
    if (block->bytes == NULL) {
        block->size = 0;
        return false;
    }
    memset(block->bytes, 0, block->size); /* so that the system's page faults aren't timed */
    return true;
}

static inline bool engine_log_grow(struct engine_log *log, size_t size) {
    size_t room = log->room == 0 ? ENGINE_LOG_FIRST : log->room;
    while (room < size && room <= SIZE_MAX / 2) {
        room *= 2;
    }
    if (room <= log->room) {
        return room >= size;
    }
    unsigned char *grown = realloc(log->bytes, room);
    if (grown == NULL) {
        return false;
    }
    memset(grown + log->size, 0, room - log->size); /* as above */
    log->bytes = grown;
    log->room = room;
    return true;
}

/* Gets whole frames from the drive; false stops it. */
static inline bool engine_write(void *context, const void *bytes, size_t size) {
    struct engine_log *log = context;
    if (size > SIZE_MAX - log->size ||
        (size > log->room - log->size && !engine_log_grow(log, log->size + size))) {
        return false;
    }
    memcpy(log->bytes + log->size, bytes, size);
    log->size += size;
    return true;
}

/* ---- The clock ------------------------------------------------------------------------- */

static inline uint64_t engine_clock(void) {
    const swarm_host *host = swarm_host_default();
    return host != NULL ? host->clock(host->context) : 0;
}

static inline void engine_enter(struct engine *engine) {
    engine->entered_ns = engine_clock();
}

static inline void engine_leave(struct engine *engine) {
    engine->spent_ns += engine_clock() - engine->entered_ns;
}

/* ---- From opening to closing ------------------------------------------------------------- */

/* Bytes for a ring that takes a plan of this size at once (every STEP and EDGE event of it). */
static inline uint64_t engine_log_bytes(uint64_t steps, uint64_t edges) {
    uint64_t events = 104 * steps + 32 * edges;
    return events + events / 2 + 16384;
}

static inline bool engine_open_mock(struct engine *engine, const struct engine_need *need,
                                    struct input_error *error) {
    size_t size = swarm_mock_memory_size(need->mock);
    if (!engine_block_grow(&engine->mock_block, size)) {
        return input_out_of_memory(error, 0);
    }
    engine->mock = swarm_mock_new(need->mock, engine->mock_block.bytes, size);
    engine->backend = swarm_backend_add(engine->sw, swarm_mock_backend(engine->mock));
    return true; /* a null mock makes a null backend: swarm_fault or the commit says so */
}

static inline bool engine_open(struct engine *engine, const struct engine_need *need,
                               struct input_error *error) {
    size_t size = 0;
    need->config->size = sizeof *need->config;
    need->config->version = SWARM_VERSION;
    need->config->host = swarm_host_default();
    need->config->workers_max = need->workers;
    swarm_status status = swarm_memory_size(need->config, &size);
    if (status != SWARM_OK) {
        return engine_fail(error, status, NULL);
    }
    engine->log.size = 0;
    engine->spent_ns = 0;
    engine->workers = need->workers;
    if (!engine_block_grow(&engine->swarm_block, size) || !engine_log_grow(&engine->log, 0)) {
        return input_out_of_memory(error, 0);
    }
    need->config->memory = engine->swarm_block.bytes;
    need->config->memory_size = engine->swarm_block.size;
    status = swarm_new(need->config, &engine->sw);
    return status == SWARM_OK ? engine_open_mock(engine, need, error)
                              : engine_fail(error, status, NULL);
}

/* Drives until all has ended: true; or until this time: false without an error. */
static inline bool engine_drive(struct engine *engine, uint64_t until_ns,
                                struct input_error *error) {
    swarm_drive_options options = {.write = engine_write,
                                   .write_context = &engine->log,
                                   .until_ns = until_ns,
                                   .workers = engine->workers - 1};
    swarm_status status = swarm_sim_drive(engine->sw, &options);
    if (status != SWARM_OK && status != SWARM_E_TIMED_OUT) {
        return engine_fail(error, status, NULL);
    }
    return status == SWARM_OK;
}

/* Whatever is still in flight goes with the memory, which is ours. */
static inline void engine_close(struct engine *engine) {
    (void)swarm_free(engine->sw);
    engine->sw = NULL;
    engine->mock = NULL;
}

static inline void engine_free(struct engine *engine) {
    free(engine->swarm_block.bytes);
    free(engine->mock_block.bytes);
    free(engine->log.bytes);
    *engine = (struct engine){.sw = NULL};
}

#endif
