//go:build ignore

/* Datagrams by the batch, without a library: COUNT datagrams of SIZE bytes are sent with one call, and received with as few as it
 * takes, on loopback, by one thread. Prints the processor time of a datagram. See peer.c. */
#define _GNU_SOURCE
#include "peer.h"

#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

enum { COUNT = 64, SIZE = 1200, TRAIN = 54 /* what 65,535 bytes have room for */, BIG = 65535 };

static struct mmsghdr hdrs[COUNT];
static struct iovec iov[COUNT];
static struct sockaddr_in names[COUNT];
static char data[COUNT * SIZE], room[COUNT][2048], big[4][BIG];
static char control[COUNT][CMSG_SPACE(sizeof(uint16_t))], gro[4][CMSG_SPACE(sizeof(int))];

static int udp_here(struct sockaddr_in *at) {
    socklen_t len = sizeof *at;
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    need(s >= 0 && bind(s, (struct sockaddr *)at, len) == 0 &&
             getsockname(s, (struct sockaddr *)at, &len) == 0,
         "bind");
    return s;
}

static double processor_ns(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return 1e9 * (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e3 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Sends COUNT datagrams, in trains or one by one, to names[0] or each to its own. */
static void send_all(int s, int trains, int mixed) {
    int n = 0;
    for (int first = 0; first < COUNT; n++) {
        int parts = trains ? (COUNT - first < TRAIN ? COUNT - first : TRAIN) : 1;
        iov[n] = (struct iovec){.iov_base = data + first * SIZE, .iov_len = (size_t)parts * SIZE};
        hdrs[n].msg_hdr = (struct msghdr){.msg_name = &names[mixed ? first : 0],
                                          .msg_namelen = sizeof names[0],
                                          .msg_iov = &iov[n],
                                          .msg_iovlen = 1};
        if (parts > 1) {
            hdrs[n].msg_hdr.msg_control = control[n];
            hdrs[n].msg_hdr.msg_controllen = sizeof control[n];
            struct cmsghdr *c = CMSG_FIRSTHDR(&hdrs[n].msg_hdr);
            uint16_t segment = SIZE;
            c->cmsg_level = IPPROTO_UDP;
            c->cmsg_type = UDP_SEGMENT;
            c->cmsg_len = CMSG_LEN(sizeof segment);
            memcpy(CMSG_DATA(c), &segment, sizeof segment);
        }
        first += parts;
    }
    need(sendmmsg(s, hdrs, (unsigned)n, 0) == n, "sendmmsg");
}

static void receive_all(int s, int trains) {
    for (int left = COUNT; left > 0;) {
        int most = trains ? 4 : left;
        for (int i = 0; i < most; i++) {
            iov[i] = trains ? (struct iovec){.iov_base = big[i], .iov_len = BIG}
                            : (struct iovec){.iov_base = room[i], .iov_len = sizeof room[i]};
            hdrs[i].msg_hdr = (struct msghdr){.msg_name = &names[1 + i],
                                              .msg_namelen = sizeof names[0],
                                              .msg_iov = &iov[i],
                                              .msg_iovlen = 1};
            if (!trains) continue;
            hdrs[i].msg_hdr.msg_control = gro[i];
            hdrs[i].msg_hdr.msg_controllen = sizeof gro[i];
        }
        int n = recvmmsg(s, hdrs, (unsigned)most, MSG_WAITFORONE, NULL);
        need(n > 0, "recvmmsg");
        for (int i = 0; i < n; i++)
            left -= (int)((hdrs[i].msg_len + SIZE - 1) / SIZE);
    }
}

int datagrams(const char *mode, long n) {
    int trains = strcmp(mode, "datagrams-trains") == 0,
        mixed = strcmp(mode, "datagrams-mixed") == 0;
    if (!trains && !mixed && strcmp(mode, "datagrams-plain") != 0) return 0;
    struct sockaddr_in at;
    int from = udp_here(&at), to = udp_here(&at), on = 1;
    names[0] = at;
    if (trains) need(setsockopt(to, IPPROTO_UDP, UDP_GRO, &on, sizeof on) == 0, "UDP_GRO");
    for (int i = 1; mixed && i < COUNT; i++)
        udp_here(&names[i]);
    double start = processor_ns();
    for (long i = 0; i < n; i++) {
        send_all(from, trains, mixed);
        if (!mixed) receive_all(to, trains);
    }
    printf("{\"mode\":\"%s\",\"n\":%ld,\"ns_per_datagram\":%.1f}\n", mode, n,
           (processor_ns() - start) / (double)n / COUNT);
    return 1;
}
