/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Stands in for an emulator of another version, whose table is unknown. */
#include <fovea/abi.h>

__attribute__((visibility("default"))) const fovea_abi_device *
fovea_emulator_get(void) {
  static const fovea_abi_device table = {sizeof table, 99};
  return &table;
}

__attribute__((visibility("default"))) const char *
fovea_emulator_message(void) {
  return "";
}
