/*
 * l2/announce.c: what is told to everybody on a link without being asked.  Stands between l2.c,
 * whose addresses fall due, and a packet socket.
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

#define TICK_MS 5
#define TICK_FRAMES ((unsigned)(TICK_MS * ANNOUNCE_PER_MS))
#define FULL_MS 20 /* the device's queue is full */

struct announcer {
	struct loop *loop;
	struct announce_ops ops;
	void *arg;
	int fd; /* -1: not there */
	struct announce_job *head, **tail;
	size_t waiting;
	uint64_t sent, filled_ms; /* when the allowance was last filled up */
	unsigned allowed;
	struct loop_timer tick;
	struct log_limit limit;
	char error[160];
};

/* ---- bytes ---- */

void
announce_arp(struct announce_frame *f, const struct addr *a, const uint8_t mac[6], bool reply)
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
	wire_put_u16(&w, reply ? 2 : 1);
	wire_put_bytes(&w, mac, 6);
	wire_put_bytes(&w, a->b, 4);
	/* RFC 5944 4.6: of a reply it is what the entry shall be; of a request it is not used. */
	wire_put_bytes(&w, reply ? mac : none, 6);
	wire_put_bytes(&w, a->b, 4);
	f->len = w.len;
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

void
announce_na(struct announce_frame *f, const struct addr *a, const uint8_t mac[6], bool router)
{
	static const uint8_t group[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
	struct wire_wr w = wire_wr_init(f->b, sizeof(f->b));
	uint16_t sum;

	wire_put_bytes(&w, group, 6);
	wire_put_bytes(&w, mac, 6);
	wire_put_u16(&w, ETHERTYPE_IPV6);
	wire_put_u32(&w, 0x60000000); /* version; no class, no flow */
	wire_put_u16(&w, 32);
	wire_put_u8(&w, IPPROTO_ICMPV6);
	wire_put_u8(&w, 255);
	wire_put_bytes(&w, a->b, 16);
	wire_put_bytes(&w, all_nodes, 16);
	wire_put_u8(&w, 136);
	wire_put_u8(&w, 0);
	wire_put_u16(&w, 0); /* the checksum, below */
	wire_put_u32(&w, (router ? 0x80000000 : 0) | 0x20000000);
	wire_put_bytes(&w, a->b, 16);
	wire_put_u8(&w, 2); /* target link-layer address, one unit */
	wire_put_u8(&w, 1);
	wire_put_bytes(&w, mac, 6);
	/* RFC 4443 2.3: over both addresses, length, next header and the message. */
	sum = sum16(32 + IPPROTO_ICMPV6, f->b + 22, w.len - 22);
	wire_patch_u16(&w, 56, (uint16_t)~sum);
	f->len = w.len;
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

/* False: not now; it stays the first of the queue. */
static bool
job_send(struct announcer *n, struct announce_job *job)
{
	struct announce_frame frames[2];
	unsigned ifindex = 0;
	size_t nr;

	announcer_drop(n, job);
	nr = n->ops.frames(n->arg, job, frames, &ifindex);
	for (size_t i = 0; i < nr; i++) {
		int err = send_one(n, ifindex, &frames[i]);

		if (err == -ENOBUFS || err == -EAGAIN) {
			announcer_add(n, job);
			return false;
		}
		n->allowed -= n->allowed > 0;
		/* A link that is down is told again when it comes up. */
		if (err < 0 && err != -ENETDOWN && err != -ENXIO && err != -ENODEV) {
			complain(n, err);
			continue;
		}
		n->sent += err == 0;
		if (err == 0)
			n->error[0] = '\0';
	}
	return true;
}

static void
tick_due(void *arg)
{
	struct announcer *n = arg;
	uint64_t now = loop_now_ms(n->loop), since = now - n->filled_ms;

	n->filled_ms = now;
	since = since > TICK_MS ? TICK_MS : since;
	n->allowed += (unsigned)since * ANNOUNCE_PER_MS;
	n->allowed = n->allowed > TICK_FRAMES ? TICK_FRAMES : n->allowed;
	while (n->head && n->allowed > 0) {
		if (!job_send(n, n->head)) {
			timer_set(&n->tick, FULL_MS);
			return;
		}
	}
	if (n->head)
		timer_set(&n->tick, TICK_MS);
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
	n->allowed = TICK_FRAMES;
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
