/* SPDX-License-Identifier: MIT
 *
 * replay_input.h: what replay.c reads, in one form.
 *
 * Every input becomes runs: a graph file or a fleet is one run, a collection of plans one run a
 * plan, read one at a time. A run (replay_graph.h) is tasks, edges sorted by (from, to) and a
 * topological order; turning it into steps and edges of a swarm is a straight loop.
 *
 *     struct input input;
 *     struct input_run run;
 *     input_open(&input, path, &options);
 *     while (input_next(&input, &run)) {
 *         if (run.error.status != NULL) report(path, run.error); else replay(&run);
 *         input_run_free(&run);
 *     }
 *     input_close(&input);
 *
 * Bad input of any sort is an error in its run that names status, line and reason, and the next
 * run goes on; a file that cannot be read is one such run. Memory and time stay proportional to
 * the file, whatever it claims. The extensions .dag .stg .rcp .het decide the format; any other
 * name goes by the first word: agenttrace, g, dag or het.
 *
 * Threads: one input, one thread. Slices of a run point into the input's text and die with it.
 */
#ifndef REPLAY_INPUT_H
#define REPLAY_INPUT_H

#include <errno.h>

#include "replay_formats.h"
#include "replay_records.h"

enum {
    INPUT_BYTES_MAX = 1 << 30, /* every count of a file then fits 32 bits */
    INPUT_BYTES_FIRST = 1 << 16,
};

struct input {
    enum input_kind kind; /* known from input_open on */
    struct input_options options;
    struct scan scan;
    char *text;               /* owned; null where the caller lent it */
    struct input_error error; /* of the file as a whole */
    bool done;
};

/* ---- Reading a file -------------------------------------------------------------------- */

/* No format has a NUL byte; refused at once, so that a device of zeros ends too. */
static inline bool check_text(struct input *input, const char *text, size_t size, uint32_t *line) {
    const char *nul = memchr(text, '\0', size);
    const char *end = nul == NULL ? text + size : nul;
    for (const char *at = text; at < end; ++at) {
        *line += *at == '\n';
    }
    return nul == NULL ||
           input_fail(&input->error, "SWARM_E_INVALID", *line, "not a text file: a NUL byte");
}

static inline bool read_whole(struct input *input, FILE *file, size_t *out_size) {
    size_t size = 0;
    size_t room = INPUT_BYTES_FIRST;
    uint32_t line = 1;
    input->text = malloc(room);
    while (input->text != NULL) {
        size_t got = fread(input->text + size, 1, room - size, file);
        if (!check_text(input, input->text + size, got, &line)) {
            return false;
        }
        size += got;
        if (ferror(file)) {
            return input_fail(&input->error, "SWARM_E_INVALID", 0, "cannot be read: %s",
                              strerror(errno));
        }
        if (size < room) {
            *out_size = size;
            return true;
        }
        if (room >= INPUT_BYTES_MAX) {
            return input_fail(&input->error, "SWARM_E_TOO_BIG", 0, "larger than %d bytes",
                              INPUT_BYTES_MAX);
        }
        room *= 2;
        void *grown = realloc(input->text, room);
        if (grown == NULL) {
            break;
        }
        input->text = grown;
    }
    return input_out_of_memory(&input->error, 0);
}

/* ---- Formats --------------------------------------------------------------------------- */

static inline enum input_kind kind_of_name(const char *path) {
    static const char *const ends[] = {".dag", ".stg", ".rcp", ".het"};
    static const enum input_kind kinds[] = {INPUT_DAG, INPUT_STG, INPUT_RCP, INPUT_HET};
    size_t size = strlen(path);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; ++i) {
        size_t end = strlen(ends[i]);
        if (size >= end && strcmp(path + size - end, ends[i]) == 0) {
            return kinds[i];
        }
    }
    return INPUT_UNKNOWN;
}

static inline enum input_kind kind_of_word(struct slice word) {
    static const char *const words[] = {"agenttrace", "g", "dag", "het"};
    static const enum input_kind kinds[] = {INPUT_SESSIONS, INPUT_PLANS, INPUT_DAG, INPUT_HET};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; ++i) {
        if (slice_is(word, words[i])) {
            return kinds[i];
        }
    }
    return INPUT_UNKNOWN;
}

/* The path only names the format. */
static inline void input_begin(struct input *input, const char *path, struct slice text,
                               const struct input_options *options) {
    struct slice word = {text.at, 0};
    input->options = *options;
    input->kind = kind_of_name(path);
    input->scan = (struct scan){.at = text.at, .end = text.at + text.size};
    struct scan first = input->scan;
    if (!scan_line(&first)) {
        input_fail(&input->error, "SWARM_E_INVALID", 1, "the file is empty");
        return;
    }
    if (input->kind == INPUT_UNKNOWN) {
        scan_word(&first, &word);
        input->kind = kind_of_word(word);
    }
    input->scan.text_lines = input->kind == INPUT_PLANS;
    if (input->kind == INPUT_UNKNOWN) {
        input_fail(&input->error, "SWARM_E_INVALID", first.line, "unknown format: begins with %.*s",
                   slice_shown(word), word.at);
    }
}

/* As input_open, from text that the caller keeps until input_close. */
static inline void input_open_text(struct input *input, const char *path, struct slice text,
                                   const struct input_options *options) {
    uint32_t line = 1;
    *input = (struct input){.kind = INPUT_UNKNOWN};
    if (check_text(input, text.at, text.size, &line)) {
        input_begin(input, path, text, options);
    }
}

/* Never fails at once: whatever is wrong is the error of the first and only run. */
static inline void input_open(struct input *input, const char *path,
                              const struct input_options *options) {
    size_t size = 0;
    *input = (struct input){.kind = INPUT_UNKNOWN};
    errno = 0;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        input_fail(&input->error, errno == ENOENT ? "SWARM_E_MISSING" : "SWARM_E_INVALID", 0,
                   "cannot be opened: %s", strerror(errno));
        return;
    }
    bool good = read_whole(input, file, &size);
    fclose(file);
    if (good) {
        input_begin(input, path, (struct slice){input->text, size}, options);
    }
}

static inline void input_close(struct input *input) {
    free(input->text);
    *input = (struct input){.done = true};
}

/* ---- Runs ------------------------------------------------------------------------------ */

/* The scan stands on the first line of the run. */
static inline bool read_run(struct input *input, struct input_run *run) {
    switch (input->kind) {
    case INPUT_DAG:
        return read_dag(&input->scan, run);
    case INPUT_STG:
        return read_stg(&input->scan, run);
    case INPUT_RCP:
        return read_rcp(&input->scan, run);
    case INPUT_HET:
        return read_het(&input->scan, run);
    case INPUT_SESSIONS:
        return read_sessions(&input->scan, run, &input->options);
    case INPUT_PLANS:
        return read_plan(&input->scan, run);
    case INPUT_UNKNOWN:
        break;
    }
    return input_fail(&run->error, "SWARM_E_INVALID", 0, "unknown format");
}

/* The next run, good or bad; false after the last. A bad one keeps only kind, plan and error. */
static inline bool input_next(struct input *input, struct input_run *run) {
    *run = (struct input_run){.kind = input->kind, .error = input->error};
    if (input->done) {
        return false;
    }
    if (input->error.status != NULL) {
        input->done = true;
        return true;
    }
    if (!scan_line(&input->scan)) {
        input->done = true;
        return false;
    }
    run->line = input->scan.line;
    input->scan.error = &run->error;
    if (!read_run(input, run)) {
        input_run_free(run);
    }
    input->scan.error = NULL;
    input->done = input->kind != INPUT_PLANS;
    return true;
}

#endif
