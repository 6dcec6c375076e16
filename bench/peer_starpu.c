/* SPDX-License-Identifier: MIT */
/*
 * StarPU: tasks with declared dependencies, submitted anew for each run, by the lws policy. Its
 * workers stand beside the caller. A task takes 1.5 kB, so graphs are small.
 */
#define _GNU_SOURCE /* its headers need it */

#include <starpu.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

struct starpu_made {
    peer_graph graph;
    struct starpu_codelet codelet;
    struct starpu_task **tasks;
};

/* StarPU hands over one pointer: what a node's body needs. */
struct starpu_argument {
    const peer_graph *graph;
    uint32_t id;
};

static void starpu_body(void *buffers[], void *argument) {
    const struct starpu_argument *at = argument;

    (void)buffers;
    at->graph->body(at->graph->context, at->id);
}

static void starpu_release(void *made) {
    struct starpu_made *starpu = made;

    starpu_shutdown();
    free(starpu->tasks);
    free(starpu);
}

static void *starpu_make(const peer_graph *graph, uint32_t threads) {
    struct starpu_made *made = calloc(1, sizeof *made);
    struct starpu_conf conf;

    starpu_conf_init(&conf);
    conf.ncpus = (int)threads;
    conf.ncuda = conf.nopencl = 0;
    conf.sched_policy_name = "lws";
    (void)setenv("STARPU_SILENT", "1", 1);
    (void)setenv("STARPU_HOME", "/tmp", 0); /* it writes there */
    if (made == NULL || starpu_init(&conf) != 0) {
        free(made);
        return NULL;
    }
    made->graph = *graph;
    made->tasks = calloc(graph->nodes, sizeof *made->tasks);
    starpu_codelet_init(&made->codelet);
    made->codelet.where = STARPU_CPU;
    made->codelet.cpu_funcs[0] = starpu_body;
    if (made->tasks == NULL) {
        starpu_release(made);
        return NULL;
    }
    return made;
}

static struct starpu_task *starpu_node(struct starpu_made *made, uint32_t id) {
    struct starpu_task *task = starpu_task_create();
    struct starpu_argument *argument = malloc(sizeof *argument);

    argument->graph = &made->graph;
    argument->id = id;
    task->cl = &made->codelet;
    task->cl_arg = argument;
    task->cl_arg_size = sizeof *argument;
    task->cl_arg_free = 1;
    return task;
}

static void starpu_run(void *handle) {
    struct starpu_made *made = handle;
    const peer_graph *graph = &made->graph;

    for (uint32_t id = 0; id < graph->nodes; id++) {
        made->tasks[id] = starpu_node(made, id);
    }
    for (uint32_t id = 0; id < graph->nodes; id++) {
        for (uint32_t e = graph->first[id]; e < graph->first[id + 1]; e++) {
            starpu_task_declare_deps_array(made->tasks[graph->successors[e]], 1, &made->tasks[id]);
        }
    }
    for (uint32_t id = graph->nodes; id != 0; id--) { /* a task may be gone once it is submitted */
        if (starpu_task_submit(made->tasks[id - 1]) != 0) {
            return; /* the verification finds it missing */
        }
    }
    (void)starpu_task_wait_for_all();
}

const peer_runtime peer_starpu = {"starpu", 50000, starpu_make, NULL, starpu_run, starpu_release};
