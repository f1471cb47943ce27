/* Addresses to and from the kernel's form. */
#include "fixture.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <netpacket/packet.h>
#include <stddef.h>

#define PATH_AT offsetof(struct sockaddr_un, sun_path)

static esock_addr known(int family) {
    return (esock_addr){.family = (uint16_t)family, .form = ESOCK_ADDR_KNOWN};
}

static esock_addr path_of(const char *bytes, size_t n) {
    esock_addr a = known(AF_UNIX);
    memcpy(a.data, bytes, n);
    a.len = (uint8_t)n;
    return a;
}

static int encode(const esock_addr *a, struct sockaddr_storage *ss, unsigned *len) {
    memset(ss, 0xAA, sizeof *ss);
    *len = 0;
    return esock_addr_encode(a, ss, len);
}

/* What encode writes, decode reads back unchanged. */
static unsigned round_trip(const esock_addr *a) {
    struct sockaddr_storage ss;
    unsigned len;
    esock_addr b;
    assert_int_equal(encode(a, &ss, &len), 0);
    memset(&b, 0x55, sizeof b);
    esock_addr_decode(&ss, len, &b);
    assert_memory_equal(a, &b, sizeof b);
    return len;
}

static void inet(void **state) {
    struct sockaddr_storage ss;
    struct sockaddr_in in;
    unsigned len;
    esock_addr a = known(AF_INET);
    a.port = 0x1234;
    memcpy(a.ip, (uint8_t[]){10, 1, 2, 3}, 4);
    assert_int_equal(round_trip(&a), sizeof in);
    assert_int_equal(encode(&a, &ss, &len), 0);
    memcpy(&in, &ss, sizeof in);
    assert_int_equal(in.sin_port, htons(0x1234));
    assert_int_equal(in.sin_addr.s_addr, htonl(0x0A010203));
    for (size_t i = 0; i < sizeof in.sin_zero; i++)
        assert_int_equal(in.sin_zero[i], 0);

    a.port = 65535;
    round_trip(&a);
    a.port = 65536;
    assert_int_equal(encode(&a, &ss, &len), -EINVAL);
}

static void inet6(void **state) {
    struct sockaddr_storage ss;
    struct sockaddr_in6 in;
    unsigned len;
    esock_addr a = known(AF_INET6);
    a.port = 443;
    a.flowinfo = 0x12345;
    a.scope_id = 0xFFFFFFFE; /* unsigned: a signed path would show a negative number */
    for (unsigned i = 0; i < 16; i++)
        a.ip[i] = (uint8_t)(i + 1);
    assert_int_equal(round_trip(&a), sizeof in);
    assert_int_equal(encode(&a, &ss, &len), 0);
    memcpy(&in, &ss, sizeof in);
    assert_int_equal(in.sin6_flowinfo, htonl(0x12345));
    assert_true(in.sin6_scope_id == 0xFFFFFFFE);

    a.flowinfo = 0xFFFFF;
    round_trip(&a);
    a.flowinfo = 0x100000;
    assert_int_equal(encode(&a, &ss, &len), -EINVAL);
    a.flowinfo = 0;
    a.port = 65536;
    assert_int_equal(encode(&a, &ss, &len), -EINVAL);

    in.sin6_flowinfo =
        htonl(0x0AB12345); /* with a traffic class, as IPV6_FLOWINFO_SEND delivers it */
    memcpy(&ss, &in, sizeof in);
    esock_addr_decode(&ss, sizeof in, &a);
    assert_int_equal(a.flowinfo, 0x12345);
}

static void unix_lengths(void **state) {
    struct sockaddr_storage ss;
    unsigned len;
    char bytes[126];
    memset(bytes, 'p', sizeof bytes);

    esock_addr a = path_of(bytes, 5);
    assert_int_equal(round_trip(&a), PATH_AT + 5);
    assert_int_equal(encode(&a, &ss, &len), 0);
    assert_int_equal(((char *)&ss)[PATH_AT + 5], 0);

    a = path_of(bytes, 107);
    assert_int_equal(round_trip(&a), PATH_AT + 107);
    a = path_of(bytes, 108); /* no room for a NUL, and Linux wants none */
    assert_int_equal(round_trip(&a), sizeof(struct sockaddr_un));
    a = path_of(bytes, 109);
    assert_int_equal(encode(&a, &ss, &len), -ENAMETOOLONG);
    a = path_of(bytes, ESOCK_ADDR_DATA);
    assert_int_equal(encode(&a, &ss, &len), -ENAMETOOLONG);

    /* A path ends at its NUL, so it has none; what is behind len does not count. */
    a = path_of("/a\0b", 4);
    assert_int_equal(encode(&a, &ss, &len), -EINVAL);
    a = path_of("/a\0", 3);
    assert_int_equal(encode(&a, &ss, &len), -EINVAL);
    a = path_of(bytes, 108);
    a.data[107] = 0;
    assert_int_equal(encode(&a, &ss, &len), -EINVAL);
    a.len = 107;
    assert_int_equal(encode(&a, &ss, &len), 0);

    bytes[0] = 0;
    a = path_of(bytes, 108);
    assert_int_equal(round_trip(&a), PATH_AT + 108);
    a = path_of(bytes, 109);
    assert_int_equal(encode(&a, &ss, &len), -ENAMETOOLONG);
    a = path_of("\0a\0b", 4);
    assert_int_equal(round_trip(&a), PATH_AT + 4);

    a = path_of("", 0);
    assert_int_equal(round_trip(&a), PATH_AT);
}

static void unix_decode(void **state) {
    struct sockaddr_storage ss;
    esock_addr a;
    memset(&ss, 'x', sizeof ss);
    ss.ss_family = AF_UNIX;
    esock_addr_decode(&ss, 111, &a);
    assert_int_equal(a.form, ESOCK_ADDR_KNOWN);
    assert_int_equal(a.len, 108);
    esock_addr_decode(&ss, UINT32_MAX, &a);
    assert_int_equal(a.len, 108);
    ((char *)&ss)[PATH_AT + 4] = 0;
    esock_addr_decode(&ss, 20, &a);
    assert_int_equal(a.len, 4);
    esock_addr_decode(&ss, PATH_AT + 3, &a);
    assert_int_equal(a.len, 3);
    ((char *)&ss)[PATH_AT] = 0;
    esock_addr_decode(&ss, 20, &a);
    assert_int_equal(a.len, 18);
}

/* Linux: a path of 108 bytes, bound by somebody who knows no NUL, is reported with length 111. It can be bound,
 * connected to and sent to like any other. */
static void unix_kernel_108(void **state) {
    char dir[] = "/tmp/esock-addr-XXXXXX";
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    esock_addr a, b;
    esock *s, *t;
    char got;
    assert_non_null(mkdtemp(dir));
    memset(un.sun_path, 'q', sizeof un.sun_path);
    memcpy(un.sun_path, dir, strlen(dir));
    un.sun_path[strlen(dir)] = '/';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(esock_adopt(&s, fd, 0, -1, -1, -1, NULL, NULL), 0);
    assert_int_equal(esock_sockname(s, &a), 0);
    assert_int_equal(a.len, 108);
    assert_memory_equal(a.data, un.sun_path, 108);

    b = a;
    b.data[107] = 'r';
    assert_int_equal(esock_open(&t, AF_UNIX, SOCK_DGRAM, 0, NULL), 0);
    assert_int_equal(esock_bind(t, &b), 0);
    assert_int_equal(esock_sendto(t, "1", 1, 0, 0, &a), 1);
    memset(&b, 0x55, sizeof b);
    assert_int_equal(esock_recvfrom(s, &got, 1, 0, 0, &b), 1);
    assert_int_equal(b.len, 108);
    assert_int_equal(b.data[107], 'r');
    assert_int_equal(esock_connect(s, &b), 0);
    assert_int_equal(esock_peername(s, &a), 0);
    assert_memory_equal(&a, &b, sizeof a);
    assert_int_equal(esock_sendmsg(s, "2", 1, 0, 0, &b, NULL, 0), 1);
    shut(t);
    shut(s);
    close(fd);

    char name[109] = {0};
    memcpy(name, un.sun_path, 108);
    unlink(name);
    name[107] = 'r';
    unlink(name);
    rmdir(dir);
}

static void unix_kernel_autobind(void **state) {
    esock *s;
    esock_addr a = path_of("", 0);
    assert_int_equal(esock_open(&s, AF_UNIX, SOCK_DGRAM, 0, NULL), 0);
    assert_int_equal(esock_bind(s, &a), 0);
    assert_int_equal(esock_sockname(s, &a), 0);
    assert_int_equal(a.form, ESOCK_ADDR_KNOWN);
    assert_int_equal(a.len, 6);
    assert_int_equal(a.data[0], 0);
    shut(s);
}

static void packet(void **state) {
    struct sockaddr_storage ss;
    struct sockaddr_ll ll;
    unsigned len;
    esock_addr a = known(AF_PACKET);
    a.protocol = 0x0806;
    a.ifindex = -1;
    a.hatype = 772;
    a.pkttype = 4;
    a.len = 6;
    memcpy(a.data, "\x02\x04\x06\x08\x0a\x0c", 6);
    assert_int_equal(round_trip(&a), sizeof ll);
    assert_int_equal(encode(&a, &ss, &len), 0);
    memcpy(&ll, &ss, sizeof ll);
    assert_int_equal(ll.sll_protocol, htons(0x0806));
    assert_int_equal(ll.sll_halen, 6);

    a.len = 20; /* infiniband: longer than sll_addr shows */
    memset(a.data, 7, 20);
    assert_int_equal(round_trip(&a), offsetof(struct sockaddr_ll, sll_addr) + 20);
    a.len = 33;
    assert_int_equal(encode(&a, &ss, &len), -ENAMETOOLONG);

    /* A hardware length that the reported length does not hold. */
    memset(&ss, 9, sizeof ss);
    ll.sll_halen = 200;
    memcpy(&ss, &ll, offsetof(struct sockaddr_ll, sll_addr));
    esock_addr_decode(&ss, offsetof(struct sockaddr_ll, sll_addr) + 3, &a);
    assert_int_equal(a.form, ESOCK_ADDR_KNOWN);
    assert_int_equal(a.len, 3);
    esock_addr_decode(&ss, sizeof ss, &a);
    assert_int_equal(a.len, 32);
}

static void vsock(void **state) {
    struct sockaddr_storage ss;
    struct sockaddr_vm vm;
    unsigned len;
    esock_addr a = known(AF_VSOCK);
    a.port = 0xFFFFFFFF; /* 32 bits, unlike inet */
    a.cid = 0xFFFFFFFE;
    assert_int_equal(round_trip(&a), sizeof vm);
    assert_int_equal(encode(&a, &ss, &len), 0);
    memcpy(&vm, &ss, sizeof vm);
    assert_true(vm.svm_port == 0xFFFFFFFF && vm.svm_cid == 0xFFFFFFFE);
}

static void netlink(void **state) {
    struct sockaddr_storage ss;
    struct sockaddr_nl nl;
    unsigned len;
    esock_addr a = known(AF_NETLINK);
    a.port = 0xFFFFFFFE; /* the kernel gives such ones to the second socket of a process */
    a.groups = 0x80000001;
    assert_int_equal(round_trip(&a), sizeof nl);
    assert_int_equal(encode(&a, &ss, &len), 0);
    memcpy(&nl, &ss, sizeof nl);
    assert_true(nl.nl_pid == 0xFFFFFFFE && nl.nl_groups == 0x80000001 && nl.nl_pad == 0);
}

static void raw(void **state) {
    struct sockaddr_storage ss;
    unsigned len;
    esock_addr a = {.family = AF_UNSPEC, .form = ESOCK_ADDR_RAW};
    assert_int_equal(round_trip(&a), 2);
    a.family = 12345;
    a.len = ESOCK_ADDR_DATA;
    memset(a.data, 3, sizeof a.data);
    assert_int_equal(round_trip(&a), sizeof ss);
    a.len = ESOCK_ADDR_DATA + 1;
    assert_int_equal(encode(&a, &ss, &len), -ENAMETOOLONG);
    a.len = 2;
    a.form = ESOCK_ADDR_KNOWN; /* a family without members of its own */
    assert_int_equal(encode(&a, &ss, &len), 0);
    assert_int_equal(len, 4);
    a.form = ESOCK_ADDR_NONE;
    assert_int_equal(encode(&a, &ss, &len), -EAFNOSUPPORT);
    a.form = 77;
    assert_int_equal(encode(&a, &ss, &len), -EAFNOSUPPORT);
}

static void too_short(void **state) {
    static const struct {
        int family;
        unsigned len;
    } full[] = {{AF_INET, sizeof(struct sockaddr_in)},
                {AF_INET6, sizeof(struct sockaddr_in6)},
                {AF_PACKET, offsetof(struct sockaddr_ll, sll_addr)},
                {AF_VSOCK, sizeof(struct sockaddr_vm)},
                {AF_NETLINK, sizeof(struct sockaddr_nl)}};
    struct sockaddr_storage ss;
    esock_addr a;
    for (size_t i = 0; i < LEN(full); i++) {
        memset(&ss, 0x5A, sizeof ss);
        ss.ss_family = (sa_family_t)full[i].family;
        for (unsigned n = 2; n < full[i].len; n++) {
            esock_addr_decode(&ss, n, &a);
            assert_int_equal(a.form, ESOCK_ADDR_RAW);
            assert_int_equal(a.family, full[i].family);
            assert_int_equal(a.len, n - 2);
            if (n > 2) assert_int_equal(a.data[n - 3], 0x5A);
            round_trip(&a);
        }
        esock_addr_decode(&ss, full[i].len, &a);
        assert_int_equal(a.form, ESOCK_ADDR_KNOWN);
    }
    esock_addr_decode(&ss, 1, &a);
    assert_int_equal(a.form, ESOCK_ADDR_RAW);
    assert_int_equal(a.family, AF_UNSPEC);
    assert_int_equal(a.len, 1);
    assert_int_equal(a.data[0], ((unsigned char *)&ss)[0]);
    esock_addr_decode(&ss, 0, &a);
    assert_int_equal(a.form, ESOCK_ADDR_NONE);
    assert_int_equal(a.len, 0);
}

static void shorthand(void **state) {
    static const uint8_t any[16], one[16] = {[15] = 1};
    esock_addr a;
    assert_int_equal(esock_addr_shorthand(&a, AF_INET, ESOCK_ANY), 0);
    assert_memory_equal(a.ip, any, 16);
    assert_int_equal(esock_addr_shorthand(&a, AF_INET, ESOCK_LOOPBACK), 0);
    assert_memory_equal(a.ip, "\x7f\0\0\1", 4);
    assert_int_equal(esock_addr_shorthand(&a, AF_INET, ESOCK_BROADCAST), 0);
    assert_memory_equal(a.ip, "\xff\xff\xff\xff", 4);
    assert_int_equal(a.port, 0);
    assert_int_equal(esock_addr_shorthand(&a, AF_INET6, ESOCK_ANY), 0);
    assert_memory_equal(a.ip, any, 16);
    assert_int_equal(esock_addr_shorthand(&a, AF_INET6, ESOCK_LOOPBACK), 0);
    assert_memory_equal(a.ip, one, 16);
    assert_int_equal(esock_addr_shorthand(&a, AF_INET6, ESOCK_BROADCAST), -EINVAL);
    assert_int_equal(esock_addr_shorthand(&a, AF_INET, (enum esock_shorthand)9), -EINVAL);
    assert_int_equal(esock_addr_shorthand(&a, AF_UNIX, ESOCK_ANY), -EAFNOSUPPORT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inet),
        cmocka_unit_test(inet6),
        cmocka_unit_test(unix_lengths),
        cmocka_unit_test(unix_decode),
        cmocka_unit_test(unix_kernel_108),
        cmocka_unit_test(unix_kernel_autobind),
        cmocka_unit_test(packet),
        cmocka_unit_test(vsock),
        cmocka_unit_test(netlink),
        cmocka_unit_test(raw),
        cmocka_unit_test(too_short),
        cmocka_unit_test(shorthand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
