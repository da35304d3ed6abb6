/* tests/unit/modules/half_table.c - its table lacks a mandatory member. */
#include "calls.h"

FL_BACKEND_EXPORT(.name = "half", .description = "refused", .create = create, .mtu = mtu, .up = up,
		  .destroy = destroy);
