/*
 * tests/unit/datapath/test_sockets.c: connected UDP sockets of a backend that is gone end, and no
 * others: real sockets, in this network namespace and in another one, and the map that programs
 * would have written.  The helper is a process of this program, as of herald.  Skipped without the rights.
 */
#include "datapath/core.h"
#include "datapath/sock_words.h"
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
static struct dp_helper *helper;
static char logged[4096]; /* lines of the helper's end */
static struct dp_maps maps;
static int here = -1;

static void
quiet(void *arg, const char *line)
{
	(void)arg;
	if (strstr(line, "sockets-helper-lost"))
		snprintf(logged + strlen(logged), sizeof(logged) - strlen(logged), "%s", line);
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
	dp_helper_free(helper);
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
struct pod {
	pid_t pid;
	int in, out;
};

static struct pod
pod_begin(const struct lb_be_row *be)
{
	int in[2], out[2];
	struct pod pod;
	char c;

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	pod.pid = fork();
	ck_assert_int_ge(pod.pid, 0);
	if (pod.pid == 0) {
		int fd;

		if (unshare(CLONE_NEWNET) < 0)
			_exit(1);
		lo_up();
		fd = connected("127.0.0.2", 5353, AF_INET);
		note(fd, be, 7);
		if (write(out[1], "r", 1) != 1 || read(in[0], &c, 1) != 1)
			_exit(1);
		_exit(is_ended(fd) ? 0 : 2);
	}
	close(in[0]);
	close(out[1]);
	pod.in = in[1];
	pod.out = out[0];
	ck_assert_int_eq(read(pod.out, &c, 1), 1);
	return pod;
}

/* 0: its socket was ended; 2: it was not. */
static int
pod_end(struct pod *pod)
{
	int status = -1;

	ck_assert_int_eq(write(pod->in, "g", 1), 1);
	ck_assert_int_eq(waitpid(pod->pid, &status, 0), pod->pid);
	close(pod->in);
	close(pod->out);
	return WEXITSTATUS(status);
}

static struct dp_helper_info
helper_seen(void)
{
	struct dp_helper_info info;

	dp_helper_info(helper, &info);
	return info;
}

static void
help(void)
{
	helper = dp_helper_start(loop);
	sockets_helper_set(sockets, helper);
	ck_assert(helper_seen().works && helper_seen().pid > 0);
}

START_TEST(sockets_of_pods_end)
{
	struct lb_be_row be = backend("127.0.0.2", 5353, IPPROTO_UDP);
	struct pod pods[] = { pod_begin(&be), pod_begin(&be) };

	help(); /* asked before it is ready */
	sockets_end(sockets, &be, 7);
	await_ended(2);
	ck_assert_int_eq(pod_end(&pods[0]), 0);
	ck_assert_int_eq(pod_end(&pods[1]), 0);
	ck_assert(helper_seen().works);
}
END_TEST

START_TEST(without_a_helper_pods_keep_theirs)
{
	struct lb_be_row be = backend("127.0.0.2", 5353, IPPROTO_UDP);
	struct pod pod = pod_begin(&be);
	int fd = connected("127.0.0.2", 5353, AF_INET);

	note(fd, &be, 7);
	sockets_end(sockets, &be, 7);
	await_ended(1);
	ck_assert(is_ended(fd));
	ck_assert_int_eq(pod_end(&pod), 2);
	close(fd);
}
END_TEST

/* More than one request holds.  They go in the order of cookies, and the pod's is in the last. */
START_TEST(more_than_one_request)
{
	struct lb_be_row be = backend("127.0.0.2", 5353, IPPROTO_UDP), other = be;
	struct lb_sock_key key = {
		.cookie = 1, .port = be.port, .family = 4, .proto = IPPROTO_UDP
	};
	struct lb_sock sock;
	struct pod pod = pod_begin(&be);

	for (uint32_t i = 0; i < SOCK_IDS_MAX + 10; i++) {
		other.addr.w[0] = htonl(0x7f100000 + i);
		key.addr = other.addr;
		sock = (struct lb_sock){ .backend = 100 + i };
		ck_assert_int_eq(bpf_map_update_elem(maps.fd[DP_MAP_SOCKS], &key, &sock, 0), 0);
		sockets_end(sockets, &other, 100 + i);
	}
	help();
	sockets_end(sockets, &be, 7);
	await_ended(1);
	ck_assert_int_eq(pod_end(&pod), 0);
}
END_TEST

static void
await_lost(void)
{
	for (int i = 0; i < 400 && (helper_seen().works || helper_seen().pid); i++)
		loop_turn(loop, 50);
	ck_assert(!helper_seen().works);
	ck_assert_int_eq(helper_seen().pid, 0); /* waited for, no zombie */
}

/* Whatever it was doing: said once, and the job in hand ends with what was done. */
START_TEST(a_helper_that_is_killed)
{
	struct lb_be_row be = backend("127.0.0.2", 5353, IPPROTO_UDP);
	int fd = connected("127.0.0.2", 5353, AF_INET);

	help();
	ck_assert_int_eq(kill(helper_seen().pid, SIGTERM), 0); /* is not for it */
	if (_i)
		for (int i = 0; i < 10; i++)
			loop_turn(loop, 20);
	ck_assert_int_eq(kill(helper_seen().pid, SIGKILL), 0);
	note(fd, &be, 7);
	sockets_end(sockets, &be, 7);
	await_lost();
	await_ended(1);
	ck_assert_ptr_nonnull(strstr(helper_seen().why, "signal 9"));
	ck_assert_ptr_nonnull(strstr(logged, "signal 9"));
	ck_assert_ptr_null(strstr(strstr(logged, "helper-lost") + 1, "helper-lost"));
	ck_assert(!helper_is_there(helper));
	sockets_end(sockets, &be, 7);
	for (int i = 0; i < 6; i++)
		loop_turn(loop, 50);
	close(fd);
}
END_TEST

START_TEST(a_helper_that_is_not_needed_any_more)
{
	help();
	dp_helper_stop(helper, "it is off");
	await_lost();
	ck_assert_str_eq(helper_seen().why, "it is off");
	ck_assert_str_eq(logged, "");
	dp_helper_stop(helper, "again");
	ck_assert_str_eq(helper_seen().why, "it is off");
}
END_TEST

static void
not_called(void *arg, const struct helper_done *done)
{
	(void)done;
	*(bool *)arg = true;
}

/* Stopped, as by a debugger: nobody waits for ever.  On a clock that is not the machine's. */
START_TEST(a_helper_that_is_silent)
{
	struct loop *fake = loop_new_fake();
	struct dp_helper *silent = dp_helper_start(fake);
	struct sock_id id = { .cookie = 1, .port = 1, .family = 4 };
	struct dp_helper_info info;
	bool called = false;

	dp_helper_info(silent, &info);
	ck_assert_int_eq(kill(info.pid, SIGSTOP), 0);
	helper_ask(silent, &id, 1, not_called, &called);
	ck_assert(!helper_is_there(silent));
	loop_stall(fake, 3600000); /* that we were held up ourselves is not its fault */
	loop_advance(fake, 1000);
	ck_assert(!called);
	loop_advance(fake, 100000);
	ck_assert(called);
	dp_helper_info(silent, &info);
	ck_assert(!info.works);
	ck_assert_ptr_nonnull(strstr(info.why, "did not answer"));
	dp_helper_free(silent);
	loop_free(fake);
}
END_TEST

/* The process's side, by hand: @say to it, and what it says last; "": it ends without a word. */
static char *
helper_told(const void *say, size_t len, int *status)
{
	static struct sock_answer a;
	uint8_t got[SOCK_ANSWER_MAX];
	int pair[2];
	pid_t pid;
	ssize_t n;

	a.text[0] = '\0';
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		char *argv[] = { (char *)"herald", (char *)DP_HELPER_OPTION, NULL };

		(void)dup2(pair[1], DP_HELPER_FD);
		(void)fcntl(DP_HELPER_FD, F_SETFD, 0);
		execv("/proc/self/exe", argv);
		_exit(99);
	}
	close(pair[1]);
	n = recv(pair[0], got, sizeof(got), 0);
	ck_assert_int_eq(sock_answer_decode(got, (size_t)n, &a), 0);
	ck_assert_int_eq(a.kind, SOCK_READY);
	if (len > 0) {
		ck_assert_int_eq(send(pair[0], say, len, MSG_NOSIGNAL), (ssize_t)len);
		n = recv(pair[0], got, sizeof(got), 0);
		ck_assert_int_eq(sock_answer_decode(got, (size_t)n, &a), 0);
	}
	close(pair[0]); /* the end of the daemon */
	ck_assert_int_eq(waitpid(pid, status, 0), pid);
	return a.text;
}

START_TEST(the_helper_ends_by_itself)
{
	static uint8_t bytes[2 * SOCK_REQUEST_MAX];
	struct sock_id id = { .cookie = 1, .port = htons(1), .family = 6 };
	int status;
	size_t len;

	ck_assert_str_eq(helper_told(NULL, 0, &status), "");
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	len = sock_request_encode(bytes, 1, &id, 1);
	ck_assert_str_eq(helper_told(bytes, len, &status), "");
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	ck_assert_ptr_nonnull(strstr(helper_told(bytes, len - 1, &status), "no request"));
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	ck_assert_ptr_nonnull(strstr(helper_told(bytes, sizeof(bytes), &status), "no request"));
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
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
	tcase_add_test(tc, without_a_helper_pods_keep_theirs);
	tcase_add_test(tc, more_than_one_request);
	tcase_add_loop_test(tc, a_helper_that_is_killed, 0, 2);
	tcase_add_test(tc, a_helper_that_is_not_needed_any_more);
	tcase_add_test(tc, a_helper_that_is_silent);
	tcase_add_test(tc, the_helper_ends_by_itself);
	tcase_add_test(tc, many_are_looked_through);
	suite_add_tcase(s, tc);
}

static int
confine(char **error)
{
	*error = NULL;
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], DP_HELPER_OPTION) == 0)
		return dp_helper_main(confine);
	return unit_run("sockets", add_tests);
}
