/*
 * fib/tunnel.c: makes the kernel's VXLAN device and its entries those that are wanted.
 *
 * One thing at a time: the device first (made, made anew or adjusted), then the nodes' entries.
 * What was asked is believed when the kernel says yes; an entry belongs to the device that it was
 * set on, so that a new device has none.  Setting an entry again that is there changes nothing, and
 * so all are set again at the start and at every audit: nobody tells of forwarding entries that go.
 */
#include "fib/tunnel.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { AUDIT_MS = 60000, RETRY_MS = 2000, LOGS_A_MINUTE = 10 };

struct entry {
	struct addr node;    /* not set: one that was found, and is known by its MAC only */
	struct addr gateway; /* the neighbour */
	uint8_t mac[6];
	bool wanted;
	bool check;  /* set it again, in case it is not there any more */
	unsigned on; /* the device that has it; 0: none */
};

struct seen_link {
	unsigned ifindex, mtu;
};

struct seen_addr {
	unsigned ifindex;
	struct addr addr;
};

struct tunnel {
	struct loop *loop;
	struct netlink *kernel;
	struct tunnel_conf conf;
	struct nl_link device; /* ifindex 0: there is none */
	struct entry *entries;
	struct seen_link *links;
	struct seen_addr *addrs;
	size_t nr_entries, cap_entries, nr_links, cap_links, nr_addrs, cap_addrs;
	struct loop_work work;
	struct loop_timer timer; /* the audit, or sooner what was refused */
	struct log_limit limit;
	size_t nr_asked;
	unsigned nr_dumps;
	int error;
	bool dump_failed, ready, adopted_done, flushed;
	bool device_told; /* by the dump that runs */
	bool look_again;  /* when the answers are in */
};

/* ---- what follows from an address ---- */

void
tunnel_mac(const struct addr *a, uint8_t mac[6])
{
	uint64_t h = 0xcbf29ce484222325u;

	/* Locally administered, unicast.  IPv4 fits whole; of IPv6 a hash (FNV-1a, the same on
	 * every machine): 2^40 values, for some thousand nodes. */
	if (a->family == ADDR_V4) {
		mac[0] = 0x0a;
		mac[1] = 0x48;
		memcpy(mac + 2, a->b, 4);
		return;
	}
	for (size_t i = 0; i < 16; i++)
		h = (h ^ a->b[i]) * 0x100000001b3u;
	mac[0] = 0x0e;
	for (int i = 1; i < 6; i++)
		mac[i] = (uint8_t)(h >> (8 * i));
}

/* RFC 4291, appendix A. */
static struct addr
gateway_of(const uint8_t mac[6])
{
	return (struct addr){ .family = ADDR_V6,
		.b = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, (uint8_t)(mac[0] ^ 2), mac[1], mac[2], 0xff,
		    0xfe, mac[3], mac[4], mac[5] } };
}

struct addr
tunnel_gateway(const struct addr *underlay)
{
	uint8_t mac[6];

	tunnel_mac(underlay, mac);
	return gateway_of(mac);
}

unsigned
tunnel_overhead(enum addr_family underlay)
{
	return (underlay == ADDR_V6 ? 40 : 20) + 8 + 8 + 14; /* IP, UDP, VXLAN, Ethernet */
}

/* ---- messages; NULL: no memory ---- */

static struct nl_msg *
message(int type, int flags, const void *head, size_t len)
{
	struct nl_msg *m = nlmsg_alloc_size(512);

	if (!m)
		return NULL;
	if (!nlmsg_put(m, 0, 0, type, 0, flags) ||
	    nlmsg_append(m, (void *)(uintptr_t)head, len, NLMSG_ALIGNTO)) {
		nlmsg_free(m);
		return NULL;
	}
	return m;
}

static struct nl_msg *
checked(struct nl_msg *m, int bad)
{
	if (!bad)
		return m;
	nlmsg_free(m);
	return NULL;
}

static struct nl_msg *
make_message(const struct tunnel_conf *c, unsigned mtu)
{
	const struct ifinfomsg ifi = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct nl_msg *m = message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
	bool v6 = c->local.family == ADDR_V6;
	struct nlattr *info, *data;
	uint8_t mac[6];
	int bad = 0;

	if (!m)
		return NULL;
	tunnel_mac(&c->local, mac);
	bad |= nla_put_string(m, IFLA_IFNAME, TUNNEL_DEVICE);
	bad |= nla_put_u32(m, IFLA_MTU, mtu);
	bad |= nla_put(m, IFLA_ADDRESS, sizeof(mac), mac);
	info = nla_nest_start(m, IFLA_LINKINFO);
	if (!info)
		return checked(m, 1);
	bad |= nla_put_string(m, IFLA_INFO_KIND, "vxlan");
	data = nla_nest_start(m, IFLA_INFO_DATA);
	if (!data)
		return checked(m, 1);
	bad |= nla_put_u32(m, IFLA_VXLAN_ID, c->vni);
	bad |= nla_put_u16(m, IFLA_VXLAN_PORT, htons(c->port));
	bad |= nla_put_u8(m, IFLA_VXLAN_LEARNING, 0);
	bad |= nla_put(m, v6 ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL, v6 ? 16 : 4, c->local.b);
	nla_nest_end(m, data);
	nla_nest_end(m, info);
	return checked(m, bad);
}

static struct nl_msg *
adjust_message(const struct tunnel *t, unsigned mtu, const uint8_t mac[6])
{
	const struct ifinfomsg ifi = {
		.ifi_index = (int)t->device.ifindex, .ifi_flags = IFF_UP, .ifi_change = IFF_UP
	};
	struct nl_msg *m = message(RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	int bad = 0;

	if (!m)
		return NULL;
	if (t->device.mtu != mtu)
		bad |= nla_put_u32(m, IFLA_MTU, mtu);
	if (memcmp(t->device.mac, mac, 6) != 0)
		bad |= nla_put(m, IFLA_ADDRESS, 6, mac);
	return checked(m, bad);
}

static struct nl_msg *
remove_message(unsigned ifindex)
{
	const struct ifinfomsg ifi = { .ifi_index = (int)ifindex };

	return message(RTM_DELLINK, 0, &ifi, sizeof(ifi));
}

/* The neighbour, or with @fdb the forwarding entry, which the kernel takes for a neighbour of the
 * family of bridges. */
static struct nl_msg *
entry_message(const struct tunnel *t, const struct entry *e, bool set, bool fdb)
{
	const struct ndmsg ndm = { .ndm_family = fdb ? AF_BRIDGE : AF_INET6,
		.ndm_ifindex = (int)t->device.ifindex,
		.ndm_state = fdb ? NUD_NOARP | NUD_PERMANENT : NUD_PERMANENT,
		.ndm_flags = fdb ? NTF_SELF : 0 };
	struct nl_msg *m = message(set ? RTM_NEWNEIGH : RTM_DELNEIGH,
	    set ? NLM_F_CREATE | NLM_F_REPLACE : 0, &ndm, sizeof(ndm));
	int bad = 0;

	if (!m)
		return NULL;
	if (fdb || set)
		bad |= nla_put(m, NDA_LLADDR, sizeof(e->mac), e->mac);
	if (!fdb)
		bad |= nla_put(m, NDA_DST, 16, e->gateway.b);
	else if (set)
		bad |= nla_put(m, NDA_DST, (int)addr_bits(e->node.family) / 8, e->node.b);
	return checked(m, bad);
}

/* ---- asking ---- */

static void
refused(struct tunnel *t, int err, const char *why)
{
	unsigned more;

	t->error = -err;
	timer_set(&t->timer, RETRY_MS);
	if (log_allow(&t->limit, loop_now_ms(t->loop), LOGS_A_MINUTE, &more))
		log_warn("tunnel-refused", LOG_S("device", TUNNEL_DEVICE), LOG_ERR(-err),
		    LOG_S("kernel", why), LOG_U("suppressed", more));
}

static void
answered(void *arg, int err, const char *why)
{
	struct tunnel *t = arg;

	t->nr_asked--;
	if (err < 0)
		refused(t, err, why);
	if (t->nr_asked == 0 && t->look_again) {
		t->look_again = false;
		work_post(&t->work);
	}
}

/* The news of a device that was made may come behind the answer, and it was asked for twice. */
static void
made(void *arg, int err, const char *why)
{
	struct tunnel *t = arg;

	if (err == -EEXIST)
		timer_set(&t->timer, RETRY_MS);
	answered(arg, err == -EEXIST ? 0 : err, why);
}

/* What was to go is not there: all that was asked for. */
static void
removed(void *arg, int err, const char *why)
{
	bool gone = err == -ENOENT || err == -ESRCH || err == -ENODEV;

	answered(arg, gone ? 0 : err, why);
}

static void
ask(struct tunnel *t, struct nl_msg *m, nl_route_cb *done)
{
	int err = m ? netlink_msg(t->kernel, m, done, t) : -ENOMEM;

	if (err < 0)
		refused(t, err, "");
	else
		t->nr_asked++;
}

/* ---- from what is to what should be ---- */

/* 0: the local address is on no link yet. */
static unsigned
wanted_mtu(const struct tunnel *t)
{
	unsigned over = tunnel_overhead(t->conf.local.family);

	if (t->conf.mtu)
		return t->conf.mtu;
	for (size_t i = 0; i < t->nr_addrs; i++) {
		if (!addr_eq(&t->addrs[i].addr, &t->conf.local))
			continue;
		for (size_t k = 0; k < t->nr_links; k++)
			if (t->links[k].ifindex == t->addrs[i].ifindex && t->links[k].mtu > over)
				return t->links[k].mtu - over;
	}
	return 0;
}

static bool
keys_are_right(const struct tunnel *t)
{
	const struct nl_link *d = &t->device;

	return d->vxlan.vni == t->conf.vni && d->vxlan.port == t->conf.port && !d->vxlan.learning &&
	    addr_eq(&d->vxlan.local, &t->conf.local);
}

static bool
is_adjusted(const struct tunnel *t, unsigned mtu)
{
	uint8_t mac[6];

	tunnel_mac(&t->conf.local, mac);
	return t->device.up && t->device.mtu == mtu && memcmp(t->device.mac, mac, 6) == 0;
}

static bool
is_foreign(const struct nl_link *l)
{
	return l->ifindex && strcmp(l->kind, "vxlan") != 0;
}

/* True: the device is as it should be.  News of what was asked bring us here again. */
static bool
look_at_device(struct tunnel *t)
{
	unsigned mtu = wanted_mtu(t);
	uint8_t mac[6];

	if (mtu == 0) {
		t->error = EADDRNOTAVAIL;
		return false;
	}
	if (t->error == EADDRNOTAVAIL)
		t->error = 0;
	tunnel_mac(&t->conf.local, mac);
	if (!t->device.ifindex)
		ask(t, make_message(&t->conf, mtu), made);
	else if (!keys_are_right(t))
		ask(t, remove_message(t->device.ifindex), removed);
	else if (!is_adjusted(t, mtu))
		ask(t, adjust_message(t, mtu, mac), answered);
	else
		return true;
	return false;
}

static void
look_at_entries(struct tunnel *t)
{
	size_t nr = 0;

	for (size_t i = 0; i < t->nr_entries; i++) {
		struct entry *e = &t->entries[i];
		bool here = e->on == t->device.ifindex;

		if (e->wanted && (!here || e->check)) {
			ask(t, entry_message(t, e, true, true), answered);
			ask(t, entry_message(t, e, true, false), answered);
			e->on = t->device.ifindex;
			e->check = false;
		} else if (!e->wanted && here && t->adopted_done) {
			ask(t, entry_message(t, e, false, false), removed);
			ask(t, entry_message(t, e, false, true), removed);
			continue;
		} else if (!e->wanted && !here) {
			continue;
		}
		t->entries[nr++] = *e;
	}
	t->nr_entries = nr;
}

static void
look(void *arg)
{
	struct tunnel *t = arg;

	if (!t->ready || t->flushed || t->conf.mode == TUNNEL_WAIT)
		return;
	if (t->nr_asked > 0) {
		t->look_again = true;
		return;
	}
	if (is_foreign(&t->device)) {
		if (t->conf.mode == TUNNEL_VXLAN)
			refused(t, -EEXIST, "a device of this name is not ours");
		return;
	}
	if (t->conf.mode == TUNNEL_OFF) {
		t->error = 0;
		if (t->device.ifindex)
			ask(t, remove_message(t->device.ifindex), removed);
		return;
	}
	if (look_at_device(t))
		look_at_entries(t);
}

/* ---- what the kernel tells ---- */

static void
underlay_link(struct tunnel *t, enum nl_how how, const struct nl_link *l)
{
	size_t i = 0;

	while (i < t->nr_links && t->links[i].ifindex != l->ifindex)
		i++;
	if (how == NL_DEL) {
		if (i < t->nr_links)
			t->links[i] = t->links[--t->nr_links];
		return;
	}
	if (i == t->nr_links) {
		if (mem_grow((void **)&t->links, &t->cap_links, t->nr_links, sizeof(t->links[0]),
			0) < 0) {
			refused(t, -ENOMEM, "");
			return;
		}
		t->nr_links++;
	} else if (t->links[i].mtu == l->mtu) {
		return;
	}
	t->links[i] = (struct seen_link){ l->ifindex, l->mtu };
	work_post(&t->work);
}

static void
link_news(void *arg, enum nl_how how, const struct nl_link *l)
{
	struct tunnel *t = arg;

	if (l->ifindex != t->device.ifindex && strcmp(l->name, TUNNEL_DEVICE) != 0) {
		underlay_link(t, how, l);
		return;
	}
	if (how == NL_DEL || strcmp(l->name, TUNNEL_DEVICE) != 0) {
		if (l->ifindex == t->device.ifindex)
			t->device = (struct nl_link){ 0 };
	} else {
		t->device = *l;
		t->device_told = true;
	}
	work_post(&t->work);
}

static void
addr_news(void *arg, enum nl_how how, const struct nl_ifaddr *a)
{
	struct tunnel *t = arg;
	size_t i = 0;

	while (i < t->nr_addrs &&
	    (t->addrs[i].ifindex != a->ifindex || !addr_eq(&t->addrs[i].addr, &a->addr)))
		i++;
	if (how == NL_DEL) {
		if (i < t->nr_addrs)
			t->addrs[i] = t->addrs[--t->nr_addrs];
		return;
	}
	if (i < t->nr_addrs)
		return;
	if (mem_grow((void **)&t->addrs, &t->cap_addrs, t->nr_addrs, sizeof(t->addrs[0]), 0) < 0) {
		refused(t, -ENOMEM, "");
		return;
	}
	t->addrs[t->nr_addrs++] = (struct seen_addr){ a->ifindex, a->addr };
	work_post(&t->work);
}

static struct entry *
entry_find(struct tunnel *t, const uint8_t mac[6])
{
	for (size_t i = 0; i < t->nr_entries; i++)
		if (memcmp(t->entries[i].mac, mac, 6) == 0)
			return &t->entries[i];
	return NULL;
}

static struct entry *
entry_add(struct tunnel *t, const uint8_t mac[6])
{
	struct entry *e;

	if (mem_grow((void **)&t->entries, &t->cap_entries, t->nr_entries, sizeof(*e), 0) < 0)
		return NULL;
	e = &t->entries[t->nr_entries++];
	*e = (struct entry){ .gateway = gateway_of(mac) };
	memcpy(e->mac, mac, 6);
	return e;
}

static struct entry *
entry_of_gateway(struct tunnel *t, const struct addr *gateway)
{
	for (size_t i = 0; i < t->nr_entries; i++)
		if (addr_eq(&t->entries[i].gateway, gateway))
			return &t->entries[i];
	return NULL;
}

/* Neighbours on our device: one of ours that goes, or is no longer permanent, is set again; one of
 * an earlier process that nobody wants is remembered, to be removed.  What the kernel tells of one
 * that goes has no MAC, and of one that a packet still holds it only says that it failed. */
static void
neigh_news(void *arg, enum nl_how how, const struct nl_neigh *n)
{
	struct tunnel *t = arg;
	bool lost = how == NL_DEL || n->state != NUD_PERMANENT;
	struct addr gateway;
	struct entry *e;

	if (!t->device.ifindex || n->ifindex != t->device.ifindex)
		return;
	e = entry_of_gateway(t, &n->addr);
	if (e && e->wanted && lost) {
		e->on = 0;
		work_post(&t->work);
	}
	if (e || lost || how != NL_DUMPED || !n->has_mac)
		return;
	gateway = gateway_of(n->mac);
	if (!addr_eq(&gateway, &n->addr))
		return;
	e = entry_add(t, n->mac);
	if (e)
		e->on = n->ifindex;
}

static void
dumped(void *arg, int err)
{
	struct tunnel *t = arg;

	t->nr_dumps--;
	t->dump_failed |= err < 0;
	if (t->nr_dumps > 0)
		return;
	if (t->dump_failed) {
		refused(t, err < 0 ? err : -EIO, "");
		return;
	}
	if (!t->device_told)
		t->device = (struct nl_link){ 0 };
	t->ready = true;
	if (t->conf.mode == TUNNEL_VXLAN)
		timer_set(&t->timer, AUDIT_MS);
	work_post(&t->work);
}

static void
dump_all(struct tunnel *t)
{
	static const enum nl_what all[] = { NL_LINKS, NL_IFADDRS, NL_NEIGHS };

	t->ready = t->dump_failed = t->device_told = false;
	t->error = 0;
	for (size_t i = 0; i < t->nr_entries; i++)
		t->entries[i].check = true;
	for (size_t i = 0; i < 3; i++) {
		if (netlink_dump(t->kernel, all[i], dumped, t) < 0)
			t->dump_failed = true;
		else
			t->nr_dumps++;
	}
	if (t->nr_dumps == 0)
		timer_set(&t->timer, RETRY_MS);
}

/* The audit, after a refusal, or when news were lost: everything from the beginning. */
static void
again(void *arg)
{
	struct tunnel *t = arg;

	if (t->nr_dumps > 0 || t->nr_asked > 0)
		timer_set(&t->timer, RETRY_MS);
	else
		dump_all(t);
}

/* ---- what is wanted ---- */

int
tunnel_set(struct tunnel *t, const struct tunnel_conf *conf, const struct addr *nodes, size_t nr)
{
	struct entry *e;
	uint8_t mac[6];
	int err = 0;

	t->conf = *conf;
	for (size_t i = 0; i < t->nr_entries; i++)
		t->entries[i].wanted = false;
	for (size_t i = 0; i < nr; i++) {
		tunnel_mac(&nodes[i], mac);
		e = entry_find(t, mac);
		if (!e)
			e = entry_add(t, mac);
		if (!e) {
			err = -ENOMEM;
			continue;
		}
		if (!addr_eq(&e->node, &nodes[i]))
			e->on = 0;
		e->node = nodes[i];
		e->wanted = true;
	}
	if (conf->mode == TUNNEL_VXLAN && !timer_is_running(&t->timer))
		timer_set(&t->timer, AUDIT_MS);
	work_post(&t->work);
	return err;
}

void
tunnel_adopted_done(struct tunnel *t)
{
	t->adopted_done = true;
	work_post(&t->work);
}

void
tunnel_flush(struct tunnel *t)
{
	bool ours = t->device.ifindex && !is_foreign(&t->device);

	if (ours && (t->conf.mode != TUNNEL_OFF || t->ready))
		ask(t, remove_message(t->device.ifindex), removed);
	t->flushed = true;
}

void
tunnel_info(const struct tunnel *t, struct tunnel_info *info)
{
	unsigned mtu = wanted_mtu(t);

	*info = (struct tunnel_info){ .mode = t->conf.mode,
		.ifindex = t->device.ifindex,
		.mtu = t->device.mtu,
		.error = t->error };
	info->up = t->conf.mode == TUNNEL_VXLAN && t->device.ifindex && !is_foreign(&t->device) &&
	    keys_are_right(t) && is_adjusted(t, mtu);
	for (size_t i = 0; i < t->nr_entries; i++) {
		info->nr_nodes += t->entries[i].wanted;
		info->nr_set +=
		    t->entries[i].wanted && info->ifindex && t->entries[i].on == info->ifindex;
	}
}

/* ---- life ---- */

struct tunnel *
tunnel_new(struct loop *loop, int *err)
{
	const struct netlink_ops ops = {
		.link = link_news, .ifaddr = addr_news, .neigh = neigh_news, .resync = again
	};
	struct tunnel *t = xnew(struct tunnel);

	t->loop = loop;
	t->conf.mode = TUNNEL_WAIT;
	work_init(&t->work, loop, look, t);
	timer_init(&t->timer, loop, again, t);
	t->kernel = netlink_new(loop, &ops, t, err);
	if (!t->kernel) {
		free(t);
		return NULL;
	}
	dump_all(t);
	return t;
}

void
tunnel_free(struct tunnel *t)
{
	if (!t)
		return;
	work_cancel(&t->work);
	timer_stop(&t->timer);
	netlink_free(t->kernel);
	mem_free(t->entries);
	mem_free(t->links);
	mem_free(t->addrs);
	free(t);
}
