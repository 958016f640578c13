/*
 * daemon/show_datapath.c: the datapath's part of `status`.
 */
#include "daemon/show_lb.h"

#include "daemon/app.h"

static json_t *
count(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static const char *
how_name(enum dp_link_how how)
{
	switch (how) {
	case DP_LINK_XDP_NATIVE:
		return "xdp";
	case DP_LINK_XDP_GENERIC:
		return "xdp-generic";
	case DP_LINK_TC:
		return "tc";
	case DP_LINK_NONE:
		break;
	}
	return "none";
}

static json_t *
devices(const struct dp_info *info)
{
	json_t *list = json_array(), *o;

	for (size_t i = 0; i < info->nr_devices; i++) {
		const struct dp_device *d = &info->devices[i];

		o = json_pack("{s:s, s:I, s:s, s:s}", "name", d->name, "index",
		    (json_int_t)d->ifindex, "side", d->pods ? "pods" : "network", "attached",
		    how_name(d->how));
		if (d->error && *d->error)
			json_object_set_new(o, "error", json_string(d->error));
		json_array_append_new(list, o);
	}
	return list;
}

/* Only those that happened: most never do. */
static json_t *
drops(const struct datapath *dp)
{
	json_t *o = json_object();

	for (unsigned i = LB_NR_FINE; i < LB_NR_WHY; i++) {
		const uint64_t n = dp_counter(dp, i);
		const char *name = dp_counter_name(i);

		if (n > 0 && name)
			json_object_set_new(o, name, count(n));
	}
	return o;
}

static json_t *
socket_lb(const struct app *app, const struct dp_info *info)
{
	json_t *o = json_pack("{s:b, s:b}", "wanted", store_config(app->store)->datapath.socket_lb,
	    "attached", info->socket_lb);

	if (info->socket_lb_error && *info->socket_lb_error)
		json_object_set_new(o, "error", json_string(info->socket_lb_error));
	json_object_set_new(o, "socketsOfPods", sockets_helper_show(app));
	return o;
}

json_t *
show_datapath_status(struct app *app)
{
	const bool none = store_config(app->store)->datapath.mode == RES_DP_NONE;
	json_t *o = json_pack("{s:s}", "mode", none ? "none" : "bpf");
	struct dp_info info = { 0 };

	if (!app->datapath)
		return o;
	dp_info(app->datapath, &info);
	json_object_set_new(o, "loaded", json_boolean(info.loaded));
	json_object_set_new(o, "adopted", json_boolean(info.adopted));
	if (info.error && *info.error)
		json_object_set_new(o, "error", json_string(info.error));
	json_object_set_new(o, "devices", devices(&info));
	json_object_set_new(o, "socketLB", socket_lb(app, &info));
	json_object_set_new(o, "services", count(info.services));
	json_object_set_new(o, "frontends", count(info.frontends));
	json_object_set_new(o, "backends", count(info.backends));
	json_object_set_new(o, "conflicts", count(info.conflicts));
	json_object_set_new(o, "repaired", count(info.repaired));
	json_object_set_new(o, "maxFlows",
	    json_pack(
		"{s:o, s:o}", "ipv4", count(info.flows4_max), "ipv6", count(info.flows6_max)));
	json_object_set_new(o, "tables",
	    json_pack(
		"{s:o, s:o}", "words", count(info.tables_words), "used", count(info.tables_used)));
	json_object_set_new(o, "loadMicroseconds", count(info.load_us));
	if (info.loaded)
		json_object_set_new(o, "drops", drops(app->datapath));
	return o;
}
