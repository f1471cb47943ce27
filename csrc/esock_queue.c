/* Completion queues: members, their operations, and how each operation is carried out. The events come from epoll.
 *
 * A member is registered once, edge-triggered, for both directions. Each direction has a list of operations, and a flag
 * that says that a try may succeed: set by an event, cleared by a try that would block. A member that has both an
 * operation and the flag is listed; esock_queue_wait serves those that are listed, and asks epoll for more. So giving an
 * operation is no system call, and neither is waiting again.
 *
 * Edges lose nothing: what comes after a try that would block is an edge. A receive that fills less than its buffer has
 * emptied a plain TCP socket, and is as good as such a try. It is not on other sockets, where a receive may stop at a
 * boundary: of messages, records (kTLS), credentials or descriptors (unix). Urgent data is such a boundary too, so a
 * socket that has reported some is asked again. */
#include "esock_queue.h"
#include "esock_internal.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef TCP_ULP
#define TCP_ULP 31
#endif

enum { IN, OUT }; /* a direction */

enum member_flag {
    READY_IN = 1 << IN, /* a try in the direction may succeed */
    READY_OUT = 1 << OUT,
    LISTED = 4,
    ENDED =
        8, /* the peer has sent its end, or there is an error: a short receive is not the last */
    PLAIN = 16,     /* a short receive empties the socket */
    LOOKED = 32,    /* PLAIN was looked up */
    DUPLICATE = 64, /* `watched` is ours to close */
    STARVED = 128   /* listed, but among those that wait for a buffer */
};

enum op_state { IDLE, GIVEN, STARTED /* connect: in progress */ };

struct esock_member {
    esock *s;
    esock_op *last[2]; /* of each direction; its `next` is the first */
    esock_member *prev, *next;
    int watched; /* the descriptor that epoll watches */
    uint8_t flags;
};

enum { EVENTS = 256, ACCEPTS = 64 /* of one listener in a call */ };

struct esock_queue {
    esock_buffers buffers;
    const esock_sys *sys;
    int ep;
    int event; /* an eventfd: esock_queue_wake */
    uint32_t members;
    bool more;            /* epoll may have more events than it has reported */
    esock_member listed;  /* the head of a ring: members to serve */
    esock_member starved; /* those whose receive waits for a buffer */
    struct epoll_event events[EVENTS];
};

/* ---- Rings of members ------------------------------------------------------------------------ */

static void ring_init(esock_member *head) {
    head->prev = head->next = head;
}

static bool ring_empty(const esock_member *head) {
    return head->next == head;
}

static void append(esock_member *head, esock_member *m) {
    m->prev = head->prev;
    m->next = head;
    m->prev->next = head->prev = m;
    m->flags |= LISTED;
}

static void unlist(esock_member *m) {
    if (!(m->flags & LISTED)) return;
    m->prev->next = m->next;
    m->next->prev = m->prev;
    m->flags &= (uint8_t) ~(LISTED | STARVED);
}

/* Moves all members of one ring behind those of another. */
static void splice_ring(esock_member *to, esock_member *from) {
    if (ring_empty(from)) return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    ring_init(from);
}

/* Lists a member for which something can be tried. */
static void list(esock_queue *q, esock_member *m) {
    bool in = m->last[IN] != NULL && m->flags & READY_IN;
    bool out = m->last[OUT] != NULL && m->flags & READY_OUT;
    if (m->flags & STARVED && out) unlist(m);
    if ((in || out) && !(m->flags & LISTED)) append(&q->listed, m);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static int make_buffers(const esock_sys *sys, esock_buffers *b, const esock_queue_config *c) {
    uint32_t count = c != NULL && c->buffers ? c->buffers : 1024;
    uint32_t size = c != NULL && c->buffer_size ? c->buffer_size : 16384;
    if (size % 64 != 0 || (uint64_t)count * size > 1u << 31) return -EINVAL;
    b->stack = sys->alloc(sys, count * sizeof *b->stack);
    if (b->stack == NULL) return -ENOMEM;
    /* Only the pages that are written take memory. */
    b->base = mmap(NULL, (size_t)count * size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (b->base == MAP_FAILED) {
        int r = -errno;
        sys->free(sys, b->stack);
        return r;
    }
    b->size = size;
    b->count = b->free = count;
    for (uint32_t i = 0; i < count; i++)
        b->stack[i] = count - 1 - i;
    return 0;
}

static void free_buffers(const esock_sys *sys, esock_buffers *b) {
    munmap(b->base, b->count * b->size);
    sys->free(sys, b->stack);
}

/* Opens the epoll descriptor and the event descriptor. */
static int open_queue(esock_queue *q) {
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    q->ep = q->sys->epoll_create(q->sys);
    if (q->ep < 0) return q->ep;
    q->event = q->sys->eventfd(q->sys);
    int r = q->event;
    if (r >= 0) r = q->sys->epoll_ctl(q->sys, q->ep, EPOLL_CTL_ADD, q->event, &ev);
    if (r >= 0) return 0;
    if (q->event >= 0) q->sys->close(q->sys, q->event);
    q->sys->close(q->sys, q->ep);
    return r;
}

int esock_queue_new(esock_queue **out, const esock_queue_config *config, const esock_sys *sys) {
    if (out == NULL) return -EFAULT;
    if (sys == NULL) sys = esock_sys_libc();
    esock_queue *q = sys->alloc(sys, sizeof *q);
    if (q == NULL) return -ENOMEM;
    *q = (esock_queue){.sys = sys};
    ring_init(&q->listed);
    ring_init(&q->starved);
    int r = make_buffers(sys, &q->buffers, config);
    if (r == 0) {
        r = open_queue(q);
        if (r < 0) free_buffers(sys, &q->buffers);
    }
    if (r < 0) {
        sys->free(sys, q);
        return r;
    }
    *out = q;
    return 0;
}

int esock_queue_free(esock_queue *q) {
    if (q == NULL) return 0;
    if (q->members > 0) return -EBUSY;
    q->sys->close(q->sys, q->event);
    q->sys->close(q->sys, q->ep);
    free_buffers(q->sys, &q->buffers);
    q->sys->free(q->sys, q);
    return 0;
}

esock_buffers *esock_queue_buffers(esock_queue *q) {
    return &q->buffers;
}

int esock_queue_fd(const esock_queue *q) {
    return q->ep;
}

int esock_queue_wake(esock_queue *q) {
    int r = q->sys->event_set(q->sys, q->event);
    return r < 0 && r != -EAGAIN ? r : 0; /* EAGAIN: set very often already */
}

int esock_queue_idle(const esock_queue *q) {
    return !q->more && ring_empty(&q->listed) && (ring_empty(&q->starved) || q->buffers.free == 0);
}

/* ---- Members --------------------------------------------------------------------------------- */

int esock_queue_add(esock_queue *q, esock *s, esock_member **out) {
    if (out == NULL) return -EFAULT;
    esock_member *m = q->sys->alloc(q->sys, sizeof *m);
    if (m == NULL) return -ENOMEM;
    *m = (esock_member){.s = s, .watched = s->fd};
    /* The number of a descriptor that the caller keeps may become that of another file. */
    if (esock__flags(s) & ESOCK__RESTORE_FL) {
        m->watched = s->sys->dup(s->sys, s->fd);
        m->flags |= DUPLICATE;
    }
    struct epoll_event ev = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET,
        .data.ptr = m,
    };
    int r = m->watched;
    if (r >= 0) r = q->sys->epoll_ctl(q->sys, q->ep, EPOLL_CTL_ADD, m->watched, &ev);
    if (r < 0) {
        if (m->watched >= 0 && m->flags & DUPLICATE) s->sys->close(s->sys, m->watched);
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

/* Takes the first operation of a direction off its list. */
static esock_op *shift(esock_member *m, int dir) {
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
    if (dir == IN)
        esock_end_read(m->s);
    else
        esock_end_write(m->s);
}

int esock_queue_remove(esock_queue *q, esock_member *m) {
    struct epoll_event ev = {0};
    int ended = 0;
    q->sys->epoll_ctl(q->sys, q->ep, EPOLL_CTL_DEL, m->watched, &ev);
    if (m->flags & DUPLICATE) m->s->sys->close(m->s->sys, m->watched);
    for (int dir = IN; dir <= OUT; dir++) {
        if (m->last[dir] != NULL) end_request(m, dir);
        for (; m->last[dir] != NULL; ended++)
            shift(m, dir);
    }
    unlist(m);
    q->sys->free(q->sys, m);
    q->members--;
    return ended;
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
        [ESOCK_OP_RECVFROM] = {.buf = true, .addr = true},
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
    if (kinds[op->kind].buf && op->buf == NULL && op->len > 0 && !(op->flags & ESOCK_OP_AGAIN))
        return -EFAULT;
    if (op->flags & ESOCK_OP_BUFFER && !in_buffer(&q->buffers, op->buf, op->len)) return -EINVAL;
    if (kinds[op->kind].addr && op->addr == NULL) return -EFAULT;
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
    list(q, m);
    return 0;
}

int esock_queue_cancel(esock_queue *q, esock_op *op) {
    (void)q;
    if (op == NULL) return -EFAULT;
    if (op->state == IDLE) return -ENOENT;
    esock_member *m = op->member;
    int dir = direction(op);
    esock_op *before = m->last[dir];
    while (before->next != op)
        before = before->next;
    if (before == m->last[dir]) { /* it is the first */
        end_request(m, dir);
        shift(m, dir);
        return 0;
    }
    before->next = op->next;
    if (m->last[dir] == op) m->last[dir] = before;
    op->next = NULL;
    op->state = IDLE;
    return 0;
}

/* ---- Carrying out ---------------------------------------------------------------------------- */

/* Where the results of a call go. */
struct results {
    esock_result *out;
    int n, max;
};

/* Appends a result. There must be room. */
static esock_result *put(struct results *r, esock_op *op, int64_t n, uint32_t flags) {
    esock_result *out = &r->out[r->n++];
    *out = (esock_result){.op = op, .user = op->user, .n = n, .flags = flags};
    return out;
}

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

static ssize_t receive(esock_op *op, void *buf, size_t len) {
    esock *s = op->member->s;
    esock_op_msg *msg = op->msg;
    unsigned how = (op->flags & ESOCK_OP_FULL ? ESOCK_FULL : 0u) | (op->done > 0 ? ESOCK_CONT : 0u);
    switch (op->kind) {
    case ESOCK_OP_RECVFROM:
        return esock_recvfrom(s, buf, len, op->msg_flags, how, op->addr);
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
    if (!again) shift(m, IN);
    put(r, op, n, again ? ESOCK_RESULT_MORE : 0)->accepted = c;
    return true;
}

/* A repeated receive, of which there is a free buffer. */
static bool receive_again(esock_queue *q, esock_member *m, esock_op *op, struct results *r) {
    esock_buffers *b = &q->buffers;
    uint32_t i = b->stack[b->free - 1];
    ssize_t n = receive(op, b->base + i * b->size, b->size);
    if (n == -EAGAIN) return false;
    bool data = n > 0 || (n == 0 && m->s->type != SOCK_STREAM);
    if (!data) {
        shift(m, IN);
        put(r, op, n, 0);
        return true;
    }
    b->free--;
    put(r, op, n, ESOCK_RESULT_MORE | ESOCK_RESULT_BUFFER)->buffer = i;
    return (size_t)n == b->size || !plain(m);
}

static bool receive_once(esock_member *m, esock_op *op, struct results *r) {
    ssize_t n = receive(op, (char *)op->buf + op->done, op->len - op->done);
    if (n == -EAGAIN) return false;
    if (n > 0) op->done += (size_t)n;
    if (n > 0 && op->flags & ESOCK_OP_FULL && m->s->type == SOCK_STREAM && op->done < op->len)
        return true;
    bool emptied = n > 0 && op->done < op->len && plain(m);
    if (n <= 0 && op->done > 0) esock_end_read(m->s);
    shift(m, IN);
    put(r, op, n <= 0 ? n : (int64_t)op->done, 0);
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

static bool send_once(esock_queue *q, esock_member *m, esock_op *op, struct results *r) {
    bool all = false;
    ssize_t n = send_rest(op, &all);
    if (n == -EAGAIN) return false;
    if (n > 0) op->done += (size_t)n;
    if (n >= 0 && !all) return true;
    shift(m, OUT);
    if (op->kind == ESOCK_OP_SENDFILE)
        esock_sendfile_done(m->s, (int64_t)op->done, n < 0 ? (int)n : 0);
    if (n < 0) {
        esock_end_write(m->s);
        put(r, op, n, 0);
        return true;
    }
    uint8_t flags = op->flags;
    if (!(flags & ESOCK_OP_QUIET)) put(r, op, (int64_t)op->done, 0);
    if (flags & ESOCK_OP_BUFFER) /* in which the operation may lie */
        q->buffers.stack[q->buffers.free++] = buffer_of(&q->buffers, op->buf);
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
    shift(m, OUT);
    put(r, op, n, 0);
    return true;
}

static void serve_out(esock_queue *q, esock_member *m, struct results *r) {
    while (m->last[OUT] != NULL && m->flags & READY_OUT && r->n < r->max) {
        esock_op *op = m->last[OUT]->next;
        bool go_on = op->kind == ESOCK_OP_CONNECT ? connect_once(m, op, r) : send_once(q, m, op, r);
        if (!go_on) m->flags &= (uint8_t)~READY_OUT;
        if (m->last[OUT] != NULL && m->last[OUT]->next == op) return; /* it has had its turn */
    }
}

static void serve_in(esock_queue *q, esock_member *m, struct results *r) {
    for (int i = 0; m->last[IN] != NULL && m->flags & READY_IN && r->n < r->max; i++) {
        esock_op *op = m->last[IN]->next;
        bool accepts = op->kind == ESOCK_OP_ACCEPT, again = op->flags & ESOCK_OP_AGAIN;
        if (i == (accepts ? ACCEPTS : 1)) return;
        if (again && !accepts && q->buffers.free == 0) {
            append(&q->starved, m);
            m->flags |= STARVED;
            return;
        }
        bool go_on = accepts ? accept_once(m, op, r)
                     : again ? receive_again(q, m, op, r)
                             : receive_once(m, op, r);
        if (!go_on) m->flags &= (uint8_t)~READY_IN;
    }
}

/* Gives each listed member one turn, as long as there is room for results. */
static void serve(esock_queue *q, struct results *r) {
    esock_member turn;
    ring_init(&turn);
    if (q->buffers.free > 0) {
        for (esock_member *m = q->starved.next; m != &q->starved; m = m->next)
            m->flags &= (uint8_t)~STARVED;
        splice_ring(&q->listed, &q->starved);
    }
    splice_ring(&turn, &q->listed);
    while (!ring_empty(&turn) && r->n < r->max) {
        esock_member *m = turn.next;
        unlist(m);
        serve_out(q, m, r);
        serve_in(q, m, r);
        list(q, m);
    }
    splice_ring(&turn, &q->listed); /* those without a turn come first */
    splice_ring(&q->listed, &turn);
}

/* Notes what epoll has reported. */
static void collect(esock_queue *q, int n) {
    for (int i = 0; i < n; i++) {
        esock_member *m = q->events[i].data.ptr;
        uint32_t ev = q->events[i].events;
        if (m == NULL) {
            q->sys->event_clear(q->sys, q->event);
            continue;
        }
        if (ev & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) m->flags |= READY_IN;
        if (ev & (EPOLLOUT | EPOLLERR | EPOLLHUP)) m->flags |= READY_OUT;
        if (ev & (EPOLLPRI | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) m->flags |= ENDED;
        list(q, m);
    }
}

int esock_queue_wait(esock_queue *q, esock_result *out, int max, int timeout_ms) {
    if (out == NULL) return -EFAULT;
    if (max < 1) return -EINVAL;
    struct results r = {.out = out, .n = 0, .max = max};
    serve(q, &r);
    /* Also asked when there are results, so that busy sockets do not keep others out. */
    bool sleep = r.n == 0 && esock_queue_idle(q);
    int n = q->sys->epoll_wait(q->sys, q->ep, q->events, EVENTS, sleep ? timeout_ms : 0);
    /* The descriptor does not become readable once more for the rest. */
    if (n >= 0) q->more = n == EVENTS;
    if (n == -EINTR) n = 0;
    if (n < 0) return r.n > 0 ? r.n : n;
    collect(q, n);
    if (r.n == 0) serve(q, &r);
    return r.n;
}
