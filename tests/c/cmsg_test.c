/* Control messages: walk, decode, encode. */
#include "fixture.h"

#include <sys/time.h>

static esock_cmsg value_of(int level, int type, enum esock_cmsg_kind kind) {
    return (esock_cmsg){.level = level, .type = type, .kind = kind};
}

static esock_cmsg bytes_of(int level, int type, uint32_t offset, uint32_t length) {
    return (esock_cmsg){.level = level, .type = type, .offset = offset, .length = length};
}

/* Writes one header and n bytes at `at`; returns where the next one goes. */
static size_t put(void *buf, size_t at, int level, int type, const void *data, size_t n) {
    struct cmsghdr h;
    memset(&h, 0, sizeof h);
    h.cmsg_len = CMSG_LEN(n);
    h.cmsg_level = level;
    h.cmsg_type = type;
    memset((char *)buf + at, 0, CMSG_SPACE(n));
    memcpy((char *)buf + at, &h, sizeof h);
    if (n > 0) memcpy((char *)buf + at + CMSG_LEN(0), data, n);
    return at + CMSG_SPACE(n);
}

static esock_cmsg received(int level, int type, const void *data, size_t n) {
    char buf[256];
    return only_cmsg(buf, put(buf, 0, level, type, data, n));
}

/* Encodes a value and decodes what came out. */
static esock_cmsg through(const esock_cmsg *c) {
    char buf[256];
    ssize_t n = esock_cmsg_encode(c, 1, NULL, 0, buf, sizeof buf);
    assert_true(n > 0);
    esock_cmsg out = only_cmsg(buf, (size_t)n);
    assert_int_equal(out.kind, c->kind);
    return out;
}

static void timestamp_keeps_sec_and_usec_apart(void **state) {
    struct timeval t = {.tv_sec = 1700000001, .tv_usec = 654321};
    esock_cmsg c = received(SOL_SOCKET, SCM_TIMESTAMP, &t, sizeof t);
    assert_int_equal(c.kind, ESOCK_CMSG_TIME);
    assert_true(c.v.time.sec == 1700000001);
    assert_true(c.v.time.nsec == 654321000);
    esock_cmsg d = through(&c);
    assert_true(d.v.time.sec == 1700000001 && d.v.time.nsec == 654321000);

    char buf[64];
    c.v.time.nsec = 1000000000;
    assert_int_equal(esock_cmsg_encode(&c, 1, NULL, 0, buf, sizeof buf), -EINVAL);
    t.tv_usec = 1000000;
    assert_int_equal(received(SOL_SOCKET, SCM_TIMESTAMP, &t, sizeof t).kind, ESOCK_CMSG_RAW);
}

static void tos_is_the_whole_byte(void **state) {
    for (int type = 0; type < 2; type++) {
        int number = type ? IP_RECVTOS : IP_TOS;
        for (int v = 0; v < 256; v++) {
            unsigned char byte = (unsigned char)v;
            assert_true(received(IPPROTO_IP, number, &byte, 1).v.i == v);
            assert_true(received(IPPROTO_IP, number, &v, sizeof v).v.i == v);
        }
    }
}

static void ints(void **state) {
    int v = 37;
    unsigned char byte = 250;
    static const struct {
        int level, type;
        bool bytes, sendable;
    } all[] = {{IPPROTO_IP, IP_TOS, true, true},
               {IPPROTO_IP, IP_RECVTOS, true, false},
               {IPPROTO_IP, IP_TTL, true, true},
               {IPPROTO_IP, IP_RECVTTL, true, false},
               {IPPROTO_IPV6, IPV6_HOPLIMIT, false, true},
               {IPPROTO_IPV6, IPV6_TCLASS, false, true},
               {IPPROTO_IPV6, IPV6_RECVTCLASS, false, false}};
    for (size_t i = 0; i < LEN(all); i++) {
        char buf[64];
        esock_cmsg c = received(all[i].level, all[i].type, &v, sizeof v);
        assert_int_equal(c.kind, ESOCK_CMSG_INT);
        assert_true(c.v.i == 37);
        c = received(all[i].level, all[i].type, &byte, 1);
        assert_int_equal(c.kind, all[i].bytes ? ESOCK_CMSG_INT : ESOCK_CMSG_RAW);
        assert_true(c.v.i == (all[i].bytes ? 250 : 0));

        c = value_of(all[i].level, all[i].type, ESOCK_CMSG_INT);
        c.v.i = 99;
        ssize_t n = esock_cmsg_encode(&c, 1, NULL, 0, buf, sizeof buf);
        if (!all[i].sendable) {
            assert_int_equal(n, -EINVAL);
            continue;
        }
        assert_int_equal(n, CMSG_SPACE(sizeof(int)));
        assert_true(only_cmsg(buf, (size_t)n).v.i == 99);
        c.v.i = (int64_t)INT32_MAX + 1;
        assert_int_equal(esock_cmsg_encode(&c, 1, NULL, 0, buf, sizeof buf), -EINVAL);
    }
}

static void structs(void **state) {
    esock_cmsg c = value_of(SOL_SOCKET, SCM_CREDENTIALS, ESOCK_CMSG_CREDENTIALS);
    c.v.cred.pid = 11;
    c.v.cred.uid = 0xFFFFFFFE;
    c.v.cred.gid = 13;
    esock_cmsg d = through(&c);
    assert_int_equal(d.v.cred.pid, 11);
    assert_true(d.v.cred.uid == 0xFFFFFFFE);
    assert_int_equal(d.v.cred.gid, 13);

    struct in_pktinfo p4 = {.ipi_ifindex = 3};
    memcpy(&p4.ipi_spec_dst, "\1\2\3\4", 4);
    memcpy(&p4.ipi_addr, "\5\6\7\10", 4);
    c = received(IPPROTO_IP, IP_PKTINFO, &p4, sizeof p4);
    assert_int_equal(c.kind, ESOCK_CMSG_PKTINFO4);
    d = through(&c);
    assert_int_equal(d.v.pktinfo4.ifindex, 3);
    assert_memory_equal(d.v.pktinfo4.spec_dst, "\1\2\3\4", 4);
    assert_memory_equal(d.v.pktinfo4.addr, "\5\6\7\10", 4);

    struct in6_pktinfo p6 = {.ipi6_ifindex = 5};
    memset(&p6.ipi6_addr, 0xFE, 16);
    c = received(IPPROTO_IPV6, IPV6_PKTINFO, &p6, sizeof p6);
    assert_int_equal(c.kind, ESOCK_CMSG_PKTINFO6);
    d = through(&c);
    assert_int_equal(d.v.pktinfo6.ifindex, 5);
    assert_memory_equal(d.v.pktinfo6.addr, &p6.ipi6_addr, 16);

    int fds[] = {7, 8, 9};
    c = received(SOL_SOCKET, SCM_RIGHTS, fds, sizeof fds);
    assert_int_equal(c.kind, ESOCK_CMSG_RIGHTS);
    assert_int_equal(c.v.rights, 3);
    assert_int_equal(c.length, 12);
}

/* Every type with a row: its kind, the fewest bytes, and whether a value of it can be sent. */
static void every_row(void **state) {
    enum { TV = 2 * sizeof(long), STAMPS = 6 * sizeof(long) };
    static const struct {
        int level, type;
        enum esock_cmsg_kind kind;
        size_t min;
        bool sendable;
    } all[] = {{SOL_SOCKET, SCM_RIGHTS, ESOCK_CMSG_RIGHTS, 4, true},
               {SOL_SOCKET, SCM_CREDENTIALS, ESOCK_CMSG_CREDENTIALS, 12, true},
               {SOL_SOCKET, 3 /* SCM_SECURITY */, ESOCK_CMSG_BYTES, 0, true},
               {SOL_SOCKET, 4 /* SCM_PIDFD */, ESOCK_CMSG_PIDFD, 4, false},
               {SOL_SOCKET, SO_PRIORITY, ESOCK_CMSG_INT, 4, true},
               {SOL_SOCKET, SO_MARK, ESOCK_CMSG_INT, 4, true},
               {SOL_SOCKET, 29, ESOCK_CMSG_TIME, TV, true},
               {SOL_SOCKET, 35, ESOCK_CMSG_TIME, TV, true},
               {SOL_SOCKET, 37, ESOCK_CMSG_TIMESTAMPING, STAMPS, false},
               {SOL_SOCKET, 63, ESOCK_CMSG_TIME, 16, true},
               {SOL_SOCKET, 64, ESOCK_CMSG_TIME, 16, true},
               {SOL_SOCKET, 65, ESOCK_CMSG_TIMESTAMPING, 48, false},
               {SOL_SOCKET, SO_RXQ_OVFL, ESOCK_CMSG_INT, 4, false},
               {SOL_SOCKET, SO_WIFI_STATUS, ESOCK_CMSG_INT, 4, false},
               {SOL_SOCKET, 61 /* SCM_TXTIME */, ESOCK_CMSG_INT, 8, true},
               {SOL_SOCKET, 81 /* SCM_TS_OPT_ID */, ESOCK_CMSG_INT, 4, true},
               {IPPROTO_IP, IP_RECVOPTS, ESOCK_CMSG_BYTES, 0, true},
               {IPPROTO_IP, IP_RETOPTS, ESOCK_CMSG_BYTES, 0, true},
               {IPPROTO_IP, IP_RECVERR, ESOCK_CMSG_RECVERR, 16, false},
               {IPPROTO_IP, 23 /* IP_CHECKSUM */, ESOCK_CMSG_INT, 4, false},
               {IPPROTO_IP, 25 /* IP_RECVFRAGSIZE */, ESOCK_CMSG_INT, 4, false},
               {IPPROTO_IPV6, 11 /* IPV6_FLOWINFO */, ESOCK_CMSG_INT, 4, true},
               {IPPROTO_IPV6, IPV6_RECVERR, ESOCK_CMSG_RECVERR, 16, false},
               {IPPROTO_IPV6, IPV6_HOPOPTS, ESOCK_CMSG_BYTES, 0, true},
               {IPPROTO_IPV6, IPV6_DSTOPTS, ESOCK_CMSG_BYTES, 0, true},
               {IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, ESOCK_CMSG_BYTES, 0, true},
               {IPPROTO_IPV6, IPV6_RTHDR, ESOCK_CMSG_BYTES, 0, true},
               {IPPROTO_IPV6, 77 /* IPV6_RECVFRAGSIZE */, ESOCK_CMSG_INT, 4, false},
               {IPPROTO_UDP, 103 /* UDP_SEGMENT */, ESOCK_CMSG_INT, 2, true},
               {IPPROTO_UDP, 104 /* UDP_GRO */, ESOCK_CMSG_INT, 4, false},
               {IPPROTO_TCP, 36 /* TCP_CM_INQ */, ESOCK_CMSG_INT, 4, false},
               {263 /* SOL_PACKET */, 8, ESOCK_CMSG_AUXDATA, 20, false},
               {263, 16, ESOCK_CMSG_RECVERR, 16, false},
               {287 /* SOL_VSOCK */, 1, ESOCK_CMSG_RECVERR, 16, false},
               {282 /* SOL_TLS */, 1, ESOCK_CMSG_INT, 1, true},
               {282, 2, ESOCK_CMSG_INT, 1, false},
               {279 /* SOL_ALG */, 2, ESOCK_CMSG_BYTES, 5, true}, /* the length, 1, and a byte */
               {279, 3, ESOCK_CMSG_INT, 4, true},
               {279, 4, ESOCK_CMSG_INT, 4, true},
               {132 /* SOL_SCTP */, 0, ESOCK_CMSG_SCTP_INIT, 8, true},
               {132, 1, ESOCK_CMSG_SCTP_SNDRCV, 32, true},
               {132, 2, ESOCK_CMSG_SCTP_SNDINFO, 16, true},
               {132, 3, ESOCK_CMSG_SCTP_RCVINFO, 28, false},
               {132, 4, ESOCK_CMSG_SCTP_NXTINFO, 16, false}};
    char data[64] = {0}, buf[128], out[128];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i % 8 == 0); /* small numbers in every place */
    for (size_t i = 0; i < LEN(all); i++) {
        size_t n = put(buf, 0, all[i].level, all[i].type, data, all[i].min);
        esock_cmsg c = only_cmsg(buf, n), d;
        assert_int_equal(c.kind, all[i].kind);
        if (all[i].min > 0)
            assert_int_equal(received(all[i].level, all[i].type, data, all[i].min - 1).kind,
                             ESOCK_CMSG_RAW);
        ssize_t r = esock_cmsg_encode(&c, 1, buf, n, out, sizeof out);
        if (!all[i].sendable) {
            assert_int_equal(r, -EINVAL);
            continue;
        }
        assert_int_equal(r, n);
        d = only_cmsg(out, (size_t)r);
        assert_memory_equal(&d, &c, sizeof d);
    }
    /* Numbers at the edges of the tables, and beyond. */
    static const int levels[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, IPPROTO_TCP,
                                 132,        263,        287,          -1};
    for (size_t i = 0; i < LEN(levels); i++) {
        static const int types[] = {-1, INT32_MIN, 105, 1000, INT32_MAX};
        for (size_t j = 0; j < LEN(types); j++)
            assert_int_equal(received(levels[i], types[j], data, sizeof data).kind, ESOCK_CMSG_RAW);
    }
}

static void addresses(void **state) {
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(80)};
    memcpy(&a4.sin_addr, "\1\2\3\4", 4);
    esock_cmsg c = received(IPPROTO_IP, IP_ORIGDSTADDR, &a4, sizeof a4);
    assert_int_equal(c.kind, ESOCK_CMSG_ADDR);
    assert_int_equal(c.v.addr.family, AF_INET);
    assert_int_equal(c.v.addr.port, 80);
    assert_memory_equal(c.v.addr.ip, "\1\2\3\4", 4);
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons(81),
                              .sin6_flowinfo = htonl(0x12345),
                              .sin6_scope_id = 7};
    memset(&a6.sin6_addr, 0xFE, 16);
    c = received(IPPROTO_IPV6, 74 /* IPV6_ORIGDSTADDR */, &a6, sizeof a6);
    assert_int_equal(c.kind, ESOCK_CMSG_ADDR);
    assert_int_equal(c.v.addr.port, 81);
    assert_true(c.v.addr.flowinfo == 0x12345 && c.v.addr.scope_id == 7);
    assert_memory_equal(c.v.addr.ip, &a6.sin6_addr, 16);
    a4.sin_family = AF_INET6;
    assert_int_equal(received(IPPROTO_IP, IP_ORIGDSTADDR, &a4, sizeof a4).kind, ESOCK_CMSG_RAW);
    a6.sin6_family = AF_INET;
    assert_int_equal(received(IPPROTO_IPV6, 74, &a6, sizeof a6).kind, ESOCK_CMSG_RAW);
}

static void all_at_once(void **state) {
    char buf[128];
    int v = 5;
    size_t n = put(buf, 0, IPPROTO_IP, IP_TTL, &v, sizeof v);
    n = put(buf, n, IPPROTO_IP, IP_TOS, &v, 1);
    n = put(buf, n, 77, 88, &v, 4);
    esock_cmsg c[2];
    uint32_t bad = 1;
    assert_int_equal(esock_cmsg_decode(buf, n, c, 2, &bad), 3);
    assert_int_equal(bad, 0);
    assert_true(c[0].type == IP_TTL && c[1].type == IP_TOS && c[1].v.i == 5);
    assert_int_equal(esock_cmsg_decode(buf, n, NULL, 0, NULL), 3);
    assert_int_equal(esock_cmsg_decode(buf, n - 9, c, 2, &bad), 2);
    assert_int_equal(bad, 1);
    assert_int_equal(esock_cmsg_decode(NULL, 0, c, 2, &bad), 0);
    assert_int_equal(bad, 0);
}

static void short_data_is_raw(void **state) {
    static const struct {
        int level, type;
        size_t min;
    } all[] = {{SOL_SOCKET, SCM_RIGHTS, 4},
               {SOL_SOCKET, SCM_CREDENTIALS, 12},
               {SOL_SOCKET, SCM_TIMESTAMP, sizeof(struct timeval)},
               {IPPROTO_IP, IP_TOS, 1},
               {IPPROTO_IP, IP_TTL, 1},
               {IPPROTO_IP, IP_PKTINFO, 12},
               {IPPROTO_IPV6, IPV6_PKTINFO, 20},
               {IPPROTO_IPV6, IPV6_HOPLIMIT, 4},
               {IPPROTO_IPV6, IPV6_TCLASS, 4}};
    char zero[32] = {0};
    for (size_t i = 0; i < LEN(all); i++) {
        for (size_t n = 0; n < all[i].min; n++) {
            /* The heap, so that a sanitizer sees a read past the end. */
            char *exact = malloc(CMSG_LEN(n));
            char whole[64];
            put(whole, 0, all[i].level, all[i].type, zero, n);
            memcpy(exact, whole, CMSG_LEN(n));
            esock_cmsg c = only_cmsg(exact, CMSG_LEN(n));
            assert_int_equal(c.kind, ESOCK_CMSG_RAW);
            assert_int_equal(c.length, n);
            free(exact);
        }
        assert_int_not_equal(received(all[i].level, all[i].type, zero, all[i].min).kind,
                             ESOCK_CMSG_RAW);
    }
    assert_int_equal(received(SOL_SOCKET, 9999, zero, 4).kind, ESOCK_CMSG_RAW);
    assert_int_equal(received(IPPROTO_TCP, IP_TOS, zero, 4).kind, ESOCK_CMSG_RAW);
}

/* Three messages, cut at every byte: as many as are whole, then the end or -EBADMSG, and nothing read outside. */
static void cut_at_every_byte(void **state) {
    char buf[256];
    size_t starts[4] = {0};
    int fd = 1;
    starts[1] = put(buf, 0, SOL_SOCKET, SCM_RIGHTS, &fd, sizeof fd);
    starts[2] = put(buf, starts[1], IPPROTO_IP, IP_TOS, "\x2e", 1);
    starts[3] = put(buf, starts[2], 77, 88, "twelve bytes", 12);
    size_t ends[] = {CMSG_LEN(4), starts[1] + CMSG_LEN(1), starts[2] + CMSG_LEN(12)};

    for (size_t n = 0; n <= starts[3]; n++) {
        char *cut = malloc(n > 0 ? n : 1);
        memcpy(cut, buf, n);
        int whole = 0, expect = 0;
        size_t pos = 0, before = 0;
        esock_cmsg c;
        int r;
        while ((r = esock_cmsg_next(cut, n, &pos, &c)) == 1) {
            assert_true(pos > before && pos <= n);
            assert_true(c.offset + c.length <= n);
            before = pos;
            whole++;
        }
        while (expect < 3 && ends[expect] <= n)
            expect++;
        assert_int_equal(whole, expect);
        bool clean = n <= starts[expect]; /* nothing, or only padding, is left */
        assert_int_equal(r, clean ? 0 : -EBADMSG);
        free(cut);
    }
}

static void bad_lengths_end_the_walk(void **state) {
    static const size_t bad[] = {0, 1, CMSG_LEN(0) - 1, 65, 4096, SIZE_MAX, SIZE_MAX - 7};
    char buf[64];
    for (size_t i = 0; i < LEN(bad); i++) {
        esock_cmsg c;
        size_t pos = 0;
        memset(buf, 0, sizeof buf);
        memcpy(buf, &bad[i], sizeof bad[i]);
        assert_int_equal(esock_cmsg_next(buf, sizeof buf, &pos, &c), -EBADMSG);
        assert_int_equal(pos, 0);
        assert_int_equal(esock_cmsg_close_rights(NULL, buf, sizeof buf), 0);
    }
    esock_cmsg c;
    size_t pos = 65;
    assert_int_equal(esock_cmsg_next(buf, sizeof buf, &pos, &c), -EBADMSG);
    pos = 0;
    assert_int_equal(esock_cmsg_next(NULL, 0, &pos, &c), 0);
}

static void unaligned_buffers(void **state) {
    char buf[128];
    int v = 5;
    for (size_t shift = 0; shift < 8; shift++) {
        put(buf + shift, 0, IPPROTO_IP, IP_TTL, &v, sizeof v);
        assert_true(only_cmsg(buf + shift, CMSG_SPACE(sizeof v)).v.i == 5);
        esock_cmsg c = value_of(IPPROTO_IP, IP_TTL, ESOCK_CMSG_INT);
        c.v.i = 6;
        assert_int_equal(esock_cmsg_encode(&c, 1, NULL, 0, buf + shift, 64), CMSG_SPACE(sizeof v));
        assert_true(only_cmsg(buf + shift, CMSG_SPACE(sizeof v)).v.i == 6);
    }
}

static void encode_bytes(void **state) {
    static const char data[] = "0123456789";
    esock_cmsg in[] = {bytes_of(1, 2, 3, 4), value_of(IPPROTO_IP, IP_TTL, ESOCK_CMSG_INT),
                       bytes_of(5, 6, 10, 0)};
    size_t all = CMSG_SPACE(4) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(0);
    in[1].v.i = 64;
    for (size_t cap = 0; cap < all; cap++) {
        char *out = malloc(cap > 0 ? cap : 1);
        assert_int_equal(esock_cmsg_encode(in, 3, data, 10, out, cap), -ENOBUFS);
        free(out);
    }
    char out[256];
    memset(out, 0x77, sizeof out);
    assert_int_equal(esock_cmsg_encode(in, 3, data, 10, out, sizeof out), all);
    esock_cmsg c;
    size_t pos = 0;
    assert_int_equal(esock_cmsg_next(out, all, &pos, &c), 1);
    assert_int_equal(c.level, 1);
    assert_int_equal(c.type, 2);
    assert_memory_equal(out + c.offset, "3456", 4);
    for (size_t i = CMSG_LEN(4); i < CMSG_SPACE(4); i++)
        assert_int_equal(out[i], 0);
    assert_int_equal(esock_cmsg_next(out, all, &pos, &c), 1);
    assert_true(c.v.i == 64);
    assert_int_equal(esock_cmsg_next(out, all, &pos, &c), 1);
    assert_int_equal(c.length, 0);
    assert_int_equal(esock_cmsg_next(out, all, &pos, &c), 0);
    assert_int_equal(esock_cmsg_encode(NULL, 0, NULL, 0, out, 0), 0);
}

static void encode_refuses(void **state) {
    char out[256];
    static const char data[10];
    esock_cmsg bad[] = {bytes_of(1, 2, 0, 11),
                        bytes_of(1, 2, 10, 1),
                        bytes_of(1, 2, 11, 0),
                        bytes_of(1, 2, UINT32_MAX, 2),
                        bytes_of(1, 2, 2, UINT32_MAX),
                        value_of(1, 2, (enum esock_cmsg_kind)99),
                        value_of(SOL_SOCKET, SCM_RIGHTS, ESOCK_CMSG_INT),
                        value_of(IPPROTO_IPV6, IPV6_PKTINFO, ESOCK_CMSG_PKTINFO4),
                        value_of(SOL_SOCKET, 9999, ESOCK_CMSG_TIME)};
    for (size_t i = 0; i < LEN(bad); i++)
        assert_int_equal(esock_cmsg_encode(&bad[i], 1, data, sizeof data, out, sizeof out),
                         -EINVAL);

    /* A type without a row takes an int, at any level. */
    esock_cmsg c = value_of(999, 0, ESOCK_CMSG_INT);
    c.v.i = -2;
    assert_int_equal(esock_cmsg_encode(&c, 1, NULL, 0, out, sizeof out), CMSG_SPACE(sizeof(int)));
}

static void close_rights_closes_all(void **state) {
    struct script k;
    esock *s;
    char buf[256];
    script_init(&k);
    assert_int_equal(esock_open(&s, AF_UNIX, SOCK_STREAM, 0, &k.sys), 0);
    int before = script_open_fds();
    int fds[3];
    for (size_t i = 0; i < LEN(fds); i++)
        fds[i] = dup(0);
    int more[] = {fds[2], -1};
    size_t n = put(buf, 0, SOL_SOCKET, SCM_RIGHTS, fds, 2 * sizeof *fds);
    n = put(buf, n, IPPROTO_IP, SCM_RIGHTS, fds, sizeof fds); /* IP_TOS, not rights */
    n = put(buf, n, SOL_SOCKET, SCM_RIGHTS, more, sizeof more);
    assert_int_equal(esock_cmsg_close_rights(s, buf, n), 3);
    assert_int_equal(script_count(&k, K_CLOSE), 3);
    assert_int_equal(script_open_fds(), before);
    shut(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timestamp_keeps_sec_and_usec_apart),
        cmocka_unit_test(tos_is_the_whole_byte),
        cmocka_unit_test(ints),
        cmocka_unit_test(structs),
        cmocka_unit_test(every_row),
        cmocka_unit_test(addresses),
        cmocka_unit_test(all_at_once),
        cmocka_unit_test(short_data_is_raw),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(bad_lengths_end_the_walk),
        cmocka_unit_test(unaligned_buffers),
        cmocka_unit_test(encode_bytes),
        cmocka_unit_test(encode_refuses),
        cmocka_unit_test(close_rights_closes_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
