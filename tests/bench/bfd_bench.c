/*
 * tests/bench/bfd_bench.c: how soon BFD sees a cut link, on a quiet machine and on one whose processors
 * are all busy; whether it sees what is not there; what a thousand sessions cost.  Two engines in two
 * network namespaces of this process.  Needs root; says so otherwise.
 */
#include "bfd/bfd.h"
#include "lib/loop.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CUTS 20
#define QUIET_S 20
#define SESSIONS 1000
#define SPINNERS 4 /* for each processor */
#define PATIENCE_MS 60000

static int ns_a, ns_b, control; /* control: a socket in a, to cut the link with */
static struct loop *loop;
static struct bfd *a, *b;
static uint64_t down_us; /* when b was told */
static unsigned nr_up, nr_down;

static int
run_ip(const char *args)
{
	char copy[200], *argv[24] = { (char *)"ip" }, *save = NULL;
	int argc = 1, status = -1;
	pid_t pid;

	snprintf(copy, sizeof(copy), "%s", args);
	for (char *w = strtok_r(copy, " ", &save); w && argc < 23; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	if (posix_spawnp(&pid, "ip", NULL, NULL, argv, environ) == 0)
		waitpid(pid, &status, 0);
	return status;
}

static void
ip(const char *args)
{
	if (run_ip(args) == 0)
		return;
	fprintf(stderr, "bfd_bench: ip %s failed\n", args);
	exit(EXIT_FAILURE);
}

static int
new_ns(void)
{
	if (unshare(CLONE_NEWNET) < 0) {
		printf("bfd: needs root, for network namespaces\n");
		exit(EXIT_SUCCESS);
	}
	ip("link set lo up");
	return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

static void
begin(void)
{
	char move[80];
	int err;

	ns_b = new_ns();
	ns_a = new_ns();
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(move, sizeof(move), "link add va type veth peer name vb netns /proc/%d/fd/%d",
	    (int)getpid(), ns_b);
	ip(move);
	ip("addr add 10.0.0.1/8 dev va");
	ip("link set va up");
	loop = loop_new();
	a = bfd_new(loop, &err);
	if (setns(ns_b, CLONE_NEWNET) < 0)
		exit(EXIT_FAILURE);
	ip("addr add 10.128.0.1/8 dev vb");
	ip("link set vb up");
	b = bfd_new(loop, &err);
	if (!a || !b || setns(ns_a, CLONE_NEWNET) < 0)
		exit(EXIT_FAILURE);
}

static void
link_set(bool up)
{
	struct ifreq req = { .ifr_flags = (short)(up ? IFF_UP : 0) };

	snprintf(req.ifr_name, sizeof(req.ifr_name), "va");
	if (ioctl(control, SIOCSIFFLAGS, &req) < 0)
		perror("bfd_bench: va");
}

static void
changed(void *arg, enum bfd_state state, const char *why)
{
	(void)why;
	if (state == BFD_UP) {
		nr_up++;
		return;
	}
	nr_down++;
	if (arg == b) /* the one that is measured */
		down_us = loop_now_us(loop);
}

static struct bfd_watch *
watch(struct bfd *bfd, const char *peer, unsigned add, uint32_t ms)
{
	const struct bfd_ops ops = { .changed = changed };
	struct bfd_conf c = { .device = "", .tx_us = ms * 1000, .rx_us = ms * 1000 };
	struct bfd_watch *w;
	int err = 0;

	if (addr_parse(peer, &c.peer) < 0 || !addr_add(&c.peer, add))
		exit(EXIT_FAILURE);
	w = bfd_watch_new(bfd, &c, &ops, bfd, &err);
	if (!w) {
		fprintf(stderr, "bfd_bench: %s: %s\n", peer, strerror(-err));
		exit(EXIT_FAILURE);
	}
	return w;
}

/* Until @n watches are up at once, or gave up. */
static void
wait_up(struct bfd_watch *const *w, unsigned n)
{
	uint64_t end = loop_now_us(loop) + PATIENCE_MS * 1000ull;

	for (unsigned i = 0; i < n; i++)
		while (bfd_watch_state(w[i]) != BFD_UP && loop_now_us(loop) < end)
			loop_turn(loop, 5);
}

static void
wait_ms(unsigned ms)
{
	uint64_t end = loop_now_us(loop) + ms * 1000ull;

	while (loop_now_us(loop) < end)
		loop_turn(loop, 20);
}

static int
by_size(const void *x, const void *y)
{
	const uint64_t *p = x, *q = y;

	return *p < *q ? -1 : *p > *q;
}

static void
cuts(const char *where, uint32_t ms)
{
	struct bfd_watch *w[2];
	uint64_t took[CUTS], begun;

	w[0] = watch(a, "10.128.0.1", 0, ms);
	w[1] = watch(b, "10.0.0.1", 0, ms);
	for (unsigned i = 0; i < CUTS; i++) {
		wait_up(w, 2);
		wait_ms(500 + ms * i / CUTS); /* the quick pace is agreed on; anywhere in it */
		down_us = 0;
		begun = loop_now_us(loop);
		link_set(false);
		while (!down_us)
			loop_turn(loop, 5);
		took[i] = down_us - begun;
		link_set(true);
	}
	qsort(took, CUTS, sizeof(took[0]), by_size);
	printf("bfd: cut of the link, 3 x %u ms, %s: %.0f to %.0f ms, median %.0f (%u cuts)\n", ms,
	    where, (double)took[0] / 1000, (double)took[CUTS - 1] / 1000,
	    (double)took[CUTS / 2] / 1000, CUTS);
	bfd_watch_free(w[0]);
	bfd_watch_free(w[1]);
	wait_ms(100);
}

static void
quiet(const char *where, uint32_t ms)
{
	struct bfd_watch *w[2] = { watch(a, "10.128.0.1", 0, ms), watch(b, "10.0.0.1", 0, ms) };
	unsigned before;

	wait_up(w, 2);
	before = nr_down;
	wait_ms(QUIET_S * 1000);
	printf("bfd: nothing cut, 3 x %u ms, %s: %u false alarms in %u s\n", ms, where,
	    nr_down - before, QUIET_S);
	bfd_watch_free(w[0]);
	bfd_watch_free(w[1]);
	wait_ms(100);
}

static double
cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Both ends of all are in this process: half of it is what one costs. */
static void
many(uint32_t ms)
{
	static struct bfd_watch *w[SESSIONS * 2];
	unsigned before;
	char text[64];
	double begun;

	for (unsigned i = 0; i < SESSIONS; i++) {
		snprintf(text, sizeof(text), "addr add 10.1.%u.%u/8 dev va", i / 250, i % 250 + 1);
		ip(text);
	}
	for (unsigned i = 0; i < SESSIONS; i++) {
		struct bfd_conf c = { .device = "", .tx_us = ms * 1000, .rx_us = ms * 1000 };
		const struct bfd_ops ops = { .changed = changed };
		int err;

		snprintf(text, sizeof(text), "10.1.%u.%u", i / 250, i % 250 + 1);
		w[i] = watch(b, text, 0, ms);
		if (addr_parse(text, &c.local) < 0 || addr_parse("10.128.0.1", &c.peer) < 0)
			exit(EXIT_FAILURE);
		w[SESSIONS + i] = bfd_watch_new(a, &c, &ops, NULL, &err);
	}
	wait_up(w, SESSIONS * 2);
	wait_ms(2000);
	before = nr_down;
	begun = cpu_s();
	wait_ms(10000);
	printf("bfd: %u sessions of %u ms: %.1f %% of a processor for an end, %u false alarms in "
	       "10 s\n",
	    SESSIONS, ms, (cpu_s() - begun) / 2 / 10 * 100, nr_down - before);
	for (unsigned i = 0; i < SESSIONS * 2; i++)
		bfd_watch_free(w[i]);
	wait_ms(200);
}

int
main(void)
{
	unsigned nr = (unsigned)sysconf(_SC_NPROCESSORS_ONLN) * SPINNERS;
	pid_t *pids = calloc(nr, sizeof(*pids));

	setvbuf(stdout, NULL, _IOLBF, 0);
	begin();
	cuts("idle", 50);
	cuts("idle", 100);
	quiet("idle", 50);
	many(50);
	for (unsigned i = 0; i < nr; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			for (;;)
				;
	}
	cuts("busy", 50);
	quiet("busy", 50);
	for (unsigned i = 0; i < nr; i++) {
		if (pids[i] > 0)
			kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	free(pids);
	bfd_free(a);
	bfd_free(b);
	loop_free(loop);
	return 0;
}
