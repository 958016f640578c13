/*
 * bgpd/aspath.c: AS_PATH in its wire form with four-octet numbers: counting, prepending, text.  What
 * is read here was validated by attr.c; cursors are bounded all the same.  See update.h.
 */
#include "bgpd/update.h"

#include "lib/buf.h"

#include <errno.h>

#define SEGMENT_MAX 255

/* The next segment; false at the end. */
static bool
next_segment(struct wire_rd *r, uint8_t *type, struct wire_rd *numbers)
{
	uint8_t count;

	if (!wire_more(r))
		return false;
	*type = wire_u8(r);
	count = wire_u8(r);
	*numbers = wire_sub(r, (size_t)count * 4);
	return !r->bad;
}

unsigned
bgp_as_path_len(struct bgp_span path)
{
	struct wire_rd r = wire_rd_init(path.p, path.len), numbers;
	unsigned len = 0;
	uint8_t type;

	while (next_segment(&r, &type, &numbers)) {
		if (type == BGP_AS_SEQUENCE)
			len += (unsigned)(numbers.left / 4);
		else if (type == BGP_AS_SET)
			len++; /* RFC 4271 9.1.2.2 a: a set counts as one; RFC 5065 5.3: confeds none */
	}
	return len;
}

unsigned
bgp_as_path_count(struct bgp_span path, uint32_t as)
{
	struct wire_rd r = wire_rd_init(path.p, path.len), numbers;
	unsigned n = 0;
	uint8_t type;

	while (next_segment(&r, &type, &numbers))
		while (wire_more(&numbers))
			n += wire_u32(&numbers) == as;
	return n;
}

uint32_t
bgp_as_path_first(struct bgp_span path)
{
	struct wire_rd r = wire_rd_init(path.p, path.len), numbers;
	uint8_t type;

	if (!next_segment(&r, &type, &numbers) || type != BGP_AS_SEQUENCE)
		return 0;
	return wire_u32(&numbers);
}

int
bgp_as_path_prepend(struct bgp_span path, uint32_t as, unsigned n, struct wire_wr *out)
{
	struct wire_rd r = wire_rd_init(path.p, path.len), first = { 0 };
	unsigned old = 0, total, part;
	uint8_t type = 0;

	/* RFC 4271 5.1.2: into the leading sequence while it has room, else in front of it. */
	if (next_segment(&r, &type, &first) && type == BGP_AS_SEQUENCE && n > 0)
		old = (unsigned)(first.left / 4);
	else
		r = wire_rd_init(path.p, path.len);
	total = n + old;
	while (n > 0 && total > 0) {
		/* The first segment takes the odd part, so that all others are full. */
		part = total % SEGMENT_MAX ? total % SEGMENT_MAX : SEGMENT_MAX;
		wire_put_u8(out, BGP_AS_SEQUENCE);
		wire_put_u8(out, (uint8_t)part);
		for (unsigned i = 0; i < part; i++, total--)
			wire_put_u32(out, total > old ? as : wire_u32(&first));
	}
	wire_put_bytes(out, r.p, r.left);
	return out->full ? -ENOSPC : 0;
}

void
bgp_as_path_format(struct bgp_span path, struct buf *b)
{
	static const char *const open[] = { "", "{", "", "(", "[" };
	static const char *const close[] = { "", "}", "", ")", "]" };
	struct wire_rd r = wire_rd_init(path.p, path.len), numbers;
	const size_t start = b->len;
	uint8_t type;

	while (next_segment(&r, &type, &numbers)) {
		const bool set = type == BGP_AS_SET || type == BGP_CONFED_SET;

		if (type > BGP_CONFED_SET)
			return;
		if (b->len > start)
			buf_putc(b, ' ');
		buf_puts(b, open[type]);
		for (bool more = false; wire_more(&numbers); more = true)
			buf_printf(b, "%s%u", more ? set ? "," : " " : "", wire_u32(&numbers));
		buf_puts(b, close[type]);
	}
}
