// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Writes the bundle that example.c opens: kernel "prefill" with arguments q,
// k, v and result o, which adds 1 to each cell of o.
#include "test/support/TestKernel.h"

#include <cstdio>

using namespace fovea::test;

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  BundleBuilder b = countKernel(1);
  b.args.clear();
  int batch = 0, sq = 1, sk = 2;
  b.tensor("q", FOVEA_DTYPE_F32, 0, {batch, ~1, sq});
  b.tensor("k", FOVEA_DTYPE_F32, 1, {batch, ~1, sk});
  b.tensor("v", FOVEA_DTYPE_F32, 3, {batch, ~1, sk});
  b.tensor("o", FOVEA_DTYPE_F32, 2, {batch, ~1, sq}, true);
  b.kernels[0].name = b.string("prefill");
  b.kernels[0].n_views = 4;
  b.kernels[0].args = {0, 4};
  std::vector<uint8_t> bytes = b.build();
  FILE *file = std::fopen(argv[1], "wb");
  if (!file)
    return 1;
  bool ok = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  return std::fclose(file) == 0 && ok ? 0 : 1;
}
