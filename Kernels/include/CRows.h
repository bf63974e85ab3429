// Contract of the kernels that read logs, a part of CKernels.h, which defines ck_int and includes this.
#ifndef CROWS_H
#define CROWS_H

// --- Rows: event logs; text in, sorted events out -------------------------------------------------------------------------
// Byte ranges of wanted fields. The text is text[begin:end); 64 bytes behind it may be read.
enum { CK_ROW_NONE, CK_ROW_FIELDS, CK_ROW_QUOTES, CK_ROW_OPEN };
typedef struct {
  uint8_t *text;
  ck_int begin, end;
  ck_int spare;                            // values with doubled quotes are written, made single, to text[spare...), which moves on
  ck_int fields, columns, last, capacity;  // fields of a row; wanted columns; the rightmost wanted field; rows of the table
  const int32_t *slots;                    // [fields], column of a field or -1
  uint32_t *starts, *ends;                 // [capacity, columns]
  uint32_t *row_starts;                    // [capacity]
  uint8_t delimiter;
  ck_int rows, at;     // rows found, and where the next one begins
  ck_int lines;        // raised by the newlines passed
  ck_int bad, found;   // where the malformed row begins that ended the call, and the fields it has
  int problem, quoted; // what is wrong with it; whether a quoted field was met
} ck_delimited;
// Cuts rows until the text or the table ends or a row is malformed; blank lines are skipped, a carriage return at a line's end is not
// part of the field.
void ck_delimited_rows(ck_delimited *rows);
// codes[r] = the digit string as nibbles of digit + 1 from the highest down: ordered as the bytes are. 0 for anything but 1 to 16
// digits; returns how many of those. 16 bytes behind a field may be read.
ck_int ck_digit_codes(uint64_t *codes, const uint8_t *text, const uint32_t *starts, const uint32_t *ends, ck_int stride, ck_int rows);
// times[r] = scale times a whole number of 9 to 14 digits in least...largest; -1 for anything else; returns how many of those. 16
// bytes behind a field may be read.
ck_int ck_epochs(int64_t *times, const uint8_t *text, const uint32_t *starts, const uint32_t *ends, ck_int stride, ck_int rows,
                 int64_t least, int64_t largest, int64_t scale);
// values[r] = a decimal number of at most 18 digits, with sign and fraction; NaN of an empty field; the NaN with the bits
// CK_NOT_DECIMAL for anything else; returns how many of those.
enum { CK_NOT_DECIMAL = 0x7fc00001 };
ck_int ck_decimals(float *values, const uint8_t *text, const uint32_t *starts, const uint32_t *ends, ck_int stride, ck_int rows);
// The number that a code of at most 8 digits is, without a zero in front; CK_NO_PLACE for any other code.
enum { CK_NO_PLACE = 1 << 30 };
ck_int ck_code_place(uint64_t code);
// indices[r] = value of codes[r], -1 where it has none; returns how many of those. Codes whose place is below `places` have it at
// dense[place], all others in the hash table (keys of 0 are empty, mask + 1 slots). places <= CK_NO_PLACE.
ck_int ck_code_indices(int32_t *indices, const uint64_t *codes, ck_int rows, const uint64_t *keys, const int32_t *values, ck_int mask,
                       const int32_t *dense, ck_int places);
// Adds a code that the table does not have; a slot must be free.
void ck_code_insert(uint64_t *keys, int32_t *values, ck_int mask, uint64_t code, int32_t value);

// A key is (code - first_code) >> code_shift << time_bits | time since first_time, in milliseconds or whole seconds; its partition is key >> shift.
typedef struct {
  uint64_t first_code;
  int64_t first_time;
  int code_shift, time_bits, whole_seconds, shift;
} ck_event_key;
typedef struct {
  uint64_t least_code, largest_code, code_bits;  // code_bits: those set in any code
  int64_t first_time, last_time;
  int sub_seconds;  // whether a time is not a whole second
} ck_event_span;
void ck_event_range(ck_event_span *span, const uint64_t *codes, const int64_t *times, ck_int rows);  // widens span
void ck_event_count(uint32_t *counts, const uint64_t *codes, const int64_t *times, ck_int rows, const ck_event_key *key);
// keys[place], payload[place, width] = row r, at the place of its partition, which moves on; words[w][r] are its payload.
void ck_event_deal(uint32_t *places, uint64_t *keys, uint32_t *payload, const uint64_t *codes, const int64_t *times,
                   const uint32_t *const *words, ck_int width, ck_int rows, const ck_event_key *key);
// Finds the rows of [begin, end) at which a user begins (the key's code differs from the row before; row 0 does): writes them to starts,
// where it is given, and returns how many there are.
ck_int ck_event_users(uint32_t *starts, const uint64_t *keys, ck_int begin, ck_int end, const ck_event_key *key);
void ck_event_times(int64_t *times, const uint64_t *keys, ck_int begin, ck_int end, const ck_event_key *key);
// Sorts keys[n] with payload[n, width], stable; the lowest time_bits of a key are the time, those above it the user.
// scratch_keys[n]; scratch_payload[n, width]; scratch_index[2 n], not used where width is 1.
void ck_event_sort(uint64_t *keys, uint32_t *payload, ck_int width, ck_int n, uint64_t *scratch_keys, uint32_t *scratch_payload,
                   uint32_t *scratch_index, int time_bits);

// --- JSON lines: one object a line; text in, byte ranges of the wanted top-level values out -------------------------------------------
enum { CK_JSON_DEPTH = 16, CK_JSON_KEYS = 4096 };
typedef struct {
  uint32_t start, end;       // as it is written, without its quotes
  uint32_t name, name_end;   // without escapes
  uint32_t hash;             // of the name
  int32_t column;            // wanted column or -1
} ck_json_key;
typedef struct {
  uint8_t *text;
  ck_int begin, end;          // the text; 64 bytes behind it may be read, and text[end] is written for the call where it ends inside a line
  ck_int spare;               // strings with escapes are written, unescaped, to text[spare...), which moves on: never more than end - begin
  ck_int columns, capacity;   // wanted keys; rows of the table
  const uint8_t *names;       // the wanted keys, one behind the other
  const uint32_t *name_ends;  // [columns]
  uint32_t *starts, *ends;    // [capacity, columns]; an absent value, null, an object or an array of containers is 0, 0
  uint32_t *row_starts;       // [capacity]
  ck_json_key *shape, *keys;  // [CK_JSON_KEYS] each, which change places; shape is the keys of a line before
  uint16_t *taken;            // [CK_JSON_KEYS], scratch
  ck_int shape_count;         // 0 where the text is new
  ck_int rows, lines, at;     // rows found, newlines passed, and where the next line begins
  ck_int bad;                 // where the malformed line begins that ended the call, or -1
} ck_json_lines;
// Cuts lines until the text or the table ends or a line is malformed; blank lines are skipped. A line is malformed that is not one object
// by RFC 8259, has a top-level key twice, half a surrogate pair, more than CK_JSON_KEYS keys or is deeper than CK_JSON_DEPTH.
void ck_json_rows(ck_json_lines *rows);

#endif
