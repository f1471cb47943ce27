/* Memory that runs out: each allocation of each call fails once. The call then answers ENOMEM, and leaves no block, no
 * descriptor and no half-made object behind. */
#include "fixture.h"

#include <sys/mman.h>

#include "esock_batch.h"
#include "esock_queue.h"

static struct script k;
static esock *made;     /* the handle that a call makes */
static esock *base;     /* the socket that a call works on */
static int in;          /* a descriptor to adopt, or a file */
static esock_poller *p; /* the poller that a call makes */

static int open_one(void) {
    return esock_open(&made, AF_INET, SOCK_STREAM, 0, &k.sys);
}

static int open_in_namespace(void) {
    enum esock_netns_fault fault = ESOCK_NETNS_LOST;
    unsigned before = script_count(&k, K_SETNS);
    script_times(&k, K_SETNS, 2, 0);
    int r = esock_open_netns(&made, "/proc/thread-self/ns/net", AF_INET, SOCK_STREAM, 0, &k.sys,
                             &fault);
    assert_int_equal(fault, ESOCK_NETNS_SOCKET);
    assert_int_equal(script_count(&k, K_SETNS), before + 2); /* there, and home again */
    return r;
}

static int adopt(unsigned flags) {
    int fl = fcntl(in, F_GETFL), fd_flags = fcntl(in, F_GETFD);
    int r = esock_adopt(&made, in, flags, -1, -1, -1, &k.sys, NULL);
    if (r < 0) { /* the caller's descriptor is as it was */
        assert_int_equal(fcntl(in, F_GETFL), fl);
        assert_int_equal(fcntl(in, F_GETFD), fd_flags);
    }
    return r;
}

static int adopt_as_it_is(void) {
    return adopt(0);
}

static int adopt_a_duplicate(void) {
    return adopt(ESOCK_ADOPT_DUP);
}

static int adopt_and_take(void) {
    int r = adopt(ESOCK_ADOPT_TAKE);
    if (r == 0) in = -1;
    return r;
}

/* One connection waits at a time: the one that is accepted without memory is closed, and its client sees the end. */
static int accept_one(void) {
    esock_addr at;
    assert_int_equal(esock_sockname(base, &at), 0);
    esock *c = client(NULL, &at);
    await(esock_fd(base), POLLIN);
    uint64_t fails = counter(base, ESOCK_ACC_FAILS), success = counter(base, ESOCK_ACC_SUCCESS);
    int r = esock_accept(base, 0, &made, NULL);
    assert_int_equal(counter(base, ESOCK_ACC_FAILS), fails + (r == -ENOMEM));
    assert_int_equal(counter(base, ESOCK_ACC_SUCCESS), success + (r == 0));
    if (r < 0) {
        char byte;
        await(esock_fd(c), POLLIN);
        ssize_t n = esock_recv(c, &byte, 1, 0, 0);
        assert_true(n == 0 || n == -ECONNRESET);
    }
    shut(c);
    return r;
}

static int new_poller(void) {
    return esock_poller_new(&p, &k.sys);
}

/* A queue, with its stack of buffers, and a member. */
static esock_queue *queue;

static int new_queue(void) {
    int r = esock_queue_new(&queue, NULL, &k.sys);
    if (r == 0) assert_int_equal(esock_queue_free(queue), 0);
    return r;
}

static int new_batch(void) {
    esock_batch *b = NULL;
    int r = esock_batch_new(&b, &(esock_batch_config){.count = 8, .size = 100}, &k.sys);
    if (r < 0) assert_null(b);
    esock_batch_free(b);
    return r;
}

static int add_to_queue(void) {
    esock_member *m = NULL;
    int r = esock_queue_add(queue, base, &m);
    if (r < 0) assert_null(m);
    if (r == 0) {
        esock_queue_remove(queue, m);
        assert_int_equal(esock_queue_free(queue), 0);
    }
    return r;
}

/* Without memory for the counters nothing is sent, so that they are never wrong. */
static int send_a_file(void) {
    unsigned before = script_count(&k, K_SENDFILE);
    int64_t offset = 0;
    ssize_t n = esock_sendfile(base, in, &offset, 5, 0);
    const esock_sendfile_counters *c = esock_sendfile_counters_of(base);
    if (n < 0) {
        assert_int_equal(offset, 0);
        assert_null(c);
        assert_int_equal(script_count(&k, K_SENDFILE), before);
        assert_int_equal(script_count(&k, K_SIGPIPE_BLOCK), 0);
        return (int)n;
    }
    assert_int_equal(n, 5);
    assert_int_equal(c->value[ESOCK_SENDFILE], 1);
    assert_int_equal(c->value[ESOCK_SENDFILE_BYTE], 5);
    assert_int_equal(c->value[ESOCK_SENDFILE_FAILS], 0);
    return 0;
}

/* Counting has no result: without memory nothing is counted. */
static int count_a_file(void) {
    esock_sendfile_done(base, 7, -EPIPE);
    const esock_sendfile_counters *c = esock_sendfile_counters_of(base);
    if (c == NULL) return -ENOMEM;
    assert_int_equal(c->value[ESOCK_SENDFILE_MAX_OP], 7);
    assert_int_equal(c->value[ESOCK_SENDFILE_FAILS], 1);
    return 0;
}

static void no_base(void) {
}

static void socket_to_adopt(void) {
    in = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(in >= 0);
}

static void listening(void) {
    esock_addr at;
    base = listener(&k.sys, 1, &at);
}

static void connected(void) {
    esock *other;
    unix_pair(&k.sys, SOCK_STREAM, &base, &other);
    shut(other);
}

static void connected_and_a_queue(void) {
    connected();
    assert_int_equal(esock_queue_new(&queue, NULL, &k.sys), 0);
}

static void connected_and_a_file(void) {
    esock *other;
    unix_pair(&k.sys, SOCK_STREAM, &base, &other);
    in = memfd_create("esock", MFD_CLOEXEC);
    assert_true(in >= 0);
    assert_int_equal(write(in, "hello", 5), 5);
    made = other; /* closed at the end, as a handle that a call makes */
}

/* Every call of esock.h that allocates, and how many blocks it needs. */
static const struct {
    const char *name;
    void (*before)(void);
    int (*call)(void);
    unsigned blocks;
} calls[] = {
    {"esock_open", no_base, open_one, 1},
    {"esock_open_netns", no_base, open_in_namespace, 1},
    {"esock_adopt", socket_to_adopt, adopt_as_it_is, 1},
    {"esock_adopt, dup", socket_to_adopt, adopt_a_duplicate, 1},
    {"esock_adopt, take", socket_to_adopt, adopt_and_take, 1},
    {"esock_accept", listening, accept_one, 1},
    {"esock_poller_new", no_base, new_poller, 1},
    {"esock_batch_new", no_base, new_batch, 1},
    {"esock_queue_new", no_base, new_queue, 2},
    {"esock_queue_add", connected_and_a_queue, add_to_queue, 1},
    {"esock_sendfile", connected_and_a_file, send_a_file, 1},
    {"esock_sendfile_done", connected, count_a_file, 1},
};

static void each_allocation_fails_once(void **state) {
    for (size_t i = 0; i < LEN(calls); i++) {
        int fds_at_first = script_open_fds();
        script_init(&k);
        made = base = NULL;
        in = -1;
        p = NULL;
        calls[i].before();
        esock *had = made;
        unsigned n = 0;
        for (int r = -ENOMEM; r == -ENOMEM;) {
            int blocks = k.blocks, fds = script_open_fds();
            k.no_memory_at = k.allocs + ++n;
            r = calls[i].call();
            if (r == 0) break;
            if (r != -ENOMEM || k.blocks != blocks || script_open_fds() != fds || made != had ||
                p != NULL)
                fail_msg("%s, allocation %u: %d, %d blocks of %d, %d descriptors of %d",
                         calls[i].name, n, r, k.blocks, blocks, script_open_fds(), fds);
        }
        if (n != calls[i].blocks + 1)
            fail_msg("%s: %u allocations failed, not %u", calls[i].name, n - 1, calls[i].blocks);

        if (made != NULL) shut(made);
        if (base != NULL) shut(base);
        esock_poller_free(p);
        if (in >= 0) close(in);
        assert_int_equal(k.blocks, 0);
        assert_int_equal(script_open_fds(), fds_at_first);
    }
}

/* No other call allocates: a whole life of a connection needs the blocks that the table above counts. */
static void nothing_else_allocates(void **state) {
    esock *l, *c, *s;
    esock_addr at, peer;
    esock_event ev;
    char buf[16];
    script_init(&k);
    assert_int_equal(esock_poller_new(&p, &k.sys), 0);
    l = listener(&k.sys, 1, &at);
    c = client(&k.sys, &at);
    assert_int_equal(esock_arm(p, l, ESOCK_IN, 0, l), 0);
    assert_int_equal(esock_poll(p, &ev, 1, WAIT_MS), 1);
    assert_int_equal(esock_accept(l, 0, &s, &peer), 0);
    assert_int_equal(k.allocs, 4);

    int fd = esock_dup(s);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(esock_peername(s, &peer), 0);
    assert_int_equal(esock_send(c, "abc", 3, 0, 0), 3);
    await(esock_fd(s), POLLIN);
    assert_int_equal(esock_recv(s, buf, 1, 0, 0), 1);
    assert_int_equal(esock_sendmsg(c, "abc", 3, 0, 0, NULL, NULL, 0), 3);
    for (unsigned row = 0; row < esock_opt_count(); row++) {
        int64_t v = 0;
        char value[512];
        size_t room = sizeof value;
        esock_getopt(s, row, &v, value, &room);
    }
    assert_int_equal(esock_shutdown(c, SHUT_WR), 0);
    assert_int_equal(k.allocs, 4);
    esock_deregister(p, l);
    shut(s);
    shut(c);
    shut(l);
    esock_poller_free(p);
    assert_int_equal(k.allocs, 4);
    assert_int_equal(k.blocks, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_fails_once),
        cmocka_unit_test(nothing_else_allocates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
