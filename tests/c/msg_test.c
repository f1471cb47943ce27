/* recvmsg and sendmsg, against the kernel and against a scripted one. */
#include "fixture.h"

#include <limits.h>
#include <sys/uio.h>

#define CONTROL 256

static int send_fds(esock *s, const int *fds, size_t n) {
    char control[CONTROL];
    esock_cmsg c = {.level = SOL_SOCKET,
                    .type = SCM_RIGHTS,
                    .kind = ESOCK_CMSG_RIGHTS,
                    .length = (uint32_t)(n * sizeof *fds)};
    ssize_t len = esock_cmsg_encode(&c, 1, fds, n * sizeof *fds, control, sizeof control);
    assert_true(len > 0);
    return (int)esock_sendmsg(s, "f", 1, 0, 0, NULL, control, (size_t)len);
}

static int option_on(esock *s, int level, int opt) {
    int on = 1;
    return setsockopt(esock_fd(s), level, opt, &on, sizeof on);
}

static void address_and_payload(void **state) {
    esock_addr at, from;
    esock *a = bound(NULL, SOCK_DGRAM, &from), *b = bound(NULL, SOCK_DGRAM, &at);
    esock_msg m;
    char buf[16];
    assert_int_equal(esock_sendmsg(a, "hello", 5, 0, 0, &at, NULL, 0), 5);
    await(esock_fd(b), POLLIN);
    assert_int_equal(esock_recvmsg(b, buf, sizeof buf, 0, 0, NULL, 99, NULL, 0, &m), 5);
    assert_memory_equal(buf, "hello", 5);
    assert_memory_equal(&m.addr, &from, sizeof from);
    assert_int_equal(m.flags, 0);
    assert_int_equal(m.control_len, 0);
    assert_int_equal(m.full_len, 5);

    assert_int_equal(esock_recvmsg(b, buf, sizeof buf, 0, 0, NULL, 0, NULL, 0, &m), -EAGAIN);
    assert_int_equal(m.addr.form, ESOCK_ADDR_NONE);
    at.port = 65536;
    assert_int_equal(esock_sendmsg(a, "x", 1, 0, 0, &at, NULL, 0), -EINVAL);
    shut(a);
    shut(b);
}

static void cut_message(void **state) {
    esock *a, *b;
    esock_msg m;
    char buf[4];
    unix_pair(NULL, SOCK_DGRAM, &a, &b);
    for (int flags = 0; flags <= MSG_TRUNC; flags += MSG_TRUNC) {
        memset(buf, 0, sizeof buf);
        assert_int_equal(esock_sendmsg(a, "123456789", 9, 0, 0, NULL, NULL, 0), 9);
        assert_int_equal(esock_recvmsg(b, buf, 3, flags, 0, NULL, 0, NULL, 0, &m), 3);
        assert_memory_equal(buf, "123", 4);
        assert_true(m.flags & MSG_TRUNC);
        assert_int_equal(m.full_len, flags ? 9 : 3);
    }
    assert_int_equal(counter(b, ESOCK_READ_BYTE), 6);
    shut(a);
    shut(b);
}

/* With MSG_PEEK and MSG_TRUNC nothing is lost, and the length of the next message is told. */
static void empty_buffer_asks_for_the_length(void **state) {
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    const int ask = MSG_PEEK | MSG_TRUNC;
    for (size_t i = 0; i < LEN(types); i++) {
        ssize_t want = types[i] == SOCK_STREAM ? 0 : 3;
        esock *a, *b;
        esock_msg m;
        esock_addr from;
        char buf[4];
        unix_pair(NULL, types[i], &a, &b);
        assert_int_equal(esock_send(a, "abc", 3, 0, 0), 3);
        assert_int_equal(esock_recv(b, NULL, 0, ask, 0), want);
        assert_int_equal(esock_recvfrom(b, NULL, 0, ask, 0, &from), want);
        assert_int_equal(esock_recvmsg(b, NULL, 0, ask, 0, NULL, 0, NULL, 0, &m), 0);
        assert_int_equal(m.full_len, want);
        if (types[i] != SOCK_STREAM) {
            assert_int_equal(esock_recv(b, NULL, 0, MSG_TRUNC, 0), -EINVAL);
            assert_int_equal(esock_recv(b, NULL, 0, MSG_PEEK, 0), -EINVAL);
        }
        assert_int_equal(counter(b, ESOCK_READ_BYTE), 0);
        assert_int_equal(esock_recv(b, buf, sizeof buf, 0, 0), 3);
        shut(a);
        shut(b);
    }
}

/* Linux returns 0 and drops the descriptors. */
static void control_needs_a_byte_on_a_stream(void **state) {
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};
    for (size_t i = 0; i < LEN(types); i++) {
        struct script k;
        esock *a, *b;
        char control[64];
        struct iovec v[2] = {{.iov_base = NULL, .iov_len = 0}, {.iov_base = NULL, .iov_len = 0}};
        int fd = 0;
        esock_cmsg c = {.level = SOL_SOCKET, .type = SCM_RIGHTS, .length = sizeof fd};
        ssize_t len = esock_cmsg_encode(&c, 1, &fd, sizeof fd, control, sizeof control);
        ssize_t want = types[i] == SOCK_STREAM ? -EINVAL : 0;
        assert_true(len > 0);
        script_init(&k);
        unix_pair(&k.sys, types[i], &a, &b);
        assert_int_equal(esock_sendmsg(a, NULL, 0, 0, 0, NULL, control, (size_t)len), want);
        assert_int_equal(esock_sendmsgv(a, v, 2, 0, 0, NULL, control, (size_t)len), want);
        assert_int_equal(script_count(&k, K_SENDMSG), types[i] == SOCK_STREAM ? 0 : 2);
        assert_int_equal(esock_sendmsgv(a, v, 2, 0, 0, NULL, NULL, 0), 0);
        shut(a);
        shut(b);
    }
}

static void empty_buffer_never_reaches_the_kernel(void **state) {
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (size_t i = 0; i < LEN(types); i++) {
        struct script k;
        esock *a, *b;
        esock_msg m;
        char buf[4];
        script_init(&k);
        unix_pair(&k.sys, types[i], &a, &b);
        assert_int_equal(esock_sendmsg(a, "abc", 3, 0, 0, NULL, NULL, 0), 3);
        assert_int_equal(esock_recvmsg(b, buf, 0, 0, 0, NULL, 0, NULL, 0, &m),
                         types[i] == SOCK_STREAM ? 0 : -EINVAL);
        assert_int_equal(script_count(&k, K_RECVMSG), 0);
        assert_int_equal(m.addr.form, ESOCK_ADDR_NONE);
        assert_int_equal(esock_recvmsg(b, buf, sizeof buf, 0, 0, NULL, 0, NULL, 0, &m), 3);
        assert_int_equal(counter(b, ESOCK_READ_FAILS), 0);
        shut(a);
        shut(b);
    }
}

static void call_flags(void **state) {
    struct script k;
    esock *a, *b;
    esock_msg m;
    char buf[4];
    script_init(&k);
    unix_pair(&k.sys, SOCK_DGRAM, &a, &b);
    assert_int_equal(esock_sendmsg(a, "x", 1, 0, 0, NULL, NULL, 0), 1);
    assert_int_equal(script_last(&k, K_SENDMSG)->a, MSG_DONTWAIT | MSG_NOSIGNAL);
    assert_int_equal(esock_recvmsg(b, buf, 4, MSG_PEEK, 0, NULL, 0, NULL, 0, &m), 1);
    assert_int_equal(script_last(&k, K_RECVMSG)->a, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    assert_false(m.flags & MSG_CMSG_CLOEXEC);
    assert_int_equal(esock_recvmsg(b, buf, 4, MSG_CMSG_CLOEXEC, 0, NULL, 0, NULL, 0, &m), 1);
    assert_true(m.flags & MSG_CMSG_CLOEXEC);
    shut(a);
    shut(b);
}

static void interrupted(void **state) {
    struct script k;
    esock *a, *b;
    esock_msg m;
    char buf[4];
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    script_times(&k, K_SENDMSG, 3, -EINTR);
    assert_int_equal(esock_sendmsg(a, "x", 1, 0, 0, NULL, NULL, 0), 1);
    script_times(&k, K_RECVMSG, 3, -EINTR);
    assert_int_equal(esock_recvmsg(b, buf, 4, 0, 0, NULL, 0, NULL, 0, &m), 1);
    assert_int_equal(counter(a, ESOCK_WRITE_TRIES), 1);
    assert_int_equal(counter(b, ESOCK_READ_TRIES), 1);
    assert_true(script_used_up(&k));
    shut(a);
    shut(b);
}

static void stream_end(void **state) {
    esock *a, *b;
    esock_msg m;
    char buf[4];
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    shut(a);
    assert_int_equal(esock_recvmsg(b, buf, 4, 0, 0, NULL, 0, NULL, 0, &m), 0);
    assert_int_equal(counter(b, ESOCK_READ_FAILS), 1);
    shut(b);
}

/* Linux: with SO_PASSCRED an empty message carries a control message, or MSG_CTRUNC for want of room; the end
 * of the connection neither. */
static void empty_message_before_the_end(void **state) {
    for (size_t room = 0; room <= CONTROL; room += CONTROL) {
        esock *a, *b;
        esock_msg m;
        char buf[4], control[CONTROL];
        unix_pair(NULL, SOCK_SEQPACKET, &a, &b);
        assert_int_equal(option_on(b, SOL_SOCKET, SO_PASSCRED), 0);
        assert_int_equal(esock_sendmsg(a, "", 0, 0, 0, NULL, NULL, 0), 0);
        shut(a);
        assert_int_equal(esock_recvmsg(b, buf, 4, 0, 0, control, room, NULL, 0, &m), 0);
        assert_int_equal(counter(b, ESOCK_READ_PKG), 1);
        assert_int_equal(esock_recvmsg(b, buf, 4, 0, 0, control, room, NULL, 0, &m), -ESHUTDOWN);
        shut(b);
    }
}

static void rights_arrive_close_on_exec(void **state) {
    int before = script_open_fds();
    esock *a, *b;
    esock_msg m;
    esock_cmsg c[2];
    char buf[4], control[CONTROL];
    int fds[] = {0, 1}, got[2];
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    assert_int_equal(send_fds(a, fds, 2), 1);
    assert_int_equal(esock_recvmsg(b, buf, 4, 0, 0, control, sizeof control, c, 2, &m), 1);
    assert_int_equal(m.cmsgs, 1);
    assert_int_equal(m.bad, 0);
    assert_int_equal(m.flags & MSG_CTRUNC, 0);
    assert_int_equal(c[0].kind, ESOCK_CMSG_RIGHTS);
    assert_int_equal(c[0].v.rights, 2);
    memcpy(got, control + c[0].offset, sizeof got);
    assert_int_equal(fcntl(got[0], F_GETFD), FD_CLOEXEC);
    assert_int_equal(esock_cmsg_close_rights(b, control, m.control_len), 2);
    shut(a);
    shut(b);
    assert_int_equal(script_open_fds(), before);
}

/* Every size of control buffer: descriptors that came with truncated control data are closed, no other. */
static void rights_in_truncated_control_are_closed(void **state) {
    int before = script_open_fds();
    int fds[] = {0, 0, 0, 0};
    size_t need = CMSG_LEN(sizeof fds);
    for (size_t room = 0; room <= need; room++) {
        for (size_t records = 0; records < 3; records++) { /* 2: without an array, so undecoded */
            esock *a, *b;
            esock_msg m;
            esock_cmsg c[1] = {{.v.rights = 77, .length = 77}};
            esock_cmsg *into = records < 2 ? c : NULL;
            size_t max = records < 2 ? records : 0;
            char buf[4], *control = malloc(room > 0 ? room : 1);
            unix_pair(NULL, SOCK_STREAM, &a, &b);
            int open = script_open_fds();
            assert_int_equal(send_fds(a, fds, 4), 1);
            assert_int_equal(esock_recvmsg(b, buf, 4, 0, 0, control, room, into, max, &m), 1);
            if (into == NULL) assert_int_equal(m.cmsgs, 0);
            if (room < need) {
                assert_true(m.flags & MSG_CTRUNC);
                assert_int_equal(script_open_fds(), open);
                if (m.cmsgs > 0 && records > 0 && c[0].kind == ESOCK_CMSG_RIGHTS) {
                    assert_int_equal(c[0].v.rights, 0);
                    assert_int_equal(c[0].length, 0);
                }
                /* Walking the bytes finds no number either. */
                assert_int_equal(esock_cmsg_close_rights(b, control, m.control_len), 0);
            } else {
                assert_int_equal(m.flags & MSG_CTRUNC, 0);
                assert_int_equal(script_open_fds(), open + 4);
                assert_int_equal(esock_cmsg_close_rights(b, control, m.control_len), 4);
            }
            free(control);
            shut(a);
            shut(b);
        }
    }
    assert_int_equal(script_open_fds(), before);
}

static void more_messages_than_records(void **state) {
    esock_addr at;
    esock *a = bound(NULL, SOCK_DGRAM, &at), *b = bound(NULL, SOCK_DGRAM, &at);
    esock_msg m;
    esock_cmsg c[2];
    char buf[4], control[CONTROL];
    assert_int_equal(option_on(b, IPPROTO_IP, IP_RECVTTL), 0);
    assert_int_equal(option_on(b, IPPROTO_IP, IP_RECVTOS), 0);
    assert_int_equal(option_on(b, IPPROTO_IP, IP_PKTINFO), 0);
    assert_int_equal(esock_sendmsg(a, "x", 1, 0, 0, &at, NULL, 0), 1);
    await(esock_fd(b), POLLIN);
    c[1].kind = 1234;
    assert_int_equal(esock_recvmsg(b, buf, 4, 0, 0, control, sizeof control, c, 1, &m), 1);
    assert_int_equal(m.cmsgs, 3);
    assert_int_equal(c[1].kind, 1234);
    int walked = 0;
    for (size_t pos = 0; esock_cmsg_next(control, m.control_len, &pos, &c[0]) == 1; walked++) {
    }
    assert_int_equal(walked, 3);
    shut(a);
    shut(b);
}

static void ip_control_both_ways(void **state) {
    esock_addr at;
    esock *a = bound(NULL, SOCK_DGRAM, &at), *b = bound(NULL, SOCK_DGRAM, &at);
    esock_msg m;
    char buf[4], control[CONTROL];
    esock_cmsg in[] = {{.level = IPPROTO_IP, .type = IP_TOS, .kind = ESOCK_CMSG_INT, .v.i = 0xb8},
                       {.level = IPPROTO_IP, .type = IP_TTL, .kind = ESOCK_CMSG_INT, .v.i = 17}};
    esock_cmsg got[8];
    assert_int_equal(option_on(b, IPPROTO_IP, IP_RECVTTL), 0);
    assert_int_equal(option_on(b, IPPROTO_IP, IP_RECVTOS), 0);
    assert_int_equal(option_on(b, IPPROTO_IP, IP_PKTINFO), 0);
    assert_int_equal(option_on(b, SOL_SOCKET, SO_TIMESTAMP), 0);
    ssize_t n = esock_cmsg_encode(in, 2, NULL, 0, control, sizeof control);
    assert_int_equal(esock_sendmsg(a, "x", 1, 0, 0, &at, control, (size_t)n), 1);
    await(esock_fd(b), POLLIN);
    assert_int_equal(esock_recvmsg(b, buf, 4, 0, 0, control, sizeof control, got, 8, &m), 1);
    unsigned seen = 0;
    for (uint32_t i = 0; i < m.cmsgs; i++) {
        if (got[i].level == IPPROTO_IP && got[i].type == IP_TOS && got[i].v.i == 0xb8) seen |= 1;
        if (got[i].level == IPPROTO_IP && got[i].type == IP_TTL && got[i].v.i == 17) seen |= 2;
        if (got[i].kind == ESOCK_CMSG_PKTINFO4 && got[i].v.pktinfo4.addr[0] == 127) seen |= 4;
        if (got[i].kind == ESOCK_CMSG_TIME && got[i].v.time.sec > 1000000000) seen |= 8;
    }
    assert_int_equal(seen, 15);
    shut(a);
    shut(b);
}

static void bad_control_data_is_reported(void **state) {
    struct script k;
    esock *a, *b;
    esock_msg m;
    esock_cmsg c[4];
    char buf[4], control[CONTROL], bad[CMSG_SPACE(4) + 20] = {0};
    esock_cmsg ttl = {.level = IPPROTO_IP, .type = IP_TTL, .kind = ESOCK_CMSG_INT, .v.i = 9};
    script_init(&k);
    unix_pair(&k.sys, SOCK_DGRAM, &a, &b);
    assert_int_equal(esock_cmsg_encode(&ttl, 1, NULL, 0, bad, sizeof bad), CMSG_SPACE(4));
    script_put(
        &k, K_RECVMSG,
        (struct script_answer){
            .result = 1, .data = "x", .data_len = 1, .control = bad, .control_len = sizeof bad});
    assert_int_equal(esock_recvmsg(b, buf, 4, 0, 0, control, sizeof control, c, 4, &m), 1);
    assert_int_equal(m.cmsgs, 1);
    assert_int_equal(m.bad, 1);
    assert_int_equal(m.control_len, sizeof bad);
    assert_true(c[0].v.i == 9);
    shut(a);
    shut(b);
}

/* ---- several buffers ---- */

static struct iovec *vector(size_t n, char *bytes, size_t each) {
    struct iovec *v = malloc(n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = (struct iovec){.iov_base = bytes, .iov_len = each};
    return v;
}

/* Sends all of n buffers as a caller does: it continues after each short send. The control data goes with the first. */
static ssize_t send_all(esock *s, struct iovec *v, size_t n, const void *control, size_t len) {
    ssize_t sent = 0;
    unsigned how = 0;
    while (n > 0) {
        ssize_t r = esock_sendmsgv(s, v, n, 0, how, NULL, control, len);
        if (r < 0) return sent > 0 ? sent : r;
        sent += r;
        for (; n > 0 && (size_t)r >= v->iov_len; n--)
            r -= (ssize_t)v++->iov_len;
        how = ESOCK_CONT;
        control = NULL;
        len = 0;
    }
    return sent;
}

static void more_buffers_than_a_call_takes(void **state) {
    struct script k;
    esock *a, *b;
    esock_msg m;
    esock_cmsg c[4];
    char buf[8192], control[CONTROL];
    int before = script_open_fds(), fd = 0;
    size_t max = (size_t)esock_iov_max(), n = 2 * max + 1;
    struct iovec *v = vector(n, "z", 1);
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    esock_cmsg rights = {.level = SOL_SOCKET, .type = SCM_RIGHTS, .length = sizeof fd};
    ssize_t len = esock_cmsg_encode(&rights, 1, &fd, sizeof fd, control, sizeof control);
    assert_int_equal(send_all(a, v, n, control, (size_t)len), n);
    assert_int_equal(script_count(&k, K_SENDMSG), 3);
    assert_int_equal(counter(a, ESOCK_WRITE_BYTE), n);
    assert_int_equal(counter(a, ESOCK_WRITE_TRIES), 3);
    assert_int_equal(counter(a, ESOCK_WRITE_PKG), 1);
    assert_int_equal(counter(a, ESOCK_WRITE_PKG_MAX), n);

    /* The descriptor went along once. */
    size_t got = 0;
    unsigned fds = 0;
    while (got < n) {
        ssize_t r = esock_recvmsg(b, buf, sizeof buf, 0, 0, control, sizeof control, c, 4, &m);
        assert_true(r > 0);
        got += (size_t)r;
        fds += (unsigned)esock_cmsg_close_rights(b, control, m.control_len);
    }
    assert_int_equal(fds, 1);
    free(v);
    shut(a);
    shut(b);
    assert_int_equal(script_open_fds(), before);
}

/* The control data goes with the first buffer that has bytes. */
static void control_goes_with_the_first_byte(void **state) {
    struct script k;
    esock *a, *b;
    esock_msg m;
    esock_cmsg c[4];
    char buf[16], control[CONTROL];
    int fd = 0;
    size_t max = (size_t)esock_iov_max(), n = 3 * max;
    struct iovec *v = vector(n, "z", 0);
    v[max + 5].iov_len = 1;
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    esock_cmsg rights = {.level = SOL_SOCKET, .type = SCM_RIGHTS, .length = sizeof fd};
    ssize_t len = esock_cmsg_encode(&rights, 1, &fd, sizeof fd, control, sizeof control);
    assert_int_equal(esock_sendmsgv(a, v, n, 0, 0, NULL, control, (size_t)len), 1);
    assert_int_equal(script_count(&k, K_SENDMSG), 1);
    assert_int_equal(esock_recvmsg(b, buf, 16, 0, 0, control, sizeof control, c, 4, &m), 1);
    assert_int_equal(esock_cmsg_close_rights(b, control, m.control_len), 1);

    /* Only empty buffers: one call. */
    v[max + 5].iov_len = 0;
    assert_int_equal(esock_sendmsgv(a, v, n, 0, 0, NULL, NULL, 0), 0);
    assert_int_equal(script_count(&k, K_SENDMSG), 2);
    assert_int_equal(esock_sendmsgv(a, NULL, 0, 0, 0, NULL, NULL, 0), 0);
    assert_int_equal(script_count(&k, K_SENDMSG), 3);
    free(v);
    shut(a);
    shut(b);
}

/* The kernel tells ECONNRESET once, and EPIPE from then on: the caller gets the former, counted once. */
static void error_of_later_buffers_is_not_lost(void **state) {
    struct script k;
    esock *a, *b;
    size_t max = (size_t)esock_iov_max(), n = 3 * max;
    struct iovec *v = vector(n, "z", 1);
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    script_pass(&k, K_SENDMSG);
    script_answer(&k, K_SENDMSG, -ECONNRESET);
    script_answer(&k, K_SENDMSG, -EPIPE);
    assert_int_equal(esock_sendmsgv(a, v, n, 0, 0, NULL, NULL, 0), max);
    assert_int_equal(script_count(&k, K_SENDMSG), 1);
    assert_int_equal(counter(a, ESOCK_WRITE_FAILS), 0);
    assert_int_equal(esock_sendmsgv(a, v + max, n - max, 0, ESOCK_CONT, NULL, NULL, 0),
                     -ECONNRESET);
    assert_int_equal(counter(a, ESOCK_WRITE_BYTE), max);
    assert_int_equal(counter(a, ESOCK_WRITE_FAILS), 1);
    assert_int_equal(counter(a, ESOCK_WRITE_PKG), 1);
    free(v);
    shut(a);
    shut(b);
}

static void first_buffers_fail(void **state) {
    struct script k;
    esock *a, *b;
    size_t n = (size_t)esock_iov_max() + 1;
    struct iovec *v = vector(n, "z", 1);
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    script_answer(&k, K_SENDMSG, -EAGAIN);
    assert_int_equal(esock_sendmsgv(a, v, n, 0, 0, NULL, NULL, 0), -EAGAIN);
    assert_int_equal(counter(a, ESOCK_WRITE_WAITS), 1);
    script_answer(&k, K_SENDMSG, 3);
    assert_int_equal(esock_sendmsgv(a, v, n, 0, 0, NULL, NULL, 0), 3);
    assert_int_equal(script_count(&k, K_SENDMSG), 2);
    free(v);
    shut(a);
    shut(b);
}

/* SCTP's one-to-one sockets are streams by their type, and send messages: more buffers than a call takes would be two. */
static void long_vectors_on_sctp_streams(void **state) {
    struct script k;
    esock *s;
    int fds[2];
    size_t max = (size_t)esock_iov_max(), n = max + 1;
    struct iovec *v = vector(n, "z", 1);
    script_init(&k);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    script_answer(&k, K_SOCKET, fds[0]);
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, IPPROTO_SCTP, &k.sys), 0);
    assert_int_equal(esock_sendmsgv(s, v, n, 0, 0, NULL, NULL, 0), -EMSGSIZE);
    assert_int_equal(script_count(&k, K_SENDMSG), 0);
    v[max].iov_len = 0;
    assert_int_equal(esock_sendmsgv(s, v, n, 0, 0, NULL, NULL, 0), max);
    /* Control data without a byte is the kernel's to judge. */
    script_answer(&k, K_SENDMSG, 0);
    assert_int_equal(esock_sendmsgv(s, v, 0, 0, 0, NULL, "0123456789abcdef", 16), 0);
    assert_int_equal(script_count(&k, K_SENDMSG), 2);
    free(v);
    shut(s);
    close(fds[1]);
}

static void long_vectors_of_messages(void **state) {
    struct script k;
    esock *a, *b;
    esock_msg m;
    char buf[4096];
    size_t max = (size_t)esock_iov_max(), n = max + 9;
    struct iovec *v = vector(n, "z", 1);
    script_init(&k);
    unix_pair(&k.sys, SOCK_DGRAM, &a, &b);
    assert_int_equal(esock_sendmsgv(a, v, n, 0, 0, NULL, NULL, 0), -EMSGSIZE);
    assert_int_equal(script_count(&k, K_SENDMSG), 0);
    for (size_t i = max; i < n; i++)
        v[i].iov_len = 0;
    assert_int_equal(esock_sendmsgv(a, v, n, 0, 0, NULL, NULL, 0), max);
    assert_int_equal(esock_recvmsg(b, buf, sizeof buf, 0, 0, NULL, 0, NULL, 0, &m), max);
    v[n - 1].iov_len = 1;
    assert_int_equal(esock_sendmsgv(a, v, n, 0, 0, NULL, NULL, 0), -EMSGSIZE);
    assert_int_equal(esock_sendmsgv(a, v, 0, 0, 0, NULL, NULL, 0), 0); /* an empty message */
    assert_int_equal(esock_recvmsg(b, buf, sizeof buf, 0, 0, NULL, 0, NULL, 0, &m), 0);

    v[0].iov_len = v[1].iov_len = SSIZE_MAX;
    assert_int_equal(esock_sendmsgv(a, v, 2, 0, 0, NULL, NULL, 0), -EINVAL);
    free(v);
    shut(a);
    shut(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_and_payload),
        cmocka_unit_test(cut_message),
        cmocka_unit_test(empty_buffer_never_reaches_the_kernel),
        cmocka_unit_test(call_flags),
        cmocka_unit_test(interrupted),
        cmocka_unit_test(stream_end),
        cmocka_unit_test(empty_message_before_the_end),
        cmocka_unit_test(rights_arrive_close_on_exec),
        cmocka_unit_test(rights_in_truncated_control_are_closed),
        cmocka_unit_test(more_messages_than_records),
        cmocka_unit_test(ip_control_both_ways),
        cmocka_unit_test(bad_control_data_is_reported),
        cmocka_unit_test(more_buffers_than_a_call_takes),
        cmocka_unit_test(control_goes_with_the_first_byte),
        cmocka_unit_test(error_of_later_buffers_is_not_lost),
        cmocka_unit_test(first_buffers_fail),
        cmocka_unit_test(control_needs_a_byte_on_a_stream),
        cmocka_unit_test(empty_buffer_asks_for_the_length),
        cmocka_unit_test(long_vectors_on_sctp_streams),
        cmocka_unit_test(long_vectors_of_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
