/* A scripted kernel: a table of system calls that gives canned answers where a test has put some,
 * and asks the real kernel where it has not. It counts the calls, and keeps the last of each kind.
 *
 *     struct script k;
 *     script_init(&k);
 *     script_answer(&k, K_SOCKET, -EMFILE);
 *     assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, 0, &k.sys), -EMFILE);
 *
 * One script serves one thread; tests with different scripts run side by side. */
#ifndef SCRIPT_H
#define SCRIPT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "esock_sys.h"
#include "esock_uring.h"

enum script_call {
    K_SOCKET,
    K_ACCEPT4,
    K_DUP,
    K_GETFL,
    K_SETFL,
    K_GETFD,
    K_SETFD,
    K_CLOSE,
    K_CLOSE_LINGERING,
    K_BIND,
    K_CONNECT,
    K_LISTEN,
    K_SHUTDOWN,
    K_GETSOCKNAME,
    K_GETPEERNAME,
    K_GETSOCKOPT,
    K_SETSOCKOPT,
    K_IOCTL,
    K_RECV,
    K_RECVFROM,
    K_RECVMSG,
    K_SEND,
    K_SENDTO,
    K_SENDMSG,
    K_RECVMMSG,
    K_SENDMMSG,
    K_SENDFILE,
    K_SIGPIPE_BLOCK,
    K_SIGPIPE_RESTORE,
    K_POLL,
    K_EPOLL_CREATE,
    K_EPOLL_CTL,
    K_EPOLL_WAIT,
    K_EPOLL_PWAIT2,
    K_EVENTFD,
    K_EVENT_SET,
    K_EVENT_CLEAR,
    K_URING_SETUP,
    K_URING_ENTER,
    K_URING_REGISTER,
    K_URING_ACCEPT, /* requests of a ring: each that is submitted is a call */
    K_URING_RECV,
    K_URING_SEND,
    K_URING_POLL,
    K_URING_CANCEL,
    K_MAP,
    K_UNMAP,
    K_OPEN,
    K_FILETYPE,
    K_SETNS,
    K_CALLS
};

/* One answer, or a modified call of the real kernel. The test owns what the pointers point to, which
 * must live until the answer has been given. */
struct script_answer {
    long result;         /* what the call returns */
    bool pass;           /* call the real kernel */
    size_t cut;          /* with pass: let at most this many bytes through */
    unsigned times;      /* how often; 0 is once */
    const void *data;    /* what the call "read": bytes, an address, an option's value, events */
    size_t data_len;     /* its length */
    const void *control; /* recvmsg: control data */
    size_t control_len;
    int msg_flags; /* recvmsg: flags of the result */
    int revents;   /* poll: what the first descriptor reports */
};

/* recvmmsg and sendmmsg: with pass and a cut, the kernel is given at most so many messages; `data` of a canned recvmmsg
 * is the content of each of `result` messages. */

/* The arguments and the result of one call. a and b tell calls apart: MSG_ or open flags for I/O, level and option for
 * options, the request for ioctl, op and mask for epoll_ctl, else how or backlog. */
struct script_seen {
    enum script_call call;
    unsigned at; /* how many calls of all kinds came before */
    int fd;
    long a, b;
    size_t len;
    long result;
    unsigned char data[16]; /* setsockopt, ioctl: the start of the value; NAPI of a ring */
};

#define SCRIPT_DEPTH 16

struct script {
    esock_sys sys; /* first: the core is given a pointer to this */
    struct script_answer queue[K_CALLS][SCRIPT_DEPTH];
    unsigned head[K_CALLS], tail[K_CALLS];
    unsigned calls[K_CALLS];
    unsigned all;
    struct script_seen last[K_CALLS];
    unsigned allocs;       /* allocations, with those that failed */
    unsigned no_memory_at; /* which of them fails, counted from 1; 0: none */
    int blocks;            /* allocated, and not freed yet */
    unsigned completions;  /* how many a new ring has room for; 0: as asked */
    unsigned overflows;    /* enters that left completions for which it had none */
    struct script_ring {   /* the last ring */
        int fd;
        struct esock__uring_params params;
        void *rings, *sqes;
        uint32_t submitted, completed; /* requests and results that were looked at */
        struct {
            uint64_t user_data;
            int32_t result;
            bool waits;
        } forged[SCRIPT_DEPTH];
    } ring;
};

/* An empty script: everything goes to the real kernel. */
void script_init(struct script *k);

/* The next call, or the next n calls, of that kind answer `result`. Answers queue up behind earlier
 * ones. */
void script_answer(struct script *k, enum script_call call, long result);
void script_times(struct script *k, enum script_call call, unsigned n, long result);

/* The next call of that kind goes to the kernel, with its length cut to `max`: a real short write
 * or read. */
void script_cut(struct script *k, enum script_call call, size_t max);

/* The next call of that kind goes to the kernel, so that answers queued behind it meet the call
 * after. */
void script_pass(struct script *k, enum script_call call);

/* The general form. */
void script_put(struct script *k, enum script_call call, struct script_answer answer);

/* How many calls of that kind were made; the last one, or NULL; whether all answers were given. */
unsigned script_count(const struct script *k, enum script_call call);
const struct script_seen *script_last(const struct script *k, enum script_call call);
bool script_used_up(const struct script *k);

/* How many descriptors this process has open: a test compares before and after. */
int script_open_fds(void);

#endif
