# tests/c/*_test.c: one program and one ctest each, linked with the scripted kernel. A new file needs
# no edit here.
option(ESOCK_CMOCKA_STANDIN "Use tests/c/standin/cmocka.h, where the compiler has no cmocka" OFF)
if(ESOCK_CMOCKA_STANDIN)
    set(CMOCKA_INCLUDE ${PROJECT_SOURCE_DIR}/tests/c/standin)
    set(CMOCKA_LIBRARY Threads::Threads) # nothing else
endif()
find_path(CMOCKA_INCLUDE cmocka.h)
find_library(CMOCKA_LIBRARY cmocka)
if(NOT CMOCKA_INCLUDE OR NOT CMOCKA_LIBRARY)
    message(FATAL_ERROR "cmocka is missing: run build/deps, or configure with -DBUILD_TESTING=OFF")
endif()

add_library(esock_script STATIC tests/c/script.c)
target_include_directories(esock_script PUBLIC tests/c ${CMOCKA_INCLUDE})
target_link_libraries(esock_script PRIVATE esock_flags PUBLIC esock_sim_static esock_static)

# cmocka's assertions convert pointers and integers in the caller's code, and its tests take a state
# that few use.
add_library(esock_test_flags INTERFACE)
target_compile_options(esock_test_flags INTERFACE -Wno-conversion -Wno-unused-parameter)

file(GLOB tests CONFIGURE_DEPENDS tests/c/*_test.c)
foreach(file ${tests})
    get_filename_component(name ${file} NAME_WE)
    add_executable(${name} ${file})
    target_link_libraries(${name} PRIVATE esock_flags esock_test_flags esock_script
                          ${CMOCKA_LIBRARY} Threads::Threads)
    add_test(NAME c/${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(c/${name} PROPERTIES TIMEOUT 300)
endforeach()

# The simulated kernel against the real one, shortly; build/fuzz sim_diff runs it for long.
add_executable(sim_diff tests/sim/diff.c)
target_link_libraries(sim_diff PRIVATE esock_flags esock_test_flags esock_sim_static esock_static)
foreach(family unix inet inet6)
    add_test(NAME sim/${family} COMMAND sim_diff ${family} 300)
    set_tests_properties(sim/${family} PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77)
endforeach()

# The numbers that the option rows carry beside the constants' names are those of the headers.
if(EXISTS ${PROJECT_SOURCE_DIR}/tests/c/gen_opt_numbers.sh)
    add_custom_command(
        OUTPUT opt_numbers.c
        COMMAND ${CMAKE_COMMAND} -E env "CC=${CMAKE_C_COMPILER} ${CMAKE_C_FLAGS}"
                sh ${PROJECT_SOURCE_DIR}/tests/c/gen_opt_numbers.sh
                ${PROJECT_SOURCE_DIR}/csrc/esock_opt.def > opt_numbers.c
        DEPENDS tests/c/gen_opt_numbers.sh csrc/esock_opt.def csrc/esock_opt_struct.def
        VERBATIM)
    add_library(opt_numbers OBJECT opt_numbers.c)
    target_include_directories(opt_numbers PRIVATE csrc)
    target_link_libraries(opt_numbers PRIVATE esock_flags)
    target_link_libraries(opt_test PRIVATE opt_numbers)
endif()

# The install tree serves a consumer, through pkg-config and through find_package.
if(NOT ESOCK_SANITIZE AND NOT ESOCK_FUZZ AND NOT ESOCK_CMOCKA_STANDIN)
    add_test(NAME install COMMAND bash ${PROJECT_SOURCE_DIR}/tests/install.sh
             ${PROJECT_BINARY_DIR} ${CMAKE_C_COMPILER} ${CMAKE_COMMAND})
    set_tests_properties(install PROPERTIES TIMEOUT 300)
endif()

# The bare C side of the benchmarks.
add_executable(peer tests/bench/peer.c tests/bench/peer_load.c tests/bench/peer_ring.c
               tests/bench/peer_mmsg.c)
target_link_libraries(peer PRIVATE esock_flags esock_runtime Threads::Threads)
