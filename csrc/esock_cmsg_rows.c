/* The values of control messages: one row for each type, found by its number, and the functions that read and write
 * them. */
#include "esock_internal.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/time.h>

#if defined(__has_include)
#if __has_include(<linux/sctp.h>)
#include <linux/sctp.h>
#define WITH_SCTP 1
#endif
#endif

/* Numbers that headers may lack; the same on every architecture. */
#ifndef SCM_PIDFD
#define SCM_PIDFD 4 /* Linux 6.5 */
#endif
#ifndef SCM_SECURITY
#define SCM_SECURITY 3
#endif
#ifndef SCM_TXTIME
#define SCM_TXTIME 61 /* Linux 4.19 */
#endif
#ifndef SCM_TS_OPT_ID
#define SCM_TS_OPT_ID 81 /* Linux 6.13 */
#endif
#ifndef SCM_INQ
#define SCM_INQ 84 /* Linux 6.17 */
#endif
#ifndef IP_CHECKSUM
#define IP_CHECKSUM 23 /* Linux 4.0 */
#endif
#ifndef IP_RECVFRAGSIZE
#define IP_RECVFRAGSIZE 25 /* Linux 4.10 */
#endif
#ifndef IPV6_RECVFRAGSIZE
#define IPV6_RECVFRAGSIZE 77 /* Linux 4.10 */
#endif
#ifndef IPV6_ORIGDSTADDR
#define IPV6_ORIGDSTADDR 74
#endif
#ifndef IPV6_FLOWINFO
#define IPV6_FLOWINFO 11
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 /* Linux 4.18 */
#endif
#ifndef UDP_GRO
#define UDP_GRO 104 /* Linux 5.0 */
#endif
#ifndef TCP_CM_INQ
#define TCP_CM_INQ 36 /* Linux 4.18 */
#endif
#ifndef SOL_PACKET
#define SOL_PACKET 263
#endif
#define LEVEL_VSOCK 287
#define VSOCK_ERRORS 1 /* VSOCK_RECVERR, Linux 6.7 */

/* Where long has 32 bits there are two of each, one with old and one with new times; elsewhere they differ by their
 * numbers alone. SO_TIMESTAMP is then no constant, so the kernel's own names are used. */
#ifndef SO_TIMESTAMP_OLD
#define SO_TIMESTAMP_OLD 29
#define SO_TIMESTAMPNS_OLD 35
#define SO_TIMESTAMPING_OLD 37
#define SO_TIMESTAMP_NEW 63
#define SO_TIMESTAMPNS_NEW 64
#define SO_TIMESTAMPING_NEW 65
#endif

/* Two numbers of the kernel's long: seconds and a fraction. */
typedef struct long_time {
    long sec, fraction;
} long_time;

typedef struct wide_time {
    int64_t sec, fraction;
} wide_time;

_Static_assert(sizeof(struct in_pktinfo) == 12 && sizeof(struct in6_pktinfo) == 20,
               "kernel layout");
_Static_assert(sizeof(struct ucred) == 12, "kernel layout");
_Static_assert(sizeof(struct sock_extended_err) == 16 &&
                   offsetof(struct sock_extended_err, ee_origin) == 4 &&
                   offsetof(struct sock_extended_err, ee_info) == 8 &&
                   offsetof(struct sock_extended_err, ee_data) == 12,
               "kernel layout; the offender follows at once");
_Static_assert(sizeof(struct tpacket_auxdata) == 20, "kernel layout");
/* ---- Integers ---- */

#define INTEGER(name, type, lowest, highest)                                \
    static bool get_##name(const void *data, size_t len, esock_cmsg *out) { \
        type v;                                                             \
        (void)len;                                                          \
        memcpy(&v, data, sizeof v);                                         \
        out->v.i = v;                                                       \
        return true;                                                        \
    }                                                                       \
    static int put_##name(const esock_cmsg *c, void *out) {                 \
        if (c->v.i < (lowest) || c->v.i > (highest)) return -EINVAL;        \
        type v = (type)c->v.i;                                              \
        memcpy(out, &v, sizeof v);                                          \
        return sizeof v;                                                    \
    }

INTEGER(int, int, INT32_MIN, INT32_MAX)
INTEGER(u32, uint32_t, 0, UINT32_MAX)
INTEGER(u16, uint16_t, 0, UINT16_MAX)
INTEGER(i64, int64_t, INT64_MIN, INT64_MAX)

const esock__cmsg_row esock__cmsg_any_int = {ESOCK_CMSG_INT, 0, get_int, put_int};

/* ip(7): recvmsg delivers IP_TOS as one byte, IP_PKTOPTIONS as an int. The byte stays whole: DSCP and ECN. */
static bool get_byte_or_int(const void *data, size_t len, esock_cmsg *out) {
    if (len >= sizeof(int)) return get_int(data, len, out);
    out->v.i = *(const unsigned char *)data;
    return true;
}

/* In the order of the network: traffic class and flow label. */
static bool get_flowinfo(const void *data, size_t len, esock_cmsg *out) {
    uint32_t v;
    (void)len;
    memcpy(&v, data, sizeof v);
    out->v.i = ntohl(v);
    return true;
}

static int put_flowinfo(const esock_cmsg *c, void *out) {
    if (c->v.i < 0 || c->v.i > UINT32_MAX) return -EINVAL;
    uint32_t v = htonl((uint32_t)c->v.i);
    memcpy(out, &v, sizeof v);
    return sizeof v;
}

/* ---- Bytes, descriptors, identities ---- */

static bool get_bytes(const void *data, size_t len, esock_cmsg *out) {
    (void)data, (void)len, (void)out;
    return true;
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

/* ---- Times ---- */

static wide_time time_at(const void *data, size_t index, bool wide) {
    wide_time w;
    long_time l;
    if (wide) {
        memcpy(&w, (const char *)data + index * sizeof w, sizeof w);
        return w;
    }
    memcpy(&l, (const char *)data + index * sizeof l, sizeof l);
    return (wide_time){.sec = l.sec, .fraction = l.fraction};
}

/* `unit` is how many nanoseconds the fraction counts. */
static bool get_time(const void *data, bool wide, int64_t unit, esock_cmsg *out) {
    wide_time t = time_at(data, 0, wide);
    if (t.fraction < 0 || t.fraction >= 1000000000 / unit) return false;
    out->v.time.sec = t.sec;
    out->v.time.nsec = t.fraction * unit;
    return true;
}

static int put_time(const esock_cmsg *c, bool wide, int64_t unit, void *out) {
    wide_time w = {.sec = c->v.time.sec, .fraction = c->v.time.nsec / unit};
    long_time l = {.sec = (long)w.sec, .fraction = (long)w.fraction};
    if (c->v.time.nsec < 0 || c->v.time.nsec >= 1000000000) return -EINVAL;
    if (wide) {
        memcpy(out, &w, sizeof w);
        return sizeof w;
    }
    if (l.sec != w.sec) return -EINVAL;
    memcpy(out, &l, sizeof l);
    return sizeof l;
}

#define TIME(name, wide, unit)                                              \
    static bool get_##name(const void *data, size_t len, esock_cmsg *out) { \
        (void)len;                                                          \
        return get_time(data, wide, unit, out);                             \
    }                                                                       \
    static int put_##name(const esock_cmsg *c, void *out) {                 \
        return put_time(c, wide, unit, out);                                \
    }

TIME(timeval, false, 1000)
TIME(timeval_new, true, 1000)
TIME(timespec, false, 1)
TIME(timespec_new, true, 1)

/* struct scm_timestamping: software, one that is not used any more, hardware. */
static bool get_stamps(const void *data, bool wide, esock_cmsg *out) {
    wide_time soft = time_at(data, 0, wide), hard = time_at(data, 2, wide);
    if (soft.fraction < 0 || soft.fraction >= 1000000000 || hard.fraction < 0 ||
        hard.fraction >= 1000000000)
        return false;
    out->v.stamps.software_sec = soft.sec;
    out->v.stamps.software_nsec = (uint32_t)soft.fraction;
    out->v.stamps.hardware_sec = hard.sec;
    out->v.stamps.hardware_nsec = (uint32_t)hard.fraction;
    return true;
}

static bool get_timestamping(const void *data, size_t len, esock_cmsg *out) {
    (void)len;
    return get_stamps(data, false, out);
}

static bool get_timestamping_new(const void *data, size_t len, esock_cmsg *out) {
    (void)len;
    return get_stamps(data, true, out);
}

/* ---- Addresses and interfaces ---- */

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

static bool get_sockaddr4(const void *data, size_t len, esock_cmsg *out) {
    struct sockaddr_in a;
    (void)len;
    memcpy(&a, data, sizeof a);
    if (a.sin_family != AF_INET) return false;
    out->v.addr.family = AF_INET;
    out->v.addr.port = ntohs(a.sin_port);
    memcpy(out->v.addr.ip, &a.sin_addr, sizeof a.sin_addr);
    return true;
}

static bool get_sockaddr6(const void *data, size_t len, esock_cmsg *out) {
    struct sockaddr_in6 a;
    (void)len;
    memcpy(&a, data, sizeof a);
    if (a.sin6_family != AF_INET6) return false;
    out->v.addr.family = AF_INET6;
    out->v.addr.port = ntohs(a.sin6_port);
    out->v.addr.flowinfo = ntohl(a.sin6_flowinfo);
    out->v.addr.scope_id = a.sin6_scope_id;
    memcpy(out->v.addr.ip, &a.sin6_addr, sizeof a.sin6_addr);
    return true;
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

static bool get_auxdata(const void *data, size_t len, esock_cmsg *out) {
    struct tpacket_auxdata a;
    (void)len;
    memcpy(&a, data, sizeof a);
    out->v.auxdata.status = a.tp_status;
    out->v.auxdata.len = a.tp_len;
    out->v.auxdata.snaplen = a.tp_snaplen;
    out->v.auxdata.mac = a.tp_mac;
    out->v.auxdata.net = a.tp_net;
    out->v.auxdata.vlan_tci = a.tp_vlan_tci;
    out->v.auxdata.vlan_tpid = a.tp_vlan_tpid;
    return true;
}

/* ---- SCTP: RFC 6458, section 5.3 ---- */

#ifdef WITH_SCTP
_Static_assert(sizeof(struct sctp_initmsg) == 8 && sizeof(struct sctp_sndrcvinfo) == 32 &&
                   sizeof(struct sctp_sndinfo) == 16 && sizeof(struct sctp_rcvinfo) == 28 &&
                   sizeof(struct sctp_nxtinfo) == 16,
               "RFC 6458, and room for what is sent");
_Static_assert(sizeof(struct sctp_sndrcvinfo) <= ESOCK__CMSG_VALUE, "room");

static bool get_init(const void *data, size_t len, esock_cmsg *out) {
    struct sctp_initmsg m;
    (void)len;
    memcpy(&m, data, sizeof m);
    out->v.init.num_ostreams = m.sinit_num_ostreams;
    out->v.init.max_instreams = m.sinit_max_instreams;
    out->v.init.max_attempts = m.sinit_max_attempts;
    out->v.init.max_init_timeo = m.sinit_max_init_timeo;
    return true;
}

static int put_init(const esock_cmsg *c, void *out) {
    struct sctp_initmsg m = {.sinit_num_ostreams = c->v.init.num_ostreams,
                             .sinit_max_instreams = c->v.init.max_instreams,
                             .sinit_max_attempts = c->v.init.max_attempts,
                             .sinit_max_init_timeo = c->v.init.max_init_timeo};
    memcpy(out, &m, sizeof m);
    return sizeof m;
}

static bool get_sndrcv(const void *data, size_t len, esock_cmsg *out) {
    struct sctp_sndrcvinfo m;
    (void)len;
    memcpy(&m, data, sizeof m);
    out->v.sndrcv.stream = m.sinfo_stream;
    out->v.sndrcv.ssn = m.sinfo_ssn;
    out->v.sndrcv.flags = m.sinfo_flags;
    out->v.sndrcv.ppid = m.sinfo_ppid;
    out->v.sndrcv.context = m.sinfo_context;
    out->v.sndrcv.timetolive = m.sinfo_timetolive;
    out->v.sndrcv.tsn = m.sinfo_tsn;
    out->v.sndrcv.cumtsn = m.sinfo_cumtsn;
    out->v.sndrcv.assoc_id = m.sinfo_assoc_id;
    return true;
}

static int put_sndrcv(const esock_cmsg *c, void *out) {
    struct sctp_sndrcvinfo m;
    memset(&m, 0, sizeof m);
    m.sinfo_stream = c->v.sndrcv.stream;
    m.sinfo_ssn = c->v.sndrcv.ssn;
    m.sinfo_flags = c->v.sndrcv.flags;
    m.sinfo_ppid = c->v.sndrcv.ppid;
    m.sinfo_context = c->v.sndrcv.context;
    m.sinfo_timetolive = c->v.sndrcv.timetolive;
    m.sinfo_tsn = c->v.sndrcv.tsn;
    m.sinfo_cumtsn = c->v.sndrcv.cumtsn;
    m.sinfo_assoc_id = c->v.sndrcv.assoc_id;
    memcpy(out, &m, sizeof m);
    return sizeof m;
}

static bool get_sndinfo(const void *data, size_t len, esock_cmsg *out) {
    struct sctp_sndinfo m;
    (void)len;
    memcpy(&m, data, sizeof m);
    out->v.sndinfo.sid = m.snd_sid;
    out->v.sndinfo.flags = m.snd_flags;
    out->v.sndinfo.ppid = m.snd_ppid;
    out->v.sndinfo.context = m.snd_context;
    out->v.sndinfo.assoc_id = m.snd_assoc_id;
    return true;
}

static int put_sndinfo(const esock_cmsg *c, void *out) {
    struct sctp_sndinfo m = {.snd_sid = c->v.sndinfo.sid,
                             .snd_flags = c->v.sndinfo.flags,
                             .snd_ppid = c->v.sndinfo.ppid,
                             .snd_context = c->v.sndinfo.context,
                             .snd_assoc_id = c->v.sndinfo.assoc_id};
    memcpy(out, &m, sizeof m);
    return sizeof m;
}

static bool get_rcvinfo(const void *data, size_t len, esock_cmsg *out) {
    struct sctp_rcvinfo m;
    (void)len;
    memcpy(&m, data, sizeof m);
    out->v.rcvinfo.sid = m.rcv_sid;
    out->v.rcvinfo.ssn = m.rcv_ssn;
    out->v.rcvinfo.flags = m.rcv_flags;
    out->v.rcvinfo.ppid = m.rcv_ppid;
    out->v.rcvinfo.tsn = m.rcv_tsn;
    out->v.rcvinfo.cumtsn = m.rcv_cumtsn;
    out->v.rcvinfo.context = m.rcv_context;
    out->v.rcvinfo.assoc_id = m.rcv_assoc_id;
    return true;
}

static bool get_nxtinfo(const void *data, size_t len, esock_cmsg *out) {
    struct sctp_nxtinfo m;
    (void)len;
    memcpy(&m, data, sizeof m);
    out->v.nxtinfo.sid = m.nxt_sid;
    out->v.nxtinfo.flags = m.nxt_flags;
    out->v.nxtinfo.ppid = m.nxt_ppid;
    out->v.nxtinfo.length = m.nxt_length;
    out->v.nxtinfo.assoc_id = m.nxt_assoc_id;
    return true;
}

#endif

/* ---- The rows ---- */

#define INT ESOCK_CMSG_INT
#define BYTES ESOCK_CMSG_BYTES
#define RECVERR \
    { ESOCK_CMSG_RECVERR, sizeof(struct sock_extended_err), get_recverr, NULL }

static const esock__cmsg_row socket_rows[] = {
    [SCM_RIGHTS] = {ESOCK_CMSG_RIGHTS, sizeof(int), get_rights, NULL},
    [SCM_CREDENTIALS] = {ESOCK_CMSG_CREDENTIALS, sizeof(struct ucred), get_credentials,
                         put_credentials},
    [SCM_SECURITY] = {BYTES, 0, get_bytes, NULL},
    [SCM_PIDFD] = {ESOCK_CMSG_PIDFD, sizeof(int), get_pidfd, NULL},
    [SO_PRIORITY] = {INT, 4, get_u32, put_u32},
    [SO_TIMESTAMP_OLD] = {ESOCK_CMSG_TIME, sizeof(long_time), get_timeval, put_timeval},
    [SO_TIMESTAMPNS_OLD] = {ESOCK_CMSG_TIME, sizeof(long_time), get_timespec, put_timespec},
    [SO_MARK] = {INT, 4, get_u32, put_u32},
    [SO_TIMESTAMPING_OLD] = {ESOCK_CMSG_TIMESTAMPING, 3 * sizeof(long_time), get_timestamping,
                             NULL},
    [SO_RXQ_OVFL] = {INT, 4, get_u32, NULL},
    [SO_WIFI_STATUS] = {INT, sizeof(int), get_int, NULL},
    [SCM_TXTIME] = {INT, 8, get_i64, put_i64},
    [SO_TIMESTAMP_NEW] = {ESOCK_CMSG_TIME, sizeof(wide_time), get_timeval_new, put_timeval_new},
    [SO_TIMESTAMPNS_NEW] = {ESOCK_CMSG_TIME, sizeof(wide_time), get_timespec_new, put_timespec_new},
    [SO_TIMESTAMPING_NEW] = {ESOCK_CMSG_TIMESTAMPING, 3 * sizeof(wide_time), get_timestamping_new,
                             NULL},
    [SCM_TS_OPT_ID] = {INT, 4, get_u32, put_u32},
    [SCM_INQ] = {INT, sizeof(int), get_int, NULL},
};

/* IP_RECVTOS, IP_RECVTTL and IPV6_RECVTCLASS name options; Linux delivers IP_TOS, IP_TTL and IPV6_TCLASS, other
 * systems the option's own number. */
static const esock__cmsg_row ip_rows[] = {
    [IP_TOS] = {INT, 1, get_byte_or_int, put_int},
    [IP_TTL] = {INT, 1, get_byte_or_int, put_int},
    [IP_RECVOPTS] = {BYTES, 0, get_bytes, NULL},
    [IP_RETOPTS] = {BYTES, 0, get_bytes, NULL},
    [IP_PKTINFO] = {ESOCK_CMSG_PKTINFO4, sizeof(struct in_pktinfo), get_pktinfo4, put_pktinfo4},
    [IP_RECVERR] = RECVERR,
    [IP_RECVTTL] = {INT, 1, get_byte_or_int, NULL},
    [IP_RECVTOS] = {INT, 1, get_byte_or_int, NULL},
    [IP_ORIGDSTADDR] = {ESOCK_CMSG_ADDR, sizeof(struct sockaddr_in), get_sockaddr4, NULL},
    [IP_CHECKSUM] = {INT, 4, get_u32, NULL},
    [IP_RECVFRAGSIZE] = {INT, sizeof(int), get_int, NULL},
};

static const esock__cmsg_row ipv6_rows[] = {
    [IPV6_FLOWINFO] = {INT, 4, get_flowinfo, put_flowinfo},
    [IPV6_RECVERR] = RECVERR,
    [IPV6_PKTINFO] = {ESOCK_CMSG_PKTINFO6, sizeof(struct in6_pktinfo), get_pktinfo6, put_pktinfo6},
    [IPV6_HOPLIMIT] = {INT, sizeof(int), get_int, put_int},
    [IPV6_HOPOPTS] = {BYTES, 0, get_bytes, NULL},
    [IPV6_RTHDRDSTOPTS] = {BYTES, 0, get_bytes, NULL},
    [IPV6_RTHDR] = {BYTES, 0, get_bytes, NULL},
    [IPV6_DSTOPTS] = {BYTES, 0, get_bytes, NULL},
    [IPV6_RECVTCLASS] = {INT, sizeof(int), get_int, NULL},
    [IPV6_TCLASS] = {INT, sizeof(int), get_int, put_int},
    [IPV6_ORIGDSTADDR] = {ESOCK_CMSG_ADDR, sizeof(struct sockaddr_in6), get_sockaddr6, NULL},
    [IPV6_RECVFRAGSIZE] = {INT, sizeof(int), get_int, NULL},
};

static const esock__cmsg_row tcp_rows[] = {
    [TCP_CM_INQ] = {INT, sizeof(int), get_int, NULL},
};

/* The size of a segment is given in 16 bits and comes in an int. */
static const esock__cmsg_row udp_rows[] = {
    [UDP_SEGMENT] = {INT, 2, get_u16, put_u16},
    [UDP_GRO] = {INT, sizeof(int), get_int, NULL},
};

#ifdef WITH_SCTP
static const esock__cmsg_row sctp_rows[] = {
    [SCTP_INIT] = {ESOCK_CMSG_SCTP_INIT, sizeof(struct sctp_initmsg), get_init, put_init},
    [SCTP_SNDRCV] = {ESOCK_CMSG_SCTP_SNDRCV, sizeof(struct sctp_sndrcvinfo), get_sndrcv,
                     put_sndrcv},
    [SCTP_SNDINFO] = {ESOCK_CMSG_SCTP_SNDINFO, sizeof(struct sctp_sndinfo), get_sndinfo,
                      put_sndinfo},
    [SCTP_RCVINFO] = {ESOCK_CMSG_SCTP_RCVINFO, sizeof(struct sctp_rcvinfo), get_rcvinfo, NULL},
    [SCTP_NXTINFO] = {ESOCK_CMSG_SCTP_NXTINFO, sizeof(struct sctp_nxtinfo), get_nxtinfo, NULL},
};
#endif

static const esock__cmsg_row packet_rows[] = {
    [PACKET_AUXDATA] = {ESOCK_CMSG_AUXDATA, sizeof(struct tpacket_auxdata), get_auxdata, NULL},
    [PACKET_TX_TIMESTAMP] = RECVERR,
};

static const esock__cmsg_row vsock_rows[] = {
    [VSOCK_ERRORS] = RECVERR,
};

#define TABLE(level, rows) \
    { (level), sizeof(rows) / sizeof *(rows), (rows) }

static const struct {
    int level;
    size_t count;
    const esock__cmsg_row *rows;
} tables[] = {
    TABLE(IPPROTO_IP, ip_rows),     TABLE(SOL_SOCKET, socket_rows), TABLE(IPPROTO_IPV6, ipv6_rows),
    TABLE(IPPROTO_UDP, udp_rows),   TABLE(IPPROTO_TCP, tcp_rows),
#ifdef WITH_SCTP
    TABLE(IPPROTO_SCTP, sctp_rows),
#endif

    TABLE(SOL_PACKET, packet_rows), TABLE(LEVEL_VSOCK, vsock_rows),
};

const esock__cmsg_row *esock__cmsg_row_of(int level, int type) {
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (tables[i].level != level) continue;
        if (type < 0 || (size_t)type >= tables[i].count) return NULL;
        const esock__cmsg_row *row = &tables[i].rows[type];
        return row->decode != NULL ? row : NULL;
    }
    return NULL;
}
