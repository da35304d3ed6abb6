/* tests/unit/modules/half_pair.c - is told of peers that come, not of those that go. */
#include "calls.h"

FL_BACKEND_EXPORT(.name = "pair", .description = "refused", .create = create, .mtu = mtu, .up = up,
		  .rows = rows, .peer_add = peer_add, .destroy = destroy);
