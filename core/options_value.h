/* core/options_value.h - one value of one option: its rule, its field, its memory. */
#ifndef FL_OPTIONS_VALUE_H
#define FL_OPTIONS_VALUE_H

#include <stddef.h>

struct fl_buf;
struct fl_option;
struct fl_options;

/** Give the field the option's default. The field was zero. @return 0, -ENOMEM */
int fl_option_init(struct fl_options *o, const struct fl_option *opt);

/**
 * Check @p value and put it into the field; a repeatable option takes it as one more.
 * @param rule  set on -EINVAL: what a value must be, owned by the caller
 * @return 0; -EINVAL (the field is as it was); -ENOMEM
 */
int fl_option_set(struct fl_options *o, const struct fl_option *opt, const char *value,
		  char **rule);

/** Put @p folder before the field's value if that is a relative file name. @return 0, -ENOMEM */
int fl_option_anchor(struct fl_options *o, const struct fl_option *opt, const char *folder);

/** Free the field; passwords are wiped before. */
void fl_option_done(struct fl_options *o, const struct fl_option *opt);

/** Append what a user wrote to a message: bounded, one line, whatever the bytes are. */
void fl_option_show(struct fl_buf *b, const char *text, size_t len);

#endif
