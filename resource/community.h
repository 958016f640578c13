/*
 * resource/community.h: communities as text; the parser is in rules.h.
 */
#ifndef HERALD_RESOURCE_COMMUNITY_H
#define HERALD_RESOURCE_COMMUNITY_H

#include "resource/rules.h"

struct buf;

void community_format(const struct res_community *, struct buf *);
bool community_equal(const struct res_community *, const struct res_community *);

#endif
