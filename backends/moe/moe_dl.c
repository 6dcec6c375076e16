/* SPDX-License-Identifier: MIT */
/*
 * moe_dl.c - finds libcuda on this machine: the optional half of the driver table.
 *
 * Kept apart from moe.c, which asks nothing of the system: who fills the table otherwise does not
 * compile this. The library stays open, for the table points into it. Any thread.
 */
#include <dlfcn.h>
#include <stddef.h>

#include "moe_error.h"
#include "swarm_moe.h"

static void *resolve(void *context, const char *symbol) {
    return dlsym(context, symbol);
}

swarm_status swarm_moe_driver_load(swarm_moe_driver *out_driver, swarm_moe_error *out_error) {
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);

    if (out_driver == NULL) {
        return refuse(out_error, SWARM_E_INVALID, "out_driver", "is null");
    }
    if (library == NULL) {
        return refuse(out_error, SWARM_E_MISSING, "libcuda.so.1",
                      "is not found: install the driver of the GPU, or use the CPU");
    }
    return swarm_moe_driver_resolve(resolve, library, out_driver, out_error);
}
