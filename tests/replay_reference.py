#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reference schedules for docs/examples/replay.c, written apart from it.

Plain list schedules in virtual time, one function a model, straight from their definitions:

* graphs (.dag, .stg, plans): a free worker takes the ready task with the smallest key; all tasks
  that end at one instant complete in id order before anything starts again;
* .rcp: at each instant scan ready tasks in (key, id) order, start whatever fits in every class;
* .het: HEFT with insertion (Topcuoglu, Hariri, Wu, IEEE TPDS 13(3), 2002, section 5) on mean costs;
* sessions: a fleet of traces on P slots, think time passes without a slot.

    replay_reference.py FILE --agents P --policy NAME [--sessions N] [--requests K]
                        [--think-cap-ms C] [--plan INDEX]
    replay_reference.py --merge FILE... --agents P --policy NAME
    replay_reference.py --check DATA [--values tests/workload_values.json]

prints makespan, critical_path, work, lower_bound and mean_completion as one JSON object a line.
Slow where slow is plainer; it trusts its input and checks only what a test needs.
"""
import argparse
import bisect
import heapq
import json
import os
import sys


class Graph:
    """Durations and edges; succ and pred hold ascending ids, repeated edges counted once."""

    def __init__(self, duration, edges):
        self.duration = duration
        self.n = len(duration)
        self.edges = sorted(set(edges))
        self.succ = [[] for _ in range(self.n)]
        self.pred = [[] for _ in range(self.n)]
        for u, v in self.edges:
            self.succ[u].append(v)
            self.pred[v].append(u)
        self.order = self._order()
        if self.order is None:
            return
        self.head = [0] * self.n
        self.tail = [0] * self.n
        self.hops = [1] * self.n
        for v in self.order:
            for u in self.pred[v]:
                self.head[v] = max(self.head[v], self.head[u] + duration[u])
        for u in reversed(self.order):
            for v in self.succ[u]:
                self.tail[u] = max(self.tail[u], duration[v] + self.tail[v])
                self.hops[u] = max(self.hops[u], 1 + self.hops[v])

    def _order(self):
        """Breadth first: roots by id, then as released (successors ascending)."""
        left = [len(p) for p in self.pred]
        order = [v for v in range(self.n) if left[v] == 0]
        for u in order:
            for v in self.succ[u]:
                left[v] -= 1
                if left[v] == 0:
                    order.append(v)
        return order if len(order) == self.n else None

    def critical_path(self):
        return max(h + d for h, d in zip(self.head, self.duration))


def ceil_div(a, b):
    return -(-a // b)


def half_bound(tasks, p, near, far):
    """The terms of one direction: near is the head (or tail) that selects, far the other."""
    best = 0
    rest = sorted(tasks, key=lambda t: -near[t[0]])
    smallest, work, i = [], 0, 0
    while i < len(rest):
        k = near[rest[i][0]]
        while i < len(rest) and near[rest[i][0]] == k:
            bisect.insort(smallest, far[rest[i][0]])
            work += rest[i][1]
            i += 1
        if i >= p:
            bound = ceil_div(p * k + work + sum(smallest[:p]), p)
        else:
            bound = k + ceil_div(work, p) + smallest[0]
        best = max(best, bound)
    return best


def lower_bound(g, p):
    tasks = [(v, d) for v, d in enumerate(g.duration) if d > 0]
    work = sum(g.duration)
    heads = sorted(g.head[v] for v, _ in tasks)[:p]
    tails = sorted(g.tail[v] for v, _ in tasks)[:p]
    return max(g.critical_path(), ceil_div(work, p), half_bound(tasks, p, g.head, g.tail),
               half_bound(tasks, p, g.tail, g.head), ceil_div(sum(heads) + work + sum(tails), p))


def list_key(g, policy):
    """Key of (task, sequence number of its release)."""
    if policy == "fifo":
        return lambda v, seq: seq
    if policy == "lifo":
        return lambda v, seq: -seq
    if policy == "hops":
        return lambda v, seq: (-g.hops[v], v)
    if policy == "critical-path":
        return lambda v, seq: (-(g.duration[v] + g.tail[v]), v)
    if policy == "lpt":
        return lambda v, seq: (-g.duration[v], v)
    if policy == "spt":
        return lambda v, seq: (g.duration[v], v)
    sys.exit("unknown policy for a graph: " + policy)


def list_schedule(g, p, policy):
    key = list_key(g, policy)
    left = [len(x) for x in g.pred]
    ready, running, now, seq, makespan, done = [], [], 0, 0, 0, 0
    for v in range(g.n):
        if left[v] == 0:
            heapq.heappush(ready, (key(v, seq), v))
            seq += 1
    while ready or running:
        while ready and len(running) < p:
            v = heapq.heappop(ready)[1]
            heapq.heappush(running, (now + g.duration[v], v))
        now = running[0][0]
        while running and running[0][0] == now:
            u = heapq.heappop(running)[1]
            done += 1
            for v in g.succ[u]:
                left[v] -= 1
                if left[v] == 0:
                    heapq.heappush(ready, (key(v, seq), v))
                    seq += 1
        makespan = now
    assert done == g.n
    return makespan


def rcp_schedule(g, units, capacity, p, policy):
    """Parallel generation; lifo is by latest release, everything else as in the notes."""
    keys = {"fifo": lambda v, seq: v, "lifo": lambda v, seq: -seq,
            "critical-path": lambda v, seq: -(g.tail[v] + g.duration[v]),
            "lft": lambda v, seq: -g.tail[v], "hops": lambda v, seq: -g.hops[v]}
    key = keys[policy]
    free = list(capacity)
    left = [len(x) for x in g.pred]
    roots = [v for v in range(g.n) if left[v] == 0]
    ready = [(key(v, s), v) for s, v in enumerate(roots)]
    running, now, seq = [], 0, len(roots)
    while ready or running:
        wait = []
        for k, v in sorted(ready):
            if len(running) < p and all(u <= f for u, f in zip(units[v], free)):
                free = [f - u for f, u in zip(free, units[v])]
                heapq.heappush(running, (now + g.duration[v], v))
            else:
                wait.append((k, v))
        ready = wait
        now = running[0][0]
        while running and running[0][0] == now:
            u = heapq.heappop(running)[1]
            free = [f + x for f, x in zip(free, units[u])]
            for v in g.succ[u]:
                left[v] -= 1
                if left[v] == 0:
                    ready.append((key(v, seq), v))
                    seq += 1
    return now


def heft_schedule(g, cost, transfer):
    """[(worker, start, end)] by task. Ranks are scaled by the number of workers: no fractions."""
    workers = len(cost[0])
    rank = [0] * g.n
    for u in reversed(g.order):
        rank[u] = sum(cost[u]) + max([workers * transfer[u, v] + rank[v] for v in g.succ[u]],
                                     default=0)
    place = {v: i for i, v in enumerate(g.order)}
    busy = [[] for _ in range(workers)]
    result = [None] * g.n
    for v in sorted(range(g.n), key=lambda t: (-rank[t], place[t])):
        best = None
        for w in range(workers):
            earliest = 0
            for u in g.pred[v]:
                uw, _, end = result[u]
                earliest = max(earliest, end + (0 if uw == w else transfer[u, v]))
            start = earliest
            for s, e in busy[w]:
                if start + cost[v][w] <= s:
                    break
                start = max(start, e)
            if best is None or start + cost[v][w] < best[2]:
                best = (w, start, start + cost[v][w])
        result[v] = best
        bisect.insort(busy[best[0]], best[1:])
    return result


def fleet_schedule(traces, slots, policy):
    """traces: per trace a list of (slot ms, think ms before it)."""
    rest = []
    for t in traces:
        r = [0] * (len(t) + 1)
        for k in range(len(t) - 1, -1, -1):
            r[k] = r[k + 1] + t[k][0] + t[k][1]  # its own think time, already spent, included
        rest.append(r)
    keys = {"fifo": lambda i, k, s: s, "lifo": lambda i, k, s: -s,
            "trace-order": lambda i, k, s: (i, s),
            "fewest-done": lambda i, k, s: (k, s), "most-done": lambda i, k, s: (-k, s),
            "shortest-remaining": lambda i, k, s: (rest[i][k], s),
            "longest-remaining": lambda i, k, s: (-rest[i][k], s)}
    key = keys[policy]
    step = [0] * len(traces)
    arrivals = [(0, i) for i in range(len(traces))]
    running, ready, seq, finish = [], [], 0, [0] * len(traces)
    while arrivals or running or ready:
        now = min(q[0][0] for q in (arrivals, running) if q)
        while running and running[0][0] == now:
            i = heapq.heappop(running)[1]
            step[i] += 1
            if step[i] < len(traces[i]):
                heapq.heappush(arrivals, (now + traces[i][step[i]][1], i))
            else:
                finish[i] = now
        while arrivals and arrivals[0][0] == now:
            i = heapq.heappop(arrivals)[1]
            heapq.heappush(ready, (key(i, step[i], seq), i))
            seq += 1
        while ready and len(running) < slots:
            i = heapq.heappop(ready)[1]
            heapq.heappush(running, (now + traces[i][step[i]][0], i))
    return max(finish), finish


def words(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            w = line.split("#")[0].split()
            if w:
                yield w


def read_dag(path):
    duration, edges = [], []
    for w in words(path):
        if w[0] != "dag":
            duration.append(int(w[1]))
            edges += [(int(u), int(w[0])) for u in w[3:3 + int(w[2])]]
    return duration, edges


def read_stg(path):
    rows = list(words(path))[1:]
    edges = [(int(u), int(w[0])) for w in rows for u in w[3:3 + int(w[2])]]
    return [int(w[1]) for w in rows], edges


def read_rcp(path):
    rows = [[int(x) for x in w] for w in words(path)]
    classes = rows[0][1]
    tasks = rows[2:] if classes else rows[1:]
    edges = [(i, s - 1) for i, w in enumerate(tasks) for s in w[2 + classes:]]
    return [w[0] for w in tasks], edges, [w[1:1 + classes] for w in tasks], rows[1][:classes]


def read_het(path):
    rows = list(words(path))
    n = int(rows[0][1])
    cost = [[int(x) for x in w] for w in rows[1:1 + n]]
    transfer = {(int(u), int(v)): int(t) for u, v, t in rows[1 + n:]}
    return cost, transfer


def read_sessions(path, count, requests, cap):
    """The first traces with at least three requests on the main chain, each trimmed."""
    traces, main = [], None
    chain = -1
    with open(path) as f:
        for line in f:
            w = line.split()
            if not w or w[0][0] == "#":
                continue
            if w[0] == "agenttrace":
                chain = -1
                main = []
                traces.append(main)
            elif w[0] == "chain":
                chain = int(w[1])
            elif chain == 0:
                main.append((max(1, int(w[1])), min(int(w[2]), cap)))
    traces = [t[:requests] for t in traces if len(t) >= 3][:count]
    return [[(slot, think if k else 0) for k, (slot, think) in enumerate(t)] for t in traces]


def read_plans(path):
    """[(id, nodes or None, edges, verdict)]; a node's name is the first word after n."""
    plans = []
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            w = line.split()
            if not w or w[0][0] == "#":
                continue
            if w[0] == "g":
                plans.append((w[1], [], []))
            elif w[0] == "n":
                plans[-1][1].append(w[1])
            elif w[0] == "e":
                plans[-1][2].append((w[1], w[2]))
    return [judge(*p) for p in plans]


def judge(name, nodes, edges):
    number = {v: i for i, v in enumerate(nodes)}
    if not nodes:
        return name, None, "INVALID"
    if len(number) < len(nodes):
        return name, None, "DUPLICATE"
    if any(x not in number for u, v in edges
           for x in ([] if u == "START" else [u]) + ([] if v == "END" else [v])):
        return name, None, "MISSING"
    edges = [(u, v) for u, v in edges if u != "START" and v != "END"]
    g = Graph([1] * len(nodes), [(number[u], number[v]) for u, v in edges])
    if g.order is None:
        return name, None, "CYCLE"
    return name, g, None


def graph_result(g, agents, policy):
    return {"steps": g.n, "edges": len(g.edges), "makespan": list_schedule(g, agents, policy),
            "critical_path": g.critical_path(), "work": sum(g.duration),
            "lower_bound": lower_bound(g, agents), "mean_completion": None}


def rcp_result(path, agents, policy):
    duration, edges, units, capacity = read_rcp(path)
    g = Graph(duration, edges)
    area = [ceil_div(sum(d * u[c] for d, u in zip(duration, units)), capacity[c])
            for c in range(len(capacity)) if capacity[c]]
    return {"steps": g.n, "edges": len(g.edges),
            "makespan": rcp_schedule(g, units, capacity, agents, policy),
            "critical_path": g.critical_path(), "work": sum(duration),
            "lower_bound": max([g.critical_path()] + area), "mean_completion": None}


def het_result(path):
    cost, transfer = read_het(path)
    g = Graph([min(c) for c in cost], list(transfer))
    plan = heft_schedule(g, cost, transfer)
    work = sum(g.duration)
    return {"steps": g.n, "edges": len(g.edges), "makespan": max(e for _, _, e in plan),
            "critical_path": g.critical_path(), "work": work,
            "lower_bound": max(g.critical_path(), ceil_div(work, len(cost[0]))),
            "mean_completion": None, "placement": [[w, s] for w, s, _ in plan]}


def fleet_result(traces, slots, policy):
    makespan, finish = fleet_schedule(traces, slots, policy)
    alone = max(sum(s + t for s, t in x) for x in traces)
    work = sum(s for x in traces for s, _ in x)
    steps = sum(len(x) for x in traces)
    return {"steps": steps, "edges": steps - len(traces), "makespan": makespan,
            "critical_path": alone, "work": work,
            "lower_bound": max(alone, ceil_div(work, slots)),
            "mean_completion": (2 * sum(finish) + len(finish)) // (2 * len(finish))}


def first_word(path):
    return next(words(path), [""])[0]


def merged(paths):
    duration, edges = [], []
    for path in paths:
        d, e = read_dag(path)
        edges += [(u + len(duration), v + len(duration)) for u, v in e]
        duration += d
    return Graph(duration, edges)


def run_file(path, o):
    """Yields one result a run: one for a file, one a plan for a collection."""
    end = os.path.splitext(path)[1]
    if end in (".dag", ".stg"):
        yield graph_result(Graph(*(read_dag if end == ".dag" else read_stg)(path)), o.agents,
                           o.policy)
    elif end == ".rcp":
        yield rcp_result(path, o.agents, o.policy)
    elif end == ".het":
        yield het_result(path)
    elif first_word(path) == "agenttrace":
        traces = read_sessions(path, o.sessions, o.requests, o.think_cap_ms)
        yield fleet_result(traces, o.agents, o.policy)
    else:
        for index, (name, g, verdict) in enumerate(read_plans(path)):
            if o.plan is None or o.plan == index:
                yield dict({"plan": name, "error": verdict},
                           **(graph_result(g, o.agents, o.policy) if g else {}))


def check(data, values):
    """Every published value against this program: proves the reference, needs the data."""
    bad = 0
    cache = {}

    def load(path):
        if path not in cache:
            if path.startswith("merged:"):
                folder = os.path.join(data, path[7:])
                cache[path] = merged(sorted(os.path.join(folder, f) for f in os.listdir(folder)
                                            if f.endswith(".dag")))
            else:
                full = os.path.join(data, path)
                cache[path] = Graph(*(read_dag if path.endswith(".dag") else read_stg)(full))
        return cache[path]

    for row in values["rows"]:
        path = row["file"]
        if path.endswith(".rcp"):
            got = rcp_result(os.path.join(data, path), row["agents"], row["policy"])
        elif path.endswith(".het"):
            got = het_result(os.path.join(data, path))
        elif path.endswith("sessions.txt"):
            traces = read_sessions(os.path.join(data, path), 300, 14, 10000)
            got = fleet_result(traces, row["agents"], row["policy"])
        else:
            got = graph_result(load(path), row["agents"], row["policy"])
        for k in row:
            if k in got and got[k] != row[k]:
                print("differs:", row, k, got[k])
                bad += 1
    print("%d rows, %d differences" % (len(values["rows"]), bad))
    return 1 if bad else 0


def main():
    a = argparse.ArgumentParser(description="reference schedules for replay")
    a.add_argument("file", nargs="?")
    a.add_argument("--merge", nargs="+", metavar="FILE")
    a.add_argument("--check", metavar="DATA")
    a.add_argument("--values", default=os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                    "workload_values.json"))
    a.add_argument("--agents", type=int, default=300)
    a.add_argument("--policy", default="fifo")
    a.add_argument("--sessions", type=int, default=300)
    a.add_argument("--requests", type=int, default=14)
    a.add_argument("--think-cap-ms", type=int, default=10000)
    a.add_argument("--plan", type=int, help="index of one plan of a collection")
    o = a.parse_args()
    if o.check:
        with open(o.values) as f:
            return check(o.check, json.load(f))
    if o.merge:
        print(json.dumps(graph_result(merged(o.merge), o.agents, o.policy)))
        return 0
    for result in run_file(o.file, o):
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
