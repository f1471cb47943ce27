/* A malloc that fails when a program asks for it: LD_PRELOAD of memory_test.go. The program writes two numbers into the
 * file named by ESOCK_NOMEM: the thread whose malloc fails, and which of its calls does, counted from 1. The second number
 * counts down to 0. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t size);

static struct control { volatile uint32_t thread, left; } * control;

__attribute__((constructor)) static void map(void) {
    const char *name = getenv("ESOCK_NOMEM");
    int fd = name == NULL ? -1 : open(name, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED) control = at;
}

void *malloc(size_t size) {
    if (control != NULL && control->left > 0 && control->thread == (uint32_t)syscall(SYS_gettid) &&
        --control->left == 0) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(size);
}
