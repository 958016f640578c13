/*
 * lib/wire.h: the only way to read bytes that somebody else wrote, and to write bytes for others.
 * Every decoder (BGP, BFD, ARP, netlink payloads) stands on it; it knows no protocol.
 */
#ifndef HERALD_LIB_WIRE_H
#define HERALD_LIB_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * A bounded cursor over somebody else's bytes.  The first read past the end marks it bad; from
 * then on reads give zero and move nothing, so a decoder reads a whole layout and asks once.
 * Owns nothing; the bytes must outlive it.
 */
struct wire_rd {
	const uint8_t *p;
	size_t left;
	bool bad;
};

static inline struct wire_rd
wire_rd_init(const void *bytes, size_t len)
{
	return (struct wire_rd){ .p = bytes, .left = len };
}

/* The next @n bytes, or NULL (and bad) when they are not all there.  n == 0 gives non-NULL. */
static inline const uint8_t *
wire_take(struct wire_rd *r, size_t n)
{
	const uint8_t *at = r->p;

	if (r->bad || n > r->left) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	r->left -= n;
	return at;
}

static inline uint8_t
wire_u8(struct wire_rd *r)
{
	const uint8_t *b = wire_take(r, 1);

	return b ? b[0] : 0;
}

static inline uint16_t
wire_u16(struct wire_rd *r)
{
	const uint8_t *b = wire_take(r, 2);

	if (!b)
		return 0;
	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t
wire_u32(struct wire_rd *r)
{
	const uint8_t *b = wire_take(r, 4);

	if (!b)
		return 0;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline uint64_t
wire_u64(struct wire_rd *r)
{
	uint64_t hi = wire_u32(r);

	return hi << 32 | wire_u32(r);
}

/* Copy the next @n bytes to @to; @to is zeroed when they are not all there. */
static inline void
wire_copy(struct wire_rd *r, void *to, size_t n)
{
	const uint8_t *at = wire_take(r, n);

	if (at)
		memcpy(to, at, n);
	else
		memset(to, 0, n);
}

/* The next @n bytes as a cursor of their own: a lying inner length stops at its own fence. */
static inline struct wire_rd
wire_sub(struct wire_rd *r, size_t n)
{
	const uint8_t *at = wire_take(r, n);

	if (!at)
		return (struct wire_rd){ .p = r->p, .bad = true };
	return (struct wire_rd){ .p = at, .left = n };
}

/* Is there more to read?  False once bad. */
static inline bool
wire_more(const struct wire_rd *r)
{
	return !r->bad && r->left > 0;
}

/* Was all of it read, and nothing past the end? */
static inline bool
wire_done(const struct wire_rd *r)
{
	return !r->bad && r->left == 0;
}

/*
 * A writer with a fixed end.  The first write that does not fit marks it full and writes nothing
 * more, so that a message is whole or refused, never cut.  Owns nothing.
 */
struct wire_wr {
	uint8_t *start;
	size_t len; /* written so far */
	size_t max;
	bool full;
};

static inline struct wire_wr
wire_wr_init(void *bytes, size_t max)
{
	return (struct wire_wr){ .start = bytes, .max = max };
}

/* Room for @n bytes, to be filled by the caller; NULL (and full) when it does not fit. */
static inline uint8_t *
wire_put(struct wire_wr *w, size_t n)
{
	uint8_t *at = w->start + w->len;

	if (w->full || n > w->max - w->len) {
		w->full = true;
		return NULL;
	}
	w->len += n;
	return at;
}

static inline void
wire_put_u8(struct wire_wr *w, uint8_t v)
{
	uint8_t *b = wire_put(w, 1);

	if (b)
		b[0] = v;
}

static inline void
wire_put_u16(struct wire_wr *w, uint16_t v)
{
	uint8_t *b = wire_put(w, 2);

	if (b) {
		b[0] = (uint8_t)(v >> 8);
		b[1] = (uint8_t)v;
	}
}

static inline void
wire_put_u32(struct wire_wr *w, uint32_t v)
{
	wire_put_u16(w, (uint16_t)(v >> 16));
	wire_put_u16(w, (uint16_t)v);
}

static inline void
wire_put_bytes(struct wire_wr *w, const void *from, size_t n)
{
	uint8_t *b = wire_put(w, n);

	if (b && n)
		memcpy(b, from, n);
}

static inline size_t
wire_room(const struct wire_wr *w)
{
	return w->full ? 0 : w->max - w->len;
}

/* Overwrite an earlier 8 or 16 bit field, a length mostly.  @at is an offset already written. */
static inline void
wire_patch_u8(struct wire_wr *w, size_t at, uint8_t v)
{
	if (!w->full && at < w->len)
		w->start[at] = v;
}

static inline void
wire_patch_u16(struct wire_wr *w, size_t at, uint16_t v)
{
	if (w->full || w->len < 2 || at > w->len - 2)
		return;
	w->start[at] = (uint8_t)(v >> 8);
	w->start[at + 1] = (uint8_t)v;
}

#endif
