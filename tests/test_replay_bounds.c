/* SPDX-License-Identifier: MIT */
/*
 * test_replay_bounds.c - lower bounds, ranks and HEFT of docs/examples/replay.c.
 *
 * Against a model that follows the definition so slowly that it is right at a glance, against
 * values worked out by hand, and, where the recorded workloads are at hand, against every bound
 * published in tests/workload_values.json.
 */
#include "test.h"

#include "../docs/examples/replay_heft.h"
#include "../docs/examples/replay_input.h"

#define DATA "tests/data/"
#define SHARED "../shared/data/"

static const struct input_options usual = {300, 14, 10000};

static bool file_exists(const char *path) {
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        return false;
    }
    fclose(file);
    return true;
}

/* The only run of a file; the caller frees both. */
static void read_one(const char *path, struct input *input, struct input_run *run) {
    input_open(input, path, &usual);
    CHECK(input_next(input, run));
    CHECK(run->error.status == NULL);
}

static void read_free(struct input *input, struct input_run *run) {
    input_run_free(run);
    input_close(input);
}

/* ---- Bounds ---------------------------------------------------------------------------- */

TEST(ranks_of_a_graph) {
    static const uint64_t head[] = {0, 0, 0, 0, 1, 1, 6};
    static const uint64_t tail[] = {1, 0, 0, 5, 0, 0, 0};
    static const uint32_t hops[] = {3, 1, 1, 3, 2, 2, 1};
    struct input input;
    struct input_run run;
    uint64_t times[7];
    uint32_t counts[7];

    read_one(DATA "tiny.dag", &input, &run);
    bounds_heads(&run, false, times);
    CHECK(memcmp(times, head, sizeof head) == 0);
    bounds_tails(&run, false, times);
    CHECK(memcmp(times, tail, sizeof tail) == 0);
    bounds_hops(&run, counts);
    CHECK(memcmp(counts, hops, sizeof hops) == 0);
    read_free(&input, &run);
}

/* Random durations, ascending edges; zero lengths and ties on purpose. */
static void random_graph(struct input_run *run, uint32_t tasks_max) {
    uint32_t count = (uint32_t)test_below(tasks_max) + 1;
    uint64_t density = test_below(test_below(2) == 0 ? 30 : 5); /* deep or wide */

    *run = (struct input_run){.kind = INPUT_DAG};
    for (uint32_t v = 0; v < count; v++) {
        CHECK(run_add_task(run, (struct input_task){.duration = test_below(6), .line = v}));
        for (uint32_t u = 0; u < v; u++) {
            if (test_below(100) < density) {
                CHECK(run_add_edge(run, (struct input_edge){.from = u, .to = v}));
            }
        }
    }
    CHECK(run_seal(run));
}

/* The p smallest of values among tasks of length > 0 with select >= k, summed the slow way. */
static uint64_t naive_smallest(const struct input_run *run, const uint64_t *select, uint64_t k,
                               const uint64_t *values, uint32_t p) {
    bool *taken = calloc(run->task_count, sizeof *taken);
    uint64_t sum = 0;

    for (uint32_t i = 0; i < p; i++) {
        uint32_t best = UINT32_MAX;

        for (uint32_t v = 0; v < run->task_count; v++) {
            if (run->tasks[v].duration > 0 && select[v] >= k && !taken[v] &&
                (best == UINT32_MAX || values[v] < values[best])) {
                best = v;
            }
        }
        if (best != UINT32_MAX) {
            taken[best] = true;
            sum += values[best];
        }
    }
    free(taken);
    return sum;
}

static uint64_t naive_one_way(const struct input_run *run, const uint64_t *near,
                              const uint64_t *far, uint32_t p) {
    uint64_t best = 0;

    for (uint32_t at = 0; at < run->task_count; at++) {
        uint64_t k = near[at], work = 0, bound = 0;
        uint32_t count = 0;

        for (uint32_t v = 0; v < run->task_count; v++) {
            bool in = run->tasks[v].duration > 0 && near[v] >= k;

            count += in;
            work += in ? run->tasks[v].duration : 0;
        }
        if (count >= p) {
            bound = (p * k + work + naive_smallest(run, near, k, far, p) + p - 1) / p;
        } else if (count > 0) {
            bound = k + (work + p - 1) / p + naive_smallest(run, near, k, far, 1);
        }
        best = bound > best ? bound : best;
    }
    return best;
}

static uint64_t naive_both_ends(const struct input_run *run, const uint64_t *head,
                                const uint64_t *tail, uint32_t p) {
    uint64_t sum = naive_smallest(run, head, 0, head, p) + naive_smallest(run, tail, 0, tail, p);

    for (uint32_t v = 0; v < run->task_count; v++) {
        sum += run->tasks[v].duration;
    }
    return (sum + p - 1) / p;
}

TEST(every_term_of_the_bound_is_the_one_defined) {
    enum { TASKS = 40 };
    uint64_t head[TASKS], tail[TASKS], heap[TASKS];
    struct bound_item items[TASKS];
    struct bound_scratch scratch = {head, tail, heap, items};

    for (int k = 0; k < (test_long ? 20000 : 1000); k++) {
        struct input_run run;
        struct bounds bounds;
        uint64_t ways, both;
        uint32_t count = 0;
        uint32_t p = (uint32_t)test_below(test_below(2) == 0 ? 12 : 4) + 1;

        random_graph(&run, TASKS);
        bounds_heads(&run, false, head);
        bounds_tails(&run, false, tail);
        ways = max_u64(naive_one_way(&run, head, tail, p), naive_one_way(&run, tail, head, p));
        both = naive_both_ends(&run, head, tail, p);
        CHECK(bounds_of(&run, p, &bounds));
        CHECK_EQ(max_u64(bounds.critical_path, bound_of_graph(&run, p, &scratch)),
                 max_u64(bounds.critical_path, max_u64(ways, both)));
        for (uint32_t v = 0; v < run.task_count; v++) {
            if (run.tasks[v].duration > 0) {
                items[count++] = (struct bound_item){head[v], tail[v], run.tasks[v].duration};
            }
        }
        CHECK_EQ(bound_both_ends(items, count, p, heap), both);
        CHECK_EQ(max_u64(bounds.critical_path, bound_one_way(items, count, p, heap)),
                 max_u64(bounds.critical_path, naive_one_way(&run, head, tail, p)));
        CHECK_EQ(
            bounds.lower_bound,
            max_u64(bounds.critical_path, max_u64((bounds.work + p - 1) / p, max_u64(ways, both))));
        input_run_free(&run);
    }
}

TEST(bounds_at_both_ends_of_p) {
    for (int k = 0; k < 200; k++) {
        struct input_run run;
        struct bounds bounds;

        random_graph(&run, 40);
        CHECK(bounds_of(&run, 1, &bounds));
        CHECK_EQ(bounds.lower_bound, bounds.work);
        CHECK(bounds_of(&run, UINT32_MAX, &bounds));
        CHECK_EQ(bounds.lower_bound, bounds.critical_path);
        input_run_free(&run);
    }
}

/* Three tasks of 2 between two others of 2: of two workers one idles 2 before and one 2 behind,
 * (2 + 10 + 2) / 2. Tasks of length 0 at both ends would hide that. */
TEST(a_task_of_length_0_does_not_weaken_the_bound) {
    static const char text[] = "dag 7 8 us\n0 0 0\n1 2 1 0\n2 2 1 1\n3 2 1 1\n4 2 1 1\n"
                               "5 2 3 2 3 4\n6 0 1 5\n";
    struct input input;
    struct input_run run;
    struct bounds bounds;

    input_open_text(&input, "x.dag", (struct slice){text, sizeof text - 1}, &usual);
    CHECK(input_next(&input, &run));
    CHECK(bounds_of(&run, 2, &bounds));
    CHECK_EQ(bounds.critical_path, 6);
    CHECK_EQ(bounds.lower_bound, 7);
    read_free(&input, &run);
}

TEST(the_busiest_class_bounds_a_project) {
    static const char text[] = "3 3\n1 4 0\n5 1 2 0 0\n6 0 3 0 0\n7 1 0 0 0\n";
    struct input input;
    struct input_run run;
    struct bounds bounds;

    input_open_text(&input, "x.rcp", (struct slice){text, sizeof text - 1}, &usual);
    CHECK(input_next(&input, &run));
    CHECK(bounds_of(&run, 300, &bounds));
    CHECK_EQ(bounds.critical_path, 7);
    CHECK_EQ(bounds.work, 18);
    CHECK_EQ(bounds.lower_bound, 12); /* (5 + 7) / 1 against (10 + 18) / 4 */
    read_free(&input, &run);
}

TEST(bounds_of_the_longest_times_do_not_overflow) {
    enum { COUNT = 1000 };
    struct input_run run = {.kind = INPUT_DAG};
    struct bounds bounds;
    uint64_t each = (uint64_t)INT64_MAX / COUNT;

    for (uint32_t v = 0; v < COUNT; v++) {
        CHECK(run_add_task(&run, (struct input_task){.duration = each}));
        if (v > 0) {
            CHECK(run_add_edge(&run, (struct input_edge){.from = v - 1, .to = v}));
        }
    }
    CHECK(run_seal(&run));
    for (uint64_t p = 1; p <= UINT32_MAX; p = p * 3 + 1) {
        CHECK(bounds_of(&run, (uint32_t)p, &bounds));
        CHECK_EQ(bounds.critical_path, each * COUNT);
        CHECK_EQ(bounds.lower_bound, each * COUNT);
    }
    input_run_free(&run);
}

/* ---- HEFT ------------------------------------------------------------------------------ */

TEST(heft_on_three_tasks) {
    struct input input;
    struct input_run run;
    struct heft_plan plan;
    struct input_error error;

    read_one(DATA "tiny.het", &input, &run);
    CHECK(heft_schedule(&run, &plan, &error));
    CHECK_EQ(plan.place[0].worker, 0);
    CHECK_EQ(plan.place[0].start, 0);
    CHECK_EQ(plan.place[1].worker, 1);
    CHECK_EQ(plan.place[1].start, 4);
    CHECK_EQ(plan.place[2].worker, 0);
    CHECK_EQ(plan.place[2].start, 2);
    CHECK_EQ(plan.first[1], 2);
    CHECK_EQ(plan.sequence[0], 0);
    CHECK_EQ(plan.sequence[1], 2);
    CHECK_EQ(plan.sequence[2], 1);
    heft_free(&plan);
    read_free(&input, &run);
}

static void random_het(struct input_run *run) {
    uint32_t count = (uint32_t)test_below(30) + 1;
    uint32_t workers = (uint32_t)test_below(4) + 1;
    uint32_t room = 0;

    *run = (struct input_run){.kind = INPUT_HET, .worker_count = workers};
    for (uint32_t v = 0; v < count; v++) {
        CHECK(run_add_task(run, (struct input_task){.duration = 0}));
        for (uint32_t w = 0; w < workers; w++) {
            run->cost = array_room(run->cost, v * workers + w, &room, sizeof *run->cost);
            run->cost[v * workers + w] = test_below(9);
        }
        for (uint32_t u = 0; u < v; u++) {
            if (test_below(8) == 0) {
                CHECK(run_add_edge(run, (struct input_edge){u, v, test_below(12), 0}));
            }
        }
    }
    CHECK(run_seal(run));
}

static uint64_t heft_end(const struct input_run *run, const struct heft_plan *plan, uint32_t task) {
    struct heft_place place = plan->place[task];

    return place.start + run->cost[task * run->worker_count + place.worker];
}

/* A schedule under construction. */
struct naive {
    const struct input_run *run;
    struct heft_plan *plan;
    const bool *placed;
};

/* Nothing on the worker overlaps the span; a task of length 0 may stand at either end. */
static bool naive_free(const struct naive *naive, uint32_t worker, uint64_t start, uint64_t cost) {
    for (uint32_t u = 0; u < naive->run->task_count; u++) {
        if (naive->placed[u] && naive->plan->place[u].worker == worker &&
            start < heft_end(naive->run, naive->plan, u) &&
            start + cost > naive->plan->place[u].start) {
            return false;
        }
    }
    return true;
}

/* The first start at or after ready that is free: ready itself or the end of another task. */
static uint64_t naive_start(const struct naive *naive, uint32_t task, uint32_t worker) {
    const struct input_run *run = naive->run;
    const struct heft_place *place = naive->plan->place;
    uint64_t cost = run->cost[task * run->worker_count + worker];
    uint64_t ready = 0, best = UINT64_MAX;

    for (uint32_t e = 0; e < run->edge_count; e++) {
        struct input_edge edge = run->edges[e];
        bool same = place[edge.from].worker == worker;

        if (edge.to == task) {
            CHECK(naive->placed[edge.from]);
            ready = max_u64(ready, heft_end(run, naive->plan, edge.from) + (same ? 0 : edge.delay));
        }
    }
    if (naive_free(naive, worker, ready, cost)) {
        return ready;
    }
    for (uint32_t u = 0; u < run->task_count; u++) {
        uint64_t end = heft_end(run, naive->plan, u);

        if (naive->placed[u] && place[u].worker == worker && end > ready && end < best &&
            naive_free(naive, worker, end, cost)) {
            best = end;
        }
    }
    return best;
}

static uint64_t naive_rank(const struct input_run *run, const uint64_t *rank, uint32_t task) {
    uint64_t own = 0, after = 0;

    for (uint32_t w = 0; w < run->worker_count; w++) {
        own += run->cost[task * run->worker_count + w];
    }
    for (uint32_t e = 0; e < run->edge_count; e++) {
        struct input_edge edge = run->edges[e];

        if (edge.from == task) {
            after = max_u64(after, edge.delay * run->worker_count + rank[edge.to]);
        }
    }
    return own + after;
}

static void naive_heft(const struct input_run *run, struct heft_plan *plan) {
    uint64_t rank[40];
    bool placed[40] = {false};
    const struct naive naive = {run, plan, placed};

    for (uint32_t i = run->task_count; i-- > 0;) {
        rank[run->order[i]] = naive_rank(run, rank, run->order[i]);
    }
    for (uint32_t n = 0; n < run->task_count; n++) {
        uint32_t next = UINT32_MAX;
        uint64_t best_end = UINT64_MAX;
        struct heft_place best = {0, 0};

        for (uint32_t i = 0; i < run->task_count; i++) {
            uint32_t v = run->order[i];

            next = !placed[v] && (next == UINT32_MAX || rank[v] > rank[next]) ? v : next;
        }
        for (uint32_t w = 0; w < run->worker_count; w++) {
            uint64_t start = naive_start(&naive, next, w);
            uint64_t end = start + run->cost[next * run->worker_count + w];

            if (end < best_end) {
                best_end = end;
                best = (struct heft_place){w, start};
            }
        }
        plan->place[next] = best;
        placed[next] = true;
    }
}

/* The tasks of each worker stand in an order that they can run in, those of length 0 too. */
static void check_sequence(const struct input_run *run, const struct heft_plan *plan) {
    uint32_t at[40] = {0};

    for (uint32_t w = 0; w < run->worker_count; w++) {
        for (uint32_t i = plan->first[w]; i < plan->first[w + 1]; i++) {
            uint32_t task = plan->sequence[i];

            at[task] = i;
            CHECK_EQ(plan->place[task].worker, w);
            CHECK(i == plan->first[w] ||
                  heft_end(run, plan, plan->sequence[i - 1]) <= plan->place[task].start);
        }
    }
    for (uint32_t e = 0; e < run->edge_count; e++) {
        struct input_edge edge = run->edges[e];

        CHECK(plan->place[edge.from].worker != plan->place[edge.to].worker ||
              at[edge.from] < at[edge.to]);
    }
    CHECK_EQ(plan->first[0], 0);
    CHECK_EQ(plan->first[run->worker_count], run->task_count);
}

TEST(heft_is_the_one_defined) {
    for (int k = 0; k < (test_long ? 50000 : 2000); k++) {
        struct input_run run;
        struct heft_plan plan;
        struct heft_place wanted[40] = {{0, 0}};
        struct heft_plan naive = {wanted, NULL, NULL};
        struct input_error error;

        random_het(&run);
        CHECK(heft_schedule(&run, &plan, &error));
        naive_heft(&run, &naive);
        for (uint32_t v = 0; v < run.task_count; v++) {
            CHECK_EQ(plan.place[v].worker, wanted[v].worker);
            CHECK_EQ(plan.place[v].start, wanted[v].start);
        }
        check_sequence(&run, &plan);
        heft_free(&plan);
        input_run_free(&run);
    }
}

TEST(heft_refuses_what_would_take_long) {
    struct input_run run = {.kind = INPUT_HET, .worker_count = 1};
    struct heft_plan plan;
    struct input_error error;

    run.task_count = HEFT_TASKS_MAX + 1; /* refused before anything is looked at */
    CHECK(!heft_schedule(&run, &plan, &error));
    CHECK(strcmp(error.status, "SWARM_E_LIMIT") == 0);
    CHECK(plan.place == NULL);
}

/* ---- Published values ------------------------------------------------------------------ */

static uint64_t row_number(const char *row, const char *key) {
    const char *at = strstr(row, key);

    return at == NULL ? UINT64_MAX : strtoull(at + strlen(key), NULL, 10);
}

/* Of a line of workload_values.json: false where it is no row, or one of no single file. */
static bool row_path(const char *row, char *out_path, size_t size) {
    const char *begin = strstr(row, "{\"file\": \"");
    const char *end = begin == NULL ? NULL : strchr(begin + 10, '"');

    if (end == NULL || strncmp(begin + 10, "merged:", 7) == 0) {
        return false;
    }
    snprintf(out_path, size, SHARED "%.*s", (int)(end - begin - 10), begin + 10);
    return true;
}

static uint64_t heft_makespan(const struct input_run *run) {
    struct heft_plan plan;
    struct input_error error;
    uint64_t makespan = 0;

    CHECK(heft_schedule(run, &plan, &error));
    for (uint32_t v = 0; v < run->task_count; v++) {
        makespan = max_u64(makespan, heft_end(run, &plan, v));
    }
    heft_free(&plan);
    return makespan;
}

TEST(published_bounds) {
    FILE *list = fopen("tests/workload_values.json", "r");
    char row[512], path[256];
    unsigned rows = 0;

    CHECK(list != NULL);
    while (list != NULL && fgets(row, sizeof row, list) != NULL) {
        struct input input;
        struct input_run run;
        struct bounds bounds;

        if (!row_path(row, path, sizeof path)) {
            continue;
        }
        if (!file_exists(path)) {
            fclose(list);
            SKIP("needs ../shared/data");
        }
        rows++;
        read_one(path, &input, &run);
        CHECK(run.error.status == NULL);
        CHECK(bounds_of(&run, (uint32_t)row_number(row, "\"agents\": "), &bounds));
        if (strstr(row, "\"lower_bound\": ") != NULL) {
            CHECK_EQ(bounds.lower_bound, row_number(row, "\"lower_bound\": "));
        }
        CHECK(bounds.lower_bound <= row_number(row, "\"makespan\": "));
        if (run.kind == INPUT_SESSIONS) {
            CHECK_EQ(run.task_count, row_number(row, "\"steps\": "));
            CHECK_EQ(bounds.work, row_number(row, "\"work\": "));
            CHECK_EQ(bounds.critical_path, row_number(row, "\"critical_path\": "));
        }
        if (run.kind == INPUT_HET) {
            CHECK_EQ(heft_makespan(&run), row_number(row, "\"makespan\": "));
        }
        read_free(&input, &run);
    }
    if (list != NULL) {
        fclose(list);
    }
    CHECK(rows > 250);
}

static void check_collection(const char *path, unsigned plans, const char *status, unsigned bad) {
    struct input input;
    struct input_run run;
    unsigned count = 0, refused = 0;

    input_open(&input, path, &usual);
    while (input_next(&input, &run)) {
        count++;
        refused += run.error.status != NULL;
        CHECK(run.error.status == NULL || strcmp(run.error.status, status) == 0);
        input_run_free(&run);
    }
    input_close(&input);
    CHECK_EQ(count, plans);
    CHECK_EQ(refused, bad);
}

TEST(published_verdicts_on_plans) {
    if (!file_exists(SHARED "worfbench/worfbench.txt")) {
        SKIP("needs ../shared/data");
    }
    check_collection(SHARED "worfbench/worfbench.txt", 1075, "SWARM_E_INVALID", 3);
    check_collection(SHARED "ultratool/ultratool.txt", 1764, "SWARM_E_DUPLICATE", 20);
}

TEST_MAIN()
