#include "base/memory.hpp"

#include <cstdint>
#include <cstdlib>  // defines __GLIBC__

#ifdef __GLIBC__
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace keelson::base {
namespace {

#ifdef __GLIBC__
// Code and constants come back from the page cache when they are needed; what only the start needed does not. Segments
// that may be written hold relocations and are left alone.
int unmap_unwritable(dl_phdr_info* object, std::size_t, void*) {
  const std::uintptr_t page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t begin = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
    const std::uintptr_t end = object->dlpi_addr + segment.p_vaddr + segment.p_filesz;
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // a failure only leaves things as they were
  }
  return 0;
}
#endif

}  // namespace

void use_one_heap() {
#ifdef __GLIBC__
  mallopt(M_ARENA_MAX, 1);
  // Setting it also stops glibc from growing this and the mmap threshold after the first large block was freed.
  mallopt(M_TRIM_THRESHOLD, 128 * 1024);
#endif
}

void give_back_free_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
  dl_iterate_phdr(unmap_unwritable, nullptr);
#endif
}

}  // namespace keelson::base
