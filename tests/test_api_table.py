# SPDX-License-Identifier: MIT
"""test_api_table.py: every function of swarm.h stands in the table of wrong calls.

The rows are REFUSES, AWAY and GIVES in tests/test_api*.c. A function that takes a swarm must also
be called with none; an [owner] function must be called without the turn.
"""
import glob
import os
import re

ROW = re.compile(r"\b(REFUSES|AWAY|GIVES)\((swarm_\w+)(?:, \"([^\"]*)\")?")
DECLARED = re.compile(r"^SWARM_API [^;(]*?\b(swarm_\w+)\(([^;]*?)\);", re.M | re.S)


def owned(text, end):
    """Whether the comment in front of the declaration at `end` says [owner] and nothing else."""
    comment = text[text.rfind("/*", 0, end) : end]
    return "[owner]" in comment and "[call]" not in comment


def main():
    """One TAP line a function."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    with open(os.path.join(root, "swarm.h"), encoding="utf-8") as file:
        header = file.read()
    rows = {}
    for path in sorted(glob.glob(os.path.join(root, "tests", "test_api*.c"))):
        with open(path, encoding="utf-8") as file:
            for kind, name, what in ROW.findall(file.read()):
                rows.setdefault(name, []).append((kind, what))
    functions = list(DECLARED.finditer(header))
    missing = 0
    print(f"1..{len(functions) + 1}")
    for number, match in enumerate(functions, 1):
        name, takes_swarm = match[1], match[2].startswith("swarm *")
        mine = rows.pop(name, [])
        faults = [] if mine else ["no row"]
        if takes_swarm and not any(what.startswith("null swarm") for _, what in mine):
            faults.append('no row "null swarm"')
        if takes_swarm and owned(header, match.start()) and "AWAY" not in [k for k, _ in mine]:
            faults.append("no AWAY row, although it says [owner]")
        missing += bool(faults)
        print(f"{'not ok' if faults else 'ok'} {number} - {name} {'; '.join(faults)}".rstrip())
    good = not rows and len(functions) >= 57
    word = "ok" if good else "not ok"
    print(f"{word} {len(functions) + 1} - rows are of functions: {list(rows)}")
    return 1 if missing or not good else 0


if __name__ == "__main__":
    raise SystemExit(main())
