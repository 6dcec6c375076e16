#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compare.py [--rounds N] [--filter REGEX] [--min-time SECONDS] [--json] PROGRAM...

What swarm costs next to the other runtimes: the ratio of its ns a step to theirs, for each workload
and number of threads. The programs are bench_graph, bench_gomp, bench_omp, those that were built.

Each round runs one workload after the other, and of each workload all runtimes one right behind the
other, so that whatever else the machine does meets all of them. A ratio is of two figures of one
round; the table shows the least, the median and the greatest of the rounds. Where the greatest is
more than 1.5 times the least, the machine was too noisy to tell, and the row says so.
"""
import argparse
import json
import re
import statistics
import subprocess
import sys

OURS = "swarm"
NOISE = 1.5


def parts(name):
    """(workload, runtime, threads) of a bench; Google Benchmark appends more."""
    return tuple(name.split("/")[:3])


def run(program, pattern, seconds):
    """{(workload, runtime, threads): ns a step} of one run."""
    done = subprocess.run(
        [program, f"--benchmark_filter={pattern}", f"--benchmark_min_time={seconds}",
         "--benchmark_format=json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    found = {}
    for bench in json.loads(done.stdout or b'{"benchmarks":[]}')["benchmarks"]:
        if bench.get("error_occurred"):
            sys.exit(f"compare.py: {bench['name']}: {bench['error_message']}")
        value = bench.get("wake_p50_ns", bench.get("ns_per_step"))
        if value is not None:
            # the counter is in seconds for a thousand million steps
            found[parts(bench["run_name"])] = float(value)
    return found


def workloads(programs, pattern):
    """Workload -> the programs that have it, in their order."""
    found = {}
    for program in programs:
        listed = subprocess.run([program, "--benchmark_list_tests"], stdout=subprocess.PIPE,
                                check=True, text=True).stdout.split()
        for name in listed:
            if re.search(pattern, name):
                found.setdefault(parts(name)[0], {}).setdefault(program)
    return {name: list(having) for name, having in found.items()}


def ratios(rounds):
    """{(workload, threads, peer): [ratio of each round]}."""
    found = {}
    for figures in rounds:
        for (workload, runtime, threads), value in figures.items():
            ours = figures.get((workload, OURS, threads))
            if runtime != OURS and ours is not None and value > 0:
                found.setdefault((workload, threads, runtime), []).append(ours / value)
    return found


def main():
    """Runs the rounds and prints the table."""
    options = argparse.ArgumentParser(usage=__doc__.splitlines()[0])
    options.add_argument("programs", nargs="+", metavar="PROGRAM")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--filter", default=r"^(chain|fan|tree|wave|rand)/")
    options.add_argument("--min-time", type=float, default=0.1)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    having = workloads(chosen.programs, chosen.filter)
    rounds = []
    for number in range(chosen.rounds):
        figures = {}
        for workload, programs in having.items():
            for program in programs:
                figures.update(run(program, f"^{workload}/", chosen.min_time))
        rounds.append({at: value for at, value in figures.items()
                       if re.search(chosen.filter, "/".join(at))})
        print(f"round {number + 1} of {chosen.rounds}", file=sys.stderr)
    if not chosen.json:
        print("| workload | threads | against | least | median | greatest | |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
    for (workload, threads, peer), found in ratios(rounds).items():
        least, middle, most = min(found), statistics.median(found), max(found)
        noisy = most > NOISE * least
        if chosen.json:
            print(json.dumps({"workload": workload, "threads": int(threads), "against": peer,
                              "ratios": found, "median": middle, "noisy": noisy}))
        else:
            print(f"| {workload} | {threads} | {peer} | {least:.2f} | {middle:.2f} | {most:.2f} |"
                  f" {'too noisy to tell' if noisy else ''} |")


if __name__ == "__main__":
    main()
