/*
 * closes: loopback connections whose ends a timer closes, while listeners come and go.
 *
 *   closes N
 *
 * Four threads make N connections each, 32 at a time. Of most of them one end is closed first, so that its FIN is
 * acknowledged late, from a timer's softirq. Two more threads do nothing but listen and close: it is their transitions
 * that those softirqs interrupt. Prints how many connections were made.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLOSERS 4
#define LISTENERS 2
#define BATCH 32

static unsigned long connections;
static atomic_bool done;

static void check(int result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	exit(1);
}

static int listen_on(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	check(listener, "closes: socket");
	check(bind(listener, (struct sockaddr *)address, length), "closes: bind");
	check(listen(listener, BATCH), "closes: listen");
	check(getsockname(listener, (struct sockaddr *)address, &length), "closes: getsockname");
	return listener;
}

/* Each thread has an address of its own, so that the ports last for all. */
static struct sockaddr_in address_of(unsigned int thread)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (thread << 8));
	return address;
}

static void *close_connections(void *argument)
{
	struct sockaddr_in address = address_of(*(unsigned int *)argument);
	int listener = listen_on(&address);
	int clients[BATCH], servers[BATCH];

	for (unsigned long made = 0; made < connections; made += BATCH) {
		for (int i = 0; i < BATCH; i++) {
			clients[i] = socket(AF_INET, SOCK_STREAM, 0);
			check(connect(clients[i], (struct sockaddr *)&address, sizeof(address)), "closes: connect");
			servers[i] = accept(listener, NULL, NULL);
			check(servers[i], "closes: accept");
		}
		for (int i = 0; i < BATCH; i++) {
			close(servers[i]);
			if (i % 4 == 0)
				close(clients[i]);
		}
		if (made / BATCH % 4 == 0)
			usleep(50000); /* longer than an ACK is delayed */
		for (int i = 0; i < BATCH; i++)
			if (i % 4 != 0)
				close(clients[i]);
	}
	close(listener);
	return NULL;
}

static void *listen_and_close(void *unused)
{
	(void)unused;
	while (!done) {
		struct sockaddr_in address = address_of(0);

		close(listen_on(&address));
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t closers[CLOSERS], listeners[LISTENERS];
	unsigned int numbers[CLOSERS];

	connections = argc > 1 ? strtoul(argv[1], NULL, 10) / BATCH * BATCH : 0;
	if (connections == 0) {
		fprintf(stderr, "usage: closes N\n");
		return 2;
	}
	for (int i = 0; i < LISTENERS; i++)
		pthread_create(&listeners[i], NULL, listen_and_close, NULL);
	for (unsigned int i = 0; i < CLOSERS; i++) {
		numbers[i] = i + 1;
		pthread_create(&closers[i], NULL, close_connections, &numbers[i]);
	}
	for (int i = 0; i < CLOSERS; i++)
		pthread_join(closers[i], NULL);
	done = true;
	for (int i = 0; i < LISTENERS; i++)
		pthread_join(listeners[i], NULL);
	usleep(300000); /* the last ACKs are delayed by up to 200 ms */
	printf("made %lu\n", connections * CLOSERS);
	return 0;
}
