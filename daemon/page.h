/*
 * daemon/page.h: the page for people at metrics.listen: what this node knows, read-only, off by default,
 * and for browsers on this node alone (ssh -L brings it further).
 *
 * page.c: requests, and streams of what changes (Server-Sent Events); page_state.c: the state as JSON;
 * page/: what the browser is given, brought into the archive by page_assets.S.
 */
#ifndef HERALD_DAEMON_PAGE_H
#define HERALD_DAEMON_PAGE_H

#include "lib/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct app;
struct bgp_plan;
struct httpd_answer;
struct page;
struct page_state;
struct res_object;

struct page *page_new(struct app *);
void page_free(struct page *); /* after the httpd, whose visits it knows; NULL is fine */
/* Answer what is the page's: "/", "/page.js", ...  False: it is none of its paths, or the page is off. */
bool page_answer(struct page *, const char *path, struct httpd_answer *);

/* ---- page_state.c ---- */

#define PAGE_SERVICES_MAX 200 /* that are told of at once; a filter brings others */
#define PAGE_NODES_MAX 32

/* What other nodes would announce, by the configuration; worked out anew when an object changed. */
struct page_plans {
	struct bgp_plan *plans[PAGE_NODES_MAX];
	struct res_object *nodes[PAGE_NODES_MAX]; /* references */
	size_t nr;
	uint64_t nr_changes; /* app's, when they were made */
	bool made;
};
void page_plans_fini(struct page_plans *);

/* What was said of Services last, by one filter: worked out anew only when something of it may have changed. */
struct page_services {
	struct buf text;
	uint64_t generation; /* app's, when it was begun */
	bool made;
};
void page_services_fini(struct page_services *);

/* A text of the state in the making; Services whose name or address has @filter in it.  The rest is borrowed. */
struct page_state *page_state_new(struct app *, struct page_plans *, const char *filter);
void page_state_free(struct page_state *);
/* Some more of it, about a millisecond's worth.  False: it is complete.  @kept: of the same filter. */
bool page_state_step(struct page_state *, struct page_services *kept);
const struct buf *page_state_text(const struct page_state *);

#endif
