/* tests/unit/modules/unknown_flags.c - asks for something that this flanneld knows nothing of. */
#include "calls.h"

FL_BACKEND_EXPORT(.flags = FL_BACKEND_RUNS_COMMANDS | 0x40000000u, .name = "flags",
		  .description = "refused", .create = create, .mtu = mtu, .up = up, .rows = rows,
		  .destroy = destroy);
