# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""check_page.py PAGE HEADS [VISIBLE [BYTES]]: reads the data of a page of
`fovea view` and holds it against itself and against what is expected: the
number of heads, the visible pairs of the first one, the largest size."""
import json
import re
import sys

path, heads = sys.argv[1], int(sys.argv[2])
with open(path, encoding="utf-8") as file:
    text = file.read()
data = re.search(r"^const D=(\{.*?\]\});", text, re.S | re.M).group(1)
data = json.loads(re.sub(r"([{,])(\w+):", r'\1"\2":', data))
if len(data["heads"]) != heads:
    sys.exit(f"expected {heads} heads, got {len(data['heads'])}")
if re.search(r"(src|href)=|url\(|@import|fetch\(", text):
    sys.exit("expected a page that needs nothing else")
first = None
for head in data["heads"]:
    visible = 0
    for q0, q1, runs in head["t"]:
        for kind, lo, hi, each in zip(*[iter(runs)] * 4):
            whole, rest = divmod(hi - lo, data["tk"])
            if kind == 2:
                visible += (q1 - q0) * (hi - lo)
            else:
                visible += each * (whole + bool(rest))
    if head["r"]:
        exact = sum(hi - lo for row in head["r"]
                    for lo, hi in zip(*[iter(row)] * 2))
        if exact != visible:
            print(f"expected {exact} visible pairs as the rows have, "
                  f"got {visible}")
            if len(sys.argv) <= 3:
                sys.exit(1)
    if first is None:
        first = visible
if len(sys.argv) > 3 and first != int(sys.argv[3]):
    print(f"expected {sys.argv[3]} visible pairs, got {first}")
    sys.exit(1)
if len(sys.argv) > 4 and len(text) > int(sys.argv[4]):
    print(f"expected at most {sys.argv[4]} bytes, got {len(text)}")
    sys.exit(1)
print(f"heads {heads}, visible {first}, ok")
