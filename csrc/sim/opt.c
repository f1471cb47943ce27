/* Options. A row is simulated (it has an effect, in this file or where opt_int is asked) or stored: kept, checked for
 * length and range, and read back. What has no row is ENOPROTOOPT. */
#include "sim_internal.h"

#include <limits.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>

#include "../esock_internal.h"

enum { ANY = 1, UNIX = 2, INET = 4, INET6 = 8, BOOL = 16 };

/* net.core.wmem_max and rmem_max, the defaults of Linux */
#define BUFFER_MAX 212992
#define SNDBUF_MIN 4608
#define RCVBUF_MIN 2304

static const struct row {
    int level, opt;
    unsigned how; /* of which families, and BOOL: not 0 reads as 1 */
    int least, most, first;
} rows[] = {
    {SOL_SOCKET, SO_REUSEADDR, ANY | BOOL, INT_MIN, INT_MAX, 0},
    {SOL_SOCKET, SO_REUSEPORT, INET | INET6 | BOOL, INT_MIN, INT_MAX, 0},
    {SOL_SOCKET, SO_KEEPALIVE, ANY | BOOL, INT_MIN, INT_MAX, 0},
    {SOL_SOCKET, SO_BROADCAST, ANY | BOOL, INT_MIN, INT_MAX, 0},
    {SOL_SOCKET, SO_DONTROUTE, ANY | BOOL, INT_MIN, INT_MAX, 0},
    {SOL_SOCKET, SO_OOBINLINE, ANY | BOOL, INT_MIN, INT_MAX, 0},
    {SOL_SOCKET, SO_DEBUG, ANY | BOOL, INT_MIN, INT_MAX, 0},
    {SOL_SOCKET, SO_PRIORITY, ANY, INT_MIN, INT_MAX, 0}, /* as root */
    {SOL_SOCKET, SO_MARK, ANY, INT_MIN, INT_MAX, 0},
    {IPPROTO_TCP, TCP_NODELAY, INET | INET6 | BOOL, INT_MIN, INT_MAX, 0},
    {IPPROTO_TCP, TCP_CORK, INET | INET6 | BOOL, INT_MIN, INT_MAX, 0},
    {IPPROTO_TCP, TCP_KEEPIDLE, INET | INET6, 1, 32767, 7200},
    {IPPROTO_TCP, TCP_KEEPINTVL, INET | INET6, 1, 32767, 75},
    {IPPROTO_TCP, TCP_KEEPCNT, INET | INET6, 1, 127, 9},
    {IPPROTO_TCP, TCP_SYNCNT, INET | INET6, 1, 127, 6},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, INET | INET6, 0, INT_MAX, 0},
    {IPPROTO_IP, IP_TOS, INET | INET6, 0, 255, 0},
    {IPPROTO_IP, IP_TTL, INET | INET6, 1, 255, 64},
    {IPPROTO_IP, IP_RECVTTL, INET | INET6 | BOOL, INT_MIN, INT_MAX, 0},
    {IPPROTO_IP, IP_RECVTOS, INET | INET6 | BOOL, INT_MIN, INT_MAX, 0},
    {IPPROTO_IP, IP_PKTINFO, INET | INET6 | BOOL, INT_MIN, INT_MAX, 0},
    {IPPROTO_IP, IP_FREEBIND, INET | INET6 | BOOL, INT_MIN, INT_MAX, 0},
    {IPPROTO_IP, IP_MTU_DISCOVER, INET | INET6, 0, 5, 1},
    {IPPROTO_IPV6, IPV6_V6ONLY, INET6 | BOOL, INT_MIN, INT_MAX, 0},
    {IPPROTO_IPV6, IPV6_TCLASS, INET6, 0, 255, 0},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, INET6, 0, 255, 64},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, INET6 | BOOL, INT_MIN, INT_MAX, 0},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, INET6 | BOOL, INT_MIN, INT_MAX, 0},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, INET6 | BOOL, INT_MIN, INT_MAX, 0},
};

enum { ROWS = sizeof rows / sizeof *rows };
_Static_assert(ROWS <= sizeof(((struct options *)0)->value) / sizeof(int), "a place for each row");

static unsigned family_of(const struct sock *s) {
    return ANY | (s->domain == AF_UNIX ? UNIX : s->domain == AF_INET ? INET : INET6);
}

static int find(const struct sock *s, int level, int opt) {
    for (int i = 0; i < ROWS; i++)
        if (rows[i].level == level && rows[i].opt == opt && rows[i].how & family_of(s)) return i;
    return -1;
}

void opt_init(struct sock *s) {
    struct options *o = &s->opt;
    for (int i = 0; i < ROWS; i++)
        o->value[i] = rows[i].first;
    o->rcvlowat = 1;
    o->sndbuf = s->domain == AF_UNIX ? BUFFER_MAX : 16384; /* net.ipv4.tcp_wmem */
    o->rcvbuf = s->domain == AF_UNIX ? BUFFER_MAX : 131072;
}

void opt_inherit(struct sock *child, const struct sock *listener) {
    struct options *o = &child->opt;
    if (listener->domain != AF_UNIX) {
        *o = listener->opt;
        return;
    }
    o->sndbuf = o->rcvbuf = BUFFER_MAX; /* a unix socket inherits nothing of these */
}

int opt_int(const struct sock *s, int level, int opt) {
    int i = find(s, level, opt);
    return i < 0 ? 0 : s->opt.value[i];
}

void opt_only6(struct sock *s) {
    s->opt.value[find(s, IPPROTO_IPV6, IPV6_V6ONLY)] = 1;
}

static int give(const void *from, size_t size, void *val, socklen_t *len) {
    if (*len > INT_MAX) return -EINVAL;
    if (*len < size) size = *len;
    memcpy(val, from, size);
    *len = (socklen_t)size;
    return 0;
}

/* What Linux says of an option that it does not have: it depends on who looks last. */
static int unknown(const struct sock *s, int level, bool set) {
    if (s->domain == AF_UNIX) return -EOPNOTSUPP;
    if (set || s->domain == AF_INET6 || level == IPPROTO_TCP || level == IPPROTO_IP)
        return -ENOPROTOOPT;
    return -EOPNOTSUPP;
}

static int get_socket(struct sock *s, int opt, int *v) {
    switch (opt) {
    case SO_TYPE:
        *v = SOCK_STREAM;
        return 0;
    case SO_DOMAIN:
        *v = s->domain;
        return 0;
    case SO_PROTOCOL:
        *v = s->domain == AF_UNIX ? 0 : IPPROTO_TCP;
        return 0;
    case SO_ERROR:
        *v = -sock_error(s);
        return 0;
    case SO_ACCEPTCONN:
        *v = s->state == SIM_LISTENS;
        return 0;
    case SO_SNDBUF:
        *v = s->opt.sndbuf;
        return 0;
    case SO_RCVBUF:
        *v = s->opt.rcvbuf;
        return 0;
    case SO_RCVLOWAT:
        *v = s->opt.rcvlowat;
        return 0;
    case SO_SNDLOWAT:
        *v = 1;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int opt_get(struct sock *s, int level, int opt, void *val, socklen_t *len) {
    int v, i = find(s, level, opt);
    if (level == SOL_SOCKET && opt == SO_LINGER)
        return give(&s->opt.linger, sizeof s->opt.linger, val, len);
    if (level == SOL_SOCKET && opt == ESOCK__RCVTIMEO)
        return give(s->opt.rcvtimeo, sizeof s->opt.rcvtimeo, val, len);
    if (level == SOL_SOCKET && opt == ESOCK__SNDTIMEO)
        return give(s->opt.sndtimeo, sizeof s->opt.sndtimeo, val, len);
    if (level == SOL_SOCKET && opt == SO_PEERCRED && s->domain == AF_UNIX)
        return give(&s->cred, sizeof s->cred, val, len);
    if (i >= 0)
        v = s->opt.value[i];
    else if (level != SOL_SOCKET)
        return unknown(s, level, false);
    else {
        int r = get_socket(s, opt, &v);
        if (r < 0) return r;
    }
    if (level == IPPROTO_IP && *len > 0 && *len < sizeof v && v >= 0 && v <= 255) {
        uint8_t byte = (uint8_t)v; /* Linux: one byte where an int has no room */
        return give(&byte, 1, val, len);
    }
    return give(&v, sizeof v, val, len);
}

static int set_buffer(int *buffer, int v, int least) {
    if (v > BUFFER_MAX || v < 0) v = BUFFER_MAX; /* Linux compares it as unsigned */
    *buffer = v * 2 < least ? least : v * 2;
    return 0;
}

static int set_timeout(long to[2], const void *val, socklen_t len) {
    long t[2];
    if (len < sizeof t) return -EINVAL;
    memcpy(t, val, sizeof t);
    if (t[1] < 0 || t[1] >= 1000000) return -EDOM;
    to[0] = t[0] < 0 ? 0 : t[0];
    to[1] = t[0] < 0 ? 0 : t[1];
    return 0;
}

static int set_socket(struct sock *s, int opt, int v, const void *val, socklen_t len) {
    switch (opt) {
    case SO_LINGER:
        if (len < sizeof s->opt.linger) return -EINVAL;
        memcpy(&s->opt.linger, val, sizeof s->opt.linger);
        s->opt.linger.l_onoff = s->opt.linger.l_onoff != 0;
        return 0;
    case SO_SNDBUF:
        return set_buffer(&s->opt.sndbuf, v, SNDBUF_MIN);
    case SO_RCVBUF:
        return set_buffer(&s->opt.rcvbuf, v, RCVBUF_MIN);
    case SO_RCVLOWAT:
        s->opt.rcvlowat = v < 0 ? INT_MAX : v == 0 ? 1 : v;
        return 0;
    case ESOCK__RCVTIMEO:
        return set_timeout(s->opt.rcvtimeo, val, len);
    case ESOCK__SNDTIMEO:
        return set_timeout(s->opt.sndtimeo, val, len);
    default: /* SO_TYPE and others that are only read are among them */
        return -ENOPROTOOPT;
    }
}

int opt_set(struct sock *s, int level, int opt, const void *val, socklen_t len) {
    int v, i = find(s, level, opt);
    if (level != SOL_SOCKET && i < 0) return unknown(s, level, true);
    if (level == IPPROTO_IP && len < sizeof v) { /* Linux takes one byte, too, and none for 0 */
        v = len > 0 ? *(const uint8_t *)val : 0;
        if (opt == IP_TTL && len == 0) return -EINVAL;
    } else {
        if (len < sizeof v) return -EINVAL;
        memcpy(&v, val, sizeof v);
    }
    if (opt == IP_TTL && level == IPPROTO_IP && v == -1) v = rows[i].first;
    if (i < 0) return set_socket(s, opt, v, val, len);
    if (v < rows[i].least || v > rows[i].most) return -EINVAL;
    s->opt.value[i] = rows[i].how & BOOL ? v != 0 : v;
    return 0;
}
