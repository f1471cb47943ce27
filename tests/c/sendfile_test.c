/* sendfile, and the signal that it must not cause. */
#include "fixture.h"

#include <signal.h>
#include <sys/mman.h>

static int file_of(size_t size) {
    int fd = memfd_create("file", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    return fd;
}

static bool sigpipe_is(int (*of)(sigset_t *)) {
    sigset_t set;
    sigemptyset(&set);
    of(&set);
    return sigismember(&set, SIGPIPE) == 1;
}

static int blocked(sigset_t *set) {
    return pthread_sigmask(SIG_BLOCK, NULL, set);
}

static void moves_the_file_and_the_offset(void **state) {
    esock *a, *b;
    char buf[128];
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    int file = file_of(100);
    assert_int_equal(pwrite(file, "needle", 6, 40), 6);
    int64_t at = 40;
    assert_int_equal(esock_sendfile(a, file, &at, 1000, 0), 60);
    assert_int_equal(at, 100);
    assert_int_equal(lseek(file, 0, SEEK_CUR), 0); /* the file's own position is not touched */
    assert_int_equal(esock_recv(b, buf, sizeof buf, 0, 0), 60);
    assert_memory_equal(buf, "needle", 6);
    assert_int_equal(esock_sendfile(a, file, &at, 1000, ESOCK_CONT), 0); /* the end of the file */
    close(file);
    shut(a);
    shut(b);
}

static void one_call_moves_a_bounded_amount(void **state) {
    struct script k;
    esock *a, *b;
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    script_answer(&k, K_SENDFILE, 10);
    int64_t at = 5;
    assert_int_equal(esock_sendfile(a, 0, &at, SIZE_MAX, 0), 10);
    assert_int_equal(at, 15);
    assert_int_equal(script_last(&k, K_SENDFILE)->len, ESOCK_SENDFILE_MAX);
    shut(a);
    shut(b);
}

static void interrupted_sendfile_is_repeated_from_the_same_place(void **state) {
    struct script k;
    esock *a, *b;
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    int file = file_of(10);
    int64_t at = 0;
    script_times(&k, K_SENDFILE, 50, -EINTR);
    assert_int_equal(esock_sendfile(a, file, &at, 10, 0), 10);
    assert_int_equal(at, 10);
    assert_int_equal(script_count(&k, K_SENDFILE), 51);
    assert_int_equal(script_count(&k, K_SIGPIPE_BLOCK), 1);
    assert_int_equal(script_count(&k, K_SIGPIPE_RESTORE), 1);
    close(file);
    shut(a);
    shut(b);
}

static void reset_peer_is_an_error_and_no_signal(void **state) {
    esock *a, *b;
    tcp_pair(NULL, &a, &b);
    struct linger abort_it = {1, 0};
    assert_int_equal(esock_setopt_native(b, SOL_SOCKET, SO_LINGER, &abort_it, sizeof abort_it), 0);
    shut(b);
    await(esock_fd(a), POLLHUP);
    int file = file_of(4096);
    int64_t at = 0;
    /* The reset itself is reported first; SIGPIPE, which would end this process, comes with
     * EPIPE. */
    assert_int_equal(esock_sendfile(a, file, &at, 4096, 0), -ECONNRESET);
    assert_int_equal(esock_sendfile(a, file, &at, 4096, 0), -EPIPE);
    assert_int_equal(at, 0);
    assert_false(sigpipe_is(sigpending));
    assert_false(sigpipe_is(blocked));
    close(file);
    shut(a);
}

static void signal_that_was_pending_before_stays_pending(void **state) {
    esock *a, *b;
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
    assert_int_equal(raise(SIGPIPE), 0);
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    shut(b);
    int file = file_of(4096);
    int64_t at = 0;
    assert_int_equal(esock_sendfile(a, file, &at, 4096, 0), -EPIPE);
    assert_true(sigpipe_is(sigpending));
    assert_true(sigpipe_is(blocked)); /* and the mask is as it was */
    assert_int_equal(sigwaitinfo(&set, NULL), SIGPIPE);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
    close(file);
    shut(a);
}

/* The kernel reports what went out before the peer was found gone, and has raised the signal all
 * the same. */
static void short_transfer_takes_its_signal_too(void **state) {
    struct script k;
    esock *a, *b;
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    int64_t at = 0;
    script_answer(&k, K_SENDFILE, 10);
    assert_int_equal(esock_sendfile(a, 0, &at, 100, 0), 10);
    assert_int_equal(script_last(&k, K_SIGPIPE_RESTORE)->a, 1);
    script_answer(&k, K_SENDFILE, 100);
    assert_int_equal(esock_sendfile(a, 0, &at, 100, 0), 100);
    assert_int_equal(script_last(&k, K_SIGPIPE_RESTORE)->a,
                     0); /* nothing to take: one call saved */
    shut(a);
    shut(b);
}

static void counters_tell_calls_operations_and_failures(void **state) {
    struct script k;
    esock *a, *b;
    script_init(&k);
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    assert_null(esock_sendfile_counters_of(a));
    int64_t at = 0;
    script_answer(&k, K_SENDFILE, 70);
    script_answer(&k, K_SENDFILE, -EAGAIN);
    script_answer(&k, K_SENDFILE, 30);
    script_answer(&k, K_SENDFILE, -EAGAIN);
    script_answer(&k, K_SENDFILE, -EIO);
    assert_int_equal(esock_sendfile(a, 0, &at, 100, 0), 70);
    assert_int_equal(esock_sendfile(a, 0, &at, 30, ESOCK_CONT), -EAGAIN);
    assert_int_equal(esock_sendfile(a, 0, &at, 30, ESOCK_CONT), 30);
    esock_sendfile_done(a, 100, 0);
    assert_int_equal(esock_sendfile(a, 0, &at, 30, ESOCK_POLL), -EAGAIN);
    assert_int_equal(esock_sendfile(a, 0, &at, 30, ESOCK_CONT), -EIO);
    esock_sendfile_done(a, 0, -EIO);
    const uint64_t *v = esock_sendfile_counters_of(a)->value;
    assert_int_equal(v[ESOCK_SENDFILE], 5);
    assert_int_equal(v[ESOCK_SENDFILE_BYTE], 100);
    assert_int_equal(v[ESOCK_SENDFILE_PKG], 2);
    assert_int_equal(v[ESOCK_SENDFILE_PKG_MAX], 70);
    assert_int_equal(v[ESOCK_SENDFILE_TRIES], 2);
    assert_int_equal(v[ESOCK_SENDFILE_MAX_OP], 100);
    assert_int_equal(v[ESOCK_SENDFILE_WAITS], 1);
    assert_int_equal(v[ESOCK_SENDFILE_FAILS], 1);
    assert_int_equal(counter(a, ESOCK_WRITE_BYTE), 0);
    esock_sendfile_counters final;
    assert_int_equal(esock_close(a, 0, NULL, &final), 0);
    assert_int_equal(final.value[ESOCK_SENDFILE_BYTE], 100);
    shut(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_the_file_and_the_offset),
        cmocka_unit_test(one_call_moves_a_bounded_amount),
        cmocka_unit_test(interrupted_sendfile_is_repeated_from_the_same_place),
        cmocka_unit_test(reset_peer_is_an_error_and_no_signal),
        cmocka_unit_test(signal_that_was_pending_before_stays_pending),
        cmocka_unit_test(short_transfer_takes_its_signal_too),
        cmocka_unit_test(counters_tell_calls_operations_and_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
