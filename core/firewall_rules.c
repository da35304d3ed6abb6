/* core/firewall_rules.c - expected rules, comparison, correction, see core/firewall_rules.h. */
#include "firewall_rules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

/* A chain of ours and the one jump to it. */
struct own_chain {
	const char *table;
	const char *base;
	const char *name;
	const char *comment;
};

static const struct own_chain masq_chain = {"nat", "POSTROUTING", FL_FIREWALL_NAT_CHAIN,
					    "flanneld masq"};
static const struct own_chain forward_chain = {"filter", "FORWARD", FL_FIREWALL_FILTER_CHAIN,
					       "flanneld forward"};

/* A piece of the text, not terminated. */
struct span {
	const char *at;
	size_t len;
};

/* What the saved text says about one of our chains. */
struct standing {
	bool exists;
	bool jump_is_first;    /* the base chain's first rule is exactly our jump */
	bool used_elsewhere;   /* a chain of others jumps to it as well */
	unsigned int n_base;   /* rules seen in the base chain */
	unsigned int n_jumps;  /* of these: that lead to our chain, whatever else they say */
	struct fl_buf deletes; /* "-D ..." for each of these */
	struct fl_buf rules;   /* of our chain, as saved */
};

/* --- text */

static bool starts_with(const struct span *s, const char *word)
{
	size_t len = strlen(word);

	return s->len >= len && memcmp(s->at, word, len) == 0;
}

static bool ends_with(const struct span *s, const char *word)
{
	size_t len = strlen(word);

	return s->len >= len && memcmp(s->at + s->len - len, word, len) == 0;
}

static bool equals(const struct span *s, const char *word)
{
	return s->len == strlen(word) && starts_with(s, word);
}

static void skip(struct span *s, size_t n)
{
	s->at += n;
	s->len -= n;
}

static struct span next_line(struct span *text)
{
	const char *end = memchr(text->at, '\n', text->len);
	struct span line = {text->at, end ? (size_t)(end - text->at) : text->len};

	skip(text, end ? line.len + 1 : line.len);
	return line;
}

/* If @p line is "@p intro@p word" or goes on with a space: true, and what follows is in @p rest. */
static bool is_about(const struct span *line, const char *intro, const char *word,
		     struct span *rest)
{
	struct span s = *line;

	if (!starts_with(&s, intro))
		return false;
	skip(&s, strlen(intro));
	if (!starts_with(&s, word))
		return false;
	skip(&s, strlen(word));
	if (s.len && s.at[0] != ' ')
		return false;
	*rest = s;
	return true;
}

/* The target comes last, a chain of a user takes no options, and a quoted comment would end in a
 * quote: so the end of the line tells. */
static bool leads_to(const struct span *rule, const char *chain)
{
	char jump[64], go[64];

	(void)snprintf(jump, sizeof(jump), " -j %s", chain);
	(void)snprintf(go, sizeof(go), " -g %s", chain);
	return ends_with(rule, jump) || ends_with(rule, go);
}

/* --- what is wanted, spelled as iptables-save prints it */

static void put_jump(struct fl_buf *b, const struct own_chain *oc)
{
	fl_buf_printf(b, " -m comment --comment \"%s\" -j %s", oc->comment, oc->name);
}

static void put_rule(struct fl_buf *b, const struct own_chain *oc, const char *match,
		     const char *target)
{
	fl_buf_printf(b, "-A %s %s -m comment --comment \"%s\" -j %s\n", oc->name, match,
		      oc->comment, target);
}

/* For cluster network @p c and own subnet @p p. */
static void put_masq_rules(struct fl_buf *b, const char *c, const char *p, bool random_fully)
{
	const char *masquerade = random_fully ? "MASQUERADE --random-fully" : "MASQUERADE";
	char match[2 * FL_PREFIX_STRLEN + 16];

	/* kube-proxy's mark: it masquerades by itself, and some kernels get a second NAT wrong */
	put_rule(b, &masq_chain, "-m mark --mark 0x4000/0x4000", "RETURN");
	(void)snprintf(match, sizeof(match), "-s %s -d %s", p, c);
	put_rule(b, &masq_chain, match, "RETURN");
	(void)snprintf(match, sizeof(match), "-s %s -d %s", c, p);
	put_rule(b, &masq_chain, match, "RETURN");
	/* from outside to a container here: it shall see the true source */
	(void)snprintf(match, sizeof(match), "! -s %s -d %s", c, p);
	put_rule(b, &masq_chain, match, "RETURN");
	(void)snprintf(match, sizeof(match), "-s %s ! -d 224.0.0.0/4", c);
	put_rule(b, &masq_chain, match, masquerade);
	(void)snprintf(match, sizeof(match), "! -s %s -d %s", c, c);
	put_rule(b, &masq_chain, match, masquerade);
}

static void put_forward_rules(struct fl_buf *b, const char *c)
{
	char match[FL_PREFIX_STRLEN + 16];

	(void)snprintf(match, sizeof(match), "-s %s", c);
	put_rule(b, &forward_chain, match, "ACCEPT");
	(void)snprintf(match, sizeof(match), "-d %s", c);
	put_rule(b, &forward_chain, match, "ACCEPT");
}

/* --- what stands */

static void see_base_rule(struct standing *st, const struct own_chain *oc, const struct span *spec)
{
	struct fl_buf jump = {0};

	st->n_base++;
	if (!leads_to(spec, oc->name))
		return;
	st->n_jumps++;
	fl_buf_printf(&st->deletes, "-D %s", oc->base);
	fl_buf_append(&st->deletes, spec->at, spec->len);
	fl_buf_puts(&st->deletes, "\n");
	if (st->n_base > 1)
		return;
	put_jump(&jump, oc);
	st->jump_is_first = !jump.error && equals(spec, jump.data);
	fl_buf_done(&jump);
}

static void see_line(struct standing *st, const struct own_chain *oc, const struct span *line)
{
	struct span rest;

	if (is_about(line, ":", oc->name, &rest)) {
		st->exists = true;
	} else if (is_about(line, "-A ", oc->name, &rest)) {
		fl_buf_append(&st->rules, line->at, line->len);
		fl_buf_puts(&st->rules, "\n");
	} else if (is_about(line, "-A ", oc->base, &rest)) {
		see_base_rule(st, oc, &rest);
	} else if (starts_with(line, "-A ") && leads_to(line, oc->name)) {
		st->used_elsewhere = true;
	}
}

/* A text that ends within a table was cut off: what it lacks may well stand. */
static int read_standing(const struct own_chain *oc, struct span text, struct standing *st)
{
	bool in_table = false, in_ours = false;
	struct span rest;

	while (text.len) {
		struct span line = next_line(&text);

		if (line.len == 0 || line.at[0] == '#')
			continue;
		if (in_table == (line.at[0] == '*'))
			return -EBADMSG;
		if (line.at[0] == '*') {
			in_table = true;
			in_ours = is_about(&line, "*", oc->table, &rest);
		} else if (equals(&line, "COMMIT")) {
			in_table = false;
		} else if (line.at[0] != ':' && line.at[0] != '-') {
			return -EBADMSG;
		} else if (in_ours) {
			see_line(st, oc, &line);
		}
	}
	if (in_table)
		return -EBADMSG;
	return st->deletes.error ? st->deletes.error : st->rules.error;
}

/* --- the correction */

static void put_wanted(struct fl_buf *b, const struct own_chain *oc, const struct standing *st,
		       const struct fl_buf *rules)
{
	bool same_rules = st->exists && st->rules.len == rules->len &&
			  (!rules->len || memcmp(st->rules.data, rules->data, rules->len) == 0);
	bool same_jump = st->jump_is_first && st->n_jumps == 1;

	if (same_rules && same_jump)
		return;
	fl_buf_printf(b, "*%s\n", oc->table);
	if (!same_rules) {
		/* With --noflush, naming a chain creates or empties this one alone. */
		fl_buf_printf(b, ":%s - [0:0]\n", oc->name);
		fl_buf_append(b, rules->data, rules->len);
	}
	if (!same_jump) {
		fl_buf_append(b, st->deletes.data, st->deletes.len);
		fl_buf_printf(b, "-I %s 1", oc->base);
		put_jump(b, oc);
		fl_buf_puts(b, "\n");
	}
	fl_buf_puts(b, "COMMIT\n");
}

/* A chain that others jump to as well cannot go, but it can be empty. */
static void put_unwanted(struct fl_buf *b, const struct own_chain *oc, const struct standing *st)
{
	if (!st->exists || (st->used_elsewhere && !st->n_jumps && !st->rules.len))
		return;
	fl_buf_printf(b, "*%s\n", oc->table);
	fl_buf_append(b, st->deletes.data, st->deletes.len);
	fl_buf_printf(b, "-F %s\n", oc->name);
	if (!st->used_elsewhere)
		fl_buf_printf(b, "-X %s\n", oc->name);
	fl_buf_puts(b, "COMMIT\n");
}

static int correct(const struct own_chain *oc, const struct fl_buf *rules, struct span save,
		   struct fl_buf *ret)
{
	struct standing st = {0};
	int r = read_standing(oc, save, &st);

	if (r == 0 && rules)
		put_wanted(ret, oc, &st, rules);
	else if (r == 0)
		put_unwanted(ret, oc, &st);
	fl_buf_done(&st.deletes);
	fl_buf_done(&st.rules);
	return r < 0 ? r : ret->error;
}

int fl_firewall_rules_correct(const struct fl_firewall_want *want, const char *save, size_t len,
			      struct fl_buf *ret)
{
	struct fl_buf masq = {0}, forward = {0};
	char network[FL_PREFIX_STRLEN], subnet[FL_PREFIX_STRLEN];
	int r;

	fl_prefix_format(&want->network, network);
	fl_prefix_format(&want->subnet, subnet);
	put_masq_rules(&masq, network, subnet, want->random_fully);
	put_forward_rules(&forward, network);
	r = masq.error ? masq.error : forward.error;
	if (r == 0)
		r = correct(&masq_chain, want->masq ? &masq : NULL, (struct span){save, len}, ret);
	if (r == 0)
		r = correct(&forward_chain, want->forward ? &forward : NULL,
			    (struct span){save, len}, ret);
	fl_buf_done(&masq);
	fl_buf_done(&forward);
	return r;
}

bool fl_firewall_rules_random_fully(const char *save)
{
	const char *intro = "# Generated by ";
	const char *at = strstr(save, intro);
	unsigned int major, minor, patch = 0;

	/* "# Generated by iptables-save v1.8.9 (nf_tables) on ..." */
	if (!at || sscanf(at + strlen(intro), "%*31s v%u.%u.%u", &major, &minor, &patch) < 2)
		return true;
	if (major != 1)
		return major > 1;
	return minor > 6 || (minor == 6 && patch >= 2);
}

/* "# Generated by iptables-nft-save v1.8.9 (nf_tables) on ...", perhaps behind remarks. */
enum fl_firewall_kind fl_firewall_rules_kind(const char *save)
{
	const char *generated = strstr(save, "# Generated by ");
	size_t len = generated ? strcspn(generated, "\n") : 0;

	if (!generated)
		return FL_FIREWALL_UNKNOWN;
	return memmem(generated, len, "nf_tables", strlen("nf_tables")) ? FL_FIREWALL_NFT
									: FL_FIREWALL_LEGACY;
}
