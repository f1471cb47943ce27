package gentcp

// Turns says whether a receive has the turn, and how many wait for it.
func Turns(s *Socket) (taken bool, queued int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.turn.taken, len(s.turn.queue)
}

// Buffered is how much the socket has read ahead, and the memory it has for that.
func Buffered(s *Socket) (n, room int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.input.len(), cap(s.input.buf)
}

// HoldUp keeps receives from their turn until the function is called.
func HoldUp(s *Socket) (letGo func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn.taken = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pass()
	}
}
