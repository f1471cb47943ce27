/* Readiness: epoll, and what poll says of a descriptor. */
#include "sim_internal.h"

#include <limits.h>
#include <stdlib.h>

/* What epoll keeps when a one-shot event was given. */
#define PRIVATE (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)

unsigned sim_poll_file(struct file *f) {
    switch (f->kind) {
    case SIM_SOCK:
        return ((struct sock *)f)->family->poll((struct sock *)f);
    case SIM_EVENT: {
        uint64_t n = ((struct eventfd *)f)->count;
        return (n > 0 ? EPOLLIN : 0u) | (n < UINT64_MAX - 1 ? EPOLLOUT : 0u);
    }
    case SIM_EPOLL:
        for (struct watch *w = ((struct epoll *)f)->ready; w != NULL; w = w->ready_next)
            if (sim_poll_file(w->file) & w->events) return EPOLLIN | EPOLLRDNORM;
    }
    return 0;
}

static void list(struct watch *w) {
    struct epoll *e = w->epoll;
    if (w->ready) return;
    w->ready = true;
    w->ready_next = NULL;
    if (e->ready_last != NULL)
        e->ready_last->ready_next = w;
    else
        e->ready = w;
    e->ready_last = w;
    e->file.sim->changes++;
    sim_notify(&e->file, EPOLLIN);
}

static void unlist(struct watch *w) {
    struct epoll *e = w->epoll;
    if (!w->ready) return;
    w->ready = false;
    struct watch *before = NULL, *at = e->ready;
    for (; at != w; at = at->ready_next)
        before = at;
    if (before == NULL)
        e->ready = w->ready_next;
    else
        before->ready_next = w->ready_next;
    if (e->ready_last == w) e->ready_last = before;
}

void sim_notify(struct file *f, unsigned mask) {
    for (struct watch *w = f->watches; w != NULL; w = w->of_file)
        if (w->events & ~(uint32_t)PRIVATE && (mask == 0 || w->events & mask)) list(w);
}

/* Takes a registration out of one of its lists. */
static void cut(struct watch **at, struct watch *w, size_t next) {
    while (*at != w)
        at = (struct watch **)(void *)((char *)*at + next);
    *at = *(struct watch **)(void *)((char *)w + next);
}

static void unwatch(struct watch *w) {
    unlist(w);
    cut(&w->file->watches, w, offsetof(struct watch, of_file));
    cut(&w->epoll->watches, w, offsetof(struct watch, of_epoll));
    free(w);
}

void sim_unwatch(struct file *f) {
    while (f->watches != NULL)
        unwatch(f->watches);
}

struct epoll *epoll_new(esock_sim *sim, struct host *h) {
    struct epoll *e = calloc(1, sizeof *e);
    if (e == NULL) return NULL;
    e->file = (struct file){.kind = SIM_EPOLL, .sim = sim};
    e->dice.key = sim_mix(h->dice.key, ++h->opened);
    return e;
}

void epoll_free(struct epoll *e) {
    while (e->watches != NULL)
        unwatch(e->watches);
    free(e);
}

/* Whether `f` is, or watches, `e`; Linux refuses circles and more than five epolls in a row. */
static bool reaches(struct file *f, struct epoll *e, int depth) {
    if (f == &e->file || depth > 5) return true;
    if (f->kind != SIM_EPOLL) return false;
    for (struct watch *w = ((struct epoll *)f)->watches; w != NULL; w = w->of_epoll)
        if (reaches(w->file, e, depth + 1)) return true;
    return false;
}

int epoll_change(struct epoll *e, int op, int fd, struct file *f, const struct epoll_event *ev) {
    struct watch *w = e->watches;
    if (f == &e->file) return -EINVAL;
    while (w != NULL && (w->file != f || w->fd != fd))
        w = w->of_epoll;
    switch (op) {
    case EPOLL_CTL_ADD:
        if (reaches(f, e, 1)) return -ELOOP;
        if (w != NULL) return -EEXIST;
        w = calloc(1, sizeof *w);
        if (w == NULL) return -ENOMEM;
        *w = (struct watch){
            .of_file = f->watches, .of_epoll = e->watches, .epoll = e, .file = f, .fd = fd};
        f->watches = e->watches = w;
        break;
    case EPOLL_CTL_MOD:
        if (w == NULL) return -ENOENT;
        break;
    case EPOLL_CTL_DEL:
        if (w == NULL) return -ENOENT;
        unwatch(w);
        return 0;
    default:
        return -EINVAL;
    }
    w->events = ev->events | EPOLLERR | EPOLLHUP;
    w->data = ev->data;
    if (sim_poll_file(f) & w->events) list(w);
    return 0;
}

/* Reports `got` of a registration. */
static void report(struct watch *w, uint32_t got, struct epoll_event *ev) {
    ev->events = got;
    ev->data = w->data;
    if (w->events & EPOLLONESHOT) w->events &= PRIVATE;
}

/* A fault: one registration that waits reports what is not there. */
static int spurious(struct epoll *e, struct epoll_event *ev) {
    size_t n = 0;
    for (struct watch *w = e->watches; w != NULL; w = w->of_epoll)
        n += !w->ready && w->events & (EPOLLIN | EPOLLOUT);
    if (n == 0 || !sim_spurious(e->file.sim, &e->dice)) return 0;
    n = (size_t)sim_below(e->file.sim, &e->dice, n);
    struct watch *w = e->watches;
    for (;; w = w->of_epoll)
        if (!w->ready && w->events & (EPOLLIN | EPOLLOUT) && n-- == 0) break;
    report(w, w->events & (EPOLLIN | EPOLLOUT), ev);
    return 1;
}

int epoll_collect(struct epoll *e, struct epoll_event *ev, int max) {
    int n = max > 1 ? spurious(e, ev) : 0;
    struct watch *w = e->ready;
    e->ready = e->ready_last = NULL;
    struct watch *again = NULL, **end = &again;
    while (w != NULL && n < max) {
        struct watch *next = w->ready_next;
        w->ready = false;
        uint32_t got = sim_poll_file(w->file) & w->events;
        if (got != 0) {
            report(w, got, &ev[n++]);
            if (!(w->events & (EPOLLET | EPOLLONESHOT))) { /* level: behind the others */
                *end = w;
                end = &w->ready_next;
            }
        }
        w = next;
    }
    *end = NULL;
    /* First what there was no room for, then what is reported again. */
    e->ready = w;
    for (; w != NULL; w = w->ready_next)
        e->ready_last = w;
    for (w = again; w != NULL;) {
        struct watch *next = w->ready_next;
        w->ready = true;
        w->ready_next = NULL;
        if (e->ready_last != NULL)
            e->ready_last->ready_next = w;
        else
            e->ready = w;
        e->ready_last = w;
        w = next;
    }
    return n;
}
