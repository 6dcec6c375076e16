#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fleet.py [LIBRARY]: swarm from Python, with nothing but ctypes.

Forty work steps on twenty simulated agents, between a step that plans them and a call step, written
in Python, that adds up what they said. LIBRARY is a shared library that holds swarm and its mock
backend; without it, one is compiled with cc. The structs below are checked field by field against
the C compiler's idea of them, so that a change of the header shows here first.
"""
import ctypes
import os
import subprocess
import sys
import tempfile
from ctypes import CFUNCTYPE, POINTER, byref, c_char_p, c_size_t, c_uint32, c_uint64, c_void_p

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VERSION, OK, STEP_INPUTS, LOGNORMAL = 0x000100, 0, 1, 3


def struct(name, fields, base=ctypes.Structure):
    """A struct type: `fields` is 'type: name name ...' a line, in the order of the header."""
    types = {"u64": c_uint64, "u32": c_uint32, "size": c_size_t, "pointer": c_void_p,
             "text": c_char_p, "status": ctypes.c_int32, **STRUCTS}
    rows = [line.split(":") for line in fields.strip().split("\n")]
    pairs = [(field, types[kind.strip()]) for kind, names in rows for field in names.split()]
    STRUCTS[name] = type(name, (base,), {"_fields_": pairs})
    return STRUCTS[name]


STRUCTS = {}
Handle = struct("swarm_step", "u64: id")
Result = struct("swarm_result", """
    pointer: bytes
    u64: size value digest release key
    u32: branch confidence_ppm""")
Usage = struct("swarm_usage", "u64: input_tokens cached_tokens output_tokens cost_nano")
Config = struct("swarm_config", """
    size: size
    pointer: host memory
    size: memory_size
    pointer: wakeup wakeup_context
    u64: seed log_bytes cancel_grace_ns
    u32: version flags workers_max runs_max steps_max edges_max tracked_max delays_max inputs_max
    u32: agents_max profiles_max skills_max permits_max demands_max backends_max functions_max
    u32: inflight_max scopes_max plans_max ranges_max deque_size spin commands_max guards_max
    u32: asks_max shapes_max tenants_max budgets_max charges_max states_max accesses_max effects_max
    u32: branches_max prefixes_max labels_max capabilities_max""")
Profile = struct("swarm_profile_spec", """
    text: name
    pointer: skills
    swarm_step: backend
    u32: skills_count inflight_max cost prefixes_max
    u64: notebook_tokens_max conclusion_bytes_max
    pointer: price
    u32: slow_ppm reserved""")
Retry = struct("swarm_retry", """
    u64: backoff_ns backoff_max_ns
    u32: attempts_max jitter_ppm""")
Step = struct("swarm_step_spec", """
    text: payload
    size: payload_size
    pointer: skills needs
    swarm_step: agent capability function
    u64: argument key order_key estimate_ns task queue_timeout_ns run_timeout_ns
    swarm_retry: retry
    pointer: join skip loop charge watch ask hedge state vote recovery
    u32: skills_count needs_count priority flags""")
Info = struct("swarm_step_info", """
    swarm_result: result
    swarm_step: agent
    u64: ordinal ready_ns start_ns end_ns
    u32: state
    status: reason
    u32: attempts outcome
    status: plan_status
    u32: plan_index held flags""")
Call = struct("swarm_call", """
    pointer: sw
    swarm_step: step
    u64: argument
    u32: worker inputs iteration outcome""")
Price = struct("swarm_mock_price", "u64: fixed_nano input_nano cached_nano output_nano")
Model = struct("swarm_mock_model", """
    u64: mean_ns min_ns max_ns
    pointer: trace_ns
    u64: cancel_latency_ns late_ns retry_after_ns input_tokens output_tokens prefill_milli
    u64: decode_milli
    swarm_mock_price: price
    u32: kind trace_count sigma_ppm alpha_ppm input_sigma_ppm output_sigma_ppm cached_ppm stall_ppm
    u32: throttle_ppm failure_ppm failure garbage_ppm duplicate_ppm late_ppm flags reserved""")
Mock = struct("swarm_mock_spec", """
    size: size
    text: name
    u64: seed
    pointer: models context choose latency answer release
    u64: again_ns
    u32: models_count inflight_max scripts_max flags
    pointer: trial""")
Report = struct("swarm_run_report", """
    u64: hash0 hash1 start_ns end_ns steps edges edges_repeated
    u64: ok failed timed_out cancelled skipped budget
    u64: attempts retries fenced running_ns queued_ns
    swarm_usage: usage
    u32: state plan_version
    u64: answers hedges""")
Function = CFUNCTYPE(c_uint32, c_void_p, POINTER(Call), POINTER(c_uint64))

# What each function takes and gives; handles of every kind have one layout.
FUNCTIONS = """
    swarm_status_text: text <- status
    swarm_host_default: pointer
    swarm_new: status <- Config* pointer*
    swarm_free: status <- pointer
    swarm_backend_add: Handle <- pointer pointer
    swarm_profile_add: Handle <- pointer Profile*
    swarm_agent_add: Handle <- pointer Handle u32
    swarm_function_add: Handle <- pointer text Function pointer
    swarm_run_open: Handle <- pointer pointer
    swarm_plan_open: pointer <- pointer Handle
    swarm_step_add: Handle <- pointer Step*
    swarm_edge_add: status <- pointer Handle Handle u64
    swarm_plan_commit: status <- pointer pointer
    swarm_sim_drive: status <- pointer pointer
    swarm_step_status: status <- pointer Handle Info*
    swarm_run_report_get: status <- pointer Handle Report*
    swarm_call_input: status <- Call* u32 Result*
    swarm_mock_memory_size: size <- Mock*
    swarm_mock_new: pointer <- Mock* pointer size
    swarm_mock_backend: pointer <- pointer"""


def check_layouts(folder):
    """Compares every struct above with the C compiler's."""
    lines, wanted = [], []
    for name, kind in STRUCTS.items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        wanted.append(f"{name} {ctypes.sizeof(kind)}")
        for field, _ in kind._fields_:
            c_field = {"hash0": "hash[0]", "hash1": "hash[1]"}.get(field, field)
            lines.append(f'printf("{name}.{field} %zu\\n", offsetof({name}, {c_field}));')
            wanted.append(f"{name}.{field} {getattr(kind, field).offset}")
    source = os.path.join(folder, "layout.c")
    with open(source, "w", encoding="ascii") as file:
        file.write('#include <stdio.h>\n#include "backends/mock/swarm_mock.h"\nint main(void) {\n'
                   + "\n".join(lines) + "\nreturn 0;\n}\n")
    compile_c(["-o", os.path.join(folder, "layout"), source])
    found = subprocess.check_output([os.path.join(folder, "layout")], text=True).split("\n")
    assert found[:-1] == wanted, [pair for pair in zip(found, wanted) if pair[0] != pair[1]]


def compile_c(arguments):
    """Runs the C compiler in the top folder."""
    command = [os.environ.get("CC", "cc"), "-std=c11", "-I."]
    subprocess.run(command + arguments, cwd=ROOT, check=True)


def load(path):
    """The library, with the types of FUNCTIONS."""
    types = {"text": c_char_p, "status": ctypes.c_int32, "pointer": c_void_p, "u32": c_uint32,
             "u64": c_uint64, "size": c_size_t, "pointer*": POINTER(c_void_p), "Function": Function}
    for kind in (Handle, Config, Profile, Step, Info, Result, Mock, Report, Call):
        short = next(name for name, value in globals().items() if value is kind)
        types |= {short: kind, short + "*": POINTER(kind)}
    library = ctypes.CDLL(path)
    for line in FUNCTIONS.strip().split("\n"):
        name, signature = line.strip().split(": ")
        gives, _, takes = signature.partition(" <- ")
        function = getattr(library, name)
        function.restype, function.argtypes = types[gives], [types[t] for t in takes.split()]
    return library


def add_up(library):
    """A call step in Python: the sum of its inputs' values."""
    def function(_context, call, out_value):
        result = Result()
        for index in range(call.contents.inputs):
            if library.swarm_call_input(call, index, byref(result)) != OK:
                return 4  # SWARM_OUTCOME_TERMINAL
            out_value[0] += result.value
        return 0
    return Function(function)


def must(library, status):
    """Raises what a negative status says."""
    if status != OK:
        raise RuntimeError(library.swarm_status_text(status).decode())


def simulated_agents(library, sw):
    """Twenty agents on the mock backend; returns the memory that must outlive the swarm."""
    model = Model(kind=LOGNORMAL, mean_ns=10 * 10**9, sigma_ppm=700000, input_tokens=500,
                  output_tokens=100, price=Price(input_nano=600, output_nano=2500))
    spec = Mock(size=ctypes.sizeof(Mock), seed=1, models_count=1, inflight_max=20,
                models=ctypes.cast(ctypes.pointer(model), c_void_p))
    memory = ctypes.create_string_buffer(library.swarm_mock_memory_size(byref(spec)))
    mock = library.swarm_mock_new(byref(spec), memory, len(memory))
    backend = library.swarm_backend_add(sw, library.swarm_mock_backend(mock))
    profile = library.swarm_profile_add(sw, byref(Profile(name=b"worker", backend=backend)))
    library.swarm_agent_add(sw, profile, 20)
    return memory


def fill(library, sw, run, total):
    """plan -> forty steps -> total; returns the last."""
    plan = library.swarm_plan_open(sw, run)
    first = library.swarm_step_add(plan, byref(Step(payload=b"plan")))
    last = library.swarm_step_add(plan, byref(Step(function=total, flags=STEP_INPUTS)))
    for i in range(40):
        step = library.swarm_step_add(plan, byref(Step(payload=b"work", argument=i)))
        library.swarm_edge_add(plan, first, step, 0)
        library.swarm_edge_add(plan, step, last, 0)
    must(library, library.swarm_plan_commit(plan, None))
    return last


def main():
    """Builds the library where none is given, and runs the fleet."""
    with tempfile.TemporaryDirectory() as folder:
        check_layouts(folder)
        print("sizes and offsets agree")
        path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(folder, "libswarm.so")
        if len(sys.argv) < 2:
            compile_c(["-shared", "-fPIC", "-O1", "-pthread", "-o", path, "src/all.c",
                       "backends/mock/mock.c"])
        library = load(path)
    sw, info, report = c_void_p(), Info(), Report()
    config = Config(size=ctypes.sizeof(Config), version=VERSION, host=library.swarm_host_default())
    must(library, library.swarm_new(byref(config), byref(sw)))
    memory, function = simulated_agents(library, sw), add_up(library)
    total = library.swarm_function_add(sw, b"add up", function, None)
    run = library.swarm_run_open(sw, None)
    last = fill(library, sw, run, total)
    must(library, library.swarm_sim_drive(sw, None))
    must(library, library.swarm_step_status(sw, last, byref(info)))
    must(library, library.swarm_run_report_get(sw, run, byref(report)))
    print(f"{report.ok} of {report.steps} steps ok, {report.attempts} attempts")
    print(f"{report.end_ns} ns, {report.usage.cost_nano} nano, sum {info.result.value}")
    must(library, library.swarm_free(sw))
    assert len(memory) > 0


if __name__ == "__main__":
    main()
