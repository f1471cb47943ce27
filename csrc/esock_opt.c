/* Options: the typed ones of esock_opt.def, and any other by its numbers. */
#include "esock_internal.h"

#include <limits.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/time.h>

#define STRING_ROOM 256 /* for the longest string and a NUL */
#define FILTER_MAX 512  /* instructions; the kernel takes 4096, which nobody writes by hand */
#define NATIVE_MAX \
    (1u << 20) /* a size beyond is a mistake, and the kernel would only answer late */

_Static_assert(sizeof(struct linger) == sizeof(esock_linger), "the kernel's layout");
_Static_assert(sizeof(struct ucred) == sizeof(esock_ucred), "the kernel's layout");

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

/* Numbers of 4 bytes. On entry *i is the question of an option that takes one. The level ip answers some with a
 * byte when there is room for no more, which there is. */
static int get_int(const esock *s, const esock_optrow *row, int64_t *i) {
    int v = row->direction == ESOCK_ASK || row->direction == ESOCK_ASKSET ? (int)*i : 0;
    size_t n = sizeof v;
    int r = get(s, row->level_number, row->number, &v, &n);
    if (r < 0) return r;
    if (n != sizeof v) return -EBADMSG;
    if (row->codec == ESOCK_BOOL)
        *i = v != 0;
    else if (row->codec == ESOCK_BE32)
        *i = ntohl((uint32_t)v);
    else
        *i = row->codec == ESOCK_UINT ? (int64_t)(unsigned)v : v;
    return 0;
}

static int set_int(const esock *s, const esock_optrow *row, int64_t i) {
    int64_t min = row->codec == ESOCK_INT ? INT_MIN : 0;
    int64_t max = row->codec == ESOCK_BOOL ? 1 : row->codec == ESOCK_INT ? INT_MAX : UINT_MAX;
    if (i < min || i > max) return -ERANGE;
    unsigned v = (unsigned)i;
    if (row->codec == ESOCK_BE32) v = htonl(v);
    return set(s, row->level_number, row->number, &v, sizeof v);
}

/* 64 bits, of which an older kernel may know 32 (SO_MAX_PACING_RATE before 4.20). */
static int get_u64(const esock *s, const esock_optrow *row, int64_t *i) {
    unsigned char v[8] = {0};
    uint32_t half;
    size_t n = sizeof v;
    int r = get(s, row->level_number, row->number, v, &n);
    if (r < 0) return r;
    if (n == sizeof half) {
        memcpy(&half, v, sizeof half);
        *i = half == UINT32_MAX ? INT64_C(-1) : (int64_t)half;
        return 0;
    }
    if (n != sizeof v) return -EBADMSG;
    memcpy(i, v, sizeof v);
    return 0;
}

static int get_timeval(const esock *s, const esock_optrow *row, int64_t *i) {
    struct timeval tv = {0};
    size_t n = sizeof tv;
    int r = get(s, row->level_number, row->number, &tv, &n);
    if (r < 0) return r;
    if (n != sizeof tv || tv.tv_usec < 0 || tv.tv_usec >= 1000000) return -EBADMSG;
    if (tv.tv_sec < 0 || tv.tv_sec > INT64_MAX / 1000000 - 1) return -EBADMSG;
    *i = (int64_t)tv.tv_sec * 1000000 + tv.tv_usec;
    return 0;
}

static int set_timeval(const esock *s, const esock_optrow *row, int64_t i) {
    if (i < 0 || (sizeof(time_t) == 4 && i / 1000000 > INT32_MAX)) return -ERANGE;
    struct timeval tv = {.tv_sec = (time_t)(i / 1000000), .tv_usec = (suseconds_t)(i % 1000000)};
    return set(s, row->level_number, row->number, &tv, sizeof tv);
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

static int set_string(const esock *s, const esock_optrow *row, const void *data, size_t len) {
    if (len > row->max) return -ERANGE;
    if (len > 0 && memchr(data, 0, len) != NULL) return -EINVAL;
    return set(s, row->level_number, row->number, len > 0 ? data : "", len);
}

static int get_bytes(const esock *s, const esock_optrow *row, void *data, size_t *len) {
    if (*len > row->max) *len = row->max;
    return get(s, row->level_number, row->number, data, len);
}

static int set_bytes(const esock *s, const esock_optrow *row, const void *data, size_t len) {
    if (len > row->max) return -ERANGE;
    return set(s, row->level_number, row->number, len > 0 ? data : NULL, len);
}

/* What the kernel does not give is 0: it may be older than the structure. */
static int get_struct(const esock *s, const esock_optrow *row, void *data, size_t *len) {
    const esock_optshape *sh = row->shape;
    size_t n;
    if (*len < sh->size) return -ENOBUFS;
    n = sh->element > 0 ? *len : sh->size;
    if (n > row->max) n = row->max;
    if (!(row->direction & (ESOCK_ASK & ~ESOCK_GET))) memset(data, 0, n);
    int r = get(s, row->level_number, row->number, data, &n);
    if (r < 0) return r;
    if (n < sh->least) return -EBADMSG;
    if (n < sh->size) {
        memset((char *)data + n, 0, sh->size - n);
        n = sh->size;
    }
    if (sh->element > 0) n -= (n - sh->size) % sh->element;
    *len = n;
    return 0;
}

static int set_struct(const esock *s, const esock_optrow *row, const void *data, size_t len) {
    const esock_optshape *sh = row->shape;
    if (len < sh->size ||
        (sh->element == 0 ? len != sh->size : (len - sh->size) % sh->element != 0))
        return -EINVAL;
    if (len > row->max) return -ERANGE;
    return set(s, row->level_number, row->number, data, len);
}

/* getsockopt(2), with the count that the kernel answers in the length: it may exceed the room. */
static int get_count(const esock *s, const esock_optrow *row, void *data, size_t *n) {
    socklen_t count = (socklen_t)*n;
    int r;
    ESOCK__RETRY(r,
                 s->sys->getsockopt(s->sys, s->fd, row->level_number, row->number, data, &count));
    if (r < 0) return r;
    *n = count;
    return 0;
}

/* The kernel counts a filter in instructions here, as the length of the option. */
static int get_filter(const esock *s, const esock_optrow *row, void *data, size_t *len) {
    size_t n = 0;
    int r = get_count(s, row, NULL, &n);
    if (r < 0) return r;
    if (n > row->max / sizeof(struct sock_filter)) return -EBADMSG;
    if (n * sizeof(struct sock_filter) > *len) return -ENOBUFS;
    if (n > 0) {
        size_t had = n;
        r = get_count(s, row, data, &n);
        if (r < 0) return r;
        if (n > had) return -EBADMSG; /* it was changed in between */
    }
    *len = n * sizeof(struct sock_filter);
    return 0;
}

static int set_filter(const esock *s, const esock_optrow *row, const void *data, size_t len) {
    struct sock_filter program[FILTER_MAX];
    if (len % sizeof *program != 0 || len == 0) return -EINVAL;
    if (len > row->max) return -ERANGE;
    memcpy(program, data, len); /* the caller's bytes need not be aligned */
    struct sock_fprog f = {.len = (unsigned short)(len / sizeof *program), .filter = program};
    return set(s, row->level_number, row->number, &f, sizeof f);
}

static int getopt_row(const esock *s, const esock_optrow *row, int64_t *i, void *data,
                      size_t *len) {
    switch ((enum esock_codec)row->codec) {
    case ESOCK_BOOL:
    case ESOCK_INT:
    case ESOCK_UINT:
    case ESOCK_BE32:
        return get_int(s, row, i);
    case ESOCK_U64:
        return get_u64(s, row, i);
    case ESOCK_TIMEVAL:
        return get_timeval(s, row, i);
    case ESOCK_STRING:
        return get_string(s, row, data, len);
    case ESOCK_BYTES:
        return get_bytes(s, row, data, len);
    case ESOCK_STRUCT:
        return get_struct(s, row, data, len);
    case ESOCK_FILTER:
        return get_filter(s, row, data, len);
    }
    return -ENOTSUP;
}

static int getopt_traced(const esock *s, unsigned row, int64_t *i, void *data, size_t *len) {
    const esock_optrow *o = esock_opt_row(row);
    if (o == NULL) return -ENOENT;
    if (!(o->direction & ESOCK_GET)) return -ENOTSUP;
    int r = getopt_row(s, o, i, data, len);
    esock__trace(s, "getopt", r);
    return r;
}

int esock_getopt(esock *s, unsigned row, int64_t *i, void *data, size_t *len) {
    return getopt_traced(s, row, i, data, len);
}

static int setopt_row(const esock *s, const esock_optrow *row, int64_t i, const void *data,
                      size_t len) {
    switch ((enum esock_codec)row->codec) {
    case ESOCK_BOOL:
    case ESOCK_INT:
    case ESOCK_UINT:
    case ESOCK_BE32:
        return set_int(s, row, i);
    case ESOCK_U64:
        return set(s, row->level_number, row->number, &i, sizeof i);
    case ESOCK_TIMEVAL:
        return set_timeval(s, row, i);
    case ESOCK_STRING:
        return set_string(s, row, data, len);
    case ESOCK_BYTES:
        return set_bytes(s, row, data, len);
    case ESOCK_STRUCT:
        return set_struct(s, row, data, len);
    case ESOCK_FILTER:
        return set_filter(s, row, data, len);
    }
    return -ENOTSUP;
}

static int setopt_traced(const esock *s, unsigned row, int64_t i, const void *data, size_t len) {
    const esock_optrow *o = esock_opt_row(row);
    if (o == NULL) return -ENOENT;
    if (!(o->direction & ESOCK_SET)) return -ENOTSUP;
    int r = setopt_row(s, o, i, data, len);
    esock__trace(s, "setopt", r);
    return r;
}

int esock_setopt(esock *s, unsigned row, int64_t i, const void *data, size_t len) {
    return setopt_traced(s, row, i, data, len);
}

static bool within(const esock_optcall *c, size_t data_len) {
    return c->offset <= data_len && c->len <= data_len - c->offset;
}

size_t esock_getopts(esock *s, esock_optcall *calls, size_t n, void *data, size_t data_len) {
    size_t good = 0;
    for (esock_optcall *c = calls; c < calls + n; c++) {
        size_t len = c->len;
        c->result = -EINVAL;
        if (within(c, data_len))
            c->result = getopt_traced(s, c->row, &c->i,
                                      data != NULL ? (char *)data + c->offset : NULL, &len);
        c->len = c->result == 0 && len < c->len ? (uint32_t)len : c->len;
        good += c->result == 0;
    }
    return good;
}

size_t esock_setopts(esock *s, esock_optcall *calls, size_t n, const void *data, size_t data_len) {
    size_t good = 0;
    for (esock_optcall *c = calls; c < calls + n; c++) {
        c->result = -EINVAL;
        if (within(c, data_len))
            c->result = setopt_traced(s, c->row, c->i,
                                      data != NULL ? (const char *)data + c->offset : NULL, c->len);
        good += c->result == 0;
    }
    return good;
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
