//go:build ignore

/* The loads of servers. Each has N connections.
 *
 *   peer load PORT N [SIZE]        packets of SIZE bytes, 68 if it is not given, with a length of 4 bytes at the front; the
 *                                  server echoes them. One packet is on its way on each connection.
 *   peer paced PORT N RATE         the same packets, RATE of them a second, on one connection after the other, however
 *                                  late the answers are. A packet's time begins when it is due, not when it is sent.
 *   peer get PORT PATH N [DEPTH]   requests to an HTTP server: DEPTH at once, 1 if it is not given, and then the
 *                                  responses
 *   peer broadcast PORT N          messages of 64 bytes from one client, which the server sends to all. A message that
 *                                  begins with j is sent back to its client only.
 *   peer short PORT N              N connections at a time, each for one packet of 68 bytes and its echo. They are
 *                                  reset, so that no port is left in TIME_WAIT.
 *   peer hold PORT N               connections that are silent
 *
 * A load says that it is connected, and then, for each number that comes on standard input, works for so many
 * milliseconds and prints how many answers it got. (The first line keeps the Go tool from this file.)
 */
#define _GNU_SOURCE
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE = 64, PACKET = 4 + MESSAGE, CONNS = 65536, EVENTS = 16384, WAITING = 64 };

/* One connection, and what it still expects of the answer that is on its way. */
struct conn {
    int fd;
    size_t got;           /* of a packet, or of a head */
    size_t rest;          /* of a body */
    char *buf;            /* response_came: of a head */
    double due[WAITING];  /* paced: when the packets on their way were due */
    unsigned first, last; /* paced: those in due[] */
};

static struct sockaddr_in server = {.sin_family = AF_INET};
static struct conn *conns;
static int ep;
static char request[1 << 16]; /* what is sent to get an answer */
static size_t request_len;
static size_t answer_len; /* 0: as long as its head says */
static char answer[1 << 16];
static double bytes;

enum { HEAD = 2048 };

/* packet_came reads what there is of an echoed packet: 1 when it is whole, 0 when more must come. */
static int packet_came(struct conn *c) {
    ssize_t n = recv(c->fd, answer, request_len - c->got, 0);
    if (n < 0 && errno == EAGAIN) return 0;
    need(n > 0, "the server hung up");
    need(memcmp(answer, request + c->got, (size_t)n) == 0, "another packet came back");
    c->got += (size_t)n;
    if (c->got < request_len) return 0;
    bytes += (double)request_len;
    c->got = 0;
    return 1;
}

/* response_came does the same for a response. The body is counted, not copied. */
static int response_came(struct conn *c) {
    ssize_t n;
    if (c->buf == NULL) c->buf = malloc(HEAD);
    need(c->buf != NULL, "malloc");
    if (c->rest == 0) {
        n = recv(c->fd, c->buf + c->got, HEAD - 1 - c->got, 0);
        if (n < 0 && errno == EAGAIN) return 0;
        need(n > 0, "the server hung up");
        c->got += (size_t)n;
        c->buf[c->got] = 0;
        char *end = strstr(c->buf, "\r\n\r\n");
        need(end != NULL || c->got < HEAD - 1, "a long head");
        if (end == NULL) return 0;
        char *length = strcasestr(c->buf, "\r\nContent-Length:");
        need(strncmp(c->buf, "HTTP/1.1 200", 12) == 0 && length != NULL && length < end,
             "another response");
        c->rest = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
        size_t head = (size_t)(end + 4 - c->buf), body = c->got - head;
        need(body <= c->rest, "more than a response");
        answer_len = head + c->rest;
        c->rest -= body;
        bytes += (double)body;
        c->got = 0;
    }
    while (c->rest > 0) {
        if ((n = recv(c->fd, c->buf, c->rest, MSG_TRUNC)) < 0 && errno == EAGAIN) return 0;
        need(n > 0, "the server hung up");
        c->rest -= (size_t)n;
        bytes += (double)n;
    }
    return 1;
}

/* responses_came does the same for some responses at once, all as long as the first. */
static size_t depth;

static int responses_came(struct conn *c) {
    for (;;) {
        ssize_t n = recv(c->fd, answer, sizeof answer, 0);
        if (n < 0 && errno == EAGAIN) return 0;
        need(n > 0, "the server hung up");
        need(c->got > 0 || strncmp(answer, "HTTP/1.1 200", 12) == 0, "another response");
        c->got += (size_t)n;
        need(c->got <= depth * answer_len, "more than the responses");
        if (c->got == depth * answer_len) break;
    }
    bytes += (double)c->got;
    c->got = 0;
    return 1;
}

static void send_all(int fd, const char *buf, size_t len) {
    need(send(fd, buf, len, MSG_NOSIGNAL) == (ssize_t)len, "send");
}

static void ask(struct conn *c) {
    send_all(c->fd, request, request_len);
}

static void watch(struct conn *c) {
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    need(epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e) == 0, "epoll");
}

/* Makes a connection. Loopback's is there at once; accept comes later. */
static int connected(void) {
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct linger reset = {.l_onoff = 1};
    need(fd >= 0, "socket");
    need(connect(fd, (struct sockaddr *)&server, sizeof server) == 0, "connect");
    need(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
             setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0,
         "setsockopt");
    return fd;
}

static struct epoll_event events[EVENTS];

/* busy keeps every connection busy for so many milliseconds and returns how many answers came. */
static double busy(long n, int (*came)(struct conn *), double end) {
    double answers = 0;
    long left = n;
    for (long i = 0; i < n; i++)
        ask(&conns[i]);
    while (left > 0) {
        int ready = epoll_wait(ep, events, EVENTS, -1), over = now_ns() >= end;
        for (int i = 0; i < ready; i++) {
            struct conn *c = events[i].data.ptr;
            if (!came(c)) continue;
            answers++;
            if (over)
                left--;
            else
                ask(c);
        }
    }
    return answers;
}

/* The times of answers in nanoseconds, by their first seven binary digits. */
enum { DIGITS = 6, CELLS = 64 << DIGITS };
static double times[CELLS];

static unsigned cell(double ns) {
    unsigned long v = ns < 0 ? 0 : (unsigned long)ns;
    unsigned e = v < 1 << DIGITS ? 0 : 63 - (unsigned)__builtin_clzl(v) - DIGITS + 1;
    return (e << DIGITS) + (unsigned)(e == 0 ? v : (v >> (e - 1)) - (1 << DIGITS));
}

static double cell_ns(unsigned c) {
    unsigned e = c >> DIGITS, m = c & ((1 << DIGITS) - 1);
    return e == 0 ? m : (double)((unsigned long)(m + (1 << DIGITS)) << (e - 1));
}

static double percentile(double answers, double p) {
    double seen = 0;
    for (unsigned i = 0; i < CELLS; i++)
        if ((seen += times[i]) >= answers * p) return cell_ns(i);
    return 0;
}

/* paced sends `rate` packets a second. It never sleeps: the processor is its own. */
static double paced(long n, double rate, double end) {
    double start = now_ns(), step = 1e9 / rate, answers = 0, sent = 0;
    long next = 0;
    memset(times, 0, sizeof times);
    for (;;) {
        double now = now_ns(), due;
        while ((due = start + sent * step) <= now && due < end) {
            struct conn *c = &conns[next];
            need(c->last - c->first < WAITING, "too many packets wait on a connection");
            c->due[c->last++ % WAITING] = due;
            ask(c);
            next = (next + 1) % n;
            sent++;
        }
        if (due >= end && answers == sent) return answers;
        int ready = epoll_wait(ep, events, EVENTS, 0);
        for (int i = 0; i < ready; i++) {
            struct conn *c = events[i].data.ptr;
            while (packet_came(c)) {
                times[cell(now_ns() - c->due[c->first++ % WAITING])]++;
                answers++;
            }
        }
    }
}

/* broadcast sends a message to all, and waits until all have it. */
static double broadcast(long n, double end) {
    double answers = 0;
    while (now_ns() < end) {
        send_all(conns[0].fd, "b123456789b123456789b123456789b123456789b123456789b123456789b123",
                 MESSAGE);
        for (long left = n; left > 0;) {
            int ready = epoll_wait(ep, events, EVENTS, -1);
            for (int i = 0; i < ready; i++) {
                struct conn *c = events[i].data.ptr;
                ssize_t got = recv(c->fd, answer, MESSAGE - c->got, 0);
                if (got < 0 && errno == EAGAIN) continue;
                need(got > 0, "the server hung up");
                c->got += (size_t)got;
                if (c->got == MESSAGE) {
                    c->got = 0;
                    left--;
                }
            }
        }
        answers += (double)n;
    }
    return answers;
}

static void nonblocking(struct conn *c) {
    int fl = fcntl(c->fd, F_GETFL);
    need(fl >= 0 && fcntl(c->fd, F_SETFL, fl | O_NONBLOCK) == 0, "nonblock");
}

static void open_short(struct conn *c) {
    c->fd = connected();
    nonblocking(c);
    watch(c);
    ask(c);
}

static double brief(long n, double end) {
    double answers = 0;
    long left = n;
    for (long i = 0; i < n; i++)
        open_short(&conns[i]);
    while (left > 0) {
        int ready = epoll_wait(ep, events, EVENTS, -1), over = now_ns() >= end;
        for (int i = 0; i < ready; i++) {
            struct conn *c = events[i].data.ptr;
            if (!packet_came(c)) continue;
            answers++;
            close(c->fd);
            if (over)
                left--;
            else
                open_short(c);
        }
    }
    return answers;
}

/* Connects, some at a time. Each connection has an answer at once, so that the server has accepted it. */
static void connect_all(long n, int (*came)(struct conn *)) {
    enum { AT_ONCE = 500 };
    for (long from = 0; from < n; from += AT_ONCE) {
        long to = from + AT_ONCE < n ? from + AT_ONCE : n;
        for (long i = from; i < to; i++) {
            conns[i].fd = connected();
            if (came != NULL) ask(&conns[i]);
        }
        for (long i = from; i < to; i++) {
            while (came != NULL && !came(&conns[i])) { /* it is a blocking socket still */
            }
            nonblocking(&conns[i]);
            watch(&conns[i]);
        }
    }
}

int loads(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    int get = strcmp(mode, "get") == 0;
    if (argc < 4 + get || argc > 5 + get) return 0;
    long n = strtol(argv[3 + get], NULL, 10);
    long more = argc > 4 + get ? strtol(argv[4 + get], NULL, 10) : 0;
    int (*came)(struct conn *) = packet_came;
    struct rlimit files;
    need(n > 0 && n <= CONNS && more >= 0, mode);
    need(getrlimit(RLIMIT_NOFILE, &files) == 0, "getrlimit");
    files.rlim_cur = files.rlim_max;
    need(setrlimit(RLIMIT_NOFILE, &files) == 0, "setrlimit");
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.sin_port = htons((uint16_t)strtol(argv[2], NULL, 10));
    ep = epoll_create1(EPOLL_CLOEXEC);
    conns = calloc((size_t)n, sizeof *conns);
    need(ep >= 0 && conns != NULL, "epoll");

    int is_paced = strcmp(mode, "paced") == 0, is_broadcast = strcmp(mode, "broadcast") == 0,
        is_short = strcmp(mode, "short") == 0, is_load = strcmp(mode, "load") == 0,
        is_hold = strcmp(mode, "hold") == 0;
    request_len = is_broadcast ? MESSAGE : is_load && more > 0 ? (size_t)more : PACKET;
    need(request_len > 4 && request_len <= sizeof request, "size");
    memset(request, is_broadcast ? 'j' : 'x', request_len);
    if (!is_broadcast) {
        uint32_t length = htonl((uint32_t)request_len - 4);
        memcpy(request, &length, sizeof length);
    }
    if (get) {
        int len = snprintf(
            request, sizeof request,
            "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nUser-Agent: peer\r\nAccept: */*\r\n\r\n",
            argv[3], argv[2]);
        request_len = (size_t)len;
        came = response_came;
        depth = more > 1 ? (size_t)more : 1;
        need(len > 0 && request_len * depth < sizeof request, "path");
    } else if (!(is_paced || is_broadcast || is_short || is_load || is_hold)) {
        return 0;
    }
    if (!is_short) connect_all(n, is_hold ? NULL : came);
    if (depth > 1) {
        for (size_t i = 1; i < depth; i++)
            memcpy(request + i * request_len, request, request_len);
        request_len *= depth;
        came = responses_came;
    }
    printf("{\"mode\":\"%s\",\"connections\":%ld}\n", mode, n);
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin) != NULL) {
        bytes = 0;
        double start = now_ns(), end = start + strtod(line, NULL) * 1e6, answers = 0;
        answers = is_paced       ? paced(n, more > 0 ? (double)more : 1000, end)
                  : is_broadcast ? broadcast(n, end)
                  : is_short     ? brief(n, end)
                  : is_hold      ? 0
                                 : busy(n, came, end) * (double)(depth > 1 ? depth : 1);
        double took = (now_ns() - start) / 1e9;
        printf("{\"answers\":%.0f,\"bytes\":%.0f,\"seconds\":%.9f,\"p50\":%.0f,\"p99\":%.0f,"
               "\"p999\":%.0f}\n",
               answers, bytes, took, percentile(answers, 0.5), percentile(answers, 0.99),
               percentile(answers, 0.999));
        fflush(stdout);
    }
    return 1;
}
