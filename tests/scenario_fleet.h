/* SPDX-License-Identifier: MIT */
/*
 * scenario_fleet.h - cache_fleet: recorded sessions on 64 slots, and the prompt cache that the
 * order of starts meets.
 *
 * The library decides the order; the cache is the world: 200,000 blocks for all, least recently
 * used. A request hits its leading run of blocks that are there; then its blocks are touched from
 * the last to the first, so that the head of a prefix is evicted last; then the cache shrinks to
 * its capacity. Blocks are (session, id): sessions share nothing.
 */
#ifndef SWARM_TESTS_SCENARIO_FLEET_H
#define SWARM_TESTS_SCENARIO_FLEET_H

#include "scenario.h"

enum { FLEET_SLOTS = 64, FLEET_BLOCKS = 200000 };
#define FLEET_FILE "../shared/data/agentsessions/sessions.txt"

/* ---- Which blocks a request has ------------------------------------------------------------ */

/* The blocks of request v are the spans first[v] .. first[v + 1] - 1, ids in order. */
struct fleet_span {
    uint64_t first, last;
};

struct fleet_blocks {
    struct fleet_span *spans;
    uint32_t *first;      /* [requests + 1] */
    uint64_t *trace_base; /* [traces + 1]: number of a trace's block 0 */
    uint32_t count, room;
};

static inline void fleet_blocks_free(struct fleet_blocks *blocks) {
    free(blocks->spans);
    free(blocks->first);
    free(blocks->trace_base);
}

/* The reader has checked the line: r API THINK INPUT OUTPUT STOP RUNS (FIRST LAST)... */
static inline bool fleet_read_line(struct scan *scan, struct fleet_blocks *blocks, uint64_t *most) {
    struct slice word;
    uint32_t runs = 0;
    for (uint32_t i = 0; i < 6; ++i) {
        (void)scan_word(scan, &word);
    }
    bool good = scan_u32(scan, "a number of block runs", &runs);
    for (uint32_t i = 0; i < runs && good; ++i) {
        struct fleet_span span;
        void *room = array_room(blocks->spans, blocks->count, &blocks->room, sizeof span);
        good = room != NULL && scan_number(scan, "a block", INT64_MAX, &span.first) &&
               scan_number(scan, "a block", INT64_MAX, &span.last);
        if (good) {
            blocks->spans = room;
            blocks->spans[blocks->count++] = span;
            *most = span.last > *most ? span.last : *most;
        }
    }
    return good;
}

/* Goes through the text a second time, for what a run does not keep. */
static inline bool fleet_read_blocks(const struct input *input, const struct input_run *run,
                                     struct fleet_blocks *blocks) {
    struct input_error error = {.status = NULL};
    struct scan scan = {.at = input->text, .end = input->scan.end, .error = &error};
    uint32_t task = 0, traces = run->trace_count;
    bool good = true;
    blocks->first = array_new((size_t)run->task_count + 1, sizeof *blocks->first);
    blocks->trace_base = array_new((size_t)traces + 1, sizeof *blocks->trace_base);
    good = blocks->first != NULL && blocks->trace_base != NULL;
    for (uint32_t t = 0; t < traces && good; ++t) {
        uint64_t most = 0;
        while (task < run->trace_first[t + 1] && good && scan_line(&scan)) {
            if (scan.line == run->tasks[task].line) {
                blocks->first[task++] = blocks->count;
                good = fleet_read_line(&scan, blocks, &most);
            }
        }
        good = good && task == run->trace_first[t + 1];
        if (good) {
            blocks->trace_base[t + 1] = blocks->trace_base[t] + most + 1;
        }
    }
    if (good) {
        blocks->first[task] = blocks->count;
    }
    return good;
}

/* ---- The cache ----------------------------------------------------------------------------- */

/* A ring through all blocks that are there, by last use; number `total` is its head. */
struct fleet_cache {
    uint32_t *next, *previous; /* next == itself: not there */
    uint32_t total, used;
    uint64_t hits, asked;
};

static inline bool cache_init(struct fleet_cache *cache, uint64_t total) {
    *cache = (struct fleet_cache){.total = (uint32_t)total};
    cache->next = total < UINT32_MAX ? array_new(total + 1, sizeof(uint32_t)) : NULL;
    cache->previous = total < UINT32_MAX ? array_new(total + 1, sizeof(uint32_t)) : NULL;
    for (uint32_t b = 0; cache->next != NULL && cache->previous != NULL && b <= total; ++b) {
        cache->next[b] = b;
        cache->previous[b] = b;
    }
    return cache->next != NULL && cache->previous != NULL;
}

static inline void cache_free(struct fleet_cache *cache) {
    free(cache->next);
    free(cache->previous);
}

static inline void cache_unlink(struct fleet_cache *cache, uint32_t block) {
    cache->used -= cache->next[block] != block;
    cache->next[cache->previous[block]] = cache->next[block];
    cache->previous[cache->next[block]] = cache->previous[block];
    cache->next[block] = block;
    cache->previous[block] = block;
}

/* As the one used last: right behind the head. */
static inline void cache_touch(struct fleet_cache *cache, uint32_t block) {
    cache_unlink(cache, block);
    cache->next[block] = cache->next[cache->total];
    cache->previous[block] = cache->total;
    cache->previous[cache->next[block]] = block;
    cache->next[cache->total] = block;
    cache->used += 1;
}

static inline void cache_request(struct fleet_cache *cache, const struct fleet_blocks *blocks,
                                 uint32_t task, uint32_t trace) {
    uint64_t base = blocks->trace_base[trace];
    bool there = true;
    for (uint32_t i = blocks->first[task]; i < blocks->first[task + 1]; ++i) {
        for (uint64_t id = blocks->spans[i].first; id <= blocks->spans[i].last; ++id) {
            uint32_t block = (uint32_t)(base + id);
            there = there && cache->next[block] != block;
            cache->hits += there;
            cache->asked += 1;
        }
    }
    for (uint32_t i = blocks->first[task + 1]; i > blocks->first[task]; --i) {
        for (uint64_t id = blocks->spans[i - 1].last + 1; id > blocks->spans[i - 1].first; --id) {
            cache_touch(cache, (uint32_t)(base + id - 1));
        }
    }
    while (cache->used > FLEET_BLOCKS) {
        cache_unlink(cache, cache->previous[cache->total]);
    }
}

/* ---- The fleet ------------------------------------------------------------------------------- */

static inline bool fleet_measure(struct scenario *s, const struct input *input,
                                 const struct input_run *run, const struct trace *trace) {
    struct fleet_blocks blocks = {.count = 0};
    struct fleet_cache cache = {.next = NULL};
    bool good = fleet_read_blocks(input, run, &blocks) &&
                cache_init(&cache, blocks.trace_base[run->trace_count]);
    for (uint32_t i = 0; i < trace->moment_count && good; ++i) {
        uint32_t task = trace->attempts[trace->moments[i].attempt].step;
        if (trace->moments[i].begins) {
            cache_request(&cache, &blocks, task, run->tasks[task].trace);
        }
    }
    scenario_add(s, "hit_ppm", ratio_ppm(cache.hits, cache.asked));
    cache_free(&cache);
    fleet_blocks_free(&blocks);
    return good || input_out_of_memory(&s->error, 0);
}

static inline bool fleet_run(struct scenario *s, const struct input *input, struct input_run *run,
                             enum policy policy) {
    struct run_options options = {
        .policy = policy, .seed = s->seed, .agents = FLEET_SLOTS, .workers = 1};
    struct run_result result = {.agents = FLEET_SLOTS};
    struct trace trace = {.steps = NULL};
    bool good = run_input(&s->engine, run, &options, &result, &trace) &&
                fleet_measure(s, input, run, &trace);
    s->error = s->error.status == NULL ? result.error : s->error;
    if (good) {
        scenario_add(s, "makespan", result.makespan);
        scenario_add(s, "lower_bound", result.lower_bound);
    }
    trace_free(&trace);
    return good;
}

static inline bool play_cache_fleet(struct scenario *s) {
    struct workload workload;
    bool good = workload_open_sessions(s, s->input != NULL ? s->input : FLEET_FILE, &workload) &&
                fleet_run(s, &workload.input, &workload.run, POLICY_FIFO);
    workload_close(&workload);
    return good;
}

#endif
