/*
 * resource/translate.h: the documents of MetalLB -> native documents.  Pure: what comes out is a
 * function of the whole set, since one MetalLB object speaks of others (an advertisement of pools
 * and peers, a community of a name that another document gives it, peers of one node share a
 * speaker).
 *
 *   IPAddressPool      LoadBalancerIPPool of the same name, for an annotation names it
 *   BGPPeer            a peer of the one BGPClusterConfig "metallb", in the instance of its AS, and
 *                      a BGPPeerConfig; a Secret when the password stands in it
 *   BGPAdvertisement   BGPAdvertisement
 *   L2Advertisement    L2AnnouncementPolicy
 *   BFDProfile         BFDProfile of the same name
 *
 * All others are called "metallb-" and the name that they had.  Each says in the annotation
 * heraldlb.io/translated-from what it was.
 */
#ifndef HERALD_RESOURCE_TRANSLATE_H
#define HERALD_RESOURCE_TRANSLATE_H

#include "resource/object.h"

struct store;

#define TRANSLATED_FROM "heraldlb.io/translated-from"

/* What advertisements carry and peers select. */
#define TRANSLATED_LABEL "heraldlb.io/from"
#define TRANSLATED_LABEL_VALUE "metallb"

struct translated {
	json_t *doc;
	const struct res_object *from; /* the first, of several */
};

struct translation {
	struct translated *v;
	size_t nr, cap;
};

/*
 * The documents of @objs, all of which are MetalLB's, in any order; the result is in a fixed one.
 * What cannot be had is in @notices, at the place of the object that asks for it.  0 or -ENOMEM.
 */
int translate(const struct res_object *const *objs, size_t nr, struct translation *,
    struct res_faults *notices) __attribute__((warn_unused_result));
void translation_fini(struct translation *); /* empties it */
/* Documents -> objects, which stand where what they come from stands.  0 or -ENOMEM. */
int translation_decode(const struct translation *, struct res_set *out, struct res_faults *notices)
    __attribute__((warn_unused_result));

#endif
