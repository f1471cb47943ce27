package fileserver

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/esock-go/esock/internal/testwait"
)

// Every client that waits gets one place: as many connections give way as clients wait, and no more.
func TestCrowdGivesAPlaceForEachClient(t *testing.T) {
	var closed []int
	c := &crowd{limit: 4}
	members := make([]*member, 4)
	for i := range members {
		members[i] = &member{close: func() { closed = append(closed, i) }}
		assert.True(t, c.enter())
		assert.True(t, c.rest(members[i], false))
	}
	for _, i := range []int{2, 1} { // 0 and 3 have not made a request yet
		assert.True(t, c.rouse(members[i]))
		assert.False(t, c.gives(members[i]), "nobody waits")
		assert.True(t, c.rest(members[i], true))
	}
	entered := make(chan bool)
	enter := func(wanted int) {
		go func() { entered <- c.enter() }()
		testwait.Until(t, "a client waits", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.queue) == wanted
		})
	}
	enter(1)
	assert.False(t, c.rouse(members[2]), "the longest to wait gives way")
	assert.True(t, c.rouse(members[1]))
	assert.False(t, c.gives(members[1]), "one is enough")
	assert.True(t, c.rouse(members[0]))
	assert.True(t, c.rouse(members[3]))
	enter(2)
	enter(3)
	assert.True(t, c.gives(members[0]))
	assert.True(t, c.gives(members[0]), "it goes once")
	assert.False(t, c.rest(members[1], true))
	assert.True(t, c.rest(members[3], true), "two are enough")
	for _, m := range members[:3] {
		c.leave(m)
		assert.True(t, testwait.Result(t, "a place", entered))
	}
	assert.Equal(t, []int{2}, closed)
	assert.Equal(t, 4, c.inside)

	// A connection that ends by itself makes a place, too.
	assert.True(t, c.rouse(members[3]))
	enter(1)
	c.leave(members[3])
	assert.True(t, testwait.Result(t, "a place", entered))
	assert.Equal(t, 0, c.wanted)

	enter(1)
	assert.Equal(t, 4, c.end(), "all are busy")
	assert.False(t, testwait.Result(t, "the end", entered))
	assert.False(t, c.enter())
	assert.False(t, c.rest(&member{}, true))
	assert.True(t, c.gives(&member{}))
	for range 4 {
		c.leave(&member{})
	}
	assert.Equal(t, 0, c.inside)
}
