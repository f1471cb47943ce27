# How the project compiles itself: esock_flags for its objects, esock_runtime for what is linked with
# them. Users of the installed library see neither.
set(ESOCK_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=: address,undefined or thread")
option(ESOCK_WARNINGS "All warnings, and each an error" ${PROJECT_IS_TOP_LEVEL})

set(CMAKE_C_STANDARD 11) # with GNU extensions
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
find_package(Threads REQUIRED)

add_library(esock_runtime INTERFACE)
add_library(esock_flags INTERFACE)
if(ESOCK_WARNINGS)
    target_compile_options(esock_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow -Werror)
endif()
if(ESOCK_SANITIZE)
    target_compile_options(esock_flags INTERFACE -fsanitize=${ESOCK_SANITIZE}
                           -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(esock_runtime INTERFACE -fsanitize=${ESOCK_SANITIZE})
endif()
if(ESOCK_FUZZ AND NOT ESOCK_FUZZ_STANDIN)
    target_compile_options(esock_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
