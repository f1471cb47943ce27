#include "script.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

static const esock_sys *real(void) {
    return esock_sys_libc();
}

void script_put(struct script *k, enum script_call call, struct script_answer answer) {
    if (k->tail[call] - k->head[call] == SCRIPT_DEPTH) {
        fprintf(stderr, "script: more than %d answers for one call\n", SCRIPT_DEPTH);
        abort();
    }
    if (answer.times == 0) {
        answer.times = 1;
    }
    k->queue[call][k->tail[call]++ % SCRIPT_DEPTH] = answer;
}

void script_answer(struct script *k, enum script_call call, long result) {
    script_times(k, call, 1, result);
}

void script_times(struct script *k, enum script_call call, unsigned n, long result) {
    script_put(k, call, (struct script_answer){.result = result, .times = n});
}

void script_cut(struct script *k, enum script_call call, size_t max) {
    script_put(k, call, (struct script_answer){.pass = true, .cut = max});
}

void script_pass(struct script *k, enum script_call call) {
    script_put(k, call, (struct script_answer){.pass = true, .cut = SIZE_MAX});
}

unsigned script_count(const struct script *k, enum script_call call) {
    return k->calls[call];
}

const struct script_seen *script_last(const struct script *k, enum script_call call) {
    return k->calls[call] > 0 ? &k->last[call] : NULL;
}

bool script_used_up(const struct script *k) {
    for (int c = 0; c < K_CALLS; c++) {
        if (k->head[c] != k->tail[c]) {
            return false;
        }
    }
    return true;
}

int script_open_fds(void) {
    DIR *d = opendir("/proc/self/fd");
    int n = 0;
    if (d == NULL) {
        return -1;
    }
    while (readdir(d) != NULL) {
        n++;
    }
    closedir(d);
    return n - 3; /* ".", ".." and the directory itself */
}

/* Notes a call and takes the answer prepared for it. Returns true if the real kernel must not be called. */
struct turn {
    struct script_answer answer;
    struct script_seen *seen;
};

static bool begin(const esock_sys *sys, enum script_call call, int fd, long a, long b, size_t len,
                  struct turn *t) {
    struct script *k =
        (struct script *)(uintptr_t)sys; /* sys is its first member, and it is not const */
    k->calls[call]++;
    t->seen = &k->last[call];
    *t->seen =
        (struct script_seen){.call = call, .at = k->all++, .fd = fd, .a = a, .b = b, .len = len};
    t->answer = (struct script_answer){.pass = true, .cut = SIZE_MAX};
    if (k->head[call] != k->tail[call]) {
        struct script_answer *q = &k->queue[call][k->head[call] % SCRIPT_DEPTH];
        t->answer = *q;
        if (--q->times == 0) {
            k->head[call]++;
        }
    }
    return !t->answer.pass;
}

static long end(struct turn *t, long result) {
    t->seen->result = result;
    return result;
}

static size_t at_most(size_t n, size_t max) {
    return n < max ? n : max;
}

static void give(const struct turn *t, void *to, size_t room) {
    if (t->answer.data != NULL && to != NULL) {
        memcpy(to, t->answer.data, at_most(t->answer.data_len, room));
    }
}

static void give_len(const struct turn *t, void *to, socklen_t *len) {
    if (len != NULL && to != NULL && t->answer.data != NULL) {
        give(t, to, *len);
        *len = (socklen_t)t->answer.data_len;
    }
}

static int k_socket(const esock_sys *sys, int domain, int type, int protocol) {
    struct turn t;
    bool canned = begin(sys, K_SOCKET, -1, type, protocol, 0, &t);
    return (int)end(&t, canned ? t.answer.result : real()->socket(real(), domain, type, protocol));
}

static int k_accept4(const esock_sys *sys, int fd, struct sockaddr *addr, socklen_t *len,
                     int flags) {
    struct turn t;
    bool canned = begin(sys, K_ACCEPT4, fd, flags, 0, 0, &t);
    if (canned) {
        give_len(&t, addr, len);
    }
    return (int)end(&t, canned ? t.answer.result : real()->accept4(real(), fd, addr, len, flags));
}

static int k_dup(const esock_sys *sys, int fd) {
    struct turn t;
    bool canned = begin(sys, K_DUP, fd, 0, 0, 0, &t);
    return (int)end(&t, canned ? t.answer.result : real()->dup(real(), fd));
}

static int k_getfl(const esock_sys *sys, int fd) {
    struct turn t;
    bool canned = begin(sys, K_GETFL, fd, 0, 0, 0, &t);
    return (int)end(&t, canned ? t.answer.result : real()->getfl(real(), fd));
}

static int k_setfl(const esock_sys *sys, int fd, int flags) {
    struct turn t;
    bool canned = begin(sys, K_SETFL, fd, flags, 0, 0, &t);
    return (int)end(&t, canned ? t.answer.result : real()->setfl(real(), fd, flags));
}

static int k_getfd(const esock_sys *sys, int fd) {
    struct turn t;
    bool canned = begin(sys, K_GETFD, fd, 0, 0, 0, &t);
    return (int)end(&t, canned ? t.answer.result : real()->getfd(real(), fd));
}

static int k_setfd(const esock_sys *sys, int fd, int flags) {
    struct turn t;
    bool canned = begin(sys, K_SETFD, fd, flags, 0, 0, &t);
    return (int)end(&t, canned ? t.answer.result : real()->setfd(real(), fd, flags));
}

/* Linux frees the number before it reports an error, so a failing close of a real descriptor closes
 * it too. */
static int k_close(const esock_sys *sys, int fd) {
    struct turn t;
    bool canned = begin(sys, K_CLOSE, fd, 0, 0, 0, &t);
    int r = real()->close(real(), fd);
    return (int)end(&t, canned ? t.answer.result : r);
}

static int k_close_lingering(const esock_sys *sys, int fd) {
    struct turn t;
    bool canned = begin(sys, K_CLOSE_LINGERING, fd, 0, 0, 0, &t);
    int r = real()->close_lingering(real(), fd);
    return (int)end(&t, canned ? t.answer.result : r);
}

static int k_bind(const esock_sys *sys, int fd, const struct sockaddr *addr, socklen_t len) {
    struct turn t;
    bool canned = begin(sys, K_BIND, fd, 0, 0, len, &t);
    return (int)end(&t, canned ? t.answer.result : real()->bind(real(), fd, addr, len));
}

static int k_connect(const esock_sys *sys, int fd, const struct sockaddr *addr, socklen_t len) {
    struct turn t;
    bool canned = begin(sys, K_CONNECT, fd, 0, 0, len, &t);
    return (int)end(&t, canned ? t.answer.result : real()->connect(real(), fd, addr, len));
}

static int k_listen(const esock_sys *sys, int fd, int backlog) {
    struct turn t;
    bool canned = begin(sys, K_LISTEN, fd, backlog, 0, 0, &t);
    return (int)end(&t, canned ? t.answer.result : real()->listen(real(), fd, backlog));
}

static int k_shutdown(const esock_sys *sys, int fd, int how) {
    struct turn t;
    bool canned = begin(sys, K_SHUTDOWN, fd, how, 0, 0, &t);
    return (int)end(&t, canned ? t.answer.result : real()->shutdown(real(), fd, how));
}

static int k_getsockname(const esock_sys *sys, int fd, struct sockaddr *addr, socklen_t *len) {
    struct turn t;
    bool canned = begin(sys, K_GETSOCKNAME, fd, 0, 0, *len, &t);
    if (canned) {
        give_len(&t, addr, len);
    }
    return (int)end(&t, canned ? t.answer.result : real()->getsockname(real(), fd, addr, len));
}

static int k_getpeername(const esock_sys *sys, int fd, struct sockaddr *addr, socklen_t *len) {
    struct turn t;
    bool canned = begin(sys, K_GETPEERNAME, fd, 0, 0, *len, &t);
    if (canned) {
        give_len(&t, addr, len);
    }
    return (int)end(&t, canned ? t.answer.result : real()->getpeername(real(), fd, addr, len));
}

static int k_getsockopt(const esock_sys *sys, int fd, int level, int opt, void *val,
                        socklen_t *len) {
    struct turn t;
    bool canned = begin(sys, K_GETSOCKOPT, fd, level, opt, *len, &t);
    if (canned) {
        give_len(&t, val, len);
    }
    return (int)end(&t, canned ? t.answer.result
                               : real()->getsockopt(real(), fd, level, opt, val, len));
}

static int k_setsockopt(const esock_sys *sys, int fd, int level, int opt, const void *val,
                        socklen_t len) {
    struct turn t;
    bool canned = begin(sys, K_SETSOCKOPT, fd, level, opt, len, &t);
    if (val != NULL) {
        memcpy(t.seen->data, val, at_most(len, sizeof t.seen->data));
    }
    return (int)end(&t, canned ? t.answer.result
                               : real()->setsockopt(real(), fd, level, opt, val, len));
}

/* The whole data of an answer is written over the request, even if the real kernel would write less. A request has the size of
 * its argument in bits 16 to 28, or has none (_IOC_SIZE, which musl lacks). */
static int k_ioctl(const esock_sys *sys, int fd, unsigned long request, void *arg) {
    struct turn t;
    bool canned = begin(sys, K_IOCTL, fd, (long)request, 0, 0, &t);
    memcpy(t.seen->data, arg, at_most(request >> 16 & 0x1fff, sizeof t.seen->data));
    if (canned) {
        give(&t, arg, t.answer.data_len);
    }
    return (int)end(&t, canned ? t.answer.result : real()->ioctl(real(), fd, request, arg));
}

static ssize_t k_recv(const esock_sys *sys, int fd, void *buf, size_t len, int flags) {
    struct turn t;
    bool canned = begin(sys, K_RECV, fd, flags, 0, len, &t);
    if (canned) {
        give(&t, buf, len);
        return end(&t, t.answer.result);
    }
    return end(&t, real()->recv(real(), fd, buf, at_most(len, t.answer.cut), flags));
}

static ssize_t k_recvfrom(const esock_sys *sys, int fd, void *buf, size_t len, int flags,
                          struct sockaddr *addr, socklen_t *addrlen) {
    struct turn t;
    bool canned = begin(sys, K_RECVFROM, fd, flags, 0, len, &t);
    if (canned) {
        give(&t, buf, len);
        if (addrlen != NULL) {
            *addrlen = 0;
        }
        return end(&t, t.answer.result);
    }
    return end(&t,
               real()->recvfrom(real(), fd, buf, at_most(len, t.answer.cut), flags, addr, addrlen));
}

static ssize_t k_recvmsg(const esock_sys *sys, int fd, struct msghdr *msg, int flags) {
    struct turn t;
    bool canned = begin(sys, K_RECVMSG, fd, flags, 0, 0, &t);
    if (!canned) {
        return end(&t, real()->recvmsg(real(), fd, msg, flags));
    }
    if (msg->msg_iovlen > 0) {
        give(&t, msg->msg_iov[0].iov_base, msg->msg_iov[0].iov_len);
    }
    size_t control =
        t.answer.control != NULL ? at_most(t.answer.control_len, msg->msg_controllen) : 0;
    if (control > 0) {
        memcpy(msg->msg_control, t.answer.control, control);
    }
    msg->msg_controllen = (__typeof__(msg->msg_controllen))control;
    msg->msg_flags = t.answer.msg_flags;
    msg->msg_namelen = 0;
    return end(&t, t.answer.result);
}

static int k_recvmmsg(const esock_sys *sys, int fd, struct mmsghdr *msgs, unsigned n, int flags) {
    struct turn t;
    bool canned = begin(sys, K_RECVMMSG, fd, flags, 0, n, &t);
    if (!canned) {
        return (int)end(
            &t, real()->recvmmsg(real(), fd, msgs, (unsigned)at_most(n, t.answer.cut), flags));
    }
    for (long i = 0; i < t.answer.result; i++) {
        struct msghdr *m = &msgs[i].msg_hdr;
        give(&t, m->msg_iov[0].iov_base, m->msg_iov[0].iov_len);
        msgs[i].msg_len = (unsigned)t.answer.data_len;
        size_t control =
            t.answer.control != NULL ? at_most(t.answer.control_len, m->msg_controllen) : 0;
        if (control > 0) {
            memcpy(m->msg_control, t.answer.control, control);
        }
        m->msg_controllen = (__typeof__(m->msg_controllen))control;
        m->msg_flags = t.answer.msg_flags;
        m->msg_namelen = 0;
    }
    return (int)end(&t, t.answer.result);
}

static int k_sendmmsg(const esock_sys *sys, int fd, struct mmsghdr *msgs, unsigned n, int flags) {
    struct turn t;
    bool canned = begin(sys, K_SENDMMSG, fd, flags, (long)msgs[0].msg_hdr.msg_controllen, n, &t);
    return (int)end(
        &t, canned ? t.answer.result
                   : real()->sendmmsg(real(), fd, msgs, (unsigned)at_most(n, t.answer.cut), flags));
}

static ssize_t k_send(const esock_sys *sys, int fd, const void *buf, size_t len, int flags) {
    struct turn t;
    bool canned = begin(sys, K_SEND, fd, flags, 0, len, &t);
    return end(&t, canned ? t.answer.result
                          : real()->send(real(), fd, buf, at_most(len, t.answer.cut), flags));
}

static ssize_t k_sendto(const esock_sys *sys, int fd, const void *buf, size_t len, int flags,
                        const struct sockaddr *addr, socklen_t addrlen) {
    struct turn t;
    bool canned = begin(sys, K_SENDTO, fd, flags, 0, len, &t);
    return end(&t, canned ? t.answer.result
                          : real()->sendto(real(), fd, buf, at_most(len, t.answer.cut), flags, addr,
                                           addrlen));
}

static ssize_t k_sendmsg(const esock_sys *sys, int fd, const struct msghdr *msg, int flags) {
    struct turn t;
    size_t len = 0;
    for (size_t i = 0; i < (size_t)msg->msg_iovlen; i++) {
        len += msg->msg_iov[i].iov_len;
    }
    bool canned = begin(sys, K_SENDMSG, fd, flags, (long)msg->msg_iovlen, len, &t);
    if (canned) {
        return end(&t, t.answer.result);
    }
    if (t.answer.cut == SIZE_MAX) {
        return end(&t, real()->sendmsg(real(), fd, msg, flags));
    }
    /* A cut send sends the first buffer only. */
    struct msghdr cut = *msg;
    struct iovec first = {0};
    if (msg->msg_iovlen > 0) {
        first = msg->msg_iov[0];
        first.iov_len = at_most(first.iov_len, t.answer.cut);
    }
    cut.msg_iov = &first;
    cut.msg_iovlen = 1;
    return end(&t, real()->sendmsg(real(), fd, &cut, flags));
}

static ssize_t k_sendfile(const esock_sys *sys, int out_fd, int in_fd, int64_t *offset,
                          size_t count) {
    struct turn t;
    bool canned = begin(sys, K_SENDFILE, out_fd, in_fd, 0, count, &t);
    if (canned) {
        if (t.answer.result > 0 && offset != NULL) {
            *offset += t.answer.result;
        }
        return end(&t, t.answer.result);
    }
    return end(&t, real()->sendfile(real(), out_fd, in_fd, offset, at_most(count, t.answer.cut)));
}

static int k_sigpipe_block(const esock_sys *sys, uint64_t *saved) {
    struct turn t;
    bool canned = begin(sys, K_SIGPIPE_BLOCK, -1, 0, 0, 0, &t);
    return (int)end(&t, canned ? t.answer.result : real()->sigpipe_block(real(), saved));
}

static void k_sigpipe_restore(const esock_sys *sys, uint64_t saved, int take) {
    struct turn t;
    if (!begin(sys, K_SIGPIPE_RESTORE, -1, take, 0, 0, &t)) {
        real()->sigpipe_restore(real(), saved, take);
    }
}

static int k_poll(const esock_sys *sys, struct pollfd *fds, nfds_t n, int timeout_ms) {
    struct turn t;
    bool canned = begin(sys, K_POLL, n > 0 ? fds[0].fd : -1, timeout_ms, 0, n, &t);
    if (canned && n > 0) {
        fds[0].revents = (short)t.answer.revents;
    }
    return (int)end(&t, canned ? t.answer.result : real()->poll(real(), fds, n, timeout_ms));
}

static int k_epoll_create(const esock_sys *sys) {
    struct turn t;
    bool canned = begin(sys, K_EPOLL_CREATE, -1, 0, 0, 0, &t);
    return (int)end(&t, canned ? t.answer.result : real()->epoll_create(real()));
}

static int k_epoll_ctl(const esock_sys *sys, int ep, int op, int fd, struct epoll_event *ev) {
    struct turn t;
    bool canned = begin(sys, K_EPOLL_CTL, fd, op, ev != NULL ? (long)ev->events : 0, 0, &t);
    return (int)end(&t, canned ? t.answer.result : real()->epoll_ctl(real(), ep, op, fd, ev));
}

static int k_epoll_wait(const esock_sys *sys, int ep, struct epoll_event *ev, int max,
                        int timeout_ms) {
    struct turn t;
    bool canned = begin(sys, K_EPOLL_WAIT, ep, timeout_ms, max, 0, &t);
    if (canned) {
        give(&t, ev, (size_t)max * sizeof *ev);
    }
    return (int)end(&t,
                    canned ? t.answer.result : real()->epoll_wait(real(), ep, ev, max, timeout_ms));
}

static int k_epoll_pwait2(const esock_sys *sys, int ep, struct epoll_event *ev, int max,
                          int64_t timeout_ns) {
    struct turn t;
    bool canned = begin(sys, K_EPOLL_PWAIT2, ep, (long)timeout_ns, max, 0, &t);
    if (canned) {
        give(&t, ev, (size_t)max * sizeof *ev);
    }
    return (int)end(&t, canned ? t.answer.result
                               : real()->epoll_pwait2(real(), ep, ev, max, timeout_ns));
}

static int k_eventfd(const esock_sys *sys) {
    struct turn t;
    bool canned = begin(sys, K_EVENTFD, -1, 0, 0, 0, &t);
    return (int)end(&t, canned ? t.answer.result : real()->eventfd(real()));
}

static int k_event_set(const esock_sys *sys, int fd) {
    struct turn t;
    bool canned = begin(sys, K_EVENT_SET, fd, 0, 0, 0, &t);
    return (int)end(&t, canned ? t.answer.result : real()->event_set(real(), fd));
}

static int k_event_clear(const esock_sys *sys, int fd) {
    struct turn t;
    bool canned = begin(sys, K_EVENT_CLEAR, fd, 0, 0, 0, &t);
    return (int)end(&t, canned ? t.answer.result : real()->event_clear(real(), fd));
}

static int k_uring_setup(const esock_sys *sys, unsigned entries, void *params) {
    struct turn t;
    struct script *k = (struct script *)(uintptr_t)sys;
    struct esock__uring_params *p = params;
    bool canned = begin(sys, K_URING_SETUP, -1, (long)p->flags, 0, entries, &t);
    if (k->completions > 0) {
        p->cq_entries = k->completions;
        entries = (unsigned)at_most(entries, k->completions);
    }
    int r = (int)end(&t, canned ? t.answer.result : real()->uring_setup(real(), entries, params));
    memset(&k->ring, 0, sizeof k->ring);
    k->ring.fd = r;
    k->ring.params = *p;
    return r;
}

static uint32_t *in_ring(struct script *k, uint32_t offset) {
    return (uint32_t *)(void *)((char *)k->ring.rings + offset);
}

/* Which call a request is; K_CALLS: none. */
static enum script_call call_of(const struct esock__sqe *e) {
    switch (e->opcode) {
    case URING_ACCEPT:
        return K_URING_ACCEPT;
    case URING_RECV:
        return K_URING_RECV;
    case URING_SEND:
        return K_URING_SEND;
    case URING_POLL_ADD: /* that of the queue's own event descriptor is none */
        return e->user_data < 4096 ? K_CALLS : K_URING_POLL;
    case URING_ASYNC_CANCEL:
        return K_URING_CANCEL;
    default:
        return K_CALLS;
    }
}

/* Makes a request that has a prepared answer one that does nothing. Its result is set when it comes. */
static void forge_request(const esock_sys *sys, struct esock__sqe *e) {
    struct script *k = (struct script *)(uintptr_t)sys;
    enum script_call call = call_of(e);
    struct turn t;
    if (call == K_CALLS) {
        return;
    }
    bool canned = begin(sys, call, e->fd, (long)e->op_flags, e->ioprio, e->len, &t);
    if (!canned) {
        if (t.answer.cut != SIZE_MAX) {
            e->len = (uint32_t)at_most(e->len, t.answer.cut);
        }
        return;
    }
    *e = (struct esock__sqe){.opcode = URING_NOP, .user_data = e->user_data};
    for (int i = 0; i < SCRIPT_DEPTH; i++) {
        if (!k->ring.forged[i].waits) {
            k->ring.forged[i].waits = true;
            k->ring.forged[i].user_data = e->user_data;
            k->ring.forged[i].result = (int32_t)end(&t, t.answer.result);
            return;
        }
    }
    abort();
}

static void forge_result(struct script *k, struct esock__cqe *c) {
    for (int i = 0; i < SCRIPT_DEPTH; i++) {
        if (k->ring.forged[i].waits && k->ring.forged[i].user_data == c->user_data) {
            k->ring.forged[i].waits = false;
            c->res = k->ring.forged[i].result;
            c->flags = 0;
            return;
        }
    }
}

static int k_uring_enter(const esock_sys *sys, int fd, unsigned submit, unsigned min,
                         unsigned flags, const void *arg, size_t arg_len) {
    struct turn t;
    struct script *k = (struct script *)(uintptr_t)sys;
    struct script_ring *ring = &k->ring;
    const struct esock__uring_params *p = &ring->params;
    if (begin(sys, K_URING_ENTER, fd, (long)submit, (long)flags, min, &t)) {
        return (int)end(&t, t.answer.result);
    }
    uint32_t tail = __atomic_load_n(in_ring(k, p->sq_off.tail), __ATOMIC_ACQUIRE);
    for (; ring->submitted != tail; ring->submitted++) {
        forge_request(sys,
                      (struct esock__sqe *)ring->sqes + (ring->submitted & (p->sq_entries - 1)));
    }
    int r = real()->uring_enter(real(), fd, submit, min, flags, arg, arg_len);
    tail = __atomic_load_n(in_ring(k, p->cq_off.tail), __ATOMIC_ACQUIRE);
    for (; ring->completed != tail; ring->completed++) {
        forge_result(k, (struct esock__cqe *)(void *)in_ring(k, p->cq_off.cqes) +
                            (ring->completed & (p->cq_entries - 1)));
    }
    if (__atomic_load_n(in_ring(k, p->sq_off.flags), __ATOMIC_ACQUIRE) & URING_SQ_CQ_OVERFLOW) {
        k->overflows++;
    }
    return (int)end(&t, r);
}

static int k_uring_register(const esock_sys *sys, int fd, unsigned op, void *arg, unsigned n) {
    struct turn t;
    bool canned = begin(sys, K_URING_REGISTER, fd, (long)op, 0, n, &t);
    if (op == URING_REGISTER_NAPI) memcpy(t.seen->data, arg, sizeof(struct esock__uring_napi));
    return (int)end(&t, canned ? t.answer.result : real()->uring_register(real(), fd, op, arg, n));
}

static int k_map(const esock_sys *sys, void **out, size_t len, int fd, int64_t offset) {
    struct turn t;
    struct script *k = (struct script *)(uintptr_t)sys;
    bool canned = begin(sys, K_MAP, fd, (long)offset, 0, len, &t);
    int r = (int)end(&t, canned ? t.answer.result : real()->map(real(), out, len, fd, offset));
    if (r >= 0 && fd >= 0) {
        *(offset == 0 ? &k->ring.rings : &k->ring.sqes) = *out;
    }
    return r;
}

static int k_unmap(const esock_sys *sys, void *at, size_t len) {
    struct turn t;
    begin(sys, K_UNMAP, -1, 0, 0, len, &t);
    return (int)end(&t, real()->unmap(real(), at, len));
}

static int k_open(const esock_sys *sys, const char *path, int flags) {
    struct turn t;
    bool canned = begin(sys, K_OPEN, -1, flags, 0, 0, &t);
    return (int)end(&t, canned ? t.answer.result : real()->open(real(), path, flags));
}

static int k_filetype(const esock_sys *sys, int fd) {
    struct turn t;
    bool canned = begin(sys, K_FILETYPE, fd, 0, 0, 0, &t);
    return (int)end(&t, canned ? t.answer.result : real()->filetype(real(), fd));
}

static int k_setns(const esock_sys *sys, int fd) {
    struct turn t;
    bool canned = begin(sys, K_SETNS, fd, 0, 0, 0, &t);
    return (int)end(&t, canned ? t.answer.result : real()->setns(real(), fd));
}

static void *k_alloc(const esock_sys *sys, size_t size) {
    struct script *k = (struct script *)(uintptr_t)sys;
    if (++k->allocs == k->no_memory_at) return NULL;
    k->blocks++;
    void *block = real()->alloc(real(), size);
    if (block != NULL) memset(block, 0x5a, size); /* so that nobody relies on zeros */
    return block;
}

static void k_free(const esock_sys *sys, void *block) {
    struct script *k = (struct script *)(uintptr_t)sys;
    if (block != NULL) k->blocks--;
    real()->free(real(), block);
}

void script_init(struct script *k) {
    memset(k, 0, sizeof *k);
    k->sys = (esock_sys){
        .socket = k_socket,
        .accept4 = k_accept4,
        .dup = k_dup,
        .getfl = k_getfl,
        .setfl = k_setfl,
        .getfd = k_getfd,
        .setfd = k_setfd,
        .close = k_close,
        .close_lingering = k_close_lingering,
        .bind = k_bind,
        .connect = k_connect,
        .listen = k_listen,
        .shutdown = k_shutdown,
        .getsockname = k_getsockname,
        .getpeername = k_getpeername,
        .getsockopt = k_getsockopt,
        .setsockopt = k_setsockopt,
        .ioctl = k_ioctl,
        .recv = k_recv,
        .recvfrom = k_recvfrom,
        .recvmsg = k_recvmsg,
        .send = k_send,
        .sendto = k_sendto,
        .sendmsg = k_sendmsg,
        .recvmmsg = k_recvmmsg,
        .sendmmsg = k_sendmmsg,
        .sendfile = k_sendfile,
        .sigpipe_block = k_sigpipe_block,
        .sigpipe_restore = k_sigpipe_restore,
        .poll = k_poll,
        .epoll_create = k_epoll_create,
        .epoll_ctl = k_epoll_ctl,
        .epoll_wait = k_epoll_wait,
        .epoll_pwait2 = k_epoll_pwait2,
        .eventfd = k_eventfd,
        .event_set = k_event_set,
        .event_clear = k_event_clear,
        .uring_setup = k_uring_setup,
        .uring_enter = k_uring_enter,
        .uring_register = k_uring_register,
        .map = k_map,
        .unmap = k_unmap,
        .open = k_open,
        .filetype = k_filetype,
        .setns = k_setns,
        .alloc = k_alloc,
        .free = k_free,
    };
}
