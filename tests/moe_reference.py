# SPDX-License-Identifier: MIT
"""moe_reference.py: a DeepSeek-V3 model in plain Python, float64, keys and values expanded.

Written from the published equations, not from backends/moe: attention with full keys and values (no
absorbed form, no cache), one token after the other. `random_model` draws weights for any config;
`write` puts config.json and model.safetensors into a folder; `logits` runs tokens through it.
"""
import json
import math
import os
import random
import struct


def random_model(config, seed):
    """{name: (rows, columns, values)}; F32, as the file will hold them."""
    rng = random.Random(seed)
    c, tensors = config, {}

    def add(name, rows, columns, scale, middle=0.0):
        values = [rng.gauss(middle, scale) for _ in range(rows * columns)]
        packed = struct.pack(f"<{len(values)}f", *values)
        tensors[name] = (rows, columns, struct.unpack(f"<{len(values)}f", packed))

    hidden, head = c["hidden_size"], c["qk_nope_head_dim"] + c["qk_rope_head_dim"]
    rank, heads = c["kv_lora_rank"], c["num_attention_heads"]
    add("model.embed_tokens.weight", c["vocab_size"], hidden, 1.0)
    add("lm_head.weight", c["vocab_size"], hidden, hidden ** -0.5)
    add("model.norm.weight", hidden, 1, 0.1, 1.0)
    for layer in range(c["num_hidden_layers"]):
        p = f"model.layers.{layer}."
        add(p + "input_layernorm.weight", hidden, 1, 0.1, 1.0)
        add(p + "post_attention_layernorm.weight", hidden, 1, 0.1, 1.0)
        a = p + "self_attn."
        add(a + "q_a_proj.weight", c["q_lora_rank"], hidden, hidden ** -0.5)
        add(a + "q_a_layernorm.weight", c["q_lora_rank"], 1, 0.1, 1.0)
        add(a + "q_b_proj.weight", heads * head, c["q_lora_rank"], c["q_lora_rank"] ** -0.5)
        add(a + "kv_a_proj_with_mqa.weight", rank + c["qk_rope_head_dim"], hidden, hidden ** -0.5)
        add(a + "kv_a_layernorm.weight", rank, 1, 0.1, 1.0)
        add(a + "kv_b_proj.weight", heads * (c["qk_nope_head_dim"] + c["v_head_dim"]), rank,
            rank ** -0.5)
        add(a + "o_proj.weight", hidden, heads * c["v_head_dim"], 0.1)
        parts = {"mlp.": c["intermediate_size"]}
        if layer >= c["first_k_dense_replace"]:
            add(p + "mlp.gate.weight", c["n_routed_experts"], hidden, hidden ** -0.5)
            add(p + "mlp.gate.e_score_correction_bias", c["n_routed_experts"], 1, 0.5)
            parts = {f"mlp.experts.{e}.": c["moe_intermediate_size"]
                     for e in range(c["n_routed_experts"])}
            if c["n_shared_experts"]:
                parts["mlp.shared_experts."] = c["moe_intermediate_size"] * c["n_shared_experts"]
        for part, inner in parts.items():
            add(p + part + "gate_proj.weight", inner, hidden, hidden ** -0.5)
            add(p + part + "up_proj.weight", inner, hidden, hidden ** -0.5)
            add(p + part + "down_proj.weight", hidden, inner, inner ** -0.5)
    return tensors


def write(folder, config, tensors):
    """config.json and model.safetensors."""
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)
    header, data = {}, b""
    for name, (rows, columns, values) in tensors.items():
        packed = struct.pack(f"<{len(values)}f", *values)
        shape = [rows] if columns == 1 and "proj" not in name else [rows, columns]
        header[name] = {"dtype": "F32", "shape": shape,
                        "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    with open(os.path.join(folder, "model.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def product(tensor, x):
    """Matrix times vector."""
    _, columns, values = tensor
    return [sum(a * b for a, b in zip(values[i:i + columns], x))
            for i in range(0, len(values), columns)]


def norm(tensor, x, epsilon):
    """RMSNorm."""
    scale = 1 / math.sqrt(sum(v * v for v in x) / len(x) + epsilon)
    return [v * scale * g for v, g in zip(x, tensor[2])]


def swiglu(tensors, prefix, x):
    """down(silu(gate) * up)."""
    gate = product(tensors[prefix + "gate_proj.weight"], x)
    up = product(tensors[prefix + "up_proj.weight"], x)
    return product(tensors[prefix + "down_proj.weight"],
                   [g / (1 + math.exp(-g)) * u for g, u in zip(gate, up)])


def rotary(config):
    """(frequencies, scale of attention, scale of rotation)."""
    c, width = config, config["qk_rope_head_dim"]
    theta, scaling = c["rope_theta"], c.get("rope_scaling")
    plain = [theta ** (-2 * i / width) for i in range(width // 2)]
    base = (c["qk_nope_head_dim"] + width) ** -0.5
    if not scaling:
        return plain, base, 1.0

    def corr(turns):
        return (width * math.log(scaling["original_max_position_embeddings"]
                                 / (turns * 2 * math.pi)) / (2 * math.log(theta)))

    low = max(math.floor(corr(scaling["beta_fast"])), 0)
    high = min(math.ceil(corr(scaling["beta_slow"])), width - 1)
    high += 0.001 if low == high else 0
    mixed = []
    for i, frequency in enumerate(plain):
        ramp = min(max((i - low) / (high - low), 0), 1)
        mixed.append(frequency / scaling["factor"] * ramp + frequency * (1 - ramp))
    grow = 0.1 * math.log(scaling["factor"])
    every = grow * scaling["mscale_all_dim"] + 1
    return mixed, base * every * every, (grow * scaling["mscale"] + 1) / every


def rotate(x, position, frequencies, scale):
    """Pairs (2i, 2i + 1)."""
    out = []
    for i, frequency in enumerate(frequencies):
        cosine = math.cos(position * frequency) * scale
        sine = math.sin(position * frequency) * scale
        out += [x[2 * i] * cosine - x[2 * i + 1] * sine, x[2 * i] * sine + x[2 * i + 1] * cosine]
    return out


def attention(config, tensors, prefix, rows):
    """Of all rows, each over those before it."""
    c, nope, rank = config, config["qk_nope_head_dim"], config["kv_lora_rank"]
    value, rope = c["v_head_dim"], c["qk_rope_head_dim"]
    frequencies, scale, turn = rotary(c)
    keys, values, out = [], [], []
    for position, x in enumerate(rows):
        low = product(tensors[prefix + "kv_a_proj_with_mqa.weight"], x)
        latent = norm(tensors[prefix + "kv_a_layernorm.weight"], low[:rank], c["rms_norm_eps"])
        shared = rotate(low[rank:], position, frequencies, turn)
        full = product(tensors[prefix + "kv_b_proj.weight"], latent)
        query = norm(tensors[prefix + "q_a_layernorm.weight"],
                     product(tensors[prefix + "q_a_proj.weight"], x), c["rms_norm_eps"])
        query = product(tensors[prefix + "q_b_proj.weight"], query)
        heads = range(c["num_attention_heads"])
        keys.append([full[h * (nope + value):][:nope] + shared for h in heads])
        values.append([full[h * (nope + value) + nope:][:value] for h in heads])
        mixed = []
        for h in heads:
            q = query[h * (nope + rope):][:nope + rope]
            q = q[:nope] + rotate(q[nope:], position, frequencies, turn)
            scores = [scale * sum(a * b for a, b in zip(q, key[h])) for key in keys]
            weights = [math.exp(s - max(scores)) for s in scores]
            total = sum(weights)
            mixed += [sum(w * v[h][j] for w, v in zip(weights, values)) / total
                      for j in range(value)]
        out.append(product(tensors[prefix + "o_proj.weight"], mixed))
    return out


def experts(config, tensors, prefix, x):
    """Shared and chosen experts of one row."""
    c = config
    scores = [1 / (1 + math.exp(-z)) for z in product(tensors[prefix + "gate.weight"], x)]
    biased = [s + b for s, b in zip(scores, tensors[prefix + "gate.e_score_correction_bias"][2])]
    size = c["n_routed_experts"] // c["n_group"]
    best = [sum(sorted(biased[g * size:(g + 1) * size])[-2:]) for g in range(c["n_group"])]
    kept = sorted(range(c["n_group"]), key=lambda g: (-best[g], g))[:c["topk_group"]]
    allowed = [e for e in range(c["n_routed_experts"]) if e // size in kept]
    chosen = sorted(allowed, key=lambda e: (-biased[e], e))[:c["num_experts_per_tok"]]
    total = sum(scores[e] for e in chosen) + 1e-20 if c["norm_topk_prob"] else 1.0
    out = [0.0] * len(x)
    if c["n_shared_experts"]:
        out = swiglu(tensors, prefix + "shared_experts.", x)
    for e in chosen:
        weight = scores[e] / total * c["routed_scaling_factor"]
        out = [o + weight * y for o, y in zip(out, swiglu(tensors, f"{prefix}experts.{e}.", x))]
    return out


def logits(config, tensors, tokens):
    """A row of logits after each token."""
    c, epsilon = config, config["rms_norm_eps"]
    width = c["hidden_size"]
    table = tensors["model.embed_tokens.weight"][2]
    rows = [list(table[t * width:(t + 1) * width]) for t in tokens]
    for layer in range(c["num_hidden_layers"]):
        p = f"model.layers.{layer}."
        normed = [norm(tensors[p + "input_layernorm.weight"], x, epsilon) for x in rows]
        added = attention(c, tensors, p + "self_attn.", normed)
        rows = [[a + b for a, b in zip(x, y)] for x, y in zip(rows, added)]
        for i, x in enumerate(rows):
            h = norm(tensors[p + "post_attention_layernorm.weight"], x, epsilon)
            y = (swiglu(tensors, p + "mlp.", h) if layer < c["first_k_dense_replace"]
                 else experts(c, tensors, p + "mlp.", h))
            rows[i] = [a + b for a, b in zip(x, y)]
    return [product(tensors["lm_head.weight"], norm(tensors["model.norm.weight"], x, epsilon))
            for x in rows]
