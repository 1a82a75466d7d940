# socktrace_precompile(TARGET HEADERS...): the headers that most files begin with are read once. Each file still includes what
# it uses: most builds are without.
function(socktrace_precompile target)
  if(SOCKTRACE_PRECOMPILE)
    target_precompile_headers(${target} PRIVATE
      <algorithm> <array> <cstdint> <cstring> <functional> <memory> <optional> <span> <string> <string_view>
      <unordered_map> <utility> <vector> <fmt/format.h> ${ARGN})
  endif()
endfunction()

# socktrace_library(NAME DEPENDENCIES...): userspace/NAME/**/*.cpp as the static library socktrace_NAME.
function(socktrace_library name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/userspace/${name}/*.cpp)
  if(sources)
    add_library(socktrace_${name} STATIC ${sources})
    target_link_libraries(socktrace_${name} PUBLIC socktrace_options ${ARGN})
    socktrace_precompile(socktrace_${name})
  else()
    add_library(socktrace_${name} INTERFACE)
    target_link_libraries(socktrace_${name} INTERFACE socktrace_options ${ARGN})
  endif()
endfunction()
