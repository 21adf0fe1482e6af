# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# What `cmake --install` gives: public headers, shared libraries, tools,
# find_package(Fovea) and pkg-config's fovea-rt. Included last, when all
# targets exist.
# lib, not lib/x86_64-linux-gnu: nobody's tool has to guess.
set(CMAKE_INSTALL_LIBDIR lib CACHE PATH "Folder of the libraries")
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(DIRECTORY runtime/include/fovea DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The libraries lie side by side and look for each other there. Only the JIT
# needs LLVM, which is off the loader's path.
set(fovea_libraries)
foreach(library fovea-rt fovea-tbb fovea-emulator fovea-jit)
  if(TARGET ${library})
    list(APPEND fovea_libraries ${library})
    set_target_properties(${library} PROPERTIES INSTALL_RPATH "$ORIGIN")
  endif()
endforeach()
if(TARGET fovea-jit)
  set_target_properties(fovea-jit PROPERTIES
    INSTALL_RPATH "$ORIGIN;${LLVM_LIBRARY_DIR}")
endif()
if(fovea_libraries)
  install(TARGETS ${fovea_libraries} EXPORT FoveaTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT FoveaTargets NAMESPACE Fovea::
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Fovea)
  configure_package_config_file(cmake/FoveaConfig.cmake.in FoveaConfig.cmake
    INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Fovea)
  write_basic_package_version_file(FoveaConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/FoveaConfig.cmake
    ${CMAKE_BINARY_DIR}/FoveaConfigVersion.cmake
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Fovea)
  configure_file(cmake/fovea-rt.pc.in fovea-rt.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/fovea-rt.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()

foreach(tool fovea fovea-opt fovea-lsp-server)
  if(TARGET ${tool})
    # fovea_tool has set the RPATH to ../lib and to LLVM.
    install(TARGETS ${tool} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()
