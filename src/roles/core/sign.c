/* Signatures for DKIM by role keys, for threads that prepare mail on its way out. */
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "roles/core/core.h"

/* Longer than keys ever takes, shorter than the supervisor needs to find that it hangs. */
enum {
	PATIENCE_S = 5,
	LOOP_PATIENCE_MS = 1000,
	NAME_BYTES = 256,
	DIGEST_BYTES = 64,
	SIGNATURE_BYTES = 1024
};

/* Belongs to two: the thread that waits, which may give up, and the loop, which may be answered late. */
struct asking {
	struct core *core;
	atomic_int owners;
	sem_t done;
	char name[NAME_BYTES], digest[DIGEST_BYTES];
	struct frame_dkim_sign question;
	bool is_there, is_signed;
	char signature[SIGNATURE_BYTES];
	size_t bytes;
};

static void let_go(struct asking *a)
{
	if (atomic_fetch_sub(&a->owners, 1) > 1)
		return;
	sem_destroy(&a->done);
	free(a);
}

static void take_answer(struct asking *a, const struct link_frame *reply)
{
	struct frame_key_signature s;

	if (!reply || frame_decode(reply->def, reply->payload, &s, NULL) < 0)
		return;
	a->is_there = true;
	a->is_signed = s.ok && s.signature.len > 0 && s.signature.len <= sizeof(a->signature);
	if (!a->is_signed)
		return;
	memcpy(a->signature, s.signature.ptr, s.signature.len);
	a->bytes = s.signature.len;
}

static void on_signature(void *arg, struct link_frame *reply)
{
	struct asking *a = arg;

	take_answer(a, reply);
	sem_post(&a->done);
	let_go(a);
}

/* [loop] */
static void ask_keys(void *arg)
{
	struct asking *a = arg;
	struct link *keys = role_link(a->core->role, ROLE_KEYS, 0);

	if (keys)
		link_request(keys, &frame_def_dkim_sign, &a->question, NULL, 0,
		    &frame_def_key_signature, on_signature, a);
	else
		on_signature(a, NULL);
}

/* The pool was full, and the loop does the work itself: it cannot wait for its own turn. */
static void ask_at_once(struct asking *a)
{
	struct link *keys = role_link(a->core->role, ROLE_KEYS, 0);
	struct link_frame reply;

	if (keys && link_call(keys, &frame_def_dkim_sign, &a->question, &frame_def_key_signature,
	                LOOP_PATIENCE_MS, &reply, NULL) == 0)
		take_answer(a, &reply);
	let_go(a);
}

/* True: there was an answer. */
static bool wait_for(struct asking *a)
{
	struct timespec until;
	int result;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	while ((result = sem_timedwait(&a->done, &until)) < 0 && errno == EINTR)
		;
	return result == 0;
}

static struct asking *asking_new(struct core *c, str name, uint16_t scheme, str digest)
{
	struct asking *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	a->core = c;
	atomic_init(&a->owners, 2);
	sem_init(&a->done, 0, 0);
	name = str_sub(name, 0, sizeof(a->name));
	digest = str_sub(digest, 0, sizeof(a->digest));
	memcpy(a->name, name.ptr, name.len);
	memcpy(a->digest, digest.ptr, digest.len);
	a->question = (struct frame_dkim_sign){
		.name = str_new(a->name, name.len),
		.scheme = scheme,
		.digest = str_new(a->digest, digest.len),
	};
	return a;
}

static int dkim_by_keys(
    void *owner, str name, uint16_t scheme, str digest, struct buf *out, struct err *err)
{
	struct core *c = owner;
	struct asking *a = asking_new(c, name, scheme, digest);
	bool is_there, is_signed = false;

	if (pthread_equal(pthread_self(), c->loop_thread)) {
		ask_at_once(a);
		is_there = a->is_there;
	} else {
		loop_post(c->role->loop, ask_keys, a);
		is_there = wait_for(a) && a->is_there;
	}
	if (is_there && a->is_signed) {
		buf_add(out, str_new(a->signature, a->bytes));
		is_signed = buf_ok(out);
	}
	let_go(a);
	if (is_signed)
		return 0;
	return err_set(err, ERR_RETRY,
	    is_there ? "role keys has no usable key '" STR_FMT
	               "'; look into the directory keys of the data "
	               "directory, or remove the key with buzon dkim remove"
	             : "role keys does not answer (key '" STR_FMT "')",
	    STR_ARG(name));
}

void core_sign_start(struct core *c)
{
	c->loop_thread = pthread_self();
	c->signer = signer_new(
	    c->store, &c->role->log, &(struct signer_env){ .owner = c, .sign = dkim_by_keys });
}
