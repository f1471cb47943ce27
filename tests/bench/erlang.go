package main

import (
	"os"
	"os/exec"
)

const (
	errNoErlang   = missing("there is no erl")
	errNoBenchErl = missing("tests/bench/bench_peer.erl is not compiled (ESOCK_ERLANG)")
)

// erlang is a command that runs bench_peer.
func erlang(args ...string) (*exec.Cmd, error) {
	erl, err := exec.LookPath("erl")
	if err != nil {
		return nil, errNoErlang
	}
	dir := os.Getenv("ESOCK_ERLANG")
	if dir == "" {
		return nil, errNoBenchErl
	}
	cmd := exec.Command(erl, append([]string{"-noshell", "-pa", dir, "-run", "bench_peer"}, args...)...)
	cmd.Env = append(os.Environ(), "ERL_CRASH_DUMP_SECONDS=0")
	return cmd, nil
}
