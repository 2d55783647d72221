#include "base/memory.hpp"

#include <cstdlib>  // defines __GLIBC__

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace keelson::base {

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
#endif
}

}  // namespace keelson::base
