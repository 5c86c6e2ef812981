# Installs the build into a folder of its own, moves that folder, and builds and runs the project beside
# this file against it: what is installed must not remember where it was built.

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set(work ${BUILD}/install_test)
file(REMOVE_RECURSE ${work})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${work}/staged --component development)
file(RENAME ${work}/staged ${work}/moved)
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${work}/build -G ${GENERATOR}
    -DCMAKE_PREFIX_PATH=${work}/moved -DCMAKE_CXX_COMPILER=${COMPILER}
    -DCMAKE_BUILD_TYPE=${BUILD_TYPE})
run(${CMAKE_COMMAND} --build ${work}/build)
run(${work}/build/app)
foreach(file share/doc/Ballast/LICENSE include/ballast/graph/tensor.h)
  if(NOT EXISTS ${work}/moved/${file})
    message(FATAL_ERROR "${file} is not installed")
  endif()
endforeach()
