#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_replay.py REPLAY [--long]: the program docs/examples/replay.c, from outside.

Makespans, bounds and means must equal published values (workload_values.json), values worked out
by hand (data/tiny.json) and those of a second implementation (replay_reference.py) on random
inputs, to the last digit. Bad inputs, wrong usage, the JSON itself, and equal logs for any number
of workers. --long replays all of the shared data. TAP; run from anywhere.
"""
import json
import os
import random
import re
import subprocess
import sys
import tempfile

import replay_reference as reference

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "data")
SHARED = os.path.join(os.environ.get("SWARM_SHARED", os.path.join(HERE, "..", "..", "shared")),
                      "data")
NO_SHARED = "shared is missing: no " + SHARED
REPLAY = ""

KEYS = ("input plan steps edges agents policy seed makespan critical_path work lower_bound "
        "mean_completion ok failed timed_out cancelled skipped budget violations log_hash "
        "scheduler_ns error").split()
OUTCOMES = "ok failed timed_out cancelled skipped budget".split()
NUMBERS = "steps edges agents seed makespan critical_path work lower_bound violations scheduler_ns"
MEASURES = "steps edges makespan critical_path work lower_bound".split()
GRAPH_POLICIES = ["fifo", "lifo", "hops", "critical-path"]
SESSION_POLICIES = ["fifo", "lifo", "longest-remaining", "shortest-remaining", "fewest-done",
                    "most-done"]

# Seed 1, 300 agents, fifo: equal for all compilers, options and numbers of workers. These change
# with SWARM_TRACE_VERSION, or with what replay_builtin.h asks for, and never otherwise.
GOLDEN = "89ef4f20d93c8f20dd851bf742d7d2e0"


class Failed(Exception):
    """What a test found."""


class Skipped(Exception):
    """Why a test can't run here."""


def check(good, *what):
    """Fails the test, saying what."""
    if not good:
        raise Failed(" ".join(str(x) for x in what)[:2000])


def equal(found, expected, *what):
    """Fails the test when the two differ."""
    check(found == expected, *what, "found", repr(found), "expected", repr(expected))


def run(*words, folder=None, stdout=subprocess.PIPE):
    """(exit status, stdout, stderr) of replay, as bytes decoded as Latin-1."""
    done = subprocess.run([REPLAY, *[str(w) for w in words]], stdout=stdout, check=False,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=folder or DATA)
    return (done.returncode, (done.stdout or b"").decode("latin-1"),
            done.stderr.decode("latin-1"))


def check_row(row):
    """What holds of every line, good or bad."""
    equal(list(row), KEYS, "keys")
    for key in NUMBERS.split() + OUTCOMES:
        check(type(row[key]) is int and row[key] >= 0, key, row[key])
    check(re.fullmatch("[0-9a-f]{32}", row["log_hash"]), row["log_hash"])
    equal(sum(row[key] for key in OUTCOMES), row["steps"], row["input"], "the six outcomes")
    equal(row["violations"], 0, row["input"], row["plan"], "violations")
    if row["error"] is None:
        equal(row["ok"], row["steps"], row["input"], "ok")
        check(row["makespan"] >= row["lower_bound"], row["input"], "beats its bound")
        check(row["log_hash"] != "0" * 32, row["input"], "no hash")
    else:
        equal(list(row["error"]), ["status", "line", "text"], "error")
        check(row["error"]["status"].startswith("SWARM_E_"), row["error"])
        for key in MEASURES + ["scheduler_ns"]:
            equal(row[key], 0, row["input"], key)
        equal(row["log_hash"], "0" * 32, row["input"])
        equal(row["mean_completion"], None)


def replay(*words, folder=None, status=0):
    """The JSON lines of a run, checked."""
    code, out, err = run("--json", *words, folder=folder)
    equal(code, status, "exit status of", words, err)
    rows = [json.loads(line.encode("latin-1").decode()) for line in out.splitlines()]
    for row in rows:
        check_row(row)
    return rows


def expect(row, expected, *what):
    """Every measure that is expected."""
    for key in MEASURES + ["mean_completion"]:
        if key in expected:
            equal(row[key], expected[key], *what, key)


def need_shared():
    """Leaves the test where the data isn't."""
    if not os.path.isdir(SHARED):
        raise Skipped(NO_SHARED)


def without_time(row):
    """What must be equal in every run of the same."""
    return {key: row[key] for key in row if key != "scheduler_ns"}


# ---- The built-in run --------------------------------------------------------------------------


def test_builtin():
    """300 agents, 4,000 steps, and what the report says of them."""
    row, = replay()
    for key, value in (("input", "builtin"), ("plan", None), ("steps", 4000), ("agents", 300),
                       ("policy", "fifo"), ("seed", 1), ("mean_completion", None)):
        equal(row[key], value, key)
    check(row["edges"] > 4000 and row["work"] > 10 * row["critical_path"], row)
    check(row["lower_bound"] >= row["critical_path"] > 0, row)
    check(row["scheduler_ns"] > 0)


def test_builtin_golden():
    """One hash for all compilers and options."""
    equal(replay()[0]["log_hash"], GOLDEN)


def test_builtin_deterministic():
    """The same again, with more workers; another seed or policy is another run."""
    first = without_time(replay()[0])
    for words in ([], ["--workers", 2], ["--workers", 8], ["--seed", 1], ["--policy", "fifo"]):
        equal(without_time(replay(*words)[0]), first, words)
    for words in (["--seed", 2], ["--seed", 0], ["--policy", "lifo"], ["--agents", 299]):
        check(replay(*words)[0]["log_hash"] != first["log_hash"], words, "changes nothing")


def test_builtin_agents():
    """One agent works all the time; the critical path doesn't depend on how many there are."""
    one, few, many = (replay("--agents", p)[0] for p in (1, 7, 5000))
    equal(one["makespan"], one["work"])
    check(one["makespan"] > few["makespan"] > many["makespan"])
    equal(one["critical_path"], many["critical_path"])
    equal(few["critical_path"], many["critical_path"])


def test_screen():
    """The report for people fits a screen and says what it must."""
    code, out, err = run()
    equal((code, err), (0, ""))
    lines = out.splitlines()
    check(len(lines) <= 24 and max(map(len, lines)) <= 160, out)
    for word in ("4000 steps", "300 agents", "outcomes", "makespan", "critical path", "work",
                 "achieved", "possible", "critical steps", "retries", "cost", "busiest agents",
                 "ns a step", GOLDEN):
        check(word in out, "no", word, "in", out)
    retries = re.search(r"retries +(\d+), of them (\d+) after a stall; (\d+) attempts", out)
    check(retries, out)
    failed, stalled, attempts = map(int, retries.groups())
    check(0.015 < (failed - stalled) / attempts < 0.026, "not 2 % failures", out)
    check(0.002 < stalled / attempts < 0.009, "not 0.5 % stalls", out)


def read_terminal(ours):
    """All that is written to the other side, until nobody has it open."""
    seen = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # how Linux says so
            part = b""
        if not part:
            return seen.decode()
        seen += part


def test_progress():
    """A line that moves, where stderr is a terminal; the run is the same."""
    ours, theirs = os.openpty()
    with subprocess.Popen([REPLAY, "--json"], stdout=subprocess.PIPE, stderr=theirs) as program:
        os.close(theirs)
        seen = read_terminal(ours)
        out = program.stdout.read()
    os.close(ours)
    check(seen.count("\r") > 20 and " of 4000 steps" in seen, seen)
    equal(json.loads(out)["log_hash"], GOLDEN)


# ---- Values ------------------------------------------------------------------------------------


def test_by_hand():
    """The rows of data/tiny.json."""
    with open(os.path.join(DATA, "tiny.json"), encoding="utf-8") as file:
        rows = json.load(file)["rows"]
    for row in rows:
        words = ["--agents", row["agents"], "--policy", row["policy"], row["file"]]
        expect(replay(*words)[0], row, *words)


def merged(folder, out_path):
    """All .dag files of a folder in name order as one, ids shifted."""
    tasks, edges = [], 0
    for name in sorted(os.listdir(folder)):
        if name.endswith(".dag"):
            duration, pairs = reference.read_dag(os.path.join(folder, name))
            shift = len(tasks)
            before = [[] for _ in duration]
            for u, v in pairs:
                before[v].append(u + shift)
            tasks += zip(duration, before)
            edges += len(pairs)
    write_dag(out_path, tasks, edges)


def write_dag(path, tasks, edges):
    """tasks: [(duration, predecessors)]"""
    with open(path, "w", encoding="ascii") as file:
        print("dag", len(tasks), edges, "us", file=file)
        for number, (duration, before) in enumerate(tasks):
            print(number, duration, len(before), *before, file=file)


def published():
    """{(agents, policy): [row]} of the published values that replay has policies for."""
    with open(os.path.join(HERE, "workload_values.json"), encoding="utf-8") as file:
        rows = json.load(file)["rows"]
    groups = {}
    for row in rows:
        if row["policy"] in GRAPH_POLICIES + SESSION_POLICIES + ["heft"]:
            groups.setdefault((row["agents"], row["policy"]), []).append(row)
    return groups


def test_published():
    """Every published makespan, bound and mean, and no violation."""
    need_shared()
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        big = os.path.join(folder, "merged.dag")
        merged(os.path.join(SHARED, "wfcommons"), big)
        for (agents, policy), rows in published().items():
            paths = [big if row["file"].startswith("merged:") else row["file"] for row in rows]
            found = replay("--agents", agents, "--policy", policy, *paths, folder=SHARED)
            equal(len(found), len(rows), agents, policy)
            for row, expected in zip(found, rows):
                expect(row, expected, expected["file"], agents, policy)
                equal(row["agents"], agents)
                count += 1
    check(count >= 294, count, "rows")


def test_plans():
    """Every plan is a run of its own, judged alone."""
    need_shared()
    with open(os.path.join(HERE, "workload_values.json"), encoding="utf-8") as file:
        collections = json.load(file)["plans"]
    for path, expected in collections.items():
        rows = replay(path, folder=SHARED, status=1)
        equal(len(rows), expected["plans"], path)
        good = [row for row in rows if row["error"] is None]
        equal(len(good), expected["valid"], path)
        for status in ("INVALID", "DUPLICATE"):
            bad = [row for row in rows if (row["error"] or {}).get("status") == "SWARM_E_" + status]
            equal(len(bad), expected.get(status, 0), path, status)
        for row in good:
            equal(row["work"], row["steps"])
            equal(row["makespan"], row["critical_path"], row["plan"])  # 300 agents are enough
            check(row["plan"], "no id")


# ---- A second implementation -------------------------------------------------------------------


def random_tasks(rng):
    """[(duration, predecessors)], some of no length, some durations equal."""
    n = rng.randint(1, 40)
    longest = rng.choice([1, 3, 1000])
    density = rng.choice([0.02, 0.1, 0.3])
    return [(rng.choice([0, 1, 1, rng.randint(0, longest)]),
             [u for u in range(v) if rng.random() < density]) for v in range(n)]


def graph_of(tasks):
    """The reference's form."""
    return reference.Graph([d for d, _ in tasks],
                           [(u, v) for v, (_, before) in enumerate(tasks) for u in before])


def test_random_graphs(seed=1):
    """Random .dag files against the reference."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        graphs = []
        for number in range(60):
            tasks = random_tasks(rng)
            graphs.append(graph_of(tasks))
            write_dag(os.path.join(folder, f"{number}.dag"), tasks, len(graphs[-1].edges))
        for policy in GRAPH_POLICIES:
            for agents in (1, 2, 3, 8):
                rows = replay("--agents", agents, "--policy", policy,
                              *[f"{i}.dag" for i in range(len(graphs))], folder=folder)
                for row, graph in zip(rows, graphs):
                    expect(row, reference.graph_result(graph, agents, policy), row["input"],
                           policy, agents)


def write_rcp(path, tasks, units, capacity):
    """Patterson's form: successors, from 1."""
    after = [[] for _ in tasks]
    for v, (_, before) in enumerate(tasks):
        for u in before:
            after[u].append(v + 1)
    with open(path, "w", encoding="ascii") as file:
        print(len(tasks), len(capacity), file=file)
        print(*capacity, file=file)
        for (duration, _), need, successors in zip(tasks, units, after):
            print(duration, *need, len(successors), *successors, file=file)


def test_random_projects(seed=1):
    """Random .rcp files against the reference: permits of several classes, all or none."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, f"{number}.rcp") for number in range(60)]
        for path in paths:
            capacity = [rng.randint(1, 6) for _ in range(rng.randint(1, 5))]
            tasks = random_tasks(rng)
            units = [[rng.choice([0, rng.randint(0, c)]) for c in capacity] for _ in tasks]
            write_rcp(path, tasks, units, capacity)
        for policy in GRAPH_POLICIES:
            for agents in (1, 3, 300):
                for row in replay("--agents", agents, "--policy", policy, *paths):
                    expect(row, reference.rcp_result(row["input"], agents, policy), row["input"],
                           policy, agents)


def test_descending_chain():
    """Tasks that stand last to first: ranks take time in proportion to the tasks all the same."""
    count = 150000
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "descending.rcp")
        write_rcp(path, [(1, [v + 1] if v + 1 < count else []) for v in range(count)],
                  [[1]] * count, [1])
        for policy in ("hops", "critical-path"):
            row, = replay("--policy", policy, path)
            equal((row["makespan"], row["critical_path"]), (count, count), policy)


def write_sessions(path, traces):
    """traces: [[(slot ms, think ms)]]"""
    with open(path, "w", encoding="ascii") as file:
        for number, trace in enumerate(traces):
            print(f"agenttrace t{number} block 64 tool_tokens 0 system_tokens 0 chains 1 requests "
                  f"{len(trace)}", file=file)
            print(f"chain 0 parent -1 after -1 join -1 type main n {len(trace)}", file=file)
            for slot, think in trace:
                print("r", slot, think, "10 1 end 0", file=file)


def test_random_fleets(seed=1):
    """Random sessions against the reference: short times, so that much happens at once."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(12):
            path = os.path.join(folder, f"{number}.txt")
            traces = [[(rng.randint(0, 6), rng.choice([0, 0, rng.randint(0, 9)]))
                       for _ in range(rng.randint(1, 9))] for _ in range(rng.randint(2, 25))]
            write_sessions(path, traces + [[(1, 0)] * 3])
            options = (rng.randint(1, 30), rng.randint(1, 9), rng.randint(0, 9))
            limits = ["--sessions", options[0], "--requests", options[1], "--think-cap-ms",
                      options[2], path]
            for policy in SESSION_POLICIES:
                for slots in (1, 3, 7):
                    row, = replay("--agents", slots, "--policy", policy, *limits)
                    used = reference.read_sessions(path, *options)
                    expect(row, reference.fleet_result(used, slots, policy), options, policy, slots)


def write_het(path, cost, transfer):
    """Rows of costs, then edges."""
    with open(path, "w", encoding="ascii") as file:
        print("het", len(cost), len(cost[0]), len(transfer), file=file)
        for row in cost:
            print(*row, file=file)
        for (u, v), time in transfer.items():
            print(u, v, time, file=file)


def test_random_unlike_workers(seed=1):
    """Random .het files: heft never later than its static plan, bounds as the reference's."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, f"{number}.het") for number in range(60)]
        for path in paths:
            tasks, workers = random_tasks(rng), rng.randint(1, 5)
            cost = [[rng.randint(0, 20) for _ in range(workers)] for _ in tasks]
            write_het(path, cost, {(u, v): rng.choice([0, rng.randint(0, 9)])
                                   for v, (_, before) in enumerate(tasks) for u in before})
        for row in replay("--policy", "heft", *paths):
            expected = reference.het_result(row["input"])
            check(row["makespan"] <= expected.pop("makespan"), row["input"], "later than planned")
            expect(row, expected, row["input"])
        for policy in ("fifo", "lifo"):
            replay("--policy", policy, *paths)


# ---- Logs --------------------------------------------------------------------------------------


def test_workers():
    """The same line for any number of workers and a second time, whatever the input."""
    inputs = [("tiny.dag", "hops"), ("tiny.stg", "critical-path"), ("tiny.rcp", "lifo"),
              ("tiny.het", "heft"), ("sessions.txt", "fewest-done")]
    for path, policy in inputs:
        words = ["--policy", policy, "--agents", 2, path]
        first = without_time(replay(*words)[0])
        for workers in (1, 2, 8):
            equal(without_time(replay("--workers", workers, *words)[0]), first, path, workers)


def test_workers_shared():
    """The same with the fleet, a workflow, and a project."""
    need_shared()
    for words in (["--policy", "longest-remaining", "--agents", 64, "agentsessions/sessions.txt"],
                  ["--policy", "critical-path", "wfcommons/montage-chameleon-dss-15d-001.dag"],
                  ["rcpsp/j90/j90_10_1.rcp"]):
        first = without_time(replay(*words, folder=SHARED)[0])
        for workers in (1, 2, 8):
            again = replay("--workers", workers, *words, folder=SHARED)[0]
            equal(without_time(again), first, words, workers)


def test_log_file():
    """--log writes the event log, the same one each time."""
    with tempfile.TemporaryDirectory() as folder:
        logs = []
        for number, words in enumerate([[], ["--workers", 8], ["--seed", 2],
                                        [os.path.join(DATA, "tiny.dag")]]):
            path = os.path.join(folder, str(number))
            replay("--log", path, *words)
            with open(path, "rb") as file:
                logs.append(file.read())
            equal(logs[-1][:4], b"SWL1")
        equal(logs[0], logs[1], "workers")
        check(logs[0] != logs[2], "the seed changes nothing")
        check(len(logs[0]) > 100000 > len(logs[3]) > 100, [len(log) for log in logs])
        code, _, err = run("--log", os.path.join(folder, "no", "where"))
        check(code == 1 and "cannot be written" in err, code, err)


# ---- Bad input, wrong usage ----------------------------------------------------------------------


def bad_files():
    """[(name, line, status)] of data/bad."""
    with open(os.path.join(DATA, "bad", "expected.txt"), encoding="ascii") as file:
        rows = [line.split() for line in file if not line.startswith("#")]
    return [(name, int(line), status) for name, line, status in rows]


def test_bad_input():
    """An error line with zeros, and the file and line on stderr; the others go on."""
    files = bad_files()
    paths = ["bad/" + name for name, _, _ in files]
    code, out, err = run("--json", "--seed", 7, "tiny.dag", *paths, "tiny.dag")
    equal(code, 1)
    rows = [json.loads(line) for line in out.splitlines()]
    equal(len(rows), len(files) + 2)
    for row in rows:
        check_row(row)
        equal(row["seed"], 7)
    equal(rows[0]["error"], None)
    equal(without_time(rows[-1]), without_time(rows[0]))
    for row, path, (_, line, status) in zip(rows[1:], paths, files):
        equal(row["input"], path)
        equal((row["error"]["status"], row["error"]["line"]), (status, line), path)
        check(row["error"]["text"], path, "says nothing")
        check(f"{path}:{line}:" in err, path, "is not on stderr")
    equal(len(err.splitlines()), len(files), "messages")


def test_bad_input_for_people():
    """Without --json: messages on stderr, a line a good run, a sum."""
    code, out, err = run("bad/cycle.dag", "tiny.dag")
    equal(code, 1)
    check("tiny.dag: 7 steps" in out and "2 runs, 1 of them bad" in out, out)
    check("bad/cycle.dag:4:" in err and "SWARM_E_CYCLE" in err, err)
    code, out, err = run("bad/cycle.dag")
    equal((code, out), (1, ""))


def test_unreadable():
    """Directories and files that aren't there."""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "a.dag"))
        rows = replay("a.dag", "b.dag", "", ".", folder=folder, status=1)
        equal([row["error"]["line"] for row in rows], [0] * 4)
        equal(rows[1]["error"]["status"], "SWARM_E_MISSING")
        equal([row["input"] for row in rows], ["a.dag", "b.dag", "", "."])


def test_plans_alone():
    """A bad plan costs only itself."""
    rows = replay("plans_named.txt", "plans_numbered.txt", status=1)
    bad = [row for row in rows if row["error"]]
    check(len(rows) > len(bad) > 8, len(rows), len(bad))
    check(all(row["plan"] for row in rows), rows)


def test_too_many_classes():
    """What swarm can't do is an error of that input, not of the program."""
    with tempfile.TemporaryDirectory() as folder:
        write_rcp(os.path.join(folder, "nine.rcp"), [(1, [])], [[1] * 9], [1] * 9)
        write_rcp(os.path.join(folder, "eight.rcp"), [(1, [])], [[1] * 8 + [0]], [1] * 9)
        write_rcp(os.path.join(folder, "many.rcp"), [(1, [])], [[0] * 1025], [1] * 1025)
        rows = replay("nine.rcp", "eight.rcp", "many.rcp", folder=folder, status=1)
        equal([(row["error"] or {}).get("status") for row in rows],
              ["SWARM_E_UNSUPPORTED", None, "SWARM_E_LIMIT"])


def test_escapes():
    """Names of files and plans are bytes of others; the line is still JSON."""
    with tempfile.TemporaryDirectory() as folder:
        name = b'a"b\\c\nd\x01\x7f\xc3\xa9\xff\xed\xa0\x80.txt'
        with open(os.path.join(folder.encode(), name), "wb") as file:
            file.write(b'g p"\\\x02\xe2\x82\xac\xc0\xaf\xf5 s 1 0\nn x\n')
        done = subprocess.run([REPLAY.encode(), b"--json", name], cwd=folder, check=True,
                              stdout=subprocess.PIPE)
        row = json.loads(done.stdout.decode())
        equal(row["input"], 'a"b\\c\nd\x01\x7f\u00e9\ufffd\ufffd\ufffd\ufffd.txt')
        equal(row["plan"], 'p"\\\x02\u20ac\ufffd\ufffd\ufffd')
        equal(done.stdout.count(b"\n"), 1)


WRONG = [
    ["--nonsense"], ["-x"], ["--agents"], ["--agents", "0"], ["--agents", "-1"],
    ["--agents", "1000001"], ["--agents", "3x"], ["--agents", ""], ["--agents", " 3"],
    ["--agents", "+3"], ["--agents", "18446744073709551617"], ["--workers", "0"],
    ["--workers", "1025"], ["--seed", "18446744073709551616"], ["--seed", "one"],
    ["--sessions", "0"], ["--requests", "0"], ["--think-cap-ms", "-5"], ["--policy", "best"],
    ["--policy"], ["--policy", "hops"], ["--policy", "heft"], ["--policy", "fewest-done"],
    ["--policy", "heft", "tiny.dag"], ["--policy", "hops", "tiny.het"],
    ["--policy", "critical-path", "sessions.txt"], ["--policy", "most-done", "tiny.rcp"],
    ["--policy", "longest-remaining", "plans_named.txt"], ["--log"],
    ["--log", "LOG", "tiny.dag", "tiny.dag"], ["--log", "LOG", "plans_named.txt"],
    ["--policy", "hops", "tiny.dag", "sessions.txt"],
]


def test_usage():
    """Wrong usage: 2, a reason and the usage on stderr, nothing on stdout, nothing run."""
    for words in WRONG:
        for form in ([], ["--json"]):
            code, out, err = run(*form, *words)
            equal((code, out), (2, ""), words)
            check(err.startswith("replay: ") and "usage: replay" in err, words, err)
    check(not os.path.exists(os.path.join(DATA, "LOG")), "--log wrote a file")


def test_right_usage():
    """Options anywhere, the last one counts, -- ends them; options of sessions may stand alone."""
    plain = without_time(replay("--agents", 2, "tiny.dag")[0])
    equal(without_time(replay("tiny.dag", "--agents", 9, "--agents", 2)[0]), plain)
    equal(without_time(replay("--agents", 2, "--", "tiny.dag")[0]), plain)
    equal(replay("--", "--json", status=1)[0]["error"]["status"], "SWARM_E_MISSING")
    equal(replay("--sessions", 3, "--requests", 2, "--think-cap-ms", 0)[0]["log_hash"], GOLDEN)
    code, out, err = run("--help")
    check(code == 0 and out.startswith("usage: replay") and err == "", out, err)


def test_output_that_fails():
    """A full disk is not success."""
    if not os.path.exists("/dev/full"):
        raise Skipped("no full device")
    with open("/dev/full", "wb") as full:
        equal(run("--json", stdout=full)[0], 1)


# ---- Long --------------------------------------------------------------------------------------


def shared_files(folder, ending):
    """The folder's files, by name."""
    return sorted(os.path.join(folder, name) for name in os.listdir(os.path.join(SHARED, folder))
                  if name.endswith(ending))


def close(ratios, published, *what):
    """The mean of ratios is as published, give or take one in the last digit: printed tables round
    means of rounded numbers."""
    mean, digits = sum(ratios) / len(ratios), len(published.split(".")[1])
    check(abs(mean - float(published)) < 10 ** -digits, *what, "mean", mean, "published", published)


def ratios_of(rows):
    """Makespan over bound."""
    return [row["makespan"] / row["lower_bound"] for row in rows]


def long_workflows():
    """All 86 workflows at 4, 16, 64, 300 agents, four policies: every makespan, and the means."""
    need_shared()
    with open(os.path.join(HERE, "workload_values.json"), encoding="utf-8") as file:
        means = json.load(file)["mean_ratio"]
    paths = shared_files("wfcommons", ".dag")
    graphs = [reference.Graph(*reference.read_dag(os.path.join(SHARED, path))) for path in paths]
    for agents in (4, 16, 64, 300):
        for policy in GRAPH_POLICIES:
            words = ["--agents", agents, "--policy", policy, *paths]
            rows = replay(*words, folder=SHARED)
            equal(len(rows), 86)
            for row, graph in zip(rows, graphs):
                equal(row["makespan"], reference.list_schedule(graph, agents, policy), row["input"])
            close(ratios_of(rows), means[str(agents)][policy], agents, policy)
            again = replay("--workers", 8, *words, folder=SHARED)
            equal([r["log_hash"] for r in again], [r["log_hash"] for r in rows], "workers")


def proven_optima():
    """{(file, agents): optimum} of the STG graphs."""
    optima = {}
    for folder in ("stg50", "stg100"):
        with open(os.path.join(SHARED, folder, "optimal.csv"), encoding="ascii") as file:
            for line in file.read().splitlines()[1:]:
                name, agents, optimum, verdict = line.split(",")
                if verdict == "proven":
                    optima[f"{folder}/{name}", int(agents)] = int(optimum)
    return optima


def long_stg():
    """All 180 task graphs at 2, 4, 8, 16: every makespan, and how often the optimum is met."""
    need_shared()
    with open(os.path.join(HERE, "workload_values.json"), encoding="utf-8") as file:
        proven = json.load(file)["stg_proven"]
    paths = shared_files("stg50", ".stg") + shared_files("stg100", ".stg")
    graphs = [reference.Graph(*reference.read_stg(os.path.join(SHARED, path))) for path in paths]
    optima = proven_optima()
    equal((len(paths), len(optima)), (180, proven["rows"]))
    for policy in GRAPH_POLICIES:
        ratios = []
        for agents in (2, 4, 8, 16):
            rows = replay("--agents", agents, "--policy", policy, *paths, folder=SHARED)
            for row, graph in zip(rows, graphs):
                equal(row["makespan"], reference.list_schedule(graph, agents, policy), row["input"])
            ratios += [row["makespan"] / optima[row["input"], agents] for row in rows
                       if (row["input"], agents) in optima]
        if policy in proven:
            close([100 * (ratio == 1) for ratio in ratios], proven[policy]["exact_percent"], policy)
            close(ratios, proven[policy]["mean"], policy)


def long_projects():
    """All 135 projects: every makespan, and the mean over the best known or the bound."""
    need_shared()
    with open(os.path.join(HERE, "workload_values.json"), encoding="utf-8") as file:
        values = json.load(file)
    with open(os.path.join(SHARED, "rcpsp/j90/bounds.csv"), encoding="ascii") as file:
        best = {f"rcpsp/j90/{name}": int(upper) for name, upper, _ in
                (line.split(",") for line in file.read().split())}
    paths = shared_files("rcpsp/j90", ".rcp") + shared_files("rcpsp/j120", ".rcp")
    for policy in GRAPH_POLICIES:
        rows = replay("--policy", policy, *paths, folder=SHARED)
        for row in rows:
            expect(row, reference.rcp_result(os.path.join(SHARED, row["input"]), 300, policy),
                   row["input"], policy)
        if policy in values["rcp_j90_ratio"]:
            close([row["makespan"] / best[row["input"]] for row in rows if row["input"] in best],
                  values["rcp_j90_ratio"][policy], "j90", policy)
            close(ratios_of([row for row in rows if "j120" in row["input"]]),
                  values["rcp_j120_ratio"][policy], "j120", policy)


def long_plans():
    """All plans, few and many agents, four policies, against the reference."""
    need_shared()
    for path in ("worfbench/worfbench.txt", "ultratool/ultratool.txt"):
        plans = reference.read_plans(os.path.join(SHARED, path))
        for policy in GRAPH_POLICIES:
            for agents in (1, 2, 300):
                rows = replay("--agents", agents, "--policy", policy, path, folder=SHARED, status=1)
                equal([row["plan"] for row in rows], [name for name, _, _ in plans])
                for row, (_, graph, verdict) in zip(rows, plans):
                    equal((row["error"] or {}).get("status"), verdict and "SWARM_E_" + verdict)
                    if graph:
                        expect(row, reference.graph_result(graph, agents, policy), row["plan"])


def long_random():
    """The random tests with other seeds."""
    for seed in range(1000, 1010):
        for test in (test_random_graphs, test_random_projects, test_random_fleets,
                     test_random_unlike_workers):
            test(seed)


def main():
    """One TAP line a test."""
    global REPLAY
    words = [word for word in sys.argv[1:] if word != "--long"]
    if len(words) != 1:
        sys.exit(__doc__)
    REPLAY = os.path.abspath(words[0])
    prefixes = ("test_", "long_") if "--long" in sys.argv else ("test_",)
    tests = [(name, f) for name, f in globals().items() if name.startswith(prefixes)]
    failures = 0
    print(f"1..{len(tests)}")
    for number, (name, test) in enumerate(tests, 1):
        try:
            test()
            print(f"ok {number} - {name}", flush=True)
        except Skipped as why:
            print(f"ok {number} - {name} # SKIP {why}", flush=True)
        except (Failed, ValueError, KeyError, subprocess.SubprocessError) as what:
            failures += 1
            print(f"not ok {number} - {name}", flush=True)
            for line in str(what).splitlines() or [repr(what)]:
                print("#", line)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
