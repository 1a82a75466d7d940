/*
 * churn: opens and closes loopback TCP connections, at full speed or at a given one.
 *
 *   churn [--connections N] [--rate R] [--hold M] [--reset]
 *
 * Runs until N connections were made, SIGUSR1 arrives or standard input ends, then prints how many it made, and exits
 * when standard input has ended. --rate: R connections a second; one that is late is made up for. --hold keeps that many
 * connections open throughout (printed as "held M" once they are). --reset closes with RST so that no TIME_WAIT stays
 * behind and ports never run out.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static int stdin_ended(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	char byte;

	return poll(&in, 1, 0) > 0 && read(0, &byte, 1) <= 0;
}

static int open_pair(int listener, const struct sockaddr_in *address, int *server, int *client)
{
	*client = socket(AF_INET, SOCK_STREAM, 0);
	if (*client < 0)
		return -1;
	if (connect(*client, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		close(*client);
		return -1;
	}
	*server = accept(listener, NULL, NULL);
	return *server < 0 ? -1 : 0;
}

/* When connection number `made` is due. */
static void wait_until_due(const struct timespec *start, unsigned long made, unsigned long rate)
{
	struct timespec due = { .tv_sec = start->tv_sec + made / rate,
				.tv_nsec = start->tv_nsec + made % rate * 1000000000 / rate };

	if (due.tv_nsec >= 1000000000) {
		due.tv_nsec -= 1000000000;
		due.tv_sec++;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "connections", required_argument, NULL, 'c' },
		{ "rate", required_argument, NULL, 'R' },
		{ "hold", required_argument, NULL, 'h' },
		{ "reset", no_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long limit = 0, made = 0, held = 0, rate = 0;
	int reset = 0, option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'c')
			limit = strtoul(optarg, NULL, 10);
		else if (option == 'R')
			rate = strtoul(optarg, NULL, 10);
		else if (option == 'h')
			held = strtoul(optarg, NULL, 10);
		else if (option == 'r')
			reset = 1;
		else
			return 2;
	}

	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 128) < 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &length) < 0) {
		perror("churn: listener");
		return 1;
	}
	int server, client;

	for (unsigned long i = 0; i < held; i++) {
		if (open_pair(listener, &address, &server, &client) < 0) {
			perror("churn: hold");
			return 1;
		}
	}
	printf("held %lu port %d\n", held, ntohs(address.sin_port));
	fflush(stdout);

	struct sigaction on_stop = { .sa_handler = stop, .sa_flags = SA_RESTART };

	sigaction(SIGUSR1, &on_stop, NULL);
	struct linger abort_on_close = { .l_onoff = 1, .l_linger = 0 };
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);

	while (limit == 0 || made < limit) {
		if (stopped || ((made & 63) == 0 && stdin_ended()))
			break;
		if (rate)
			wait_until_due(&start, made, rate);
		if (open_pair(listener, &address, &server, &client) < 0) {
			if (errno == EADDRNOTAVAIL) /* every port is in TIME_WAIT: enough was done */
				break;
			perror("churn: connect");
			return 1;
		}
		if (reset)
			setsockopt(client, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close));
		close(client);
		close(server);
		made++;
	}
	printf("made %lu\n", made);
	fflush(stdout);
	while (!stdin_ended())
		poll(&(struct pollfd){ .fd = 0, .events = POLLIN }, 1, -1);
	return 0;
}
