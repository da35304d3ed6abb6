/* core/extif_regex.c - patterns of --iface-regex: flannel documents Go's syntax (RE2), libc has
 * POSIX extended ones. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "extif_internal.h"

/* The classes that both know, with the letter that RE2 has for them. */
static const char *class_of(char letter)
{
	switch (letter) {
	case 'd':
		return "0-9";
	case 'w':
		return "[:alnum:]_";
	case 's':
		return "[:space:]";
	default:
		return NULL;
	}
}

/* \x outside of brackets. Letters that POSIX lacks would be taken as themselves: refuse them. */
static int escape(struct fl_buf *out, char c)
{
	const char *members = class_of((char)tolower((unsigned char)c));

	if (members)
		fl_buf_printf(out, "[%s%s]", isupper((unsigned char)c) ? "^" : "", members);
	else if (c == 'A')
		fl_buf_puts(out, "^");
	else if (c == 'z')
		fl_buf_puts(out, "$");
	else if (c && strchr(".[]()*+?{}|^$\\", c))
		fl_buf_printf(out, "\\%c", c);
	else if (ispunct((unsigned char)c)) /* GNU gives \< and others a meaning of their own */
		fl_buf_append(out, &c, 1);
	else
		return -EINVAL;
	return 0;
}

/* \x within brackets, where POSIX takes the backslash itself as a member. */
static int escape_member(struct fl_buf *out, char c)
{
	const char *members = class_of(c);

	if (members)
		fl_buf_puts(out, members);
	else if (ispunct((unsigned char)c))
		fl_buf_printf(out, "[.%c.]", c);
	else
		return -EINVAL;
	return 0;
}

/* From the opening bracket on. @return bytes of the pattern that were used, or -EINVAL */
static int bracket(struct fl_buf *out, const char *p)
{
	size_t i = p[1] == '^' ? 2 : 1, start = i;
	const char *end;

	fl_buf_append(out, p, i);
	for (; p[i] && (p[i] != ']' || i == start); i++) {
		if (p[i] == '\\') {
			if (escape_member(out, p[++i]) < 0)
				return -EINVAL;
			continue;
		}
		end = p[i] == '[' && p[i + 1] == ':' ? strstr(p + i, ":]") : NULL;
		if (end) {
			fl_buf_append(out, p + i, (size_t)(end - (p + i)) + 2);
			i = (size_t)(end - p) + 1;
			continue;
		}
		fl_buf_append(out, p + i, 1);
	}
	if (!p[i])
		return -EINVAL;
	fl_buf_puts(out, "]");
	return (int)i + 1;
}

static int translate(struct fl_buf *out, const char *p)
{
	int r = 0;

	while (r >= 0 && *p) {
		if (*p == '\\') {
			r = escape(out, p[1]);
			p += 2;
		} else if (*p == '[') {
			r = bracket(out, p);
			p += r > 0 ? r : 0;
		} else if (strncmp(p, "(?", 2) == 0) {
			r = p[2] == ':' ? 0 : -EINVAL;
			fl_buf_puts(out, "(");
			p += 3;
		} else {
			fl_buf_append(out, p++, 1);
		}
	}
	return r < 0 ? r : 0;
}

int fl_extif_regex(const char *pattern, char **ret)
{
	struct fl_buf out = {0};
	char *text;
	int r;

	fl_buf_puts(&out, "");
	r = strlen(pattern) > 4096 ? -EINVAL : translate(&out, pattern);
	if (r < 0) {
		fl_buf_done(&out);
		return r;
	}
	text = fl_buf_take(&out);
	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}

static int give_reason(const char *reason, char **why)
{
	*why = strdup(reason);
	return *why ? -EINVAL : -ENOMEM;
}

int fl_extif_regex_compile(const char *pattern, regex_t *ret, char **why)
{
	char *posix, reason[128];
	regex_t regex;
	int r, code;

	*why = NULL;
	r = fl_extif_regex(pattern, &posix);
	if (r == -EINVAL)
		return give_reason("not a pattern that can be understood (POSIX extended syntax "
				   "with \\d, \\w, \\s)",
				   why);
	if (r < 0)
		return r;
	code = regcomp(&regex, posix, REG_EXTENDED | REG_NOSUB);
	free(posix);
	if (code == REG_ESPACE)
		return -ENOMEM;
	if (code != 0) {
		(void)regerror(code, &regex, reason, sizeof(reason));
		return give_reason(reason, why);
	}
	*ret = regex;
	return 0;
}

int fl_extif_check_regex(const char *pattern, char **why)
{
	regex_t regex;
	int r = fl_extif_regex_compile(pattern, &regex, why);

	if (r == 0)
		regfree(&regex);
	return r;
}
