# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Rules for tests: GoogleTest programs and what the lit tests need built.

# fovea_unit_test(NAME sources... [LIBS libraries...] [DEFS definitions...]
#                 [SHARDS n] [MLIR])
# One GoogleTest program and one ctest entry of the same name, or n of them
# that share its tests. MLIR links the shared MLIR and LLVM; without it the
# program must not need them.
function(fovea_unit_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "MLIR" "SHARDS" "LIBS;DEFS")
  if(arg_MLIR AND NOT FOVEA_BUILD_COMPILER)
    return()
  endif()
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  fovea_common(${name})
  target_compile_definitions(${name} PRIVATE ${arg_DEFS}
    FOVEA_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  if(NOT FOVEA_SANITIZE) # there times mean nothing
    target_compile_definitions(${name} PRIVATE
      $<$<CONFIG:Release>:FOVEA_TEST_TIMES>)
  endif()
  target_link_libraries(${name} PRIVATE ${arg_LIBS} GTest::gtest_main)
  if(arg_MLIR)
    target_include_directories(${name} SYSTEM PRIVATE
      ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
    target_include_directories(${name} PRIVATE ${CMAKE_BINARY_DIR})
    target_compile_definitions(${name} PRIVATE ${LLVM_DEFINITIONS_LIST})
    target_link_libraries(${name} PRIVATE ${FOVEA_MLIR_LIBS})
    add_dependencies(${name} fovea-headers)
  endif()
  if(arg_SHARDS)
    fovea_add_shards(${name} ${arg_SHARDS} $<TARGET_FILE:${name}>)
  else()
    fovea_add_test(${name} $<TARGET_FILE:${name}>)
  endif()
endfunction()

# fovea_add_shards(NAME n command...): ctest entries NAME-1 to NAME-n, each with
# its part of a GoogleTest program's tests.
function(fovea_add_shards name count)
  foreach(shard RANGE 1 ${count})
    math(EXPR index "${shard} - 1")
    fovea_add_test(${name}-${shard} ${ARGN})
    set_tests_properties(${name}-${shard} PROPERTIES ENVIRONMENT_MODIFICATION
      "GTEST_TOTAL_SHARDS=set:${count};GTEST_SHARD_INDEX=set:${index}")
  endforeach()
endfunction()

# fovea_add_test(NAME command...): a ctest entry with the sanitizers' options
# and a time limit against hangs, far beyond what any takes.
function(fovea_add_test name)
  add_test(NAME ${name} COMMAND ${ARGN})
  set_tests_properties(${name} PROPERTIES TIMEOUT 1200 ENVIRONMENT
    "ASAN_OPTIONS=detect_container_overflow=0;UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1;TSAN_OPTIONS=halt_on_error=1")
endfunction()

# fovea_lit_depends(targets...): programs that lit tests run; check-fovea
# builds them first.
function(fovea_lit_depends)
  set_property(GLOBAL APPEND PROPERTY FOVEA_LIT_DEPENDS ${ARGN})
endfunction()
