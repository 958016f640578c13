# resource/: documents, typed objects, the store, the files source.
ROOMS += resource
resource_SRC := $(wildcard resource/*.c)
resource_USES = lib
resource_LIBS = $(YAML_LIBS) $(JANSSON_LIBS)
