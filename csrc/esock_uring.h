/* io_uring's structures and numbers, which the headers of older systems lack. Programs do not include this. */
#ifndef ESOCK_URING_H
#define ESOCK_URING_H

#include <stddef.h>
#include <stdint.h>

/* struct io_uring_sqe: an operation that is given to the kernel. */
struct esock__sqe {
    uint8_t opcode;
    uint8_t flags;
    uint16_t ioprio;
    int32_t fd;
    uint64_t off;
    uint64_t addr;
    uint32_t len;
    uint32_t op_flags; /* MSG_ flags, SOCK_ flags, poll events, cancel flags */
    uint64_t user_data;
    uint16_t buf_group;
    uint16_t personality;
    int32_t file_index;
    uint64_t more[2];
};

/* struct io_uring_cqe: a result. */
struct esock__cqe {
    uint64_t user_data;
    int32_t res;
    uint32_t flags;
};

/* struct io_uring_params, with the offsets in the mapping of both rings. */
struct esock__uring_params {
    uint32_t sq_entries, cq_entries;
    uint32_t flags;
    uint32_t sq_thread_cpu, sq_thread_idle;
    uint32_t features;
    uint32_t wq_fd;
    uint32_t resv[3];
    struct {
        uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, resv1;
        uint64_t user_addr;
    } sq_off;
    struct {
        uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, resv1;
        uint64_t user_addr;
    } cq_off;
};

/* struct io_uring_getevents_arg */
struct esock__uring_wait {
    uint64_t sigmask;
    uint32_t sigmask_len;
    uint32_t min_wait_usec; /* 6.12 */
    uint64_t ts;            /* the address of an esock__uring_time; 0: no limit */
};

/* struct __kernel_timespec */
struct esock__uring_time {
    int64_t sec;
    long long nsec;
};

/* struct io_uring_buf: a buffer that the kernel may take. The last member of the first one is the tail of their ring. */
struct esock__uring_buf {
    uint64_t addr;
    uint32_t len;
    uint16_t id;
    uint16_t tail;
};

/* struct io_uring_buf_reg */
struct esock__uring_buf_reg {
    uint64_t ring_addr;
    uint32_t ring_entries;
    uint16_t group;
    uint16_t flags;
    uint64_t resv[3];
};

/* struct io_uring_napi, with the operation "register" and "all sockets" (6.13), which are 0. */
struct esock__uring_napi {
    uint32_t busy_poll_to;
    uint8_t prefer_busy_poll;
    uint8_t resv[11];
};

_Static_assert(sizeof(struct esock__sqe) == 64, "struct io_uring_sqe");
_Static_assert(offsetof(struct esock__sqe, user_data) == 32, "struct io_uring_sqe");
_Static_assert(offsetof(struct esock__sqe, file_index) == 44, "struct io_uring_sqe");
_Static_assert(sizeof(struct esock__cqe) == 16, "struct io_uring_cqe");
_Static_assert(sizeof(struct esock__uring_params) == 120, "struct io_uring_params");
_Static_assert(offsetof(struct esock__uring_params, sq_off) == 40, "struct io_uring_params");
_Static_assert(offsetof(struct esock__uring_params, cq_off) == 80, "struct io_uring_params");
_Static_assert(sizeof(struct esock__uring_wait) == 24, "struct io_uring_getevents_arg");
_Static_assert(sizeof(struct esock__uring_time) == 16, "struct __kernel_timespec");
_Static_assert(sizeof(struct esock__uring_buf) == 16, "struct io_uring_buf");
_Static_assert(sizeof(struct esock__uring_buf_reg) == 40, "struct io_uring_buf_reg");
_Static_assert(sizeof(struct esock__uring_napi) == 16, "struct io_uring_napi");

enum {
    /* io_uring_setup(2) */
    URING_SETUP_CQSIZE = 1 << 3,
    URING_SETUP_CLAMP = 1 << 4,
    URING_SETUP_R_DISABLED = 1 << 6,
    URING_SETUP_SUBMIT_ALL = 1 << 7,
    URING_SETUP_TASKRUN_FLAG = 1 << 9,
    URING_SETUP_SINGLE_ISSUER = 1 << 12, /* 6.0 */
    URING_SETUP_DEFER_TASKRUN = 1 << 13, /* 6.1 */
    URING_FEAT_SINGLE_MMAP = 1 << 0,
    URING_FEAT_NODROP = 1 << 1,
    URING_FEAT_FAST_POLL = 1 << 5,
    URING_FEAT_EXT_ARG = 1 << 8,
    URING_FEAT_CQE_SKIP = 1 << 11,
    URING_OFF_SQES = 0x10000000, /* mmap(2): the rings are at 0 */
    /* the flags in the rings */
    URING_SQ_CQ_OVERFLOW = 1 << 1,
    URING_SQ_TASKRUN = 1 << 2,
    URING_CQ_EVENTFD_DISABLED = 1 << 0,
    /* io_uring_enter(2) */
    URING_ENTER_GETEVENTS = 1 << 0,
    URING_ENTER_EXT_ARG = 1 << 3,
    /* io_uring_register(2) */
    URING_REGISTER_EVENTFD = 4,
    URING_REGISTER_ENABLE_RINGS = 12,
    URING_REGISTER_PBUF_RING = 22,
    URING_REGISTER_NAPI = 27, /* 6.9 */
    /* operations */
    URING_NOP = 0,
    URING_POLL_ADD = 6,
    URING_ACCEPT = 13,
    URING_ASYNC_CANCEL = 14,
    URING_SEND = 26,
    URING_RECV = 27,
    URING_BUFFER_SELECT = 1 << 5,    /* flags */
    URING_CQE_SKIP_SUCCESS = 1 << 6, /* flags */
    URING_POLL_MULTI = 1 << 0,       /* len */
    URING_ACCEPT_MULTISHOT = 1 << 0, /* ioprio */
    URING_RECV_MULTISHOT = 1 << 1,   /* ioprio */
    /* results */
    URING_F_BUFFER = 1 << 0, /* and the number of the buffer in the upper 16 bits */
    URING_F_MORE = 1 << 1
};

#endif
