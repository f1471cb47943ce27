// Package callback makes, for tests, what a user hands to the library and the library calls back: a log and a context. Each
// calls a function of the test, which may use the socket that the call is about.
package callback

import (
	"context"
	"log/slog"
	"time"
)

// Logger is a log that calls f with the operation of each record of the trace.
func Logger(f func(op string)) *slog.Logger { return slog.New(handler{slog.DiscardHandler, f}) }

type handler struct {
	slog.Handler
	f func(op string)
}

func (h handler) Enabled(context.Context, slog.Level) bool { return true }

func (h handler) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "op" {
			h.f(a.Value.String())
		}
		return true
	})
	return nil
}

// Context is ctx with methods that call f first; so does a method of its error.
func Context(ctx context.Context, f func()) context.Context { return calling{ctx, f} }

type calling struct {
	context.Context
	f func()
}

func (c calling) Deadline() (time.Time, bool) { c.f(); return c.Context.Deadline() }
func (c calling) Done() <-chan struct{}       { c.f(); return c.Context.Done() }
func (c calling) Value(key any) any           { c.f(); return c.Context.Value(key) }

func (c calling) Err() error {
	c.f()
	if err := c.Context.Err(); err != nil {
		return callingError{err, c.f}
	}
	return nil
}

type callingError struct {
	error
	f func()
}

// Is reports whether target is the context's own error.
func (e callingError) Is(target error) bool { e.f(); return target == e.error }
