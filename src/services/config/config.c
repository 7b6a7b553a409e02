#include "services/config/config.h"

#include <confuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "services/config/settings.h"

enum { SECTIONS_MAX = 16, OPTIONS_MAX = 40, FILE_BYTES_MAX = 1 << 20 };

static const char *const service_names[LISTEN_SERVICE_COUNT] = {
	[LISTEN_SMTP] = "smtp",
	[LISTEN_LMTP] = "lmtp",
	[LISTEN_SUBMISSION] = "submission",
	[LISTEN_SUBMISSIONS] = "submissions",
	[LISTEN_IMAP] = "imap",
	[LISTEN_IMAPS] = "imaps",
	[LISTEN_POP3] = "pop3",
	[LISTEN_POP3S] = "pop3s",
};

const char *listen_service_name(enum listen_service s)
{
	return s < LISTEN_SERVICE_COUNT ? service_names[s] : "unknown";
}

/* libconfuse's callbacks carry no argument of ours: this is the parse they belong to. */
static _Thread_local struct parse {
	const char *name;
	struct err *err;
	bool failed;
	bool seen[SECTIONS_MAX]; /* sections that may stand once, by their place in the table */
} * current;

/* ---- messages --------------------------------------------------------------------------------- */

/* Changes to get from a to b, for short names only. */
static size_t edit_distance(str a, str b)
{
	size_t row[64];

	if (a.len > 62 || b.len > 62)
		return 99;
	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t corner = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t swap = corner + (a.ptr[i - 1] != b.ptr[j - 1]);
			corner = row[j];
			size_t gap = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
			row[j] = gap < swap ? gap : swap;
		}
	}
	return row[b.len];
}

static const char *nearest_option(const cfg_t *cfg, str name)
{
	const char *best = NULL;
	size_t best_distance = 4;

	for (const cfg_opt_t *o = cfg->opts; o && o->name; o++) {
		size_t d = edit_distance(name, str_c(o->name));
		if (d < best_distance) {
			best_distance = d;
			best = o->name;
		}
	}
	return best;
}

static const char *place(const cfg_t *cfg)
{
	return cfg->name && strcmp(cfg->name, "root") != 0 ? cfg->name : NULL;
}

static void say_unknown(const cfg_t *cfg, str name, char *out, size_t size)
{
	const char *near = nearest_option(cfg, name), *section = place(cfg);
	char where[80] = "";

	if (section)
		snprintf(where, sizeof(where), " in section '%s'", section);
	if (near)
		snprintf(out, size, "there is no setting '" STR_FMT "'%s; write '%s'",
		    STR_ARG(name), where, near);
	else
		snprintf(out, size,
		    "there is no setting '" STR_FMT
		    "'%s; remove it, or see buzon.conf(5) for the list",
		    STR_ARG(name), where);
}

/* Only the first complaint is kept: later ones are mostly its echo. */
static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	static const char unknown[] = "no such option '";
	char text[160], better[200];

	if (current->failed)
		return;
	current->failed = true;
	vsnprintf(text, sizeof(text), fmt, ap);
	const char *said = text;
	if (strncmp(text, unknown, sizeof(unknown) - 1) == 0) {
		str name = str_skip(str_c(text), sizeof(unknown) - 1);
		if (str_ends(name, STR("'")))
			name.len--;
		say_unknown(cfg, name, better, sizeof(better));
		said = better;
	}
	err_set(current->err, ERR_INPUT, "%s:%d: %s", current->name, cfg->line, said);
}

static int complain(cfg_t *cfg, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int complain(cfg_t *cfg, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	on_error(cfg, fmt, ap);
	va_end(ap);
	return -1;
}

/* ---- values ----------------------------------------------------------------------------------- */

static int parse_bool(str s, bool *out)
{
	static const str yes[] = { STR_INIT("true"), STR_INIT("yes"), STR_INIT("on") };
	static const str no[] = { STR_INIT("false"), STR_INIT("no"), STR_INIT("off") };

	for (size_t i = 0; i < 3; i++) {
		if (str_ieq(s, yes[i]) || str_ieq(s, no[i])) {
			*out = str_ieq(s, yes[i]);
			return 0;
		}
	}
	return -1;
}

static int parse_level(str s, enum log_level *out)
{
	static const char *const names[] = { "debug", "info", "warn", "alert" };

	for (size_t i = 0; i < 4; i++) {
		if (str_eq(s, str_c(names[i]))) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	return -1;
}

static int parse_action(str s, enum config_action *out)
{
	static const char *const names[] = { "accept", "junk", "defer", "reject" };

	for (size_t i = 0; i < 4; i++) {
		if (str_eq(s, str_c(names[i]))) {
			*out = (enum config_action)i;
			return 0;
		}
	}
	return -1;
}

static const char *kind_hint(const struct setting *s)
{
	switch (s->kind) {
	case SETTING_SIZE:
		return "a size such as 50M";
	case SETTING_DURATION:
		return "a time such as 30s, 5m, 4h or 5d";
	case SETTING_U32:
	case SETTING_U16:
		return "a number";
	case SETTING_BOOL:
		return "true or false";
	case SETTING_LEVEL:
		return "debug, info, warn or alert";
	case SETTING_ACTION:
		return "accept, junk, defer or reject";
	case SETTING_TEXT:
		break;
	}
	return "text in quotes";
}

/* The number behind the text, before its range is looked at. */
static int parse_number(const struct setting *s, str text, uint64_t *out)
{
	if (s->kind == SETTING_SIZE)
		return num_parse_size(text, UINT64_MAX, out);
	if (s->kind == SETTING_DURATION)
		return num_parse_duration(text, UINT32_MAX, out);
	return num_parse_u64(text, UINT64_MAX, out);
}

static void store_number(const struct setting *s, uint64_t n, void *to)
{
	if (s->kind == SETTING_U16)
		*(uint16_t *)to = (uint16_t)n;
	else if (s->kind == SETTING_SIZE)
		*(uint64_t *)to = n;
	else
		*(uint32_t *)to = (uint32_t)n;
}

/* 0; -1 not of this kind; -2 out of range. */
static int setting_apply(const struct setting *s, str text, struct config *c)
{
	void *to = (char *)c + s->offset;
	uint64_t n;

	switch (s->kind) {
	case SETTING_TEXT:
		if (text.len < s->min || text.len > s->max)
			return -2;
		*(str *)to = arena_str(c->arena, text);
		return 0;
	case SETTING_BOOL:
		return parse_bool(text, to);
	case SETTING_LEVEL:
		return parse_level(text, to);
	case SETTING_ACTION:
		return parse_action(text, to);
	default:
		if (parse_number(s, text, &n) < 0)
			return -1;
		if (n < s->min || n > s->max)
			return -2;
		store_number(s, n, to);
		return 0;
	}
}

static const struct setting *setting_find(const char *section, const char *name)
{
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct setting *s = &config_settings[i];
		bool same_section =
		    section ? s->section && strcmp(s->section, section) == 0 : !s->section;
		if (same_section && strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

/* Called by libconfuse when a value was read: the line number is still at hand. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	const struct setting *s = setting_find(place(cfg), opt->name);
	const char *text = cfg_opt_getnstr(opt, 0);

	if (!s || !text)
		return 0;
	AUTO_ARENA scratch = arena_new(NULL, "config", 16384);
	struct config *probe = arena_one(scratch, struct config);
	probe->arena = scratch;
	if (strlen(text) > 8000)
		return complain(cfg, "'%s' is longer than 8000 characters", s->name);
	switch (setting_apply(s, str_c(text), probe)) {
	case 0:
		return 0;
	case -2:
		return complain(cfg,
		    "'%s = %.60s' is out of range; write a value from %llu to %llu%s", s->name,
		    text, (unsigned long long)s->min, (unsigned long long)s->max,
		    s->kind == SETTING_TEXT       ? " characters long"
		    : s->kind == SETTING_DURATION ? " seconds"
		    : s->kind == SETTING_SIZE     ? " bytes"
		                                  : "");
	default:
		return complain(
		    cfg, "'%s = %.60s' does not fit; write %s", s->name, text, kind_hint(s));
	}
}

static const char *const single_sections[] = { "tls", "dns", "relay", "limits", "queue",
	"processes", "users", "memory", "authentication", "sign-in" };

static int on_section(cfg_t *cfg, cfg_opt_t *opt)
{
	for (size_t i = 0; i < sizeof(single_sections) / sizeof(single_sections[0]); i++) {
		if (strcmp(single_sections[i], opt->name) != 0)
			continue;
		if (current->seen[i])
			return complain(
			    cfg, "section '%s' stands here a second time; join the two", opt->name);
		current->seen[i] = true;
	}
	return 0;
}

/* ---- listen and tls --------------------------------------------------------------------------- */

/* "HOST:PORT", "[v6]:PORT", "*:PORT", "unix:PATH". */
static int parse_address(str text, struct config_address *out)
{
	if (str_starts(text, STR("unix:"))) {
		str path = str_skip(text, 5);
		if (path.len == 0 || path.len > 100 || path.ptr[0] != '/')
			return -1;
		*out = (struct config_address){ .host = path, .is_unix = true };
		return 0;
	}
	size_t colon = str_rchr(text, ':');
	uint32_t port;
	if (colon == STR_NPOS || num_parse_u32(str_skip(text, colon + 1), 65535, &port) < 0)
		return -1;
	str host = str_sub(text, 0, colon);
	if (str_starts(host, STR("[")) && str_ends(host, STR("]")))
		host = str_sub(host, 1, host.len - 2);
	else if (str_chr(host, ':') != STR_NPOS)
		return -1;
	if (str_empty(host))
		return -1;
	*out = (struct config_address){ .host = host, .port = (uint16_t)port };
	return 0;
}

static int on_address(cfg_t *cfg, cfg_opt_t *opt)
{
	for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
		const char *text = cfg_opt_getnstr(opt, i);
		struct config_address address;
		if (parse_address(str_c(text), &address) < 0)
			return complain(cfg,
			    "'%.80s' is no address; write \"HOST:PORT\", \"[IPv6]:PORT\", "
			    "\"*:PORT\" or "
			    "\"unix:/PATH\"",
			    text);
	}
	return 0;
}

static int service_of(const char *title)
{
	for (int i = 0; i < LISTEN_SERVICE_COUNT; i++) {
		if (strcmp(service_names[i], title) == 0)
			return i;
	}
	return -1;
}

static int on_listen(cfg_t *unused, cfg_opt_t *opt)
{
	cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);

	(void)unused;
	if (service_of(cfg_title(section)) < 0)
		return complain(section,
		    "there is no service '%s'; write smtp, lmtp, submission, submissions, imap, "
		    "imaps, pop3 or pop3s",
		    cfg_title(section));
	if (cfg_size(section, "address") == 0)
		return complain(section, "listen \"%s\" has no address; write address = \"*:PORT\"",
		    cfg_title(section));
	return 0;
}

static void fill_listens(cfg_t *cfg, struct config *c)
{
	size_t n = cfg_size(cfg, "listen");

	c->listens = arena_array(c->arena, struct config_listen, n + 1);
	for (unsigned i = 0; i < n; i++) {
		cfg_t *section = cfg_getnsec(cfg, "listen", i);
		struct config_listen *l = &c->listens[c->listen_count++];
		l->service = (enum listen_service)service_of(cfg_title(section));
		l->address_count = cfg_size(section, "address");
		l->addresses = arena_array(c->arena, struct config_address, l->address_count);
		for (unsigned j = 0; j < l->address_count; j++)
			parse_address(
			    arena_str(c->arena, str_c(cfg_getnstr(section, "address", j))),
			    &l->addresses[j]);
	}
}

static str get_text(const struct config *c, cfg_t *section, const char *name)
{
	return arena_str(c->arena, str_c(cfg_getstr(section, name)));
}

static int fill_tls_one(struct config *c, cfg_t *section, str server_name)
{
	struct config_tls *t = &c->tls[c->tls_count];

	t->server_name = server_name;
	t->certificate = get_text(c, section, "certificate");
	t->key = get_text(c, section, "key");
	if (str_empty(t->certificate) != str_empty(t->key))
		return complain(
		    section, "section 'tls' names only one of certificate and key; write both");
	if (!str_empty(t->certificate))
		c->tls_count++;
	return 0;
}

static int fill_tls(cfg_t *cfg, struct config *c)
{
	cfg_t *tls = cfg_getsec(cfg, "tls");
	size_t n = tls ? cfg_size(tls, "server") : 0;

	c->tls = arena_array(c->arena, struct config_tls, n + 1);
	if (!tls)
		return 0;
	if (fill_tls_one(c, tls, STR_NONE) < 0)
		return -1;
	for (unsigned i = 0; i < n; i++) {
		cfg_t *server = cfg_getnsec(tls, "server", i);
		if (fill_tls_one(c, server, arena_str(c->arena, str_c(cfg_title(server)))) < 0)
			return -1;
	}
	return 0;
}

/* ---- the whole file ---------------------------------------------------------------------------- */

struct tables {
	cfg_opt_t top[OPTIONS_MAX];
	cfg_opt_t sections[SECTIONS_MAX][OPTIONS_MAX];
};

/* The options of one section (NULL: the top), made from the table of settings. */
static size_t settings_to_options(const char *section, cfg_opt_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < config_setting_count; i++) {
		const struct setting *s = &config_settings[i];
		bool here = section ? s->section && strcmp(s->section, section) == 0 : !s->section;
		if (here)
			out[n++] = (cfg_opt_t)CFG_STR(s->name, s->fallback, CFGF_NONE);
	}
	return n;
}

static void build_tables(struct tables *t, cfg_opt_t *tls, cfg_opt_t *listen)
{
	size_t n = settings_to_options(NULL, t->top);

	t->top[n++] =
	    (cfg_opt_t)CFG_SEC("listen", listen, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
	t->top[n++] = (cfg_opt_t)CFG_SEC("tls", tls, CFGF_NONE);
	for (size_t i = 1; i < sizeof(single_sections) / sizeof(single_sections[0]); i++) {
		size_t used = settings_to_options(single_sections[i], t->sections[i]);
		t->sections[i][used] = (cfg_opt_t)CFG_END();
		t->top[n++] = (cfg_opt_t)CFG_SEC(single_sections[i], t->sections[i], CFGF_NONE);
	}
	t->top[n] = (cfg_opt_t)CFG_END();
}

static void set_checks(cfg_t *cfg)
{
	char path[80];

	cfg_set_error_function(cfg, on_error);
	cfg_set_validate_func(cfg, "listen", on_listen);
	cfg_set_validate_func(cfg, "listen|address", on_address);
	for (size_t i = 0; i < sizeof(single_sections) / sizeof(single_sections[0]); i++)
		cfg_set_validate_func(cfg, single_sections[i], on_section);
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct setting *s = &config_settings[i];
		snprintf(path, sizeof(path), "%s%s%s", s->section ? s->section : "",
		    s->section ? "|" : "", s->name);
		cfg_set_validate_func(cfg, path, on_value);
	}
}

static int fill_settings(cfg_t *cfg, struct config *c)
{
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct setting *s = &config_settings[i];
		cfg_t *section = s->section ? cfg_getsec(cfg, s->section) : cfg;
		const char *text = section ? cfg_getstr(section, s->name) : s->fallback;
		if (!text) {
			return err_set(current->err, ERR_INPUT,
			    "%s: '%s' is missing; write %s = \"...\" (%s)", current->name, s->name,
			    s->name, s->help);
		}
		if (setting_apply(s, str_c(text), c) < 0)
			return err_set(current->err, ERR_INPUT,
			    "%s: the value of '%s' is out of range", current->name, s->name);
	}
	return 0;
}

static int check_whole(struct config *c, struct err *err)
{
	for (size_t i = 0; i < c->listen_count; i++) {
		enum listen_service s = c->listens[i].service;
		bool needs_tls = s == LISTEN_SUBMISSIONS || s == LISTEN_IMAPS || s == LISTEN_POP3S;
		if (needs_tls && c->tls_count == 0)
			return err_set(err, ERR_INPUT,
			    "%s: listen \"%s\" needs a certificate; write tls { certificate = "
			    "\"...\" "
			    "key = \"...\" }",
			    current->name, listen_service_name(s));
	}
	if (!str_eq(c->store, STR("sqlite")))
		return err_set(err, ERR_INPUT,
		    "%s: store \"" STR_FMT "\" is not known; write \"sqlite\"", current->name,
		    STR_ARG(c->store));
	if (c->data.ptr[0] != '/' && !str_starts(c->data, STR(".")))
		return err_set(err, ERR_INPUT,
		    "%s: data = \"" STR_FMT "\" is not a path; write it from / on", current->name,
		    STR_ARG(c->data));
	return 0;
}

static int fill(cfg_t *cfg, struct config *c, struct err *err)
{
	if (fill_settings(cfg, c) < 0 || fill_tls(cfg, c) < 0)
		return -1;
	fill_listens(cfg, c);
	return check_whole(c, err);
}

/* The end of a comment or quoted text that begins at i, else i. */
static size_t skip_quiet(str t, size_t i)
{
	str rest = str_skip(t, i);
	size_t n = STR_NPOS;

	if (rest.ptr[0] == '#' || str_starts(rest, STR("//")))
		n = str_chr(rest, '\n');
	else if (str_starts(rest, STR("/*")))
		n = str_find(rest, STR("*/"));
	else if (rest.ptr[0] == '"' || rest.ptr[0] == '\'')
		for (n = 1; n < rest.len && rest.ptr[n] != rest.ptr[0]; n++)
			n += rest.ptr[n] == '\\';
	else
		return i;
	return n >= rest.len ? t.len : i + n;
}

/* libconfuse takes the end of the file for a closing brace; a file that was cut short must not. */
static int check_braces(str t, struct err *err)
{
	int line = 1, depth = 0, opened_at = 0;

	for (size_t i = 0; i < t.len; i++) {
		size_t end = skip_quiet(t, i);
		for (; i < end && i < t.len; i++)
			line += t.ptr[i] == '\n';
		if (i >= t.len)
			break;
		line += t.ptr[i] == '\n';
		if (t.ptr[i] == '{' && depth++ == 0)
			opened_at = line;
		depth -= t.ptr[i] == '}';
	}
	if (depth <= 0)
		return 0;
	return err_set(err, ERR_INPUT,
	    "%s:%d: the '{' here is never closed; write '}' where the section ends", current->name,
	    opened_at);
}

static int parse_with(cfg_t *cfg, const char *text, struct config *c, struct err *err)
{
	set_checks(cfg);
	if (check_braces(str_c(text), err) < 0)
		return -1;
	if (cfg_parse_buf(cfg, text) != CFG_SUCCESS || current->failed) {
		if (!current->failed)
			err_set(
			    err, ERR_INPUT, "%s: cannot be read as a configuration", current->name);
		return -1;
	}
	return fill(cfg, c, err);
}

int config_parse(const char *name, str text, struct config **out, struct err *err)
{
	cfg_opt_t address[] = { CFG_STR_LIST("address", NULL, CFGF_NONE), CFG_END() };
	cfg_opt_t server[] = { CFG_STR("certificate", "", CFGF_NONE), CFG_STR("key", "", CFGF_NONE),
		CFG_END() };
	cfg_opt_t tls[] = { CFG_STR("certificate", "", CFGF_NONE), CFG_STR("key", "", CFGF_NONE),
		CFG_SEC("server", server, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
		CFG_END() };
	struct parse parse = { .name = name, .err = err };

	if (text.len > FILE_BYTES_MAX || memchr(text.ptr ? text.ptr : "", '\0', text.len))
		return err_set(err, ERR_INPUT, "%s: longer than 1 MiB, or not a text file", name);
	struct arena *arena = arena_new(NULL, "config", 8 << 20);
	struct config *c = arena_one(arena, struct config);
	c->arena = arena;
	c->file = arena_str(arena, str_c(name));
	struct tables *t = arena_one(arena, struct tables);
	build_tables(t, tls, address);
	current = &parse;
	cfg_t *cfg = cfg_init(t->top, CFGF_NONE);
	int result = parse_with(cfg, arena_cstr(arena, text), c, err);
	cfg_free(cfg);
	current = NULL;
	if (result < 0) {
		arena_free(arena);
		return -1;
	}
	*out = c;
	return 0;
}

int config_load(const char *path, struct config **out, struct err *err)
{
	FILE *f = fopen(path, "re");

	if (!f)
		return err_set(err, ERR_SYSTEM,
		    "cannot open the configuration '%s': %m; name it with -c FILE", path);
	char *text = malloc(FILE_BYTES_MAX + 1);
	if (!text)
		abort();
	size_t n = fread(text, 1, FILE_BYTES_MAX + 1, f);
	fclose(f);
	int result = config_parse(path, str_new(text, n), out, err);
	free(text);
	return result;
}

void config_free(struct config *c)
{
	if (c)
		arena_free(c->arena);
}
