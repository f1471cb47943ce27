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
 *   peer serve-ring         the same with io_uring: peer_ring.c
 *   peer drain              prints its port, then throws away what comes, connection by connection, and
 *                           answers the end of each with a byte; until standard input ends
 *   peer datagrams-plain|datagrams-trains|datagrams-mixed N
 *                           N batches of datagrams: peer_mmsg.c
 *
 * The loads of servers are in peer_load.c.
 */
#define _GNU_SOURCE
#include "peer.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 64, CHUNK = 1 << 20 };

void need(int ok, const char *what) {
    if (!ok) {
        perror(what);
        exit(1);
    }
}

double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int listen_here(struct sockaddr_in *at) {
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
            if (got <= 0 || send(fd, buf, (size_t)got, MSG_NOSIGNAL) != got) close(fd);
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
    } else if (strcmp(mode, "serve-ring") == 0) {
        serve_ring();
    } else if (strcmp(mode, "drain") == 0) {
        throw_away();
    } else if (n > 0 && datagrams(mode, n)) {
    } else if (!loads(argc, argv)) {
        fprintf(stderr,
                "usage: peer pingpong-ready|openclose|stream [N] | echo | serve | serve-ring | "
                "drain | datagrams-plain|datagrams-trains|datagrams-mixed [N] | a load\n");
        return 2;
    }
    return 0;
}
