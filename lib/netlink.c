/*
 * lib/netlink.c: the two rtnetlink sockets and who waits for which answer.  Stands between the
 * engines that want routes and the kernel; what the bytes mean is lib/netlink_msg.c's.
 *
 * Route changes queue up and go out together, many to one sendmsg(2): the kernel carries them out
 * in order and answers each.  At most WINDOW are unanswered, so that the answers always fit into the
 * socket's buffer.  One dump runs at a time, as the kernel allows no more on a socket.
 */
#include "lib/netlink.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/netlink_msg.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define WINDOW 256	       /* changes sent and unanswered */
#define BATCH 64	       /* changes in one send */
#define BATCH_BYTES (32 << 10) /* and their bytes, well under a send buffer */
#define RX_BYTES (64 << 10)    /* the kernel's dumps come in pieces of at most half of that */
#define RX_SLICE 32	       /* datagrams at a time, then others have their turn */
#define RX_BUFFER (4 << 20)    /* of the listening socket, for bursts */
#define DUMP_TRIES 10	       /* of a dump that changes hands while it is written */

struct change { /* or a question, or a nudge */
	struct change *next;
	nl_route_cb *done;
	nl_lookup_cb *found; /* of a question that has no answer yet */
	void *arg;
	uint32_t seq;
	size_t len;
	_Alignas(NLMSG_ALIGNTO) uint8_t msg[];
};

struct change_list {
	struct change *head, **tail;
	size_t nr;
};

struct dump {
	struct dump *next;
	nl_dump_cb *done;
	void *arg;
	enum nl_what what;
	uint8_t family; /* the one being asked for */
	bool intr;	/* the kernel said that this answer does not hold together */
	bool sent;
	unsigned tries;
	uint32_t seq;
};

struct netlink {
	struct netlink_ops ops;
	void *arg;
	struct loop *loop;
	struct nl_sock *ask, *listen;
	struct loop_fd *ask_watch, *listen_watch;
	struct loop_work flush;
	uint32_t seq, port;
	struct change_list unsent, unanswered;
	struct dump *dumps, **dumps_tail; /* the first is running */
	struct nl_hop hops[NL_HOPS_MAX];
	_Alignas(NLMSG_ALIGNTO) uint8_t rx[RX_BYTES];
};

/* ---- changes ---- */

static void
list_init(struct change_list *l)
{
	*l = (struct change_list){ .tail = &l->head };
}

static void
list_append(struct change_list *l, struct change *c)
{
	c->next = NULL;
	*l->tail = c;
	l->tail = &c->next;
	l->nr++;
}

static struct change *
list_take(struct change_list *l)
{
	struct change *c = l->head;

	l->head = c->next;
	if (!l->head)
		l->tail = &l->head;
	l->nr--;
	return c;
}

static void
list_free(struct change_list *l)
{
	while (l->head)
		mem_free(list_take(l));
}

/* Only from the loop: it calls back. */
static void
change_done(struct change *c, int err, const char *why)
{
	if (c->done)
		c->done(c->arg, err, why);
	if (c->found) /* a question without an answer, so there is an error */
		c->found(c->arg, err < 0 ? err : -EPROTO, NULL);
	mem_free(c);
}

static void
fail_unanswered(struct netlink *n, int err)
{
	/* Those that a callback adds are not among them: they are unsent. */
	while (n->unanswered.head)
		change_done(list_take(&n->unanswered), err, "");
}

/* Send the next changes, at most @max, in one go.  *nr is how many that were; on -errno none of
 * them reached the kernel, and they are still the first of the unsent. */
static int
batch_send(struct netlink *n, size_t max, size_t *nr)
{
	struct iovec iov[BATCH];
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct msghdr msg = { .msg_name = &kernel, .msg_namelen = sizeof(kernel), .msg_iov = iov };
	size_t bytes = 0;
	ssize_t sent;

	*nr = 0;
	for (struct change *c = n->unsent.head; c && *nr < max && *nr < BATCH; c = c->next) {
		if (*nr && bytes + c->len > BATCH_BYTES)
			break;
		iov[(*nr)++] = (struct iovec){ c->msg, c->len };
		bytes += c->len;
	}
	msg.msg_iovlen = *nr;
	do
		sent = sendmsg(nl_socket_get_fd(n->ask), &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	for (size_t i = 0; i < *nr; i++)
		list_append(&n->unanswered, list_take(&n->unsent));
	return 0;
}

static void
changes_flush(struct netlink *n)
{
	while (n->unsent.head && n->unanswered.nr < WINDOW) {
		size_t nr;
		int err = batch_send(n, WINDOW - n->unanswered.nr, &nr);

		if (err == 0)
			continue;
		log_warn("netlink-send-failed", LOG_ERR(err), LOG_U("changes", nr));
		while (nr--)
			change_done(list_take(&n->unsent), err, "");
		if (n->unsent.head)
			work_post(&n->flush);
		return;
	}
}

/* Queue a message, which is freed. */
static struct change *
change_queue(struct netlink *n, struct nl_msg *m, void *arg)
{
	size_t len = NLMSG_ALIGN(nlmsg_hdr(m)->nlmsg_len);
	struct change *c = mem_calloc(1, sizeof(*c) + len);

	if (c) {
		c->arg = arg;
		c->seq = nlmsg_hdr(m)->nlmsg_seq;
		c->len = len;
		memcpy(c->msg, nlmsg_hdr(m), nlmsg_hdr(m)->nlmsg_len);
		list_append(&n->unsent, c);
		work_post(&n->flush);
	}
	nlmsg_free(m);
	return c;
}

int
netlink_route(
    struct netlink *n, enum nl_act act, const struct nl_route *r, nl_route_cb *done, void *arg)
{
	struct nl_msg *m;
	struct change *c;
	int err;

	m = nlm_route_encode(act, r, ++n->seq, &err);
	if (!m)
		return err;
	c = change_queue(n, m, arg);
	if (!c)
		return -ENOMEM;
	c->done = done;
	return 0;
}

int
netlink_lookup(struct netlink *n, const struct addr *a, nl_lookup_cb *found, void *arg)
{
	struct nl_msg *m;
	struct change *c;
	int err;

	m = nlm_lookup_encode(a, ++n->seq, &err);
	if (!m)
		return err;
	c = change_queue(n, m, arg);
	if (!c)
		return -ENOMEM;
	c->found = found;
	return 0;
}

int
netlink_neigh_use(struct netlink *n, unsigned ifindex, const struct addr *a)
{
	struct nl_msg *m;
	int err;

	m = nlm_neigh_use_encode(ifindex, a, ++n->seq, &err);
	if (!m)
		return err;
	return change_queue(n, m, NULL) ? 0 : -ENOMEM;
}

int
netlink_msg(struct netlink *n, struct nl_msg *m, nl_route_cb *done, void *arg)
{
	struct change *c;

	nlmsg_hdr(m)->nlmsg_seq = ++n->seq;
	nlmsg_hdr(m)->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	c = change_queue(n, m, arg);
	if (!c)
		return -ENOMEM;
	c->done = done;
	return 0;
}

size_t
netlink_pending(const struct netlink *n)
{
	return n->unsent.nr + n->unanswered.nr;
}

/* ---- dumps ---- */

static int
dump_send(struct netlink *n, struct dump *d)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct nl_msg *m;
	ssize_t sent;
	int err = 0;

	d->seq = ++n->seq;
	d->intr = false;
	d->sent = true;
	m = nlm_dump_encode(d->what, d->family, n->ops.route_protocol, d->seq);
	if (!m)
		return -ENOMEM;
	do
		sent = sendto(nl_socket_get_fd(n->ask), nlmsg_hdr(m), nlmsg_hdr(m)->nlmsg_len,
		    MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&kernel, sizeof(kernel));
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		err = -errno;
	nlmsg_free(m);
	return err;
}

static void
dump_done(struct netlink *n, int err)
{
	struct dump *d = n->dumps;

	n->dumps = d->next;
	if (!n->dumps)
		n->dumps_tail = &n->dumps;
	else
		work_post(&n->flush);
	if (d->done)
		d->done(d->arg, err);
	mem_free(d);
}

static void
dumps_flush(struct netlink *n)
{
	while (n->dumps && !n->dumps->sent) {
		int err = dump_send(n, n->dumps);

		if (err < 0)
			dump_done(n, err);
	}
}

/* The kernel has told all of one request: ask again, ask for the next family, or be done. */
static void
dump_step(struct netlink *n, int err)
{
	struct dump *d = n->dumps;

	if (err == 0 && d->intr) {
		err = -EAGAIN;
		if (++d->tries < DUMP_TRIES)
			err = dump_send(n, d);
		if (err == 0)
			return;
	} else if (err == 0 && d->what == NL_ROUTES && d->family == AF_INET) {
		d->family = AF_INET6;
		err = dump_send(n, d);
		if (err == 0)
			return;
	}
	dump_done(n, err);
}

int
netlink_dump(struct netlink *n, enum nl_what what, nl_dump_cb *done, void *arg)
{
	struct dump *d = mem_calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->what = what;
	d->family = what == NL_ROUTES ? AF_INET : AF_UNSPEC;
	d->done = done;
	d->arg = arg;
	*n->dumps_tail = d;
	n->dumps_tail = &d->next;
	work_post(&n->flush);
	return 0;
}

static void
flush_run(void *arg)
{
	struct netlink *n = arg;

	changes_flush(n);
	dumps_flush(n);
}

/* ---- what comes ---- */

static void
tell_route(struct netlink *n, enum nl_how how, const struct nlmsghdr *h)
{
	struct nl_route r;
	struct rtmsg rtm;
	bool ours = how != NL_DUMPED && h->nlmsg_pid == n->port;
	int err;

	if (!nlmsg_valid_hdr(h, sizeof(rtm)))
		return;
	/* Before anything else: beside a full table of somebody else's most news are not for us. */
	memcpy(&rtm, nlmsg_data(h), sizeof(rtm));
	if (n->ops.route_protocol && rtm.rtm_protocol != n->ops.route_protocol)
		return;
	err = nlm_route_decode(h, &r, n->hops);
	if (err == 0)
		n->ops.route(n->arg, how, &r, ours);
	else if (err != -EAFNOSUPPORT)
		log_debug("netlink-route-not-understood", LOG_ERR(err));
}

static void
tell(struct netlink *n, const struct nlmsghdr *h, bool dumped)
{
	enum nl_how how = dumped ? NL_DUMPED : NL_NEW;
	struct nl_ifaddr a;
	struct nl_neigh nb;
	struct nl_link l;

	switch (h->nlmsg_type) {
	case RTM_DELLINK:
		how = NL_DEL;
		/* fall through */
	case RTM_NEWLINK:
		if (n->ops.link && nlm_link_decode(h, &l) == 0)
			n->ops.link(n->arg, how, &l);
		break;
	case RTM_DELADDR:
		how = NL_DEL;
		/* fall through */
	case RTM_NEWADDR:
		if (n->ops.ifaddr && nlm_ifaddr_decode(h, &a) == 0)
			n->ops.ifaddr(n->arg, how, &a);
		break;
	case RTM_DELROUTE:
		how = NL_DEL;
		/* fall through */
	case RTM_NEWROUTE:
		if (n->ops.route)
			tell_route(n, how, h);
		break;
	case RTM_DELNEIGH:
		how = NL_DEL;
		/* fall through */
	case RTM_NEWNEIGH:
		if (n->ops.neigh && nlm_neigh_decode(h, &nb) == 0)
			n->ops.neigh(n->arg, how, &nb);
		break;
	default:
		break;
	}
}

/* The verdict in an NLMSG_ERROR or NLMSG_DONE: 0 or -errno. */
static int
verdict_of(const struct nlmsghdr *h)
{
	int err = 0;

	if (nlmsg_valid_hdr(h, sizeof(err)))
		memcpy(&err, nlmsg_data(h), sizeof(err));
	return err < 0 ? err : 0;
}

/* The kernel's own words for a refusal, if it has any. */
static const char *
words_of(const struct nlmsghdr *h)
{
	struct nlattr *at[NLMSGERR_ATTR_MAX + 1];
	int skip = (int)sizeof(struct nlmsgerr);

	/* NETLINK_CAP_ACK: of our own message only the header is sent back, unless it is refused
	 * by a kernel that does not know the option; then there are no flags either. */
	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS) || !nlmsg_valid_hdr(h, skip))
		return "";
	if (!(h->nlmsg_flags & NLM_F_CAPPED)) {
		struct nlmsgerr e;

		memcpy(&e, nlmsg_data(h), sizeof(e));
		if (e.msg.nlmsg_len < sizeof(e.msg) || e.msg.nlmsg_len > h->nlmsg_len)
			return "";
		skip += (int)NLMSG_ALIGN(e.msg.nlmsg_len) - (int)sizeof(e.msg);
	}
	if (nlmsg_parse((struct nlmsghdr *)(uintptr_t)h, skip, at, NLMSGERR_ATTR_MAX, NULL) < 0)
		return "";
	if (!at[NLMSGERR_ATTR_MSG] || nla_len(at[NLMSGERR_ATTR_MSG]) < 1 ||
	    !memchr(nla_data(at[NLMSGERR_ATTR_MSG]), '\0', (size_t)nla_len(at[NLMSGERR_ATTR_MSG])))
		return "";
	return nla_get_string(at[NLMSGERR_ATTR_MSG]);
}

/* The kernel answers a question, and will acknowledge it after that. */
static void
found(struct netlink *n, const struct nlmsghdr *h)
{
	struct change *c = n->unanswered.head;
	struct nl_route r;
	nl_lookup_cb *cb;
	int err;

	while (c && c->seq != h->nlmsg_seq)
		c = c->next;
	if (!c || !c->found)
		return;
	cb = c->found;
	c->found = NULL;
	err = nlm_lookup_decode(h, &r, n->hops);
	cb(c->arg, err, err == 0 ? &r : NULL);
}

static void
answer(struct netlink *n, const struct nlmsghdr *h)
{
	struct dump *d = n->dumps;

	if (d && d->sent && h->nlmsg_seq == d->seq) {
		if (h->nlmsg_flags & NLM_F_DUMP_INTR)
			d->intr = true;
		if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
			dump_step(n, verdict_of(h));
		else
			tell(n, h, true);
		return;
	}
	if (h->nlmsg_type == RTM_NEWROUTE)
		found(n, h);
	if (h->nlmsg_type != NLMSG_ERROR)
		return;
	/* Answers come in the order of sending; one that jumps the queue says that those before it
	 * were lost. */
	for (struct change *c = n->unanswered.head; c; c = c->next) {
		if (c->seq != h->nlmsg_seq)
			continue;
		while (n->unanswered.head != c)
			change_done(list_take(&n->unanswered), -ENOBUFS, "");
		change_done(list_take(&n->unanswered), verdict_of(h), words_of(h));
		break;
	}
	if (n->unsent.head)
		work_post(&n->flush);
}

/* One datagram of the kernel's into n->rx; its length, 0 when there is nothing, -errno. */
static ssize_t
receive(struct netlink *n, int fd)
{
	struct sockaddr_nl from = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t len;

	for (;;) {
		len = recvfrom(fd, n->rx, sizeof(n->rx), MSG_DONTWAIT | MSG_TRUNC,
		    (struct sockaddr *)&from, &from_len);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return errno == EAGAIN ? 0 : -errno;
		if ((size_t)len > sizeof(n->rx))
			return -ENOBUFS; /* cut: as good as lost */
		if (from.nl_pid == 0)
			return len;
	}
}

static void
ask_readable(void *arg, int fd, unsigned what)
{
	struct netlink *n = arg;

	(void)what;
	for (int i = 0; i < RX_SLICE; i++) {
		ssize_t len = receive(n, fd);
		int left = (int)len;

		if (len == 0)
			return;
		if (len < 0) {
			/* A dump waits for room in the buffer, answers do not: those are gone. */
			log_warn("netlink-receive-failed", LOG_ERR((int)len));
			fail_unanswered(n, (int)len);
			work_post(&n->flush);
			return;
		}
		for (struct nlmsghdr *h = (struct nlmsghdr *)n->rx; nlmsg_ok(h, left);
		     h = nlmsg_next(h, &left))
			answer(n, h);
	}
}

static void
listen_readable(void *arg, int fd, unsigned what)
{
	struct netlink *n = arg;

	(void)what;
	for (int i = 0; i < RX_SLICE; i++) {
		ssize_t len = receive(n, fd);
		int left = (int)len;

		if (len == 0)
			return;
		if (len < 0) {
			log_warn("netlink-news-lost", LOG_ERR((int)len));
			n->ops.resync(n->arg);
			return;
		}
		for (struct nlmsghdr *h = (struct nlmsghdr *)n->rx; nlmsg_ok(h, left);
		     h = nlmsg_next(h, &left))
			tell(n, h, false);
	}
}

/* ---- life ---- */

/* Options that old kernels lack; all of it works without them, with more to read. */
static void
tune(struct nl_sock *sk)
{
	static const int options[] = { NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK };
	int fd = nl_socket_get_fd(sk), on = 1, size = RX_BUFFER;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)setsockopt(fd, SOL_NETLINK, options[i], &on, sizeof(on));
	/* Beyond the system's limit with CAP_NET_ADMIN, up to it without. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static int
groups_join(struct netlink *n)
{
	int err = 0;

	if (n->ops.link)
		err |= nl_socket_add_membership(n->listen, RTNLGRP_LINK);
	if (n->ops.ifaddr) {
		err |= nl_socket_add_membership(n->listen, RTNLGRP_IPV4_IFADDR);
		err |= nl_socket_add_membership(n->listen, RTNLGRP_IPV6_IFADDR);
	}
	if (n->ops.route) {
		err |= nl_socket_add_membership(n->listen, RTNLGRP_IPV4_ROUTE);
		err |= nl_socket_add_membership(n->listen, RTNLGRP_IPV6_ROUTE);
	}
	if (n->ops.neigh)
		err |= nl_socket_add_membership(n->listen, RTNLGRP_NEIGH);
	return err ? -EPERM : 0;
}

static int
netlink_open(struct netlink *n)
{
	int err;

	n->ask = nl_socket_alloc();
	n->listen = nl_socket_alloc();
	if (!n->ask || !n->listen)
		return -ENOMEM;
	errno = 0;
	if (nl_connect(n->ask, NETLINK_ROUTE) < 0 || nl_connect(n->listen, NETLINK_ROUTE) < 0)
		return errno ? -errno : -EPROTONOSUPPORT;
	n->port = nl_socket_get_local_port(n->ask);
	tune(n->ask);
	tune(n->listen);
	err = groups_join(n);
	if (err < 0)
		return err;
	n->ask_watch = loop_fd_new(n->loop, nl_socket_get_fd(n->ask), LOOP_READ, ask_readable, n);
	n->listen_watch =
	    loop_fd_new(n->loop, nl_socket_get_fd(n->listen), LOOP_READ, listen_readable, n);
	return n->ask_watch && n->listen_watch ? 0 : -ENOMEM;
}

struct netlink *
netlink_new(struct loop *loop, const struct netlink_ops *ops, void *arg, int *err)
{
	struct netlink *n = mem_calloc(1, sizeof(*n));

	if (!n) {
		*err = -ENOMEM;
		return NULL;
	}
	n->ops = *ops;
	n->arg = arg;
	n->loop = loop;
	n->dumps_tail = &n->dumps;
	list_init(&n->unsent);
	list_init(&n->unanswered);
	work_init(&n->flush, loop, flush_run, n);
	*err = netlink_open(n);
	if (*err < 0) {
		netlink_free(n);
		return NULL;
	}
	return n;
}

void
netlink_free(struct netlink *n)
{
	size_t nr;

	if (!n)
		return;
	while (n->ask_watch && n->unsent.head && batch_send(n, BATCH, &nr) == 0)
		;
	work_cancel(&n->flush);
	loop_fd_free(n->ask_watch);
	loop_fd_free(n->listen_watch);
	nl_socket_free(n->ask);
	nl_socket_free(n->listen);
	list_free(&n->unsent);
	list_free(&n->unanswered);
	while (n->dumps) {
		struct dump *d = n->dumps;

		n->dumps = d->next;
		mem_free(d);
	}
	mem_free(n);
}
