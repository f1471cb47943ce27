/* esock_batch: many datagrams in one call.
 *
 * A batch owns the memory of its datagrams, one block for all of them, and what recvmmsg(2) and
 * sendmmsg(2) need to know of it.
 *
 *     esock_batch_new(&b, &(esock_batch_config){.count = 64, .size = 2048}, NULL);
 *     n = esock_batch_recv(s, b, 64, 0, 0);
 *     for (i = 0; i < n; i++) handle(b->data + b->dgrams[i].offset, b->dgrams[i].len);
 *
 * Trains
 *   A train is several datagrams of one peer that the kernel moves as one: they have the same
 *   length, and the last may be shorter. A socket with UDP_GRO receives trains, and `segment` is
 *   the length. Sending makes trains of the datagrams that can be one (UDP_SEGMENT), where `trains`
 *   asks for it.
 *
 * Threads
 *   One thread at a time uses a batch. A batch belongs to no handle.
 */
#ifndef ESOCK_BATCH_H
#define ESOCK_BATCH_H

#include "esock.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A datagram of a batch, or a train that was received. */
typedef struct esock_dgram {
    esock_addr addr;      /* the sender; or the destination: form ESOCK_ADDR_NONE is the peer of a
                             connected socket */
    uint64_t offset;      /* where its bytes begin in the batch's data */
    uint32_t len;         /* how many there are */
    uint32_t room;        /* receive: how many there may be; the batch's `size` unless changed */
    uint32_t full_len;    /* received: the length before it was cut */
    int32_t flags;        /* received: MSG_TRUNC, MSG_CTRUNC, ... */
    uint32_t segment;     /* received: the length of the datagrams of a train, 0 for one datagram */
    uint32_t control_len; /* bytes of control messages, at control + i * control_size */
    uint32_t cmsgs;       /* received: how many; the first `records` of them are decoded */
    uint8_t bad;          /* received: 1 if the control messages end malformed */
    uint8_t same;         /* send: 1 if addr and the control messages are those of the datagram
                             before, which are sent then, whatever is here */
} esock_dgram;

/* What a batch is made of. */
typedef struct esock_batch_config {
    uint32_t count;   /* datagrams, at least 1 */
    uint32_t size;    /* bytes of each; only those that are used need memory */
    uint32_t control; /* bytes of control messages of each */
    uint32_t records; /* control messages of each that are decoded */
} esock_batch_config;

/* The counters of a batch. */
typedef struct esock_batch_counters {
    uint64_t calls;   /* system calls */
    uint64_t dgrams;  /* datagrams sent, or received as far as the batch can tell */
    uint64_t trains;  /* trains among them */
    uint64_t refused; /* trains that the kernel refused, whose datagrams were sent one by one */
} esock_batch_counters;

/* A batch. The caller writes dgrams, data and control, and `trains`. */
typedef struct esock_batch {
    unsigned char *data; /* count * size bytes */
    size_t data_size;
    unsigned char *control; /* count * control_size bytes */
    esock_cmsg *records;    /* count * records_each */
    esock_dgram *dgrams;
    uint32_t count;
    uint32_t control_size;
    uint32_t records_each;
    uint32_t trains; /* send: the most datagrams of a train; 0 and 1 make none. Linux takes 64, and
                        128 since 6.9: the core lowers it to 64 where the kernel refuses more */
    esock_batch_counters sent, received;
} esock_batch;

/* A destination to which the kernel has refused a train. */
typedef struct esock_refusal {
    esock_addr to;
    uint32_t segment; /* trains whose datagrams have this length or more are not tried */
    int32_t error;    /* the negative errno: -EIO, the way has no offload; -EINVAL, -EMSGSIZE, most
                         often a length above the MTU; ... */
} esock_refusal;

/* Makes a batch. `sys` may be NULL, for the real kernel. Each datagram's offset and room are those
 * of its share of the data. -EINVAL: a `count` of 0, or more memory than SSIZE_MAX. -ENOMEM. */
ESOCK_API int esock_batch_new(esock_batch **out, const esock_batch_config *config,
                              const esock_sys *sys);

/* Frees a batch, which may be NULL. */
ESOCK_API void esock_batch_free(esock_batch *b);

/* Receives up to n datagrams, or trains, into the first places of the batch. Returns how many came.
 * With MSG_CTRUNC, the descriptors that came with a datagram are closed, as by esock_recvmsg.
 * -EINVAL: n is 0, or more than the batch has, or a room is outside the data. -EOPNOTSUPP: not a
 * socket for datagrams; MSG_ERRQUEUE or MSG_PEEK in `flags`. Other errors: those of recvmmsg(2). */
ESOCK_API ssize_t esock_batch_recv(esock *s, esock_batch *b, uint32_t n, int flags, unsigned how);

/* Sends the datagrams [from, from + n) of the batch, in order. Returns how many were sent, which is
 * less than n when the next one fails or would block: the next call for the rest says why. A train
 * that the kernel refuses is sent as single datagrams, and no further train of that length or a
 * longer one is tried to that destination. -EINVAL: a datagram is outside the batch. -EOPNOTSUPP:
 * not a socket for datagrams. Other errors: those of sendmmsg(2), and of esock_addr_encode; none of
 * the datagrams was sent then. */
ESOCK_API ssize_t esock_batch_send(esock *s, esock_batch *b, uint32_t from, uint32_t n, int flags,
                                   unsigned how);

/* Writes up to n of the destinations that have refused trains, the latest first, and returns how
 * many the batch remembers: at most 32. */
ESOCK_API uint32_t esock_batch_refusals(const esock_batch *b, esock_refusal *out, uint32_t n);

/* Forgets them: trains are tried again, for ways that may have changed. */
ESOCK_API void esock_batch_forget(esock_batch *b);

#ifdef __cplusplus
}
#endif

#endif
