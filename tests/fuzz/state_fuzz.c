/* Random operations of the public API on a few handles, against a kernel that answers at random.
 * Input bytes choose both. What must hold whatever the kernel says:
 *
 *   no descriptor is used after its close, closed twice, or left open at the end
 *   epoll is told about each descriptor consistently, and its events name live handles only
 *   SIGPIPE is let go as often as it was held
 *   a failed allocation leaves nothing behind, and everything allocated is freed
 *   the counters are what the answers add up to
 *
 * Descriptor numbers are never used twice, so that a stale one is always seen. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "esock.h"
#include "esock_sys.h"

enum { FDS = 4096, FILE_FD = 3, HANDLES = 6, BUF = 64, CONTROL = 128 };

#define MUST(what)                                                                \
    do {                                                                          \
        if (!(what)) {                                                            \
            fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                              \
        }                                                                         \
    } while (0)

struct watched {
    bool registered, asleep; /* asleep: a one-shot event was given */
    struct epoll_event ev;
};

struct kernel {
    esock_sys sys; /* first */
    const uint8_t *input, *end;
    bool open[FDS];
    struct watched watched[FDS];
    int next_fd;
    int held;       /* SIGPIPE */
    unsigned calls; /* of the I/O kind, answered and not interrupted */
    unsigned allocations;
    int blocks; /* allocated, and not freed yet */
};

static struct kernel k;

static uint8_t byte(void) {
    return k.input < k.end ? *k.input++ : 0;
}

static int new_fd(void) {
    if (k.next_fd == FDS) return -EMFILE;
    k.open[k.next_fd] = true;
    return k.next_fd++;
}

static void used(int fd) {
    MUST(fd >= 0 && fd < FDS && k.open[fd]);
}

/* 0 three times of four (and always when the input is used up), else an error. */
static int luck(void) {
    static const int errors[] = {-EINTR,      -EMFILE,   -ENOBUFS,     -ENOMEM,
                                 -EINVAL,     -ENFILE,   -EACCES,      -EADDRINUSE,
                                 -EOPNOTSUPP, -ENOTCONN, -ECONNABORTED};
    uint8_t b = byte();
    return b < 192 ? 0 : errors[b % (sizeof errors / sizeof *errors)];
}

static int lucky_fd(void) {
    int r = luck();
    return r < 0 ? r : new_fd();
}

/* How much an I/O call moves. */
static ssize_t io(int fd, size_t len, bool may_exceed) {
    static const int errors[] = {-EINTR, -EAGAIN, -EAGAIN, -ECONNRESET, -EPIPE, -ENOMEM, -EMSGSIZE};
    used(fd);
    uint8_t b = byte();
    ssize_t n = (ssize_t)(b % (len + 1));
    if (b >= 160) n = errors[b % (sizeof errors / sizeof *errors)];
    if (b >= 150 && b < 160 && may_exceed) n = (ssize_t)len + b;
    if (n != -EINTR) k.calls++;
    return n;
}

static int k_socket(const esock_sys *sys, int domain, int type, int protocol) {
    (void)sys, (void)domain, (void)protocol;
    MUST(type & SOCK_CLOEXEC && type & SOCK_NONBLOCK);
    return lucky_fd();
}

static int k_accept4(const esock_sys *sys, int fd, struct sockaddr *addr, socklen_t *len,
                     int flags) {
    (void)sys;
    used(fd);
    MUST(flags == (SOCK_CLOEXEC | SOCK_NONBLOCK));
    int r = byte() & 1 ? -EAGAIN : lucky_fd();
    if (r >= 0 && addr != NULL) {
        *len = byte() % (*len + 1);
        memset(addr, byte(), *len);
    }
    if (r != -EINTR) k.calls++;
    return r;
}

static int k_dup(const esock_sys *sys, int fd) {
    (void)sys;
    used(fd);
    return lucky_fd();
}

static int k_getfl(const esock_sys *sys, int fd) {
    (void)sys;
    used(fd);
    int r = luck();
    return r < 0 ? r : O_RDWR;
}

static int k_setfl(const esock_sys *sys, int fd, int flags) {
    (void)sys, (void)flags;
    used(fd);
    return luck();
}

/* The file at a path is a regular file, or not. */
static int k_filetype(const esock_sys *sys, int fd) {
    (void)sys;
    used(fd);
    int r = luck();
    return r < 0 ? r : byte() & 1 ? S_IFIFO : S_IFREG;
}

static int k_close(const esock_sys *sys, int fd) {
    (void)sys;
    used(fd);
    MUST(!k.watched[fd].registered);
    k.open[fd] = false; /* whatever close answers */
    return luck();
}

static int k_name(const esock_sys *sys, int fd, const struct sockaddr *addr, socklen_t len) {
    (void)sys, (void)addr;
    used(fd);
    MUST(len <= sizeof(struct sockaddr_storage));
    return luck();
}

static int k_connect(const esock_sys *sys, int fd, const struct sockaddr *addr, socklen_t len) {
    return byte() & 1 ? -EINPROGRESS : k_name(sys, fd, addr, len);
}

static int k_number(const esock_sys *sys, int fd, int number) {
    (void)sys, (void)number;
    used(fd);
    return luck();
}

static int k_getname(const esock_sys *sys, int fd, struct sockaddr *addr, socklen_t *len) {
    (void)sys;
    used(fd);
    int r = luck();
    if (r == 0) {
        socklen_t room = *len;
        *len = byte(); /* may be more than there is room for */
        memset(addr, byte(), *len < room ? *len : room);
    }
    return r;
}

static int k_getsockopt(const esock_sys *sys, int fd, int level, int opt, void *val,
                        socklen_t *len) {
    (void)sys, (void)level, (void)opt;
    used(fd);
    int r = luck();
    if (r == 0) {
        uint8_t b = byte();
        if (b & 0x80) *len = b % (*len + 1);
        if (*len > 0) memset(val, b & 0x0f, *len);
    }
    return r;
}

static int k_setsockopt(const esock_sys *sys, int fd, int level, int opt, const void *val,
                        socklen_t len) {
    (void)sys, (void)level, (void)opt, (void)val, (void)len;
    used(fd);
    return luck();
}

static ssize_t k_recv(const esock_sys *sys, int fd, void *buf, size_t len, int flags) {
    (void)sys;
    MUST(flags & MSG_DONTWAIT && flags & MSG_CMSG_CLOEXEC);
    ssize_t n = io(fd, len, flags & MSG_TRUNC);
    if (n > 0) memset(buf, 'r', (size_t)n < len ? (size_t)n : len);
    return n;
}

static ssize_t k_recvfrom(const esock_sys *sys, int fd, void *buf, size_t len, int flags,
                          struct sockaddr *addr, socklen_t *addrlen) {
    ssize_t n = k_recv(sys, fd, buf, len, flags);
    if (n >= 0) {
        socklen_t room = *addrlen;
        *addrlen = byte();
        memset(addr, byte(), *addrlen < room ? *addrlen : room);
    }
    return n;
}

/* Some control data: a few descriptors, or bytes of the input. */
static size_t control_data(struct msghdr *msg) {
    size_t room = msg->msg_controllen;
    uint8_t b = byte();
    if (b & 1 && room >= CMSG_SPACE(3 * sizeof(int))) {
        int fds[3], n = 1 + b % 3;
        for (int i = 0; i < n; i++) {
            fds[i] = new_fd();
            if (fds[i] < 0) n = i;
        }
        struct cmsghdr h = {.cmsg_len = CMSG_LEN((size_t)n * sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS};
        memset(msg->msg_control, 0, room);
        memcpy(msg->msg_control, &h, sizeof h);
        memcpy((char *)msg->msg_control + CMSG_LEN(0), fds, (size_t)n * sizeof(int));
        return CMSG_SPACE((size_t)n * sizeof(int));
    }
    size_t len = b % (room + 1);
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)msg->msg_control)[i] = byte() & 0x7f;
    }
    /* Random bytes must not read as descriptors, which they do not name: spoil the level. */
    for (size_t i = offsetof(struct cmsghdr, cmsg_level); i < len; i += sizeof(size_t)) {
        ((uint8_t *)msg->msg_control)[i] |= 0x40;
    }
    return len;
}

static ssize_t k_recvmsg(const esock_sys *sys, int fd, struct msghdr *msg, int flags) {
    (void)sys;
    MUST(flags & MSG_DONTWAIT && flags & MSG_CMSG_CLOEXEC);
    size_t len = msg->msg_iovlen > 0 ? msg->msg_iov[0].iov_len : 0;
    ssize_t n = io(fd, len, flags & MSG_TRUNC);
    if (n >= 0) {
        msg->msg_controllen = msg->msg_controllen > 0 ? control_data(msg) : 0;
        msg->msg_flags = byte() & 1 ? MSG_CTRUNC : 0;
        msg->msg_namelen = 0;
    }
    return n;
}

static ssize_t k_send(const esock_sys *sys, int fd, const void *buf, size_t len, int flags) {
    (void)sys, (void)buf;
    MUST(flags & MSG_DONTWAIT && flags & MSG_NOSIGNAL);
    return io(fd, len, false);
}

static ssize_t k_sendto(const esock_sys *sys, int fd, const void *buf, size_t len, int flags,
                        const struct sockaddr *addr, socklen_t addrlen) {
    (void)addr, (void)addrlen;
    return k_send(sys, fd, buf, len, flags);
}

static ssize_t k_sendmsg(const esock_sys *sys, int fd, const struct msghdr *msg, int flags) {
    size_t len = 0;
    for (size_t i = 0; i < msg->msg_iovlen; i++) {
        len += msg->msg_iov[i].iov_len;
    }
    return k_send(sys, fd, NULL, len, flags);
}

static ssize_t k_sendfile(const esock_sys *sys, int out_fd, int in_fd, int64_t *offset,
                          size_t count) {
    (void)sys;
    used(in_fd);
    MUST(k.held == 1);
    ssize_t n = io(out_fd, count, false);
    if (n > 0) *offset += n;
    return n;
}

static int k_sigpipe_block(const esock_sys *sys, uint64_t *saved) {
    (void)sys;
    int r = luck();
    if (r == 0) {
        k.held++;
        *saved = 42;
    }
    return r;
}

static void k_sigpipe_restore(const esock_sys *sys, uint64_t saved, int take) {
    (void)sys, (void)take;
    MUST(saved == 42);
    k.held--;
}

static int k_poll(const esock_sys *sys, struct pollfd *fds, nfds_t n, int timeout_ms) {
    (void)sys;
    MUST(n == 1 && timeout_ms == 0);
    used(fds[0].fd);
    int r = luck();
    if (r == 0) {
        fds[0].revents = byte() & (POLLOUT | POLLERR | POLLHUP);
        r = fds[0].revents != 0;
    }
    return r;
}

static int k_epoll_create(const esock_sys *sys) {
    (void)sys;
    return lucky_fd();
}

static int k_epoll_ctl(const esock_sys *sys, int ep, int op, int fd, struct epoll_event *ev) {
    (void)sys;
    used(ep);
    used(fd);
    struct watched *w = &k.watched[fd];
    MUST(w->registered == (op != EPOLL_CTL_ADD));
    if (op == EPOLL_CTL_DEL) {
        w->registered = false;
        return 0;
    }
    int r = luck();
    if (r == 0) *w = (struct watched){.registered = true, .ev = *ev};
    return r;
}

static int k_epoll_wait(const esock_sys *sys, int ep, struct epoll_event *ev, int max,
                        int timeout_ms) {
    (void)sys, (void)timeout_ms;
    used(ep);
    int r = luck(), n = 0;
    if (r < 0) return r;
    for (int fd = 0; fd < k.next_fd && n < max; fd++) {
        struct watched *w = &k.watched[fd];
        if (!w->registered || w->asleep || byte() & 1) continue;
        ev[n] = w->ev;
        ev[n].events &= EPOLLIN | EPOLLOUT;
        if (byte() & 1) ev[n].events |= EPOLLERR | EPOLLHUP;
        n++;
        w->asleep = w->ev.events & EPOLLONESHOT;
    }
    return n;
}

static int k_open(const esock_sys *sys, const char *path, int flags) {
    (void)sys, (void)path, (void)flags;
    return lucky_fd();
}

static int k_getfd(const esock_sys *sys, int fd) {
    return k_number(sys, fd, 0);
}

static int k_setns(const esock_sys *sys, int fd) {
    return k_number(sys, fd, 0);
}

/* Every eighth allocation fails. No input byte chooses, so that a corpus keeps its meaning. */
static void *k_alloc(const esock_sys *sys, size_t size) {
    (void)sys;
    if (++k.allocations % 8 == 5) return NULL;
    k.blocks++;
    return malloc(size);
}

static void k_free(const esock_sys *sys, void *block) {
    (void)sys;
    if (block != NULL) k.blocks--;
    free(block);
}

static const esock_sys table = {
    .socket = k_socket,
    .accept4 = k_accept4,
    .dup = k_dup,
    .getfl = k_getfl,
    .setfl = k_setfl,
    .getfd = k_getfd,
    .setfd = k_number,
    .filetype = k_filetype,
    .close = k_close,
    .close_lingering = k_close,
    .bind = k_name,
    .connect = k_connect,
    .listen = k_number,
    .shutdown = k_number,
    .getsockname = k_getname,
    .getpeername = k_getname,
    .getsockopt = k_getsockopt,
    .setsockopt = k_setsockopt,
    .recv = k_recv,
    .recvfrom = k_recvfrom,
    .recvmsg = k_recvmsg,
    .send = k_send,
    .sendto = k_sendto,
    .sendmsg = k_sendmsg,
    .sendfile = k_sendfile,
    .sigpipe_block = k_sigpipe_block,
    .sigpipe_restore = k_sigpipe_restore,
    .poll = k_poll,
    .epoll_create = k_epoll_create,
    .epoll_ctl = k_epoll_ctl,
    .epoll_wait = k_epoll_wait,
    .open = k_open,
    .setns = k_setns,
    .alloc = k_alloc,
    .free = k_free,
};

/* ---- The program ----------------------------------------------------------------------------- */

struct slot {
    esock *s;
    int lent; /* a descriptor that we close when the handle is gone, or -1 */
    uint64_t
        expect[ESOCK_COUNTERS]; /* what the answers so far add up to; *_pkg and *_pkg_max not */
};

static struct slot slots[HANDLES];
static esock_poller *poller;

static void put(struct slot *slot, esock *s, int lent) {
    *slot = (struct slot){.s = s, .lent = lent};
}

static void expect_read(struct slot *t, unsigned calls, ssize_t n, size_t want, int flags,
                        unsigned how) {
    bool stream = esock_type(t->s) == SOCK_STREAM;
    MUST(calls <= 2); /* the second looks whether a seqpacket connection has ended */
    t->expect[ESOCK_READ_TRIES] += calls > 0;
    if (calls == 0) return;
    if (n == -EAGAIN) {
        t->expect[ESOCK_READ_WAITS] += !(how & ESOCK_POLL);
    } else if (n < 0 || (n == 0 && stream)) {
        t->expect[ESOCK_READ_FAILS]++;
    } else if (!(flags & MSG_PEEK)) {
        t->expect[ESOCK_READ_BYTE] += (size_t)n < want ? (uint64_t)n : want; /* as stored */
    }
}

static void expect_write(struct slot *t, unsigned calls, ssize_t n, unsigned how) {
    t->expect[ESOCK_WRITE_TRIES] += calls;
    if (calls == 0) return;
    if (n == -EAGAIN) {
        t->expect[ESOCK_WRITE_WAITS] += !(how & ESOCK_POLL);
    } else if (n < 0) {
        t->expect[ESOCK_WRITE_FAILS]++;
    } else {
        t->expect[ESOCK_WRITE_BYTE] += (uint64_t)n;
    }
}

static void check_counters(const struct slot *t, const esock_counters *c) {
    static const enum esock_counter exact[] = {
        ESOCK_READ_BYTE,   ESOCK_READ_TRIES,  ESOCK_READ_WAITS,  ESOCK_READ_FAILS,
        ESOCK_WRITE_BYTE,  ESOCK_WRITE_TRIES, ESOCK_WRITE_WAITS, ESOCK_WRITE_FAILS,
        ESOCK_ACC_SUCCESS, ESOCK_ACC_TRIES,   ESOCK_ACC_WAITS,   ESOCK_ACC_FAILS};
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) {
        MUST(c->value[exact[i]] == t->expect[exact[i]]);
    }
    MUST(c->value[ESOCK_READ_PKG] <= c->value[ESOCK_READ_TRIES]);
    MUST(c->value[ESOCK_READ_PKG_MAX] <= c->value[ESOCK_READ_BYTE]);
    MUST(c->value[ESOCK_WRITE_PKG] <= c->value[ESOCK_WRITE_TRIES]);
    MUST(c->value[ESOCK_WRITE_PKG_MAX] <= c->value[ESOCK_WRITE_BYTE]);
}

static void finish_slot(struct slot *t, unsigned flags) {
    esock_counters c;
    esock_sendfile_counters f;
    esock_deregister(poller, t->s);
    check_counters(t, esock_counters_of(t->s));
    esock_close(t->s, flags, &c, &f);
    check_counters(t, &c);
    if (t->lent >= 0) k_close(&k.sys, t->lent);
    t->s = NULL;
}

/* An operation that makes a handle in an empty slot. */
static void make(struct slot *t, uint8_t op) {
    int type = (int[]){SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}[byte() % 3];
    esock *s = NULL;
    int r, fd;
    enum esock_netns_fault fault;
    const char *missing;
    switch (op % 4) {
    case 0:
        r = esock_open(&s, AF_INET, type, byte() & 1, &k.sys);
        if (r == 0) put(t, s, -1);
        break;
    case 1:
        r = esock_open_netns(&s, "a namespace", AF_INET6, type, 0, &k.sys, &fault);
        if (r == 0) {
            MUST(fault == ESOCK_NETNS_SOCKET);
            put(t, s, -1);
        }
        break;
    default:
        fd = new_fd();
        if (fd < 0) return;
        r = esock_adopt(&s, fd, op % 4 == 2 ? ESOCK_ADOPT_DUP : 0, byte() & 1 ? AF_INET : -1, type,
                        0, &k.sys, &missing);
        if (r == 0 && op % 4 == 3)
            put(t, s, fd);
        else
            k_close(&k.sys, fd);
        if (r == 0 && op % 4 == 2) put(t, s, -1);
    }
    MUST((r == 0) == (s != NULL));
}

static void random_address(esock_addr *a) {
    static const uint16_t families[] = {AF_INET, AF_INET6, AF_UNIX, AF_PACKET, AF_VSOCK, 77};
    memset(a, 0, sizeof *a);
    a->family = families[byte() % (sizeof families / sizeof *families)];
    a->form = byte() % 3;
    a->len = byte();
    a->port = byte();
    memset(a->data, byte(), sizeof a->data);
}

static void accept_into(struct slot *t, unsigned how) {
    esock *c = NULL;
    esock_addr peer;
    unsigned before = k.calls;
    int r = esock_accept(t->s, how, &c, byte() & 1 ? &peer : NULL);
    MUST(k.calls == before + 1);
    t->expect[ESOCK_ACC_TRIES]++;
    t->expect[ESOCK_ACC_SUCCESS] += r == 0;
    t->expect[ESOCK_ACC_WAITS] += r == -EAGAIN && !(how & ESOCK_POLL);
    t->expect[ESOCK_ACC_FAILS] += r < 0 && r != -EAGAIN;
    if (r < 0) return;
    for (int i = 0; i < HANDLES; i++) {
        if (slots[i].s == NULL) {
            put(&slots[i], c, -1);
            return;
        }
    }
    esock_close(c, 0, NULL, NULL);
}

static void receive_message(struct slot *t, size_t len, int flags, unsigned how) {
    char buf[BUF];
    _Alignas(size_t) uint8_t control[CONTROL];
    esock_cmsg cmsgs[2];
    esock_msg m;
    unsigned before = k.calls;
    int descriptors = k.next_fd;
    ssize_t n = esock_recvmsg(t->s, buf, len, flags, how, control, byte() & 1 ? sizeof control : 0,
                              cmsgs, byte() % 3, &m);
    expect_read(t, k.calls - before, n < 0 ? n : (ssize_t)m.full_len, len, flags, how);
    if (n >= 0) {
        MUST(m.control_len <= sizeof control);
        if (!(m.flags & MSG_CTRUNC)) esock_cmsg_close_rights(t->s, control, m.control_len);
    }
    for (int fd = descriptors; fd < k.next_fd; fd++) {
        MUST(!k.open[fd]); /* none of the descriptors that came was lost */
    }
}

/* An operation on a handle. */
static void use(struct slot *t, uint8_t op) {
    static const int receive_flags[] = {0, MSG_PEEK, MSG_TRUNC, MSG_PEEK | MSG_TRUNC};
    static char buf[BUF];
    static uint8_t value[2048];
    uint8_t b = byte();
    unsigned how = b & 7u;
    size_t len = byte() % (BUF + 1);
    int flags = receive_flags[b >> 6];
    unsigned before = k.calls;
    esock_addr a;
    ssize_t n;
    size_t room = sizeof value;
    int64_t i64 = 0;
    int fd;
    switch (op % 32) {
    case 0:
        finish_slot(t, b & ESOCK_CLOSE_NOLINGER);
        break;
    case 1:
        if (t->lent < 0) t->lent = esock_disown(t->s);
        break;
    case 2:
        fd = esock_dup(t->s);
        if (fd >= 0) k_close(&k.sys, fd);
        break;
    case 3:
        random_address(&a);
        esock_bind(t->s, &a);
        break;
    case 4:
        random_address(&a);
        if (b & 1) {
            int32_t assoc;
            MUST(esock_connectx(t->s, &a, sizeof a, &assoc) <= 0);
        } else {
            MUST(esock_connect(t->s, &a) <= 0);
        }
        break;
    case 5:
        MUST(esock_finish(t->s) <= 0);
        break;
    case 6:
        esock_listen(t->s, b);
        break;
    case 7:
        accept_into(t, how);
        break;
    case 8:
        esock_shutdown(t->s, b % 3);
        break;
    case 9:
        esock_sockname(t->s, &a);
        break;
    case 10:
        esock_peername(t->s, &a);
        break;
    case 11:
    case 12:
        n = esock_recv(t->s, buf, len, flags, how);
        expect_read(t, k.calls - before, n, len, flags, how);
        break;
    case 13:
        n = esock_recvfrom(t->s, buf, len, flags, how, &a);
        expect_read(t, k.calls - before, n, len, flags, how);
        break;
    case 14:
    case 15:
        receive_message(t, len, flags, how);
        break;
    case 16:
    case 17:
        n = esock_send(t->s, buf, len, 0, how);
        expect_write(t, k.calls - before, n, how);
        break;
    case 18:
        random_address(&a);
        n = esock_sendto(t->s, buf, len, 0, how, &a);
        expect_write(t, k.calls - before, n, how);
        break;
    case 19:
        n = esock_sendmsg(t->s, buf, len, 0, how, NULL, NULL, 0);
        expect_write(t, k.calls - before, n, how);
        break;
    case 20:
        i64 = b;
        n = esock_sendfile(t->s, FILE_FD, &i64, len, how);
        MUST(i64 == b + (n > 0 ? n : 0));
        MUST(k.held == 0);
        esock_sendfile_done(t->s, n, n < 0 ? (int)n : 0);
        break;
    case 21:
        esock_end_read(t->s);
        esock_end_write(t->s);
        break;
    case 22:
    case 23:
    case 24:
        esock_arm(poller, t->s, b & 3u, b >> 7, t);
        break;
    case 25:
        esock_disarm(poller, t->s, b & 3u);
        break;
    case 26:
        esock_deregister(poller, t->s);
        break;
    case 27:
        room = len;
        esock_getopt(t->s, b % (esock_opt_count() + 1), &i64, value, &room);
        break;
    case 28:
        esock_setopt(t->s, b % (esock_opt_count() + 1), (int64_t)len - 8, value, len);
        break;
    case 29:
        if (esock_getopt_native(t->s, 1, b, value, &room) == 0) MUST(room <= sizeof value);
        break;
    case 30:
        esock_setopt_native(t->s, 1, b, value, len);
        break;
    default:
        esock_refresh(t->s);
        esock_nolinger(t->s);
        MUST(esock_counters_wrapped(t->s) == 0);
    }
}

static void collect(void) {
    esock_event ev[4];
    int n = esock_poll(poller, ev, 1 + byte() % 4, 0);
    MUST(n <= 4);
    for (int i = 0; i < n; i++) {
        struct slot *t = ev[i].user;
        MUST(t >= slots && t < slots + HANDLES && t->s != NULL);
        int answered = esock_fired(poller, t->s, ev[i].events);
        MUST(answered >= 0 && (answered & ~(ESOCK_IN | ESOCK_OUT)) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 2048) return -1; /* descriptor numbers are finite */
    memset(&k, 0, sizeof k);
    memset(slots, 0, sizeof slots);
    k.sys = table;
    k.input = data;
    k.end = data + size;
    k.open[FILE_FD] = true;
    k.next_fd = FILE_FD + 1;
    while (esock_poller_new(&poller, &k.sys) < 0) {
    }
    while (k.input < k.end) {
        uint8_t op = byte();
        struct slot *t = &slots[byte() % HANDLES];
        if (op >= 224)
            collect();
        else if (t->s == NULL)
            make(t, op);
        else
            use(t, op);
    }
    for (int i = 0; i < HANDLES; i++) {
        if (slots[i].s != NULL) finish_slot(&slots[i], 0);
    }
    esock_poller_free(poller);
    for (int fd = FILE_FD + 1; fd < k.next_fd; fd++) {
        MUST(!k.open[fd]);
    }
    MUST(k.blocks == 0);
    return 0;
}
