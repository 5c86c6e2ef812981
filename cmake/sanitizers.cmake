# Flags of sanitized builds, for everything that is compiled.
#
# Fuzz targets need Clang, which brings libFuzzer, and count branches in the library too: that is how
# the fuzzer finds its way in.

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
