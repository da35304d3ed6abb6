/* core/config_check.h - is a network config one that flanneld and its backend take? */
#ifndef FL_CONFIG_CHECK_H
#define FL_CONFIG_CHECK_H

struct fl_buf;

/**
 * Read and check a network config, its backend's part included. A refusal goes to stderr, with the
 * file, the key, the value and the rule; so does a backend that is not installed here, which is no
 * fault of the config.
 *
 * @param path         "-" is standard input
 * @param backend_dir  where the modules are
 * @param ret_text     appended to: the text as it was read; may be NULL
 * @param ret_full     set only on success: the config with all defaults, see fl_netconf_print();
 *                     owned by the caller
 * @return 0; -EINVAL: it is refused; -ELIBBAD: the backend is there and cannot be loaded; other
 * -errno: it cannot be read
 */
int fl_config_check(const char *path, const char *backend_dir, struct fl_buf *ret_text,
		    char **ret_full);

#endif
