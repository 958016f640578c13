/*
 * tests/unit/cluster/test_cluster.c: the shell around the core, on sockets of the loopback device: who is
 * heard and who is not (address, TTL, key), and what cluster.h says.
 */
#include "cluster/cluster.h"

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

#include "cluster/seal.h"
#include "lib/log.h"
#include "lib/loop.h"

#define PATIENCE_MS 20000

static struct loop *loop;
static uint16_t port;

struct node {
	struct cluster *cluster;
	unsigned holds, changes;
	bool left;
};

static void
on_watch(void *arg, const char *name, const struct addr *addr, bool on)
{
	(void)arg;
	(void)name;
	(void)addr;
	(void)on;
}

static void
on_probe(void *arg, const struct addr *addrs, size_t nr)
{
	struct node *n = arg;

	for (size_t i = 0; i < nr; i++)
		cluster_probed(n->cluster, &addrs[i], true, false);
}

static void
on_hold(void *arg)
{
	((struct node *)arg)->holds++;
}

static void
on_changed(void *arg)
{
	((struct node *)arg)->changes++;
}

static void
on_left(void *arg)
{
	((struct node *)arg)->left = true;
}

static const struct cluster_ops ops = { on_watch, on_probe, on_hold, on_changed };

static struct addr
local(uint8_t n)
{
	return (struct addr){ .family = ADDR_V4, .b = { 127, 0, 7, n } };
}

static void
make(struct node *n)
{
	int err;

	*n = (struct node){ 0 };
	n->cluster = cluster_new(loop, &ops, n, &err);
	ck_assert_ptr_nonnull(n->cluster);
	ck_assert_int_eq(err, 0);
}

static void
join(struct node *n, const char *self, const char *key)
{
	const struct cluster_member members[] = { { "one", local(1) }, { "two", local(2) } };
	struct cluster_conf conf = {
		.self = self, .members = members, .nr_members = 2, .port = port
	};

	conf.key_len = strlen(key);
	memcpy(conf.key, key, conf.key_len);
	ck_assert_int_eq(cluster_set(n->cluster, &conf), 0);
	ck_assert_str_eq(cluster_error(n->cluster), "");
}

/* A port that nobody has on this address. */
static uint16_t
free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000701) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	close(fd);
	return ntohs(sin.sin_port);
}

static void
setup(void)
{
	loop = loop_new();
	port = free_port();
}

static void
teardown(void)
{
	loop_free(loop);
}

static bool
knows(const struct node *n, const char *other, enum cluster_life life)
{
	return cluster_life(n->cluster, other) == life;
}

static void
turn_until_alive(struct node *a, struct node *b)
{
	uint64_t end = loop_now_ms(loop) + PATIENCE_MS;

	while (!(knows(a, "two", CLUSTER_ALIVE) && knows(b, "one", CLUSTER_ALIVE)) &&
	    loop_now_ms(loop) < end)
		(void)loop_turn(loop, 10);
	ck_assert(knows(a, "two", CLUSTER_ALIVE) && knows(b, "one", CLUSTER_ALIVE));
}

static void
turn_for(unsigned turns)
{
	while (turns--)
		(void)loop_turn(loop, 10);
}

struct sum {
	unsigned nr;
	bool selves;
	uint64_t refused, received;
};

static bool
add_up(void *arg, const struct cluster_seen *seen)
{
	struct sum *sum = arg;

	sum->nr++;
	if (seen->self == sum->selves) {
		sum->refused += seen->refused;
		sum->received += seen->received;
	}
	return true;
}

static struct sum
sum_of(const struct node *n)
{
	struct sum sum = { 0 };

	cluster_each(n->cluster, add_up, &sum);
	return sum;
}

/* _i 1: with a key. */
START_TEST(two_meet_and_hand_over)
{
	const struct addr addr = { .family = ADDR_V4, .b = { 192, 0, 2, 1 } };
	struct cluster_want want = { addr, "one", true };
	struct node a, b;
	uint64_t end;
	size_t len;

	make(&a);
	make(&b);
	join(&a, "one", _i ? "secret" : "");
	join(&b, "two", _i ? "secret" : "");
	turn_until_alive(&a, &b);
	ck_assert_int_eq(cluster_note(a.cluster, "eth0", 4), 0);
	ck_assert_int_eq(cluster_want(a.cluster, &want, 1), 0);
	end = loop_now_ms(loop) + PATIENCE_MS;
	while ((!cluster_holder(b.cluster, &addr) || !cluster_notes(b.cluster, "one", &len)) &&
	    loop_now_ms(loop) < end)
		(void)loop_turn(loop, 10);
	ck_assert_str_eq(cluster_holder(b.cluster, &addr), "one");
	ck_assert_uint_eq(len, 4);
	ck_assert(cluster_holds(a.cluster, &addr));
	ck_assert_uint_eq(cluster_nr_held(a.cluster), 1);
	ck_assert_int_eq(cluster_step(a.cluster, &addr), CLUSTER_HELD);
	/* Given, because it leaves. */
	cluster_leave(a.cluster, PATIENCE_MS, on_left, &a);
	want.owner = "two";
	ck_assert_int_eq(cluster_want(a.cluster, &want, 1), 0);
	ck_assert_int_eq(cluster_want(b.cluster, &want, 1), 0);
	while (!a.left && loop_now_ms(loop) < end)
		(void)loop_turn(loop, 10);
	ck_assert(a.left);
	ck_assert(cluster_holds(b.cluster, &addr) && !cluster_holds(a.cluster, &addr));
	while (!knows(&b, "one", CLUSTER_GONE) && loop_now_ms(loop) < end)
		(void)loop_turn(loop, 10);
	ck_assert(knows(&b, "one", CLUSTER_GONE));
	ck_assert_uint_eq(sum_of(&b).nr, 2);
	cluster_free(a.cluster);
	cluster_free(b.cluster);
}
END_TEST

START_TEST(another_key_is_not_heard)
{
	struct node a, b;

	make(&a);
	make(&b);
	join(&a, "one", "secret");
	join(&b, "two", "Secret");
	turn_for(100);
	ck_assert(knows(&a, "two", CLUSTER_UNHEARD) && knows(&b, "one", CLUSTER_UNHEARD));
	ck_assert_uint_gt(sum_of(&a).refused + sum_of(&b).refused, 0);
	ck_assert_uint_eq(sum_of(&a).received + sum_of(&b).received, 0);
	/* And heard once it is the same. */
	join(&b, "two", "secret");
	turn_until_alive(&a, &b);
	cluster_free(a.cluster);
	cluster_free(b.cluster);
}
END_TEST

/* Someone on the address of a member. */
static int
stranger(uint8_t host, int ttl, uint16_t from)
{
	struct sockaddr_storage ss;
	struct addr addr = local(host);
	socklen_t len = addr_to_sockaddr(&addr, from, &ss);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, len), 0);
	ck_assert_int_eq(setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)), 0);
	return fd;
}

static void
send_some(int fd)
{
	struct sockaddr_storage ss;
	struct addr to = local(1);
	socklen_t len = addr_to_sockaddr(&to, port, &ss);

	for (int i = 0; i < 10; i++) {
		uint8_t junk[1400] = { 0x48, 0x63, 1, 0 };

		(void)!sendto(fd, junk, (size_t)i * 150 + 4, 0, (struct sockaddr *)&ss, len);
	}
	close(fd);
}

START_TEST(far_and_strange_datagrams_are_refused)
{
	struct node a;

	make(&a);
	join(&a, "one", "");
	send_some(stranger(2, 64, port)); /* from behind routers */
	turn_for(5);
	ck_assert_uint_ge(sum_of(&a).refused, 10);
	send_some(stranger(2, 255, 0)); /* from another port */
	turn_for(5);
	ck_assert_uint_ge(sum_of(&a).refused, 20);
	send_some(stranger(9, 255, port)); /* from no member */
	turn_for(5);
	ck_assert_uint_eq(sum_of(&a).received, 0);
	cluster_free(a.cluster);
}
END_TEST

/* A node with an IPv6 address hears datagrams, and looks at their hop limit. */
START_TEST(ipv6_is_heard_too)
{
	const struct addr self = { .family = ADDR_V6, .b = { [15] = 1 } };
	const struct cluster_member members[] = { { "one", self }, { "two", local(2) } };
	const struct cluster_conf conf = {
		.self = "one", .members = members, .nr_members = 2, .port = port
	};
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&self, port, &ss);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	struct node a;
	struct sum sum;

	make(&a);
	ck_assert_int_eq(cluster_set(a.cluster, &conf), 0);
	if (*cluster_error(a.cluster)) { /* a machine without IPv6 */
		close(fd);
		cluster_free(a.cluster);
		return;
	}
	ck_assert_int_eq(sendto(fd, "", 1, 0, (struct sockaddr *)&ss, len), 1);
	turn_for(5);
	sum = (struct sum){ .selves = true };
	cluster_each(a.cluster, add_up, &sum);
	ck_assert_uint_eq(sum.refused, 1);
	close(fd);
	cluster_free(a.cluster);
}
END_TEST

static void
no_log(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

START_TEST(a_port_in_use_is_told_and_tried_again)
{
	const struct cluster_member members[] = { { "one", local(1) }, { "two", local(2) } };
	struct cluster_conf conf = {
		.self = "one", .members = members, .nr_members = 2, .port = port
	};
	int fd = stranger(1, 64, port);
	struct node a;
	uint64_t end = loop_now_ms(loop) + PATIENCE_MS;

	log_sink(no_log, NULL);
	make(&a);
	ck_assert_int_eq(cluster_set(a.cluster, &conf), 0);
	ck_assert_ptr_nonnull(strstr(cluster_error(a.cluster), "127.0.7.1"));
	close(fd);
	while (*cluster_error(a.cluster) && loop_now_ms(loop) < end)
		(void)loop_turn(loop, 10);
	ck_assert_str_eq(cluster_error(a.cluster), "");
	cluster_free(a.cluster);
	log_sink(NULL, NULL);
}
END_TEST

START_TEST(before_it_is_set_nothing_happens)
{
	const struct addr addr = { .family = ADDR_V4, .b = { 192, 0, 2, 1 } };
	const struct cluster_want want = { addr, "one", true };
	struct cluster_conf conf = { .self = "one" };
	struct node a;

	make(&a);
	ck_assert_int_eq(cluster_adopt(a.cluster, &addr, 1), 0);
	turn_for(2);
	ck_assert(cluster_holds(a.cluster, &addr));
	ck_assert_str_eq(cluster_error(a.cluster), "");
	ck_assert_int_eq(cluster_life(a.cluster, "nobody"), CLUSTER_UNHEARD);
	/* Alone: what is wanted is held, and nothing else. */
	ck_assert_int_eq(cluster_set(a.cluster, &conf), 0);
	ck_assert_int_eq(cluster_want(a.cluster, &want, 1), 0);
	ck_assert(cluster_holds(a.cluster, &addr));
	ck_assert_int_eq(cluster_want(a.cluster, NULL, 0), 0);
	ck_assert(!cluster_holds(a.cluster, &addr));
	cluster_watched(a.cluster, "nobody", true);
	cluster_leased(a.cluster, "nobody", CLUSTER_LEASE_OUT);
	cluster_api(a.cluster, true);
	turn_for(2);
	ck_assert(!cluster_is_cut_off(a.cluster));
	cluster_free(a.cluster);
	cluster_free(NULL);
}
END_TEST

START_TEST(everything_has_words)
{
	for (int i = 0; i < CLUSTER_NR_LIVES; i++) {
		ck_assert_str_ne(cluster_life_name((enum cluster_life)i), "");
		ck_assert_str_ne(cluster_life_name((enum cluster_life)i), "unknown");
		ck_assert_str_ne(cluster_life_sentence((enum cluster_life)i), "");
	}
	for (int i = 0; i <= CLUSTER_WAITING; i++)
		ck_assert_str_ne(cluster_step_sentence((enum cluster_step)i), "");
	ck_assert_str_eq(cluster_step_sentence((enum cluster_step)99), "");
	ck_assert_str_eq(cluster_life_name(CLUSTER_NR_LIVES), "unknown");
}
END_TEST

/* RFC 4231 4.2, 4.3: the same keyed hash as everywhere. */
START_TEST(a_seal_is_hmac_sha256)
{
	static const uint8_t want[] = { 0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04,
		0x24, 0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83,
		0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43 };
	uint8_t bytes[28 + SEAL_LEN];
	const uint8_t *key = (const uint8_t *)"Jefe";
	size_t len = sizeof(bytes);

	memcpy(bytes, "what do ya want for nothing?", 28);
	ck_assert(seal_put(bytes, 28, key, 4));
	ck_assert_mem_eq(bytes + 28, want, SEAL_LEN);
	ck_assert(seal_take(bytes, &len, key, 4));
	ck_assert_uint_eq(len, 28);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] ^= 1;
		len = sizeof(bytes);
		ck_assert(!seal_take(bytes, &len, key, 4));
		bytes[i] ^= 1;
	}
	for (size_t n = 0; n < sizeof(bytes); n++) {
		len = n;
		ck_assert(!seal_take(bytes, &len, key, 4));
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("cluster");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, two_meet_and_hand_over, 0, 2);
	tcase_add_test(tc, another_key_is_not_heard);
	tcase_add_test(tc, far_and_strange_datagrams_are_refused);
	tcase_add_test(tc, ipv6_is_heard_too);
	tcase_add_test(tc, a_port_in_use_is_told_and_tried_again);
	tcase_add_test(tc, before_it_is_set_nothing_happens);
	tcase_add_test(tc, everything_has_words);
	tcase_add_test(tc, a_seal_is_hmac_sha256);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("cluster", add_tests)
