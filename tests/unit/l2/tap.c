/*
 * tests/unit/l2/tap.c: the far end of the bed's veth pair, frame by frame; beside test_engine.c.
 */
#include "tests/unit/l2/tap.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <unistd.h>

static int tap = -1; /* all frames that come in by vb, and those that we send by it */

void
tap_open(void)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)vb
	};
	int size = 8 << 20;

	tap = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(tap, 0);
	ck_assert_int_eq(setsockopt(tap, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)), 0);
	ck_assert_int_eq(bind(tap, (struct sockaddr *)&at, sizeof(at)), 0);
}

void
tap_send(const struct frame *f)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)vb };

	ck_assert_int_eq(
	    sendto(tap, f->b, f->len, 0, (struct sockaddr *)&to, sizeof(to)), (ssize_t)f->len);
}

bool
tap_get(struct frame *f)
{
	struct sockaddr_ll from;
	socklen_t len = sizeof(from);
	ssize_t got;

	do {
		got = recvfrom(tap, f->b, sizeof(f->b), 0, (struct sockaddr *)&from, &len);
		if (got < 0)
			return false;
	} while (from.sll_pkttype == PACKET_OUTGOING);
	f->len = (size_t)got;
	return true;
}

unsigned
tap_count(const struct frame *like)
{
	struct frame f;
	unsigned n = 0;

	while (tap_get(&f))
		n += frame_is(&f, like);
	return n;
}

void
tap_close(void)
{
	close(tap);
	tap = -1;
}
