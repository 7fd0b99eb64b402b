/* One sample of up to eight streams on one core, and the loop over samples. */

typedef struct {
    float *conditions; /* (S, F, conditions): every frame of the run, projected */
    float *x, *skip, *z, *gated, *hidden, *logits, *row; /* (S, padded channels) */
} NAME(Scratch);

/* Sizes in floats of a tile's scratch, in the order of Scratch. */
static void NAME(sizes)(const Network *net, int64_t n_frames, int64_t sizes[8])
{
    const int64_t found[8] = {net->conditions * n_frames, net->residual, net->skip,    2 * net->gate,
                              2 * net->gate,              net->head,     net->classes, net->head};
    memcpy(sizes, found, sizeof found);
}

static int NAME(allocate)(const Network *net, int64_t n_frames, int S, NAME(Scratch) *scratch)
{
    int64_t sizes[8], total = 0;
    NAME(sizes)(net, n_frames, sizes);
    for (int i = 0; i < 8; i++)
        total += (sizes[i] * S + 15) / 16 * 16;
    float *memory = aligned_alloc(64, total * sizeof(float));
    if (!memory)
        return -1;
    memset(memory, 0, total * sizeof(float));
    float **members[8] = {&scratch->conditions, &scratch->x,      &scratch->skip,   &scratch->z,
                          &scratch->gated,      &scratch->hidden, &scratch->logits, &scratch->row};
    for (int i = 0; i < 8; i++) {
        *members[i] = memory;
        memory += (sizes[i] * S + 15) / 16 * 16;
    }
    return 0;
}

/* Project every frame of the run to the conditions of all layers and of the head, including the biases of both. */
static TARGET void NAME(project)(
    const Network *net, const Run *run, NAME(Scratch) *scratch, int64_t begin, int S)
{
    const Matrix weight = {net->condition, NULL};
    for (int s = 0; s < S; s++) {
        /* Several frames at once, as several streams: with a frame for every sample the weights would be read as
         * often. */
        for (int64_t f = 0, rows; f < run->n_frames; f += rows) {
            const int64_t left = run->n_frames - f;
            rows = left >= MAX_TILE ? MAX_TILE : left >= 4 ? 4 : left >= 2 ? 2 : 1;
            float *to = scratch->conditions + (s * run->n_frames + f) * net->conditions;
            const float *from = run->latent + ((begin + s) * run->n_frames + f) * net->latent_in;
            for (int64_t row = 0; row < rows; row++)
                memcpy(to + row * net->conditions, net->condition_bias, net->conditions * sizeof(float));
            NAME(product)(STORE_FLOAT32, (int)rows, to, net->conditions, from, net->latent_in, weight, net->latent_in,
                          net->conditions);
        }
    }
}

/* Compute the two streams before the first layer. */
static TARGET void NAME(begin_sample)(const Network *net, const float *history, float *x, float *skip)
{
    memcpy(x, net->first_bias, net->residual * sizeof(float));
    memcpy(skip, net->first_bias + net->residual, net->skip * sizeof(float));
    for (int64_t k = 0; k < net->kernel_size; k++) {
        const float *row = net->first + k * (net->residual + net->skip);
        const VF scalar = V_SET1(history[k]);
        for (int64_t j = 0; j < net->residual; j += VL)
            V_STORE(x + j, V_FMA(scalar, V_LOAD(row + j), V_LOAD(x + j)));
        for (int64_t j = 0; j < net->skip; j += VL)
            V_STORE(skip + j, V_FMA(scalar, V_LOAD(row + net->residual + j), V_LOAD(skip + j)));
    }
}

/* The ring of a layer has (K - 1) dilation + 1 slots; the input of time t lies in slot t modulo their number. */
static inline int64_t NAME(row)(const Network *net, int64_t layer, int64_t tap, int64_t t)
{
    const int64_t slots = (net->kernel_size - 1) * net->dilations[layer] + 1;
    const int64_t slot = t % slots + 1 + tap * net->dilations[layer];
    return net->ring_offsets[layer] + (slot < slots ? slot : slot - slots);
}

static TARGET void NAME(remember)(const Network *net, float *history, int code)
{
    for (int64_t k = 0; k + 1 < net->kernel_size; k++)
        history[k] = history[k + 1];
    history[net->kernel_size - 1] = (float)code / (float)(net->n_classes - 1) - 0.5f;
}

/* Read or draw the code of column i; 0, or -1 if a logit is not finite. */
static TARGET int NAME(settle)(
    const Network *net, const Memory *memory, const Run *run, float *logits, int64_t stream, int64_t i)
{
    uint8_t *code = run->codes + stream * run->columns + i;
    if (i < run->logit_columns)
        memcpy(run->logits + (stream * run->logit_columns + i) * net->n_classes, logits,
               net->n_classes * sizeof(float));
    const int64_t t = run->start + i - run->first;
    const double uniform = run->forced ? 0 : philox_uniform(run->seed, run->streams[stream], (uint64_t)t);
    const int picked = NAME(pick)(logits, net->n_classes, run->forced ? 0 : run->temperature, uniform);
    if (picked < 0)
        return -1;
    if (!run->forced)
        *code = (uint8_t)picked;
    NAME(remember)(net, memory->history + stream * net->kernel_size, *code);
    return 0;
}

/* The variables that the parts of a sample share. */
typedef struct {
    const Network *net;
    const Run *run;
    NAME(Scratch) *c;
    float *rings; /* of the first of S streams */
    int64_t begin, i, t, frame, ring;
    int S;
} NAME(Moment);

/* Prefetch the ring rows of a layer.  Every sample reads rows that were last used `dilation` samples ago, and by then
 * the weights have evicted them from the near caches. */
static inline void NAME(ask_for_rows)(const Network *net, float *ring, int64_t layer, int64_t t)
{
    if (layer >= net->n_layers)
        return;
    const int64_t bytes = in_whole_numbers(net->storage) ? 2 * net->residual_in + 4 : 4 * net->residual_in;
    for (int64_t tap = 0; tap < net->kernel_size; tap++) {
        const char *row = (const char *)(ring + NAME(row)(net, layer, tap, t) * net->residual);
        for (int64_t byte = 0; byte < bytes; byte += 64)
            if (tap + 1 < net->kernel_size)
                __builtin_prefetch(row + byte, 0, 3);
            else
                __builtin_prefetch(row + byte, 1, 3); /* the newest row will be written */
    }
}

/* Write the inputs of a layer to its rings, and compute its filter sums without the current tap. */
static inline TARGET void NAME(enter)(const NAME(Moment) *m, int64_t layer)
{
    const Network *net = m->net;
    const Run *run = m->run;
    NAME(Scratch) *c = m->c;
    const int64_t newest = NAME(row)(net, layer, net->kernel_size - 1, m->t) * net->residual;
    for (int s = 0; s < m->S; s++) {
        NAME(ask_for_rows)(net, m->rings + s * m->ring, layer + 1, m->t);
        const float *condition = c->conditions + (s * run->n_frames + m->frame) * net->conditions;
        memcpy(c->z + s * 2 * net->gate, condition + layer * 2 * net->gate, 2 * net->gate * sizeof(float));
        if (m->i < run->trace_columns)
            memcpy(run->residual_trace +
                       (((m->begin + s) * run->trace_columns + m->i) * net->n_layers + layer) * net->residual_in,
                   c->x + s * net->residual, net->residual_in * sizeof(float));
        NAME(ready)(net->storage, c->x + s * net->residual, net->residual_in, m->rings + s * m->ring + newest);
    }
    for (int64_t tap = 0; tap + 1 < net->kernel_size; tap++)
        NAME(product)(net->storage, m->S, c->z, 2 * net->gate,
                      m->rings + NAME(row)(net, layer, tap, m->t) * net->residual, m->ring,
                      net->filter[layer * net->kernel_size + tap], net->residual_in, 2 * net->gate);
}

/* Add the output of layer `layer` - 1 to the skip stream. */
static inline TARGET void NAME(skip_of)(const NAME(Moment) *m, int64_t layer)
{
    const Network *net = m->net;
    const Run *run = m->run;
    NAME(Scratch) *c = m->c;
    if (layer > 0) {
        const float *bias = net->residual_skip_bias + (layer - 1) * (net->residual + net->skip) + net->residual;
        for (int s = 0; s < m->S; s++)
            NAME(add)(c->skip + s * net->skip, bias, net->skip);
        NAME(product)(net->storage, m->S, c->skip, net->skip, c->gated + (layer - 1) % 2 * m->S * net->gate, net->gate,
                      net->to_skip[layer - 1], net->gate_in, net->skip);
    }
    for (int s = 0; s < m->S && m->i < run->trace_columns; s++)
        memcpy(run->skip_trace +
                   (((m->begin + s) * run->trace_columns + m->i) * (net->n_layers + 1) + layer) * net->skip_in,
               c->skip + s * net->skip, net->skip_in * sizeof(float));
}

/* Compute column i of S streams from `begin` on; 0, or -1 if a logit is not finite.
 *
 * A layer waits for its own gate and for the residual of the layer before.  To fill this latency the skip product of
 * the layer before follows the gate, and the past taps of the next layer follow the residual product. */
static TARGET int NAME(sample)(
    const Network *net, const Memory *memory, const Run *run, NAME(Scratch) *c, int64_t begin, int S, int64_t i)
{
    const int64_t t = run->start + i - run->first, ring = net->ring_rows * net->residual;
    const NAME(Moment) m = {net, run, c, memory->rings + begin * ring,           begin,
                            i,   t,   t / net->hop - run->start / net->hop, ring, S};
    for (int s = 0; s < S; s++)
        NAME(begin_sample)(net, memory->history + (begin + s) * net->kernel_size, c->x + s * net->residual,
                           c->skip + s * net->skip);
    NAME(enter)(&m, 0);
    for (int64_t layer = 0; layer < net->n_layers; layer++) {
        const int64_t current = net->kernel_size - 1;
        NAME(product)(net->storage, S, c->z, 2 * net->gate, m.rings + NAME(row)(net, layer, current, t) * net->residual,
                      ring, net->filter[layer * net->kernel_size + current], net->residual_in, 2 * net->gate);
        float *gated = c->gated + layer % 2 * S * net->gate;
        for (int s = 0; s < S; s++) {
            NAME(gate)(c->z + s * 2 * net->gate, gated + s * net->gate, net->gate);
            NAME(ready)(net->storage, gated + s * net->gate, net->gate_in, gated + s * net->gate);
        }
        NAME(skip_of)(&m, layer);
        if (layer + 1 == net->n_layers)
            break;
        for (int s = 0; s < S; s++)
            NAME(add)(c->x + s * net->residual, net->residual_skip_bias + layer * (net->residual + net->skip),
                      net->residual);
        NAME(product)(net->storage, S, c->x, net->residual, gated, net->gate, net->to_residual[layer], net->gate_in,
                      net->residual);
        NAME(enter)(&m, layer + 1);
    }
    NAME(skip_of)(&m, net->n_layers);
    for (int s = 0; s < S; s++) {
        const float *condition = c->conditions + (s * run->n_frames + m.frame) * net->conditions;
        NAME(rectify)(c->skip + s * net->skip, net->skip);
        NAME(ready)(net->storage, c->skip + s * net->skip, net->skip_in, c->skip + s * net->skip);
        memcpy(c->hidden + s * net->head, condition + net->n_layers * 2 * net->gate, net->head * sizeof(float));
        memcpy(c->logits + s * net->classes, net->output_bias, net->classes * sizeof(float));
    }
    NAME(product)(net->storage, S, c->hidden, net->head, c->skip, net->skip, *net->to_head, net->skip_in, net->head);
    for (int s = 0; s < S; s++) {
        NAME(rectify)(c->hidden + s * net->head, net->head);
        NAME(ready)(net->storage, c->hidden + s * net->head, net->head_in, c->hidden + s * net->head);
    }
    NAME(product)(net->storage, S, c->logits, net->classes, c->hidden, net->head, *net->output, net->head_in,
                  net->classes);
    int found = 0;
    for (int s = 0; s < S; s++)
        found |= NAME(settle)(net, memory, run, c->logits + s * net->classes, begin + s, i);
    return found;
}

static TARGET int64_t NAME(advance)(
    const Network *net, const Memory *memory, const Run *run, int64_t begin, int64_t end)
{
    int64_t earliest = -1;
    while (begin < end) {
        int S = MAX_TILE;
        while (S > end - begin)
            S /= 2;
        NAME(Scratch) scratch;
        if (NAME(allocate)(net, run->n_frames, S, &scratch))
            return -2;
        NAME(project)(net, run, &scratch, begin, S);
        for (int64_t i = run->first; i < run->first + run->n; i++)
            if (NAME(sample)(net, memory, run, &scratch, begin, S, i)) {
                if (earliest < 0 || i - run->first < earliest)
                    earliest = i - run->first;
                break;
            }
        free(scratch.conditions);
        begin += S;
    }
    return earliest;
}
