// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows of a table on a target, as the parameter of a test.
#ifndef FOVEA_TEST_E2E_ONTARGET_H
#define FOVEA_TEST_E2E_ONTARGET_H

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>

namespace fovea::e2e {

template <typename Row>
using OnTarget = std::tuple<std::string, Row>;

/// "sm_80_emulated_paged": target and name of the row.
template <typename Row>
std::string nameOf(const testing::TestParamInfo<OnTarget<Row>> &info) {
  std::string name =
      std::get<0>(info.param) + "_" + std::get<1>(info.param).name;
  for (char &c : name)
    if (c == '-' || c == '+')
      c = '_';
  return name;
}

} // namespace fovea::e2e

#endif // FOVEA_TEST_E2E_ONTARGET_H
