/* What the files of the C program share. */
#ifndef PEER_H
#define PEER_H

#include <netinet/in.h>

/* Ends the program unless ok. */
void need(int ok, const char *what);

double now_ns(void);

/* Listens on a port of 127.0.0.1 that the kernel chooses. */
int listen_here(struct sockaddr_in *at);

/* peer_ring.c */
void serve_ring(void);

/* peer_mmsg.c. Returns 0 if the mode is none of datagrams. */
int datagrams(const char *mode, long n);

/* peer_load.c. Returns 0 if the arguments are none of a load. */
int loads(int argc, char **argv);

#endif
