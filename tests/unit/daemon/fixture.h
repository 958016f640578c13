/*
 * tests/unit/daemon/fixture.h: a store filled from YAML text, for tests of decisions: they need
 * neither root nor network nor files.
 */
#ifndef HERALD_TESTS_DAEMON_FIXTURE_H
#define HERALD_TESTS_DAEMON_FIXTURE_H

#include "lib/loop.h"
#include "resource/resource.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
	struct loop *loop;
	struct store *store;
	int source;
};

static inline void
fixture_init(struct fixture *f)
{
	f->loop = loop_new_fake();
	f->store = store_new(f->loop);
	f->source = store_source_add(f->store, "test");
	store_source_synced(f->store, f->source, true);
}

/* Adds the documents of @yaml to what is there. */
static inline void
fixture_add(struct fixture *f, const char *yaml)
{
	struct res_set set = { 0 };
	struct res_faults faults = { 0 };
	int err = res_decode_yaml("test.yaml", yaml, strlen(yaml), &set, &faults);

	for (size_t i = 0; i < faults.nr; i++) {
		char *line = res_fault_format(&faults.v[i]);

		fprintf(stderr, "%s\n", line);
		free(line);
	}
	ck_assert_int_eq(err, 0);
	for (size_t i = 0; i < set.nr; i++)
		ck_assert_int_eq(store_put(f->store, f->source, set.v[i]), 0);
	res_set_fini(&set);
	res_faults_fini(&faults);
}

/* Adds a file of the repository, found from its root. */
static inline void
fixture_add_file(struct fixture *f, const char *path)
{
	static char text[1 << 16];
	FILE *in = fopen(path, "r");
	size_t len;

	ck_assert_msg(in != NULL, "%s: run the test from the root of the repository", path);
	len = fread(text, 1, sizeof(text) - 1, in);
	text[len] = '\0';
	fclose(in);
	fixture_add(f, text);
}

static inline void
fixture_fini(struct fixture *f)
{
	store_free(f->store);
	loop_free(f->loop);
}

#endif
