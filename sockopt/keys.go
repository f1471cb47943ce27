package sockopt

import (
	"slices"
	"strings"

	"github.com/esock-go/esock/internal/plain"
)

// The keys that the map of a structure needs: ESOCK_KEYS of csrc/esock_opt_struct.def.

// shapeKeys are the keys of a structure's map that may be missing ("one|other": one of the two), and those that a
// question needs.
type shapeKeys struct{ optional, asks []string }

// keyAliases are other names of keys: those of OTP's manual where its code has others, and the kernel's.
var keyAliases = map[string]struct{ alias, key string }{
	"sctp_initmsg":     {"num_outstreams", "num_ostreams"},
	"sctp_assocparams": {"numbe_peer_destinations", "number_peer_destinations"},
}

// missing returns the needed keys that are not there.
func (sh *shape) missing(m map[string]any, asks bool) (missing []string) {
	keys := optionKeys[sh.name]
	asks = asks && len(keys.asks) > 0
	for k := range sh.fields {
		name := sh.fields[k].name
		_, has := m[name]
		optional := slices.Contains(keys.optional, name)
		for _, o := range keys.optional {
			if one, other, two := strings.Cut(o, "|"); two && (name == one || name == other) {
				_, hasOne := m[one]
				_, hasOther := m[other]
				optional = hasOne || hasOther
				name = one + " or " + other
			}
		}
		if asks {
			optional = !slices.Contains(keys.asks, name)
		}
		if !has && !optional && !sh.fields[k].hidden() && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	if !asks {
		missing = append(missing, sh.missingThen(m)...)
	}
	return missing
}

// missingThen returns the missing keys that the values of others make necessary.
func (sh *shape) missingThen(m map[string]any) (missing []string) {
	needs := func(names ...string) {
		for _, name := range names {
			if _, ok := m[name]; !ok {
				missing = append(missing, name)
			}
		}
	}
	switch sh.name {
	case "tcp_md5sig":
		const prefix, ifindex = 1, 2
		flags, _ := plain.Integer(m["flags"])
		if flags&prefix != 0 {
			needs("prefixlen")
		}
		if flags&ifindex != 0 {
			needs("ifindex")
		}
	case "packet_mreq":
		const multicast, unicast = 0, 3
		if t, _ := plain.Integer(m["type"]); t == multicast || t == unicast {
			needs("alen", "address")
		}
	}
	return missing
}
