/* Random system calls on the simulated kernel. The first half of the input is the program, the second half what goes wrong.
 *
 * What must hold:
 *   the bytes of a stream arrive in order, each once, whatever faults there are; only a reset may lose the last ones
 *   a level-triggered epoll reports a socket if and only if poll does
 *   without input nothing goes on by itself for ever
 *   when the program has closed its descriptors none is open, and all memory is free */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/un.h>

#include "esock_sim.h"

#define MUST(what)                                                     \
    do {                                                               \
        if (!(what)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                   \
        }                                                              \
    } while (0)

enum { HOSTS = 3, SLOTS = 10, CALLS = 200, STEPS = 20000, SIZE = 700 };

struct slot {
    bool open, watched;
    int fd;
    unsigned host;
    uint8_t out, in; /* the next byte of each direction */
};

static struct {
    const uint8_t *at, *end;
    esock_sim *sim;
    const esock_sys *host[HOSTS];
    struct slot s[SLOTS];
    int ep;
} f;

static uint8_t byte(void) {
    return f.at < f.end ? *f.at++ : 0;
}

static struct slot *empty(void) {
    for (int i = 0; i < SLOTS; i++)
        if (!f.s[i].open) return &f.s[i];
    return NULL;
}

static struct slot *opened(int fd, unsigned host) {
    struct slot *s = empty();
    if (fd < 0) return NULL;
    MUST(fd >= 1 << 30);
    *s = (struct slot){.open = true, .fd = fd, .host = host};
    return s;
}

static socklen_t address(struct sockaddr_storage *ss) {
    unsigned what = byte();
    memset(ss, 0, sizeof *ss);
    if (what % 3 == 0) {
        struct sockaddr_un *un = (struct sockaddr_un *)ss;
        un->sun_family = AF_UNIX;
        un->sun_path[what & 4 ? 1 : 0] = (char)('a' + what / 8 % 4);
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 2);
    }
    uint16_t port = htons((uint16_t)(what / 32));
    uint8_t last = (uint8_t)(1 + what / 4 % 4);
    if (what % 3 == 1) {
        struct sockaddr_in *in = (struct sockaddr_in *)ss;
        *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
        in->sin_addr.s_addr = last == 4 ? 0 : htonl(0x0a000000u | last);
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
    *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
    if (last != 4) {
        in6->sin6_addr.s6_addr[0] = 0xfd;
        in6->sin6_addr.s6_addr[12] = 10;
        in6->sin6_addr.s6_addr[15] = last;
    }
    return sizeof *in6;
}

static void do_send(struct slot *s) {
    uint8_t buf[SIZE];
    size_t len = byte() * 3u % SIZE;
    for (size_t i = 0; i < len; i++)
        buf[i] = (uint8_t)(s->out + i);
    ssize_t n = f.host[0]->send(f.host[0], s->fd, buf, len, MSG_NOSIGNAL);
    MUST(n <= (ssize_t)len);
    if (n > 0) s->out = (uint8_t)(s->out + n);
}

static void do_recv(struct slot *s) {
    uint8_t buf[SIZE];
    size_t len = byte() * 3u % SIZE;
    int flags = byte() % 8 == 0 ? MSG_PEEK : 0;
    ssize_t n = f.host[0]->recv(f.host[0], s->fd, buf, len, flags);
    MUST(n <= (ssize_t)len);
    for (ssize_t i = 0; i < n; i++)
        MUST(buf[i] == (uint8_t)(s->in + i));
    if (n > 0 && flags == 0) s->in = (uint8_t)(s->in + n);
}

static void do_accept(struct slot *s) {
    if (empty() == NULL) return;
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    opened(f.host[0]->accept4(f.host[0], s->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK),
           s->host);
}

static void do_open(void) {
    static const int domains[] = {AF_UNIX, AF_INET, AF_INET6};
    unsigned what = byte(), h = what / 4 % HOSTS;
    int fd[2];
    if (empty() == NULL) return;
    if (what % 4 < 3) {
        opened(f.host[h]->socket(f.host[h], domains[what % 4], SOCK_STREAM, 0), h);
        return;
    }
    if (esock_sim_socketpair(f.host[h], SOCK_STREAM, fd) < 0) return;
    opened(fd[0], h);
    if (empty() == NULL)
        f.host[h]->close(f.host[h], fd[1]);
    else
        opened(fd[1], h);
}

static void do_close(struct slot *s) {
    f.host[0]->close(f.host[0], s->fd); /* it is closed whatever the answer is */
    s->open = false;
}

static void do_network(void) {
    unsigned what = byte();
    esock_sim_path path = {.delay_ns = byte() * 1000000u,
                           .jitter_ns = byte() * 100000u,
                           .loss = byte() * 3000u,
                           .cut = what % 16 == 0};
    esock_sim_link(f.sim, what & 16 ? f.host[what % HOSTS] : NULL,
                   what & 32 ? f.host[what / 4 % HOSTS] : NULL, &path);
}

static void do_option(struct slot *s) {
    static const int names[][2] = {{SOL_SOCKET, SO_ERROR},     {SOL_SOCKET, SO_REUSEADDR},
                                   {SOL_SOCKET, SO_SNDBUF},    {SOL_SOCKET, SO_RCVBUF},
                                   {SOL_SOCKET, SO_RCVLOWAT},  {SOL_SOCKET, SO_REUSEPORT},
                                   {IPPROTO_TCP, TCP_NODELAY}, {IPPROTO_IPV6, IPV6_V6ONLY}};
    const int *name = names[byte() % 8];
    struct linger linger = {byte() & 1, byte() & 1};
    int v = byte() * 16;
    socklen_t len = sizeof v;
    f.host[0]->setsockopt(f.host[0], s->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    f.host[0]->setsockopt(f.host[0], s->fd, name[0], name[1], &v, sizeof v);
    f.host[0]->getsockopt(f.host[0], s->fd, name[0], name[1], &v, &len);
}

static void do_watch(struct slot *s) {
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP,
                             .data.u32 = (uint32_t)(s - f.s)};
    int op = s->watched ? EPOLL_CTL_DEL : EPOLL_CTL_ADD;
    if (f.host[0]->epoll_ctl(f.host[0], f.ep, op, s->fd, &ev) == 0) s->watched = !s->watched;
}

/* Epoll and poll agree. */
static void compare(void) {
    struct epoll_event ev[64];
    uint32_t got[SLOTS] = {0};
    esock_sim_chance(f.sim, ESOCK_SIM_FAULTS, 0);
    int n = f.host[0]->epoll_wait(f.host[0], f.ep, ev, 64, 0);
    MUST(n >= 0);
    for (int i = 0; i < n; i++)
        got[ev[i].data.u32] = ev[i].events;
    for (int i = 0; i < SLOTS; i++) {
        struct pollfd p = {.fd = f.s[i].fd, .events = POLLIN | POLLOUT | POLLRDHUP};
        if (!f.s[i].open || !f.s[i].watched) continue;
        f.host[0]->poll(f.host[0], &p, 1, 0);
        MUST(got[i] == (unsigned short)p.revents);
    }
}

static void one_call(void) {
    unsigned what = byte();
    struct slot *s = &f.s[what / 16 % SLOTS];
    const esock_sys *k = f.host[0];
    struct sockaddr_storage ss;
    socklen_t len;
    int v;
    if (!s->open) {
        do_open();
        return;
    }
    switch (what % 16) {
    case 0:
        len = address(&ss);
        k->bind(k, s->fd, (struct sockaddr *)&ss, len);
        break;
    case 1:
        k->listen(k, s->fd, byte() % 4);
        break;
    case 2:
        len = address(&ss);
        k->connect(k, s->fd, (struct sockaddr *)&ss, len);
        break;
    case 3:
        do_accept(s);
        break;
    case 4:
    case 5:
        do_send(s);
        break;
    case 6:
    case 7:
        do_recv(s);
        break;
    case 8:
        k->shutdown(k, s->fd, byte() % 3);
        break;
    case 9:
        do_close(s);
        break;
    case 10:
        do_watch(s);
        break;
    case 11:
        do_option(s);
        break;
    case 12:
        esock_sim_step(f.sim);
        break;
    case 13:
        do_network();
        break;
    case 14:
        esock_sim_chance(f.sim, byte() % (ESOCK_SIM_FAULTS + 1), byte());
        break;
    case 15:
        len = sizeof ss;
        k->getpeername(k, s->fd, (struct sockaddr *)&ss, &len);
        k->ioctl(k, s->fd, FIONREAD, &v);
        compare();
        break;
    }
}

static void settle(void) {
    int steps = 0;
    while (esock_sim_step(f.sim))
        MUST(++steps < STEPS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const ips[HOSTS] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};
    memset(&f, 0, sizeof f);
    f.at = data;
    f.end = data + size / 2;
    MUST(esock_sim_new_data(&f.sim, f.end, size - size / 2) == 0);
    for (int i = 0; i < HOSTS; i++)
        MUST((f.host[i] = esock_sim_host(f.sim, ips[i])) != NULL);
    f.ep = f.host[0]->epoll_create(f.host[0]);
    for (int i = 0; i < CALLS && f.at < f.end; i++)
        one_call();
    compare();
    settle();
    compare();
    for (int i = 0; i < SLOTS; i++)
        if (f.s[i].open) do_close(&f.s[i]);
    settle();
    f.host[0]->close(f.host[0], f.ep);
    MUST(esock_sim_words_of(f.sim)->open == 0);
    MUST(esock_sim_free(f.sim) == 0);
    return 0;
}
