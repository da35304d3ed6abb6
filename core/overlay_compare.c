/* core/overlay_compare.c - what the kernel has is compared with what is declared, device by device,
 * and then elsewhere: a few steps at once, and the rest in turns of the loop. */
#include "overlay_internal.h"

#define STEPS_AT_ONCE 24u  /* enough for a few hundred rows */
#define TURN_S	      .003 /* most steps take less than a millisecond */

static void sleep_on(struct fl_overlay *o)
{
	ev_check_stop(o->conf.loop, &o->compare_turn);
	ev_idle_stop(o->conf.loop, &o->compare_awake);
}

static void wake(struct fl_overlay *o)
{
	ev_check_start(o->conf.loop, &o->compare_turn);
	ev_idle_start(o->conf.loop, &o->compare_awake);
}

/* The device whose turn it is, or, behind the last one, what is elsewhere. */
static int begin_next(struct fl_overlay *o)
{
	const struct fl_env *env = o->conf.env;

	if (o->compared < env->n_devices)
		return fl_fib_adopt_begin(o->fib, env->devices[o->compared], &o->adoption);
	return fl_fib_adopt_elsewhere_begin(o->fib, &env->network, &o->adoption);
}

/* One ends where the next one begins: in between the fib would send. @return 1: there is more to
 * do; 0: all is compared; or -errno */
static int step(struct fl_overlay *o)
{
	int r = fl_fib_adopt_step(o->adoption);

	if (r != 0 || o->compared == o->conf.env->n_devices)
		return r;
	fl_fib_adopt_end(o->adoption);
	o->adoption = NULL;
	o->compared++;
	r = begin_next(o);
	return r < 0 ? r : 1;
}

/* @param least  steps, however long they take */
static void go_on(struct fl_overlay *o, uint32_t least)
{
	const double end = ev_time() + TURN_S;
	int r = o->adoption ? 0 : begin_next(o);

	if (r == 0)
		r = 1;
	for (uint32_t n = 0; r > 0 && (n < least || ev_time() < end); n++)
		r = step(o);
	if (r > 0) {
		wake(o);
		return;
	}
	overlay_compare_stop(o);
	overlay_compared(o, r);
}

/* A snapshot that runs knows only half of what may stay. */
static void on_turn(struct ev_loop *loop, ev_check *w, int revents)
{
	struct fl_overlay *o = fl_container_of(w, struct fl_overlay, compare_turn);

	(void)loop;
	(void)revents;
	if (o->in_snapshot)
		sleep_on(o);
	else
		go_on(o, 1);
}

static void on_awake(struct ev_loop *loop, ev_idle *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

void overlay_compare_init(struct fl_overlay *o)
{
	ev_check_init(&o->compare_turn, on_turn);
	ev_idle_init(&o->compare_awake, on_awake);
}

void overlay_compare(struct fl_overlay *o)
{
	if (o->comparing) {
		wake(o);
		return;
	}
	o->comparing = true;
	o->compared = 0;
	go_on(o, STEPS_AT_ONCE);
}

void overlay_compare_elsewhere(struct fl_overlay *o)
{
	if (o->comparing ? o->compared < o->conf.env->n_devices : !o->adopted)
		return; /* its turn comes */
	overlay_compare_stop(o);
	o->adopted = false;
	o->comparing = true;
	o->compared = o->conf.env->n_devices;
	wake(o);
}

void overlay_compare_stop(struct fl_overlay *o)
{
	sleep_on(o);
	fl_fib_adopt_end(o->adoption);
	o->adoption = NULL;
	o->comparing = false;
}
