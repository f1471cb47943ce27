/* The walk over control messages at its edges: lengths that lie, values of one byte, room that is exactly enough. */
#include "fixture.h"

#include <linux/errqueue.h>

static size_t put(char *to, int level, int type, const void *data, size_t len) {
    struct cmsghdr h;
    memset(&h, 0, sizeof h);
    h.cmsg_len = CMSG_LEN(len);
    h.cmsg_level = level;
    h.cmsg_type = type;
    memcpy(to, &h, sizeof h);
    if (len > 0) memcpy(to + CMSG_LEN(0), data, len);
    return CMSG_SPACE(len);
}

static void control_data_beyond_4_gib_is_refused(void **state) {
    char control[64] = {0};
    esock_cmsg c;
    size_t pos = 0;
    put(control, 7, 7, "abcd", 4);
#if SIZE_MAX > UINT32_MAX
    assert_int_equal(esock_cmsg_next(control, (size_t)UINT32_MAX + 1, &pos, &c), -EBADMSG);
#endif
    assert_int_equal(pos, 0);
    pos = 65;
    assert_int_equal(esock_cmsg_next(control, 64, &pos, &c), -EBADMSG);
}

static void raw_bytes_are_sent_as_they_are(void **state) {
    for (size_t n = 0; n <= 9; n++) {
        static const char data[] = "_abcdefghij";
        char out[64];
        esock_cmsg c = {
            .level = 7, .type = 8, .kind = ESOCK_CMSG_RAW, .offset = 1, .length = (uint32_t)n};
        memset(out, 0x55, sizeof out);
        /* Exactly enough room, and one byte less. */
        assert_int_equal(esock_cmsg_encode(&c, 1, data, sizeof data, out, CMSG_SPACE(n) - 1),
                         -ENOBUFS);
        assert_int_equal(esock_cmsg_encode(&c, 1, data, sizeof data, out, CMSG_SPACE(n)),
                         CMSG_SPACE(n));
        char want[64];
        memset(want, 0x55, sizeof want);
        memset(want, 0, CMSG_SPACE(n));
        put(want, 7, 8, data + 1, n);
        assert_memory_equal(out, want, sizeof out);
    }
    /* Two: the second has exactly the rest. */
    char out[64];
    esock_cmsg two[2] = {{.level = 1, .type = 2, .kind = ESOCK_CMSG_RAW, .offset = 0, .length = 1},
                         {.level = 3, .type = 4, .kind = ESOCK_CMSG_RAW, .offset = 1, .length = 2}};
    size_t need = CMSG_SPACE(1) + CMSG_SPACE(2);
    assert_int_equal(esock_cmsg_encode(two, 2, "abc", 3, out, need), need);
    assert_int_equal(esock_cmsg_encode(two, 2, "abc", 3, out, need - 1), -ENOBUFS);
    two[1].length = 3; /* one byte more than there is */
    assert_int_equal(esock_cmsg_encode(two, 2, "abc", 3, out, sizeof out), -EINVAL);
    two[1].offset = 4;
    two[1].length = 0;
    assert_int_equal(esock_cmsg_encode(two, 2, "abc", 3, out, sizeof out), -EINVAL);
}

/* A record that was made by hand, or cut: the offender is read from inside the data, or not at all. */
static void an_offender_is_read_from_inside(void **state) {
    struct {
        char before[8];
        struct sock_extended_err e;
        struct sockaddr_in a;
        char more[300];
    } data;
    memset(&data, 0x7f, sizeof data);
    memset(&data.a, 0, sizeof data.a);
    data.a.sin_family = AF_INET;
    data.a.sin_addr.s_addr = htonl(0x7f000001);
    const uint32_t e = sizeof data.e, a = sizeof data.a;
    esock_addr out;
    static const struct {
        uint32_t offset;
        int length; /* difference to the length of the error */
        int len;    /* difference to the end of the record */
        int found;
    } cases[] = {
        {0, 16, 0, 1},
        {0, 16, -1, 0} /* beyond the data */,
        {0, 0, 0, 0},
        {0, -1, 0, 0},
        {0, -16, 0, 0},
        {0, 1, 0, 0},
        {0, 15, 0, 0} /* cut */,
        {0, 300, 0, 1} /* more than any address has */,
        {400, 16, 0, 0},
    };
    for (size_t i = 0; i < LEN(cases); i++) {
        esock_cmsg c = {.level = IPPROTO_IP,
                        .type = IP_RECVERR,
                        .kind = ESOCK_CMSG_RECVERR,
                        .offset = cases[i].offset,
                        .length = (uint32_t)((int)e + cases[i].length)};
        size_t len = (size_t)((int)c.length + cases[i].len);
        memset(&out, 0x33, sizeof out);
        assert_int_equal(esock_cmsg_offender(&data.e, len, &c, &out), cases[i].found);
        esock_addr zero;
        memset(&zero, 0, sizeof zero);
        if (!cases[i].found) assert_memory_equal(&out, &zero, sizeof out);
    }
    /* The record begins inside the data and ends outside. */
    esock_cmsg late = {.kind = ESOCK_CMSG_RECVERR, .offset = 8, .length = e + a};
    assert_int_equal(esock_cmsg_offender(&data, e + a + 8, &late, &out), 1);
    assert_int_equal(esock_cmsg_offender(&data, e + a + 7, &late, &out), 0);
    assert_int_equal(esock_cmsg_offender(&data, e + a, &late, &out), 0);
    esock_cmsg c = {.kind = ESOCK_CMSG_INT, .offset = 0, .length = e + a};
    assert_int_equal(esock_cmsg_offender(&data.e, e + a, &c, &out), 0);
}

static void rights_are_closed_whatever_their_number(void **state) {
    struct script k;
    esock *a, *b;
    char control[64];
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    static const int fds[] = {0, -1, 7000, 7001};
    size_t n = put(control, SOL_SOCKET, SCM_RIGHTS, fds, sizeof fds);
    script_times(&k, K_CLOSE, 3, 0);
    unsigned before = script_count(&k, K_CLOSE);
    assert_int_equal(esock_cmsg_close_rights(a, control, n), 3);
    assert_int_equal(script_count(&k, K_CLOSE) - before, 3);
    assert_int_equal(script_last(&k, K_CLOSE)->fd, 7001);
    assert_true(script_used_up(&k));
    shut(a);
    shut(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_data_beyond_4_gib_is_refused),
        cmocka_unit_test(raw_bytes_are_sent_as_they_are),
        cmocka_unit_test(an_offender_is_read_from_inside),
        cmocka_unit_test(rights_are_closed_whatever_their_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
