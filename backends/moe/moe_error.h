/* SPDX-License-Identifier: MIT */
/*
 * moe_error.h - says what was refused: one function for all places that can.
 *
 * The first error of a call is written where the caller asked for it; names are cut to fit and
 * always end with a zero. Pure, any thread.
 */
#ifndef SWARM_MOE_ERROR_H
#define SWARM_MOE_ERROR_H

#include <string.h>

#include "swarm_moe.h"

/* Fills *error, unless it is null, and returns the status. */
static inline swarm_status refuse(swarm_moe_error *error, swarm_status status, const char *name,
                                  const char *text) {
    size_t size;

    if (error != NULL) {
        *error = (swarm_moe_error){.text = text, .status = status};
        size = strlen(name);
        size = size < sizeof error->name - 1 ? size : sizeof error->name - 1;
        memcpy(error->name, name, size);
    }
    return status;
}

#endif
