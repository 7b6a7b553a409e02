/* Role auth, with a front and a core that send it anything. Only what core set as a password signs
 * somebody in; requests are answered once. */
#include "role_rig.h"

static struct config config = { .allow_plain_sign_in = true };

/* Short names reach what long ones rarely would. */
static void on_field(
    struct role_rig *rig, const struct frame_def *def, const struct frame_field *field, str *value)
{
	static const str mechanisms[] = { STR_INIT("PLAIN"), STR_INIT("LOGIN"),
		STR_INIT("SCRAM-SHA-256"), STR_INIT("SCRAM-SHA-256-PLUS") };

	(void)rig, (void)def;
	if (str_eq(str_c(field->name), STR("mechanism")) && value->len == 1)
		*value = mechanisms[(unsigned char)value->ptr[0] % 4];
	if (str_eq(str_c(field->name), STR("account")) && value->len == 1)
		*value = STR("ana@example.org");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct role_rig rig = { .on_field = on_field };
	static bool is_open;
	char directory[128];

	if (!is_open) {
		rig.role.config = &config;
		role_rig_directory(directory);
		rig.role.directory = -1;
		snprintf(rig.role.path, sizeof(rig.role.path), "%s", directory);
		role_rig_open(&rig, &role_auth, ROLE_AUTH);
		role_rig_join(&rig, ROLE_FRONT_USER);
		role_rig_join(&rig, ROLE_CORE);
		is_open = true;
	}
	role_rig_run(&rig, str_new(data, size));
	return 0;
}
