/* SPDX-License-Identifier: MIT */
/*
 * none.c - no host: the caller brings memory, clock, threads and parking, or does without.
 */
#if defined(SWARM_NO_HOST)

#include "../../swarm.h"

const swarm_host *swarm_host_default(void) {
    return NULL;
}

#endif
