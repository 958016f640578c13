/*
 * tests/unit/bfd/test_heap.c: bfd/heap.c against a list that is searched, and bfd/queue.c between two
 * threads.
 */
#include "tests/unit/unit.h"

#include <poll.h>
#include <pthread.h>

#include "bfd/heap.h"
#include "bfd/queue.h"

#define NODES 200

static uint64_t seed = 1;

static uint32_t
chance(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % n);
}

START_TEST(the_first_is_the_first)
{
	static struct heap_node nodes[NODES];
	struct heap h;

	ck_assert_int_eq(heap_init(&h, NODES), 0);
	ck_assert_ptr_null(heap_first(&h));
	for (unsigned long round = 0; round < unit_rounds(200000); round++) {
		struct heap_node *n = &nodes[chance(NODES)];
		uint64_t least = UINT64_MAX;
		size_t nr = 0;

		if (chance(3) == 0)
			heap_remove(&h, n);
		else
			heap_set(&h, n, chance(1000));
		for (size_t i = 0; i < NODES; i++) {
			nr += nodes[i].slot != 0;
			if (nodes[i].slot && nodes[i].at < least)
				least = nodes[i].at;
		}
		ck_assert_uint_eq(h.nr, nr);
		if (nr)
			ck_assert_uint_eq(heap_first(&h)->at, least);
		else
			ck_assert_ptr_null(heap_first(&h));
	}
	heap_fini(&h);
}
END_TEST

struct item {
	uint64_t number, twice;
	char more[40];
};

START_TEST(a_full_queue_refuses_and_an_empty_one_gives_nothing)
{
	struct queue *q = queue_new(4, sizeof(struct item));
	struct item it = { 0 };

	ck_assert_ptr_nonnull(q);
	ck_assert(!queue_take(q, &it));
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_uint_eq(queue_room(q), 4 - i);
		it.number = i;
		ck_assert(queue_put(q, &it));
	}
	ck_assert(!queue_put(q, &it));
	ck_assert(queue_take(q, &it));
	ck_assert_uint_eq(it.number, 0);
	ck_assert(queue_put(q, &it));
	queue_free(q);
	queue_free(NULL);
}
END_TEST

#define ITEMS 200000u

static void *
put_all(void *arg)
{
	struct queue *q = arg;

	for (uint64_t i = 0; i < ITEMS;) {
		struct item it = { .number = i, .twice = 2 * i };

		if (queue_put(q, &it))
			i++;
		queue_ring(q);
	}
	return NULL;
}

START_TEST(all_of_it_arrives_in_order_at_another_thread)
{
	struct queue *q = queue_new(64, sizeof(struct item));
	struct pollfd p;
	pthread_t t;
	uint64_t next = 0;

	ck_assert_ptr_nonnull(q);
	p = (struct pollfd){ .fd = queue_fd(q), .events = POLLIN };
	ck_assert_int_eq(pthread_create(&t, NULL, put_all, q), 0);
	while (next < ITEMS) {
		struct item it;

		ck_assert_int_ge(poll(&p, 1, 60000), 1); /* a ring is never lost */
		queue_quiet(q);
		while (queue_take(q, &it)) {
			ck_assert_uint_eq(it.number, next);
			ck_assert_uint_eq(it.twice, 2 * next);
			next++;
		}
	}
	pthread_join(t, NULL);
	queue_free(q);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("heap");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, the_first_is_the_first);
	tcase_add_test(t, a_full_queue_refuses_and_an_empty_one_gives_nothing);
	tcase_add_test(t, all_of_it_arrives_in_order_at_another_thread);
	suite_add_tcase(s, t);
}
UNIT_MAIN("bfd-heap", add_tests)
