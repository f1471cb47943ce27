/* The answers of kernels of several ages to getsockopt(2), byte by byte, which the core decodes.
 * sockopt/captured_test.go describes the files, and made the values that are expected, without the core. */
#include "fixture.h"

#include <glob.h>

#define FILES "testdata/kernels/*/options.txt"
#define MOST 8192 /* bytes of an answer */

/* The kernel of the file: it gives the bytes that fit. */
static struct {
    unsigned char bytes[MOST];
    size_t has;
} kernel;

static int answer(const esock_sys *sys, int fd, int level, int opt, void *val, socklen_t *len) {
    (void)sys, (void)fd;
    bool filter = level == SOL_SOCKET && opt == SO_ATTACH_FILTER; /* counted in instructions */
    size_t unit = filter ? 8 : 1, has = kernel.has / unit;
    if (filter && *len == 0) {
        *len = (socklen_t)has;
        return 0;
    }
    if (*len > has) *len = (socklen_t)has;
    memcpy(val, kernel.bytes, *len * unit);
    return 0;
}

static size_t from_hex(const char *text, unsigned char *bytes) {
    size_t n = strlen(text) / 2;
    assert_true(n <= MOST);
    for (size_t i = 0; i < n; i++) {
        unsigned b;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &b), 1);
        bytes[i] = (unsigned char)b;
    }
    return n;
}

/* What the core makes of the answer, in the words of the file. */
static void check(esock *s, const char *file, const char *option, const char *core) {
    static unsigned char data[1 << 16], want[MOST];
    char level[32], name[64];
    assert_int_equal(sscanf(option, "%31[^.].%63s", level, name), 2);
    const esock_optrow *row = esock_opt_row(option_row(level, name));
    int64_t i = 0;
    size_t len = row->max;
    int r = esock_getopt(s, option_row(level, name), &i, data, &len);
    if (r != 0) fail_msg("%s: %s: %d", file, option, r);
    if (row->max == 0) {
        if (i != strtoll(core, NULL, 10))
            fail_msg("%s: %s: %lld, not %s", file, option, (long long)i, core);
        return;
    }
    memset(want, 0, sizeof want);
    size_t n = kernel.has;
    if (strcmp(core, "=") == 0) {
        memcpy(want, kernel.bytes, n);
        if (row->shape != NULL && n < row->shape->size) n = row->shape->size;
    } else {
        n = from_hex(core, want);
    }
    if (len != n || memcmp(data, want, n) != 0)
        fail_msg("%s: %s: %zu bytes, %zu expected, or others", file, option, len, n);
}

static void the_core_decodes_what_kernels_answered(void **state) {
    static esock_sys sys;
    esock *s;
    glob_t files;
    size_t lines = 0;
    if (sizeof(long) != 8 || *(const char *)&(int){1} != 1) skip(); /* the machine of the files */
    assert_int_equal(glob(FILES, 0, NULL, &files), 0);
    sys = *esock_sys_libc();
    assert_int_equal(esock_open(&s, AF_INET, SOCK_STREAM, 6, &sys), 0);
    sys.getsockopt = answer;
    for (size_t k = 0; k < files.gl_pathc; k++) {
        char *line = NULL;
        size_t room = 0;
        FILE *f = fopen(files.gl_pathv[k], "r");
        assert_non_null(f);
        for (; getline(&line, &room, f) > 0; lines++) {
            char *rest = line, *option = strsep(&rest, "\t");
            strsep(&rest, "\t");
            kernel.has = from_hex(strsep(&rest, "\t"), kernel.bytes);
            const char *core = strsep(&rest, "\t");
            assert_non_null(core);
            check(s, files.gl_pathv[k], option, core);
        }
        free(line);
        fclose(f);
    }
    globfree(&files);
    assert_true(lines > 500);
    sys.getsockopt = esock_sys_libc()->getsockopt;
    shut(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_core_decodes_what_kernels_answered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
