package fileserver

import (
	"container/list"
	"sync"
	"time"
)

// crowd decides which connections give way when more clients come than are served at once, and when the server ends. A
// connection that waits for its next request gives way first, the one that has waited longest; if there is none, the next
// that has answered a request does, or a client whose first request has not begun to arrive in the time of silence. Before
// that it keeps its place, because its request is on the way: otherwise clients that come together would drive each other out.
type crowd struct {
	mu     sync.Mutex
	limit  int
	inside int         // connections that have a place
	wanted int         // clients that wait for a place and were promised none
	queue  []chan bool // those clients, and those that were promised one; the first is the next
	quiet  list.List   // of *member: those that wait for a request, the longest first
	ended  bool

	silence time.Duration // how long a new client may be silent while others wait
	timer   *time.Timer   // calls expel; nil: none yet
}

// member is a connection in a crowd. The mutex of the crowd guards it.
type member struct {
	close  func()        // ends every wait of the connection
	since  time.Time     // when it began to wait
	place  *list.Element // in quiet, nil while a request is being answered
	served bool          // a request has been answered
	going  bool          // it gives its place to another, or the server ends
}

// enter waits for a place, and reports whether there is one: not if the server ends.
func (c *crowd) enter() bool {
	c.mu.Lock()
	if c.ended || c.inside < c.limit && len(c.queue) == 0 {
		defer c.mu.Unlock()
		if !c.ended {
			c.inside++
		}
		return !c.ended
	}
	turn := make(chan bool, 1)
	c.queue = append(c.queue, turn)
	c.wanted++
	var gone *member
	for e := c.quiet.Front(); e != nil && gone == nil; e = e.Next() {
		if m := e.Value.(*member); m.served {
			gone = m
		}
	}
	if gone != nil {
		c.yield(gone)
	} else {
		c.plan()
	}
	c.mu.Unlock()
	if gone != nil {
		gone.close()
	}
	return <-turn
}

// silent returns the member that has waited longest for its first request, nil if there is none. c.mu is held.
func (c *crowd) silent() *member {
	for e := c.quiet.Front(); e != nil; e = e.Next() {
		if m := e.Value.(*member); !m.served {
			return m
		}
	}
	return nil
}

// plan has the next silent member expelled when it is due, if a client waits for a place. c.mu is held.
func (c *crowd) plan() {
	m := c.silent()
	if c.ended || c.wanted == 0 || m == nil {
		return
	}
	if c.timer == nil {
		c.timer = time.AfterFunc(time.Until(m.since.Add(c.silence)), c.expel)
		return
	}
	c.timer.Reset(time.Until(m.since.Add(c.silence)))
}

// expel makes room for the clients that wait: silent members give way.
func (c *crowd) expel() {
	var gone []*member
	c.mu.Lock()
	for c.wanted > 0 {
		m := c.silent()
		if m == nil || time.Since(m.since) < c.silence {
			break
		}
		c.yield(m)
		gone = append(gone, m)
	}
	c.plan()
	c.mu.Unlock()
	for _, m := range gone {
		m.close()
	}
}

// yield promises the place of a member to a client that waits. c.mu is held.
func (c *crowd) yield(m *member) {
	c.wanted--
	m.going = true
	if m.place != nil {
		c.quiet.Remove(m.place)
		m.place = nil
	}
}

// leave gives up the place of a member.
func (c *crowd) leave(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.place != nil {
		c.quiet.Remove(m.place)
		m.place = nil
	}
	if !m.going && c.wanted > 0 {
		c.wanted--
	}
	if len(c.queue) == 0 {
		c.inside--
		return
	}
	c.queue[0] <- true
	c.queue = c.queue[1:]
}

// gives reports whether a member must end its connection after the response that it is about to send.
func (c *crowd) gives(m *member) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !m.going && c.wanted > 0 {
		c.yield(m)
	}
	return m.going || c.ended
}

// rest notes that a member waits for a request. It reports false if the connection must end instead.
func (c *crowd) rest(m *member, served bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	m.served = served
	if served && !m.going && c.wanted > 0 {
		c.yield(m)
	}
	if m.going || c.ended {
		return false
	}
	m.since = time.Now()
	m.place = c.quiet.PushBack(m)
	if !served {
		c.plan()
	}
	return true
}

// rouse notes that a request has come. It reports false if the connection has been closed meanwhile.
func (c *crowd) rouse(m *member) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.place == nil {
		return false
	}
	c.quiet.Remove(m.place)
	m.place = nil
	return true
}

// end refuses all who wait for a place, and ends the connections that wait for a request. It returns how many others there
// are.
func (c *crowd) end() (busy int) {
	c.mu.Lock()
	c.ended = true
	busy = c.inside - c.quiet.Len()
	for _, turn := range c.queue {
		turn <- false
	}
	c.queue, c.wanted = nil, 0
	if c.timer != nil {
		c.timer.Stop()
	}
	var gone []*member
	for e := c.quiet.Front(); e != nil; e = e.Next() {
		m := e.Value.(*member)
		m.place = nil
		gone = append(gone, m)
	}
	c.quiet.Init()
	c.mu.Unlock()
	for _, m := range gone {
		m.close()
	}
	return busy
}
