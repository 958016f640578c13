/*
 * datapath/conf.h: a copy of a configuration that lives on.  Private to the room.
 */
#ifndef HERALD_DATAPATH_CONF_H
#define HERALD_DATAPATH_CONF_H

#include "datapath/datapath.h"

/* Everything that it points to is the copy's own. */
void dp_conf_copy(struct dp_conf *to, const struct dp_conf *from);
void dp_conf_fini(struct dp_conf *);

#endif
