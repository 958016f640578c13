/*
 * cluster/cluster.c: the shell of cluster.h around the core: the UDP socket, keys, words.
 *
 * One socket, bound to this node's own address as a member, so that what it sends comes from where the
 * others look for it.  Without a key, what vouches for a datagram is its source address and its TTL
 * (as RFC 5082 has it): who sends from more than five hops away is not heard.
 */
#include "cluster/cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cluster/parts.h"
#include "cluster/seal.h"
#include "lib/log.h"
#include "lib/mem.h"

#define TTL_SENT 255
#define TTL_LEAST 250
#define BATCH 32
#define BATCHES 8 /* in a turn of the loop */
#define RETRY_MS 1000
#define BUFFER (4 << 20)
#define CLASS 0xc0 /* CS6, RFC 4594 3.1: as routing protocols */

struct cluster {
	struct core *core;
	struct loop *loop;
	struct loop_fd *watch;
	struct loop_timer retry;
	int fd; /* -1: none */
	struct addr local;
	uint16_t port;
	uint8_t key[CLUSTER_KEY_MAX];
	size_t key_len;
	char error[256];
};

const char *
cluster_life_name(enum cluster_life life)
{
	static const char *const names[CLUSTER_NR_LIVES] = {
		[CLUSTER_UNHEARD] = "unheard",
		[CLUSTER_ALIVE] = "alive",
		[CLUSTER_STOPPING] = "stopping",
		[CLUSTER_LOST] = "lost",
		[CLUSTER_LAPSED] = "lapsed",
		[CLUSTER_GONE] = "gone",
	};

	return life < CLUSTER_NR_LIVES ? names[life] : "unknown";
}

const char *
cluster_life_sentence(enum cluster_life life)
{
	static const char *const sentences[CLUSTER_NR_LIVES] = {
		[CLUSTER_UNHEARD] = "Nothing was heard of the node since this daemon started.",
		[CLUSTER_ALIVE] = "The node lives.",
		[CLUSTER_STOPPING] = "The node is drained or about to stop: it takes nothing more.",
		[CLUSTER_LOST] = "Most of the nodes that watch it say that it is lost.",
		[CLUSTER_LAPSED] = "Its lease ran out, and nothing is heard of it.",
		[CLUSTER_GONE] = "The node said goodbye.",
	};

	return life < CLUSTER_NR_LIVES ? sentences[life] : "";
}

const char *
cluster_step_sentence(enum cluster_step step)
{
	static const char *const sentences[] = {
		[CLUSTER_NOT_OURS] = "Another node is chosen.",
		[CLUSTER_HELD] = "This node holds the address.",
		[CLUSTER_ASKING] = "The node that holds the address is asked for it.",
		[CLUSTER_PROBING] = "The link is probed: is the address in use?",
		[CLUSTER_IN_USE] = "Somebody on the link answers for the address; it is probed "
				   "again soon.",
		[CLUSTER_GIVING] = "This node holds the address until the chosen one asks for it.",
		[CLUSTER_WAITING] = "This node takes nothing now: it has just begun, is drained, "
				    "or is cut off from the others.",
	};

	return (size_t)step < sizeof(sentences) / sizeof(sentences[0]) ? sentences[step] : "";
}

/* ---- the socket ---- */

static void
send_to(void *arg, const struct addr *to, const void *bytes, size_t len)
{
	struct cluster *c = arg;
	struct sockaddr_storage ss;
	socklen_t ss_len = addr_to_sockaddr(to, c->port, &ss);
	uint8_t room[MESSAGE_MAX];

	if (c->fd < 0 || len + SEAL_LEN > sizeof(room))
		return;
	memcpy(room, bytes, len);
	if (c->key_len) {
		if (!seal_put(room, len, c->key, c->key_len))
			return;
		len += SEAL_LEN;
	}
	/* What is lost is said again; a full buffer and a missing route are no more than that. */
	(void)sendto(c->fd, room, len, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&ss, ss_len);
}

static int
ttl_of(struct msghdr *m)
{
	struct cmsghdr *h;
	int ttl = -1;

	for (h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		bool v4 = h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_TTL;
		bool v6 = h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_HOPLIMIT;

		if ((v4 || v6) && h->cmsg_len >= CMSG_LEN(sizeof(ttl)))
			memcpy(&ttl, CMSG_DATA(h), sizeof(ttl));
	}
	return ttl;
}

static void
take_in(struct cluster *c, struct msghdr *m, const uint8_t *bytes, size_t len)
{
	struct addr from;
	uint16_t port;

	if (addr_from_sockaddr(m->msg_name, &from, &port) < 0)
		return;
	if ((m->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || port != c->port ||
	    (c->key_len && !seal_take(bytes, &len, c->key, c->key_len)) ||
	    (!c->key_len && ttl_of(m) < TTL_LEAST)) {
		core_refused(c->core, &from);
		return;
	}
	(void)core_receive(c->core, &from, bytes, len);
}

static bool
read_batch(struct cluster *c)
{
	static const size_t room = MESSAGE_MAX;
	uint8_t bytes[BATCH][MESSAGE_MAX];
	char control[BATCH][64] __attribute__((aligned(8)));
	struct sockaddr_storage from[BATCH];
	struct mmsghdr list[BATCH];
	struct iovec iov[BATCH];
	int n;

	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ bytes[i], room };
		list[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &from[i],
						.msg_namelen = sizeof(from[i]),
						.msg_iov = &iov[i],
						.msg_iovlen = 1,
						.msg_control = control[i],
						.msg_controllen = sizeof(control[i]) } };
	}
	n = recvmmsg(c->fd, list, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		take_in(c, &list[i].msg_hdr, bytes[i], list[i].msg_len);
	return n == BATCH;
}

static void
readable(void *arg, int fd, unsigned what)
{
	struct cluster *c = arg;

	(void)fd;
	(void)what;
	for (int i = 0; i < BATCHES && c->fd >= 0; i++)
		if (!read_batch(c))
			return;
}

static int
set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* TTL, and that of what comes in; an address that the node does not have yet will do. */
static int
set_options(int fd, enum addr_family family)
{
	bool v4 = family == ADDR_V4;
	int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
	int err = set_int(fd, level, v4 ? IP_TTL : IPV6_UNICAST_HOPS, TTL_SENT);

	if (!err)
		err = set_int(fd, level, v4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT, 1);
	if (!err)
		err = set_int(fd, level, v4 ? IP_FREEBIND : IPV6_FREEBIND, 1);
	if (!err && !v4)
		err = set_int(fd, level, IPV6_V6ONLY, 1);
	/* Of these two none is needed. */
	(void)set_int(fd, level, v4 ? IP_TOS : IPV6_TCLASS, CLASS);
	if (set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER) < 0)
		(void)set_int(fd, SOL_SOCKET, SO_RCVBUF, BUFFER);
	return err;
}

static int
socket_open(const struct addr *local, uint16_t port, int *fd)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(local, port, &ss);
	int s = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;

	if (s < 0)
		return -errno;
	err = set_options(s, (enum addr_family)local->family);
	if (!err && bind(s, (struct sockaddr *)&ss, len) < 0)
		err = -errno;
	if (err) {
		close(s);
		return err;
	}
	*fd = s;
	return 0;
}

static void
socket_close(struct cluster *c)
{
	timer_stop(&c->retry);
	loop_fd_free(c->watch);
	c->watch = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void
socket_try(void *arg)
{
	struct cluster *c = arg;
	int err = socket_open(&c->local, c->port, &c->fd);

	if (!err) {
		c->watch = loop_fd_new(c->loop, c->fd, LOOP_READ, readable, c);
		err = c->watch ? 0 : -ENOMEM;
	}
	if (!err) {
		c->error[0] = '\0';
		hello_start(c->core);
		return;
	}
	socket_close(c);
	if (!c->error[0])
		log_error("cluster-socket", LOG_S("addr", addr_str(&c->local)),
		    LOG_U("port", c->port), LOG_ERR(err));
	snprintf(c->error, sizeof(c->error),
	    "cannot listen for the other nodes on %s, UDP port %u: %s; free the port or set "
	    "another one",
	    addr_str(&c->local), c->port, strerror(-err));
	timer_set(&c->retry, RETRY_MS);
}

/* ---- life ---- */

struct cluster *
cluster_new(struct loop *loop, const struct cluster_ops *ops, void *arg, int *err)
{
	struct cluster *c = xnew(struct cluster);
	const struct core_ops core_ops = { .send = send_to, .up = *ops };

	*err = 0;
	c->loop = loop;
	c->fd = -1;
	c->core = core_new(loop, &core_ops, c, arg);
	timer_init(&c->retry, loop, socket_try, c);
	return c;
}

void
cluster_free(struct cluster *c)
{
	if (!c)
		return;
	socket_close(c);
	core_free(c->core);
	mem_wipe(c->key, sizeof(c->key));
	free(c);
}

const char *
cluster_error(const struct cluster *c)
{
	return c->error;
}

int
cluster_set(struct cluster *c, const struct cluster_conf *conf)
{
	uint16_t port = conf->port ? conf->port : CLUSTER_PORT;
	int err = core_set(c->core, conf);
	struct addr local;

	if (err < 0)
		return err;
	local = c->core->silent ? (struct addr){ 0 } : c->core->self->addr;
	mem_wipe(c->key, sizeof(c->key));
	memcpy(c->key, conf->key, conf->key_len);
	c->key_len = conf->key_len;
	if (addr_eq(&local, &c->local) && port == c->port)
		return 0;
	socket_close(c);
	c->local = local;
	c->port = port;
	c->error[0] = '\0';
	if (addr_is_set(&local))
		socket_try(c);
	return 0;
}

/* ---- the rest is the core's ---- */

void
cluster_watched(struct cluster *c, const char *name, bool up)
{
	struct member *m = core_member(c->core, name);

	if (m && !m->self)
		life_watched(c->core, m, up);
}

void
cluster_leased(struct cluster *c, const char *name, enum cluster_lease lease)
{
	struct member *m = core_member(c->core, name);

	if (!m || m->lease == lease)
		return;
	m->lease = lease;
	c->core->review = true;
	core_post(c->core);
}

void
cluster_api(struct cluster *c, bool answers)
{
	core_api(c->core, answers);
}

void
cluster_probed(struct cluster *c, const struct addr *addr, bool known, bool in_use)
{
	hold_probed(c->core, addr, known, in_use);
}

int
cluster_note(struct cluster *c, const void *bytes, size_t len)
{
	return core_note(c->core, bytes, len);
}

int
cluster_adopt(struct cluster *c, const struct addr *addrs, size_t nr)
{
	return hold_adopt(c->core, addrs, nr);
}

int
cluster_want(struct cluster *c, const struct cluster_want *want, size_t nr)
{
	return hold_want(c->core, want, nr);
}

void
cluster_drain(struct cluster *c, bool drained)
{
	core_drain(c->core, drained);
}

void
cluster_leave(struct cluster *c, unsigned timeout_ms, void (*done)(void *arg), void *arg)
{
	core_leave(c->core, timeout_ms, done, arg);
}

bool
cluster_holds(const struct cluster *c, const struct addr *addr)
{
	const struct entry *e = entry_find(c->core, addr);

	return e && e->held;
}

size_t
cluster_nr_held(const struct cluster *c)
{
	return c->core->nr_held;
}

const char *
cluster_holder(const struct cluster *c, const struct addr *addr)
{
	const struct entry *e = entry_find(c->core, addr);
	const struct member *m = e ? entry_holder(c->core, e, true) : NULL;

	return m ? m->name : NULL;
}

enum cluster_life
cluster_life(const struct cluster *c, const char *name)
{
	const struct member *m = core_member(c->core, name);

	return m ? m->life : CLUSTER_UNHEARD;
}

const void *
cluster_notes(const struct cluster *c, const char *name, size_t *len)
{
	const struct member *m = core_member(c->core, name);

	*len = m && m->notes ? m->notes->len : 0;
	return m && m->notes ? m->notes->bytes : NULL;
}

uint64_t
cluster_settled_ms(const struct cluster *c)
{
	return core_settled_ms(c->core);
}

bool
cluster_is_cut_off(const struct cluster *c)
{
	return c->core->cut_off;
}

void
cluster_each(const struct cluster *c, bool (*each)(void *, const struct cluster_seen *), void *arg)
{
	const char *names[CLUSTER_WATCHERS];

	for (size_t i = 0; i < c->core->nr_members; i++) {
		struct cluster_seen seen = core_seen(c->core, c->core->members[i], names);

		if (*seen.name && !each(arg, &seen))
			return;
	}
}

enum cluster_step
cluster_step(const struct cluster *c, const struct addr *addr)
{
	const struct entry *e = entry_find(c->core, addr);

	return e ? e->step : CLUSTER_NOT_OURS;
}
