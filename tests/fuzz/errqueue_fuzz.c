/* What a read of the error queue gives, of any shape: the members are those of the bytes, the offender is an address
 * that can be written again, nothing is read outside, no descriptor is lost, and 0 bytes are the end of a stream only
 * if they did not come from the queue.
 *
 * Input: a byte of switches, a byte for the result, 8 bytes of a made-up place, and the control data. */
#include "esock.h"
#include "esock_sys.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MUST(x)            \
    do {                   \
        if (!(x)) abort(); \
    } while (0)

enum { TRUNCATED = 1, HEEDED = 2, STREAM = 4, UNIX = 8, NO_ROOM = 16 }; /* switches */

static struct {
    const uint8_t *control;
    size_t len;
    int flags;
    ssize_t result;
    unsigned closed;
} kernel;

static int k_close(const esock_sys *sys, int fd) {
    (void)sys;
    MUST(fd >= 0);
    kernel.closed++;
    return 0;
}

static int k_socket(const esock_sys *sys, int domain, int type, int protocol) {
    (void)sys, (void)domain, (void)type, (void)protocol;
    return 1000;
}

static ssize_t k_recvmsg(const esock_sys *sys, int fd, struct msghdr *m, int flags) {
    (void)sys, (void)fd;
    MUST(flags & MSG_ERRQUEUE && flags & MSG_DONTWAIT);
    if (kernel.result < 0) return kernel.result;
    size_t n = kernel.len < m->msg_controllen ? kernel.len : m->msg_controllen;
    if (n > 0) memcpy(m->msg_control, kernel.control, n);
    m->msg_controllen = n;
    m->msg_namelen = 0;
    m->msg_flags = kernel.flags;
    return (size_t)kernel.result < m->msg_iov->iov_len ? kernel.result
                                                       : (ssize_t)m->msg_iov->iov_len;
}

static void offender(const char *control, size_t len, const esock_cmsg *c) {
    esock_addr a, again;
    struct sockaddr_storage ss;
    unsigned n;
    sa_family_t family = AF_UNSPEC;
    const size_t at = sizeof(struct sock_extended_err);

    memset(&a, 0x77, sizeof a);
    int r = esock_cmsg_offender(control, len, c, &a);
    if (r == 0) {
        static const esock_addr none;
        MUST(memcmp(&a, &none, sizeof a) == 0);
        return;
    }
    MUST(r == 1 && c->kind == ESOCK_CMSG_RECVERR && a.form == ESOCK_ADDR_KNOWN);
    MUST(c->offset <= len && c->length <= len - c->offset && c->length >= at + sizeof family);
    memcpy(&family, control + c->offset + at, sizeof family);
    MUST(family == a.family && family != AF_UNSPEC);
    if (family != AF_INET && family != AF_INET6) return;
    MUST(esock_addr_encode(&a, &ss, &n) == 0);
    esock_addr_decode(&ss, n, &again);
    MUST(memcmp(&a, &again, sizeof a) == 0);
}

/* The members, read a second time by another way: as the kernel's own bytes. */
static void members(const uint8_t *data, const esock_cmsg *c) {
    uint32_t info, value;
    memcpy(&info, data + 8, sizeof info);
    memcpy(&value, data + 12, sizeof value);
    MUST(c->length >= 16 && c->v.recverr.info == info && c->v.recverr.data == value);
    MUST(memcmp(data, &c->v.recverr.error, 4) == 0);
    MUST(c->v.recverr.origin == data[4] && c->v.recverr.type == data[5]);
    MUST(c->v.recverr.code == data[6] && c->v.recverr.spare == data[7]);
}

/* Walks it all; returns how many descriptors there are to close. */
static unsigned walk(const char *control, size_t len, const uint8_t *place) {
    unsigned fds = 0;
    size_t pos = 0;
    esock_cmsg c;
    while (esock_cmsg_next(control, len, &pos, &c) == 1) {
        if (c.kind == ESOCK_CMSG_RECVERR) members((const uint8_t *)control + c.offset, &c);
        if (c.kind == ESOCK_CMSG_PIDFD) fds += c.v.fd >= 0;
        for (uint32_t i = 0; c.kind == ESOCK_CMSG_RIGHTS && i < c.v.rights; i++) {
            int fd;
            memcpy(&fd, control + c.offset + i * sizeof fd, sizeof fd);
            fds += fd >= 0;
        }
        offender(control, len, &c);
        memcpy(&c.offset, place, sizeof c.offset);
        memcpy(&c.length, place + 4, sizeof c.length);
        offender(control, len, &c);
    }
    return fds;
}

static uint64_t count(const esock *s, enum esock_counter c) {
    return esock_counters_of(s)->value[c];
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size < 10) return 0;
    unsigned shape = bytes[0], result = bytes[1];
    const uint8_t *place = bytes + 2;
    bytes += 10, size -= 10;
    if (size > 4096) size = 4096;

    char *control = malloc(size > 0 ? size : 1); /* its own block: a read past the end is seen */
    if (size > 0) memcpy(control, bytes, size);
    unsigned fds = walk(control, size, place);

    esock_sys sys = *esock_sys_libc();
    sys.socket = k_socket;
    sys.recvmsg = k_recvmsg;
    sys.close = k_close;
    sys.close_lingering = k_close;
    esock *s;
    int domain = shape & UNIX ? AF_UNIX : AF_INET;
    int type = shape & STREAM ? SOCK_STREAM : SOCK_DGRAM;
    MUST(esock_open(&s, domain, type, shape & STREAM ? 6 : 17, &sys) == 0);
    kernel.control = bytes;
    kernel.len = size;
    kernel.flags = (shape & TRUNCATED ? MSG_CTRUNC : 0) | (shape & HEEDED ? MSG_ERRQUEUE : 0);
    kernel.result = result > 250 ? -EAGAIN : (int)result;
    kernel.closed = 0;

    char buf[8];
    size_t want = shape & NO_ROOM ? 0 : sizeof buf;
    esock_cmsg records[2];
    esock_msg m;
    ssize_t n = esock_recvmsg(s, buf, want, MSG_ERRQUEUE, 0, control, size, records, 2, &m);
    bool end = false;
    if (want == 0 && domain == AF_UNIX) { /* a receive would lose a message */
        MUST(n == (type == SOCK_STREAM ? 0 : -EINVAL) && count(s, ESOCK_READ_TRIES) == 0);
    } else {
        MUST(n == (kernel.result > (ssize_t)want ? (ssize_t)want : kernel.result));
        bool queued = shape & HEEDED; /* the kernel's flag decides */
        end = n == 0 && type == SOCK_STREAM && !queued;
        MUST(count(s, ESOCK_READ_FAILS) == end);
        MUST(count(s, ESOCK_READ_PKG) == (n >= 0 && !end));
        MUST(count(s, ESOCK_READ_WAITS) == (n == -EAGAIN));
        MUST(n < 0 || m.control_len == size);
        MUST(kernel.closed == (n >= 0 && shape & TRUNCATED ? fds : 0));
        if (n >= 0) MUST(walk(control, size, place) == (shape & TRUNCATED ? 0 : fds));
    }
    kernel.closed = 0;
    int left = esock_cmsg_close_rights(s, control, size);
    MUST(left >= 0 && (unsigned)left == kernel.closed &&
         (kernel.closed == 0 || kernel.closed == fds));
    MUST(esock_close(s, 0, NULL, NULL) == 0);
    free(control);
    return 0;
}
