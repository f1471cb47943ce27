/* recvmsg and sendmsg. */
#include "esock_internal.h"

#include <limits.h>
#include <netinet/in.h>
#include <string.h>

/* Closes the descriptors in the control data, and removes their numbers from the records and the bytes: a caller that
 * walks them would find numbers that may belong to other files by then. */
static void drop_rights(const esock *s, void *control, esock_cmsg *cmsgs, size_t max,
                        const esock_msg *out) {
    esock_cmsg c;
    size_t pos = 0;
    esock_cmsg_close_rights(s, control, out->control_len);
    for (size_t i = 0; esock_cmsg_next(control, out->control_len, &pos, &c) == 1; i++) {
        if (c.kind != ESOCK_CMSG_RIGHTS && c.kind != ESOCK_CMSG_PIDFD) continue;
        memset((char *)control + c.offset, 0xff, c.length);
        if (i >= max) continue;
        cmsgs[i].length = 0;
        if (c.kind == ESOCK_CMSG_RIGHTS)
            cmsgs[i].v.rights = 0;
        else
            cmsgs[i].v.fd = -1;
    }
}

/* Unix and netlink sockets ignore MSG_ERRQUEUE and receive data; so do L2TP over IPv4, vsock before 6.7 and SCTP before 6.9.
 * MPTCP's queue stays empty. */
enum esock_error_queue esock_error_queue(const esock *s) {
    int domain = esock_domain(s);
    if (domain == AF_UNIX || domain == AF_NETLINK) return ESOCK_ERRQUEUE_NO;
    if (domain == AF_PACKET) return ESOCK_ERRQUEUE_YES;
    if (domain != AF_INET && domain != AF_INET6) return ESOCK_ERRQUEUE_MAYBE;
    switch (s->protocol) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE:
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return ESOCK_ERRQUEUE_YES;
    }
    return s->type == SOCK_RAW ? ESOCK_ERRQUEUE_YES : ESOCK_ERRQUEUE_MAYBE;
}

int esock_error_pending(const esock *s) {
    struct pollfd p = {.fd = s->fd, .events = 0, .revents = 0}; /* poll always reports POLLERR */
    int r;
    ESOCK__RETRY(r, s->sys->poll(s->sys, &p, 1, 0));
    return r < 0 ? r : (p.revents & POLLERR) != 0;
}

void esock__received(const esock *s, const struct msghdr *m, size_t n, int flags, void *control,
                     size_t control_len, esock_cmsg *cmsgs, size_t cmsgs_max, esock_msg *out) {
    esock_addr_decode(m->msg_name, m->msg_namelen, &out->addr);
    out->flags = m->msg_flags;
    /* Linux returns MSG_CMSG_CLOEXEC in the flags. */
    if (!(flags & MSG_CMSG_CLOEXEC)) out->flags &= ~MSG_CMSG_CLOEXEC;
    out->control_len =
        (uint32_t)(m->msg_controllen < control_len ? m->msg_controllen : control_len);
    out->full_len = n;
    if (cmsgs != NULL)
        out->cmsgs = esock_cmsg_decode(control, out->control_len, cmsgs, cmsgs_max, &out->bad);
    if (m->msg_flags & MSG_CTRUNC) drop_rights(s, control, cmsgs, cmsgs_max, out);
}

ssize_t esock_recvmsg(esock *s, void *buf, size_t len, int flags, unsigned how, void *control,
                      size_t control_len, esock_cmsg *cmsgs, size_t cmsgs_max, esock_msg *out) {
    struct sockaddr_storage from;
    struct iovec iov = {.iov_base = buf, .iov_len = len};
    struct msghdr m;
    ssize_t n;

    if (out == NULL || (cmsgs == NULL && cmsgs_max > 0)) return -EFAULT;
    memset(out, 0, sizeof *out);
    if (len == 0 && !(flags & MSG_ERRQUEUE && esock_error_queue(s) == ESOCK_ERRQUEUE_YES)) {
        int r = esock__empty_receive(s, flags);
        if (r <= 0) return r;
    }
    if (control == NULL) control_len = 0;
    if (control_len > INT_MAX) control_len = INT_MAX; /* Linux: ENOBUFS beyond */
    do {
        m = (struct msghdr){.msg_name = &from,
                            .msg_namelen = sizeof from,
                            .msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = control_len > 0 ? control : NULL,
                            .msg_controllen = (__typeof__(m.msg_controllen))control_len};
        n = s->sys->recvmsg(s->sys, s->fd, &m, flags | ESOCK__RECV_FLAGS(s));
    } while (n == -EINTR);
    /* A message of no bytes with control data, received or truncated, is not the end. */
    if (n == 0 && (m.msg_controllen > 0 || m.msg_flags & MSG_CTRUNC)) how |= ESOCK__MESSAGE;
    /* Without an error, the kernel says whether it read the error queue. */
    if (n >= 0 && flags & MSG_ERRQUEUE) {
        if (m.msg_flags & MSG_ERRQUEUE)
            how |= ESOCK__QUEUED;
        else
            flags &= ~MSG_ERRQUEUE;
    }
    n = esock__count_read(s, n, len, flags, how, "recvmsg");
    if (n < 0) return n;

    esock__received(s, &m, (size_t)n, flags, control, control_len, cmsgs, cmsgs_max, out);
    return (size_t)n < len ? n : (ssize_t)len;
}

ssize_t esock_sendmsg(esock *s, const void *buf, size_t len, int flags, unsigned how,
                      const esock_addr *to, const void *control, size_t control_len) {
    struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
    return esock_sendmsgv(s, &iov, 1, flags, how, to, control, control_len);
}

/* Returns the bytes of n buffers, or -1 if they are more than SSIZE_MAX. */
static ssize_t sum(const struct iovec *iov, size_t n) {
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        if (iov[i].iov_len > SSIZE_MAX - total) return -1;
        total += iov[i].iov_len;
    }
    return (ssize_t)total;
}

ssize_t esock_sendmsgv(esock *s, const struct iovec *iov, size_t iovlen, int flags, unsigned how,
                       const esock_addr *to, const void *control, size_t control_len) {
    /* SCTP's one-to-one sockets send messages, of which a second call would make two. */
    bool stream = s->type == SOCK_STREAM && s->protocol != IPPROTO_SCTP;
    size_t max = (size_t)esock_iov_max();
    struct sockaddr_storage ss;
    struct msghdr m = {0};

    if (iov == NULL && iovlen > 0) return -EFAULT;
    if (to != NULL) {
        unsigned len;
        int r = esock_addr_encode(to, &ss, &len);
        if (r < 0) return r;
        m.msg_name = &ss;
        m.msg_namelen = len;
    }
    if (control != NULL && control_len > 0) {
        m.msg_control = (void *)(uintptr_t)control;
        /* Linux: ENOBUFS beyond INT_MAX. musl's field has 32 bits. */
        if (control_len > INT_MAX) control_len = (size_t)INT_MAX + 1;
        m.msg_controllen = (__typeof__(m.msg_controllen))control_len;
    }
    while (!stream && iovlen > max && iov[iovlen - 1].iov_len == 0)
        iovlen--;
    if (!stream && iovlen > max) return -EMSGSIZE;
    ssize_t total = sum(iov, iovlen);
    if (total < 0) return -EINVAL;
    /* unix(7): on a stream control data needs a byte of data. Without one the kernel returns 0 and drops the
     * descriptors. On SCTP's sockets the kernel decides. */
    if (total == 0 && stream && m.msg_control != NULL) return -EINVAL;
    /* The control data goes with the first buffers that have a byte. */
    while (iovlen > max && iov->iov_len == 0) {
        iov++;
        iovlen--;
    }
    m.msg_iov = (struct iovec *)(uintptr_t)iov;
    m.msg_iovlen = (__typeof__(m.msg_iovlen))(iovlen < max ? iovlen : max);
    ssize_t n;
    ESOCK__RETRY(n, s->sys->sendmsg(s->sys, s->fd, &m, flags | ESOCK__SEND_FLAGS));
    return esock__count_write(s, n, (size_t)total, how, "sendmsg");
}
