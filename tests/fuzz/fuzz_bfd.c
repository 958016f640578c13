/*
 * tests/fuzz/fuzz_bfd.c: anything as a series of control packets, with time between them, to one session.
 * What decodes means the same after it was encoded and decoded again; and whatever the other end says,
 * the session answers with one packet for each that it got, and keeps its pace.
 */
#include "tests/fuzz/must.h"

#include "bfd/auth.h"
#include "bfd/machine.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
	struct machine m;
	struct auth auth;
	uint64_t now;
};

static void
drain(struct fuzz *f, unsigned most)
{
	struct packet p, again;
	uint8_t bytes[PACKET_MAX];
	unsigned nr = 0;
	size_t len;

	while (machine_take(&f->m, &p, f->now)) {
		must(++nr <= most);
		must(!(p.poll && p.final));
		must(p.my == f->m.id && p.state == f->m.state && p.multiplier > 0);
		must(p.state == BFD_UP || p.min_tx >= MACHINE_SLOW_US);
		auth_fill(&f->auth, &p);
		len = packet_write(&p, bytes);
		must(auth_sign(&f->auth, bytes, len));
		must(p.state != BFD_INIT || p.your != 0);
		if (p.state == BFD_UP || p.state == BFD_INIT || p.your != 0 || p.state == BFD_DOWN)
			must(packet_read(&again, bytes, len) == DROP_NONE);
	}
	/* Nothing that is due is left: the thread would turn for ever. */
	must(machine_next(&f->m) > f->now);
}

static void
try_packet(struct fuzz *f, const uint8_t *bytes, size_t len)
{
	uint8_t out[PACKET_MAX];
	struct packet p, again;

	if (packet_read(&p, bytes, len) != DROP_NONE)
		return;
	must(p.multiplier > 0 && p.my != 0 && p.state <= BFD_UP);
	if (!p.auth || p.auth_type) {
		must(packet_read(&again, out, packet_write(&p, out)) == DROP_NONE);
		must(memcmp(&p, &again, sizeof(p)) == 0);
	}
	if (auth_check(&f->auth, &p, bytes, f->m.state == BFD_UP) != DROP_NONE)
		return;
	must(!p.auth || len >= PACKET_MAX);
	machine_receive(&f->m, &p, f->now);
	machine_tick(&f->m, f->now);
	/* an answer to a poll, what is due, and the news that an answer did not carry */
	drain(f, 2);
	must(f->m.diag <= DIAG_ADMIN_DOWN);
}

/* Records: a byte that says what comes, and how much of it. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { .now = 1000000 };
	struct machine_conf conf = { .tx_us = 50000, .rx_us = 50000, .multiplier = 3 };

	auth_init(&f.auth, (const uint8_t *)"k", size && data[0] & 1 ? 1 : 0, 1, 0);
	machine_init(&f.m, &conf, 1, 1, f.now);
	drain(&f, 1);
	for (size_t at = 1; at + 1 < size;) {
		uint8_t what = data[at] >> 6, len = data[at] & 0x3f;

		at++;
		if (len > size - at)
			len = (uint8_t)(size - at);
		switch (what) {
		case 0: /* time: up to the next deadline, and its work */
			f.now = len & 1 ? machine_next(&f.m) : f.now + 1u * len * 10000;
			if (f.now > UINT64_MAX / 2)
				return 0; /* it waits for ever */
			machine_tick(&f.m, f.now);
			drain(&f, 2);
			len = 0;
			break;
		case 1: /* another configuration */
			conf.tx_us = 1000u * (1 + len);
			conf.rx_us = 1000u * (64 - len);
			conf.multiplier = (uint8_t)(1 + len % 5);
			machine_set(&f.m, &conf, f.now);
			machine_tick(&f.m, f.now);
			drain(&f, 2);
			len = 0;
			break;
		default:
			try_packet(&f, data + at, len);
			break;
		}
		at += len;
	}
	return 0;
}
