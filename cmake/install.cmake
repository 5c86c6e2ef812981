# What `cmake --install` copies (component `development`), and the package find_package(Ballast) reads.

include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/Ballast)
configure_package_config_file(cmake/BallastConfig.cmake.in BallastConfig.cmake
                              INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(BallastConfigVersion.cmake COMPATIBILITY SameMinorVersion)

install(TARGETS ballast_library EXPORT BallastTargets COMPONENT development)
if(TARGET ballast_tool)
  install(TARGETS ballast_tool COMPONENT development)
endif()
install(DIRECTORY ballast DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
        FILES_MATCHING PATTERN "*.h")
install(EXPORT BallastTargets NAMESPACE Ballast:: DESTINATION ${package_folder} COMPONENT development)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/BallastConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/BallastConfigVersion.cmake
        DESTINATION ${package_folder} COMPONENT development)
install(FILES LICENSE data/digits.LICENSE.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT development)
