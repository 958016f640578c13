/*
 * bgpd/malformed.c: what a broken UPDATE was, told to whoever has to find out where it comes from: the
 * peer that sent it need not be who broke it.
 * RFC 7606 8: the log has the routes and the entire message.  A line takes no more than a part of it.
 */
#include "bgpd/adj.h"

#include <string.h>

#include "bgpd/msg.h"
#include "bgpd/rib.h"
#include "lib/log.h"

#define OCTETS_A_LINE 1400
#define PREFIXES_SHOWN 16

/* The first of @n's prefixes, behind what is in @text already. */
static void
put_prefixes(struct wire_wr *text, struct bgp_nlri n)
{
	char one[PREFIX_STRLEN + 2];
	struct prefix p;

	if (!n.present)
		return;
	for (unsigned i = 0; bgp_nlri_next(&n, &p); i++) {
		if (text->len)
			wire_put_u8(text, ' ');
		if (i == PREFIXES_SHOWN) {
			wire_put_bytes(text, "...", 3);
			return;
		}
		prefix_format(&p, one, sizeof(one));
		wire_put_bytes(text, one, strlen(one));
	}
}

/* Everything behind the header, in as many lines as it takes. */
static void
log_octets(const struct adj *adj, struct wire_rd body)
{
	static const char digits[] = "0123456789abcdef";
	char hex[2 * OCTETS_A_LINE + 1];
	unsigned from = 0, n;
	uint8_t b;

	while (wire_more(&body)) {
		for (n = 0; n < OCTETS_A_LINE && wire_more(&body); n++) {
			b = wire_u8(&body);
			hex[2 * n] = digits[b >> 4];
			hex[2 * n + 1] = digits[b & 15];
		}
		hex[2 * n] = '\0';
		log_warn("update-octets", LOG_S("instance", adj->rib->instance),
		    LOG_S("peer", adj->name), LOG_U("from", from), LOG_S("octets", hex));
		from += n;
	}
}

void
adj_log_malformed(struct adj *adj, const struct bgp_update *u, struct wire_rd body)
{
	static const char *const actions[] = {
		[BGP_V_ATTR_DISCARD] = "discard",
		[BGP_V_WITHDRAW] = "treat-as-withdraw",
		[BGP_V_RESET] = "reset",
	};
	uint8_t text[(2 * PREFIXES_SHOWN + 2) * (PREFIX_STRLEN + 2) + 1];
	struct wire_wr w = wire_wr_init(text, sizeof(text));
	unsigned kept_back;

	if (!log_allow(&adj->noise, loop_now_ms(adj->rib->loop), 10, &kept_back))
		return;
	if (u->verdict != BGP_V_RESET) { /* else there is nothing that could be read for sure */
		put_prefixes(&w, u->nlri);
		put_prefixes(&w, u->reach);
	}
	wire_put_u8(&w, '\0');
	log_warn("update-malformed", LOG_S("instance", adj->rib->instance),
	    LOG_S("peer", adj->name), LOG_U("attribute", u->bad_attr),
	    LOG_S("action", actions[u->verdict]),
	    LOG_S("why", u->fault.why ? u->fault.why : "malformed"),
	    LOG_S("prefixes", (const char *)text), LOG_U("octets", body.left),
	    LOG_U("suppressed", kept_back));
	log_octets(adj, body);
}
