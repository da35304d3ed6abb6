/* tests/unit/test_status.c - whether a node is ready, and how what is true of it is shown. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "status.h"

#define NOW 1750000000

static const struct fl_extif eth0 = {.name = "eth0", .mtu = 1500};

/* One that is ready. */
static struct fl_status ready(void)
{
	struct fl_status s = {
		.now_s = NOW,
		.started_s = NOW - 100,
		.stage = FL_STATUS_RUNNING,
		.backend = "vxlan",
		.mtu = 1450,
		.extif = &eth0,
		.store = {.own = FL_STORE_OWN_HELD,
			  .expires_s = NOW + 50,
			  .following = true,
			  .waiting = "",
			  .snapshots = 1},
		.overlay = {.devices_well = true, .complete = true},
		.rules = FL_STATUS_RULES_STAND,
		.rules_why = "",
	};

	(void)fl_prefix_parse("10.5.0.0/16", &s.network);
	(void)fl_prefix_parse("10.5.52.0/24", &s.subnet);
	return s;
}

/* The names of the reasons, in order: "lease watch ". */
static const char *reasons(const struct fl_status *s)
{
	static char names[64];
	struct fl_status_reason r[FL_STATUS_REASONS_MAX];
	size_t n = fl_status_reasons(s, r), len = 0;

	names[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		assert_true(r[i].text[0] != '\0');
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s ", r[i].name);
	}
	return names;
}

static void a_node_is_ready_if_all_is_as_it_must_be(void **state)
{
	struct fl_status s = ready();

	(void)state;
	assert_string_equal(reasons(&s), "");
	s.store.expires_s = 0; /* a reservation */
	assert_string_equal(reasons(&s), "");
}

static void each_condition_alone_makes_it_unready(void **state)
{
	struct fl_status s = ready();

	(void)state;
	s.store.expires_s = NOW;
	assert_string_equal(reasons(&s), "lease ");
	s = ready();
	s.store.own = FL_STORE_OWN_AMISS;
	assert_string_equal(reasons(&s), "lease ");
	s.store.own = FL_STORE_OWN_NONE;
	assert_string_equal(reasons(&s), "lease ");
	s = ready();
	s.store.following = false;
	assert_string_equal(reasons(&s), "watch ");
	s = ready();
	s.overlay.devices_well = false;
	assert_string_equal(reasons(&s), "device ");
	s = ready();
	s.interface_why = "it is gone";
	assert_string_equal(reasons(&s), "interface ");
	s = ready();
	s.rules = FL_STATUS_RULES_FAILED;
	s.rules_why = "no cheese";
	assert_string_equal(reasons(&s), "rules ");
	s.rules = FL_STATUS_RULES_PENDING;
	assert_string_equal(reasons(&s), "rules ");
}

static void all_reasons_fit_beside_each_other(void **state)
{
	struct fl_status s = ready();
	char why[2000];

	(void)state;
	memset(why, 'x', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	s.store.own = FL_STORE_OWN_AMISS;
	s.store.following = false;
	s.store.waiting = why;
	s.overlay.devices_well = false;
	s.rules = FL_STATUS_RULES_FAILED;
	s.rules_why = why;
	s.interface_why = why;
	assert_string_equal(reasons(&s), "lease watch interface device rules ");
}

static void before_it_runs_the_start_is_the_only_reason(void **state)
{
	struct fl_status s = {.store = {.waiting = ""}, .rules_why = ""};
	struct fl_status_reason r[FL_STATUS_REASONS_MAX];

	(void)state;
	for (int stage = FL_STATUS_CONFIG; stage <= FL_STATUS_STOPPING; stage++) {
		s.stage = (enum fl_status_stage)stage;
		if (stage != FL_STATUS_RUNNING)
			assert_string_equal(reasons(&s), "start ");
	}
	s.stage = FL_STATUS_CONFIG;
	s.store.waiting = "waiting for /coreos.com/network/config";
	assert_int_equal(fl_status_reasons(&s, r), 1);
	assert_string_equal(r[0].text, "waiting for /coreos.com/network/config");
}

static void readiness_is_shown_as_json_with_the_text_of_others_escaped(void **state)
{
	struct fl_status s = ready();
	struct fl_buf b = {0};

	(void)state;
	assert_true(fl_status_put_ready(&s, &b));
	assert_string_equal(b.data, "{\"ready\":true,\"reasons\":[]}\n");
	fl_buf_reset(&b);
	s.rules = FL_STATUS_RULES_FAILED;
	s.rules_why = "it said \"no\"\n{";
	assert_false(fl_status_put_ready(&s, &b));
	assert_string_equal(
		b.data, "{\"ready\":false,\"reasons\":[{\"reason\":\"rules\",\"text\":\"the "
			"firewall's rules are not installed: it said \\\"no\\\"\\u000a{\"}]}\n");
	fl_buf_done(&b);
}

static struct fl_json *shown(const struct fl_status *s)
{
	struct fl_json *doc = NULL;
	struct fl_buf b = {0};
	char *why = NULL;

	fl_status_put_json(s, &b);
	assert_int_equal(b.error, 0);
	if (fl_json_parse(b.data, b.len, &doc, &why) < 0)
		fail_msg("%s: %s", why, b.data);
	fl_buf_done(&b);
	return doc;
}

static void a_whole_status_is_json_also_when_next_to_nothing_is_known(void **state)
{
	struct fl_status s = {.store = {.waiting = ""}, .rules_why = ""};
	struct fl_json *doc = shown(&s);

	(void)state;
	assert_int_equal(fl_json_type(fl_json_get(doc, "network")), FL_JSON_NULL);
	assert_int_equal(fl_json_type(fl_json_get(doc, "backend")), FL_JSON_NULL);
	assert_null(fl_json_get(doc, "interface"));
	fl_json_destroy(doc);
	s = ready();
	doc = shown(&s);
	assert_string_equal(fl_json_string(fl_json_get(doc, "network")), "10.5.0.0/16");
	assert_string_equal(fl_json_string(fl_json_get(fl_json_get(doc, "lease"), "subnet")),
			    "10.5.52.0/24");
	assert_string_equal(fl_json_string(fl_json_get(fl_json_get(doc, "interface"), "name")),
			    "eth0");
	fl_json_destroy(doc);
}

static bool has_line(const struct fl_buf *b, const char *line)
{
	char whole[256];

	(void)snprintf(whole, sizeof(whole), "\n%s\n", line);
	return strstr(b->data, whole) != NULL;
}

static void metrics_say_what_is(void **state)
{
	struct fl_status s = ready();
	struct fl_buf b = {0};

	(void)state;
	s.store.own = FL_STORE_OWN_AMISS;
	s.store.snapshots = 3;
	s.overlay.peers = 4;
	s.overlay.reached = 3;
	fl_histogram_add(&s.store.durations, 0.002);
	fl_histogram_add(&s.store.durations, 0.003);
	fl_histogram_add(&s.store.durations, 99.);
	fl_status_put_metrics(&s, &b);
	assert_true(has_line(&b, "flanneld_ready 0"));
	assert_true(has_line(&b, "flanneld_not_ready_reason{reason=\"lease\"} 1"));
	assert_true(has_line(&b, "flanneld_not_ready_reason{reason=\"watch\"} 0"));
	assert_true(has_line(&b, "flanneld_leases 4"));
	assert_true(has_line(&b, "flanneld_peers{state=\"reached\"} 3"));
	assert_true(has_line(&b, "flanneld_watch_resyncs_total 2"));
	assert_true(has_line(&b, "flanneld_lease_expiry_timestamp_seconds 1750000050.000"));
	assert_true(has_line(&b, "flanneld_store_request_duration_seconds_bucket{le=\"0.001\"} 0"));
	assert_true(
		has_line(&b, "flanneld_store_request_duration_seconds_bucket{le=\"0.0025\"} 1"));
	assert_true(has_line(&b, "flanneld_store_request_duration_seconds_bucket{le=\"10\"} 2"));
	assert_true(has_line(&b, "flanneld_store_request_duration_seconds_bucket{le=\"+Inf\"} 3"));
	assert_true(has_line(&b, "flanneld_store_request_duration_seconds_count 3"));
	fl_buf_done(&b);
}

static void what_is_not_known_has_no_sample(void **state)
{
	struct fl_status s = {.store = {.waiting = ""}, .rules_why = ""};
	struct fl_buf b = {0};

	(void)state;
	fl_status_put_metrics(&s, &b);
	assert_null(strstr(b.data, "\nflanneld_lease_expiry_timestamp_seconds "));
	assert_null(strstr(b.data, "\nflanneld_store_last_contact_timestamp_seconds "));
	assert_null(strstr(b.data, "\nflanneld_certificate_expiry_timestamp_seconds{"));
	fl_buf_done(&b);
}

static void names_and_texts_of_modules_and_files_are_made_harmless(void **state)
{
	static const struct fl_counter counters[] = {
		{.name = "lost packets\n", .help = "one\nline, a \\ and a \"", .value = 7}};
	struct fl_status s = ready();
	struct fl_buf b = {0};

	(void)state;
	s.backend = "host-gw";
	s.counters = counters;
	s.n_counters = 1;
	s.certs[0] = (struct fl_status_cert){.file = "/a\"b\\c\nd", .expires_s = NOW};
	s.n_certs = 1;
	fl_status_put_metrics(&s, &b);
	assert_true(has_line(&b, "flanneld_host_gw_lost_packets__total 7"));
	assert_true(has_line(&b, "# HELP flanneld_host_gw_lost_packets__total one\\nline, a \\\\ "
				 "and a \""));
	assert_true(has_line(&b, "flanneld_certificate_expiry_timestamp_seconds{file=\"/a\\\"b\\\\"
				 "c\\nd\"} 1750000000"));
	fl_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_is_ready_if_all_is_as_it_must_be),
		cmocka_unit_test(each_condition_alone_makes_it_unready),
		cmocka_unit_test(all_reasons_fit_beside_each_other),
		cmocka_unit_test(before_it_runs_the_start_is_the_only_reason),
		cmocka_unit_test(readiness_is_shown_as_json_with_the_text_of_others_escaped),
		cmocka_unit_test(a_whole_status_is_json_also_when_next_to_nothing_is_known),
		cmocka_unit_test(metrics_say_what_is),
		cmocka_unit_test(what_is_not_known_has_no_sample),
		cmocka_unit_test(names_and_texts_of_modules_and_files_are_made_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
