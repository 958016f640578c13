/*
 * tests/unit/l2/bed.c: see bed.h.
 */
#include "tests/unit/l2/bed.h"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "l2/l2.h"
#include "lib/log.h"

unsigned va, vb;
uint8_t mac_a[6] = { 0x02, 0xaa, 0, 0, 0, 1 }, mac_b[6] = { 0x02, 0xbb, 0, 0, 0, 2 };
char base[64], pin[80];

static void
no_log(void *arg, const char *line)
{
	(void)arg;
	if (getenv("L2_LOG"))
		fprintf(stderr, "%s\n", line);
}

int
bed_ip(const char *args)
{
	char copy[200], *argv[24] = { (char *)"ip" }, *save = NULL;
	int argc = 1, status = -1;
	pid_t pid;

	snprintf(copy, sizeof(copy), "%s", args);
	for (char *w = strtok_r(copy, " ", &save); w && argc < 23; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	if (posix_spawnp(&pid, "ip", NULL, NULL, argv, environ) == 0)
		waitpid(pid, &status, 0);
	return status;
}

void
bed_sysctl(const char *path, const char *value)
{
	char whole[128];
	int fd;

	snprintf(whole, sizeof(whole), "/proc/sys/%s", path);
	fd = open(whole, O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_gt(write(fd, value, strlen(value)), 0);
	close(fd);
}

bool
bed_can(void)
{
	unit_not_under_valgrind();
	return unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
	    libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SCHED_CLS, NULL) == 1;
}

void
bed_setup(void)
{
	log_sink(no_log, NULL);
	if (getenv("L2_LOG"))
		log_setup(LOG_LVL_DEBUG, LOG_FMT_LOGFMT);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	/* Of this network, not of the one that the test began in. */
	ck_assert_int_eq(mount("proc", "/proc", "proc", 0, NULL), 0);
	bed_sysctl("net/ipv6/conf/default/accept_dad", "0");
	ck_assert_int_eq(bed_ip("link add va address 02:aa:00:00:00:01 type veth peer name vb "
				"address 02:bb:00:00:00:02"),
	    0);
	ck_assert_int_eq(bed_ip("link set va up"), 0);
	ck_assert_int_eq(bed_ip("link set vb up"), 0);
	va = if_nametoindex("va");
	vb = if_nametoindex("vb");
	snprintf(base, sizeof(base), "/tmp/herald-l2-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	ck_assert_int_eq(mount("bpf", base, "bpf", 0, NULL), 0);
	snprintf(pin, sizeof(pin), "%s/herald", base);
}

void
bed_teardown(void)
{
	ck_assert_int_eq(l2_remove_pinned(pin), 0);
	umount2(base, MNT_DETACH);
	umount2("/proc", MNT_DETACH);
	rmdir(base);
}

struct addr
ip(const char *text)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

/* ---- frames ---- */

static void
put(struct frame *f, const void *bytes, size_t len)
{
	ck_assert_uint_le(f->len + len, sizeof(f->b));
	memcpy(f->b + f->len, bytes, len);
	f->len += len;
}

static void
put16(struct frame *f, unsigned v)
{
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	put(f, b, 2);
}

static void
put8(struct frame *f, unsigned v)
{
	uint8_t b = (uint8_t)v;

	put(f, &b, 1);
}

void
arp_build(struct frame *f, const struct arp *a)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 }, none[6];
	const uint8_t *sha = a->sha ? a->sha : mac_b;
	struct addr spa = ip(a->spa), tpa = ip(a->tpa);

	*f = (struct frame){ .len = 0 };
	put(f, a->dmac ? a->dmac : all, 6);
	put(f, a->smac ? a->smac : sha, 6);
	put16(f, 0x0806);
	put16(f, a->hrd ? a->hrd : 1);
	put16(f, a->pro ? a->pro : 0x0800);
	put8(f, a->hln ? a->hln : 6);
	put8(f, a->pln ? a->pln : 4);
	put16(f, a->op ? a->op : 1);
	put(f, sha, 6);
	put(f, spa.b, 4);
	put(f, a->tha ? a->tha : none, 6);
	put(f, tpa.b, 4);
	for (size_t i = 0; i < a->pad; i++)
		put8(f, 0xee);
}

uint16_t
sum16(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

const char *
group_of(const char *target)
{
	static char ring[4][ADDR_STRLEN];
	static unsigned next;
	struct addr t = ip(target), g = ip("ff02::1:ff00:0");

	memcpy(g.b + 13, t.b + 13, 3);
	return addr_format(&g, ring[next++ % 4], ADDR_STRLEN);
}

static void
put_option(struct frame *f, uint8_t type, const uint8_t *mac)
{
	if (!mac)
		return;
	put8(f, type);
	put8(f, 1);
	put(f, mac, 6);
}

void
nd_build(struct frame *f, const struct nd *n)
{
	static const uint8_t nonce[6] = { 1, 2, 3, 4, 5, 6 };
	struct addr src = ip(n->src), dst = ip(n->dst), target = ip(n->target);
	uint8_t group[6] = { 0x33, 0x33, dst.b[12], dst.b[13], dst.b[14], dst.b[15] };
	size_t icmp, len;
	uint16_t sum;

	*f = (struct frame){ .len = 0 };
	put(f, n->dmac ? n->dmac : dst.b[0] == 0xff ? group : mac_a, 6);
	put(f, n->smac ? n->smac : mac_b, 6);
	put16(f, 0x86dd);
	put16(f, 0x6000);
	put16(f, 0);
	put16(f, 0); /* length */
	put8(f, 58);
	put8(f, n->hop ? n->hop : 255);
	put(f, src.b, 16);
	put(f, dst.b, 16);
	icmp = f->len;
	put8(f, n->type ? n->type : 135);
	put8(f, n->code);
	put16(f, 0); /* checksum */
	put8(f, n->flags);
	put8(f, 0);
	put16(f, 0);
	put(f, target.b, 16);
	put_option(f, OPT_SLLA, n->slla);
	put_option(f, OPT_TLLA, n->tlla);
	if (n->nonce)
		put_option(f, OPT_NONCE, nonce);
	put(f, n->raw ? n->raw : nonce, n->raw ? n->nr_raw : 0);
	len = (size_t)((int)(f->len - icmp) + n->len_off);
	f->b[18] = (uint8_t)(len >> 8);
	f->b[19] = (uint8_t)len;
	if (icmp + len > f->len)
		len = f->len - icmp;
	sum = (uint16_t)~sum16(
	    sum16((uint32_t)(f->b[18] << 8 | f->b[19]) + 58, f->b + 22, 32), f->b + icmp, len);
	if (n->bad_sum)
		sum ^= 0x0100;
	f->b[icmp + 2] = (uint8_t)(sum >> 8);
	f->b[icmp + 3] = (uint8_t)sum;
}

const char *
frame_hex(const struct frame *f)
{
	static char text[4][3 * sizeof(f->b) + 1];
	static unsigned next;
	char *out = text[next++ % 4];

	out[0] = '\0';
	for (size_t i = 0; i < f->len; i++)
		snprintf(out + 3 * i, 4, "%02x%s", f->b[i], i % 16 == 15 ? "\n" : " ");
	return out;
}

bool
frame_is(const struct frame *f, const struct frame *want)
{
	return f->len == want->len && memcmp(f->b, want->b, f->len) == 0;
}

void
garp(struct frame *f, const char *vip, uint16_t op, const uint8_t *mac)
{
	arp_build(f,
	    &(struct arp){
		.op = op, .sha = mac, .tha = op == 2 ? mac : NULL, .spa = vip, .tpa = vip });
}

void
una(struct frame *f, const char *vip, const uint8_t *mac)
{
	nd_build(f,
	    &(struct nd){ .smac = mac,
		.type = 136,
		.src = vip,
		.dst = "ff02::1",
		.target = vip,
		.flags = 0x20,
		.tlla = mac });
}
