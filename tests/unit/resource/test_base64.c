/*
 * tests/unit/resource/test_base64.c: the vectors of RFC 4648 section 10, and what is none.
 */
#include "resource/base64.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *text, *bytes;
} good[] = {
	{ "", "" },
	{ "Zg==", "f" },
	{ "Zm8=", "fo" },
	{ "Zm9v", "foo" },
	{ "Zm9vYg==", "foob" },
	{ "Zm9vYmE=", "fooba" },
	{ "Zm9vYmFy", "foobar" },
	{ "Zm9v\nYmFy\n", "foobar" },
};

static const char *const bad[] = { "Z", "Zg", "Zg=", "Zm9", "Zm9vYg", "Zg===", "====", "=",
	"Zg==Zg==", "Zm 9", "Zm9-", "Zh==", "Zm9=" };

START_TEST(vectors)
{
	uint8_t out[16];
	size_t len;

	ck_assert_int_eq(base64_decode(good[_i].text, strlen(good[_i].text), out, &len), 0);
	ck_assert_uint_eq(len, strlen(good[_i].bytes));
	ck_assert_mem_eq(out, good[_i].bytes, len);
}
END_TEST

START_TEST(refused)
{
	uint8_t out[16];
	size_t len;

	ck_assert_int_eq(base64_decode(bad[_i], strlen(bad[_i]), out, &len), -EINVAL);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("base64");

	tcase_add_loop_test(tc, vectors, 0, sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(tc, refused, 0, sizeof(bad) / sizeof(bad[0]));
	suite_add_tcase(s, tc);
}
UNIT_MAIN("base64", add_tests)
