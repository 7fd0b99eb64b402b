/* Four lanes, in the compiler's own vectors: SSE2, NEON, or whatever the machine has.
 *
 * Half precision is left to Python, which hands out float32 weights that were rounded to it.  Products and sums
 * are rounded one by one (native.c is compiled with -ffp-contract=off). */
typedef float portable_float __attribute__((vector_size(16)));
typedef int32_t portable_int __attribute__((vector_size(16)));

static inline portable_float portable_load(const float *p)
{
    portable_float v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void portable_store(float *p, portable_float v) { memcpy(p, &v, sizeof v); }
static inline portable_float portable_set1(float x) { return (portable_float){x, x, x, x}; }
static inline portable_float portable_select(portable_int mask, portable_float a, portable_float b)
{
    return (portable_float)((mask & (portable_int)a) | (~mask & (portable_int)b));
}
static inline portable_float portable_power(portable_float shifted)
{
    return (portable_float)(((portable_int)shifted + (127 - 0x4B400000)) << 23);
}

static inline portable_int portable_pairs16(const char *p)
{
    portable_int pairs;
    memcpy(&pairs, p, sizeof pairs);
    return pairs;
}
/* Four pairs of int8, each pair in the two halves of an int32. */
static inline portable_int portable_pairs8(const char *p)
{
    int16_t wide[8];
    for (int i = 0; i < 8; i++)
        wide[i] = ((const int8_t *)p)[i];
    return portable_pairs16((const char *)wide);
}
/* The halves of an int32 lie in memory as two int16 do, whichever way round the machine has them. */
static inline portable_int portable_dot(portable_int sum, portable_int x, portable_int pairs)
{
    return sum + (x >> 16) * (pairs >> 16) + ((x << 16) >> 16) * ((pairs << 16) >> 16);
}
static inline portable_float portable_to_float(portable_int i)
{
    return (portable_float){(float)i[0], (float)i[1], (float)i[2], (float)i[3]};
}
static inline portable_int portable_larger(portable_int a, portable_int b)
{
    const portable_int mask = a > b;
    return (mask & a) | (~mask & b);
}
static inline int32_t portable_largest(portable_int i)
{
    const int32_t a = i[0] > i[1] ? i[0] : i[1], b = i[2] > i[3] ? i[2] : i[3];
    return a > b ? a : b;
}
/* Rounded to nearest, below 2^22. */
static inline void portable_store16(int16_t *p, portable_float v)
{
    const portable_int whole = (portable_int)(v + 12582912.0f) - 0x4B400000; /* 1.5 * 2^23 */
    const int16_t narrow[4] = {(int16_t)whole[0], (int16_t)whole[1], (int16_t)whole[2], (int16_t)whole[3]};
    memcpy(p, narrow, sizeof narrow);
}

#define NAME(name) name##_portable
#define TARGET
#define VF portable_float
#define VL 4
#define V_LOAD(p) portable_load(p)
#define V_STORE(p, v) portable_store(p, v)
#define V_SET1(x) portable_set1(x)
#define V_FMA(a, b, c) ((a) * (b) + (c))
#define V_ADD(a, b) ((a) + (b))
#define V_SUB(a, b) ((a) - (b))
#define V_MUL(a, b) ((a) * (b))
#define V_DIV(a, b) ((a) / (b))
#define V_MIN(a, b) portable_select((b) > (a), a, b)
#define V_MAX(a, b) portable_select((b) < (a), a, b)
#define V_POWER(shifted) portable_power(shifted)
#define V_PLUS(a, b) ((a) + (b))
#define VI portable_int
#define V_SPLAT(i) ((portable_int){i, i, i, i})
#define V_PAIRS16(p) portable_pairs16(p)
#define V_PAIRS8(p) portable_pairs8(p)
#define V_DOT(sum, x, pairs) portable_dot(sum, x, pairs)
#define V_TO_FLOAT(i) portable_to_float(i)
#define V_MAGNITUDE(v) ((portable_int)(v) & 0x7FFFFFFF)
#define V_LARGER(a, b) portable_larger(a, b)
#define V_LARGEST(i) portable_largest(i)
#define V_STORE16(p, v) portable_store16(p, v)
#define VECTORS_1 8
#define VECTORS_2 4
#define VECTORS_4 2
#define VECTORS_8 1
