/*
 * Makes the same few calls as callers do that system call tracepoints do not see.
 *
 *	callers io_uring|int80 PORT
 *
 * binds a socket to 127.0.0.1:PORT, another one too, which fails, and a third one to an address that is not of this
 * host, which fails; listens on the first, connects to it and accepts. Prints "CALL RESULT COOKIE" for each, and "absent CALL"
 * for what this kernel lacks, then holds all until standard input ends.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* include/uapi/linux/io_uring.h; the headers of the build host may be older: 5.19, 6.11, 6.11 */
enum { OP_SOCKET = 45, OP_BIND = 56, OP_LISTEN = 57 };

static struct sockaddr_in* address; /* below 4 GiB, where a 32-bit caller can point to */
static long (*call)(int operation, long a, long b, long c);

static long by_int80(int operation, long a, long b, long c) {
  static const struct {
    int operation, number; /* arch/x86/entry/syscalls/syscall_32.tbl */
  } table[] = {
      {OP_SOCKET, 359}, {OP_BIND, 361}, {IORING_OP_CONNECT, 362}, {OP_LISTEN, 363}, {IORING_OP_ACCEPT, 364}};
  long result = -ENOSYS;

  for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    if (table[i].operation != operation) continue;
#ifdef __x86_64__
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"((long)table[i].number), "b"(a), "c"(b), "d"(c), "S"(0L)
                     : "memory", "r8", "r9", "r10", "r11");
#endif
  }
  return (int)result;
}

static struct {
  int fd;
  unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
  struct io_uring_sqe* entries;
  struct io_uring_cqe* completions;
} ring;

static int open_ring(void) {
  struct io_uring_params params = {0};
  char* queues;

  ring.fd = syscall(__NR_io_uring_setup, 8, &params);
  if (ring.fd < 0) return -1;
  /* IORING_FEAT_SINGLE_MMAP: both queues in one, since 5.4. */
  queues = mmap(NULL, params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe),
                PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQ_RING);
  ring.entries = mmap(NULL, params.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQES);
  if (queues == MAP_FAILED || ring.entries == MAP_FAILED) return -1;
  ring.sq_tail = (unsigned*)(queues + params.sq_off.tail);
  ring.sq_mask = (unsigned*)(queues + params.sq_off.ring_mask);
  ring.sq_array = (unsigned*)(queues + params.sq_off.array);
  ring.cq_head = (unsigned*)(queues + params.cq_off.head);
  ring.cq_tail = (unsigned*)(queues + params.cq_off.tail);
  ring.cq_mask = (unsigned*)(queues + params.cq_off.ring_mask);
  ring.completions = (struct io_uring_cqe*)(queues + params.cq_off.cqes);
  return 0;
}

static long by_ring(int operation, long a, long b, long c) {
  unsigned tail = *ring.sq_tail, index = tail & *ring.sq_mask;
  struct io_uring_sqe* entry = &ring.entries[index];
  long result;

  memset(entry, 0, sizeof(*entry));
  entry->opcode = operation;
  entry->fd = a;
  switch (operation) {
    case OP_SOCKET: /* domain, type, protocol */
      entry->off = b;
      entry->len = c;
      break;
    case OP_BIND: /* descriptor, address, length */
    case IORING_OP_CONNECT:
      entry->addr = b;
      entry->off = c;
      break;
    case OP_LISTEN:
      entry->len = b;
      break;
  }
  ring.sq_array[index] = index;
  __atomic_store_n(ring.sq_tail, tail + 1, __ATOMIC_RELEASE);
  if (syscall(__NR_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) return -errno;
  result = ring.completions[*ring.cq_head & *ring.cq_mask].res;
  __atomic_store_n(ring.cq_head, *ring.cq_head + 1, __ATOMIC_RELEASE);
  return result;
}

static void tell(const char* name, long result, int fd) {
  uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);

  getsockopt(fd, SOL_SOCKET, 57 /* SO_COOKIE */, &cookie, &size);
  printf("%s %ld %llu\n", name, result, (unsigned long long)cookie);
}

static int make_socket(void) {
  long fd = call(OP_SOCKET, AF_INET, SOCK_STREAM, 0);

  if (fd >= 0) return fd;
  printf("absent socket\n");
  return socket(AF_INET, SOCK_STREAM, 0);
}

static void make_bind(int fd, const char* host, int port) {
  long result;

  *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, host, &address->sin_addr);
  result = call(OP_BIND, fd, (long)address, sizeof(*address));
  if (result != -EINVAL) return tell("bind", result, fd);
  printf("absent bind\n"); /* io_uring before 6.11 */
  bind(fd, (struct sockaddr*)address, sizeof(*address));
}

/* Some hosts of virtual machines have no 32-bit system calls. */
static void refused(int signal) {
  static const char kAbsent[] = "absent everything\n";

  (void)signal;
  if (write(STDOUT_FILENO, kAbsent, sizeof(kAbsent) - 1) < 0) _exit(1);
  _exit(0);
}

int main(int count, char** words) {
  int port, server, client, child;
  long result;

  if (count != 3) return 2;
  port = atoi(words[2]);
  call = strcmp(words[1], "int80") ? by_ring : by_int80;
  address = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS
#ifdef MAP_32BIT
                     | MAP_32BIT
#endif
                 ,
                 -1, 0);
  if (address == MAP_FAILED || (call == by_ring && open_ring() < 0)) {
    printf("absent everything\n");
    return 0;
  }

  signal(SIGSEGV, refused);
  server = make_socket();
  signal(SIGSEGV, SIG_DFL);
  make_bind(server, "127.0.0.1", port);
  make_bind(make_socket(), "127.0.0.1", port);
  make_bind(make_socket(), "198.51.100.1", port);
  result = call(OP_LISTEN, server, 16, 0);
  if (result == -EINVAL) {
    printf("absent listen\n");
    listen(server, 16);
  } else {
    tell("listen", result, server);
  }
  client = make_socket();
  *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, "127.0.0.1", &address->sin_addr);
  tell("connect", call(IORING_OP_CONNECT, client, (long)address, sizeof(*address)), client);
  child = call(IORING_OP_ACCEPT, server, 0, 0);
  tell("accept", child, child);
  printf("done\n");
  fflush(stdout);
  while (getchar() != EOF)
    ;
  return 0;
}
