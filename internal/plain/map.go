package plain

import (
	"maps"
	"math"
	"net"
	"slices"
	"strings"
)

// Map reads a map from outside key by key. It remembers which keys were asked for, and the first value that was wrong;
// Finish reports both. A method that reads a key returns the zero value, or the default, for a key that is missing or wrong.
type Map struct {
	m     map[string]any
	used  []string
	cause string
}

// Read begins to read m.
func Read(m map[string]any) *Map { return &Map{m: m} }

// Get returns the value of a key.
func (r *Map) Get(key string) (any, bool) {
	r.used = append(r.used, key)
	v, ok := r.m[key]
	return v, ok
}

// All is the whole map.
func (r *Map) All() map[string]any { return r.m }

// Alias lets a key have another name, too.
func (r *Map) Alias(alias, key string) {
	v, ok := r.m[alias]
	if !ok || r.Has(key) {
		return
	}
	r.m = maps.Clone(r.m)
	delete(r.m, alias)
	r.m[key] = v
}

// Has reports whether a key is there. It does not count as asking for it.
func (r *Map) Has(key string) bool {
	_, ok := r.m[key]
	return ok
}

// Wrong notes what is wrong with the value of a key.
func (r *Map) Wrong(key, cause string) {
	if r.cause == "" {
		r.cause = key + ": " + cause
	}
}

// Finish returns what is wrong with the map: keys that no method asked for, else the first wrong value, else which of
// the needed keys are missing; "" if nothing is. Missing keys come last, because often one that is there is misspelt.
func (r *Map) Finish(needed ...string) string {
	var unknown, missing []string
	for k := range r.m {
		if !slices.Contains(r.used, k) {
			unknown = append(unknown, k)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return "unknown keys: " + strings.Join(unknown, ", ")
	}
	if r.cause != "" {
		return r.cause
	}
	for _, key := range needed {
		if !r.Has(key) {
			missing = append(missing, key)
		}
	}
	return MissingKeys(missing)
}

// MissingKeys is the sentence about keys that are missing, "" for none.
func MissingKeys(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return "missing keys: " + strings.Join(keys, ", ")
}

// Number reads an integer from low to high.
func (r *Map) Number(key string, low, high, def int64) int64 {
	v, ok := r.Get(key)
	if !ok {
		return def
	}
	n, cause := Number(v, low, high)
	if cause != "" {
		r.Wrong(key, cause)
		return def
	}
	return n
}

// Named reads a name of the table, or a number from 0 to high.
func (r *Map) Named(key string, table Names, high, def int64) int64 {
	text, isText := r.m[key].(string)
	if !isText {
		return r.Number(key, 0, high, def)
	}
	r.used = append(r.used, key)
	n, ok := table.Number(text)
	if !ok {
		r.Wrong(key, "not a known name")
	}
	return int64(n)
}

// Count reads an integer from 0, of up to 64 bits, into n, and reports whether the key is there.
func (r *Map) Count(key string, n *uint64) bool {
	v, ok := r.Get(key)
	if !ok {
		return false
	}
	if u, is := v.(uint64); is { // Integer goes only to 63 bits
		*n = u
		return true
	}
	i, is := Integer(v)
	if !is || i < 0 {
		r.Wrong(key, "not a count")
		return true
	}
	*n = uint64(i)
	return true
}

// Bytes reads bytes, or the bytes of a string.
func (r *Map) Bytes(key string) []byte {
	v, ok := r.Get(key)
	if !ok {
		return nil
	}
	switch v := v.(type) {
	case []byte:
		return v
	case net.HardwareAddr:
		return v
	case string:
		return []byte(v)
	}
	r.Wrong(key, "neither bytes nor a string")
	return nil
}

// Bool reads a boolean.
func (r *Map) Bool(key string) bool {
	v, ok := r.Get(key)
	b, is := v.(bool)
	if ok && !is {
		r.Wrong(key, "not a boolean")
	}
	return b
}

// Text reads a string.
func (r *Map) Text(key string) string {
	v, ok := r.Get(key)
	s, is := v.(string)
	if ok && !is {
		r.Wrong(key, "not a string")
	}
	return s
}

// Texts reads a list of strings.
func (r *Map) Texts(key string) []string {
	list := []string{}
	v, ok := r.Get(key)
	switch v := v.(type) {
	case []string:
		return append(list, v...)
	case []any:
		for _, e := range v {
			s, is := e.(string)
			if !is {
				r.Wrong(key, "not a list of strings")
				break
			}
			list = append(list, s)
		}
	default:
		if ok {
			r.Wrong(key, "not a list of strings")
		}
	}
	return list
}

// Bools reads a map of booleans, an empty one if the key is missing.
func (r *Map) Bools(key string) map[string]bool {
	in := r.Inner(key)
	all := make(map[string]bool, len(in.m))
	for k, v := range in.m {
		b, ok := v.(bool)
		if !ok {
			r.Wrong(key, "not a map of booleans")
		}
		all[k] = b
	}
	return all
}

// Inner reads a map, an empty one if the key is missing.
func (r *Map) Inner(key string) *Map {
	v, ok := r.Get(key)
	m, is := v.(map[string]any)
	if ok && !is {
		r.Wrong(key, "not a map")
	}
	return Read(m)
}

// Fields are the members of a structure: the name of each, and a pointer to its value, a uint16, uint32 or int32.
type Fields []struct {
	Name string
	At   any
}

// Map is the structure as a map.
func (fields Fields) Map() map[string]any {
	m := make(map[string]any, len(fields))
	for _, f := range fields {
		switch at := f.At.(type) {
		case *uint16:
			m[f.Name] = int(*at)
		case *uint32:
			m[f.Name] = Int(int64(*at))
		case *int32:
			m[f.Name] = int(*at)
		}
	}
	return m
}

// Fields reads the members that the map has.
func (r *Map) Fields(fields Fields) {
	for _, f := range fields {
		switch at := f.At.(type) {
		case *uint16:
			*at = uint16(r.Number(f.Name, 0, math.MaxUint16, int64(*at)))
		case *uint32:
			*at = uint32(r.Number(f.Name, 0, math.MaxUint32, int64(*at)))
		case *int32:
			*at = int32(r.Number(f.Name, math.MinInt32, math.MaxInt32, int64(*at)))
		}
	}
}
