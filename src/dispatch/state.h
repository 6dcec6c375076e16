/* SPDX-License-Identifier: MIT */
/*
 * state.h - versioned keys of a run, what steps read and write of them, and branches (M30, M31).
 *
 * Every write of a run draws the next number of the run's state clock and gives it to its key as
 * version. A step that declares its keys carries an ACCESS: the clock at its start, and the values
 * that it was given then. When it ends well its puts are checked against that clock and applied in
 * one go. SNAPSHOT: no key that it writes has a version above its clock, so of two writers of one
 * key that ran side by side the first to end wins (first committer wins: Berenson, Bernstein, Gray,
 * Melton, O'Neil, O'Neil, "A critique of ANSI SQL isolation levels", SIGMOD 1995, section 4.2).
 * SERIALIZABLE: nor has one that it reads, so it could as well have run in the moment of its end
 * (backward validation: Haerder, "Observations on optimistic concurrency control schemes",
 * Information Systems 9(2), 1984). All values are read in one moment, so no reader sees half of a
 * write.
 *
 * A BRANCH holds the keys that were written through it; what it has not written is read from its
 * parent as that is now: exactly what a merge would leave behind, so whoever wants to check a merge
 * reads through the branch first. A merge is refused for the keys that the parent got after the
 * branch was opened.
 *
 * Invariants: a key's version is at most its run's clock and above 0; a (run, branch, key) stands
 * once in the table, in the list of its run. Cells are free, in an access, or in an answered
 * attempt.
 *
 * Memory: entries, accesses and cells of configured size. Threads: entries and branches are the
 * turn's; cells and accesses come from lock-free pools, for workers fill plans and any thread
 * answers an attempt.
 */
#ifndef SWARM_DISPATCH_STATE_H
#define SWARM_DISPATCH_STATE_H

#include "../../swarm.h"
#include "../base/hash.h"
#include "../base/pool.h"
#include "../base/slots.h"

#define EFFECTS_MAX 32u /* of one completion: what one operation may log */
#define READS_MAX 64u   /* of one step */

/* A key with its value. Invariant: 0 < version <= its run's clock. */
struct state_entry {
    uint64_t key;
    uint64_t value;
    uint64_t version;
    uint64_t writer; /* 1 + ordinal of the step; 0: the owner */
    uint32_t run;
    uint32_t branch; /* NONE32: the run itself */
    uint32_t chain;  /* hash chain */
    uint32_t next;   /* of the run, or of the branch */
};

/* An effect of a completion, or a key that a step reads. */
struct state_cell {
    swarm_effect effect; /* a read: key, value; bytes is the version, tokens the writer */
    uint32_t next;
};

/* What a step that declares its keys carries: which it reads, and what the clock said when its
 * attempt started. */
struct access {
    swarm_branch handle; /* of `branch`, to see that it is still the same */
    uint64_t clock;      /* of the run, when the attempt started */
    uint32_t reads;      /* list of cells */
    uint32_t effects;    /* of a call step that runs: list of cells */
    uint32_t reads_count;
    uint32_t isolation;
    uint32_t on_conflict;
    uint32_t branch;
};

/* A layer of writes over a run or another branch. Generation as in run.h. */
struct branch {
    uint64_t opened; /* the run's clock then */
    uint32_t run;
    uint32_t parent; /* NONE32: the run itself */
    uint32_t first;  /* entries */
    uint32_t children;
    atomic_u32 generation; /* odd: in use; any thread looks at it */
};

struct state {
    struct state_entry *entries;
    struct slots entries_free;
    uint32_t *chains;
    uint32_t mask;
    uint32_t *first;  /* entries of a run itself */
    uint64_t *clocks; /* of runs */
    struct state_cell *cells;
    struct pool cells_pool;
    struct access *accesses;
    struct pool accesses_pool;
    struct branch *branches;
    uint32_t branches_max;
};

/* The chain of the hash table for this name. mask + 1 chains, a power of two. */
static inline uint32_t *state_chain(const struct state *state, uint32_t run, uint32_t branch,
                                    uint64_t key) {
    SWARM_ASSERT((state->mask & (state->mask + 1)) == 0);
    return &state->chains[hash_mix64(hash_mix64(key, run), branch) & state->mask];
}

/* The entry that stands under exactly this name, or NONE32. */
static inline uint32_t state_at(const struct state *state, uint32_t run, uint32_t branch,
                                uint64_t key) {
    uint32_t at = *state_chain(state, run, branch, key);

    while (at != NONE32 && (state->entries[at].key != key || state->entries[at].run != run ||
                            state->entries[at].branch != branch)) {
        at = state->entries[at].chain;
    }
    return at;
}

/* What is read through a branch: its own entry, or that of the nearest parent that has one. */
static inline uint32_t state_find(const struct state *state, uint32_t run, uint32_t branch,
                                  uint64_t key) {
    uint32_t at = state_at(state, run, branch, key);

    while (at == NONE32 && branch != NONE32) {
        branch = state->branches[branch].parent;
        at = state_at(state, run, branch, key);
    }
    SWARM_ASSERT(at == NONE32 || state->entries[at].version <= state->clocks[run]);
    return at;
}

/* Version of a key as read through a branch; 0 when it was never written. */
static inline uint64_t state_version(const struct state *state, uint32_t run, uint32_t branch,
                                     uint64_t key) {
    uint32_t at = state_find(state, run, branch, key);

    return at == NONE32 ? 0 : state->entries[at].version;
}

/* Whether `count` keys that may be new find room. */
static inline bool state_has_room(const struct state *state, uint32_t count) {
    SWARM_ASSERT(state->entries_free.used <= state->entries_free.capacity);
    return count <= state->entries_free.capacity - state->entries_free.used;
}

/* A new entry, at the head of its chain and its list. Room was asked for before the completion was
 * applied: an effect is applied whole or not at all. */
static inline uint32_t state_insert(struct state *state, uint32_t run, uint32_t branch,
                                    uint64_t key) {
    uint32_t at = slots_take(&state->entries_free), *chain = state_chain(state, run, branch, key);
    uint32_t *first = branch == NONE32 ? &state->first[run] : &state->branches[branch].first;
    struct state_entry *entry = &state->entries[at];

    SWARM_ASSERT(at != NONE32); /* the caller has looked */
    entry->key = key;
    entry->run = run;
    entry->branch = branch;
    entry->chain = *chain;
    entry->next = *first;
    *chain = at;
    *first = at;
    return at;
}

/* Writes a key: a new version, also when the value is the same. */
static inline const struct state_entry *state_write(struct state *state, uint32_t run,
                                                    uint32_t branch, const swarm_effect *put,
                                                    uint64_t writer) {
    uint32_t at = state_at(state, run, branch, put->key);
    struct state_entry *entry;

    at = at != NONE32 ? at : state_insert(state, run, branch, put->key);
    entry = &state->entries[at];
    entry->value = put->value;
    entry->writer = writer;
    entry->version = ++state->clocks[run];
    SWARM_ASSERT(entry->version != 0);
    return entry;
}

static inline void state_remove(struct state *state, uint32_t at) {
    struct state_entry *entry = &state->entries[at];
    uint32_t *link = state_chain(state, entry->run, entry->branch, entry->key);

    while (*link != at) {
        SWARM_ASSERT(*link != NONE32);
        link = &state->entries[*link].chain;
    }
    *link = entry->chain;
    slots_give(&state->entries_free, at);
}

/* All entries of a run or a branch, which ends. O(entries). */
static inline void state_remove_all(struct state *state, uint32_t *first) {
    while (*first != NONE32) {
        uint32_t at = *first;

        *first = state->entries[at].next;
        state_remove(state, at);
    }
}

/* The first key, of what the step writes and then, for SERIALIZABLE, of what it reads, that has a
 * version above the access's clock; NONE32: no conflict. A cell. */
static inline uint32_t access_conflict(const struct state *state, uint32_t run,
                                       const struct access *access, uint32_t effects) {
    for (uint32_t at = effects; at != NONE32 && access->isolation != SWARM_ISOLATION_NONE;
         at = state->cells[at].next) {
        const swarm_effect *put = &state->cells[at].effect;

        if (put->kind == SWARM_EFFECT_PUT &&
            state_version(state, run, access->branch, put->key) > access->clock) {
            return at;
        }
    }
    for (uint32_t at = access->reads;
         at != NONE32 && access->isolation == SWARM_ISOLATION_SERIALIZABLE;
         at = state->cells[at].next) {
        if (state_version(state, run, access->branch, state->cells[at].effect.key) >
            access->clock) {
            return at;
        }
    }
    return NONE32;
}

/* Takes the values of this moment for the step that starts. */
static inline void access_begin(struct state *state, uint32_t run, struct access *access) {
    access->clock = state->clocks[run];
    for (uint32_t at = access->reads; at != NONE32; at = state->cells[at].next) {
        swarm_effect *read = &state->cells[at].effect;
        uint32_t entry = state_find(state, run, access->branch, read->key);

        read->value = entry == NONE32 ? 0 : state->entries[entry].value;
        read->bytes = entry == NONE32 ? 0 : state->entries[entry].version;
        read->tokens = entry == NONE32 ? 0 : state->entries[entry].writer;
    }
}

/* Gives a list of cells back. Any thread that owns it. */
static inline void cells_give(struct state *state, uint32_t *list) {
    for (uint32_t at = *list; at != NONE32;) {
        uint32_t next = state->cells[at].next;

        pool_push(&state->cells_pool, at);
        at = next;
    }
    *list = NONE32;
}

/* Copies effects into a list of cells, in their order; false, with nothing taken, when there are
 * too few cells. Any thread. */
static inline bool cells_take(struct state *state, const swarm_effect *effects, uint32_t count,
                              uint32_t *out_list) {
    uint32_t list = NONE32;

    SWARM_ASSERT(count <= READS_MAX);
    for (uint32_t i = count; i-- > 0;) {
        uint32_t at = pool_pop(&state->cells_pool);

        if (at == NONE32) {
            cells_give(state, &list);
            return false;
        }
        state->cells[at].effect = effects[i];
        state->cells[at].next = list;
        list = at;
    }
    *out_list = list;
    return true;
}

#endif
