package active

import (
	"errors"
	"math"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func mode(t *testing.T, v any) Mode {
	t.Helper()
	m, _, err := Mode{}.Set(v)
	require.NoError(t, err)
	require.Equal(t, v, m.Value())
	require.Equal(t, v != false, m.On())
	return m
}

var modes = []any{false, true, Once, 1, 2, 5, 32766, 32767}

func TestSetWords(t *testing.T) {
	for _, from := range modes {
		for _, v := range []any{false, true, Once} {
			to, spent, err := mode(t, from).Set(v)
			require.NoError(t, err)
			assert.Equal(t, mode(t, v), to)
			_, counted := from.(int)
			assert.Equal(t, counted && v == false, spent, "%v -> %v", from, v)
		}
	}
}

func TestSetNumbers(t *testing.T) {
	for _, from := range modes {
		left, _ := from.(int)
		m := mode(t, from)
		for n := math.MinInt16; n <= math.MaxInt16; n++ {
			to, spent, err := m.Set(n)
			sum := left + n
			var ok bool
			switch {
			case sum > 32767:
				ok = errors.Is(err, syscall.EINVAL) && to == m && !spent
			case sum <= 0:
				ok = err == nil && to == Mode{} && spent
			default:
				ok = err == nil && to.Value() == sum && to.On() && !spent
			}
			if !ok {
				t.Fatalf("%v -> %d is %v, %v, %v", from, n, to.Value(), spent, err)
			}
		}
	}
}

func TestAfterAPacket(t *testing.T) {
	for _, c := range []struct {
		from, to any
		spent    bool
	}{{true, true, false}, {Once, false, false}, {1, false, true}, {2, 1, false}, {32767, 32766, false}} {
		to, spent := mode(t, c.from).After()
		assert.Equal(t, c.to, to.Value(), "after %v", c.from)
		assert.Equal(t, c.spent, spent, "after %v", c.from)
	}
}
