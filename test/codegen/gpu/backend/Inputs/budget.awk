# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# What stages of `file` may take of a multiprocessor: streams 255 registers,
# which two CTAs of 128 threads have, and `shared` bytes; the rest 128 registers
# (four CTAs) and no shared memory. Nobody spills.
/ registers, [0-9]+ bytes spilled, / {
  stream = $2 ~ /_(decode|prefill):$/ && $2 !~ /combine_/
  registers = stream ? 255 : 128
  bytes = stream ? shared : 0
  ++stages
  if ($3 <= registers && $5 == 0 && $8 <= bytes)
    next
  printf "%s: expected no spills, at most %d registers and %d bytes of shared memory, got %s\n", file, registers, bytes, $0
  bad = 1
}
END {
  if (stages < least) {
    printf "%s: expected what %d stages take, got %d\n", file, least, stages
    bad = 1
  }
  exit bad
}
