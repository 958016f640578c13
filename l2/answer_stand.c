/*
 * l2/answer_stand.c: the answering program on devices, at tc ingress: by a link of TCX (Linux 6.6),
 * else by a filter of clsact.  Where among other programs it stands does not matter: those of the
 * load balancer let ARP and neighbour discovery through, and it lets through all else.
 */
#include "l2/answer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/text.h"

/* Newer than the headers of Debian 12: enum bpf_attach_type of Linux 6.6. */
#define TCX_INGRESS 46
/* Before all that are there: others may end what they see. */
#define LINK_FIRST (1U << 3)

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
	snprintf(name, size, "links/%u%s", p->ifindex, p->tc ? "-tc" : "");
}

/* @name as in links/. */
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

static int
place_open(const struct answer *a, const struct place *p)
{
	char name[48], path[ANSWER_PATH];
	int fd;

	place_name(p, name, sizeof(name));
	answer_pin_path(path, a, name);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

static int
place_pin(const struct answer *a, const struct place *p, int fd)
{
	char name[48];

	place_name(p, name, sizeof(name));
	return answer_pin_over(a, fd, name);
}

static void
place_forget(const struct answer *a, const struct place *p)
{
	char name[48], path[ANSWER_PATH];

	place_name(p, name, sizeof(name));
	answer_pin_path(path, a, name);
	unlink(path);
}

static uint32_t
prog_id(int fd)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0 ? 0 : info.id;
}

/* ---- clsact ---- */

/* LIBBPF_OPTS() clears the bytes behind the last field too, and libbpf looks at those. */
static void
tc_place(unsigned ifindex, struct bpf_tc_hook *hook, struct bpf_tc_opts *opts)
{
	LIBBPF_OPTS(bpf_tc_hook, h, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, o, .handle = TC_HANDLE, .priority = TC_PRIORITY);

	memcpy(hook, &h, sizeof(h));
	memcpy(opts, &o, sizeof(o));
}

static bool
tc_is_there(unsigned ifindex)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;

	tc_place(ifindex, &hook, &opts);
	return bpf_tc_query(&hook, &opts) == 0;
}

/* Adds or, in one step, replaces. */
static int
tc_put(const struct answer *a, const struct place *p)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;
	int err;

	tc_place(p->ifindex, &hook, &opts);
	err = bpf_tc_hook_create(&hook);
	if (err < 0 && err != -EEXIST)
		return err;
	opts.prog_fd = a->prog;
	opts.flags = BPF_TC_F_REPLACE;
	err = bpf_tc_attach(&hook, &opts);
	return err < 0 ? err : place_pin(a, p, a->prog);
}

/* The qdisc stays: filters of others may hang on it, and it costs nothing without. */
static int
tc_drop(unsigned ifindex)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;
	int err;

	tc_place(ifindex, &hook, &opts);
	err = bpf_tc_detach(&hook, &opts);
	return err == -ENOENT || err == -ENODEV || err == -EINVAL ? 0 : err;
}

/* ---- links ---- */

/* The device that a link stands on; 0: that is gone. */
static unsigned
link_device(int fd, uint32_t *prog)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return 0;
	*prog = info.prog_id;
	/* TCX has it in the same place; the headers here do not know TCX. */
	return info.xdp.ifindex;
}

static int
link_create(const struct answer *a, const struct place *p)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = LINK_FIRST);
	int fd =
	    bpf_link_create(a->prog, (int)p->ifindex, (enum bpf_attach_type)TCX_INGRESS, &opts);
	int err;

	if (fd < 0)
		return -errno;
	/* Not pinned: it goes with the descriptor. */
	err = place_pin(a, p, fd);
	close(fd);
	return err;
}

/* What stands there already goes on with our program; @look: is left as it is.  -ENOENT: nothing
 * does. */
static int
place_update(const struct answer *a, const struct place *p, bool look)
{
	int fd = place_open(a, p), err = 0;
	uint32_t had = 0;
	bool alive;

	if (fd < 0)
		return fd;
	if (p->tc) {
		had = prog_id(fd);
		alive = tc_is_there(p->ifindex);
		if (alive && !look && had != prog_id(a->prog))
			err = tc_put(a, p);
	} else {
		alive = link_device(fd, &had) == p->ifindex;
		if (alive && !look && had != prog_id(a->prog) &&
		    bpf_link_update(fd, a->prog, NULL) < 0)
			err = -errno;
	}
	close(fd);
	if (alive)
		return err;
	/* The device went and took it along; the number may be another device's by now. */
	place_forget(a, p);
	return -ENOENT;
}

int
answer_attach(struct answer *a, unsigned ifindex, const char *name)
{
	struct place link = { .ifindex = ifindex }, filter = { .ifindex = ifindex, .tc = true };
	int err = place_update(a, &link, false);

	if (err == -ENOENT)
		err = place_update(a, &filter, false);
	if (err == -ENOENT) {
		err = a->force_clsact ? -EINVAL : link_create(a, &link);
		/* So says a kernel before 6.6, or one without TCX. */
		if (err == -EINVAL || err == -EOPNOTSUPP)
			err = tc_put(a, &filter);
	}
	if (err < 0)
		snprintf(a->why, sizeof(a->why), "cannot stand on %s (tc ingress): %s%s", name,
		    strerror(-err), answer_advice(err));
	return err;
}

int
answer_unlink(struct answer *a, const char *name)
{
	char path[ANSWER_PATH], in[48];
	struct place p;
	int err = 0, fd;

	snprintf(in, sizeof(in), "links/%s", name);
	answer_pin_path(path, a, in);
	if (place_parse(name, &p) && p.tc) {
		err = tc_drop(p.ifindex);
	} else {
		fd = bpf_obj_get(path);
		/* At once, whoever else may hold it; a link whose device went has nothing to
		 * leave. */
		if (fd >= 0) {
			(void)bpf_link_detach(fd);
			close(fd);
		}
	}
	if (unlink(path) < 0 && errno != ENOENT && err == 0)
		err = -errno;
	return err;
}

void
answer_detach(struct answer *a, unsigned ifindex)
{
	for (int i = 0; i < 2; i++) {
		struct place p = { .ifindex = ifindex, .tc = i };
		int fd = place_open(a, &p), err;
		char name[48];

		if (fd < 0)
			continue;
		close(fd);
		place_name(&p, name, sizeof(name));
		err = answer_unlink(a, name + strlen("links/"));
		if (err < 0)
			log_warn("l2-detach-failed", LOG_S("link", name), LOG_ERR(-err));
	}
}

/* ---- all of them ---- */

struct collection {
	unsigned *ifindex;
	size_t nr, cap;
};

static void
collect_one(void *arg, struct answer *a, const char *name)
{
	struct collection *c = arg;
	struct place p;

	if (!place_parse(name, &p) || place_update(a, &p, true) < 0 ||
	    mem_grow((void **)&c->ifindex, &c->cap, c->nr, sizeof(*c->ifindex), 0) < 0)
		return;
	c->ifindex[c->nr++] = p.ifindex;
}

void
answer_attached_each(
    struct answer *a, void (*each)(void *arg, struct answer *, unsigned ifindex), void *arg)
{
	struct collection c = { 0 };

	answer_links_each(a, collect_one, &c);
	for (size_t i = 0; i < c.nr; i++)
		each(arg, a, c.ifindex[i]);
	mem_free(c.ifindex);
}
