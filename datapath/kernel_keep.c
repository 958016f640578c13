/*
 * datapath/kernel_keep.c: whether what is pinned is what this binary would load.  Called by kernel.c
 * before anything is loaded: a restart then costs neither the verifier's time nor an exchange.
 *
 * Beside the maps lies one more, `origin`: which objects were loaded, and the numbers that the kernel
 * gave to all that came of them.  It is taken away before programs are exchanged and written when
 * that is done, so it never tells of a half.
 */
#include "datapath/kernel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "datapath/objects.h"
#include "lib/bpffs.h"
#include "lib/hash.h"
#include "lib/log.h"

#define ORIGIN "origin"

struct origin {
	uint64_t objects; /* hash of the objects in the binary */
	uint32_t map[DP_NR_MAPS], rodata, prog[KP_NR];
};

/* Keys that never change: another process compares. */
static uint64_t
objects_hash(bool force_old)
{
	uint64_t h = hash_keyed(0x6865726f6c642d62u, force_old, object_lb, object_lb_len);

	h = hash_keyed(0x6865726f6c642d62u, h, object_lb_old, object_lb_old_len);
	return hash_keyed(0x6865726f6c642d62u, h, object_sock, object_sock_len);
}

uint32_t
kernel_map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0 ? 0 : info.id;
}

static void
origin_of(const struct kernel_set *set, bool force_old, struct origin *o)
{
	memset(o, 0, sizeof(*o));
	o->objects = objects_hash(force_old);
	for (enum dp_map m = 0; m < DP_NR_MAPS; m++)
		o->map[m] = kernel_map_id(set->maps.fd[m]);
	o->rodata = kernel_map_id(set->rodata);
	for (enum kp_prog p = 0; p < KP_NR; p++)
		o->prog[p] = bpf_prog_number(set->prog[p]);
}

static bool
origin_read(const char *pin, struct origin *o)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info), zero = 0;
	int fd = kernel_pin_open(pin, "maps", ORIGIN);
	bool ok;

	if (fd < 0)
		return false;
	/* A lookup writes as many bytes as the map says, so that is asked first. */
	ok = bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.type == BPF_MAP_TYPE_ARRAY &&
	    info.value_size == sizeof(*o) && bpf_map_lookup_elem(fd, &zero, o) == 0;
	close(fd);
	return ok;
}

/* All that is pinned, into @set; some may not be there. */
static int
open_all(const struct kernel_ask *ask, struct kernel_set *set, char *why)
{
	for (enum kp_prog p = 0; p < KP_NR; p++)
		set->prog[p] = kernel_pin_open(ask->pin, "progs", kp_name(p));
	set->rodata = kernel_pin_open(ask->pin, "maps", "rodata");
	return kernel_maps_keep(ask, &set->maps, why);
}

/* A process that may not load could go on with what is there, and would not say that it can do no
 * more than that until it has to. */
static bool
may_load(void)
{
	const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "herald_may", "Dual BSD/GPL", nothing,
	    sizeof(nothing) / sizeof(nothing[0]), NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool
kernel_keep(const struct kernel_ask *ask, struct kernel_set *set)
{
	struct origin was, is;
	char why[KERNEL_WHY];

	if (!origin_read(ask->pin, &was) || was.objects != objects_hash(ask->force_old) ||
	    !kernel_maps_suffice(ask) || !may_load())
		return false;
	if (open_all(ask, set, why) == 0) {
		origin_of(set, ask->force_old, &is);
		if (memcmp(&was, &is, sizeof(is)) == 0 && is.prog[KP_SOCK] != 0) {
			set->adopted = set->sock = set->kept = true;
			return true;
		}
	}
	kernel_set_fini(set);
	return false;
}

void
kernel_keep_forget(const char *pin)
{
	char path[KERNEL_PATH];

	kernel_pin_path(path, pin, "maps", ORIGIN);
	unlink(path);
}

/* Without it the next start loads again, no more. */
void
kernel_keep_note(const struct kernel_ask *ask, const struct kernel_set *set)
{
	struct origin o;
	uint32_t zero = 0;
	int fd, err = 0;

	origin_of(set, ask->force_old, &o);
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, ORIGIN, sizeof(zero), sizeof(o), 1, NULL);
	if (fd < 0 || bpf_map_update_elem(fd, &zero, &o, BPF_ANY) < 0)
		err = -errno;
	if (err == 0)
		err = kernel_pin_over(fd, ask->pin, "maps", ORIGIN);
	if (fd >= 0)
		close(fd);
	if (err < 0)
		log_warn("datapath-origin-not-kept", LOG_S("pin", ask->pin), LOG_ERR(err));
}
