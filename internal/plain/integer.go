package plain

import (
	"encoding/json"
	"math"
	"strconv"
)

// Integer reads an integer of any of Go's own types, and a floating-point number without a fraction, which is how numbers
// arrive from JSON. Types with a name are refused: a time.Duration is no count of seconds.
func Integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int8:
		return int64(v), true
	case int16:
		return int64(v), true
	case int32:
		return int64(v), true
	case int64:
		return v, true
	case uint:
		return int64(v), uint64(v) <= math.MaxInt64
	case uint8:
		return int64(v), true
	case uint16:
		return int64(v), true
	case uint32:
		return int64(v), true
	case uint64:
		return int64(v), v <= math.MaxInt64
	case float32:
		return Integer(float64(v))
	case float64:
		// Above 2^53, neighbouring integers are one float64.
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return 0, false
		}
		return int64(v), true
	}
	return 0, false
}

// Number reads an integer from low to high, of the types that Integer reads. The cause says why v is none, "" if it is one:
// a number that is too large for an int64 is out of range like any other.
func Number(v any, low, high int64) (n int64, cause string) {
	n, ok := Integer(v)
	switch {
	case !ok && !isWhole(v):
		return 0, "not an integer"
	case !ok || n < low || n > high:
		return 0, "out of range"
	}
	return n, ""
}

// isWhole reports whether v is an integer, however large.
func isWhole(v any) bool {
	switch v := v.(type) {
	case uint, uint64:
		return true
	case float32:
		return isWhole(float64(v))
	case float64:
		return v == math.Trunc(v) && !math.IsInf(v, 0)
	}
	_, ok := Integer(v)
	return ok
}

// Int is n as maps hold it: an int, or an int64 where an int has 32 bits and n does not fit.
func Int(n int64) any {
	if int64(int(n)) != n {
		return n
	}
	return int(n)
}

// FitsCInt reports whether n can be passed to C as an int.
func FitsCInt(n int64) bool { return n >= math.MinInt32 && n <= math.MaxInt32 }

// MapFromJSON reads a JSON object. Integers of up to 64 bits keep their exact value: they are int64, or uint64 where they
// need to be.
func MapFromJSON(b []byte) (map[string]any, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, err
	}
	m := make(map[string]any, len(raw))
	for k, v := range raw {
		var err error
		if m[k], err = valueFromJSON(v); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func valueFromJSON(b json.RawMessage) (any, error) {
	if len(b) > 0 && b[0] == '{' {
		return MapFromJSON(b)
	}
	if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		return n, nil
	}
	if u, err := strconv.ParseUint(string(b), 10, 64); err == nil {
		return u, nil
	}
	var v any
	err := json.Unmarshal(b, &v)
	return v, err
}
