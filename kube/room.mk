# kube/: the Kubernetes source: client, list and watch, status, Leases, Events.
ROOMS += kube
kube_SRC := $(wildcard kube/*.c)
kube_USES = resource lib
kube_LIBS = $(YAML_LIBS) $(JANSSON_LIBS)
