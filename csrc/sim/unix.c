/* Unix streams. The order of the checks is that of Linux's net/unix/af_unix.c, which shows where two errors are due. */
#include "sim_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a buffer costs besides its bytes: struct sk_buff and struct skb_shared_info. */
#define OVERHEAD 576

/* A name in a host's file system. It outlives its socket. */
struct path {
    struct path *next;
    struct sock *s; /* without a reference; NULL: closed */
    size_t len;
    char name[];
};

struct path *unix_path(struct host *h, const char *name, size_t len) {
    for (struct path *p = h->paths; p != NULL; p = p->next)
        if (p->len == len && memcmp(p->name, name, len) == 0) return p;
    return NULL;
}

int unix_unlink(struct host *h, const char *name) {
    for (struct path **at = &h->paths; *at != NULL; at = &(*at)->next) {
        struct path *p = *at;
        if (p->len != strlen(name) || memcmp(p->name, name, p->len) != 0) continue;
        *at = p->next;
        free(p);
        return 0;
    }
    return -ENOENT;
}

void unix_free_paths(struct host *h) {
    while (h->paths != NULL) {
        struct path *p = h->paths;
        h->paths = p->next;
        free(p);
    }
}

static struct sock *find_abstract(struct host *h, const char *name, size_t len) {
    for (struct sock *s = h->socks; s != NULL; s = s->next)
        if (s->domain == AF_UNIX && !s->dead && s->name.bound && s->name.data[0] == 0 &&
            s->name.len == len && memcmp(s->name.data, name, len) == 0)
            return s;
    return NULL;
}

/* The bytes of a name, or the error of unix_validate_addr. A path ends at its NUL. */
static int read_name(const struct sockaddr *addr, socklen_t len, const char **name) {
    socklen_t head = offsetof(struct sockaddr_un, sun_path);
    if (len <= head || len > sizeof(struct sockaddr_un) || addr->sa_family != AF_UNIX)
        return -EINVAL;
    *name = (const char *)addr + head;
    size_t n = len - head;
    return **name == 0 ? (int)n : (int)strnlen(*name, n);
}

static void set_name(struct sock *s, const char *name, size_t len) {
    s->name.set = s->name.bound = true;
    s->name.len = (uint8_t)len;
    memcpy(s->name.data, name, len);
}

static int autobind(struct sock *s) {
    char name[6];
    if (s->name.set) return 0;
    do {
        char digits[9];
        snprintf(digits, sizeof digits, "%05x", s->host->autobound++ & 0xfffff);
        name[0] = 0;
        memcpy(name + 1, digits, 5);
    } while (find_abstract(s->host, name, sizeof name) != NULL);
    set_name(s, name, sizeof name);
    return 0;
}

static int bind_path(struct sock *s, const char *name, size_t len) {
    if (unix_path(s->host, name, len) != NULL) return -EADDRINUSE;
    if (s->name.set) return -EINVAL;
    struct path *p = malloc(sizeof *p + len);
    if (p == NULL) return -ENOMEM;
    *p = (struct path){.next = s->host->paths, .s = s, .len = len};
    memcpy(p->name, name, len);
    s->host->paths = p;
    set_name(s, name, len);
    return 0;
}

static int unix_bind(struct sock *s, const struct sockaddr *addr, socklen_t len) {
    const char *name;
    if (len == offsetof(struct sockaddr_un, sun_path) && addr->sa_family == AF_UNIX)
        return autobind(s);
    int n = read_name(addr, len, &name);
    if (n < 0) return n;
    if (name[0] != 0) return bind_path(s, name, (size_t)n);
    if (s->name.set) return -EINVAL;
    if (find_abstract(s->host, name, (size_t)n) != NULL) return -EADDRINUSE;
    set_name(s, name, (size_t)n);
    return 0;
}

static int find(struct host *h, const char *name, size_t len, struct sock **out) {
    if (name[0] == 0) {
        *out = find_abstract(h, name, len);
        return *out == NULL ? -ECONNREFUSED : 0;
    }
    struct path *p = unix_path(h, name, len);
    if (p == NULL) return -ENOENT;
    *out = p->s;
    return p->s == NULL ? -ECONNREFUSED : 0;
}

void unix_join(struct sock *a, struct sock *b) {
    sock_set_peer(a, b);
    sock_set_peer(b, a);
    a->state = b->state = SIM_ESTABLISHED;
    a->cred = b->cred = (struct ucred){.pid = getpid(), .uid = getuid(), .gid = getgid()};
}

static int unix_connect(struct sock *s, const struct sockaddr *addr, socklen_t len) {
    const char *name;
    struct sock *l;
    int r = read_name(addr, len, &name);
    if (r >= 0) r = find(s->host, name, (size_t)r, &l);
    if (r < 0) return r;
    if (l->state != SIM_LISTENS || l->shut & SHUT_IN) return -ECONNREFUSED;
    if (l->queued > l->backlog) return -EAGAIN;
    if (s->state != SIM_CLOSED) return s->state == SIM_LISTENS ? -EINVAL : -EISCONN;
    struct sock *child = sock_new(l->host, &sim_unix, AF_UNIX, sim_mix(s->dice.key, 1));
    if (child == NULL) return -ENOMEM;
    opt_inherit(child, l);
    child->name = l->name;
    child->name.bound = false;
    r = sock_enqueue(l, child);
    if (r == 0) {
        unix_join(s, child);
        sim_notify(&l->file, EPOLLIN);
        sim_notify(&s->file, 0);
    }
    sock_unref(child); /* the queue has it */
    return r;
}

static int unix_listen(struct sock *s, int backlog) {
    if (!s->name.set || (s->state != SIM_CLOSED && s->state != SIM_LISTENS)) return -EINVAL;
    s->state = SIM_LISTENS;
    s->backlog = backlog;
    return 0;
}

static struct sock *unix_accept(struct sock *s, int *error) {
    *error = s->state != SIM_LISTENS ? -EINVAL : -EAGAIN;
    return s->state != SIM_LISTENS ? NULL : sock_dequeue(s);
}

static int unix_shutdown(struct sock *s, unsigned how) {
    s->shut |= how;
    if (s->peer != NULL) {
        s->peer->shut |= (how & SHUT_IN ? SHUT_OUT : 0u) | (how & SHUT_OUT ? SHUT_IN : 0u);
        sim_notify(&s->peer->file, 0);
    }
    sim_notify(&s->file, 0);
    return 0;
}

static int write_name(const struct sock *s, struct sockaddr_storage *out) {
    struct sockaddr_un *un = (struct sockaddr_un *)out;
    size_t head = offsetof(struct sockaddr_un, sun_path);
    memset(out, 0, sizeof *out);
    un->sun_family = AF_UNIX;
    if (!s->name.set) return (int)head;
    memcpy(un->sun_path, s->name.data, s->name.len);
    return (int)(head + s->name.len + (s->name.data[0] != 0)); /* a path has its NUL */
}

static int unix_name(struct sock *s, bool peer, struct sockaddr_storage *out) {
    if (!peer) return write_name(s, out);
    return s->peer == NULL ? -ENOTCONN : write_name(s->peer, out);
}

static int unix_peer_name(struct sock *s, struct sockaddr_storage *out) {
    return unix_name(s, true, out);
}

/* The room that a sender has: its buffer, less what the peer has not read. */
static size_t room(const struct sock *s) {
    size_t all = (size_t)s->opt.sndbuf;
    size_t used = s->outstanding == 0 ? 0 : s->outstanding + OVERHEAD;
    return used < all ? all - used : 0;
}

static ssize_t unix_send(struct sock *s, const struct iovec *iov, size_t len, int flags, bool named,
                         bool force) {
    if (flags & MSG_OOB) return -EOPNOTSUPP;
    if (named) return s->state == SIM_ESTABLISHED ? -EISCONN : -EOPNOTSUPP;
    struct sock *to = s->peer;
    if (to == NULL) return -ENOTCONN;
    if (s->shut & SHUT_OUT) return -EPIPE;
    if (len == 0) return 0;
    int r = sock_error(s);
    if (r < 0) return r;
    if (to->dead || to->shut & SHUT_IN) return -EPIPE;
    size_t n = force ? len : room(s);
    if (n == 0) {
        s->wants_room = true;
        return -EAGAIN;
    }
    if (n > len) n = len;
    r = bytes_put(&to->in, iov, n);
    if (r < 0) return r;
    to->arrived += n;
    s->outstanding += n;
    if (n < len) s->wants_room = true;
    sim_notify(&to->file, EPOLLIN);
    return (ssize_t)n;
}

static bool writable(const struct sock *s) {
    size_t used = s->outstanding == 0 ? 0 : s->outstanding + OVERHEAD;
    return s->state != SIM_LISTENS && used * 4 <= (size_t)s->opt.sndbuf;
}

static ssize_t unix_recv(struct sock *s, const struct iovec *iov, size_t len, int flags,
                         struct sockaddr_storage *from, socklen_t *from_len) {
    if (s->state != SIM_ESTABLISHED) return -EINVAL;
    if (flags & MSG_OOB) return -EINVAL;
    size_t n = s->arrived < len ? s->arrived : len;
    if (s->arrived == 0 || (!(flags & MSG_PEEK) && n < sock_target(s, flags, len))) {
        /* Linux looks at the error also when it returns bytes, and forgets it then. */
        if (s->arrived == 0 || len > s->arrived) {
            int r = sock_error(s);
            if (n == 0 && r < 0) return r;
        }
        if (s->arrived == 0) return s->shut & SHUT_IN ? 0 : -EAGAIN;
    }
    if (s->peer != NULL && s->peer->name.set && from != NULL)
        *from_len = (socklen_t)write_name(s->peer, from);
    bytes_peek(&s->in, iov, n);
    if (flags & MSG_PEEK) return (ssize_t)n;
    bytes_drop(&s->in, n);
    s->arrived -= n;
    if (s->peer != NULL) {
        s->peer->outstanding -= n < s->peer->outstanding ? n : s->peer->outstanding;
        if (writable(s->peer)) sim_notify(&s->peer->file, EPOLLOUT);
    }
    return (ssize_t)n;
}

static unsigned unix_poll(struct sock *s) {
    unsigned m = 0;
    if (s->error != 0) m |= EPOLLERR;
    if (s->shut == SHUT_BOTH) m |= EPOLLHUP;
    if (s->shut & SHUT_IN) m |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
    if (s->arrived > 0 || s->queued > 0) m |= EPOLLIN | EPOLLRDNORM;
    if (s->state == SIM_CLOSED) m |= EPOLLHUP;
    if (writable(s)) m |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
    return m;
}

static void unix_close(struct sock *s) {
    bool embryo = s->listener != NULL;
    s->shut = SHUT_BOTH;
    enum state was = s->state;
    s->state = SIM_CLOSED;
    for (struct path *p = s->host->paths; p != NULL; p = p->next)
        if (p->s == s) p->s = NULL;
    struct sock *peer = s->peer;
    if (peer != NULL && !peer->dead) {
        peer->shut = SHUT_BOTH;
        if (s->arrived > 0 || embryo) peer->error = ECONNRESET;
        peer->outstanding = 0; /* the queue that its bytes are in goes */
        sim_notify(&peer->file, 0);
    }
    sock_set_peer(s, NULL);
    bytes_free(&s->in);
    s->arrived = 0;
    while (was == SIM_LISTENS && s->queued > 0) {
        struct sock *child = s->queue[0];
        child->dead = true;
        unix_close(child); /* while it still has its listener: the peer learns of a reset */
        sock_unref(sock_dequeue(s));
    }
}

static void unix_reset(struct sock *s) {
    s->error = ECONNRESET;
    s->shut = SHUT_BOTH;
    if (s->peer != NULL) {
        s->peer->shut = SHUT_BOTH;
        sim_notify(&s->peer->file, 0);
    }
    sim_notify(&s->file, 0);
}

const struct family sim_unix = {
    .bind = unix_bind,
    .connect = unix_connect,
    .listen = unix_listen,
    .accept = unix_accept,
    .shutdown = unix_shutdown,
    .name = unix_name,
    .peer_name = unix_peer_name,
    .send = unix_send,
    .recv = unix_recv,
    .poll = unix_poll,
    .close = unix_close,
    .reset = unix_reset,
};
