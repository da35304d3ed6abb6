/* backends/extension/command.c - a command of the network config: text to argv. */
#include "command.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* In a word, this and '0' + an enum ext_var stand for a variable: JSON text is UTF-8, which has no
 * such byte. */
#define MARK '\xff'

#define SHELL_CHARS ";|&<>()`*?[]{}!\n\r" /* outside of quotes */

static const char rule_shape[] =
	"a string, or an array of strings of which the first is not empty; without U+0000";
static const char rule_quotes[] = "a command whose quotes are closed";
static const char rule_program[] = "a command that begins with a program";

struct ext_command {
	bool shell;
	size_t n;
	char **words;
	char *text; /* what the words point into */
};

/* Reads a string; writes words, which are never longer together. */
struct scan {
	const char *at;
	char *out;
	char quote; /* ', " or 0 */
	bool in_word;
	struct ext_command *cmd;
};

enum kind { PLAIN, SHELL };

/* ---- variables ---- */

/* @return bytes after '$' that name a variable of ours, braces included; 0: something else */
static size_t match_var(const char *p, enum ext_var *ret)
{
	bool braces = *p == '{';
	const char *name = p + braces;
	size_t len = 0;

	while (isalnum((unsigned char)name[len]) || name[len] == '_')
		len++;
	if (braces && name[len] != '}')
		return 0;
	*ret = ext_vars_find(name, len);
	return *ret == EXT_VARS ? 0 : len + (braces ? 2 : 0);
}

static void put_mark(char **out, enum ext_var var)
{
	*(*out)++ = MARK;
	*(*out)++ = (char)('0' + var);
}

/* ---- a string ---- */

static void put(struct scan *s, char c)
{
	if (!s->in_word)
		s->cmd->words[s->cmd->n++] = s->out;
	s->in_word = true;
	if (c)
		*s->out++ = c;
}

static void end_word(struct scan *s)
{
	if (s->in_word)
		*s->out++ = '\0';
	s->in_word = false;
}

static enum kind scan_var(struct scan *s)
{
	enum ext_var var;
	size_t len = match_var(s->at + 1, &var);

	if (!len)
		return SHELL;
	put(s, '\0');
	put_mark(&s->out, var);
	s->at += len;
	return PLAIN;
}

static enum kind scan_quoted(struct scan *s)
{
	char c = *s->at;

	if (c == s->quote) {
		s->quote = '\0';
		return PLAIN;
	}
	if (s->quote == '"' && c == '$')
		return scan_var(s);
	if (s->quote == '"' && c == '`')
		return SHELL;
	if (s->quote == '"' && c == '\\' && s->at[1] == '\n')
		return SHELL;
	if (s->quote == '"' && c == '\\' && s->at[1] && strchr("\"\\$`", s->at[1]))
		c = *++s->at;
	put(s, c);
	return PLAIN;
}

static enum kind scan_bare(struct scan *s)
{
	char c = *s->at;

	switch (c) {
	case ' ':
	case '\t':
		end_word(s);
		return PLAIN;
	case '\'':
	case '"':
		put(s, '\0');
		s->quote = c;
		return PLAIN;
	case '$':
		return scan_var(s);
	case '\\':
		c = *++s->at;
		if (!c || c == '\n') {
			s->at--;
			return SHELL;
		}
		put(s, c);
		return PLAIN;
	default:
		if (strchr(SHELL_CHARS, c) || (!s->in_word && strchr("#~", c)))
			return SHELL;
		put(s, c);
		return PLAIN;
	}
}

static bool is_assignment(const char *word)
{
	size_t len = 0;

	while (isalnum((unsigned char)word[len]) || word[len] == '_')
		len++;
	return len > 0 && !isdigit((unsigned char)word[0]) &&
	       (word[len] == '=' || strncmp(word + len, "+=", 2) == 0);
}

/* What only a shell has. Programs of the same name as a built-in are not here: they do the same. */
static bool is_shell_word(const char *word)
{
	static const char *const words[] = {
		".",	  ":",	     "alias",	 "bg",	     "break",	"builtin",  "case",
		"cd",	  "command", "continue", "declare",  "do",	"done",	    "elif",
		"else",	  "esac",    "eval",	 "exec",     "exit",	"export",   "fc",
		"fg",	  "fi",	     "for",	 "function", "getopts", "hash",	    "if",
		"in",	  "jobs",    "let",	 "local",    "read",	"readonly", "return",
		"select", "set",     "shift",	 "source",   "then",	"times",    "trap",
		"type",	  "typeset", "ulimit",	 "umask",    "unalias", "unset",    "until",
		"wait",	  "while",
	};

	for (size_t i = 0; i < FL_ARRAY_SIZE(words); i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

static int command_new(size_t text_size, size_t n_words, struct ext_command **ret)
{
	struct ext_command *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->text = malloc(text_size);
	c->words = calloc(n_words, sizeof(*c->words));
	if (!c->text || !c->words) {
		ext_command_destroy(c);
		return -ENOMEM;
	}
	*ret = c;
	return 0;
}

static void hand_to_shell(struct ext_command *c, const char *text)
{
	static char sh[] = "/bin/sh", dash_c[] = "-c";

	strcpy(c->text, text); /* it has as many bytes */
	c->words[0] = sh;
	c->words[1] = dash_c;
	c->words[2] = c->text;
	c->n = 3;
	c->shell = true;
}

/* @return 0; -EINVAL with @p rule */
static int split(struct ext_command *c, const char *text, const char **rule)
{
	struct scan s = {.at = text, .out = c->text, .cmd = c};
	enum kind kind = PLAIN;

	for (; *s.at && kind == PLAIN; s.at++)
		kind = s.quote ? scan_quoted(&s) : scan_bare(&s);
	if (kind == PLAIN && s.quote) {
		*rule = rule_quotes;
		return -EINVAL;
	}
	end_word(&s);
	if (kind == SHELL || is_assignment(c->words[0]) || is_shell_word(c->words[0])) {
		hand_to_shell(c, text);
		return 0;
	}
	*rule = rule_program;
	return c->words[0][0] ? 0 : -EINVAL;
}

static bool is_blank(const char *text)
{
	return !text[strspn(text, " \t\r\n")];
}

static int parse_string(const char *text, struct ext_command **ret, const char **rule)
{
	size_t len = strlen(text);
	struct ext_command *c;
	int r;

	if (is_blank(text)) {
		*ret = NULL;
		return 0;
	}
	r = command_new(len + 1, len / 2 + 3, &c); /* "a b": every second byte begins a word */
	if (r < 0)
		return r;
	r = split(c, text, rule);
	if (r < 0)
		ext_command_destroy(c);
	else
		*ret = c;
	return r;
}

/* ---- an array ---- */

static char *copy_element(char *out, const char *text)
{
	enum ext_var var;

	while (*text) {
		size_t len = *text == '$' ? match_var(text + 1, &var) : 0;

		if (len)
			put_mark(&out, var);
		else
			*out++ = *text;
		text += len + 1;
	}
	*out++ = '\0';
	return out;
}

/* @return 0, or -EINVAL if it is no argv */
static int measure(const struct fl_json *array, size_t *size, size_t *n)
{
	fl_json_each (v, array) {
		const char *text = fl_json_string(v);

		if (!text || (*n == 0 && !*text))
			return -EINVAL;
		*size += strlen(text) + 1;
		(*n)++;
	}
	return *n > 0 ? 0 : -EINVAL;
}

static int parse_array(const struct fl_json *array, struct ext_command **ret, const char **rule)
{
	size_t size = 0, n = 0;
	struct ext_command *c;
	char *out;
	int r;

	*rule = rule_shape;
	r = measure(array, &size, &n);
	if (r == 0)
		r = command_new(size, n, &c);
	if (r < 0)
		return r;
	out = c->text;
	fl_json_each (v, array) {
		c->words[c->n++] = out;
		out = copy_element(out, fl_json_string(v));
	}
	*ret = c;
	return 0;
}

int ext_command_parse(const struct fl_json *v, struct ext_command **ret, const char **rule)
{
	const char *text = fl_json_string(v);

	if (text)
		return parse_string(text, ret, rule);
	if (fl_json_type(v) == FL_JSON_ARRAY)
		return parse_array(v, ret, rule);
	*rule = rule_shape;
	return -EINVAL;
}

void ext_command_destroy(struct ext_command *c)
{
	if (!c)
		return;
	free(c->words);
	free(c->text);
	free(c);
}

bool ext_command_is_shell(const struct ext_command *c)
{
	return c->shell;
}

/* ---- argv ---- */

static size_t expanded_size(const char *word, const struct ext_vars *vars)
{
	size_t size = 1;

	for (; *word; word++)
		if (*word == MARK)
			size += strlen(ext_vars_value(vars, (enum ext_var)(*++word - '0')));
		else
			size++;
	return size;
}

static char *expand(const char *word, const struct ext_vars *vars)
{
	char *text = malloc(expanded_size(word, vars)), *out = text;

	if (!text)
		return NULL;
	for (; *word; word++)
		if (*word == MARK)
			out = stpcpy(out, ext_vars_value(vars, (enum ext_var)(*++word - '0')));
		else
			*out++ = *word;
	*out = '\0';
	return text;
}

char **ext_command_argv(const struct ext_command *c, const struct ext_vars *vars)
{
	char **argv = calloc(c->n + 1, sizeof(*argv));

	for (size_t i = 0; argv && i < c->n; i++) {
		argv[i] = expand(c->words[i], vars);
		if (!argv[i]) {
			ext_argv_free(argv);
			return NULL;
		}
	}
	return argv;
}

void ext_argv_free(char **argv)
{
	for (char **word = argv; word && *word; word++)
		free(*word);
	free(argv);
}
