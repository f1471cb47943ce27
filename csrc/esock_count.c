/* Counters and the trace. One function per direction gets the result of every system call, and only it counts and
 * traces. */
#include "esock_internal.h"

#include <string.h>

static struct {
    esock_trace_fn *fn;
    void *arg;
} trace;

void esock_set_trace(esock_trace_fn *fn, void *arg) {
    __atomic_store_n(&trace.arg, arg, __ATOMIC_RELEASE);
    __atomic_store_n(&trace.fn, fn, __ATOMIC_RELEASE);
}

void esock_trace(esock *s, int on) {
    if (on)
        __atomic_or_fetch(&s->flags, ESOCK__TRACE, __ATOMIC_RELAXED);
    else
        __atomic_and_fetch(&s->flags, ~(uint32_t)ESOCK__TRACE, __ATOMIC_RELAXED);
}

void esock__trace(const esock *s, const char *op, long result) {
    if (!(esock__flags(s) & ESOCK__TRACE)) return;
    esock_trace_fn *fn = __atomic_load_n(&trace.fn, __ATOMIC_ACQUIRE);
    if (fn != NULL) fn(__atomic_load_n(&trace.arg, __ATOMIC_ACQUIRE), s->fd, op, result);
}

/* Adds n to a counter of fewer than 64 bits, as tests have that need to see a wrap. */
static void add_narrow(esock *s, enum esock_counter c, uint64_t n) {
    uint64_t *v = &s->counters.value[c];
    uint64_t mask = (UINT64_C(1) << s->width) - 1, new;
    uint64_t old = __atomic_load_n(v, __ATOMIC_RELAXED);
    do {
        new = (old + n) & mask;
    } while (!__atomic_compare_exchange_n(v, &old, new, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    if (new < old || n > mask) __atomic_or_fetch(&s->counters.wrapped, 1u << c, __ATOMIC_RELAXED);
}

/* Adds n to a counter. It is inline because each system call counts three times, and c is a constant. */
static inline __attribute__((always_inline)) void add(esock *s, enum esock_counter c, uint64_t n) {
    if (s->width != 64) {
        add_narrow(s, c, n);
        return;
    }
    uint64_t *v = &s->counters.value[c];
    uint64_t old;
    /* The read counters have two writers, because one thread may read the error queue while another receives. */
    if (c >= ESOCK_WRITE_BYTE && esock__flags(s) & ESOCK__ALONE) {
        old = __atomic_load_n(v, __ATOMIC_RELAXED);
        __atomic_store_n(v, old + n, __ATOMIC_RELAXED);
    } else {
        old = __atomic_fetch_add(v, n, __ATOMIC_RELAXED);
    }
    if (old + n < old) __atomic_or_fetch(&s->counters.wrapped, 1u << c, __ATOMIC_RELAXED);
}

static void raise_to(uint64_t *v, uint64_t n) {
    uint64_t old = __atomic_load_n(v, __ATOMIC_RELAXED);
    while (old < n &&
           !__atomic_compare_exchange_n(v, &old, n, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

/* Adds n bytes to a request, which is in progress from now on. */
static void request_add(uint64_t *sum, uint8_t *open, uint64_t n) {
    __atomic_store_n(sum, __atomic_load_n(sum, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
    __atomic_store_n(open, 1, __ATOMIC_RELAXED);
}

static void end_request(esock *s, uint64_t *sum, uint8_t *open, enum esock_counter pkg,
                        enum esock_counter pkg_max) {
    if (!__atomic_load_n(open, __ATOMIC_RELAXED)) return;
    uint64_t n = __atomic_load_n(sum, __ATOMIC_RELAXED);
    __atomic_store_n(open, 0, __ATOMIC_RELAXED);
    __atomic_store_n(sum, 0, __ATOMIC_RELAXED);
    add(s, pkg, 1);
    raise_to(&s->counters.value[pkg_max], n);
}

void esock_end_read(esock *s) {
    end_request(s, &s->read_sum, &s->counters.receiving, ESOCK_READ_PKG, ESOCK_READ_PKG_MAX);
}

void esock_end_write(esock *s) {
    end_request(s, &s->write_sum, &s->counters.sending, ESOCK_WRITE_PKG, ESOCK_WRITE_PKG_MAX);
}

/* Counts that a request moved `got` bytes; with `last` the request ends. */
static void moved(esock *s, uint64_t *sum, uint8_t *open, enum esock_counter pkg,
                  enum esock_counter pkg_max, uint64_t got, bool last) {
    if (last && !__atomic_load_n(open, __ATOMIC_RELAXED)) { /* in one call, as usual */
        add(s, pkg, 1);
        raise_to(&s->counters.value[pkg_max], got);
        return;
    }
    request_add(sum, open, got);
    if (last) end_request(s, sum, open, pkg, pkg_max);
}

/* Returns whether a receive of 0 bytes was the end of a seqpacket connection, which looks like an empty message. It is
 * the end if the peer has shut down and no message with bytes follows: the peer may have sent more messages before it
 * shut down. An empty message that nothing, or only another empty one, follows is taken for the end. */
static bool at_end(const esock *s) {
    struct pollfd p = {.fd = s->fd, .events = POLLRDHUP, .revents = 0};
    int r;
    ESOCK__RETRY(r, s->sys->poll(s->sys, &p, 1, 0));
    if (r <= 0 || !(p.revents & (POLLRDHUP | POLLHUP))) return false;
    char next;
    ssize_t n;
    ESOCK__RETRY(n, s->sys->recv(s->sys, s->fd, &next, 1, MSG_PEEK | ESOCK__RECV_FLAGS(s)));
    return n <= 0;
}

/* Counts a read of the error queue. Each record is one message, on a stream too, and a zero-copy notice has no bytes. A
 * receive request in progress goes on, because another thread may receive. Linux removes the record even with
 * MSG_PEEK. */
static void count_queued(esock *s, ssize_t n, size_t want, unsigned how) {
    add(s, ESOCK_READ_TRIES, 1);
    if (n == -EAGAIN) {
        if (!(how & ESOCK_POLL)) add(s, ESOCK_READ_WAITS, 1);
        return;
    }
    if (n < 0) {
        add(s, ESOCK_READ_FAILS, 1);
        return;
    }
    uint64_t got = (uint64_t)n < want ? (uint64_t)n : want;
    add(s, ESOCK_READ_BYTE, got);
    add(s, ESOCK_READ_PKG, 1);
    raise_to(&s->counters.value[ESOCK_READ_PKG_MAX], got);
}

/* Counts a request that one system call has completed, which is the usual case. The general case below counts the same, with
 * more branches. `byte` is the first counter of the direction. */
static inline __attribute__((always_inline)) ssize_t usual(esock *s, ssize_t n,
                                                           enum esock_counter byte,
                                                           const char *op) {
    enum esock_counter after = byte - ESOCK_READ_BYTE;
    add(s, byte, (uint64_t)n);
    add(s, ESOCK_READ_PKG + after, 1);
    raise_to(&s->counters.value[ESOCK_READ_PKG_MAX + after], (uint64_t)n);
    add(s, ESOCK_READ_TRIES + after, 1);
    esock__trace(s, op, (long)n);
    return n;
}

ssize_t esock__count_read(esock *s, ssize_t n, size_t want, int flags, unsigned how,
                          const char *op) {
    if (n > 0 && (size_t)n <= want && !(flags & (MSG_ERRQUEUE | MSG_PEEK)) &&
        !(how & (ESOCK_FULL | ESOCK_CONT)) &&
        !__atomic_load_n(&s->counters.receiving, __ATOMIC_RELAXED))
        return usual(s, n, ESOCK_READ_BYTE, op);
    /* Where it depends on the kernel, and recv does not say whether it read the error queue, 0 bytes are not an end. */
    if (flags & MSG_ERRQUEUE &&
        (how & ESOCK__QUEUED || esock_error_queue(s) != ESOCK_ERRQUEUE_NO)) {
        count_queued(s, n, want, how);
        esock__trace(s, op, (long)n);
        return n;
    }
    bool stream = s->type == SOCK_STREAM;
    if (!(how & ESOCK_CONT)) esock_end_read(s);
    add(s, ESOCK_READ_TRIES, 1);
    if (n == 0 && s->type == SOCK_SEQPACKET && !(how & ESOCK__MESSAGE) && at_end(s)) n = -ESHUTDOWN;
    if (n == -EAGAIN) {
        if (!(how & ESOCK_POLL)) add(s, ESOCK_READ_WAITS, 1);
    } else if (n < 0 || (n == 0 && stream)) {
        add(s, ESOCK_READ_FAILS, 1);
        esock_end_read(s);
    } else if (!(flags & MSG_PEEK)) {
        /* With MSG_TRUNC the kernel reports the whole length of a message that it cut, on SCTP's streams too. TCP
         * reports what it removed from the queue, never more than `want`. */
        uint64_t got = (uint64_t)n < want ? (uint64_t)n : want;
        add(s, ESOCK_READ_BYTE, got);
        moved(s, &s->read_sum, &s->counters.receiving, ESOCK_READ_PKG, ESOCK_READ_PKG_MAX, got,
              !(stream && (how & ESOCK_FULL) && got < want));
    }
    esock__trace(s, op, (long)n);
    return n;
}

ssize_t esock__count_write(esock *s, ssize_t n, size_t want, unsigned how, const char *op) {
    if (n > 0 && (size_t)n == want && !(how & ESOCK_CONT) &&
        !__atomic_load_n(&s->counters.sending, __ATOMIC_RELAXED))
        return usual(s, n, ESOCK_WRITE_BYTE, op);
    bool stream = s->type == SOCK_STREAM;
    if (!(how & ESOCK_CONT)) esock_end_write(s);
    add(s, ESOCK_WRITE_TRIES, 1);
    if (n == -EAGAIN) {
        if (!(how & ESOCK_POLL)) add(s, ESOCK_WRITE_WAITS, 1);
    } else if (n < 0) {
        add(s, ESOCK_WRITE_FAILS, 1);
        esock_end_write(s);
    } else {
        add(s, ESOCK_WRITE_BYTE, (uint64_t)n);
        moved(s, &s->write_sum, &s->counters.sending, ESOCK_WRITE_PKG, ESOCK_WRITE_PKG_MAX,
              (uint64_t)n, !(stream && (size_t)n < want));
    }
    esock__trace(s, op, (long)n);
    return n;
}

/* Counts messages that one system call has moved. */
static void count_many(esock *s, int writing, uint64_t messages, uint64_t bytes, uint64_t most) {
    enum esock_counter after = writing ? ESOCK_WRITE_BYTE - ESOCK_READ_BYTE : 0;
    add(s, ESOCK_READ_BYTE + after, bytes);
    add(s, ESOCK_READ_PKG + after, messages);
    raise_to(&s->counters.value[ESOCK_READ_PKG_MAX + after], most);
}

void esock_count(esock *s, int writing, uint64_t messages, uint64_t bytes, uint64_t most) {
    esock__count_batch(s, writing, messages == 0 ? -EIO : 1, messages, bytes, most, 0, NULL);
}

void esock__count_batch(esock *s, int writing, int r, uint64_t dgrams, uint64_t bytes,
                        uint64_t most, unsigned how, const char *op) {
    enum esock_counter after = writing ? ESOCK_WRITE_BYTE - ESOCK_READ_BYTE : 0;
    if (writing)
        esock_end_write(s);
    else
        esock_end_read(s);
    add(s, ESOCK_READ_TRIES + after, 1);
    if (r >= 0) {
        count_many(s, writing, dgrams, bytes, most);
    } else if (r != -EAGAIN) {
        add(s, ESOCK_READ_FAILS + after, 1);
    } else if (!(how & ESOCK_POLL)) {
        add(s, ESOCK_READ_WAITS + after, 1);
    }
    if (op != NULL) esock__trace(s, op, r);
}

int esock__count_accept(esock *s, int r, unsigned how) {
    add(s, ESOCK_ACC_TRIES, 1);
    if (r >= 0)
        add(s, ESOCK_ACC_SUCCESS, 1);
    else if (r != -EAGAIN)
        add(s, ESOCK_ACC_FAILS, 1);
    else if (!(how & ESOCK_POLL))
        add(s, ESOCK_ACC_WAITS, 1);
    esock__trace(s, "accept", r);
    return r;
}

esock_sendfile_counters *esock__sendfile_block(esock *s) {
    esock_sendfile_counters *b = __atomic_load_n(&s->sendfile, __ATOMIC_ACQUIRE);
    if (b != NULL) return b;
    esock_sendfile_counters *fresh = s->sys->alloc(s->sys, sizeof *fresh);
    if (fresh == NULL) return NULL;
    memset(fresh, 0, sizeof *fresh);
    if (__atomic_compare_exchange_n(&s->sendfile, &b, fresh, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return fresh;
    s->sys->free(s->sys, fresh);
    return b;
}

static void add_sendfile(esock_sendfile_counters *b, enum esock_sendfile_counter c, uint64_t n) {
    __atomic_fetch_add(&b->value[c], n, __ATOMIC_RELAXED);
}

ssize_t esock__count_sendfile(esock *s, ssize_t n, unsigned how) {
    esock_sendfile_counters *b = s->sendfile;
    add_sendfile(b, ESOCK_SENDFILE, 1);
    if (!(how & ESOCK_CONT)) add_sendfile(b, ESOCK_SENDFILE_TRIES, 1);
    if (n > 0) {
        add_sendfile(b, ESOCK_SENDFILE_BYTE, (uint64_t)n);
        add_sendfile(b, ESOCK_SENDFILE_PKG, 1);
        raise_to(&b->value[ESOCK_SENDFILE_PKG_MAX], (uint64_t)n);
    } else if (n == -EAGAIN && !(how & ESOCK_POLL)) {
        add_sendfile(b, ESOCK_SENDFILE_WAITS, 1);
    }
    esock__trace(s, "sendfile", (long)n);
    return n;
}

void esock_sendfile_done(esock *s, int64_t bytes, int error) {
    esock_sendfile_counters *b = esock__sendfile_block(s);
    if (b == NULL) return;
    if (bytes > 0) raise_to(&b->value[ESOCK_SENDFILE_MAX_OP], (uint64_t)bytes);
    if (error < 0) add_sendfile(b, ESOCK_SENDFILE_FAILS, 1);
}

const esock_counters *esock_counters_of(const esock *s) {
    return &s->counters;
}

const esock_sendfile_counters *esock_sendfile_counters_of(const esock *s) {
    return __atomic_load_n(&s->sendfile, __ATOMIC_ACQUIRE);
}

uint32_t esock_counters_wrapped(esock *s) {
    return __atomic_exchange_n(&s->counters.wrapped, 0, __ATOMIC_RELAXED);
}

void esock_alone(esock *s) {
    __atomic_or_fetch(&s->flags, ESOCK__ALONE, __ATOMIC_RELAXED);
}

int esock_counters_width(esock *s, int bits) {
    if (bits < 8 || bits > 64) return -EINVAL;
    s->width = (uint8_t)bits;
    return 0;
}
