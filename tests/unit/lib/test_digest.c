/*
 * tests/unit/lib/test_digest.c: hashes of libcrypto, which is opened late, against published vectors.
 */
#include "tests/unit/unit.h"

#include "lib/digest.h"
#include "lib/late.h"

#include <string.h>

/* RFC 3174 7.3, the first */
START_TEST(sha1_of_abc)
{
	static const uint8_t want[DIGEST_SHA1_LEN] = { 0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81,
		0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d };
	uint8_t got[DIGEST_SHA1_LEN] = { 0 };

	ck_assert(digest_sha1("abc", 3, got));
	ck_assert_mem_eq(got, want, sizeof(want));
}
END_TEST

/* RFC 4231 4.3 */
START_TEST(hmac_sha256_of_case_2)
{
	static const uint8_t want[DIGEST_SHA256_LEN] = { 0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75,
		0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d,
		0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43 };
	static const char text[] = "what do ya want for nothing?";
	uint8_t got[DIGEST_SHA256_LEN] = { 0 };

	ck_assert(digest_hmac_sha256("Jefe", 4, text, strlen(text), got));
	ck_assert_mem_eq(got, want, sizeof(want));
}
END_TEST

START_TEST(equal_is_every_byte)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };

	ck_assert(digest_eq(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(a); i++) {
		b[i] = 0x80;
		ck_assert(!digest_eq(a, b, sizeof(a)));
		ck_assert(digest_eq(a, b, i));
		b[i] = 0;
	}
}
END_TEST

START_TEST(what_is_not_there_is_an_error)
{
	static const struct late_call none[] = { { NULL, 0 } },
				      wrong[] = { { "no_such_call", 0 }, { NULL, 0 } };
	void *at = NULL;

	ck_assert_int_lt(late_open("libno-such.so.0", "no-such", &at, none), 0);
	ck_assert_int_lt(late_open("libcrypto.so.3", "libssl3", &at, wrong), 0);
	ck_assert_int_eq(late_open("libcrypto.so.3", "libssl3", &at, none), 0);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("digest");

	tcase_add_test(tc, sha1_of_abc);
	tcase_add_test(tc, hmac_sha256_of_case_2);
	tcase_add_test(tc, equal_is_every_byte);
	tcase_add_test(tc, what_is_not_there_is_an_error);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("digest", add_tests)
