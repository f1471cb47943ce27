/* Options whose length only the kernel knows: with too little room the caller gets the room that is needed, in whichever
 * way the kernel reports it, and nothing is cut in silence. */
#include "fixture.h"

#include <linux/filter.h>

/* A kernel that answers one getsockopt(2): result, the length it reports, and the bytes that fit. It keeps the question. */
static struct {
    int result;
    socklen_t says;
    const void *bytes;
    size_t has;
    socklen_t asked; /* the room that it was given */
    unsigned char question[1024];
    int calls;
} kernel;

static int answer(const esock_sys *sys, int fd, int level, int opt, void *val, socklen_t *len) {
    kernel.calls++;
    kernel.asked = *len;
    size_t n = kernel.has < *len ? kernel.has : *len;
    memcpy(kernel.question, val, *len < sizeof kernel.question ? *len : sizeof kernel.question);
    if (kernel.result == 0 && n > 0) memcpy(val, kernel.bytes, n);
    *len = kernel.says;
    return kernel.result;
}

static esock *asked(int result, socklen_t says, const void *bytes, size_t has) {
    static esock_sys sys;
    esock *s;
    sys = *esock_sys_libc();
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, 6, &sys), 0);
    sys.getsockopt = answer;
    memset(&kernel, 0, sizeof kernel);
    kernel.result = result, kernel.says = says, kernel.bytes = bytes, kernel.has = has;
    return s;
}

/* Reads with `room` bytes of room: the result, with the length in *len. */
static int reads(const char *level, const char *name, int result, socklen_t says, const void *bytes,
                 size_t has, void *data, size_t *len) {
    esock *s = asked(result, says, bytes, has);
    int64_t i = 0;
    int r = esock_getopt(s, option_row(level, name), &i, data, len);
    shut(s);
    return r;
}

static void the_kernel_refuses_and_says_how_much(void **state) {
    static const struct {
        const char *level, *name;
        int result;
    } all[] = {{"socket", "peergroups", -ERANGE},
               {"socket", "peersec", -ERANGE},
               {"tcp", "saved_syn", -EINVAL}};
    char data[256];
    for (size_t k = 0; k < LEN(all); k++) {
        size_t len = sizeof data;
        assert_int_equal(
            reads(all[k].level, all[k].name, all[k].result, 12000, NULL, 0, data, &len), -ENOBUFS);
        assert_int_equal(len, 12000);
        /* The same refusal without a length is the kernel's own. */
        len = sizeof data;
        assert_int_equal(
            reads(all[k].level, all[k].name, all[k].result, sizeof data, NULL, 0, data, &len),
            all[k].result);
    }
}

static void the_kernel_gives_what_fits_and_says_how_much(void **state) {
    uint32_t groups[64] = {1}, data[4];
    size_t len = sizeof data;
    assert_int_equal(
        reads("netlink", "list_memberships", 0, sizeof groups, groups, sizeof groups, data, &len),
        -ENOBUFS);
    assert_int_equal(len, sizeof groups);
}

static void the_kernel_refuses_and_says_nothing(void **state) {
    char data[256];
    size_t len = sizeof data;
    unsigned ids = option_row("sctp", "get_assoc_id_list");
    assert_int_equal(reads("sctp", "get_assoc_id_list", -EINVAL, sizeof data, NULL, 0, data, &len),
                     -ENOBUFS);
    assert_int_equal(len, 2 * sizeof data);
    /* With the most room that there can be, it is the answer. */
    size_t most = esock_opt_row(ids)->most;
    char *room = malloc(most);
    len = most;
    assert_int_equal(
        reads("sctp", "get_assoc_id_list", -EINVAL, (socklen_t)most, NULL, 0, room, &len), -EINVAL);
    free(room);
}

static void the_structure_says_how_many(void **state) {
    struct {
        uint32_t group, interface, mode, numsrc, list[8];
    } filter = {.mode = 1, .numsrc = 300}, data;
    size_t len = sizeof data;
    memset(&data, 0x55, sizeof data);
    assert_int_equal(reads("ip", "msfilter", 0, sizeof filter, &filter, sizeof filter, &data, &len),
                     -ENOBUFS);
    assert_int_equal(len, 16 + 4 * 300);
    /* The kernel believes the room in the question, so esock writes the real one, whatever the caller wrote. */
    uint32_t offered;
    memcpy(&offered, kernel.question + 12, sizeof offered);
    assert_int_equal(offered, 8);
    /* Less than the room is all. */
    filter.numsrc = 3;
    len = sizeof data;
    assert_int_equal(reads("ip", "msfilter", 0, 16 + 4 * 3, &filter, 16 + 4 * 3, &data, &len), 0);
    assert_int_equal(len, 16 + 4 * 3);
    /* If elements that fit into the room do not come, the caller is not told to ask again for ever. */
    filter.numsrc = 8;
    len = sizeof data;
    assert_int_equal(reads("ip", "msfilter", 0, 16 + 4 * 3, &filter, 16 + 4 * 3, &data, &len), 0);
    assert_int_equal(len, 16 + 4 * 3);
}

static void subflows_say_how_many_and_how_long(void **state) {
    struct {
        uint32_t size, num, kernel_size, each;
        char tail[100];
    } flows = {.size = 16, .num = 5, .kernel_size = 280, .each = 40},
      data = {.size = 16, .each = 40};
    size_t len = sizeof data;
    assert_int_equal(reads("mptcp", "tcpinfo", 0, 16 + 80, &flows, 16 + 80, &data, &len), -ENOBUFS);
    assert_int_equal(len, 16 + 5 * 40);
    flows.num = 2;
    len = sizeof data;
    assert_int_equal(reads("mptcp", "tcpinfo", 0, 16 + 80, &flows, 16 + 80, &data, &len), 0);
    assert_int_equal(len, 16 + 80);
}

static void a_full_answer_may_have_been_cut(void **state) {
    char bytes[600] = {7}, data[600];
    size_t len = 64;
    assert_int_equal(reads("tcp", "cc_info", 0, 64, bytes, sizeof bytes, data, &len), -ENOBUFS);
    assert_int_equal(len, 128);
    len = 64;
    assert_int_equal(reads("tcp", "cc_info", 0, 63, bytes, 63, data, &len), 0);
    assert_int_equal(len, 63);
    /* Control messages: if no header fits after the last, one may have been left out. */
    len = sizeof data;
    assert_int_equal(reads("ip", "pktoptions", 0, sizeof data - 8, bytes, sizeof bytes, data, &len),
                     -ENOBUFS);
    assert_true(len > sizeof data);
    len = sizeof data;
    assert_int_equal(
        reads("ip", "pktoptions", 0, sizeof data - 16, bytes, sizeof bytes, data, &len), 0);
    /* A value that its format bounds is never asked for again: IP options have at most 40 bytes. */
    len = 40;
    assert_int_equal(reads("ip", "options", 0, 40, bytes, sizeof bytes, data, &len), 0);
    assert_int_equal(len, 40);
    /* Nor is a value that reading removes: the kernel refuses to cut it. */
    len = 512;
    assert_int_equal(reads("tcp", "saved_syn", 0, 512, bytes, sizeof bytes, data, &len), 0);
    assert_int_equal(len, 512);
}

/* TCP_AO_GET_KEYS writes as many keys as the first says, one length apart from the next. */
static void keys_fit_into_the_room(void **state) {
    enum { KEY = 304, NKEYS = 272 };
    char data[2 * KEY + 10], key[KEY] = {0};
    uint32_t n = 5;
    size_t len = sizeof data;
    memcpy(key + NKEYS, &n, sizeof n);
    memset(data, 0x55, sizeof data);
    n = 1000; /* written by the caller, and ignored */
    memcpy(data + NKEYS, &n, sizeof n);
    assert_int_equal(reads("tcp", "ao_get_keys", 0, KEY, key, KEY, data, &len), -ENOBUFS);
    assert_int_equal(len, 5 * KEY);
    assert_int_equal(kernel.asked, KEY);
    memcpy(&n, kernel.question + NKEYS, sizeof n);
    assert_int_equal(n, 2);
    n = 1;
    memcpy(key + NKEYS, &n, sizeof n);
    len = sizeof data;
    assert_int_equal(reads("tcp", "ao_get_keys", 0, KEY, key, KEY, data, &len), 0);
    assert_int_equal(len, KEY);
    len = KEY - 1;
    assert_int_equal(reads("tcp", "ao_get_keys", 0, KEY, key, KEY, data, &len), -ENOBUFS);
    assert_int_equal(len, KEY);
    assert_int_equal(kernel.calls, 0);
}

static void long_strings_are_read_in_place(void **state) {
    char label[700], data[1000];
    memset(label, 'l', sizeof label);
    size_t len = sizeof data;
    assert_int_equal(reads("socket", "peersec", 0, sizeof label, label, sizeof label, data, &len),
                     0);
    assert_int_equal(len, sizeof label);
    assert_memory_equal(data, label, sizeof label);
    label[600] = 0;
    len = sizeof data;
    assert_int_equal(reads("socket", "peersec", 0, sizeof label, label, sizeof label, data, &len),
                     0);
    assert_int_equal(len, 600);
}

static void filters_up_to_what_the_kernel_takes(void **state) {
    esock *s;
    size_t most = 4096;
    struct sock_filter *program = calloc(most + 1, sizeof *program),
                       *got = calloc(most, sizeof *got);
    unsigned r = option_row("socket", "attach_filter");
    assert_int_equal(esock_open(&s, AF_INET, SOCK_DGRAM, 0, NULL), 0);
    static const size_t lengths[] = {1, 512, 513, 4096};
    for (size_t k = 0; k < LEN(lengths); k++) {
        size_t n = lengths[k], size = n * sizeof *program, len;
        program[n - 1] = (struct sock_filter){6, 0, 0, 100};
        int set = esock_setopt(s, r, 0, program, size);
        if (set == -ENOMEM) break; /* net.core.optmem_max */
        assert_int_equal(set, 0);
        len = n > 1 ? sizeof *got : 0;
        assert_int_equal(esock_getopt(s, r, NULL, got, &len), -ENOBUFS);
        assert_int_equal(len, size);
        assert_int_equal(esock_getopt(s, r, NULL, got, &len), 0);
        assert_int_equal(len, size);
        assert_memory_equal(got, program, size);
        /* Natively the length is in instructions, and the kernel does not write outside the room. */
        unsigned char guard[16];
        memset(guard, 0x55, sizeof guard);
        size_t says = 0;
        assert_int_equal(esock_getopt_raw(s, SOL_SOCKET, SO_ATTACH_FILTER, NULL, 0, &says), 0);
        assert_int_equal(says, n);
        if (n > 1) {
            assert_int_equal(esock_getopt_raw(s, SOL_SOCKET, SO_ATTACH_FILTER, guard, 8, &says),
                             -EINVAL);
            for (size_t i = 0; i < sizeof guard; i++)
                assert_int_equal(guard[i], 0x55);
        }
        program[n - 1] = (struct sock_filter){0};
    }
    assert_int_equal(esock_setopt(s, r, 0, program, (most + 1) * sizeof *program), -ERANGE);
    shut(s);
    free(program);
    free(got);
}

static void batches_say_how_much(void **state) {
    esock *s = asked(-ERANGE, 40, NULL, 0);
    char data[16];
    esock_optcall calls[] = {{.row = option_row("socket", "peergroups"), .len = 16}};
    assert_int_equal(esock_getopts(s, calls, 1, data, sizeof data), 0);
    assert_int_equal(calls[0].result, -ENOBUFS);
    assert_int_equal(calls[0].len, 40);
    shut(s);
}

/* A policy of six templates is longer than 512 bytes; the kernel checks it. */
static void policies_are_not_cut_down(void **state) {
    struct script k;
    char policy[168 + 6 * 64] = {0};
    script_init(&k);
    esock *s;
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, 0, &k.sys), 0);
    script_answer(&k, K_SETSOCKOPT, 0);
    assert_int_equal(esock_setopt(s, option_row("ip", "xfrm_policy"), 0, policy, sizeof policy), 0);
    assert_int_equal(script_last(&k, K_SETSOCKOPT)->len, sizeof policy);
    shut(s);
}

/* The secrets of level tls are set and never read: the kernel gives version and cipher if the room is theirs exactly. */
static void what_is_before_a_list_is_read_alone(void **state) {
    static const char head[] = {4, 3, 51, 0};
    char data[256];
    size_t len = sizeof data;
    assert_int_equal(reads("tls", "tx", 0, sizeof head, head, sizeof head, data, &len), 0);
    assert_int_equal(kernel.asked, sizeof head);
    assert_int_equal(len, sizeof head);
    assert_memory_equal(data, head, sizeof head);
    assert_int_equal(reads("tls", "tx", 0, 3, head, 3, data, &len), -EBADMSG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_before_a_list_is_read_alone),
        cmocka_unit_test(the_kernel_refuses_and_says_how_much),
        cmocka_unit_test(the_kernel_gives_what_fits_and_says_how_much),
        cmocka_unit_test(the_kernel_refuses_and_says_nothing),
        cmocka_unit_test(the_structure_says_how_many),
        cmocka_unit_test(subflows_say_how_many_and_how_long),
        cmocka_unit_test(a_full_answer_may_have_been_cut),
        cmocka_unit_test(keys_fit_into_the_room),
        cmocka_unit_test(long_strings_are_read_in_place),
        cmocka_unit_test(filters_up_to_what_the_kernel_takes),
        cmocka_unit_test(batches_say_how_much),
        cmocka_unit_test(policies_are_not_cut_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
