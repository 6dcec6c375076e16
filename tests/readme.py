# SPDX-License-Identifier: MIT
"""readme.py [ROOT]: the README's blocks that are marked `test` compile, run and print.

    ```c test      a whole program: compiled with src/all.c and the mock backend, and run
    ```sh test     commands, run by sh in a scratch folder that looks like the top folder
    ```text output what the block before it prints on stdout, exactly

A program or command must exit 0. `tests/run.sh` itself can't be marked: it runs this.
"""
import os
import re
import subprocess
import sys
import tempfile

FENCE = re.compile(r"^```(\w+) +(test|output)[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
SECONDS = 240


def blocks(text):
    """[(line, language, text, expected output or None)] of the marked blocks."""
    found = []
    for match in FENCE.finditer(text):
        language, mark, body = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        if mark == "test":
            found.append([line, language, body, None])
        elif found:
            found[-1][3] = body
    return found


def command_of(language, body, folder):
    """The shell command that tests a block, or None where that makes no sense."""
    if language == "c":
        with open(os.path.join(folder, "block.c"), "w", encoding="utf-8") as file:
            file.write(body)
        return ("cc -std=c11 -Wall -Wextra -I. block.c src/all.c backends/mock/mock.c -pthread "
                "-o block && ./block")
    if language == "sh" and "tests/run.sh" not in body:
        return "set -e\n" + body
    return None


def try_block(root, language, body, expected):
    """None, or what is wrong with a block."""
    with tempfile.TemporaryDirectory() as folder:
        for name in os.listdir(root):
            if not name.startswith((".git", "build")):
                os.symlink(os.path.join(root, name), os.path.join(folder, name))
        command = command_of(language, body, folder)
        if command is None:
            return f"a {language} block can't be tested like this; take its mark away"
        try:
            done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True,
                                  text=True, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return f"still running after {SECONDS} s"
    if done.returncode:
        return f"exit {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    if expected is not None and done.stdout != expected:
        return f"expected:\n{expected}printed:\n{done.stdout}"
    return None


def main():
    """One TAP line a block."""
    names = sys.argv[1:]
    root = os.path.abspath(names[0] if names else os.path.join(os.path.dirname(__file__), ".."))
    with open(os.path.join(root, "README.md"), encoding="utf-8") as file:
        found = blocks(file.read())
    failures = 0 if found else 1
    print(f"1..{max(1, len(found))}", flush=True)
    if not found:
        print("# README.md:1: no block is marked; write ```sh test or ```c test\nnot ok 1 - blocks")
    for number, (line, language, body, expected) in enumerate(found, 1):
        problem = try_block(root, language, body, expected)
        if problem:
            failures += 1
            print("# " + f"README.md:{line}: {problem}".rstrip().replace("\n", "\n# "))
        label = f"{number} - README.md:{line} ({language})"
        print(("not ok " if problem else "ok ") + label, flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
