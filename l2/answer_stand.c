/*
 * l2/answer_stand.c: the answering program on devices, at tc ingress: by a link of TCX (Linux 6.6),
 * else by a filter of clsact.  Where among other programs it stands does not matter: those of the
 * load balancer let ARP and neighbour discovery through, and it lets through all else.
 */
#include "l2/answer.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bpffs.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/text.h"

/* Ours among the filters of clsact. */
#define TC_PRIORITY 4
#define TC_HANDLE 0x4e1e

struct place {
	unsigned ifindex;
	bool tc; /* a filter of clsact, its program pinned in place of a link */
};

static void
place_name(const struct place *p, char *name, size_t size)
{
	snprintf(name, size, "%u%s", p->ifindex, p->tc ? "-tc" : "");
}

static bool
place_parse(const char *name, struct place *p)
{
	char number[16];
	size_t len = strcspn(name, "-");
	uint64_t ifindex;

	if (len >= sizeof(number) || (name[len] && strcmp(name + len, "-tc") != 0))
		return false;
	memcpy(number, name, len);
	number[len] = '\0';
	if (text_u64(number, INT_MAX, &ifindex) < 0)
		return false;
	*p = (struct place){ .ifindex = (unsigned)ifindex, .tc = name[len] != '\0' };
	return true;
}

/* As the kernel and the file system have it. */
static void
place_stand(const struct answer *a, const struct place *p, struct bpf_stand *s)
{
	char name[32], in[48];

	*s = (struct bpf_stand){ .ifindex = p->ifindex,
		.where = BPF_WHERE_IN,
		.filter = p->tc,
		.priority = TC_PRIORITY,
		.handle = TC_HANDLE };
	place_name(p, name, sizeof(name));
	snprintf(in, sizeof(in), "links/%s", name);
	answer_pin_path(s->pin, a, in);
	snprintf(in, sizeof(in), "next/%s", name);
	answer_pin_path(s->next, a, in);
}

int
answer_attach(struct answer *a, unsigned ifindex, const char *name)
{
	const struct place filter_place = { .ifindex = ifindex, .tc = true };
	struct bpf_stand link, filter;
	int err;

	place_stand(a, &(struct place){ .ifindex = ifindex }, &link);
	place_stand(a, &filter_place, &filter);
	err = bpf_stand_update(&link, a->prog, false);
	if (err == -ENOENT)
		err = bpf_stand_update(&filter, a->prog, false);
	if (err == -ENOENT) {
		err = a->force_clsact ? -EINVAL : bpf_stand_link(&link, a->prog, 0);
		/* So says a kernel before 6.6, or one without TCX. */
		if (err == -EINVAL || err == -EOPNOTSUPP)
			err = bpf_stand_filter(&filter, a->prog);
	}
	if (err < 0)
		snprintf(a->why, sizeof(a->why), "cannot stand on %s (tc ingress): %s%s", name,
		    strerror(-err), answer_advice(err));
	return err;
}

int
answer_unlink(struct answer *a, const char *name)
{
	struct bpf_stand s = { 0 };
	struct place p;
	char in[48];

	if (place_parse(name, &p)) {
		place_stand(a, &p, &s);
	} else {
		snprintf(in, sizeof(in), "links/%s", name);
		answer_pin_path(s.pin, a, in);
	}
	return bpf_stand_remove(&s);
}

void
answer_detach(struct answer *a, unsigned ifindex)
{
	for (int i = 0; i < 2; i++) {
		struct place p = { .ifindex = ifindex, .tc = i };
		struct bpf_stand s;
		int fd, err;

		place_stand(a, &p, &s);
		fd = bpffs_open(s.pin);
		if (fd < 0)
			continue;
		close(fd);
		err = bpf_stand_remove(&s);
		if (err < 0)
			log_warn("l2-detach-failed", LOG_S("link", s.pin), LOG_ERR(-err));
	}
}

/* ---- all of them ---- */

struct collection {
	const struct answer *a;
	unsigned *ifindex;
	size_t nr, cap;
};

static void
collect_one(void *arg, const char *name)
{
	struct collection *c = arg;
	struct bpf_stand s;
	struct place p;

	if (!place_parse(name, &p))
		return;
	place_stand(c->a, &p, &s);
	if (bpf_stand_update(&s, -1, true) < 0 ||
	    mem_grow((void **)&c->ifindex, &c->cap, c->nr, sizeof(*c->ifindex), 0) < 0)
		return;
	c->ifindex[c->nr++] = p.ifindex;
}

void
answer_attached_each(
    struct answer *a, void (*each)(void *arg, struct answer *, unsigned ifindex), void *arg)
{
	struct collection c = { .a = a };
	char path[ANSWER_PATH];

	answer_pin_path(path, a, "links");
	bpffs_each(path, collect_one, &c);
	for (size_t i = 0; i < c.nr; i++)
		each(arg, a, c.ifindex[i]);
	mem_free(c.ifindex);
}
