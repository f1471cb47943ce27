/* NULL for a required pointer to the caller's memory: -EFAULT, and no system call. */
#include "fixture.h"

static struct script k;
static esock *s, *peer;
static char buf[64];

static int setup(void **state) {
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &s, &peer);
    return 0;
}

static int teardown(void **state) {
    shut(s);
    shut(peer);
    return 0;
}

/* How many system calls were made. */
static unsigned calls(void) {
    unsigned n = 0;
    for (int i = 0; i < K_CALLS; i++)
        n += script_count(&k, (enum script_call)i);
    return n;
}

#define REFUSED(call)                            \
    do {                                         \
        unsigned before = calls();               \
        assert_int_equal((long)(call), -EFAULT); \
        assert_int_equal(calls(), before);       \
    } while (0)

static void addresses(void **state) {
    struct sockaddr_storage ss = {.ss_family = AF_INET};
    esock_addr a;
    unsigned len;
    assert_int_equal(esock_addr_shorthand(&a, AF_INET, ESOCK_LOOPBACK), 0);
    REFUSED(esock_addr_encode(NULL, &ss, &len));
    REFUSED(esock_addr_encode(&a, NULL, &len));
    REFUSED(esock_addr_encode(&a, &ss, NULL));
    REFUSED(esock_addr_shorthand(NULL, AF_INET, ESOCK_ANY));
    esock_addr_decode(&ss, sizeof ss, NULL);
    esock_addr_decode(NULL, sizeof ss, &a);
    assert_int_equal(a.form, ESOCK_ADDR_NONE);
}

static void life(void **state) {
    esock *out;
    enum esock_netns_fault fault;
    REFUSED(esock_open(NULL, AF_UNIX, SOCK_STREAM, 0, &k.sys));
    REFUSED(esock_open_netns(NULL, "/proc/self/ns/net", AF_UNIX, SOCK_STREAM, 0, &k.sys, &fault));
    REFUSED(esock_open_netns(&out, NULL, AF_UNIX, SOCK_STREAM, 0, &k.sys, &fault));
    REFUSED(esock_open_netns(&out, "/proc/self/ns/net", AF_UNIX, SOCK_STREAM, 0, &k.sys, NULL));
    REFUSED(esock_adopt(NULL, esock_fd(s), 0, -1, -1, -1, &k.sys, NULL));
    REFUSED(esock_bind(s, NULL));
    REFUSED(esock_connect(s, NULL));
    REFUSED(esock_connectx(s, "", 0, NULL));
    REFUSED(esock_sockname(s, NULL));
    REFUSED(esock_peername(s, NULL));
    REFUSED(esock_accept(s, 0, NULL, NULL));
}

static void input_and_output(void **state) {
    esock_addr a;
    esock_msg m;
    REFUSED(esock_recvfrom(s, buf, sizeof buf, 0, 0, NULL));
    REFUSED(esock_sendto(s, buf, sizeof buf, 0, 0, NULL));
    REFUSED(esock_recvmsg(s, buf, sizeof buf, 0, 0, NULL, 0, NULL, 0, NULL));
    REFUSED(esock_recvmsg(s, buf, sizeof buf, 0, 0, buf, sizeof buf, NULL, 1, &m));
    REFUSED(esock_sendmsgv(s, NULL, 1, 0, 0, NULL, NULL, 0));
    REFUSED(esock_sendfile(s, 0, NULL, 1, 0));
    /* The kernel checks buffers. */
    assert_int_equal(esock_send(peer, "x", 1, 0, 0), 1);
    assert_int_equal(esock_recv(s, NULL, 1, 0, 0), -EFAULT);
    assert_int_equal(esock_send(s, NULL, 1, 0, 0), -EFAULT);
    assert_int_equal(esock_recvfrom(s, buf, sizeof buf, 0, 0, &a), 1);
    assert_int_equal(esock_counters_of(s)->value[ESOCK_READ_BYTE], 1);
}

static void control_messages(void **state) {
    esock_cmsg c = {.kind = ESOCK_CMSG_RECVERR, .length = 32};
    esock_addr a;
    size_t pos = 0;
    uint32_t bad = 0;
    REFUSED(esock_cmsg_next(NULL, 1, &pos, &c));
    REFUSED(esock_cmsg_next(buf, sizeof buf, NULL, &c));
    REFUSED(esock_cmsg_next(buf, sizeof buf, &pos, NULL));
    assert_int_equal(esock_cmsg_next(NULL, 0, &pos, &c), 0);
    assert_int_equal(esock_cmsg_decode(NULL, 1, &c, 1, &bad), 0);
    assert_int_equal(bad, 1);
    REFUSED(esock_cmsg_encode(NULL, 1, NULL, 0, buf, sizeof buf));
    REFUSED(esock_cmsg_encode(&c, 1, NULL, 1, buf, sizeof buf));
    REFUSED(esock_cmsg_encode(&c, 1, buf, sizeof buf, NULL, 1));
    assert_int_equal(esock_cmsg_encode(NULL, 0, NULL, 0, NULL, 0), 0);
    REFUSED(esock_cmsg_offender(NULL, 32, &c, &a));
    REFUSED(esock_cmsg_offender(buf, sizeof buf, NULL, &a));
    REFUSED(esock_cmsg_offender(buf, sizeof buf, &c, NULL));
    assert_int_equal(esock_cmsg_close_rights(s, NULL, 1), 0);

    /* More records than there is an array for are only counted. */
    int fd = 0;
    esock_cmsg rights = {
        .level = SOL_SOCKET, .type = SCM_RIGHTS, .kind = ESOCK_CMSG_RIGHTS, .length = sizeof fd};
    ssize_t n = esock_cmsg_encode(&rights, 1, &fd, sizeof fd, buf, sizeof buf);
    assert_true(n > 0);
    assert_int_equal(esock_cmsg_decode(buf, (size_t)n, NULL, 1, NULL), 1);
}

static void options(void **state) {
    int64_t i;
    size_t len = sizeof buf;
    esock_optcall call = {.len = sizeof buf};
    for (unsigned r = 0; r < esock_opt_count(); r++) {
        const esock_optrow *o = esock_opt_row(r);
        bool data = o->codec == ESOCK_STRING || o->codec == ESOCK_BYTES ||
                    o->codec == ESOCK_STRUCT || o->codec == ESOCK_FILTER;
        if (o->direction & ESOCK_GET) {
            len = sizeof buf;
            if (data) {
                REFUSED(esock_getopt(s, r, &i, NULL, &len));
                REFUSED(esock_getopt(s, r, &i, buf, NULL));
                call.row = r;
                assert_int_equal(esock_getopts(s, &call, 1, NULL, sizeof buf), 0);
                assert_int_equal(call.result, -EFAULT);
            } else {
                REFUSED(esock_getopt(s, r, NULL, buf, &len));
            }
        }
        if (o->direction & ESOCK_SET && data) REFUSED(esock_setopt(s, r, 0, NULL, 1));
    }
    REFUSED(esock_getopt_native(s, SOL_SOCKET, SO_TYPE, buf, NULL));
    REFUSED(esock_getopt_raw(s, SOL_SOCKET, SO_TYPE, buf, sizeof buf, NULL));
    assert_int_equal(esock_getopts(s, NULL, 1, buf, sizeof buf), 0);
    assert_int_equal(esock_setopts(s, NULL, 1, buf, sizeof buf), 0);
    assert_int_equal(esock_setopt_native(s, SOL_SOCKET, SO_RCVBUF, NULL, sizeof(int)), -EFAULT);
    len = sizeof(int);
    assert_int_equal(esock_getopt_native(s, SOL_SOCKET, SO_TYPE, NULL, &len), -EFAULT);
}

static void requests_and_readiness(void **state) {
    esock_poller *p;
    REFUSED(esock_ioctl(s, ESOCK_NREAD, NULL));
    REFUSED(esock_ioctl(s, ESOCK_GIFMTU, NULL));
    REFUSED(esock_ifconf(s, NULL, 1));
    REFUSED(esock_poller_new(NULL, &k.sys));
    assert_int_equal(esock_poller_new(&p, &k.sys), 0);
    REFUSED(esock_poll(p, NULL, 1, 0));
    esock_poller_free(p);
    esock_poller_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(life, setup, teardown),
        cmocka_unit_test_setup_teardown(input_and_output, setup, teardown),
        cmocka_unit_test_setup_teardown(control_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(options, setup, teardown),
        cmocka_unit_test_setup_teardown(requests_and_readiness, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
