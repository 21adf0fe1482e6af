# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Finds MLIR 19.1 and defines the rules for dialects and compiler libraries.
find_package(MLIR 19.1 REQUIRED CONFIG HINTS /usr/lib/llvm-19/lib/cmake/mlir)
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)
separate_arguments(LLVM_DEFINITIONS_LIST NATIVE_COMMAND ${LLVM_DEFINITIONS})
# MLIR names template traits by the text that the compiler gives their types,
# and g++ writes it otherwise than clang, which Debian's libMLIR is built with.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  message(WARNING "The compiler of a g++ build does not know the traits of "
    "MLIR's own ops and folds less: use it to check that the code compiles. "
    "The runtime is as good with g++ as with clang.")
endif()
# Always the shared libraries: a static MLIR archive beside them would give
# the process two copies of every TypeID, silently.
set(FOVEA_MLIR_LIBS MLIR LLVM)

add_custom_target(fovea-headers)

# fovea_compiler_library(NAME sources...): a library that sees MLIR and the
# generated headers. It links MLIR; order of generation is handled here.
function(fovea_compiler_library name)
  fovea_library(${name} ${ARGN})
  target_include_directories(${name} SYSTEM PUBLIC
    ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
  target_include_directories(${name} PUBLIC
    $<BUILD_INTERFACE:${CMAKE_BINARY_DIR}>)
  target_compile_definitions(${name} PUBLIC ${LLVM_DEFINITIONS_LIST})
  add_dependencies(${name} fovea-headers)
endfunction()

# fovea_tool(NAME sources... ): an executable linked with the shared MLIR.
function(fovea_tool name)
  add_executable(${name} ${ARGN})
  fovea_common(${name})
  target_include_directories(${name} SYSTEM PRIVATE
    ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
  target_include_directories(${name} PRIVATE ${CMAKE_BINARY_DIR})
  target_compile_definitions(${name} PRIVATE ${LLVM_DEFINITIONS_LIST})
  add_dependencies(${name} fovea-headers)
  # libMLIR lies off the loader's path.
  set_target_properties(${name} PROPERTIES
    BUILD_RPATH "${LLVM_LIBRARY_DIR};${CMAKE_BINARY_DIR}/lib"
    INSTALL_RPATH "$ORIGIN/../lib;${LLVM_LIBRARY_DIR}")
endfunction()

# fovea_tablegen(TD GENERATOR... ): runs mlir-tblgen on TD in this folder;
# each GENERATOR is "suffix;flags", e.g. "Ops.h.inc" "-gen-op-decls".
# Usage: fovea_tablegen(KVOps.td KVOps.h.inc -gen-op-decls) once per output.
function(fovea_tablegen td out)
  set(LLVM_TARGET_DEFINITIONS ${td})
  mlir_tablegen(${out} ${ARGN} EXTRA_INCLUDES ${CMAKE_SOURCE_DIR} ${MLIR_INCLUDE_DIRS})
  string(MAKE_C_IDENTIFIER "${CMAKE_CURRENT_SOURCE_DIR}_${out}" id)
  add_custom_target(gen_${id} DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/${out})
  add_dependencies(fovea-headers gen_${id})
endfunction()
