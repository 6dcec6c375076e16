/* SPDX-License-Identifier: MIT */
/*
 * join.c - joins other than AND: counting what arrives, going on, and cancelling the losers (M22).
 *
 * All edges into a join are dispatch's: its `pending` is a gate of 1 that opens once, when the join
 * is decided, or when the step is cancelled before. An edge may still lead to it when it has long
 * ended, so each holds a reference until it has arrived. What the join reads is settled in the
 * instant of the decision: inputs that did not count are marked as holes, whatever becomes of them.
 *
 * The decision is taken when the edge arrives; its event is written when the step is dealt with,
 * for one step may feed any number of joins and an operation has room for few events. Losers are
 * cancelled one an operation, after the arrivals of the round: of a completion and a cancel at one
 * instant the completion wins.
 *
 * Threads: the turn.
 */
#include "core.h"

static struct join *join_of(struct dispatch *d, uint32_t tracked) {
    SWARM_ASSERT(swarm__step_joins(d, tracked));
    return &d->shapes[d->tracked[tracked].shape].join;
}

static void gate_open(swarm *sw, uint32_t tracked) {
    struct dispatch *d = &sw->dispatch;
    uint32_t slot = d->tracked[tracked].slot;
    bool ready, poisoned;

    if (join_of(d, tracked)->edges == 0 && graph_has(&sw->graph, slot, GRAPH_STATIC)) {
        return; /* the graph starts it with those that wait for nothing */
    }
    ready = swarm__graph_count_down(&sw->graph, slot, false, &poisoned);
    SWARM_ASSERT(ready && !poisoned);
    if (ready) {
        swarm__woken_push(sw, slot, false);
    }
}

void swarm__join_decide(swarm *sw, uint32_t tracked) {
    struct join *join = join_of(&sw->dispatch, tracked);

    SWARM_ASSERT(join->verdict == JOIN_WAITS);
    join->verdict = join_judge(join);
    if (join->verdict != JOIN_WAITS) {
        sw->dispatch.tracked[tracked].holes = true;
        swarm__inputs_mark(sw, tracked);
        gate_open(sw, tracked);
    }
}

void swarm__join_arrived(swarm *sw, uint32_t tracked, uint32_t what) {
    struct dispatch *d = &sw->dispatch;
    struct join *join = join_of(d, tracked);

    if (join->verdict == JOIN_WAITS) {
        const struct shape *shape = &d->shapes[d->tracked[tracked].shape];

        join_add(join, shape->is_plain && what == EDGE_HOLE ? EDGE_OK : what);
        if (!shape->staged) {
            swarm__join_decide(sw, tracked);
        }
    }
    swarm__step_unref(sw, d->tracked[tracked].slot); /* the edge's */
}

void swarm__join_abandon(swarm *sw, uint32_t tracked) {
    struct join *join = join_of(&sw->dispatch, tracked);

    if (join->verdict == JOIN_WAITS) {
        join->verdict = JOIN_CANCELLED;
        gate_open(sw, tracked);
    }
}

static void losers_push(swarm *sw, uint32_t tracked) {
    struct dispatch *d = &sw->dispatch;
    struct round *round = &sw->round;
    struct join *join = join_of(d, tracked);

    swarm__step_read(sw, tracked); /* its inputs are needed until the end of it */
    join->loser = d->tracked[tracked].inputs_first;
    join->next = NONE32;
    if (round->losers_first == NONE32) {
        round->losers_first = tracked;
    } else {
        join_of(d, round->losers_last)->next = tracked;
    }
    round->losers_last = tracked;
}

bool swarm__join_goes(swarm *sw, uint32_t tracked) {
    const struct tracked *step = &sw->dispatch.tracked[tracked];
    const struct join *join = join_of(&sw->dispatch, tracked);
    uint64_t fields[7] = {join->verdict, join->need,    join->edges,  join->ok,
                          join->failed,  join->garbage, join->missing};

    SWARM_ASSERT(join->verdict != JOIN_WAITS);
    SWARM_ASSERT(join->verdict != JOIN_CANCELLED);
    swarm__log(sw, SWARM_EVENT_JOIN, step->run, step->ordinal, fields);
    if ((join->flags & SWARM_JOIN_CANCEL_LOSERS) != 0) {
        losers_push(sw, tracked);
    }
    return join->verdict == JOIN_GOES;
}

void swarm__loser_one(swarm *sw) {
    struct dispatch *d = &sw->dispatch;
    uint32_t tracked = sw->round.losers_first, slot;
    struct join *join = join_of(d, tracked);

    if (join->loser == NONE32) {
        sw->round.losers_first = join->next;
        swarm__step_read_end(sw, tracked);
        return;
    }
    slot = d->inputs[join->loser].slot & INPUT_SLOT;
    join->loser = d->inputs[join->loser].next;
    if (!state_is_terminal(d->tracked[tracked_of(&sw->graph, slot)].state)) {
        swarm__step_stop(sw, slot, true);
    }
}
