package esock

import "time"

// patience is how long a test waits for what must come, longPatience how long for a whole workload. They measure
// nothing: only a test that fails waits that long, and a machine twenty times slower than others must get there.
const (
	patience     = time.Minute
	longPatience = 5 * time.Minute
)
