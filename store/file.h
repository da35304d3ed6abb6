/* store/file.h - network config and leases from a file that people write. Floors: file.c (life,
 * network config, own lease) and file_peers.c (what the listener is told of the others) stand on
 * file_content.c, which knows the format. */
#ifndef FL_STORE_FILE_H
#define FL_STORE_FILE_H

extern const struct fl_store_ops fl_store_file;

#endif
