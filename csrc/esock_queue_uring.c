/* A completion queue on io_uring.
 *
 * Accept, receive without address or flags, and send are given to the kernel, one operation of each direction of a member
 * at a time, so that they stay in order. A repeated receive takes buffers from a group that the queue keeps filled. The
 * other kinds are system calls: a multishot poll of the member tells when to try.
 *
 * A call gives what is listed, enters the kernel once, notes all completions with their members, and makes results of
 * them. So the ring is empty between two calls, and cancel and remove, which wait for the completions of one member, need
 * no room for those of others.
 *
 * The ring belongs to one thread (SINGLE_ISSUER, 6.0), and the work of completions is done when that thread enters
 * (DEFER_TASKRUN, 6.1). With the latter the ring's own descriptor does not become readable until somebody enters, so
 * esock_queue_fd is an event descriptor that the kernel sets. It does so only while the caller may sleep. */
#include "esock_queue_internal.h"
#include "esock_uring.h"

#include <string.h>

enum {
    SUBMISSIONS = 256,
    COMPLETIONS = 4096,
    PROVIDED = 64, /* buffers that the kernel has at first */
    GROUP_MAX = 32768
};

#define NONE UINT32_MAX /* no buffer */

/* What the kernel does for a member: in each direction, and POLL. */
enum { POLL = 2, FLIGHTS };
enum flight { LANDED, ACCEPTING, RECEIVING, RECEIVING_AGAIN, SENDING, POLLING };

enum uring_flag {
    GOT_IN = 1 << IN, /* res[IN] is the result of the operation */
    GOT_OUT = 1 << OUT,
    TRIES_IN = 4, /* by system calls, until one has succeeded */
    TRIES_OUT = 8,
    ENDS = 16,  /* `end` is kept */
    EMPTY = 32, /* a message of no bytes is kept */
    ALONE = 64  /* repeated receives are system calls: see uring_add */
};

#define GOT(dir) (GOT_IN << (dir))
#define TRIES(dir) (TRIES_IN << (dir))

/* A copy of what a buffer had. */
struct aside {
    struct aside *next;
    uint32_t len;
    unsigned char data[];
};

struct uring_member {
    esock_member m;
    esock *conns, *conns_last; /* accepted, and not returned yet; linked by `user` */
    struct aside *aside;       /* received, and not returned yet: what came before the buffers */
    uint32_t first, last;      /* the buffers received, and not returned yet */
    uint32_t offset;           /* bytes that were taken of the first of these or those */
    int32_t res[2];
    int32_t end; /* what ended a receive or accept: 0 or a negative errno */
    uint8_t flight[FLIGHTS];
    uint8_t state; /* enum uring_flag */
};

/* The user data of a request is its member, and one of FLIGHTS in the lowest bits. */
enum { TAGS = 3, DATA_CANCEL = 3, DATA_WAKE = 7 };

struct uring_queue {
    esock_queue q;
    int fd, ready;         /* the ring, and esock_queue_fd */
    bool enabled, watches; /* `event` is polled */
    uint32_t told;         /* the kernel sets `ready` */
    /* the rings; `tail` is of submissions, and ahead of the kernel's */
    void *rings;
    size_t rings_len;
    struct esock__sqe *sqes;
    struct esock__cqe *cqes;
    uint32_t *sq_head, *sq_tail, *sq_flags, *cq_head, *cq_tail, *cq_flags;
    uint32_t sq_entries, cq_entries, tail;
    /* the group of buffers */
    struct esock__uring_buf *group;
    uint32_t *slots;    /* which buffer has an id in the group */
    uint32_t group_len; /* a power of two */
    uint32_t provided;  /* buffers that the kernel has */
    uint32_t target;    /* how many it should have */
    uint32_t most;      /* and may have */
    uint32_t armed;     /* repeated receives that the kernel does */
    uint32_t arming;    /* of these, since the last completions */
    uint32_t hungry;    /* repeated receives that wait for `provided` */
    uint16_t group_tail;
    bool depleted;
    struct {
        uint32_t len, next;
    } * came; /* by buffer */
};

static struct uring_queue *of(const esock_queue *q) {
    return (struct uring_queue *)(uintptr_t)q; /* it is not const */
}

static struct uring_member *member_of(const esock_member *m) {
    return (struct uring_member *)(uintptr_t)m;
}

static uint32_t load(const uint32_t *p) {
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *p, uint32_t v) {
    __atomic_store_n(p, v, __ATOMIC_RELEASE);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static int map_rings(struct uring_queue *u, const struct esock__uring_params *p) {
    const esock_sys *sys = u->q.sys;
    size_t sq = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
    size_t cq = p->cq_off.cqes + p->cq_entries * sizeof(struct esock__cqe);
    void *sqes;
    u->rings_len = sq > cq ? sq : cq;
    int r = sys->map(sys, &u->rings, u->rings_len, u->fd, 0);
    if (r < 0) return r;
    r = sys->map(sys, &sqes, p->sq_entries * sizeof *u->sqes, u->fd, URING_OFF_SQES);
    if (r < 0) {
        sys->unmap(sys, u->rings, u->rings_len);
        return r;
    }
    char *at = u->rings;
    u->sqes = sqes;
    u->sq_head = (uint32_t *)(void *)(at + p->sq_off.head);
    u->sq_tail = (uint32_t *)(void *)(at + p->sq_off.tail);
    u->sq_flags = (uint32_t *)(void *)(at + p->sq_off.flags);
    u->cq_head = (uint32_t *)(void *)(at + p->cq_off.head);
    u->cq_tail = (uint32_t *)(void *)(at + p->cq_off.tail);
    u->cq_flags = (uint32_t *)(void *)(at + p->cq_off.flags);
    u->cqes = (struct esock__cqe *)(void *)(at + p->cq_off.cqes);
    u->sq_entries = p->sq_entries;
    u->cq_entries = p->cq_entries;
    uint32_t *array = (uint32_t *)(void *)(at + p->sq_off.array);
    for (uint32_t i = 0; i < p->sq_entries; i++)
        array[i] = i;
    return 0;
}

static void unmap_rings(struct uring_queue *u) {
    const esock_sys *sys = u->q.sys;
    sys->unmap(sys, u->sqes, u->sq_entries * sizeof *u->sqes);
    sys->unmap(sys, u->rings, u->rings_len);
}

static int open_ring(struct uring_queue *u) {
    struct esock__uring_params p;
    const uint32_t features = URING_FEAT_SINGLE_MMAP | URING_FEAT_NODROP | URING_FEAT_FAST_POLL |
                              URING_FEAT_EXT_ARG | URING_FEAT_CQE_SKIP;
    memset(&p, 0, sizeof p);
    p.flags = URING_SETUP_CQSIZE | URING_SETUP_CLAMP | URING_SETUP_R_DISABLED |
              URING_SETUP_SUBMIT_ALL | URING_SETUP_TASKRUN_FLAG | URING_SETUP_SINGLE_ISSUER |
              URING_SETUP_DEFER_TASKRUN;
    p.cq_entries = COMPLETIONS;
    u->fd = u->q.sys->uring_setup(u->q.sys, SUBMISSIONS, &p);
    if (u->fd < 0) return u->fd;
    int r = (p.features & features) == features ? map_rings(u, &p) : -EINVAL;
    if (r < 0) u->q.sys->close(u->q.sys, u->fd);
    return r;
}

static void close_ring(struct uring_queue *u) {
    unmap_rings(u);
    u->q.sys->close(u->q.sys, u->fd);
}

static int make_group(struct uring_queue *u) {
    const esock_sys *sys = u->q.sys;
    uint32_t count = u->q.buffers.count;
    void *group;
    u->most = count / 2; /* so that one is left for what needs no more than one */
    if (u->most > GROUP_MAX) u->most = GROUP_MAX;
    u->target = u->most < PROVIDED ? u->most : PROVIDED;
    for (u->group_len = 1; u->group_len < u->most; u->group_len *= 2) {
    }
    u->slots = sys->alloc(sys, u->group_len * sizeof *u->slots);
    u->came = sys->alloc(sys, count * sizeof *u->came);
    int r = u->slots == NULL || u->came == NULL ? -ENOMEM : 0;
    if (r == 0) r = sys->map(sys, &group, u->group_len * sizeof *u->group, -1, 0);
    if (r == 0) {
        u->group = group;
        memset(u->slots, 0xff, u->group_len * sizeof *u->slots); /* NONE */
        return 0;
    }
    sys->free(sys, u->slots);
    sys->free(sys, u->came);
    return r;
}

static void free_group(struct uring_queue *u) {
    const esock_sys *sys = u->q.sys;
    sys->unmap(sys, u->group, u->group_len * sizeof *u->group);
    sys->free(sys, u->slots);
    sys->free(sys, u->came);
}

/* Makes the ring know the event descriptor and the buffers. */
static int register_both(struct uring_queue *u) {
    const esock_sys *sys = u->q.sys;
    struct esock__uring_buf_reg reg = {.ring_addr = (uintptr_t)u->group,
                                       .ring_entries = u->group_len};
    int r = sys->uring_register(sys, u->fd, URING_REGISTER_PBUF_RING, &reg, 1);
    if (r >= 0) r = sys->uring_register(sys, u->fd, URING_REGISTER_EVENTFD, &u->ready, 1);
    *u->cq_flags |= URING_CQ_EVENTFD_DISABLED;
    return r;
}

static int uring_open(esock_queue *q) {
    struct uring_queue *u = of(q);
    int r = open_ring(u);
    if (r < 0) return r;
    r = make_group(u);
    if (r == 0) {
        r = u->ready = q->sys->eventfd(q->sys);
        if (r >= 0) r = register_both(u);
        if (r < 0 && u->ready >= 0) q->sys->close(q->sys, u->ready);
    }
    if (r >= 0) return 0;
    if (u->group != NULL) free_group(u);
    close_ring(u);
    return r;
}

static void uring_close(esock_queue *q) {
    struct uring_queue *u = of(q);
    close_ring(u);
    q->sys->close(q->sys, u->ready);
    free_group(u);
}

/* ---- Entering -------------------------------------------------------------------------------- */

static void completed(struct uring_queue *u, const struct esock__cqe *c);

/* Whether there are completions, or the kernel has work that leads to some. */
static bool stirs(const struct uring_queue *u) {
    uint32_t tail = __atomic_load_n(u->cq_tail, __ATOMIC_SEQ_CST);
    uint32_t flags = __atomic_load_n(u->sq_flags, __ATOMIC_SEQ_CST);
    return tail != *u->cq_head || (flags & (URING_SQ_TASKRUN | URING_SQ_CQ_OVERFLOW)) != 0;
}

/* Gives the kernel what there is, and waits for a completion if `min` is 1. 0: the time is over, or try again. */
static int enter(struct uring_queue *u, unsigned min, int timeout_ms) {
    const esock_sys *sys = u->q.sys;
    struct esock__uring_time t = {timeout_ms / 1000, timeout_ms % 1000 * 1000000LL};
    struct esock__uring_wait wait = {.ts = timeout_ms < 0 ? 0 : (uintptr_t)&t};
    store(u->sq_tail, u->tail);
    int r = sys->uring_enter(sys, u->fd, u->tail - load(u->sq_head), min,
                             URING_ENTER_GETEVENTS | URING_ENTER_EXT_ARG, &wait, sizeof wait);
    /* EBUSY and EAGAIN: no memory for requests or completions at the moment. */
    return r >= 0 || r == -ETIME || r == -EINTR || r == -EAGAIN || r == -EBUSY ? 0 : r;
}

/* Takes the buffers back that the kernel has, once no receive uses them: the last that were given. */
static void reclaim(struct uring_queue *u) {
    for (; u->provided > 0; u->provided--) {
        uint32_t *slot = &u->slots[--u->group_tail & (u->group_len - 1)];
        give_buffer_back(&u->q.buffers, *slot);
        *slot = NONE;
    }
    __atomic_store_n(&u->group->tail, u->group_tail, __ATOMIC_RELEASE);
}

/* Notes all completions. */
static void collect(struct uring_queue *u) {
    uint32_t head = *u->cq_head, tail = load(u->cq_tail);
    u->arming = 0;
    for (; head != tail; head++) {
        struct esock__cqe c = u->cqes[head & (u->cq_entries - 1)];
        store(u->cq_head, head + 1);
        completed(u, &c);
    }
    if (u->depleted) u->target = u->target < u->most / 2 ? 2 * u->target : u->most;
    u->depleted = false;
    if (u->armed == 0) reclaim(u);
}

/* Returns room for a request, NULL if the kernel takes none. */
static struct esock__sqe *request(struct uring_queue *u, uint8_t opcode, uint64_t data) {
    if (u->tail - load(u->sq_head) == u->sq_entries) {
        if (enter(u, 0, 0) < 0) return NULL;
        collect(u);
        if (u->tail - load(u->sq_head) == u->sq_entries) return NULL;
    }
    struct esock__sqe *e = &u->sqes[u->tail++ & (u->sq_entries - 1)];
    memset(e, 0, sizeof *e);
    e->opcode = opcode;
    e->user_data = data;
    return e;
}

static uint64_t data_of(const struct uring_member *um, unsigned which) {
    return (uintptr_t)um | which;
}

/* Polls a descriptor again and again; each wake-up is a completion with its events, and so is what is there at first. */
static bool poll_again(struct uring_queue *u, int fd, uint32_t events, uint64_t data) {
    struct esock__sqe *e = request(u, URING_POLL_ADD, data);
    if (e == NULL) return false;
    e->fd = fd;
    e->len = URING_POLL_MULTI;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    events = events >> 16 | events << 16;
#endif
    e->op_flags = events;
    return true;
}

/* Ends what the kernel does for a member, `which` of FLIGHTS, and notes how it ended. */
static int land(struct uring_queue *u, struct uring_member *um, unsigned which) {
    for (;;) {
        bool flies = false;
        for (unsigned i = 0; i < FLIGHTS; i++) {
            if (!(which & 1u << i) || um->flight[i] == LANDED) continue;
            flies = true;
            struct esock__sqe *e = request(u, URING_ASYNC_CANCEL, DATA_CANCEL);
            if (e == NULL) continue;
            e->addr = data_of(um, i);
            e->flags = URING_CQE_SKIP_SUCCESS;
        }
        if (!flies) return 0;
        /* A cancel may meet a request that is being done: it is repeated. */
        int r = enter(u, 1, 10);
        if (r < 0) return r;
        collect(u);
    }
}

/* ---- Buffers --------------------------------------------------------------------------------- */

/* Gives the kernel buffers, as many as it should have. */
static void provide(struct uring_queue *u) {
    esock_buffers *b = &u->q.buffers;
    uint16_t before = u->group_tail;
    while (u->provided < u->target && b->free > 0) {
        uint32_t id = u->group_tail & (u->group_len - 1);
        if (u->slots[id] != NONE) break; /* they did not come back in order */
        uint32_t i = u->slots[id] = b->stack[--b->free];
        struct esock__uring_buf *g = &u->group[id];
        g->addr = (uintptr_t)(b->base + i * b->size);
        g->len = (uint32_t)b->size;
        g->id = (uint16_t)id;
        u->group_tail++;
        u->provided++;
    }
    if (u->group_tail != before) __atomic_store_n(&u->group->tail, u->group_tail, __ATOMIC_RELEASE);
}

/* Whether one more repeated receive may begin: the kernel ends those that find no buffer, data or not. */
static bool fed(struct uring_queue *u) {
    if (u->provided <= u->arming) provide(u);
    return u->provided > u->arming;
}

/* Whether a member that waits for a buffer may go on. */
static bool feeds(struct uring_queue *u) {
    if (ring_empty(&u->q.starved)) return false;
    return u->q.buffers.free > 0 || (u->hungry > 0 && u->provided > u->arming);
}

/* ---- Completions ----------------------------------------------------------------------------- */

/* Results that are none: the request was cancelled, here or because its thread has ended, or memory was short. */
static bool void_result(int32_t res) {
    return res == -ECANCELED || res == -EAGAIN || res == -EINTR;
}

/* Appends buffer i with n bytes to those of a member. */
static void keep(struct uring_queue *u, struct uring_member *um, uint32_t i, uint32_t n) {
    u->came[i].len = n;
    u->came[i].next = NONE;
    if (um->first == NONE) {
        um->first = i;
        um->offset = 0;
    } else {
        u->came[um->last].next = i;
    }
    um->last = i;
}

/* Takes the first buffer of a member. */
static uint32_t unkeep(struct uring_queue *u, struct uring_member *um) {
    uint32_t i = um->first;
    um->first = u->came[i].next;
    um->offset = 0;
    return i;
}

static void free_aside(const esock_sys *sys, struct uring_member *um) {
    struct aside *a = um->aside;
    um->aside = a->next;
    um->offset = 0;
    sys->free(sys, a);
}

/* Copies what a member has received, so that one which does not receive any more keeps no buffers from the others. */
static void set_aside(struct uring_queue *u, struct uring_member *um) {
    const esock_buffers *b = &u->q.buffers;
    struct aside **last = &um->aside;
    if (um->aside != NULL) return; /* there was no memory for the rest before */
    while (um->first != NONE) {
        uint32_t offset = um->offset, len = u->came[um->first].len - offset;
        struct aside *a = u->q.sys->alloc(u->q.sys, sizeof *a + len);
        if (a == NULL) return; /* the buffers stay */
        a->next = NULL;
        a->len = len;
        uint32_t i = unkeep(u, um);
        if (len > 0) memcpy(a->data, b->base + i * b->size + offset, len);
        give_buffer_back(&u->q.buffers, i);
        *last = a;
        last = &a->next;
    }
}

static void keep_end(struct uring_member *um, int32_t end) {
    um->end = end;
    um->state |= ENDS;
}

static void received_again(struct uring_queue *u, struct uring_member *um,
                           const struct esock__cqe *c) {
    esock *s = um->m.s;
    uint32_t i = NONE;
    if (!(c->flags & URING_F_MORE)) u->armed--;
    if (c->flags & URING_F_BUFFER) {
        uint32_t *slot = &u->slots[c->flags >> 16 & (u->group_len - 1)];
        i = *slot;
        *slot = NONE;
        u->provided--;
    }
    ssize_t n = c->res;
    if (n == -ENOBUFS) {
        u->depleted = true;
    } else if (void_result(c->res)) {
        if (c->res != -ECANCELED) um->state |= TRIES_IN;
    } else {
        n = esock__count_read(s, n, u->q.buffers.size, 0, 0, "recv");
        if (n > 0 || (n == 0 && s->type != SOCK_STREAM)) {
            if (i != NONE)
                keep(u, um, i, (uint32_t)n);
            else
                um->state |= EMPTY;
            return;
        }
        keep_end(um, (int32_t)n);
    }
    if (i != NONE) give_buffer_back(&u->q.buffers, i);
}

static void accepted(struct uring_member *um, int32_t res) {
    esock *c = NULL;
    if (void_result(res)) return;
    int r = esock__accepted(um->m.s, res, 0, &c);
    if (r < 0) {
        keep_end(um, r);
        return;
    }
    c->user = NULL;
    if (um->conns == NULL)
        um->conns = c;
    else
        um->conns_last->user = c;
    um->conns_last = c;
}

static void completed(struct uring_queue *u, const struct esock__cqe *c) {
    bool more = c->flags & URING_F_MORE;
    unsigned which = c->user_data & TAGS;
    if (which == TAGS) {
        if (c->user_data != DATA_WAKE) return;
        u->q.sys->event_clear(u->q.sys, u->q.event);
        u->watches = more;
        return;
    }
    struct uring_member *um = (struct uring_member *)(uintptr_t)(c->user_data & ~(uint64_t)TAGS);
    uint8_t was = um->flight[which];
    if (!more) um->flight[which] = LANDED;
    switch (was) {
    case ACCEPTING:
        accepted(um, c->res);
        break;
    case RECEIVING_AGAIN:
        received_again(u, um, c);
        break;
    case POLLING:
        if (c->res > 0) esock__member_polled(&um->m, (uint32_t)c->res);
        break;
    default:
        um->res[which] = c->res;
        um->state |= (uint8_t)GOT(which);
    }
    esock__queue_list(&u->q, &um->m);
}

/* ---- Members --------------------------------------------------------------------------------- */

/* Linux may lose the end of a unix connection when data comes right before it: both wake a repeated receive once, and having
 * taken the data it believes that the socket is empty (liburing issue 1549, Linux 6.17 to 7.2). */
static bool may_lose_its_end(const esock *s) {
    return esock_domain(s) == AF_UNIX && s->type != SOCK_DGRAM;
}

static int uring_add(esock_queue *q, esock_member *m) {
    member_of(m)->first = NONE;
    /* Without two buffers, none can be given away. */
    if (of(q)->most == 0 || may_lose_its_end(m->s)) member_of(m)->state = ALONE;
    return 0;
}

static bool kept(const struct uring_member *um) {
    return um->first != NONE || um->aside != NULL || um->conns != NULL ||
           um->state & (ENDS | EMPTY);
}

static int uring_kept(const esock_member *m) {
    return kept(member_of(m));
}

/* Accounts for the result of a single receive or send whose operation ends now. */
static void absorb(struct uring_member *um, int dir) {
    esock *s = um->m.s;
    esock_op *op = first_op(&um->m, dir);
    ssize_t n = um->res[dir];
    if (!(um->state & GOT(dir))) return;
    um->state &= (uint8_t)~GOT(dir);
    if (void_result(um->res[dir])) return;
    unsigned how = op->done > 0 ? ESOCK_CONT : 0u;
    size_t left = op->len - op->done;
    n = dir == OUT ? esock__count_write(s, n, left, how, "send")
                   : esock__count_read(s, n, left, 0, how, "recv");
    if (n > 0)
        op->done += (size_t)n;
    else if (dir == IN && n == 0 && s->type != SOCK_STREAM)
        um->state |= EMPTY;
    else if (dir == IN)
        keep_end(um, (int32_t)n);
}

static int uring_stop(esock_queue *q, esock_member *m, int dir) {
    struct uring_queue *u = of(q);
    struct uring_member *um = member_of(m);
    int r = land(u, um, 1u << dir);
    if (r < 0) return r;
    absorb(um, dir);
    um->state &= (uint8_t)~TRIES(dir);
    if (dir == IN) set_aside(u, um);
    return 0;
}

static int uring_remove(esock_queue *q, esock_member *m) {
    struct uring_queue *u = of(q);
    struct uring_member *um = member_of(m);
    int r = land(u, um, (1u << FLIGHTS) - 1);
    if (r < 0) return r;
    absorb(um, IN);
    absorb(um, OUT);
    while (um->first != NONE)
        give_buffer_back(&q->buffers, unkeep(u, um));
    while (um->aside != NULL)
        free_aside(q->sys, um);
    while (um->conns != NULL) {
        esock *c = um->conns;
        um->conns = c->user;
        c->user = NULL;
        esock_close(c, ESOCK_CLOSE_NOLINGER, NULL, NULL);
    }
    return 0;
}

/* ---- Carrying out ---------------------------------------------------------------------------- */

/* Whether the kernel does an operation. Flags are for system calls: MSG_PEEK would be repeated for ever, MSG_ERRQUEUE and
 * MSG_DONTWAIT mean something else. */
static bool rides(const struct uring_member *um, const esock_op *op) {
    if (op->msg_flags != 0) return false;
    switch (op->kind) {
    case ESOCK_OP_ACCEPT:
        return !(um->state & TRIES_IN);
    case ESOCK_OP_RECV: /* an empty receive has its own rules */
        if (op->flags & ESOCK_OP_AGAIN) return !(um->state & (TRIES_IN | ALONE));
        return !(um->state & TRIES_IN) && op->len > op->done;
    case ESOCK_OP_SEND:
        return !(um->state & TRIES_OUT);
    default:
        return false;
    }
}

static unsigned uring_due(const esock_member *m) {
    const struct uring_member *um = member_of(m);
    unsigned due = 0;
    for (int dir = IN; dir <= OUT; dir++) {
        const esock_op *op = first_op(m, dir);
        if (op == NULL) continue;
        bool can = (dir == IN && kept(um)) || um->state & GOT(dir);
        if (!can)
            can = rides(um, op) ? um->flight[dir] == LANDED
                                : m->flags & READY_IN << dir || um->flight[POLL] == LANDED;
        due |= (unsigned)can << dir;
    }
    return due;
}

/* Sees to it that the member is polled. */
static void watch(struct uring_queue *u, struct uring_member *um) {
    const uint32_t events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLERR | EPOLLHUP;
    if (um->flight[POLL] == LANDED && poll_again(u, um->m.s->fd, events, data_of(um, POLL)))
        um->flight[POLL] = POLLING;
}

/* Gives the first operation of a direction to the kernel. */
static void start(struct uring_queue *u, struct uring_member *um, int dir, const esock_op *op) {
    enum { LEN_MAX = 1 << 30 }; /* the kernel's own limit is less than a page away from 2 GiB */
    bool again = op->flags & ESOCK_OP_AGAIN;
    size_t left = op->len - op->done;
    bool many = again && op->kind == ESOCK_OP_RECV;
    if (many && !fed(u)) {
        starve(&u->q, &um->m);
        u->hungry++;
        return;
    }
    struct esock__sqe *e = request(u, URING_RECV, data_of(um, (unsigned)dir));
    if (e == NULL) return;
    e->fd = um->m.s->fd;
    if (op->kind == ESOCK_OP_ACCEPT) {
        e->opcode = URING_ACCEPT;
        e->op_flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
        if (again) e->ioprio = URING_ACCEPT_MULTISHOT;
        um->flight[dir] = ACCEPTING;
    } else if (many) {
        e->flags = URING_BUFFER_SELECT;
        e->ioprio = URING_RECV_MULTISHOT;
        um->flight[dir] = RECEIVING_AGAIN;
        u->armed++;
        u->arming++;
    } else {
        e->addr = (uintptr_t)op->buf + op->done;
        e->len = left < LEN_MAX ? (uint32_t)left : LEN_MAX;
        um->flight[dir] = RECEIVING;
        if (dir == OUT) {
            e->opcode = URING_SEND;
            /* Not MSG_WAITALL: the caller sees in `done` that a slow peer takes something. */
            e->op_flags = MSG_NOSIGNAL;
            um->flight[dir] = SENDING;
        }
    }
}

/* Puts the result of a single receive. */
static void take_received(struct uring_member *um, esock_op *op, struct results *r) {
    um->state &= (uint8_t)~GOT_IN;
    if (void_result(um->res[IN])) {
        um->state |= TRIES_IN;
        return;
    }
    unsigned how = (op->flags & ESOCK_OP_FULL ? ESOCK_FULL : 0u) | (op->done > 0 ? ESOCK_CONT : 0u);
    ssize_t n = esock__count_read(um->m.s, um->res[IN], op->len - op->done, 0, how, "recv");
    esock__op_received(&um->m, op, r, n);
}

static void take_sent(esock_queue *q, struct uring_member *um, esock_op *op, struct results *r) {
    um->state &= (uint8_t)~GOT_OUT;
    if (void_result(um->res[OUT])) {
        um->state |= TRIES_OUT;
        return;
    }
    size_t left = op->len - op->done;
    ssize_t n =
        esock__count_write(um->m.s, um->res[OUT], left, op->done > 0 ? ESOCK_CONT : 0u, "send");
    esock__op_sent(q, &um->m, op, r, n, n >= 0 && (size_t)n == left);
}

/* Puts an accepted connection, or what ended the accepting. */
static void take_accepted(struct uring_member *um, esock_op *op, struct results *r) {
    esock *c = um->conns;
    int n = 0;
    if (c != NULL) {
        um->conns = c->user;
        c->user = NULL;
    } else {
        n = um->end;
        um->state &= (uint8_t)~ENDS;
    }
    bool again = op->flags & ESOCK_OP_AGAIN && (n == 0 || n == -ECONNABORTED);
    if (!again) esock__op_shift(&um->m, IN);
    put(r, op, n, again ? ESOCK_RESULT_MORE : 0)->accepted = c;
}

/* Puts what is kept as a result of a repeated receive. It returns false if there is no buffer for it. */
static bool take_again(struct uring_queue *u, struct uring_member *um, esock_op *op,
                       struct results *r) {
    esock_buffers *b = &u->q.buffers;
    uint32_t i, n = 0, offset = um->offset;
    bool copied = um->aside != NULL, message = copied || um->first != NONE;
    if (!message && !(um->state & EMPTY)) {
        um->state &= (uint8_t)~ENDS;
        esock__op_shift(&um->m, IN);
        put(r, op, um->end, 0);
        return true;
    }
    if (um->first != NONE && !copied) {
        i = unkeep(u, um);
        n = u->came[i].len - offset;
        if (offset > 0) memmove(b->base + i * b->size, b->base + i * b->size + offset, n);
    } else if (b->free == 0) {
        starve(&u->q, &um->m);
        return false;
    } else {
        i = b->stack[--b->free];
        if (copied) {
            n = um->aside->len - offset;
            memcpy(b->base + i * b->size, um->aside->data + offset, n);
            free_aside(u->q.sys, um);
        } else {
            um->state &= (uint8_t)~EMPTY;
        }
    }
    if (op->kind == ESOCK_OP_RECVFROM) memset(&b->senders[i], 0, sizeof b->senders[i]);
    put(r, op, n, ESOCK_RESULT_MORE | ESOCK_RESULT_BUFFER)->buffer = i;
    return true;
}

/* Gives a single receive what is kept, as the kernel would: a message is cut, a stream goes on. */
static void take_once(struct uring_queue *u, struct uring_member *um, esock_op *op,
                      struct results *r) {
    const esock_buffers *b = &u->q.buffers;
    size_t room = op->len - op->done, n = 0, full = 0;
    if (um->aside != NULL || um->first != NONE) {
        const unsigned char *at =
            um->aside != NULL ? um->aside->data : b->base + um->first * b->size;
        full = (um->aside != NULL ? um->aside->len : u->came[um->first].len) - um->offset;
        n = full < room ? full : room;
        if (n > 0) memcpy((char *)op->buf + op->done, at + um->offset, n);
        if (n < full && um->m.s->type == SOCK_STREAM)
            um->offset += (uint32_t)n;
        else if (um->aside != NULL)
            free_aside(u->q.sys, um);
        else
            give_buffer_back(&u->q.buffers, unkeep(u, um));
    } else if (um->state & EMPTY) {
        um->state &= (uint8_t)~EMPTY;
    } else {
        um->state &= (uint8_t)~ENDS;
        esock__op_received(&um->m, op, r, um->end);
        return;
    }
    if (op->kind == ESOCK_OP_RECVFROM) memset(op->addr, 0, sizeof *op->addr);
    if (op->kind == ESOCK_OP_RECVMSG) {
        memset(&op->msg->out, 0, sizeof op->msg->out);
        op->msg->out.full_len = full;
        if (full > n && um->m.s->type != SOCK_STREAM) op->msg->out.flags = MSG_TRUNC;
    }
    esock__op_received(&um->m, op, r, (ssize_t)n);
}

static void serve_in(struct uring_queue *u, struct uring_member *um, struct results *r) {
    esock_op *op;
    for (int i = 0; (op = first_op(&um->m, IN)) != NULL && r->n < r->max; i++) {
        bool accepts = op->kind == ESOCK_OP_ACCEPT, again = op->flags & ESOCK_OP_AGAIN;
        if (i == (accepts ? ACCEPTS : 1)) return;
        if (um->state & GOT_IN) {
            take_received(um, op, r);
        } else if (kept(um) && accepts) {
            take_accepted(um, op, r);
        } else if (kept(um) && again) {
            if (!take_again(u, um, op, r)) return;
        } else if (kept(um)) {
            take_once(u, um, op, r);
        } else if (rides(um, op)) {
            if (um->flight[IN] == LANDED) start(u, um, IN, op);
            return;
        } else {
            int before = r->n;
            watch(u, um);
            if (um->m.flags & READY_IN) esock__queue_serve_in(&u->q, &um->m, r);
            if (r->n > before) um->state &= (uint8_t)~TRIES_IN;
            return;
        }
    }
}

static void serve_out(struct uring_queue *u, struct uring_member *um, struct results *r) {
    esock_op *op;
    while ((op = first_op(&um->m, OUT)) != NULL && r->n < r->max) {
        if (um->state & GOT_OUT) {
            take_sent(&u->q, um, op, r);
        } else if (rides(um, op)) {
            if (um->flight[OUT] == LANDED) start(u, um, OUT, op);
            return;
        } else {
            watch(u, um);
            if (um->m.flags & READY_OUT) esock__queue_serve_out(&u->q, &um->m, r);
            if (first_op(&um->m, OUT) != op) um->state &= (uint8_t)~TRIES_OUT;
            return;
        }
    }
}

static void uring_serve(esock_queue *q, esock_member *m, struct results *r) {
    serve_out(of(q), member_of(m), r);
    serve_in(of(q), member_of(m), r);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

/* From now on the kernel sets `ready` when something comes, and it is set if something has come. */
static void tell(struct uring_queue *u) {
    if (u->told) return;
    __atomic_store_n(&u->told, 1, __ATOMIC_SEQ_CST);
    uint32_t flags = *u->cq_flags & ~(uint32_t)URING_CQ_EVENTFD_DISABLED;
    __atomic_store_n(u->cq_flags, flags, __ATOMIC_SEQ_CST); /* before stirs looks */
    if (stirs(u)) u->q.sys->event_set(u->q.sys, u->ready);
}

static void hush(struct uring_queue *u) {
    if (!u->told) return;
    __atomic_store_n(&u->told, 0, __ATOMIC_SEQ_CST);
    store(u->cq_flags, *u->cq_flags | URING_CQ_EVENTFD_DISABLED);
    u->q.sys->event_clear(u->q.sys, u->ready);
}

/* The kernel sees `event` and would set `ready`, but milliseconds later: an event descriptor that another one sets waits for
 * a grace period of RCU. */
static void uring_woken(esock_queue *q) {
    struct uring_queue *u = of(q);
    if (__atomic_load_n(&u->told, __ATOMIC_SEQ_CST)) q->sys->event_set(q->sys, u->ready);
}

static bool nothing_to_do(struct uring_queue *u) {
    return ring_empty(&u->q.listed) && !feeds(u) && !stirs(u);
}

static int uring_idle(esock_queue *q) {
    struct uring_queue *u = of(q);
    if (!u->watches || u->tail != load(u->sq_head) || !nothing_to_do(u)) return 0;
    tell(u);
    return !stirs(u);
}

static void serve_all(struct uring_queue *u, struct results *r) {
    if (feeds(u)) {
        u->hungry = 0;
        esock__queue_feed(&u->q);
    }
    esock__queue_serve(&u->q, r);
}

/* The first thread that waits has the ring from then on. */
static int begin(struct uring_queue *u) {
    const esock_sys *sys = u->q.sys;
    if (!u->enabled) {
        int r = sys->uring_register(sys, u->fd, URING_REGISTER_ENABLE_RINGS, NULL, 0);
        if (r < 0) return r;
        u->enabled = true;
    }
    if (!u->watches) u->watches = poll_again(u, u->q.event, EPOLLIN, DATA_WAKE);
    return 0;
}

static int uring_wait(esock_queue *q, struct results *r, int timeout_ms) {
    enum { ROUNDS = 16 }; /* an enter does the work of some 20 completions */
    struct uring_queue *u = of(q);
    int failed = begin(u);
    if (failed < 0) return failed;
    hush(u);
    serve_all(u, r); /* before the kernel gets buffers: some wait for one */
    if (u->armed > 0) provide(u);
    bool sleep = timeout_ms != 0 && r->n == 0 && nothing_to_do(u);
    if (sleep || u->tail != load(u->sq_head) || stirs(u)) {
        failed = enter(u, sleep, timeout_ms);
        collect(u);
        for (int i = 1; i < ROUNDS && failed == 0 && load(u->sq_flags) & URING_SQ_TASKRUN; i++) {
            failed = enter(u, 0, 0);
            collect(u);
        }
    }
    /* Not a second time: one call gives a member one result of a repeated receive, so that the caller can end it. */
    if (failed == 0 && r->n == 0) serve_all(u, r);
    if (timeout_ms == 0 && r->n == 0) tell(u);
    return failed;
}

static int uring_busy_poll(esock_queue *q, uint32_t usecs, uint16_t budget, bool prefer) {
    struct esock__uring_napi napi = {.busy_poll_to = usecs, .prefer_busy_poll = prefer};
    (void)budget;
    int r = q->sys->uring_register(q->sys, of(q)->fd, URING_REGISTER_NAPI, &napi, 1);
    if (r == -EINVAL) return -ENOTTY; /* it does not know the operation */
    return r < 0 ? r : 0;
}

static int uring_fd(const esock_queue *q) {
    return of(q)->ready;
}

const esock__engine esock__queue_uring = {
    .queue_size = sizeof(struct uring_queue),
    .member_size = sizeof(struct uring_member),
    .open = uring_open,
    .close = uring_close,
    .add = uring_add,
    .remove = uring_remove,
    .kept = uring_kept,
    .due = uring_due,
    .stop = uring_stop,
    .serve = uring_serve,
    .wait = uring_wait,
    .idle = uring_idle,
    .fd = uring_fd,
    .woken = uring_woken,
    .busy_poll = uring_busy_poll,
};
