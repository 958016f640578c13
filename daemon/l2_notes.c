/*
 * daemon/l2_notes.c: what this node tells the others of itself, as text, and back: its devices, and which
 * addresses strangers were found to use.  Beside l2_nodes.c; what comes in was written by another node, so
 * nothing of it is believed unseen.
 */
#include "daemon/l2_side.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEVICES_MAX 256
#define PREFIXES_MAX 64
#define STRANGERS_MAX 256
#define SESSIONS_MAX 64

static json_t *
mac_of(const struct l2_seen_device *d)
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", d->mac[0], d->mac[1],
	    d->mac[2], d->mac[3], d->mac[4], d->mac[5]);
	return json_string(text);
}

static json_t *
prefixes_of(const struct l2_seen_device *d)
{
	char text[PREFIX_STRLEN];
	json_t *list = json_array();

	for (size_t i = 0; i < d->nr_prefixes && i < PREFIXES_MAX; i++) {
		if (!addr_is_linklocal(&d->prefixes[i].addr))
			json_array_append_new(
			    list, json_string(prefix_format(&d->prefixes[i], text, sizeof(text))));
	}
	return list;
}

static json_t *
devices_of(const struct l2_notes *n, bool (*named)(void *arg, const char *device), void *arg)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n->nr_devices && json_array_size(list) < DEVICES_MAX; i++) {
		const struct l2_seen_device *d = &n->devices[i];
		json_t *prefixes;

		if (!d->usable)
			continue;
		prefixes = prefixes_of(d);
		if (json_array_size(prefixes) > 0 || named(arg, d->name))
			json_array_append_new(list,
			    json_pack("{s:s, s:b, s:o, s:O}", "name", d->name, "running",
				d->running, "mac", mac_of(d), "prefixes", prefixes));
		json_decref(prefixes);
	}
	return list;
}

/* All sessions or none: a list that ends early would say that the others are down.  They are for people to
 * see, so they must not crowd out what layer 2 stands on. */
static char *
with_sessions(const struct l2_notes *n, json_t *root, char *text)
{
	json_t *list = json_array();
	char *whole;

	for (size_t i = 0; i < n->nr_sessions; i++)
		json_array_append_new(list, json_string(n->sessions[i]));
	json_object_set_new(root, "sessions", list);
	whole = n->has_sessions && n->nr_sessions <= SESSIONS_MAX ? json_dumps(root, JSON_COMPACT)
								  : NULL;
	if (!whole || strlen(whole) > CLUSTER_NOTES_MAX / 2) {
		free(whole);
		return text;
	}
	free(text);
	return whole;
}

char *
l2_notes_format(const struct l2_notes *n, bool (*named)(void *arg, const char *device), void *arg)
{
	json_t *strangers = json_array(), *root;
	char *text;

	for (size_t i = 0; i < n->nr_strangers && i < STRANGERS_MAX; i++) {
		char ip[ADDR_STRLEN];

		json_array_append_new(
		    strangers, json_string(addr_format(&n->strangers[i], ip, sizeof(ip))));
	}
	root =
	    json_pack("{s:o, s:o}", "devices", devices_of(n, named, arg), "strangers", strangers);
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	text = root ? with_sessions(n, root, text) : text;
	json_decref(root);
	return text;
}

/* ---- and back ---- */

static bool
parse_mac(const char *text, uint8_t mac[6])
{
	if (!text || strlen(text) != 17)
		return false;
	for (size_t i = 0; i < 17; i++) {
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	for (size_t i = 0; i < 6; i++)
		mac[i] = (uint8_t)strtoul(text + 3 * i, NULL, 16);
	return true;
}

static size_t
parse_prefixes(const json_t *list, struct arena *arena, const struct prefix **out)
{
	struct prefix *p = arena_new_n(arena, struct prefix, PREFIXES_MAX);
	size_t nr = 0;

	for (size_t i = 0; i < json_array_size(list) && nr < PREFIXES_MAX; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (text && prefix_parse(text, &p[nr], NULL) == 0)
			nr++;
	}
	*out = p;
	return nr;
}

static bool
parse_device(const json_t *j, struct arena *arena, struct l2_seen_device *d)
{
	const char *name = json_string_value(json_object_get(j, "name"));

	*d = (struct l2_seen_device){ .usable = true, .why = "" };
	if (!name || strlen(name) > 15 ||
	    !parse_mac(json_string_value(json_object_get(j, "mac")), d->mac))
		return false;
	d->name = arena_printf(arena, "%s", name);
	d->running = json_is_true(json_object_get(j, "running"));
	d->nr_prefixes = parse_prefixes(json_object_get(j, "prefixes"), arena, &d->prefixes);
	return true;
}

static void
parse_strangers(const json_t *list, struct arena *arena, struct l2_notes *out)
{
	struct addr *v = arena_new_n(arena, struct addr, STRANGERS_MAX);

	out->strangers = v;
	for (size_t i = 0; i < json_array_size(list) && out->nr_strangers < STRANGERS_MAX; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (text && addr_parse(text, &v[out->nr_strangers]) == 0)
			out->nr_strangers++;
	}
}

static void
parse_sessions(const json_t *list, struct arena *arena, struct l2_notes *out)
{
	const char **v = arena_new_n(arena, const char *, SESSIONS_MAX);

	out->sessions = v;
	out->has_sessions = json_is_array(list) && json_array_size(list) <= SESSIONS_MAX;
	for (size_t i = 0; out->has_sessions && i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (text)
			v[out->nr_sessions++] = arena_printf(arena, "%s", text);
	}
}

bool
l2_notes_parse(const char *text, size_t len, struct arena *arena, struct l2_notes *out)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *list = json_object_get(root, "devices");
	const bool good = json_is_array(list);
	struct l2_seen_device *v = arena_new_n(arena, struct l2_seen_device, DEVICES_MAX);

	*out = (struct l2_notes){ .devices = v };
	for (size_t i = 0; i < json_array_size(list) && out->nr_devices < DEVICES_MAX; i++)
		out->nr_devices +=
		    parse_device(json_array_get(list, i), arena, &v[out->nr_devices]);
	if (good) {
		parse_strangers(json_object_get(root, "strangers"), arena, out);
		parse_sessions(json_object_get(root, "sessions"), arena, out);
	}
	json_decref(root);
	return good;
}
