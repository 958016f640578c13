/*
 * tests/unit/bgpd/speakerkit.c: see speakerkit.h.  Messages are written here by hand, not by the
 * codec under test.
 */
#include "tests/unit/bgpd/speakerkit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"

#define PATIENCE 2000 /* turns of the loop */

struct addr
kit_addr(const char *text)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

static struct sockaddr_in
sockaddr4(const char *text, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

	ck_assert_int_eq(inet_pton(AF_INET, text, &in.sin_addr), 1);
	return in;
}

uint16_t
kit_port(void)
{
	struct sockaddr_in in = sockaddr4("0.0.0.0", 0);
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	close(fd);
	return ntohs(in.sin_port);
}

/* ---- the speaker ---- */

static void
on_changed(void *arg, const char *instance, const char *peer, enum bgp_state state)
{
	struct kit *k = arg;

	(void)instance;
	(void)peer;
	(void)state;
	k->changed++;
}

static void
on_learned(void *arg, const char *instance, const struct prefix *p, unsigned nr,
    const struct bgp_hop *hops)
{
	struct kit *k = arg;

	(void)instance;
	(void)p;
	(void)nr;
	(void)hops;
	k->learned++;
}

static void
drop_line(void *arg, const char *line)
{
	(void)arg;
	if (getenv("KIT_LOG"))
		fprintf(stderr, "%s\n", line);
}

static const struct bgp_ops kit_ops = { .learned = on_learned, .peer_changed = on_changed };

static struct bgp *
kit_engine(struct kit *k, bool restarted)
{
	struct bgp_ops ops = kit_ops;

	ops.arg = k;
	return bgp_new(k->loop, &ops, restarted);
}

void
kit_restart(struct kit *k)
{
	bgp_stop(k->bgp, true, NULL);
	bgp_free(k->bgp);
	k->bgp = kit_engine(k, true);
}

void
kit_init(struct kit *k, struct loop *loop, const char *addr, uint16_t port, uint32_t as)
{
	memset(k, 0, sizeof(*k));
	log_sink(drop_line, NULL);
	if (getenv("KIT_LOG"))
		log_setup(LOG_LVL_DEBUG, LOG_FMT_LOGFMT);
	k->own_loop = !loop;
	k->loop = loop ? loop : loop_new_fake();
	k->listen.addr = kit_addr(addr);
	k->listen.port = port;
	k->conf.listen = &k->listen;
	k->conf.nr_listen = 1;
	k->conf.instances = &k->instance;
	k->conf.nr_instances = 1;
	k->conf.host_name = "kit";
	k->instance.name = "i";
	k->instance.local_as = as;
	k->instance.router_id = ntohl(addr_v4_be(&k->listen.addr));
	k->instance.peers = k->peers;
	k->bgp = kit_engine(k, false);
}

static const struct bgp_rule accept_all = { .accept = true };

/* Nobody takes a next hop in 127.0.0.0/8. */
static const struct bgp_rule export_ours = {
	.match = { .sources = 1u << BGP_SRC_SERVICE },
	.accept = true,
	.set = { .next_hop = BGP_NH_ADDR,
	    .next_hop_addr = { .b = { 192, 0, 2, 1 }, .family = ADDR_V4 } },
};

struct bgp_peer_conf *
kit_peer(struct kit *k, const char *name, const char *addr, uint16_t port, uint32_t as)
{
	struct bgp_peer_conf *c = &k->peers[k->instance.nr_peers++];

	*c = (struct bgp_peer_conf){
		.name = name,
		.addr = kit_addr(addr),
		.port = port,
		.local_addr = k->listen.addr,
		.peer_as = as,
		.hold_s = 90,
		.keepalive_s = 30,
		.connect_retry_s = 120,
		.gr_time_s = 120,
		.import = { .rules = &accept_all, .nr_rules = 1 },
		.export = { .rules = &export_ours, .nr_rules = 1 },
	};
	c->family[BGP_IPV4_UNICAST].enabled = true;
	c->family[BGP_IPV4_UNICAST].audience = "all";
	return c;
}

void
kit_apply(struct kit *k)
{
	ck_assert_int_eq(bgp_apply(k->bgp, &k->conf), 0);
}

void
kit_fini(struct kit *k)
{
	bgp_free(k->bgp);
	if (k->own_loop)
		loop_free(k->loop);
}

void
kit_originate(struct kit *k, const char *prefix)
{
	struct bgp_announce a = { .source = BGP_SRC_SERVICE, .audience = "all", .policy = "p" };

	ck_assert_int_eq(prefix_parse(prefix, &a.prefix, NULL), 0);
	ck_assert_int_eq(bgp_originate(k->bgp, "i", prefix, &a, 1), 0);
}

static json_t *
kit_show(const struct kit *k, unsigned n, json_t **peer)
{
	json_t *all = bgp_show_peers(k->bgp);

	*peer = json_array_get(json_object_get(all, "peers"), n);
	ck_assert_ptr_nonnull(*peer);
	return all;
}

static const char *
kit_text(const struct kit *k, unsigned n, const char *key)
{
	static char text[512];
	json_t *peer, *all = kit_show(k, n, &peer);

	snprintf(text, sizeof(text), "%s", json_string_value(json_object_get(peer, key)));
	json_decref(all);
	return text;
}

const char *
kit_state(const struct kit *k, unsigned n)
{
	return kit_text(k, n, "state");
}

const char *
kit_error(const struct kit *k, unsigned n)
{
	return kit_text(k, n, "lastError");
}

int64_t
kit_number(const struct kit *k, unsigned n, const char *key)
{
	json_t *peer, *all = kit_show(k, n, &peer);
	int64_t v = json_integer_value(json_object_get(peer, key));

	json_decref(all);
	return v;
}

int64_t
kit_family_number(const struct kit *k, unsigned n, const char *key)
{
	json_t *peer, *all = kit_show(k, n, &peer), *v;
	int64_t number;

	v = json_object_get(json_array_get(json_object_get(peer, "families"), 0), key);
	number = json_is_true(v) ? 1 : json_integer_value(v);
	json_decref(all);
	return number;
}

static void
kit_turn(struct kit *k)
{
	loop_turn(k->loop, 0);
}

void
kit_until(struct kit *k, unsigned n, const char *state)
{
	for (int i = 0; i < PATIENCE && strcmp(kit_state(k, n), state) != 0; i++)
		kit_turn(k);
	ck_assert_str_eq(kit_state(k, n), state);
}

/* ---- the peer by hand ---- */

static void
raw_init(struct raw *r, struct kit *k)
{
	r->kit = k;
	r->fd = r->listener = -1;
	r->nr_in = 0;
	r->closed = r->reset = false;
}

void
raw_listen(struct raw *r, struct kit *k, const char *addr, uint16_t port)
{
	struct sockaddr_in in = sockaddr4(addr, port);
	int one = 1, small = 16384;

	raw_init(r, k);
	r->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(r->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* One that does not read is soon full. */
	setsockopt(r->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	ck_assert_int_eq(bind(r->listener, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(listen(r->listener, 16), 0);
}

bool
raw_try_accept(struct raw *r)
{
	for (int i = 0; i < 20; i++) {
		kit_turn(r->kit);
		r->fd = accept4(r->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (r->fd >= 0)
			break;
	}
	r->nr_in = 0;
	r->closed = r->reset = false;
	return r->fd >= 0;
}

void
raw_accept(struct raw *r)
{
	ck_assert(raw_try_accept(r));
}

void
raw_connect(struct raw *r, struct kit *k, const char *from, const char *to, uint16_t port)
{
	struct sockaddr_in in = sockaddr4(from, 0);

	raw_init(r, k);
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(r->fd, (struct sockaddr *)&in, sizeof(in)), 0);
	in = sockaddr4(to, port);
	ck_assert_int_eq(connect(r->fd, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(fcntl(r->fd, F_SETFL, O_NONBLOCK), 0);
}

void
raw_send(struct raw *r, const void *bytes, size_t len)
{
	int one = 1;

	setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	ck_assert(send(r->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len || r->lax);
}

void
raw_send_type(struct raw *r, uint8_t type, const void *body, size_t len)
{
	uint8_t m[5000];

	memset(m, 0xff, 16);
	m[16] = (uint8_t)((len + 19) >> 8);
	m[17] = (uint8_t)(len + 19);
	m[18] = type;
	if (len)
		memcpy(m + 19, body, len);
	raw_send(r, m, len + 19);
}

static size_t
put32(uint8_t *to, uint32_t v)
{
	v = htonl(v);
	memcpy(to, &v, 4);
	return 4;
}

static size_t
put_family(uint8_t *to, unsigned f, uint8_t last)
{
	to[0] = 0;
	to[1] = (uint8_t)(f + 1);
	to[2] = 1;
	to[3] = last;
	return 4;
}

static size_t
put_caps(uint8_t *b, const struct raw_open *o)
{
	uint8_t *at = b;

	for (unsigned f = 0; f < 2; f++) {
		if (!(o->families & 1u << f))
			continue;
		memcpy(at, (uint8_t[]){ 1, 4, 0, (uint8_t)(f + 1), 0, 1 }, 6);
		at += 6;
	}
	memcpy(at, (uint8_t[]){ 2, 0, 65, 4 }, 4);
	at += 4;
	at += put32(at, o->as);
	if (o->ext_msg) {
		*at++ = 6;
		*at++ = 0;
	}
	for (unsigned i = 0; i < 2; i++) {
		if (!o->role[i])
			continue;
		memcpy(at, (uint8_t[]){ 9, 1, (uint8_t)(o->role[i] - 1) }, 3);
		at += 3;
	}
	if (o->gr) {
		uint8_t *len = at + 1;

		*at++ = 64;
		at++;
		*at++ = (uint8_t)((o->gr_restarting ? 0x80 : 0) | (o->gr_n ? 0x40 : 0) |
		    o->gr_time >> 8);
		*at++ = (uint8_t)o->gr_time;
		for (unsigned f = 0; f < 2; f++) {
			if (o->families & 1u << f)
				at += put_family(at, f, o->gr_no_forwarding ? 0 : 0x80);
		}
		*len = (uint8_t)(at - len - 1);
	}
	if (o->enhanced) {
		*at++ = 70;
		*at++ = 0;
	}
	if (o->llgr) {
		uint8_t *len = at + 1;

		*at++ = 71;
		at++;
		for (unsigned f = 0; f < 2; f++) {
			if (!(o->families & 1u << f))
				continue;
			/* All reserved bits set: they are to be ignored. */
			at += put_family(at, f, o->llgr_no_forwarding ? 0x7f : 0xff);
			*at++ = (uint8_t)(o->llgr_time >> 16);
			*at++ = (uint8_t)(o->llgr_time >> 8);
			*at++ = (uint8_t)o->llgr_time;
		}
		*len = (uint8_t)(at - len - 1);
	}
	return (size_t)(at - b);
}

void
raw_send_open(struct raw *r, const struct raw_open *o)
{
	uint8_t b[256] = { 4 };
	size_t len = 10, caps;

	b[1] = (uint8_t)(o->as > 65535 ? 23456 >> 8 : o->as >> 8);
	b[2] = (uint8_t)(o->as > 65535 ? 23456 & 255 : o->as);
	b[3] = (uint8_t)(o->hold >> 8);
	b[4] = (uint8_t)o->hold;
	put32(b + 5, o->id);
	if (!o->no_caps) {
		caps = put_caps(b + 12, o);
		b[9] = (uint8_t)(caps + 2);
		b[10] = 2;
		b[11] = (uint8_t)caps;
		len = 12 + caps;
	}
	raw_send_type(r, 1, b, len);
}

void
raw_keepalive(struct raw *r)
{
	raw_send_type(r, 4, NULL, 0);
}

void
raw_notify(struct raw *r, uint8_t code, uint8_t subcode, const void *data, size_t len)
{
	uint8_t b[300] = { code, subcode };

	if (len)
		memcpy(b + 2, data, len);
	raw_send_type(r, 3, b, len + 2);
}

void
raw_announce(struct raw *r, const char *prefix, uint32_t as)
{
	uint8_t b[128] = { 0, 0, 0, 20, 0x40, 1, 1, 0, 0x40, 2, 6, 2, 1 };
	struct prefix p;
	size_t bytes;

	ck_assert_int_eq(prefix_parse(prefix, &p, NULL), 0);
	put32(b + 13, as);
	memcpy(b + 17, (uint8_t[]){ 0x40, 3, 4, 192, 0, 2, 77 }, 7);
	b[24] = p.len;
	bytes = (p.len + 7u) / 8;
	memcpy(b + 25, p.addr.b, bytes);
	raw_send_type(r, 2, b, 25 + bytes);
}

void
raw_eor(struct raw *r)
{
	raw_send_type(r, 2, "\0\0\0", 4);
}

void
raw_refresh(struct raw *r, uint8_t subtype)
{
	raw_send_type(r, 5, (uint8_t[]){ 0, 1, subtype, 1 }, 4);
}

static void
raw_read(struct raw *r)
{
	ssize_t n;

	if (r->closed || r->nr_in == sizeof(r->in))
		return;
	n = recv(r->fd, r->in + r->nr_in, sizeof(r->in) - r->nr_in, MSG_DONTWAIT);
	if (n > 0)
		r->nr_in += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		r->closed = true;
	if (n < 0 && errno == ECONNRESET)
		r->reset = true;
}

void
raw_poll(struct raw *r)
{
	kit_turn(r->kit);
	raw_read(r);
}

/* The first message that is whole; its length, or 0. */
static size_t
raw_first(const struct raw *r)
{
	size_t len;

	if (r->nr_in < 19)
		return 0;
	len = (size_t)r->in[16] << 8 | r->in[17];
	return len <= r->nr_in ? len : 0;
}

static void
raw_pop(struct raw *r, size_t len)
{
	memmove(r->in, r->in + len, r->nr_in - len);
	r->nr_in -= len;
}

const uint8_t *
raw_expect(struct raw *r, uint8_t type, size_t *len)
{
	static uint8_t body[65536];

	for (int i = 0; i < PATIENCE; i++) {
		size_t whole;

		raw_read(r);
		while ((whole = raw_first(r))) {
			uint8_t t = r->in[18];

			memcpy(body, r->in + 19, whole - 19);
			if (len)
				*len = whole - 19;
			raw_pop(r, whole);
			if (t == type)
				return body;
			ck_assert_msg(t != 3, "NOTIFICATION %u/%u", body[0], body[1]);
		}
		ck_assert_msg(!r->closed, "closed without message type %u", type);
		kit_turn(r->kit);
	}
	ck_abort_msg("no message of type %u", type);
	return NULL;
}

void
raw_expect_close(struct raw *r)
{
	for (int i = 0; i < PATIENCE && !r->closed; i++) {
		raw_read(r);
		kit_turn(r->kit);
	}
	ck_assert(r->closed);
}

void
raw_expect_note(struct raw *r, uint8_t code, uint8_t subcode)
{
	const uint8_t *b = raw_expect(r, 3, NULL);

	ck_assert_msg(b[0] == code && b[1] == subcode, "NOTIFICATION %u/%u, not %u/%u", b[0], b[1],
	    code, subcode);
	raw_expect_close(r);
	ck_assert(!r->reset);
}

unsigned
raw_count(struct raw *r, uint8_t type)
{
	unsigned nr = 0;
	size_t whole;

	for (int i = 0; i < 50; i++) {
		raw_read(r);
		kit_turn(r->kit);
	}
	while ((whole = raw_first(r))) {
		nr += r->in[18] == type;
		raw_pop(r, whole);
	}
	return nr;
}

void
raw_expect_quiet(struct raw *r)
{
	size_t whole;

	for (int i = 0; i < 50; i++) {
		raw_read(r);
		kit_turn(r->kit);
	}
	while ((whole = raw_first(r))) {
		ck_assert_uint_eq(r->in[18], 4);
		raw_pop(r, whole);
	}
	ck_assert(!r->closed);
}

void
raw_establish(struct raw *r, const struct raw_open *o)
{
	raw_expect(r, 1, NULL);
	raw_send_open(r, o);
	raw_expect(r, 4, NULL);
	raw_keepalive(r);
	kit_until(r->kit, 0, "established");
}

void
raw_close(struct raw *r)
{
	close(r->fd);
	r->fd = -1;
}

void
raw_abort(struct raw *r)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	raw_close(r);
}

void
raw_fini(struct raw *r)
{
	if (r->fd >= 0)
		close(r->fd);
	if (r->listener >= 0)
		close(r->listener);
}

/* ---- a speaker and its peer ---- */

#define DUET_US "127.0.0.1"
#define DUET_THEM "127.0.0.2"

const struct raw_open duet_open = { .as = 65002, .id = 9, .hold = 90, .families = 1 };

struct bgp_peer_conf *
duet_begin(struct duet *d)
{
	d->port = kit_port();
	kit_init(&d->k, NULL, DUET_US, d->port, 65001);
	d->r.fd = d->r.listener = -1;
	return kit_peer(&d->k, "p", DUET_THEM, d->port, 65002);
}

void
duet_dialled(struct duet *d)
{
	raw_listen(&d->r, &d->k, DUET_THEM, d->port);
	kit_apply(&d->k);
	raw_accept(&d->r);
}

void
duet_end(struct duet *d)
{
	raw_fini(&d->r);
	kit_fini(&d->k);
}
