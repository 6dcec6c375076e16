/* SPDX-License-Identifier: MIT */
/*
 * resume.c - a job that survives the death of its process: nothing is lost, nothing is done twice.
 *
 *     chapter, chapter, ... (8 of them) -> book
 *
 * The log is the checkpoint. A start is handed out only after the frame that says so is written, so
 * whatever a life of the program began is known to the next one: what had ended stays ended, what
 * was in flight is asked for again under the same name (run key, ordinal, attempt number, epoch).
 *
 * `work` below is the whole program, the same for the first life and the last: feed what the file
 * holds, start the job if there is none, go on. Here each life but the last dies in the middle of
 * writing a frame. Try it by hand: run it with a file name, and interrupt it.
 *
 *     cc -O2 -I. docs/examples/resume.c src/all.c backends/mock/mock.c -pthread \
 *        -o resume && ./resume
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/mock/swarm_mock.h"
#include "swarm.h"

enum { CHAPTERS = 8, JOB = 1, BOOK = 1 + CHAPTERS, FRAMES_A_LIFE = 4, LIVES_MAX = 20 };

struct journal {
    FILE *file;
    uint32_t frames_left; /* until this life ends; 0: it does not */
};

/* True once the bytes are with the system; who must survive the machine's death syncs as well. */
static bool write_frames(void *context, const void *bytes, size_t size) {
    struct journal *journal = context;
    bool dies = journal->frames_left != 0 && --journal->frames_left == 0;

    size = dies ? size / 2 : size; /* a torn frame */
    if (fwrite(bytes, 1, size, journal->file) != size || fflush(journal->file) != 0) {
        return false;
    }
    if (dies) {
        _Exit(EXIT_FAILURE);
    }
    return true;
}

/* ---- The job ------------------------------------------------------------------------------- */

/* The same backend, profile and agents in every life: the log names them, it does not hold them. */
static swarm *set_up(swarm_mock *mock) {
    swarm_config config = {
        .size = sizeof config, .version = SWARM_VERSION, .host = swarm_host_default()};
    swarm *sw = NULL;

    if (swarm_new(&config, &sw) == SWARM_OK) {
        swarm_profile_spec writer = {.name = "writer",
                                     .backend = swarm_backend_add(sw, swarm_mock_backend(mock))};
        swarm_agent_add(sw, swarm_profile_add(sw, &writer), 3);
    }
    return sw;
}

/* Steps that have keys are found again. A life may have ended between opening the run and adding to
 * it. */
static swarm_status start_job(swarm *sw) {
    swarm_run found = swarm_run_find(sw, JOB);
    swarm_run run = found.id != 0 ? found : swarm_run_open(sw, &(swarm_run_spec){.key = JOB});
    swarm_plan *plan = swarm_plan_open(sw, run);
    swarm_step book = swarm_step_add(plan, &(swarm_step_spec){.key = BOOK});

    for (uint64_t key = 1; key <= CHAPTERS; key++) {
        swarm_edge_add(plan, swarm_step_add(plan, &(swarm_step_spec){.key = key}), book, 0);
    }
    return swarm_plan_commit(plan, NULL);
}

/* Payloads are borrowed bytes, and no bytes outlive a process. */
static void give_payloads(swarm *sw) {
    static const char chapter[] = "write a chapter", book[] = "make a book of them";

    for (uint64_t key = 1; key <= BOOK; key++) {
        swarm_step step = swarm_step_find(sw, swarm_run_find(sw, JOB), key);
        const char *text = key == BOOK ? book : chapter;

        (void)swarm_step_payload(sw, step, text, strlen(text)); /* one that has ended wants none */
    }
}

/* ---- One life ------------------------------------------------------------------------------ */

/* Feeds what the file holds; what a torn frame left behind is cut off. */
static swarm_status resume(swarm *sw, FILE *file) {
    unsigned char bytes[4096];
    uint64_t good_bytes = 0;
    swarm_status status = SWARM_OK;
    size_t size;

    while (status == SWARM_OK && (size = fread(bytes, 1, sizeof bytes, file)) != 0) {
        status = swarm_resume_feed(sw, SWARM_RESUME, bytes, size);
    }
    if (status == SWARM_OK) {
        status = swarm_resume_end(sw, &good_bytes);
    }
    if (status == SWARM_OK && (ftruncate(fileno(file), (off_t)good_bytes) != 0 ||
                               fseek(file, (long)good_bytes, SEEK_SET) != 0)) {
        return SWARM_E_FAILED;
    }
    return status;
}

static int work(const char *path, uint32_t frames) {
    struct journal journal = {.file = fopen(path, "a+b"), .frames_left = frames};
    swarm_drive_options options = {.write = write_frames, .write_context = &journal};
    uint64_t memory[2048];
    swarm *sw = set_up(swarm_mock_new(NULL, memory, sizeof memory));
    swarm_run_report report = {.ok = 0};

    if (sw == NULL || journal.file == NULL) {
        return EXIT_FAILURE;
    }
    rewind(journal.file);
    swarm_status status = resume(sw, journal.file);
    swarm_run_report_get(sw, swarm_run_find(sw, JOB), &report);
    if (status == SWARM_OK && report.steps == 0) {
        status = start_job(sw);
    }
    if (status == SWARM_OK) {
        printf("begins with %" PRIu64 " of %d steps done\n", report.ok, BOOK);
        fflush(stdout);
        give_payloads(sw);
        status = swarm_sim_drive(sw, &options);
    }
    swarm_run_report_get(sw, swarm_run_find(sw, JOB), &report);
    printf("%s; %" PRIu64 " steps, %" PRIu64 " attempts\n", swarm_status_text(status), report.ok,
           report.attempts);
    fclose(journal.file);
    return swarm_free(sw) == SWARM_OK && report.ok == BOOK ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- Many lives ---------------------------------------------------------------------------- */

/* A process a life, until one ends well. */
static int live_on(const char *path) {
    int result = EXIT_FAILURE;

    for (int life = 0; life < LIVES_MAX && result != EXIT_SUCCESS; life++) {
        pid_t child = fork();

        if (child == 0) {
            exit(work(path, FRAMES_A_LIFE));
        }
        if (child < 0 || waitpid(child, &result, 0) != child) {
            return EXIT_FAILURE;
        }
    }
    return result == EXIT_SUCCESS ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int count, char **arguments) {
    char path[] = "/tmp/resume-XXXXXX";
    int result, file;

    if (count == 2) {
        return work(arguments[1], 0);
    }
    file = mkstemp(path);
    if (file < 0) {
        return EXIT_FAILURE;
    }
    result = live_on(path);
    close(file);
    remove(path);
    return result;
}
