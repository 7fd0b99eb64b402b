/* One stream on two cores, split along the critical path.
 *
 * The leader computes what the next layer waits for: the current tap, the gate, the residual product.  The helper
 * computes what nothing waits for yet: the skip products, and the past taps of the next sample.  Both share the head.
 * The halves are equal, so each core reads half of the weights, from caches of its own.
 *
 * Only the leader writes what outlives the call (rings, history, codes).  So it may abandon the helper at any moment,
 * when the helper's thread was suspended for example, and compute the sample again alone: the same sums in the same
 * order, the same bits. */

typedef struct {
    const Network *net;
    const Memory *memory;
    const Run *run;
    Pair *pair;
    NAME(Scratch) *leader;
    float *past;   /* (L, 2 gate): filter sums without the current tap */
    float *gated;  /* (L, gate) */
    float *skip;   /* (skip): without the last layer, when the helper has finished */
    float *own_skip; /* (skip): the helper's, with it */
    float *x;      /* (residual): not used by the helper, which begins a sample for its skip stream only */
    float *row;    /* (head): the helper's copy of the hidden channels */
    int64_t stream, from, end; /* columns [from, end) */
} NAME(Job);

/* Columns that the leader computes of a product that both share. */
static inline int64_t NAME(leaders)(int64_t n_out)
{
    const int64_t blocks = n_out / BLOCK_COLUMNS;
    return (blocks + 1) / 2 * BLOCK_COLUMNS;
}

/* Compute columns [begin, end) of a product, both multiples of a block. */
static TARGET void NAME(part)(
    const Network *net, float *out, const float *x, Matrix matrix, int64_t n_in, int64_t begin, int64_t end)
{
    const Matrix right = {(const char *)matrix.weight + begin * column_bytes(net->storage, n_in),
                          matrix.scale ? matrix.scale + begin : NULL};
    if (begin < end)
        NAME(product)(net->storage, 1, out + begin, 0, x, 0, right, n_in, end - begin);
}

/* Sum the condition and the past taps of one layer at column i. */
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

/* Add the output of a layer to the skip stream. */
static TARGET void NAME(skip_product)(const NAME(Job) *job, int64_t layer, float *skip)
{
    const Network *net = job->net;
    NAME(add)(skip, net->residual_skip_bias + layer * (net->residual + net->skip) + net->residual, net->skip);
    NAME(product)(net->storage, 1, skip, 0, job->gated + layer * net->gate, 0, net->to_skip[layer], net->gate_in,
                  net->skip);
}

/* Finish the skip stream for the head.  Both cores compute it, each for itself, which takes less time than to pass it
 * on. */
static TARGET void NAME(end_skip)(const NAME(Job) *job, float *skip)
{
    const Network *net = job->net;
    memcpy(skip, job->skip, net->skip * sizeof(float));
    NAME(skip_product)(job, net->n_layers - 1, skip);
    NAME(rectify)(skip, net->skip);
    NAME(ready)(net->storage, skip, net->skip_in, skip);
}

static TARGET void *NAME(help)(void *argument)
{
    const NAME(Job) *job = argument;
    const Network *net = job->net;
    Pair *pair = job->pair;
    const int64_t L = net->n_layers;
    const float *history = job->memory->history + job->stream * net->kernel_size;
    float *hidden = job->leader->hidden, *logits = job->leader->logits;
    for (int64_t layer = 0; layer < L && !stopped(pair); layer++) {
        NAME(look_back)(job, layer, job->from);
        publish(&pair->past, layer + 1);
    }
    for (int64_t n = 0; n < job->end - job->from; n++) {
        for (int64_t layer = 0; layer < L; layer++) {
            if (await_leader(pair, &pair->progress, n * L + layer + 1))
                return NULL;
            if (layer == 0)
                NAME(begin_sample)(net, history, job->x, job->skip);
            if (layer + 1 == L)
                break;
            NAME(skip_product)(job, layer, job->skip);
            if (layer + 2 == L)
                publish(&pair->skip_ready, n + 1);
            if (n + 1 < job->end - job->from) {
                NAME(look_back)(job, layer, job->from + n + 1);
                publish(&pair->past, (n + 1) * L + layer + 1);
            }
        }
        if (L == 1)
            publish(&pair->skip_ready, n + 1);
        NAME(end_skip)(job, job->own_skip);
        NAME(part)(net, hidden, job->own_skip, *net->to_head, net->skip_in, NAME(leaders)(net->head), net->head);
        NAME(rectify)(hidden + NAME(leaders)(net->head), net->head - NAME(leaders)(net->head));
        publish(&pair->hidden_of_helper, n + 1);
        if (await_leader(pair, &pair->hidden_of_leader, n + 1))
            return NULL;
        NAME(ready)(net->storage, hidden, net->head_in, job->row);
        NAME(part)(net, logits, job->row, *net->output, net->head_in, NAME(leaders)(net->classes), net->classes);
        publish(&pair->logits_of_helper, n + 1);
        if (n + 1 < job->end - job->from) {
            NAME(look_back)(job, L - 1, job->from + n + 1);
            publish(&pair->past, (n + 1) * L + L);
        }
    }
    return NULL;
}

/* Compute the leader's half of column i.  `seen` is the last value read of the counter `past`, because reading it for
 * every layer would take its cache line from the helper.  Returns 1 if the helper did not answer in time, -1 if a logit
 * is not finite. */
static TARGET int NAME(lead)(const NAME(Job) *job, int64_t i, int64_t *seen)
{
    const Network *net = job->net;
    const Run *run = job->run;
    Pair *pair = job->pair;
    NAME(Scratch) *c = job->leader;
    const int64_t L = net->n_layers, n = i - job->from, t = run->start + i - run->first;
    const int64_t both = net->residual + net->skip;
    const int64_t frame = t / net->hop - run->start / net->hop, current = net->kernel_size - 1;
    float *ring = job->memory->rings + job->stream * net->ring_rows * net->residual;
    /* The arrays that the helper adds to are ready before the leader publishes any progress. */
    memcpy(c->hidden, c->conditions + frame * net->conditions + L * 2 * net->gate, net->head * sizeof(float));
    memcpy(c->logits, net->output_bias, net->classes * sizeof(float));
    NAME(begin_sample)(net, job->memory->history + job->stream * net->kernel_size, c->x, c->skip);
    for (int64_t layer = 0; layer < L; layer++) {
        float *input = ring + NAME(row)(net, layer, current, t) * net->residual;
        float *gated = job->gated + layer * net->gate;
        NAME(ready)(net->storage, c->x, net->residual_in, input);
        if (*seen < n * L + layer + 1) {
            if (await_helper(pair, &pair->past, n * L + layer + 1))
                return 1;
            *seen = atomic_load_explicit(&pair->past, memory_order_acquire); /* mostly a whole sample in advance */
        }
        memcpy(c->z, job->past + layer * 2 * net->gate, 2 * net->gate * sizeof(float));
        NAME(product)(net->storage, 1, c->z, 0, input, 0, net->filter[layer * net->kernel_size + current],
                      net->residual_in, 2 * net->gate);
        NAME(gate)(c->z, gated, net->gate);
        NAME(ready)(net->storage, gated, net->gate_in, gated);
        publish(&pair->progress, n * L + layer + 1);
        if (layer + 1 < L) {
            NAME(add)(c->x, net->residual_skip_bias + layer * both, net->residual);
            NAME(product)(net->storage, 1, c->x, 0, gated, 0, net->to_residual[layer], net->gate_in, net->residual);
        }
    }
    if (await_helper(pair, &pair->skip_ready, n + 1))
        return 1;
    NAME(end_skip)(job, c->skip);
    NAME(part)(net, c->hidden, c->skip, *net->to_head, net->skip_in, 0, NAME(leaders)(net->head));
    NAME(rectify)(c->hidden, NAME(leaders)(net->head));
    publish(&pair->hidden_of_leader, n + 1);
    if (await_helper(pair, &pair->hidden_of_helper, n + 1))
        return 1;
    NAME(ready)(net->storage, c->hidden, net->head_in, c->row);
    NAME(part)(net, c->logits, c->row, *net->output, net->head_in, 0, NAME(leaders)(net->classes));
    if (await_helper(pair, &pair->logits_of_helper, n + 1))
        return 1;
    return NAME(settle)(net, job->memory, run, c->logits, job->stream, i);
}

/* Columns [from, end) on both cores, as far as the helper answers in time.  Returns the first column that was not done;
 * `bad` is set to it if its logits are not finite. */
static TARGET int64_t NAME(together)(NAME(Job) *job, int64_t from, int64_t end, int64_t *bad)
{
    Pair pair = {0};
    pthread_t helper;
    job->pair = &pair;
    job->from = from;
    job->end = end;
    if (pthread_create(&helper, NULL, NAME(help), job)) {
        job->run->partner->alone = MOST_ALONE;
        return from;
    }
    int64_t i = from, seen = 0;
    for (; i < end; i++) {
        const int found = NAME(lead)(job, i, &seen);
        if (found == 1) {
            Partner *partner = job->run->partner;
            partner->abandoned++;
            partner->alone = partner->patience;
            partner->patience = partner->patience < MOST_ALONE ? 2 * partner->patience : MOST_ALONE;
        }
        if (found < 0)
            *bad = i - job->run->first;
        if (found)
            break;
    }
    atomic_store(&pair.stop, 1);
    pthread_join(helper, NULL);
    return i;
}

static TARGET int64_t NAME(advance_pair)(const Network *net, const Memory *memory, const Run *run, int64_t stream)
{
    NAME(Scratch) shared, alone;
    const int64_t size = (net->n_layers * 3 * net->gate + 2 * net->skip + net->residual + net->head + 15) / 16 * 16;
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
    memset(more, 0, size * sizeof(float));
    NAME(project)(net, run, &shared, stream, 1);
    memcpy(alone.conditions, shared.conditions, run->n_frames * net->conditions * sizeof(float));
    float *skip = more + net->n_layers * 3 * net->gate, *x = skip + 2 * net->skip;
    NAME(Job) job = {.net = net, .memory = memory, .run = run, .leader = &shared, .past = more,
                     .gated = more + net->n_layers * 2 * net->gate, .skip = skip, .own_skip = skip + net->skip,
                     .x = x, .row = x + net->residual, .stream = stream};
    const int64_t end = run->first + run->n;
    int64_t bad = -1, i = run->first;
    Partner *partner = run->partner;
    while (i < end && bad < 0) {
        if (partner->alone == 0) {
            const int64_t before = i;
            i = NAME(together)(&job, i, end, &bad);
            if (i - before >= MOST_ALONE / 16) /* without failure for long enough */
                partner->patience = LEAST_ALONE;
        }
        /* A core that did not answer is used again, but later every time. */
        for (; i < end && bad < 0 && partner->alone > 0; i++, partner->alone--)
            if (NAME(sample)(net, memory, run, &alone, stream, 1, i))
                bad = i - run->first;
    }
    free(more);
    free(shared.conditions);
    free(alone.conditions);
    return bad;
}
