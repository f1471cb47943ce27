package esock

// The zero value of each exported type, and a nil pointer to one, is something that a program can make by mistake. A
// socket or mailbox like that is a closed one; of the other types it is empty. The rule: a method that touches
// what its receiver points to begins with orClosed or orZero, and everything behind it meets a pointer that is not nil.
// A zero socket is closed by its state word (stOpen), so its calls fail where those of a closed socket fail, and none
// reaches C without a handle. The tests in zero_test.go try them all.

// orZero is p, or a new zero value in place of nil.
func orZero[T any](p *T) *T {
	if p == nil {
		return new(T)
	}
	return p
}

// errNowhere is the answer to reading a value into a nil pointer.
func errNowhere(what string) error {
	return &InvalidError{What: what, Cause: "there is nowhere to put it: the pointer is nil"}
}
