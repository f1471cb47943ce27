package fileserver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/esock-go/esock/internal/testwait"
)

// Every client that waits gets one place: as many connections give way as clients wait, and no more.
func TestCrowdGivesAPlaceForEachClient(t *testing.T) {
	var closed []int
	c := &crowd{limit: 4, silence: time.Hour}
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

// A client that makes no request gives way to others once it has been silent for long enough, the longest first, and only
// if others wait.
func TestCrowdExpelsSilentClients(t *testing.T) {
	closed := make(chan int, 3)
	c := &crowd{limit: 2, silence: time.Nanosecond}
	members := make([]*member, 3)
	for i := range members {
		members[i] = &member{close: func() { closed <- i }}
	}
	for _, m := range members[:2] {
		assert.True(t, c.enter())
		assert.True(t, c.rest(m, false))
	}
	assert.Nil(t, c.timer, "nobody waits")
	entered := make(chan bool)
	go func() { entered <- c.enter() }()
	assert.Equal(t, 0, testwait.Result(t, "a silent client gives way", closed))
	assert.False(t, c.rouse(members[0]))
	c.leave(members[0])
	assert.True(t, testwait.Result(t, "a place", entered))
	c.expel()
	assert.True(t, c.rouse(members[1]), "one was enough")

	// One that comes while others wait may not be silent either, and one that is heard stays.
	go func() { entered <- c.enter() }()
	testwait.Until(t, "a client waits", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.wanted == 1
	})
	assert.True(t, c.rest(members[2], false))
	assert.Equal(t, 2, testwait.Result(t, "a silent client gives way", closed))
	c.leave(members[2])
	assert.True(t, testwait.Result(t, "a place", entered))
	c.end()
	assert.Empty(t, closed)
}
