/* The error queue: records from the kernel and made by hand. And SCM_PIDFD messages, whose descriptors must not
 * leak. */
#include "fixture.h"

#include <linux/errqueue.h>

#define CONTROL 256

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif
#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif
#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif

/* The data of an IP_RECVERR message: every member at a value that shows its sign, and an offender. */
struct data4 {
    struct sock_extended_err e;
    struct sockaddr_in offender;
};

struct data6 {
    struct sock_extended_err e;
    struct sockaddr_in6 offender;
};

static const struct sock_extended_err unreachable = {.ee_errno = EHOSTUNREACH,
                                                     .ee_origin = SO_EE_ORIGIN_ICMP,
                                                     .ee_type = 3,
                                                     .ee_code = 1,
                                                     .ee_info = 0xFFFFFFFF,
                                                     .ee_data = 0x80000000};

static struct data4 data4(void) {
    struct data4 d = {.e = unreachable, .offender.sin_family = AF_INET};
    memcpy(&d.offender.sin_addr, "\xC0\0\2\1", 4);
    return d;
}

static struct data6 data6(void) {
    struct data6 d = {.e = unreachable, .offender = {.sin6_family = AF_INET6, .sin6_scope_id = 7}};
    d.offender.sin6_addr.s6_addr[15] = 9;
    return d;
}

/* Puts a header before n bytes. `out` has CONTROL bytes; returns how many are used. */
static size_t wrap(char *out, int level, int type, const void *data, size_t n) {
    esock_cmsg c = {.level = level, .type = type, .length = (uint32_t)n};
    ssize_t r = esock_cmsg_encode(&c, 1, data, n, out, CONTROL);
    assert_int_equal(r, CMSG_SPACE(n));
    return (size_t)r;
}

static void set(esock *s, int level, int opt, int value) {
    assert_int_equal(setsockopt(esock_fd(s), level, opt, &value, sizeof value), 0);
}

/* What one read of the error queue gives: the record, and the message around it. */
struct queued {
    ssize_t n;
    esock_msg m;
    esock_cmsg c;
    esock_addr offender;
    int has_offender;
    char buf[64], control[CONTROL];
};

static struct queued take(esock *s, size_t len) {
    struct queued q;
    memset(&q, 0, sizeof q);
    q.n = esock_recvmsg(s, q.buf, len, MSG_ERRQUEUE, ESOCK_POLL, q.control, sizeof q.control, &q.c,
                        1, &q.m);
    assert_true(q.n >= 0);
    assert_true(q.m.flags & MSG_ERRQUEUE);
    assert_int_equal(q.m.cmsgs, 1);
    assert_int_equal(q.c.kind, ESOCK_CMSG_RECVERR);
    q.has_offender = esock_cmsg_offender(q.control, q.m.control_len, &q.c, &q.offender);
    return q;
}

static void empty(esock *s) {
    esock_msg m;
    char buf[4];
    assert_int_equal(esock_recvmsg(s, buf, 4, MSG_ERRQUEUE, ESOCK_POLL, NULL, 0, NULL, 0, &m),
                     -EAGAIN);
}

/* An address of the domain's loopback where nobody listens. */
static esock_addr closed_port(int domain) {
    esock *s;
    esock_addr a;
    assert_int_equal(esock_open(&s, domain, SOCK_DGRAM, 0, NULL), 0);
    assert_int_equal(esock_addr_shorthand(&a, domain, ESOCK_LOOPBACK), 0);
    assert_int_equal(esock_bind(s, &a), 0);
    assert_int_equal(esock_sockname(s, &a), 0);
    shut(s);
    return a;
}

static void port_unreachable(void **state) {
    for (int v6 = 0; v6 < 2; v6++) {
        esock *s;
        esock_addr to = closed_port(v6 ? AF_INET6 : AF_INET), loopback;
        assert_int_equal(esock_open(&s, to.family, SOCK_DGRAM, 0, NULL), 0);
        set(s, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR, 1);
        empty(s);
        refused(s, "ping", 4, &to);
        struct queued q = take(s, sizeof q.buf);
        assert_int_equal(q.n, 4);
        assert_memory_equal(q.buf, "ping", 4);
        assert_memory_equal(&q.m.addr, &to, sizeof to);
        assert_int_equal(q.c.v.recverr.error, ECONNREFUSED);
        assert_int_equal(q.c.v.recverr.origin, v6 ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP);
        assert_int_equal(q.c.v.recverr.type, v6 ? 1 : 3);
        assert_int_equal(q.c.v.recverr.code, v6 ? 4 : 3);
        assert_int_equal(q.c.v.recverr.info, 0);
        assert_int_equal(q.has_offender, 1);
        assert_int_equal(esock_addr_shorthand(&loopback, to.family, ESOCK_LOOPBACK), 0);
        assert_memory_equal(&q.offender, &loopback, sizeof loopback);
        empty(s);
        shut(s);
    }
}

/* More than the MTU, which must not be split: the kernel itself is the origin, and the MTU is in info. The loopback's
 * is more than an IP packet, and then that is the limit. */
static void local_error(void **state) {
    static char big[UINT16_MAX];
    esock *s;
    esock_addr to = closed_port(AF_INET);
    int mtu = 0;
    socklen_t len = sizeof mtu;
    assert_int_equal(esock_open(&s, AF_INET, SOCK_DGRAM, 0, NULL), 0);
    set(s, IPPROTO_IP, IP_RECVERR, 1);
    set(s, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    assert_int_equal(esock_connect(s, &to), 0);
    assert_int_equal(getsockopt(esock_fd(s), IPPROTO_IP, IP_MTU, &mtu, &len), 0);
    assert_int_equal(esock_send(s, big, sizeof big, 0, 0), -EMSGSIZE);
    struct queued q = take(s, 0);
    assert_int_equal(q.c.v.recverr.error, EMSGSIZE);
    assert_int_equal(q.c.v.recverr.origin, SO_EE_ORIGIN_LOCAL);
    assert_int_equal(q.c.v.recverr.info, mtu);
    assert_int_equal(q.has_offender, 0);
    assert_int_equal(q.offender.form, ESOCK_ADDR_NONE);
    empty(s);
    shut(s);
}

/* A UDP socket that has sent "ping" to a closed port: its error queue has a record. */
static esock *refused_socket(void) {
    esock *s;
    esock_addr to = closed_port(AF_INET);
    assert_int_equal(esock_open(&s, AF_INET, SOCK_DGRAM, 0, NULL), 0);
    set(s, IPPROTO_IP, IP_RECVERR, 1);
    refused(s, "ping", 4, &to);
    return s;
}

static void payload_not_wanted(void **state) {
    esock *s = refused_socket();
    esock_msg m;
    char buf[4];
    assert_int_equal(esock_recvmsg(s, buf, 0, 0, 0, NULL, 0, NULL, 0, &m), -EINVAL);
    struct queued q = take(s, 0);
    assert_int_equal(q.n, 0);
    assert_true(q.m.flags & MSG_TRUNC);
    assert_int_equal(q.c.v.recverr.error, ECONNREFUSED);
    assert_int_equal(counter(s, ESOCK_READ_PKG), 1);
    assert_int_equal(counter(s, ESOCK_READ_FAILS), 0);
    shut(s);
}

/* Linux removes the record even with MSG_PEEK, so it is counted. */
static void peeking_takes(void **state) {
    esock *s = refused_socket();
    esock_msg m;
    char buf[8];
    assert_int_equal(
        esock_recvmsg(s, buf, sizeof buf, MSG_ERRQUEUE | MSG_PEEK, 0, NULL, 0, NULL, 0, &m), 4);
    assert_true(m.flags & MSG_CTRUNC);
    assert_int_equal(counter(s, ESOCK_READ_BYTE), 4);
    assert_int_equal(counter(s, ESOCK_READ_PKG), 1);
    empty(s);
    shut(s);
}

/* Sockets that ignore MSG_ERRQUEUE would lose a message to a receive into 0 bytes. */
static void empty_buffer_loses_no_message(void **state) {
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (size_t i = 0; i < LEN(types); i++) {
        struct script k;
        esock *a, *b;
        esock_msg m;
        char buf[4];
        script_init(&k);
        unix_pair(&k.sys, types[i], &a, &b);
        assert_int_equal(esock_send(a, "abc", 3, 0, 0), 3);
        assert_int_equal(esock_recvmsg(b, buf, 0, MSG_ERRQUEUE, 0, NULL, 0, NULL, 0, &m),
                         types[i] == SOCK_STREAM ? 0 : -EINVAL);
        assert_int_equal(script_count(&k, K_RECVMSG), 0);
        assert_int_equal(esock_recvmsg(b, buf, 4, MSG_ERRQUEUE, 0, NULL, 0, NULL, 0, &m), 3);
        assert_false(m.flags & MSG_ERRQUEUE);
        shut(a);
        shut(b);
    }
}

/* Sockets that ignore MSG_ERRQUEUE receive data, and 0 bytes are the end. */
static void unix_ends_stay_ends(void **state) {
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};
    for (size_t i = 0; i < LEN(types); i++) {
        esock *a, *b;
        esock_msg m;
        char buf[4];
        unix_pair(NULL, types[i], &a, &b);
        shut(a);
        ssize_t end = types[i] == SOCK_STREAM ? 0 : -ESHUTDOWN;
        assert_int_equal(esock_recv(b, buf, 4, MSG_ERRQUEUE, 0), end);
        assert_int_equal(esock_recvmsg(b, buf, 4, MSG_ERRQUEUE, 0, NULL, 0, NULL, 0, &m), end);
        assert_int_equal(counter(b, ESOCK_READ_FAILS), 2);
        shut(b);
    }
}

/* A notice of zero-copy sending has no payload: 0 bytes on a stream, and not its end. */
static void zero_copy_notice(void **state) {
    static char data[16384];
    esock *a, *b;
    tcp_pair(NULL, &a, &b);
    set(a, SOL_SOCKET, SO_ZEROCOPY, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(esock_send(a, data, sizeof data, MSG_ZEROCOPY, 0), sizeof data);
        for (size_t got = 0; got < sizeof data;) {
            static char sink[sizeof data];
            await(esock_fd(b), POLLIN);
            ssize_t n = esock_recv(b, sink, sizeof sink, 0, 0);
            assert_true(n > 0);
            got += (size_t)n;
        }
        await(esock_fd(a), 0);
        struct queued q = take(a, i == 0 ? sizeof q.buf : 0);
        assert_int_equal(q.n, 0);
        assert_int_equal(q.c.v.recverr.error, 0);
        assert_int_equal(q.c.v.recverr.origin, SO_EE_ORIGIN_ZEROCOPY);
        assert_int_equal(q.c.v.recverr.info, i);
        assert_int_equal(q.c.v.recverr.data, i);
        assert_int_equal(q.has_offender, 0);
        assert_int_equal(counter(a, ESOCK_READ_PKG), i + 1);
        assert_int_equal(counter(a, ESOCK_READ_FAILS), 0);
    }
    empty(a);
    shut(a);
    shut(b);
}

/* recv(2) and recvfrom(2) do not say whether they read the error queue: on TCP they do. */
static void zero_bytes_without_result_flags(void **state) {
    struct script k;
    esock *a, *b;
    esock_addr from;
    char buf[4];
    script_init(&k);
    tcp_pair(&k.sys, &a, &b);
    script_answer(&k, K_RECV, 0);
    assert_int_equal(esock_recv(a, buf, 4, MSG_ERRQUEUE, ESOCK_FULL), 0);
    script_answer(&k, K_RECVFROM, 0);
    assert_int_equal(esock_recvfrom(a, buf, 4, MSG_ERRQUEUE, 0, &from), 0);
    assert_int_equal(counter(a, ESOCK_READ_PKG), 2);
    assert_int_equal(counter(a, ESOCK_READ_FAILS), 0);
    script_answer(&k, K_RECV, 0);
    assert_int_equal(esock_recv(a, buf, 4, 0, 0), 0);
    assert_int_equal(counter(a, ESOCK_READ_FAILS), 1);
    shut(a);
    shut(b);
}

/* A vsock seqpacket socket (Linux 6.7) has an error queue too: an empty notice is not the end, even after the end. */
static void notice_after_the_end(void **state) {
    struct script k;
    esock *s;
    char buf[4];
    int fd[2];
    script_init(&k);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
    close(fd[1]);
    script_answer(&k, K_SOCKET, fd[0]);
    assert_int_equal(esock_open(&s, AF_VSOCK, SOCK_SEQPACKET, 1, &k.sys), 0);
    script_answer(&k, K_RECV, 0);
    assert_int_equal(esock_recv(s, buf, 4, MSG_ERRQUEUE, 0), 0);
    assert_int_equal(counter(s, ESOCK_READ_PKG), 1);
    assert_int_equal(esock_recv(s, buf, 4, 0, 0), -ESHUTDOWN);
    shut(s);
}

static void which_sockets_have_one(void **state) {
    static const struct {
        int domain, type, protocol;
        enum esock_error_queue want;
    } t[] = {
        {AF_INET, SOCK_STREAM, IPPROTO_TCP, ESOCK_ERRQUEUE_YES},
        {AF_INET6, SOCK_DGRAM, IPPROTO_UDP, ESOCK_ERRQUEUE_YES},
        {AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE, ESOCK_ERRQUEUE_YES},
        {AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6, ESOCK_ERRQUEUE_YES},
        {AF_INET, SOCK_RAW, 115, ESOCK_ERRQUEUE_YES},
        {AF_PACKET, SOCK_RAW, 0, ESOCK_ERRQUEUE_YES},
        {AF_INET, SOCK_STREAM, 262, ESOCK_ERRQUEUE_MAYBE},
        {AF_INET, SOCK_STREAM, IPPROTO_SCTP, ESOCK_ERRQUEUE_MAYBE},
        {AF_INET6, SOCK_SEQPACKET, IPPROTO_SCTP, ESOCK_ERRQUEUE_MAYBE},
        {AF_INET, SOCK_DGRAM, 115, ESOCK_ERRQUEUE_MAYBE},
        {AF_VSOCK, SOCK_STREAM, 0, ESOCK_ERRQUEUE_MAYBE},
        {AF_UNIX, SOCK_STREAM, 0, ESOCK_ERRQUEUE_NO},
        {AF_NETLINK, SOCK_RAW, 0, ESOCK_ERRQUEUE_NO},
    };
    for (size_t i = 0; i < LEN(t); i++) {
        struct script k;
        esock *s;
        script_init(&k);
        script_answer(&k, K_SOCKET, dup(0));
        assert_int_equal(esock_open(&s, t[i].domain, t[i].type, t[i].protocol, &k.sys), 0);
        assert_int_equal(esock_error_queue(s), t[i].want);
        shut(s);
    }
}

/* An error alone, without a record, is pending too. */
static void errors_are_pending(void **state) {
    esock *s;
    esock_addr to = closed_port(AF_INET);
    struct script k;
    script_init(&k);
    assert_int_equal(esock_open(&s, AF_INET, SOCK_DGRAM, 0, &k.sys), 0);
    assert_int_equal(esock_error_pending(s), 0);
    assert_int_equal(esock_connect(s, &to), 0);
    refused(s, "ping", 4, NULL);
    script_answer(&k, K_POLL, -EINTR);
    assert_int_equal(esock_error_pending(s), 1);
    assert_int_equal(esock_send(s, "ping", 4, 0, 0), -ECONNREFUSED);
    assert_int_equal(esock_error_pending(s), 0);
    script_answer(&k, K_POLL, -ENOMEM);
    assert_int_equal(esock_error_pending(s), -ENOMEM);
    shut(s);
}

/* The flags of the result say whether the kernel read the error queue. */
static void result_flags_decide(void **state) {
    for (int heeded = 0; heeded < 2; heeded++) {
        struct script k;
        esock *a, *b;
        esock_msg m;
        char buf[4];
        script_init(&k);
        tcp_pair(&k.sys, &a, &b);
        script_put(&k, K_RECVMSG,
                   (struct script_answer){.result = 0, .msg_flags = heeded ? MSG_ERRQUEUE : 0});
        assert_int_equal(esock_recvmsg(a, buf, 4, MSG_ERRQUEUE, 0, NULL, 0, NULL, 0, &m), 0);
        assert_int_equal(counter(a, ESOCK_READ_FAILS), !heeded);
        assert_int_equal(counter(a, ESOCK_READ_PKG), heeded);
        shut(a);
        shut(b);
    }
}

/* No member is negative. */
static void all_members_unsigned(void **state) {
    char control[CONTROL];
    struct data4 d = data4();
    esock_cmsg c = only_cmsg(control, wrap(control, IPPROTO_IP, IP_RECVERR, &d, sizeof d));
    assert_int_equal(c.kind, ESOCK_CMSG_RECVERR);
    assert_int_equal(c.v.recverr.error, EHOSTUNREACH);
    assert_int_equal(c.v.recverr.origin, SO_EE_ORIGIN_ICMP);
    assert_int_equal(c.v.recverr.type, 3);
    assert_int_equal(c.v.recverr.code, 1);
    assert_true(c.v.recverr.info == UINT64_C(0xFFFFFFFF));
    assert_true(c.v.recverr.data == UINT64_C(0x80000000));
    memset(&d.e, 0xFF, sizeof d.e);
    c = only_cmsg(control, wrap(control, IPPROTO_IPV6, IPV6_RECVERR, &d, sizeof d));
    assert_true(c.v.recverr.error == UINT32_MAX);
    assert_int_equal(c.v.recverr.origin, 255);
}

/* A record of n bytes of data, for each n: in a block of just its size, and at every alignment. */
static void cut(int level, int type, const void *data, size_t size) {
    const size_t header = CMSG_LEN(0);
    for (size_t n = 0; n <= size; n++)
        for (size_t shift = 0; shift < 8; shift++) {
            char control[CONTROL];
            esock_addr a;
            wrap(control, level, type, data, n);
            char *block = malloc(shift + header + n), *at = block + shift;
            memcpy(at, control, header + n);
            esock_cmsg c = only_cmsg(at, header + n);
            bool whole = n >= sizeof(struct sock_extended_err);
            assert_int_equal(c.kind, whole ? ESOCK_CMSG_RECVERR : ESOCK_CMSG_RAW);
            assert_int_equal(c.v.recverr.error, whole ? EHOSTUNREACH : 0);
            memset(&a, 0x77, sizeof a);
            assert_int_equal(esock_cmsg_offender(at, header + n, &c, &a), n == size);
            assert_int_equal(a.form, n == size ? ESOCK_ADDR_KNOWN : ESOCK_ADDR_NONE);
            free(block);
        }
}

static void cut_at_every_byte(void **state) {
    struct data4 d4 = data4();
    struct data6 d6 = data6();
    cut(IPPROTO_IP, IP_RECVERR, &d4, sizeof d4);
    cut(IPPROTO_IPV6, IPV6_RECVERR, &d6, sizeof d6);

    char control[CONTROL];
    esock_addr a;
    size_t n = wrap(control, IPPROTO_IPV6, IPV6_RECVERR, &d6, sizeof d6);
    esock_cmsg c = only_cmsg(control, n);
    assert_int_equal(esock_cmsg_offender(control, n, &c, &a), 1);
    assert_int_equal(a.family, AF_INET6);
    assert_int_equal(a.ip[15], 9);
    assert_int_equal(a.scope_id, 7);
}

static void offender_stays_inside(void **state) {
    char control[CONTROL];
    struct data4 d = data4();
    size_t n = wrap(control, IPPROTO_IP, IP_RECVERR, &d, sizeof d);
    esock_cmsg c = only_cmsg(control, n), bad;
    esock_addr a;
    const uint32_t places[] = {0, 1, 17, (uint32_t)n, UINT32_MAX};
    char *exact = malloc(n);
    memcpy(exact, control, n);
    for (size_t i = 0; i < LEN(places); i++)
        for (size_t j = 0; j < LEN(places); j++) {
            bad = c;
            bad.offset = places[i];
            bad.length = places[j];
            int r = esock_cmsg_offender(exact, n, &bad, &a);
            assert_int_equal(r, a.form == ESOCK_ADDR_KNOWN);
        }
    free(exact);
    bad = c;
    bad.offset++;
    assert_int_equal(esock_cmsg_offender(control, n, &bad, &a), 0);
    bad = c;
    bad.kind = ESOCK_CMSG_RAW;
    assert_int_equal(esock_cmsg_offender(control, n, &bad, &a), 0);
    assert_int_equal(esock_cmsg_offender(NULL, 0, &c, &a), 0);

    static const sa_family_t nobody[] = {AF_UNSPEC, 200}; /* 200: no such family */
    for (size_t i = 0; i < LEN(nobody); i++) {
        d.offender.sin_family = nobody[i];
        n = wrap(control, IPPROTO_IP, IP_RECVERR, &d, sizeof d);
        c = only_cmsg(control, n);
        assert_int_equal(esock_cmsg_offender(control, n, &c, &a), 0);
        assert_int_equal(a.form, ESOCK_ADDR_NONE);
        assert_int_equal(a.family, 0);
    }
}

static void only_received(void **state) {
    char out[CONTROL];
    esock_cmsg c = {.level = IPPROTO_IP, .type = IP_RECVERR, .kind = ESOCK_CMSG_RECVERR};
    assert_int_equal(esock_cmsg_encode(&c, 1, NULL, 0, out, sizeof out), -EINVAL);
    c = (esock_cmsg){.level = SOL_SOCKET, .type = SCM_PIDFD, .kind = ESOCK_CMSG_PIDFD};
    assert_int_equal(esock_cmsg_encode(&c, 1, NULL, 0, out, sizeof out), -EINVAL);
}

/* One SCM_RIGHTS and one SCM_PIDFD message with a descriptor each. */
static size_t two_descriptors(char *control, int right, int pidfd) {
    int fds[] = {right, pidfd};
    esock_cmsg c[] = {
        {.level = SOL_SOCKET, .type = SCM_RIGHTS, .length = sizeof(int)},
        {.level = SOL_SOCKET, .type = SCM_PIDFD, .offset = sizeof(int), .length = sizeof(int)}};
    ssize_t n = esock_cmsg_encode(c, 2, fds, sizeof fds, control, CONTROL);
    assert_true(n > 0);
    return (size_t)n;
}

static void pidfds_are_closed(void **state) {
    struct script k;
    esock *a, *b;
    esock_cmsg c;
    char control[CONTROL];
    script_init(&k);
    unix_pair(&k.sys, SOCK_DGRAM, &a, &b);
    unsigned closed = script_count(&k, K_CLOSE);
    int before = script_open_fds(), fd = dup(0);
    size_t n = two_descriptors(control, dup(0), fd), pos = 0;
    assert_int_equal(esock_cmsg_next(control, n, &pos, &c), 1);
    assert_int_equal(esock_cmsg_next(control, n, &pos, &c), 1);
    assert_int_equal(c.kind, ESOCK_CMSG_PIDFD);
    assert_int_equal(c.v.fd, fd);
    assert_int_equal(esock_cmsg_close_rights(b, control, n), 2);
    assert_int_equal(script_count(&k, K_CLOSE) - closed, 2);
    assert_int_equal(script_open_fds(), before);

    n = two_descriptors(control, -1, -ESRCH); /* the process is gone */
    assert_int_equal(esock_cmsg_close_rights(b, control, n), 0);
    shut(a);
    shut(b);
}

static void truncated_pidfds_are_dropped(void **state) {
    for (size_t max = 0; max <= 2; max++) {
        struct script k;
        esock *a, *b;
        esock_msg m;
        esock_cmsg c[2];
        char buf[4], control[CONTROL], answer[CONTROL];
        script_init(&k);
        unix_pair(&k.sys, SOCK_DGRAM, &a, &b);
        int before = script_open_fds();
        size_t n = two_descriptors(answer, dup(0), dup(0)), pos = 0;
        script_put(&k, K_RECVMSG,
                   (struct script_answer){.result = 1,
                                          .data = "x",
                                          .data_len = 1,
                                          .control = answer,
                                          .control_len = n,
                                          .msg_flags = MSG_CTRUNC});
        assert_int_equal(esock_recvmsg(b, buf, 4, 0, 0, control, sizeof control, c, max, &m), 1);
        assert_int_equal(m.cmsgs, 2);
        assert_int_equal(script_open_fds(), before);
        if (max > 0) assert_int_equal(c[0].v.rights, 0);
        if (max > 1) {
            assert_int_equal(c[1].kind, ESOCK_CMSG_PIDFD);
            assert_int_equal(c[1].v.fd, -1);
            assert_int_equal(c[1].length, 0);
        }
        assert_int_equal(esock_cmsg_next(control, n, &pos, &c[0]), 1);
        assert_int_equal(esock_cmsg_next(control, n, &pos, &c[0]), 1);
        assert_true(c[0].v.fd < 0);
        assert_int_equal(esock_cmsg_close_rights(b, control, n), 0);
        shut(a);
        shut(b);
    }
}

static void pidfd_of_the_sender(void **state) {
    esock *a, *b;
    esock_msg m;
    esock_cmsg c;
    char buf[4], control[CONTROL];
    int on = 1;
    unix_pair(NULL, SOCK_DGRAM, &a, &b);
    if (setsockopt(esock_fd(b), SOL_SOCKET, SO_PASSPIDFD, &on, sizeof on) != 0) {
        shut(a);
        shut(b);
        print_message("skipped: Linux before 6.5 has no SO_PASSPIDFD\n");
        skip();
    }
    int before = script_open_fds();
    assert_int_equal(esock_send(a, "x", 1, 0, 0), 1);
    assert_int_equal(esock_recvmsg(b, buf, 4, 0, 0, control, sizeof control, &c, 1, &m), 1);
    assert_int_equal(c.kind, ESOCK_CMSG_PIDFD);
    assert_int_equal(fcntl(c.v.fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(esock_cmsg_close_rights(b, control, m.control_len), 1);
    assert_int_equal(script_open_fds(), before);
    shut(a);
    shut(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(port_unreachable),
        cmocka_unit_test(local_error),
        cmocka_unit_test(payload_not_wanted),
        cmocka_unit_test(peeking_takes),
        cmocka_unit_test(empty_buffer_loses_no_message),
        cmocka_unit_test(unix_ends_stay_ends),
        cmocka_unit_test(zero_copy_notice),
        cmocka_unit_test(zero_bytes_without_result_flags),
        cmocka_unit_test(notice_after_the_end),
        cmocka_unit_test(result_flags_decide),
        cmocka_unit_test(which_sockets_have_one),
        cmocka_unit_test(errors_are_pending),
        cmocka_unit_test(all_members_unsigned),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(offender_stays_inside),
        cmocka_unit_test(only_received),
        cmocka_unit_test(pidfds_are_closed),
        cmocka_unit_test(truncated_pidfds_are_dropped),
        cmocka_unit_test(pidfd_of_the_sender),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
