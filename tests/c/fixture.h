/* What the C tests share: cmocka, and sockets to work on. Every helper fails the test when it
 * cannot do its job. */
#ifndef FIXTURE_H
#define FIXTURE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "esock.h"
#include "script.h"

#define LEN(array) (sizeof(array) / sizeof *(array))
#define WAIT_MS 60000 /* the longest wait for what must happen; a test that reaches it fails */

/* Closes a handle and expects no error. */
static inline void shut(esock *s) {
    assert_int_equal(esock_close(s, 0, NULL, NULL), 0);
}

/* Waits until the descriptor reports one of `events`. */
static inline void await(int fd, int events) {
    struct pollfd p = {.fd = fd, .events = (short)events};
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
}

/* Sends to a closed port until the kernel's answer (ICMP port unreachable) has come. The kernel limits how many answers all
 * programs together get in a second, and drops the others silently. Skips the test if none comes, for example because of a
 * firewall. */
static inline void refused(esock *s, const void *data, size_t len, const esock_addr *to) {
    struct pollfd p = {.fd = esock_fd(s), .events = 0}; /* poll always reports POLLERR */
    for (int tries = 0; tries < 30; tries++) {
        ssize_t n =
            to == NULL ? esock_send(s, data, len, 0, 0) : esock_sendto(s, data, len, 0, 0, to);
        assert_int_equal(n, len);
        if (poll(&p, 1, 100) == 1) return;
    }
    print_message("skipped: the loopback does not answer a datagram to a closed port\n");
    skip();
}

/* Two connected unix sockets. The handles own their descriptors. */
static inline void unix_pair(const esock_sys *sys, int type, esock **a, esock **b) {
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(esock_adopt(a, fd[0], ESOCK_ADOPT_DUP, -1, -1, -1, sys, NULL), 0);
    assert_int_equal(esock_adopt(b, fd[1], ESOCK_ADOPT_DUP, -1, -1, -1, sys, NULL), 0);
    close(fd[0]);
    close(fd[1]);
}

/* A socket of `type` bound to a free port of 127.0.0.1, and its address. */
static inline esock *bound(const esock_sys *sys, int type, esock_addr *at) {
    esock *s;
    esock_addr a;
    assert_int_equal(esock_open(&s, AF_INET, type, 0, sys), 0);
    assert_int_equal(esock_addr_shorthand(&a, AF_INET, ESOCK_LOOPBACK), 0);
    assert_int_equal(esock_bind(s, &a), 0);
    assert_int_equal(esock_sockname(s, at), 0);
    return s;
}

static inline esock *listener(const esock_sys *sys, int backlog, esock_addr *at) {
    esock *s = bound(sys, SOCK_STREAM, at);
    assert_int_equal(esock_listen(s, backlog), 0);
    return s;
}

/* A client that is connected to `at`. */
static inline esock *client(const esock_sys *sys, const esock_addr *at) {
    esock *c;
    assert_int_equal(esock_open(&c, AF_INET, SOCK_STREAM, 0, sys), 0);
    int r = esock_connect(c, at);
    if (r == -EINPROGRESS) {
        await(esock_fd(c), POLLOUT);
        r = esock_finish(c);
    }
    assert_int_equal(r, 0);
    return c;
}

/* Two ends of a TCP connection over loopback. */
static inline void tcp_pair(const esock_sys *sys, esock **a, esock **b) {
    esock_addr at;
    esock *l = listener(sys, 1, &at);
    *a = client(sys, &at);
    await(esock_fd(l), POLLIN);
    assert_int_equal(esock_accept(l, 0, b, NULL), 0);
    shut(l);
}

static inline uint64_t counter(const esock *s, enum esock_counter c) {
    return __atomic_load_n(&esock_counters_of(s)->value[c], __ATOMIC_RELAXED);
}

/* The control message of data that has just one. */
static inline esock_cmsg only_cmsg(const void *control, size_t len) {
    esock_cmsg c, end;
    size_t pos = 0;
    assert_int_equal(esock_cmsg_next(control, len, &pos, &c), 1);
    assert_int_equal(esock_cmsg_next(control, len, &pos, &end), 0);
    return c;
}

/* The row of an option. */
static inline unsigned option_row(const char *level, const char *name) {
    for (unsigned i = 0; i < esock_opt_count(); i++) {
        const esock_optrow *r = esock_opt_row(i);
        if (strcmp(r->level, level) == 0 && strcmp(r->name, name) == 0) return i;
    }
    fail_msg("no option %s %s", level, name);
    return 0;
}

#endif
