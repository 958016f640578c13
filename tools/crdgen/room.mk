# tools/crdgen/: prints the CRDs, the JSON Schema and the reference page from the field tables.
ROOMS += crdgen
crdgen_SRC := $(filter-out tools/crdgen/main.c,$(wildcard tools/crdgen/*.c))
crdgen_USES = resource lib
crdgen_LIBS = $(JANSSON_LIBS) $(YAML_LIBS)

PROGRAMS += $(if $(wildcard tools/crdgen/main.c),crdgen)
crdgen_MAIN = tools/crdgen/main.c
crdgen_ROOM = crdgen
