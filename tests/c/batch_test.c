/* Batches of datagrams, against the kernel and against a scripted one. */
#include "fixture.h"

#include <netinet/udp.h>
#include <sys/uio.h>

#include "esock_batch.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define BIG 65535u

static struct script k;

static esock_batch *batch_of(uint32_t count, uint32_t size, uint32_t control) {
    esock_batch *b;
    const esock_batch_config c = {.count = count, .size = size, .control = control, .records = 4};
    assert_int_equal(esock_batch_new(&b, &c, &k.sys), 0);
    return b;
}

/* Puts datagram i of a batch behind the one before: `len` bytes of the value `fill`. */
static void put(esock_batch *b, uint32_t i, uint32_t len, int fill, const esock_addr *to) {
    esock_dgram *d = &b->dgrams[i];
    d->offset = i == 0 ? 0 : b->dgrams[i - 1].offset + b->dgrams[i - 1].len;
    d->len = len;
    d->same = to == NULL;
    if (to != NULL) d->addr = *to;
    memset(b->data + d->offset, fill, len);
}

/* Receives the `want` datagrams that were sent; the loopback has delivered them. */
static void collect(esock *s, esock_batch *b, uint32_t want) {
    await(esock_fd(s), POLLIN);
    assert_int_equal(esock_batch_recv(s, b, want, 0, 0), want);
}

static void full_of(const esock_batch *b, uint32_t i, uint32_t len, int fill) {
    const esock_dgram *d = &b->dgrams[i];
    assert_int_equal(d->len, len);
    assert_int_equal(d->full_len, len);
    for (uint32_t j = 0; j < len; j++)
        assert_int_equal(b->data[d->offset + j], fill);
}

static void many_in_one_call(void **state) {
    script_init(&k);
    esock_addr from, at;
    esock *a = bound(&k.sys, SOCK_DGRAM, &from), *b = bound(&k.sys, SOCK_DGRAM, &at);
    esock_batch *out = batch_of(5, 100, 0), *in = batch_of(8, 100, 64);
    for (uint32_t i = 0; i < 5; i++)
        put(out, i, 10 * i, 'a' + (int)i, &at); /* the first is empty */
    assert_int_equal(esock_batch_send(a, out, 0, 5, 0, 0), 5);
    assert_int_equal(script_count(&k, K_SENDMMSG), 1);
    assert_int_equal(out->sent.calls, 1);
    assert_int_equal(out->sent.dgrams, 5);
    assert_int_equal(out->sent.trains, 0);
    collect(b, in, 5);
    assert_int_equal(script_count(&k, K_RECVMMSG), 1);
    for (uint32_t i = 0; i < 5; i++) {
        full_of(in, i, 10 * i, 'a' + (int)i);
        assert_memory_equal(&in->dgrams[i].addr, &from, sizeof from);
        assert_int_equal(in->dgrams[i].flags, 0);
        assert_int_equal(in->dgrams[i].segment, 0);
        assert_int_equal(in->dgrams[i].control_len, 0);
    }
    assert_int_equal(in->received.dgrams, 5);
    for (int w = 0; w < 2; w++) {
        esock *s = w ? a : b;
        int by = w ? ESOCK_WRITE_BYTE - ESOCK_READ_BYTE : 0;
        assert_int_equal(counter(s, ESOCK_READ_BYTE + by), 100);
        assert_int_equal(counter(s, ESOCK_READ_PKG + by), 5);
        assert_int_equal(counter(s, ESOCK_READ_PKG_MAX + by), 40);
        assert_int_equal(counter(s, ESOCK_READ_TRIES + by), 1);
        assert_int_equal(counter(s, ESOCK_READ_FAILS + by), 0);
    }
    /* Nothing more: a wait, unless the caller does not wait. */
    assert_int_equal(esock_batch_recv(b, in, 8, 0, 0), -EAGAIN);
    assert_int_equal(esock_batch_recv(b, in, 8, 0, ESOCK_POLL), -EAGAIN);
    assert_int_equal(counter(b, ESOCK_READ_WAITS), 1);
    assert_int_equal(counter(b, ESOCK_READ_FAILS), 0);
    esock_batch_free(out);
    esock_batch_free(in);
    shut(a);
    shut(b);
}

/* Datagrams of one length and address go as one train, and a shorter one ends it. */
static void trains(void **state) {
    script_init(&k);
    esock_addr from, at;
    esock *a = bound(&k.sys, SOCK_DGRAM, &from), *b = bound(&k.sys, SOCK_DGRAM, &at);
    esock_batch *out = batch_of(12, 100, 0), *in = batch_of(12, 200, 64);
    out->trains = 64;
    static const uint32_t lens[] = {100, 100, 100, 40, 100, 100, 120, 0, 0, 30, 30, 31};
    for (uint32_t i = 0; i < LEN(lens); i++)
        put(out, i, lens[i], 'a' + (int)i, i == 0 || i == 5 ? &at : NULL);
    /* {100 100 100 40} {100} {100} | 5 has an address of its own: {100} {120} {0} {0} {30 30} {31} */
    assert_int_equal(esock_batch_send(a, out, 0, LEN(lens), 0, 0), LEN(lens));
    assert_int_equal(script_count(&k, K_SENDMMSG), 1);
    assert_int_equal(script_last(&k, K_SENDMMSG)->len, 8);
    assert_int_equal(out->sent.trains, 2);
    assert_int_equal(out->sent.dgrams, LEN(lens));
    assert_int_equal(counter(a, ESOCK_WRITE_PKG), LEN(lens));
    assert_int_equal(counter(a, ESOCK_WRITE_PKG_MAX), 120);
    collect(b, in, LEN(lens));
    for (uint32_t i = 0; i < LEN(lens); i++)
        full_of(in, i, lens[i], 'a' + (int)i);
    /* A send that begins inside a train has the address of the one before. */
    assert_int_equal(esock_batch_send(a, out, 2, 2, 0, 0), 2);
    collect(b, in, 2);
    full_of(in, 0, 100, 'c');
    full_of(in, 1, 40, 'd');
    esock_batch_free(out);
    esock_batch_free(in);
    shut(a);
    shut(b);
}

/* What one train holds at most, by number and by bytes. */
static void longest_trains(void **state) {
    static const struct {
        uint32_t count, size, trains, headers;
    } cases[] = {
        {130, 10, 64, 3}, {130, 10, 1000, 2}, {130, 10, 128, 2}, {130, 10, 10, 13}, {4, 10, 0, 4},
        {4, 10, 1, 4},    {4, 10, 2, 2},      {50, 1400, 64, 2}, {3, 40000, 64, 3},
    };
    for (size_t c = 0; c < LEN(cases); c++) {
        script_init(&k);
        esock_addr at;
        esock *a = bound(&k.sys, SOCK_DGRAM, &at);
        esock_batch *out = batch_of(cases[c].count, cases[c].size, 0);
        out->trains = cases[c].trains;
        for (uint32_t i = 0; i < cases[c].count; i++)
            put(out, i, cases[c].size, 'x', i == 0 ? &at : NULL);
        script_answer(&k, K_SENDMMSG, (long)cases[c].headers);
        assert_int_equal(esock_batch_send(a, out, 0, cases[c].count, 0, 0), cases[c].count);
        assert_int_equal(script_last(&k, K_SENDMMSG)->len, cases[c].headers);
        esock_batch_free(out);
        shut(a);
    }
}

/* A train that the kernel refuses goes as single datagrams, and is not tried again there. */
static void refused_trains(void **state) {
    static const int errors[] = {-EIO, -EINVAL, -EMSGSIZE, -EOPNOTSUPP, -ENOPROTOOPT};
    for (size_t e = 0; e < LEN(errors); e++) {
        script_init(&k);
        esock_addr from, at, other;
        esock *a = bound(&k.sys, SOCK_DGRAM, &from), *b = bound(&k.sys, SOCK_DGRAM, &at);
        esock *c = bound(&k.sys, SOCK_DGRAM, &other);
        esock_batch *out = batch_of(4, 100, 0), *in = batch_of(4, 100, 64);
        out->trains = 64;
        for (uint32_t i = 0; i < 4; i++)
            put(out, i, 100, 'a' + (int)i, i == 0 ? &at : NULL);
        script_answer(&k, K_SENDMMSG, errors[e]);
        assert_int_equal(esock_batch_send(a, out, 0, 4, 0, 0), 4);
        assert_int_equal(script_count(&k, K_SENDMMSG), 2);
        assert_int_equal(script_last(&k, K_SENDMMSG)->len, 4);
        assert_int_equal(out->sent.refused, 1);
        assert_int_equal(out->sent.trains, 0);
        assert_int_equal(counter(a, ESOCK_WRITE_FAILS), 0);
        assert_int_equal(counter(a, ESOCK_WRITE_PKG), 4);
        collect(b, in, 4);
        for (uint32_t i = 0; i < 4; i++)
            full_of(in, i, 100, 'a' + (int)i);
        /* The same again: remembered. */
        assert_int_equal(esock_batch_send(a, out, 0, 4, 0, 0), 4);
        assert_int_equal(script_count(&k, K_SENDMMSG), 3);
        assert_int_equal(script_last(&k, K_SENDMMSG)->len, 4);
        /* Shorter ones may go, unless the way has no offload at all. */
        for (uint32_t i = 0; i < 4; i++)
            put(out, i, 50, 'a' + (int)i, i == 0 ? &at : NULL);
        assert_int_equal(esock_batch_send(a, out, 0, 4, 0, 0), 4);
        assert_int_equal(script_last(&k, K_SENDMMSG)->len, errors[e] == -EIO ? 4 : 1);
        /* Another destination is another way. */
        for (uint32_t i = 0; i < 4; i++)
            put(out, i, 100, 'a' + (int)i, i == 0 ? &other : NULL);
        assert_int_equal(esock_batch_send(a, out, 0, 4, 0, 0), 4);
        assert_int_equal(script_last(&k, K_SENDMMSG)->len, 1);
        assert_int_equal(out->sent.refused, 1);
        esock_refusal r;
        assert_int_equal(esock_batch_refusals(out, &r, 1), 1);
        assert_int_equal(esock_batch_refusals(out, NULL, 0), 1);
        assert_int_equal(r.error, errors[e]);
        assert_int_equal(r.segment, errors[e] == -EIO ? 1 : 100);
        assert_memory_equal(&r.to, &at, sizeof at);
        /* Forgotten, it is tried again. */
        esock_batch_forget(out);
        assert_int_equal(esock_batch_refusals(out, &r, 1), 0);
        for (uint32_t i = 0; i < 4; i++)
            put(out, i, 100, 'a' + (int)i, i == 0 ? &at : NULL);
        assert_int_equal(esock_batch_send(a, out, 0, 4, 0, 0), 4);
        assert_int_equal(script_last(&k, K_SENDMMSG)->len, 1);
        esock_batch_free(out);
        esock_batch_free(in);
        shut(a);
        shut(b);
        shut(c);
    }
}

/* Kernels before 6.9 refuse trains of more than 64. No destination is to blame, and shorter trains go. */
static void old_kernels(void **state) {
    script_init(&k);
    esock_addr at;
    esock *a = bound(&k.sys, SOCK_DGRAM, &at);
    esock_batch *out = batch_of(200, 10, 0);
    out->trains = 128;
    for (uint32_t i = 0; i < 200; i++)
        put(out, i, 10, 'x', i == 0 ? &at : NULL);
    script_answer(&k, K_SENDMMSG, -EINVAL);
    script_answer(&k, K_SENDMMSG, 4);
    assert_int_equal(esock_batch_send(a, out, 0, 200, 0, 0), 200);
    assert_int_equal(script_last(&k, K_SENDMMSG)->len, 4);
    assert_true(script_used_up(&k));
    assert_int_equal(out->trains, 64);
    assert_int_equal(out->sent.trains, 4);
    assert_int_equal(out->sent.refused, 0);
    assert_int_equal(esock_batch_refusals(out, NULL, 0), 0);
    assert_int_equal(counter(a, ESOCK_WRITE_FAILS), 0);
    esock_batch_free(out);
    shut(a);
}

/* More destinations refuse than are remembered. */
static void many_refusals(void **state) {
    script_init(&k);
    esock_addr at;
    esock *a = bound(&k.sys, SOCK_DGRAM, &at);
    esock_batch *out = batch_of(2, 100, 0);
    out->trains = 2;
    for (unsigned i = 0; i < 100; i++) {
        esock_addr to = at;
        to.port = 1000 + i;
        put(out, 0, 100, 'a', &to);
        put(out, 1, 100, 'b', NULL);
        script_answer(&k, K_SENDMMSG, -EIO);
        script_answer(&k, K_SENDMMSG, 2);
        assert_int_equal(esock_batch_send(a, out, 0, 2, 0, 0), 2);
        assert_true(script_used_up(&k));
        script_answer(&k, K_SENDMMSG, 2); /* it is remembered now */
        assert_int_equal(esock_batch_send(a, out, 0, 2, 0, 0), 2);
        assert_true(script_used_up(&k));
    }
    assert_int_equal(out->sent.refused, 100);
    esock_refusal all[40];
    assert_int_equal(esock_batch_refusals(out, all, 40), 32);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(all[i].to.port, 1099 - i);
    esock_batch_free(out);
    shut(a);
}

/* The result is exact, and the next call says why. */
static void sends_that_stop(void **state) {
    static const int errors[] = {-EAGAIN, -ENOBUFS, -EPERM, -EMSGSIZE, -ECONNREFUSED};
    for (size_t e = 0; e < LEN(errors); e++)
        for (int in_trains = 0; in_trains < 2; in_trains++) {
            script_init(&k);
            esock_addr at;
            esock *a = bound(&k.sys, SOCK_DGRAM, &at);
            esock_batch *out = batch_of(6, 100, 0);
            out->trains = in_trains ? 2 : 0;
            for (uint32_t i = 0; i < 6; i++)
                put(out, i, 100, 'x', i == 0 ? &at : NULL);
            script_answer(&k, K_SENDMMSG, 2);
            script_answer(&k, K_SENDMMSG, errors[e]);
            bool splits = in_trains && errors[e] == -EMSGSIZE;
            if (splits) script_answer(&k, K_SENDMMSG, errors[e]); /* the single one fails too */
            uint32_t sent = in_trains ? 4 : 2;
            assert_int_equal(esock_batch_send(a, out, 0, 6, 0, 0), sent);
            assert_true(script_used_up(&k));
            assert_int_equal(counter(a, ESOCK_WRITE_PKG), sent);
            assert_int_equal(counter(a, ESOCK_WRITE_WAITS), 0); /* the caller does not wait yet */
            assert_int_equal(counter(a, ESOCK_WRITE_FAILS), errors[e] != -EAGAIN);
            script_answer(&k, K_SENDMMSG, errors[e]);
            assert_int_equal(esock_batch_send(a, out, sent, 6 - sent, 0, 0), errors[e]);
            assert_int_equal(counter(a, ESOCK_WRITE_WAITS), errors[e] == -EAGAIN);
            assert_int_equal(out->sent.dgrams, sent);
            esock_batch_free(out);
            shut(a);
        }
}

/* A datagram that cannot be sent stops the batch there, whatever is behind it. */
static void bad_datagrams(void **state) {
    script_init(&k);
    esock_addr at, bad;
    esock *a = bound(&k.sys, SOCK_DGRAM, &at);
    esock_batch *out = batch_of(3, 100, 16);
    bad = at;
    bad.port = 65536;
    put(out, 0, 10, 'a', &at);
    put(out, 1, 10, 'b', &bad);
    put(out, 2, 10, 'c', &at);
    assert_int_equal(esock_batch_send(a, out, 0, 3, 0, 0), 1);
    assert_int_equal(esock_batch_send(a, out, 1, 2, 0, 0), -EINVAL);
    assert_int_equal(esock_batch_send(a, out, 2, 1, 0, 0), 1);
    out->dgrams[2].len = 291;
    assert_int_equal(esock_batch_send(a, out, 2, 1, 0, 0), -EINVAL);
    out->dgrams[2].len = 1;
    out->dgrams[2].offset = 300;
    assert_int_equal(esock_batch_send(a, out, 2, 1, 0, 0), -EINVAL);
    out->dgrams[2].offset = UINT64_MAX;
    assert_int_equal(esock_batch_send(a, out, 2, 1, 0, 0), -EINVAL);
    out->dgrams[2].offset = 0;
    out->dgrams[2].control_len = 17;
    assert_int_equal(esock_batch_send(a, out, 2, 1, 0, 0), -EINVAL);
    assert_int_equal(script_count(&k, K_SENDMMSG), 2);
    esock_batch_free(out);
    shut(a);
}

/* Control messages of a datagram go with it, also in front of the train's own. */
static void control_of_each(void **state) {
    script_init(&k);
    esock_addr from, at;
    esock *a = bound(&k.sys, SOCK_DGRAM, &from), *b = bound(&k.sys, SOCK_DGRAM, &at);
    int on = 1;
    assert_int_equal(setsockopt(esock_fd(b), IPPROTO_IP, IP_RECVTOS, &on, sizeof on), 0);
    esock_batch *out = batch_of(6, 100, 64), *in = batch_of(6, 100, 64);
    out->trains = 64;
    for (uint32_t i = 0; i < 6; i++) {
        put(out, i, 50, 'a' + (int)i, i % 3 == 0 ? &at : NULL);
        if (i % 3 != 0) continue;
        esock_cmsg c = {
            .level = IPPROTO_IP, .type = IP_TOS, .kind = ESOCK_CMSG_INT, .v.i = i ? 8 : 16};
        ssize_t len = esock_cmsg_encode(&c, 1, NULL, 0, out->control + i * out->control_size,
                                        out->control_size);
        assert_true(len > 0);
        out->dgrams[i].control_len = (uint32_t)len;
    }
    for (int times = 0; times < 2; times++) {
        assert_int_equal(esock_batch_send(a, out, 0, 6, 0, 0), 6);
        assert_int_equal(out->sent.trains, 2);
        collect(b, in, 6);
        for (uint32_t i = 0; i < 6; i++) {
            full_of(in, i, 50, 'a' + (int)i);
            assert_int_equal(in->dgrams[i].cmsgs, 1);
            assert_int_equal(in->records[i * in->records_each].type, IP_TOS);
            assert_int_equal(in->records[i * in->records_each].v.i, i < 3 ? 16 : 8);
        }
        out->trains = 0; /* and the same one by one */
    }
    esock_batch_free(out);
    esock_batch_free(in);
    shut(a);
    shut(b);
}

/* A socket with UDP_GRO receives a train as one. */
static void received_trains(void **state) {
    script_init(&k);
    esock_addr from, at;
    esock *a = bound(&k.sys, SOCK_DGRAM, &from), *b = bound(&k.sys, SOCK_DGRAM, &at);
    int on = 1;
    if (setsockopt(esock_fd(b), IPPROTO_UDP, UDP_GRO, &on, sizeof on) != 0) skip(); /* Linux 5.0 */
    esock_batch *out = batch_of(5, 100, 0), *in = batch_of(2, BIG, 64);
    out->trains = 64;
    for (uint32_t i = 0; i < 5; i++)
        put(out, i, i < 4 ? 100 : 7, 'a' + (int)i, i == 0 ? &at : NULL);
    assert_int_equal(esock_batch_send(a, out, 0, 5, 0, 0), 5);
    await(esock_fd(b), POLLIN);
    int got = esock_batch_recv(b, in, 2, 0, 0);
    if (got == 2 &&
        in->dgrams[0].segment == 0) { /* the loopback of Linux 5.10 takes trains apart */
        esock_batch_free(out);
        esock_batch_free(in);
        shut(a);
        shut(b);
        skip();
    }
    assert_int_equal(got, 1);
    assert_int_equal(in->dgrams[0].segment, 100);
    assert_int_equal(in->dgrams[0].len, 407);
    for (int i = 0; i < 407; i++)
        assert_int_equal(in->data[i], 'a' + i / 100);
    assert_int_equal(in->received.trains, 1);
    assert_int_equal(in->received.dgrams, 5);
    assert_int_equal(counter(b, ESOCK_READ_PKG), 5);
    assert_int_equal(counter(b, ESOCK_READ_PKG_MAX), 100);
    /* One that is cut says so, with its whole length. The others are whole. */
    in->dgrams[0].room = 150;
    assert_int_equal(esock_batch_send(a, out, 0, 5, 0, 0), 5);
    assert_int_equal(esock_batch_send(a, out, 0, 1, 0, 0), 1);
    await(esock_fd(b), POLLIN);
    assert_int_equal(esock_batch_recv(b, in, 2, 0, 0), 2);
    assert_true(in->dgrams[0].flags & MSG_TRUNC);
    assert_int_equal(in->dgrams[0].len, 150);
    assert_int_equal(in->dgrams[0].full_len, 407);
    full_of(in, 1, 100, 'a');
    assert_int_equal(in->dgrams[1].segment, 0);
    esock_batch_free(out);
    esock_batch_free(in);
    shut(a);
    shut(b);
}

/* Descriptors that come with control messages that are cut are closed. */
static void cut_control(void **state) {
    script_init(&k);
    esock *a, *b;
    unix_pair(&k.sys, SOCK_DGRAM, &a, &b);
    esock_batch *in = batch_of(2, 100, 32), *out = batch_of(1, 10, 64);
    int fds[8];
    for (size_t i = 0; i < LEN(fds); i++)
        fds[i] = esock_fd(a);
    esock_cmsg c = {
        .level = SOL_SOCKET, .type = SCM_RIGHTS, .kind = ESOCK_CMSG_RIGHTS, .length = sizeof fds};
    ssize_t len = esock_cmsg_encode(&c, 1, fds, sizeof fds, out->control, out->control_size);
    assert_true(len > 0);
    put(out, 0, 3, 'x', NULL);
    out->dgrams[0].control_len = (uint32_t)len;
    int before = script_open_fds();
    assert_int_equal(esock_batch_send(a, out, 0, 1, 0, 0), 1);
    assert_int_equal(esock_batch_recv(b, in, 2, 0, 0), 1);
    full_of(in, 0, 3, 'x');
    assert_true(in->dgrams[0].flags & MSG_CTRUNC);
    assert_int_equal(in->records[0].v.rights, 0);
    assert_int_equal(script_open_fds(), before);
    esock_batch_free(in);
    esock_batch_free(out);
    shut(a);
    shut(b);
}

/* Beyond what the kernel takes in one call there are further ones. */
static void thousands(void **state) {
    script_init(&k);
    esock_addr at;
    esock *a = bound(&k.sys, SOCK_DGRAM, &at);
    esock_batch *b = batch_of(2500, 4, 0);
    for (uint32_t i = 0; i < 2500; i++)
        put(b, i, 4, 'x', i == 0 ? &at : NULL);
    script_answer(&k, K_SENDMMSG, 1024);
    script_answer(&k, K_SENDMMSG, -EINTR);
    script_answer(&k, K_SENDMMSG, 1000);
    script_answer(&k, K_SENDMMSG, 476);
    assert_int_equal(esock_batch_send(a, b, 0, 2500, 0, 0), 2500);
    assert_int_equal(script_last(&k, K_SENDMMSG)->len, 476);
    assert_true(script_used_up(&k));
    script_put(&k, K_RECVMMSG,
               (struct script_answer){.result = 1024, .data = "abcd", .data_len = 4});
    script_answer(&k, K_RECVMMSG, -EINTR);
    script_put(&k, K_RECVMMSG,
               (struct script_answer){.result = 1024, .data = "efgh", .data_len = 4});
    script_put(&k, K_RECVMMSG, (struct script_answer){.result = 7, .data = "ijkl", .data_len = 4});
    assert_int_equal(esock_batch_recv(a, b, 2500, 0, 0), 2055);
    assert_memory_equal(b->data + 4 * 1023, "abcdefgh", 8);
    assert_memory_equal(b->data + 4 * 2054, "ijkl", 4);
    /* An error that follows what has come is the next call's. */
    script_put(&k, K_RECVMMSG,
               (struct script_answer){.result = 1024, .data = "abcd", .data_len = 4});
    script_answer(&k, K_RECVMMSG, -ECONNREFUSED);
    assert_int_equal(esock_batch_recv(a, b, 2500, 0, 0), 1024);
    assert_int_equal(counter(a, ESOCK_READ_FAILS), 1);
    esock_batch_free(b);
    shut(a);
}

static void hostile_trains(void **state) {
    static const int values[] = {0, -1, 4, 5, 1 << 30};
    for (size_t i = 0; i < LEN(values); i++) {
        script_init(&k);
        esock_addr at;
        esock *a = bound(&k.sys, SOCK_DGRAM, &at);
        esock_batch *b = batch_of(1, 16, 64);
        char control[CMSG_SPACE(sizeof(int))] = {0};
        struct cmsghdr *c = (void *)control;
        c->cmsg_level = IPPROTO_UDP;
        c->cmsg_type = UDP_GRO;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &values[i], sizeof(int));
        script_put(&k, K_RECVMMSG,
                   (struct script_answer){.result = 1,
                                          .data = "abcde",
                                          .data_len = 5,
                                          .control = control,
                                          .control_len = sizeof control});
        assert_int_equal(esock_batch_recv(a, b, 1, 0, 0), 1);
        assert_int_equal(b->dgrams[0].segment, values[i] == 4 ? 4 : 0);
        assert_int_equal(b->received.dgrams, values[i] == 4 ? 2 : 1);
        esock_batch_free(b);
        shut(a);
    }
}

static void mistakes(void **state) {
    script_init(&k);
    esock_batch *b = (void *)1;
    esock_addr at;
    esock *a = bound(&k.sys, SOCK_DGRAM, &at), *x, *y;
    assert_int_equal(esock_batch_new(NULL, &(esock_batch_config){.count = 1}, NULL), -EFAULT);
    assert_int_equal(esock_batch_new(&b, NULL, NULL), -EFAULT);
    assert_null(b);
    static const esock_batch_config bad[] = {
        {.count = 0, .size = 1},
        {.count = UINT32_MAX, .size = UINT32_MAX, .control = UINT32_MAX, .records = UINT32_MAX},
    };
    for (size_t i = 0; i < LEN(bad); i++) {
        int r = esock_batch_new(&b, &bad[i], &k.sys);
        assert_true(r == -EINVAL || r == -ENOMEM);
        assert_null(b);
    }
    esock_batch_free(NULL);
    esock_batch_forget(NULL);
    assert_int_equal(esock_batch_refusals(NULL, NULL, 1), 0);
    b = batch_of(2, 0, 0); /* datagrams without bytes */
    assert_int_equal(esock_batch_send(a, NULL, 0, 1, 0, 0), -EFAULT);
    assert_int_equal(esock_batch_recv(a, NULL, 1, 0, 0), -EFAULT);
    static const struct {
        uint32_t from, n;
    } ranges[] = {{0, 0}, {0, 3}, {1, 2}, {2, 1}, {UINT32_MAX, 1}, {1, UINT32_MAX}};
    for (size_t i = 0; i < LEN(ranges); i++)
        assert_int_equal(esock_batch_send(a, b, ranges[i].from, ranges[i].n, 0, 0), -EINVAL);
    assert_int_equal(esock_batch_recv(a, b, 0, 0, 0), -EINVAL);
    assert_int_equal(esock_batch_recv(a, b, 3, 0, 0), -EINVAL);
    assert_int_equal(esock_batch_recv(a, b, 1, MSG_PEEK, 0), -EOPNOTSUPP);
    assert_int_equal(esock_batch_recv(a, b, 1, MSG_ERRQUEUE, 0), -EOPNOTSUPP);
    b->dgrams[0].room = 1;
    assert_int_equal(esock_batch_recv(a, b, 1, 0, 0), -EINVAL);
    b->dgrams[0].room = 0;
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};
    for (size_t i = 0; i < LEN(types); i++) {
        unix_pair(&k.sys, types[i], &x, &y);
        assert_int_equal(esock_batch_send(x, b, 0, 1, 0, 0), -EOPNOTSUPP);
        assert_int_equal(esock_batch_recv(x, b, 1, 0, 0), -EOPNOTSUPP);
        shut(x);
        shut(y);
    }
    assert_int_equal(script_count(&k, K_SENDMMSG) + script_count(&k, K_RECVMMSG), 0);
    put(b, 0, 0, 0, &at);
    assert_int_equal(esock_batch_send(a, b, 0, 1, 0, 0), 1);
    await(esock_fd(a), POLLIN);
    assert_int_equal(esock_batch_recv(a, b, 2, 0, 0), 1);
    assert_int_equal(b->dgrams[0].len, 0);
    /* A kernel that answers 0 does not make the call go round for ever. */
    put(b, 0, 0, 0, &at);
    script_answer(&k, K_SENDMMSG, 0);
    assert_int_equal(esock_batch_send(a, b, 0, 1, 0, 0), -EIO);
    esock_batch_free(b);
    shut(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_in_one_call), cmocka_unit_test(trains),
        cmocka_unit_test(longest_trains),   cmocka_unit_test(refused_trains),
        cmocka_unit_test(many_refusals),    cmocka_unit_test(sends_that_stop),
        cmocka_unit_test(old_kernels),      cmocka_unit_test(bad_datagrams),
        cmocka_unit_test(control_of_each),  cmocka_unit_test(received_trains),
        cmocka_unit_test(cut_control),      cmocka_unit_test(thousands),
        cmocka_unit_test(hostile_trains),   cmocka_unit_test(mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
