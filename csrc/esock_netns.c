/* Opening a socket in another network namespace. */
#include "esock_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* Opens the file of a namespace, which is a regular file. Opening another kind of file can block for ever (a FIFO without
 * a writer) or have side effects (a device). So the type is checked through O_PATH first, and that same file is opened. */
static int open_namespace(const esock_sys *sys, const char *path, enum esock_netns_fault *fault) {
    *fault = ESOCK_NETNS_FILE;
    int fd = sys->open(sys, path, O_PATH | O_CLOEXEC);
    if (fd < 0) return fd;
    int r = sys->filetype(sys, fd);
    if (r >= 0 && r != S_IFREG) r = -EINVAL; /* as setns answers for any other file */
    if (r >= 0) {
        char again[48];
        snprintf(again, sizeof again, "/proc/thread-self/fd/%d", fd);
        r = sys->open(sys, again, O_RDONLY | O_CLOEXEC);
        if (r == -ENOENT) *fault = ESOCK_NETNS_PROC; /* the file itself exists */
    }
    sys->close(sys, fd);
    return r;
}

int esock_open_netns(esock **out, const char *path, int domain, int type, int protocol,
                     const esock_sys *sys, enum esock_netns_fault *fault) {
    if (sys == NULL) sys = esock_sys_libc();
    if (out == NULL || path == NULL || fault == NULL) return -EFAULT;
    int target = open_namespace(sys, path, fault);
    if (target < 0) return target;
    int home = sys->open(sys, "/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0) {
        *fault = ESOCK_NETNS_PROC;
        sys->close(sys, target);
        return home;
    }
    int r = sys->setns(sys, target);
    if (r >= 0) {
        esock *s = NULL;
        *fault = ESOCK_NETNS_SOCKET;
        r = esock_open(&s, domain, type, protocol, sys);
        /* The thread must return, whether or not the socket was opened. */
        int back = sys->setns(sys, home);
        if (back < 0) {
            *fault = ESOCK_NETNS_LOST;
            if (r == 0) esock_close(s, 0, NULL, NULL);
            r = back;
        } else if (r == 0) {
            *out = s;
        }
    }
    sys->close(sys, home);
    sys->close(sys, target);
    return r < 0 ? r : 0;
}
