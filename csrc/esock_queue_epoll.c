/* A completion queue that waits with epoll.
 *
 * A member is registered once, edge-triggered, for both directions. Each direction has a flag that says that a try may
 * succeed: set by an event, cleared by a try that would block. A member that has both an operation and the flag is listed.
 * So waiting again is no system call of its own. Edges lose nothing: what comes after a try that would block is an
 * edge. */
#include "esock_queue_internal.h"

#include <sys/ioctl.h>

enum { EVENTS = 256 };

/* struct epoll_params and EPIOCSPARAMS, of Linux 6.9, which the headers of older systems lack. */
struct params {
    uint32_t busy_poll_usecs;
    uint16_t busy_poll_budget;
    uint8_t prefer_busy_poll, pad;
};

#define SET_PARAMS _IOW(0x8A, 1, struct params)

_Static_assert(sizeof(struct params) == 8, "struct epoll_params");

struct epoll_queue {
    esock_queue q;
    int ep;
    bool more;  /* epoll may have more events than it has reported */
    bool polls; /* devices, before it reports none */
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

static int epoll_busy_poll(esock_queue *q, uint32_t usecs, uint16_t budget, bool prefer) {
    const esock_sys *sys = q->sys;
    struct epoll_queue *eq = of(q);
    struct epoll_event ev;
    struct params p = {
        .busy_poll_usecs = usecs, .busy_poll_budget = budget, .prefer_busy_poll = prefer};
    int r = sys->ioctl(sys, eq->ep, SET_PARAMS, &p);
    if (r < 0) return r;
    r = sys->epoll_pwait2(sys, eq->ep, &ev, 0, 0);
    eq->polls = r == -EINVAL; /* there is no room for events; any other error is a filter's */
    if (eq->polls) return 0;
    p = (struct params){0};
    sys->ioctl(sys, eq->ep, SET_PARAMS, &p);
    return r;
}

/* Asks epoll for events. Linux polls devices in a wait that may sleep, and not in one whose timeout is 0: the shortest that
 * may has a nanosecond. */
static int ask(struct epoll_queue *eq, bool sleep, int timeout_ms) {
    const esock_sys *sys = eq->q.sys;
    if (eq->polls && sleep && timeout_ms == 0)
        return sys->epoll_pwait2(sys, eq->ep, eq->events, EVENTS, 1);
    return sys->epoll_wait(sys, eq->ep, eq->events, EVENTS, sleep ? timeout_ms : 0);
}

static int epoll_queue_wait(esock_queue *q, struct results *r, int timeout_ms) {
    struct epoll_queue *eq = of(q);
    serve_all(q, r);
    /* Also asked when there are results, so that busy sockets do not keep others out. */
    bool sleep = r->n == 0 && epoll_idle(q);
    int n = ask(eq, sleep, timeout_ms);
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
    .busy_poll = epoll_busy_poll,
};
