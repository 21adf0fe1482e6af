#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes cases in the format of the ONNX attention cases: a few with results
computed by hand, for the test of the runner itself, and with --sweep the
combinations of attributes, shapes and types that the published ones leave out.
Their results are those of the operators' definition, evaluated below in
doubles and rounded once.

usage: make_cases.py FOLDER [--wrong | --sweep]
"""
import json
import math
import os
import random
import struct
import sys

INF = math.inf
CODES = {"float32": ("<f4", "f"), "float16": ("<f2", "e"),
         "float64": ("<f8", "d"), "bool": ("|b1", "?"), "int64": ("<i8", "q"),
         "bfloat16": ("<u2", "H")}


def bf16_bits(x):
    bits = struct.unpack("<I", struct.pack("<f", x))[0]
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) & 0xFFFF


def rounded(values, dtype):
    """The values as `dtype` stores them."""
    if dtype == "bfloat16":
        return [struct.unpack("<f", struct.pack("<I", bf16_bits(x) << 16))[0]
                for x in values]
    code = CODES[dtype][1]
    return list(struct.unpack("<%d%s" % (len(values), code),
                              struct.pack("<%d%s" % (len(values), code),
                                          *values)))


def write_npy(path, shape, values, dtype):
    descr, code = CODES[dtype]
    if dtype == "bfloat16":
        values = [bf16_bits(x) for x in values]
    text = "(%s)" % "".join("%d, " % n for n in shape)
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (
        descr, text)
    head = (head + " " * (-(11 + len(head)) % 64) + "\n").encode()
    with open(path, "wb") as out:
        out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head +
                  struct.pack("<%d%s" % (len(values), code), *values))


def case(root, name, attributes, inputs, outputs, extra=None, rtol=1e-3):
    folder = os.path.join(root, name)
    os.makedirs(folder, exist_ok=True)
    description = {"name": name, "op": "Attention", "domain": "ai.onnx",
                   "attributes": attributes,
                   "tolerance": {"rtol": rtol, "atol": 1e-7}}
    for key, tensors in (("inputs", inputs), ("outputs", outputs)):
        description[key] = []
        for tensor in tensors:
            if tensor is None:
                description[key].append(None)
                continue
            label, shape, values, *dtype = tensor
            dtype = dtype[0] if dtype else "float32"
            write_npy(os.path.join(folder, label + ".npy"), shape, values,
                      dtype)
            description[key].append({"name": label, "dtype": dtype,
                                     "shape": list(shape),
                                     "file": label + ".npy"})
    description.update(extra or {})
    with open(os.path.join(folder, "case.json"), "w") as out:
        json.dump(description, out)


def by_hand(root, wrong):
    # Scores 0: the mean of the visible values 1 2 4 8.
    q = ("Q", [1, 1, 2, 1], [0.0, 0.0])
    k = ("K", [1, 1, 4, 1], [1.0] * 4)
    v = ("V", [1, 1, 4, 1], [1.0, 2.0, 4.0, 8.0])

    def y(*values):
        return ("Y", [1, 1, 2, 1], list(values))

    case(root, "dense", {}, [q, k, v], [y(3.75, 3.75)])
    # Causal is aligned at the top left.
    case(root, "causal", {"is_causal": 1}, [q, k, v], [y(1, 1.5)])
    # A mask that is too short hides the keys beyond it.
    mask = ("attn_mask", [2, 3], [True, False, True, False, False, False],
            "bool")
    case(root, "bool_mask", {}, [q, k, v, mask], [y(2.5, 0)])
    # One key and value of the past: keys 16 then 1 2 4 8, query i sees i + 1.
    past = [None, ("past_key", [1, 1, 1, 1], [1.0]),
            ("past_value", [1, 1, 1, 1], [16.0])]
    present = [("present_key", [1, 1, 5, 1], [1.0] * 5),
               ("present_value", [1, 1, 5, 1], [16.0, 1.0, 2.0, 4.0, 8.0])]
    case(root, "past", {"is_causal": 1}, [q, k, v] + past,
         [y(8.5, 19 / 3)] + present)
    # Rank 3: two heads side by side in the last axis.
    case(root, "rank3", {"q_num_heads": 2, "kv_num_heads": 2},
         [("Q", [1, 1, 2], [0.0, 0.0]), ("K", [1, 2, 2], [1.0] * 4),
          ("V", [1, 2, 2], [1.0, 10.0, 3.0, 30.0])],
         [("Y", [1, 1, 2], [2.0, 20.0])])
    # Only Y can be judged.
    case(root, "scores", {"qk_matmul_output_mode": 3}, [q, k, v],
         [y(3.75, 3.75), None, None,
          ("qk_matmul_output", [1, 1, 2, 4], [0.25] * 8)])
    # What a graph has no word for is named.
    case(root, "unknown", {}, [q, k, v], [y(3.75, 3.75)], {
        "op": "FlexAttention", "domain": "ai.onnx.preview",
        "score_mod": graph([("Erf", ["s"])])})
    if wrong:
        case(root, "wrong", {}, [q, k, v], [y(3.75, 3.76)])


def graph(nodes, constants=None):
    """A modifier graph from (op, inputs, attributes): node i gives "n<i>"."""
    shaped = {}
    for name, value in (constants or {}).items():
        dtype, shape, data = value
        shaped[name] = {"dtype": dtype, "shape": shape, "data": data}
    return {
        "inputs": [{"name": "s"}],
        "outputs": [{"name": "n%d" % (len(nodes) - 1)}],
        "constants": shaped,
        "nodes": [{"op": node[0], "inputs": node[1], "outputs": ["n%d" % i],
                   "attributes": node[2] if len(node) > 2 else {}}
                  for i, node in enumerate(nodes)]}


def positions():
    """Nodes 0..6: the row (n4) and the key (n6) as int64, right-aligned."""
    constants = {"zero": ("int64", [], 0), "one": ("int64", [], 1),
                 "two": ("int64", [], 2), "last": ("int64", [], -1),
                 "as_row": ("int64", [2], [-1, 1]),
                 "as_key": ("int64", [4], [1, 1, 1, -1]),
                 "low": ("float32", [], "-inf")}
    return constants, [
        ("Shape", ["s"]), ("Gather", ["n0", "two"], {"axis": 0}),
        ("Gather", ["n0", "last"], {"axis": 0}),
        ("Range", ["zero", "n1", "one"]), ("Reshape", ["n3", "as_row"]),
        ("Range", ["zero", "n2", "one"]), ("Reshape", ["n5", "as_key"])]


def modifiers():
    """(name, what score_mod or prob_mod does, its graph, the same in
    Python on (x, h, i, j))."""
    constants, place = positions()
    floats = dict(constants, c=("float32", [], 0.25), half=("float32", [], 0.5),
                  slopes=("float32", [1, 4, 1, 1], [0.5, 0.25, 0.125, 0.0625]),
                  by_key=("float32", [5], [0.5, -1.0, 2.0, 0.0, 1.5]))
    distance = place + [("Sub", ["n6", "n4"]),
                        ("Cast", ["n7"], {"to": "float32"})]
    slopes = [0.5, 0.25, 0.125, 0.0625]
    keys = [0.5, -1.0, 2.0, 0.0, 1.5]
    return [
        ("relative", "score_mod",
         graph(distance + [("Mul", ["n8", "c"]), ("Add", ["s", "n9"])],
               floats), lambda x, h, i, j: x + 0.25 * (j - i)),
        ("alibi", "score_mod",
         graph(distance + [("Mul", ["slopes", "n8"]), ("Add", ["s", "n9"])],
               floats), lambda x, h, i, j: x + slopes[h] * (j - i)),
        ("by_key", "score_mod", graph([("Add", ["s", "by_key"])], floats),
         lambda x, h, i, j: x + keys[j]),
        ("band", "score_mod",
         graph(place + [("Sub", ["n4", "n6"]), ("Abs", ["n7"]),
                        ("LessOrEqual", ["n8", "one"]),
                        ("Where", ["n9", "s", "low"])], constants),
         lambda x, h, i, j: x if abs(i - j) <= 1 else -INF),
        ("half", "prob_mod", graph([("Mul", ["s", "half"])], floats),
         lambda x, h, i, j: 0.5 * x),
        ("square", "prob_mod", graph([("Mul", ["s", "s"])]),
         lambda x, h, i, j: x * x),
        ("shifted", "prob_mod", graph([("Add", ["s", "c"])], floats),
         lambda x, h, i, j: x + 0.25),
        ("by_place", "prob_mod",
         graph(place + [("GreaterOrEqual", ["n4", "n6"]), ("Neg", ["s"]),
                        ("Where", ["n7", "s", "n8"])], constants),
         lambda x, h, i, j: x if i >= j else -x),
    ]


class Draw:
    """The tensors of one case, from a seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def tensor(self, name, shape, dtype):
        values = [self.random.uniform(-1, 1) for _ in range(math.prod(shape))]
        return (name, shape, rounded(values, dtype), dtype)

    def bools(self, name, shape):
        return (name, shape, [self.random.random() < 0.6
                              for _ in range(math.prod(shape))], "bool")


def heads_of(tensor, heads):
    """x[b][h][s]: rows of a tensor of rank 3 or 4."""
    _, shape, values, _ = tensor
    if len(shape) == 4:
        b, h, s, d = shape
        strides = (h * s * d, s * d, d)
    else:
        b, s, d = shape[0], shape[1], shape[2] // heads
        h, strides = heads, (s * shape[2], d, shape[2])
    return [[[values[i * strides[0] + j * strides[1] + t * strides[2]:][:d]
              for t in range(s)] for j in range(h)] for i in range(b)]


def joined(x):
    return [e for b in x for h in b for s in h for e in s]


def evaluate(q, k, v, scale, score, prob=None):
    """Y and the probabilities; score(x, b, h, i, j) is -inf where hidden."""
    y, weights = [], []
    for b, heads in enumerate(q):
        y.append([]), weights.append([])
        for h, rows in enumerate(heads):
            g = h // (len(heads) // len(k[b]))
            y[b].append([]), weights[b].append([])
            for i, row in enumerate(rows):
                s = [score(scale * sum(x * z for x, z in zip(row, key)),
                           b, h, i, j) for j, key in enumerate(k[b][g])]
                m = max(s)
                p = [0.0 if m == -INF else math.exp(x - m) for x in s]
                total = sum(p) or 1.0
                p = [x / total for x in p]
                if prob:
                    p = [prob(x, h, i, j) for j, x in enumerate(p)]
                weights[b][h].append(p)
                y[b][h].append([sum(w * value[d] for w, value in
                                    zip(p, v[b][g]))
                                for d in range(len(v[b][g][0]))])
    return y, weights


def flex(root):
    for n, (name, kind, text, formula) in enumerate(modifiers()):
        for dtype, kv_heads in (("float32", 4), ("float16", 2),
                                ("float64", 1)):
            draw = Draw(1000 + n)
            q = draw.tensor("Q", [2, 4, 5, 8], dtype)
            k = draw.tensor("K", [2, kv_heads, 5, 8], dtype)
            v = draw.tensor("V", [2, kv_heads, 5, 6], dtype)
            score = ((lambda x, b, h, i, j: formula(x, h, i, j))
                     if kind == "score_mod" else (lambda x, *_: x))
            y, _ = evaluate(heads_of(q, 4), heads_of(k, kv_heads),
                            heads_of(v, kv_heads), 1 / math.sqrt(8), score,
                            formula if kind == "prob_mod" else None)
            case(root, "flex_%s_%s" % (name, dtype), {}, [q, k, v],
                 [("Y", [2, 4, 5, 6], joined(y), dtype)],
                 {"op": "FlexAttention", "domain": "ai.onnx.preview",
                  kind: text}, 2e-3 if dtype == "float16" else 1e-3)


def attention(root, name, seed, dtype, rank, v_rank, kv_heads, past, nonpad,
              mask, causal, softcap, scale, mode):
    """One case of the operator Attention; see the README of the published
    cases for what the parts mean."""
    draw = Draw(seed)
    batch, heads, queries, fresh, dim, value_dim = 2, 4, 3, 5, 8, 6

    def tensor(label, n, length, size, which):
        if which == 3:
            return draw.tensor(label, [batch, length, n * size], dtype)
        return draw.tensor(label, [batch, n, length, size], dtype)

    q = tensor("Q", heads, queries, dim, rank)
    k = tensor("K", kv_heads, fresh, dim, rank)
    v = tensor("V", kv_heads, fresh, value_dim, v_rank)
    inputs = [q, k, v, None, None, None, None]
    rows = [heads_of(q, heads), heads_of(k, kv_heads), heads_of(v, kv_heads)]
    if past is not None:
        inputs[4] = draw.tensor("past_key", [batch, kv_heads, past, dim], dtype)
        inputs[5] = draw.tensor("past_value",
                                [batch, kv_heads, past, value_dim], dtype)
        for n in (1, 2):
            old = heads_of(inputs[3 + n], kv_heads)
            rows[n] = [[a + b for a, b in zip(x, y)]
                       for x, y in zip(old, rows[n])]
    keys = fresh + (past or 0)
    if nonpad:
        lengths = [keys - 1, 1]
        inputs[6] = ("nonpad_kv_seqlen", [batch], lengths, "int64")
    shape = None
    if mask:
        kind, shape = mask[0], [keys + n if n <= 0 else n for n in mask[1:]]
        if kind == "bool":
            inputs[3] = draw.bools("attn_mask", shape)
        else:
            inputs[3] = draw.tensor("attn_mask", shape, dtype)
            holes = [draw.random.random() < 0.2 for _ in inputs[3][2]]
            inputs[3] = ("attn_mask", shape,
                         [-INF if hole else x
                          for hole, x in zip(holes, inputs[3][2])], dtype)
        full = [1] * (4 - len(shape)) + shape

    def score(x, b, h, i, j):
        if softcap:
            x = softcap * math.tanh(x / softcap)
        if mask:
            if j >= full[3]:
                return -INF
            at = 0
            for n, place in zip(full, (b, h, i, j)):
                at = at * n + (place if n > 1 else 0)
            entry = inputs[3][2][at]
            x = (x if entry else -INF) if kind == "bool" else x + entry
        offset = (past if past is not None
                  else lengths[b] - queries if nonpad else 0)
        if (causal and j > i + offset) or (nonpad and j >= lengths[b]):
            return -INF
        return x

    y, weights = evaluate(*rows, scale or 1 / math.sqrt(dim), score)
    attributes = {}
    if 3 in (rank, v_rank):
        attributes.update(q_num_heads=heads, kv_num_heads=kv_heads)
    for key, value in (("is_causal", causal), ("softcap", softcap),
                       ("scale", scale), ("qk_matmul_output_mode", mode)):
        if value:
            attributes[key] = value
    if seed % 2:
        attributes["softmax_precision"] = 1
    if rank == 3:
        y = [[[x for h in b for x in h[i]] for i in range(queries)] for b in y]
        out = ("Y", [batch, queries, heads * value_dim],
               [e for b in y for s in b for e in s], dtype)
    else:
        out = ("Y", [batch, heads, queries, value_dim], joined(y), dtype)
    outputs = [out]
    if past is not None or mode:
        outputs += [("present_key", [batch, kv_heads, keys, dim],
                     joined(rows[1]), dtype),
                    ("present_value", [batch, kv_heads, keys, value_dim],
                     joined(rows[2]), dtype)]
    if mode == 3: # the only one that evaluate() has at hand
        outputs.append(("qk_matmul_output", [batch, heads, queries, keys],
                        joined(weights), dtype))
    # One unit in the last place of f16 and bf16.
    case(root, name, attributes, inputs, outputs, None,
         {"float16": 1e-3, "bfloat16": 1e-2}.get(dtype, 1e-3))


def sweep(root):
    """Every pair of choices meets somewhere: the choices walk at their own
    speeds."""
    dtypes = ["float32", "float16", "float64", "bfloat16"]
    # Extents from 1 on are as they stand, the others relative to all keys.
    masks = [None, ("bool", 3, 0), ("float", 2, 1, 3, 0), ("bool", 2, 4, 3, 0),
             ("float", 1, 0), ("bool", 4, 1, -1), ("float", 3, -2),
             ("float", 2, 4, 3, 0), ("bool", 1, 1), ("float", 1, 4, 1, 0),
             ("bool", 2, 1, 1, 0)]
    pasts = [None, 4, None, 1, None]
    for n in range(44):
        past = pasts[n % 5]
        attention(root, "attention_%02d" % n, n, dtypes[n * 7 % 4],
                  3 if n % 3 == 0 else 4, 3 if n % 9 in (0, 5) else 4,
                  (4, 2, 1)[n // 2 % 3], past, n % 4 == 1 and past is None,
                  masks[n * 5 % 11], n // 3 % 2, (0, 2.0, 0.5)[n // 5 % 3],
                  (None, 0.25, 1.5)[n // 7 % 3], n % 4)
    flex(root)


if __name__ == "__main__":
    if "--sweep" in sys.argv[2:]:
        sweep(sys.argv[1])
    else:
        by_hand(sys.argv[1], "--wrong" in sys.argv[2:])
