#include "CKernels.h"

/// Packs 32 numbers. For a width that is known when it is compiled: no loop and no condition is left.
static inline __attribute__((always_inline)) void pack_32(
    const uint64_t *values, const int width, uint8_t *out) {
  uint64_t bits = 0;
  int count = 0;
#pragma clang loop unroll(full)
  for (int index = 0; index < 32; index++) {
    bits |= values[index] << count;
    count += width;
    if (count >= 64) {
      memcpy(out, &bits, 8);
      out += 8;
      count -= 64;
      // What of the number had no room; shifting by 64 would be no shift.
      bits = count == 0 ? 0 : values[index] >> (width - count);
    }
  }
  // 32 numbers end at a multiple of four bytes.
  if (count > 0) memcpy(out, &bits, 4);
}

#define WIDTH(w) case w: pack_32(values, w, out); break;
#define WIDTHS(w) WIDTH(w) WIDTH(w + 1) WIDTH(w + 2) WIDTH(w + 3) \
  WIDTH(w + 4) WIDTH(w + 5) WIDTH(w + 6) WIDTH(w + 7)

static void pack(const uint64_t *values, int width, uint8_t *out) {
  switch (width) {
    WIDTHS(1) WIDTHS(9) WIDTHS(17) WIDTHS(25) WIDTHS(33) WIDTHS(41) WIDTHS(49) WIDTHS(57)
    default: break;
  }
}

long ckernels_pack_deltas(
    const int64_t *values, int count, int64_t *least, uint8_t *widths, uint8_t *out) {
  uint64_t deltas[128];
  // Several at a time, as each comparison waits for the one before it.
  int64_t smallest[4] = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
  int index = 0;
  for (; index + 4 <= count; index += 4) {
    for (int part = 0; part < 4; part++) {
      uint64_t delta = (uint64_t)values[index + part] - (uint64_t)values[index + part - 1];
      deltas[index + part] = delta;
      if ((int64_t)delta < smallest[part]) smallest[part] = (int64_t)delta;
    }
  }
  for (; index < count; index++) {
    uint64_t delta = (uint64_t)values[index] - (uint64_t)values[index - 1];
    deltas[index] = delta;
    if ((int64_t)delta < smallest[0]) smallest[0] = (int64_t)delta;
  }
  for (int part = 1; part < 4; part++) {
    if (smallest[part] < smallest[0]) smallest[0] = smallest[part];
  }
  *least = smallest[0];
  for (; index < 128; index++) deltas[index] = (uint64_t)*least;
  uint8_t *place = out;
  for (int group = 0; group < 4; group++) {
    widths[group] = 0;
    if (32 * group >= count) continue;
    uint64_t *start = deltas + 32 * group, all = 0;
    for (int part = 0; part < 32; part++) {
      start[part] -= (uint64_t)*least;
      all |= start[part];
    }
    if (all != 0) widths[group] = (uint8_t)(64 - __builtin_clzll(all));
    pack(start, widths[group], place);
    place += 4 * widths[group];
  }
  return place - out;
}
