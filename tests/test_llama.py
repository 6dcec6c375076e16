# SPDX-License-Identifier: MIT
"""test_llama.py PROGRAM: logits of docs/examples/generate against llama.cpp. TAP.

The library comes from the npm package @node-llama-cpp/linux-x64, 3.22.1: `npm pack` it, unpack it
and let SWARM_LLAMA name the folder, or put it into ../llama. Skipped without it.

The tiny models of ../shared/moe are written as GGUF (arch deepseek2, all F32) and run with an F32
cache, no flash attention and one thread. No header of llama.cpp is needed: parameters are opaque
bytes whose offsets are checked against known defaults first.
"""
import ctypes
import glob
import json
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.path.join(os.environ.get("SWARM_SHARED", os.path.join(HERE, "..", "..", "shared")),
                      "moe")
FOLDER = os.environ.get("SWARM_LLAMA", os.path.join(HERE, "..", "..", "llama"))
ALLOWED = {"bf16": 5e-6, "int4": 1e-4, "grouped": 5e-6}  # INT4 meets activations of 15 bits
STRING, U32, F32, BOOL = 8, 4, 6, 7


def read_model(name):
    """(config, {tensor: (shape, floats)}) of one folder, INT4 expanded."""
    with open(os.path.join(SHARED, name, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    with open(os.path.join(SHARED, name, "model.safetensors"), "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    header, tensors = json.loads(data[8:8 + size]), {}

    def values(entry):
        first, end = (8 + size + offset for offset in entry["data_offsets"])
        raw = data[first:end]
        if entry["dtype"] == "BF16":
            halves = struct.unpack(f"<{len(raw) // 2}H", raw)
            return struct.unpack(f"<{len(halves)}f", struct.pack(
                f"<{len(halves)}I", *[half << 16 for half in halves]))
        return struct.unpack(f"<{len(raw) // 4}{'f' if entry['dtype'] == 'F32' else 'I'}", raw)

    for key, entry in header.items():
        short = key.removeprefix("language_model.")
        if short.endswith("weight_packed"):
            scales = values(header[key.replace("packed", "scale")])
            rows, words = entry["shape"]
            out = []
            for i, word in enumerate(values(entry)):
                scale = scales[i // words * (words // 4) + i % words // 4]
                out += [((word >> 4 * k & 15) - 8) * scale for k in range(8)]
            tensors[short.replace("_packed", "")] = ([rows, words * 8], out)
        elif key != "__metadata__" and not short.endswith(("weight_scale", "weight_shape")):
            tensors[short] = (entry["shape"], values(entry))
    return config.get("text_config", config), tensors


def gguf_tensors(config, tensors):
    """[(name, dimensions with the fastest first, floats)] as arch deepseek2 wants them."""
    out = []
    nope, value = config["qk_nope_head_dim"], config["v_head_dim"]
    rank, heads = config["kv_lora_rank"], config["num_attention_heads"]

    def copy(to, name):
        shape, data = tensors[name]
        out.append((to, shape[::-1], data))

    copy("token_embd.weight", "model.embed_tokens.weight")
    copy("output_norm.weight", "model.norm.weight")
    copy("output.weight", "lm_head.weight")
    for layer in range(config["num_hidden_layers"]):
        p, b = f"model.layers.{layer}.", f"blk.{layer}."
        a = p + "self_attn."
        for to, name in (("attn_norm", p + "input_layernorm"), ("attn_q_a", a + "q_a_proj"),
                         ("attn_q_a_norm", a + "q_a_layernorm"), ("attn_q_b", a + "q_b_proj"),
                         ("attn_kv_a_mqa", a + "kv_a_proj_with_mqa"),
                         ("attn_kv_a_norm", a + "kv_a_layernorm"),
                         ("attn_output", a + "o_proj"),
                         ("ffn_norm", p + "post_attention_layernorm")):
            copy(f"{b}{to}.weight", name + ".weight")
        data = tensors[a + "kv_b_proj.weight"][1]
        keys, values = [], []
        for head in range(heads):
            first = head * (nope + value) * rank
            keys += [data[first + n * rank + k] for k in range(rank) for n in range(nope)]
            values += data[first + nope * rank:first + (nope + value) * rank]
        out.append((b + "attn_k_b.weight", [nope, rank, heads], keys))
        out.append((b + "attn_v_b.weight", [rank, value, heads], values))
        if layer < config["first_k_dense_replace"]:
            for part in ("gate", "up", "down"):
                copy(f"{b}ffn_{part}.weight", f"{p}mlp.{part}_proj.weight")
            continue
        copy(b + "ffn_gate_inp.weight", p + "mlp.gate.weight")
        copy(b + "exp_probs_b.bias", p + "mlp.gate.e_score_correction_bias")
        for part in ("gate", "up", "down"):
            copy(f"{b}ffn_{part}_shexp.weight", f"{p}mlp.shared_experts.{part}_proj.weight")
            all_of = [tensors[f"{p}mlp.experts.{e}.{part}_proj.weight"]
                      for e in range(config["n_routed_experts"])]
            out.append((f"{b}ffn_{part}_exps.weight", all_of[0][0][::-1] + [len(all_of)],
                        [v for _, floats in all_of for v in floats]))
    return out


def gguf_keys(config):
    """[(key, type, value)]."""
    c = config
    scaling = c.get("rope_scaling") or c["rope_parameters"]
    rope, rank = c["qk_rope_head_dim"], c["kv_lora_rank"]
    keys = [
        ("block_count", U32, c["num_hidden_layers"]),
        ("context_length", U32, c["max_position_embeddings"]),
        ("embedding_length", U32, c["hidden_size"]),
        ("feed_forward_length", U32, c["intermediate_size"]),
        ("attention.head_count", U32, c["num_attention_heads"]),
        ("attention.head_count_kv", U32, 1),
        ("attention.layer_norm_rms_epsilon", F32, c["rms_norm_eps"]),
        ("vocab_size", U32, c["vocab_size"]),
        ("leading_dense_block_count", U32, c["first_k_dense_replace"]),
        ("attention.q_lora_rank", U32, c["q_lora_rank"]),
        ("attention.kv_lora_rank", U32, rank),
        ("attention.key_length", U32, rank + rope),
        ("attention.value_length", U32, rank),
        ("attention.key_length_mla", U32, c["qk_nope_head_dim"] + rope),
        ("attention.value_length_mla", U32, c["v_head_dim"]),
        ("expert_feed_forward_length", U32, c["moe_intermediate_size"]),
        ("expert_count", U32, c["n_routed_experts"]),
        ("expert_used_count", U32, c["num_experts_per_tok"]),
        ("expert_shared_count", U32, c["n_shared_experts"]),
        ("expert_weights_scale", F32, c["routed_scaling_factor"]),
        ("expert_weights_norm", BOOL, c["norm_topk_prob"]),
        ("expert_gating_func", U32, 2),
        ("rope.dimension_count", U32, rope),
        ("rope.freq_base", F32, c.get("rope_theta") or scaling["rope_theta"]),
        ("rope.scaling.type", STRING, "yarn"),
        ("rope.scaling.factor", F32, scaling["factor"]),
        ("rope.scaling.original_context_length", U32,
         scaling["original_max_position_embeddings"]),
        ("rope.scaling.yarn_log_multiplier", F32, 0.1 * scaling["mscale_all_dim"]),
    ]
    if c["n_group"] > 1:
        keys += [("expert_group_count", U32, c["n_group"]),
                 ("expert_group_used_count", U32, c["topk_group"])]
    return ([("general.architecture", STRING, "deepseek2"),
             ("tokenizer.ggml.model", STRING, "no_vocab")]
            + [("deepseek2." + key, kind, value) for key, kind, value in keys])


def write_gguf(path, config, tensors):
    """Version 3, all tensors F32, aligned to 32."""
    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()

    keys, entries = gguf_keys(config), gguf_tensors(config, tensors)
    out = b"GGUF" + struct.pack("<IQQ", 3, len(entries), len(keys))
    for key, kind, value in keys:
        packed = (text(value) if kind == STRING else
                  struct.pack({U32: "<I", F32: "<f", BOOL: "<?"}[kind], value))
        out += text(key) + struct.pack("<I", kind) + packed
    data = b""
    for name, dimensions, floats in entries:
        data += b"\0" * (-len(data) % 32)
        out += text(name) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, 0,
                                        len(data))
        data += struct.pack(f"<{len(floats)}f", *floats)
    with open(path, "wb") as file:
        file.write(out + b"\0" * (-len(out) % 32) + data)


class Opaque(ctypes.Structure):
    """Parameters by value: more bytes than any of them has."""

    _fields_ = [("bytes", ctypes.c_ubyte * 1024)]


class Batch(ctypes.Structure):
    """llama_batch of this build."""

    _fields_ = [("count", ctypes.c_int32), ("tokens", ctypes.c_void_p),
                ("embeddings", ctypes.c_void_p), ("positions", ctypes.c_void_p),
                ("sequence_counts", ctypes.c_void_p), ("sequences", ctypes.c_void_p),
                ("logits", ctypes.c_void_p)]


def load_library():
    """libllama with its CPU build, or None."""
    found = glob.glob(os.path.join(FOLDER, "**", "libllama.*so*"), recursive=True)
    if not found:
        return None
    folder = os.path.dirname(found[0])
    base, ggml = (ctypes.CDLL(glob.glob(os.path.join(folder, name))[0], mode=ctypes.RTLD_GLOBAL)
                  for name in ("libggml-base.so*", "libggml.*so*"))
    llama = ctypes.CDLL(found[0], mode=ctypes.RTLD_GLOBAL)
    llama.keep = base, ggml
    ggml.ggml_backend_load_all_from_path(folder.encode())
    llama.quiet = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(
        lambda level, line, context: None)
    llama.llama_log_set(llama.quiet, None)
    llama.llama_backend_init()
    for name, result in (("llama_model_default_params", Opaque),
                         ("llama_context_default_params", Opaque),
                         ("llama_model_load_from_file", ctypes.c_void_p),
                         ("llama_init_from_model", ctypes.c_void_p),
                         ("llama_get_logits_ith", ctypes.POINTER(ctypes.c_float))):
        getattr(llama, name).restype = result
    llama.llama_decode.argtypes = [ctypes.c_void_p, Batch]
    llama.llama_get_logits_ith.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    llama.llama_init_from_model.argtypes = [ctypes.c_void_p, Opaque]
    llama.llama_model_load_from_file.argtypes = [ctypes.c_char_p, Opaque]
    llama.llama_free.argtypes = llama.llama_model_free.argtypes = [ctypes.c_void_p]
    return llama


def context_options(llama, scaling):
    """F32 cache, no flash attention, one thread, the model's betas; None for another build."""
    options = llama.llama_context_default_params()
    raw = bytearray(options.bytes)
    known = [struct.unpack_from("<I", raw, at)[0] for at in (0, 4, 8, 104, 108)]
    if known != [512, 2048, 512, 1, 1]:
        return None
    for at, kind, value in ((0, "<I", 512), (8, "<I", 512), (28, "<i", 1), (32, "<i", 1),
                            (52, "<i", 0), (72, "<f", scaling["beta_fast"]),
                            (76, "<f", scaling["beta_slow"]), (104, "<i", 0), (108, "<i", 0)):
        struct.pack_into(kind, raw, at, value)
    options.bytes = (ctypes.c_ubyte * 1024)(*raw)
    return options


def llama_logits(llama, path, scaling, tokens, vocabulary):
    """A row after each token."""
    model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
    assert model, "llama.cpp does not load the model"
    options = context_options(llama, scaling)
    assert options, "another build of llama.cpp: its parameters are not where they were"
    context = llama.llama_init_from_model(model, options)
    assert context, "llama.cpp makes no context"
    n = len(tokens)
    zero = (ctypes.c_int32 * 1)(0)
    arrays = [(ctypes.c_int32 * n)(*tokens), (ctypes.c_int32 * n)(*range(n)),
              (ctypes.c_int32 * n)(*[1] * n),
              (ctypes.c_void_p * n)(*[ctypes.addressof(zero)] * n), (ctypes.c_int8 * n)(*[1] * n)]
    pointers = [ctypes.cast(array, ctypes.c_void_p) for array in arrays]
    batch = Batch(n, pointers[0], None, *pointers[1:])
    assert llama.llama_decode(context, batch) == 0, "llama.cpp does not decode"
    rows = []
    for i in range(n):
        rows += llama.llama_get_logits_ith(context, i)[:vocabulary]
    llama.llama_free(context)
    llama.llama_model_free(model)
    return rows


def our_logits(name, tokens, folder):
    """The same from generate: the prompt, and one new token that is not looked at."""
    path = os.path.join(folder, "logits")
    command = [sys.argv[1], "--model", os.path.join(SHARED, name), "--tokens",
               ",".join(map(str, tokens)), "--max-new", "1", "--logits", path]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    with open(path, "rb") as file:
        data = file.read()
    return struct.unpack(f"<{len(data) // 4}f", data)


def check(llama, name):
    """The prompt of 40 made-up tokens."""
    config, tensors = read_model(name)
    tokens = [(11 * i * i + 3 * i + 2) % config["vocab_size"] for i in range(40)]
    scaling = config.get("rope_scaling") or config["rope_parameters"]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.gguf")
        write_gguf(path, config, tensors)
        wanted = llama_logits(llama, path, scaling, tokens, config["vocab_size"])
        found = our_logits(name, tokens, folder)
    assert len(found) == len(wanted), (len(found), len(wanted))
    above = sum((a - b) ** 2 for a, b in zip(found, wanted))
    gap = (above / sum(b * b for b in wanted)) ** 0.5
    print(f"# {name}: {gap:.2e}")
    assert gap <= ALLOWED[name], gap


def main():
    """One TAP line a model."""
    print(f"1..{len(ALLOWED)}")
    llama = load_library() if os.path.isdir(SHARED) else None
    bad = 0
    for number, name in enumerate(ALLOWED, 1):
        if llama is None:
            why = "needs ../shared/moe" if not os.path.isdir(SHARED) else "llama.cpp is missing"
            print(f"ok {number} - {name} # SKIP {why}")
            continue
        try:
            check(llama, name)
            print(f"ok {number} - {name}", flush=True)
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            bad += 1
            print(f"# {error}\nnot ok {number} - {name}", flush=True)
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
