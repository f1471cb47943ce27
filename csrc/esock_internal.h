/* Declarations that the files of the core share. Programs do not include this. */
#ifndef ESOCK_INTERNAL_H
#define ESOCK_INTERNAL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4, setns, struct ucred, ... */
#endif

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "esock.h"
#include "esock_sys.h"

enum esock__flag {
    ESOCK__OWNS_FD = 1,    /* esock_close closes it */
    ESOCK__RESTORE_FL = 2, /* the caller keeps the descriptor: esock_close restores saved_fl */
    ESOCK__TRACE = 4,
    ESOCK__ALONE = 8,      /* one thread at a time in each direction: see esock_alone */
    ESOCK__SHARED = 16,    /* another process or handle may have the description too */
    ESOCK__BOUND_RCV = 32, /* esock_nonblock has set SO_RCVTIMEO */
    ESOCK__BOUND_SND = 64, /* esock_nonblock has set SO_SNDTIMEO */
    ESOCK__ADOPTED = 128,
    ESOCK__TAKEN = 256,      /* adopted with ESOCK_ADOPT_TAKE */
    ESOCK__RESTORE_FD = 512, /* taken, and was not close-on-exec before */
    ESOCK__CONNECTED = 1024, /* a stream that may be connected: see esock_connect */
    ESOCK__EXPOSED = 2048,   /* others may use the descriptor or its description: esock__expose */
    ESOCK__LINGER = 4096,    /* SO_LINGER was set, or may be inherited */
    ESOCK__PEEK_OFF = 8192   /* so may be SO_PEEK_OFF */
};

/* 216 bytes, so that malloc's chunk is 224: an idle socket must cost little. */
struct esock {
    esock_counters counters;
    const esock_sys *sys;
    int fd;
    int domain;
    int type;
    int protocol;
    uint32_t flags;                    /* enum esock__flag */
    int saved_fl;                      /* with ESOCK__ADOPTED */
    uint64_t read_sum;                 /* bytes of the receive request in progress */
    uint64_t write_sum;                /* bytes of the send request in progress */
    esock_sendfile_counters *sendfile; /* made at the first sendfile, atomically */
    void *user;                        /* what the poller reports; set while registered */
    uint8_t armed;                     /* enum esock_events asked for and not yet answered */
    uint8_t registered;                /* the events that epoll watches */
    uint8_t mode;                      /* of the registration: esock_poll.c */
    uint8_t in_poller;                 /* there is a registration */
    uint8_t width;                     /* bits at which counters wrap, 64 */
    uint8_t watched_ours;              /* `watched` is a duplicate, closed with the registration */
    int watched;                       /* the descriptor that epoll watches, while registered */
    uint8_t drained;                   /* arms in a row after a try that would block */
    uint8_t strays;                    /* edges in this mode that nobody waited for */
    uint8_t doublings;                 /* of the proof that the mode asks for */
    uint8_t missed;                    /* such an edge came since the last epoll_ctl */
};

_Static_assert(sizeof(struct esock) <= 216, "keep the handle within one 224-byte malloc chunk");
_Static_assert(sizeof(esock_counters) == ESOCK_COUNTERS * 8 + 8,
               "the counter block has a public layout");
_Static_assert(offsetof(struct esock, counters) == 0, "esock_counters_of promises it");

/* The flags. Other threads may change some of them during a call: esock_trace, esock_alone, esock_dup, esock_fd. */
static inline uint32_t esock__flags(const esock *s) {
    return __atomic_load_n(&s->flags, __ATOMIC_RELAXED);
}

/* Sets flags, if they are not set. */
static inline void esock__set_flags(esock *s, uint32_t flags) {
    if ((esock__flags(s) & flags) != flags) __atomic_or_fetch(&s->flags, flags, __ATOMIC_RELAXED);
}

/* Makes a handle that owns `fd`. NULL: no memory. esock.c */
esock *esock__new(const esock_sys *sys, int fd, int domain, int type, int protocol);

/* Makes the handle of a connection that `s` has accepted, and counts; `fd` may be a negative errno. Returns 0 or a
 * negative errno. esock.c */
int esock__accepted(esock *s, int fd, unsigned how, esock **out);

/* Further bits of enum esock_how. A result of 0 is known to be a message of no bytes, not the end. */
#define ESOCK__MESSAGE 0x100u
/* The kernel says that the result is a record of the error queue. */
#define ESOCK__QUEUED 0x200u

/* Returns 1 if a receive into 0 bytes may reach the kernel, else the result of the receive: 0 on a stream, where the
 * kernel's answer would read as the end, and -EINVAL on a message socket, where the kernel would discard a message. With
 * MSG_PEEK and MSG_TRUNC nothing is lost, and the kernel's answer is the length of the next message. esock.c */
int esock__empty_receive(const esock *s, int flags);

struct msghdr;

/* Describes a received message of n bytes: esock_recvmsg. esock_msg.c */
void esock__received(const esock *s, const struct msghdr *m, size_t n, int flags, void *control,
                     size_t control_len, esock_cmsg *cmsgs, size_t cmsgs_max, esock_msg *out);

/* Count the result of a system call. `n` or `r` is what it returned, `flags` the MSG_ flags and `want` the buffer's
 * length. Return the result for the caller: n, or -ESHUTDOWN at the end of a seqpacket connection. esock_count.c */
ssize_t esock__count_read(esock *s, ssize_t n, size_t want, int flags, unsigned how,
                          const char *op);
ssize_t esock__count_write(esock *s, ssize_t n, size_t want, unsigned how, const char *op);
/* The same of recvmmsg and sendmmsg: `r` is what it returned, which is so many datagrams (of trains, too) and bytes, and at
 * most `most` bytes of one. */
void esock__count_batch(esock *s, int writing, int r, uint64_t dgrams, uint64_t bytes,
                        uint64_t most, unsigned how, const char *op);
int esock__count_accept(esock *s, int r, unsigned how);
ssize_t esock__count_sendfile(esock *s, ssize_t n, unsigned how); /* the block exists */

/* Returns the counters of sendfile, and makes them first if there are none. NULL: no memory. esock_count.c */
esock_sendfile_counters *esock__sendfile_block(esock *s);

/* Calls the trace function, if the handle has tracing on. esock_count.c */
void esock__trace(const esock *s, const char *op, long result);

/* One type of control message. decode is called with at least `min` bytes and sets out->v; false: the bytes are not
 * such a value. encode writes the value, at most ESOCK__CMSG_VALUE bytes, and returns its length or a negative errno;
 * NULL: the type cannot be sent, or its value is its bytes. esock_cmsg_rows.c */
typedef struct esock__cmsg_row {
    uint8_t kind; /* enum esock_cmsg_kind */
    uint8_t min;
    bool (*decode)(const void *data, size_t len, esock_cmsg *out);
    int (*encode)(const esock_cmsg *c, void *out);
} esock__cmsg_row;

#define ESOCK__CMSG_VALUE 32

extern const esock__cmsg_row esock__cmsg_any_int; /* a type without a row is sent as a C int */

/* Returns the row of a type, or NULL. */
const esock__cmsg_row *esock__cmsg_row_of(int level, int type);

/* The most bytes of an option's value. The longest list that Linux has is shorter: 65,536 groups are 256 KiB. More is a
 * mistake of the caller's. */
#define ESOCK__OPT_MAX (1u << 20)

/* The values of esock_optshape.fit. */
enum { ESOCK__FIT_GUESS = 1, ESOCK__FIT_HEAD = 2 };

/* A timeout as the kernel has it under the numbers below, whatever the width of libc's time_t. */
typedef struct esock__timeout {
    long sec, usec;
} esock__timeout;

/* With a time_t that is wider than long, libc's SO_RCVTIMEO and SO_SNDTIMEO are other options, whose value has 64 bits. */
#ifdef SO_RCVTIMEO_OLD
#define ESOCK__RCVTIMEO SO_RCVTIMEO_OLD
#define ESOCK__SNDTIMEO SO_SNDTIMEO_OLD
#else
#define ESOCK__RCVTIMEO (SO_RCVTIMEO == 66 ? 20 : SO_RCVTIMEO) /* musl, 32 bits */
#define ESOCK__SNDTIMEO (SO_SNDTIMEO == 67 ? 21 : SO_SNDTIMEO)
#endif

/* Assigns the result of `call` to `r`, and calls again as long as a signal interrupts it. */
#define ESOCK__RETRY(r, call) \
    do {                      \
        (r) = (call);         \
    } while ((r) == -EINTR)

/* MSG_ flags that every receive and every send carries. */
#define ESOCK__RECV_FLAGS(s) \
    (MSG_DONTWAIT | ((s)->domain == AF_PACKET ? 0 : MSG_CMSG_CLOEXEC)) /* packet: EINVAL */
#define ESOCK__SEND_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL)

#endif
