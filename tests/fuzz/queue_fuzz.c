/* The completion queue, on a model of the kernel's sockets, of edge-triggered epoll, and of io_uring. The input is a
 * program: operations that are given and taken back, members that leave and come again, and what the peers do meanwhile. It
 * is played once with each engine.
 *
 * What must hold:
 *   nothing is lost: when the queue is idle, no operation could be carried out
 *   an operation has its results in order, one last one, and none after it or after a cancel
 *   every byte arrives once, in order, in both directions
 *   every buffer has one owner */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "esock_queue.h"
#include "esock_sys.h"
#include "esock_uring.h"

#define MUST(what)                                                     \
    do {                                                               \
        if (!(what)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                   \
        }                                                              \
    } while (0)

enum {
    SOCKETS = 3,
    FIRST_FD = 10,
    EP = 9,
    EVENT = 8,
    RING = 7,
    BUFFERS = 4,
    SIZE = 64,
    OPS = 12,
    CHUNKS = 32
};
enum kind { TCP, UNIX, DATAGRAM }; /* and the same number of each: socket i has kind i */

/* ---- The kernel ------------------------------------------------------------------------------ */

struct chunk {
    unsigned len;
    bool boundary; /* a receive does not read across its end */
};

struct kernel_socket {
    struct chunk chunks[CHUNKS];
    unsigned n;
    uint8_t in;      /* the value of the next byte that is received */
    bool ended;      /* the peer has sent its end */
    int error;       /* the next receive fails with it */
    unsigned room;   /* bytes that a send may take */
    unsigned urgent; /* boundaries in chunks, which EPOLLPRI reports */
    bool registered, listed;
    bool polled; /* there is something new for a poll of the ring */
    struct epoll_event want;
    struct { /* what was sent, as runs of one value */
        uint8_t value;
        uint64_t len;
    } sent[1024];
    unsigned runs;
};

static struct kernel_socket kernel[SOCKETS];
static const uint8_t *input, *input_end;

static uint8_t byte(void) {
    return input < input_end ? *input++ : 0;
}

static struct kernel_socket *by_fd(int fd) {
    MUST(fd >= FIRST_FD && fd < FIRST_FD + SOCKETS);
    return &kernel[fd - FIRST_FD];
}

static bool readable(const struct kernel_socket *s) {
    return s->n > 0 || s->ended || s->error != 0;
}

static uint32_t readiness(const struct kernel_socket *s) {
    return (readable(s) ? EPOLLIN : 0u) | (s->room > 0 ? EPOLLOUT : 0u) |
           (s->ended ? EPOLLRDHUP : 0u) | (s->error != 0 ? EPOLLERR : 0u) |
           (s->urgent > 0 ? EPOLLPRI : 0u);
}

static void stir(void);

static void wake(struct kernel_socket *s) {
    s->polled = true;
    if (s->registered) s->listed = true;
    stir();
}

static int k_epoll_ctl(const esock_sys *sys, int ep, int op, int fd, struct epoll_event *ev) {
    (void)sys;
    MUST(ep == EP);
    if (fd == EVENT) return 0;
    struct kernel_socket *s = by_fd(fd);
    MUST(s->registered == (op == EPOLL_CTL_DEL));
    s->registered = op == EPOLL_CTL_ADD;
    s->listed = s->registered;
    s->want = *ev;
    MUST(!s->registered || ev->events & EPOLLET);
    return 0;
}

static int k_epoll_wait(const esock_sys *sys, int ep, struct epoll_event *ev, int max,
                        int timeout_ms) {
    (void)sys, (void)timeout_ms;
    MUST(ep == EP);
    int n = 0;
    unsigned some = byte();
    if (some == 255) return -EINTR;
    for (int i = 0; i < SOCKETS && n < max && n < 1 + (int)some % SOCKETS; i++) {
        struct kernel_socket *s = &kernel[i];
        if (!s->listed) continue;
        s->listed = false;
        uint32_t now = readiness(s) & (s->want.events | EPOLLERR);
        if (now == 0) continue;
        ev[n].events = now;
        ev[n++].data = s->want.data;
    }
    return n;
}

/* What comes to a socket. */
static void come(struct kernel_socket *s, enum kind kind, uint8_t what) {
    switch (what % 8) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (s->n == CHUNKS || s->ended) return;
        s->chunks[s->n++] = (struct chunk){
            .len = kind == DATAGRAM ? what / 8 : 1 + what / 8 * 8u,
            .boundary = kind != TCP || what % 8 == 3,
        };
        if (kind == TCP && what % 8 == 3) s->urgent++;
        break;
    case 4:
        if (kind == DATAGRAM) return;
        s->ended = true;
        break;
    case 5:
        s->error = ECONNRESET;
        break;
    default:
        s->room = 1 + what / 4;
    }
    wake(s);
}

static ssize_t k_recv(const esock_sys *sys, int fd, void *buf, size_t len, int flags) {
    (void)sys, (void)flags;
    struct kernel_socket *s = by_fd(fd);
    enum kind kind = (enum kind)(fd - FIRST_FD);
    uint8_t b = byte();
    if (b == 1) return -EINTR;
    if (b == 2) come(s, kind, byte()); /* at the last moment */
    if (s->error != 0) {
        int error = s->error;
        s->error = 0;
        return -error;
    }
    if (s->n == 0) return s->ended ? 0 : -EAGAIN;
    size_t got = 0;
    bool boundary = false;
    while (s->n > 0 && !boundary && (got < len || s->chunks[0].len == 0)) {
        struct chunk *c = &s->chunks[0];
        size_t part = c->len < len - got ? c->len : len - got;
        for (size_t i = 0; i < part; i++)
            ((uint8_t *)buf)[got + i] = s->in++;
        got += part;
        c->len -= (unsigned)part;
        if (kind == DATAGRAM) c->len = 0;
        if (c->len > 0) break;
        boundary = c->boundary;
        if (kind == TCP && boundary) s->urgent--;
        memmove(s->chunks, s->chunks + 1, --s->n * sizeof *s->chunks);
    }
    if (b == 3) come(s, kind, byte()); /* just after */
    return (ssize_t)got;
}

static ssize_t k_send(const esock_sys *sys, int fd, const void *buf, size_t len, int flags) {
    (void)sys, (void)flags;
    struct kernel_socket *s = by_fd(fd);
    enum kind kind = (enum kind)(fd - FIRST_FD);
    uint8_t b = byte();
    if (b == 1) return -EINTR;
    if (b == 2) return -EPIPE;
    if (s->room == 0) return -EAGAIN;
    size_t n = kind == DATAGRAM || len < s->room ? len : s->room;
    s->room -= n < s->room ? (unsigned)n : s->room;
    if (n > 0) {
        MUST(s->runs < 1024);
        s->sent[s->runs].value = *(const uint8_t *)buf;
        for (size_t i = 0; i < n; i++)
            MUST(((const uint8_t *)buf)[i] == s->sent[s->runs].value);
        s->sent[s->runs++].len = n;
    }
    return (ssize_t)n;
}

static ssize_t k_sendmsg(const esock_sys *sys, int fd, const struct msghdr *m, int flags) {
    uint8_t all[1024];
    size_t n = 0;
    for (size_t i = 0; i < m->msg_iovlen; i++) {
        MUST(n + m->msg_iov[i].iov_len <= sizeof all);
        if (m->msg_iov[i].iov_len == 0) continue;
        memcpy(all + n, m->msg_iov[i].iov_base, m->msg_iov[i].iov_len);
        n += m->msg_iov[i].iov_len;
    }
    return k_send(sys, fd, all, n, flags);
}

/* ---- io_uring -------------------------------------------------------------------------------- */

enum { SUBMITS = 4, COMPLETES = 4, REQUESTS = 32, OVERFLOWS = 512 };

static struct {
    struct {
        uint32_t sq_head, sq_tail, sq_flags, cq_head, cq_tail, cq_flags;
        uint32_t array[SUBMITS];
        struct esock__cqe cqes[COMPLETES];
    } shared;
    struct esock__sqe sqes[SUBMITS];
    struct esock__sqe requests[REQUESTS]; /* in progress, in the order of their arrival */
    unsigned n;
    struct esock__cqe overflow[OVERFLOWS]; /* completions for which there was no room */
    unsigned overflows;
    struct esock__uring_buf *group;
    uint32_t group_len;
    uint16_t group_head;
} ring;

/* The kernel has work to do for requests. */
static void stir(void) {
    if (ring.n > 0) ring.shared.sq_flags |= URING_SQ_TASKRUN;
}

static int k_uring_setup(const esock_sys *sys, unsigned entries, void *params) {
    (void)sys, (void)entries;
    struct esock__uring_params *p = params;
    memset(&ring, 0, sizeof ring);
#define AT(member) (uint32_t)((char *)&ring.shared.member - (char *)&ring.shared)
    p->sq_entries = SUBMITS;
    p->cq_entries = COMPLETES;
    p->features = UINT32_MAX;
    p->sq_off.head = AT(sq_head);
    p->sq_off.tail = AT(sq_tail);
    p->sq_off.flags = AT(sq_flags);
    p->sq_off.array = AT(array);
    p->cq_off.head = AT(cq_head);
    p->cq_off.tail = AT(cq_tail);
    p->cq_off.flags = AT(cq_flags);
    p->cq_off.cqes = AT(cqes);
    return RING;
}

static int k_map(const esock_sys *sys, void **out, size_t len, int fd, int64_t offset) {
    (void)sys;
    if (fd == RING)
        *out = offset == 0 ? (void *)&ring.shared : (void *)ring.sqes;
    else
        *out = calloc(1, len);
    return *out == NULL ? -ENOMEM : 0;
}

static int k_unmap(const esock_sys *sys, void *at, size_t len) {
    (void)sys, (void)len;
    if (at != &ring.shared && at != ring.sqes) free(at);
    return 0;
}

static int k_uring_register(const esock_sys *sys, int fd, unsigned op, void *arg, unsigned n) {
    (void)sys, (void)n;
    MUST(fd == RING);
    if (op != URING_REGISTER_PBUF_RING) return 0;
    const struct esock__uring_buf_reg *reg = arg;
    ring.group = (struct esock__uring_buf *)(uintptr_t)reg->ring_addr;
    ring.group_len = reg->ring_entries;
    return 0;
}

static bool cq_full(void) {
    return ring.overflows > 0 || ring.shared.cq_tail - ring.shared.cq_head == COMPLETES;
}

static void complete(uint64_t data, int32_t res, uint32_t flags) {
    struct esock__cqe c = {.user_data = data, .res = res, .flags = flags};
    if (cq_full()) {
        MUST(ring.overflows < OVERFLOWS);
        ring.overflow[ring.overflows++] = c;
        ring.shared.sq_flags |= URING_SQ_CQ_OVERFLOW;
        return;
    }
    ring.shared.cqes[ring.shared.cq_tail++ % COMPLETES] = c;
}

static void flush_overflow(void) {
    unsigned n = 0;
    while (n < ring.overflows && ring.shared.cq_tail - ring.shared.cq_head < COMPLETES)
        ring.shared.cqes[ring.shared.cq_tail++ % COMPLETES] = ring.overflow[n++];
    ring.overflows -= n;
    memmove(ring.overflow, ring.overflow + n, ring.overflows * sizeof *ring.overflow);
    if (ring.overflows == 0) ring.shared.sq_flags &= ~(uint32_t)URING_SQ_CQ_OVERFLOW;
}

static int32_t try_receive(int fd, void *buf, size_t len) {
    ssize_t n;
    do
        n = k_recv(NULL, fd, buf, len, 0);
    while (n == -EINTR);
    return (int32_t)n;
}

/* Does what can be done of a repeated receive. It returns false when that has ended. */
static bool receive_on(const struct esock__sqe *e) {
    for (int rounds = 0; rounds < 3; rounds++) {
        if (ring.group_head == ring.group[0].tail) {
            complete(e->user_data, -ENOBUFS, 0);
            return false;
        }
        const struct esock__uring_buf *b = &ring.group[ring.group_head & (ring.group_len - 1)];
        uint32_t flags = URING_F_BUFFER | (uint32_t)b->id << 16;
        int32_t n = try_receive(e->fd, (void *)(uintptr_t)b->addr, b->len);
        if (n == -EAGAIN) return true;
        if (n <= 0) { /* kernels differ in whether this takes a buffer */
            bool takes = n == 0 && byte() & 1;
            if (takes) ring.group_head++;
            complete(e->user_data, n, takes ? flags : 0);
            return false;
        }
        ring.group_head++;
        bool ends = cq_full() || byte() == 7;
        complete(e->user_data, n, ends ? flags : flags | URING_F_MORE);
        if (ends) return false;
    }
    stir();
    return true;
}

/* Does what can be done of a request. It returns false when that has ended. */
static bool progress(const struct esock__sqe *e) {
    if (e->fd == EVENT) return true;
    struct kernel_socket *s = by_fd(e->fd);
    uint8_t mood = byte();
    if (mood == 5 || mood == 6) {
        complete(e->user_data, mood == 5 ? -EAGAIN : -ECANCELED, 0);
        return false;
    }
    switch (e->opcode) {
    case URING_POLL_ADD: {
        MUST(e->len == URING_POLL_MULTI);
        uint32_t now = readiness(s) & (e->op_flags | EPOLLERR);
        if (!s->polled || now == 0) return true;
        s->polled = false;
        bool ends = cq_full() || mood == 7;
        complete(e->user_data, (int32_t)now, ends ? 0 : URING_F_MORE);
        return !ends;
    }
    case URING_RECV: {
        if (e->flags & URING_BUFFER_SELECT) return receive_on(e);
        int32_t n = try_receive(e->fd, (void *)(uintptr_t)e->addr, e->len);
        if (n != -EAGAIN) complete(e->user_data, n, 0);
        return n == -EAGAIN;
    }
    case URING_SEND: {
        ssize_t n;
        do
            n = k_send(NULL, e->fd, (void *)(uintptr_t)e->addr, e->len, 0);
        while (n == -EINTR);
        if (n != -EAGAIN) complete(e->user_data, (int32_t)n, 0);
        return n == -EAGAIN;
    }
    default:
        MUST(false);
        return false;
    }
}

static void cancel(const struct esock__sqe *e) {
    for (unsigned i = 0; i < ring.n; i++) {
        if (ring.requests[i].user_data != e->addr) continue;
        if (byte() == 4) { /* it is being done */
            complete(e->user_data, -EALREADY, 0);
            return;
        }
        complete(ring.requests[i].user_data, -ECANCELED, 0);
        memmove(ring.requests + i, ring.requests + i + 1, (--ring.n - i) * sizeof *ring.requests);
        return;
    }
    complete(e->user_data, -ENOENT, 0);
}

/* Does the work of some requests. */
static void work(unsigned most) {
    ring.shared.sq_flags &= ~(uint32_t)URING_SQ_TASKRUN;
    for (unsigned i = 0; i < ring.n;) {
        if (most-- == 0) {
            stir();
            return;
        }
        struct esock__sqe e = ring.requests[i];
        if (progress(&e)) {
            i++;
            continue;
        }
        memmove(ring.requests + i, ring.requests + i + 1, (--ring.n - i) * sizeof *ring.requests);
    }
}

static int k_uring_enter(const esock_sys *sys, int fd, unsigned submit, unsigned min,
                         unsigned flags, const void *arg, size_t arg_len) {
    (void)sys, (void)arg;
    MUST(fd == RING && flags & URING_ENTER_GETEVENTS && flags & URING_ENTER_EXT_ARG);
    MUST(arg_len == sizeof(struct esock__uring_wait));
    MUST(submit == ring.shared.sq_tail - ring.shared.sq_head && submit <= SUBMITS);
    uint8_t mood = byte();
    if (mood == 255) return -EINTR;
    if (mood == 254) return -EAGAIN;
    if (mood == 253) return -EBUSY;
    for (unsigned i = 0; i < submit; i++) {
        struct esock__sqe e = ring.sqes[ring.shared.sq_head++ % SUBMITS];
        if (e.opcode == URING_ASYNC_CANCEL) {
            cancel(&e);
            continue;
        }
        if (e.fd != EVENT) {
            MUST(e.fd >= FIRST_FD);
            if (e.opcode == URING_POLL_ADD) by_fd(e.fd)->polled = true;
        }
        for (unsigned k = 0; k < ring.n; k++)
            MUST(ring.requests[k].user_data != e.user_data);
        MUST(ring.n < REQUESTS);
        ring.requests[ring.n++] = e;
        if (!progress(&e)) ring.n--;
    }
    flush_overflow();
    work(mood % 4 == 3 ? mood % 3 : REQUESTS);
    flush_overflow();
    if (submit > 0) return (int)submit;
    return min > 0 && ring.shared.cq_tail == ring.shared.cq_head ? -ETIME : 0;
}

static int k_event(const esock_sys *sys, int fd) {
    (void)sys;
    MUST(fd == EVENT);
    return 0;
}

static int next_fd;
static esock_queue *queue;

static int k_socket(const esock_sys *sys, int domain, int type, int protocol) {
    (void)sys, (void)domain, (void)type, (void)protocol;
    return queue == NULL ? -EMFILE : next_fd++; /* the queue does not try itself out */
}

static int k_close(const esock_sys *sys, int fd) {
    (void)sys, (void)fd;
    return 0;
}

static int k_epoll_create(const esock_sys *sys) {
    (void)sys;
    return EP;
}

static int k_eventfd(const esock_sys *sys) {
    (void)sys;
    return EVENT;
}

static int k_getsockopt(const esock_sys *sys, int fd, int level, int opt, void *val,
                        socklen_t *len) {
    (void)sys, (void)fd, (void)level, (void)opt, (void)val;
    *len = 0;
    return 0;
}

static int k_flags(const esock_sys *sys, int fd) {
    (void)sys, (void)fd;
    return -EBADF;
}

/* ---- The caller ------------------------------------------------------------------------------ */

struct operation {
    esock_op op;
    esock_op_msg msg;
    struct iovec iov[3];
    uint8_t data[300];
    bool given;
    int socket;
    unsigned number; /* in the order of giving */
};

struct caller {
    esock *s;
    esock_member *m;
    uint8_t expected; /* the value of the next byte that is received */
    unsigned runs;    /* of sent[], that belong to operations that have ended */
};

static struct caller callers[SOCKETS];
static struct operation operations[OPS];
static bool mine[BUFFERS]; /* buffers that the caller has */
static unsigned given;     /* operations */

static bool sends(const struct operation *o) {
    return o->op.kind >= ESOCK_OP_SEND;
}

/* Checks received bytes. On datagrams the model skips what is cut. */
static void received(struct caller *c, const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        MUST(p[i] == c->expected++);
}

/* Accounts for `n` bytes of one value, which must be the next that the kernel got. */
static void sent(struct caller *c, struct kernel_socket *s, uint8_t v, uint64_t n) {
    while (n > 0) {
        MUST(c->runs < s->runs && s->sent[c->runs].value == v);
        MUST(s->sent[c->runs].len <= n);
        n -= s->sent[c->runs++].len;
    }
}

/* An operation has ended, and is the caller's again. */
static void ended(struct operation *o) {
    struct caller *c = &callers[o->socket];
    MUST(o->given);
    o->given = false;
    if (sends(o)) {
        if (o->op.done > 0) sent(c, &kernel[o->socket], o->data[0], o->op.done);
    } else if (!(o->op.flags & ESOCK_OP_AGAIN)) {
        received(c, o->data, o->op.done);
    }
}

/* Quiet sends have no result: those before an operation of the same direction that has one were sent. */
static void ended_quietly(const struct operation *before) {
    for (;;) {
        struct operation *first = NULL;
        for (int i = 0; i < OPS; i++) {
            struct operation *o = &operations[i];
            if (o->given && o->op.state == 0 && sends(o) && o->op.flags & ESOCK_OP_QUIET &&
                (before == NULL || (o->socket == before->socket && o->number < before->number)) &&
                (first == NULL || o->number < first->number))
                first = o;
        }
        if (first == NULL) return;
        MUST(first->op.done > 0);
        ended(first);
    }
}

static void give(uint8_t a) {
    struct operation *o = NULL;
    for (int i = 0; i < OPS; i++)
        if (!operations[i].given) o = &operations[i];
    ended_quietly(NULL);
    if (o == NULL) return;
    uint8_t b = byte();
    unsigned len = (unsigned)(1 + b % sizeof o->data % 200);
    int socket = a / 64 % SOCKETS;
    memset(o, 0, sizeof *o);
    o->socket = socket;
    o->op.member = callers[socket].m;
    o->op.buf = o->data;
    o->op.len = len;
    bool datagrams = socket == DATAGRAM;
    switch (a / 8 % 8) {
    case 0:
    case 1:
        o->op.kind = ESOCK_OP_RECV;
        o->op.flags = ESOCK_OP_AGAIN;
        break;
    case 2:
        o->op.kind = ESOCK_OP_RECV;
        break;
    case 3:
        o->op.kind = ESOCK_OP_RECV;
        o->op.flags = datagrams ? 0 : ESOCK_OP_FULL;
        break;
    case 4:
        o->op.kind = ESOCK_OP_SENDMSG;
        o->msg.iov = o->iov;
        o->msg.iovlen = 3;
        o->iov[0] = (struct iovec){o->data, len / 2};
        o->iov[1] = (struct iovec){o->data, 0};
        o->iov[2] = (struct iovec){o->data + len / 2, len - len / 2};
        o->op.msg = &o->msg;
        break;
    default:
        o->op.kind = ESOCK_OP_SEND;
        o->op.flags = a & 8 ? ESOCK_OP_QUIET : 0;
    }
    o->number = ++given;
    if (sends(o)) memset(o->data, (int)(given & 255), sizeof o->data);
    MUST(esock_queue_give(queue, &o->op) == 0);
    MUST(esock_queue_give(queue, &o->op) == -EALREADY);
    o->given = true;
}

static void take_back(uint8_t which) {
    ended_quietly(NULL);
    struct operation *o = &operations[which % OPS];
    int r = esock_queue_cancel(queue, &o->op);
    MUST(r == (o->given ? 0 : -ENOENT));
    if (!o->given) return;
    MUST(esock_queue_cancel(queue, &o->op) == -ENOENT);
    /* Bytes of an operation that was not the first are none. */
    ended(o);
}

static void leave(int i) {
    ended_quietly(NULL);
    int n = esock_queue_remove(queue, callers[i].m);
    /* In the order of giving. */
    for (;;) {
        struct operation *first = NULL;
        for (int k = 0; k < OPS; k++) {
            struct operation *o = &operations[k];
            if (o->given && o->socket == i && (first == NULL || o->number < first->number))
                first = o;
        }
        if (first == NULL) break;
        ended(first);
        n--;
    }
    MUST(n == 0);
    callers[i].expected = kernel[i].in; /* what the member had kept is gone */
    MUST(esock_queue_add(queue, callers[i].s, &callers[i].m) == 0);
}

static void give_back(void) {
    esock_buffers *b = esock_queue_buffers(queue);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        if (mine[i]) b->stack[b->free++] = i;
        mine[i] = false;
    }
}

static int turn(int max, bool keep) {
    esock_result r[8];
    int n = esock_queue_wait(queue, r, max, 0);
    MUST(n >= 0 && n <= max);
    bool had_turn[SOCKETS] = {false};
    for (int i = 0; i < n; i++) {
        struct operation *o = (struct operation *)(void *)r[i].op;
        MUST(o->given);
        if (sends(o)) {
            MUST(!(r[i].flags & ESOCK_RESULT_MORE));
            MUST(r[i].n < 0 || !(o->op.flags & ESOCK_OP_QUIET));
        }
        if (r[i].flags & ESOCK_RESULT_BUFFER) {
            const esock_buffers *b = esock_queue_buffers(queue);
            MUST(r[i].buffer < BUFFERS && !mine[r[i].buffer]);
            for (uint32_t k = 0; k < b->free; k++)
                MUST(b->stack[k] != r[i].buffer);
            mine[r[i].buffer] = true;
            MUST(o->op.kind != ESOCK_OP_RECV || !had_turn[o->socket]);
            had_turn[o->socket] = true;
            received(&callers[o->socket], b->base + r[i].buffer * SIZE, (size_t)r[i].n);
        }
        if (!(r[i].flags & ESOCK_RESULT_MORE)) {
            MUST(o->op.state == 0);
            if (sends(o)) ended_quietly(o);
            ended(o);
        }
    }
    if (!keep) give_back();
    return n;
}

/* Nothing that waits could be carried out. */
static void settle(void) {
    give_back();
    for (int rounds = 0;; rounds++) {
        MUST(rounds < 20000);
        int n = turn(8, false);
        bool events =
            (ring.shared.sq_flags & URING_SQ_TASKRUN) != 0; /* also those that came in the turn */
        for (int i = 0; i < SOCKETS; i++)
            events = events || kernel[i].listed;
        if (n == 0 && esock_queue_idle(queue) && !events) break;
    }
    ended_quietly(NULL);
    for (int i = 0; i < OPS; i++) {
        struct operation *o = &operations[i];
        if (o->given) MUST(sends(o) ? kernel[o->socket].room == 0 : !readable(&kernel[o->socket]));
    }
}

static void play(const uint8_t *data, size_t size, uint32_t engine) {
    static const int domains[] = {AF_INET, AF_UNIX, AF_UNIX},
                     types[] = {SOCK_STREAM, SOCK_STREAM, SOCK_DGRAM},
                     protocols[] = {IPPROTO_TCP, 0, 0};
    esock_sys sys = *esock_sys_libc();
    sys.socket = k_socket;
    sys.close = k_close;
    sys.close_lingering = k_close;
    sys.epoll_create = k_epoll_create;
    sys.epoll_ctl = k_epoll_ctl;
    sys.epoll_wait = k_epoll_wait;
    sys.eventfd = k_eventfd;
    sys.event_set = k_event;
    sys.event_clear = k_event;
    sys.uring_setup = k_uring_setup;
    sys.uring_enter = k_uring_enter;
    sys.uring_register = k_uring_register;
    sys.map = k_map;
    sys.unmap = k_unmap;
    sys.getsockopt = k_getsockopt;
    sys.getfl = k_flags;
    sys.recv = k_recv;
    sys.send = k_send;
    sys.sendmsg = k_sendmsg;
    memset(kernel, 0, sizeof kernel);
    memset(&ring, 0, sizeof ring);
    memset(callers, 0, sizeof callers);
    memset(operations, 0, sizeof operations);
    memset(mine, 0, sizeof mine);
    given = 0;
    next_fd = FIRST_FD;
    input = data;
    input_end = data + size;
    esock_queue_config config = {.buffers = BUFFERS, .buffer_size = SIZE, .engine = engine};
    queue = NULL;
    MUST(esock_queue_new(&queue, &config, &sys) == 0);
    for (int i = 0; i < SOCKETS; i++) {
        MUST(esock_open(&callers[i].s, domains[i], types[i], protocols[i], &sys) == 0);
        MUST(esock_queue_add(queue, callers[i].s, &callers[i].m) == 0);
    }
    while (input < input_end) {
        uint8_t op = byte();
        switch (op % 8) {
        case 0:
        case 1:
            give(op);
            break;
        case 2:
            take_back(byte());
            break;
        case 3:
            if (op / 8 % 8 == 0) leave(op / 64 % SOCKETS);
            break;
        case 4:
        case 5:
            come(&kernel[op / 8 % SOCKETS], (enum kind)(op / 8 % SOCKETS), byte());
            break;
        default:
            if (op / 8 == 0)
                settle();
            else
                turn(1 + op / 8 % 4, op / 64 & 1);
        }
    }
    settle();
    for (int i = 0; i < SOCKETS; i++) {
        esock_queue_remove(queue, callers[i].m);
        MUST(esock_close(callers[i].s, 0, NULL, NULL) == 0);
    }
    MUST(ring.n <= 1); /* the poll of the event descriptor */
    MUST(esock_queue_buffers(queue)->free == BUFFERS);
    MUST(esock_queue_free(queue) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 400) return -1;
    play(data, size, ESOCK_QUEUE_EPOLL);
    play(data, size, ESOCK_QUEUE_URING);
    return 0;
}
