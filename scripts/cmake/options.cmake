# Warnings, hardening and sanitizers, as one interface target that every library of ours links.
add_library(socktrace_options INTERFACE)
# -iquote, not -I: our sys/file.h must not stand in the way of <sys/file.h>.
target_compile_options(socktrace_options INTERFACE
  "SHELL:-iquote ${CMAKE_SOURCE_DIR}/userspace" "SHELL:-iquote ${CMAKE_SOURCE_DIR}")
target_compile_options(socktrace_options INTERFACE -Wall -Wextra -Werror -fstack-protector-strong)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False alarms about std::string and std::vector: GCC bugs 105329 and 107852, mended in 13.
  target_compile_options(socktrace_options INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
endif()
if(SOCKTRACE_FUZZ)
  target_compile_options(socktrace_options INTERFACE
    -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -g)
  target_link_options(socktrace_options INTERFACE -fsanitize=address,undefined)
elseif(SOCKTRACE_SANITIZE)
  # vptr tries an address out by a system call, which tests of the system call filter do not let pass.
  target_compile_options(socktrace_options INTERFACE
    -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=undefined -g1)
  target_link_options(socktrace_options INTERFACE -fsanitize=address,undefined)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(socktrace_options INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
target_link_options(socktrace_options INTERFACE -Wl,-z,relro -Wl,-z,now)
target_compile_definitions(socktrace_options INTERFACE SOCKTRACE_VERSION="${PROJECT_VERSION}")
