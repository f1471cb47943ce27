/* Streams of inet and inet6. The checks and their order are those of Linux's af_inet.c, tcp.c and tcp_input.c. */
#include "sim_internal.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_PORT 32768
#define ACKED_END SIZE_MAX /* of a WINDOW packet: the end is acknowledged */

/* ---- Addresses ------------------------------------------------------------------------------- */

static const uint8_t any6[16];
static const uint8_t any4[16] = {[10] = 0xff, [11] = 0xff};
static const uint8_t loopback6[16] = {[15] = 1};
static const uint8_t loopback4[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};

static bool same(const uint8_t *a, const uint8_t *b) {
    return memcmp(a, b, 16) == 0;
}

static bool is_any(const uint8_t *ip) {
    return same(ip, any6) || same(ip, any4);
}

static bool is_loopback(const uint8_t *ip) {
    return same(ip, loopback6) || (inet_is4(ip) && ip[12] == 127);
}

bool inet_parse(const char *text, uint8_t ip[16]) {
    memcpy(ip, any4, 16);
    if (inet_pton(AF_INET, text, ip + 12) != 1 && inet_pton(AF_INET6, text, ip) != 1) return false;
    bool multicast = inet_is4(ip) ? ip[12] >= 224 : ip[0] == 0xff;
    return !multicast && !is_any(ip) && !is_loopback(ip) && !(inet_is4(ip) && ip[12] == 0);
}

bool inet_own(const struct host *h, const uint8_t ip[16]) {
    return is_loopback(ip) || (!is_any(ip) && (same(ip, h->ip[0]) || same(ip, h->ip[1])));
}

struct host *inet_host(esock_sim *sim, const uint8_t ip[16]) {
    for (struct host *h = sim->hosts; h != NULL; h = h->next)
        if (!is_loopback(ip) && inet_own(h, ip)) return h;
    return NULL;
}

/* Reads an address, with the errors that bind and connect share. */
static int read_end(const struct sock *s, const struct sockaddr *addr, socklen_t len,
                    struct end *out) {
    memset(out, 0, sizeof *out);
    if (s->domain == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)addr;
        if (len < sizeof *in) return -EINVAL;
        if (in->sin_family != AF_INET) return -EAFNOSUPPORT;
        memcpy(out->ip, any4, 12);
        memcpy(out->ip + 12, &in->sin_addr, 4);
        out->port = ntohs(in->sin_port);
        return 0;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)addr;
    if (len < sizeof *in6 - sizeof in6->sin6_scope_id) return -EINVAL; /* RFC 2133 */
    if (in6->sin6_family != AF_INET6) return -EAFNOSUPPORT;
    memcpy(out->ip, &in6->sin6_addr, 16);
    out->port = ntohs(in6->sin6_port);
    if (len >= sizeof *in6) out->scope = in6->sin6_scope_id;
    return 0;
}

static int write_end(const struct sock *s, const struct end *e, struct sockaddr_storage *out) {
    memset(out, 0, sizeof *out);
    if (s->domain == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        in->sin_family = AF_INET;
        in->sin_port = htons(e->port);
        memcpy(&in->sin_addr, e->ip + 12, 4);
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(e->port);
    memcpy(&in6->sin6_addr, e->ip, 16);
    in6->sin6_scope_id = e->scope;
    return sizeof *in6;
}

static bool only6(const struct sock *s) {
    return s->domain == AF_INET6 && opt_int(s, IPPROTO_IPV6, IPV6_V6ONLY) != 0;
}

/* Whether a socket that is bound to `ip` takes what is sent to `to`. */
static bool covers(const struct sock *s, const uint8_t *ip, const uint8_t *to) {
    if (same(ip, to)) return true;
    if (same(ip, any4)) return inet_is4(to);
    return same(ip, any6) && !(only6(s) && inet_is4(to));
}

/* ---- Ports ----------------------------------------------------------------------------------- */

static bool conflict(const struct sock *s, const struct sock *t, const uint8_t *ip) {
    if (!covers(s, ip, t->local.ip) && !covers(t, t->local.ip, ip)) return false;
    if (opt_int(s, SOL_SOCKET, SO_REUSEPORT) && opt_int(t, SOL_SOCKET, SO_REUSEPORT)) return false;
    return !opt_int(s, SOL_SOCKET, SO_REUSEADDR) || !opt_int(t, SOL_SOCKET, SO_REUSEADDR) ||
           t->state == SIM_LISTENS;
}

static bool in_use(const struct sock *s, const uint8_t *ip, uint16_t port) {
    for (const struct sock *t = s->host->socks; t != NULL; t = t->next)
        if (t != s && t->domain != AF_UNIX && t->has_port && t->local.port == port &&
            conflict(s, t, ip))
            return true;
    return false;
}

/* Takes a port, or with 0 a free one. */
static int take_port(struct sock *s, const uint8_t *ip, uint16_t port) {
    struct host *h = s->host;
    for (int tries = 0; port == 0 && tries < 65536 - FIRST_PORT; tries++) {
        if (h->next_port < FIRST_PORT) h->next_port = FIRST_PORT;
        uint16_t p = h->next_port++;
        bool taken = false;
        for (const struct sock *t = h->socks; t != NULL && !taken; t = t->next)
            taken = t->domain != AF_UNIX && t->has_port && t->local.port == p;
        if (!taken) port = p;
    }
    if (port == 0 || in_use(s, ip, port)) return -EADDRINUSE;
    s->local.port = port;
    s->has_port = true;
    return 0;
}

static void free_port(struct sock *s) {
    if (!s->own_port) s->has_port = false;
}

static int inet_bind(struct sock *s, const struct sockaddr *addr, socklen_t len) {
    struct end e;
    int r = read_end(s, addr, len, &e);
    /* Linux takes AF_UNSPEC for AF_INET, if the address is that of any host. */
    if (r == -EAFNOSUPPORT && s->domain == AF_INET && addr->sa_family == AF_UNSPEC) {
        struct sockaddr_in in;
        memcpy(&in, addr, sizeof in);
        in.sin_family = AF_INET;
        if (in.sin_addr.s_addr == INADDR_ANY)
            r = read_end(s, (const struct sockaddr *)&in, sizeof in, &e);
    }
    if (r < 0) return r;
    bool mapped = s->domain == AF_INET6 && inet_is4(e.ip);
    if (mapped && only6(s)) return -EINVAL;
    if (s->domain == AF_INET6 && e.ip[0] == 0xff) return -EINVAL;
    if (s->domain == AF_INET6 && (s->state != SIM_CLOSED || s->has_port)) return -EINVAL;
    if (!is_any(e.ip) && !inet_own(s->host, e.ip) && !opt_int(s, IPPROTO_IP, IP_FREEBIND))
        return -EADDRNOTAVAIL;
    if (s->state != SIM_CLOSED || s->has_port) return -EINVAL;
    memcpy(s->local.ip, e.ip, 16);
    s->local.scope = e.scope;
    r = take_port(s, e.ip, e.port);
    if (r < 0) {
        memcpy(s->local.ip, s->domain == AF_INET ? any4 : any6, 16); /* inet_reset_saddr */
        return r;
    }
    s->own_addr = !is_any(e.ip);
    s->own_port = e.port != 0;
    if (s->domain == AF_INET6 && !mapped && !is_any(e.ip)) opt_only6(s);
    return 0;
}

/* ---- The ends of connections ----------------------------------------------------------------- */

/* A socket that is closed on both sides lets its peer go; the peer keeps it until it is closed itself, because what it
 * sends is answered. */
static void release(struct sock *s) {
    if (s->dead && s->state == SIM_CLOSED) sock_set_peer(s, NULL);
}

/* tcp_done: nothing more is sent or received. */
static void finish(struct sock *s, int error) {
    if (error != 0) s->error = error;
    s->state = SIM_CLOSED;
    s->shut = SHUT_BOTH;
    s->in.len = s->arrived; /* what is still under way does not arrive */
    s->resend.data = 0;
    s->resend.ack = s->resend.fin = false;
    s->outstanding = 0;
    free_port(s);
    sim_notify(&s->file, 0);
    release(s);
}

static void send_reset(struct sock *s) {
    if (s->peer != NULL) net_send(s, s->peer, SIM_RST, 0);
}

static bool needs_reset(const struct sock *s) {
    return s->state == SIM_SYN_RECEIVED || s->state == SIM_ESTABLISHED ||
           s->state == SIM_CLOSE_WAIT || s->state == SIM_FIN_WAIT;
}

static void drop_child(struct sock *child) {
    child->listener = NULL;
    child->dead = true;
    if (needs_reset(child)) send_reset(child);
    finish(child, 0);
}

/* A listener ends: the connections that nobody has accepted are reset. */
static void stop_listening(struct sock *s) {
    struct sock *child;
    while ((child = sock_dequeue(s)) != NULL) {
        drop_child(child);
        sock_unref(child);
    }
    for (struct sock *t = s->host->socks; t != NULL;) {
        if (t->listener != s) {
            t = t->next;
            continue;
        }
        sock_ref(t);
        drop_child(t);
        sock_unref(t);
        t = s->host->socks; /* others may be gone as well */
    }
}

/* tcp_disconnect: as if it had just been opened, but for a pending error. */
static void disconnect(struct sock *s) {
    bool was_closed = s->state == SIM_CLOSED;
    if (s->state == SIM_LISTENS)
        stop_listening(s);
    else if (needs_reset(s)) {
        send_reset(s);
        s->error = ECONNRESET;
    } else if (s->state == SIM_SYN_SENT)
        s->error = ECONNRESET;
    s->state = SIM_CLOSED;
    if (!was_closed)
        free_port(s); /* Linux: tcp_set_state frees it, which is called for a change only */
    if (!s->own_addr) memcpy(s->local.ip, s->domain == AF_INET ? any4 : any6, 16);
    s->far = (struct end){0};
    s->shut = 0;
    s->done = s->acked = false;
    bytes_free(&s->in);
    s->arrived = s->outstanding = 0;
    s->resend.data = 0;
    s->resend.ack = s->resend.fin = false;
    s->syn_tries = 0;
    sock_set_peer(s, NULL);
    sim_notify(&s->file, 0);
}

void inet_gives_up(struct sock *s, int error) {
    finish(s, error);
}

/* ---- Calls ----------------------------------------------------------------------------------- */

static void choose_source(struct sock *s) {
    const struct host *h = s->host;
    if (!is_any(s->local.ip)) return;
    bool four = inet_is4(s->far.ip);
    const uint8_t *ip = is_loopback(s->far.ip) ? four ? loopback4 : loopback6 : h->ip[four ? 0 : 1];
    memcpy(s->local.ip, ip, 16);
}

static int start(struct sock *s, const struct sockaddr *addr, socklen_t len) {
    struct end e;
    int r = read_end(s, addr, len, &e);
    if (r < 0) return r;
    if (is_any(e.ip)) memcpy(e.ip, inet_is4(e.ip) ? loopback4 : loopback6, 16);
    bool four = inet_is4(e.ip);
    if (four ? e.ip[12] >= 224 : e.ip[0] == 0xff) return -ENETUNREACH;
    if (s->domain == AF_INET6 && four && only6(s)) return -ENETUNREACH;
    if (!is_loopback(e.ip) && same(s->host->ip[four ? 0 : 1], any6)) return -ENETUNREACH;
    s->far = e;
    choose_source(s);
    if (!s->has_port && (r = take_port(s, s->local.ip, 0)) < 0) {
        s->far = (struct end){0};
        return r;
    }
    s->state = SIM_SYN_SENT;
    s->syn_tries = 0;
    s->error = 0; /* tcp_connect_init */
    s->done = false;
    net_send(s, NULL, SIM_SYN, 0);
    return 0;
}

static int inet_connect(struct sock *s, const struct sockaddr *addr, socklen_t len) {
    int r = -EALREADY;
    if (len < sizeof addr->sa_family) return -EINVAL;
    if (addr->sa_family == AF_UNSPEC) {
        disconnect(s);
        s->calls = SIM_UNCONNECTED;
        return 0;
    }
    if (s->calls == SIM_CONNECTED) return -EISCONN;
    if (s->calls == SIM_DISCONNECTING) return -EINVAL;
    if (s->calls == SIM_UNCONNECTED) {
        if (s->state != SIM_CLOSED) return -EISCONN;
        r = start(s, addr, len);
        if (r < 0) return r;
        s->calls = SIM_CONNECTING;
        r = -EINPROGRESS;
    }
    if (s->state == SIM_SYN_SENT) return r;
    if (s->state == SIM_CLOSED) {
        r = sock_error(s);
        s->calls = SIM_UNCONNECTED;
        disconnect(s);
        return r == 0 ? -ECONNABORTED : r;
    }
    s->calls = SIM_CONNECTED;
    return 0;
}

static int inet_listen(struct sock *s, int backlog) {
    if (s->calls != SIM_UNCONNECTED || (s->state != SIM_CLOSED && s->state != SIM_LISTENS))
        return -EINVAL;
    if (s->state == SIM_CLOSED) {
        int r = 0;
        if (!s->has_port)
            r = take_port(s, s->local.ip, 0);
        else if (in_use(s, s->local.ip, s->local.port))
            r = -EADDRINUSE;
        if (r < 0) return r;
    }
    s->state = SIM_LISTENS;
    s->backlog = backlog;
    sim_notify(&s->file, 0);
    return 0;
}

static struct sock *inet_accept(struct sock *s, int *error) {
    *error = s->state != SIM_LISTENS ? -EINVAL : -EAGAIN;
    if (s->state != SIM_LISTENS) return NULL;
    struct sock *child = sock_dequeue(s);
    if (child != NULL) child->calls = SIM_CONNECTED;
    return child;
}

static void send_end(struct sock *s) {
    if (s->state != SIM_ESTABLISHED && s->state != SIM_CLOSE_WAIT) return;
    s->state = s->state == SIM_ESTABLISHED ? SIM_FIN_WAIT : SIM_LAST_ACK;
    net_send(s, s->peer, SIM_FIN, 0);
}

static int inet_shutdown(struct sock *s, unsigned how) {
    int r = 0;
    if (s->calls == SIM_CONNECTING)
        s->calls =
            s->state == SIM_SYN_SENT || s->state == SIM_CLOSED ? SIM_DISCONNECTING : SIM_CONNECTED;
    if (s->state == SIM_SYN_SENT || (s->state == SIM_LISTENS && how & SHUT_IN)) {
        disconnect(s);
        s->calls = SIM_UNCONNECTED;
    } else if (s->state != SIM_LISTENS) {
        if (s->state == SIM_CLOSED) r = -ENOTCONN; /* and does it all the same */
        s->shut |= how;
        if (how & SHUT_OUT) send_end(s);
    }
    sim_notify(&s->file, 0);
    return r;
}

static int inet_name(struct sock *s, bool peer, struct sockaddr_storage *out) {
    if (!peer) return write_end(s, &s->local, out);
    if (s->far.port == 0 || s->state == SIM_CLOSED || s->state == SIM_SYN_SENT) return -ENOTCONN;
    return write_end(s, &s->far, out);
}

static int inet_peer_name(struct sock *s, struct sockaddr_storage *out) {
    return write_end(s, &s->far, out);
}

/* What may be under way: the buffers of both ends. */
static size_t capacity(const struct sock *s) {
    return (size_t)s->opt.sndbuf + (s->peer != NULL ? (size_t)s->peer->opt.rcvbuf : 0);
}

static bool writable(const struct sock *s) {
    return s->outstanding * 3 <= capacity(s) * 2;
}

static int stream_error(struct sock *s) {
    int r = sock_error(s);
    return r < 0 ? r : -EPIPE;
}

static ssize_t inet_send(struct sock *s, const struct iovec *iov, size_t len, int flags, bool named,
                         bool force) {
    (void)named; /* TCP ignores it */
    if (flags & MSG_OOB) return -EOPNOTSUPP;
    if (s->state != SIM_ESTABLISHED && s->state != SIM_CLOSE_WAIT) {
        int r = sock_error(s);
        return r < 0 ? r : s->state == SIM_SYN_SENT ? -EAGAIN : -EPIPE;
    }
    if (s->error != 0 || s->shut & SHUT_OUT) return stream_error(s);
    if (len == 0) return 0;
    size_t all = capacity(s), room = s->outstanding < all ? all - s->outstanding : 0;
    size_t n = force ? len : room;
    if (n > len) n = len;
    if (n < len) s->wants_room = true;
    if (n == 0) return -EAGAIN;
    struct sock *to = s->peer;
    if (!to->dead && to->state != SIM_CLOSED) {
        int r = bytes_put(&to->in, iov, n);
        if (r < 0) return r;
    }
    s->outstanding += n;
    net_send(s, to, SIM_DATA, n);
    return (ssize_t)n;
}

static ssize_t inet_recv(struct sock *s, const struct iovec *iov, size_t len, int flags,
                         struct sockaddr_storage *from, socklen_t *from_len) {
    (void)from;
    (void)from_len;
    if (flags & MSG_ERRQUEUE) return -EAGAIN;
    if (s->state == SIM_LISTENS) return -ENOTCONN;
    if (flags & MSG_OOB) return -EINVAL;
    size_t n = s->arrived < len ? s->arrived : len;
    if (s->arrived == 0) {
        if (s->done) return 0;
        int r = sock_error(s);
        if (r < 0) return r;
        if (s->shut & SHUT_IN) return 0;
        return s->state == SIM_CLOSED ? -ENOTCONN : -EAGAIN;
    }
    if (!(flags & MSG_TRUNC)) bytes_peek(&s->in, iov, n);
    if (flags & MSG_PEEK || n == 0) return (ssize_t)n;
    bytes_drop(&s->in, n);
    s->arrived -= n;
    if (s->peer != NULL && s->state != SIM_CLOSED) net_send(s, s->peer, SIM_WINDOW, n);
    return (ssize_t)n;
}

static unsigned inet_poll(struct sock *s) {
    unsigned m = 0;
    if (s->state == SIM_LISTENS) return s->queued > 0 ? EPOLLIN | EPOLLRDNORM : 0;
    if (s->shut == SHUT_BOTH || s->state == SIM_CLOSED) m |= EPOLLHUP;
    if (s->shut & SHUT_IN) m |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
    if (s->state != SIM_SYN_SENT) {
        if (s->arrived > 0 && s->arrived >= (size_t)s->opt.rcvlowat) m |= EPOLLIN | EPOLLRDNORM;
        if (s->shut & SHUT_OUT || writable(s)) m |= EPOLLOUT | EPOLLWRNORM;
    }
    if (s->error != 0) m |= EPOLLERR;
    return m;
}

static void inet_close(struct sock *s) {
    bool listened = s->state == SIM_LISTENS, unread = s->arrived > 0;
    s->shut = SHUT_BOTH;
    if (listened) {
        stop_listening(s);
        s->state = SIM_CLOSED;
    }
    if (s->state == SIM_SYN_SENT) s->state = SIM_CLOSED;
    if (s->state != SIM_CLOSED) {
        bool abort = s->opt.linger.l_onoff && s->opt.linger.l_linger == 0;
        if (unread || (abort && needs_reset(s))) {
            send_reset(s);
            s->state = SIM_CLOSED;
        } else if (abort)
            s->state = SIM_CLOSED;
        else
            send_end(s);
    }
    bytes_free(&s->in);
    s->arrived = 0;
    if (s->state == SIM_CLOSED) s->has_port = false;
    release(s);
}

/* A RST has come. */
static void inet_reset(struct sock *s) {
    if (s->state == SIM_CLOSED || s->state == SIM_LISTENS) return;
    bool embryo = s->state == SIM_SYN_RECEIVED;
    int error = s->state == SIM_SYN_SENT     ? ECONNREFUSED
                : s->state == SIM_CLOSE_WAIT ? EPIPE
                                             : ECONNRESET;
    if (embryo) {
        s->listener = NULL;
        s->dead = true;
    }
    finish(s, error);
}

/* A fault: a RST of the peer's, which has ended. */
static void forge_reset(struct sock *s) {
    struct sock *peer = s->peer;
    inet_reset(s);
    if (peer != NULL && peer->state != SIM_CLOSED) inet_reset(peer);
}

/* ---- Packets --------------------------------------------------------------------------------- */

static struct sock *find_listener(struct host *h, const struct end *to) {
    struct sock *found = NULL;
    for (struct sock *s = h->socks; s != NULL; s = s->next) {
        if (s->domain == AF_UNIX || s->state != SIM_LISTENS || s->local.port != to->port ||
            !covers(s, s->local.ip, to->ip) || (s->domain == AF_INET && !inet_is4(to->ip)))
            continue;
        if (found == NULL || !is_any(s->local.ip)) found = s;
    }
    return found;
}

/* A SYN has come to the host that the client has named. */
static void syn(struct sock *client) {
    if (client->state != SIM_SYN_SENT) return;
    if (client->peer != NULL) { /* the answer was lost */
        net_send(client->peer, client, SIM_SYN_ACK, 0);
        return;
    }
    struct host *h = inet_host(client->file.sim, client->far.ip);
    if (h == NULL) h = client->host; /* loopback */
    struct sock *l = find_listener(h, &client->far);
    if (l == NULL) {
        net_send(client, client, SIM_RST, 0);
        return;
    }
    if (l->queued > l->backlog) return; /* dropped: the client tries again */
    struct sock *s = sock_new(h, &sim_inet, l->domain, sim_mix(client->dice.key, 1));
    if (s == NULL) return;
    opt_inherit(s, l);
    s->state = SIM_SYN_RECEIVED;
    s->listener = l;
    s->shut =
        l->shut; /* Linux: also what was shut before it listened; an end is then sent at once */
    s->local = client->far;
    s->far = client->local;
    s->has_port = true;
    s->own_addr = l->own_addr; /* sk_clone_lock keeps that lock, and not the port's */
    sock_set_peer(s, client);
    sock_set_peer(client, s);
    net_send(s, client, SIM_SYN_ACK, 0);
    sock_unref(s); /* the client has it */
}

/* The third packet of the handshake: the connection may be accepted. */
static void acknowledged(struct sock *s) {
    if (s->state != SIM_SYN_RECEIVED) return;
    struct sock *l = s->listener;
    if (l == NULL || l->state != SIM_LISTENS || sock_enqueue(l, s) < 0) {
        drop_child(s);
        return;
    }
    s->state = SIM_ESTABLISHED;
    if (s->shut & SHUT_OUT) send_end(s);
    sim_notify(&l->file, EPOLLIN);
}

static void data(struct sock *from, struct sock *to, size_t n) {
    bool nobody = to->state == SIM_FIN_WAIT && to->shut & SHUT_IN;
    if (to->state == SIM_CLOSED || nobody) {
        net_send(to, from, SIM_RST, 0);
        if (nobody) finish(to, ECONNRESET);
        return;
    }
    to->arrived += n;
    if (to->arrived > to->in.len) to->arrived = to->in.len;
    sim_notify(&to->file, EPOLLIN);
}

static void end(struct sock *from, struct sock *to) {
    if (to->state == SIM_CLOSED) {
        net_send(to, from, SIM_RST, 0);
        return;
    }
    to->done = true;
    to->shut |= SHUT_IN;
    net_send(to, from, SIM_WINDOW, ACKED_END);
    if (to->state == SIM_ESTABLISHED) to->state = SIM_CLOSE_WAIT;
    if (to->state == SIM_FIN_WAIT && to->acked)
        finish(to, 0);
    else
        sim_notify(&to->file, 0);
}

static void window(struct sock *to, size_t n) {
    if (n == ACKED_END) {
        to->acked = true;
        if (to->state == SIM_LAST_ACK || (to->state == SIM_FIN_WAIT && to->done)) finish(to, 0);
        return;
    }
    to->outstanding -= n < to->outstanding ? n : to->outstanding;
    if (!to->wants_room || !writable(to)) return;
    to->wants_room = false;
    sim_notify(&to->file, EPOLLOUT);
}

void inet_arrives(struct sock *from, struct sock *to, enum packet p, size_t n) {
    switch (p) {
    case SIM_SYN:
        syn(from);
        break;
    case SIM_SYN_ACK:
        if (to->state == SIM_SYN_SENT && to->peer == from) {
            to->state = SIM_ESTABLISHED;
            net_send(to, from, SIM_ACK, 0);
            sim_notify(&to->file, 0);
        } else if (to->state == SIM_CLOSED)
            net_send(to, from, SIM_RST, 0);
        break;
    case SIM_ACK:
        acknowledged(to);
        break;
    case SIM_DATA:
        data(from, to, n);
        break;
    case SIM_FIN:
        end(from, to);
        break;
    case SIM_RST:
        if (from == to || to->peer == from || to->peer == NULL) inet_reset(to);
        break;
    case SIM_WINDOW:
        window(to, n);
        break;
    }
}

const struct family sim_inet = {
    .bind = inet_bind,
    .connect = inet_connect,
    .listen = inet_listen,
    .accept = inet_accept,
    .shutdown = inet_shutdown,
    .name = inet_name,
    .peer_name = inet_peer_name,
    .send = inet_send,
    .recv = inet_recv,
    .poll = inet_poll,
    .close = inet_close,
    .reset = forge_reset,
};
