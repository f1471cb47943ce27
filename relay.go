package esock

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// A relay passes records to the logger in order, from a goroutine of its own, which ends when there are no more records. It
// serves operations during which the handler could deadlock, because the caller holds a lock of a layer above, its turn to
// receive, or a lock of crypto/tls. It also serves the goroutines of the whole process, which must not wait.
type relay struct {
	mu      sync.Mutex
	waiting []slog.Record
	omitted int // since waiting was full
	running bool
}

// maxRelayed is the number of records that may wait.
const maxRelayed = 1 << 12

// common relays the records that are not about a single socket.
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
