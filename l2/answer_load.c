/*
 * l2/answer_load.c: brings the answering program and its maps into the kernel, carries on with the
 * maps that an earlier process left, and takes all of it out.  The program is small: the verifier
 * needs a few milliseconds, so that no thread is worth it.
 */
#include "l2/answer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "l2/objects.h"
#include "lib/bpffs.h"
#include "lib/log.h"

static const char *const names[ANSWER_NR_MAPS] = { "addrs", "devices", "state", "counters",
	"events", "watched" };

const char *
answer_advice(int err)
{
	switch (-err) {
	case EPERM:
	case EACCES:
		return "; run Herald as root, or with CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and "
		       "CAP_NET_RAW";
	case ENOMEM:
		return "; the node is short of memory";
	case E2BIG:
	case ENOSPC:
		return "; a limit is reached: announce fewer addresses on fewer devices";
	default:
		return "";
	}
}

static int
fail(struct answer *a, int err, const char *what, const char *on)
{
	snprintf(a->why, sizeof(a->why), "%s%s%s: %s%s", what, *on ? " " : "", on, strerror(-err),
	    answer_advice(err));
	return err;
}

/* ---- the folder ---- */

void
answer_pin_path(char *path, const struct answer *a, const char *name)
{
	snprintf(path, ANSWER_PATH, "%s/%s", a->pin, name);
}

static int
pin_make(struct answer *a)
{
	static const char *const folders[] = { "links", "next" };
	char path[ANSWER_PATH];
	int err;

	err = bpffs_mount_usual(a->pin);
	if (err < 0)
		return fail(a, err, "cannot mount the BPF file system at", BPFFS_USUAL);
	err = bpffs_make_path(a->pin);
	for (size_t i = 0; err == 0 && i < sizeof(folders) / sizeof(folders[0]); i++) {
		answer_pin_path(path, a, folders[i]);
		err = mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
	}
	if (err < 0)
		return fail(a, err, "cannot make the directory (pinPath)", a->pin);
	if (!bpffs_is(a->pin)) {
		snprintf(a->why, sizeof(a->why),
		    "%s (pinPath) is not on a BPF file system; mount one there: mount -t bpf bpf "
		    "%s",
		    a->pin, a->pin);
		return -EINVAL;
	}
	return 0;
}

static int
pin_over(const struct answer *a, int fd, const char *name)
{
	char path[ANSWER_PATH], next[ANSWER_PATH], beside[64];

	snprintf(beside, sizeof(beside), "next/%s", name);
	answer_pin_path(path, a, name);
	answer_pin_path(next, a, beside);
	return bpffs_pin(fd, path, next);
}

/* ---- loading ---- */

static int __attribute__((format(printf, 2, 0)))
hear(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char line[256];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	log_debug("l2-libbpf", LOG_S("said", line));
	return 0;
}

/* Could @fd stand for @map? */
static bool
fits(int fd, const struct bpf_map *map)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0 &&
	    info.type == bpf_map__type(map) && info.key_size == bpf_map__key_size(map) &&
	    info.value_size == bpf_map__value_size(map) &&
	    info.max_entries == bpf_map__max_entries(map) &&
	    info.map_flags == bpf_map__map_flags(map);
}

/* What is answered: with another meaning none of it could be read. */
static bool
is_ours(const struct answer *a, const struct bpf_object *obj, const int *from)
{
	struct l2_state state;
	uint32_t zero = 0;

	for (enum answer_map m = ANSWER_ADDRS; m <= ANSWER_STATE; m++) {
		if (!fits(from[m], bpf_object__find_map_by_name(obj, names[m])))
			return false;
	}
	if (bpf_map_lookup_elem(from[ANSWER_STATE], &zero, &state) < 0 ||
	    state.abi != L2_ABI_VERSION) {
		log_warn("l2-maps-replaced", LOG_S("pin", a->pin), LOG_S("why", "another layout"));
		return false;
	}
	return true;
}

/* Goes on with the maps that an earlier process left.  One that only tells, as the counters of a
 * version that counted less, is made anew without touching what is answered. */
static bool
adopt(const struct answer *a, struct bpf_object *obj, const int *from, bool *reused)
{
	if (!is_ours(a, obj, from))
		return false;
	for (enum answer_map m = 0; m < ANSWER_NR_PINS; m++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, names[m]);

		reused[m] = fits(from[m], map) && bpf_map__reuse_fd(map, from[m]) == 0;
		if (!reused[m] && m <= ANSWER_STATE)
			return false;
	}
	return true;
}

/* Descriptors of what was loaded, and pins of what is new. */
static int
take(struct answer *a, struct bpf_object *obj, const bool *reused)
{
	const struct bpf_program *prog = bpf_object__find_program_by_name(obj, "herald_l2");
	int err = 0;

	if (!prog)
		return fail(a, -ENOENT, "the BPF object in this binary was built wrongly", "");
	a->prog = fcntl(bpf_program__fd(prog), F_DUPFD_CLOEXEC, 0);
	if (a->prog < 0)
		return fail(a, -errno, "cannot keep the BPF program", "");
	for (enum answer_map m = 0; m < ANSWER_NR_MAPS; m++) {
		int fd = bpf_map__fd(bpf_object__find_map_by_name(obj, names[m]));

		a->map[m] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (a->map[m] < 0)
			return fail(a, -errno, "cannot keep the BPF map", names[m]);
	}
	if (!a->adopted)
		err = answer_until(a, 0);
	for (enum answer_map m = 0; err == 0 && m < ANSWER_NR_PINS; m++) {
		if (!reused[m])
			err = pin_over(a, a->map[m], names[m]);
	}
	return err < 0 ? fail(a, err, "cannot pin maps under", a->pin) : 0;
}

static int
load(struct answer *a, const int *from)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "herald_l2");
	libbpf_print_fn_t before = libbpf_set_print(hear);
	bool reused[ANSWER_NR_PINS] = { false };
	struct bpf_object *obj;
	int err;

	obj = bpf_object__open_mem(object_l2, object_l2_len, &opts);
	if (!obj) {
		libbpf_set_print(before);
		return fail(a, -errno, "cannot open the BPF object in this binary", "");
	}
	a->adopted = adopt(a, obj, from, reused);
	err = bpf_object__load(obj);
	if (err < 0)
		err =
		    fail(a, err, "the kernel refused the BPF program that answers ARP and ND", "");
	else
		err = take(a, obj, reused);
	bpf_object__close(obj);
	libbpf_set_print(before);
	return err;
}

int
answer_init(struct answer *a, const char *pin_path)
{
	*a = (struct answer){ .prog = -1 };
	for (enum answer_map m = 0; m < ANSWER_NR_MAPS; m++)
		a->map[m] = -1;
	/* Room for the longest name below. */
	if ((size_t)snprintf(a->pin, sizeof(a->pin), "%s/l2", pin_path) >= sizeof(a->pin))
		return -ENAMETOOLONG;
	return 0;
}

bool
answer_is_pinned(const struct answer *a)
{
	return bpffs_is(a->pin);
}

int
answer_load(struct answer *a)
{
	int from[ANSWER_NR_PINS], err;
	char path[ANSWER_PATH];

	if (answer_is_loaded(a))
		return 0;
	err = pin_make(a);
	if (err < 0)
		return err;
	for (enum answer_map m = 0; m < ANSWER_NR_PINS; m++) {
		answer_pin_path(path, a, names[m]);
		from[m] = bpffs_open(path);
	}
	err = load(a, from);
	for (enum answer_map m = 0; m < ANSWER_NR_PINS; m++) {
		if (from[m] >= 0)
			close(from[m]);
	}
	if (err < 0)
		answer_close(a);
	else
		a->why[0] = '\0';
	return err;
}

bool
answer_is_loaded(const struct answer *a)
{
	return a->prog >= 0;
}

void
answer_close(struct answer *a)
{
	ring_buffer__free(a->ring);
	a->ring = NULL;
	for (enum answer_map m = 0; m < ANSWER_NR_MAPS; m++) {
		if (a->map[m] >= 0)
			close(a->map[m]);
		a->map[m] = -1;
	}
	if (a->prog >= 0)
		close(a->prog);
	a->prog = -1;
}

/* ---- taking all out ---- */

struct removal {
	struct answer *a;
	int err;
};

static void
unlink_one(void *arg, const char *name)
{
	struct removal *r = arg;
	int err = answer_unlink(r->a, name);

	if (err < 0 && r->err == 0)
		r->err = err;
}

/* Devices first: what is still attached must find its maps. */
int
answer_remove(struct answer *a)
{
	static const char *const folders[] = { "links", "next", "" };
	struct removal r = { .a = a };
	char path[ANSWER_PATH];

	answer_close(a);
	if (!answer_is_pinned(a))
		return 0;
	answer_pin_path(path, a, "links");
	bpffs_each(path, unlink_one, &r);
	for (enum answer_map m = 0; m < ANSWER_NR_PINS; m++) {
		answer_pin_path(path, a, names[m]);
		if (unlink(path) < 0 && errno != ENOENT && r.err == 0)
			r.err = -errno;
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		answer_pin_path(path, a, folders[i]);
		if (rmdir(path) < 0 && errno != ENOENT && r.err == 0)
			r.err = -errno;
	}
	return r.err;
}
