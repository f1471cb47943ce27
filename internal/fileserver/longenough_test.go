package fileserver

import "time"

// longEnough is how long a test waits for what must come, and the time of servers whose time must not run out. It
// measures nothing: only a test that fails waits that long, and a machine twenty times slower than others must get
// there.
const longEnough = time.Minute
