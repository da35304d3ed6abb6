/* ctl/show.c - text for people. */
#include "show.h"

#include <stdlib.h>
#include <string.h>

#define ROW_MAX	  700u
#define ROW_LABEL 14u /* columns before a text */

const char *ctl_mark(const struct ctl *c, enum ctl_mark mark)
{
	static const char *const plain[] = {"ok", "??", "!!"};
	static const char *const colours[] = {"\033[32mok\033[0m", "\033[33m??\033[0m",
					      "\033[31m!!\033[0m"};

	return c->colour ? colours[mark] : plain[mark];
}

const char *ctl_clean(const char *text, char *buf, size_t size)
{
	size_t i = 0;

	for (; text[i] && i + 1 < size; i++)
		buf[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
	buf[i] = '\0';
	return buf;
}

const char *ctl_span(long long s, char buf[32])
{
	if (s < 0)
		s = 0;
	if (s < 60)
		(void)snprintf(buf, 32, "%llds", s);
	else if (s < 3600)
		(void)snprintf(buf, 32, "%lldm", s / 60);
	else if (s < 2 * 86400)
		(void)snprintf(buf, 32, "%lldh %lldm", s / 3600, s % 3600 / 60);
	else
		(void)snprintf(buf, 32, "%lldd", s / 86400);
	return buf;
}

void ctl_wrapped(const struct ctl *c, unsigned int indent, const char *text)
{
	unsigned int at = indent;
	bool first = true;

	while (*text) {
		size_t len = strcspn(text, " ");

		if (!first && c->width && at + 1 + len > c->width) {
			(void)printf("\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		(void)printf("%s%.*s", first ? "" : " ", (int)len, text);
		at += (unsigned int)len + !first;
		first = false;
		text += len;
		text += strspn(text, " ");
	}
	(void)putchar('\n');
}

/* ---- tables ---- */

void ctl_table_add(struct ctl_table *t, const char *text)
{
	size_t cap = t->cap ? t->cap * 2 : 64;
	char clean[256];
	char **grown;

	if (t->count == t->cap) {
		grown = reallocarray(t->cells, cap, sizeof(*grown));
		t->failed = t->failed || !grown;
		if (!grown)
			return;
		t->cells = grown;
		t->cap = cap;
	}
	t->cells[t->count] = strdup(ctl_clean(text, clean, sizeof(clean)));
	t->failed = t->failed || !t->cells[t->count];
	if (t->cells[t->count])
		t->count++;
}

static void measure(const struct ctl_table *t, size_t widths[CTL_COLUMNS_MAX])
{
	for (size_t i = 0; i < t->count; i++) {
		size_t len = strlen(t->cells[i]), *width = &widths[i % t->columns];

		*width = len > *width ? len : *width;
	}
}

static void print_row(const struct ctl *c, const struct ctl_table *t, size_t row,
		      const size_t widths[CTL_COLUMNS_MAX])
{
	size_t at = 0;

	for (unsigned int i = 0; i < t->columns; i++) {
		const char *text = t->cells[row * t->columns + i];
		bool last = i + 1 == t->columns;
		int room = c->width > at ? (int)(c->width - at) : 0;

		if (last && c->width && strlen(text) > (size_t)room)
			(void)printf("%.*s>", room > 1 ? room - 1 : 0, text);
		else if (last)
			(void)fputs(text, stdout);
		else
			(void)printf("%-*s  ", (int)widths[i], text);
		at += widths[i] + 2;
	}
	(void)putchar('\n');
}

void ctl_table_print(const struct ctl *c, const struct ctl_table *t)
{
	size_t widths[CTL_COLUMNS_MAX] = {0};

	if (t->failed) {
		(void)fputs("flannelctl: out of memory\n", stderr);
		return;
	}
	measure(t, widths);
	for (size_t row = 0; row < t->count / t->columns; row++) {
		if (row == 0 && c->colour)
			(void)fputs("\033[1m", stdout);
		print_row(c, t, row, widths);
		if (row == 0 && c->colour)
			(void)fputs("\033[0m", stdout);
	}
}

void ctl_table_done(struct ctl_table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct ctl_table){0};
}

void ctl_row(const struct ctl *c, enum ctl_mark mark, const char *label, const char *text)
{
	char clean[ROW_MAX];

	(void)printf("  %s  %-8s", ctl_mark(c, mark), label);
	ctl_wrapped(c, ROW_LABEL, ctl_clean(text, clean, sizeof(clean)));
}
