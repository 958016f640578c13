/*
 * tests/unit/bgpd/stationkit.c: see stationkit.h.
 */
#include "tests/unit/bgpd/stationkit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

void
station_listen(struct station *s, struct kit *k, unsigned views)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000003) };

	s->kit = k;
	s->fd = -1;
	s->nr_got = 0;
	s->conf = (struct bgp_monitor_conf){
		.name = "s", .addr = kit_addr("127.0.0.3"), .port = kit_port(), .views = views
	};
	in.sin_port = htons(s->conf.port);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(s->listener, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(listen(s->listener, 4), 0);
	k->conf.monitors = &s->conf;
	k->conf.nr_monitors = 1;
}

void
station_poll(struct station *s)
{
	ssize_t n;

	loop_turn(s->kit->loop, 1);
	loop_advance(s->kit->loop, 10);
	if (s->fd < 0)
		s->fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK);
	n = s->fd < 0 ? 0 : recv(s->fd, s->got + s->nr_got, sizeof(s->got) - s->nr_got, 0);
	if (n > 0)
		s->nr_got += (size_t)n;
}

/* The next whole message with its common header; false: there is none. */
static bool
next_message(struct wire_rd *in, struct wire_rd *message)
{
	struct wire_rd head = *in;
	size_t len;

	if (in->left < BMP_COMMON_LEN)
		return false;
	ck_assert_int_eq(wire_u8(&head), 3);
	len = wire_u32(&head);
	if (len > in->left)
		return false;
	*message = wire_sub(in, len);
	return true;
}

/* Route Monitoring with nothing but an End-of-RIB; whether there is one hangs on who came first. */
static bool
is_eor(const struct wire_rd *message)
{
	struct wire_rd m = *message;

	(void)wire_take(&m, BMP_COMMON_LEN + BMP_PEER_LEN + 19);
	return wire_u16(&m) == 0 && wire_u16(&m) < 8;
}

unsigned
station_count(const struct station *s, enum bmp_type type, struct wire_rd *last)
{
	struct wire_rd in = wire_rd_init(s->got, s->nr_got), m;
	unsigned nr = 0;

	while (next_message(&in, &m)) {
		if (m.p[BMP_COMMON_LEN - 1] != (uint8_t)type)
			continue;
		if (type == BMP_ROUTE_MONITORING && is_eor(&m))
			continue;
		(void)wire_take(&m, BMP_COMMON_LEN);
		if (last)
			*last = m;
		nr++;
	}
	return nr;
}

void
station_until(struct station *s, enum bmp_type type, unsigned nr)
{
	for (int i = 0; i < 5000 && station_count(s, type, NULL) < nr; i++)
		station_poll(s);
	ck_assert_uint_eq(station_count(s, type, NULL), nr);
}

unsigned
station_routes(const struct station *s, uint8_t flags, uint8_t peer, struct wire_rd *last)
{
	struct wire_rd in = wire_rd_init(s->got, s->nr_got), m;
	unsigned nr = 0;

	while (next_message(&in, &m)) {
		if (m.p[BMP_COMMON_LEN - 1] != BMP_ROUTE_MONITORING || is_eor(&m))
			continue;
		(void)wire_take(&m, BMP_COMMON_LEN);
		if (m.p[1] != flags || m.p[25] != peer)
			continue;
		(void)wire_take(&m, BMP_PEER_LEN);
		if (last)
			*last = m;
		nr++;
	}
	return nr;
}

void
station_until_routes(struct station *s, uint8_t flags, uint8_t peer, unsigned nr)
{
	for (int i = 0; i < 5000 && station_routes(s, flags, peer, NULL) < nr; i++)
		station_poll(s);
	for (int i = 0; i < 20; i++)
		station_poll(s); /* and no more of them */
	ck_assert_uint_eq(station_routes(s, flags, peer, NULL), nr);
}

void
station_hang_up(struct station *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->nr_got = 0;
}

void
station_fini(struct station *s)
{
	station_hang_up(s);
	close(s->listener);
}
