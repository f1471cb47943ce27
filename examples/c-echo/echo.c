/* An echo server: one thread, one queue, any number of connections. It prints the port that it listens on.
 *
 *     cc echo.c -o echo $(pkg-config --cflags --libs esock) && ./echo 7777
 *
 * Each connection has one repeated receive, whose results are in buffers of the queue. A buffer is sent as it is, and
 * comes back when all of it has gone: data is never copied. A peer that sends and does not read holds at most
 * UNSENT_MAX buffers, because its receive is cancelled until it has read. */
#include <errno.h>
#include <esock_queue.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { RESULTS = 64, UNSENT_MAX = 8 };

struct conn {
    esock *s;
    esock_member *m;
    esock_op receive;
    unsigned unsent; /* buffers that are being sent */
    int reads;       /* the queue has `receive` */
    int ended;       /* the peer has sent all */
    struct conn *next;
};

static esock_queue *queue;
static esock_buffers *buffers;
static esock_op *sends;    /* one for each buffer; `user` is its connection, or 0 */
static struct conn *ended; /* closed, but results of the present batch may name them */

static void check(const char *what, int r) {
    if (r >= 0) return;
    fprintf(stderr, "%s: %s\n", what, strerror(-r));
    exit(1);
}

static void put_back(uint32_t i) {
    buffers->stack[buffers->free++] = i;
}

/* Ends a connection. A send that was not done leaves its buffer with the caller. */
static void end(struct conn *c) {
    if (c->s == NULL) return;
    check("remove", esock_queue_remove(queue, c->m));
    for (uint32_t i = 0; i < buffers->count; i++) {
        if (sends[i].user != (uintptr_t)c) continue;
        sends[i].user = 0;
        put_back(i);
    }
    esock_close(c->s, ESOCK_CLOSE_NOLINGER, NULL, NULL);
    c->s = NULL;
    c->next = ended;
    ended = c;
}

static void receive(struct conn *c) {
    c->receive = (esock_op){
        .kind = ESOCK_OP_RECV, .flags = ESOCK_OP_AGAIN, .member = c->m, .user = (uintptr_t)c};
    check("receive", esock_queue_give(queue, &c->receive));
    c->reads = 1;
}

static void begin(esock *s) {
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL || esock_queue_add(queue, s, &c->m) < 0) {
        esock_close(s, ESOCK_CLOSE_NOLINGER, NULL, NULL);
        free(c);
        return;
    }
    c->s = s;
    receive(c);
}

static int is_send(const esock_op *op) {
    return op >= sends && op < sends + buffers->count;
}

static void received(struct conn *c, const esock_result *r) {
    if (!(r->flags & ESOCK_RESULT_MORE)) c->reads = 0;
    if (!(r->flags & ESOCK_RESULT_BUFFER)) { /* an error, or 0: the end */
        c->ended = 1;
        if (r->n < 0 || c->unsent == 0) end(c);
        return;
    }
    esock_op *send = &sends[r->buffer];
    *send = (esock_op){.kind = ESOCK_OP_SEND,
                       .flags = ESOCK_OP_BUFFER,
                       .member = c->m,
                       .user = (uintptr_t)c,
                       .buf = buffers->base + r->buffer * buffers->size,
                       .len = (size_t)r->n};
    check("send", esock_queue_give(queue, send));
    if (++c->unsent < UNSENT_MAX || !c->reads) return;
    int cancelled = esock_queue_cancel(queue, &c->receive);
    if (cancelled == -ENOENT) return; /* its last result is in the present batch */
    check("cancel", cancelled);
    c->reads = 0;
}

static void sent(struct conn *c, const esock_result *r) {
    if (r->n < 0) {
        end(c);
        return;
    }
    c->unsent--;
    if (c->ended && c->unsent == 0)
        end(c);
    else if (!c->ended && !c->reads && c->unsent < UNSENT_MAX / 2)
        receive(c);
}

int main(int argc, char **argv) {
    static esock_result results[RESULTS];
    esock_queue_config config = {.engine = ESOCK_QUEUE_URING_OR_EPOLL};
    esock *listener;
    esock_member *m;
    esock_addr a;

    check("address", esock_addr_shorthand(&a, AF_INET, ESOCK_LOOPBACK));
    a.port = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    check("open", esock_open(&listener, AF_INET, SOCK_STREAM, 0, NULL));
    check("bind", esock_bind(listener, &a));
    check("listen", esock_listen(listener, 1024));
    check("name", esock_sockname(listener, &a));

    check("queue", esock_queue_new(&queue, &config, NULL));
    buffers = esock_queue_buffers(queue);
    sends = calloc(buffers->count, sizeof *sends);
    if (sends == NULL) check("memory", -ENOMEM);
    check("add", esock_queue_add(queue, listener, &m));
    const esock_op accepts = {.kind = ESOCK_OP_ACCEPT, .flags = ESOCK_OP_AGAIN, .member = m};
    esock_op accept = accepts;
    check("accept", esock_queue_give(queue, &accept));
    int accepting = 1;
    printf("%" PRIu32 "\n", a.port);
    fflush(stdout);

    for (;;) {
        int n = esock_queue_wait(queue, results, RESULTS, -1);
        check("wait", n);
        for (int i = 0; i < n; i++) { /* the queue has the buffers of sends that are done */
            if (is_send(results[i].op) && results[i].n >= 0) results[i].op->user = 0;
        }
        for (int i = 0; i < n; i++) {
            const esock_result *r = &results[i];
            struct conn *c = (struct conn *)(uintptr_t)r->user;
            if (r->op == &accept) {
                if (r->accepted != NULL) begin(r->accepted);
                if (r->flags & ESOCK_RESULT_MORE) continue;
                if (r->n != -EMFILE && r->n != -ENFILE) check("accept", (int)r->n);
                accepting = 0;         /* until a connection ends */
            } else if (c->s == NULL) { /* it ended in this batch */
                if (r->flags & ESOCK_RESULT_BUFFER) put_back(r->buffer);
            } else if (r->op == &c->receive) {
                received(c, r);
            } else {
                sent(c, r);
            }
        }
        if (ended != NULL && !accepting) {
            accept = accepts;
            check("accept", esock_queue_give(queue, &accept));
            accepting = 1;
        }
        while (ended != NULL) {
            struct conn *c = ended;
            ended = c->next;
            free(c);
        }
    }
}
