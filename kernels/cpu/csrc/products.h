/* Matrix products, the gate and the choice of a code, written once for all vector widths.
 *
 * A sum runs over the input channels in order, one fused multiply-add each, whatever the number of streams beside
 * it and whichever core does it.  So a stream's samples are the same bits in every batch. */

/* out (S, .) += x (S, n_in) @ weight, for V vectors of columns of one block, whose rows are `row_bytes` apart.  S, V
 * and storage are constants where it is called, so that the accumulators stay in registers.
 *
 * A processor's own read-ahead starts anew at every page.  Where one stream reads the weights once (S = 1) that would
 * be half of the time, so the next rows are prefetched: rows follow rows, and matrices follow matrices. */
static inline __attribute__((always_inline)) TARGET void NAME(tile)(
    const int S, const int V, const int storage, float *out, int64_t out_stride, const float *x, int64_t x_stride,
    const char *weight, int64_t row_bytes, int64_t n_in)
{
    const int width = storage == STORE_FLOAT32 ? 4 : 2;
    VF sums[MAX_TILE][8];
    for (int s = 0; s < S; s++)
        for (int v = 0; v < V; v++)
            sums[s][v] = V_LOAD(out + s * out_stride + v * VL);
    for (int64_t k = 0; k < n_in; k++) {
        const char *row_at = weight + k * row_bytes;
        if (S == 1)
            for (int byte = 0; byte < V * VL * width; byte += 64)
                __builtin_prefetch(row_at + READ_AHEAD + byte, 0, 3);
        VF row[8];
        for (int v = 0; v < V; v++) {
            const char *at = row_at + v * VL * width;
            if (storage == STORE_FLOAT32)
                row[v] = V_LOAD((const float *)at);
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
        for (int v = 0; v < V; v++)
            V_STORE(out + s * out_stride + v * VL, sums[s][v]);
}

/* A tile in any storage.  Rows of integers hold two inputs each. */
static inline __attribute__((always_inline)) TARGET void NAME(any_tile)(
    const int S, const int V, const int storage, float *out, int64_t out_stride, const float *x, int64_t x_stride,
    const char *block, int64_t columns, int64_t column, int64_t n_in, const float *scale)
{
    if (storage == STORE_FLOAT32)
        NAME(tile)(S, V, storage, out, out_stride, x, x_stride, block + column * 4, columns * 4, n_in);
    else if (storage == STORE_FLOAT16)
        NAME(tile)(S, V, storage, out, out_stride, x, x_stride, block + column * 2, columns * 2, n_in);
    else if (storage == STORE_INT16)
        NAME(whole_tile)(S, V, storage, out, out_stride, x, x_stride, block + column * 4, columns * 4, n_in, scale);
    else
        NAME(whole_tile)(S, V, storage, out, out_stride, x, x_stride, block + column * 2, columns * 2, n_in, scale);
}

/* HALF is V, or less where a block of 64 columns is narrower than V vectors. */
#define TILED(S, V, STORAGE) \
    static TARGET void NAME(tiled_##S##_##STORAGE)( \
        float *out, int64_t out_stride, const float *x, int64_t x_stride, const char *weight, int64_t n_in, \
        int64_t n_out, const float *scale) \
    { \
        enum { HALF = (V) * VL > BLOCK_COLUMNS / 2 ? BLOCK_COLUMNS / 2 / VL : (V) }; \
        for (int64_t begin = 0; begin < n_out; begin += BLOCK_COLUMNS) { \
            const char *block = weight + begin * column_bytes(STORAGE, n_in); \
            if (n_out - begin >= BLOCK_COLUMNS) \
                for (int column = 0; column < BLOCK_COLUMNS; column += (V) * VL) \
                    NAME(any_tile)(S, V, STORAGE, out + begin + column, out_stride, x, x_stride, block, \
                                   BLOCK_COLUMNS, column, n_in, scale + begin + column); \
            else \
                for (int column = 0; column < BLOCK_COLUMNS / 2; column += HALF * VL) \
                    NAME(any_tile)(S, HALF, STORAGE, out + begin + column, out_stride, x, x_stride, block, \
                                   BLOCK_COLUMNS / 2, column, n_in, scale + begin + column); \
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
TILED_ALL(STORE_INT16)

#define CALL(S, STORAGE) \
    NAME(tiled_##S##_##STORAGE)(out, out_stride, x, x_stride, matrix.weight, n_in, n_out, matrix.scale)
#define CALL_ANY(STORAGE) \
    switch (n_streams) { \
    case 1: CALL(1, STORAGE); break; \
    case 2: CALL(2, STORAGE); break; \
    case 4: CALL(4, STORAGE); break; \
    default: CALL(8, STORAGE); \
    }

/* out (S, n_out) += x (S, n_in) @ matrix, S of 1, 2, 4 or 8; x as NAME(ready) leaves it. */
static TARGET void NAME(product)(
    int64_t storage, int n_streams, float *out, int64_t out_stride, const float *x, int64_t x_stride, Matrix matrix,
    int64_t n_in, int64_t n_out)
{
    if (storage == STORE_FLOAT16) {
        CALL_ANY(STORE_FLOAT16)
    } else if (storage == STORE_FLOAT32) {
        CALL_ANY(STORE_FLOAT32)
    } else if (storage == STORE_INT16) {
        CALL_ANY(STORE_INT16)
    } else {
        CALL_ANY(STORE_INT8)
    }
}
#undef TILED
#undef TILED_ALL
#undef CALL
#undef CALL_ANY

/* Convert x (n_in) to the input format of this storage; to == x is allowed. */
static inline TARGET void NAME(ready)(int64_t storage, const float *x, int64_t n_in, float *to)
{
    if (in_whole_numbers(storage))
        NAME(quantise)(x, n_in, to);
    else if (to != x)
        memcpy(to, x, n_in * sizeof *to);
}

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

/* The rule of kernels/sampling.py, with float32 exponentials.  Overwrites the logits, and needs them padded to a
 * multiple of 16.  -1 if one is not finite.
 *
 * The sums are float64, so their order does not matter; sixteen at a time they take a tenth of the time. */
static TARGET int NAME(pick)(float *logits, int64_t n_classes, double temperature, double uniform)
{
    enum { GROUP = 16 };
    const int64_t padded = (n_classes + GROUP - 1) / GROUP * GROUP;
    float check = 0;
    for (int64_t a = 0; a < n_classes; a += VL) { /* padded logits are 0, or not finite where others are not */
        float lanes[VL];
        V_STORE(lanes, V_SUB(V_LOAD(logits + a), V_LOAD(logits + a)));
        for (int lane = 0; lane < VL; lane++)
            check += lanes[lane];
    }
    if (check != 0) /* NaN if one is NaN or infinite */
        return -1;
    for (int64_t a = n_classes; a < padded; a++)
        logits[a] = -INFINITY;
    VF most = V_LOAD(logits);
    for (int64_t a = VL; a < padded; a += VL)
        most = V_MAX(most, V_LOAD(logits + a));
    float lanes[VL], largest;
    V_STORE(lanes, most);
    largest = lanes[0];
    for (int lane = 1; lane < VL; lane++)
        largest = lanes[lane] > largest ? lanes[lane] : largest;
    if (temperature == 0) {
        int best = 0;
        while (logits[best] != largest)
            best++;
        return best;
    }
    const float divisor = temperature < 1e-30 ? 1e-30f : (float)temperature;
    const float least = 1.7e-38f; /* exp(-87) is 1.6e-38: what was held there has no weight */
    double groups[256 / GROUP], total = 0;
    for (int64_t a = 0; a < padded; a += VL) {
        VF s, x = V_SUB(V_LOAD(logits + a), V_SET1(largest));
        if (divisor != 1)
            x = V_DIV(x, V_SET1(divisor));
        VF p = NAME(scaled_expm1)(V_MAX(V_SET1(-87), x), &s);
        V_STORE(logits + a, V_FMA(s, p, s));
    }
    for (int64_t g = 0; g < padded / GROUP; g++) {
        double sums[4] = {0, 0, 0, 0};
        for (int a = 0; a < GROUP; a++) {
            float *weight = logits + g * GROUP + a;
            *weight = *weight < least ? 0 : *weight;
            sums[a % 4] += *weight;
        }
        groups[g] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        total += groups[g];
    }
    const double threshold = uniform * total;
    double edge = 0;
    int64_t g = 0;
    while (g + 1 < padded / GROUP && edge + groups[g] <= threshold)
        edge += groups[g++];
    /* Rounding may leave the threshold a last bit beyond the group; then the last class of positive weight is taken. */
    int code = (int)(g * GROUP), last = code;
    for (int a = 0; a < GROUP; a++) {
        const float weight = logits[g * GROUP + a];
        edge += weight;
        last = weight > 0 ? (int)(g * GROUP + a) : last;
        if (edge > threshold) {
            code = (int)(g * GROUP + a);
            return code;
        }
    }
    return last;
}
