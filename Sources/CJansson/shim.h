#include <jansson.h>

// json_decref is a macro-like inline in the header; give it a name Swift can call.
static inline void sluice_json_release(json_t *value) { json_decref(value); }
