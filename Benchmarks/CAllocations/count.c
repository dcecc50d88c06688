#include "CAllocations.h"

#include <stdatomic.h>
#include <stddef.h>

static atomic_ulong count;

unsigned long allocation_count(void) { return atomic_load(&count); }

#ifdef __GLIBC__
// Stands before the C library's own, which it calls by its other name.
extern void *__libc_malloc(size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t bytes) {
  atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
  return __libc_malloc(bytes);
}

int posix_memalign(void **place, size_t alignment, size_t bytes) {
  atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
  *place = __libc_memalign(alignment, bytes);
  return *place ? 0 : 12;
}
#endif
