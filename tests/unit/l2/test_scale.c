/*
 * tests/unit/l2/test_scale.c: many addresses: what a call costs that changes all, one, or nothing, and
 * how soon all are told.  On a veth pair in a real kernel.  Skipped without the rights.
 */
#include "tests/unit/l2/plant.h"

#include "tests/unit/l2/tap.h"

#define MOST 10000
#ifndef ROUNDS
#define ROUNDS 10
#endif

static const char *const on_va[] = { "va" };
static struct l2_address list[MOST];

static void
setup(void)
{
	plant_setup();
	plant_start(NULL);
}

static uint64_t
set(size_t nr)
{
	uint64_t begin = now_us();

	ck_assert_int_eq(l2_set(l2, list, nr), 0);
	return now_us() - begin;
}

static struct l2_info
info(void)
{
	struct l2_info i;

	l2_info(l2, &i);
	return i;
}

static void
fill(const char *first)
{
	struct addr a = ip(first);

	for (size_t i = 0; i < MOST; i++) {
		list[i] = (struct l2_address){
			.addr = a, .devices = on_va, .nr_devices = 1, .schedule = { .count = 1 }
		};
		ck_assert(addr_next(&a));
	}
}

START_TEST(calls)
{
	static const size_t sizes[] = { 1000, MOST };
	uint64_t all, same = UINT64_MAX, one = UINT64_MAX, worst = 0, begin, turn;
	size_t nr = sizes[_i / 2];

	fill(_i % 2 ? "2001:db8::1:0" : "10.9.0.0");
	all = set(nr);
	begin = now_us();
	do {
		turn = now_us();
		loop_turn(loop, 1);
		turn = now_us() - turn;
		worst = turn > worst ? turn : worst;
	} while (info().waiting > 0);
	ck_assert_uint_eq(info().answering, nr);
	ck_assert_uint_eq(info().announced, _i % 2 ? nr : 2 * nr);
	printf("%zu of %s: all new %llu us, told in %llu us, the longest turn %llu us\n", nr,
	    _i % 2 ? "IPv6" : "IPv4", (unsigned long long)all,
	    (unsigned long long)(now_us() - begin), (unsigned long long)worst);
	for (unsigned i = 0; i < ROUNDS; i++) {
		turn = set(nr);
		same = turn < same ? turn : same;
		list[nr - 1].addr.b[_i % 2 ? 13 : 1]++; /* in order still */
		turn = set(nr);
		one = turn < one ? turn : one;
		ck_assert_uint_eq(info().answering, nr);
		loop_turn(loop, 0);
	}
	printf("    the same again %llu us, one other %llu us\n", (unsigned long long)same,
	    (unsigned long long)one);
	begin = now_us();
	ck_assert_int_eq(l2_set(l2, NULL, 0), 0);
	printf("    none %llu us\n", (unsigned long long)(now_us() - begin));
}
END_TEST

/* What is lost while much is still to be told: nothing more is said from the call on. */
START_TEST(lost_while_telling)
{
	struct frame f;
	unsigned n = 0;

	fill("10.9.0.0");
	(void)set(MOST);
	while (info().announced < 100)
		loop_turn(loop, 1);
	ck_assert_int_eq(l2_set(l2, NULL, 0), 0);
	while (tap_get(&f))
		;
	turn_for(100);
	while (tap_get(&f))
		n += f.b[13] == 6;
	ck_assert_uint_eq(n, 0);
	ck_assert_uint_eq(info().waiting, 0);
	ck_assert(!is_answered("10.9.0.0"));
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("scale");

	if (!bed_can())
		unit_skip("no right to load BPF programs and make namespaces");
	tcase_add_checked_fixture(tc, setup, plant_teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, calls, 0, 4);
	tcase_add_test(tc, lost_while_telling);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("scale", add_tests)
