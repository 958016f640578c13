/*
 * datapath/kernel_attach.c: programs onto devices.  tc by a link of TCX (Linux 6.6), else by a
 * filter of clsact; XDP by a link.  What stands where is asked of the pins and the kernel, not
 * remembered.
 */
#include "datapath/kernel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bpffs.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/text.h"

/* Ours among the filters of clsact. */
#define TC_PRIORITY 5
#define TC_HANDLE 0x4e1d

/* ---- names of links ---- */

struct stand {
	unsigned ifindex;
	enum kp_prog place;
	bool tc; /* a filter of clsact, its program pinned in place of a link */
};

static void
stand_name(const struct stand *s, char *name, size_t size)
{
	snprintf(name, size, "%u-%s%s", s->ifindex, kp_name(s->place), s->tc ? "-tc" : "");
}

static bool
stand_parse(const char *name, struct stand *s)
{
	char number[16], again[48];
	size_t len = strcspn(name, "-");
	uint64_t ifindex;

	if (len >= sizeof(number))
		return false;
	memcpy(number, name, len);
	number[len] = '\0';
	if (text_u64(number, INT_MAX, &ifindex) < 0)
		return false;
	s->ifindex = (unsigned)ifindex;
	for (int i = 0; i < 2 * KP_NR_PLACES; i++) {
		s->place = (enum kp_prog)(i / 2);
		s->tc = i % 2;
		stand_name(s, again, sizeof(again));
		if (strcmp(name, again) == 0)
			return true;
	}
	return false;
}

/* As the kernel and the file system have it. */
static void
stand_of(const char *pin, const struct stand *s, struct bpf_stand *b)
{
	char name[48];

	*b = (struct bpf_stand){ .ifindex = s->ifindex,
		.where = s->place == KP_XDP ? BPF_WHERE_XDP
		    : s->place == KP_OUT    ? BPF_WHERE_OUT
					    : BPF_WHERE_IN,
		.filter = s->tc,
		.priority = TC_PRIORITY,
		.handle = TC_HANDLE };
	stand_name(s, name, sizeof(name));
	kernel_pin_path(b->pin, pin, "links", name);
	kernel_pin_path(b->next, pin, "next", name);
}

/* As bpf_stand_update(). */
static int
stand_update(const char *pin, const struct stand *s, int prog, bool keep)
{
	struct bpf_stand b;

	stand_of(pin, s, &b);
	return bpf_stand_update(&b, prog, keep);
}

static int
link_create(const char *pin, const struct stand *s, int prog, uint32_t xdp_flags)
{
	struct bpf_stand b;

	stand_of(pin, s, &b);
	return bpf_stand_link(&b, prog, xdp_flags);
}

static int
tc_put(const char *pin, const struct stand *s, int prog)
{
	struct bpf_stand b;

	stand_of(pin, s, &b);
	return bpf_stand_filter(&b, prog);
}

int
kernel_unlink(const char *pin, const char *name)
{
	struct bpf_stand b = { 0 };
	struct stand s;

	if (stand_parse(name, &s))
		stand_of(pin, &s, &b);
	else
		kernel_pin_path(b.pin, pin, "links", name);
	return bpf_stand_remove(&b);
}

/* ---- a place on a device ---- */

static int
put_tc(const struct dp_kernel *k, unsigned ifindex, enum kp_prog place)
{
	struct stand s = { .ifindex = ifindex, .place = place };
	struct stand filter = { .ifindex = ifindex, .place = place, .tc = true };
	int prog = k->set.prog[place], err;

	err = stand_update(k->ask.pin, &s, prog, k->pending);
	if (err == -ENOENT)
		err = stand_update(k->ask.pin, &filter, prog, k->pending);
	if (err != -ENOENT)
		return err;
	err = k->ask.force_clsact ? -EINVAL : link_create(k->ask.pin, &s, prog, 0);
	/* So says a kernel before 6.6, or one without TCX. */
	if (err == -EINVAL || err == -EOPNOTSUPP)
		err = tc_put(k->ask.pin, &filter, prog);
	return err;
}

static void
drop(const struct dp_kernel *k, unsigned ifindex, enum kp_prog place)
{
	struct stand s = { .ifindex = ifindex, .place = place };
	char name[48];

	for (int i = 0; i < 2; i++) {
		int fd, err;

		s.tc = i;
		stand_name(&s, name, sizeof(name));
		fd = kernel_pin_open(k->ask.pin, "links", name);
		if (fd < 0)
			continue;
		close(fd);
		err = kernel_unlink(k->ask.pin, name);
		if (err < 0)
			log_warn("datapath-detach-failed", LOG_S("link", name), LOG_ERR(-err));
	}
}

static enum dp_link_how
xdp_how(unsigned ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	if (bpf_xdp_query((int)ifindex, 0, &opts) < 0 || opts.attach_mode == XDP_ATTACHED_NONE)
		return DP_LINK_TC;
	return opts.attach_mode == XDP_ATTACHED_SKB ? DP_LINK_XDP_GENERIC : DP_LINK_XDP_NATIVE;
}

/*
 * XDP where it gains.  `auto` means native XDP on real devices only: on a veth native XDP takes the
 * segmentation offload from its peer, and frames that it redirects lose their partial checksums;
 * generic XDP copies every frame into one piece.  Both cost more than they give.
 */
static enum dp_link_how
put_xdp(struct dp_kernel *k, unsigned ifindex, const char *name, enum dp_attach attach, bool veth)
{
	struct stand s = { .ifindex = ifindex, .place = KP_XDP };
	int prog = k->set.prog[KP_XDP], err;

	if (attach == DP_ATTACH_TC || (attach == DP_ATTACH_AUTO && veth) ||
	    (attach == DP_ATTACH_AUTO && xdp_how(ifindex) == DP_LINK_XDP_GENERIC))
		drop(k, ifindex, KP_XDP);
	if (attach == DP_ATTACH_TC || (attach == DP_ATTACH_AUTO && veth))
		return DP_LINK_TC;
	err = stand_update(k->ask.pin, &s, prog, k->pending);
	if (err == -ENOENT)
		err = link_create(k->ask.pin, &s, prog, XDP_FLAGS_DRV_MODE);
	if (err < 0 && err != -EBUSY && err != -EEXIST && attach == DP_ATTACH_XDP)
		err = link_create(k->ask.pin, &s, prog, XDP_FLAGS_SKB_MODE);
	if (err == 0)
		return xdp_how(ifindex);
	if (err == -EBUSY || err == -EEXIST)
		snprintf(k->why, sizeof(k->why),
		    "an XDP program of somebody else stands on %s; tc carries the packets. Take it "
		    "off "
		    "(ip link set dev %s xdp off), or set datapath.attach: tc",
		    name, name);
	else if (attach == DP_ATTACH_XDP || err != -EOPNOTSUPP)
		snprintf(k->why, sizeof(k->why),
		    "%s takes no XDP program: %s%s; tc carries the packets", name, strerror(-err),
		    kernel_advice(err));
	return DP_LINK_TC;
}

static int
refuse(struct dp_kernel *k, const char *name, const char *what, int err)
{
	snprintf(k->why, sizeof(k->why), "cannot stand on %s (tc %s): %s%s", name, what,
	    strerror(-err), kernel_advice(err));
	return err;
}

int
dp_kernel_attach(struct dp_kernel *k, unsigned ifindex, const char *name, bool pods,
    enum dp_attach attach, bool veth, enum dp_link_how *how, const char **why)
{
	int err;

	*how = DP_LINK_NONE;
	*why = k->why;
	snprintf(k->why, sizeof(k->why), "%s", k->have ? "" : "the programs are not loaded");
	if (!k->have)
		return -ENODEV;
	/* A device that changes sides has the new program before it loses the old one. */
	if (pods) {
		err = put_tc(k, ifindex, KP_POD);
		if (err < 0)
			return refuse(k, name, "ingress", err);
		drop(k, ifindex, KP_XDP);
		drop(k, ifindex, KP_NET);
		drop(k, ifindex, KP_OUT);
		*how = DP_LINK_TC;
		return 0;
	}
	err = put_tc(k, ifindex, KP_NET);
	if (err < 0)
		return refuse(k, name, "ingress", err);
	err = put_tc(k, ifindex, KP_OUT);
	if (err < 0)
		return refuse(k, name, "egress", err);
	drop(k, ifindex, KP_POD);
	*how = put_xdp(k, ifindex, name, attach, veth);
	return 0;
}

void
dp_kernel_detach(struct dp_kernel *k, unsigned ifindex)
{
	for (enum kp_prog place = 0; place < KP_NR_PLACES; place++)
		drop(k, ifindex, place);
}

/* ---- all of them ---- */

struct each_ctx {
	const char *pin;
	const struct kernel_set *set;
	char *why;
	int err;
	bool any;
	struct stand *stands;
	size_t nr, cap;
};

static void
exchange_one(void *arg, const char *name)
{
	struct each_ctx *ctx = arg;
	struct stand s;
	char device[IF_NAMESIZE] = "?";
	int err;

	if (!stand_parse(name, &s))
		return;
	err = stand_update(ctx->pin, &s, ctx->set->prog[s.place], false);
	if (err == 0 || err == -ENOENT)
		return;
	if (ctx->err == 0)
		snprintf(ctx->why, KERNEL_WHY, "%s goes on with the former program (%s): %s%s",
		    if_indextoname(s.ifindex, device) ? device : name, kp_name(s.place),
		    strerror(-err), kernel_advice(err));
	ctx->err = err;
}

int
kernel_exchange(const char *pin, const struct kernel_set *set, char *why)
{
	struct each_ctx ctx = { .pin = pin, .set = set, .why = why };

	kernel_pin_each(pin, "links", exchange_one, &ctx);
	return ctx.err;
}

/* Those that are alive; the pins of others go. */
static void
collect_one(void *arg, const char *name)
{
	struct each_ctx *ctx = arg;
	struct stand s;

	if (!stand_parse(name, &s)) {
		ctx->any = true;
		return;
	}
	if (stand_update(ctx->pin, &s, -1, true) < 0 ||
	    mem_grow((void **)&ctx->stands, &ctx->cap, ctx->nr, sizeof(s), 0) < 0)
		return;
	ctx->stands[ctx->nr++] = s;
}

bool
kernel_is_attached(const char *pin)
{
	struct each_ctx ctx = { .pin = pin };

	kernel_pin_each(pin, "links", collect_one, &ctx);
	free(ctx.stands);
	return ctx.any || ctx.nr > 0;
}

void
dp_kernel_attached_each(
    struct dp_kernel *k, void (*each)(void *arg, unsigned ifindex, bool pods), void *arg)
{
	struct each_ctx ctx = { .pin = k->ask.pin };

	kernel_pin_each(k->ask.pin, "links", collect_one, &ctx);
	for (size_t i = 0; i < ctx.nr; i++) {
		const struct stand *s = &ctx.stands[i];
		bool told = false;

		for (size_t j = 0; j < i; j++)
			told = told ||
			    (ctx.stands[j].ifindex == s->ifindex &&
				(ctx.stands[j].place == KP_POD) == (s->place == KP_POD));
		if (!told)
			each(arg, s->ifindex, s->place == KP_POD);
	}
	free(ctx.stands);
}
