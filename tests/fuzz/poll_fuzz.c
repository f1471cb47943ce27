/* The poller, on a model of the kernel's sockets and of epoll. The input is a program: what comes to the sockets, and what
 * their callers do, in every order that two threads can give it: an event may be collected at one time and handed out at
 * another, and both may happen between a try and the arm that follows it.
 *
 * What must hold:
 *   no wait is lost: when every event has been handed out, no armed direction is ready
 *   nothing is endless: if nothing comes, callers that arm again after empty events soon have no more events
 *   an arm is answered once, and a cancelled one never */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "esock.h"
#include "esock_sys.h"

#define MUST(what)                                                     \
    do {                                                               \
        if (!(what)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                   \
        }                                                              \
    } while (0)

enum { SOCKETS = 2, FIRST_FD = 10, EP = 9, PENDING = 64 };
enum direction { READING, WRITING, ERRING, DIRECTIONS };

static const unsigned bits[DIRECTIONS] = {ESOCK_IN, ESOCK_OUT, ESOCK_ERR};

/* ---- The kernel ------------------------------------------------------------------------------ */

struct kernel_socket {
    unsigned in, errors; /* what waits to be received */
    bool full;           /* no room to send */
    bool registered, disabled, listed;
    struct epoll_event want;
};

static struct kernel_socket kernel[SOCKETS];

static struct kernel_socket *by_fd(int fd) {
    MUST(fd >= FIRST_FD && fd < FIRST_FD + SOCKETS);
    return &kernel[fd - FIRST_FD];
}

/* What epoll would report of the socket. */
static uint32_t readiness(const struct kernel_socket *s) {
    uint32_t now =
        (s->in > 0 ? EPOLLIN : 0u) | (s->full ? 0u : EPOLLOUT) | (s->errors > 0 ? EPOLLERR : 0u);
    return s->disabled ? 0 : now & (s->want.events | EPOLLERR);
}

/* Something has come. */
static void wake(struct kernel_socket *s, uint32_t key) {
    if (s->registered && !s->disabled && key & (s->want.events | EPOLLERR)) s->listed = true;
}

static int k_epoll_ctl(const esock_sys *sys, int ep, int op, int fd, struct epoll_event *ev) {
    (void)sys;
    struct kernel_socket *s = by_fd(fd);
    MUST(ep == EP && s->registered == (op != EPOLL_CTL_ADD));
    s->registered = op != EPOLL_CTL_DEL;
    if (!s->registered) {
        s->listed = false;
        return 0;
    }
    s->want = *ev;
    s->disabled = false;
    if (readiness(s) != 0) s->listed = true;
    return 0;
}

static int k_epoll_wait(const esock_sys *sys, int ep, struct epoll_event *ev, int max,
                        int timeout_ms) {
    (void)sys;
    MUST(ep == EP && timeout_ms == 0);
    int n = 0;
    for (int i = 0; i < SOCKETS && n < max; i++) {
        struct kernel_socket *s = &kernel[i];
        if (!s->listed) continue;
        s->listed = false;
        uint32_t now = readiness(s);
        if (now == 0) continue;
        ev[n].events = now;
        ev[n++].data = s->want.data;
        MUST(s->want.events & (EPOLLET | EPOLLONESHOT));
        if (s->want.events & EPOLLONESHOT) s->disabled = true;
    }
    return n;
}

static int next_fd;

static int k_socket(const esock_sys *sys, int domain, int type, int protocol) {
    (void)sys, (void)domain, (void)type, (void)protocol;
    return next_fd++;
}

static int k_close(const esock_sys *sys, int fd) {
    (void)sys, (void)fd;
    return 0;
}

static int k_epoll_create(const esock_sys *sys) {
    (void)sys;
    return EP;
}

static int k_flags(const esock_sys *sys, int fd) {
    (void)sys, (void)fd;
    return -EBADF;
}

/* ---- The callers ----------------------------------------------------------------------------- */

struct caller {
    esock *s;
    bool waits[DIRECTIONS]; /* armed, and not answered */
    bool woken[DIRECTIONS]; /* the next try follows an answer */
    bool note[DIRECTIONS];  /* an event came that answered nothing */
};

static struct caller callers[SOCKETS];
static esock_poller *poller;
static esock_event pending[PENDING]; /* collected, and not handed out */
static int collected;
static const uint8_t *input, *input_end;

static uint8_t byte(void) {
    return input < input_end ? *input++ : 0;
}

static void collect(int max) {
    if (collected == PENDING) return;
    int n = esock_poll(poller, pending + collected,
                       max < PENDING - collected ? max : PENDING - collected, 0);
    MUST(n >= 0);
    collected += n;
}

static bool hand_out(void) {
    if (collected == 0) return false;
    esock_event ev = pending[0];
    memmove(pending, pending + 1, (size_t)--collected * sizeof *pending);
    struct caller *c = ev.user;
    unsigned answered = (unsigned)esock_fired(poller, c->s, ev.events);
    unsigned events = ev.events & ESOCK_ERR ? ESOCK_IN | ESOCK_OUT | ESOCK_ERR : ev.events;
    for (int d = 0; d < DIRECTIONS; d++) {
        if (answered & bits[d]) {
            MUST(c->waits[d]);
            c->waits[d] = false;
            c->woken[d] = true;
        } else if (events & bits[d]) {
            c->note[d] = true;
        }
    }
    return true;
}

static bool would_block(const struct caller *c, enum direction d) {
    const struct kernel_socket *s = by_fd(esock_fd(c->s));
    return d == READING ? s->in == 0 : d == WRITING ? s->full : s->errors == 0;
}

static void arm(struct caller *c, enum direction d, enum esock_arm_after after) {
    MUST(esock_arm(poller, c->s, bits[d], after, c) == 0);
    c->waits[d] = true;
    c->woken[d] = false;
}

static void come(struct kernel_socket *s, uint8_t what) {
    switch (what % 8) {
    case 0:
    case 1:
    case 2:
        s->in += 1 + what / 64;
        wake(s, EPOLLIN);
        break;
    case 3: /* another process receives it */
        s->in = 0;
        break;
    case 4:
        s->full = false;
        wake(s, EPOLLOUT);
        break;
    case 5:
        s->full = true;
        break;
    case 6:
        s->errors++;
        wake(s, EPOLLERR);
        break;
    case 7:
        s->errors = 0;
    }
}

/* What other threads do meanwhile. */
static void meanwhile(void) {
    for (uint8_t b = byte(); b & 3; b = byte()) {
        if ((b & 3) == 1)
            come(&kernel[b / 4 % SOCKETS], (uint8_t)(b / 16 * 4 + b % 4));
        else if ((b & 3) == 2)
            collect(1 + b / 4 % 4);
        else
            hand_out();
    }
}

/* A call of the caller's that waits if it must: it receives or sends all, or a part and then arms for the rest. */
static void call(struct caller *c, enum direction d, uint8_t how) {
    struct kernel_socket *s = by_fd(esock_fd(c->s));
    if (c->waits[d]) return;
    for (;;) {
        if (!would_block(c, d)) {
            c->woken[d] = false;
            if (d == READING) s->in -= how & 1 ? s->in : 1;
            if (d == WRITING) s->full = how & 1;
            if (d == ERRING) s->errors--;
            meanwhile();
            if (how & 2) arm(c, d, ESOCK_AFTER_NOTHING);
            return;
        }
        meanwhile();
        /* An event means to try again, also one that answered nothing; how & 4 relies on the poller for that where it may. */
        bool noted = c->note[d];
        c->note[d] = false;
        if (!noted || (how & 4 && d == READING && !c->woken[d])) break;
    }
    arm(c, d, c->woken[d] ? ESOCK_AFTER_EMPTY : ESOCK_AFTER_TRY);
}

/* Hands out every event, and lets those that were woken for nothing wait again. */
static void settle(bool again) {
    for (int rounds = 0;; rounds++) {
        MUST(rounds < 8 * SOCKETS);
        collect(PENDING);
        if (collected == 0) break;
        while (hand_out()) {
        }
        for (int i = 0; i < SOCKETS && again; i++) {
            struct caller *c = &callers[i];
            for (enum direction d = READING; d < DIRECTIONS; d++) {
                if (c->woken[d] && would_block(c, d)) {
                    c->note[d] = false;
                    arm(c, d, ESOCK_AFTER_EMPTY);
                }
            }
        }
    }
    for (int i = 0; i < SOCKETS; i++) {
        for (enum direction d = READING; d < DIRECTIONS; d++)
            MUST(!callers[i].waits[d] || would_block(&callers[i], d));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 4096) return -1;
    esock_sys sys = *esock_sys_libc();
    sys.socket = k_socket;
    sys.close = k_close;
    sys.close_lingering = k_close;
    sys.epoll_create = k_epoll_create;
    sys.epoll_ctl = k_epoll_ctl;
    sys.epoll_wait = k_epoll_wait;
    sys.getfl = k_flags;
    memset(kernel, 0, sizeof kernel);
    memset(callers, 0, sizeof callers);
    collected = 0;
    next_fd = FIRST_FD;
    input = data;
    input_end = data + size;
    MUST(esock_poller_new(&poller, &sys) == 0);
    for (int i = 0; i < SOCKETS; i++)
        MUST(esock_open(&callers[i].s, AF_INET, SOCK_DGRAM, IPPROTO_UDP, &sys) == 0);
    while (input < input_end) {
        uint8_t op = byte();
        struct caller *c = &callers[op / 128];
        enum direction d = (enum direction)(op / 32 % 4);
        if (d == DIRECTIONS) d = READING; /* the more frequent */
        switch (op % 32) {
        case 0:
        case 1:
        case 2:
        case 3:
            come(&kernel[op / 128], byte());
            break;
        case 4:
            esock_disarm(poller, c->s, bits[d]);
            c->waits[d] = c->woken[d] = false;
            break;
        case 5: /* what was armed is armed again, as after esock_poller_renew */
            esock_deregister(poller, c->s);
            for (d = READING; d < DIRECTIONS; d++) {
                if (c->waits[d]) arm(c, d, ESOCK_AFTER_NOTHING);
            }
            break;
        case 6:
        case 7:
            collect(1 + byte() % 4);
            break;
        case 8:
        case 9:
            hand_out();
            break;
        case 10:
        case 11:
            settle(op & 32);
            break;
        case 12: /* a whole exchange of a receiver that drains */
        case 13:
            while (!c->waits[READING])
                call(c, READING, 1 | (op & 4));
            come(&kernel[op / 128], 0);
            settle(false);
            call(c, READING, 1);
            break;
        default:
            call(c, d, op / 4);
        }
    }
    settle(true);
    for (int i = 0; i < SOCKETS; i++) {
        esock_deregister(poller, callers[i].s);
        esock_close(callers[i].s, 0, NULL, NULL);
    }
    esock_poller_free(poller);
    return 0;
}
