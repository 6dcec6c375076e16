/* SPDX-License-Identifier: MIT */
/*
 * swarm_moe_emulated.h - a GPU made of C, behind the driver table of swarm_moe.h.
 *
 * WHAT IT IS FOR
 *
 * Running the CUDA half of the model where there is no GPU: in every test run, under sanitizers, in
 * a debugger. The kernels are the same text that nvcc compiles. A block is 128 fibres, which change
 * place at barriers and at the matrix instruction of a warp, in an order drawn from a seed: so a
 * missing barrier shows. Shared memory and fresh device memory begin as NaN. A barrier that not all
 * threads reach is a launch failure, as on a GPU.
 *
 * And failing on purpose: any call, by its number, with any code; codes that lose the context stay
 * (700, 719), all others happen once. A test fails every call of a program, one run each.
 *
 * MEMORY AND THREADS
 *
 * All memory is yours, device memory included. The table of CUDA has no place for a context, so one
 * emulated GPU exists at a time in a process; its functions are for one thread at a time. Needs
 * ucontext (POSIX).
 */
#ifndef SWARM_MOE_EMULATED_H
#define SWARM_MOE_EMULATED_H

#include "swarm_moe.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How it behaves. All zero: it works. */
typedef struct swarm_moe_emulated_spec {
    uint64_t memory;     /* bytes of device memory; default 64 MiB */
    uint64_t seed;       /* of the order of fibres */
    uint64_t fail_at;    /* number of the call that fails, from 1; 0: none */
    int32_t fail_code;   /* what it returns; default 2, out of memory */
    int32_t version;     /* of the driver; default 13000 */
    int32_t devices;     /* default 1; -1: none */
    uint32_t busy_polls; /* how often an event is not ready before it is */
    uint32_t no_image;   /* 1: there is no kernel for this GPU (209) */
    uint32_t reserved;   /* 0 */
} swarm_moe_emulated_spec;

/* What has been called, and what was not given back. Grows at the end. */
typedef struct swarm_moe_emulated_stats {
    uint64_t calls;       /* of the table's functions, in all */
    uint64_t launches;    /* of kernels */
    uint64_t allocations; /* not freed */
    uint64_t contexts;    /* retained and not released */
    uint64_t current;     /* pushed and not popped */
    uint64_t modules;     /* loaded and not unloaded */
    uint64_t streams;     /* made and not destroyed */
    uint64_t events;      /* made and not destroyed */
} swarm_moe_emulated_stats;

/* Bytes of memory that swarm_moe_emulated_open needs for this spec (null: all defaults). [pure] */
SWARM_API size_t swarm_moe_emulated_size(const swarm_moe_emulated_spec *spec);

/* Makes the emulated GPU in `memory`, aligned to 64, and returns its table, which is valid as long
 * as the memory. Takes the place of one made before. Null when memory is null. [any] */
SWARM_API const swarm_moe_driver *swarm_moe_emulated_open(const swarm_moe_emulated_spec *spec,
                                                          void *memory);

/* Writes the counters. [any] */
SWARM_API void swarm_moe_emulated_stats_get(swarm_moe_emulated_stats *out_stats);

#ifdef __cplusplus
}
#endif
#endif
