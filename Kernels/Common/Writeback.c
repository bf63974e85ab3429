// What Swift cannot call of Linux.
#define _GNU_SOURCE
#include "CKernels.h"

#include <fcntl.h>

void ck_start_writeback(int descriptor, ck_int first, ck_int bytes) {
#if defined(__linux__)
  (void)sync_file_range(descriptor, first, bytes, SYNC_FILE_RANGE_WRITE);
#else
  (void)descriptor, (void)first, (void)bytes;
#endif
}
