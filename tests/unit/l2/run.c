/*
 * tests/unit/l2/run.c: the answering program in a real kernel, attached to nothing: a frame goes in, and
 * out come the verdict, the frame as it is then, what was counted and what was told.
 */
#include "tests/unit/l2/run.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>

struct answer a;
struct l2_event events[64];
size_t nr_events;

static void
on_event(void *arg, const struct l2_event *e)
{
	(void)arg;
	if (nr_events < 64)
		events[nr_events++] = *e;
}

void
own(const char *text, unsigned ifindex)
{
	struct addr addr = ip(text);
	struct l2_key key = answer_key(&addr, ifindex);
	uint64_t since = 1000;

	ck_assert_int_eq(answer_add(&a, &key, &since), 0);
}

struct l2_entry
entry(const char *text)
{
	struct addr addr = ip(text);
	struct l2_key key = answer_key(&addr, va);
	struct l2_entry e;

	ck_assert(answer_get(&a, &key, &e));
	return e;
}

void
device(uint8_t flags)
{
	struct l2_device row = { .flags = flags };

	memcpy(row.mac, mac_a, 6);
	ck_assert_int_eq(answer_device_set(&a, va, &row), 0);
}

void
run_setup(void)
{
	bed_setup();
	ck_assert_int_eq(answer_init(&a, pin), 0);
	ck_assert_msg(answer_load(&a) == 0, "%s", a.why);
	ck_assert_int_eq(answer_listen(&a, on_event, NULL), 0);
	nr_events = 0;
	device(0);
}

void
run_teardown(void)
{
	answer_close(&a);
	bed_teardown();
}

/* ---- running ---- */

struct ran
run_as(const struct frame *in, struct __sk_buff *ctx)
{
	struct ran r = { .out.len = 0 };
	uint64_t before[L2_NR_COUNTS];

	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->b, .data_size_in = (uint32_t)in->len,
	    .data_out = r.out.b, .data_size_out = sizeof(r.out.b), .ctx_in = ctx,
	    .ctx_size_in = sizeof(*ctx), .repeat = 1);
	for (unsigned i = 0; i < L2_NR_COUNTS; i++)
		before[i] = answer_counter(&a, i);
	ck_assert_int_eq(bpf_prog_test_run_opts(a.prog, &opts), 0);
	r.verdict = opts.retval;
	r.out.len = opts.data_size_out;
	for (unsigned i = 0; i < L2_NR_COUNTS; i++)
		r.up[i] = answer_counter(&a, i) - before[i];
	answer_hear(&a);
	return r;
}

struct ran
run(const struct frame *in)
{
	struct __sk_buff ctx = { .ifindex = va };

	return run_as(in, &ctx);
}

/* @what was counted, once, and nothing else; L2_NR_COUNTS: nothing. */
void
counted(const struct ran *r, unsigned what)
{
	for (unsigned i = 0; i < L2_NR_COUNTS; i++)
		ck_assert_msg(r->up[i] == (i == what), "counter %u went up by %llu, not %u", i,
		    (unsigned long long)r->up[i], what);
}

void
is_frame(const struct ran *r, const struct frame *want)
{
	ck_assert_msg(r->out.len == want->len && memcmp(r->out.b, want->b, want->len) == 0,
	    "got\n%s\nwanted\n%s", frame_hex(&r->out), frame_hex(want));
}

/* Let through, as it came. */
void
passes(const struct frame *in, unsigned what)
{
	struct ran r = run(in);

	ck_assert_int_eq((int)r.verdict, TC_ACT_UNSPEC);
	counted(&r, what);
	is_frame(&r, in);
}

void
drops(const struct frame *in, unsigned what)
{
	struct ran r = run(in);

	ck_assert_int_eq((int)r.verdict, TC_ACT_SHOT);
	counted(&r, what);
}

/* @also: counted besides; L2_NR_COUNTS: nothing. */
void
answers(const struct frame *in, const struct frame *want, unsigned what, unsigned also)
{
	struct ran r = run(in);

	ck_assert_int_eq((int)r.verdict, TC_ACT_REDIRECT);
	is_frame(&r, want);
	ck_assert_uint_eq(r.up[what], 1);
	r.up[what] = 0;
	counted(&r, also);
}

void
told(size_t nr, enum l2_claim claim, const char *addr, const uint8_t *mac)
{
	struct addr t, want = ip(addr);

	ck_assert_uint_eq(nr_events, nr);
	t = answer_addr(&events[nr - 1].key);
	ck_assert(addr_eq(&t, &want));
	ck_assert_uint_eq(events[nr - 1].key.ifindex, va);
	ck_assert_uint_eq(events[nr - 1].claim, claim);
	ck_assert_mem_eq(events[nr - 1].mac, mac, 6);
}
