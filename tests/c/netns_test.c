/* Opening a socket in another network namespace. The scripted tests need no privilege. */
#include "fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* Linux 5.14 */
#endif

#define OWN "/proc/thread-self/ns/net"

static esock *s;

static int try_open(struct script *k, enum esock_netns_fault *fault) {
    s = NULL;
    *fault = -1u;
    return esock_open_netns(&s, OWN, AF_INET, SOCK_STREAM, 0, &k->sys, fault);
}

static void thread_goes_there_and_comes_home(void **state) {
    struct script k;
    enum esock_netns_fault fault;
    int before = script_open_fds();
    script_init(&k);
    script_times(&k, K_SETNS, 2, 0);
    assert_int_equal(try_open(&k, &fault), 0);
    assert_int_equal(fault, ESOCK_NETNS_SOCKET);
    assert_int_equal(script_count(&k, K_SETNS), 2);
    assert_int_equal(script_open_fds(), before + 1); /* the socket alone */
    shut(s);
}

/* A failing socket(2) must not leave the thread in the other namespace, nor leak the saved
 * descriptor. */
static void T23_thread_comes_home_when_the_socket_fails(void **state) {
    struct script k;
    enum esock_netns_fault fault;
    int before = script_open_fds();
    script_init(&k);
    script_times(&k, K_SETNS, 2, 0);
    script_answer(&k, K_SOCKET, -EMFILE);
    assert_int_equal(try_open(&k, &fault), -EMFILE);
    assert_int_equal(fault, ESOCK_NETNS_SOCKET);
    assert_int_equal(script_count(&k, K_SETNS), 2);
    assert_null(s);
    assert_int_equal(script_open_fds(), before);
}

static void thread_that_cannot_come_home_is_reported_lost(void **state) {
    struct script k;
    enum esock_netns_fault fault;
    int before = script_open_fds();
    script_init(&k);
    script_answer(&k, K_SETNS, 0);
    script_answer(&k, K_SETNS, -EPERM);
    assert_int_equal(try_open(&k, &fault), -EPERM);
    assert_int_equal(fault, ESOCK_NETNS_LOST);
    assert_null(s);
    assert_int_equal(script_open_fds(), before); /* the socket was closed again */
}

static void thread_that_never_left_is_not_lost(void **state) {
    struct script k;
    enum esock_netns_fault fault;
    int before = script_open_fds();
    script_init(&k);
    script_answer(&k, K_SETNS, -EPERM);
    assert_int_equal(try_open(&k, &fault), -EPERM);
    assert_int_equal(fault, ESOCK_NETNS_FILE);
    assert_int_equal(script_count(&k, K_SETNS), 1);
    assert_int_equal(script_count(&k, K_SOCKET), 0);
    assert_int_equal(script_open_fds(), before);
}

/* The error says which of the three files it is about. */
static void namespace_files_that_cannot_be_opened_leak_nothing(void **state) {
    const enum esock_netns_fault about[] = {ESOCK_NETNS_FILE, ESOCK_NETNS_PROC, ESOCK_NETNS_PROC};
    struct script k;
    enum esock_netns_fault fault;
    int before = script_open_fds();
    for (unsigned i = 0; i < LEN(about); i++) {
        script_init(&k);
        for (unsigned n = 0; n < i; n++)
            script_pass(&k, K_OPEN);
        script_answer(&k, K_OPEN, -ENOENT);
        assert_int_equal(try_open(&k, &fault), -ENOENT);
        assert_int_equal(fault, about[i]);
        assert_int_equal(script_count(&k, K_SETNS), 0);
        assert_int_equal(script_open_fds(), before);
    }
    script_init(&k);
    script_pass(&k, K_OPEN);
    script_answer(&k, K_OPEN, -EACCES);
    assert_int_equal(try_open(&k, &fault), -EACCES);
    assert_int_equal(fault, ESOCK_NETNS_FILE); /* it may not be read */
    assert_int_equal(script_open_fds(), before);
}

/* Opening a FIFO without a writer would block for ever, and opening a device may have side effects. */
static void what_is_no_namespace_is_not_opened(void **state) {
    char dir[] = "/tmp/esock-netns-XXXXXX", fifo[64], sock[64], plain[64];
    assert_non_null(mkdtemp(dir));
    snprintf(fifo, sizeof fifo, "%s/fifo", dir);
    snprintf(sock, sizeof sock, "%s/sock", dir);
    snprintf(plain, sizeof plain, "%s/plain", dir);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(mknod(sock, S_IFSOCK | 0600, 0), 0);
    close(open(plain, O_CREAT | O_WRONLY, 0600));
    const char *paths[] = {fifo, sock, dir, "/dev/null", plain, "/proc/self/status"};
    enum esock_netns_fault fault;
    int before = script_open_fds();
    struct script k;
    for (size_t i = 0; i < LEN(paths); i++) {
        script_init(&k);
        if (i >= 4) script_answer(&k, K_SETNS, -EINVAL); /* without privilege it is -EPERM */
        assert_int_equal(esock_open_netns(&s, paths[i], AF_INET, SOCK_STREAM, 0, &k.sys, &fault),
                         -EINVAL);
        assert_int_equal(fault, ESOCK_NETNS_FILE);
        if (i < 4) {
            assert_int_equal(script_count(&k, K_OPEN), 1);
            assert_true(script_last(&k, K_OPEN)->a & O_PATH);
        }
        assert_int_equal(script_count(&k, K_SOCKET), 0);
        assert_int_equal(script_open_fds(), before);
    }
    unlink(fifo);
    unlink(sock);
    unlink(plain);
    rmdir(dir);
}

static void namespace_file_that_cannot_be_looked_at_leaks_nothing(void **state) {
    struct script k;
    enum esock_netns_fault fault;
    int before = script_open_fds();
    script_init(&k);
    script_answer(&k, K_FILETYPE, -EIO);
    assert_int_equal(try_open(&k, &fault), -EIO);
    script_pass(&k, K_OPEN);
    script_pass(&k, K_OPEN);
    script_answer(&k, K_OPEN, -EMFILE); /* the thread's own namespace */
    assert_int_equal(try_open(&k, &fault), -EMFILE);
    assert_int_equal(script_count(&k, K_SETNS), 0);
    assert_int_equal(script_open_fds(), before);
}

/* A thread that lives in a namespace of its own until it is told to end. */
struct room {
    int ready[2], done[2];
    int tid; /* 0: no privilege */
};

static void *live_in_own_namespace(void *arg) {
    struct room *r = arg;
    char c;
    r->tid = unshare(CLONE_NEWNET) == 0 ? (int)syscall(SYS_gettid) : 0;
    if (write(r->ready[1], "", 1) == 1 && read(r->done[0], &c, 1) < 0) abort();
    return NULL;
}

static uint64_t cookie_of(esock *sock) {
    uint64_t cookie = 0;
    size_t len = sizeof cookie;
    if (esock_getopt_native(sock, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) != 0) return 0;
    return cookie;
}

static void socket_belongs_to_the_other_namespace_and_the_thread_does_not(void **state) {
    struct room r;
    pthread_t t;
    char c, path[64];
    assert_int_equal(pipe(r.ready) | pipe(r.done), 0);
    assert_int_equal(pthread_create(&t, NULL, live_in_own_namespace, &r), 0);
    assert_int_equal(read(r.ready[0], &c, 1), 1);
    if (r.tid != 0) {
        esock *here, *there, *after;
        enum esock_netns_fault fault;
        snprintf(path, sizeof path, "/proc/self/task/%d/ns/net", r.tid);
        assert_int_equal(esock_open(&here, AF_INET, SOCK_STREAM, 0, NULL), 0);
        assert_int_equal(esock_open_netns(&there, path, AF_INET, SOCK_STREAM, 0, NULL, &fault), 0);
        assert_int_equal(esock_open(&after, AF_INET, SOCK_STREAM, 0, NULL), 0);
        assert_int_equal(fault, ESOCK_NETNS_SOCKET);
        assert_int_equal(cookie_of(after), cookie_of(here));
        if (cookie_of(here) != 0) assert_int_not_equal(cookie_of(there), cookie_of(here));
        shut(here);
        shut(there);
        shut(after);
    }
    assert_int_equal(write(r.done[1], "", 1), 1);
    assert_int_equal(pthread_join(t, NULL), 0);
    for (int i = 0; i < 2; i++) {
        close(r.ready[i]);
        close(r.done[i]);
    }
    if (r.tid == 0) {
        print_message("skipped: making a network namespace needs CAP_SYS_ADMIN\n");
        skip();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thread_goes_there_and_comes_home),
        cmocka_unit_test(T23_thread_comes_home_when_the_socket_fails),
        cmocka_unit_test(thread_that_cannot_come_home_is_reported_lost),
        cmocka_unit_test(thread_that_never_left_is_not_lost),
        cmocka_unit_test(namespace_files_that_cannot_be_opened_leak_nothing),
        cmocka_unit_test(what_is_no_namespace_is_not_opened),
        cmocka_unit_test(namespace_file_that_cannot_be_looked_at_leaks_nothing),
        cmocka_unit_test(socket_belongs_to_the_other_namespace_and_the_thread_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
