package esock

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestWaitOver(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	for _, w := range []Wait{Forever, Within(0), Within(time.Nanosecond), Within(time.Hour).Begin(), Until(time.Now().Add(time.Hour)),
		Context(ctx), NoWait(NewMailbox()), Within(-1)} {
		assert.NoError(t, w.over(), "%+v", w)
	}
	cancel()
	assert.ErrorIs(t, Context(ctx).over(), context.Canceled)
	assert.Equal(t, ErrTimeout, Until(time.Now().Add(-time.Second)).over())
}
