// Loops over bytes that want vectors: in C, because Swift's vectors have no bit masks.
//
// Compilers make of the vector types what the processor has (SSE2, NEON); nothing here is specific
// to one, but for a faster way to a bit mask on x86-64.

#ifndef CKERNELS_H
#define CKERNELS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

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

typedef struct {
  /// A bit for each of 64 bytes, the first lowest: ASCII letters, digits and `_`, and all bytes from
  /// 80 on.
  uint64_t words;
  /// The bytes from 80 on.
  uint64_t high;
} ckernels_word_marks;

/// Marks what words are made of in 64 bytes and, where `lowers` is 32 (else 0), turns ASCII capitals
/// among them into small letters.
static inline ckernels_word_marks ckernels_mark_words(uint8_t *text, uint8_t lowers) {
  ckernels_word_marks marks = {0, 0};
#ifdef __SSE2__
  const __m128i small = _mm_set1_epi8(0x20), bit = _mm_set1_epi8((char)lowers);
  for (int part = 0; part < 4; part++) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(text + 16 * part));
    __m128i letter = _mm_sub_epi8(_mm_or_si128(bytes, small), _mm_set1_epi8('a'));
    __m128i capital = _mm_sub_epi8(bytes, _mm_set1_epi8('A'));
    __m128i digit = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
    // x <= y, unsigned, is min(x, y) == x.
    letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter);
    capital = _mm_cmpeq_epi8(_mm_min_epu8(capital, _mm_set1_epi8(25)), capital);
    digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
    __m128i line = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('_'));
    uint64_t high = (uint32_t)_mm_movemask_epi8(bytes);
    uint64_t words =
        (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(letter, digit), line));
    marks.high |= high << (16 * part);
    marks.words |= (words | high) << (16 * part);
    bytes = _mm_or_si128(bytes, _mm_and_si128(capital, bit));
    _mm_storeu_si128((__m128i *)(text + 16 * part), bytes);
  }
#else
  for (int place = 0; place < 64; place++) {
    uint8_t byte = text[place];
    uint64_t high = byte >> 7;
    uint64_t word = (uint8_t)((byte | 0x20) - 'a') < 26 || (uint8_t)(byte - '0') < 10 || byte == '_';
    marks.high |= high << place;
    marks.words |= (word | high) << place;
    if ((uint8_t)(byte - 'A') < 26) text[place] = byte | lowers;
  }
#endif
  return marks;
}

/// Asks for the memory at an address to be brought near; any address will do.
static inline void ckernels_prefetch(const void *place) { __builtin_prefetch(place); }

/// Packs 128 numbers into `16 * width` bytes, the first in the lowest bits.
static inline void ckernels_pack(const uint32_t *values, int width, uint8_t *out) {
  uint64_t bits = 0;
  int count = 0;
  for (int index = 0; index < 128; index++) {
    bits |= (uint64_t)values[index] << count;
    count += width;
    while (count >= 8) {
      *out++ = (uint8_t)bits;
      bits >>= 8;
      count -= 8;
    }
  }
}

/// Packs the differences of up to 128 numbers to the one before, of which there is one before the
/// first. The least difference goes to `least`; of each 32, how many bits what exceeds it takes up, to
/// `widths`: 0 where there are no numbers. Differences wrap around.
///
/// Writes four times the sum of the widths in bytes, the first number in the lowest bits, and returns
/// how many these are.
long ckernels_pack_deltas(
    const int64_t *values, int count, int64_t *least, uint8_t *widths, uint8_t *out);

/// Unpacks 128 numbers of at most 32 bits; reads up to 7 bytes past the `16 * width` that hold them.
static inline void ckernels_unpack(const uint8_t *packed, int width, uint32_t *out) {
  const uint64_t mask = ((uint64_t)1 << width) - 1;
  // Eight numbers take up `width` bytes.
  for (int group = 0; group < 16; group++) {
    for (int place = 0; place < 8; place++) {
      uint64_t bits;
      memcpy(&bits, packed + ((place * width) >> 3), 8);
      out[place] = (uint32_t)((bits >> ((place * width) & 7)) & mask);
    }
    packed += width;
    out += 8;
  }
}

/// Writes out the numbers of the bits that are set, each plus `base`.
///
/// Reads whole words: up to 7 bytes past the `byte_count`.
/// Returns how many there are; no more than `capacity` are written.
static inline int ckernels_bits_to_numbers(
    const uint8_t *bytes, long byte_count, uint32_t base, uint32_t *out, int capacity) {
  int count = 0;
  for (long start = 0; start < byte_count; start += 8) {
    uint64_t bits;
    memcpy(&bits, bytes + start, 8);
    if (byte_count - start < 8) bits &= ((uint64_t)1 << (8 * (byte_count - start))) - 1;
    while (bits != 0) {
      if (count < capacity) out[count] = base + (uint32_t)(8 * start) + __builtin_ctzll(bits);
      count++;
      bits &= bits - 1;
    }
  }
  return count;
}

/// Has blocks of memory of at least so many bytes mapped one by one. Does nothing where the C library
/// is another than glibc.
static inline void ckernels_map_blocks(int32_t byte_count) {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, byte_count);
#else
  (void)byte_count;
#endif
}

/// Keeps up to so many free bytes at the end of each of the heaps. Does nothing where the C library is
/// another than glibc.
static inline void ckernels_keep_freed(int32_t byte_count) {
#ifdef __GLIBC__
  mallopt(M_TRIM_THRESHOLD, byte_count);
#else
  (void)byte_count;
#endif
}

/// Gives back to the system what was freed. Does nothing where the C library is another than glibc.
static inline void ckernels_return_freed(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

#ifdef __linux__
// <fcntl.h> has it for those only who ask for all of GNU's.
int sync_file_range(int descriptor, int64_t offset, int64_t count, unsigned int flags);
#endif

/// Has Linux write a range of a file to the disk, and waits. Does nothing elsewhere.
static inline void ckernels_sync_range(int descriptor, int64_t offset, int64_t count) {
#ifdef __linux__
  const unsigned int wait_before = 1, write = 2, wait_after = 4;  // SYNC_FILE_RANGE_…
  (void)sync_file_range(descriptor, offset, count, wait_before | write | wait_after);
#else
  (void)descriptor, (void)offset, (void)count;
#endif
}

/// Maps memory that is zero, in large pages where the system has them to give; NULL where there is
/// none.
///
/// - byte_count: A multiple of 2 MiB.
/// - is_dense: Whether most of it will be used; else it comes in small pages, as it is touched.
static inline void *ckernels_map_large_pages(size_t byte_count, int is_dense) {
  // Large pages begin at multiples of their size: what is too much on either side is given back.
  const uintptr_t page = (uintptr_t)2 << 20;
  char *all = mmap(
      NULL, byte_count + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (all == MAP_FAILED) return NULL;
  char *start = (char *)(((uintptr_t)all + page - 1) & ~(page - 1));
  const size_t before = (size_t)(start - all);
  if (before > 0) munmap(all, before);
  if (before < page) munmap(start + byte_count, page - before);
#ifdef MADV_HUGEPAGE
  if (is_dense) madvise(start, byte_count, MADV_HUGEPAGE);
#else
  (void)is_dense;
#endif
  return start;
}

/// Gives memory back that was mapped.
static inline void ckernels_unmap(void *start, size_t byte_count) { munmap(start, byte_count); }

#endif
