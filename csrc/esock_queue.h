/* esock_queue: completions.
 *
 * A queue is given operations on sockets, carries them out when the sockets are ready, and returns
 * their results in batches. Where esock_poll says "try now", a queue says "this is done": one call
 * waits, receives and sends for many sockets.
 *
 *     esock_queue_new(&q, NULL, NULL);
 *     esock_queue_add(q, s, &m);
 *     op = (esock_op){.kind = ESOCK_OP_RECV, .member = m, .buf = buf, .len = sizeof buf};
 *     esock_queue_give(q, &op);
 *     n = esock_queue_wait(q, results, 64, -1);
 *     for (i = 0; i < n; i++) handle(results[i].op, results[i].n);
 *
 * examples/c-echo is a whole program.
 *
 * Operations
 *   The caller owns the memory of an operation, and of what it points to, and sets its first
 *   members. From esock_queue_give to its last result the queue uses that memory. The last result
 *   is the one without ESOCK_RESULT_MORE. After it, and after esock_queue_cancel and
 *   esock_queue_remove, the memory is the caller's again. Operations of one direction of a socket
 *   are carried out in the order in which they were given: accept and receive are one direction,
 *   connect and send the other.
 *
 * Buffers
 *   A repeated receive puts the data into a buffer of the queue. The buffer is the caller's from
 *   then on, until the caller puts its number back (esock_buffers). A receive for which no buffer
 *   is left waits for one. The caller may take buffers for other purposes as well. Each buffer has
 *   room for an address, where ESOCK_OP_RECVFROM puts the sender.
 *
 * Engines
 *   A queue waits with epoll and makes the system calls of its operations, or it has the kernel carry
 *   operations out with io_uring (esock_queue_config). The contract is the same, and so is what is
 *   counted, but for this:
 *   - The thread that calls esock_queue_wait first owns a queue with io_uring. It alone may call
 *     esock_queue_wait, _cancel and _remove: -EEXIST for others.
 *   - The kernel may have received data, or accepted connections, that esock_queue_wait has not
 *     returned yet. After a cancel the member keeps them: they are the first results of the next
 *     operation of the kind. RECVFROM gets no address for them, and RECVMSG no control messages.
 *     esock_queue_remove drops them: see esock_queue_kept.
 *   - Unix streams and sequenced packets are polled, and received from by system calls: Linux may
 *     lose their end otherwise.
 *   - The queue does not notice a handle that is added twice.
 *   - Bytes behind urgent data (MSG_OOB) may come only with the next ones: Linux 6.12 and 7.2.
 *   - esock_queue_cancel and _remove wait until the kernel has let go of the operation.
 *   - Buffers that the kernel may receive into are not on the stack (esock_buffers), up to half of
 *     them, as long as there is a repeated receive.
 *   - The kernel tries again by itself. So the counters of tries and waits have only what the
 *     caller sees, and may be lower than with epoll.
 *
 * Threads
 *   One thread at a time uses a queue, its members and its buffers; esock_queue_wake alone may be
 *   called at any time, until esock_queue_free. A handle may be in several queues and pollers.
 */
#ifndef ESOCK_QUEUE_H
#define ESOCK_QUEUE_H

#include "esock.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct esock_queue esock_queue;
typedef struct esock_member esock_member; /* a handle in a queue */

enum esock_op_kind {
    ESOCK_OP_ACCEPT = 1, /* esock_accept; the handle is in the result */
    ESOCK_OP_RECV,       /* esock_recv */
    ESOCK_OP_RECVFROM,   /* esock_recvfrom; the sender in *addr, or in esock_buffers' senders */
    ESOCK_OP_RECVMSG,    /* esock_recvmsg, as *msg says */
    ESOCK_OP_SEND,       /* esock_send, until all is sent */
    ESOCK_OP_SENDTO,     /* esock_sendto, to *addr */
    ESOCK_OP_SENDMSG,    /* esock_sendmsgv, as *msg says, until all is sent */
    ESOCK_OP_SENDFILE,   /* esock_sendfile: len bytes of in_fd from offset, 0: to its end */
    ESOCK_OP_CONNECT     /* esock_connect to *addr, and esock_finish */
};

enum esock_op_flags {
    ESOCK_OP_AGAIN = 1, /* accept, receive: again and again, until it fails or is cancelled */
    ESOCK_OP_FULL = 2,  /* receive on a stream: until len bytes have come */
    /* send: no result when all was sent: `done` says so. Between two calls the caller may clear the
     * flag, and has a result then. */
    ESOCK_OP_QUIET = 4,
    /* send: `buf` is in a buffer of the queue, which gets it back when all was sent. If the send
     * fails, or is cancelled or removed, the caller still has the buffer, and puts it back. */
    ESOCK_OP_BUFFER = 8
};

/* What a received or sent message consists of, besides what esock_op has. */
typedef struct esock_op_msg {
    struct iovec *iov; /* sendmsg: the data; the queue changes them as it sends */
    size_t iovlen;
    void *control; /* control data: to send, or the room for received */
    size_t control_len;
    esock_cmsg *cmsgs; /* recvmsg: decoded control messages */
    size_t cmsgs_max;
    esock_msg out; /* recvmsg: what came */
} esock_op_msg;

typedef struct esock_op {
    /* the caller's */
    uint8_t kind;  /* enum esock_op_kind */
    uint8_t flags; /* enum esock_op_flags */
    int32_t msg_flags;
    uint64_t user;        /* not looked at */
    esock_member *member; /* where to do it */
    void *buf;            /* receive, send: the bytes; not for ESOCK_OP_AGAIN */
    size_t len;
    esock_addr *addr;  /* recvfrom, sendto, connect; not for ESOCK_OP_AGAIN */
    esock_op_msg *msg; /* recvmsg, sendmsg */
    int64_t offset;    /* sendfile */
    int32_t in_fd;
    /* the queue's; a new operation has zeros */
    uint32_t state;
    size_t done; /* bytes moved, also before an error, the end of a stream, or a cancel */
    struct esock_op *next;
} esock_op;

enum esock_result_flags {
    ESOCK_RESULT_MORE = 1,  /* the operation goes on, and has further results */
    ESOCK_RESULT_BUFFER = 2 /* the data is in the buffer with the number `buffer` */
};

typedef struct esock_result {
    esock_op *op;
    uint64_t user;   /* the operation's, which may be gone already */
    int64_t n;       /* bytes moved, 0 for accept and connect, or a negative errno */
    uint32_t flags;  /* enum esock_result_flags */
    uint32_t buffer; /* with ESOCK_RESULT_BUFFER */
    esock *accepted; /* accept: the new handle, which the caller must close */
} esock_result;

/* The buffers of a queue. Buffer i is the `size` bytes at base + i * size, and senders[i] is its
 * address. stack[0..free) are the numbers of those that nobody uses: take the last, and put it back
 * there. */
typedef struct esock_buffers {
    unsigned char *base;
    size_t size;
    uint32_t count;
    uint32_t free;
    uint32_t *stack;
    esock_addr *senders;
} esock_buffers;

/* What a queue waits with. */
enum esock_queue_engine {
    ESOCK_QUEUE_EPOLL,         /* epoll(7), and system calls for each operation */
    ESOCK_QUEUE_URING,         /* io_uring(7), of Linux 6.1 or later */
    ESOCK_QUEUE_URING_OR_EPOLL /* io_uring, else epoll where it is not available */
};

/* What a queue is made of. Zeros stand for the defaults. */
typedef struct esock_queue_config {
    uint32_t buffers;     /* how many; default 1024. Memory is used for those that are filled. */
    uint32_t buffer_size; /* bytes of each, a multiple of 64; default 16384 */
    uint32_t engine;      /* enum esock_queue_engine */
} esock_queue_config;

/* Makes a queue. `config` may be NULL, for the defaults; `sys` too, for the real kernel. -EINVAL: a
 * size out of range, or more than 2 GiB together, or an unknown engine. Other errors: those of
 * epoll_create1(2), eventfd(2) and mmap(2), and with ESOCK_QUEUE_URING those of io_uring_setup(2)
 * and io_uring_register(2). */
ESOCK_API int esock_queue_new(esock_queue **out, const esock_queue_config *config,
                              const esock_sys *sys);

/* Turns busy polling on: an esock_queue_wait that finds nothing has the kernel take packets from a
 * network device for up to `usecs`, or until there is something to do, instead of waiting for the
 * device's interrupt. After that it sleeps, or returns 0 if its timeout is 0. With io_uring only a
 * wait that may sleep does so.
 *   Epoll polls the queue of the device that the last event came through, once after each event;
 * io_uring the queues of all sockets that it waits for. `budget` is how many packets are taken at a
 * time, 0: as many as Linux takes by default, 8. io_uring always takes so many. `prefer` keeps the
 * device's interrupts off between two polls, if its gro_flush_timeout and napi_defer_hard_irqs are
 * set.
 *   It has no effect on sockets whose packets come through no device that can be polled, such as
 * those of the loopback: their SO_INCOMING_NAPI_ID is 0.
 *   -EINVAL: `usecs` is 0 or above INT32_MAX, or `budget` above 65535. -ENOTTY: the kernel is older
 * than Linux 6.9. -EOPNOTSUPP: it was built without busy polling. -EPERM: a budget above 64 without
 * CAP_NET_ADMIN. Others: those of a filter that refuses ioctl(2), epoll_pwait2(2) or
 * io_uring_register(2). After an error it is off, or as it was. */
ESOCK_API int esock_queue_busy_poll(esock_queue *q, uint32_t usecs, uint32_t budget, int prefer);

/* Returns the engine that the queue has: ESOCK_QUEUE_EPOLL or ESOCK_QUEUE_URING. *refused, unless
 * `refused` is NULL, is why a queue with ESOCK_QUEUE_URING_OR_EPOLL has epoll, else 0: -EPERM, the
 * sysctl kernel.io_uring_disabled, or a seccomp filter, as of a container; -ENOSYS or -EACCES, another
 * seccomp filter, or no io_uring at all;
 * -EINVAL, the kernel lacks something that Linux 6.1 has; -EOPNOTSUPP, it does not do what it
 * should: a queue is tried out before the first one is made. */
ESOCK_API enum esock_queue_engine esock_queue_engine(const esock_queue *q, int *refused);

/* Frees the queue and its buffers. `q` may be NULL. -EBUSY: a handle is still a member, and nothing
 * is freed. */
ESOCK_API int esock_queue_free(esock_queue *q);

/* Returns the queue's buffers, at the same place for its whole life. */
ESOCK_API esock_buffers *esock_queue_buffers(esock_queue *q);

/* Makes a handle a member. Other errors: those of epoll_ctl(2), and of dup(2) for a descriptor that
 * the caller keeps. */
ESOCK_API int esock_queue_add(esock_queue *q, esock *s, esock_member **out);

/* Ends a membership, and with it all operations of the member, which have no further results. Call
 * it before esock_close. Results that esock_queue_wait has returned before are not affected. Returns
 * how many operations ended. Errors, with io_uring alone, after which it still is a member: those of
 * io_uring_enter(2). */
ESOCK_API int esock_queue_remove(esock_queue *q, esock_member *m);

/* Returns 1 if the kernel has brought something for the member that esock_queue_wait has not
 * returned yet, and that esock_queue_remove would drop: received data, accepted connections, an
 * error, an end. 0 with epoll. */
ESOCK_API int esock_queue_kept(const esock_queue *q, const esock_member *m);

/* Returns the member's handle. */
ESOCK_API esock *esock_member_handle(const esock_member *m);

/* Gives the queue an operation. esock_queue_wait carries it out. -EINVAL: `member` is NULL, or
 * `kind` or `flags` is none of those above or does not fit the other. -EALREADY: the queue has it.
 * With ESOCK_OP_BUFFER also: `buf` and `len` are not in one buffer. -EFAULT: a pointer that it needs
 * is NULL. */
ESOCK_API int esock_queue_give(esock_queue *q, esock_op *op);

/* Takes an operation back. After 0 it has no further result; `done` says how much it had moved.
 * -ENOENT: the queue does not have it: its last result was returned. Other errors, with io_uring
 * alone, after which the queue still has it: those of io_uring_enter(2). */
ESOCK_API int esock_queue_cancel(esock_queue *q, esock_op *op);

/* Carries out what can be done, and returns up to `max` results in out[]. If there are none it waits
 * for up to `timeout_ms`; 0 does not wait, -1 waits for ever. Returns how many; 0 when the time is
 * over, and also earlier: when a signal or esock_queue_wake has ended the wait, or something was
 * done that has no result yet. Each socket has its turn: no more than one receive, 64 connections of
 * a listener, or 32 messages of a repeated ESOCK_OP_RECVFROM, before the next one. -EINVAL: `max` is
 * below 1. Other errors: those of epoll_wait(2) or io_uring_enter(2). */
ESOCK_API int esock_queue_wait(esock_queue *q, esock_result *out, int max, int timeout_ms);

/* Ends the wait in progress, or else the next one, at once. Any thread may call it. */
ESOCK_API int esock_queue_wake(esock_queue *q);

/* Returns a descriptor that is readable when esock_queue_wait has something to do, unless the queue
 * itself has kept something: see esock_queue_idle. Queues, pollers and runtimes nest. */
ESOCK_API int esock_queue_fd(const esock_queue *q);

/* Returns 1 if only an event can bring a result: the caller may sleep until esock_queue_fd is
 * readable. 0: call esock_queue_wait. */
ESOCK_API int esock_queue_idle(const esock_queue *q);

#ifdef __cplusplus
}
#endif

#endif
