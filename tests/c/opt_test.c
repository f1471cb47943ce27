/* Options: the rows, the codecs, and what setting one must not disturb. */
#include "fixture.h"

#include <linux/filter.h>
#include <sys/time.h>

static esock *open_socket(const esock_sys *sys, int domain, int type) {
    esock *s;
    assert_int_equal(esock_open(&s, domain, type, 0, sys), 0);
    return s;
}

static int64_t get(esock *s, const char *level, const char *name) {
    int64_t i = INT64_MIN;
    assert_int_equal(esock_getopt(s, option_row(level, name), &i, NULL, NULL), 0);
    return i;
}

static int set(esock *s, const char *level, const char *name, int64_t i) {
    return esock_setopt(s, option_row(level, name), i, NULL, 0);
}

static void rows_are_sound(void **state) {
    assert_true(esock_opt_count() >= 200);
    assert_null(esock_opt_row(esock_opt_count()));
    assert_null(esock_opt_row(UINT32_MAX));
    for (unsigned i = 0; i < esock_opt_count(); i++) {
        const esock_optrow *r = esock_opt_row(i);
        assert_in_range(r->codec, ESOCK_BOOL, ESOCK_U16);
        assert_in_range(r->direction, ESOCK_GET, ESOCK_ASKSET);
        assert_true(r->kinds != 0 && r->needs <= ESOCK_NEEDS_NET_RAW);
        assert_int_equal(r->shape != NULL, r->codec == ESOCK_STRUCT);
        assert_int_equal(r->max > 0, r->codec == ESOCK_STRING ||
                                         (r->codec >= ESOCK_BYTES && r->codec != ESOCK_U16));
        assert_true(strlen(r->doc) > 10 && strlen(r->since) > 2);
        for (unsigned k = 0; k < i; k++) {
            const esock_optrow *o = esock_opt_row(k);
            assert_false(strcmp(o->level, r->level) == 0 && strcmp(o->name, r->name) == 0);
        }
    }
}

/* In the generated file that knows the headers. */
int opt_layouts_checked(void);
const char *opt_layout_that_differs(void);

static void layouts_are_those_of_the_headers(void **state) {
    const char *wrong = opt_layout_that_differs();
    if (wrong != NULL) fail_msg("%s", wrong);
    assert_true(opt_layouts_checked() > 200);
}

static uint64_t fnv(uint64_t h, const char *text) {
    for (const char *p = text; *p; p++) {
        h ^= (unsigned char)*p;
        h *= UINT64_C(1099511628211);
    }
    return h;
}

/* The text that the hash is over, built here a second time. */
static void hash_is_over_the_documented_text(void **state) {
    uint64_t h = UINT64_C(14695981039346656037);
    for (unsigned i = 0; i < esock_opt_count(); i++) {
        const esock_optrow *r = esock_opt_row(i);
        char *text;
        int max = r->codec == ESOCK_STRING || r->codec == ESOCK_BYTES ? r->max : 0;
        assert_true(asprintf(&text, "%s %s %s %d %d %d %d %d %u %d %s\n", r->level, r->name,
                             r->constant, r->level_number, r->number, r->codec, r->direction,
                             r->needs, r->kinds, max, r->shape ? r->shape->name : "-") > 0);
        h = fnv(h, text);
        free(text);
        for (unsigned k = 0; r->shape != NULL && k < r->shape->count; k++) {
            assert_true(
                asprintf(&text, "%s %s\n", r->shape->fields[k].name, r->shape->fields[k].kind) > 0);
            h = fnv(h, text);
            free(text);
        }
    }
    assert_true(h == esock_opt_hash());
}

/* Every row that can be set without privilege and outside a connection: what is set is read back. */
static void round_trips(void **state) {
    static const struct {
        const char *level, *name;
        int domain, type;
        int64_t set, get;
    } all[] = {
        {"socket", "reuseaddr", AF_INET, SOCK_STREAM, 1, 1},
        {"socket", "reuseport", AF_INET, SOCK_STREAM, 1, 1},
        {"socket", "keepalive", AF_INET, SOCK_STREAM, 1, 1},
        {"socket", "broadcast", AF_INET, SOCK_DGRAM, 1, 1},
        {"socket", "dontroute", AF_INET, SOCK_DGRAM, 1, 1},
        {"socket", "oobinline", AF_INET, SOCK_STREAM, 1, 1},
        {"socket", "timestamp", AF_INET, SOCK_DGRAM, 1, 1},
        {"socket", "passcred", AF_UNIX, SOCK_DGRAM, 1, 1},
        {"socket", "priority", AF_INET, SOCK_DGRAM, 5, 5},
        {"socket", "rcvlowat", AF_INET, SOCK_STREAM, 7, 7},
        {"socket", "rcvlowat", AF_INET, SOCK_STREAM, 0, 1},
        {"socket", "rcvbuf", AF_INET, SOCK_STREAM, 20000, 40000},
        {"socket", "sndbuf", AF_INET, SOCK_STREAM, 20000, 40000},
        {"tcp", "nodelay", AF_INET, SOCK_STREAM, 1, 1},
        {"tcp", "cork", AF_INET, SOCK_STREAM, 1, 1},
        {"tcp", "keepidle", AF_INET, SOCK_STREAM, 77, 77},
        {"tcp", "keepintvl", AF_INET, SOCK_STREAM, 78, 78},
        {"tcp", "keepcnt", AF_INET, SOCK_STREAM, 9, 9},
        {"tcp", "user_timeout", AF_INET, SOCK_STREAM, 12345, 12345},
        {"tcp", "user_timeout", AF_INET, SOCK_STREAM, INT32_MAX, INT32_MAX},
        {"ip", "ttl", AF_INET, SOCK_DGRAM, 42, 42},
        {"ip", "tos", AF_INET, SOCK_DGRAM, 0xba, 0xba},
        {"ip", "recvttl", AF_INET, SOCK_DGRAM, 1, 1},
        {"ip", "recvtos", AF_INET, SOCK_DGRAM, 1, 1},
        {"ip", "pktinfo", AF_INET, SOCK_DGRAM, 1, 1},
        {"ipv6", "v6only", AF_INET6, SOCK_DGRAM, 1, 1},
        {"ipv6", "recvpktinfo", AF_INET6, SOCK_DGRAM, 1, 1},
        {"ipv6", "recvhoplimit", AF_INET6, SOCK_DGRAM, 1, 1},
        {"ipv6", "recvtclass", AF_INET6, SOCK_DGRAM, 1, 1},
        {"ipv6", "tclass", AF_INET6, SOCK_DGRAM, 0xb8, 0xb8},
        {"ipv6", "unicast_hops", AF_INET6, SOCK_DGRAM, 33, 33},
    };
    for (size_t i = 0; i < LEN(all); i++) {
        esock *s = open_socket(NULL, all[i].domain, all[i].type);
        int r = set(s, all[i].level, all[i].name, all[i].set);
        if (r != 0) fail_msg("%s %s: %s", all[i].level, all[i].name, strerror(-r));
        int64_t got = get(s, all[i].level, all[i].name);
        if (got != all[i].get)
            fail_msg("%s %s: got %lld", all[i].level, all[i].name, (long long)got);
        shut(s);
    }
}

static void facts(void **state) {
    esock_addr at;
    esock *s = listener(NULL, 1, &at);
    assert_int_equal(get(s, "socket", "type"), SOCK_STREAM);
    assert_int_equal(get(s, "socket", "domain"), AF_INET);
    assert_int_equal(get(s, "socket", "protocol"), IPPROTO_TCP);
    assert_int_equal(get(s, "socket", "acceptconn"), 1);
    assert_int_equal(get(s, "socket", "error"), 0);
    assert_true(get(s, "tcp", "maxseg") > 0);
    shut(s);
}

static void error_is_an_errno_and_clears(void **state) {
    esock_addr at;
    esock *s = bound(NULL, SOCK_STREAM, &at);
    esock *c = open_socket(NULL, AF_INET, SOCK_STREAM);
    assert_int_equal(esock_connect(c, &at), -EINPROGRESS);
    await(esock_fd(c), POLLOUT);
    assert_int_equal(get(c, "socket", "error"), ECONNREFUSED);
    assert_int_equal(get(c, "socket", "error"), 0);
    shut(c);
    shut(s);
}

static void ranges(void **state) {
    struct script k;
    script_init(&k);
    esock *s = open_socket(&k.sys, AF_INET, SOCK_STREAM);
    assert_int_equal(set(s, "socket", "rcvbuf", (int64_t)INT32_MAX + 1), -ERANGE);
    assert_int_equal(set(s, "socket", "rcvbuf", (int64_t)INT32_MIN - 1), -ERANGE);
    assert_int_equal(set(s, "socket", "rcvbuf", INT64_MIN), -ERANGE);
    assert_int_equal(set(s, "tcp", "nodelay", 2), -ERANGE);
    assert_int_equal(set(s, "tcp", "nodelay", -1), -ERANGE);
    assert_int_equal(set(s, "tcp", "user_timeout", -1), -ERANGE);
    assert_int_equal(set(s, "tcp", "user_timeout", (int64_t)UINT32_MAX + 1), -ERANGE);
    assert_int_equal(script_count(&k, K_SETSOCKOPT), 0);

    script_answer(&k, K_SETSOCKOPT, 0);
    assert_int_equal(set(s, "tcp", "user_timeout", UINT32_MAX), 0);
    assert_memory_equal(script_last(&k, K_SETSOCKOPT)->data, "\xff\xff\xff\xff", 4);
    uint32_t big = UINT32_MAX;
    script_put(&k, K_GETSOCKOPT, (struct script_answer){.data = &big, .data_len = sizeof big});
    assert_true(get(s, "tcp", "user_timeout") == UINT32_MAX);
    script_put(&k, K_GETSOCKOPT, (struct script_answer){.data = &big, .data_len = sizeof big});
    assert_true(get(s, "ip", "ttl") == -1);
    int eight = 8; /* a set bool need not be 1 */
    script_put(&k, K_GETSOCKOPT, (struct script_answer){.data = &eight, .data_len = sizeof eight});
    assert_int_equal(get(s, "tcp", "nodelay"), 1);
    shut(s);
}

/* A number of 16 bits goes in two bytes, and comes in no other length. */
static void sixteen_bits(void **state) {
    struct script k;
    uint16_t most = UINT16_MAX;
    int64_t i = 0;
    script_init(&k);
    esock *s = open_socket(&k.sys, AF_INET, SOCK_STREAM);
    assert_int_equal(set(s, "tls", "tx_max_payload_len", -1), -ERANGE);
    assert_int_equal(set(s, "tls", "tx_max_payload_len", UINT16_MAX + 1), -ERANGE);
    assert_int_equal(script_count(&k, K_SETSOCKOPT), 0);
    script_answer(&k, K_SETSOCKOPT, 0);
    assert_int_equal(set(s, "tls", "tx_max_payload_len", UINT16_MAX), 0);
    assert_int_equal(script_last(&k, K_SETSOCKOPT)->len, sizeof most);
    assert_memory_equal(script_last(&k, K_SETSOCKOPT)->data, &most, sizeof most);
    script_put(&k, K_GETSOCKOPT, (struct script_answer){.data = &most, .data_len = sizeof most});
    assert_int_equal(get(s, "tls", "tx_max_payload_len"), UINT16_MAX);
    script_put(&k, K_GETSOCKOPT, (struct script_answer){.data = &most, .data_len = 1});
    assert_int_equal(esock_getopt(s, option_row("tls", "tx_max_payload_len"), &i, NULL, NULL),
                     -EBADMSG);
    shut(s);
}

static void wrong_rows_and_directions(void **state) {
    esock *s = open_socket(NULL, AF_INET, SOCK_STREAM);
    int64_t i;
    assert_int_equal(esock_getopt(s, esock_opt_count(), &i, NULL, NULL), -ENOENT);
    assert_int_equal(esock_setopt(s, esock_opt_count(), 0, NULL, 0), -ENOENT);
    assert_int_equal(esock_setopt(s, UINT32_MAX, 0, NULL, 0), -ENOENT);
    assert_int_equal(set(s, "socket", "type", 1), -ENOTSUP);
    assert_int_equal(set(s, "socket", "error", 1), -ENOTSUP);
    assert_int_equal(set(s, "socket", "peercred", 1), -ENOTSUP);
    assert_int_equal(set(s, "ipv6", "v6only", 1), -ENOPROTOOPT); /* the kernel's own answer */
    shut(s);
}

static void short_answers(void **state) {
    static const char *const scalar[] = {"type", "keepalive"};
    struct script k;
    char data[64];
    size_t len;
    int64_t i;
    script_init(&k);
    esock *s = open_socket(&k.sys, AF_INET, SOCK_STREAM);
    for (size_t n = 0; n < 12; n++) {
        struct script_answer a = {.data = "abcdefghijkl", .data_len = n};
        for (size_t x = 0; n < 4 && x < LEN(scalar); x++) {
            script_put(&k, K_GETSOCKOPT, a);
            assert_int_equal(esock_getopt(s, option_row("socket", scalar[x]), &i, NULL, NULL),
                             -EBADMSG);
        }
        if (n < 8) {
            script_put(&k, K_GETSOCKOPT, a);
            len = sizeof data;
            assert_int_equal(esock_getopt(s, option_row("socket", "linger"), &i, data, &len),
                             -EBADMSG);
        }
        script_put(&k, K_GETSOCKOPT, a);
        len = sizeof data;
        assert_int_equal(esock_getopt(s, option_row("socket", "peercred"), &i, data, &len),
                         -EBADMSG);
    }
    assert_true(script_used_up(&k));
    shut(s);
}

static void strings_end_at_the_first_nul(void **state) {
    static const struct {
        const char *level, *name, *answer;
        size_t answer_len;
        const char *expect;
    } all[] = {{"socket", "bindtodevice", "lo\0", 3, "lo"},
               {"socket", "bindtodevice", "", 0, ""},
               {"socket", "bindtodevice", "fifteen-letters", 15, "fifteen-letters"},
               {"tcp", "congestion", "cubic\0\0\0\0\0\0\0\0\0\0", 16, "cubic"},
               {"tcp", "congestion", "a\0bbbbbbbbbbbbbb", 16, "a"}};
    struct script k;
    script_init(&k);
    esock *s = open_socket(&k.sys, AF_INET, SOCK_STREAM);
    for (size_t i = 0; i < LEN(all); i++) {
        char data[32];
        size_t len = sizeof data, room;
        struct script_answer a = {.data = all[i].answer, .data_len = all[i].answer_len};
        script_put(&k, K_GETSOCKOPT, a);
        assert_int_equal(esock_getopt(s, option_row(all[i].level, all[i].name), NULL, data, &len),
                         0);
        assert_int_equal(script_last(&k, K_GETSOCKOPT)->len, 16);
        assert_int_equal(len, strlen(all[i].expect));
        assert_memory_equal(data, all[i].expect, len);
        if (len == 0) continue;
        room = len - 1;
        script_put(&k, K_GETSOCKOPT, a);
        assert_int_equal(esock_getopt(s, option_row(all[i].level, all[i].name), NULL, data, &room),
                         -ENOBUFS);
    }
    shut(s);
}

static void strings_against_the_kernel(void **state) {
    esock *s = open_socket(NULL, AF_INET, SOCK_STREAM);
    unsigned device = option_row("socket", "bindtodevice"),
             congestion = option_row("tcp", "congestion");
    char data[32];
    size_t len = sizeof data;
    assert_int_equal(esock_getopt(s, device, NULL, data, &len), 0);
    assert_int_equal(len, 0);
    assert_int_equal(esock_setopt(s, device, 0, "lo", 2), 0);
    len = sizeof data;
    assert_int_equal(esock_getopt(s, device, NULL, data, &len), 0);
    assert_int_equal(len, 2);
    assert_memory_equal(data, "lo", 2);
    assert_int_equal(esock_setopt(s, device, 0, "a-name-of-16-bytes", 16), -ERANGE);
    assert_int_equal(esock_setopt(s, device, 0, "no-such-device", 14), -ENODEV);
    assert_int_equal(esock_setopt(s, device, 0, "l\0o", 3), -EINVAL);
    if (geteuid() == 0) assert_int_equal(esock_setopt(s, device, 0, NULL, 0), 0);

    assert_int_equal(esock_setopt(s, congestion, 0, "reno", 4), 0);
    len = sizeof data;
    assert_int_equal(esock_getopt(s, congestion, NULL, data, &len), 0);
    assert_int_equal(len, 4);
    assert_memory_equal(data, "reno", 4);
    assert_int_equal(esock_setopt(s, congestion, 0, "nonesuch", 8), -ENOENT);
    shut(s);
}

static void linger(void **state) {
    esock *s = open_socket(NULL, AF_INET, SOCK_STREAM);
    unsigned r = option_row("socket", "linger");
    esock_linger l = {.onoff = 5, .seconds = 7}, got;
    size_t len = sizeof got;
    assert_int_equal(esock_setopt(s, r, 0, &l, sizeof l), 0);
    assert_int_equal(esock_getopt(s, r, NULL, &got, &len), 0);
    assert_int_equal(len, sizeof got);
    assert_int_equal(got.onoff, 1);
    assert_int_equal(got.seconds, 7);
    assert_int_equal(esock_setopt(s, r, 0, &l, sizeof l - 1), -EINVAL);
    assert_int_equal(esock_setopt(s, r, 0, &l, sizeof l + 1), -EINVAL);
    len = sizeof got - 1;
    assert_int_equal(esock_getopt(s, r, NULL, &got, &len), -ENOBUFS);
    l = (esock_linger){0};
    assert_int_equal(esock_setopt(s, r, 0, &l, sizeof l), 0);
    shut(s);
}

static void peercred(void **state) {
    esock *a, *b;
    esock_ucred u;
    size_t len = sizeof u;
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    assert_int_equal(esock_getopt(a, option_row("socket", "peercred"), NULL, &u, &len), 0);
    assert_int_equal(len, sizeof u);
    assert_int_equal(u.pid, getpid());
    assert_int_equal(u.uid, geteuid());
    assert_int_equal(u.gid, getegid());
    len = sizeof u - 1;
    assert_int_equal(esock_getopt(a, option_row("socket", "peercred"), NULL, &u, &len), -ENOBUFS);
    shut(a);
    shut(b);
}

/* An older kernel gives less, and the missing fields are 0; a newer kernel gives no more than asked for. */
static void structures_of_any_length(void **state) {
    struct script k;
    unsigned char data[512], answer[300];
    unsigned r = option_row("tcp", "info");
    const esock_optshape *shape = esock_opt_row(r)->shape;
    memset(answer, 7, sizeof answer);
    script_init(&k);
    esock *s = open_socket(&k.sys, AF_INET, SOCK_STREAM);
    for (size_t n = 0; n < sizeof answer; n += 4) {
        size_t len = sizeof data, known = n < shape->size ? n : shape->size;
        memset(data, 0x55, sizeof data);
        script_put(&k, K_GETSOCKOPT, (struct script_answer){.data = answer, .data_len = n});
        int got = esock_getopt(s, r, NULL, data, &len);
        if (n == 0) {
            assert_int_equal(got, -EBADMSG);
            continue;
        }
        assert_int_equal(got, 0);
        assert_int_equal(len, shape->size);
        for (size_t i = 0; i < len; i++)
            assert_int_equal(data[i], i < known ? 7 : 0);
        assert_int_equal(data[len], 0x55);
    }
    shut(s);
}

/* SCTP_RTOINFO is number 0, which is one like any other. */
static void t48_number_zero(void **state) {
    struct script k;
    int32_t v[4] = {1, 2, 3, 4};
    size_t len = sizeof v;
    unsigned r = option_row("sctp", "rtoinfo");
    assert_int_equal(esock_opt_row(r)->number, 0);
    script_init(&k);
    esock *s = open_socket(&k.sys, AF_INET, SOCK_STREAM);
    script_answer(&k, K_SETSOCKOPT, 0);
    assert_int_equal(esock_setopt(s, r, 0, v, sizeof v), 0);
    assert_int_equal(script_last(&k, K_SETSOCKOPT)->a, IPPROTO_SCTP);
    assert_int_equal(script_last(&k, K_SETSOCKOPT)->b, 0);
    assert_memory_equal(script_last(&k, K_SETSOCKOPT)->data, v, sizeof v);
    script_put(&k, K_GETSOCKOPT, (struct script_answer){.data = v, .data_len = sizeof v});
    assert_int_equal(esock_getopt(s, r, NULL, v, &len), 0);
    assert_int_equal(len, sizeof v);
    shut(s);
}

/* The microseconds are not the seconds. */
static void t12_timeval(void **state) {
    esock *s = open_socket(NULL, AF_INET, SOCK_STREAM);
    struct timeval tv;
    socklen_t len = sizeof tv;
    assert_int_equal(set(s, "socket", "rcvtimeo", 3250000), 0);
    assert_int_equal(getsockopt(esock_fd(s), SOL_SOCKET, SO_RCVTIMEO, &tv, &len), 0);
    assert_int_equal(tv.tv_sec, 3);
    assert_in_range(tv.tv_usec, 250000, 260000); /* in steps of the kernel's clock */
    assert_in_range(get(s, "socket", "rcvtimeo"), 3250000, 3260000);
    assert_int_equal(set(s, "socket", "rcvtimeo", -1), -ERANGE);
    shut(s);
}

static void filters(void **state) {
    esock *s = open_socket(NULL, AF_INET, SOCK_DGRAM);
    struct sock_filter program[2] = {{0x30, 0, 0, 0}, {6, 0, 0, 100}}, got[4];
    unsigned r = option_row("socket", "attach_filter");
    size_t len = sizeof got;
    assert_int_equal(esock_getopt(s, r, NULL, got, &len), 0);
    assert_int_equal(len, 0);
    assert_int_equal(esock_setopt(s, r, 0, program, 7), -EINVAL);
    assert_int_equal(esock_setopt(s, r, 0, program, 0), -EINVAL);
    assert_int_equal(esock_setopt(s, r, 0, program, sizeof program), 0);
    len = sizeof got;
    assert_int_equal(esock_getopt(s, r, NULL, got, &len), 0);
    assert_int_equal(len, sizeof program);
    assert_memory_equal(got, program, sizeof program);
    len = sizeof program - 1;
    assert_int_equal(esock_getopt(s, r, NULL, got, &len), -ENOBUFS);
    assert_int_equal(set(s, "socket", "detach_filter", 0), 0);
    shut(s);
}

static void batches(void **state) {
    esock *s = open_socket(NULL, AF_INET, SOCK_STREAM);
    char data[32] = "reno";
    esock_optcall set_calls[] = {{.row = option_row("tcp", "nodelay"), .i = 1},
                                 {.row = option_row("tcp", "congestion"), .len = 4},
                                 {.row = option_row("socket", "type")},
                                 {.row = UINT32_MAX},
                                 {.row = option_row("tcp", "congestion"), .offset = 30, .len = 3}};
    assert_int_equal(esock_setopts(s, set_calls, LEN(set_calls), data, sizeof data), 2);
    assert_int_equal(set_calls[2].result, -ENOTSUP);
    assert_int_equal(set_calls[3].result, -ENOENT);
    assert_int_equal(set_calls[4].result, -EINVAL);
    esock_optcall get_calls[] = {{.row = option_row("tcp", "congestion"), .offset = 8, .len = 16},
                                 {.row = option_row("tcp", "nodelay")},
                                 {.row = option_row("tcp", "congestion"), .offset = 24, .len = 2}};
    assert_int_equal(esock_getopts(s, get_calls, LEN(get_calls), data, sizeof data), 2);
    assert_int_equal(get_calls[0].len, 4);
    assert_memory_equal(data + 8, "reno", 4);
    assert_int_equal(get_calls[1].i, 1);
    assert_int_equal(get_calls[2].result, -ENOBUFS);
    assert_int_equal(esock_getopts(s, NULL, 0, NULL, 0), 0);
    shut(s);
}

static void tos_keeps_priority(void **state) {
    esock *s = open_socket(NULL, AF_INET, SOCK_DGRAM);
    int tos = 0x10, now; /* lowdelay forces priority 6 */
    assert_int_equal(set(s, "socket", "priority", 3), 0);
    assert_int_equal(set(s, "ip", "tos", tos), 0);
    assert_int_equal(get(s, "ip", "tos"), 0x10);
    assert_int_equal(get(s, "socket", "priority"), 3);
    tos = 0x08;
    assert_int_equal(esock_setopt_native(s, IPPROTO_IP, IP_TOS, &tos, sizeof tos), 0);
    assert_int_equal(get(s, "ip", "tos"), 0x08);
    assert_int_equal(get(s, "socket", "priority"), 3);
    /* Linux does change it: a plain setsockopt changes the priority. */
    tos = 0x10;
    assert_int_equal(setsockopt(esock_fd(s), IPPROTO_IP, IP_TOS, &tos, sizeof tos), 0);
    socklen_t len = sizeof now;
    assert_int_equal(getsockopt(esock_fd(s), SOL_SOCKET, SO_PRIORITY, &now, &len), 0);
    assert_int_equal(now, 6);
    shut(s);
}

/* Number 1 is IP_TOS, TCP_NODELAY and SO_DEBUG, number 12 SO_PRIORITY and IP_RECVTTL: the level decides. */
static void nothing_else_costs_more_than_one_call(void **state) {
    struct script k;
    int on = 1;
    script_init(&k);
    esock *s = open_socket(&k.sys, AF_INET, SOCK_STREAM);
    unsigned gets = script_count(&k, K_GETSOCKOPT);
    assert_int_equal(set(s, "tcp", "nodelay", 1), 0);
    assert_int_equal(set(s, "ip", "recvttl", 1), 0);
    assert_int_equal(set(s, "socket", "priority", 2), 0);
    assert_int_equal(esock_setopt_native(s, IPPROTO_TCP, 1, &on, sizeof on), 0);
    assert_int_equal(script_count(&k, K_SETSOCKOPT), 4);
    assert_int_equal(script_count(&k, K_GETSOCKOPT), gets);
    /* Unchanged: read, set, read; nothing written back. */
    assert_int_equal(set(s, "ip", "tos", 0x08), 0);
    assert_int_equal(set(s, "ip", "tos", 0x08), 0);
    assert_int_equal(get(s, "socket", "priority"), 2);
    unsigned sets = script_count(&k, K_SETSOCKOPT);
    assert_int_equal(set(s, "socket", "priority", 0), 0);
    assert_int_equal(set(s, "ip", "tos", 0), 0);
    assert_int_equal(script_count(&k, K_SETSOCKOPT), sets + 2);
    shut(s);
}

static void restoring_priority(void **state) {
    struct script k;
    int high = 9, six = 6;
    script_init(&k);
    esock *s = open_socket(&k.sys, AF_INET, SOCK_DGRAM);
    for (int error = 0; error < 3; error++) {
        static const int answer[] = {0, -EPERM, -ENOMEM}, expect[] = {0, 0, -ENOMEM};
        script_put(&k, K_GETSOCKOPT, (struct script_answer){.data = &high, .data_len = 4});
        script_answer(&k, K_SETSOCKOPT, 0);
        script_put(&k, K_GETSOCKOPT, (struct script_answer){.data = &six, .data_len = 4});
        script_answer(&k, K_SETSOCKOPT, answer[error]);
        assert_int_equal(set(s, "ip", "tos", 0x10), expect[error]);
        assert_true(script_used_up(&k));
        const struct script_seen *last = script_last(&k, K_SETSOCKOPT);
        assert_int_equal(last->a, SOL_SOCKET);
        assert_int_equal(last->b, SO_PRIORITY);
        assert_memory_equal(last->data, &high, sizeof high);
    }
    /* A refused TOS is the result, and the priority is not set back. */
    unsigned sets = script_count(&k, K_SETSOCKOPT);
    script_answer(&k, K_SETSOCKOPT, -EINVAL);
    assert_int_equal(set(s, "ip", "tos", 1), -EINVAL);
    assert_int_equal(script_count(&k, K_SETSOCKOPT), sets + 1);
    shut(s);
}

static void native(void **state) {
    struct script k;
    char data[8];
    int v = 1;
    script_init(&k);
    esock *s = open_socket(&k.sys, AF_INET, SOCK_STREAM);
    assert_int_equal(esock_setopt_native(s, IPPROTO_TCP, 1, &v, sizeof v), 0);
    size_t len = sizeof data;
    memset(data, 0x55, sizeof data);
    assert_int_equal(esock_getopt_native(s, IPPROTO_TCP, 1, data, &len), 0);
    assert_int_equal(len, sizeof(int));
    memcpy(&v, data, sizeof v);
    assert_int_equal(v, 1);
    assert_int_equal(data[4], 0x55);
    len = 0;
    assert_int_equal(esock_getopt_native(s, 0xFFFF, 0, NULL, &len), -EOPNOTSUPP);

    unsigned gets = script_count(&k, K_GETSOCKOPT);
    len = (1u << 20) + 1;
    assert_int_equal(esock_getopt_native(s, IPPROTO_TCP, 1, data, &len), -EINVAL);
    len = SIZE_MAX;
    assert_int_equal(esock_getopt_native(s, IPPROTO_TCP, 1, data, &len), -EINVAL);
    assert_int_equal(script_count(&k, K_GETSOCKOPT), gets);
    assert_int_equal(esock_setopt_native(s, IPPROTO_TCP, 1, data, SIZE_MAX), -EINVAL);

    /* Number 0 reaches the kernel like any other, and a length beyond the room is cut. */
    script_put(&k, K_GETSOCKOPT, (struct script_answer){.data = "0123456789", .data_len = 10});
    len = 4;
    assert_int_equal(esock_getopt_native(s, 132, 0, data, &len), 0);
    assert_int_equal(script_last(&k, K_GETSOCKOPT)->a, 132);
    assert_int_equal(script_last(&k, K_GETSOCKOPT)->b, 0);
    assert_int_equal(len, 4);
    shut(s);
}

/* What is in the buffer on entry reaches the kernel: some options read before they write. */
static int echo(const esock_sys *sys, int fd, int level, int opt, void *val, socklen_t *len) {
    char *p = val;
    for (socklen_t i = 0; i < *len / 2; i++) {
        char c = p[i];
        p[i] = p[*len - 1 - i];
        p[*len - 1 - i] = c;
    }
    return 0;
}

static void native_in_and_out(void **state) {
    esock *s;
    char data[] = "abc";
    size_t len = 3;
    esock_sys sys = *esock_sys_libc();
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, 6, &sys), 0);
    sys.getsockopt = echo;
    assert_int_equal(esock_getopt_native(s, 1, 2, data, &len), 0);
    assert_string_equal(data, "cba");
    shut(s);
}

/* A kernel whose structure is shorter than ours, and what it was given. */
static struct {
    socklen_t size, len;
    unsigned char bytes[16];
    int calls;
} older;

static int takes_its_own(const esock_sys *sys, int fd, int level, int opt, const void *val,
                         socklen_t len) {
    (void)sys, (void)fd, (void)level, (void)opt;
    older.calls++;
    if (len > older.size) return -EINVAL;
    older.len = len;
    memcpy(older.bytes, val, len);
    return 0;
}

static void an_older_kernel_takes_fewer_fields(void **state) {
    unsigned char events[14] = {1, 0, 1, 0, 0, 0, 0, 0, 0, 1};
    esock *s;
    esock_sys sys = *esock_sys_libc();
    unsigned row = option_row("sctp", "events");
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, 6, &sys), 0);
    sys.setsockopt = takes_its_own;
    older.size = 10;
    assert_int_equal(esock_setopt(s, row, 0, events, sizeof events), 0);
    assert_int_equal(older.len, 10);
    assert_memory_equal(older.bytes, events, 10);
    assert_int_equal(older.calls, 5);

    events[12] = 1; /* a field that the kernel lacks is wanted */
    older.len = 0;
    assert_int_equal(esock_setopt(s, row, 0, events, sizeof events), -EINVAL);
    assert_int_equal(older.len, 0);

    older.size = 0; /* refused for another reason: once for each field, and no more */
    older.calls = 0;
    memset(events, 0, sizeof events);
    assert_int_equal(esock_setopt(s, row, 0, events, sizeof events), -EINVAL);
    assert_int_equal(older.calls, 14);
    shut(s);
}

static int notes_the_length(const esock_sys *sys, int fd, int level, int opt, const void *val,
                            socklen_t len) {
    (void)sys, (void)fd;
    assert_int_equal(level, 279);
    assert_int_equal(opt, 5);
    assert_null(val);
    older.len = len;
    return 0;
}

static void the_size_of_a_tag_is_the_length_of_the_option(void **state) {
    esock *s;
    esock_sys sys = *esock_sys_libc();
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, 6, &sys), 0);
    sys.setsockopt = notes_the_length;
    older.len = 0;
    assert_int_equal(set(s, "alg", "set_aead_authsize", 12), 0);
    assert_int_equal(older.len, 12);
    assert_int_equal(set(s, "alg", "set_aead_authsize", -1), -ERANGE);
    shut(s);
}

static void interrupted(void **state) {
    struct script k;
    script_init(&k);
    esock *s = open_socket(&k.sys, AF_INET, SOCK_STREAM);
    script_times(&k, K_SETSOCKOPT, 2, -EINTR);
    assert_int_equal(set(s, "tcp", "nodelay", 1), 0);
    script_times(&k, K_GETSOCKOPT, 2, -EINTR);
    assert_int_equal(get(s, "tcp", "nodelay"), 1);
    shut(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_sound),
        cmocka_unit_test(layouts_are_those_of_the_headers),
        cmocka_unit_test(hash_is_over_the_documented_text),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(facts),
        cmocka_unit_test(error_is_an_errno_and_clears),
        cmocka_unit_test(ranges),
        cmocka_unit_test(sixteen_bits),
        cmocka_unit_test(wrong_rows_and_directions),
        cmocka_unit_test(short_answers),
        cmocka_unit_test(strings_end_at_the_first_nul),
        cmocka_unit_test(strings_against_the_kernel),
        cmocka_unit_test(linger),
        cmocka_unit_test(peercred),
        cmocka_unit_test(structures_of_any_length),
        cmocka_unit_test(t48_number_zero),
        cmocka_unit_test(t12_timeval),
        cmocka_unit_test(filters),
        cmocka_unit_test(batches),
        cmocka_unit_test(tos_keeps_priority),
        cmocka_unit_test(nothing_else_costs_more_than_one_call),
        cmocka_unit_test(restoring_priority),
        cmocka_unit_test(native),
        cmocka_unit_test(native_in_and_out),
        cmocka_unit_test(an_older_kernel_takes_fewer_fields),
        cmocka_unit_test(the_size_of_a_tag_is_the_length_of_the_option),
        cmocka_unit_test(interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
