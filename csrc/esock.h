/* esock: a small socket core.
 *
 * esock is a thin, complete layer over the kernel's sockets: every operation and option, typed
 * control messages, readiness and counters. It does not depend on the program above it. It has no
 * threads of its own, no allocation on an I/O path, no callbacks except the optional trace, and no
 * global error state.
 *
 * Results
 *   A function returns what its comment says, else 0, and on failure a negative errno
 *   (-ECONNRESET). The comment names the errors of esock itself, and the system call that other
 *   errors come from. A call that would block returns -EAGAIN. Apart from esock_poll, only two
 *   calls can sleep: esock_sendfile, for a file that is not in memory, and esock_close, for
 *   SO_LINGER. A system call that a signal interrupts is made again, except connect, where the
 *   attempt goes on by itself, and close, where the descriptor is already gone.
 *
 *   A required pointer to the caller's memory that is NULL gives -EFAULT, and the call does
 *   nothing. A pointer is required if the function reads or writes it and does not say that it may
 *   be NULL. A buffer or an array is required if it has at least one element. Handles and pollers
 *   are not checked: NULL crashes.
 *
 * Lifetime
 *   The caller owns every buffer; esock uses it during the call only. esock keeps the handle, from
 *   esock_open to esock_close, and the opaque pointer that is given to esock_arm.
 *
 * Threads
 *   Several threads may use a handle at once, under the kernel's rules: of two concurrent receives
 *   each gets different data. esock_close must be the last call. The per-request counters
 *   (*_pkg, *_pkg_max) are exact only if one thread at a time works in each direction. Several
 *   threads may use a poller at once; esock_poller_free and esock_poller_forget must be the last
 *   call.
 *
 * The caveats at the end are about fork, linger and shared descriptors.
 */
#ifndef ESOCK_H
#define ESOCK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ESOCK_VERSION "0.1.0"

/* Exported from the shared library. Everything else stays hidden. */
#define ESOCK_API __attribute__((visibility("default")))

typedef struct esock esock;               /* a handle: one socket */
typedef struct esock_poller esock_poller; /* one readiness queue */
typedef struct esock_sys esock_sys;       /* the system calls to use, see esock_sys.h */

/* Returns the version of the library that is linked in, "major.minor.patch". */
ESOCK_API const char *esock_version(void);

/* ---- Addresses ------------------------------------------------------------------------------- */

enum esock_addr_form {
    ESOCK_ADDR_NONE = 0, /* no address */
    ESOCK_ADDR_KNOWN,    /* the members of the family are set */
    ESOCK_ADDR_RAW       /* only family and data: a foreign family, or too short for its own */
};

#define ESOCK_ADDR_DATA 126 /* sizeof(struct sockaddr_storage) less the family */

/* An address of any family, in host byte order throughout. `form` says which members count:
 *
 *   AF_INET    ip[0..3], port
 *   AF_INET6   ip, port, flowinfo (20 bits), scope_id
 *   AF_UNIX    data[0..len): a path without its NUL, an abstract name with its leading NUL, or
 *              nothing (unnamed; binding to it lets Linux choose an abstract name)
 *   AF_PACKET  protocol, ifindex, pkttype, hatype, data[0..len): the hardware address
 *   AF_VSOCK   cid, port
 *   AF_NETLINK port (the kernel is 0), groups (multicast groups 1 to 32, a bit each)
 *   others     data[0..len): what follows the family in the sockaddr
 */
typedef struct esock_addr {
    uint16_t family;
    uint8_t form; /* enum esock_addr_form */
    uint8_t len;  /* bytes used in data */
    uint32_t port;
    uint32_t flowinfo;
    uint32_t scope_id;
    uint32_t cid;
    uint32_t groups;
    int32_t ifindex;
    uint16_t protocol;
    uint16_t hatype;
    uint8_t pkttype;
    uint8_t ip[16];
    uint8_t data[ESOCK_ADDR_DATA];
} esock_addr;

struct sockaddr_storage;

/* Writes `a` in the kernel's form, and its length to *len. An unnamed AF_UNIX address has the
 * length of the family alone. A path of 108 bytes goes without a NUL, as Linux allows. -EINVAL: a
 * member is out of range, or a path has a NUL. -ENAMETOOLONG: more than the 108 bytes of a path or
 * abstract name, or too much data. -EAFNOSUPPORT: `form` is ESOCK_ADDR_NONE. Every call that takes
 * an address reports these errors. */
ESOCK_API int esock_addr_encode(const esock_addr *a, struct sockaddr_storage *out, unsigned *len);

/* Reads an address that the kernel wrote. `len` is the length that the kernel reported, which may
 * be 0 (no address) or more than the structure (Linux reports 111 for a 108-byte path). Never
 * fails: `form` says what was read. What is too short even for a family is raw data of family 0. */
ESOCK_API void esock_addr_decode(const struct sockaddr_storage *in, unsigned len, esock_addr *out);

enum esock_shorthand { ESOCK_ANY, ESOCK_LOOPBACK, ESOCK_BROADCAST };

/* Sets `a` to the any, loopback or broadcast address of `family`, with port 0. -EAFNOSUPPORT:
 * neither AF_INET nor AF_INET6. -EINVAL: broadcast on AF_INET6. */
ESOCK_API int esock_addr_shorthand(esock_addr *a, int family, enum esock_shorthand which);

/* ---- Life ------------------------------------------------------------------------------------ */

/* Opens a socket, close-on-exec and nonblocking. `sys` may be NULL, for the real kernel. When
 * `protocol` is 0, the handle stores the one that the kernel chose. It is asked, unless no other is
 * possible. -ENOMEM, here and in every call that makes a handle: no memory, and no descriptor is left
 * open. Other errors: those of socket(2). */
ESOCK_API int esock_open(esock **out, int domain, int type, int protocol, const esock_sys *sys);

/* What an error of esock_open_netns is about. */
enum esock_netns_fault {
    ESOCK_NETNS_SOCKET, /* the socket: socket(2) failed; also the value without an error */
    ESOCK_NETNS_FILE, /* the file at `path`: open(2), setns(2); -EINVAL: not a network namespace */
    ESOCK_NETNS_PROC, /* /proc/thread-self, which is needed to enter and to return */
    ESOCK_NETNS_LOST  /* the thread: it is still in the other namespace */
};

/* Opens a socket, as esock_open does, in the network namespace that the file at `path` names. The
 * calling thread is in that namespace for the duration of the call. If the thread cannot return to
 * its own, *fault is ESOCK_NETNS_LOST, the socket is closed and an error is returned: the thread is
 * of no further use and should end. A FIFO, a device, a directory or a socket is refused without
 * being opened. Needs /proc. */
ESOCK_API int esock_open_netns(esock **out, const char *path, int domain, int type, int protocol,
                               const esock_sys *sys, enum esock_netns_fault *fault);

enum esock_adopt_flags {
    ESOCK_ADOPT_DUP = 1, /* work on a duplicate; the caller keeps fd */
    ESOCK_ADOPT_TAKE = 2 /* the handle owns fd and closes it; after an error the caller keeps fd */
};

/* Makes a handle of an existing descriptor. With neither flag the caller keeps the descriptor, and
 * esock_close only restores its flags.
 *
 * The kernel tells domain, type and protocol; for what it does not tell, an argument >= 0 counts.
 * If domain or type stays unknown, the result is -EINVAL and *missing, if `missing` is not NULL, is
 * its name ("domain", "type"). An unknown protocol is 0. -EBADF: the descriptor is not open.
 * -ENOTSOCK: it is not a socket, whatever the arguments say. Both leave *missing NULL. After an error the description has its
 * old flags.
 *
 * O_NONBLOCK belongs to the open file description, so every process that shares it sees the flag
 * set. A duplicate, and a descriptor that is taken, is close-on-exec; a descriptor that the caller
 * keeps is not changed.
 *
 * Several handles may share a descriptor that the caller keeps. It must stay open until the last
 * handle is closed, because the handles use whatever has its number. A poller watches it through a
 * duplicate, from the first esock_arm to esock_deregister. */
ESOCK_API int esock_adopt(esock **out, int fd, unsigned flags, int domain, int type, int protocol,
                          const esock_sys *sys, const char **missing);

/* Returns the handle's descriptor. From then on esock reckons with what the caller, or another
 * process that is given the descriptor, does to it: its O_NONBLOCK and its linger are looked at
 * before they matter. Without that, what was not done through the handle goes unnoticed. */
ESOCK_API int esock_fd(esock *s);

/* Return the handle's domain, type and protocol, without a system call. */
ESOCK_API int esock_domain(const esock *s);
ESOCK_API int esock_type(const esock *s);
ESOCK_API int esock_protocol(const esock *s);

/* Reads the domain from the kernel again. IPV6_ADDRFORM changes it. */
ESOCK_API void esock_refresh(esock *s);

/* Ends the handle's ownership of its descriptor, which the caller must now close. Returns the
 * descriptor, for that purpose: esock_fd is for others. esock_close then only frees the handle;
 * every other call works as before. */
ESOCK_API int esock_disown(esock *s);

/* Call just before closing a disowned descriptor. If that close would wait for linger, the handle
 * owns a duplicate from now on, so that esock_close waits instead. Returns 0, or an error of
 * dup(2): then the caller's close waits, and a signal may end that wait. */
ESOCK_API int esock_reclaim(esock *s);

/* Sets O_NONBLOCK, which another process that shares the description may have cleared. Returns 1 if
 * it was cleared, else 0. Call it before waking a thread that sleeps in a call because of that. */
ESOCK_API int esock_nonblock(esock *s);

/* Returns a close-on-exec duplicate of the handle's descriptor, which the caller must close. From
 * then on the description counts as shared: see the caveat about fork; esock_fd's effects follow,
 * too. Other errors: those of dup(2). */
ESOCK_API int esock_dup(esock *s);

enum esock_close_flags {
    ESOCK_CLOSE_NOLINGER = 1, /* do not wait for unsent data; a linger of 0 seconds (abort) stays */
    /* Undo esock_adopt, of a handle that was used for nothing since: the caller has the descriptor
     * back, open, and it and its description have the flags that they had. */
    ESOCK_CLOSE_GIVE_BACK = 2
};

/* Switches a linger of more than 0 seconds off, so that closing the descriptor does not wait. */
ESOCK_API void esock_nolinger(esock *s);

/* Closes the descriptor if the handle owns it, and frees the handle, whatever the result. Sleeps
 * for as long as SO_LINGER says. `final` and `final_sendfile`, if not NULL, receive the last values
 * of the counters. Deregister from every poller first. Other errors: those of close(2); the
 * descriptor is closed all the same. */
struct esock_counters;
struct esock_sendfile_counters;
ESOCK_API int esock_close(esock *s, unsigned flags, struct esock_counters *final,
                          struct esock_sendfile_counters *final_sendfile);

/* ---- Names and connections ------------------------------------------------------------------- */

/* bind(2), listen(2), shutdown(2), getsockname(2), getpeername(2), with their errors. `how` is
 * SHUT_RD, SHUT_WR or SHUT_RDWR. */
ESOCK_API int esock_bind(esock *s, const esock_addr *a);
ESOCK_API int esock_listen(esock *s, int backlog);
ESOCK_API int esock_shutdown(esock *s, int how);
ESOCK_API int esock_sockname(esock *s, esock_addr *a);
ESOCK_API int esock_peername(esock *s, esock_addr *a);

/* Starts to connect. Returns 0 when connected. -EINPROGRESS: wait for ESOCK_OUT, then call
 * esock_finish. -EISCONN: the stream is connected already, also if esock_finish has said so (Linux
 * would return 0 once more, and keep the peer). Other errors: those of connect(2), and final;
 * -EAGAIN, for a unix listener with a full backlog, is among them: no readiness follows it. */
ESOCK_API int esock_connect(esock *s, const esock_addr *a);

/* Starts an association of an SCTP socket with a peer that has several addresses, which tell one
 * another apart by their families: sockaddr_in and sockaddr_in6, one after the other, `len` bytes.
 * RFC 6458, 9.9 (sctp_connectx). Sets *assoc to the association's number, also with -EINPROGRESS; to 0
 * with any other error. Returns as esock_connect; on a one-to-many socket no readiness says that the
 * association is established, but a notification does. -EOPNOTSUPP, -ENOPROTOOPT: no SCTP socket. */
ESOCK_API int esock_connectx(esock *s, const void *addrs, size_t len, int32_t *assoc);

/* Asks for the result of an attempt to connect. Returns 0 when connected. -EINPROGRESS: not decided
 * yet. Other errors: why the attempt failed. */
ESOCK_API int esock_finish(esock *s);

/* Takes one connection. *out is a new handle with the domain, type, protocol and `sys` of `s`;
 * `peer`, if not NULL, receives the peer's address. -EAGAIN: no connection waits. -EINVAL: the
 * socket does not listen, or no longer does because reading was shut. -ENOMEM: no memory for the
 * handle, and the connection is closed. Other errors: those of accept4(2). */
ESOCK_API int esock_accept(esock *s, unsigned how, esock **out, esock_addr *peer);

/* ---- Input and output ------------------------------------------------------------------------ */

/* Flags of `how`, which tell the counters where one request ends and the next begins, and whether
 * the caller waits after -EAGAIN. The bytes that the kernel moves are counted the same with any of
 * them. */
enum esock_how {
    ESOCK_FULL = 1, /* receive: on a stream the request goes on until `len` bytes have come */
    ESOCK_POLL = 2, /* the caller does not wait after -EAGAIN: do not count a wait */
    ESOCK_CONT = 4  /* the call continues the request before it */
};

/* Receive and send. Every receive carries MSG_DONTWAIT and MSG_CMSG_CLOEXEC (except on AF_PACKET,
 * which refuses it); every send MSG_DONTWAIT and MSG_NOSIGNAL. `flags` are the other MSG_ flags.
 * Other errors: those of recv(2) and send(2).
 *
 * A receive returns the number of bytes; 0 is the end of a stream, or an empty message. The end of
 * a seqpacket connection is -ESHUTDOWN. An empty message that is the very last cannot be told from
 * it, unless control messages come with it.
 *
 * A receive into 0 bytes does not reach the kernel. It returns 0 on a stream, where the kernel's
 * answer would read as the end, and -EINVAL on a message socket, where the kernel would discard a
 * message. Two exceptions lose nothing: MSG_PEEK with MSG_TRUNC on a message socket, which returns
 * the length of the next message, and the error queue (esock_recvmsg).
 *
 * With MSG_TRUNC the kernel, and so the receive, reports the whole length of a message, which may
 * exceed `len`, on SCTP's streams too. On TCP MSG_TRUNC discards the bytes, and the buffer is
 * untouched.
 *
 * With MSG_ERRQUEUE a receive takes one record of the error queue, on a stream too: 0 bytes are
 * then a record without a payload, not the end. MSG_PEEK does not keep the record in the queue.
 * Only esock_recvmsg shows what the error was.
 *
 * A send returns how many bytes were taken; fewer than given only on a stream. */
ESOCK_API ssize_t esock_recv(esock *s, void *buf, size_t len, int flags, unsigned how);
ESOCK_API ssize_t esock_recvfrom(esock *s, void *buf, size_t len, int flags, unsigned how,
                                 esock_addr *from);
ESOCK_API ssize_t esock_send(esock *s, const void *buf, size_t len, int flags, unsigned how);
ESOCK_API ssize_t esock_sendto(esock *s, const void *buf, size_t len, int flags, unsigned how,
                               const esock_addr *to);

/* Ends the request in progress early, after a timeout, an error or a cancellation. It counts as a
 * package if it moved any bytes, and the next call begins a new request. */
ESOCK_API void esock_end_read(esock *s);
ESOCK_API void esock_end_write(esock *s);

/* Counts what a system call of the caller's own moved, such as recvmmsg(2) or splice(2) on the
 * descriptor: `messages` of `bytes` in all, and the most bytes of one of them. With no messages it
 * counts a failure. It counts a send if `writing` is not 0, else a receive, and has the thread
 * rules of one. */
ESOCK_API void esock_count(esock *s, int writing, uint64_t messages, uint64_t bytes, uint64_t most);

/* Returns the number of iovecs that one sendmsg(2) takes on this system (1024 on Linux). */
ESOCK_API int esock_iov_max(void);

/* ---- Messages and control messages ----------------------------------------------------------- */

/* Which member of esock_cmsg.v is set. */
enum esock_cmsg_kind {
    ESOCK_CMSG_RAW = 0,      /* none: only the bytes */
    ESOCK_CMSG_INT,          /* i */
    ESOCK_CMSG_RIGHTS,       /* rights: the number of descriptors (C int) in the bytes */
    ESOCK_CMSG_CREDENTIALS,  /* cred */
    ESOCK_CMSG_TIME,         /* time: SCM_TIMESTAMP, SCM_TIMESTAMPNS */
    ESOCK_CMSG_PKTINFO4,     /* pktinfo4 */
    ESOCK_CMSG_PKTINFO6,     /* pktinfo6 */
    ESOCK_CMSG_RECVERR,      /* recverr: a record of an error queue; see esock_cmsg_offender */
    ESOCK_CMSG_PIDFD,        /* fd: SCM_PIDFD, one descriptor, or a negative errno instead */
    ESOCK_CMSG_BYTES,        /* none: the bytes are the value (a label, IP options, a header) */
    ESOCK_CMSG_TIMESTAMPING, /* stamps: SCM_TIMESTAMPING */
    ESOCK_CMSG_ADDR,         /* addr: IP_ORIGDSTADDR, IPV6_ORIGDSTADDR */
    ESOCK_CMSG_AUXDATA,      /* auxdata: PACKET_AUXDATA */
    ESOCK_CMSG_SCTP_INIT,    /* init */
    ESOCK_CMSG_SCTP_SNDRCV,  /* sndrcv */
    ESOCK_CMSG_SCTP_SNDINFO, /* sndinfo */
    ESOCK_CMSG_SCTP_RCVINFO, /* rcvinfo */
    ESOCK_CMSG_SCTP_NXTINFO  /* nxtinfo */
};

/* One control message. The bytes that it was decoded from, or that will be sent, are the `length`
 * bytes at `offset` in the buffer that goes with the array. */
typedef struct esock_cmsg {
    int32_t level;
    int32_t type;
    uint32_t offset;
    uint32_t length;
    uint32_t kind; /* enum esock_cmsg_kind */
    uint32_t spare;
    union {
        int64_t i; /* in host byte order; SCM_TXTIME, unsigned in the kernel, as the same 64 bits */
        uint32_t rights;
        struct {
            int32_t pid;
            uint32_t uid, gid;
        } cred;
        struct {
            int64_t sec, nsec;
        } time;
        struct {
            uint32_t ifindex;
            uint8_t spec_dst[4], addr[4];
        } pktinfo4;
        struct {
            uint8_t addr[16];
            uint32_t ifindex;
        } pktinfo6;
        struct {
            uint32_t error;             /* an errno, positive; 0 in a zero-copy notice */
            uint8_t origin, type, code; /* SO_EE_ORIGIN_ of <linux/errqueue.h>; ICMP type, code */
            uint8_t spare;
            uint32_t info, data; /* depends on origin: MTU of an EMSGSIZE, range of a notice */
        } recverr;
        int32_t fd;
        struct { /* 0, 0 from a clock that took no stamp */
            int64_t software_sec, hardware_sec;
            uint32_t software_nsec, hardware_nsec;
        } stamps;
        struct {
            uint16_t family, port; /* AF_INET: ip[0..3] */
            uint32_t flowinfo, scope_id;
            uint8_t ip[16];
        } addr;
        struct {
            uint32_t status, len, snaplen; /* TP_STATUS_ of <linux/if_packet.h> */
            uint16_t mac, net, vlan_tci, vlan_tpid;
        } auxdata;
        struct {
            uint16_t num_ostreams, max_instreams, max_attempts, max_init_timeo;
        } init;
        struct {
            uint16_t stream, ssn, flags;
            uint16_t spare;
            uint32_t ppid, context, timetolive, tsn, cumtsn;
            int32_t assoc_id;
        } sndrcv;
        struct {
            uint16_t sid, flags;
            uint32_t ppid, context;
            int32_t assoc_id;
        } sndinfo;
        struct {
            uint16_t sid, ssn, flags;
            uint16_t spare;
            uint32_t ppid, tsn, cumtsn, context;
            int32_t assoc_id;
        } rcvinfo;
        struct {
            uint16_t sid, flags;
            uint32_t ppid, length;
            int32_t assoc_id;
        } nxtinfo;
    } v; /* 32 bytes. ppid, SCTP's payload protocol, is in the byte order the peers agreed on */
} esock_cmsg;

/* What a received message was. */
typedef struct esock_msg {
    esock_addr addr;      /* sender; form ESOCK_ADDR_NONE when the kernel named none */
    int32_t flags;        /* MSG_ flags of the result, without MSG_CMSG_CLOEXEC unless asked for */
    uint32_t control_len; /* bytes of the control buffer that are used */
    uint32_t cmsgs;       /* control messages received; may exceed the array: walk the rest */
    uint32_t bad;         /* 1: the control data ended in something that is not a control message */
    uint64_t full_len;    /* length before it was cut (MSG_TRUNC asked for), else as returned */
} esock_msg;

/* Receives one message, and decodes its control messages into `cmsgs` in the same call. Returns the
 * bytes stored. When the kernel had to truncate the control data (MSG_CTRUNC), every descriptor
 * that came in it is closed, and its record has rights = 0 or fd = -1, and length 0. With `cmsgs`
 * NULL nothing is decoded, and out->cmsgs and out->bad are 0.
 *
 * With MSG_ERRQUEUE the data is the packet that the error is about, `addr` its destination, and the
 * error a control message of kind ESOCK_CMSG_RECVERR; the result's flags have MSG_ERRQUEUE.
 * -EAGAIN: the queue is empty. The data is a copy of what was sent, so a caller that does not want
 * it may pass a `len` of 0 where esock_error_queue returns ESOCK_ERRQUEUE_YES. On other sockets a
 * `len` of 0 has the same result as without the flag. Other errors: those of recvmsg(2). */
ESOCK_API ssize_t esock_recvmsg(esock *s, void *buf, size_t len, int flags, unsigned how,
                                void *control, size_t control_len, esock_cmsg *cmsgs,
                                size_t cmsgs_max, esock_msg *out);

/* Whether the kernel reads the error queue of this socket when it is given MSG_ERRQUEUE, or ignores
 * the flag and receives data. No system call. */
enum esock_error_queue {
    ESOCK_ERRQUEUE_NO,   /* no Linux: AF_UNIX, AF_NETLINK */
    ESOCK_ERRQUEUE_YES,  /* every Linux: TCP, UDP, UDP-Lite, ICMP and raw sockets of AF_INET and
                            AF_INET6, and AF_PACKET */
    ESOCK_ERRQUEUE_MAYBE /* depends on the kernel: vsock, SCTP, MPTCP, L2TP and all others */
};
ESOCK_API enum esock_error_queue esock_error_queue(const esock *s);

/* Returns 1 if the error queue has a record, or an error waits for the next call (POLLERR), else 0.
 * Other errors: those of poll(2). */
ESOCK_API int esock_error_pending(const esock *s);

/* Sends one message. `to` and `control` may be NULL. `control` is in the form that
 * esock_cmsg_encode writes. Returns the bytes taken. -EINVAL: control data without a byte of data
 * on a stream (except SCTP's), where the kernel would drop the control data and return 0. Other
 * errors: those of sendmsg(2). */
ESOCK_API ssize_t esock_sendmsg(esock *s, const void *buf, size_t len, int flags, unsigned how,
                                const esock_addr *to, const void *control, size_t control_len);

/* Sends one message from several buffers, in one system call. With more than esock_iov_max()
 * buffers, a stream sends the first of them that have bytes, a short send like any other, and the
 * caller continues with the rest, ESOCK_CONT and no control data. Other sockets, and SCTP's
 * streams, ignore trailing empty buffers; -EMSGSIZE: more remain. */
ESOCK_API ssize_t esock_sendmsgv(esock *s, const struct iovec *iov, size_t iovlen, int flags,
                                 unsigned how, const esock_addr *to, const void *control,
                                 size_t control_len);

/* Walks control data: reads the control message at *pos, which is 0 at the start, and advances
 * *pos. Returns 1, or 0 at the end. -EBADMSG: what follows is not a control message. Never reads
 * outside control[0..len). */
ESOCK_API int esock_cmsg_next(const void *control, size_t len, size_t *pos, esock_cmsg *out);

/* Decodes all of the control data, into up to `max` records; `cmsgs` may be NULL, for none. Returns
 * how many control messages there are, which may be more than `max`. *bad, if `bad` is not NULL, is
 * 1 if the data ends in something that is not a control message, else 0. */
ESOCK_API uint32_t esock_cmsg_decode(const void *control, size_t len, esock_cmsg *cmsgs, size_t max,
                                     uint32_t *bad);

/* Writes n control messages in the kernel's form. A control message has the value in `v` if its
 * kind has a member there and its type can be sent, else the bytes at its `offset` in `data`.
 * Returns the bytes written. -ENOBUFS: `cap` is too small. -EINVAL: a place outside `data`, a value
 * that does not fit the type, or one whose type cannot be sent (RECVERR, PIDFD, ADDR, ...). */
ESOCK_API ssize_t esock_cmsg_encode(const esock_cmsg *cmsgs, size_t n, const void *data,
                                    size_t data_len, void *out, size_t cap);

/* Reads the address that reported an error, a router's or the destination's, with port 0. It
 * follows the ESOCK_CMSG_RECVERR record `c` of control[0..len). Returns 1; or 0, and *out has form
 * ESOCK_ADDR_NONE, when the record has none (the error is local), has no room for it, or is of
 * another kind. Never reads outside control[0..len), whatever `c` says. */
ESOCK_API int esock_cmsg_offender(const void *control, size_t len, const esock_cmsg *c,
                                  esock_addr *out);

/* Closes every descriptor in the SCM_RIGHTS and SCM_PIDFD messages of control data. Returns how
 * many. For control data that the caller does not use. */
ESOCK_API int esock_cmsg_close_rights(const esock *s, const void *control, size_t len);

/* ---- Files ----------------------------------------------------------------------------------- */

#define ESOCK_SENDFILE_MAX (4u << 20) /* the most bytes that one call moves */

/* Moves up to `count` bytes of the file, from *offset, which it advances. Returns the bytes moved;
 * 0 at the end of the file. Sleeps for the disk when the file is not in memory. -EPIPE: the peer
 * has reset the connection; no SIGPIPE is raised. -ENOMEM at the first call: no memory for the
 * counters, and nothing was sent. Other errors: those of sendfile(2). */
ESOCK_API ssize_t esock_sendfile(esock *s, int in_fd, int64_t *offset, size_t count, unsigned how);

/* Counts the end of a whole sendfile operation, which moved `bytes`: in sendfile_max and, if
 * `error` is negative, in sendfile_fails; in nothing, if there is no memory for the counters. */
ESOCK_API void esock_sendfile_done(esock *s, int64_t bytes, int error);

/* ---- Options --------------------------------------------------------------------------------- */

/* The form of an option's value (esock_opt.def has a row for each option). A scalar is in `i`, any
 * other value in `data`. */
enum esock_codec {
    ESOCK_BOOL = 1, /* i: 0 or 1 */
    ESOCK_INT,      /* i: a C int */
    ESOCK_UINT,     /* i: a C unsigned int */
    ESOCK_STRING,   /* data: bytes without NUL */
    ESOCK_U64,      /* i: an unsigned 64-bit number, as its bits */
    ESOCK_BE32,     /* i: a C unsigned int that the kernel takes in network order */
    ESOCK_TIMEVAL,  /* i: microseconds */
    ESOCK_BYTES,    /* data: any bytes */
    ESOCK_STRUCT,   /* data: the kernel's structure, and a list after it if it has one */
    ESOCK_FILTER,   /* data: an array of struct sock_filter */
    ESOCK_U16       /* i: an unsigned 16-bit number */
};

/* With ESOCK_ASK, reading takes a question, a value that says what to read: in `i`, or at the start
 * of `data`. */
enum esock_direction {
    ESOCK_GET = 1,
    ESOCK_SET = 2,
    ESOCK_GETSET = 3,
    ESOCK_ASK = 5,
    ESOCK_ASKSET = 7
};

/* What an option needs besides a socket of its kind. Some need a capability only for some
 * values. */
enum esock_needs {
    ESOCK_NEEDS_NOTHING,
    ESOCK_NEEDS_CONNECTED,
    ESOCK_NEEDS_LISTENING,
    ESOCK_NEEDS_REPAIR,
    ESOCK_NEEDS_NET_ADMIN,
    ESOCK_NEEDS_NET_RAW
};

/* The values of SO_LINGER and SO_PEERCRED, in the kernel's layout. */
typedef struct esock_linger {
    int32_t onoff;
    int32_t seconds;
} esock_linger;

typedef struct esock_ucred {
    int32_t pid;
    uint32_t uid, gid;
} esock_ucred;

/* A field of an option's structure, for programs that do not have its declaration. */
typedef struct esock_optfield {
    const char *name; /* "rtt" */
    const char *kind; /* "US"; esock_opt_struct.def says what it means */
    uint16_t offset;
    uint16_t size; /* bytes; 0 for a list */
} esock_optfield;

/* The structure of an option. `data` has `size` bytes, and `element` more for each element of the
 * list; a field that the running kernel does not know is 0. */
typedef struct esock_optshape {
    const char *name; /* "tcp_info" */
    uint16_t size;
    uint16_t least; /* the fewest bytes that the kernel gives */
    uint16_t fit;   /* 1: with too little room for the list the kernel says EINVAL, not how much it
                         needs. 2: the list can be set, and not be read */
    uint16_t element; /* 0: no list */
    uint16_t count;   /* of fields */
    const esock_optfield *fields;
} esock_optshape;

typedef struct esock_optrow {
    const char *level;    /* "tcp" */
    const char *name;     /* "nodelay" */
    const char *constant; /* "TCP_NODELAY" */
    int level_number;     /* IPPROTO_TCP */
    int number;           /* 1; 0 is a number like any other */
    uint8_t codec;        /* enum esock_codec */
    uint8_t direction;    /* enum esock_direction */
    uint8_t needs;        /* enum esock_needs */
    uint8_t slack;        /* with fewer bytes of the room left, the kernel may have cut its answer;
                             0: the kernel says so when it cuts */
    uint16_t max;         /* bytes of data to begin reading with, 0 for scalars */
    uint32_t kinds;       /* the sockets it applies to, a bit for each kind of esock_opt.def */
    uint32_t most; /* the most bytes of data; equals `max` where the value's form bounds it */
    const esock_optshape *shape; /* of ESOCK_STRUCT, else NULL */
    const char *since;           /* first Linux that has it */
    const char *until;           /* first Linux that no longer has it, or NULL */
    const char *sample;          /* a value to try; esock_opt.def has the form */
    const char *doc;
} esock_optrow;

/* The option table: the number of rows, one row (NULL past the end), and a hash of all rows. The
 * hash is FNV-1a, 64 bits, over one line for each row, with the numbers in decimal, "level name
 * constant level_number number codec direction needs kinds max shape\n" (`max` only for strings and
 * bytes, else 0; shape: its name, or "-"), and one line for each field of the row's shape, "name
 * kind\n". */
ESOCK_API unsigned esock_opt_count(void);
ESOCK_API const esock_optrow *esock_opt_row(unsigned row);
ESOCK_API uint64_t esock_opt_hash(void);

/* Reads or sets the option of row `row`. A scalar is in `i`; then `data` and `len` may be NULL. Any
 * other value is in `data`; then `i` may be NULL. When reading, *len is the room on entry and the
 * size of the value on return.
 *
 * -ENOENT: no such row. -ENOTSUP: the option cannot be read, or not be set. -ERANGE: the value does
 * not fit the option's type, or has more bytes than the row's `most`. -EINVAL: a string has a NUL,
 * or a structure another size. -EBADMSG: the kernel's answer has another size. -ENOBUFS: the value
 * needs more room, and *len, which is above the room, is the room to ask again with (where only
 * trying tells, even more may be needed). Nothing is ever cut in silence, and no row needs more
 * than its `most`. Other errors: those of getsockopt(2) and setsockopt(2).
 *
 * The question of ESOCK_ASK must be written again before each call. Setting {ip,tos}, here or
 * natively, keeps SO_PRIORITY, which Linux would change with it. */
ESOCK_API int esock_getopt(esock *s, unsigned row, int64_t *i, void *data, size_t *len);
ESOCK_API int esock_setopt(esock *s, unsigned row, int64_t i, const void *data, size_t len);

/* One option of a batch. Its data is the `len` bytes at `offset` in the batch's data. When reading,
 * `len` is the room on entry and the size of the value on return, or with -ENOBUFS the room to ask
 * again with. A place outside the batch's data gives -EINVAL. */
typedef struct esock_optcall {
    uint32_t row;
    int32_t result; /* as esock_getopt and esock_setopt return it */
    int64_t i;
    uint32_t offset;
    uint32_t len;
} esock_optcall;

/* Read or set n options, in order. Each has its own result, and none stops the others. Return how
 * many succeeded. */
ESOCK_API size_t esock_getopts(esock *s, esock_optcall *calls, size_t n, void *data,
                               size_t data_len);
ESOCK_API size_t esock_setopts(esock *s, esock_optcall *calls, size_t n, const void *data,
                               size_t data_len);

/* Reads any option by its numbers, as bytes. *len is the room on entry and the bytes that the
 * kernel used on return. The bytes in `val` on entry reach the kernel, for options that take a
 * question. -EINVAL: *len is over 1 MiB. Other errors: those of getsockopt(2). */
ESOCK_API int esock_getopt_native(esock *s, int level, int opt, void *val, size_t *len);

/* Reads as esock_getopt_native does, but *len receives the length that the kernel reports, even if
 * it is more than `room`, and even with an error: with -ERANGE it is the room that the value needs.
 * SO_GET_FILTER (the number of SO_ATTACH_FILTER) counts instructions: the kernel is told how many
 * fit into `room` bytes, and *len is a number of instructions. Some structures tell the kernel
 * themselves how much room follows them (IP_MSFILTER, MCAST_MSFILTER, TCP_AO_GET_KEYS): the kernel
 * believes that number, and the caller must set it right. */
ESOCK_API int esock_getopt_raw(esock *s, int level, int opt, void *val, size_t room, size_t *len);

/* Sets any option by its numbers, to `len` bytes. Other errors: those of setsockopt(2). */
ESOCK_API int esock_setopt_native(esock *s, int level, int opt, const void *val, size_t len);

/* ---- Requests: ioctl(2) ---------------------------------------------------------------------- */

#define ESOCK_IFNAME 16 /* bytes of an interface's name, with its NUL */

/* The requests, with OTP's names; those from ESOCK_GIFNAME on are in netdevice(7). */
enum esock_request {
    ESOCK_GIFCONF,
    ESOCK_NREAD,
    ESOCK_NWRITE,
    ESOCK_NSPACE,
    ESOCK_ATMARK,
    ESOCK_TCP_INFO,
    ESOCK_GIFNAME,
    ESOCK_GIFINDEX,
    ESOCK_GIFADDR,
    ESOCK_GIFDSTADDR,
    ESOCK_GIFBRDADDR,
    ESOCK_GIFNETMASK,
    ESOCK_GIFHWADDR,
    ESOCK_GIFMTU,
    ESOCK_GIFTXQLEN,
    ESOCK_GIFFLAGS,
    ESOCK_GIFMAP,
    ESOCK_SIFFLAGS,
    ESOCK_SIFADDR,
    ESOCK_SIFDSTADDR,
    ESOCK_SIFBRDADDR,
    ESOCK_SIFNETMASK,
    ESOCK_SIFHWADDR,
    ESOCK_SIFMTU,
    ESOCK_SIFTXQLEN,
    ESOCK_RCVALL,
    ESOCK_RCVALL_IGMPMCAST,
    ESOCK_RCVALL_MCAST,
    ESOCK_REQUESTS
};

/* What a request is about. */
enum esock_iokey {
    ESOCK_IOKEY_NONE = 0, /* the socket, or the whole system */
    ESOCK_IOKEY_NAME,     /* the interface called `name` */
    ESOCK_IOKEY_INDEX     /* the interface with the index `i` */
};

/* The value that a request reads or sets, in the members of esock_ioarg. */
enum esock_ioform {
    ESOCK_IO_INT = 1, /* i */
    ESOCK_IO_BOOL,    /* i: 0 or 1 */
    ESOCK_IO_SPACE,   /* i; computed from two answers of the kernel */
    ESOCK_IO_NAME,    /* name */
    ESOCK_IO_ADDR,    /* addr, of AF_INET */
    ESOCK_IO_HWADDR,  /* addr, raw: an ARPHRD_ type as its family, the address as its data */
    ESOCK_IO_FLAGS,   /* i: IFF_ flags. To set: `i` has those to switch on, `off` those to switch
                         off. A flag in both is switched on */
    ESOCK_IO_MAP,     /* map */
    ESOCK_IO_CONF,    /* esock_ifconf answers it */
    ESOCK_IO_INFO     /* the option TCP_INFO answers it */
};

typedef struct esock_iorow {
    const char *name;     /* "gifmtu" */
    const char *constant; /* "SIOCGIFMTU"; NULL: this system does not have it */
    unsigned long number;
    uint8_t key;   /* enum esock_iokey */
    uint8_t value; /* enum esock_ioform */
    uint8_t set;   /* 1: the request sets the value; 0: it reads it */
    const char *doc;
} esock_iorow;

typedef struct esock_ifmap {
    uint64_t mem_start, mem_end;
    uint16_t base_addr;
    uint8_t irq, dma, port;
} esock_ifmap;

typedef struct esock_ioarg {
    char name[ESOCK_IFNAME];
    int64_t i;
    uint32_t off;
    esock_addr addr;
    esock_ifmap map;
} esock_ioarg;

typedef struct esock_ifaddr {
    char name[ESOCK_IFNAME];
    esock_addr addr;
} esock_ifaddr;

/* Returns the row of a request, or NULL past the end. */
ESOCK_API const esock_iorow *esock_ioctl_row(unsigned request);

/* Makes a request. -ENOENT: no such request. -ENOTSUP: this system does not have it, or another
 * call answers it. -ENAMETOOLONG: no NUL in the name. -ERANGE: a number does not fit.
 * -EAFNOSUPPORT: the address is not AF_INET. -EINVAL: the hardware address has another length than
 * the device's. Other errors: those of ioctl(2): -ENODEV (no such interface), -EADDRNOTAVAIL (it
 * has no address), -ENOTTY (not on this kind of socket: gifaddr, gifdstaddr, gifbrdaddr, gifnetmask
 * need AF_INET), -EPERM (sets need CAP_NET_ADMIN). */
ESOCK_API int esock_ioctl(esock *s, unsigned request, esock_ioarg *arg);

/* Reads the addresses of all interfaces, IPv4 only. Returns how many were stored. As many as `max`
 * means that there may be more: the kernel stops at the end of the room and does not say so. With
 * `max` 0 `out` may be NULL, and the result is the number of addresses there are. Other errors:
 * those of ioctl(2). */
ESOCK_API ssize_t esock_ifconf(esock *s, esock_ifaddr *out, size_t max);

/* ---- Readiness ------------------------------------------------------------------------------- */

enum esock_events {
    ESOCK_IN = 1,  /* a receive or an accept would not block */
    ESOCK_OUT = 2, /* a send would not block; a connection attempt is decided */
    ESOCK_ERR = 4, /* an error, a queued error, or hang-up; also answers every other event */
    ESOCK_END = 8  /* esock_ready only: nothing more will be received, or accepted */
};

typedef struct esock_event {
    void *user;      /* the pointer that was given to esock_arm */
    uint32_t events; /* enum esock_events */
    uint32_t spare;
} esock_event;

/* Makes a poller. `sys` may be NULL, for the real kernel. -ENOMEM: no memory. Other errors: those
 * of epoll_create1(2). */
ESOCK_API int esock_poller_new(esock_poller **out, const esock_sys *sys);

/* Closes the poller's descriptor and frees the poller. `p` may be NULL. */
ESOCK_API void esock_poller_free(esock_poller *p);

/* Frees the poller and leaves its descriptor, which the caller has closed or keeps. */
ESOCK_API void esock_poller_forget(esock_poller *p);

/* Gives a poller whose descriptor has failed a new one. Returns the new descriptor. No thread may
 * be in esock_poll. The caller decides whether to close the old number, which may be another file
 * by now. Deregister every registered handle, and arm again what was armed. Other errors: those of
 * epoll_create1(2): the poller then has no descriptor, and this may be called again. */
ESOCK_API int esock_poller_renew(esock_poller *p);

/* Returns the poller's own descriptor. It is nonblocking, and readable while events wait, so that
 * pollers nest. */
ESOCK_API int esock_poller_fd(const esock_poller *p);

/* What the caller knows of the socket when it arms. */
enum esock_arm_after {
    ESOCK_AFTER_NOTHING = 0, /* nothing: it may be ready */
    ESOCK_AFTER_EMPTY = 1,   /* the last notification proved empty: the call still would block */
    ESOCK_AFTER_TRY = 2,     /* the last call in the direction would have blocked */
    ESOCK_AFTER_PEEK = 3     /* so would it, and it had MSG_PEEK */
};

/* Arms `events`: asks for one notification of each, in addition to those already armed. After one
 * event, esock_fired must be called before anything is armed again. `user` comes back in the event;
 * it is the same for all arms of one registration. -EEXIST: another handle that owns this
 * descriptor is registered. Other errors: those of epoll_ctl(2), and of dup(2) for a descriptor
 * that the caller keeps. After an error nothing more is armed than before.
 *
 * With ESOCK_AFTER_EMPTY the registration turns edge-triggered, so that a lasting condition (a
 * queued error that is not read) does not cause endless events. With ESOCK_AFTER_TRY it does so if
 * the caller waits for ESOCK_IN again and again, so that an arm costs no system call. Such events
 * may arrive without being armed, and mean "try again". ESOCK_AFTER_PEEK is ESOCK_AFTER_NOTHING
 * where SO_PEEK_OFF may be set: then a peek that finds nothing does not show that nothing is there. */
ESOCK_API int esock_arm(esock_poller *p, esock *s, unsigned events, enum esock_arm_after after,
                        void *user);

/* Disarms `events`. An event that is under way may still arrive. */
ESOCK_API int esock_disarm(esock_poller *p, esock *s, unsigned events);

/* Call for each event received, with its bits. Returns which of the armed events it answers
 * (ESOCK_ERR answers all), and arms the rest again. */
ESOCK_API int esock_fired(esock_poller *p, esock *s, unsigned events);

/* Returns what poll(2) reports now: the bits of `events` that are set, ESOCK_IN and ESOCK_OUT each
 * only for its own cause, and ESOCK_END if the socket has ended. It tells a caller why an event
 * proved empty. Other errors: those of poll(2). */
ESOCK_API int esock_ready(esock *s, unsigned events);

/* Returns 1 if a connected unix stream or seqpacket socket whose buffer is full can no longer send:
 * its own writing or the peer's reading was shut. No event reports that of a full socket. Returns 0
 * if it can send, or for any other socket. Sends nothing. */
ESOCK_API int esock_send_ended(esock *s);

/* Ends the registration. Call it before esock_close: a closed descriptor whose description lives on
 * in another process keeps reporting events, and can no longer be removed. Other errors: those of
 * epoll_ctl(2). */
ESOCK_API int esock_deregister(esock_poller *p, esock *s);

/* Collects up to `max` events, at most 64 in one call. `timeout_ms` is in milliseconds: 0 does not
 * wait, -1 waits for ever. Returns how many; 0 when the time is over, or, with a timeout, when a
 * signal interrupts the wait. -EINVAL: `max` is below 1. Other errors: those of epoll_wait(2). */
ESOCK_API int esock_poll(esock_poller *p, esock_event *events, int max, int timeout_ms);

/* ---- Counters -------------------------------------------------------------------------------- */

/* The order of the counters in the block, and of the bits of esock_counters.wrapped. */
enum esock_counter {
    ESOCK_READ_BYTE,
    ESOCK_READ_PKG,
    ESOCK_READ_PKG_MAX,
    ESOCK_READ_TRIES,
    ESOCK_READ_WAITS,
    ESOCK_READ_FAILS,
    ESOCK_WRITE_BYTE,
    ESOCK_WRITE_PKG,
    ESOCK_WRITE_PKG_MAX,
    ESOCK_WRITE_TRIES,
    ESOCK_WRITE_WAITS,
    ESOCK_WRITE_FAILS,
    ESOCK_ACC_SUCCESS,
    ESOCK_ACC_TRIES,
    ESOCK_ACC_WAITS,
    ESOCK_ACC_FAILS,
    ESOCK_COUNTERS
};

#define ESOCK_COUNTERS_LAYOUT 2 /* changes when struct esock_counters does */

/* The counter block, the first thing in the handle. Each member is written with relaxed atomic
 * stores. Any thread may read it at any time with plain atomic loads of 8 bytes (4 for `wrapped`,
 * 1 for `receiving` and `sending`).
 *
 *   _tries  calls into the kernel           _waits  tries that would block, and were waited for
 *   _fails  end of stream, and errors       _byte   bytes moved, each once; peeked ones are not
 *   _pkg    requests that ended             _pkg_max  the most bytes of one request
 */
typedef struct esock_counters {
    uint64_t value[ESOCK_COUNTERS] __attribute__((aligned(8)));
    uint32_t wrapped; /* a bit for each counter that passed its width since the bits were cleared */
    uint8_t receiving; /* 1: a receive request is in progress, and esock_end_read would end it */
    uint8_t sending;   /* the same of a send request and esock_end_write */
    uint16_t layout;   /* ESOCK_COUNTERS_LAYOUT */
} esock_counters;

/* The counters of sendfile. Their bytes are not in write_byte. */
enum esock_sendfile_counter {
    ESOCK_SENDFILE,         /* system calls */
    ESOCK_SENDFILE_BYTE,    /* bytes moved */
    ESOCK_SENDFILE_PKG,     /* system calls that moved something */
    ESOCK_SENDFILE_PKG_MAX, /* the most bytes of one system call */
    ESOCK_SENDFILE_TRIES,   /* operations started */
    ESOCK_SENDFILE_MAX_OP,  /* the most bytes of one operation */
    ESOCK_SENDFILE_WAITS,   /* tries that would block, and were waited for */
    ESOCK_SENDFILE_FAILS,   /* operations that failed */
    ESOCK_SENDFILE_COUNTERS
};

typedef struct esock_sendfile_counters {
    uint64_t value[ESOCK_SENDFILE_COUNTERS] __attribute__((aligned(8)));
} esock_sendfile_counters;

/* Returns the counter block, which is valid until esock_close. It has the handle's address. */
ESOCK_API const esock_counters *esock_counters_of(const esock *s);

/* Returns the sendfile block, which is valid until esock_close, or NULL before the first
 * sendfile. */
ESOCK_API const esock_sendfile_counters *esock_sendfile_counters_of(const esock *s);

/* Returns the wrap bits and clears them. */
ESOCK_API uint32_t esock_counters_wrapped(esock *s);

/* Promises that at most one thread at a time works in each direction of the handle, and of those
 * accepted from it: a program with a lock or a queue of its own can promise it. Counting sends then
 * costs less, because without the promise each count is an atomic read-modify-write. */
ESOCK_API void esock_alone(esock *s);

/* Lets the counters wrap at `bits` bits, 8 to 64, instead of 64, so that a test can see a wrap.
 * Call it while no other thread uses the handle. -EINVAL: another number of bits. */
ESOCK_API int esock_counters_width(esock *s, int bits);

/* ---- Trace ----------------------------------------------------------------------------------- */

/* A function that is called after each operation of a handle with tracing on, in the thread of the
 * operation, with the handle's descriptor, the operation's name, and its result. For C programs: it
 * must not call back into a language runtime. */
typedef void esock_trace_fn(void *arg, int fd, const char *op, long result);

/* Sets the trace function of the process; NULL: none. Call it while no traced handle is in use. */
ESOCK_API void esock_set_trace(esock_trace_fn *fn, void *arg);

/* Switches tracing of a handle on, or with 0 off. */
ESOCK_API void esock_trace(esock *s, int on);

/* ---- Caveats ------------------------------------------------------------------------------------
 *
 * fork      Parent and child share every open file description. Data that one reads is gone for
 *           the other, and so is O_NONBLOCK if one clears it. Therefore sends and receives also
 *           pass MSG_DONTWAIT. accept, connect and sendfile have no such flag, so O_NONBLOCK is
 *           set again before each of them, once another process can have the descriptor: it was
 *           adopted, duplicated, or asked for with esock_fd. A process that clears it between the
 *           two can still make the call sleep. To bound that sleep, a handle that was adopted or duplicated, or that
 *           ever finds the flag cleared, sets SO_RCVTIMEO and SO_SNDTIMEO to 20 ms before its
 *           first such call, where they are 0, and back to 0 when it is closed. A program that forks
 *           and uses the descriptor in the child calls esock_fd in the parent, too. A poller cannot
 *           be used in the child.
 * linger    With SO_LINGER on and seconds > 0, Linux's close sleeps for up to that long, on a
 *           nonblocking descriptor too, and returns 0 even if data was left unsent. esock blocks
 *           signals meanwhile, which would end the wait. It asks for the linger time only where one
 *           can have been set: by an option of the handle or of its listener, or with the descriptor.
 * shared    A description that other descriptors share (dup, fork, SCM_RIGHTS) stays registered in
 *           the poller after the handle is closed, unless esock_deregister was called first.
 * unix      Connecting to a unix listener with a full backlog gives -EAGAIN, and no event follows
 *           when it would work. Linux ignores MSG_ERRQUEUE on unix sockets and reads data.
 * threads   The caller must not call esock_close while another thread is inside a call on the same
 *           handle.
 */

#ifdef __cplusplus
}
#endif

#endif
