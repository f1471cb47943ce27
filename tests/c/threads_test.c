/* Several threads use one handle. Run it in the build with the thread sanitizer (build/check). */
#include "fixture.h"

#include <pthread.h>

enum { SENDERS = 3, RECEIVERS = 2, MESSAGES = 2000, SIZE = 64 };

struct shared {
    esock *a, *b;
    esock_poller *p;
    int received; /* messages, by all receivers */
    int done;
};

static int load(int *v) {
    return __atomic_load_n(v, __ATOMIC_ACQUIRE);
}

static void *sender(void *arg) {
    struct shared *sh = arg;
    char buf[SIZE] = {0};
    for (int i = 0; i < MESSAGES;) {
        ssize_t n = esock_send(sh->a, buf, sizeof buf, 0, 0);
        if (n == SIZE)
            i++;
        else
            await(esock_fd(sh->a), POLLOUT);
    }
    return NULL;
}

static void *receiver(void *arg) {
    struct shared *sh = arg;
    char buf[SIZE];
    while (load(&sh->received) < SENDERS * MESSAGES) {
        if (esock_recv(sh->b, buf, sizeof buf, 0, 0) == SIZE) {
            __atomic_add_fetch(&sh->received, 1, __ATOMIC_ACQ_REL);
        } else {
            struct pollfd p = {.fd = esock_fd(sh->b), .events = POLLIN};
            poll(&p, 1, 10); /* the other receiver may take the last one */
        }
    }
    return NULL;
}

static void *reader_of_counters(void *arg) {
    struct shared *sh = arg;
    uint64_t last = 0;
    while (!load(&sh->done)) {
        uint64_t now = counter(sh->b, ESOCK_READ_BYTE);
        assert_true(now >= last);
        last = now;
        esock_counters_wrapped(sh->b);
    }
    return NULL;
}

/* Messages from a to b in threads of their own, while another reads the counters of b. */
struct traffic {
    struct shared sh;
    pthread_t t[SENDERS + RECEIVERS], watcher;
};

static void traffic_starts(struct traffic *tr) {
    assert_int_equal(pthread_create(&tr->watcher, NULL, reader_of_counters, &tr->sh), 0);
    for (int i = 0; i < SENDERS + RECEIVERS; i++) {
        assert_int_equal(pthread_create(&tr->t[i], NULL, i < SENDERS ? sender : receiver, &tr->sh),
                         0);
    }
}

static bool traffic_goes_on(struct traffic *tr) {
    return load(&tr->sh.received) < SENDERS * MESSAGES;
}

static void traffic_ends(struct traffic *tr) {
    for (int i = 0; i < SENDERS + RECEIVERS; i++) {
        pthread_join(tr->t[i], NULL);
    }
    __atomic_store_n(&tr->sh.done, 1, __ATOMIC_RELEASE);
    pthread_join(tr->watcher, NULL);
}

static void bytes_add_up_when_many_threads_use_one_handle(void **state) {
    struct traffic tr = {0};
    unix_pair(NULL, SOCK_SEQPACKET, &tr.sh.a, &tr.sh.b);
    traffic_starts(&tr);
    traffic_ends(&tr);
    assert_int_equal(counter(tr.sh.a, ESOCK_WRITE_BYTE), SENDERS * MESSAGES * SIZE);
    assert_int_equal(counter(tr.sh.b, ESOCK_READ_BYTE), SENDERS * MESSAGES * SIZE);
    shut(tr.sh.a);
    shut(tr.sh.b);
}

struct seen {
    pthread_t by;
    int calls, others; /* traced by `by`, and by other threads */
};

static void on_trace(void *arg, int fd, const char *op, long result) {
    struct seen *seen = arg;
    if (pthread_equal(pthread_self(), seen->by))
        seen->calls++;
    else
        __atomic_add_fetch(&seen->others, 1, __ATOMIC_RELAXED);
    (void)fd, (void)op, (void)result;
}

/* esock_set_trace may be called while handles are in use that are not traced. */
static void the_trace_changes_beside_calls_that_are_not_traced(void **state) {
    struct traffic tr = {0};
    struct seen seen[2] = {{.by = pthread_self()}, {.by = pthread_self()}};
    esock *own, *peer;
    int rounds = 0;
    unix_pair(NULL, SOCK_SEQPACKET, &tr.sh.a, &tr.sh.b);
    unix_pair(NULL, SOCK_SEQPACKET, &own, &peer);
    traffic_starts(&tr);
    do {
        char buf[4];
        esock_set_trace(on_trace, &seen[rounds % 2]);
        esock_trace(own, 1);
        assert_int_equal(esock_send(own, "x", 1, 0, 0), 1);
        esock_trace(own, 0);
        esock_set_trace(NULL, NULL);
        assert_int_equal(esock_recv(peer, buf, sizeof buf, 0, 0), 1);
        rounds++;
    } while (traffic_goes_on(&tr));
    traffic_ends(&tr);
    assert_int_equal(seen[0].calls, (rounds + 1) / 2);
    assert_int_equal(seen[1].calls, rounds / 2);
    assert_int_equal(seen[0].others + seen[1].others, 0);
    shut(own);
    shut(peer);
    shut(tr.sh.a);
    shut(tr.sh.b);
}

/* esock_trace may be called while other threads are in calls on the handle. */
static void a_handle_is_traced_beside_its_calls(void **state) {
    struct traffic tr = {0};
    struct seen seen = {.by = pthread_self()};
    unix_pair(NULL, SOCK_SEQPACKET, &tr.sh.a, &tr.sh.b);
    esock_set_trace(on_trace, &seen);
    esock_trace(tr.sh.b, 1);
    traffic_starts(&tr);
    for (int on = 1; traffic_goes_on(&tr); on = !on) {
        esock_trace(tr.sh.a, on);
    }
    traffic_ends(&tr);
    esock_set_trace(NULL, NULL);
    assert_int_equal(seen.calls, 0);
    assert_true(seen.others >= SENDERS * MESSAGES); /* b's receives, and some sends */
    shut(tr.sh.a);
    shut(tr.sh.b);
}

/* The width of one handle's counters may change while others count, and narrow counters add up, modulo their width. */
static void counters_wrap_when_many_threads_use_one_handle(void **state) {
    enum { BITS = 12, MASK = (1 << BITS) - 1 };
    struct traffic tr = {0};
    esock *own, *peer;
    int bits = 0;
    unix_pair(NULL, SOCK_SEQPACKET, &tr.sh.a, &tr.sh.b);
    unix_pair(NULL, SOCK_SEQPACKET, &own, &peer);
    assert_int_equal(esock_counters_width(tr.sh.a, BITS), 0);
    traffic_starts(&tr);
    do {
        assert_int_equal(esock_counters_width(own, 8 + bits), 0);
        assert_int_equal(esock_send(own, "x", 1, 0, 0), 1);
        assert_int_equal(counter(own, ESOCK_WRITE_BYTE), 1);
        shut(own);
        shut(peer);
        unix_pair(NULL, SOCK_SEQPACKET, &own, &peer);
        bits = (bits + 1) % (64 - 8 + 1);
    } while (traffic_goes_on(&tr));
    traffic_ends(&tr);
    assert_int_equal(counter(tr.sh.a, ESOCK_WRITE_BYTE), SENDERS * MESSAGES * SIZE & MASK);
    assert_int_equal(counter(tr.sh.a, ESOCK_WRITE_PKG), SENDERS * MESSAGES & MASK);
    assert_true(esock_counters_wrapped(tr.sh.a) & 1u << ESOCK_WRITE_BYTE);
    assert_int_equal(esock_counters_wrapped(tr.sh.a), 0);
    assert_int_equal(counter(tr.sh.b, ESOCK_READ_BYTE), SENDERS * MESSAGES * SIZE);
    shut(own);
    shut(peer);
    shut(tr.sh.a);
    shut(tr.sh.b);
}

static void *armer(void *arg) {
    struct shared *sh = arg;
    for (int i = 0; i < MESSAGES; i++) {
        assert_int_equal(esock_arm(sh->p, sh->a, i & 1 ? ESOCK_IN : ESOCK_OUT, 0, sh), 0);
        if (i % 3 == 0) esock_disarm(sh->p, sh->a, ESOCK_OUT);
    }
    return NULL;
}

static void *collector(void *arg) {
    struct shared *sh = arg;
    esock_event ev[4];
    while (!load(&sh->done)) {
        int n = esock_poll(sh->p, ev, LEN(ev), 1);
        for (int i = 0; i < n; i++) {
            assert_ptr_equal(ev[i].user, sh);
            esock_fired(sh->p, sh->a, ev[i].events);
        }
    }
    return NULL;
}

static void arms_from_many_threads_lose_nothing(void **state) {
    struct shared sh = {0};
    pthread_t t[3], c;
    esock_event ev;
    unix_pair(NULL, SOCK_STREAM, &sh.a, &sh.b);
    assert_int_equal(esock_poller_new(&sh.p, NULL), 0);
    assert_int_equal(pthread_create(&c, NULL, collector, &sh), 0);
    for (size_t i = 0; i < LEN(t); i++) {
        assert_int_equal(pthread_create(&t[i], NULL, armer, &sh), 0);
    }
    for (size_t i = 0; i < LEN(t); i++) {
        pthread_join(t[i], NULL);
    }
    __atomic_store_n(&sh.done, 1, __ATOMIC_RELEASE);
    pthread_join(c, NULL);

    /* Every thread armed a read and nothing was readable: the read must still be armed. */
    assert_int_equal(esock_send(sh.b, "x", 1, 0, 0), 1);
    int answered = 0;
    while (!(answered & ESOCK_IN)) {
        assert_int_equal(esock_poll(sh.p, &ev, 1, WAIT_MS), 1);
        answered |= esock_fired(sh.p, sh.a, ev.events);
    }
    assert_int_equal(esock_deregister(sh.p, sh.a), 0);
    esock_poller_free(sh.p);
    shut(sh.a);
    shut(sh.b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_add_up_when_many_threads_use_one_handle),
        cmocka_unit_test(the_trace_changes_beside_calls_that_are_not_traced),
        cmocka_unit_test(a_handle_is_traced_beside_its_calls),
        cmocka_unit_test(counters_wrap_when_many_threads_use_one_handle),
        cmocka_unit_test(arms_from_many_threads_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
