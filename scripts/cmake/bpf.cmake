# Compiles every bpf/*.bpf.c, links them into one object and makes its skeleton.
# Targets: socktrace_skeleton (INTERFACE: the directory of socktrace.skel.h).  SOCKTRACE_BPF_OBJECT: the linked object.
find_program(SOCKTRACE_CLANG NAMES clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14 REQUIRED)
find_program(SOCKTRACE_BPFTOOL NAMES bpftool PATHS /usr/sbin /usr/local/sbin REQUIRED)
mark_as_advanced(SOCKTRACE_CLANG SOCKTRACE_BPFTOOL)

set(SOCKTRACE_BPF_DIR ${CMAKE_BINARY_DIR}/bpf)
set(SOCKTRACE_BPF_OBJECT ${SOCKTRACE_BPF_DIR}/socktrace.bpf.o)
file(MAKE_DIRECTORY ${SOCKTRACE_BPF_DIR})

# -mcpu=v2: what 5.10 runs on every architecture, without 32-bit jumps or fetching atomics.
set(bpf_flags -g -O2 -target bpf -mcpu=v2 -Wall -Wextra -Werror -Wno-unused-parameter -I${CMAKE_SOURCE_DIR}/bpf)
set(bpf_header_dependency)
if(SOCKTRACE_FULL_VMLINUX)
  set(full_vmlinux ${SOCKTRACE_BPF_DIR}/full/vmlinux.h)
  file(MAKE_DIRECTORY ${SOCKTRACE_BPF_DIR}/full)
  add_custom_command(
    OUTPUT ${full_vmlinux}
    COMMAND ${SOCKTRACE_BPFTOOL} btf dump file /sys/kernel/btf/vmlinux format c > ${full_vmlinux}
    COMMENT "Dumping vmlinux.h from this kernel's BTF"
    VERBATIM)
  list(APPEND bpf_flags -I${SOCKTRACE_BPF_DIR}/full)
  set(bpf_header_dependency ${full_vmlinux})
endif()
list(APPEND bpf_flags -I${CMAKE_SOURCE_DIR}/vmlinux)

file(GLOB bpf_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bpf/*.bpf.c)
# Definitions before references: libbpf 1.1's linker loses the offset of a map that it meets as extern first.
list(REMOVE_ITEM bpf_sources ${CMAKE_SOURCE_DIR}/bpf/maps.bpf.c)
list(PREPEND bpf_sources ${CMAKE_SOURCE_DIR}/bpf/maps.bpf.c)
set(bpf_objects)
foreach(source ${bpf_sources})
  get_filename_component(name ${source} NAME_WE)
  set(object ${SOCKTRACE_BPF_DIR}/${name}.o)
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${SOCKTRACE_CLANG} ${bpf_flags} -MD -MF ${object}.d -MT ${object} -c ${source} -o ${object}
    DEPENDS ${source} ${bpf_header_dependency}
    DEPFILE ${object}.d
    COMMENT "Building BPF object ${name}"
    VERBATIM)
  list(APPEND bpf_objects ${object})
endforeach()

add_custom_command(
  OUTPUT ${SOCKTRACE_BPF_OBJECT} ${SOCKTRACE_BPF_DIR}/socktrace.skel.h
  COMMAND ${SOCKTRACE_BPFTOOL} gen object ${SOCKTRACE_BPF_OBJECT} ${bpf_objects}
  COMMAND ${SOCKTRACE_BPFTOOL} gen skeleton ${SOCKTRACE_BPF_OBJECT} name socktrace_bpf > ${SOCKTRACE_BPF_DIR}/socktrace.skel.h
  DEPENDS ${bpf_objects}
  COMMENT "Linking socktrace.bpf.o"
  VERBATIM)
add_custom_target(socktrace_bpf_object DEPENDS ${SOCKTRACE_BPF_OBJECT} ${SOCKTRACE_BPF_DIR}/socktrace.skel.h)

add_library(socktrace_skeleton INTERFACE)
target_include_directories(socktrace_skeleton SYSTEM INTERFACE ${SOCKTRACE_BPF_DIR})
add_dependencies(socktrace_skeleton socktrace_bpf_object)
