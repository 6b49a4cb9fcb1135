/*
 * wall_clock.c: a wall clock that a story sets, for programs started with
 * LD_PRELOAD=wall_clock.so and WALL_CLOCK naming a file that holds the seconds
 * (an int64_t) to add to the time of day. Monotonic clocks stay what they are.
 *
 * The dangerous part: it is called before anything is initialised, by allocators
 * among others. So it asks the kernel itself, and allocates nothing.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time);
int gettimeofday(struct timeval *restrict time, void *restrict zone);
time_t time(time_t *seconds);

static int64_t ahead_s(void)
{
    static const volatile int64_t *shared;
    if (!shared) {
        const char *path = getenv("WALL_CLOCK");
        int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0)
            return 0;
        void *memory = mmap(NULL, sizeof *shared, PROT_READ, MAP_SHARED, fd, 0);
        syscall(SYS_close, fd);
        if (memory == MAP_FAILED)
            return 0;
        shared = memory;
    }
    return *shared;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        time->tv_sec += ahead_s();
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now))
        return -1;
    *time = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *seconds)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now))
        return -1;
    if (seconds)
        *seconds = now.tv_sec;
    return now.tv_sec;
}
