/* SPDX-License-Identifier: MIT */
/*
 * tenant.c - tenants: who shares the agents with whom, and how (X2, X3).
 */
#include "tenant.h"

void swarm__tenant_fill(struct dispatch *d, uint32_t index, const swarm_tenant_spec *spec) {
    struct tenant *tenant = &d->tenants[index];

    SWARM_ASSERT(index == 0 || spec != NULL);
    tenant->name = spec == NULL ? 0 : hash_text64(spec->name);
    tenant->weight = spec == NULL || spec->weight == 0 ? 1 : spec->weight;
    tenant->order = spec == NULL ? (uint32_t)SWARM_RUNS_TOGETHER : spec->runs;
    tenant->pass = d->pass;
    tenant->ready = 0;
    tenant->rest = 0;
    tenant->demands = NONE32;
    tenant->runs = NONE32;
    heap_node_init(d->tenant_nodes, index);
}

static const char *tenant_fault(const struct dispatch *d, const swarm_tenant_spec *spec,
                                swarm_status *out_status) {
    *out_status = SWARM_E_INVALID;
    if (spec == NULL || spec->name == NULL || spec->weight > TENANT_WEIGHT_MAX ||
        spec->runs > SWARM_RUNS_LEAST_SERVED) {
        return "tenant: null, no name, a weight above 1,000, or an unknown order";
    }
    *out_status = SWARM_E_DUPLICATE;
    for (uint32_t i = 1; i <= d->tenants_count; i++) {
        if (d->tenants[i].name == hash_text64(spec->name)) {
            return "tenant: the name is taken";
        }
    }
    *out_status = SWARM_E_FULL;
    return d->tenants_count == d->config->tenants_max ? "tenant: raise config.tenants_max" : NULL;
}

swarm_tenant swarm_tenant_add(swarm *sw, const swarm_tenant_spec *spec) {
    swarm_tenant id = {0};
    swarm_status status;
    const char *fault;

    if (!swarm__owned(sw)) {
        return id;
    }
    fault = tenant_fault(&sw->dispatch, spec, &status);
    if (fault != NULL) {
        if (sw->fault.status == SWARM_OK) {
            swarm__refuse(&sw->fault, status, fault);
        }
        return id;
    }
    swarm__demand_tenants(&sw->dispatch);
    swarm__tenant_fill(&sw->dispatch, sw->dispatch.tenants_count, spec);
    id.id = sw->dispatch.tenants_count;
    return id;
}
