/* tests/bench/udp_load.c - small datagrams as fast as they can be sent, and how many of them come:
 *
 *     udp_load send ADDRESS PORT SECONDS BYTES	  bytes of payload
 *     udp_load count PORT SECONDS		  prints datagrams a second
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH	 32u
#define BYTES	 1400u
#define START_MS 5000

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int die(const char *what)
{
	(void)fprintf(stderr, "udp_load: %s: %s\n", what, strerror(errno));
	return 1;
}

/* All of a batch use one buffer: what is in it does not matter. */
static void fill_batch(struct mmsghdr *batch, struct iovec *iov)
{
	memset(batch, 0, BATCH * sizeof(*batch));
	for (unsigned i = 0; i < BATCH; i++) {
		batch[i].msg_hdr.msg_iov = iov;
		batch[i].msg_hdr.msg_iovlen = 1;
	}
}

static int send_all(char **argv)
{
	static uint8_t bytes[BYTES];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[3]))};
	struct iovec iov = {.iov_base = bytes, .iov_len = (size_t)atoi(argv[5])};
	struct mmsghdr batch[BATCH];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	double end = now_s() + atof(argv[4]);

	if (iov.iov_len > BYTES || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1)
		errno = EINVAL;
	else if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		errno = 0;
	if (errno)
		return die(argv[2]);
	fill_batch(batch, &iov);
	while (now_s() < end)
		(void)sendmmsg(fd, batch, BATCH, 0); /* ENOBUFS: lost, like others */
	return 0;
}

/* From the first datagram on. */
static int count_all(char **argv)
{
	static uint8_t bytes[BYTES];
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
	struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct mmsghdr batch[BATCH];
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20, timeout = START_MS;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	double begin = 0, seconds = atof(argv[3]), took = 0;
	uint64_t count = 0;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&in, sizeof(in)) < 0)
		return die("bind");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	fill_batch(batch, &iov);
	while (took < seconds && poll(&p, 1, timeout) == 1) {
		int n = recvmmsg(fd, batch, BATCH, MSG_DONTWAIT, NULL);

		if (count == 0)
			begin = now_s();
		count += n > 0 ? (uint64_t)n : 0;
		took = now_s() - begin;
		timeout = 1 + (int)(seconds * 1000);
	}
	(void)printf("%.0f\n", took > 0 ? (double)count / took : 0);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "send") == 0)
		return send_all(argv);
	if (argc == 4 && strcmp(argv[1], "count") == 0)
		return count_all(argv);
	(void)fprintf(stderr, "usage: udp_load send ADDRESS PORT SECONDS BYTES\n"
			      "       udp_load count PORT SECONDS\n");
	return 2;
}
