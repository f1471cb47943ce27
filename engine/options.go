package engine

import (
	"time"

	"github.com/esock-go/esock"
)

type config struct {
	buffers, size uint32
	mark          int
	spin          time.Duration
	backend       Backend
	busy          busyPoll
	panicked      func(*Conn, *PanicError)
}

// Option is an option of New.
type Option func(*config) error

// buffersCause is the cause of the error of Buffers.
const buffersCause = "there are at least 4, of a multiple of 64 bytes from 256 on, and of 2 GiB together at most"

// Buffers sets how many buffers the loop has, and how many bytes each: 1,024 of 16,576 if it is not given. Memory is
// used for those that are filled. size must be a multiple of 64, and at least 256. An odd multiple is faster: with a
// power of two the beginnings of all buffers compete for the same few lines of the processor's caches. count is at
// least 4, and all buffers together have no more than 2 GiB.
func Buffers(count, size int) Option {
	return func(c *config) error {
		if count < 4 || size < 256 || size%64 != 0 || int64(count) > 1<<31/int64(size) {
			return &esock.InvalidError{What: "buffers", Value: [2]int{count, size}, Cause: buffersCause}
		}
		c.buffers, c.size = uint32(count), uint32(size)
		return nil
	}
}

// Mark sets how many unsent bytes of a connection stop the reading from it, and further writes; 256 KiB if it is not
// given. Each send that waits counts 128 bytes more, so that many small ones are limited too.
//
// On a stream, Received is not called again until there is room, unless a Writable or a function of Post fills it
// meanwhile: a handler that writes once for each Received gets no ErrFull.
//
// What a handler writes in one call counts in full, even if the peer reads. A program that takes ErrFull for a peer that
// does not read, and closes the connection, needs a mark above that.
func Mark(bytes int) Option {
	return func(c *config) error {
		if bytes < 1 {
			return &esock.InvalidError{What: "mark", Value: bytes, Cause: "it is below 1"}
		}
		c.mark = bytes
		return nil
	}
}

// defaultSpin is about what it costs to sleep and be woken.
const defaultSpin = 50 * time.Microsecond

// Spin sets how long a loop that has nothing left to do looks for more before it sleeps, 50 µs if it is not given. It
// lets other goroutines run before each look. A longer time makes a busy loop faster and uses more of the processor; 0
// sleeps at once.
func Spin(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return &esock.InvalidError{What: "spin", Value: d, Cause: "it is negative"}
		}
		c.spin = d
		return nil
	}
}
