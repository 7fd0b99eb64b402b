/* The synchronisation of two cores: counters that only grow, each on a cache line of its own. */

typedef struct {
    _Alignas(64) _Atomic int64_t progress;         /* leader: layers whose input and gated output lie ready */
    _Alignas(64) _Atomic int64_t past;             /* helper: layers whose past taps are summed */
    _Alignas(64) _Atomic int64_t skip_ready;       /* helper: samples whose skip stream lacks but the last layer */
    _Alignas(64) _Atomic int64_t hidden_of_leader; /* samples whose half of the head is done */
    _Alignas(64) _Atomic int64_t hidden_of_helper;
    _Alignas(64) _Atomic int64_t logits_of_helper;
    _Alignas(64) _Atomic int64_t stop; /* leader: the helper must return */
    char end[64];
} Pair;

static const double LONGEST_WAIT_S = 300e-6; /* a sample takes 10 to 300; a lost time slice 1,000 and more */
enum { LEAST_ALONE = 100, MOST_ALONE = 16000 }; /* samples before a core that did not answer is used again */
static const double FIRST_WAIT_S = 2e-3;     /* until the helper's thread runs */

static inline void publish(_Atomic int64_t *counter, int64_t value)
{
    atomic_store_explicit(counter, value, memory_order_release);
}

static inline int stopped(Pair *pair) { return atomic_load_explicit(&pair->stop, memory_order_relaxed) != 0; }

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static inline double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + 1e-9 * now.tv_nsec;
}

/* 0 when the counter has arrived; 1 if the wait was too long. */
static inline int await_helper(Pair *pair, _Atomic int64_t *counter, int64_t target)
{
    if (atomic_load_explicit(counter, memory_order_acquire) >= target)
        return 0;
    double begun = 0;
    const int started = atomic_load_explicit(&pair->past, memory_order_relaxed) > 0;
    for (int64_t spins = 1;; spins++) {
        relax();
        if (atomic_load_explicit(counter, memory_order_acquire) >= target)
            return 0;
        if (spins % 256 == 0) {
            const double now = seconds();
            begun = begun ? begun : now;
            if (now - begun > (started ? LONGEST_WAIT_S : FIRST_WAIT_S))
                return 1;
        }
    }
}

/* 0 when the counter has arrived; 1 if the leader has stopped the helper. */
static inline int await_leader(Pair *pair, _Atomic int64_t *counter, int64_t target)
{
    for (int64_t spins = 1; atomic_load_explicit(counter, memory_order_acquire) < target; spins++) {
        if (stopped(pair))
            return 1;
        relax();
        if (spins % 65536 == 0)
            sched_yield();
    }
    return 0;
}
