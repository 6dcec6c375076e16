/* SPDX-License-Identifier: MIT */
/*
 * The numbers of a run against the definitions, tried by brute force: all paths of 100,000 random
 * graphs of up to twelve steps, with failures, retries, waste, coordinators and soft edges. The
 * graphs are made up here, and told to the library as logs that are written by hand.
 */
#include "test_logs.h"

#define N 12u
#define AGENTS 4u
#define TRIES 3u

enum { PLAIN, CONTROL, SOFT };

struct try {
    uint64_t start, end, freed;
    uint32_t agent, outcome; /* 100: given up */
};

struct node {
    uint64_t ready, start, end;
    struct try tries[TRIES];
    uint32_t count, plan, state, weight;
    uint64_t running;
    bool call, ok;
};

struct edge {
    uint32_t from, to, kind;
};

/* A random run: steps in an order in which every edge goes forward. */
struct world {
    struct node nodes[N];
    struct edge edges[N * N];
    uint32_t n, edge_count, plans, creator[N], last_end, results;
    uint64_t added[N]; /* by plan */
    uint64_t end;
};

static unsigned char memory[1 << 19];
static struct test_log text;

/* ---- making one up */

static void make_try(struct node *node, uint64_t *at, bool last) {
    struct try *t = &node->tries[node->count++];

    t->start = *at + test_below(3);
    t->end = t->start + 1 + test_below(9);
    t->freed = t->end;
    t->agent = (uint32_t)test_below(AGENTS);
    t->outcome = last ? (node->ok ? SWARM_OUTCOME_OK : SWARM_OUTCOME_TERMINAL)
                      : (uint32_t)(test_below(3) == 0   ? 100
                                   : test_below(3) == 0 ? SWARM_OUTCOME_THROTTLED
                                                        : SWARM_OUTCOME_TRANSIENT);
    t->freed += t->outcome == 100 ? test_below(4) : 0;
    *at = t->end;
    if (t->outcome != SWARM_OUTCOME_THROTTLED) {
        node->weight++;
        node->running += t->end - t->start;
    }
}

/* When it is ready, and whether it may run. */
static bool make_ready(struct world *w, uint32_t v) {
    struct node *node = &w->nodes[v];
    bool runs = true;

    node->ready = w->added[node->plan];
    for (uint32_t e = 0; e < w->edge_count; e++) {
        const struct node *from = &w->nodes[w->edges[e].from];

        if (w->edges[e].to == v) {
            runs = runs && (from->ok || w->edges[e].kind == SOFT);
            node->ready = from->end > node->ready ? from->end : node->ready;
        }
    }
    return runs;
}

static void make_node(struct world *w, uint32_t v) {
    struct node *node = &w->nodes[v];
    uint64_t at;

    node->ok = test_below(9) != 0;
    node->call = test_below(4) == 0;
    if (!make_ready(w, v)) {
        node->ok = false;
        node->state = SWARM_STEP_SKIPPED;
        node->end = node->ready;
        return;
    }
    at = node->ready;
    if (!node->call) {
        uint64_t tries = test_below(TRIES);

        for (uint64_t i = 0; i < tries; i++) {
            make_try(node, &at, false);
        }
        make_try(node, &at, true);
    }
    node->state = node->ok ? SWARM_STEP_OK : SWARM_STEP_FAILED;
    node->end = at;
}

/* A call step that ended OK may have added a plan: all that follows, until the next one does. */
static void world_make(struct world *w) {
    memset(w, 0, sizeof *w);
    w->n = (uint32_t)test_below(N + 1);
    w->plans = 1;
    w->creator[0] = UINT32_MAX;
    for (uint32_t v = 0; v < w->n; v++) {
        uint32_t maker = (uint32_t)test_below(v + 1);

        if (v != 0 && maker < v && test_below(3) == 0 && w->nodes[maker].call &&
            w->nodes[maker].ok && w->nodes[maker].end > w->added[w->plans - 1]) {
            w->creator[w->plans] = maker;
            w->added[w->plans++] = w->nodes[maker].end;
        }
        w->nodes[v].plan = w->plans - 1;
        for (uint32_t u = 0; u < v; u++) {
            if (test_below(4) == 0) {
                uint32_t kind = (uint32_t)test_below(8);

                w->edges[w->edge_count++] = (struct edge){u, v,
                                                          kind == 6   ? CONTROL
                                                          : kind == 7 ? SOFT
                                                                      : PLAIN};
            }
        }
        make_node(w, v);
        w->end = w->nodes[v].end > w->end ? w->nodes[v].end : w->end;
    }
}

/* ---- telling it */

static struct test_event told[N * 40];
static uint32_t told_count;

#define TELL(...) (told[told_count++] = *TEST_EVENT(__VA_ARGS__))

/* At one time: a step's events in their order, steps one after the other, a plan behind what added
 * it. So `order` is the step, then a number within it. */
static void tell_node(const struct world *w, uint32_t v) {
    const struct node *node = &w->nodes[v];
    uint64_t order = 1000 * (v + UINT64_C(1)), ready = node->ready;

    for (uint32_t i = 0; i < node->count; i++) {
        const struct try *t = &node->tries[i];

        TELL(ready, order + 500 + 10 * i, SWARM_EVENT_READY, v, 0);
        TELL(t->start, order + 501 + 10 * i, SWARM_EVENT_START, v, i + 1, i, t->agent + 1, 0);
        if (t->outcome == 100) {
            TELL(t->end, order + 502 + 10 * i, SWARM_EVENT_GIVE_UP, v, i + 1, i,
                 (uint64_t)-SWARM_E_TIMED_OUT, 1);
            TELL(t->freed, order + 503 + 10 * i, SWARM_EVENT_FENCED, v, i + 1, i,
                 SWARM_OUTCOME_CANCELLED, 1, 1, 1, 1);
        } else {
            TELL(t->end, order + 504 + 10 * i, SWARM_EVENT_DONE, v, i + 1, i, t->outcome, 3, 2, 1,
                 7, 0);
        }
        ready = t->end;
    }
    if (node->call && node->state != SWARM_STEP_SKIPPED) {
        TELL(node->ready, order + 500, SWARM_EVENT_READY, v, 0);
    }
    TELL(node->end, order + 600, SWARM_EVENT_END, v, node->state, 0);
}

static void tell_plan(const struct world *w, uint32_t p) {
    uint32_t first = 0, count = 0;
    uint64_t order = p == 0 ? 0 : 1000 * (w->creator[p] + UINT64_C(1)) + 590;

    for (uint32_t v = 0; v < w->n; v++) {
        first += w->nodes[v].plan < p;
        count += w->nodes[v].plan == p;
    }
    TELL(w->added[p], order, SWARM_EVENT_PLAN, SWARM_NEVER, p + 1, first, count, 0, 0,
         p == 0 ? 0 : w->creator[p] + 1);
    for (uint32_t v = first; v < first + count; v++) {
        TELL(w->added[p], order, SWARM_EVENT_STEP, v, w->nodes[v].call, 0, 0, 0, 0, 0, 0, 0);
        for (uint32_t e = 0; e < w->edge_count; e++) {
            if (w->edges[e].to == v) {
                TELL(w->added[p], order, SWARM_EVENT_EDGE, v, w->edges[e].from, 0);
                if (w->edges[e].kind != PLAIN) {
                    TELL(w->added[p], order, SWARM_EVENT_EDGE_RULE, v, w->edges[e].from,
                         w->edges[e].kind, 0, 0, 0, 0);
                }
            }
        }
    }
}

static int told_compare(const void *left, const void *right) {
    const struct test_event *a = left, *b = right;

    if (a->now != b->now) {
        return a->now < b->now ? -1 : 1;
    }
    if (a->order != b->order) {
        return a->order < b->order ? -1 : 1;
    }
    return 0; /* never: see world_tell */
}

static void world_tell(const struct world *w) {
    told_count = 0;
    text.size = 0;
    text.frames = 0;
    for (uint32_t p = 0; p < w->plans; p++) {
        tell_plan(w, p);
    }
    for (uint32_t v = 0; v < w->n; v++) {
        tell_node(w, v);
    }
    for (uint32_t i = 0; i < told_count; i++) {
        told[i].order = told[i].order << 16 | i; /* a total order */
    }
    qsort(told, told_count, sizeof told[0], told_compare);
    LOG_EVENT(&text, 0, SWARM_EVENT_RUN_OPEN, SWARM_NEVER, 5, 6);
    for (uint32_t i = 0; i < told_count; i++) {
        log_event(&text, &told[i]);
    }
    LOG_EVENT(&text, w->end, SWARM_EVENT_RUN_END, SWARM_NEVER, 0);
}

/* ---- brute force */

/* Whether the executed graph has an edge, without those that a plan implies if `explicit`. */
static uint32_t joined(const struct world *w, uint32_t u, uint32_t v, bool only_explicit) {
    uint32_t count = 0;

    if (!w->nodes[u].ok || !w->nodes[v].ok) {
        return 0;
    }
    for (uint32_t e = 0; e < w->edge_count; e++) {
        count += w->edges[e].from == u && w->edges[e].to == v && w->edges[e].kind != SOFT;
    }
    return count + (!only_explicit && w->creator[w->nodes[v].plan] == u);
}

struct sums {
    uint64_t time;
    uint32_t steps;
};

/* The heaviest paths that begin at u, without `gone`. Steps ascend, so this ends. */
static struct sums heaviest(const struct world *w, uint32_t u, uint32_t gone) {
    struct sums best = {0, 0};

    for (uint32_t v = u + 1; v < w->n; v++) {
        if (v != gone && joined(w, u, v, false) != 0) {
            struct sums next = heaviest(w, v, gone);

            best.time = next.time > best.time ? next.time : best.time;
            best.steps = next.steps > best.steps ? next.steps : best.steps;
        }
    }
    best.time += w->nodes[u].running;
    best.steps += w->nodes[u].weight;
    return best;
}

static struct sums span_without(const struct world *w, uint32_t gone) {
    struct sums best = {0, 0};

    for (uint32_t u = 0; u < w->n; u++) {
        if (u != gone && w->nodes[u].ok) {
            struct sums next = heaviest(w, u, gone);

            best.time = next.time > best.time ? next.time : best.time;
            best.steps = next.steps > best.steps ? next.steps : best.steps;
        }
    }
    return best;
}

/* Paths from u to v, the direct edge included. */
static uint32_t paths(const struct world *w, uint32_t u, uint32_t v) {
    uint32_t count = joined(w, u, v, false);

    for (uint32_t i = u + 1; i < v; i++) {
        if (joined(w, u, i, false) != 0) {
            count += paths(w, i, v) != 0;
        }
    }
    return count;
}

static bool reads(const struct world *w, uint32_t u, uint32_t v) {
    bool found = false;

    for (uint32_t e = 0; e < w->edge_count; e++) {
        found =
            found || (w->edges[e].from == u && w->edges[e].to == v && w->edges[e].kind == PLAIN);
    }
    return w->nodes[u].ok && w->nodes[v].ok && (found || w->creator[w->nodes[v].plan] == u);
}

static bool leads_to(const struct world *w, uint32_t u, uint32_t result) {
    bool found = u == result;

    for (uint32_t v = u + 1; v < w->n && !found; v++) {
        found = reads(w, u, v) && leads_to(w, v, result);
    }
    return found;
}

/* The last to end, by time and then as they are told; agent steps only, if there is one. */
static uint32_t last_step(const struct world *w, bool agents) {
    uint32_t last = UINT32_MAX;

    for (uint32_t v = 0; v < w->n; v++) {
        if (w->nodes[v].ok && (!agents || !w->nodes[v].call) &&
            (last == UINT32_MAX || w->nodes[v].end >= w->nodes[last].end)) {
            last = v;
        }
    }
    return last;
}

static uint32_t agent_of(const struct world *w, uint32_t v) {
    return w->nodes[v].tries[w->nodes[v].count - 1].agent;
}

/* The agent step that a call step waited for last, through call steps. */
static uint32_t turn_of(const struct world *w, uint32_t creator) {
    uint32_t at = creator;

    while (at != UINT32_MAX && w->nodes[at].call) {
        uint32_t before = UINT32_MAX;
        uint64_t latest = 0;

        /* The plan's own step counts with the time of the plan, and first of equal ones. */
        if (w->creator[w->nodes[at].plan] != UINT32_MAX) {
            before = w->creator[w->nodes[at].plan];
            latest = w->added[w->nodes[at].plan];
        }
        for (uint32_t u = 0; u < at; u++) {
            if (joined(w, u, at, true) != 0 && (before == UINT32_MAX || w->nodes[u].end > latest)) {
                before = u;
                latest = w->nodes[u].end;
            }
        }
        at = before;
    }
    return at;
}

static uint64_t staged(const struct world *w, uint32_t last) {
    bool turn[N] = {false}, leads[AGENTS] = {false};
    uint64_t sum = 0;
    uint32_t turns[N];

    for (uint32_t p = 0; p < w->plans; p++) {
        turns[p] = w->creator[p] == UINT32_MAX ? UINT32_MAX : turn_of(w, w->creator[p]);
        if (turns[p] != UINT32_MAX) {
            turn[turns[p]] = true;
            leads[agent_of(w, turns[p])] = true;
        }
    }
    for (uint32_t p = 0; p < w->plans; p++) {
        uint64_t most = 0;

        for (uint32_t a = 0; a < AGENTS; a++) {
            uint64_t steps = 0;

            for (uint32_t v = 0; v < w->n; v++) {
                const struct node *node = &w->nodes[v];
                bool alone = turn[v] || (v == last && leads[agent_of(w, v)]);

                steps += node->plan == p && node->ok && !node->call && !alone && agent_of(w, v) == a
                             ? node->weight
                             : 0;
            }
            most = steps > most ? steps : most;
        }
        sum += most + (turns[p] == UINT32_MAX ? 0 : w->nodes[turns[p]].weight);
    }
    if (last != UINT32_MAX && !turn[last] && leads[agent_of(w, last)]) {
        sum += w->nodes[last].weight;
    }
    return sum;
}

static void compare_paths(const struct world *w, const swarm_metrics *m) {
    struct sums span = span_without(w, UINT32_MAX);
    uint32_t result = last_step(w, true), unused = 0, spurious = 0;
    uint64_t redundant = 0;

    CHECK_EQ(m->span_ns, span.time);
    CHECK_EQ(m->span_steps, span.steps);
    CHECK_EQ(m->staged_steps, staged(w, result));
    result = result == UINT32_MAX ? last_step(w, false) : result;
    for (uint32_t v = 0; v < w->n; v++) {
        bool used = result != UINT32_MAX && leads_to(w, v, result);

        unused += w->nodes[v].ok && !used;
        spurious += w->nodes[v].ok && !used && span_without(w, v).time == span.time;
        for (uint32_t u = 0; u < v; u++) {
            redundant += joined(w, u, v, true) != 0 && paths(w, u, v) > 1;
        }
    }
    CHECK_EQ(m->unused, unused);
    CHECK_EQ(m->redundant_edges, redundant);
    CHECK_EQ(m->spurious_ppm, w->n == 0 ? 0 : UINT64_C(1000000) * spurious / w->n);
}

static int number_compare(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static void compare_tries(const struct world *w, const swarm_metrics *m) {
    uint64_t waits[N * TRIES], late = 0, failed = 0, cancelled = 0, unread = 0, cost = 0, most = 0;
    uint32_t count = 0, result = last_step(w, true), all = 0;

    result = result == UINT32_MAX ? last_step(w, false) : result;
    for (uint32_t v = 0; v < w->n; v++) {
        const struct node *node = &w->nodes[v];

        all += node->count;
        unread += node->ok && !leads_to(w, v, result) ? node->running : 0;
        for (uint32_t i = 0; i < node->count; i++) {
            const struct try *t = &node->tries[i];
            uint64_t running = 0;

            waits[count++] = t->start - (i == 0 ? node->ready : node->tries[i - 1].end);
            late += t->freed - t->end;
            cancelled += t->outcome == SWARM_OUTCOME_THROTTLED ? t->end - t->start : 0;
            failed += t->outcome != SWARM_OUTCOME_THROTTLED && !node->ok ? t->end - t->start : 0;
            cost += t->outcome == 100 ? 1 : 7;
            for (uint32_t u = 0; u < w->n; u++) {
                for (uint32_t k = 0; k < w->nodes[u].count; k++) {
                    const struct try *o = &w->nodes[u].tries[k];

                    running += o->start <= t->start && o->freed > t->start;
                }
            }
            most = running > most ? running : most;
        }
    }
    qsort(waits, count, sizeof waits[0], number_compare);
    CHECK_EQ(m->attempts, all);
    CHECK_EQ(m->waste_late_ns, late);
    CHECK_EQ(m->waste_failed_ns, failed);
    CHECK_EQ(m->waste_cancelled_ns, cancelled);
    CHECK_EQ(m->waste_unread_ns, unread);
    CHECK_EQ(m->waste_ns, late + failed + cancelled + unread);
    CHECK_EQ(m->usage.cost_nano, cost);
    CHECK_EQ(m->queue_p50_ns, count == 0 ? 0 : waits[(count + 1) / 2 - 1]);
    CHECK_EQ(m->queue_p99_ns, count == 0 ? 0 : waits[count - 1]); /* below 100 waits */
    CHECK_EQ(m->running_most, most);
}

static void compare_ratios(const struct world *w, const swarm_metrics *m) {
    uint64_t work = 0, steps = 0, ok = 0, by[AGENTS] = {0}, most = 0, agents = 0, width;
    bool seen[AGENTS] = {false};

    for (uint32_t v = 0; v < w->n; v++) {
        const struct node *node = &w->nodes[v];

        ok += node->ok;
        work += node->ok ? node->running : 0;
        steps += node->ok ? node->weight : 0;
        for (uint32_t i = 0; i < node->count; i++) {
            const struct try *t = &node->tries[i];

            seen[t->agent] = true;
            by[t->agent] +=
                node->ok && t->outcome != SWARM_OUTCOME_THROTTLED ? t->end - t->start : 0;
        }
    }
    for (uint32_t a = 0; a < AGENTS; a++) {
        most = by[a] > most ? by[a] : most;
        agents += seen[a];
    }
    width = m->span_ns == 0 ? 0 : work / m->span_ns;
    width = width < agents ? width : agents;
    CHECK_EQ(m->work_ns, work);
    CHECK_EQ(m->work_steps, steps);
    CHECK_EQ(m->ok, ok);
    CHECK_EQ(m->agents, agents);
    CHECK_EQ(m->makespan_ns, w->n == 0 ? 0 : w->end);
    CHECK_EQ(m->finish_ppm, w->n == 0 ? 0 : 1000000 * ok / w->n);
    CHECK_EQ(m->possible_ppm, m->span_ns == 0 ? 0 : 1000000 * work / m->span_ns);
    CHECK_EQ(m->achieved_ppm, w->end == 0 ? 0 : 1000000 * work / w->end);
    CHECK_EQ(m->efficiency_ppm, w->end == 0 ? 0 : 1000000 * m->span_ns / w->end);
    CHECK_EQ(m->utilisation_ppm, w->end * agents == 0 ? 0 : 1000000 * work / (w->end * agents));
    CHECK_EQ(m->busiest_ppm, work == 0 ? 0 : 1000000 * most / work);
    CHECK_EQ(m->collapse_ppm, width < 2 || most * width <= work
                                  ? 0
                                  : 1000000 * (most * width - work) / (work * (width - 1)));
}

static bool read_metrics(const swarm_trace_spec *spec, swarm_metrics *m) {
    swarm_trace *trace = NULL;
    size_t size = 0;
    bool good = swarm_trace_memory_size(spec, &size) == SWARM_OK && size <= sizeof memory &&
                swarm_trace_new(spec, memory, size, &trace) == SWARM_OK &&
                swarm_trace_metrics(trace, m) == SWARM_OK;

    CHECK(good);
    return good;
}

TEST(equal_to_brute_force) {
    static struct world w;
    uint32_t graphs = test_long ? 1000000 : 100000;

    for (uint32_t i = 0; i < graphs && !test_failed(); i++) {
        swarm_trace_spec spec = {.log = text.bytes};
        swarm_metrics m = {0};

        world_make(&w);
        world_tell(&w);
        spec.log_size = text.size;
        if (read_metrics(&spec, &m)) {
            compare_paths(&w, &m);
            compare_tries(&w, &m);
            compare_ratios(&w, &m);
        }
        if (test_failed()) {
            printf("# graph %u of %u steps, %u edges, %u plans\n", i, w.n, w.edge_count, w.plans);
        }
    }
}

/* ---- foreign bytes */

/* Whatever the bytes: a status, and no step outside. The sanitizers watch. */
static void read_any(const unsigned char *bytes, size_t size) {
    swarm_trace_spec spec = {.log = bytes, .log_size = size};
    swarm_trace *trace = NULL;
    swarm_metrics m;
    size_t need = 0;
    swarm_status status = swarm_trace_memory_size(&spec, &need);

    if (status == SWARM_OK && need <= sizeof memory) {
        unsigned char *exact = malloc(need);

        status = swarm_trace_new(&spec, exact, need, &trace);
        CHECK(status == SWARM_OK || status == SWARM_E_CORRUPT);
        CHECK(status != SWARM_OK || swarm_trace_metrics(trace, &m) == SWARM_OK);
        free(exact);
    }
    CHECK(status == SWARM_OK || status == SWARM_E_CORRUPT || status == SWARM_E_MISSING ||
          status == SWARM_E_MISMATCH);
}

/* A frame's checksum is made good again, so that what is wrong is inside. */
static void mend(unsigned char *bytes, size_t size) {
    for (size_t at = 0; at + 32 < size;) {
        uint32_t length = bytes[at + 8];

        log_word(bytes + at + 4, crc32c(0, bytes + at + 8, 24 + length), 4);
        at += 32 + length;
    }
}

TEST(any_bytes) {
    static struct world w;
    static unsigned char copy[LOGS_MAX];

    for (uint32_t i = 0; i < 20000 && !test_failed(); i++) {
        world_make(&w);
        world_tell(&w);
        memcpy(copy, text.bytes, text.size);
        for (uint64_t k = test_below(4); k != 0; k--) {
            size_t at = (size_t)test_below(text.size);

            copy[at] = (unsigned char)(at % 3 == 0 ? test_random() : copy[at] + UINT64_C(1));
        }
        read_any(copy, (size_t)test_below(text.size + 1));
        memcpy(copy, text.bytes, text.size);
        for (size_t at = 0, next; at + 33 < text.size; at = next) {
            next = at + 32 + copy[at + 8];
            if (test_below(20) == 0) { /* one number of an event */
                copy[at + 34 + test_below(next - at - 34)] = (unsigned char)test_below(128);
            }
        }
        mend(copy, text.size);
        read_any(copy, text.size);
    }
}

TEST(memory_must_be_large_enough) {
    static struct world w;
    swarm_trace_spec spec = {.log = text.bytes};
    swarm_trace *trace = NULL;
    size_t size = 0;

    world_make(&w);
    world_tell(&w);
    spec.log_size = text.size;
    CHECK_EQ(swarm_trace_memory_size(&spec, &size), SWARM_OK);
    for (size_t small = 0; small + 63 < size; small += 7) { /* 63: for any alignment */
        CHECK_EQ(swarm_trace_new(&spec, memory, small, &trace), SWARM_E_FULL);
    }
    CHECK_EQ(swarm_trace_new(&spec, memory + 3, size, &trace), SWARM_OK);
    spec.run = 2;
    CHECK_EQ(swarm_trace_memory_size(&spec, &size), SWARM_E_MISSING);
}

TEST_MAIN()
