package sockopt

import (
	"math"
	"strings"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/plain"
)

// The readers of what the String methods print.

// ParsePMTUDiscover parses "dont", "want", "do", "probe" or a number. Errors: *esock.InvalidError "pmtudisc".
func ParsePMTUDiscover(text string) (PMTUDiscover, error) {
	n, err := parse("pmtudisc", pmtuNames, text, math.MinInt32)
	return PMTUDiscover(n), err
}

// ParseFilterMode parses "exclude", "include" or a number. Errors: *esock.InvalidError "filter_mode".
func ParseFilterMode(text string) (FilterMode, error) {
	n, err := parse("filter_mode", filterModeNames, text, 0)
	return FilterMode(n), err
}

// ParseProbeResult parses "round-trips" or the like. Errors: *esock.InvalidError "probe_result".
func ParseProbeResult(text string) (ProbeResult, error) {
	n, ok := probeNames.Number(text)
	if !ok {
		return 0, &esock.InvalidError{What: "probe_result", Value: text, Cause: "not a known name"}
	}
	return ProbeResult(n), nil
}

// ParseKinds parses names separated by blanks, "tcp4 udp6", or "all"; the empty text is the empty set. Errors:
// *esock.InvalidError "kind".
func ParseKinds(text string) (Kinds, error) {
	if text == "all" {
		return 1<<len(kindNames) - 1, nil
	}
	var set Kinds
	for _, name := range strings.Fields(text) {
		found := false
		for i, known := range kindNames {
			if known == name {
				set, found = set|1<<i, true
			}
		}
		if !found {
			return 0, &esock.InvalidError{What: "kind", Value: name, Cause: "not a known name; blanks stand between several"}
		}
	}
	return set, nil
}

// parse reads a name of the table, or a number from low on that fits a C int.
func parse(what string, table plain.Names, text string, low int) (int, error) {
	n, ok := table.Parse(text)
	if !ok || n < low {
		return 0, &esock.InvalidError{What: what, Value: text, Cause: "neither a known name nor a number"}
	}
	return n, nil
}

// UnmarshalText is ParseProbeResult.
func (r *ProbeResult) UnmarshalText(b []byte) (err error) {
	if r == nil {
		return &esock.InvalidError{What: "probe_result", Cause: "there is no ProbeResult to set: the pointer is nil"}
	}
	*r, err = ParseProbeResult(string(b))
	return err
}
