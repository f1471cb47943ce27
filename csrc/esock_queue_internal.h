/* What the files of the completion queue share: members and their operations, how the system calls of an operation are
 * made, and what an engine is. Programs do not include this. */
#ifndef ESOCK_QUEUE_INTERNAL_H
#define ESOCK_QUEUE_INTERNAL_H

#include "esock_queue.h"

#include "esock_internal.h"

enum { IN, OUT }; /* a direction */

enum member_flag {
    READY_IN = 1 << IN, /* a try in the direction may succeed */
    READY_OUT = 1 << OUT,
    LISTED = 4,
    ENDED =
        8, /* the peer has sent its end, or there is an error: a short receive is not the last */
    PLAIN = 16,     /* a short receive empties the socket */
    LOOKED = 32,    /* PLAIN was looked up */
    DUPLICATE = 64, /* `watched` is ours to close */
    STARVED = 128   /* listed, but among those that wait for a buffer */
};

enum op_state { IDLE, GIVEN, STARTED /* connect: in progress */ };

enum { ACCEPTS = 64, MESSAGES = 32 }; /* of one socket in a call */

/* The head of an engine's own structure. */
struct esock_member {
    esock *s;
    esock_op *last[2]; /* of each direction; its `next` is the first */
    esock_member *prev, *next;
    int watched; /* epoll: the descriptor that it watches */
    uint8_t flags;
};

/* Where the results of a call go. */
struct results {
    esock_result *out;
    int n, max;
};

/* How a queue waits for its members. */
typedef struct esock__engine {
    size_t queue_size, member_size;
    int (*open)(esock_queue *q);
    void (*close)(esock_queue *q);
    int (*add)(esock_queue *q, esock_member *m);
    int (*remove)(esock_queue *q, esock_member *m); /* < 0: it stays */
    int (*kept)(const esock_member *m);             /* NULL: nothing */
    /* Whether something can be done for the first operation of each direction, 1 << IN | 1 << OUT. */
    unsigned (*due)(const esock_member *m);
    /* Makes the first operation of a direction the caller's again. < 0: it stays. NULL: it always is. */
    int (*stop)(esock_queue *q, esock_member *m, int dir);
    /* Gives a member its turn. There is room for a result. */
    void (*serve)(esock_queue *q, esock_member *m, struct results *r);
    int (*wait)(esock_queue *q, struct results *r, int timeout_ms);
    int (*idle)(esock_queue *q);
    int (*fd)(const esock_queue *q);
    void (*woken)(esock_queue *q); /* `event` was set, by any thread; NULL: that is all */
    int (*busy_poll)(esock_queue *q, uint32_t usecs, uint16_t budget, bool prefer);
} esock__engine;

extern const esock__engine esock__queue_epoll, esock__queue_uring;

/* The head of an engine's own structure. */
struct esock_queue {
    esock_buffers buffers;
    const esock_sys *sys;
    const esock__engine *engine;
    int event;   /* an eventfd: esock_queue_wake */
    int refused; /* why there is no io_uring */
    uint32_t members;
    esock_member listed;  /* the head of a ring: members to serve */
    esock_member starved; /* those whose receive waits for a buffer */
};

/* ---- Rings of members ------------------------------------------------------------------------ */

static inline void ring_init(esock_member *head) {
    head->prev = head->next = head;
}

static inline bool ring_empty(const esock_member *head) {
    return head->next == head;
}

static inline void append(esock_member *head, esock_member *m) {
    m->prev = head->prev;
    m->next = head;
    m->prev->next = head->prev = m;
    m->flags |= LISTED;
}

static inline void unlist(esock_member *m) {
    if (!(m->flags & LISTED)) return;
    m->prev->next = m->next;
    m->next->prev = m->prev;
    m->flags &= (uint8_t) ~(LISTED | STARVED);
}

/* Lists a member whose receive waits for a buffer. */
static inline void starve(esock_queue *q, esock_member *m) {
    unlist(m);
    append(&q->starved, m);
    m->flags |= STARVED;
}

/* Lists a member for which something can be done. */
void esock__queue_list(esock_queue *q, esock_member *m);

/* Lists those that wait for a buffer. */
void esock__queue_feed(esock_queue *q);

/* Gives each listed member one turn, as long as there is room for results. */
void esock__queue_serve(esock_queue *q, struct results *r);

/* ---- Operations ------------------------------------------------------------------------------ */

static inline esock_op *first_op(const esock_member *m, int dir) {
    return m->last[dir] == NULL ? NULL : m->last[dir]->next;
}

/* Takes the first operation of a direction off its list. */
esock_op *esock__op_shift(esock_member *m, int dir);

/* Appends a result. There must be room. */
static inline esock_result *put(struct results *r, esock_op *op, int64_t n, uint32_t flags) {
    esock_result *out = &r->out[r->n++];
    *out = (esock_result){.op = op, .user = op->user, .n = n, .flags = flags};
    return out;
}

static inline void give_buffer_back(esock_buffers *b, uint32_t i) {
    b->stack[b->free++] = i;
}

/* Account for what a system call of the first operation returned, after it was counted; not for -EAGAIN. `all`: everything
 * was sent. There is room for a result. */
void esock__op_received(esock_member *m, esock_op *op, struct results *r, ssize_t n);
void esock__op_sent(esock_queue *q, esock_member *m, esock_op *op, struct results *r, ssize_t n,
                    bool all);

/* What epoll reports, or io_uring's poll, which has the same numbers. */
void esock__member_polled(esock_member *m, uint32_t events);

/* Carry out the operations of a direction with system calls, once each, as far as the ready flags go. */
void esock__queue_serve_in(esock_queue *q, esock_member *m, struct results *r);
void esock__queue_serve_out(esock_queue *q, esock_member *m, struct results *r);

#endif
