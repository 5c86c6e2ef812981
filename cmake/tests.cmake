# Tests: every tests/**/*_test.cpp, in one program; an installed Ballast used by a small project; and,
# in ThreadSanitizer builds, proof that the sanitizer sees races and only races.

find_package(GTest REQUIRED)
include(GoogleTest)
set(test_environment TSAN_OPTIONS=ignore_noninstrumented_modules=1:die_after_fork=0)

file(GLOB_RECURSE BALLAST_TESTS CONFIGURE_DEPENDS tests/*_test.cpp tests/support/*.cpp)
add_executable(ballast_tests ${BALLAST_TESTS})
# Optimizing code that runs once took a third of the time to build it.
target_compile_options(ballast_tests PRIVATE $<$<CONFIG:Release>:-O1> $<$<CONFIG:Debug>:-O0>)
target_include_directories(ballast_tests PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(ballast_tests PRIVATE Ballast::ballast ballast_flags GTest::gtest_main
                      nlohmann_json::nlohmann_json PkgConfig::hwy)
target_compile_definitions(ballast_tests PRIVATE ${BALLAST_TARGETS})
# Folders are named in one file, so that a compiler cache knows the others in any folder.
set(test_paths BALLAST_GOLDEN_FOLDER="${CMAKE_CURRENT_SOURCE_DIR}/tests/golden")
# The C++ example of the README, compiled and run.
set(readme_example ${CMAKE_CURRENT_BINARY_DIR}/readme/readme_example.inc)
add_custom_command(
  OUTPUT ${readme_example}
  COMMAND sed -n "/^```cpp/,/^```/{/^```/!p}" ${CMAKE_CURRENT_SOURCE_DIR}/README.md > ${readme_example}
  DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/README.md VERBATIM)
file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/readme)
add_custom_target(readme_example DEPENDS ${readme_example})
add_dependencies(ballast_tests readme_example)
target_include_directories(ballast_tests PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/readme)
# The tool's tests run the tool.
if(TARGET ballast_tool)
  add_dependencies(ballast_tests ballast_tool)
  list(APPEND test_paths BALLAST_TOOL="$<TARGET_FILE:ballast_tool>")
else()
  list(APPEND test_paths BALLAST_TOOL="")
  get_target_property(sources ballast_tests SOURCES)
  list(FILTER sources EXCLUDE REGEX "tests/cli/")
  set_target_properties(ballast_tests PROPERTIES SOURCES "${sources}")
endif()
set_source_files_properties(tests/support/files.cpp PROPERTIES COMPILE_DEFINITIONS "${test_paths}")
gtest_discover_tests(ballast_tests DISCOVERY_MODE PRE_TEST PROPERTIES ENVIRONMENT ${test_environment})

if(BALLAST_SANITIZE STREQUAL thread)
  add_executable(planted_race tests/tsan/planted_race.cpp)
  target_link_libraries(planted_race PRIVATE Ballast::ballast ballast_flags)
  add_test(NAME ThreadSanitizer.SeesAPlantedRace COMMAND planted_race race)
  add_test(NAME ThreadSanitizer.AcceptsACorrectLoop COMMAND planted_race pieces)
  set_tests_properties(ThreadSanitizer.SeesAPlantedRace ThreadSanitizer.AcceptsACorrectLoop
                       PROPERTIES ENVIRONMENT "${test_environment};OMP_NUM_THREADS=4")
  set_tests_properties(ThreadSanitizer.SeesAPlantedRace PROPERTIES PASS_REGULAR_EXPRESSION
                       "WARNING: ThreadSanitizer: data race.*planted_race.cpp")
endif()

if(NOT BALLAST_SANITIZE AND NOT BALLAST_BUILD_FUZZERS)
  add_test(NAME Install.ASmallProjectFindsAndUsesIt
           COMMAND ${CMAKE_COMMAND} -DBUILD=${CMAKE_CURRENT_BINARY_DIR} -DGENERATOR=${CMAKE_GENERATOR}
                   -DCOMPILER=${CMAKE_CXX_COMPILER} -DBUILD_TYPE=${CMAKE_BUILD_TYPE}
                   -P ${CMAKE_CURRENT_SOURCE_DIR}/tests/install/run.cmake)
endif()
