/* core/env.h - flanneld's side of core/backend.h: what a backend is given. */
#ifndef FL_ENV_H
#define FL_ENV_H

#include "backend.h"

struct fl_rtnl;

#define FL_ENV_DEVICES_MAX 4u

/** One per backend. Pointers are borrowed and must outlive the backend. */
struct fl_env {
	struct fl_rtnl *rtnl;
	const struct fl_extif *extif;
	struct fl_prefix network;
	uint32_t devices[FL_ENV_DEVICES_MAX]; /* ifindex of each link that fl_link_ensure() keeps */
	uint32_t n_devices;
};

/** The rows of one peer, collected by a backend's rows(). All zero is empty. */
struct fl_rows {
	struct fl_row *rows;
	uint32_t count;
	uint32_t cap;
	char why[160]; /* fl_rows_reject()'s text, "" if none */
};

/** Forget the rows, keep the memory. */
void fl_rows_reset(struct fl_rows *rows);
void fl_rows_done(struct fl_rows *rows);

#endif
