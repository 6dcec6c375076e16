# SPDX-License-Identifier: MIT
"""header.py [ROOT]: each public header compiles alone, in any user's C or C++.

swarm.h and backends/*/swarm_*.h, included twice (the guard) as the only include of a file, in C11,
C17, C2x and C++11, C++17, C++20, by gcc and clang, with every warning of meson.build an error.
-Wpadded too: structs of the interface have no padding, so that bindings and hashes see no hole.
"""
import os
import re
import shutil
import subprocess
import sys

import api

COMPILERS = {"gcc": "g++", "clang": "clang++"}
C, CPP = ("c11", "c17", "c2x"), ("c++11", "c++17", "c++20")
BASIC = ["-Wall", "-Wextra", "-Wpedantic", "-Wpadded", "-Werror"]
ONLY_C = {"-Wstrict-prototypes", "-Wmissing-prototypes"}


def warnings(root):
    """The list of warnings in meson.build, which is the only one."""
    with open(os.path.join(root, "meson.build"), encoding="utf-8") as file:
        return re.findall(r"'(-W[a-z-]+)'", file.read())


def compile_header(root, path, compiler, standard, options):
    """(exit status, errors) of a file that only includes `path`, twice."""
    language = "c++" if "++" in standard else "c"
    text = f'#include "{path}"\n#include "{path}"\n'
    command = [compiler, "-x", language, f"-std={standard}", "-fsyntax-only", "-I.", *options, "-"]
    done = subprocess.run(command, cwd=root, input=text, capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stderr


def main():
    """One TAP line for each header, compiler and standard."""
    names = sys.argv[1:]
    root = names[0] if names else os.path.join(os.path.dirname(__file__), "..")
    more, number, failures = warnings(root), 0, 0
    for path in api.headers_of(root):
        for compiler, plus in COMPILERS.items():
            for standard in C + CPP:
                number += 1
                label = f"{number} - {path} {compiler} {standard}"
                program = compiler if standard in C else plus
                if not shutil.which(program):
                    print(f"ok {label} # SKIP {program} is not installed")
                    continue
                options = BASIC + [w for w in more if standard in C or w not in ONLY_C]
                code, errors = compile_header(root, path, program, standard, options)
                failures += code != 0
                print("".join(f"# {line}\n" for line in errors.splitlines()), end="")
                print(f"{'not ok' if code else 'ok'} {label}")
    print(f"1..{number}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
