/* listen and accept. */
#include "fixture.h"

static void accepted_socket_is_close_on_exec_nonblocking_and_named(void **state) {
    struct script k;
    esock_addr at, peer, local;
    script_init(&k);
    esock *l = listener(&k.sys, 4, &at);
    esock *c = client(NULL, &at), *s;
    await(esock_fd(l), POLLIN);
    assert_int_equal(esock_accept(l, 0, &s, &peer), 0);
    assert_true(fcntl(esock_fd(s), F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(esock_fd(s), F_GETFL) & O_NONBLOCK);
    assert_int_equal(esock_domain(s), AF_INET);
    assert_int_equal(esock_type(s), SOCK_STREAM);
    assert_int_equal(esock_protocol(s), IPPROTO_TCP);
    assert_int_equal(esock_sockname(c, &local), 0);
    assert_int_equal(peer.port, local.port);
    assert_int_equal(esock_send(s, "x", 1, 0, 0), 1);
    assert_int_equal(script_count(&k, K_SEND), 1); /* the connection has the listener's sys */
    shut(c);
    shut(s);
    shut(l);
}

static void accept_without_a_connection_would_block(void **state) {
    esock_addr at;
    esock *l = listener(NULL, 4, &at), *s = NULL;
    assert_int_equal(esock_accept(l, 0, &s, NULL), -EAGAIN);
    assert_int_equal(esock_accept(l, ESOCK_POLL, &s, NULL), -EAGAIN);
    assert_null(s);
    assert_int_equal(counter(l, ESOCK_ACC_TRIES), 2);
    assert_int_equal(counter(l, ESOCK_ACC_WAITS), 1); /* ESOCK_POLL counts no wait */
    assert_int_equal(counter(l, ESOCK_ACC_FAILS), 0);
    shut(l);
}

static void accept_errors_leak_nothing_and_the_listener_goes_on(void **state) {
    static const int errors[] = {-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM, -ECONNABORTED, -EPERM};
    esock_addr at;
    struct script k;
    script_init(&k);
    esock *l = listener(&k.sys, 4, &at);
    esock *c = client(NULL, &at), *s = NULL;
    await(esock_fd(l), POLLIN);
    int before = script_open_fds();
    for (size_t i = 0; i < LEN(errors); i++) {
        script_answer(&k, K_ACCEPT4, errors[i]);
        assert_int_equal(esock_accept(l, 0, &s, NULL), errors[i]);
        assert_null(s);
        assert_int_equal(counter(l, ESOCK_ACC_FAILS), i + 1);
    }
    assert_int_equal(script_open_fds(), before);
    assert_int_equal(esock_accept(l, 0, &s, NULL), 0);
    assert_int_equal(counter(l, ESOCK_ACC_SUCCESS), 1);
    shut(s);
    shut(c);
    shut(l);
}

static void interrupted_accept_is_repeated(void **state) {
    esock_addr at;
    struct script k;
    script_init(&k);
    esock *l = listener(&k.sys, 4, &at);
    esock *c = client(NULL, &at), *s;
    await(esock_fd(l), POLLIN);
    script_times(&k, K_ACCEPT4, 50, -EINTR);
    assert_int_equal(esock_accept(l, 0, &s, NULL), 0);
    assert_int_equal(script_count(&k, K_ACCEPT4), 51);
    assert_int_equal(counter(l, ESOCK_ACC_TRIES), 1);
    shut(s);
    shut(c);
    shut(l);
}

static void accept_on_a_socket_that_does_not_listen_is_an_error(void **state) {
    esock *s, *c = NULL;
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, 0, NULL), 0);
    assert_int_equal(esock_accept(s, 0, &c, NULL), -EINVAL);
    assert_null(c);
    shut(s);
}

/* Linux answers EAGAIN to a nonblocking accept. */
static void unix_listener_that_was_shut_does_not_listen(void **state) {
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};
    for (size_t i = 0; i < LEN(types); i++) {
        esock *l, *c, *s = NULL;
        esock_addr at = {.family = AF_UNIX, .form = ESOCK_ADDR_KNOWN};
        assert_int_equal(esock_open(&l, AF_UNIX, types[i], 0, NULL), 0);
        assert_int_equal(esock_bind(l, &at), 0);
        assert_int_equal(esock_listen(l, 4), 0);
        assert_int_equal(esock_sockname(l, &at), 0);
        assert_int_equal(esock_accept(l, 0, &s, NULL), -EAGAIN);
        assert_int_equal(esock_shutdown(l, SHUT_WR), 0);
        assert_int_equal(esock_accept(l, 0, &s, NULL), -EAGAIN);
        assert_int_equal(esock_open(&c, AF_UNIX, types[i], 0, NULL), 0);
        assert_int_equal(esock_connect(c, &at), 0);
        assert_int_equal(esock_shutdown(l, SHUT_RD), 0);
        assert_int_equal(esock_accept(l, 0, &s, NULL), 0); /* a connection that waits is accepted */
        shut(s);
        s = NULL;
        assert_int_equal(esock_accept(l, 0, &s, NULL), -EINVAL);
        assert_int_equal(esock_accept(l, ESOCK_POLL, &s, NULL), -EINVAL);
        assert_null(s);
        assert_int_equal(counter(l, ESOCK_ACC_WAITS), 2);
        assert_int_equal(counter(l, ESOCK_ACC_FAILS), 2);
        shut(c);
        shut(l);
    }
}

static void other_listeners_are_not_asked_twice(void **state) {
    struct script k;
    esock_addr at;
    script_init(&k);
    esock *l = listener(&k.sys, 4, &at), *s = NULL;
    assert_int_equal(esock_accept(l, 0, &s, NULL), -EAGAIN);
    assert_int_equal(script_count(&k, K_POLL), 0);
    shut(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted_socket_is_close_on_exec_nonblocking_and_named),
        cmocka_unit_test(accept_without_a_connection_would_block),
        cmocka_unit_test(accept_errors_leak_nothing_and_the_listener_goes_on),
        cmocka_unit_test(interrupted_accept_is_repeated),
        cmocka_unit_test(accept_on_a_socket_that_does_not_listen_is_an_error),
        cmocka_unit_test(unix_listener_that_was_shut_does_not_listen),
        cmocka_unit_test(other_listeners_are_not_asked_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
