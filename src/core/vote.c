/* SPDX-License-Identifier: MIT */
/*
 * vote.c - votes: n attempts of one step, decided by a quorum (M16, M33).
 *
 * An attempt that answered OK is a ballot: it holds no agent and no permit any more, but its record
 * stays, with its result, until the vote is decided. Then the winner's result is the step's, the
 * others are given back, and what is still in flight is given up in the same round.
 */
#include "../dispatch/vote.h"
#include "breaker.h"
#include "gate.h"
#include "guard.h"

bool swarm__votes(const struct dispatch *d, const struct tracked *step) {
    return step->guard != NONE32 && (d->guards[step->guard].has & GUARD_VOTE) != 0;
}

void swarm__vote_ready(struct dispatch *d, uint32_t tracked) {
    struct tracked *step = &d->tracked[tracked];
    struct guard *guard = &d->guards[step->guard];

    SWARM_ASSERT(swarm__votes(d, step));
    if (guard->cast + guard->failed != 0) {
        return; /* one more of a vote that has begun */
    }
    guard->wants = guard->vote.start - 1;
    guard->wanted_ns = step->ready_ns;
    if (guard->vote.distinct != 0 && !guard->owns_demand) {
        step->demand = swarm__demand_own(d, step->demand);
        guard->owns_demand = true; /* who waits for another agent must not keep others waiting */
    }
}

void swarm__vote_want(swarm *sw, uint32_t tracked) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];

    if (step->state == SWARM_STEP_RUNNING && step->attempt == NONE32) {
        swarm__step_ready(sw, tracked);
        return;
    }
    d->guards[step->guard].wants++;
    if (!heap_contains(d->ready_nodes, tracked)) {
        swarm__demand_push(d, tracked);
    }
}

/* ---- ballots */

static void ballot_keep(swarm *sw, struct guard *guard, struct attempt *attempt) {
    attempt->kept = true;
    attempt->sibling = guard->ballots;
    guard->ballots = (uint32_t)(attempt - sw->dispatch.attempts);
    guard->cast++;
    sw->dispatch.kept++;
}

void swarm__vote_release(swarm *sw, uint32_t tracked) {
    struct dispatch *d = &sw->dispatch;
    struct guard *guard = &d->guards[d->tracked[tracked].guard];

    while (guard->ballots != NONE32) {
        uint32_t index = guard->ballots;
        struct attempt *attempt = &d->attempts[index];

        SWARM_ASSERT(attempt->kept && attempt->settled);
        guard->ballots = attempt->sibling;
        attempt->kept = false;
        d->kept--;
        if (attempt->answer.result.bytes != NULL) {
            attempt_request(d, index, ATTEMPT_WANTS_RELEASE);
        } else if (!attempt->queued) {
            attempt_free(d, index);
            swarm__demand_wake(d, WAIT_ATTEMPT);
        }
    }
    guard->cast = guard->failed = 0;
    guard->tried_count = 0;
}

/* The agent never began: it may be asked again. */
static void forget_tried(struct guard *guard, uint32_t agent) {
    for (uint32_t i = 0; i < guard->tried_count; i++) {
        if (guard->tried[i] == agent) {
            guard->tried[i] = guard->tried[--guard->tried_count];
            return;
        }
    }
}

void swarm__vote_answered(swarm *sw, uint32_t tracked, struct attempt *attempt,
                          swarm_outcome outcome) {
    struct guard *guard = &sw->dispatch.guards[sw->dispatch.tracked[tracked].guard];

    if (outcome == SWARM_OUTCOME_OK) {
        ballot_keep(sw, guard, attempt);
    } else if (outcome == SWARM_OUTCOME_REFUSED || outcome == SWARM_OUTCOME_THROTTLED ||
               outcome == SWARM_OUTCOME_QUOTA) {
        forget_tried(guard, attempt->agent);
        swarm__vote_want(sw, tracked);
    } else {
        guard->failed++;
    }
}

/* ---- the decision */

static void log_vote(swarm *sw, uint32_t tracked, const struct tally *tally,
                     const struct ballot *ballots) {
    const struct tracked *step = &sw->dispatch.tracked[tracked];
    const struct guard *guard = &sw->dispatch.guards[step->guard];
    bool has_winner = tally->winner != NONE32;
    uint64_t fields[8] = {tally->decision,
                          has_winner ? ballots[tally->winner].number : 0,
                          has_winner ? ballots[tally->winner].class : 0,
                          tally->votes,
                          guard->cast,
                          guard->failed,
                          guard->vote.quorum,
                          guard->vote.count};

    swarm__log(sw, SWARM_EVENT_VOTE, step->run, step->ordinal, fields);
}

static uint32_t collect(const struct dispatch *d, const struct guard *guard, struct ballot *out,
                        uint32_t *out_attempts) {
    uint32_t cast = 0;

    for (uint32_t at = guard->ballots; at != NONE32; at = d->attempts[at].sibling) {
        const struct attempt *attempt = &d->attempts[at];

        SWARM_ASSERT(cast < VOTE_MAX);
        out[cast].class = vote_class(&attempt->answer.result);
        out[cast].confidence_ppm = attempt->answer.result.confidence_ppm;
        out[cast].number = attempt->number;
        out_attempts[cast++] = at;
    }
    return cast;
}

void swarm__vote_decide(swarm *sw, uint32_t tracked) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];
    struct guard *guard = &d->guards[step->guard];
    struct ballot ballots[VOTE_MAX];
    uint32_t attempts[VOTE_MAX], cast = collect(d, guard, ballots, attempts);
    struct tally tally = vote_count(&guard->vote, ballots, cast, guard->failed);

    SWARM_ASSERT(cast == guard->cast);
    if (tally.decision == VOTE_OPEN) {
        if (step->attempt == NONE32 && !heap_contains(d->ready_nodes, tracked)) {
            swarm__vote_want(sw, tracked); /* one at a time from here on */
        }
        return;
    }
    log_vote(sw, tracked, &tally, ballots);
    for (uint32_t i = 0; i < cast && tally.winner != NONE32 && d->breakers_on != 0; i++) {
        swarm__breaker_voted(sw, d->attempts[attempts[i]].agent,
                             ballots[i].class == ballots[tally.winner].class);
    }
    swarm__rivals_drop(sw, tracked, SWARM_OK);
    if (tally.winner != NONE32) {
        swarm__attempt_wins(sw, tracked, &d->attempts[attempts[tally.winner]]);
    } else {
        step->outcome = SWARM_OUTCOME_GARBAGE;
        swarm__step_end(sw, tracked, SWARM_STEP_FAILED, SWARM_E_NO_QUORUM);
    }
}

void swarm__vote_refused(swarm *sw, uint32_t tracked) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];
    struct guard *guard = &d->guards[step->guard];

    guard->failed += guard->wants + (step->state == SWARM_STEP_READY);
    guard->wants = 0;
    swarm__demand_remove(d, tracked);
    if (step->state == SWARM_STEP_READY) {
        step->state = SWARM_STEP_RUNNING; /* until the decision, which comes now: nobody is left */
    }
    guard->failed = guard->vote.count - guard->cast < guard->failed
                        ? guard->vote.count - guard->cast
                        : guard->failed;
    swarm__vote_decide(sw, tracked);
}

/* ---- distinct agents, distinct backends */

static void mark(struct dispatch *d, const struct guard *guard, bool avoided) {
    for (uint32_t i = 0; i < guard->tried_count; i++) {
        struct agent *agent = &d->agents[guard->tried[i]];

        if (agent->avoided != avoided) {
            agent->avoided = avoided;
            d->profiles[agent->profile].avoided += avoided ? !agent->withdrawn : 0;
        }
    }
    for (uint32_t i = 0; !avoided && i < guard->tried_count; i++) {
        d->profiles[d->agents[guard->tried[i]].profile].avoided = 0;
    }
}

static void without_backends(const struct dispatch *d, const struct guard *guard,
                             struct skill_set *fits) {
    for (uint32_t i = 0; i < guard->tried_count; i++) {
        uint32_t backend = d->profiles[d->agents[guard->tried[i]].profile].backend;

        for (uint32_t p = 0; p < d->profiles_count; p++) {
            if (d->profiles[p].backend == backend) {
                fits->word[p / 64] &= ~(UINT64_C(1) << (p % 64));
            }
        }
    }
}

uint32_t swarm__rival_pick(swarm *sw, uint32_t head, int64_t *out_score, uint32_t *out_why) {
    struct dispatch *d = &sw->dispatch;
    const struct tracked *step = &d->tracked[head];
    struct guard *guard = &d->guards[step->guard];
    struct skill_set fits = *swarm__demand_profiles(d, step->demand);
    uint32_t agent, distinct = guard->vote.distinct;

    if ((distinct & SWARM_VOTE_BACKENDS) != 0) {
        without_backends(d, guard, &fits);
    }
    if ((distinct & SWARM_VOTE_AGENTS) != 0 || swarm__recovery_avoids(d, step)) {
        mark(d, guard, true);
    }
    agent = swarm__gate_pick(sw, step->demand, &fits, out_score, out_why);
    mark(d, guard, false);
    return agent;
}
