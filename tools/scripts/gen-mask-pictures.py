#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Draws every mask of examples/masks for docs/masks.md by `fovea view`, and
keeps the gallery of that page.

For whoever adds a mask or changes the drawing: run it and commit what it wrote.
A test checks that files, rows, pictures and gallery belong together.

usage: gen-mask-pictures.py [--fovea PATH] [--only NAME ..] [--check] [--root F]
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mask_inputs  # noqa: E402

# Keys of a picture: the greatest number whose picture is small enough.
SIZES = (256, 128, 64, 48, 32, 24)
# Tiles do not depend on the machine that draws.
TARGET = "x86-64-v3"
MOST_BYTES = 20000
BEGIN = "<!-- gallery: tools/scripts/gen-mask-pictures.py writes it -->\n"
END = "<!-- end of the gallery -->\n"

# What a picture wants beyond the defaults: parameters, a head, or a shape of its
# own.
WANTED = {
    "block_causal": ["-D", "N=64"],
    "block_diffusion_cache": ["-D", "B=64"],
    "document_ids": ["--shape=b=1,sq=28,sk=28"],
    "long_gen": ["--head=1"],
    "long_lora": ["--head=2"],
    "long_lora_wrap": ["--head=2"],
    "minference": ["--head=1"],
    "s2_attention": ["--head=1"],
    "sink_lora": ["--head=2"],
    "window_by_head": ["--head=2"],
    "tree": ["--shape=b=1,sq=24,sk=24"],
    "tree_bitmap": ["--shape=b=1,sq=12,sk=24"],
    "tree_cache": ["--shape=b=1,rows=24,sk=40", "--tree=random"],
}
# Keys for each query, where it is not one.
KEYS = {"block_diffusion_cache": 4, "causal_offset": 2, "causal_top_left": 2,
        "lambda_chunk": 4}


def masks(root):
    folder = os.path.join(root, "examples", "masks")
    return sorted(name[:-5] for name in os.listdir(folder)
                  if name.endswith(".mlir"))


def picture(root, name):
    return os.path.join(root, "docs", "images", "masks", name + ".svg")


def draw(root, fovea, name, folder):
    wanted = WANTED.get(name, [])
    shapes = [w[len("--shape="):] for w in wanted if w.startswith("--shape=")]
    shapes = shapes or [f"b=1,sq={n // KEYS.get(name, 1)},sk={n}"
                        for n in SIZES]
    for shape in shapes:
        command = [fovea, "view",
                   os.path.join("examples", "masks", name + ".mlir"),
                   "--target=" + TARGET, "--shape=" + shape]
        command += [w for w in wanted if not w.startswith("--shape=")]
        command += mask_inputs.options(name, shape, folder)
        subprocess.run(command + ["-o", picture(root, name)], check=True,
                       cwd=root)
        if os.path.getsize(picture(root, name)) <= MOST_BYTES:
            return


def gallery(names):
    """One line each, so that additions do not meet in one line."""
    lines = [f'<a href="images/masks/{n}.svg"><img alt="{n}" width="24%" '
             f'src="images/masks/{n}.svg"></a>' for n in names]
    return BEGIN + "\n" + "\n".join(lines) + "\n\n" + END


def page_of(root):
    path = os.path.join(root, "docs", "masks.md")
    with open(path) as stream:
        text = stream.read()
    found = re.search(re.escape(BEGIN) + ".*?" + re.escape(END), text, re.S)
    if not found:
        raise SystemExit(f"{path}: expected a gallery between its marks")
    return path, text, found


def check(root):
    """What does not belong together, one line each."""
    names = masks(root)
    _, text, found = page_of(root)
    table = text[:found.start()]
    if found.group(0) != gallery(names):
        yield "docs/masks.md: the gallery is not up to date"
    for name in names:
        with open(os.path.join(root, "examples", "masks",
                               name + ".mlir")) as stream:
            if f"func.func @{name}(" not in stream.read():
                yield f"{name}: the file has no kernel of this name"
        if f"](../examples/masks/{name}.mlir)" not in table:
            yield f"{name}: docs/masks.md has no row"
        if not os.path.exists(picture(root, name)):
            yield f"{name}: there is no picture"
        elif os.path.getsize(picture(root, name)) > MOST_BYTES:
            yield f"{name}: the picture has more than {MOST_BYTES} bytes"
    for path in sorted(os.listdir(os.path.dirname(picture(root, "")))):
        if path[:-4] not in names:
            yield f"docs/images/masks/{path}: there is no such mask"
    with open(os.path.join(root, "examples", "masks",
                           "inputs.json")) as stream:
        rules = json.load(stream)
    for what, keys in (("inputs.json", rules), ("WANTED", WANTED),
                       ("KEYS", KEYS)):
        for key in keys:
            if key not in names:
                yield f"{what}: there is no mask {key}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fovea", default="fovea")
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--root", default=mask_inputs.ROOT)
    args = parser.parse_args()
    root = os.path.abspath(args.root)
    if not args.check:
        os.makedirs(os.path.dirname(picture(root, "")), exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            for name in args.only or masks(root):
                draw(root, os.path.abspath(args.fovea)
                     if os.sep in args.fovea else args.fovea, name, folder)
        path, text, found = page_of(root)
        with open(path, "w") as stream:
            stream.write(text[:found.start()] + gallery(masks(root)) +
                         text[found.end():])
    faults = list(check(root))
    lines = faults[:]
    if faults and args.check:
        lines.append("tools/scripts/gen-mask-pictures.py [--only NAME ..] "
                     "draws pictures and writes the gallery")
    lines.append(f"{len(masks(root))} masks, {len(faults)} faults")
    print("\n".join(lines))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
