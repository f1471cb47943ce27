#include "frames.h"

#include <errno.h>
#include <string.h>

void frame_put(struct frame_out *f, const void *text, uint8_t len) {
    f->bytes[0] = len;
    memcpy(f->bytes + 1, text, len);
    f->len = 1u + len;
    f->done = 0;
}

int frame_send(esock *s, struct frame_out *f) {
    while (f->done < f->len) {
        ssize_t n = esock_send(s, f->bytes + f->done, f->len - f->done, 0, 0);
        if (n < 0) return n == -EAGAIN ? 0 : (int)n;
        f->done += (size_t)n;
    }
    return 1;
}

int frame_recv(esock *s, struct frame_in *f) {
    if (!f->have_len) {
        ssize_t n = esock_recv(s, &f->len, 1, 0, 0);
        if (n <= 0) return n == -EAGAIN ? 0 : n == 0 ? -ESHUTDOWN : (int)n;
        f->have_len = 1;
        f->done = 0;
    }
    while (f->done < f->len) {
        ssize_t n = esock_recv(s, f->text + f->done, f->len - f->done, 0, 0);
        if (n <= 0) return n == -EAGAIN ? 0 : n == 0 ? -ESHUTDOWN : (int)n;
#ifdef FRAMES_FIXED
        f->done += (size_t)n;
#else
        f->done = f->len; /* the planted bug: a short read is taken for the whole */
#endif
    }
    f->have_len = 0;
    return 1;
}
