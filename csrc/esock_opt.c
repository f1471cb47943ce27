/* Options: the typed options of esock_opt.def, and any other by its numbers. */
#include "esock_internal.h"

#include <limits.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/time.h>

#define STRING_ROOM 256 /* for the longest string with a fixed maximum, and a NUL */

_Static_assert(sizeof(struct linger) == sizeof(esock_linger), "the kernel's layout");
_Static_assert(sizeof(struct ucred) == sizeof(esock_ucred), "the kernel's layout");

/* Calls getsockopt(2) with room for *len bytes. *len receives the length that the kernel reports, also with an error;
 * it may be more than the room. */
static int ask(const esock *s, int level, int opt, void *val, size_t *len) {
    socklen_t n = (socklen_t)*len;
    int r;
    ESOCK__RETRY(r, s->sys->getsockopt(s->sys, s->fd, level, opt, val, &n));
    *len = n;
    return r < 0 ? r : 0;
}

/* Reads a value whose size is known. *len receives the bytes used of the room. */
static int get(const esock *s, int level, int opt, void *val, size_t *len) {
    size_t n = *len;
    int r = ask(s, level, opt, val, &n);
    if (r < 0) return r;
    if (n < *len) *len = n;
    return 0;
}

/* Reads a value whose size only the kernel knows. If the room is too small, the kernel reports the length with ERANGE
 * (SO_PEERGROUPS, SO_PEERSEC) or EINVAL (TCP_SAVED_SYN), or gives what fits and the whole length
 * (NETLINK_LIST_MEMBERSHIPS). Each is -ENOBUFS here, with the length in *len. */
static int get_sized(const esock *s, const esock_optrow *row, void *val, size_t *len) {
    size_t n = *len;
    int r = ask(s, row->level_number, row->number, val, &n);
    if (n > *len && (r == 0 || r == -ERANGE || r == -EINVAL))
        r = -ENOBUFS;
    else if (r < 0)
        return r;
    *len = n;
    return r;
}

static int put(esock *s, int level, int opt, const void *val, size_t len) {
    int r;
    if (level == SOL_SOCKET && opt == SO_LINGER) esock__set_flags(s, ESOCK__LINGER);
#ifdef SO_PEEK_OFF
    if (level == SOL_SOCKET && opt == SO_PEEK_OFF) esock__set_flags(s, ESOCK__PEEK_OFF);
#endif
    ESOCK__RETRY(r, s->sys->setsockopt(s->sys, s->fd, level, opt, val, (socklen_t)len));
    return r;
}

/* Sets a value. With IP_TOS, and no other option, Linux changes SO_PRIORITY as well (ip(7)), which is undone here. A
 * priority above 6 may need a capability for that; to lack it is no error of the caller's. */
static int set(esock *s, int level, int opt, const void *val, size_t len) {
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

/* Numbers of 4 bytes. On entry *i is the question, if the option takes one. Level ip answers some options with one
 * byte, but only if there is room for less than 4. */
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

/* SOL_ALG, and ALG_SET_AEAD_AUTHSIZE, whose value is the length of the option's value. */
enum { ALG_LEVEL = 279, ALG_AUTHSIZE = 5 };

static int set_int(esock *s, const esock_optrow *row, int64_t i) {
    int64_t min = row->codec == ESOCK_INT ? INT_MIN : 0;
    int64_t max = row->codec == ESOCK_BOOL ? 1 : row->codec == ESOCK_INT ? INT_MAX : UINT_MAX;
    if (i < min || i > max) return -ERANGE;
    unsigned v = (unsigned)i;
    if (row->level_number == ALG_LEVEL && row->number == ALG_AUTHSIZE)
        return set(s, ALG_LEVEL, ALG_AUTHSIZE, NULL, v);
    if (row->codec == ESOCK_BE32) v = htonl(v);
    return set(s, row->level_number, row->number, &v, sizeof v);
}

/* Numbers of 64 bits. An older kernel may answer with 32, all ones for no limit (SO_MAX_PACING_RATE before 4.20). */
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

static int set_u64(esock *s, const esock_optrow *row, int64_t i) {
    return set(s, row->level_number, row->number, &i, sizeof i);
}

static int get_u16(const esock *s, const esock_optrow *row, int64_t *i) {
    uint16_t v = 0;
    size_t n = sizeof v;
    int r = get(s, row->level_number, row->number, &v, &n);
    if (r < 0) return r;
    if (n != sizeof v) return -EBADMSG;
    *i = v;
    return 0;
}

static int set_u16(esock *s, const esock_optrow *row, int64_t i) {
    if (i < 0 || i > UINT16_MAX) return -ERANGE;
    uint16_t v = (uint16_t)i;
    return set(s, row->level_number, row->number, &v, sizeof v);
}

static int get_timeval(const esock *s, const esock_optrow *row, int64_t *i) {
    esock__timeout t = {0};
    size_t n = sizeof t;
    int r = get(s, row->level_number, row->number, &t, &n);
    if (r < 0) return r;
    if (n != sizeof t || t.usec < 0 || t.usec >= 1000000 || t.sec < 0) return -EBADMSG;
    int64_t sec = t.sec;
    if (sec > INT64_MAX / 1000000 - 1) return -EBADMSG;
    *i = sec * 1000000 + t.usec;
    return 0;
}

static int set_timeval(esock *s, const esock_optrow *row, int64_t i) {
    if (i < 0 || i / 1000000 > LONG_MAX) return -ERANGE;
    esock__timeout t = {.sec = (long)(i / 1000000), .usec = (long)(i % 1000000)};
    return set(s, row->level_number, row->number, &t, sizeof t);
}

/* The NUL is not part of the string: Linux counts it in the length of SO_BINDTODEVICE, and gives all 16 bytes of
 * TCP_CONGESTION. A string without a fixed maximum is read directly into the caller's room. */
static int get_string(const esock *s, const esock_optrow *row, void *data, size_t *len) {
    char text[STRING_ROOM] = {0};
    bool fixed = row->most < STRING_ROOM;
    char *to = fixed ? text : data;
    size_t n = fixed ? (size_t)row->most + 1 : *len < row->most ? *len : row->most;
    int r = get_sized(s, row, to, &n);
    if (r < 0) {
        if (r == -ENOBUFS) *len = n;
        return r;
    }
    n = n > 0 ? strnlen(to, n) : 0;
    if (n > *len) {
        *len = n;
        return -ENOBUFS;
    }
    if (fixed && n > 0) memcpy(data, text, n);
    *len = n;
    return 0;
}

static int set_string(esock *s, const esock_optrow *row, const void *data, size_t len) {
    if (len > row->most) return -ERANGE;
    if (len > 0 && memchr(data, 0, len) != NULL) return -EINVAL;
    return set(s, row->level_number, row->number, len > 0 ? data : "", len);
}

/* TCP_AO_GET_KEYS, and struct tcp_ao_getsockopt of <linux/tcp.h>: its size, and the offset of the number of keys. */
enum { AO_GET_KEYS = 41, AO_KEY = 304, AO_NKEYS = 272 };

/* Reads TCP_AO_GET_KEYS. The option's length is the size of one key, and the number of keys that fit is inside the
 * first. The kernel answers with how many keys match, and writes no more than fit. */
static int get_keys(const esock *s, const esock_optrow *row, void *data, size_t *len) {
    uint32_t room = (uint32_t)(*len / AO_KEY), n = room;
    size_t one = AO_KEY;
    char *keys = data;
    if (room == 0) {
        *len = AO_KEY;
        return -ENOBUFS;
    }
    memset(keys + AO_KEY, 0, *len - AO_KEY); /* after the question */
    memcpy(keys + AO_NKEYS, &n, sizeof n);
    int r = get(s, row->level_number, row->number, keys, &one);
    if (r < 0) return r;
    if (one < AO_NKEYS + sizeof n) return -EBADMSG;
    memcpy(&n, keys + AO_NKEYS, sizeof n);
    *len = (size_t)n * AO_KEY;
    return n > room ? -ENOBUFS : 0;
}

/* Reads bytes. Where the kernel cuts its answer and does not say so, one that fills the room is -ENOBUFS, so that the
 * caller asks again with more. */
static int get_bytes(const esock *s, const esock_optrow *row, void *data, size_t *len) {
    size_t room = *len < row->most ? *len : row->most, n = room;
    if (row->level_number == IPPROTO_TCP && row->number == AO_GET_KEYS)
        return get_keys(s, row, data, len);
    int r = row->max == row->most ? get(s, row->level_number, row->number, data, &n)
                                  : get_sized(s, row, data, &n);
    if (r < 0 && r != -ENOBUFS) return r;
    if (r == 0 && row->slack > 0 && room - n < row->slack && room < row->most) {
        n = 2 * room < row->most ? 2 * room : row->most;
        if (n < row->max) n = row->max;
        r = -ENOBUFS;
    }
    *len = n;
    return r;
}

static int set_bytes(esock *s, const esock_optrow *row, const void *data, size_t len) {
    if (len > row->most) return -ERANGE;
    return set(s, row->level_number, row->number, len > 0 ? data : NULL, len);
}

static uint32_t number_at(const char *data, const esock_optfield *f) {
    uint16_t small;
    uint32_t n;
    memcpy(&small, data + f->offset, sizeof small);
    if (f->size == sizeof small) return small;
    memcpy(&n, data + f->offset, sizeof n);
    return n;
}

/* Returns the size of the list in bytes, from the structure's own fields: the number of elements and, in some, the size
 * of one. */
static uint64_t list_bytes(const esock_optshape *sh, const char *data) {
    uint64_t n = 0, each = sh->element;
    for (const esock_optfield *f = sh->fields; f < sh->fields + sh->count; f++) {
        if (strncmp(f->kind, "COUNT", 5) == 0 || strcmp(f->kind, "MANY32") == 0)
            n = number_at(data, f);
        else if (strcmp(f->kind, "EACH32") == 0)
            each = number_at(data, f);
    }
    return n * each;
}

/* Writes into the question how many elements there is room for. IP_MSFILTER and MCAST_MSFILTER believe that number. */
static void offer(const esock_optshape *sh, char *data, size_t room) {
    for (const esock_optfield *f = sh->fields; f < sh->fields + sh->count; f++) {
        uint32_t n = (uint32_t)(room / sh->element);
        if (strcmp(f->kind, "COUNT32") == 0) memcpy(data + f->offset, &n, sizeof n);
    }
}

/* Reads a structure with a list after it. The kernel gives as much of the list as fits, and says how much there is in
 * the length or in the structure; or it says EINVAL alone, and twice the room is worth trying. */
static int get_list(const esock *s, const esock_optrow *row, char *data, size_t *len) {
    const esock_optshape *sh = row->shape;
    size_t room = sh->fit == ESOCK__FIT_HEAD ? sh->size : *len < row->most ? *len : row->most;
    size_t n = room;
    uint64_t all;
    bool asks = (row->direction & (ESOCK_ASK & ~ESOCK_GET)) != 0;
    memset(data + (asks ? sh->size : 0), 0, room - (asks ? sh->size : 0));
    if (asks) offer(sh, data, room - sh->size);
    int r = get_sized(s, row, data, &n);
    if (r == -EINVAL && sh->fit == ESOCK__FIT_GUESS && room < row->most) {
        *len = 2 * room < row->most ? 2 * room : row->most;
        return -ENOBUFS;
    }
    if (r == -ENOBUFS) *len = n;
    if (r < 0) return r;
    if (n < sh->least) return -EBADMSG;
    all = list_bytes(sh, data);
    if (all > n - sh->size && sh->size + all > room) {
        *len = sh->size + all < SIZE_MAX ? (size_t)(sh->size + all) : SIZE_MAX;
        return -ENOBUFS;
    }
    *len = n - (n - sh->size) % sh->element;
    return 0;
}

/* Reads a structure. A kernel that is older than the structure gives less of it; the rest is 0. */
static int get_struct(const esock *s, const esock_optrow *row, void *data, size_t *len) {
    const esock_optshape *sh = row->shape;
    size_t n = sh->size;
    if (*len < sh->size) {
        *len = sh->size;
        return -ENOBUFS;
    }
    if (sh->element > 0) return get_list(s, row, data, len);
    if (!(row->direction & (ESOCK_ASK & ~ESOCK_GET))) memset(data, 0, n);
    int r = get(s, row->level_number, row->number, data, &n);
    if (r < 0) return r;
    if (n < sh->least) return -EBADMSG;
    if (n < sh->size) memset((char *)data + n, 0, sh->size - n);
    *len = sh->size;
    return 0;
}

/* Sets a structure that the kernel refused as it is, perhaps because the kernel is older and has a shorter one: without
 * the last fields, as long as those are 0. */
static int set_less(esock *s, const esock_optrow *row, const void *data) {
    static const char zeros[sizeof(struct sockaddr_storage)];
    const esock_optfield *f = row->shape->fields + row->shape->count;
    int r = -EINVAL;
    while (r == -EINVAL && --f > row->shape->fields) {
        if (memcmp((const char *)data + f->offset, zeros, f->size) != 0) break;
        r = set(s, row->level_number, row->number, data, f->offset);
    }
    return r;
}

static int set_struct(esock *s, const esock_optrow *row, const void *data, size_t len) {
    const esock_optshape *sh = row->shape;
    if (len == 0 && sh->element > 0) return set(s, row->level_number, row->number, NULL, 0);
    if (len < sh->size ||
        (sh->element == 0 ? len != sh->size : (len - sh->size) % sh->element != 0))
        return -EINVAL;
    if (len > row->most) return -ERANGE;
    int r = set(s, row->level_number, row->number, data, len);
    return r == -EINVAL && sh->least < sh->size ? set_less(s, row, data) : r;
}

/* Reads a filter. The option's length is in instructions. */
static int get_filter(const esock *s, const esock_optrow *row, void *data, size_t *len) {
    size_t n = 0, room = *len / sizeof(struct sock_filter);
    int r = ask(s, row->level_number, row->number, NULL, &n);
    if (r < 0) return r;
    if (n > 0 && n <= room) {
        n = room;
        r = ask(s, row->level_number, row->number, data, &n);
        if (r == -EINVAL)
            n = 2 * room; /* a longer one was attached in between */
        else if (r < 0)
            return r;
    }
    *len = n * sizeof(struct sock_filter);
    return n > room ? -ENOBUFS : 0;
}

static int set_filter(esock *s, const esock_optrow *row, const void *data, size_t len) {
    struct sock_fprog f = {.len = (unsigned short)(len / sizeof(struct sock_filter))};
    if (len % sizeof(struct sock_filter) != 0 || len == 0) return -EINVAL;
    if (len > row->most) return -ERANGE;
    /* f.filter may be unaligned: the kernel copies the instructions. */
    memcpy(&f.filter, &data, sizeof f.filter);
    return set(s, row->level_number, row->number, &f, sizeof f);
}

/* How the values of one codec are read and set: the first two for a scalar, the others for data. */
struct form {
    int (*get_scalar)(const esock *s, const esock_optrow *row, int64_t *i);
    int (*set_scalar)(esock *s, const esock_optrow *row, int64_t i);
    int (*get_data)(const esock *s, const esock_optrow *row, void *data, size_t *len);
    int (*set_data)(esock *s, const esock_optrow *row, const void *data, size_t len);
};

static const struct form forms[] = {
    [ESOCK_BOOL] = {.get_scalar = get_int, .set_scalar = set_int},
    [ESOCK_INT] = {.get_scalar = get_int, .set_scalar = set_int},
    [ESOCK_UINT] = {.get_scalar = get_int, .set_scalar = set_int},
    [ESOCK_BE32] = {.get_scalar = get_int, .set_scalar = set_int},
    [ESOCK_U16] = {.get_scalar = get_u16, .set_scalar = set_u16},
    [ESOCK_U64] = {.get_scalar = get_u64, .set_scalar = set_u64},
    [ESOCK_TIMEVAL] = {.get_scalar = get_timeval, .set_scalar = set_timeval},
    [ESOCK_STRING] = {.get_data = get_string, .set_data = set_string},
    [ESOCK_BYTES] = {.get_data = get_bytes, .set_data = set_bytes},
    [ESOCK_STRUCT] = {.get_data = get_struct, .set_data = set_struct},
    [ESOCK_FILTER] = {.get_data = get_filter, .set_data = set_filter},
};

int esock_getopt(esock *s, unsigned row, int64_t *i, void *data, size_t *len) {
    const esock_optrow *o = esock_opt_row(row);
    if (o == NULL) return -ENOENT;
    if (!(o->direction & ESOCK_GET)) return -ENOTSUP;
    const struct form *f = &forms[o->codec];
    bool scalar = f->get_scalar != NULL;
    int r = -EFAULT;
    if (scalar ? i != NULL : len != NULL && (data != NULL || *len == 0))
        r = scalar ? f->get_scalar(s, o, i) : f->get_data(s, o, data, len);
    esock__trace(s, "getopt", r);
    return r;
}

int esock_setopt(esock *s, unsigned row, int64_t i, const void *data, size_t len) {
    const esock_optrow *o = esock_opt_row(row);
    if (o == NULL) return -ENOENT;
    if (!(o->direction & ESOCK_SET)) return -ENOTSUP;
    const struct form *f = &forms[o->codec];
    bool scalar = f->set_scalar != NULL;
    int r = -EFAULT;
    if (scalar || data != NULL || len == 0)
        r = scalar ? f->set_scalar(s, o, i) : f->set_data(s, o, data, len);
    esock__trace(s, "setopt", r);
    return r;
}

static bool within(const esock_optcall *c, size_t data_len) {
    return c->offset <= data_len && c->len <= data_len - c->offset;
}

size_t esock_getopts(esock *s, esock_optcall *calls, size_t n, void *data, size_t data_len) {
    size_t good = 0;
    if (calls == NULL) return 0;
    for (esock_optcall *c = calls; c < calls + n; c++) {
        size_t len = c->len;
        c->result = -EINVAL;
        if (within(c, data_len))
            c->result = esock_getopt(s, c->row, &c->i,
                                     data != NULL ? (char *)data + c->offset : NULL, &len);
        if (c->result == 0 && len < c->len)
            c->len = (uint32_t)len;
        else if (c->result == -ENOBUFS && len > c->len)
            c->len = len < UINT32_MAX ? (uint32_t)len : UINT32_MAX;
        good += c->result == 0;
    }
    return good;
}

size_t esock_setopts(esock *s, esock_optcall *calls, size_t n, const void *data, size_t data_len) {
    size_t good = 0;
    if (calls == NULL) return 0;
    for (esock_optcall *c = calls; c < calls + n; c++) {
        c->result = -EINVAL;
        if (within(c, data_len))
            c->result = esock_setopt(s, c->row, c->i,
                                     data != NULL ? (const char *)data + c->offset : NULL, c->len);
        good += c->result == 0;
    }
    return good;
}

int esock_getopt_raw(esock *s, int level, int opt, void *val, size_t room, size_t *len) {
    if (len == NULL) return -EFAULT;
    if (room > ESOCK__OPT_MAX) return -EINVAL;
    /* The kernel counts instructions here: given the length in bytes, it would write beyond the room. */
    if (level == SOL_SOCKET && opt == SO_ATTACH_FILTER) room /= sizeof(struct sock_filter);
    *len = room;
    int r = ask(s, level, opt, val, len);
    esock__trace(s, "getopt", r);
    return r;
}

int esock_getopt_native(esock *s, int level, int opt, void *val, size_t *len) {
    size_t n = 0;
    if (len == NULL) return -EFAULT;
    int r = esock_getopt_raw(s, level, opt, val, *len, &n);
    if (r == 0 && n < *len) *len = n;
    return r;
}

int esock_setopt_native(esock *s, int level, int opt, const void *val, size_t len) {
    if (len > INT_MAX) return -EINVAL;
    int r = set(s, level, opt, val, len);
    esock__trace(s, "setopt", r);
    return r;
}
