/* The arguments of the native kernel.  Python fills these structures (kernels/cpu/native.py) and owns all memory.
 *
 * Channel counts are padded: gates to a multiple of 32, everything else that is written to a multiple of 64, with
 * zero weights.  A padded channel is zero throughout, so no sample depends on it.
 *
 * A matrix (n_in, n_out) is stored in blocks of 128 columns (the last may have 64), block after block, each block row
 * after row: the order in which it is read.  n_in is not padded, except to an even number for integers.  Python stores
 * the matrices one after the other in the order in which a core reads them, because a processor prefetches.
 */
#ifndef WAVECORE_NATIVE_H
#define WAVECORE_NATIVE_H

#include <stdint.h>

#define BLOCK_COLUMNS 128
#define MAX_TILE 8 /* streams that share one read of the weights */

enum { STORE_FLOAT32 = 0, STORE_FLOAT16 = 1, STORE_INT8 = 2, STORE_INT16 = 3 };
enum { ISA_PORTABLE = 0, ISA_AVX2 = 1, ISA_AVX512 = 2, ISA_AVX512_VNNI = 3 };

/* Of the storages in integers, see integers.h. */
#define LEVELS 8191      /* steps of an input on either side of zero */
#define MOST_INPUTS 128  /* that are summed in integers */
#define ROW_UNIT 32      /* inputs */

typedef struct {
    const void *weight; /* float, uint16_t (half), int8_t or int16_t, by Network.storage */
    const float *scale; /* per column, for integers only */
} Matrix;

typedef struct {
    int64_t storage;
    int64_t n_layers, kernel_size, n_classes, hop;
    /* channels that are read ... */
    int64_t residual_in, gate_in, skip_in, head_in, latent_in;
    /* ... and, padded, those that are written */
    int64_t residual, gate, skip, head, classes, conditions;
    const int64_t *dilations, *ring_offsets; /* per layer; the offset in rows */
    int64_t ring_rows;                       /* of one stream: the slots of all layers */
    const float *first, *first_bias;         /* (K, residual + skip), (residual + skip) */
    const float *condition, *condition_bias; /* blocked float32 (latent_in, conditions), (conditions) */
    const Matrix *filter;                    /* per layer and tap: (residual_in, 2 gate) */
    const Matrix *to_residual, *to_skip;     /* per layer: (gate_in, residual), (gate_in, skip) */
    const float *residual_skip_bias;         /* (L, residual + skip) */
    const Matrix *to_head, *output;          /* (skip_in, head), (head_in, classes) */
    const float *output_bias;                /* (classes) */
} Network;

typedef struct {
    float *rings;   /* (B, ring_rows, residual): the inputs of every layer, as products take them */
    float *history; /* (B, K): input scalars, the newest last */
} Memory;

/* The state that one stream on two cores keeps about the second one. */
typedef struct {
    int64_t abandoned; /* how often it did not answer in time */
    int64_t alone;     /* samples still to be computed without it */
    int64_t patience;  /* samples to be computed without it when it fails again; at first LEAST_ALONE */
} Partner;

typedef struct {
    const float *latent; /* (B, n_frames, latent_in), begins with the frame of `start` */
    int64_t n_frames;
    int64_t start;           /* time of the first sample */
    int64_t first, n;        /* columns [first, first + n) of codes are run over */
    int64_t columns;         /* of codes */
    int64_t forced;          /* codes are input, else output */
    uint64_t seed;
    const uint64_t *streams; /* (B) */
    double temperature;
    uint8_t *codes;          /* (B, columns) */
    float *logits;           /* (B, logit_columns, n_classes), written as far as it reaches; so the next two */
    int64_t logit_columns;
    float *residual_trace;   /* (B, trace_columns, L, residual_in) */
    float *skip_trace;       /* (B, trace_columns, L + 1, skip_in) */
    int64_t trace_columns;
    Partner *partner;
} Run;

/* The best instruction set that this processor has. */
int64_t wavecore_isa(void);

/* Run streams [begin, end).  Returns how many samples passed before one whose logits are not finite, -1 if all are
 * finite, -2 if memory or the instruction set is lacking. */
int64_t wavecore_advance(const Network *, const Memory *, const Run *, int64_t isa, int64_t begin, int64_t end);

/* The same for one stream on two cores. */
int64_t wavecore_advance_pair(const Network *, const Memory *, const Run *, int64_t isa, int64_t stream);

/* Read `bytes` bytes `times` times as a product at batch 1 would, and do nothing else: the memory roofline.
 * Returns seconds. */
double wavecore_read(const void *memory, int64_t bytes, int64_t times, int64_t isa);

/* Do `n` independent multiply-adds of float32 per lane, or of pairs of integers: the arithmetic roofline.  Returns
 * multiply-adds per second. */
double wavecore_multiply_adds(int64_t n, int64_t isa);
double wavecore_dots(int64_t n, int64_t isa);

#endif
