/* SPDX-License-Identifier: MIT */
/*
 * resume.h - a log read again: from bytes to frames (resume.c), from events to operations
 * (replay.c), from a plan's events to the plan (replayplan.c). Part of core.h.
 */
#ifndef SWARM_CORE_RESUME_H
#define SWARM_CORE_RESUME_H

#include "../dispatch/table.h"
#include "../record/log.h"

enum { RESUME_NONE = 0, RESUME_FEEDING = 1, RESUME_FAILED = 2, RESUME_DONE = 3 };

/* Requirements of a step, from the log. */
struct replay_demand {
    struct demand demand;
    swarm_charge_spec charge; /* a null budget: none */
    bool is_set;
};

struct resume {
    swarm_error error;   /* why it failed */
    struct hash128 hash; /* of the log up to `good` */
    struct replay_demand wanted;
    uint64_t offset; /* bytes of the log in whole frames so far */
    uint64_t good;   /* of these, those whose events have all been applied */
    uint64_t frames, good_frames;
    unsigned char *bytes; /* unread events of whole frames, then what was fed behind them */
    size_t capacity, events, used;
    uint32_t state, mode;
    uint32_t posts; /* list of call steps that came back, and the log has not said so yet */
    uint32_t agents, profiles, tenants; /* that the caller has set up */
    uint32_t near;                      /* the tracked step that was named last */
    bool torn; /* a bad frame was seen: a good one behind it means damage */
};

/* Fails the resume: the first reason is kept. */
void swarm__resume_fail(swarm *sw, swarm_status status, const char *text);

/* Whether the swarm is not to go on: its attempts are nobody's. */
bool swarm__resume_only_looked(const swarm *sw);

/* Applies the events at hand, as far as they are complete. */
void swarm__replay_events(swarm *sw);
/* The event that comes next, decoded; false at the end of what is at hand. *out_size: its bytes. */
bool swarm__replay_peek(const swarm *sw, size_t at, swarm_event *out_event, size_t *out_size);
/* Takes an event for read that nothing will write again. */
void swarm__replay_accept(swarm *sw, const swarm_event *event);
/* The steps that came back and are not in the log yet: arrivals of the next round. */
uint32_t swarm__replay_posts(swarm *sw, uint32_t list);
/* Whether the attempt that is given up next had been taken. */
bool swarm__replay_was_taken(swarm *sw);
/* Whether the next event is of this kind, or nothing is replayed: where another thread had a part
 * in what was decided. */
bool swarm__replay_next(const swarm *sw, uint32_t kind);
/* The digest of a payload that is not there yet, as the log has it; SWARM_NEVER otherwise. */
uint64_t swarm__replay_payload(swarm *sw);
/* Index of the run with this number, or NONE32. */
uint32_t swarm__replay_run(const swarm *sw, uint64_t number);
/* Index of the attempt that an event names by its first two fields, or NONE32. */
uint32_t swarm__replay_attempt(const swarm *sw, const swarm_event *event, uint32_t run);
/* Goes on with the round under way to its end, for the event is not of it; and to its time. */
void swarm__replay_round_finish(swarm *sw, const swarm_event *event);
/* Attempts that were settled without an answer leave the queue, as if taken. */
void swarm__replay_sweep(swarm *sw);
/* An attempt that is over is in no queue: nobody takes requests in a replay. */
void swarm__replay_unqueue(struct dispatch *d, uint32_t attempt);

/* Slot of the step with this ordinal, or NONE32. */
uint32_t swarm__replay_slot(swarm *sw, uint32_t run, uint64_t ordinal);

/* Adds the owner's plan whose events are at hand. */
void swarm__replay_plan(swarm *sw, uint32_t run);
/* Fills a step's demand from the log instead of from its spec. */
void swarm__replay_demand(swarm *sw, struct demand *demand);

/* ---- replayowner.c */

/* Does again what the owner did between two rounds. False: the event is none of that. */
bool swarm__replay_owner(swarm *sw, const swarm_event *event);

/* Brings profiles up to this id into service, as far as the caller has set them up. */
void swarm__replay_profile(swarm *sw, uint64_t id);
/* Brings tenants up to this id into service, as far as the caller has set them up. */
void swarm__replay_tenant(swarm *sw, uint64_t id);
/* Applies an event of setuplog.c. */
void swarm__replay_setup(swarm *sw, const swarm_event *event);

#endif
