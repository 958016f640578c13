/*
 * l2/device.c: which devices there are and what can be done on them.  Stands between netlink and
 * l2.c.
 */
#include "l2/device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#define DUMP_AGAIN_MS 1000
/* Whose entries of the proxy table are ours, for people. */
#define PROXY_PROTOCOL 180

struct own {
	struct nl_ifaddr a;
	uint32_t seen;
};

/* An answer of the kernel that is waited for. */
struct asked {
	struct asked *next, **prev;
	device_joined *done;
	void *arg;
	struct addr addr;
	unsigned ifindex;
	bool on;
};

struct devices {
	struct loop *loop;
	void (*changed)(void *arg);
	void *arg;
	struct netlink *nl;
	struct device **devices; /* by name */
	size_t nr, cap;
	struct own *owns;
	size_t nr_owns, cap_owns;
	struct loop_timer dump_soon;
	struct loop_work tell;
	uint32_t seen;	     /* number of the last dumps */
	uint64_t generation; /* of ->devices */
	unsigned nr_dumps;
	bool dump_failed, dump_again, known;
	struct asked *asked;
};

static struct device *
device_at(const struct devices *d, unsigned ifindex)
{
	for (size_t i = 0; i < d->nr; i++) {
		if (d->devices[i]->l.ifindex == ifindex)
			return d->devices[i];
	}
	return NULL;
}

struct device *
device_named(struct devices *d, const char *name)
{
	size_t low = 0, high = d->nr;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int cmp = strcmp(d->devices[mid]->l.name, name);

		if (cmp == 0)
			return d->devices[mid];
		if (cmp < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static void
tell_due(void *arg)
{
	struct devices *d = arg;

	if (d->known)
		d->changed(d->arg);
}

/* ---- what can be done on one ---- */

/* A device in a bridge or bond hands its frames to that, which has the address; a VRF only has
 * tables. */
static bool
is_a_part(const struct devices *d, const struct nl_link *l)
{
	const struct device *master = l->master ? device_at(d, l->master) : NULL;

	return l->master && (!master || strcmp(master->l.kind, "vrf") != 0);
}

static const char *
why_not(const struct devices *d, const struct nl_link *l)
{
	static const uint8_t none[6];

	if (l->loopback)
		return "It is the loopback device.";
	if (l->type != ARPHRD_ETHER || memcmp(l->mac, none, sizeof(none)) == 0)
		return "It is no Ethernet device: there is no ARP on it.";
	if (is_a_part(d, l))
		return "It is part of a bridge or bond, which is the one to be named.";
	return "";
}

static bool
is_router(const char *name)
{
	char path[96], value[4] = "";
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/forwarding", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	len = read(fd, value, sizeof(value) - 1);
	close(fd);
	/* 2 forwards, too, and takes router advertisements besides. */
	return len > 0 && value[0] != '0';
}

struct l2_device
device_row(const struct device *dev)
{
	struct l2_device row = { .flags = is_router(dev->l.name) ? L2_DEVICE_ROUTER : 0 };

	memcpy(row.mac, dev->l.mac, sizeof(row.mac));
	return row;
}

static int
prefix_order(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

static void
prefixes_gather(struct devices *d, struct device *dev)
{
	size_t nr = 0;

	dev->prefixes = xrealloc(dev->prefixes, d->nr_owns + 1, sizeof(*dev->prefixes));
	for (size_t i = 0; i < d->nr_owns; i++) {
		if (d->owns[i].a.ifindex == dev->l.ifindex)
			dev->prefixes[nr++] = d->owns[i].a.link;
	}
	qsort(dev->prefixes, nr, sizeof(*dev->prefixes), prefix_order);
	dev->nr_prefixes = 0;
	for (size_t i = 0; i < nr; i++) {
		if (dev->nr_prefixes == 0 ||
		    !prefix_eq(&dev->prefixes[i], &dev->prefixes[dev->nr_prefixes - 1]))
			dev->prefixes[dev->nr_prefixes++] = dev->prefixes[i];
	}
}

/* ---- news ---- */

static int
name_order(const void *a, const void *b)
{
	const struct device *const *x = a, *const *y = b;

	return strcmp((*x)->l.name, (*y)->l.name);
}

/* What one is depends on others: its master, and the names for the order. */
static void
look_again(struct devices *d)
{
	d->generation++;
	qsort((void *)d->devices, d->nr, sizeof(struct device *), name_order);
	for (size_t i = 0; i < d->nr; i++)
		d->devices[i]->why = why_not(d, &d->devices[i]->l);
	work_post(&d->tell);
}

static void
device_remove(struct devices *d, struct device *dev)
{
	size_t i = 0;

	while (d->devices[i] != dev)
		i++;
	memmove((void *)&d->devices[i], (void *)&d->devices[i + 1],
	    (--d->nr - i) * sizeof(struct device *));
	free(dev->prefixes);
	free(dev);
}

static bool
is_up(const struct nl_link *l)
{
	return l->up && l->running;
}

static void
dump_later(struct devices *d)
{
	if (!timer_is_running(&d->dump_soon))
		timer_set(&d->dump_soon, DUMP_AGAIN_MS);
}

static void
on_link(void *arg, enum nl_how how, const struct nl_link *l)
{
	struct devices *d = arg;
	struct device *dev = device_at(d, l->ifindex);

	if (how == NL_DEL) {
		d->dump_again |= d->nr_dumps > 0;
		if (dev)
			device_remove(d, dev);
		look_again(d);
		return;
	}
	if (!dev) {
		if (mem_grow((void **)&d->devices, &d->cap, d->nr, sizeof(struct device *), 0) <
		    0) {
			dump_later(d);
			return;
		}
		dev = d->devices[d->nr++] = xnew(struct device);
		prefixes_gather(d, dev);
		dev->ups = is_up(l);
	} else if (is_up(l) &&
	    (!is_up(&dev->l) || memcmp(dev->l.mac, l->mac, sizeof(l->mac)) != 0)) {
		dev->ups++;
	}
	dev->l = *l;
	dev->seen = d->seen;
	look_again(d);
}

static void
on_ifaddr(void *arg, enum nl_how how, const struct nl_ifaddr *a)
{
	struct devices *d = arg;
	struct device *dev;
	size_t i = 0;

	while (i < d->nr_owns &&
	    (d->owns[i].a.ifindex != a->ifindex || !addr_eq(&d->owns[i].a.addr, &a->addr) ||
		!prefix_eq(&d->owns[i].a.link, &a->link)))
		i++;
	if (how == NL_DEL) {
		d->dump_again |= d->nr_dumps > 0;
		if (i == d->nr_owns)
			return;
		d->owns[i] = d->owns[--d->nr_owns];
	} else if (i < d->nr_owns) {
		d->owns[i].seen = d->seen;
		return;
	} else if (mem_grow((void **)&d->owns, &d->cap_owns, d->nr_owns, sizeof(*d->owns), 0) < 0) {
		dump_later(d);
		return;
	} else {
		d->owns[d->nr_owns++] = (struct own){ .a = *a, .seen = d->seen };
	}
	dev = device_at(d, a->ifindex);
	if (dev)
		prefixes_gather(d, dev);
	work_post(&d->tell);
}

/* ---- dumps ---- */

/* What the last dumps did not tell of is gone. */
static void
sweep_unseen(struct devices *d)
{
	for (size_t i = d->nr; i-- > 0;) {
		if (d->devices[i]->seen != d->seen)
			device_remove(d, d->devices[i]);
	}
	for (size_t i = d->nr_owns; i-- > 0;) {
		if (d->owns[i].seen != d->seen)
			d->owns[i] = d->owns[--d->nr_owns];
	}
	for (size_t i = 0; i < d->nr; i++)
		prefixes_gather(d, d->devices[i]);
}

static void
on_dumped(void *arg, int err)
{
	struct devices *d = arg;

	d->dump_failed |= err < 0;
	if (--d->nr_dumps > 0)
		return;
	if (d->dump_failed || d->dump_again)
		dump_later(d);
	if (d->dump_failed) {
		log_warn("l2-devices-not-told", LOG_ERR(-err));
		return;
	}
	sweep_unseen(d);
	d->known = true;
	look_again(d);
}

static void
dump_due(void *arg)
{
	static const enum nl_what what[] = { NL_LINKS, NL_IFADDRS };
	struct devices *d = arg;

	if (d->nr_dumps > 0) {
		dump_later(d);
		return;
	}
	d->seen++;
	d->dump_failed = d->dump_again = false;
	for (size_t i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
		if (netlink_dump(d->nl, what[i], on_dumped, d) == 0)
			d->nr_dumps++;
		else
			d->dump_failed = true;
	}
	if (d->nr_dumps == 0)
		dump_later(d);
}

static void
on_resync(void *arg)
{
	struct devices *d = arg;

	d->dump_again |= d->nr_dumps > 0;
	dump_later(d);
}

/* ---- groups ---- */

static void
asked_free(struct asked *a)
{
	*a->prev = a->next;
	if (a->next)
		a->next->prev = a->prev;
	free(a);
}

static void
on_asked(void *arg, int err, const char *why)
{
	struct asked *a = arg;

	(void)why;
	if (!a->on && (err == -ENOENT || err == -ESRCH || err == -ENODEV))
		err = 0;
	if (a->done)
		a->done(a->arg, a->ifindex, &a->addr, err);
	asked_free(a);
}

int
device_listen(struct devices *d, unsigned ifindex, const struct addr *addr, bool on,
    device_joined *done, void *arg)
{
	struct ndmsg head = { .ndm_family = AF_INET6,
		.ndm_ifindex = (int)ifindex,
		.ndm_state =
		    NUD_PERMANENT, /* newer kernels keep it then when the carrier is gone */
		.ndm_flags = NTF_PROXY };
	struct nl_msg *m = nlmsg_alloc_size(256);
	struct asked *a;
	int err;

	if (!m)
		return -ENOMEM;
	if (!nlmsg_put(m, 0, 0, on ? RTM_NEWNEIGH : RTM_DELNEIGH, 0,
		on ? NLM_F_CREATE | NLM_F_REPLACE : 0) ||
	    nlmsg_append(m, &head, sizeof(head), NLMSG_ALIGNTO) < 0 ||
	    nla_put(m, NDA_DST, 16, addr->b) < 0 ||
	    nla_put_u8(m, NDA_PROTOCOL, PROXY_PROTOCOL) < 0) {
		nlmsg_free(m);
		return -ENOMEM;
	}
	a = xnew(struct asked);
	*a = (struct asked){ .next = d->asked,
		.prev = &d->asked,
		.done = done,
		.arg = arg,
		.addr = *addr,
		.ifindex = ifindex,
		.on = on };
	if (a->next)
		a->next->prev = &a->next;
	d->asked = a;
	err = netlink_msg(d->nl, m, on_asked, a);
	if (err < 0)
		asked_free(a);
	return err;
}

/* ---- for l2.c ---- */

bool
devices_known(const struct devices *d)
{
	return d->known;
}

uint64_t
devices_generation(const struct devices *d)
{
	return d->generation + 1;
}

bool
devices_have_mac(const struct devices *d, const uint8_t mac[6])
{
	for (size_t i = 0; i < d->nr; i++) {
		if (memcmp(d->devices[i]->l.mac, mac, 6) == 0)
			return true;
	}
	return false;
}

struct device *const *
devices_all(const struct devices *d, size_t *nr)
{
	*nr = d->nr;
	return d->devices;
}

struct devices *
devices_new(struct loop *loop, void (*changed)(void *arg), void *arg, int *err)
{
	const struct netlink_ops ops = {
		.link = on_link, .ifaddr = on_ifaddr, .resync = on_resync
	};
	struct devices *d = xnew(struct devices);

	d->loop = loop;
	d->changed = changed;
	d->arg = arg;
	timer_init(&d->dump_soon, loop, dump_due, d);
	work_init(&d->tell, loop, tell_due, d);
	d->nl = netlink_new(loop, &ops, d, err);
	if (!d->nl) {
		devices_free(d);
		return NULL;
	}
	dump_due(d);
	return d;
}

void
devices_free(struct devices *d)
{
	if (!d)
		return;
	timer_stop(&d->dump_soon);
	work_cancel(&d->tell);
	netlink_free(d->nl);
	while (d->asked)
		asked_free(d->asked);
	while (d->nr > 0)
		device_remove(d, d->devices[d->nr - 1]);
	mem_free((void *)d->devices);
	mem_free(d->owns);
	free(d);
}
