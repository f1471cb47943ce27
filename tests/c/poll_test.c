/* Readiness. An event is collected with a long time-out where it must come, with none where it must
 * not. */
#include "fixture.h"

static esock_poller *poller(const esock_sys *sys) {
    esock_poller *p;
    assert_int_equal(esock_poller_new(&p, sys), 0);
    return p;
}

static void event_comes(esock_poller *p, void *user, unsigned bits) {
    esock_event ev = {0};
    assert_int_equal(esock_poll(p, &ev, 1, WAIT_MS), 1);
    assert_ptr_equal(ev.user, user);
    assert_int_equal(ev.events & bits, bits);
}

static void nothing_comes(esock_poller *p) {
    esock_event ev;
    assert_int_equal(esock_poll(p, &ev, 1, 0), 0);
}

/* A poller, and two connected unix sockets to watch with it. */
static esock_poller *poller_and_pair(esock **a, esock **b) {
    unix_pair(NULL, SOCK_STREAM, a, b);
    return poller(NULL);
}

/* Deregisters `a`, and closes all three. */
static void finish(esock_poller *p, esock *a, esock *b) {
    assert_int_equal(esock_deregister(p, a), 0);
    shut(a);
    shut(b);
    esock_poller_free(p);
}

static void put(esock *s) {
    assert_int_equal(esock_send(s, "x", 1, 0, 0), 1);
}

static void take(esock *s) {
    char c;
    assert_int_equal(esock_recv(s, &c, 1, 0, 0), 1);
}

static void an_arm_is_answered_once(void **state) {
    esock *a, *b;
    int me;
    esock_poller *p = poller_and_pair(&a, &b);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, 0, &me), 0);
    nothing_comes(p);
    put(b);
    event_comes(p, &me, ESOCK_IN);
    assert_int_equal(esock_fired(p, a, ESOCK_IN), ESOCK_IN);
    put(b);
    nothing_comes(p); /* not asked for again */
    assert_int_equal(esock_arm(p, a, ESOCK_IN, 0, &me), 0);
    event_comes(p, &me, ESOCK_IN); /* data that was there before the arm counts */
    finish(p, a, b);
}

static void arming_a_write_does_not_lose_the_read(void **state) {
    esock *a, *b;
    int me;
    esock_poller *p = poller_and_pair(&a, &b);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, 0, &me), 0);
    assert_int_equal(esock_arm(p, a, ESOCK_OUT, 0, &me), 0);
    event_comes(p, &me, ESOCK_OUT);
    assert_int_equal(esock_fired(p, a, ESOCK_OUT), ESOCK_OUT);
    nothing_comes(p);
    put(b);
    event_comes(p, &me, ESOCK_IN);
    assert_int_equal(esock_fired(p, a, ESOCK_IN), ESOCK_IN);
    finish(p, a, b);
}

static void both_directions_can_fire_together(void **state) {
    esock *a, *b;
    int me;
    esock_poller *p = poller_and_pair(&a, &b);
    put(b);
    assert_int_equal(esock_arm(p, a, ESOCK_IN | ESOCK_OUT, 0, &me), 0);
    event_comes(p, &me, ESOCK_IN | ESOCK_OUT);
    assert_int_equal(esock_fired(p, a, ESOCK_IN | ESOCK_OUT), ESOCK_IN | ESOCK_OUT);
    finish(p, a, b);
}

static void event_of_a_cancelled_arm_answers_nothing(void **state) {
    esock *a, *b;
    int me;
    esock_poller *p = poller_and_pair(&a, &b);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, 0, &me), 0);
    put(b);
    event_comes(p, &me, ESOCK_IN);
    assert_int_equal(esock_disarm(p, a, ESOCK_IN), 0);
    assert_int_equal(esock_fired(p, a, ESOCK_IN), 0);
    nothing_comes(p);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, 0, &me), 0); /* and a new one is answered */
    event_comes(p, &me, ESOCK_IN);
    finish(p, a, b);
}

static void cancelling_one_direction_keeps_the_other(void **state) {
    esock *a, *b;
    int me;
    esock_poller *p = poller_and_pair(&a, &b);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, 0, &me), 0);
    assert_int_equal(esock_arm(p, a, ESOCK_OUT, 0, &me), 0);
    assert_int_equal(esock_disarm(p, a, ESOCK_OUT), 0);
    event_comes(p, &me, ESOCK_OUT); /* under way: allowed, and answers nothing */
    assert_int_equal(esock_fired(p, a, ESOCK_OUT), 0);
    put(b);
    event_comes(p, &me, ESOCK_IN);
    assert_int_equal(esock_fired(p, a, ESOCK_IN), ESOCK_IN);
    finish(p, a, b);
}

static void hang_up_answers_everything(void **state) {
    esock *a, *b;
    int me;
    esock_poller *p = poller_and_pair(&a, &b);
    assert_int_equal(esock_arm(p, a, ESOCK_IN | ESOCK_OUT, 0, &me), 0);
    shut(b);
    event_comes(p, &me, ESOCK_ERR);
    assert_int_equal(esock_fired(p, a, ESOCK_ERR), ESOCK_IN | ESOCK_OUT);
    esock_deregister(p, a);
    shut(a);
    esock_poller_free(p);
}

/* A datagram socket with a record in its error queue that is not read: epoll reports it for ever. */
static esock *with_queued_error(esock_addr *at) {
    esock_addr nobody;
    int on = 1;
    esock *s = bound(NULL, SOCK_DGRAM, at);
    assert_int_equal(esock_setopt_native(s, IPPROTO_IP, IP_RECVERR, &on, sizeof on), 0);
    shut(bound(NULL, SOCK_DGRAM, &nobody));
    refused(s, "x", 1, &nobody);
    /* The pending error of the socket itself is reported once; the queue stays. */
    char c;
    assert_int_equal(esock_recv(s, &c, 1, 0, 0), -ECONNREFUSED);
    assert_int_equal(esock_recv(s, &c, 1, 0, 0), -EAGAIN);
    return s;
}

static void queued_error_wakes_a_waiter_twice_and_then_is_quiet(void **state) {
    esock_addr at;
    int me;
    esock_event ev;
    esock_poller *p = poller(NULL);
    esock *s = with_queued_error(&at), *other;
    assert_int_equal(esock_arm(p, s, ESOCK_IN, 0, &me), 0);
    int woken = 0;
    while (woken < 100 && esock_poll(p, &ev, 1, 0) == 1) {
        woken++;
        assert_int_equal(esock_fired(p, s, ev.events), ESOCK_IN);
        assert_int_equal(esock_arm(p, s, ESOCK_IN, 1, &me), 0); /* it was empty: look again later */
    }
    assert_in_range(woken, 1, 2);
    nothing_comes(p);

    /* Data still causes an event. */
    assert_int_equal(esock_open(&other, AF_INET, SOCK_DGRAM, 0, NULL), 0);
    assert_int_equal(esock_sendto(other, "x", 1, 0, 0, &at), 1);
    event_comes(p, &me, ESOCK_IN);
    take(s);

    /* After a success the registration is one-shot again. */
    assert_int_equal(esock_fired(p, s, ESOCK_IN), ESOCK_IN);
    assert_int_equal(esock_arm(p, s, ESOCK_IN, 0, &me), 0);
    event_comes(p, &me, ESOCK_ERR);
    nothing_comes(p);
    esock_deregister(p, s);
    shut(s);
    shut(other);
    esock_poller_free(p);
}

static void quiet_waiter_still_gets_its_other_direction(void **state) {
    esock_addr at;
    int me;
    esock_event ev;
    esock_poller *p = poller(NULL);
    esock *s = with_queued_error(&at);
    assert_int_equal(esock_arm(p, s, ESOCK_IN, 0, &me), 0);
    for (int i = 0; i < 3 && esock_poll(p, &ev, 1, 0) == 1; i++) {
        esock_fired(p, s, ev.events);
        assert_int_equal(esock_arm(p, s, ESOCK_IN, 1, &me), 0);
    }
    nothing_comes(p);
    assert_int_equal(esock_arm(p, s, ESOCK_OUT, 0, &me), 0);
    event_comes(p, &me, ESOCK_OUT);
    esock_deregister(p, s);
    shut(s);
    esock_poller_free(p);
}

/* A wait for the error queue alone is not answered by data, and an error without a record causes no endless events. */
static void waiting_for_errors_alone(void **state) {
    esock *s, *from;
    int me, one = 1;
    esock_addr gone, at;
    esock_poller *p = poller(NULL);
    assert_int_equal(esock_open(&s, AF_INET, SOCK_DGRAM, 0, NULL), 0);
    assert_int_equal(esock_open(&from, AF_INET, SOCK_DGRAM, 0, NULL), 0);
    assert_int_equal(esock_addr_shorthand(&gone, AF_INET, ESOCK_LOOPBACK), 0);
    assert_int_equal(esock_bind(s, &gone), 0);
    assert_int_equal(esock_sockname(s, &at), 0);
    assert_int_equal(esock_bind(from, &gone), 0);
    assert_int_equal(esock_sockname(from, &gone), 0);
    assert_int_equal(setsockopt(esock_fd(s), IPPROTO_IP, IP_RECVERR, &one, sizeof one), 0);

    assert_int_equal(esock_arm(p, s, ESOCK_ERR, 0, &me), 0);
    assert_int_equal(esock_sendto(from, "x", 1, 0, 0, &at), 1);
    nothing_comes(p);
    shut(from); /* the port is closed now */
    refused(s, "x", 1, &gone);
    event_comes(p, &me, ESOCK_ERR);
    assert_int_equal(esock_fired(p, s, ESOCK_ERR), ESOCK_ERR);

    /* The record stays: armed again, edge-triggered, it causes one event more and then none. */
    assert_int_equal(esock_arm(p, s, ESOCK_ERR, 1, &me), 0);
    event_comes(p, &me, ESOCK_ERR);
    assert_int_equal(esock_fired(p, s, ESOCK_ERR), ESOCK_ERR);
    assert_int_equal(esock_arm(p, s, ESOCK_ERR, 1, &me), 0);
    nothing_comes(p);
    /* A reader is answered with what it asked for, and the wait for errors goes on. */
    assert_int_equal(esock_arm(p, s, ESOCK_IN, 1, &me), 0);
    event_comes(p, &me, ESOCK_IN);
    assert_int_equal(esock_fired(p, s, ESOCK_IN), ESOCK_IN);
    assert_int_equal(esock_deregister(p, s), 0);
    shut(s);
    esock_poller_free(p);
}

/* ---- the edge-triggered registration of a receiver that drains its socket ---- */

/* Whether the last epoll_ctl asked for one event only. */
static bool one_shot(const struct script *k) {
    return (uint32_t)script_last(k, K_EPOLL_CTL)->b & EPOLLONESHOT;
}

/* A wait of a receiver that drains its socket: the try, the arm, the data, the event, the receive. */
static void exchange(esock_poller *p, esock *a, esock *b, void *user) {
    char c;
    assert_int_equal(esock_recv(a, &c, 1, 0, 0), -EAGAIN);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_TRY, user), 0);
    nothing_comes(p);
    put(b);
    event_comes(p, user, ESOCK_IN);
    assert_int_equal(esock_fired(p, a, ESOCK_IN), ESOCK_IN);
    take(a);
}

/* Returns how many waits in a row call epoll_ctl, before the waits do without. */
static int waits_that_call(struct script *k, esock_poller *p, esock *a, esock *b) {
    for (int waits = 0; waits < 1000; waits++) {
        unsigned before = script_count(k, K_EPOLL_CTL);
        exchange(p, a, b, k);
        if (script_count(k, K_EPOLL_CTL) == before) return waits;
    }
    return -1;
}

/* A pair, and a poller that counts its calls, in which the first is kept edge-triggered. */
static esock_poller *kept(struct script *k, esock **a, esock **b) {
    script_init(k);
    esock_poller *p = poller(&k->sys);
    unix_pair(NULL, SOCK_STREAM, a, b);
    assert_int_equal(waits_that_call(k, p, *a, *b), 4);
    assert_false(one_shot(k));
    return p;
}

static void receiver_that_drains_arms_without_a_system_call(void **state) {
    struct script k;
    esock *a, *b;
    esock_poller *p = kept(&k, &a, &b);
    unsigned before = script_count(&k, K_EPOLL_CTL);
    for (int i = 0; i < 20; i++)
        exchange(p, a, b, &k);
    assert_int_equal(script_count(&k, K_EPOLL_CTL), before);
    finish(p, a, b);
}

static void only_answered_receives_prove_that_it_drains(void **state) {
    struct script k;
    esock *a, *b;
    script_init(&k);
    esock_poller *p = poller(&k.sys);
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    for (int i = 0; i < 10; i++) { /* cancelled */
        assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_TRY, &k), 0);
        assert_int_equal(esock_disarm(p, a, ESOCK_IN), 0);
    }
    for (int i = 0; i < 10; i++) { /* sends */
        assert_int_equal(esock_arm(p, a, ESOCK_OUT, ESOCK_AFTER_TRY, &k), 0);
        event_comes(p, &k, ESOCK_OUT);
        assert_int_equal(esock_fired(p, a, ESOCK_OUT), ESOCK_OUT);
        assert_true(one_shot(&k));
    }
    for (int i = 0; i < 10; i++) { /* not in a row */
        exchange(p, a, b, &k);
        assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_NOTHING, &k), 0);
        assert_int_equal(esock_disarm(p, a, ESOCK_IN), 0);
        assert_true(one_shot(&k));
    }
    for (int i = 0; i < 10; i++) { /* the same, and each is answered */
        exchange(p, a, b, &k);
        assert_true(one_shot(&k));
        put(b);
        assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_NOTHING, &k), 0);
        event_comes(p, &k, ESOCK_IN);
        assert_int_equal(esock_fired(p, a, ESOCK_IN), ESOCK_IN);
        take(a);
    }
    finish(p, a, b);
}

/* An event that proved empty makes the registration edge-triggered until the next arm, and no longer. */
static void empty_event_is_no_proof(void **state) {
    struct script k;
    esock *a, *b;
    script_init(&k);
    esock_poller *p = poller(&k.sys);
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    put(b);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_NOTHING, &k), 0);
    event_comes(p, &k, ESOCK_IN);
    assert_int_equal(esock_fired(p, a, ESOCK_IN), ESOCK_IN);
    take(a); /* by another process */
    assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_EMPTY, &k), 0);
    assert_false(one_shot(&k));
    put(b);
    event_comes(p, &k, ESOCK_IN);
    assert_int_equal(esock_fired(p, a, ESOCK_IN), ESOCK_IN);
    take(a);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_TRY, &k), 0);
    assert_true(one_shot(&k));
    finish(p, a, b);
}

static void edge_between_the_try_and_the_arm_is_not_lost(void **state) {
    struct script k;
    esock *a, *b;
    esock_poller *p = kept(&k, &a, &b);
    char c;
    assert_int_equal(esock_recv(a, &c, 1, 0, 0), -EAGAIN);
    put(b);
    event_comes(p, &k, ESOCK_IN);
    assert_int_equal(esock_fired(p, a, ESOCK_IN), 0);
    nothing_comes(p);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_TRY, &k), 0);
    event_comes(p, &k, ESOCK_IN);
    assert_int_equal(esock_fired(p, a, ESOCK_IN), ESOCK_IN);
    take(a);
    unsigned before = script_count(&k, K_EPOLL_CTL);
    exchange(p, a, b, &k); /* one such edge does not end it */
    assert_int_equal(script_count(&k, K_EPOLL_CTL), before);

    /* The event is collected before the arm, and handed out after it. */
    put(b);
    event_comes(p, &k, ESOCK_IN);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_TRY, &k), 0);
    assert_int_equal(esock_fired(p, a, ESOCK_IN), ESOCK_IN);
    finish(p, a, b);
}

static void second_edge_without_a_waiter_ends_it_and_doubles_the_proof(void **state) {
    struct script k;
    esock *a, *b;
    esock_poller *p = kept(&k, &a, &b);
    for (int waits = 7; waits < 1000; waits = 2 * waits - 1) {
        for (int i = 0; i < 2; i++) {
            put(b);
            event_comes(p, &k, ESOCK_IN);
            assert_int_equal(esock_fired(p, a, ESOCK_IN), 0);
            assert_int_equal(one_shot(&k), i == 1);
            take(a);
        }
        put(b);
        nothing_comes(p); /* a socket for which nobody waits costs nothing */
        assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_NOTHING, &k), 0);
        event_comes(p, &k, ESOCK_IN);
        assert_int_equal(esock_fired(p, a, ESOCK_IN), ESOCK_IN);
        take(a);
        assert_int_equal(waits_that_call(&k, p, a, b), waits <= 193 ? waits : 193);
    }
    /* A new registration knows nothing of that. */
    assert_int_equal(esock_deregister(p, a), 0);
    assert_int_equal(waits_that_call(&k, p, a, b), 4);
    finish(p, a, b);
}

static void arm_of_a_receiver_that_has_left_data_is_answered(void **state) {
    struct script k;
    esock *a, *b;
    esock_poller *p = kept(&k, &a, &b);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_TRY, &k), 0);
    put(b);
    put(b);
    event_comes(p, &k, ESOCK_IN);
    assert_int_equal(esock_fired(p, a, ESOCK_IN), ESOCK_IN);
    take(a);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_NOTHING, &k), 0);
    event_comes(p, &k, ESOCK_IN);
    assert_true(one_shot(&k));
    finish(p, a, b);
}

static void peek_proves_nothing_where_it_may_be_at_an_offset(void **state) {
    for (int exposed = 0; exposed <= 1; exposed++) {
        struct script k;
        esock *a, *b;
        int off = 100;
        script_init(&k);
        esock_poller *p = poller(&k.sys);
        if (exposed) { /* adopted: somebody else may set it */
            unix_pair(NULL, SOCK_STREAM, &a, &b);
        } else {
            esock_addr at;
            a = bound(NULL, SOCK_DGRAM, &at);
            assert_int_equal(esock_open(&b, AF_INET, SOCK_DGRAM, 0, NULL), 0);
            assert_int_equal(esock_connect(b, &at), 0);
        }
        assert_int_equal(waits_that_call(&k, p, a, b), 4);
        unsigned before = script_count(&k, K_EPOLL_CTL);
        assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_PEEK, &k), 0);
        assert_int_equal(script_count(&k, K_EPOLL_CTL), before + (exposed ? 1 : 0));
        put(b);
        event_comes(p, &k, ESOCK_IN);
        assert_int_equal(esock_fired(p, a, ESOCK_IN), ESOCK_IN);
        if (!exposed)
            assert_int_equal(esock_setopt_native(a, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof off), 0);
        assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_PEEK, &k), 0);
        event_comes(p, &k, ESOCK_IN); /* the byte is still there */
        assert_true(one_shot(&k));
        finish(p, a, b);
    }
}

static void writer_ends_it_and_both_are_answered(void **state) {
    for (int after = ESOCK_AFTER_NOTHING; after <= ESOCK_AFTER_TRY; after++) {
        struct script k;
        esock *a, *b;
        static char m[4096];
        esock_poller *p = kept(&k, &a, &b);
        while (esock_send(a, m, sizeof m, 0, 0) > 0) {
        }
        assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_TRY, &k), 0);
        assert_int_equal(esock_arm(p, a, ESOCK_OUT, (enum esock_arm_after)after, &k), 0);
        nothing_comes(p);
        put(b);
        event_comes(p, &k, ESOCK_IN);
        assert_int_equal(esock_fired(p, a, ESOCK_IN), ESOCK_IN);
        while (esock_recv(b, m, sizeof m, 0, 0) > 0) {
        }
        event_comes(p, &k, ESOCK_OUT);
        assert_int_equal(esock_fired(p, a, ESOCK_OUT), ESOCK_OUT);
        finish(p, a, b);
    }
}

static void hang_up_is_one_edge(void **state) {
    struct script k;
    esock *a, *b;
    char c;
    esock_poller *p = kept(&k, &a, &b);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_TRY, &k), 0);
    shut(b);
    event_comes(p, &k, ESOCK_ERR);
    assert_int_equal(esock_fired(p, a, ESOCK_ERR), ESOCK_IN);
    assert_int_equal(esock_recv(a, &c, 1, 0, 0), 0);
    nothing_comes(p);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_NOTHING, &k), 0);
    event_comes(p, &k, ESOCK_ERR); /* one that waits nevertheless is told */
    assert_int_equal(esock_deregister(p, a), 0);
    shut(a);
    esock_poller_free(p);
}

/* Each error that is queued wakes it for nothing at most once more than its edge. */
static void queued_errors_are_quiet_for_one_that_drains(void **state) {
    struct script k;
    esock_addr at, nobody;
    esock *other;
    script_init(&k);
    esock_poller *p = poller(&k.sys);
    esock *s = with_queued_error(&at);
    assert_int_equal(esock_open(&other, AF_INET, SOCK_DGRAM, 0, NULL), 0);
    char c;
    while (recv(esock_fd(s), &c, 1, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0) {
    }
    enum esock_arm_after after = ESOCK_AFTER_TRY;
    shut(bound(NULL, SOCK_DGRAM, &nobody));
    for (int i = 0; i < 20; i++) {
        if (i > 10) {
            refused(s, "x", 1, &nobody);
            assert_int_equal(esock_recv(s, &c, 1, 0, 0), -ECONNREFUSED);
        }
        assert_int_equal(esock_recv(s, &c, 1, 0, 0), -EAGAIN);
        assert_int_equal(esock_arm(p, s, ESOCK_IN, after, &k), 0);
        esock_event ev;
        int woken = 0;
        for (; woken < 100 && esock_poll(p, &ev, 1, 0) == 1; woken++) {
            if (esock_fired(p, s, ev.events) == 0) continue;
            assert_int_equal(esock_arm(p, s, ESOCK_IN, ESOCK_AFTER_EMPTY, &k), 0);
        }
        assert_in_range(woken, 0, i > 10 ? 2 : 0);
        assert_int_equal(esock_sendto(other, "x", 1, 0, 0, &at), 1);
        event_comes(p, &k, ESOCK_IN);
        assert_int_equal(esock_fired(p, s, ESOCK_IN), ESOCK_IN);
        take(s);
    }
    assert_int_equal(esock_deregister(p, s), 0);
    shut(s);
    shut(other);
    esock_poller_free(p);
}

static void end_of_it_that_fails_is_told_to_the_next_arm(void **state) {
    struct script k;
    esock *a, *b;
    esock_poller *p = kept(&k, &a, &b);
    put(b);
    for (int i = 0; i < 2; i++) {
        if (i == 1) script_answer(&k, K_EPOLL_CTL, -ENOMEM);
        assert_int_equal(esock_fired(p, a, ESOCK_IN), 0);
    }
    script_answer(&k, K_EPOLL_CTL, -EPERM);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_TRY, &k), -EPERM);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_TRY, &k), 0);
    event_comes(p, &k, ESOCK_IN);
    finish(p, a, b);
}

static void duplicate_of_a_deregistered_socket_reports_nothing(void **state) {
    esock *a, *b;
    int me;
    esock_poller *p = poller_and_pair(&a, &b);
    int alive = esock_dup(a); /* keeps the description, and with it epoll's registration */
    assert_int_equal(esock_arm(p, a, ESOCK_IN, 0, &me), 0);
    assert_int_equal(esock_deregister(p, a), 0);
    shut(a);
    put(b);
    nothing_comes(p);
    close(alive);
    shut(b);
    esock_poller_free(p);
}

static void deregistering_twice_or_never_registered_is_nothing(void **state) {
    struct script k;
    esock *a, *b;
    script_init(&k);
    esock_poller *p = poller(&k.sys);
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    assert_int_equal(esock_deregister(p, a), 0);
    assert_int_equal(script_count(&k, K_EPOLL_CTL), 0);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, 0, &k), 0);
    assert_int_equal(esock_deregister(p, a), 0);
    assert_int_equal(esock_deregister(p, a), 0);
    assert_int_equal(script_count(&k, K_EPOLL_CTL), 2);
    shut(a);
    shut(b);
    esock_poller_free(p);
}

static void arm_that_fails_leaves_nothing_armed(void **state) {
    static const int errors[] = {-ENOMEM, -ENOSPC, -EPERM};
    struct script k;
    esock *a, *b;
    script_init(&k);
    esock_poller *p = poller(&k.sys);
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    for (size_t i = 0; i < LEN(errors); i++) {
        script_answer(&k, K_EPOLL_CTL, errors[i]);
        assert_int_equal(esock_arm(p, a, ESOCK_IN, 0, &k), errors[i]);
        assert_int_equal(esock_fired(p, a, ESOCK_IN), 0);
    }
    assert_int_equal(esock_arm(p, a, ESOCK_IN, 0, &k), 0);
    put(b);
    event_comes(p, &k, ESOCK_IN);
    finish(p, a, b);
}

static void rest_that_cannot_be_armed_again_is_told(void **state) {
    struct script k;
    esock *a, *b;
    script_init(&k);
    esock_poller *p = poller(&k.sys);
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    assert_int_equal(esock_arm(p, a, ESOCK_IN | ESOCK_OUT, 0, &k), 0);
    event_comes(p, &k, ESOCK_OUT);
    script_answer(&k, K_EPOLL_CTL, -ENOMEM);
    /* A reader would wait for ever: it is woken, and its own call reports the reason. */
    assert_int_equal(esock_fired(p, a, ESOCK_OUT), ESOCK_IN | ESOCK_OUT);
    finish(p, a, b);
}

static void pollers_nest(void **state) {
    esock *a, *b;
    int me;
    esock_poller *p = poller(NULL);
    int fd = esock_poller_fd(p);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, 0, &me), 0);
    struct pollfd outer = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&outer, 1, 0), 0);
    put(b);
    assert_int_equal(poll(&outer, 1, WAIT_MS), 1);
    event_comes(p, &me, ESOCK_IN);
    assert_int_equal(poll(&outer, 1, 0), 0);
    finish(p, a, b);
}

static void interrupted_wait_goes_on_if_it_was_for_ever(void **state) {
    struct script k;
    esock *a, *b;
    esock_event ev;
    script_init(&k);
    esock_poller *p = poller(&k.sys);
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    put(b);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, 0, &k), 0);
    script_times(&k, K_EPOLL_WAIT, 50, -EINTR);
    assert_int_equal(esock_poll(p, &ev, 1, -1), 1);
    assert_int_equal(script_count(&k, K_EPOLL_WAIT), 51);
    /* With a timeout the interrupted call returns, because the caller knows how much time is left. */
    script_answer(&k, K_EPOLL_WAIT, -EINTR);
    assert_int_equal(esock_poll(p, &ev, 1, 1000), 0);
    script_answer(&k, K_EPOLL_WAIT, -EINTR);
    assert_int_equal(esock_poll(p, &ev, 1, 0), 0);
    assert_int_equal(script_count(&k, K_EPOLL_WAIT), 53);
    script_answer(&k, K_EPOLL_WAIT, -EBADF);
    assert_int_equal(esock_poll(p, &ev, 1, 0), -EBADF);
    assert_int_equal(esock_poll(p, &ev, 0, 0), -EINVAL);
    finish(p, a, b);
}

static void poller_without_room_is_an_error_and_leaks_nothing(void **state) {
    static const int errors[] = {-EMFILE, -ENFILE, -ENOMEM};
    int before = script_open_fds();
    for (size_t i = 0; i < LEN(errors); i++) {
        struct script k;
        esock_poller *p = NULL;
        script_init(&k);
        script_answer(&k, K_EPOLL_CREATE, errors[i]);
        assert_int_equal(esock_poller_new(&p, &k.sys), errors[i]);
        assert_null(p);
    }
    assert_int_equal(script_open_fds(), before);
}

static void many_events_come_in_batches(void **state) {
    enum { N = 80, MOST = 64 };
    esock *a[N], *b[N];
    esock_event ev[N];
    bool seen[N] = {false};
    esock_poller *p = poller(NULL);
    for (int i = 0; i < N; i++) {
        unix_pair(NULL, SOCK_STREAM, &a[i], &b[i]);
        put(b[i]);
        assert_int_equal(esock_arm(p, a[i], ESOCK_IN, 0, &seen[i]), 0);
    }
    memset(ev, 0xff, sizeof ev);
    assert_int_equal(esock_poll(p, ev, N, 0), MOST);
    assert_int_equal(esock_poll(p, ev + MOST, N - MOST, 0), N - MOST);
    for (int i = 0; i < N; i++) {
        bool *mine = ev[i].user;
        assert_false(*mine);
        assert_int_equal(ev[i].spare, 0);
        *mine = true;
    }
    for (int i = 0; i < N; i++) {
        esock_deregister(p, a[i]);
        shut(a[i]);
        shut(b[i]);
    }
    esock_poller_free(p);
}

static void ready_is_what_was_asked_for_and_the_end(void **state) {
    struct script k;
    script_init(&k);
    esock *a, *b;
    unix_pair(&k.sys, SOCK_STREAM, &a, &b);
    unsigned all = ESOCK_IN | ESOCK_OUT | ESOCK_ERR;
    assert_int_equal(esock_ready(a, all), ESOCK_OUT);
    assert_int_equal(esock_ready(a, ESOCK_IN), 0);
    assert_int_equal(esock_send(b, "x", 1, 0, 0), 1);
    assert_int_equal(esock_ready(a, all), ESOCK_IN | ESOCK_OUT);
    assert_int_equal(esock_ready(a, ESOCK_OUT), ESOCK_OUT);
    assert_int_equal(esock_shutdown(b, SHUT_WR), 0);
    assert_int_equal(esock_ready(a, 0), ESOCK_END);
    shut(b);
    assert_int_equal(esock_ready(a, ESOCK_ERR), ESOCK_ERR | ESOCK_END);
    script_answer(&k, K_POLL, -EINTR);
    assert_int_equal(esock_ready(a, 0), ESOCK_END);
    script_answer(&k, K_POLL, -ENOMEM);
    assert_int_equal(esock_ready(a, 0), -ENOMEM);
    shut(a);
}

static void end_of_a_full_unix_socket_is_seen_without_sending(void **state) {
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
    for (size_t i = 0; i < LEN(types); i++) {
        for (int own = 0; own < 2; own++) {
            esock *a, *b;
            static char m[4096];
            unix_pair(NULL, types[i], &a, &b);
            assert_int_equal(esock_send_ended(a), 0);
            while (esock_send(a, m, sizeof m, 0, 0) > 0) {
            }
            assert_int_equal(esock_send_ended(a), 0);
            assert_int_equal(own ? esock_shutdown(a, SHUT_WR) : esock_shutdown(b, SHUT_RD), 0);
            /* Of a datagram socket only a send can tell. */
            assert_int_equal(esock_send_ended(a), types[i] != SOCK_DGRAM);
            uint64_t got = 0, sent = counter(a, ESOCK_WRITE_BYTE);
            for (ssize_t n; (n = esock_recv(b, m, sizeof m, 0, 0)) > 0;)
                got += (uint64_t)n;
            assert_int_equal(got, sent);
            shut(a);
            shut(b);
        }
    }
}

/* The poller's descriptor was closed by another part of the program. What was armed is armed again. */
static void poller_goes_on_with_another_descriptor(void **state) {
    esock *a, *b;
    int me;
    esock_event ev;
    esock_poller *p = poller_and_pair(&a, &b);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, 0, &me), 0);
    assert_int_equal(esock_arm(p, b, ESOCK_IN, 0, &me), 0);
    close(esock_poller_fd(p));
    assert_int_equal(esock_poll(p, &ev, 1, 0), -EBADF);
    assert_int_equal(esock_poller_renew(p), esock_poller_fd(p));
    assert_true(fcntl(esock_poller_fd(p), F_GETFL) & O_NONBLOCK);
    nothing_comes(p);
    esock_deregister(p, a);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, 0, &me), 0);
    assert_int_equal(esock_arm(p, b, ESOCK_OUT, 0, &me), 0); /* without being deregistered */
    event_comes(p, &me, ESOCK_OUT);
    assert_int_equal(esock_fired(p, b, ESOCK_OUT), ESOCK_OUT);
    put(b);
    event_comes(p, &me, ESOCK_IN);
    shut(a);
    shut(b);
    esock_poller_free(p);
}

static void poller_that_gets_no_descriptor_says_so_until_it_has_one(void **state) {
    struct script k;
    esock *a, *b;
    int me;
    script_init(&k);
    esock_poller *p = poller(&k.sys);
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    close(esock_poller_fd(p));
    script_answer(&k, K_EPOLL_CREATE, -EMFILE);
    assert_int_equal(esock_poller_renew(p), -EMFILE);
    assert_int_equal(esock_arm(p, a, ESOCK_OUT, 0, &me), -EBADF);
    assert_true(esock_poller_renew(p) >= 0);
    assert_int_equal(esock_arm(p, a, ESOCK_OUT, 0, &me), 0);
    event_comes(p, &me, ESOCK_OUT);
    shut(a);
    shut(b);
    esock_poller_free(p);
}

static esock *borrow(int fd, const esock_sys *sys) {
    esock *s;
    assert_int_equal(esock_adopt(&s, fd, 0, -1, -1, -1, sys, NULL), 0);
    return s;
}

/* A descriptor that the caller keeps may have several handles, and one more that owns it. */
static void handles_of_one_descriptor_wait_each_by_itself(void **state) {
    esock *owner, *b, *s[2];
    int me[3];
    esock_poller *p = poller(NULL);
    unix_pair(NULL, SOCK_STREAM, &owner, &b);
    for (int i = 0; i < 2; i++) {
        s[i] = borrow(esock_fd(owner), NULL);
        assert_int_equal(esock_arm(p, s[i], ESOCK_IN, 0, &me[i]), 0);
    }
    assert_int_equal(esock_arm(p, owner, ESOCK_IN, 0, &me[2]), 0);
    put(b);
    int told = 0;
    for (int i = 0; i < 3; i++) {
        esock_event ev;
        assert_int_equal(esock_poll(p, &ev, 1, WAIT_MS), 1);
        told |= 1 << ((int *)ev.user - me);
    }
    assert_int_equal(told, 7);
    assert_int_equal(esock_fired(p, s[1], ESOCK_IN), ESOCK_IN);
    assert_int_equal(esock_deregister(p, s[0]), 0);
    assert_int_equal(esock_close(s[0], 0, NULL, NULL), 0);
    assert_int_equal(esock_arm(p, s[1], ESOCK_IN, 0, &me[1]), 0);
    event_comes(p, &me[1], ESOCK_IN);
    assert_int_equal(esock_deregister(p, s[1]), 0);
    assert_int_equal(esock_close(s[1], 0, NULL, NULL), 0);
    assert_int_equal(esock_deregister(p, owner), 0);
    shut(owner);
    shut(b);
    esock_poller_free(p);
}

/* The caller closed its descriptor too early, and its number is now that of another socket, which is registered too. */
static void number_of_a_borrowed_descriptor_may_be_anothers(void **state) {
    esock *a, *b, *c, *d;
    int me, other;
    esock_poller *p = poller_and_pair(&a, &b);
    int fd = esock_dup(a);
    esock *s = borrow(fd, NULL);
    assert_int_equal(esock_arm(p, s, ESOCK_IN, 0, &me), 0);
    unix_pair(NULL, SOCK_STREAM, &c, &d);
    assert_int_equal(dup2(esock_fd(c), fd), fd);
    esock *o;
    assert_int_equal(esock_adopt(&o, fd, ESOCK_ADOPT_TAKE, -1, -1, -1, NULL, NULL), 0);
    assert_int_equal(esock_arm(p, o, ESOCK_IN, 0, &other), 0);
    assert_int_equal(esock_arm(p, s, ESOCK_OUT, 0, &me), 0); /* changes its own registration */
    event_comes(p, &me, ESOCK_OUT);
    assert_int_equal(esock_deregister(p, s), 0);
    put(b);
    nothing_comes(p);
    put(d);
    event_comes(p, &other, ESOCK_IN);
    esock_disown(s);
    esock_close(s, 0, NULL, NULL);
    esock_deregister(p, o);
    shut(o);
    shut(a);
    shut(b);
    shut(c);
    shut(d);
    esock_poller_free(p);
}

static void borrowed_descriptor_that_cannot_be_watched_leaks_nothing(void **state) {
    struct script k;
    esock *a, *b;
    script_init(&k);
    unix_pair(NULL, SOCK_STREAM, &a, &b);
    esock_poller *p = poller(&k.sys);
    esock *s = borrow(esock_fd(a), &k.sys);
    script_answer(&k, K_DUP, -EMFILE);
    assert_int_equal(esock_arm(p, s, ESOCK_IN, 0, &k), -EMFILE);
    assert_int_equal(script_count(&k, K_EPOLL_CTL), 0);
    assert_int_equal(esock_fired(p, s, ESOCK_IN), 0);
    script_answer(&k, K_EPOLL_CTL, -ENOSPC);
    assert_int_equal(esock_arm(p, s, ESOCK_IN, 0, &k), -ENOSPC);
    assert_int_equal(script_count(&k, K_CLOSE), 1);
    assert_int_equal(esock_deregister(p, s), 0);
    assert_int_equal(script_count(&k, K_CLOSE), 1);

    assert_int_equal(esock_arm(p, s, ESOCK_IN, 0, &k), 0);
    int watched = script_last(&k, K_EPOLL_CTL)->fd;
    assert_int_not_equal(watched, esock_fd(s));
    script_answer(&k, K_EPOLL_CTL, -ENOMEM); /* a change that fails keeps it */
    assert_int_equal(esock_arm(p, s, ESOCK_OUT, 0, &k), -ENOMEM);
    assert_int_equal(script_count(&k, K_CLOSE), 1);
    put(b);
    event_comes(p, &k, ESOCK_IN);
    assert_int_equal(esock_deregister(p, s), 0);
    assert_int_equal(esock_deregister(p, s), 0);
    assert_int_equal(script_count(&k, K_CLOSE), 2);
    assert_int_equal(script_last(&k, K_CLOSE)->fd, watched);
    assert_int_equal(script_count(&k, K_DUP), 3);
    esock_close(s, 0, NULL, NULL);
    shut(a);
    shut(b);
    esock_poller_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poller_goes_on_with_another_descriptor),
        cmocka_unit_test(poller_that_gets_no_descriptor_says_so_until_it_has_one),
        cmocka_unit_test(an_arm_is_answered_once),
        cmocka_unit_test(arming_a_write_does_not_lose_the_read),
        cmocka_unit_test(both_directions_can_fire_together),
        cmocka_unit_test(event_of_a_cancelled_arm_answers_nothing),
        cmocka_unit_test(cancelling_one_direction_keeps_the_other),
        cmocka_unit_test(hang_up_answers_everything),
        cmocka_unit_test(queued_error_wakes_a_waiter_twice_and_then_is_quiet),
        cmocka_unit_test(quiet_waiter_still_gets_its_other_direction),
        cmocka_unit_test(waiting_for_errors_alone),
        cmocka_unit_test(receiver_that_drains_arms_without_a_system_call),
        cmocka_unit_test(only_answered_receives_prove_that_it_drains),
        cmocka_unit_test(empty_event_is_no_proof),
        cmocka_unit_test(edge_between_the_try_and_the_arm_is_not_lost),
        cmocka_unit_test(second_edge_without_a_waiter_ends_it_and_doubles_the_proof),
        cmocka_unit_test(arm_of_a_receiver_that_has_left_data_is_answered),
        cmocka_unit_test(peek_proves_nothing_where_it_may_be_at_an_offset),
        cmocka_unit_test(writer_ends_it_and_both_are_answered),
        cmocka_unit_test(hang_up_is_one_edge),
        cmocka_unit_test(queued_errors_are_quiet_for_one_that_drains),
        cmocka_unit_test(end_of_it_that_fails_is_told_to_the_next_arm),
        cmocka_unit_test(duplicate_of_a_deregistered_socket_reports_nothing),
        cmocka_unit_test(deregistering_twice_or_never_registered_is_nothing),
        cmocka_unit_test(arm_that_fails_leaves_nothing_armed),
        cmocka_unit_test(rest_that_cannot_be_armed_again_is_told),
        cmocka_unit_test(handles_of_one_descriptor_wait_each_by_itself),
        cmocka_unit_test(number_of_a_borrowed_descriptor_may_be_anothers),
        cmocka_unit_test(borrowed_descriptor_that_cannot_be_watched_leaks_nothing),
        cmocka_unit_test(pollers_nest),
        cmocka_unit_test(interrupted_wait_goes_on_if_it_was_for_ever),
        cmocka_unit_test(poller_without_room_is_an_error_and_leaks_nothing),
        cmocka_unit_test(many_events_come_in_batches),
        cmocka_unit_test(ready_is_what_was_asked_for_and_the_end),
        cmocka_unit_test(end_of_a_full_unix_socket_is_seen_without_sending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
