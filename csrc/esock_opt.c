/* Options: the typed ones of esock_opt.def, and any other by its numbers. */
#include "esock_internal.h"

#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define STRING_ROOM 64 /* for the longest string and a NUL */
#define NATIVE_MAX \
    (1u << 20) /* a size beyond is a mistake, and the kernel would only answer late */

static const esock_optrow rows[] = {
#define ESOCK_OPT(lv, nm, lconst, lnum, cnst, num, cod, dir, mx, snc, text) \
    {.level = #lv,                                                          \
     .name = #nm,                                                           \
     .constant = #cnst,                                                     \
     .level_number = (lnum),                                                \
     .number = (num),                                                       \
     .codec = ESOCK_##cod,                                                  \
     .direction = ESOCK_##dir,                                              \
     .max = (mx),                                                           \
     .since = (snc),                                                        \
     .doc = (text)},
#include "esock_opt.def"
#undef ESOCK_OPT
};

#define ESOCK_OPT(lv, nm, lconst, lnum, cnst, num, cod, dir, mx, snc, text) \
    _Static_assert((mx) < STRING_ROOM, "a string fits with its NUL: " #nm);
#include "esock_opt.def"
#undef ESOCK_OPT

#define ROWS (sizeof rows / sizeof *rows)

unsigned esock_opt_count(void) {
    return ROWS;
}

const esock_optrow *esock_opt_row(unsigned row) {
    return row < ROWS ? &rows[row] : NULL;
}

uint64_t esock_opt_hash(void) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < ROWS; i++) {
        const esock_optrow *r = &rows[i];
        char text[256];
        int n = snprintf(text, sizeof text, "%s %s %s %d %d %d %d %d\n", r->level, r->name,
                         r->constant, r->level_number, r->number, r->codec, r->direction, r->max);
        for (int k = 0; k < n && k < (int)sizeof text - 1; k++)
            h = (h ^ (unsigned char)text[k]) * UINT64_C(0x100000001b3);
    }
    return h;
}

/* getsockopt(2) with room for *len bytes, of which *len are then used. */
static int get(const esock *s, int level, int opt, void *val, size_t *len) {
    socklen_t n = (socklen_t)*len;
    int r;
    ESOCK__RETRY(r, s->sys->getsockopt(s->sys, s->fd, level, opt, val, &n));
    if (r < 0) return r;
    if (n < *len) *len = n;
    return 0;
}

static int put(const esock *s, int level, int opt, const void *val, size_t len) {
    int r;
    ESOCK__RETRY(r, s->sys->setsockopt(s->sys, s->fd, level, opt, val, (socklen_t)len));
    return r;
}

/* Linux sets the priority of a socket whose IP_TOS is set (ip(7)), and of no other option's: so only there it is
 * put back. Priorities above 6 may then need a capability, which is no fault of the caller's. */
static int set(const esock *s, int level, int opt, const void *val, size_t len) {
    if (level != IPPROTO_IP || opt != IP_TOS) return put(s, level, opt, val, len);

    int before, after;
    size_t n = sizeof before, m = sizeof after;
    bool known = get(s, SOL_SOCKET, SO_PRIORITY, &before, &n) == 0 && n == sizeof before;
    int r = put(s, level, opt, val, len);
    if (r < 0 || !known) return r;
    if (get(s, SOL_SOCKET, SO_PRIORITY, &after, &m) < 0 || m != sizeof after || after == before)
        return 0;
    r = put(s, SOL_SOCKET, SO_PRIORITY, &before, sizeof before);
    return r == -EPERM ? 0 : r;
}

static int get_scalar(const esock *s, const esock_optrow *row, int64_t *i) {
    int v = 0;
    size_t n = sizeof v;
    int r = get(s, row->level_number, row->number, &v, &n);
    if (r < 0) return r;
    if (n != sizeof v) return -EBADMSG;
    if (row->codec == ESOCK_BOOL)
        *i = v != 0;
    else
        *i = row->codec == ESOCK_UINT ? (int64_t)(unsigned)v : v;
    return 0;
}

/* The NUL is no part of the string: Linux counts it in the length of SO_BINDTODEVICE, and hands out all 16 bytes
 * of TCP_CONGESTION. */
static int get_string(const esock *s, const esock_optrow *row, void *data, size_t *len) {
    char text[STRING_ROOM] = {0};
    size_t n = (size_t)row->max + 1;
    int r = get(s, row->level_number, row->number, text, &n);
    if (r < 0) return r;
    n = strnlen(text, n);
    if (n > *len) return -ENOBUFS;
    if (n > 0) memcpy(data, text, n);
    *len = n;
    return 0;
}

static int get_linger(const esock *s, const esock_optrow *row, void *data, size_t *len) {
    struct linger l = {0};
    size_t n = sizeof l;
    if (*len < sizeof(esock_linger)) return -ENOBUFS;
    int r = get(s, row->level_number, row->number, &l, &n);
    if (r < 0) return r;
    if (n != sizeof l) return -EBADMSG;
    esock_linger out = {.onoff = l.l_onoff != 0, .seconds = l.l_linger};
    memcpy(data, &out, sizeof out);
    *len = sizeof out;
    return 0;
}

static int get_ucred(const esock *s, const esock_optrow *row, void *data, size_t *len) {
    struct ucred u = {0};
    size_t n = sizeof u;
    if (*len < sizeof(esock_ucred)) return -ENOBUFS;
    int r = get(s, row->level_number, row->number, &u, &n);
    if (r < 0) return r;
    if (n != sizeof u) return -EBADMSG;
    esock_ucred out = {.pid = u.pid, .uid = u.uid, .gid = u.gid};
    memcpy(data, &out, sizeof out);
    *len = sizeof out;
    return 0;
}

static int getopt_row(const esock *s, const esock_optrow *row, int64_t *i, void *data,
                      size_t *len) {
    switch ((enum esock_codec)row->codec) {
    case ESOCK_BOOL:
    case ESOCK_INT:
    case ESOCK_UINT:
        return get_scalar(s, row, i);
    case ESOCK_STRING:
        return get_string(s, row, data, len);
    case ESOCK_LINGER:
        return get_linger(s, row, data, len);
    case ESOCK_UCRED:
        return get_ucred(s, row, data, len);
    }
    return -ENOTSUP;
}

int esock_getopt(esock *s, unsigned row, int64_t *i, void *data, size_t *len) {
    const esock_optrow *o = esock_opt_row(row);
    if (o == NULL) return -ENOENT;
    if (!(o->direction & ESOCK_GET)) return -ENOTSUP;
    int r = getopt_row(s, o, i, data, len);
    esock__trace(s, "getopt", r);
    return r;
}

static int set_scalar(const esock *s, const esock_optrow *row, int64_t i) {
    int64_t min = row->codec == ESOCK_INT ? INT_MIN : 0;
    int64_t max = row->codec == ESOCK_BOOL ? 1 : row->codec == ESOCK_INT ? INT_MAX : UINT_MAX;
    if (i < min || i > max) return -ERANGE;
    int v = (int)(unsigned)i;
    return set(s, row->level_number, row->number, &v, sizeof v);
}

static int set_string(const esock *s, const esock_optrow *row, const void *data, size_t len) {
    if (len > row->max) return -ERANGE;
    if (len > 0 && memchr(data, 0, len) != NULL) return -EINVAL;
    return set(s, row->level_number, row->number, len > 0 ? data : "", len);
}

static int set_linger(const esock *s, const esock_optrow *row, const void *data, size_t len) {
    esock_linger in;
    if (len != sizeof in) return -EINVAL;
    memcpy(&in, data, sizeof in);
    if (in.seconds < 0) return -ERANGE;
    struct linger l = {.l_onoff = in.onoff != 0, .l_linger = in.seconds};
    return set(s, row->level_number, row->number, &l, sizeof l);
}

static int setopt_row(const esock *s, const esock_optrow *row, int64_t i, const void *data,
                      size_t len) {
    switch ((enum esock_codec)row->codec) {
    case ESOCK_BOOL:
    case ESOCK_INT:
    case ESOCK_UINT:
        return set_scalar(s, row, i);
    case ESOCK_STRING:
        return set_string(s, row, data, len);
    case ESOCK_LINGER:
        return set_linger(s, row, data, len);
    case ESOCK_UCRED:
        break;
    }
    return -ENOTSUP;
}

int esock_setopt(esock *s, unsigned row, int64_t i, const void *data, size_t len) {
    const esock_optrow *o = esock_opt_row(row);
    if (o == NULL) return -ENOENT;
    if (!(o->direction & ESOCK_SET)) return -ENOTSUP;
    int r = setopt_row(s, o, i, data, len);
    esock__trace(s, "setopt", r);
    return r;
}

int esock_getopt_native(esock *s, int level, int opt, void *val, size_t *len) {
    if (*len > NATIVE_MAX) return -EINVAL;
    int r = get(s, level, opt, val, len);
    esock__trace(s, "getopt", r);
    return r;
}

int esock_setopt_native(esock *s, int level, int opt, const void *val, size_t len) {
    if (len > INT_MAX) return -EINVAL;
    int r = set(s, level, opt, val, len);
    esock__trace(s, "setopt", r);
    return r;
}
