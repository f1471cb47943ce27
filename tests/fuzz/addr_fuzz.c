/* Addresses of any shape. An input is: one byte of how, then a reported length or an esock_addr, then bytes. */
#include "esock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MUST(x)            \
    do {                   \
        if (!(x)) abort(); \
    } while (0)

static unsigned encode(const esock_addr *a, struct sockaddr_storage *out) {
    unsigned len = 0;
    memset(out, 0, sizeof *out);
    return esock_addr_encode(a, out, &len) == 0 ? len : 0;
}

/* What was decoded can be sent back, and decodes to the same. */
static void stable(const struct sockaddr_storage *in, unsigned len) {
    struct sockaddr_storage out;
    esock_addr a, b;
    esock_addr_decode(in, len, &a);
    MUST(a.len <= ESOCK_ADDR_DATA);
    MUST((a.form == ESOCK_ADDR_NONE) == (len == 0));
    unsigned n = encode(&a, &out);
    if (a.form == ESOCK_ADDR_NONE) return;
    MUST(n >= sizeof(sa_family_t) && n <= sizeof out);
    if (len < sizeof(sa_family_t)) return; /* sent, it is the family 0 with a byte of data */
    esock_addr_decode(&out, n, &b);
    MUST(memcmp(&a, &b, sizeof a) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size == 0) return 0;
    unsigned how = bytes[0];
    bytes++, size--;
    if (how & 1) {
        esock_addr a;
        struct sockaddr_storage ss;
        memset(&a, 0, sizeof a);
        memcpy(&a, bytes, size < sizeof a ? size : sizeof a);
        unsigned len = encode(&a, &ss);
        MUST(len <= sizeof ss);
        if (len > 0) stable(&ss, len);
        return 0;
    }
    /* Only as many bytes exist as the kernel would have written. */
    struct sockaddr_storage *ss = malloc(sizeof *ss);
    memset(ss, 0xA5, sizeof *ss);
    memcpy(ss, bytes, size < sizeof *ss ? size : sizeof *ss);
    stable(ss, (unsigned)size);
    stable(ss, how == 254 ? UINT32_MAX : (unsigned)size + how / 2);
    free(ss);
    return 0;
}
