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
