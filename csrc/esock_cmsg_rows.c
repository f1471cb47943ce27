/* The values of control messages: one row for each type, found by level and type, and the functions that decode and
 * encode the values. */
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

/* Numbers that the headers may lack. They are the same on every architecture. */
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
#define LEVEL_TLS 282
#define TLS_SET_TYPE 1 /* TLS_SET_RECORD_TYPE, Linux 4.13 */
#define TLS_GET_TYPE 2 /* TLS_GET_RECORD_TYPE, Linux 4.17 */
#define LEVEL_ALG 279
#define ALG_IV 2       /* ALG_SET_IV, Linux 2.6.38 */
#define ALG_OP 3       /* ALG_SET_OP, Linux 2.6.38 */
#define ALG_ASSOCLEN 4 /* ALG_SET_AEAD_ASSOCLEN, Linux 4.1 */
#define LEVEL_VSOCK 287
#define VSOCK_ERRORS 1 /* VSOCK_RECVERR, Linux 6.7 */

/* Each kind of timestamp has two numbers. Where long has 32 bits, the old one has times of 32 bits and the new one
 * of 64, and SO_TIMESTAMP is not a constant; so the kernel's own names are used. Elsewhere the values are the same. */
#ifndef SO_TIMESTAMP_OLD
#define SO_TIMESTAMP_OLD 29
#define SO_TIMESTAMPNS_OLD 35
#define SO_TIMESTAMPING_OLD 37
#define SO_TIMESTAMP_NEW 63
#define SO_TIMESTAMPNS_NEW 64
#define SO_TIMESTAMPING_NEW 65
#endif

/* A time in the kernel's long, and one in 64 bits. The fraction is in microseconds or nanoseconds. */
typedef struct long_time {
    long sec, fraction;
} long_time;
typedef struct wide_time {
    int64_t sec, fraction;
} wide_time;

/* ---- Values in the kernel's own layout ---- */

/* Reads a value whose member of esock_cmsg.v has the layout of the kernel's structure. */
#define SAME(member, type)                                                                      \
    _Static_assert(sizeof(type) == sizeof(((esock_cmsg *)0)->v.member), "the kernel's layout"); \
    static bool get_##member(const void *data, size_t len, esock_cmsg *out) {                   \
        (void)len;                                                                              \
        memcpy(&out->v.member, data, sizeof out->v.member);                                     \
        return true;                                                                            \
    }

/* Writes it, for a type that can be sent. */
#define SENT(member)                                                         \
    _Static_assert(sizeof(((esock_cmsg *)0)->v.member) <= ESOCK__CMSG_VALUE, \
                   "the room of encode");                                    \
    static int put_##member(const esock_cmsg *c, void *out) {                \
        memcpy(out, &c->v.member, sizeof c->v.member);                       \
        return sizeof c->v.member;                                           \
    }

/* A field of it is where the kernel has it, with the same size. */
#define PLACE(member, field, type, kernel_field)                                     \
    _Static_assert(offsetof(esock_cmsg, v.member.field) - offsetof(esock_cmsg, v) == \
                           offsetof(type, kernel_field) &&                           \
                       sizeof(((esock_cmsg *)0)->v.member.field) ==                  \
                           sizeof(((type *)0)->kernel_field),                        \
                   "the kernel's layout")

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
INTEGER(u8, uint8_t, 0, UINT8_MAX)
INTEGER(i64, int64_t, INT64_MIN, INT64_MAX)

const esock__cmsg_row esock__cmsg_any_int = {ESOCK_CMSG_INT, 0, get_int, put_int};

/* ip(7): recvmsg delivers IP_TOS as one byte, IP_PKTOPTIONS as an int. The byte stays whole: DSCP and ECN. */
static bool get_byte_or_int(const void *data, size_t len, esock_cmsg *out) {
    if (len >= sizeof(int)) return get_int(data, len, out);
    out->v.i = *(const unsigned char *)data;
    return true;
}

/* Traffic class and flow label, in network order. */
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

/* struct af_alg_iv: the length of the vector, and the vector. */
static bool get_alg_iv(const void *data, size_t len, esock_cmsg *out) {
    uint32_t n;
    (void)out;
    memcpy(&n, data, sizeof n);
    return n <= len - sizeof n;
}

static bool get_rights(const void *data, size_t len, esock_cmsg *out) {
    (void)data;
    out->v.rights = (uint32_t)(len / sizeof(int));
    return true;
}

SAME(fd, int)

SAME(cred, struct ucred)
SENT(cred)
PLACE(cred, pid, struct ucred, pid);
PLACE(cred, uid, struct ucred, uid);
PLACE(cred, gid, struct ucred, gid);

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

/* `unit` is the unit of the fraction, in nanoseconds. */
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

/* struct scm_timestamping has three times: software, one that Linux no longer sets, hardware. */
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

SAME(pktinfo4, struct in_pktinfo)
SENT(pktinfo4)
PLACE(pktinfo4, ifindex, struct in_pktinfo, ipi_ifindex);
PLACE(pktinfo4, spec_dst, struct in_pktinfo, ipi_spec_dst);
PLACE(pktinfo4, addr, struct in_pktinfo, ipi_addr);

SAME(pktinfo6, struct in6_pktinfo)
SENT(pktinfo6)
PLACE(pktinfo6, addr, struct in6_pktinfo, ipi6_addr);
PLACE(pktinfo6, ifindex, struct in6_pktinfo, ipi6_ifindex);

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

/* ---- Errors and packets ---- */

/* The offender follows at once: esock_cmsg_offender. */
SAME(recverr, struct sock_extended_err)
PLACE(recverr, error, struct sock_extended_err, ee_errno);
PLACE(recverr, origin, struct sock_extended_err, ee_origin);
PLACE(recverr, type, struct sock_extended_err, ee_type);
PLACE(recverr, code, struct sock_extended_err, ee_code);
PLACE(recverr, spare, struct sock_extended_err, ee_pad);
PLACE(recverr, info, struct sock_extended_err, ee_info);
PLACE(recverr, data, struct sock_extended_err, ee_data);

SAME(auxdata, struct tpacket_auxdata)
PLACE(auxdata, status, struct tpacket_auxdata, tp_status);
PLACE(auxdata, len, struct tpacket_auxdata, tp_len);
PLACE(auxdata, snaplen, struct tpacket_auxdata, tp_snaplen);
PLACE(auxdata, mac, struct tpacket_auxdata, tp_mac);
PLACE(auxdata, net, struct tpacket_auxdata, tp_net);
PLACE(auxdata, vlan_tci, struct tpacket_auxdata, tp_vlan_tci);
PLACE(auxdata, vlan_tpid, struct tpacket_auxdata, tp_vlan_tpid);

/* ---- SCTP: RFC 6458, section 5.3 ---- */

#ifdef WITH_SCTP
SAME(init, struct sctp_initmsg)
SENT(init)
PLACE(init, num_ostreams, struct sctp_initmsg, sinit_num_ostreams);
PLACE(init, max_instreams, struct sctp_initmsg, sinit_max_instreams);
PLACE(init, max_attempts, struct sctp_initmsg, sinit_max_attempts);
PLACE(init, max_init_timeo, struct sctp_initmsg, sinit_max_init_timeo);

SAME(sndrcv, struct sctp_sndrcvinfo)
SENT(sndrcv)
PLACE(sndrcv, stream, struct sctp_sndrcvinfo, sinfo_stream);
PLACE(sndrcv, ssn, struct sctp_sndrcvinfo, sinfo_ssn);
PLACE(sndrcv, flags, struct sctp_sndrcvinfo, sinfo_flags);
PLACE(sndrcv, ppid, struct sctp_sndrcvinfo, sinfo_ppid);
PLACE(sndrcv, context, struct sctp_sndrcvinfo, sinfo_context);
PLACE(sndrcv, timetolive, struct sctp_sndrcvinfo, sinfo_timetolive);
PLACE(sndrcv, tsn, struct sctp_sndrcvinfo, sinfo_tsn);
PLACE(sndrcv, cumtsn, struct sctp_sndrcvinfo, sinfo_cumtsn);
PLACE(sndrcv, assoc_id, struct sctp_sndrcvinfo, sinfo_assoc_id);

SAME(sndinfo, struct sctp_sndinfo)
SENT(sndinfo)
PLACE(sndinfo, sid, struct sctp_sndinfo, snd_sid);
PLACE(sndinfo, flags, struct sctp_sndinfo, snd_flags);
PLACE(sndinfo, ppid, struct sctp_sndinfo, snd_ppid);
PLACE(sndinfo, context, struct sctp_sndinfo, snd_context);
PLACE(sndinfo, assoc_id, struct sctp_sndinfo, snd_assoc_id);

SAME(rcvinfo, struct sctp_rcvinfo)
PLACE(rcvinfo, sid, struct sctp_rcvinfo, rcv_sid);
PLACE(rcvinfo, ssn, struct sctp_rcvinfo, rcv_ssn);
PLACE(rcvinfo, flags, struct sctp_rcvinfo, rcv_flags);
PLACE(rcvinfo, ppid, struct sctp_rcvinfo, rcv_ppid);
PLACE(rcvinfo, tsn, struct sctp_rcvinfo, rcv_tsn);
PLACE(rcvinfo, cumtsn, struct sctp_rcvinfo, rcv_cumtsn);
PLACE(rcvinfo, context, struct sctp_rcvinfo, rcv_context);
PLACE(rcvinfo, assoc_id, struct sctp_rcvinfo, rcv_assoc_id);

SAME(nxtinfo, struct sctp_nxtinfo)
PLACE(nxtinfo, sid, struct sctp_nxtinfo, nxt_sid);
PLACE(nxtinfo, flags, struct sctp_nxtinfo, nxt_flags);
PLACE(nxtinfo, ppid, struct sctp_nxtinfo, nxt_ppid);
PLACE(nxtinfo, length, struct sctp_nxtinfo, nxt_length);
PLACE(nxtinfo, assoc_id, struct sctp_nxtinfo, nxt_assoc_id);
#endif

/* ---- The rows ---- */

#define INT ESOCK_CMSG_INT
#define BYTES ESOCK_CMSG_BYTES
#define RECVERR \
    { ESOCK_CMSG_RECVERR, sizeof(struct sock_extended_err), get_recverr, NULL }

static const esock__cmsg_row socket_rows[] = {
    [SCM_RIGHTS] = {ESOCK_CMSG_RIGHTS, sizeof(int), get_rights, NULL},
    [SCM_CREDENTIALS] = {ESOCK_CMSG_CREDENTIALS, sizeof(struct ucred), get_cred, put_cred},
    [SCM_SECURITY] = {BYTES, 0, get_bytes, NULL},
    [SCM_PIDFD] = {ESOCK_CMSG_PIDFD, sizeof(int), get_fd, NULL},
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

/* Linux takes the size of a segment in 16 bits, and delivers it in an int. */
static const esock__cmsg_row udp_rows[] = {
    [UDP_SEGMENT] = {INT, 2, get_u16, put_u16},
    [UDP_GRO] = {INT, sizeof(int), get_int, NULL},
};

/* The type of a TLS record, in one byte. */
static const esock__cmsg_row tls_rows[] = {
    [TLS_SET_TYPE] = {INT, 1, get_u8, put_u8},
    [TLS_GET_TYPE] = {INT, 1, get_u8, NULL},
};

/* What to do with the data that is sent: Documentation/crypto/userspace-if.rst. Nothing of it is received. */
static const esock__cmsg_row alg_rows[] = {
    [ALG_IV] = {BYTES, sizeof(uint32_t), get_alg_iv, NULL},
    [ALG_OP] = {INT, 4, get_u32, put_u32},
    [ALG_ASSOCLEN] = {INT, 4, get_u32, put_u32},
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

    TABLE(SOL_PACKET, packet_rows), TABLE(LEVEL_VSOCK, vsock_rows), TABLE(LEVEL_TLS, tls_rows),
    TABLE(LEVEL_ALG, alg_rows),
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
