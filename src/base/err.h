/* err.h: why something did not work: a kind for the program, a sentence for a person.
 *
 * Purpose    Carry one failure upwards without loss.
 * Ownership  struct err is a plain value on the caller's stack.
 * Threads    No state.
 * Errors     err_set and err_wrap return -1, so that `return err_set(...)` reads well. A NULL err
 *            is allowed and ignored.
 * Not here   Logging: whoever decides also logs (base/log).
 *
 * The sentence says what was tried, on which thing, why it failed; lower case, no full stop.
 */
#ifndef BUZON_BASE_ERR_H
#define BUZON_BASE_ERR_H

enum err_kind {
	ERR_NONE,
	ERR_INPUT,  /* what was given is malformed or makes no sense */
	ERR_LIMIT,  /* it is more than we take */
	ERR_DENIED, /* not allowed, or not there for this caller */
	ERR_RETRY,  /* our side, for now: try again later */
	ERR_SYSTEM, /* the machine or a library said no */
};

struct err {
	enum err_kind kind;
	char text[240];
};

/* Sets kind and sentence; %m in fmt is errno's text. Returns -1. */
int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts what the caller was doing in front: "delivering message 7f3a: cannot open ...". Returns -1.
 */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The analyzer reads one file at a time; it must know that these give nothing but -1. */
#ifdef __clang_analyzer__
#define err_set(...) (err_set(__VA_ARGS__), -1)
#define err_wrap(...) (err_wrap(__VA_ARGS__), -1)
#endif

const char *err_kind_name(enum err_kind kind);

#endif
