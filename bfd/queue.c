/*
 * bfd/queue.c: a ring of fixed size between two threads.
 */
#include "bfd/queue.h"

#include "lib/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct queue {
	size_t slots, size;
	int fd;
	uint8_t *items;
	/* Counts that only grow; the one is written by who puts, the other by who takes. */
	atomic_size_t put, taken;
};

struct queue *
queue_new(size_t slots, size_t item_size)
{
	struct queue *q;

	assert((slots & (slots - 1)) == 0);
	q = mem_calloc(1, sizeof(*q));
	if (!q) {
		errno = ENOMEM;
		return NULL;
	}
	q->slots = slots;
	q->size = item_size;
	q->items = mem_calloc(slots, item_size);
	q->fd = q->items ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1;
	if (q->fd < 0) {
		int err = q->items ? errno : ENOMEM;

		mem_free(q->items);
		mem_free(q);
		errno = err;
		return NULL;
	}
	return q;
}

void
queue_free(struct queue *q)
{
	if (!q)
		return;
	close(q->fd);
	mem_free(q->items);
	mem_free(q);
}

int
queue_fd(const struct queue *q)
{
	return q->fd;
}

size_t
queue_room(struct queue *q)
{
	return q->slots -
	    (atomic_load_explicit(&q->put, memory_order_relaxed) -
		atomic_load_explicit(&q->taken, memory_order_acquire));
}

bool
queue_put(struct queue *q, const void *item)
{
	size_t at = atomic_load_explicit(&q->put, memory_order_relaxed);

	if (queue_room(q) == 0)
		return false;
	memcpy(q->items + (at & (q->slots - 1)) * q->size, item, q->size);
	atomic_store_explicit(&q->put, at + 1, memory_order_release);
	return true;
}

void
queue_ring(struct queue *q)
{
	/* It can only fail when 2^64 - 1 rings were not heard. */
	(void)!eventfd_write(q->fd, 1);
}

void
queue_quiet(struct queue *q)
{
	eventfd_t rings;

	(void)!eventfd_read(q->fd, &rings);
}

bool
queue_take(struct queue *q, void *item)
{
	size_t at = atomic_load_explicit(&q->taken, memory_order_relaxed);

	if (at == atomic_load_explicit(&q->put, memory_order_acquire))
		return false;
	memcpy(item, q->items + (at & (q->slots - 1)) * q->size, q->size);
	atomic_store_explicit(&q->taken, at + 1, memory_order_release);
	return true;
}
