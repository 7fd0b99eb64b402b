/* The limits of the machine, measured with the kernel's own instructions. */

static volatile float NAME(sink);

static TARGET double NAME(read)(const void *memory, int64_t bytes, int64_t times)
{
    const float *from = memory;
    const int64_t n = bytes / (int64_t)sizeof(float) / (8 * VL) * (8 * VL);
    VF sums[8];
    for (int v = 0; v < 8; v++)
        sums[v] = V_SET1(0);
    const double begun = seconds();
    for (int64_t time = 0; time < times; time++)
        for (int64_t i = 0; i < n; i += 8 * VL)
            for (int v = 0; v < 8; v++)
                sums[v] = V_ADD(sums[v], V_LOAD(from + i + v * VL));
    const double took = seconds() - begun;
    float out[VL];
    for (int v = 1; v < 8; v++)
        sums[0] = V_ADD(sums[0], sums[v]);
    V_STORE(out, sums[0]);
    NAME(sink) = out[0];
    return took;
}

static TARGET double NAME(multiply_adds)(int64_t n)
{
    VF sums[12];
    const VF a = V_SET1(NAME(sink) + 0.999f), b = V_SET1(NAME(sink) + 1e-3f);
    for (int v = 0; v < 12; v++)
        sums[v] = V_SET1((float)v);
    const double begun = seconds();
    for (int64_t i = 0; i < n; i++)
        for (int v = 0; v < 12; v++)
            sums[v] = V_FMA(sums[v], a, b);
    const double took = seconds() - begun;
    float out[VL];
    for (int v = 1; v < 12; v++)
        sums[0] = V_ADD(sums[0], sums[v]);
    V_STORE(out, sums[0]);
    NAME(sink) = out[0] * 0;
    return (double)n * 12 * VL / took;
}

static TARGET double NAME(dots)(int64_t n)
{
    VI sums[12];
    const VI a = V_SPLAT((int32_t)NAME(sink) + 0x00010003);
    for (int v = 0; v < 12; v++)
        sums[v] = V_SPLAT(v);
    const double begun = seconds();
    for (int64_t i = 0; i < n; i++)
        for (int v = 0; v < 12; v++)
            sums[v] = V_DOT(sums[v], a, sums[v]); /* different products, because equal ones would be computed once */
    const double took = seconds() - begun;
    float out[VL];
    for (int v = 1; v < 12; v++)
        sums[0] = V_LARGER(sums[0], sums[v]);
    V_STORE(out, V_TO_FLOAT(sums[0]));
    NAME(sink) = out[0] * 0;
    return (double)n * 12 * 2 * VL / took;
}
