/*
 * podipam/record.h: the lines of the journal.  A line is a checksum (CRC-32 of the rest, eight hex
 * digits), a blank, and a JSON object; what a crash cut short or tore is recognised by it.  Pure.
 */
#ifndef HERALD_PODIPAM_RECORD_H
#define HERALD_PODIPAM_RECORD_H

#include "podipam/leases.h"

struct buf;

void record_add(struct buf *, const struct lease *);
void record_del(struct buf *, const char *container, const char *ifname);
void record_boot(struct buf *, const char *boot_id);

/* What a replay came upon. */
struct replay {
	const char *boot_id;	 /* of now; "": not known, nothing is dropped */
	size_t good;		 /* bytes up to the end of the last good line */
	size_t nr_lines, nr_bad; /* a bad one at the very end is what a crash leaves */
	size_t nr_other_boot;	 /* leases that were dropped as of another boot */
	bool other_boot;	 /* the journal says that it is of another boot */
	void (*dropped)(void *arg, const struct podipam_lease *);
	void *arg;
};

/* Make @t what the lines say.  Leases of another boot are gone: their namespaces are. */
void record_replay(struct replay *, struct leases *t, const char *text, size_t len);

#endif
