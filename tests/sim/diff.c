/* Differential mode: random programs run in lock step through the real kernel and the simulated one. After each call the
 * results, the bytes, and poll of every socket are compared.
 *
 *     sim_diff unix|inet|inet6 PROGRAMS [FIRST_SEED [verbose]]
 *
 * Where Linux has a choice, the simulation is handed the real answer, if it is one of those allowed, and follows. Each such
 * place says CHOICE and the name of its row in docs/simulation.md. A difference ends its program and is printed with its
 * seed; the result is 1 if there was one. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "esock_sim.h"

enum { REAL, SIM, BOTH, SLOTS = 8, CALLS = 40, BIG = 1 << 18 };
enum { WINDOW = 50000 }; /* bytes that a TCP receiver takes in any case */

struct slot {
    bool open;
    int fd[BOTH];
    bool used; /* it has listened, or tried to connect: when it is closed, its port is others' */
    unsigned long socket; /* which one: duplicates have the same */
    uint32_t watched;     /* in the epolls, with these events; 0: not */
    uint32_t since;       /* what poll has reported anew since the last epoll_wait */
    uint32_t level;       /* what poll reported last */
};

static struct {
    int domain;
    bool verbose;
    bool full; /* this program fills buffers of TCP, and ends no connection that is full */
    uint64_t seed, random;
    const esock_sys *k[BOTH];
    esock_sim *sim;
    struct slot s[SLOTS];
    int ep[BOTH];
    bool differs, stop;
    unsigned long programs, calls, sockets, differences;
} g;

static char out[BIG], in[BOTH][BIG];

static uint64_t draw(void) {
    uint64_t x = g.random += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static int below(int n) {
    return (int)(draw() % (unsigned)n);
}

static bool one_in(int n) {
    return below(n) == 0;
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
    if (!g.verbose) return;
    va_list ap;
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
}

__attribute__((format(printf, 1, 2))) static void differ(const char *format, ...) {
    if (g.differs) return;
    g.differs = true;
    va_list ap;
    printf("seed %llu, call %lu: ", (unsigned long long)g.seed, g.calls);
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    printf("\n");
}

static bool same(const char *what, int slot, const ssize_t r[BOTH]) {
    g.calls++;
    say("%s of %d: %zd\n", what, slot, r[REAL]);
    if (r[REAL] != r[SIM]) differ("%s of %d: real %zd, simulated %zd", what, slot, r[REAL], r[SIM]);
    return r[REAL] == r[SIM];
}

/* Calls one entry of both tables. */
#define TWICE(r, call, slot, ...)           \
    for (int side = 0; side < BOTH; side++) \
    (r)[side] = g.k[side]->call(g.k[side], g.s[slot].fd[side], ##__VA_ARGS__)

static int some_slot(bool open) {
    int start = below(SLOTS);
    for (int i = 0; i < SLOTS; i++)
        if (g.s[(start + i) % SLOTS].open == open) return (start + i) % SLOTS;
    return -1;
}

static void opened(int slot, const int fd[BOTH]) {
    g.s[slot] = (struct slot){.open = true, .fd = {fd[REAL], fd[SIM]}, .socket = ++g.sockets};
}

/* ---- Readiness ------------------------------------------------------------------------------- */

static int number(int side, int slot, unsigned long request) {
    int n = -1;
    int r = g.k[side]->ioctl(g.k[side], g.s[slot].fd[side], request, &n);
    return r < 0 ? r : n;
}

static bool unread(int slot) {
    return number(SIM, slot, TIOCOUTQ) > 0;
}

static short poll_one(int side, int slot) {
    struct pollfd p = {.fd = g.s[slot].fd[side], .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};
    g.k[side]->poll(g.k[side], &p, 1, 0);
    return p.revents;
}

/* CHOICE send-buffer: whether there is room is compared only where nothing is unread. */
static short mask(int slot) {
    return (short)(unread(slot) ? ~POLLOUT : ~0);
}

static bool ready_alike(int slot, short got[BOTH], int bytes[BOTH]) {
    short m = mask(slot);
    for (int side = 0; side < BOTH; side++) {
        got[side] = (short)(poll_one(side, slot) & m);
        bytes[side] = number(side, slot, FIONREAD);
    }
    if (g.full && bytes[SIM] > WINDOW) /* CHOICE window */
        return got[REAL] == got[SIM] && bytes[REAL] > 0 && bytes[REAL] <= bytes[SIM];
    return got[REAL] == got[SIM] && bytes[REAL] == bytes[SIM];
}

/* CHOICE settling: what the real loopback does takes a moment. A real time, up to which it is waited. */
static bool wait_a_moment(int *tries) {
    struct timespec t = {0, 20000};
    if (g.domain == AF_UNIX || ++*tries > 20000) return false;
    if (*tries > 10) nanosleep(&t, NULL);
    return true;
}

static void compare_readiness(void) {
    for (int i = 0; i < SLOTS && !g.differs; i++) {
        short got[BOTH];
        int bytes[BOTH], tries = 0;
        if (!g.s[i].open) continue;
        while (!ready_alike(i, got, bytes) && wait_a_moment(&tries)) {
        }
        if (got[REAL] != got[SIM])
            differ("poll of %d: real %x, simulated %x", i, got[REAL], got[SIM]);
        if (bytes[REAL] != bytes[SIM] && !(g.full && bytes[SIM] > WINDOW && bytes[REAL] > 0))
            differ("FIONREAD of %d: real %d, simulated %d", i, bytes[REAL], bytes[SIM]);
        uint32_t now = (unsigned short)got[SIM];
        g.s[i].since |= now & ~g.s[i].level;
        g.s[i].level = now;
    }
}

/* ---- Addresses ------------------------------------------------------------------------------- */

struct address {
    struct sockaddr_storage ss;
    socklen_t len;
};

static struct address unix_address(bool one_wrong) {
    struct address a = {.len = 0};
    struct sockaddr_un *un = (struct sockaddr_un *)&a.ss;
    socklen_t head = offsetof(struct sockaddr_un, sun_path);
    un->sun_family = AF_UNIX;
    int n;
    if (one_in(2))
        n = sprintf(un->sun_path, "p%d", below(4)) + 1;
    else
        n = sprintf(un->sun_path + 1, "esock-diff-%d-%d", (int)getpid(), below(4)) + 1;
    a.len = head + (socklen_t)n;
    if (!one_wrong) return a;
    switch (below(4)) {
    case 0:
        a.len = head;
        break;
    case 1:
        a.len = sizeof(struct sockaddr_un) + 1;
        break;
    case 2:
        un->sun_family = AF_INET;
        break;
    case 3:
        a.len = 1;
        break;
    }
    return a;
}

static struct address loopback(void) {
    struct address a = {.len = 0};
    if (g.domain == AF_INET) {
        struct sockaddr_in *i4 = (struct sockaddr_in *)&a.ss;
        *i4 = (struct sockaddr_in){.sin_family = AF_INET};
        if (!one_in(4)) i4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        a.len = sizeof *i4;
    } else {
        struct sockaddr_in6 *i6 = (struct sockaddr_in6 *)&a.ss;
        *i6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
        if (!one_in(4)) i6->sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
        a.len = sizeof *i6;
    }
    return a;
}

/* The same address for both kernels: a new one, or that of a socket. */
static int choose(struct address a[BOTH], bool to_connect) {
    int other = -1;
    if (g.domain == AF_UNIX && (!to_connect || one_in(3))) {
        a[REAL] = a[SIM] = unix_address(one_in(12));
        return -1;
    }
    if (to_connect || one_in(4)) other = some_slot(true);
    if (other < 0) {
        a[REAL] = a[SIM] = loopback();
    } else
        for (int side = 0; side < BOTH; side++) {
            a[side] = (struct address){.len = sizeof a->ss};
            g.k[side]->getsockname(g.k[side], g.s[other].fd[side], (struct sockaddr *)&a[side].ss,
                                   &a[side].len);
        }
    int wrong = g.domain == AF_UNIX ? -1 : below(30);
    for (int side = 0; side < BOTH; side++) {
        if (wrong == 0) a[side].len = 8;
        if (wrong == 1) a[side].ss.ss_family = AF_UNIX;
        if (wrong == 2 && to_connect) a[side].ss.ss_family = AF_UNSPEC;
    }
    return other;
}

/* CHOICE ports, and CHOICE autobound names: only whether there is one is compared. */
static void normalise(struct address *a) {
    struct sockaddr_un *un = (struct sockaddr_un *)&a->ss;
    socklen_t head = offsetof(struct sockaddr_un, sun_path);
    if (a->len == 0) return;
    if (a->ss.ss_family == AF_INET)
        ((struct sockaddr_in *)&a->ss)->sin_port = ((struct sockaddr_in *)&a->ss)->sin_port != 0;
    if (a->ss.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&a->ss)->sin6_port =
            ((struct sockaddr_in6 *)&a->ss)->sin6_port != 0;
    if (a->ss.ss_family == AF_UNIX && a->len == head + 6 && un->sun_path[0] == 0)
        memset(un->sun_path, 0, 6);
}

static void compare_addresses(const char *what, int slot, struct address a[BOTH]) {
    normalise(&a[REAL]);
    normalise(&a[SIM]);
    socklen_t n = a[REAL].len < sizeof a->ss ? a[REAL].len : sizeof a->ss;
    if (a[REAL].len != a[SIM].len || memcmp(&a[REAL].ss, &a[SIM].ss, n) != 0)
        differ("address of %s of %d: real %u bytes, simulated %u", what, slot, a[REAL].len,
               a[SIM].len);
}

/* ---- The calls ------------------------------------------------------------------------------- */

static void do_socket(void) {
    int slot = some_slot(false), fd[BOTH], protocol = one_in(20) ? 99 : 0;
    ssize_t r[BOTH];
    if (slot < 0) return;
    for (int side = 0; side < BOTH; side++)
        r[side] = fd[side] = g.k[side]->socket(
            g.k[side], g.domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (r[REAL] >= 0 && r[SIM] >= 0) opened(slot, fd);
    for (int side = 0; side < BOTH; side++)
        if (r[side] > 0) r[side] = 0; /* CHOICE numbers of descriptors */
    same("socket", slot, r);
}

static void do_pair(void) {
    int a = some_slot(false), real[2], simulated[2];
    if (g.domain != AF_UNIX || a < 0) return;
    g.s[a].open = true;
    int b = some_slot(false);
    g.s[a].open = false;
    if (b < 0) return;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, real) < 0 ||
        esock_sim_socketpair(g.k[SIM], SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, simulated) < 0) {
        differ("socketpair fails");
        return;
    }
    opened(a, (int[]){real[0], simulated[0]});
    opened(b, (int[]){real[1], simulated[1]});
    say("socketpair %d, %d\n", a, b);
}

static void do_bind(int slot) {
    struct address a[BOTH];
    ssize_t r[BOTH];
    int other = choose(a, false);
    r[REAL] =
        g.k[REAL]->bind(g.k[REAL], g.s[slot].fd[REAL], (struct sockaddr *)&a[REAL].ss, a[REAL].len);
    /* CHOICE ports: of a closed socket, another program or TIME_WAIT may have the port by now. The program ends. */
    if (r[REAL] == -EADDRINUSE && other >= 0 && poll_one(SIM, other) & POLLHUP) {
        g.stop = true;
        return;
    }
    r[SIM] = g.k[SIM]->bind(g.k[SIM], g.s[slot].fd[SIM], (struct sockaddr *)&a[SIM].ss, a[SIM].len);
    same("bind", slot, r);
}

static void use(int slot) {
    for (int i = 0; i < SLOTS; i++)
        if (g.s[i].socket == g.s[slot].socket) g.s[i].used = true;
}

static void do_connect(int slot) {
    struct address a[BOTH];
    ssize_t r[BOTH];
    /* CHOICE self-connect: it is not simulated. */
    int to = choose(a, true);
    if (g.domain != AF_UNIX && to >= 0 && g.s[to].socket == g.s[slot].socket) return;
    /* CHOICE ports: others may listen on that of a closed socket by now. */
    if (g.domain != AF_UNIX && to >= 0 && g.s[to].used && poll_one(SIM, to) & POLLHUP) return;
    use(slot);
    TWICE(r, connect, slot, (struct sockaddr *)&a[side].ss, a[side].len);
    same("connect", slot, r);
}

static void do_listen(int slot) {
    ssize_t r[BOTH];
    int backlog = below(5) - 1;
    use(slot);
    TWICE(r, listen, slot, backlog);
    same("listen", slot, r);
}

static void do_accept(int slot) {
    int free_slot = some_slot(false), fd[BOTH];
    struct address a[BOTH] = {{.len = sizeof a->ss}, {.len = sizeof a->ss}};
    ssize_t r[BOTH];
    if (free_slot < 0) return;
    TWICE(r, accept4, slot, (struct sockaddr *)&a[side].ss, &a[side].len,
          SOCK_NONBLOCK | SOCK_CLOEXEC);
    for (int side = 0; side < BOTH; side++) {
        fd[side] = (int)r[side];
        if (r[side] > 0) r[side] = 0;
    }
    if (fd[REAL] >= 0 && fd[SIM] >= 0) opened(free_slot, fd);
    if (same("accept", slot, r) && r[REAL] == 0) {
        compare_addresses("accept", slot, a);
        say("  is %d\n", free_slot);
    }
}

static size_t some_length(void) {
    switch (below(8)) {
    case 0:
        return 0;
    case 1:
        return (size_t)below(BIG);
    case 2:
        return (size_t)below(5000);
    default:
        return (size_t)below(60) + 1;
    }
}

/* Splits a buffer for a vector. */
static int split(struct iovec iov[3], char *buf, size_t len) {
    size_t first = len / 3, second = len / 2 - first;
    iov[0] = (struct iovec){buf, first};
    iov[1] = (struct iovec){buf + first, second};
    iov[2] = (struct iovec){buf + first + second, len - first - second};
    return 3;
}

static ssize_t send_to(int side, int slot, size_t len, int flags, int form,
                       const struct address *to) {
    const esock_sys *k = g.k[side];
    int fd = g.s[slot].fd[side];
    struct iovec iov[3];
    if (form == 0) return k->send(k, fd, out, len, flags);
    if (form == 1) return k->sendto(k, fd, out, len, flags, (struct sockaddr *)&to->ss, to->len);
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)split(iov, out, len)};
    return k->sendmsg(k, fd, &m, flags);
}

static void do_send(int slot) {
    size_t len = some_length();
    int form = below(3), flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    struct address a[BOTH] = {{.len = 0}, {.len = 0}};
    ssize_t r[BOTH];
    if (form == 1 && one_in(4)) choose(a, true);
    if (form == 1 && a[REAL].len > sizeof a->ss) form = 0;
    if (g.domain != AF_UNIX && !g.full && (int)len + number(SIM, slot, TIOCOUTQ) > WINDOW) return;
    for (size_t i = 0; i < len && i < 64; i++)
        out[i] = (char)draw();
    r[REAL] = send_to(REAL, slot, len, flags, form, &a[REAL]);
    /* CHOICE send-buffer: a part, or nothing, where something is unread. */
    if (r[REAL] > 0) esock_sim_script(g.sim, ESOCK_SIM_SEND, g.s[slot].fd[SIM], 0, (int)r[REAL]);
    if (r[REAL] == -EAGAIN && unread(slot))
        esock_sim_script(g.sim, ESOCK_SIM_SEND, g.s[slot].fd[SIM], 0, -EAGAIN);
    if (r[REAL] > 0 && (size_t)r[REAL] < len && r[REAL] < 2048 && !unread(slot))
        differ("send of %d: only %zd of %zu, and nothing is unread", slot, r[REAL], len);
    r[SIM] = send_to(SIM, slot, len, flags, form, &a[SIM]);
    same("send", slot, r);
}

static ssize_t recv_from(int side, int slot, size_t len, int flags, int form, struct address *a) {
    const esock_sys *k = g.k[side];
    int fd = g.s[slot].fd[side];
    struct iovec iov[3];
    a->len = sizeof a->ss;
    memset(&a->ss, 0, sizeof a->ss);
    if (form == 0) return k->recv(k, fd, in[side], len, flags);
    if (form == 1)
        return k->recvfrom(k, fd, in[side], len, flags, (struct sockaddr *)&a->ss, &a->len);
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)split(iov, in[side], len)};
    m.msg_name = &a->ss;
    m.msg_namelen = a->len;
    ssize_t r = k->recvmsg(k, fd, &m, flags);
    a->len = m.msg_namelen;
    if (r >= 0 && m.msg_flags & ~MSG_CMSG_CLOEXEC) a->len += 1000; /* a difference, if one has it */
    return r;
}

static void do_recv(int slot) {
    size_t len = some_length();
    int form = below(3), flags = MSG_DONTWAIT;
    struct address a[BOTH];
    ssize_t r[BOTH];
    if (one_in(4)) flags |= MSG_PEEK;
    if (one_in(6)) flags |= MSG_WAITALL;
    if (one_in(10)) flags |= MSG_TRUNC;
    if (one_in(20)) flags |= MSG_OOB;
    memset(in, 0, len);
    memset(in[SIM], 0, len);
    r[REAL] = recv_from(REAL, slot, len, flags, form, &a[REAL]);
    if (g.full && r[REAL] > 0) /* CHOICE window */
        esock_sim_script(g.sim, ESOCK_SIM_RECV, g.s[slot].fd[SIM], 0, (int)r[REAL]);
    r[SIM] = recv_from(SIM, slot, len, flags, form, &a[SIM]);
    if (!same("recv", slot, r) || r[REAL] < 0) return;
    if (memcmp(in[REAL], in[SIM], len) != 0) differ("bytes of recv of %d", slot);
    if (form != 0) compare_addresses("recv", slot, a);
}

static bool some_is_full(void) {
    for (int i = 0; i < SLOTS && g.full; i++)
        if (g.s[i].open && number(SIM, i, TIOCOUTQ) > WINDOW) return true;
    return false;
}

static void do_shutdown(int slot) {
    ssize_t r[BOTH];
    if (some_is_full()) return;
    int how = one_in(20) ? 3 : below(3);
    TWICE(r, shutdown, slot, how);
    same("shutdown", slot, r);
}

static void do_close(int slot) {
    ssize_t r[BOTH];
    if (some_is_full()) return;
    TWICE(r, close, slot);
    g.s[slot].open = false;
    same("close", slot, r);
}

static void do_dup(int slot) {
    int free_slot = some_slot(false), fd[BOTH];
    if (free_slot < 0) return;
    TWICE(fd, dup, slot);
    ssize_t r[BOTH] = {fd[REAL] < 0 ? fd[REAL] : 0, fd[SIM] < 0 ? fd[SIM] : 0};
    if (!same("dup", slot, r) || r[REAL] < 0) return;
    opened(free_slot, fd);
    g.s[free_slot].socket = g.s[slot].socket;
    g.s[free_slot].used = g.s[slot].used;
}

static void do_name(int slot) {
    struct address a[BOTH];
    ssize_t r[BOTH];
    bool peer = one_in(2);
    int tries = 0;
    do {
        for (int side = 0; side < BOTH; side++) {
            a[side] = (struct address){.len = sizeof a->ss};
            r[side] = (peer ? g.k[side]->getpeername : g.k[side]->getsockname)(
                g.k[side], g.s[slot].fd[side], (struct sockaddr *)&a[side].ss, &a[side].len);
        }
    } while (r[REAL] != r[SIM] && wait_a_moment(&tries));
    if (same(peer ? "getpeername" : "getsockname", slot, r) && r[REAL] == 0)
        compare_addresses("name", slot, a);
}

static const struct {
    int level, opt;
    bool set;
} options[] = {
    {SOL_SOCKET, SO_ERROR, false},         {SOL_SOCKET, SO_ERROR, false},
    {SOL_SOCKET, SO_ACCEPTCONN, false},    {SOL_SOCKET, SO_TYPE, true},
    {SOL_SOCKET, SO_DOMAIN, false},        {SOL_SOCKET, SO_PROTOCOL, false},
    {SOL_SOCKET, SO_REUSEADDR, true},      {SOL_SOCKET, SO_KEEPALIVE, true},
    {SOL_SOCKET, SO_BROADCAST, true},      {SOL_SOCKET, SO_DONTROUTE, true},
    {SOL_SOCKET, SO_PRIORITY, true},       {SOL_SOCKET, SO_RCVLOWAT, false},
    {SOL_SOCKET, SO_SNDLOWAT, false},      {IPPROTO_TCP, TCP_NODELAY, true},
    {IPPROTO_TCP, TCP_KEEPIDLE, true},     {IPPROTO_TCP, TCP_KEEPINTVL, true},
    {IPPROTO_TCP, TCP_KEEPCNT, true},      {IPPROTO_IP, IP_TTL, true},
    {IPPROTO_IP, IP_RECVTTL, true},        {IPPROTO_IPV6, IPV6_V6ONLY, false},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, true}, {99, 1, true},
};

static void do_get(int slot) {
    int which = below((int)(sizeof options / sizeof *options)), value[BOTH] = {0, 0};
    socklen_t size = one_in(10) ? (socklen_t)below(5) : 4, len[BOTH] = {size, size};
    ssize_t r[BOTH];
    TWICE(r, getsockopt, slot, options[which].level, options[which].opt, &value[side], &len[side]);
    say("  option %d %d\n", options[which].level, options[which].opt);
    if (!same("getsockopt", slot, r)) return;
    if (r[REAL] == 0 && (value[REAL] != value[SIM] || len[REAL] != len[SIM]))
        differ("option %d %d of %d: real %d, simulated %d", options[which].level,
               options[which].opt, slot, value[REAL], value[SIM]);
}

static void do_set(int slot) {
    int which = below((int)(sizeof options / sizeof *options)), value = below(200) - 20;
    socklen_t len = one_in(10) ? (socklen_t)below(5) : 4;
    ssize_t r[BOTH];
    struct linger abort_ = {1, 0};
    if (one_in(6)) {
        abort_.l_onoff = below(2);
        TWICE(r, setsockopt, slot, SOL_SOCKET, SO_LINGER, &abort_, sizeof abort_);
        same("SO_LINGER", slot, r);
        return;
    }
    if (!options[which].set) return;
    TWICE(r, setsockopt, slot, options[which].level, options[which].opt, &value, len);
    say("  option %d %d\n", options[which].level, options[which].opt);
    same("setsockopt", slot, r);
}

static void do_epoll_ctl(int slot) {
    static const uint32_t events[] = {
        EPOLLIN,
        EPOLLIN | EPOLLOUT | EPOLLRDHUP,
        EPOLLIN | EPOLLRDHUP | EPOLLONESHOT,
        EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
    };
    const int ops[] = {EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL};
    int op = ops[below(4)];
    struct epoll_event ev = {.events = events[below(4)], .data.u32 = (uint32_t)slot};
    ssize_t r[BOTH];
    for (int side = 0; side < BOTH; side++)
        r[side] = g.k[side]->epoll_ctl(g.k[side], g.ep[side], op, g.s[slot].fd[side], &ev);
    if (!same("epoll_ctl", slot, r) || r[REAL] < 0) return;
    g.s[slot].watched = op == EPOLL_CTL_DEL ? 0 : ev.events;
    g.s[slot].since = g.s[slot].level; /* what is ready is an edge now */
}

/* What an epoll has reported: the events of each slot. */
static void collect(int side, uint32_t got[SLOTS]) {
    struct epoll_event ev[64];
    memset(got, 0, SLOTS * sizeof *got);
    int n = g.k[side]->epoll_wait(g.k[side], g.ep[side], ev, 64, 0);
    for (int i = 0; i < n; i++)
        got[ev[i].data.u32 % SLOTS] |= ev[i].events;
}

/* CHOICE edges: an edge-triggered watch must report where something has become ready; Linux may report more often. */
static void do_epoll_wait(void) {
    uint32_t got[BOTH][SLOTS];
    collect(REAL, got[REAL]);
    collect(SIM, got[SIM]);
    g.calls++;
    for (int i = 0; i < SLOTS; i++) {
        struct slot *s = &g.s[i];
        uint32_t m = (unsigned short)mask(i) & 0x3fff;
        if (!s->open || s->watched == 0) continue; /* a duplicate may keep a closed one in */
        bool edge = s->watched & EPOLLET;
        if (edge && !(s->since & (s->watched | EPOLLHUP | EPOLLERR) & m)) continue;
        if ((got[REAL][i] & m) != (got[SIM][i] & m))
            differ("epoll of %d, watched %x: real %x, simulated %x", i, s->watched, got[REAL][i],
                   got[SIM][i]);
        if (edge) s->since = 0;
    }
}

/* ---- Programs -------------------------------------------------------------------------------- */

/* A connection, so that programs get somewhere. */
static void do_connection(void) {
    int l = some_slot(false), c;
    struct address a[BOTH];
    if (g.domain == AF_UNIX && one_in(2)) {
        do_pair();
        return;
    }
    if (l < 0) return;
    g.s[l].open = true;
    c = some_slot(false);
    g.s[l].open = false;
    if (c < 0) return;
    ssize_t r[BOTH];
    for (int i = 0; i < 2; i++) {
        int slot = i == 0 ? l : c, fd[BOTH];
        for (int side = 0; side < BOTH; side++)
            fd[side] = g.k[side]->socket(g.k[side], g.domain, SOCK_STREAM | SOCK_NONBLOCK, 0);
        opened(slot, fd);
    }
    a[REAL] = g.domain == AF_UNIX ? unix_address(false) : loopback();
    use(l);
    use(c);
    TWICE(r, bind, l, (struct sockaddr *)&a[REAL].ss, a[REAL].len);
    same("bind", l, r);
    int backlog = g.domain == AF_UNIX ? below(3) : 3;
    TWICE(r, listen, l, backlog);
    same("listen", l, r);
    for (int side = 0; side < BOTH; side++) {
        a[side].len = sizeof a->ss;
        g.k[side]->getsockname(g.k[side], g.s[l].fd[side], (struct sockaddr *)&a[side].ss,
                               &a[side].len);
    }
    TWICE(r, connect, c, (struct sockaddr *)&a[side].ss, a[side].len);
    same("connect", c, r);
    compare_readiness();
    if (!g.differs) do_accept(l);
}

static void one_call(void) {
    int slot = some_slot(true), what = below(100);
    if (slot < 0 || what < 4) {
        do_socket();
        return;
    }
    if (what < 10)
        do_connection();
    else if (what < 15)
        do_bind(slot);
    else if (what < 20)
        do_listen(slot);
    else if (what < 26)
        do_connect(slot);
    else if (what < 32)
        do_accept(slot);
    else if (what < 48)
        do_send(slot);
    else if (what < 66)
        do_recv(slot);
    else if (what < 70)
        do_shutdown(slot);
    else if (what < 74)
        do_close(slot);
    else if (what < 76)
        do_dup(slot);
    else if (what < 80)
        do_name(slot);
    else if (what < 85)
        do_get(slot);
    else if (what < 89)
        do_set(slot);
    else if (what < 95)
        do_epoll_ctl(slot);
    else
        do_epoll_wait();
}

static void forget_names(void) {
    char name[16];
    for (int i = 0; i < 4; i++) {
        sprintf(name, "p%d", i);
        unlink(name);
    }
}

static void one_program(uint64_t seed) {
    g.seed = g.random = seed;
    g.differs = g.stop = false;
    g.full = g.domain != AF_UNIX && one_in(8);
    if (esock_sim_new(&g.sim, seed) < 0) abort();
    g.k[REAL] = esock_sys_libc();
    g.k[SIM] = esock_sim_host(g.sim, "10.0.0.1");
    for (int side = 0; side < BOTH; side++)
        g.ep[side] = g.k[side]->epoll_create(g.k[side]);
    for (int i = 0; i < CALLS && !g.differs && !g.stop; i++) {
        one_call();
        if (!g.differs && !g.stop) compare_readiness();
    }
    for (int i = 0; i < SLOTS; i++) {
        if (!g.s[i].open) continue;
        g.k[REAL]->close(g.k[REAL], g.s[i].fd[REAL]);
        g.k[SIM]->close(g.k[SIM], g.s[i].fd[SIM]);
        g.s[i].open = false;
    }
    for (int side = 0; side < BOTH; side++)
        g.k[side]->close(g.k[side], g.ep[side]);
    if (esock_sim_free(g.sim) != 0) differ("a descriptor is left open");
    if (g.domain == AF_UNIX) forget_names();
    g.programs++;
    g.differences += g.differs;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: sim_diff unix|inet|inet6 PROGRAMS [FIRST_SEED [verbose]]\n");
        return 2;
    }
    char folder[] = "/tmp/esock_diff_XXXXXX";
    if (mkdtemp(folder) == NULL || chdir(folder) < 0) return 2;
    g.domain = strcmp(argv[1], "unix") == 0   ? AF_UNIX
               : strcmp(argv[1], "inet") == 0 ? AF_INET
                                              : AF_INET6;
    int probe = socket(g.domain, SOCK_STREAM, 0);
    struct address here = g.domain == AF_UNIX ? unix_address(false) : loopback();
    if (probe < 0 || bind(probe, (struct sockaddr *)&here.ss, here.len) < 0) {
        printf("skipped: this machine has no %s\n", argv[1]);
        return 77;
    }
    close(probe);
    forget_names();
    unsigned long n = strtoul(argv[2], NULL, 10);
    uint64_t first = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    g.verbose = argc > 4;
    for (unsigned long i = 0; i < n; i++)
        one_program(first + i);
    printf("%s: %lu programs, %lu calls, %lu differences\n", argv[1], g.programs, g.calls,
           g.differences);
    if (chdir("/") == 0) rmdir(folder);
    return g.differences != 0;
}
