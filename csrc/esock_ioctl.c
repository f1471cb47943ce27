/* Requests of ioctl(2): reading and setting the state of a socket and of interfaces. */
#include "esock_internal.h"

#include <limits.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define ROW(nm, cnst, num, ky, vl, st, text)                                        \
    {                                                                               \
        .name = (nm), .constant = (cnst), .number = (num), .key = ESOCK_IOKEY_##ky, \
        .value = ESOCK_IO_##vl, .set = (st), .doc = (text)                          \
    }
#define ASK(nm, cnst, ky, vl, text) ROW(nm, #cnst, cnst, ky, vl, 0, text)
#define SET(nm, cnst, ky, vl, text) ROW(nm, #cnst, cnst, ky, vl, 1, text)
#define ABSENT(nm) ROW(nm, NULL, 0, NONE, INT, 1, "Windows only")

static const esock_iorow rows[ESOCK_REQUESTS] = {
    [ESOCK_GIFCONF] = ASK("gifconf", SIOCGIFCONF, NONE, CONF,
                          "the interfaces that have an IPv4 address, each with its addresses"),
    [ESOCK_NREAD] = ASK("nread", SIOCINQ, NONE, INT,
                        "bytes that wait to be received; on a datagram socket those of the next"),
    [ESOCK_NWRITE] = ASK("nwrite", SIOCOUTQ, NONE, INT,
                         "bytes sent that the peer, or the device, has not taken yet"),
    [ESOCK_NSPACE] = ROW("nspace", "SO_SNDBUF - SIOCOUTQ", SIOCOUTQ, NONE, SPACE, 0,
                         "bytes left in the send buffer, the kernel's overhead included"),
    [ESOCK_ATMARK] = ASK("atmark", SIOCATMARK, NONE, BOOL,
                         "whether the next byte is the one that urgent data marked"),
    [ESOCK_TCP_INFO] = ROW("tcp_info", "TCP_INFO", 0, NONE, INFO, 0,
                           "the state of a TCP connection: an option on Linux, under OTP's keys"),
    [ESOCK_GIFNAME] = ASK("gifname", SIOCGIFNAME, INDEX, NAME, "the name of an interface"),
    [ESOCK_GIFINDEX] = ASK("gifindex", SIOCGIFINDEX, NAME, INT, "the index of an interface"),
    [ESOCK_GIFADDR] = ASK("gifaddr", SIOCGIFADDR, NAME, ADDR, "its first IPv4 address"),
    [ESOCK_GIFDSTADDR] =
        ASK("gifdstaddr", SIOCGIFDSTADDR, NAME, ADDR, "the other end of a point-to-point link"),
    [ESOCK_GIFBRDADDR] = ASK("gifbrdaddr", SIOCGIFBRDADDR, NAME, ADDR, "its broadcast address"),
    [ESOCK_GIFNETMASK] = ASK("gifnetmask", SIOCGIFNETMASK, NAME, ADDR, "its network mask"),
    [ESOCK_GIFHWADDR] =
        ASK("gifhwaddr", SIOCGIFHWADDR, NAME, HWADDR, "its hardware address and type"),
    [ESOCK_GIFMTU] = ASK("gifmtu", SIOCGIFMTU, NAME, INT, "the largest packet it takes, in bytes"),
    [ESOCK_GIFTXQLEN] =
        ASK("giftxqlen", SIOCGIFTXQLEN, NAME, INT, "the length of its transmit queue, in packets"),
    [ESOCK_GIFFLAGS] = ASK("gifflags", SIOCGIFFLAGS, NAME, FLAGS, "its flags, 16 bits of them"),
    [ESOCK_GIFMAP] = ASK("gifmap", SIOCGIFMAP, NAME, MAP, "where its hardware is mapped"),
    [ESOCK_SIFFLAGS] = SET("sifflags", SIOCSIFFLAGS, NAME, FLAGS,
                           "switches flags on and off; the others stay as they are"),
    [ESOCK_SIFADDR] = SET("sifaddr", SIOCSIFADDR, NAME, ADDR, "its first IPv4 address"),
    [ESOCK_SIFDSTADDR] =
        SET("sifdstaddr", SIOCSIFDSTADDR, NAME, ADDR, "the other end of a point-to-point link"),
    [ESOCK_SIFBRDADDR] = SET("sifbrdaddr", SIOCSIFBRDADDR, NAME, ADDR, "its broadcast address"),
    [ESOCK_SIFNETMASK] = SET("sifnetmask", SIOCSIFNETMASK, NAME, ADDR, "its network mask"),
    [ESOCK_SIFHWADDR] = SET("sifhwaddr", SIOCSIFHWADDR, NAME, HWADDR,
                            "its hardware address, of the type and length that it has"),
    [ESOCK_SIFMTU] = SET("sifmtu", SIOCSIFMTU, NAME, INT, "the largest packet it takes, in bytes"),
    [ESOCK_SIFTXQLEN] =
        SET("siftxqlen", SIOCSIFTXQLEN, NAME, INT, "the length of its transmit queue, in packets"),
    [ESOCK_RCVALL] = ABSENT("rcvall"),
    [ESOCK_RCVALL_IGMPMCAST] = ABSENT("rcvall_igmpmcast"),
    [ESOCK_RCVALL_MCAST] = ABSENT("rcvall_mcast"),
};

_Static_assert(ESOCK_IFNAME == IFNAMSIZ, "an interface's name and its NUL");
_Static_assert(sizeof(esock_ifaddr) >= sizeof(struct ifreq),
               "esock_ifconf decodes the kernel's records in place");

const esock_iorow *esock_ioctl_row(unsigned request) {
    return request < ESOCK_REQUESTS ? &rows[request] : NULL;
}

static int control(const esock *s, unsigned long request, void *arg) {
    int r;
    ESOCK__RETRY(r, s->sys->ioctl(s->sys, s->fd, request, arg));
    return r < 0 ? r : 0;
}

static void read_addr(const struct sockaddr *in, esock_addr *out) {
    struct sockaddr_storage ss = {0};
    memcpy(&ss, in, sizeof *in);
    esock_addr_decode(&ss, sizeof *in, out);
}

/* ---- Requests about the socket ---- */

static int space(const esock *s, esock_ioarg *arg) {
    int used = 0, size = 0;
    socklen_t len = sizeof size;
    int r = control(s, SIOCOUTQ, &used);
    if (r < 0) return r;
    ESOCK__RETRY(r, s->sys->getsockopt(s->sys, s->fd, SOL_SOCKET, SO_SNDBUF, &size, &len));
    if (r < 0) return r;
    /* The last packet may exceed the limit. */
    arg->i = used < size ? (int64_t)size - used : 0;
    return 0;
}

static int of_socket(const esock *s, const esock_iorow *row, esock_ioarg *arg) {
    int v = 0;
    if (row->value == ESOCK_IO_SPACE) return space(s, arg);
    int r = control(s, row->number, &v);
    if (r < 0) return r;
    arg->i = row->value == ESOCK_IO_BOOL ? v != 0 : v;
    return 0;
}

/* ---- Requests about an interface ---- */

/* The kernel writes as many bytes as the device's address has, 14 at the most, and does not say how many. So it is asked
 * twice, over zeros and over ones: the bytes that keep both were not written. For a device without an address the kernel
 * writes 14 zeros. */
static int read_hardware(const esock *s, const struct ifreq *named, esock_addr *out) {
    struct ifreq low = *named, high = *named;
    memset(&high.ifr_hwaddr, 0xFF, sizeof high.ifr_hwaddr);
    int r = control(s, SIOCGIFHWADDR, &low);
    if (r == 0) r = control(s, SIOCGIFHWADDR, &high);
    if (r < 0) return r;
    unsigned char a[sizeof low.ifr_hwaddr.sa_data], b[sizeof a];
    memcpy(a, low.ifr_hwaddr.sa_data, sizeof a);
    memcpy(b, high.ifr_hwaddr.sa_data, sizeof b);
    size_t n = sizeof a, used = 0;
    while (n > 0 && a[n - 1] == 0 && b[n - 1] == 0xFF)
        n--;
    for (size_t i = 0; i < n; i++)
        if (a[i] != 0) used = i + 1;
    if (n == sizeof a && used == 0) n = 0;
    *out =
        (esock_addr){.family = low.ifr_hwaddr.sa_family, .form = ESOCK_ADDR_RAW, .len = (uint8_t)n};
    memcpy(out->data, a, n);
    return 0;
}

/* The kernel reads as many bytes as the device's address has, so another length is refused here. */
static int write_hardware(const esock *s, struct ifreq *q, const esock_addr *in) {
    esock_addr now;
    if (in->form != ESOCK_ADDR_RAW || in->len > sizeof q->ifr_hwaddr.sa_data) return -EINVAL;
    int r = read_hardware(s, q, &now);
    if (r < 0) return r;
    if (in->len != now.len) return -EINVAL;
    q->ifr_hwaddr.sa_family = in->family;
    memcpy(q->ifr_hwaddr.sa_data, in->data, in->len);
    return control(s, SIOCSIFHWADDR, q);
}

static int write_flags(const esock *s, struct ifreq *q, const esock_ioarg *arg) {
    if (arg->i < 0 || arg->i > USHRT_MAX || arg->off > USHRT_MAX) return -ERANGE;
    int r = control(s, SIOCGIFFLAGS, q);
    if (r < 0) return r;
    unsigned f = (unsigned short)q->ifr_flags;
    q->ifr_flags = (short)(unsigned short)((f & ~arg->off) | (unsigned)arg->i);
    return control(s, SIOCSIFFLAGS, q);
}

static int read_interface(const esock *s, const esock_iorow *row, struct ifreq *q,
                          esock_ioarg *arg) {
    if (row->value == ESOCK_IO_HWADDR) return read_hardware(s, q, &arg->addr);
    int r = control(s, row->number, q);
    if (r < 0) return r;
    switch (row->value) {
    case ESOCK_IO_NAME:
        memcpy(arg->name, q->ifr_name, sizeof arg->name);
        arg->name[sizeof arg->name - 1] = 0;
        break;
    case ESOCK_IO_ADDR:
        read_addr(&q->ifr_addr, &arg->addr);
        break;
    case ESOCK_IO_FLAGS:
        arg->i = (unsigned short)q->ifr_flags;
        break;
    case ESOCK_IO_MAP:
        arg->map = (esock_ifmap){.mem_start = q->ifr_map.mem_start,
                                 .mem_end = q->ifr_map.mem_end,
                                 .base_addr = q->ifr_map.base_addr,
                                 .irq = q->ifr_map.irq,
                                 .dma = q->ifr_map.dma,
                                 .port = q->ifr_map.port};
        break;
    default: /* index, MTU and queue length share a place in the union */
        arg->i = q->ifr_ifindex;
    }
    return 0;
}

static int write_interface(const esock *s, const esock_iorow *row, struct ifreq *q,
                           const esock_ioarg *arg) {
    struct sockaddr_storage ss;
    unsigned len;
    int r;
    switch (row->value) {
    case ESOCK_IO_FLAGS:
        return write_flags(s, q, arg);
    case ESOCK_IO_HWADDR:
        return write_hardware(s, q, &arg->addr);
    case ESOCK_IO_ADDR:
        r = esock_addr_encode(&arg->addr, &ss, &len);
        if (r < 0) return r;
        if (len > sizeof q->ifr_addr) return -EAFNOSUPPORT;
        memcpy(&q->ifr_addr, &ss, len);
        break;
    default:
        if (arg->i < INT_MIN || arg->i > INT_MAX) return -ERANGE;
        q->ifr_mtu = (int)arg->i;
    }
    return control(s, row->number, q);
}

static int of_interface(const esock *s, const esock_iorow *row, esock_ioarg *arg) {
    struct ifreq q;
    memset(&q, 0, sizeof q);
    if (row->key == ESOCK_IOKEY_INDEX) {
        if (arg->i < INT_MIN || arg->i > INT_MAX) return -ERANGE;
        q.ifr_ifindex = (int)arg->i;
    } else {
        if (memchr(arg->name, 0, sizeof arg->name) == NULL) return -ENAMETOOLONG;
        memcpy(q.ifr_name, arg->name, sizeof arg->name);
    }
    return row->set ? write_interface(s, row, &q, arg) : read_interface(s, row, &q, arg);
}

int esock_ioctl(esock *s, unsigned request, esock_ioarg *arg) {
    const esock_iorow *row = esock_ioctl_row(request);
    if (row == NULL) return -ENOENT;
    if (row->constant == NULL || row->value == ESOCK_IO_CONF || row->value == ESOCK_IO_INFO)
        return -ENOTSUP;
    if (arg == NULL) return -EFAULT;
    int r = row->key == ESOCK_IOKEY_NONE ? of_socket(s, row, arg) : of_interface(s, row, arg);
    esock__trace(s, "ioctl", r);
    return r;
}

ssize_t esock_ifconf(esock *s, esock_ifaddr *out, size_t max) {
    struct ifconf c = {0};
    size_t room = max;
    if (out == NULL && max > 0) return -EFAULT;
    if (room > INT_MAX / sizeof(struct ifreq)) room = INT_MAX / sizeof(struct ifreq);
    /* The kernel's records go to the end of the caller's array. A record is no longer than an esock_ifaddr, so decoding
     * from the front overwrites none that is still to be decoded. */
    char *raw = room == 0 ? NULL : (char *)(out + room) - room * sizeof(struct ifreq);
    c.ifc_len = (int)(room * sizeof(struct ifreq));
    c.ifc_buf = raw;
    int r = control(s, SIOCGIFCONF, &c);
    esock__trace(s, "ioctl", r);
    if (r < 0) return r;
    if (c.ifc_len < 0) return -EBADMSG;
    size_t n = (size_t)c.ifc_len / sizeof(struct ifreq);
    if (raw == NULL) return (ssize_t)n;
    if (n > room) return -EBADMSG;
    for (size_t i = 0; i < n; i++) {
        struct ifreq q;
        memcpy(&q, raw + i * sizeof q, sizeof q);
        memset(&out[i], 0, sizeof out[i]);
        memcpy(out[i].name, q.ifr_name, sizeof out[i].name);
        out[i].name[sizeof out[i].name - 1] = 0;
        read_addr(&q.ifr_addr, &out[i].addr);
    }
    return (ssize_t)n;
}
