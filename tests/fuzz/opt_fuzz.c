/* Options against a kernel that answers anything. An input is: the row, the room, the value, the answer's result and
 * length, then its bytes. */
#include "esock.h"
#include "esock_sys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MUST(x)            \
    do {                   \
        if (!(x)) abort(); \
    } while (0)

static struct {
    int result;
    socklen_t len; /* that it reports, whatever the room */
    const uint8_t *data;
    size_t size;
} answer;

static int fake_socket(const esock_sys *sys, int domain, int type, int protocol) {
    (void)sys, (void)domain, (void)type, (void)protocol;
    return 1000;
}

static int fake_getsockopt(const esock_sys *sys, int fd, int level, int opt, void *val,
                           socklen_t *len) {
    (void)sys, (void)fd, (void)level, (void)opt;
    socklen_t room = *len;
    MUST(val != NULL || room == 0);
    size_t n = answer.size < room ? answer.size : room;
    if (n > 0) memcpy(val, answer.data, n);
    *len = answer.len;
    return answer.result;
}

static int fake_setsockopt(const esock_sys *sys, int fd, int level, int opt, const void *val,
                           socklen_t len) {
    (void)sys, (void)fd;
    /* SOL_ALG, ALG_SET_AEAD_AUTHSIZE: the length is the value */
    MUST(val != NULL || len == 0 || (level == 279 && opt == 5));
    unsigned sum = 0;
    for (socklen_t i = 0; val != NULL && i < len; i++)
        sum += ((const unsigned char *)val)[i]; /* readable */
    (void)*(volatile unsigned *)&sum;
    return answer.result;
}

static int fake_close(const esock_sys *sys, int fd) {
    (void)sys, (void)fd;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct {
        uint16_t row, room;
        uint32_t len;
        int64_t value;
    } in = {0};
    esock_sys sys = *esock_sys_libc();
    esock *s;
    if (size < sizeof in) return 0;
    memcpy(&in, bytes, sizeof in);
    bytes += sizeof in, size -= sizeof in;

    sys.socket = fake_socket;
    sys.getsockopt = fake_getsockopt;
    sys.setsockopt = fake_setsockopt;
    sys.close = fake_close;
    sys.close_lingering = fake_close;
    answer.result = in.room % 4 == 3 ? -EPERM : 0;
    answer.len = in.len;
    answer.data = bytes;
    answer.size = size;
    MUST(esock_open(&s, AF_INET, SOCK_STREAM, 6, &sys) == 0);

    unsigned row = in.row % (esock_opt_count() + 1);
    const esock_optrow *o = esock_opt_row(row);
    size_t room = in.room >> 2, len = room;
    char *data = malloc(room > 0 ? room : 1);
    memset(data, 0x55, room);
    int64_t i = INT64_MIN;
    int r = esock_getopt(s, row, &i, data, &len);
    if (o == NULL)
        MUST(r == -ENOENT);
    else if (r == 0) {
        switch ((enum esock_codec)o->codec) {
        case ESOCK_BOOL:
            MUST(i == 0 || i == 1);
            break;
        case ESOCK_INT:
            MUST(i >= INT32_MIN && i <= INT32_MAX);
            break;
        case ESOCK_UINT:
        case ESOCK_BE32:
            MUST(i >= 0 && i <= UINT32_MAX);
            break;
        case ESOCK_U16:
            MUST(i >= 0 && i <= UINT16_MAX);
            break;
        case ESOCK_U64:
            break;
        case ESOCK_TIMEVAL:
            MUST(i >= 0);
            break;
        case ESOCK_STRING:
            MUST(len <= room && len <= o->most + 1u && (len == 0 || memchr(data, 0, len) == NULL));
            break;
        case ESOCK_BYTES:
            MUST(len <= room && len <= o->most);
            break;
        case ESOCK_STRUCT:
            MUST(len >= o->shape->size && len <= room && len <= o->most);
            MUST(o->shape->element > 0 || len == o->shape->size);
            break;
        case ESOCK_FILTER:
            MUST(len <= room && len % 8 == 0);
            break;
        }
        /* What can be read can be set, where the option can be set at all. */
        if (o->codec <= ESOCK_UINT || o->codec == ESOCK_BE32 || o->codec == ESOCK_TIMEVAL ||
            o->codec == ESOCK_U16) {
            int again = esock_setopt(s, row, i, NULL, 0);
            MUST(again == (o->direction & ESOCK_SET ? answer.result : -ENOTSUP));
        }
    }

    r = esock_setopt(s, row, in.value, bytes, size);
    MUST(r == 0 || r == -ENOENT || r == -ENOTSUP || r == -ERANGE || r == -EINVAL || r == -EPERM);

    esock_optcall calls[3];
    memset(calls, 0, sizeof calls);
    if (size >= sizeof calls) memcpy(calls, bytes, sizeof calls);
    esock_setopts(s, calls, 3, bytes, size);
    MUST(esock_getopts(s, calls, 3, data, room) <= 3);

    len = room;
    if (esock_getopt_native(s, (int)in.value, (int)(in.value >> 32), data, &len) == 0)
        MUST(len <= room);
    len = (size_t)in.value;
    if (len > 1u << 20) MUST(esock_getopt_native(s, 0, 0, data, &len) == -EINVAL);
    esock_setopt_native(s, (int)in.value, (int)(in.value >> 32), bytes, size);

    free(data);
    esock_close(s, 0, NULL, NULL);
    return 0;
}
