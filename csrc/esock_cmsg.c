/* Control messages: the walk, and the values of the types that have a row. */
#include "esock_internal.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/time.h>

#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04 /* Linux 6.5, the same on every architecture; headers lag behind */
#endif

#define HEADER CMSG_LEN(0)
#define VALUE_MAX 32 /* at least the longest value that a row writes */

_Static_assert(HEADER == sizeof(struct cmsghdr), "data follows the header");
_Static_assert(sizeof(struct in_pktinfo) == 12 && sizeof(struct in6_pktinfo) == 20,
               "kernel layout");
_Static_assert(sizeof(struct ucred) == 12, "kernel layout");
_Static_assert(sizeof(struct timeval) <= VALUE_MAX && sizeof(struct in6_pktinfo) <= VALUE_MAX,
               "room");
_Static_assert(sizeof(struct sock_extended_err) == 16 &&
                   offsetof(struct sock_extended_err, ee_origin) == 4 &&
                   offsetof(struct sock_extended_err, ee_info) == 8 &&
                   offsetof(struct sock_extended_err, ee_data) == 12,
               "kernel layout; the offender follows at once");

/* One control message type. decode is called with at least `min` bytes and sets out->v; false: these bytes are no
 * such value. encode writes the value and returns its length, or a negative errno; NULL: a type that is only
 * received. */
struct row {
    int level;
    int type;
    enum esock_cmsg_kind kind;
    size_t min;
    bool (*decode)(const void *data, size_t len, esock_cmsg *out);
    int (*encode)(const esock_cmsg *c, void *out);
};

static const struct row *row_of(int level, int type);
static int put_int(const esock_cmsg *c, void *out);

int esock_cmsg_next(const void *control, size_t len, size_t *pos, esock_cmsg *out) {
    size_t at = *pos;
    struct cmsghdr h;

    if (at == len) return 0;
    if (at > len || len > UINT32_MAX || len - at < sizeof h) return -EBADMSG;
    memcpy(&h, (const char *)control + at, sizeof h);
    if (h.cmsg_len < HEADER || h.cmsg_len > len - at) return -EBADMSG;

    const char *data = (const char *)control + at + HEADER;
    size_t n = h.cmsg_len - HEADER;
    memset(out, 0, sizeof *out);
    out->level = h.cmsg_level;
    out->type = h.cmsg_type;
    out->offset = (uint32_t)(at + HEADER);
    out->length = (uint32_t)n;
    const struct row *row = row_of(h.cmsg_level, h.cmsg_type);
    if (row != NULL && n >= row->min && row->decode(data, n, out)) out->kind = row->kind;

    /* The kernel leaves the padding out when the buffer ends before it. */
    size_t step = CMSG_ALIGN(h.cmsg_len);
    *pos = step < len - at ? at + step : len;
    return 1;
}

/* The value of `c`, or the bytes at its place: *from and *len. `room` has VALUE_MAX bytes. */
static int payload(const esock_cmsg *c, const void *data, size_t data_len, void *room,
                   const void **from, size_t *len) {
    if (c->kind == ESOCK_CMSG_RAW || c->kind == ESOCK_CMSG_RIGHTS) {
        if (c->offset > data_len || c->length > data_len - c->offset) return -EINVAL;
        *from = c->length > 0 ? (const char *)data + c->offset : room;
        *len = c->length;
        return 0;
    }
    const struct row *row = row_of(c->level, c->type);
    int r;
    if (row != NULL)
        r = row->kind == (enum esock_cmsg_kind)c->kind && row->encode != NULL ? row->encode(c, room)
                                                                              : -EINVAL;
    else
        r = c->kind == ESOCK_CMSG_INT ? put_int(c, room) : -EINVAL;
    if (r < 0) return r;
    *from = room;
    *len = (size_t)r;
    return 0;
}

ssize_t esock_cmsg_encode(const esock_cmsg *cmsgs, size_t n, const void *data, size_t data_len,
                          void *out, size_t cap) {
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        char room[VALUE_MAX];
        const void *from;
        size_t len;
        int r = payload(&cmsgs[i], data, data_len, room, &from, &len);
        if (r < 0) return r;
        if (len > cap || CMSG_SPACE(len) > cap - at) return -ENOBUFS;

        struct cmsghdr h;
        memset(&h, 0, sizeof h);
        h.cmsg_len = CMSG_LEN(len);
        h.cmsg_level = cmsgs[i].level;
        h.cmsg_type = cmsgs[i].type;
        char *to = (char *)out + at;
        memset(to, 0, CMSG_SPACE(len));
        memcpy(to, &h, sizeof h);
        memcpy(to + HEADER, from, len);
        at += CMSG_SPACE(len);
    }
    return (ssize_t)at;
}

/* SO_EE_OFFENDER: a sockaddr right behind the error, of family 0 where there is nobody to name. The kernel leaves
 * out, or cuts, what the control buffer has no room for. */
int esock_cmsg_offender(const void *control, size_t len, const esock_cmsg *c, esock_addr *out) {
    const size_t at = sizeof(struct sock_extended_err);
    struct sockaddr_storage ss;

    memset(out, 0, sizeof *out);
    if (c->kind != ESOCK_CMSG_RECVERR || c->offset > len || c->length > len - c->offset) return 0;
    if (c->length < at) return 0;
    size_t n = c->length - at;
    if (n > sizeof ss) n = sizeof ss;
    memset(&ss, 0, sizeof ss);
    memcpy(&ss, (const char *)control + c->offset + at, n);
    esock_addr_decode(&ss, (unsigned)n, out);
    if (out->form == ESOCK_ADDR_KNOWN) return 1; /* neither unspecified nor cut */
    memset(out, 0, sizeof *out);
    return 0;
}

int esock_cmsg_close_rights(const esock *s, const void *control, size_t len) {
    esock_cmsg c;
    size_t pos = 0;
    int closed = 0;
    while (esock_cmsg_next(control, len, &pos, &c) == 1) {
        uint32_t n = c.kind == ESOCK_CMSG_RIGHTS ? c.v.rights : c.kind == ESOCK_CMSG_PIDFD;
        for (uint32_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, (const char *)control + c.offset + i * sizeof fd, sizeof fd);
            if (fd < 0) continue;
            s->sys->close(s->sys, fd);
            closed++;
        }
    }
    return closed;
}

static bool get_int(const void *data, size_t len, esock_cmsg *out) {
    int v;
    (void)len;
    memcpy(&v, data, sizeof v);
    out->v.i = v;
    return true;
}

/* ip(7): recvmsg delivers IP_TOS as one byte, IP_PKTOPTIONS as an int. The byte stays whole: DSCP and ECN. */
static bool get_byte_or_int(const void *data, size_t len, esock_cmsg *out) {
    if (len >= sizeof(int)) return get_int(data, len, out);
    out->v.i = *(const unsigned char *)data;
    return true;
}

static int put_int(const esock_cmsg *c, void *out) {
    if (c->v.i < INT32_MIN || c->v.i > INT32_MAX) return -EINVAL;
    int v = (int)c->v.i;
    memcpy(out, &v, sizeof v);
    return sizeof v;
}

static bool get_rights(const void *data, size_t len, esock_cmsg *out) {
    (void)data;
    out->v.rights = (uint32_t)(len / sizeof(int));
    return true;
}

static bool get_pidfd(const void *data, size_t len, esock_cmsg *out) {
    (void)len;
    memcpy(&out->v.fd, data, sizeof out->v.fd);
    return true;
}

static bool get_credentials(const void *data, size_t len, esock_cmsg *out) {
    struct ucred u;
    (void)len;
    memcpy(&u, data, sizeof u);
    out->v.cred.pid = u.pid;
    out->v.cred.uid = u.uid;
    out->v.cred.gid = u.gid;
    return true;
}

static int put_credentials(const esock_cmsg *c, void *out) {
    struct ucred u = {.pid = c->v.cred.pid, .uid = c->v.cred.uid, .gid = c->v.cred.gid};
    memcpy(out, &u, sizeof u);
    return sizeof u;
}

static bool get_timeval(const void *data, size_t len, esock_cmsg *out) {
    struct timeval t;
    (void)len;
    memcpy(&t, data, sizeof t);
    if (t.tv_usec < 0 || t.tv_usec >= 1000000) return false;
    out->v.time.sec = t.tv_sec;
    out->v.time.nsec = (int64_t)t.tv_usec * 1000;
    return true;
}

static int put_timeval(const esock_cmsg *c, void *out) {
    struct timeval t;
    if (c->v.time.nsec < 0 || c->v.time.nsec >= 1000000000) return -EINVAL;
    memset(&t, 0, sizeof t);
    t.tv_sec = (time_t)c->v.time.sec;
    t.tv_usec = (suseconds_t)(c->v.time.nsec / 1000);
    memcpy(out, &t, sizeof t);
    return sizeof t;
}

static bool get_pktinfo4(const void *data, size_t len, esock_cmsg *out) {
    struct in_pktinfo p;
    (void)len;
    memcpy(&p, data, sizeof p);
    out->v.pktinfo4.ifindex = (uint32_t)p.ipi_ifindex;
    memcpy(out->v.pktinfo4.spec_dst, &p.ipi_spec_dst, sizeof out->v.pktinfo4.spec_dst);
    memcpy(out->v.pktinfo4.addr, &p.ipi_addr, sizeof out->v.pktinfo4.addr);
    return true;
}

static int put_pktinfo4(const esock_cmsg *c, void *out) {
    struct in_pktinfo p;
    memset(&p, 0, sizeof p);
    p.ipi_ifindex = (int)c->v.pktinfo4.ifindex;
    memcpy(&p.ipi_spec_dst, c->v.pktinfo4.spec_dst, sizeof p.ipi_spec_dst);
    memcpy(&p.ipi_addr, c->v.pktinfo4.addr, sizeof p.ipi_addr);
    memcpy(out, &p, sizeof p);
    return sizeof p;
}

static bool get_pktinfo6(const void *data, size_t len, esock_cmsg *out) {
    struct in6_pktinfo p;
    (void)len;
    memcpy(&p, data, sizeof p);
    out->v.pktinfo6.ifindex = p.ipi6_ifindex;
    memcpy(out->v.pktinfo6.addr, &p.ipi6_addr, sizeof out->v.pktinfo6.addr);
    return true;
}

static int put_pktinfo6(const esock_cmsg *c, void *out) {
    struct in6_pktinfo p;
    memset(&p, 0, sizeof p);
    p.ipi6_ifindex = c->v.pktinfo6.ifindex;
    memcpy(&p.ipi6_addr, c->v.pktinfo6.addr, sizeof p.ipi6_addr);
    memcpy(out, &p, sizeof p);
    return sizeof p;
}

static bool get_recverr(const void *data, size_t len, esock_cmsg *out) {
    struct sock_extended_err e;
    (void)len;
    memcpy(&e, data, sizeof e);
    out->v.recverr.error = e.ee_errno;
    out->v.recverr.origin = e.ee_origin;
    out->v.recverr.type = e.ee_type;
    out->v.recverr.code = e.ee_code;
    out->v.recverr.info = e.ee_info;
    out->v.recverr.data = e.ee_data;
    return true;
}

/* IP_RECVTOS, IP_RECVTTL and IPV6_RECVTCLASS name options; Linux delivers IP_TOS, IP_TTL and IPV6_TCLASS, other
 * systems the option's own number. */
static const struct row rows[] = {
    {SOL_SOCKET, SCM_RIGHTS, ESOCK_CMSG_RIGHTS, sizeof(int), get_rights, NULL},
    {SOL_SOCKET, SCM_PIDFD, ESOCK_CMSG_PIDFD, sizeof(int), get_pidfd, NULL},
    {SOL_SOCKET, SCM_CREDENTIALS, ESOCK_CMSG_CREDENTIALS, sizeof(struct ucred), get_credentials,
     put_credentials},
    {SOL_SOCKET, SCM_TIMESTAMP, ESOCK_CMSG_TIME, sizeof(struct timeval), get_timeval, put_timeval},
    {IPPROTO_IP, IP_TOS, ESOCK_CMSG_INT, 1, get_byte_or_int, put_int},
    {IPPROTO_IP, IP_RECVTOS, ESOCK_CMSG_INT, 1, get_byte_or_int, NULL},
    {IPPROTO_IP, IP_TTL, ESOCK_CMSG_INT, 1, get_byte_or_int, put_int},
    {IPPROTO_IP, IP_RECVTTL, ESOCK_CMSG_INT, 1, get_byte_or_int, NULL},
    {IPPROTO_IP, IP_PKTINFO, ESOCK_CMSG_PKTINFO4, sizeof(struct in_pktinfo), get_pktinfo4,
     put_pktinfo4},
    {IPPROTO_IP, IP_RECVERR, ESOCK_CMSG_RECVERR, sizeof(struct sock_extended_err), get_recverr,
     NULL},
    {IPPROTO_IPV6, IPV6_RECVERR, ESOCK_CMSG_RECVERR, sizeof(struct sock_extended_err), get_recverr,
     NULL},
    {IPPROTO_IPV6, IPV6_PKTINFO, ESOCK_CMSG_PKTINFO6, sizeof(struct in6_pktinfo), get_pktinfo6,
     put_pktinfo6},
    {IPPROTO_IPV6, IPV6_HOPLIMIT, ESOCK_CMSG_INT, sizeof(int), get_int, put_int},
    {IPPROTO_IPV6, IPV6_TCLASS, ESOCK_CMSG_INT, sizeof(int), get_int, put_int},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, ESOCK_CMSG_INT, sizeof(int), get_int, NULL},
};

static const struct row *row_of(int level, int type) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].level == level && rows[i].type == type) return &rows[i];
    return NULL;
}
