/* The simulation: its life, hosts, descriptors, and the table of system calls. Each call takes the mutex, finds its
 * descriptor, lets the faults decide, and asks the family; then what is due happens. */
#include "sim_internal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- Entering and leaving -------------------------------------------------------------------- */

static void publish(esock_sim *sim) {
    __atomic_store_n(&sim->words.next, net_next(sim), __ATOMIC_RELEASE);
    __atomic_store_n(&sim->words.changes, sim->changes, __ATOMIC_RELEASE);
    __atomic_store_n(&sim->words.open, sim->open, __ATOMIC_RELEASE);
}

static esock_sim *lock(esock_sim *sim) {
    pthread_mutex_lock(&sim->mu);
    uint64_t now = __atomic_load_n(&sim->words.now, __ATOMIC_ACQUIRE);
    while (net_next(sim) <= now) { /* one moment after the other */
        if (sim->now < net_next(sim)) sim->now = net_next(sim);
        net_run(sim);
    }
    if (sim->now < now) sim->now = now;
    return sim;
}

static void unlock(esock_sim *sim) {
    net_run(sim);
    publish(sim);
    pthread_mutex_unlock(&sim->mu);
}

static esock_sim *enter(const esock_sys *sys) {
    return lock(host_of(sys)->sim);
}

static int leave(esock_sim *sim, int r) {
    unlock(sim);
    return r;
}

static ssize_t leave_size(esock_sim *sim, ssize_t r) {
    unlock(sim);
    return r;
}

/* ---- Descriptors ----------------------------------------------------------------------------- */

int sim_fd_new(esock_sim *sim, struct file *f, bool cloexec) {
    int i = sim->lowest;
    while (i < sim->slots_used && sim->slots[i].file != NULL)
        i++;
    if (i == SIM_FDS) return -EMFILE;
    if (i == sim->slots_size) {
        int size = i == 0 ? 16 : i * 2;
        struct slot *at = realloc(sim->slots, (size_t)size * sizeof *at);
        if (at == NULL) return -ENOMEM;
        sim->slots = at;
        sim->slots_size = size;
    }
    if (i == sim->slots_used) sim->slots_used++;
    sim->slots[i] = (struct slot){.file = f, .cloexec = cloexec};
    sim->lowest = i + 1;
    sim->open++;
    f->fds++;
    return SIM_FD + i;
}

static struct slot *slot_of(esock_sim *sim, int fd) {
    if (fd < SIM_FD || fd - SIM_FD >= sim->slots_used) return NULL;
    struct slot *s = &sim->slots[fd - SIM_FD];
    return s->file == NULL ? NULL : s;
}

struct file *sim_file(esock_sim *sim, int fd) {
    struct slot *s = slot_of(sim, fd);
    return s == NULL ? NULL : s->file;
}

/* The last descriptor of a file is gone. */
static void file_close(struct file *f) {
    sim_unwatch(f);
    if (f->kind == SIM_EPOLL)
        epoll_free((struct epoll *)f);
    else if (f->kind == SIM_EVENT)
        free(f);
    else {
        struct sock *s = (struct sock *)f;
        s->dead = true;
        s->family->close(s);
        sock_unref(s);
    }
}

static void fd_close(esock_sim *sim, int fd) {
    struct slot *slot = slot_of(sim, fd);
    struct file *f = slot->file;
    slot->file = NULL;
    if (fd - SIM_FD < sim->lowest) sim->lowest = fd - SIM_FD;
    sim->open--;
    if (--f->fds == 0) file_close(f);
}

static struct sock *sock_of(esock_sim *sim, int fd, int *error) {
    struct file *f = sim_file(sim, fd);
    *error = f == NULL ? -EBADF : f->kind != SIM_SOCK ? -ENOTSOCK : 0;
    return *error < 0 ? NULL : (struct sock *)f;
}

/* ---- Sockets --------------------------------------------------------------------------------- */

struct sock *sock_new(struct host *h, const struct family *family, int domain, uint64_t key) {
    struct sock *s = calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    s->file = (struct file){.kind = SIM_SOCK, .fl = O_RDWR, .sim = h->sim};
    s->host = h;
    s->family = family;
    s->domain = domain;
    s->dice.key = key;
    s->refs = 1;
    s->backlog = 10; /* of a unix socket: net.unix.max_dgram_qlen */
    if (domain == AF_INET) s->local.ip[10] = s->local.ip[11] = 0xff;
    s->next = h->socks;
    if (s->next != NULL) s->next->prev = s;
    h->socks = s;
    opt_init(s);
    return s;
}

void sock_ref(struct sock *s) {
    s->refs++;
}

static void sock_free(struct sock *s) {
    if (s->next != NULL) s->next->prev = s->prev;
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        s->host->socks = s->next;
    bytes_free(&s->in);
    free(s->queue);
    free(s);
}

void sock_unref(struct sock *s) {
    if (--s->refs > 0) return;
    sock_set_peer(s, NULL);
    sock_free(s);
}

void sock_set_peer(struct sock *s, struct sock *peer) {
    struct sock *was = s->peer;
    if (peer != NULL) sock_ref(peer);
    s->peer = peer;
    if (was != NULL) sock_unref(was);
}

int sock_error(struct sock *s) {
    int e = s->error;
    s->error = 0;
    return -e;
}

size_t sock_target(const struct sock *s, int flags, size_t len) {
    size_t low = (size_t)s->opt.rcvlowat, n = flags & MSG_WAITALL || low > len ? len : low;
    return n == 0 ? 1 : n;
}

int sock_enqueue(struct sock *l, struct sock *child) {
    if (l->queued == l->queue_size) {
        int size = l->queue_size == 0 ? 4 : l->queue_size * 2;
        struct sock **at = realloc(l->queue, (size_t)size * sizeof *at);
        if (at == NULL) return -ENOMEM;
        l->queue = at;
        l->queue_size = size;
    }
    sock_ref(child);
    child->listener = l;
    l->queue[l->queued++] = child;
    return 0;
}

struct sock *sock_dequeue(struct sock *l) {
    if (l->queued == 0) return NULL;
    struct sock *child = l->queue[0];
    l->queued--;
    memmove(l->queue, l->queue + 1, (size_t)l->queued * sizeof *l->queue);
    child->listener = NULL;
    return child;
}

/* The address of what is in `from`, as the kernel writes it: cut off, with its whole length. */
static void put_name(const struct sockaddr_storage *from, int n, struct sockaddr *addr,
                     socklen_t *len) {
    socklen_t part = *len < (socklen_t)n ? *len : (socklen_t)n;
    if (part > 0) memcpy(addr, from, part);
    *len = (socklen_t)n;
}

/* ---- Life ------------------------------------------------------------------------------------ */

#define PROTOCOL_LAST 262 /* IPPROTO_MPTCP */

static int type_error(int domain, int type, int protocol) {
    int kind = type & 0xf;
    if (type & ~(0xf | SOCK_CLOEXEC | SOCK_NONBLOCK)) return -EINVAL;
    if (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6) return -EAFNOSUPPORT;
    if (kind > SOCK_PACKET) return -EINVAL;
    if (kind != SOCK_STREAM) return -ESOCKTNOSUPPORT;
    if (domain == AF_UNIX) return protocol == 0 || protocol == PF_UNIX ? 0 : -EPROTONOSUPPORT;
    if (protocol < 0 || protocol > PROTOCOL_LAST) return -EINVAL;
    return protocol == 0 || protocol == IPPROTO_TCP ? 0 : -EPROTONOSUPPORT;
}

static struct sock *open_sock(struct host *h, int domain, int type) {
    const struct family *f = domain == AF_UNIX ? &sim_unix : &sim_inet;
    struct sock *s = sock_new(h, f, domain, sim_mix(h->dice.key, ++h->opened));
    if (s != NULL && type & SOCK_NONBLOCK) s->file.fl |= O_NONBLOCK;
    return s;
}

/* Gives a new socket its descriptor. The socket is dropped if there is none. */
static int publish_sock(esock_sim *sim, struct sock *s, int type) {
    int fd = sim_fd_new(sim, &s->file, type & SOCK_CLOEXEC);
    if (fd < 0) {
        s->dead = true;
        s->family->close(s);
        sock_unref(s);
    }
    return fd;
}

static int do_socket(struct host *h, int domain, int type, int protocol) {
    int r = type_error(domain, type, protocol);
    if (r == 0) r = sim_fault(h->sim, ESOCK_SIM_SOCKET, -1, &h->dice, NULL, NULL);
    if (r < 0) return r;
    struct sock *s = open_sock(h, domain, type);
    return s == NULL ? -ENOMEM : publish_sock(h->sim, s, type);
}

static int k_socket(const esock_sys *sys, int domain, int type, int protocol) {
    esock_sim *sim = enter(sys);
    return leave(sim, do_socket(host_of(sys), domain, type, protocol));
}

static int accept_one(esock_sim *sim, struct sock *s, int flags, struct sock **out) {
    int r;
    struct sock *child = s->family->accept(s, &r);
    if (child == NULL) return r;
    if (flags & SOCK_NONBLOCK) child->file.fl |= O_NONBLOCK;
    *out = child;
    return publish_sock(sim, child, flags);
}

/* The fault takes the connection with it. */
static int aborted(struct sock *s, int r) {
    int ignored;
    struct sock *child = r == -ECONNABORTED ? s->family->accept(s, &ignored) : NULL;
    if (r == -ECONNABORTED && child == NULL) return ignored;
    if (child == NULL) return r;
    child->dead = true;
    child->family->reset(child);
    child->family->close(child);
    sock_unref(child);
    return r;
}

static int do_accept(esock_sim *sim, int fd, struct sockaddr *addr, socklen_t *len, int flags) {
    int r;
    struct sock *s = sock_of(sim, fd, &r), *child = NULL;
    if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) return -EINVAL;
    if (s == NULL) return r;
    r = sim_fault(sim, ESOCK_SIM_ACCEPT, fd, &s->dice, s, NULL);
    if (r < 0) return aborted(s, r);
    r = accept_one(sim, s, flags, &child);
    if (r >= 0 && addr != NULL) {
        struct sockaddr_storage ss;
        int n = child->family->peer_name(child, &ss);
        if (n >= 0)
            put_name(&ss, n, addr, len);
        else
            *len = 0;
    }
    return r;
}

static int k_accept4(const esock_sys *sys, int fd, struct sockaddr *addr, socklen_t *len,
                     int flags) {
    esock_sim *sim = enter(sys);
    return leave(sim, do_accept(sim, fd, addr, len, flags));
}

static int k_dup(const esock_sys *sys, int fd) {
    esock_sim *sim = enter(sys);
    struct file *f = sim_file(sim, fd);
    int r = f == NULL ? -EBADF : sim_fault(sim, ESOCK_SIM_DUP, fd, &host_of(sys)->dice, NULL, NULL);
    return leave(sim, r < 0 ? r : sim_fd_new(sim, f, true));
}

static int k_getfl(const esock_sys *sys, int fd) {
    esock_sim *sim = enter(sys);
    struct file *f = sim_file(sim, fd);
    return leave(sim, f == NULL ? -EBADF : f->fl);
}

static int k_setfl(const esock_sys *sys, int fd, int flags) {
    esock_sim *sim = enter(sys);
    struct file *f = sim_file(sim, fd);
    if (f != NULL) f->fl = (f->fl & ~O_NONBLOCK) | (flags & O_NONBLOCK);
    return leave(sim, f == NULL ? -EBADF : 0);
}

static int k_getfd(const esock_sys *sys, int fd) {
    esock_sim *sim = enter(sys);
    struct slot *s = slot_of(sim, fd);
    return leave(sim, s == NULL ? -EBADF : s->cloexec ? FD_CLOEXEC : 0);
}

static int k_setfd(const esock_sys *sys, int fd, int flags) {
    esock_sim *sim = enter(sys);
    struct slot *s = slot_of(sim, fd);
    if (s != NULL) s->cloexec = flags & FD_CLOEXEC;
    return leave(sim, s == NULL ? -EBADF : 0);
}

static int k_close(const esock_sys *sys, int fd) {
    struct fault fault = {0};
    esock_sim *sim = enter(sys);
    int r = -EBADF;
    if (sim_file(sim, fd) != NULL) {
        r = sim_fault(sim, ESOCK_SIM_CLOSE, fd, &host_of(sys)->dice, NULL, &fault);
        if (fault.after < 0) r = fault.after;
        fd_close(sim, fd);
    }
    return leave(sim, r);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static int name_fault(esock_sim *sim, enum esock_sim_call call, int fd, const void *addr,
                      socklen_t len, struct sock **s) {
    int r;
    *s = sock_of(sim, fd, &r);
    if (*s == NULL) return r;
    if (len > sizeof(struct sockaddr_storage)) return -EINVAL;
    if (addr == NULL) return len == 0 ? -EINVAL : -EFAULT;
    return sim_fault(sim, call, fd, &(*s)->dice, *s, NULL);
}

static int k_bind(const esock_sys *sys, int fd, const struct sockaddr *addr, socklen_t len) {
    struct sockaddr_storage ss = {0};
    struct sock *s;
    esock_sim *sim = enter(sys);
    int r = name_fault(sim, ESOCK_SIM_BIND, fd, addr, len, &s);
    if (r == 0) {
        memcpy(&ss, addr, len); /* aligned, and with zeros behind */
        r = s->family->bind(s, (struct sockaddr *)&ss, len);
    }
    return leave(sim, r);
}

static int do_connect(esock_sim *sim, int fd, const struct sockaddr *addr, socklen_t len) {
    struct sockaddr_storage ss = {0};
    struct fault fault = {0};
    int r;
    struct sock *s = sock_of(sim, fd, &r);
    if (s == NULL) return r;
    if (len > sizeof ss) return -EINVAL;
    if (addr == NULL) return len == 0 ? -EINVAL : -EFAULT;
    r = sim_fault(sim, ESOCK_SIM_CONNECT, fd, &s->dice, s, &fault);
    if (r < 0) return r;
    memcpy(&ss, addr, len);
    r = s->family->connect(s, (struct sockaddr *)&ss, len);
    return r == -EINPROGRESS && fault.after < 0 ? fault.after : r;
}

static int k_connect(const esock_sys *sys, int fd, const struct sockaddr *addr, socklen_t len) {
    esock_sim *sim = enter(sys);
    return leave(sim, do_connect(sim, fd, addr, len));
}

static int k_listen(const esock_sys *sys, int fd, int backlog) {
    esock_sim *sim = enter(sys);
    int r;
    struct sock *s = sock_of(sim, fd, &r);
    if (s != NULL) r = sim_fault(sim, ESOCK_SIM_LISTEN, fd, &s->dice, s, NULL);
    if (backlog < 0 || backlog > SIM_SOMAXCONN) backlog = SIM_SOMAXCONN;
    if (r == 0) r = s->family->listen(s, backlog);
    return leave(sim, r);
}

static int k_shutdown(const esock_sys *sys, int fd, int how) {
    esock_sim *sim = enter(sys);
    int r;
    struct sock *s = sock_of(sim, fd, &r);
    if (s != NULL && (how < SHUT_RD || how > SHUT_RDWR)) r = -EINVAL;
    if (r == 0) r = sim_fault(sim, ESOCK_SIM_SHUTDOWN, fd, &s->dice, s, NULL);
    if (r == 0) r = s->family->shutdown(s, (unsigned)how + 1);
    return leave(sim, r);
}

static int name_of(const esock_sys *sys, int fd, bool peer, struct sockaddr *addr, socklen_t *len) {
    struct sockaddr_storage ss;
    esock_sim *sim = enter(sys);
    int r;
    struct sock *s = sock_of(sim, fd, &r);
    if (s != NULL) r = sim_fault(sim, ESOCK_SIM_NAME, fd, &s->dice, s, NULL);
    if (r == 0) r = s->family->name(s, peer, &ss);
    if (r > 0) put_name(&ss, r, addr, len);
    return leave(sim, r > 0 ? 0 : r);
}

static int k_getsockname(const esock_sys *sys, int fd, struct sockaddr *addr, socklen_t *len) {
    return name_of(sys, fd, false, addr, len);
}

static int k_getpeername(const esock_sys *sys, int fd, struct sockaddr *addr, socklen_t *len) {
    return name_of(sys, fd, true, addr, len);
}

/* ---- Options --------------------------------------------------------------------------------- */

static int k_getsockopt(const esock_sys *sys, int fd, int level, int opt, void *val,
                        socklen_t *len) {
    esock_sim *sim = enter(sys);
    int r;
    struct sock *s = sock_of(sim, fd, &r);
    if (s != NULL) r = sim_fault(sim, ESOCK_SIM_OPTION, fd, &s->dice, s, NULL);
    return leave(sim, r == 0 ? opt_get(s, level, opt, val, len) : r);
}

static int k_setsockopt(const esock_sys *sys, int fd, int level, int opt, const void *val,
                        socklen_t len) {
    esock_sim *sim = enter(sys);
    int r;
    struct sock *s = sock_of(sim, fd, &r);
    if (s != NULL) r = sim_fault(sim, ESOCK_SIM_OPTION, fd, &s->dice, s, NULL);
    return leave(sim, r == 0 ? opt_set(s, level, opt, val, len) : r);
}

static int do_ioctl(struct sock *s, unsigned long request, int *arg) {
    switch (request) {
    case FIONREAD:
        if (s->state == SIM_LISTENS) return -EINVAL;
        *arg = (int)(s->arrived < INT_MAX ? s->arrived : INT_MAX);
        return 0;
    case TIOCOUTQ:
        if (s->state == SIM_LISTENS && s->domain != AF_UNIX) return -EINVAL;
        *arg = (int)(s->outstanding < INT_MAX ? s->outstanding : INT_MAX);
        return 0;
    default:
        return -ENOTTY;
    }
}

static int k_ioctl(const esock_sys *sys, int fd, unsigned long request, void *arg) {
    esock_sim *sim = enter(sys);
    int r;
    struct sock *s = sock_of(sim, fd, &r);
    if (s != NULL) r = sim_fault(sim, ESOCK_SIM_IOCTL, fd, &s->dice, s, NULL);
    return leave(sim, r == 0 ? do_ioctl(s, request, arg) : r);
}

/* ---- Input and output ------------------------------------------------------------------------ */

static ssize_t total(const struct iovec *iov, size_t n) {
    size_t all = 0;
    if (n > IOV_MAX) return -EMSGSIZE;
    for (size_t i = 0; i < n; i++) {
        if (iov[i].iov_len > (size_t)SSIZE_MAX - all) return -EINVAL;
        all += iov[i].iov_len;
    }
    return all > INT_MAX ? INT_MAX : (ssize_t)all;
}

/* A vector of one element is never beyond its end. */
static ssize_t receive(esock_sim *sim, int fd, const struct iovec *iov, size_t n, int flags,
                       struct sockaddr_storage *from, socklen_t *from_len) {
    int error;
    ssize_t len = total(iov, n);
    struct sock *s = sock_of(sim, fd, &error);
    *from_len = 0;
    if (s == NULL) return error;
    if (len < 0) return len;
    struct fault fault = {.limit = (size_t)len};
    error = sim_fault(sim, ESOCK_SIM_RECV, fd, &s->dice, s, &fault);
    if (error < 0) return error;
    ssize_t r = s->family->recv(s, iov, fault.limit, flags, from, from_len);
    if (fault.again && r == (ssize_t)fault.limit) sim_notify(&s->file, EPOLLIN);
    return r;
}

static ssize_t transmit(esock_sim *sim, int fd, const struct iovec *iov, size_t n, int flags,
                        bool named) {
    int error;
    ssize_t len = total(iov, n);
    struct sock *s = sock_of(sim, fd, &error);
    if (s == NULL) return error;
    if (len < 0) return len;
    struct fault fault = {.limit = (size_t)len};
    error = sim_fault(sim, ESOCK_SIM_SEND, fd, &s->dice, s, &fault);
    if (error < 0) return error;
    ssize_t r = s->family->send(s, iov, fault.limit, flags, named, fault.force);
    if (fault.again && r == (ssize_t)fault.limit) sim_notify(&s->file, EPOLLOUT);
    return r;
}

static ssize_t k_recvfrom(const esock_sys *sys, int fd, void *buf, size_t len, int flags,
                          struct sockaddr *addr, socklen_t *addrlen) {
    struct iovec iov = {buf, len};
    struct sockaddr_storage from;
    socklen_t n;
    esock_sim *sim = enter(sys);
    ssize_t r = receive(sim, fd, &iov, 1, flags, &from, &n);
    if (r >= 0 && addr != NULL) put_name(&from, (int)n, addr, addrlen);
    return leave_size(sim, r);
}

static ssize_t k_recv(const esock_sys *sys, int fd, void *buf, size_t len, int flags) {
    return k_recvfrom(sys, fd, buf, len, flags, NULL, NULL);
}

static ssize_t k_recvmsg(const esock_sys *sys, int fd, struct msghdr *msg, int flags) {
    struct sockaddr_storage from;
    socklen_t n;
    esock_sim *sim = enter(sys);
    ssize_t r = receive(sim, fd, msg->msg_iov, (size_t)msg->msg_iovlen, flags, &from, &n);
    if (r >= 0) {
        socklen_t room = msg->msg_namelen;
        if (msg->msg_name != NULL) {
            put_name(&from, (int)n, msg->msg_name, &room);
            msg->msg_namelen = room;
        }
        msg->msg_controllen = 0;
        msg->msg_flags = flags & MSG_CMSG_CLOEXEC;
    }
    return leave_size(sim, r);
}

static ssize_t k_sendto(const esock_sys *sys, int fd, const void *buf, size_t len, int flags,
                        const struct sockaddr *addr, socklen_t addrlen) {
    struct iovec iov = {(void *)(uintptr_t)buf, len};
    esock_sim *sim = enter(sys);
    return leave_size(sim, transmit(sim, fd, &iov, 1, flags, addr != NULL && addrlen > 0));
}

static ssize_t k_send(const esock_sys *sys, int fd, const void *buf, size_t len, int flags) {
    return k_sendto(sys, fd, buf, len, flags, NULL, 0);
}

static ssize_t k_sendmsg(const esock_sys *sys, int fd, const struct msghdr *msg, int flags) {
    esock_sim *sim = enter(sys);
    ssize_t r = -EOPNOTSUPP;
    if (msg->msg_controllen == 0)
        r = transmit(sim, fd, msg->msg_iov, (size_t)msg->msg_iovlen, flags,
                     msg->msg_name != NULL && msg->msg_namelen > 0);
    return leave_size(sim, r);
}

/* Both return how many messages went before the first error. */
static int k_recvmmsg(const esock_sys *sys, int fd, struct mmsghdr *msgs, unsigned n, int flags) {
    unsigned done = 0;
    for (; done < n; done++) {
        ssize_t r = k_recvmsg(sys, fd, &msgs[done].msg_hdr, flags & ~MSG_WAITFORONE);
        if (r < 0) return done == 0 ? (int)r : (int)done;
        msgs[done].msg_len = (unsigned)r;
    }
    return (int)done;
}

static int k_sendmmsg(const esock_sys *sys, int fd, struct mmsghdr *msgs, unsigned n, int flags) {
    unsigned done = 0;
    for (; done < n; done++) {
        ssize_t r = k_sendmsg(sys, fd, &msgs[done].msg_hdr, flags);
        if (r < 0) return done == 0 ? (int)r : (int)done;
        msgs[done].msg_len = (unsigned)r;
        if ((size_t)r <
            (size_t)total(msgs[done].msg_hdr.msg_iov, (size_t)msgs[done].msg_hdr.msg_iovlen))
            return (int)done + 1;
    }
    return (int)done;
}

/* The file is a real one. */
static ssize_t k_sendfile(const esock_sys *sys, int out_fd, int in_fd, int64_t *offset,
                          size_t count) {
    char buf[16384];
    ssize_t sent = 0;
    while (count > 0) {
        size_t part = count < sizeof buf ? count : sizeof buf;
        ssize_t n = pread(in_fd, buf, part, (off_t)*offset);
        if (n < 0) n = -errno;
        if (n > 0) n = k_send(sys, out_fd, buf, (size_t)n, MSG_NOSIGNAL);
        if (n <= 0) return sent > 0 ? sent : n;
        *offset += n;
        sent += n;
        count -= (size_t)n;
        if ((size_t)n < part) break;
    }
    return sent;
}

/* No call of the simulation raises a signal. */
static int k_sigpipe_block(const esock_sys *sys, uint64_t *saved) {
    (void)sys;
    *saved = 0;
    return 0;
}

static void k_sigpipe_restore(const esock_sys *sys, uint64_t saved, int take) {
    (void)sys;
    (void)saved;
    (void)take;
}

/* ---- Readiness ------------------------------------------------------------------------------- */

_Static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLPRI == EPOLLPRI &&
                   POLLERR == EPOLLERR && POLLHUP == EPOLLHUP && POLLRDHUP == EPOLLRDHUP,
               "poll and epoll have the same bits");

static int poll_one(esock_sim *sim, struct dice *d, struct pollfd *p) {
    p->revents = 0;
    if (p->fd < 0) return 0;
    struct file *f = sim_file(sim, p->fd);
    unsigned want = (unsigned short)p->events | POLLERR | POLLHUP;
    unsigned got = f == NULL ? POLLNVAL : sim_poll_file(f) & want;
    if (f != NULL && got == 0 && p->events & (POLLIN | POLLOUT) && sim_spurious(sim, d))
        got = (unsigned)p->events & (POLLIN | POLLOUT);
    p->revents = (short)got;
    return got != 0;
}

static int k_poll(const esock_sys *sys, struct pollfd *fds, nfds_t n, int timeout_ms) {
    (void)timeout_ms;
    struct dice *d = &host_of(sys)->dice;
    esock_sim *sim = enter(sys);
    int first = n > 0 ? fds[0].fd : -1, r = sim_fault(sim, ESOCK_SIM_POLL, first, d, NULL, NULL);
    for (nfds_t i = 0; r >= 0 && i < n; i++) {
        struct file *f = sim_file(sim, fds[i].fd);
        bool sock = f != NULL && f->kind == SIM_SOCK;
        r += poll_one(sim, sock ? &((struct sock *)f)->dice : d, &fds[i]);
    }
    return leave(sim, r);
}

static int k_epoll_create(const esock_sys *sys) {
    struct host *h = host_of(sys);
    esock_sim *sim = enter(sys);
    int r = sim_fault(sim, ESOCK_SIM_EPOLL_CREATE, -1, &h->dice, NULL, NULL);
    if (r < 0) return leave(sim, r);
    struct epoll *e = epoll_new(sim, h);
    if (e == NULL) return leave(sim, -ENOMEM);
    e->file.fl = O_RDWR;
    r = sim_fd_new(sim, &e->file, true);
    if (r < 0) epoll_free(e);
    return leave(sim, r);
}

static int do_epoll_ctl(esock_sim *sim, int ep, int op, int fd, const struct epoll_event *ev) {
    struct file *e = sim_file(sim, ep), *f = sim_file(sim, fd);
    if (e == NULL || f == NULL) return -EBADF;
    if (e->kind != SIM_EPOLL) return -EINVAL;
    int r = sim_fault(sim, ESOCK_SIM_EPOLL_CTL, fd, &((struct epoll *)e)->dice, NULL, NULL);
    return r < 0 ? r : epoll_change((struct epoll *)e, op, fd, f, ev);
}

static int k_epoll_ctl(const esock_sys *sys, int ep, int op, int fd, struct epoll_event *ev) {
    esock_sim *sim = enter(sys);
    return leave(sim, do_epoll_ctl(sim, ep, op, fd, ev));
}

static int k_epoll_wait(const esock_sys *sys, int ep, struct epoll_event *ev, int max,
                        int timeout_ms) {
    (void)timeout_ms;
    esock_sim *sim = enter(sys);
    struct file *f = sim_file(sim, ep);
    int r = f == NULL ? -EBADF : f->kind != SIM_EPOLL || max <= 0 ? -EINVAL : 0;
    if (r == 0)
        r = sim_fault(sim, ESOCK_SIM_EPOLL_WAIT, ep, &((struct epoll *)f)->dice, NULL, NULL);
    if (r == 0) r = epoll_collect((struct epoll *)f, ev, max);
    return leave(sim, r);
}

static int k_eventfd(const esock_sys *sys) {
    esock_sim *sim = enter(sys);
    int r = sim_fault(sim, ESOCK_SIM_EVENTFD, -1, &host_of(sys)->dice, NULL, NULL);
    if (r < 0) return leave(sim, r);
    struct eventfd *e = calloc(1, sizeof *e);
    if (e == NULL) return leave(sim, -ENOMEM);
    e->file = (struct file){.kind = SIM_EVENT, .fl = O_RDWR | O_NONBLOCK, .sim = sim};
    r = sim_fd_new(sim, &e->file, true);
    if (r < 0) free(e);
    return leave(sim, r);
}

static struct eventfd *event_of(esock_sim *sim, int fd) {
    struct file *f = sim_file(sim, fd);
    return f != NULL && f->kind == SIM_EVENT ? (struct eventfd *)f : NULL;
}

static int k_event_set(const esock_sys *sys, int fd) {
    esock_sim *sim = enter(sys);
    struct eventfd *e = event_of(sim, fd);
    if (e == NULL) return leave(sim, -EBADF);
    if (e->count == UINT64_MAX - 1) return leave(sim, -EAGAIN);
    e->count++;
    sim_notify(&e->file, EPOLLIN);
    return leave(sim, sizeof e->count);
}

static int k_event_clear(const esock_sys *sys, int fd) {
    esock_sim *sim = enter(sys);
    struct eventfd *e = event_of(sim, fd);
    if (e == NULL) return leave(sim, -EBADF);
    if (e->count == 0) return leave(sim, -EAGAIN);
    e->count = 0;
    sim_notify(&e->file, EPOLLOUT);
    return leave(sim, sizeof e->count);
}

/* ---- What is never simulated, and what is real ----------------------------------------------- */

static int k_uring_setup(const esock_sys *sys, unsigned entries, void *params) {
    (void)sys, (void)entries, (void)params;
    return -ENOSYS;
}

static int k_uring_enter(const esock_sys *sys, int fd, unsigned submit, unsigned min,
                         unsigned flags, const void *arg, size_t arg_len) {
    (void)sys, (void)fd, (void)submit, (void)min, (void)flags, (void)arg, (void)arg_len;
    return -ENOSYS;
}

static int k_uring_register(const esock_sys *sys, int fd, unsigned op, void *arg, unsigned n) {
    (void)sys, (void)fd, (void)op, (void)arg, (void)n;
    return -ENOSYS;
}

static int k_map(const esock_sys *sys, void **out, size_t len, int fd, int64_t offset) {
    (void)sys;
    if (fd >= 0) return -ENODEV; /* no simulated descriptor has memory */
    return esock_sys_libc()->map(esock_sys_libc(), out, len, fd, offset);
}

static int k_unmap(const esock_sys *sys, void *at, size_t len) {
    (void)sys;
    return esock_sys_libc()->unmap(esock_sys_libc(), at, len);
}

static int k_open(const esock_sys *sys, const char *path, int flags) {
    (void)sys, (void)path, (void)flags;
    return -ENOSYS;
}

static int k_filetype(const esock_sys *sys, int fd) {
    (void)sys, (void)fd;
    return -ENOSYS;
}

static int k_setns(const esock_sys *sys, int fd) {
    (void)sys, (void)fd;
    return -ENOSYS;
}

static void *k_alloc(const esock_sys *sys, size_t size) {
    esock_sim *sim = enter(sys);
    int r = sim_fault(sim, ESOCK_SIM_ALLOC, -1, &host_of(sys)->dice, NULL, NULL);
    unlock(sim);
    return r < 0 ? NULL : malloc(size);
}

static void k_free(const esock_sys *sys, void *block) {
    (void)sys;
    free(block);
}

static const esock_sys table = {
    .socket = k_socket,
    .accept4 = k_accept4,
    .dup = k_dup,
    .getfl = k_getfl,
    .setfl = k_setfl,
    .getfd = k_getfd,
    .setfd = k_setfd,
    .close = k_close,
    .close_lingering = k_close,
    .bind = k_bind,
    .connect = k_connect,
    .listen = k_listen,
    .shutdown = k_shutdown,
    .getsockname = k_getsockname,
    .getpeername = k_getpeername,
    .getsockopt = k_getsockopt,
    .setsockopt = k_setsockopt,
    .ioctl = k_ioctl,
    .recv = k_recv,
    .recvfrom = k_recvfrom,
    .recvmsg = k_recvmsg,
    .send = k_send,
    .sendto = k_sendto,
    .sendmsg = k_sendmsg,
    .recvmmsg = k_recvmmsg,
    .sendmmsg = k_sendmmsg,
    .sendfile = k_sendfile,
    .sigpipe_block = k_sigpipe_block,
    .sigpipe_restore = k_sigpipe_restore,
    .poll = k_poll,
    .epoll_create = k_epoll_create,
    .epoll_ctl = k_epoll_ctl,
    .epoll_wait = k_epoll_wait,
    .eventfd = k_eventfd,
    .event_set = k_event_set,
    .event_clear = k_event_clear,
    .uring_setup = k_uring_setup,
    .uring_enter = k_uring_enter,
    .uring_register = k_uring_register,
    .map = k_map,
    .unmap = k_unmap,
    .open = k_open,
    .filetype = k_filetype,
    .setns = k_setns,
    .alloc = k_alloc,
    .free = k_free,
};

/* ---- The public functions -------------------------------------------------------------------- */

static int make(esock_sim **out, esock_sim init) {
    if (out == NULL) return -EFAULT;
    esock_sim *sim = malloc(sizeof *sim);
    if (sim == NULL) return -ENOMEM;
    *sim = init;
    sim->words.next = UINT64_MAX;
    pthread_mutex_init(&sim->mu, NULL);
    *out = sim;
    return 0;
}

int esock_sim_new(esock_sim **out, uint64_t seed) {
    return make(out, (esock_sim){.seed = seed});
}

int esock_sim_new_data(esock_sim **out, const uint8_t *data, size_t len) {
    static const uint8_t none[1];
    if (data == NULL && len > 0) return -EFAULT;
    if (data == NULL) data = none;
    return make(out, (esock_sim){.from_data = true, .data = data, .data_end = data + len});
}

static void free_host(struct host *h) {
    while (h->socks != NULL) {
        h->socks->peer = NULL; /* it is on a list as well */
        sock_free(h->socks);
    }
    unix_free_paths(h);
    free(h);
}

int esock_sim_free(esock_sim *sim) {
    if (sim == NULL) return 0;
    int open = (int)sim->open;
    for (int i = 0; i < sim->slots_used; i++) {
        struct file *f = sim->slots[i].file;
        if (f == NULL || --f->fds > 0) continue;
        sim_unwatch(f);
        if (f->kind == SIM_EPOLL) epoll_free((struct epoll *)f);
        if (f->kind == SIM_EVENT) free(f);
    }
    while (sim->hosts != NULL) {
        struct host *h = sim->hosts;
        sim->hosts = h->next;
        free_host(h);
    }
    while (sim->links != NULL) {
        struct link *l = sim->links;
        sim->links = l->next;
        free(l);
    }
    while (sim->scripts != NULL) {
        struct script *s = sim->scripts;
        sim->scripts = s->next;
        free(s);
    }
    free(sim->events);
    free(sim->slots);
    pthread_mutex_destroy(&sim->mu);
    free(sim);
    return open;
}

static struct host *host_new(esock_sim *sim, const uint8_t ip[16]) {
    struct host *h = calloc(1, sizeof *h);
    if (h == NULL) return NULL;
    h->sys = table;
    h->sim = sim;
    h->dice.key = sim_mix(0, ++sim->hosts_made);
    if (inet_is4(ip)) {
        memcpy(h->ip[0], ip, 16);
        h->ip[1][0] = 0xfd;
        memcpy(h->ip[1] + 12, ip + 12, 4);
    } else
        memcpy(h->ip[1], ip, 16);
    h->next = sim->hosts;
    sim->hosts = h;
    return h;
}

const esock_sys *esock_sim_host(esock_sim *sim, const char *ip) {
    uint8_t addr[16];
    if (ip == NULL || !inet_parse(ip, addr)) return NULL;
    lock(sim);
    struct host *h = inet_host(sim, addr);
    if (h == NULL) h = host_new(sim, addr);
    unlock(sim);
    return h == NULL ? NULL : &h->sys;
}

int esock_sim_socketpair(const esock_sys *host, int type, int fd[2]) {
    if (fd == NULL) return -EFAULT;
    struct host *h = host_of(host);
    esock_sim *sim = enter(host);
    struct sock *a = NULL, *b = NULL;
    int r = type_error(AF_UNIX, type, 0);
    if (r == 0) r = sim_fault(sim, ESOCK_SIM_SOCKET, -1, &h->dice, NULL, NULL);
    if (r == 0) {
        a = open_sock(h, AF_UNIX, type);
        b = open_sock(h, AF_UNIX, type);
        if (a == NULL || b == NULL) {
            if (a != NULL) sock_unref(a);
            if (b != NULL) sock_unref(b);
            r = -ENOMEM;
        }
    }
    if (r < 0) return leave(sim, r);
    unix_join(a, b);
    fd[0] = r = publish_sock(sim, a, type);
    if (r < 0) {
        publish_sock(sim, b, type);
        return leave(sim, r);
    }
    fd[1] = r = publish_sock(sim, b, type);
    if (r < 0) fd_close(sim, fd[0]);
    return leave(sim, r < 0 ? r : 0);
}

int esock_sim_unlink(const esock_sys *host, const char *path) {
    if (path == NULL) return -EFAULT;
    esock_sim *sim = enter(host);
    return leave(sim, unix_unlink(host_of(host), path));
}

int esock_sim_step(esock_sim *sim) {
    lock(sim);
    bool more = net_next(sim) != UINT64_MAX;
    if (more) {
        sim->now = net_next(sim);
        __atomic_store_n(&sim->words.now, sim->now, __ATOMIC_RELEASE);
    }
    unlock(sim);
    return more;
}

esock_sim_words *esock_sim_words_of(esock_sim *sim) {
    return &sim->words;
}
