#include "services/admin/admin.h"

#include "services/admin/internal.h"

static const struct {
	const char *name;
	bool writes;
	admin_fn *run;
} commands[] = {
	{ "domain add", true, admin_domain_add },
	{ "domain list", false, admin_domain_list },
	{ "domain remove", true, admin_domain_remove },
	{ "domain catch-all", true, admin_domain_catch_all },
	{ "account add", true, admin_account_add },
	{ "account list", false, admin_account_list },
	{ "account remove", true, admin_account_remove },
	{ "account password", true, admin_account_password },
	{ "account quota", true, admin_account_quota },
	{ "alias add", true, admin_alias_add },
	{ "alias list", false, admin_alias_list },
	{ "alias remove", true, admin_alias_remove },
	{ "dkim add", true, admin_dkim_add },
	{ "dkim list", false, admin_dkim_list },
	{ "dkim activate", true, admin_dkim_activate },
	{ "dkim remove", true, admin_dkim_remove },
	{ "dkim reload", false, admin_dkim_reload },
	{ "queue list", false, admin_queue_list },
	{ "queue show", false, admin_queue_show },
	{ "queue hold", true, admin_queue_hold },
	{ "queue release", true, admin_queue_release },
	{ "queue drop", true, admin_queue_drop },
	{ "story", false, admin_story },
	{ "check", false, admin_check },
	{ "status", false, admin_status },
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]), CALL_ARENA_BYTES = 1 << 30 };

static size_t find(const char *command)
{
	size_t i = 0;

	while (i < COMMAND_COUNT && strcmp(commands[i].name, command) != 0)
		i++;
	return i;
}

bool admin_writes(const char *command)
{
	size_t i = find(command);

	return i < COMMAND_COUNT && commands[i].writes;
}

int admin_run(const struct admin_env *e, const json_t *request, admin_emit_fn *emit, void *arg,
    struct err *err)
{
	const char *command = json_string_value(json_object_get(request, "command"));
	size_t i = command ? find(command) : COMMAND_COUNT;

	if (i == COMMAND_COUNT)
		return err_set(
		    err, ERR_INPUT, "there is no command '%.40s'", command ? command : "");
	AUTO_ARENA arena = arena_new(NULL, "admin", CALL_ARENA_BYTES);
	struct admin_call call = {
		.env = e,
		.request = request,
		.emit = emit,
		.emit_arg = arg,
		.arena = arena,
	};
	return commands[i].run(&call, err);
}

/* ---- the request ------------------------------------------------------------------------------ */

str admin_text(const struct admin_call *c, const char *name)
{
	const json_t *member = json_object_get(c->request, name);

	return json_is_string(member)
	           ? str_new(json_string_value(member), json_string_length(member))
	           : STR_NONE;
}

uint64_t admin_number(const struct admin_call *c, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(c->request, name));

	return n > 0 ? (uint64_t)n : 0;
}

bool admin_flag(const struct admin_call *c, const char *name)
{
	return json_is_true(json_object_get(c->request, name));
}

int admin_normalise(struct admin_call *c, str text, str *out, struct err *err)
{
	AUTO_BUF printed = BUF_INIT(2048);
	struct mailbox m;

	if (mailbox_parse(text, MAILBOX_UTF8, c->arena, &m, err) < 0)
		return err_wrap(err, "'" STR_FMT "' is no address like user@example.org",
		    STR_ARG(str_sub(text, 0, 80)));
	char *local = arena_cstr(c->arena, m.local);
	for (size_t i = 0; i < m.local.len; i++)
		local[i] = ascii_lower(local[i]);
	m.local.ptr = local;
	mailbox_print(&printed, &m);
	*out = arena_str(c->arena, buf_str(&printed));
	return 0;
}

int admin_address(struct admin_call *c, const char *name, str *out, struct err *err)
{
	return admin_normalise(c, admin_text(c, name), out, err);
}

int admin_domain(struct admin_call *c, const char *name, str *out, struct err *err)
{
	AUTO_BUF normal = BUF_INIT(DOMAIN_MAX);
	str text = admin_text(c, name);

	if (str_empty(text) || domain_normalise(text, true, &normal, err) < 0)
		return err_set(err, ERR_INPUT, "'" STR_FMT "' is no domain name like example.org",
		    STR_ARG(str_sub(text, 0, 80)));
	*out = arena_str(c->arena, buf_str(&normal));
	return 0;
}

void admin_emit(struct admin_call *c, json_t *fact)
{
	c->emit(c->emit_arg, fact);
	json_decref(fact);
}

/* Text that is not UTF-8 (an address in a story, say) must not lose the whole line. */
json_t *admin_json(str s)
{
	json_t *text = json_stringn(s.ptr ? s.ptr : "", s.len);

	return text ? text : json_string("(not UTF-8)");
}
