/* tests/unit/modules/no_symbol.c - a shared object that is no backend. */
#include "core/backend.h"

FL_PUBLIC int fl_something_else(void);
int fl_something_else(void)
{
	return 1;
}
