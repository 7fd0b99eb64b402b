/* WaveNet generation on a CPU: everything is a matrix times a vector, and the time goes into reading the matrix.
 *
 * The sources that depend on the vector width are included once for every instruction set; the best one is chosen
 * when the program runs.  See native.h for what goes in. */
#include "native.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Bytes; enough for the latency of a distant cache at the speed of the arithmetic. */
#ifndef READ_AHEAD
#define READ_AHEAD 2048
#endif

#include "draw.h"
#include "together.h"

static inline int in_whole_numbers(int64_t storage) { return storage == STORE_INT16 || storage == STORE_INT8; }

/* Bytes of a column of n_in weights. */
static inline int64_t column_bytes(int64_t storage, int64_t n_in)
{
    return storage == STORE_FLOAT32   ? n_in * 4
           : storage == STORE_FLOAT16 ? n_in * 2
                                      : (n_in + 1) / 2 * 2 * (storage == STORE_INT16 ? 2 : 1);
}

#include "vector_portable.h"
#include "kernel.h"

#if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))
#define HAS_X86 1
#include <immintrin.h>

#include "vector_avx2.h"
#include "kernel.h"

#include "vector_avx512.h"
#include "kernel.h"

#define WITH_VNNI
#include "vector_avx512.h"
#include "kernel.h"
#endif

int64_t wavecore_isa(void)
{
#ifdef HAS_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return __builtin_cpu_supports("avx512vnni") ? ISA_AVX512_VNNI : ISA_AVX512;
    /* f16c has no name here; every processor with AVX2 has it. */
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return ISA_AVX2;
#endif
    return ISA_PORTABLE;
}

#ifdef HAS_X86
#define DISPATCH(name, ...) \
    (isa == ISA_AVX512_VNNI ? name##_avx512vnni(__VA_ARGS__) \
     : isa == ISA_AVX512    ? name##_avx512(__VA_ARGS__) \
     : isa == ISA_AVX2      ? name##_avx2(__VA_ARGS__) \
                            : name##_portable(__VA_ARGS__))
#else
#define DISPATCH(name, ...) name##_portable(__VA_ARGS__)
#endif

int64_t wavecore_advance(
    const Network *net, const Memory *memory, const Run *run, int64_t isa, int64_t begin, int64_t end)
{
    if (isa > wavecore_isa())
        return -2;
    return DISPATCH(advance, net, memory, run, begin, end);
}

int64_t wavecore_advance_pair(const Network *net, const Memory *memory, const Run *run, int64_t isa, int64_t stream)
{
    if (isa > wavecore_isa())
        return -2;
    return DISPATCH(advance_pair, net, memory, run, stream);
}

double wavecore_read(const void *memory, int64_t bytes, int64_t times, int64_t isa)
{
    return isa > wavecore_isa() ? -1 : DISPATCH(read, memory, bytes, times);
}

double wavecore_multiply_adds(int64_t n, int64_t isa)
{
    return isa > wavecore_isa() ? -1 : DISPATCH(multiply_adds, n);
}

double wavecore_dots(int64_t n, int64_t isa) { return isa > wavecore_isa() ? -1 : DISPATCH(dots, n); }
