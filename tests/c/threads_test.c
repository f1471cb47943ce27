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

static void bytes_add_up_when_many_threads_use_one_handle(void **state) {
    struct shared sh = {0};
    pthread_t t[SENDERS + RECEIVERS], watcher;
    unix_pair(NULL, SOCK_SEQPACKET, &sh.a, &sh.b);
    assert_int_equal(pthread_create(&watcher, NULL, reader_of_counters, &sh), 0);
    for (int i = 0; i < SENDERS + RECEIVERS; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, i < SENDERS ? sender : receiver, &sh), 0);
    }
    for (int i = 0; i < SENDERS + RECEIVERS; i++) {
        pthread_join(t[i], NULL);
    }
    __atomic_store_n(&sh.done, 1, __ATOMIC_RELEASE);
    pthread_join(watcher, NULL);
    assert_int_equal(counter(sh.a, ESOCK_WRITE_BYTE), SENDERS * MESSAGES * SIZE);
    assert_int_equal(counter(sh.b, ESOCK_READ_BYTE), SENDERS * MESSAGES * SIZE);
    shut(sh.a);
    shut(sh.b);
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
        cmocka_unit_test(arms_from_many_threads_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
