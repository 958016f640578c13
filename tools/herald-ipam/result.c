/*
 * tools/herald-ipam/result.c: from the daemon's answer to what the runtime reads.  See cni.h.
 */
#include "tools/herald-ipam/cni.h"

#include "lib/addr.h"

#include <stdio.h>
#include <string.h>

json_t *
cni_versions(const char *version)
{
	return json_pack("{s:s, s:[s, s, s, s]}", "cniVersion", version, "supportedVersions",
	    "0.3.1", "0.4.0", "1.0.0", "1.1.0");
}

json_t *
cni_error(const char *version, const struct cni_fault *f)
{
	json_t *details = json_string(f->details);

	return json_pack("{s:s, s:i, s:s, s:o}", "cniVersion", version, "code", f->code, "msg",
	    f->msg, "details", details ? details : json_string(""));
}

/* ---- dns: as resolv.conf says it ---- */

/* The next word of the line; false: its end. */
static bool
next_word(const char **at, char *word, size_t size)
{
	size_t len;

	*at += strspn(*at, " \t\r");
	len = strcspn(*at, " \t\r\n");
	if (len == 0 || **at == '\n')
		return false;
	snprintf(word, size, "%.*s", (int)(len < size ? len : size - 1), *at);
	*at += len;
	return true;
}

static void
append(json_t *dns, const char *key, const char *word)
{
	json_t *list = json_object_get(dns, key);

	if (!list) {
		list = json_array();
		json_object_set_new(dns, key, list);
	}
	json_array_append_new(list, json_string(word));
}

static void
dns_line(json_t *dns, const char *at)
{
	char word[256];

	if (!next_word(&at, word, sizeof(word)) || *word == '#' || *word == ';')
		return;
	if (strcmp(word, "nameserver") == 0) {
		if (next_word(&at, word, sizeof(word)))
			append(dns, "nameservers", word);
	} else if (strcmp(word, "domain") == 0) {
		if (next_word(&at, word, sizeof(word)))
			json_object_set_new(dns, "domain", json_string(word));
	} else if (strcmp(word, "search") == 0) {
		while (next_word(&at, word, sizeof(word)))
			append(dns, "search", word);
	} else if (strcmp(word, "options") == 0) {
		while (next_word(&at, word, sizeof(word)))
			append(dns, "options", word);
	}
}

static json_t *
dns_of(const char *text)
{
	json_t *dns = json_object();

	while (text && *text) {
		dns_line(dns, text);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return dns;
}

/* ---- addresses ---- */

static json_t *
ips_of(const struct cni_call *call, const json_t *answer)
{
	/* Until 1.0.0 each says its family. */
	const bool says_family = *call->version == '0';
	json_t *ips = json_array(), *ip;
	const json_t *one;
	const char *addr, *gateway;
	size_t i;

	json_array_foreach(json_object_get(answer, "ips"), i, one)
	{
		addr = json_string_value(json_object_get(one, "address"));
		gateway = json_string_value(json_object_get(one, "gateway"));
		if (!addr || !gateway)
			continue;
		ip = json_pack("{s:s, s:s}", "address", addr, "gateway", gateway);
		if (says_family)
			json_object_set_new(
			    ip, "version", json_string(strchr(addr, ':') ? "6" : "4"));
		json_array_append_new(ips, ip);
	}
	return ips;
}

static json_t *
add_result(const struct cni_call *call, const json_t *answer, const char *resolv)
{
	json_t *out = json_object();
	json_t *routes = json_object_get(json_object_get(call->conf, "ipam"), "routes");

	json_object_set_new(out, "cniVersion", json_string(call->version));
	json_object_set_new(out, "ips", ips_of(call, answer));
	if (json_array_size(routes) > 0)
		json_object_set(out, "routes", routes);
	json_object_set_new(out, "dns", dns_of(resolv));
	return out;
}

/* Does the result of the ADD still say what is given? */
static int
check(const struct cni_call *call, const json_t *answer, struct cni_fault *f)
{
	const json_t *before = json_object_get(json_object_get(call->conf, "prevResult"), "ips");
	const json_t *one, *then;
	const char *addr;
	size_t i, k;
	bool found;

	if (!json_is_array(before)) {
		cni_fault_set(f, CNI_BAD_CONFIG, "invalid network configuration",
		    "prevResult.ips: must be there for CHECK");
		return -1;
	}
	json_array_foreach(json_object_get(answer, "ips"), i, one)
	{
		addr = json_string_value(json_object_get(one, "address"));
		found = false;
		json_array_foreach(before, k, then)
		{
			const char *was = json_string_value(json_object_get(then, "address"));

			found = found || (addr && was && strcmp(addr, was) == 0);
		}
		if (!found) {
			cni_fault_set(f, CNI_CHECK_FAILED, "the container has another address",
			    "%s is given to it, and prevResult does not have it",
			    addr ? addr : "nothing");
			return -1;
		}
	}
	return 0;
}

static int
refused(const struct cni_call *call, const json_t *answer, struct cni_fault *f)
{
	const json_t *code = json_object_get(answer, "code");
	const char *msg = json_string_value(json_object_get(answer, "msg"));
	const char *details = json_string_value(json_object_get(answer, "details"));

	if (!json_is_integer(code) || json_integer_value(code) <= 0 ||
	    json_integer_value(code) > 65535 || !msg)
		cni_fault_set(f, CNI_TRY_LATER, "the answer of herald cannot be understood",
		    "socket %s: is herald older than herald-ipam?", call->socket);
	else
		cni_fault_set(f, (int)json_integer_value(code), msg, "%s", details ? details : "");
	return -1;
}

int
cni_result(const struct cni_call *call, const json_t *answer, const char *resolv, json_t **out,
    struct cni_fault *f)
{
	*out = NULL;
	if (!json_is_true(json_object_get(answer, "ok")))
		return refused(call, answer, f);
	if (call->command == CNI_CHECK)
		return check(call, answer, f);
	if (call->command != CNI_ADD)
		return 0;
	*out = add_result(call, answer, resolv);
	if (json_array_size(json_object_get(*out, "ips")) > 0)
		return 0;
	json_decref(*out);
	*out = NULL;
	return refused(call, NULL, f);
}
