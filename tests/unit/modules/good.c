/* tests/unit/modules/good.c - a backend that the loader takes. */
#include "calls.h"

FL_BACKEND_EXPORT(.name = "good", .description = "taken", .create = create, .mtu = mtu, .up = up,
		  .rows = rows, .destroy = destroy);
