/*
 * datapath/sock_words.c: see sock_words.h.
 */
#include "datapath/sock_words.h"

#include "lib/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

enum { REQUEST = 1 };

static void
head_put(struct wire_wr *w, uint8_t kind)
{
	wire_put_u32(w, (uint32_t)kind << 24);
}

/* The first byte, when zeros follow; else 0, which is no kind. */
static uint8_t
head_read(struct wire_rd *r)
{
	const uint32_t head = wire_u32(r);

	return head & 0xffffff ? 0 : (uint8_t)(head >> 24);
}

size_t
sock_request_encode(void *to, uint32_t seq, const struct sock_id *ids, size_t nr)
{
	struct wire_wr w = wire_wr_init(to, SOCK_REQUEST_MAX);

	head_put(&w, REQUEST);
	wire_put_u32(&w, seq);
	wire_put_u32(&w, (uint32_t)nr);
	for (size_t i = 0; i < nr; i++) {
		wire_put_u8(&w, ids[i].family);
		wire_put_u8(&w, IPPROTO_UDP);
		wire_put_u16(&w, ntohs(ids[i].port));
		wire_put_bytes(&w, &ids[i].addr, sizeof(ids[i].addr));
		wire_put_u32(&w, (uint32_t)(ids[i].cookie >> 32));
		wire_put_u32(&w, (uint32_t)ids[i].cookie);
	}
	return w.full ? 0 : w.len;
}

static bool
id_read(struct wire_rd *r, struct sock_id *id)
{
	uint8_t proto;

	id->family = wire_u8(r);
	proto = wire_u8(r);
	id->port = htons(wire_u16(r));
	wire_copy(r, &id->addr, sizeof(id->addr));
	id->cookie = wire_u64(r);
	if (r->bad || proto != IPPROTO_UDP || !id->port || !id->cookie)
		return false;
	if (id->family == 4)
		return !(id->addr.w[1] | id->addr.w[2] | id->addr.w[3]);
	return id->family == 6;
}

int
sock_request_decode(const void *bytes, size_t len, uint32_t *seq, struct sock_id *ids)
{
	struct wire_rd r = wire_rd_init(bytes, len);
	const uint8_t kind = head_read(&r);
	uint32_t nr;

	*seq = wire_u32(&r);
	nr = wire_u32(&r);
	if (kind != REQUEST || r.bad || nr == 0 || nr > SOCK_IDS_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < nr; i++)
		if (!id_read(&r, &ids[i]) || (i > 0 && ids[i].cookie < ids[i - 1].cookie))
			return -EBADMSG;
	return wire_done(&r) ? (int)nr : -EBADMSG;
}

size_t
sock_answer_encode(void *to, const struct sock_answer *a)
{
	struct wire_wr w = wire_wr_init(to, SOCK_ANSWER_MAX);

	head_put(&w, (uint8_t)a->kind);
	if (a->kind == SOCK_DONE) {
		wire_put_u32(&w, a->seq);
		wire_put_u32(&w, a->ended);
		wire_put_u32(&w, a->entered);
		wire_put_u32(&w, a->closed);
		wire_put_u32(&w, (uint32_t)-a->err);
	} else if (a->kind == SOCK_FAULT) {
		wire_put_bytes(&w, a->text, strnlen(a->text, sizeof(a->text) - 1));
	}
	return w.len;
}

/* Printable, since a person will see it, and not empty. */
static bool
text_read(struct wire_rd *r, char *text, size_t max)
{
	const size_t len = r->left;

	if (r->bad || len == 0 || len >= max)
		return false;
	wire_copy(r, text, len);
	text[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return true;
}

int
sock_answer_decode(const void *bytes, size_t len, struct sock_answer *a)
{
	struct wire_rd r = wire_rd_init(bytes, len);
	uint32_t err = 0;

	memset(a, 0, sizeof(*a));
	a->kind = head_read(&r);
	switch (a->kind) {
	case SOCK_READY:
		break;
	case SOCK_DONE:
		a->seq = wire_u32(&r);
		a->ended = wire_u32(&r);
		a->entered = wire_u32(&r);
		a->closed = wire_u32(&r);
		err = wire_u32(&r);
		a->err = err < 4096 ? -(int)err : 0; /* the kernel's MAX_ERRNO is 4095 */
		break;
	case SOCK_FAULT:
		if (!text_read(&r, a->text, sizeof(a->text)))
			return -EBADMSG;
		break;
	default:
		return -EBADMSG;
	}
	return wire_done(&r) && err < 4096 ? 0 : -EBADMSG;
}
