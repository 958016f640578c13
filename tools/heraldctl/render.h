/*
 * tools/heraldctl/render.h: the daemon's answers as tables; shapes as in doc/control-protocol.md.
 * What is missing in an answer is shown as empty, what is not known is left out.
 */
#ifndef HERALD_TOOLS_HERALDCTL_RENDER_H
#define HERALD_TOOLS_HERALDCTL_RENDER_H

#include <jansson.h>

struct buf;

void render_status(const json_t *, struct buf *out);
void render_bgp_peers(const json_t *, struct buf *out);
/* `bgp peers` with -v or a name. */
void render_bgp_details(const json_t *, struct buf *out);
void render_bgp_bmp(const json_t *, struct buf *out);
void render_bgp_routes(const json_t *, struct buf *out);
void render_bgp_policies(const json_t *, struct buf *out);
void render_services(const json_t *, struct buf *out);
void render_ippools(const json_t *, struct buf *out);
void render_l2(const json_t *, struct buf *out);
void render_bfd(const json_t *, struct buf *out);
void render_ipam(const json_t *, struct buf *out);
void render_routes(const json_t *, struct buf *out);
void render_lb_list(const json_t *, struct buf *out);
void render_lb_conntrack(const json_t *, struct buf *out);
void render_lb_maglev(const json_t *, struct buf *out);
void render_lb_counters(const json_t *, struct buf *out);
void render_explain(const json_t *, struct buf *out);
void render_plan(const json_t *, struct buf *out);
void render_log(const json_t *, struct buf *out);
void render_monitored(const json_t *, struct buf *out); /* one event */
void render_observed(const json_t *, struct buf *out);	/* one record */
/* The part of `status`; NULL is fine. */
void render_status_datapath(const json_t *, struct buf *out);
/* "message", if there is one. */
void render_message(const json_t *, struct buf *out);

#endif
