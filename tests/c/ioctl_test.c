/* Requests: what ioctl(2) reads, and what it sets, in a network namespace of the test's own. */
#include "fixture.h"

#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>

static esock *opened(const esock_sys *sys, int domain, int type) {
    esock *s;
    assert_int_equal(esock_open(&s, domain, type, 0, sys), 0);
    return s;
}

static esock_ioarg named(const char *name) {
    esock_ioarg arg = {0};
    assert_true(strlen(name) < sizeof arg.name);
    memcpy(arg.name, name, strlen(name));
    return arg;
}

/* Makes a request about an interface, which must succeed. */
static esock_ioarg asked(esock *s, unsigned request, const char *name) {
    esock_ioarg arg = named(name);
    assert_int_equal(esock_ioctl(s, request, &arg), 0);
    return arg;
}

static void every_request_has_a_row(void **state) {
    for (unsigned i = 0; i < ESOCK_REQUESTS; i++) {
        const esock_iorow *row = esock_ioctl_row(i);
        assert_non_null(row);
        assert_non_null(row->name);
        assert_non_null(row->doc);
        assert_true(row->value >= ESOCK_IO_INT && row->value <= ESOCK_IO_INFO);
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(row->name, esock_ioctl_row(j)->name);
        if (strncmp(row->name, "gif", 3) == 0) assert_int_equal(row->set, 0);
        if (strncmp(row->name, "sif", 3) == 0) assert_int_equal(row->set, 1);
    }
    assert_null(esock_ioctl_row(ESOCK_REQUESTS));
    assert_string_equal(esock_ioctl_row(ESOCK_SIFNETMASK)->constant, "SIOCSIFNETMASK");
}

static void requests_of_others_never_reach_the_kernel(void **state) {
    struct script k;
    script_init(&k);
    esock *s = opened(&k.sys, AF_INET, SOCK_DGRAM);
    esock_ioarg arg = named("lo");
    const unsigned absent[] = {ESOCK_RCVALL, ESOCK_RCVALL_IGMPMCAST, ESOCK_RCVALL_MCAST,
                               ESOCK_GIFCONF, ESOCK_TCP_INFO};
    for (size_t i = 0; i < LEN(absent); i++)
        assert_int_equal(esock_ioctl(s, absent[i], &arg), -ENOTSUP);
    assert_int_equal(esock_ioctl(s, ESOCK_REQUESTS, &arg), -ENOENT);
    memset(arg.name, 'x', sizeof arg.name);
    assert_int_equal(esock_ioctl(s, ESOCK_GIFMTU, &arg), -ENAMETOOLONG);
    arg = named("lo");
    arg.i = INT64_C(1) << 31;
    assert_int_equal(esock_ioctl(s, ESOCK_GIFNAME, &arg), -ERANGE);
    assert_int_equal(esock_ioctl(s, ESOCK_SIFMTU, &arg), -ERANGE);
    assert_int_equal(esock_ioctl(s, ESOCK_SIFFLAGS, &arg), -ERANGE);
    arg.i = 0;
    arg.off = 0x10000;
    assert_int_equal(esock_ioctl(s, ESOCK_SIFFLAGS, &arg), -ERANGE);
    assert_int_equal(esock_addr_shorthand(&arg.addr, AF_INET6, ESOCK_LOOPBACK), 0);
    assert_int_equal(esock_ioctl(s, ESOCK_SIFADDR, &arg), -EAFNOSUPPORT);
    assert_int_equal(esock_ioctl(s, ESOCK_SIFHWADDR, &arg), -EINVAL); /* not a hardware address */
    assert_int_equal(script_count(&k, K_IOCTL), 0);
    shut(s);
}

static void loopback_tells_what_it_is(void **state) {
    esock *s = opened(NULL, AF_INET, SOCK_DGRAM);
    int index = (int)if_nametoindex("lo");
    assert_int_equal(asked(s, ESOCK_GIFINDEX, "lo").i, index);
    esock_ioarg arg = {.i = index};
    assert_int_equal(esock_ioctl(s, ESOCK_GIFNAME, &arg), 0);
    assert_string_equal(arg.name, "lo");
    arg = asked(s, ESOCK_GIFADDR, "lo");
    assert_int_equal(arg.addr.family, AF_INET);
    assert_memory_equal(arg.addr.ip, "\x7f\0\0\1", 4);
    assert_memory_equal(asked(s, ESOCK_GIFNETMASK, "lo").addr.ip, "\xff\0\0\0", 4);
    assert_true(asked(s, ESOCK_GIFMTU, "lo").i > 0);
    assert_true(asked(s, ESOCK_GIFTXQLEN, "lo").i >= 0);
    int flags = (int)asked(s, ESOCK_GIFFLAGS, "lo").i;
    assert_int_equal(flags & (IFF_UP | IFF_LOOPBACK), IFF_UP | IFF_LOOPBACK);
    assert_int_equal(asked(s, ESOCK_GIFMAP, "lo").map.irq, 0);
    shut(s);
}

/* No more bytes than the address has. */
static void T49_hardware_addresses_have_their_own_length(void **state) {
    esock *s = opened(NULL, AF_INET, SOCK_DGRAM);
    esock_addr lo = asked(s, ESOCK_GIFHWADDR, "lo").addr;
    assert_int_equal(lo.form, ESOCK_ADDR_RAW);
    assert_int_equal(lo.family, ARPHRD_LOOPBACK);
    assert_int_equal(lo.len, 6);
    shut(s);

    struct {
        const char *low, *high; /* what the kernel leaves over zeros, over ones */
        int len;
    } cases[] = {
        {"\1\2\3\4\5\6\0\0\0\0\0\0\0\0", "\1\2\3\4\5\6\377\377\377\377\377\377\377\377", 6},
        {"\1\2\3\4\5\0\0\0\0\0\0\0\0\0", "\1\2\3\4\5\0\377\377\377\377\377\377\377\377", 6},
        {"\1\2\3\4\5\377\0\0\0\0\0\0\0\0", "\1\2\3\4\5\377\377\377\377\377\377\377\377\377", 6},
        {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 0},
        {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "\377\377\377\377\377\377\377\377\377\377\377\377\377\377",
         0},
        {"\1\2\3\4\5\6\7\10\11\12\13\14\15\16", "\1\2\3\4\5\6\7\10\11\12\13\14\15\16", 14},
        {"\1\2\3\4\5\6\7\10\0\0\0\0\0\0", "\1\2\3\4\5\6\7\10\0\0\0\0\0\0", 14},
    };
    for (size_t i = 0; i < LEN(cases); i++) {
        struct script k;
        struct ifreq low = {0}, high = {0};
        low.ifr_hwaddr.sa_family = high.ifr_hwaddr.sa_family = ARPHRD_ETHER;
        memcpy(low.ifr_hwaddr.sa_data, cases[i].low, 14);
        memcpy(high.ifr_hwaddr.sa_data, cases[i].high, 14);
        script_init(&k);
        s = opened(&k.sys, AF_INET, SOCK_DGRAM);
        script_put(&k, K_IOCTL, (struct script_answer){.data = &low, .data_len = sizeof low});
        script_put(&k, K_IOCTL, (struct script_answer){.data = &high, .data_len = sizeof high});
        esock_addr a = asked(s, ESOCK_GIFHWADDR, "x").addr;
        assert_int_equal(a.family, ARPHRD_ETHER);
        assert_int_equal(a.len, cases[i].len);
        assert_memory_equal(a.data, cases[i].low, a.len);
        assert_true(script_used_up(&k));
        shut(s);
    }
}

static void what_is_not_there_is_an_error(void **state) {
    esock *s = opened(NULL, AF_INET, SOCK_DGRAM);
    esock_ioarg arg = named("no-such-thing");
    assert_int_equal(esock_ioctl(s, ESOCK_GIFINDEX, &arg), -ENODEV);
    assert_int_equal(esock_ioctl(s, ESOCK_GIFHWADDR, &arg), -ENODEV);
    arg.i = INT32_MAX;
    assert_int_equal(esock_ioctl(s, ESOCK_GIFNAME, &arg), -ENODEV);
    shut(s);

    s = opened(NULL, AF_UNIX, SOCK_STREAM);
    arg = named("lo");
    assert_int_equal(esock_ioctl(s, ESOCK_GIFADDR, &arg), -ENOTTY);
    assert_int_equal(esock_ioctl(s, ESOCK_GIFMTU, &arg), 0); /* any socket will do */
    shut(s);
}

static void interrupted_requests_are_made_again(void **state) {
    struct script k;
    script_init(&k);
    esock *s = opened(&k.sys, AF_INET, SOCK_DGRAM);
    script_times(&k, K_IOCTL, 3, -EINTR);
    assert_true(asked(s, ESOCK_GIFMTU, "lo").i > 0);
    assert_int_equal(script_count(&k, K_IOCTL), 4);
    shut(s);
}

static void queues_are_measured(void **state) {
    esock *a, *b;
    esock_ioarg arg = {0};
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    assert_int_equal(esock_ioctl(a, ESOCK_NSPACE, &arg), 0);
    int64_t empty = arg.i;
    assert_int_equal(esock_ioctl(a, ESOCK_NWRITE, &arg), 0);
    assert_int_equal(arg.i, 0);
    assert_int_equal(esock_send(a, "hello", 5, 0, 0), 5);
    assert_int_equal(esock_ioctl(b, ESOCK_NREAD, &arg), 0);
    assert_int_equal(arg.i, 5);
    assert_int_equal(esock_ioctl(a, ESOCK_NWRITE, &arg), 0);
    assert_true(arg.i >= 5);
    int64_t used = arg.i;
    assert_int_equal(esock_ioctl(a, ESOCK_NSPACE, &arg), 0);
    assert_int_equal(arg.i, empty - used);
    shut(a);
    shut(b);
}

static void space_is_never_negative_and_tells_errors(void **state) {
    struct script k;
    int used = 1 << 30;
    esock_ioarg arg = {0};
    script_init(&k);
    esock *s = opened(&k.sys, AF_INET, SOCK_DGRAM);
    script_put(&k, K_IOCTL, (struct script_answer){.data = &used, .data_len = sizeof used});
    assert_int_equal(esock_ioctl(s, ESOCK_NSPACE, &arg), 0);
    assert_int_equal(arg.i, 0);
    script_answer(&k, K_IOCTL, -EINVAL);
    assert_int_equal(esock_ioctl(s, ESOCK_NSPACE, &arg), -EINVAL);
    script_answer(&k, K_GETSOCKOPT, -ENOBUFS);
    assert_int_equal(esock_ioctl(s, ESOCK_NSPACE, &arg), -ENOBUFS);
    shut(s);
}

static void mark_is_where_urgent_data_was(void **state) {
    esock *a, *b;
    char c[4];
    esock_ioarg arg = {0};
    tcp_pair(NULL, &a, &b);
    assert_int_equal(esock_send(a, "ab!", 3, MSG_OOB, 0), 3);
    await(esock_fd(b), POLLPRI);
    assert_int_equal(esock_ioctl(b, ESOCK_ATMARK, &arg), 0);
    assert_int_equal(arg.i, 0);
    assert_int_equal(esock_recv(b, c, sizeof c, 0, 0), 2); /* a receive stops at the mark */
    assert_int_equal(esock_ioctl(b, ESOCK_ATMARK, &arg), 0);
    assert_int_equal(arg.i, 1);
    shut(a);
    shut(b);
}

static void configuration_lists_the_loopback(void **state) {
    esock *s = opened(NULL, AF_INET, SOCK_DGRAM);
    ssize_t there = esock_ifconf(s, NULL, 0);
    assert_true(there >= 1);
    esock_ifaddr *list = calloc((size_t)there + 1, sizeof *list);
    ssize_t n = esock_ifconf(s, list, (size_t)there + 1);
    assert_int_equal(n, there);
    int found = 0;
    for (ssize_t i = 0; i < n; i++) {
        assert_int_equal(list[i].addr.family, AF_INET);
        if (strcmp(list[i].name, "lo") == 0 && memcmp(list[i].addr.ip, "\x7f\0\0\1", 4) == 0)
            found++;
    }
    assert_int_equal(found, 1);
    /* Addresses without room are left out; a full count means that there may be more. */
    assert_int_equal(esock_ifconf(s, list, 1), 1);
    free(list);
    shut(s);
}

/* An SIOCGIFCONF that knows nine interfaces, "if0" with 10.0.0.0 to "if8". */
struct nine {
    esock_sys sys;
    int len; /* the length it reports, if not -1 */
};

static int give_nine(const esock_sys *sys, int fd, unsigned long request, void *arg) {
    const struct nine *k = (const struct nine *)(const void *)sys;
    struct ifconf *c = arg;
    assert_int_equal(request, SIOCGIFCONF);
    int n = c->ifc_buf == NULL ? 9 : c->ifc_len / (int)sizeof(struct ifreq);
    if (n > 9) n = 9;
    for (int i = 0; i < n && c->ifc_buf != NULL; i++) {
        struct ifreq q = {0};
        struct sockaddr_in in = {.sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(0x0a000000u + (unsigned)i)};
        snprintf(q.ifr_name, sizeof q.ifr_name, "if%d", i);
        memcpy(&q.ifr_addr, &in, sizeof in);
        memcpy(c->ifc_buf + (size_t)i * sizeof q, &q, sizeof q);
    }
    c->ifc_len = k->len != -1 ? k->len : n * (int)sizeof(struct ifreq);
    return 0;
}

static void configuration_is_decoded_in_place(void **state) {
    struct nine k = {.sys = *esock_sys_libc(), .len = -1};
    k.sys.ioctl = give_nine;
    esock *s = opened(&k.sys, AF_INET, SOCK_DGRAM);
    assert_int_equal(esock_ifconf(s, NULL, 0), 9);
    for (size_t room = 1; room <= 12; room++) {
        esock_ifaddr *list = malloc(room * sizeof *list);
        size_t want = room < 9 ? room : 9;
        memset(list, 0xAA, room * sizeof *list);
        assert_int_equal(esock_ifconf(s, list, room), want);
        for (size_t i = 0; i < want; i++) {
            char name[ESOCK_IFNAME];
            snprintf(name, sizeof name, "if%zu", i);
            assert_string_equal(list[i].name, name);
            assert_int_equal(list[i].addr.ip[0], 10);
            assert_int_equal(list[i].addr.ip[3], i);
        }
        free(list);
    }
    /* A kernel that reports more than there is room for. */
    esock_ifaddr two[2];
    k.len = 3 * (int)sizeof(struct ifreq);
    assert_int_equal(esock_ifconf(s, two, 2), -EBADMSG);
    k.len = -8;
    assert_int_equal(esock_ifconf(s, two, 2), -EBADMSG);
    shut(s);
}

static void flags_are_read_changed_and_written(void **state) {
    struct script k;
    struct ifreq now = {0};
    now.ifr_flags = (short)(IFF_UP | IFF_MULTICAST);
    script_init(&k);
    esock *s = opened(&k.sys, AF_INET, SOCK_DGRAM);
    esock_ioarg arg = named("lo");
    arg.i = IFF_PROMISC;
    arg.off = IFF_UP;
    script_put(&k, K_IOCTL, (struct script_answer){.data = &now, .data_len = sizeof now});
    script_answer(&k, K_IOCTL, -EPERM);
    assert_int_equal(esock_ioctl(s, ESOCK_SIFFLAGS, &arg), -EPERM);
    assert_int_equal(script_last(&k, K_IOCTL)->a, SIOCSIFFLAGS);
    script_answer(&k, K_IOCTL, -ENODEV);
    assert_int_equal(esock_ioctl(s, ESOCK_SIFFLAGS, &arg), -ENODEV);
    assert_int_equal(script_last(&k, K_IOCTL)->a, SIOCGIFFLAGS); /* nothing was written */
    shut(s);
}

static esock_addr inet(unsigned char a, unsigned char b, unsigned char c, unsigned char d) {
    return (esock_addr){.family = AF_INET, .form = ESOCK_ADDR_KNOWN, .ip = {a, b, c, d}};
}

static void put(esock *s, unsigned request, esock_ioarg arg) {
    assert_int_equal(esock_ioctl(s, request, &arg), 0);
}

/* Runs in a thread whose network namespace ends with it. */
static void *set_everything(void *arg) {
    bool *done = arg;
    if (unshare(CLONE_NEWNET) != 0) return NULL;
    esock *s = opened(NULL, AF_INET, SOCK_DGRAM);
    esock_ioarg lo = named("lo");
    lo.addr = inet(10, 1, 2, 3);
    put(s, ESOCK_SIFADDR, lo);
    assert_memory_equal(asked(s, ESOCK_GIFADDR, "lo").addr.ip, lo.addr.ip, 4);
    lo.addr = inet(255, 255, 0, 0);
    put(s, ESOCK_SIFNETMASK, lo);
    assert_memory_equal(asked(s, ESOCK_GIFNETMASK, "lo").addr.ip, lo.addr.ip, 4);
    lo.addr = inet(10, 1, 255, 255);
    put(s, ESOCK_SIFBRDADDR, lo);
    assert_memory_equal(asked(s, ESOCK_GIFBRDADDR, "lo").addr.ip, lo.addr.ip, 4);
    lo.addr = inet(10, 1, 2, 4);
    put(s, ESOCK_SIFDSTADDR, lo);
    assert_memory_equal(asked(s, ESOCK_GIFDSTADDR, "lo").addr.ip, lo.addr.ip, 4);
    lo.i = 1400;
    put(s, ESOCK_SIFMTU, lo);
    assert_int_equal(asked(s, ESOCK_GIFMTU, "lo").i, 1400);
    lo.i = 77;
    put(s, ESOCK_SIFTXQLEN, lo);
    assert_int_equal(asked(s, ESOCK_GIFTXQLEN, "lo").i, 77);

    int64_t before = asked(s, ESOCK_GIFFLAGS, "lo").i;
    lo = named("lo");
    lo.i = IFF_UP | IFF_NOARP;
    put(s, ESOCK_SIFFLAGS, lo);
    int64_t up = asked(s, ESOCK_GIFFLAGS, "lo").i & ~(int64_t)IFF_RUNNING;
    assert_int_equal(up, (before & ~(int64_t)IFF_RUNNING) | IFF_UP | IFF_NOARP);
    lo.i = 0;
    lo.off = IFF_NOARP;
    put(s, ESOCK_SIFFLAGS, lo);
    assert_int_equal(asked(s, ESOCK_GIFFLAGS, "lo").i & (IFF_UP | IFF_NOARP), IFF_UP);

    lo = asked(s, ESOCK_GIFHWADDR, "lo");
    memcpy(lo.addr.data, "\2\0\0\0\0\7", 6);
    put(s, ESOCK_SIFHWADDR, lo);
    assert_memory_equal(asked(s, ESOCK_GIFHWADDR, "lo").addr.data, "\2\0\0\0\0\7", 6);
    lo.addr.len = 5;
    assert_int_equal(esock_ioctl(s, ESOCK_SIFHWADDR, &lo), -EINVAL);
    shut(s);
    *done = true;
    return NULL;
}

static void sets_are_read_back_in_a_namespace_of_their_own(void **state) {
    pthread_t t;
    bool done = false;
    assert_int_equal(pthread_create(&t, NULL, set_everything, &done), 0);
    assert_int_equal(pthread_join(t, NULL), 0);
    if (!done) {
        print_message("skipped: making a network namespace needs CAP_SYS_ADMIN\n");
        skip();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_has_a_row),
        cmocka_unit_test(requests_of_others_never_reach_the_kernel),
        cmocka_unit_test(loopback_tells_what_it_is),
        cmocka_unit_test(T49_hardware_addresses_have_their_own_length),
        cmocka_unit_test(what_is_not_there_is_an_error),
        cmocka_unit_test(interrupted_requests_are_made_again),
        cmocka_unit_test(queues_are_measured),
        cmocka_unit_test(space_is_never_negative_and_tells_errors),
        cmocka_unit_test(mark_is_where_urgent_data_was),
        cmocka_unit_test(configuration_lists_the_loopback),
        cmocka_unit_test(configuration_is_decoded_in_place),
        cmocka_unit_test(flags_are_read_changed_and_written),
        cmocka_unit_test(sets_are_read_back_in_a_namespace_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
