/* SPDX-License-Identifier: MIT */
/*
 * test_replay_input.c - the readers of docs/examples/replay.c.
 *
 * Good input is compared with values worked out by hand (in the comments of tests/data). Bad input
 * is tested three ways: one file a kind, every prefix of every tiny file, and mutants; what must
 * hold of any bytes at all is check_any. Every allocation is made to fail. Bounds and HEFT have
 * test_replay_bounds.c.
 */
#include "test.h"

static uint64_t allocations_left = UINT64_MAX;
static bool allocation_refused;

static bool allocation_allowed(void) {
    if (allocations_left == 0) {
        allocation_refused = true;
        return false;
    }
    allocations_left -= allocations_left == UINT64_MAX ? 0 : 1;
    return true;
}

static void *scarce_malloc(size_t size) {
    return allocation_allowed() ? malloc(size) : NULL;
}

static void *scarce_calloc(size_t count, size_t size) {
    return allocation_allowed() ? calloc(count, size) : NULL;
}

static void *scarce_realloc(void *old, size_t size) {
    return allocation_allowed() ? realloc(old, size) : NULL;
}

#define malloc scarce_malloc
#define calloc scarce_calloc
#define realloc scarce_realloc
#include "../docs/examples/replay_heft.h"
#include "../docs/examples/replay_input.h"
#undef malloc
#undef calloc
#undef realloc

#define DATA "tests/data/"

static const struct input_options usual = {300, 14, 10000};

static const char *const good_files[] = {
    DATA "tiny.dag", DATA "crlf.dag",     DATA "tiny.stg",           DATA "tiny.rcp",
    DATA "tiny.het", DATA "sessions.txt", DATA "plans_numbered.txt", DATA "plans_named.txt",
};

enum {
    GOOD_FILES = sizeof good_files / sizeof good_files[0],
    TEXT_MAX = 1 << 16,
};

/* ---- Help ------------------------------------------------------------------------------ */

/* The only run of a file; the caller frees both. */
static void read_one(const char *path, struct input *input, struct input_run *run) {
    struct input_run none;

    input_open(input, path, &usual);
    CHECK(input_next(input, run));
    CHECK(input->kind == INPUT_PLANS || !input_next(input, &none));
}

static void read_text(const char *name, const char *text, struct input *input,
                      struct input_run *run) {
    input_open_text(input, name, (struct slice){text, strlen(text)}, &usual);
    CHECK(input_next(input, run));
}

static void read_free(struct input *input, struct input_run *run) {
    input_run_free(run);
    input_close(input);
}

static void check_error(const char *name, const char *text, const char *status, uint64_t line) {
    struct input input;
    struct input_run run;

    read_text(name, text, &input, &run);
    if (run.error.status == NULL || strcmp(run.error.status, status) != 0 ||
        run.error.line != line) {
        printf("# %s wanted on line %" PRIu64 ", got %s on %" PRIu64 ": %s\n", status, line,
               run.error.status, run.error.line, run.error.text);
        CHECK(false);
    }
    read_free(&input, &run);
}

/* What a sealed run promises, checked against the definition. */
static void check_sealed(const struct input_run *run) {
    uint32_t *place = calloc(run->task_count, sizeof *place);
    uint32_t *predecessors = calloc(run->task_count, sizeof *predecessors);

    for (uint32_t i = 0; i < run->task_count; i++) {
        place[run->order[i]] = i + 1;
    }
    for (uint32_t e = 0; e < run->edge_count; e++) {
        struct input_edge edge = run->edges[e];

        CHECK(e >= run->edge_first[edge.from] && e < run->edge_first[edge.from + 1]);
        CHECK(place[edge.from] < place[edge.to]);
        CHECK(e == 0 || run->edges[e - 1].from < edge.from || run->edges[e - 1].to < edge.to);
        predecessors[edge.to]++;
    }
    for (uint32_t v = 0; v < run->task_count; v++) {
        CHECK(place[v] > 0);
        CHECK_EQ(run->tasks[v].predecessors, predecessors[v]);
    }
    free(place);
    free(predecessors);
}

/* What holds of any bytes: a run is sealed or has a printable error, and what is sealed can be
 * bounded and scheduled. Returns the number of good runs. */
static unsigned check_any(const char *name, const char *text, size_t size) {
    struct input input;
    struct input_run run;
    struct bounds bounds;
    struct heft_plan plan;
    struct input_error error;
    unsigned good = 0;
    char *exact = malloc(size == 0 ? 1 : size); /* so that a read past its end is seen */

    memcpy(exact, text, size);
    input_open_text(&input, name, (struct slice){exact, size}, &usual);
    while (input_next(&input, &run)) {
        CHECK((run.error.status != NULL) == (run.task_count == 0));
        if (run.error.status != NULL) {
            CHECK(strncmp(run.error.status, "SWARM_E_", 8) == 0);
            CHECK(run.error.text[0] != '\0');
            for (const char *c = run.error.text; *c != '\0'; c++) {
                CHECK(*c >= ' ' && *c <= '~');
            }
            CHECK(run.error.line <= size + 1);
        } else {
            good++;
            check_sealed(&run);
            CHECK(bounds_of(&run, (uint32_t)test_below(300) + 1, &bounds));
            CHECK(bounds.lower_bound >= bounds.critical_path);
            if (run.kind == INPUT_HET && heft_schedule(&run, &plan, &error)) {
                heft_free(&plan);
            }
        }
        input_run_free(&run);
    }
    input_close(&input);
    free(exact);
    return good;
}

static size_t load(const char *path, char *out_text) {
    FILE *file = fopen(path, "rb");
    size_t size = 0;

    CHECK(file != NULL);
    if (file != NULL) {
        size = fread(out_text, 1, TEXT_MAX, file);
        fclose(file);
    }
    return size;
}

/* ---- Good input ------------------------------------------------------------------------ */

TEST(tiny_files_give_the_values_worked_out_by_hand) {
    static const struct {
        const char *path;
        uint32_t agents, tasks, edges;
        uint64_t critical_path, work, lower_bound;
    } rows[] = {
        {DATA "tiny.dag", 2, 7, 4, 6, 11, 6},
        {DATA "tiny.dag", 1, 7, 4, 6, 11, 11},
        {DATA "crlf.dag", 1, 2, 1, 12, 12, 12},
        {DATA "tiny.stg", 2, 6, 7, 7, 11, 7},
        {DATA "tiny.rcp", 300, 6, 7, 7, 11, 7},
        {DATA "tiny.het", 300, 3, 2, 6, 7, 6},
        {DATA "sessions.txt", 1, 10, 7, 10036, 77, 10036},
        {DATA "plans_numbered.txt", 1, 4, 4, 3, 4, 4},
        {DATA "plans_named.txt", 300, 3, 2, 3, 3, 3},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct input input;
        struct input_run run;
        struct bounds bounds;

        read_one(rows[i].path, &input, &run);
        CHECK(run.error.status == NULL);
        CHECK_EQ(run.task_count, rows[i].tasks);
        CHECK_EQ(run.edge_count, rows[i].edges);
        check_sealed(&run);
        CHECK(bounds_of(&run, rows[i].agents, &bounds));
        CHECK_EQ(bounds.critical_path, rows[i].critical_path);
        CHECK_EQ(bounds.work, rows[i].work);
        CHECK_EQ(bounds.lower_bound, rows[i].lower_bound);
        read_free(&input, &run);
    }
}

TEST(classes_and_units) {
    struct input input;
    struct input_run run;

    read_one(DATA "tiny.rcp", &input, &run);
    CHECK_EQ(run.class_count, 2);
    CHECK_EQ(run.capacity[0], 2);
    CHECK_EQ(run.capacity[1], 1);
    CHECK_EQ(run.units[1 * 2 + 1], 1);
    CHECK_EQ(run.units[2 * 2 + 0], 2);
    CHECK_EQ(run.units[5 * 2 + 0], 0);
    read_free(&input, &run);
}

TEST(a_fleet_is_trimmed_chains_with_think_time) {
    static const uint64_t remaining[] = {10036, 10026, 10001, 26, 22, 16, 8, 28, 20, 10};
    static const uint64_t delays[] = {5, 10000, 0, 3, 1, 2, 2};
    struct input input;
    struct input_run run;
    uint64_t rest[10];

    read_one(DATA "sessions.txt", &input, &run);
    CHECK_EQ(run.trace_count, 3);
    CHECK_EQ(run.trace_first[1], 3);
    CHECK_EQ(run.trace_first[2], 7);
    CHECK_EQ(run.trace_first[3], 10);
    CHECK_EQ(run.tasks[2].duration, 1); /* recorded as 0 */
    CHECK_EQ(run.tasks[1].input_tokens, 1100);
    CHECK_EQ(run.tasks[6].output_tokens, 7);
    CHECK_EQ(run.tasks[6].trace, 1);
    for (uint32_t e = 0; e < run.edge_count; e++) {
        CHECK_EQ(run.edges[e].delay, delays[e]);
    }
    bounds_remaining(&run, rest);
    CHECK(memcmp(rest, remaining, sizeof rest) == 0);
    read_free(&input, &run);
}

TEST(options_trim_the_fleet) {
    const struct input_options few = {2, 2, 3};
    struct input input;
    struct input_run run;

    input_open(&input, DATA "sessions.txt", &few);
    CHECK(input_next(&input, &run));
    CHECK_EQ(run.trace_count, 2);
    CHECK_EQ(run.task_count, 4);
    CHECK_EQ(run.edges[0].delay, 3);
    CHECK_EQ(run.edges[1].delay, 0);
    read_free(&input, &run);
}

TEST(what_a_line_may_look_like) {
    struct input input;
    struct input_run run;

    read_text("x.dag", "# c\n\n \t\ndag 2 1 us # c\r\n\t0  007 0\n1 8 1 0#\n", &input, &run);
    CHECK(strcmp(run.error.status, "SWARM_E_INVALID") == 0); /* 0# is no number */
    read_free(&input, &run);
    read_text("x.dag", "# c\n\n \t\ndag 2 1 us # c\r\n\t0  007 0\n1 8 1 0 #\n#\n\n", &input, &run);
    CHECK(run.error.status == NULL);
    CHECK_EQ(run.tasks[0].duration, 7);
    CHECK_EQ(run.tasks[1].line, 6);
    read_free(&input, &run);
    read_text("x.dag", "dag 2 1 us\r\n0 7 0\r\n1 7 1 0\r\n\r\n", &input, &run);
    CHECK(run.error.status == NULL);
    read_free(&input, &run);
    read_text("x.dag", "dag 1 0 us\n0 7 0", &input, &run); /* no newline at the end */
    CHECK(run.error.status == NULL);
    read_free(&input, &run);
}

TEST(repeated_edges_count_once) {
    static const char *const texts[][2] = {
        {"x.dag", "dag 2 2 us\n0 1 0\n1 1 2 0 0\n"},  {"x.dag", "dag 2 1 us\n0 1 0\n1 1 2 0 0\n"},
        {"x.stg", "1\n0 0 0\n1 5 3 0 0 0\n2 0 0\n"},  {"x.rcp", "2 0\n1 2 2 2\n1 0\n"},
        {"x.het", "het 2 1 2\n1\n1\n0 1 5\n0 1 5\n"}, {"x", "g a b 2 2\nn 1\nn 2\ne 1 2\ne 1 2\n"},
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct input input;
        struct input_run run;

        read_text(texts[i][0], texts[i][1], &input, &run);
        CHECK(run.error.status == NULL);
        CHECK_EQ(run.edge_count, 1);
        CHECK_EQ(run.tasks[1].predecessors, 1);
        read_free(&input, &run);
    }
}

TEST(an_stg_may_count_its_dummies) {
    struct input input;
    struct input_run run;

    read_text("x.stg", "3\n0 0 0\n1 5 1 0\n2 0 1 1\n", &input, &run);
    CHECK(run.error.status == NULL);
    CHECK_EQ(run.task_count, 3);
    read_free(&input, &run);
    check_error("x.stg", "3\n0 0 0\n1 5 1 0\n2 6 1 1\n", "SWARM_E_INVALID", 4);
    check_error("x.stg", "3\n0 4 0\n1 5 1 0\n2 0 1 1\n", "SWARM_E_INVALID", 4);
    check_error("x.stg", "3\n0 0 0\n1 5 1 4\n2 0 1 1\n", "SWARM_E_MISSING", 3);
}

TEST(the_first_word_decides_where_the_name_does_not) {
    static const struct {
        const char *name, *text;
        enum input_kind kind;
    } rows[] = {
        {"a.txt", "dag 1 0 us\n0 1 0\n", INPUT_DAG}, {"", "het 1 1 0\n1\n", INPUT_HET},
        {".dag", "g 1 2 0 0\n", INPUT_DAG},          {"a.dag.txt", "g 1 2 0 0\n", INPUT_PLANS},
        {"dag", "agenttrace\n", INPUT_SESSIONS},     {"a.DAG", "5\n", INPUT_UNKNOWN},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct input input;

        input_open_text(&input, rows[i].name, (struct slice){rows[i].text, strlen(rows[i].text)},
                        &usual);
        CHECK_EQ(input.kind, rows[i].kind);
        input_close(&input);
    }
}

/* ---- Bad input ------------------------------------------------------------------------- */

TEST(every_kind_of_bad_file_is_named_with_its_line) {
    FILE *list = fopen(DATA "bad/expected.txt", "r");
    char text[512], name[128], path[256], status[64];
    unsigned long line;
    unsigned rows = 0;

    CHECK(list != NULL);
    while (list != NULL && fgets(text, sizeof text, list) != NULL) {
        struct input input;
        struct input_run run;

        if (sscanf(text, "%127s %lu %63s", name, &line, status) != 3 || name[0] == '#') {
            continue;
        }
        rows++;
        snprintf(path, sizeof path, DATA "bad/%s", name);
        read_one(path, &input, &run);
        if (run.error.status == NULL || strcmp(run.error.status, status) != 0 ||
            run.error.line != line) {
            printf("# %s: %s on line %" PRIu64 "\n", name, run.error.status, run.error.line);
            CHECK(false);
        }
        CHECK_EQ(run.task_count, 0);
        CHECK_EQ(run.edge_count, 0);
        read_free(&input, &run);
    }
    if (list != NULL) {
        fclose(list);
    }
    CHECK(rows >= 64);
}

TEST(what_is_no_file) {
    struct input input;
    struct input_run run;

    read_one(DATA "bad", &input, &run);
    CHECK(strcmp(run.error.status, "SWARM_E_INVALID") == 0);
    CHECK_EQ(run.error.line, 0);
    read_free(&input, &run);
    read_one(DATA "no such file", &input, &run);
    CHECK(strcmp(run.error.status, "SWARM_E_MISSING") == 0);
    CHECK_EQ(run.error.line, 0);
    read_free(&input, &run);
}

static void check_plans(const char *path, const char *const (*rows)[3], size_t count) {
    struct input input;
    struct input_run run;
    size_t at = 0;

    input_open(&input, path, &usual);
    for (; input_next(&input, &run); at++) {
        CHECK(at < count);
        if (at < count) {
            const char *status = run.error.status == NULL ? "" : run.error.status + 8;

            CHECK(slice_is(run.plan, rows[at][0]));
            CHECK(strcmp(status, rows[at][1]) == 0);
            CHECK_EQ(run.error.line, strtoull(rows[at][2], NULL, 10));
        }
        input_run_free(&run);
    }
    CHECK_EQ(at, count);
    input_close(&input);
}

TEST(plans_are_judged_alone_in_the_order_of_verdicts) {
    static const char *const numbered[][3] = {
        {"diamond", "", "0"},         {"empty", "INVALID", "14"},
        {"twice", "DUPLICATE", "19"}, {"missing", "MISSING", "26"},
        {"circle", "CYCLE", "33"},    {"itself", "CYCLE", "37"},
        {"counts", "INVALID", "38"},  {"garbage", "INVALID", "43"},
        {"start", "MISSING", "46"},   {"last", "", "0"},
    };
    static const char *const named[][3] = {
        {"10", "", "0"},       {"11", "DUPLICATE", "11"}, {"12", "MISSING", "16"},
        {"13", "CYCLE", "21"}, {"14", "INVALID", "22"},   {"15", "INVALID", "24"},
    };

    check_plans(DATA "plans_numbered.txt", numbered, sizeof numbered / sizeof numbered[0]);
    check_plans(DATA "plans_named.txt", named, sizeof named / sizeof named[0]);
}

TEST(a_cycle_is_named) {
    struct input input;
    struct input_run run;
    char text[1024] = "het 20 1 20\n";

    read_text("x", "g a b 3 3\nn one\nn two\nn three\ne one two\ne two three\ne three two\n",
              &input, &run);
    CHECK(strcmp(run.error.text, "cycle of 2: three -> two -> three") == 0 ||
          strcmp(run.error.text, "cycle of 2: two -> three -> two") == 0);
    read_free(&input, &run);
    for (int i = 0; i < 20; i++) {
        strcat(text, "1\n");
    }
    for (int i = 0; i < 20; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d %d 0\n", i, (i + 1) % 20);
    }
    read_text("x.het", text, &input, &run);
    CHECK(strncmp(run.error.text, "cycle of 20: ... -> ", 20) == 0);
    read_free(&input, &run);
}

TEST(tasks_before_and_behind_a_cycle_are_not_named) {
    struct input input;
    struct input_run run;

    read_text("x.het", "het 5 1 5\n1\n1\n1\n1\n1\n0 1 0\n1 2 0\n2 1 0\n3 1 0\n2 4 0\n", &input,
              &run);
    CHECK(strcmp(run.error.text, "cycle of 2: 1 -> 2 -> 1") == 0 ||
          strcmp(run.error.text, "cycle of 2: 2 -> 1 -> 2") == 0);
    CHECK_EQ(run.error.line, 9);
    read_free(&input, &run);
}

TEST(of_many_faults_the_first_is_named) {
    check_error("x", "g a b 4 0\nn b\nn a\nn a\nn b\n", "SWARM_E_DUPLICATE", 4);
    check_error("x", "g a b 1 2\nn b\ne b x\ne y b\n", "SWARM_E_MISSING", 3);
    check_error("x", "g a b 2 0\nn b\nn\nx\n", "SWARM_E_INVALID", 3);
}

TEST(times_add_up_below_two_to_the_63) {
    check_error("x.het", "het 2 1 1\n1\n1\n0 1 9223372036854775806\n", "SWARM_E_OVERFLOW", 4);
    check_error("x.het", "het 2 2 1\n1 1\n1 1\n0 1 4611686018427387903\n", "SWARM_E_OVERFLOW", 1);
    check_error("x.het", "het 1 2 0\n1 9223372036854775808\n", "SWARM_E_OVERFLOW", 2);
    CHECK_EQ(check_any("x.dag", "dag 1 0 us\n0 9223372036854775807 0\n", 34), 1);
}

TEST(hostile_bytes_stay_out_of_errors) {
    static const char *const texts[][2] = {
        {"x", "\x1b[2J\xff\n"},
        {"x.dag", "dag 1 0 us\n0 \x1b[31m 0\n"},
        {"x", "g \x80 \x81 1 1\nn \x7f\ne \x01 \x02\n"},
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CHECK_EQ(check_any(texts[i][0], texts[i][1], strlen(texts[i][1])), 0);
    }
}

TEST(lines_and_names_of_any_length) {
    enum { LONG = 1 << 20 };
    char *text = malloc(LONG + 64);
    int size = snprintf(text, 64, "dag 1 0 us\n0 ");

    memset(text + size, '0', LONG);
    memcpy(text + size + LONG, "7 0\n", 4);
    CHECK_EQ(check_any("x.dag", text, (size_t)size + LONG + 4), 1);
    text[size] = '9';
    CHECK_EQ(check_any("x.dag", text, (size_t)size + LONG + 4), 0);
    size = snprintf(text, 64, "g a b 1 0\nn ");
    memset(text + size, 'x', LONG);
    CHECK_EQ(check_any("x", text, (size_t)size + LONG), 1);
    memset(text, ' ', LONG);
    CHECK_EQ(check_any("x", text, LONG), 0);
    free(text);
}

TEST(every_prefix_of_every_file_is_survived) {
    static char text[TEXT_MAX];

    for (size_t i = 0; i < GOOD_FILES; i++) {
        size_t size = load(good_files[i], text);

        CHECK(check_any(good_files[i], text, size) > 0);
        for (size_t cut = 0; cut < size; cut++) {
            check_any(good_files[i], text, cut);
        }
    }
}

/* One small change: a bit, a digit, a word, a hole, a cut. */
static size_t mutate(char *text, size_t size) {
    static const char *const words[] = {
        "-1",  "0",      "4000000000", "4294967296", "9223372036854775807", "18446744073709551616",
        " 1 ", "\r\n",   "#",          "g ",         "\ne START END\n",     "agenttrace",
        "n ",  "chain ", "r ",         "END"};
    size_t at = size == 0 ? 0 : (size_t)test_below(size);
    const char *word = words[test_below(sizeof words / sizeof words[0])];
    size_t hole = size == 0 ? 0 : (size_t)test_below(size - at < 40 ? size - at : 40);

    switch (size == 0 ? 9 : test_below(5)) {
    case 0:
        text[at] = (char)(text[at] ^ (1 << test_below(8)));
        return size;
    case 1:
        text[at] = "0123456789 \n"[test_below(12)];
        return size;
    case 2:
        memmove(text + at + strlen(word), text + at, size - at);
        memcpy(text + at, word, strlen(word));
        return size + strlen(word);
    case 3:
        memmove(text + at, text + at + hole, size - at - hole);
        return size - hole;
    default:
        return at;
    }
}

TEST(mutants_are_survived) {
    static char text[TEXT_MAX], changed[TEXT_MAX + 256];

    for (size_t i = 0; i < GOOD_FILES; i++) {
        size_t size = load(good_files[i], text);

        for (int k = 0; k < (test_long ? 100000 : 1500); k++) {
            size_t now = size;

            memcpy(changed, text, size);
            for (uint64_t changes = test_below(4) + 1; changes > 0; changes--) {
                now = mutate(changed, now);
            }
            check_any(good_files[i], changed, now);
        }
    }
}

/* Reads, bounds and schedules all of a file; false where memory lacked anywhere. */
static bool use_all(const char *path) {
    struct input input;
    struct input_run run;
    struct bounds bounds;
    struct heft_plan plan;
    struct input_error error;
    bool whole = true;

    input_open(&input, path, &usual);
    while (input_next(&input, &run)) {
        if (run.error.status != NULL) {
            whole = whole && strcmp(run.error.status, "SWARM_E_FULL") != 0;
        } else {
            whole = bounds_of(&run, 2, &bounds) && whole;
        }
        if (run.kind == INPUT_HET && run.task_count > 0) {
            bool placed = heft_schedule(&run, &plan, &error);

            CHECK(placed || strcmp(error.status, "SWARM_E_FULL") == 0);
            heft_free(&plan);
            whole = placed && whole;
        }
        input_run_free(&run);
    }
    input_close(&input);
    return whole;
}

/* From the n-th allocation on all fail: never a crash, and never silence (a leak is the
 * sanitizer's to find). */
TEST(memory_may_run_out_anywhere) {
    for (size_t i = 0; i < GOOD_FILES; i++) {
        bool lacked = true;

        for (uint64_t n = 0; lacked && n < 1000; n++) {
            allocations_left = n;
            allocation_refused = false;
            lacked = !use_all(good_files[i]);
            CHECK(lacked == allocation_refused);
        }
        allocations_left = UINT64_MAX;
        CHECK(!lacked);
    }
}

TEST_MAIN()
