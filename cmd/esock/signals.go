package main

import (
	"context"
	"os/signal"
	"syscall"
)

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. The second ends the process, because a command
// that is blocked writing its output cannot end otherwise.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, reset := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	forget := context.AfterFunc(ctx, reset)
	return ctx, func() {
		forget()
		reset()
	}
}
