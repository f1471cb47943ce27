/* Control messages: the walk, encoding, the offender of an error, and closing descriptors. esock_cmsg_rows.c has the
 * values. */
#include "esock_internal.h"

#include <linux/errqueue.h>
#include <string.h>

#define HEADER CMSG_LEN(0)

_Static_assert(HEADER == sizeof(struct cmsghdr), "data follows the header");
_Static_assert(sizeof(esock_cmsg) == 56, "a record has a fixed size");

int esock_cmsg_next(const void *control, size_t len, size_t *pos, esock_cmsg *out) {
    if (pos == NULL || out == NULL || (control == NULL && len > 0)) return -EFAULT;
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
    const esock__cmsg_row *row = esock__cmsg_row_of(h.cmsg_level, h.cmsg_type);
    if (row != NULL && n >= row->min && row->decode(data, n, out)) out->kind = row->kind;

    /* The last message has no padding if the buffer ends before it. */
    size_t step = CMSG_ALIGN(h.cmsg_len);
    *pos = step < len - at ? at + step : len;
    return 1;
}

uint32_t esock_cmsg_decode(const void *control, size_t len, esock_cmsg *cmsgs, size_t max,
                           uint32_t *bad) {
    esock_cmsg beyond;
    uint32_t n = 0;
    size_t pos = 0;
    int r;
    if (cmsgs == NULL) max = 0;
    while ((r = esock_cmsg_next(control, len, &pos, n < max ? &cmsgs[n] : &beyond)) == 1)
        n++;
    if (bad != NULL) *bad = r < 0;
    return n;
}

/* Finds the data of `c`: its value, encoded into `room` (ESOCK__CMSG_VALUE bytes), or the bytes at its offset. */
static int payload(const esock_cmsg *c, const void *data, size_t data_len, void *room,
                   const void **from, size_t *len) {
    if (c->kind == ESOCK_CMSG_RAW || c->kind == ESOCK_CMSG_RIGHTS || c->kind == ESOCK_CMSG_BYTES) {
        if (c->offset > data_len || c->length > data_len - c->offset) return -EINVAL;
        *from = c->length > 0 ? (const char *)data + c->offset : room;
        *len = c->length;
        return 0;
    }
    const esock__cmsg_row *row = esock__cmsg_row_of(c->level, c->type);
    if (row == NULL) row = &esock__cmsg_any_int; /* any level, any type */
    if (row->kind != c->kind || row->encode == NULL) return -EINVAL;
    int r = row->encode(c, room);
    if (r < 0) return r;
    *from = room;
    *len = (size_t)r;
    return 0;
}

ssize_t esock_cmsg_encode(const esock_cmsg *cmsgs, size_t n, const void *data, size_t data_len,
                          void *out, size_t cap) {
    size_t at = 0;
    if ((cmsgs == NULL && n > 0) || (data == NULL && data_len > 0) || (out == NULL && cap > 0))
        return -EFAULT;
    for (size_t i = 0; i < n; i++) {
        char room[ESOCK__CMSG_VALUE];
        const void *from;
        size_t len;
        int r = payload(&cmsgs[i], data, data_len, room, &from, &len);
        if (r < 0) return r;
        if (len > cap || CMSG_SPACE(len) > cap - at) return -ENOBUFS;

        struct cmsghdr h;
        memset(&h, 0, sizeof h);
        h.cmsg_len = (__typeof__(h.cmsg_len))CMSG_LEN(len); /* fits: see cap */
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

/* SO_EE_OFFENDER: a sockaddr right after the error, of family 0 if the error is local. The kernel leaves out, or cuts,
 * what the control buffer has no room for. */
int esock_cmsg_offender(const void *control, size_t len, const esock_cmsg *c, esock_addr *out) {
    const size_t at = sizeof(struct sock_extended_err);
    struct sockaddr_storage ss;

    if (out == NULL || c == NULL || (control == NULL && len > 0)) return -EFAULT;
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
