/* The network: the time, events in its order, and packets between hosts. */
#include "sim_internal.h"

#include <stdlib.h>
#include <string.h>

#define MS 1000000u
#define SECOND (1000u * (uint64_t)MS)

enum {
    SYN_RETRIES = 6 /* net.ipv4.tcp_syn_retries: 127 s in all */
};
#define RESEND_FIRST (200 * (uint64_t)MS)
#define RESEND_MOST (120 * SECOND)
#define GIVE_UP (924 * SECOND) /* net.ipv4.tcp_retries2 of 15 */

/* ---- Bytes ----------------------------------------------------------------------------------- */

int bytes_put(struct bytes *b, const struct iovec *iov, size_t n) {
    if (b->start + b->len + n > b->size) {
        if (b->start > 0) memmove(b->at, b->at + b->start, b->len);
        b->start = 0;
        if (b->len + n > b->size) {
            size_t size = b->size < 128 ? 128 : b->size * 2;
            if (size < b->len + n) size = b->len + n;
            uint8_t *at = realloc(b->at, size);
            if (at == NULL) return -ENOMEM;
            b->at = at;
            b->size = size;
        }
    }
    uint8_t *to = b->at + b->start + b->len;
    b->len += n;
    for (; n > 0; iov++) {
        size_t part = iov->iov_len < n ? iov->iov_len : n;
        if (part > 0) memcpy(to, iov->iov_base, part);
        to += part;
        n -= part;
    }
    return 0;
}

void bytes_peek(const struct bytes *b, const struct iovec *iov, size_t n) {
    const uint8_t *from = b->at + b->start;
    for (; n > 0; iov++) {
        size_t part = iov->iov_len < n ? iov->iov_len : n;
        if (part > 0) memcpy(iov->iov_base, from, part);
        from += part;
        n -= part;
    }
}

void bytes_drop(struct bytes *b, size_t n) {
    b->start += n;
    b->len -= n;
    if (b->len == 0) b->start = 0;
}

void bytes_free(struct bytes *b) {
    free(b->at);
    *b = (struct bytes){0};
}

/* ---- Events ---------------------------------------------------------------------------------- */

static bool sooner(const struct event *a, const struct event *b) {
    if (a->time != b->time) return a->time < b->time;
    if (a->key != b->key) return a->key < b->key;
    return a->order < b->order;
}

static void swap(struct event *a, struct event *b) {
    struct event t = *a;
    *a = *b;
    *b = t;
}

static int push(esock_sim *sim, struct event e) {
    if (sim->events_n == sim->events_size) {
        size_t size = sim->events_size == 0 ? 16 : sim->events_size * 2;
        struct event *at = realloc(sim->events, size * sizeof *at);
        if (at == NULL) return -ENOMEM;
        sim->events = at;
        sim->events_size = size;
    }
    if (e.from != NULL) sock_ref(e.from);
    if (e.to != NULL) sock_ref(e.to);
    if (e.time < net_next(sim)) sim->changes++;
    size_t i = sim->events_n++;
    sim->events[i] = e;
    for (; i > 0 && sooner(&sim->events[i], &sim->events[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&sim->events[i], &sim->events[(i - 1) / 2]);
    return 0;
}

static struct event pop(esock_sim *sim) {
    struct event first = sim->events[0];
    sim->events[0] = sim->events[--sim->events_n];
    for (size_t i = 0, child; (child = 2 * i + 1) < sim->events_n; i = child) {
        if (child + 1 < sim->events_n && sooner(&sim->events[child + 1], &sim->events[child]))
            child++;
        if (!sooner(&sim->events[child], &sim->events[i])) break;
        swap(&sim->events[i], &sim->events[child]);
    }
    return first;
}

uint64_t net_next(const esock_sim *sim) {
    return sim->events_n == 0 ? UINT64_MAX : sim->events[0].time;
}

int net_timer(struct sock *s, enum event_kind kind, uint64_t after) {
    esock_sim *sim = s->file.sim;
    return push(sim, (struct event){.time = sim->now + after,
                                    .key = s->dice.key,
                                    .order = s->order++,
                                    .kind = kind,
                                    .from = s});
}

/* ---- Paths ----------------------------------------------------------------------------------- */

static esock_sim_path path_between(esock_sim *sim, const struct host *from, const struct host *to) {
    if (from != to)
        for (const struct link *l = sim->links; l != NULL; l = l->next)
            if (((l->a == NULL || l->a == from) && (l->b == NULL || l->b == to)) ||
                ((l->a == NULL || l->a == to) && (l->b == NULL || l->b == from)))
                return l->path;
    return (esock_sim_path){0};
}

int esock_sim_link(esock_sim *sim, const esock_sys *a, const esock_sys *b,
                   const esock_sim_path *path) {
    if (path == NULL) return -EFAULT;
    if (path->loss > 1000000) return -EINVAL;
    if ((a != NULL && host_of(a)->sim != sim) || (b != NULL && host_of(b)->sim != sim))
        return -EINVAL;
    pthread_mutex_lock(&sim->mu);
    /* One link for a pair: what a later call says about the same pair replaces it, and comes first. */
    struct link **at = &sim->links, *l = NULL;
    for (; *at != NULL; at = &(*at)->next) {
        if ((*at)->a != host_of(a) || (*at)->b != host_of(b)) continue;
        l = *at;
        *at = l->next;
        break;
    }
    if (l == NULL) l = malloc(sizeof *l);
    if (l != NULL) {
        *l = (struct link){.next = sim->links, .a = host_of(a), .b = host_of(b), .path = *path};
        sim->links = l;
    }
    pthread_mutex_unlock(&sim->mu);
    return l == NULL ? -ENOMEM : 0;
}

/* The host at the other end of a socket. NULL: nobody has the address. */
static struct host *far_host(struct sock *s) {
    struct host *h = inet_host(s->file.sim, s->far.ip);
    return h == NULL && inet_own(s->host, s->far.ip) ? s->host : h;
}

/* Puts a packet on its way; one to the socket itself is an answer of the other host, where nobody is. Returns false if it
 * is lost. */
static bool travels(struct sock *from, struct sock *to, enum packet p, size_t n) {
    esock_sim *sim = from->file.sim;
    struct host *there = to != NULL && to != from ? to->host : far_host(from);
    if (there == NULL) return false;
    esock_sim_path path = path_between(sim, from->host, there);
    if (p != SIM_WINDOW && (path.cut || sim_chance(sim, &from->dice, path.loss, 1000000)))
        return false;
    uint64_t time = sim->now + path.delay_ns;
    if (path.jitter_ns > 0) time += sim_below(sim, &from->dice, path.jitter_ns + 1);
    if (time < from->last_arrival) time = from->last_arrival;
    from->last_arrival = time;
    push(sim, (struct event){.time = time,
                             .key = from->dice.key,
                             .order = from->order++,
                             .kind = SIM_ARRIVAL,
                             .packet = p,
                             .from = from,
                             .to = to,
                             .n = n});
    return true;
}

/* ---- Packets --------------------------------------------------------------------------------- */

/* Notes a packet that was lost, or that has to wait for one that was. */
static void resend_later(struct sock *s, enum packet p, size_t n) {
    struct resend *r = &s->resend;
    if (p == SIM_ACK) r->ack = true;
    if (p == SIM_DATA) r->data += n;
    if (p == SIM_FIN) r->fin = true;
    if (r->armed) return;
    r->armed = true;
    if (r->wait == 0) r->wait = RESEND_FIRST;
    net_timer(s, SIM_RESEND, r->wait);
}

void net_send(struct sock *from, struct sock *to, enum packet p, size_t n) {
    if (p == SIM_SYN) {
        if (far_host(from) == NULL)
            net_timer(from, SIM_UNREACHABLE, 3 * SECOND); /* as long as ARP asks */
        else {
            travels(from, to, p, n);
            net_timer(from, SIM_SYN_AGAIN, SECOND);
        }
        return;
    }
    bool ordered = p == SIM_ACK || p == SIM_DATA || p == SIM_FIN;
    bool waits = ordered && from->resend.armed;
    if (!waits && travels(from, to, p, n)) return;
    if (ordered) resend_later(from, p, n);
}

static bool open_for_sending(const struct sock *s) {
    return s->peer != NULL && s->state >= SIM_ESTABLISHED;
}

/* The timer of lost packets: the oldest goes once more, and when it gets through the others follow. */
static void resend(struct sock *s) {
    struct resend *r = &s->resend, was = *r;
    r->armed = false;
    if (!open_for_sending(s)) return;
    enum packet first = was.ack ? SIM_ACK : was.data > 0 ? SIM_DATA : SIM_FIN;
    size_t n = first == SIM_DATA ? was.data : 0;
    if (!travels(s, s->peer, first, n)) {
        r->waited += r->wait;
        if (r->waited >= GIVE_UP) {
            inet_gives_up(s, ETIMEDOUT);
            return;
        }
        r->wait = r->wait * 2 > RESEND_MOST ? RESEND_MOST : r->wait * 2;
        r->armed = true;
        net_timer(s, SIM_RESEND, r->wait);
        return;
    }
    *r = (struct resend){0};
    if (first == SIM_ACK && was.data > 0) net_send(s, s->peer, SIM_DATA, was.data);
    if (first != SIM_FIN && was.fin) net_send(s, s->peer, SIM_FIN, 0);
}

static void syn_again(struct sock *s) {
    if (s->state != SIM_SYN_SENT) return;
    if (s->syn_tries++ == SYN_RETRIES) {
        inet_gives_up(s, ETIMEDOUT);
        return;
    }
    travels(s, s->peer, SIM_SYN, 0);
    net_timer(s, SIM_SYN_AGAIN, SECOND << s->syn_tries);
}

void net_run(esock_sim *sim) {
    while (sim->events_n > 0 && sim->events[0].time <= sim->now) {
        struct event e = pop(sim);
        switch (e.kind) {
        case SIM_ARRIVAL:
            inet_arrives(e.from, e.to, e.packet, e.n);
            break;
        case SIM_RESEND:
            resend(e.from);
            break;
        case SIM_SYN_AGAIN:
            syn_again(e.from);
            break;
        case SIM_UNREACHABLE:
            if (e.from->state == SIM_SYN_SENT) inet_gives_up(e.from, EHOSTUNREACH);
            break;
        }
        if (e.from != NULL) sock_unref(e.from);
        if (e.to != NULL) sock_unref(e.to);
    }
}
