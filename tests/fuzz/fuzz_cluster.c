/*
 * tests/fuzz/fuzz_cluster.c: any bytes as a datagram of another node: what is read as good is written
 * again as the same bytes, and a core that is given it does nothing that it must not.  The core knows
 * the sender's life, so that whatever is well made is acted on.
 */
#include "tests/fuzz/must.h"

#include "cluster/parts.h"
#include "cluster/ring.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_send(void *arg, const struct addr *to, const void *bytes, size_t len)
{
	struct wire_rd r = wire_rd_init(bytes, len);
	struct message_head h;

	(void)arg;
	(void)to;
	must(len <= MESSAGE_ROOM);
	must(message_head_read(&r, &h) == 0);
	must(message_ok(r));
}

static void
on_watch(void *arg, const char *name, const struct addr *addr, bool on)
{
	(void)arg;
	(void)on;
	must(name && addr_is_set(addr));
}

static void
on_probe(void *arg, const struct addr *addrs, size_t nr)
{
	(void)arg;
	must(nr > 0 && addr_is_unicast(addrs));
}

static void
nothing(void *arg)
{
	(void)arg;
}

static struct core *
make(struct loop *loop)
{
	static const struct addr self = { .family = ADDR_V4, .b = { 10, 0, 0, 1 } };
	static const struct addr other = { .family = ADDR_V4, .b = { 10, 0, 0, 2 } };
	static const struct addr third = { .family = ADDR_V4, .b = { 10, 0, 0, 3 } };
	const struct cluster_member members[] = { { "a", self }, { "b", other }, { "c", third } };
	const struct cluster_conf conf = { .self = "a", .members = members, .nr_members = 3 };
	const struct core_ops ops = { on_send, { on_watch, on_probe, nothing, nothing } };
	const struct cluster_want want[] = {
		{ { .family = ADDR_V4, .b = { 192, 0, 2, 1 } }, "a", true },
		{ { .family = ADDR_V4, .b = { 192, 0, 2, 2 } }, "b", true },
	};
	struct core *c = core_new(loop, &ops, NULL, NULL);

	must(c && core_set(c, &conf) == 0);
	must(hold_want(c, want, 2) == 0);
	must(hold_adopt(c, &want[1].addr, 1) == 0);
	return c;
}

/* A header in which all is right, so that what is fuzzed is the rest. */
static void
deliver(struct core *c, uint32_t seq, const uint8_t *data, size_t size)
{
	struct member *b = core_member(c, "b");
	uint8_t bytes[MESSAGE_MAX];
	struct wire_wr w = wire_wr_init(bytes, sizeof(bytes));
	const struct message_head h = {
		.from = b->hash, .to = c->self->hash, .life = 5, .to_life = c->life_id, .seq = seq
	};

	message_head_write(&w, &h);
	wire_put_bytes(&w, data, size);
	if (!w.full)
		(void)core_receive(c, &b->addr, bytes, w.len);
}

/* What a hello says comes out as it went in. */
static void
there_and_back(struct wire_rd r)
{
	struct message_hello hello, again;
	uint8_t bytes[MESSAGE_MAX], twice[MESSAGE_MAX], type;
	struct wire_wr w = wire_wr_init(bytes, sizeof(bytes));
	struct wire_wr v = wire_wr_init(twice, sizeof(twice));
	struct wire_rd body;

	if (!message_next(&r, &type, &body) || type != MESSAGE_HELLO ||
	    message_hello_read(body, &hello) < 0)
		return;
	message_hello_write(&w, &hello);
	must(!w.full);
	r = wire_rd_init(bytes, w.len);
	must(message_next(&r, &type, &body) && message_hello_read(body, &again) == 0);
	message_hello_write(&v, &again);
	must(v.len == w.len && memcmp(bytes, twice, w.len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loop *loop = loop_new_fake();
	struct core *c = make(loop);
	size_t half = size > 1 ? data[0] * (size - 1) / 255 : 0;

	(void)core_receive(c, &core_member(c, "b")->addr, data, size);
	there_and_back(wire_rd_init(data, size));
	if (size > 1) {
		deliver(c, 1, data + 1, half);
		loop_advance(loop, 100);
		deliver(c, 2, data + 1 + half, size - 1 - half);
	}
	loop_advance(loop, 300);
	must(c->nr_held <= 2);
	core_free(c);
	loop_free(loop);
	return 0;
}
