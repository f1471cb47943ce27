/* Completion queues, over real sockets and over scripted answers. */
#include "fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#if __has_include(<linux/filter.h>) && __has_include(<linux/seccomp.h>)
#include <linux/filter.h>
#include <linux/seccomp.h>
#endif

#include "esock_queue.h"

/* The engine of the queues that are made: the tests run once for each. */
static uint32_t engine;

/* The call that does the work of a kind of operation. */
static enum script_call work(enum script_call call) {
    if (engine == ESOCK_QUEUE_EPOLL) return call;
    switch (call) {
    case K_ACCEPT4:
        return K_URING_ACCEPT;
    case K_RECV:
        return K_URING_RECV;
    case K_SEND:
        return K_URING_SEND;
    case K_EPOLL_WAIT:
        return K_URING_ENTER;
    default:
        return call;
    }
}

static void make(esock_queue **q, const esock_queue_config *config, const esock_sys *sys) {
    esock_queue_config c = config == NULL ? (esock_queue_config){0} : *config;
    c.engine = engine;
    assert_int_equal(esock_queue_new(q, &c, sys), 0);
    assert_int_equal(esock_queue_engine(*q, NULL), engine);
}

struct world {
    struct script k;
    esock_queue *q;
    esock *a, *b;    /* connected */
    esock_member *m; /* a in q */
};

/* With a pair of unix sockets of a type, or of TCP, which a ring receives repeatedly: see uring_add. */
enum { TCP_PAIR = 0 };

static void begin_with(struct world *w, const esock_queue_config *config, int type) {
    script_init(&w->k);
    make(&w->q, config, &w->k.sys);
    if (type == TCP_PAIR)
        tcp_pair(&w->k.sys, &w->b, &w->a);
    else
        unix_pair(&w->k.sys, type, &w->a, &w->b);
    assert_int_equal(esock_queue_add(w->q, w->a, &w->m), 0);
}

static void begin(struct world *w) {
    begin_with(w, NULL, SOCK_STREAM);
}

static void begin_tcp(struct world *w) {
    begin_with(w, NULL, TCP_PAIR);
}

static void end(struct world *w) {
    esock_queue_remove(w->q, w->m);
    shut(w->a);
    if (w->b != NULL) shut(w->b);
    assert_int_equal(esock_queue_free(w->q), 0);
    assert_true(script_used_up(&w->k));
}

static esock_op receive(struct world *w, void *buf, size_t len, unsigned flags) {
    return (esock_op){
        .kind = ESOCK_OP_RECV, .flags = (uint8_t)flags, .member = w->m, .buf = buf, .len = len};
}

static esock_op transmit(struct world *w, const void *buf, size_t len, unsigned flags) {
    return (esock_op){.kind = ESOCK_OP_SEND,
                      .flags = (uint8_t)flags,
                      .member = w->m,
                      .buf = (void *)buf,
                      .len = len};
}

static void give(struct world *w, esock_op *op) {
    assert_int_equal(esock_queue_give(w->q, op), 0);
}

/* The next result, which must come. */
static esock_result next(esock_queue *q) {
    esock_result r = {0};
    int n;
    while ((n = esock_queue_wait(q, &r, 1, WAIT_MS)) == 0) {
    }
    assert_int_equal(n, 1);
    return r;
}

/* Nothing comes, whatever the queue still has to do. */
static void nothing_comes(esock_queue *q) {
    esock_result r;
    do {
        assert_int_equal(esock_queue_wait(q, &r, 1, 0), 0);
    } while (!esock_queue_idle(q));
    assert_int_equal(esock_queue_wait(q, &r, 1, 0), 0);
}

/* Some results come, and no more. */
static void nothing_comes_but(esock_queue *q, int results) {
    for (; results > 0; results--)
        next(q);
    nothing_comes(q);
}

static void put(esock *s, const char *text) {
    assert_int_equal(esock_send(s, text, strlen(text), 0, 0), strlen(text));
}

static void take(esock *s, const char *text) {
    char buf[64];
    size_t len = strlen(text), got = 0;
    while (got < len) {
        await(esock_fd(s), POLLIN);
        ssize_t n = esock_recv(s, buf + got, len - got, 0, 0);
        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_memory_equal(buf, text, len);
}

static void drop_buffer(esock_queue *q, const esock_result *r) {
    esock_buffers *b = esock_queue_buffers(q);
    assert_true(r->flags & ESOCK_RESULT_BUFFER);
    b->stack[b->free++] = r->buffer;
}

/* Buffer of a result, as text; the buffer goes back. */
static void came(struct world *w, esock_result r, const char *text) {
    esock_buffers *b = esock_queue_buffers(w->q);
    assert_int_equal(r.flags, ESOCK_RESULT_MORE | ESOCK_RESULT_BUFFER);
    assert_int_equal(r.n, strlen(text));
    assert_memory_equal(b->base + r.buffer * b->size, text, strlen(text));
    b->stack[b->free++] = r.buffer;
}

static void a_receive_ends_once(void **state) {
    struct world w;
    char buf[8];
    begin(&w);
    esock_op op = receive(&w, buf, sizeof buf, 0);
    give(&w, &op);
    assert_int_equal(esock_queue_give(w.q, &op), -EALREADY);
    nothing_comes(w.q);
    put(w.b, "abc");
    esock_result r = next(w.q);
    assert_ptr_equal(r.op, &op);
    assert_int_equal(r.n, 3);
    assert_int_equal(r.flags, 0);
    assert_memory_equal(buf, "abc", 3);
    put(w.b, "d");
    nothing_comes(w.q);
    give(&w, &op); /* what came meanwhile is found */
    assert_int_equal(next(w.q).n, 1);
    end(&w);
}

static void a_full_receive_collects(void **state) {
    struct world w;
    char buf[6];
    begin(&w);
    esock_op op = receive(&w, buf, sizeof buf, ESOCK_OP_FULL);
    give(&w, &op);
    put(w.b, "ab");
    nothing_comes(w.q);
    put(w.b, "cdef");
    assert_int_equal(next(w.q).n, 6);
    assert_memory_equal(buf, "abcdef", 6);
    assert_int_equal(esock_counters_of(w.a)->value[ESOCK_READ_PKG], 1);
    give(&w, &op);
    put(w.b, "gh");
    nothing_comes(w.q);
    shut(w.b);
    w.b = NULL;
    assert_int_equal(next(w.q).n, 0); /* the end, and what came before it */
    assert_int_equal(op.done, 2);
    assert_memory_equal(buf, "gh", 2);
    end(&w);
}

static void a_repeated_receive_goes_on_to_the_end(void **state) {
    struct world w;
    begin(&w);
    esock_buffers *b = esock_queue_buffers(w.q);
    uint32_t free = b->free;
    esock_op op = receive(&w, NULL, 0, ESOCK_OP_AGAIN);
    give(&w, &op);
    put(w.b, "one");
    came(&w, next(w.q), "one");
    put(w.b, "two");
    came(&w, next(w.q), "two");
    shut(w.b);
    w.b = NULL;
    esock_result r = next(w.q);
    assert_int_equal(r.n, 0);
    assert_int_equal(r.flags, 0);
    assert_int_equal(b->free, free);
    nothing_comes(w.q);
    assert_int_equal(esock_queue_cancel(w.q, &op), -ENOENT);
    end(&w);
}

static void an_empty_message_is_not_the_end(void **state) {
    struct world w;
    begin_with(&w, NULL, SOCK_DGRAM);
    esock_op op = receive(&w, NULL, 0, ESOCK_OP_AGAIN);
    give(&w, &op);
    put(w.b, "");
    came(&w, next(w.q), "");
    put(w.b, "x");
    came(&w, next(w.q), "x");
    end(&w);
}

/* Messages of several peers come with their senders, up to 32 in a call. */
static void messages_come_with_their_senders(void **state) {
    struct world w;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    esock_addr to, names[2];
    esock_result r[64];
    esock *server, *peers[2];
    esock_member *m;
    begin(&w);
    esock_buffers *b = esock_queue_buffers(w.q);
    assert_int_equal(esock_open(&server, AF_INET, SOCK_DGRAM, 0, &w.k.sys), 0);
    esock_addr_decode((struct sockaddr_storage *)&in, sizeof in, &to);
    assert_int_equal(esock_bind(server, &to), 0);
    assert_int_equal(esock_queue_add(w.q, server, &m), 0);
    esock_op op = {.kind = ESOCK_OP_RECVFROM, .flags = ESOCK_OP_AGAIN, .member = m};
    give(&w, &op);
    nothing_comes(w.q);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(esock_open(&peers[i], AF_INET, SOCK_DGRAM, 0, &w.k.sys), 0);
        assert_int_equal(esock_bind(peers[i], &to), 0);
        assert_int_equal(esock_sockname(peers[i], &names[i]), 0);
    }
    assert_int_equal(esock_sockname(server, &to), 0);
    for (int i = 0; i < 40; i++)
        assert_int_equal(esock_sendto(peers[i % 2], &(char){(char)i}, 1, 0, 0, &to), 1);
    for (int i = 0, n; i < 40; i += n) {
        n = esock_queue_wait(w.q, r, 64, WAIT_MS);
        assert_int_equal(n, i == 0 ? 32 : 8);
        for (int j = 0; j < n; j++) {
            assert_int_equal(r[j].n, 1);
            assert_int_equal(b->base[r[j].buffer * b->size], i + j);
            assert_int_equal(b->senders[r[j].buffer].port, names[(i + j) % 2].port);
            assert_memory_equal(b->senders[r[j].buffer].ip, names[0].ip, 4);
            b->stack[b->free++] = r[j].buffer;
        }
    }
    nothing_comes(w.q);
    assert_int_equal(esock_queue_remove(w.q, m), 1);
    shut(server);
    shut(peers[0]);
    shut(peers[1]);
    end(&w);
}

/* A receive that finds no buffer waits for one, and does not keep sends of the same socket waiting. */
static void a_receive_waits_for_a_buffer(void **state) {
    struct world w;
    begin_with(&w, &(esock_queue_config){.buffers = 1, .buffer_size = 64}, SOCK_STREAM);
    esock_buffers *b = esock_queue_buffers(w.q);
    esock_op op = receive(&w, NULL, 0, ESOCK_OP_AGAIN);
    give(&w, &op);
    assert_int_equal(b->free, 1);
    b->free = 0;
    uint32_t mine = b->stack[0];
    put(w.b, "data");
    nothing_comes(w.q);
    assert_true(esock_queue_idle(w.q));
    esock_op reply = transmit(&w, "reply", 5, 0);
    give(&w, &reply);
    assert_ptr_equal(next(w.q).op, &reply);
    nothing_comes(w.q);
    b->stack[b->free++] = mine;
    assert_false(esock_queue_idle(w.q));
    came(&w, next(w.q), "data");
    end(&w);
}

static void a_buffer_is_filled_more_than_once(void **state) {
    struct world w;
    char data[200];
    begin_with(&w, &(esock_queue_config){.buffers = 8, .buffer_size = 64}, TCP_PAIR);
    memset(data, 'x', sizeof data);
    assert_int_equal(esock_send(w.b, data, sizeof data, 0, 0), sizeof data);
    esock_op op = receive(&w, NULL, 0, ESOCK_OP_AGAIN);
    give(&w, &op);
    size_t got = 0;
    while (got < sizeof data) {
        esock_result r = next(w.q);
        assert_true(r.n > 0 && r.n <= 64);
        got += (size_t)r.n;
    }
    assert_int_equal(got, sizeof data);
    nothing_comes(w.q);
    end(&w);
}

static void a_send_goes_on_until_all_is_sent(void **state) {
    struct world w;
    static char data[1 << 20], got[sizeof data + 3];
    begin(&w);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 31 + (i >> 8));
    esock_op op = transmit(&w, data, sizeof data, 0), after = transmit(&w, "end", 3, 0);
    give(&w, &op);
    give(&w, &after);
    nothing_comes(w.q); /* more than the kernel takes at once */
    size_t n = 0;
    esock_result r[2] = {{0}};
    int results = 0;
    while (n < sizeof got || results < 2) {
        ssize_t k = esock_recv(w.b, got + n, sizeof got - n, 0, 0);
        if (k > 0) n += (size_t)k;
        if (results < 2) results += esock_queue_wait(w.q, r + results, 2 - results, 0);
    }
    assert_ptr_equal(r[0].op, &op);
    assert_int_equal(r[0].n, sizeof data);
    assert_ptr_equal(r[1].op, &after); /* in order */
    assert_memory_equal(got, data, sizeof data);
    assert_memory_equal(got + sizeof data, "end", 3);
    end(&w);
}

static void a_quiet_send_gives_its_buffer_back(void **state) {
    struct world w;
    begin(&w);
    esock_buffers *b = esock_queue_buffers(w.q);
    uint32_t free = b->free;
    uint32_t i = b->stack[--b->free];
    unsigned char *at = b->base + i * b->size;
    esock_op *op = (esock_op *)at; /* the operation may lie in the buffer itself */
    *op = transmit(&w, at + sizeof *op, 5, ESOCK_OP_QUIET | ESOCK_OP_BUFFER);
    memcpy(at + sizeof *op, "hello", 5);
    give(&w, op);
    nothing_comes(w.q);
    take(w.b, "hello");
    assert_int_equal(b->free, free);
    assert_int_equal(b->stack[free - 1], i);
    /* One that fails has a result, and the buffer stays with the caller. */
    b->free--;
    *op = transmit(&w, at + sizeof *op, 5, ESOCK_OP_QUIET | ESOCK_OP_BUFFER);
    shut(w.b);
    w.b = NULL;
    give(&w, op);
    assert_int_equal(next(w.q).n, -EPIPE);
    assert_int_equal(b->free, free - 1);
    b->stack[b->free++] = i;
    end(&w);
}

static void messages_are_sent_from_several_buffers(void **state) {
    struct world w;
    static char big[1 << 20];
    begin(&w);
    memset(big, 'b', sizeof big);
    struct iovec iov[] = {{"head", 4}, {"", 0}, {big, sizeof big}, {"tail", 4}};
    esock_op_msg msg = {.iov = iov, .iovlen = LEN(iov)};
    esock_op op = {.kind = ESOCK_OP_SENDMSG, .member = w.m, .msg = &msg};
    script_cut(&w.k, K_SENDMSG, 2); /* a short one in the middle of a buffer */
    give(&w, &op);
    static char got[sizeof big + 8];
    size_t n = 0;
    esock_result r = {0};
    int results = 0;
    while (n < sizeof got || results == 0) {
        ssize_t k = esock_recv(w.b, got + n, sizeof got - n, 0, 0);
        if (k > 0) n += (size_t)k;
        results += esock_queue_wait(w.q, &r, 1, 0);
    }
    assert_int_equal(r.n, sizeof got);
    assert_memory_equal(got, "headbb", 6);
    assert_memory_equal(got + sizeof got - 5, "btail", 5);
    end(&w);
}

static void files_are_sent(void **state) {
    struct world w;
    char path[] = "/tmp/esock-queue-XXXXXX";
    begin(&w);
    int file = mkstemp(path);
    assert_true(file >= 0);
    unlink(path);
    assert_int_equal(write(file, "0123456789", 10), 10);
    esock_op op = {.kind = ESOCK_OP_SENDFILE, .member = w.m, .in_fd = file, .offset = 2, .len = 3};
    give(&w, &op);
    assert_int_equal(next(w.q).n, 3);
    take(w.b, "234");
    op = (esock_op){.kind = ESOCK_OP_SENDFILE, .member = w.m, .in_fd = file, .offset = 5};
    give(&w, &op);
    assert_int_equal(next(w.q).n, 5); /* to the end of the file */
    take(w.b, "56789");
    assert_int_equal(op.offset, 10);
    op = (esock_op){.kind = ESOCK_OP_SENDFILE, .member = w.m, .in_fd = file, .offset = 8, .len = 9};
    give(&w, &op);
    assert_int_equal(next(w.q).n, 2); /* the file is shorter */
    take(w.b, "89");
    assert_int_equal(esock_sendfile_counters_of(w.a)->value[ESOCK_SENDFILE_MAX_OP], 5);
    close(file);
    end(&w);
}

/* What a file's operation has sent is counted also if it is taken back, or its member leaves. */
static void a_part_of_a_file_is_counted(void **state) {
    for (int leaves = 0; leaves < 2; leaves++) {
        struct world w;
        char path[] = "/tmp/esock-queue-XXXXXX";
        begin(&w);
        int file = mkstemp(path);
        assert_true(file >= 0);
        unlink(path);
        assert_int_equal(ftruncate(file, 16 << 20), 0);
        esock_op op = {.kind = ESOCK_OP_SENDFILE, .member = w.m, .in_fd = file, .len = 16 << 20};
        give(&w, &op);
        nothing_comes(w.q); /* nobody reads */
        assert_true(op.done > 0);
        const esock_sendfile_counters *c = esock_sendfile_counters_of(w.a);
        assert_int_equal(c->value[ESOCK_SENDFILE_MAX_OP], 0);
        if (leaves) {
            assert_int_equal(esock_queue_remove(w.q, w.m), 1);
            assert_int_equal(esock_queue_add(w.q, w.a, &w.m), 0);
        } else {
            assert_int_equal(esock_queue_cancel(w.q, &op), 0);
        }
        assert_int_equal(c->value[ESOCK_SENDFILE_MAX_OP], op.done);
        close(file);
        end(&w);
    }
}

static void operations_can_be_taken_back(void **state) {
    struct world w;
    char buf[3][4];
    begin(&w);
    esock_op op[3];
    for (int i = 0; i < 3; i++) {
        op[i] = receive(&w, buf[i], 4, 0);
        give(&w, &op[i]);
    }
    nothing_comes(w.q);
    assert_int_equal(esock_queue_cancel(w.q, &op[1]), 0);
    assert_int_equal(esock_queue_cancel(w.q, &op[1]), -ENOENT);
    put(w.b, "ab");
    assert_ptr_equal(next(w.q).op, &op[0]);
    nothing_comes(w.q);
    give(&w, &op[1]); /* behind the third now */
    put(w.b, "cd");
    assert_ptr_equal(next(w.q).op, &op[2]);
    assert_int_equal(esock_queue_cancel(w.q, &op[1]), 0);
    put(w.b, "ef");
    nothing_comes(w.q);
    give(&w, &op[0]);
    assert_int_equal(next(w.q).n, 2);
    end(&w);
}

static void the_last_in_line_can_be_taken_back(void **state) {
    struct world w;
    char a[4], b[4], c[4];
    begin(&w);
    esock_op first = receive(&w, a, 4, 0), second = receive(&w, b, 4, 0),
             third = receive(&w, c, 4, 0);
    give(&w, &first);
    give(&w, &second);
    assert_int_equal(esock_queue_cancel(w.q, &second), 0);
    give(&w, &third);
    put(w.b, "xxxxyy");
    assert_ptr_equal(next(w.q).op, &first);
    assert_ptr_equal(next(w.q).op, &third);
    end(&w);
}

static void leaving_ends_operations(void **state) {
    struct world w;
    char buf[4];
    begin(&w);
    esock_op in = receive(&w, buf, 4, 0), more = receive(&w, buf, 4, 0);
    give(&w, &in);
    give(&w, &more);
    assert_int_equal(esock_queue_free(w.q), -EBUSY);
    put(w.b, "x");
    assert_int_equal(esock_queue_remove(w.q, w.m), 2);
    nothing_comes(w.q);
    assert_int_equal(esock_queue_cancel(w.q, &in), -ENOENT);
    assert_int_equal(esock_queue_add(w.q, w.a, &w.m), 0); /* and it may come again */
    in.member = w.m;
    give(&w, &in);
    assert_int_equal(next(w.q).n, 1);
    end(&w);
}

static void a_listener_accepts_again_and_again(void **state) {
    struct script k;
    esock_queue *q;
    esock_addr at;
    esock_member *m;
    script_init(&k);
    make(&q, NULL, &k.sys);
    esock *l = bound(&k.sys, SOCK_STREAM, &at);
    assert_int_equal(esock_listen(l, 16), 0);
    assert_int_equal(esock_queue_add(q, l, &m), 0);
    esock_op op = {.kind = ESOCK_OP_ACCEPT, .flags = ESOCK_OP_AGAIN, .member = m};
    assert_int_equal(esock_queue_give(q, &op), 0);
    nothing_comes(q);
    esock *c[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(esock_open(&c[i], AF_INET, SOCK_STREAM, 0, NULL), 0);
        int r = esock_connect(c[i], &at);
        assert_true(r == 0 || r == -EINPROGRESS);
        await(esock_fd(c[i]), POLLOUT);
    }
    for (int i = 0; i < 3; i++) {
        esock_result r = next(q);
        assert_int_equal(r.n, 0);
        assert_int_equal(r.flags, ESOCK_RESULT_MORE);
        assert_non_null(r.accepted);
        shut(r.accepted);
    }
    nothing_comes(q);
    /* A connection that went away does not end it, too few descriptors do. */
    assert_int_equal(esock_queue_cancel(q, &op), 0);
    assert_int_equal(esock_queue_give(q, &op), 0);
    script_answer(&k, work(K_ACCEPT4), -ECONNABORTED);
    script_answer(&k, work(K_ACCEPT4), -EMFILE);
    esock *d;
    assert_int_equal(esock_open(&d, AF_INET, SOCK_STREAM, 0, NULL), 0);
    int r = esock_connect(d, &at);
    assert_true(r == 0 || r == -EINPROGRESS);
    esock_result res = next(q);
    assert_int_equal(res.n, -ECONNABORTED);
    assert_int_equal(res.flags, ESOCK_RESULT_MORE);
    res = next(q);
    assert_int_equal(res.n, -EMFILE);
    assert_int_equal(res.flags, 0);
    assert_int_equal(esock_queue_give(q, &op), 0); /* given again it finds the connection */
    res = next(q);
    assert_int_equal(res.n, 0);
    shut(res.accepted);
    esock_queue_remove(q, m);
    shut(d);
    for (int i = 0; i < 3; i++)
        shut(c[i]);
    shut(l);
    assert_int_equal(esock_queue_free(q), 0);
    assert_true(script_used_up(&k));
}

static void a_connection_is_made_and_used(void **state) {
    struct script k;
    esock_queue *q;
    esock_addr at;
    esock_member *m;
    script_init(&k);
    make(&q, NULL, &k.sys);
    esock *l = bound(NULL, SOCK_STREAM, &at), *c, *s;
    assert_int_equal(esock_listen(l, 16), 0);
    assert_int_equal(esock_open(&c, AF_INET, SOCK_STREAM, 0, &k.sys), 0);
    assert_int_equal(esock_queue_add(q, c, &m), 0);
    nothing_comes(q); /* an unconnected socket reports a hang-up, which must not count later */
    esock_op op = {.kind = ESOCK_OP_CONNECT, .member = m, .addr = &at};
    esock_op hello = {.kind = ESOCK_OP_SEND, .member = m, .buf = "hello", .len = 5};
    assert_int_equal(esock_queue_give(q, &op), 0);
    assert_int_equal(esock_queue_give(q, &hello), 0);
    esock_result r = next(q);
    assert_ptr_equal(r.op, &op);
    assert_int_equal(r.n, 0);
    r = next(q);
    assert_ptr_equal(r.op, &hello);
    assert_int_equal(r.n, 5);
    await(esock_fd(l), POLLIN);
    assert_int_equal(esock_accept(l, 0, &s, NULL), 0);
    take(s, "hello");
    esock_op in = {.kind = ESOCK_OP_RECV, .flags = ESOCK_OP_AGAIN, .member = m};
    assert_int_equal(esock_queue_give(q, &in), 0);
    nothing_comes(q);
    unsigned before = script_count(&k, work(K_RECV));
    put(s, "hi");
    assert_int_equal(next(q).n, 2);
    nothing_comes(q); /* the short receive is believed */
    assert_int_equal(script_count(&k, work(K_RECV)) - before, engine == ESOCK_QUEUE_EPOLL);
    shut(s);
    assert_int_equal(next(q).n, 0);
    esock_queue_remove(q, m);
    shut(c);
    shut(l);
    assert_int_equal(esock_queue_free(q), 0);
}

static void a_refused_connection_is_reported(void **state) {
    esock_queue *q;
    esock_addr at;
    esock_member *m;
    esock *free_port = bound(NULL, SOCK_STREAM, &at), *c;
    make(&q, NULL, NULL);
    assert_int_equal(esock_open(&c, AF_INET, SOCK_STREAM, 0, NULL), 0);
    assert_int_equal(esock_queue_add(q, c, &m), 0);
    esock_op op = {.kind = ESOCK_OP_CONNECT, .member = m, .addr = &at};
    assert_int_equal(esock_queue_give(q, &op), 0);
    assert_int_equal(next(q).n, -ECONNREFUSED);
    esock_queue_remove(q, m);
    shut(c);
    shut(free_port);
    assert_int_equal(esock_queue_free(q), 0);
}

static esock_result last_of(esock_queue *q) {
    esock_result r;
    do
        r = next(q);
    while (r.flags & ESOCK_RESULT_MORE);
    return r;
}

/* A receive that stops at a boundary has not emptied the socket: descriptors on unix sockets, urgent data on TCP. */
static void boundaries_are_not_the_end_of_the_data(void **state) {
    struct world w;
    begin(&w);
    esock_op op = receive(&w, NULL, 0, ESOCK_OP_AGAIN);
    give(&w, &op);
    nothing_comes(w.q);
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.h = {.cmsg_len = CMSG_LEN(sizeof(int)),
                       .cmsg_level = SOL_SOCKET,
                       .cmsg_type = SCM_RIGHTS}};
    int fd = esock_fd(w.a);
    memcpy(CMSG_DATA(&control.h), &fd, sizeof fd);
    assert_int_equal(esock_sendmsg(w.b, "1", 1, 0, 0, NULL, control.room, sizeof control.room), 1);
    put(w.b, "2");
    put(w.b, "3");
    shut(w.b);
    w.b = NULL;
    came(&w, next(w.q), "1");
    came(&w, next(w.q), "23");
    assert_int_equal(last_of(w.q).n, 0);
    end(&w);
}

static void urgent_data_is_a_boundary(void **state) {
    struct world w;
    begin_tcp(&w);
    esock_op op = receive(&w, NULL, 0, ESOCK_OP_AGAIN);
    give(&w, &op);
    nothing_comes(w.q);
    assert_int_equal(esock_send(w.b, "abU", 3, MSG_OOB, 0), 3);
    put(w.b, "cd");
    size_t got = 0, all = 4;
    while (got < all) {
        esock_result r = next(w.q);
        assert_true(r.n > 0);
        got += (size_t)r.n;
        esock_queue_buffers(w.q)->free++;
        if (engine == ESOCK_QUEUE_URING && all == 4) { /* Linux may look behind it only then */
            put(w.b, "ef");
            all += 2;
        }
    }
    end(&w);
}

/* A plain TCP receive that leaves room costs no second system call, and with a ring none at all. */
static void a_short_receive_is_believed(void **state) {
    struct world w;
    begin_tcp(&w);
    esock_op op = receive(&w, NULL, 0, ESOCK_OP_AGAIN);
    give(&w, &op);
    nothing_comes(w.q);
    unsigned before = script_count(&w.k, work(K_RECV));
    put(w.b, "abc");
    came(&w, next(w.q), "abc");
    nothing_comes(w.q);
    assert_int_equal(script_count(&w.k, work(K_RECV)) - before, engine == ESOCK_QUEUE_EPOLL);
    put(w.b, "def"); /* and what comes after is seen */
    came(&w, next(w.q), "def");
    put(w.b, "ghi");
    shut(w.b);
    w.b = NULL;
    came(&w, next(w.q), "ghi");
    assert_int_equal(last_of(w.q).n, 0);
    end(&w);
}

static void a_busy_socket_does_not_keep_others_out(void **state) {
    struct world w;
    begin_with(&w, &(esock_queue_config){.buffers = 64, .buffer_size = 64}, TCP_PAIR);
    esock *c, *d;
    esock_member *n;
    static char flood[4096];
    tcp_pair(NULL, &d, &c);
    assert_int_equal(esock_queue_add(w.q, c, &n), 0);
    esock_op busy = receive(&w, NULL, 0, ESOCK_OP_AGAIN);
    esock_op quiet = {.kind = ESOCK_OP_RECV, .flags = ESOCK_OP_AGAIN, .member = n};
    give(&w, &busy);
    give(&w, &quiet);
    nothing_comes(w.q);
    assert_int_equal(esock_send(w.b, flood, sizeof flood, 0, 0), sizeof flood);
    put(d, "me too");
    esock_result r[8];
    bool seen = false;
    for (int turns = 0; turns < 4 && !seen; turns++) {
        int k = esock_queue_wait(w.q, r, 1, 0);
        for (int i = 0; i < k; i++) {
            drop_buffer(w.q, &r[i]);
            seen = seen || r[i].op == &quiet;
        }
    }
    assert_true(seen);
    esock_queue_remove(w.q, n);
    shut(c);
    shut(d);
    end(&w);
}

/* So the caller can end a repeated receive when it has enough. */
static void a_call_gives_a_socket_one_turn(void **state) {
    struct world w;
    char all[64 * 6];
    begin_with(&w, &(esock_queue_config){.buffers = 16, .buffer_size = 64}, TCP_PAIR);
    esock_op op = receive(&w, NULL, 0, ESOCK_OP_AGAIN);
    esock_result r[8];
    give(&w, &op);
    nothing_comes(w.q);
    memset(all, 'x', sizeof all);
    for (int round = 0; round < 4; round++) { /* some is kept when more comes */
        assert_int_equal(esock_send(w.b, all, sizeof all, 0, 0), sizeof all);
        for (int calls = 0; calls < 3; calls++) {
            int n = esock_queue_wait(w.q, r, 8, 0);
            assert_in_range(n, 0, 1);
            if (n > 0) drop_buffer(w.q, &r[0]);
        }
    }
    end(&w);
}

/* Data and the end behind it may wake the receiver once. */
static void an_end_right_behind_data_comes(void **state) {
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, TCP_PAIR};
    esock_queue *q;
    make(&q, NULL, NULL);
    for (int round = 0; round < 300; round++) {
        esock *a, *b;
        esock_member *m;
        int type = types[round % 3];
        if (type == TCP_PAIR)
            tcp_pair(NULL, &b, &a);
        else
            unix_pair(NULL, type, &a, &b);
        assert_int_equal(esock_queue_add(q, a, &m), 0);
        esock_op op = {.kind = ESOCK_OP_RECV, .flags = ESOCK_OP_AGAIN, .member = m};
        assert_int_equal(esock_queue_give(q, &op), 0);
        esock_result r = {.n = 1};
        assert_int_equal(esock_queue_wait(q, &r, 1, 0), 0);
        put(b, "x");
        if (round % 2 == 0)
            assert_int_equal(esock_shutdown(b, SHUT_WR), 0);
        else
            shut(b);
        for (int waits = 0; r.n > 0;
             waits++) { /* the data and the end, perhaps a turn without a result */
            assert_in_range(waits, 0, 9);
            if (esock_queue_wait(q, &r, 1, 1000) == 1 && r.n > 0) drop_buffer(q, &r);
        }
        assert_int_equal(r.n, type == SOCK_SEQPACKET ? -ESHUTDOWN : 0);
        assert_int_equal(esock_queue_remove(q, m), 0);
        shut(a);
        if (round % 2 == 0) shut(b);
    }
    assert_int_equal(esock_queue_free(q), 0);
}

static void *wake_it(void *q) {
    assert_int_equal(esock_queue_wake(q), 0);
    return NULL;
}

/* More events than the queue takes at once, or more requests than a ring does, keep it from sleeping. */
static void a_queue_asks_for_the_rest(void **state) {
    enum { MANY = 150 }; /* pairs; twice as many members, each with one event */
    struct world w;
    struct {
        esock *s[2];
        esock_member *m[2];
    } pairs[MANY];
    static esock_op ops[MANY][2];
    begin(&w);
    for (int i = 0; i < MANY; i++) {
        unix_pair(&w.k.sys, SOCK_STREAM, &pairs[i].s[0], &pairs[i].s[1]);
        for (int j = 0; j < 2; j++) {
            assert_int_equal(esock_queue_add(w.q, pairs[i].s[j], &pairs[i].m[j]), 0);
            ops[i][j] =
                (esock_op){.kind = ESOCK_OP_RECV, .flags = ESOCK_OP_AGAIN, .member = pairs[i].m[j]};
            assert_int_equal(esock_queue_give(w.q, &ops[i][j]), 0);
        }
    }
    esock_result r;
    if (engine == ESOCK_QUEUE_EPOLL) assert_int_equal(esock_queue_wait(w.q, &r, 1, 0), 0);
    assert_false(esock_queue_idle(w.q));
    nothing_comes(w.q);
    for (int i = 0; i < MANY; i++)
        put(pairs[i].s[1 - i % 2], "x");
    for (int i = 0; i < MANY; i++) {
        r = next(w.q);
        assert_int_equal(r.n, 1);
        esock_queue_buffers(w.q)->stack[esock_queue_buffers(w.q)->free++] = r.buffer;
    }
    nothing_comes(w.q);
    for (int i = 0; i < MANY; i++)
        for (int j = 0; j < 2; j++) {
            esock_queue_remove(w.q, pairs[i].m[j]);
            shut(pairs[i].s[j]);
        }
    end(&w);
}

static void another_thread_ends_a_wait(void **state) {
    esock_queue *q;
    pthread_t t;
    esock_result r;
    make(&q, NULL, NULL); /* a script serves one thread */
    assert_int_equal(pthread_create(&t, NULL, wake_it, q), 0);
    assert_int_equal(esock_queue_wait(q, &r, 1, WAIT_MS), 0);
    pthread_join(t, NULL);
    struct pollfd p = {.fd = esock_queue_fd(q), .events = POLLIN};
    esock_queue_wait(q, &r, 1, 0);
    assert_int_equal(poll(&p, 1, 0), 0); /* the wake-up has been used up */
    assert_int_equal(esock_queue_wake(q), 0);
    assert_int_equal(poll(&p, 1, 0), 1);
    assert_int_equal(esock_queue_wait(q, &r, 1, WAIT_MS), 0);
    assert_int_equal(esock_queue_free(q), 0);
}

static void wrong_operations_are_refused(void **state) {
    struct world w;
    char buf[4];
    begin(&w);
    esock_op op = receive(&w, buf, 4, 0);
    assert_int_equal(esock_queue_give(w.q, NULL), -EFAULT);
    assert_int_equal(esock_queue_cancel(w.q, NULL), -EFAULT);
    op.member = NULL;
    assert_int_equal(esock_queue_give(w.q, &op), -EINVAL);
    op = receive(&w, NULL, 4, 0);
    assert_int_equal(esock_queue_give(w.q, &op), -EFAULT);
    op = receive(&w, buf, 4, ESOCK_OP_QUIET);
    assert_int_equal(esock_queue_give(w.q, &op), -EINVAL);
    op = receive(&w, buf, 4, ESOCK_OP_AGAIN | ESOCK_OP_FULL);
    assert_int_equal(esock_queue_give(w.q, &op), -EINVAL);
    op = transmit(&w, buf, 4, ESOCK_OP_BUFFER); /* not one of the queue's */
    assert_int_equal(esock_queue_give(w.q, &op), -EINVAL);
    esock_buffers *b = esock_queue_buffers(w.q);
    op = transmit(&w, b->base + 1, b->size, ESOCK_OP_BUFFER); /* into the next one */
    assert_int_equal(esock_queue_give(w.q, &op), -EINVAL);
    for (int kind = 0; kind < 256; kind++) {
        op = (esock_op){.kind = (uint8_t)kind, .member = w.m};
        bool needs = kind == ESOCK_OP_RECVFROM || kind == ESOCK_OP_RECVMSG ||
                     kind == ESOCK_OP_SENDTO || kind == ESOCK_OP_SENDMSG ||
                     kind == ESOCK_OP_CONNECT;
        if (needs) assert_int_equal(esock_queue_give(w.q, &op), -EFAULT);
        if (kind == 0 || kind > ESOCK_OP_CONNECT)
            assert_int_equal(esock_queue_give(w.q, &op), -EINVAL);
    }
    esock_result r;
    assert_int_equal(esock_queue_wait(w.q, NULL, 1, 0), -EFAULT);
    assert_int_equal(esock_queue_wait(w.q, &r, 0, 0), -EINVAL);
    assert_int_equal(esock_queue_add(w.q, w.a, NULL), -EFAULT);
    esock_member *twice;
    int r2 = esock_queue_add(w.q, w.a, &twice);
    assert_int_equal(r2, engine == ESOCK_QUEUE_EPOLL ? -EEXIST : 0);
    if (r2 == 0) esock_queue_remove(w.q, twice);
    end(&w);
}

static void a_queue_that_cannot_be_made_leaves_nothing(void **state) {
    struct script k;
    esock_queue *q = NULL;
    int before = script_open_fds();
    script_init(&k);
    assert_int_equal(esock_queue_new(NULL, NULL, NULL), -EFAULT);
    assert_int_equal(esock_queue_new(&q, &(esock_queue_config){.buffer_size = 100}, &k.sys),
                     -EINVAL);
    assert_int_equal(
        esock_queue_new(&q, &(esock_queue_config){.buffers = 1u << 20, .buffer_size = 1u << 16},
                        &k.sys),
        -EINVAL);
    script_answer(&k, K_EPOLL_CREATE, -EMFILE);
    assert_int_equal(esock_queue_new(&q, NULL, &k.sys), -EMFILE);
    script_answer(&k, K_EVENTFD, -ENFILE);
    assert_int_equal(esock_queue_new(&q, NULL, &k.sys), -ENFILE);
    script_answer(&k, K_EPOLL_CTL, -ENOSPC);
    assert_int_equal(esock_queue_new(&q, NULL, &k.sys), -ENOSPC);
    assert_null(q);
    assert_int_equal(script_open_fds(), before);
    assert_int_equal(esock_queue_free(NULL), 0);
}

static void signals_and_errors_of_the_wait(void **state) {
    struct world w;
    esock_result r;
    begin(&w);
    script_answer(&w.k, work(K_EPOLL_WAIT), -EINTR);
    assert_int_equal(esock_queue_wait(w.q, &r, 1, WAIT_MS), 0);
    script_answer(&w.k, work(K_EPOLL_WAIT), -EBADF);
    assert_int_equal(esock_queue_wait(w.q, &r, 1, WAIT_MS), -EBADF);
    end(&w);
}

/* ---- What differs between the engines, and must not be seen ---------------------------------- */

/* A repeated receive is taken back, and what has come meanwhile is not lost. */
static void what_has_come_is_kept(void **state) {
    struct world w;
    char buf[4] = "", first[65];
    begin_with(&w, &(esock_queue_config){.buffers = 8, .buffer_size = 64}, TCP_PAIR);
    esock_buffers *b = esock_queue_buffers(w.q);
    uint32_t free = b->free;
    esock_op op = receive(&w, NULL, 0, ESOCK_OP_AGAIN), once = receive(&w, buf, 3, 0);
    give(&w, &op);
    nothing_comes(w.q);
    assert_false(esock_queue_kept(w.q, w.m));
    memset(first, 'x', 64);
    first[64] = '\0';
    assert_int_equal(
        esock_sendmsgv(w.b, (struct iovec[]){{first, 64}, {"abcdefgh", 8}}, 2, 0, 0, NULL, NULL, 0),
        72);
    came(&w, next(w.q), first);
    assert_int_equal(esock_queue_cancel(w.q, &op), 0);
    assert_int_equal(esock_queue_kept(w.q, w.m), engine == ESOCK_QUEUE_URING);
    assert_int_equal(b->free, free); /* and keeps no buffers from others */
    nothing_comes(w.q);
    give(&w, &once);
    assert_int_equal(next(w.q).n, 3);
    assert_string_equal(buf, "abc");
    once.flags = ESOCK_OP_FULL; /* from what is kept, and then from the socket */
    once.len = 4;
    give(&w, &once);
    assert_int_equal(next(w.q).n, 4);
    assert_memory_equal(buf, "defg", 4);
    give(&w, &op);
    came(&w, next(w.q), "h");
    assert_false(esock_queue_kept(w.q, w.m));
    nothing_comes(w.q);
    shut(w.b); /* the end is kept too */
    w.b = NULL;
    assert_int_equal(esock_queue_cancel(w.q, &op), 0);
    assert_int_equal(b->free, free);
    give(&w, &op);
    assert_int_equal(next(w.q).n, 0);
    assert_int_equal(b->free, free);
    end(&w);
}

/* A queue that has more to give to the kernel is not idle. */
static void a_part_that_was_sent_is_not_the_end(void **state) {
    struct world w;
    static char big[4 << 20];
    begin(&w);
    esock_op out = transmit(&w, big, sizeof big, 0);
    give(&w, &out);
    assert_int_equal(esock_queue_wait(w.q, &(esock_result){0}, 1, 0), 0);
    assert_true(out.done > 0 && out.done < sizeof big);
    assert_int_equal(esock_queue_idle(w.q), 0);
    nothing_comes(w.q);
    end(&w);
}

static void messages_are_kept_whole(void **state) {
    struct world w;
    char buf[8];
    begin_with(&w, &(esock_queue_config){.buffers = 8, .buffer_size = 64}, SOCK_DGRAM);
    esock_op op = receive(&w, NULL, 0, ESOCK_OP_AGAIN);
    esock_op_msg msg = {0};
    esock_addr from;
    esock_op once = {
        .kind = ESOCK_OP_RECVMSG, .member = w.m, .buf = buf, .len = sizeof buf, .msg = &msg};
    give(&w, &op);
    nothing_comes(w.q);
    put(w.b, "zero");
    put(w.b, "longer than the room");
    put(w.b, "two");
    put(w.b, "");
    put(w.b, "four");
    came(&w, next(w.q), "zero");
    assert_int_equal(esock_queue_cancel(w.q, &op), 0);
    assert_int_equal(esock_queue_kept(w.q, w.m), engine == ESOCK_QUEUE_URING);
    give(&w, &once);
    assert_int_equal(next(w.q).n, sizeof buf);
    assert_memory_equal(buf, "longer t", sizeof buf);
    assert_true(msg.out.flags & MSG_TRUNC);
    once.kind = ESOCK_OP_RECVFROM;
    once.addr = &from;
    give(&w, &once);
    assert_int_equal(next(w.q).n, 3);
    assert_memory_equal(buf, "two", 3);
    once.kind = ESOCK_OP_RECV;
    give(&w, &once);
    esock_result r = next(w.q);
    assert_int_equal(r.n, 0);
    assert_int_equal(r.flags, 0);
    give(&w, &op);
    came(&w, next(w.q), "four");
    nothing_comes(w.q);
    end(&w);
}

/* The same traffic counts the same. */
static void the_counters_do_not_tell_the_engine(void **state) {
    static uint64_t of_epoll[ESOCK_COUNTERS];
    struct world w;
    char buf[8];
    begin(&w);
    esock_op in = receive(&w, buf, 4, ESOCK_OP_FULL), out = transmit(&w, "hello", 5, 0);
    give(&w, &in);
    give(&w, &out);
    nothing_comes_but(w.q, 1);
    take(w.b, "hello");
    put(w.b, "ab");
    nothing_comes(w.q);
    put(w.b, "cdef");
    assert_int_equal(next(w.q).n, 4);
    in.flags = 0;
    in.len = sizeof buf;
    give(&w, &in);
    assert_int_equal(next(w.q).n, 2);
    give(&w, &in);
    nothing_comes(w.q);
    shut(w.b);
    w.b = NULL;
    assert_int_equal(next(w.q).n, 0);
    give(&w, &out);
    assert_int_equal(next(w.q).n, -EPIPE);
    for (int i = 0; i < ESOCK_COUNTERS; i++) {
        if (engine == ESOCK_QUEUE_EPOLL) of_epoll[i] = counter(w.a, (enum esock_counter)i);
        /* Between the halves of a full receive, and after it, the kernel waits by itself. */
        bool blind = i == ESOCK_READ_TRIES || i == ESOCK_READ_WAITS;
        uint64_t n = counter(w.a, (enum esock_counter)i);
        if (blind)
            assert_true(n <= of_epoll[i]);
        else
            assert_int_equal(n, of_epoll[i]);
    }
    end(&w);
}

/* More sockets have data than there are buffers, and than a ring has room for completions. */
static void crowd(unsigned completions, uint32_t buffers) {
    enum { MANY = 40 };
    struct world w;
    esock *c[MANY], *d[MANY];
    esock_member *m[MANY];
    esock_op ops[MANY];
    unsigned came_of[MANY] = {0}, all = 0;
    script_init(&w.k);
    w.k.completions = completions;
    make(&w.q, &(esock_queue_config){.buffers = buffers, .buffer_size = 64}, &w.k.sys);
    for (int i = 0; i < MANY; i++) {
        tcp_pair(&w.k.sys, &d[i], &c[i]);
        assert_int_equal(esock_queue_add(w.q, c[i], &m[i]), 0);
        ops[i] = (esock_op){
            .kind = ESOCK_OP_RECV, .flags = ESOCK_OP_AGAIN, .user = (uint64_t)i, .member = m[i]};
        assert_int_equal(esock_queue_give(w.q, &ops[i]), 0);
    }
    nothing_comes(w.q);
    static const char data[100];
    for (int rounds = 1; rounds <= 3; rounds++) {
        for (int i = 0; i < MANY; i++)
            assert_int_equal(esock_send(d[i], data, sizeof data, 0, 0), sizeof data);
        while (all < (unsigned)rounds * MANY * sizeof data) {
            esock_result r[8];
            int n = esock_queue_wait(w.q, r, LEN(r), WAIT_MS);
            assert_true(n >= 0);
            for (int i = 0; i < n; i++) {
                assert_true(r[i].n > 0 && r[i].flags & ESOCK_RESULT_BUFFER);
                came_of[r[i].user] += (unsigned)r[i].n;
                all += (unsigned)r[i].n;
                esock_queue_buffers(w.q)->stack[esock_queue_buffers(w.q)->free++] = r[i].buffer;
            }
        }
    }
    for (int i = 0; i < MANY; i++)
        assert_int_equal(came_of[i], 3 * sizeof data);
    for (int i = 0; i < MANY; i++) /* and they leave while there is more than fits */
        assert_int_equal(esock_send(d[i], data, sizeof data, 0, 0), sizeof data);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(esock_queue_remove(w.q, m[i]), 1);
        shut(c[i]);
        ssize_t n = esock_recv(d[i], (char[1]){0}, 1, 0, 0); /* nothing holds the other end */
        assert_true(n == 0 || n == -ECONNRESET);
        shut(d[i]);
    }
    assert_int_equal(esock_queue_buffers(w.q)->free, buffers);
    assert_int_equal(esock_queue_free(w.q), 0);
    assert_int_equal(w.k.blocks, 0);
    if (completions > 0) assert_int_equal(w.k.overflows > 0, engine == ESOCK_QUEUE_URING);
}

static void few_buffers_serve_many(void **state) {
    crowd(0, 4);
    crowd(0, 1);
}

static void completions_overflow(void **state) {
    crowd(2, 256);
    crowd(4, 8);
}

/* Operations are taken back while more of them are complete than a ring has room for: nothing comes of them any more, and
 * what they have moved is neither lost nor doubled. */
static void operations_are_taken_back_in_an_overflow(void **state) {
    enum { MANY = 24 };
    struct world w;
    esock *c[MANY], *d[MANY];
    esock_member *m[MANY];
    esock_op in[MANY], out[MANY];
    char bufs[MANY][8];
    size_t got[MANY] = {0}, all = 0;
    esock_result r;
    script_init(&w.k);
    w.k.completions = 2;
    make(&w.q, &(esock_queue_config){.buffers = 128, .buffer_size = 64}, &w.k.sys);
    esock_buffers *b = esock_queue_buffers(w.q);
    for (int i = 0; i < MANY; i++) {
        unix_pair(&w.k.sys, SOCK_STREAM, &c[i], &d[i]);
        assert_int_equal(esock_queue_add(w.q, c[i], &m[i]), 0);
        in[i] = (esock_op){.kind = ESOCK_OP_RECV, .user = (uint64_t)i, .member = m[i]};
        in[i].flags = i % 2 == 0 ? ESOCK_OP_AGAIN : 0;
        in[i].buf = bufs[i];
        in[i].len = sizeof bufs[i];
        out[i] = (esock_op){.kind = ESOCK_OP_SEND, .member = m[i], .buf = "x", .len = 1};
        assert_int_equal(esock_queue_give(w.q, &in[i]), 0);
    }
    nothing_comes(w.q);
    w.k.overflows = 0;
    for (int i = 0; i < MANY; i++) {
        put(d[i], "ab");
        assert_int_equal(esock_queue_give(w.q, &out[i]), 0);
    }
    const esock_op *ended = NULL;
    if (esock_queue_wait(w.q, &r, 1, 0) == 1) { /* one result, and the rest is left */
        ended = r.flags & ESOCK_RESULT_MORE ? NULL : r.op;
        if (r.flags & ESOCK_RESULT_BUFFER) b->stack[b->free++] = r.buffer;
        if (r.op == &in[r.user]) got[r.user] += (size_t)r.n;
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(esock_queue_cancel(w.q, &in[i]), ended == &in[i] ? -ENOENT : 0);
        assert_int_equal(esock_queue_cancel(w.q, &out[i]), ended == &out[i] ? -ENOENT : 0);
        if (ended != &in[i]) got[i] += in[i].done;
        char sent[2];
        ssize_t n = esock_recv(d[i], sent, sizeof sent, 0, 0);
        assert_int_equal(n, out[i].done > 0 ? 1 : -EAGAIN);
    }
    if (engine == ESOCK_QUEUE_URING) assert_true(w.k.overflows > 0);
    nothing_comes(w.q);
    for (int i = 0; i < MANY; i++) {
        in[i] = (esock_op){.kind = ESOCK_OP_RECV, .user = (uint64_t)i, .member = m[i]};
        in[i].flags = ESOCK_OP_AGAIN;
        assert_int_equal(esock_queue_give(w.q, &in[i]), 0);
        all += got[i];
    }
    for (; all < 2 * MANY; all += (size_t)r.n) {
        r = next(w.q);
        assert_true(r.n > 0);
        got[r.user] += (size_t)r.n;
        b->stack[b->free++] = r.buffer;
    }
    nothing_comes(w.q);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(got[i], 2);
        assert_int_equal(esock_queue_remove(w.q, m[i]), 1);
        shut(c[i]);
        shut(d[i]);
    }
    assert_int_equal(b->free, 128);
    assert_int_equal(esock_queue_free(w.q), 0);
    assert_int_equal(w.k.blocks, 0);
}

/* The kernel's own refusal, when the process has no descriptor left; the connection waits. */
static void a_repeated_accept_without_descriptors(void **state) {
    struct rlimit limit;
    esock_queue *q;
    esock_addr at;
    esock_member *m;
    make(&q, NULL, NULL);
    esock *l = bound(NULL, SOCK_STREAM, &at);
    assert_int_equal(esock_listen(l, 16), 0);
    assert_int_equal(esock_queue_add(q, l, &m), 0);
    esock_op op = {.kind = ESOCK_OP_ACCEPT, .flags = ESOCK_OP_AGAIN, .member = m};
    assert_int_equal(esock_queue_give(q, &op), 0);
    nothing_comes(q);
    esock *c = client(NULL, &at);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    esock_result r = {0};
    int n;
    while ((n = esock_queue_wait(q, &r, 1, WAIT_MS)) == 0) {
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(n, 1);
    if (r.n == 0) { /* the kernel had taken it before */
        assert_int_equal(engine, ESOCK_QUEUE_URING);
        assert_int_equal(esock_queue_cancel(q, &op), 0);
    } else {
        assert_int_equal(r.n, -EMFILE);
        assert_int_equal(r.flags, 0);
        assert_int_equal(esock_queue_cancel(q, &op), -ENOENT);
        assert_int_equal(esock_queue_give(q, &op), 0);
        r = next(q);
        assert_int_equal(r.n, 0);
        assert_int_equal(esock_queue_cancel(q, &op), 0);
    }
    shut(r.accepted);
    esock_queue_remove(q, m);
    shut(c);
    shut(l);
    assert_int_equal(esock_queue_free(q), 0);
}

/* What the kernel does not do at once, or gives up, is done all the same. */
static void operations_survive_the_kernels_moods(void **state) {
    static const int moods[] = {-EINTR, -EAGAIN, -ECANCELED};
    for (size_t i = 0; i < (engine == ESOCK_QUEUE_EPOLL ? 1 : LEN(moods)); i++) {
        struct world w;
        char buf[4];
        begin_tcp(&w);
        esock_op again = receive(&w, NULL, 0, ESOCK_OP_AGAIN), once = receive(&w, buf, 4, 0),
                 out = transmit(&w, "hello", 5, 0);
        script_times(&w.k, work(K_SEND), 1, moods[i]);
        give(&w, &out);
        assert_int_equal(next(w.q).n, 5);
        take(w.b, "hello");
        put(w.b, "one");
        script_times(&w.k, work(K_RECV), 1, moods[i]);
        give(&w, &once);
        assert_int_equal(next(w.q).n, 3);
        put(w.b, "two");
        script_times(&w.k, work(K_RECV), 1, moods[i]);
        give(&w, &again);
        came(&w, next(w.q), "two");
        put(w.b, "three");
        came(&w, next(w.q), "three");
        if (engine == ESOCK_QUEUE_URING) { /* the poll that the tries wait for is given up too */
            esock_queue_remove(w.q, w.m);
            assert_int_equal(esock_queue_add(w.q, w.a, &w.m), 0);
            script_times(&w.k, K_URING_POLL, 1, -ECANCELED);
            script_times(&w.k, K_URING_SEND, 1, -EAGAIN);
            out.member = w.m;
            give(&w, &out);
            assert_int_equal(next(w.q).n, 5);
            take(w.b, "hello");
        }
        shut(w.b);
        w.b = NULL;
        end(&w);
    }
}

/* An error of an operation is its result, and the queue goes on. */
static void errors_are_results(void **state) {
    struct world w;
    char buf[4];
    begin_tcp(&w);
    esock_op again = receive(&w, NULL, 0, ESOCK_OP_AGAIN), once = receive(&w, buf, 4, 0),
             out = transmit(&w, "hello", 5, 0);
    put(w.b, "x");
    script_answer(&w.k, work(K_RECV), -ECONNRESET);
    give(&w, &once);
    assert_int_equal(next(w.q).n, -ECONNRESET);
    script_answer(&w.k, work(K_RECV), -ENOMEM);
    give(&w, &again);
    esock_result r = next(w.q);
    assert_int_equal(r.n, -ENOMEM);
    assert_int_equal(r.flags, 0);
    script_answer(&w.k, work(K_SEND), -ENOBUFS);
    give(&w, &out);
    assert_int_equal(next(w.q).n, -ENOBUFS);
    give(&w, &again);
    came(&w, next(w.q), "x");
    end(&w);
}

/* A short send goes on, and shows how far it is. */
static void a_send_shows_its_progress(void **state) {
    struct world w;
    static char big[4 << 20];
    begin(&w);
    esock_op out = transmit(&w, big, sizeof big, 0);
    script_cut(&w.k, work(K_SEND), 3);
    give(&w, &out);
    nothing_comes(w.q);
    size_t before = out.done;
    assert_true(before > 3);
    for (size_t got = 0; got < before + 1;) {
        char buf[4096];
        ssize_t n = esock_recv(w.b, buf, sizeof buf, 0, 0);
        if (n > 0)
            got += (size_t)n;
        else
            nothing_comes(w.q);
    }
    assert_true(out.done > before);
    assert_int_equal(esock_queue_cancel(w.q, &out), 0);
    assert_int_equal(out.state, 0);
    assert_int_equal(counter(w.a, ESOCK_WRITE_BYTE), out.done);
    end(&w);
}

/* The operations of a closed socket do not hold it: its peer sees the end. */
static void a_socket_that_left_can_close(void **state) {
    struct world w;
    static char big[4 << 20];
    char byte;
    int small = 1 << 16;
    begin_tcp(&w);
    /* So that the kernel does not take all of it. */
    assert_int_equal(setsockopt(esock_fd(w.a), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    assert_int_equal(setsockopt(esock_fd(w.b), SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    esock_op in = receive(&w, NULL, 0, ESOCK_OP_AGAIN), out = transmit(&w, big, sizeof big, 0);
    esock_op peek = {.kind = ESOCK_OP_RECV, .member = w.m, .buf = &byte, .len = 1};
    peek.msg_flags = MSG_PEEK; /* it is polled */
    give(&w, &peek);
    nothing_comes(w.q);
    assert_int_equal(esock_queue_cancel(w.q, &peek), 0);
    give(&w, &in);
    give(&w, &out);
    nothing_comes(w.q);
    assert_int_equal(esock_queue_remove(w.q, w.m), 2);
    shut(w.a);
    ssize_t n;
    do {
        await(esock_fd(w.b), POLLIN);
        n = esock_recv(w.b, big, sizeof big, 0, 0);
    } while (n > 0);
    assert_int_equal(n, 0);
    shut(w.b);
    assert_int_equal(esock_queue_free(w.q), 0);
}

/* Connections that were accepted and not returned are the next accept's, and are closed when the listener leaves. */
static void accepted_connections_are_kept(void **state) {
    struct script k;
    esock_queue *q;
    esock_addr at;
    esock_member *m;
    esock *c[3];
    script_init(&k);
    int before = script_open_fds();
    make(&q, NULL, &k.sys);
    esock *l = bound(&k.sys, SOCK_STREAM, &at);
    assert_int_equal(esock_listen(l, 16), 0);
    assert_int_equal(esock_queue_add(q, l, &m), 0);
    esock_op op = {.kind = ESOCK_OP_ACCEPT, .flags = ESOCK_OP_AGAIN, .member = m}, once = op;
    once.flags = 0;
    assert_int_equal(esock_queue_give(q, &op), 0);
    nothing_comes(q);
    for (size_t i = 0; i < LEN(c); i++)
        c[i] = client(&k.sys, &at);
    esock_result r = next(q);
    assert_int_equal(r.flags, ESOCK_RESULT_MORE);
    shut(r.accepted);
    assert_int_equal(esock_queue_cancel(q, &op), 0);
    assert_int_equal(esock_queue_kept(q, m), engine == ESOCK_QUEUE_URING);
    assert_int_equal(esock_queue_give(q, &once), 0);
    r = next(q);
    assert_int_equal(r.n, 0);
    assert_int_equal(r.flags, 0);
    shut(r.accepted);
    nothing_comes(q);
    assert_int_equal(esock_queue_remove(q, m), 0); /* with the third */
    shut(l);
    for (size_t i = 0; i < LEN(c); i++)
        shut(c[i]);
    assert_int_equal(esock_queue_free(q), 0);
    assert_int_equal(script_open_fds(), before);
    assert_int_equal(k.blocks, 0);
}

/* Without memory nothing is lost. */
static void every_allocation_may_fail(void **state) {
    int before = script_open_fds();
    for (unsigned i = 1;; i++) {
        struct script k;
        esock_queue *q = NULL;
        script_init(&k);
        k.no_memory_at = i;
        int r = esock_queue_new(&q, &(esock_queue_config){.engine = engine}, &k.sys);
        if (r == 0) {
            assert_true(k.allocs < i);
            assert_int_equal(esock_queue_free(q), 0);
            assert_int_equal(k.blocks, 0);
            break;
        }
        assert_int_equal(r, -ENOMEM);
        assert_int_equal(k.blocks, 0);
        assert_int_equal(script_open_fds(), before);
    }
}

/* Each step of making a ring may be refused. What says that there is no io_uring leads to epoll, the rest is an error. */
static void a_ring_that_is_refused(void **state) {
    static const enum script_call steps[] = {K_URING_SETUP, K_URING_REGISTER, K_URING_REGISTER};
    static const int refusals[] = {-EPERM,      -ENOSYS, -EACCES, -EINVAL,
                                   -EOPNOTSUPP, -ENOMEM, -EMFILE};
    int before = script_open_fds();
    size_t most =
        engine == ESOCK_QUEUE_URING ? LEN(steps) : 1; /* a kernel without a ring has no more */
    for (size_t step = 0; step < most; step++) {
        for (size_t i = 0; i < LEN(refusals); i++) {
            struct script k;
            esock_queue *q = NULL;
            int why = 1;
            esock_queue_config config = {.engine = ESOCK_QUEUE_URING_OR_EPOLL};
            script_init(&k);
            if (step == 2) script_pass(&k, steps[step]);
            script_answer(&k, steps[step], refusals[i]);
            int r = esock_queue_new(&q, &config, &k.sys);
            if (i >= 5) {
                assert_int_equal(r, refusals[i]);
            } else {
                assert_int_equal(r, 0);
                assert_int_equal(esock_queue_engine(q, &why), ESOCK_QUEUE_EPOLL);
                assert_int_equal(why, refusals[i]);
                assert_int_equal(esock_queue_free(q), 0);
            }
            config.engine = ESOCK_QUEUE_URING; /* and nothing else */
            if (step == 2) script_pass(&k, steps[step]);
            script_answer(&k, steps[step], refusals[i]);
            assert_int_equal(esock_queue_new(&q, &config, &k.sys), refusals[i]);
            assert_true(script_used_up(&k));
            assert_int_equal(k.blocks, 0);
            assert_int_equal(script_open_fds(), before);
        }
    }
    /* One that does not do what it should is refused, too. */
    static const int faults[] = {0, 3, -EINVAL};
    for (size_t i = 0; i < LEN(faults) && engine == ESOCK_QUEUE_URING; i++) {
        struct script k;
        esock_queue *wrong = NULL;
        script_init(&k);
        script_answer(&k, K_URING_RECV, faults[i]);
        esock_queue_config config = {.engine = ESOCK_QUEUE_URING};
        assert_int_equal(esock_queue_new(&wrong, &config, &k.sys), -EOPNOTSUPP);
        assert_int_equal(k.blocks, 0);
        assert_int_equal(script_open_fds(), before);
    }
    esock_queue *q;
    int why = 1;
    make(&q, NULL, NULL);
    assert_int_equal(esock_queue_engine(q, &why), engine);
    assert_int_equal(why, 0);
    assert_int_equal(esock_queue_free(q), 0);
    assert_int_equal(esock_queue_new(&q, &(esock_queue_config){.engine = 3}, NULL), -EINVAL);
}

/* A process that a seccomp filter keeps from io_uring: the filter answers with an error. */
static int refused_by_seccomp(unsigned short error) {
#if defined(SYS_io_uring_setup) && defined(SECCOMP_MODE_FILTER)
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {LEN(filter), filter};
    esock_queue *q;
    int why = 0;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return 77;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) return 77;
    if (esock_queue_new(&q, &(esock_queue_config){.engine = ESOCK_QUEUE_URING}, NULL) != -error)
        return 1;
    if (esock_queue_new(&q, &(esock_queue_config){.engine = ESOCK_QUEUE_URING_OR_EPOLL}, NULL) < 0)
        return 2;
    if (esock_queue_engine(q, &why) != ESOCK_QUEUE_EPOLL || why != -error) return 3;
    return esock_queue_free(q) == 0 ? 0 : 4;
#else
    return error > 0 ? 77 : 5;
#endif
}

static void seccomp_refuses_a_ring(void **state) {
    static const unsigned short errors[] = {EPERM, ENOSYS};
    for (size_t i = 0; i < LEN(errors); i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) _exit(refused_by_seccomp(errors[i]));
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77) skip();
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

/* Another thread than the first may not wait on a ring, nor take anything back; with epoll it may. */
static void *strange(void *state) {
    struct world *w = state;
    esock_result r;
    int want = engine == ESOCK_QUEUE_URING ? -EEXIST : 0;
    assert_int_equal(esock_queue_wait(w->q, &r, 1, 1), want);
    if (want < 0) assert_int_equal(esock_queue_remove(w->q, w->m), want);
    return NULL;
}

static void a_ring_has_one_thread(void **state) {
    struct world w;
    pthread_t t;
    begin(&w);
    esock_op op = receive(&w, NULL, 0, ESOCK_OP_AGAIN);
    give(&w, &op);
    nothing_comes(w.q);
    assert_int_equal(pthread_create(&t, NULL, strange, &w), 0);
    pthread_join(t, NULL);
    put(w.b, "x");
    came(&w, next(w.q), "x");
    end(&w);
}

/* No memory for requests is no error of the wait. */
static void the_wait_is_repeated(void **state) {
    static const int moods[] = {-EINTR, -EAGAIN, -EBUSY};
    struct world w;
    char buf[4];
    esock_result r;
    begin(&w);
    esock_op op = receive(&w, buf, 4, 0);
    for (size_t i = 0; i < (engine == ESOCK_QUEUE_EPOLL ? 1 : LEN(moods)); i++) {
        script_answer(&w.k, work(K_EPOLL_WAIT), moods[i]);
        give(&w, &op);
        assert_int_equal(esock_queue_wait(w.q, &r, 1, WAIT_MS), 0);
        put(w.b, "x");
        assert_int_equal(next(w.q).n, 1);
    }
    assert_int_equal(esock_queue_wait(w.q, &r, 1, 1), 0); /* the time is over */
    end(&w);
}

/* ---- Busy polling ---------------------------------------------------------------------------- */

/* What epoll's ioctl and a ring's registration begin with. */
struct busy {
    uint32_t usecs;
    union {
        struct {
            uint16_t budget;
            uint8_t prefer;
        } epoll;
        uint8_t ring_prefers;
    };
};

static struct busy busy_as_set(const struct script *k, enum script_call call) {
    struct busy b;
    memcpy(&b, script_last(k, call)->data, sizeof b);
    return b;
}

static void busy_polling_is_set(void **state) {
    bool ring = engine == ESOCK_QUEUE_URING;
    enum script_call call = ring ? K_URING_REGISTER : K_IOCTL;
    struct world w;
    begin(&w);
    script_answer(&w.k, call, 0);
    int r = esock_queue_busy_poll(w.q, INT32_MAX, 64, 2);
    if (r == -ENOSYS && !ring) { /* Linux 5.10 has no epoll_pwait2 */
        esock_queue_remove(w.q, w.m);
        shut(w.a);
        shut(w.b);
        esock_queue_free(w.q);
        skip();
    }
    assert_int_equal(r, 0);
    struct busy b = busy_as_set(&w.k, call);
    assert_int_equal(b.usecs, INT32_MAX);
    assert_int_equal(ring ? b.ring_prefers : b.epoll.prefer, 1);
    if (!ring) assert_int_equal(b.epoll.budget, 64);
    assert_int_equal(script_last(&w.k, call)->fd, ring ? w.k.ring.fd : esock_queue_fd(w.q));
    /* A wait that finds nothing lets the kernel poll, and others do not. */
    esock_op op = receive(&w, NULL, 0, ESOCK_OP_AGAIN);
    give(&w, &op);
    nothing_comes(w.q);
    unsigned before = script_count(&w.k, K_EPOLL_PWAIT2);
    nothing_comes(w.q);
    unsigned polls = script_count(&w.k, K_EPOLL_PWAIT2) - before;
    if (ring) {
        assert_int_equal(polls, 0);
    } else {
        assert_int_equal(polls, 2);
        assert_int_equal(script_last(&w.k, K_EPOLL_PWAIT2)->a, 1);
        script_answer(&w.k, K_EPOLL_PWAIT2, -EINTR);
        assert_int_equal(esock_queue_wait(w.q, &(esock_result){0}, 1, 0), 0);
        script_answer(&w.k, K_EPOLL_PWAIT2, -EBADF);
        assert_int_equal(esock_queue_wait(w.q, &(esock_result){0}, 1, 0), -EBADF);
    }
    put(w.b, "abc");
    came(&w, next(w.q), "abc");
    before = script_count(&w.k, K_EPOLL_PWAIT2);
    assert_int_equal(esock_queue_wait(w.q, &(esock_result){0}, 1, 1), 0);
    assert_int_equal(script_count(&w.k, K_EPOLL_PWAIT2), before);
    end(&w);
}

static void busy_polling_is_refused(void **state) {
    static const int refusals[] = {-ENOTTY, -EOPNOTSUPP, -EPERM, -EINVAL, -ENOSYS};
    bool ring = engine == ESOCK_QUEUE_URING;
    enum script_call call = ring ? K_URING_REGISTER : K_IOCTL;
    struct world w;
    begin(&w);
    unsigned before = script_count(&w.k, call);
    assert_int_equal(esock_queue_busy_poll(w.q, 0, 0, 0), -EINVAL);
    assert_int_equal(esock_queue_busy_poll(w.q, (uint32_t)INT32_MAX + 1, 0, 0), -EINVAL);
    assert_int_equal(esock_queue_busy_poll(w.q, 1, 65536, 0), -EINVAL);
    assert_int_equal(script_count(&w.k, call), before);
    for (size_t i = 0; i < LEN(refusals); i++) {
        script_answer(&w.k, call, refusals[i]);
        int want = ring && refusals[i] == -EINVAL ? -ENOTTY : refusals[i];
        assert_int_equal(esock_queue_busy_poll(w.q, 50, 0, 0), want);
    }
    if (!ring) { /* without epoll_pwait2 it is undone */
        script_times(&w.k, K_IOCTL, 2, 0);
        script_answer(&w.k, K_EPOLL_PWAIT2, -ENOSYS);
        assert_int_equal(esock_queue_busy_poll(w.q, 50, 0, 0), -ENOSYS);
        assert_int_equal(busy_as_set(&w.k, K_IOCTL).usecs, 0);
    }
    before = script_count(&w.k, K_EPOLL_PWAIT2);
    nothing_comes(w.q);
    assert_int_equal(script_count(&w.k, K_EPOLL_PWAIT2), before);
    end(&w);
}

/* The real kernel does it, or says why not. */
static void busy_polling_here(void **state) {
    struct world w;
    begin(&w);
    int r = esock_queue_busy_poll(w.q, 50, 0, 1);
    if (r < 0) {
        assert_true(r == -ENOTTY || r == -EOPNOTSUPP);
        print_message("no busy polling here: %s\n", strerror(-r));
    }
    esock_op op = receive(&w, NULL, 0, ESOCK_OP_AGAIN);
    give(&w, &op);
    nothing_comes(w.q);
    put(w.b, "abc");
    came(&w, next(w.q), "abc");
    end(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receive_ends_once),
        cmocka_unit_test(a_full_receive_collects),
        cmocka_unit_test(a_repeated_receive_goes_on_to_the_end),
        cmocka_unit_test(an_empty_message_is_not_the_end),
        cmocka_unit_test(messages_come_with_their_senders),
        cmocka_unit_test(a_receive_waits_for_a_buffer),
        cmocka_unit_test(a_buffer_is_filled_more_than_once),
        cmocka_unit_test(a_send_goes_on_until_all_is_sent),
        cmocka_unit_test(a_quiet_send_gives_its_buffer_back),
        cmocka_unit_test(messages_are_sent_from_several_buffers),
        cmocka_unit_test(files_are_sent),
        cmocka_unit_test(a_part_of_a_file_is_counted),
        cmocka_unit_test(operations_can_be_taken_back),
        cmocka_unit_test(the_last_in_line_can_be_taken_back),
        cmocka_unit_test(leaving_ends_operations),
        cmocka_unit_test(a_listener_accepts_again_and_again),
        cmocka_unit_test(a_connection_is_made_and_used),
        cmocka_unit_test(a_refused_connection_is_reported),
        cmocka_unit_test(boundaries_are_not_the_end_of_the_data),
        cmocka_unit_test(urgent_data_is_a_boundary),
        cmocka_unit_test(a_short_receive_is_believed),
        cmocka_unit_test(a_busy_socket_does_not_keep_others_out),
        cmocka_unit_test(a_call_gives_a_socket_one_turn),
        cmocka_unit_test(an_end_right_behind_data_comes),
        cmocka_unit_test(a_queue_asks_for_the_rest),
        cmocka_unit_test(another_thread_ends_a_wait),
        cmocka_unit_test(wrong_operations_are_refused),
        cmocka_unit_test(a_queue_that_cannot_be_made_leaves_nothing),
        cmocka_unit_test(signals_and_errors_of_the_wait),
        cmocka_unit_test(what_has_come_is_kept),
        cmocka_unit_test(a_part_that_was_sent_is_not_the_end),
        cmocka_unit_test(messages_are_kept_whole),
        cmocka_unit_test(the_counters_do_not_tell_the_engine),
        cmocka_unit_test(few_buffers_serve_many),
        cmocka_unit_test(completions_overflow),
        cmocka_unit_test(operations_are_taken_back_in_an_overflow),
        cmocka_unit_test(a_repeated_accept_without_descriptors),
        cmocka_unit_test(operations_survive_the_kernels_moods),
        cmocka_unit_test(errors_are_results),
        cmocka_unit_test(a_send_shows_its_progress),
        cmocka_unit_test(a_socket_that_left_can_close),
        cmocka_unit_test(accepted_connections_are_kept),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_ring_that_is_refused),
        cmocka_unit_test(seccomp_refuses_a_ring),
        cmocka_unit_test(a_ring_has_one_thread),
        cmocka_unit_test(the_wait_is_repeated),
        cmocka_unit_test(busy_polling_is_set),
        cmocka_unit_test(busy_polling_is_refused),
        cmocka_unit_test(busy_polling_here),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    esock_queue *q;
    int r = esock_queue_new(&q, &(esock_queue_config){.engine = ESOCK_QUEUE_URING}, NULL);
    if (r < 0) {
        print_message("skipped: no io_uring here: %s\n", strerror(-r));
        return failed;
    }
    esock_queue_free(q);
    engine = ESOCK_QUEUE_URING;
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
