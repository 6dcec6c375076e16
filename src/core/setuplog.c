/* SPDX-License-Identifier: MIT */
/*
 * setuplog.c - what was set up, in the log: backends, profiles, agents, permits.
 *
 * Setup calls write nothing, so they need no room in the log. The next round that applies or starts
 * something writes what has come since the last one, one event an operation, before all else: only
 * rounds look at agents, so that is early enough. Names are digests; tables and functions are the
 * process's own, and a resume finds them by the names.
 *
 * Threads: the turn.
 */
#include "core.h"

enum {
    SETUP_BACKEND = 1,
    SETUP_PROFILE = 2,
    SETUP_AGENTS = 3,
    SETUP_WITHDRAWN = 4,
    SETUP_PERMIT = 5
};

static void log_setup(swarm *sw, uint32_t what, uint32_t index, uint64_t name, uint64_t detail) {
    uint64_t fields[4] = {what, (uint64_t)index + 1, name, detail};

    swarm__log(sw, SWARM_EVENT_SETUP, NONE32, SWARM_NEVER, fields);
}

/* Over all that decides what its agents are given. Skills by their names: which bit a skill has
 * depends on who named it first. */
static uint64_t profile_digest(const struct dispatch *d, const struct profile *profile) {
    uint64_t digest = hash_mix64(profile->backend, profile->inflight_max);
    uint64_t skill = swarm__skill_above(d, &profile->skills, 0);

    digest = hash_mix64(digest, profile->cost);
    for (; skill != 0; skill = swarm__skill_above(d, &profile->skills, skill)) {
        digest = hash_mix64(digest, skill);
    }
    return digest;
}

/* As many as are of one profile, side by side. */
static void log_agents(swarm *sw) {
    const struct dispatch *d = &sw->dispatch;
    uint32_t first = sw->logged.agents, count = 1;
    uint32_t all = ATOMIC_LOAD(&d->agents_count, relaxed), profile = d->agents[first].profile;

    while (first + count < all && d->agents[first + count].profile == profile) {
        count++;
    }
    sw->logged.agents = first + count;
    log_setup(sw, SETUP_AGENTS, first, (uint64_t)profile + 1, count);
}

static void log_withdrawn(swarm *sw) {
    struct dispatch *d = &sw->dispatch;
    uint32_t agent = 0;

    while (!d->agents[agent].withdrawn || d->agents[agent].withdrawn_logged) {
        agent++;
        SWARM_ASSERT(agent < ATOMIC_LOAD(&d->agents_count, relaxed));
    }
    d->agents[agent].withdrawn_logged = true;
    sw->logged.withdrawals--;
    log_setup(sw, SETUP_WITHDRAWN, agent, 0, 0);
}

bool swarm__setup_log(swarm *sw) {
    const struct dispatch *d = &sw->dispatch;
    struct setup_logged *logged = &sw->logged;

    if (!sw->log.enabled) {
        return false;
    }
    if (logged->backends < d->backends_count) {
        uint32_t i = logged->backends++;

        log_setup(sw, SETUP_BACKEND, i, d->backends[i].name, 0);
    } else if (logged->profiles < d->profiles_count) {
        uint32_t i = logged->profiles++;

        log_setup(sw, SETUP_PROFILE, i, d->profiles[i].name, profile_digest(d, &d->profiles[i]));
    } else if (logged->agents < ATOMIC_LOAD(&d->agents_count, relaxed)) {
        log_agents(sw);
    } else if (logged->permits < ATOMIC_LOAD(&d->permits_count, relaxed)) {
        uint32_t i = logged->permits++;

        log_setup(sw, SETUP_PERMIT, i, d->permits[i].name, d->permits[i].capacity);
    } else if (logged->withdrawals != 0) {
        log_withdrawn(sw);
    } else {
        return false;
    }
    return true;
}
