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
static inline portable_float portable_int8(const int8_t *p) { return (portable_float){p[0], p[1], p[2], p[3]}; }
static inline portable_float portable_power(portable_float shifted)
{
    return (portable_float)(((portable_int)shifted + (127 - 0x4B400000)) << 23);
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
#define V_INT8(p) portable_int8(p)
#define V_POWER(shifted) portable_power(shifted)
#define VECTORS_1 8
#define VECTORS_2 4
#define VECTORS_4 2
#define VECTORS_8 1
