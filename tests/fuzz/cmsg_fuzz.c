/* Control data of any shape: the walk stays inside, goes on and ends, and what was decoded encodes to a value that
 * decodes the same. */
#include "esock.h"
#include "esock_sys.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MUST(x)            \
    do {                   \
        if (!(x)) abort(); \
    } while (0)

static unsigned closed, wanted;

static int count_close(const esock_sys *sys, int fd) {
    (void)sys;
    MUST(fd >= 0);
    closed++;
    return 0;
}

static int fake_socket(const esock_sys *sys, int domain, int type, int protocol) {
    (void)sys, (void)domain, (void)type, (void)protocol;
    return 1000;
}

static int fake_getsockopt(const esock_sys *sys, int fd, int level, int opt, void *val,
                           socklen_t *len) {
    (void)sys, (void)fd, (void)level, (void)opt, (void)val, (void)len;
    return -1;
}

static const uint8_t *given;
static size_t given_len;
static int given_flags;

static ssize_t give(const esock_sys *sys, int fd, struct msghdr *m, int flags) {
    (void)sys, (void)fd, (void)flags;
    size_t n = given_len < m->msg_controllen ? given_len : m->msg_controllen;
    if (n > 0) memcpy(m->msg_control, given, n);
    m->msg_controllen = n;
    m->msg_namelen = 0;
    m->msg_flags = given_flags;
    return 1;
}

static void encode_again(const esock_cmsg *c, const char *data, size_t len) {
    char out[65536];
    ssize_t n = esock_cmsg_encode(c, 1, data, len, out, sizeof out);
    if (n < 0) return;
    esock_cmsg d;
    size_t pos = 0;
    MUST(esock_cmsg_next(out, (size_t)n, &pos, &d) == 1);
    MUST(pos == (size_t)n);
    MUST(d.level == c->level && d.type == c->type && d.kind == c->kind);
    if (c->kind == ESOCK_CMSG_RAW || c->kind == ESOCK_CMSG_RIGHTS || c->kind == ESOCK_CMSG_BYTES) {
        MUST(d.length == c->length);
        MUST(d.length == 0 || memcmp(out + d.offset, data + c->offset, d.length) == 0);
    }
    MUST(memcmp(&d.v, &c->v, sizeof d.v) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static esock_sys sys;
    static esock *s;
    if (s == NULL) {
        sys = *esock_sys_libc();
        sys.socket = fake_socket;
        sys.getsockopt = fake_getsockopt;
        sys.recvmsg = give;
        sys.close = count_close;
        MUST(esock_open(&s, AF_UNIX, SOCK_DGRAM, 1, &sys) == 0);
    }
    if (size == 0) return 0;
    unsigned shape = bytes[0];
    bytes++, size--;
    if (size > 60000) size = 60000;

    char *control = malloc(size > 0 ? size : 1); /* its own block: a read past the end is seen */
    memcpy(control, bytes, size);
    size_t pos = 0, before = 0;
    esock_cmsg c;
    unsigned count = 0;
    int r;
    wanted = closed = 0;
    while ((r = esock_cmsg_next(control, size, &pos, &c)) == 1) {
        MUST(pos > before && pos <= size);
        MUST((size_t)c.offset + c.length <= pos && c.offset >= before + CMSG_LEN(0));
        MUST(c.kind != ESOCK_CMSG_RIGHTS || c.v.rights == c.length / sizeof(int));
        if (c.kind == ESOCK_CMSG_RIGHTS)
            for (uint32_t i = 0; i < c.v.rights; i++) {
                int fd;
                memcpy(&fd, control + c.offset + i * sizeof fd, sizeof fd);
                wanted += fd >= 0;
            }
        wanted += c.kind == ESOCK_CMSG_PIDFD && c.v.fd >= 0;
        encode_again(&c, control, size);
        before = pos;
        count++;
    }
    MUST(r == 0 ? pos == size : pos < size);

    MUST(esock_cmsg_close_rights(s, control, size) == (int)wanted && closed == wanted);

    /* All at once, into fewer records than there are. */
    esock_cmsg some[2];
    uint32_t bad = 7;
    MUST(esock_cmsg_decode(control, size, some, 2, &bad) == count && bad == (r < 0));
    pos = 0;
    for (unsigned i = 0; i < 2 && i < count; i++)
        MUST(esock_cmsg_next(control, size, &pos, &c) == 1 && memcmp(&c, &some[i], sizeof c) == 0);

    /* The same through a receive, with fewer records than messages, and truncated or not. */
    esock_cmsg few[3];
    esock_msg m;
    char buf[4];
    given = bytes;
    given_len = size;
    given_flags = shape & 1 ? MSG_CTRUNC : 0;
    closed = 0;
    MUST(esock_recvmsg(s, buf, sizeof buf, 0, 0, control, size, few, shape >> 1 & 3, &m) == 1);
    MUST(m.cmsgs == count && m.bad == (r < 0) && m.control_len == size);
    MUST(closed == (shape & 1 ? wanted : 0));
    if (shape & 1) {
        closed = 0;
        MUST(esock_cmsg_close_rights(s, control, size) == 0 && closed == 0);
    }
    free(control);
    return 0;
}
