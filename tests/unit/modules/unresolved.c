/* tests/unit/modules/unresolved.c - calls a function that nobody has. */
#include "calls.h"

FL_PUBLIC uint32_t fl_no_such_function(uint32_t underlay_mtu);

static uint32_t other_mtu(struct fl_backend *be, uint32_t underlay_mtu)
{
	return fl_no_such_function(mtu(be, underlay_mtu));
}

FL_BACKEND_EXPORT(.name = "unresolved", .description = "refused", .create = create,
		  .mtu = other_mtu, .up = up, .rows = rows, .destroy = destroy);
