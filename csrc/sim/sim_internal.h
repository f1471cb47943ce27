/* Declarations that the files of the simulation share. Programs do not include this. The mutex is held in all of these
 * functions. */
#ifndef SIM_INTERNAL_H
#define SIM_INTERNAL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "esock_sim.h"

/* The number of the first descriptor. */
#define SIM_FD (1 << 30)
#define SIM_FDS 65536
#define SIM_SOMAXCONN 4096

/* Whoever has decisions: a host or a socket. A decision is a function of the seed, `key` and `n`. */
struct dice {
    uint64_t key, n;
};

/* ---- Bytes (net.c) --------------------------------------------------------------------------- */

struct bytes {
    uint8_t *at;
    size_t start, len, size;
};

/* Appends the `n` bytes that follow `skip` bytes of the vectors; without vectors, zeros. */
int bytes_put(struct bytes *b, const struct iovec *iov, size_t n);
/* Copies up to `n` bytes from the front into the vectors. They stay. */
void bytes_peek(const struct bytes *b, const struct iovec *iov, size_t n);
void bytes_drop(struct bytes *b, size_t n);
void bytes_free(struct bytes *b);

/* ---- Descriptors (sim.c) --------------------------------------------------------------------- */

enum file_kind { SIM_SOCK, SIM_EPOLL, SIM_EVENT };

/* An open file description. */
struct file {
    enum file_kind kind;
    unsigned fds; /* descriptors that it has */
    int fl;       /* O_NONBLOCK, O_RDWR */
    esock_sim *sim;
    struct watch *watches; /* of epolls, on this file */
};

struct slot {
    struct file *file; /* NULL: the number is free */
    bool cloexec;
};

/* Returns a new descriptor of the file, or -EMFILE or -ENOMEM. */
int sim_fd_new(esock_sim *sim, struct file *f, bool cloexec);
/* Returns the file of a descriptor, or NULL. */
struct file *sim_file(esock_sim *sim, int fd);

/* ---- Hosts ----------------------------------------------------------------------------------- */

struct host {
    esock_sys sys; /* first: the core is given a pointer to this */
    esock_sim *sim;
    struct host *next;
    struct dice dice;
    uint8_t ip[2][16]; /* the addresses, IPv4 as ::ffff:a.b.c.d; zeros: none */
    uint16_t next_port;
    uint64_t opened; /* sockets, ever */
    struct sock *socks;
    struct path *paths; /* names of unix sockets in the file system */
    unsigned autobound;
};

static inline struct host *host_of(const esock_sys *sys) {
    return (struct host *)(uintptr_t)sys;
}

/* ---- Sockets --------------------------------------------------------------------------------- */

/* The kernel's state of a connection, of unix sockets as well. */
enum state {
    SIM_CLOSED,
    SIM_LISTENS,
    SIM_SYN_SENT,
    SIM_SYN_RECEIVED, /* an accepted connection before it is in the queue */
    SIM_ESTABLISHED,
    SIM_FIN_WAIT,   /* we have sent the end */
    SIM_CLOSE_WAIT, /* the peer has */
    SIM_LAST_ACK    /* both have, and the peer first */
};

/* What the calls have made of a socket: `sock->state` of Linux, which shows in connect, listen and shutdown of inet. */
enum calls { SIM_UNCONNECTED, SIM_CONNECTING, SIM_CONNECTED, SIM_DISCONNECTING };

enum { SHUT_IN = 1, SHUT_OUT = 2, SHUT_BOTH = 3 };

struct end {
    uint8_t ip[16];
    uint16_t port; /* host byte order */
    uint32_t scope;
};

struct uname {
    uint8_t len;
    bool set;   /* an autobound or given name; len 0 never occurs with it */
    bool bound; /* and it is found by it, which accepted connections are not */
    char data[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
};

/* The packets of one direction that wait to be sent again. */
struct resend {
    size_t data;   /* bytes */
    bool ack, fin; /* before and after them */
    bool armed;    /* a timer is set */
    unsigned tries;
    uint64_t wait, waited;
};

struct options {
    int value[64]; /* by row of the table in opt.c */
    struct linger linger;
    long rcvtimeo[2], sndtimeo[2];
    int sndbuf, rcvbuf, rcvlowat;
};

struct sock {
    struct file file; /* first */
    struct host *host;
    struct sock *next, *prev; /* on the host */
    const struct family *family;
    struct dice dice;
    uint64_t order; /* packets and timers so far */
    unsigned refs;
    int domain;
    enum state state;
    enum calls calls;
    unsigned shut;
    int error;       /* SO_ERROR */
    bool done;       /* inet: the peer's end has come */
    bool acked;      /* inet: the peer has our end */
    bool has_port;   /* inet: the port is taken, `inet_num` of Linux; local.port stays without it */
    bool dead;       /* no descriptor, and none will come */
    bool own_addr;   /* inet: bind gave the address */
    bool own_port;   /* inet: bind gave the port */
    bool wants_room; /* a send has found no room: a wake-up is due */
    struct sock *peer;
    struct sock *listener; /* of a connection that is not accepted yet */
    struct sock **queue;   /* connections to accept */
    int queued, queue_size, backlog;
    struct bytes in;    /* what was sent to us */
    size_t arrived;     /* how much of it has come */
    size_t outstanding; /* sent, and not yet known to be read by the peer */
    uint64_t last_arrival;
    struct resend resend;
    unsigned syn_tries;
    struct uname name;     /* unix */
    struct ucred cred;     /* unix: of the peer */
    struct end local, far; /* inet */
    struct options opt;
};

/* What the families do differently. Each returns a count or a negative errno. */
struct family {
    int (*bind)(struct sock *s, const struct sockaddr *addr, socklen_t len);
    int (*connect)(struct sock *s, const struct sockaddr *addr, socklen_t len);
    int (*listen)(struct sock *s, int backlog);
    struct sock *(*accept)(struct sock *s, int *error); /* gives its reference away */
    int (*shutdown)(struct sock *s, unsigned how);
    int (*name)(struct sock *s, bool peer, struct sockaddr_storage *out);
    int (*peer_name)(struct sock *s, struct sockaddr_storage *out); /* of an accepted one */
    /* *named: an address goes with it. `force`: take exactly `len` bytes */
    ssize_t (*send)(struct sock *s, const struct iovec *iov, size_t len, int flags, bool named,
                    bool force);
    ssize_t (*recv)(struct sock *s, const struct iovec *iov, size_t len, int flags,
                    struct sockaddr_storage *from, socklen_t *from_len);
    unsigned (*poll)(struct sock *s);
    void (*close)(struct sock *s);
    void (*reset)(struct sock *s); /* as if the peer had */
};

extern const struct family sim_unix, sim_inet;

/* Makes a socket with one reference. NULL: no memory. sim.c */
struct sock *sock_new(struct host *h, const struct family *family, int domain, uint64_t key);
void sock_ref(struct sock *s);
void sock_unref(struct sock *s);
void sock_set_peer(struct sock *s, struct sock *peer); /* NULL: none */
/* Takes the pending error. Returns it, negative, or 0. */
int sock_error(struct sock *s);
/* The rule of both families for how many bytes a receive waits for. */
size_t sock_target(const struct sock *s, int flags, size_t len);
int sock_enqueue(struct sock *listener, struct sock *child);
struct sock *sock_dequeue(struct sock *listener);

/* A unix pair: unix.c */
void unix_join(struct sock *a, struct sock *b);
struct path *unix_path(struct host *h, const char *name, size_t len);
int unix_unlink(struct host *h, const char *name);
void unix_free_paths(struct host *h);

/* inet.c */
bool inet_parse(const char *text, uint8_t ip[16]);
struct host *inet_host(esock_sim *sim, const uint8_t ip[16]);
bool inet_own(const struct host *h, const uint8_t ip[16]);
static inline bool inet_is4(const uint8_t ip[16]) {
    static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return __builtin_memcmp(ip, prefix, sizeof prefix) == 0;
}

/* ---- Time and packets (net.c) ---------------------------------------------------------------- */

enum packet { SIM_SYN, SIM_SYN_ACK, SIM_ACK, SIM_DATA, SIM_FIN, SIM_RST, SIM_WINDOW };

enum event_kind { SIM_ARRIVAL, SIM_RESEND, SIM_SYN_AGAIN, SIM_UNREACHABLE };

struct event {
    uint64_t time, key, order; /* by which events are sorted */
    enum event_kind kind;
    enum packet packet;
    struct sock *from, *to; /* references */
    size_t n;
};

struct link {
    struct link *next;
    const struct host *a, *b; /* NULL: every */
    esock_sim_path path;
};

/* Sends a packet. DATA, ACK and FIN stay in order, and are sent again when they are lost. */
void net_send(struct sock *from, struct sock *to, enum packet p, size_t n);
int net_timer(struct sock *s, enum event_kind kind, uint64_t after);
void net_run(esock_sim *sim); /* what is due */
uint64_t net_next(const esock_sim *sim);

void inet_arrives(struct sock *from, struct sock *to, enum packet p, size_t n);
void inet_gives_up(struct sock *s, int error);

/* ---- Readiness (epoll.c) --------------------------------------------------------------------- */

/* A registration. */
struct watch {
    struct watch *of_file;  /* the next of the same file */
    struct watch *of_epoll; /* the next of the same epoll */
    struct watch *ready_next;
    struct epoll *epoll;
    struct file *file;
    int fd;
    bool ready; /* listed */
    uint32_t events;
    epoll_data_t data;
};

struct epoll {
    struct file file; /* first */
    struct watch *watches;
    struct watch *ready, *ready_last;
    struct dice dice;
};

struct eventfd {
    struct file file; /* first */
    uint64_t count;
};

/* Tells epolls that the file may have become ready; `mask` filters, 0: for any reason. */
void sim_notify(struct file *f, unsigned mask);
unsigned sim_poll_file(struct file *f);
void sim_unwatch(struct file *f); /* its last descriptor is closed */
struct epoll *epoll_new(esock_sim *sim, struct host *h);
void epoll_free(struct epoll *e);
int epoll_change(struct epoll *e, int op, int fd, struct file *f, const struct epoll_event *ev);
int epoll_collect(struct epoll *e, struct epoll_event *ev, int max);

/* ---- Options (opt.c) ------------------------------------------------------------------------- */

void opt_init(struct sock *s);
void opt_inherit(struct sock *child, const struct sock *listener);
int opt_get(struct sock *s, int level, int opt, void *val, socklen_t *len);
int opt_set(struct sock *s, int level, int opt, const void *val, socklen_t len);
int opt_int(const struct sock *s, int level, int opt);
void opt_only6(struct sock *s); /* a socket that is bound to an IPv6 address */

/* ---- Decisions (fault.c) --------------------------------------------------------------------- */

struct script {
    struct script *next;
    enum esock_sim_call call;
    int fd;
    unsigned skip;
    int result;
};

/* What a fault does to a call that is not refused. */
struct fault {
    size_t limit; /* at most so many bytes */
    bool force;   /* exactly so many */
    bool again;   /* report readiness once more afterwards */
    int after;    /* the call is made, and returns this error; 0: none */
};

bool sim_chance(esock_sim *sim, struct dice *d, uint32_t n, uint32_t of);
uint64_t sim_below(esock_sim *sim, struct dice *d, uint64_t n); /* 0 to n - 1 */
uint64_t sim_mix(uint64_t a, uint64_t b);
/* Decides about a call. Returns 0 or a negative errno. `f` may be NULL, and `s` and its peer need not be. */
int sim_fault(esock_sim *sim, enum esock_sim_call call, int fd, struct dice *d, struct sock *s,
              struct fault *f);
bool sim_spurious(esock_sim *sim, struct dice *d);

/* ---- The simulation -------------------------------------------------------------------------- */

struct esock_sim {
    pthread_mutex_t mu;
    esock_sim_words words;
    uint64_t now;
    uint64_t seed;
    const uint8_t *data, *data_end; /* with esock_sim_new_data; else NULL */
    bool from_data;
    unsigned chance[ESOCK_SIM_FAULTS];
    struct script *scripts;
    struct host *hosts;
    uint64_t hosts_made;
    struct link *links;
    struct slot *slots;
    int slots_size, slots_used; /* used: no number above is open */
    int lowest;                 /* no lower number is free */
    struct event *events;       /* a heap */
    size_t events_n, events_size;
    uint64_t changes, open;
};

#endif
