/* One stream on two cores, split along the critical path.
 *
 * The leader does what the next layer waits for: the current tap, the gate, the residual product.  The helper does
 * what nothing waits for yet: the skip products, and the past taps of the next sample.  Both share the head.  The
 * halves are equal, so each core reads half of the weights, from caches of its own.
 *
 * Only the leader writes what outlives the call (rings, history, codes).  So it may give the helper up at any
 * moment, when that was taken off its core for example, and do the sample again alone: the same sums in the same
 * order, the same bits. */

typedef struct {
    const Network *net;
    const Memory *memory;
    const Run *run;
    Pair *pair;
    NAME(Scratch) *leader;
    float *past;   /* (L, 2 gate): filter sums without the current tap */
    float *gated;  /* (L, gate) */
    float *skip;   /* (skip), rectified when the helper is through */
    int64_t stream;
} NAME(Job);

/* Blocks of columns that the leader does of a product that both share. */
static inline int64_t NAME(leaders)(int64_t n_out)
{
    const int64_t blocks = n_out / BLOCK_COLUMNS;
    return (blocks + 1) / 2 * BLOCK_COLUMNS;
}

/* Columns [begin, end) of a product, both multiples of a block. */
static TARGET void NAME(part)(
    const Network *net, float *out, const float *x, Matrix matrix, int64_t n_in, int64_t begin, int64_t end)
{
    const int64_t width = net->storage == STORE_FLOAT32 ? 4 : net->storage == STORE_FLOAT16 ? 2 : 1;
    const Matrix right = {(const char *)matrix.weight + begin * n_in * width,
                          matrix.scale ? matrix.scale + begin : NULL};
    if (begin < end)
        NAME(product)(net->storage, 1, out + begin, 0, x, 0, right, n_in, end - begin);
}

/* Condition and past taps of one layer at column i. */
static TARGET void NAME(look_back)(const NAME(Job) *job, int64_t layer, int64_t i)
{
    const Network *net = job->net;
    const Run *run = job->run;
    const int64_t t = run->start + i - run->first, frame = t / net->hop - run->start / net->hop;
    const float *condition = job->leader->conditions + frame * net->conditions + layer * 2 * net->gate;
    const float *ring = job->memory->rings + job->stream * net->ring_rows * net->residual;
    float *z = job->past + layer * 2 * net->gate;
    memcpy(z, condition, 2 * net->gate * sizeof(float));
    for (int64_t tap = 0; tap + 1 < net->kernel_size; tap++)
        NAME(product)(net->storage, 1, z, 0, ring + NAME(row)(net, layer, tap, t) * net->residual, 0,
                      net->filter[layer * net->kernel_size + tap], net->residual_in, 2 * net->gate);
}

static TARGET void *NAME(help)(void *argument)
{
    const NAME(Job) *job = argument;
    const Network *net = job->net;
    const Run *run = job->run;
    Pair *pair = job->pair;
    const int64_t L = net->n_layers, both = net->residual + net->skip;
    const float *history = job->memory->history + job->stream * net->kernel_size;
    float *hidden = job->leader->hidden, *logits = job->leader->logits;
    for (int64_t layer = 0; layer < L && !stopped(pair); layer++) {
        NAME(look_back)(job, layer, run->first);
        publish(&pair->past, layer + 1);
    }
    for (int64_t n = 0; n < run->n; n++) {
        for (int64_t layer = 0; layer < L; layer++) {
            if (await_leader(pair, &pair->progress, n * L + layer + 1))
                return NULL;
            if (layer == 0)
                NAME(begin_sample)(net, history, job->leader->input, job->skip);
            NAME(add)(job->skip, net->residual_skip_bias + layer * both + net->residual, net->skip);
            NAME(product)(net->storage, 1, job->skip, 0, job->gated + layer * net->gate, 0, net->to_skip[layer],
                          net->gate_in, net->skip);
            if (layer + 1 < L && n + 1 < run->n) {
                NAME(look_back)(job, layer, run->first + n + 1);
                publish(&pair->past, (n + 1) * L + layer + 1);
            }
        }
        NAME(rectify)(job->skip, net->skip);
        publish(&pair->skip_ready, n + 1);
        NAME(part)(net, hidden, job->skip, *net->to_head, net->skip_in, NAME(leaders)(net->head), net->head);
        NAME(rectify)(hidden + NAME(leaders)(net->head), net->head - NAME(leaders)(net->head));
        publish(&pair->hidden_of_helper, n + 1);
        if (await_leader(pair, &pair->hidden_of_leader, n + 1))
            return NULL;
        NAME(part)(net, logits, hidden, *net->output, net->head_in, NAME(leaders)(net->classes), net->classes);
        publish(&pair->logits_of_helper, n + 1);
        if (n + 1 < run->n) {
            NAME(look_back)(job, L - 1, run->first + n + 1);
            publish(&pair->past, (n + 1) * L + L);
        }
    }
    return NULL;
}

/* The leader's half of column i; 1 if the helper did not answer in time, -1 if a logit is not finite. */
static TARGET int NAME(lead)(const NAME(Job) *job, int64_t i)
{
    const Network *net = job->net;
    const Run *run = job->run;
    Pair *pair = job->pair;
    NAME(Scratch) *c = job->leader;
    const int64_t L = net->n_layers, n = i - run->first, t = run->start + n, both = net->residual + net->skip;
    const int64_t frame = t / net->hop - run->start / net->hop, current = net->kernel_size - 1;
    float *ring = job->memory->rings + job->stream * net->ring_rows * net->residual;
    /* What the helper adds to lies ready before it is told that there is something to add. */
    memcpy(c->hidden, c->conditions + frame * net->conditions + L * 2 * net->gate, net->head * sizeof(float));
    memcpy(c->logits, net->output_bias, net->classes * sizeof(float));
    NAME(begin_sample)(net, job->memory->history + job->stream * net->kernel_size, c->x, c->skip);
    for (int64_t layer = 0; layer < L; layer++) {
        float *input = ring + NAME(row)(net, layer, current, t) * net->residual;
        float *gated = job->gated + layer * net->gate;
        memcpy(input, c->x, net->residual * sizeof(float));
        if (await_helper(pair, &pair->past, n * L + layer + 1))
            return 1;
        memcpy(c->z, job->past + layer * 2 * net->gate, 2 * net->gate * sizeof(float));
        NAME(product)(net->storage, 1, c->z, 0, input, 0, net->filter[layer * net->kernel_size + current],
                      net->residual_in, 2 * net->gate);
        NAME(gate)(c->z, gated, net->gate);
        publish(&pair->progress, n * L + layer + 1);
        if (layer + 1 < L) {
            NAME(add)(c->x, net->residual_skip_bias + layer * both, net->residual);
            NAME(product)(net->storage, 1, c->x, 0, gated, 0, net->to_residual[layer], net->gate_in, net->residual);
        }
    }
    if (await_helper(pair, &pair->skip_ready, n + 1))
        return 1;
    NAME(part)(net, c->hidden, job->skip, *net->to_head, net->skip_in, 0, NAME(leaders)(net->head));
    NAME(rectify)(c->hidden, NAME(leaders)(net->head));
    publish(&pair->hidden_of_leader, n + 1);
    if (await_helper(pair, &pair->hidden_of_helper, n + 1))
        return 1;
    NAME(part)(net, c->logits, c->hidden, *net->output, net->head_in, 0, NAME(leaders)(net->classes));
    if (await_helper(pair, &pair->logits_of_helper, n + 1))
        return 1;
    return NAME(settle)(net, job->memory, run, c->logits, job->stream, i);
}

static TARGET int64_t NAME(advance_pair)(const Network *net, const Memory *memory, const Run *run, int64_t stream)
{
    NAME(Scratch) shared, alone;
    Pair pair = {0};
    const int64_t size = (net->n_layers * 3 * net->gate + net->skip + 15) / 16 * 16;
    float *more = aligned_alloc(64, size * sizeof(float));
    if (!more || NAME(allocate)(net, run->n_frames, 1, &shared)) {
        free(more);
        return -2;
    }
    if (NAME(allocate)(net, run->n_frames, 1, &alone)) {
        free(more);
        free(shared.conditions);
        return -2;
    }
    NAME(project)(net, run, &shared, stream, 1);
    memcpy(alone.conditions, shared.conditions, run->n_frames * net->conditions * sizeof(float));
    NAME(Job) job = {net, memory, run, &pair, &shared, more, more + net->n_layers * 2 * net->gate,
                     more + net->n_layers * 3 * net->gate, stream};
    pthread_t helper;
    int together = pthread_create(&helper, NULL, NAME(help), &job) == 0;
    const int join = together;
    int64_t bad = -1;
    for (int64_t i = run->first; i < run->first + run->n && bad < 0; i++) {
        int found = together ? NAME(lead)(&job, i) : 1;
        if (found == 1) {
            if (together) {
                atomic_store(&pair.stop, 1);
                ++*run->abandoned;
            }
            together = 0;
            found = NAME(sample)(net, memory, run, &alone, stream, 1, i);
        }
        if (found)
            bad = i - run->first;
    }
    atomic_store(&pair.stop, 1);
    if (join)
        pthread_join(helper, NULL);
    free(more);
    free(shared.conditions);
    free(alone.conditions);
    return bad;
}
