// Rows of delimited text (RFC 4180 quotes) as byte ranges of the wanted fields. Delimiters, newlines and quotes are found 64 bytes at a
// time as bit masks (after Langdale and Lemire 2019, "Parsing gigabytes of JSON per second"); quotes leave the masks for a plain loop.
// Text without quotes, malformed rows and blank lines is cut by the places of its marks alone, which repeat with every row.
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

enum { CK(strip) = 4096 };

// Writes the places of the set bits, counted from `base`; 64 places may be written. Returns where the next one goes.
CK_INLINE uint32_t *CK(put_places)(uint32_t *to, uint64_t bits, uint32_t base) {
#if CK_LANES == 16
  const __m512i ones = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (uint32_t part = 0; part < 64; part += 16) {
    const __mmask16 mask = (__mmask16)(bits >> part);
    _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(mask, _mm512_add_epi32(ones, _mm512_set1_epi32((int)(base + part)))));
    to += __builtin_popcount(mask);
  }
#else
  for (; bits; bits &= bits - 1) *to++ = base + (uint32_t)__builtin_ctzll(bits);
#endif
  return to;
}

// Cuts the whole rows of the next strip of text; returns where they end, or -1 where they are not all plain.
static ck_int CK(plain_rows)(ck_delimited *r, ck_int at) {
  uint32_t places[1 + CK(strip) + 64], *const marks = places + 1, *end = marks;
  const ck_int stop = r->end - at < CK(strip) ? r->end : at + CK(strip), columns = r->columns;
  const uint8_t *t = r->text;
  uint64_t newlines = 0, quotes = 0;
  places[0] = (uint32_t)at - 1;
  for (ck_int base = at; base < stop; base += 64) {
    const CK(marks) m = CK(marks_at)(t + base, stop - base, r->delimiter);
    newlines += (uint64_t)__builtin_popcountll(m.newlines);
    quotes |= m.quotes;
    end = CK(put_places)(end, m.delimiters | m.newlines, (uint32_t)base);
  }
  // Every fields-th mark is a newline, and there are no others: so each row has its fields.
  const ck_int step = r->fields;
  ck_int rows = (ck_int)newlines, found = 0;
  if (quotes || rows == 0 || end - marks < rows * step) return -1;
  for (ck_int row = 0; row < rows; row++) found += t[marks[row * step + step - 1]] == '\n';
  if (found != rows) return -1;
  if (rows > r->capacity - r->rows) rows = r->capacity - r->rows;
  uint32_t *starts = r->starts + r->rows * columns, *ends = r->ends + r->rows * columns;
  for (ck_int field = 0; field <= r->last; field++) {
    const ck_int slot = r->slots[field];
    if (slot < 0) continue;
    const uint32_t *mark = marks + field;
    for (ck_int row = 0; row < rows; row++, mark += step) {
      starts[row * columns + slot] = mark[-1] + 1;
      ends[row * columns + slot] = mark[0];
    }
  }
  if (r->last == step - 1) {
    starts += r->slots[r->last], ends += r->slots[r->last];
    for (ck_int row = 0; row < rows; row++) {
      const uint32_t stop = ends[row * columns];
      ends[row * columns] = stop - (stop > starts[row * columns] && t[stop - 1] == '\r');
    }
  }
  for (ck_int row = 0; row < rows; row++) r->row_starts[r->rows + row] = marks[row * step - 1] + 1;
  r->rows += rows, r->lines += rows;
  return rows ? marks[rows * step - 1] + 1 : at;
}

static void CK(ck_delimited_rows)(ck_delimited *rows) {
  ck_delimited local = *rows, *r = &local;  // a copy that stays in registers
  const uint8_t *t = r->text;
  const ck_int last = r->last;  // the wanted field farthest to the right
  ck_int at = r->begin;
  r->problem = CK_ROW_NONE, r->quoted = 0, r->rows = 0;
  // Of one field, a blank line would be a row.
  for (ck_int next = r->fields > 1 ? at : -1; next >= 0 && next < r->end && r->rows < r->capacity;) {
    next = CK(plain_rows)(r, at);
    if (next >= 0) at = next;
  }
  ck_int base = at;
  CK(marks) m = CK(marks_at)(t + base, r->end - base, r->delimiter);
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
