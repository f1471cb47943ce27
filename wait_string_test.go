package esock

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestWaitPrintsAsItIsWritten(t *testing.T) {
	mb := NewMailbox()
	defer mb.Close()
	h := mb.NewHandle()
	for want, w := range map[string]Wait{
		"Forever":                            Forever,
		"Within(1s)":                         Within(time.Second),
		"Within(0s)":                         Within(0),
		"Within(1s).Spin(50µs)":              Within(time.Second).Spin(50 * time.Microsecond),
		"Context":                            Context(context.Background()),
		"NoWait(" + mb.String() + ")":        NoWait(mb),
		"With(" + mb.String() + ")":          With(h),
		"With(" + mb.String() + ").Continue": With(h).Continue((*Select)(h)),
		"Forever.Continue":                   Forever.Continue((*Select)(h)),
		"invalid timeout -1s: a time cannot be negative": Within(-time.Second),
	} {
		assert.Equal(t, want, fmt.Sprint(w))
	}
	assert.Regexp(t, `^Until\(in -?\d.*s\)$`, Until(time.Now().Add(time.Hour)).String())
}
