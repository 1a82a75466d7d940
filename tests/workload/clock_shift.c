/*
 * clock_shift: a library to preload; for the program, somebody sets the clock while it runs.
 *
 * CLOCK_REALTIME is off by the number of seconds in the file that CLOCK_SHIFT names; by none while it does not exist.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*real)(clockid_t, struct timespec *);
	const char *path = getenv("CLOCK_SHIFT");
	long seconds = 0;
	FILE *file;

	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	if (real(clock, now) != 0)
		return -1;
	if (clock != CLOCK_REALTIME || !path)
		return 0;
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%ld", &seconds) == 1)
		now->tv_sec += seconds;
	fclose(file);
	return 0;
}
