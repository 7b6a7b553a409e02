/* internal.h: what the files of services/admin share.
 *
 * Purpose    The call at hand, and access to the request's members with good complaints.
 */
#ifndef BUZON_SERVICES_ADMIN_INTERNAL_H
#define BUZON_SERVICES_ADMIN_INTERNAL_H

#include "formats/mailbox.h"
#include "services/admin/admin.h"

struct admin_call {
	const struct admin_env *env;
	const json_t *request;
	admin_emit_fn *emit;
	void *emit_arg;
	struct arena *arena;
};

typedef int admin_fn(struct admin_call *c, struct err *err);

/* A text member; empty when it is not there. */
str admin_text(const struct admin_call *c, const char *name);
uint64_t admin_number(const struct admin_call *c, const char *name);
bool admin_flag(const struct admin_call *c, const char *name);
/* A member as an address in the form in which the store keeps it. */
int admin_address(struct admin_call *c, const char *name, str *out, struct err *err);
int admin_domain(struct admin_call *c, const char *name, str *out, struct err *err);
int admin_normalise(struct admin_call *c, str text, str *out, struct err *err);
/* Takes the object, gives it to emit, releases it. */
void admin_emit(struct admin_call *c, json_t *fact);
json_t *admin_json(str s);

admin_fn admin_domain_add, admin_domain_list, admin_domain_remove, admin_domain_catch_all;
admin_fn admin_account_add, admin_account_list, admin_account_remove, admin_account_password,
    admin_account_quota;
admin_fn admin_alias_add, admin_alias_list, admin_alias_remove;
admin_fn admin_dkim_add, admin_dkim_list, admin_dkim_activate, admin_dkim_remove, admin_dkim_reload;
admin_fn admin_queue_list, admin_queue_show, admin_queue_hold, admin_queue_release,
    admin_queue_drop;
admin_fn admin_story, admin_check, admin_status;

#endif
