/*
 * tests/unit/datapath/servmodel.h: what the maps should hold for a set of Services, worked out the
 * slow way from the set alone, and compared with what is in the kernel.
 */
#ifndef HERALD_TESTS_SERVMODEL_H
#define HERALD_TESTS_SERVMODEL_H

#include "datapath/core.h"
#include "tests/unit/datapath/mapkit.h"

#define MODEL_SERVICES 12
#define MODEL_FRONTENDS 4
#define MODEL_BACKENDS 6
#define MODEL_RANGES 3

struct model_service {
	bool there;
	char name[16];
	size_t nr;
	struct dp_frontend fe[MODEL_FRONTENDS];
	struct dp_backend b[MODEL_FRONTENDS][MODEL_BACKENDS];
	struct prefix ranges[MODEL_FRONTENDS][MODEL_RANGES];
};

struct model {
	struct model_service service[MODEL_SERVICES];
	uint32_t table_size;
};

struct addr model_vip(unsigned i); /* every fourth is IPv6 */
struct addr model_backend(unsigned i, bool v6);
/* Other frontends by chance, from few addresses, so that Services meet. */
void model_service_roll(struct model_service *);
/* NULL: the maps are just so; else what is wrong. */
const char *model_differs(const struct model *, const struct dp_maps *);
/* The row of a frontend by the hash; UINT32_MAX: none. */
uint32_t model_fe_row(const struct dp_maps *, const struct dp_frontend *);
/* The live row of a backend; UINT32_MAX: none. */
uint32_t model_be_row(const struct dp_maps *, const struct dp_backend *, uint8_t proto);

#endif
