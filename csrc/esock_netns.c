/* Opening a socket in another network namespace. */
#include "esock_internal.h"

int esock_open_netns(esock **out, const char *path, int domain, int type, int protocol,
                     const esock_sys *sys, int *lost) {
    if (sys == NULL) sys = esock_sys_libc();
    *lost = 0;
    int target = sys->open(sys, path);
    if (target < 0) return target;
    int home = sys->open(sys, "/proc/thread-self/ns/net");
    if (home < 0) {
        sys->close(sys, target);
        return home;
    }
    int r = sys->setns(sys, target);
    if (r >= 0) {
        esock *s = NULL;
        r = esock_open(&s, domain, type, protocol, sys);
        /* Whatever came of the socket, the thread has to come home. */
        int back = sys->setns(sys, home);
        if (back < 0) {
            *lost = 1;
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
