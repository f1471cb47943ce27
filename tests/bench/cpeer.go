package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
)

// cPeer runs the C program and returns the value that it prints under key.
func cPeer(key string, args ...string) (float64, error) {
	path := os.Getenv("ESOCK_PEER")
	if path == "" {
		return 0, errNoPeer
	}
	out, err := exec.Command(path, args...).Output()
	if err != nil {
		return 0, fmt.Errorf("%s %v: %w", path, args, err)
	}
	var line map[string]any
	if err := json.Unmarshal(out, &line); err != nil {
		return 0, fmt.Errorf("%s %v: %w", path, args, err)
	}
	v, ok := line[key].(float64)
	if !ok {
		return 0, fmt.Errorf("%s %v did not print %s", path, args, key)
	}
	return v, nil
}

// cTurns is a contender that is a mode of the C program, repeated n times inside.
func cTurns(key, mode string, full, quick int) contender {
	return contender{nameC, func(e effort) (*session, error) {
		if os.Getenv("ESOCK_PEER") == "" {
			return nil, errNoPeer
		}
		n := strconv.Itoa(pick(e, full, quick))
		turn := func() ([]float64, error) {
			v, err := cPeer(key, mode, n)
			return []float64{v}, err
		}
		return &session{turn, func() {}}, nil
	}}
}
