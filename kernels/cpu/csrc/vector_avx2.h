/* Eight lanes, sixteen registers. */
__attribute__((target("avx2"))) static inline int32_t avx2_largest(__m256i v)
{
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4E));
    return _mm_cvtsi128_si32(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0xB1)));
}
__attribute__((target("avx2"))) static inline void avx2_store16(int16_t *p, __m256 v)
{
    const __m256i whole = _mm256_cvtps_epi32(v);
    _mm_storeu_si128((__m128i *)p, _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1)));
}

#define NAME(name) name##_avx2
#define TARGET __attribute__((target("avx2,fma,f16c")))
#define VF __m256
#define VL 8
#define V_LOAD(p) _mm256_loadu_ps(p)
#define V_STORE(p, v) _mm256_storeu_ps(p, v)
#define V_SET1(x) _mm256_set1_ps(x)
#define V_FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define V_ADD(a, b) _mm256_add_ps(a, b)
#define V_SUB(a, b) _mm256_sub_ps(a, b)
#define V_MUL(a, b) _mm256_mul_ps(a, b)
#define V_DIV(a, b) _mm256_div_ps(a, b)
#define V_MIN(a, b) _mm256_min_ps(a, b)
#define V_MAX(a, b) _mm256_max_ps(a, b)
#define V_HALF(p) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p)))
#define V_POWER(shifted) \
    _mm256_castsi256_ps( \
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_castps_si256(shifted), _mm256_set1_epi32(127 - 0x4B400000)), 23))
#define V_PLUS(a, b) _mm256_add_epi32(a, b)
#define VI __m256i
#define V_SPLAT(i) _mm256_set1_epi32(i)
#define V_PAIRS16(p) _mm256_loadu_si256((const __m256i *)(p))
#define V_PAIRS8(p) _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(p)))
#define V_DOT(sum, x, pairs) _mm256_add_epi32(sum, _mm256_madd_epi16(x, pairs))
#define V_TO_FLOAT(i) _mm256_cvtepi32_ps(i)
#define V_MAGNITUDE(v) _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0x7FFFFFFF))
#define V_LARGER(a, b) _mm256_max_epi32(a, b)
#define V_LARGEST(i) avx2_largest(i)
#define V_STORE16(p, v) avx2_store16(p, v)
#define VECTORS_1 8
#define VECTORS_2 4
#define VECTORS_4 2
#define VECTORS_8 1
