/* ctl/cmd_watch.c - flannelctl watch: what happens, as it happens. */
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "show.h"

/* What an event says, beside its name: its members, but for those that are shown elsewhere. */
static void print_rest(const struct fl_json *event)
{
	char clean[256];

	fl_json_each (v, event) {
		const char *key = fl_json_key(v);
		char *text;

		if (!strcmp(key, "time") || !strcmp(key, "event") || !strcmp(key, "reasons") ||
		    fl_json_type(v) == FL_JSON_NULL)
			continue;
		text = fl_json_string(v) ? strdup(fl_json_string(v)) : fl_json_print(v);
		(void)printf("  %s %s", key, text ? ctl_clean(text, clean, sizeof(clean)) : "");
		free(text);
	}
	fl_json_each (r, fl_json_get(event, "reasons"))
		(void)printf("\n%14s%s", "", ctl_clean(ctl_text(r, "text"), clean, sizeof(clean)));
	(void)putchar('\n');
}

static enum ctl_mark mark_of(const struct fl_json *event)
{
	static const char *const bad[] = {"not-ready", "store-away", "renewal-failed",
					  "rows-failed"};
	static const char *const doubtful[] = {"rows-repaired", "device-repaired", "resync",
					       "lease-recreated"};
	const char *name = ctl_text(event, "event");

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strcmp(name, bad[i]) == 0)
			return CTL_BAD;
	for (size_t i = 0; i < sizeof(doubtful) / sizeof(doubtful[0]); i++)
		if (strcmp(name, doubtful[i]) == 0)
			return CTL_DOUBTFUL;
	return CTL_GOOD;
}

static int on_line(void *owner, char *line)
{
	const struct ctl *c = owner;
	struct fl_json *event = NULL;
	char time[16] = "", name[64];

	if (c->json) {
		(void)puts(line);
		return fflush(stdout) == 0 ? CTL_OK : CTL_MUTE;
	}
	if (fl_json_parse(line, strlen(line), &event, NULL) < 0)
		return CTL_OK;
	/* "2026-01-31T12:00:00.123Z": the day is known */
	if (strlen(ctl_text(event, "time")) > 19)
		(void)snprintf(time, sizeof(time), "%.8s", ctl_text(event, "time") + 11);
	(void)printf("%s  %s  %s", time, ctl_mark(c, mark_of(event)),
		     ctl_clean(ctl_text(event, "event"), name, sizeof(name)));
	print_rest(event);
	fl_json_destroy(event);
	return fflush(stdout) == 0 ? CTL_OK : CTL_MUTE;
}

int ctl_watch(const struct ctl *c, int argc, char **argv)
{
	int r = ctl_no_args(argc, argv);

	if (r == CTL_OK)
		r = ctl_ask_lines(c, "/v1/events", on_line, (void *)(uintptr_t)c);
	if (r == CTL_OK)
		(void)fputs("flannelctl: flanneld has ended\n", stderr);
	return r == CTL_OK ? CTL_AMISS : r;
}
