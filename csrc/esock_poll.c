/* Readiness: epoll. A socket has one registration for both directions.
 *
 * How epoll watches a handle is its mode. p->mu guards it, and next_mode alone chooses it, but for the end of KEPT.
 *
 *   ONCE   One-shot: an event ends the watch of both directions, so that a socket for which nobody waits costs nothing. Each
 *          arm after an event is an epoll_ctl, which also reports what is ready already.
 *   QUIET  Edge-triggered, after an empty event: a lasting condition causes no endless events.
 *   KEPT   Edge-triggered, for receives only: arms cost no epoll_ctl.
 *
 *   from ONCE, QUIET  to QUIET  an arm after an empty event
 *   from QUIET        to ONCE   any other arm
 *   from ONCE         to KEPT   an arm after a try that would block, for ESOCK_IN alone, which follows as many such arms in
 *                               a row as proof asks for
 *   from KEPT         to ONCE   an arm without such a try; an arm of another direction, which QUIET gets after an empty event;
 *                               the second edge in KEPT that nobody waited for
 *
 * KEPT loses no event. A try that would block has seen the socket empty, and whatever comes after it is an edge. That edge
 * comes before the arm or after it. After it, the event answers the arm. Before it, nobody waits for the event: `missed`
 * records that, and the next arm modifies the registration, upon which epoll reports what is ready. An arm without such a
 * try might leave something in the socket, so it goes back to ONCE. So does a peek where SO_PEEK_OFF may be set. An
 * edge-triggered registration is not modified otherwise: that would report a lasting condition once more.
 *
 * An edge that nobody waits for costs more than an epoll_ctl. So each return to ONCE for that reason doubles the proof. */
#include "esock_internal.h"

#include <fcntl.h>
#include <pthread.h>

enum mode { ONCE, QUIET, KEPT };

enum {
    STRAYS = 2,   /* edges that nobody waited for end KEPT */
    PROOF = 3,    /* arms in a row before KEPT, at first */
    DOUBLINGS = 6 /* of it, at most */
};

struct esock_poller {
    const esock_sys *sys;
    int ep;
    /* Guards the registration state of every handle in this poller. It adds no contention, because
     * the kernel runs one epoll_ctl at a time under a lock of its own. */
    pthread_mutex_t mu;
};

static int new_epoll(const esock_sys *sys) {
    int ep = sys->epoll_create(sys);
    if (ep < 0) return ep;
    /* A runtime that adds the descriptor to its own poller may require O_NONBLOCK. */
    int fl = sys->getfl(sys, ep);
    if (fl >= 0) sys->setfl(sys, ep, fl | O_NONBLOCK);
    return ep;
}

int esock_poller_new(esock_poller **out, const esock_sys *sys) {
    if (out == NULL) return -EFAULT;
    if (sys == NULL) sys = esock_sys_libc();
    esock_poller *p = sys->alloc(sys, sizeof *p);
    if (p == NULL) return -ENOMEM;
    *p = (esock_poller){.sys = sys, .ep = new_epoll(sys)};
    if (p->ep < 0) {
        int r = p->ep;
        sys->free(sys, p);
        return r;
    }
    pthread_mutex_init(&p->mu, NULL);
    *out = p;
    return 0;
}

void esock_poller_free(esock_poller *p) {
    if (p == NULL) return;
    p->sys->close(p->sys, p->ep);
    esock_poller_forget(p);
}

void esock_poller_forget(esock_poller *p) {
    pthread_mutex_destroy(&p->mu);
    p->sys->free(p->sys, p);
}

int esock_poller_renew(esock_poller *p) {
    int ep = new_epoll(p->sys);
    pthread_mutex_lock(&p->mu);
    p->ep = ep < 0 ? -1 : ep;
    pthread_mutex_unlock(&p->mu);
    return ep;
}

int esock_poller_fd(const esock_poller *p) {
    return p->ep;
}

/* Chooses the descriptor for a new registration, which epoll knows by its number. A descriptor that the caller keeps is
 * watched through a duplicate: other handles may be registered with its number (EEXIST), and the number may become that of
 * another file, whose registration would then be changed or ended instead. p->mu is held. */
static int choose(esock *s) {
    s->watched = s->fd;
    s->watched_ours = 0;
    if (!(esock__flags(s) & ESOCK__RESTORE_FL)) return 0;
    int fd = s->sys->dup(s->sys, s->fd);
    if (fd < 0) return fd;
    s->watched = fd;
    s->watched_ours = 1;
    return 0;
}

/* Undoes choose. p->mu is held. */
static void unchoose(esock *s) {
    if (s->watched_ours) s->sys->close(s->sys, s->watched);
    s->watched_ours = 0;
}

/* Tells epoll to watch `events` in a mode. p->mu is held. */
static int watch(esock_poller *p, esock *s, unsigned events, enum mode mode) {
    struct epoll_event ev = {
        .events = (events & ESOCK_IN ? EPOLLIN : 0u) | (events & ESOCK_OUT ? EPOLLOUT : 0u) |
                  (mode == ONCE ? EPOLLONESHOT : EPOLLET),
        .data.ptr = s->user,
    };
    int r = s->in_poller ? 0 : choose(s);
    if (r < 0) return r;
    r = p->sys->epoll_ctl(p->sys, p->ep, s->in_poller ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s->watched,
                          &ev);
    if (r == -ENOENT && s->in_poller) /* registered before esock_poller_renew */
        r = p->sys->epoll_ctl(p->sys, p->ep, EPOLL_CTL_ADD, s->watched, &ev);
    if (r < 0) {
        if (!s->in_poller) unchoose(s);
        return r;
    }
    s->in_poller = 1;
    s->registered = (uint8_t)events;
    if (mode != s->mode) s->drained = s->strays = 0;
    s->mode = (uint8_t)mode;
    s->missed = 0;
    return 0;
}

/* Chooses the mode of an arm, after which `want` is armed. p->mu is held. */
static enum mode next_mode(esock *s, unsigned want, enum esock_arm_after after) {
    bool receives = want == ESOCK_IN;
    /* A peek at an offset finds nothing although the socket is readable. */
    if (after == ESOCK_AFTER_PEEK && !(esock__flags(s) & (ESOCK__PEEK_OFF | ESOCK__EXPOSED)))
        after = ESOCK_AFTER_TRY;
    switch (after) {
    case ESOCK_AFTER_EMPTY:
        return receives && s->mode == KEPT ? KEPT : QUIET;
    case ESOCK_AFTER_TRY:
        if (!receives || s->mode == QUIET) return ONCE;
        if (s->mode == KEPT) return KEPT;
        if (s->registered & ESOCK_IN) return ONCE; /* a cancelled arm proves nothing */
        if (s->drained < PROOF << s->doublings) {
            s->drained++;
            return ONCE;
        }
        return KEPT;
    case ESOCK_AFTER_PEEK:
    case ESOCK_AFTER_NOTHING:
        break;
    }
    s->drained = 0;
    return ONCE;
}

int esock_arm(esock_poller *p, esock *s, unsigned events, enum esock_arm_after after, void *user) {
    int r = 0;
    pthread_mutex_lock(&p->mu);
    s->user = user;
    unsigned want = s->armed | (events & (ESOCK_IN | ESOCK_OUT | ESOCK_ERR));
    enum mode mode = next_mode(s, want, after);
    /* No call for what epoll already watches. */
    if (s->mode != mode || (s->registered & want) != want || s->missed)
        r = watch(p, s, want | (mode == QUIET && s->mode == QUIET ? s->registered : 0u), mode);
    if (r == 0) s->armed = (uint8_t)want;
    pthread_mutex_unlock(&p->mu);
    return r;
}

int esock_disarm(esock_poller *p, esock *s, unsigned events) {
    /* Only `armed` changes: one event without a waiter costs less than a system call. */
    pthread_mutex_lock(&p->mu);
    s->armed = (uint8_t)(s->armed & ~events);
    pthread_mutex_unlock(&p->mu);
    return 0;
}

/* Records an edge in KEPT that nobody waited for. p->mu is held. */
static void stray(esock_poller *p, esock *s) {
    s->missed = 1;
    if (++s->strays < STRAYS) return;
    if (s->doublings < DOUBLINGS) s->doublings++;
    if (watch(p, s, 0, ONCE) < 0) s->registered = 0; /* the next arm reports the reason */
}

int esock_fired(esock_poller *p, esock *s, unsigned events) {
    pthread_mutex_lock(&p->mu);
    unsigned answered = events & ESOCK_ERR ? s->armed : s->armed & events;
    s->armed = (uint8_t)(s->armed & ~answered);
    if (s->mode == KEPT && answered == 0)
        stray(p, s);
    else if (s->in_poller && s->mode == ONCE) {
        s->registered = 0; /* one shot, for both directions */
        if (s->armed != 0 && watch(p, s, s->armed, ONCE) < 0) {
            /* The socket can no longer be watched. Every waiter is woken, and its own call reports
             * the reason. */
            answered |= s->armed;
            s->armed = 0;
        }
    }
    pthread_mutex_unlock(&p->mu);
    return (int)answered;
}

int esock_ready(esock *s, unsigned events) {
    struct pollfd p = {.fd = s->fd,
                       .events = (short)((events & ESOCK_IN ? POLLIN : 0) |
                                         (events & ESOCK_OUT ? POLLOUT : 0) | POLLRDHUP),
                       .revents = 0};
    int r;
    ESOCK__RETRY(r, s->sys->poll(s->sys, &p, 1, 0));
    if (r < 0) return r;
    unsigned got = (p.revents & POLLIN ? ESOCK_IN : 0u) | (p.revents & POLLOUT ? ESOCK_OUT : 0u) |
                   (p.revents & (POLLERR | POLLHUP) ? ESOCK_ERR : 0u);
    return (int)((got & events) | (p.revents & POLLRDHUP ? ESOCK_END : 0u));
}

int esock_send_ended(esock *s) {
    if (esock_domain(s) != AF_UNIX) return 0;
    ssize_t n;
    if (s->type == SOCK_STREAM)
        ESOCK__RETRY(n, s->sys->send(s->sys, s->fd, "", 0, ESOCK__SEND_FLAGS));
    else if (s->type ==
             SOCK_SEQPACKET) /* no bytes would be a message: one from nowhere is EFAULT */
        ESOCK__RETRY(n, s->sys->send(s->sys, s->fd, NULL, 1, ESOCK__SEND_FLAGS));
    else
        return 0;
    return n < 0 && n != -EAGAIN && n != -EFAULT;
}

int esock_deregister(esock_poller *p, esock *s) {
    int r = 0;
    pthread_mutex_lock(&p->mu);
    if (s->in_poller) {
        struct epoll_event ev = {0};
        r = p->sys->epoll_ctl(p->sys, p->ep, EPOLL_CTL_DEL, s->watched, &ev);
        unchoose(s);
    }
    s->in_poller = s->armed = s->registered = 0;
    s->mode = ONCE;
    s->drained = s->strays = s->doublings = s->missed = 0;
    s->user = NULL;
    pthread_mutex_unlock(&p->mu);
    return r;
}

int esock_poll(esock_poller *p, esock_event *events, int max, int timeout_ms) {
    struct epoll_event ev[64];
    if (events == NULL) return -EFAULT;
    if (max <= 0) return -EINVAL;
    if (max > 64) max = 64;
    int n;
    do {
        n = p->sys->epoll_wait(p->sys, p->ep, ev, max, timeout_ms);
    } while (n == -EINTR && timeout_ms < 0);
    if (n == -EINTR) return 0; /* the caller knows how much time is left */
    for (int i = 0; i < n; i++) {
        events[i].user = ev[i].data.ptr;
        events[i].events = (ev[i].events & EPOLLIN ? ESOCK_IN : 0u) |
                           (ev[i].events & EPOLLOUT ? ESOCK_OUT : 0u) |
                           (ev[i].events & (EPOLLERR | EPOLLHUP) ? ESOCK_ERR : 0u);
        events[i].spare = 0;
    }
    return n;
}
