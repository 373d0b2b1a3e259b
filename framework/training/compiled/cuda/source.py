"""What stands before all CUDA C: types, functions, and random numbers. It is C too, for a processor without a GPU."""

from __future__ import annotations

# NVRTC has no headers. A source is also C where SHIM is defined: framework/testing/shim.py then has the types.
PREAMBLE = r"""
#ifndef SHIM
typedef long long int64_t;
typedef unsigned long long uint64_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef unsigned char uint8_t;
#define INT64_MAX 9223372036854775807LL
#define INT64_MIN (-INT64_MAX - 1)
#define INT32_MAX 2147483647
#define INT32_MIN (-INT32_MAX - 1)
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
#define _Bool bool
#define __builtin_floor floor
#define __builtin_floorf floorf
#define __builtin_ceil ceil
#define __builtin_ceilf ceilf
#define KERNEL extern "C" __global__ void
#define DEVICE static __device__ __noinline__
#define SHARED __shared__
#endif
#define exp_f expf
#define exp_d exp
#define log_f logf
#define log_d log
#define tanh_f tanhf
#define tanh_d tanh
#define sqrt_f sqrtf
#define sqrt_d sqrt
struct array { char *start; int64_t stride; };
"""

# As philox.py, for eight numbers: a thread draws them from the block of that number.
PHILOX = r"""
DEVICE void draw8(float *out, int count, uint64_t block, const uint64_t *key, uint64_t draw, uint64_t step) {
  uint64_t c[4] = {block + 1, 0, draw, step}, a = key[0], b = key[1];
  for (int round = 0; round < 10; round++, a += 0x9E3779B97F4A7C15ull, b += 0xBB67AE8584CAA73Bull) {
    const uint64_t first = __umul64hi(0xCA5A826395121157ull, c[2]) ^ c[1] ^ a;
    const uint64_t third = __umul64hi(0xD2E7470EE14C6C93ull, c[0]) ^ c[3] ^ b;
    c[1] = 0xCA5A826395121157ull * c[2]; c[3] = 0xD2E7470EE14C6C93ull * c[0];
    c[0] = first; c[2] = third;
  }
  for (int i = 0; i < count; i++)
    out[i] = (float)((uint32_t)(c[i / 2] >> (i % 2 * 32)) >> 8) * (1.0f / 16777216.0f);
}
"""
