# SPDX-License-Identifier: MIT
"""test_generate.py PROGRAM: docs/examples/generate from outside: options, JSON, exit codes, logits.

The tiny models and their expected tokens and float64 logits are in ../shared/moe. TAP.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

import moe_reference

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.path.join(os.environ.get("SWARM_SHARED", os.path.join(HERE, "..", "..", "shared")),
                      "moe")
ALLOWED = {"bf16": 3e-6, "int4": 1e-4, "grouped": 3e-6}
LAYOUT = {"F64": "d", "I32": "i"}


def run(*options):
    """The finished process."""
    command = [sys.argv[1], *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)


def expected(model, sequence):
    """(tokens, prompt length, rows of logits) of one expected sequence."""
    with open(os.path.join(SHARED, model, "expect.safetensors"), "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])

    def tensor(name):
        entry = header[f"seq.{sequence}.{name}"]
        first, end = (8 + size + offset for offset in entry["data_offsets"])
        letter = LAYOUT[entry["dtype"]]
        count = (end - first) // struct.calcsize(letter)
        return struct.unpack(f"<{count}{letter}", data[first:end])

    return list(tensor("tokens")), tensor("counts")[0], tensor("logits")


def distance(found, wanted):
    """Relative L2."""
    above = sum((a - b) ** 2 for a, b in zip(found, wanted))
    return (above / sum(b * b for b in wanted)) ** 0.5


def check_model(model, device, allowed, sequences):
    """Tokens and logits of some sequences."""
    for sequence in sequences:
        tokens, prompt, wanted = expected(model, sequence)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "logits")
            done = run("--model", os.path.join(SHARED, model), "--tokens",
                       ",".join(map(str, tokens[:prompt])), "--max-new", len(tokens) - prompt,
                       "--json", "--logits", path, "--device", device)
            assert done.returncode == 0, done.stderr
            with open(path, "rb") as file:
                rows = file.read()
        answer = json.loads(done.stdout)
        assert answer["tokens"] == tokens, (model, sequence, answer)
        assert set(answer) == {"tokens", "cached_tokens", "ns_per_token", "error"}, answer
        assert answer["error"] is None and answer["cached_tokens"] == 0, answer
        assert answer["ns_per_token"] > 0, answer
        found = struct.unpack(f"<{len(rows) // 4}f", rows)
        assert len(found) == len(wanted) // len(tokens) * (len(tokens) - 1), len(found)
        assert distance(found, wanted) <= allowed, (model, sequence, distance(found, wanted))


def test_models():
    """Every model, every sequence, within the stated distance."""
    for model, allowed in ALLOWED.items():
        check_model(model, "cpu", allowed, "abcd")


def test_emulated():
    """The kernels on the emulated GPU."""
    for model in ALLOWED:
        check_model(model, "emulated", 2.5e-2, "d")


# Sizes that nothing divides, and what the published models don't do together.
ODD = {
    "vocab_size": 53, "hidden_size": 37, "num_hidden_layers": 3, "first_k_dense_replace": 1,
    "intermediate_size": 41, "num_attention_heads": 5, "q_lora_rank": 19, "kv_lora_rank": 23,
    "qk_nope_head_dim": 7, "qk_rope_head_dim": 6, "v_head_dim": 11, "n_routed_experts": 9,
    "num_experts_per_tok": 3, "moe_intermediate_size": 17, "n_shared_experts": 1, "n_group": 3,
    "topk_group": 2, "norm_topk_prob": True, "routed_scaling_factor": 1.5, "rms_norm_eps": 1e-4,
    "rope_theta": 500.0, "max_position_embeddings": 512,
    "rope_scaling": {"type": "yarn", "factor": 8, "beta_fast": 4, "beta_slow": 1, "mscale": 0.7,
                     "mscale_all_dim": 0.3, "original_max_position_embeddings": 64},
}
FAMILY = [
    ODD,
    {**ODD, "first_k_dense_replace": 0, "n_group": 1, "topk_group": 1, "rope_scaling": None,
     "norm_topk_prob": False, "n_shared_experts": 3, "hidden_size": 64},
    {**ODD, "first_k_dense_replace": 2, "n_shared_experts": 0, "num_experts_per_tok": 6,
     "num_attention_heads": 1, "qk_rope_head_dim": 2, "rms_norm_eps": 1e-6},
    {**ODD, "first_k_dense_replace": 3, "num_hidden_layers": 2, "v_head_dim": 1,
     "kv_lora_rank": 33},
]


def test_any_member_of_the_family():
    """Random models of odd sizes against plain Python in float64, on the CPU and the kernels."""
    for number, config in enumerate(FAMILY):
        tensors = moe_reference.random_model(config, number)
        tokens = [(7 * i * i + number) % 53 for i in range(9)]
        wanted = sum(moe_reference.logits(config, tensors, tokens), [])
        for device, allowed in (("cpu", 3e-6), ("emulated", 3e-2)):
            with tempfile.TemporaryDirectory() as folder:
                moe_reference.write(folder, config, tensors)
                path = os.path.join(folder, "logits")
                done = run("--model", folder, "--tokens", ",".join(map(str, tokens)),
                           "--max-new", 1, "--logits", path, "--device", device)
                assert done.returncode == 0, (number, device, done.stderr)
                with open(path, "rb") as file:
                    rows = file.read()
            found = struct.unpack(f"<{len(rows) // 4}f", rows)
            gap = distance(found, wanted)
            assert gap <= allowed, (number, device, gap)


def test_batch_and_threads():
    """The answer is that of one prompt alone."""
    folder = os.path.join(SHARED, "bf16")
    plain = run("--model", folder, "--tokens", "5,6,7", "--max-new", 5)
    assert plain.returncode == 0, plain.stderr
    assert plain.stdout.startswith("5,6,7,") and plain.stdout.count(",") == 7, plain.stdout
    for more in (["--batch", 8], ["--threads", 2], ["--batch", 3, "--threads", 2]):
        done = run("--model", folder, "--tokens", "5,6,7", "--max-new", 5, *more)
        assert done.returncode == 0 and done.stdout == plain.stdout, (more, done)


def test_fleet():
    """300 agents share the coordinator's prefix; every step ends well."""
    tokens = ",".join(str(i) for i in range(2, 37))
    done = run("--model", os.path.join(SHARED, "bf16"), "--tokens", tokens, "--max-new", 4,
               "--fleet", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["steps"] == answer["ok"] == 301, answer
    assert answer["new_tokens"] == 301 * 4, answer
    assert answer["cached_tokens"] == 300 * 32, answer  # two whole pages of 16 each
    assert answer["rows_largest"] >= 300, answer


def test_usage():
    """Wrong usage: 2, and how it is done on stderr."""
    good = ["--model", SHARED, "--tokens", "1", "--max-new", 1]
    for bad in ([], good[2:], good[:2] + good[4:], good[:4], good + ["--what"], good + ["--batch"],
                good + ["--batch", 0], good + ["--device", "tpu"],
                good[:2] + ["--tokens", "1,,2", "--max-new", 1],
                good[:2] + ["--tokens", "", "--max-new", 1],
                good[:2] + ["--tokens", "1,", "--max-new", 1],
                good[:2] + ["--tokens", "-1", "--max-new", 1],
                good[:4] + ["--max-new", "x"], good + ["--fleet", "--logits", "f"]):
        done = run(*bad)
        assert done.returncode == 2 and "usage" in done.stderr and not done.stdout, (bad, done)


def test_failures():
    """What cannot be done: 1, with the status on stderr and in the JSON."""
    folder = os.path.join(SHARED, "bf16")
    for bad in (["--model", "/nowhere", "--tokens", "1", "--max-new", 1],
                ["--model", folder, "--tokens", "160", "--max-new", 1],
                ["--model", folder, "--tokens", "1", "--max-new", 1 << 30],
                ["--model", folder, "--tokens", "1", "--max-new", 1, "--logits", "/nowhere/x"],
                ["--model", folder, "--tokens", "1", "--max-new", 1, "--device", "cuda"]):
        done = run(*bad, "--json")
        assert done.returncode == 1 and "generate: -" in done.stderr, (bad, done)
        assert json.loads(done.stdout)["error"], (bad, done)


def test_damaged_models():
    """A model whose files are cut or changed: 1, and the place is named."""
    with open(os.path.join(SHARED, "grouped", "config.json"), encoding="utf-8") as file:
        config = file.read()
    with open(os.path.join(SHARED, "grouped", "model.safetensors"), "rb") as file:
        weights = file.read()
    cases = [
        (config.replace('"sigmoid"', '"softmax"'), weights, "scoring_func"),
        (config.replace('"hidden_size": 96', '"hidden_size": 100'), weights, "model.embed_tokens"),
        (config, weights.replace(b"model.norm.weight", b"model.gone.weight"), "model.norm.weight"),
        (config, weights[:len(weights) // 2], "model."),
        (config, b"", "model.safetensors"),
        ("", weights, "config.json"),
    ]
    for text, data, name in cases:
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
                file.write(text)
            with open(os.path.join(folder, "model.safetensors"), "wb") as file:
                file.write(data)
            done = run("--model", folder, "--tokens", "1", "--max-new", 1)
            assert done.returncode == 1 and name in done.stderr, (name, done)


NEEDS_MODEL = (test_models, test_emulated, test_batch_and_threads, test_fleet, test_failures,
               test_damaged_models)


def main():
    """One TAP line a test."""
    tests = [test for name, test in globals().items() if name.startswith("test_")]
    bad = 0
    print(f"1..{len(tests)}")
    for number, test in enumerate(tests, 1):
        if test in NEEDS_MODEL and not os.path.isdir(SHARED):
            print(f"ok {number} - {test.__name__} # SKIP shared is missing: no moe")
            continue
        try:
            test()
            print(f"ok {number} - {test.__name__}", flush=True)
        except (AssertionError, OSError, ValueError, subprocess.TimeoutExpired) as error:
            bad += 1
            print("# " + str(error)[:2000].replace("\n", "\n# "))
            print(f"not ok {number} - {test.__name__}", flush=True)
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
