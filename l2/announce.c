/*
 * l2/announce.c: what is told to everybody on a link, or asked there, without being asked.  Stands
 * between item.c and probe.c, whose addresses fall due, and a packet socket.
 */
#include "l2/announce.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/wire.h"

/* A loop that comes late makes up for one millisecond of it and no more: a burst is short. */
#define BURST_MS 2
#define BURST_FRAMES ((unsigned)(BURST_MS * ANNOUNCE_PER_MS))
#define FULL_MS 5 /* the device's queue is full */

struct announcer {
	struct loop *loop;
	struct announce_ops ops;
	void *arg;
	int fd; /* -1: not there */
	struct announce_job *head, **tail;
	size_t waiting;
	struct announce_frame frame[2]; /* of the head, when some of them could not be sent yet */
	size_t nr, at;
	unsigned ifindex;
	uint64_t sent, filled_ms; /* when the allowance was last filled up */
	unsigned allowed;
	struct loop_timer tick;
	struct log_limit limit;
	char error[160];
};

/* ---- bytes ---- */

static void
put_arp(struct announce_frame *f, const struct addr *a, const uint8_t mac[6], uint16_t op,
    const uint8_t *sender, const uint8_t *tha)
{
	static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, none[6] = { 0 };
	struct wire_wr w = wire_wr_init(f->b, sizeof(f->b));

	wire_put_bytes(&w, all, 6);
	wire_put_bytes(&w, mac, 6);
	wire_put_u16(&w, ETHERTYPE_ARP);
	wire_put_u16(&w, 1); /* Ethernet */
	wire_put_u16(&w, ETHERTYPE_IP);
	wire_put_u8(&w, 6);
	wire_put_u8(&w, 4);
	wire_put_u16(&w, op);
	wire_put_bytes(&w, mac, 6);
	wire_put_bytes(&w, sender, 4);
	wire_put_bytes(&w, tha ? tha : none, 6);
	wire_put_bytes(&w, a->b, 4);
	f->len = w.len;
}

void
announce_arp(struct announce_frame *f, const struct addr *a, const uint8_t mac[6], bool reply)
{
	/* RFC 5944 4.6: of a reply the target's is what the entry shall be; of a request it is not used. */
	put_arp(f, a, mac, reply ? 2 : 1, a->b, reply ? mac : NULL);
}

void
announce_arp_probe(struct announce_frame *f, const struct addr *a, const uint8_t mac[6])
{
	static const uint8_t nobody[4] = { 0 };

	put_arp(f, a, mac, 1, nobody, NULL);
}

static uint16_t
sum16(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* An IPv6 header and what begins each message of neighbour discovery. */
static void
put_nd(struct wire_wr *w, const uint8_t *from, const uint8_t *to, const uint8_t mac[6],
    uint16_t len, uint8_t type, uint32_t flags)
{
	const uint8_t group[6] = { 0x33, 0x33, to[12], to[13], to[14], to[15] };

	wire_put_bytes(w, group, 6);
	wire_put_bytes(w, mac, 6);
	wire_put_u16(w, ETHERTYPE_IPV6);
	wire_put_u32(w, 0x60000000); /* version; no class, no flow */
	wire_put_u16(w, len);
	wire_put_u8(w, IPPROTO_ICMPV6);
	wire_put_u8(w, 255);
	wire_put_bytes(w, from, 16);
	wire_put_bytes(w, to, 16);
	wire_put_u8(w, type);
	wire_put_u8(w, 0);
	wire_put_u16(w, 0); /* the checksum, when all is there */
	wire_put_u32(w, flags);
}

/* RFC 4443 2.3: over both addresses, length, next header and the message. */
static void
finish_nd(struct announce_frame *f, struct wire_wr *w)
{
	uint16_t sum = sum16((uint32_t)(w->len - 54) + IPPROTO_ICMPV6, f->b + 22, w->len - 22);

	wire_patch_u16(w, 56, (uint16_t)~sum);
	f->len = w->len;
}

void
announce_na(struct announce_frame *f, const struct addr *a, const uint8_t mac[6], bool router)
{
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
	struct wire_wr w = wire_wr_init(f->b, sizeof(f->b));

	put_nd(&w, a->b, all_nodes, mac, 32, 136, (router ? 0x80000000 : 0) | 0x20000000);
	wire_put_bytes(&w, a->b, 16);
	wire_put_u8(&w, 2); /* target link-layer address, one unit */
	wire_put_u8(&w, 1);
	wire_put_bytes(&w, mac, 6);
	finish_nd(f, &w);
}

void
announce_nd_probe(struct announce_frame *f, const struct addr *a, const uint8_t mac[6])
{
	static const uint8_t nobody[16] = { 0 };
	const uint8_t group[16] = { 0xff, 0x02, [11] = 1, 0xff, a->b[13], a->b[14], a->b[15] };
	struct wire_wr w = wire_wr_init(f->b, sizeof(f->b));

	/* RFC 4861 4.3: without an address of its own it has no link-layer address to give. */
	put_nd(&w, nobody, group, mac, 24, 135, 0);
	wire_put_bytes(&w, a->b, 16);
	finish_nd(f, &w);
}

/* ---- the queue ---- */

static int
socket_send(struct announcer *n, unsigned ifindex, const struct announce_frame *f)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)ifindex };

	if (n->fd < 0) {
		/* Of no protocol: it is given nothing. */
		n->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (n->fd < 0)
			return -errno;
	}
	return sendto(n->fd, f->b, f->len, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

static int
send_one(struct announcer *n, unsigned ifindex, const struct announce_frame *f)
{
	return n->ops.send ? n->ops.send(n->arg, ifindex, f) : socket_send(n, ifindex, f);
}

static void
complain(struct announcer *n, int err)
{
	snprintf(n->error, sizeof(n->error), "cannot announce addresses by a packet socket: %s%s",
	    strerror(-err), err == -EPERM ? "; run Herald with CAP_NET_RAW" : "");
	if (log_allow(&n->limit, loop_now_ms(n->loop), 2, NULL))
		log_warn("l2-not-announced", LOG_ERR(-err));
}

/* A link that is down is told again when it comes up. */
static bool
is_expected(int err)
{
	return err == -ENETDOWN || err == -ENXIO || err == -ENODEV;
}

/* The first of the queue.  False: not now; it stays there, and what is sent of it is not sent again. */
static bool
head_send(struct announcer *n)
{
	struct announce_job *job = n->head;
	int failed = 0;

	if (n->at == n->nr) {
		n->at = 0;
		n->nr = n->ops.frames(n->arg, job, n->frame, &n->ifindex);
	}
	for (; n->at < n->nr; n->at++) {
		int err = send_one(n, n->ifindex, &n->frame[n->at]);

		if (err == -ENOBUFS || err == -EAGAIN)
			return false;
		n->allowed -= n->allowed > 0;
		n->sent += err == 0;
		failed = err < 0 ? err : failed;
		if (err < 0 && !is_expected(err))
			complain(n, err);
		else if (err == 0)
			n->error[0] = '\0';
	}
	announcer_drop(n, job);
	if (n->ops.sent)
		n->ops.sent(n->arg, job, failed);
	return true;
}

static void
tick_due(void *arg)
{
	struct announcer *n = arg;
	uint64_t now = loop_now_ms(n->loop), since = now - n->filled_ms;

	n->filled_ms = now;
	since = since > BURST_MS ? BURST_MS : since;
	n->allowed += (unsigned)since * ANNOUNCE_PER_MS;
	n->allowed = n->allowed > BURST_FRAMES ? BURST_FRAMES : n->allowed;
	while (n->head && n->allowed > 0) {
		if (!head_send(n)) {
			timer_set(&n->tick, FULL_MS);
			return;
		}
	}
	if (n->head)
		timer_set(&n->tick, 1);
}

void
announcer_add(struct announcer *n, struct announce_job *job)
{
	if (job->prev)
		return;
	job->next = NULL;
	job->prev = n->tail;
	*n->tail = job;
	n->tail = &job->next;
	n->waiting++;
	if (!timer_is_running(&n->tick))
		timer_set(&n->tick, 0);
}

void
announcer_drop(struct announcer *n, struct announce_job *job)
{
	if (!job->prev)
		return;
	if (n->head == job)
		n->nr = n->at = 0;
	*job->prev = job->next;
	if (job->next)
		job->next->prev = job->prev;
	else
		n->tail = job->prev;
	job->prev = NULL;
	n->waiting--;
}

struct announcer *
announcer_new(struct loop *loop, const struct announce_ops *ops, void *arg)
{
	struct announcer *n = xnew(struct announcer);

	n->loop = loop;
	n->ops = *ops;
	n->arg = arg;
	n->fd = -1;
	n->tail = &n->head;
	n->allowed = BURST_FRAMES;
	n->filled_ms = loop_now_ms(loop);
	timer_init(&n->tick, loop, tick_due, n);
	return n;
}

void
announcer_free(struct announcer *n)
{
	if (!n)
		return;
	while (n->head)
		announcer_drop(n, n->head);
	timer_stop(&n->tick);
	if (n->fd >= 0)
		close(n->fd);
	free(n);
}

uint64_t
announcer_sent(const struct announcer *n)
{
	return n->sent;
}

size_t
announcer_waiting(const struct announcer *n)
{
	return n->waiting;
}

const char *
announcer_error(const struct announcer *n)
{
	return n->error;
}
