package callback

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLogger(t *testing.T) {
	var ops []string
	log := Logger(func(op string) { ops = append(ops, op) })
	log.Debug("", "op", "recv", "other", 1)
	log.Info("", "other", 1)
	log.Error("", "op", "close")
	assert.Equal(t, []string{"recv", "close"}, ops)
}

func TestContext(t *testing.T) {
	calls := 0
	parent, cancel := context.WithCancel(t.Context())
	ctx := Context(parent, func() { calls++ })
	calledIn := func(f func()) {
		t.Helper()
		before := calls
		f()
		assert.Equal(t, before+1, calls)
	}
	calledIn(func() { ctx.Deadline() })
	calledIn(func() { ctx.Done() })
	calledIn(func() { ctx.Value(1) })
	calledIn(func() { assert.NoError(t, ctx.Err()) })
	cancel()
	var err error
	calledIn(func() { err = ctx.Err() })
	calledIn(func() { assert.ErrorIs(t, err, context.Canceled) })
}
