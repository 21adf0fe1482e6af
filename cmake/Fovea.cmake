# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Build rules shared by the runtime and the compiler.

# Prefer lld and ccache when the machine has them; neither is required.
find_program(FOVEA_LLD NAMES ld.lld-19 ld.lld)
if(FOVEA_LLD AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  add_link_options(-fuse-ld=lld)
endif()
find_program(FOVEA_CCACHE ccache)
if(FOVEA_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${FOVEA_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${FOVEA_CCACHE})
endif()

if(FOVEA_SANITIZE)
  add_compile_options(-fsanitize=${FOVEA_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${FOVEA_SANITIZE})
endif()

# Warnings and include paths of all our own code. Paths start at the root
# of the repository; public headers are <fovea/x.h>.
function(fovea_common target)
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>
    $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/runtime/include>)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wno-unused-parameter)
endfunction()

# fovea_library(NAME sources...): a static library without exceptions.
function(fovea_library name)
  add_library(${name} STATIC ${ARGN})
  fovea_common(${name})
  target_compile_options(${name} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>)
endfunction()
