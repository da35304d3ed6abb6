"""What the command line takes, refuses and prints; no etcd, no namespaces."""

import subprocess

import pytest

from harness.build import FLANNELD, environment


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


@pytest.mark.parametrize("text, word", [
    ("", "JSON"),
    ("[]", "object"),
    ("{", "JSON"),
    ("{}", "Network"),
    ('{"Network": 10}', "Network"),
    ('{"Network": "10.3.0.0"}', "Network"),
    ('{"Network": "10.3.0.0/33"}', "Network"),
    ('{"Network": "10.3.0.0/29"}', "Network"),
    ('{"Network": "10.3.0.0/16", "SubnetLen": 17}', "SubnetLen"),
    ('{"Network": "10.3.0.0/16", "SubnetLen": 31}', "SubnetLen"),
    ('{"Network": "10.3.0.0/16", "SubnetLen": "24"}', "SubnetLen"),
    ('{"Network": "10.3.0.0/16", "SubnetMin": "10.4.0.0"}', "SubnetMin"),
    ('{"Network": "10.3.0.0/16", "SubnetMin": "10.3.1.1"}', "SubnetMin"),
    ('{"Network": "10.3.0.0/16", "SubnetMax": "10.4.0.0"}', "SubnetMax"),
    ('{"Network": "10.3.0.0/16", "SubnetMax": "10.3.9.9"}', "SubnetMax"),
    ('{"Network": "10.3.0.0/16", "SubnetMin": "10.3.9.0", "SubnetMax": "10.3.8.0"}',
     "SubnetM"),
    ('{"Network": "10.3.0.0/16", "EnableIPv6": true}', "EnableIPv6"),
    ('{"Network": "10.3.0.0/16", "EnableNFTables": true}', "EnableNFTables"),
    ('{"Network": "10.3.0.0/16", "Backend": {"Type": "../evil"}}', "Type"),
])
def test_check_config_refuses_with_the_key(text, word):
    done = check_config(text)
    assert (done.returncode, done.stdout) == (1, "")
    assert word in done.stderr or (word == "JSON" and done.stderr)
    assert done.stderr.count("\n") == 1


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
    (["stray"], "stray"),
])
def test_exit_2_names_what_is_wrong_in_one_line(argv, word):
    done = flanneld(*argv)
    assert done.returncode == 2
    assert word in done.stderr and done.stderr.count("\n") == 1


def test_a_bad_value_in_the_environment_is_named():
    done = flanneld("--check", FLANNELD_IP_MASQ="maybe")
    assert done.returncode == 2 and "FLANNELD_IP_MASQ" in done.stderr


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


def test_flags_of_glog_are_taken_with_a_warning():
    done = flanneld("-vmodule=x=1", "-log_backtrace_at=a:1", "--version")
    assert done.returncode == 0
