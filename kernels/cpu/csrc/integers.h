/* Products in integers: 16-bit inputs times 16-bit or 8-bit weights, summed exactly in 32 bits.
 *
 * Converting half precision to float32 costs two to three instructions per vector of weights, more than the
 * multiply-add and more than the read.  Here one instruction multiplies a pair of inputs by a pair of weights, and
 * nothing is converted before the sum is complete.  An integer sum has no rounding, so neither tiles nor vector widths
 * nor the second core can change it.
 *
 * Such a matrix (n_in, n_out) is stored as that of products.h, but two rows at a time: the weights of inputs 2k and
 * 2k + 1 lie side by side for each column.  Its columns have a scale each.  Python chooses it so that LEVELS times the
 * absolute weights of a column, over MOST_INPUTS inputs, stay below 2^31. */

/* A row of inputs: int16 times the scale that follows them, where float32 of n inputs would lie. */
static inline const char *NAME(scale_of)(const float *row, int64_t n_in)
{
    return (const char *)row + (n_in + ROW_UNIT - 1) / ROW_UNIT * ROW_UNIT * 2;
}

/* Round x (n_in) to LEVELS steps on either side of zero; to == x is allowed.  A row with a number that is not finite
 * has a scale that is not finite, so that the logits are not finite either. */
static TARGET void NAME(quantise)(const float *x, int64_t n_in, float *to)
{
    const int64_t n = (n_in + ROW_UNIT - 1) / ROW_UNIT * ROW_UNIT;
    VI most = V_SPLAT(0);
    for (int64_t j = 0; j < n; j += VL)
        most = V_LARGER(most, V_MAGNITUDE(V_LOAD(x + j)));
    const int32_t bits = V_LARGEST(most); /* of positive floats; NaN's are the largest, then infinity's */
    float largest;
    memcpy(&largest, &bits, sizeof largest);
    const int sound = bits < 0x7F800000 && largest > 1e-30f;
    const float inverse = sound ? LEVELS / largest : 0;
    const float scale = sound ? largest / LEVELS : bits < 0x7F800000 ? 0 : NAN;
    int16_t *whole = (int16_t *)to;
    if (sound)
        for (int64_t j = 0; j < n; j += VL)
            V_STORE16(whole + j, V_MUL(V_LOAD(x + j), V_SET1(inverse)));
    else
        memset(whole, 0, n * sizeof *whole);
    memcpy((char *)to + 2 * n, &scale, sizeof scale);
}

/* A pair of inputs of S streams times its weights for V vectors of columns. */
#define DOT_ROW(set) \
    { \
        VI pairs[8]; \
        for (int v = 0; v < V; v++) \
            pairs[v] = storage == STORE_INT16 ? V_PAIRS16(row + (set) * row_bytes + v * VL * 4) \
                                              : V_PAIRS8(row + (set) * row_bytes + v * VL * 2); \
        for (int s = 0; s < S; s++) { \
            int32_t pair; \
            memcpy(&pair, inputs + (set) * 4 + s * x_stride * 4, sizeof pair); \
            const VI input = V_SPLAT(pair); \
            for (int v = 0; v < V; v++) \
                sums[(set) * S + s][v] = V_DOT(sums[(set) * S + s][v], input, pairs[v]); \
        } \
    }

/* As NAME(tile) of products.h, for rows of integers.  Few sums would wait for each other, so of up to four there
 * are two sets, for even and odd pairs of inputs. */
static inline __attribute__((always_inline)) TARGET void NAME(whole_tile)(
    const int S, const int V, const int storage, float *out, int64_t out_stride, const float *x, int64_t x_stride,
    const char *weight, int64_t row_bytes, int64_t n_in, const float *scale)
{
    const int SETS = S * V > 4 ? 1 : 2;
    for (int64_t begin = 0; begin < n_in; begin += MOST_INPUTS) {
        const int64_t left = n_in - begin < MOST_INPUTS ? n_in - begin : MOST_INPUTS;
        const char *inputs = (const char *)x + 2 * begin;
        const char *row = weight + begin / 2 * row_bytes, *const end = row + (left + 1) / 2 * row_bytes;
        const char *const even_end = end - ((left + 1) / 2) % SETS * row_bytes;
        VI sums[2 * MAX_TILE][8];
        for (int s = 0; s < SETS * S; s++)
            for (int v = 0; v < V; v++)
                sums[s][v] = V_SPLAT(0);
        for (; row != even_end; row += SETS * row_bytes, inputs += SETS * 4)
            for (int set = 0; set < SETS; set++)
                DOT_ROW(set)
        if (row != end)
            DOT_ROW(0)
        for (int s = 0; s < S; s++) {
            float step;
            memcpy(&step, NAME(scale_of)(x + s * x_stride, n_in), sizeof step);
            for (int v = 0; v < V; v++) {
                float *to = out + s * out_stride + v * VL;
                const VI sum = SETS == 1 ? sums[s][v] : V_PLUS(sums[s][v], sums[S + s][v]);
                V_STORE(to, V_FMA(V_TO_FLOAT(sum), V_MUL(V_SET1(step), V_LOAD(scale + v * VL)), V_LOAD(to)));
            }
        }
    }
}
#undef DOT_ROW
