package main

import (
	"net/netip"
	"path"
	"strconv"
	"strings"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockdiag"
)

// ssFilter is what the arguments of esock ss ask for.
type ssFilter struct {
	terms     []ssTerm
	states    int  // how many terms are about the state
	processes bool // a term is about processes
}

// ssTerm is one pair of the filter.
type ssTerm struct {
	word string
	not  bool
	has  func(*ssSocket) bool
}

// ssWords are the words of filters.
var ssWords = []string{"state", "port", "sport", "dport", "addr", "src", "dst", "path", "process", "user", "inode"}

// has reports whether a socket matches: one of the terms of each word, and none of those that are reversed.
func (f ssFilter) has(s *ssSocket) bool {
	wanted := map[string]bool{}
	for _, t := range f.terms {
		switch {
		case t.not && t.has(s):
			return false
		case !t.not:
			wanted[t.word] = wanted[t.word] || t.has(s)
		}
	}
	for _, ok := range wanted {
		if !ok {
			return false
		}
	}
	return true
}

// ssFilters reads the arguments.
func ssFilters(args []string) (f ssFilter, err error) {
	for len(args) > 0 {
		t := ssTerm{word: args[0]}
		if t.word == "not" {
			if t.not, args = true, args[1:]; len(args) == 0 {
				return f, usagef("a filter is missing after not")
			}
			t.word = args[0]
		}
		if !contains(ssWords, t.word) {
			return f, usagef("there is no filter %q%s", t.word, didYouMean(t.word, ssWords))
		}
		if len(args) < 2 {
			return f, usagef("%s: the value is missing", t.word)
		}
		if t.has, err = ssTest(t.word, args[1]); err != nil {
			return f, err
		}
		if t.word == "state" {
			f.states++
		}
		f.processes = f.processes || t.word == "process"
		f.terms, args = append(f.terms, t), args[2:]
	}
	return f, nil
}

func contains(words []string, word string) bool {
	for _, w := range words {
		if w == word {
			return true
		}
	}
	return false
}

// ssTest makes the function that says whether a socket has a value.
func ssTest(word, value string) (func(*ssSocket) bool, error) {
	switch word {
	case "state":
		return stateTest(value)
	case "port", "sport", "dport", "user", "inode":
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return nil, usagef("%s: must be a number, not %q", word, value)
		}
		return func(s *ssSocket) bool {
			local, peer := word != "dport" && uint64(s.local.Port()) == n, word != "sport" && uint64(s.peer.Port()) == n
			switch word {
			case "user":
				return uint64(s.UID) == n
			case "inode":
				return uint64(s.Inode) == n
			}
			return s.Family != "unix" && (local || peer)
		}, nil
	case "addr", "src", "dst":
		prefix, err := netip.ParsePrefix(value)
		if err != nil {
			ip, err := netip.ParseAddr(value)
			if err != nil {
				return nil, usagef("%s: must be an address or a prefix such as 10.0.0.0/8, not %q", word, value)
			}
			prefix = netip.PrefixFrom(ip.WithZone(""), ip.BitLen())
		}
		in := func(a esock.Addr) bool {
			return prefix.Contains(a.IP()) || prefix.Contains(a.IP().Unmap())
		}
		return func(s *ssSocket) bool { return word != "dst" && in(s.local) || word != "src" && in(s.peer) }, nil
	case "path":
		if _, err := path.Match(value, ""); err != nil {
			return nil, usagef("path: %q is no pattern", value)
		}
		return func(s *ssSocket) bool {
			if s.Family != "unix" || s.local.IsZero() {
				return false
			}
			name := strings.ReplaceAll(s.local.Path(), "\x00", "@")
			ok, _ := path.Match(value, name)
			return ok || strings.HasSuffix(value, "*") && strings.HasPrefix(name, strings.TrimSuffix(value, "*"))
		}, nil
	}
	return func(s *ssSocket) bool { // process
		for _, p := range s.Processes {
			if p.Name == value || strconv.Itoa(p.PID) == value {
				return true
			}
		}
		return false
	}, nil
}

// stateTest reads the name of a state, or of a set of them as ss has it.
func stateTest(value string) (func(*ssSocket) bool, error) {
	set, known := map[string]sockdiag.States{"all": sockdiag.AllStates, "connected": sockdiag.ConnectedStates}[value]
	if !known {
		if value == "closed" || value == "unconnected" {
			set = sockdiag.StatesOf(sockdiag.Closed)
		} else if s, ok := sockdiag.ParseState(value); ok {
			set = sockdiag.StatesOf(s)
		} else {
			var names []string
			for s := sockdiag.Established; s <= sockdiag.Closing; s++ {
				names = append(names, s.String())
			}
			return nil, usagef("state: there is no state %q; there are all, connected, %s", value, strings.Join(names, ", "))
		}
	}
	return func(s *ssSocket) bool {
		state, _ := sockdiag.ParseState(s.State)
		return set.Has(state)
	}, nil
}
