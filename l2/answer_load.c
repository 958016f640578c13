/*
 * l2/answer_load.c: brings the answering program and its maps into the kernel, carries on with the
 * maps that an earlier process left, and takes all of it out.  The program is small: the verifier
 * needs a few milliseconds, so that no thread is worth it.
 */
#include "l2/answer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "l2/objects.h"
#include "lib/log.h"
#include "lib/mem.h"

#define USUAL "/sys/fs/bpf" /* where everybody expects it; systemd mounts it at boot */

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

static bool
is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

void
answer_pin_path(char *path, const struct answer *a, const char *name)
{
	snprintf(path, ANSWER_PATH, "%s/%s", a->pin, name);
}

/* Like mkdir -p. */
static int
make_path(const char *path)
{
	char part[ANSWER_PATH];

	snprintf(part, sizeof(part), "%s", path);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(part, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int
pin_make(struct answer *a)
{
	static const char *const folders[] = { "links", "next" };
	char path[ANSWER_PATH];
	int err;

	/* The usual place may be there with nothing mounted, as in a container. */
	if (strncmp(a->pin, USUAL "/", strlen(USUAL) + 1) == 0 && !is_bpffs(USUAL) &&
	    mount("bpf", USUAL, "bpf", 0, "mode=0700") < 0)
		return fail(a, -errno, "cannot mount the BPF file system at", USUAL);
	err = make_path(a->pin);
	for (size_t i = 0; err == 0 && i < sizeof(folders) / sizeof(folders[0]); i++) {
		answer_pin_path(path, a, folders[i]);
		err = mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
	}
	if (err < 0)
		return fail(a, err, "cannot make the directory (pinPath)", a->pin);
	if (!is_bpffs(a->pin)) {
		snprintf(a->why, sizeof(a->why),
		    "%s (pinPath) is not on a BPF file system; mount one there: mount -t bpf bpf "
		    "%s",
		    a->pin, a->pin);
		return -EINVAL;
	}
	return 0;
}

int
answer_pin_over(const struct answer *a, int fd, const char *name)
{
	char path[ANSWER_PATH], next[ANSWER_PATH], beside[64];
	const char *base = strrchr(name, '/');

	snprintf(beside, sizeof(beside), "next/%s", base ? base + 1 : name);
	answer_pin_path(path, a, name);
	answer_pin_path(next, a, beside);
	unlink(next);
	if (bpf_obj_pin(fd, next) < 0)
		return -errno;
	if (rename(next, path) < 0) {
		int err = -errno;

		unlink(next);
		return err;
	}
	return 0;
}

/* The names are read before the first is told: the folder may change under our hands. */
void
answer_links_each(
    struct answer *a, void (*each)(void *arg, struct answer *, const char *name), void *arg)
{
	char path[ANSWER_PATH], **list = NULL;
	size_t nr = 0, cap = 0;
	struct dirent *entry;
	DIR *dir;

	answer_pin_path(path, a, "links");
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    mem_grow((void **)&list, &cap, nr, sizeof(*list), 0) < 0)
			continue;
		list[nr++] = xstrdup(entry->d_name);
	}
	closedir(dir);
	for (size_t i = 0; i < nr; i++) {
		each(arg, a, list[i]);
		free(list[i]);
	}
	free((void *)list);
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
			err = answer_pin_over(a, a->map[m], names[m]);
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
	return is_bpffs(a->pin);
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
		from[m] = bpf_obj_get(path);
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

static void
unlink_one(void *arg, struct answer *a, const char *name)
{
	int *err = arg, e = answer_unlink(a, name);

	if (e < 0 && *err == 0)
		*err = e;
}

/* Devices first: what is still attached must find its maps. */
int
answer_remove(struct answer *a)
{
	static const char *const folders[] = { "links", "next", "" };
	char path[ANSWER_PATH];
	int err = 0;

	answer_close(a);
	if (!answer_is_pinned(a))
		return 0;
	answer_links_each(a, unlink_one, &err);
	for (enum answer_map m = 0; m < ANSWER_NR_PINS; m++) {
		answer_pin_path(path, a, names[m]);
		if (unlink(path) < 0 && errno != ENOENT && err == 0)
			err = -errno;
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		answer_pin_path(path, a, folders[i]);
		if (rmdir(path) < 0 && errno != ENOENT && err == 0)
			err = -errno;
	}
	return err;
}
