/* SPDX-License-Identifier: MIT */
/*
 * tenant.h - who goes first among tenants and among the runs of one: the records.
 *
 * The demands that may start their head stand in heaps: one for each tenant, or, in a tenant that
 * gives the least served run precedence, one for each of its runs, and the runs in the heap of the
 * tenant (least attained service: Nuyens and Wierman, "The foreground-background queue",
 * Performance Evaluation 65, 2008). The tenants that have such demands stand in a heap by their
 * PASS: each start adds 1/weight to it, the smallest goes first (stride scheduling: Waldspurger and
 * Weihl, MIT-LCS-TM 528, 1995; deficit round robin with a quantum of one step). What the division
 * leaves is carried on, so between two tenants that have something to start all the time, starts
 * divided by weight differ by one start at most, for ever. Who had nothing ready comes back at the
 * pass of the last one served: nothing is saved up.
 *
 * While there is no tenant besides the first, which all runs belong to, its heap is the only one.
 *
 * Invariant: a run is in its tenant's heap, a tenant in the heap of tenants, exactly while it has
 * demands that may start. Threads: the turn.
 */
#ifndef SWARM_DISPATCH_TENANT_H
#define SWARM_DISPATCH_TENANT_H

#include "table.h"

#define TENANT_STRIDE (UINT64_C(1) << 24)
#define TENANT_WEIGHT_MAX 1000u

struct tenant {
    uint64_t name;
    uint64_t pass;
    uint64_t ready; /* steps of it that wait for an agent, whatever else they lack */
    uint64_t rest;  /* of the division by weight */
    uint32_t weight;
    uint32_t order;   /* SWARM_RUNS_* */
    uint32_t demands; /* heap, SWARM_RUNS_TOGETHER */
    uint32_t runs;    /* heap, SWARM_RUNS_LEAST_SERVED */
};

#endif
