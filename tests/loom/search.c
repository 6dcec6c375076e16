/* SPDX-License-Identifier: MIT */
/*
 * search.c - which schedules are run: depth first with a bound of preemptions, then at random, and
 * what is told of a finding.
 *
 * Depth first: all choices of an execution stand on a stack; the next one changes the last that has
 * another answer. (Musuvathi and Qadeer, "Iterative context bounding", PLDI 2007.) At random: each
 * thread has a priority, and the running one falls behind all others now and then; every fourth
 * execution chooses threads evenly. (Burckhardt et al., "A randomized scheduler with probabilistic
 * guarantees of finding bugs", ASPLOS 2010.)
 *
 * A schedule is a list of place=choice, all other choices being 0: so what is left out stays
 * meaningful, and shrinking is leaving out.
 */
#include "engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES 65536u
#define DEMOTE 24u /* one in so many choices of a thread */

enum search_mode { DEPTH, RANDOM, REPLAY };

static struct {
    enum search_mode mode;
    uint32_t place; /* choices made so far in this execution */
    unsigned char answers[PLACES];
    unsigned char allowed[PLACES]; /* DEPTH */
    uint32_t depth;                /* DEPTH, REPLAY: choices that are given */
    uint32_t preemptions, preempted;
    uint64_t random;
    uint64_t low; /* priorities fall from here */
    bool is_even;
    uint64_t priorities[LOOM_THREADS];
} search;

static struct {
    const char *program, *only, *replay;
    uint64_t seed;
    bool is_long, is_quick, stats, stop;
} options = {.seed = 1};

/* Vigna's splitmix64. */
static uint64_t draw(void) {
    uint64_t x = search.random += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint32_t draw_below(uint32_t bound) {
    return (uint32_t)(((draw() >> 32) * bound) >> 32);
}

void loom_begun(uint32_t thread) {
    search.priorities[thread] = draw() | (UINT64_C(1) << 63);
}

/* ---- choices */

static uint32_t answer_thread(const struct loom_question *question) {
    uint32_t best = 0;

    if (search.is_even) {
        return draw_below(question->answers);
    }
    if (question->costs && draw_below(DEMOTE) == 0) {
        search.priorities[question->threads[0]] = --search.low;
    }
    for (uint32_t i = 1; i < question->answers; i++) {
        if (search.priorities[question->threads[i]] > search.priorities[question->threads[best]]) {
            best = i;
        }
    }
    return best;
}

static uint32_t answer_random(const struct loom_question *question) {
    switch (question->kind) {
    case ASK_THREAD:
        return answer_thread(question);
    case ASK_MESSAGE:
        return draw_below(2) == 0 ? 0 : draw_below(question->answers);
    case ASK_FAILURE:
        return draw_below(8) != 0 ? 0 : draw_below(question->answers);
    case ASK_WAITER:
    default:
        return draw_below(question->answers);
    }
}

static uint32_t answer_depth(const struct loom_question *question, uint32_t place) {
    if (place == search.depth) {
        bool spent = question->costs && search.preempted >= search.preemptions;

        search.depth++;
        search.answers[place] = 0;
        search.allowed[place] = spent ? 1 : (unsigned char)question->answers;
    }
    search.preempted += question->costs && search.answers[place] != 0;
    return search.answers[place];
}

uint32_t loom_answer(const struct loom_question *question) {
    uint32_t place = search.place++;

    if (place >= PLACES) {
        return 0;
    }
    switch (search.mode) {
    case DEPTH:
        return answer_depth(question, place);
    case RANDOM:
        search.answers[place] = (unsigned char)answer_random(question);
        return search.answers[place];
    case REPLAY:
    default:
        if (place >= search.depth || search.answers[place] >= question->answers) {
            search.answers[place] = 0;
        }
        return search.answers[place];
    }
}

static void execute(const struct loom_client *client, bool listing, struct loom_outcome *out) {
    search.place = 0;
    search.preempted = 0;
    search.low = UINT64_C(1) << 62;
    loom_execute(client, listing, out);
}

/* The next execution of the depth-first search. False: there is none. */
static bool depth_next(void) {
    while (search.depth != 0 &&
           search.answers[search.depth - 1] + 1u >= search.allowed[search.depth - 1]) {
        search.depth--;
    }
    if (search.depth == 0) {
        return false;
    }
    search.answers[search.depth - 1]++;
    return true;
}

/* ---- findings */

static bool is_finding(const struct loom_client *client, const struct loom_outcome *outcome) {
    return outcome->kind != NULL || (client->outcome == LOOM_NEVER && outcome->saw);
}

static const char *kind_of(const struct loom_outcome *outcome) {
    return outcome->kind != NULL ? outcome->kind : "outcome";
}

/* Runs the choices at hand without the one at `without`; keeps them if the same is found. */
static bool shrink_one(const struct loom_client *client, uint32_t without, const char *kind) {
    static unsigned char kept[PLACES];
    uint32_t count = search.place < PLACES ? search.place : PLACES;
    struct loom_outcome outcome;

    memcpy(kept, search.answers, count);
    search.answers[without] = 0;
    search.depth = count;
    execute(client, false, &outcome);
    if (is_finding(client, &outcome) && strcmp(kind_of(&outcome), kind) == 0) {
        return true;
    }
    memcpy(search.answers, kept, count);
    search.place = count;
    return false;
}

static void shrink(const struct loom_client *client, const char *kind) {
    bool changed = true;

    search.mode = REPLAY;
    for (uint32_t rounds = 0; changed && rounds < 16; rounds++) {
        changed = false;
        for (uint32_t at = search.place < PLACES ? search.place : PLACES; at-- != 0;) {
            if (at < search.place && search.answers[at] != 0 && shrink_one(client, at, kind)) {
                changed = true;
            }
        }
    }
}

static void print_schedule(void) {
    const char *between = "";

    for (uint32_t at = 0; at < search.place && at < PLACES; at++) {
        if (search.answers[at] != 0) {
            printf("%s%" PRIu32 "=%u", between, at, search.answers[at]);
            between = ",";
        }
    }
    printf("%s\n", *between == 0 ? "0=0" : "");
}

static void tell(const struct loom_client *client, struct loom_outcome *outcome) {
    char kind[16];

    (void)snprintf(kind, sizeof kind, "%s", kind_of(outcome));
    shrink(client, kind);
    search.depth = search.place;
    execute(client, true, outcome);
    printf("# %s: %s: %s\n", client->name, kind_of(outcome), outcome->text);
    printf("# again: %s --only %s --replay ", options.program, client->name);
    print_schedule();
}

/* ---- searches: true with a finding in *outcome */

static bool search_depth(const struct loom_client *client, uint64_t *count,
                         struct loom_outcome *outcome) {
    uint64_t most = client->first;

    most = options.is_long ? 10 * most : options.is_quick ? most / 10 : most;
    search.mode = DEPTH;
    search.depth = 0;
    search.preemptions = client->preemptions + (options.is_long && client->outcome == 0);
    do {
        execute(client, false, outcome);
        ++*count;
        if (is_finding(client, outcome) || (client->outcome == LOOM_EVER && outcome->saw)) {
            return true;
        }
    } while ((most == 0 || *count < most) && depth_next());
    return false;
}

static bool search_random(const struct loom_client *client, uint64_t *count,
                          struct loom_outcome *outcome) {
    uint64_t executions = client->random;

    executions = options.is_long ? 10 * executions : executions;
    executions = options.is_quick ? executions / 10 : executions;
    search.mode = RANDOM;
    for (uint64_t i = 0; i < executions; i++) {
        search.random = options.seed + (i << 20);
        search.is_even = i % 4 == 3;
        execute(client, false, outcome);
        ++*count;
        if (is_finding(client, outcome)) {
            return true;
        }
    }
    return false;
}

static bool explore(const struct loom_client *client) {
    struct loom_outcome outcome = {0};
    uint64_t first = 0, random = 0;
    bool found = search_depth(client, &first, &outcome), good;

    if (!found && client->outcome == 0) {
        found = search_random(client, &random, &outcome);
    }
    good = client->outcome == LOOM_EVER ? outcome.saw && outcome.kind == NULL : !found;
    if (client->finds != NULL) {
        good = found && strcmp(kind_of(&outcome), client->finds) == 0;
    }
    if (!good && found) {
        tell(client, &outcome);
    } else if (!good) {
        printf("# %s: never seen\n", client->name);
    }
    if (options.stats) {
        printf("# %s: %" PRIu64 " executions depth first, %" PRIu64 " at random\n", client->name,
               first, random);
    }
    return good;
}

static bool replay(const struct loom_client *client) {
    struct loom_outcome outcome = {0};
    const char *at = options.replay;

    search.mode = REPLAY;
    memset(search.answers, 0, sizeof search.answers);
    while (*at != 0) {
        char *end;
        unsigned long place = strtoul(at, &end, 10), choice = 0;

        if (*end == '=') {
            choice = strtoul(end + 1, &end, 10);
        }
        if (place < PLACES) {
            search.answers[place] = (unsigned char)choice;
            search.depth = (uint32_t)place + 1 > search.depth ? (uint32_t)place + 1 : search.depth;
        }
        at = *end != 0 ? end + 1 : end;
    }
    execute(client, true, &outcome);
    printf("# %s: %s: %s\n", client->name, outcome.kind != NULL ? outcome.kind : "no finding",
           outcome.text);
    return !is_finding(client, &outcome);
}

/* ---- the program */

static bool options_read(int argc, char **argv) {
    options.program = argv[0];
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;

        if (strcmp(argv[i], "--long") == 0) {
            options.is_long = true;
        } else if (strcmp(argv[i], "--quick") == 0) {
            options.is_quick = true;
        } else if (strcmp(argv[i], "--stats") == 0) {
            options.stats = true;
        } else if (strcmp(argv[i], "--stop") == 0) {
            options.stop = true;
        } else if (strcmp(argv[i], "--only") == 0 && has_value) {
            options.only = argv[++i];
        } else if (strcmp(argv[i], "--replay") == 0 && has_value) {
            options.replay = argv[++i];
        } else if (strcmp(argv[i], "--seed") == 0 && has_value) {
            options.seed = strtoull(argv[++i], NULL, 10);
        } else {
            return false;
        }
    }
    return options.replay == NULL || options.only != NULL;
}

int loom_main(int argc, char **argv, const struct loom_client *clients, size_t count) {
    uint32_t run = 0, failed = 0;

    if (!options_read(argc, argv)) {
        fprintf(stderr,
                "%s [--only NAME [--replay SCHEDULE]] [--seed N] [--long | --quick] "
                "[--stats] [--stop]\n",
                argv[0]);
        return 2;
    }
    for (size_t i = 0; i < count && !(options.stop && failed != 0); i++) {
        bool good;

        if (options.only != NULL && strcmp(options.only, clients[i].name) != 0) {
            continue;
        }
        good = options.replay != NULL ? replay(&clients[i]) : explore(&clients[i]);
        printf("%s %" PRIu32 " - %s\n", good ? "ok" : "not ok", ++run, clients[i].name);
        (void)fflush(stdout);
        failed += !good;
    }
    printf("1..%" PRIu32 "\n", run);
    return failed != 0 || run == 0;
}
