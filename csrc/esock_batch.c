/* Batches of datagrams: recvmmsg and sendmmsg, and the trains of UDP. */
#include "esock_internal.h"

#include "esock_batch.h"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/uio.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 /* Linux 4.18 */
#endif
#ifndef UDP_GRO
#define UDP_GRO 104 /* Linux 5.0 */
#endif

/* What the kernel takes as one train: UDP_MAX_SEGMENTS of 6.9 and of older versions, and what is left of 65,535 bytes behind
 * the headers of IPv6 and UDP. */
#define TRAIN_DGRAMS 128
#define TRAIN_DGRAMS_OLD 64
#define TRAIN_BYTES (65535 - 40 - 8)

#define SEGMENT_SPACE CMSG_SPACE(sizeof(uint16_t))

#define REFUSALS 32

typedef struct batch {
    esock_batch pub; /* first */
    const esock_sys *sys;
    struct mmsghdr *hdrs;
    struct iovec *iov;
    struct sockaddr_storage *names;
    uint32_t *parts;         /* of a send: how many datagrams a header has */
    unsigned char *segments; /* of a send: control messages with UDP_SEGMENT behind them */
    size_t segments_size;    /* of each header */
    uint32_t headers;        /* how many of these there are */
    esock_refusal refusals[REFUSALS];
    uint32_t refused; /* how many were noted; the oldest are overwritten */
} batch;

static batch *own(esock_batch *b) {
    return (batch *)(void *)b;
}

/* Adds count * size to *total, aligned to 16. false: it does not fit. */
static bool take(size_t *total, size_t *at, size_t count, size_t size) {
    *at = *total;
    if (size != 0 && count > ((size_t)SSIZE_MAX - *total - 16) / size) return false;
    *total += (count * size + 15) & ~(size_t)15;
    return true;
}

int esock_batch_new(esock_batch **out, const esock_batch_config *config, const esock_sys *sys) {
    if (out == NULL) return -EFAULT;
    *out = NULL;
    if (config == NULL) return -EFAULT;
    if (config->count == 0) return -EINVAL;
    if (sys == NULL) sys = esock_sys_libc();
    size_t n = config->count, headers = n < 1024 ? n : 1024; /* UIO_MAXIOV */
    size_t control = (config->control + (size_t)15) & ~(size_t)15;
    size_t total = 0, self, dgrams, hdrs, iov, names, parts, records, controls, segments, data;
    size_t segment = control + SEGMENT_SPACE;
    if (!take(&total, &self, 1, sizeof(batch)) || !take(&total, &dgrams, n, sizeof(esock_dgram)) ||
        !take(&total, &hdrs, headers, sizeof(struct mmsghdr)) ||
        !take(&total, &iov, headers, sizeof(struct iovec)) ||
        !take(&total, &names, headers, sizeof(struct sockaddr_storage)) ||
        !take(&total, &parts, headers, sizeof(uint32_t)) ||
        !take(&total, &segments, headers, segment) ||
        !take(&total, &records, n, config->records * sizeof(esock_cmsg)) ||
        !take(&total, &controls, n, control) || !take(&total, &data, n, config->size))
        return -EINVAL;
    unsigned char *block = sys->alloc(sys, total);
    if (block == NULL) return -ENOMEM;
    memset(block, 0, segments); /* what is behind is written before it is read */
    batch *b = (batch *)(void *)block;
    b->sys = sys;
    b->hdrs = (void *)(block + hdrs);
    b->iov = (void *)(block + iov);
    b->names = (void *)(block + names);
    b->parts = (void *)(block + parts);
    b->segments = block + segments;
    b->segments_size = segment;
    b->headers = (uint32_t)headers;
    b->pub.dgrams = (void *)(block + dgrams);
    b->pub.records = config->records > 0 ? (void *)(block + records) : NULL;
    b->pub.control = block + controls;
    b->pub.data = block + data;
    b->pub.data_size = n * config->size;
    b->pub.count = config->count;
    b->pub.control_size = (uint32_t)control;
    b->pub.records_each = config->records;
    for (uint32_t i = 0; i < config->count; i++) {
        b->pub.dgrams[i].offset = (uint64_t)i * config->size;
        b->pub.dgrams[i].room = config->size;
    }
    *out = &b->pub;
    return 0;
}

void esock_batch_free(esock_batch *pub) {
    if (pub == NULL) return;
    batch *b = own(pub);
    b->sys->free(b->sys, b);
}

/* Returns 0 if the handle's socket keeps datagrams apart and has no end. */
static int fit(const esock *s) {
    return s->type == SOCK_DGRAM || s->type == SOCK_RAW ? 0 : -EOPNOTSUPP;
}

/* ---- Receiving */

/* Finds the length of the datagrams of a train. */
static uint32_t train_of(const void *control, size_t len) {
    esock_cmsg c;
    size_t pos = 0;
    while (esock_cmsg_next(control, len, &pos, &c) == 1)
        if (c.level == IPPROTO_UDP && c.type == UDP_GRO && c.kind == ESOCK_CMSG_INT && c.v.i > 0)
            return (uint32_t)c.v.i;
    return 0;
}

/* Describes what has come into place i. */
static void describe(const esock *s, batch *b, uint32_t i, const struct mmsghdr *h, int flags) {
    esock_dgram *d = &b->pub.dgrams[i];
    unsigned char *control = b->pub.control + (size_t)i * b->pub.control_size;
    esock_cmsg *records =
        b->pub.records == NULL ? NULL : b->pub.records + (size_t)i * b->pub.records_each;
    esock_msg out = {0};
    esock__received(s, &h->msg_hdr, h->msg_len, flags, control, b->pub.control_size, records,
                    b->pub.records_each, &out);
    d->addr = out.addr;
    d->flags = out.flags;
    d->len = h->msg_len < d->room ? h->msg_len : d->room;
    d->full_len = h->msg_len;
    d->control_len = out.control_len;
    d->cmsgs = out.cmsgs;
    d->bad = out.bad != 0;
    d->segment = 0;
    if (s->protocol == IPPROTO_UDP && out.control_len > 0) {
        uint32_t segment = train_of(control, out.control_len);
        if (segment < d->full_len) d->segment = segment;
    }
}

ssize_t esock_batch_recv(esock *s, esock_batch *pub, uint32_t n, int flags, unsigned how) {
    if (pub == NULL) return -EFAULT;
    batch *b = own(pub);
    int r = fit(s);
    if (r < 0) return r;
    if (flags & (MSG_ERRQUEUE | MSG_PEEK)) return -EOPNOTSUPP;
    if (n == 0 || n > pub->count) return -EINVAL;
    for (uint32_t i = 0; i < n; i++) {
        const esock_dgram *d = &pub->dgrams[i];
        if (d->offset > pub->data_size || d->room > pub->data_size - d->offset) return -EINVAL;
    }
    uint32_t done = 0;
    while (done < n) {
        uint32_t h = n - done < b->headers ? n - done : b->headers;
        for (uint32_t i = 0; i < h; i++) {
            const esock_dgram *d = &pub->dgrams[done + i];
            b->iov[i] = (struct iovec){.iov_base = pub->data + d->offset, .iov_len = d->room};
            b->hdrs[i] = (struct mmsghdr){0};
            struct msghdr *m = &b->hdrs[i].msg_hdr;
            m->msg_name = &b->names[i];
            m->msg_namelen = sizeof b->names[i];
            m->msg_iov = &b->iov[i];
            m->msg_iovlen = 1;
            if (pub->control_size > 0)
                m->msg_control = pub->control + (size_t)(done + i) * pub->control_size;
            m->msg_controllen = (__typeof__(m->msg_controllen))pub->control_size;
        }
        /* MSG_TRUNC: the whole length of what was cut. */
        int got;
        ESOCK__RETRY(got, b->sys->recvmmsg(b->sys, s->fd, b->hdrs, h,
                                           flags | MSG_TRUNC | ESOCK__RECV_FLAGS(s)));
        pub->received.calls++;
        uint64_t bytes = 0, most = 0, dgrams = 0;
        for (int i = 0; i < got; i++) {
            describe(s, b, done + (uint32_t)i, &b->hdrs[i], flags);
            const esock_dgram *d = &pub->dgrams[done + (uint32_t)i];
            uint64_t in = 1;
            if (d->segment > 0) {
                in = (d->full_len + d->segment - 1) / d->segment;
                pub->received.trains++;
            }
            dgrams += in;
            bytes += d->len;
            uint64_t longest = d->segment > 0 && d->segment < d->len ? d->segment : d->len;
            if (longest > most) most = longest;
        }
        pub->received.dgrams += dgrams;
        esock__count_batch(s, 0, got, dgrams, bytes, most, done > 0 ? how | ESOCK_POLL : how,
                           "recvmmsg");
        if (got < 0) return done > 0 ? (ssize_t)done : got;
        done += (uint32_t)got;
        if ((uint32_t)got < h) break;
    }
    return (ssize_t)done;
}

/* ---- Sending */

static bool same_addr(const esock_addr *a, const esock_addr *b) {
    return a->form == b->form && a->family == b->family && a->port == b->port &&
           a->scope_id == b->scope_id && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

/* Returns the length from which on trains to a destination are refused, 0 for none. */
static uint32_t refused_from(const batch *b, const esock_addr *to) {
    uint32_t n = b->refused < REFUSALS ? b->refused : REFUSALS;
    for (uint32_t i = 0; i < n; i++)
        if (same_addr(&b->refusals[i].to, to)) return b->refusals[i].segment;
    return 0;
}

static void refuse(batch *b, const esock_addr *to, uint32_t segment, int error) {
    b->pub.sent.refused++;
    uint32_t n = b->refused < REFUSALS ? b->refused : REFUSALS;
    for (uint32_t i = 0; i < n; i++)
        if (same_addr(&b->refusals[i].to, to)) {
            if (segment >= b->refusals[i].segment) return;
            b->refusals[i].segment = segment;
            b->refusals[i].error = error;
            return;
        }
    b->refusals[b->refused++ % REFUSALS] =
        (esock_refusal){.to = *to, .segment = segment, .error = error};
}

uint32_t esock_batch_refusals(const esock_batch *pub, esock_refusal *out, uint32_t n) {
    if (pub == NULL) return 0;
    const batch *b = (const batch *)(const void *)pub;
    uint32_t known = b->refused < REFUSALS ? b->refused : REFUSALS;
    for (uint32_t i = 0; i < n && i < known && out != NULL; i++)
        out[i] = b->refusals[(b->refused - 1 - i) % REFUSALS];
    return known;
}

void esock_batch_forget(esock_batch *pub) {
    if (pub != NULL) own(pub)->refused = 0;
}

/* Returns the datagram whose address and control messages datagram i has. */
static uint32_t leader(const esock_batch *b, uint32_t i) {
    while (i > 0 && b->dgrams[i].same)
        i--;
    return i;
}

/* Returns how many datagrams from `first` on are one train, 1 if it is none. */
static uint32_t train_at(const batch *b, const esock *s, uint32_t first, uint32_t end,
                         const esock_addr *to) {
    const esock_dgram *d = &b->pub.dgrams[first];
    uint32_t most = b->pub.trains < TRAIN_DGRAMS ? b->pub.trains : TRAIN_DGRAMS;
    if (most < 2 || s->protocol != IPPROTO_UDP || d->len == 0 || first + 1 == end) return 1;
    uint64_t total = d->len;
    uint32_t n = 1;
    for (; n < most && first + n < end; n++) {
        const esock_dgram *next = &b->pub.dgrams[first + n];
        if (!next->same || next->len == 0 || next->len > d->len ||
            next->offset != d->offset + total || total + next->len > TRAIN_BYTES)
            break;
        total += next->len;
        if (next->len < d->len) {
            n++;
            break;
        }
    }
    if (n == 1) return 1;
    uint32_t limit = b->refused == 0 ? 0 : refused_from(b, to);
    return limit > 0 && d->len >= limit ? 1 : n;
}

/* Makes header h of the datagrams from `first` on, which have the address and control messages of datagram `led`. Returns
 * how many it has, or a negative errno. */
static int header(batch *b, const esock *s, uint32_t h, uint32_t first, uint32_t end,
                  uint32_t led) {
    const esock_dgram *d = &b->pub.dgrams[first], *with = &b->pub.dgrams[led];
    struct msghdr *m = &b->hdrs[h].msg_hdr;
    unsigned char *control = b->pub.control + (size_t)led * b->pub.control_size;
    size_t control_len = with->control_len;
    if (control_len > b->pub.control_size) return -EINVAL;
    uint32_t n = train_at(b, s, first, end, &with->addr);
    uint64_t total = 0;
    for (uint32_t i = 0; i < n; i++)
        total += b->pub.dgrams[first + i].len;
    if (d->offset > b->pub.data_size || total > b->pub.data_size - d->offset) return -EINVAL;
    b->hdrs[h] = (struct mmsghdr){0};
    if (with->addr.form != ESOCK_ADDR_NONE) {
        unsigned len;
        int r = esock_addr_encode(&with->addr, &b->names[h], &len);
        if (r < 0) return r;
        m->msg_name = &b->names[h];
        m->msg_namelen = len;
    }
    b->iov[h] = (struct iovec){.iov_base = b->pub.data + d->offset, .iov_len = (size_t)total};
    m->msg_iov = &b->iov[h];
    m->msg_iovlen = 1;
    if (n > 1) {
        unsigned char *longer = b->segments + (size_t)h * b->segments_size;
        size_t at = CMSG_ALIGN(control_len);
        memset(longer + control_len, 0, at - control_len + SEGMENT_SPACE);
        memcpy(longer, control, control_len);
        struct cmsghdr *c = (void *)(longer + at);
        uint16_t segment = (uint16_t)d->len;
        c->cmsg_level = IPPROTO_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof segment);
        memcpy(CMSG_DATA(c), &segment, sizeof segment);
        control = longer;
        control_len = at + SEGMENT_SPACE;
    }
    if (control_len > 0) m->msg_control = control;
    m->msg_controllen = (__typeof__(m->msg_controllen))control_len;
    return (int)n;
}

/* Whether an error of a train may be one of trains, so that its datagrams may go by themselves: no offload on the way,
 * or a length above the MTU. */
static bool of_trains(int error) {
    return error == -EIO || error == -EINVAL || error == -EMSGSIZE || error == -EOPNOTSUPP ||
           error == -ENOPROTOOPT;
}

ssize_t esock_batch_send(esock *s, esock_batch *pub, uint32_t from, uint32_t n, int flags,
                         unsigned how) {
    if (pub == NULL) return -EFAULT;
    batch *b = own(pub);
    int r = fit(s);
    if (r < 0) return r;
    if (n == 0 || n > pub->count || from > pub->count - n) return -EINVAL;
    uint32_t done = from, end = from + n;
    while (done < end) {
        uint32_t at = done, h = 0, led = leader(pub, done);
        while (at < end && h < b->headers) {
            if (!pub->dgrams[at].same) led = at;
            r = header(b, s, h, at, end, led);
            if (r < 0) break;
            b->parts[h++] = (uint32_t)r;
            at += (uint32_t)r;
        }
        if (h == 0) return done > from ? (ssize_t)(done - from) : r;
        int went;
        ESOCK__RETRY(went, b->sys->sendmmsg(b->sys, s->fd, b->hdrs, h, flags | ESOCK__SEND_FLAGS));
        pub->sent.calls++;
        uint64_t bytes = 0, most = 0;
        uint32_t dgrams = 0;
        for (int i = 0; i < went; i++) {
            const esock_dgram *d = &pub->dgrams[done + dgrams];
            if (b->parts[i] > 1) pub->sent.trains++;
            bytes += b->iov[i].iov_len;
            if (d->len > most) most = d->len;
            dgrams += b->parts[i];
        }
        pub->sent.dgrams += dgrams;
        bool split = went < 0 && b->parts[0] > 1 && of_trains(went);
        if (!split)
            esock__count_batch(s, 1, went, dgrams, bytes, most,
                               done > from ? how | ESOCK_POLL : how, "sendmmsg");
        done += dgrams;
        if (split && went == -EINVAL && b->parts[0] > TRAIN_DGRAMS_OLD)
            pub->trains = TRAIN_DGRAMS_OLD;
        else if (split)
            refuse(b, &pub->dgrams[leader(pub, done)].addr,
                   went == -EIO ? 1 : pub->dgrams[done].len, went);
        else if (went <= 0)
            return done > from ? (ssize_t)(done - from) : went < 0 ? went : -EIO;
    }
    return (ssize_t)(done - from);
}
