/* SPDX-License-Identifier: MIT
 *
 * replay_picture.h: pictures of a run, out of its log and nothing else.
 *
 *     struct picture_paths paths = {.path = {[SWARM_PICTURE_HTML] = "run.html"}};
 *     write_pictures(&engine.log, &paths, &trace, input_is_builtin);
 */
#ifndef REPLAY_PICTURE_H
#define REPLAY_PICTURE_H

#include <errno.h>

#include "replay_builtin.h"

#define PICTURES (SWARM_PICTURE_HTML + 1)

/* Where each kind goes; null: nowhere. */
struct picture_paths {
    const char *path[PICTURES];
};

/* What names are made of. */
struct picture_names {
    const struct trace *trace;
    bool roles; /* the built-in run: a step's argument says its role */
};

static inline bool picture_write(void *context, const void *bytes, size_t size) {
    return fwrite(bytes, 1, size, context) == size;
}

static inline const char *picture_step_name(void *context, uint64_t ordinal) {
    const struct picture_names *names = context;
    if (!names->roles || ordinal >= names->trace->step_count) {
        return NULL;
    }
    const struct trace_step *step = &names->trace->steps[ordinal];
    return step->is_call ? "call" : role_names[role_of(step->argument) % ROLES];
}

static inline bool picture_to_file(const swarm_trace *trace, swarm_picture_spec *spec,
                                   const char *path) {
    FILE *file = fopen(path, "wb");
    spec->write_context = file;
    swarm_status status = file == NULL ? SWARM_E_AGAIN : swarm_trace_write(trace, spec);
    bool good = file != NULL && fclose(file) == 0 && status == SWARM_OK;
    if (!good) {
        fprintf(stderr, "replay: %s: cannot be written: %s\n", path,
                status == SWARM_E_TOO_BIG ? swarm_status_text(status) : strerror(errno));
    }
    return good;
}

static inline bool picture_all(const swarm_trace *run, const struct picture_paths *paths,
                               struct picture_names *names, const char *title) {
    bool good = true;
    for (uint32_t kind = 0; kind < PICTURES; ++kind) {
        swarm_picture_spec spec = {.write = picture_write,
                                   .step_name = picture_step_name,
                                   .name_context = names,
                                   .title = title,
                                   .kind = kind};
        good =
            (paths->path[kind] == NULL || picture_to_file(run, &spec, paths->path[kind])) && good;
    }
    return good;
}

/* Reads the log into a trace of the library's and writes what is asked for. */
static inline bool write_pictures(const struct engine_log *log, const struct picture_paths *paths,
                                  struct picture_names *names, const char *title) {
    swarm_trace_spec spec = {.log = log->bytes, .log_size = log->size};
    size_t size = 0;
    swarm_trace *run = NULL;
    swarm_status status = swarm_trace_memory_size(&spec, &size);
    void *memory = status == SWARM_OK ? malloc(size) : NULL;
    if (status == SWARM_OK) {
        status = memory == NULL ? SWARM_E_FULL : swarm_trace_new(&spec, memory, size, &run);
    }
    if (status != SWARM_OK) {
        fprintf(stderr, "replay: no pictures: %s\n", swarm_status_text(status));
    }
    bool good = status == SWARM_OK && picture_all(run, paths, names, title);
    free(memory);
    return good;
}

#endif
