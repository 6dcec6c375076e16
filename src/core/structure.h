/* SPDX-License-Identifier: MIT */
/*
 * structure.h - what core has for the structure of a plan beyond AND: edges with rules, joins,
 * skips, loops, late edges. Part of core.h, for which it would be too long.
 */
#ifndef SWARM_CORE_STRUCTURE_H
#define SWARM_CORE_STRUCTURE_H

#include "../dispatch/edge.h"
#include "../dispatch/join.h"

/* Of a step, where some may be OPEN: see late.c. */
struct late_node {
    uint32_t level, before;     /* before: when the plan at hand began */
    uint32_t plan, pass, climb; /* the last of each in which it was used */
    uint32_t next;              /* of the queue */
    uint32_t touched;           /* the one used before in this plan */
    uint32_t tried;             /* list of cells: edges of this plan that leave it */
    uint32_t above;             /* of the stack */
    bool queued;
};

struct late_search {
    uint32_t plan, pass, climb;
    uint32_t touched;
    uint32_t first, last; /* queue of lifted steps */
};

/* ---- planlog.c */

/* Says an edge in the log, with its rules; null: it has none. */
void swarm__edge_log(const swarm_plan *plan, const struct delay *edge, uint64_t from, uint64_t to);

/* ---- apply.c */

/* Hangs the record of an edge, whose ends have ordinals, on the step that it leaves. */
void swarm__delay_attach(struct dispatch *d, uint32_t delay);

/* ---- edge.c */

/* The record of an edge in the list of the step that it leaves, by the ordinal of the other, or
 * NONE32. */
uint32_t swarm__delay_find(const struct dispatch *d, uint32_t list, uint64_t ordinal);
/* A step has ended that `to` waits for by an edge of dispatch's. *delays is where its list stands:
 * it and the successors both ascend. */
void swarm__edge_ended(swarm *sw, const struct tracked *from, uint32_t to, uint32_t *delays);
/* The same for an edge that was added behind a step that had ended. A hook of the graph. */
void swarm__edge_late(void *sw, uint32_t from, uint32_t to);
/* An edge has no more to wait for: EDGE_*. */
void swarm__edge_arrived(swarm *sw, uint32_t to, uint32_t what);
/* Marks the inputs that bring nothing, as things stand now; takes the marks away. */
void swarm__inputs_mark(swarm *sw, uint32_t tracked);
void swarm__inputs_clear(struct dispatch *d, struct tracked *step);
/* Says which conditions the result of a step met that has ended. */
void swarm__branch_log(swarm *sw, const struct tracked *step);

/* ---- join.c */

static inline bool swarm__step_joins(const struct dispatch *d, uint32_t tracked) {
    uint32_t shape = d->tracked[tracked].shape;

    return shape != NONE32 && d->shapes[shape].has_join;
}

/* One of the join's edges has arrived: EDGE_*. */
void swarm__join_arrived(swarm *sw, uint32_t tracked, uint32_t what);
/* Opens the gate if what has arrived decides the join. */
void swarm__join_decide(swarm *sw, uint32_t tracked);
/* The step was ended before the join was decided. */
void swarm__join_abandon(swarm *sw, uint32_t tracked);
/* Says in the log how a join was decided, and sees to its losers. False: the step has failed. */
bool swarm__join_goes(swarm *sw, uint32_t tracked);
/* Goes one loser further. */
void swarm__loser_one(swarm *sw);

/* ---- skip.c, loop.c */

/* Whether the step, which could start, is not needed, for its inputs are sure enough. */
bool swarm__step_skips(swarm *sw, uint32_t tracked);

static inline bool swarm__step_loops(const struct dispatch *d, uint32_t tracked) {
    uint32_t shape = d->tracked[tracked].shape;

    return shape != NONE32 && d->shapes[shape].loop.iterations_max != 0;
}

/* The step has ended an iteration with this result: true if another one follows, else *out_reason
 * is that of its end. */
bool swarm__loop_again(swarm *sw, uint32_t tracked, const swarm_result *result,
                       swarm_status *out_reason);
/* The iteration that a step is in, from 1, or 0. */
uint32_t swarm__loop_iteration(const struct dispatch *d, uint32_t tracked);
/* Begins the next iteration of a call step. */
void swarm__loop_call(swarm *sw, uint32_t tracked);

/* ---- late.c */

/* Whether an edge into `to` is one into an OPEN step of an earlier plan. */
bool swarm__late_wanted(swarm_plan *plan, swarm_step to);
/* Adds such an edge, or fails the plan. */
void swarm__late_add(swarm_plan *plan, swarm_step from, swarm_step to, const swarm_edge_spec *spec);
/* Gives them back, of a plan that is not applied. */
void swarm__lates_give(swarm_plan *plan);
/* Looks whether they may be linked; false: the plan has failed. */
bool swarm__lates_admit(swarm_plan *plan);
/* Gives the plan's own steps their levels. */
void swarm__lates_enter(swarm_plan *plan);
/* Links them, after the plan's own steps. */
void swarm__lates_link(swarm_plan *plan);

/* ---- shape.c */

/* What is wrong with the parts of a spec that make a shape, or null. */
const char *swarm__shape_fault(const swarm_step_spec *spec);
/* Gives a new step its shape, if it has one. False: the plan has failed. */
bool swarm__shape_add(swarm_plan *plan, const swarm_step_spec *spec, uint32_t tracked);
void swarm__shape_let_go(struct dispatch *d, struct tracked *step);
/* Its parts go into the log: at most SHAPE_EVENTS events. */
void swarm__shape_log(swarm *sw, const struct tracked *step, uint64_t ordinal);
/* How many the plan holds; each writes SHAPE_EVENTS at most when it is applied. */
uint32_t swarm__shapes_count(const swarm_plan *plan);
/* The stages of a plan: what may be refused; its steps have ordinals; they are linked; started. */
bool swarm__shapes_admit(swarm_plan *plan);
void swarm__shapes_enter(swarm_plan *plan);
void swarm__shapes_link(swarm_plan *plan);
void swarm__shapes_start(swarm_plan *plan);
/* A static run starts again: after its steps were reset, and after the first were started. */
void swarm__shapes_again(swarm *sw, uint32_t run);
void swarm__shapes_start_again(swarm *sw, uint32_t run);

#endif
