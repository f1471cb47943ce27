/* The simulated kernel: the core runs over it, and what happens is decided by the seed alone. */
#include "fixture.h"

#include <pthread.h>

#include "esock_queue.h"
#include "esock_sim.h"

#define A "10.0.0.1"
#define B "10.0.0.2"
#define MS 1000000u

static esock_sim *sim_new(uint64_t seed) {
    esock_sim *sim;
    assert_int_equal(esock_sim_new(&sim, seed), 0);
    return sim;
}

static void no_leak(esock_sim *sim) {
    assert_int_equal(esock_sim_free(sim), 0);
}

static void run(esock_sim *sim) {
    while (esock_sim_step(sim)) {
    }
}

static uint64_t now(esock_sim *sim) {
    return esock_sim_words_of(sim)->now;
}

static esock_addr at_port(const char *ip, unsigned port) {
    unsigned a[4];
    esock_addr out = {.family = AF_INET, .form = ESOCK_ADDR_KNOWN, .port = port};
    assert_int_equal(sscanf(ip, "%u.%u.%u.%u", &a[0], &a[1], &a[2], &a[3]), 4);
    for (int i = 0; i < 4; i++)
        out.ip[i] = (uint8_t)a[i];
    return out;
}

static esock *listens(const esock_sys *sys, const char *ip, unsigned port, int backlog) {
    esock *l;
    esock_addr a = at_port(ip, port);
    assert_int_equal(esock_open(&l, AF_INET, SOCK_STREAM, 0, sys), 0);
    assert_int_equal(esock_bind(l, &a), 0);
    assert_int_equal(esock_listen(l, backlog), 0);
    return l;
}

static esock *connects(const esock_sys *sys, const char *ip, unsigned port) {
    esock *c;
    esock_addr a = at_port(ip, port);
    assert_int_equal(esock_open(&c, AF_INET, SOCK_STREAM, 0, sys), 0);
    assert_int_equal(esock_connect(c, &a), -EINPROGRESS);
    return c;
}

struct net {
    esock_sim *sim;
    const esock_sys *a, *b;
    esock *l, *client, *server;
};

static struct net two_hosts(uint64_t seed) {
    struct net n = {.sim = sim_new(seed)};
    n.a = esock_sim_host(n.sim, A);
    n.b = esock_sim_host(n.sim, B);
    return n;
}

/* A connection from A to B. */
static struct net connected(uint64_t seed) {
    struct net n = two_hosts(seed);
    n.l = listens(n.b, B, 80, 5);
    n.client = connects(n.a, B, 80);
    run(n.sim);
    assert_int_equal(esock_finish(n.client), 0);
    assert_int_equal(esock_accept(n.l, 0, &n.server, NULL), 0);
    return n;
}

static void end(struct net *n) {
    shut(n->client);
    shut(n->server);
    shut(n->l);
    no_leak(n->sim);
}

static void hosts_have_addresses(void **state) {
    esock_sim *sim = sim_new(1);
    assert_non_null(esock_sim_host(sim, A));
    assert_ptr_equal(esock_sim_host(sim, A), esock_sim_host(sim, A));
    assert_ptr_equal(esock_sim_host(sim, A), esock_sim_host(sim, "fd00::10.0.0.1"));
    assert_true(esock_sim_host(sim, A) != esock_sim_host(sim, B));
    assert_non_null(esock_sim_host(sim, "2001:db8::1"));
    const char *bad[] = {"", "10.0.0", "0.0.0.0", "127.0.0.1", "224.0.0.1", "::", "::1", "ff02::1"};
    for (size_t i = 0; i < LEN(bad); i++)
        assert_null(esock_sim_host(sim, bad[i]));
    assert_null(esock_sim_host(sim, NULL));
    no_leak(sim);
}

static void descriptors_are_nobody_elses(void **state) {
    struct net n = connected(1);
    char c;
    assert_true(esock_fd(n.client) >= 1 << 30);
    assert_int_equal(read(esock_fd(n.client), &c, 1), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(esock_sim_words_of(n.sim)->open, 3);
    assert_true(n.a->dup(n.a, esock_fd(n.client)) > 0);
    shut(n.server);
    shut(n.client);
    shut(n.l);
    assert_int_equal(esock_sim_free(n.sim), 1);
}

static void a_stream_brings_what_was_sent(void **state) {
    struct net n = connected(1);
    char buf[16];
    assert_int_equal(esock_send(n.client, "hello", 5, 0, 0), 5);
    assert_int_equal(esock_recv(n.server, buf, 2, MSG_PEEK, 0), 2);
    assert_int_equal(esock_recv(n.server, buf, sizeof buf, 0, 0), 5);
    assert_memory_equal(buf, "hello", 5);
    assert_int_equal(esock_recv(n.server, buf, sizeof buf, 0, 0), -EAGAIN);
    assert_int_equal(esock_shutdown(n.client, SHUT_WR), 0);
    assert_int_equal(esock_recv(n.server, buf, sizeof buf, 0, 0), 0);
    assert_int_equal(esock_send(n.server, "yes", 3, 0, 0), 3);
    assert_int_equal(esock_recv(n.client, buf, sizeof buf, 0, 0), 3);
    assert_int_equal(counter(n.client, ESOCK_WRITE_BYTE), 5);
    esock_addr peer, name;
    assert_int_equal(esock_peername(n.client, &peer), 0);
    assert_int_equal(esock_sockname(n.server, &name), 0);
    assert_memory_equal(&peer, &name, sizeof peer);
    end(&n);
}

static void nobody_listens(void **state) {
    struct net n = two_hosts(1);
    esock *c = connects(n.a, B, 81);
    assert_int_equal(esock_finish(c), -ECONNREFUSED);
    shut(c);
    c = connects(n.a, "10.0.0.77", 80); /* no such host */
    assert_int_equal(esock_finish(c), -EINPROGRESS);
    run(n.sim);
    assert_int_equal(esock_finish(c), -EHOSTUNREACH);
    shut(c);
    no_leak(n.sim);
}

static void inet6_meets_inet(void **state) {
    struct net n = two_hosts(1);
    esock *l, *c, *s;
    esock_addr any = {.family = AF_INET6, .form = ESOCK_ADDR_KNOWN, .port = 80}, peer;
    assert_int_equal(esock_open(&l, AF_INET6, SOCK_STREAM, 0, n.b), 0);
    assert_int_equal(esock_bind(l, &any), 0);
    assert_int_equal(esock_listen(l, 1), 0);
    c = connects(n.a, B, 80);
    assert_int_equal(esock_accept(l, 0, &s, &peer), 0);
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1};
    assert_memory_equal(peer.ip, mapped, 16);
    shut(s), shut(c), shut(l);
    no_leak(n.sim);
}

static void a_full_backlog_makes_a_client_wait(void **state) {
    struct net n = two_hosts(1);
    n.l = listens(n.b, B, 80, 0);
    esock *c[3], *s;
    for (int i = 0; i < 3; i++)
        c[i] = connects(n.a, B, 80);
    assert_int_equal(esock_finish(c[0]), 0);
    assert_int_equal(esock_finish(c[1]), -EINPROGRESS);
    assert_int_equal(esock_accept(n.l, 0, &s, NULL), 0);
    shut(s);
    assert_int_equal(esock_accept(n.l, 0, &s, NULL), -EAGAIN);
    run(n.sim);
    /* The first SYN to go once more finds room, and nobody accepts it. */
    int first = esock_finish(c[1]), second = esock_finish(c[2]);
    assert_int_equal(first == 0 ? second : first, -ETIMEDOUT);
    assert_int_equal(first == 0 ? first : second, 0);
    assert_int_equal(now(n.sim) / MS, 127000);
    for (int i = 0; i < 3; i++)
        shut(c[i]);
    shut(n.l);
    no_leak(n.sim);
}

static void delays_are_virtual(void **state) {
    struct net n = two_hosts(1);
    esock_sim_path slow = {.delay_ns = 250 * MS};
    char buf[8];
    assert_int_equal(esock_sim_link(n.sim, n.a, NULL, &slow), 0);
    n.l = listens(n.b, B, 80, 5);
    n.client = connects(n.a, B, 80);
    assert_int_equal(esock_finish(n.client), -EINPROGRESS);
    while (esock_finish(n.client) == -EINPROGRESS)
        assert_int_equal(esock_sim_step(n.sim), 1);
    assert_int_equal(now(n.sim), 500 * MS);
    assert_int_equal(esock_accept(n.l, 0, &n.server, NULL), -EAGAIN);
    assert_int_equal(esock_sim_words_of(n.sim)->next, 750 * MS);
    esock_sim_words_of(n.sim)->now = 750 * MS;
    assert_int_equal(esock_accept(n.l, 0, &n.server, NULL), 0);
    assert_int_equal(esock_send(n.server, "x", 1, 0, 0), 1);
    assert_int_equal(esock_recv(n.client, buf, 8, 0, 0), -EAGAIN);
    esock_sim_words_of(n.sim)->now = 1000 * MS;
    assert_int_equal(esock_recv(n.client, buf, 8, 0, 0), 1);
    end(&n);
}

static void a_partition_ends_or_the_stream_does(void **state) {
    for (int heals = 0; heals < 2; heals++) {
        struct net n = connected(1);
        esock_sim_path cut = {.cut = 1}, whole = {0};
        char buf[8];
        assert_int_equal(esock_sim_link(n.sim, n.a, n.b, &cut), 0);
        assert_int_equal(esock_send(n.client, "a", 1, 0, 0), 1);
        assert_int_equal(esock_send(n.client, "b", 1, 0, 0), 1);
        assert_int_equal(esock_sim_step(n.sim), 1);
        if (heals) assert_int_equal(esock_sim_link(n.sim, n.a, n.b, &whole), 0);
        run(n.sim);
        assert_int_equal(esock_recv(n.server, buf, 8, 0, 0), heals ? 2 : -EAGAIN);
        assert_int_equal(esock_send(n.client, "c", 1, 0, 0), heals ? 1 : -ETIMEDOUT);
        if (!heals) assert_in_range(now(n.sim) / MS, 900000, 1100000);
        end(&n);
    }
}

static void loss_is_delay(void **state) {
    struct net n = connected(7);
    esock_sim_path lossy = {.delay_ns = MS, .loss = 300000};
    char got[400], want[400];
    size_t len = 0;
    assert_int_equal(esock_sim_link(n.sim, NULL, NULL, &lossy), 0);
    uint64_t start = now(n.sim);
    for (int i = 0; i < 400; i++) {
        want[i] = (char)i;
        assert_int_equal(esock_send(n.client, &want[i], 1, 0, 0), 1);
        esock_sim_step(n.sim);
    }
    run(n.sim);
    for (ssize_t r; (r = esock_recv(n.server, got + len, sizeof got - len, 0, 0)) > 0;)
        len += (size_t)r;
    assert_int_equal(len, sizeof got);
    assert_memory_equal(got, want, sizeof got);
    assert_true(now(n.sim) - start > 200 * MS);
    end(&n);
}

static void who_writes_to_the_dead_is_told(void **state) {
    struct net n = connected(1);
    char c;
    shut(n.server);
    assert_int_equal(esock_send(n.client, "x", 1, 0, 0), 1);
    assert_int_equal(esock_send(n.client, "x", 1, 0, 0), -EPIPE);
    assert_int_equal(esock_recv(n.client, &c, 1, 0, 0), 0);
    shut(n.client);
    shut(n.l);
    no_leak(n.sim);
    n = connected(1); /* unread data, or linger of 0: a reset */
    struct linger now_ = {1, 0};
    assert_int_equal(esock_setopt_native(n.server, SOL_SOCKET, SO_LINGER, &now_, sizeof now_), 0);
    shut(n.server);
    assert_int_equal(esock_recv(n.client, &c, 1, 0, 0), -ECONNRESET);
    shut(n.client);
    shut(n.l);
    no_leak(n.sim);
}

static void a_buffer_fills_and_empties(void **state) {
    struct net n = connected(1);
    static char big[1 << 20];
    ssize_t r, sent = 0, got = 0;
    while ((r = esock_send(n.client, big, sizeof big, 0, 0)) > 0)
        sent += r;
    assert_int_equal(r, -EAGAIN);
    assert_int_equal(esock_ready(n.client, ESOCK_OUT), 0);
    while ((r = esock_recv(n.server, big, sizeof big, 0, 0)) > 0)
        got += r;
    assert_int_equal(r, -EAGAIN);
    assert_int_equal(got, sent);
    assert_int_equal(esock_ready(n.client, ESOCK_OUT), ESOCK_OUT);
    end(&n);
}

static void unix_names(void **state) {
    struct net n = two_hosts(1);
    esock *l, *c, *s, *other;
    esock_addr path = {.family = AF_UNIX, .form = ESOCK_ADDR_KNOWN, .len = 5, .data = "/sock"};
    assert_int_equal(esock_open(&l, AF_UNIX, SOCK_STREAM, 0, n.a), 0);
    assert_int_equal(esock_bind(l, &path), 0);
    assert_int_equal(esock_listen(l, 1), 0);
    assert_int_equal(esock_open(&c, AF_UNIX, SOCK_STREAM, 0, n.b), 0);
    assert_int_equal(esock_connect(c, &path), -ENOENT); /* another host */
    shut(c);
    assert_int_equal(esock_open(&c, AF_UNIX, SOCK_STREAM, 0, n.a), 0);
    assert_int_equal(esock_connect(c, &path), 0);
    assert_int_equal(esock_accept(l, 0, &s, NULL), 0);
    shut(l);
    assert_int_equal(esock_open(&other, AF_UNIX, SOCK_STREAM, 0, n.a), 0);
    assert_int_equal(esock_connect(other, &path), -ECONNREFUSED); /* the name stays */
    assert_int_equal(esock_bind(other, &path), -EADDRINUSE);
    assert_int_equal(esock_sim_unlink(n.a, "/sock"), 0);
    assert_int_equal(esock_sim_unlink(n.a, "/sock"), -ENOENT);
    assert_int_equal(esock_bind(other, &path), 0);
    shut(s), shut(c), shut(other);
    no_leak(n.sim);
}

static void pair(const esock_sys *sys, esock **a, esock **b) {
    int fd[2];
    assert_int_equal(esock_sim_socketpair(sys, SOCK_STREAM, fd), 0);
    assert_int_equal(esock_adopt(a, fd[0], ESOCK_ADOPT_TAKE, -1, -1, -1, sys, NULL), 0);
    assert_int_equal(esock_adopt(b, fd[1], ESOCK_ADOPT_TAKE, -1, -1, -1, sys, NULL), 0);
}

static void event_comes(esock_poller *p, void *user, unsigned bits) {
    esock_event ev = {0};
    assert_int_equal(esock_poll(p, &ev, 1, -1), 1); /* returns at once all the same */
    assert_ptr_equal(ev.user, user);
    assert_int_equal(ev.events & bits, bits);
}

static void a_poller_works(void **state) {
    struct net n = two_hosts(1);
    esock *a, *b;
    esock_poller *p;
    esock_event ev;
    int me;
    char c;
    pair(n.a, &a, &b);
    assert_int_equal(esock_poller_new(&p, n.a), 0);
    assert_int_equal(esock_arm(p, a, ESOCK_IN, 0, &me), 0);
    assert_int_equal(esock_poll(p, &ev, 1, -1), 0);
    uint64_t changes = esock_sim_words_of(n.sim)->changes;
    assert_int_equal(esock_send(b, "xyz", 3, 0, 0), 3);
    assert_true(esock_sim_words_of(n.sim)->changes > changes);
    event_comes(p, &me, ESOCK_IN);
    assert_int_equal(esock_fired(p, a, ESOCK_IN), ESOCK_IN);
    assert_int_equal(esock_poll(p, &ev, 1, 0), 0); /* one shot */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(esock_arm(p, a, ESOCK_IN, ESOCK_AFTER_NOTHING, &me), 0);
        event_comes(p, &me, ESOCK_IN);
        esock_fired(p, a, ESOCK_IN);
        assert_int_equal(esock_recv(a, &c, 1, 0, 0), 1);
    }
    shut(b);
    assert_int_equal(esock_arm(p, a, ESOCK_IN | ESOCK_OUT, 0, &me), 0);
    event_comes(p, &me, ESOCK_IN | ESOCK_OUT | ESOCK_ERR);
    assert_int_equal(esock_deregister(p, a), 0);
    shut(a);
    esock_poller_free(p);
    no_leak(n.sim);
}

/* Both directions of a connection through queues, with every fault that a stream survives. */
static void a_queue_moves_everything(uint64_t seed, unsigned faults) {
    enum { SIZE = 300000 };
    static unsigned char sent[SIZE], got[SIZE];
    struct net n = connected(seed);
    const esock_sim_path path = {.delay_ns = MS, .jitter_ns = MS, .loss = faults * 100};
    const enum esock_sim_fault kinds[] = {ESOCK_SIM_SHORT_READ, ESOCK_SIM_SHORT_WRITE,
                                          ESOCK_SIM_EINTR, ESOCK_SIM_EAGAIN, ESOCK_SIM_SPURIOUS};
    esock_queue *q;
    esock_member *in, *out;
    esock_result r[8];
    size_t len = 0;
    assert_int_equal(esock_queue_new(&q, NULL, n.a), 0);
    assert_int_equal(esock_queue_add(q, n.client, &out), 0);
    assert_int_equal(esock_queue_add(q, n.server, &in), 0);
    assert_int_equal(esock_sim_link(n.sim, NULL, NULL, &path), 0);
    for (size_t i = 0; i < LEN(kinds); i++)
        assert_int_equal(esock_sim_chance(n.sim, kinds[i], faults), 0);
    for (size_t i = 0; i < SIZE; i++)
        sent[i] = (unsigned char)(i * 7 + i / 251);
    esock_op send = {.kind = ESOCK_OP_SEND, .member = out, .buf = sent, .len = SIZE};
    esock_op recv = {.kind = ESOCK_OP_RECV, .flags = ESOCK_OP_AGAIN, .member = in};
    assert_int_equal(esock_queue_give(q, &send), 0);
    assert_int_equal(esock_queue_give(q, &recv), 0);
    bool done = false;
    int still = 0; /* a wait may be interrupted, too */
    esock_buffers *b = esock_queue_buffers(q);
    while (len < SIZE || !done) {
        int m = esock_queue_wait(q, r, LEN(r), -1);
        assert_true(m >= 0);
        still = m == 0 && esock_queue_idle(q) && !esock_sim_step(n.sim) ? still + 1 : 0;
        if (still == 50) fail_msg("seed %lu stands still at %zu", (unsigned long)seed, len);
        for (int i = 0; i < m; i++) {
            if (r[i].op == &send) {
                assert_int_equal(r[i].n, SIZE);
                done = true;
                continue;
            }
            assert_true(r[i].n > 0 && len + (size_t)r[i].n <= SIZE);
            memcpy(got + len, b->base + r[i].buffer * b->size, (size_t)r[i].n);
            len += (size_t)r[i].n;
            b->stack[b->free++] = r[i].buffer;
        }
    }
    assert_memory_equal(sent, got, SIZE);
    assert_int_equal(esock_queue_remove(q, in), 1);
    esock_queue_remove(q, out);
    assert_int_equal(esock_queue_free(q), 0);
    assert_int_equal(esock_sim_chance(n.sim, ESOCK_SIM_FAULTS, 0), 0);
    end(&n);
}

static void a_queue_works(void **state) {
    a_queue_moves_everything(1, 0);
    for (uint64_t seed = 0; seed < 100; seed++)
        a_queue_moves_everything(seed, 200);
}

static void a_queue_accepts_and_connects(void **state) {
    struct net n = two_hosts(1);
    esock_queue *q;
    esock_member *ml, *mc;
    esock_result r[4];
    esock_addr to = at_port(B, 80);
    n.l = listens(n.b, B, 80, 5);
    assert_int_equal(esock_open(&n.client, AF_INET, SOCK_STREAM, 0, n.a), 0);
    assert_int_equal(esock_queue_new(&q, NULL, n.b), 0);
    assert_int_equal(esock_queue_add(q, n.l, &ml), 0);
    assert_int_equal(esock_queue_add(q, n.client, &mc), 0);
    esock_op accept = {.kind = ESOCK_OP_ACCEPT, .member = ml};
    esock_op connect = {.kind = ESOCK_OP_CONNECT, .member = mc, .addr = &to};
    assert_int_equal(esock_queue_give(q, &accept), 0);
    assert_int_equal(esock_queue_give(q, &connect), 0);
    int seen = 0;
    for (int turn = 0; seen < 2 && turn < 10; turn++) {
        int m = esock_queue_wait(q, r, 4, -1);
        for (int i = 0; i < m; i++, seen++) {
            assert_int_equal(r[i].n, 0);
            if (r[i].op == &accept) n.server = r[i].accepted;
        }
    }
    assert_int_equal(seen, 2);
    assert_int_equal(esock_queue_wake(q), 0);
    assert_int_equal(esock_queue_wait(q, r, 4, -1), 0);
    esock_queue_remove(q, ml);
    esock_queue_remove(q, mc);
    assert_int_equal(esock_queue_free(q), 0);
    end(&n);
}

static void a_queue_has_no_ring(void **state) {
    struct net n = two_hosts(1);
    esock_queue *q;
    int why;
    esock_queue_config config = {.engine = ESOCK_QUEUE_URING_OR_EPOLL};
    assert_int_equal(esock_queue_new(&q, &config, n.a), 0);
    assert_int_equal(esock_queue_engine(q, &why), ESOCK_QUEUE_EPOLL);
    assert_int_equal(why, -ENOSYS);
    assert_int_equal(esock_queue_free(q), 0);
    no_leak(n.sim);
}

static void a_file_is_sent(void **state) {
    struct net n = connected(1);
    char name[] = "/tmp/esock_sim_XXXXXX", buf[64];
    int fd = mkstemp(name);
    int64_t at = 3;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "0123456789", 10), 10);
    assert_int_equal(esock_sendfile(n.client, fd, &at, 100, 0), 7);
    assert_int_equal(at, 10);
    assert_int_equal(esock_recv(n.server, buf, sizeof buf, 0, 0), 7);
    assert_memory_equal(buf, "3456789", 7);
    assert_int_equal(esock_sendfile(n.client, fd, &at, 100, 0), 0);
    close(fd);
    unlink(name);
    end(&n);
}

static void what_is_not_simulated_is_refused(void **state) {
    esock_sim *sim = sim_new(1);
    const esock_sys *a = esock_sim_host(sim, A);
    esock *s;
    int v = 0;
    socklen_t len = sizeof v;
    assert_int_equal(esock_open(&s, AF_PACKET, SOCK_RAW, 0, a), -EAFNOSUPPORT);
    assert_int_equal(esock_open(&s, AF_INET, SOCK_DGRAM, 0, a), -ESOCKTNOSUPPORT);
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, IPPROTO_SCTP, a), -EPROTONOSUPPORT);
    enum esock_netns_fault fault;
    assert_int_equal(esock_open_netns(&s, "/proc/self/ns/net", AF_INET, SOCK_STREAM, 0, a, &fault),
                     -ENOSYS);
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, 0, a), 0);
    assert_int_equal(a->getsockopt(a, esock_fd(s), IPPROTO_TCP, TCP_INFO, &v, &len), -ENOPROTOOPT);
    assert_int_equal(a->setsockopt(a, esock_fd(s), IPPROTO_TCP, TCP_NODELAY, &v, 1), -EINVAL);
    shut(s);
    no_leak(sim);
}

static void faults_by_script(void **state) {
    struct net n = connected(1);
    char buf[8];
    int c = esock_fd(n.client), s = esock_fd(n.server);
    assert_int_equal(esock_sim_script(n.sim, ESOCK_SIM_SEND, c, 1, 3), 0);
    assert_int_equal(esock_sim_script(n.sim, ESOCK_SIM_SEND, -1, 0, -ENOBUFS), 0);
    assert_int_equal(esock_sim_script(n.sim, ESOCK_SIM_RECV, s, 0, -EINTR), 0);
    assert_int_equal(esock_sim_script(n.sim, ESOCK_SIM_RECV, s, 0, 1), 0);
    assert_int_equal(esock_send(n.client, "abcdef", 6, 0, 0), 6);
    assert_int_equal(esock_send(n.client, "abcdef", 6, 0, 0), 3);
    assert_int_equal(esock_send(n.client, "abcdef", 6, 0, 0), -ENOBUFS);
    assert_int_equal(esock_recv(n.server, buf, 8, 0, 0), 1); /* tried again after the signal */
    assert_int_equal(esock_recv(n.server, buf, 8, 0, 0), 8);
    assert_memory_equal(buf, "bcdefabc", 8);
    esock *x;
    assert_int_equal(esock_sim_script(n.sim, ESOCK_SIM_SOCKET, -1, 0, -EMFILE), 0);
    assert_int_equal(esock_open(&x, AF_INET, SOCK_STREAM, 0, n.a), -EMFILE);
    assert_int_equal(esock_sim_script(n.sim, ESOCK_SIM_ALLOC, -1, 0, -ENOMEM), 0);
    assert_int_equal(esock_open(&x, AF_INET, SOCK_STREAM, 0, n.a), -ENOMEM);
    assert_int_equal(esock_sim_script(n.sim, ESOCK_SIM_CALLS, -1, 0, 0), -EINVAL);
    end(&n);
}

static void an_accept_may_find_the_client_gone(void **state) {
    struct net n = connected(1);
    esock *c = connects(n.a, B, 80), *s;
    assert_int_equal(esock_sim_script(n.sim, ESOCK_SIM_ACCEPT, -1, 0, -ECONNABORTED), 0);
    assert_int_equal(esock_accept(n.l, 0, &s, NULL), -ECONNABORTED);
    assert_int_equal(esock_accept(n.l, 0, &s, NULL), -EAGAIN);
    shut(c);
    end(&n);
}

static void every_fault_happens(void **state) {
    struct net n = connected(1);
    char buf[64];
    const struct {
        enum esock_sim_fault fault;
        int send, recv;
    } t[] = {
        {ESOCK_SIM_EAGAIN, -EAGAIN, -EAGAIN},
        {ESOCK_SIM_ENOBUFS, -ENOBUFS, 10},
        {ESOCK_SIM_ENOMEM, -ENOMEM, -ENOMEM},
    };
    assert_int_equal(esock_send(n.client, "0123456789", 10, 0, 0), 10);
    for (size_t i = 0; i < LEN(t); i++) {
        assert_int_equal(esock_sim_chance(n.sim, t[i].fault, 1000), 0);
        assert_int_equal(esock_send(n.client, "x", 1, 0, 0), t[i].send);
        assert_int_equal(esock_recv(n.server, buf, 64, MSG_PEEK, 0), t[i].recv);
        assert_int_equal(esock_sim_chance(n.sim, t[i].fault, 0), 0);
    }
    assert_int_equal(esock_sim_chance(n.sim, ESOCK_SIM_SHORT_READ, 1000), 0);
    assert_in_range(esock_recv(n.server, buf, 10, MSG_PEEK, 0), 1, 9);
    assert_int_equal(esock_sim_chance(n.sim, ESOCK_SIM_SHORT_WRITE, 1000), 0);
    assert_in_range(esock_send(n.client, buf, 10, 0, 0), 1, 9);
    assert_int_equal(esock_sim_chance(n.sim, ESOCK_SIM_SPURIOUS, 1000), 0);
    assert_int_equal(esock_ready(n.client, ESOCK_IN), ESOCK_IN);
    assert_int_equal(esock_sim_chance(n.sim, ESOCK_SIM_RESET, 1000), 0);
    assert_int_equal(esock_send(n.client, "x", 1, 0, 0), -ECONNRESET);
    assert_int_equal(esock_sim_chance(n.sim, ESOCK_SIM_FAULTS, 1001), -EINVAL);
    assert_int_equal(esock_sim_chance(n.sim, ESOCK_SIM_FAULTS, 0), 0);
    end(&n);
}

/* One conversation with faults, delays and losses, and all of its answers in one number. */
static uint64_t history(uint64_t seed) {
    struct net n = two_hosts(seed);
    esock_sim_path path = {.delay_ns = MS, .jitter_ns = 5 * MS, .loss = 100000};
    uint64_t h = seed;
    char buf[700] = {0};
    assert_int_equal(esock_sim_link(n.sim, NULL, NULL, &path), 0);
    n.l = listens(n.b, B, 80, 5);
    n.client = connects(n.a, B, 80);
    while (esock_finish(n.client) == -EINPROGRESS)
        assert_int_equal(esock_sim_step(n.sim), 1);
    while (esock_accept(n.l, 0, &n.server, NULL) == -EAGAIN)
        assert_int_equal(esock_sim_step(n.sim), 1);
    assert_int_equal(esock_sim_chance(n.sim, ESOCK_SIM_FAULTS, 100), 0);
    assert_int_equal(esock_sim_chance(n.sim, ESOCK_SIM_RESET, 1), 0);
    for (int i = 0; i < 60; i++) {
        esock *from = i & 1 ? n.client : n.server, *to = i & 2 ? n.client : n.server;
        int64_t answers[] = {esock_send(from, buf, sizeof buf, 0, 0),
                             esock_recv(to, buf, sizeof buf, 0, 0), esock_ready(to, ESOCK_IN),
                             esock_sim_step(n.sim), (int64_t)now(n.sim)};
        for (size_t k = 0; k < LEN(answers); k++)
            h = (h ^ (uint64_t)answers[k]) * 1099511628211u;
    }
    assert_int_equal(esock_sim_chance(n.sim, ESOCK_SIM_FAULTS, 0), 0);
    end(&n);
    return h;
}

static void a_seed_is_a_history(void **state) {
    uint64_t first = history(42);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(history(42), first);
    int same = 0;
    for (uint64_t seed = 0; seed < 100; seed++)
        same += history(seed) == first;
    assert_int_equal(same, 1);
}

/* What others do at the same time changes nothing: decisions belong to a socket. */
static void neighbours_change_no_decision(void **state) {
    for (int neighbour = 0; neighbour < 2; neighbour++) {
        static ssize_t answers[100];
        struct net n = connected(5);
        esock *x, *y;
        pair(esock_sim_host(n.sim, "10.0.0.3"), &x, &y);
        assert_int_equal(esock_sim_chance(n.sim, ESOCK_SIM_SHORT_WRITE, 500), 0);
        for (int i = 0; i < 100; i++) {
            if (neighbour) esock_send(x, "abcdef", 6, 0, 0);
            ssize_t r = esock_send(n.client, "0123456789", 10, 0, 0);
            if (neighbour) assert_int_equal(r, answers[i]);
            answers[i] = r;
        }
        shut(x);
        shut(y);
        end(&n);
    }
}

/* Another thread's host, connections, faults and steps in the same simulation. */
static void *traffic(void *arg) {
    esock_sim *sim = arg;
    const esock_sys *sys = esock_sim_host(sim, "10.0.0.9");
    long failed = 0;
    int fd[2];
    char c[4];
    for (int i = 0; i < 300; i++) {
        failed += esock_sim_socketpair(sys, SOCK_STREAM, fd) != 0;
        failed += esock_sim_chance(sim, ESOCK_SIM_EINTR, 0) != 0;
        failed += esock_sim_script(sim, ESOCK_SIM_RECV, fd[1], 0, 2) != 0;
        failed += sys->send(sys, fd[0], "abcd", 4, 0) != 4;
        failed += sys->recv(sys, fd[1], c, 4, 0) != 2;
        esock_sim_step(sim);
        failed += sys->close(sys, fd[0]) != 0;
        failed += sys->close(sys, fd[1]) != 0;
    }
    return (void *)(intptr_t)failed;
}

static void threads_share_a_simulation(void **state) {
    struct net n = connected(1);
    pthread_t t[2];
    void *failed;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&t[i], NULL, traffic, n.sim), 0);
    assert_int_equal((intptr_t)traffic(n.sim), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(t[i], &failed), 0);
        assert_null(failed);
    }
    end(&n);
}

static void a_fuzzer_decides(void **state) {
    static const uint8_t input[] = {0, 255, 3};
    esock_sim *sim;
    esock *a, *b;
    assert_int_equal(esock_sim_new_data(&sim, input, sizeof input), 0);
    assert_int_equal(esock_sim_new_data(NULL, input, sizeof input), -EFAULT);
    pair(esock_sim_host(sim, A), &a, &b);
    assert_int_equal(esock_sim_chance(sim, ESOCK_SIM_SHORT_WRITE, 300), 0);
    assert_int_equal(esock_send(a, "0123456789", 10, 0, 0), 10); /* 0: against it */
    assert_int_equal(esock_send(a, "0123456789", 10, 0, 0), 4);  /* 255: for it; 3: 1 + 3 bytes */
    for (int i = 0; i < 100; i++)
        assert_int_equal(esock_send(a, "0123456789", 10, 0, 0), 10); /* used up */
    shut(a);
    shut(b);
    no_leak(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_have_addresses),
        cmocka_unit_test(descriptors_are_nobody_elses),
        cmocka_unit_test(a_stream_brings_what_was_sent),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(inet6_meets_inet),
        cmocka_unit_test(a_full_backlog_makes_a_client_wait),
        cmocka_unit_test(delays_are_virtual),
        cmocka_unit_test(a_partition_ends_or_the_stream_does),
        cmocka_unit_test(loss_is_delay),
        cmocka_unit_test(who_writes_to_the_dead_is_told),
        cmocka_unit_test(a_buffer_fills_and_empties),
        cmocka_unit_test(unix_names),
        cmocka_unit_test(a_poller_works),
        cmocka_unit_test(a_queue_works),
        cmocka_unit_test(a_queue_accepts_and_connects),
        cmocka_unit_test(a_queue_has_no_ring),
        cmocka_unit_test(a_file_is_sent),
        cmocka_unit_test(what_is_not_simulated_is_refused),
        cmocka_unit_test(faults_by_script),
        cmocka_unit_test(an_accept_may_find_the_client_gone),
        cmocka_unit_test(every_fault_happens),
        cmocka_unit_test(a_seed_is_a_history),
        cmocka_unit_test(neighbours_change_no_decision),
        cmocka_unit_test(threads_share_a_simulation),
        cmocka_unit_test(a_fuzzer_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
