/*
 * tests/fuzz/fuzz_bgp_msg.c: anything as a message: header, OPEN, NOTIFICATION, ROUTE-REFRESH.  What
 * decodes as an OPEN must mean the same after it was encoded and decoded again.
 */
#include "tests/fuzz/must.h"

#include "bgpd/msg.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_open(struct wire_rd body)
{
	struct bgp_open first, second;
	struct bgp_fault f;
	uint8_t out[1024];
	struct wire_wr w = wire_wr_init(out, sizeof(out));

	if (bgp_open_decode(body, &first, &f) < 0) {
		must(f.code == BGP_ERR_OPEN && f.len <= BGP_FAULT_DATA_MAX);
		return;
	}
	bgp_open_encode(&w, &first);
	must(!w.full);
	must(bgp_open_decode(
		 wire_rd_init(out + BGP_HEADER_LEN, w.len - BGP_HEADER_LEN), &second, &f) == 0);
	must(first.as == second.as && first.hold_s == second.hold_s && first.id == second.id);
	/* No family left cannot be said: it becomes what saying nothing means. */
	must(first.caps.families == second.caps.families || first.caps.families == 0);
	must(first.caps.gr == second.caps.gr && first.caps.gr_time_s == second.caps.gr_time_s);
	must(first.caps.gr_families == second.caps.gr_families);
	must(first.caps.gr_forwarding == second.caps.gr_forwarding);
	must(first.caps.ext_next_hop == second.caps.ext_next_hop);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_rd r = wire_rd_init(data, size), body;
	struct bgp_refresh refresh;
	struct bgp_fault f;
	char text[256], name[96];
	uint16_t len = 0;
	uint8_t type = 0;

	if (bgp_header_decode(r, BGP_MAX_EXT_LEN, &type, &len, &f) < 0) {
		must(f.code == BGP_ERR_HEADER);
		/* Few inputs have a good header: the body is tried all the same. */
		type = size ? (uint8_t)(1 + data[0] % 5) : 1;
		body = r;
		(void)wire_take(&body, 1);
	} else {
		body = r;
		(void)wire_take(&body, BGP_HEADER_LEN);
	}
	switch (type) {
	case BGP_MSG_OPEN:
		try_open(body);
		break;
	case BGP_MSG_NOTIFICATION:
		if (bgp_notification_decode(body, &f, text, sizeof(text)) == 0) {
			must(memchr(text, '\0', sizeof(text)) != NULL);
			(void)bgp_fault_format(f.code, f.subcode, name, sizeof(name));
		}
		break;
	case BGP_MSG_ROUTE_REFRESH:
		if (bgp_refresh_decode(body, &refresh, &f) < 0)
			must(f.code == BGP_ERR_ROUTE_REFRESH);
		break;
	default:
		break;
	}
	return 0;
}
