/* SPDX-License-Identifier: MIT */
/*
 * scenario.c - plays one scheduling scenario in virtual time and prints what came of it.
 *
 *     scenario NAME [--seed S] [--input FILE] [--json]
 *
 * Each scenario plays a block of seeds from S on and reports means, unless a key says median; times
 * are ms of virtual time, ratios millionths. With --json one JSON object on stdout, else a table.
 * Without a name, or with a wrong one, the names are listed.
 * --input names a recorded workload, for a scenario that takes one; times are in its unit then.
 */
#include <inttypes.h>

#include "scenario_affinity.h"
#include "scenario_budget.h"
#include "scenario_deadlock.h"
#include "scenario_fairness.h"
#include "scenario_fleet.h"
#include "scenario_governor.h"
#include "scenario_learned.h"
#include "scenario_order.h"
#include "scenario_slack.h"
#include "scenario_quota.h"
#include "scenario_stall.h"
#include "scenario_tree.h"
#include "scenario_vote.h"

enum { EXIT_GOOD = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

struct entry {
    const char *name;
    bool (*play)(struct scenario *s);
    bool has_input; /* takes --input */
    const char *what;
};

static const struct entry entries[] = {
    {"affinity", play_affinity, false, "300 sessions on 64 slots that keep prompts, a long queue"},
    {"budget", play_budget, false, "2.4 million tokens for 300 agents that would use more"},
    {"cache_fleet", play_cache_fleet, true, "300 recorded sessions, 64 slots, 200,000 blocks"},
    {"cancel", play_cancel, false, "a tree of 1,010,101 steps, cancelled at its root"},
    {"critical_path", play_critical_path, true, "4,000 steps in uneven chains on 48 agents"},
    {"dataflow", play_dataflow, true, "300 chains of 13 steps on 64 agents, against barriers"},
    {"deadlock", play_deadlock, false, "cycles in plans, and circles of steps that run"},
    {"fairness", play_fairness, true, "300 runs of unequal size, three tenants, 64 agents"},
    {"governor", play_governor, false, "300 steps, and a backend that turns away what is too much"},
    {"hedge", play_hedge, false, "300 steps of which some hang: second attempts for the slow ones"},
    {"join", play_join, false, "300 steps of which some hang: all of them, or 95 of 100"},
    {"learned_fleet", play_learned_fleet, true, "300 recorded sessions, durations learned"},
    {"learned_workflows", play_learned_workflows, true, "recorded workflows, others of their kind"},
    {"quota_death", play_quota_death, false,
     "4,000 steps, and an account that pays for half of them"},
    {"slack", play_slack, false, "4,000 steps on fast agents and on slow, cheap ones"},
    {"vote", play_vote, false, "five voters, three must agree: all of them, or until they do"},
};

#define ENTRIES (sizeof entries / sizeof entries[0])

static int usage(const char *what, const char *which) {
    fprintf(stderr, "scenario: %s%s\n", what, which);
    fputs("usage: scenario NAME [--seed S] [--input FILE] [--json]\n", stderr);
    for (size_t i = 0; i < ENTRIES; ++i) {
        fprintf(stderr, "  %-18s %s%s\n", entries[i].name, entries[i].what,
                entries[i].has_input ? " (--input)" : "");
    }
    return EXIT_USAGE;
}

static const struct entry *find(const char *name) {
    for (size_t i = 0; i < ENTRIES; ++i) {
        if (strcmp(entries[i].name, name) == 0) {
            return &entries[i];
        }
    }
    return NULL;
}

static void print_values(const struct scenario *s, const char *name, bool json) {
    printf(json ? "{\"scenario\":\"%s\",\"seed\":%" PRIu64 : "%s, seed %" PRIu64 "\n", name,
           s->seed);
    for (uint32_t i = 0; i < s->count; ++i) {
        printf(json ? ",\"%s\":%" PRIu64 : "  %-24s %14" PRIu64 "\n", s->values[i].key,
               s->values[i].value);
    }
    if (json) {
        puts("}");
    }
}

static int play(const struct entry *entry, struct scenario *s, bool json) {
    bool good = entry->play(s);
    engine_free(&s->engine);
    if (!good) {
        fprintf(stderr, "scenario %s: %s: %s\n", entry->name,
                s->error.status != NULL ? s->error.status : "SWARM_E_FAILED", s->error.text);
        return EXIT_BAD;
    }
    print_values(s, entry->name, json);
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_GOOD : EXIT_BAD;
}

static bool read_seed(const char *text, uint64_t *out_seed) {
    struct slice word = {text, text != NULL ? strlen(text) : 0};
    return slice_is_digits(word) && slice_number(word, UINT64_MAX, out_seed);
}

int main(int count, char **words) {
    static struct scenario s = {.seed = 1};
    const char *name = NULL;
    bool json = false;
    for (int i = 1; i < count; ++i) {
        const char *next = i + 1 < count ? words[i + 1] : NULL;
        if (strcmp(words[i], "--json") == 0) {
            json = true;
        } else if (strcmp(words[i], "--seed") == 0) {
            if (!read_seed(next, &s.seed)) {
                return usage("missing or wrong value after ", words[i]);
            }
            ++i;
        } else if (strcmp(words[i], "--input") == 0) {
            if (next == NULL) {
                return usage("missing value after ", words[i]);
            }
            s.input = words[++i];
        } else if (words[i][0] == '-') {
            return usage("unknown option ", words[i]);
        } else if (name != NULL) {
            return usage("more than one scenario: ", words[i]);
        } else {
            name = words[i];
        }
    }
    const struct entry *entry = name != NULL ? find(name) : NULL;
    if (entry == NULL) {
        return usage(name != NULL ? "no such scenario: " : "no scenario named", name ? name : "");
    }
    if (s.input != NULL && !entry->has_input) {
        return usage("takes no --input: ", name);
    }
    return play(entry, &s, json);
}
