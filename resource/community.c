/*
 * resource/community.c: communities as text, standard (RFC 1997), extended (RFC 4360, 5668) and
 * large (RFC 8092).
 */
#include "resource/community.h"

#include "lib/addr.h"
#include "lib/buf.h"
#include "lib/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* The registry "BGP Well-known Communities" of IANA, under the names that Cilium gives them. */
static const struct {
	const char *name;
	uint32_t value;
} well_known[] = {
	{ "internet", 0 }, { "graceful-shutdown", 0xffff0000 },	      /* RFC 8326 */
	{ "planned-shut", 0xffff0000 }, { "accept-own", 0xffff0001 }, /* RFC 7611 */
	{ "route-filter-translated-v4", 0xffff0002 }, { "route-filter-v4", 0xffff0003 },
	{ "route-filter-translated-v6", 0xffff0004 }, { "route-filter-v6", 0xffff0005 },
	{ "llgr-stale", 0xffff0006 },					  /* RFC 9494 */
	{ "no-llgr", 0xffff0007 }, { "blackhole", 0xffff029a },		  /* RFC 7999 */
	{ "no-export", 0xffffff01 },					  /* RFC 1997 */
	{ "no-advertise", 0xffffff02 },					  /* RFC 1997 */
	{ "no-export-subconfed", 0xffffff03 }, { "no-peer", 0xffffff04 }, /* RFC 3765 */
};

/* RFC 4360 4, 5 and RFC 5668: sub-types of route target and route origin. */
#define EXT_AS2 0x00u
#define EXT_IPV4 0x01u
#define EXT_AS4 0x02u

/* Cut @text at colons into at most @max parts; how many, or 0 when there are more. */
static unsigned
cut(char *text, char *parts[], unsigned max)
{
	unsigned nr = 0;

	for (char *p = text; p;) {
		char *colon = strchr(p, ':');

		if (nr == max)
			return 0;
		parts[nr++] = p;
		if (colon)
			*colon++ = '\0';
		p = colon;
	}
	return nr;
}

static int
part(const char *text, uint64_t max, uint64_t *v)
{
	return text_u64(text, max, v) < 0 ? -EINVAL : 0;
}

/* Likewise, or "*", which is number @at of those that may be anything. */
static int
wild_part(const char *text, uint64_t max, unsigned at, struct res_community *c, uint64_t *v)
{
	if (strcmp(text, "*") != 0)
		return part(text, max, v);
	c->wild |= (uint8_t)(1u << at);
	*v = 0;
	return 0;
}

static int
parse_extended(const char *type, const char *admin, const char *local, struct res_community *c)
{
	uint64_t sub = strcmp(type, "rt") == 0 ? 0x02 : 0x03, as, nr, form;
	struct addr a;

	if (addr_parse(admin, &a) == 0 && a.family == ADDR_V4) {
		form = EXT_IPV4;
		as = ntohl(addr_v4_be(&a));
	} else if (part(admin, UINT32_MAX, &as) == 0) {
		form = as > UINT16_MAX ? EXT_AS4 : EXT_AS2;
	} else {
		return -EINVAL;
	}
	*c = (struct res_community){ .type = RES_COMM_EXTENDED };
	if (wild_part(local, form == EXT_AS2 ? UINT32_MAX : UINT16_MAX, 1, c, &nr) < 0)
		return -EINVAL;
	c->extended = form << 56 | sub << 48 | (form == EXT_AS2 ? as << 32 | nr : as << 16 | nr);
	return 0;
}

static int
parse_large(char *const parts[3], struct res_community *c)
{
	uint64_t v[3];

	*c = (struct res_community){ .type = RES_COMM_LARGE };
	for (unsigned i = 0; i < 3; i++) {
		if (wild_part(parts[i], UINT32_MAX, i, c, &v[i]) < 0)
			return -EINVAL;
		c->large[i] = (uint32_t)v[i];
	}
	return 0;
}

static int
parse_standard(char *const parts[], unsigned nr, struct res_community *c)
{
	uint64_t high = 0, low;

	*c = (struct res_community){ .type = RES_COMM_STANDARD };
	if (nr == 1) {
		if (part(parts[0], UINT32_MAX, &low) < 0)
			return -EINVAL;
	} else if (wild_part(parts[0], UINT16_MAX, 0, c, &high) < 0 ||
	    wild_part(parts[1], UINT16_MAX, 1, c, &low) < 0) {
		return -EINVAL;
	}
	c->standard = (uint32_t)(high << 16 | low);
	return 0;
}

/* "0x0002fde800000064": all 64 bits of an extended community. */
static int
parse_hex(const char *text, struct res_community *c)
{
	uint64_t v = 0;

	if (strlen(text) != 18)
		return -EINVAL;
	for (const char *p = text + 2; *p; p++) {
		const char *digits = "0123456789abcdef", *d = strchr(digits, *p);

		if (!d)
			return -EINVAL;
		v = v << 4 | (uint64_t)(d - digits);
	}
	*c = (struct res_community){ .type = RES_COMM_EXTENDED, .extended = v };
	return 0;
}

int
res_community_parse(const char *text, struct res_community *c)
{
	int err = res_community_pattern_parse(text, c);

	return err ? err : c->wild ? -EINVAL : 0;
}

int
res_community_pattern_parse(const char *text, struct res_community *c)
{
	char copy[80], *parts[4];
	size_t len = strlen(text);
	unsigned nr;

	for (size_t i = 0; i < sizeof(well_known) / sizeof(well_known[0]); i++)
		if (strcmp(text, well_known[i].name) == 0) {
			*c = (struct res_community){ .standard = well_known[i].value };
			return 0;
		}
	if (strncmp(text, "0x", 2) == 0)
		return parse_hex(text, c);
	if (len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len + 1);
	nr = cut(copy, parts, 4);
	if (nr == 3 && (strcmp(parts[0], "rt") == 0 || strcmp(parts[0], "ro") == 0))
		return parse_extended(parts[0], parts[1], parts[2], c);
	if (nr == 4 && strcmp(parts[0], "large") == 0)
		return parse_large(parts + 1, c);
	if (nr == 3)
		return parse_large(parts, c);
	if (nr == 1 || nr == 2)
		return parse_standard(parts, nr, c);
	return -EINVAL;
}

static void
format_part(const struct res_community *c, unsigned at, unsigned v, struct buf *out)
{
	if (c->wild & 1u << at)
		buf_putc(out, '*');
	else
		buf_printf(out, "%u", v);
}

static void
format_extended(const struct res_community *c, struct buf *out)
{
	uint64_t v = c->extended;
	unsigned form = (unsigned)(v >> 56), sub = (unsigned)(v >> 48 & 0xff), last;
	struct addr a = addr_from_v4(htonl((uint32_t)(v >> 16)));
	char text[ADDR_STRLEN];

	if (form > EXT_AS4 || (sub != 0x02 && sub != 0x03)) {
		buf_printf(out, "0x%016" PRIx64, v);
		return;
	}
	last = (unsigned)(v & (form == EXT_AS2 ? 0xffffffff : 0xffff));
	buf_puts(out, sub == 0x02 ? "rt:" : "ro:");
	if (form == EXT_IPV4)
		buf_printf(out, "%s:", addr_format(&a, text, sizeof(text)));
	else if (form == EXT_AS4)
		buf_printf(out, "%u:", (unsigned)(v >> 16 & 0xffffffff));
	else
		buf_printf(out, "%u:", (unsigned)(v >> 32 & 0xffff));
	format_part(c, 1, last, out);
}

void
community_format(const struct res_community *c, struct buf *out)
{
	switch (c->type) {
	case RES_COMM_EXTENDED:
		format_extended(c, out);
		return;
	case RES_COMM_LARGE:
		for (unsigned i = 0; i < 3; i++) {
			buf_puts(out, i ? ":" : "");
			format_part(c, i, c->large[i], out);
		}
		return;
	case RES_COMM_STANDARD:
		break;
	}
	for (size_t i = 0; i < sizeof(well_known) / sizeof(well_known[0]); i++)
		if (!c->wild && c->standard == well_known[i].value) {
			buf_puts(out, well_known[i].name);
			return;
		}
	format_part(c, 0, c->standard >> 16, out);
	buf_putc(out, ':');
	format_part(c, 1, c->standard & 0xffff, out);
}

bool
community_equal(const struct res_community *a, const struct res_community *b)
{
	return a->type == b->type && a->wild == b->wild && a->standard == b->standard &&
	    a->extended == b->extended && memcmp(a->large, b->large, sizeof(a->large)) == 0;
}
