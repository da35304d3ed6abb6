/* tests/unit/test_extension_queue.c - which commands run for which peers, and when: against a loop
 * that the test turns by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/extension/queue.h"
#include "fake_commands.h"

/* ---- the queue under test ---- */

static struct ext_conf conf;
static struct ext_runner runner;
static struct ext_queue *queue;
static int saved_stderr, log_fd;
static char last_log[16384];

static int set_up(void **state)
{
	static const char text[] = "{\"SubnetAddCommand\":\"add $SUBNET $PUBLIC_IP\","
				   "\"SubnetRemoveCommand\":\"del $SUBNET $PUBLIC_IP\"}";
	struct fl_json *doc = NULL;

	(void)state;
	saved_stderr = dup(STDERR_FILENO);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	assert_true(log_fd >= 0 && dup2(log_fd, STDERR_FILENO) >= 0);
	fake = (struct fake_commands){0};
	assert_int_equal(fl_json_parse(text, strlen(text), &doc, NULL), 0);
	assert_int_equal(ext_conf_parse(doc, &conf), 0);
	fl_json_destroy(doc);
	ext_runner_init(&runner, NULL, &conf);
	assert_int_equal(ext_queue_create(&runner, &queue), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ext_queue_destroy(queue);
	ext_conf_done(&conf);
	(void)dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(log_fd);
	assert_int_equal(fake.n_running, 0);
	assert_int_equal(fake.n_timers, 0);
	return 0;
}

static void assert_logged(const char *text)
{
	ssize_t n = pread(log_fd, last_log, sizeof(last_log) - 1, 0);

	last_log[n > 0 ? n : 0] = '\0';
	if (!strstr(last_log, text))
		fail_msg("\"%s\" is not in the log:\n%s", text, last_log);
}

static struct fl_prefix subnet_of(unsigned int third)
{
	return (struct fl_prefix){.addr = fl_addr_from_v4(0x0a050000u + (third << 8)), .len = 24};
}

static void add(unsigned int third, unsigned int host, const char *data)
{
	struct fl_lease peer = {
		.subnet = subnet_of(third),
		.public_ip = fl_addr_from_v4(0xc0000200u + host),
	};

	ext_queue_add(queue, &peer, data);
}

static void del(unsigned int third)
{
	struct fl_prefix subnet = subnet_of(third);

	ext_queue_del(queue, &subnet);
}

static uint64_t counted(enum ext_counter c)
{
	return fl_counter_value(&runner.counters[c]);
}

/* ---- what is due ---- */

static void a_peer_is_added_and_removed_with_its_data(void **state)
{
	(void)state;
	add(1, 1, "one");
	assert_started(0, "add 10.5.1.0/24 192.0.2.1", "one\n");
	command_ends_well(0);
	assert_int_equal(fake.n_started, 1);
	del(1);
	assert_started(1, "del 10.5.1.0/24 192.0.2.1", "one\n");
	command_ends_well(1);
	assert_int_equal(fake.n_started, 2);
	del(1); /* of a peer that nobody knows */
	assert_int_equal(fake.n_started, 2);
	assert_int_equal(counted(EXT_COMMANDS_STARTED), 2);
	assert_int_equal(counted(EXT_COMMANDS_FAILED), 0);
}

static void a_change_is_a_remove_with_the_old_and_an_add_with_the_new(void **state)
{
	(void)state;
	add(1, 1, "old");
	command_ends_well(0);
	del(1);
	add(1, 2, "new");
	assert_int_equal(fake.n_started, 2);
	assert_started(1, "del 10.5.1.0/24 192.0.2.1", "old\n");
	command_ends_well(1);
	assert_started(2, "add 10.5.1.0/24 192.0.2.2", "new\n");
	command_ends_well(2);
	assert_int_equal(fake.n_started, 3);
}

static void a_subnet_has_one_command_at_a_time(void **state)
{
	(void)state;
	add(1, 1, "a");
	del(1);
	add(1, 1, "b");
	del(1);
	add(1, 1, "c");
	assert_int_equal(fake.n_started, 1); /* the add of a runs on */
	command_ends_well(0);
	assert_started(1, "del 10.5.1.0/24 192.0.2.1", "a\n");
	assert_int_equal(fake.n_running, 1);
	command_ends_well(1);
	assert_started(2, "add 10.5.1.0/24 192.0.2.1", "c\n"); /* b was overtaken */
	command_ends_well(2);
	assert_int_equal(fake.n_started, 3);
}

static void what_goes_before_its_turn_never_runs(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < EXT_RUNNING_MAX; i++)
		add(i, i, "x");
	add(100, 1, "never");
	del(100);
	add(101, 1, "runs");
	for (unsigned int i = 0; i < EXT_RUNNING_MAX; i++)
		command_ends_well(i);
	assert_int_equal(fake.n_started, EXT_RUNNING_MAX + 1);
	assert_started(EXT_RUNNING_MAX, "add 10.5.101.0/24 192.0.2.1", "runs\n");
	command_ends_well(EXT_RUNNING_MAX);
}

static void what_comes_back_the_same_before_its_remove_stays(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < EXT_RUNNING_MAX; i++)
		add(i, i, "x");
	command_ends_well(0);
	add(50, 1, "busy");
	del(0); /* in line */
	add(0, 0, "x");
	for (unsigned int i = 1; i <= EXT_RUNNING_MAX; i++)
		command_ends_well(i);
	assert_int_equal(fake.n_started, EXT_RUNNING_MAX + 1);
}

static void what_comes_back_the_same_during_its_add_stays(void **state)
{
	(void)state;
	add(1, 1, "x");
	del(1);
	add(1, 1, "x");
	command_ends_well(0);
	assert_int_equal(fake.n_started, 1);
}

static void what_comes_back_during_its_remove_is_added(void **state)
{
	(void)state;
	add(1, 1, "x");
	command_ends_well(0);
	del(1);
	add(1, 1, "x");
	command_ends_well(1);
	assert_started(2, "add 10.5.1.0/24 192.0.2.1", "x\n");
	command_ends_well(2);
}

static void a_peer_that_goes_during_its_add_is_removed(void **state)
{
	(void)state;
	add(1, 1, "x");
	del(1);
	command_ends_well(0);
	assert_started(1, "del 10.5.1.0/24 192.0.2.1", "x\n");
	command_ends_well(1);
	assert_int_equal(fake.n_started, 2);
}

static void a_few_run_at_once_and_the_rest_in_order(void **state)
{
	char argv[64];

	(void)state;
	for (unsigned int i = 0; i < 40; i++) {
		add(i, i, "x");
		assert_true(fake.n_running <= EXT_RUNNING_MAX);
	}
	for (unsigned int i = 0; i < 40; i++) {
		(void)snprintf(argv, sizeof(argv), "add 10.5.%u.0/24 192.0.2.%u", i, i);
		assert_started(i, argv, "x\n");
		command_ends_well(i);
		assert_true(fake.n_running <= EXT_RUNNING_MAX);
	}
	assert_int_equal(fake.n_started, 40);
}

static void the_add_of_a_change_does_not_wait_for_others(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 20; i++)
		add(i, i, "x");
	del(0);
	add(0, 99, "new");
	command_ends_well(0);
	assert_started(EXT_RUNNING_MAX, "del 10.5.0.0/24 192.0.2.0", "x\n");
	command_ends_well(EXT_RUNNING_MAX);
	assert_started(EXT_RUNNING_MAX + 1, "add 10.5.0.0/24 192.0.2.99", "new\n");
	command_ends_well(EXT_RUNNING_MAX + 1);
	assert_started(EXT_RUNNING_MAX + 2, "add 10.5.8.0/24 192.0.2.8", "x\n");
}

static void one_that_hangs_does_not_stop_the_others(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 40; i++)
		add(i, i, "x");
	for (unsigned int i = 1; i < 40; i++)
		command_ends_well(i);
	assert_int_equal(fake.n_started, 40);
	assert_int_equal(fake.n_running, 1);
}

static void subnets_of_one_address_differ_by_length(void **state)
{
	struct fl_lease wide = {.subnet = subnet_of(4), .public_ip = fl_addr_from_v4(0xc0000201u)};

	(void)state;
	wide.subnet.len = 22;
	add(4, 1, "narrow");
	ext_queue_add(queue, &wide, "wide");
	assert_started(0, "add 10.5.4.0/24 192.0.2.1", "narrow\n");
	assert_started(1, "add 10.5.4.0/22 192.0.2.1", "wide\n");
}

static void without_a_command_nothing_runs(void **state)
{
	(void)state;
	ext_command_destroy(conf.commands[EXT_SUBNET_REMOVE]);
	conf.commands[EXT_SUBNET_REMOVE] = NULL;
	add(1, 1, "a");
	command_ends_well(0);
	del(1);
	add(1, 1, "b");
	assert_started(1, "add 10.5.1.0/24 192.0.2.1", "b\n");
	command_ends_well(1);
	del(1);
	assert_int_equal(fake.n_started, 2);
}

static void without_an_add_the_remove_runs_all_the_same(void **state)
{
	(void)state;
	ext_command_destroy(conf.commands[EXT_SUBNET_ADD]);
	conf.commands[EXT_SUBNET_ADD] = NULL;
	add(1, 1, "a");
	assert_int_equal(fake.n_started, 0);
	del(1);
	assert_started(0, "del 10.5.1.0/24 192.0.2.1", "a\n");
	command_ends_well(0);
}

/* ---- failures ---- */

static void a_failed_add_is_tried_again_later_each_time(void **state)
{
	(void)state;
	add(1, 1, "x");
	command_ends_badly(0);
	assert_logged("10.5.1.0/24: SubnetAddCommand: exit status 2: RTNETLINK answers: No; "
		      "retrying in ");
	assert_logged("10.5.1.0/24: SubnetAddCommand: first\n");
	for (unsigned int i = 1; i < EXT_ADD_ATTEMPTS; i++) {
		assert_true(fake.timer->delay_ms > 500u << (i - 1));
		assert_true(fake.timer->delay_ms <= 1000u << (i - 1));
		timer_fires();
		assert_started(i, "add 10.5.1.0/24 192.0.2.1", "x\n");
		command_ends_badly(i);
	}
	assert_false(fake.timer->on);
	assert_logged("tried 4 times, so this peer is left as it is until it changes");
	assert_int_equal(fake.n_started, EXT_ADD_ATTEMPTS);
	assert_int_equal(counted(EXT_COMMANDS_FAILED), EXT_ADD_ATTEMPTS);
	assert_int_equal(counted(EXT_ADDS_RETRIED), EXT_ADD_ATTEMPTS - 1);
	assert_int_equal(counted(EXT_PEERS_GIVEN_UP), 1);
}

static void a_retry_that_succeeds_ends_it(void **state)
{
	(void)state;
	add(1, 1, "x");
	command_ends_badly(0);
	timer_fires();
	command_ends_well(1);
	assert_false(fake.timer->on);
	del(1);
	assert_started(2, "del 10.5.1.0/24 192.0.2.1", "x\n");
}

static void a_peer_that_goes_between_attempts_is_undone(void **state)
{
	(void)state;
	add(1, 1, "x");
	command_ends_badly(0);
	del(1);
	assert_false(fake.timer->on);
	assert_started(1, "del 10.5.1.0/24 192.0.2.1", "x\n");
	command_ends_well(1);
	assert_int_equal(fake.n_started, 2);
}

static void a_peer_that_changes_is_tried_from_the_start(void **state)
{
	(void)state;
	add(1, 1, "x");
	for (unsigned int i = 0; i < EXT_ADD_ATTEMPTS; i++) {
		command_ends_badly(i);
		if (i + 1 < EXT_ADD_ATTEMPTS)
			timer_fires();
	}
	del(1);
	add(1, 2, "y");
	command_ends_well(EXT_ADD_ATTEMPTS); /* the remove */
	assert_started(EXT_ADD_ATTEMPTS + 1, "add 10.5.1.0/24 192.0.2.2", "y\n");
	command_ends_badly(EXT_ADD_ATTEMPTS + 1);
	assert_true(fake.timer->on);
	assert_true(fake.timer->delay_ms <= 1000);
}

static void a_peer_that_comes_back_after_its_add_failed_is_added_again(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < EXT_RUNNING_MAX; i++)
		add(i, i, "x");
	command_ends_badly(0);
	add(50, 1, "busy");
	del(0);
	add(0, 0, "x"); /* both while others run: there is no remove in between */
	command_ends_well(1);
	assert_started(EXT_RUNNING_MAX + 1, "add 10.5.0.0/24 192.0.2.0", "x\n");
}

static void a_failed_remove_is_said_and_left(void **state)
{
	(void)state;
	add(1, 1, "x");
	command_ends_well(0);
	del(1);
	command_ends_badly(1);
	assert_logged("10.5.1.0/24: SubnetRemoveCommand: exit status 2: RTNETLINK answers: No; "
		      "what it was to undo may be left");
	assert_int_equal(fake.n_started, 2);
}

static void a_command_that_cannot_be_started_is_a_failure(void **state)
{
	(void)state;
	fake.refuse_start = -ENOENT;
	add(1, 1, "x");
	assert_logged("SubnetAddCommand: cannot be run: No such file or directory; retrying in ");
	assert_int_equal(counted(EXT_COMMANDS_STARTED), 0);
	assert_int_equal(counted(EXT_COMMANDS_FAILED), 1);
	del(1); /* fails as well, at once */
	assert_logged("SubnetRemoveCommand: cannot be run");
	fake.refuse_start = 0;
	add(1, 1, "y");
	assert_started(0, "add 10.5.1.0/24 192.0.2.1", "y\n");
}

static void each_way_to_end_badly_has_its_words(void **state)
{
	const struct fl_command_result late = {
		.error = -ETIMEDOUT, .exit_status = -1, .output = "", .errors = ""};
	const struct fl_command_result loud = {
		.error = -EMSGSIZE, .exit_status = -1, .output = "", .errors = ""};
	const struct fl_command_result shot = {
		.exit_status = -1, .signal = 9, .output = "", .errors = ""};

	(void)state;
	add(1, 1, "x");
	command_ends(0, &late);
	assert_logged("SubnetAddCommand: killed, for it has not ended within 30 s; retrying");
	assert_int_equal(counted(EXT_COMMANDS_TIMED_OUT), 1);
	timer_fires();
	command_ends(1, &loud);
	assert_logged("SubnetAddCommand: killed, for its output is too long; retrying");
	timer_fires();
	command_ends(2, &shot);
	assert_logged("SubnetAddCommand: ended by signal 9 (Killed); retrying");
	assert_int_equal(counted(EXT_COMMANDS_TIMED_OUT), 1);
	assert_int_equal(counted(EXT_COMMANDS_FAILED), 3);
}

static void output_is_logged_by_line_and_bounded(void **state)
{
	char output[400] = "one\r\n\ntwo\x1b[31m\n";
	const struct fl_command_result res = {.output = output, .errors = "careful"};

	(void)state;
	for (unsigned int i = 0; i < 60; i++)
		strcat(output, "z\n");
	add(1, 1, "x");
	command_ends(0, &res);
	assert_logged("INFO  extension: 10.5.1.0/24: SubnetAddCommand: one\n");
	assert_logged("INFO  extension: 10.5.1.0/24: SubnetAddCommand: two\\x1b[31m\n");
	assert_logged("INFO  extension: 10.5.1.0/24: SubnetAddCommand: careful\n");
	assert_logged("INFO  extension: 10.5.1.0/24: SubnetAddCommand: 12 more lines\n");
}

/* ---- any order ---- */

#define SUBNETS 12u

/* What the commands make of the world: the host that each subnet leads to, 0: none. */
struct world {
	unsigned int stands[SUBNETS];
	unsigned int wanted[SUBNETS];
	unsigned int seed;
};

static unsigned int below(struct world *w, unsigned int n)
{
	return (unsigned int)rand_r(&w->seed) % n;
}

static void read_command(unsigned int i, bool *is_add, unsigned int *third, unsigned int *host)
{
	const char *line = command_line(i);

	*is_add = line[0] == 'a';
	assert_int_equal(sscanf(line + 4, "10.5.%u.0/24 192.0.2.%u", third, host), 2);
}

/* An add may follow one that has failed, a remove undoes what stands. */
static void ends_somehow(struct world *w, unsigned int i)
{
	unsigned int third, host;
	bool is_add;

	read_command(i, &is_add, &third, &host);
	if (is_add)
		assert_true(!w->stands[third] || w->stands[third] == host);
	else
		assert_int_equal(w->stands[third], host);
	w->stands[third] = is_add ? host : 0;
	if (below(w, 4) == 0)
		command_ends_badly(i);
	else
		command_ends_well(i);
}

static void assert_one_each(void)
{
	bool busy[SUBNETS] = {false};
	unsigned int third, host, running = 0;
	bool is_add;

	for (unsigned int i = 0; i < fake.n_started; i++) {
		if (!command_line(i))
			continue;
		read_command(i, &is_add, &third, &host);
		assert_false(busy[third]);
		busy[third] = true;
		running++;
	}
	assert_true(running <= EXT_RUNNING_MAX);
}

static void something_happens(struct world *w)
{
	unsigned int third = below(w, SUBNETS), what = below(w, 8);
	unsigned int i = fake.n_started ? below(w, fake.n_started) : 0;

	if (what < 3 && w->wanted[third]) {
		w->wanted[third] = 0;
		del(third);
	} else if (what < 3) {
		w->wanted[third] = 1 + below(w, 3);
		add(third, w->wanted[third], "x");
	} else if (what == 3 && fake.timer && fake.timer->on) {
		timer_fires();
	} else {
		while (i < fake.n_started && !command_line(i))
			i++;
		if (i < fake.n_started)
			ends_somehow(w, i);
	}
}

static void in_any_order_what_is_wanted_stands_in_the_end(void **state)
{
	struct world w = {.seed = 4711};

	(void)state;
	for (unsigned int n = 0; n < 3000; n++) {
		something_happens(&w);
		assert_one_each();
	}
	for (unsigned int i = 0; i < fake.n_started; i++)
		if (command_line(i))
			ends_somehow(&w, i);
	assert_int_equal(fake.n_running, 0);
	assert_memory_equal(w.stands, w.wanted, sizeof(w.wanted));
	assert_true(fake.n_started > 500);
}

/* ---- the end ---- */

static void the_end_kills_what_runs_and_forgets_the_rest(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 20; i++)
		add(i, i, "x");
	command_ends_badly(0);
	ext_queue_destroy(queue);
	assert_int_equal(fake.n_killed, EXT_RUNNING_MAX);
	assert_int_equal(fake.n_started, EXT_RUNNING_MAX + 1);
	queue = NULL; /* tear_down() destroys it again: a no-op */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_peer_is_added_and_removed_with_its_data),
		TEST(a_change_is_a_remove_with_the_old_and_an_add_with_the_new),
		TEST(a_subnet_has_one_command_at_a_time),
		TEST(what_goes_before_its_turn_never_runs),
		TEST(what_comes_back_the_same_before_its_remove_stays),
		TEST(what_comes_back_the_same_during_its_add_stays),
		TEST(what_comes_back_during_its_remove_is_added),
		TEST(a_peer_that_goes_during_its_add_is_removed),
		TEST(a_few_run_at_once_and_the_rest_in_order),
		TEST(the_add_of_a_change_does_not_wait_for_others),
		TEST(one_that_hangs_does_not_stop_the_others),
		TEST(subnets_of_one_address_differ_by_length),
		TEST(without_a_command_nothing_runs),
		TEST(without_an_add_the_remove_runs_all_the_same),
		TEST(a_failed_add_is_tried_again_later_each_time),
		TEST(a_retry_that_succeeds_ends_it),
		TEST(a_peer_that_goes_between_attempts_is_undone),
		TEST(a_peer_that_changes_is_tried_from_the_start),
		TEST(a_peer_that_comes_back_after_its_add_failed_is_added_again),
		TEST(a_failed_remove_is_said_and_left),
		TEST(a_command_that_cannot_be_started_is_a_failure),
		TEST(each_way_to_end_badly_has_its_words),
		TEST(output_is_logged_by_line_and_bounded),
		TEST(in_any_order_what_is_wanted_stands_in_the_end),
		TEST(the_end_kills_what_runs_and_forgets_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
