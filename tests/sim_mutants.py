# SPDX-License-Identifier: MIT
"""sim_mutants.py [--seeds N] [--only NAME]: does tests/sim_campaign find bugs?

Each mutant breaks one line of src in a scratch copy, is built without the library's own asserts, so
that only the naive model looks on, and is played until a seed fails. Prints TAP: ok when the mutant
was killed, with what the model said. Run from the top folder.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

# name: (file, what stands there, what stands there instead)
MUTANTS = {
    "permits are not given back": (
        "src/core/attempt.c",
        "    swarm__gate_give(sw, (uint32_t)(attempt - d->attempts));\n", ""),
    "nobody is woken for a free agent": (
        "src/core/attempt.c",
        "    swarm__demand_wake_agent(d, d->agents[attempt->agent].profile, attempt->agent);\n",
        ""),
    "nobody is woken for a run's place": (
        "src/core/attempt.c",
        "    swarm__demand_wake(d, wait_of_run(d, attempt->run));\n", ""),
    "a reservation is not settled": (
        "src/core/attempt.c",
        "        swarm__charge_settle(sw, (uint32_t)(attempt - d->attempts));\n", "        ;\n"),
    "what was lent is not given back": (
        "src/core/attempt.c",
        "        attempt_request(d, index, ATTEMPT_WANTS_RELEASE);\n", "        ;\n"),
    "a held backend is used": (
        "src/core/attempt.c", "    backend->held_until = until_ns;\n", ""),
    "a late answer is not counted": (
        "src/core/attempt.c", "        run->report.fenced++;\n        log_answer",
        "        log_answer"),
    "a second answer is told as a stale one": (
        "src/core/attempt.c",
        "same && answered ? SWARM_E_DUPLICATE",
        "same && !answered ? SWARM_E_DUPLICATE"),
    "an absurd confidence is taken": (
        "src/core/attempt.c", "        completion->result.confidence_ppm > MILLION ||\n", ""),
    "a backoff grows too fast": (
        "src/dispatch/retry.h", ": wait * 2;", ": wait * 3;"),
    "a loop ends one iteration late": (
        "src/core/loop.c", "loop->iteration == loop->iterations_max",
        "loop->iteration > loop->iterations_max"),
    "a join goes on one too early": (
        "src/dispatch/join.h",
        "    if (join->ok >= join->need) {",
        "    if (join->ok + 1 >= join->need) {"),
    "a join hopes for ever": (
        "src/dispatch/join.h", "join->edges - lost < join->need ?", "join->edges < join->need ?"),
    "garbage is no failure to a join": (
        "src/dispatch/join.h",
        "join->garbage > join->garbage_max",
        "join->garbage > join->garbage_max + 1"),
    "permits are not looked at": (
        "src/dispatch/permit.h",
        "            !permit_has(permit, demand->needs[i].units, now_ns)) {",
        "            false) {"),
    "a question is never given up": (
        "src/core/ask.c",
        "        step->attempts += spec != NULL && spec->kind != SWARM_ASK_NONE;\n",
        ""),
    "a cancel leaves its attempt running": (
        "src/core/cancel.c",
        "        swarm__attempt_give_up(sw, tracked, SWARM_OK);\n    }\n"
        "    swarm__step_end(sw, tracked,"
        " SWARM_STEP_CANCELLED",
        "    }\n    swarm__step_end(sw, tracked, SWARM_STEP_CANCELLED"),
    "arrivals are not sorted": (
        "src/core/advance.c",
        "    sw->round.arrivals = sort(sw, swarm__round_slots(sw, swarm__replay_posts(sw, list)));",
        "    sw->round.arrivals = swarm__round_slots(sw, swarm__replay_posts(sw, list));"),
    "a delay is an instant short": (
        "src/core/edge.c", "saturating_add64(from_ns, d->delays[delay].delay_ns)",
        "saturating_add64(from_ns, d->delays[delay].delay_ns / 2)"),
}


def broken(root, scratch, mutant):
    """A copy of the sources with this mutant; None when the line is not there."""
    path, old, new = mutant
    for folder in ("src", "backends", "tests"):
        shutil.copytree(os.path.join(root, folder), os.path.join(scratch, folder))
    shutil.copy(os.path.join(root, "swarm.h"), scratch)
    name = os.path.join(scratch, path)
    with open(name, encoding="utf-8") as file:
        text = file.read()
    if text.count(old) == 0:
        return False
    with open(name, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new, 1))
    return True


def play(scratch, seeds):
    """What the model says; None when nothing."""
    program = os.path.join(scratch, "sim")
    build = "cc -std=c11 -O1 -w -I. tests/sim_campaign.c src/all.c backends/mock/mock.c -pthread -o"
    subprocess.run(build.split() + [program], cwd=scratch, check=True)
    done = subprocess.run([program, "--seeds", str(seeds), "--shrinks", "0"], cwd=scratch,
                          capture_output=True, text=True, timeout=900, check=False)
    if done.returncode == 0:
        return None
    said = re.search(r"# seed \d+: (.*)|signal \d+", done.stdout)
    return (said.group(1) or said.group(0)) if said else "it broke"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20000)
    parser.add_argument("--only")
    options = parser.parse_args()
    names = [name for name in MUTANTS if options.only in (None, name)]
    bad = 0
    print(f"1..{len(names)}")
    for number, name in enumerate(names, 1):
        with tempfile.TemporaryDirectory() as scratch:
            if not broken(os.getcwd(), os.path.join(scratch, "copy"), MUTANTS[name]):
                said, good = "the line is not there any more", False
            else:
                said = play(os.path.join(scratch, "copy"), options.seeds)
                good = said is not None
        bad += not good
        print(f"{'ok' if good else 'not ok'} {number} - {name}: {said or 'survives'}", flush=True)
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
