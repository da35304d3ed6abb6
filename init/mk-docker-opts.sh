#!/bin/sh
# mk-docker-opts.sh - say to dockerd, as options in a file for its unit, what subnet.env says.
set -u

subnet_env=/run/flannel/subnet.env
target=/run/docker_opts.env
key=DOCKER_OPTS
with_masq=yes
single=
combined=

usage()
{
	cat <<END
usage: $0 [-f FILE] [-d FILE] [-i] [-c] [-k NAME] [-m]

Write the subnet and MTU of this host as options of dockerd.

  -f FILE  read them from FILE; default: $subnet_env
  -d FILE  write to FILE; default: $target
  -i       write each option as a variable of its own: DOCKER_OPT_BIP, DOCKER_OPT_MTU, ...
  -c       write all of them as one variable, behind what it holds already
  -k NAME  name of that variable; default: $key
  -m       leave out --ip-masq, for a dockerd that does not know it

Without -i and -c, both are done.
END
}

fail()
{
	echo "mk-docker-opts.sh: $*" >&2
	exit 1
}

# The file is read, not run. Without one, the environment may have the values.
value_of()
{
	if [ -f "$subnet_env" ]; then
		sed -n "s/^ *\(export \)\{0,1\} *$1=[\"']\{0,1\}\([^\"']*\)[\"']\{0,1\} *$/\2/p" \
			"$subnet_env" | tail -n 1
	else
		printenv "$1"
	fi
}

# Option of dockerd, by the value that $1 has; nothing if it has none.
bip_option()
{
	case $1 in
	'') ;;
	*[!0-9./]*) fail "FLANNEL_SUBNET is \"$1\", must be ADDRESS/LENGTH" ;;
	*) echo "--bip=$1" ;;
	esac
}

mtu_option()
{
	case $1 in
	'') ;;
	*[!0-9]*) fail "FLANNEL_MTU is \"$1\", must be a number" ;;
	*) echo "--mtu=$1" ;;
	esac
}

# Either of the two masquerades: what flanneld does, dockerd must not.
masq_option()
{
	case $1 in
	'') ;;
	true) echo "--ip-masq=false" ;;
	false) echo "--ip-masq=true" ;;
	*) fail "FLANNEL_IPMASQ is \"$1\", must be true or false" ;;
	esac
}

# What others have put into the environment comes along.
option_names()
{
	env | sed -n 's/^\(DOCKER_OPT_[A-Za-z0-9_]*\)=..*/\1/p' | LC_ALL=C sort
}

print_all()
{
	all=$(printenv "$key")
	for name in $(option_names); do
		option=$(printenv "$name")
		case $option in
		*[\"\\\`\$]*) fail "$name has quotes or other characters that a shell would read" ;;
		esac
		[ -z "$single" ] || echo "$name=\"$option\""
		all="$all${all:+ }$option"
	done
	[ -z "$combined" ] || echo "$key=\"$all\""
}

# Replaced as a whole: a reader never sees half of it.
write_all()
{
	new=$(mktemp "$target.XXXXXX") || exit 1
	if print_all >"$new" && chmod 644 "$new" && mv -f "$new" "$target"; then
		return
	fi
	rm -f "$new"
	exit 1
}

while getopts f:d:ick:mh option; do
	case $option in
	f) subnet_env=$OPTARG ;;
	d) target=$OPTARG ;;
	i) single=yes ;;
	c) combined=yes ;;
	k) key=$OPTARG ;;
	m) with_masq= ;;
	h)
		usage
		exit 0
		;;
	*)
		usage >&2
		exit 1
		;;
	esac
done
case $key in
'' | [0-9]* | *[!A-Za-z0-9_]*) fail "-k $key: must be the name of a variable" ;;
esac
if [ -z "$single$combined" ]; then
	single=yes
	combined=yes
fi

subnet=$(value_of FLANNEL_SUBNET)
[ -n "$subnet" ] || fail "$subnet_env: no FLANNEL_SUBNET; is flanneld running, and ready?"
DOCKER_OPT_BIP=$(bip_option "$subnet") || exit 1
DOCKER_OPT_MTU=$(mtu_option "$(value_of FLANNEL_MTU)") || exit 1
DOCKER_OPT_IPMASQ=
[ -z "$with_masq" ] || DOCKER_OPT_IPMASQ=$(masq_option "$(value_of FLANNEL_IPMASQ)") || exit 1
export DOCKER_OPT_BIP DOCKER_OPT_MTU DOCKER_OPT_IPMASQ
write_all
