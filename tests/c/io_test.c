/* send, sendto, recv, recvfrom. */
#include "fixture.h"

#define STORM 50 /* interruptions in a row */

static void short_write_is_returned_and_the_rest_can_follow(void **state) {
    struct script k;
    esock *a, *b;
    char buf[16];
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    script_cut(&k, K_SEND, 3);
    assert_int_equal(esock_send(a, "abcdefgh", 8, 0, 0), 3);
    assert_int_equal(esock_send(a, "defgh", 5, 0, ESOCK_CONT), 5);
    assert_int_equal(esock_recv(b, buf, sizeof buf, 0, 0), 8);
    assert_memory_equal(buf, "abcdefgh", 8);
    assert_true(script_used_up(&k));
    shut(a);
    shut(b);
}

/* With MSG_TRUNC, SCTP's streams report the whole of a message that they cut. What is counted is what was stored. */
static void stream_reports_more_than_the_buffer(void **state) {
    struct script k;
    esock *a, *b;
    esock_addr from;
    esock_msg m;
    char buf[4];
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    script_answer(&k, K_RECV, 10);
    assert_int_equal(esock_recv(b, buf, sizeof buf, MSG_TRUNC, ESOCK_FULL), 10);
    script_answer(&k, K_RECVFROM, 10);
    assert_int_equal(esock_recvfrom(b, buf, sizeof buf, MSG_TRUNC, 0, &from), 10);
    script_answer(&k, K_RECVMSG, 10);
    assert_int_equal(esock_recvmsg(b, buf, sizeof buf, MSG_TRUNC, 0, NULL, 0, NULL, 0, &m), 4);
    assert_int_equal(m.full_len, 10);
    assert_int_equal(counter(b, ESOCK_READ_BYTE), 12);
    assert_int_equal(counter(b, ESOCK_READ_PKG), 3);
    assert_int_equal(counter(b, ESOCK_READ_PKG_MAX), 4);
    shut(a);
    shut(b);
}

static void interrupted_calls_are_repeated_and_counted_once(void **state) {
    struct script k;
    esock *a, *b;
    esock_addr from;
    char buf[4];
    script_init(&k);
    unix_pair(&k.sys, SOCK_DGRAM, &a, &b);
    script_times(&k, K_SEND, STORM, -EINTR);
    assert_int_equal(esock_send(a, "ab", 2, 0, 0), 2);
    assert_int_equal(script_count(&k, K_SEND), STORM + 1);
    assert_int_equal(counter(a, ESOCK_WRITE_TRIES), 1);
    script_times(&k, K_RECV, STORM, -EINTR);
    assert_int_equal(esock_recv(b, buf, sizeof buf, 0, 0), 2);
    assert_int_equal(script_count(&k, K_RECV), STORM + 1);
    assert_int_equal(counter(b, ESOCK_READ_TRIES), 1);
    assert_int_equal(esock_send(a, "cd", 2, 0, 0), 2);
    script_times(&k, K_RECVFROM, STORM, -EINTR);
    assert_int_equal(esock_recvfrom(b, buf, sizeof buf, 0, 0, &from), 2);
    assert_int_equal(script_count(&k, K_RECVFROM), STORM + 1);
    shut(a);
    shut(b);
}

static void interrupted_message_calls_are_repeated(void **state) {
    struct script k;
    esock *a, *b;
    esock_msg m;
    char buf[4];
    script_init(&k);
    unix_pair(&k.sys, SOCK_DGRAM, &a, &b);
    script_times(&k, K_SENDMSG, STORM, -EINTR);
    assert_int_equal(esock_sendmsg(a, "ab", 2, 0, 0, NULL, NULL, 0), 2);
    assert_int_equal(script_count(&k, K_SENDMSG), STORM + 1);
    script_times(&k, K_RECVMSG, STORM, -EINTR);
    assert_int_equal(esock_recvmsg(b, buf, sizeof buf, 0, 0, NULL, 0, NULL, 0, &m), 2);
    assert_int_equal(script_count(&k, K_RECVMSG), STORM + 1);
    shut(a);
    shut(b);
}

static void interrupted_sendto_is_repeated(void **state) {
    struct script k;
    esock_addr at, from;
    char buf[4];
    script_init(&k);
    esock *a = bound(&k.sys, SOCK_DGRAM, &from);
    esock *b = bound(NULL, SOCK_DGRAM, &at);
    script_times(&k, K_SENDTO, STORM, -EINTR);
    assert_int_equal(esock_sendto(a, "ab", 2, 0, 0, &at), 2);
    assert_int_equal(script_count(&k, K_SENDTO), STORM + 1);
    await(esock_fd(b), POLLIN);
    esock_addr seen;
    assert_int_equal(esock_recvfrom(b, buf, sizeof buf, 0, 0, &seen), 2);
    assert_int_equal(seen.form, ESOCK_ADDR_KNOWN);
    assert_int_equal(seen.port, from.port);
    shut(a);
    shut(b);
}

static void would_block_after_readiness_is_just_that(void **state) {
    struct script k;
    esock *a, *b;
    char buf[4];
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    assert_int_equal(esock_send(a, "x", 1, 0, 0), 1);
    await(esock_fd(b), POLLIN);
    script_answer(&k, K_RECV,
                  -EAGAIN); /* as after a bad checksum: poll said yes, receive says no */
    assert_int_equal(esock_recv(b, buf, sizeof buf, 0, 0), -EAGAIN);
    assert_int_equal(counter(b, ESOCK_READ_FAILS), 0);
    assert_int_equal(esock_recv(b, buf, sizeof buf, 0, ESOCK_CONT), 1);
    shut(a);
    shut(b);
}

static void every_call_asks_for_what_its_safety_needs(void **state) {
    struct script k;
    esock *a, *b;
    esock_addr from, at;
    esock_msg m;
    char buf[4];
    const int out = MSG_DONTWAIT | MSG_NOSIGNAL, in = MSG_DONTWAIT | MSG_CMSG_CLOEXEC;
    script_init(&k);
    unix_pair(&k.sys, SOCK_DGRAM, &a, &b);
    assert_int_equal(esock_addr_shorthand(&at, AF_INET, ESOCK_LOOPBACK), 0);
    esock_send(a, "x", 1, 0, 0);
    esock_sendto(a, "x", 1, 0, 0, &at);
    esock_sendmsg(a, "x", 1, 0, 0, NULL, NULL, 0);
    esock_recv(b, buf, 1, MSG_PEEK, 0);
    esock_recvfrom(b, buf, 1, 0, 0, &from);
    esock_recvmsg(b, buf, 1, 0, 0, NULL, 0, NULL, 0, &m);
    assert_int_equal(script_last(&k, K_SEND)->a & out, out);
    assert_int_equal(script_last(&k, K_SENDTO)->a & out, out);
    assert_int_equal(script_last(&k, K_SENDMSG)->a & out, out);
    assert_int_equal(script_last(&k, K_RECV)->a, in | MSG_PEEK);
    assert_int_equal(script_last(&k, K_RECVFROM)->a & in, in);
    assert_int_equal(script_last(&k, K_RECVMSG)->a & in, in);
    shut(a);
    shut(b);
}

static void description_made_blocking_by_somebody_else_does_not_block(void **state) {
    esock *a, *b;
    static char big[65536];
    char buf[4];
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    int other = esock_dup(a);
    assert_int_equal(fcntl(other, F_SETFL, fcntl(other, F_GETFL) & ~O_NONBLOCK), 0);
    assert_false(fcntl(esock_fd(a), F_GETFL) & O_NONBLOCK);
    assert_int_equal(esock_recv(a, buf, sizeof buf, 0, 0), -EAGAIN);
    ssize_t n;
    while ((n = esock_send(a, big, sizeof big, 0, 0)) > 0) {
    }
    assert_int_equal(n, -EAGAIN);
    close(other);
    shut(a);
    shut(b);
}

static void send_to_a_closed_peer_is_an_error_and_no_signal(void **state) {
    esock *a, *b;
    esock_msg m;
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    shut(b);
    assert_int_equal(esock_send(a, "x", 1, 0, 0), -EPIPE); /* SIGPIPE would end this process */
    assert_int_equal(esock_sendmsg(a, "x", 1, 0, 0, NULL, NULL, 0), -EPIPE);
    assert_int_equal(esock_recvmsg(a, &m, 1, 0, 0, NULL, 0, NULL, 0, &m), 0);
    shut(a);
}

static void receive_into_nothing_is_not_the_end_of_a_stream(void **state) {
    struct script k;
    esock *a, *b;
    esock_addr from;
    char buf[4];
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    assert_int_equal(esock_send(a, "x", 1, 0, 0), 1);
    assert_int_equal(esock_recv(b, buf, 0, 0, 0), 0);
    assert_int_equal(esock_recvfrom(b, buf, 0, 0, 0, &from), 0);
    assert_int_equal(script_count(&k, K_RECV) + script_count(&k, K_RECVFROM), 0);
    assert_int_equal(counter(b, ESOCK_READ_FAILS), 0);
    assert_int_equal(esock_recv(b, buf, sizeof buf, 0, 0), 1);
    shut(a);
    shut(b);
}

static void sending_nothing_is_legal(void **state) {
    esock *a, *b;
    char buf[4];
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    assert_int_equal(esock_send(a, NULL, 0, 0, 0), 0);
    assert_int_equal(esock_recv(b, buf, sizeof buf, 0, 0), -EAGAIN);
    shut(a);
    shut(b);
    unix_pair(NULL, SOCK_DGRAM, &a, &b);
    assert_int_equal(esock_send(a, NULL, 0, 0, 0), 0); /* an empty datagram travels */
    assert_int_equal(esock_recv(b, buf, sizeof buf, 0, 0), 0);
    assert_int_equal(counter(b, ESOCK_READ_FAILS), 0);
    assert_int_equal(counter(b, ESOCK_READ_PKG), 1);
    shut(a);
    shut(b);
}

static void the_end_of_a_stream_is_zero(void **state) {
    esock *a, *b;
    char buf[4];
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    assert_int_equal(esock_send(a, "xy", 2, 0, 0), 2);
    assert_int_equal(esock_shutdown(a, SHUT_WR), 0);
    assert_int_equal(esock_recv(b, buf, sizeof buf, 0, 0), 2);
    assert_int_equal(esock_recv(b, buf, sizeof buf, 0, 0), 0);
    shut(a);
    shut(b);
}

static void trunc_reports_the_whole_length_of_a_datagram(void **state) {
    esock *a, *b;
    char buf[2];
    unix_pair(NULL, SOCK_DGRAM, &a, &b);
    assert_int_equal(esock_send(a, "abcdef", 6, 0, 0), 6);
    assert_int_equal(esock_recv(b, buf, sizeof buf, MSG_TRUNC, 0), 6);
    assert_int_equal(counter(b, ESOCK_READ_BYTE), 2); /* what was stored */
    shut(a);
    shut(b);
}

static void sendto_refuses_no_address(void **state) {
    struct script k;
    esock_addr none = {0};
    esock *s;
    script_init(&k);
    assert_int_equal(esock_open(&s, AF_INET, SOCK_DGRAM, 0, &k.sys), 0);
    assert_int_equal(esock_sendto(s, "x", 1, 0, 0, &none), -EAFNOSUPPORT);
    assert_int_equal(script_count(&k, K_SENDTO), 0);
    shut(s);
}

struct traced {
    int calls, fd;
    long result;
    char op[16];
};

static void on_trace(void *arg, int fd, const char *op, long result) {
    struct traced *t = arg;
    t->calls++;
    t->fd = fd;
    t->result = result;
    snprintf(t->op, sizeof t->op, "%s", op);
}

static void trace_sees_the_handles_that_ask_for_it(void **state) {
    struct traced t = {0};
    esock *a, *b;
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    esock_set_trace(on_trace, &t);
    assert_int_equal(esock_send(a, "x", 1, 0, 0), 1);
    assert_int_equal(t.calls, 0);
    esock_trace(a, 1);
    assert_int_equal(esock_send(a, "xy", 2, 0, 0), 2);
    assert_int_equal(t.calls, 1);
    assert_int_equal(t.fd, esock_fd(a));
    assert_int_equal(t.result, 2);
    assert_string_equal(t.op, "send");
    esock_trace(a, 0);
    shut(a);
    shut(b);
    assert_int_equal(t.calls, 1);
    esock_set_trace(NULL, NULL);
}

static void the_end_of_a_seqpacket_connection_is_no_empty_message(void **state) {
    esock *a, *b;
    char buf[4];
    unix_pair(NULL, SOCK_SEQPACKET, &a, &b);
    assert_int_equal(esock_send(a, "", 0, 0, 0), 0);
    assert_int_equal(esock_send(a, "x", 1, 0, 0), 1);
    assert_int_equal(esock_recv(b, buf, sizeof buf, 0, 0), 0); /* an empty message */
    assert_int_equal(counter(b, ESOCK_READ_FAILS), 0);
    assert_int_equal(esock_recv(b, buf, sizeof buf, 0, 0), 1);
    shut(a);
    esock_addr from;
    esock_msg m;
    assert_int_equal(esock_recv(b, buf, sizeof buf, 0, 0), -ESHUTDOWN);
    assert_int_equal(esock_recvfrom(b, buf, sizeof buf, 0, 0, &from), -ESHUTDOWN);
    assert_int_equal(esock_recvmsg(b, buf, sizeof buf, 0, 0, NULL, 0, NULL, 0, &m), -ESHUTDOWN);
    assert_int_equal(counter(b, ESOCK_READ_FAILS), 3);
    shut(b);
}

static void a_last_empty_seqpacket_message_with_control_data_is_a_message(void **state) {
    esock *a, *b;
    char buf[4], control[64];
    esock_cmsg c;
    esock_msg m;
    int on = 1;
    unix_pair(NULL, SOCK_SEQPACKET, &a, &b);
    assert_int_equal(esock_setopt_native(b, SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
    assert_int_equal(esock_send(a, "", 0, 0, 0), 0);
    shut(a);
    assert_int_equal(esock_recvmsg(b, buf, sizeof buf, 0, 0, control, sizeof control, &c, 1, &m),
                     0);
    assert_int_equal(m.cmsgs, 1);
    assert_int_equal(esock_recvmsg(b, buf, sizeof buf, 0, 0, control, sizeof control, &c, 1, &m),
                     -ESHUTDOWN);
    shut(b);
}

static void calls_without_a_flag_for_it_make_the_description_nonblocking_again(void **state) {
    esock_addr at;
    esock *l = listener(NULL, 4, &at), *c;
    int fl = fcntl(esock_fd(l), F_GETFL);
    assert_int_equal(fcntl(esock_fd(l), F_SETFL, fl & ~O_NONBLOCK), 0);
    assert_int_equal(esock_accept(l, 0, &c, NULL), -EAGAIN);
    assert_int_equal(fcntl(esock_fd(l), F_GETFL), fl);
    assert_int_equal(esock_open(&c, AF_INET, SOCK_STREAM, 0, NULL), 0);
    assert_int_equal(fcntl(esock_fd(c), F_SETFL, fl & ~O_NONBLOCK), 0);
    int r = esock_connect(c, &at);
    assert_true(r == 0 || r == -EINPROGRESS);
    assert_true(fcntl(esock_fd(c), F_GETFL) & O_NONBLOCK);
    shut(c);
    shut(l);
}

/* Nobody else can have cleared the flag of a descriptor that no one has. */
static void nonblock_is_not_looked_at_before_others_can_have_the_descriptor(void **state) {
    for (int exposed = 0; exposed < 3; exposed++) {
        struct script k;
        esock_addr at;
        esock *c, *s;
        script_init(&k);
        esock *l = listener(&k.sys, 4, &at);
        assert_int_equal(esock_open(&c, AF_INET, SOCK_STREAM, IPPROTO_TCP, &k.sys), 0);
        if (exposed == 1) esock_fd(l), esock_fd(c);
        if (exposed == 2) close(esock_dup(l)), close(esock_dup(c));
        int r = esock_connect(c, &at);
        assert_true(r == 0 || r == -EINPROGRESS);
        while ((r = esock_accept(l, 0, &s, NULL)) == -EAGAIN) {
        }
        assert_int_equal(r, 0);
        assert_int_equal(script_count(&k, K_GETFL) >= 2, exposed > 0);
        assert_int_equal(script_count(&k, K_GETFL) > 0, exposed > 0);
        shut(s);
        shut(c);
        shut(l);
    }
}

static suseconds_t timeout_of(esock *s, int opt) {
    struct timeval t = {-1, -1};
    socklen_t len = sizeof t;
    assert_int_equal(getsockopt(esock_fd(s), SOL_SOCKET, opt, &t, &len), 0);
    return (suseconds_t)t.tv_sec * 1000000 + t.tv_usec;
}

/* A process that clears the flag once may clear it again, between the check and the call. */
static void a_description_that_others_make_blocking_gets_timeouts(void **state) {
    struct script k;
    esock *s, *c;
    int p[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
    int fl = fcntl(p[0], F_GETFL);
    script_init(&k);
    assert_int_equal(esock_adopt(&s, p[0], 0, -1, -1, -1, &k.sys, NULL), 0);
    assert_int_equal(timeout_of(s, SO_RCVTIMEO), 0); /* no call has needed it yet */
    assert_int_equal(esock_nonblock(s), 0);
    assert_in_range(timeout_of(s, SO_RCVTIMEO), 10000, 50000);
    unsigned asked = script_count(&k, K_GETSOCKOPT);
    assert_int_equal(esock_nonblock(s), 0);
    assert_int_equal(script_count(&k, K_GETSOCKOPT), asked); /* once is enough */
    assert_int_equal(fcntl(p[0], F_SETFL, fl), 0);
    assert_int_equal(esock_nonblock(s), 1);
    assert_true(fcntl(p[0], F_GETFL) & O_NONBLOCK);
    assert_in_range(timeout_of(s, SO_RCVTIMEO), 10000, 50000);
    assert_in_range(timeout_of(s, SO_SNDTIMEO), 10000, 50000);

    esock_close(s, 0, NULL, NULL);
    assert_int_equal(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0);
    struct timeval t = {-1, -1};
    socklen_t len = sizeof t;
    assert_int_equal(getsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &t, &len), 0);
    assert_int_equal(t.tv_sec + t.tv_usec, 0);

    /* Timeouts that the owner has set stay, here and at the end. */
    t = (struct timeval){0, 5000};
    assert_int_equal(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t), 0);
    assert_int_equal(esock_adopt(&s, p[0], 0, -1, -1, -1, NULL, NULL), 0);
    suseconds_t own = timeout_of(s, SO_RCVTIMEO);
    assert_int_equal(fcntl(p[0], F_SETFL, fl & ~O_NONBLOCK), 0);
    assert_int_equal(esock_nonblock(s), 1);
    assert_int_equal(timeout_of(s, SO_RCVTIMEO), own);
    esock_close(s, 0, NULL, NULL);
    len = sizeof t;
    assert_int_equal(getsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &t, &len), 0);
    assert_int_equal(t.tv_usec, own);
    close(p[0]);
    close(p[1]);

    /* accept: the flag is cleared between the check and the call. */
    esock_addr at;
    esock *l = listener(&k.sys, 4, &at);
    assert_int_equal(esock_nonblock(l), 0);
    assert_int_equal(timeout_of(l, SO_RCVTIMEO), 0);
    assert_int_equal(fcntl(esock_fd(l), F_SETFL, fcntl(esock_fd(l), F_GETFL) & ~O_NONBLOCK), 0);
    assert_int_equal(esock_accept(l, 0, &c, NULL), -EAGAIN);
    assert_int_equal(fcntl(esock_fd(l), F_SETFL, fcntl(esock_fd(l), F_GETFL) & ~O_NONBLOCK), 0);
    script_answer(&k, K_GETFL, O_NONBLOCK);
    assert_int_equal(esock_accept(l, 0, &c, NULL), -EAGAIN);

    /* An accepted socket has no timeouts. */
    esock *d;
    assert_int_equal(esock_open(&d, AF_INET, SOCK_STREAM, 0, NULL), 0);
    int r = esock_connect(d, &at);
    assert_true(r == 0 || r == -EINPROGRESS);
    struct pollfd ready = {.fd = esock_fd(l), .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 10000), 1);
    assert_int_equal(esock_accept(l, 0, &c, NULL), 0);
    assert_in_range(timeout_of(l, SO_RCVTIMEO), 10000, 50000);
    assert_int_equal(timeout_of(c, SO_RCVTIMEO) + timeout_of(c, SO_SNDTIMEO), 0);
    shut(d);
    shut(c);
    shut(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_description_that_others_make_blocking_gets_timeouts),
        cmocka_unit_test(short_write_is_returned_and_the_rest_can_follow),
        cmocka_unit_test(interrupted_calls_are_repeated_and_counted_once),
        cmocka_unit_test(interrupted_message_calls_are_repeated),
        cmocka_unit_test(interrupted_sendto_is_repeated),
        cmocka_unit_test(would_block_after_readiness_is_just_that),
        cmocka_unit_test(every_call_asks_for_what_its_safety_needs),
        cmocka_unit_test(description_made_blocking_by_somebody_else_does_not_block),
        cmocka_unit_test(the_end_of_a_seqpacket_connection_is_no_empty_message),
        cmocka_unit_test(a_last_empty_seqpacket_message_with_control_data_is_a_message),
        cmocka_unit_test(calls_without_a_flag_for_it_make_the_description_nonblocking_again),
        cmocka_unit_test(nonblock_is_not_looked_at_before_others_can_have_the_descriptor),
        cmocka_unit_test(send_to_a_closed_peer_is_an_error_and_no_signal),
        cmocka_unit_test(receive_into_nothing_is_not_the_end_of_a_stream),
        cmocka_unit_test(sending_nothing_is_legal),
        cmocka_unit_test(the_end_of_a_stream_is_zero),
        cmocka_unit_test(trunc_reports_the_whole_length_of_a_datagram),
        cmocka_unit_test(sendto_refuses_no_address),
        cmocka_unit_test(trace_sees_the_handles_that_ask_for_it),
        cmocka_unit_test(stream_reports_more_than_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
