/* SPDX-License-Identifier: MIT */
/*
 * prefix.h - which prompt prefixes the caches of agents still hold, as far as can be told from
 * outside (S7): of each agent the last `prefixes_max` that it worked with, the least recently used
 * one goes first. Part of table.h.
 *
 * A prefix is known to be with one agent: the last that was given a step of it. The order of a run
 * puts steps whose prefix is held in front, and the router prefers the agent that holds it; without
 * the first the second is worth little, for what many share is gone before its turn comes (measured
 * on S7: of tokens, 43 % against 88 %; SGLang's schedule_policy.py orders waiting requests alike).
 *
 * Invariant: an entry is in the chain of its name and in the list of its agent.
 *
 * Memory: a pool of configured size; when it is empty an agent forgets a prefix for each new one.
 * Threads: the turn.
 */
#ifndef SWARM_DISPATCH_PREFIX_H
#define SWARM_DISPATCH_PREFIX_H

#include "../base/hash.h"
#include "../base/slots.h"

struct prefix {
    uint64_t name;
    uint32_t agent;
    uint32_t newer, older; /* of the agent */
    uint32_t chain;
};

/* What one agent holds. */
struct prefix_list {
    uint32_t newest, oldest;
    uint32_t count;
};

struct prefixes {
    struct prefix *entries;
    struct slots free;
    struct prefix_list *lists; /* one an agent */
    uint32_t *chains;
    uint32_t mask;
};

static inline uint32_t *prefix_chain(const struct prefixes *p, uint64_t name) {
    return &p->chains[hash_mix64(name, 0) & p->mask];
}

/* The entry of a prefix that some agent holds, or NONE32. */
static inline uint32_t prefix_find(const struct prefixes *p, uint64_t name) {
    uint32_t at = *prefix_chain(p, name);

    while (at != NONE32 && p->entries[at].name != name) {
        at = p->entries[at].chain;
    }
    return at;
}

static inline void prefix_unlink(struct prefixes *p, uint32_t index) {
    struct prefix *entry = &p->entries[index];
    struct prefix_list *list = &p->lists[entry->agent];

    SWARM_ASSERT(list->count != 0);
    *(entry->newer == NONE32 ? &list->newest : &p->entries[entry->newer].older) = entry->older;
    *(entry->older == NONE32 ? &list->oldest : &p->entries[entry->older].newer) = entry->newer;
    list->count--;
}

static inline void prefix_link(struct prefixes *p, uint32_t index, uint32_t agent) {
    struct prefix_list *list = &p->lists[agent];

    p->entries[index].agent = agent;
    p->entries[index].newer = NONE32;
    p->entries[index].older = list->newest;
    *(list->newest == NONE32 ? &list->oldest : &p->entries[list->newest].newer) = index;
    list->newest = index;
    list->count++;
}

/* The agent's least recently used one goes. */
static inline void prefix_forget(struct prefixes *p, uint32_t agent) {
    uint32_t index = p->lists[agent].oldest, *link = prefix_chain(p, p->entries[index].name);

    while (*link != index) {
        SWARM_ASSERT(*link != NONE32);
        link = &p->entries[*link].chain;
    }
    *link = p->entries[index].chain;
    prefix_unlink(p, index);
    slots_give(&p->free, index);
}

/* An agent whose cache holds `most` prefixes begins a step of this one. */
static inline void prefix_use(struct prefixes *p, uint64_t name, uint32_t agent, uint32_t most) {
    uint32_t index = prefix_find(p, name), *chain = prefix_chain(p, name);

    if (most == 0) {
        return;
    }
    if (index != NONE32) {
        prefix_unlink(p, index);
        prefix_link(p, index, agent);
    } else if (p->free.used != p->free.capacity || p->lists[agent].count != 0) {
        if (p->free.used == p->free.capacity) {
            prefix_forget(p, agent);
        }
        index = slots_take(&p->free);
        p->entries[index].name = name;
        p->entries[index].chain = *chain;
        *chain = index;
        prefix_link(p, index, agent);
    }
    while (p->lists[agent].count > most) {
        prefix_forget(p, agent);
    }
}

#endif
