// Stands in for libFuzzer where the compiler has none: runs the target once with each input of the
// folders that are its arguments, as libFuzzer does with -runs=0. Arguments that begin with a hyphen
// are libFuzzer's, and ignored.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void replay(const char *path) {
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0) die(path);
    long size = ftell(f);
    if (size < 0) die(path);
    rewind(f);
    // Exactly as long as the input, so that a sanitizer sees what reads beyond it.
    uint8_t *bytes = malloc((size_t)size);
    if (size > 0 && (bytes == NULL || fread(bytes, (size_t)size, 1, f) != 1)) die(path);
    fclose(f);
    LLVMFuzzerTestOneInput(bytes, (size_t)size);
    free(bytes);
}

int main(int argc, char **argv) {
    int inputs = 0;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-') continue;
        DIR *folder = opendir(argv[i]);
        if (folder == NULL) die(argv[i]);
        struct dirent *entry;
        while ((entry = readdir(folder)) != NULL) {
            if (entry->d_name[0] == '.') continue;
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            fprintf(stderr, "%s\n", path); // the last one is the one that failed
            replay(path);
            inputs++;
        }
        closedir(folder);
    }
    printf("%d inputs\n", inputs);
    return inputs == 0;
}
