// A stand-in for NVIDIA's libcuda.so.1 on machines without a GPU: the calls that Augur's loader makes, with the rules that the real library
// has, on PoCL. PTX is not executed: its first line names the .cl text and the options it was made from, and that text runs instead; sizes of
// work-groups and of parameters are checked against the PTX. Nothing on a stream happens before somebody waits for it, as late as the real
// library may be; and of two streams now one, now the other goes ahead as far as events let it.
//
// FAKE_DRIVER_TEXTS=DIR holds the texts (Tests/ptx.sh sources DIR). FAKE_DRIVER_CAPABILITY=90 makes it a Hopper GPU: texts for tensor cores run
// emulated then. FAKE_DRIVER_FAULT makes one thing fail: init, old-driver, capability, wrong-numbers, memory=BYTES (an allocation above it is
// refused), launch=N (the N-th launch fails, and all calls after it). FAKE_DRIVER_IDLE=N: launches after the N-th do nothing, which leaves the
// time that the host takes. FAKE_DRIVER_TRACE=FILE takes the name of every kernel launched.
#define CL_TARGET_OPENCL_VERSION 200
#include <CL/cl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  ok, invalid_value, out_of_memory, no_device = 100, invalid_ptx = 218, old_driver = 222, not_found = 500, not_ready = 600, illegal_address = 700,
  launch_failed = 719, invalid_context = 201
};
enum { MOST_PARAMETERS = 160 };
typedef struct { char text[1 << 13]; } line;
struct parameter { int bytes, is_pointer; };
struct function {
  cl_kernel kernel;
  size_t local[3];
  int count;
  struct parameter parameters[MOST_PARAMETERS];
  char name[128];
};
struct module { cl_program program; char *ptx; };
struct stream;
struct event { struct stream *on; long after; };
struct work {
  enum { run, upload, copy, await } kind;
  struct event event;
  struct function *function;
  size_t groups[3];
  uint64_t values[MOST_PARAMETERS];
  char *to;
  const char *from;
  size_t bytes;
};
static struct allocation { char *at; size_t bytes; } *allocations;
static size_t allocation_count;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static cl_device_id device;
static cl_context context;
static cl_command_queue queue;
static struct stream { struct work *waiting; long count, room, done; } streams[256];
static int stream_count;
static long launches, drains;
static int lost;
static _Thread_local int has_context;

static const char *fault(const char *name) {
  const char *set = getenv("FAKE_DRIVER_FAULT");
  const size_t length = strlen(name);
  return set && !strncmp(set, name, length) ? set + length + (set[length] == '=') : NULL;
}
#define CALL(...) \
  { \
    pthread_mutex_lock(&lock); \
    int code = lost ? lost : ok; \
    if (!code) __VA_ARGS__; \
    pthread_mutex_unlock(&lock); \
    return code; \
  }
#define ON_CONTEXT(...) CALL({ if (!has_context) code = invalid_context; else __VA_ARGS__; })

// --- the stream ---

static int runs(struct work *w) {
  struct function *f = w->function;
  size_t global[3];
  for (int i = 0; i < 3; i++) global[i] = w->groups[i] * f->local[i];
  for (int i = 0; i < f->count; i++)
    if (f->parameters[i].is_pointer ? clSetKernelArgSVMPointer(f->kernel, i, (void *)w->values[i])
                                    : clSetKernelArg(f->kernel, i, f->parameters[i].bytes, &w->values[i]))
      return illegal_address;
  if (fault("wrong-numbers")) return ok;
  return clEnqueueNDRangeKernel(queue, f->kernel, 3, NULL, global, f->local, 0, NULL, NULL) ? launch_failed : ok;
}

static struct stream *known(void *stream) {
  return (struct stream *)stream >= streams && (struct stream *)stream < streams + stream_count ? stream : NULL;
}

// Does what stream s was told before its `until`-th work, and of other streams what events ask for.
static int drain_until(struct stream *s, long until) {
  long i = 0;
  for (; s->done < until && !lost; i++, s->done++) {
    struct work *w = s->waiting + i;
    if (w->kind == await) drain_until(w->event.on, w->event.after);
    if (w->kind == run) lost = runs(w);
    if (w->kind == upload || w->kind == copy) {
      clFinish(queue);
      memmove(w->to, w->from, w->bytes);
    }
  }
  s->count -= i;
  memmove(s->waiting, s->waiting + i, s->count * sizeof *s->waiting);
  return lost;
}
static int drain(struct stream *s) {
  if (++drains % 2)
    for (int i = 0; i < stream_count; i++)
      if (streams + i != s) drain_until(streams + i, streams[i].done + streams[i].count);
  drain_until(s, s->done + s->count);
  clFinish(queue);
  return lost;
}
static int drain_all(void) {
  for (int i = 0; i < stream_count; i++) drain(streams + i);
  return lost;
}

static int put(struct stream *s, struct work w) {
  if (s->count == 4096) drain(s);
  if (s->count == s->room) s->waiting = realloc(s->waiting, (s->room = 2 * s->room + 64) * sizeof *s->waiting);
  s->waiting[s->count++] = w;
  return lost;
}

// --- set-up ---

int cuInit(unsigned flags) {
  if (flags) return invalid_value;
  if (fault("init")) return no_device;
  cl_platform_id platforms[8];
  cl_uint count = 0;
  clGetPlatformIDs(8, platforms, &count);
  for (cl_uint i = 0; i < count && !device; i++) clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_CPU, 1, &device, NULL);
  if (!device) return no_device;
  if (!context) context = clCreateContext(NULL, 1, &device, NULL, NULL, NULL);
  if (!queue) queue = clCreateCommandQueueWithProperties(context, device, NULL, NULL);
  return ok;
}
int cuDriverGetVersion(int *version) { return *version = 12040, ok; }
int cuGetErrorName(int code, const char **name) {
  *name = code == no_device         ? "CUDA_ERROR_NO_DEVICE"
          : code == out_of_memory   ? "CUDA_ERROR_OUT_OF_MEMORY"
          : code == launch_failed   ? "CUDA_ERROR_LAUNCH_FAILED"
          : code == illegal_address ? "CUDA_ERROR_ILLEGAL_ADDRESS"
          : code == invalid_context ? "CUDA_ERROR_INVALID_CONTEXT"
          : code == old_driver      ? "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"
          : code == not_found       ? "CUDA_ERROR_NOT_FOUND"
                                    : "CUDA_ERROR_INVALID_VALUE";
  return ok;
}
int cuDeviceGetCount(int *count) { return *count = 1, ok; }
int cuDeviceGet(int *to, int ordinal) { return *to = ordinal, ordinal ? invalid_value : ok; }
int cuDeviceGetName(char *name, int room, int of) { return snprintf(name, room, "Fake GPU"), of ? invalid_value : ok; }
int cuDeviceTotalMem_v2(size_t *bytes, int of) { return *bytes = (size_t)4 << 30, of ? invalid_value : ok; }
int cuDeviceGetAttribute(int *value, int what, int of) {
  const char *capability = getenv("FAKE_DRIVER_CAPABILITY");
  const int is = fault("capability") ? 70 : capability ? atoi(capability) : 80;
  *value = what == 75 ? is / 10 : what == 76 ? is % 10 : 4;
  return of || (what != 75 && what != 76 && what != 16) ? invalid_value : ok;
}
int cuDevicePrimaryCtxRetain(void **to, int of) { return *to = &lock, of ? invalid_value : ok; }
int cuCtxSetCurrent(void *to) { return has_context = to == &lock, to && !has_context ? invalid_context : ok; }
int cuStreamCreate(void **to, unsigned flags) ON_CONTEXT({
  code = flags > 1 || stream_count == sizeof streams / sizeof *streams ? invalid_value : ok;
  *to = code ? NULL : streams + stream_count++;
})
int cuStreamSynchronize(void *stream) ON_CONTEXT({ code = known(stream) ? drain(stream) : invalid_value; })

// --- memory ---

static int holds(uint64_t pointer) {
  for (size_t i = 0; i < allocation_count; i++)
    if (pointer >= (uint64_t)allocations[i].at && pointer < (uint64_t)allocations[i].at + allocations[i].bytes) return 1;
  return 0;
}
int cuMemGetInfo_v2(size_t *left, size_t *total) ON_CONTEXT({ *left = *total = (size_t)4 << 30; })
int cuMemAlloc_v2(uint64_t *to, size_t bytes) ON_CONTEXT({
  const char *most = fault("memory");
  char *at = bytes && !(most && bytes > strtoull(most, NULL, 10)) ? clSVMAlloc(context, CL_MEM_READ_WRITE, bytes, 0) : NULL;
  if (at) {
    memset(at, 0xff, bytes);
    allocations = realloc(allocations, (allocation_count + 1) * sizeof *allocations);
    allocations[allocation_count++] = (struct allocation){at, bytes};
  }
  *to = (uint64_t)at;
  code = at ? ok : out_of_memory;
})
static int forget(uint64_t pointer) {
  drain_all();
  for (size_t i = 0; i < allocation_count; i++)
    if ((uint64_t)allocations[i].at == pointer) {
      clSVMFree(context, allocations[i].at);
      allocations[i] = allocations[--allocation_count];
      return ok;
    }
  return invalid_value;
}
int cuMemFree_v2(uint64_t pointer) ON_CONTEXT({ code = forget(pointer); })
int cuMemFreeHost(void *pointer) ON_CONTEXT({ code = forget((uint64_t)pointer); })
// Flags 2: kernels reach it at the same address.
int cuMemHostAlloc(void **to, size_t bytes, unsigned flags) ON_CONTEXT({
  *to = flags ? clSVMAlloc(context, CL_MEM_READ_WRITE, bytes, 0) : malloc(bytes);
  code = !*to ? out_of_memory : flags & ~2u ? invalid_value : ok;
  if (flags && *to) {
    allocations = realloc(allocations, (allocation_count + 1) * sizeof *allocations);
    allocations[allocation_count++] = (struct allocation){*to, bytes};
  }
})
int cuMemHostGetDevicePointer_v2(uint64_t *to, void *host, unsigned flags) ON_CONTEXT({
  *to = (uint64_t)host;
  code = flags || !holds(*to) ? invalid_value : ok;
})
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) ON_CONTEXT({
  code = !holds(to) || !known(stream) ? invalid_value : put(stream, (struct work){.kind = upload, .to = (char *)to, .from = from, .bytes = bytes});
})
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) ON_CONTEXT({
  code = !holds(from) || !known(stream) ? invalid_value : put(stream, (struct work){.kind = copy, .to = to, .from = (char *)from, .bytes = bytes});
})
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream) ON_CONTEXT({
  code = !holds(to) || !holds(from) || !known(stream)
             ? invalid_value
             : put(stream, (struct work){.kind = copy, .to = (char *)to, .from = (char *)from, .bytes = bytes});
})

// --- events ---

int cuEventCreate(void **to, unsigned flags) ON_CONTEXT({ *to = calloc(1, sizeof(struct event)); code = flags > 3 ? invalid_value : ok; })
int cuEventRecord(void *event, void *stream) ON_CONTEXT({
  code = known(stream) ? ok : invalid_value;
  if (!code) *(struct event *)event = (struct event){stream, known(stream)->done + known(stream)->count};
})
int cuEventQuery(void *event) ON_CONTEXT({ code = ((struct event *)event)->after <= ((struct event *)event)->on->done ? ok : not_ready; })
int cuEventSynchronize(void *event) ON_CONTEXT({
  struct event *e = event;
  code = drain_until(e->on, e->after);
  clFinish(queue);
})
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) ON_CONTEXT({
  code = !known(stream) || flags ? invalid_value : put(stream, (struct work){.kind = await, .event = *(struct event *)event});
})
int cuEventDestroy_v2(void *event) ON_CONTEXT({ free(event); })

// --- kernels ---

static char *file(const char *folder, const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "rb");
  if (!f) return NULL;
  char *text = calloc(1, 1 << 20);
  if (fread(text, 1, (1 << 20) - 1, f) == 0) text[0] = 0;
  fclose(f);
  return text;
}

int cuModuleLoadDataEx(void **to, const void *data, unsigned count, int *options, void **values) ON_CONTEXT({
  const char *ptx = data;
  char name[128];
  line o = {{0}};
  char *text = NULL;
  if (fault("old-driver")) {
    code = old_driver;
  } else if (count != 2 || options[0] != 5 || options[1] != 6 || sscanf(ptx, "// %127s%8000[^\n]", name, o.text) < 2 ||
             !(text = file(getenv("FAKE_DRIVER_TEXTS") ? getenv("FAKE_DRIVER_TEXTS") : ".", name))) {
    if (count == 2) snprintf(values[0], (size_t)values[1], "no text for this PTX in FAKE_DRIVER_TEXTS\n");
    code = invalid_ptx;
  } else {
    struct module *made = calloc(1, sizeof *made);
    made->ptx = strdup(ptx);
    made->program = clCreateProgramWithSource(context, 1, (const char **)&text, NULL, NULL);
    char *assembly = strstr(o.text, "-D NV_SM=90");
    if (assembly) memcpy(assembly, "-D WARP_EMU", 11), memmove(assembly + 18, assembly + 11, strlen(assembly + 11) + 1), memcpy(assembly + 11, "LATION ", 7);
    strcat(o.text, " -cl-std=CL1.2 -cl-kernel-arg-info");
    if (clBuildProgram(made->program, 1, &device, o.text, NULL, NULL)) {
      clGetProgramBuildInfo(made->program, device, CL_PROGRAM_BUILD_LOG, (size_t)values[1], values[0], NULL);
      code = invalid_ptx;
    }
    *to = made;
    free(text);
  }
})

// Parameters and work-group of an entry, as its PTX states them.
static int describe(struct function *f, const char *ptx, const char *name) {
  char head[256];
  snprintf(head, sizeof head, ".entry %s(", name);
  const char *at = strstr(ptx, head), *body = at ? strstr(at, "\n{") : NULL, *size = at ? strstr(at, ".reqntid ") : NULL;
  if (!body || !size || size > body || sscanf(size, ".reqntid %zu, %zu, %zu", f->local, f->local + 1, f->local + 2) != 3) return not_found;
  while ((at = strstr(at, ".param .")) && at < body) {
    if (f->count == MOST_PARAMETERS) return invalid_ptx;
    at += strlen(".param .");
    f->parameters[f->count++].bytes = atoi(at + 1) / 8;
  }
  cl_uint count = 0;
  clGetKernelInfo(f->kernel, CL_KERNEL_NUM_ARGS, sizeof count, &count, NULL);
  if ((int)count != f->count) return invalid_ptx;
  for (int i = 0; i < f->count; i++) {
    cl_kernel_arg_address_qualifier space = 0;
    clGetKernelArgInfo(f->kernel, i, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof space, &space, NULL);
    f->parameters[i].is_pointer = space == CL_KERNEL_ARG_ADDRESS_GLOBAL || space == CL_KERNEL_ARG_ADDRESS_CONSTANT;
  }
  return ok;
}

int cuModuleGetFunction(void **to, void *module, const char *name) ON_CONTEXT({
  struct module *m = module;
  struct function *f = calloc(1, sizeof *f);
  snprintf(f->name, sizeof f->name, "%s", name);
  f->kernel = clCreateKernel(m->program, name, NULL);
  code = f->kernel ? describe(f, m->ptx, name) : not_found;
  *to = f;
})

int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void *stream,
                   void **parameters, void **extra) ON_CONTEXT({
  struct function *f = function;
  static long idle_from = -1;
  if (idle_from < 0) idle_from = getenv("FAKE_DRIVER_IDLE") ? atol(getenv("FAKE_DRIVER_IDLE")) : LONG_MAX;
  if (++launches > idle_from) return pthread_mutex_unlock(&lock), ok;
  struct work w = {.kind = run, .function = f, .groups = {gx, gy, gz}};
  const char *last = fault("launch");
  if (last && launches == atol(last)) code = lost = launch_failed;
  if (!gx || !gy || !gz || gx > 0x7fffffffu || gy > 65535 || gz > 65535 || bx != f->local[0] || by != f->local[1] || bz != f->local[2] || shared ||
      !known(stream) || extra)
    code = invalid_value;
  for (int i = 0; i < f->count && !code; i++) {
    memcpy(&w.values[i], parameters[i], f->parameters[i].bytes);
    if (f->parameters[i].is_pointer && w.values[i] && !holds(w.values[i])) code = illegal_address;
  }
  static FILE *trace;
  if (getenv("FAKE_DRIVER_TRACE") && (trace || (trace = fopen(getenv("FAKE_DRIVER_TRACE"), "a")))) fprintf(trace, "%s\n", f->name);
  if (!code) code = put(stream, w);
})
