/* Prints how many thousand cycles the time stamp counter makes in a second. QEMU's emulation hands the host's counter
 * to the guest, whose own measuring fails on a busy host; its clock would then advance in steps of 4 ms. */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

int main(void)
{
	const double begin = seconds();
	const unsigned long long first = __rdtsc();
	double passed;

	do
		passed = seconds() - begin;
	while (passed < 0.1);
	printf("%.0f\n", (__rdtsc() - first) / passed / 1000);
	return 0;
}
