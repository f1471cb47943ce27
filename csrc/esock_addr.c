/* Addresses: esock_addr to and from sockaddr. */
#include "esock_internal.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/un.h>

#define FAMILY_LEN sizeof(sa_family_t)
#define PATH_MAX_LEN sizeof(((struct sockaddr_un *)0)->sun_path)
#define FLOW_LABEL 0xFFFFFu
#define HARDWARE_MAX 32 /* the kernel's MAX_ADDR_LEN; sll_addr itself shows only 8 */
#define HARDWARE_AT offsetof(struct sockaddr_ll, sll_addr)

_Static_assert(offsetof(struct sockaddr_un, sun_path) == FAMILY_LEN, "a path follows the family");
_Static_assert(FAMILY_LEN + ESOCK_ADDR_DATA == sizeof(struct sockaddr_storage),
               "raw data fills the rest of the structure");
_Static_assert(PATH_MAX_LEN <= ESOCK_ADDR_DATA && HARDWARE_MAX <= ESOCK_ADDR_DATA, "data has room");
_Static_assert(sizeof(struct sockaddr_vm) == 16, "the kernel takes sockaddr_vm at this size");

/* How the addresses of one family are written and read. encode returns the length, or a negative errno; decode is called
 * with at least `min` bytes. The destination of both is zeroed. */
struct family {
    int family;
    size_t min;
    int (*encode)(const esock_addr *a, struct sockaddr_storage *out);
    void (*decode)(const struct sockaddr_storage *in, size_t len, esock_addr *out);
};

static const struct family *family_of(int family);
static int encode_raw(const esock_addr *a, struct sockaddr_storage *out);
static void decode_raw(const struct sockaddr_storage *in, size_t len, esock_addr *out);

int esock_addr_encode(const esock_addr *a, struct sockaddr_storage *out, unsigned *len) {
    if (a == NULL || out == NULL || len == NULL) return -EFAULT;
    if (a->form != ESOCK_ADDR_KNOWN && a->form != ESOCK_ADDR_RAW) return -EAFNOSUPPORT;
    const struct family *f = a->form == ESOCK_ADDR_KNOWN ? family_of(a->family) : NULL;
    memset(out, 0, sizeof *out);
    out->ss_family = a->family;
    int r = f != NULL ? f->encode(a, out) : encode_raw(a, out);
    if (r < 0) return r;
    *len = (unsigned)r;
    return 0;
}

void esock_addr_decode(const struct sockaddr_storage *in, unsigned len, esock_addr *out) {
    size_t n = in == NULL ? 0 : len < sizeof *in ? len : sizeof *in;
    if (out == NULL) return;
    memset(out, 0, sizeof *out);
    if (n == 0) return;
    out->form = ESOCK_ADDR_RAW;
    if (n < FAMILY_LEN) {
        out->len = (uint8_t)n;
        memcpy(out->data, in, n);
        return;
    }
    out->family = in->ss_family;
    const struct family *f = family_of(in->ss_family);
    if (f == NULL || n < f->min) {
        decode_raw(in, n, out);
        return;
    }
    out->form = ESOCK_ADDR_KNOWN;
    f->decode(in, n, out);
}

int esock_addr_shorthand(esock_addr *a, int family, enum esock_shorthand which) {
    static const uint8_t ip4[][4] = {[ESOCK_ANY] = {0},
                                     [ESOCK_LOOPBACK] = {127, 0, 0, 1},
                                     [ESOCK_BROADCAST] = {255, 255, 255, 255}};

    if (a == NULL) return -EFAULT;
    if (family != AF_INET && family != AF_INET6) return -EAFNOSUPPORT;
    if (which != ESOCK_ANY && which != ESOCK_LOOPBACK && which != ESOCK_BROADCAST) return -EINVAL;
    if (family == AF_INET6 && which == ESOCK_BROADCAST) return -EINVAL;
    memset(a, 0, sizeof *a);
    a->family = (uint16_t)family;
    a->form = ESOCK_ADDR_KNOWN;
    if (family == AF_INET)
        memcpy(a->ip, ip4[which], sizeof ip4[which]);
    else
        a->ip[15] = which == ESOCK_LOOPBACK;
    return 0;
}

static int encode_raw(const esock_addr *a, struct sockaddr_storage *out) {
    if (a->len > ESOCK_ADDR_DATA) return -ENAMETOOLONG;
    memcpy((char *)out + FAMILY_LEN, a->data, a->len);
    return (int)(FAMILY_LEN + a->len);
}

static void decode_raw(const struct sockaddr_storage *in, size_t len, esock_addr *out) {
    out->len = (uint8_t)(len - FAMILY_LEN);
    memcpy(out->data, (const char *)in + FAMILY_LEN, out->len);
}

static int encode_inet(const esock_addr *a, struct sockaddr_storage *out) {
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    if (a->port > UINT16_MAX) return -EINVAL;
    in->sin_port = htons((uint16_t)a->port);
    memcpy(&in->sin_addr, a->ip, sizeof in->sin_addr);
    return sizeof *in;
}

static void decode_inet(const struct sockaddr_storage *in, size_t len, esock_addr *out) {
    const struct sockaddr_in *sin = (const struct sockaddr_in *)in;
    (void)len;
    out->port = ntohs(sin->sin_port);
    memcpy(out->ip, &sin->sin_addr, sizeof sin->sin_addr);
}

static int encode_inet6(const esock_addr *a, struct sockaddr_storage *out) {
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    if (a->port > UINT16_MAX || a->flowinfo > FLOW_LABEL) return -EINVAL;
    in6->sin6_port = htons((uint16_t)a->port);
    in6->sin6_flowinfo = htonl(a->flowinfo);
    in6->sin6_scope_id = a->scope_id;
    memcpy(&in6->sin6_addr, a->ip, sizeof in6->sin6_addr);
    return sizeof *in6;
}

static void decode_inet6(const struct sockaddr_storage *in, size_t len, esock_addr *out) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)in;
    (void)len;
    out->port = ntohs(in6->sin6_port);
    /* With IPV6_FLOWINFO_SEND, Linux puts the traffic class above the label. It is left out, so that a sender's
     * address can be a destination; the class comes as a control message. */
    out->flowinfo = ntohl(in6->sin6_flowinfo) & FLOW_LABEL;
    out->scope_id = in6->sin6_scope_id;
    memcpy(out->ip, &in6->sin6_addr, sizeof in6->sin6_addr);
}

/* The length leaves the NUL out, as unix(7) allows; the zeroed structure has it where there is room. A path that fills
 * sun_path has none: Linux takes the length 110. A NUL within a path is refused: it would end the path and name another
 * file. In an abstract name it is a byte like any other. */
static int encode_unix(const esock_addr *a, struct sockaddr_storage *out) {
    struct sockaddr_un *un = (struct sockaddr_un *)out;
    if (a->len > PATH_MAX_LEN) return -ENAMETOOLONG;
    if (a->data[0] != 0 && memchr(a->data, 0, a->len) != NULL) return -EINVAL;
    memcpy(un->sun_path, a->data, a->len);
    return (int)(offsetof(struct sockaddr_un, sun_path) + a->len);
}

/* Linux counts the NUL of a path, even one that does not fit: it reports 111 for 108 bytes of path. An abstract name has
 * exactly the reported length. */
static void decode_unix(const struct sockaddr_storage *in, size_t len, esock_addr *out) {
    const struct sockaddr_un *un = (const struct sockaddr_un *)in;
    size_t n = len - offsetof(struct sockaddr_un, sun_path);
    if (n > PATH_MAX_LEN) n = PATH_MAX_LEN;
    if (n > 0 && un->sun_path[0] != 0) n = strnlen(un->sun_path, n);
    out->len = (uint8_t)n;
    memcpy(out->data, un->sun_path, n);
}

/* bind(2) needs the whole structure even if the hardware address is shorter; sending needs more for a longer one. */
static int encode_packet(const esock_addr *a, struct sockaddr_storage *out) {
    struct sockaddr_ll *ll = (struct sockaddr_ll *)out;
    if (a->len > HARDWARE_MAX) return -ENAMETOOLONG;
    ll->sll_protocol = htons(a->protocol);
    ll->sll_ifindex = a->ifindex;
    ll->sll_hatype = a->hatype;
    ll->sll_pkttype = a->pkttype;
    ll->sll_halen = a->len;
    memcpy((char *)out + HARDWARE_AT, a->data, a->len);
    size_t len = HARDWARE_AT + a->len;
    return (int)(len > sizeof *ll ? len : sizeof *ll);
}

static void decode_packet(const struct sockaddr_storage *in, size_t len, esock_addr *out) {
    const struct sockaddr_ll *ll = (const struct sockaddr_ll *)in;
    size_t there = len - HARDWARE_AT;
    if (there > HARDWARE_MAX) there = HARDWARE_MAX;
    out->protocol = ntohs(ll->sll_protocol);
    out->ifindex = ll->sll_ifindex;
    out->hatype = ll->sll_hatype;
    out->pkttype = ll->sll_pkttype;
    out->len = (uint8_t)(ll->sll_halen < there ? ll->sll_halen : there);
    memcpy(out->data, (const char *)in + HARDWARE_AT, out->len);
}

static int encode_vsock(const esock_addr *a, struct sockaddr_storage *out) {
    struct sockaddr_vm *vm = (struct sockaddr_vm *)out;
    vm->svm_port = a->port;
    vm->svm_cid = a->cid;
    return sizeof *vm;
}

static void decode_vsock(const struct sockaddr_storage *in, size_t len, esock_addr *out) {
    const struct sockaddr_vm *vm = (const struct sockaddr_vm *)in;
    (void)len;
    out->port = vm->svm_port;
    out->cid = vm->svm_cid;
}

static int encode_netlink(const esock_addr *a, struct sockaddr_storage *out) {
    struct sockaddr_nl *nl = (struct sockaddr_nl *)out;
    nl->nl_pid = a->port;
    nl->nl_groups = a->groups;
    return sizeof *nl;
}

static void decode_netlink(const struct sockaddr_storage *in, size_t len, esock_addr *out) {
    const struct sockaddr_nl *nl = (const struct sockaddr_nl *)in;
    (void)len;
    out->port = nl->nl_pid;
    out->groups = nl->nl_groups;
}

static const struct family families[] = {
    {AF_INET, sizeof(struct sockaddr_in), encode_inet, decode_inet},
    {AF_INET6, sizeof(struct sockaddr_in6), encode_inet6, decode_inet6},
    {AF_UNIX, offsetof(struct sockaddr_un, sun_path), encode_unix, decode_unix},
    {AF_PACKET, HARDWARE_AT, encode_packet, decode_packet},
    {AF_VSOCK, sizeof(struct sockaddr_vm), encode_vsock, decode_vsock},
    {AF_NETLINK, sizeof(struct sockaddr_nl), encode_netlink, decode_netlink},
};

static const struct family *family_of(int family) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (families[i].family == family) return &families[i];
    return NULL;
}
