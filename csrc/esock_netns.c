/* Opening a socket in another network namespace. */
#include "esock_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* Opens a namespace's file, which is a regular one. To open something else can take for ever (a FIFO without a writer), or
 * have effects of its own (a device), so it is looked at first, and what was looked at is what is opened. */
static int open_namespace(const esock_sys *sys, const char *path, enum esock_netns_fault *fault) {
    *fault = ESOCK_NETNS_FILE;
    int fd = sys->open(sys, path, O_PATH | O_CLOEXEC);
    if (fd < 0) return fd;
    int r = sys->filetype(sys, fd);
    if (r >= 0 && r != S_IFREG) r = -EINVAL; /* as setns says of any other file */
    if (r >= 0) {
        char again[48];
        snprintf(again, sizeof again, "/proc/thread-self/fd/%d", fd);
        r = sys->open(sys, again, O_RDONLY | O_CLOEXEC);
        if (r == -ENOENT) *fault = ESOCK_NETNS_PROC; /* the file itself was found */
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
        /* Whatever came of the socket, the thread has to come home. */
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
