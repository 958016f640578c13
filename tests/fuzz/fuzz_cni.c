/*
 * tests/fuzz/fuzz_cni.c: what a container runtime says to herald-ipam, and what a daemon answers it.
 *
 * The first byte chooses the command and what the environment lacks; up to a NUL stand the arguments
 * (CNI_ARGS), up to the next one the configuration, and the rest is the answer.
 */
#include "tests/fuzz/must.h"

#include "tools/herald-ipam/cni.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next part, with a NUL behind it, for free(). */
static char *
part(const uint8_t **at, size_t *left, size_t *len)
{
	const uint8_t *end = *left ? memchr(*at, 0, *left) : NULL;
	char *text;

	*len = end ? (size_t)(end - *at) : *left;
	text = malloc(*len + 1);
	must(text != NULL);
	if (*len)
		memcpy(text, *at, *len);
	text[*len] = '\0';
	*at += *len + (end != NULL);
	*left -= *len + (end != NULL);
	return text;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const words[] = { "ADD", "DEL", "CHECK", "VERSION", "STATUS", "GC", "",
		"add" };
	struct cni_env env = { .container = "c", .netns = "/n", .ifname = "eth0" };
	struct cni_fault fault = { 0 };
	char *args, *conf, *answer;
	size_t len, conf_len, left = size - 1;
	const uint8_t *at = data + 1;
	struct cni_call call;
	json_t *said, *out = NULL;

	if (size < 1)
		return 0;
	env.command = words[data[0] & 7];
	if (data[0] & 16)
		env.container = NULL;
	if (data[0] & 32)
		env.netns = NULL;
	args = part(&at, &left, &len);
	conf = part(&at, &left, &conf_len);
	answer = part(&at, &left, &len);
	env.args = args;
	if (cni_read(&call, &env, conf, conf_len, &fault) < 0) {
		must(fault.code > 0 && *fault.msg != 0);
	} else if (call.command != CNI_VERSION) {
		must(call.request && call.socket);
		said = json_loads(answer, JSON_DECODE_ANY, NULL);
		if (cni_result(&call, said, answer, &out, &fault) < 0)
			must(fault.code > 0 && *fault.msg != 0 && !out);
		json_decref(out);
		json_decref(said);
	}
	cni_call_fini(&call);
	free(args);
	free(conf);
	free(answer);
	return 0;
}
