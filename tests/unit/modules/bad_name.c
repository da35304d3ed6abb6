/* tests/unit/modules/bad_name.c - calls itself something else than its file. */
#include "calls.h"

FL_BACKEND_EXPORT(.name = "another", .description = "refused", .create = create, .mtu = mtu,
		  .up = up, .rows = rows, .destroy = destroy);
