// Rows of delimited text (RFC 4180 quotes) as byte ranges of the wanted fields. Delimiters, newlines and quotes are found 64 bytes at a
// time as bit masks (after Langdale and Lemire 2019, "Parsing gigabytes of JSON per second"); quotes leave the masks for a plain loop.
#ifndef CK_BODY
#define CK_FILE "../Rows/Delimited.c"
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include "../Common/isa.h"

CK_DISPATCH(void, ck_delimited_rows, (ck_delimited *rows), (rows))

#else

typedef struct {
  uint64_t delimiters, newlines, quotes;
} CK(marks);

// Bits of the 64 bytes at p, of which the first `count` are text.
CK_INLINE CK(marks) CK(marks_at)(const uint8_t *p, ck_int count, uint8_t delimiter) {
  CK(marks) m = {0, 0, 0};
#if CK_LANES == 16
  const __m512i x = _mm512_loadu_si512(p);
  m.delimiters = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8((char)delimiter));
  m.newlines = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('\n'));
  m.quotes = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('"'));
#elif CK_LANES == 8
  for (int half = 0; half < 2; half++) {
    const __m256i x = _mm256_loadu_si256((const __m256i *)(p + 32 * half));
    const __m256i d = _mm256_cmpeq_epi8(x, _mm256_set1_epi8((char)delimiter));
    const __m256i n = _mm256_cmpeq_epi8(x, _mm256_set1_epi8('\n')), q = _mm256_cmpeq_epi8(x, _mm256_set1_epi8('"'));
    m.delimiters |= (uint64_t)(uint32_t)_mm256_movemask_epi8(d) << (32 * half);
    m.newlines |= (uint64_t)(uint32_t)_mm256_movemask_epi8(n) << (32 * half);
    m.quotes |= (uint64_t)(uint32_t)_mm256_movemask_epi8(q) << (32 * half);
  }
#else
  for (int i = 0; i < 64; i++) {
    m.delimiters |= (uint64_t)(p[i] == delimiter) << i;
    m.newlines |= (uint64_t)(p[i] == '\n') << i;
    m.quotes |= (uint64_t)(p[i] == '"') << i;
  }
#endif
  if (count < 64) {
    const uint64_t text = ((uint64_t)1 << count) - 1;
    m.delimiters &= text, m.newlines &= text, m.quotes &= text;
  }
  return m;
}

// A row with quotes, byte by byte; returns where the next row begins. Sets problem and leaves `fields` short where the row is malformed.
static ck_int CK(quoted_row)(ck_delimited *r, ck_int row, ck_int *fields) {
  uint8_t *t = r->text;
  ck_int at = row, field = 0, lines = 0;
  r->quoted = 1;
  for (;;) {
    ck_int start = at, stop;
    if (at < r->end && t[at] == '"') {
      start = ++at;
      int doubled = 0;
      for (;; at++) {
        if (at >= r->end) return r->problem = CK_ROW_OPEN, r->end;
        lines += t[at] == '\n';
        if (t[at] != '"') continue;
        if (at + 1 >= r->end || t[at + 1] != '"') break;
        doubled = 1, at++;
      }
      stop = at++;
      if (doubled) {
        const ck_int copy = r->spare;
        for (ck_int i = start; i < stop; i++) {
          t[r->spare++] = t[i];
          i += t[i] == '"';
        }
        start = copy, stop = r->spare;
      }
      if (at < r->end && t[at] == '\r' && (at + 1 == r->end || t[at + 1] == '\n')) at++;
      if (at < r->end && t[at] != r->delimiter && t[at] != '\n') {
        while (at < r->end && t[at] != '\n') at++;
        r->lines += lines + (at < r->end);
        return r->problem = CK_ROW_QUOTES, at < r->end ? at + 1 : at;
      }
    } else {
      while (at < r->end && t[at] != r->delimiter && t[at] != '\n') at++;
      stop = at;
      if ((at == r->end || t[at] == '\n') && stop > start && t[stop - 1] == '\r') stop--;
    }
    if (field < r->fields && r->slots[field] >= 0) {
      r->starts[r->rows * r->columns + r->slots[field]] = (uint32_t)start;
      r->ends[r->rows * r->columns + r->slots[field]] = (uint32_t)stop;
    }
    field++;
    if (at < r->end && t[at] == r->delimiter) {
      at++;
      continue;
    }
    r->lines += lines + (at < r->end);
    *fields = field;
    return at < r->end ? at + 1 : at;
  }
}

static void CK(ck_delimited_rows)(ck_delimited *rows) {
  ck_delimited local = *rows, *r = &local;  // a copy that stays in registers
  const uint8_t *t = r->text;
  const ck_int last = r->last;  // the wanted field farthest to the right
  ck_int at = r->begin, base = r->begin;
  CK(marks) m = CK(marks_at)(t + base, r->end - base, r->delimiter);
  r->problem = CK_ROW_NONE, r->quoted = 0, r->rows = 0;
  while (at < r->end && r->rows < r->capacity) {
    const ck_int row = at;
    uint32_t *starts = r->starts + r->rows * r->columns, *ends = r->ends + r->rows * r->columns;
    ck_int field = 0, start = at, stop = 0;
    int open = 1;  // the row goes on
    while (open) {
      uint64_t marks = m.delimiters | m.newlines | m.quotes;
      if (field > last && !(m.quotes & ((m.newlines & -m.newlines) - 1))) {
        // Nothing more is wanted: count the delimiters up to the newline.
        const uint64_t below = (m.newlines & -m.newlines) - 1;
        field += __builtin_popcountll(m.delimiters & below);
        m.delimiters &= ~below;
        if (m.newlines) {
          stop = base + __builtin_ctzll(m.newlines);
          m.newlines &= m.newlines - 1;
          open = 0;
          break;
        }
        marks = 0;
      }
      if (!marks) {
        base += 64;
        if (base >= r->end) break;
        m = CK(marks_at)(t + base, r->end - base, r->delimiter);
        continue;
      }
      const uint64_t bit = marks & -marks;
      stop = base + __builtin_ctzll(bit);
      if (m.quotes & bit) {
        m.quotes ^= bit;
        if (stop != start) continue;  // a quote inside a plain field is text
        at = CK(quoted_row)(r, row, &field);
        base = at, m = CK(marks_at)(t + base, r->end - base, r->delimiter);
        if (r->problem) goto malformed;
        goto counted;
      }
      if (field <= last && r->slots[field] >= 0) {
        starts[r->slots[field]] = (uint32_t)start;
        ends[r->slots[field]] = (uint32_t)stop;
      }
      if (m.newlines & bit) {
        m.newlines ^= bit, open = 0;
      } else {
        m.delimiters ^= bit;
        field++, start = stop + 1;
      }
    }
    if (open) {  // the last row of a text without a newline at its end
      stop = r->end;
      if (field <= last && field < r->fields && r->slots[field] >= 0) starts[r->slots[field]] = (uint32_t)start, ends[r->slots[field]] = (uint32_t)stop;
    }
    at = stop + !open;
    r->lines += !open;
    if (field == 0 && (stop == row || (stop == row + 1 && t[row] == '\r'))) continue;  // a blank line
    if (field == last && stop > start && t[stop - 1] == '\r') ends[r->slots[field]]--;
    field++;
  counted:
    if (field != r->fields) {
      r->problem = CK_ROW_FIELDS, r->found = field;
      goto malformed;
    }
    r->row_starts[r->rows++] = (uint32_t)row;
    continue;
  malformed:
    r->bad = row;
    break;
  }
  r->at = at;
  *rows = local;
}
#endif
