/*
 * resource/scalar.c: single values: text -> typed and back; see scalar.h.
 */
#include "resource/scalar.h"

#include "resource/arena.h"
#include "resource/bgp_kinds.h"
#include "resource/community.h"
#include "resource/herald_config.h"
#include "resource/kinds.h"
#include "resource/rules.h"

#include "lib/addr.h"
#include "lib/buf.h"
#include "lib/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* What a parser is given. */
struct in {
	const struct field *f;
	const struct node *n;
	struct res_arena *arena;
	char *why;
};

static int __attribute__((format(printf, 2, 3))) no(const struct in *in, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(in->why, SCALAR_WHY, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* ---- strings ---- */

/* Would YAML 1.1 or 1.2, and with it Kubernetes, take this plain word for something else? */
static bool
plain_is_other(const char *t)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on", "off", ".nan",
		".inf", "-.inf", "+.inf", NULL };
	size_t digits;

	for (size_t i = 0; words[i]; i++)
		if (strcasecmp(t, words[i]) == 0)
			return true;
	if (*t == '-' || *t == '+')
		t++;
	if (t[0] == '0' && (t[1] == 'x' || t[1] == 'o' || t[1] == 'b'))
		return t[2] && !t[2 + strspn(t + 2, "0123456789abcdefABCDEF")];
	digits = strspn(t, "0123456789");
	t += digits;
	if (*t == '.') {
		size_t more = strspn(t + 1, "0123456789");

		t += 1 + more;
		digits += more;
	}
	if (!digits)
		return false;
	if (*t == 'e' || *t == 'E') {
		t++;
		if (*t == '-' || *t == '+')
			t++;
		if (!*t)
			return false;
		t += strspn(t, "0123456789");
	}
	return *t == '\0';
}

static int
parse_string(const struct in *in, void *at)
{
	const struct field *f = in->f;
	size_t len = in->n->nr;
	const char *copy;

	if (!in->n->quoted && plain_is_other(in->n->text))
		return no(in, "must be a string: put it in quotes");
	if (memchr(in->n->text, '\0', len))
		return no(in, "must not hold a NUL");
	if (len < f->min || (f->max && len > f->max)) {
		if (f->max)
			return no(
			    in, "must be %" PRIu64 " to %" PRIu64 " bytes long", f->min, f->max);
		return no(in, "must not be empty");
	}
	copy = arena_text(in->arena, in->n->text, len);
	if (!copy)
		return -ENOMEM;
	*(const char **)at = copy;
	return 0;
}

static int
parse_regex(const struct in *in, void *at)
{
	char reason[128];
	regex_t re;
	int err = parse_string(in, at);

	if (err < 0)
		return err;
	/* What such an expression costs to compile grows with its repetitions. */
	if (in->n->nr > 512)
		return no(in, "must be at most 512 bytes long");
	err = regcomp(&re, *(const char **)at, REG_EXTENDED | REG_NOSUB);
	if (err) {
		regerror(err, &re, reason, sizeof(reason));
		return no(in, "must be a POSIX extended regular expression: %s", reason);
	}
	regfree(&re);
	return 0;
}

static bool
format_string(const struct field *f, const void *at, struct buf *out)
{
	const char *s = *(const char *const *)at;

	(void)f;
	if (!s || !*s)
		return false;
	buf_puts(out, s);
	return true;
}

static bool
equal_string(const void *a, const void *b)
{
	const char *sa = *(const char *const *)a, *sb = *(const char *const *)b;

	if (!sa || !sb)
		return sa == sb;
	return strcmp(sa, sb) == 0;
}

/* ---- bools, numbers, words ---- */

static int
parse_bool(const struct in *in, void *at)
{
	static const char *const yes[] = { "true", "yes", "on", NULL };
	static const char *const nay[] = { "false", "no", "off", NULL };

	if (in->n->quoted)
		return no(in, "must be true or false, without quotes");
	for (size_t i = 0; yes[i]; i++) {
		if (strcasecmp(in->n->text, yes[i]) == 0) {
			*(bool *)at = true;
			return 0;
		}
		if (strcasecmp(in->n->text, nay[i]) == 0) {
			*(bool *)at = false;
			return 0;
		}
	}
	return no(in, "must be true or false");
}

static bool
format_bool(const struct field *f, const void *at, struct buf *out)
{
	(void)f;
	buf_puts(out, *(const bool *)at ? "true" : "false");
	return true;
}

/* Digits of @base, all of @t. */
static int
digits(const char *t, unsigned base, uint64_t *v)
{
	*v = 0;
	if (!*t)
		return -EINVAL;
	for (; *t; t++) {
		unsigned d;

		if (*t >= '0' && *t <= '9')
			d = (unsigned)(*t - '0');
		else if ((*t | 32) >= 'a' && (*t | 32) <= 'f')
			d = (unsigned)((*t | 32) - 'a') + 10;
		else
			return -EINVAL;
		if (d >= base)
			return -EINVAL;
		if (__builtin_mul_overflow(*v, base, v) || __builtin_add_overflow(*v, d, v))
			return -ERANGE;
	}
	return 0;
}

/* The numbers of YAML 1.2: decimal, 0x and 0o.  -EDOM: 0123, which 1.1 reads as octal. */
static int
number(const char *t, uint64_t *v)
{
	if (t[0] == '0' && (t[1] == 'x' || t[1] == 'X'))
		return digits(t + 2, 16, v);
	if (t[0] == '0' && t[1] == 'o')
		return digits(t + 2, 8, v);
	if (t[0] == '0' && t[1])
		return t[1 + strspn(t + 1, "0123456789")] ? -EINVAL : -EDOM;
	return digits(t, 10, v);
}

static int
out_of_limits(const struct in *in)
{
	return no(in, "must be %" PRIu64 " to %" PRIu64, in->f->min, in->f->max);
}

static void
store_uint(const struct field *f, void *at, uint64_t v)
{
	switch (f->size) {
	case 1:
		*(uint8_t *)at = (uint8_t)v;
		break;
	case 2:
		*(uint16_t *)at = (uint16_t)v;
		break;
	case 4:
		*(uint32_t *)at = (uint32_t)v;
		break;
	default:
		*(uint64_t *)at = v;
		break;
	}
}

static uint64_t
load_uint(const struct field *f, const void *at)
{
	switch (f->size) {
	case 1:
		return *(const uint8_t *)at;
	case 2:
		return *(const uint16_t *)at;
	case 4:
		return *(const uint32_t *)at;
	default:
		return *(const uint64_t *)at;
	}
}

static int
parse_uint(const struct in *in, void *at)
{
	uint64_t v = 0;
	int err = number(in->n->text, &v);

	if (err == -EDOM)
		return no(in, "must be a decimal number without leading zeros (or 0o for octal)");
	if (in->n->quoted && !err)
		return no(in, "must be a number, without quotes");
	if (err == -EINVAL && in->n->text[0] != '-')
		return no(
		    in, "must be a number from %" PRIu64 " to %" PRIu64, in->f->min, in->f->max);
	if (err < 0 || v < in->f->min || v > in->f->max)
		return out_of_limits(in);
	store_uint(in->f, at, v);
	return 0;
}

static bool
format_uint(const struct field *f, const void *at, struct buf *out)
{
	buf_printf(out, "%" PRIu64, load_uint(f, at));
	return true;
}

static int
parse_int64(const struct in *in, void *at)
{
	bool minus = in->n->text[0] == '-';
	uint64_t v;

	if (in->n->quoted || number(in->n->text + minus, &v) < 0 || v > INT64_MAX)
		return no(in, "must be a number");
	*(int64_t *)at = minus ? -(int64_t)v : (int64_t)v;
	return 0;
}

static bool
format_int64(const struct field *f, const void *at, struct buf *out)
{
	(void)f;
	if (!*(const int64_t *)at)
		return false;
	buf_printf(out, "%" PRId64, *(const int64_t *)at);
	return true;
}

/* "A, B or C" */
static void
list_words(const char *const *words, char *out, size_t size)
{
	size_t nr = 0, seen = 0, used = 0;

	for (size_t i = 0; words[i]; i++)
		nr += *words[i] != '\0';
	out[0] = '\0';
	for (size_t i = 0; words[i] && used < size; i++) {
		if (!*words[i])
			continue;
		used += (size_t)snprintf(out + used, size - used, "%s%s",
		    !seen		? ""
			: seen + 1 < nr ? ", "
					: " or ",
		    words[i]);
		seen++;
	}
}

static int
parse_enum(const struct in *in, void *at)
{
	const char *const *words = in->f->words;
	char all[SCALAR_WHY - 32];

	for (size_t i = 0; words[i]; i++)
		if (*words[i] && strcmp(words[i], in->n->text) == 0) {
			store_uint(in->f, at, i);
			return 0;
		}
	list_words(words, all, sizeof(all));
	return no(in, "must be %s", all);
}

static bool
format_enum(const struct field *f, const void *at, struct buf *out)
{
	const char *word = f->words[load_uint(f, at)];

	buf_puts(out, word);
	return *word != '\0';
}

/* ---- addresses ---- */

static int
parse_addr(const struct in *in, void *at)
{
	if (in->f->min && !in->n->nr) /* may be empty, which is the same as absent */
		return 0;
	if (addr_parse(in->n->text, at) < 0)
		return no(in, "must be an IPv4 or IPv6 address");
	return 0;
}

static bool
format_addr(const struct field *f, const void *at, struct buf *out)
{
	char text[ADDR_STRLEN];

	(void)f;
	if (!addr_is_set(at))
		return false;
	buf_puts(out, addr_format(at, text, sizeof(text)));
	return true;
}

static bool
equal_addr(const void *a, const void *b)
{
	return addr_eq(a, b);
}

/* RFC 4007 11: the zone stands behind "%"; here it is the name of an interface. */
static int
parse_zoned(const struct in *in, void *at)
{
	const char *zone = strchr(in->n->text, '%');
	const size_t len = zone ? (size_t)(zone - in->n->text) : in->n->nr;
	struct res_zoned *v = at;
	char text[ADDR_STRLEN] = "";

	if (len < sizeof(text))
		memcpy(text, in->n->text, len);
	if (addr_parse(text, &v->addr) < 0)
		return no(in, "must be an IPv4 or IPv6 address");
	if (!zone)
		return 0;
	zone++;
	if (v->addr.family != ADDR_V6 || !addr_is_linklocal(&v->addr))
		return no(
		    in, "must have no interface behind it: only a link-local address may have one");
	if (!*zone || strlen(zone) >= sizeof(v->zone) || strpbrk(zone, "/% \t\n"))
		return no(in, "must have the name of an interface behind the %%");
	memcpy(v->zone, zone, strlen(zone) + 1);
	return 0;
}

static bool
format_zoned(const struct field *f, const void *at, struct buf *out)
{
	const struct res_zoned *v = at;

	if (!format_addr(f, &v->addr, out))
		return false;
	if (*v->zone)
		buf_printf(out, "%%%s", v->zone);
	return true;
}

static bool
equal_zoned(const void *a, const void *b)
{
	const struct res_zoned *x = a, *y = b;

	return addr_eq(&x->addr, &y->addr) && strcmp(x->zone, y->zone) == 0;
}

static int
parse_prefix(const struct in *in, void *at)
{
	int err = prefix_parse(in->n->text, at, NULL);

	if (err == -ERANGE)
		return no(in, "must have a length of at most 32 (IPv4) or 128 (IPv6)");
	if (err < 0)
		return no(in, "must be an IPv4 or IPv6 prefix such as 192.0.2.0/24");
	return 0;
}

static bool
format_prefix(const struct field *f, const void *at, struct buf *out)
{
	const struct prefix *p = at;
	char text[PREFIX_STRLEN];

	(void)f;
	if (!addr_is_set(&p->addr))
		return false;
	buf_puts(out, prefix_format(p, text, sizeof(text)));
	return true;
}

static bool
equal_prefix(const void *a, const void *b)
{
	return prefix_eq(a, b);
}

static int
parse_listen(const struct in *in, void *at)
{
	struct res_listen *l = at;

	if (in->f->min && !in->n->nr) { /* may be switched off */
		*l = (struct res_listen){ 0 };
		return 0;
	}
	if (addr_parse_port(in->n->text, &l->addr, &l->port) < 0 || !l->port)
		return no(in, "must be ADDRESS:PORT, such as \"0.0.0.0:179\" or \"[::]:179\"");
	return 0;
}

static bool
format_listen(const struct field *f, const void *at, struct buf *out)
{
	const struct res_listen *l = at;
	char text[ADDR_STRLEN];

	if (!addr_is_set(&l->addr))
		return f->min != 0; /* "": off */
	addr_format(&l->addr, text, sizeof(text));
	buf_printf(out, l->addr.family == ADDR_V6 ? "[%s]:%u" : "%s:%u", text, l->port);
	return true;
}

static bool
equal_listen(const void *a, const void *b)
{
	const struct res_listen *la = a, *lb = b;

	return la->port == lb->port && addr_eq(&la->addr, &lb->addr);
}

static int
parse_router_id(const struct in *in, void *at)
{
	struct addr a;

	/* RFC 6286: any but zero; four octets, written like an address. */
	if (addr_parse(in->n->text, &a) < 0 || a.family != ADDR_V4 || addr_is_unspecified(&a))
		return no(in, "must be in dotted form such as 192.0.2.1, and not 0.0.0.0");
	*(uint32_t *)at = ntohl(addr_v4_be(&a));
	return 0;
}

static bool
format_router_id(const struct field *f, const void *at, struct buf *out)
{
	struct addr a = addr_from_v4(htonl(*(const uint32_t *)at));

	return format_addr(f, &a, out);
}

/* ---- ports, times, BGP ---- */

static int
parse_int_or_string(const struct in *in, void *at)
{
	struct res_int_or_string *v = at;
	uint64_t nr;

	if (!in->n->quoted && number(in->n->text, &nr) != -EINVAL) {
		if (number(in->n->text, &nr) < 0 || nr < 1 || nr > 65535)
			return no(in, "must be a port from 1 to 65535, or the name of one");
		*v = (struct res_int_or_string){ .number = (uint16_t)nr };
		return 0;
	}
	/* RFC 6335 5.1: an IANA service name has at most 15 characters. */
	if (!in->n->nr || in->n->nr > 15 ||
	    in->n->text[strspn(in->n->text, "abcdefghijklmnopqrstuvwxyz0123456789-")])
		return no(in, "must be a port from 1 to 65535, or the name of one");
	v->name = arena_strndup(in->arena, in->n->text, in->n->nr);
	return v->name ? 0 : -ENOMEM;
}

static bool
format_int_or_string(const struct field *f, const void *at, struct buf *out)
{
	const struct res_int_or_string *v = at;

	(void)f;
	if (v->name)
		buf_puts(out, v->name);
	else if (v->number)
		buf_printf(out, "%u", v->number);
	return v->name || v->number;
}

static bool
equal_int_or_string(const void *a, const void *b)
{
	const struct res_int_or_string *va = a, *vb = b;

	return va->number == vb->number && equal_string(&va->name, &vb->name);
}

/* RFC 3339 5.6: "+12:30", its hours at most 23, its minutes at most 59. */
static int
time_offset(const char *text, int64_t *seconds)
{
	unsigned v[4];

	for (size_t i = 0; i < 4; i++) {
		char c = text[1 + i + (i > 1)];

		if (c < '0' || c > '9')
			return -EINVAL;
		v[i] = (unsigned)(c - '0');
		if (i == 1 && text[3] != ':')
			return -EINVAL;
	}
	if (text[6] || v[0] * 10 + v[1] > 23 || v[2] > 5)
		return -EINVAL;
	*seconds = (int64_t)(v[0] * 10 + v[1]) * 3600 + (v[2] * 10 + v[3]) * 60;
	if (text[0] == '-')
		*seconds = -*seconds;
	return 0;
}

/* The years 0 to 9999 in UTC: RFC 3339 has no way to write others. */
#define TIME_FIRST (-62167219200)
#define TIME_LAST 253402300799

int
time_parse(const char *text, int64_t *seconds)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t offset = 0, t;

	if (!rest)
		return -EINVAL;
	if (*rest == '.') { /* fractions, as in micro time */
		size_t nr = strspn(rest + 1, "0123456789");

		if (!nr)
			return -EINVAL;
		rest += 1 + nr;
	}
	if (*rest == '+' || *rest == '-') {
		if (time_offset(rest, &offset) < 0)
			return -EINVAL;
	} else if (strcmp(rest, "Z") != 0) {
		return -EINVAL;
	}
	t = (int64_t)timegm(&tm) - offset;
	if (t < TIME_FIRST || t > TIME_LAST)
		return -EINVAL;
	*seconds = t;
	return 0;
}

static int
parse_time(const struct in *in, void *at)
{
	if (time_parse(in->n->text, at) < 0)
		return no(in, "must be a time such as 2026-01-31T12:00:00Z");
	return 0;
}

static bool
format_time(const struct field *f, const void *at, struct buf *out)
{
	time_t t = (time_t) * (const int64_t *)at;
	struct tm tm;

	(void)f;
	if (!t || !gmtime_r(&t, &tm))
		return false;
	/* Not by strftime(), whose %Y may be shorter than four digits. */
	buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
	    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return true;
}

static int
parse_community(const struct in *in, void *at)
{
	struct res_community *c = at;

	bool named = in->n->text[0] > '9';

	if (res_community_pattern_parse(in->n->text, c) < 0 || !(in->f->max & (1u << c->type)) ||
	    (c->wild && !(in->f->max & (1u << RES_COMM_PATTERN))) || (in->f->min && !named))
		return no(in, "must be %s", in->f->right);
	return 0;
}

static bool
format_community(const struct field *f, const void *at, struct buf *out)
{
	(void)f;
	community_format(at, out);
	return true;
}

static bool
equal_community(const void *a, const void *b)
{
	return community_equal(a, b);
}

static int
parse_next_hop(const struct in *in, void *at)
{
	struct res_rule_set *set = at;

	if (strcmp(in->n->text, "self") == 0) {
		set->next_hop = RES_NEXT_HOP_SELF;
	} else if (strcmp(in->n->text, "keep") == 0 || strcmp(in->n->text, "unchanged") == 0) {
		set->next_hop = RES_NEXT_HOP_KEEP;
	} else {
		if (addr_parse(in->n->text, &set->next_hop_addr) < 0 ||
		    !addr_is_unicast(&set->next_hop_addr))
			return no(in, "must be self, unchanged or an address");
		set->next_hop = RES_NEXT_HOP_ADDR;
	}
	return 0;
}

static bool
format_next_hop(const struct field *f, const void *at, struct buf *out)
{
	const struct res_rule_set *set = at;

	if (set->next_hop == RES_NEXT_HOP_ADDR)
		return format_addr(f, &set->next_hop_addr, out);
	if (set->next_hop == RES_NEXT_HOP_DEFAULT)
		return false;
	buf_puts(out, set->next_hop == RES_NEXT_HOP_SELF ? "self" : "unchanged");
	return true;
}

static bool
equal_next_hop(const void *a, const void *b)
{
	const struct res_rule_set *sa = a, *sb = b;

	return sa->next_hop == sb->next_hop &&
	    (sa->next_hop != RES_NEXT_HOP_ADDR || addr_eq(&sa->next_hop_addr, &sb->next_hop_addr));
}

/* ---- the table ---- */

/* clang-format off */
static const struct {
	int (*parse)(const struct in *, void *at);
	bool (*format)(const struct field *, const void *at, struct buf *);
	bool (*equal)(const void *a, const void *b); /* NULL: byte by byte */
	bool plain;
} ops[T_STRUCT] = {
	[T_STRING]        = { parse_string,        format_string,        equal_string,        false },
	[T_REGEX]         = { parse_regex,         format_string,        equal_string,        false },
	[T_BOOL]          = { parse_bool,          format_bool,          NULL,                true  },
	[T_UINT]          = { parse_uint,          format_uint,          NULL,                true  },
	[T_INT64]         = { parse_int64,         format_int64,         NULL,                true  },
	[T_ENUM]          = { parse_enum,          format_enum,          NULL,                false },
	[T_ADDR]          = { parse_addr,          format_addr,          equal_addr,          false },
	[T_ZONED]         = { parse_zoned,         format_zoned,         equal_zoned,         false },
	[T_PREFIX]        = { parse_prefix,        format_prefix,        equal_prefix,        false },
	[T_LISTEN]        = { parse_listen,        format_listen,        equal_listen,        false },
	[T_INT_OR_STRING] = { parse_int_or_string, format_int_or_string, equal_int_or_string, false },
	[T_TIME]          = { parse_time,          format_time,          NULL,                false },
	[T_ROUTER_ID]     = { parse_router_id,     format_router_id,     NULL,                false },
	[T_COMMUNITY]     = { parse_community,     format_community,     equal_community,     false },
	[T_NEXT_HOP]      = { parse_next_hop,      format_next_hop,      equal_next_hop,      false },
};
/* clang-format on */

int
scalar_parse(
    const struct field *f, const struct node *n, struct res_arena *arena, void *at, char *why)
{
	const struct in in = { f, n, arena, why };
	int err;

	err = ops[f->type].parse(&in, at);
	if (err == -EINVAL && f->right)
		return no(&in, "must be %s", f->right);
	if (!err && f->valid && !f->valid(at))
		return no(&in, "must be %s", f->right);
	return err;
}

bool
scalar_format(const struct field *f, const void *at, struct buf *out, bool *plain)
{
	*plain = ops[f->type].plain;
	if (f->type == T_INT_OR_STRING)
		*plain = !((const struct res_int_or_string *)at)->name;
	return ops[f->type].format(f, at, out);
}

bool
scalar_equal(const struct field *f, const void *a, const void *b)
{
	return ops[f->type].equal ? ops[f->type].equal(a, b) : memcmp(a, b, f->size) == 0;
}
