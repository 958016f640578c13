/*
 * bgpd/outq.c: two rings of blocks, written with as few calls as possible.  Between session.c and
 * the socket.
 */
#include "bgpd/outq.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "lib/mem.h"

#define MAX_IOV 64
#define KEEP_CAP 32

static struct bgp_block *
list_at(const struct outq_list *l, size_t i)
{
	return l->blocks[(l->head + i) % l->cap];
}

static int
list_push(struct outq_list *l, struct bgp_block *b)
{
	if (l->nr == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 8;
		struct bgp_block **blocks = mem_calloc(cap, sizeof(*blocks));

		if (!blocks)
			return -ENOMEM;
		for (size_t i = 0; i < l->nr; i++)
			blocks[i] = list_at(l, i);
		mem_free(l->blocks);
		l->blocks = blocks;
		l->cap = cap;
		l->head = 0;
	}
	l->blocks[(l->head + l->nr) % l->cap] = bgp_block_ref(b);
	l->nr++;
	return 0;
}

static void
list_pop(struct outq_list *l)
{
	bgp_block_unref(l->blocks[l->head]);
	l->head = (l->head + 1) % l->cap;
	l->nr--;
}

/* Forget all but the first @keep. */
static void
list_cut(struct outq_list *l, size_t keep)
{
	while (l->nr > keep)
		bgp_block_unref(list_at(l, --l->nr));
	if (l->nr)
		return;
	mem_free(l->blocks);
	*l = (struct outq_list){ 0 };
}

void
outq_init(struct outq *q)
{
	memset(q, 0, sizeof(*q));
}

void
outq_fini(struct outq *q)
{
	list_cut(&q->urgent, 0);
	list_cut(&q->bulk, 0);
	outq_init(q);
}

int
outq_push(struct outq *q, struct bgp_block *b)
{
	int err = list_push(&q->bulk, b);

	if (err == 0)
		q->bytes += b->len;
	return err;
}

int
outq_push_urgent(struct outq *q, struct bgp_block *b)
{
	int err = list_push(&q->urgent, b);

	if (err == 0)
		q->bytes += b->len;
	return err;
}

void
outq_cut(struct outq *q)
{
	list_cut(&q->urgent, q->begun == &q->urgent);
	list_cut(&q->bulk, q->begun == &q->bulk);
	q->bytes = q->begun ? list_at(q->begun, 0)->len - q->off : 0;
}

static int
gather(const struct outq_list *l, size_t from, struct iovec *iov, int nr)
{
	for (size_t i = from; i < l->nr && nr < MAX_IOV; i++, nr++) {
		struct bgp_block *b = list_at(l, i);

		iov[nr] = (struct iovec){ .iov_base = b->data, .iov_len = b->len };
	}
	return nr;
}

/* In the order of writing: what is begun, what is urgent, the rest. */
static int
gather_all(const struct outq *q, struct iovec *iov)
{
	int nr = 0;

	if (q->begun) {
		struct bgp_block *b = list_at(q->begun, 0);

		iov[nr++] =
		    (struct iovec){ .iov_base = b->data + q->off, .iov_len = b->len - q->off };
	}
	nr = gather(&q->urgent, q->begun == &q->urgent, iov, nr);
	return gather(&q->bulk, q->begun == &q->bulk, iov, nr);
}

static void
advance(struct outq *q, size_t n)
{
	q->bytes -= n;
	while (n) {
		struct outq_list *l = q->begun ? q->begun : q->urgent.nr ? &q->urgent : &q->bulk;
		size_t left = list_at(l, 0)->len - q->off;

		if (n < left) {
			q->begun = l;
			q->off += n;
			return;
		}
		n -= left;
		list_pop(l);
		q->begun = NULL;
		q->off = 0;
	}
	/* A session that is idle has next to no memory for its queue. */
	if (!q->bytes && q->urgent.cap + q->bulk.cap > KEEP_CAP)
		outq_fini(q);
}

long
outq_write(struct outq *q, int fd)
{
	struct iovec iov[MAX_IOV];
	struct msghdr msg = { .msg_iov = iov };
	long written = 0;

	while (q->bytes) {
		ssize_t n;

		msg.msg_iovlen = (size_t)gather_all(q, iov);
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return written && errno == EAGAIN ? written : -errno;
		advance(q, (size_t)n);
		written += n;
	}
	return written;
}
