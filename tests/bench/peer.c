//go:build ignore

/* The bare C side of the benchmarks: the same work without esock. Each mode prints one JSON line. (The line
 * above keeps the Go tool from taking this file for a part of the Go program beside it.)
 *
 *   peer pingpong-ready N   one thread, unix seqpacket pair: N times send and receive 64 bytes
 *   peer openclose N        N times socket(2) and close(2)
 *   peer stream N           N times 1 MiB written over a loopback connection, two threads
 *   peer echo               prints the port of 127.0.0.1 it listens on, then echoes the 64-byte
 *                           messages of one connection
 *   peer serve              prints its port, then echoes what comes on any number of connections, one thread and epoll, until
 *                           standard input ends
 *   peer drain              prints its port, then throws away what comes, connection by connection, and
 *                           answers the end of each with a byte; until standard input ends
 *   peer load PORT N        N connections to a server that echoes packets of 64 bytes with a length of 4 bytes before
 *                           them, one packet on its way on each
 *   peer get PORT PATH N    N connections to an HTTP server, one request after the other on each
 *
 * The last two say that they are connected, and then, for each number that comes on standard input, work for so many
 * milliseconds and print how much they got.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 64, CHUNK = 1 << 20, PACKET = 4 + MESSAGE, CONNS = 8192 };

static void need(int ok, const char *what) {
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int listen_here(struct sockaddr_in *at) {
    socklen_t len = sizeof *at;
    int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    need(l >= 0 && bind(l, (struct sockaddr *)at, len) == 0 && listen(l, 1) == 0 &&
             getsockname(l, (struct sockaddr *)at, &len) == 0,
         "listen");
    return l;
}

static void pingpong_ready(long n) {
    int fd[2];
    char buf[MESSAGE] = {0};
    need(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fd) == 0, "socketpair");
    double start = now_ns();
    for (long i = 0; i < n; i++) {
        need(send(fd[0], buf, sizeof buf, MSG_NOSIGNAL) == MESSAGE, "send");
        need(recv(fd[1], buf, sizeof buf, 0) == MESSAGE, "recv");
    }
    printf("{\"mode\":\"pingpong-ready\",\"n\":%ld,\"ns_per_op\":%.1f}\n", n,
           (now_ns() - start) / (double)n);
}

static void openclose(long n) {
    double start = now_ns();
    for (long i = 0; i < n; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        need(fd >= 0, "socket");
        close(fd);
    }
    printf("{\"mode\":\"openclose\",\"n\":%ld,\"ns_per_op\":%.1f}\n", n,
           (now_ns() - start) / (double)n);
}

static void *drain(void *arg) {
    static char buf[CHUNK];
    ssize_t n;
    while ((n = recv(*(int *)arg, buf, sizeof buf, 0)) > 0) {
    }
    need(n == 0, "recv");
    return NULL;
}

static void stream(long chunks) {
    static char buf[CHUNK];
    struct sockaddr_in at;
    pthread_t t;
    int l = listen_here(&at), c = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(connect(c, (struct sockaddr *)&at, sizeof at) == 0, "connect");
    int s = accept(l, NULL, NULL);
    need(s >= 0 && pthread_create(&t, NULL, drain, &s) == 0, "accept");
    double start = now_ns();
    for (long i = 0; i < chunks; i++) {
        for (size_t sent = 0; sent < sizeof buf;) {
            ssize_t n = send(c, buf + sent, sizeof buf - sent, MSG_NOSIGNAL);
            need(n > 0, "send");
            sent += (size_t)n;
        }
    }
    shutdown(c, SHUT_WR);
    pthread_join(t, NULL);
    double ns = now_ns() - start;
    printf("{\"mode\":\"stream\",\"bytes\":%.0f,\"mb_per_s\":%.1f}\n", (double)chunks * CHUNK,
           (double)chunks * CHUNK / 1e6 / (ns / 1e9));
}

static void echo(void) {
    struct sockaddr_in at;
    char buf[MESSAGE];
    long rounds = 0;
    int on = 1, l = listen_here(&at);
    printf("{\"mode\":\"echo\",\"port\":%d}\n", ntohs(at.sin_port));
    fflush(stdout);
    int s = accept(l, NULL, NULL);
    need(s >= 0 && setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "accept");
    while (recv(s, buf, sizeof buf, MSG_WAITALL) == MESSAGE &&
           send(s, buf, sizeof buf, MSG_NOSIGNAL) == MESSAGE) {
        rounds++;
    }
    printf("{\"mode\":\"echo\",\"rounds\":%ld}\n", rounds);
}

/* The plain loop that one writes by hand: level-triggered, one receive and one send for each event. */
static void serve(void) {
    static char buf[16384];
    static struct epoll_event events[256];
    struct sockaddr_in at;
    int l = listen_here(&at), ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = l};
    need(listen(l, 1024) == 0 && ep >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, l, &e) == 0, "epoll");
    e.data.fd = STDIN_FILENO;
    need(epoll_ctl(ep, EPOLL_CTL_ADD, STDIN_FILENO, &e) == 0, "epoll");
    printf("{\"mode\":\"serve\",\"port\":%d}\n", ntohs(at.sin_port));
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(ep, events, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd, on = 1;
            if (fd == STDIN_FILENO) return;
            if (fd == l) {
                e.data.fd = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                need(e.data.fd >= 0, "accept");
                need(setsockopt(e.data.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
                         epoll_ctl(ep, EPOLL_CTL_ADD, e.data.fd, &e) == 0,
                     "epoll");
                continue;
            }
            ssize_t got = recv(fd, buf, sizeof buf, 0);
            if (got <= 0)
                close(fd);
            else
                need(send(fd, buf, (size_t)got, MSG_NOSIGNAL) == got, "send");
        }
    }
}

static void throw_away(void) {
    static char buf[CHUNK];
    struct sockaddr_in at;
    int l = listen_here(&at);
    printf("{\"mode\":\"drain\",\"port\":%d}\n", ntohs(at.sin_port));
    fflush(stdout);
    struct pollfd p[2] = {{.fd = l, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    while (poll(p, 2, -1) > 0 && p[1].revents == 0) {
        int s = accept(l, NULL, NULL);
        need(s >= 0, "accept");
        while (recv(s, buf, sizeof buf, MSG_TRUNC) > 0) { /* TCP: discarded, not copied */
        }
        send(s, buf, 1, MSG_NOSIGNAL);
        close(s);
    }
}

/* One connection of a load: what it still expects of the answer that is on its way. */
struct conn {
    int fd;
    size_t got;  /* of a packet, or of a head */
    size_t rest; /* of a body */
    char buf[2048];
};

static struct conn conns[CONNS];
static char request[1024]; /* what is sent to get an answer */
static size_t request_len;
static double bytes;

/* packet_came reads what there is of an echoed packet: 1 when it is whole, 0 when more must come. */
static int packet_came(struct conn *c) {
    ssize_t n = recv(c->fd, c->buf + c->got, PACKET - c->got, 0);
    if (n < 0 && errno == EAGAIN) {
        return 0;
    }
    need(n > 0, "the server hung up");
    c->got += (size_t)n;
    if (c->got < PACKET) {
        return 0;
    }
    need(memcmp(c->buf, request, PACKET) == 0, "another packet came back");
    c->got = 0;
    return 1;
}

/* response_came does the same for a response. The body is counted, not copied. */
static int response_came(struct conn *c) {
    ssize_t n;
    if (c->rest == 0) {
        n = recv(c->fd, c->buf + c->got, sizeof c->buf - 1 - c->got, 0);
        if (n < 0 && errno == EAGAIN) {
            return 0;
        }
        need(n > 0, "the server hung up");
        c->got += (size_t)n;
        c->buf[c->got] = 0;
        char *end = strstr(c->buf, "\r\n\r\n");
        need(end != NULL || c->got < sizeof c->buf - 1, "a long head");
        if (end == NULL) {
            return 0;
        }
        char *length = strcasestr(c->buf, "\r\nContent-Length:");
        need(strncmp(c->buf, "HTTP/1.1 200", 12) == 0 && length != NULL && length < end,
             "another response");
        c->rest = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
        size_t body = c->got - (size_t)(end + 4 - c->buf);
        need(body <= c->rest, "more than a response");
        c->rest -= body;
        bytes += (double)body;
        c->got = 0;
    }
    while (c->rest > 0) {
        if ((n = recv(c->fd, c->buf, c->rest, MSG_TRUNC)) < 0 && errno == EAGAIN) {
            return 0;
        }
        need(n > 0, "the server hung up");
        c->rest -= (size_t)n;
        bytes += (double)n;
    }
    return 1;
}

static void ask(struct conn *c) {
    need(send(c->fd, request, request_len, MSG_NOSIGNAL) == (ssize_t)request_len, "send");
}

/* work keeps every connection busy for so many milliseconds and returns how many answers came. */
static double work(int ep, long n, int (*came)(struct conn *), long ms) {
    static struct epoll_event events[CONNS];
    double answers = 0, end = now_ns() + (double)ms * 1e6;
    long busy = n;
    for (long i = 0; i < n; i++) {
        ask(&conns[i]);
    }
    while (busy > 0) {
        int ready = epoll_wait(ep, events, CONNS, -1);
        int over = now_ns() >= end;
        for (int i = 0; i < ready; i++) {
            struct conn *c = events[i].data.ptr;
            if (!came(c)) {
                continue;
            }
            answers++;
            if (over) {
                busy--;
            } else {
                ask(c);
            }
        }
    }
    return answers;
}

static void load(long port, long n, int (*came)(struct conn *)) {
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    int on = 1, ep = epoll_create1(EPOLL_CLOEXEC);
    need(ep >= 0 && n > 0 && n <= CONNS, "load");
    for (long i = 0; i < n; i++) {
        struct conn *c = &conns[i];
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        need(c->fd >= 0 && connect(c->fd, (struct sockaddr *)&at, sizeof at) == 0, "connect");
        need(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "nodelay");
        int fl = fcntl(c->fd, F_GETFL);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        need(fcntl(c->fd, F_SETFL, fl | O_NONBLOCK) == 0 &&
                 epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e) == 0,
             "epoll");
    }
    printf("{\"mode\":\"load\",\"connections\":%ld}\n", n);
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin) != NULL) {
        bytes = 0;
        double start = now_ns(), answers = work(ep, n, came, strtol(line, NULL, 10));
        printf("{\"answers\":%.0f,\"bytes\":%.0f,\"seconds\":%.9f}\n", answers, bytes,
               (now_ns() - start) / 1e9);
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    long n = argc > 2 ? strtol(argv[2], NULL, 10) : 1000000;
    if (strcmp(mode, "pingpong-ready") == 0 && n > 0) {
        pingpong_ready(n);
    } else if (strcmp(mode, "openclose") == 0 && n > 0) {
        openclose(n);
    } else if (strcmp(mode, "stream") == 0 && n > 0) {
        stream(argc > 2 ? n : 1024);
    } else if (strcmp(mode, "echo") == 0) {
        echo();
    } else if (strcmp(mode, "serve") == 0) {
        serve();
    } else if (strcmp(mode, "drain") == 0) {
        throw_away();
    } else if (strcmp(mode, "load") == 0 && argc == 4) {
        memset(request, 'x', PACKET);
        memcpy(request, "\0\0\0\x40", 4);
        request_len = PACKET;
        load(n, strtol(argv[3], NULL, 10), packet_came);
    } else if (strcmp(mode, "get") == 0 && argc == 5) {
        request_len = (size_t)snprintf(
            request, sizeof request,
            "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\nUser-Agent: peer\r\nAccept: */*\r\n\r\n",
            argv[3], n);
        need(request_len < sizeof request, "path");
        load(n, strtol(argv[4], NULL, 10), response_came);
    } else {
        fprintf(stderr,
                "usage: peer pingpong-ready|openclose|stream [N] | echo | serve | drain | load "
                "PORT N | get PORT PATH N\n");
        return 2;
    }
    return 0;
}
