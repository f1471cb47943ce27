# install: the libraries, the public headers, a pkg-config file and a CMake package.
include(CMakePackageConfigHelpers)

install(TARGETS esock_static esock_shared esock_sim_static esock_sim_shared EXPORT esockTargets)
install(FILES csrc/esock.h csrc/esock_batch.h csrc/esock_queue.h csrc/esock_sys.h
              csrc/sim/esock_sim.h TYPE INCLUDE)
install(FILES LICENSE TYPE DOC)

# The file finds its prefix from its own place, so that the tree can be moved.
file(RELATIVE_PATH prefix_from_pc ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
file(RELATIVE_PATH include_from_pc ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
     ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(build/cmake/esock.pc.in esock.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/esock.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/esock)
configure_package_config_file(build/cmake/esockConfig.cmake.in esockConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(esockConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/esockConfig.cmake
              ${PROJECT_BINARY_DIR}/esockConfigVersion.cmake DESTINATION ${package_dir})
install(EXPORT esockTargets NAMESPACE esock:: DESTINATION ${package_dir})
