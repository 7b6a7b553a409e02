/* Role worker, with a core that sends it anything: it answers each request once, with an index that
 * decodes or with a reason, and goes on. */
#include "formats/message_index.h"
#include "role_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config = { .hostname = STR_INIT("mx.example.org") };
	static struct role_rig rig;
	static bool is_open;

	if (!is_open) {
		rig.role.config = &config;
		role_rig_open(&rig, &role_worker, ROLE_WORKER);
		role_rig_join(&rig, ROLE_CORE);
		is_open = true;
	}
	role_rig_run(&rig, str_new(data, size));
	return 0;
}
