// OpenCL 1.2, what every device of ours speaks.
#ifndef AUGUR_OPENCL_SHIM_H
#define AUGUR_OPENCL_SHIM_H
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>
#endif
