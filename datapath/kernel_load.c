/*
 * datapath/kernel_load.c: the BPF objects into the kernel, past its verifier; and why not, in words.
 * Runs in the loader's thread; touches nothing but what it is given.
 */
#include "datapath/kernel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/version.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "datapath/objects.h"
#include "lib/mem.h"

/* The last of what libbpf said.  Its callback gets no context, so the place hangs on the thread. */
#define SAID 16384
static _Thread_local char *said;

const char *
kp_name(enum kp_prog p)
{
	static const char *const names[] = {
#define KP_NAME(symbol, name) [KP_##symbol] = #name,
		KP_LIST(KP_NAME)
#undef KP_NAME
	};

	return names[p];
}

uint32_t
kernel_version(void)
{
	unsigned major = 0, minor = 0, patch = 0;
	struct utsname u;

	/* NOLINTNEXTLINE(cert-err34-c): three small numbers, by the kernel's own hand */
	if (uname(&u) < 0 || sscanf(u.release, "%u.%u.%u", &major, &minor, &patch) < 2)
		return 0;
	return KERNEL_VERSION(major, minor, patch);
}

const char *
kernel_advice(int err)
{
	switch (-err) {
	case EPERM:
	case EACCES:
		return "; run Herald as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN (and "
		       "CAP_SYS_ADMIN to mount)";
	case ENOMEM:
		return "; the node is short of memory: ask for fewer flows in the configuration";
	case ENOSPC:
		return "; the node's limit is reached: raise it, or ask for less in the "
		       "configuration";
	default:
		return "";
	}
}

/* Keep the end: the verifier gives its reason last. */
static int __attribute__((format(printf, 2, 0)))
hear(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char *line = NULL;
	size_t len, had, drop;

	if (!said || level == LIBBPF_DEBUG || vasprintf(&line, fmt, ap) < 0)
		return 0;
	len = strlen(line);
	had = strlen(said);
	if (len >= SAID) {
		memcpy(said, line + len - (SAID - 1), SAID);
	} else {
		drop = had + len >= SAID ? had + len - (SAID - 1) : 0;
		memmove(said, said + drop, had - drop);
		memcpy(said + had - drop, line, len + 1);
	}
	free(line);
	return 0;
}

/* ---- why not ---- */

/* Feature by feature, with the version that brought it; asked only when loading failed. */
static const char *
feature_missing(char *buf, size_t size)
{
	/* clang-format off */
	static const struct { enum bpf_map_type type; const char *name, *since; } maps[] = {
		{ BPF_MAP_TYPE_LRU_HASH, "LRU hash maps",   "4.10" },
		{ BPF_MAP_TYPE_LPM_TRIE, "LPM trie maps",   "4.11" },
		{ BPF_MAP_TYPE_RINGBUF,  "BPF ring buffers", "5.8" },
	};
	static const struct { enum bpf_prog_type type; const char *name, *since; } progs[] = {
		{ BPF_PROG_TYPE_SCHED_CLS,        "tc programs (CONFIG_NET_CLS_BPF)",          "4.1" },
		{ BPF_PROG_TYPE_XDP,              "XDP programs",                              "4.8" },
		{ BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "programs for sockets (CONFIG_CGROUP_BPF)",  "4.17" },
	};
	static const struct { enum bpf_func_id id; const char *name, *since; } helpers[] = {
		{ BPF_FUNC_fib_lookup,     "bpf_fib_lookup()",     "4.18" },
		{ BPF_FUNC_redirect_neigh, "bpf_redirect_neigh()", "5.10" },
		{ BPF_FUNC_redirect_peer,  "bpf_redirect_peer()",  "5.10" },
	};
	/* clang-format on */
	const char *name = NULL, *since = NULL;

	for (size_t i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++) {
		if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, helpers[i].id, NULL) == 0)
			name = helpers[i].name, since = helpers[i].since;
	}
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		if (libbpf_probe_bpf_map_type(maps[i].type, NULL) == 0)
			name = maps[i].name, since = maps[i].since;
	}
	for (size_t i = 0; i < sizeof(progs) / sizeof(progs[0]); i++) {
		if (libbpf_probe_bpf_prog_type(progs[i].type, NULL) == 0)
			name = progs[i].name, since = progs[i].since;
	}
	if (!name)
		return "";
	snprintf(buf, size, "; it lacks %s, which Linux has since %s", name, since);
	return buf;
}

/* The reason in what libbpf said: the line before the verifier's account of its work, else the
 * last one that complains. */
static const char *
reason_line(char *log)
{
	const char *best = "";
	char *save = NULL;

	for (char *line = strtok_r(log, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "processed ", 10) == 0 || strncmp(line, "-- END", 6) == 0)
			break;
		if (*line && strncmp(line, "-- BEGIN", 8) != 0)
			best = line;
	}
	return strncmp(best, "libbpf: ", 8) == 0 ? best + 8 : best;
}

/* Whom libbpf could not load: "prog 'herald_net': BPF program load failed". */
static void
culprit(const char *log, char *name, size_t size)
{
	const char *at = strstr(log, "prog '");
	size_t len;

	name[0] = '\0';
	if (!at)
		return;
	at += strlen("prog '");
	len = strcspn(at, "'");
	if (len < size) {
		memcpy(name, at, len);
		name[len] = '\0';
	}
}

static void
say_refusal(const char *what, int err, char *why)
{
	char lacks[160] = "", name[64], whom[80], reason[300];
	/* EACCES is what the verifier says of code, not of who loads it. */
	const char *reaction = err == -EACCES ? "" : kernel_advice(err);
	struct utsname u = { .release = "?" };

	(void)uname(&u);
	if (err == -EPERM) {
		snprintf(why, KERNEL_WHY, "cannot load %s: %s%s", what, strerror(-err), reaction);
		return;
	}
	culprit(said, name, sizeof(name));
	snprintf(whom, sizeof(whom), "%s%s", name[0] ? "the program " : what, name);
	snprintf(reason, sizeof(reason), "%s", reason_line(said));
	feature_missing(lacks, sizeof(lacks));
	if (lacks[0])
		reaction = "; use a newer kernel, or datapath.mode: none";
	else if (kernel_version() < KERNEL_VERSION(5, 10, 0))
		reaction = "; Linux 5.10 or newer is needed";
	else if (!reaction[0])
		reaction = "; please report this with your kernel's version";
	snprintf(why, KERNEL_WHY, "Linux %s refused %s: %s%s%s%s%s%s", u.release, whom,
	    strerror(-err), reason[0] ? " (" : "", reason, reason[0] ? ")" : "", lacks, reaction);
}

/* ---- objects ---- */

static struct bpf_object *
object_open(const uint8_t *bytes, uint32_t len, const char *name, char *why)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = name);
	struct bpf_object *obj = bpf_object__open_mem(bytes, len, &opts);

	if (!obj)
		say_refusal("the BPF object in this binary", -errno, why);
	return obj;
}

static struct bpf_map *
object_rodata(const struct bpf_object *obj)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj)
	{
		if (bpf_map__is_internal(map) && strstr(bpf_map__name(map), ".rodata"))
			return map;
	}
	return NULL;
}

/* Where an option stands in .rodata, by the object's types; -ENOENT. */
static int
option_offset(const struct bpf_object *obj, const char *name)
{
	const struct btf *btf = bpf_object__btf(obj);
	int id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -1;
	const struct btf_type *section = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;

	for (unsigned i = 0; section && i < btf_vlen(section); i++) {
		const struct btf_var_secinfo *var = btf_var_secinfos(section) + i;
		const struct btf_type *type = btf__type_by_id(btf, var->type);

		if (strcmp(btf__name_by_offset(btf, type->name_off), name) == 0)
			return var->size == sizeof(uint32_t) ? (int)var->offset : -EINVAL;
	}
	return -ENOENT;
}

/* An option of the programs: `const volatile __u32 name`. */
static int
object_option(struct bpf_object *obj, const char *name, uint32_t value)
{
	struct bpf_map *map = object_rodata(obj);
	int offset = option_offset(obj, name), err;
	size_t len = 0;
	const void *now = map ? bpf_map__initial_value(map, &len) : NULL;
	char *data;

	if (offset < 0 || !now || (size_t)offset + sizeof(value) > len)
		return -ENOENT;
	data = mem_calloc(1, len);
	if (!data)
		return -ENOMEM;
	memcpy(data, now, len);
	memcpy(data + offset, &value, sizeof(value));
	err = bpf_map__set_initial_value(map, data, len);
	mem_free(data);
	return err;
}

static uint32_t
object_entries(const struct bpf_object *obj, enum dp_map m)
{
	return bpf_map__max_entries(bpf_object__find_map_by_name(obj, kernel_map_name(m)));
}

static int
set_options(struct bpf_object *obj, char *why)
{
	if (object_option(obj, "flow4_mask", object_entries(obj, DP_MAP_FLOWS4) - 1) == 0 &&
	    object_option(obj, "flow6_mask", object_entries(obj, DP_MAP_FLOWS6) - 1) == 0 &&
	    object_option(obj, "hop_mask", object_entries(obj, DP_MAP_HOPS) - 1) == 0)
		return 0;
	snprintf(why, KERNEL_WHY,
	    "the BPF object in this binary lacks the options of the programs; it was built "
	    "wrongly");
	return -ENOENT;
}

/* Descriptors of the programs in [@from, @to). */
static int
take_programs(
    const struct bpf_object *obj, struct kernel_set *set, enum kp_prog from, enum kp_prog to)
{
	char name[32];

	for (enum kp_prog p = from; p < to; p++) {
		const struct bpf_program *prog;

		snprintf(name, sizeof(name), "herald_%s", kp_name(p));
		prog = bpf_object__find_program_by_name(obj, name);
		if (!prog)
			return -ENOENT;
		set->prog[p] = fcntl(bpf_program__fd(prog), F_DUPFD_CLOEXEC, 0);
		if (set->prog[p] < 0)
			return -errno;
	}
	return 0;
}

static int
fill_slow(const struct kernel_set *set)
{
	for (uint32_t i = 0; i < LB_NR_SLOW; i++) {
		if (bpf_map_update_elem(
			set->maps.fd[DP_MAP_SLOW], &i, &set->prog[KP_SLOW4 + i], BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

static int
load_lb(const struct kernel_ask *ask, bool old, struct kernel_set *set, char *why)
{
	struct bpf_object *obj = old ? object_open(object_lb_old, object_lb_old_len, "herald", why)
				     : object_open(object_lb, object_lb_len, "herald", why);
	int err;

	if (!obj)
		return -EINVAL;
	err = kernel_maps_prepare(obj, ask, &set->adopted, why);
	if (err == 0)
		err = set_options(obj, why);
	if (err == 0) {
		err = bpf_object__load(obj);
		if (err < 0)
			say_refusal("the BPF programs", err, why);
	}
	if (err == 0)
		err = kernel_maps_take(obj, ask, set->adopted, &set->maps, why);
	if (err == 0) {
		err = take_programs(obj, set, KP_XDP, KP_SOCK);
		if (err == 0)
			err = fill_slow(set);
		if (err < 0)
			snprintf(why, KERNEL_WHY, "the BPF programs do not hang together: %s",
			    strerror(-err));
	}
	if (err == 0)
		set->rodata = fcntl(bpf_map__fd(object_rodata(obj)), F_DUPFD_CLOEXEC, 0);
	bpf_object__close(obj);
	return err;
}

/* The programs of sockets stand on the same maps.  Without them all but socketLB works. */
static void
load_sock(struct kernel_set *set)
{
	struct bpf_object *obj = object_open(object_sock, object_sock_len, "herald", set->sock_why);
	int err = 0;

	if (!obj)
		return;
	for (enum dp_map m = 0; m < DP_NR_MAPS && err == 0; m++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, kernel_map_name(m));

		if (map)
			err = bpf_map__reuse_fd(map, set->maps.fd[m]);
	}
	(void)object_option(obj, "flow4_mask", set->maps.nr[DP_MAP_FLOWS4] - 1);
	(void)object_option(obj, "flow6_mask", set->maps.nr[DP_MAP_FLOWS6] - 1);
	(void)object_option(obj, "hop_mask", set->maps.nr[DP_MAP_HOPS] - 1);
	if (err == 0)
		err = bpf_object__load(obj);
	if (err == 0)
		err = take_programs(obj, set, KP_SOCK, KP_NR);
	if (err < 0)
		say_refusal("the BPF programs for sockets (socketLB)", err, set->sock_why);
	set->sock = err == 0;
	bpf_object__close(obj);
}

void
kernel_set_init(struct kernel_set *set)
{
	memset(set, 0, sizeof(*set));
	for (enum dp_map m = 0; m < DP_NR_MAPS; m++)
		set->maps.fd[m] = -1;
	for (enum kp_prog p = 0; p < KP_NR; p++)
		set->prog[p] = -1;
	set->rodata = -1;
}

void
kernel_set_fini(struct kernel_set *set)
{
	kernel_maps_close(&set->maps);
	for (enum kp_prog p = 0; p < KP_NR; p++) {
		if (set->prog[p] >= 0)
			close(set->prog[p]);
	}
	if (set->rodata >= 0)
		close(set->rodata);
	kernel_set_init(set);
}

int
kernel_load(const struct kernel_ask *ask, struct kernel_set *set, char *why)
{
	char log[SAID] = "";
	bool old = ask->force_old || kernel_version() < KERNEL_VERSION(5, 12, 0);
	int err;

	said = log;
	libbpf_set_print(hear);
	err = load_lb(ask, old, set, why);
	/* A new kernel on a machine for which it compiles no such atomics yet says so only now.  When
	 * the other object does no better, the reason is the first one's. */
	if (!old && (err == -EINVAL || err == -EOPNOTSUPP || err == -524 /* ENOTSUPP */)) {
		char other[KERNEL_WHY];

		kernel_set_fini(set);
		log[0] = '\0';
		if (load_lb(ask, true, set, other) == 0)
			err = 0;
	}
	log[0] = '\0';
	if (err == 0)
		load_sock(set);
	if (err == 0 && set->adopted) {
		set->copied = true;
		set->copied_at = (uint16_t)lb_now();
		err = kernel_maps_take_flows(ask, &set->maps, why);
	}
	said = NULL;
	return err;
}
