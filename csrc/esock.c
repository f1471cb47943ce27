/* Life, names, connections, and input and output without messages, in the order of esock.h. */
#include "esock_internal.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

const char *esock_version(void) {
    return ESOCK_VERSION;
}

/* ---- Life ------------------------------------------------------------------------------------ */

/* Reads an option of level socket whose value is an int. */
static int int_option(const esock_sys *sys, int fd, int opt, int *val) {
    socklen_t len = sizeof *val;
    *val = 0;
    int r = sys->getsockopt(sys, fd, SOL_SOCKET, opt, val, &len);
    return r >= 0 && len != sizeof *val ? -EINVAL : r;
}

esock *esock__new(const esock_sys *sys, int fd, int domain, int type, int protocol) {
    esock *s = sys->alloc(sys, sizeof *s);
    if (s == NULL) return NULL;
    *s = (esock){.sys = sys,
                 .fd = fd,
                 .domain = domain,
                 .type = type,
                 .protocol = protocol,
                 .flags = ESOCK__OWNS_FD,
                 .width = 64,
                 .counters.layout = ESOCK_COUNTERS_LAYOUT};
    return s;
}

/* Returns the protocol that the kernel chooses for protocol 0, or -1 where it must be asked. An internet stream is TCP
 * only as long as nobody changes it: mptcpize and smc_run replace socket(3), and since Linux 6.6 a BPF program can make it
 * MPTCP or SMC (update_socket_protocol). */
static int chosen(int domain, int type) {
    if (domain == AF_UNIX) return 0;
    return type == SOCK_DGRAM && (domain == AF_INET || domain == AF_INET6) ? IPPROTO_UDP : -1;
}

int esock_open(esock **out, int domain, int type, int protocol, const esock_sys *sys) {
    if (sys == NULL) sys = esock_sys_libc();
    if (out == NULL) return -EFAULT;
    if (type & (SOCK_CLOEXEC | SOCK_NONBLOCK)) return -EINVAL; /* esock sets them */
    int fd = sys->socket(sys, domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0) return fd;
    if (protocol == 0 && (protocol = chosen(domain, type)) < 0)
        int_option(sys, fd, SO_PROTOCOL, &protocol);
    esock *s = esock__new(sys, fd, domain, type, protocol);
    if (s == NULL) {
        sys->close(sys, fd);
        return -ENOMEM;
    }
    esock__trace(s, "open", fd);
    *out = s;
    return 0;
}

/* Asks the kernel for domain, type and protocol. What it does not tell stays as the caller gave it, < 0 for unknown. */
static int identify(const esock_sys *sys, int fd, int *domain, int *type, int *protocol,
                    const char **missing) {
    int known;
    int r = int_option(sys, fd, SO_DOMAIN, &known);
    if (missing != NULL) *missing = NULL;
    if (r == -EBADF || r == -ENOTSOCK) return r; /* there is no socket, whatever the caller says */
    if (r >= 0) *domain = known;
    if (int_option(sys, fd, SO_TYPE, &known) >= 0) *type = known;
    if (int_option(sys, fd, SO_PROTOCOL, &known) >= 0) *protocol = known;
    if (*protocol < 0) *protocol = 0;
    if (*domain >= 0 && *type >= 0) return 0;
    if (missing != NULL) *missing = *domain < 0 ? "domain" : "type";
    return -EINVAL;
}

int esock_adopt(esock **out, int fd, unsigned flags, int domain, int type, int protocol,
                const esock_sys *sys, const char **missing) {
    if (sys == NULL) sys = esock_sys_libc();
    if (out == NULL) return -EFAULT;
    int r = identify(sys, fd, &domain, &type, &protocol, missing);
    if (r < 0) return r;
    if (flags & ESOCK_ADOPT_DUP) {
        fd = sys->dup(sys, fd);
        if (fd < 0) return fd;
    }
    esock *s = NULL;
    int fd_flags = FD_CLOEXEC, fl = sys->getfl(sys, fd);
    r = fl;
    if (r >= 0 && flags & ESOCK_ADOPT_TAKE) r = fd_flags = sys->getfd(sys, fd);
    if (r >= 0) {
        s = esock__new(sys, fd, domain, type, protocol);
        r = s == NULL ? -ENOMEM : sys->setfl(sys, fd, fl | O_NONBLOCK);
    }
    if (r >= 0 && !(fd_flags & FD_CLOEXEC)) {
        r = sys->setfd(sys, fd, fd_flags | FD_CLOEXEC);
        if (r < 0 && !(fl & O_NONBLOCK)) sys->setfl(sys, fd, fl);
    }
    if (r < 0) {
        sys->free(sys, s);
        if (flags & ESOCK_ADOPT_DUP) sys->close(sys, fd);
        return r;
    }
    s->saved_fl = fl;
    s->flags |= ESOCK__ADOPTED | ESOCK__SHARED | ESOCK__EXPOSED | ESOCK__CONNECTED;
    if (flags & ESOCK_ADOPT_TAKE) s->flags |= ESOCK__TAKEN;
    if (!(fd_flags & FD_CLOEXEC)) s->flags |= ESOCK__RESTORE_FD;
    if (!(flags & (ESOCK_ADOPT_DUP | ESOCK_ADOPT_TAKE)))
        s->flags = (s->flags & ~(uint32_t)ESOCK__OWNS_FD) | ESOCK__RESTORE_FL;
    *out = s;
    return 0;
}

/* Undoes esock_adopt, so that closing the handle leaves the descriptor as it was: ESOCK_CLOSE_GIVE_BACK. */
static void give_back(esock *s) {
    if (!(s->flags & ESOCK__ADOPTED)) return;
    s->flags |= ESOCK__RESTORE_FL;
    if (!(s->flags & ESOCK__TAKEN)) return;
    s->flags &= ~(uint32_t)ESOCK__OWNS_FD;
    if (s->flags & ESOCK__RESTORE_FD)
        s->sys->setfd(s->sys, s->fd, 0); /* close-on-exec is the only flag */
}

int esock_fd(esock *s) {
    esock__set_flags(s, ESOCK__EXPOSED);
    return s->fd;
}

int esock_domain(const esock *s) {
    return __atomic_load_n(&s->domain, __ATOMIC_RELAXED);
}

int esock_type(const esock *s) {
    return s->type;
}

int esock_protocol(const esock *s) {
    return s->protocol;
}

void esock_refresh(esock *s) {
    int domain;
    if (int_option(s->sys, s->fd, SO_DOMAIN, &domain) >= 0)
        __atomic_store_n(&s->domain, domain, __ATOMIC_RELAXED);
}

/* How long accept, connect or sendfile sleeps at the most when another process clears O_NONBLOCK before it. */
#define SHARED_SLEEP_US 20000

/* Sets SO_RCVTIMEO or SO_SNDTIMEO to `to` microseconds, if it is less than `below` now. A `below` of 1 finds one that
 * is not set. To find the one that esock has set, `below` is above it, because the kernel rounds it up to its ticks. */
static bool change_timeout(const esock *s, int opt, long below, long to) {
    esock__timeout t;
    socklen_t len = sizeof t;
    if (s->sys->getsockopt(s->sys, s->fd, SOL_SOCKET, opt, &t, &len) < 0) return false;
    if (t.sec != 0 || t.usec >= below) return false;
    t.usec = to;
    return s->sys->setsockopt(s->sys, s->fd, SOL_SOCKET, opt, &t, sizeof t) >= 0;
}

int esock_nonblock(esock *s) {
    uint32_t bound = 0;
    if (!(esock__flags(s) & ESOCK__EXPOSED)) return 0;
    int fl = s->sys->getfl(s->sys, s->fd);
    bool cleared = fl >= 0 && !(fl & O_NONBLOCK);
    if (cleared) s->sys->setfl(s->sys, s->fd, fl | O_NONBLOCK);
    if (!cleared && !(esock__flags(s) & ESOCK__SHARED)) return 0;
    if (change_timeout(s, ESOCK__RCVTIMEO, 1, SHARED_SLEEP_US)) bound |= ESOCK__BOUND_RCV;
    if (change_timeout(s, ESOCK__SNDTIMEO, 1, SHARED_SLEEP_US)) bound |= ESOCK__BOUND_SND;
    __atomic_or_fetch(&s->flags, bound, __ATOMIC_RELAXED);
    __atomic_and_fetch(&s->flags, ~(uint32_t)ESOCK__SHARED, __ATOMIC_RELAXED);
    return cleared;
}

/* Undoes the timeouts of esock_nonblock, because the description may live on elsewhere. */
static void unbound(esock *s) {
    if (s->flags & ESOCK__BOUND_RCV) change_timeout(s, ESOCK__RCVTIMEO, 2 * SHARED_SLEEP_US, 0);
    if (s->flags & ESOCK__BOUND_SND) change_timeout(s, ESOCK__SNDTIMEO, 2 * SHARED_SLEEP_US, 0);
    s->flags &= ~(uint32_t)(ESOCK__BOUND_RCV | ESOCK__BOUND_SND);
}

int esock_disown(esock *s) {
    __atomic_and_fetch(&s->flags, ~(uint32_t)(ESOCK__OWNS_FD | ESOCK__RESTORE_FL),
                       __ATOMIC_RELAXED);
    return s->fd;
}

/* Returns whether closing the last descriptor would wait for unsent data. The kernel is asked only where SO_LINGER may be
 * on. */
static bool lingers(const esock *s) {
    struct linger l;
    socklen_t len = sizeof l;
    if (!(esock__flags(s) & (ESOCK__LINGER | ESOCK__EXPOSED))) return false;
    if (s->sys->getsockopt(s->sys, s->fd, SOL_SOCKET, SO_LINGER, &l, &len) < 0) return false;
    return l.l_onoff && l.l_linger != 0;
}

int esock_reclaim(esock *s) {
    if (s->flags & (ESOCK__OWNS_FD | ESOCK__RESTORE_FL)) return 0;
    unbound(s);
    if (!lingers(s)) return 0;
    int fd = s->sys->dup(s->sys, s->fd);
    if (fd < 0) return fd;
    s->fd = fd;
    __atomic_or_fetch(&s->flags, ESOCK__OWNS_FD, __ATOMIC_RELAXED);
    return 0;
}

int esock_dup(esock *s) {
    int fd = s->sys->dup(s->sys, s->fd);
    if (fd >= 0) esock__set_flags(s, ESOCK__SHARED | ESOCK__EXPOSED);
    return fd;
}

static void switch_linger_off(const esock *s) {
    struct linger l = {0, 0};
    s->sys->setsockopt(s->sys, s->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
}

void esock_nolinger(esock *s) {
    if (lingers(s)) switch_linger_off(s);
}

/* Closes the descriptor. */
static int close_fd(esock *s, unsigned flags) {
    if (!lingers(s)) return s->sys->close(s->sys, s->fd);
    if (!(flags & ESOCK_CLOSE_NOLINGER)) return s->sys->close_lingering(s->sys, s->fd);
    switch_linger_off(s);
    return s->sys->close(s->sys, s->fd);
}

int esock_close(esock *s, unsigned flags, struct esock_counters *final,
                struct esock_sendfile_counters *final_sendfile) {
    int r = 0;
    if (flags & ESOCK_CLOSE_GIVE_BACK) give_back(s);
    if (s->flags & (ESOCK__OWNS_FD | ESOCK__RESTORE_FL)) unbound(s);
    if (s->flags & ESOCK__RESTORE_FL) s->sys->setfl(s->sys, s->fd, s->saved_fl);
    if (s->flags & ESOCK__OWNS_FD) r = close_fd(s, flags);
    esock__trace(s, "close", r);
    esock_end_read(s);
    esock_end_write(s);
    if (final != NULL) *final = s->counters;
    if (final_sendfile != NULL) {
        memset(final_sendfile, 0, sizeof *final_sendfile);
        if (s->sendfile != NULL) *final_sendfile = *s->sendfile;
    }
    s->sys->free(s->sys, s->sendfile);
    s->sys->free(s->sys, s);
    return r;
}

/* ---- Names and connections ------------------------------------------------------------------- */

int esock_bind(esock *s, const esock_addr *a) {
    struct sockaddr_storage ss;
    unsigned len;
    int r = esock_addr_encode(a, &ss, &len);
    if (r == 0) r = s->sys->bind(s->sys, s->fd, (const struct sockaddr *)&ss, len);
    esock__trace(s, "bind", r);
    return r;
}

int esock_listen(esock *s, int backlog) {
    int r = s->sys->listen(s->sys, s->fd, backlog);
    esock__trace(s, "listen", r);
    return r;
}

int esock_shutdown(esock *s, int how) {
    int r = s->sys->shutdown(s->sys, s->fd, how);
    esock__trace(s, "shutdown", r);
    return r;
}

typedef int name_fn(const esock_sys *sys, int fd, struct sockaddr *addr, socklen_t *len);

static int get_name(esock *s, name_fn *fn, esock_addr *a) {
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    if (a == NULL) return -EFAULT;
    memset(&ss, 0, sizeof ss);
    int r = fn(s->sys, s->fd, (struct sockaddr *)&ss, &len);
    if (r >= 0) esock_addr_decode(&ss, len, a);
    return r;
}

int esock_sockname(esock *s, esock_addr *a) {
    return get_name(s, s->sys->getsockname, a);
}

int esock_peername(esock *s, esock_addr *a) {
    return get_name(s, s->sys->getpeername, a);
}

/* Linux reports the success of a nonblocking attempt by answering 0 to the next connect, whatever its address. Here
 * esock_finish reports it, so the next connect is refused, as after a blocking connect. The kernel is asked whether the
 * socket still is connected, because another process may have the description. */
static bool is_connected(esock *s) {
    esock_addr peer;
    return s->type == SOCK_STREAM && esock__flags(s) & ESOCK__CONNECTED &&
           esock_peername(s, &peer) >= 0;
}

int esock_connect(esock *s, const esock_addr *a) {
    struct sockaddr_storage ss;
    unsigned len;
    int r = esock_addr_encode(a, &ss, &len);
    if (r == 0 && ss.ss_family != AF_UNSPEC && is_connected(s)) r = -EISCONN;
    if (r == 0) esock_nonblock(s);
    if (r == 0) r = s->sys->connect(s->sys, s->fd, (const struct sockaddr *)&ss, len);
    if (r == -EINTR) r = -EINPROGRESS; /* POSIX: the attempt goes on */
    esock__trace(s, "connect", r);
    return r;
}

#define SCTP_CONNECTX3 111 /* SCTP_SOCKOPT_CONNECTX3 of linux/sctp.h, which is not everywhere */

int esock_connectx(esock *s, const void *addrs, size_t len, int32_t *assoc) {
    struct { /* struct sctp_getaddrs_old */
        int32_t assoc;
        int32_t len;
        const void *addrs;
    } arg = {.addrs = addrs};
    if (assoc == NULL) return -EFAULT;
    *assoc = 0;
    if (len > INT_MAX) return -EINVAL;
    arg.len = (int32_t)len;
    socklen_t size = sizeof arg;
    esock_nonblock(s);
    int r = s->sys->getsockopt(s->sys, s->fd, IPPROTO_SCTP, SCTP_CONNECTX3, &arg, &size);
    if (r == -EINTR) r = -EINPROGRESS;
    /* The kernel writes the number over the head of the argument, also when the attempt goes on. */
    if (r >= 0 || r == -EINPROGRESS) *assoc = arg.assoc;
    if (r > 0) r = 0;
    esock__trace(s, "connectx", r);
    return r;
}

/* Whether TCP still attempts to connect. A socket whose both directions were shut down before reports its end all the time. */
static bool attempts(const esock *s) {
    uint8_t state = 0; /* the first member of struct tcp_info */
    socklen_t len = sizeof state;
    return s->sys->getsockopt(s->sys, s->fd, IPPROTO_TCP, TCP_INFO, &state, &len) >= 0 &&
           (state == TCP_SYN_SENT || state == TCP_SYN_RECV);
}

int esock_finish(esock *s) {
    /* SO_ERROR is 0 both when connected and when undecided: only readiness tells them apart. */
    struct pollfd p = {.fd = s->fd, .events = POLLOUT, .revents = 0};
    int r;
    ESOCK__RETRY(r, s->sys->poll(s->sys, &p, 1, 0));
    if (r == 0) r = -EINPROGRESS;
    if (r > 0) {
        int error = 0;
        r = int_option(s->sys, s->fd, SO_ERROR, &error);
        if (r >= 0) r = -error;
        /* The kernel reports the error once, and another process may have read it. */
        esock_addr peer;
        if (r == 0 && (p.revents & (POLLERR | POLLHUP)) && esock_peername(s, &peer) == -ENOTCONN)
            r = attempts(s) ? -EINPROGRESS : -ENOTCONN;
        if (r == 0) __atomic_or_fetch(&s->flags, ESOCK__CONNECTED, __ATOMIC_RELAXED);
    }
    esock__trace(s, "finish", r);
    return r;
}

int esock__accepted(esock *s, int fd, unsigned how, esock **out) {
    if (fd >= 0) {
        esock *c = esock__new(s->sys, fd, esock_domain(s), s->type, s->protocol);
        if (c == NULL) {
            s->sys->close(s->sys, fd);
            fd = -ENOMEM;
        } else {
            /* Linux: accepted sockets inherit linger, the offset of peeks and the timeouts */
            uint32_t inherited = esock__flags(s);
            c->flags |= inherited & (ESOCK__ALONE | ESOCK__BOUND_RCV | ESOCK__BOUND_SND);
            if (inherited & ESOCK__EXPOSED) inherited |= ESOCK__LINGER | ESOCK__PEEK_OFF;
            c->flags |= inherited & (ESOCK__LINGER | ESOCK__PEEK_OFF);
            unbound(c);
            *out = c;
        }
    }
    /* Linux: a unix listener whose reading is shut answers EINVAL to a blocking accept, and EAGAIN for ever to a
     * nonblocking one. Other families answer EINVAL to both. */
    if (fd == -EAGAIN && esock_domain(s) == AF_UNIX && esock_ready(s, 0) == ESOCK_END) fd = -EINVAL;
    esock__count_accept(s, fd, how);
    return fd < 0 ? fd : 0;
}

int esock_accept(esock *s, unsigned how, esock **out, esock_addr *peer) {
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    int fd;
    if (out == NULL) return -EFAULT;
    esock_nonblock(s);
    ESOCK__RETRY(fd, s->sys->accept4(s->sys, s->fd, peer ? (struct sockaddr *)&ss : NULL,
                                     peer ? &len : NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
    int r = esock__accepted(s, fd, how, out);
    if (r == 0 && peer != NULL) esock_addr_decode(&ss, len, peer);
    return r;
}

/* ---- Input and output ------------------------------------------------------------------------ */

int esock_iov_max(void) {
    static int max;
    int n = __atomic_load_n(&max, __ATOMIC_RELAXED);
    if (n == 0) {
        long l = sysconf(_SC_IOV_MAX);
        n = l >= 16 && l <= 65536 ? (int)l : 16; /* _XOPEN_IOV_MAX, the least POSIX allows */
        __atomic_store_n(&max, n, __ATOMIC_RELAXED);
    }
    return n;
}

int esock__empty_receive(const esock *s, int flags) {
    if (s->type == SOCK_STREAM) return 0;
    return (flags & (MSG_PEEK | MSG_TRUNC)) == (MSG_PEEK | MSG_TRUNC) ? 1 : -EINVAL;
}

ssize_t esock_recv(esock *s, void *buf, size_t len, int flags, unsigned how) {
    ssize_t n;
    if (len == 0 && (n = esock__empty_receive(s, flags)) <= 0) return n;
    ESOCK__RETRY(n, s->sys->recv(s->sys, s->fd, buf, len, flags | ESOCK__RECV_FLAGS(s)));
    return esock__count_read(s, n, len, flags, how, "recv");
}

ssize_t esock_recvfrom(esock *s, void *buf, size_t len, int flags, unsigned how, esock_addr *from) {
    struct sockaddr_storage ss;
    socklen_t alen;
    ssize_t n;
    if (from == NULL) return -EFAULT;
    if (len == 0 && (n = esock__empty_receive(s, flags)) <= 0) return n;
    do {
        alen = sizeof ss;
        n = s->sys->recvfrom(s->sys, s->fd, buf, len, flags | ESOCK__RECV_FLAGS(s),
                             (struct sockaddr *)&ss, &alen);
    } while (n == -EINTR);
    if (n >= 0) esock_addr_decode(&ss, alen, from);
    return esock__count_read(s, n, len, flags, how, "recvfrom");
}

ssize_t esock_send(esock *s, const void *buf, size_t len, int flags, unsigned how) {
    ssize_t n;
    ESOCK__RETRY(n, s->sys->send(s->sys, s->fd, buf, len, flags | ESOCK__SEND_FLAGS));
    return esock__count_write(s, n, len, how, "send");
}

ssize_t esock_sendto(esock *s, const void *buf, size_t len, int flags, unsigned how,
                     const esock_addr *to) {
    struct sockaddr_storage ss;
    unsigned alen;
    ssize_t n = esock_addr_encode(to, &ss, &alen);
    if (n < 0) return n;
    ESOCK__RETRY(n, s->sys->sendto(s->sys, s->fd, buf, len, flags | ESOCK__SEND_FLAGS,
                                   (const struct sockaddr *)&ss, alen));
    return esock__count_write(s, n, len, how, "sendto");
}
