/* SPDX-License-Identifier: MIT */
/*
 * replay.c - a fleet of agents replayed in virtual time.
 *
 *     cc -O2 -I. docs/examples/replay.c src/all.c backends/mock/mock.c -pthread -o replay
 *     ./replay
 *
 * Without an input it runs the reference job: 300 agents, 4,000 steps, planned while it runs
 * (replay_builtin.h). With inputs it runs each of them: recorded fleets, workflow graphs, project
 * plans, agents' plans (replay_input.h reads them, replay_run.h turns them into steps). Every run
 * is then checked by what its event log says (replay_check.h).
 *
 *     replay_engine.h    a swarm with simulated agents and a log that is kept
 *     replay_builtin.h   a coordinator, expand, teams, reducers, a synthesis
 *     replay_run.h       tasks as steps, capacities as permits, think time as delayed edges
 *     replay_trace.h     a log as arrays, the critical path
 *     replay_report.h    JSON, rows, one screen
 *
 * Each input is a run of its own and judged alone: a bad one costs a message and the exit status.
 */
#include <unistd.h>

#include "replay_picture.h"
#include "replay_report.h"

enum {
    EXIT_GOOD = 0,
    EXIT_BAD_INPUT = 1, /* or a broken rule, or an output that cannot be written */
    EXIT_USAGE = 2,
    AGENTS_MAX = 1000000,
    WORKERS_MAX = 1024,
};

struct settings {
    struct run_options run;
    const char *log_path; /* null: none */
    struct picture_paths pictures;
    char **paths;
    int path_count;
    bool json;
    bool help;
};

/* What goes on from run to run. */
struct replay {
    const struct settings *settings;
    struct engine engine;
    uint64_t runs;
    uint64_t bad;
    uint64_t broken; /* runs with violations */
    bool rows;       /* many runs: a line each */
    bool log_failed;
};

/* ---- Options --------------------------------------------------------------------------- */

static const char usage_text[] =
    "usage: replay [--agents P] [--policy NAME] [--seed S] [--workers W] [--sessions N]\n"
    "              [--requests K] [--think-cap-ms C] [--json] [--log FILE]\n"
    "              [--trace FILE] [--otlp FILE] [--dot FILE] [--html FILE] [INPUT]...\n"
    "\n"
    "Without INPUT: the built-in run, 300 agents and 4,000 steps.\n"
    "INPUT: .dag .stg .rcp .het, a fleet of sessions, or a collection of plans.\n"
    "  --agents P        agents, or slots, one step at a time each (300); .het has its own\n"
    "  --policy NAME     which ready step goes first (fifo)\n"
    "                      fifo lifo: everything\n"
    "                      hops critical-path: .dag .stg .rcp, plans\n"
    "                      longest-remaining shortest-remaining fewest-done most-done: sessions\n"
    "                      heft: .het\n"
    "  --seed S          of all random draws (1)\n"
    "  --workers W       threads for call steps; the log is the same for any number (1)\n"
    "  --sessions N      sessions: traces that are used (300)\n"
    "  --requests K      sessions: requests of each (14)\n"
    "  --think-cap-ms C  sessions: longest think time (10000)\n"
    "  --json            one JSON object a line a run\n"
    "  --log FILE        write the event log; for a single run, as the next four\n"
    "  --trace FILE      write it for ui.perfetto.dev\n"
    "  --otlp FILE       write it as OpenTelemetry spans\n"
    "  --dot FILE        write its graph for Graphviz\n"
    "  --html FILE       write a page that shows it\n"
    "Exit: 0; 1 if an input was bad; 2 for wrong usage.\n";

static int fail_usage(const char *what, const char *which) {
    fprintf(stderr, "replay: %s%s\n%s", what, which, usage_text);
    return EXIT_USAGE;
}

/* A number option: where it goes, and what it may be. */
struct number_option {
    const char *name;
    uint64_t min, max;
    uint64_t *wide; /* one of the two */
    uint32_t *narrow;
};

static bool set_number(const struct number_option *option, const char *text) {
    struct slice word = slice_of(text);
    uint64_t value;
    if (!slice_is_digits(word) || !slice_number(word, option->max, &value) || value < option->min) {
        return false;
    }
    if (option->wide != NULL) {
        *option->wide = value;
    } else {
        *option->narrow = (uint32_t)value;
    }
    return true;
}

static bool set_policy(struct settings *settings, const char *text) {
    for (uint32_t p = 0; p < POLICIES; ++p) {
        if (strcmp(text, policy_names[p]) == 0) {
            settings->run.policy = (enum policy)p;
            return true;
        }
    }
    return false;
}

/* --trace and its kind. */
static bool set_picture(struct settings *settings, const char *name, const char *value,
                        bool *out_known) {
    static const char *const names[PICTURES] = {[SWARM_PICTURE_CHROME] = "--trace",
                                                [SWARM_PICTURE_OTLP] = "--otlp",
                                                [SWARM_PICTURE_DOT] = "--dot",
                                                [SWARM_PICTURE_HTML] = "--html"};
    *out_known = false;
    for (uint32_t kind = 0; kind < PICTURES && !*out_known; ++kind) {
        if (names[kind] != NULL && strcmp(name, names[kind]) == 0) {
            settings->pictures.path[kind] = value;
            *out_known = true;
        }
    }
    return *out_known && value != NULL;
}

static bool wants_pictures(const struct settings *settings) {
    bool wants = false;
    for (uint32_t kind = 0; kind < PICTURES; ++kind) {
        wants = wants || settings->pictures.path[kind] != NULL;
    }
    return wants;
}

/* An option that takes a value. *out_known is false when there is none of this name. */
static bool set_value(struct settings *settings, const char *name, const char *value,
                      bool *out_known) {
    struct run_options *run = &settings->run;
    const struct number_option numbers[] = {
        {"--agents", 1, AGENTS_MAX, NULL, &run->agents},
        {"--seed", 0, UINT64_MAX, &run->seed, NULL},
        {"--workers", 1, WORKERS_MAX, NULL, &run->workers},
        {"--sessions", 1, UINT32_MAX, NULL, &run->input.sessions},
        {"--requests", 1, UINT32_MAX, NULL, &run->input.requests},
        {"--think-cap-ms", 0, INT64_MAX, &run->input.think_cap_ms, NULL},
    };
    *out_known = true;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; ++i) {
        if (strcmp(name, numbers[i].name) == 0) {
            return value != NULL && set_number(&numbers[i], value);
        }
    }
    if (strcmp(name, "--policy") == 0) {
        return value != NULL && set_policy(settings, value);
    }
    if (strcmp(name, "--log") == 0) {
        settings->log_path = value;
        return value != NULL;
    }
    return set_picture(settings, name, value, out_known);
}

/* Options may stand anywhere, up to "--"; what is left are paths. */
static int parse_options(int count, char **words, struct settings *settings) {
    bool options = true;
    settings->paths = words;
    for (int i = 1; i < count; ++i) {
        char *word = words[i];
        bool known;
        if (!options || word[0] != '-' || word[1] == '\0') {
            settings->paths[settings->path_count++] = word;
        } else if (strcmp(word, "--") == 0) {
            options = false;
        } else if (strcmp(word, "--json") == 0) {
            settings->json = true;
        } else if (strcmp(word, "--help") == 0) {
            settings->help = true;
        } else if (set_value(settings, word, i + 1 < count ? words[i + 1] : NULL, &known)) {
            ++i;
        } else if (!known) {
            return fail_usage("unknown option ", word);
        } else {
            return fail_usage("missing or wrong value after ", word);
        }
    }
    return EXIT_GOOD;
}

/* ---- What follows a run ------------------------------------------------------------------ */

static bool write_log(const struct engine_log *log, const char *path) {
    FILE *file = fopen(path, "wb");
    bool good = file != NULL && fwrite(log->bytes, 1, log->size, file) == log->size;
    good = file != NULL && fclose(file) == 0 && good;
    if (!good) {
        fprintf(stderr, "replay: %s: cannot be written: %s\n", path, strerror(errno));
    }
    return good;
}

static struct run_result begin_result(const struct settings *settings, const char *input) {
    return (struct run_result){.input = input,
                               .agents = settings->run.agents,
                               .policy = settings->run.policy,
                               .seed = settings->run.seed};
}

/* A run that went wrong says so, and shows nothing but zeros. */
static void clear_result(const struct settings *settings, struct run_result *result) {
    struct run_result cleared = begin_result(settings, result->input);
    cleared.plan = result->plan;
    cleared.error = result->error;
    *result = cleared;
}

static void report(struct replay *replay, struct run_result *result, const struct trace *trace) {
    bool good = result->error.status == NULL;
    replay->runs += 1;
    replay->bad += !good;
    replay->broken += result->violations > 0;
    if (!good) {
        clear_result(replay->settings, result);
        print_error(result);
    }
    if (replay->settings->json) {
        print_json(result);
    } else if (good && replay->rows) {
        print_row(result);
    } else if (good) {
        print_screen(result, trace, replay->settings->path_count == 0);
    }
    if (good && replay->settings->log_path != NULL) {
        replay->log_failed = !write_log(&replay->engine.log, replay->settings->log_path);
    }
    if (good && wants_pictures(replay->settings)) {
        struct picture_names names = {trace, replay->settings->path_count == 0};
        const char *title = names.roles ? "300 agents, 4,000 steps" : result->input;
        replay->log_failed =
            !write_pictures(&replay->engine.log, &replay->settings->pictures, &names, title) ||
            replay->log_failed;
    }
}

/* ---- The two main jobs ------------------------------------------------------------------- */

static void show_progress(const swarm_run_report *report, uint64_t now_ns) {
    uint64_t over = report->ok + report->failed + report->timed_out + report->cancelled +
                    report->skipped + report->budget;
    fprintf(stderr, "\r%6" PRIu64 " s: %" PRIu64 " of %" PRIu64 " steps, %" PRIu64 " retries ",
            now_ns / BUILTIN_SECOND, over, report->steps, report->retries);
    if (report->state == SWARM_RUN_ENDED) {
        fputs("\r\033[K", stderr); /* the report follows */
    }
}

/* The checks need a log; who asked for none is told what the run costs without one. */
static void time_without_log(struct builtin_job job, struct run_result *result) {
    struct run_result silent = *result;
    struct trace none;
    job.result = &silent;
    job.watch = NULL;
    job.no_log = true;
    if (builtin_run(&job, &none)) {
        result->scheduler_ns = silent.scheduler_ns;
        result->silent = true;
    }
}

static void replay_builtin(struct replay *replay) {
    struct run_result result = begin_result(replay->settings, "builtin");
    struct trace trace;
    struct builtin_job job = {.engine = &replay->engine,
                              .options = &replay->settings->run,
                              .result = &result,
                              .watch = isatty(STDERR_FILENO) ? show_progress : NULL};
    bool good = builtin_run(&job, &trace);
    if (good && replay->settings->log_path == NULL && !wants_pictures(replay->settings)) {
        time_without_log(job, &result);
    }
    report(replay, &result, &trace);
    trace_free(&trace);
}

static void replay_run(struct replay *replay, const char *path, struct input_run *run) {
    struct run_result result = begin_result(replay->settings, path);
    struct trace trace = {.steps = NULL};
    result.plan = run->plan;
    result.error = run->error;
    if (run->error.status == NULL) {
        run_input(&replay->engine, run, &replay->settings->run, &result, &trace);
    }
    report(replay, &result, &trace);
    trace_free(&trace);
}

static void replay_input(struct replay *replay, const char *path, struct input *input) {
    struct input_run run;
    while (input_next(input, &run)) {
        replay_run(replay, path, &run);
        input_run_free(&run);
    }
}

/* ---- What can only be judged when the inputs are known ------------------------------------- */

/* A copy reads ahead: inputs are text in memory. */
static bool has_many_runs(const struct input *input) {
    struct input ahead = *input;
    struct input_run run;
    uint32_t count = 0;
    while (count < 2 && input_next(&ahead, &run)) {
        input_run_free(&run);
        count += 1;
    }
    return count > 1;
}

static int check_usage(const struct settings *settings, const struct input *inputs) {
    if (settings->path_count == 0 && !policy_fits(settings->run.policy, INPUT_UNKNOWN)) {
        return fail_usage("not a policy for the built-in run: ",
                          policy_names[settings->run.policy]);
    }
    for (int i = 0; i < settings->path_count; ++i) {
        if (inputs[i].kind != INPUT_UNKNOWN && !policy_fits(settings->run.policy, inputs[i].kind)) {
            return fail_usage("not a policy for ", settings->paths[i]);
        }
    }
    if ((settings->log_path != NULL || wants_pictures(settings)) &&
        (settings->path_count > 1 || (settings->path_count == 1 && has_many_runs(inputs)))) {
        return fail_usage("more than one run, so no --log and no picture of ", settings->paths[0]);
    }
    return EXIT_GOOD;
}

static void replay_all(struct replay *replay, struct input *inputs) {
    const struct settings *settings = replay->settings;
    replay->rows =
        settings->path_count > 1 || (settings->path_count == 1 && inputs[0].kind == INPUT_PLANS);
    if (settings->path_count == 0) {
        replay_builtin(replay);
    }
    for (int i = 0; i < settings->path_count; ++i) {
        replay_input(replay, settings->paths[i], &inputs[i]);
        input_close(&inputs[i]);
    }
    if (replay->rows && !settings->json) {
        printf("%" PRIu64 " runs, %" PRIu64 " of them bad, %" PRIu64 " with violations\n",
               replay->runs, replay->bad, replay->broken);
    }
}

static int replay_inputs(const struct settings *settings, struct input *inputs) {
    struct replay replay = {.settings = settings};
    for (int i = 0; i < settings->path_count; ++i) {
        input_open(&inputs[i], settings->paths[i], &settings->run.input);
    }
    int code = check_usage(settings, inputs);
    if (code == EXIT_GOOD) {
        replay_all(&replay, inputs);
        bool written = fflush(stdout) == 0 && !ferror(stdout) && !replay.log_failed;
        code = written && replay.bad == 0 && replay.broken == 0 ? EXIT_GOOD : EXIT_BAD_INPUT;
    }
    for (int i = 0; i < settings->path_count; ++i) {
        input_close(&inputs[i]);
    }
    engine_free(&replay.engine);
    return code;
}

int main(int count, char **words) {
    struct settings settings = {
        .run = {.input = {.sessions = 300, .requests = 14, .think_cap_ms = 10000},
                .policy = POLICY_FIFO,
                .seed = 1,
                .agents = BUILTIN_AGENTS,
                .workers = 1}};
    int code = parse_options(count, words, &settings);
    if (code != EXIT_GOOD) {
        return code;
    }
    if (settings.help) {
        fputs(usage_text, stdout);
        return EXIT_GOOD;
    }
    struct input *inputs = array_new((size_t)settings.path_count, sizeof *inputs);
    if (inputs == NULL) {
        fputs("replay: out of memory\n", stderr);
        return EXIT_BAD_INPUT;
    }
    code = replay_inputs(&settings, inputs);
    free(inputs);
    return code;
}
