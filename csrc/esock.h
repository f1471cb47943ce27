/* esock: a small socket core.
 *
 * esock is a thin, complete layer over the kernel's sockets: every operation and option, typed
 * control messages, readiness and counters. It does not depend on the program above it: no threads
 * of its own, no allocation on an I/O path, no callbacks (but the optional trace), no global error
 * state.
 *
 * Results
 *   A function returns a count or 0 on success, and a negative errno on failure (-ECONNRESET). A
 *   call that would block returns -EAGAIN. Only two calls can sleep: esock_sendfile, for a file
 *   that is not in memory, and esock_close, for SO_LINGER. EINTR is retried, except in connect,
 *   where the attempt goes on by itself, and in close, where the descriptor is gone.
 *
 *   A required pointer to the caller's memory that is NULL gives -EFAULT, and the call does
 *   nothing. A pointer is required if the function reads or writes it and does not say that it may
 *   be NULL; a buffer or array, if it has at least one element. Handles and pollers are not
 *   checked: NULL crashes.
 *
 * Ownership
 *   The caller owns every buffer; esock uses it during the call only. esock keeps the handle, from
 *   open to close, and the opaque pointer given to esock_arm.
 *
 * Threads
 *   Several threads may use a handle at once, under the kernel's rules: of two concurrent receives
 *   each gets something. esock_close must be the last call. The per-request counters (*_pkg,
 *   *_pkg_max) are exact only if one thread at a time works in each direction.
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

typedef struct esock esock;               /* one socket */
typedef struct esock_poller esock_poller; /* one readiness queue */
typedef struct esock_sys esock_sys;       /* the system calls to use, esock_sys.h */

/* The version of the library that is linked in, "major.minor.patch". */
ESOCK_API const char *esock_version(void);

/* ---- Addresses ------------------------------------------------------------------------------- */

enum esock_addr_form {
    ESOCK_ADDR_NONE = 0, /* the kernel gave no address; on input: none */
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

/* Writes `a` as the kernel wants it, and its length to *len. An unnamed AF_UNIX address has the
 * length of the family alone. -EFAULT: an argument is NULL, which is what every call says that is given
 * no address; -EINVAL: a member is out of range, or a path has a NUL; -ENAMETOOLONG:
 * more than the 108 bytes of a path or abstract name, or too much data; -EAFNOSUPPORT: form is
 * ESOCK_ADDR_NONE. A path of 108 bytes goes without a NUL, as Linux allows. */
ESOCK_API int esock_addr_encode(const esock_addr *a, struct sockaddr_storage *out, unsigned *len);

/* Reads what the kernel wrote: `len` is the length that it reported, which may be 0 (no address) or
 * more than the structure (Linux reports 111 for a 108-byte path). Never fails: see `form`.
 * What is too short even for a family is raw data of family 0. */
ESOCK_API void esock_addr_decode(const struct sockaddr_storage *in, unsigned len, esock_addr *out);

enum esock_shorthand { ESOCK_ANY, ESOCK_LOOPBACK, ESOCK_BROADCAST };

/* Fills `a` with the any, loopback or broadcast address of `family`, port 0. -EAFNOSUPPORT: neither
 * AF_INET nor AF_INET6. -EINVAL: broadcast on AF_INET6. */
ESOCK_API int esock_addr_shorthand(esock_addr *a, int family, enum esock_shorthand which);

/* ---- Life ------------------------------------------------------------------------------------ */

/* Opens a socket: socket(2), close-on-exec and nonblocking. `sys` is NULL for the real kernel. When
 * `protocol` is 0 the handle remembers the one that the kernel chose. Errors: those of
 * socket(2). */
ESOCK_API int esock_open(esock **out, int domain, int type, int protocol, const esock_sys *sys);

/* What an error of esock_open_netns is about. */
enum esock_netns_fault {
    ESOCK_NETNS_SOCKET, /* the socket: socket(2) refused; and when there is no error */
    ESOCK_NETNS_FILE, /* the file at `path`: open(2), setns(2); -EINVAL: it is no network namespace */
    ESOCK_NETNS_PROC, /* /proc/thread-self, which leads there and home */
    ESOCK_NETNS_LOST  /* the thread, which is still in the other namespace */
};

/* esock_open inside the network namespace that the file at `path` names. The calling thread is in
 * that namespace for the duration of the call. If it cannot be brought back, *fault is ESOCK_NETNS_LOST,
 * the socket is closed and an error returned: the thread is then of no further use and should end.
 * A FIFO, a device, a directory or a socket is not opened to find out that it is no namespace.
 * Needs /proc. */
ESOCK_API int esock_open_netns(esock **out, const char *path, int domain, int type, int protocol,
                               const esock_sys *sys, enum esock_netns_fault *fault);

enum esock_adopt_flags {
    ESOCK_ADOPT_DUP = 1, /* work on a duplicate; fd stays the caller's */
    ESOCK_ADOPT_TAKE = 2 /* fd becomes the handle's, which closes it; after an error it does not */
};

/* Makes a handle of an existing descriptor. Domain, type and protocol are asked of the kernel;
 * what it does not report is taken from the arguments that are >= 0. If domain or type stays unknown,
 * the result is -EINVAL and *missing is its name ("domain", "type"); an unknown protocol is 0. A
 * number that is not open gives -EBADF, and a descriptor of another kind -ENOTSOCK, without a name.
 * With neither flag the descriptor stays the caller's, and esock_close only restores its flags.
 * O_NONBLOCK belongs to the open file description, so every process that shares it sees it set. A
 * duplicate, and a descriptor that is taken, is close-on-exec; one that stays the caller's is not
 * changed. After an error the description has its old flags.
 * Several handles may share a descriptor that stays the caller's. It must stay open until the last
 * is closed, because they use whatever has its number. A poller watches it through a duplicate, from
 * the first esock_arm to esock_deregister. */
ESOCK_API int esock_adopt(esock **out, int fd, unsigned flags, int domain, int type, int protocol,
                          const esock_sys *sys, const char **missing);

/* Facts about a handle: its descriptor, and what it was opened as. No system call. */
ESOCK_API int esock_fd(const esock *s);
ESOCK_API int esock_domain(const esock *s);
ESOCK_API int esock_type(const esock *s);
ESOCK_API int esock_protocol(const esock *s);

/* Notes that the descriptor's domain changed (IPV6_ADDRFORM does that). */
ESOCK_API void esock_refresh(esock *s);

/* The handle stops owning its descriptor, which the caller must now close; returns the descriptor.
 * esock_close then only frees the handle; everything else works on as before. */
ESOCK_API int esock_disown(esock *s);

/* Call just before closing a disowned descriptor: if that close would wait for linger, the handle owns a duplicate
 * from now on, so that esock_close is the one that waits. 0, or dup's error: then the close waits itself, and a signal
 * may end that. */
ESOCK_API int esock_reclaim(esock *s);

/* Sets O_NONBLOCK, which another process that shares the description may have cleared. Call it before
 * waking a thread that sleeps in a call because of that. Returns 1 if it was cleared, else 0. */
ESOCK_API int esock_nonblock(esock *s);

/* A close-on-exec duplicate of the handle's descriptor, the caller's to close. From then on the description counts as
 * shared: see the caveat about fork. */
ESOCK_API int esock_dup(esock *s);

enum esock_close_flags {
    ESOCK_CLOSE_NOLINGER = 1, /* do not wait for unsent data; a linger of 0 seconds (abort) stays */
    /* undo esock_adopt, of a handle that was used for nothing since: the descriptor that was given is the caller's again, open,
     * and it and its description have the flags they had */
    ESOCK_CLOSE_GIVE_BACK = 2
};

/* Switches a linger of more than 0 seconds off, so that closing the descriptor does not wait. */
ESOCK_API void esock_nolinger(esock *s);

/* Closes the descriptor if the handle owns it, and frees the handle, whatever it returns. Sleeps
 * for as long as SO_LINGER says. `final`, if not NULL, receives the last state of the counters.
 * Deregister from every poller first. Errors: those of close(2); the descriptor is gone all the
 * same. */
struct esock_counters;
struct esock_sendfile_counters;
ESOCK_API int esock_close(esock *s, unsigned flags, struct esock_counters *final,
                          struct esock_sendfile_counters *final_sendfile);

/* ---- Names and connections ------------------------------------------------------------------- */

/* bind(2), listen(2), shutdown(2), getsockname(2), getpeername(2). `how` is SHUT_RD, SHUT_WR,
 * SHUT_RDWR. */
ESOCK_API int esock_bind(esock *s, const esock_addr *a);
ESOCK_API int esock_listen(esock *s, int backlog);
ESOCK_API int esock_shutdown(esock *s, int how);
ESOCK_API int esock_sockname(esock *s, esock_addr *a);
ESOCK_API int esock_peername(esock *s, esock_addr *a);

/* Starts to connect. 0: connected. -EINPROGRESS: wait for ESOCK_OUT, then call esock_finish. Other
 * errors are final; -EAGAIN (a unix listener's backlog is full) among them: no readiness follows
 * it. -EISCONN: the stream is connected, also where esock_finish has said so: Linux would answer 0
 * once more, and keep the peer. */
ESOCK_API int esock_connect(esock *s, const esock_addr *a);

/* How the attempt went. 0: connected. -EINPROGRESS: not decided yet. Other: why it failed. */
ESOCK_API int esock_finish(esock *s);

/* Takes one connection. *out is a new handle with this one's domain, type, protocol and sys;
 * `peer`, if not NULL, its address. -EAGAIN: none there. -EINVAL: it does not listen, or listens no longer because
 * reading was shut. */
ESOCK_API int esock_accept(esock *s, unsigned how, esock **out, esock_addr *peer);

/* ---- Input and output ------------------------------------------------------------------------ */

/* How a call belongs to a request. What the kernel moves is counted the same; these say where one
 * request ends and the next begins, and whether -EAGAIN will be followed by a wait. */
enum esock_how {
    ESOCK_FULL = 1, /* receive: on a stream the request goes on until len bytes have come */
    ESOCK_POLL = 2, /* no wait follows -EAGAIN: do not count one */
    ESOCK_CONT = 4  /* carries on the request before it */
};

/* All receives carry MSG_DONTWAIT and MSG_CMSG_CLOEXEC (but for AF_PACKET, which refuses it), all
 * sends MSG_DONTWAIT and MSG_NOSIGNAL.
 * `flags` are the other MSG_ flags.
 *
 * A receive returns the number of bytes; 0 is the end of a stream, or an empty message. The end of a
 * seqpacket connection is -ESHUTDOWN; an empty message that is the very last cannot be told from it,
 * unless control messages come with it. A receive into 0 bytes does not reach the kernel: it is 0 on a
 * stream, where it would read as the end, and -EINVAL on a message socket, where it would throw a
 * message away. There are two exceptions, which lose nothing: MSG_PEEK with MSG_TRUNC on a message
 * socket, which answers the length of the next message, and the error queue (esock_recvmsg).
 * With MSG_TRUNC the kernel reports the whole length of a message, which may exceed `len`, on SCTP's
 * streams too: so do these. On TCP MSG_TRUNC throws the bytes away and the buffer is untouched.
 *
 * With MSG_ERRQUEUE they take one record of the error queue, on a stream too: 0 bytes are then a
 * record without a payload, not the end. MSG_PEEK does not keep it there. Only esock_recvmsg shows
 * what the error was.
 *
 * A send returns how many bytes were taken; fewer than given only on a stream. */
ESOCK_API ssize_t esock_recv(esock *s, void *buf, size_t len, int flags, unsigned how);
ESOCK_API ssize_t esock_recvfrom(esock *s, void *buf, size_t len, int flags, unsigned how,
                                 esock_addr *from);
ESOCK_API ssize_t esock_send(esock *s, const void *buf, size_t len, int flags, unsigned how);
ESOCK_API ssize_t esock_sendto(esock *s, const void *buf, size_t len, int flags, unsigned how,
                               const esock_addr *to);

/* Ends the request in progress early, after a timeout, an error or a cancellation. It counts as a
 * package if it moved anything, and the next call begins a new one. */
ESOCK_API void esock_end_read(esock *s);
ESOCK_API void esock_end_write(esock *s);

/* The iovecs that one sendmsg(2) takes here (1024 on Linux). */
ESOCK_API int esock_iov_max(void);

/* ---- Messages and control messages ----------------------------------------------------------- */

/* Which member of esock_cmsg.v is set. */
enum esock_cmsg_kind {
    ESOCK_CMSG_RAW = 0,      /* none: only the bytes */
    ESOCK_CMSG_INT,          /* i */
    ESOCK_CMSG_RIGHTS,       /* rights: that many descriptors (C int) at the place */
    ESOCK_CMSG_CREDENTIALS,  /* cred */
    ESOCK_CMSG_TIME,         /* time: SCM_TIMESTAMP, SCM_TIMESTAMPNS */
    ESOCK_CMSG_PKTINFO4,     /* pktinfo4 */
    ESOCK_CMSG_PKTINFO6,     /* pktinfo6 */
    ESOCK_CMSG_RECVERR,      /* recverr: what an error queue has; see esock_cmsg_offender */
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

/* One control message. The bytes that it was decoded from, or that will be sent, are
 * data[0..length) at `offset` in the buffer that goes with the array. */
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
            uint32_t ifindex;
            uint8_t addr[16];
        } pktinfo6;
        struct {
            uint32_t error;             /* an errno, positive; 0 in a zero-copy notice */
            uint8_t origin, type, code; /* SO_EE_ORIGIN_ of <linux/errqueue.h>; ICMP type, code */
            uint8_t spare;
            uint32_t info, data; /* by origin: the MTU of an EMSGSIZE, the range of a notice */
        } recverr;
        int32_t fd;
        struct { /* a clock that took no stamp has 0, 0 */
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
    } v; /* 32 bytes. The payload protocol of SCTP (ppid) is as the peers agreed: no byte is moved */
} esock_cmsg;

/* What a received message was. */
typedef struct esock_msg {
    esock_addr addr;      /* sender; form ESOCK_ADDR_NONE when the kernel named none */
    int32_t flags;        /* MSG_ flags of the result, without MSG_CMSG_CLOEXEC unless asked for */
    uint32_t control_len; /* bytes of the control buffer that are used */
    uint32_t cmsgs;    /* control messages that were there; may exceed the array: walk the rest */
    uint32_t bad;      /* 1: the control data ended in something that is not a control message */
    uint64_t full_len; /* length before it was cut (MSG_TRUNC asked for), else as returned */
} esock_msg;

/* Receives one message, decoding its control messages into `cmsgs` in the same call. Returns the
 * bytes stored. Descriptors that came in control data which the kernel had to truncate (MSG_CTRUNC)
 * are closed, all of them, and their records say so with rights = 0 or fd = -1, and length 0.
 *
 * With MSG_ERRQUEUE the data is the packet that the error is about, `addr` its destination, and the
 * error a control message of kind ESOCK_CMSG_RECVERR; the result's flags have MSG_ERRQUEUE. It is
 * -EAGAIN when the queue is empty. The payload is a copy of what was sent, so a caller that does not
 * want it may pass a `len` of 0 where esock_error_queue says yes. On other sockets a `len` of 0 has
 * the same result as without the flag. */
ESOCK_API ssize_t esock_recvmsg(esock *s, void *buf, size_t len, int flags, unsigned how,
                                void *control, size_t control_len, esock_cmsg *cmsgs,
                                size_t cmsgs_max, esock_msg *out);

/* Whether the kernel takes MSG_ERRQUEUE on this socket for what it says, or receives data. No system
 * call. */
enum esock_error_queue {
    ESOCK_ERRQUEUE_NO,   /* no Linux: AF_UNIX, AF_NETLINK */
    ESOCK_ERRQUEUE_YES,  /* every Linux: TCP, UDP, UDP-Lite, ICMP and raw sockets of AF_INET and
                            AF_INET6, and AF_PACKET */
    ESOCK_ERRQUEUE_MAYBE /* it depends on the kernel: vsock, SCTP, MPTCP, L2TP and all others */
};
ESOCK_API enum esock_error_queue esock_error_queue(const esock *s);

/* Whether something is in the error queue, or an error waits for the next call: poll(2)'s POLLERR. */
ESOCK_API int esock_error_pending(const esock *s);

/* Sends one message: `to` and `control` may be NULL. `control` is as esock_cmsg_encode writes
 * it. -EINVAL: control data and not one byte of data on a stream (but SCTP's), where the kernel would
 * drop it and say 0. */
ESOCK_API ssize_t esock_sendmsg(esock *s, const void *buf, size_t len, int flags, unsigned how,
                                const esock_addr *to, const void *control, size_t control_len);

/* The same from several buffers, in one system call. More than esock_iov_max() of them: on a stream the
 * first of them that have bytes are sent, a short send like any other, and the caller goes on with the
 * rest, ESOCK_CONT and no control data; on other sockets trailing empty ones are ignored, and more is
 * -EMSGSIZE. */
ESOCK_API ssize_t esock_sendmsgv(esock *s, const struct iovec *iov, size_t iovlen, int flags,
                                 unsigned how, const esock_addr *to, const void *control,
                                 size_t control_len);

/* Walks control data. *pos is 0 at the start. Returns 1 and the next message, 0 at the end,
 * -EBADMSG when what follows is not a control message. Reads nothing outside control[0..len). */
ESOCK_API int esock_cmsg_next(const void *control, size_t len, size_t *pos, esock_cmsg *out);

/* The whole of control data at once, into up to `max` records; NULL: none. Returns how many messages
 * there were, which may be more than `max`; *bad, if not NULL, is 1 if it ended in something else. */
ESOCK_API uint32_t esock_cmsg_decode(const void *control, size_t len, esock_cmsg *cmsgs, size_t max,
                                     uint32_t *bad);

/* Writes n control messages in the kernel's form. The bytes of each are at cmsgs[i].offset in
 * `data`, unless its kind has a member of `v` and its type can be sent: then the value is. Returns
 * the bytes written; -ENOBUFS: `cap` is too small; -EINVAL: a place outside `data`, a value that
 * does not fit the type, or one whose type does not exist for sending (RECVERR, PIDFD, ADDR, ...). */
ESOCK_API ssize_t esock_cmsg_encode(const esock_cmsg *cmsgs, size_t n, const void *data,
                                    size_t data_len, void *out, size_t cap);

/* The address that reported an error, a router's or the destination's, with port 0. It follows the
 * ESOCK_CMSG_RECVERR record `c` of control[0..len). Returns 1; 0, and *out of form ESOCK_ADDR_NONE,
 * when the record has none (the error is local), has no room for it, or is of another kind. Never
 * reads outside control[0..len), whatever `c` says. */
ESOCK_API int esock_cmsg_offender(const void *control, size_t len, const esock_cmsg *c,
                                  esock_addr *out);

/* Closes every descriptor in the SCM_RIGHTS and SCM_PIDFD messages of control data that the caller
 * does not use. Returns how many. */
ESOCK_API int esock_cmsg_close_rights(const esock *s, const void *control, size_t len);

/* ---- Files ----------------------------------------------------------------------------------- */

#define ESOCK_SENDFILE_MAX (4u << 20) /* bytes one call moves at the most */

/* sendfile(2): moves up to `count` bytes of the file, from *offset, which it advances. Returns the
 * bytes moved; 0 at the end of the file. Sleeps for the disk when the file is not in memory. A
 * reset peer gives -EPIPE and no SIGPIPE. */
ESOCK_API ssize_t esock_sendfile(esock *s, int in_fd, int64_t *offset, size_t count, unsigned how);

/* Says that one whole sendfile operation is over, having moved `bytes`: for sendfile_tries,
 * sendfile_max and, with a negative errno, sendfile_fails. */
ESOCK_API void esock_sendfile_done(esock *s, int64_t bytes, int error);

/* ---- Options --------------------------------------------------------------------------------- */

/* The form of an option's value (esock_opt.def has a row for each option). Scalars are in `i`, other
 * values in `data`. */
enum esock_codec {
    ESOCK_BOOL = 1, /* i: 0 or 1 */
    ESOCK_INT,      /* i: a C int */
    ESOCK_UINT,     /* i: a C unsigned int */
    ESOCK_STRING,   /* data: bytes without NUL */
    ESOCK_U64,      /* i: an unsigned 64-bit number, as its bits */
    ESOCK_BE32,     /* i: a C unsigned int that the kernel takes in network order */
    ESOCK_TIMEVAL,  /* i: microseconds */
    ESOCK_BYTES,    /* data: any bytes */
    ESOCK_STRUCT,   /* data: the kernel's structure, and a list behind it if it has one */
    ESOCK_FILTER    /* data: an array of struct sock_filter */
};

/* With ESOCK_ASK, reading takes a value that says what of: in `i`, or in `data` with `*len` its room. */
enum esock_direction {
    ESOCK_GET = 1,
    ESOCK_SET = 2,
    ESOCK_GETSET = 3,
    ESOCK_ASK = 5,
    ESOCK_ASKSET = 7
};

/* What an option needs besides a socket of its kind. Capabilities: for some values at least. */
enum esock_needs {
    ESOCK_NEEDS_NOTHING,
    ESOCK_NEEDS_CONNECTED,
    ESOCK_NEEDS_LISTENING,
    ESOCK_NEEDS_REPAIR,
    ESOCK_NEEDS_NET_ADMIN,
    ESOCK_NEEDS_NET_RAW
};

/* SO_LINGER, SO_PEERCRED: as the kernel has them. */
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
    uint16_t size; /* 0 for a list */
} esock_optfield;

/* The structure of an option. `data` has `size` bytes, and `element` more for each element of the list;
 * fields that the running kernel does not know yet are 0. */
typedef struct esock_optshape {
    const char *name; /* "tcp_info" */
    uint16_t size;
    uint16_t least; /* the bytes that the kernel gives at least */
    uint16_t guess; /* 1: of too little room it says EINVAL, and not how much it takes */
    uint16_t element;
    uint16_t count; /* of fields */
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
    uint8_t
        slack; /* with fewer bytes of the room left, the kernel may have cut its answer; 0: it says so */
    uint16_t max;   /* bytes of data that reading takes at first, 0 for scalars */
    uint16_t kinds; /* the sockets it applies to, a bit for each kind of esock_opt.def */
    uint32_t most;  /* bytes of data at the most: max, where the value's form bounds it */
    const esock_optshape *shape; /* of ESOCK_STRUCT, else NULL */
    const char *since;           /* first Linux that has it */
    const char *until;           /* first Linux that has it no longer, or NULL */
    const char *sample;          /* a value to try; esock_opt.def has the form */
    const char *doc;
} esock_optrow;

/* The option table: how many rows, one row (NULL past the end), and a hash over all of them: FNV-1a, 64
 * bits, over one line for each, with the numbers in decimal, "level name constant level_number number
 * codec direction needs kinds max shape\n" (max only of strings and bytes, else 0; shape: the name or
 * "-"), and one for each field of a row's shape, "name kind\n". */
ESOCK_API unsigned esock_opt_count(void);
ESOCK_API const esock_optrow *esock_opt_row(unsigned row);
ESOCK_API uint64_t esock_opt_hash(void);

/* Reads or sets a typed option. -ENOENT: no such row; -ENOTSUP: wrong direction; -ERANGE: the value
 * does not fit the option's type, or the data its maximum; -EINVAL: a NUL in a string, or a structure
 * of another size; -EBADMSG: the kernel's answer has another size; else the errors of getsockopt(2),
 * setsockopt(2). For data, *len is the room on entry and the size on return. -ENOBUFS with a *len above the room:
 * there is more, and that much (or, where only trying tells, at least that much) is the room to ask again with;
 * nothing is ever cut in silence. `i` may be NULL for data, `data` and `len` for scalars. A question must be put there again. No row has more than its `most`.
 * Setting {ip,tos}, here or natively, keeps SO_PRIORITY, which Linux would change with it. */
ESOCK_API int esock_getopt(esock *s, unsigned row, int64_t *i, void *data, size_t *len);
ESOCK_API int esock_setopt(esock *s, unsigned row, int64_t i, const void *data, size_t len);

/* One option of a batch. Its data is at `offset` in the batch's, `len` bytes: room, and then what was
 * used of it, or with -ENOBUFS what it takes. A place outside is -EINVAL. */
typedef struct esock_optcall {
    uint32_t row;
    int32_t result; /* as esock_getopt and esock_setopt return it */
    int64_t i;
    uint32_t offset;
    uint32_t len;
} esock_optcall;

/* Reads or sets n options, in order; each has its own result, and none stops the others. Returns how
 * many succeeded. */
ESOCK_API size_t esock_getopts(esock *s, esock_optcall *calls, size_t n, void *data,
                               size_t data_len);
ESOCK_API size_t esock_setopts(esock *s, esock_optcall *calls, size_t n, const void *data,
                               size_t data_len);

/* Any option by its numbers, as bytes. *len is the room on entry and what the kernel used of it on
 * return; the bytes there on entry reach the kernel (options that read before they write). -EINVAL:
 * *len over 1 MiB. */
ESOCK_API int esock_getopt_native(esock *s, int level, int opt, void *val, size_t *len);

/* The same, with the length that the kernel says in *len, also when it is more than the room, and with an error:
 * ERANGE tells there what it takes. SO_GET_FILTER (SO_ATTACH_FILTER) counts instructions, in the length too; the
 * kernel is told how many fit into the room. A structure that says itself how much room there is behind it
 * (IP_MSFILTER, MCAST_MSFILTER, TCP_AO_GET_KEYS) is believed by the kernel, and must be right. */
ESOCK_API int esock_getopt_raw(esock *s, int level, int opt, void *val, size_t room, size_t *len);
ESOCK_API int esock_setopt_native(esock *s, int level, int opt, const void *val, size_t len);

/* ---- Requests: ioctl(2) ----------------------------------------------------------------------- */

#define ESOCK_IFNAME 16 /* bytes of an interface's name, with its NUL */

/* The requests, by OTP's names; those from ESOCK_GIFNAME on are netdevice(7)'s. */
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

/* The value that a request answers with, or sets. */
enum esock_ioform {
    ESOCK_IO_INT = 1, /* i */
    ESOCK_IO_BOOL,    /* i: 0 or 1 */
    ESOCK_IO_SPACE,   /* i; made of two answers */
    ESOCK_IO_NAME,    /* name */
    ESOCK_IO_ADDR,    /* addr, of AF_INET */
    ESOCK_IO_HWADDR,  /* addr, raw: an ARPHRD_ type as its family, the address as its data */
    ESOCK_IO_FLAGS,   /* i: IFF_ flags; when they are set: those to switch on, in `off` those to
                         switch off. A flag in both is switched on */
    ESOCK_IO_MAP,     /* map */
    ESOCK_IO_CONF,    /* by esock_ifconf */
    ESOCK_IO_INFO     /* by the option TCP_INFO */
};

typedef struct esock_iorow {
    const char *name;     /* "gifmtu" */
    const char *constant; /* "SIOCGIFMTU"; NULL: this system has none */
    unsigned long number;
    uint8_t key;   /* enum esock_iokey */
    uint8_t value; /* enum esock_ioform */
    uint8_t set;   /* 1: the value is the caller's, 0: the answer */
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

/* The row of a request, NULL for a number that is none. */
ESOCK_API const esock_iorow *esock_ioctl_row(unsigned request);

/* Makes a request. -ENOENT: no such request; -ENOTSUP: this system has none, or another call answers
 * it; -ENAMETOOLONG: no NUL in the name; -ERANGE: a number that does not fit; -EAFNOSUPPORT: an
 * address that is not AF_INET; -EINVAL: a hardware address of another length than the device's. Else the
 * kernel's: -ENODEV (no such interface), -EADDRNOTAVAIL (it has no address), -ENOTTY (not on this kind of
 * socket: gifaddr, gifdstaddr, gifbrdaddr, gifnetmask need AF_INET), -EPERM (sets need CAP_NET_ADMIN). */
ESOCK_API int esock_ioctl(esock *s, unsigned request, esock_ioarg *arg);

/* The addresses of all interfaces, IPv4 only. Returns how many were stored. As many as `max` means that there may
 * be more: the kernel stops at the end of the room and does not tell. With `max` 0 `out` may be NULL, and the
 * number there is now is returned. */
ESOCK_API ssize_t esock_ifconf(esock *s, esock_ifaddr *out, size_t max);

/* ---- Readiness ------------------------------------------------------------------------------- */

enum esock_events {
    ESOCK_IN = 1,  /* a receive or an accept would not block */
    ESOCK_OUT = 2, /* a send would not block; a connection attempt is decided */
    ESOCK_ERR =
        4, /* an error or a queued one, or hang-up; also reported to waits for other events */
    ESOCK_END = 8 /* of esock_ready alone: nothing more will be received, or accepted */
};

typedef struct esock_event {
    void *user;      /* what esock_arm was given */
    uint32_t events; /* enum esock_events */
    uint32_t spare;
} esock_event;

ESOCK_API int esock_poller_new(esock_poller **out, const esock_sys *sys);
ESOCK_API void esock_poller_free(esock_poller *p);

/* Frees a poller whose descriptor the caller has closed, or keeps. */
ESOCK_API void esock_poller_forget(esock_poller *p);

/* Gives a poller whose descriptor has failed a new one, and returns it. No thread may be in
 * esock_poll. The caller decides whether to close the old number, which may be another file by now.
 * Deregister the handles that were armed and arm them again. After an error the poller has no
 * descriptor, and this may be called again. */
ESOCK_API int esock_poller_renew(esock_poller *p);

/* The poller's own descriptor: readable while events wait, so that pollers nest. Nonblocking. */
ESOCK_API int esock_poller_fd(const esock_poller *p);

/* Asks for one notification of each of `events`, in addition to those already asked for. One event
 * answers, after which esock_fired must be called before anything is armed again. `user` comes back
 * in the event; it is the same for all arms of one registration. Errors: those of epoll_ctl(2), and of
 * dup for a descriptor that is the caller's; -EEXIST: another handle that owns this descriptor is
 * registered. After an error nothing more is armed than before.
 *
 * `again` says that the last notification proved empty (the call still would block). Then the
 * registration turns edge-triggered, so that a lasting condition (a queued error that is not read)
 * does not cause endless events. Such events may arrive without being armed, and mean "try again".
 * Arming without `again` turns it back. */
ESOCK_API int esock_arm(esock_poller *p, esock *s, unsigned events, int again, void *user);

/* Takes back what was asked for. An event that is under way may still arrive. */
ESOCK_API int esock_disarm(esock_poller *p, esock *s, unsigned events);

/* To be called for each event received, with its bits: returns what of the armed set it answers
 * (ESOCK_ERR answers all of it), and arms the rest again. */
ESOCK_API int esock_fired(esock_poller *p, esock *s, unsigned events);

/* The state that poll(2) reports for `events`, and whether the socket has ended: the bits of `events`
 * that are set, with ESOCK_IN and ESOCK_OUT only for their own cause, and ESOCK_END. Negative: poll
 * failed. It tells a caller why it was woken for nothing. */
ESOCK_API int esock_ready(esock *s, unsigned events);

/* Whether a connected unix stream or seqpacket socket whose buffer is full can no longer send: its own writing or the
 * peer's reading was shut. No event tells that of a full socket. It sends nothing. 0: it can, or the socket is another. */
ESOCK_API int esock_send_ended(esock *s);

/* Ends the registration. Needed before esock_close: a closed descriptor whose description lives on
 * in another process keeps reporting, and can then not be removed any more. */
ESOCK_API int esock_deregister(esock_poller *p, esock *s);

/* Collects up to `max` events; timeout in ms, 0 to look, -1 for ever. Returns how many. */
ESOCK_API int esock_poll(esock_poller *p, esock_event *events, int max, int timeout_ms);

/* ---- Counters -------------------------------------------------------------------------------- */

/* Bits of esock_counters.wrapped, and the order of the counters in the block. */
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

#define ESOCK_COUNTERS_LAYOUT 1 /* changes when struct esock_counters does */

/* The counter block, inside the handle. Each member is written with relaxed atomic stores and may
 * be read at any time with plain atomic loads of 8 bytes (4 for `wrapped`).
 *
 *   _tries  calls into the kernel           _waits  tries that would block, and were waited for
 *   _fails  end of stream, and errors       _byte   bytes moved, each once; peeked ones are not
 *   _pkg    requests that ended             _pkg_max  the most bytes of one request
 */
typedef struct esock_counters {
    uint64_t value[ESOCK_COUNTERS] __attribute__((aligned(8)));
    uint32_t wrapped; /* a bit for each counter that passed its width since it was last cleared */
    uint32_t layout;  /* ESOCK_COUNTERS_LAYOUT */
} esock_counters;

/* Made at the first sendfile; its bytes are not in write_byte. */
enum esock_sendfile_counter {
    ESOCK_SENDFILE,         /* system calls */
    ESOCK_SENDFILE_BYTE,    /* bytes moved */
    ESOCK_SENDFILE_PKG,     /* system calls that moved something */
    ESOCK_SENDFILE_PKG_MAX, /* the most that one of them moved */
    ESOCK_SENDFILE_TRIES,   /* operations started */
    ESOCK_SENDFILE_MAX_OP,  /* the most bytes one operation moved */
    ESOCK_SENDFILE_WAITS,   /* tries that would block, and were waited for */
    ESOCK_SENDFILE_FAILS,   /* operations that failed */
    ESOCK_SENDFILE_COUNTERS
};

typedef struct esock_sendfile_counters {
    uint64_t value[ESOCK_SENDFILE_COUNTERS] __attribute__((aligned(8)));
} esock_sendfile_counters;

/* The block; valid until esock_close. */
ESOCK_API const esock_counters *esock_counters_of(const esock *s);

/* The sendfile block, or NULL before the first sendfile. */
ESOCK_API const esock_sendfile_counters *esock_sendfile_counters_of(const esock *s);

/* Takes the wrap bits: returns and clears them. */
ESOCK_API uint32_t esock_counters_wrapped(esock *s);

/* Says that one thread at a time will work in each direction of the handle, and of those accepted from
 * it, as a program with a lock or a queue of its own sees to. Counting sends then costs less: without
 * this promise each count is an atomic read and write in one. */
ESOCK_API void esock_alone(esock *s);

/* Lets the counters wrap at 8 to 64 bits, instead of 64, so that a wrap can be seen in a test.
 * -EINVAL: else. */
ESOCK_API int esock_counters_width(esock *s, int bits);

/* ---- Trace ----------------------------------------------------------------------------------- */

/* Called after each operation of a handle with tracing on: the handle's descriptor, the operation's
 * name, and its result. For C programs: it must not call back into a language runtime. One for the
 * process. */
typedef void esock_trace_fn(void *arg, int fd, const char *op, long result);
ESOCK_API void esock_set_trace(esock_trace_fn *fn, void *arg);
ESOCK_API void esock_trace(esock *s, int on);

/* ---- Caveats ------------------------------------------------------------------------------------
 *
 * fork      Parent and child share every open file description. Data that one reads is gone for the
 *           other, and so is O_NONBLOCK if one clears it. Therefore sends and receives also pass
 *           MSG_DONTWAIT. accept, connect and sendfile have no such flag and set O_NONBLOCK again
 *           before the call. A process that clears it between the two can still make the call sleep.
 *           To bound that sleep, an adopted handle, one that was duplicated, and one that ever finds
 *           the flag cleared, sets SO_RCVTIMEO and SO_SNDTIMEO to 20 ms before its first such call,
 *           where they are 0, and back to 0 when it is closed. A poller cannot be used in the child.
 * linger    With SO_LINGER on and seconds > 0, Linux's close sleeps for up to that long, on a
 *           nonblocking descriptor too, and returns 0 even if data was left unsent.
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
