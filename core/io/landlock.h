/* core/io/landlock.h - file access of this process and its children, for ever: Landlock, the
 * kernel's Documentation/userspace-api/landlock.rst.
 */
#ifndef FL_IO_LANDLOCK_H
#define FL_IO_LANDLOCK_H

/** What may be done with a file, or with everything below a folder. */
enum fl_landlock_right {
	FL_LANDLOCK_READ = 1,	/* open for reading, list */
	FL_LANDLOCK_RUN = 2,	/* execute */
	FL_LANDLOCK_WRITE = 4,	/* open for writing, truncate */
	FL_LANDLOCK_CREATE = 8, /* regular files, and renames within a folder */
	FL_LANDLOCK_REMOVE = 16 /* whatever is no folder */
};

struct fl_landlock;

/**
 * Without a rule, everything is denied. Where the kernel can (ABI 6, Linux 6.12), signals reach our
 * children alone, too.
 * @return 0, -EOPNOTSUPP (the kernel has no Landlock, or it is switched off), -EMFILE, -ENFILE,
 * -ENOMEM
 */
int fl_landlock_create(struct fl_landlock **ret);

/**
 * Allow @p rights, of enum fl_landlock_right, for the file or folder at @p path, symbolic links
 * followed. It is the file that counts, not its name: what is put in its place later is another
 * one, so name the folder of what is exchanged.
 * @return 0, -ENOENT, -ENOTDIR, -EACCES, -ELOOP (there is no such thing for us), other -errno
 */
int fl_landlock_allow(struct fl_landlock *l, const char *path, unsigned int rights);

/**
 * From now on. Threads that run already are not bound by it; what is open stays open. Sets
 * no_new_privs, as the kernel demands.
 * @return the ABI, 1 or more, or -errno
 */
int fl_landlock_enforce(struct fl_landlock *l);

void fl_landlock_destroy(struct fl_landlock *l); /* NULL is a no-op; lifts nothing */

#endif
