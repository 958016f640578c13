/*
 * daemon/notify.h: tells systemd how we are (sd_notify(3)'s protocol), when it asked to be told.
 */
#ifndef HERALD_DAEMON_NOTIFY_H
#define HERALD_DAEMON_NOTIFY_H

/* "READY=1", "STOPPING=1", "RELOADING=1\nMONOTONIC_USEC=...".  Without NOTIFY_SOCKET: nothing. */
void notify_systemd(const char *state);
/* How often "WATCHDOG=1" is wanted, at the latest half of WATCHDOG_USEC, in ms; 0: not at all. */
unsigned notify_watchdog_ms(void);

#endif
