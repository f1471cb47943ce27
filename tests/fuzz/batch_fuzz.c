/* Batches of datagrams, on a model of the kernel's UDP sockets that answers at random. The input is a program: datagrams of
 * random lengths to some destinations, the kernel's refusals, and what the peers make of what has arrived: trains with odd
 * tails, control data that is cut, buffers that are too short, and messages that no kernel would make.
 *
 * What must hold:
 *   every datagram that a send counts has gone once, in order for each destination, with its control messages, and no other
 *   a send that stops says why when it goes on, and what the kernel answers next is what it says
 *   a train is one that the kernel takes, and none is tried again where one was refused
 *   a received train can be split into the datagrams that it was made of
 *   what was cut says so, with its whole length, and the messages around it are whole
 *   the counters are what the answers add up to */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "esock.h"
#include "esock_batch.h"
#include "esock_sys.h"

#define MUST(what)                                                     \
    do {                                                               \
        if (!(what)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                   \
        }                                                              \
    } while (0)

enum {
    PEERS = 4,
    COUNT = 40,   /* datagrams of a batch */
    LOG = 800,    /* datagrams that one program sends to a peer */
    SIZE = 4096,  /* of each to send; one may have more */
    ROOM = 16384, /* of each to receive */
    CONTROL = 64,
    SEGMENT = 103, /* UDP_SEGMENT */
    GRO = 104,     /* UDP_GRO */
};

/* ---- The kernel ------------------------------------------------------------------------------ */

/* A datagram: its bytes follow from its number. */
struct dgram {
    uint32_t id, len;
    int tos; /* -1: none was given */
};

struct peer {
    bool no_offload;  /* answers EIO to trains */
    bool barred;      /* answers EPERM, once */
    uint32_t mtu;     /* answers EINVAL to trains with longer datagrams */
    uint32_t longest; /* answers EMSGSIZE to longer datagrams */
    uint32_t refused; /* the shortest datagrams of a train that was refused, */
    int error;        /* and how */
    struct dgram log[LOG];
    uint32_t arrived, taken; /* in the log: sent to the peer, and received by it */
};

static struct {
    struct peer peers[PEERS];
    uint32_t max_segments;
    uint32_t calls, trains, refusals, sent; /* what the counters must say */
    uint64_t bytes, longest;
    int answered; /* the error of the last call, 0 for none */
} kernel;

static const uint8_t *input, *input_end;

static uint8_t byte(void) {
    return input < input_end ? *input++ : 0;
}

static uint8_t content(uint32_t id, uint32_t at) {
    return (uint8_t)(id * 131 + (id >> 8) * 17 + at);
}

static void fill(uint8_t *at, uint32_t id, uint32_t len) {
    for (uint32_t i = 0; i < len; i++)
        at[i] = content(id, i);
}

static void is(const uint8_t *at, uint32_t id, uint32_t len) {
    for (uint32_t i = 0; i < len; i++)
        MUST(at[i] == content(id, i));
}

static struct dgram expected[PEERS][COUNT]; /* what a send may send, by peer */
static uint32_t expecting[PEERS], seen[PEERS];

/* Takes one message of a sendmmsg. Returns 0, or the error. */
static int take(struct mmsghdr *h, bool first) {
    struct msghdr *m = &h->msg_hdr;
    MUST(m->msg_iovlen == 1 && m->msg_namelen == sizeof(struct sockaddr_in));
    const struct sockaddr_in *to = m->msg_name;
    unsigned number = ntohs(to->sin_port) - 1u;
    MUST(to->sin_family == AF_INET && number < PEERS);
    struct peer *p = &kernel.peers[number];
    const uint8_t *data = m->msg_iov->iov_base;
    size_t len = m->msg_iov->iov_len, pos = 0;
    uint32_t segment = 0;
    int tos = -1, r;
    esock_cmsg c;
    while ((r = esock_cmsg_next(m->msg_control, m->msg_controllen, &pos, &c)) == 1) {
        if (c.level == IPPROTO_UDP && c.type == SEGMENT) {
            uint16_t value;
            MUST(c.length == sizeof value && segment == 0);
            memcpy(&value, (char *)m->msg_control + c.offset, sizeof value);
            segment = value;
            MUST(segment > 0);
        } else {
            MUST(c.level == IPPROTO_IP && c.type == IP_TOS && tos < 0);
            tos = (int)c.v.i;
        }
    }
    MUST(r == 0);
    uint32_t single = segment > 0 ? segment : (uint32_t)len;
    uint32_t parts = segment > 0 ? (uint32_t)((len + segment - 1) / segment) : 1;
    MUST(segment == 0 || (parts > 1 && parts <= 128)); /* a train of one is a plain datagram */
    MUST(segment == 0 || p->refused == 0 || segment < p->refused);
    MUST(len <= 65507 || segment == 0);
    if (p->barred) {
        p->barred = false;
        return -EPERM;
    }
    int error = 0;
    if (parts > kernel.max_segments || (segment > 0 && segment > p->mtu)) error = -EINVAL;
    if (segment > 0 && p->no_offload) error = -EIO;
    if (single > p->longest || len > 65507) error = -EMSGSIZE;
    if (error != 0) {
        if (segment > 0 && first &&
            (error != -EINVAL || parts <= 64)) { /* of others nobody hears */
            p->refused = error == -EIO ? 1 : segment;
            p->error = error;
            kernel.refusals++;
        }
        return error;
    }
    for (uint32_t i = 0, at = 0; i < parts; i++, at += single) {
        MUST(seen[number] < expecting[number] && p->arrived < LOG);
        struct dgram d = expected[number][seen[number]++];
        uint32_t left = (uint32_t)len - at;
        MUST(d.len == (left < single ? left : single) && d.tos == tos);
        is(data + at, d.id, d.len);
        p->log[p->arrived++] = d;
        kernel.sent++;
        kernel.bytes += d.len;
        if (d.len > kernel.longest) kernel.longest = d.len;
    }
    kernel.trains += parts > 1;
    h->msg_len = (unsigned)len;
    return 0;
}

static int k_sendmmsg(const esock_sys *sys, int fd, struct mmsghdr *msgs, unsigned n, int flags) {
    static const int errors[] = {-EAGAIN, -ENOBUFS, -ECONNREFUSED, -EHOSTUNREACH};
    (void)sys;
    MUST(fd == 1000 && n > 0 && n <= 1024 && flags & MSG_DONTWAIT && flags & MSG_NOSIGNAL);
    uint8_t mood = byte();
    kernel.answered = 0;
    if (mood == 255) return -EINTR;
    kernel.calls++;
    /* Some messages go, and then one has an error that nobody hears of. */
    unsigned most = mood >= 128 ? mood % 8 : n;
    for (unsigned i = 0; i < n; i++) {
        int r = i >= most ? errors[mood / 8 % 4] : take(&msgs[i], i == 0);
        if (r == 0) continue;
        if (i > 0) return (int)i;
        kernel.answered = r;
        return r;
    }
    return (int)n;
}

/* What was put into the messages of the last recvmmsg. */
static struct message {
    const struct peer *from;
    uint32_t first, n;            /* in its log; n is 0 for a message that no kernel would make */
    uint32_t len, segment, given; /* given: how much of it there was room for */
    bool cut, control_cut;
} messages[COUNT];
static uint32_t came;
static bool coalesces; /* UDP_GRO */

static uint8_t train[65536];

/* Appends a control message if there is room, and otherwise as much as fits. */
static size_t append(struct msghdr *m, size_t at, size_t room, int level, int type,
                     const void *value, size_t len) {
    char one[CMSG_SPACE(64)] = {0};
    struct cmsghdr *c = (void *)one;
    if (at + sizeof *c > room) {
        m->msg_flags |= MSG_CTRUNC;
        return at;
    }
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    if (c->cmsg_len > room - at) {
        m->msg_flags |= MSG_CTRUNC;
        c->cmsg_len = room - at;
    }
    memcpy(CMSG_DATA(c), value, len);
    size_t all = CMSG_SPACE(len) < room - at ? CMSG_SPACE(len) : room - at;
    memcpy((char *)m->msg_control + at, one, all);
    return at + all;
}

/* Makes a message of what a peer has received, or of input bytes. */
static void make(struct mmsghdr *h, struct message *x) {
    struct msghdr *m = &h->msg_hdr;
    size_t room = m->msg_controllen, control = 0;
    uint8_t how = byte();
    struct peer *p = &kernel.peers[how % PEERS];
    uint32_t waiting = p->arrived - p->taken;
    memset(x, 0, sizeof *x);
    m->msg_flags = 0;
    if (waiting == 0 || how / 4 % 8 == 7) { /* no kernel would make it */
        int value = (int)(int8_t)byte();
        x->len = byte();
        memset(train, 'x', x->len);
        if (how & 128) control = append(m, control, room, IPPROTO_UDP, GRO, &value, sizeof value);
        while (control < room && byte() & 1)
            ((uint8_t *)m->msg_control)[control++] = byte();
        if (how & 64) m->msg_flags |= MSG_CTRUNC;
        m->msg_namelen = 0;
        x->segment = UINT32_MAX;
    } else {
        x->from = p;
        x->first = p->taken;
        const struct dgram *d = &p->log[x->first];
        uint32_t most = coalesces ? 1 + byte() % 64u : 1, segment = d->len;
        do {
            fill(train + x->len, d->id, d->len);
            x->len += d->len;
            x->n++;
            if (x->n == most || x->n == waiting || d->len < segment || segment == 0) break;
            d++;
        } while (d->len > 0 && d->len <= segment && x->len + d->len <= 65507);
        p->taken += x->n;
        x->segment = x->n > 1 ? segment : 0;
        struct sockaddr_in from = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)(1 + how % PEERS))};
        memcpy(m->msg_name, &from, sizeof from);
        m->msg_namelen = sizeof from;
        uint8_t tos = 4;
        if (how & 64) control = append(m, control, room, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
        int value = (int)segment;
        if (x->n > 1 || (coalesces && how & 32))
            control = append(m, control, room, IPPROTO_UDP, GRO, &value, sizeof value);
    }
    m->msg_controllen = control;
    x->given = x->len < m->msg_iov->iov_len ? x->len : (uint32_t)m->msg_iov->iov_len;
    x->cut = x->given < x->len;
    if (x->cut) m->msg_flags |= MSG_TRUNC;
    x->control_cut = m->msg_flags & MSG_CTRUNC;
    if (x->given > 0) memcpy(m->msg_iov->iov_base, train, x->given);
    h->msg_len = x->len; /* because of MSG_TRUNC in the flags of the call */
}

static int k_recvmmsg(const esock_sys *sys, int fd, struct mmsghdr *msgs, unsigned n, int flags) {
    (void)sys;
    MUST(fd == 1000 && n > 0 && n <= COUNT && flags & MSG_DONTWAIT && flags & MSG_TRUNC);
    uint8_t mood = byte();
    kernel.answered = 0;
    if (mood == 255) return -EINTR;
    kernel.calls++;
    if (mood >= 240) {
        kernel.answered = mood & 1 ? -EAGAIN : -ECONNREFUSED;
        return kernel.answered;
    }
    came = 1 + mood % 16u < n ? 1 + mood % 16u : n;
    for (uint32_t i = 0; i < came; i++)
        make(&msgs[i], &messages[i]);
    return (int)came;
}

static int k_socket(const esock_sys *sys, int domain, int type, int protocol) {
    (void)sys, (void)domain, (void)type, (void)protocol;
    return 1000;
}

static int k_close(const esock_sys *sys, int fd) {
    (void)sys, (void)fd;
    return 0;
}

/* The memory of the two batches is kept for the next program: it is large, and its sizes are always the same. */
static struct {
    void *at;
    size_t size;
    bool used;
} kept[2];

static void *k_alloc(const esock_sys *sys, size_t size) {
    (void)sys;
    if (size < SIZE * COUNT) return malloc(size);
    for (int i = 0; i < 2; i++) {
        if (kept[i].used || (kept[i].at != NULL && kept[i].size != size)) continue;
        if (kept[i].at == NULL) kept[i].at = malloc(size);
        kept[i].size = size;
        kept[i].used = true;
        return kept[i].at;
    }
    return NULL;
}

static void k_free(const esock_sys *sys, void *at) {
    (void)sys;
    for (int i = 0; i < 2; i++)
        if (at != NULL && kept[i].at == at) {
            kept[i].used = false;
            return;
        }
    free(at);
}

/* ---- The program ----------------------------------------------------------------------------- */

static esock *s;
static esock_batch *out, *in;
static uint32_t next_id;

static uint64_t count(enum esock_counter c) {
    return esock_counters_of(s)->value[c];
}

/* Fills the batch, and returns with how many datagrams. to[i] is the peer of number i. */
static uint32_t fill_batch(uint8_t *to) {
    uint32_t n = 1 + byte() % COUNT, length = byte();
    uint64_t at = 0;
    uint8_t peer = 0;
    int tos = -1;
    for (uint32_t i = 0; i < n; i++) {
        esock_dgram *d = &out->dgrams[i];
        uint8_t how = byte();
        d->same = i > 0 && how & 1;
        if (!d->same) {
            peer = how >> 1 & 3;
            tos = how & 8 ? how >> 4 : -1;
            d->addr = (esock_addr){.form = ESOCK_ADDR_KNOWN, .family = AF_INET, .port = 1u + peer};
            d->control_len = 0;
            if (tos >= 0) {
                esock_cmsg c = {
                    .level = IPPROTO_IP, .type = IP_TOS, .kind = ESOCK_CMSG_INT, .v.i = tos};
                ssize_t len =
                    esock_cmsg_encode(&c, 1, NULL, 0, out->control + i * CONTROL, CONTROL);
                MUST(len > 0);
                d->control_len = (uint32_t)len;
            }
        }
        if (how >= 224) length = how % 2 ? byte() : byte() * 256u;
        d->len = length;
        if (how >= 192 && how < 200) at++; /* a gap */
        if (at + d->len > out->data_size) return i;
        d->offset = at;
        fill(out->data + at, ++next_id, d->len);
        at += d->len;
        to[i] = peer;
        expected[peer][expecting[peer]++] = (struct dgram){next_id, d->len, tos};
    }
    return n;
}

/* Compares what the batch remembers of refusals, and may let it forget. */
static void refusals(bool forget) {
    esock_refusal all[PEERS + 1];
    uint32_t n = esock_batch_refusals(out, all, PEERS + 1), known = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct peer *p = &kernel.peers[all[i].to.port - 1];
        MUST(all[i].segment == p->refused && all[i].error == p->error);
    }
    for (int i = 0; i < PEERS; i++) {
        known += kernel.peers[i].refused > 0;
        if (forget) kernel.peers[i].refused = 0;
    }
    MUST(n == known);
    if (forget) esock_batch_forget(out);
}

/* Sends a batch, going on after each stop, until it is gone or was skipped. */
static void send_all(void) {
    uint8_t to[COUNT];
    memset(expecting, 0, sizeof expecting);
    memset(seen, 0, sizeof seen);
    uint32_t n = fill_batch(to), done = 0, stuck = 0;
    out->trains = byte();
    while (done < n) {
        uint32_t before = kernel.sent;
        esock_batch_counters was = out->sent;
        uint32_t trains = kernel.trains;
        ssize_t r = esock_batch_send(s, out, done, n - done, 0, 0);
        MUST(r != 0);
        uint32_t went = r > 0 ? (uint32_t)r : 0;
        MUST(went <= n - done && went == kernel.sent - before);
        MUST(out->sent.dgrams - was.dgrams == went &&
             out->sent.trains - was.trains == kernel.trains - trains);
        if (r < 0) MUST(r == kernel.answered);
        if (went < n - done) MUST(kernel.answered < 0); /* it has stopped for a reason */
        done += went;
        stuck = went > 0 ? 0 : stuck + 1;
        if (done < n && r < 0 && (stuck > 3 || byte() & 1)) { /* skip it */
            uint8_t p = to[done];
            MUST(seen[p] < expecting[p]);
            memmove(&expected[p][seen[p]], &expected[p][seen[p] + 1],
                    (expecting[p] - seen[p] - 1) * sizeof **expected);
            expecting[p]--;
            done++;
            stuck = 0;
        }
    }
    for (int p = 0; p < PEERS; p++)
        MUST(seen[p] == expecting[p]);
    refusals(byte() == 77);
}

/* The length of a train as another walk of the control data finds it. */
static uint32_t announced(const esock_dgram *d, const unsigned char *control) {
    size_t pos = 0;
    esock_cmsg c;
    while (esock_cmsg_next(control, d->control_len, &pos, &c) == 1) {
        int value;
        if (c.level != IPPROTO_UDP || c.type != GRO || c.length < sizeof value) continue;
        memcpy(&value, control + c.offset, sizeof value);
        if (value > 0) return (uint32_t)value < d->full_len ? (uint32_t)value : 0;
    }
    return 0;
}

/* Receives once, and compares with what the kernel has made. */
static void receive(void) {
    uint32_t n = 1 + byte() % COUNT, room = byte();
    for (uint32_t i = 0; i < n; i++)
        in->dgrams[i].room = room < 16 ? room * 16 : ROOM;
    coalesces = byte() & 1;
    esock_batch_counters was = in->received;
    uint64_t pkgs = count(ESOCK_READ_PKG), bytes = count(ESOCK_READ_BYTE);
    came = 0;
    ssize_t r = esock_batch_recv(s, in, n, 0, 0);
    if (r < 0) {
        MUST(r == kernel.answered && in->received.dgrams == was.dgrams);
        return;
    }
    MUST(r == (ssize_t)came);
    uint64_t dgrams = 0, trains = 0, total = 0;
    for (uint32_t i = 0; i < came; i++) {
        const esock_dgram *d = &in->dgrams[i];
        const struct message *x = &messages[i];
        const unsigned char *control = in->control + (size_t)i * in->control_size;
        const uint8_t *data = in->data + d->offset;
        MUST(d->len == x->given && d->full_len == x->len && !(d->flags & MSG_TRUNC) == !x->cut);
        MUST(!(d->flags & MSG_CTRUNC) == !x->control_cut && d->control_len <= in->control_size);
        MUST(d->segment == announced(d, control) && (d->segment == 0 || d->segment < x->len));
        trains += d->segment > 0;
        dgrams += d->segment > 0 ? (x->len + d->segment - 1) / d->segment : 1;
        total += d->len;
        if (x->n == 0) continue;
        MUST(d->addr.family == AF_INET && d->addr.port - 1 == (uint32_t)(x->from - kernel.peers));
        MUST(d->segment == x->segment || x->control_cut);
        uint32_t first = x->first, left = d->len;
        for (const uint8_t *at = data; left > 0; first++) { /* split it */
            const struct dgram *one = &x->from->log[first];
            uint32_t part = one->len < left ? one->len : left;
            if (d->segment > 0) MUST(part == (d->segment < left ? d->segment : left) || x->cut);
            is(at, one->id, part);
            at += part;
            left -= part;
        }
        MUST(x->cut || x->len == 0 || first == x->first + x->n);
    }
    MUST(in->received.dgrams - was.dgrams == dgrams && in->received.trains - was.trains == trains);
    MUST(count(ESOCK_READ_PKG) - pkgs == dgrams && count(ESOCK_READ_BYTE) - bytes == total);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static esock_sys sys;
    if (size > 4096) return -1;
    if (sys.socket == NULL) {
        sys = *esock_sys_libc();
        sys.socket = k_socket;
        sys.close = k_close;
        sys.close_lingering = k_close;
        sys.alloc = k_alloc;
        sys.free = k_free;
        sys.sendmmsg = k_sendmmsg;
        sys.recvmmsg = k_recvmmsg;
    }
    memset(&kernel, 0, sizeof kernel);
    input = bytes;
    input_end = bytes + size;
    next_id = 0;
    kernel.max_segments = byte() & 1 ? 128 : 64;
    for (int i = 0; i < PEERS; i++) {
        struct peer *p = &kernel.peers[i];
        uint8_t how = byte();
        p->no_offload = how % 8 == 1;
        p->barred = how & 16;
        p->mtu = how & 32 ? how * 4u : 65535;
        p->longest = how & 64 ? 20000 : 65507;
    }
    MUST(esock_open(&s, AF_INET, SOCK_DGRAM, IPPROTO_UDP, &sys) == 0);
    esock_batch_config config = {.count = COUNT, .size = SIZE, .control = CONTROL, .records = 2};
    MUST(esock_batch_new(&out, &config, &sys) == 0);
    config.size = ROOM;
    MUST(esock_batch_new(&in, &config, &sys) == 0);
    uint32_t sends = 0;
    while (input < input_end) {
        if (byte() & 1)
            receive();
        else if (sends++ < LOG / COUNT)
            send_all();
    }
    MUST(count(ESOCK_WRITE_PKG) == kernel.sent && count(ESOCK_WRITE_BYTE) == kernel.bytes);
    MUST(count(ESOCK_WRITE_PKG_MAX) == kernel.longest && out->sent.dgrams == kernel.sent);
    MUST(out->sent.refused == kernel.refusals);
    MUST(out->sent.calls + in->received.calls == kernel.calls);
    esock_batch_free(out);
    esock_batch_free(in);
    MUST(esock_close(s, 0, NULL, NULL) == 0);
    return 0;
}
