/*
 * tests/unit/datapath/test_sockets.c: connected UDP sockets of a backend that is gone end, and no
 * others: real sockets, in this network namespace and in another one, and the map that programs
 * would have written.  Skipped without the rights.
 */
#include "datapath/core.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct loop *loop;
static struct dp_sockets *sockets;
static struct dp_maps maps;
static int here = -1;

static void
quiet(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

static void
lo_up(void)
{
	char *argv[] = { (char *)"ip", (char *)"link", (char *)"set", (char *)"lo", (char *)"up",
		NULL };
	int status = -1;
	pid_t pid;

	if (posix_spawnp(&pid, "ip", NULL, NULL, argv, environ) == 0)
		waitpid(pid, &status, 0);
	ck_assert_int_eq(status, 0);
}

static void
setup(void)
{
	log_sink(quiet, NULL);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	lo_up();
	memset(&maps, 0, sizeof(maps));
	for (int i = 0; i < DP_NR_MAPS; i++)
		maps.fd[i] = -1;
	maps.fd[DP_MAP_SOCKS] = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "socks",
	    sizeof(struct lb_sock_key), sizeof(struct lb_sock), 8192, NULL);
	ck_assert_int_ge(maps.fd[DP_MAP_SOCKS], 0);
	loop = loop_new();
	sockets = sockets_new(loop);
	sockets_maps_set(sockets, &maps);
}

static void
teardown(void)
{
	sockets_free(sockets);
	loop_free(loop);
	close(maps.fd[DP_MAP_SOCKS]);
	close(here);
}

static struct lb_be_row
backend(const char *text, uint16_t port, uint8_t proto)
{
	struct lb_be_row be = { .port = htons(port), .proto = proto, .flags = LB_BE_LIVE };
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	be.addr = lb_addr_of(&a);
	be.family = lb_family(&a);
	return be;
}

/* As the program of connect(2) would note it. */
static void
note(int fd, const struct lb_be_row *be, uint32_t row)
{
	struct lb_sock_key key = {
		.addr = be->addr, .port = be->port, .proto = be->proto, .family = be->family
	};
	struct lb_sock sock = { .backend = row };
	socklen_t len = sizeof(key.cookie);

	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &key.cookie, &len), 0);
	ck_assert_int_eq(bpf_map_update_elem(maps.fd[DP_MAP_SOCKS], &key, &sock, BPF_ANY), 0);
}

static int
connected(const char *text, uint16_t port, int family)
{
	struct sockaddr_storage ss;
	struct addr a;
	socklen_t len;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_eq(addr_parse(text, &a), 0);
	len = addr_to_sockaddr(&a, port, &ss);
	if (family == AF_INET6 && a.family == ADDR_V4) { /* mapped, as many programs do */
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;
		uint32_t v4 = addr_v4_be(&a);

		memset(&ss, 0, sizeof(ss));
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		in6->sin6_addr.s6_addr[10] = in6->sin6_addr.s6_addr[11] = 0xff;
		memcpy(&in6->sin6_addr.s6_addr[12], &v4, 4);
		len = sizeof(*in6);
	}
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

/* Ended: its next call says so. */
static bool
is_ended(int fd)
{
	char c;

	return recv(fd, &c, 1, 0) < 0 && errno == ECONNABORTED;
}

/* Wait until as many ended in all; then a little, whether there are more. */
static void
await_ended(uint64_t nr)
{
	for (int i = 0; i < 200 && sockets_ended(sockets) < nr; i++)
		loop_turn(loop, 50);
	ck_assert_uint_eq(sockets_ended(sockets), nr);
}

START_TEST(only_those_of_the_backend_end)
{
	static const struct {
		const char *to, *other;
		int family;
	} cases[] = {
		{ "127.0.0.2", "127.0.0.3", AF_INET },
		{ "::1", "127.0.0.3", AF_INET6 },
		{ "127.0.0.2", "127.0.0.3", AF_INET6 },
	};
	const char *to = cases[_i].to;
	struct lb_be_row be = backend(to, 5353, IPPROTO_UDP);
	struct lb_be_row tcp = backend(to, 5354, IPPROTO_TCP);
	struct lb_be_row other = backend(cases[_i].other, 5353, IPPROTO_UDP);
	int a = connected(to, 5353, cases[_i].family);
	int b = connected(to, 5353, cases[_i].family);
	int by_itself = connected(to, 5353, cases[_i].family);
	int elsewhere = connected(cases[_i].other, 5353, cases[_i].family);
	int reused = connected(to, 5353, cases[_i].family);

	note(a, &be, 7);
	note(b, &be, 7);
	note(elsewhere, &other, 8);
	note(reused, &be, 9); /* the same address in another row: another life of it */
	sockets_end(sockets, &tcp, 7);
	sockets_end(sockets, &be, 7);
	await_ended(2);
	ck_assert(is_ended(a));
	ck_assert(is_ended(b));
	ck_assert(!is_ended(by_itself)); /* nobody sent it there but itself */
	ck_assert(!is_ended(elsewhere));
	ck_assert(!is_ended(reused));
	sockets_end(sockets, &other, 8);
	await_ended(3);
	ck_assert(is_ended(elsewhere));
	close(a);
	close(b);
	close(by_itself);
	close(elsewhere);
	close(reused);
}
END_TEST

/* A pod: a process in a network namespace of its own has the socket. */
START_TEST(sockets_of_pods_end)
{
	struct lb_be_row be = backend("127.0.0.2", 5353, IPPROTO_UDP);
	int fd, in[2], out[2];
	char c;
	pid_t pod;

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	pod = fork();
	ck_assert_int_ge(pod, 0);
	if (pod == 0) {
		if (unshare(CLONE_NEWNET) < 0)
			_exit(1);
		lo_up();
		fd = connected("127.0.0.2", 5353, AF_INET);
		note(fd, &be, 7);
		if (write(out[1], "r", 1) != 1 || read(in[0], &c, 1) != 1)
			_exit(1);
		_exit(is_ended(fd) ? 0 : 2);
	}
	ck_assert_int_eq(read(out[0], &c, 1), 1);
	sockets_end(sockets, &be, 7);
	await_ended(1);
	ck_assert_int_eq(write(in[1], "g", 1), 1);
	int status = -1;
	ck_assert_int_eq(waitpid(pod, &status, 0), pod);
	ck_assert_int_eq(status, 0);
	/* The thread left; we are where we were. */
	fd = connected("127.0.0.2", 1, AF_INET);
	close(fd);
	for (int i = 0; i < 2; i++) {
		close(in[i]);
		close(out[i]);
	}
}
END_TEST

/* More than one batch of the map, and freed while the thread runs. */
START_TEST(many_are_looked_through)
{
	struct lb_be_row be = backend("127.0.0.2", 5353, IPPROTO_UDP);
	struct lb_sock_key key = { .family = 4, .proto = IPPROTO_UDP };
	struct lb_sock sock = { .backend = 1 };
	int fd = connected("127.0.0.2", 5353, AF_INET);

	for (uint32_t i = 0; i < 4000; i++) {
		key.cookie = UINT64_MAX - i;
		ck_assert_int_eq(bpf_map_update_elem(maps.fd[DP_MAP_SOCKS], &key, &sock, 0), 0);
	}
	note(fd, &be, 7);
	sockets_end(sockets, &be, 7);
	await_ended(1);
	ck_assert(is_ended(fd));
	sockets_end(sockets, &be, 7);
	for (int i = 0; i < 6; i++)
		loop_turn(loop, 50);
	close(fd);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("sockets");
	int fd;

	unit_not_under_valgrind();
	if (unshare(CLONE_NEWNET) < 0)
		unit_skip("no right to make network namespaces");
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "try", 4, 4, 1, NULL);
	if (fd < 0)
		unit_skip("no right to make BPF maps");
	close(fd);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, only_those_of_the_backend_end, 0, 3);
	tcase_add_test(tc, sockets_of_pods_end);
	tcase_add_test(tc, many_are_looked_through);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("sockets", add_tests)
