/* throttle.h: slows guessing down, without locking anybody out who has signed in before.
 *
 * Purpose    Count failed sign-ins per client address (IPv6: per /64) and per account name, say how
 *            long an answer has to wait and whether an address is banned for a while.
 * Rules      A failure makes its answer, and the next ones, wait: 2 s, 4 s, 8 s, 15 s. Twenty in
 *            a row ban the address for 15 minutes; a name is never banned, else anybody could lock
 *            its owner out. An address that has signed in well as a name before has a budget of its
 *            own for that name: what others do to the name, or to the address, does not touch it.
 *            The same wrong password again (a mail client that was not told of a change) is not
 *            counted twice.
 * Threads    One owner at a time.
 * Units      Milliseconds of a clock that never goes back.
 * Limits     struct throttle_limits; over them the entries that were longest untouched go.
 * Not kept   A restart of role auth forgets all of it, on purpose: a failure that had to be written down would let
 *            strangers choose how often the disk is synced, and a row for each name that was tried. Who could end
 *            the process at will would gain twenty guesses a restart, and restarts back off to one in five seconds;
 *            each is in the log, five are an alarm.
 * Not here   Waiting (the caller's timer), clocks, accounts: a name need not exist.
 */
#ifndef BUZON_SERVICES_AUTH_THROTTLE_H
#define BUZON_SERVICES_AUTH_THROTTLE_H

#include "base/str.h"

struct throttle_limits {
	uint32_t entries;  /* addresses, names and pairs with failures */
	uint32_t known;    /* pairs that have signed in well */
	uint32_t failures; /* then an address is banned */
	uint64_t first_delay_ms, max_delay_ms;
	uint64_t ban_ms;
	uint64_t forget_ms;       /* without a failure for so long: as if there had been none */
	uint64_t known_forget_ms; /* not signed in for so long: no budget of its own */
};
extern const struct throttle_limits throttle_limits_default;

struct throttle;

struct throttle *throttle_new(const struct throttle_limits *limits);
void throttle_free(struct throttle *t);

/* Before credentials are looked at: true when this try is refused whatever they are. */
bool throttle_is_banned(struct throttle *t, str address, str name, uint64_t now_ms);
/* How long any answer waits that tells whether this try is good. */
uint64_t throttle_wait(struct throttle *t, str address, str name, uint64_t now_ms);
/* Count the outcome; how long its answer waits. fingerprint: of name and password, 0 when not known. */
uint64_t throttle_failed(
    struct throttle *t, str address, str name, uint64_t fingerprint, uint64_t now_ms);
uint64_t throttle_passed(struct throttle *t, str address, str name, uint64_t now_ms);

#endif
