// What stands before every device kernel: the shared OpenCL text.
#include "CKernels.h"

const char *ck_opencl_prelude(void) {
  static const char text[] = {
#embed "opencl.h"
      , 0};
  return text;
}
