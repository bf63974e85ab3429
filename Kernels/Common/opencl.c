// What stands before every device kernel: the shared OpenCL text, and before those for tensor cores.
#include "CKernels.h"

const char *ck_opencl_prelude(void) {
  static const char text[] = {
#embed "opencl.h"
      , 0};
  return text;
}

const char *ck_opencl_warp(void) {
  static const char text[] = {
#embed "warp.h"
      , 0};
  return text;
}

const char *ck_opencl_warpgroup(void) {
  static const char text[] = {
#embed "warpgroup.h"
      , 0};
  return text;
}
