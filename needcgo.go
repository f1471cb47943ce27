package esock

import _ "github.com/esock-go/esock/internal/needcgo" // without cgo: one sentence instead of forty errors
