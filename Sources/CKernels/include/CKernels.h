// Two loops over bytes that want vectors: in C, because Swift's vectors have no bit masks.
//
// Compilers make of the vector types what the processor has (SSE2, NEON); nothing here is specific
// to one, but for a faster way to a bit mask on x86-64.

#ifndef CKERNELS_H
#define CKERNELS_H

#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef uint8_t ckernels_vector __attribute__((vector_size(16)));

static inline ckernels_vector ckernels_load(const uint8_t *text) {
  ckernels_vector value;
  memcpy(&value, text, sizeof value);
  return value;
}

static inline int ckernels_any(ckernels_vector value) {
  uint64_t halves[2];
  memcpy(halves, &value, sizeof halves);
  return (halves[0] | halves[1]) != 0;
}

static inline int ckernels_is_ascii(ckernels_vector value) {
  uint64_t halves[2];
  memcpy(halves, &value, sizeof halves);
  return ((halves[0] | halves[1]) & 0x8080808080808080) == 0;
}

/// Where 16 bytes of UTF-8 are wrong, given the three before them at `text - 3` (Unicode 15, table
/// 3-7). A sequence that goes on behind them is not judged.
static inline ckernels_vector ckernels_utf8_errors(const uint8_t *text) {
  ckernels_vector now = ckernels_load(text), one = ckernels_load(text - 1),
                  two = ckernels_load(text - 2), three = ckernels_load(text - 3);
  ckernels_vector follows = (ckernels_vector)((now & 0xC0) == 0x80);
  ckernels_vector must = (ckernels_vector)(one >= 0xC0) | (ckernels_vector)(two >= 0xE0) |
                         (ckernels_vector)(three >= 0xF0);
  ckernels_vector errors = follows ^ must;
  errors |= (ckernels_vector)((now & 0xFE) == 0xC0) | (ckernels_vector)(now >= 0xF5);
  errors |= (ckernels_vector)(one == 0xE0) & (ckernels_vector)(now < 0xA0);
  errors |= (ckernels_vector)(one == 0xED) & (ckernels_vector)(now >= 0xA0);
  errors |= (ckernels_vector)(one == 0xF0) & (ckernels_vector)(now < 0x90);
  errors |= (ckernels_vector)(one == 0xF4) & (ckernels_vector)(now >= 0x90);
  return errors;
}

/// Whether all bytes are well-formed UTF-8.
static inline int ckernels_is_utf8(const uint8_t *text, long count) {
  // The first bytes have none before them, and the last are followed by zeros, which end whatever
  // is open.
  uint8_t edge[3 + 16 + 16] = {0};
  long head = count < 16 ? count : 16;
  memcpy(edge + 3, text, head);
  ckernels_vector errors = ckernels_utf8_errors(edge + 3);
  if (count < 16) return !ckernels_any(errors);
  long index = 16;
  while (index + 16 <= count) {
    ckernels_vector now = ckernels_load(text + index);
    if (ckernels_is_ascii(now | ckernels_load(text + index - 3))) {
      index += 16;
      // ASCII, which text mostly is, 64 bytes a step.
      while (index + 64 <= count &&
             ckernels_is_ascii(ckernels_load(text + index) | ckernels_load(text + index + 16) |
                               ckernels_load(text + index + 32) |
                               ckernels_load(text + index + 48))) {
        index += 64;
      }
      continue;
    }
    errors |= ckernels_utf8_errors(text + index);
    index += 16;
  }
  memset(edge, 0, sizeof edge);
  memcpy(edge, text + index - 3, 3 + (count - index));
  errors |= ckernels_utf8_errors(edge + 3);
  return !ckernels_any(errors);
}

typedef struct {
  /// A bit for each of 64 bytes, the first lowest: the delimiters and the line feeds.
  uint64_t ends;
  /// The line feeds.
  uint64_t lines;
} ckernels_marks;

/// Marks the ends of fields and of lines in 64 bytes.
static inline ckernels_marks ckernels_mark(const uint8_t *text, uint8_t delimiter) {
  ckernels_marks marks = {0, 0};
#ifdef __SSE2__
  const __m128i delimiters = _mm_set1_epi8((char)delimiter), lines = _mm_set1_epi8('\n');
  for (int part = 0; part < 4; part++) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(text + 16 * part));
    uint64_t ends = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, delimiters));
    uint64_t line = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, lines));
    marks.ends |= (ends | line) << (16 * part);
    marks.lines |= line << (16 * part);
  }
#else
  // Eight bytes at a time, the high bits of the equal ones gathered by a product.
  const uint64_t low = 0x7F7F7F7F7F7F7F7F;
  for (int part = 0; part < 8; part++) {
    uint64_t bytes;
    memcpy(&bytes, text + 8 * part, 8);
    uint64_t a = bytes ^ (0x0101010101010101 * delimiter), b = bytes ^ 0x0A0A0A0A0A0A0A0A;
    a = ~(((a & low) + low) | a | low);
    b = ~(((b & low) + low) | b | low);
    marks.ends |= (((a | b) >> 7) * 0x0102040810204080 >> 56) << (8 * part);
    marks.lines |= ((b >> 7) * 0x0102040810204080 >> 56) << (8 * part);
  }
#endif
  return marks;
}

#endif
