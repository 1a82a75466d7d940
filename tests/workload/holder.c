/*
 * holder: keeps many sockets or descriptors open.
 *
 *   holder [--sockets N] [--descriptors N] [--listeners N] [--processes P]
 *
 * Over P processes it opens N established TCP sockets on loopback (two for each connection), N descriptors of /dev/null, and N
 * listeners; prints "ready" when all are there, and exits when standard input ends. Connections end with RST, so that no
 * TIME_WAIT stays behind for whatever is measured next.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
}

static int listen_anywhere(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	check(fd, "holder: socket");
	check(bind(fd, (struct sockaddr *)address, length), "holder: bind");
	check(listen(fd, 128), "holder: listen");
	check(getsockname(fd, (struct sockaddr *)address, &length), "holder: getsockname");
	return fd;
}

static void hold(unsigned long sockets, unsigned long descriptors, int ready, int go)
{
	struct sockaddr_in address;
	char byte = 0;
	struct linger abort_on_close = { .l_onoff = 1, .l_linger = 0 };

	if (sockets) {
		int listener = listen_anywhere(&address);

		for (unsigned long i = 0; i < sockets / 2; i++) {
			int client = socket(AF_INET, SOCK_STREAM, 0);

			check(client, "holder: socket");
			check(setsockopt(client, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close)), "holder: setsockopt");
			check(connect(client, (struct sockaddr *)&address, sizeof(address)), "holder: connect");
			check(accept(listener, NULL, NULL), "holder: accept");
		}
	}
	for (unsigned long i = 0; i < descriptors; i++)
		check(open("/dev/null", O_RDONLY), "holder: open");
	check(write(ready, &byte, 1), "holder: write");
	(void)!read(go, &byte, 1);
	_exit(0);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "sockets", required_argument, NULL, 's' },
		{ "descriptors", required_argument, NULL, 'd' },
		{ "listeners", required_argument, NULL, 'l' },
		{ "processes", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long sockets = 0, descriptors = 0, listeners = 0, processes = 1;
	int option, ready[2], go[2];
	struct sockaddr_in address;
	struct rlimit files;
	char byte;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned long value = optarg ? strtoul(optarg, NULL, 10) : 0;

		if (option == 's')
			sockets = value;
		else if (option == 'd')
			descriptors = value;
		else if (option == 'l')
			listeners = value;
		else if (option == 'p' && value)
			processes = value;
		else
			return 2;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	check(pipe(ready), "holder: pipe");
	check(pipe(go), "holder: pipe");
	for (unsigned long i = 0; i < listeners; i++)
		listen_anywhere(&address);
	for (unsigned long i = 0; i < processes; i++) {
		pid_t child = fork();

		check(child, "holder: fork");
		if (child == 0) {
			close(ready[0]);
			close(go[1]);
			hold(sockets / processes, descriptors / processes, ready[1], go[0]);
		}
	}
	close(ready[1]);
	close(go[0]);
	for (unsigned long i = 0; i < processes; i++)
		if (read(ready[0], &byte, 1) != 1)
			return 1;
	printf("ready\n");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	close(go[1]); /* the children end */
	while (wait(NULL) > 0)
		;
	return 0;
}
