/* The option table: rows of esock_opt.def, structures of esock_opt_struct.def. */
#include <linux/filter.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>

#include "esock_internal.h"

#define LIST_ROOM 4096   /* bytes to begin with, for the list after a structure */
#define FILTER_ROOM 4096 /* bytes to begin with, for a filter */
#define FILTER_MAX 4096  /* instructions: BPF_MAXINSNS, beyond which the kernel refuses */

/* The structures, as the kernel lays them out. */
#define M_U8(f) uint8_t f;
#define M_U16(f) uint16_t f;
#define M_U32(f) uint32_t f;
#define M_U64(f) uint64_t f;
#define M_I32(f) int32_t f;
#define M_BE16(f) uint16_t f;
#define M_BE32(f) uint32_t f;
#define M_BOOL(f) int32_t f;
#define M_BOOL8(f) uint8_t f;
#define M_IN4(f) struct in_addr f;
#define M_IN6(f) struct in6_addr f;
#define M_SA(f) struct sockaddr_storage f;
#define M_SA6(f) struct sockaddr_in6 f;
#define M_SEC(f) int32_t f;
#define M_MS(f) uint32_t f;
#define M_US(f) uint32_t f;
#define M_USMIN(f) uint32_t f;
#define M_US64(f) uint64_t f;
#define M_FMODE(f) uint32_t f;
#define M_B32(f) uint8_t f[32];
#define M_B80(f) uint8_t f[80];
#define M_MANY32(f) uint32_t f;
#define M_EACH32(f) uint32_t f;
#define M_COUNT16(f) uint16_t f;
#define M_COUNT32(f) uint32_t f;
#define M_LU8(f) uint8_t f[0];
#define M_LU16(f) uint16_t f[0];
#define M_LU32(f) uint32_t f[0];
#define M_LIN4(f) struct in_addr f[0];
#define M_LSA(f) struct sockaddr_storage f[0];
#define M_LCAN(f) uint64_t f[0];
#define M_TAIL(f) uint8_t f[0];
/* Four fields of one word, which the last of them stands for. */
#define M_ECNMODE(f) uint32_t f[0];
#define M_ECNSEEN(f) uint32_t f[0];
#define M_ECNFAIL(f) uint32_t f[0];
#define M_ECNOPTS(f) uint32_t f;
#define L_NATURAL
#define L_PACKED4 __attribute__((packed, aligned(4)))

#define ESOCK_STRUCT(nm, type, fit) struct nm##_k {
#define ESOCK_FIELD(nm, field, member, kind, text) M_##kind(field)
#define ESOCK_END(nm, layout, element) \
    }                                  \
    L_##layout;
#include "esock_opt_struct.def"

/* The fields of each structure, an array each: the rows of one structure stand together. */
#define ESOCK_STRUCT(nm, type, fit) static const esock_optfield nm##_fields[] = {
#define ESOCK_FIELD(nm, field, member, kind, text) \
    {#field, #kind, offsetof(struct nm##_k, field), sizeof(((struct nm##_k *)0)->field)},
#define ESOCK_END(nm, layout, element) \
    }                                  \
    ;
#include "esock_opt_struct.def"

#define LEAST_FULL(nm) sizeof(struct nm##_k)
#define LEAST_SHORT(nm) 1
#define LEAST_GUESS(nm) sizeof(struct nm##_k)
#define LEAST_HEAD(nm) sizeof(struct nm##_k)
#define FIT_FULL 0
#define FIT_SHORT 0
#define FIT_GUESS ESOCK__FIT_GUESS
#define FIT_HEAD ESOCK__FIT_HEAD
#define COUNT(nm) (sizeof nm##_fields / sizeof *nm##_fields)

#define ESOCK_STRUCT(nm, type, fit)                                                        \
    static const esock_optshape nm##_shape = {#nm, sizeof(struct nm##_k), LEAST_##fit(nm), \
                                              FIT_##fit,
#define ESOCK_END(nm, layout, element)                                      \
    (element), COUNT(nm), nm##_fields                                       \
    }                                                                       \
    ;                                                                       \
    enum {                                                                  \
        nm##_max = sizeof(struct nm##_k) + ((element) > 0 ? LIST_ROOM : 0), \
        nm##_most = (element) > 0 ? ESOCK__OPT_MAX : sizeof(struct nm##_k)  \
    };
#include "esock_opt_struct.def"

enum {
#define ESOCK_LEVEL(nm, cnst, num) level_##nm = (num),
#include "esock_opt.def"
};

enum {
#define ESOCK_KIND(nm, bit, text) KIND_##nm = 1 << (bit),
#include "esock_opt.def"
};

/* The kinds, and their combinations, under the names that the rows use, without the prefix. */
enum kinds {
#define ESOCK_KIND(nm, bit, text) nm = KIND_##nm,
#include "esock_opt.def"
#define ESOCK_KINDS(nm, kinds) nm = (kinds),
#include "esock_opt.def"
};

#define C_BOOL .codec = ESOCK_BOOL
#define C_INT .codec = ESOCK_INT
#define C_UINT .codec = ESOCK_UINT
#define C_U16 .codec = ESOCK_U16
#define C_U64 .codec = ESOCK_U64
#define C_BE32 .codec = ESOCK_BE32
#define C_SEC .codec = ESOCK_INT
#define C_MSEC .codec = ESOCK_UINT
#define C_USEC .codec = ESOCK_UINT
#define C_TIMEVAL .codec = ESOCK_TIMEVAL
#define C_DOMAIN .codec = ESOCK_INT
#define C_TYPE .codec = ESOCK_INT
#define C_PROTOCOL .codec = ESOCK_INT
#define C_ERRNO .codec = ESOCK_INT
#define C_PMTU .codec = ESOCK_INT
#define C_FD .codec = ESOCK_INT
#define SIZES(first, at_most) .max = (first), .most = (at_most)
#define C_BITS .codec = ESOCK_UINT
#define C_STRING(n) .codec = ESOCK_STRING, SIZES(n, n)
#define C_TEXT(n) .codec = ESOCK_STRING, SIZES(n, ESOCK__OPT_MAX)
#define C_BYTES(n) .codec = ESOCK_BYTES, SIZES(n, n)
#define C_SIZED(n) .codec = ESOCK_BYTES, SIZES(n, ESOCK__OPT_MAX)
#define C_BLOB(n) .codec = ESOCK_BYTES, SIZES(n, ESOCK__OPT_MAX), .slack = 1
#define C_CTRL(n) .codec = ESOCK_BYTES, SIZES(n, ESOCK__OPT_MAX), .slack = sizeof(struct cmsghdr)
#define C_STRUCT(nm) .codec = ESOCK_STRUCT, SIZES(nm##_max, nm##_most), .shape = &nm##_shape
#define C_FILTER .codec = ESOCK_FILTER, SIZES(FILTER_ROOM, FILTER_MAX * sizeof(struct sock_filter))

/* The value of `since` for an option that a later Linux no longer has. */
#define UNTIL(from, to) from, .until = to

static const esock_optrow rows[] = {
#define ESOCK_OPT(lv, nm, cnst, num, cod, dir, knds, nds, snc, smpl, text) \
    {.level = #lv,                                                         \
     .name = #nm,                                                          \
     .constant = #cnst,                                                    \
     .level_number = level_##lv,                                           \
     .number = (num),                                                      \
     C_##cod,                                                              \
     .direction = ESOCK_##dir,                                             \
     .needs = ESOCK_NEEDS_##nds,                                           \
     .kinds = (knds),                                                      \
     .since = snc,                                                         \
     .sample = (smpl),                                                     \
     .doc = (text)},
#include "esock_opt.def"
};

#define ROWS (sizeof rows / sizeof *rows)

unsigned esock_opt_count(void) {
    return ROWS;
}

const esock_optrow *esock_opt_row(unsigned row) {
    return row < ROWS ? &rows[row] : NULL;
}

static uint64_t add(uint64_t h, const char *text) {
    for (; *text != 0; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return h;
}

uint64_t esock_opt_hash(void) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (const esock_optrow *r = rows; r < rows + ROWS; r++) {
        char text[256];
        int max = r->codec == ESOCK_STRING || r->codec == ESOCK_BYTES ? r->max : 0;
        snprintf(text, sizeof text, "%s %s %s %d %d %d %d %d %u %d %s\n", r->level, r->name,
                 r->constant, r->level_number, r->number, r->codec, r->direction, r->needs,
                 r->kinds, max, r->shape != NULL ? r->shape->name : "-");
        h = add(h, text);
        for (int k = 0; r->shape != NULL && k < r->shape->count; k++) {
            const esock_optfield *f = &r->shape->fields[k];
            snprintf(text, sizeof text, "%s %s\n", f->name, f->kind);
            h = add(h, text);
        }
    }
    return h;
}
