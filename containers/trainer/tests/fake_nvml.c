/* Stands for libnvidia-ml.so.1 in the tests: a p3dn.24xlarge with its eight V100s, as far as the trainer asks.
 *
 * GPU 2 is throttled by heat. GPU 3 does not tell its temperature (not supported). GPU 5 falls off the bus after
 * FAKE_NVML_LOST_AFTER questions for its power. GPU 7 does not count NVLink bytes. FAKE_NVML_DRIVER changes the driver.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, GPU_IS_LOST = 15 };
#define GPUS 8
#define LINKS 6

typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct {
    char bus_id_legacy[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
} PciInfo;
typedef struct {
    unsigned field_id, scope_id;
    long long timestamp, latency_us;
    unsigned value_type;
    int result;
    unsigned long long value;
} FieldValue;

/* Where the six NVLinks of each GPU lead: twice to one GPU is NV2. */
static const int PEERS[GPUS][LINKS] = {
    {1, 2, 3, 3, 4, 4}, {0, 2, 2, 3, 5, 5}, {0, 1, 1, 3, 3, 6}, {0, 0, 1, 2, 2, 7},
    {0, 0, 5, 6, 7, 7}, {1, 1, 4, 6, 6, 7}, {2, 4, 5, 5, 7, 7}, {3, 4, 4, 5, 6, 6},
};

/* A handle is the GPU's number and one, so that none is null. */
static int gpu_of(void *handle) { return (int)(long)handle - 1; }

int nvmlInitWithFlags(unsigned flags) { (void)flags; return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }

const char *nvmlErrorString(int result) {
    return result == NOT_SUPPORTED ? "Not Supported" : result == GPU_IS_LOST ? "GPU is lost" : "Unknown Error";
}

int nvmlSystemGetDriverVersion(char *text, unsigned size) {
    const char *wanted = getenv("FAKE_NVML_DRIVER");
    snprintf(text, size, "%s", wanted ? wanted : "535.183.01");
    return SUCCESS;
}

int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 12020; return SUCCESS; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = GPUS; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) { *handle = (void *)(long)(index + 1); return SUCCESS; }

int nvmlDeviceGetName(void *handle, char *text, unsigned size) {
    (void)handle;
    snprintf(text, size, "Tesla V100-SXM2-32GB");
    return SUCCESS;
}

int nvmlDeviceGetUUID(void *handle, char *text, unsigned size) {
    snprintf(text, size, "GPU-00000000-0000-0000-0000-00000000000%d", gpu_of(handle));
    return SUCCESS;
}

int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) {
    (void)handle;
    *major = 7, *minor = 0;
    return SUCCESS;
}

int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned *milliwatts) { (void)handle; *milliwatts = 300000; return SUCCESS; }

int nvmlDeviceGetMemoryInfo(void *handle, Memory *memory) {
    memory->total = 32ull << 30;
    memory->used = (unsigned long long)(gpu_of(handle) + 1) << 30;
    memory->free = memory->total - memory->used;
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *handle, Utilization *rates) {
    rates->gpu = 90 + gpu_of(handle), rates->memory = 50;
    return SUCCESS;
}

int nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts) {
    static int questions;
    const char *lost_after = getenv("FAKE_NVML_LOST_AFTER");
    if (gpu_of(handle) == 5 && lost_after && questions++ >= atoi(lost_after)) return GPU_IS_LOST;
    *milliwatts = 250000;
    return SUCCESS;
}

int nvmlDeviceGetTemperature(void *handle, unsigned sensor, unsigned *celsius) {
    (void)sensor;
    if (gpu_of(handle) == 3) return NOT_SUPPORTED;
    *celsius = gpu_of(handle) == 2 ? 92 : 60;
    return SUCCESS;
}

int nvmlDeviceGetClockInfo(void *handle, unsigned type, unsigned *mhz) {
    if (type != 1) return NOT_SUPPORTED;
    *mhz = gpu_of(handle) == 2 ? 600 : 1530;
    return SUCCESS;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(void *handle, unsigned long long *reasons) {
    /* 0x40: thermal slowdown; 0x1: idle, which is no throttling. */
    *reasons = gpu_of(handle) == 2 ? 0x40 : 0x1;
    return SUCCESS;
}

int nvmlDeviceGetPcieThroughput(void *handle, unsigned counter, unsigned *kib_per_second) {
    (void)handle;
    *kib_per_second = counter == 0 ? 1024 : 2048;
    return SUCCESS;
}

int nvmlDeviceGetFieldValues(void *handle, int count, FieldValue *values) {
    static unsigned long long kib[GPUS];
    int gpu = gpu_of(handle);
    kib[gpu] += 1 << 20;
    for (int i = 0; i < count; i++) {
        int is_offered = gpu != 7 && values[i].scope_id == 0xFFFFFFFFu;
        values[i].result = is_offered ? SUCCESS : NOT_SUPPORTED;
        values[i].value = values[i].field_id == 138 ? kib[gpu] : kib[gpu] / 2;
    }
    return SUCCESS;
}

static int pci_info(int gpu, PciInfo *info) {
    memset(info, 0, sizeof *info);
    snprintf(info->bus_id, sizeof info->bus_id, "00000000:%02X:00.0", 0x16 + gpu);
    return SUCCESS;
}

int nvmlDeviceGetPciInfo_v3(void *handle, PciInfo *info) { return pci_info(gpu_of(handle), info); }

int nvmlDeviceGetNvLinkState(void *handle, unsigned link, unsigned *is_active) {
    (void)handle;
    if (link >= LINKS) return NOT_SUPPORTED;
    *is_active = 1;
    return SUCCESS;
}

int nvmlDeviceGetNvLinkRemotePciInfo_v2(void *handle, unsigned link, PciInfo *info) {
    return pci_info(PEERS[gpu_of(handle)][link], info);
}

/* Two processors with four GPUs each: 40 is the same node, 50 the way between them. */
int nvmlDeviceGetTopologyCommonAncestor(void *one, void *other, unsigned *level) {
    *level = gpu_of(one) / 4 == gpu_of(other) / 4 ? 40 : 50;
    return SUCCESS;
}
