/*
 * bgpd/show_peer.c: what `bgp peers` says of one peer beyond its table row: timers, last words both ways, how
 * it is protected, and, while it is not established, what it waits for.  Reads only.
 */
#include "bgpd/show_peer.h"

#include <stdio.h>

static void
put(json_t *o, const char *key, json_t *value)
{
	(void)json_object_set_new(o, key, value);
}

static json_t *
number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static void
put_timer(json_t *o, const char *key, const struct loop_timer *t)
{
	if (timer_is_running(t))
		put(o, key, number((timer_left_ms(t) + 999) / 1000));
}

static json_t *
timers_json(const struct peer *p, const struct session *s)
{
	json_t *o = json_object();

	put_timer(o, "holdLeftSeconds", &s->hold);
	put_timer(o, "keepaliveLeftSeconds", &s->keepalive);
	put_timer(o, "sendHoldLeftSeconds", &s->send_hold);
	put_timer(o, "connectRetryLeftSeconds", &s->connect_retry);
	put_timer(o, "idleLeftSeconds", &s->idle_hold);
	put_timer(o, "staleLeftSeconds", &p->stale);
	return o;
}

static void
put_note(json_t *o, const char *key, const struct peer *p, const struct peer_note *n)
{
	json_t *note;

	if (!n->text)
		return;
	note = json_object();
	put(note, "code", number(n->code));
	put(note, "subcode", number(n->subcode));
	put(note, "hardReset", json_boolean(n->hard));
	put(note, "text", json_string(n->text));
	put(note, "ageSeconds", number((loop_now_ms(p->instance->bgp->loop) - n->at_ms) / 1000));
	put(o, key, note);
}

static json_t *
transport_json(const struct peer *p)
{
	const struct transport t = peer_transport(p);
	json_t *o = json_object();

	put(o, "passive", json_boolean(p->conf->passive));
	put(o, "port", number(t.port));
	put(o, "md5", json_boolean(t.md5_key != NULL));
	put(o, "tcpAO", json_boolean(t.ao_keys != NULL));
	put(o, "ttl", number(t.ttl));
	if (t.min_ttl)
		put(o, "leastTTL", number(t.min_ttl));
	return o;
}

/* "in 4 s" or "soon". */
static const char *
when(const struct loop_timer *t, char *text, size_t size)
{
	if (timer_left_ms(t) >= 1000)
		snprintf(text, size, "in %u s", (unsigned)((timer_left_ms(t) + 999) / 1000));
	else
		snprintf(text, size, "soon");
	return text;
}

/* What it waits for, in words; NULL: it is established. */
static json_t *
waits_json(const struct peer *p, const struct session *s)
{
	const char *held = peer_held_down(p);
	const char *sep = *p->last.text ? "; the last attempt: " : "", *last = p->last.text;
	char text[32];

	switch (s->state) {
	case BGP_IDLE:
		if (held)
			return json_string(held);
		return json_sprintf(
		    "tries again %s%s%s", when(&s->idle_hold, text, sizeof(text)), sep, last);
	case BGP_CONNECT:
		return json_sprintf("connecting to %s port %u, nothing came back yet%s%s",
		    addr_str(&p->conf->addr), peer_transport(p).port, sep, last);
	case BGP_ACTIVE:
		if (p->conf->passive)
			return json_sprintf("waits to be dialled (passive: true)%s%s", sep, last);
		return json_sprintf("dials again %s, or is dialled before%s%s",
		    when(&s->connect_retry, text, sizeof(text)), sep, last);
	case BGP_OPENSENT:
		return json_sprintf(
		    "connected, our OPEN is sent; the peer has not sent its own%s%s", sep, last);
	case BGP_OPENCONFIRM:
		return json_sprintf(
		    "both OPENs are sent; the peer's KEEPALIVE has not come%s%s", sep, last);
	case BGP_ESTABLISHED:
	case BGP_NR_STATES:
		break;
	}
	return NULL;
}

void
show_peer_details(json_t *o, const struct peer *p, const struct session *s)
{
	json_t *waits = waits_json(p, s);

	if (waits)
		put(o, "waitsFor", waits);
	put(o, "timers", timers_json(p, s));
	put(o, "transport", transport_json(p));
	put_note(o, "lastNotificationSent", p, &p->notes[0]);
	put_note(o, "lastNotificationReceived", p, &p->notes[1]);
	if (p->last_ms)
		put(o, "lastErrorSeconds",
		    number((loop_now_ms(p->instance->bgp->loop) - p->last_ms) / 1000));
}
