/*
 * Runs a fuzz target on stored inputs, without a fuzzer: each file of each folder named, and each shorter beginning of the
 * small ones, since inputs that end early are where readers go wrong. The input is a block of its exact size, so that
 * a sanitizer sees every byte read past it.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST (1 << 20)
#define SMALL 600

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(const uint8_t *data, size_t size)
{
    uint8_t *exact = (uint8_t *)malloc(size ? size : 1);
    if (!exact)
        exit(2);
    memcpy(exact, data, size);
    (void)LLVMFuzzerTestOneInput(size ? exact : exact + 1, size);
    free(exact);
}

static int replay_file(const char *path, uint8_t *buffer)
{
    FILE *f = fopen(path, "rb");
    size_t size, cut;
    if (!f)
        return -1;
    size = fread(buffer, 1, LARGEST, f);
    fclose(f);
    feed(buffer, size);
    for (cut = 0; cut < size && size <= SMALL; cut++)
        feed(buffer, cut);
    return 0;
}

static int replay_folder(const char *path, uint8_t *buffer)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    int failed = 0;
    if (!folder)
        return replay_file(path, buffer);
    while ((entry = readdir(folder))) {
        char name[1024];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        printf("[ RUN      ] %s\n", entry->d_name);
        fflush(stdout);
        if (replay_file(name, buffer) == 0) {
            printf("[       OK ] %s\n", entry->d_name);
        } else {
            printf("[  FAILED  ] %s\n", entry->d_name);
            failed = -1;
        }
    }
    closedir(folder);
    return failed;
}

int main(int argc, char **argv)
{
    static uint8_t buffer[LARGEST];
    int i, failed = 0;
    feed(buffer, 0);
    for (i = 1; i < argc; i++)
        failed |= replay_folder(argv[i], buffer);
    return failed ? 1 : 0;
}
