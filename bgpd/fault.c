/*
 * bgpd/fault.c: faults as values, and their names for people.  See fault.h.
 */
#include "bgpd/fault.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int
bgp_fault_set(struct bgp_fault *f, unsigned code, unsigned subcode, const void *data, size_t len,
    const char *why)
{
	if (len > sizeof(f->data))
		len = sizeof(f->data);
	f->code = (uint8_t)code;
	f->subcode = (uint8_t)subcode;
	f->len = (uint16_t)len;
	f->why = why;
	if (len)
		memcpy(f->data, data, len);
	return -EBADMSG;
}

#define SUBCODES 16

/* RFC 4271 4.5, 4486, 6608, 7313, 8538, 9234, 9384, 9687. */
static const struct {
	const char *name;
	const char *sub[SUBCODES];
} names[] = {
	[BGP_ERR_HEADER] = { "Message Header Error",
	    { NULL, "Connection Not Synchronized", "Bad Message Length", "Bad Message Type" } },
	[BGP_ERR_OPEN] = { "OPEN Message Error",
	    { NULL, "Unsupported Version Number", "Bad Peer AS", "Bad BGP Identifier",
		"Unsupported Optional Parameter", "Authentication Failure",
		"Unacceptable Hold Time", "Unsupported Capability", NULL, NULL, NULL,
		"Role Mismatch" } },
	[BGP_ERR_UPDATE] = { "UPDATE Message Error",
	    { NULL, "Malformed Attribute List", "Unrecognized Well-known Attribute",
		"Missing Well-known Attribute", "Attribute Flags Error", "Attribute Length Error",
		"Invalid ORIGIN Attribute", "AS Routing Loop", "Invalid NEXT_HOP Attribute",
		"Optional Attribute Error", "Invalid Network Field", "Malformed AS_PATH" } },
	[BGP_ERR_HOLD_TIMER] = { "Hold Timer Expired", { NULL } },
	[BGP_ERR_FSM] = { "Finite State Machine Error",
	    { NULL, "Unexpected Message in OpenSent State",
		"Unexpected Message in OpenConfirm State",
		"Unexpected Message in Established State" } },
	[BGP_ERR_CEASE] = { "Cease",
	    { NULL, "Maximum Number of Prefixes Reached", "Administrative Shutdown",
		"Peer De-configured", "Administrative Reset", "Connection Rejected",
		"Other Configuration Change", "Connection Collision Resolution", "Out of Resources",
		"Hard Reset", "BFD Down" } },
	[BGP_ERR_ROUTE_REFRESH] = { "ROUTE-REFRESH Message Error",
	    { NULL, "Invalid Message Length" } },
	[BGP_ERR_SEND_HOLD] = { "Send Hold Timer Expired", { NULL } },
};

char *
bgp_fault_format(unsigned code, unsigned subcode, char *buf, size_t size)
{
	const char *name = code < sizeof(names) / sizeof(names[0]) ? names[code].name : NULL;
	const char *sub = name && subcode < SUBCODES ? names[code].sub[subcode] : NULL;

	if (!name)
		snprintf(buf, size, "code %u/%u", code, subcode);
	else if (sub)
		snprintf(buf, size, "%s/%s", name, sub);
	else if (subcode == 0)
		snprintf(buf, size, "%s", name);
	else
		snprintf(buf, size, "%s/%u", name, subcode);
	return buf;
}
