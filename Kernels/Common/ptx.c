// The device kernels as PTX, for NVIDIA's driver library: Kernels/PTX, which Tests/ptx.sh writes from the same texts.
#include <string.h>

#include "CKernels.h"
#include "../PTX/table.inc"

const char *ck_ptx(const char *module, const char *options) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (!strcmp(table[i].module, module) && !strcmp(table[i].options, options)) return table[i].text;
  return NULL;
}

const char *ck_ptx_tuning(void) { return tuning; }
