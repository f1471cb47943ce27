package plain

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSame(t *testing.T) {
	deep := func(n any) map[string]any {
		return map[string]any{"list": []any{n, "x", map[string]any{"bytes": []byte{1}}}, "nothing": nil, "on": true}
	}
	for _, same := range [][2]any{{5, int64(5)}, {5, 5.0}, {uint8(5), 5}, {"x", "x"}, {nil, nil}, {true, true}, {[]byte{1}, []byte{1}},
		{deep(1), deep(1.0)}, {[]any{}, []any{}}, {1.5, 1.5}} {
		assert.True(t, Same(same[0], same[1]), "%v", same)
		assert.True(t, Same(same[1], same[0]), "%v", same)
	}
	other := deep(1)
	delete(other, "nothing")
	for _, others := range [][2]any{{5, 6}, {5, "5"}, {5, true}, {1, 1.5}, {"x", "y"}, {nil, 0}, {[]byte{1}, []byte{2}}, {[]byte{1}, "\x01"},
		{deep(1), deep(2)}, {deep(1), other}, {[]any{1}, []any{1, 2}}, {map[string]any{"a": nil}, map[string]any{"b": nil}},
		{[]any{1}, map[string]any{"a": 1}}} {
		assert.False(t, Same(others[0], others[1]), "%v", others)
		assert.False(t, Same(others[1], others[0]), "%v", others)
	}
}

func TestKeysWithAliases(t *testing.T) {
	m := map[string]any{"old": 1}
	r := Read(m)
	r.Alias("old", "new")
	assert.Equal(t, int64(1), r.Number("new", 0, 9, 0))
	assert.Empty(t, r.Finish("new"))
	assert.Equal(t, map[string]any{"old": 1}, m, "the caller's")
	r = Read(map[string]any{"old": 1, "new": 2})
	r.Alias("old", "new")
	assert.Equal(t, int64(2), r.Number("new", 0, 9, 0))
	assert.Equal(t, "unknown keys: old", r.Finish())
}
