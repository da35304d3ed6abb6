/* core/subnet_env.h - /run/flannel/subnet.env: what containers' runtimes read; written atomically,
 * read back. */
#ifndef FL_SUBNET_ENV_H
#define FL_SUBNET_ENV_H

#include "base/addr.h"

struct fl_subnet_env {
	struct fl_prefix network; /* none if the file does not say */
	struct fl_prefix subnet;  /* host bits clear (the file holds the first usable address) */
	uint32_t mtu;		  /* bytes, 0 if the file does not say */
	bool ip_masq;
};

/**
 * Read a file of ours or of flannel's. Never fails on garbage: lines that make no sense are passed
 * over.
 * @return 0 (fields of lines that made no sense are zero), -ENOENT, other -errno of open/read
 */
int fl_subnet_env_read(const char *path, struct fl_subnet_env *ret);

/**
 * Write, byte for byte as flannel does: FLANNEL_NETWORK, FLANNEL_SUBNET, FLANNEL_MTU,
 * FLANNEL_IPMASQ. Missing folders are made (0755, less the umask); temporary file in the same
 * folder, fsync, rename; 0644. An equal file is left as it is, a symlink is replaced.
 * @return 0; -EINVAL without an IPv4 network and subnet; other -errno (the old file is untouched)
 */
int fl_subnet_env_write(const char *path, const struct fl_subnet_env *env);

/** The folder of @p path, "." if it names none. @return owned; NULL: no memory */
char *fl_subnet_env_folder(const char *path);

/** Make the folder of @p path, and those that it is in, as fl_subnet_env_write() does. */
int fl_subnet_env_make_folder(const char *path);

/**
 * Whether @p path is one to write to: a regular file, nothing yet, or a symlink, which the file
 * will replace, wherever it leads.
 * @return 0; -EISDIR; -EEXIST for anything else that is there; other -errno of lstat(2)
 */
int fl_subnet_env_check(const char *path);

#endif
