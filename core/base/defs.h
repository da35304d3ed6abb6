/* core/base/defs.h - the few macros that every room uses. Installed with <flanneld/backend.h>. */
#ifndef FL_BASE_DEFS_H
#define FL_BASE_DEFS_H

#include <stddef.h>

/** A symbol that a backend's .so may use or define; all others are hidden (-fvisibility=hidden). */
#define FL_PUBLIC __attribute__((visibility("default")))

/** Let the compiler check a printf-like function: @p fmt and @p args are 1-based positions. */
#define FL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define FL_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/** The object that embeds @p member, from a pointer to the member. */
#define fl_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
