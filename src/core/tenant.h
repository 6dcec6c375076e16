/* SPDX-License-Identifier: MIT */
/*
 * tenant.h - tenants, for the rest of the core.
 */
#ifndef SWARM_CORE_TENANT_H
#define SWARM_CORE_TENANT_H

#include "../dispatch/tenant.h"
#include "core.h"

/* A fresh tenant; without a spec the one that everybody has. */
void swarm__tenant_fill(struct dispatch *d, uint32_t index, const swarm_tenant_spec *spec);

#endif
