# tests/fuzz/*_fuzz.c: one libFuzzer program each. Its ctest replays the corpus, build/fuzz searches
# on.
if(NOT ESOCK_FUZZ_STANDIN AND NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "the fuzz targets need clang: use the preset \"fuzz\"")
endif()

file(GLOB targets CONFIGURE_DEPENDS tests/fuzz/*_fuzz.c)
foreach(file ${targets})
    get_filename_component(name ${file} NAME_WE)
    string(REGEX REPLACE "_fuzz$" "" corpus ${name})
    add_executable(${name} ${file})
    target_link_libraries(${name} PRIVATE esock_flags esock_sim_static esock_static)
    if(ESOCK_FUZZ_STANDIN)
        target_sources(${name} PRIVATE tests/fuzz/standin.c)
    else()
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    endif()
    add_test(NAME fuzz/${corpus}
             COMMAND ${name} -runs=0 -timeout=10 ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${corpus})
    set_tests_properties(fuzz/${corpus} PROPERTIES TIMEOUT 300)
endforeach()

# The example of docs/simulation.md: its planted bug is found, and without it there is nothing to find.
if(NOT ESOCK_FUZZ_STANDIN)
    add_subdirectory(examples/c-fuzz)
    set(example ${PROJECT_SOURCE_DIR}/examples/c-fuzz)
    set(arguments -seed=1 -runs=20000 -max_total_time=60 -dict=${example}/frames.dict
        -artifact_prefix=${PROJECT_BINARY_DIR}/ ${PROJECT_BINARY_DIR}/example-corpus ${example}/corpus)
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/example-corpus) # libFuzzer writes to the first folder
    add_test(NAME example/c-fuzz COMMAND frames_fuzz -reduce_inputs=0 ${arguments})
    set_tests_properties(example/c-fuzz PROPERTIES PASS_REGULAR_EXPRESSION "a wrong answer")
    add_test(NAME example/c-fuzz-fixed COMMAND frames_fixed_fuzz -runs=0 ${example}/corpus)
endif()
