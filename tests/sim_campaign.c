/* SPDX-License-Identifier: MIT */
/*
 * sim_campaign.c - thousands of simulated trials of the whole scheduler against a naive model.
 *
 *     sim_campaign [--seeds N] [--seed S] [--jobs J] [--seconds T] [--shrinks N]
 *                  [--choices LINE]
 *
 * Each seed draws a fleet, plans, options and faults, and is played twice: the second time with
 * another number of workers, in other memory, with other sizes of deque and buffers; both must give
 * the same log. A trial that fails is made smaller, and one command is printed that plays it again.
 * --seconds stops the search after so much time; --choices plays one trial and lists its log.
 */
#define _POSIX_C_SOURCE 200809L

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim_drive.h"

#define BLOCK (1u << 24)
#define TAPE (1u << 22)
#define JOBS_MAX 64u
#define HANG_SECONDS 60u

struct options {
    uint64_t seed, seeds;
    uint32_t jobs, seconds;
    const char *choices;
};

struct outcome {
    uint64_t hash[RUNS][2];
    uint64_t log_hash;
    size_t log_size;
};

static struct world world;
static unsigned char block[BLOCK], tape[TAPE];
static uint64_t seed_now;
static uint32_t shrinks = 20000;
static bool listing;

void swarm__assert_failed(const char *text, const char *file, int line);

/* An assertion of the library ends the trial like a check of the model. */
void swarm__assert_failed(const char *text, const char *file, int line) {
    if (listing) {
        printf("# %s:%d: assertion failed: %s\n", file, line, text);
    }
    wrong(&world, text);
}

static void on_signal(int number) {
    char text[128];
    int size = snprintf(text, sizeof text,
                        "not ok 1 - signal %d: tests/sim_campaign --seeds 1 --seed %" PRIu64 "\n",
                        number, seed_now);

    if (write(STDOUT_FILENO, text, (size_t)size) != size) {
        _exit(3);
    }
    _exit(2);
}

static uint64_t hash_bytes(const unsigned char *bytes, size_t size) {
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

/* What the trial knows of the step that it looked at last. */
static void list_suspect(const struct world *w) {
    const struct sim_step *step = w->suspect;
    const struct sim_run *run = step < w->runs[0].steps + STEPS_MAX ? &w->runs[0] : &w->runs[1];

    printf("# at %" PRIu64 ": step %d of run %d: kind %u state %u reason %d outcome %u ran %u\n",
           w->now_ns, (int)(step - run->steps), (int)(run - w->runs) + 1, step->kind, step->state,
           step->reason, step->outcome, step->ran);
    printf("#   tried %u of %u, starts %u, vote %d hedge %d loop %d ask %d join %d watch %d\n",
           step->tried, step->retry.attempts_max, step->starts, step->has_vote, step->has_hedge,
           step->has_loop, step->has_ask, step->has_join, step->has_watch);
    for (uint32_t i = 0; i < step->into_count; i++) {
        const struct sim_step *from = &run->steps[step->into[i].from];
        const swarm_edge_spec *rule = &step->into[i].rule;

        printf("#   behind step %u: kind %u state %u at %" PRIu64
               " heard %d; rule %u when %u failure"
               " %u skip %u delay %" PRIu64 "\n",
               step->into[i].from, from->kind, from->state, from->end_ns, from->heard, rule->kind,
               rule->when, rule->on_failure, rule->on_skip, rule->delay_ns);
    }
}

static const char *play_variant(swarm_trial *trial, const struct variant *variant,
                                struct outcome *out) {
    memset(&world, 0, offsetof(struct world, log));
    world.trial = trial;
    world.variant = *variant;
    world.listing = listing;
    if (setjmp(world.out) == 0) {
        play(&world, block, sizeof block);
    }
    if (world.wrong != NULL && listing && world.suspect != NULL) {
        list_suspect(&world);
    }
    out->log_size = world.log_size;
    out->log_hash = hash_bytes(world.log, world.log_size);
    for (uint32_t i = 0; i < RUNS; i++) {
        memcpy(out->hash[i], world.reports[i].hash, sizeof out->hash[i]);
    }
    return world.wrong;
}

/* One worker, and then others: both must write the same log. */
static const char *trial(void *context, swarm_trial *choices) {
    static const struct variant first = {1, 0, 64, 65536, 0xA5, false};
    static const struct variant other = {5, 3, 2, 4096, 0x5A, false};
    struct outcome one, two;
    const char *text;

    (void)context;
    alarm(HANG_SECONDS);
    text = play_variant(choices, &first, &one);
    if (text != NULL) {
        return text;
    }
    swarm_trial_again(choices);
    text = play_variant(choices, &other, &two);
    if (text != NULL) {
        return text;
    }
    if (one.log_size != two.log_size || one.log_hash != two.log_hash ||
        memcmp(one.hash, two.hash, sizeof one.hash) != 0) {
        return "another number of workers gave another log";
    }
    return NULL;
}

/* ---- many of them */

static uint64_t seconds_now(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec;
}

/* Plays one seed; false when it fails, with how to play it again. */
static bool play_seed(uint64_t seed, const char *choices) {
    swarm_campaign_report report;
    const swarm_campaign_spec spec = {.size = sizeof spec,
                                      .trial = trial,
                                      .choices = choices,
                                      .memory = tape,
                                      .memory_size = sizeof tape,
                                      .seed = seed == 0 ? SWARM_ZERO : seed,
                                      .seeds = 1,
                                      .shrinks_max = shrinks == 0 ? SWARM_NONE : shrinks};
    swarm_status status;

    seed_now = seed;
    status = swarm_campaign_run(&spec, &report);
    if (status == SWARM_E_FAILED) {
        printf("# seed %" PRIu64 ": %s\n# %" PRIu64 " choices after %" PRIu64
               " trials of shrinking; again:\n"
               "# tests/sim_campaign --choices %s\n",
               seed, report.text, report.choices_count, report.shrinks, report.choices);
    } else if (status != SWARM_OK) {
        printf("# %s\n", swarm_status_text(status));
    }
    fflush(stdout);
    return status == SWARM_OK;
}

/* Every jobs-th seed. Exits 0 when all went well; writes how many were played. */
static int job(const struct options *options, uint32_t index, int out) {
    uint64_t end = seconds_now() + options->seconds, count = 0;
    int bad = 0;

    for (uint64_t i = index; i < options->seeds && bad < 3; i += options->jobs) {
        if (options->seconds != 0 && seconds_now() >= end) {
            break;
        }
        bad += !play_seed(options->seed + i, NULL);
        count++;
    }
    if (write(out, &count, sizeof count) != (ssize_t)sizeof count) {
        return 1;
    }
    return bad != 0;
}

static int jobs_run(const struct options *options) {
    uint64_t count, all = 0;
    int pipes[2], bad = 0;

    if (pipe(pipes) != 0) {
        return 2;
    }
    for (uint32_t i = 0; i < options->jobs; i++) {
        pid_t child = fork();

        if (child == 0) {
            _exit(job(options, i, pipes[1]));
        }
        bad += child < 0;
    }
    close(pipes[1]);
    for (uint32_t i = 0; i < options->jobs; i++) {
        int status = 0;

        bad += wait(&status) < 0 || status != 0;
    }
    while (read(pipes[0], &count, sizeof count) == (ssize_t)sizeof count) {
        all += count;
    }
    close(pipes[0]);
    printf("# %" PRIu64 " seeds from %" PRIu64 " on, each played twice\n", all, options->seed);
    printf("%sok 1 - campaign\n1..1\n", bad != 0 || all == 0 ? "not " : "");
    return bad != 0 || all == 0;
}

static bool options_read(struct options *options, int count, char **arguments) {
    for (int i = 1; i + 1 < count; i += 2) {
        const char *name = arguments[i], *value = arguments[i + 1];

        if (strcmp(name, "--seeds") == 0) {
            options->seeds = strtoull(value, NULL, 0);
        } else if (strcmp(name, "--seed") == 0) {
            options->seed = strtoull(value, NULL, 0);
        } else if (strcmp(name, "--jobs") == 0) {
            options->jobs = (uint32_t)strtoul(value, NULL, 0);
        } else if (strcmp(name, "--seconds") == 0) {
            options->seconds = (uint32_t)strtoul(value, NULL, 0);
        } else if (strcmp(name, "--shrinks") == 0) {
            shrinks = (uint32_t)strtoul(value, NULL, 0);
        } else if (strcmp(name, "--choices") == 0) {
            options->choices = value;
        } else {
            return false;
        }
    }
    return count % 2 == 1 && options->jobs != 0 && options->jobs <= JOBS_MAX;
}

int main(int count, char **arguments) {
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM};
    struct options options = {.seed = 1, .seeds = 20000, .jobs = 2};

    if (!options_read(&options, count, arguments)) {
        fprintf(stderr,
                "usage: %s [--seeds N] [--seed S] [--jobs J] [--seconds T]"
                " [--shrinks N] [--choices LINE]\n",
                arguments[0]);
        return 2;
    }
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        signal(signals[i], on_signal);
    }
    if (options.choices != NULL) {
        listing = true;
        return !play_seed(0, options.choices);
    }
    return jobs_run(&options);
}
