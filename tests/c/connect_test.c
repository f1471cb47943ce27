/* connect, and the result of an attempt. */
#include "fixture.h"

#include <limits.h>

static void refused_connection_says_so_at_the_end(void **state) {
    esock_addr at;
    shut(bound(NULL, SOCK_STREAM, &at)); /* a port where nobody listens */
    esock *c;
    assert_int_equal(esock_open(&c, AF_INET, SOCK_STREAM, 0, NULL), 0);
    int r = esock_connect(c, &at);
    if (r == -EINPROGRESS) {
        await(esock_fd(c), POLLOUT);
        r = esock_finish(c);
    }
    assert_int_equal(r, -ECONNREFUSED);
    shut(c);
}

static void datagram_socket_connects_at_once(void **state) {
    esock_addr at, peer;
    esock *s = bound(NULL, SOCK_DGRAM, &at), *c;
    assert_int_equal(esock_open(&c, AF_INET, SOCK_DGRAM, 0, NULL), 0);
    assert_int_equal(esock_connect(c, &at), 0);
    assert_int_equal(esock_peername(c, &peer), 0);
    assert_int_equal(peer.port, at.port);
    shut(c);
    shut(s);
}

static void interrupted_connect_goes_on_and_is_not_repeated(void **state) {
    esock_addr at;
    struct script k;
    esock *l = listener(NULL, 4, &at), *c;
    script_init(&k);
    assert_int_equal(esock_open(&c, AF_INET, SOCK_STREAM, 0, &k.sys), 0);
    script_answer(&k, K_CONNECT, -EINTR);
    assert_int_equal(esock_connect(c, &at), -EINPROGRESS);
    assert_int_equal(script_count(&k, K_CONNECT), 1);
    shut(c);
    shut(l);
}

/* SO_ERROR is 0 while the attempt is undecided; that is not success. */
static void T5_finish_before_readiness_is_still_in_progress(void **state) {
    esock_addr at;
    esock *l = listener(NULL, 0, &at), *c[4];
    for (size_t i = 0; i < LEN(c); i++) {
        assert_int_equal(esock_open(&c[i], AF_INET, SOCK_STREAM, 0, NULL), 0);
        int r = esock_connect(c[i], &at);
        assert_true(r == 0 || r == -EINPROGRESS);
    }
    /* A backlog of 0 holds one connection: the last attempt hangs in SYN_SENT. */
    esock *hanging = c[LEN(c) - 1];
    int error = -1;
    size_t len = sizeof error;
    assert_int_equal(esock_getopt_native(hanging, SOL_SOCKET, SO_ERROR, &error, &len), 0);
    assert_int_equal(error, 0);
    assert_int_equal(esock_finish(hanging), -EINPROGRESS);
    for (size_t i = 0; i < LEN(c); i++) {
        shut(c[i]);
    }
    shut(l);
}

/* Linux refuses to shut down a socket that is not connected, and does it. From then on poll(2) says that it has ended. */
static void an_attempt_of_a_socket_that_was_shut_goes_on(void **state) {
    esock_addr at;
    esock *l = listener(NULL, 0, &at), *c[4];
    for (size_t i = 0; i < LEN(c); i++) {
        assert_int_equal(esock_open(&c[i], AF_INET, SOCK_STREAM, 0, NULL), 0);
        assert_int_equal(esock_shutdown(c[i], SHUT_RDWR), -ENOTCONN);
        int r = esock_connect(c[i], &at);
        assert_true(r == 0 || r == -EINPROGRESS);
    }
    esock *hanging = c[LEN(c) - 1];
    assert_int_equal(esock_finish(hanging), -EINPROGRESS);
    for (size_t i = 0; i < LEN(c); i++) {
        shut(c[i]);
    }
    shut(l);
}

static void finish_is_repeated_when_interrupted(void **state) {
    esock_addr at;
    struct script k;
    script_init(&k);
    esock *l = listener(NULL, 4, &at);
    esock *c = client(&k.sys, &at);
    script_times(&k, K_POLL, 50, -EINTR);
    assert_int_equal(esock_finish(c), 0);
    shut(c);
    shut(l);
}

static void finish_does_not_believe_an_error_that_somebody_else_read(void **state) {
    struct script k;
    esock *c;
    script_init(&k);
    assert_int_equal(esock_open(&c, AF_INET, SOCK_STREAM, 0, &k.sys), 0);
    /* The attempt failed and its error was taken: SO_ERROR is 0 again, but there is no peer. */
    script_put(&k, K_POLL,
               (struct script_answer){.result = 1, .revents = POLLOUT | POLLERR | POLLHUP});
    assert_int_equal(esock_finish(c), -ENOTCONN);
    shut(c);
}

static void unix_connect_to_a_full_backlog_is_a_final_error(void **state) {
    esock *l;
    esock_addr at = {.family = AF_UNIX, .form = ESOCK_ADDR_KNOWN};
    assert_int_equal(esock_open(&l, AF_UNIX, SOCK_STREAM, 0, NULL), 0);
    assert_int_equal(esock_bind(l, &at), 0); /* Linux chooses an abstract name */
    assert_int_equal(esock_sockname(l, &at), 0);
    assert_int_equal(esock_listen(l, 0), 0);
    esock *c[4];
    int r = 0;
    size_t n = 0;
    while (r == 0 && n < LEN(c)) {
        assert_int_equal(esock_open(&c[n], AF_UNIX, SOCK_STREAM, 0, NULL), 0);
        r = esock_connect(c[n++], &at);
    }
    assert_int_equal(r, -EAGAIN);
    /* No event tells when to try again: poll reports POLLOUT at once. */
    struct pollfd p = {.fd = esock_fd(c[n - 1]), .events = POLLOUT};
    assert_int_equal(poll(&p, 1, 0), 1);
    while (n > 0) {
        shut(c[--n]);
    }
    shut(l);
}

static void connect_refuses_no_address(void **state) {
    struct script k;
    esock_addr none = {0};
    esock *c;
    script_init(&k);
    assert_int_equal(esock_open(&c, AF_INET, SOCK_STREAM, 0, &k.sys), 0);
    assert_int_equal(esock_connect(c, &none), -EAFNOSUPPORT);
    assert_int_equal(script_count(&k, K_CONNECT), 0);
    shut(c);
}

static void out_of_local_ports_is_an_error_and_the_socket_stays_usable(void **state) {
    esock_addr at;
    struct script k;
    script_init(&k);
    esock *l = listener(NULL, 4, &at), *c;
    assert_int_equal(esock_open(&c, AF_INET, SOCK_STREAM, 0, &k.sys), 0);
    script_answer(&k, K_CONNECT, -EADDRNOTAVAIL);
    script_answer(&k, K_CONNECT, -ENOBUFS);
    assert_int_equal(esock_connect(c, &at), -EADDRNOTAVAIL);
    assert_int_equal(esock_connect(c, &at), -ENOBUFS);
    int r = esock_connect(c, &at);
    assert_true(r == 0 || r == -EINPROGRESS);
    shut(c);
    shut(l);
}

/* Linux answers 0 to the first connect after a nonblocking attempt that succeeded, and the peer stays. */
static void a_connected_stream_is_connected_no_second_time(void **state) {
    esock_addr at, other, peer, unspec = {.family = AF_UNSPEC, .form = ESOCK_ADDR_RAW};
    struct script k;
    script_init(&k);
    esock *l = listener(NULL, 4, &at), *o = listener(NULL, 4, &other), *c = client(&k.sys, &at);
    assert_int_equal(esock_finish(c), 0);
    int calls = script_count(&k, K_CONNECT);
    assert_int_equal(esock_connect(c, &other), -EISCONN);
    assert_int_equal(script_count(&k, K_CONNECT), calls);
    assert_int_equal(esock_peername(c, &peer), 0);
    assert_int_equal(peer.port, at.port);
    /* Dissolving the connection is allowed, and another may follow. */
    assert_int_equal(esock_connect(c, &unspec), 0);
    int r = esock_connect(c, &other);
    if (r == -EINPROGRESS) {
        await(esock_fd(c), POLLOUT);
        r = esock_finish(c);
    }
    assert_int_equal(r, 0);
    shut(c);
    shut(o);
    shut(l);
}

/* A descriptor may have been connected in that way before it is adopted. */
static void an_adopted_stream_is_connected_no_second_time(void **state) {
    esock_addr at;
    esock *l = listener(NULL, 4, &at), *a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_storage ss;
    unsigned len;
    assert_int_equal(esock_addr_encode(&at, &ss, &len), 0);
    if (connect(fd, (struct sockaddr *)&ss, len) < 0) await(fd, POLLOUT);
    assert_int_equal(esock_adopt(&a, fd, ESOCK_ADOPT_TAKE, -1, -1, -1, NULL, NULL), 0);
    assert_int_equal(esock_connect(a, &at), -EISCONN);
    shut(a);
    shut(l);
}

/* The number of the association comes with the attempt, whether it goes on or not; with nothing else. */
static void connectx_says_the_association(void **state) {
    struct script k;
    script_init(&k);
    esock_addr at;
    esock *s = bound(&k.sys, SOCK_DGRAM, &at);
    const int32_t seven = 7;
    const struct {
        long result;
        int r;
        int32_t assoc;
    } all[] = {{0, 0, 7},
               {12, 0, 7},
               {-EINPROGRESS, -EINPROGRESS, 7},
               {-EINTR, -EINPROGRESS, 7},
               {-ECONNREFUSED, -ECONNREFUSED, 0}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        int32_t assoc = -1;
        script_put(&k, K_GETSOCKOPT,
                   (struct script_answer){
                       .result = all[i].result, .data = &seven, .data_len = sizeof seven});
        assert_int_equal(esock_connectx(s, "addresses", 9, &assoc), all[i].r);
        assert_int_equal(assoc, all[i].assoc);
        const struct script_seen *asked = script_last(&k, K_GETSOCKOPT);
        assert_int_equal(asked->a, IPPROTO_SCTP);
        assert_int_equal(asked->b, 111);
    }
    unsigned calls = script_count(&k, K_GETSOCKOPT);
    int32_t assoc;
    assert_int_equal(esock_connectx(s, "", (size_t)INT_MAX + 1, &assoc), -EINVAL);
    assert_int_equal(script_count(&k, K_GETSOCKOPT), calls);
    assert_true(esock_connectx(s, "addresses", 9, &assoc) < 0); /* it is no SCTP socket */
    shut(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_connection_says_so_at_the_end),
        cmocka_unit_test(datagram_socket_connects_at_once),
        cmocka_unit_test(interrupted_connect_goes_on_and_is_not_repeated),
        cmocka_unit_test(T5_finish_before_readiness_is_still_in_progress),
        cmocka_unit_test(an_attempt_of_a_socket_that_was_shut_goes_on),
        cmocka_unit_test(finish_is_repeated_when_interrupted),
        cmocka_unit_test(finish_does_not_believe_an_error_that_somebody_else_read),
        cmocka_unit_test(unix_connect_to_a_full_backlog_is_a_final_error),
        cmocka_unit_test(connect_refuses_no_address),
        cmocka_unit_test(out_of_local_ports_is_an_error_and_the_socket_stays_usable),
        cmocka_unit_test(a_connected_stream_is_connected_no_second_time),
        cmocka_unit_test(an_adopted_stream_is_connected_no_second_time),
        cmocka_unit_test(connectx_says_the_association),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
