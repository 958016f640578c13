/*
 * daemon/dump.h: `bgp dump`: messages of peers, or the table, as MRT records, to who asks on the control socket.
 */
#ifndef HERALD_DAEMON_DUMP_H
#define HERALD_DAEMON_DUMP_H

#include "daemon/control.h"

/* Streams {"mrt": hexadecimal}; the file is written by who asked, with his rights and not with ours. */
int dump_begin(void *app, const struct control_req *, struct control_stream *, char **error);

#endif
