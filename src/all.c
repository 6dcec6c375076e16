/* SPDX-License-Identifier: MIT */
/*
 * all.c - the whole library as one translation unit: cc -c src/all.c
 *
 * The host comes first because it asks the C library for more than C11 before any header is read.
 */
#include "host/linux.c"

#include "graph/check.c"
#include "graph/graph.c"
#include "graph/link.c"
#include "graph/plan.c"
#include "graph/range.c"
#include "graph/step.c"
#include "graph/worker.c"

#include "dispatch/advise.c"
#include "dispatch/agent.c"
#include "dispatch/budget.c"
#include "dispatch/demand.c"
#include "dispatch/order.c"
#include "dispatch/skill.c"

#include "record/event.c"
#include "record/log.c"
#include "record/name.c"

#include "core/advance.c"
#include "core/apply.c"
#include "core/ask.c"
#include "core/attempt.c"
#include "core/call.c"
#include "core/cancel.c"
#include "core/charge.c"
#include "core/drive.c"
#include "core/guard.c"
#include "core/edge.c"
#include "core/gate.c"
#include "core/invariant.c"
#include "core/join.c"
#include "core/loop.c"
#include "core/plan.c"
#include "core/planlog.c"
#include "core/query.c"
#include "core/rival.c"
#include "core/run.c"
#include "core/setup.c"
#include "core/setuplog.c"
#include "core/shape.c"
#include "core/skip.c"
#include "core/step.c"
#include "core/text.c"
#include "core/turn.c"
#include "core/watch.c"
