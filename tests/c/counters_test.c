/* Counters: every byte once, every wait, no peek. */
#include "fixture.h"

static void every_byte_is_counted_once_and_peeks_are_not(void **state) {
    esock *a, *b;
    char buf[8];
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    assert_int_equal(esock_send(a, "abcde", 5, 0, 0), 5);
    assert_int_equal(esock_recv(b, buf, 4, MSG_PEEK, 0), 4);
    assert_int_equal(counter(b, ESOCK_READ_BYTE), 0);
    assert_int_equal(counter(b, ESOCK_READ_PKG), 0);
    assert_int_equal(esock_recv(b, buf, 4, 0, 0), 4);
    assert_int_equal(esock_recv(b, buf, 4, 0, 0), 1);
    assert_int_equal(counter(b, ESOCK_READ_BYTE), 5);
    assert_int_equal(counter(b, ESOCK_READ_PKG), 2);
    assert_int_equal(counter(b, ESOCK_READ_PKG_MAX), 4);
    assert_int_equal(counter(b, ESOCK_READ_TRIES), 3);
    assert_int_equal(counter(a, ESOCK_WRITE_BYTE), 5);
    assert_int_equal(counter(a, ESOCK_WRITE_PKG), 1);
    shut(a);
    shut(b);
}

static void a_wait_is_counted_and_a_poll_is_not(void **state) {
    esock *a, *b;
    char buf[8];
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    assert_int_equal(esock_recv(b, buf, 4, 0, 0), -EAGAIN);
    assert_int_equal(esock_recv(b, buf, 4, 0, ESOCK_POLL), -EAGAIN);
    assert_int_equal(counter(b, ESOCK_READ_TRIES), 2);
    assert_int_equal(counter(b, ESOCK_READ_WAITS), 1);
    assert_int_equal(counter(b, ESOCK_READ_FAILS), 0);
    shut(a);
    shut(b);
}

static void failures_and_the_end_of_a_stream_are_counted(void **state) {
    struct script k;
    esock *a, *b;
    char buf[8];
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    script_answer(&k, K_RECV, -ECONNRESET);
    assert_int_equal(esock_recv(b, buf, 4, 0, 0), -ECONNRESET);
    assert_int_equal(counter(b, ESOCK_READ_FAILS), 1);
    shut(a);
    assert_int_equal(esock_recv(b, buf, 4, 0, 0), 0);
    assert_int_equal(counter(b, ESOCK_READ_FAILS), 2);
    assert_int_equal(esock_send(b, "x", 1, 0, 0), -EPIPE);
    assert_int_equal(counter(b, ESOCK_WRITE_FAILS), 1);
    assert_int_equal(counter(b, ESOCK_WRITE_BYTE), 0);
    shut(b);
}

static void a_request_in_several_calls_is_one_package(void **state) {
    struct script k;
    esock *a, *b;
    char buf[8];
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    script_cut(&k, K_SEND, 3);
    script_answer(&k, K_SEND, -EAGAIN);
    assert_int_equal(esock_send(a, "abcdefgh", 8, 0, 0), 3);
    assert_int_equal(esock_send(a, "defgh", 5, 0, ESOCK_CONT), -EAGAIN);
    assert_int_equal(counter(a, ESOCK_WRITE_PKG), 0);
    assert_int_equal(esock_send(a, "defgh", 5, 0, ESOCK_CONT), 5);
    assert_int_equal(counter(a, ESOCK_WRITE_PKG), 1);
    assert_int_equal(counter(a, ESOCK_WRITE_PKG_MAX), 8);
    assert_int_equal(counter(a, ESOCK_WRITE_WAITS), 1);

    script_cut(&k, K_RECV, 2);
    assert_int_equal(esock_recv(b, buf, 8, 0, ESOCK_FULL), 2);
    assert_int_equal(counter(b, ESOCK_READ_PKG), 0);
    assert_int_equal(esock_recv(b, buf, 6, 0, ESOCK_FULL | ESOCK_CONT), 6);
    assert_int_equal(counter(b, ESOCK_READ_PKG), 1);
    assert_int_equal(counter(b, ESOCK_READ_PKG_MAX), 8);
    shut(a);
    shut(b);
}

static void a_request_that_ends_early_is_a_package_of_what_it_moved(void **state) {
    struct script k;
    esock *a, *b;
    char buf[8];
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    script_cut(&k, K_SEND, 3);
    assert_int_equal(esock_send(a, "abcde", 5, 0, 0), 3);
    esock_end_write(a);
    esock_end_write(a); /* nothing in progress: nothing counted */
    assert_int_equal(counter(a, ESOCK_WRITE_PKG), 1);
    assert_int_equal(counter(a, ESOCK_WRITE_PKG_MAX), 3);
    assert_int_equal(esock_recv(b, buf, 8, 0, ESOCK_FULL), 3);
    esock_end_read(b);
    assert_int_equal(counter(b, ESOCK_READ_PKG), 1);
    /* A next request without CONT ends the one before by itself. */
    assert_int_equal(esock_send(a, "xy", 2, 0, 0), 2);
    assert_int_equal(esock_recv(b, buf, 8, 0, ESOCK_FULL), 2);
    assert_int_equal(esock_recv(b, buf, 8, 0, 0), -EAGAIN);
    assert_int_equal(counter(b, ESOCK_READ_PKG), 2);
    assert_int_equal(counter(b, ESOCK_READ_PKG_MAX), 3);
    shut(a);
    shut(b);
}

/* What the caller moves by itself counts as messages, after the request in progress. */
static void own_system_calls_are_counted(void **state) {
    for (int width = 8; width <= 64; width += 56) {
        struct script k;
        esock *a, *b;
        char buf[8];
        script_init(&k);
        unix_pair(&k.sys, SOCK_STREAM, &a, &b);
        assert_int_equal(esock_counters_width(a, width), 0);
        assert_int_equal(esock_counters_width(b, width), 0);
        script_cut(&k, K_SEND, 3);
        assert_int_equal(esock_send(a, "abcde", 5, 0, 0), 3);
        esock_count(a, 1, 4, 100, 40);
        esock_count(a, 1, 0, 0, 0);
        assert_int_equal(counter(a, ESOCK_WRITE_PKG), 5);
        assert_int_equal(counter(a, ESOCK_WRITE_BYTE), 103);
        assert_int_equal(counter(a, ESOCK_WRITE_PKG_MAX), 40);
        assert_int_equal(counter(a, ESOCK_WRITE_TRIES), 3);
        assert_int_equal(counter(a, ESOCK_WRITE_FAILS), 1);
        assert_int_equal(counter(a, ESOCK_READ_TRIES), 0);

        assert_int_equal(esock_recv(b, buf, 8, 0, ESOCK_FULL), 3);
        esock_count(b, 0, 1, 50, 50);
        esock_count(b, 0, 0, 0, 0);
        assert_int_equal(counter(b, ESOCK_READ_PKG), 2);
        assert_int_equal(counter(b, ESOCK_READ_BYTE), 53);
        assert_int_equal(counter(b, ESOCK_READ_PKG_MAX), 50);
        assert_int_equal(counter(b, ESOCK_READ_TRIES), 3);
        assert_int_equal(counter(b, ESOCK_READ_FAILS), 1);
        assert_int_equal(counter(b, ESOCK_WRITE_TRIES), 0);
        shut(a);
        shut(b);
    }
}

static void message_calls_count_like_the_others(void **state) {
    esock *a, *b;
    esock_msg m;
    char buf[8];
    struct iovec iov[2] = {{"ab", 2}, {"cde", 3}};
    unix_pair(NULL, SOCK_DGRAM, &a, &b);
    assert_int_equal(esock_sendmsg(a, "xyz", 3, 0, 0, NULL, NULL, 0), 3);
    assert_int_equal(esock_sendmsgv(a, iov, 2, 0, 0, NULL, NULL, 0), 5);
    assert_int_equal(counter(a, ESOCK_WRITE_BYTE), 8);
    assert_int_equal(counter(a, ESOCK_WRITE_PKG), 2);
    assert_int_equal(counter(a, ESOCK_WRITE_PKG_MAX), 5);
    assert_int_equal(esock_recvmsg(b, buf, 2, 0, 0, NULL, 0, NULL, 0, &m),
                     2); /* cut: one byte is lost */
    assert_int_equal(esock_recvmsg(b, buf, 8, 0, 0, NULL, 0, NULL, 0, &m), 5);
    assert_int_equal(esock_recvmsg(b, buf, 8, 0, 0, NULL, 0, NULL, 0, &m), -EAGAIN);
    assert_int_equal(counter(b, ESOCK_READ_BYTE), 7);
    assert_int_equal(counter(b, ESOCK_READ_PKG), 2);
    assert_int_equal(counter(b, ESOCK_READ_TRIES), 3);
    assert_int_equal(counter(b, ESOCK_READ_WAITS), 1);
    shut(a);
    shut(b);
}

static void a_wrap_at_8_bits_is_told_once(void **state) {
    esock *a, *b;
    char buf[200] = {0};
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    assert_int_equal(esock_counters_width(a, 8), 0);
    assert_int_equal(esock_send(a, buf, 200, 0, 0), 200);
    assert_int_equal(esock_counters_wrapped(a), 0);
    assert_int_equal(esock_send(a, buf, 100, 0, 0), 100);
    assert_int_equal(counter(a, ESOCK_WRITE_BYTE), 300 - 256);
    assert_int_equal(esock_counters_wrapped(a), 1u << ESOCK_WRITE_BYTE);
    assert_int_equal(esock_counters_wrapped(a), 0);
    shut(a);
    shut(b);
}

static void one_step_over_the_whole_width_is_a_wrap(void **state) {
    struct script k;
    esock *a, *b;
    char buf[4];
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    assert_int_equal(esock_counters_width(a, 8), 0);
    script_answer(&k, K_SEND, 256);
    assert_int_equal(esock_send(a, buf, 256, 0, 0), 256);
    assert_int_equal(counter(a, ESOCK_WRITE_BYTE), 0);
    assert_int_equal(esock_counters_wrapped(a), 1u << ESOCK_WRITE_BYTE);
    shut(a);
    shut(b);
}

static void tries_wrap_too(void **state) {
    esock *a, *b;
    char buf[4];
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    assert_int_equal(esock_counters_width(a, 8), 0);
    for (int i = 0; i < 255; i++) {
        esock_recv(a, buf, 4, 0, ESOCK_POLL);
    }
    assert_int_equal(esock_counters_wrapped(a), 0);
    esock_recv(a, buf, 4, 0, ESOCK_POLL);
    assert_int_equal(esock_counters_wrapped(a), 1u << ESOCK_READ_TRIES);
    assert_int_equal(counter(a, ESOCK_READ_TRIES), 0);
    shut(a);
    shut(b);
}

static void width_is_8_to_64_bits(void **state) {
    esock *s;
    assert_int_equal(esock_open(&s, AF_INET, SOCK_DGRAM, 0, NULL), 0);
    assert_int_equal(esock_counters_width(s, 7), -EINVAL);
    assert_int_equal(esock_counters_width(s, 65), -EINVAL);
    assert_int_equal(esock_counters_width(s, 8), 0);
    assert_int_equal(esock_counters_width(s, 64), 0);
    shut(s);
}

static void block_has_the_layout_that_readers_expect(void **state) {
    esock *s;
    assert_int_equal(esock_open(&s, AF_INET, SOCK_DGRAM, 0, NULL), 0);
    const esock_counters *c = esock_counters_of(s);
    assert_int_equal((uintptr_t)c % 8, 0);
    assert_int_equal(c->layout, ESOCK_COUNTERS_LAYOUT);
    assert_int_equal(offsetof(esock_counters, wrapped), 8 * ESOCK_COUNTERS);
    assert_int_equal(sizeof(esock_counters), 8 * ESOCK_COUNTERS + 8);
    shut(s);
}

static void close_ends_the_request_in_progress(void **state) {
    esock *a, *b;
    char buf[8];
    esock_counters final;
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    assert_int_equal(esock_send(a, "abc", 3, 0, 0), 3);
    assert_int_equal(esock_recv(b, buf, sizeof buf, 0, ESOCK_FULL), 3);
    assert_int_equal(counter(b, ESOCK_READ_PKG), 0); /* five more are to come */
    assert_int_equal(esock_close(b, 0, &final, NULL), 0);
    assert_int_equal(final.value[ESOCK_READ_PKG], 1);
    assert_int_equal(final.value[ESOCK_READ_PKG_MAX], 3);
    shut(a);
}

static void handles_worked_on_alone_count_the_same(void **state) {
    esock *a, *b, *c;
    esock_addr at;
    char buf[8];
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    esock_alone(a);
    esock_alone(b);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(esock_send(a, "abcd", 4, 0, 0), 4);
        assert_int_equal(esock_recv(b, buf, sizeof buf, 0, 0), 4);
        assert_int_equal(counter(a, ESOCK_WRITE_BYTE), 4 * i);
        assert_int_equal(counter(b, ESOCK_READ_BYTE), 4 * i);
        assert_int_equal(counter(b, ESOCK_READ_PKG), i);
        assert_int_equal(counter(b, ESOCK_READ_TRIES), i);
    }
    shut(a);
    shut(b);
    esock *l = listener(NULL, 4, &at);
    esock_alone(l);
    a = client(NULL, &at);
    await(esock_fd(l), POLLIN);
    assert_int_equal(esock_accept(l, 0, &c, NULL), 0);
    assert_int_equal(counter(l, ESOCK_ACC_SUCCESS), 1);
    shut(c);
    shut(a);
    shut(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_counted_once_and_peeks_are_not),
        cmocka_unit_test(a_wait_is_counted_and_a_poll_is_not),
        cmocka_unit_test(failures_and_the_end_of_a_stream_are_counted),
        cmocka_unit_test(a_request_in_several_calls_is_one_package),
        cmocka_unit_test(a_request_that_ends_early_is_a_package_of_what_it_moved),
        cmocka_unit_test(own_system_calls_are_counted),
        cmocka_unit_test(message_calls_count_like_the_others),
        cmocka_unit_test(a_wrap_at_8_bits_is_told_once),
        cmocka_unit_test(one_step_over_the_whole_width_is_a_wrap),
        cmocka_unit_test(tries_wrap_too),
        cmocka_unit_test(width_is_8_to_64_bits),
        cmocka_unit_test(close_ends_the_request_in_progress),
        cmocka_unit_test(handles_worked_on_alone_count_the_same),
        cmocka_unit_test(block_has_the_layout_that_readers_expect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
