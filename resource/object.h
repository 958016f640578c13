/*
 * resource/object.h: what all resource objects have in common, the faults of a document, and the
 * way from text to objects.  The kinds themselves stand in kinds.h.
 *
 * Objects are immutable from the moment that they are decoded, and reference counted.  Everything
 * that an object points to belongs to it and lives as long as it does.
 */
#ifndef HERALD_RESOURCE_OBJECT_H
#define HERALD_RESOURCE_OBJECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum res_kind {
	RES_HERALD_CONFIG,
	RES_NODE,
	RES_SERVICE,
	RES_ENDPOINT_SLICE,
	RES_SECRET,
	RES_LB_IP_POOL,
	RES_BGP_CLUSTER_CONFIG,
	RES_BGP_PEER_CONFIG,
	RES_BGP_ADVERTISEMENT,
	RES_BGP_NODE_CONFIG_OVERRIDE,
	RES_L2_POLICY,
	RES_NAMESPACE,
	RES_BFD_PROFILE,
	RES_POD_IP_POOL,
	/* MetalLB's, which only their translation looks at (translate.h) */
	RES_METALLB_POOL,
	RES_METALLB_ADDRESS_POOL,
	RES_METALLB_L2_ADVERTISEMENT,
	RES_METALLB_BGP_ADVERTISEMENT,
	RES_METALLB_COMMUNITY,
	RES_METALLB_BFD_PROFILE,
	RES_METALLB_PEER,
	RES_NR_KINDS
};

/* The native name of a kind: "BGPPeerConfig", "Service". */
const char *res_kind_name(enum res_kind);

/* A label, an annotation, an entry of a Secret.  Lists of them are sorted by key. */
struct res_pair {
	const char *key, *value;
};

struct res_pairs {
	const struct res_pair *v;
	size_t nr;
};

struct res_strings {
	const char *const *v;
	size_t nr;
};

/* The value of @key, or NULL. */
const char *res_pairs_get(const struct res_pairs *, const char *key);

struct res_meta {
	const char *ns; /* "" for kinds without; "default" when a document names none */
	const char *name;
	const char *uid;	      /* "" when not given; likewise resource_version */
	const char *resource_version; /* opaque */
	int64_t generation;
	int64_t created; /* seconds since 1970; 0: not given */
	struct res_pairs labels, annotations;
};

struct res_arena;

struct res_object {
	enum res_kind kind;
	unsigned refs;
	struct res_meta meta;
	const char *api_kind; /* as the document called it: "CiliumBGPPeerConfig" */
	const char *file;     /* where it came from; "" when not from a file */
	unsigned line, column;
	struct res_arena *arena;
};

struct res_object *res_ref(struct res_object *); /* NULL is fine, gives NULL */
void res_unref(struct res_object *);		 /* NULL is fine */

/* The same kind, name, labels, annotations and fields?  uid, resourceVersion, generation, status
 * that is not decoded and the place in the file do not count; creationTimestamp does. */
bool res_equal(const struct res_object *, const struct res_object *);

/* What a change of one object into another costs at most; the rows of the field tables say it. */
enum res_cost { RES_COST_NONE, RES_COST_SOFT, RES_COST_SESSION, RES_COST_RESTART };
enum res_cost res_change_cost(const struct res_object *from, const struct res_object *to);
/* Every field of which the change costs just this, by its path: "spec.stateDir", borrowed. */
typedef void res_change_cb(void *arg, const char *field);
void res_changes_each(const struct res_object *from, const struct res_object *to,
    enum res_cost cost, res_change_cb *cb, void *arg);

/* The whole object as a native document, defaults filled in; secrets read "(hidden)".  The caller
 * owns the result; NULL: no memory. */
json_t *res_show(const struct res_object *);
/* The same as YAML text, for free(). */
char *res_show_yaml(const struct res_object *);

/* ---- objects in a row ---- */

/* Owns a reference to each. */
struct res_set {
	struct res_object **v;
	size_t nr, cap;
};

void res_set_fini(struct res_set *); /* empties it */

/* ---- faults ---- */

/* One thing that is wrong in a document.  Strings are owned by the list. */
struct res_fault {
	char *file;
	unsigned line, column; /* from 1 */
	char *object;	       /* "KIND/NAME" */
	char *field;	       /* "spec.timers.holdTimeSeconds" */
	char *text;	       /* "2: must be 0 or 3 to 65535" */
	bool notice;	       /* no more than a word: the object was taken all the same */
};

/* File by file, down each; beyond RES_MAX_FAULTS they are only counted. */
struct res_faults {
	struct res_fault *v;
	size_t nr, cap;
	size_t suppressed;
};

#define RES_MAX_FAULTS 1000

void res_faults_fini(struct res_faults *); /* empties it */
/* "FILE:LINE:COLUMN: KIND/NAME: FIELD: what is wrong, what would be right", for free(); without the
 * place when it came from no file. */
char *res_fault_format(const struct res_fault *);

/* ---- decoding ---- */

#define RES_MAX_FILE (16u << 20) /* bytes of one file */

/*
 * All documents of the YAML @text, which came from @file (only a name here).  Good objects are
 * added to @out, which may be half of them when others are at fault.
 * 0; -EINVAL: there are faults, all of them are in @faults; -ENOMEM.
 */
int res_decode_yaml(const char *file, const char *text, size_t len, struct res_set *out,
    struct res_faults *faults) __attribute__((warn_unused_result));

/* ---- objects of an API server ---- */

#define RES_MAX_JSON (8u << 20) /* bytes of one object */

/* What the text of an object says it is; "" where it says nothing. */
struct res_json_head {
	char ns[64], name[256], uid[64], resource_version[64];
};

/* Only the head.  0; -EBADMSG: this is no JSON object with metadata; -ENOMEM. */
int res_json_head(const char *text, size_t len, struct res_json_head *)
    __attribute__((warn_unused_result));

/*
 * One object as JSON, which may be a document that becomes several.  @api_version and @kind are
 * what it is when the text does not say, as the items of lists.  Nulls are as absent; of
 * annotations only those are kept that mean something here; unknown fields of core kinds are
 * passed over, those of other kinds are notices in @faults and change nothing in what is returned.
 *
 * 0; -EINVAL: there are faults, in @faults, and @out may have good parts; -EBADMSG: as above, and
 * nothing was said; -ENOMEM.  *head is written with 0 and -EINVAL.
 */
int res_decode_json(const char *api_version, const char *kind, const char *text, size_t len,
    struct res_set *out, struct res_faults *faults, struct res_json_head *head)
    __attribute__((warn_unused_result));

#endif
