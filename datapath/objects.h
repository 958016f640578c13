/*
 * datapath/objects.h: the compiled BPF programs inside this binary (objects.S), as ELF objects.
 * Private to the room.
 */
#ifndef HERALD_DATAPATH_OBJECTS_H
#define HERALD_DATAPATH_OBJECTS_H

#include <stdint.h>

extern const uint8_t object_lb[];     /* bpf/lb.bpf.c, for Linux 5.12 and later */
extern const uint8_t object_lb_old[]; /* the same without atomics that give back what was there */
extern const uint8_t object_sock[];   /* bpf/sock.bpf.c */
extern const uint32_t object_lb_len, object_lb_old_len, object_sock_len;

#endif
