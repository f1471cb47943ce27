/* sendfile(2). */
#include "esock_internal.h"

ssize_t esock_sendfile(esock *s, int in_fd, int64_t *offset, size_t count, unsigned how) {
    if (offset == NULL) return -EFAULT;
    if (count > ESOCK_SENDFILE_MAX) count = ESOCK_SENDFILE_MAX;
    int64_t at = *offset;
    uint64_t saved;
    ssize_t n;
    if (esock__sendfile_block(s) == NULL) return -ENOMEM;
    esock_nonblock(s);
    /* sendfile has no MSG_NOSIGNAL: SIGPIPE is blocked, and one that this call raises is removed. */
    int r = s->sys->sigpipe_block(s->sys, &saved);
    if (r < 0) return r;
    ESOCK__RETRY(n, s->sys->sendfile(s->sys, s->fd, in_fd, &at, count));
    /* A short count may hide a signal: the kernel reports the bytes that it sent before it found
     * the peer gone. */
    s->sys->sigpipe_restore(s->sys, saved, n == -EPIPE || (n >= 0 && (size_t)n < count));
    if (n > 0) *offset += n;
    return esock__count_sendfile(s, n, how);
}
