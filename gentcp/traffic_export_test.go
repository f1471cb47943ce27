package gentcp

import "github.com/esock-go/esock"

// Receivers is how many receives there are: the one that has the turn, and those that wait for it.
func Receivers(s *Socket) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.delivery.Receivers()
}

// Buffered is how much the socket has read ahead, and the memory it has for that.
func Buffered(s *Socket) (n, room int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.input.len(), cap(s.input.buf)
}

// HoldUp keeps receives of a passive socket from their turn until the function is called.
func HoldUp(s *Socket) (letGo func()) {
	held, release, released := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(released)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.delivery.Receive(esock.Forever, func() error {
			s.mu.Unlock()
			close(held)
			<-release
			s.mu.Lock()
			return nil
		}, nil)
	}()
	<-held
	return func() { close(release); <-released }
}
