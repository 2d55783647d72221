// How this process uses the C library's heap: small and given back, since a node agent mostly waits.
//
// use_one_heap(): first thing in main(). One arena for all threads: one thread does nearly all the work, and each
// further arena would keep pages of its own that nobody else can use. give_back_free_memory(): returns to the kernel
// the pages of the heap that are free, and unmaps code that was not used lately (about a millisecond for a heap of 10
// MiB, and what is still used is mapped again from the page cache); for quiet moments, after a burst of work.
// Breakpoints of a debugger in unmapped code are lost. Any thread. Nothing fails; on a C library other than glibc both
// do nothing.
#pragma once

namespace keelson::base {

void use_one_heap();
void give_back_free_memory();

}  // namespace keelson::base
