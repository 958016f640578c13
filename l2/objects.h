/*
 * l2/objects.h: the compiled BPF program inside this binary (objects.S), as an ELF object.  Private
 * to the room.
 */
#ifndef HERALD_L2_OBJECTS_H
#define HERALD_L2_OBJECTS_H

#include <stdint.h>

extern const uint8_t object_l2[]; /* bpf/l2.bpf.c */
extern const uint32_t object_l2_len;

#endif
