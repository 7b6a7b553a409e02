/* buzon serve, and the roles it starts. */
#include "base/num.h"
#include "cli/cli.h"
#include "roles/role.h"

int cli_serve(struct cli *c)
{
	int status = cli_config(c);

	if (status != 0)
		return status;
	if (c->argc != 0)
		return cli_usage("serve");
	return supervisor_run(c->config, c->config_path);
}

int cli_role(struct cli *c)
{
	uint32_t index;

	if (c->argc != 2 || num_parse_u32(str_c(c->argv[1]), ROLE_INSTANCES_MAX - 1, &index) < 0)
		return cli_fail(EXIT_WRONG_USE, "%s", _("roles are started by 'buzon serve'"));
	return role_main(c->argv[0], index);
}
