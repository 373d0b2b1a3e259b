"""Uniform random numbers in C: the bits of NumPy's Philox 4x64 with ten rounds (Salmon et al. 2011)."""

from __future__ import annotations

# NumPy counts before it draws, and makes two numbers of each word of 64 bits, the lower half first.
PHILOX = r"""
static NOINLINE void uniform(float *out, int64_t n, const uint64_t *key, uint64_t draw, uint64_t step) {
  for (int64_t start = 0; start < n; start += 8) {
    uint64_t c[4] = {(uint64_t)(start / 8 + 1), 0, draw, step}, a = key[0], b = key[1];
    for (int round = 0; round < 10; round++, a += 0x9E3779B97F4A7C15u, b += 0xBB67AE8584CAA73Bu) {
      const unsigned __int128 x = (unsigned __int128)0xD2E7470EE14C6C93u * c[0];
      const unsigned __int128 y = (unsigned __int128)0xCA5A826395121157u * c[2];
      const uint64_t first = (uint64_t)(y >> 64) ^ c[1] ^ a, third = (uint64_t)(x >> 64) ^ c[3] ^ b;
      c[0] = first; c[1] = (uint64_t)y; c[2] = third; c[3] = (uint64_t)x;
    }
    for (int64_t i = 0; i < 8 && start + i < n; i++)
      out[start + i] = (float)((uint32_t)(c[i / 2] >> (i % 2 * 32)) >> 8) * (1.0f / 16777216.0f);
  }
}
"""
