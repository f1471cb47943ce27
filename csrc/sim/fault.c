/* Decisions: the seed, a fuzzer's input, faults by chance and by script. */
#include "sim_internal.h"

#include <stdlib.h>

/* The finaliser of splitmix64, which spreads every bit of its input over all bits. */
uint64_t sim_mix(uint64_t a, uint64_t b) {
    uint64_t x = a + 0x9e3779b97f4a7c15u * (b + 1);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t draw(esock_sim *sim, struct dice *d) {
    return sim_mix(sim_mix(sim->seed, d->key), d->n++);
}

/* The next byte of the input; 0 when it is used up. */
static uint8_t input(esock_sim *sim) {
    return sim->data < sim->data_end ? *sim->data++ : 0;
}

bool sim_chance(esock_sim *sim, struct dice *d, uint32_t n, uint32_t of) {
    if (n == 0) return false;
    if (!sim->from_data) return draw(sim, d) % of < n;
    if (sim->data == sim->data_end) return false;
    return (uint64_t)(255 - input(sim)) * of < (uint64_t)n * 255;
}

uint64_t sim_below(esock_sim *sim, struct dice *d, uint64_t n) {
    if (n <= 1) return 0;
    if (!sim->from_data) return draw(sim, d) % n;
    uint64_t v = input(sim);
    if (n > 256) v = v << 8 | input(sim);
    return v % n;
}

enum {
    F_READ = 1 << ESOCK_SIM_SHORT_READ,
    F_WRITE = 1 << ESOCK_SIM_SHORT_WRITE,
    F_INTR = 1 << ESOCK_SIM_EINTR,
    F_AGAIN = 1 << ESOCK_SIM_EAGAIN,
    F_NOBUFS = 1 << ESOCK_SIM_ENOBUFS,
    F_NOMEM = 1 << ESOCK_SIM_ENOMEM,
    F_MFILE = 1 << ESOCK_SIM_EMFILE,
    F_ABORTED = 1 << ESOCK_SIM_ECONNABORTED,
    F_RESET = 1 << ESOCK_SIM_RESET
};

/* What can happen to each call. SPURIOUS is decided where readiness is collected. */
static const uint16_t may[ESOCK_SIM_CALLS] = {
    [ESOCK_SIM_SOCKET] = F_MFILE | F_NOBUFS,
    [ESOCK_SIM_ACCEPT] = F_INTR | F_AGAIN | F_MFILE | F_ABORTED,
    [ESOCK_SIM_DUP] = F_MFILE,
    [ESOCK_SIM_CLOSE] = F_INTR,
    [ESOCK_SIM_CONNECT] = F_INTR | F_NOBUFS,
    [ESOCK_SIM_OPTION] = F_NOMEM,
    [ESOCK_SIM_RECV] = F_READ | F_INTR | F_AGAIN | F_NOMEM | F_RESET,
    [ESOCK_SIM_SEND] = F_WRITE | F_INTR | F_AGAIN | F_NOBUFS | F_NOMEM | F_RESET,
    [ESOCK_SIM_POLL] = F_INTR,
    [ESOCK_SIM_EPOLL_CREATE] = F_MFILE,
    [ESOCK_SIM_EPOLL_CTL] = F_NOMEM,
    [ESOCK_SIM_EPOLL_WAIT] = F_INTR,
    [ESOCK_SIM_EVENTFD] = F_MFILE,
    [ESOCK_SIM_ALLOC] = F_NOMEM,
};

static const int error_of[ESOCK_SIM_FAULTS] = {
    [ESOCK_SIM_EINTR] = EINTR,     [ESOCK_SIM_EAGAIN] = EAGAIN,
    [ESOCK_SIM_ENOBUFS] = ENOBUFS, [ESOCK_SIM_ENOMEM] = ENOMEM,
    [ESOCK_SIM_EMFILE] = EMFILE,   [ESOCK_SIM_ECONNABORTED] = ECONNABORTED,
};

/* Finds the script of this call, and removes it. Returns whether there is one. */
static bool scripted(esock_sim *sim, enum esock_sim_call call, int fd, int *result) {
    for (struct script **at = &sim->scripts; *at != NULL; at = &(*at)->next) {
        struct script *s = *at;
        if (s->call != call || (s->fd >= 0 && s->fd != fd)) continue;
        if (s->skip > 0) {
            s->skip--;
            return false;
        }
        *result = s->result;
        *at = s->next;
        free(s);
        return true;
    }
    return false;
}

static int happens(esock_sim *sim, enum esock_sim_call call, enum esock_sim_fault kind,
                   struct dice *d, struct sock *s, struct fault *f) {
    switch (kind) {
    case ESOCK_SIM_SHORT_READ:
    case ESOCK_SIM_SHORT_WRITE:
        if (f->limit > 1) {
            f->limit = 1 + (size_t)sim_below(sim, d, f->limit - 1);
            f->again = true; /* as if the rest had come, or the room, just after */
        }
        return 0;
    case ESOCK_SIM_RESET:
        if (s != NULL && s->state >= SIM_ESTABLISHED) s->family->reset(s);
        return 0;
    case ESOCK_SIM_EINTR:
        if (call != ESOCK_SIM_CLOSE && call != ESOCK_SIM_CONNECT) return -EINTR;
        if (f != NULL) f->after = -EINTR;
        return 0;
    default:
        if (kind == ESOCK_SIM_EAGAIN && s != NULL) sim_notify(&s->file, 0);
        return -error_of[kind];
    }
}

int sim_fault(esock_sim *sim, enum esock_sim_call call, int fd, struct dice *d, struct sock *s,
              struct fault *f) {
    int result;
    if (sim->scripts != NULL && scripted(sim, call, fd, &result)) {
        if (result < 0) return result;
        if (f != NULL && result > 0) {
            f->again = (size_t)result < f->limit;
            if ((size_t)result < f->limit) f->limit = (size_t)result;
            f->force = call == ESOCK_SIM_SEND;
        }
        return 0;
    }
    for (int kind = 0; kind < ESOCK_SIM_FAULTS; kind++) {
        if (!(may[call] & 1 << kind) || sim->chance[kind] == 0) continue;
        if (!sim_chance(sim, d, sim->chance[kind], 1000)) continue;
        int r = happens(sim, call, (enum esock_sim_fault)kind, d, s, f);
        if (r < 0) return r;
    }
    return 0;
}

bool sim_spurious(esock_sim *sim, struct dice *d) {
    return sim_chance(sim, d, sim->chance[ESOCK_SIM_SPURIOUS], 1000);
}

int esock_sim_chance(esock_sim *sim, enum esock_sim_fault fault, unsigned per_1000) {
    int kind = (int)fault;
    if (kind < 0 || kind > ESOCK_SIM_FAULTS || per_1000 > 1000) return -EINVAL;
    pthread_mutex_lock(&sim->mu);
    for (int i = 0; i < ESOCK_SIM_FAULTS; i++)
        if (kind == ESOCK_SIM_FAULTS || i == kind) sim->chance[i] = per_1000;
    pthread_mutex_unlock(&sim->mu);
    return 0;
}

int esock_sim_script(esock_sim *sim, enum esock_sim_call call, int fd, unsigned skip, int result) {
    if ((int)call < 0 || call >= ESOCK_SIM_CALLS) return -EINVAL;
    struct script *s = malloc(sizeof *s);
    if (s == NULL) return -ENOMEM;
    *s = (struct script){.call = call, .fd = fd, .skip = skip, .result = result};
    pthread_mutex_lock(&sim->mu);
    struct script **at = &sim->scripts;
    while (*at != NULL)
        at = &(*at)->next;
    *at = s;
    pthread_mutex_unlock(&sim->mu);
    return 0;
}
