#define _GNU_SOURCE
#include "CDuckDB.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

sluice_duckdb_table sluice_duckdb;

static void *load(const char *path) {
#ifdef __APPLE__
  // Beside a library taken from the Python wheel lies a stub of the interpreter's names; a bundle
  // finds them only among libraries that are loaded already.
  const char *slash = strrchr(path, '/');
  if (slash) {
    char stub[4096];
    int written = snprintf(stub, sizeof stub, "%.*s/libduckdb-python-names.dylib",
                           (int)(slash - path), path);
    if (written > 0 && (size_t)written < sizeof stub) dlopen(stub, RTLD_NOW | RTLD_GLOBAL);
  }
#endif
  return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

const char *sluice_duckdb_load(const char *path, char *reason, size_t capacity) {
  void *library = load(path);
  if (!library) {
    const char *error = dlerror();
    snprintf(reason, capacity, "%s", error ? error : "it cannot be loaded");
    return reason;
  }
  sluice_duckdb_table table;
#define SLUICE_LOOK_UP(result, name, parameters, arguments)                                        \
  *(void **)&table.name = dlsym(library, #name);                                                   \
  if (!table.name) {                                                                               \
    snprintf(reason, capacity, "it does not export %s", #name);                                    \
    dlclose(library);                                                                              \
    return reason;                                                                                 \
  }
  SLUICE_DUCKDB_FUNCTIONS(SLUICE_LOOK_UP)
#undef SLUICE_LOOK_UP
  sluice_duckdb = table;
  return NULL;
}

const char *sluice_duckdb_file(void) {
  Dl_info info;
  void *address = *(void **)&sluice_duckdb.duckdb_library_version;
  return address && dladdr(address, &info) ? info.dli_fname : NULL;
}
