/* A stand-in for NVIDIA's driver (libcuda.so.1), for machines without a card: numba-cuda compiles, links, loads and
   launches through it as through the driver, but no kernel runs. Its memory is the host's, so copies are real. While a
   stream is captured it refuses what the driver refuses then. What happens is written to STAND_IN_LOG, a line each.

   Functions that it does not have do nothing and succeed. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef int Status;
typedef unsigned long long Address;
enum { SUCCESS = 0, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201, UNSUPPORTED_IN_CAPTURE = 900 };

static const size_t TOTAL = 8ull << 30;
static size_t taken = 512u << 20;
static int capturing = 0;
static long nodes = 0;
static __thread void *current = NULL;
static void *const CONTEXT = (void *)0x1000;

static void say(const char *format, ...) {
    static FILE *log = NULL;
    if (!log) {
        const char *path = getenv("STAND_IN_LOG");
        log = path ? fopen(path, "a") : stderr;
        setvbuf(log, NULL, _IOLBF, 0);
    }
    va_list arguments;
    va_start(arguments, format);
    vfprintf(log, format, arguments);
    va_end(arguments);
    fputc('\n', log);
}

static void *handle(void) {
    static intptr_t last = 0x5000;
    return (void *)(last += 16);
}

#define NOT_IN_CAPTURE                          \
    if (capturing) {                            \
        say("refused in a capture: %s", __func__); \
        return UNSUPPORTED_IN_CAPTURE;          \
    }

Status cuInit(unsigned flags) { return SUCCESS; }
Status cuDriverGetVersion(int *version) { *version = 13000; return SUCCESS; }
Status cuDeviceGetCount(int *count) { *count = 1; return SUCCESS; }
Status cuDeviceGet(int *device, int number) { *device = number; return SUCCESS; }
Status cuDeviceGetName(char *name, int size, int device) { snprintf(name, size, "A stand-in"); return SUCCESS; }
Status cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = TOTAL; return SUCCESS; }
Status cuDeviceGetUuid_v2(void *uuid, int device) { memset(uuid, 7, 16); return SUCCESS; }
Status cuDeviceGetPCIBusId(char *id, int size, int device) { snprintf(id, size, "0000:01:00.0"); return SUCCESS; }

Status cuDeviceGetAttribute(int *value, int attribute, int device) {
    switch (attribute) {
        case 1: case 2: case 3: *value = 1024; break;  /* threads of a block */
        case 4: *value = 64; break;
        case 5: *value = 2147483647; break;            /* blocks of a grid */
        case 6: case 7: *value = 65535; break;
        case 8: *value = 49152; break;                 /* shared memory of a block */
        case 10: *value = 32; break;                   /* threads of a warp */
        case 12: *value = 65536; break;                /* registers of a block */
        case 16: *value = 132; break;                  /* multiprocessors */
        case 75: *value = 9; break;                    /* compute capability 9.0 */
        case 76: *value = 0; break;
        default: *value = 1;
    }
    return SUCCESS;
}

Status cuDevicePrimaryCtxRetain(void **context, int device) { *context = CONTEXT; return SUCCESS; }
Status cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) { *flags = 0; *active = 1; return SUCCESS; }
Status cuCtxGetCurrent(void **context) { *context = current; return SUCCESS; }
Status cuCtxSetCurrent(void *context) { current = context; return SUCCESS; }
Status cuCtxPushCurrent_v2(void *context) { current = context; return SUCCESS; }
Status cuCtxPopCurrent_v2(void **context) { if (context) *context = current; current = NULL; return SUCCESS; }
Status cuCtxGetDevice(int *device) { *device = 0; return current ? SUCCESS : INVALID_CONTEXT; }
Status cuCtxGetId(void *context, unsigned long long *id) { *id = 1; return SUCCESS; }
Status cuCtxGetApiVersion(void *context, unsigned *version) { *version = 13000; return SUCCESS; }
Status cuCtxSynchronize(void) { NOT_IN_CAPTURE return SUCCESS; }

Status cuMemGetInfo_v2(size_t *free, size_t *total) { *total = TOTAL; *free = TOTAL - taken; return SUCCESS; }
Status cuMemAlloc_v2(Address *place, size_t size) {
    NOT_IN_CAPTURE
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return OUT_OF_MEMORY;
    taken += size;
    *place = (Address)memory;
    say("allocation of %zu bytes", size);
    return SUCCESS;
}
Status cuMemFree_v2(Address place) { NOT_IN_CAPTURE return SUCCESS; }
Status cuMemAllocHost_v2(void **place, size_t size) { NOT_IN_CAPTURE *place = malloc(size); return SUCCESS; }
Status cuPointerGetAttribute(void *value, int attribute, Address place) {
    if (attribute == 2) *(int *)value = 2;             /* memory of the device */
    else if (attribute == 3) *(Address *)value = place;
    else memset(value, 0, 4);
    return SUCCESS;
}

static Status copied(void *target, const void *source, size_t size, void *stream) {
    if (!current) return INVALID_CONTEXT;
    if (!stream) say("copy on the default stream");
    memcpy(target, source, size);
    return SUCCESS;
}
Status cuMemcpyHtoDAsync_v2(Address target, const void *source, size_t size, void *stream) {
    NOT_IN_CAPTURE
    return copied((void *)target, source, size, stream);
}
Status cuMemcpyDtoHAsync_v2(void *target, Address source, size_t size, void *stream) {
    NOT_IN_CAPTURE
    return copied(target, (void *)source, size, stream);
}
Status cuMemcpyDtoDAsync_v2(Address target, Address source, size_t size, void *stream) {
    nodes++;
    return copied((void *)target, (void *)source, size, stream);
}
Status cuMemcpyHtoD_v2(Address target, const void *source, size_t size) {
    NOT_IN_CAPTURE
    return memcpy((void *)target, source, size), SUCCESS;
}

Status cuStreamCreate(void **stream, unsigned flags) { *stream = handle(); return SUCCESS; }
Status cuStreamSynchronize(void *stream) { NOT_IN_CAPTURE return SUCCESS; }
Status cuStreamGetCtx(void *stream, void **context) { *context = CONTEXT; return SUCCESS; }
Status cuStreamBeginCapture_v2(void *stream, int mode) {
    NOT_IN_CAPTURE
    capturing = 1;
    nodes = 0;
    return SUCCESS;
}
Status cuStreamEndCapture(void *stream, void **graph) {
    capturing = 0;
    *graph = handle();
    say("captured %ld", nodes);
    return SUCCESS;
}
Status cuStreamIsCapturing(void *stream, int *status) { *status = capturing; return SUCCESS; }
Status cuEventCreate(void **event, unsigned flags) { *event = handle(); return SUCCESS; }
Status cuEventRecord(void *event, void *stream) { return SUCCESS; }
Status cuEventSynchronize(void *event) { NOT_IN_CAPTURE return SUCCESS; }
Status cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long flags) {
    *executable = handle();
    return SUCCESS;
}
Status cuGraphDestroy(void *graph) { return SUCCESS; }
Status cuGraphExecDestroy(void *executable) { return SUCCESS; }
Status cuGraphLaunch(void *executable, void *stream) { NOT_IN_CAPTURE say("replayed"); return SUCCESS; }

Status cuLibraryLoadData(void **library, const void *code, void *a, void *b, unsigned c, void *d, void *e, unsigned f) {
    NOT_IN_CAPTURE
    say("loaded %s", memcmp(code, "\177ELF", 4) ? "what is no machine code" : "machine code");
    *library = handle();
    return SUCCESS;
}
Status cuLibraryGetKernel(void **kernel, void *library, const char *name) { *kernel = strdup(name); return SUCCESS; }
Status cuKernelGetFunction(void **function, void *kernel) { *function = kernel; return SUCCESS; }
Status cuKernelGetAttribute(int *value, int attribute, void *kernel, int device) { *value = 1024; return SUCCESS; }
Status cuFuncGetAttribute(int *value, int attribute, void *function) { *value = 1024; return SUCCESS; }

typedef struct { unsigned grid[3], block[3], shared; void *stream, *attributes; unsigned count; } Configuration;

static Status launched(const unsigned *grid, const unsigned *block, void *stream) {
    nodes++;
    say("launched %u blocks of %u threads%s", grid[0], block[0], stream ? "" : " on the default stream");
    return grid[0] * block[0] && block[0] <= 1024 ? SUCCESS : 1;
}
Status cuLaunchKernelEx(const Configuration *how, void *kernel, void **arguments, void **extra) {
    return launched(how->grid, how->block, how->stream);
}
Status cuLaunchKernel(
    void *kernel, unsigned x, unsigned y, unsigned z, unsigned i, unsigned j, unsigned k, unsigned shared, void *stream,
    void **arguments, void **extra
) {
    const unsigned grid[3] = {x, y, z}, block[3] = {i, j, k};
    return launched(grid, block, stream);
}

Status cuGetErrorString(int status, const char **text) { *text = "refused by the stand-in"; return SUCCESS; }
Status cuGetErrorName(int status, const char **text) { *text = "STAND_IN_ERROR"; return SUCCESS; }

static Status nothing(void) { return SUCCESS; }

Status cuGetProcAddress_v2(const char *name, void **function, int version, unsigned long long flags, int *found) {
    static const char *const endings[] = {"_v3", "_v2", ""};
    void *self = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    *function = NULL;
    for (int k = 0; k < 3 && !*function; k++) {
        char full[200];
        snprintf(full, sizeof full, "%s%s", name, endings[k]);
        *function = dlsym(self, full);
    }
    if (!*function) *function = (void *)nothing;
    if (found) *found = 0;
    return SUCCESS;
}
Status cuGetProcAddress(const char *name, void **function, int version, unsigned long long flags) {
    return cuGetProcAddress_v2(name, function, version, flags, NULL);
}
