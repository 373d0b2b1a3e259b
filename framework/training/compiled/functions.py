"""Elementwise functions in C, for float and double: exp, log and tanh by polynomials that the compiler can vectorise."""

from __future__ import annotations

from framework.training.compiled.graph import Value

CTYPES = {"float32": "float", "float64": "double", "bool": "uint8_t", "int64": "int64_t", "int32": "int32_t"}

# exp: x = n ln 2 + r, |r| <= ln 2 / 2; e^r by its series, 2^n through the exponent's bits. 2 ulp or less in float.
# tanh: for small |x| a rational function without cancellation, elsewhere 1 - 2 / (e^2x + 1).
# log: x = 2^n m, sqrt(1/2) <= m < sqrt(2); log m = 2 atanh((m - 1) / (m + 1)) by its series.
PREAMBLE = r"""
#include <math.h>
#include <stdint.h>
#include <string.h>
#define NOINLINE __attribute__((noinline))
#if defined(__clang__)
#define KEEP(x) __arithmetic_fence(x) /* the compiler may reorder sums elsewhere, not here */
#elif __GNUC__ >= 12
#define KEEP(x) __builtin_assoc_barrier(x)
#else
#define KEEP(x) (x)
#endif
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) /* a b + c, which is not taken apart */
#define FMA_f(a, b, c) __builtin_fmaf(a, b, c)
#define FMA_d(a, b, c) __builtin_fma(a, b, c)
#else
#define FMA_f(a, b, c) KEEP((a) * (b) + (c))
#define FMA_d(a, b, c) KEEP((a) * (b) + (c))
#endif

static inline float exp_f(float x) {
  const float y = x > 88.8f ? 88.8f : (x < -104.0f ? -104.0f : x);
  const float n = __builtin_rintf(y * 1.44269504088896341f);
  const float r = FMA_f(n, 2.12194440e-4f, FMA_f(-n, 0.693359375f, y));
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f; p = p * r + 8.3334519073e-3f; p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f; p = p * r + 5.0000001201e-1f; p = KEEP(p * r * r + r) + 1.0f;
  const int32_t k = (int32_t)n, h = k >> 1;
  union { int32_t i; float f; } a = { (h + 127) << 23 }, b = { (k - h + 127) << 23 };
  const float e = p * a.f * b.f;
  return x != x ? x : (x > 88.72284f ? INFINITY : e);
}
static inline double exp_d(double x) {
  const double y = x > 710.0 ? 710.0 : (x < -746.0 ? -746.0 : x);
  const double n = __builtin_rint(y * 1.4426950408889634074);
  const double r = FMA_d(-n, 1.90821492927058770002e-10, FMA_d(-n, 6.93147180369123816490e-01, y));
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0; p = p * r + 1.0 / 39916800.0; p = p * r + 1.0 / 3628800.0; p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0; p = p * r + 1.0 / 5040.0; p = p * r + 1.0 / 720.0; p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0; p = p * r + 1.0 / 6.0; p = p * r + 0.5; p = KEEP(p * r * r + r) + 1.0;
  const int64_t k = (int64_t)n, h = k >> 1;
  union { int64_t i; double f; } a = { (h + 1023) << 52 }, b = { (k - h + 1023) << 52 };
  const double e = p * a.f * b.f;
  return x != x ? x : (x > 709.782712893384 ? INFINITY : e);
}
static inline float tanh_f(float x) {
  const float a = __builtin_fabsf(x), s = x * x;
  float p = -5.70498872745e-3f;
  p = p * s + 2.06390887954e-2f; p = p * s - 5.37397155531e-2f; p = p * s + 1.33314422036e-1f; p = p * s - 3.33332819422e-1f;
  const float small = p * s * x + x, large = 1.0f - 2.0f / (exp_f(2.0f * a) + 1.0f);
  return a < 0.625f ? small : (x < 0.0f ? -large : (x != x ? x : large));
}
static inline double tanh_d(double x) {
  const double a = __builtin_fabs(x), s = x * x;
  const double p = (-9.64399179425052238628e-1 * s - 9.92877231001918586564e1) * s - 1.61468768441708447952e3;
  const double q = ((s + 1.12811678491632931402e2) * s + 2.23548839060100448583e3) * s + 4.84406305325125486048e3;
  const double small = x + x * s * (p / q), large = 1.0 - 2.0 / (exp_d(2.0 * a) + 1.0);
  return a < 0.625 ? small : (x < 0.0 ? -large : (x != x ? x : large));
}
static inline float log_f(float x) {
  union { float f; int32_t i; } u = { x < 1.17549435e-38f ? x * 16777216.0f : x };
  const int32_t shift = x < 1.17549435e-38f ? 24 : 0, k = (int32_t)((uint32_t)u.i - 0x3f3504f3u) >> 23;
  u.i = (int32_t)((uint32_t)u.i - ((uint32_t)k << 23));
  const float z = (u.f - 1.0f) / (u.f + 1.0f), s = z * z, n = (float)(k - shift);
  float p = 1.0f / 9.0f;
  p = p * s + 1.0f / 7.0f; p = p * s + 1.0f / 5.0f; p = p * s + 1.0f / 3.0f;
  const float y = FMA_f(n, 0.693359375f, FMA_f(n, -2.12194440e-4f, 2.0f * z * s * p) + 2.0f * z);
  return x > 0.0f ? (x > 3.402823e38f ? x : y) : (x == 0.0f ? -INFINITY : NAN);
}
static inline double log_d(double x) {
  union { double f; int64_t i; } u = { x < 2.2250738585072014e-308 ? x * 18014398509481984.0 : x };
  const int64_t shift = x < 2.2250738585072014e-308 ? 54 : 0, k = (int64_t)((uint64_t)u.i - 0x3fe6a09e667f3bcd) >> 52;
  u.i = (int64_t)((uint64_t)u.i - ((uint64_t)k << 52));
  const double z = (u.f - 1.0) / (u.f + 1.0), s = z * z, n = (double)(k - shift);
  double p = 1.0 / 23.0;
  p = p * s + 1.0 / 21.0; p = p * s + 1.0 / 19.0; p = p * s + 1.0 / 17.0; p = p * s + 1.0 / 15.0; p = p * s + 1.0 / 13.0;
  p = p * s + 1.0 / 11.0; p = p * s + 1.0 / 9.0; p = p * s + 1.0 / 7.0; p = p * s + 1.0 / 5.0; p = p * s + 1.0 / 3.0;
  const double y = FMA_d(n, 6.93147180369123816490e-01, FMA_d(n, 1.90821492927058770002e-10, 2.0 * z * s * p) + 2.0 * z);
  return x > 0.0 ? (x > 1.797e308 ? x : y) : (x == 0.0 ? -INFINITY : NAN);
}
static inline double sqrt_d(double x) { return __builtin_sqrt(x); }
static inline float sqrt_f(float x) { return __builtin_sqrtf(x); }
"""

# {T}: the suffix of the type, f or d; {0}, {1}, {2}: the arguments, each used as often as it stands there.
FUNCTIONS = {
    "id": "{0}",
    "add": "({0} + {1})",
    "sub": "({0} - {1})",
    "mul": "({0} * {1})",
    "div": "({0} / {1})",
    "neg": "(-{0})",
    "exp": "exp_{T}({0})",
    "log": "log_{T}({0})",
    "log1p": "log1p{M}({0})",
    "expm1": "expm1{M}({0})",
    "sin": "sin{M}({0})",
    "cos": "cos{M}({0})",
    "tanh": "tanh_{T}({0})",
    "sqrt": "sqrt_{T}({0})",
    "abs": "({0} < 0 ? -{0} : {0})",
    "sign": "({0} != {0} ? {0} : ({0} > 0) - ({0} < 0))",
    "floor": "__builtin_floor{M}({0})",
    "ceil": "__builtin_ceil{M}({0})",
    "max": "((({0} > {1}) | ({0} != {0})) ? {0} : {1})",
    "min": "((({0} < {1}) | ({0} != {0})) ? {0} : {1})",
    "lt": "({0} < {1})",
    "le": "({0} <= {1})",
    "gt": "({0} > {1})",
    "ge": "({0} >= {1})",
    "eq": "({0} == {1})",
    "ne": "({0} != {1})",
    "and": "({0} & {1})",
    "or": "({0} | {1})",
    "not": "(!{0})",
    "isnan": "({0} != {0})",
    "isfinite": "(({0} < 0 ? -{0} : {0}) < INFINITY)",
    "where": "({0} ? {1} : {2})",
    "pow": "pow{M}({0}, {1})",
}


def apply(fn: str, ctype: str, arguments: list[str]) -> str:
    """The C expression of a function of arguments that are names or numbers of that type."""
    return FUNCTIONS[fn].format(*arguments, T="f" if ctype == "float" else "d", M="f" if ctype == "float" else "")


def ctype_of(value: Value) -> str:
    """The C type of a value's numbers."""
    return CTYPES[str(value.dtype)]
