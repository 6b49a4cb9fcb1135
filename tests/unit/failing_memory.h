/**
 * failing_memory.h: malloc and its kin, of which the n-th call fails.
 *
 * For the one file of a unit test program. A program that defines malloc, calloc,
 * realloc and free replaces them in all that it links, libraries and libc's own
 * strdup and getline too [glibc manual, "Replacing malloc"]; so no linker flag is
 * needed. What is underneath is libc's, or the sanitizer's (its strdup stays its
 * own and does not fail).
 *
 * Between memory_fails_at and memory_is_back every block is written down, so that
 * what was not given back is known without a sanitizer too.
 *
 * Thread: the only one.
 */
#ifndef LEAT_TESTS_FAILING_MEMORY_H
#define LEAT_TESTS_FAILING_MEMORY_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define MEMORY_REAL(function) __interceptor_##function
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MEMORY_REAL(function) __interceptor_##function
#endif
#endif
#ifndef MEMORY_REAL
#define MEMORY_REAL(function) __libc_##function
#endif

/* Called before the thread sanitizer has come up: so without its marks. */
#define MEMORY_UNMARKED __attribute__((no_sanitize("thread")))

void *MEMORY_REAL(malloc)(size_t size);
void *MEMORY_REAL(calloc)(size_t count, size_t size);
void *MEMORY_REAL(realloc)(void *block, size_t size);
void MEMORY_REAL(free)(void *block);

#define MEMORY_BLOCKS_MOST 8192

static struct {
    bool counts;   /* between memory_fails_at and memory_is_back */
    size_t fails;  /* the number of the call that fails; 0: none */
    bool for_good; /* and all that follow it */
    size_t calls;  /* so far */
    bool has_failed;
    void *blocks[MEMORY_BLOCKS_MOST]; /* taken while it counts, not yet given back */
    size_t block_count;
} memory;

/* memory_fails_at(n, for_good): the n-th allocation from now on fails; for_good: and all after it.
 */
MEMORY_UNMARKED static inline void memory_fails_at(size_t n, bool for_good)
{
    memory.counts = true;
    memory.fails = n;
    memory.for_good = for_good;
    memory.calls = 0;
    memory.has_failed = false;
    memory.block_count = 0;
}

/* memory_is_back(): nothing fails any more. Returns how many blocks were not given back. */
MEMORY_UNMARKED static inline size_t memory_is_back(void)
{
    memory.counts = false;
    return memory.block_count;
}

/* memory_has_failed(): whether an allocation has failed since memory_fails_at. */
MEMORY_UNMARKED static inline bool memory_has_failed(void)
{
    return memory.has_failed;
}

MEMORY_UNMARKED static inline bool memory_is_there(void)
{
    if (!memory.counts)
        return true;
    memory.calls++;
    if (memory.calls != memory.fails && !(memory.for_good && memory.calls > memory.fails))
        return true;
    memory.has_failed = true;
    errno = ENOMEM;
    return false;
}

MEMORY_UNMARKED static inline void memory_note(void *block)
{
    if (!memory.counts || !block)
        return;
    if (memory.block_count == MEMORY_BLOCKS_MOST)
        abort();
    memory.blocks[memory.block_count++] = block;
}

/* Whether the block was written down; it is not any more. The newest are looked at first. */
MEMORY_UNMARKED static inline bool memory_forget(const void *block)
{
    for (size_t i = memory.block_count; block && i-- > 0;) {
        if (memory.blocks[i] == block) {
            memory.blocks[i] = memory.blocks[--memory.block_count];
            return true;
        }
    }
    return false;
}

MEMORY_UNMARKED void *malloc(size_t size)
{
    void *block = memory_is_there() ? MEMORY_REAL(malloc)(size) : NULL;
    memory_note(block);
    return block;
}

MEMORY_UNMARKED void *calloc(size_t count, size_t size)
{
    void *block = memory_is_there() ? MEMORY_REAL(calloc)(count, size) : NULL;
    memory_note(block);
    return block;
}

MEMORY_UNMARKED void *realloc(void *block, size_t size)
{
    if (!memory_is_there())
        return NULL;
    memory_forget(block);
    void *moved = MEMORY_REAL(realloc)(block, size);
    memory_note(moved);
    return moved;
}

MEMORY_UNMARKED void free(void *block)
{
    memory_forget(block);
    MEMORY_REAL(free)(block);
}

#endif
