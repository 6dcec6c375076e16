/* SPDX-License-Identifier: MIT
 *
 * replay_report.h: what replay prints: a JSON object a line, a row a run, or one screen.
 *
 * Names of files and plans are bytes that anybody may have chosen: JSON gets them escaped, with
 * U+FFFD for what is not UTF-8; a terminal gets them with '?' for every control byte.
 */
#ifndef REPLAY_REPORT_H
#define REPLAY_REPORT_H

#include <inttypes.h>

#include "replay_builtin.h"

enum {
    REPORT_LONGEST = 3, /* critical steps that are spelt out */
    REPORT_BUSIEST = 5, /* agents likewise */
};

/* ---- Text of others ---------------------------------------------------------------------- */

/* Bytes of the UTF-8 character at the front of the text; 0 when it is not one (RFC 3629). */
static inline size_t utf8_length(struct slice text) {
    unsigned char first = (unsigned char)text.at[0];
    size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first > 0xf4 || length > text.size) {
        return 0;
    }
    for (size_t i = 1; i < length; ++i) {
        if (((unsigned char)text.at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    unsigned char second = length > 2 ? (unsigned char)text.at[1] : 0x90;
    bool long_form = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    bool no_character = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
    return long_form || no_character ? 0 : length;
}

static inline void print_json_text(struct slice text) {
    putchar('"');
    while (text.size > 0) {
        size_t length = utf8_length(text);
        char c = text.at[0];
        if (length == 0) {
            fputs("\\ufffd", stdout);
            length = 1;
        } else if (c == '"' || c == '\\') {
            printf("\\%c", c);
        } else if (length == 1 && ((unsigned char)c < 0x20 || c == 0x7f)) {
            printf("\\u%04x", (unsigned)c);
        } else {
            fwrite(text.at, 1, length, stdout);
        }
        text.at += length;
        text.size -= length;
    }
    putchar('"');
}

static inline void print_plain_text(FILE *file, struct slice text) {
    for (size_t i = 0; i < text.size; ++i) {
        unsigned char c = (unsigned char)text.at[i];
        fputc(c < 0x20 || c == 0x7f ? '?' : c, file);
    }
}

static inline struct slice slice_of(const char *text) {
    return (struct slice){text, strlen(text)};
}

/* FILE, or FILE:LINE, or FILE:LINE: PLAN */
static inline void print_place(FILE *file, const struct run_result *result) {
    print_plain_text(file, slice_of(result->input));
    if (result->error.status != NULL && result->error.line != 0) {
        fprintf(file, ":%" PRIu64, result->error.line);
    }
    if (result->plan.size > 0) {
        fputs(": ", file);
        print_plain_text(file, result->plan);
    }
}

static inline void print_error(const struct run_result *result) {
    fputs("replay: ", stderr);
    print_place(stderr, result);
    fprintf(stderr, ": %s (%s)\n", result->error.text, result->error.status);
}

/* ---- JSON ------------------------------------------------------------------------------ */

static inline void print_json_number(const char *key, uint64_t value) {
    printf(",\"%s\":%" PRIu64, key, value);
}

static inline void print_json_error(const struct input_error *error) {
    if (error->status == NULL) {
        fputs(",\"error\":null}\n", stdout);
        return;
    }
    printf(",\"error\":{\"status\":\"%s\",\"line\":%" PRIu64 ",\"text\":", error->status,
           error->line);
    print_json_text(slice_of(error->text));
    fputs("}}\n", stdout);
}

static inline void print_json_outcomes(const swarm_run_report *report) {
    print_json_number("ok", report->ok);
    print_json_number("failed", report->failed);
    print_json_number("timed_out", report->timed_out);
    print_json_number("cancelled", report->cancelled);
    print_json_number("skipped", report->skipped);
    print_json_number("budget", report->budget);
}

static inline void print_json(const struct run_result *result) {
    fputs("{\"input\":", stdout);
    print_json_text(slice_of(result->input));
    fputs(",\"plan\":", stdout);
    if (result->plan.size > 0) {
        print_json_text(result->plan);
    } else {
        fputs("null", stdout);
    }
    print_json_number("steps", result->steps);
    print_json_number("edges", result->edges);
    print_json_number("agents", result->agents);
    printf(",\"policy\":\"%s\"", policy_names[result->policy]);
    print_json_number("seed", result->seed);
    print_json_number("makespan", result->makespan);
    print_json_number("critical_path", result->critical_path);
    print_json_number("work", result->work);
    print_json_number("lower_bound", result->lower_bound);
    if (result->has_mean) {
        print_json_number("mean_completion", result->mean_completion);
    } else {
        fputs(",\"mean_completion\":null", stdout);
    }
    print_json_outcomes(&result->report);
    print_json_number("violations", result->violations);
    printf(",\"log_hash\":\"%016" PRIx64 "%016" PRIx64 "\"", result->report.hash[0],
           result->report.hash[1]);
    print_json_number("scheduler_ns", result->scheduler_ns);
    print_json_error(&result->error);
}

/* ---- A row a run ----------------------------------------------------------------------- */

static inline double ratio(uint64_t a, uint64_t b) {
    return b == 0 ? 0 : (double)a / (double)b;
}

static inline void print_row(const struct run_result *result) {
    print_place(stdout, result);
    printf(": %" PRIu64 " steps, makespan %" PRIu64 ", %.3f of the lower bound %" PRIu64,
           result->steps, result->makespan, ratio(result->makespan, result->lower_bound),
           result->lower_bound);
    if (result->has_mean) {
        printf(", mean completion %" PRIu64, result->mean_completion);
    }
    printf(", %" PRIu64 " violations\n", result->violations);
}

/* ---- One screen ------------------------------------------------------------------------ */

/* The built-in run counts ns, and is shown in seconds. */
static inline void print_time(uint64_t time, bool in_ns) {
    if (in_ns) {
        printf("%" PRIu64 ".%03" PRIu64 " s", time / 1000000000, time / 1000000 % 1000);
    } else {
        printf("%" PRIu64, time);
    }
}

static inline void print_label(const char *label) {
    printf("  %-16s", label);
}

static inline void print_outcomes(const swarm_run_report *report) {
    print_label("outcomes");
    printf("%" PRIu64 " ok, %" PRIu64 " failed, %" PRIu64 " timed out, %" PRIu64
           " cancelled, %" PRIu64 " skipped, %" PRIu64 " out of budget\n",
           report->ok, report->failed, report->timed_out, report->cancelled, report->skipped,
           report->budget);
}

static inline void print_times(const struct run_result *result, const struct trace *trace,
                               bool in_ns) {
    print_label("makespan");
    print_time(result->makespan, in_ns);
    printf(", %.3f of the lower bound ", ratio(result->makespan, result->lower_bound));
    print_time(result->lower_bound, in_ns);
    putchar('\n');
    if (result->has_mean) {
        print_label("mean completion");
        print_time(result->mean_completion, in_ns);
        putchar('\n');
    }
    print_label("critical path");
    print_time(result->critical_path, in_ns);
    putchar('\n');
    print_label("work");
    print_time(result->work, in_ns);
    printf(" of agents' time\n");
    print_label("parallelism");
    printf("%.1f achieved, %.1f possible (work / critical path)\n",
           ratio(trace->busy_ns, result->makespan), ratio(result->work, result->critical_path));
}

/* The longest steps of the path first; puts them at its front. */
static inline void sort_longest(const struct trace *trace, struct trace_path *path) {
    for (uint32_t i = 0; i < path->count && i < REPORT_LONGEST; ++i) {
        for (uint32_t k = i + 1; k < path->count; ++k) {
            uint32_t a = path->steps[i], b = path->steps[k];
            if (trace->steps[b].needed_ns > trace->steps[a].needed_ns) {
                path->steps[i] = b;
                path->steps[k] = a;
            }
        }
    }
}

static inline void print_critical_step(const struct trace *trace, uint32_t at, bool in_ns) {
    const struct trace_step *step = &trace->steps[at];
    printf(" #%u ", at);
    if (in_ns) {
        printf("%s ", role_names[role_of(step->argument) % ROLES]);
    }
    print_time(step->needed_ns, in_ns);
    if (step->attempts > 1) {
        printf(" in %u attempts", step->attempts);
    }
}

static inline void print_critical(const struct trace *trace, bool in_ns) {
    struct trace_path path;
    if (!trace_critical(trace, &path)) {
        return;
    }
    sort_longest(trace, &path);
    print_label("critical steps");
    printf("%u; the longest:", path.count);
    for (uint32_t i = 0; i < path.count && i < REPORT_LONGEST; ++i) {
        print_critical_step(trace, path.steps[i], in_ns);
        putchar(i + 1 < path.count && i + 1 < REPORT_LONGEST ? ',' : '\n');
    }
    free(path.steps);
}

struct busy_agent {
    uint64_t busy_ns;
    uint32_t agent;
};

static inline int busy_compare(const void *left, const void *right) {
    const struct busy_agent *a = left;
    const struct busy_agent *b = right;
    int order = (a->busy_ns < b->busy_ns) - (a->busy_ns > b->busy_ns);
    return order != 0 ? order : (a->agent > b->agent) - (a->agent < b->agent);
}

static inline void print_busiest(const struct run_result *result, const struct trace *trace) {
    uint32_t count = result->agents < UINT32_MAX ? (uint32_t)result->agents : UINT32_MAX;
    struct busy_agent *agents = array_new(count, sizeof *agents);
    if (agents == NULL) {
        return;
    }
    for (uint32_t i = 0; i < count; ++i) {
        agents[i].agent = i + 1;
    }
    for (uint32_t i = 0; i < trace->attempt_count; ++i) {
        uint32_t agent = trace->attempts[i].agent;
        if (agent >= 1 && agent <= count) {
            agents[agent - 1].busy_ns += trace->attempts[i].busy_ns;
        }
    }
    qsort(agents, count, sizeof *agents, busy_compare);
    print_label("busiest agents");
    for (uint32_t i = 0; i < count && i < REPORT_BUSIEST; ++i) {
        printf("%s#%u %.1f %%", i == 0 ? "" : ", ", agents[i].agent,
               100 * ratio(agents[i].busy_ns, result->makespan));
    }
    putchar('\n');
    free(agents);
}

static inline void print_bill(const struct trace *trace) {
    const swarm_usage *usage = &trace->usage;
    print_label("retries");
    printf("%" PRIu64 ", of them %" PRIu64 " after a stall; %u attempts\n", trace->retries,
           trace->stalls, trace->attempt_count);
    if (usage->input_tokens > 0) {
        print_label("cost");
        printf("%" PRIu64 ".%02" PRIu64
               " dollars; tokens: %.1f M in, %.0f %% of them cached, %.1f M out\n",
               usage->cost_nano / 1000000000, usage->cost_nano / 10000000 % 100,
               ratio(usage->input_tokens, 1000000),
               100 * ratio(usage->cached_tokens, usage->input_tokens),
               ratio(usage->output_tokens, 1000000));
    }
}

static inline void print_screen(const struct run_result *result, const struct trace *trace,
                                bool in_ns) {
    print_place(stdout, result);
    printf(
        ": %" PRIu64 " steps, %" PRIu64 " edges, %" PRIu64 " agents, policy %s, seed %" PRIu64 "\n",
        result->steps, result->edges, result->agents, policy_names[result->policy], result->seed);
    print_outcomes(&result->report);
    print_times(result, trace, in_ns);
    print_critical(trace, in_ns);
    print_bill(trace);
    print_busiest(result, trace);
    print_label("scheduler");
    printf("%.3f ms, %.0f ns a step, the simulated agents included%s\n",
           ratio(result->scheduler_ns, 1000000), ratio(result->scheduler_ns, result->steps),
           result->silent ? ", without a log" : "");
    print_label("log");
    printf("%" PRIu64 " events, %" PRIu64 " violations, hash %016" PRIx64 "%016" PRIx64 "\n",
           trace->events, result->violations, result->report.hash[0], result->report.hash[1]);
}

#endif
