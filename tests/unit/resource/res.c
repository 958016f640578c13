/*
 * tests/unit/resource/res.c: documents out of text; see res.h.
 */
#include "tests/unit/resource/res.h"

#include "tests/unit/unit.h"

#include "lib/buf.h"

#include <errno.h>
#include <string.h>

char *
res_fault_lines(const struct res_faults *faults)
{
	struct buf b;
	char *text;

	buf_init(&b, 1u << 22);
	for (size_t i = 0; i < faults->nr; i++) {
		char *line = res_fault_format(&faults->v[i]);

		buf_printf(&b, "%s\n", line);
		free(line);
	}
	text = buf_steal(&b);
	return text ? text : calloc(1, 1);
}

struct res_result
res_load_len(const char *text, size_t len)
{
	struct res_faults faults = { 0 };
	struct res_result r = { 0 };

	r.err = res_decode_yaml("t.yaml", text, len, &r.set, &faults);
	r.faults = res_fault_lines(&faults);
	ck_assert_int_eq(r.err == -EINVAL, faults.nr > 0);
	res_faults_fini(&faults);
	return r;
}

struct res_result
res_load(const char *text)
{
	return res_load_len(text, strlen(text));
}

void
res_result_fini(struct res_result *r)
{
	res_set_fini(&r->set);
	free(r->faults);
}

struct res_object *
res_one(const char *text)
{
	struct res_result r = res_load(text);
	struct res_object *o;

	ck_assert_msg(r.err == 0, "%s", r.faults);
	ck_assert_uint_eq(r.set.nr, 1);
	o = res_ref(r.set.v[0]);
	res_result_fini(&r);
	return o;
}

void
res_refuses(const char *text, const char *lines)
{
	struct res_result r = res_load(text);

	ck_assert_str_eq(r.faults, lines);
	ck_assert_int_eq(r.err, -EINVAL);
	res_result_fini(&r);
}

char *
res_slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text;
	long size;

	ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
	size = ftell(f);
	rewind(f);
	text = calloc(1, (size_t)size + 1);
	ck_assert_uint_eq(fread(text, 1, (size_t)size, f), (size_t)size);
	fclose(f);
	return text;
}
