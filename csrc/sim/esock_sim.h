/* esock_sim: a simulated kernel.
 *
 * A simulation is a network of hosts inside the process. Each host is a table of system calls
 * (esock_sys.h), which any call of esock takes in place of the real kernel's:
 *
 *     esock_sim *sim;
 *     esock_sim_new(&sim, 42);
 *     const esock_sys *a = esock_sim_host(sim, "10.0.0.1");
 *     const esock_sys *b = esock_sim_host(sim, "10.0.0.2");
 *     esock_open(&listener, AF_INET, SOCK_STREAM, 0, a);
 *     esock_open(&client, AF_INET, SOCK_STREAM, 0, b);
 *     esock_poller_new(&poller, b);
 *
 * The hosts share descriptors, the time and the network. Descriptors have numbers from 1 << 30 on, so
 * that one which strays to the real kernel is EBADF there, and never somebody's file.
 *
 * What is simulated
 *   Streams of AF_UNIX, AF_INET and AF_INET6 with their names, listen queues, buffers and errors;
 *   poll, epoll and eventfd. They behave as Linux does, and docs/simulation.md says how that is
 *   checked and what is missing. What is not simulated is refused: a family with EAFNOSUPPORT, a type
 *   with ESOCKTNOSUPPORT, an option with ENOPROTOOPT, control messages with EOPNOTSUPP, io_uring and
 *   network namespaces with ENOSYS. Memory is the real kernel's, and so is the file of a sendfile.
 *
 * Time
 *   The time is the simulation's own. It begins at 0 and moves only by esock_sim_step and
 *   esock_sim_words. No call waits: one that would block returns EAGAIN also if the descriptor is
 *   blocking, and poll and epoll_wait return at once whatever their time-out is. A close with linger
 *   does not wait either. So a program is a loop: it does what is ready, then it steps.
 *
 * Decisions
 *   What may happen or not (a loss, a fault) is decided by the seed. A decision is a function of the
 *   seed, the socket, and how many decisions the socket had. A socket is known by its host and by how
 *   many sockets that host had opened before; an accepted one by who connected. So the same calls
 *   give the same answers, byte for byte, and a socket's answers do not depend on what other hosts do
 *   at the same time. With esock_sim_new_data the decisions come from a fuzzer's input instead.
 *
 * Threads
 *   All functions, and all calls of the tables, may be used from any thread. They take one mutex.
 */
#ifndef ESOCK_SIM_H
#define ESOCK_SIM_H

#include "esock.h"
#include "esock_sys.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct esock_sim esock_sim;

/* ---- Life ------------------------------------------------------------------------------------ */

/* Makes a simulation without hosts. -ENOMEM: no memory. */
ESOCK_API int esock_sim_new(esock_sim **out, uint64_t seed);

/* The same; each decision uses up one byte of data[0..len), which the caller keeps until
 * esock_sim_free. A byte of 255 decides for a fault, 0 against it, others by its chance. When the
 * input is used up there are no more faults and no more losses, so that loops end. */
ESOCK_API int esock_sim_new_data(esock_sim **out, const uint8_t *data, size_t len);

/* Frees the simulation, and all that its descriptors were: none may be used any more, and no table.
 * Returns how many descriptors were still open. `sim` may be NULL. */
ESOCK_API int esock_sim_free(esock_sim *sim);

/* Returns the host with that address, and makes it first if there is none. Its table is valid until
 * esock_sim_free. A host of an IPv4 address has the IPv6 address fd00::a.b.c.d as well; each host has
 * 127.0.0.0/8 and ::1 of its own, and unix names of its own. NULL: no memory, or `ip` is not an
 * address in digits, or it is that of no single host. */
ESOCK_API const esock_sys *esock_sim_host(esock_sim *sim, const char *ip);

/* Makes a connected pair of unix streams, as socketpair(2) does. `type` is SOCK_STREAM, with
 * SOCK_CLOEXEC and SOCK_NONBLOCK or not. */
ESOCK_API int esock_sim_socketpair(const esock_sys *host, int type, int fd[2]);

/* Removes the name of a unix socket from the host's file system, as unlink(2) does. Closing the
 * socket does not. -ENOENT: there is none. */
ESOCK_API int esock_sim_unlink(const esock_sys *host, const char *path);

/* ---- Time ------------------------------------------------------------------------------------ */

/* Moves the time to the next moment at which something happens by itself, and lets it happen. Returns
 * 1; 0 if nothing more happens by itself. Every timer of the simulation ends: a loop of steps ends
 * when the program does nothing in between. */
ESOCK_API int esock_sim_step(esock_sim *sim);

/* Four words that can be read without a call, atomically. */
typedef struct esock_sim_words {
    uint64_t now;     /* nanoseconds since the beginning. The program may raise it: the next call of
                       * any function or table lets happen what is due by then */
    uint64_t next;    /* when something happens by itself; UINT64_MAX: never */
    uint64_t changes; /* grows when an epoll has more to report, and when `next` comes nearer */
    uint64_t open;    /* descriptors that are open */
} esock_sim_words;

/* Returns the simulation's words, which live as long as it does. */
ESOCK_API esock_sim_words *esock_sim_words_of(esock_sim *sim);

/* ---- The network ----------------------------------------------------------------------------- */

/* How packets go from one host to another. */
typedef struct esock_sim_path {
    uint64_t delay_ns;  /* of each packet */
    uint64_t jitter_ns; /* up to so much more, as the seed decides; a stream stays in order */
    uint32_t loss;      /* of a million packets, how many are lost. A stream sends them again: after
                         * 200 ms, and each time after twice as long; a SYN after 1 s. It gives up as
                         * Linux does, after 15 minutes; a SYN after 127 s. */
    int cut;            /* not 0: nothing gets through */
} esock_sim_path;

/* Says how packets go between two hosts, in both directions, from now on. NULL stands for every host.
 * The last call that fits a pair counts. At first nothing is late or lost. Unix sockets, and packets
 * from a host to itself, use no path. -EINVAL: a loss of more than a million, or hosts of different
 * simulations. -ENOMEM. */
ESOCK_API int esock_sim_link(esock_sim *sim, const esock_sys *a, const esock_sys *b,
                             const esock_sim_path *path);

/* ---- Faults ---------------------------------------------------------------------------------- */

/* What may go wrong. Each happens only to calls that it can happen to on Linux. */
enum esock_sim_fault {
    ESOCK_SIM_SHORT_READ,   /* a receive stops before its buffer is full */
    ESOCK_SIM_SHORT_WRITE,  /* a send takes less than it is given */
    ESOCK_SIM_EINTR,        /* a signal; a close and a connect go on all the same */
    ESOCK_SIM_EAGAIN,       /* readiness was reported, and it would block; another report follows */
    ESOCK_SIM_SPURIOUS,     /* poll or epoll_wait reports what is not ready */
    ESOCK_SIM_ENOBUFS,      /* socket, connect, send */
    ESOCK_SIM_ENOMEM,       /* an allocation of esock's, and receives, sends and options */
    ESOCK_SIM_EMFILE,       /* whatever makes a descriptor */
    ESOCK_SIM_ECONNABORTED, /* accept; the connection is gone */
    ESOCK_SIM_RESET,        /* the peer resets the connection just before a receive or a send */
    ESOCK_SIM_FAULTS
};

/* Sets how often a fault happens: to so many of 1,000 calls that it can happen to. All are 0 at first.
 * ESOCK_SIM_FAULTS sets every kind. -EINVAL: an unknown kind, or more than 1,000. */
ESOCK_API int esock_sim_chance(esock_sim *sim, enum esock_sim_fault fault, unsigned per_1000);

/* The calls of the tables. */
enum esock_sim_call {
    ESOCK_SIM_SOCKET,
    ESOCK_SIM_ACCEPT,
    ESOCK_SIM_DUP,
    ESOCK_SIM_CLOSE, /* whatever it answers, the descriptor is closed */
    ESOCK_SIM_BIND,
    ESOCK_SIM_CONNECT,
    ESOCK_SIM_LISTEN,
    ESOCK_SIM_SHUTDOWN,
    ESOCK_SIM_NAME,   /* getsockname, getpeername */
    ESOCK_SIM_OPTION, /* getsockopt, setsockopt */
    ESOCK_SIM_IOCTL,
    ESOCK_SIM_RECV, /* recv, recvfrom, recvmsg, and each message of recvmmsg */
    ESOCK_SIM_SEND, /* send, sendto, sendmsg, sendfile, and each message of sendmmsg */
    ESOCK_SIM_POLL,
    ESOCK_SIM_EPOLL_CREATE,
    ESOCK_SIM_EPOLL_CTL,
    ESOCK_SIM_EPOLL_WAIT,
    ESOCK_SIM_EVENTFD,
    ESOCK_SIM_ALLOC, /* a negative result: NULL */
    ESOCK_SIM_CALLS
};

/* Scripts the answer to one call: the first of that kind on `fd` (-1: on any) after `skip` others. A
 * negative `result` is its error, and the call does nothing. Otherwise a receive moves at most
 * `result` bytes, and a send as many as that, whether there is room or not; 0, and other calls, change
 * nothing.
 * Scripts for one call are used up in the order in which they were given. -EINVAL: an unknown call.
 * -ENOMEM. */
ESOCK_API int esock_sim_script(esock_sim *sim, enum esock_sim_call call, int fd, unsigned skip,
                               int result);

#ifdef __cplusplus
}
#endif

#endif
