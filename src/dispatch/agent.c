/* SPDX-License-Identifier: MIT */
/*
 * agent.c - the scoring, and the heaps of free agents.
 *
 * Score, higher is better: minus 1000 for a skill that the profile has beyond those required (the
 * rare ones are kept for who needs them), minus 1000 for an attempt in flight, minus the profile's
 * cost. Equal scores go to the smaller id, so the choice does not depend on any history. All agents
 * of a profile differ in their load only, so the top of each profile's heap stands for it, and a
 * pick costs the number of profiles and not of agents.
 */
#include "agent.h"

#include "skill.h"

#include <string.h>

#define COST_MAX 1000000u
#define SCORE_SKILL 1000     /* for a skill that the profile has and the step does not require */
#define SCORE_LOAD 1000      /* for an attempt in flight */
#define SCORE_PREFIX 1000000 /* for a cache that holds the step's prefix */

/* Every refusal of a setup call passes here: status and a text that says what to do. SWARM_OK makes
 * the record that of no error. */
void swarm__refuse(swarm_error *out_error, swarm_status status, const char *text) {
    SWARM_ASSERT(status <= SWARM_OK);
    SWARM_ASSERT(text != NULL || status == SWARM_OK);
    out_error->status = status;
    out_error->index = SWARM_NONE;
    out_error->step = SWARM_NEVER;
    out_error->other = SWARM_NEVER;
    out_error->text = text;
}

/* Adds a backend, or says why not; nothing has changed then. Names are what a resume matches by, so
 * two may not be equal. */
uint32_t swarm__backend_add(struct dispatch *d, const swarm_backend *table,
                            swarm_error *out_error) {
    uint32_t index = d->backends_count;
    uint64_t name;

    if (table == NULL || table->size != sizeof *table || table->name == NULL) {
        swarm__refuse(out_error, SWARM_E_INVALID, "backend: null, without a name, or another size");
        return NONE32;
    }
    name = hash_text64(table->name);
    for (uint32_t i = 0; i < index; i++) {
        if (d->backends[i].name == name) {
            swarm__refuse(out_error, SWARM_E_DUPLICATE, "backend: the name is taken");
            return NONE32;
        }
    }
    if (index == d->config->backends_max) {
        swarm__refuse(out_error, SWARM_E_FULL, "backend: raise config.backends_max");
        return NONE32;
    }
    d->backends[index].table = *table;
    d->backends[index].name = name;
    d->backends[index].held_until = 0;
    memset(&d->backends[index].governor, 0, sizeof d->backends[index].governor);
    memset(&d->backends[index].breaker, 0, sizeof d->backends[index].breaker);
    d->backends[index].shut = false;
    d->backends[index].inflight = 0;
    d->backends[index].limits = NONE32;
    heap_node_init(d->timer_nodes, timer_of_governor(d, index));
    heap_node_init(d->timer_nodes, timer_of_backend(d, index));
    d->backends_count++;
    SWARM_ASSERT(d->backends_count <= d->config->backends_max);
    return index;
}

/* What can be said without changing anything. */
static bool profile_check(const struct dispatch *d, const swarm_profile_spec *spec,
                          swarm_error *out_error) {
    if (spec == NULL || spec->name == NULL || (spec->skills == NULL && spec->skills_count != 0) ||
        spec->cost > COST_MAX || spec->reserved != 0) {
        swarm__refuse(out_error, SWARM_E_INVALID,
                      "profile: no name, no skills, cost above 10^6, or reserved is not 0");
        return false;
    }
    if (spec->backend.id == 0 || spec->backend.id > d->backends_count) {
        swarm__refuse(out_error, SWARM_E_STALE, "profile: no such backend");
        return false;
    }
    for (uint32_t i = 0; i < d->profiles_count; i++) {
        if (d->profiles[i].name == hash_text64(spec->name)) {
            swarm__refuse(out_error, SWARM_E_DUPLICATE, "profile: the name is taken");
            return false;
        }
    }
    if (d->profiles_count == d->config->profiles_max) {
        swarm__refuse(out_error, SWARM_E_FULL, "profile: raise config.profiles_max");
        return false;
    }
    return true;
}

static bool profile_skills(struct dispatch *d, const swarm_profile_spec *spec,
                           struct skill_set *out_set, swarm_error *out_error) {
    swarm_status status = swarm__skills_name(d, spec, out_set);

    if (status != SWARM_OK) {
        swarm__refuse(out_error, status,
                      status == SWARM_E_FULL ? "profile: raise config.skills_max"
                                             : "profile: a null skill");
    }
    return status == SWARM_OK;
}

/* The record is filled before the count makes it one: a refusal in the middle leaves nothing. The
 * version tells demands to look again which profiles fit. */
uint32_t swarm__profile_add(struct dispatch *d, const swarm_profile_spec *spec,
                            swarm_error *out_error) {
    uint32_t index = d->profiles_count;
    struct profile *profile = &d->profiles[index];

    if (!profile_check(d, spec, out_error)) {
        return NONE32;
    }
    memset(profile, 0, sizeof *profile);
    if (!profile_skills(d, spec, &profile->skills, out_error)) {
        return NONE32;
    }
    profile->name = hash_text64(spec->name);
    profile->backend = (uint32_t)spec->backend.id - 1;
    profile->inflight_max = spec->inflight_max == 0 ? 1 : spec->inflight_max;
    profile->cost = spec->cost;
    profile->prefixes_max = spec->prefixes_max;
    profile->slow_ppm = spec->slow_ppm == 0 ? MILLION : spec->slow_ppm;
    profile->notebook_tokens_max =
        spec->notebook_tokens_max == 0 ? SWARM_NEVER : spec->notebook_tokens_max;
    profile->conclusion_bytes_max =
        spec->conclusion_bytes_max == 0 ? SWARM_NEVER : spec->conclusion_bytes_max;
    if (spec->price != NULL) {
        profile->price = *spec->price;
    }
    profile->free = NONE32;
    profile->hedge_samples = SWARM_NONE;
    profile->hedge_ppm = SWARM_NONE;
    d->profiles_count++;
    d->profiles_version++;
    SWARM_ASSERT(d->profiles_count <= d->config->profiles_max);
    return index;
}

/* Whether it may get one attempt more. What is withdrawn finishes what it has. */
static bool agent_has_room(const struct dispatch *d, uint32_t index) {
    const struct agent *agent = &d->agents[index];

    return !agent->withdrawn && !agent->shut &&
           agent->inflight < d->profiles[agent->profile].inflight_max;
}

/* The heap of a profile's agents: least loaded first, then the smaller id. */
static void agent_place(struct dispatch *d, uint32_t index) {
    struct agent *agent = &d->agents[index];
    uint32_t *heap = &d->profiles[agent->profile].free;

    if (heap_contains(d->agent_nodes, index)) {
        heap_remove(d->agent_nodes, heap, index);
    }
    if (agent_has_room(d, index)) {
        d->agent_nodes[index].rank = agent->inflight;
        d->agent_nodes[index].first = index;
        d->agent_nodes[index].second = 0;
        heap_push(d->agent_nodes, heap, index);
    }
}

/* Ids are places in the array and never used again, so a handle needs no generation. The records
 * come before the count, which other threads read. */
uint32_t swarm__agent_add(struct dispatch *d, uint32_t profile, uint32_t count,
                          swarm_error *out_error) {
    uint32_t first = ATOMIC_LOAD(&d->agents_count, relaxed); /* only the turn adds */

    SWARM_ASSERT(profile < d->profiles_count);
    if (count == 0) {
        swarm__refuse(out_error, SWARM_E_INVALID, "agent: the count is 0");
        return NONE32;
    }
    if (count > d->config->agents_max - first) {
        swarm__refuse(out_error, SWARM_E_FULL, "agent: raise config.agents_max");
        return NONE32;
    }
    d->profiles[profile].agents += count;
    for (uint32_t i = first; i < first + count; i++) {
        memset(&d->agents[i], 0, sizeof d->agents[i]);
        d->agents[i].profile = profile;
        heap_node_init(d->agent_nodes, i);
        d->prefixes.lists[i] = (struct prefix_list){NONE32, NONE32, 0};
        agent_place(d, i);
    }
    ATOMIC_STORE(&d->agents_count, first + count, release); /* pairs with agent_exists */
    return first;
}

/* No new attempts. Those in flight go on, and their slots come back as always. */
void swarm__agent_withdraw(struct dispatch *d, uint32_t agent) {
    SWARM_ASSERT(agent < ATOMIC_LOAD(&d->agents_count, relaxed));
    if (!d->agents[agent].withdrawn) {
        SWARM_ASSERT(d->profiles[d->agents[agent].profile].agents != 0);
        d->agents[agent].withdrawn = true;
        d->profiles[d->agents[agent].profile].agents--;
        agent_place(d, agent);
    }
}

void swarm__agent_shut(struct dispatch *d, uint32_t agent, bool shut) {
    if (d->agents[agent].shut != shut) {
        d->agents[agent].shut = shut;
        agent_place(d, agent);
    }
}

/* Kernighan's: as many rounds as bits. Not a builtin: the same code for every compiler. */
static uint32_t bits_count(uint64_t bits) {
    uint32_t count = 0;

    for (; bits != 0; bits &= bits - 1) {
        count++;
    }
    return count;
}

/* Skills that the profile has beyond those required. */
static uint32_t surplus(const struct profile *profile, const struct demand *demand) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < SKILL_WORDS; i++) {
        count += bits_count(profile->skills.word[i] & ~demand->skills.word[i]);
    }
    return count;
}

static int64_t score_of(const struct dispatch *d, uint32_t agent, const struct demand *demand) {
    const struct profile *profile = &d->profiles[d->agents[agent].profile];

    return -(int64_t)SCORE_SKILL * surplus(profile, demand) -
           (int64_t)SCORE_LOAD * d->agents[agent].inflight - (int64_t)profile->cost;
}

/* The least loaded one that is not to be avoided: the heap is walked, for this is rare. */
static uint32_t best_allowed(const struct dispatch *d, uint32_t profile) {
    uint32_t root = d->profiles[profile].free, best = NONE32;

    for (uint32_t at = root; at != NONE32; at = heap_walk(d->agent_nodes, root, at)) {
        if (!d->agents[at].avoided &&
            (best == NONE32 || heap_before(&d->agent_nodes[at], &d->agent_nodes[best]))) {
            best = at;
        }
    }
    return best;
}

/* The profile's best agent for the demand: a pinned one, or the least loaded. */
static uint32_t best_of_profile(const struct dispatch *d, uint32_t profile,
                                const struct demand *demand) {
    if (demand->agent != NONE32) {
        bool allowed = !d->agents[demand->agent].avoided;

        return allowed && agent_has_room(d, demand->agent) ? demand->agent : NONE32;
    }
    return d->profiles[profile].avoided == 0 ? heap_top(d->agent_nodes, &d->profiles[profile].free)
                                             : best_allowed(d, profile);
}

/* Whether waiting is in vain: nobody in service, or nobody whom the step may still be given to. */
static bool nobody_left(const struct dispatch *d, uint32_t profile, const struct demand *demand) {
    return demand->agent != NONE32
               ? d->agents[demand->agent].withdrawn || d->agents[demand->agent].avoided
               : d->profiles[profile].agents == d->profiles[profile].avoided;
}

static bool backend_is_held(const struct backend *backend) {
    return backend->held_until != 0 || backend->shut;
}

uint32_t swarm__agent_pick(const struct dispatch *d, const struct demand *demand,
                           const struct skill_set *fits, int64_t *out_score, uint32_t *out_why) {
    uint32_t best = NONE32;

    *out_why = PICK_NOBODY;
    for (uint32_t p = 0; p < d->profiles_count; p++) {
        uint32_t agent;
        int64_t score;

        if (!set_has(fits, p) || nobody_left(d, p, demand)) {
            continue;
        }
        if (backend_is_held(&d->backends[d->profiles[p].backend])) {
            *out_why = *out_why == PICK_NOBODY ? PICK_HELD : *out_why;
            continue;
        }
        *out_why = PICK_BUSY;
        agent = best_of_profile(d, p, demand);
        if (agent == NONE32) {
            continue;
        }
        score = score_of(d, agent, demand);
        if (best == NONE32 || score > *out_score || (score == *out_score && agent < best)) {
            best = agent;
            *out_score = score;
        }
    }
    return best;
}

/* A backend that has no limits and is not held lets every agent of its own through. */
static bool is_open(const struct dispatch *d, uint32_t agent, uint32_t picked) {
    uint32_t backend = d->profiles[d->agents[agent].profile].backend;

    return backend == d->profiles[d->agents[picked].profile].backend ||
           (d->gates == 0 && !backend_is_held(&d->backends[backend]));
}

uint32_t swarm__agent_prefer(const struct dispatch *d, uint32_t index, uint64_t prefix,
                             uint32_t picked, int64_t *score) {
    const struct demand *demand = &d->demands[index];
    uint32_t entry = prefix_find(&d->prefixes, prefix), agent;

    SWARM_ASSERT(picked != NONE32);
    if (entry == NONE32 || demand->agent != NONE32) {
        return picked;
    }
    agent = d->prefixes.entries[entry].agent;
    if (!set_has(&demand->profiles, d->agents[agent].profile) || d->agents[agent].avoided ||
        !agent_has_room(d, agent) || !is_open(d, agent, picked)) {
        return picked;
    }
    *score = SCORE_PREFIX + score_of(d, agent, demand);
    return agent;
}

void swarm__agent_take(struct dispatch *d, uint32_t agent) {
    SWARM_ASSERT(agent_has_room(d, agent));
    d->agents[agent].inflight++;
    d->profiles[d->agents[agent].profile].inflight++;
    d->agents[agent].attempts++;
    agent_place(d, agent);
}

void swarm__agent_give(struct dispatch *d, uint32_t agent, uint64_t busy_ns) {
    SWARM_ASSERT(d->profiles[d->agents[agent].profile].inflight != 0);
    SWARM_ASSERT(d->agents[agent].inflight != 0);
    d->agents[agent].inflight--;
    d->profiles[d->agents[agent].profile].inflight--;
    d->agents[agent].busy_ns += busy_ns;
    agent_place(d, agent);
}
