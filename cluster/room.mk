# cluster/: the nodes among themselves: who lives, and who holds which address.
ROOMS += cluster
cluster_SRC := $(wildcard cluster/*.c)
cluster_USES = lib
