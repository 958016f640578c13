/*
 * tests/fuzz/fuzz_yaml.c: any bytes as a file of documents.  Whatever comes out decoded must show,
 * and what is shown must decode to the same object.
 */
#include "tests/fuzz/must.h"

#include "resource/resource.h"

#include "lib/text.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
show_and_decode_again(const struct res_object *o)
{
	struct res_faults faults = { 0 };
	struct res_set again = { 0 };
	char *text = res_show_yaml(o);

	must(text != NULL);
	/* Written out, what aliases name may be more than a file may hold. */
	if (strlen(text) > RES_MAX_FILE)
		goto out;
	/* Values of Secrets, and passwords of MetalLB's peers, are hidden, and do not come back. */
	if (o->kind != RES_SECRET && o->kind != RES_METALLB_PEER) {
		must(res_decode_yaml("again", text, strlen(text), &again, &faults) == 0);
		must(again.nr == 1 && res_equal(o, again.v[0]));
		must(res_change_cost(o, again.v[0]) == RES_COST_NONE);
	}
out:
	free(text);
	res_set_fini(&again);
	res_faults_fini(&faults);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct res_faults faults = { 0 };
	struct res_set set = { 0 };
	int err = res_decode_yaml("fuzz", (const char *)data, size, &set, &faults);

	must(err == 0 || err == -EINVAL);
	must((err == -EINVAL) == (faults.nr > 0));
	for (size_t i = 0; i < faults.nr; i++) {
		char *line = res_fault_format(&faults.v[i]);

		must(faults.v[i].line > 0 && faults.v[i].column > 0);
		must(!strchr(line, '\n') && text_utf8_check(line, strlen(line), NULL) == 0);
		free(line);
	}
	for (size_t i = 0; i < set.nr; i++)
		show_and_decode_again(set.v[i]);
	res_set_fini(&set);
	res_faults_fini(&faults);
	return 0;
}
