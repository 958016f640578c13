/*
 * bgpd/fault.h: what was wrong with a message, as a value.  Decoders fill it; who owns the session
 * sends the NOTIFICATION.  Codes by their names in RFC 4271 4.5, 4486, 6608, 7313, 8538, 9234.
 */
#ifndef HERALD_BGPD_FAULT_H
#define HERALD_BGPD_FAULT_H

#include <stddef.h>
#include <stdint.h>

enum bgp_err {
	BGP_ERR_HEADER = 1,
	BGP_ERR_OPEN = 2,
	BGP_ERR_UPDATE = 3,
	BGP_ERR_HOLD_TIMER = 4,
	BGP_ERR_FSM = 5,
	BGP_ERR_CEASE = 6,
	BGP_ERR_ROUTE_REFRESH = 7,
	BGP_ERR_SEND_HOLD = 8, /* RFC 9687 */
};

enum bgp_err_header { BGP_HDR_NOT_SYNC = 1, BGP_HDR_LENGTH = 2, BGP_HDR_TYPE = 3 };

enum bgp_err_open {
	BGP_OPEN_UNSPEC = 0,
	BGP_OPEN_VERSION = 1,
	BGP_OPEN_PEER_AS = 2,
	BGP_OPEN_ID = 3,
	BGP_OPEN_OPT_PARAM = 4,
	BGP_OPEN_HOLD_TIME = 6,
	BGP_OPEN_CAPABILITY = 7,
	BGP_OPEN_ROLE = 11,
};

enum bgp_err_update {
	BGP_UPD_ATTR_LIST = 1,
	BGP_UPD_UNKNOWN_WELLKNOWN = 2,
	BGP_UPD_MISSING_WELLKNOWN = 3,
	BGP_UPD_FLAGS = 4,
	BGP_UPD_LENGTH = 5,
	BGP_UPD_ORIGIN = 6,
	BGP_UPD_NEXT_HOP = 8,
	BGP_UPD_OPT_ATTR = 9,
	BGP_UPD_NETWORK = 10,
	BGP_UPD_AS_PATH = 11,
};

enum bgp_err_fsm { BGP_FSM_UNSPEC, BGP_FSM_OPENSENT, BGP_FSM_OPENCONFIRM, BGP_FSM_ESTABLISHED };

enum bgp_err_cease {
	BGP_CEASE_MAX_PREFIXES = 1,
	BGP_CEASE_SHUTDOWN = 2,
	BGP_CEASE_DECONFIGURED = 3,
	BGP_CEASE_RESET = 4,
	BGP_CEASE_REJECTED = 5,
	BGP_CEASE_CONFIG_CHANGE = 6,
	BGP_CEASE_COLLISION = 7,
	BGP_CEASE_RESOURCES = 8,
	BGP_CEASE_HARD_RESET = 9, /* RFC 8538 */
	BGP_CEASE_BFD_DOWN = 10,
};

enum { BGP_REFRESH_LENGTH = 1 };

#define BGP_FAULT_DATA_MAX 256

struct bgp_fault {
	uint8_t code, subcode;
	uint16_t len; /* of data, at most BGP_FAULT_DATA_MAX */
	uint8_t data[BGP_FAULT_DATA_MAX];
	const char *why; /* constant text for the log, may be NULL */
};

/* Fills *f and returns -EBADMSG, so that a decoder can return it.  @data longer than fits is cut. */
int bgp_fault_set(struct bgp_fault *, unsigned code, unsigned subcode, const void *data, size_t len,
    const char *why);
/* "OPEN Message Error/Bad Peer AS"; unknown codes as numbers.  @buf of 96 bytes is enough. */
char *bgp_fault_format(unsigned code, unsigned subcode, char *buf, size_t size);

#endif
