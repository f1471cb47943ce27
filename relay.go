package esock

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// A relay hands records to the logger from a goroutine of its own, in their order. It is for operations of those who hold what
// the logger's handler may want: a lock of a layer above, its turn to receive, those of crypto/tls; and for the goroutines
// that everybody needs, which must not wait. The goroutine ends when there are no more records.
type relay struct {
	mu      sync.Mutex
	waiting []slog.Record
	omitted int // since waiting was full
	running bool
}

// maxRelayed is how many records may wait.
const maxRelayed = 1 << 12

// common is the relay of what is about no socket.
var common relay

func (r *relay) tell(level slog.Level, msg string, args ...any) {
	record := slog.NewRecord(time.Now(), level, msg, 0)
	record.Add(args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == maxRelayed {
		r.omitted++
		return
	}
	r.waiting = append(r.waiting, record)
	if !r.running {
		r.running = true
		go r.run()
	}
}

func (r *relay) run() {
	over := false
	defer func() {
		if !over {
			go r.run() // the handler has ended this goroutine
		}
	}()
	for {
		r.mu.Lock()
		records, omitted := r.waiting, r.omitted
		r.waiting, r.omitted = nil, 0
		if over = len(records) == 0; over {
			r.running = false
		}
		r.mu.Unlock()
		if over {
			return
		}
		for _, record := range records {
			if h := logger().Handler(); h.Enabled(context.Background(), record.Level) {
				_ = h.Handle(context.Background(), record) // as slog.Logger does
			}
		}
		if omitted > 0 {
			logger().Warn("esock: records of the trace were left out", "n", omitted)
		}
	}
}
