/* Shifts only the wall clock of one process tree, by $SKEW seconds; monotonic clocks, sleeps and file times stay true.
   gcc -shared -fPIC -O2 -o skew.so skew.c -ldl; SKEW=3600 LD_PRELOAD=skew.so COMMAND */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long long skew(void) {
    static long long seconds;
    static int is_read;
    if (!is_read) {
        char *text = getenv("SKEW");
        seconds = text ? atoll(text) : 0;
        is_read = 1;
    }
    return seconds;
}

int clock_gettime(clockid_t id, struct timespec *ts) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, ts);
    if (!result && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        ts->tv_sec += skew();
    return result;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone) {
    struct timespec ts;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *seconds) {
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    if (seconds)
        *seconds = ts.tv_sec;
    return ts.tv_sec;
}
