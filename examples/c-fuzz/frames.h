/* A toy protocol: frames of one byte of length and as many bytes of text. The server answers each frame with one of the same
 * text in capitals. Either end is a state machine that is called when its socket may be ready. */
#ifndef FRAMES_H
#define FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include <esock.h>

enum { FRAME_MAX = 255 };

/* What is being sent: a frame and how much of it has gone. */
struct frame_out {
    uint8_t bytes[1 + FRAME_MAX];
    size_t len, done;
};

/* What is being received. */
struct frame_in {
    uint8_t len, text[FRAME_MAX];
    size_t done;
    int have_len;
};

/* Prepares a frame. */
void frame_put(struct frame_out *f, const void *text, uint8_t len);

/* Go on with a frame. Return 1 when it is complete, 0 when the socket has to become ready first, and a negative errno or, at
 * the end of the stream, -ESHUTDOWN. */
int frame_send(esock *s, struct frame_out *f);
int frame_recv(esock *s, struct frame_in *f);

#endif
