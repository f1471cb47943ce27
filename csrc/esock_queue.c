/* Completion queues: members, their operations, and how each operation is carried out with system calls. What a queue
 * waits with is an engine: esock_queue_epoll.c, esock_queue_uring.c.
 *
 * Each direction of a member has a list of operations. A member for which something can be done is listed;
 * esock_queue_wait serves those that are listed. So giving an operation is no system call.
 *
 * A receive that fills less than its buffer has emptied a plain TCP socket, and is as good as a try that would block. It
 * is not on other sockets, where a receive may stop at a boundary: of messages, records (kTLS), credentials or
 * descriptors (unix). Urgent data is such a boundary too, so a socket that has reported some is asked again. */
#include "esock_queue_internal.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#ifndef TCP_ULP
#define TCP_ULP 31
#endif

/* Moves all members of one ring behind those of another. */
static void splice_ring(esock_member *to, esock_member *from) {
    if (ring_empty(from)) return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    ring_init(from);
}

void esock__queue_list(esock_queue *q, esock_member *m) {
    unsigned due = q->engine->due(m);
    if (m->flags & STARVED && due & 1 << OUT) unlist(m);
    if (due && !(m->flags & LISTED)) append(&q->listed, m);
}

/* ---- Life ------------------------------------------------------------------------------------ */

/* The memory of buffers, and of their addresses behind them. */
static size_t mapped(size_t count, size_t size) {
    return count * (size + sizeof(esock_addr));
}

static int make_buffers(const esock_sys *sys, esock_buffers *b, const esock_queue_config *c) {
    uint32_t count = c != NULL && c->buffers ? c->buffers : 1024;
    uint32_t size = c != NULL && c->buffer_size ? c->buffer_size : 16384;
    if (size % 64 != 0 || (uint64_t)count * size > 1u << 31) return -EINVAL;
    b->stack = sys->alloc(sys, count * sizeof *b->stack);
    if (b->stack == NULL) return -ENOMEM;
    /* Only the pages that are written take memory. */
    void *base;
    int r = sys->map(sys, &base, mapped(count, size), -1, 0);
    if (r < 0) {
        sys->free(sys, b->stack);
        return r;
    }
    b->base = base;
    b->senders = (esock_addr *)(void *)(b->base + (size_t)count * size);
    b->size = size;
    b->count = b->free = count;
    for (uint32_t i = 0; i < count; i++)
        b->stack[i] = count - 1 - i;
    return 0;
}

static void free_buffers(const esock_sys *sys, esock_buffers *b) {
    sys->unmap(sys, b->base, mapped(b->count, b->size));
    sys->free(sys, b->stack);
}

static int make(esock_queue **out, const esock__engine *engine, const esock_queue_config *config,
                const esock_sys *sys) {
    esock_queue *q = sys->alloc(sys, engine->queue_size);
    if (q == NULL) return -ENOMEM;
    memset(q, 0, engine->queue_size);
    q->sys = sys;
    q->engine = engine;
    ring_init(&q->listed);
    ring_init(&q->starved);
    int r = make_buffers(sys, &q->buffers, config);
    if (r == 0) {
        r = q->event = sys->eventfd(sys);
        if (r >= 0) r = engine->open(q);
        if (r < 0 && q->event >= 0) sys->close(sys, q->event);
        if (r < 0) free_buffers(sys, &q->buffers);
    }
    if (r < 0) {
        sys->free(sys, q);
        return r;
    }
    *out = q;
    return 0;
}

/* Whether an error says that there is no io_uring, or none that will do: EPERM, the sysctl io_uring_disabled; ENOSYS and
 * EACCES, a seccomp filter, or an old kernel; EINVAL and EOPNOTSUPP, one that lacks a feature. */
static bool unavailable(int r) {
    return r == -EPERM || r == -ENOSYS || r == -EACCES || r == -EINVAL || r == -EOPNOTSUPP;
}

/* Gives two messages to a socket that is connected to itself, and has a queue receive them into buffers. 1: they came. */
static int receives(esock_queue *q, esock *s) {
    static const char *const messages[] = {"one", "other"};
    esock_member *m;
    esock_buffers *b = &q->buffers;
    esock_result r = {0};
    unsigned came = 0;
    int n = esock_queue_add(q, s, &m);
    if (n < 0) return n;
    esock_op op = {.kind = ESOCK_OP_RECV, .flags = ESOCK_OP_AGAIN, .member = m};
    n = esock_queue_give(q, &op);
    for (int i = 0; i < 100 && n >= 0 && came < 2; i++) {
        if (i == 1 &&
            (esock_send(s, messages[0], 3, 0, 0) < 0 || esock_send(s, messages[1], 5, 0, 0) < 0)) {
            break;
        }
        n = esock_queue_wait(q, &r, 1, i == 0 ? 0 : 10);
        if (n <= 0) continue;
        size_t len = strlen(messages[came]);
        bool same = r.op == &op && r.n == (int64_t)len && r.flags & ESOCK_RESULT_BUFFER &&
                    memcmp(b->base + r.buffer * b->size, messages[came], len) == 0;
        if (r.flags & ESOCK_RESULT_BUFFER) give_buffer_back(b, r.buffer);
        if (!same) break;
        came++;
    }
    int ended = esock_queue_remove(q, m);
    if (n < 0 || ended < 0) return n < 0 ? n : ended;
    return came == 2 && ended == 1;
}

/* Opens a datagram socket that is connected to itself. */
static int open_self(esock **out, const esock_sys *sys) {
    esock_addr a = {.form = ESOCK_ADDR_KNOWN, .family = AF_UNIX};
    int r = esock_open(out, AF_UNIX, SOCK_DGRAM, 0, sys);
    if (r < 0) return r;
    r = esock_bind(*out, &a); /* unix(7): an address without a name is chosen by the kernel */
    if (r == 0) r = esock_sockname(*out, &a);
    if (r == 0) r = esock_connect(*out, &a);
    if (r < 0) esock_close(*out, 0, NULL, NULL);
    return r;
}

/* Tries a queue with io_uring out. -EOPNOTSUPP: it does not do what it should. */
static int self_test(const esock_sys *sys) {
    esock_queue *q;
    esock *s;
    int r =
        make(&q, &esock__queue_uring, &(esock_queue_config){.buffers = 4, .buffer_size = 64}, sys);
    if (r < 0) return r;
    r = open_self(&s, sys);
    if (r == 0) {
        r = receives(q, s);
        esock_close(s, 0, NULL, NULL);
        r = r == 0 ? -EOPNOTSUPP : r < 0 ? r : 0;
    } else if (r != -ENOMEM) {
        r = 0; /* it is not known */
    }
    esock_queue_free(q);
    return r;
}

/* Makes a queue with io_uring, if there is one and it works. The real kernel is tried out once. */
static int make_uring(esock_queue **out, const esock_queue_config *config, const esock_sys *sys) {
    static bool works;
    bool real = sys == esock_sys_libc();
    if (!real || !__atomic_load_n(&works, __ATOMIC_RELAXED)) {
        int r = self_test(sys);
        if (r < 0) return r;
        if (real) __atomic_store_n(&works, true, __ATOMIC_RELAXED);
    }
    return make(out, &esock__queue_uring, config, sys);
}

int esock_queue_new(esock_queue **out, const esock_queue_config *config, const esock_sys *sys) {
    uint32_t want = config == NULL ? ESOCK_QUEUE_EPOLL : config->engine;
    int refused = 0;
    if (out == NULL) return -EFAULT;
    if (want > ESOCK_QUEUE_URING_OR_EPOLL) return -EINVAL;
    if (sys == NULL) sys = esock_sys_libc();
    if (want != ESOCK_QUEUE_EPOLL) {
        refused = make_uring(out, config, sys);
        if (want == ESOCK_QUEUE_URING || !unavailable(refused)) return refused;
    }
    int r = make(out, &esock__queue_epoll, config, sys);
    if (r == 0) (*out)->refused = refused;
    return r;
}

enum esock_queue_engine esock_queue_engine(const esock_queue *q, int *refused) {
    if (refused != NULL) *refused = q->refused;
    return q->engine == &esock__queue_uring ? ESOCK_QUEUE_URING : ESOCK_QUEUE_EPOLL;
}

int esock_queue_busy_poll(esock_queue *q, uint32_t usecs, uint32_t budget, int prefer) {
    if (usecs == 0 || usecs > INT32_MAX || budget > UINT16_MAX) return -EINVAL;
    return q->engine->busy_poll(q, usecs, (uint16_t)budget, prefer != 0);
}

int esock_queue_free(esock_queue *q) {
    if (q == NULL) return 0;
    if (q->members > 0) return -EBUSY;
    q->engine->close(q);
    q->sys->close(q->sys, q->event);
    free_buffers(q->sys, &q->buffers);
    q->sys->free(q->sys, q);
    return 0;
}

esock_buffers *esock_queue_buffers(esock_queue *q) {
    return &q->buffers;
}

int esock_queue_fd(const esock_queue *q) {
    return q->engine->fd(q);
}

int esock_queue_wake(esock_queue *q) {
    int r = q->sys->event_set(q->sys, q->event);
    if (q->engine->woken != NULL) q->engine->woken(q);
    return r < 0 && r != -EAGAIN ? r : 0; /* EAGAIN: set very often already */
}

int esock_queue_idle(const esock_queue *q) {
    return q->engine->idle((esock_queue *)(uintptr_t)q); /* it is not const */
}

/* ---- Members --------------------------------------------------------------------------------- */

int esock_queue_add(esock_queue *q, esock *s, esock_member **out) {
    if (out == NULL) return -EFAULT;
    esock_member *m = q->sys->alloc(q->sys, q->engine->member_size);
    if (m == NULL) return -ENOMEM;
    memset(m, 0, q->engine->member_size);
    m->s = s;
    int r = q->engine->add(q, m);
    if (r < 0) {
        q->sys->free(q->sys, m);
        return r;
    }
    q->members++;
    *out = m;
    return 0;
}

esock *esock_member_handle(const esock_member *m) {
    return m->s;
}

esock_op *esock__op_shift(esock_member *m, int dir) {
    esock_op *op = m->last[dir]->next;
    if (op == m->last[dir])
        m->last[dir] = NULL;
    else
        m->last[dir]->next = op->next;
    op->next = NULL;
    op->state = IDLE;
    return op;
}

/* Ends the request that the counters have in progress in a direction. */
static void end_request(const esock_member *m, int dir) {
    const esock_op *op = first_op(m, dir);
    if (dir == IN) {
        esock_end_read(m->s);
        return;
    }
    if (op->kind == ESOCK_OP_SENDFILE && op->done > 0)
        esock_sendfile_done(m->s, (int64_t)op->done, 0);
    esock_end_write(m->s);
}

int esock_queue_remove(esock_queue *q, esock_member *m) {
    int ended = 0;
    int r = q->engine->remove(q, m);
    if (r < 0) return r;
    for (int dir = IN; dir <= OUT; dir++) {
        if (m->last[dir] != NULL) end_request(m, dir);
        for (; m->last[dir] != NULL; ended++)
            esock__op_shift(m, dir);
    }
    unlist(m);
    q->sys->free(q->sys, m);
    q->members--;
    return ended;
}

int esock_queue_kept(const esock_queue *q, const esock_member *m) {
    return q->engine->kept != NULL && q->engine->kept(m);
}

/* ---- Operations ------------------------------------------------------------------------------ */

static int direction(const esock_op *op) {
    return op->kind <= ESOCK_OP_RECVMSG ? IN : OUT;
}

/* Returns the number of the queue's buffer in which `p` lies. */
static uint32_t buffer_of(const esock_buffers *b, const void *p) {
    return (uint32_t)((size_t)((const unsigned char *)p - b->base) / b->size);
}

/* Whether some bytes lie in one of the queue's buffers. */
static bool in_buffer(const esock_buffers *b, const void *p, size_t len) {
    uintptr_t at = (uintptr_t)p - (uintptr_t)b->base;
    return at < b->count * b->size && len <= b->size - at % b->size;
}

/* Whether an operation can be carried out. */
static int check(const esock_queue *q, const esock_op *op) {
    static const struct {
        uint8_t flags; /* that it may have */
        bool buf, addr, msg;
    } kinds[] = {
        [ESOCK_OP_ACCEPT] = {.flags = ESOCK_OP_AGAIN},
        [ESOCK_OP_RECV] = {.flags = ESOCK_OP_AGAIN | ESOCK_OP_FULL, .buf = true},
        [ESOCK_OP_RECVFROM] = {.flags = ESOCK_OP_AGAIN, .buf = true, .addr = true},
        [ESOCK_OP_RECVMSG] = {.buf = true, .msg = true},
        [ESOCK_OP_SEND] = {.flags = ESOCK_OP_QUIET | ESOCK_OP_BUFFER, .buf = true},
        [ESOCK_OP_SENDTO] = {.flags = ESOCK_OP_QUIET | ESOCK_OP_BUFFER, .buf = true, .addr = true},
        [ESOCK_OP_SENDMSG] = {.flags = ESOCK_OP_QUIET, .msg = true},
        [ESOCK_OP_SENDFILE] = {.flags = ESOCK_OP_QUIET},
        [ESOCK_OP_CONNECT] = {.addr = true},
    };
    if (op->state != IDLE) return -EALREADY;
    if (op->member == NULL || op->kind == 0 || op->kind > ESOCK_OP_CONNECT) return -EINVAL;
    if (op->flags & ~kinds[op->kind].flags) return -EINVAL;
    if ((op->flags & ESOCK_OP_AGAIN) && (op->flags & ESOCK_OP_FULL)) return -EINVAL;
    bool own = !(op->flags & ESOCK_OP_AGAIN); /* the caller's memory */
    if (kinds[op->kind].buf && op->buf == NULL && op->len > 0 && own) return -EFAULT;
    if (op->flags & ESOCK_OP_BUFFER && !in_buffer(&q->buffers, op->buf, op->len)) return -EINVAL;
    if (kinds[op->kind].addr && op->addr == NULL && own) return -EFAULT;
    if (kinds[op->kind].msg && op->msg == NULL) return -EFAULT;
    return 0;
}

int esock_queue_give(esock_queue *q, esock_op *op) {
    if (op == NULL) return -EFAULT;
    int r = check(q, op);
    if (r < 0) return r;
    esock_member *m = op->member;
    int dir = direction(op);
    op->done = 0;
    op->state = GIVEN;
    if (m->last[dir] == NULL) {
        op->next = op;
    } else {
        op->next = m->last[dir]->next;
        m->last[dir]->next = op;
    }
    m->last[dir] = op;
    esock__queue_list(q, m);
    return 0;
}

int esock_queue_cancel(esock_queue *q, esock_op *op) {
    if (op == NULL) return -EFAULT;
    if (op->state == IDLE) return -ENOENT;
    esock_member *m = op->member;
    int dir = direction(op);
    esock_op *before = m->last[dir];
    while (before->next != op)
        before = before->next;
    if (before == m->last[dir]) { /* it is the first */
        int r = q->engine->stop == NULL ? 0 : q->engine->stop(q, m, dir);
        if (r < 0) return r;
        end_request(m, dir);
        esock__op_shift(m, dir);
        esock__queue_list(q, m);
        return 0;
    }
    before->next = op->next;
    if (m->last[dir] == op) m->last[dir] = before;
    op->next = NULL;
    op->state = IDLE;
    return 0;
}

/* ---- Carrying out ---------------------------------------------------------------------------- */

/* Whether a receive that fills less than its buffer has emptied the socket. */
static bool plain(esock_member *m) {
    if (!(m->flags & LOOKED)) {
        const esock *s = m->s;
        char ulp[16] = "";
        socklen_t len = sizeof ulp;
        int domain = esock_domain(s);
        m->flags |= LOOKED;
        if ((domain == AF_INET || domain == AF_INET6) && s->type == SOCK_STREAM &&
            s->protocol == IPPROTO_TCP &&
            s->sys->getsockopt(s->sys, s->fd, IPPROTO_TCP, TCP_ULP, ulp, &len) >= 0 && len == 0)
            m->flags |= PLAIN;
    }
    return m->flags & PLAIN && !(m->flags & ENDED);
}

static ssize_t receive(esock_op *op, void *buf, size_t len, esock_addr *from) {
    esock *s = op->member->s;
    esock_op_msg *msg = op->msg;
    unsigned how = (op->flags & ESOCK_OP_FULL ? ESOCK_FULL : 0u) | (op->done > 0 ? ESOCK_CONT : 0u);
    switch (op->kind) {
    case ESOCK_OP_RECVFROM:
        return esock_recvfrom(s, buf, len, op->msg_flags, how, from);
    case ESOCK_OP_RECVMSG:
        return esock_recvmsg(s, buf, len, op->msg_flags, how, msg->control, msg->control_len,
                             msg->cmsgs, msg->cmsgs_max, &msg->out);
    default:
        return esock_recv(s, buf, len, op->msg_flags, how);
    }
}

/* Each of the following carries out the first operation of a direction once. It returns whether the next try may succeed,
 * too: false after one that would block. */

static bool accept_once(esock_member *m, esock_op *op, struct results *r) {
    esock *c = NULL;
    int n = esock_accept(m->s, 0, &c, NULL);
    if (n == -EAGAIN) return false;
    bool again = op->flags & ESOCK_OP_AGAIN && (n == 0 || n == -ECONNABORTED);
    if (!again) esock__op_shift(m, IN);
    put(r, op, n, again ? ESOCK_RESULT_MORE : 0)->accepted = c;
    return true;
}

/* A repeated receive, of which there is a free buffer. */
static bool receive_again(esock_queue *q, esock_member *m, esock_op *op, struct results *r) {
    esock_buffers *b = &q->buffers;
    uint32_t i = b->stack[b->free - 1];
    ssize_t n = receive(op, b->base + i * b->size, b->size, &b->senders[i]);
    if (n == -EAGAIN) return false;
    bool data = n > 0 || (n == 0 && m->s->type != SOCK_STREAM);
    if (!data) {
        esock__op_shift(m, IN);
        put(r, op, n, 0);
        return true;
    }
    b->free--;
    put(r, op, n, ESOCK_RESULT_MORE | ESOCK_RESULT_BUFFER)->buffer = i;
    return (size_t)n == b->size || !plain(m);
}

void esock__op_received(esock_member *m, esock_op *op, struct results *r, ssize_t n) {
    if (n > 0) op->done += (size_t)n;
    if (n > 0 && op->flags & ESOCK_OP_FULL && m->s->type == SOCK_STREAM && op->done < op->len)
        return;
    if (n <= 0 && op->done > 0) esock_end_read(m->s);
    esock__op_shift(m, IN);
    put(r, op, n <= 0 ? n : (int64_t)op->done, 0);
}

static bool receive_once(esock_member *m, esock_op *op, struct results *r) {
    ssize_t n = receive(op, (char *)op->buf + op->done, op->len - op->done, op->addr);
    if (n == -EAGAIN) return false;
    bool goes_on = op->flags & ESOCK_OP_FULL && m->s->type == SOCK_STREAM;
    bool emptied = n > 0 && op->done + (size_t)n < op->len && !goes_on && plain(m);
    esock__op_received(m, op, r, n);
    return !emptied;
}

/* Takes n bytes off the front of the data of a message. */
static void advance(esock_op_msg *msg, size_t n) {
    while (msg->iovlen > 0 && n >= msg->iov->iov_len) {
        n -= msg->iov->iov_len;
        msg->iov++;
        msg->iovlen--;
    }
    if (msg->iovlen == 0) return;
    msg->iov->iov_base = (char *)msg->iov->iov_base + n;
    msg->iov->iov_len -= n;
}

/* Sends what is left of an operation. *all says whether that was everything. */
static ssize_t send_rest(esock_op *op, bool *all) {
    esock *s = op->member->s;
    esock_op_msg *msg = op->msg;
    unsigned how = op->done > 0 ? ESOCK_CONT : 0u;
    size_t left = op->len - op->done;
    ssize_t n;
    switch (op->kind) {
    case ESOCK_OP_SENDTO:
        n = esock_sendto(s, (char *)op->buf + op->done, left, op->msg_flags, how, op->addr);
        *all = n >= 0 && (size_t)n == left;
        return n;
    case ESOCK_OP_SENDMSG:
        n = esock_sendmsgv(s, msg->iov, msg->iovlen, op->msg_flags, how, op->addr,
                           op->done > 0 ? NULL : msg->control, msg->control_len);
        if (n >= 0) advance(msg, (size_t)n);
        *all = n >= 0 && (s->type != SOCK_STREAM || msg->iovlen == 0);
        return n;
    case ESOCK_OP_SENDFILE:
        if (op->len == 0) left = ESOCK_SENDFILE_MAX;
        n = esock_sendfile(s, op->in_fd, &op->offset, left, how);
        *all = n == 0 || (n > 0 && op->len > 0 && (size_t)n == left);
        return n;
    default:
        n = esock_send(s, (char *)op->buf + op->done, left, op->msg_flags, how);
        *all = n >= 0 && (size_t)n == left;
        return n;
    }
}

void esock__op_sent(esock_queue *q, esock_member *m, esock_op *op, struct results *r, ssize_t n,
                    bool all) {
    if (n > 0) op->done += (size_t)n;
    if (n >= 0 && !all) return;
    esock__op_shift(m, OUT);
    if (op->kind == ESOCK_OP_SENDFILE)
        esock_sendfile_done(m->s, (int64_t)op->done, n < 0 ? (int)n : 0);
    if (n < 0) {
        esock_end_write(m->s);
        put(r, op, n, 0);
        return;
    }
    uint8_t flags = op->flags;
    if (!(flags & ESOCK_OP_QUIET)) put(r, op, (int64_t)op->done, 0);
    if (flags & ESOCK_OP_BUFFER) /* in which the operation may lie */
        give_buffer_back(&q->buffers, buffer_of(&q->buffers, op->buf));
}

static bool send_once(esock_queue *q, esock_member *m, esock_op *op, struct results *r) {
    bool all = false;
    ssize_t n = send_rest(op, &all);
    if (n == -EAGAIN) return false;
    esock__op_sent(q, m, op, r, n, all);
    return true;
}

static bool connect_once(esock_member *m, esock_op *op, struct results *r) {
    int n;
    if (op->state == GIVEN) {
        /* An unconnected stream reports a hang-up. */
        m->flags &= (uint8_t) ~(READY_IN | ENDED);
        n = esock_connect(m->s, op->addr);
    } else
        n = esock_finish(m->s);
    if (n == -EINPROGRESS) {
        op->state = STARTED;
        return false;
    }
    esock__op_shift(m, OUT);
    put(r, op, n, 0);
    return true;
}

void esock__queue_serve_out(esock_queue *q, esock_member *m, struct results *r) {
    while (m->last[OUT] != NULL && m->flags & READY_OUT && r->n < r->max) {
        esock_op *op = m->last[OUT]->next;
        bool go_on = op->kind == ESOCK_OP_CONNECT ? connect_once(m, op, r) : send_once(q, m, op, r);
        if (!go_on) m->flags &= (uint8_t)~READY_OUT;
        if (m->last[OUT] != NULL && m->last[OUT]->next == op) return; /* it has had its turn */
    }
}

void esock__queue_serve_in(esock_queue *q, esock_member *m, struct results *r) {
    for (int i = 0; m->last[IN] != NULL && m->flags & READY_IN && r->n < r->max; i++) {
        esock_op *op = m->last[IN]->next;
        bool accepts = op->kind == ESOCK_OP_ACCEPT, again = op->flags & ESOCK_OP_AGAIN;
        bool messages = again && op->kind == ESOCK_OP_RECVFROM; /* of many peers */
        if (i == (accepts ? ACCEPTS : messages ? MESSAGES : 1)) return;
        if (again && !accepts && q->buffers.free == 0) {
            starve(q, m);
            return;
        }
        bool go_on = accepts ? accept_once(m, op, r)
                     : again ? receive_again(q, m, op, r)
                             : receive_once(m, op, r);
        if (!go_on) m->flags &= (uint8_t)~READY_IN;
    }
}

void esock__queue_feed(esock_queue *q) {
    for (esock_member *m = q->starved.next; m != &q->starved; m = m->next)
        m->flags &= (uint8_t)~STARVED;
    splice_ring(&q->listed, &q->starved);
}

void esock__queue_serve(esock_queue *q, struct results *r) {
    esock_member turn;
    ring_init(&turn);
    splice_ring(&turn, &q->listed);
    while (!ring_empty(&turn) && r->n < r->max) {
        esock_member *m = turn.next;
        unlist(m);
        q->engine->serve(q, m, r);
        esock__queue_list(q, m);
    }
    splice_ring(&turn, &q->listed); /* those without a turn come first */
    splice_ring(&q->listed, &turn);
}

void esock__member_polled(esock_member *m, uint32_t events) {
    if (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) m->flags |= READY_IN;
    if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) m->flags |= READY_OUT;
    if (events & (EPOLLPRI | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) m->flags |= ENDED;
}

int esock_queue_wait(esock_queue *q, esock_result *out, int max, int timeout_ms) {
    if (out == NULL) return -EFAULT;
    if (max < 1) return -EINVAL;
    struct results r = {.out = out, .n = 0, .max = max};
    int failed = q->engine->wait(q, &r, timeout_ms);
    return r.n > 0 || failed == 0 ? r.n : failed;
}
