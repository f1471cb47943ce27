/* The real kernel: each entry calls libc and turns errno into a negative result. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64 /* 32-bit systems: files beyond 2 GiB */
#include "esock_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int result(int r) {
    return r < 0 ? -errno : r;
}

static ssize_t count(ssize_t n) {
    return n < 0 ? -errno : n;
}

static int sys_socket(const esock_sys *sys, int domain, int type, int protocol) {
    (void)sys;
    return result(socket(domain, type, protocol));
}

static int sys_accept4(const esock_sys *sys, int fd, struct sockaddr *addr, socklen_t *len,
                       int flags) {
    (void)sys;
    return result(accept4(fd, addr, len, flags));
}

static int sys_dup(const esock_sys *sys, int fd) {
    (void)sys;
    return result(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

static int sys_getfl(const esock_sys *sys, int fd) {
    (void)sys;
    return result(fcntl(fd, F_GETFL));
}

static int sys_setfl(const esock_sys *sys, int fd, int flags) {
    (void)sys;
    return result(fcntl(fd, F_SETFL, flags));
}

static int sys_getfd(const esock_sys *sys, int fd) {
    (void)sys;
    return result(fcntl(fd, F_GETFD));
}

static int sys_setfd(const esock_sys *sys, int fd, int flags) {
    (void)sys;
    return result(fcntl(fd, F_SETFD, flags));
}

static int sys_close(const esock_sys *sys, int fd) {
    (void)sys;
    return result(close(fd));
}

/* Linux: a signal ends the wait for linger early, and close returns 0 all the same. Go sends its threads SIGURG all the
 * time. So signals are blocked during the wait: they come afterwards, or to another thread. */
static int sys_close_lingering(const esock_sys *sys, int fd) {
    (void)sys;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = result(close(fd));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

static int sys_bind(const esock_sys *sys, int fd, const struct sockaddr *addr, socklen_t len) {
    (void)sys;
    return result(bind(fd, addr, len));
}

static int sys_connect(const esock_sys *sys, int fd, const struct sockaddr *addr, socklen_t len) {
    (void)sys;
    return result(connect(fd, addr, len));
}

static int sys_listen(const esock_sys *sys, int fd, int backlog) {
    (void)sys;
    return result(listen(fd, backlog));
}

static int sys_shutdown(const esock_sys *sys, int fd, int how) {
    (void)sys;
    return result(shutdown(fd, how));
}

static int sys_getsockname(const esock_sys *sys, int fd, struct sockaddr *addr, socklen_t *len) {
    (void)sys;
    return result(getsockname(fd, addr, len));
}

static int sys_getpeername(const esock_sys *sys, int fd, struct sockaddr *addr, socklen_t *len) {
    (void)sys;
    return result(getpeername(fd, addr, len));
}

static int sys_getsockopt(const esock_sys *sys, int fd, int level, int opt, void *val,
                          socklen_t *len) {
    (void)sys;
    return result(getsockopt(fd, level, opt, val, len));
}

static int sys_setsockopt(const esock_sys *sys, int fd, int level, int opt, const void *val,
                          socklen_t len) {
    (void)sys;
    return result(setsockopt(fd, level, opt, val, len));
}

static int sys_ioctl(const esock_sys *sys, int fd, unsigned long request, void *arg) {
    (void)sys;
#ifdef __GLIBC__
    return result(ioctl(fd, request, arg));
#else
    return result(ioctl(fd, (int)request, arg)); /* POSIX's type; the kernel takes 32 bits */
#endif
}

/* libc's send and recv are cancellation points, which cost a threaded program more than the rest of their work. The
 * system calls are made directly: a thread must not be cancelled in here. */
#if defined(SYS_sendto) && defined(SYS_recvfrom)
#define RECVFROM(...) syscall(SYS_recvfrom, __VA_ARGS__)
#define SENDTO(...) syscall(SYS_sendto, __VA_ARGS__)
#else
#define RECVFROM recvfrom
#define SENDTO sendto
#endif

/* musl copies control data into a buffer of 1 KiB, and refuses more. */
#if !defined(__GLIBC__) && defined(SYS_sendmsg) && defined(SYS_recvmsg)
#define RECVMSG(...) syscall(SYS_recvmsg, __VA_ARGS__)
#define SENDMSG(...) syscall(SYS_sendmsg, __VA_ARGS__)
#else
#define RECVMSG recvmsg
#define SENDMSG sendmsg
#endif
/* musl's sendmmsg is a loop of its sendmsg. */
#if !defined(__GLIBC__) && defined(SYS_sendmmsg) && defined(SYS_recvmmsg)
#define RECVMMSG(...) (int)syscall(SYS_recvmmsg, __VA_ARGS__)
#define SENDMMSG(...) (int)syscall(SYS_sendmmsg, __VA_ARGS__)
#else
#define RECVMMSG recvmmsg
#define SENDMMSG sendmmsg
#endif

static ssize_t sys_recv(const esock_sys *sys, int fd, void *buf, size_t len, int flags) {
    (void)sys;
    return count(RECVFROM(fd, buf, len, flags, NULL, NULL));
}

static ssize_t sys_recvfrom(const esock_sys *sys, int fd, void *buf, size_t len, int flags,
                            struct sockaddr *addr, socklen_t *addrlen) {
    (void)sys;
    return count(RECVFROM(fd, buf, len, flags, addr, addrlen));
}

static ssize_t sys_recvmsg(const esock_sys *sys, int fd, struct msghdr *msg, int flags) {
    (void)sys;
    return count(RECVMSG(fd, msg, flags));
}

static int sys_recvmmsg(const esock_sys *sys, int fd, struct mmsghdr *msgs, unsigned n, int flags) {
    (void)sys;
    return result(RECVMMSG(fd, msgs, n, flags, NULL));
}

static int sys_sendmmsg(const esock_sys *sys, int fd, struct mmsghdr *msgs, unsigned n, int flags) {
    (void)sys;
    return result(SENDMMSG(fd, msgs, n, flags));
}

static ssize_t sys_send(const esock_sys *sys, int fd, const void *buf, size_t len, int flags) {
    (void)sys;
    return count(SENDTO(fd, buf, len, flags, NULL, 0));
}

static ssize_t sys_sendto(const esock_sys *sys, int fd, const void *buf, size_t len, int flags,
                          const struct sockaddr *addr, socklen_t addrlen) {
    (void)sys;
    return count(SENDTO(fd, buf, len, flags, addr, addrlen));
}

static ssize_t sys_sendmsg(const esock_sys *sys, int fd, const struct msghdr *msg, int flags) {
    (void)sys;
    return count(SENDMSG(fd, msg, flags));
}

static ssize_t sys_sendfile(const esock_sys *sys, int out_fd, int in_fd, int64_t *offset,
                            size_t n) {
    (void)sys;
    off_t at = *offset;
    ssize_t sent = count(sendfile(out_fd, in_fd, &at, n));
    *offset = at;
    return sent;
}

_Static_assert(sizeof(off_t) == sizeof(int64_t), "an offset has 64 bits on every system");

/* Bits of *saved: 1, SIGPIPE was blocked before; 2, one was pending before, which must stay. */
static int sys_sigpipe_block(const esock_sys *sys, uint64_t *saved) {
    (void)sys;
    sigset_t pipe, old, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigemptyset(&pending);
    int r = pthread_sigmask(SIG_BLOCK, &pipe, &old);
    if (r != 0) return -r;
    sigpending(&pending);
    *saved = (sigismember(&old, SIGPIPE) == 1 ? 1u : 0u) |
             (sigismember(&pending, SIGPIPE) == 1 ? 2u : 0u);
    return 0;
}

static void sys_sigpipe_restore(const esock_sys *sys, uint64_t saved, int take) {
    (void)sys;
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    if (take && !(saved & 2)) {
        struct timespec now = {0, 0};
        while (sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR) {
        }
    }
    if (!(saved & 1)) pthread_sigmask(SIG_UNBLOCK, &pipe, NULL);
}

static int sys_poll(const esock_sys *sys, struct pollfd *fds, nfds_t n, int timeout_ms) {
    (void)sys;
    return result(poll(fds, n, timeout_ms));
}

static int sys_epoll_create(const esock_sys *sys) {
    (void)sys;
    return result(epoll_create1(EPOLL_CLOEXEC));
}

static int sys_epoll_ctl(const esock_sys *sys, int ep, int op, int fd, struct epoll_event *ev) {
    (void)sys;
    return result(epoll_ctl(ep, op, fd, ev));
}

static int sys_epoll_wait(const esock_sys *sys, int ep, struct epoll_event *ev, int max,
                          int timeout_ms) {
    (void)sys;
    return result(epoll_wait(ep, ev, max, timeout_ms));
}

static int sys_eventfd(const esock_sys *sys) {
    (void)sys;
    return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

static int sys_event_set(const esock_sys *sys, int fd) {
    (void)sys;
    uint64_t one = 1;
    return (int)count(write(fd, &one, sizeof one));
}

static int sys_event_clear(const esock_sys *sys, int fd) {
    (void)sys;
    uint64_t n;
    return (int)count(read(fd, &n, sizeof n));
}

/* The numbers of newer system calls are those of io_uring_setup and up: one on every architecture but alpha; MIPS adds its
 * base. */
#ifndef SYS_io_uring_setup
#if defined(__mips__) && defined(_ABIO32) && _MIPS_SIM == _ABIO32
#define SYS_io_uring_setup (4000 + 425)
#elif defined(__mips__) && defined(_ABIN32) && _MIPS_SIM == _ABIN32
#define SYS_io_uring_setup (6000 + 425)
#elif defined(__mips__)
#define SYS_io_uring_setup (5000 + 425)
#elif defined(__alpha__)
#define SYS_io_uring_setup 535
#else
#define SYS_io_uring_setup 425
#endif
#endif

/* Not libc's, which is newer than the system call, and has 32-bit times on some systems. */
static int sys_epoll_pwait2(const esock_sys *sys, int ep, struct epoll_event *ev, int max,
                            int64_t timeout_ns) {
    (void)sys;
    struct {
        int64_t sec, nsec;
    } t = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    return (int)count(syscall(SYS_io_uring_setup + 16, ep, ev, max, &t, NULL, 0));
}

static int sys_uring_setup(const esock_sys *sys, unsigned entries, void *params) {
    (void)sys;
    return (int)count(syscall(SYS_io_uring_setup, entries, params));
}

static int sys_uring_enter(const esock_sys *sys, int fd, unsigned submit, unsigned min,
                           unsigned flags, const void *arg, size_t arg_len) {
    (void)sys;
    return (int)count(syscall(SYS_io_uring_setup + 1, fd, submit, min, flags, arg, arg_len));
}

static int sys_uring_register(const esock_sys *sys, int fd, unsigned op, void *arg, unsigned n) {
    (void)sys;
    return (int)count(syscall(SYS_io_uring_setup + 2, fd, op, arg, n));
}

static int sys_map(const esock_sys *sys, void **out, size_t len, int fd, int64_t offset) {
    (void)sys;
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED | MAP_POPULATE;
    void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, offset);
    if (at == MAP_FAILED) return -errno;
    *out = at;
    return 0;
}

static int sys_unmap(const esock_sys *sys, void *at, size_t len) {
    (void)sys;
    return result(munmap(at, len));
}

static int sys_open(const esock_sys *sys, const char *path, int flags) {
    (void)sys;
    return result(open(path, flags));
}

static int sys_filetype(const esock_sys *sys, int fd) {
    (void)sys;
    struct stat st;
    int r = result(fstat(fd, &st));
    return r < 0 ? r : (int)(st.st_mode & S_IFMT);
}

static int sys_setns(const esock_sys *sys, int fd) {
    (void)sys;
    return result(setns(fd, CLONE_NEWNET));
}

static void *sys_alloc(const esock_sys *sys, size_t size) {
    (void)sys;
    return malloc(size); /* not calloc, which takes a lock in glibc before 2.41 */
}

static void sys_free(const esock_sys *sys, void *block) {
    (void)sys;
    free(block);
}

const esock_sys *esock_sys_libc(void) {
    static const esock_sys libc = {
        .socket = sys_socket,
        .accept4 = sys_accept4,
        .dup = sys_dup,
        .getfl = sys_getfl,
        .setfl = sys_setfl,
        .getfd = sys_getfd,
        .setfd = sys_setfd,
        .close = sys_close,
        .close_lingering = sys_close_lingering,
        .bind = sys_bind,
        .connect = sys_connect,
        .listen = sys_listen,
        .shutdown = sys_shutdown,
        .getsockname = sys_getsockname,
        .getpeername = sys_getpeername,
        .getsockopt = sys_getsockopt,
        .setsockopt = sys_setsockopt,
        .ioctl = sys_ioctl,
        .recv = sys_recv,
        .recvfrom = sys_recvfrom,
        .recvmsg = sys_recvmsg,
        .send = sys_send,
        .sendto = sys_sendto,
        .sendmsg = sys_sendmsg,
        .recvmmsg = sys_recvmmsg,
        .sendmmsg = sys_sendmmsg,
        .sendfile = sys_sendfile,
        .sigpipe_block = sys_sigpipe_block,
        .sigpipe_restore = sys_sigpipe_restore,
        .poll = sys_poll,
        .epoll_create = sys_epoll_create,
        .epoll_ctl = sys_epoll_ctl,
        .epoll_wait = sys_epoll_wait,
        .epoll_pwait2 = sys_epoll_pwait2,
        .eventfd = sys_eventfd,
        .event_set = sys_event_set,
        .event_clear = sys_event_clear,
        .uring_setup = sys_uring_setup,
        .uring_enter = sys_uring_enter,
        .uring_register = sys_uring_register,
        .map = sys_map,
        .unmap = sys_unmap,
        .open = sys_open,
        .filetype = sys_filetype,
        .setns = sys_setns,
        .alloc = sys_alloc,
        .free = sys_free,
    };
    return &libc;
}
