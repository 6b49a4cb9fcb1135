/*
 * chunk.c: see chunk.h. Called once for each entry of a stream and each comment.
 */
#include "chunk.h"

size_t chunk_head(char head[CHUNK_HEAD_SIZE], size_t length)
{
    static const char digits[] = "0123456789abcdef";
    size_t size = 1;
    while (size < 16 && length >> (4 * size))
        size++;
    for (size_t i = 0; i < size; i++)
        head[i] = digits[length >> (4 * (size - 1 - i)) & 15];
    head[size] = '\r';
    head[size + 1] = '\n';
    return size + 2;
}
