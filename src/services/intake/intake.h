/* intake.h: incoming and submitted mail, from RCPT to the commit.
 *
 * Purpose    Core's side of the frames RCPT_CHECK, TX_RESET, SPOOL_OPEN, MESSAGE and STORY_NOTE: decides
 *            recipients, has the message looked into, asks the policy, delivers, tells the story, and
 *            says what front answers its client.
 * Ownership  intake_new/intake_free. Frames are borrowed for the call; what must live longer is copied.
 * Threads    The loop's thread. Large hashes run through env->blocking, commits on the store's writer.
 * Limits     Transactions per link, recipients per message, bytes of messages at work at once; submitted
 *            messages and recipients per account (services/intake/rates.h).
 * Errors     None are returned: every outcome is a reply for the client, in words it can act on.
 * Not here   SMTP (protocols/smtp), sockets (sessions/smtp).
 */
#ifndef BUZON_SERVICES_INTAKE_INTAKE_H
#define BUZON_SERVICES_INTAKE_INTAKE_H

#include "net/loop.h"
#include "services/config/config.h"
#include "services/frames/frames.h"
#include "services/store/store.h"

enum {
	INTAKE_TX_MAX = 20000,                  /* open transactions, over all links */
	INTAKE_AT_WORK_MAX = 256 * 1024 * 1024, /* bytes of bodies between MESSAGE and its reply */
};

struct intake;

/* index is empty when there is none: is_poison when workers died on the message (it is then kept as it is),
 * else no worker was there (the client is told to try again). */
typedef void intake_index_fn(void *arg, str index, bool is_poison);
/* judgement is empty when nobody could judge. services/judge/judgement.h */
typedef void intake_judge_fn(void *arg, str judgement);
typedef void intake_reply_fn(void *arg, const struct frame_message_result *result);

/* A message that came from outside, to be judged. */
struct intake_question {
	str peer_address, helo, sender;
	uint32_t time_ms;
	bool only_clean; /* only look for fields that claim to be ours */
	str bytes;       /* the message is here, or (fd >= 0) in a descriptor */
	int fd;
};

/* What the role lends: the worker, and threads that may block. */
struct delivery; /* services/deliver */

struct intake_env {
	void *owner;
	/* What was committed has remote recipients: they are in the queue now. May be NULL. */
	void (*queued)(void *owner, const struct delivery *d);
	/* The message is in bytes, or (fd >= 0) in a descriptor; both stay valid until fn was called. */
	void (*index)(void *owner, str bytes, int fd, intake_index_fn *fn, void *arg);
	/* NULL: nothing is judged. What the question points to stays valid until fn was called. */
	void (*judge)(
	    void *owner, const struct intake_question *question, intake_judge_fn *fn, void *arg);
	/* work runs on some thread, then done on the loop's. */
	void (*blocking)(void *owner, loop_fn *work, loop_fn *done, void *arg);
};

struct intake_options {
	struct store *store;
	struct loop *loop;
	const struct log *log;
	const struct config *config;
	const unsigned char *ticket_key;
	const char *spool_dir; /* for files without a name; copied */
	struct intake_env env;
};

struct intake *intake_new(const struct intake_options *o);
void intake_free(struct intake *in);
/* After a reload. */
void intake_set_config(struct intake *in, const struct config *config);

/* link is a number of the caller's for one connection of a front. The result's slices are good until the
 * next call. */
void intake_rcpt(struct intake *in, uint64_t link, const struct frame_rcpt_check *f,
    struct frame_rcpt_result *out);
void intake_reset(struct intake *in, uint64_t link, uint64_t tx);
void intake_link_lost(struct intake *in, uint64_t link);
/* Takes fd (-1: the body is inline). fn is called once, later. */
void intake_message(struct intake *in, uint64_t link, const struct frame_message *f, int fd,
    intake_reply_fn *fn, void *arg);
/* Mail from a program of this machine's administrator, who may write to anywhere as anyone. The slices stay
 * valid until fn is called, once. */
struct intake_local {
	str sender;
	const str *recipients;
	size_t recipient_count;
	str body;
	bool utf8; /* needs SMTPUTF8 on its way */
	/* Runs in the transaction that keeps the message; may be NULL. */
	store_job_fn *also;
	void *also_arg;
};
void intake_local(
    struct intake *in, const struct intake_local *local, intake_reply_fn *fn, void *arg);
/* An unlinked file below the data directory for a large body; -1 with the reply in *out. Any thread. */
int intake_spool_open(struct intake *in, struct frame_spool_result *out);
void intake_note(struct intake *in, const struct frame_story_note *f);
/* Messages between MESSAGE and reply: a clean stop waits for none. */
size_t intake_at_work(const struct intake *in);

#endif
