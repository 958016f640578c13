/*
 * tests/unit/datapath/test_datapath.c: the whole room against the real kernel, in a network
 * namespace of its own and on a BPF file system of its own: in which order things may come, what is
 * taken over, what is left.  Skipped without the rights.
 */
#include "datapath/core.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "tests/unit/unit.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define TCX_INGRESS ((enum bpf_attach_type)46)

static char base[64], pin[128];
static struct loop *loop;
static struct datapath *dp;
static struct dp_conf conf;

static void
no_log(void *arg, const char *line)
{
	(void)arg;
	if (getenv("DATAPATH_LOG"))
		fprintf(stderr, "%s\n", line);
}

static int
ip(const char *args)
{
	char copy[200], *argv[24] = { (char *)"ip" }, *save = NULL;
	int argc = 1, status = -1;
	pid_t pid;

	snprintf(copy, sizeof(copy), "%s", args);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	if (posix_spawnp(&pid, "ip", NULL, NULL, argv, environ) == 0)
		waitpid(pid, &status, 0);
	return status;
}

static void
must(const char *args)
{
	ck_assert_msg(ip(args) == 0, "ip %s", args);
}

static struct addr
address(const char *text)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

/* ---- what is wanted, and what is there ---- */

static struct dp_info
info(void)
{
	struct dp_info i;

	dp_info(dp, &i);
	return i;
}

static const struct dp_device *
device(const char *name)
{
	struct dp_info i = info();

	for (size_t n = 0; n < i.nr_devices; n++) {
		if (strcmp(i.devices[n].name, name) == 0)
			return &i.devices[n];
	}
	return NULL;
}

static bool
stands_on(const char *name)
{
	const struct dp_device *d = device(name);

	return d && d->how != DP_LINK_NONE;
}

/* How many programs the kernel has at a device's ingress. */
static unsigned
programs_on(const char *name)
{
	uint32_t ids[8] = { 0 }, nr = 8, flags;

	if (bpf_prog_query((int)if_nametoindex(name), TCX_INGRESS, 0, &flags, ids, &nr) < 0)
		return 0;
	return nr;
}

#define AWAIT(what)                                                                                \
	do {                                                                                       \
		for (int i_ = 0; i_ < 400 && !(what); i_++)                                        \
			loop_turn(loop, 25);                                                       \
		ck_assert_msg((what), #what ": %s", info().error);                                 \
	} while (0)

static int
service(const char *name, const char *vip, const char *pod)
{
	struct dp_backend b = { .port = 8080, .external = true, .internal = true, .node = "" };
	struct dp_frontend f = { .port = 80,
		.proto = IPPROTO_TCP,
		.type = DP_LOAD_BALANCER,
		.port_name = "",
		.backends = &b,
		.nr_backends = pod != NULL };

	f.ip = address(vip);
	if (pod) {
		b.ip = address(pod);
		b.local = true;
	}
	return dp_service_set(dp, name, &f, 1);
}

static void
start(void)
{
	int err = 0;

	dp = dp_new(loop, &conf, &err);
	ck_assert_msg(dp != NULL, "%s", strerror(-err));
}

static void
start_with_web(void)
{
	start();
	dp_sync_begin(dp);
	ck_assert_int_eq(service("default/web", "203.0.113.1", "10.0.0.1"), 0);
	dp_sync_end(dp);
	AWAIT(stands_on("up0") && stands_on("pod0"));
}

static void
stop(void)
{
	dp_free(dp);
	dp = NULL;
}

static void
setup(void)
{
	log_sink(no_log, NULL);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	must("link add up0 type veth peer name up1");
	must("link add pod0 type veth peer name podx");
	must("link set up0 up");
	must("link set up1 up");
	must("link set pod0 up");
	must("link set podx up");
	must("addr add 192.0.2.1/24 dev up0");
	must("route add default via 192.0.2.254");
	must("route add 10.0.0.1/32 dev pod0");
	snprintf(base, sizeof(base), "/tmp/herald-dp-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	ck_assert_int_eq(mount("bpf", base, "bpf", 0, NULL), 0);
	snprintf(pin, sizeof(pin), "%s/herald", base);
	conf = (struct dp_conf){ .pin_path = pin,
		.cgroup = base,
		.attach = DP_ATTACH_TC,
		.maglev_table_size = 1021,
		.flows4 = 8192,
		.flows6 = 4096 };
	loop = loop_new();
}

static void
teardown(void)
{
	stop();
	loop_free(loop);
	ck_assert_int_eq(dp_remove_pinned(pin), 0);
	umount2(base, MNT_DETACH);
	/* What was made below before it was a BPF file system. */
	snprintf(pin, sizeof(pin), "%s/plain", base);
	rmdir(pin);
	rmdir(base);
}

/* ---- tests ---- */

/* Devices only when all Services are known: a Service told later would be missed meanwhile. */
START_TEST(devices_wait_for_services)
{
	start();
	ck_assert(!info().loaded);
	ck_assert_str_eq(info().error, "");
	ck_assert_ptr_null(dp_watch_new(dp, NULL, NULL, NULL, NULL));
	ck_assert_int_eq(dp_frontends_each(dp, NULL, NULL), -ENODEV);
	ck_assert_int_eq(dp_flows_each(dp, 1, NULL, NULL), -ENODEV);
	dp_sync_begin(dp);
	ck_assert_int_eq(service("default/web", "203.0.113.1", "10.0.0.1"), 0);
	AWAIT(info().loaded);
	AWAIT(device("up0") != NULL);
	for (int i = 0; i < 20; i++)
		loop_turn(loop, 10);
	ck_assert_uint_eq(programs_on("up0"), 0);
	ck_assert_int_eq(device("up0")->how, DP_LINK_NONE);
	dp_sync_end(dp);
	AWAIT(stands_on("up0") && stands_on("pod0"));
	ck_assert(device("pod0")->pods && !device("up0")->pods);
	ck_assert_int_eq(device("up0")->how, DP_LINK_TC);
	ck_assert_str_eq(device("up0")->error, "");
	ck_assert_uint_eq(programs_on("up0"), 1);
	ck_assert_uint_eq(programs_on("pod0"), 1);
	ck_assert_uint_eq(programs_on("up1"), 0);
	ck_assert_uint_eq(info().services, 1);
	ck_assert_uint_ge(info().flows4_max, 8192);
	ck_assert(!info().adopted && !info().socket_lb);
	ck_assert_uint_gt(info().load_us, 0);
}
END_TEST

START_TEST(devices_follow_the_backends)
{
	start_with_web();
	must("link add pod1 type veth peer name pody");
	must("link set pod1 up");
	must("route add 10.0.0.2/32 dev pod1");
	ck_assert_int_eq(service("default/web", "203.0.113.1", "10.0.0.2"), 0);
	AWAIT(stands_on("pod1") && !device("pod0"));
	ck_assert_uint_eq(programs_on("pod0"), 0);
	dp_service_del(dp, "default/web");
	AWAIT(!device("pod1"));
	ck_assert_uint_eq(programs_on("pod1"), 0);
	ck_assert_uint_eq(programs_on("up0"), 1);
}
END_TEST

static bool
on_frontend(void *arg, const struct dp_seen_frontend *f)
{
	struct addr *ips = arg;

	for (int i = 0; i < 4; i++) {
		if (!addr_is_set(&ips[i])) {
			ips[i] = f->ip;
			break;
		}
	}
	return true;
}

/* What an earlier process left goes on, and goes only when it is sure that nobody wants it. */
START_TEST(a_restart_takes_over)
{
	struct addr seen[4] = { { .family = ADDR_NONE } };
	const char *const other[] = { "up1" };

	start_with_web();
	stop();
	ck_assert_uint_eq(programs_on("up0"), 1);
	ck_assert_uint_eq(programs_on("pod0"), 1);
	conf.devices = other;
	conf.nr_devices = 1;
	start();
	AWAIT(info().loaded);
	ck_assert(info().adopted);
	AWAIT(device("up1") != NULL);
	for (int i = 0; i < 20; i++)
		loop_turn(loop, 10);
	ck_assert_uint_eq(programs_on("up0"), 1);
	ck_assert_uint_eq(programs_on("pod0"), 1);
	dp_frontends_each(dp, on_frontend, seen);
	ck_assert_str_eq(addr_str(&seen[0]), "203.0.113.1");
	dp_sync_begin(dp);
	ck_assert_int_eq(service("default/other", "203.0.113.2", NULL), 0);
	dp_sync_end(dp);
	AWAIT(stands_on("up1") && programs_on("up0") == 0 && programs_on("pod0") == 0);
	memset(seen, 0, sizeof(seen));
	dp_frontends_each(dp, on_frontend, seen);
	ck_assert_str_eq(addr_str(&seen[0]), "203.0.113.2");
	ck_assert(!addr_is_set(&seen[1]));
}
END_TEST

START_TEST(failure_is_told_and_tried_again)
{
	snprintf(pin, sizeof(pin), "%s/plain", base);
	ck_assert_int_eq(umount2(base, 0), 0);
	start();
	dp_sync_begin(dp);
	ck_assert_int_eq(service("default/web", "203.0.113.1", "10.0.0.1"), 0);
	dp_sync_end(dp);
	AWAIT(info().error[0] != '\0');
	ck_assert(!info().loaded);
	ck_assert_ptr_nonnull(strstr(info().error, pin));
	ck_assert_uint_eq(programs_on("up0"), 0);
	ck_assert_uint_eq(dp_counter(dp, LB_FORWARDED), 0);
	ck_assert_int_eq(mount("bpf", base, "bpf", 0, NULL), 0);
	AWAIT(stands_on("up0") && stands_on("pod0"));
	ck_assert_str_eq(info().error, "");
}
END_TEST

START_TEST(configuration_changes_while_it_runs)
{
	const char *const other[] = { "up[1-9]" };
	struct dp_conf c = conf;

	start_with_web();
	c.devices = other;
	c.nr_devices = 1;
	c.flows4 = 65536;
	c.pin_path = "/somewhere/else"; /* for the next start */
	ck_assert_int_eq(dp_conf_set(dp, &c), 0);
	AWAIT(stands_on("up1") && !device("up0"));
	ck_assert_uint_eq(programs_on("up0"), 0);
	AWAIT(info().flows4_max >= 65536);
	ck_assert_str_eq(info().error, "");
	ck_assert_uint_eq(programs_on("pod0"), 1);
	/* A cgroup that is none is told, and nothing else suffers. */
	c.socket_lb = true;
	ck_assert_int_eq(dp_conf_set(dp, &c), 0);
	ck_assert(!info().socket_lb);
	ck_assert_str_ne(info().socket_lb_error, "");
	c.socket_lb = false;
	ck_assert_int_eq(dp_conf_set(dp, &c), 0);
	AWAIT(info().socket_lb_error[0] == '\0');
	ck_assert(stands_on("up1"));
}
END_TEST

/* More than the first maps hold. */
START_TEST(maps_grow_with_what_is_wanted)
{
	struct dp_frontend f[64];
	unsigned nr = 0;

	start_with_web();
	for (unsigned s = 0; s < 80; s++) {
		char name[32];

		memset(f, 0, sizeof(f));
		for (unsigned i = 0; i < 64; i++) {
			f[i] = (struct dp_frontend){ .ip = address("198.18.0.0"),
				.port = (uint16_t)(1 + i),
				.proto = IPPROTO_TCP,
				.type = DP_LOAD_BALANCER,
				.port_name = "" };
			ck_assert(addr_add(&f[i].ip, s));
		}
		snprintf(name, sizeof(name), "default/s%u", s);
		ck_assert_int_eq(dp_service_set(dp, name, f, 64), 0);
		nr += 64;
	}
	AWAIT(info().frontends == nr + 1);
	AWAIT(info().error[0] == '\0');
	ck_assert_uint_eq(programs_on("up0"), 1);
}
END_TEST

START_TEST(remove_leaves_nothing)
{
	start_with_web();
	dp_remove(dp);
	ck_assert(!info().loaded);
	ck_assert_uint_eq(programs_on("up0"), 0);
	ck_assert_uint_eq(programs_on("pod0"), 0);
	ck_assert_int_eq(access(pin, F_OK), -1);
	/* What is said after that does no harm. */
	dp_sync_begin(dp);
	ck_assert_int_eq(service("default/late", "203.0.113.9", "10.0.0.1"), 0);
	dp_sync_end(dp);
	must("link set up1 down");
	for (int i = 0; i < 20; i++)
		loop_turn(loop, 10);
	ck_assert_uint_eq(programs_on("up0"), 0);
	ck_assert_int_eq(access(pin, F_OK), -1);
	stop();
	/* In the middle of loading, and again. */
	start();
	dp_remove(dp);
	for (int i = 0; i < 20; i++)
		loop_turn(loop, 10);
	ck_assert_int_eq(access(pin, F_OK), -1);
	stop();
	start();
}
END_TEST

START_TEST(counters_have_names)
{
	ck_assert_str_eq(dp_counter_name(LB_FORWARDED), "forwarded");
	ck_assert_str_eq(dp_counter_name(LB_HELPER), "internal");
	ck_assert_ptr_null(dp_counter_name(LB_NR_WHY));
	ck_assert_ptr_null(dp_counter_name(LB_WHY_ROOM - 1));
	ck_assert_ptr_null(dp_counter_name(LB_NR_COUNTERS));
	ck_assert_ptr_null(dp_counter_sentence(UINT32_MAX));
	for (unsigned i = 0; i < LB_NR_COUNTERS; i++) {
		if (i >= LB_NR_WHY && i < LB_WHY_ROOM)
			continue;
		ck_assert_msg(dp_counter_name(i) != NULL, "%u", i);
		ck_assert_ptr_nonnull(dp_counter_sentence(i));
		for (unsigned j = 0; j < i; j++)
			ck_assert(!dp_counter_name(j) ||
			    strcmp(dp_counter_name(i), dp_counter_name(j)) != 0);
	}
}
END_TEST

START_TEST(addresses_of_rows)
{
	static const char *const texts[] = { "192.0.2.1", "2001:db8::ff", "0.0.0.0", "::" };

	for (size_t i = 0; i < 4; i++) {
		struct addr a = address(texts[i]), back;
		struct lb_addr row = lb_addr_of(&a);

		back = lb_addr_to(&row, lb_family(&a));
		ck_assert(addr_eq(&a, &back));
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("datapath"), *plain = tcase_create("plain");
	int fd;

	tcase_add_test(plain, counters_have_names);
	tcase_add_test(plain, addresses_of_rows);
	suite_add_tcase(s, plain);
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "try", 4, 4, 1, NULL);
	unit_not_under_valgrind();
	if (fd < 0 || unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || ip("link set lo up") != 0)
		unit_skip("no right to load BPF programs, to mount or to make namespaces");
	close(fd);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, devices_wait_for_services);
	tcase_add_test(tc, devices_follow_the_backends);
	tcase_add_test(tc, a_restart_takes_over);
	tcase_add_test(tc, failure_is_told_and_tried_again);
	tcase_add_test(tc, configuration_changes_while_it_runs);
	tcase_add_test(tc, maps_grow_with_what_is_wanted);
	tcase_add_test(tc, remove_leaves_nothing);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("datapath", add_tests)
