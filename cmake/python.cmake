# The extension module ballast._core, from python/src/*.cpp. In a build tree the package is assembled
# in <build>/python, by links to the sources, so that PYTHONPATH=<build>/python imports it; pip installs
# it with the tool.

find_package(Python 3.9 REQUIRED COMPONENTS Interpreter Development.Module)
execute_process(COMMAND ${Python_EXECUTABLE} -m nanobind --cmake_dir
                OUTPUT_STRIP_TRAILING_WHITESPACE OUTPUT_VARIABLE nanobind_ROOT
                RESULT_VARIABLE nanobind_missing ERROR_QUIET)
if(nanobind_missing)
  message(FATAL_ERROR "BALLAST_BUILD_PYTHON needs nanobind: ${Python_EXECUTABLE} -m pip install nanobind")
endif()
find_package(nanobind CONFIG REQUIRED)

file(GLOB BALLAST_PYTHON_SOURCES CONFIGURE_DEPENDS python/src/*.cpp)
# NOMINSIZE: a step of a small network is all calls, so they are compiled for speed.
nanobind_add_module(ballast_python NB_STATIC NOMINSIZE NB_SUPPRESS_WARNINGS ${BALLAST_PYTHON_SOURCES})
set_target_properties(ballast_python PROPERTIES OUTPUT_NAME _core
                      LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/python/ballast)
target_include_directories(ballast_python PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(ballast_python PRIVATE Ballast::ballast ballast_flags)

file(GLOB BALLAST_PYTHON_PARTS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/python/ballast CONFIGURE_DEPENDS
     python/ballast/*)
list(REMOVE_ITEM BALLAST_PYTHON_PARTS __pycache__)
file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/python/ballast)
foreach(part IN LISTS BALLAST_PYTHON_PARTS)
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR}/python/ballast/${part}
       ${CMAKE_CURRENT_BINARY_DIR}/python/ballast/${part} SYMBOLIC)
endforeach()

# Types of the extension module, for editors and type checkers.
nanobind_add_stub(ballast_stub INCLUDE_PRIVATE MODULE _core OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/python/ballast/_core.pyi
                  PYTHON_PATH ${CMAKE_CURRENT_BINARY_DIR}/python/ballast DEPENDS ballast_python
                  MARKER_FILE ${CMAKE_CURRENT_BINARY_DIR}/python/ballast/py.typed)
add_custom_command(TARGET ballast_stub POST_BUILD
                   COMMAND ${Python_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cmake/finish_stub.py
                           ${CMAKE_CURRENT_BINARY_DIR}/python/ballast/_core.pyi)

# What pip builds and installs. The wheel carries the tool too; scikit-build-core says where scripts go.
add_custom_target(ballast_package DEPENDS ballast_python ballast_stub)
install(TARGETS ballast_python LIBRARY DESTINATION ballast COMPONENT python)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/python/ballast/_core.pyi
              ${CMAKE_CURRENT_BINARY_DIR}/python/ballast/py.typed
        DESTINATION ballast COMPONENT python)
if(TARGET ballast_tool)
  add_dependencies(ballast_package ballast_tool)
  if(SKBUILD)
    install(TARGETS ballast_tool RUNTIME DESTINATION ${SKBUILD_SCRIPTS_DIR} COMPONENT python)
  endif()
endif()
