/* The system calls that esock makes: each goes through one of these tables.
 *
 * A table is chosen per handle and per poller (NULL: the real kernel), and each function is given
 * its table. A test embeds `struct esock_sys` as the first member of its own structure and keeps
 * its script there, so tests with different scripts run side by side.
 *
 * Every function that makes a system call returns what that returns, or a negative errno. None
 * retries after EINTR: the caller does. */
#ifndef ESOCK_SYS_H
#define ESOCK_SYS_H

#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "esock.h"

struct mmsghdr;

struct esock_sys {
    /* life */
    int (*socket)(const esock_sys *sys, int domain, int type, int protocol);
    int (*accept4)(const esock_sys *sys, int fd, struct sockaddr *addr, socklen_t *len, int flags);
    int (*dup)(const esock_sys *sys, int fd); /* F_DUPFD_CLOEXEC */
    int (*getfl)(const esock_sys *sys, int fd);
    int (*setfl)(const esock_sys *sys, int fd, int flags);
    int (*getfd)(const esock_sys *sys, int fd);            /* F_GETFD */
    int (*setfd)(const esock_sys *sys, int fd, int flags); /* F_SETFD */
    int (*close)(const esock_sys *sys, int fd);
    int (*close_lingering)(const esock_sys *sys, int fd); /* close, and no signal ends its wait */
    /* names */
    int (*bind)(const esock_sys *sys, int fd, const struct sockaddr *addr, socklen_t len);
    int (*connect)(const esock_sys *sys, int fd, const struct sockaddr *addr, socklen_t len);
    int (*listen)(const esock_sys *sys, int fd, int backlog);
    int (*shutdown)(const esock_sys *sys, int fd, int how);
    int (*getsockname)(const esock_sys *sys, int fd, struct sockaddr *addr, socklen_t *len);
    int (*getpeername)(const esock_sys *sys, int fd, struct sockaddr *addr, socklen_t *len);
    /* options */
    int (*getsockopt)(const esock_sys *sys, int fd, int level, int opt, void *val, socklen_t *len);
    int (*setsockopt)(const esock_sys *sys, int fd, int level, int opt, const void *val,
                      socklen_t len);
    int (*ioctl)(const esock_sys *sys, int fd, unsigned long request, void *arg);
    /* input and output */
    ssize_t (*recv)(const esock_sys *sys, int fd, void *buf, size_t len, int flags);
    ssize_t (*recvfrom)(const esock_sys *sys, int fd, void *buf, size_t len, int flags,
                        struct sockaddr *addr, socklen_t *addrlen);
    ssize_t (*recvmsg)(const esock_sys *sys, int fd, struct msghdr *msg, int flags);
    ssize_t (*send)(const esock_sys *sys, int fd, const void *buf, size_t len, int flags);
    ssize_t (*sendto)(const esock_sys *sys, int fd, const void *buf, size_t len, int flags,
                      const struct sockaddr *addr, socklen_t addrlen);
    ssize_t (*sendmsg)(const esock_sys *sys, int fd, const struct msghdr *msg, int flags);
    int (*recvmmsg)(const esock_sys *sys, int fd, struct mmsghdr *msgs, unsigned n, int flags);
    int (*sendmmsg)(const esock_sys *sys, int fd, struct mmsghdr *msgs, unsigned n, int flags);
    ssize_t (*sendfile)(const esock_sys *sys, int out_fd, int in_fd, int64_t *offset, size_t count);
    /* SIGPIPE around sendfile: sigpipe_block blocks it, and *saved receives the state before;
     * sigpipe_restore restores that state, and with `take` first removes the signal raised since */
    int (*sigpipe_block)(const esock_sys *sys, uint64_t *saved);
    void (*sigpipe_restore)(const esock_sys *sys, uint64_t saved, int take);
    /* readiness */
    int (*poll)(const esock_sys *sys, struct pollfd *fds, nfds_t n, int timeout_ms);
    int (*epoll_create)(const esock_sys *sys);
    int (*epoll_ctl)(const esock_sys *sys, int ep, int op, int fd, struct epoll_event *ev);
    int (*epoll_wait)(const esock_sys *sys, int ep, struct epoll_event *ev, int max,
                      int timeout_ms);
    int (*epoll_pwait2)(const esock_sys *sys, int ep, struct epoll_event *ev, int max,
                        int64_t timeout_ns);
    /* wake-ups: an eventfd, made readable, and cleared */
    int (*eventfd)(const esock_sys *sys);
    int (*event_set)(const esock_sys *sys, int fd);
    int (*event_clear)(const esock_sys *sys, int fd);
    /* io_uring: params is struct io_uring_params, arg struct io_uring_getevents_arg */
    int (*uring_setup)(const esock_sys *sys, unsigned entries, void *params);
    int (*uring_enter)(const esock_sys *sys, int fd, unsigned submit, unsigned min, unsigned flags,
                       const void *arg, size_t arg_len);
    int (*uring_register)(const esock_sys *sys, int fd, unsigned op, void *arg, unsigned n);
    /* mmap(2): private memory that is only reserved if fd is -1, else what the descriptor has */
    int (*map)(const esock_sys *sys, void **out, size_t len, int fd, int64_t offset);
    int (*unmap)(const esock_sys *sys, void *at, size_t len);
    /* network namespaces */
    int (*open)(const esock_sys *sys, const char *path, int flags);
    int (*filetype)(const esock_sys *sys, int fd); /* fstat: S_IFREG and its like */
    int (*setns)(const esock_sys *sys, int fd);
    /* memory: handles, pollers, queues and members, batches, and sendfile counters; no other call
     * allocates */
    void *(*alloc)(const esock_sys *sys, size_t size); /* not zeroed; NULL: none left */
    void (*free)(const esock_sys *sys, void *block);   /* NULL: nothing */
};

/* The real kernel, through libc. */
ESOCK_API const esock_sys *esock_sys_libc(void);

#endif
