/*
 * resource/translator.h: what the parts of the translation share (translate.c, translate_peers.c,
 * translate_adverts.c).
 */
#ifndef HERALD_RESOURCE_TRANSLATOR_H
#define HERALD_RESOURCE_TRANSLATOR_H

#include "resource/metallb_kinds.h"
#include "resource/translate.h"

struct translator {
	const struct res_object *const *objs; /* by kind, name, namespace */
	size_t nr;
	struct translation *out;
	struct res_faults *notices;
	json_t *instances; /* of the BGPClusterConfig; borrowed; NULL: there is none yet */
	int err;
};

/* Take @value over into @to; NULL is no memory. */
void tr_put(struct translator *, json_t *to, const char *key, json_t *value);
void tr_push(struct translator *, json_t *to, json_t *value);
void tr_text(struct translator *, json_t *to, const char *key, const char *value);
/* Something of @o, at @field, has no equivalent. */
void tr_notice(struct translator *, const struct res_object *o, const char *field, const char *fmt,
    ...) __attribute__((format(printf, 4, 5)));
/* A new document with an empty spec, called @prefix and @name; borrowed.  NULL: no memory. */
json_t *tr_doc(struct translator *, const struct res_object *from, const char *api,
    const char *kind, const char *prefix, const char *name);
json_t *tr_spec(const json_t *doc);
/* The list @name in the spec of @shown (res_show()), unless empty, as @as into @to. */
void tr_copy_list(
    struct translator *, const json_t *shown, const char *name, json_t *to, const char *as);

void tr_peer(struct translator *, const struct res_object *);
void tr_bgp_advert(struct translator *, const struct res_object *);
void tr_l2_advert(struct translator *, const struct res_object *);
/* What an AddressPool says of its announcement. */
void tr_old_adverts(struct translator *, const struct mlb_address_pool *);

#endif
