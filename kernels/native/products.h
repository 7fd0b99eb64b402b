/* Matrix products, the gate and the choice of a code, written once for all vector widths.
 *
 * A sum runs over the input channels in order, one fused multiply-add each, whatever the number of streams beside
 * it and whichever core does it.  So a stream's samples are the same bits in every batch. */

/* out (S, .) += x (S, n_in) @ weight, for V vectors of columns.  S, V and storage are constants where it is called,
 * so that the accumulators stay in registers. */
static inline __attribute__((always_inline)) TARGET void NAME(tile)(
    const int S, const int V, const int storage, float *out, int64_t out_stride, const float *x, int64_t x_stride,
    const char *weight, int64_t next_block, int64_t n_in, const float *scale)
{
    const int width = storage == STORE_FLOAT32 ? 4 : storage == STORE_FLOAT16 ? 2 : 1;
    const int per_block = BLOCK_COLUMNS / VL;
    VF sums[MAX_TILE][8];
    for (int s = 0; s < S; s++)
        for (int v = 0; v < V; v++)
            sums[s][v] = storage == STORE_INT8 ? V_SET1(0) : V_LOAD(out + s * out_stride + v * VL);
    for (int64_t k = 0; k < n_in; k++) {
        VF row[8];
        for (int v = 0; v < V; v++) {
            const char *at = weight + (v / per_block) * next_block + (k * BLOCK_COLUMNS + v % per_block * VL) * width;
            if (storage == STORE_FLOAT32)
                row[v] = V_LOAD((const float *)at);
            else if (storage == STORE_INT8)
                row[v] = V_INT8((const int8_t *)at);
#ifdef V_HALF
            else
                row[v] = V_HALF((const uint16_t *)at);
#else
            else
                row[v] = V_SET1(0); /* never called: see vector_portable.h */
#endif
        }
        for (int s = 0; s < S; s++) {
            VF input = V_SET1(x[s * x_stride + k]);
            for (int v = 0; v < V; v++)
                sums[s][v] = V_FMA(input, row[v], sums[s][v]);
        }
    }
    for (int s = 0; s < S; s++)
        for (int v = 0; v < V; v++) {
            float *to = out + s * out_stride + v * VL;
            VF sum = sums[s][v];
            if (storage == STORE_INT8)
                sum = V_FMA(sum, V_LOAD(scale + v * VL), V_LOAD(to));
            V_STORE(to, sum);
        }
}

#define TILED(S, V, STORAGE) \
    static TARGET void NAME(tiled_##S##_##STORAGE)( \
        float *out, int64_t out_stride, const float *x, int64_t x_stride, const char *weight, int64_t n_in, \
        int64_t n_out, const float *scale) \
    { \
        const int width = STORAGE == STORE_FLOAT32 ? 4 : STORAGE == STORE_FLOAT16 ? 2 : 1; \
        const int64_t block = n_in * BLOCK_COLUMNS * width; \
        int64_t done = 0; \
        for (; done + (V) * VL <= n_out; done += (V) * VL) { \
            const char *at = weight + done / BLOCK_COLUMNS * block + done % BLOCK_COLUMNS * width; \
            NAME(tile)(S, V, STORAGE, out + done, out_stride, x, x_stride, at, block, n_in, scale + done); \
        } \
        for (; done < n_out; done += BLOCK_COLUMNS / 4) /* one odd block, where V * VL spans two */ \
            for (int part = 0; part < BLOCK_COLUMNS / 4; part += VL) { \
                int64_t column = done + part; \
                const char *at = weight + column / BLOCK_COLUMNS * block + column % BLOCK_COLUMNS * width; \
                NAME(tile)(S, 1, STORAGE, out + column, out_stride, x, x_stride, at, block, n_in, scale + column); \
            } \
    }
#define TILED_ALL(STORAGE) \
    TILED(1, VECTORS_1, STORAGE) \
    TILED(2, VECTORS_2, STORAGE) \
    TILED(4, VECTORS_4, STORAGE) \
    TILED(8, VECTORS_8, STORAGE)
TILED_ALL(STORE_FLOAT32)
TILED_ALL(STORE_FLOAT16)
TILED_ALL(STORE_INT8)

#define CALL(S, STORAGE) \
    NAME(tiled_##S##_##STORAGE)(out, out_stride, x, x_stride, matrix.weight, n_in, n_out, matrix.scale)
#define CALL_ANY(STORAGE) \
    switch (n_streams) { \
    case 1: CALL(1, STORAGE); break; \
    case 2: CALL(2, STORAGE); break; \
    case 4: CALL(4, STORAGE); break; \
    default: CALL(8, STORAGE); \
    }

/* out (S, n_out) += x (S, n_in) @ matrix, S of 1, 2, 4 or 8. */
static TARGET void NAME(product)(
    int64_t storage, int n_streams, float *out, int64_t out_stride, const float *x, int64_t x_stride, Matrix matrix,
    int64_t n_in, int64_t n_out)
{
    if (storage == STORE_FLOAT16) {
        CALL_ANY(STORE_FLOAT16)
    } else if (storage == STORE_FLOAT32) {
        CALL_ANY(STORE_FLOAT32)
    } else {
        CALL_ANY(STORE_INT8)
    }
}
#undef TILED
#undef TILED_ALL
#undef CALL
#undef CALL_ANY

/* exp(x) = s (1 + p), |x| <= 87: s = 2^n and p = expm1(f) for x = n ln 2 + f, from Taylor's series up to f^7. */
static inline __attribute__((always_inline)) TARGET VF NAME(scaled_expm1)(VF x, VF *s)
{
    const VF magic = V_SET1(12582912.0f); /* 1.5 * 2^23: adding it rounds to a whole number */
    VF shifted = V_FMA(x, V_SET1(1.4426950408889634f), magic);
    VF n = V_SUB(shifted, magic);
    VF f = V_FMA(n, V_SET1(-0.693359375f), x); /* ln 2 in two parts, n times the first is exact */
    f = V_FMA(n, V_SET1(2.12194440e-4f), f);
    VF p = V_SET1(1.0f / 5040);
    p = V_FMA(p, f, V_SET1(1.0f / 720));
    p = V_FMA(p, f, V_SET1(1.0f / 120));
    p = V_FMA(p, f, V_SET1(1.0f / 24));
    p = V_FMA(p, f, V_SET1(1.0f / 6));
    p = V_FMA(p, f, V_SET1(0.5f));
    *s = V_POWER(shifted);
    return V_FMA(V_MUL(p, f), f, f);
}

static inline __attribute__((always_inline)) TARGET VF NAME(clamp)(VF x, float limit)
{
    return V_MAX(V_SET1(-limit), V_MIN(V_SET1(limit), x));
}

/* out = tanh(z[:n]) sigmoid(z[n:]) with one division: a / ((a + 2)(1 + b)), a = expm1(2u), b = exp(-v).  Beyond
 * |u| = 10 tanh is 1 in float32; beyond |v| = 40 sigmoid is held at its value there. */
static TARGET void NAME(gate)(const float *z, float *out, int64_t n)
{
    const VF one = V_SET1(1), two = V_SET1(2);
    for (int64_t j = 0; j < n; j += VL) {
        VF s, t;
        VF p = NAME(scaled_expm1)(V_MUL(two, NAME(clamp)(V_LOAD(z + j), 10)), &s);
        VF q = NAME(scaled_expm1)(V_SUB(V_SET1(0), NAME(clamp)(V_LOAD(z + n + j), 40)), &t);
        VF a = V_FMA(s, p, V_SUB(s, one));
        VF b = V_FMA(t, q, t);
        V_STORE(out + j, V_DIV(a, V_MUL(V_ADD(a, two), V_ADD(one, b))));
    }
}

static inline TARGET void NAME(rectify)(float *x, int64_t n)
{
    for (int64_t j = 0; j < n; j += VL)
        V_STORE(x + j, V_MAX(V_SET1(0), V_LOAD(x + j)));
}

/* out += x, both padded. */
static inline TARGET void NAME(add)(float *out, const float *x, int64_t n)
{
    for (int64_t j = 0; j < n; j += VL)
        V_STORE(out + j, V_ADD(V_LOAD(out + j), V_LOAD(x + j)));
}

/* The rule of kernels/sampling.py, with float32 exponentials.  Overwrites the logits.  -1 if one is not finite. */
static TARGET int NAME(pick)(float *logits, int64_t n_classes, double temperature, double uniform)
{
    int best = 0;
    float check = 0;
    for (int a = 0; a < n_classes; a++) {
        check += logits[a] - logits[a]; /* NaN if one is NaN or infinite */
        if (logits[a] > logits[best])
            best = a;
    }
    if (check != 0)
        return -1;
    if (temperature == 0)
        return best;
    /* Padded classes have a logit of 0; they are not summed. */
    const float divisor = temperature < 1e-30 ? 1e-30f : (float)temperature;
    const VF largest = V_SET1(logits[best]), by = V_SET1(divisor), floor = V_SET1(-87);
    for (int64_t a = 0; a < n_classes; a += VL) {
        VF s, x = V_MAX(floor, V_DIV(V_SUB(V_LOAD(logits + a), largest), by));
        VF p = NAME(scaled_expm1)(V_MIN(V_SET1(0), x), &s);
        V_STORE(logits + a, V_FMA(s, p, s));
    }
    const float least = 1.7e-38f; /* exp(-87) is 1.6e-38: what was held there has no weight */
    double total = 0;
    for (int a = 0; a < n_classes; a++) {
        logits[a] = logits[a] < least ? 0 : logits[a];
        total += logits[a];
    }
    double threshold = uniform * total, edge = 0;
    int code = 0;
    for (; code < n_classes; code++) {
        edge += logits[code];
        if (edge > threshold)
            break;
    }
    return code;
}
