/* Both ends of a connection over the simulated kernel. The input is what the client sends: a byte of length and the text,
 * again and again, up to a frame of no text; what follows decides which calls are cut short, interrupted or put off. Every
 * answer must be the text in capitals. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <esock_sim.h>

#include "frames.h"

struct end {
    esock *s;
    struct frame_in in;
    struct frame_out out;
};

static void must(int what, const char *text) {
    if (what) return;
    fprintf(stderr, "%s\n", text);
    abort();
}

static esock *adopt(const esock_sys *host, int fd) {
    esock *s = NULL;
    must(esock_adopt(&s, fd, ESOCK_ADOPT_TAKE, -1, -1, -1, host, NULL) == 0, "no socket");
    return s;
}

static void capitals(uint8_t *to, const uint8_t *text, size_t len) {
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i]);
}

/* One turn of the server. */
static void serve(struct end *e) {
    while (frame_send(e->s, &e->out) == 1 && frame_recv(e->s, &e->in) == 1) {
        uint8_t answer[FRAME_MAX];
        capitals(answer, e->in.text, e->in.len);
        frame_put(&e->out, answer, e->in.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const enum esock_sim_fault faults[] = {ESOCK_SIM_SHORT_READ, ESOCK_SIM_SHORT_WRITE,
                                                  ESOCK_SIM_EINTR, ESOCK_SIM_EAGAIN};
    size_t text = 0, turns = 0;
    while (text < size && data[text] > 0 && data[text] < size - text)
        text += 1u + data[text];
    esock_sim *sim;
    int fd[2];
    must(esock_sim_new_data(&sim, data + text, size - text) == 0, "no simulation");
    const esock_sys *host = esock_sim_host(sim, "10.0.0.1");
    must(esock_sim_socketpair(host, SOCK_STREAM, fd) == 0, "no pair");
    struct end client = {.s = adopt(host, fd[0])}, server = {.s = adopt(host, fd[1])};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        esock_sim_chance(sim, faults[i], 200);
    for (const uint8_t *at = data, *end = data + text; at < end; at += 1u + at[0]) {
        uint8_t want[FRAME_MAX];
        int r = 0;
        frame_put(&client.out, at + 1, at[0]);
        while (r == 0) {
            must(turns++ < 100000, "the protocol stands still");
            frame_send(client.s, &client.out);
            serve(&server);
            r = frame_recv(client.s, &client.in);
        }
        capitals(want, at + 1, at[0]);
        must(r == 1, "the connection broke");
        must(client.in.len == at[0] && memcmp(client.in.text, want, at[0]) == 0, "a wrong answer");
    }
    esock_close(client.s, 0, NULL, NULL);
    esock_close(server.s, 0, NULL, NULL);
    must(esock_sim_free(sim) == 0, "a descriptor is left open");
    return 0;
}
