/*
 * tests/fuzz/fuzz_convert.c: any bytes as a file to convert.  Where nothing is told to be wrong or
 * without equivalent, what is printed is good.
 */
#include "tests/fuzz/must.h"

#include "lib/buf.h"
#include "resource/resource.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct convert *c = convert_new();
	struct res_faults faults = { 0 };
	struct res_set set = { 0 };
	struct buf out;
	int err;

	buf_init(&out, 64u << 20);
	must(convert_add(c, "fuzz", (const char *)data, size) == 0);
	err = convert_print(c, &out);
	must(err == 0 || out.failed); /* aliases written out may be more than there is room for */
	for (size_t i = 0; i < convert_faults(c)->nr; i++) {
		const struct res_fault *f = &convert_faults(c)->v[i];

		must(f->line > 0 && f->column > 0);
	}
	if (err == 0 && out.len && out.len <= RES_MAX_FILE && convert_faults(c)->nr == 0)
		must(res_decode_yaml("again", buf_text(&out), out.len, &set, &faults) == 0);
	buf_fini(&out);
	res_set_fini(&set);
	res_faults_fini(&faults);
	convert_free(c);
	return 0;
}
