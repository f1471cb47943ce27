/* Counters, call by call: what each result of the kernel adds, and that nothing else moves. */
#include "fixture.h"

/* All counters of a direction, in the order of enum esock_counter. */
static void counts(esock *s, enum esock_counter first, const uint64_t *want, size_t n) {
    for (size_t i = 0; i < n; i++)
        assert_int_equal(counter(s, (enum esock_counter)(first + i)), want[i]);
}

static uint64_t *writable(esock *s, enum esock_counter c) {
    return (uint64_t *)&esock_counters_of(s)->value[c];
}

static void a_wrap_at_64_bits_is_told(void **state) {
    for (int alone = 0; alone < 2; alone++) {
        esock *a, *b;
        char buf[8];
        unix_pair(NULL, SOCK_STREAM, &a, &b);
        if (alone) {
            esock_alone(a);
            esock_alone(b);
        }
        *writable(a, ESOCK_WRITE_BYTE) = UINT64_MAX - 4;
        *writable(b, ESOCK_READ_BYTE) = UINT64_MAX - 4;
        assert_int_equal(esock_send(a, "abcd", 4, 0, 0), 4);
        assert_int_equal(esock_recv(b, buf, 8, 0, 0), 4);
        assert_int_equal(esock_counters_wrapped(a), 0); /* all ones is no wrap */
        assert_int_equal(esock_counters_wrapped(b), 0);
        assert_true(counter(a, ESOCK_WRITE_BYTE) == UINT64_MAX);
        assert_int_equal(esock_send(a, "ab", 2, 0, 0), 2);
        assert_int_equal(esock_recv(b, buf, 8, 0, 0), 2);
        assert_int_equal(counter(a, ESOCK_WRITE_BYTE), 1);
        assert_int_equal(counter(b, ESOCK_READ_BYTE), 1);
        assert_int_equal(esock_counters_wrapped(a), 1u << ESOCK_WRITE_BYTE);
        assert_int_equal(esock_counters_wrapped(b), 1u << ESOCK_READ_BYTE);
        shut(a);
        shut(b);
    }
}

/* What one request moved is not part of the next. */
static void each_request_counts_its_own_bytes(void **state) {
    struct script k;
    esock *a, *b;
    char buf[16];
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    for (int moved = 3; moved <= 6; moved++) {
        script_cut(&k, K_SEND, (size_t)moved);
        assert_int_equal(esock_send(a, "abcdefgh", 8, 0, 0), moved);
        esock_end_write(a);
        assert_int_equal(counter(a, ESOCK_WRITE_PKG), moved - 2);
        assert_int_equal(counter(a, ESOCK_WRITE_PKG_MAX), moved);
        assert_int_equal(esock_recv(b, buf, 16, 0, ESOCK_FULL), moved);
        esock_end_read(b);
        assert_int_equal(counter(b, ESOCK_READ_PKG), moved - 2);
        assert_int_equal(counter(b, ESOCK_READ_PKG_MAX), moved);
    }
    shut(a);
    shut(b);
}

/* A failure ends a request in progress, and so does a request without ESOCK_CONT. */
static void a_request_in_progress_ends_by_itself(void **state) {
    struct script k;
    esock *a, *b;
    char buf[16];
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    script_cut(&k, K_SEND, 3);
    assert_int_equal(esock_send(a, "abcdefgh", 8, 0, 0), 3);
    script_answer(&k, K_SEND, -EAGAIN);
    assert_int_equal(esock_send(a, "xy", 2, 0, 0), -EAGAIN); /* another request */
    counts(a, ESOCK_WRITE_BYTE, (uint64_t[]){3}, 1);
    assert_int_equal(counter(a, ESOCK_WRITE_PKG), 1);
    script_cut(&k, K_SEND, 4);
    assert_int_equal(esock_send(a, "abcdefgh", 8, 0, 0), 4);
    script_answer(&k, K_SEND, -EPIPE);
    assert_int_equal(esock_send(a, "efgh", 4, 0, ESOCK_CONT), -EPIPE);
    assert_int_equal(counter(a, ESOCK_WRITE_PKG), 2);
    assert_int_equal(counter(a, ESOCK_WRITE_PKG_MAX), 4);

    assert_int_equal(esock_recv(b, buf, 16, 0, ESOCK_FULL), 7);
    script_answer(&k, K_RECV, -ECONNRESET);
    assert_int_equal(esock_recv(b, buf, 9, 0, ESOCK_FULL | ESOCK_CONT), -ECONNRESET);
    assert_int_equal(counter(b, ESOCK_READ_PKG), 1);
    assert_int_equal(counter(b, ESOCK_READ_PKG_MAX), 7);
    shut(a);
    shut(b);
}

static void an_empty_message_is_a_package(void **state) {
    esock *a, *b;
    char buf[4];
    unix_pair(NULL, SOCK_DGRAM, &a, &b);
    assert_int_equal(esock_send(a, "", 0, 0, 0), 0);
    assert_int_equal(counter(a, ESOCK_WRITE_FAILS), 0);
    assert_int_equal(counter(a, ESOCK_WRITE_PKG), 1);
    assert_int_equal(esock_counters_wrapped(a), 0);
    assert_int_equal(esock_recv(b, buf, 4, 0, 0), 0);
    assert_int_equal(counter(b, ESOCK_READ_FAILS), 0);
    assert_int_equal(counter(b, ESOCK_READ_PKG), 1);
    assert_int_equal(esock_counters_wrapped(b), 0);
    shut(a);
    shut(b);
}

static void a_send_that_only_looks_is_no_wait(void **state) {
    struct script k;
    esock *a, *b;
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    script_times(&k, K_SEND, 2, -EAGAIN);
    assert_int_equal(esock_send(a, "x", 1, 0, ESOCK_POLL), -EAGAIN);
    assert_int_equal(counter(a, ESOCK_WRITE_WAITS), 0);
    assert_int_equal(esock_send(a, "x", 1, 0, 0), -EAGAIN);
    assert_int_equal(counter(a, ESOCK_WRITE_WAITS), 1);
    assert_int_equal(counter(a, ESOCK_WRITE_TRIES), 2);
    shut(a);
    shut(b);
}

static void accepts_are_told_apart(void **state) {
    struct script k;
    esock *c;
    esock_addr at;
    script_init(&k);
    esock *l = listener(&k.sys, 4, &at);
    script_answer(&k, K_ACCEPT4, -EAGAIN);
    script_answer(&k, K_ACCEPT4, -EAGAIN);
    script_answer(&k, K_ACCEPT4, -EMFILE);
    assert_int_equal(esock_accept(l, ESOCK_POLL, &c, NULL), -EAGAIN);
    assert_int_equal(counter(l, ESOCK_ACC_WAITS), 0);
    assert_int_equal(esock_accept(l, 0, &c, NULL), -EAGAIN);
    assert_int_equal(counter(l, ESOCK_ACC_WAITS), 1);
    assert_int_equal(counter(l, ESOCK_ACC_FAILS), 0);
    assert_int_equal(esock_accept(l, 0, &c, NULL), -EMFILE);
    assert_int_equal(counter(l, ESOCK_ACC_FAILS), 1);
    assert_int_equal(counter(l, ESOCK_ACC_SUCCESS), 0);
    script_answer(&k, K_ACCEPT4, 0); /* a process without standard input gets this descriptor */
    assert_int_equal(esock_accept(l, 0, &c, NULL), 0);
    script_answer(&k, K_CLOSE, 0);
    shut(c);
    assert_int_equal(counter(l, ESOCK_ACC_SUCCESS), 1);
    assert_int_equal(counter(l, ESOCK_ACC_TRIES), 4);
    assert_int_equal(counter(l, ESOCK_ACC_WAITS), 1);
    shut(l);
}

static uint64_t files(esock *s, enum esock_sendfile_counter c) {
    const esock_sendfile_counters *b = esock_sendfile_counters_of(s);
    return b == NULL ? 0 : b->value[c];
}

static void sendfiles_are_told_apart(void **state) {
    struct script k;
    esock *a, *b;
    int64_t at = 0;
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    static const struct {
        long result;
        unsigned how;
        unsigned calls, tries, bytes, packages, most, waits;
    } steps[] = {
        {0, 0, 1, 1, 0, 0, 0, 0},
        {1, ESOCK_CONT, 2, 1, 1, 1, 1, 0},
        {-EAGAIN, ESOCK_CONT | ESOCK_POLL, 3, 1, 1, 1, 1, 0},
        {-EAGAIN, ESOCK_CONT, 4, 1, 1, 1, 1, 1},
        {-EIO, ESOCK_CONT, 5, 1, 1, 1, 1, 1},
        {7, 0, 6, 2, 8, 2, 7, 1},
        {5, ESOCK_CONT, 7, 2, 13, 3, 7, 1},
    };
    for (size_t i = 0; i < LEN(steps); i++) {
        script_answer(&k, K_SENDFILE, steps[i].result);
        assert_int_equal(esock_sendfile(a, 0, &at, 100, steps[i].how), steps[i].result);
        assert_int_equal(files(a, ESOCK_SENDFILE), steps[i].calls);
        assert_int_equal(files(a, ESOCK_SENDFILE_TRIES), steps[i].tries);
        assert_int_equal(files(a, ESOCK_SENDFILE_BYTE), steps[i].bytes);
        assert_int_equal(files(a, ESOCK_SENDFILE_PKG), steps[i].packages);
        assert_int_equal(files(a, ESOCK_SENDFILE_PKG_MAX), steps[i].most);
        assert_int_equal(files(a, ESOCK_SENDFILE_WAITS), steps[i].waits);
    }
    assert_int_equal(files(a, ESOCK_SENDFILE_MAX_OP), 0);
    esock_sendfile_done(a, -1, 0);
    assert_int_equal(files(a, ESOCK_SENDFILE_MAX_OP), 0);
    esock_sendfile_done(a, 1, 0);
    assert_int_equal(files(a, ESOCK_SENDFILE_MAX_OP), 1);
    assert_int_equal(files(a, ESOCK_SENDFILE_FAILS), 0);
    esock_sendfile_done(a, 13, -EIO);
    assert_int_equal(files(a, ESOCK_SENDFILE_MAX_OP), 13);
    assert_int_equal(files(a, ESOCK_SENDFILE_FAILS), 1);
    shut(a);
    shut(b);
}

/* A read of the error queue leaves a receive in progress as it is. */
static void queued_errors_are_messages_of_their_own(void **state) {
    struct script k;
    esock *s;
    esock_msg m;
    esock_addr at;
    char buf[8];
    script_init(&k);
    s = bound(&k.sys, SOCK_DGRAM, &at);
    static const struct {
        long result;
        unsigned how;
        /* read: bytes, packages, greatest, tries, waits, fails */
        unsigned bytes, packages, most, tries, waits, fails;
    } steps[] = {
        {-EAGAIN, ESOCK_POLL, 0, 0, 0, 1, 0, 0},
        {-EAGAIN, 0, 0, 0, 0, 2, 1, 0},
        {-ENOMEM, 0, 0, 0, 0, 3, 1, 1},
        {0, 0, 0, 1, 0, 4, 1, 1},
        {3, 0, 3, 2, 3, 5, 1, 1},
        {8, ESOCK_POLL, 11, 3, 8, 6, 1, 1},
        {1, 0, 12, 4, 8, 7, 1, 1},
    };
    for (size_t i = 0; i < LEN(steps); i++) {
        script_put(&k, K_RECVMSG,
                   (struct script_answer){.result = steps[i].result, .msg_flags = MSG_ERRQUEUE});
        assert_int_equal(
            esock_recvmsg(s, buf, sizeof buf, MSG_ERRQUEUE, steps[i].how, NULL, 0, NULL, 0, &m),
            steps[i].result);
        assert_int_equal(counter(s, ESOCK_READ_BYTE), steps[i].bytes);
        assert_int_equal(counter(s, ESOCK_READ_PKG), steps[i].packages);
        assert_int_equal(counter(s, ESOCK_READ_PKG_MAX), steps[i].most);
        assert_int_equal(counter(s, ESOCK_READ_TRIES), steps[i].tries);
        assert_int_equal(counter(s, ESOCK_READ_WAITS), steps[i].waits);
        assert_int_equal(counter(s, ESOCK_READ_FAILS), steps[i].fails);
    }
    shut(s);
}

/* An empty message is the end of a seqpacket connection only if nothing, or another empty message, follows it. */
static void the_end_of_a_message_connection(void **state) {
    struct script k;
    esock *a, *b;
    char buf[4];
    script_init(&k);
    unix_pair(&k.sys, SOCK_SEQPACKET, &a, &b);
    assert_int_equal(esock_send(a, "", 0, 0, 0), 0);
    assert_int_equal(esock_recv(b, buf, 4, 0, 0), 0); /* the connection is open */
    assert_int_equal(esock_send(a, "", 0, 0, 0), 0);
    assert_int_equal(esock_send(a, "x", 1, 0, 0), 1);
    assert_int_equal(esock_send(a, "", 0, 0, 0), 0);
    assert_int_equal(esock_send(a, "yz", 2, 0, 0), 2);
    assert_int_equal(esock_shutdown(a, SHUT_WR), 0);
    assert_int_equal(esock_recv(b, buf, 4, 0, 0), 0);
    assert_int_equal(esock_recv(b, buf, 4, 0, 0), 1);
    assert_int_equal(esock_recv(b, buf, 4, 0, 0), 0);
    assert_int_equal(esock_recv(b, buf, 4, 0, 0), 2);
    assert_int_equal(counter(b, ESOCK_READ_FAILS), 0);
    assert_int_equal(counter(b, ESOCK_READ_PKG), 5);
    script_answer(&k, K_POLL, -ENOMEM); /* if poll fails, it is not the end */
    assert_int_equal(esock_recv(b, buf, 4, 0, 0), 0);
    script_put(&k, K_POLL, (struct script_answer){.result = 1, .revents = POLLHUP});
    script_answer(&k, K_RECV, -EINTR);
    script_answer(&k, K_RECV, 0);
    script_answer(&k, K_RECV, -EINTR); /* the peek at the next message is repeated, too */
    script_answer(&k, K_RECV, 1);
    assert_int_equal(esock_recv(b, buf, 4, 0, 0), 0);
    assert_true(script_used_up(&k));
    assert_int_equal(esock_recv(b, buf, 4, 0, 0), -ESHUTDOWN);
    assert_int_equal(counter(b, ESOCK_READ_FAILS), 1);
    shut(a);
    shut(b);
}

struct traced {
    char ops[16][16];
    long results[16];
    size_t n;
};

static void on_trace(void *arg, int fd, const char *op, long result) {
    struct traced *t = arg;
    assert_true(fd >= 0 && t->n < LEN(t->ops));
    snprintf(t->ops[t->n], sizeof t->ops[0], "%s", op);
    t->results[t->n++] = result;
}

static void expect_traced(struct traced *t, const char *op, long result) {
    assert_int_equal(t->n, 1);
    assert_string_equal(t->ops[0], op);
    assert_int_equal(t->results[0], result);
    t->n = 0;
}

static void every_counted_call_is_traced(void **state) {
    struct script k;
    struct traced t = {.n = 0};
    esock *a, *b, *l, *c, *u;
    esock_msg m;
    esock_addr at;
    char buf[8];
    int64_t offset = 0;
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    l = listener(&k.sys, 1, &at);
    u = bound(&k.sys, SOCK_DGRAM, &at);
    esock_trace(a, 1);
    esock_trace(b, 1);
    esock_trace(l, 1);
    esock_trace(u, 1);
    assert_int_equal(esock_recv(b, buf, 8, 0, ESOCK_POLL),
                     -EAGAIN); /* tracing is on, without a function */
    esock_set_trace(on_trace, &t);
    assert_int_equal(esock_send(a, "abc", 3, 0, 0), 3);
    expect_traced(&t, "send", 3);
    assert_int_equal(esock_recv(b, buf, 8, 0, 0), 3);
    expect_traced(&t, "recv", 3);
    script_answer(&k, K_ACCEPT4, -EMFILE);
    assert_int_equal(esock_accept(l, 0, &c, NULL), -EMFILE);
    expect_traced(&t, "accept", -EMFILE);
    script_answer(&k, K_SENDFILE, 9);
    assert_int_equal(esock_sendfile(a, 0, &offset, 100, 0), 9);
    expect_traced(&t, "sendfile", 9);
    script_put(&k, K_RECVMSG, (struct script_answer){.result = 2, .msg_flags = MSG_ERRQUEUE});
    assert_int_equal(esock_recvmsg(u, buf, 8, MSG_ERRQUEUE, 0, NULL, 0, NULL, 0, &m), 2);
    expect_traced(&t, "recvmsg", 2);
    esock_set_trace(NULL, NULL);
    shut(a);
    shut(b);
    shut(l);
    shut(u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrap_at_64_bits_is_told),
        cmocka_unit_test(each_request_counts_its_own_bytes),
        cmocka_unit_test(a_request_in_progress_ends_by_itself),
        cmocka_unit_test(an_empty_message_is_a_package),
        cmocka_unit_test(a_send_that_only_looks_is_no_wait),
        cmocka_unit_test(accepts_are_told_apart),
        cmocka_unit_test(sendfiles_are_told_apart),
        cmocka_unit_test(queued_errors_are_messages_of_their_own),
        cmocka_unit_test(the_end_of_a_message_connection),
        cmocka_unit_test(every_counted_call_is_traced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
