/*
 * tests/unit/bgpd/test_tcp_ao.c: keys of the TCP Authentication Option: the bytes that the kernel is
 * given, and that a peer with such keys has no session where the kernel cannot sign it.
 */
#include "bgpd/tcp_ao.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/bgpd/speakerkit.h"
#include "tests/unit/unit.h"

#define US "127.0.0.1"
#define THEM "127.0.0.2"
#define KEYS "7 9 hmac(sha1) 6b6579\n8 10 cmac(aes128) 00ff\n"

static struct prefix
prefix(const char *text)
{
	struct prefix p;

	ck_assert_int_eq(prefix_parse(text, &p, NULL), 0);
	return p;
}

/* struct tcp_ao_add of linux/tcp.h, byte by byte. */
START_TEST(rfc5925_3_1_a_key_as_the_kernel_takes_it)
{
	const struct prefix range = prefix("10.1.2.0/24");
	uint8_t b[288];
	size_t used;

	ck_assert_int_eq(tcp_ao_encode(KEYS, &range, b, &used), 0);
	ck_assert_uint_eq(used, 21);
	ck_assert_mem_eq(b + 4, "\x0a\x01\x02\0", 4);
	ck_assert_str_eq((const char *)b + 128, "hmac(sha1)");
	ck_assert_mem_eq(b + 192, "\0\0\0\0\0\0\0\0\0\0", 10);
	ck_assert_mem_eq(b + 202, "\x18\x07\x09\x0c\0\x03", 6);
	ck_assert_mem_eq(b + 208, "key\0", 4);
	ck_assert_int_eq(tcp_ao_encode(&KEYS[used + 1], &range, b, &used), 0);
	ck_assert_str_eq((const char *)b + 128, "cmac(aes128)");
	ck_assert_mem_eq(b + 202, "\x18\x08\x0a\x0c\0\x02\0\xff\0", 9);
}
END_TEST

static const char *const broken[] = { "", "7 9 hmac(sha1)", "7 9 hmac(sha1) ", "7 9 hmac(sha1) 6",
	"7 9 hmac(sha1) 6g", "256 9 hmac(sha1) 66", "7 999 hmac(sha1) 66", "7 hmac(sha1) 66",
	"-1 9 hmac(sha1) 66" };

START_TEST(what_is_no_key_is_refused)
{
	const struct prefix host = prefix("10.1.2.3/32");
	char line[200];
	uint8_t b[288];
	size_t used;
	int fd;

	ck_assert_int_eq(tcp_ao_encode(broken[_i], &host, b, &used), -EINVAL);
	/* 80 bytes are a key, 81 are not. */
	snprintf(line, sizeof(line), "1 1 hmac(sha1) %0160d", 0);
	ck_assert_int_eq(tcp_ao_encode(line, &host, b, &used), 0);
	snprintf(line, sizeof(line), "1 1 hmac(sha1) %0162d", 0);
	ck_assert_int_eq(tcp_ao_encode(line, &host, b, &used), -EINVAL);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_lt(tcp_ao_put(fd, &host, broken[_i], false), 0);
	ck_assert_int_lt(tcp_ao_check(fd), 0); /* and nothing is signed */
	close(fd);
}
END_TEST

/* Neither dialled nor accepted, and said why: without the option there is no session. */
START_TEST(rfc5925_7_3_no_session_without_what_was_asked_for)
{
	uint16_t port = kit_port();
	struct bgp_peer_conf *c;
	static struct raw r, other;
	struct kit k;

	if (tcp_ao_here() == 0)
		return; /* this kernel has it: there is nothing to be held back from */
	kit_init(&k, NULL, US, port, 65001);
	c = kit_peer(&k, "p", THEM, port, 65002);
	c->ao_keys = KEYS;
	r.fd = r.listener = -1;
	raw_listen(&r, &k, THEM, port);
	kit_apply(&k);
	loop_advance(k.loop, 30000);
	ck_assert(!raw_try_accept(&r));
	ck_assert_str_eq(kit_state(&k, 0), "idle");
	ck_assert_int_eq(tcp_ao_here(), -ENOPROTOOPT);
	raw_connect(&other, &k, THEM, US, port);
	raw_expect_close(&other);
	ck_assert_str_eq(kit_state(&k, 0), "idle");
	/* Without the keys it comes up. */
	raw_close(&other);
	c->ao_keys = NULL;
	kit_apply(&k);
	loop_advance(k.loop, 500);
	raw_accept(&r);
	raw_fini(&r);
	kit_fini(&k);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("tcp-ao");

	tcase_add_test(tc, rfc5925_3_1_a_key_as_the_kernel_takes_it);
	tcase_add_loop_test(tc, what_is_no_key_is_refused, 0, sizeof(broken) / sizeof(broken[0]));
	tcase_add_test(tc, rfc5925_7_3_no_session_without_what_was_asked_for);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("tcp-ao", add_tests)
