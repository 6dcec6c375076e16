/* SPDX-License-Identifier: MIT */
/*
 * moe_emulated.c - the emulated GPU: fibres for threads, and a driver that can fail.
 *
 * A launch runs its blocks one after the other. A block's fibres run until each waits at a barrier,
 * in a matrix product, or has ended; then `release` lets those go on that have what they wait for:
 * the 32 lanes of a warp that all stand in a product (which is computed from their fragments, by
 * the layout of the PTX manual), or all threads of the block that have not ended, at a barrier. If
 * nobody can go on, the launch has failed.
 *
 * Invariant: `machine` is null or the one emulated GPU; while a block runs, `here` is the fibre
 * that has the processor. Memory: the caller's block: this struct, stacks, device memory.
 * Threads: one at a time.
 */
#define _GNU_SOURCE 1 /* for ucontext, also in strict C11 */

#include "swarm_moe_emulated.h"

#include <string.h>
#include <ucontext.h>

#include "moe_math.h"
#include "moe_work.h"

#define STACK_BYTES 65536u
#define MEMORY_DEFAULT (UINT64_C(64) << 20)
#define CODE_INVALID 1
#define CODE_MEMORY 2
#define CODE_NO_DEVICE 100
#define CODE_NO_IMAGE 209
#define CODE_NOT_FOUND 500
#define CODE_NOT_READY 600
#define CODE_ILLEGAL_ADDRESS 700
#define CODE_LAUNCH_FAILED 719
#define DEVICE inline

enum fibre_state { FIBRE_READY, FIBRE_BARRIER, FIBRE_PRODUCT, FIBRE_ENDED };

struct lane {
    uint32_t thread;
};

struct fibre {
    ucontext_t context;
    struct lane lane;
    enum fibre_state state;
    const uint32_t *a, *b; /* operands of the product that it stands in */
    float *c;
};

typedef void kernel(const struct lane *lane, const struct work *work);

struct machine {
    swarm_moe_driver driver;
    swarm_moe_emulated_spec spec;
    swarm_moe_emulated_stats stats;
    unsigned char *memory;
    unsigned char *stacks;
    uint64_t used;
    uint64_t draws;
    int32_t lost; /* the code that every call returns now, or 0 */
    uint32_t polls;
    uint32_t block[3];
    kernel *kernel;
    const struct work *work;
    ucontext_t caller;
    struct fibre fibres[THREADS];
    struct fibre *here;
    float shared[SHARED_BYTES / 4];
};

static struct machine *machine;

/* ---- what a lane asks for */

static uint32_t thread_of(const struct lane *lane) {
    return lane->thread;
}

static uint32_t block_x(const struct lane *lane) {
    (void)lane;
    return machine->block[0];
}

static uint32_t block_y(const struct lane *lane) {
    (void)lane;
    return machine->block[1];
}

static uint32_t block_z(const struct lane *lane) {
    (void)lane;
    return machine->block[2];
}

static float *shared_of(const struct lane *lane) {
    (void)lane;
    return machine->shared;
}

static float exponential_of(float x) {
    return (float)exponential((double)x);
}

static float root_of(float x) {
    return (float)square_root((double)x);
}

/* Gives the processor back until the state is READY again. */
static void wait_in(enum fibre_state state) {
    struct fibre *fibre = machine->here;

    fibre->state = state;
    swapcontext(&fibre->context, &machine->caller);
}

static void barrier(const struct lane *lane) {
    (void)lane;
    wait_in(FIBRE_BARRIER);
}

static void mma(const struct lane *lane, const uint32_t a[4], const uint32_t b[2], float c[4]) {
    (void)lane;
    machine->here->a = a;
    machine->here->b = b;
    machine->here->c = c;
    wait_in(FIBRE_PRODUCT);
}

static uint32_t less_136(uint32_t pair) {
    float low = float_of_bf16((uint16_t)pair) - 136.0f;
    float high = float_of_bf16((uint16_t)(pair >> 16)) - 136.0f;

    return (uint32_t)bf16_of_float(high) << 16 | bf16_of_float(low);
}

#include "moe_gpu.h"

/* ---- fibres */

static void fibre_main(void) {
    struct fibre *fibre = machine->here;

    machine->kernel(&fibre->lane, machine->work);
    fibre->state = FIBRE_ENDED;
}

/* D = A B + C for the warp whose first fibre is given: gathered, multiplied, scattered. */
static void product_of(struct fibre *warp) {
    float a[16][16], b[16][8];

    for (uint32_t lane = 0; lane < 32; lane++) {
        uint32_t row = lane / 4, column = lane % 4 * 2;

        for (uint32_t i = 0; i < 8; i++) {
            uint16_t half = (uint16_t)(warp[lane].a[i / 2] >> 16 * (i % 2));

            a[row + i / 2 % 2 * 8][column + i / 4 * 8 + i % 2] = float_of_bf16(half);
        }
        for (uint32_t i = 0; i < 4; i++) {
            uint16_t half = (uint16_t)(warp[lane].b[i / 2] >> 16 * (i % 2));

            b[column + i / 2 * 8 + i % 2][row] = float_of_bf16(half);
        }
    }
    for (uint32_t lane = 0; lane < 32; lane++) {
        for (uint32_t i = 0; i < 4; i++) {
            uint32_t row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;

            for (uint32_t k = 0; k < 16; k++) {
                warp[lane].c[i] += a[row][k] * b[k][column];
            }
        }
    }
}

static uint32_t count_of(const struct fibre *fibres, uint32_t count, enum fibre_state state) {
    uint32_t found = 0;

    for (uint32_t i = 0; i < count; i++) {
        found += fibres[i].state == state;
    }
    return found;
}

static void let_go(struct fibre *fibres, uint32_t count, enum fibre_state from) {
    for (uint32_t i = 0; i < count; i++) {
        if (fibres[i].state == from) {
            fibres[i].state = FIBRE_READY;
        }
    }
}

/* Lets those go on that can; false when there are none. */
static bool release(void) {
    bool any = false;

    for (uint32_t warp = 0; warp < THREADS; warp += 32) {
        if (count_of(machine->fibres + warp, 32, FIBRE_PRODUCT) == 32) {
            product_of(machine->fibres + warp);
            let_go(machine->fibres + warp, 32, FIBRE_PRODUCT);
            any = true;
        }
    }
    if (!any && count_of(machine->fibres, THREADS, FIBRE_PRODUCT) == 0) {
        any = count_of(machine->fibres, THREADS, FIBRE_BARRIER) != 0;
        let_go(machine->fibres, THREADS, FIBRE_BARRIER);
    }
    return any;
}

static void block_begin(void) {
    memset(machine->shared, 0xff, sizeof machine->shared);
    for (uint32_t i = 0; i < THREADS; i++) {
        struct fibre *fibre = &machine->fibres[i];

        getcontext(&fibre->context);
        fibre->context.uc_stack.ss_sp = machine->stacks + (size_t)i * STACK_BYTES;
        fibre->context.uc_stack.ss_size = STACK_BYTES;
        fibre->context.uc_link = &machine->caller;
        fibre->lane.thread = i;
        fibre->state = FIBRE_READY;
        makecontext(&fibre->context, fibre_main, 0);
    }
}

/* Runs one block to its end; false when its threads wait for each other for ever. */
static bool block_run(void) {
    block_begin();
    do {
        uint32_t first = (uint32_t)swarm_random(machine->spec.seed, 1, machine->draws++);
        uint32_t stride = 2 * (uint32_t)swarm_random(machine->spec.seed, 2, machine->draws) + 1;

        for (uint32_t i = 0; i < THREADS; i++) {
            struct fibre *fibre = &machine->fibres[(first + i * stride) % THREADS];

            if (fibre->state == FIBRE_READY) {
                machine->here = fibre;
                swapcontext(&machine->caller, &fibre->context);
            }
        }
    } while (release());
    return count_of(machine->fibres, THREADS, FIBRE_ENDED) == THREADS;
}

/* ---- the driver */

/* Counts a call; the code that it returns instead of working, or 0. */
static int32_t call(void) {
    machine->stats.calls++;
    if (machine->lost == 0 && machine->stats.calls == machine->spec.fail_at) {
        int32_t code = machine->spec.fail_code;

        if (code == CODE_ILLEGAL_ADDRESS || code == CODE_LAUNCH_FAILED) {
            machine->lost = code;
        }
        return code;
    }
    return machine->lost;
}

static int32_t fake_init(uint32_t flags) {
    int32_t code = call();

    return code != 0 ? code : flags != 0;
}

static int32_t fake_version(int32_t *out_version) {
    int32_t code = call();

    *out_version = machine->spec.version;
    return code;
}

static int32_t fake_device_count(int32_t *out_count) {
    int32_t code = call();

    *out_count = machine->spec.devices < 0 ? 0 : machine->spec.devices;
    return code;
}

static int32_t fake_device_get(int32_t *out_device, int32_t index) {
    int32_t code = call();

    *out_device = index;
    return code != 0 ? code : index < machine->spec.devices ? 0 : CODE_NO_DEVICE;
}

/* What is given back is given back even by a call that fails, as after a lost context. */
static int32_t fake_context_retain(void **out_context, int32_t device) {
    int32_t code = call();

    (void)device;
    machine->stats.contexts += code == 0;
    *out_context = machine;
    return code;
}

static int32_t fake_context_release(int32_t device) {
    (void)device;
    machine->stats.contexts--;
    return call();
}

static int32_t fake_context_push(void *context) {
    int32_t code = call();

    machine->stats.current += code == 0 && context == machine;
    return code;
}

static int32_t fake_context_pop(void **out_context) {
    machine->stats.current--;
    *out_context = machine;
    return call();
}

static int32_t fake_allocate(uint64_t *out_address, size_t size) {
    int32_t code = call();

    if (code == 0 && size > machine->spec.memory - machine->used) {
        code = CODE_MEMORY;
    }
    if (code == 0) {
        *out_address = (uint64_t)(uintptr_t)(machine->memory + machine->used);
        memset(machine->memory + machine->used, 0xff, size);
        machine->used += (size + 255) / 256 * 256;
        machine->stats.allocations++;
    }
    return code;
}

static int32_t fake_free(uint64_t address) {
    (void)address;
    machine->stats.allocations--;
    machine->used = machine->stats.allocations == 0 ? 0 : machine->used;
    return call();
}

/* Whether these bytes lie in device memory. */
static bool is_on_device(uint64_t address, size_t size) {
    uint64_t first = (uint64_t)(uintptr_t)machine->memory;

    return address >= first && address - first <= machine->used &&
           size <= machine->used - (address - first);
}

static int32_t fake_copy_in(uint64_t to, const void *from, size_t size, void *stream) {
    int32_t code = call();

    if (code == 0 && (!is_on_device(to, size) || stream == NULL)) {
        code = CODE_INVALID;
    }
    if (code == 0) {
        memcpy((void *)(uintptr_t)to, from, size);
    }
    return code;
}

static int32_t fake_copy_out(void *to, uint64_t from, size_t size, void *stream) {
    int32_t code = call();

    if (code == 0 && (!is_on_device(from, size) || stream == NULL)) {
        code = CODE_INVALID;
    }
    if (code == 0) {
        memcpy(to, (const void *)(uintptr_t)from, size);
    }
    return code;
}

static int32_t fake_clear(uint64_t at, unsigned char value, size_t size, void *stream) {
    int32_t code = call();

    if (code == 0 && (!is_on_device(at, size) || stream == NULL)) {
        code = CODE_INVALID;
    }
    if (code == 0) {
        memset((void *)(uintptr_t)at, value, size);
    }
    return code;
}

static int32_t fake_stream_create(void **out_stream, uint32_t flags) {
    int32_t code = call();

    (void)flags;
    machine->stats.streams += code == 0;
    *out_stream = &machine->stats.streams;
    return code;
}

static int32_t fake_stream_destroy(void *stream) {
    (void)stream;
    machine->stats.streams--;
    return call();
}

static int32_t fake_stream_wait(void *stream) {
    (void)stream;
    return call();
}

static int32_t fake_event_create(void **out_event, uint32_t flags) {
    int32_t code = call();

    (void)flags;
    machine->stats.events += code == 0;
    *out_event = &machine->stats.events;
    return code;
}

static int32_t fake_event_destroy(void *event) {
    (void)event;
    machine->stats.events--;
    return call();
}

static int32_t fake_event_record(void *event, void *stream) {
    (void)event;
    (void)stream;
    machine->polls = 0;
    return call();
}

static int32_t fake_event_query(void *event) {
    int32_t code = call();

    (void)event;
    return code != 0 ? code : machine->polls++ < machine->spec.busy_polls ? CODE_NOT_READY : 0;
}

static int32_t fake_module_load(void **out_module, const void *image) {
    int32_t code = call();

    if (code == 0 && (image == NULL || machine->spec.no_image != 0)) {
        code = CODE_NO_IMAGE;
    }
    machine->stats.modules += code == 0;
    *out_module = &machine->stats.modules;
    return code;
}

static int32_t fake_module_unload(void *module) {
    (void)module;
    machine->stats.modules--;
    return call();
}

#define KERNEL_ENTRY(name) {"swarm_moe_" #name, gpu_##name},

static struct kernel_entry {
    const char *name;
    kernel *run;
} kernel_entries[] = {GPU_KERNELS(KERNEL_ENTRY)};

static int32_t fake_module_function(void **out_function, void *module, const char *name) {
    int32_t code = call();

    (void)module;
    for (size_t i = 0; code == 0 && i < sizeof kernel_entries / sizeof kernel_entries[0]; i++) {
        if (strcmp(name, kernel_entries[i].name) == 0) {
            *out_function = &kernel_entries[i];
            return 0;
        }
    }
    return code != 0 ? code : CODE_NOT_FOUND;
}

static int32_t fake_launch(const swarm_moe_launch *shape, void *function, void **arguments,
                           void **extra) {
    const uint32_t *grid = shape->grid;
    int32_t code = call();

    if (code == 0 &&
        (shape->block[0] != THREADS || shape->block[1] != 1 || shape->block[2] != 1 ||
         shape->shared_bytes > SHARED_BYTES || shape->stream == NULL || extra != NULL)) {
        code = CODE_INVALID;
    }
    if (code != 0) {
        return code;
    }
    machine->stats.launches++;
    machine->kernel = ((const struct kernel_entry *)function)->run;
    machine->work = arguments[0];
    for (uint32_t i = 0; i < grid[0] * grid[1] * grid[2]; i++) {
        machine->block[0] = i % grid[0];
        machine->block[1] = i / grid[0] % grid[1];
        machine->block[2] = i / grid[0] / grid[1];
        if (!block_run()) {
            machine->lost = CODE_LAUNCH_FAILED;
            return machine->lost;
        }
    }
    return 0;
}

static uint64_t memory_of(const swarm_moe_emulated_spec *spec) {
    return spec == NULL || spec->memory == 0 ? MEMORY_DEFAULT : spec->memory;
}

size_t swarm_moe_emulated_size(const swarm_moe_emulated_spec *spec) {
    return (sizeof(struct machine) + 63) / 64 * 64 + (size_t)THREADS * STACK_BYTES +
           (size_t)(memory_of(spec) + 63) / 64 * 64;
}

const swarm_moe_driver *swarm_moe_emulated_open(const swarm_moe_emulated_spec *spec, void *memory) {
    if (memory == NULL) {
        return NULL;
    }
    machine = memory;
    memset(machine, 0, sizeof *machine);
    if (spec != NULL) {
        machine->spec = *spec;
    }
    machine->spec.memory = memory_of(spec);
    machine->spec.fail_code = machine->spec.fail_code == 0 ? CODE_MEMORY : machine->spec.fail_code;
    machine->spec.version = machine->spec.version == 0 ? 13000 : machine->spec.version;
    machine->spec.devices = machine->spec.devices == 0 ? 1 : machine->spec.devices;
    machine->stacks = (unsigned char *)memory + (sizeof *machine + 63) / 64 * 64;
    machine->memory = machine->stacks + (size_t)THREADS * STACK_BYTES;
    machine->driver = (swarm_moe_driver){
        .size = sizeof machine->driver,
        .image = "emulated",
        .init = fake_init,
        .driver_version = fake_version,
        .device_count = fake_device_count,
        .device_get = fake_device_get,
        .context_retain = fake_context_retain,
        .context_release = fake_context_release,
        .context_push = fake_context_push,
        .context_pop = fake_context_pop,
        .memory_allocate = fake_allocate,
        .memory_free = fake_free,
        .copy_in = fake_copy_in,
        .copy_out = fake_copy_out,
        .clear = fake_clear,
        .stream_create = fake_stream_create,
        .stream_destroy = fake_stream_destroy,
        .stream_wait = fake_stream_wait,
        .event_create = fake_event_create,
        .event_destroy = fake_event_destroy,
        .event_record = fake_event_record,
        .event_query = fake_event_query,
        .module_load = fake_module_load,
        .module_unload = fake_module_unload,
        .module_function = fake_module_function,
        .launch = fake_launch,
    };
    return &machine->driver;
}

void swarm_moe_emulated_stats_get(swarm_moe_emulated_stats *out_stats) {
    *out_stats = machine == NULL ? (swarm_moe_emulated_stats){0} : machine->stats;
}
