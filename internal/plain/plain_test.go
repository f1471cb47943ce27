package plain

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestInteger(t *testing.T) {
	for _, v := range []any{7, int8(7), int16(7), int32(7), int64(7), uint(7), uint8(7), uint16(7), uint32(7), uint64(7),
		float32(7), 7.0} {
		n, ok := Integer(v)
		assert.True(t, ok, "%T", v)
		assert.EqualValues(t, 7, n, "%T", v)
	}
	type named int
	for _, v := range []any{nil, true, "7", 7.5, math.NaN(), math.Inf(1), math.Ldexp(1, 54), uint64(math.MaxUint64),
		named(7)} {
		_, ok := Integer(v)
		assert.False(t, ok, "%T %v", v, v)
	}
	for _, v := range []any{uint64(math.MaxUint64), math.Ldexp(1, 54), 1e300, float32(1e30), int64(1) << 40, -1} {
		_, cause := Number(v, 0, math.MaxInt32)
		assert.Equal(t, "out of range", cause, "%T %v", v, v)
	}
	for _, v := range []any{nil, true, "7", 7.5, math.NaN(), math.Inf(1), named(7)} {
		_, cause := Number(v, 0, math.MaxInt32)
		assert.Equal(t, "not an integer", cause, "%T %v", v, v)
	}
	n, cause := Number(7.0, 7, 7)
	assert.EqualValues(t, 7, n)
	assert.Empty(t, cause)
	assert.True(t, FitsCInt(math.MinInt32) && FitsCInt(math.MaxInt32))
	assert.False(t, FitsCInt(math.MinInt32-1) || FitsCInt(math.MaxInt32+1))
}

func TestNames(t *testing.T) {
	names := Names{{1, "one"}, {2, "two"}}
	assert.Equal(t, "two", names.Spell(2))
	assert.Equal(t, "-3", names.Spell(-3))
	assert.Equal(t, "one", names.Value(1))
	assert.Equal(t, 3, names.Value(3))
	for text, want := range map[string]int{"one": 1, "2": 2, "-7": -7} {
		n, ok := names.Parse(text)
		assert.True(t, ok, text)
		assert.Equal(t, want, n)
	}
	for _, text := range []string{"", "ONE", "1.5", "2147483648"} {
		_, ok := names.Parse(text)
		assert.False(t, ok, text)
	}
}

// What Finish says comes in this order: unknown keys, the first wrong value, missing keys.
func TestMapFinish(t *testing.T) {
	r := Read(map[string]any{"a": "x", "b": 300, "c": true})
	r.Number("a", 0, 9, 0)
	r.Number("b", 0, 9, 0)
	assert.Equal(t, "unknown keys: c", r.Finish("d"))
	r.Bool("c")
	assert.Equal(t, "a: not an integer", r.Finish("d"))
	r = Read(map[string]any{"b": 3})
	assert.EqualValues(t, 3, r.Number("b", 0, 9, 0))
	assert.EqualValues(t, 5, r.Number("d", 0, 9, 5), "the default")
	assert.Equal(t, "missing keys: d, e", r.Finish("b", "d", "e"))
	assert.Empty(t, r.Finish("b"))
}

func TestMapKinds(t *testing.T) {
	wrong := map[string]any{"k": struct{}{}}
	for cause, read := range map[string]func(r *Map){
		"k: not a boolean":              func(r *Map) { r.Bool("k") },
		"k: not a string":               func(r *Map) { r.Text("k") },
		"k: not a list of strings":      func(r *Map) { r.Texts("k") },
		"k: not a map":                  func(r *Map) { r.Inner("k") },
		"k: neither bytes nor a string": func(r *Map) { r.Bytes("k") },
		"k: not a count":                func(r *Map) { r.Count("k", new(uint64)) },
		"k: not an integer":             func(r *Map) { r.Named("k", Names{{1, "one"}}, 9, 0) },
	} {
		r := Read(wrong)
		read(r)
		assert.Equal(t, cause, r.Finish())
	}
	r := Read(map[string]any{"k": "three"})
	r.Named("k", Names{{1, "one"}}, 9, 0)
	assert.Equal(t, "k: not a known name", r.Finish())
}

func TestFields(t *testing.T) {
	var v struct {
		A uint16
		B uint32
		C int32
	}
	fields := Fields{{"a", &v.A}, {"b", &v.B}, {"c", &v.C}}
	r := Read(map[string]any{"a": 1, "b": 2, "c": -3})
	r.Fields(fields)
	require.Empty(t, r.Finish())
	assert.Equal(t, map[string]any{"a": 1, "b": 2, "c": -3}, fields.Map())
	r = Read(map[string]any{"a": 1 << 16})
	r.Fields(fields)
	assert.Equal(t, "a: out of range", r.Finish())
}

func TestMapFromJSON(t *testing.T) {
	m, err := MapFromJSON([]byte(`{"n": 9007199254740993, "u": 18446744073709551615, "in": {"n": -1}, "f": 1.5, "l": [1]}`))
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"n": int64(9007199254740993), "u": uint64(math.MaxUint64), "in": map[string]any{"n": int64(-1)},
		"f": 1.5, "l": []any{1.0}}, m)
	_, err = MapFromJSON([]byte(`[]`))
	assert.Error(t, err)
}

func TestNamesOfBits(t *testing.T) {
	names := Names{{2, "two"}, {0, "none"}, {1, "one"}}
	set, rest := names.Bits(0b111)
	assert.Equal(t, []string{"two", "one"}, set)
	assert.Equal(t, 4, rest)
	assert.Equal(t, "two|one|0x4", names.SpellBits(0b111))
	assert.Equal(t, "one|0x80000000", names.SpellBits(-1<<31|1))
	assert.Empty(t, names.SpellBits(0))
}
