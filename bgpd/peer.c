/*
 * bgpd/peer.c: a neighbour over its sessions: starting, collisions, coming and going, graceful
 * restart.  Between bgp.c, session.c and the RIB; what is said in OPENs is in peer_open.c.
 */
#include "bgpd/peer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bgpd/conf.h"
#include "bgpd/links.h"
#include "bgpd/range.h"
#include "bgpd/rehearsal.h"
#include "bgpd/restart.h"
#include "bgpd/tcp_ao.h"
#include "bgpd/tap.h"
#include "lib/mem.h"

#define LASTING_MS 10000    /* up that long, a session was no failure */
#define FAULTS_ALLOWED 3    /* then the peer's own connections wait for our back-off too */
#define REPLACE_MIN_MS 1000 /* younger than that, a second connection is a collision */
#define LOGS_A_MINUTE 20

static bool
may_log(struct peer *p, unsigned *suppressed)
{
	struct log_limit *noise = p->range ? &p->range->noise : &p->noise;

	return log_allow(noise, loop_now_ms(p->instance->bgp->loop), LOGS_A_MINUTE, suppressed);
}

const char *
peer_held_down(const struct peer *p)
{
	if (p->instance->bgp->stopped)
		return "the daemon is stopping";
	if (p->shut)
		return p->shut_message ? p->shut_message : "shut down by the administrator";
	if (p->conf->held_down)
		return p->conf->held_down;
	/* RFC 5925 7.3: never without what both are to be sure by. */
	if (p->conf->ao_keys && p->ao_missing)
		return "TCP-AO (tcpAO of the BGPPeerConfig) is not in this kernel: it takes Linux "
		       "6.7 "
		       "or later with CONFIG_TCP_AO";
	return p->limit_text;
}

uint32_t
peer_retry_ms(struct peer *p)
{
	uint32_t limit = p->conf->connect_retry_s * 1000u, ms;

	/* Quick at first, then doubling; RFC 4271 10 leaves the ConnectRetryTime to be the limit. */
	ms = (uint32_t)PEER_RETRY_FIRST_MS << (p->tries < 12 ? p->tries : 12);
	p->tries++;
	return limit && ms > limit ? limit : ms;
}

const struct session *
peer_foremost(const struct peer *p)
{
	return p->extra && p->extra->state > p->main->state ? p->extra : p->main;
}

static void
peer_start(struct peer *p)
{
	const char *why = peer_held_down(p);

	if (why)
		return;
	session_event(
	    p->main, p->conf->passive ? FSM_AUTOMATIC_START_PASSIVE : FSM_AUTOMATIC_START);
}

/* Come back soon, but let the peer see first that the old session is over. */
static void
peer_start_soon(struct peer *p)
{
	p->tries = p->faults = 0;
	if (!peer_held_down(p))
		timer_set_jitter(&p->main->idle_hold, PEER_RETRY_FIRST_MS, 25);
}

/* ---- the session that is up ---- */

static void
adj_ops_send(void *arg, struct bgp_block *b)
{
	struct peer *p = arg;

	if (p->up)
		session_send(p->up, b);
}

static size_t
adj_ops_room(void *arg)
{
	struct peer *p = arg;

	return p->up ? session_room(p->up) : 0;
}

static void
adj_ops_refresh(void *arg, enum bgp_family f, uint8_t subtype)
{
	struct peer *p = arg;

	if (p->up)
		session_tell_refresh(p->up, f, (enum bgp_refresh_subtype)subtype);
}

static void
adj_ops_eor(void *arg, enum bgp_family f)
{
	struct peer *p = arg;

	log_debug("end-of-rib", LOG_S("instance", p->instance->name), LOG_S("peer", p->conf->name),
	    LOG_S("family", bgp_family_name(f)), LOG_U("updates", p->nr_in[BGP_MSG_UPDATE]));
	restart_synced(p, f);
	work_post(&p->tell);
}

static void
fill_self(const struct peer *p, struct adj_session *as, const struct session *s)
{
	struct link_view v;
	bool v6 = as->local.family == ADDR_V6;

	link_view(&p->instance->bgp->links, &as->local, &as->remote, s->names.ifindex, &v);
	if (v.connected || addr_is_linklocal(&as->remote)) {
		as->ifindex = s->names.ifindex ? s->names.ifindex : v.ifindex;
		/* RFC 2545 3: both addresses when the peer is on the link. */
		as->self_ll = v6 ? v.ll : (struct addr){ 0 };
	}
	as->self[BGP_IPV4_UNICAST] = v6 ? v.v4 : as->local;
	as->self[BGP_IPV6_UNICAST] = v6 ? as->local : addr_is_set(&v.v6) ? v.v6 : v.ll;
	if (v6 && addr_is_linklocal(&as->local) && addr_is_set(&v.v6))
		as->self[BGP_IPV6_UNICAST] = v.v6;
	/* RFC 8950 3: over IPv6, when agreed, IPv4 routes have the next hop of that session: whether the
	 * two have an IPv4 network in common is not known. */
	if (v6 && as->ext_next_hop & BGP_FAMILY_MASK(BGP_IPV4_UNICAST))
		as->self[BGP_IPV4_UNICAST] = as->self[BGP_IPV6_UNICAST];
}

/* The instance's AS, where the peer does not know us as that; else 0. */
static uint32_t
own_as(const struct peer *p)
{
	return peer_local_as(p) == p->instance->local_as ? 0 : p->instance->local_as;
}

void
peer_agreed(const struct peer *p, const struct session *s, struct adj_session *as)
{
	*as = (struct adj_session){
		.ibgp = s->theirs.as == peer_local_as(p),
		.as4 = s->theirs.caps.as4,
		.ext_msg = s->max_len > BGP_MAX_LEN,
		.refresh = s->theirs.caps.refresh,
		.enhanced_refresh =
		    s->ours.caps.enhanced_refresh && s->theirs.caps.enhanced_refresh,
		.gr = session_has_gr(s),
		.llgr_sent = s->ours.caps.gr && s->ours.caps.llgr_families,
		.llgr_received = s->theirs.caps.llgr_families,
		.families = session_families(s),
		.ext_next_hop = s->ours.caps.ext_next_hop & s->theirs.caps.ext_next_hop,
		.local_as = peer_local_as(p),
		.own_as = own_as(p),
		.local_as_mode = p->conf->local_as_mode,
		/* RFC 7911 4 */
		.add_rx = session_families(s) & s->ours.caps.add_receive & s->theirs.caps.add_send,
		.add_tx = session_families(s) & s->ours.caps.add_send & s->theirs.caps.add_receive,
		.peer_as = s->theirs.as,
		.local_id = p->instance->router_id,
		.peer_id = s->theirs.id,
		.local = s->names.local,
		.remote = s->names.remote,
	};
	if (!as->ibgp)
		as->role = p->conf->role;
	fill_self(p, as, s);
}

static void
peer_up(struct peer *p, struct session *s)
{
	struct session *other = s == p->main ? p->extra : p->main;
	struct adj_session as;
	unsigned suppressed = 0;

	peer_agreed(p, s, &as);
	p->up = s;
	p->was_up = true;
	restart_up(p, s);
	adj_up(p->adj, &as);
	if (may_log(p, &suppressed))
		log_info("session-up", LOG_S("instance", p->instance->name),
		    LOG_S("peer", p->conf->name), LOG_S("address", addr_str(&as.remote)),
		    LOG_U("as", as.peer_as), LOG_U("hold_s", s->hold_s),
		    LOG_B("graceful_restart", as.gr), LOG_U("suppressed", suppressed));
	/* RFC 4271 6.8: the other connection, if there is one, has lost. */
	if (other)
		session_event(other, FSM_COLLISION_DUMP);
}

/* RFC 4724 4.1: we are restarting until this peer has our End-of-RIBs. */
static void
check_restarted(struct peer *p, const struct session *s)
{
	struct adj_counts c;

	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		if (!(session_families(s) & BGP_FAMILY_MASK(f)))
			continue;
		adj_counts(p->adj, (enum bgp_family)f, &c);
		if (!c.eor_out)
			return;
	}
	p->restarting = false;
}

static void
peer_down(struct peer *p, struct session *s)
{
	uint64_t lasted_ms = loop_now_ms(s->loop) - s->up_ms;
	unsigned suppressed = 0;
	bool kept;

	p->up = NULL;
	p->flaps++;
	check_restarted(p, s);
	kept = restart_down(p, s);
	if (may_log(p, &suppressed))
		log_warn("session-down", LOG_S("instance", p->instance->name),
		    LOG_S("peer", p->conf->name), LOG_S("reason", s->end.text),
		    LOG_U("lasted_s", lasted_ms / 1000), LOG_B("routes_kept", kept),
		    LOG_U("suppressed", suppressed));
}

/* How it ended decides how soon it is tried again. */
static void
peer_count_end(struct peer *p, struct session *s, enum bgp_state old)
{
	bool lasted = old == BGP_ESTABLISHED && loop_now_ms(s->loop) - s->up_ms >= LASTING_MS;

	if (lasted || (old == BGP_ESTABLISHED && s->end.how == SESSION_TCP))
		p->tries = p->faults = 0;
	else if (s->end.how == SESSION_SENT || s->end.how == SESSION_RECEIVED)
		p->faults++;
	if (!timer_is_running(&s->idle_hold) || p->tries)
		return;
	/* The back-off that was set on the way here belongs to the past. */
	timer_set_jitter(&s->idle_hold, PEER_RETRY_FIRST_MS, 25);
	p->tries = 1;
}

static bool
is_collision(const struct session_end *e)
{
	return e->code == BGP_ERR_CEASE && e->subcode == BGP_CEASE_COLLISION;
}

/* What was said last, and by whom, outlives what happens next. */
static void
keep_note(struct peer *p, const struct session *s)
{
	struct peer_note *n = &p->notes[s->end.how == SESSION_RECEIVED];

	if (!s->end.code)
		return;
	mem_free(n->text);
	*n = (struct peer_note){ .code = s->end.code,
		.subcode = s->end.subcode,
		.hard = s->end.hard,
		.text = xstrdup(s->end.text),
		.at_ms = loop_now_ms(s->loop) };
}

static void
peer_failed(struct peer *p, struct session *s, enum bgp_state old)
{
	unsigned suppressed = 0;

	if (s->end.how == SESSION_NO_END)
		return;
	if (!is_collision(&s->end)) {
		peer_count_end(p, s, old);
		peer_limit_hit(p, s);
		keep_note(p, s);
		p->last = s->end;
		p->last_ms = loop_now_ms(s->loop);
	}
	if (old == BGP_ESTABLISHED || p->up || is_collision(&s->end))
		return;
	if (may_log(p, &suppressed))
		log_info("session-failed", LOG_S("instance", p->instance->name),
		    LOG_S("peer", p->conf->name), LOG_S("state", bgp_state_name(old)),
		    LOG_S("reason", s->end.text), LOG_U("suppressed", suppressed));
}

void
peer_session_moved(struct peer *p, struct session *s, enum bgp_state old)
{
	log_debug("session-state", LOG_S("instance", p->instance->name),
	    LOG_S("peer", p->conf->name), LOG_S("from", bgp_state_name(old)),
	    LOG_S("to", bgp_state_name(s->state)), LOG_B("incoming", s->incoming));
	tap_moved(s, old);
	if (s->state == BGP_ESTABLISHED)
		peer_up(p, s);
	if (old == BGP_ESTABLISHED)
		peer_down(p, s);
	if (old > s->state)
		peer_failed(p, s, old);
	if (s->state == BGP_ESTABLISHED || old == BGP_ESTABLISHED)
		work_post(&p->tell);
	if (p->extra)
		work_post(&p->tidy);
}

/* ---- two connections ---- */

/* RFC 4271 6.8 with RFC 6286 2.3: whose connection stays. */
static bool
ours_stays(const struct peer *p, const struct bgp_open *theirs)
{
	if (p->instance->router_id != theirs->id)
		return p->instance->router_id > theirs->id;
	return peer_local_as(p) > theirs->as;
}

/* RFC 4724 4.2: a new connection from a peer with graceful restart replaces the old one, as its
 * loss was not noticed.  Not so when both dialled at the same time, which is a collision. */
static bool
is_replaced(const struct session *up, const struct session *s)
{
	uint64_t age_ms;

	if (!s->incoming || !session_has_gr(up) || !up->theirs.caps.gr_families ||
	    s->opened_ms < up->up_ms)
		return false;
	age_ms = s->opened_ms - up->up_ms;
	return age_ms >= REPLACE_MIN_MS || s->theirs.caps.gr_restarting;
}

bool
peer_collides(struct peer *p, struct session *s)
{
	struct session *other = s == p->main ? p->extra : p->main;

	/* RFC 4271 6.8: only those in OpenConfirm, of which the identifier is known, and up. */
	if (!other || other->state < BGP_OPENCONFIRM)
		return false;
	if (other->state == BGP_ESTABLISHED) {
		if (!is_replaced(other, s))
			return true;
		session_abandon(other, "replaced by a new connection of the peer");
		return false;
	}
	/* A peer that dials anew has given its first connection up. */
	if (s->incoming == other->incoming || ours_stays(p, &s->theirs) != s->incoming) {
		session_event(other, FSM_COLLISION_DUMP);
		return false;
	}
	return true;
}

static void
peer_tidy(void *arg)
{
	struct peer *p = arg;
	struct session *gone;

	if (!p->extra)
		return;
	if (p->extra->state > BGP_ACTIVE &&
	    (p->main->state == BGP_IDLE || p->main->state == BGP_ACTIVE)) {
		gone = p->main;
		p->main = p->extra;
	} else if (p->extra->state <= BGP_ACTIVE) {
		gone = p->extra;
	} else {
		return;
	}
	p->extra = NULL;
	session_free(gone);
}

static bool
is_damped(const struct peer *p)
{
	return p->main->state == BGP_IDLE && p->faults >= FAULTS_ALLOWED &&
	    timer_is_running(&p->main->idle_hold);
}

/* Why a connection from the peer's address is not taken; NULL: it is. */
static const char *
refusal(const struct peer *p, int fd, const struct transport_names *n, uint8_t ttl)
{
	struct transport t = peer_transport(p);
	const char *why = peer_held_down(p);

	if (why)
		return why;
	if (is_damped(p))
		return "failed too often, waiting";
	if (addr_is_set(&p->conf->local_addr) && !addr_eq(&p->conf->local_addr, &n->local))
		return "not to our address for this peer";
	/* RFC 5082 3 */
	if (t.min_ttl && ttl && ttl < t.min_ttl)
		return "TTL too low";
	return transport_adopt(fd, &t) < 0 ? "socket options" : NULL;
}

/* A second connection while the first one has not come to its end. */
static void
accept_extra(struct peer *p, int fd, const struct transport_names *n)
{
	session_free(p->extra); /* the peer dials again: it gave that one up */
	p->extra = session_new(p, p->instance->bgp->loop);
	session_event(p->extra, FSM_AUTOMATIC_START_PASSIVE);
	session_accept(p->extra, fd, n);
	work_post(&p->tidy);
}

void
peer_accept(struct peer *p, int fd, const struct transport_names *n, uint8_t ttl)
{
	const char *why = refusal(p, fd, n, ttl);
	unsigned suppressed = 0;

	if (why) {
		p->refused++;
		session_event(p->main, FSM_TCP_INVALID);
		if (may_log(p, &suppressed))
			log_info("connection-refused", LOG_S("instance", p->instance->name),
			    LOG_S("peer", p->conf->name), LOG_S("reason", why),
			    LOG_U("suppressed", suppressed));
		close(fd);
		return;
	}
	/* RFC 4271 8.2.2 has Idle refuse; we are in Idle only to wait, and this ends the wait. */
	if (p->main->state == BGP_IDLE)
		session_event(p->main, FSM_AUTOMATIC_START_PASSIVE);
	if (p->main->state == BGP_ACTIVE)
		session_accept(p->main, fd, n);
	else
		accept_extra(p, fd, n);
}

/* ---- orders ---- */

static void
tell_work(void *arg)
{
	struct peer *p = arg;
	const struct bgp_ops *ops = &p->instance->bgp->ops;

	if (ops->peer_changed)
		ops->peer_changed(
		    ops->arg, p->instance->name, p->conf->name, peer_foremost(p)->state);
}

static void
limit_due(void *arg)
{
	struct peer *p = arg;

	(void)peer_limit_forget(p);
	p->tries = p->faults = 0;
	peer_start(p);
}

struct peer *
peer_new(struct instance *in, const struct bgp_peer_conf *c)
{
	struct peer *p = xnew(struct peer);
	struct loop *loop = in->bgp->loop;
	const struct adj_ops ops = { .send = adj_ops_send,
		.room = adj_ops_room,
		.refresh = adj_ops_refresh,
		.eor = adj_ops_eor,
		.arg = p };

	p->instance = in;
	p->conf = conf_copy(c);
	p->ao_missing = c->ao_keys && tcp_ao_here() < 0;
	p->restarting = in->bgp->restarted;
	p->main = session_new(p, loop);
	restart_init(p, loop);
	timer_init(&p->limit, loop, limit_due, p);
	work_init(&p->tidy, loop, peer_tidy, p);
	work_init(&p->tell, loop, tell_work, p);
	/* The SYN is on its way while the rest is set up. */
	peer_start(p);
	p->adj = adj_new(in->rib, c->name, &ops);
	(void)adj_conf(p->adj, c);
	rehearse_added(p);
	return p;
}

/* Both connections at once; ManualStop. */
static void
peer_cease(struct peer *p, enum bgp_err_cease subcode, const char *message)
{
	session_stop(p->main, FSM_MANUAL_STOP, subcode, message);
	if (p->extra)
		session_stop(p->extra, FSM_MANUAL_STOP, subcode, message);
}

void
peer_free(struct peer *p, enum bgp_err_cease subcode)
{
	peer_cease(p, subcode, NULL);
	rehearse_removed(p);
	session_free(p->main);
	session_free(p->extra);
	restart_fini(p);
	(void)peer_limit_forget(p);
	work_cancel(&p->tidy);
	work_cancel(&p->tell);
	adj_free(p->adj);
	conf_free(p->conf);
	mem_free(p->shut_message);
	mem_free(p->notes[0].text);
	mem_free(p->notes[1].text);
	mem_free(p);
}

void
peer_reset(struct peer *p, enum bgp_err_cease subcode, const char *message)
{
	(void)peer_limit_forget(p);
	/* RFC 8538 4: what it told us may stay until it is back; peer_down() decides. */
	peer_cease(p, subcode, message);
	peer_start_soon(p);
}

/* Is it, after this change, still the neighbour whose stale routes we would keep? */
static bool
is_same_neighbour(const struct bgp_peer_conf *a, const struct bgp_peer_conf *b)
{
	return addr_eq(&a->addr, &b->addr) && a->peer_as == b->peer_as && a->gr && b->gr &&
	    !b->held_down;
}

/* RFC 2918 4: what was refused was not kept. */
static void
ask_again(struct peer *p)
{
	for (int f = 0; p->up && p->up->theirs.caps.refresh && f < BGP_NR_FAMILIES; f++) {
		if (session_families(p->up) & BGP_FAMILY_MASK(f))
			session_ask_refresh(p->up, (enum bgp_family)f);
	}
}

void
peer_conf(struct peer *p, const struct bgp_peer_conf *c)
{
	const char *field = NULL;
	enum conf_cost cost = conf_compare(p->conf, c, &field);
	struct bgp_peer_conf *old = p->conf;

	if (cost == CONF_RESET) {
		log_info("peer-changed", LOG_S("instance", p->instance->name),
		    LOG_S("peer", c->name), LOG_S("field", field));
		peer_cease(p, BGP_CEASE_CONFIG_CHANGE, NULL);
		if (!is_same_neighbour(old, c))
			restart_purge(p);
	}
	p->conf = conf_copy(c);
	p->ao_missing = c->ao_keys && tcp_ao_here() < 0;
	if (peer_limit_changed(old, c) && peer_limit_forget(p) && cost != CONF_RESET)
		peer_start_soon(p);
	if (old->any_first_as != c->any_first_as)
		ask_again(p);
	(void)adj_conf(p->adj, c);
	rehearse_changed(p, old);
	conf_free(old);
	peer_limit_check(p);
	if (cost == CONF_RESET)
		peer_start_soon(p);
	else if (cost == CONF_NEXT && !c->passive && p->main->state == BGP_ACTIVE &&
	    p->main->fd < 0)
		session_event(p->main, FSM_CONNECT_RETRY_EXPIRES); /* it waited to be dialled */
}

void
peer_shutdown(struct peer *p, const char *message)
{
	mem_free(p->shut_message);
	p->shut_message =
	    message && *message ? xasprintf("shut down by the administrator: %s", message) : NULL;
	p->shut = true;
	peer_cease(p, BGP_CEASE_SHUTDOWN, message);
	restart_purge(p);
	work_post(&p->tell);
}

void
peer_lost(struct peer *p, bool sure, const char *why)
{
	unsigned stale = adj_stale_families(p->adj);

	if (p->up) {
		peer_reset(p, BGP_CEASE_BFD_DOWN, why);
		return;
	}
	/* RFC 5882 4.3.2.2: a restart in progress goes on when its BFD may be part of it. */
	if (!sure || !stale)
		return;
	log_info("stale-routes-dropped", LOG_S("instance", p->instance->name),
	    LOG_S("peer", p->conf->name), LOG_S("reason", why));
	restart_purge(p);
}

void
peer_enable(struct peer *p)
{
	if (!peer_limit_forget(p) && !p->shut)
		return;
	p->shut = false;
	p->tries = p->faults = 0;
	peer_start(p);
}

void
peer_stop(struct peer *p, bool graceful, const char *message)
{
	if (graceful && p->up && session_has_gr(p->up)) {
		/* RFC 4724 4: to the peer we are a speaker that restarts. */
		session_abandon(p->up, "restarting");
		timer_stop(&p->main->idle_hold);
	}
	peer_cease(p, BGP_CEASE_SHUTDOWN, message);
}
