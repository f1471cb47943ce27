package plain

import (
	"bytes"
	"reflect"
)

// Same reports whether two values are the same plain data: integers of any type by their number, bytes and lists by their
// elements, maps by their keys.
func Same(a, b any) bool {
	if i, ok := Integer(a); ok {
		j, ok := Integer(b)
		return ok && i == j
	}
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for key, v := range a {
			if w, ok := b[key]; !ok || !Same(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !Same(a[i], b[i]) {
				return false
			}
		}
		return true
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	}
	return reflect.DeepEqual(a, b)
}
