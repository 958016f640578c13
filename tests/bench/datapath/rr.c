/*
 * tests/bench/datapath/rr.c: the latency of a request of one byte and its answer: over one TCP
 * connection, over UDP, or (crr) with a connection for each.
 *
 *     rr server PORT
 *     rr tcp|udp|crr ADDRESS PORT SECONDS [CPU]
 *
 * The client tells a line of JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/datapath/kit.h"

#define SAMPLES_MAX 4000000
#define FAILURES_MAX 20

static const int on = 1;

static void
watch(int ep, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) < 0)
		fail("epoll");
}

static void
take_all(int ep, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		watch(ep, fd);
	}
}

static void
echo_datagrams(int fd)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	char b[2048];
	ssize_t n;

	while ((n = recvfrom(fd, b, sizeof(b), 0, (struct sockaddr *)&peer, &len)) >= 0)
		if (sendto(fd, b, (size_t)n, 0, (struct sockaddr *)&peer, len) < 0)
			break;
}

static void
echo_bytes(int fd)
{
	char b[2048];
	ssize_t n = read(fd, b, sizeof(b));

	if (n == 0 || (n < 0 && errno != EAGAIN) || (n > 0 && write(fd, b, (size_t)n) < 0))
		close(fd);
}

static void
serve(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int u = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), ep = epoll_create1(0), n;
	struct epoll_event ev[64];

	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(l, 4096) < 0 ||
	    bind(u, (struct sockaddr *)&a, sizeof(a)) < 0)
		fail("port %u", port);
	watch(ep, l);
	watch(ep, u);
	for (;;) {
		n = epoll_wait(ep, ev, 64, -1);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.fd == l)
				take_all(ep, l);
			else if (ev[i].data.fd == u)
				echo_datagrams(u);
			else
				echo_bytes(ev[i].data.fd);
		}
	}
}

/* A reset at the end, so that no port waits. */
static int
dial(const struct sockaddr_in *a, bool udp)
{
	int fd = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
	struct linger reset = { 1, 0 };
	struct timeval second = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
	if (!udp) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	}
	if (connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
ask(const char *kind, const struct sockaddr_in *a, double seconds)
{
	bool udp = !strcmp(kind, "udp"), crr = !strcmp(kind, "crr");
	double *v = calloc(SAMPLES_MAX, sizeof(*v)), t0 = now(), t, mid;
	int fd = -1, failures = 0;
	char b[64] = "x";
	size_t n = 0;

	if (!v)
		fail("no memory");
	while (n < SAMPLES_MAX && now() < t0 + seconds && failures < FAILURES_MAX) {
		t = now();
		if (fd < 0) {
			fd = dial(a, udp);
			if (fd < 0) {
				failures++;
				continue;
			}
			t = crr ? t : now();
		}
		if (write(fd, b, 1) != 1 || read(fd, b, sizeof(b)) != 1)
			failures++;
		else
			v[n++] = (now() - t) * 1e6;
		if (crr || failures) {
			close(fd);
			fd = -1;
		}
	}
	t = now() - t0;
	mid = n ? median(v, n) : 0;
	printf("{\"rate\": %.0f, \"p50\": %.2f, \"p99\": %.2f, \"failures\": %d}\n", (double)n / t,
	    mid, n ? v[n * 99 / 100] : 0, failures);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	if (argc == 3 && !strcmp(argv[1], "server"))
		serve((uint16_t)strtoul(argv[2], NULL, 10));
	if (argc < 5 || inet_pton(AF_INET, argv[2], &a.sin_addr) != 1)
		fail("rr server PORT | rr tcp|udp|crr ADDRESS PORT SECONDS [CPU]");
	a.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	if (argc > 5)
		pin_cpu((uint32_t)strtoul(argv[5], NULL, 10));
	ask(argv[1], &a, strtod(argv[4], NULL));
	return 0;
}
