/* Sixteen lanes.  In MIN and MAX the second operand is what a NaN comes from, so write the variable there. */
#ifdef WITH_VNNI
static inline __attribute__((always_inline, target("avx512vnni,avx512f"))) __m512i avx512_dot(
    __m512i sum, __m512i x, __m512i pairs)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(x), "vm"(pairs));
    return sum;
}
#define NAME(name) name##_avx512vnni
#define TARGET __attribute__((target("avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))
#define V_DOT(sum, x, pairs) avx512_dot(sum, x, pairs)
#else
#define NAME(name) name##_avx512
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))
#define V_DOT(sum, x, pairs) _mm512_add_epi32(sum, _mm512_madd_epi16(x, pairs))
#endif
#define VF __m512
#define VL 16
#define V_LOAD(p) _mm512_loadu_ps(p)
#define V_STORE(p, v) _mm512_storeu_ps(p, v)
#define V_SET1(x) _mm512_set1_ps(x)
#define V_FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define V_ADD(a, b) _mm512_add_ps(a, b)
#define V_SUB(a, b) _mm512_sub_ps(a, b)
#define V_MUL(a, b) _mm512_mul_ps(a, b)
#define V_DIV(a, b) _mm512_div_ps(a, b)
#define V_MIN(a, b) _mm512_min_ps(a, b)
#define V_MAX(a, b) _mm512_max_ps(a, b)
#define V_HALF(p) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p)))
#define V_POWER(shifted) \
    _mm512_castsi512_ps( \
        _mm512_slli_epi32(_mm512_add_epi32(_mm512_castps_si512(shifted), _mm512_set1_epi32(127 - 0x4B400000)), 23))
#define V_PLUS(a, b) _mm512_add_epi32(a, b)
#define VI __m512i
#define V_SPLAT(i) _mm512_set1_epi32(i)
#define V_PAIRS16(p) _mm512_loadu_si512(p)
#define V_PAIRS8(p) _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(p)))
#define V_TO_FLOAT(i) _mm512_cvtepi32_ps(i)
#define V_MAGNITUDE(v) _mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(0x7FFFFFFF))
#define V_LARGER(a, b) _mm512_max_epi32(a, b)
#define V_LARGEST(i) _mm512_reduce_max_epi32(i)
#define V_STORE16(p, v) _mm256_storeu_si256((__m256i *)(p), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(v)))
#define VECTORS_1 8 /* accumulators per stream when 1, 2, 4 or 8 streams share the weights */
#define VECTORS_2 8
#define VECTORS_4 4
#define VECTORS_8 2
