/*
 * tests/unit/datapath/test_sock_words.c: what the daemon and its helper say to each other: there and
 * back, each truncation, each broken field, and bytes of chance.
 */
#include "datapath/sock_words.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>

static struct sock_id got[SOCK_IDS_MAX];
static uint8_t bytes[SOCK_REQUEST_MAX + 64];

static struct sock_id
an_id(uint64_t cookie, uint8_t family)
{
	struct sock_id id = { .cookie = cookie, .port = htons(53), .family = family };

	id.addr.w[0] = htonl(family == 4 ? 0x0a000001 : 0xfd000000);
	id.addr.w[3] = family == 4 ? 0 : htonl(7);
	return id;
}

START_TEST(a_request_there_and_back)
{
	const struct sock_id ids[] = { an_id(1, 4), an_id(1, 6), an_id(UINT64_MAX, 6) };
	const size_t len = sock_request_encode(bytes, 0xfffffffe, ids, 3);
	uint32_t seq;

	ck_assert_uint_eq(len, 12 + 3 * SOCK_ID_BYTES);
	ck_assert_int_eq(sock_request_decode(bytes, len, &seq, got), 3);
	ck_assert_uint_eq(seq, 0xfffffffe);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(got[i].cookie, ids[i].cookie);
		ck_assert_uint_eq(got[i].family, ids[i].family);
		ck_assert_uint_eq(got[i].port, htons(53));
		ck_assert_mem_eq(&got[i].addr, &ids[i].addr, sizeof(ids[i].addr));
	}
	/* The very bytes: family, UDP, port, address, cookie. */
	ck_assert_mem_eq(bytes, "\1\0\0\0\xff\xff\xff\xfe\0\0\0\3\4\x11\0\x35\x0a\0\0\1", 20);
	ck_assert_mem_eq(&bytes[32], "\0\0\0\0\0\0\0\1", 8);
}
END_TEST

START_TEST(what_is_cut_or_too_long_is_no_request)
{
	const struct sock_id ids[] = { an_id(1, 4), an_id(2, 6) };
	const size_t len = sock_request_encode(bytes, 1, ids, 2);
	uint32_t seq;

	for (size_t n = 0; n < len; n++)
		ck_assert_int_eq(sock_request_decode(bytes, n, &seq, got), -EBADMSG);
	ck_assert_int_eq(sock_request_decode(bytes, len + 1, &seq, got), -EBADMSG);
}
END_TEST

START_TEST(as_many_as_fit_and_no_more)
{
	static struct sock_id ids[SOCK_IDS_MAX];
	uint32_t seq;
	size_t len;

	for (size_t i = 0; i < SOCK_IDS_MAX; i++)
		ids[i] = an_id(i + 1, i % 2 ? 4 : 6);
	len = sock_request_encode(bytes, 1, ids, SOCK_IDS_MAX);
	ck_assert_uint_eq(len, SOCK_REQUEST_MAX);
	ck_assert_int_eq(sock_request_decode(bytes, len, &seq, got), SOCK_IDS_MAX);
	/* One more, with its bytes. */
	memset(&bytes[len], 0, SOCK_ID_BYTES);
	memcpy(&bytes[len], &bytes[len - SOCK_ID_BYTES], SOCK_ID_BYTES);
	bytes[10] = (SOCK_IDS_MAX + 1) >> 8;
	bytes[11] = (SOCK_IDS_MAX + 1) & 0xff;
	ck_assert_int_eq(sock_request_decode(bytes, len + SOCK_ID_BYTES, &seq, got), -EBADMSG);
	memset(&bytes[8], 0xff, 4); /* how many: 4294967295 */
	ck_assert_int_eq(sock_request_decode(bytes, len + SOCK_ID_BYTES, &seq, got), -EBADMSG);
	memset(&bytes[8], 0, 4); /* none */
	ck_assert_int_eq(sock_request_decode(bytes, 12, &seq, got), -EBADMSG);
}
END_TEST

/* One byte at a time: where it is, and what it becomes. */
START_TEST(a_broken_field_refuses_the_whole)
{
	static const struct {
		size_t at;
		uint8_t to;
		const char *what;
	} broken[] = {
		{ 0, 0, "no kind" },
		{ 0, 2, "an answer's kind" },
		{ 0, 255, "an unknown kind" },
		{ 1, 1, "what must be zero" },
		{ 3, 1, "what must be zero" },
		{ 12, 5, "a family" },
		{ 12, 0, "a family" },
		{ 13, 6, "another protocol: TCP" },
		{ 15, 0, "port 0" },
		{ 31, 1, "an IPv4 address with more behind it" },
		{ 20, 1, "an IPv4 address with more behind it" },
		{ 39, 0, "cookie 0" },
		{ 39, 9, "cookies out of order" },
		{ 8, 1, "too many" },
		{ 11, 1, "fewer than there are" },
		{ 11, 3, "more than there are" },
	};
	const struct sock_id ids[] = { an_id(1, 4), an_id(2, 6) };
	const size_t len = sock_request_encode(bytes, 1, ids, 2);
	uint32_t seq;

	ck_assert_int_eq(sock_request_decode(bytes, len, &seq, got), 2);
	bytes[broken[_i].at] = broken[_i].to;
	ck_assert_msg(
	    sock_request_decode(bytes, len, &seq, got) == -EBADMSG, "%s", broken[_i].what);
}
END_TEST

START_TEST(bytes_of_chance_are_taken_or_refused)
{
	uint64_t x = 88172645463325252ull;
	struct sock_answer a;
	uint32_t seq;

	for (unsigned long n = unit_rounds(200000); n > 0; n--) {
		size_t len;

		for (size_t i = 0; i < 96; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			bytes[i] = (uint8_t)x;
		}
		len = x % 97;
		if (n % 2) { /* near to what is right */
			memcpy(bytes, "\1\0\0\0", 4);
			memcpy(&bytes[8], "\0\0\0\1\4\x11", 6);
			bytes[0] = n % 4 == 1 ? 1 : (uint8_t)(2 + x % 3);
			len = 40;
		}
		const int nr = sock_request_decode(bytes, len, &seq, got);

		ck_assert(nr == -EBADMSG || (nr > 0 && len == 12 + (size_t)nr * SOCK_ID_BYTES));
		if (sock_answer_decode(bytes, len, &a) == 0)
			ck_assert(a.err <= 0 && strlen(a.text) < sizeof(a.text));
	}
}
END_TEST

START_TEST(answers_there_and_back)
{
	struct sock_answer a = { .kind = SOCK_READY }, b;
	size_t len = sock_answer_encode(bytes, &a);

	ck_assert_uint_eq(len, 4);
	ck_assert_int_eq(sock_answer_decode(bytes, len, &b), 0);
	ck_assert_int_eq(b.kind, SOCK_READY);

	a = (struct sock_answer){ SOCK_DONE, 7, 1, 2, 3, -EOPNOTSUPP, "" };
	len = sock_answer_encode(bytes, &a);
	ck_assert_int_eq(sock_answer_decode(bytes, len, &b), 0);
	ck_assert(b.kind == SOCK_DONE && b.seq == 7 && b.ended == 1 && b.entered == 2 &&
	    b.closed == 3 && b.err == -EOPNOTSUPP);
	for (size_t n = 0; n < len; n++)
		ck_assert_int_eq(sock_answer_decode(bytes, n, &b), -EBADMSG);
	ck_assert_int_eq(sock_answer_decode(bytes, len + 1, &b), -EBADMSG);
	bytes[20] = 0x80; /* no errno */
	ck_assert_int_eq(sock_answer_decode(bytes, len, &b), -EBADMSG);

	a = (struct sock_answer){ .kind = SOCK_FAULT, .text = "it cannot" };
	len = sock_answer_encode(bytes, &a);
	ck_assert_int_eq(sock_answer_decode(bytes, len, &b), 0);
	ck_assert_str_eq(b.text, "it cannot");
	bytes[6] = '\n'; /* a person will see it */
	ck_assert_int_eq(sock_answer_decode(bytes, len, &b), -EBADMSG);
	ck_assert_int_eq(sock_answer_decode(bytes, 4, &b), -EBADMSG);

	memset(a.text, 'x', sizeof(a.text)); /* not ended, and the longest */
	len = sock_answer_encode(bytes, &a);
	ck_assert_uint_le(len, SOCK_ANSWER_MAX);
	ck_assert_int_eq(sock_answer_decode(bytes, len, &b), 0);
	ck_assert_uint_eq(strlen(b.text), sizeof(b.text) - 1);
	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, "\4\0\0\0", 4);
	ck_assert_int_eq(sock_answer_decode(bytes, SOCK_ANSWER_MAX + 1, &b), -EBADMSG);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("words");

	tcase_add_test(tc, a_request_there_and_back);
	tcase_add_test(tc, what_is_cut_or_too_long_is_no_request);
	tcase_add_test(tc, as_many_as_fit_and_no_more);
	tcase_add_loop_test(tc, a_broken_field_refuses_the_whole, 0, 16);
	tcase_add_test(tc, bytes_of_chance_are_taken_or_refused);
	tcase_add_test(tc, answers_there_and_back);
	tcase_set_timeout(tc, 120);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("sock_words", add_tests)
