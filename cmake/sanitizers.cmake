# Flags of sanitized builds, for everything that is compiled.
#
# Fuzz targets need Clang, which brings libFuzzer, and count branches in the library too: that is how
# the fuzzer finds its way in. ThreadSanitizer needs Clang with libomp: Archer, linked in here, tells
# it what OpenMP synchronizes; about libgomp it would raise false alarms.

set(sanitizers ${BALLAST_SANITIZE})
if(BALLAST_BUILD_FUZZERS)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "BALLAST_BUILD_FUZZERS needs Clang, which brings libFuzzer")
  endif()
  set(sanitizers address,undefined)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=fuzzer-no-link>)
endif()

if(sanitizers)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${sanitizers}>
                      $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=all>
                      $<$<COMPILE_LANGUAGE:CXX>:-fno-omit-frame-pointer>)
  add_link_options(-fsanitize=${sanitizers})
endif()

if(sanitizers STREQUAL thread)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "BALLAST_SANITIZE=thread needs Clang and libomp")
  endif()
  string(REGEX MATCH "^[0-9]+" clang_major ${CMAKE_CXX_COMPILER_VERSION})
  find_library(BALLAST_ARCHER archer REQUIRED PATHS /usr/lib/llvm-${clang_major}/lib)
  cmake_path(GET BALLAST_ARCHER PARENT_PATH archer_folder)
  link_libraries(-Wl,--no-as-needed ${BALLAST_ARCHER} -Wl,--as-needed -Wl,-rpath,${archer_folder})
endif()
