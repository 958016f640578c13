/*
 * bgpd/rib_why.h: why a path is the best of its prefix or is not, in words, for rib_show.c; see rib_why.c.
 */
#ifndef HERALD_BGPD_RIB_WHY_H
#define HERALD_BGPD_RIB_WHY_H

#include "bgpd/rib.h"

#include <jansson.h>

/*
 * Put "lostBy", the step of the decision by name, and "why", a sentence, on the route @o that shows path
 * @p of node @n.  Decides the node anew, for show only.
 */
void rib_why(const struct rib *, const struct node *, const struct path *p, json_t *o);
/* Why a received path may not be used, as a sentence. */
const char *rib_why_not(unsigned why);

#endif
