/*
 * replay_main.c: runs a fuzz target over the files given as arguments, so that
 * the corpus is tested also where there is no libFuzzer. It stops, as the
 * fuzzer does, by the target's abort or a sanitizer's.
 */
#include "base.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST_BYTES ((size_t)16 << 20)

static bool replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(MOST_BYTES), *exact = NULL;
    size_t size = file && data ? fread(data, 1, MOST_BYTES, file) : 0;
    bool good = file && data && !ferror(file);
    /* Exactly as large as the input, so that a sanitizer sees a read behind it. */
    if (good)
        exact = realloc(data, size ? size : 1);
    if (exact) {
        data = exact;
        LLVMFuzzerTestOneInput(data, size);
    }
    free(data);
    if (file)
        fclose(file);
    if (!exact)
        perror(path);
    return exact != NULL;
}

int main(int argc, char **argv)
{
    int failures = 0;
    for (int i = 1; i < argc; i++)
        failures += !replay(argv[i]);
    printf("%d inputs replayed\n", argc - 1 - failures);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
