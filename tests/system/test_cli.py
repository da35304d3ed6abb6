"""What the command line takes, refuses and prints."""

import json
import os
import subprocess

import pytest

from harness.build import BACKEND_DIR, FLANNELD, environment


def flanneld(*argv, given="", **env):
    return subprocess.run(
        [FLANNELD, *argv], input=given, capture_output=True, text=True, timeout=10,
        check=False, env=environment(**env))


def check_config(text):
    return flanneld("--check-config", "-", given=text)


def test_check_config_prints_all_defaults():
    done = check_config('{"Network": "10.3.0.0/16"}')
    assert done.stdout == (
        '{"Network":"10.3.0.0/16","SubnetLen":24,"SubnetMin":"10.3.1.0",'
        '"SubnetMax":"10.3.255.0","BackendType":"udp"}\n')
    assert done.returncode == 0


def test_check_config_reads_a_file(tmp_path):
    path = tmp_path / "config"
    path.write_text('{"network": "10.3.7.1/16", "Backend": {"Type": "vxlan"}}')
    done = flanneld("--check-config", str(path))
    assert done.returncode == 0
    assert '"Network":"10.3.0.0/16"' in done.stdout and "10.3.7.1/16" in done.stderr


def net(**members):
    return json.dumps({"Network": "10.3.0.0/16", **members})


NETWORK_RULE = "must be an IPv4 network such as"
LENGTH_RULE = "must be an integer 18..30"


@pytest.mark.parametrize("text, key, value, rule", [
    ('{"Network": 10}', "Network", "10", "is a number, must be a string"),
    ('{"Network": "10.3.0.0"}', "Network", '"10.3.0.0"', NETWORK_RULE),
    ('{"Network": "10.3.0.0/33"}', "Network", '"10.3.0.0/33"', NETWORK_RULE),
    ('{"Network": "10.3.0.0/29"}', "Network", '"10.3.0.0/29"', "its length must be 1..28"),
    ('{"Network": "224.3.0.0/16"}', "Network", '"224.3.0.0/16"', "224.0.0.0/4"),
    ('{"Network": "127.3.0.0/16"}', "Network", '"127.3.0.0/16"', "127.0.0.0/8"),
    ('{"Network": "240.0.0.0/8"}', "Network", '"240.0.0.0/8"', "240.0.0.0/4"),
    ('{"Network": "0.0.0.0/8"}', "Network", '"0.0.0.0/8"', "0.0.0.0/8"),
    ('{"Network": "255.255.255.0/24"}', "Network", '"255.255.255.0/24"', "240.0.0.0/4"),
    (net(SubnetLen=17), "SubnetLen", "17", LENGTH_RULE),
    (net(SubnetLen=31), "SubnetLen", "31", LENGTH_RULE),
    (net(SubnetLen="24"), "SubnetLen", '"24"', "is a string, must be an integer"),
    (net(SubnetMin="10.4.0.0"), "SubnetMin", '"10.4.0.0"', "must lie in Network 10.3.0.0/16"),
    (net(SubnetMin="10.3.1.1"), "SubnetMin", '"10.3.1.1"', "must be the start of a /24 subnet"),
    (net(SubnetMax="10.4.0.0"), "SubnetMax", '"10.4.0.0"', "must lie in Network 10.3.0.0/16"),
    (net(SubnetMax="10.3.9.9"), "SubnetMax", '"10.3.9.9"', "must be the start of a /24 subnet"),
    (net(SubnetMin="10.3.9.0", SubnetMax="10.3.8.0"), "SubnetMin", "10.3.9.0",
     "must not lie behind SubnetMax 10.3.8.0"),
    (net(EnableIPv4=False), "EnableIPv4", "false", "without IPv4 is not supported"),
    (net(EnableIPv6=True), "EnableIPv6", "true", "not supported yet"),
    (net(EnableNFTables=True), "EnableNFTables", "true", "not supported yet"),
    (net(Backend=[]), "Backend", "[]", "is an array, must be an object"),
    (net(Backend={}), "Backend", "{}", "Backend.Type is missing, must be a string"),
    (net(Backend={"Type": 7}), "Backend.Type", "7", "is a number, must be a string"),
    (net(Backend={"Type": "../evil"}), "Backend.Type", '"../evil"', "must be 1..32 of a-z, 0-9"),
])
def test_check_config_refuses_with_key_value_and_rule(text, key, value, rule):
    done = check_config(text)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"-: {key} {value}: ")
    assert rule in done.stderr.partition(f" {value}: ")[2]
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("text, reason", [
    ("", "-: not JSON: "),
    ("{", "-: not JSON: "),
    ('{"Network": "10.3.0.0/16"} {}', "-: not JSON: "),
    ("[]", "-: the network config is an array, must be an object"),
    ("{}", "-: Network is missing: must be an IPv4 network such as"),
])
def test_check_config_refuses_what_has_no_key_to_name(text, reason):
    done = check_config(text)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(reason) and done.stderr.count("\n") == 1


@pytest.mark.parametrize("key, value, rule", [
    ("VNI", 0, "must be a whole number from 1 to 16777215"),
    ("Port", 70000, "must be a whole number from 1 to 65535"),
    ("MTU", 100, "must be a whole number from 118 to 65535"),
    ("GBP", "yes", "must be true or false"),
])
def test_check_config_asks_the_backend_for_its_keys(key, value, rule):
    text = net(Backend={"Type": "vxlan", key: value})
    done = flanneld("--check-config=-", f"--backend-dir={BACKEND_DIR}", given=text)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Backend.{key} is {json.dumps(value)}, {rule}" in done.stderr


def test_check_config_names_a_file_it_cannot_read():
    done = flanneld("--check-config=/nowhere/config")
    assert done.returncode == 1 and "/nowhere/config" in done.stderr


@pytest.mark.parametrize("argv, word", [
    (["--nosuch"], "nosuch"),
    (["-x"], "x"),
    (["--subnet-lease-renew-margin=0"], "subnet-lease-renew-margin"),
    (["--subnet-lease-renew-margin=1440"], "subnet-lease-renew-margin"),
    (["--subnet-lease-renew-margin=x"], "subnet-lease-renew-margin"),
    (["--ip-masq=maybe"], "ip-masq"),
    (["--healthz-port=70000"], "healthz-port"),
    (["--log-format=xml"], "log-format"),
    (["--etcd-prefix"], "etcd-prefix"),
    (["--kube-subnet-mgr"], "kube-subnet-mgr"),
    (["--subnet-lease-ttl=0"], "subnet-lease-ttl"),
    (["--public-ip=0.0.0.0"], "public-ip"),
    (["--public-ip=127.0.0.1"], "public-ip"),
    (["--public-ip=224.0.0.1"], "public-ip"),
    (["--public-ip=240.0.0.1"], "public-ip"),
    (["--public-ip=255.255.255.255"], "public-ip"),
    (["--iface-regex=eth("], "iface-regex"),
    (["--check", "--iface=eth0", "--iface-regex=[z-a]"], "iface-regex"),
    (["--subnet-file=/run/flannel/"], "subnet-file"),
    (["stray"], "stray"),
])
def test_exit_2_names_what_is_wrong_in_one_line(argv, word):
    done = flanneld(*argv)
    assert done.returncode == 2
    assert word in done.stderr and done.stderr.count("\n") == 1


def test_a_bad_value_in_the_environment_is_named():
    done = flanneld("--check", FLANNELD_IP_MASQ="maybe")
    assert done.returncode == 2 and "FLANNELD_IP_MASQ" in done.stderr


@pytest.mark.parametrize("flags", [
    ["-subnet-lease-renew-margin=0x10"],
    ["-subnet-lease-renew-margin=1_000"],
    ["-v=99"],
    ["-iptables-resync=0"],
    ["-healthz-ip="],
    ["-healthz-port=-1"],
    ["-etcd-prefix=coreos.com/network"],
])
def test_what_flannel_runs_with_is_taken(flags):
    done = flanneld(*flags, "--check-config=-", given='{"Network": "10.3.0.0/16"}')
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("flag", ["--version", "-version", "--version=true", "-version=T"])
def test_version_is_printed_in_every_spelling(flag):
    done = flanneld(flag)
    assert done.returncode == 0 and done.stdout[0].isdigit()


@pytest.mark.parametrize("flag", ["--help", "-help", "-h"])
def test_help_lists_the_flags(flag):
    done = flanneld(flag)
    assert done.returncode == 0
    for name in ("etcd-endpoints", "iface-regex", "subnet-lease-ttl", "release-on-exit"):
        assert name in done.stdout


GLOG = ("-vmodule=x=1", "--log_backtrace_at=a:1")


def test_flags_of_glog_are_taken_with_a_warning(world):
    def check(*flags):
        return world.host().netns.run(FLANNELD, "--check", *flags, env=environment())
    with_them, without = check(*GLOG), check()
    warnings = [line.partition(" options: ")[2] for line in with_them.stderr.splitlines()]
    assert sorted(warnings) == ["--log_backtrace_at has no effect", "-vmodule has no effect"]
    assert without.stderr == ""
    assert with_them.stdout.startswith("interface eth0\n")


def test_exit_1_if_the_output_has_no_room():
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([FLANNELD, "--version"], stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=10, check=False, env=environment())
    assert done.returncode == 1 and "standard output" in done.stderr


# --- the log's colours


def log_on_a_terminal(*flags, **env):
    """What a run that warns writes to a stderr that is a terminal."""
    controller, terminal = os.openpty()
    try:
        done = subprocess.run(
            [FLANNELD, "--check-config=-", *GLOG, *flags], input=net(), text=True,
            stdout=subprocess.PIPE, stderr=terminal, timeout=10, check=False,
            env=environment(**env))
        os.close(terminal)
        assert done.returncode == 0
        return read_all(controller)
    finally:
        os.close(controller)


def read_all(controller):
    """Until the terminal has no other end any more, which is EIO."""
    output = b""
    try:
        while piece := os.read(controller, 65536):
            output += piece
    except OSError:
        pass
    return output.decode()


def test_the_log_has_colour_on_a_terminal():
    output = log_on_a_terminal()
    assert "\x1b[33mWARN \x1b[0m options: -vmodule has no effect" in output


def test_the_log_has_no_colour_elsewhere():
    done = flanneld("--check-config=-", *GLOG, given=net())
    assert "WARN  options: -vmodule has no effect\n" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("flags, env", [
    ((), {"NO_COLOR": "1"}),
    (("--log-format=json",), {}),
])
def test_the_log_has_no_colour_on_a_terminal_that_shall_have_none(flags, env):
    output = log_on_a_terminal(*flags, **env)
    assert "-vmodule has no effect" in output and "\x1b" not in output
