//go:build ignore

/* The echo server over io_uring that one writes by hand, with raw system calls: a multishot accept, a multishot receive
 * of each connection into a ring of buffers, and sends. One enter gives what is to be given and waits. It needs Linux
 * 6.1. (The line above keeps the Go tool from this file.) */
#define _GNU_SOURCE
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ENTRIES = 4096, BUFFERS = 4096, SIZE = 2048 };

enum {
    ACCEPT = 1,
    RECEIVE,
    SEND,
    INPUT
}; /* the top byte of the user data; below: buffer and descriptor */

static int ring;
static unsigned *sq_tail, sq_mask, *cq_head, *cq_tail, cq_mask, given;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;
static struct io_uring_buf_ring *buffers;
static unsigned short buffers_tail;
static char data[BUFFERS][SIZE];

static void *map(size_t size, int fd, off_t at) {
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED | MAP_POPULATE, fd, at);
    need(p != MAP_FAILED, "mmap");
    return p;
}

static void enter(unsigned least) {
    while (given > 0 || least > 0) {
        long n = syscall(SYS_io_uring_enter, ring, given, least, IORING_ENTER_GETEVENTS, NULL, 0);
        need(n >= 0 || errno == EINTR, "io_uring_enter");
        if (n < 0) continue;
        given -= (unsigned)n;
        least = 0;
    }
}

static struct io_uring_sqe *next(int what, unsigned buffer, int fd, int op) {
    if (given == ENTRIES) enter(0);
    unsigned tail = *sq_tail;
    struct io_uring_sqe *e = &sqes[tail & sq_mask];
    memset(e, 0, sizeof *e);
    e->opcode = (uint8_t)op;
    e->fd = fd;
    e->user_data = (uint64_t)what << 56 | (uint64_t)buffer << 32 | (uint32_t)fd;
    __atomic_store_n(sq_tail, tail + 1, __ATOMIC_RELEASE);
    given++;
    return e;
}

static void receive(int fd) {
    struct io_uring_sqe *e = next(RECEIVE, 0, fd, IORING_OP_RECV);
    e->ioprio = IORING_RECV_MULTISHOT;
    e->flags = IOSQE_BUFFER_SELECT;
}

static void put_back(unsigned i) {
    struct io_uring_buf *b = &buffers->bufs[buffers_tail & (BUFFERS - 1)];
    b->addr = (uint64_t)(uintptr_t)data[i];
    b->len = SIZE;
    b->bid = (uint16_t)i;
    __atomic_store_n(&buffers->tail, ++buffers_tail, __ATOMIC_RELEASE);
}

static void set_up(void) {
    struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                         IORING_SETUP_CQSIZE,
                                .cq_entries = 4 * ENTRIES};
    ring = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
    need(ring >= 0, "io_uring_setup");
    char *sq = map(p.sq_off.array + p.sq_entries * sizeof(unsigned), ring, IORING_OFF_SQ_RING);
    char *cq = map(p.cq_off.cqes + p.cq_entries * sizeof *cqes, ring, IORING_OFF_CQ_RING);
    sqes = map(p.sq_entries * sizeof *sqes, ring, IORING_OFF_SQES);
    sq_tail = (unsigned *)(void *)(sq + p.sq_off.tail);
    sq_mask = *(unsigned *)(void *)(sq + p.sq_off.ring_mask);
    unsigned *array = (unsigned *)(void *)(sq + p.sq_off.array);
    for (unsigned i = 0; i < p.sq_entries; i++)
        array[i] = i;
    cq_head = (unsigned *)(void *)(cq + p.cq_off.head);
    cq_tail = (unsigned *)(void *)(cq + p.cq_off.tail);
    cq_mask = *(unsigned *)(void *)(cq + p.cq_off.ring_mask);
    cqes = (struct io_uring_cqe *)(void *)(cq + p.cq_off.cqes);
    buffers = map(BUFFERS * sizeof(struct io_uring_buf), -1, 0);
    struct io_uring_buf_reg reg = {.ring_addr = (uint64_t)(uintptr_t)buffers,
                                   .ring_entries = BUFFERS};
    need(syscall(SYS_io_uring_register, ring, IORING_REGISTER_PBUF_RING, &reg, 1) == 0,
         "io_uring_register");
    for (unsigned i = 0; i < BUFFERS; i++)
        put_back(i);
}

static void came(int fd, int n, unsigned flags) {
    if (n > 0) {
        unsigned i = flags >> IORING_CQE_BUFFER_SHIFT;
        struct io_uring_sqe *e = next(SEND, i, fd, IORING_OP_SEND);
        e->addr = (uint64_t)(uintptr_t)data[i];
        e->len = (uint32_t)n;
        e->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
    }
    if (flags & IORING_CQE_F_MORE) return;
    if (n > 0 || n == -ENOBUFS)
        receive(fd);
    else
        close(fd);
}

void serve_ring(void) {
    struct sockaddr_in at;
    int l = listen_here(&at), on = 1;
    need(listen(l, 1024) == 0, "listen");
    set_up();
    next(ACCEPT, 0, l, IORING_OP_ACCEPT)->ioprio = IORING_ACCEPT_MULTISHOT;
    next(INPUT, 0, STDIN_FILENO, IORING_OP_POLL_ADD)->poll32_events = POLLIN | POLLHUP;
    printf("{\"mode\":\"serve-ring\",\"port\":%d}\n", ntohs(at.sin_port));
    fflush(stdout);
    for (;;) {
        enter(1);
        unsigned head = *cq_head, tail = __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE);
        for (; head != tail; head++) {
            struct io_uring_cqe *e = &cqes[head & cq_mask];
            int fd = (int)(uint32_t)e->user_data;
            switch (e->user_data >> 56) {
            case ACCEPT:
                need(e->res >= 0 && e->flags & IORING_CQE_F_MORE, "accept");
                setsockopt(e->res, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                receive(e->res);
                break;
            case RECEIVE:
                came(fd, e->res, e->flags);
                break;
            case SEND:
                put_back((unsigned)(e->user_data >> 32 & 0xffffff));
                break;
            default: /* standard input has ended */
                return;
            }
        }
        __atomic_store_n(cq_head, head, __ATOMIC_RELEASE);
    }
}
