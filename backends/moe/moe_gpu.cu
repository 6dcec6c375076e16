/* SPDX-License-Identifier: MIT */
/*
 * moe_gpu.cu - the kernels of moe_gpu.h for nvcc, and the only file with PTX.
 *
 * A lane is a CUDA thread; what it asks for is an instruction each. Built where nvcc is found into
 * a fatbin, which swarm_moe_driver.image points to; nothing of CUDA is linked at run time.
 */
#include <stdint.h>
#include <string.h>

#define DEVICE __device__ __forceinline__

struct lane {
    int unused;
};

static DEVICE uint32_t thread_of(const struct lane *) {
    return threadIdx.x;
}

static DEVICE uint32_t block_x(const struct lane *) {
    return blockIdx.x;
}

static DEVICE uint32_t block_y(const struct lane *) {
    return blockIdx.y;
}

static DEVICE uint32_t block_z(const struct lane *) {
    return blockIdx.z;
}

static DEVICE void barrier(const struct lane *) {
    __syncthreads();
}

static DEVICE float *shared_of(const struct lane *) {
    extern __shared__ float shared[];

    return shared;
}

static DEVICE float exponential_of(float x) {
    return expf(x);
}

static DEVICE float root_of(float x) {
    return sqrtf(x);
}

/* Subtracts 136 from both halves: 128 + n becomes n - 8, exactly. */
static DEVICE uint32_t less_136(uint32_t pair) {
    uint32_t out;

    asm("fma.rn.bf16x2 %0, %1, %2, %3;"
        : "=r"(out)
        : "r"(pair), "r"(0x3f803f80u), "r"(0xc308c308u));
    return out;
}

/* c += a * b for 16 x 8 x 16, by the 32 lanes of a warp. */
static DEVICE void mma(const struct lane *, const uint32_t *a, const uint32_t *b, float *c) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, "
                 "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#include "moe_gpu.h"

#define KERNEL(name)                                                                               \
    extern "C" __global__ void __launch_bounds__(THREADS)                                          \
        swarm_moe_##name(const __grid_constant__ struct work work) {                               \
        const struct lane lane = {0};                                                              \
                                                                                                   \
        gpu_##name(&lane, &work);                                                                  \
    }

GPU_KERNELS(KERNEL)
