/*
 * syscall_loop: what a system call that nobody traces costs.
 *
 *   syscall_loop N
 *
 * Calls getppid() N times and prints nanoseconds per call, the least of ten slices: what disturbs only adds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

int main(int argc, char **argv)
{
	unsigned long calls = argc > 1 ? strtoul(argv[1], NULL, 10) / 10 : 0;
	double least = 0;

	if (!calls)
		return 2;
	for (int slice = 0; slice < 10; slice++) {
		double begin = now_ns();

		for (unsigned long i = 0; i < calls; i++)
			syscall(SYS_getppid);
		double each = (now_ns() - begin) / calls;

		if (slice == 0 || each < least)
			least = each;
	}
	printf("%.1f\n", least);
	return 0;
}
