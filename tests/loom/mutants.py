# SPDX-License-Identifier: MIT
"""Mutants of the lock-free files: each order, fence, comparison and step of them is broken in turn,
and some client of loom must notice.

    python3 tests/loom/mutants.py [--file NAME] [--every N] [--jobs N] [--list] [--full]

A mutant is made in a scratch copy, never in the source. What no client notices must stand in
survivors.txt with its reason: `file | function | text | change | reason`. A line of it that
matches nothing, or a mutant that is killed after all, is reported too. --every N takes each N-th
mutant, --full gives clients all their executions instead of a tenth.
Prints TAP; exits 1 when a mutant survives that is not listed.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SURVIVORS = os.path.join(HERE, "survivors.txt")

# Lock-free file -> the client programs that judge it, the likeliest first.
FILES = {
    "src/graph/deque.h": ["deque", "park"],
    "src/graph/park.h": ["park"],
    "src/base/stack.h": ["lists", "park"],
    "src/base/mailbox.h": ["lists", "park"],
    "src/base/pool.h": ["lists"],
    "src/graph/space.h": ["lists"],
    "src/graph/step.h": ["graph"],
    "src/graph/worker.h": ["graph"],
    "src/graph/link.c": ["graph"],
    "src/graph/worker.c": ["graph"],
    "src/graph/step.c": ["graph"],
    "src/graph/range.c": ["graph"],
    "src/graph/plan.c": ["graph"],
    "src/core/turn.c": ["core"],
    "src/core/attempt.c": ["core"],
    "src/core/cancel.c": ["core"],
    "src/core/drive.c": ["core"],
}
# Of these only orders, fences and changes are judged here: what they compute is the unit tests'.
ORDERS_ONLY = ("link.c", "worker.c", "step.c", "range.c", "plan.c", "worker.h", "attempt.c",
               "cancel.c", "drive.c", "turn.c")
# Functions that no client needs: invariants, and what is called before any thread exists.
SKIPPED = re.compile(r"_invariant$|_init$")
# Functions of one owner: only their orders are judged here.
OWNED = re.compile(r"^space_(claim|span|gap)")

COMPILE = ["gcc", "-std=c11", "-O1", "-w", "-DSWARM_ASSERTS=1", "-DSWARM_NO_HOST", "-I.",
           "-fsanitize=thread", "-include", "tests/loom/torn.h"]
WEAKER = {
    "LOAD": {"seq_cst": ["acquire", "relaxed"], "acquire": ["relaxed"]},
    "STORE": {"seq_cst": ["release", "relaxed"], "release": ["relaxed"]},
    "change": {"seq_cst": ["acq_rel", "relaxed"], "acq_rel": ["acquire", "release"],
               "acquire": ["relaxed"], "release": ["relaxed"]},
    "failure": {"acquire": ["relaxed"], "seq_cst": ["relaxed"]},
}
COMPARE = {"==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">"}
CHANGES = ("ADD", "SUB", "OR", "AND", "EXCHANGE", "CAS", "CAS_WEAK")


def blank(text):
    """The text with comments, strings and preprocessor lines as spaces: offsets stay."""
    pattern = r"/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|(?m:^[ \t]*#(?:\\\n|[^\n])*)"
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.DOTALL)


def closing(text, start):
    """Offset of the parenthesis that closes the one at start."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if depth == 0:
            return at
    raise ValueError("unbalanced")


def functions(code):
    """(name, start, end) of each function body."""
    pattern = r"(?m)^[a-z][\w \t*]*?(\w+)\((?:[^()]|\([^()]*\))*\)[ \t\n]*\{"
    for match in re.finditer(pattern, code):
        end = code.find("\n}\n", match.end())
        if end != -1:
            yield match.group(1), match.end(), end


def asserts(code):
    """Spans of assertions: they judge, they are not judged."""
    spans = []
    for match in re.finditer(r"SWARM_ASSERT\(", code):
        spans.append((match.start(), closing(code, match.end() - 1)))
    return spans


def order_mutants(code, start, end):
    """(from, to, new text, name) of each weaker order, and of operations that are torn."""
    for match in re.compile(r"ATOMIC_([A-Z_]+)\(").finditer(code, start, end):
        operation, stop = match.group(1), closing(code, match.end() - 1)
        if operation == "FENCE":
            yield match.start(), stop + 1, "((void)0)", "no fence"
            continue
        orders = list(re.compile(r"\b(relaxed|acquire|release|acq_rel|seq_cst)\b").finditer(
            code, match.end(), stop))
        kinds = ["change", "failure"] if operation.startswith("CAS") else [
            operation if operation in WEAKER else "change"]
        for kind, order in zip(kinds, orders[-len(kinds):]):
            for weaker in WEAKER[kind].get(order.group(), ()):
                yield order.start(), order.end(), weaker, f"{order.group()} -> {weaker}"
        if operation in CHANGES:
            yield match.start(), match.end() - 1, "TORN_" + operation, "torn"


def operator_mutants(code, start, end):
    """Comparisons turned, off by one, and for or; single statements left out."""
    for match in re.compile(r" (==|!=|<=|>=|<|>) ").finditer(code, start, end):
        new = COMPARE[match.group(1)]
        yield match.start(1), match.end(1), new, f"{match.group(1)} -> {new}"
    for match in re.compile(r" ([+-]) 1\b(?![.\w])").finditer(code, start, end):
        yield match.start(1), match.end(), match.group(1) + " 0", f"{match.group(1)} 1 -> 0"
    for match in re.compile(r"&&|\|\|").finditer(code, start, end):
        new = "||" if match.group() == "&&" else "&&"
        yield match.start(), match.end(), new, f"{match.group()} -> {new}"
    statement = re.compile(r"(?m)^[ \t]+((?:\(void\))?(?:ATOMIC_(?!FENCE)\w+|[a-z_]+)\([^;{}]*\));")
    for match in statement.finditer(code, start, end):
        if not match.group(1).startswith(("return", "if", "while", "for")):
            yield match.start(1), match.end(1), "((void)0)", "left out"


def mutants(path):
    """All mutants of a file: (path, function, line text, change, new file text)."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        text = file.read()
    code = blank(text)
    skipped = asserts(code)
    for name, start, end in functions(code):
        if SKIPPED.search(name):
            continue
        makers = (order_mutants, operator_mutants)
        owned = path.endswith(ORDERS_ONLY) or OWNED.search(name)
        seen = {}
        for make in makers[:1] if owned else makers:
            for first, last, new, change in make(code, start, end):
                if any(a <= first <= b for a, b in skipped):
                    continue
                begin, stop = text.rfind("\n", 0, first) + 1, text.find("\n", last)
                line = " ".join(text[begin:stop].split())
                seen[line, change] = seen.get((line, change), 0) + 1
                again = f" ({seen[line, change]})" if seen[line, change] > 1 else ""
                yield path, name, line, change + again, text[:first] + new + text[last:]


def survivors():
    """{(file, function, text, change): reason}."""
    known = {}
    if os.path.exists(SURVIVORS):
        with open(SURVIVORS, encoding="utf-8") as file:
            for line in file:
                fields = [f.strip() for f in line.split(" | ")]
                if len(fields) == 5 and not line.startswith("#"):
                    known[tuple(fields[:4])] = fields[4]
    return known


class Bench:
    """A scratch copy of the tree with the harness built."""

    def __init__(self, folder, full):
        self.folder, self.full = folder, full
        for part in ("src", "tests/loom"):
            shutil.copytree(os.path.join(ROOT, part), os.path.join(folder, part))
        for name in ("swarm.h", "tests/test.h", "tests/test_graph.h"):
            shutil.copy(os.path.join(ROOT, name), os.path.join(folder, name))
        for name in ("loom", "plain", "search"):
            subprocess.run(["gcc", "-std=c11", "-O2", "-w", "-c", f"tests/loom/{name}.c", "-o",
                            f"{name}.o"], cwd=folder, check=True)

    def judge(self, mutant):
        """'killed by NAME', 'survives' or 'does not compile'."""
        path, _, _, _, text = mutant
        place = os.path.join(self.folder, path)
        with open(place, encoding="utf-8") as file:
            good = file.read()
        with open(place, "w", encoding="utf-8") as file:
            file.write(text)
        try:
            return self.judge_now(path)
        finally:
            with open(place, "w", encoding="utf-8") as file:
                file.write(good)

    def run(self, client):
        """Builds a client and runs it: None, or what it says against it."""
        sources = [f"tests/loom/loom_{client}.c"] + ["src/all.c"] * (client == "core")
        built = subprocess.run(
            COMPILE + sources + ["loom.o", "plain.o", "search.o", "-o", f"loom_{client}"],
            cwd=self.folder, capture_output=True, check=False)
        if built.returncode != 0:
            return "does not compile"
        command = [f"./loom_{client}"] + ([] if self.full else ["--quick"]) + ["--stop"]
        try:
            done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True,
                                  timeout=300, check=False)
        except subprocess.TimeoutExpired:
            return f"killed by time in {client}"
        found = re.search(r"(?m)^not ok \d+ - (\S+)", done.stdout)
        return f"killed by {found.group(1) if found else client}" if done.returncode else None

    def judge_now(self, path):
        """The same for what stands in the copy now."""
        said = (self.run(client) for client in FILES[path])
        return next((s for s in said if s is not None), "survives")


def judge_all(chosen, jobs, full):
    """(mutant, verdict) of each, in order."""
    with tempfile.TemporaryDirectory() as scratch:
        benches = [Bench(os.path.join(scratch, str(i)), full) for i in range(jobs)]
        free = list(benches)

        def one(mutant):
            bench = free.pop()
            try:
                return mutant, bench.judge(mutant)
            finally:
                free.append(bench)

        for client in sorted({c for path in {m[0] for m in chosen} for c in FILES[path]}):
            if benches[0].run(client) is not None:
                raise SystemExit(f"loom_{client} fails without any mutant")
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(one, chosen)


def main():
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--file", action="append")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    files = [p for p in FILES if not options.file or os.path.basename(p) in options.file]
    chosen = [m for path in files for m in mutants(path)][:: options.every]
    known, counts = survivors(), {}
    if options.list:
        for mutant in chosen:
            print(" | ".join(mutant[:4]))
        return 0
    bad = number = 0
    for mutant, verdict in judge_all(chosen, options.jobs, options.full):
        reason = known.get(mutant[:4])
        kind = verdict.split(" ")[0]
        counts[kind if reason is None else "listed"] = counts.get(
            kind if reason is None else "listed", 0) + 1
        number += 1
        fine = kind != "survives" or reason is not None
        bad += not fine
        print(f"{'ok' if fine else 'not ok'} {number} - {' | '.join(mutant[:4])}: {verdict}",
              flush=True)
        if reason is not None and kind == "killed":
            print(f"# listed as a survivor, but {verdict}")
    print("# " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    print(f"1..{number}")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
