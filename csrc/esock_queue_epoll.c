/* A completion queue that waits with epoll.
 *
 * A member is registered once, edge-triggered, for both directions. Each direction has a flag that says that a try may
 * succeed: set by an event, cleared by a try that would block. A member that has both an operation and the flag is listed.
 * So waiting again is no system call of its own. Edges lose nothing: what comes after a try that would block is an
 * edge. */
#include "esock_queue_internal.h"

enum { EVENTS = 256 };

struct epoll_queue {
    esock_queue q;
    int ep;
    bool more; /* epoll may have more events than it has reported */
    struct epoll_event events[EVENTS];
};

static struct epoll_queue *of(esock_queue *q) {
    return (struct epoll_queue *)q;
}

static int epoll_open(esock_queue *q) {
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    int ep = of(q)->ep = q->sys->epoll_create(q->sys);
    if (ep < 0) return ep;
    int r = q->sys->epoll_ctl(q->sys, ep, EPOLL_CTL_ADD, q->event, &ev);
    if (r < 0) q->sys->close(q->sys, ep);
    return r;
}

static void epoll_close(esock_queue *q) {
    q->sys->close(q->sys, of(q)->ep);
}

static int epoll_add(esock_queue *q, esock_member *m) {
    esock *s = m->s;
    m->watched = s->fd;
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
    if (r >= 0) r = q->sys->epoll_ctl(q->sys, of(q)->ep, EPOLL_CTL_ADD, m->watched, &ev);
    if (r < 0 && m->watched >= 0 && m->flags & DUPLICATE) s->sys->close(s->sys, m->watched);
    return r;
}

static int epoll_remove(esock_queue *q, esock_member *m) {
    struct epoll_event ev = {0};
    q->sys->epoll_ctl(q->sys, of(q)->ep, EPOLL_CTL_DEL, m->watched, &ev);
    if (m->flags & DUPLICATE) m->s->sys->close(m->s->sys, m->watched);
    return 0;
}

static unsigned epoll_due(const esock_member *m) {
    return (m->last[IN] != NULL ? m->flags & READY_IN : 0u) |
           (m->last[OUT] != NULL ? m->flags & READY_OUT : 0u);
}

_Static_assert(READY_IN == 1 << IN && READY_OUT == 1 << OUT, "the flags are what is due");

static void epoll_serve(esock_queue *q, esock_member *m, struct results *r) {
    esock__queue_serve_out(q, m, r);
    esock__queue_serve_in(q, m, r);
}

static int epoll_idle(esock_queue *q) {
    return !of(q)->more && ring_empty(&q->listed) &&
           (ring_empty(&q->starved) || q->buffers.free == 0);
}

/* Notes what epoll has reported. */
static void collect(struct epoll_queue *eq, int n) {
    esock_queue *q = &eq->q;
    for (int i = 0; i < n; i++) {
        esock_member *m = eq->events[i].data.ptr;
        if (m == NULL) {
            q->sys->event_clear(q->sys, q->event);
            continue;
        }
        esock__member_polled(m, eq->events[i].events);
        esock__queue_list(q, m);
    }
}

static void serve_all(esock_queue *q, struct results *r) {
    if (q->buffers.free > 0) esock__queue_feed(q);
    esock__queue_serve(q, r);
}

static int epoll_queue_wait(esock_queue *q, struct results *r, int timeout_ms) {
    struct epoll_queue *eq = of(q);
    serve_all(q, r);
    /* Also asked when there are results, so that busy sockets do not keep others out. */
    bool sleep = r->n == 0 && epoll_idle(q);
    int n = q->sys->epoll_wait(q->sys, eq->ep, eq->events, EVENTS, sleep ? timeout_ms : 0);
    /* The descriptor does not become readable once more for the rest. */
    if (n >= 0) eq->more = n == EVENTS;
    if (n == -EINTR) n = 0;
    if (n < 0) return n;
    collect(eq, n);
    if (r->n == 0) serve_all(q, r);
    return 0;
}

static int epoll_fd(const esock_queue *q) {
    return ((const struct epoll_queue *)q)->ep;
}

const esock__engine esock__queue_epoll = {
    .queue_size = sizeof(struct epoll_queue),
    .member_size = sizeof(esock_member),
    .open = epoll_open,
    .close = epoll_close,
    .add = epoll_add,
    .remove = epoll_remove,
    .due = epoll_due,
    .serve = epoll_serve,
    .wait = epoll_queue_wait,
    .idle = epoll_idle,
    .fd = epoll_fd,
};
