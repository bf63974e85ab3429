// Rows of JSON lines (RFC 8259, one object a line) as byte ranges of the wanted top-level values. Every scan stops at a newline, which JSON
// strings cannot hold: so the newline behind the last line bounds them all, and a malformed line never costs more than itself.
#ifndef CK_BODY
#define CK_FILE "../Rows/JSONLines.c"
#include "CKernels.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <string.h>

static inline uint64_t eight(const uint8_t *p) {
  uint64_t x;
  memcpy(&x, p, sizeof x);
  return x;
}

// Whether n >= 1 bytes are the same; up to 7 bytes behind them are read.
static inline int same(const uint8_t *a, const uint8_t *b, ck_int n) {
  for (; n > 8; a += 8, b += 8, n -= 8)
    if (eight(a) != eight(b)) return 0;
  return (eight(a) ^ eight(b)) << (64 - 8 * n) == 0;
}

static inline ck_int blanks(const uint8_t *t, ck_int p) {
  while (t[p] == ' ' || t[p] == '\t' || t[p] == '\r') p++;
  return p;
}

static inline int is_digit(uint8_t c) { return (uint8_t)(c - '0') < 10; }

// Behind the digits from p on.
static inline ck_int digits_end(const uint8_t *t, ck_int p) {
  while (is_digit(t[p])) p++;
  return p;
}

// Behind a number: -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?; -1 for anything else.
static inline ck_int number_end(const uint8_t *t, ck_int p) {
  p += t[p] == '-';
  if (!is_digit(t[p])) return -1;
  p = t[p] == '0' ? p + 1 : digits_end(t, p);
  if (t[p] == '.') {
    if (!is_digit(t[++p])) return -1;
    p = digits_end(t, p);
  }
  if (t[p] == 'e' || t[p] == 'E') {
    p++;
    p += t[p] == '+' || t[p] == '-';
    if (!is_digit(t[p])) return -1;
    p = digits_end(t, p);
  }
  return p;
}

// Behind true, false or null; -1 for anything else.
static inline ck_int word_end(const uint8_t *t, ck_int p) {
  if (t[p] == 't') return t[p + 1] == 'r' && t[p + 2] == 'u' && t[p + 3] == 'e' ? p + 4 : -1;
  if (t[p] == 'n') return t[p + 1] == 'u' && t[p + 2] == 'l' && t[p + 3] == 'l' ? p + 4 : -1;
  return t[p] == 'f' && t[p + 1] == 'a' && t[p + 2] == 'l' && t[p + 3] == 's' && t[p + 4] == 'e' ? p + 5 : -1;
}

// The value of four hexadecimal digits, -1 where one is none.
static int hex4(const uint8_t *p) {
  int value = 0;
  for (int i = 0; i < 4; i++) {
    const uint8_t c = p[i] | 0x20;
    const int digit = is_digit(p[i]) ? p[i] - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return -1;
    value = value << 4 | digit;
  }
  return value;
}

static ck_int put_utf8(uint8_t *out, uint32_t scalar) {
  if (scalar < 0x80) return out[0] = (uint8_t)scalar, 1;
  if (scalar < 0x800) return out[0] = (uint8_t)(0xc0 | scalar >> 6), out[1] = (uint8_t)(0x80 | (scalar & 0x3f)), 2;
  if (scalar < 0x10000) {
    out[0] = (uint8_t)(0xe0 | scalar >> 12), out[1] = (uint8_t)(0x80 | (scalar >> 6 & 0x3f)), out[2] = (uint8_t)(0x80 | (scalar & 0x3f));
    return 3;
  }
  out[0] = (uint8_t)(0xf0 | scalar >> 18), out[1] = (uint8_t)(0x80 | (scalar >> 12 & 0x3f));
  out[2] = (uint8_t)(0x80 | (scalar >> 6 & 0x3f)), out[3] = (uint8_t)(0x80 | (scalar & 0x3f));
  return 4;
}

// The string t[from:to) unescaped to out, which is never longer; its length, -1 for a false escape or half a surrogate pair.
static ck_int unescape(const uint8_t *t, ck_int from, ck_int to, uint8_t *out) {
  ck_int n = 0;
  for (ck_int p = from; p < to;) {
    if (t[p] != '\\') {
      out[n++] = t[p++];
      continue;
    }
    const uint8_t c = t[p + 1];
    p += 2;
    switch (c) {
      case '"': case '\\': case '/': out[n++] = c; break;
      case 'b': out[n++] = '\b'; break;
      case 'f': out[n++] = '\f'; break;
      case 'n': out[n++] = '\n'; break;
      case 'r': out[n++] = '\r'; break;
      case 't': out[n++] = '\t'; break;
      case 'u': {
        if (to - p < 4) return -1;
        const int high = hex4(t + p);
        p += 4;
        if (high < 0 || (high >= 0xdc00 && high < 0xe000)) return -1;
        uint32_t scalar = (uint32_t)high;
        if (high >= 0xd800 && high < 0xdc00) {
          if (to - p < 6 || t[p] != '\\' || t[p + 1] != 'u') return -1;
          const int low = hex4(t + p + 2);
          if (low < 0xdc00 || low >= 0xe000) return -1;
          p += 6;
          scalar = 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
        }
        n += put_utf8(out + n, scalar);
        break;
      }
      default: return -1;
    }
  }
  return n;
}

// FNV-1a; keys are short.
static uint32_t hash_of(const uint8_t *p, ck_int n) {
  uint32_t h = 2166136261u;
  for (ck_int i = 0; i < n; i++) h = (h ^ p[i]) * 16777619u;
  return h;
}

// The wanted column of a key, -1 for none.
static int32_t column_of(const ck_json_lines *r, const uint8_t *key, ck_int n) {
  uint32_t from = 0;
  for (ck_int c = 0; c < r->columns; from = r->name_ends[c++])
    if ((ck_int)(r->name_ends[c] - from) == n && memcmp(r->names + from, key, (size_t)n) == 0) return (int32_t)c;
  return -1;
}

#include "../Common/isa.h"

CK_DISPATCH(void, ck_json_rows, (ck_json_lines *rows), (rows))

#else

// The closing quote of the string whose first byte is t[p]; -1 where the line ends first or a control character is inside. *escaped |= 1
// where a backslash is.
CK_INLINE ck_int CK(string_end)(const uint8_t *t, ck_int p, int *escaped) {
  for (;;) {
#if CK_LANES == 16
    const __m512i x = _mm512_loadu_si512(t + p);
    const uint64_t stops = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('"')) | _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('\\')) |
                           _mm512_cmplt_epu8_mask(x, _mm512_set1_epi8(0x20));
    if (!stops) {
      p += 64;
      continue;
    }
    p += __builtin_ctzll(stops);
#elif CK_LANES == 8
    const __m256i x = _mm256_loadu_si256((const __m256i *)(t + p));
    const __m256i control = _mm256_cmpeq_epi8(_mm256_max_epu8(x, _mm256_set1_epi8(0x1f)), _mm256_set1_epi8(0x1f));
    const __m256i marks = _mm256_or_si256(_mm256_cmpeq_epi8(x, _mm256_set1_epi8('"')), _mm256_cmpeq_epi8(x, _mm256_set1_epi8('\\')));
    const uint32_t stops = (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(marks, control));
    if (!stops) {
      p += 32;
      continue;
    }
    p += __builtin_ctz(stops);
#else
    while (t[p] >= 0x20 && t[p] != '"' && t[p] != '\\') p++;
#endif
    if (t[p] == '"') return p;
    if (t[p] != '\\' || t[p + 1] < 0x20) return -1;
    *escaped |= 1;
    p += 2;
  }
}

// Behind the string whose opening quote is t[p], its escapes checked; -1 where it is malformed.
static ck_int CK(checked_string)(const uint8_t *t, ck_int p, uint8_t *scratch) {
  int escaped = 0;
  const ck_int close = CK(string_end)(t, p + 1, &escaped);
  if (close < 0 || (escaped && unescape(t, p + 1, close, scratch) < 0)) return -1;
  return close + 1;
}

// Behind the object or array that opens at t[p], -1 where it is malformed or nested deeper than CK_JSON_DEPTH with the row's own object;
// *plain = whether it is an array of nothing but strings, numbers and words. scratch: room for the longest string.
static ck_int CK(nested)(const uint8_t *t, ck_int p, int *plain, uint8_t *scratch) {
  uint32_t objects = 0;  // a bit for each open container, the innermost lowest
  int depth = 1;
  *plain = t[p] == '[';
open:
  if (++depth > CK_JSON_DEPTH) return -1;
  if (depth > 2) *plain = 0;
  objects = objects << 1 | (t[p] == '{');
  p = blanks(t, p + 1);
  if (t[p] == (objects & 1 ? '}' : ']')) goto close;
member:
  if (objects & 1) {
    if (t[p] != '"' || (p = CK(checked_string)(t, p, scratch)) < 0) return -1;
    p = blanks(t, p);
    if (t[p] != ':') return -1;
    p = blanks(t, p + 1);
  }
  if (t[p] == '{' || t[p] == '[') goto open;
  p = t[p] == '"' ? CK(checked_string)(t, p, scratch) : is_digit(t[p]) || t[p] == '-' ? number_end(t, p) : word_end(t, p);
  if (p < 0) return -1;
after:
  p = blanks(t, p);
  if (t[p] == ',') {
    p = blanks(t, p + 1);
    goto member;
  }
  if (t[p] != (objects & 1 ? '}' : ']')) return -1;
close:
  p++;
  objects >>= 1;
  if (--depth > 1) goto after;
  return p;
}

// A key that the shape does not foresee, its first byte at t[p]: appended to keys[n]. Behind its closing quote, or -1.
static ck_int CK(new_key)(ck_json_lines *r, ck_int p, ck_int n) {
  uint8_t *t = r->text;
  int escaped = 0;
  const ck_int close = CK(string_end)(t, p, &escaped);
  if (close < 0) return -1;
  ck_int from = p, to = close;
  if (escaped) {
    const ck_int length = unescape(t, p, close, t + r->spare);
    if (length < 0) return -1;
    from = r->spare, to = r->spare += length;
  }
  if (n == CK_JSON_KEYS) return -1;
  const uint32_t hash = hash_of(t + from, to - from);
  for (ck_int i = 0; i < n; i++) {
    const ck_json_key *k = r->keys + i;
    if (k->hash == hash && k->name_end - k->name == to - from && memcmp(t + k->name, t + from, (size_t)(to - from)) == 0) return -1;
  }
  r->keys[n] = (ck_json_key){(uint32_t)p, (uint32_t)close, (uint32_t)from, (uint32_t)to, hash, column_of(r, t + from, to - from)};
  return close + 1;
}

// Behind the value at t[p], whose range is *start, *stop where it is wanted; -1 where it is malformed.
CK_INLINE ck_int CK(value)(ck_json_lines *r, ck_int p, int wanted, uint32_t *start, uint32_t *stop) {
  uint8_t *t = r->text;
  if (t[p] == '"') {
    int escaped = 0;
    const ck_int close = CK(string_end)(t, p + 1, &escaped);
    if (close < 0) return -1;
    if (!escaped) {
      *start = (uint32_t)(p + 1), *stop = (uint32_t)close;
    } else {
      const ck_int length = unescape(t, p + 1, close, t + r->spare);
      if (length < 0) return -1;
      *start = (uint32_t)r->spare, *stop = (uint32_t)(r->spare + length);
      if (wanted) r->spare += length;
    }
    return close + 1;
  }
  ck_int end;
  if (is_digit(t[p]) || t[p] == '-') {
    end = number_end(t, p);
  } else if (t[p] == '{' || t[p] == '[') {
    int plain;
    end = CK(nested)(t, p, &plain, t + r->spare);
    if (!plain) return end;
  } else {
    end = word_end(t, p);
    if (t[p] == 'n') return end;
  }
  *start = (uint32_t)p, *stop = (uint32_t)end;
  return end;
}

// Behind the object at t[p], its wanted values in starts and ends, which are 0; -1 where it is malformed. Keys are looked for in the shape,
// the keys of an earlier line, from the last one found onwards: so they differ from each other without a comparison.
CK_INLINE ck_int CK(object)(ck_json_lines *r, ck_int p, uint32_t *starts, uint32_t *ends) {
  const uint8_t *t = r->text;
  ck_int n = 0, next = 0;  // keys of this line; where in the shape the next one is looked for
  int known = 1;           // every key so far is of the shape
  if (t[p] != '{') return -1;
  p = blanks(t, p + 1);
  if (t[p] == '}') return p + 1;
  for (;;) {
    if (t[p] != '"') return -1;
    p++;
    int32_t column = -1;
    if (known) {
      ck_int i = next;
      const ck_json_key *k = r->shape + i;
      while (i < r->shape_count && !same(t + p, t + k->start, k->end - k->start + 1)) i++, k++;
      if (i < r->shape_count) {
        column = k->column;
        p += k->end - k->start + 1;
        r->taken[n++] = (uint16_t)i;
        next = i + 1;
      } else {
        known = 0;
        for (ck_int j = 0; j < n; j++) r->keys[j] = r->shape[r->taken[j]];
      }
    }
    if (!known) {
      p = CK(new_key)(r, p, n);
      if (p < 0) return -1;
      column = r->keys[n++].column;
    }
    p = blanks(t, p);
    if (t[p] != ':') return -1;
    p = blanks(t, p + 1);
    uint32_t start = 0, stop = 0;
    p = CK(value)(r, p, column >= 0, &start, &stop);
    if (p < 0) return -1;
    if (column >= 0) starts[column] = start, ends[column] = stop;
    p = blanks(t, p);
    if (t[p] == '}') break;
    if (t[p] != ',') return -1;
    p = blanks(t, p + 1);
  }
  if (!known) {
    ck_json_key *const keys = r->keys;
    r->keys = r->shape, r->shape = keys, r->shape_count = n;
  }
  return p + 1;
}

static void CK(ck_json_rows)(ck_json_lines *rows) {
  ck_json_lines local = *rows, *r = &local;  // a copy that stays in registers
  uint8_t *t = r->text;
  ck_int at = r->begin;
  r->rows = 0, r->lines = 0, r->bad = -1;
  if (at < r->end) {
    const uint8_t behind = t[r->end];
    const int open = t[r->end - 1] != '\n';  // the last line of a file may lack its newline
    if (open) t[r->end] = '\n';
    while (at < r->end && r->rows < r->capacity) {
      const ck_int row = at, spare = r->spare;
      ck_int p = blanks(t, at);
      if (t[p] == '\n') {
        at = p + 1, r->lines++;
        continue;
      }
      uint32_t *starts = r->starts + r->rows * r->columns, *ends = r->ends + r->rows * r->columns;
      for (ck_int c = 0; c < r->columns; c++) starts[c] = ends[c] = 0;
      p = CK(object)(r, p, starts, ends);
      if (p >= 0) p = blanks(t, p);
      if (p < 0 || t[p] != '\n') {
        r->spare = spare, r->bad = row;
        at = (const uint8_t *)memchr(t + row, '\n', (size_t)(r->end + 1 - row)) - t + 1, r->lines++;
        break;
      }
      r->row_starts[r->rows++] = (uint32_t)row;
      at = p + 1, r->lines++;
    }
    if (open) {
      t[r->end] = behind;
      if (at > r->end) at = r->end, r->lines--;
    }
  }
  r->at = at;
  *rows = local;
}
#endif
