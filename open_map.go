package esock

import "github.com/esock-go/esock/internal/plain"

// OpenOptionsFromMap makes options from a map with OTP's keys: netns, debug, use_registry and, for Adopt alone, dup, domain,
// type, protocol (each may be missing). Errors: *InvalidError "options".
func OpenOptionsFromMap(m map[string]any) ([]OpenOption, error) {
	var opts []OpenOption
	r := plain.Read(m)
	if r.Has("netns") {
		opts = append(opts, NetNS(r.Text("netns")))
	}
	for key, option := range map[string]func(bool) OpenOption{"debug": Debug, "use_registry": Registered, "dup": duplicate} {
		if r.Has(key) {
			opts = append(opts, option(r.Bool(key)))
		}
	}
	d, t, p := Domain(-1), Type(-1), Protocol(-1)
	known := false
	if v, ok := r.Get("domain"); ok {
		var cause string
		if d, cause = domainFromAny(v); cause != "" {
			r.Wrong("domain", cause)
		}
		known = true
	}
	named := func(key string, table plain.Names) int {
		v, ok := r.Get(key)
		if !ok {
			return -1
		}
		known = true
		n, ok := nameFromAny(table, v)
		if !ok {
			r.Wrong(key, unknownName)
		}
		return n
	}
	t, p = Type(named("type", plain.Types)), Protocol(named("protocol", plain.Protocols))
	if cause := r.Finish(); cause != "" {
		return nil, &InvalidError{What: "options", Value: m, Cause: cause}
	}
	if known {
		opts = append(opts, KnownAs(d, t, p))
	}
	return opts, nil
}

// duplicate says whether Adopt duplicates the descriptor. OTP: the dup key.
func duplicate(on bool) OpenOption {
	if !on {
		return NoDup()
	}
	return adoptWay("dup: true", adoptDup)
}
