# SPDX-License-Identifier: MIT
"""What must hold of the object file of src/all.c, for tidy.py: names, globals, needs.

Every check compiles as a user would, `cc -c src/all.c` without further options but the level of
optimisation, and reads the result with nm and size.
"""
import os
import re
import shutil
import subprocess
import tempfile

import api

UNIT = "src/all.c"
COMPILERS = ("gcc", "clang")
LEVELS = ("-O0", "-O2")
# Compilers may insert calls to these four whatever the source says.
NEEDS = {"memcpy", "memmove", "memset", "memcmp"}
LINKERS_OWN = {"_GLOBAL_OFFSET_TABLE_"}
WRITABLE = re.compile(r"^\.(data|bss|tdata|tbss|ldata|lbss)(?!\.rel\.ro)")


def run(root, *command):
    """(exit status, output) of a command in the repository's top folder."""
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def checks(root, public, library):
    """[(name, function that yields findings)] for every compiler that is installed."""
    found = []
    for compiler in COMPILERS:
        if shutil.which(compiler):
            found.append((f"archive {compiler}", lambda c=compiler: check_compiler(root, c)))
    if shutil.which("tcc"):
        found.append(("archive tcc, no atomics", lambda: check_tcc(root)))
    found.append(("two renamed copies in one program", lambda: check_two(root)))
    if library:
        found.append(("exports", lambda: check_exports(root, public, library)))
    return found


def check_compiler(root, compiler):
    """Names and writable data of the whole, undefined symbols of the core."""
    with tempfile.TemporaryDirectory() as folder:
        for level in LEVELS:
            whole, core = os.path.join(folder, "whole.o"), os.path.join(folder, "core.o")
            code, text = run(root, compiler, level, "-c", UNIT, "-o", whole)
            if code == 0:
                code, text = run(root, compiler, level, "-DSWARM_NO_HOST", "-ffreestanding", "-c",
                                 UNIT, "-o", core)
            if code:
                yield UNIT, 1, f"{compiler} {level} does not compile it:\n{text}"
                return
            about = f"({compiler} {level})"
            yield from check_names(root, whole, about)
            yield from check_writable(root, whole, about)
            for name in sorted(undefined(root, core) - NEEDS):
                yield UNIT, 1, (f"the core needs {name} {about}; it may need only "
                                + " ".join(sorted(NEEDS)) + ", so use src/base or a host hook")


def check_names(root, path, about):
    """Every global symbol carries the prefix."""
    for name in defined(root, path):
        if not name.startswith("swarm_"):
            yield UNIT, 1, f"global symbol {name} {about}; begin it with swarm__ or make it static"


def check_writable(root, path, about):
    """No global state. Judged by section: nm's letter is wrong for constant tables of pointers."""
    _, text = run(root, "size", "-A", path)
    for name, size in re.findall(r"(?m)^(\S+)\s+(\d+)\s+\d+$", text):
        if WRITABLE.match(name) and int(size):
            names = [line.split()[-1] for line in run(root, "nm", path)[1].splitlines()
                     if re.search(r" [bBdDC] ", line)]
            yield UNIT, 1, (f"{size} bytes in {name} {about}, one of {' '.join(names)}; make it "
                            "const, or a member of the swarm")


def check_tcc(root):
    """A compiler without <stdatomic.h> and threads builds the library for one worker."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "all.o")  # never /dev/null: tcc replaces it by a file
        code, text = run(root, "tcc", "-std=c11", "-c", UNIT, "-o", path)
        if code:
            yield UNIT, 1, f"tcc does not compile it:\n{text}"
        else:
            yield from check_names(root, path, "(tcc)")


def defined(root, path):
    """Global symbols that an object file defines."""
    _, text = run(root, "nm", "-g", "--defined-only", path)
    return [line.split()[-1] for line in text.splitlines() if line.strip()]


def undefined(root, path):
    """Symbols that an object file needs."""
    _, text = run(root, "nm", "-u", path)
    return {line.split()[-1] for line in text.splitlines() if line.strip()} - LINKERS_OWN


def check_two(root):
    """Two copies under other names live in one program: nothing is shared behind our back."""
    with tempfile.TemporaryDirectory() as folder:
        at = lambda name: os.path.join(folder, name)
        code, text = run(root, "gcc", "-c", UNIT, "-o", at("all.o"))
        if code:
            yield UNIT, 1, f"gcc does not compile it:\n{text}"
            return
        names = defined(root, at("all.o"))
        for copy in ("one", "two"):
            with open(at(copy + ".map"), "w", encoding="ascii") as file:
                file.writelines(f"{name} {copy}_{name}\n" for name in names)
            run(root, "objcopy", "--redefine-syms=" + at(copy + ".map"), at("all.o"),
                at(copy + ".o"))
        with open(at("main.c"), "w", encoding="ascii") as file:
            file.write("#include <stdint.h>\n"
                       "uint32_t one_swarm_version(void), two_swarm_version(void);\n"
                       "int main(void) { return one_swarm_version() != two_swarm_version(); }\n")
        code, text = run(root, "gcc", at("main.c"), at("one.o"), at("two.o"), "-pthread", "-o",
                         at("two"))
        if code == 0:
            code, text = run(root, at("two"))
        if code:
            yield UNIT, 1, f"two renamed copies don't live in one program:\n{text}"


def check_exports(root, public, library):
    """The shared library exports the functions of swarm.h and nothing else."""
    _, text = run(root, "nm", "-D", "--defined-only", os.path.abspath(library))
    exported = {line.split()[-1] for line in text.splitlines() if line.strip()}
    with open(os.path.join(root, public[public.index("swarm.h")]), encoding="utf-8") as file:
        declared = set(api.parse(file.read()).functions)
    for name in sorted(declared - exported):
        yield "swarm.h", 1, f"{name} is declared, but not exported; define it, with SWARM_API"
    for name in sorted(exported - declared):
        yield "swarm.h", 1, f"{name} is exported, but not declared in swarm.h; make it swarm__"
