/* core/loader.h - finds and checks a backend's .so (X1). */
#ifndef FL_LOADER_H
#define FL_LOADER_H

#include <stdio.h>

#include "backend.h"

struct fl_module; /* a loaded .so; fields in loader.c */

/** True for [a-z0-9][a-z0-9-]{0,31}. */
bool fl_loader_name_ok(const char *type);

/**
 * Load DIR/TYPE.so: the name must be fine, file and every folder up to / owned by root (or by us,
 * if we are not root) and not writable by others, no symlink out of the folder;
 * RTLD_NOW|RTLD_LOCAL; ABI before anything else is read; all mandatory members there; the module's
 * name must be TYPE.
 *
 * @param ret  set only on success; the caller owns it until fl_loader_unload()
 * @param why  set on failure: one line, owned by the caller; for a type that is not there it lists
 * those that are
 * @return 0; -EINVAL bad name; -ENOENT; -EPERM owner or mode; -ELIBBAD not loadable, wrong ABI or
 * table
 */
int fl_loader_load(const char *dir, const char *type, struct fl_module **ret, char **why);

/**
 * Print the modules that are in @p dir, a line each: type, ABI, what it does, file. Those that
 * cannot be loaded go to @p errors with the reason.
 * @return 0; -ELIBBAD if there were such; -errno if the folder cannot be read
 */
int fl_loader_list(const char *dir, FILE *out, FILE *errors);

const struct fl_backend_ops *fl_module_ops(const struct fl_module *m);
void fl_loader_unload(struct fl_module *m); /* NULL is a no-op */

#endif
